package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// afterRollOut is a record of a demo in which everything has happened.
func afterRollOut() *Record {
	start := time.Now()
	r := NewRecord(start, time.Minute)
	r.Update(start.Add(40*time.Second), func(v *View, at float64) {
		v.State, v.Version, v.RollOut, v.Probes, v.Read, v.Total, v.Accuracy = "firing", "1.1", 24, 300, 1600, 1600, .998
		v.RA, v.RR = Share{.98, .96, .99}, Share{.58, .52, .63}
		for i := range 40 {
			p := Point{T: float64(i), RA: .98, RR: .9, Version: "1.0"}
			if i > 26 {
				p.RR, p.Version = .58, "1.1"
			}
			v.Points = append(v.Points, p)
		}
		v.Families = []Family{{Name: "gaussian_noise", RA: .92, RR: .1, Before: .6}, {Name: "jpeg", RA: .97, RR: .4, Before: -1}}
		v.Alert = &Alert{State: "firing", T: 28, Version: "1.1", Summary: "traces 1.1: 52 of 100 <pictures> changed", Text: "What: it drifted."}
		v.Fired, v.FiredAt, v.FiredText = 1, 28, v.Alert.Text
		v.Outcomes = map[string]int64{"read": 1600, "probed": 1598, "duplicate": 2}
	})
	return r
}

func TestPageRoutes(t *testing.T) {
	h, err := newPage(afterRollOut())
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/": "52 of 100 &lt;pictures&gt; changed", "/app.js": "refresh()", "/style.css": "prefers-color-scheme",
		"/state": `"rollout":24`} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
			t.Errorf("GET %s: %d without %q", path, w.Code, want)
		}
		if !strings.HasPrefix(w.Header().Get("Content-Security-Policy"), "default-src 'self'") {
			t.Errorf("GET %s has no policy", path)
		}
	}
	for _, r := range []*http.Request{httptest.NewRequest("GET", "/page/page.html", nil), httptest.NewRequest("GET", "/nothing", nil),
		httptest.NewRequest("POST", "/state", nil)} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code == http.StatusOK {
			t.Errorf("%s %s was answered", r.Method, r.URL)
		}
	}
}

func TestStateOfAnEmptyRecordHasLists(t *testing.T) {
	h, err := newPage(NewRecord(time.Now(), 0))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/state", nil))
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"points", "families"} {
		if _, ok := got[key].([]any); !ok {
			t.Errorf("%s is %v: the page calls its methods", key, got[key])
		}
	}
}

func TestDrawnIsBounded(t *testing.T) {
	for _, duration := range []float64{0, 7200} {
		v := View{Duration: duration, Elapsed: 7200}
		for i := range 7200 {
			v.Points = append(v.Points, Point{T: float64(i)})
		}
		got := drawn(v)
		if len(got) < 290 || len(got) > 600 || got[len(got)-1].T < 7180 {
			t.Errorf("duration %g: %d points up to %g s", duration, len(got), got[len(got)-1].T)
		}
	}
}

// In a real browser, on a telephone and on a desk: no error, no request elsewhere, nothing wider than the screen.
func TestPageInBrowser(t *testing.T) {
	const browser = "/usr/bin/chromium"
	if _, err := os.Stat(browser); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no browser at %s: run deploy/install/chromium.sh", browser)
		}
		t.Skipf("no browser at %s", browser)
	}
	h, err := newPage(afterRollOut())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	defer server.Close()
	allocator, stop := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(browser), chromedp.NoSandbox)...)
	defer stop()
	ctx, done := chromedp.NewContext(allocator)
	defer done()
	if err := chromedp.Do(ctx); err != nil { // starts the browser
		t.Fatal(err)
	}
	if err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			t.Errorf("script: %s at line %d of %s", e.ExceptionDetails.Text, e.ExceptionDetails.LineNumber, e.ExceptionDetails.URL)
		case *network.EventRequestWillBeSent:
			if !strings.HasPrefix(e.Request.URL, server.URL) && !strings.HasPrefix(e.Request.URL, "data:") {
				t.Errorf("the page asked for %s", e.Request.URL)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	for _, width := range []int64{390, 1280} {
		if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 900), chromedp.Navigate(server.URL),
			chromedp.WaitVisible("#chart path.rr")); err != nil {
			t.Fatal(err)
		}
		got, err := chromedp.Run(ctx, chromedp.Evaluate[shown](look))
		if err != nil {
			t.Fatal(err)
		}
		want := shown{Wide: got.Wide, Lines: 2, Rows: 2, State: "firing", Banner: "traces 1.1: 52 of 100 <pictures> changed"}
		if got != want || got.Wide > width {
			t.Errorf("at %d px the page shows %+v, want %+v and no wider", width, got, want)
		}
	}
}

// shown is what a reader sees; look collects it.
type shown struct {
	Wide, Lines, Rows int64
	State, Banner     string
}

const look = `({Wide: document.documentElement.scrollWidth, Lines: document.querySelectorAll("#chart path").length,
	Rows: document.querySelectorAll("#families tr").length, State: document.getElementById("state").innerText,
	Banner: document.getElementById("banner-title").innerText})`
