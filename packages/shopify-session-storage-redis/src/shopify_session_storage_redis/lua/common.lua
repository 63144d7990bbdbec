--!df flags=allow-undeclared-keys
-- Goes before every other script. That first line is for Dragonfly: which list a session is moved
-- or deleted from is known only when the session has been read.

-- Tell what a string is: 'list' (a shop's list, an array of strings), 'session' (an array of arrays)
-- or 'text' (another one).
local function kind_of(text)
  if string.find(text, '^%s*%[%s*%[') then
    return 'session'
  elseif string.find(text, '^%s*%[%s*["%]]') then
    return 'list'
  end
  return 'text'
end

-- Tell what a key holds, and the string if it is one: see kind_of(), 'none', or 'other' (not a
-- string).
local function read(key)
  local found = redis.pcall('GET', key)
  if not found then
    return 'none'
  elseif type(found) == 'table' then
    if not string.find(found.err, 'WRONGTYPE', 1, true) then
      redis.call('GET', key) -- fails again, and ends the script
    end
    return 'other'
  end
  return kind_of(found), found
end

-- Tell whether what follows a session's shop, from there on, cannot have another one, in any case
-- or spelling.
local function has_no_other_shop(text, from)
  if string.find(text, '\\', from, true) then
    return false
  end
  -- No other key ends in this letter, and to look for it takes a fraction of the time.
  return not string.find(text, 'p"', from, true) and not string.find(text, 'P"', from, true)
    or not string.find(string.lower(string.sub(text, from)), '"shop"', 1, true)
end

-- Return the shop of a session, nil if the text cannot be read.
local function shop_of(text)
  -- As ours and the official adapter spell it: decoding it would take most of a script's time.
  local shop, last = string.match(text, '^%[%["id","[^"\\]*"%],%["shop","([^"\\]*)"%]()')
  if shop and has_no_other_shop(text, last) then
    return shop
  end
  local readable, entries = pcall(cjson.decode, text)
  shop = nil
  if readable and type(entries) == 'table' then
    for _, pair in ipairs(entries) do
      if type(pair) == 'table' and type(pair[1]) == 'string' and string.lower(pair[1]) == 'shop'
        and type(pair[2]) == 'string' then
        shop = pair[2]
      end
    end
  end
  return shop
end

-- Spell the tokens of what is stored: each is '=' and the token, or '' for none. '?' is for what
-- cannot be read, which no token is.
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

-- Lists are worked on as text: to decode and encode one of thousands of entries for a single one
-- would take milliseconds. A token is an entry as it is spelled there, with its quotes.

local function tokens(text)
  local found = {}
  if not string.find(text, '\\', 1, true) then
    for token in string.gmatch(text, '"[^"]*"') do
      found[#found + 1] = token
    end
    return found
  end
  local first = string.find(text, '"', 1, true)
  while first do
    local last = string.find(text, '["\\]', first + 1)
    while last and string.sub(text, last, last) == '\\' do
      last = string.find(text, '["\\]', last + 2)
    end
    if not last then
      break
    end
    found[#found + 1] = string.sub(text, first, last)
    first = string.find(text, '"', last + 1, true)
  end
  return found
end

-- Return the key that a token spells.
local function spelled(token)
  if not string.find(token, '\\', 1, true) then
    return string.sub(token, 2, -2)
  end
  local readable, decoded = pcall(cjson.decode, '[' .. token .. ']')
  return readable and decoded[1] or nil
end

-- Return where a token is in a list; token is how JSON.stringify() spells a key.
local function place_of(text, token, from)
  local first = string.find(text, token, from, true)
  -- After a backslash it is a part of another entry. No token begins where an entry ends.
  while first and string.sub(text, first - 1, first - 1) == '\\' do
    first = string.find(text, token, first + 1, true)
  end
  return first
end

-- Tell whether a list may have entries that JSON.stringify() spells in another way.
local function is_odd(text)
  return string.find(text, '\\u', 1, true) or string.find(text, '\\/', 1, true)
end

local function contains(text, key, token)
  if place_of(text, token, 1) then
    return true
  end
  if is_odd(text) then
    for _, other in ipairs(tokens(text)) do
      if spelled(other) == key then
        return true
      end
    end
  end
  return false
end

local lists = {}

-- Return the list under a key as it will be, for add() and remove(); its text may be known.
local function list_at(list_key, text)
  local list = lists[list_key]
  if not list then
    local kind = text and kind_of(text)
    if not text then
      kind, text = read(list_key)
    end
    list = {kind = kind, text = text or '[]', added = {}, new = {}, removed = {}}
    lists[list_key] = list
  end
  return list
end

local function add(list, key, token)
  if not list.new[key] and not contains(list.text, key, token) then
    list.new[key] = true
    list.added[#list.added + 1] = token
  end
end

local function remove(list, key, token)
  if list.kind == 'list' and contains(list.text, key, token) then
    list.removed[key] = token
  end
end

-- Return a list without its closing bracket, and without a comma that is left there.
local function unclosed(text)
  local last = #text
  while string.find(string.sub(text, last, last), '^[%s,%]]') do
    last = last - 1
  end
  return string.sub(text, 1, last)
end

-- Return a list without the removed keys, its other entries as they are spelled.
local function without(text, removed)
  local key, token = next(removed)
  if not next(removed, key) and not is_odd(text) then -- cut out, in a fraction of the time
    local first = place_of(text, token, 1)
    while first do
      local _, last = string.find(text, '^%s*,?%s*', first + #token)
      text = string.sub(text, 1, first - 1) .. string.sub(text, last + 1)
      first = place_of(text, token, first)
    end
    return unclosed(text) .. ']'
  end
  local kept = {}
  for _, other in ipairs(tokens(text)) do
    if not removed[spelled(other) or ''] then
      kept[#kept + 1] = other
    end
  end
  return '[' .. table.concat(kept, ',') .. ']'
end

-- Write the lists that have changed.
local function write_lists()
  for list_key, list in pairs(lists) do
    local text = list.text
    if next(list.removed) then
      text = without(text, list.removed)
    end
    local added = table.concat(list.added, ',')
    if added == '' then
      if text ~= list.text then
        redis.call('SET', list_key, text)
      end
    elseif text == list.text and string.sub(text, -2) == '"]' then
      -- Only what is new travels to replicas and into the log.
      redis.call('SETRANGE', list_key, #text - 1, ',' .. added .. ']')
      redis.call('PERSIST', list_key)
    else
      text = unclosed(text)
      local comma = string.sub(text, -1) == '"' and ',' or ''
      redis.call('SET', list_key, text .. comma .. added .. ']')
    end
  end
end
