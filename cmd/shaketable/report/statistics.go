package report

import (
	"fmt"
	"math"

	"shaketable/metrics"
)

// statistic is a question, its answer in figures, and how they are made.
type statistic struct {
	Title  string
	Lead   string
	Tables []table
	How    string // formula, units and source
}

// statistics are those that the data allows, in the order of the report. What lacks labels is named in absent.
func (s *sheet) statistics() (list []statistic, absent []string, err error) {
	for _, one := range []struct {
		name   string
		labels bool
		make   func() (statistic, bool, error)
	}{
		{"accuracy", true, s.accuracy}, {"calibration", true, s.calibration}, {"credibility", false, s.credibility},
		{"ambiguity", false, s.ambiguity}, {"disagreement of detectors", false, s.disagreement}, {"slices", false, s.slices},
		{"worst slice", false, s.worst}, {"interval of a probed score", false, s.conformal}, {"ranking of perturbations", false, s.ranking},
	} {
		if one.labels && s.labelled == 0 {
			absent = append(absent, one.name)
			continue
		}
		st, ok, err := one.make()
		if err != nil {
			return nil, nil, fmt.Errorf("report: %s: %w", one.name, err)
		}
		if ok {
			list = append(list, st)
		}
	}
	return list, absent, nil
}

// labelledMedia are those that a detector could use and that have a label.
func (s *sheet) labelledMedia(d *subject) (media []int) {
	for _, m := range d.used {
		if s.Media[m].Fake != nil {
			media = append(media, m)
		}
	}
	return media
}

// accuracy sets the right verdicts on clean pictures beside those on perturbed ones.
func (s *sheet) accuracy() (statistic, bool, error) {
	st := statistic{Title: "How often is the verdict right?",
		Lead: "On the clean pictures, on the perturbed ones on average, and whether every perturbed form of a picture is judged rightly.",
		How: "Standard accuracy: share of labelled pictures whose clean verdict equals the label. Perturbed: the mean over kinds of the mean over severities of " +
			"the share of perturbed verdicts that equal the label. In every form: share of pictures whose clean verdict and all perturbed verdicts equal the label, the " +
			"robust accuracy against a choice among these perturbations. Under attack: the fewest right verdicts under one attack. Bands: Wilson (1927), JASA 22:209, 95 %; " +
			"on the mean over kinds the number of pictures counts, not that of probes."}
	t := table{Head: []string{"detector", "clean", "perturbed, on average", "in every form", "under the strongest attack"}}
	for i := range s.subjects {
		d := &s.subjects[i]
		media := s.labelledMedia(d)
		if len(media) == 0 {
			continue
		}
		wrong := func(m, row int) float64 {
			if math.IsNaN(d.Probs[m][row]) {
				return math.NaN()
			}
			if d.fake(m, row) != *s.Media[m].Fake {
				return 1
			}
			return 0
		}
		every := make([]float64, len(media))
		for j, m := range media {
			most, _, _ := largest(d.naturals(), m, wrong)
			every[j] = max(wrong(m, 0), most)
		}
		all, err := shareOf(every)
		if err != nil {
			return st, false, err
		}
		strongest := rate{}
		for _, f := range d.attacks() {
			for _, l := range f.Levels {
				if l.Label.OK() && (!strongest.OK() || l.Label.Value < strongest.Value) {
					strongest = l.Label
				}
			}
		}
		t.Rows = append(t.Rows, []cell{named(d), counted(d.Clean), counted(d.Label), counted(all), counted(strongest)})
	}
	st.Tables = []table{t}
	return st, len(t.Rows) > 0, nil
}

// calibrationBins is how many bins the calibration error has.
const calibrationBins = 10

