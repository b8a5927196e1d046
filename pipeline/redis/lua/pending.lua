-- pending returns what a sink has not acknowledged, oldest first. KEYS: outbox, outbox:body, outbox:acked. ARGV: sink, limit.
local found, limit = {}, tonumber(ARGV[2])
for _, id in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  if #found >= limit then break end
  if redis.call('HEXISTS', KEYS[3], ARGV[1] .. '/' .. id) == 0 then
    found[#found + 1] = redis.call('HGET', KEYS[2], id)
  end
end
return found
