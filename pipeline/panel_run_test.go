package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"shaketable/perturb"
	"shaketable/pipeline"
	"shaketable/pipeline/storetest"
)

// panelShelf keeps runs as the contract of [pipeline.PanelStore] says.
type panelShelf struct {
	mu   sync.Mutex
	runs map[string]pipeline.PanelRuns
	all  []pipeline.PanelRun
	fail error
}

func (s *panelShelf) Panels(context.Context, string) (map[string]pipeline.PanelRuns, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.runs), s.fail
}

func (s *panelShelf) SavePanel(_ context.Context, _ string, run pipeline.PanelRun) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was, ok := s.runs[run.Generation]
	other := ok && was.First.Panel != run.Panel
	if !ok || other {
		was.First = run
	}
	was.Last = run
	s.runs[run.Generation] = was
	s.all = append(s.all, run)
	return other, s.fail
}

// byteModel says that a picture is as fake as its first byte is large; its one variant adds a share.
type byteModel struct {
	add  float64
	fail func(pix byte) error
}

func (m byteModel) Size() (int, int) { return 1, 1 }

func (m byteModel) Probe(_ context.Context, img pipeline.Image, _ int64) ([]float64, error) {
	if m.fail != nil {
		if err := m.fail(img.Pix[0]); err != nil {
			return nil, err
		}
	}
	p := float64(img.Pix[0]) / 255
	return []float64{p, min(p+m.add, 1)}, nil
}

// byteImage takes the first byte of a file for a picture; an empty file is none.
func byteImage(_ context.Context, data []byte, _ *pipeline.Detection, _ perturb.Input) (pipeline.Image, error) {
	if len(data) == 0 {
		return pipeline.Image{}, errors.New("no picture")
	}
	return pipeline.Image{Width: 1, Height: 1, Pix: data[:1]}, nil
}

func panelSubject(version string, add float64) *pipeline.Subject {
	suite := perturb.Suite{Name: "s", Version: "1", Variants: []perturb.Variant{{Family: "jpeg", Severity: 1, Parameter: "q=75"}}}
	d := pipeline.Detector{Name: "d", Version: version, Threshold: .5}
	return &pipeline.Subject{Detector: d, Suite: suite, Model: byteModel{add: add},
		Generation: pipeline.NewGeneration(d, version, suite, nil, []int64{50_000}, "chunk=1")}
}

func panelFiles(t *testing.T, contents ...string) []pipeline.PanelFile {
	t.Helper()
	dir := t.TempDir()
	var files []pipeline.PanelFile
	for i, c := range contents {
		path := filepath.Join(dir, fmt.Sprintf("%02d.png", i))
		if err := os.WriteFile(path, []byte(c), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, pipeline.PanelFile{Path: path})
	}
	return files
}

func loadPanel(t *testing.T, files []pipeline.PanelFile) *pipeline.Panel {
	t.Helper()
	p, left, err := pipeline.LoadPanel(t.Context(), files, 100, perturb.Input{}, byteImage)
	if err != nil || len(left) > 0 {
		t.Fatal(left, err)
	}
	return p
}

func panelRunner(p *pipeline.Panel, claims pipeline.Store, shelf *panelShelf, owner string) *pipeline.PanelRunner {
	return &pipeline.PanelRunner{Panel: p, Store: shelf, Every: time.Hour, Owner: owner, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Prober: &pipeline.Prober{Store: claims, Prepare: byteImage, Timeout: time.Minute, Slots: make(chan struct{}, 1)}}
}

