package redis

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"shaketable/pipeline"
)

// clockSize is how much a fold has to read.
type clockSize struct {
	variants   int
	partitions int
	slices     int
	longest    time.Duration // window
	hours      int           // of history that Redis holds
}

func (c clockSize) String() string {
	return fmt.Sprintf("variants=%d/partitions=%d/slices=%d/window=%gh/history=%dh", c.variants, c.partitions, c.slices, c.longest.Hours(), c.hours)
}

const (
	clockProbes = 300 // an hour and partition: a probe a second over twelve
	clockFolds  = 60
	clockFine   = 6 // hours of minutes
)

// BenchmarkClockPath measures the clock path of one detector over a real redis-server: folds a minute apart, each after a
// batch for every partition, as Machine.Read, Machine.Step and Save, and prints a row of a table. History gets into Redis
// through Apply; the probes of an hour are drawn once and counted again for every hour.
func BenchmarkClockPath(b *testing.B) {
	const day = 24 * time.Hour
	for _, size := range []clockSize{
		{variants: 8, partitions: 12, longest: day, hours: 30 * 24},
		{variants: 8, partitions: 12, slices: 11, longest: day, hours: 24},
		{variants: 70, partitions: 12, longest: day, hours: 24},
		{variants: 35, partitions: 12, longest: day, hours: 24},
		{variants: 70, partitions: 24, longest: day, hours: 24},
		{variants: 70, partitions: 12, longest: 7 * day, hours: 7 * 24},
	} {
		b.Run(size.String(), func(b *testing.B) {
			for b.Loop() {
				b.Log("\n" + clockHead + "\n" + newClock(b, size).measure(b))
			}
		})
	}
}

// Memory of Redis: counted is what the history takes as a whole; the minutes of six hours and the hours of thirty days are
// computed from the keys of one full hour.
const clockHead = `| variants | series judged | partitions | slices | longest window | fold p50, p95 ms (read, step, save) | mean CPU ms: alerter, Redis | first fold ms | alerter live, peak MiB | state KiB | Redis MiB: 6 h of minutes | 30 d of hours | counted, hours |
|---|---|---|---|---|---|---|---|---|---|---|---|---|`

// alertConfig judges every series from the first probes on, so that a fold has all its work.
func (c *clock) alertConfig() pipeline.AlertConfig {
	cfg := pipeline.DefaultAlertConfig()
	cfg.SeriesCap = pipeline.TierCap{Page: 1000, Ticket: 1000, Log: 1000}
	cfg.BurnIn = pipeline.BurnInConfig{MinProbes: 1}
	cfg.Windows[len(cfg.Windows)-1] = c.size.longest
	return cfg
}

// phases are the parts of one fold by the clock on the wall, and what it cost both processes in CPU time, which does not
// depend on what else the machine has to do.
type phases struct {
	read, step, save time.Duration
	alerter, redis   time.Duration
}

func (p phases) sum() time.Duration { return p.read + p.step + p.save }

