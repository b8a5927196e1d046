-- orders returns the orders that wait, oldest first. KEYS: orders, orders:body.
local found = {}
for _, id in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  found[#found + 1] = redis.call('HGET', KEYS[2], id)
end
return found