// calibration compares probabilities with labels, clean and perturbed.
func (s *sheet) calibration() (statistic, bool, error) {
	st := statistic{Title: "Can the probability be taken at its word?",
		Lead: "A detector that says .7 of many pictures should be right on 70 % of them. 0 is best; a figure that rises under perturbation says that the detector is sure of what it no longer knows.",
		How: fmt.Sprintf("Calibration error (ECE): over %d bins of equal width, Σ n_b/n |share fake in b − mean p in b|. Brier score: mean of (p − y)², y = 1 for fake. Perturbed: over all probes of natural "+
			"perturbations of the labelled pictures. Few pictures make the calibration error too large: compare only figures with like n. Bands: percentile bootstrap over pictures, %d draws (%d where there are many). Sources: Naeini, Cooper, "+
			"Hauskrecht (2015), AAAI 29:2901; Brier (1950), Monthly Weather Review 78:1; Efron and Tibshirani (1993), chapter 13.", calibrationBins, draws, fewDraws)}
	t := table{Head: []string{"detector", "calibration error, clean", "perturbed", "Brier score, clean", "perturbed"}}
	for i := range s.subjects {
		d := &s.subjects[i]
		media := s.labelledMedia(d)
		if len(media) == 0 {
			continue
		}
		row := []cell{named(d)}
		for _, score := range []func([]float64, []bool) (float64, error){
			func(p []float64, fake []bool) (float64, error) { return metrics.ECE(p, fake, calibrationBins) }, metrics.Brier} {
			for _, perturbed := range []bool{false, true} {
				if perturbed && d.natural == 0 {
					row = append(row, plain("–"))
					continue
				}
				of := func(media []int) float64 {
					p, fake := s.scores(d, media, perturbed)
					v, err := score(p, fake)
					if err != nil {
						return math.NaN()
					}
					return v
				}
				b := bootstrapped(media, d.draws(), of)
				row = append(row, cell{Text: decimal(of(media)), Small: fmt.Sprintf("%s to %s, n %d", decimal(b.Lower), decimal(b.Upper), len(media))})
			}
		}
		t.Rows = append(t.Rows, row)
	}
	st.Tables = []table{t}
	return st, len(t.Rows) > 0, nil
}

// scores are the probabilities of some labelled media with their labels: the clean ones, or all of natural perturbations.
func (s *sheet) scores(d *subject, media []int, perturbed bool) (p []float64, fake []bool) {
	rows := []int{0}
	if perturbed {
		rows = rows[:0]
		for _, f := range d.naturals() {
			for _, l := range f.Levels {
				rows = append(rows, l.row)
			}
		}
	}
	p, fake = make([]float64, 0, len(media)*len(rows)), make([]bool, 0, len(media)*len(rows))
	for _, m := range media {
		for _, row := range rows {
			p, fake = append(p, d.Probs[m][row]), append(fake, *s.Media[m].Fake)
		}
	}
	return p, fake
}

// conformal bounds how far a probe may lie from the clean probability.
func (s *sheet) conformal() (statistic, bool, error) {
	const miss = .1
	st := statistic{Title: "How far may the probability of one more picture move?",
		Lead: "For 90 of 100 new pictures like these, no severity of that kind moves the probability by more than this.",
		How: "Split conformal interval p ± r: r is the ⌈(n+1)(1−.1)⌉-th smallest of the largest moves |p'−p| of each picture over the severities of the kind (“any kind”: over all). It assumes nothing about the " +
			"detector, only that the new picture is drawn like the measured ones, and holds for one new picture at a time. “any” says that there are too few pictures. " +
			"Source: Lei, G'Sell, Rinaldo, Tibshirani, Wasserman (2018), JASA 113:1094."}
	head := []string{"kind"}
	rows := [][]cell{{plain("any kind")}}
	var names []string
	for i := range s.subjects {
		d := &s.subjects[i]
		if d.natural == 0 {
			return st, false, nil
		}
		head = append(head, fmt.Sprintf("%s (n %d)", d.title(), d.Pictures))
		for j, f := range append([]family{{}}, d.naturals()...) {
			if i == 0 && j > 0 {
				names = append(names, f.Name)
				rows = append(rows, []cell{plain(words(f.Name))})
			}
			over := []family{f}
			if j == 0 {
				over = d.naturals()
			}
			moves := make([]float64, len(d.used))
			for k, m := range d.used {
				moves[k], _, _ = largest(over, m, d.distance)
			}
			r, err := metrics.ConformalRadius(moves, miss)
			if err != nil {
				return st, false, err
			}
			rows[j] = append(rows[j], plain("± "+decimal(r)))
		}
	}
	st.Tables = []table{{Head: head, Rows: rows}}
	return st, len(names) > 0, nil
}
