-- Shared by all scripts. Offsets, revisions, counters and times are decimal strings: a Lua number is a double.

-- integer says whether s is a decimal integer of at most so many digits.
local function integer(s, digits)
  local figures = string.match(s, '^%-?(%d+)$')
  return figures ~= nil and #figures <= digits
end

-- less compares two canonical decimal integers of any length.
local function less(a, b)
  local na, nb = string.sub(a, 1, 1) == '-', string.sub(b, 1, 1) == '-'
  if na ~= nb then return na end
  if na then a, b = string.sub(b, 2), string.sub(a, 2) end
  if #a ~= #b then return #a < #b end
  return a < b
end

-- largest returns the larger of two decimal integers, where '' and nil stand for none.
local function largest(a, b)
  if not a or a == '' then return b or '' end
  if not b or b == '' then return a end
  if less(a, b) then return b end
  return a
end

-- typed fails unless the key is absent or of the type wanted. To be called before the first write: a script that fails
-- later keeps what it has written.
local function typed(key, want)
  local t = redis.call('TYPE', key)
  t = t.ok or t
  if t ~= 'none' and t ~= want then
    error('shaketable: key ' .. key .. ' is a ' .. t .. ', not a ' .. want .. '; nothing was written', 0)
  end
end
