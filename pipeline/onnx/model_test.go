//go:build cgo

package onnx

import (
	"context"
	"errors"
	"math"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"shaketable/perturb"
	"shaketable/perturb/graph"
)

// TestProbe holds every row against arithmetic that can be done by hand: the toy sees the mean of the picture alone.
func TestProbe(t *testing.T) {
	d := toy(t, identity)
	m := open(t, runtimeFor(t, Config{}), d, "deepfake-v1")
	if w, h := m.Size(); w != toySide || h != toySide {
		t.Fatalf("size is %d x %d", w, h)
	}
	if m.Digest() != d.Model.SHA256 || m.Plan() != "cpu chunk=1" || m.NoiseFloor() != 0 {
		t.Errorf("digest %s, plan %q, noise floor %v", m.Digest(), m.Plan(), m.NoiseFloor())
	}
	p := randomPictures(1, toySide, toySide)[0]
	probs, err := m.Probe(t.Context(), p.image(toySide), p.seed)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := probs[0], expectation(p.pix); math.Abs(got-want) > 1e-6 {
		t.Errorf("clean: %v, want %v", got, want)
	}
	for i, v := range suiteOf(t, "deepfake-v1").Variants {
		if v.Family != "gain" {
			continue
		}
		c, err := strconv.ParseFloat(v.Parameter, 64)
		if err != nil {
			t.Fatal(err)
		}
		dimmed := make([]byte, len(p.pix))
		for j, x := range p.pix {
			dimmed[j] = byte(math.Floor(c*float64(x) + .5 + 1e-9)) // halves up
		}
		if got, want := probs[i+1], expectation(dimmed); math.Abs(got-want) > 1e-6 {
			t.Errorf("gain %s: %v, want %v", v.Parameter, got, want)
		}
	}
	if m.DeviceSeconds() <= 0 {
		t.Error("the probe held the device for no time")
	}
}

// TestProbeInCompany: what a picture gets depends on the picture and its seed alone, whatever runs beside it.
func TestProbeInCompany(t *testing.T) {
	r := runtimeFor(t, Config{Parallel: 3})
	d := toy(t, identity)
	m := open(t, r, d, "deepfake-v1")
	small := open(t, r, d, "production")
	plain, err := r.OpenPlain(d)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	pictures := randomPictures(12, toySide, toySide)
	probe := func(p picture) []float64 {
		probs, err := m.Probe(t.Context(), p.image(toySide), p.seed)
		if err != nil {
			t.Error(err)
		}
		return probs
	}
	alone := make([][]float64, len(pictures))
	for i, p := range pictures {
		alone[i] = probe(p)
	}
	var all sync.WaitGroup
	for i, p := range pictures {
		all.Go(func() {
			for range 5 {
				if got := probe(p); !slices.Equal(got, alone[i]) {
					t.Errorf("picture %d: in company %v, alone %v", i, got, alone[i])
				}
			}
		})
	}
	all.Wait()
	p := pictures[0]
	if score, err := plain.Score(t.Context(), p.image(toySide)); err != nil || score != alone[0][0] {
		t.Errorf("the detector alone says %v (%v), the probe's clean picture %v", score, err, alone[0][0])
	}
	few, err := small.Probe(t.Context(), p.image(toySide), p.seed)
	if err != nil {
		t.Fatal(err)
	}
	whole := suiteOf(t, "deepfake-v1").Variants
	for i, v := range suiteOf(t, "production").Variants {
		if j := slices.Index(whole, v); few[i+1] != alone[0][j+1] {
			t.Errorf("%s %s is %v in production and %v in deepfake-v1", v.Family, v.Parameter, few[i+1], alone[0][j+1])
		}
	}
	other, err := m.Probe(t.Context(), p.image(toySide), p.seed+1)
	if err != nil {
		t.Fatal(err)
	}
	random := map[string]bool{}
	for _, f := range perturb.Families() {
		random[f.Name] = f.Random
	}
	for i, v := range whole {
		if moved := other[i+1] != alone[0][i+1]; moved != random[v.Family] {
			t.Errorf("%s %s: another seed moved it: %v", v.Family, v.Parameter, moved)
		}
	}
}

