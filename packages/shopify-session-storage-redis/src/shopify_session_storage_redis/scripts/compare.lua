-- Goes before store.lua and put.lua, with one session, which they then store only if what is there
-- has certain tokens.
-- KEYS: the session's key first. ARGV, at the end: the session's tokens, then the expected ones.
-- Access token and refresh token of each are '=' and the token, or '' for none; expected is '-' and
-- '-' if nothing may be there.
-- Returns 'same' if the session's own tokens are there, or 'other', both in an array.

-- Spell the tokens of what is stored; '?' for what cannot be read, which no token is.
local function spelled_tokens(text)
  local readable, entries = pcall(cjson.decode, text)
  if not readable or type(entries) ~= 'table' then
    return '?', '?'
  end
  local found = {accesstoken = '', refreshtoken = ''}
  for _, pair in ipairs(entries) do
    local name = type(pair) == 'table' and type(pair[1]) == 'string' and string.lower(pair[1])
    if found[name] and pair[2] ~= nil and pair[2] ~= cjson.null then
      found[name] = type(pair[2]) == 'string' and '=' .. pair[2] or '?'
    end
  end
  return found.accesstoken, found.refreshtoken
end

do
  local kind, text = read(KEYS[1])
  -- What is there of another kind is in the way, which the next script tells.
  if kind ~= 'list' and kind ~= 'other' then
    local access, refresh = '-', '-'
    if text then
      access, refresh = spelled_tokens(text)
    end
    if access ~= ARGV[#ARGV - 1] or refresh ~= ARGV[#ARGV] then
      local same = access == ARGV[#ARGV - 3] and refresh == ARGV[#ARGV - 2]
      return {same and 'same' or 'other'}
    end
  end
end
