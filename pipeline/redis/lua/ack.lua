-- ack marks transitions as delivered to a sink and drops every entry that all sinks have.
-- KEYS: outbox, outbox:body, outbox:acked. ARGV: sink, number of sinks, sinks, ids.
local sink, n = ARGV[1], tonumber(ARGV[2])
typed(KEYS[1], 'list')
typed(KEYS[3], 'hash')
for i = 3 + n, #ARGV do
  -- An id that is gone was acknowledged by all: a mark for it would stay for ever.
  if redis.call('HEXISTS', KEYS[2], ARGV[i]) == 1 then redis.call('HSET', KEYS[3], sink .. '/' .. ARGV[i], 1) end
end
-- The whole outbox is looked at, so that entries waiting for a sink that is no longer configured go too.
for _, id in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  local all = true
  for i = 3, 2 + n do all = all and redis.call('HEXISTS', KEYS[3], ARGV[i] .. '/' .. id) == 1 end
  if all then
    redis.call('LREM', KEYS[1], 1, id)
    redis.call('HDEL', KEYS[2], id)
    for i = 3, 2 + n do redis.call('HDEL', KEYS[3], ARGV[i] .. '/' .. id) end
  end
end
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('DEL', KEYS[3]) end -- also marks of sinks that are no more
return 'OK'

