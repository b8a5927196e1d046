package http

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"shaketable/pipeline"
)

func get(h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w
}

func TestRoutes(t *testing.T) {
	s := store(t, firing(), quiet())
	s.names = append(s.names, "new-one")
	h := handler(t, options(s))
	for _, c := range []struct {
		path string
		code int
		kind string
		body string
	}{
		{"/livez", 200, "text/plain", "alive\n"},
		{"/readyz", 200, "text/plain", "ready\n"},
		{"/readyz?verbose", 200, "text/plain", "role all, version v1.2.3"},
		{"/metrics", 200, "", "# metrics"},
		{"/api/v1/state", 200, "application/json", `"waiting":["new-one"]`},
		{"/api/v1/state/meso4-f2f", 200, "application/json", `"detector":"meso4-f2f"`},
		{"/api/v1/state/nobody", 404, "application/json", `there is no snapshot of detector \"nobody\"`},
		{"/api/v1/state/new-one", 404, "application/json", "there is no snapshot"},
		{"/", 200, "text/html", "meso4-f2f"},
		{"/app.js", 200, "text/javascript", "refresh"},
		{"/style.css", 200, "text/css", "prefers-color-scheme"},
		{"/icon.svg", 200, "image/svg+xml", "<svg"},
		{"/page.html", 404, "", ""},
		{"/page/page.html", 404, "", ""},
		{"/debug/pprof/", 404, "", ""},
	} {
		w := get(h, c.path)
		if w.Code != c.code || !strings.HasPrefix(w.Header().Get("Content-Type"), c.kind) || !strings.Contains(w.Body.String(), c.body) {
			t.Errorf("%s: %d %s\n%.300s", c.path, w.Code, w.Header().Get("Content-Type"), w.Body)
		}
		if !strings.HasPrefix(w.Header().Get("Content-Security-Policy"), "default-src 'self';") || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", c.path, w.Header())
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE"} {
		for _, path := range []string{"/", "/livez", "/readyz", "/metrics", "/api/v1/state", "/api/v1/state/meso4-f2f"} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
			if w.Code != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: %d", method, path, w.Code)
			}
		}
	}
}

// TestStateIsTheStored: the API serves the very bytes of the clock path, one detector alone or all of them.
func TestStateIsTheStored(t *testing.T) {
	s := store(t, firing(), quiet())
	h := handler(t, options(s))
	if got := get(h, "/api/v1/state/xception").Body.String(); got != string(s.data["xception"]) {
		t.Errorf("got %s", got)
	}
	var all struct {
		At        time.Time
		Detectors []json.RawMessage
	}
	if err := json.Unmarshal(get(h, "/api/v1/state").Body.Bytes(), &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Detectors) != 2 || string(all.Detectors[0]) != string(s.data["meso4-f2f"]) || string(all.Detectors[1]) != string(s.data["xception"]) || !all.At.Equal(noon) {
		t.Errorf("got %v", all)
	}
}

func TestStateIsReadOnceASecond(t *testing.T) {
	s := store(t, firing())
	o := options(s)
	now := noon
	o.Now = func() time.Time { return now }
	h := handler(t, o)
	for range 50 {
		get(h, "/api/v1/state")
		get(h, "/")
	}
	if s.reads != 1 {
		t.Errorf("the store was read %d times within a second", s.reads)
	}
	now = now.Add(1100 * time.Millisecond)
	if get(h, "/"); s.reads != 2 {
		t.Errorf("the store was read %d times after it", s.reads)
	}
}

