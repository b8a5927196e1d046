package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"shaketable/metrics"
)

func TestOrderValidate(t *testing.T) {
	t.Parallel()
	at := time.Unix(1, 0)
	whole := func(o Order) Order { o.ID, o.Author, o.Reason, o.At = "o", "ada", "why", at; return o }
	for name, c := range map[string]struct {
		order Order
		want  string
	}{
		"freeze":            {whole(Order{Kind: OrderFreeze}), ""},
		"test":              {whole(Order{Kind: OrderTest, Tier: Paging}), ""},
		"mute":              {whole(Order{Kind: OrderMute, Until: at}), ""},
		"mute without end":  {whole(Order{Kind: OrderMute}), "needs an end"},
		"approve nothing":   {whole(Order{Kind: OrderApprove}), "needs the id"},
		"unmute nothing":    {whole(Order{Kind: OrderUnmute}), "needs the id"},
		"import nothing":    {whole(Order{Kind: OrderImport}), "no baseline"},
		"import unfit":      {whole(Order{Kind: OrderImport, Baseline: &metrics.Baseline{}}), "schema is 0"},
		"unknown":           {whole(Order{Kind: "burn"}), `kind "burn"`},
		"unknown tier":      {whole(Order{Kind: OrderTest, Tier: "siren"}), `tier "siren"`},
		"negative span":     {whole(Order{Kind: OrderFreeze, Span: -1}), "negative"},
		"nobody":            {Order{ID: "o", At: at, Kind: OrderFreeze, Reason: "x"}, "author"},
		"no reason":         {Order{ID: "o", At: at, Kind: OrderFreeze, Author: "x"}, "reason"},
		"no id and no time": {Order{Kind: OrderFreeze, Author: "x", Reason: "y"}, "no id"},
	} {
		err := c.order.Validate()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// Somebody accepts a change: the episode against the old rates ends, the new rates are what counts, and a further fall is
// noticed.
func TestAcceptedChangeEndsTheEpisodeAndIsHeldAgainst(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.toWatching()
	if fired := of(Paging, s.minutes(90, a, 60, fragile())); states(fired) != "firing" {
		t.Fatalf("page transitions %q, want one firing", states(fired))
	}
	frozen, _ := s.minute(a, 60, fragile(), Order{Kind: OrderFreeze, Span: time.Hour})
	if !frozen.Done || s.tier(Paging).State != StateFiring {
		t.Fatalf("freeze: %+v, page %s: a proposal must change nothing", frozen, s.tier(Paging).State)
	}
	g := s.now().Generations[a.ID]
	b := g.Proposed[0]
	jpeg := b.Series["rr(0.05)/jpeg/q=75"]
	if b.Kind != metrics.Accepted || b.Version != 2 || b.Author != "ada" || b.Approved != nil || jpeg.N < 3600 || jpeg.N > 3700 ||
		jpeg.K/jpeg.N < .34 || jpeg.K/jpeg.N > .46 { // .38 + .62 x .02 flips, counted over the last hour only
		t.Errorf("proposed %+v, jpeg %+v", b, jpeg)
	}
	approved, ts := s.minute(a, 60, fragile(), Order{Kind: OrderApprove, Target: b.ID})
	pages := of(Paging, ts)
	if !approved.Done || states(pages) != "superseded" || !strings.Contains(pages[0].Summary, "the change was accepted by ada: because") ||
		pages[0].Previous != StateFiring || s.tier(Paging).State != StateOK {
		t.Fatalf("approve: %+v, page transitions %q, page %s", approved, states(pages), s.tier(Paging).State)
	}
	if got := of(Ticketing, ts); states(got) != "superseded" {
		t.Errorf("ticket transitions %q, want one superseded", states(got))
	}
	st := s.now()
	g = st.Generations[a.ID]
	if len(g.Proposed) != 0 || g.Baselines[0].ID != b.ID || g.Baselines[0].Approved == nil || g.Baselines[0].Approved.By != "ada" {
		t.Errorf("in use %+v, proposed %+v", g.Baselines, g.Proposed)
	}
	if state := g.Series["rr(0.05)/jpeg"]; state.ESR.Trials.N != 0 || state.Progress > .1 {
		t.Errorf("evidence against the old baseline is kept: %+v", state)
	}
	if ts := s.minutes(120, a, 60, fragile()); states(of(Paging, ts)) != "" {
		t.Errorf("what was accepted fires again: %q", states(of(Paging, ts)))
	}
	worse := fragile()
	worse.moves = with(worse.moves, "jpeg", .7)
	if fired := of(Paging, s.minutes(60, a, 60, worse)); states(fired) != "firing" || fired[0].BaselineName != b.ID {
		t.Errorf("a further fall: %q %+v", states(fired), fired)
	}
	// The approval is taken back by approving what it replaced.
	if len(st.Generations[a.ID].Replaced) != 1 {
		t.Fatalf("replaced %+v", st.Generations[a.ID].Replaced)
	}
	again, _ := s.minute(a, 60, healthy(), Order{Kind: OrderApprove, Target: st.Generations[a.ID].Replaced[0].ID})
	if !again.Done || s.last.Baselines[0].Kind != metrics.BurnIn {
		t.Errorf("back to the old baseline: %+v, in use %+v", again, s.last.Baselines)
	}
}

// A promise is not undone by accepting a change: an episode that it is part of goes on, led by it.
func TestAcceptedChangeLeavesAPromise(t *testing.T) {
	t.Parallel()
	c := scenarioConfig()
	c.Objective = map[string]float64{"rr(0.05)/jpeg": .80}
	s := play(t, c)
	a := s.toWatching()
	s.minutes(60, a, 60, fragile())
	e := s.now().Alerts[Paging].Episode
	if e == nil || len(e.Broken) < 2 {
		t.Fatalf("episode %+v, want the promise and a series held against the baseline", e)
	}
	frozen, _ := s.minute(a, 60, fragile(), Order{Kind: OrderFreeze, Span: 15 * time.Minute})
	_, ts := s.minute(a, 60, fragile(), Order{Kind: OrderApprove, Target: frozen.Made})
	if got := of(Paging, ts); len(got) != 0 {
		t.Errorf("page transitions %q: the promise is still broken", states(got))
	}
	e = s.now().Alerts[Paging].Episode
	if e == nil || len(e.Broken) != 1 || e.Broken[0].Series != "objective:rr(0.05)/jpeg" || e.Series != e.Broken[0].Series {
		t.Errorf("episode %+v, want the promise alone", e)
	}
}

func TestOrdersThatCannotBeCarriedOutSayWhy(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	refused := func(what string, o Order, words ...string) {
		t.Helper()
		a, _ := s.ask(o)
		for _, w := range words {
			if a.Done || !strings.Contains(a.Text, w) {
				t.Errorf("%s: done %t, %q, want %q", what, a.Done, a.Text, w)
			}
		}
	}
	refused("freeze before anything", Order{ID: "1", Kind: OrderFreeze}, "nothing was counted of meso")
	a := s.w.release("1.0")
	other, err := FreezeBaseline(metrics.File, a, Counts{}, s.w.now, "x", nil)
	if err == nil {
		t.Fatal("an empty baseline is valid")
	}
	other.Series = map[string]metrics.Reference{"rr(0.05)/jpeg/q=75": {N: 300, K: 3}}
	other.Generation, other.Provenance = "elsewhere", map[string]string{ProvenanceModel: "another"}
	s.minutes(3, a, 50, healthy())
	refused("freeze of too little", Order{ID: "2", Kind: OrderFreeze}, "too few probes: 150", "needs 200")
	refused("freeze of a month", Order{ID: "3", Kind: OrderFreeze, Span: LongestSpan + 1}, "at most 7 days")
	refused("another model", Order{ID: "4", Kind: OrderImport, Baseline: &other}, "another model", "version 1.0")
	small, strange := other, other
	small.ID, small.Provenance = "small", map[string]string{ProvenanceModel: a.Digest}
	small.Series = map[string]metrics.Reference{"rr(0.05)/jpeg/q=75": {N: 104, K: 3}}
	refused("import of too little", Order{ID: "5", Kind: OrderImport, Baseline: &small}, "104 pictures", "200")
	strange.ID, strange.Provenance = "strange", small.Provenance
	strange.Series = map[string]metrics.Reference{"rr(0.05)/fog/3": {N: 300, K: 3}}
	refused("import of another suite", Order{ID: "6", Kind: OrderImport, Baseline: &strange}, "no variant in common", "rr(0.05)/fog/3")
	promise := strange
	promise.Kind, promise.Series = metrics.Objective, map[string]metrics.Reference{"ra_self": {Objective: .9}}
	refused("an objective", Order{ID: "7", Kind: OrderImport, Baseline: &promise}, "alerts.objective")
	refused("approve what is not there", Order{ID: "8", Kind: OrderApprove, Target: "nothing"}, `"nothing" is no baseline of meso`)
	refused("unmute what is not there", Order{ID: "9", Kind: OrderUnmute, Target: "nothing"}, "it has none")
	refused("mute of the past", Order{ID: "10", Kind: OrderMute, Until: s.w.now.Add(-time.Hour)}, "already")
	refused("mute for ever", Order{ID: "11", Kind: OrderMute, Until: s.w.now.Add(31 * 24 * time.Hour)}, "30 days")
	refused("test without a receiver", Order{ID: "12", Kind: OrderTest}, "nowhere to send")
	s.minutes(57, a, 60, healthy())
	inUse := s.last.Baselines[0].ID
	refused("approve what is in use", Order{ID: "13", Kind: OrderApprove, Target: inUse}, "in use already")
	skewed := healthy()
	skewed.skewed = .4
	s.minutes(20, a, 60, skewed)
	refused("freeze of what is not trusted", Order{ID: "14", Kind: OrderFreeze}, "not to be trusted now")
}

// A freeze may look further back than any window, and takes whole buckets.
func TestFreezeOfSeveralDays(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.w.release("1.0")
	s.steps(20, time.Hour, a, 100, fragile())
	s.steps(50, time.Hour, a, 100, healthy())
	for i, c := range []struct {
		span time.Duration
		want float64
	}{{0, 7000}, {time.Hour, 100}, {48 * time.Hour, 4800}, {24 * time.Hour, 2400}, {5 * time.Hour, 600}} {
		a, _ := s.ask(Order{ID: fmt.Sprint(i), Kind: OrderFreeze, Span: c.span})
		if c.want < leastProposed {
			if a.Done || !strings.Contains(a.Text, "too few probes: 100") {
				t.Errorf("%s: %+v", c.span, a)
			}
			continue
		}
		proposed := s.now().Generations["gen-1.0"].Proposed
		ref := proposed[len(proposed)-1].Series["rr(0.05)/jpeg/q=75"]
		if !a.Done || ref.N != c.want {
			t.Errorf("%s: %v trials, want %v (%s)", c.span, ref.N, c.want, a.Text)
		}
		if rate := ref.K / ref.N; c.span > 0 && (rate < .08 || rate > .16) {
			t.Errorf("%s: failure rate %.3f counts what is older", c.span, rate)
		}
	}
}

func TestRepeatConfig(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]RepeatConfig{"": {}, "repeat.page: -1ns": {Page: -1}, "repeat.ticket: 1s": {Ticket: time.Second, Page: time.Minute}} {
		cfg := DefaultAlertConfig()
		cfg.Repeat = c
		es := cfg.Validate()
		if (want == "") != (len(es) == 0) || want != "" && !strings.Contains(es[0].Error(), want) {
			t.Errorf("%+v: %v, want %q", c, es, want)
		}
	}
}

// What evaluate counted is imported, exported and imported again as the same.
func TestImportedBaselineServesItsModel(t *testing.T) {
	t.Parallel()
	one := play(t, scenarioConfig())
	a := one.w.release("1.0")
	one.minutes(20, a, 60, healthy())
	file, err := FreezeBaseline(metrics.File, a, one.w.cells[Cell{Generation: a.ID, Kind: Total}], one.w.now, "offline", nil)
	if err != nil {
		t.Fatal(err)
	}
	file.Generation = "of another suite"
	s := play(t, scenarioConfig())
	s.w.release("1.0")
	s.minutes(5, a, 60, healthy())
	imported, _ := s.obeyed(Order{ID: "1", Kind: OrderImport, Baseline: &file})
	twice, _ := s.obeyed(Order{ID: "2", Kind: OrderImport, Baseline: &file})
	if imported.Made != file.ID || twice.Made != file.ID || len(s.now().Generations[a.ID].Proposed) != 1 {
		t.Fatalf("imported %+v, then %+v", imported, twice)
	}
	changed := file
	changed.Series = map[string]metrics.Reference{"rr(0.05)/jpeg/q=75": {N: 1000, K: 1}}
	if a, _ := s.ask(Order{ID: "3", Kind: OrderImport, Baseline: &changed}); a.Done || !strings.Contains(a.Text, "another baseline with the id") {
		t.Errorf("other figures under the same id: %+v", a)
	}
	s.obeyed(Order{ID: "4", Kind: OrderApprove, Target: file.ID})
	b := s.now().Generations[a.ID].Baselines[0]
	if b.ID != file.ID || b.Approved == nil || b.Provenance[ProvenanceImportedBy] != "ada" || b.Version != 1 {
		t.Errorf("in use %+v", b)
	}
	if fired := of(Paging, s.minutes(30, a, 60, fragile())); states(fired) != "firing" || fired[0].BaselineName != file.ID {
		t.Errorf("held against it: %q", states(fired))
	}
	text, err := FormatBaselines([]metrics.Baseline{b})
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseBaselines(text)
	if err != nil || !reflect.DeepEqual(back[0], b) {
		t.Errorf("exported and read again: %v\n got %+v\nwant %+v", err, back, b)
	}
	// Exported baselines of any kind serve from alerts.file, too.
	accepted := back[0]
	accepted.Kind = metrics.Accepted
	from := play(t, scenarioConfig(), accepted)
	from.w.release("1.0")
	from.minutes(2, a, 60, healthy())
	if len(from.last.Baselines) != 1 || from.last.Baselines[0].ID != file.ID {
		t.Errorf("from alerts.file: %+v", from.last.Baselines)
	}
}

func TestBurnInWaitsForItsApproval(t *testing.T) {
	t.Parallel()
	c := scenarioConfig()
	c.BurnIn.Approval = true
	s := play(t, c)
	a := s.w.release("1.0")
	s.minutes(120, a, 60, healthy())
	g := s.now().Generations[a.ID]
	if len(g.Baselines) != 0 || len(g.Proposed) != 1 || g.Proposed[0].Kind != metrics.BurnIn || s.tier(Paging).State != StateLearning {
		t.Fatalf("in use %d, proposed %d, page %s: want one proposal", len(g.Baselines), len(g.Proposed), s.tier(Paging).State)
	}
	if ts := of(Paging, s.minutes(30, a, 60, fragile())); len(ts) != 0 {
		t.Errorf("a proposal judges: %q", states(ts))
	}
	s.minutes(30, a, 60, healthy())
	s.obeyed(Order{Kind: OrderApprove, Target: g.Proposed[0].ID})
	if s.tier(Paging).State != StateOK {
		t.Errorf("after the approval: %s", s.tier(Paging).State)
	}
	if ts := of(Paging, s.minutes(60, a, 60, healthy())); len(ts) != 0 {
		t.Errorf("what came before the approval counts against it: %q", states(ts))
	}
	if got := len(s.now().Generations[a.ID].all()); got != 1 {
		t.Errorf("%d baselines: a burn-in was proposed again", got)
	}
	if fired := of(Paging, s.minutes(60, a, 60, fragile())); states(fired) != "firing" {
		t.Errorf("after the approval: %q", states(fired))
	}
}

func TestMuteHoldsBackAndTellsWhenItEnds(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.toWatching()
	mute, _ := s.obeyed(Order{ID: "quiet", Kind: OrderMute, Until: s.w.now.Add(time.Hour), Tier: Paging})
	ts := s.minutes(30, a, 60, fragile())
	pages, tickets := of(Paging, ts), of(Ticketing, ts)
	if states(pages) != "firing" || pages[0].Notify != NotifyNone || pages[0].Muted != mute.Made || s.tier(Paging).State != StateFiring {
		t.Fatalf("muted page: %+v, state %s", pages, s.tier(Paging).State)
	}
	if len(tickets) == 0 || tickets[0].Notify != NotifyTicket || tickets[0].Muted != "" {
		t.Errorf("the mute of pages holds back tickets: %+v", tickets)
	}
	again := of(Paging, s.steps(12, 5*time.Minute, a, 300, fragile()))
	if states(again) != "firing" {
		t.Fatalf("after the mute: %q, want firing once more", states(again))
	}
	r := again[0]
	if r.Repeat != 1 || r.Notify != NotifyPage || r.Muted != "" || r.Episode != pages[0].Episode || r.ID == pages[0].ID || r.Previous != StateFiring {
		t.Errorf("after the mute: %+v", r)
	}
	if !strings.Contains(r.Summary, "meso 1.0: still, after ") || !strings.Contains(r.Text, "A mute has ended") || !strings.Contains(r.Text, "First: ") {
		t.Errorf("summary %q, text\n%s", r.Summary, r.Text)
	}
	if len(s.now().Mutes) != 0 {
		t.Errorf("mutes that have ended are kept: %+v", s.now().Mutes)
	}
	s.obeyed(Order{ID: "long", Kind: OrderMute, Until: s.w.now.Add(20 * 24 * time.Hour)})
	if ended := s.steps(40, 5*time.Minute, a, 300, healthy()); states(of(Paging, ended)) != "resolved" || of(Paging, ended)[0].Notify != NotifyNone {
		t.Errorf("resolved under a mute: %+v", of(Paging, ended))
	}
	s.obeyed(Order{ID: "end", Kind: OrderUnmute, Target: "long"})
	if ts := s.minutes(5, a, 60, healthy()); len(of(Paging, ts)) != 0 || len(s.now().Mutes) != 0 {
		t.Errorf("the end of a mute over nothing says %q", states(ts))
	}
}

func TestFiringIsRepeatedWithTheFiguresOfNow(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.toWatching()
	fired := of(Paging, s.minutes(10, a, 60, fragile()))
	worse := fragile()
	worse.moves = with(worse.moves, "jpeg", .6)
	again := of(Paging, s.steps(9*12, 5*time.Minute, a, 100, worse))
	if states(again) != "firing firing" || again[0].Repeat != 1 || again[1].Repeat != 2 {
		t.Fatalf("in nine hours: %q, want two reminders", states(again))
	}
	for i, r := range again {
		wait := r.At.Sub(fired[0].At)
		if want := time.Duration(i+1) * 4 * time.Hour; wait < want || wait > want+10*time.Minute {
			t.Errorf("reminder %d after %s, want %s", i+1, wait, want)
		}
		if r.Value > .45 || !strings.Contains(r.Text, "Reminder ") || r.ID == fired[0].ID {
			t.Errorf("reminder %d: value %.2f, id %s, text\n%s", i+1, r.Value, r.ID, r.Text)
		}
	}
	if again[0].ID == again[1].ID {
		t.Error("two reminders have one id")
	}
	c := scenarioConfig()
	c.Notify, c.Repeat = NotifyNone, RepeatConfig{Page: time.Minute}
	silent := play(t, c)
	a = silent.toWatching()
	if ts := of(Paging, silent.minutes(30, a, 60, fragile())); states(ts) != "firing" {
		t.Errorf("nobody is told, but reminded: %q", states(ts))
	}
}

func TestAlertThatComesAndGoesBecomesOne(t *testing.T) {
	t.Parallel()
	c := scenarioConfig()
	c.Resolve = ResolveConfig{Margin: .02, MinProbes: 100, Hold: 10 * time.Minute}
	s := play(t, c)
	a := s.toWatching()
	h := healthy()
	h.moves = with(h.moves, "jpeg", .9)
	var lasted []time.Duration
	for n := range 4 {
		up := of(Paging, s.minutes(5, a, 200, h))
		if states(up) != "firing" || up[0].Flapping != (n == 3) {
			t.Fatalf("trouble %d: came %q, flapping %t", n+1, states(up), up[0].Flapping)
		}
		if n == 3 && (!strings.Contains(up[0].Summary, "it has come and gone 3 times in 24h") || !strings.Contains(up[0].Text, "ends only after 20m without trouble")) {
			t.Errorf("summary %q, text\n%s", up[0].Summary, up[0].Text)
		}
		down := of(Paging, s.minutes(60, a, 200, healthy()))
		if states(down) != "resolved" {
			t.Fatalf("trouble %d: went %q", n+1, states(down))
		}
		lasted = append(lasted, down[0].At.Sub(up[0].At))
	}
	if more := lasted[3] - max(lasted[0], lasted[1], lasted[2]); more < 7*time.Minute || more > 13*time.Minute {
		t.Errorf("episodes lasted %v: the one that flaps should last about 10m longer", lasted)
	}
	s.steps(25, time.Hour, a, 100, healthy())
	if up := of(Paging, s.minutes(10, a, 200, h)); states(up) != "firing" || up[0].Flapping {
		t.Errorf("a day later: %q %+v", states(up), up)
	}
}

func TestTestGoesTheWayOfAlerts(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	s.sinks = []string{"otlp", "webhook"}
	a := s.toWatching()
	answer, ts := s.obeyed(Order{ID: "drill", Kind: OrderTest, Tier: Paging})
	if states(ts) != "test" || ts[0].ID != answer.Made || ts[0].Tier != Paging || ts[0].Notify != NotifyPage || !strings.Contains(ts[0].Summary, "TEST") ||
		!strings.Contains(ts[0].Text, "Nothing is wrong") || !reflect.DeepEqual(answer.Sinks, s.sinks) {
		t.Errorf("%+v, answer %+v", ts, answer)
	}
	if s.tier(Paging).State != StateOK || s.minutes(1, a, 60, healthy()) != nil {
		t.Error("a test changes the state")
	}
	s.obeyed(Order{ID: "quiet", Kind: OrderMute, Until: s.w.now.Add(time.Hour)})
	if answer, ts := s.obeyed(Order{ID: "drill 2", Kind: OrderTest}); ts[0].Notify != NotifyNone || !strings.Contains(answer.Text, "mute quiet") {
		t.Errorf("muted test: %+v, %q", ts, answer.Text)
	}
}

// An order that stays in the list because a save was lost, or comes back with an older store, is carried out once.
func TestOrderIsCarriedOutOnce(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.toWatching()
	o := s.signed(Order{ID: "once", Kind: OrderFreeze, Span: 15 * time.Minute})
	for range 3 {
		s.desk.list = []Order{o, o}
		s.minutes(1, a, 60, healthy())
	}
	if st := s.now(); len(st.Generations[a.ID].Proposed) != 1 || len(st.Answers) != 1 || len(s.desk.list) != 0 {
		t.Errorf("%d proposals, %d answers, %d orders left", len(st.Generations[a.ID].Proposed), len(st.Answers), len(s.desk.list))
	}
	for i := range 2 * keptAnswers {
		s.desk.list = append(s.desk.list, s.signed(Order{ID: fmt.Sprint("mute ", i), Kind: OrderMute, Until: s.w.now.Add(time.Hour)}))
	}
	s.minutes(1, a, 60, healthy())
	if st := s.now(); len(st.Answers) != keptAnswers || len(st.Mutes) != 2*keptAnswers || len(s.desk.list) != 0 {
		t.Errorf("%d answers, %d mutes, %d orders left", len(st.Answers), len(st.Mutes), len(s.desk.list))
	}
}

// Orders in any interleaving with folds, with folds that are computed and lost, lead to what the orders say in their order:
// the same as one after the other, one a fold.
func TestOrdersInAnyInterleavingWithFolds(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.toWatching()
	s.w.pass(time.Minute, a, 60, healthy()) // time stands still from here: the figures are the same for all
	begin := s.state
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var plan []Order
		for i := range 12 {
			o := Order{ID: fmt.Sprint("o", i), Kind: OrderMute, Until: s.w.now.Add(10 * time.Hour), Tier: tiers()[rng.IntN(3)]}
			switch rng.IntN(4) {
			case 0:
				o = Order{ID: o.ID, Kind: OrderUnmute, Target: fmt.Sprint("o", rng.IntN(12))}
			case 1:
				o = Order{ID: o.ID, Kind: OrderFreeze}
			case 2:
				o = Order{ID: o.ID, Kind: OrderApprove, Target: fmt.Sprintf("accepted-%s-o%d", a.ID, rng.IntN(12))}
			}
			plan = append(plan, s.signed(o))
		}
		one := func(batches func() int, lose func() bool) (*State, []string) {
			s.state, s.desk.list = begin, nil
			for rest := plan; len(rest) > 0; {
				n := min(batches(), len(rest))
				s.desk.list = append(s.desk.list, rest[:n]...)
				rest = rest[n:]
				kept, waiting := s.state, slices.Clone(s.desk.list)
				s.fold()
				if lose() { // the save never arrived: neither the state nor the dropped orders count
					s.state, s.desk.list = kept, waiting
				}
			}
			s.fold()
			var answers []string
			for _, x := range s.now().Answers {
				answers = append(answers, fmt.Sprint(x.ID, x.Done))
			}
			return s.now(), answers
		}
		want, wantAnswers := one(func() int { return 1 }, func() bool { return false })
		got, gotAnswers := one(func() int { return rng.IntN(5) }, func() bool { return rng.IntN(3) == 0 })
		if !reflect.DeepEqual(gotAnswers, wantAnswers) || !reflect.DeepEqual(got.Mutes, want.Mutes) ||
			!reflect.DeepEqual(got.Generations[a.ID].all(), want.Generations[a.ID].all()) {
			t.Fatalf("seed %d:\nanswers %v\n   want %v\nmutes %v\n want %v", seed, gotAnswers, wantAnswers, got.Mutes, want.Mutes)
		}
	}
}

