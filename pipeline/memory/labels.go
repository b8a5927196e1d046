package memory

import (
	"time"

	"shaketable/pipeline"
)

// mediaKey is a media id within its partition.
type mediaKey struct {
	partition int
	hidden    string
}

// media is what a view knows of one media.
type media struct {
	probes []*probe
	label  *verdict
	first  time.Time // of the first label
	said   bool      // the first label
}

// verdict is a label with what orders it.
type verdict struct {
	fake             bool
	revision, offset int64
}

func (v *View) of(partition int, hidden string) *media {
	key := mediaKey{partition, hidden}
	if v.media[key] == nil {
		v.media[key] = &media{}
	}
	return v.media[key]
}

// probed takes in a probe, and counts it under the label that is there already.
func (v *View) probed(p *probe) {
	m := v.of(p.partition, p.MediaKey)
	m.probes = append(m.probes, p)
	v.recount(p, m)
}

// give takes in a label, and counts the probes that are there already under it. Labels are ordered by (revision, offset); one
// that contradicts its own revision changes nothing.
func (v *View) give(l label) {
	m := v.of(l.partition, l.MediaKey)
	next := verdict{l.Fake, l.Revision, l.Offset}
	if old := m.label; old != nil {
		same := old.revision == next.revision
		if next.revision < old.revision || same && next.offset <= old.offset || same && next.revision > 0 && next.fake != old.fake {
			return
		}
	} else {
		m.first, m.said = l.Time, l.Fake
	}
	m.label = &next
	for _, p := range m.probes {
		v.recount(p, m)
	}
}

// recount makes a probe count under the label of its media, in its total and in its buckets, for the variants that ran: as
// labelled the first time, as correct by the difference.
func (v *View) recount(p *probe, m *media) {
	if m.label == nil {
		return
	}
	first := p.counted == nil
	targets := []pipeline.Cell{{Generation: p.Generation, Kind: pipeline.Total}, {Generation: p.Generation, Kind: pipeline.Fine, Start: p.Fine},
		{Generation: p.Generation, Kind: pipeline.Coarse, Start: p.Coarse}}
	if first && !m.first.IsZero() {
		v.count(targets[0], pipeline.FieldLabelDelayOf(m.first.Unix()-p.Fine), 1)
	}
	for i, decision := range p.Decisions {
		if decision == pipeline.NotRun {
			continue
		}
		move := int64(0)
		if (decision == '1') == m.label.fake {
			move++
		}
		if !first && (decision == '1') == p.counted.fake {
			move--
		}
		for _, cell := range targets {
			if first {
				v.count(cell, pipeline.FieldLabelled(i), 1)
			}
			if move != 0 {
				v.count(cell, pipeline.FieldCorrect(i), move)
			}
		}
		revised := move // of a correction; the total knows how much of it is of those
		if first && (decision == '1') == m.said {
			revised--
		}
		if revised != 0 {
			v.count(targets[0], pipeline.FieldRevised(i), revised)
		}
	}
	p.counted = m.label
}
