-- Read the list of a shop, and what is stored under each key in it.
-- KEYS: the list's key. ARGV: the prefix with its underscore; keys without it are not read.
-- Returns what the key holds (see read()); if that is a list, its text and a value for each entry.
local kind, text = read(KEYS[1])
if kind ~= 'list' then
  return {kind}
end
local result, keys = {kind, text}, {}
for i, token in ipairs(tokens(text)) do
  local key = spelled(token)
  local ours = key and string.sub(key, 1, #ARGV[1]) == ARGV[1]
  keys[i] = ours and key or ARGV[1] -- which is nobody's key
end
for first = 1, #keys, 1000 do -- more arguments than 8,000 do not fit on Lua's stack
  local last = math.min(first + 999, #keys)
  for _, value in ipairs(redis.call('MGET', unpack(keys, first, last))) do
    result[#result + 1] = value
  end
end
return result
