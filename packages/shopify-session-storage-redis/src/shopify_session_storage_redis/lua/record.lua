-- Change the record of migrations; names that are not given stay as they are.
-- KEYS: the record's key. ARGV: a name to add, and one to add or remove; 'add' or 'remove'.
local text = redis.call('GET', KEYS[1])
local readable, record = true, {}
if text then
  readable, record = pcall(cjson.decode, text)
end
if not readable or type(record) ~= 'table' then
  return redis.error_reply('ERR the record of migrations is no JSON object')
end
record[ARGV[1]] = true
record[ARGV[2]] = ARGV[3] == 'add' or nil
redis.call('SET', KEYS[1], cjson.encode(record))
return nil
