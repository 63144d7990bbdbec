-- Delete one session, without its shop's list, and return its shop.
-- KEYS: the session's key.
local kind, text = read(KEYS[1])
if kind == 'session' or kind == 'text' then
  redis.call('DEL', KEYS[1])
end
return kind == 'session' and shop_of(text) or ''
