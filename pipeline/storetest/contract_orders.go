package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"shaketable/metrics"
	"shaketable/pipeline"
)

// order is a mute that can be told from others.
func order(id string) pipeline.Order {
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	return pipeline.Order{ID: id, Kind: pipeline.OrderMute, Author: "ada", Reason: "maintenance of " + id, At: at, Until: at.Add(time.Hour)}
}

func orderIDs(t testing.TB, s Subject, detector string) []string {
	t.Helper()
	var out []string
	for _, o := range steady[[]pipeline.Order](t)(s.PendingOrders(t.Context(), detector)) {
		out = append(out, o.ID)
	}
	return out
}

// Orders wait in order, are added once, and are dropped by the save that carried them out, with it or not at all.
func contractOrders(t *testing.T, s Subject) {
	ctx := t.Context()
	leave := func(detector string, o pipeline.Order) {
		t.Helper()
		if err := s.Order(ctx, detector, o); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "no orders", orderIDs(t, s, "meso4"), []string(nil))
	whole := order("o0")
	whole.Kind, whole.Until = pipeline.OrderImport, time.Time{}
	whole.Baseline = &metrics.Baseline{Schema: metrics.BaselineSchema, Kind: metrics.File, ID: "b", Generation: "g", Author: "a", Reason: "r",
		FrozenAt: whole.At, Version: 3, Approved: &metrics.Approval{By: "x", Reason: "y", At: whole.At},
		Series: map[string]metrics.Reference{"ra_self/jpeg/q=75": {N: 1000, K: 9.5}}}
	leave("meso4", whole)
	for _, id := range []string{"o1", "o2", "o3"} {
		leave("meso4", order(id))
	}
	leave("meso4", order("o1")) // a retry
	leave("inception", order("other"))
	equal(t, "orders", orderIDs(t, s, "meso4"), []string{"o0", "o1", "o2", "o3"})
	equal(t, "order", steady[[]pipeline.Order](t)(s.PendingOrders(ctx, "meso4"))[0], whole)

	a := hold(t, s, "a", true)
	save := step(a, 0, "one", "t1")
	save.Done = []string{"o1", "o0", "unknown"}
	if err := s.Save(ctx, save); err != nil {
		t.Fatal(err)
	}
	equal(t, "after the save", orderIDs(t, s, "meso4"), []string{"o2", "o3"})
	leave("meso4", order("o1")) // it may come again: who carries it out remembers it
	if err := s.Save(ctx, save); err != nil {
		t.Fatal(err) // the retry of a save that had arrived does nothing
	}
	equal(t, "after the retry", orderIDs(t, s, "meso4"), []string{"o2", "o3", "o1"})
	other := step(a, 0, "one", "t1")
	other.Done = []string{"o2"}
	if err := s.Save(ctx, other); !errors.Is(err, pipeline.ErrNotSeated) {
		t.Fatalf("a save that differs only in its orders passes for a retry: %v", err)
	}
	late := step(a+1, 1, "two")
	late.Done = []string{"o2"}
	if err := s.Save(ctx, late); !errors.Is(err, pipeline.ErrNotSeated) {
		t.Fatal(err)
	}
	equal(t, "after refused saves", orderIDs(t, s, "meso4"), []string{"o2", "o3", "o1"})
	equal(t, "another detector", orderIDs(t, s, "inception"), []string{"other"})
	contractOrderRefusals(t, s)
}

func contractOrderRefusals(t *testing.T, s Subject) {
	unfit := order("unfit")
	unfit.Reason = ""
	if err := s.Order(t.Context(), "meso4", unfit); err == nil {
		t.Fatal("an order without a reason is taken")
	}
	for i := range pipeline.MaxOrders {
		if err := s.Order(t.Context(), "full", order(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Order(t.Context(), "full", order("one too many")); !errors.Is(err, pipeline.ErrOrdersWait) {
		t.Fatalf("order %d: %v", pipeline.MaxOrders+1, err)
	}
	if err := s.Order(t.Context(), "full", order("0")); err != nil {
		t.Fatalf("a retry with a full list: %v", err)
	}
}
