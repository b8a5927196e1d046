package pipeline

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"shaketable/metrics"
)

// Metric names what counts as a failure of a series.
type Metric string

// The metrics that can be judged. A failure of MetricRASelf is a decision that the perturbation turned, of MetricRR a
// change above the tolerance, of MetricRALabel a perturbed decision unlike the label, of MetricSkew a deployed score
// further from ours than the tolerance, of MetricCoverage a probe that has no label when labels should have come.
const (
	MetricRASelf   Metric = "ra_self"
	MetricRR       Metric = "rr"
	MetricRALabel  Metric = "ra_label"
	MetricSkew     Metric = "skew"
	MetricCoverage Metric = "label_coverage"
)

// Scope says how much a series covers.
type Scope string

// A detector's series is the mean over its natural families, a family's the mean over its variants. A slice's is the
// detector's over the detections of one slice.
const (
	ScopeDetector Scope = "detector"
	ScopeFamily   Scope = "family"
	ScopeVariant  Scope = "variant"
	ScopeSlice    Scope = "slice"
)

// headlineEdge is the tolerance whose RR may wake people: .05, in ticks.
const headlineEdge = 50_000

// Series is something that has a failure rate and can drift.
type Series struct {
	Metric    Metric
	Edge      int64 // tolerance in ticks; MetricRR only
	Scope     Scope
	Family    string // "" at ScopeDetector
	Severity  int    // ScopeVariant only
	Parameter string // ScopeVariant only
	Slice     string // ScopeSlice only: "source=upload-api"
	Tier      Tier
	// Objective is the share that must hold, for a series that is judged against the user's own promise; else 0.
	Objective float64
	// pools holds the indices of its variants, by family: a detector's failure is the mean over families of means.
	pools [][]int
}

// SeriesName is the name under which baselines and objectives know a series: "ra_self", "rr(0.05)/jpeg",
// "rr(0.05)/jpeg/q=75". Family and parameter are "" where the scope is wider.
func SeriesName(m Metric, edge int64, family, parameter string) string {
	name := string(m)
	if m == MetricRR {
		name = "rr(" + toleranceText(edge) + ")"
	}
	if family != "" {
		name += "/" + family
	}
	if parameter != "" {
		name += "/" + parameter
	}
	return name
}

// Name returns the [SeriesName] of the series; that of a slice ends with it: "ra_self@source=upload-api".
func (s Series) Name() string {
	name := SeriesName(s.Metric, s.Edge, s.Family, s.Parameter)
	if s.Slice != "" {
		name += "@" + s.Slice
	}
	return name
}

// id tells a series with an objective from the one that is held against a baseline.
func (s Series) id() string {
	if s.Objective > 0 {
		return "objective:" + s.Name()
	}
	return s.Name()
}

// Rule is the series as people read it: "RR(0.05) jpeg q=75".
func (s Series) Rule() string {
	head := map[Metric]string{MetricRASelf: "RA_self", MetricRALabel: "RA_label", MetricSkew: "serving skew",
		MetricCoverage: "label coverage", MetricRR: "RR(" + toleranceText(s.Edge) + ")"}[s.Metric]
	if s.Slice != "" {
		return head + " " + sliceWords(s.Slice)
	}
	return strings.TrimRight(strings.Join([]string{head, s.Family, s.Parameter}, " "), " ")
}

// robustness is false for what judges the monitor or the labels instead of the model.
func (s Series) robustness() bool { return s.Metric != MetricSkew && s.Metric != MetricCoverage }

func toleranceText(edge int64) string {
	return strconv.FormatFloat(metrics.Tolerance(edge), 'f', -1, 64)
}

// Natural says whether a family happens to live media by itself. Attacks do not: somebody chooses them.
func Natural(family string) bool {
	for _, attack := range []string{"fgsm", "pgd", "cw", "square", "nes"} {
		if strings.HasPrefix(family, attack) {
			return false
		}
	}
	return true
}

