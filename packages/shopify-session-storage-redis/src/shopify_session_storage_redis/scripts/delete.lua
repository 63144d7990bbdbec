-- Delete sessions, and take them off the lists of their shops. A key that holds something else
-- than a session is left alone.
-- KEYS: the sessions' keys. ARGV: the prefix with its underscore; then each key as JSON.
local deleted = {}
for i, text in ipairs(redis.call('MGET', unpack(KEYS))) do
  local kind = text and kind_of(text)
  if kind == 'session' or kind == 'text' then
    local key = KEYS[i]
    deleted[#deleted + 1] = key
    local shop = kind == 'session' and shop_of(text)
    if shop then
      remove(list_at(ARGV[1] .. shop), key, ARGV[i + 1])
    end
  end
end
if #deleted > 0 then
  redis.call('DEL', unpack(deleted))
end
write_lists()
return nil
