//go:build cgo

package perturb_test

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	ort "github.com/yalue/onnxruntime_go"

	"shaketable/perturb"
)

// exact is a suite with the real codec.
func exact(t testing.TB, s perturb.Suite) perturb.Suite {
	t.Helper()
	s, err := s.WithCodec(perturb.CodecExact)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// painted are the variants of a suite as the host makes them, with the real codec.
func painted(t testing.TB, s perturb.Suite, pixels []uint8, h, w int, seed int64) [][]uint8 {
	t.Helper()
	p, err := perturb.NewPainter(exact(t, s), w, h)
	if err != nil {
		t.Fatal(err)
	}
	out := make([][]uint8, len(s.Variants))
	for i := range out {
		out[i] = make([]uint8, len(pixels))
		if err := p.Paint(pixels, seed, i, out[i]); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// TestExactJPEG: the real codec makes the very bytes that libjpeg-turbo makes; see testdata/jpeg_golden.py.
func TestExactJPEG(t *testing.T) {
	s := only(t, "jpeg")
	for _, size := range []string{"256x256", "61x75", "16x16", "17x40"} {
		source, h, w := readPicture(t, filepath.Join("testdata", "jpeg_"+size+".png"))
		for i, got := range painted(t, s, source, h, w, 0) {
			q := s.Variants[i].Parameter
			want, _, _ := readPicture(t, filepath.Join("testdata", fmt.Sprintf("jpeg_%s_q%s.png", size, q)))
			if db, different := psnr(got, want); different > 0 {
				t.Errorf("%s q%s: %.2f %% of samples differ, %.1f dB", size, q, 100*different, db)
			}
		}
	}
}

// TestHostedVariants: a suite of which the host makes some, in the middle: rows of the fused model are where they belong.
func TestHostedVariants(t *testing.T) {
	d := newToy(17)
	in, out := d.input(), perturb.Output{Name: "score", Kind: "logits", Index: 1, Meaning: "fake"}
	s := exact(t, own(t, "gain@1", "fog@2", "jpeg@3", "gaussian_noise@2", "social(side=30, q=50)", "impulse_noise@1"))
	const n, h, w, size = 3, 32, 48, 32 * 48 * 3
	for _, opset := range []int64{11, 17} {
		d.opset = opset
		f, err := perturb.Compile(d.model(t), in, out, s, perturb.Options{Chunk: 2})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(f.Host, []int{2, 3, 5, 6}) || !f.Seeded {
			t.Fatalf("host variants are %v, seeded %v", f.Host, f.Seeded)
		}
		pictures := append(texture(h, w, 1), append(texture(h, w, 2), texture(h, w, 3)...)...)
		seeds := []int64{5, 6, 7}
		host := hostTensor(t, f, s, pictures, seeds, h, w)
		p, _ := run[float32](t, newRunner(t, f.Model, []string{"image", "seed", "host"}, []string{"p"}),
			ort.Value(tensor(t, pictures, n, h, w, 3)), tensor(t, seeds, n), tensor(t, host, 4, n, h, w, 3))
		px, err := perturb.CompilePixels(s, h, w, opset)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(px.Host, []int{1, 2, 4, 5}) {
			t.Fatalf("host variants of the pixels are %v", px.Host)
		}
		pixels, _ := run[uint8](t, newRunner(t, px.Model, []string{"image", "seed", "host"}, []string{"pixels"}),
			ort.Value(tensor(t, pictures, n, h, w, 3)), tensor(t, seeds, n), tensor(t, host, 4, n, h, w, 3))
		if !slices.Equal(pixels[n*size:2*n*size], host[:n*size]) {
			t.Error("the pixels of fog are not those that the host made")
		}
		for i, row := range slices.Collect(slices.Chunk(append(slices.Clone(pictures), pixels...), size)) {
			if want := d.expected(in, out, row); math.Abs(float64(p[i])-want) > 2e-6 {
				t.Errorf("opset %d, %v of picture %d: %.6f, want %.6f", opset, f.Variants[i/n], i%n, p[i], want)
			}
		}
	}
}

// TestHostChanceNeedsNoSeed: where only the host draws, the graph has no input for a seed.
func TestHostChanceNeedsNoSeed(t *testing.T) {
	for want, s := range map[bool]perturb.Suite{false: own(t, "fog@1", "gain@1"), true: own(t, "fog@1", "gaussian_noise@1")} {
		if f, err := perturb.CompilePixels(s, 32, 32, 17); err != nil || f.Seeded != want {
			t.Errorf("%v: seeded %v, %v", s.Variants, f.Seeded, err)
		}
	}
}

// TestPainterChance: media and levels that differ by the least have chances that have nothing in common.
func TestPainterChance(t *testing.T) {
	const h, w = 64, 64
	grey := slices.Repeat([]uint8{128}, h*w*3)
	s := own(t, "impulse_noise(amount=0.3)", "impulse_noise(amount=0.3000001)")
	specks := func(seed int64) [][]uint8 { return painted(t, s, grey, h, w, seed) }
	one, next, far := specks(6), specks(7), specks(6+1<<30)
	for name, pair := range map[string][2][]uint8{"two levels": {one[0], one[1]}, "the next media": {one[0], next[0]}, "a far media": {one[0], far[0]}} {
		both := 0.
		for i := range grey {
			if pair[0][i] != 128 && pair[1][i] != 128 {
				both++
			}
		}
		if share, spread := both/float64(len(grey)), math.Sqrt(.09*.91/float64(len(grey))); math.Abs(share-.09) > 5*spread {
			t.Errorf("%s: %.4f of the samples are specks in both, want .09", name, share)
		}
	}
}

// hostTensor paints what input "host" takes.
func hostTensor(t testing.TB, f *perturb.Fused, s perturb.Suite, pictures []uint8, seeds []int64, h, w int) []uint8 {
	t.Helper()
	painter, err := perturb.NewPainter(s, w, h)
	if err != nil {
		t.Fatal(err)
	}
	size := h * w * 3
	host := make([]uint8, len(f.Host)*len(seeds)*size)
	for j, row := range f.Host {
		for n, seed := range seeds {
			at := (j*len(seeds) + n) * size
			if err := painter.Paint(pictures[n*size:(n+1)*size], seed, row-1, host[at:at+size]); err != nil {
				t.Fatal(err)
			}
		}
	}
	return host
}

// TestProfilesPaint takes every variant of every built-in suite through its maker: the same bytes twice, other bytes than
// the picture, and for random families other bytes for another media.
func TestProfilesPaint(t *testing.T) {
	random := map[string]bool{}
	for _, f := range perturb.Families() {
		random[f.Name] = f.Random
	}
	const h, w = 61, 75
	pixels := texture(h, w, 6)
	for _, name := range perturb.Suites() {
		s := suite(t, name)
		three := allPixels(t, s, pixels, h, w, 1, 1, 2)
		for i, v := range s.Variants {
			first, again, other := three[3*i], three[3*i+1], three[3*i+2]
			if !slices.Equal(first, again) {
				t.Errorf("%s, %v: differs from run to run", name, v)
			}
			if slices.Equal(first, pixels) {
				t.Errorf("%s, %v: does nothing", name, v)
			}
			if random[v.Family] == slices.Equal(first, other) {
				t.Errorf("%s, %v: random is %v, but another media has the same chance: %v", name, v, random[v.Family], !random[v.Family])
			}
		}
	}
}

// allPixels are the variants of one picture, wherever they are made, for media with these seeds: by variant, then by seed.
func allPixels(t testing.TB, s perturb.Suite, pixels []uint8, h, w int, seeds ...int64) [][]uint8 {
	t.Helper()
	f, err := perturb.CompilePixels(s, h, w, 17)
	if err != nil {
		t.Fatal(err)
	}
	n := int64(len(seeds))
	pictures := slices.Repeat(pixels, len(seeds))
	names, inputs := []string{"image"}, []ort.Value{tensor(t, pictures, n, int64(h), int64(w), 3)}
	if f.Seeded {
		names, inputs = append(names, "seed"), append(inputs, tensor(t, seeds, n))
	}
	if len(f.Host) > 0 {
		rows := *f // whose indexes count the clean picture, as those of Compile do
		rows.Host = nil
		for _, i := range f.Host {
			rows.Host = append(rows.Host, i+1)
		}
		host := hostTensor(t, &rows, s, pictures, seeds, h, w)
		names, inputs = append(names, "host"), append(inputs, tensor(t, host, int64(len(f.Host)), n, int64(h), int64(w), 3))
	}
	out, _ := run[uint8](t, newRunner(t, f.Model, names, []string{"pixels"}), inputs...)
	return slices.Collect(slices.Chunk(out, len(pixels)))
}

func TestPainterErrors(t *testing.T) {
	s := own(t, "fog@1", "gain@1", "jpeg@1")
	p, err := perturb.NewPainter(s, 20, 16)
	if err != nil {
		t.Fatal(err)
	}
	pix, out := make([]byte, 20*16*3), make([]byte, 20*16*3)
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"in the graph": {p.Paint(pix, 1, 1, out), "gain(factor=0.85) is made in the graph"},
		"codec":        {p.Paint(pix, 1, 2, out), "jpeg(q=90) is made in the graph"},
		"index":        {p.Paint(pix, 1, 3, out), "variant 3 of a suite that has 3"},
		"short":        {p.Paint(pix[1:], 1, 0, out), "both must be 960"},
		"short result": {p.Paint(pix, 1, 0, out[1:]), "both must be 960"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: %v, want it to say %q", name, c.err, c.want)
		}
	}
	if _, err := perturb.NewPainter(s, 20, 15); err == nil || !strings.Contains(err.Error(), "16 to") {
		t.Errorf("a picture of 15 rows: %v", err)
	}
	if _, err := s.WithCodec("webp"); err == nil || !strings.Contains(err.Error(), "graph or exact") {
		t.Errorf("codec webp: %v", err)
	}
}
