//go:build cgo

package main

import (
	"bytes"
	"context"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"shaketable/perturb/graph"
	"shaketable/pipeline"
)

// toyProbability is what the toy detector says of a picture whose pixels have all moved by shift, in [0,1]: no pixel of the
// bench is so bright or dark that it could not.
func (b bench) toyProbability(t *testing.T, name string, shift float64) float64 {
	t.Helper()
	pic, sum := readPNG(t, b.path("media/"+name)), 0.
	for y := range side {
		for x := range side {
			c := color.RGBAModel.Convert(pic.At(x, y)).(color.RGBA)
			sum += float64(c.R) + float64(c.G) + float64(c.B)
		}
	}
	mean := sum/(3*side*side*255) + shift
	return 1 / (1 + math.Exp(-8*(mean-.5)))
}

// TestEvaluateAttacks holds attacks on a detector of the mean brightness against its formula: the gradient is the same
// everywhere, so the best attack moves every pixel by eps.
func TestEvaluateAttacks(t *testing.T) {
	b := newBench(t, 6) // 00, 02, 04 are dark and real, the others bright and fake
	b.write(t, "labels.csv", []byte("file,label\n00.png,real\n01.png,fake\n02.png,real\n03.png,fake\n"))
	code, stdout, stderr := evaluated(t, b.args("out", "--labels", b.path("labels.csv"), "--attacks",
		"fgsm(eps=4/255), fgsm(eps=8/255,forms=float), pgd(target=label,eps=4/255), pgd(target=delta,eps=8/255,forms=float), fgsm(eps=0,target=delta,forms=float)"))
	if code != exitFine {
		t.Fatalf("exit %d\n%s\n%s", code, stdout, stderr)
	}
	for _, want := range []string{"Under attack", "pgd10_label_uint8", "suite production@2", "jpeg by codec graph", "attacks: 5"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the report does not say %q:\n%s", want, stdout)
		}
	}
	checked := 0
	for _, row := range readTable(t, b.path("out/probabilities.csv")) {
		if row["perturbation"] != "none" && pipeline.Natural(row["perturbation"]) {
			continue
		}
		checked++
		b.checkAttack(t, row)
	}
	if checked != 6*(1+7) {
		t.Errorf("%d probabilities were checked, want 48", checked)
	}
	figures := readTable(t, b.path("out/ra_rr.csv"))
	if len(figures) != 1+8+7 || figures[9]["perturbation"] != "fgsm_self" || figures[9]["severity"] != "1" || figures[11]["severity"] != "2" {
		t.Fatalf("%d rows: %v", len(figures), figures)
	}
	checkAttackFigures(t, b, figures[9:])
}

// checkAttack recomputes one probability from the formula.
func (b bench) checkAttack(t *testing.T, row map[string]string) {
	t.Helper()
	family := row["perturbation"]
	if strings.Contains(family, "label") && row["label"] == "" {
		if row["p"] != "" {
			t.Errorf("%v: an attack on a label that nobody knows", row)
		}
		return
	}
	clean := b.toyProbability(t, row["file"], 0)
	eps := 0.
	if over, _, ok := strings.Cut(row["parameter"], "/255"); ok {
		v, err := strconv.ParseFloat(strings.TrimPrefix(over, "eps="), 64)
		if err != nil {
			t.Fatalf("%v: %v", row, err)
		}
		eps = v / 255
	}
	down, up := b.toyProbability(t, row["file"], -eps), b.toyProbability(t, row["file"], eps)
	want := down // away from fake
	if clean < .5 {
		want = up
	}
	if strings.Contains(family, "delta") && math.Abs(up-clean) > math.Abs(down-clean) {
		want = up
	} else if strings.Contains(family, "delta") {
		want = down
	}
	if got, err := strconv.ParseFloat(row["p"], 64); err != nil || math.Abs(got-want) > 2e-6 {
		t.Errorf("%v: want %.7f (%v)", row, want, err)
	}
}

// checkAttackFigures: label targets count the labelled pictures, eps 0 moves nothing, and the rest follows from the
// probabilities that were written.
func checkAttackFigures(t *testing.T, b bench, figures []map[string]string) {
	t.Helper()
	p := map[string]float64{}
	for _, row := range readTable(t, b.path("out/probabilities.csv")) {
		if row["p"] != "" {
			v, err := strconv.ParseFloat(row["p"], 64)
			if err != nil {
				t.Fatal(err)
			}
			p[row["perturbation"]+row["severity"]+row["file"]] = v
		}
	}
	for _, row := range figures {
		n, within, moved := 0, 0, 0.
		for i := range 6 {
			file := "0" + strconv.Itoa(i) + ".png"
			after, ran := p[row["perturbation"]+row["severity"]+file]
			if !ran {
				continue
			}
			d := math.Abs(after - p["none0"+file])
			n, moved = n+1, moved+d
			if d <= .05 {
				within++
			}
		}
		want := 6
		if strings.Contains(row["perturbation"], "label") {
			want = 4
		}
		if n != want || row["n"] != strconv.Itoa(want) || row["rr_0.05"] != figure(float64(within)/float64(n)) || row["mean_abs_delta_p"] != figure(moved/float64(n)) {
			t.Errorf("%v: from the probabilities %d pictures, %d of them within .05, mean %.6f", row, n, within, moved/float64(n))
		}
		if row["perturbation"] == "fgsm_delta" && (row["rr_0.01"] != "1.000000" || row["mean_abs_delta_p"] != "0.000000") {
			t.Errorf("eps 0 moved something: %v", row)
		}
		if row["ra_label"] == "" {
			t.Errorf("no RA_label: %v", row)
		}
	}
}

