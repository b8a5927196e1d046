-- register stores a generation. KEYS: partitions, detectors, g:<detector>.
-- ARGV: partitions, detector, generation, its JSON, now in unix nanoseconds.
typed(KEYS[1], 'string')
typed(KEYS[2], 'set')
typed(KEYS[3], 'hash')
redis.call('SET', KEYS[1], largest(redis.call('GET', KEYS[1]), ARGV[1]))
redis.call('SADD', KEYS[2], ARGV[2])
local id, now = ARGV[3], ARGV[5]
if redis.call('HSETNX', KEYS[3], id .. '/since', now) == 1 then
  redis.call('HSET', KEYS[3], id .. '/no', redis.call('HINCRBY', KEYS[3], '#', 1))
end
redis.call('HSET', KEYS[3], id, ARGV[4], id .. '/seen', largest(redis.call('HGET', KEYS[3], id .. '/seen'), now))
return 'OK'