// TestStoreAway: the process lives on, says that it can't show the state, and the page says so to people.
func TestStoreAway(t *testing.T) {
	o := options(&held{err: errAway})
	o.Health.Set("store", errAway)
	h := handler(t, o)
	for path, want := range map[string]struct {
		code int
		body string
	}{"/livez": {200, "alive"}, "/readyz": {503, "store: redis: detectors: connection refused"}, "/api/v1/state": {503, "the state can't be read: redis"},
		"/api/v1/state/a": {503, "the state can't be read"}, "/": {503, "The state can't be shown"}, "/metrics": {200, "# metrics"}} {
		if w := get(h, path); w.Code != want.code || !strings.Contains(w.Body.String(), want.body) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestPageShows(t *testing.T) {
	body := get(handler(t, options(store(t, firing(), quiet()))), "/").Body.String()
	for _, want := range []string{
		"⚠ shaketable",               // title
		`data-state="firing">firing`, // pill
		"97.3\u202f%", "62.0\u202f%", // RA and RR(.05) of 15m
		"59.0\u202f% to 65.0\u202f%", // band of RR
		"last 15m", "last 1h", "last 24h", "168,000 live uploads",
		"38 of 100 pictures changed by recompression (JPEG) now move by more than .05; it was 12",
		"What: 38 of 100 &lt;pictures&gt;", // the text is text
		"Held against: predecessor (1), accepted (3), approved by ana. ", "Held against: nothing yet", "burn_in-4, proposed by shaketable: first probes",
		"Muted until 2026-11-22 16:00:00 UTC</strong> (ticket only) by ben: load test.", "it came and went several times within a day; nobody is told, because of a mute", "People are told: by page and ticket", "99.8\u202f% of the deployed scores agree with ours, and 3 of 423 probes", "People are told: never",
		"No, untrusted:", "38 of 100 deployed scores differ",
		"an older one", "2026-11-21 16:00:00 UTC",
		"source partner-feed <span class=\"soft\">25</span>", "42.0\u202f%", "not judged: no baseline yet", "share of the traffic now, and in the last 24h",
		"61 are less robust under version 2018.2", "within 1h30m0s; 87.0\u202f% of the probes that are older have one",
		"gaussian_<wbr>noise", "under attack, on a sample of the probes; 3 could not be concluded", `pgd10_<wbr>delta_<wbr>uint8 <span class="soft">39</span>`, "23.1\u202f%",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, foreign := range []string{"http://", "https://", "//cdn", "style=", "onclick", "fence", "ticks", "e-SR"} {
		if strings.Contains(body, foreign) {
			t.Errorf("the page has %q", foreign)
		}
	}
	if table, attack := strings.Index(body, "under attack"), strings.Index(body, "pgd10"); strings.Count(body, "pgd10_") != 6 || attack < table {
		t.Error("an attack stands among the natural perturbations")
	}
	if newest, older := strings.Index(body, "11:40:00 UTC, page<"), strings.Index(body, "an older one"); newest < 0 || newest > older {
		t.Errorf("transitions at %d and %d: not newest first", newest, older)
	}
}

func TestPageOfStaleAndOfNothing(t *testing.T) {
	o := options(store(t, firing()))
	o.Now = func() time.Time { return noon.Add(4 * time.Minute) }
	if body := get(handler(t, o), "/").Body.String(); !strings.Contains(body, "Nobody judges this detector now") || !strings.Contains(body, "4m0s ago") {
		t.Errorf("stale: %s", body)
	}
	if body := get(handler(t, options(&held{})), "/").Body.String(); !strings.Contains(body, "No detector has been judged yet") {
		t.Errorf("nothing: %s", body)
	}
}

// TestQuietOwner: an alert that its owner keeps in the house says so.
func TestQuietOwner(t *testing.T) {
	s := firing()
	s.Notify = "none"
	if body := get(handler(t, options(store(t, s))), "/").Body.String(); !strings.Contains(body, "nobody was told, because notify is none") {
		t.Error(body)
	}
	if body := get(handler(t, options(store(t, firing()))), "/").Body.String(); strings.Contains(body, "nobody was told") {
		t.Error(body)
	}
	for x, want := range map[float64]string{0: "0", 999: "999", 1000: "1,000", 1234567.4: "1,234,567"} {
		if got := whole(x); got != want {
			t.Errorf("%v: %s", x, got)
		}
	}
}

func TestPercentNeverRoundsUpToAll(t *testing.T) {
	for share, want := range map[float64]string{1: "100.0", .99999: "99.9", .9994: "99.9", .5: "50.0", 0: "0.0"} {
		if got := strings.TrimSuffix(percent(share), "\u202f%"); got != want {
			t.Errorf("%v: %s, want %s", share, got, want)
		}
	}
}

func TestReadyListsFaults(t *testing.T) {
	o := options(&held{})
	o.Health.Set("detections/3", errors.New("no leader"))
	o.Health.Set("store", errors.New("away"))
	h := handler(t, o)
	if w := get(h, "/readyz"); w.Code != 503 || w.Body.String() != "not ready\ndetections/3: no leader\nstore: away\n" {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	o.Health.Set("store", nil)
	o.Health.Set("detections/3", nil)
	if w := get(h, "/readyz"); w.Code != 200 {
		t.Errorf("%d %q", w.Code, w.Body)
	}
}

func TestWatchdog(t *testing.T) {
	stats, health := &pipeline.Stats{}, &pipeline.Health{}
	w := NewWatchdog(stats, health, time.Minute)
	at := func(minutes float64) error { return w.Check(noon.Add(time.Duration(minutes * float64(time.Minute)))) }
	o := options(&held{})
	o.Health, o.Watchdog = health, w
	h := handler(t, o)
	expect := func(step string, err error, ready, alive int, fails bool) {
		t.Helper()
		if r, l := get(h, "/readyz").Code, get(h, "/livez").Code; r != ready || l != alive || (err != nil) != fails {
			t.Errorf("%s: ready %d, alive %d, %v", step, r, l, err)
		}
	}
	expect("idle", at(0), 200, 200, false)
	expect("idle for long", at(60), 200, 200, false)
	stats.InFlight.Store(3)
	expect("busy", at(60.9), 200, 200, false)
	stats.Applied.Store(1)
	expect("moves", at(61.5), 200, 200, false)
	expect("slow", at(62.4), 200, 200, false)
	expect("stuck", at(62.6), 503, 200, false)
	stats.Applied.Store(2)
	expect("moves again", at(63), 200, 200, false)
	health.Set("store", errors.New("away"))
	expect("nothing moves, and why is known", at(90), 503, 200, false)
	health.Set("store", nil)
	expect("the store is back", at(90.5), 200, 200, false)
	expect("stuck", at(91.6), 503, 200, false)
	expect("stuck for long", at(92.1), 503, 503, true)
	stats.InFlight.Store(0)
	expect("ended after all", at(92.2), 200, 200, false)
}

func TestConfig(t *testing.T) {
	for listen, want := range map[string]string{"": "", "127.0.0.1:0": "", "localhost:80": "", "[::1]:80": "", "8080": "is not host:port", "127.0.0.1:": "is not host:port",
		":8080": "can be reached from other machines", "0.0.0.0:80": "can be reached", "example.org:80": "can be reached"} {
		c := DefaultConfig()
		c.Listen = listen
		es := c.Validate()
		if want == "" && len(es) > 0 || want != "" && (len(es) != 1 || !strings.HasPrefix(es[0].Error(), "listen: ") || !strings.Contains(es[0].Error(), want)) {
			t.Errorf("%q: %v", listen, es)
		}
		c.AllowPublic = true
		if es := c.Validate(); strings.Contains(want, "reached") && len(es) > 0 {
			t.Errorf("%q, public: %v", listen, es)
		}
	}
	if es := (Config{Stuck: time.Millisecond}).Validate(); len(es) != 1 || !strings.HasPrefix(es[0].Error(), "stuck: ") {
		t.Error(es)
	}
}

func TestOpenAndClose(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Listen = "127.0.0.1:0"
	s, err := Open(cfg, options(store(t, firing())))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.Get("http://" + s.Address() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(answer.Body)
	answer.Body.Close()
	if string(body) != "ready\n" {
		t.Errorf("got %q", body)
	}
	cfg.Listen = s.Address()
	if _, err := Open(cfg, options(&held{})); err == nil || !strings.Contains(err.Error(), "http.listen: ") || !strings.Contains(err.Error(), "name a free address") {
		t.Errorf("taken address: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := http.Get("http://" + s.Address() + "/readyz"); err == nil {
		t.Error("answers after Close")
	}
	none, err := Open(Config{Stuck: time.Minute}, Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil || none.Address() != "" || none.Close() != nil {
		t.Errorf("empty listen: %v", err)
	}
}
