//go:build acceptance

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"shaketable/pipeline"
	"shaketable/pipeline/kafka"
)

// The counters in Redis must equal, field by field, what this file works out from the probabilities that `evaluate` wrote.
// It shares no code with the counting under test: edges, bins, halves and names are written down here once more.

// scene is the traffic of the 104 pictures, and the truth about it.
type scene struct {
	s      *stage
	probs  map[string]map[string][]float64 // detector -> file -> p of fake, clean first
	scores map[string]map[string]float64
	labels map[string]bool
	files  []string
	base   time.Time
	ran    func(file string, variant int) bool // nil: every variant in every probe
}

// newScene evaluates the pictures offline and sends them, with their detections and labels, through Kafka.
func newScene(t *testing.T) *scene {
	t.Helper()
	return newSceneOn(t, 4)
}

func newSceneOn(t *testing.T, partitions int) *scene {
	t.Helper()
	return newSceneWith(t, partitions, "")
}

// newSceneWith has more in its configuration, and evaluates with more arguments.
func newSceneWith(t *testing.T, partitions int, extra string, evaluate ...string) *scene {
	t.Helper()
	data := acceptanceData(t)
	sc := &scene{s: newStage(t, partitions, "detectors_file: "+filepath.Join(data, "detectors.yaml"), "alerts: {period: 1s, lease: 5s}\nhttp: {listen: \"127.0.0.1:0\"}\n"+extra),
		scores: deployed(t, data), labels: truth(t, data), base: time.Now().Add(-20 * time.Minute).Truncate(time.Second)}
	sc.evaluate(data, evaluate...)
	for f := range sc.labels {
		sc.files = append(sc.files, f)
	}
	sort.Strings(sc.files)
	return sc
}

func (sc *scene) evaluate(data string, more ...string) {
	sc.s.t.Helper()
	out := filepath.Join(sc.s.dir, "evaluate")
	cmd := exec.Command(sc.s.binary, append([]string{"evaluate", "--detectors", filepath.Join(data, "detectors.yaml"), "--media", filepath.Join(data, "media"),
		"--labels", filepath.Join(data, "media", "labels.csv"), "--suite", "production", "--out", out}, more...)...)
	cmd.Dir, _ = filepath.Abs(filepath.Join("..", ".."))
	if text, err := cmd.CombinedOutput(); err != nil {
		sc.s.t.Fatalf("evaluate: %v\n%s", err, text)
	}
	file, err := os.Open(filepath.Join(out, "probabilities.csv"))
	if err != nil {
		sc.s.t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		sc.s.t.Fatal(err)
	}
	sc.probs = map[string]map[string][]float64{}
	for _, r := range rows[1:] { // model,file,label,perturbation,severity,parameter,p
		p, err := strconv.ParseFloat(r[6], 64)
		if err != nil {
			sc.s.t.Fatal(err)
		}
		if sc.probs[r[0]] == nil {
			sc.probs[r[0]] = map[string][]float64{}
		}
		sc.probs[r[0]][r[1]] = append(sc.probs[r[0]][r[1]], p)
	}
}

// at is the event time of a picture.
func (sc *scene) at(i int) time.Time { return sc.base.Add(time.Duration(i) * 7 * time.Second) }

// labelled is when the first label of a picture was given: minutes to days later.
func (sc *scene) labelled(i int) time.Time {
	return sc.at(i).Add(time.Duration(i*i) * 11 * time.Minute)
}

// sourceOf is where an upload came from; every fourth does not say.
func sourceOf(i int) string {
	if i%4 == 3 {
		return ""
	}
	return fmt.Sprintf("app-%d", i%4)
}

// from names the source of a detection.
func from(source string, r pipeline.Record) pipeline.Record {
	if source != "" {
		r.Value = bytes.Replace(r.Value, []byte("{"), []byte(fmt.Sprintf(`{"source":%q,`, source)), 1)
	}
	return r
}

// labelAt is a label that says when it was given.
func labelAt(media string, fake bool, revision int, at time.Time) pipeline.Record {
	r := labelRecord(media, fake, revision)
	r.Value = bytes.Replace(r.Value, []byte("{"), []byte(fmt.Sprintf(`{"time":%q,`, at.UTC().Format(time.RFC3339Nano))), 1)
	return r
}

