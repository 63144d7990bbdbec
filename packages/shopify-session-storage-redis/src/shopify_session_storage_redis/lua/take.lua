-- Delete one session, without its shop's list; if tokens are given, only if it has these.
-- KEYS: the session's key. ARGV: nothing, or tokens as spelled_tokens() spells them.
-- Returns 'other' if it has other tokens; else 'none', and its shop if it was a session.
local kind, text = read(KEYS[1])
if kind ~= 'session' and kind ~= 'text' then
  return {'none', ''}
end
if #ARGV > 0 then
  local access, refresh = spelled_tokens(text)
  if access ~= ARGV[1] or refresh ~= ARGV[2] then
    return {'other', ''}
  end
end
redis.call('DEL', KEYS[1])
return {'none', kind == 'session' and shop_of(text) or ''}
