// Package pipeline is the line from a Kafka record to an alert: the stages, the values that pass between them, and the
// small interfaces that the adapters (kafka, redis, onnx, otlp, http) implement.
//
//	record path: one goroutine per input partition, in order; nothing is acknowledged early
//	────────────────────────────────────────────────────────────────────────────────────────────────────────
//	source.go     decode.go    sample.go   join.go    prepare.go   probe.go     measure.go   window.go   store.go
//	Record ─────► Detection ─► sampled? ─► media ───► Image ─────► p, p' ─────► Reading ───► Batch ════► one Lua call
//	         partition.go drives them; worker.go holds the partitions; attack.go adds the p' of attacks on a sample of the Images
//	         schedule.go says at which rate a record is sampled; budgeter.go lowers it where that would cost too much
//
//	clock path: one alerter per detector under a lease
//	────────────────────────────────────────────────────────────────────────────────────────────────────────
//	ledger.go     fold.go      drift.go    alert.go   message.go   alerter.go               sink.go
//	counters ───► gains ─────► e-SR ─────► episode ─► words ─────► state + outbox in CAS ─► deliveries
//
// Invariants, each held by a test:
//
//   - Every detection ends in exactly one Outcome, counted in the same store call that moves the fence.
//   - The counters of a partition equal the fold of its records up to the fence, whatever crashed in between.
//   - Counters are sums: replaying twice equals once, one worker equals many.
//   - Figures of different generations never mix.
//   - A variant's n is how many probes ran it. What was not picked, was not sampled or failed as an attack counts nowhere.
//   - Time is read from records, or handed in; no stage asks the clock what happened when.
package pipeline
