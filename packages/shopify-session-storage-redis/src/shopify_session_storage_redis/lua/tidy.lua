-- Take off the list of a shop the keys under which there is nothing.
-- KEYS: the list's key, then keys in it. ARGV: each of those keys as JSON.
local list = list_at(KEYS[1])
for i = 2, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 0 then
    remove(list, KEYS[i], ARGV[i - 1])
  end
end
write_lists()
return nil
