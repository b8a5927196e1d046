package http

import (
	"context"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// seen is what a reader gets; look collects it.
type seen struct {
	Wide, Windows, Bands int64
	Banner, Pill         string
	Background           string
}

const look = `({Wide: document.documentElement.scrollWidth, Windows: document.querySelectorAll(".windows .card").length,
	Bands: [...document.querySelectorAll(".pair svg.band")].filter(b => b.getBoundingClientRect().width > 60).length,
	Banner: document.querySelector(".banner h3").innerText, Pill: document.querySelector(".pill").innerText,
	Background: getComputedStyle(document.body).backgroundColor})`

// TestPageInBrowser opens the page in a real browser, on a telephone and on a desk, by day and by night: no error, no
// request elsewhere, nothing wider than the screen, and refreshed in place without losing what the reader opened. With
// SHAKETABLE_SCREENSHOTS=DIR the pictures are kept.
func TestPageInBrowser(t *testing.T) {
	const browser = "/usr/bin/chromium"
	if _, err := os.Stat(browser); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no browser at %s: run deploy/install/chromium.sh", browser)
		}
		t.Skipf("no browser at %s", browser)
	}
	server := httptest.NewServer(handler(t, options(store(t, firing(), quiet()))))
	defer server.Close()
	allocator, stop := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(browser), chromedp.NoSandbox)...)
	defer stop()
	ctx, done := chromedp.NewContext(allocator)
	defer done()
	if err := chromedp.Do(ctx); err != nil { // starts the browser
		t.Fatal(err)
	}
	var mu sync.Mutex
	var faults []string
	fault := func(parts ...string) {
		mu.Lock()
		defer mu.Unlock()
		faults = append(faults, strings.Join(parts, " "))
	}
	if err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			fault("script:", e.ExceptionDetails.Text)
		case *log.EventEntryAdded:
			fault("console:", e.Entry.Text, e.Entry.URL)
		case *network.EventRequestWillBeSent:
			if !strings.HasPrefix(e.Request.URL, server.URL) {
				fault("request:", e.Request.URL)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(ctx, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, log.Enable, cdp.Empty{})
		return err
	})); err != nil {
		t.Fatal(err)
	}
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{390, 1280} {
			if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 900), prefer(scheme), chromedp.Navigate(server.URL), chromedp.WaitVisible(".windows")); err != nil {
				t.Fatal(err)
			}
			got, err := chromedp.Run(ctx, chromedp.Evaluate[seen](look))
			if err != nil {
				t.Fatal(err)
			}
			want := seen{Wide: got.Wide, Windows: 6, Bands: 12, Banner: firing().Tiers[0].Episode.Summary, Pill: "firing",
				Background: map[string]string{"light": "rgb(246, 246, 243)", "dark": "rgb(20, 22, 26)"}[scheme]}
			if got != want || got.Wide > width {
				t.Errorf("%s at %d px shows %+v, want %+v and no wider", scheme, width, got, want)
			}
			keep(t, func() ([]byte, error) { return chromedp.Run(ctx, chromedp.FullScreenshot(100)) }, scheme, width)
		}
	}
	opened, err := chromedp.Run(ctx, chromedp.Evaluate[[]bool](`(async () => {
		document.querySelector(".banner details").open = true;
		const before = document.getElementById("state");
		await refresh();
		return [document.getElementById("state") !== before, document.querySelector(".banner details").open, document.querySelectorAll("details")[1].open];
	})()`, chromedp.EvalAwaitPromise))
	if err != nil || len(opened) != 3 || !opened[0] || !opened[1] || opened[2] {
		t.Errorf("after a refresh: replaced, opened, other opened: %v, %v", opened, err)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, f := range faults {
		t.Error(f)
	}
}

func prefer(scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		return err
	})
}

func keep(t *testing.T, shoot func() ([]byte, error), scheme string, width int64) {
	dir := os.Getenv("SHAKETABLE_SCREENSHOTS")
	if dir == "" {
		return
	}
	picture, err := shoot()
	if err != nil {
		t.Fatal(err)
	}
	name := scheme + map[int64]string{390: "-390", 1280: "-1280"}[width] + ".png"
	if err := os.WriteFile(filepath.Join(dir, name), picture, 0o600); err != nil {
		t.Fatal(err)
	}
}