// SeriesOf lists the series of a generation that can be judged, the most important first within each tier, so that a
// cap cuts the least important: objectives, then skew and labels, detector, families, slices, variants. A variant that is
// alone in its family is the family's series and not listed again. Objectives of series that the generation does not have
// are returned as missing.
func SeriesOf(g Generation, objectives map[string]float64, slices ...string) (list []Series, missing []string) {
	metricsOf := []Series{{Metric: MetricRASelf}}
	for _, e := range g.Edges {
		metricsOf = append(metricsOf, Series{Metric: MetricRR, Edge: e})
	}
	metricsOf = append(metricsOf, Series{Metric: MetricRALabel})
	byName := map[string]Series{}
	list = []Series{{Metric: MetricSkew, Scope: ScopeDetector, Tier: Ticketing}, {Metric: MetricCoverage, Scope: ScopeDetector, Tier: Ticketing}}
	var variants []Series
	for _, scope := range scopesOf(g) {
		for _, m := range metricsOf {
			s := scope
			s.Metric, s.Edge = m.Metric, m.Edge
			s.Tier = tierOf(s)
			byName[s.Name()] = s
			switch {
			case s.Scope != ScopeVariant:
				list = append(list, s)
			case !s.alone(g):
				variants = append(variants, s)
			}
		}
	}
	list = append(append(list, sliceSeries(g, slices)...), variants...)
	var promised []Series
	for _, name := range sortedKeys(objectives) {
		s, ok := byName[name]
		if !ok {
			missing = append(missing, name)
			continue
		}
		s.Tier, s.Objective = Paging, objectives[name]
		promised = append(promised, s)
	}
	return append(promised, list...), missing
}

// alone says that the series is a variant without siblings.
func (s Series) alone(g Generation) bool {
	if s.Scope != ScopeVariant {
		return false
	}
	siblings := 0
	for _, v := range g.Variants {
		if v.Family == s.Family {
			siblings++
		}
	}
	return siblings == 1
}

func tierOf(s Series) Tier {
	loud := s.Metric == MetricRASelf || s.Metric == MetricRR && s.Edge == headlineEdge
	switch {
	case loud && s.Scope != ScopeVariant && Natural(s.Family):
		return Paging
	case loud || s.Metric == MetricRALabel:
		return Ticketing
	}
	return LogOnly
}

// scopesOf lists the detector, its families and its variants, with the counters that each is made of.
func scopesOf(g Generation) []Series {
	families := familiesOf(g)
	detector := Series{Scope: ScopeDetector}
	var list, variants []Series
	for _, f := range families {
		var pool []int
		for i, v := range g.Variants {
			if v.Family != f {
				continue
			}
			pool = append(pool, i+1)
			variants = append(variants, Series{Scope: ScopeVariant, Family: f, Severity: v.Severity,
				Parameter: v.Parameter, pools: [][]int{{i + 1}}})
		}
		list = append(list, Series{Scope: ScopeFamily, Family: f, pools: [][]int{pool}})
		if Natural(f) {
			detector.pools = append(detector.pools, pool)
		}
	}
	if len(detector.pools) > 0 { // a suite of attacks alone says nothing about live media
		list = append([]Series{detector}, list...)
	}
	return append(list, variants...)
}

// familiesOf lists the families of a generation in the order of its suite.
func familiesOf(g Generation) []string {
	var families []string
	for _, v := range g.Variants {
		if !slices.Contains(families, v.Family) {
			families = append(families, v.Family)
		}
	}
	return families
}

// parseSeriesName takes the name of a series apart; only what an objective can be about is accepted.
func parseSeriesName(name string) (Series, error) {
	parts := strings.SplitN(name, "/", 3)
	s := Series{Metric: Metric(parts[0])}
	if text, ok := strings.CutPrefix(parts[0], "rr("); ok {
		b, err := strconv.ParseFloat(strings.TrimSuffix(text, ")"), 64)
		s.Metric, s.Edge = MetricRR, metrics.Edge(b)
		if err != nil || SeriesName(MetricRR, s.Edge, "", "") != parts[0] {
			return Series{}, fmt.Errorf("%q is no tolerance as series are named: write rr(0.05)", parts[0])
		}
	}
	if !slices.Contains([]Metric{MetricRASelf, MetricRR, MetricRALabel}, s.Metric) || parts[0] == "rr" {
		return Series{}, fmt.Errorf("%q is no metric with an objective: give ra_self, ra_label or rr(0.05)", parts[0])
	}
	if len(parts) > 1 {
		s.Family = parts[1]
	}
	if len(parts) > 2 {
		s.Parameter = parts[2]
	}
	return s, nil
}