// send writes media, detections and two thirds of the labels: a third comes before its detections, a third after, and of
// those after, every second is wrong at first and corrected by late().
func (sc *scene) send() {
	sc.s.t.Helper()
	p := sc.s.producer()
	var media, before, detections, after []pipeline.Record
	for i, f := range sc.files {
		bytes, err := os.ReadFile(filepath.Join(sc.s.data, "media", f))
		if err != nil {
			sc.s.t.Fatal(err)
		}
		media = append(media, pipeline.Record{Key: []byte(f), Value: bytes, Time: time.Now()})
		for model := range sc.probs {
			detections = append(detections, from(sourceOf(i), detection(f, model, "2018.1", sc.scores[model][f], sc.at(i))))
		}
		switch i % 3 {
		case 0:
			before = append(before, labelAt(f, sc.labels[f], 1, sc.labelled(i)))
		case 1:
			after = append(after, labelAt(f, sc.labels[f] != (i%2 == 0), 1, sc.labelled(i)))
		}
	}
	ctx := context.Background()
	for _, step := range []struct {
		topic   string
		records []pipeline.Record
	}{{sc.s.topics.Labels, before}, {sc.s.topics.Media, media}, {sc.s.topics.Detections, detections}, {sc.s.topics.Labels, after}} {
		if err := p.Produce(ctx, step.topic, step.records...); err != nil {
			sc.s.t.Fatal(err)
		}
	}
}

// late sends the labels that come last: corrections, repeats, and an outdated revision that must change nothing.
func (sc *scene) late() {
	sc.s.t.Helper()
	var records []pipeline.Record
	for i, f := range sc.files {
		switch i % 3 {
		case 1:
			records = append(records, labelRecord(f, sc.labels[f], 2), labelRecord(f, !sc.labels[f], 1))
		case 0:
			records = append(records, labelRecord(f, sc.labels[f], 1))
		}
	}
	if err := sc.s.producer().Produce(context.Background(), sc.s.topics.Labels, records...); err != nil {
		sc.s.t.Fatal(err)
	}
}

func (sc *scene) total() int64 { return int64(len(sc.files) * len(sc.probs)) }

// labelRecords is how many labels send and late write.
func (sc *scene) labelRecords() int64 {
	var n int64
	for i := range sc.files {
		switch i % 3 {
		case 0:
			n += 2
		case 1:
			n += 3
		}
	}
	return n
}

// want works out every counter: "kind:detector:start:variant field" -> n.
func (sc *scene) want() map[string]int64 {
	w := map[string]int64{}
	for model, files := range sc.probs {
		for i, f := range sc.files {
			p := sc.shown(f, files[f])
			sc.wantProbe(w, model, sourceOf(i), sc.at(i), p, 1-sc.scores[model][f])
			if i%3 != 2 {
				sc.wantLabel(w, model, sc.at(i), p, sc.labels[f])
				delay := sc.labelled(i).Unix() - sc.at(i).Unix()/60*60
				w["t:"+model+":0:0 "+delayBin(delay)]++
			}
			if i%3 == 1 && i%2 == 0 {
				sc.wantRevised(w, model, p, sc.labels[f])
			}
		}
	}
	return w
}

// shown is what a probe of a picture knows: NaN for what did not run.
func (sc *scene) shown(file string, p []float64) []float64 {
	p = slices.Clone(p)
	for v := 1; v < len(p) && sc.ran != nil; v++ {
		if !sc.ran(file, v) {
			p[v] = math.NaN()
		}
	}
	return p
}

var fineEdges = []int64{10_000, 20_000, 50_000, 100_000, 200_000, 1_000_000}

func binOf(d int64, full bool) string {
	if full {
		return strconv.FormatInt((d+4999)/5000*5000, 10) // .005 steps; every tolerance is one of them
	}
	for _, e := range fineEdges {
		if d <= e {
			return strconv.FormatInt(e, 10)
		}
	}
	return "beyond"
}

func ticksApart(p, q float64) int64 { return int64(math.Round(math.Abs(p-q) * 1e6)) }

// delayBin is the counter of a delay in seconds.
func delayBin(delay int64) string {
	for _, bound := range []int64{60, 300, 900, 3600, 10_800, 21_600, 43_200, 86_400, 172_800, 259_200, 432_000, 604_800, 864_000, 1_209_600,
		1_814_400, 2_592_000} {
		if delay <= bound {
			return "y" + strconv.FormatInt(bound, 10)
		}
	}
	return "yinf"
}