// TestPanelLoads: twins, files that are no picture and files that are too large are named and left out, and the panel is its
// bytes, whatever they are called.
func TestPanelLoads(t *testing.T) {
	files := panelFiles(t, "b", "", "a", "b", strings.Repeat("x", 101))
	files = append(files, pipeline.PanelFile{Path: filepath.Join(t.TempDir(), "gone.png")})
	p, left, err := pipeline.LoadPanel(t.Context(), files, 100, perturb.Input{}, byteImage)
	if err != nil || p.Len() != 2 || len(left) != 4 {
		t.Fatalf("panel %v, left out %v, %v", p, left, err)
	}
	for i, want := range []string{"no picture", "same bytes", "more than 100 bytes", "no such file"} {
		if !strings.Contains(left[i].Error(), want) {
			t.Errorf("left out: %v, want %q", left[i], want)
		}
	}
	if other := loadPanel(t, panelFiles(t, "a", "b")); other.ID != p.ID {
		t.Errorf("panel ids %s and %s of the same pictures", p.ID, other.ID)
	}
	if other := loadPanel(t, panelFiles(t, "a", "c")); other.ID == p.ID {
		t.Error("other pictures have the same id")
	}
	if _, _, err := pipeline.LoadPanel(t.Context(), panelFiles(t, "", ""), 100, perturb.Input{}, byteImage); err == nil {
		t.Error("a panel of nothing was loaded")
	}
	many := make([]pipeline.PanelFile, pipeline.MaxPanel+1)
	if _, _, err := pipeline.LoadPanel(t.Context(), many, 100, perturb.Input{}, byteImage); err == nil || !strings.Contains(err.Error(), "at most 1000") {
		t.Errorf("a panel that is too large: %v", err)
	}
}

// TestPanelOneWorkerAPeriod: of two workers one runs each generation at the start and once an hour, and a new generation is
// run at once.
func TestPanelOneWorkerAPeriod(t *testing.T) {
	files := panelFiles(t, "a", " ", "\xf0")
	synctest.Test(t, func(t *testing.T) {
		claims := storetest.NewMemory(time.Now)
		shelf := &panelShelf{runs: map[string]pipeline.PanelRuns{}}
		panel := loadPanel(t, files)
		ctx, stop := context.WithCancel(t.Context())
		var workers sync.WaitGroup
		for _, owner := range []string{"one", "two"} {
			r := panelRunner(panel, claims, shelf, owner)
			workers.Go(func() { r.Run(ctx, []*pipeline.Subject{panelSubject("1", .1), panelSubject("2", .2)}) })
		}
		time.Sleep(time.Minute)
		if n := len(shelf.all); n != 2 {
			t.Errorf("%d runs at the start, want one for each generation", n)
		}
		time.Sleep(5 * time.Hour)
		if n := len(shelf.all); n != 12 {
			t.Errorf("%d runs after five hours, want 12", n)
		}
		late := panelRunner(panel, claims, shelf, "three")
		workers.Go(func() { late.Run(ctx, []*pipeline.Subject{panelSubject("3", .3)}) })
		time.Sleep(time.Minute)
		if n := len(shelf.all); n != 13 {
			t.Errorf("%d runs after a third generation appeared, want 13", n)
		}
		stop()
		workers.Wait()
		for id, runs := range shelf.runs {
			c, err := pipeline.ComparePanels(runs.First, runs.Last, .5, 50_000, 0)
			if err != nil || c.N != 3 || c.Moved != 0 || c.Same != 3 {
				t.Errorf("generation %s: the same model moved: %+v, %v", id, c, err)
			}
		}
		one, three := shelf.runs[panelSubject("1", .1).Generation.ID], shelf.runs[panelSubject("3", .3).Generation.ID]
		c, err := pipeline.ComparePanels(one.Last, three.Last, .5, 150_000, 0)
		if err != nil || c.Worse != 2 || c.Same != 1 { // of the brightest, .94, at most .06 is left to move
			t.Errorf("another model: %+v, %v", c, err)
		}
	})
}

// seedModel remembers the seeds of the noise.
type seedModel struct {
	byteModel
	seeds *[]int64
}

func (m seedModel) Probe(ctx context.Context, img pipeline.Image, seed int64) ([]float64, error) {
	*m.seeds = append(*m.seeds, seed)
	return m.byteModel.Probe(ctx, img, seed)
}

