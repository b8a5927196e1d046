package corrupt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"math"
	"os"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// within fails unless got is within a share of want.
func within(t *testing.T, what string, got, want, share float64) {
	t.Helper()
	if !(math.Abs(got-want) <= share*math.Abs(want)) {
		t.Errorf("%s is %g, want %g within %g %%", what, got, want, 100*share)
	}
}

// A flat grey picture under noise that stays clear of black and white has the mean and variance of the formula, within 1 %, over
// more than a million samples each.
func TestNoiseMoments(t *testing.T) {
	const x = 76. / 255
	in := raster{bytes.Repeat([]byte{76}, 3*700*700), 700, 700}
	for _, c := range []struct {
		family    string
		parameter float64
		variance  float64
	}{
		{"shot_noise", 60, x / 60},
		{"shot_noise", 25, x / 25},
		{"shot_noise", 400, x / 400},
		{"speckle_noise", .15, x * x * .15 * .15},
		{"speckle_noise", .2, x * x * .2 * .2},
		// a share of half of it becomes 0, of half 1
		{"impulse_noise", .03, .03*(x*x+(1-x)*(1-x))/2 - .03*.03*(.5-x)*(.5-x)},
		{"impulse_noise", .27, .27*(x*x+(1-x)*(1-x))/2 - .27*.27*(.5-x)*(.5-x)},
	} {
		t.Run(fmt.Sprint(c.family, c.parameter), func(t *testing.T) {
			mean := x
			if c.family == "impulse_noise" {
				mean += c.parameter * (.5 - x)
			}
			var sum, squares float64
			out := mustApply(t, c.family, []float64{c.parameter}, in, 5)
			for _, v := range out {
				sum += float64(v) / 255
				squares += (float64(v)/255 - mean) * (float64(v)/255 - mean)
			}
			n := float64(len(out))
			within(t, "mean", sum/n, mean, .01)
			within(t, "variance", squares/n, c.variance, .01)
		})
	}
}

// The polar method gives the moments of a normal distribution, and its quantiles.
func TestNormal(t *testing.T) {
	s := newStream("test", 3)
	const n = 2000000
	var moments [5]float64
	beyond := map[float64]float64{-2: 0, -1: 0, 0: 0, 1: 0, 2: 0, 3: 0}
	for range n {
		v := s.normal()
		for k := range moments {
			moments[k] += math.Pow(v, float64(k)) / n
		}
		for q := range beyond {
			if v > q {
				beyond[q] += 1. / n
			}
		}
	}
	for k, want := range []float64{1, 0, 1, 0, 3} {
		if math.Abs(moments[k]-want) > .01*max(want, 1) {
			t.Errorf("moment %d is %g, want %g", k, moments[k], want)
		}
	}
	for q, share := range beyond {
		p := .5 * math.Erfc(q/math.Sqrt2)
		if math.Abs(share-p) > 4*math.Sqrt(p*(1-p)/n) {
			t.Errorf("%g of the numbers exceed %g, want %g", share, q, p)
		}
	}
}

// Integers and fractions are uniform: chi-square over 10 classes of a million draws each, below its 99.9 % quantile.
func TestUniform(t *testing.T) {
	s := newStream("test", 4)
	for name, draw := range map[string]func() int{
		"below":   func() int { return s.below(10) },
		"uniform": func() int { return int(s.uniform() * 10) },
		"between": func() int { return int(s.between(-3, 7) + 3) },
	} {
		var counts [10]float64
		const n = 1000000
		for range n {
			counts[draw()]++
		}
		chi := 0.
		for _, c := range counts {
			chi += (c - n/10) * (c - n/10) / (n / 10)
		}
		if limit := (distuv.ChiSquared{K: 9}).Quantile(.999); chi > limit {
			t.Errorf("%s: chi-square %g over %g: %v", name, chi, limit, counts)
		}
	}
}

// The table of shot_noise is the Poisson distribution, from an expectation of 0 to the largest there is.
func TestPoisson(t *testing.T) {
	for _, expectation := range []float64{0, .01, .3, 1, 3, 12, 60, 500} {
		table := poisson(expectation)
		for k, p := range table {
			want := 1.
			if expectation > 0 {
				want = distuv.Poisson{Lambda: expectation}.CDF(float64(k))
			}
			if math.Abs(p-want) > 1e-11 {
				t.Fatalf("P(count <= %d) at %g is %g, want %g", k, expectation, p, want)
			}
		}
		if last := table[len(table)-1]; 1-last > 1e-11 {
			t.Errorf("the table of %g ends at %g", expectation, last)
		}
	}
}

// With chance of their own, both programs agree in distribution: the mean of what becomes of a picture, and its root mean
// square distance from the picture, within 1 %, over a million samples and more.
func TestMoments(t *testing.T) {
	strip, _ := readGolden(t, image.Pt(64, 64))
	in := strip[0]
	text, err := os.ReadFile("testdata/moments.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		goldenRow
		Runs           int
		Mean, Distance float64
	}
	if err := json.Unmarshal(text, &rows); err != nil || len(rows) == 0 {
		t.Fatal(len(rows), err)
	}
	for _, row := range rows {
		t.Run(fmt.Sprintf("%s@%d", row.Family, row.Severity), func(t *testing.T) {
			t.Parallel()
			runs := max(row.Runs/4, 1e6/len(in.pix)+1) // never under a million samples
			var sum, squares float64
			for seed := range runs {
				for i, v := range mustApply(t, row.Family, row.Parameters, in, uint64(seed)) {
					d := float64(v) - float64(in.pix[i])
					sum += float64(v)
					squares += d * d
				}
			}
			n := float64(runs * len(in.pix))
			within(t, "mean", sum/n, row.Mean, .01)
			within(t, "distance", math.Sqrt(squares/n), row.Distance, .01)
			t.Logf("samples %g mean %+.2f %% distance %+.2f %%", n, 100*(sum/n/row.Mean-1), 100*(math.Sqrt(squares/n)/row.Distance-1))
		})
	}
}

// The stand-in for frost has, over many pictures, the mean and the spread that its doc states, and the tint.
func TestFrostMoments(t *testing.T) {
	in := raster{make([]byte, 3*96*96), 96, 96}
	const runs = 400
	var channels [3]float64
	least, most, deviation := 1., 0., 0.
	for seed := range uint64(runs) {
		ice := frosted(in.w, in.h, newStream("frost", seed))
		var sum, squares float64
		for _, v := range ice {
			sum += v / float64(len(ice))
			squares += v * v / float64(len(ice))
		}
		least, most = min(least, sum), max(most, sum)
		deviation += math.Sqrt(squares-sum*sum) / runs
		out := mustApply(t, "frost", []float64{0, 1}, in, seed)
		for i, v := range out {
			channels[i%3] += float64(v) / 255 / float64(len(ice)*runs)
		}
	}
	if least < .48 || least > .49 || most > .81 || most < .80 {
		t.Errorf("mean luminance is %g to %g", least, most)
	}
	within(t, "deviation", deviation, .125, .02)
	for c, want := range []float64{.645 - .064, .645 + .02, .645 + .066} { // clipping at 1 takes a little
		within(t, fmt.Sprint("mean of channel ", c), channels[c], want, .03)
	}
}
