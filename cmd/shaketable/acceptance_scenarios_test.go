//go:build acceptance

package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"shaketable/pipeline"
)

// The sources that uploads come from, each with an equal share of the traffic.
var uploadSources = []string{"android", "ios", "partner-feed", "web"}

// uploads is live traffic on one detector: pictures from several sources, each with the score that a service gave it.
type uploads struct {
	s        *stage
	producer interface {
		Produce(ctx context.Context, topic string, records ...pipeline.Record) error
	}
	got  *receiver
	sent int
	// chance draws the pictures: neither their order nor what came before may say which one is next.
	chance *rand.Rand
}

// batch is a set of pictures with the scores, as P(real), that the service gives them.
type batch struct {
	files  []string
	bytes  map[string][]byte
	scores map[string]float64
}

// traffic says which version a service runs, and what comes from each source.
type traffic struct {
	version string
	from    func(source string) *batch
}

func everywhere(b *batch) func(string) *batch { return func(string) *batch { return b } }

// send uploads one picture: an independent one each time, because every upload is a group of its own.
func (u *uploads) send(now traffic) {
	u.s.t.Helper()
	i := u.sent
	u.sent++
	source := uploadSources[i%len(uploadSources)]
	b := now.from(source)
	file := b.files[u.chance.IntN(len(b.files))]
	media, at := fmt.Sprintf("%s#%d", file, i), time.Now()
	value := fmt.Sprintf(`{"media_id":%q,"group":%q,"detector":{"name":"face-swap","version":%q},"score":%s,"time":%q,"source":%q}`,
		media, media, now.version, strconv.FormatFloat(b.scores[file], 'g', -1, 64), at.UTC().Format(time.RFC3339Nano), source)
	for topic, payload := range map[string][]byte{u.s.topics.Media: b.bytes[file], u.s.topics.Detections: []byte(value)} {
		if err := u.producer.Produce(context.Background(), topic, pipeline.Record{Key: []byte(media), Value: payload, Time: at}); err != nil {
			u.s.t.Fatal(err)
		}
	}
}