// TestPanelNoiseIsThatOfTheBytes: wherever a worker has the pictures, they get the same noise: else any noise would look like
// a change of the model.
func TestPanelNoiseIsThatOfTheBytes(t *testing.T) {
	var seeds [2][]int64
	for i := range seeds {
		files := panelFiles(t, "a", "b")
		synctest.Test(t, func(t *testing.T) {
			s := panelSubject("1", .1)
			s.Model = seedModel{byteModel{}, &seeds[i]}
			r := panelRunner(loadPanel(t, files), storetest.NewMemory(time.Now), &panelShelf{runs: map[string]pipeline.PanelRuns{}}, "one")
			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			defer stop()
			r.Run(ctx, []*pipeline.Subject{s})
		})
	}
	if len(seeds[0]) != 2 || seeds[0][0] == seeds[0][1] || !slices.Equal(seeds[0], seeds[1]) {
		t.Errorf("seeds %v and %v", seeds[0], seeds[1])
	}
}

// TestPanelChanged: a picture that was overwritten is left out of the runs of this worker; other pictures replace the first run.
func TestPanelChanged(t *testing.T) {
	files := panelFiles(t, "a", "b", "c")
	synctest.Test(t, func(t *testing.T) {
		claims := storetest.NewMemory(time.Now)
		shelf := &panelShelf{runs: map[string]pipeline.PanelRuns{}}
		s := panelSubject("1", .1)
		work := func(p *pipeline.Panel) {
			ctx, cancel := context.WithTimeout(t.Context(), 90*time.Minute)
			defer cancel()
			panelRunner(p, claims, shelf, "w").Run(ctx, []*pipeline.Subject{s})
		}
		first := loadPanel(t, files)
		if err := os.WriteFile(files[1].Path, []byte("q"), 0o600); err != nil {
			t.Fatal(err)
		}
		work(first)
		run := shelf.runs[s.Generation.ID].Last
		empty := 0
		for _, m := range run.Media {
			if len(m.Probs) == 0 {
				empty++
			}
		}
		if len(run.Media) != 3 || empty != 1 || run.Panel != first.ID {
			t.Errorf("run with a changed picture: %+v", run)
		}
		second := loadPanel(t, files)
		work(second)
		if runs := shelf.runs[s.Generation.ID]; runs.First.Panel != second.ID || runs.Last.Panel != second.ID {
			t.Errorf("the first run is still that of the panel before")
		}
	})
}

// TestPanelNeverHarms: models that fail or panic, a store that is away and slots that are taken cost a warning and time.
func TestPanelNeverHarms(t *testing.T) {
	files := panelFiles(t, "a", "b", "c")
	for name, c := range map[string]struct {
		fail func(byte) error
		away error
		runs int
		want string
	}{
		"one picture":  {fail: func(b byte) error { return map[bool]error{true: errors.New("odd one")}[b == 'a'] }, runs: 2, want: "odd one"},
		"all pictures": {fail: func(byte) error { return errors.New("no device") }, runs: 0, want: "3 of 3"},
		"panic":        {fail: func(byte) error { panic("bug") }, runs: 0, want: "bug"},
		"store away":   {away: errors.New("no redis"), runs: 0, want: "no redis"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				shelf := &panelShelf{runs: map[string]pipeline.PanelRuns{}, fail: c.away}
				s := panelSubject("1", .1)
				s.Model = byteModel{fail: c.fail}
				r := panelRunner(loadPanel(t, files), storetest.NewMemory(time.Now), shelf, "w")
				log := &strings.Builder{}
				r.Log = slog.New(slog.NewTextHandler(io.Writer(log), nil))
				r.Prober.Slots <- struct{}{} // a live probe that never rests
				go func() { time.Sleep(20 * time.Minute); <-r.Prober.Slots }()
				ctx, cancel := context.WithTimeout(t.Context(), 80*time.Minute)
				defer cancel()
				r.Run(ctx, []*pipeline.Subject{s})
				if len(shelf.all) != c.runs || !strings.Contains(log.String(), c.want) || !strings.Contains(log.String(), "level=WARN") {
					t.Errorf("%d runs, want %d; log:\n%s", len(shelf.all), c.runs, log)
				}
			})
		})
	}
}
