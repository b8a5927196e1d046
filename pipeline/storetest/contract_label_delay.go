package storetest

import (
	"testing"
	"time"

	"shaketable/pipeline"
)

// The delay of a label is counted once per probe, in its total alone: that of the first label of the media, whoever comes
// second, and whatever corrections say later.
func contractLabelDelay(t *testing.T, s Subject) {
	ready(t, s)
	minute, hour := buckets(time.Now())
	start := time.Unix(minute, 0)
	var probed, labelled int64 = -1, -1
	probe := func(media string) {
		t.Helper()
		b := detections("a", probed, probed+1)
		b.Probes = []pipeline.ProbeRecord{{MediaKey: media, Generation: gen, Offset: probed + 1, Fine: minute, Coarse: hour, Decisions: "1"}}
		apply(t, s, b, pipeline.OK, probed+1)
		probed++
	}
	label := func(media string, fake bool, at time.Time) {
		t.Helper()
		b := labels(labelled, labelled+1, pipeline.LabelRecord{MediaKey: media, Fake: fake, Offset: labelled + 1, Time: at})
		apply(t, s, b, pipeline.OK, labelled+1)
		apply(t, s, b, pipeline.DUP, labelled+1)
		labelled++
	}
	counted := pipeline.Counts{}
	delays := func(what string, field ...string) {
		t.Helper()
		for _, f := range field {
			counted[f]++
		}
		got := pipeline.Counts{}
		for f, n := range sum(t, s, total())[0] {
			if f[0] == 'y' {
				got[f] = n
			}
		}
		equal(t, what, got, counted)
	}
	for _, c := range []struct {
		media string
		delay time.Duration
		want  string
	}{
		{"before the event", -time.Hour, "y60"}, {"at once", 0, "y60"}, {"a minute", time.Minute + 999*time.Millisecond, "y60"},
		{"more", 61 * time.Second, "y300"}, {"three hours", 3 * time.Hour, "y10800"}, {"a day", 24 * time.Hour, "y86400"},
		{"over a day", 24*time.Hour + time.Second, "y172800"}, {"30 days", 30 * 24 * time.Hour, "y2592000"},
		{"beyond", 30*24*time.Hour + time.Second, "yinf"}, {"never heard of", 9000 * 24 * time.Hour, "yinf"},
	} {
		probe(c.media)
		label(c.media, true, start.Add(c.delay))
		delays(c.media, c.want)
		label(c.media+" 2", false, start.Add(c.delay))
		delays(c.media + ", label without a probe")
		probe(c.media + " 2")
		delays(c.media+", label first", c.want)
	}
	label("more", false, start.Add(90*time.Hour))
	delays("a correction")
	probe("more")
	delays("a second probe after the correction", "y300")
	probe("no time")
	label("no time", true, time.Time{})
	label("no time", false, start)
	probe("no time")
	delays("a first label without a time")
	for _, c := range []pipeline.Cell{{Kind: pipeline.Fine, Start: minute}, {Kind: pipeline.Coarse, Start: hour}} {
		c.Generation = gen
		for f := range sum(t, s, c)[0] {
			if f[0] == 'y' {
				t.Errorf("%+v holds %s", c, f)
			}
		}
	}
}
