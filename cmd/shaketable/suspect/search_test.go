package suspect

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"shaketable/perturb"
	"shaketable/pipeline"
)

const toySide = 48

// plant is a mistake: what the configuration says where the service does otherwise.
type plant struct {
	name   string
	truth  func(in *perturb.Input, out *perturb.Output)
	change string // that must be found, as Describe writes it
}

func plants() []plant {
	return []plant{
		{"colour order", func(in *perturb.Input, _ *perturb.Output) { in.Color = "BGR" }, "color BGR"},
		{"scale", func(in *perturb.Input, _ *perturb.Output) { in.Scale = "byte" }, "scale byte"},
		{"mean and std", func(in *perturb.Input, _ *perturb.Output) {
			in.Mean, in.Std = [3]float32{.485, .456, .406}, [3]float32{.229, .224, .225}
		}, "mean [0.485, 0.456, 0.406], std [0.229, 0.224, 0.225]"},
		{"to -1..1", func(in *perturb.Input, _ *perturb.Output) {
			in.Mean, in.Std = [3]float32{.5, .5, .5}, [3]float32{.5, .5, .5}
		}, "mean [0.5, 0.5, 0.5], std [0.5, 0.5, 0.5]"},
		{"caffe", func(in *perturb.Input, _ *perturb.Output) {
			in.Color, in.Scale, in.Mean = "BGR", "byte", [3]float32{103.939, 116.779, 123.68}
		}, "color BGR, scale byte, mean [103.939, 116.779, 123.68]"},
		{"resize", func(in *perturb.Input, _ *perturb.Output) { in.Resize.Method = "area" }, "method area"},
		{"fit", func(in *perturb.Input, _ *perturb.Output) { in.Resize.Fit = "crop" }, "fit crop"},
		{"P(real)", func(_ *perturb.Input, out *perturb.Output) { out.Meaning = "real" }, "meaning real"},
		{"pair", func(in *perturb.Input, _ *perturb.Output) { in.Color, in.Resize.Method = "BGR", "nearest" }, "color BGR, method nearest"},
		{"three", func(in *perturb.Input, out *perturb.Output) {
			in.Color, in.Resize.Fit, in.Mean, in.Std = "BGR", "letterbox", [3]float32{.5, .5, .5}, [3]float32{.5, .5, .5}
			out.Meaning = "real"
		}, "color BGR, mean [0.5, 0.5, 0.5], std [0.5, 0.5, 0.5], fit letterbox, meaning real"},
	}
}

// toyScores are those of a service that does what in and out say, with the network's own probability.
func toyScores(t testing.TB, net *toyNet, in perturb.Input, out perturb.Output, media [][]byte, note func(*pipeline.Image)) (scores []float64) {
	t.Helper()
	s := service{in: in, note: note, p: func(tensor []float32) (float64, error) {
		z := net.logits(tensor)
		p := 1 / (1 + math.Exp(z[0]-z[1]))
		if out.Meaning == "real" {
			p = 1 - p
		}
		return p, nil
	}}
	for _, data := range media {
		scores = append(scores, s.score(t, data))
	}
	return scores
}

// calibrated is a toy whose scores spread under in.
func calibrated(t testing.TB, in perturb.Input, media [][]byte, seed uint64, kind string) *toyNet {
	t.Helper()
	net := newToyNet(toySide, seed, kind)
	var margins []float64
	s := service{in: in, p: func(tensor []float32) (float64, error) {
		z := net.logits(tensor)
		return z[1] - z[0], nil
	}}
	for _, data := range media {
		margins = append(margins, s.score(t, data))
	}
	slices.Sort(margins)
	middle, width := margins[len(margins)/2], margins[len(margins)*3/4]-margins[len(margins)/4]
	for k := range net.dense {
		for f := range net.dense[k] {
			net.dense[k][f] *= 3 / width
		}
	}
	net.bias[0] = middle * 3 / width
	return net
}

func base() Hypothesis {
	return Hypothesis{Input: input(toySide), Exif: "apply",
		Output: perturb.Output{Name: "out", Kind: "logits", Index: 1, Meaning: "fake"}}
}

