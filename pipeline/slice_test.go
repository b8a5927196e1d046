package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"shaketable/pipeline"
	"shaketable/pipeline/storetest"
)

// desk is the reference store, which counts how often it is asked and can be away.
type desk struct {
	*storetest.Memory
	places, lists atomic.Int64
	away          atomic.Bool
	asked         func(value string) // after the answer was found; nil for nothing
}

func newDesk() *desk { return &desk{Memory: storetest.NewMemory(time.Now)} }

func (d *desk) Place(ctx context.Context, attribute, value string, limit int) (string, error) {
	d.places.Add(1)
	if d.away.Load() {
		return "", errInjected
	}
	name, err := d.Memory.Place(ctx, attribute, value, limit)
	if d.asked != nil {
		d.asked(value)
	}
	return name, err
}

func (d *desk) Slices(ctx context.Context) ([]string, error) {
	d.lists.Add(1)
	if d.away.Load() {
		return nil, errInjected
	}
	return d.Memory.Slices(ctx)
}

func bySource(d pipeline.SlicePlaces, limit int) *pipeline.Slicer {
	return pipeline.NewSlicer(pipeline.SliceConfig{Attributes: []string{"source"}, Cap: limit}, d)
}

func from(source string) *pipeline.Detection { return &pipeline.Detection{Source: source} }

// of is the one slice of a detection.
func of(t testing.TB, s *pipeline.Slicer, d *pipeline.Detection) string {
	t.Helper()
	got, err := s.Of(t.Context(), d)
	if err != nil || len(got) != 1 {
		t.Fatalf("slices %q, %v", got, err)
	}
	return got[0]
}

func TestSliceNames(t *testing.T) {
	long := strings.Repeat("a", 64)
	for value, want := range map[string]string{
		"upload-api":                  "upload-api",
		"":                            "",
		"a b=c:d/{e}":                 "a b=c:d/{e}",
		long:                          long,
		long + "b":                    long,
		strings.Repeat("a", 63) + "é": strings.Repeat("a", 63), // the 64th byte is the first of two
		strings.Repeat("a", 62) + "é": strings.Repeat("a", 62) + "é",
		strings.Repeat("a", 61) + "😀": strings.Repeat("a", 61),
		"a\nb\tc":                     "a\ufffdb\ufffdc",
		"a\u202eb\u2028c\u0085":       "a\ufffdb\ufffdc\ufffd", // would turn the text around it, or break the line
		"a\xffb":                      "a\ufffdb",
		strings.Repeat("\x01", 64):    strings.Repeat("\ufffd", 21), // 3 bytes each
		strings.Repeat("\x80", 100):   strings.Repeat("\ufffd", 21),
		"~other":                      "~other",
	} {
		got := of(t, bySource(newDesk(), 50), from(value))
		if got != "source="+want || !utf8.ValidString(got) {
			t.Errorf("%q: %q, want %q", value, got, "source="+want)
		}
	}
	for name, want := range map[string]string{"source=": "source=(none)", "source=~other": "source=(other)", "source=a=b": "source=a=b"} {
		if got := pipeline.ShowSlice(name); got != want {
			t.Errorf("%s is shown as %s, want %s", name, got, want)
		}
	}
	if attribute, value := pipeline.SplitSlice("x.y=a=b"); attribute != "x.y" || value != "a=b" {
		t.Errorf("split into %q and %q", attribute, value)
	}
}

