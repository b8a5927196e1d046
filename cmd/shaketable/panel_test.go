//go:build cgo

package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"shaketable/config"
	"shaketable/pipeline"
	"shaketable/pipeline/redis"
	"shaketable/pipeline/storetest"
)

// twoVersions is a configuration in which one detector has two versions: the mesoinception4-f2f of the acceptance data, then
// its meso4-f2f.
func twoVersions(t *testing.T, dir, more string) string {
	t.Helper()
	entry := func(version, model, sha string) string {
		return fmt.Sprintf(`  - name: faces
    version: %q
    model: {path: %q, sha256: %s}
    input: {name: image, width: 256, height: 256}
    output: {name: prob_real, meaning: real}
`, version, filepath.Join(dir, "models", model+".onnx"), sha)
	}
	return more + "detectors:\n" + entry("1", "mesoinception4-f2f", "7b7b0e0f8778246e1d56385eedfb11c6dda391875308d041c5d67e9872529ac3") +
		entry("2", "meso4-f2f", "ef11f8e25ce673e0e545c04334a8b0387135660f7d648fec038d72e8887a1523")
}

// workerOf is a process that was started in a moment, as far as its panel goes.
func workerOf(t *testing.T, file, addr, owner string, log io.Writer) *service {
	t.Helper()
	cfg, err := config.Load(file, os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Redis.Addresses = []string{addr}
	store, err := redis.Open(cfg.Redis)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return &service{cfg: cfg, digest: "d", log: slog.New(slog.NewTextHandler(log, nil)), store: store, health: &pipeline.Health{},
		stats: &pipeline.Stats{}, now: time.Now, owner: owner}
}

// TestPanelOfRealDetectors: the panel is run once for each version, a second run of the same version is the same bit for bit,
// another model shows, and pictures that are none are named and left out.
func TestPanelOfRealDetectors(t *testing.T) {
	data := acceptance(t)
	golden := readGolden(t, data)
	var labels strings.Builder
	labels.WriteString("file,label\n")
	content := map[string]string{"set/broken.png": "no picture"}
	for i, name := range golden.files[:12] {
		bytes, err := os.ReadFile(filepath.Join(data, "media", name))
		if err != nil {
			t.Fatal(err)
		}
		content["set/"+name] = string(bytes)
		fmt.Fprintf(&labels, "%s,%s\n", name, map[bool]string{true: "fake", false: "real"}[golden.fake[i]])
	}
	data, err := filepath.Abs(data)
	if err != nil {
		t.Fatal(err)
	}
	content["labels.csv"] = labels.String()
	content["shaketable.yaml"] = twoVersions(t, data, `panel: {media: set, labels: labels.csv, every: 1m}
suites: [{name: two, version: "1", variants: ["jpeg(q=60)", "gaussian_noise(sigma=0.1)"]}]
probe: {suite: two}
`)
	dir := tree(t, content)
	server := storetest.StartRedis(t)
	log := &lockedBuffer{}
	s := workerOf(t, filepath.Join(dir, "shaketable.yaml"), server.Addr, "one", log)
	subjects, closeModels, err := s.subjects(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer closeModels()
	for _, subject := range subjects {
		if err := s.store.Register(t.Context(), subject.Generation, 1, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	prober := &pipeline.Prober{Store: s.store, Prepare: pipeline.NewPreparer(s.cfg.Prepare).Prepare, Timeout: time.Minute, Slots: make(chan struct{}, 2)}
	panels := func() map[string]pipeline.PanelRuns {
		t.Helper()
		found, err := s.store.Panels(t.Context(), "faces")
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	// A run that another worker makes an hour later: its clock says so.
	stop := s.panel(t.Context(), prober, subjects)
	eventually(t, "a run of both versions", func() bool { return len(panels()) == 2 })
	stop()
	later := &service{cfg: s.cfg, log: s.log, store: s.store, owner: "two", now: func() time.Time { return time.Now().Add(time.Hour) }}
	stop = later.panel(t.Context(), prober, subjects)
	eventually(t, "a second run of both", func() bool {
		for _, runs := range panels() {
			if runs.First.At.Equal(runs.Last.At) {
				return false
			}
		}
		return true
	})
	stop()
	if said := log.String(); strings.Count(said, "broken.png is left out") != 2 || strings.Count(said, "panel was run") != 4 {
		t.Errorf("one line was expected for the broken picture at each start, and four for runs:\n%s", said)
	}
	found := panels()
	before, after := found[subjects[0].Generation.ID], found[subjects[1].Generation.ID]
	for name, runs := range map[string]pipeline.PanelRuns{"1": before, "2": after} {
		if len(runs.First.Media) != 12 || len(runs.First.Variants) != len(subjects[0].Suite.Variants) || !reflect.DeepEqual(runs.First.Media, runs.Last.Media) {
			t.Errorf("version %s: two runs of %d pictures are not the same bit for bit", name, len(runs.First.Media))
		}
	}
	floor := int64(1)
	c, err := pipeline.ComparePanels(before.Last, after.Last, .5, 50_000, floor)
	if err != nil || c.N != 12 || c.Moved < 6 || c.MaxMove < .1 {
		t.Errorf("another model: %+v, %v", c, err)
	}
	if same, err := pipeline.ComparePanels(after.First, after.Last, .5, 50_000, 0); err != nil || same.Moved != 0 || same.Same != 12 || same.P != 1 {
		t.Errorf("the same model: %+v, %v", same, err)
	}
	// The clean verdicts are those of an independent program on the same pictures.
	agree := 0
	for _, m := range after.Last.Media {
		for i := range golden.files[:12] {
			fake := 1 - golden.real["meso4-f2f"]["clean"][i]
			if diff := m.Probs[0] - fake; diff < 1e-4 && diff > -1e-4 && *m.Fake == golden.fake[i] {
				agree++
				break
			}
		}
	}
	if agree != 12 {
		t.Errorf("%d of 12 probabilities are those of the golden table", agree)
	}
}

// TestPanelFolderIsAway: what is wrong with the folder is a warning, and nothing else happens.
func TestPanelFolderIsAway(t *testing.T) {
	dir := tree(t, map[string]string{"set/a.png": "no picture", "empty/a.txt": "", "labels.csv": "file,label\na.png,maybe\n"})
	for name, c := range map[string]struct{ media, labels, want string }{
		"no folder": {"nowhere", "", "nowhere is no folder"},
		"empty":     {"empty", "", "holds no file that ends in"},
		"bad label": {"set", "labels.csv", "neither fake nor real"},
		"nothing":   {"set", "", "none of 1 pictures can be used"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config.Default()
			cfg.Panel.Media = filepath.Join(dir, c.media)
			if c.labels != "" {
				cfg.Panel.Labels = filepath.Join(dir, c.labels)
			}
			log := &lockedBuffer{}
			s := &service{cfg: cfg, log: slog.New(slog.NewTextHandler(log, nil)), now: time.Now}
			prober := &pipeline.Prober{Prepare: pipeline.NewPreparer(cfg.Prepare).Prepare}
			stop := s.panel(t.Context(), prober, []*pipeline.Subject{{Detector: config.DefaultDetector()}})
			eventually(t, "a warning", func() bool { return strings.Contains(log.String(), "there is no panel") })
			stop()
			if !strings.Contains(log.String(), c.want) {
				t.Errorf("log lacks %q:\n%s", c.want, log)
			}
		})
	}
}

// tree writes files, and the folders that they need, into a new folder and returns its path.
func tree(t *testing.T, content map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range content {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// lockedBuffer is a log that may be read while it is written.
type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