// until keeps traffic going, never more than a few seconds ahead of the worker, until something has happened.
func (u *uploads) until(now traffic, what string, limit time.Duration, ok func() bool) {
	u.s.t.Helper()
	for deadline := time.Now().Add(limit); !ok(); {
		if time.Now().After(deadline) {
			u.s.t.Fatalf("waited %s for %s; outcomes %v; alerts so far:\n%s", limit, what, u.s.outcomes(), u.alerts())
		}
		u.s.alive()
		for u.sent < int(u.probed())+100 {
			u.send(now)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (u *uploads) probed() int64 { return u.s.outcomes()["probed"] }

// alerts lists what was told, for a test that waits in vain.
func (u *uploads) alerts() string {
	u.got.mu.Lock()
	defer u.got.mu.Unlock()
	var lines []string
	for _, e := range u.got.events {
		lines = append(lines, e.attributes["shaketable.alert.tier"]+" "+e.attributes["shaketable.alert.state"]+" "+
			e.attributes["shaketable.alert.cause"]+": "+e.attributes["shaketable.alert.summary"])
	}
	return strings.Join(lines, "\n")
}

// picturesOf reads the acceptance pictures, changed by edit (nil: as they are), and has the program score them.
func picturesOf(t *testing.T, data, detectors, name string, edit func(image.Image) image.Image) *batch {
	t.Helper()
	dir := t.TempDir()
	b := &batch{bytes: map[string][]byte{}}
	for file := range truth(t, data) {
		text, err := os.ReadFile(filepath.Join(data, "media", file))
		if err != nil {
			t.Fatal(err)
		}
		if edit != nil {
			text = edited(t, text, edit)
		}
		b.files, b.bytes[file] = append(b.files, file), text
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(b.files)
	b.scores = scored(t, detectors, name, dir)
	return b
}

func edited(t *testing.T, text []byte, edit func(image.Image) image.Image) []byte {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := png.Encode(&out, edit(img)); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// darker lets 45 % of the light through.
func darker(img image.Image) image.Image {
	b := img.Bounds()
	out := image.NewNRGBA(b)
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
			out.SetNRGBA(x, y, color.NRGBA{uint8(int(c.R) * 45 / 100), uint8(int(c.G) * 45 / 100), uint8(int(c.B) * 45 / 100), c.A})
		}
	}
	return out
}

// scored returns what a service with this description of the detector answers: P(real) by file.
func scored(t *testing.T, detectors, name, media string) map[string]float64 {
	t.Helper()
	out := t.TempDir()
	list := filepath.Join(out, "detectors.yaml")
	if err := os.WriteFile(list, []byte(detectors), 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(shared.binary, "evaluate", "--detectors", list, "--media", media, "--suite", "production", "--out", filepath.Join(out, "results"))
	cmd.Dir = root // where make puts ONNX Runtime
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("score %s: %v\n%s", name, err, text)
	}
	text, err := os.ReadFile(filepath.Join(out, "results", "probabilities.csv"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	scores := map[string]float64{}
	for _, r := range rows[1:] {
		if r[3] == "none" {
			p, err := strconv.ParseFloat(r[6], 64)
			if err != nil {
				t.Fatal(err)
			}
			scores[r[1]] = 1 - p
		}
	}
	return scores
}

// version describes one version of the detector.
func version(data, number, model, digest, colour string) string {
	return fmt.Sprintf(`  - name: face-swap
    version: %q
    model: {path: %s, sha256: %s}
    input: {name: image, width: 256, height: 256, color: %s}
    output: {name: prob_real, kind: probability, meaning: real}
    notify: page
    owner: media-integrity
`, number, filepath.Join(data, "models", model+".onnx"), digest, colour)
}

func versionOne(data, colour string) string {
	return version(data, "1", "mesoinception4-f2f", "7b7b0e0f8778246e1d56385eedfb11c6dda391875308d041c5d67e9872529ac3", colour)
}

func versionTwo(data string) string {
	return version(data, "2", "meso4-f2f", "ef11f8e25ce673e0e545c04334a8b0387135660f7d648fec038d72e8887a1523", "RGB")
}

// scenarioStage is a worker in production's own order of things, with times scaled down.
func scenarioStage(t *testing.T, detectors string) *uploads {
	t.Helper()
	data := acceptanceData(t)
	got, address := startReceiver(t)
	s := newStage(t, 4, "detectors:\n"+detectors, fmt.Sprintf(`telemetry: {otlp: {endpoint: %q, protocol: grpc, insecure: true}}
http: {listen: "127.0.0.1:0"}
window: {fine: 1s, coarse: 60s}
panel: {media: %s, labels: %s, every: 1m}
slices: {attributes: [source], cap: 10}
alerts:
  baseline: [predecessor, burn_in]
  burn_in: {min_probes: 400, min_duration: 5s}
  predecessor: {min_probes: 400}
  period: 1s
  lease: 5s
  windows: [10s, 30s, 60s]
  fine_horizon: 10m
  resolve: {min_probes: 300, hold: 5s}
  no_data: {max_hold: 30s, idle: 10s}
`, address, filepath.Join(data, "media"), filepath.Join(data, "media", "labels.csv")))
	return &uploads{s: s, producer: s.producer(), got: got, chance: rand.New(rand.NewPCG(1, 2))}
}

// settle starts the worker and brings traffic until every source has its baseline, and wants nobody to have been told anything.
func (u *uploads) settle(now traffic) {
	u.s.t.Helper()
	u.s.start()
	u.until(now, "the burn-in", 6*time.Minute, func() bool { return u.probed() > 2400 })
	for _, tier := range []string{"page", "ticket"} {
		if n := len(u.got.distinct(tier, "firing")); n != 0 {
			u.s.t.Errorf("%d alerts of tier %s before anything changed:\n%s", n, tier, u.alerts())
		}
	}
}

// told waits for an alert of a tier and checks what it suspects and says.
func (u *uploads) told(now traffic, tier, cause string, phrases ...string) {
	u.s.t.Helper()
	u.until(now, "an alert of tier "+tier, 6*time.Minute, func() bool { return len(u.got.distinct(tier, "firing")) > 0 })
	first := u.got.distinct(tier, "firing")[0]
	u.s.t.Logf("%s\n%s", first.attributes["shaketable.alert.summary"], first.body)
	if got := first.attributes["shaketable.alert.cause"]; got != cause {
		u.s.t.Errorf("the alert suspects %q, want %q", got, cause)
	}
	for _, p := range phrases {
		if !strings.Contains(first.body, p) {
			u.s.t.Errorf("the text does not say %q", p)
		}
	}
}

func TestScenarioRollout(t *testing.T) {
	data := acceptanceData(t)
	u := scenarioStage(t, versionOne(data, "RGB")+versionTwo(data))
	one := picturesOf(t, data, "detectors:\n"+versionOne(data, "RGB"), "version 1", nil)
	two := *one
	two.scores = picturesOf(t, data, "detectors:\n"+versionTwo(data), "version 2", nil).scores
	u.settle(traffic{"1", everywhere(one)})
	u.told(traffic{"2", everywhere(&two)}, "page", "model", "version 2 took over from version 1", "104")
}

func TestScenarioDarkerMedia(t *testing.T) {
	data := acceptanceData(t)
	u := scenarioStage(t, versionOne(data, "RGB"))
	list := "detectors:\n" + versionOne(data, "RGB")
	day, night := picturesOf(t, data, list, "day", nil), picturesOf(t, data, list, "night", darker)
	u.settle(traffic{"1", everywhere(day)})
	u.told(traffic{"1", everywhere(night)}, "page", "traffic")
}

func TestScenarioOneBadSource(t *testing.T) {
	data := acceptanceData(t)
	u := scenarioStage(t, versionOne(data, "RGB"))
	list := "detectors:\n" + versionOne(data, "RGB")
	good, bad := picturesOf(t, data, list, "good", nil), picturesOf(t, data, list, "bad", darker)
	u.settle(traffic{"1", everywhere(good)})
	now := traffic{"1", func(source string) *batch {
		if source == "partner-feed" {
			return bad
		}
		return good
	}}
	u.told(now, "ticket", "source=partner-feed", "partner-feed")
	if pages := u.got.distinct("page", "firing"); len(pages) > 0 && pages[0].attributes["shaketable.alert.cause"] != "source=partner-feed" {
		t.Errorf("the page suspects %q:\n%s", pages[0].attributes["shaketable.alert.cause"], pages[0].body)
	}
}

func TestScenarioServingBug(t *testing.T) {
	data := acceptanceData(t)
	u := scenarioStage(t, versionOne(data, "RGB"))
	right := picturesOf(t, data, "detectors:\n"+versionOne(data, "RGB"), "as trained", nil)
	wrong := *right
	wrong.scores = picturesOf(t, data, "detectors:\n"+versionOne(data, "BGR"), "colours swapped", nil).scores
	u.settle(traffic{"1", everywhere(right)})
	u.told(traffic{"1", everywhere(&wrong)}, "ticket", "serving", "differs from ours")
	if pages := u.got.distinct("page", "firing"); len(pages) != 0 {
		t.Errorf("the robustness of a model that is not the deployed one woke people:\n%s", u.alerts())
	}
}