// TestEvaluateAttacksAlone: without a suite the clean probabilities are those of a probe, and how many pictures run at once
// moves no byte.
func TestEvaluateAttacksAlone(t *testing.T) {
	b := newBench(t, 5)
	attacks := "square(queries=40), pgd(start=random, eps=2/255), cw(steps=10)"
	var texts [3][]byte
	for i, more := range [][]string{{"--parallel", "1", "--suite", "none"}, {"--parallel", "4", "--suite", "none"}, {"--parallel", "3"}} {
		if code, _, stderr := evaluated(t, append(b.args("out", "--attacks", attacks), more...)); code != exitFine {
			t.Fatal(stderr)
		}
		for _, row := range readTable(t, b.path("out/probabilities.csv")) {
			if row["perturbation"] == "none" || !pipeline.Natural(row["perturbation"]) {
				texts[i] = append(texts[i], strings.Join([]string{row["file"], row["perturbation"], row["severity"], row["parameter"], row["p"]}, ",")+"\n"...)
			}
		}
	}
	if n := bytes.Count(texts[0], []byte("\n")); n != 5*(1+6) {
		t.Fatalf("%d probabilities", n)
	}
	if !bytes.Equal(texts[0], texts[1]) {
		t.Errorf("--parallel moves figures:\n%s\n%s", texts[0], texts[1])
	}
	if !bytes.Equal(texts[0], texts[2]) {
		t.Errorf("a suite beside them moves the figures of attacks:\n%s\n%s", texts[0], texts[2])
	}
}

func TestEvaluateAttacksRefuses(t *testing.T) {
	b := newBench(t, 2)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"attack":     {b.args("out", "--attacks", "deepfool"), `unknown attack "deepfool": known are fgsm, pgd`},
		"parameter":  {b.args("out", "--attacks", "pgd(eps=2)"), "eps is 2"},
		"same row":   {b.args("out", "--attacks", "pgd,pgd"), "the same row"},
		"no attacks": {b.args("out", "--attacks", " , "), "no attacks are named"},
		"nothing":    {b.args("out", "--suite", "none"), "leaves nothing to do"},
		"codec":      {b.args("out", "--codec", "best"), "--codec: "},
		"no codec":   {b.args("out", "--suite", "none", "--attacks", "fgsm", "--codec", "exact"), "has no meaning"},
		"own suite":  {b.args("out", "--suite", "jpeg(q=0), blur@2"), `unknown perturbation family "blur"`},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := evaluated(t, c.args)
			if code != exitUsage || !strings.Contains(stderr, c.want) {
				t.Errorf("exit %d\n%s\n%s\nwant it to say %q", code, stdout, stderr, c.want)
			}
			if _, err := os.Stat(b.path("out")); err == nil {
				t.Error("it wrote something")
			}
		})
	}
}

func TestEvaluateAttacksWithoutLabels(t *testing.T) {
	b := newBench(t, 2)
	code, stdout, stderr := evaluated(t, b.args("out", "--suite", "none", "--attacks", "fgsm(target=label,forms=float),fgsm(forms=float)"))
	if code != exitFine || !strings.Contains(stderr, "need labels") {
		t.Fatalf("exit %d\n%s\n%s", code, stdout, stderr)
	}
	rows := readTable(t, b.path("out/ra_rr.csv"))
	if row := rows[1]; row["n"] != "0" || row["ra_self"] != "" || row["rr_0.05"] != "" || row["mean_abs_delta_p"] != "" || row["ra_label"] != "" {
		t.Errorf("figures of nothing: %v", row)
	}
	if row := rows[2]; row["n"] != "2" || row["ra_self"] == "" || row["ra_label"] != "" {
		t.Errorf("figures: %v", row)
	}
	text, err := os.ReadFile(b.path("out/baseline.json"))
	if err != nil {
		t.Fatal(err)
	}
	list, err := pipeline.ParseBaselines(text)
	if err != nil || list[0].Provenance["attacks"] == "" {
		t.Fatalf("%v: %+v", err, list)
	}
	if _, ok := list[0].Series["ra_self/fgsm_self"]; !ok {
		t.Errorf("the baseline lacks the attack: %v", list[0].Series)
	}
	for name := range list[0].Series {
		if strings.Contains(name, "fgsm_label") {
			t.Errorf("the baseline has %s, which never ran", name)
		}
	}
}