// measure folds for an hour, reports, and returns a row of the table.
func (c *clock) measure(b *testing.B) string {
	machine, err := pipeline.NewMachine(c.alertConfig(), pipeline.DefaultWindowConfig(), pipeline.Route{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	token, err := c.store.Hold(b.Context(), "d", "a", time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var folds []phases
	var last pipeline.Result
	peak, bytes := uint64(0), 0
	for i := range clockFolds {
		minute := c.now.Add(time.Duration(i) * time.Minute)
		c.apply(b, moved(c.minute[i], c.now, minute, true), minute.Add(59*time.Second), 1)
		var p phases
		alerter, server := c.cpu(b)
		last, p, bytes = c.fold(b, machine, int64(i), token, minute.Add(time.Minute))
		p.alerter, p.redis = c.cpu(b)
		p.alerter, p.redis = p.alerter-alerter, p.redis-server
		folds = append(folds, p)
		runtime.ReadMemStats(&after)
		peak = max(peak, after.HeapAlloc-min(before.HeapAlloc, after.HeapAlloc))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	judged := 0
	for _, s := range last.Snapshot.Series {
		if s.Judged {
			judged++
		}
	}
	if judged == 0 || last.Snapshot.Windows[len(last.Snapshot.Windows)-1].Probes == 0 {
		b.Fatal("the fold saw nothing")
	}
	live := float64(after.HeapAlloc) - float64(before.HeapAlloc)
	fine, coarse := c.redisMemory(b)
	counted := usedMemory(b, c.store) - c.empty
	runtime.KeepAlive(machine)
	runtime.KeepAlive(last)
	all := func(q int) float64 { return quantile(folds[1:], q, phases.sum) }
	b.ReportMetric(all(95), "fold-p95-ms")
	b.ReportMetric(float64(peak)/mib, "peak-MiB")
	b.ReportMetric(coarse/mib, "redis-30d-MiB")
	return fmt.Sprintf("| %d | %d | %d | %d | %g h | %.0f, %.0f (%.0f, %.0f, %.0f) | %.0f, %.0f | %.0f | %.1f, %.0f | %d | %.1f | %.0f | %.1f, %d |",
		c.size.variants, judged, c.size.partitions, c.size.slices, c.size.longest.Hours(), all(50), all(95),
		quantile(folds[1:], 95, func(p phases) time.Duration { return p.read }), quantile(folds[1:], 95, func(p phases) time.Duration { return p.step }),
		quantile(folds[1:], 95, func(p phases) time.Duration { return p.save }), mean(folds[1:], func(p phases) time.Duration { return p.alerter }),
		mean(folds[1:], func(p phases) time.Duration { return p.redis }), folds[0].sum().Seconds()*1000, live/mib, float64(peak)/mib, bytes>>10,
		fine/mib, coarse/mib, counted/mib, c.size.hours)
}

const mib = 1 << 20

// cpu is the CPU time that this process and the server have taken so far.
func (c *clock) cpu(b *testing.B) (own, server time.Duration) {
	var usage syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	info, err := c.store.client.Info(b.Context(), "cpu").Result()
	must(b, err)
	for _, m := range regexp.MustCompile(`used_cpu_(?:user|sys):([0-9.]+)`).FindAllStringSubmatch(info, -1) {
		seconds, err := strconv.ParseFloat(m[1], 64)
		must(b, err)
		server += time.Duration(seconds * float64(time.Second))
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), server
}

func (c *clock) fold(b *testing.B, m *pipeline.Machine, seq, token int64, now time.Time) (pipeline.Result, phases, int) {
	ctx, began := b.Context(), time.Now()
	_, data, err := c.store.Load(ctx, "d")
	must(b, err)
	st, err := pipeline.ParseState("d", data)
	must(b, err)
	in, err := m.Read(ctx, c.readers(), "d", st, now)
	must(b, err)
	read := time.Now()
	result, err := m.Step(st, in)
	must(b, err)
	step := time.Now()
	state, err := json.Marshal(result.State)
	must(b, err)
	snapshot, err := json.Marshal(result.Snapshot)
	must(b, err)
	must(b, c.store.Save(ctx, pipeline.Save{Detector: "d", Token: token, Prev: seq, State: state, Snapshot: snapshot, Transitions: result.Transitions}))
	return result, phases{read: read.Sub(began), step: step.Sub(read), save: time.Since(step)}, len(state) + len(snapshot)
}

func (c *clock) readers() pipeline.Readers {
	return pipeline.Readers{Ledger: c.store, Examples: c.store, Slices: c.store}
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func mean(folds []phases, of func(phases) time.Duration) float64 {
	sum := time.Duration(0)
	for _, f := range folds {
		sum += of(f)
	}
	return sum.Seconds() * 1000 / float64(len(folds))
}

func quantile(folds []phases, percent int, of func(phases) time.Duration) float64 {
	var ms []float64
	for _, f := range folds {
		ms = append(ms, of(f).Seconds()*1000)
	}
	slices.Sort(ms)
	return ms[len(ms)*percent/100]
}

// redisMemory returns what the minutes of six hours and the hours of thirty days take, from the keys of a full hour
// in one partition: every hour of every partition is alike.
func (c *clock) redisMemory(b *testing.B) (fine, coarse float64) {
	ctx := b.Context()
	hour := c.now.Add(-time.Hour)
	size := func(counts map[pipeline.Cell]pipeline.Counts, kind pipeline.CellKind, start time.Time) (sum float64) {
		for cell := range maps.Keys(counts) {
			if cell.Kind != kind {
				continue
			}
			cell.Start = start.Unix()
			n, err := c.store.client.MemoryUsage(ctx, c.store.keys.cell(0, cell), 0).Result()
			must(b, err)
			sum += float64(n)
		}
		return sum
	}
	for m, counts := range c.minute {
		fine += size(counts, pipeline.Fine, hour.Add(time.Duration(m)*time.Minute))
	}
	coarse = size(c.hour[0], pipeline.Coarse, hour)
	partitions := float64(c.size.partitions)
	return fine * clockFine * partitions, coarse * 24 * 30 * partitions
}
