package pipeline

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"shaketable/perturb"
)

// world is a ledger in memory with traffic that a test describes: rates per generation, counted by the real Meter.
type world struct {
	mu      sync.Mutex
	windows WindowConfig
	cells   map[Cell]Counts
	fences  []Fence
	gens    []Registration
	rng     *rand.Rand
	now     time.Time // event time, and wall clock
	meters  map[string]*Meter
	sumErr  error
	panels  map[string]PanelRuns
	due     []dueLabel
}

// dueLabel is a label that will come.
type dueLabel struct {
	at    time.Time
	count func()
}

// habits say how the probes of a generation behave.
type habits struct {
	moves, flips map[string]float64 // by family: changes by .08; turns the decision
	skewed       float64            // share of deployed scores that differ by .3
	fails        float64            // share of inconclusive probes
	labelled     float64            // share with a label
	wrong        float64            // share of labelled whose every decision is wrong
	delay        time.Duration      // from the picture to its label
	slices       []string           // that the detections are in
	fake         float64            // share of pictures judged fake; 0: a half
}

func newWorld(seed uint64) *world {
	w := DefaultWindowConfig()
	return &world{windows: w, cells: map[Cell]Counts{}, meters: map[string]*Meter{}, rng: rand.New(rand.NewPCG(seed, 7)),
		now: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), fences: []Fence{{Stream: Detections}, {Stream: Detections, Partition: 1}}}
}

func productionVariants() []perturb.Variant {
	return []perturb.Variant{
		{Family: "jpeg", Severity: 2, Parameter: "q=75"}, {Family: "jpeg", Severity: 4, Parameter: "q=40"},
		{Family: "resize", Severity: 1, Parameter: "2"}, {Family: "gaussian_noise", Severity: 2, Parameter: "0.045"},
		{Family: "gaussian_blur", Severity: 1, Parameter: "7"}, {Family: "gain", Severity: 2, Parameter: "0.725"},
		{Family: "brightness", Severity: 2, Parameter: "0.2"}, {Family: "saturation", Severity: 3, Parameter: "0.2"},
	}
}

// release registers a version; its digest is its name.
func (w *world) release(version string) Generation {
	return w.register(Generation{ID: "gen-" + version, Detector: "meso", Version: version, Digest: "sha-" + version, Suite: "production@1",
		Variants: productionVariants(), Edges: w.windows.Edges(), Threshold: .5, Plan: "chunk=1"})
}

// thin registers a version whose probes run the first variant always and a fifth of the others, and attack one in ten.
func (w *world) thin(version string) Generation {
	g := Generation{ID: "thin-" + version, Detector: "meso", Version: version, Digest: "sha-" + version, Suite: "production@1",
		Edges: w.windows.Edges(), Threshold: .5, Plan: "chunk=1", Rates: []float64{1, .2, .2, .2, .2, .2, .2, .2, .1},
		Variants: append(productionVariants(), perturb.Variant{Family: "pgd10_delta_uint8", Severity: 1, Parameter: "2/255"})}
	return w.register(g)
}

func (w *world) register(g Generation) Generation {
	w.mu.Lock()
	defer w.mu.Unlock()
	m, err := NewMeter(g)
	if err != nil {
		panic(err)
	}
	w.meters[g.ID] = m
	w.gens = append(w.gens, Registration{Generation: g, Since: w.now, Seen: w.now})
	return g
}

// pass lets time go by with n probes (each for ten detections), all with event times in this step.
func (w *world) pass(d time.Duration, g Generation, n int, h habits) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.meters[g.ID]
	w.now = w.now.Add(d)
	at := BucketsAt(w.now, w.windows.Fine, w.windows.Coarse)
	m.CountDetection(at, int64(10*n), w.cells, h.slices...)
	for range n {
		if w.rng.Float64() < h.fails {
			m.CountInconclusive(ReasonTimeout, at, w.cells, h.slices...)
			continue
		}
		w.probe(m, g, at, h)
	}
	w.due = slices.DeleteFunc(w.due, func(d dueLabel) bool {
		come := !d.at.After(w.now)
		if come {
			d.count()
		}
		return come
	})
	for i := range w.fences {
		w.fences[i].Watermark, w.fences[i].Record = w.now, w.now
	}
	for i := range w.gens {
		w.gens[i].Seen = w.now
	}
}

func (w *world) probe(m *Meter, g Generation, at Buckets, h habits) {
	clean, fake := .7, .5
	if h.fake > 0 {
		fake = h.fake
	}
	if w.rng.Float64() < 1-fake {
		clean = .3
	}
	probs := []float64{clean}
	for i, v := range g.Variants {
		p := clean + .01*w.rng.Float64()
		switch {
		case g.Rates != nil && w.rng.Float64() >= g.Rates[i]:
			p = math.NaN()
		case w.rng.Float64() < h.flips[v.Family]:
			p = 1 - clean
		case w.rng.Float64() < h.moves[v.Family]:
			p = clean + .08
		}
		probs = append(probs, p)
	}
	deployed := clean
	if w.rng.Float64() < h.skewed {
		deployed = clean + .3
	}
	r, err := m.Measure(probs, deployed)
	if err != nil {
		panic(err)
	}
	m.Count(r, at, w.cells, h.slices...)
	if w.rng.Float64() < h.labelled {
		wrong := w.rng.Float64() < h.wrong
		w.due = append(w.due, dueLabel{w.now.Add(h.delay), func() {
			w.label(g, at, r, wrong)
			cellOf(w.cells, Cell{Generation: g.ID, Kind: Total})[FieldLabelDelayOf(w.now.Unix()-at.Fine)]++
		}})
	}
}

