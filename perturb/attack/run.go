package attack

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// Model is a detector as a function of pixels: x float32 [n,3,height,width] in [0,1].
//
// The margin is the logit of the probability of fake p; it is finite where p has long saturated. Implementations are safe
// for concurrent use and return the same bits for the same picture, whatever its company.
type Model interface {
	Size() (width, height int)
	// Score returns p and margin of n pictures.
	Score(ctx context.Context, x []float32, n int) (p, margin []float32, err error)
	// Gradient returns them as well, and d margin/dx, shaped like x, in gradient.
	Gradient(ctx context.Context, x []float32, n int, gradient []float32) (p, margin []float32, err error)
}

// Setting is what attacks on one detector have in common.
type Setting struct {
	// Threshold on p: p >= Threshold is decided fake.
	Threshold float64
	// Concurrency is how many searches run at once; below 2 they run one after another. It moves no figure.
	Concurrency int
	// JPEG encodes 8-bit RGB pixels, row by row, and decodes them again. Needed for the form jpeg90 only.
	JPEG func(pix []byte, width, height, quality int) ([]byte, error)
}

// Picture is what is attacked.
type Picture struct {
	Pix  []byte // 8-bit RGB, row by row
	Seed int64  // of the media: all that is random is drawn from it and the attack
	Fake *bool  // the true label; nil if nobody knows
}

// Outcome is one row of [Variants] on one picture.
type Outcome struct {
	P float64 // probability of fake; NaN if the attack was not run (target label, and no label)
	// Margin is its logit, which still moves where P is saturated; NaN as P is.
	Margin float64
	// Linf and L2 are the distance of what was scored from the clean picture, pixels in [0,1].
	Linf, L2 float64
	// Queries are the passes that the attack took, without the clean ones, which all attacks share.
	Queries int
	// Flat says that the attack saw gradients and that all of them were exactly 0.
	Flat bool
}

// Result is what attacks did to a picture.
type Result struct {
	Clean    float64   // probability of fake of the clean picture
	Margin   float64   // its logit
	Outcomes []Outcome // in the order of Variants
	Queries  int       // passes through the model, all of them
}

// Run lets every attack loose on one picture. An error means that there is no result at all.
func Run(ctx context.Context, m Model, set Setting, specs []Spec, pic Picture) (Result, error) {
	t, err := newTrial(ctx, m, set, pic)
	if err != nil {
		return Result{}, err
	}
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(max(set.Concurrency, 1))
	outcomes := make([][]Outcome, len(specs))
	for i, s := range specs {
		ends := make([]end, s.directions())
		var left atomic.Int64
		left.Store(int64(len(ends)))
		for d := range ends {
			work.Go(func() (err error) {
				if ends[d], err = t.search(ctx, s, d); err != nil {
					return fmt.Errorf("attack %s: %w", s, err)
				}
				if left.Add(-1) > 0 {
					return nil
				}
				if outcomes[i], err = t.conclude(ctx, s, ends); err != nil {
					return fmt.Errorf("attack %s: %w", s, err)
				}
				return nil
			})
		}
	}
	if err := work.Wait(); err != nil {
		return Result{}, err
	}
	r := Result{Clean: t.clean.p, Margin: t.clean.margin, Queries: int(t.passes.Load())}
	for _, list := range outcomes {
		r.Outcomes = append(r.Outcomes, list...)
	}
	return r, nil
}

// value is what the model says of one picture.
type value struct{ p, margin float64 }

// point is a picture and its value.
type point struct {
	x []float32
	value
}

// end is where a search came out.
type end struct {
	point
	queries int
	flat    bool
	none    bool // the search was not run
}

// trial is one picture under attack. Safe for concurrent use.
type trial struct {
	model  Model
	set    Setting
	pic    Picture
	w, h   int
	clean  point
	passes atomic.Int64

	slope struct { // of the clean picture, which many searches start from
		sync.Mutex
		gradient []float32
		point
	}
}

func newTrial(ctx context.Context, m Model, set Setting, pic Picture) (*trial, error) {
	w, h := m.Size()
	if len(pic.Pix) != w*h*3 {
		return nil, fmt.Errorf("attack: the picture has %d bytes: the model takes %d x %d pixels of 3", len(pic.Pix), w, h)
	}
	t := &trial{model: m, set: set, pic: pic, w: w, h: h}
	x := planes(pic.Pix)
	v, err := t.score(ctx, x)
	if err != nil {
		return nil, fmt.Errorf("attack: clean picture: %w", err)
	}
	t.clean = point{x, v}
	return t, nil
}

