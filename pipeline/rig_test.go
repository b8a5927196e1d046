package pipeline_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"sort"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"shaketable/perturb"
	"shaketable/pipeline"
)

// topic is one partition of a log in memory. The real thing is tested in the kafka package and end to end; here the point
// is what the line does with what a log answers.
type topic struct {
	mu      sync.Mutex
	records []pipeline.Record
	start   int64
	commit  int64
	grown   chan struct{}
	fail    atomic.Bool // fetches fail
}

func newTopic() *topic { return &topic{commit: -1, grown: make(chan struct{})} }

func (t *topic) add(r pipeline.Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r.Offset = 0
	if n := len(t.records); n > 0 {
		r.Offset = t.records[n-1].Offset + 1
		if n%7 == 0 {
			r.Offset++ // logs have holes: transaction markers and compaction
		}
	}
	t.records = append(t.records, r)
	close(t.grown)
	t.grown = make(chan struct{})
}

func (t *topic) end() int64 {
	if n := len(t.records); n > 0 {
		return t.records[n-1].Offset + 1
	}
	return t.start
}

// trim forgets everything below offset, as retention does.
func (t *topic) trim(offset int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.start = offset
}

type memoryLog struct{ *topic }

func (l memoryLog) Fetch(ctx context.Context, offset int64) (pipeline.Page, error) {
	for {
		if l.fail.Load() {
			return pipeline.Page{}, errInjected
		}
		l.mu.Lock()
		page := pipeline.Page{Next: offset, Start: l.start, End: l.topic.end()}
		grown := l.grown
		switch {
		case offset < l.start:
			l.mu.Unlock()
			return page, pipeline.ErrTrimmed
		case offset > page.End:
			l.mu.Unlock()
			return page, pipeline.ErrBeyond
		}
		i := sort.Search(len(l.records), func(i int) bool { return l.records[i].Offset >= offset })
		page.Records = append(page.Records, l.records[i:min(i+13, len(l.records))]...)
		l.mu.Unlock()
		if n := len(page.Records); n > 0 {
			page.Next = page.Records[n-1].Offset + 1
			return page, nil
		}
		page.Next = page.End
		select {
		case <-grown:
		case <-time.After(20 * time.Millisecond): // the adapter's max wait
			return page, nil
		case <-ctx.Done():
			return page, ctx.Err()
		}
	}
}

func (l memoryLog) At(_ context.Context, t time.Time) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.records {
		if !r.Time.Before(t) && r.Offset >= l.start {
			return r.Offset, nil
		}
	}
	return l.topic.end(), nil
}

func (l memoryLog) Bounds(context.Context) (pipeline.Bounds, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return pipeline.Bounds{Start: l.start, End: l.topic.end(), Committed: l.commit, TopicID: "t1"}, nil
}

// broker hands one partition to whoever runs, for as long as a test's context lasts.
type broker struct {
	logs   map[pipeline.Stream]*topic
	refuse func() error // asked ahead of every commit; nil for never
}

func newBroker() *broker {
	return &broker{logs: map[pipeline.Stream]*topic{pipeline.Detections: newTopic(), pipeline.Media: newTopic(), pipeline.Labels: newTopic()}}
}

func (b *broker) Run(ctx context.Context, serve func(context.Context, pipeline.Assignment)) error {
	serve(ctx, assignment{b})
	return nil
}

type assignment struct{ b *broker }

func (assignment) Partition() int { return 3 }

func (a assignment) Log(s pipeline.Stream) pipeline.Log {
	t := a.b.logs[s]
	if t == nil {
		return nil
	}
	return memoryLog{t}
}

func (a assignment) Commit(_ context.Context, s pipeline.Stream, next int64) error {
	if a.b.refuse != nil {
		if err := a.b.refuse(); err != nil {
			return err
		}
	}
	t := a.b.logs[s]
	t.mu.Lock()
	defer t.mu.Unlock()
	t.commit = next
	return nil
}

// arithmetic is a model without a network: every probability is a function of the picture's first byte and the variant,
// so that a test can say what must come out.
type arithmetic struct {
	variants int
	calls    atomic.Int64
	hook     func(first byte) error
	picks    func(seed int64, variant int) bool // nil: every probe runs every variant
}

func (m *arithmetic) Size() (int, int) { return 1, 1 }

