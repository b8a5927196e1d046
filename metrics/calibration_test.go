package metrics_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"shaketable/metrics"
)

// labelled returns the probabilities of eighteen media, and which are fake.
func labelled() (p []float64, fake []bool) {
	p = []float64{.02, .11, .2, .27, .31, .4, .44, .52, .58, .6, .66, .71, .8, .83, .9, .97, 1, 0}
	for _, y := range []int{0, 0, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 1, 0} {
		fake = append(fake, y == 1)
	}
	return p, fake
}

// Expected values: scikit-learn 1.9.1,
//
//	calibration_curve(y, p, n_bins=5); brier_score_loss(y, p)
//	idx = np.searchsorted(np.linspace(0, 1, bins+1)[1:-1], p)
//	ece = sum(abs(y[idx==b].mean() - p[idx==b].mean()) * (idx==b).sum() for b in set(idx)) / len(p)
func TestCalibrationGolden(t *testing.T) {
	p, fake := labelled()
	diagram, err := metrics.Calibration(p, fake, 5)
	must(t, diagram, err)
	for b, want := range []metrics.CalibrationBin{
		{0, .2, 4, .0825, 0}, {.2, .4, 3, .32666667, .33333333}, {.4, .6, 4, .535, .75}, {.6, .8, 3, .72333333, .66666667},
		{.8, 1, 4, .925, 1},
	} {
		got := diagram[b]
		if got.N != want.N {
			t.Errorf("bin %d holds %d media, want %d", b, got.N, want.N)
		}
		equalTo(t, "bin", []float64{got.Lower, got.Upper, got.P, got.Fake}, []float64{want.Lower, want.Upper, want.P, want.Fake}, 8)
	}
	ece5, err := metrics.ECE(p, fake, 5)
	near(t, "ece in 5 bins", must(t, ece5, err), .0933333333, 10)
	ece10, err := metrics.ECE(p, fake, 10)
	near(t, "ece in 10 bins", must(t, ece10, err), .2266666667, 10)
	brier, err := metrics.Brier(p, fake)
	near(t, "brier", must(t, brier, err), .1311888889, 10)
}

func TestCalibrationRefuses(t *testing.T) {
	for _, c := range []struct {
		p    []float64
		fake []bool
		bins int
		says string
	}{
		{nil, nil, 5, "no labelled media"}, {[]float64{.5}, []bool{true, true}, 5, "1 probabilities with 2 labels"},
		{[]float64{.5, 1.5}, []bool{true, true}, 5, "probability 1 is 1.5"}, {[]float64{math.NaN()}, []bool{true}, 5, "probability 0 is NaN"},
		{[]float64{.5}, []bool{true}, 0, "0 bins"},
	} {
		_, err := metrics.Calibration(c.p, c.fake, c.bins)
		fails(t, "calibration", err, "calibration", c.says)
		_, err = metrics.ECE(c.p, c.fake, c.bins)
		fails(t, "ece", err, "expected calibration error", c.says)
		if c.bins > 0 {
			_, err = metrics.Brier(c.p, c.fake)
			fails(t, "brier", err, "brier", c.says)
		}
	}
}

// Every media is in the bin whose reported edges hold it, and one bin gives the difference of the two means.
func TestCalibrationBinsHoldTheirMedia(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bins := rapid.IntRange(1, 60).Draw(t, "bins")
		// An edge, or any other probability.
		x := rapid.OneOf(rapid.Map(rapid.IntRange(0, bins), func(b int) float64 { return float64(b) / float64(bins) }),
			rapid.Float64Range(0, 1)).Draw(t, "p")
		diagram, err := metrics.Calibration([]float64{x}, []bool{true}, bins)
		must(t, diagram, err)
		for b, d := range diagram {
			if in := x > d.Lower && x <= d.Upper || b == 0 && x == 0; in != (d.N == 1) {
				t.Fatalf("p %v of %d bins: bin %d %+v", x, bins, b, d)
			}
		}
		y := rapid.Float64Range(0, 1).Draw(t, "other")
		one, err := metrics.ECE([]float64{x, y}, []bool{true, false}, 1)
		must(t, one, err)
		if math.Abs(one-math.Abs(.5-(x+y)/2)) > 1e-12 {
			t.Fatalf("ece of %v fake and %v real in one bin: %v", x, y, one)
		}
	})
}
