package metrics_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"shaketable/metrics"
)

type intervalFunc func(k, n, alpha float64) (metrics.Interval, error)

// Expected values: statsmodels proportion_confint (methods wilson, jeffreys, beta) and scipy beta.ppf; the examples are
// those of Newcombe (1998), which agree.
func TestProportionIntervals(t *testing.T) {
	for _, c := range []struct {
		name         string
		f            intervalFunc
		k, n         float64
		lower, upper float64
	}{
		{"wilson", metrics.Wilson, 81, 263, .2552885199, .3662095770},
		{"wilson", metrics.Wilson, 15, 148, .0623863995, .1604872417},
		{"wilson", metrics.Wilson, 0, 20, 0, .1611251581},
		{"wilson", metrics.Wilson, 1, 29, .0061132143, .1717552188},
		{"wilson", metrics.Wilson, 90, 100, .8256343385, .9447708629},
		{"wilson", metrics.Wilson, 0, 1, 0, .7934506856},
		{"wilson", metrics.Wilson, 10, 10, .7224672001, 1},
		{"wilson", metrics.Wilson, 0, 0, 0, 1},
		{"jeffreys", metrics.Jeffreys, 81, 263, .2545219350, .3656474992},
		{"jeffreys", metrics.Jeffreys, 1, 29, .0037461736, .1500776860},
		{"jeffreys", metrics.Jeffreys, 90, 100, .8298760703, .9474153247},
		{"jeffreys", metrics.Jeffreys, 0, 20, 0, .1166389829}, // extended to 0
		{"jeffreys", metrics.Jeffreys, 0, 0, 0, 1},
		{"clopper-pearson", metrics.ClopperPearson, 1, 29, .0008726469, .1776442955},
		{"clopper-pearson", metrics.ClopperPearson, 10, 10, .6915028922, 1},
		{"clopper-pearson", metrics.ClopperPearson, 81, 263, .2527367456, .3676219226},
		{"clopper-pearson", metrics.ClopperPearson, 0, 20, 0, .1684334710},
		{"clopper-pearson", metrics.ClopperPearson, 0, 0, 0, 1},
	} {
		got, err := c.f(c.k, c.n, .05)
		must(t, got, err)
		near(t, c.name+" lower", got.Lower, c.lower, 10)
		near(t, c.name+" upper", got.Upper, c.upper, 10)
	}
	tiny, err := metrics.Jeffreys(.0595, 59.5, 1.9073486328125e-06) // where gonum's own inverse fails
	must(t, tiny, err)
	near(t, "jeffreys far out, lower", tiny.Lower*1e12, .2357165628, 7)
	near(t, "jeffreys far out, upper", tiny.Upper, .1856072981, 10)
	wide, err := metrics.Wilson(30, 1000, .01)
	near(t, "wilson 99 % lower", must(t, wide, err).Lower, .0189063163, 10)
}

func TestClopperPearsonOneSided(t *testing.T) {
	lower95, err := metrics.ClopperPearsonLower(950, 1000, .05)
	near(t, "lower 95 %", must(t, lower95, err), .9371365965, 10)
	lower99, err := metrics.ClopperPearsonLower(950, 1000, .01)
	near(t, "lower 99 %", must(t, lower99, err), .9315951063, 10)
	upper, err := metrics.ClopperPearsonUpper(7.4, 104, .05) // a family: the mean over its severities
	near(t, "fractional upper", must(t, upper, err), .1274505784, 10)
	none, err := metrics.ClopperPearsonUpper(0, 104, .05)
	near(t, "upper without failures", must(t, none, err), 1-math.Pow(.05, 1./104), 12)
}

// Newcombe (1998), Statistics in Medicine 17:873, table II, method 10, to four digits; the rest by statsmodels.
func TestNewcombe(t *testing.T) {
	for _, c := range []struct{ k1, n1, k2, n2, lower, upper float64 }{
		{90, 100, 80, 100, .0001490251, .1994738701},
		{56, 70, 48, 80, .0524314724, .3338726540},
		{9, 10, 3, 10, .1705227239, .8090179735},
		{6, 7, 2, 7, .0582279275, .8062496375},
		{5, 56, 0, 29, -.0381371479, .1925600139},
		{0, 10, 0, 20, -.1611251581, .2775327999},
		{10, 10, 0, 20, .6790860371, 1},
	} {
		got, err := metrics.Newcombe(c.k1, c.n1, c.k2, c.n2, .05)
		must(t, got, err)
		near(t, "newcombe lower", got.Lower, c.lower, 10)
		near(t, "newcombe upper", got.Upper, c.upper, 10)
	}
}

func TestMcNemar(t *testing.T) { // scipy binomtest(b, b+c)
	for _, c := range []struct {
		b, c int64
		want float64
	}{{15, 3, .0075378418}, {3, 15, .0075378418}, {0, 6, .03125}, {1, 9, .021484375}, {40, 60, .0568879336}, {5, 5, 1}, {0, 0, 1}} {
		got, err := metrics.McNemar(c.b, c.c)
		near(t, "mcnemar", must(t, got, err), c.want, 10)
	}
	_, err := metrics.McNemar(-1, 2)
	fails(t, "negative count", err, "-1 and 2")
}

func TestIntervalsRefuse(t *testing.T) {
	for name, f := range map[string]intervalFunc{
		"wilson": metrics.Wilson, "jeffreys": metrics.Jeffreys, "clopper-pearson": metrics.ClopperPearson,
	} {
		for _, c := range []struct{ k, n, alpha float64 }{
			{-1, 10, .05}, {11, 10, .05}, {1, -10, .05}, {math.NaN(), 10, .05}, {1, math.Inf(1), .05},
			{1, 10, 0}, {1, 10, 1}, {1, 10, math.NaN()},
		} {
			_, err := f(c.k, c.n, c.alpha)
			fails(t, name, err, name)
		}
	}
	_, err := metrics.Newcombe(1, 10, 0, 0, .05)
	fails(t, "newcombe", err, "0 trials")
	_, err = metrics.Newcombe(1, 10, 4, 3, .05)
	fails(t, "newcombe", err, "second rate", "4 failures of 3")
}

func TestIntervalProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Float64Range(.5, 1e6).Draw(t, "n")
		k := n * rapid.Float64Range(.001, .999).Draw(t, "share")
		alpha := rapid.Float64Range(1e-6, .5).Draw(t, "alpha")
		for name, f := range map[string]intervalFunc{
			"wilson": metrics.Wilson, "jeffreys": metrics.Jeffreys, "clopper-pearson": metrics.ClopperPearson,
		} {
			a, err := f(k, n, alpha)
			must(t, a, err)
			b, err := f(n-k, n, alpha)
			must(t, b, err)
			wider, err := f(k, n, alpha/2)
			must(t, wider, err)
			if !(0 <= a.Lower && a.Lower <= a.Upper && a.Upper <= 1) || wider.Lower > a.Lower || wider.Upper < a.Upper {
				t.Fatalf("%s of %v/%v: %+v, at half the error rate %+v", name, k, n, a, wider)
			}
			if math.Abs(a.Lower-(1-b.Upper)) > 1e-9 {
				t.Fatalf("%s of %v/%v: %+v is no mirror of %+v", name, k, n, a, b)
			}
		}
	})
}
