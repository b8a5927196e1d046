//go:build cgo && acceptance

package onnx

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"shaketable/perturb"
	"shaketable/perturb/attack"
	"shaketable/perturb/graph"
	"shaketable/perturb/graph/graphtest"
	protos "shaketable/perturb/graph/onnx"
	"shaketable/pipeline"
)

// face is one of the acceptance pictures.
type face struct {
	name string
	img  pipeline.Image
	seed int64
	fake bool
}

// faces are all labelled pictures, in the order of the labels; every step-th if step is above 1.
func faces(t testing.TB, step int) (list []face) {
	t.Helper()
	file, err := os.Open(filepath.Join(graphtest.AcceptanceRoot(), "media", "labels.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range rows[1:] {
		if i%step == 0 {
			list = append(list, face{row[0], readFace(t, row[0]), perturb.Seed(row[0], "1"), row[1] == "fake"})
		}
	}
	return list
}

func readFace(t testing.TB, name string) pipeline.Image {
	t.Helper()
	file, err := os.Open(filepath.Join(graphtest.AcceptanceRoot(), "media", name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	decoded, err := png.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	size := decoded.Bounds().Size()
	img := pipeline.Image{Width: size.X, Height: size.Y, Pix: make([]byte, 0, 3*size.X*size.Y)}
	for y := range size.Y {
		for x := range size.X {
			r, g, b, _ := decoded.At(decoded.Bounds().Min.X+x, decoded.Bounds().Min.Y+y).RGBA()
			img.Pix = append(img.Pix, byte(r>>8), byte(g>>8), byte(b>>8))
		}
	}
	return img
}

// attackAll runs attacks on faces, as many at once as there are slots.
func attackAll(t testing.TB, a *Attacker, list []face) []attack.Judged {
	t.Helper()
	results := make([]attack.Judged, len(list))
	slots := make(chan struct{}, a.model.runtime.Callers())
	var all sync.WaitGroup
	for i, f := range list {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			result, err := a.Run(context.Background(), f.img, f.seed, &f.fake)
			if err != nil {
				t.Errorf("%s: %v", f.name, err)
			}
			results[i] = attack.Judged{Result: result, Fake: &f.fake}
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return results
}

func mesoNets() []string {
	return []string{"meso4-df", "meso4-f2f", "mesoinception4-df", "mesoinception4-f2f"}
}

// TestAttackGolden holds every attack of the acceptance table against another program's probabilities, picture by picture.
func TestAttackGolden(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(graphtest.AcceptanceRoot(), "golden", "prob_real.json"))
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Files []string                        `json:"files"`
		Real  map[string]map[string][]float64 `json:"prob_real"`
	}
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	list := faces(t, 1)
	for _, name := range mesoNets() {
		a := openAttacks(t, runtimeFor(t, Config{}), realDetector(t, name), "acceptance")
		results := attackAll(t, a, list)
		for row, v := range a.Variants() {
			want := golden.Real[name][fmt.Sprintf("%s/%d", v.Family, v.Severity)]
			if len(want) != len(list) {
				t.Fatalf("%s: the golden file has %d pictures of %s/%d", name, len(want), v.Family, v.Severity)
			}
			var off []float64
			for i, f := range list {
				at := slices.Index(golden.Files, f.name)
				off = append(off, math.Abs(1-results[i].Outcomes[row].P-want[at]))
			}
			slices.Sort(off)
			t.Logf("%-18s %-12s %d: |p - golden| median %.1e, 90 %% %.1e, largest %.3f", name, v.Family, v.Severity, off[52], off[93], off[103])
			if off[52] > 1e-3 || off[93] > .05 {
				t.Errorf("%s %s/%d: median %v, 90 %% %v", name, v.Family, v.Severity, off[52], off[93])
			}
		}
	}
}

// TestAttackSanity: at equal budgets PGD raises the loss at least as much as FGSM, more budget raises it more, delta moves p
// at least as far as self, Square keeps its passes and its eps, and no detector of these hides its gradient.
func TestAttackSanity(t *testing.T) {
	list := faces(t, 1)
	levels := []float64{.5, 1, 2, 4}
	names := "square(eps=4/255, queries=100, forms=float+uint8+jpeg90), square(target=delta, eps=4/255, queries=200), pgd(target=delta, eps=4/255)"
	for _, eps := range levels {
		names += fmt.Sprintf(", fgsm(eps=%g/255), pgd(eps=%g/255, step=%g/255)", eps, eps, max(.5, eps/4))
	}
	for _, name := range []string{"meso4-f2f", "mesoinception4-df"} {
		d := realDetector(t, name)
		a := openAttacks(t, runtimeFor(t, Config{}), d, names)
		results := attackAll(t, a, list)
		rows := map[string]int{}
		for i, v := range a.Variants() {
			rows[v.Family+" "+v.Parameter] = i
		}
		mean := func(row string, of func(r attack.Judged, o attack.Outcome) float64) (sum float64) {
			i, ok := rows[row]
			if !ok {
				t.Fatalf("no row %q in %v", row, rows)
			}
			for _, r := range results {
				sum += of(r, r.Outcomes[i]) / float64(len(results))
			}
			return sum
		}
		loss := func(r attack.Judged, o attack.Outcome) float64 { // cross-entropy against the clean decision, of the logit: it has no ceiling
			away := o.Margin
			if r.Clean >= d.Threshold {
				away = -away
			}
			return max(away, 0) + math.Log1p(math.Exp(-math.Abs(away)))
		}
		before := 0.
		for _, eps := range levels {
			fgsm := mean(fmt.Sprintf("fgsm_self %g/255", eps), loss)
			pgd := mean(fmt.Sprintf("pgd10_self eps=%g/255, step=%g/255", eps, max(.5, eps/4)), loss)
			t.Logf("%-18s eps %g/255: loss under FGSM %.3f, under PGD %.3f", name, eps, fgsm, pgd)
			if pgd < fgsm || pgd <= before {
				t.Errorf("%s eps %g/255: loss under FGSM %v, under PGD %v, with less budget %v", name, eps, fgsm, pgd, before)
			}
			before = pgd
		}
		self, delta := rows["pgd10_self eps=4/255, step=1/255"], rows["pgd10_delta eps=4/255, step=1/255"]
		for i, r := range results {
			if math.Abs(r.Outcomes[delta].P-r.Clean) < math.Abs(r.Outcomes[self].P-r.Clean)-1e-6 {
				t.Errorf("%s %s: delta moved p to %v, self to %v, from %v", name, list[i].name, r.Outcomes[delta].P, r.Outcomes[self].P, r.Clean)
			}
			square := r.Outcomes[rows["square_self eps=4/255, queries=100"]]
			unmoved := square.Linf == 0 // then its 8-bit form is the clean picture, which needs no pass of its own
			if square.Linf > 4./255 || square.Queries > 99 || !unmoved && square.Queries < 99 {
				t.Errorf("%s %s: square %+v", name, list[i].name, square)
			}
		}
		if found := attack.Masked(a.Specs(), results, d.Threshold); len(found) > 0 {
			t.Errorf("%s is suspected: %v", name, found)
		}
	}
}

// TestAttackMaskedReal: a real detector whose logit is rounded before the last activation has no gradient, and is found out.
func TestAttackMaskedReal(t *testing.T) {
	d := realDetector(t, "mesoinception4-df")
	data, err := os.ReadFile(d.Model.Path)
	if err != nil {
		t.Fatal(err)
	}
	model, err := graph.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	g := model.GetGraph()
	last := slices.IndexFunc(g.GetNode(), func(n *protos.NodeProto) bool { return n.GetOpType() == "Sigmoid" })
	if last < 0 {
		t.Fatal("the model has no Sigmoid")
	}
	g.Initializer = append(g.Initializer, graph.FloatTensor("steps", []float32{20}))
	sigmoid := g.Node[last]
	g.Node = slices.Insert(g.Node, last,
		&protos.NodeProto{OpType: proto.String("Mul"), Input: []string{sigmoid.Input[0], "steps"}, Output: []string{"many"}},
		&protos.NodeProto{OpType: proto.String("Round"), Input: []string{"many"}, Output: []string{"whole"}},
		&protos.NodeProto{OpType: proto.String("Div"), Input: []string{"whole", "steps"}, Output: []string{"rounded"}})
	sigmoid.Input[0] = "rounded"
	if data, err = graph.Marshal(model); err != nil {
		t.Fatal(err)
	}
	d.Model.Path, d.Model.SHA256 = filepath.Join(t.TempDir(), "masked.onnx"), ""
	if err := os.WriteFile(d.Model.Path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	a := openAttacks(t, runtimeFor(t, Config{}), d, "pgd(target=delta, eps=8/255, forms=float), square(target=delta, eps=8/255, forms=float, queries=150)")
	found := attack.Masked(a.Specs(), attackAll(t, a, faces(t, 8)), d.Threshold)
	var rivals, flat int
	for _, s := range found {
		t.Log(s)
		if s.Rival != "" {
			rivals++
		} else {
			flat++
		}
	}
	if rivals != 1 || flat != 1 {
		t.Errorf("found %v", found)
	}
}

// TestAttackZoo: every family of architecture can be attacked by its gradient, which gets farther than random search, and
// what it returns are the same bits from another runtime with other workers.
func TestAttackZoo(t *testing.T) {
	models, err := filepath.Glob(filepath.Join(graphtest.AcceptanceRoot(), "zoo", "*.onnx"))
	if err != nil || len(models) == 0 {
		t.Fatalf("no zoo: %v", err)
	}
	for _, path := range models {
		name := filepath.Base(path)
		side := map[string]int{"xception-narrow.onnx": 75, "norms-and-attention-pool.onnx": 61}[name]
		if side == 0 {
			side = 64
		}
		d := pipeline.Detector{Name: name, Version: "1", Threshold: .5}
		d.Model.Path = path
		d.Input = perturb.Input{Width: side, Height: side, Layout: "NCHW", Color: "RGB", Scale: "unit", Std: [3]float32{1, 1, 1}}
		d.Output = perturb.Output{Kind: "logits", Index: 1, Meaning: "fake"}
		const attacks = "pgd(target=delta, eps=4/255, forms=float), square(target=delta, eps=4/255, queries=60, forms=float)"
		a := openAttacks(t, runtimeFor(t, Config{Parallel: 1}), d, attacks)
		b := openAttacks(t, runtimeFor(t, Config{Parallel: 2}), d, attacks)
		if len(a.Unsupported()) > 0 {
			t.Errorf("%s: no gradient for %v", name, a.Unsupported())
			continue
		}
		var all sync.WaitGroup
		for _, p := range randomPictures(3, side, side) {
			all.Go(func() {
				one, err := a.Run(context.Background(), p.image(side), p.seed, nil)
				two, err2 := b.Run(context.Background(), p.image(side), p.seed, nil)
				if err != nil || err2 != nil {
					t.Errorf("%s: %v, %v", name, err, err2)
					return
				}
				for i := range one.Outcomes {
					if one.Outcomes[i].P != two.Outcomes[i].P {
						t.Errorf("%s row %d: %v and %v", name, i, one.Outcomes[i].P, two.Outcomes[i].P)
					}
				}
				// The margin, since random weights may saturate the probability.
				pgd, square := math.Abs(one.Outcomes[0].Margin-one.Margin), math.Abs(one.Outcomes[1].Margin-one.Margin)
				t.Logf("%-30s clean %.3f, margin %.3f, which moved by %.4f under PGD, by %.4f under Square", name, one.Clean, one.Margin, pgd, square)
				if pgd <= square {
					t.Errorf("%s: the margin moved by %v under PGD, by %v under Square", name, pgd, square)
				}
			})
		}
		all.Wait()
	}
}
