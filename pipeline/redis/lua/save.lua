-- save is one step of the clock path. KEYS: lease, state, snapshot, outbox, outbox:body, orders, orders:body.
-- ARGV: token, previous sequence, next sequence, digest of the step, state, snapshot, how many orders were carried out, their
-- ids, then (id, JSON) per transition.
local token, prev, next, sum = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local stored = redis.call('HMGET', KEYS[2], 'seq', 'tok', 'sum')
local seq = stored[1] or '0'
if seq == next and stored[2] == token and stored[3] == sum then return 'DUP' end -- our own retry, whoever holds it now
if redis.call('HGET', KEYS[1], 'tok') ~= token then return 'LEASE' end
if seq ~= prev then return 'SEQUENCE' end
local done = tonumber(ARGV[7])
if (#ARGV - 7 - done) % 2 ~= 0 then error('shaketable: save: odd number of transition arguments', 0) end
typed(KEYS[3], 'string')
typed(KEYS[4], 'list')
typed(KEYS[5], 'hash')
typed(KEYS[6], 'list')
typed(KEYS[7], 'hash')
redis.call('HSET', KEYS[2], 'seq', next, 'tok', token, 'sum', sum, 'blob', ARGV[5])
redis.call('SET', KEYS[3], ARGV[6])
for i = 8, 7 + done do
  if redis.call('HDEL', KEYS[7], ARGV[i]) == 1 then redis.call('LREM', KEYS[6], 1, ARGV[i]) end
end
for i = 8 + done, #ARGV, 2 do
  if redis.call('HSETNX', KEYS[5], ARGV[i], ARGV[i + 1]) == 1 then redis.call('RPUSH', KEYS[4], ARGV[i]) end
end
return 'OK'
