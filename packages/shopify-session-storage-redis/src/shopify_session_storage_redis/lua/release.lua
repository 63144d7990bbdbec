-- Give up a lease if the holder has it.
-- KEYS: the lease's key. ARGV: the holder.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
end
return nil
