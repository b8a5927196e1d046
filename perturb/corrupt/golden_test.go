package corrupt

import (
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"os"
	"slices"
	"testing"
)

// counter is the sequence of golden.py: splitmix64 by counter.
type counter struct{ seed, at uint64 }

func (c *counter) uniform() float64 {
	c.at++
	z := c.seed + c.at*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	z ^= z >> 31
	return float64(z>>11) * 0x1p-53
}

func (c *counter) between(low, high float64) float64 { return low + (high-low)*c.uniform() }

func (c *counter) normals(n int, mean, deviation float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		sum := 0.
		for range 12 {
			sum += c.uniform()
		}
		out[i] = mean + deviation*(sum-6)
	}
	return out
}

// run is a family fed with the chance of golden.py.
func (c *counter) run(t *testing.T, family string, p []float64, in raster) raster {
	switch family {
	case "glass_blur":
		return glazed(in, p, func(n int) int { return int(c.uniform() * float64(n)) })
	case "snow":
		field := c.normals(in.w*in.h, p[0], p[1])
		return snowed(in, p, field, c.between(-135, -45))
	case "fog":
		return fogged(in, p, func() float64 { return c.between(-1, 1) })
	case "spatter":
		return spattered(in, p, c.normals(in.w*in.h, p[0], p[1]))
	case "elastic_transform":
		noise := elasticNoise{across: make([]float64, in.w*in.h), down: make([]float64, in.w*in.h)}
		for _, field := range [][]float64{noise.corners[:], noise.across, noise.down} {
			for i := range field {
				field[i] = c.between(-1, 1)
			}
		}
		return elastic(in, p, noise)
	}
	pix, err := Apply(family, p, in.pix, in.w, in.h, 0)
	if err != nil {
		t.Fatal(err)
	}
	return raster{pix, in.w, in.h}
}

// Every row is what the published generator makes of the picture, with the same random numbers where there are any.
func TestGolden(t *testing.T) {
	// The share of samples that may be one level off; none in the other families. zoom_blur, snow and elastic_transform are float32
	// there, saturate goes through a hue there and so decides halves by chance, glass_blur cuts flat areas off by chance.
	loose := map[string]float64{"zoom_blur": .0005, "elastic_transform": .0005, "glass_blur": .012, "snow": .012, "saturate": .012}
	for _, size := range []image.Point{{X: 64, Y: 64}, {X: 75, Y: 61}} {
		strip, rows := readGolden(t, size)
		for i, row := range rows {
			t.Run(fmt.Sprintf("%dx%d/%s@%d", size.X, size.Y, row.Family, row.Severity), func(t *testing.T) {
				chance := &counter{seed: uint64(size.Y*1000 + row.Severity)}
				got := chance.run(t, row.Family, row.Parameters, strip[0])
				worst, mean, off := difference(got.pix, strip[i+1].pix)
				if worst > 1 || off > loose[row.Family] {
					t.Errorf("largest difference %d, mean %.5f, share of samples that differ %.5f", worst, mean, off)
				}
			})
		}
	}
}

// The tables of severities are those of the published generator.
func TestSeverities(t *testing.T) {
	_, rows := readGolden(t, image.Pt(64, 64))
	for _, f := range Families() {
		for s := range 5 {
			at := slices.IndexFunc(rows, func(r goldenRow) bool { return r.Family == f.Name && r.Severity == s+1 })
			if at >= 0 && !slices.Equal(f.Severities[s], rows[at].Parameters) {
				t.Errorf("%s severity %d is %v, published is %v", f.Name, s+1, f.Severities[s], rows[at].Parameters)
			}
		}
	}
}

type goldenRow struct {
	Family     string
	Severity   int
	Parameters []float64
}

// readGolden returns the input and what became of it, row by row.
func readGolden(t *testing.T, size image.Point) ([]raster, []goldenRow) {
	t.Helper()
	name := fmt.Sprintf("testdata/golden_%dx%d", size.Y, size.X)
	text, err := os.ReadFile(name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []goldenRow
	if err := json.Unmarshal(text, &rows); err != nil {
		t.Fatal(err)
	}
	strip := readPNG(t, name+".png")
	if strip.w != size.X || strip.h != size.Y*(len(rows)+1) {
		t.Fatalf("%s.png is %d x %d pixels", name, strip.w, strip.h)
	}
	var out []raster
	for pix := range slices.Chunk(strip.pix, 3*size.X*size.Y) {
		out = append(out, raster{pix, size.X, size.Y})
	}
	return out, rows
}

func readPNG(t *testing.T, name string) raster {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	picture, err := png.Decode(f)
	if err != nil {
		t.Fatal(name, err)
	}
	b := picture.Bounds()
	out := raster{make([]byte, 0, 3*b.Dx()*b.Dy()), b.Dx(), b.Dy()}
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			r, g, b, _ := picture.At(x, y).RGBA()
			out.pix = append(out.pix, byte(r>>8), byte(g>>8), byte(b>>8))
		}
	}
	return out
}

// difference between bytes: the largest, the mean, and the share that differs.
func difference(a, b []byte) (worst int, mean, share float64) {
	for i := range a {
		d := max(int(a[i])-int(b[i]), int(b[i])-int(a[i]))
		worst = max(worst, d)
		mean += float64(d) / float64(len(a))
		if d > 0 {
			share += 1 / float64(len(a))
		}
	}
	return worst, mean, share
}