func find(t *testing.T, c Case) Finding {
	t.Helper()
	f, err := Search(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestSearchFindsPlantedMistakes: the service differs from the configuration in one to four decisions.
func TestSearchFindsPlantedMistakes(t *testing.T) {
	media := scenes(t, 1, 24, 40, 90, false)
	for _, p := range plants() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			b := base()
			in, out := b.Input, b.Output
			p.truth(&in, &out)
			net := calibrated(t, in, media, 5, "logits")
			f := find(t, caseOf(b, media, toyScores(t, net, in, out, media, nil), 0, net))
			if f.Configured.Verdict == Same || !f.Explained {
				t.Fatalf("configured %s (%+v), explained %v, best %s %+v", f.Configured.Verdict, f.Configured.Comparison, f.Explained,
					f.Best[0].Describe(b), f.Best[0].Comparison)
			}
			var names []string
			for _, a := range f.Alike {
				names = append(names, a.Describe(b))
			}
			if !slices.Contains(names, p.change) {
				t.Errorf("found %q, want %q among them", names, p.change)
			}
			// Of two classes, P(real) of one is P(fake) of the other: that much cannot be told.
			if lead := f.Alike[0]; lead.Verdict != Same || lead.Steps != f.Alike[slices.Index(names, p.change)].Steps {
				t.Errorf("the explanation is %q: %s, %+v", lead.Describe(b), lead.Verdict, lead.Comparison)
			}
		})
	}
}

// TestSearchKnowsTheSame: nothing is searched where nothing differs, whatever form the scores have.
func TestSearchKnowsTheSame(t *testing.T) {
	media := scenes(t, 2, 12, 40, 90, false)
	b := base()
	net := calibrated(t, b.Input, media, 9, "logits")
	scores := toyScores(t, net, b.Input, b.Output, media, nil)
	for _, c := range []struct {
		form     Form
		of       func(p float64) float64
		rounding float64
	}{
		{Probability, func(p float64) float64 { return p }, 0},
		{Probability, func(p float64) float64 { return math.Round(p*1e4) / 1e4 }, .5e-4},
		{Probability, func(p float64) float64 { return math.Round(p*1e2) / 1e2 }, .5e-2},
		{Percent, func(p float64) float64 { return math.Round(p*1e4) / 1e2 }, .5e-2},
		{Logit, func(p float64) float64 { return math.Log(p / (1 - p)) }, 0},
	} {
		given := make([]float64, len(scores))
		for i, p := range scores {
			given[i] = c.of(p)
		}
		f := find(t, caseOf(b, media, given, c.rounding, net))
		if f.Configured.Verdict != Same || f.Configured.Form != c.form || f.Tried != 0 || f.Explained {
			t.Errorf("%s rounded to %g: %s as %s, %+v, tried %d", c.form, c.rounding, f.Configured.Verdict, f.Configured.Form, f.Configured.Comparison, f.Tried)
		}
	}
}

// TestSearchAdmitsDefeat: another network's scores have no explanation among the usual suspects.
func TestSearchAdmitsDefeat(t *testing.T) {
	for seed := range uint64(3) {
		media := scenes(t, 40+seed, 14, 40, 90, false)
		b := base()
		net := calibrated(t, b.Input, media, 100+seed, "logits")
		other := calibrated(t, b.Input, media, 200+seed, "logits")
		f := find(t, caseOf(b, media, toyScores(t, other, b.Input, b.Output, media, nil), 0, net))
		if f.Explained || f.Configured.Verdict != Different || f.Tried < 1000 {
			t.Errorf("seed %d: explained %v as %q (%+v), configured %s, tried %d", seed, f.Explained, f.Alike[0].Describe(b),
				f.Alike[0].Comparison, f.Configured.Verdict, f.Tried)
		}
	}
}