// The first values keep their places, all others share one, and once that is known nobody is asked.
func TestSlicerGivesPlacesInOrder(t *testing.T) {
	d := newDesk()
	s := bySource(d, 2)
	for _, c := range [][2]string{{"b", "b"}, {"a", "a"}, {"b", "b"}, {"c", "~other"}, {"a", "a"}, {"", "~other"}} {
		if got := of(t, s, from(c[0])); got != "source="+c[1] {
			t.Errorf("%q is in %s, want %s", c[0], got, c[1])
		}
	}
	asked := d.places.Load()
	for i := range 10_000 {
		if got := of(t, s, from(fmt.Sprint(i))); got != "source=~other" {
			t.Fatal(got)
		}
	}
	if d.places.Load() != asked || d.lists.Load() != 1 {
		t.Errorf("asked %d times after all places were known to be taken, listed %d times", d.places.Load()-asked, d.lists.Load())
	}
	// A worker that starts later, and meets a stranger first, knows after one question who has a place.
	late := bySource(d, 2)
	before := d.places.Load()
	for _, c := range [][2]string{{"z", "~other"}, {"a", "a"}, {"b", "b"}, {"c", "~other"}} {
		if got := of(t, late, from(c[0])); got != "source="+c[1] {
			t.Errorf("late: %q is in %s, want %s", c[0], got, c[1])
		}
	}
	if n := d.places.Load() - before; n != 1 {
		t.Errorf("the late one asked %d times", n)
	}
	if got, _ := d.Slices(t.Context()); !slices.Equal(got, []string{"source=a", "source=b", "source=~other"}) {
		t.Errorf("slices %q", got)
	}
}

// The name of the others, meant literally, is no sign that the places are taken.
func TestSlicerValueNamedLikeTheOthers(t *testing.T) {
	s := bySource(newDesk(), 1)
	for _, c := range [][2]string{{"~other", "~other"}, {"a", "a"}, {"~other", "~other"}, {"b", "~other"}} {
		if got := of(t, s, from(c[0])); got != "source="+c[1] {
			t.Errorf("%q is in %s, want %s", c[0], got, c[1])
		}
	}
}

// One slice of every attribute, in their order; more combinations than are kept are still right.
func TestSlicerOfSeveralAttributes(t *testing.T) {
	d := newDesk()
	s := pipeline.NewSlicer(pipeline.SliceConfig{Attributes: []string{"tenant", "source", "geo.country"}, Cap: 17}, d)
	if !s.NeedsAttributes() || bySource(d, 1).NeedsAttributes() || (*pipeline.Slicer)(nil).NeedsAttributes() {
		t.Error("who needs attributes is wrong")
	}
	for range 2 {
		for i := range 17 * 18 * 17 {
			a, b, c := fmt.Sprint("t", i%17), fmt.Sprint("s", i/17%18), fmt.Sprint("g", i/17/18)
			det := &pipeline.Detection{Source: b, Attributes: map[string]string{"tenant": a, "geo.country": c, "source": "not this one"}}
			if b == "s17" {
				b = "~other"
			}
			got, err := s.Of(t.Context(), det)
			if want := []string{"tenant=" + a, "source=" + b, "geo.country=" + c}; err != nil || !slices.Equal(got, want) {
				t.Fatalf("%q, %v, want %q", got, err, want)
			}
		}
	}
}

// A value with a place under one attribute has none under another.
func TestSlicerKeepsAttributesApart(t *testing.T) {
	s := pipeline.NewSlicer(pipeline.SliceConfig{Attributes: []string{"tenant", "source"}, Cap: 1}, newDesk())
	for _, c := range [][4]string{{"x", "y", "tenant=x", "source=y"}, {"x", "z", "tenant=x", "source=~other"}, {"y", "x", "tenant=~other", "source=~other"}} {
		got, err := s.Of(t.Context(), &pipeline.Detection{Source: c[1], Attributes: map[string]string{"tenant": c[0]}})
		if err != nil || !slices.Equal(got, c[2:]) {
			t.Errorf("tenant %s, source %s: %q, %v", c[0], c[1], got, err)
		}
	}
}

