package pipeline

import (
	"fmt"
	"math"

	"shaketable/metrics"
)

// Outlook is how soon falls of one series would be noticed.
type Outlook struct {
	Series
	// Holds is the share that holds today: what the baseline says, or what was assumed.
	Holds float64
	// Judged is false for a series that fails too often already to be judged, or that the baseline lacks.
	Judged bool
	// Probes until each of the falls is noticed, at most about; +Inf for a fall that is too small to be told from chance. Nil
	// unless Judged. See [metrics.ExpectedDelay].
	Probes []float64
}

// Outlooks tells of the series of a generation that may wake people, detector and families, how many probes it takes until
// falls of the given sizes (.05 is 5 points) are noticed at the alarm level of the configuration. Each series falls from what
// the baseline counted; without a baseline, b nil, from a failure rate that is assumed to be known exactly. A series with an
// objective is held against that. Only a series that every probe feeds learns from every probe: of one whose variants run in
// a share of them, it takes as many more.
func Outlooks(g Generation, c AlertConfig, b *metrics.Baseline, assumed float64, falls []float64) ([]Outlook, error) {
	series, missing := SeriesOf(g, c.Objective)
	if len(missing) > 0 {
		return nil, fmt.Errorf("outlook: alerts.objective names %q, which detector %s does not have", missing[0], g.Detector)
	}
	var list []Outlook
	for _, s := range series {
		if s.Tier != Paging {
			continue
		}
		level, err := c.AlarmLevel(s.Tier)
		if err != nil {
			return nil, fmt.Errorf("outlook: %w", err)
		}
		o, err := outlook(g, s, c, level, b, assumed, falls)
		if err != nil {
			return nil, fmt.Errorf("outlook: %s: %w", s.Name(), err)
		}
		list = append(list, o)
	}
	return list, nil
}

func outlook(g Generation, s Series, c AlertConfig, level float64, b *metrics.Baseline, assumed float64, falls []float64) (Outlook, error) {
	failing, null := assumed, assumed+c.Epsilon
	if b != nil {
		trials, ok := referenceOf(b, g, s)
		rate, counted := trials.Rate()
		if !ok || !counted {
			return Outlook{Series: s, Holds: math.NaN()}, nil
		}
		q0, err := metrics.Null(trials.K, trials.N, c.Epsilon)
		if err != nil {
			return Outlook{}, err
		}
		failing, null = rate, q0
	}
	if s.Objective > 0 {
		null = 1 - s.Objective
	}
	o := Outlook{Series: s, Holds: 1 - failing, Judged: metrics.Judged(null)}
	if !o.Judged {
		return o, nil
	}
	share := g.least(s.pools)
	for _, fall := range falls {
		trials := math.Inf(1)
		if failing+fall > null && failing+fall <= 1 {
			var err error
			if trials, err = metrics.ExpectedDelay(null, failing+fall, level); err != nil {
				return Outlook{}, err
			}
		}
		o.Probes = append(o.Probes, trials/share)
	}
	return o, nil
}
