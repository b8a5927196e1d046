package onnx

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"shaketable/perturb"
	"shaketable/pipeline"
)

// gpuChunks are tried on a GPU until one fits its memory; 0 means all variants at once.
func gpuChunks() []int { return []int{0, 12, 4, 1} }

// gain is by how much another chunk must be faster than 1 to be worth it.
const gain = 1.1

// compileFunc compiles the model for a chunk.
type compileFunc func(chunk int) (*perturb.Fused, error)

// Plan names what can move figures without being in the suite, for the generation: the device and the chunk, how many
// variants a probe picks, and a codec that is not the graph's. A chunk on a CPU that returns bit for bit what chunk 1 returns is the same plan, so that workers that measured differently still add up.
func (m *Model) Plan() string {
	kind := "cpu"
	if m.runtime.device.cuda {
		kind = "cuda"
	}
	chunk := m.fused.Chunk
	if !m.runtime.device.cuda && m.runtime.cfg.Chunk == 0 {
		chunk = 1
	}
	plan := kind + " chunk=" + strconv.Itoa(chunk)
	if m.fused.Picks > 0 {
		plan += " picks=" + strconv.Itoa(m.fused.Picks)
	}
	if m.suite.Codec == perturb.CodecExact {
		plan += " codec=" + m.suite.Codec
	}
	return plan
}

// Chunk returns how many pictures go through the detector at a time; 0 for all.
func (m *Model) Chunk() int { return m.fused.Chunk }

// choose loads the model with the chunk that the device likes best and measures its noise floor.
func (m *Model) choose(ctx context.Context, compile compileFunc) error {
	cfg := m.runtime.cfg
	switch {
	case m.runtime.device.cuda:
		return m.chooseGPU(ctx, compile)
	case cfg.Chunk > 0:
		if err := m.load(compile, cfg.Chunk); err != nil {
			return err
		}
	default:
		if err := m.chooseCPU(ctx, compile); err != nil {
			return err
		}
	}
	return m.measureFloor(ctx)
}

// load replaces the session by one of another chunk.
func (m *Model) load(compile compileFunc, chunk int) error {
	fused, err := compile(chunk)
	if err != nil {
		return err
	}
	if m.painter == nil && len(fused.Host) > 0 {
		if m.painter, err = perturb.NewPainter(m.suite, fused.Width, fused.Height); err != nil {
			return err
		}
	}
	s, err := newSession(fused.Model, inputs(fused), []string{"p"}, m.runtime.device)
	if err != nil {
		return err
	}
	if m.session != nil {
		if err := m.session.close(); err != nil {
			return err
		}
	}
	m.fused, m.session = fused, s
	return nil
}

// chooseCPU starts with chunk 1 and takes a larger one only if it returns the same bits and is clearly faster: a model
// that is mostly weights reads them once per chunk. A model with a fixed batch has no choice.
func (m *Model) chooseCPU(ctx context.Context, compile compileFunc) error {
	if err := m.load(compile, 1); err != nil {
		return err
	}
	rows := len(m.fused.Variants)
	if m.fused.Picks > 0 {
		rows = 1 + m.fused.Picks
	}
	larger := largerChunk(rows)
	if m.fused.Chunk != 1 || larger == 1 {
		return nil
	}
	other := &Model{runtime: m.runtime, detector: m.detector, suite: m.suite, painter: m.painter}
	if err := other.load(compile, larger); err != nil {
		return err
	}
	samples := randomPictures(2, m.fused.Width, m.fused.Height)
	want, took, err := m.stopwatch(ctx, samples)
	if err != nil {
		return errors.Join(err, other.Close())
	}
	got, otherTook, err := other.stopwatch(ctx, samples)
	worth := err == nil && slices.EqualFunc(got, want, sameBits) && float64(otherTook)*gain < float64(took)
	if !worth {
		return errors.Join(err, other.Close())
	}
	err = m.session.close()
	m.fused, m.session = other.fused, other.session
	return err
}

// largerChunk is the largest chunk up to 4 that leaves no run partly filled, for so many pictures in all.
func largerChunk(rows int) int {
	for chunk := 4; chunk > 1; chunk-- {
		if rows%chunk == 0 {
			return chunk
		}
	}
	return 1
}

// sameBits compares probabilities, of which those that were not run are NaN.
func sameBits(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) })
}

// stopwatch returns the probabilities of pictures, and how long the last one took: the first ones warm up.
func (m *Model) stopwatch(ctx context.Context, pictures []picture) (all [][]float64, took time.Duration, err error) {
	for _, p := range pictures {
		before := m.nanos.Load()
		probs, err := m.probeAlone(ctx, p.pix, p.seed)
		if err != nil {
			return nil, 0, err
		}
		took = time.Duration(m.nanos.Load() - before)
		all = append(all, probs)
	}
	m.nanos.Store(0)
	return all, took, nil
}

// chooseGPU takes the largest chunk for which the device has memory, and then the largest batches. Both depend on the
// device alone and not on a race, so that workers on equal devices have equal plans.
func (m *Model) chooseGPU(ctx context.Context, compile compileFunc) error {
	chunks := gpuChunks()
	if c := m.runtime.cfg.Chunk; c > 0 {
		chunks = []int{c}
	}
	var err error
	for _, chunk := range chunks {
		if err = m.load(compile, chunk); err != nil {
			return err
		}
		p := randomPictures(1, m.fused.Width, m.fused.Height)[0]
		if _, err = m.probeAlone(ctx, p.pix, p.seed); !errors.Is(err, pipeline.ErrOutOfMemory) {
			break
		}
	}
	if err != nil {
		return err
	}
	return m.startBatches(ctx, defaultBuckets())
}

// startBatches warms every batch size up, drops those for which there is no memory, and hands runs to a batcher.
func (m *Model) startBatches(ctx context.Context, buckets []int) error {
	for i, n := range buckets {
		jobs := make([]job, n)
		for k, p := range randomPictures(n, m.fused.Width, m.fused.Height) {
			var err error
			if jobs[k], err = m.prepare(ctx, p.pix, p.seed); err != nil {
				return err
			}
		}
		_, err := m.run(ctx, jobs)
		if errors.Is(err, pipeline.ErrOutOfMemory) && i > 0 {
			buckets = buckets[:i]
			break
		}
		if err != nil {
			return err
		}
	}
	m.nanos.Store(0)
	m.batch = newBatcher(buckets, m.run)
	return m.measureFloor(ctx)
}

// picture is a random one, with the seed of its noise.
type picture struct {
	pix  []byte
	seed int64
}

// randomPictures are the same at every start: smooth shapes with noise on them, so that codecs and blurs have work to do.
func randomPictures(n, w, h int) []picture {
	rng := rand.New(rand.NewPCG(1, 2))
	list := make([]picture, n)
	for i := range list {
		pix := make([]byte, w*h*3)
		fx, fy := rng.Float64()*.1, rng.Float64()*.1
		for at := range pix {
			x, y := float64(at/3%w), float64(at/3/w)
			pix[at] = byte(128 + 80*math.Sin(fx*x+float64(at%3))*math.Cos(fy*y) + 40*(rng.Float64()-.5))
		}
		list[i] = picture{pix, rng.Int64N(1 << 31)}
	}
	return list
}
