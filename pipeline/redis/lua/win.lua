-- win returns the holder of the claim KEYS[1]; ARGV: holder, life in milliseconds.
local holder = redis.call('GET', KEYS[1])
if holder then return holder end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