func (m *arithmetic) Probe(ctx context.Context, img pipeline.Image, seed int64) ([]float64, error) {
	m.calls.Add(1)
	if m.hook != nil {
		if err := m.hook(img.Pix[0]); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	probs := make([]float64, 1+m.variants)
	for i := range probs {
		probs[i] = arithmeticP(img.Pix[0], i)
		if i > 0 && m.picks != nil && !m.picks(seed, i) {
			probs[i] = math.NaN()
		}
	}
	return probs, nil
}

func arithmeticP(first byte, variant int) float64 {
	return float64((int(first)*7+variant*variant*13)%100) / 100
}

// rig is a line on memory logs, a reference store and the arithmetic model.
type rig struct {
	t      *testing.T
	broker *broker
	store  pipeline.Store
	tape   *tape
	model  *arithmetic
	line   *pipeline.Line

	variants int // of the generation: those of the suite and the attacks
	suite    string
	attacks  *assault // nil: none
}

var epoch = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func newRig(t *testing.T) *rig {
	t.Helper()
	suite, err := perturb.Lookup("production")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, broker: newBroker(), tape: newTape(), model: &arithmetic{variants: len(suite.Variants)}}
	r.store = r.tape
	r.line = r.newLine(suite)
	return r
}

func (r *rig) newLine(suite perturb.Suite) *pipeline.Line {
	d := pipeline.Detector{Name: "probe-me", Version: "1", Threshold: .5}
	window := pipeline.DefaultWindowConfig()
	g := pipeline.NewGeneration(d, "digest", suite, nil, window.Edges(), "chunk=1")
	r.variants, r.suite = len(g.Variants), suite.Version
	meter, err := pipeline.NewMeter(g)
	if err != nil {
		r.t.Fatal(err)
	}
	decoder, err := pipeline.NewDecoder(pipeline.DefaultDecodeConfig())
	if err != nil {
		r.t.Fatal(err)
	}
	labels, err := pipeline.NewLabelDecoder(pipeline.DefaultDecodeConfig())
	if err != nil {
		r.t.Fatal(err)
	}
	flow := pipeline.DefaultFlow()
	// Two at a time, so that a test's few hundred records make many batches.
	flow.Flush, flow.Drain, flow.InFlight = time.Millisecond, time.Second, 2
	join := pipeline.DefaultJoinConfig()
	join.MaxHold = 30 * time.Millisecond
	var nonce atomic.Int64
	return &pipeline.Line{
		Store: tap{r}, Roster: pipeline.NewRoster([]*pipeline.Subject{{Detector: d, Generation: g, Suite: suite, Model: r.model, Meter: meter}}),
		Sampler: pipeline.NewSampler([]byte("0123456789abcdef")), Schedule: pipeline.FixedSchedule(pipeline.RateStep{Rate: 1}),
		Decode: decoder.Decode, Labels: labels.Decode,
		Slicer: pipeline.NewSlicer(pipeline.SliceConfig{Attributes: []string{"source"}, Cap: sliceCap}, tap{r}),
		Prober: &pipeline.Prober{Store: tap{r}, Timeout: time.Minute, ClaimFor: time.Hour, Slots: make(chan struct{}, 4),
			Prepare: func(_ context.Context, data []byte, _ *pipeline.Detection, _ perturb.Input) (pipeline.Image, error) {
				if len(data) == 0 || data[0] == 255 {
					return pipeline.Image{}, &pipeline.PrepareError{Reason: pipeline.ReasonUndecodable, Err: fmt.Errorf("not a picture")}
				}
				return pipeline.Image{Width: 1, Height: 1, Pix: data[:1]}, nil
			}},
		Join: join, Window: window, Flow: flow, Config: "cfg",
		Now: time.Now, Nonce: func() string { return fmt.Sprintf("owner-%d", nonce.Add(1)) },
		Log: testLog(), Health: &pipeline.Health{}, Stats: &pipeline.Stats{},
	}
}

// tap lets a test put another store in front, without wiring the line anew.
type tap struct{ r *rig }

func (s tap) Claim(ctx context.Context, st pipeline.Stream, p int, owner string, create *pipeline.NewFence) (pipeline.Fence, error) {
	return s.r.store.Claim(ctx, st, p, owner, create)
}
func (s tap) Apply(ctx context.Context, b *pipeline.Batch) (pipeline.Verdict, int64, error) {
	return s.r.store.Apply(ctx, b)
}
func (s tap) Win(ctx context.Context, c pipeline.DigestClaim) (string, error) {
	return s.r.store.Win(ctx, c)
}
func (s tap) Place(ctx context.Context, attribute, value string, limit int) (string, error) {
	return s.r.store.(pipeline.SlicePlaces).Place(ctx, attribute, value, limit)
}
func (s tap) Slices(ctx context.Context) ([]string, error) {
	return s.r.store.(pipeline.SlicePlaces).Slices(ctx)
}

// testLog shows the line's log where SHAKETABLE_TEST_LOG is set.
func testLog() *slog.Logger {
	var w io.Writer = io.Discard
	if os.Getenv("SHAKETABLE_TEST_LOG") != "" {
		w = os.Stderr
	}
	return slog.New(slog.NewTextHandler(w, nil))
}
