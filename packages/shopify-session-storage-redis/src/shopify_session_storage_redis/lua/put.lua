-- Store one session, without its shop's list.
-- KEYS: the session's key. ARGV: its text; when it is to be deleted, as in store.lua.
-- Returns what was there (see read()) and, if it was a session, its shop. A list, and what is not
-- a string, is left alone.
local kind, text = read(KEYS[1])
if kind ~= 'list' and kind ~= 'other' then
  redis.call('SET', KEYS[1], ARGV[1])
  if ARGV[2] ~= '' then
    redis.call('PEXPIREAT', KEYS[1], ARGV[2])
  end
end
return {kind, kind == 'session' and shop_of(text) or ''}