// A state that an earlier version of the program stored is read, and goes on.
func TestStatesOfEarlierVersionsAreRead(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.toWatching()
	s.minutes(20, a, 60, fragile())
	var old map[string]any
	if err := json.Unmarshal(s.state, &old); err != nil {
		t.Fatal(err)
	}
	strip(old, "mutes", "answers", "proposed", "replaced", "versions", "version", "begun", "notice", "flapping", "approved")
	generation := old["generations"].(map[string]any)[a.ID].(map[string]any)
	generation["version"] = "1.0" // of the detector
	s.state, _ = json.Marshal(old)
	if ts := of(Paging, s.minutes(30, a, 60, fragile())); len(ts) != 0 || s.tier(Paging).State != StateFiring {
		t.Errorf("an open episode of before: %q, %s", states(ts), s.tier(Paging).State)
	}
	if ts := of(Paging, s.steps(12*4, 5*time.Minute, a, 100, fragile())); states(ts) != "firing" || ts[0].Repeat != 1 {
		t.Errorf("reminders of an episode of before: %q", states(ts))
	}
	frozen, _ := s.obeyed(Order{Kind: OrderFreeze})
	if g := s.now().Generations[a.ID]; g.Proposed[0].ID != frozen.Made || g.Proposed[0].Version != 2 {
		t.Errorf("numbered %d behind one without a number", g.Proposed[0].Version)
	}
}

