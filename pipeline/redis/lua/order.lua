-- order adds an order behind those that wait. KEYS: orders, orders:body. ARGV: id, JSON, most that may wait.
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1 then return 'OK' end -- our own retry
if redis.call('LLEN', KEYS[1]) >= tonumber(ARGV[3]) then return 'FULL' end
typed(KEYS[1], 'list')
typed(KEYS[2], 'hash')
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('RPUSH', KEYS[1], ARGV[1])
return 'OK'
