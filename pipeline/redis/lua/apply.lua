-- apply adds one batch to a partition, whole or not at all, and moves its fence.
--
-- KEYS: fence, outcomes, one per cell, (probes, label) per probe, (label, probes) per label, one per list of examples.
-- ARGV: owner, prev, last, watermark, record time, at-end, config, expiry of per-media keys (ms), key prefix of the partition,
--       life of fine and of coarse buckets (s), expiry (ms) and cap of examples, number of: outcomes, cells, probes, labels, lists;
--       bounds of label delays (s, ascending);
--       outcomes: (field, delta)...;  cell: expiry (ms, 0 for none), number, (field, delta)...;
--       probe: generation, offset, fine, coarse, decisions;  label: f|r, revision, offset, time (s, '' for none);  list: number, JSON...
--
-- Four steps: verdict, plan, check, write. Nothing is written before everything that could fail has been looked at,
-- because a failing script keeps its earlier writes.

-- 1. verdict
local own, prev, last = ARGV[1], ARGV[2], ARGV[3]
local fence = redis.call('HMGET', KEYS[1], 'off', 'own', 'wm', 'rt')
local off = fence[1]
if not off then return {'LOST', '-1'} end
if prev ~= last and off == last and fence[2] == own then return {'DUP', off} end
if fence[2] ~= own then return {'FENCED', off} end
if off ~= prev then return {'GAP', off} end

local function stay(till)
  if till == '' then redis.call('HDEL', KEYS[1], 'end') else redis.call('HSET', KEYS[1], 'end', till) end
end
if prev == last then
  stay(ARGV[6])
  return {'OK', off}
end

-- 2. plan: read the arguments and what they need from the store
local arg, key = 19, 2
local function take()
  arg = arg + 1
  return ARGV[arg] or error('shaketable: apply: arguments end early', 0)
end
local function name()
  key = key + 1
  return KEYS[key] or error('shaketable: apply: keys end early', 0)
end
local function whole(s)
  return integer(s, 19) and s or error('shaketable: apply: ' .. s .. ' is not an integer', 0)
end

