-- Delete sessions, and take them off the lists of their shops. A key that holds something else
-- than a session is left alone.
-- KEYS: the sessions' keys. ARGV: the prefix with its underscore; then for each session its key as
-- JSON and, if only what has certain tokens is to be deleted, these, as spelled_tokens() spells them.
-- Returns the numbers of those that are left because they have other tokens.
local deleted, others = {}, {}
local step = (#ARGV - 1) / #KEYS
for i, text in ipairs(redis.call('MGET', unpack(KEYS))) do
  local kind = text and kind_of(text)
  if kind == 'session' or kind == 'text' then
    local key, place = KEYS[i], 2 + (i - 1) * step
    local access, refresh = ARGV[place + 1], ARGV[place + 2]
    if step > 1 then
      local stored_access, stored_refresh = spelled_tokens(text)
      kind = stored_access == access and stored_refresh == refresh and kind
    end
    if kind then
      deleted[#deleted + 1] = key
      local shop = kind == 'session' and shop_of(text)
      if shop then
        remove(list_at(ARGV[1] .. shop), key, ARGV[place])
      end
    else
      others[#others + 1] = i
    end
  end
end
if #deleted > 0 then
  redis.call('DEL', unpack(deleted))
end
write_lists()
return others
