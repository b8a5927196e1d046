package redis

import (
	"math"
	"reflect"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"shaketable/pipeline"
	"shaketable/pipeline/storetest"
)

func TestPanels(t *testing.T) {
	t.Parallel()
	server := storetest.StartRedis(t)
	s := open(t, at(server.Addr))
	now := time.Now().UTC().Truncate(time.Second)
	for _, id := range []string{"g1", "g2", "g3"} {
		if err := s.Register(t.Context(), pipeline.Generation{ID: id, Detector: "d"}, 2, now); err != nil {
			t.Fatal(err)
		}
	}
	run := func(generation, panel string, after time.Duration, p float64) pipeline.PanelRun {
		fake := true
		return pipeline.PanelRun{Generation: generation, Version: "1", At: now.Add(after), Panel: panel, Threshold: .5, Variants: []string{"jpeg q=75", "blur k=7"},
			Media: []pipeline.PanelMedia{{Name: "ab", Fake: &fake, Probs: []float64{p, 1. / 3, p}}}}
	}
	for i, step := range []struct {
		run      pipeline.PanelRun
		replaced bool
		first    float64
	}{
		{run("g1", "x", 0, .1), false, .1}, {run("g1", "x", time.Hour, .2), false, .1}, {run("g2", "x", time.Hour, .3), false, .1},
		{run("g1", "y", 2*time.Hour, .4), true, .4}, {run("g1", "y", 3*time.Hour, .5), false, .4},
	} {
		replaced, err := s.SavePanel(t.Context(), "d", step.run)
		if err != nil || replaced != step.replaced {
			t.Fatalf("step %d: replaced %v, %v", i, replaced, err)
		}
		got, err := s.Panels(t.Context(), "d")
		if err != nil {
			t.Fatal(err)
		}
		if last := got[step.run.Generation].Last; !reflect.DeepEqual(last, step.run) {
			t.Errorf("step %d: last is\n%+v\nwant\n%+v", i, last, step.run)
		}
		if first := got["g1"].First.Media[0].Probs[0]; first != step.first {
			t.Errorf("step %d: first is that of p=%v, want %v", i, first, step.first)
		}
		if _, ok := got["g3"]; ok {
			t.Error("a generation without a run has one")
		}
	}
	lacking := run("g2", "x", 4*time.Hour, .5)
	lacking.Media[0].Probs[1] = math.NaN()
	if _, err := s.SavePanel(t.Context(), "d", lacking); err != nil {
		t.Fatal(err)
	}
	got, err := s.Panels(t.Context(), "d")
	if err != nil || !math.IsNaN(got["g2"].Last.Media[0].Probs[1]) {
		t.Errorf("what did not run came back as %+v, %v", got["g2"].Last.Media, err)
	}
	plain := goredis.NewClient(&goredis.Options{Addr: server.Addr})
	defer plain.Close()
	life, err := plain.PTTL(t.Context(), "shaketable:{d/d}:panel:g1").Result()
	if want := panelLife + 3*time.Hour; err != nil || life > want || life < want-time.Minute {
		t.Errorf("it lives for %v, want %v (%v)", life, want, err)
	}
}

func TestPanelRefuses(t *testing.T) {
	t.Parallel()
	server := storetest.StartRedis(t)
	s := open(t, at(server.Addr))
	for name, run := range map[string]pipeline.PanelRun{
		"no panel":      {Generation: "g", At: time.Now()},
		"no time":       {Generation: "g", Panel: "x"},
		"no generation": {Panel: "x", At: time.Now()},
	} {
		if _, err := s.SavePanel(t.Context(), "d", run); err == nil {
			t.Errorf("%s: was stored", name)
		}
	}
	plain := goredis.NewClient(&goredis.Options{Addr: server.Addr})
	defer plain.Close()
	if err := plain.Set(t.Context(), "shaketable:{d/d}:panel:g", "text", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.SavePanel(t.Context(), "d", pipeline.PanelRun{Generation: "g", Panel: "x", At: time.Now()}); err == nil {
		t.Error("a key of another type was overwritten")
	}
}
