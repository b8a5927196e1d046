-- release gives the lease KEYS[1] back if it is still the caller's. ARGV: token.
if redis.call('HGET', KEYS[1], 'tok') == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 'OK'
