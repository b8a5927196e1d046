package suspect

import (
	"cmp"
	"context"
	"crypto/sha256"
	"math"
	"slices"

	"shaketable/pipeline"
)

// sight is what is known of a path on the telling pictures.
type sight struct {
	outputs  [][]Output // of the first so many of them
	failed   bool
	relative float64 // of the best reading so far
	limit    float64 // of what cannot be told from it
	verdict  Verdict
}

// The search runs on few pictures, and on more of them the fewer combinations are left.
const (
	mostTelling  = 16
	firstLook    = 4
	secondLook   = 8
	keptAtLeast  = 24
	keptFraction = 4
	imageBytes   = 256 << 20 // held at once
)

// choosePictures picks the telling pictures and makes them in every geometry that is tried.
func (s *search) choosePictures(ctx context.Context) error {
	list := s.geometries()
	each := 3 * s.base.Input.Width * s.base.Input.Height * len(list)
	s.telling = s.choose(min(mostTelling, max(secondLook, imageBytes/each)))
	s.images, s.same = map[geometry][]pipeline.Image{}, map[geometry]geometry{}
	s.say("preparing pictures", len(s.telling))
	images := make([]pipeline.Image, len(list)*len(s.telling))
	err := s.each(ctx, len(s.telling), func(ctx context.Context, k int) error {
		p, err := s.decode(ctx, s.telling[k])
		for i := 0; i < len(list) && err == nil; i++ {
			images[i*len(s.telling)+k], err = p.scaled(ctx, list[i])
		}
		return err
	})
	if err != nil {
		return err
	}
	known := map[[sha256.Size]byte]geometry{}
	for i, g := range list {
		mine := images[i*len(s.telling):][:len(s.telling)]
		hash := sha256.New()
		for _, img := range mine {
			sum := digest(img)
			hash.Write(sum[:])
		}
		first, ok := known[[sha256.Size]byte(hash.Sum(nil))]
		if !ok {
			first = g
			known[[sha256.Size]byte(hash.Sum(nil))] = g
			s.images[g] = mine
		}
		s.same[g] = first
	}
	return nil
}

// choose picks the n pictures that tell most, from all parts of the scale in turn: a score near 0 or 1 hardly moves whatever
// is done, and a picture of the input's own size says nothing about scaling.
func (s *search) choose(n int) []int {
	p := s.forms[0].p
	tells := func(i int) float64 {
		f, value := s.facts[i], 4*p[i]*(1-p[i])
		if f.width != s.base.Input.Width || f.height != s.base.Input.Height {
			value++
		}
		if f.width*s.base.Input.Height != f.height*s.base.Input.Width {
			value += .5
		}
		if !f.grey {
			value += .5
		}
		if f.turned {
			value += 2
		}
		return value + min(1, 4*math.Abs(s.finding.Configured.Ours[i]-p[i]))
	}
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	const parts = 4
	var bins [parts][]int
	for i, picture := range order {
		bins[i*parts/len(order)] = append(bins[i*parts/len(order)], picture)
	}
	var chosen []int
	for i := range bins {
		slices.SortStableFunc(bins[i], func(a, b int) int { return cmp.Compare(tells(b), tells(a)) })
	}
	for rank := 0; len(chosen) < min(n, len(order)); rank++ {
		for _, bin := range bins {
			if rank < len(bin) && len(chosen) < n {
				chosen = append(chosen, bin[rank])
			}
		}
	}
	return chosen
}

// halve runs the paths on a few pictures, keeps the better part, runs that on more, and so on.
func (s *search) halve(ctx context.Context, name string, list []path) error {
	s.finding.Tried += len(list)
	done := 0
	for _, until := range []int{firstLook, secondLook, len(s.telling)} {
		until = min(until, len(s.telling))
		if until == done {
			continue
		}
		s.say(name, len(list)*(until-done))
		if err := s.glance(ctx, list, done, until); err != nil {
			return err
		}
		done = until
		list = s.better(list)
	}
	return nil
}

