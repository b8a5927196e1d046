package metrics_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"

	"shaketable/metrics"
)

var update = flag.Bool("update", false, "write the tables of README.md anew")

// What the configuration of a page comes to unless it is changed, with one detector; pipeline holds it against its
// defaults.
const (
	pagingSeries  = 20
	foldsPerMonth = 30 * 24 * 60
	falsePages    = 1.
	foldProbes    = 5
)

// TestReadme holds the simulated tables of README.md against the code. All of it is seeded.
func TestReadme(t *testing.T) {
	t.Parallel()
	level, err := metrics.Threshold(pagingSeries, foldsPerMonth, falsePages)
	must(t, level, err)
	data, err := os.ReadFile("README.md")
	must(t, data, err)
	text := string(data)
	if want := fmt.Sprintf("A = %.0f", level); !strings.Contains(text, want) {
		t.Errorf("README.md does not say %q", want)
	}
	for name, table := range map[string]string{"delays": delayTable(t, level), "stable": stableTable(t, level)} {
		t.Logf("%s\n%s", name, table)
		begin, end := "<!-- "+name+": go test ./metrics -run TestReadme -update -->\n", "<!-- /"+name+" -->"
		head, rest, ok := strings.Cut(text, begin)
		was, tail, ok2 := strings.Cut(rest, end)
		if !ok || !ok2 {
			t.Fatalf("README.md has lost the marks around the table %s", name)
		}
		if was != table && !*update {
			t.Errorf("the table %s in README.md is not what the simulation gives: go test ./metrics -run TestReadme -update", name)
		}
		text = head + begin + table + end + tail
	}
	if *update {
		must(t, 0, os.WriteFile("README.md", []byte(text), 0o644))
	}
}

// watcher looks at the probes of each fold and says when it alarms.
type watcher func(ys []bool) bool

func esrWatcher(t *testing.T, q0, level float64) watcher {
	e, err := metrics.NewESR(q0, metrics.Alternatives(q0), level)
	must(t, e, err)
	var state metrics.ESRState
	return func(ys []bool) bool {
		gained := metrics.Trials{N: float64(len(ys))}
		for _, failed := range ys {
			if failed {
				gained.K++
			}
		}
		v, err := e.Fold(&state, gained)
		return must(t, v, err).Alarm
	}
}

// newCUSUM looks for a rise by .10, and alarms falsely once in level folds on average.
func newCUSUM(t *testing.T, q0, level float64) metrics.CUSUM {
	c, err := metrics.NewCUSUM(q0, q0+.1, level*foldProbes)
	return must(t, c, err)
}

func cusumWatcher(c metrics.CUSUM) watcher {
	state := 0
	return func(ys []bool) bool {
		any := false
		for _, failed := range ys {
			next, alarm := c.Step(state, failed)
			state, any = next, any || alarm
		}
		return any
	}
}

const windowProbes = 200

// windowLimit is the number of failures in a full window at which the lower end of its 95 % Wilson interval passes q0.
func windowLimit(t *testing.T, q0 float64) int {
	for k := range windowProbes {
		band, err := metrics.Wilson(float64(k), windowProbes, .05)
		if must(t, band, err).Lower > q0 {
			return k
		}
	}
	return windowProbes
}

// windowWatcher alarms when the window enters the state of alarm; it begins with a full window at the null.
func windowWatcher(q0 float64, limit int, rng *rand.Rand) watcher {
	ring := make([]bool, windowProbes)
	failed := 0
	for _, i := range rng.Perm(windowProbes)[:int(q0*windowProbes+.5)] {
		ring[i] = true
		failed++
	}
	at, was := 0, false
	return func(ys []bool) bool {
		for _, y := range ys {
			if ring[at] {
				failed--
			}
			if ring[at] = y; y {
				failed++
			}
			at = (at + 1) % windowProbes
		}
		before := was
		was = failed >= limit
		return was && !before
	}
}

// draw fills ys with the probes of a fold.
func draw(rng *rand.Rand, size distuv.Poisson, rate float64, ys []bool) []bool {
	ys = ys[:0]
	for range int(size.Rand()) {
		ys = append(ys, rng.Float64() < rate)
	}
	return ys
}

// delayTable measures, on the same probes, how many it takes each watcher to notice.
func delayTable(t *testing.T, level float64) string {
	const runs = 400
	var b strings.Builder
	b.WriteString("| null rate | true rate | e-SR, median | 90 % within | CUSUM | window | `ExpectedDelay` |\n|---|---|---|---|---|---|---|\n")
	for _, c := range [][2]float64{{.02, .05}, {.02, .10}, {.02, .20}, {.05, .08}, {.05, .10}, {.05, .15}, {.05, .25},
		{.12, .15}, {.12, .20}, {.12, .30}, {.12, .50}} {
		q0, q1 := c[0], c[1]
		rng := rand.New(rand.NewPCG(46, uint64(1000*q0+100*q1)))
		size := distuv.Poisson{Lambda: foldProbes, Src: rng}
		cusum, limit := newCUSUM(t, q0, level), windowLimit(t, q0)
		delays := make([][]int, 3)
		var ys []bool
		for range runs {
			watchers := []watcher{esrWatcher(t, q0, level), cusumWatcher(cusum), windowWatcher(q0, limit, rng)}
			seen := 0
			for left := len(watchers); left > 0; {
				ys = draw(rng, size, q1, ys)
				seen += len(ys)
				for i, w := range watchers {
					if w != nil && w(ys) {
						delays[i], watchers[i] = append(delays[i], seen), nil
						left--
					}
				}
			}
		}
		for i := range delays {
			slices.Sort(delays[i])
		}
		expected, err := metrics.ExpectedDelay(q0, q1, level)
		must(t, expected, err)
		fmt.Fprintf(&b, "| %s | %s | %d | %d | %d | %d | %.0f |\n", rate(q0), rate(q1), delays[0][runs/2], delays[0][runs*9/10],
			delays[1][runs/2], delays[2][runs/2], expected)
	}
	return b.String()
}

// stableTable counts the alarms of one series that stays at its null for a hundred months.
func stableTable(t *testing.T, level float64) string {
	const months = 100
	var b strings.Builder
	fmt.Fprintf(&b, "| null rate | e-SR | guaranteed at most | CUSUM | calibrated to | window |\n|---|---|---|---|---|---|\n")
	for _, q0 := range []float64{.05, .12} {
		rng := rand.New(rand.NewPCG(47, uint64(1000*q0)))
		size := distuv.Poisson{Lambda: foldProbes, Src: rng}
		watchers := []watcher{esrWatcher(t, q0, level), cusumWatcher(newCUSUM(t, q0, level)), windowWatcher(q0, windowLimit(t, q0), rng)}
		alarms := make([]int, 3)
		var ys []bool
		for range months * foldsPerMonth {
			ys = draw(rng, size, q0, ys)
			for i, w := range watchers {
				if w(ys) {
					alarms[i]++
				}
			}
		}
		allowed := float64(months) * foldsPerMonth / level
		if float64(alarms[0]) > allowed {
			t.Errorf("null %v: %d alarms in %d months, guarantee %v", q0, alarms[0], months, allowed)
		}
		fmt.Fprintf(&b, "| %s | %d | %.0f | %d | %.0f | %d |\n", rate(q0), alarms[0], allowed, alarms[1], allowed, alarms[2])
	}
	return b.String()
}

// rate is a share as it is written here: .05.
func rate(q float64) string { return strings.TrimPrefix(strconv.FormatFloat(q, 'f', 2, 64), "0") }
