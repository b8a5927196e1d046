-- schedule appends steps to the schedule of the sample, if it has as many as the caller believes, and returns this server's
-- clock and all steps. KEYS: schedule. ARGV: steps believed (-1 only reads), lead in milliseconds (0 keeps what is given),
-- then "<rate> <key id> <from>" per step, from in unix milliseconds, empty for the beginning.
--
-- The clock is the server's, so that a step lies a lead ahead of every copy that was read before it, whatever the clocks of
-- the workers say.
typed(KEYS[1], 'list')
local clock = redis.call('TIME')
local now = string.format('%.0f', tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000))
local steps = redis.call('LRANGE', KEYS[1], 0, -1)
local function parse(step)
  local head, from = string.match(step, '^(%S+ %S+) (%-?%d*)$')
  if not head then error('shaketable: schedule: ' .. step .. ' is no step; nothing was written', 0) end
  return head, from
end
if #steps == tonumber(ARGV[1]) then
  local added, last = {}, ''
  if #steps > 0 then
    local _
    _, last = parse(steps[#steps])
  end
  for i = 3, #ARGV do
    local head, from = parse(ARGV[i])
    if ARGV[2] ~= '0' and #steps + #added > 0 then
      from = largest(from, string.format('%.0f', tonumber(now) + tonumber(ARGV[2])))
    end
    last = largest(from, last)
    added[#added + 1] = head .. ' ' .. last
  end
  for _, step in ipairs(added) do
    redis.call('RPUSH', KEYS[1], step)
    steps[#steps + 1] = step
  end
end
table.insert(steps, 1, now)
return steps