// score is a pass without gradient.
func (t *trial) score(ctx context.Context, x []float32) (value, error) {
	t.passes.Add(1)
	p, margin, err := t.model.Score(ctx, x, 1)
	if err != nil {
		return value{}, err
	}
	return checked(p, margin)
}

// gradient is a pass with gradient.
func (t *trial) gradient(ctx context.Context, x, gradient []float32) (v value, err error) {
	t.passes.Add(1)
	p, margin, err := t.model.Gradient(ctx, x, 1, gradient)
	if err != nil {
		return value{}, err
	}
	return checked(p, margin)
}

// cleanGradient is that of the clean picture, taken once for all searches.
func (t *trial) cleanGradient(ctx context.Context, gradient []float32) (v value, err error) {
	t.slope.Lock()
	defer t.slope.Unlock()
	if t.slope.gradient == nil {
		g := make([]float32, len(t.clean.x))
		if t.slope.value, err = t.gradient(ctx, t.clean.x, g); err != nil {
			return value{}, err
		}
		t.slope.gradient = g
	}
	copy(gradient, t.slope.gradient)
	return t.slope.value, nil
}

func checked(p, margin []float32) (value, error) {
	if len(p) != 1 || len(margin) != 1 {
		return value{}, fmt.Errorf("the model returned %d probabilities and %d margins for one picture", len(p), len(margin))
	}
	v := value{float64(p[0]), float64(margin[0])}
	if math.IsNaN(v.p) || math.IsNaN(v.margin) || math.IsInf(v.margin, 0) {
		return value{}, fmt.Errorf("the model returned p = %v with margin %v: an attack needs finite ones", v.p, v.margin)
	}
	return v, nil
}

// direction returns +1 if an attack raises the margin (towards fake) and -1 if it lowers it; false if the target is not known.
func (t *trial) direction(s Spec, d int) (float64, bool) {
	fake := t.clean.p >= t.set.Threshold
	switch {
	case s.Target == "delta":
		return float64(1 - 2*d), true
	case s.Target == "label" && t.pic.Fake == nil:
		return 0, false
	case s.Target == "label":
		fake = *t.pic.Fake
	}
	if fake {
		return -1, true
	}
	return 1, true
}

// search runs one direction of an attack.
func (t *trial) search(ctx context.Context, s Spec, d int) (end, error) {
	sign, known := t.direction(s, d)
	if !known {
		return end{none: true}, nil
	}
	if s.Eps == 0 { // whatever an attack does within a ball of no size
		return end{point: t.clean}, nil
	}
	run := &search{trial: t, ctx: ctx, spec: s, sign: sign, random: stream(t.pic.Seed, s, sign), flat: true}
	var at point
	var err error
	switch s.Method {
	case "fgsm":
		at, err = run.fgsm()
	case "pgd":
		at, err = run.pgd(run.slope)
	case "nes":
		at, err = run.pgd(run.estimate)
	case "cw":
		at, err = run.cw()
	case "square":
		at, err = run.square(d)
	default:
		err = errors.New("unknown method: make specs with Parse")
	}
	return end{point: at, queries: run.queries, flat: run.flat && run.slopes > 0}, err
}

// conclude takes the better of the directions and scores its forms.
func (t *trial) conclude(ctx context.Context, s Spec, ends []end) ([]Outcome, error) {
	best := ends[0]
	for _, e := range ends[1:] {
		queries, flat := best.queries+e.queries, best.flat && e.flat
		if t.farther(e.value, best.value) {
			best = e
		}
		best.queries, best.flat = queries, flat
	}
	list := make([]Outcome, len(s.forms()))
	for i, form := range s.forms() {
		if best.none {
			list[i] = Outcome{P: math.NaN(), Margin: math.NaN()}
			continue
		}
		at, extra, err := t.form(ctx, s, form, best.point)
		if err != nil {
			return nil, fmt.Errorf("form %s: %w", form, err)
		}
		best.queries += extra
		if s.lengthens() {
			if at, extra, err = t.lengthen(ctx, s, form, best.point, at); err != nil {
				return nil, fmt.Errorf("form %s: %w", form, err)
			}
			best.queries += extra
		}
		list[i] = Outcome{P: at.p, Margin: at.margin, Flat: best.flat}
		list[i].Linf, list[i].L2 = distance(at.x, t.clean.x)
	}
	for i := range list {
		list[i].Queries = best.queries
	}
	return list, nil
}

// farther is the criterion of the target delta: a moved p more than b did; if both moved it alike, the margin.
func (t *trial) farther(a, b value) bool {
	pa, pb := math.Abs(a.p-t.clean.p), math.Abs(b.p-t.clean.p)
	if pa != pb {
		return pa > pb
	}
	return math.Abs(a.margin-t.clean.margin) > math.Abs(b.margin-t.clean.margin)
}