// strip removes keys everywhere below v.
func strip(v any, keys ...string) {
	switch x := v.(type) {
	case map[string]any:
		for k, below := range x {
			if slices.Contains(keys, k) {
				delete(x, k)
				continue
			}
			strip(below, keys...)
		}
	case []any:
		for _, below := range x {
			strip(below, keys...)
		}
	}
}

var _ Archive = (*shelfArchive)(nil)

func TestRepeatedStepGivesTheSame(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.toWatching()
	s.minutes(20, a, 60, fragile())
	s.w.pass(time.Minute, a, 60, fragile())
	st := s.now()
	from := s.w.readers()
	from.Orders = &s.desk
	for i, o := range []Order{{Kind: OrderFreeze, Span: 3 * time.Hour}, {Kind: OrderMute, Until: s.w.now.Add(time.Hour)},
		{Kind: OrderApprove, Target: "accepted-" + a.ID + "-0"}} {
		o.ID = fmt.Sprint(i)
		s.desk.list = append(s.desk.list, s.signed(o))
	}
	in, err := s.m.Read(context.Background(), from, "meso", st, s.w.now)
	if err != nil {
		t.Fatal(err)
	}
	before, _ := json.Marshal(st)
	one, err := s.m.Step(st, in)
	if err != nil {
		t.Fatal(err)
	}
	two, err := machine(t, scenarioConfig()).Step(st, in)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(one, two) {
		t.Error("the same state and orders gave two results")
	}
	if after, _ := json.Marshal(st); string(after) != string(before) {
		t.Error("Step changed the state that it was given")
	}
	if got := states(one.Transitions); !strings.Contains(got, "superseded") || len(one.Done) != 3 {
		t.Errorf("transitions %q, done %v", got, one.Done)
	}
	if g := one.State.Generations[a.ID].Baselines[0]; !strings.Contains(g.Reason, "version 1.0, 22 November") || g.Series["ra_self/jpeg/q=75"].N < 200 {
		t.Errorf("frozen %q", g.Reason)
	}
}
