// Package redis keeps the truth about what has been counted, on go-redis: it implements the Store, Ledger, Seat, Release,
// Outbox, Snapshots, Registry, ScheduleStore and BudgetStore of package pipeline on a single node, Sentinel or Cluster.
//
// Invariant: at every instant the counters of a partition equal the fold of its records up to the fences, because
// counters and fence change in one script and live in one slot. A fail-over takes a slot back to an earlier moment of its
// own history, where the same holds; the fence then tells the worker (GAP, LOST) what to replay.
//
// # Layout
//
// Keys begin with the configured prefix (default "shaketable"); the part in braces is the hash tag that chooses the slot.
// Numbers are decimal strings, because a number in a Lua script is a double and 9007199254740993 would not survive.
//
//	partition p: everything that one apply may touch
//	shaketable:{p}:fence:<stream>       HASH  off own ep wm rt inc schema cfg end; times in unix nanoseconds
//	shaketable:{p}:outcomes             HASH  read, every outcome, outcome.reason, gap, label.*
//	shaketable:{p}:t:<gen>              HASH  running total of a generation; never expires
//	shaketable:{p}:m:<gen>:<start>      HASH  fine bucket, start in unix seconds; gone at start + FineTTL
//	shaketable:{p}:h:<gen>:<start>:<i>  HASH  coarse bucket of variant i; gone at start + CoarseTTL
//	                                          in these three, <gen>/<slice> in the place of <gen> is the same of one slice:
//	                                          16 hex digits of the SHA-256 of its name; coarse ones with i = 0 only
//	shaketable:{p}:o:<media>            HASH  <gen>/<offset> -> fine,coarse,decisions,counted: the probes of one media, where
//	                                          decisions holds 1, 0 or - (did not run) per variant, the clean one first, and
//	                                          counted is f, r or - for the label they were last counted with
//	shaketable:{p}:l:<media>            STRING "f|r[f|r] <revision> <offset> [<time>]": the label of one media, the first one
//	                                          that it had where that was another, and the time of that, unix seconds; without
//	                                          where it is not known
//	shaketable:{p}:x:<gen>              LIST  examples as JSON, newest first, capped
//
//	shaketable:{g/<hash>}               STRING holder of a digest claim; a slot of its own, expires with the claim
//
//	detector d: everything of the clock path
//	shaketable:{d/<d>}:lease            HASH  own tok; expires with the lease
//	shaketable:{d/<d>}:token            STRING the largest token given out
//	shaketable:{d/<d>}:state            HASH  seq tok sum blob
//	shaketable:{d/<d>}:snapshot         STRING JSON
//	shaketable:{d/<d>}:outbox           LIST  transition ids, oldest first
//	shaketable:{d/<d>}:outbox:body      HASH  id -> JSON
//	shaketable:{d/<d>}:outbox:acked     HASH  <sink>/<id> -> 1
//	shaketable:{d/<d>}:orders           LIST  ids of orders that no step has carried out, oldest first
//	shaketable:{d/<d>}:orders:body      HASH  id -> JSON
//	shaketable:{d/<d>}:panel:<gen>      HASH  panel first last: its id, and two runs as JSON; gone 60 days after the last
//
//	shaketable:{r}:partitions           STRING largest partition count registered
//	shaketable:{r}:detectors            SET   names
//	shaketable:{r}:schedule             LIST  "<rate> <key id> <from>": the rate of the sample over record time, oldest first;
//	                                          from in unix milliseconds, empty for the beginning
//	shaketable:{r}:budget:<start>       HASH  <worker> -> "<device ms> <eligible> <sampled>" of the period from start, unix
//	                                          seconds; gone some periods later
//	shaketable:{r}:slices               HASH  <attribute>=<value> -> number of its place; =~other -> 0; #<attribute>: how many
//	shaketable:{r}:g:<d>                HASH  <gen> -> JSON; <gen>/no, <gen>/since, <gen>/seen; #: how many
//
// Per-media keys (o, l) expire LabelHorizon after the largest record time of the batch that wrote them. All expiries are
// absolute and derived from records, so that a replay writes the same; one in the past deletes the key at once, which
// leaves old buckets gone and totals right.
//
// A label's apply writes the buckets that the stored probes name. Those keys are not among the script's declared keys;
// they carry the same hash tag, which is what Redis Cluster and Valkey ask for. Proxies that insist on declared keys will
// not do.
package redis
