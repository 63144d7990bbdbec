-- Goes before store.lua and put.lua, with one session, which they then store only if what is there
-- has certain tokens.
-- KEYS: the session's key first. ARGV, at the end: the expected tokens as spelled_tokens() spells
-- them, or '-' and '-' if nothing may be there.
-- Returns 'same' if the whole session is there already, or 'other', both in an array.
do
  local kind, text = read(KEYS[1])
  -- What is there of another kind is in the way, which the next script tells.
  if kind ~= 'list' and kind ~= 'other' then
    local access, refresh = '-', '-'
    if text then
      access, refresh = spelled_tokens(text)
    end
    if access ~= ARGV[#ARGV - 1] or refresh ~= ARGV[#ARGV] then
      -- The session's text comes after the prefix for store.lua, which has the list's key, too.
      return {text == ARGV[#KEYS] and 'same' or 'other'}
    end
  end
end
