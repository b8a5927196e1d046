package pipeline

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"shaketable/perturb"
)

// sent is what one source sends in a minute.
type sent struct {
	source string
	n      int
	h      habits
}

// together lets minutes go by in which several sources send.
func (s *scenario) together(minutes int, g Generation, list ...sent) (transitions []Transition) {
	s.t.Helper()
	for range minutes {
		step := time.Minute
		for _, x := range list {
			x.h.slices = []string{SliceName("source", x.source)}
			s.w.pass(step, g, x.n, x.h)
			step = 0
		}
		transitions = append(transitions, s.fold()...)
	}
	return transitions
}

// threeSources send what is healthy.
func threeSources() []sent {
	return []sent{{"app", 30, healthy()}, {"partner", 20, healthy()}, {"web", 30, healthy()}}
}

// toSources brings version 1.0 and its three sources through their burn-in.
func (s *scenario) toSources() Generation {
	s.t.Helper()
	a := s.w.release("1.0")
	if ts := s.together(80, a, threeSources()...); len(ts) != 0 {
		s.t.Fatalf("burn-in brought %v", states(ts))
	}
	for _, v := range s.last.Slices {
		if !v.Judged {
			s.t.Fatalf("%s is not judged after its burn-in: %s", v.Slice, v.Why)
		}
	}
	return a
}

// dark makes pictures fail under darkening.
func dark() habits {
	h := healthy()
	h.moves = with(h.moves, "gain", .6)
	return h
}

// named returns the first alert of a tier and fails unless it names the cause.
func (s *scenario) named(tier Tier, ts []Transition, cause string, words ...string) Transition {
	s.t.Helper()
	fired := of(tier, ts)
	if len(fired) == 0 || fired[0].State != StateFiring {
		s.t.Fatalf("tier %s: %q, want a firing alert", tier, states(fired))
	}
	if fired[0].Cause != cause {
		s.t.Errorf("cause %q, want %q:\n%s", fired[0].Cause, cause, fired[0].Text)
	}
	for _, w := range words {
		if !strings.Contains(fired[0].Text, w) {
			s.t.Errorf("the text does not say %q:\n%s", w, fired[0].Text)
		}
	}
	return fired[0]
}

func TestCauseIsTheTrafficWhenAllSourcesChange(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.toSources()
	still := probedPanel(a, 200, 10, s.w.now, 0)
	list := threeSources()
	for i := range list {
		list[i].h = dark()
	}
	later := still
	later.At = s.w.now.Add(5 * time.Minute)
	s.w.panels = map[string]PanelRuns{a.ID: {First: still, Last: later}}
	fired := s.named(Paging, s.together(60, a, list...), CauseTraffic, "the traffic is the first suspect", "No single source accounts for it.",
		"The panel of 200 frozen pictures has not moved (last probed 11:25:00 UTC).", "About as many are judged fake as before (50 of 100).")
	golden(t, "traffic", fired)
	if strings.Contains(fired.Summary, "source") {
		t.Errorf("summary %q", fired.Summary)
	}
	if v := s.tier(Ticketing); len(of(Ticketing, s.seen)) != 1 || len(v.Episode.Broken) < 2 {
		t.Errorf("tickets %q of %+v: the slices belong to one", states(of(Ticketing, s.seen)), v.Episode)
	}
}

func TestWithoutPanelAndSlicesTheTextSaysSo(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.toWatching()
	s.named(Paging, s.minutes(30, a, 60, dark()), CauseTraffic, "Without a panel of frozen pictures a change of driver or library cannot be ruled out.",
		"Sources are not told apart.")
}

func TestCauseIsTheOneBadSource(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.toSources()
	list := threeSources()
	list[1].h = dark()
	ts := s.together(60, a, list...)
	page := s.named(Paging, ts, "source=partner", "source partner is the first suspect", "Of its pictures ", "All others together: ",
		"First: ask the owners of source partner")
	if !strings.HasSuffix(page.Summary, "; suspect: source partner") {
		t.Errorf("summary %q", page.Summary)
	}
	ticket := s.named(Ticketing, ts, "source=partner")
	golden(t, "source", page, ticket)
	if ticket.Rule != "RR(0.05) source partner" || !strings.Contains(ticket.Summary, "pictures of source partner changed by ordinary handling") ||
		!strings.Contains(ticket.Text, "25 in 100 of source partner") {
		t.Errorf("ticket %q:\n%s", ticket.Rule, ticket.Text)
	}
	for _, v := range s.last.Slices {
		if w := v.Windows[0]; v.Slice == "source=partner" && (math.Abs(w.Share-.25) > 1e-9 || w.Detections != 3000 || w.RR == nil || v.Windows[1].PerHour != 12000) {
			t.Errorf("%+v", v)
		}
	}
	if ts := s.together(180, a, threeSources()...); states(of(Ticketing, ts)) != "resolved" || of(Ticketing, ts)[0].Cause != "source=partner" {
		t.Errorf("after it: %q", states(of(Ticketing, ts)))
	}
}

