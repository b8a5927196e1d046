package pipeline

import (
	"fmt"
	"slices"

	"shaketable/metrics"
)

// Whether one slice accounts for a change.
//
// In: what every slice counted since the onset, and before. Out: the slice that holds most of the excess, if the others
// together are as before. With n_s, k_s the probes and failures of slice s since the onset, n their sum, r_s its failure rate
// before, w_s its share of the probes before, and R = Σ w_s r_s the rate of all before, the excess k - nR is Σ c_s,
//
//	c_s = (k_s - n_s r_s) + (n_s - n w_s)(r_s - R)
//
// what it fails more than it did, and what it weighs more than it did. The rate of a slice that is new is taken as R: all
// that it fails beyond is its own. It is a decomposition of rates after Kitagawa (1955), JASA 50:1168, per slice.

const (
	// mostOf is the share of the excess that one slice must hold to be named.
	mostOf = .7
	// dominant is the share before from which a slice cannot be told from the whole unless there are others to compare with.
	dominant = .5
)

// slicePart is what one slice counted before and since.
type slicePart struct {
	name     string
	was, now metrics.Trials
}

// found is a slice that accounts for a change.
type found struct {
	slice   string
	portion float64 // of the excess
	words   string
	kind    string // what it does: "new", "more" or "worse"
}

// suspect looks for a slice that accounts for the change of a series. Without one, words say what was looked at.
func (r *run) suspect(lead *judged) (best *found, words string) {
	since, before := r.lens.tally, r.earlier()
	if len(since.slicesOrNone()) == 0 {
		return nil, "Sources are not told apart."
	}
	if lead.Metric == MetricRALabel {
		return nil, "Labels are not told apart by source."
	}
	if before.probes < minShare {
		return nil, "Too little was seen of this version before the change to compare sources."
	}
	s := lead.Series
	var looked []string
	for _, attribute := range attributesOf(since) {
		var parts []slicePart
		for _, name := range sortedKeys(since.slices) {
			if a, _ := SplitSlice(name); a == attribute {
				s.Slice = name
				parts = append(parts, slicePart{name, before.trials(s), since.trials(s)})
			}
		}
		f := accountable(parts)
		if f != nil && (best == nil || f.portion > best.portion) {
			best = f
			best.words = f.sentence(parts, lead.Series, r.lens.name)
		}
		looked = append(looked, attribute)
	}
	if best == nil {
		words = r.alikeWords(looked)
	}
	return best, words
}

func (r *run) alikeWords(attributes []string) string {
	if len(attributes) == 1 {
		return fmt.Sprintf("No single %s accounts for it.", attributes[0])
	}
	return fmt.Sprintf("No single value of %s accounts for it.", joined(attributes))
}

func joined(names []string) string {
	text := names[0]
	for i, n := range names[1:] {
		if i == len(names)-2 {
			text += " or " + n
		} else {
			text += ", " + n
		}
	}
	return text
}

func (t *tally) slicesOrNone() map[string]*tally {
	if t == nil {
		return nil
	}
	return t.slices
}

func attributesOf(t *tally) []string {
	var list []string
	for _, name := range sortedKeys(t.slices) {
		if a, _ := SplitSlice(name); !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	return list
}

// accountable returns the slice that holds most of the excess; nil if none holds enough, or if the others are worse as well.
func accountable(parts []slicePart) *found {
	var was, now metrics.Trials
	for _, p := range parts {
		was, now = was.Plus(p.was), now.Plus(p.now)
	}
	if was.N < minShare || now.N < minShare {
		return nil
	}
	whole := was.K / was.N
	excess := now.K - now.N*whole
	if excess <= 0 {
		return nil
	}
	var best *found
	for _, p := range parts {
		held, kind := p.contribution(now.N, was.N, whole)
		if best != nil && held/excess <= best.portion || held < mostOf*excess || !surelyAbove(p.now, whole) {
			continue
		}
		rest := slicePart{was: metrics.Trials{N: was.N - p.was.N, K: was.K - p.was.K}, now: metrics.Trials{N: now.N - p.now.N, K: now.K - p.now.K}}
		if rest.asBefore(p.was.N / was.N) {
			best = &found{slice: p.name, portion: held / excess, kind: kind}
		}
	}
	return best
}

// contribution is c_s and what most of it is.
func (p slicePart) contribution(n, wasN, whole float64) (held float64, kind string) {
	if p.was.N < minShare {
		return p.now.K - p.now.N*whole, "new"
	}
	rate := p.was.K / p.was.N
	worse := p.now.K - p.now.N*rate
	more := (p.now.N - n*p.was.N/wasN) * (rate - whole)
	if more > worse {
		return worse + more, "more"
	}
	return worse + more, "worse"
}

// asBefore says that the others fail no more than they did: their band holds their own rate of before. Too few of them say
// nothing, unless the slice came to be nearly all from a smaller share.
func (p slicePart) asBefore(share float64) bool {
	if p.now.N < minShare || p.was.N < minShare {
		return share <= dominant
	}
	return !surelyAbove(p.now, p.was.K/p.was.N)
}

func surelyAbove(t metrics.Trials, rate float64) bool {
	band, err := metrics.Wilson(min(t.K, t.N), t.N, .05)
	return err == nil && t.N > 0 && band.Lower > rate
}

// sentence says what the slice does, and that the others do not.
func (f *found) sentence(parts []slicePart, s Series, since string) string {
	var was, now metrics.Trials
	var own slicePart
	for _, p := range parts {
		was, now = was.Plus(p.was), now.Plus(p.now)
		if p.name == f.slice {
			own = p
		}
	}
	fails := share(own.now.K / own.now.N)
	weight := share(own.now.N / now.N)
	var text string
	switch f.kind {
	case "new":
		text = fmt.Sprintf("It is new: %s pictures are of it %s, and of these %s %s", weight, since, fails, failing(s))
	case "more":
		text = fmt.Sprintf("It sends more: %s pictures are of it %s, it was %s; of these %s %s, it was %s", weight, since,
			shortShare(own.was.N/was.N, weight), fails, failing(s), shortShare(own.was.K/own.was.N, fails))
	default:
		text = fmt.Sprintf("Of its pictures %s %s %s, it was %s", fails, failing(s), since, shortShare(own.was.K/own.was.N, fails))
	}
	others, before := metrics.Trials{N: now.N - own.now.N, K: now.K - own.now.K}, metrics.Trials{N: was.N - own.was.N, K: was.K - own.was.K}
	if others.N < minShare || before.N < minShare {
		return text + ". Hardly any picture is of another."
	}
	rate := share(others.K / others.N)
	return fmt.Sprintf("%s. All others together: %s, it was %s.", text, rate, shortShare(before.K/before.N, rate))
}

// action is what to do first.
func (f *found) action() string {
	switch f.kind {
	case "new":
		return fmt.Sprintf("ask who began to send %s, and what they do to pictures (encoder, size, filters).", sliceWords(f.slice))
	case "more":
		return fmt.Sprintf("ask why so much more comes from %s; the detector was always weaker on it.", sliceWords(f.slice))
	}
	return fmt.Sprintf("ask the owners of %s what changed at that time (encoder, client app, filters).", sliceWords(f.slice))
}
