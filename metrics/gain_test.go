package metrics_test

import (
	"encoding/json"
	"math"
	"testing"

	"pgregory.net/rapid"

	"shaketable/metrics"
)

func TestGainHoldsBack(t *testing.T) {
	var g metrics.Gain
	for i, c := range []struct {
		what                  string
		total, gained, behind metrics.Trials
	}{
		{"first", metrics.Trials{N: 10, K: 2}, metrics.Trials{N: 10, K: 2}, metrics.Trials{}},
		{"more", metrics.Trials{N: 15, K: 3}, metrics.Trials{N: 5, K: 1}, metrics.Trials{}},
		{"nothing", metrics.Trials{N: 15, K: 3}, metrics.Trials{}, metrics.Trials{}},
		{"rolled back", metrics.Trials{N: 4, K: 1}, metrics.Trials{}, metrics.Trials{N: 11, K: 2}},
		{"replaying", metrics.Trials{N: 12, K: 2}, metrics.Trials{}, metrics.Trials{N: 3, K: 1}},
		{"caught up, and two more", metrics.Trials{N: 17, K: 4}, metrics.Trials{N: 2, K: 1}, metrics.Trials{}},
		{"a label revised to right", metrics.Trials{N: 20, K: 3}, metrics.Trials{N: 3}, metrics.Trials{K: 1}},
		{"the next failure pays for it", metrics.Trials{N: 22, K: 5}, metrics.Trials{N: 2, K: 1}, metrics.Trials{}},
		{"labels revised to wrong wait", metrics.Trials{N: 23, K: 8}, metrics.Trials{N: 1, K: 1}, metrics.Trials{}},
		{"for later trials", metrics.Trials{N: 28, K: 9}, metrics.Trials{N: 5, K: 3}, metrics.Trials{}},
	} {
		if behind := g.Behind(c.total); behind != c.behind {
			t.Errorf("%d %s: behind by %+v, want %+v", i, c.what, behind, c.behind)
		}
		gained, next, err := g.Take(c.total)
		if must(t, gained, err) != c.gained {
			t.Errorf("%d %s: gained %+v, want %+v", i, c.what, gained, c.gained)
		}
		g = next
	}
	if g.Folded != (metrics.Trials{N: 28, K: 9}) {
		t.Errorf("folded %+v, want the total", g.Folded)
	}
	_, same, err := g.Take(metrics.Trials{N: 1, K: 2})
	fails(t, "impossible total", err, "gain of a series", "2 failures of 1 trials")
	if same != g {
		t.Errorf("a refused total changed the accumulator to %+v", same)
	}
}

// However the total wanders, what is given out are possible trials, and once the total stays and enough trials came,
// they sum up to it. The accumulator survives JSON.
func TestGainSumsUpToTheTotal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var g metrics.Gain
		var sum, highest metrics.Trials
		take := func(total metrics.Trials) {
			data, err := json.Marshal(g)
			must(t, data, err)
			must(t, 0, json.Unmarshal(data, &g))
			gained, next, err := g.Take(total)
			must(t, gained, err)
			if err := gained.Validate(); err != nil {
				t.Fatal(err)
			}
			sum, g = sum.Plus(gained), next
			highest = metrics.Trials{N: math.Max(highest.N, total.N), K: math.Max(highest.K, total.K)}
		}
		for range rapid.IntRange(1, 20).Draw(t, "folds") {
			n := rapid.IntRange(0, 1000).Draw(t, "n")
			take(metrics.Trials{N: float64(n), K: float64(rapid.IntRange(0, n).Draw(t, "k"))})
		}
		take(metrics.Trials{N: highest.N + highest.K, K: highest.K})
		end := metrics.Trials{N: highest.N + 3*highest.K + 50, K: highest.K + 20}
		take(end)
		if sum != end || g.Folded != end || g.Behind(end) != (metrics.Trials{}) {
			t.Fatalf("gave out %+v, folded %+v, of a total of %+v", sum, g.Folded, end)
		}
	})
}
