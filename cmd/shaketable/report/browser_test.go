package report

import (
	"context"
	"fmt"
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

// seen is what a reader gets; look collects it with everything opened.
type seen struct {
	Wide, Spilled, Plots, Tables int64
	Narrowest                    float64 // of the figures, in pixels
	Text                         float64 // the smallest letters of a figure, in pixels
	Background, Line             string
}

const look = `(() => {
	document.querySelectorAll("details").forEach((d) => { d.open = true; });
	const plots = [...document.querySelectorAll("svg.plot")], width = document.documentElement.clientWidth;
	return {Wide: document.documentElement.scrollWidth, Plots: plots.length, Tables: document.querySelectorAll("table").length,
		Spilled: [...document.querySelectorAll("main *")].filter((e) => !e.closest(".scroll") && !e.closest("svg") && e.getBoundingClientRect().right > width + 1).length,
		Narrowest: Math.min(...plots.map((p) => p.getBoundingClientRect().width)),
		Text: Math.min(...plots.map((p) => 9 * p.getBoundingClientRect().width / p.viewBox.baseVal.width)),
		Background: getComputedStyle(document.body).backgroundColor,
		Line: getComputedStyle(plots[0].querySelector("path[style*='--s1']")).stroke + getComputedStyle(plots[0].querySelector("path[style*='--s1']")).fill};
})()`

// hundreds fills the heat maps with the widest figures that they can hold, and counts those that no longer fit.
const hundreds = `(() => {
	document.querySelectorAll(".heat td:not(:first-child)").forEach((e) => { e.textContent = "100"; });
	return [...document.querySelectorAll(".heat")].filter((e) => e.getBoundingClientRect().width > e.parentElement.clientWidth + 1).length;
})()`

// TestInBrowser opens the report in a real browser, on a telephone and on a desk, by day and by night: no error, no request,
// nothing wider than the screen, figures in the colours of the scheme and large enough to read. With SHAKETABLE_SCREENSHOTS=DIR
// the pictures are kept.
func TestInBrowser(t *testing.T) {
	const browser = "/usr/bin/chromium"
	if _, err := os.Stat(browser); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no browser at %s: run deploy/install/chromium.sh", browser)
		}
		t.Skipf("no browser at %s", browser)
	}
	text, err := HTML(golden(t))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	allocator, stop := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(browser), chromedp.NoSandbox)...)
	defer stop()
	ctx, done := chromedp.NewContext(allocator)
	defer done()
	if err := chromedp.Do(ctx); err != nil { // starts the browser
		t.Fatal(err)
	}
	faults := listen(t, ctx, "file://"+file)
	lines := map[string]string{}
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{390, 1280} {
			if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 900), prefer(scheme), chromedp.Navigate("file://"+file), chromedp.WaitVisible("#provenance")); err != nil {
				t.Fatal(err)
			}
			got, err := chromedp.Run(ctx, chromedp.Evaluate[seen](look))
			if err != nil {
				t.Fatal(err)
			}
			background := map[string]string{"light": "rgb(246, 246, 243)", "dark": "rgb(20, 22, 26)"}[scheme]
			if got.Wide > width || got.Spilled > 0 || got.Plots != 21 || got.Tables < 30 || got.Narrowest < 200 || got.Text < 7 || got.Background != background {
				t.Errorf("%s at %d px: %+v", scheme, width, got)
			}
			lines[scheme] = got.Line
			keep(t, ctx, fmt.Sprintf("report-%s-%d.png", scheme, width))
			wide, err := chromedp.Run(ctx, chromedp.Evaluate[int64](hundreds))
			if err != nil || wide != 0 {
				t.Errorf("%s at %d px: %d heat maps of 100 everywhere are wider than their place (%v)", scheme, width, wide, err)
			}
		}
	}
	if lines["light"] == lines["dark"] || lines["light"] == "" {
		t.Errorf("the figures have the same colours by day and by night: %v", lines)
	}
	for _, f := range faults() {
		t.Error(f)
	}
}

// listen gathers what must not happen: errors, and requests for anything but the file.
func listen(t *testing.T, ctx context.Context, file string) func() []string {
	t.Helper()
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
			if e.Request.URL != file && !strings.HasPrefix(e.Request.URL, "data:") {
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
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return faults
	}
}

func prefer(scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		return err
	})
}

// keep writes what is seen to the folder that SHAKETABLE_SCREENSHOTS names.
func keep(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	dir := os.Getenv("SHAKETABLE_SCREENSHOTS")
	if dir == "" {
		return
	}
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), picture, 0o600); err != nil {
		t.Fatal(err)
	}
}