// wantRevised is what a correction adds to a total beyond the first label.
func (sc *scene) wantRevised(w map[string]int64, model string, p []float64, fake bool) {
	for v := range p {
		if math.IsNaN(p[v]) {
			continue
		}
		move := int64(-1)
		if (p[v] >= .5) == fake {
			move = 1
		}
		w["t:"+model+":0:0 "+strconv.Itoa(v)+"R"] += move
	}
}

// part is the name of the cells of one source, after the detector's.
func part(source string) string {
	sum := sha256.Sum256([]byte("source=" + source))
	return "/" + hex.EncodeToString(sum[:8])
}

// wantProbe counts a probe for all of the traffic, and for the source that it came from.
func (sc *scene) wantProbe(w map[string]int64, model, source string, at time.Time, p []float64, score float64) {
	sc.wantCells(w, model, at, p, score)
	whole := map[string]int64{}
	sc.wantCells(whole, model+part(source), at, p, score)
	for field, n := range whole {
		if cell, _, _ := strings.Cut(field, " "); cell[0] != 'h' || strings.HasSuffix(cell, ":0") { // coarse cells hold no changes by source
			w[field] += n
		}
	}
}

func (sc *scene) wantCells(w map[string]int64, model string, at time.Time, p []float64, score float64) {
	minute, hour := at.Unix()/60*60, at.Unix()/3600*3600
	total, fine, coarse := "t:"+model+":0:0 ", fmt.Sprintf("m:%s:%d:0 ", model, minute), fmt.Sprintf("h:%s:%d:0 ", model, hour)
	for _, cell := range []string{total, fine, coarse} {
		w[cell+"n"]++
		w[cell+"d"]++
		if p[0] >= .5 {
			w[cell+"0f"]++
		}
		w[cell+"s"+binOf(ticksApart(p[0], score), cell == coarse)]++
	}
	for v := 1; v < len(p); v++ {
		if math.IsNaN(p[v]) {
			continue
		}
		half := "k"
		if p[0] >= .5 && p[v] < .5 {
			half = "r"
		} else if p[0] < .5 && p[v] >= .5 {
			half = "f"
		}
		d := ticksApart(p[0], p[v])
		name := strconv.Itoa(v) + half
		w[total+name+binOf(d, false)]++
		w[fine+name+binOf(d, false)]++
		w[fmt.Sprintf("h:%s:%d:%d ", model, hour, v)+name+binOf(d, true)]++
	}
}

func (sc *scene) wantLabel(w map[string]int64, model string, at time.Time, p []float64, fake bool) {
	minute, hour := at.Unix()/60*60, at.Unix()/3600*3600
	for _, cell := range []string{"t:" + model + ":0:0 ", fmt.Sprintf("m:%s:%d:0 ", model, minute), fmt.Sprintf("h:%s:%d:0 ", model, hour)} {
		for v := range p {
			if math.IsNaN(p[v]) {
				continue
			}
			w[cell+strconv.Itoa(v)+"L"]++
			if (p[v] >= .5) == fake {
				w[cell+strconv.Itoa(v)+"C"]++
			}
		}
	}
}

var cellKey = regexp.MustCompile(`^shaketable:\{\d+\}:([tmh]):([0-9a-f]{16})(/[0-9a-f]{16})?(?::(\d+))?(?::(\d+))?$`)

// got reads every counter of every cell out of Redis, summed over partitions, with generations turned into detectors.
func (sc *scene) got() map[string]int64 {
	names := sc.generations()
	g := map[string]int64{}
	for _, kind := range []string{"t", "m", "h"} {
		for key, fields := range sc.s.hashes("shaketable:{*}:" + kind + ":*") {
			m := cellKey.FindStringSubmatch(key)
			if m == nil {
				sc.s.t.Fatalf("unexpected key %q", key)
			}
			start, variant := m[4], m[5]
			if start == "" {
				start = "0"
			}
			if variant == "" {
				variant = "0"
			}
			for field, n := range fields {
				g[fmt.Sprintf("%s:%s:%s:%s %s", kind, names[m[2]]+m[3], start, variant, field)] += n
			}
		}
	}
	return g
}

func (sc *scene) generations() map[string]string {
	names := map[string]string{}
	store := openStore(sc.s)
	defer store.Close()
	for model := range sc.probs {
		list, err := store.Generations(context.Background(), model)
		if err != nil {
			sc.s.t.Fatal(err)
		}
		for _, g := range list {
			names[g.ID] = model
		}
	}
	return names
}

