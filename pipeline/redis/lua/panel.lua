-- panel stores a run of the frozen panel. KEYS: panel:<generation>. ARGV: panel id, run as JSON, expiry in unix milliseconds.
typed(KEYS[1], 'hash')
local before = redis.call('HGET', KEYS[1], 'panel')
if before ~= ARGV[1] then
  redis.call('HSET', KEYS[1], 'panel', ARGV[1], 'first', ARGV[2])
end
redis.call('HSET', KEYS[1], 'last', ARGV[2])
redis.call('PEXPIREAT', KEYS[1], ARGV[3])
if before and before ~= ARGV[1] then return 'REPLACED' end
return 'OK'
