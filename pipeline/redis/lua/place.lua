-- place gives a value of an attribute its slice: the one it has, one of the places that are left, or that of the others.
-- KEYS: slices. ARGV: attribute, value, how many places the attribute has, value of the others.
typed(KEYS[1], 'hash')
local function name(value) return ARGV[1] .. '=' .. value end
local own, others, count = name(ARGV[2]), name(ARGV[4]), '#' .. ARGV[1]
if ARGV[2] ~= ARGV[4] then
  if redis.call('HEXISTS', KEYS[1], own) == 1 then return own end
  local taken = redis.call('HGET', KEYS[1], count) or '0'
  if not integer(taken, 4) then error('shaketable: key ' .. KEYS[1] .. ' ' .. count .. ': ' .. taken .. ' is no counter', 0) end
  if tonumber(taken) < tonumber(ARGV[3]) then
    redis.call('HSET', KEYS[1], own, redis.call('HINCRBY', KEYS[1], count, 1))
    return own
  end
end
redis.call('HSETNX', KEYS[1], others, 0)
return others