// differences compares all counters with the truth; missing, extra and different each count.
func (sc *scene) differences() []string {
	want, got := sc.want(), sc.got()
	var diff []string
	for k, n := range want {
		if got[k] != n {
			diff = append(diff, fmt.Sprintf("%s is %d, want %d", k, got[k], n))
		}
	}
	for k, n := range got {
		if _, known := want[k]; !known && n != 0 {
			diff = append(diff, fmt.Sprintf("%s is %d, want nothing", k, n))
		}
	}
	outcomes := sc.s.outcomes()
	for field, n := range map[string]int64{"read": sc.total(), "probed": sc.total(), "label.read": sc.labelRecords(), "gap": 0} {
		if outcomes[field] != n {
			diff = append(diff, fmt.Sprintf("outcome %s is %d, want %d", field, outcomes[field], n))
		}
	}
	var sum int64
	for _, o := range pipeline.Outcomes() {
		sum += outcomes[string(o)]
	}
	if sum != outcomes["read"] {
		diff = append(diff, fmt.Sprintf("the outcomes sum to %d, read is %d", sum, outcomes["read"]))
	}
	sort.Strings(diff)
	return diff
}

func (sc *scene) read() int64 { return sc.s.outcomes()["read"] }

// settled waits until everything sent has been applied.
func (sc *scene) settled() {
	sc.s.t.Helper()
	sc.s.await("all detections", 3*time.Minute, func() bool { return sc.read() >= sc.total() })
	sc.late()
	sc.s.await("all labels", time.Minute, func() bool { return sc.s.outcomes()["label.read"] >= sc.labelRecords() })
}

func (sc *scene) check() {
	sc.s.t.Helper()
	diff := sc.differences()
	for i, d := range diff {
		if i == 20 {
			sc.s.t.Errorf("... and %d more", len(diff)-i)
			break
		}
		sc.s.t.Error(d)
	}
	if len(diff) == 0 {
		sc.s.t.Logf("%d counters equal what evaluate computes, exactly", len(sc.want()))
	}
}

func TestCountersEqualEvaluate(t *testing.T) {
	sc := newScene(t)
	sc.send()
	w := sc.s.start()
	sc.settled()
	w.stop()
	sc.check()
}

func TestCountersAfterThreeKills(t *testing.T) {
	sc := newScene(t)
	sc.send()
	for _, at := range []int64{1, 2, 3} {
		w := sc.s.start()
		sc.s.await("part of the detections", 2*time.Minute, func() bool { return sc.read() >= at*sc.total()/4 })
		w.kill()
		if sc.read() >= sc.total() {
			t.Fatal("the worker was done before it was killed: nothing was shown")
		}
	}
	w := sc.s.start()
	sc.settled()
	w.stop()
	sc.check()
}

func TestCountersWithTwoWorkersAndARebalance(t *testing.T) {
	sc := newScene(t)
	sc.send()
	first := sc.s.start()
	sc.s.await("the first worker's start", time.Minute, func() bool { return sc.read() > 0 })
	second := sc.s.start()
	sc.s.await("half of the detections", 2*time.Minute, func() bool { return sc.read() >= sc.total()/2 })
	first.stop() // a second rebalance, with a drain
	sc.settled()
	second.stop()
	sc.check()
}

func TestCountersAfterRedisWasRolledBack(t *testing.T) {
	sc := newScene(t)
	sc.send()
	w := sc.s.start()
	sc.s.await("a quarter of the detections", 2*time.Minute, func() bool { return sc.read() >= sc.total()/4 })
	sc.redis("SAVE")
	dump := filepath.Join(sc.s.redis.Dir, "dump.rdb")
	old, err := os.ReadFile(dump)
	if err != nil {
		t.Fatal(err)
	}
	at := sc.read()
	sc.s.await("more detections", 2*time.Minute, func() bool { return sc.read() >= at+sc.total()/4 })
	sc.s.redis.Kill()
	if err := os.WriteFile(dump, old, 0o600); err != nil {
		t.Fatal(err)
	}
	sc.s.redis.Start(t)
	sc.settled()
	w.stop()
	sc.check()
	if contains("rolled back", w) == 0 {
		t.Error("the worker did not notice: GAP was never answered")
	}
}

