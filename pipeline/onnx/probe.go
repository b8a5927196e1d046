package onnx

import (
	"context"
	"fmt"
	"math"
	"time"

	"shaketable/perturb"
)

// job is one picture, ready to be run.
//
// In: pixels and seed. Out: what the graph cannot make itself: which variants are picked, and those that are painted on
// the host. Invariant: both are functions of pixels, seed and suite alone, so a replay runs the very same job.
type job struct {
	pix   []byte
	seed  int64
	picks []int64 // indexes into the variants, ascending; none if all are run
	host  []byte  // one picture per variant of Fused.Host; black where it was not picked
}

// prepare picks and paints.
func (m *Model) prepare(ctx context.Context, pix []byte, seed int64) (job, error) {
	j := job{pix: pix, seed: seed}
	wanted := map[int]bool{}
	if m.fused.Picks > 0 {
		for _, i := range perturb.Picks(m.suite, m.fused.Picks, seed) {
			j.picks = append(j.picks, int64(i))
			wanted[i] = true
		}
	}
	var err error
	if len(m.fused.Host) > 0 {
		places := make([]int, len(m.fused.Host)) // in the suite, which does not count the clean picture
		for k, i := range m.fused.Host {
			if places[k] = i - 1; m.fused.Picks > 0 && !wanted[i] {
				places[k] = nobody
			}
		}
		j.host, err = paintHost(ctx, m.painter, places, pix, seed)
	}
	return j, err
}

// nobody is the place of a variant that was not picked.
const nobody = -1

// paintHost paints variants of a suite, one after another.
func paintHost(ctx context.Context, painter *perturb.Painter, places []int, pix []byte, seed int64) ([]byte, error) {
	host := make([]byte, len(places)*len(pix))
	for k, i := range places {
		if i == nobody {
			continue
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err := painter.Paint(pix, seed, i, host[k*len(pix):(k+1)*len(pix)]); err != nil {
			return nil, err
		}
	}
	return host, nil
}

// probeAlone prepares and runs one picture on a processor of its own.
func (m *Model) probeAlone(ctx context.Context, pix []byte, seed int64) ([]float64, error) {
	release, err := m.runtime.hold(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	defer m.clock(time.Now())
	j, err := m.prepare(ctx, pix, seed)
	if err != nil {
		return nil, err
	}
	probs, err := m.runHeld(ctx, []job{j})
	if err != nil {
		return nil, err
	}
	return probs[0], nil
}

// run runs jobs together and returns the probabilities by picture.
func (m *Model) run(ctx context.Context, jobs []job) ([][]float64, error) {
	release, err := m.runtime.hold(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	defer m.clock(time.Now())
	return m.runHeld(ctx, jobs)
}

func (m *Model) clock(began time.Time) { m.nanos.Add(int64(time.Since(began))) }

// runHeld runs jobs while the device is held.
func (m *Model) runHeld(ctx context.Context, jobs []job) ([][]float64, error) {
	n := int64(len(jobs))
	rows := int64(len(m.fused.Variants))
	if m.fused.Picks > 0 {
		rows = int64(1 + m.fused.Picks)
	}
	out := make([]float32, rows*n)
	if err := m.session.run(ctx, arguments(m.fused, jobs), []tensor{floatsOf(out, rows, n)}); err != nil {
		return nil, err
	}
	probs := make([][]float64, n)
	for i := range probs {
		probs[i] = make([]float64, len(m.fused.Variants))
		if m.fused.Picks > 0 {
			for k := range probs[i] {
				probs[i][k] = math.NaN()
			}
		}
		for row := range int(rows) {
			p, k := out[row*int(n)+i], jobs[i].variant(row)
			if err := checkProbability(p); err != nil {
				v := m.fused.Variants[k]
				return nil, fmt.Errorf("variant %s %s: %w", v.Family, v.Parameter, err)
			}
			probs[i][k] = float64(p)
		}
	}
	return probs, nil
}

// variant is what a row of the result belongs to.
func (j job) variant(row int) int {
	if row == 0 || len(j.picks) == 0 {
		return row
	}
	return int(j.picks[row-1])
}

// inputs are the names of what arguments returns, in its order.
func inputs(f *perturb.Fused) []string {
	names := []string{"image"}
	if f.Seeded {
		names = append(names, "seed")
	}
	if len(f.Host) > 0 {
		names = append(names, "host")
	}
	if f.Picks > 0 {
		names = append(names, "pick")
	}
	return names
}

// arguments lays jobs out as the graph takes them: pictures one after another, but host and picks by variant first.
func arguments(f *perturb.Fused, jobs []job) []tensor {
	n, h, w := int64(len(jobs)), int64(f.Height), int64(f.Width)
	pix, seeds := jobs[0].pix, make([]int64, n)
	if n > 1 {
		pix = make([]byte, 0, len(jobs)*len(jobs[0].pix))
	}
	for i, j := range jobs {
		seeds[i] = j.seed
		if n > 1 {
			pix = append(pix, j.pix...)
		}
	}
	list := []tensor{bytesOf(pix, n, h, w, 3)}
	if f.Seeded {
		list = append(list, intsOf(seeds, n))
	}
	if k := len(f.Host); k > 0 {
		list = append(list, bytesOf(interleave(jobs, k, func(j job) []byte { return j.host }), int64(k), n, h, w, 3))
	}
	if k := f.Picks; k > 0 {
		list = append(list, intsOf(interleave(jobs, k, func(j job) []int64 { return j.picks }), int64(k), n))
	}
	return list
}

// interleave turns k equal parts of every job, job by job, into parts of all jobs, part by part.
func interleave[T any](jobs []job, k int, of func(job) []T) []T {
	if len(jobs) == 1 {
		return of(jobs[0])
	}
	size := len(of(jobs[0])) / k
	all := make([]T, 0, k*size*len(jobs))
	for part := range k {
		for _, j := range jobs {
			all = append(all, of(j)[part*size:(part+1)*size]...)
		}
	}
	return all
}