func TestSlicerOff(t *testing.T) {
	for name, s := range map[string]*pipeline.Slicer{"none": nil, "no attributes": pipeline.NewSlicer(pipeline.SliceConfig{Cap: 10}, nil)} {
		got, err := s.Of(t.Context(), from("a"))
		s.Forget()
		if err = errors.Join(err, s.Renew(t.Context())); err != nil || got != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// Two workers with eight goroutines each see ten values in orders of their own: three have a place, and all agree which.
func TestSlicersAgree(t *testing.T) {
	for round := range 20 {
		d := newDesk()
		workers := []*pipeline.Slicer{bySource(d, 3), bySource(d, 3)}
		var mu sync.Mutex
		seen := map[string]map[string]bool{}
		var all sync.WaitGroup
		for g := range 16 {
			all.Go(func() {
				for i := range 200 {
					v := fmt.Sprint((i*7 + g*3 + round) % 10)
					got := of(t, workers[g%2], from(v))
					mu.Lock()
					if seen[v] == nil {
						seen[v] = map[string]bool{}
					}
					seen[v][got] = true
					mu.Unlock()
				}
			})
		}
		all.Wait()
		own := 0
		for v, names := range seen {
			if len(names) != 1 {
				t.Fatalf("%s was in %v", v, names)
			}
			if names["source="+v] {
				own++
			}
		}
		if own != 3 {
			t.Fatalf("%d values have a place, want 3", own)
		}
	}
}

// A store that is away is an error, never a guess, and what is known goes on.
func TestSlicerWhileTheStoreIsAway(t *testing.T) {
	d := newDesk()
	s := bySource(d, 2)
	of(t, s, from("a"))
	d.away.Store(true)
	if got, err := s.Of(t.Context(), from("b")); !errors.Is(err, errInjected) {
		t.Errorf("%q, %v", got, err)
	}
	if err := s.Renew(t.Context()); !errors.Is(err, errInjected) {
		t.Error(err)
	}
	if got := of(t, s, from("a")); got != "source=a" {
		t.Error(got)
	}
	d.away.Store(false)
	if got := of(t, s, from("b")); got != "source=b" {
		t.Error(got)
	}
}

// A store that lost the places has them back after Renew, that of the others too; one that gave them to somebody else in
// the mean time is believed.
func TestSlicerRenewsPlaces(t *testing.T) {
	d := newDesk()
	s := bySource(d, 2)
	for _, v := range []string{"a", "b", "c"} {
		of(t, s, from(v))
	}
	want, _ := d.Slices(t.Context())
	d.Memory = storetest.NewMemory(time.Now)
	if err := s.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, _ := d.Slices(t.Context()); !slices.Equal(got, want) {
		t.Errorf("slices %q, want %q", got, want)
	}
	d.Memory = storetest.NewMemory(time.Now)
	for _, v := range []string{"x", "a", "y"} {
		of(t, bySource(d, 2), from(v))
	}
	if err := s.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{{"a", "a"}, {"b", "~other"}, {"x", "x"}, {"y", "~other"}} {
		if got := of(t, s, from(c[0])); got != "source="+c[1] {
			t.Errorf("%q is in %s, want %s", c[0], got, c[1])
		}
	}
	d.Memory = storetest.NewMemory(time.Now)
	s.Forget()
	if got := of(t, s, from("b")); got != "source=b" {
		t.Errorf("after Forget b is in %s", got)
	}
}

// The store is emptied, and everything forgotten, while somebody waits for an answer: what was known before does not come back.
func TestSlicerForgetsWhileSomebodyAsks(t *testing.T) {
	d := newDesk()
	s := bySource(d, 2)
	of(t, s, from("a"))
	of(t, s, from("b"))
	d.asked = func(value string) {
		if value == "c" {
			d.asked = nil
			d.Memory = storetest.NewMemory(time.Now)
			s.Forget()
		}
	}
	for _, c := range [][2]string{{"c", "c"}, {"b", "b"}, {"a", "~other"}} {
		if got := of(t, s, from(c[0])); got != "source="+c[1] {
			t.Errorf("%q is in %s, want %s", c[0], got, c[1])
		}
	}
}

// The record path asks a million times a second.
func TestSlicerDoesNotAllocate(t *testing.T) {
	s := pipeline.NewSlicer(pipeline.SliceConfig{Attributes: []string{"source", "tenant"}, Cap: 1}, newDesk())
	known := &pipeline.Detection{Source: "web", Attributes: map[string]string{"tenant": "a"}}
	stranger := &pipeline.Detection{Source: "ftp", Attributes: map[string]string{"tenant": strings.Repeat("long ", 20)}}
	for _, d := range []*pipeline.Detection{known, stranger} {
		if n := testing.AllocsPerRun(100, func() { s.Of(context.Background(), d) }); n != 0 {
			t.Errorf("%v allocations for %q", n, d.Source)
		}
	}
}