// TestSearchNamesWhatCannotBeTold: grey pictures of the input's own size say nothing about colours or scaling.
func TestSearchNamesWhatCannotBeTold(t *testing.T) {
	media := scenes(t, 3, 12, toySide, toySide, true)
	b := base()
	in := b.Input
	in.Mean, in.Std = [3]float32{.485, .456, .406}, [3]float32{.229, .224, .225}
	in.Color = "BGR"
	in.Resize.Method = "nearest"
	net := calibrated(t, in, media, 11, "logits")
	f := find(t, caseOf(b, media, toyScores(t, net, in, b.Output, media, nil), 0, net))
	if !f.Explained || len(f.Blind) != 3 {
		t.Fatalf("explained %v, blind to %q", f.Explained, f.Blind)
	}
	var names []string
	for _, a := range f.Alike {
		names = append(names, a.Describe(b))
	}
	if text := strings.Join(names, "; "); strings.Contains(text, "nearest") || f.Alike[0].Input.Mean != in.Mean {
		t.Errorf("found %s", text)
	}
	if !slices.ContainsFunc(f.Alike, func(a Fit) bool { return a.Input.Color == "BGR" }) && f.Alike[0].Steps > 1 {
		t.Errorf("the other order of colours fits alike: %q", names)
	}
}

// TestSearchUnderNoise: rounded scores, a decoder that is off by one or two, one stale score.
func TestSearchUnderNoise(t *testing.T) {
	media := scenes(t, 4, 30, 40, 150, false)
	for _, p := range plants()[:8] {
		if p.name == "resize" { // what this network makes of it is below the noise; see the table of methods
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			b := base()
			in, out := b.Input, b.Output
			p.truth(&in, &out)
			net := calibrated(t, in, media, 21, "logits")
			state := uint32(1)
			noisy := func(img *pipeline.Image) { // -1, 0 or 1 of 255 on every sample
				for i := range img.Pix {
					state = state*1664525 + 1013904223
					img.Pix[i] = uint8(min(max(int(img.Pix[i])+int(state>>30)%3-1, 0), 255))
				}
			}
			scores := toyScores(t, net, in, out, media, noisy)
			for i := range scores {
				scores[i] = math.Round(scores[i]*1e3) / 1e3
			}
			scores[3] = 1 - scores[3]
			f := find(t, caseOf(b, media, scores, .5e-3, net))
			found := slices.ContainsFunc(f.Alike, func(a Fit) bool { return a.Describe(b) == p.change })
			if !f.Explained || !found {
				t.Errorf("explained %v: %q %+v; configured %+v", f.Explained, f.Alike[0].Describe(b), f.Alike[0].Comparison, f.Configured.Comparison)
			}
			if worst := f.Alike[0].Worst[0]; f.Explained && worst != 3 {
				t.Errorf("the stale score is picture 3, not %d", worst)
			}
		})
	}
}

// TestSearchFindsRandomPairs plants two random mistakes, rounds the scores, and loses some of them.
func TestSearchFindsRandomPairs(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	all := plants()[:8]
	for i := range 8 {
		first, second := all[r.IntN(len(all))], all[r.IntN(len(all))]
		digits := math.Pow(10, float64(2+r.IntN(4)))
		media := scenes(t, 60+uint64(i), 12+r.IntN(12), 40, 120, false)
		t.Run(fmt.Sprintf("%d %s and %s, rounded to 1/%g", i, first.name, second.name, digits), func(t *testing.T) {
			t.Parallel()
			truth, b := base(), base()
			first.truth(&truth.Input, &truth.Output)
			second.truth(&b.Input, &b.Output)
			net := calibrated(t, truth.Input, media, 300+uint64(i), "logits")
			scores := toyScores(t, net, truth.Input, truth.Output, media, nil)
			for k := range scores {
				scores[k] = math.Round(scores[k]*digits) / digits
			}
			f := find(t, caseOf(b, media, scores, .5/digits, net))
			if f.Configured.Verdict == Same || f.Configured.Median < 4/digits {
				t.Logf("no difference that so few digits show: %+v", f.Configured.Comparison)
				return
			}
			if !f.Explained || !among(f.Alike, truth) {
				t.Errorf("explained %v, %q (%+v); the truth is %q; configured %+v", f.Explained, f.Alike[0].Describe(b), f.Alike[0].Comparison,
					truth.Describe(b), f.Configured.Comparison)
			}
		})
	}
}

// among says whether a hypothesis is in a list, whatever form the scores have.
func among(list []Fit, h Hypothesis) bool {
	return slices.ContainsFunc(list, func(f Fit) bool {
		return f.Input == h.Input && f.Output == h.Output && f.Exif == h.Exif
	})
}