// better drops the worst paths, and those that could not be run.
func (s *search) better(list []path) []path {
	list = slices.DeleteFunc(slices.Clone(list), func(p path) bool { return s.seen[p].failed })
	slices.SortStableFunc(list, func(a, b path) int { return cmp.Compare(s.seen[a].relative, s.seen[b].relative) })
	return list[:min(len(list), max(keptAtLeast, len(list)/keptFraction))]
}

// glance runs paths on the telling pictures from one to another. A path that the model refuses is out.
func (s *search) glance(ctx context.Context, list []path, from, until int) error {
	for _, p := range list {
		if s.seen[p] == nil {
			s.seen[p] = &sight{}
		}
		if _, err := s.network(p.door()); err != nil {
			s.seen[p].failed = true
		}
	}
	count := until - from
	results := make([][]Output, len(list)*count)
	err := s.each(ctx, len(results), func(ctx context.Context, i int) error {
		at, k := list[i/count], from+i%count
		if s.seen[at].failed {
			return nil
		}
		network, _ := s.network(at.door())
		img := s.images[s.same[at.geometry()]][k]
		out, err := network.Run(ctx, Tensor(img, at.input))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil {
			results[i] = out
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, at := range list {
		w := s.seen[at]
		for _, out := range results[i*count:][:count] {
			w.failed = w.failed || out == nil
			w.outputs = append(w.outputs, out)
		}
		s.judge(w)
	}
	return nil
}

// judge finds the reading under which a path fits best.
func (s *search) judge(w *sight) {
	w.relative, w.verdict = math.Inf(1), Different
	if w.failed {
		return
	}
	ours, theirs := make([]float64, len(w.outputs)), make([]float64, len(w.outputs))
	for _, form := range s.forms {
		for k := range w.outputs {
			theirs[k] = form.p[s.telling[k]]
		}
		for _, r := range s.readings {
			if !r.all(w.outputs, ours) {
				continue
			}
			c := compare(ours, theirs, form.spread) // that of all pictures: a handful may be alike by chance
			if relative := c.Relative(); relative < w.relative {
				w.relative, w.limit, w.verdict = relative, c.alike(form.rounding)/form.spread, c.Verdict(form.rounding)
			}
		}
	}
}

// all fills in the probabilities that r reads from the outputs of several pictures, and says whether they are ones.
func (r reading) all(outputs [][]Output, p []float64) bool {
	for k, out := range outputs {
		v, ok := r.of(out)
		if !ok {
			return false
		}
		p[k] = v
	}
	return true
}

// best is the best path of those that have seen all telling pictures.
func (s *search) best() (best struct {
	path
	Verdict
}) {
	relative := math.Inf(1)
	best.Verdict = Different
	for p, w := range s.seen {
		if len(w.outputs) == len(s.telling) && w.relative < relative {
			relative, best.path, best.Verdict = w.relative, p, w.verdict
		}
	}
	return best
}

// Paths that are run on all pictures: at most so many that are as good as the best, and others for the table.
const mostFinalists, fewFinalists = 16, 5

// finalists are the configuration, those that are as good as the best on the telling pictures, with the fewest and most
// usual changes first, and the next best.
func (s *search) finalists() []path {
	base := path{s.base.Input, s.base.Exif}
	var list []path
	for p, w := range s.seen {
		if len(w.outputs) == len(s.telling) && !w.failed && p != base {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b path) int {
		return cmp.Or(cmp.Compare(s.seen[a].relative, s.seen[b].relative), cmp.Compare(s.order[a], s.order[b]))
	})
	if len(list) == 0 {
		return []path{base}
	}
	limit, alike := s.seen[list[0]].limit, 0
	for alike < len(list) && s.seen[list[alike]].relative <= limit {
		alike++
	}
	slices.SortFunc(list[:alike], func(a, b path) int {
		return cmp.Or(cmp.Compare(s.stepsOf(a), s.stepsOf(b)), cmp.Compare(s.order[a], s.order[b]))
	})
	chosen := append([]path{base}, list[:min(alike, mostFinalists)]...)
	return append(chosen, list[alike:min(alike+fewFinalists, len(list))]...)
}

// stepsOf counts the decisions in front of the model that differ from the configuration.
func (s *search) stepsOf(p path) int {
	return Hypothesis{Input: p.input, Exif: p.exif, Output: s.base.Output}.steps(s.base)
}