func TestCauseIsANewSource(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.toSources()
	ts := s.together(40, a, append(threeSources(), sent{"kiosk", 40, dark()})...)
	fired := s.named(Paging, ts, "source=kiosk", "It is new: 33 of 100 pictures are of it", "ask who began to send source kiosk")
	golden(t, "source_new", fired)
	var kiosk SliceView
	for _, v := range s.last.Slices {
		if v.Slice == "source=kiosk" {
			kiosk = v
		}
	}
	if kiosk.Judged && kiosk.Probes < 1000 || !kiosk.Judged && !strings.HasPrefix(kiosk.Why, "no baseline yet") {
		t.Errorf("a new source: %+v", kiosk)
	}
}

func TestCauseIsASourceThatGrew(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.w.release("1.0")
	few, many := threeSources(), threeSources()
	few[1], many[1] = sent{"partner", 12, dark()}, sent{"partner", 100, dark()}
	s.together(100, a, few...)
	fired := s.named(Paging, s.together(60, a, many...), "source=partner", "It sends more: ", "ask why so much more comes from source partner")
	golden(t, "source_more", fired)
}

func TestCauseIsTheServing(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.toSources()
	list := threeSources()
	for i := range list {
		list[i].h = fragile()
		list[i].h.skewed = .5
	}
	ts := s.together(30, a, list...)
	fired := s.named(Ticketing, ts, CauseServing, "the deployed scores are not those of the configured model")
	golden(t, "serving", fired)
	if len(of(Paging, ts)) != 0 {
		t.Errorf("pages %q while the deployed model is another", states(of(Paging, ts)))
	}
	for _, x := range ts {
		if x.Rule == monitorRule && x.Cause != CauseServing {
			t.Errorf("%s: cause %q", x.State, x.Cause)
		}
	}
}

// A slow change is looked at from its onset on, not only within the windows.
func TestLensReachesBackToTheOnset(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.toSources()
	list := threeSources()
	for i := range list {
		list[i].h.moves = with(list[i].h.moves, "gain", .155)
	}
	var fired []Transition
	for range 400 {
		if fired = append(fired, of(Paging, s.together(1, a, list...))...); len(fired) > 0 {
			break
		}
	}
	if len(fired) != 1 || fired[0].At.Sub(s.tier(Paging).Episode.Onset) < 65*time.Minute {
		t.Fatalf("%+v", fired)
	}
	if f := fired[0]; f.Window != "since "+clock(s.tier(Paging).Episode.Onset) || f.Cause != CauseTraffic {
		t.Errorf("window %q, cause %q, onset %s", f.Window, f.Cause, s.tier(Paging).Episode.Onset)
	}
}

func TestLabelsTellHarderPicturesFromWeakerVerdicts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		wrong float64
		words string
	}{{"weaker", 0, "By their labels the verdicts are less robust: clean pictures are judged rightly as before"},
		{"harder", .3, "By their labels the pictures are harder: clean ones are judged rightly in 7"}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := play(t, scenarioConfig())
			a := s.w.release("1.0")
			h := healthy()
			h.labelled = 1
			s.minutes(70, a, 60, h)
			h.flips = with(h.flips, "gain", .4)
			h.wrong = c.wrong
			s.named(Paging, s.minutes(30, a, 60, h), CauseTraffic, c.words)
		})
	}
}

// The same state and input give the same result on any worker, with slices, labels and a panel as well.
func TestStepIsPureWithEverything(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.w.release("1.0")
	s.w.panels = map[string]PanelRuns{a.ID: {First: probedPanel(a, 60, 3, s.w.now, 0), Last: probedPanel(a, 60, 3, s.w.now.Add(time.Hour), 0)}}
	list := threeSources()
	for i := range list {
		list[i].h.labelled, list[i].h.delay = .5, 3*time.Minute
	}
	s.together(60, a, list...)
	list[0].h = dark()
	for range 20 {
		s.w.pass(time.Minute, a, 0, healthy())
		s.together(1, a, list...)
		st, err := ParseState("meso", s.state)
		if err != nil {
			t.Fatal(err)
		}
		before := string(s.state)
		in, err := s.m.Read(t.Context(), s.w.readers(), "meso", st, s.w.now.Add(time.Second))
		if err != nil {
			t.Fatal(err)
		}
		one, err := s.m.Step(st, in)
		if err != nil {
			t.Fatal(err)
		}
		two, err := machine(t, scenarioConfig()).Step(st, in)
		if err != nil {
			t.Fatal(err)
		}
		if after, _ := json.Marshal(st); string(after) != before {
			t.Fatal("Step changed the state that it was given")
		}
		if !reflect.DeepEqual(one, two) {
			t.Fatal("the same state and input gave two results")
		}
	}
	if of(Paging, s.seen) == nil || s.last.Labels.Coverage == nil || s.last.Panel == nil {
		t.Errorf("not everything was there: %q, %+v, %+v", states(s.seen), s.last.Labels, s.last.Panel)
	}
}

// A generation of attacks alone has no detector series, and so none by slice.
func TestSlicesNeedANaturalFamily(t *testing.T) {
	g := Generation{Edges: []int64{headlineEdge}, Variants: []perturb.Variant{{Family: "pgd10_self", Parameter: "2/255"}}}
	if list := sliceSeries(g, []string{"source=web"}); len(list) != 0 {
		t.Errorf("%+v", list)
	}
}
