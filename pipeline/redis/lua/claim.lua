-- claim makes ARGV[1] the owner of the fence KEYS[1] and returns it.
-- ARGV: owner, schema, offset of a new fence or '', its topic id.
local fence = redis.call('HMGET', KEYS[1], 'off', 'own', 'schema')
local off, own, schema = fence[1], fence[2], fence[3]
if off and schema ~= ARGV[2] then return {'SCHEMA', schema or ''} end
if not off then
  if ARGV[3] == '' then return {'NONE'} end
  redis.call('HSET', KEYS[1], 'off', ARGV[3], 'inc', ARGV[4], 'schema', ARGV[2])
end
if own ~= ARGV[1] then -- a retry by the same owner is one claim
  redis.call('HSET', KEYS[1], 'own', ARGV[1])
  redis.call('HINCRBY', KEYS[1], 'ep', 1)
  redis.call('HDEL', KEYS[1], 'end') -- the new owner has not yet said where it stands
end
return {'OK', unpack(redis.call('HMGET', KEYS[1], 'off', 'own', 'ep', 'wm', 'rt', 'inc', 'cfg', 'end'))}
