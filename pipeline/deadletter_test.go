package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

type noGrave struct{}

func (noGrave) Bury(context.Context, DeadLetter) error { return errors.New("not acknowledged") }

func quietLine(log *strings.Builder) *Line {
	return &Line{Sampler: NewSampler(testKey), Log: slog.New(slog.NewTextHandler(log, nil)), Now: time.Now, Health: &Health{}, Stats: &Stats{}}
}

// A page of labels whose dead letter was not safe when the generation ended must end the holding: a later page, counted
// after it, would move the fence past the records that were left out.
func TestLabelsStopWhereALetterIsNotSafe(t *testing.T) {
	l := quietLine(&strings.Builder{})
	l.Letters = noGrave{}
	l.Labels = func(*Record) (Label, error) { return Label{}, errors.New("no label") }
	h := &holding{Line: l, log: l.Log, applied: map[Stream]int64{}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.takeLabels(ctx, fetched{Page: Page{Records: []Record{{Offset: 4}}, Next: 5}}); err == nil {
		t.Error("the holding goes on")
	}
}

func TestFloodOfBadRecordsIsNotAFloodOfLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		l := quietLine(&out)
		lines := func(records int) (n int) {
			out.Reset()
			for i := range records {
				l.bury(t.Context(), DeadLetter{Offset: int64(i)})
			}
			return strings.Count(out.String(), "\n")
		}
		if n := lines(5000); n != linesPerMinute {
			t.Errorf("%d lines in the first minute", n)
		}
		time.Sleep(time.Minute)
		if n := lines(1); n != 1 || !strings.Contains(out.String(), fmt.Sprintf("held_back=%d", 5000-linesPerMinute)) {
			t.Errorf("a minute later: %s", out.String())
		}
		if l.Stats.Letters.Load() != 0 {
			t.Error("letters were counted that nobody took")
		}
	})
}

func TestLoud(t *testing.T) {
	said := ""
	for attempt := range 20 {
		if loud(attempt) {
			said += fmt.Sprint(attempt, " ")
		}
	}
	if said != "0 1 3 7 15 " {
		t.Errorf("loud at %s", said)
	}
}

func TestHealthDrop(t *testing.T) {
	h := &Health{}
	for _, part := range []string{"partition 1", "store (partition 1)", "partition 11", "store (partition 11)", "store (claims)"} {
		h.Set(part, errors.New("x"))
	}
	h.Drop("partition 1")
	if got := strings.Join(h.Faults(), ", "); got != "partition 11: x, store (claims): x, store (partition 11): x" {
		t.Error(got)
	}
}
