-- Store sessions, and list each under its shop.
-- KEYS: the sessions' keys, then the key of the shop's list of each.
-- ARGV: the prefix with its underscore; then for each session its text, its key as JSON, and when
-- it is to be deleted, in milliseconds since the epoch, or '' for never.
-- Returns nothing, or what is in the way and where; then nothing has been written.
local prefix, count = ARGV[1], #KEYS / 2
local stored, written = {}, {}
for i = 1, count do
  stored[KEYS[i]] = true
  written[2 * i - 1], written[2 * i] = KEYS[i], ARGV[3 * i - 1]
end
-- Each list once, however many sessions are in it: it may be long.
local wanted, places = {unpack(KEYS, 1, count)}, {}
for i = count + 1, 2 * count do
  if not places[KEYS[i]] then
    wanted[#wanted + 1] = KEYS[i]
    places[KEYS[i]] = #wanted
  end
end
local texts = redis.call('MGET', unpack(wanted))

-- Tell whether a session is there already, with its id and shop in the same spelling, and in the
-- list, so that there is nothing else to write.
local function is_listed(text, new, list_text, token)
  local last = text and list_text and string.find(new, '],["state",', 1, true)
  return last and string.find(text, string.sub(new, 1, last), 1, true) == 1
    and has_no_other_shop(text, last)
    and string.sub(list_text, 1, 2) == '["' and place_of(list_text, token, 1)
end

-- Note what is to become of the lists. Returns what is in the way.
local function enlist(i, key, list_key, list_text, token)
  local kind, text = 'none', texts[i]
  if text then
    kind = kind_of(text)
  else -- MGET gives nothing for what is not a string, too
    kind = read(key)
  end
  if kind == 'list' or kind == 'other' then
    return {kind, key}
  end
  local list = list_at(list_key, list_text)
  if stored[list_key] then
    return {'session', list_key}
  elseif list.kind ~= 'list' and list.kind ~= 'none' then
    return {list.kind, list_key}
  end
  local old_shop = kind == 'session' and shop_of(text)
  if old_shop and prefix .. old_shop ~= list_key then
    remove(list_at(prefix .. old_shop), key, token)
  end
  add(list, key, token)
end

for i = 1, count do
  local key, list_key, token = KEYS[i], KEYS[count + i], ARGV[3 * i]
  local list_text = texts[places[list_key]]
  if not is_listed(texts[i], ARGV[3 * i - 1], list_text, token) then
    local conflict = enlist(i, key, list_key, list_text, token)
    if conflict then
      return conflict
    end
  end
end
redis.call('MSET', unpack(written))
for i = 1, count do
  if ARGV[3 * i + 1] ~= '' then
    redis.call('PEXPIREAT', KEYS[i], ARGV[3 * i + 1])
  end
end
write_lists()
return nil