// TestEvaluateAttacksInterrupted stops in the middle of an attack that would take hours.
func TestEvaluateAttacksInterrupted(t *testing.T) {
	b := newBench(t, 2)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	var stdout, stderr bytes.Buffer
	code := run(ctx, b.args("out", "--suite", "none", "--attacks", "fgsm, square(queries=1000000)"), &stdout, &stderr)
	if code != exitFailed || !strings.Contains(stderr.String(), "interrupted; nothing was written") {
		t.Errorf("exit %d: %s", code, stderr.String())
	}
	if left, err := filepath.Glob(b.path("out")); err != nil || len(left) > 0 {
		t.Error("it wrote something")
	}
}

// TestEvaluateCodec: a real encoder and the one in the graph are two ways to make jpeg, whose figures are never mixed.
func TestEvaluateCodec(t *testing.T) {
	b := newBench(t, 3)
	generations := map[string]string{}
	for _, codec := range []string{"graph", "exact"} {
		code, stdout, stderr := evaluated(t, b.args(codec, "--codec", codec, "--suite", "jpeg"))
		if code != exitFine || !strings.Contains(stdout, "suite own@") || !strings.Contains(stdout, "jpeg by codec "+codec) {
			t.Fatalf("exit %d\n%s\n%s", code, stdout, stderr)
		}
		text, err := os.ReadFile(b.path(codec + "/baseline.json"))
		if err != nil {
			t.Fatal(err)
		}
		list, err := pipeline.ParseBaselines(text)
		if err != nil || list[0].Provenance["codec"] != codec {
			t.Fatalf("%v: %v", err, list)
		}
		generations[list[0].Generation] = codec
	}
	if len(generations) != 2 {
		t.Errorf("both codecs are one generation: %v", generations)
	}
	graph, exact := readTable(t, b.path("graph/probabilities.csv")), readTable(t, b.path("exact/probabilities.csv"))
	for i, row := range graph {
		one, err := strconv.ParseFloat(row["p"], 64)
		other, err2 := strconv.ParseFloat(exact[i]["p"], 64)
		if err != nil || err2 != nil || math.Abs(one-other) > .01 {
			t.Errorf("graph %v, exact %v", row, exact[i])
		}
	}
}

// rebuild replaces the detector by one with another step between the mean brightness [N,1] and the logit.
func (b bench) rebuild(t *testing.T, step func(g *graph.Builder, x string) string) {
	t.Helper()
	g := graph.NewBuilder("brightness", 17)
	x := g.Reshape(g.Reduce("ReduceMean", g.Input("picture", graph.Float32, graph.Unknown, 3, side, side), 1, 2, 3), -1, 1)
	g.Output("fake", g.Call("Sigmoid", step(g, g.Call("Mul", g.Call("Sub", x, g.Float(.5)), g.Float(8)))), graph.Float32, graph.Unknown, 1)
	model, err := graph.Marshal(g.Model(nil))
	if err != nil {
		t.Fatal(err)
	}
	b.write(t, "toy.onnx", model)
}

// TestEvaluateMasked: a detector with stairs before its logit has a gradient of 0 and is no more robust for it.
func TestEvaluateMasked(t *testing.T) {
	b := newBench(t, 12)
	b.rebuild(t, func(g *graph.Builder, x string) string {
		return g.Call("Div", g.Call("Floor", g.Call("Mul", x, g.Float(20))), g.Float(20))
	})
	code, stdout, stderr := evaluated(t, b.args("out", "--suite", "none", "--attacks",
		"pgd(target=delta,eps=48/255,forms=float), square(target=delta,eps=48/255,queries=100,forms=float)"))
	if code != exitFine || !strings.Contains(stdout, "gradient masking suspected: the gradient that pgd10_delta follows is exactly 0 on 12 of 12 pictures") ||
		!strings.Contains(stdout, "under square_delta, which needs no gradient") {
		t.Errorf("exit %d\n%s\n%s", code, stdout, stderr)
	}
}

// TestEvaluateWithoutGradient: an operator that has no gradient is named, and square attacks in the place of pgd.
func TestEvaluateWithoutGradient(t *testing.T) {
	b := newBench(t, 4)
	b.rebuild(t, func(g *graph.Builder, x string) string {
		return g.Reshape(g.Call("Det", g.Reshape(x, -1, 1, 1)), -1, 1)
	}) // of 1 x 1: as it was
	code, stdout, stderr := evaluated(t, b.args("out", "--suite", "none", "--attacks", "pgd(forms=float)"))
	if code != exitFine || !strings.Contains(stdout, "no gradient through Det") || !strings.Contains(stderr, "Det") {
		t.Fatalf("exit %d\n%s\n%s", code, stdout, stderr)
	}
	rows := readTable(t, b.path("out/ra_rr.csv"))
	if len(rows) != 2 || rows[1]["perturbation"] != "square_self" || rows[1]["n"] != "4" {
		t.Errorf("rows: %v", rows)
	}
}