func TestCountersAfterRedisLostEverything(t *testing.T) {
	sc := newScene(t)
	sc.send()
	w := sc.s.start()
	sc.s.await("half of the detections", 2*time.Minute, func() bool { return sc.read() >= sc.total()/2 })
	sc.redis("FLUSHALL")
	sc.settled()
	sc.s.await("the registry", time.Minute, func() bool { return len(sc.generations()) == len(sc.probs) })
	w.stop()
	sc.check()
	if contains("has lost the partition", w) == 0 {
		t.Error("the worker did not notice: LOST was never answered")
	}
}

func (sc *scene) redis(command string) {
	sc.s.t.Helper()
	if reply, err := sc.s.redis.Do(command); err != nil || !strings.HasPrefix(reply, "+OK") {
		sc.s.t.Fatalf("%s: %q %v", command, reply, err)
	}
}

// naive is what people write first: it increments, believes in the offset that Kafka has stored, and has no fence. The
// checker above must find it wrong; else the checker proves nothing.
type naive struct {
	client    *goredis.Client
	committed map[string]int64 // trails by one batch, as a periodic commit does
	applied   map[string]int64
}

func (n *naive) Claim(_ context.Context, s pipeline.Stream, p int, owner string, create *pipeline.NewFence) (pipeline.Fence, error) {
	key := fmt.Sprint(s, p)
	if _, ok := n.committed[key]; !ok {
		if create == nil {
			return pipeline.Fence{}, pipeline.ErrNoFence
		}
		n.committed[key] = create.Offset
	}
	return pipeline.Fence{Stream: s, Partition: p, Offset: n.committed[key], Owner: owner}, nil
}

func (n *naive) Apply(ctx context.Context, b *pipeline.Batch) (pipeline.Verdict, int64, error) {
	key := fmt.Sprint(b.Stream, b.Partition)
	pipe := n.client.Pipeline()
	for f, c := range b.Outcomes {
		pipe.HIncrBy(ctx, fmt.Sprintf("shaketable:{%d}:outcomes", b.Partition), f, c)
	}
	for cell, counts := range b.Counts {
		name := fmt.Sprintf("shaketable:{%d}:%s:%s", b.Partition, cell.Kind, cell.Generation)
		switch cell.Kind {
		case pipeline.Fine:
			name += fmt.Sprintf(":%d", cell.Start)
		case pipeline.Coarse:
			name += fmt.Sprintf(":%d:%d", cell.Start, cell.Variant)
		}
		for f, c := range counts {
			pipe.HIncrBy(ctx, name, f, c)
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return "", 0, err
	}
	if last, ok := n.applied[key]; ok {
		n.committed[key] = last
	}
	n.applied[key] = b.Last
	return pipeline.OK, b.Last, nil
}

func (n *naive) Win(_ context.Context, c pipeline.DigestClaim) (string, error) { return c.Holder, nil }

func TestNegativeControlIsCaught(t *testing.T) {
	sc := newScene(t)
	sc.send()
	svc := inProcess(sc.s)
	defer svc.store.Close()
	store := &naive{client: sc.s.client, committed: map[string]int64{}, applied: map[string]int64{}}
	for round := 0; sc.read() < sc.total(); round++ {
		runNaive(t, svc, store, func() bool { return sc.read() >= min(int64(round+1)*sc.total()/4, sc.total()) })
	}
	diff := sc.differences()
	doubled := 0
	for _, d := range diff {
		if strings.HasPrefix(d, "t:") && !strings.Contains(d, "L is") && !strings.Contains(d, "C is") {
			doubled++
		}
	}
	t.Logf("the naive store differs in %d counters, %d of them totals of probes", len(diff), doubled)
	if doubled == 0 {
		t.Error("a store that merely increments was not caught: the checker proves nothing")
	}
}

// runNaive runs the record path on the naive store until stop, and ends it without a drain, as a crash does.
func runNaive(t *testing.T, svc *service, store pipeline.Store, stop func() bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	source, err := kafka.NewSource(svc.cfg.Kafka, svc.log)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	subjects, closeModels, err := svc.subjects(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer closeModels()
	if err := svc.register(ctx, source, subjects); err != nil {
		t.Fatal(err)
	}
	line, closeLine, err := svc.line(subjects)
	if err != nil {
		t.Fatal(err)
	}
	defer closeLine()
	gate := &serial{Store: store}
	line.Store, line.Prober.Store, line.Flow.Drain = gate, gate, time.Millisecond
	done := make(chan error, 1)
	go func() { done <- pipeline.NewWorker(line, source).Run(ctx) }()
	for !stop() {
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
