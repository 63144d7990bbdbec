-- Delete sessions, and take them off the lists of their shops. A key that holds something else
-- than a session is left alone.
-- KEYS: the sessions' keys. ARGV: the prefix with its underscore; then each key as JSON.
local deleted = {}
for i, key in ipairs(KEYS) do
  local kind, text = read(key)
  if kind == 'session' or kind == 'text' then
    deleted[#deleted + 1] = key
    local shop = kind == 'session' and shop_of(text)
    if shop then
      remove(list_at(ARGV[1] .. shop), key, ARGV[i + 1])
    end
  end
end
for _, key in ipairs(deleted) do
  redis.call('DEL', key)
end
write_lists()
return nil
