-- Add keys to the list of a shop, and remove keys from it.
-- KEYS: the list's key. ARGV: how many keys to add; then each key to add or to remove, and how
-- JSON spells it.
-- Returns nothing, or what is in the way of the list.
local list = list_at(KEYS[1])
local count = tonumber(ARGV[1])
if count > 0 and list.kind ~= 'list' and list.kind ~= 'none' then
  return {list.kind, KEYS[1]}
end
for i = 1, (#ARGV - 1) / 2 do
  (i <= count and add or remove)(list, ARGV[2 * i], ARGV[2 * i + 1])
end
write_lists()
return nil