func TestProbeRefuses(t *testing.T) {
	m := open(t, runtimeFor(t, Config{Chunk: 1}), toy(t, identity), "production")
	good := randomPictures(1, toySide, toySide)[0]
	short := good.image(toySide)
	short.Pix = short.Pix[1:]
	if _, err := m.Probe(t.Context(), short, 1); err == nil || !strings.Contains(err.Error(), "32 x 32 pixels of 3 bytes") {
		t.Errorf("a picture that lacks a byte: %v", err)
	}
	for _, seed := range []int64{-1, 1 << 31} {
		if _, err := m.Probe(t.Context(), good.image(toySide), seed); err == nil || !strings.Contains(err.Error(), "perturb.Seed") {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Probe(gone, good.image(toySide), 1); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that has left: %v", err)
	}
	for range 2 {
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.Probe(t.Context(), good.image(toySide), 1); !errors.Is(err, errClosed) {
		t.Errorf("after closing: %v", err)
	}
}

// TestProbeNaN: 0/0 in the model is an error that names the variant, not a figure.
func TestProbeNaN(t *testing.T) {
	d := toy(t, func(b *graph.Builder, x string) string { return b.Call("Div", x, x) })
	r := runtimeFor(t, Config{Chunk: 1})
	m, err := r.Open(t.Context(), d, suiteOf(t, "production"))
	if err == nil {
		black := picture{pix: make([]byte, toySide*toySide*3)}
		_, err = m.Probe(t.Context(), black.image(toySide), 1)
		defer m.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "returned NaN where a probability was expected") || !strings.Contains(err.Error(), "variant ") {
		t.Errorf("got %v", err)
	}
}

// TestProbeEnds: a deadline ends a run that is under way, at the next node.
func TestProbeEnds(t *testing.T) {
	r := runtimeFor(t, Config{Chunk: 1, Parallel: 1})
	d := toy(t, slow)
	plain, err := r.OpenPlain(d)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	began := time.Now()
	p := randomPictures(1, toySide, toySide)[0]
	if _, err := plain.Score(t.Context(), p.image(toySide)); err != nil {
		t.Fatal(err)
	}
	once := time.Since(began) // the 9 pictures of a probe take at least several times that
	ctx, cancel := context.WithTimeout(t.Context(), once/2)
	defer cancel()
	m := &Model{runtime: r, detector: "slow"}
	if err := m.load(compiler(t, d, "production"), 1); err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	began = time.Now()
	_, err = m.Probe(ctx, p.image(toySide), p.seed)
	if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > 4*once {
		t.Errorf("ended after %v with %v; one picture takes %v", took, err, once)
	}
}

// TestOpenClose: what is opened is given back. It runs in a process of its own, in which the C library gives freed memory
// back at once: with its many arenas it otherwise keeps more than a leak would show.
func TestOpenClose(t *testing.T) {
	const child = "SHAKETABLE_TEST_OPEN_CLOSE"
	if os.Getenv(child) == "" {
		again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOpenClose$")
		again.Env = append(os.Environ(), child+"=1", "MALLOC_ARENA_MAX=1", "MALLOC_MMAP_THRESHOLD_=65536", "MALLOC_TRIM_THRESHOLD_=65536")
		if text, err := again.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		return
	}
	r := runtimeFor(t, Config{Chunk: 1})
	d := toy(t, func(b *graph.Builder, x string) string { // 12 MiB of weights, so that forgotten sessions show
		const in, out = 3 * toySide * toySide, 1024
		w := make([]float32, in*out)
		for i := range w {
			w[i] = float32(i%7) / in
		}
		return b.Reshape(b.Call("MatMul", b.Reshape(x, -1, in), b.Floats(w, in, out)), -1, 1, 1, out)
	})
	one := suiteOf(t, "production")
	one.Variants = one.Variants[5:6] // a plan is quick to compile then, and a session is a session
	cycle := func(n int) {
		for range n {
			m, err := r.Open(t.Context(), d, one)
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	cycle(10)
	before := resident(t)
	cycle(30)
	grown := resident(t) - before
	t.Logf("grown by %d KiB", grown>>10)
	if grown > 16<<20 { // the weights alone of 30 sessions are 360 MiB
		t.Errorf("30 sessions that were opened and closed left %d MiB behind", grown>>20)
	}
}

// resident is the memory of this process in bytes, after the garbage of Go is gone.
func resident(t *testing.T) int {
	t.Helper()
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("memory is measured on Linux only")
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}