local cells, order = {}, {}
local function cell(k, expire)
  local c = cells[k]
  if not c then
    c = {key = k, expire = expire, fields = {}, deltas = {}, tally = {}}
    cells[k] = c
    order[#order + 1] = c
  end
  return c
end
local function add(c, n)
  local fields, deltas, at = c.fields, c.deltas, #c.fields
  for i = 1, n do
    local field, delta = take(), take()
    -- 15 digits, so that a double never sees more than it can hold and no counter of 18 digits overflows
    if not integer(delta, 15) then
      error('shaketable: apply: ' .. c.key .. ' ' .. field .. ': delta ' .. delta .. ' is not an integer of at most 15 digits', 0)
    end
    fields[at + i], deltas[at + i] = field, delta
  end
end

-- recount makes a stored probe count under a label, in its total and in its buckets, for the variants that ran in it ('-'
-- did not). L the first time only; C moves by the difference; R, in the total, is what of C is owed to corrections of said,
-- the first label of the media. These deltas are small sums of ones, so they may be numbers until they are written.
local base, fineLife, coarseLife = ARGV[9], tonumber(ARGV[10]), tonumber(ARGV[11])
local function ends(start, life) return string.format('%.0f', math.max(1, (tonumber(start) + life) * 1000)) end
local function delayed(probe, first) -- the field of the delay between the probe's fine bucket and its first label
  local delay = tonumber(first) - tonumber(probe.fine)
  for bound in string.gmatch(ARGV[19], '%d+') do
    if delay <= tonumber(bound) then return 'y' .. bound end
  end
  return 'yinf'
end
local function recount(probe, label, first, said)
  local was = probe.counted
  if was == label then return end
  probe.counted = label
  local targets = {
    cell(base .. 't:' .. probe.generation, '0'),
    cell(base .. 'm:' .. probe.generation .. ':' .. probe.fine, ends(probe.fine, fineLife)),
    cell(base .. 'h:' .. probe.generation .. ':' .. probe.coarse .. ':0', ends(probe.coarse, coarseLife)),
  }
  if was == '-' and first ~= '' then
    local y, t = delayed(probe, first), targets[1].tally
    t[y] = (t[y] or 0) + 1
  end
  for i = 1, #probe.decisions do
    local decision = string.sub(probe.decisions, i, i)
    if decision ~= '-' then
      local decided = decision == '1' and 'f' or 'r'
      local move = (decided == label and 1 or 0) - (decided == was and 1 or 0)
      for _, c in ipairs(targets) do
        local t, l, r = c.tally, (i - 1) .. 'L', (i - 1) .. 'C'
        if was == '-' then t[l] = (t[l] or 0) + 1 end
        if move ~= 0 then t[r] = (t[r] or 0) + move end
      end
      local revised = was == '-' and (decided == label and 1 or 0) - (decided == said and 1 or 0) or move
      if revised ~= 0 then
        local t, r = targets[1].tally, (i - 1) .. 'R'
        t[r] = (t[r] or 0) + revised
      end
    end
  end
end

-- the labels and probes that this batch looks at, by key, as they will be after it
local labels, probes = {}, {}
local function label(k)
  if labels[k] == nil then
    local v = redis.call('GET', k)
    if v then
      local l, said, revision, offset, first = string.match(v, '^([fr])([fr]?) (%-?%d+) (%-?%d+) ?(%-?%d*)$')
      if not l then error('shaketable: apply: key ' .. k .. ' holds no label: ' .. v, 0) end
      labels[k] = {label = l, said = said ~= '' and said or l, revision = revision, offset = offset, first = first}
    else
      labels[k] = false
    end
  end
  return labels[k]
end
local function stored(k)
  if probes[k] then return probes[k] end
  local found, h = {}, redis.call('HGETALL', k)
  for i = 1, #h, 2 do
    local generation = string.match(h[i], '^(.+)/%-?%d+$')
    local fine, coarse, decisions, counted = string.match(h[i + 1], '^(%-?%d+),(%-?%d+),([01][01%-]*),([fr%-])$')
    if not (generation and fine) then error('shaketable: apply: key ' .. k .. ' holds no probe: ' .. h[i + 1], 0) end
    found[#found + 1] = {field = h[i], generation = generation, fine = fine, coarse = coarse, decisions = decisions, counted = counted}
  end
  probes[k] = found
  return found
end

local outcomes = cell(KEYS[2], '0')
local function outcome(what) outcomes.tally[what] = (outcomes.tally[what] or 0) + 1 end
local function judge(old, new)
  if not old then return 'applied' end
  local same = old.revision == new.revision
  if same and less('0', new.revision) and old.label ~= new.label then return 'conflict' end
  if not (less(old.revision, new.revision) or same and less(old.offset, new.offset)) then return 'stale' end
  return old.label ~= new.label and 'corrected' or 'applied'
end

add(outcomes, tonumber(ARGV[14]))
for _ = 1, tonumber(ARGV[15]) do
  local expire = whole(take())
  add(cell(name(), expire), tonumber(take()))
end
for _ = 1, tonumber(ARGV[16]) do
  local k, l = name(), label(name())
  typed(k, 'hash')
  local generation, offset, fine, coarse = take(), whole(take()), whole(take()), whole(take())
  local probe = {field = generation .. '/' .. offset, generation = generation, fine = fine, coarse = coarse,
    decisions = take(), counted = '-', moved = true}
  if l then recount(probe, l.label, l.first, l.said) end
  probes[k] = probes[k] or {}
  table.insert(probes[k], probe)
end
for _ = 1, tonumber(ARGV[17]) do
  local k, o = name(), name()
  local old, new = label(k), {label = take(), revision = whole(take()), offset = whole(take()), first = take(), moved = true}
  if new.first ~= '' then whole(new.first) end
  local verdict = judge(old, new)
  outcome('label.' .. verdict)
  if verdict == 'applied' or verdict == 'corrected' then
    if old then new.first = old.first end -- whoever comes later, probe or label, the delay is that of the first label
    new.said = old and old.said or new.label
    labels[k] = new
    for _, probe in ipairs(stored(o)) do
      if probe.counted ~= new.label then
        recount(probe, new.label, new.first, new.said)
        probe.moved = true
      end
    end
  end
end
local lists = {}
for i = 1, tonumber(ARGV[18]) do
  lists[i] = {key = name()}
  typed(lists[i].key, 'list')
  for j = 1, tonumber(take()) do lists[i][j] = take() end
end
if arg ~= #ARGV or key ~= #KEYS then error('shaketable: apply: arguments or keys left over', 0) end
for _, c in ipairs(order) do
  for field, n in pairs(c.tally) do
    c.fields[#c.fields + 1], c.deltas[#c.deltas + 1] = field, string.format('%d', n)
  end
end

-- 3. check: every counter to be moved is an integer with room, in a hash. In slices, because unpack is bounded.
for _, c in ipairs(order) do
  for from = 1, #c.fields, 1000 do
    local values = redis.pcall('HMGET', c.key, unpack(c.fields, from, math.min(from + 999, #c.fields)))
    if values.err then error('shaketable: key ' .. c.key .. ': ' .. values.err .. '; nothing was written', 0) end
    for i, v in ipairs(values) do
      if v and not integer(v, 18) then
        error('shaketable: key ' .. c.key .. ' ' .. c.fields[from + i - 1] .. ': ' .. v .. ' is no counter; nothing was written', 0)
      end
    end
  end
end

-- 4. write
for _, c in ipairs(order) do
  for i = 1, #c.fields do redis.call('HINCRBY', c.key, c.fields[i], c.deltas[i]) end
  if c.expire ~= '0' then redis.call('PEXPIREAT', c.key, c.expire) end
end
for k, found in pairs(probes) do
  for _, p in ipairs(found) do
    if p.moved then redis.call('HSET', k, p.field, p.fine .. ',' .. p.coarse .. ',' .. p.decisions .. ',' .. p.counted) end
    if p.moved and tonumber(ARGV[16]) > 0 then redis.call('PEXPIREAT', k, ARGV[8]) end -- a label does not prolong a probe
  end
end
for k, l in pairs(labels) do
  if l and l.moved then
    redis.call('SET', k, l.label .. (l.said ~= l.label and l.said or '') .. ' ' .. l.revision .. ' ' .. l.offset .. (l.first ~= '' and ' ' .. l.first or ''), 'PXAT', ARGV[8])
  end
end
for _, list in ipairs(lists) do
  redis.call('LPUSH', list.key, unpack(list))
  redis.call('LTRIM', list.key, 0, tonumber(ARGV[13]) - 1)
  redis.call('PEXPIREAT', list.key, ARGV[12])
end
redis.call('HSET', KEYS[1], 'off', last, 'wm', largest(fence[3], ARGV[4]), 'rt', largest(fence[4], ARGV[5]), 'cfg', ARGV[7])
stay(ARGV[6])
return {'OK', last}