// readers are all that a fold reads from.
func (w *world) readers() Readers {
	return Readers{Ledger: w, Examples: w, Slices: w, Panels: w}
}

func (w *world) Slices(context.Context) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var names []string
	for c := range w.cells {
		if c.Slice != "" && !slices.Contains(names, c.Slice) {
			names = append(names, c.Slice)
		}
	}
	slices.Sort(names)
	return names, nil
}

func (w *world) Panels(context.Context, string) (map[string]PanelRuns, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.panels), nil
}

// label counts a label as the store does: for every variant, into the total, the fine and the shared coarse cell.
func (w *world) label(g Generation, at Buckets, r Reading, wrong bool) {
	for _, c := range []Cell{{Generation: g.ID, Kind: Total}, {Generation: g.ID, Kind: Fine, Start: at.Fine},
		{Generation: g.ID, Kind: Coarse, Start: at.Coarse}} {
		for i := range r.Decisions {
			if r.Decisions[i] == NotRun {
				continue
			}
			cellOf(w.cells, c)[FieldLabelled(i)]++
			if (r.Decisions[i] == r.Decisions[0]) != wrong {
				w.cells[c][FieldCorrect(i)]++
			}
		}
	}
}

func (w *world) Sum(_ context.Context, cells []Cell) ([]Counts, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sumErr != nil {
		return nil, w.sumErr
	}
	out := make([]Counts, len(cells))
	for i, c := range cells {
		out[i] = maps.Clone(w.cells[c])
	}
	return out, nil
}

func (w *world) Fences(context.Context, Stream) ([]Fence, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.fences), nil
}

func (w *world) Generations(context.Context, string) ([]Registration, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.gens), nil
}

func (w *world) Detectors(context.Context) ([]string, error) { return []string{"meso"}, nil }

func (w *world) Register(context.Context, Generation, int, time.Time) error { return nil }

func (w *world) Examples(context.Context, string, int) ([]Example, error) {
	return []Example{{Media: "clip-8812/000123", Variant: 1, Clean: .91, Perturbed: .42}}, nil
}

// memorySeat is a Seat, Release and Outbox in memory, with the rules of the real one.
type memorySeat struct {
	mu      sync.Mutex
	owner   string
	token   int64
	until   time.Time
	seq     int64
	last    Save
	outbox  []Transition
	acked   map[string][]string
	saves   int
	orders  orderDesk
	saveErr func(s Save, apply func()) error // faults between the caller and the store
}

func newMemorySeat() *memorySeat { return &memorySeat{acked: map[string][]string{}} }

func (m *memorySeat) Hold(_ context.Context, _, owner string, ttl time.Duration) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if m.owner != owner && now.Before(m.until) {
		return 0, nil
	}
	if m.owner != owner || !now.Before(m.until) {
		m.owner, m.token = owner, m.token+1
	}
	m.until = now.Add(ttl)
	return m.token, nil
}

func (m *memorySeat) Release(_ context.Context, _ string, token int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if token != m.token {
		return ErrNotSeated
	}
	m.owner, m.until = "", time.Time{}
	return nil
}

func (m *memorySeat) Load(context.Context, string) (int64, []byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seq, m.last.State, nil
}

func (m *memorySeat) Save(_ context.Context, s Save) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.saveErr != nil {
		if err := m.saveErr(s, func() { m.apply(s) }); err != nil {
			return err
		}
	}
	return m.apply(s)
}

func (m *memorySeat) apply(s Save) error {
	if s.Token == m.last.Token && s.Prev == m.seq-1 && string(s.State) == string(m.last.State) {
		return nil // the retry of a save that had arrived
	}
	if s.Token != m.token || s.Prev != m.seq {
		return fmt.Errorf("save: token %d, sequence %d: %w", s.Token, s.Prev, ErrNotSeated)
	}
	m.seq, m.last = m.seq+1, s
	m.saves++
	m.outbox = append(m.outbox, s.Transitions...)
	m.orders.drop(s.Done)
	return nil
}

func (m *memorySeat) Pending(_ context.Context, _, sink string, limit int) ([]Transition, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []Transition
	for _, t := range m.outbox {
		if !slices.Contains(m.acked[sink], t.ID) && len(list) < limit {
			list = append(list, t)
		}
	}
	return list, nil
}

func (m *memorySeat) Ack(_ context.Context, _, sink string, ids, _ []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.acked[sink] = append(m.acked[sink], ids...)
	return nil
}

// memorySink keeps what it is sent; fail says what a send of this number (from 1) returns.
type memorySink struct {
	mu    sync.Mutex
	name  string
	sent  []Transition
	at    []time.Time
	tries int
	fail  func(try int) error
}

func (s *memorySink) Name() string { return s.name }

func (s *memorySink) Send(_ context.Context, t Transition) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries++
	if s.fail != nil {
		if err := s.fail(s.tries); err != nil {
			return err
		}
	}
	s.sent = append(s.sent, t)
	s.at = append(s.at, time.Now())
	return nil
}

// received returns what has arrived so far.
func (s *memorySink) received() []Transition {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sent)
}

// folds returns how many saves were taken so far.
func (m *memorySeat) folds() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.saves
}
