-- hold takes or renews the lease KEYS[1]; KEYS[2] remembers the largest token. ARGV: owner, life in milliseconds.
typed(KEYS[2], 'string')
local lease = redis.call('HMGET', KEYS[1], 'own', 'tok')
if lease[1] and lease[1] ~= ARGV[1] then return '0' end
if lease[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return lease[2]
end
-- A fail-over may take the counter back. The server's clock in microseconds keeps a token that was given out and lost
-- from being given out again to somebody else.
local now = redis.call('TIME')
local token = now[1] .. string.format('%06d', tonumber(now[2]))
local last = redis.call('GET', KEYS[2]) or '0'
if less(last, token) then
  redis.call('SET', KEYS[2], token)
else
  redis.call('INCR', KEYS[2])
  token = redis.call('GET', KEYS[2])
end
redis.call('HSET', KEYS[1], 'own', ARGV[1], 'tok', token)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return token
