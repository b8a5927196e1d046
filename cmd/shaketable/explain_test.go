//go:build cgo

package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"shaketable/config"
	"shaketable/pipeline"
	"shaketable/pipeline/redis"
	"shaketable/pipeline/storetest"
)

const secretKey = "an operator's secret of 32 bytes"

// site is a deployment: a Redis, a configuration file, a small detector that a worker has registered.
type site struct {
	bench
	server *storetest.Server
	store  *redis.Store
	config string
	gen    pipeline.Generation
	key    *pipeline.Sampler
}

func newSite(t *testing.T, extra string) *site {
	t.Helper()
	t.Setenv("SHAKETABLE_SAMPLE_KEY", secretKey)
	s := &site{bench: newBench(t, 2), server: storetest.StartRedis(t), key: pipeline.NewSampler([]byte(secretKey))}
	s.config = s.path("shaketable.yaml")
	model, err := os.ReadFile(s.path("toy.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "shaketable.yaml", fmt.Appendf(nil, `redis: {addresses: [%q]}
detectors: [{name: toy, version: "1", model: {path: toy.onnx, sha256: %s}, input: {width: %d, height: %d}}]
%s
`, s.server.Addr, digestOf(model), side, side, extra))
	cfg, err := config.Load(s.config, os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	if s.store, err = redis.Open(cfg.Redis); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.store.Close() })
	d := &desk{cfg: cfg, store: s.store}
	var log bytes.Buffer
	subjects, _, closeAll, err := d.bench(t.Context(), &log)
	if err != nil {
		t.Fatal(err, log.String())
	}
	s.gen = subjects[0].Generation
	if err := closeAll(); err != nil {
		t.Fatal(err)
	}
	if err := s.store.Register(t.Context(), s.gen, 4, time.Now()); err != nil {
		t.Fatal(err)
	}
	return s
}

// count writes a batch of one stream and partition into the store.
func (s *site) count(t *testing.T, b *pipeline.Batch) {
	t.Helper()
	if _, err := s.store.Claim(t.Context(), b.Stream, b.Partition, "w", &pipeline.NewFence{Offset: -1}); err != nil {
		t.Fatal(err)
	}
	b.Owner, b.Prev, b.Record = "w", -1, time.Now()
	if v, _, err := s.store.Apply(t.Context(), b); v != pipeline.OK || err != nil {
		t.Fatal(v, err)
	}
}

// probed stores what a probe of a media leaves, and its label.
func (s *site) probed(t *testing.T, id string, minute time.Time) {
	t.Helper()
	s.count(t, &pipeline.Batch{Stream: pipeline.Detections, Partition: 2, Last: 41, Outcomes: pipeline.Counts{"read": 42},
		Probes: []pipeline.ProbeRecord{{MediaKey: s.key.Hide(id), Generation: s.gen.ID, Offset: 41, Fine: minute.Unix(),
			Coarse: minute.Truncate(time.Hour).Unix(), Decisions: s.decisions()}},
		Examples: []pipeline.Example{{Generation: s.gen.ID, Media: s.key.Hide(id), Variant: 1, Time: minute}, {Generation: s.gen.ID, Media: "other", Variant: 1, Time: minute}}})
	s.count(t, &pipeline.Batch{Stream: pipeline.Labels, Partition: 2, Last: 7, Outcomes: pipeline.Counts{"label.read": 8},
		Labels: []pipeline.LabelRecord{{MediaKey: s.key.Hide(id), Fake: true, Revision: 3, Offset: 7, Time: minute.Add(time.Hour)}}})
}

// decisions are those of a probe that judged fake, in which the first and the fifth variant turned and the third did not run.
func (s *site) decisions() string {
	return "1" + "01-10111" + strings.Repeat(string(pipeline.NotRun), len(s.gen.Variants)-8)
}

func (s *site) ask(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, faults strings.Builder
	code = run(t.Context(), append(args, "--config", s.config), &out, &faults)
	return code, regexp.MustCompile(` {2,}`).ReplaceAllString(out.String(), "  "), faults.String()
}

// has looks for every phrase.
func has(t *testing.T, text string, phrases ...string) {
	t.Helper()
	for _, p := range phrases {
		if !strings.Contains(text, p) {
			t.Errorf("lacks %q:\n%s", p, text)
		}
	}
}

func TestExplain(t *testing.T) {
	s := newSite(t, "sample: {rate: .5}\nattacks: {rate: .25, list: [\"fgsm(eps=1/255)\"]}\nexclude: [{attribute: consent, equals: \"no\"}]\n")
	const id = "clip-8812/000123" // the Java client puts it in partition 3 of 4
	minute := time.Now().Add(-time.Hour).Truncate(time.Minute).UTC()

	code, out, stderr := s.ask(t, "explain", id)
	if code != exitFine {
		t.Fatal(code, stderr)
	}
	place := s.key.Place(id)
	has(t, out, "media  "+id, "hidden id  "+s.key.Hide(id), "no worker has run yet, and sample.rate is 0.5",
		fmt.Sprintf("in at every rate above %.4g", place), "label  none is kept", "probes  none is kept", "attacks  ", "0.25",
		"excluded  unknown", "whether one of 1 rule applies", "duplicate  unknown: give --file")

	// a schedule with a step that is over, one of another key, one in force and one to come
	at := func(d time.Duration) time.Time { return time.Now().Add(d).Truncate(time.Second).UTC() }
	own, past, soon := s.key.KeyID(), at(-48*time.Hour), at(time.Hour)
	steps := pipeline.RateSteps{{Rate: 0, Key: "01234567"}, {From: past, Rate: 1, Key: own}, {From: soon, Rate: 0, Key: own}}
	if _, err := s.store.AppendSteps(t.Context(), 0, steps, 0); err != nil {
		t.Fatal(err)
	}
	s.probed(t, id, minute)
	code, out, stderr = s.ask(t, "explain", id)
	if code != exitFine {
		t.Fatal(code, stderr)
	}
	has(t, out, "sampled  yes, if its detection is recorded now: the rate in force is 1",
		"from the beginning  rate 0  no (with the key 01234567, which is not the present one",
		"from "+moment(past)+"  rate 1  yes\n", "from "+moment(soon)+"  rate 0  no (still to come)",
		"label  fake, revision 3, record 7 of partition 2, first given "+moment(minute.Add(time.Hour))+"; kept for 30 days",
		"probe  toy 1, generation "+s.gen.ID+", counted in the bucket of "+moment(minute)+" (record 41 of partition 2; kept for 30 days)",
		fmt.Sprintf("judged fake; 2 of 7 variants turned the verdict: %s %s, %s %s\n", s.gen.Variants[0].Family, s.gen.Variants[0].Parameter,
			s.gen.Variants[4].Family, s.gen.Variants[4].Parameter), "counted against the label fake", "partition  3 of 0 to 3")
}

// With the picture it is probed anew; by its content it can be told whether it was a duplicate.
func TestExplainFile(t *testing.T) {
	s := newSite(t, "sample: {rate: .5}\n")
	picture, err := os.ReadFile(s.path("media/00.png"))
	if err != nil {
		t.Fatal(err)
	}
	ask := func(more ...string) string {
		t.Helper()
		code, out, stderr := s.ask(t, append([]string{"explain", "00.png"}, more...)...)
		if code != exitFine {
			t.Fatal(code, stderr)
		}
		return out
	}
	file := []string{"--file", s.path("media/00.png")}
	has(t, ask(file...), "duplicate  no probe of this content in the last 3 days", digestOf(picture), "toy 1, generation "+s.gen.ID+": probability of fake ")
	now := pipeline.Detection{Time: time.Now()}
	claim := pipeline.DigestClaim{Key: pipeline.ClaimKey(s.gen.ID, &now, digestOf(picture)), Holder: "detections/id/2/41", TTL: time.Hour}
	if _, err := s.store.Win(t.Context(), claim); err != nil {
		t.Fatal(err)
	}
	has(t, ask(file...), "duplicate  yes, unless it is the record detections/id/2/41 itself")
	s.probed(t, "00.png", time.Now().Truncate(time.Minute))
	has(t, ask(file...), "duplicate  no: it is the one probe of this content on ")
	has(t, ask("--group", "clip-1"), "duplicate  no probe of this group in the last 3 days")

	// the same figures as an evaluation of the same picture under the same name
	code, _, stderr := evaluated(t, s.args("out"))
	if code != exitFine {
		t.Fatal(code, stderr)
	}
	want := map[string]string{}
	for _, row := range readTable(t, s.path("out/probabilities.csv")) {
		if row["file"] == "00.png" {
			want[strings.TrimSpace(row["perturbation"]+" "+row["parameter"])] = row["p"]
		}
	}
	out := ask(file...)
	if len(want) != 9 {
		t.Fatalf("an evaluation has %v", want)
	}
	for name, text := range want {
		exact, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		p := fmt.Sprintf("%.6f", exact)
		if name = strings.TrimPrefix(name, "none"); name == "" {
			has(t, out, "probability of fake "+p)
			continue
		}
		has(t, out, "  "+name+"  "+p+"  ")
	}
	for _, args := range [][]string{{"explain"}, {"explain", "a", "b"}, {"explain", ""}, {"explain", "a", "--file", "/none"}, {"explain", "a", "--detector", "b"}} {
		if code, _, stderr := s.ask(t, args...); code != exitUsage {
			t.Errorf("%q: exit %d, %s", args, code, stderr)
		}
	}
}

// A real detector gives the probability that an independent program gave.
func TestExplainGolden(t *testing.T) {
	data := acceptance(t)
	g := readGolden(t, data)
	s := newSite(t, "")
	text := fmt.Sprintf("redis: {addresses: [%q]}\ndetectors_file: %s\n", s.server.Addr, abs(t, filepath.Join(data, "detectors.yaml")))
	s.write(t, "shaketable.yaml", []byte(text))
	code, out, stderr := s.ask(t, "explain", "x", "--file", filepath.Join(data, "media", g.files[0]), "--detector", "meso4-f2f")
	if code != exitFine {
		t.Fatal(code, stderr)
	}
	m := regexp.MustCompile(`probability of fake ([0-9.]+)`).FindAllStringSubmatch(out, -1)
	if len(m) != 1 {
		t.Fatal(out)
	}
	p, err := strconv.ParseFloat(m[0][1], 64)
	if want := 1 - g.real["meso4-f2f"]["clean"][0]; err != nil || math.Abs(p-want) > 2e-5 {
		t.Errorf("probability %v, want %v", p, want)
	}
}

func abs(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// A label that was corrected is told with what it was at first, and can be deleted like any other.
func TestCorrectedLabel(t *testing.T) {
	s := newSite(t, "")
	hidden := s.key.Hide("clip-1")
	s.count(t, &pipeline.Batch{Stream: pipeline.Labels, Last: 1, Labels: []pipeline.LabelRecord{{MediaKey: hidden, Fake: true, Revision: 1},
		{MediaKey: hidden, Revision: 2, Offset: 1, Time: time.Now()}}})
	code, out, stderr := s.ask(t, "explain", "clip-1")
	if code != exitFine {
		t.Fatal(code, stderr)
	}
	has(t, out, "label  real (fake at first), revision 2, record 1 of partition 0")
	code, out, stderr = s.ask(t, "forget", "clip-1")
	if code != exitFine {
		t.Fatal(code, stderr)
	}
	has(t, out, "deleted 0 probes, 1 label and 0 examples")
	kept, err := s.store.Media(t.Context(), hidden)
	if err != nil || len(kept.Labels) > 0 {
		t.Errorf("left %+v, %v", kept, err)
	}
}

// What was kept under another key can't be found, and nobody is told that there was nothing.
func TestForgetTellsOfOtherKeys(t *testing.T) {
	s := newSite(t, "")
	for _, c := range []struct {
		ended time.Duration // ago
		want  bool
	}{{31 * 24 * time.Hour, false}, {29 * 24 * time.Hour, true}} {
		if _, err := s.server.Do("FLUSHALL"); err != nil {
			t.Fatal(err)
		}
		steps := pipeline.RateSteps{{Rate: 1, Key: "01234567"}, {From: time.Now().Add(-c.ended), Rate: 1, Key: s.key.KeyID()}}
		if _, err := s.store.AppendSteps(t.Context(), 0, steps, 0); err != nil {
			t.Fatal(err)
		}
		code, out, stderr := s.ask(t, "forget", "clip-1")
		if code != exitFine {
			t.Fatal(code, stderr)
		}
		if got := strings.Contains(out, "another secret key (01234567) was in use within the last 30 days"); got != c.want {
			t.Errorf("%s ago: %s", c.ended, out)
		}
	}
}

// Of a schedule that a budget has filled, the newest steps are told.
func TestExplainLongSchedule(t *testing.T) {
	s := newSite(t, "")
	first := time.Now().Add(-1000 * time.Hour).Truncate(time.Second).UTC()
	steps := pipeline.RateSteps{{Rate: 1, Key: s.key.KeyID()}}
	for i := range toldSteps + 1 {
		steps = append(steps, pipeline.RateStep{From: first.Add(time.Duration(i) * time.Hour), Rate: float64(i%2+1) / 4, Key: s.key.KeyID()})
	}
	if _, err := s.store.AppendSteps(t.Context(), 0, steps, 0); err != nil {
		t.Fatal(err)
	}
	code, out, stderr := s.ask(t, "explain", "clip-1")
	if code != exitFine {
		t.Fatal(code, stderr)
	}
	has(t, out, "  2 older steps of the schedule left out here\n", "from "+moment(first.Add(time.Hour))+"  rate")
	if strings.Contains(out, "from "+moment(first)+"  rate") {
		t.Errorf("all steps are told:\n%s", out)
	}
}

func TestForget(t *testing.T) {
	s := newSite(t, "window: {example_ids: hash}\n")
	s.probed(t, "clip-1", time.Now().Truncate(time.Minute))
	code, out, stderr := s.ask(t, "forget", "clip-2")
	if code != exitFine {
		t.Fatal(code, stderr)
	}
	has(t, out, "clip-2: nothing was kept (hidden id "+s.key.Hide("clip-2"))
	code, out, stderr = s.ask(t, "forget", "clip-1")
	if code != exitFine {
		t.Fatal(code, stderr)
	}
	has(t, out, "clip-1: deleted 1 probe, 1 label and 1 example (hidden id "+s.key.Hide("clip-1"), "left: the counters")
	kept, err := s.store.Media(t.Context(), s.key.Hide("clip-1"))
	if err != nil || len(kept.Probes)+len(kept.Labels) > 0 {
		t.Errorf("left %+v, %v", kept, err)
	}
	if examples, err := s.store.Examples(t.Context(), s.gen.ID, 10); err != nil || len(examples) != 1 || examples[0].Media != "other" {
		t.Errorf("examples %+v, %v", examples, err)
	}
	outcomes, err := s.store.Outcomes(t.Context())
	if err != nil || outcomes[2]["read"] != 42 {
		t.Errorf("counters %v, %v", outcomes, err)
	}
	_, out, _ = s.ask(t, "forget", "clip-1")
	has(t, out, "nothing was kept")
	s.server.Kill()
	if code, _, stderr := s.ask(t, "forget", "clip-1"); code != exitFailed {
		t.Errorf("without Redis: exit %d, %s", code, stderr)
	}
	t.Setenv("SHAKETABLE_SAMPLE_KEY", "short")
	if code, _, stderr := s.ask(t, "forget", "clip-1"); code != exitUsage || !strings.Contains(stderr, "openssl rand") {
		t.Errorf("without a key: exit %d, %s", code, stderr)
	}
}
