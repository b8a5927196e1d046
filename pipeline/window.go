package pipeline

import "time"

// Windower collects what the finished detections of a partition add, and hands it out as batches for the store.
//
// In: one entry per offset in the order of the log, each finished later and in any order. Out: a Batch that covers the
// longest finished prefix. Invariant: nothing behind an unfinished detection is ever in a batch, so the fence means
// "everything up to here".
type Windower struct {
	fine, coarse time.Duration
	queue        []entry
	base         int64 // sequence number of queue[0]
	last         int64 // offset of the last entry that left
	ready        int   // finished entries at the head
}

// entry is one detection record between reading and applying.
type entry struct {
	offset   int64
	record   time.Time
	event    time.Time // zero if it could not be decoded or is not believed
	outcome  Outcome   // "" until finished
	reason   string
	contents *contents // what a sampled detection adds; nil for most
	subject  *Subject  // nil if the detector is unknown
	slices   []string  // see [Slicer]
}

// contents is what only sampled detections have.
type contents struct {
	reading *Reading
	record  ProbeRecord
	example *Example
	attack  string // why it could not be attacked; "" if it was, or was not to be
}

// NewWindower starts behind the offset that the fence holds. Widths are whole seconds.
func NewWindower(fine, coarse time.Duration, last int64) *Windower {
	return &Windower{fine: fine, coarse: coarse, last: last}
}

// Push appends the next record and returns its sequence number.
func (w *Windower) Push(e entry) int64 {
	w.queue = append(w.queue, e)
	return w.base + int64(len(w.queue)) - 1
}

// At returns the entry of a sequence number that is still in the queue.
func (w *Windower) At(seq int64) *entry { return &w.queue[seq-w.base] }

// Len is the number of entries that are not applied.
func (w *Windower) Len() int { return len(w.queue) }

// Last is the offset of the last record handed out.
func (w *Windower) Last() int64 { return w.last }

// Ready counts the finished prefix, at most limit.
func (w *Windower) Ready(limit int) int {
	for w.ready < len(w.queue) && w.ready < limit && w.queue[w.ready].outcome != "" {
		w.ready++
	}
	return w.ready
}

// Cut takes the finished prefix out of the queue: at most so many records, with at most so many probes. It returns nil if
// there is none.
func (w *Windower) Cut(records, probes int) *Batch {
	n := w.Ready(records)
	if n == 0 {
		return nil
	}
	for i, seen := 0, 0; i < n; i++ {
		if w.queue[i].contents != nil {
			seen++
		}
		if seen > probes {
			n = i
		}
	}
	b := &Batch{Stream: Detections, Prev: w.last, Outcomes: Counts{}, Counts: map[Cell]Counts{}}
	x := exposure{groups: map[exposed]int{}}
	for i := range w.queue[:n] {
		w.add(b, &w.queue[i], &x)
	}
	for _, t := range x.tallies {
		t.subject.Meter.CountDetection(t.at, t.n, b.Counts, t.slices...)
	}
	b.Last = w.queue[n-1].offset
	w.last = b.Last
	w.base += int64(n)
	w.ready = 0
	rest := copy(w.queue, w.queue[n:])
	clear(w.queue[rest:]) // lets go of the pictures' readings
	w.queue = w.queue[:rest]
	return b
}

// exposure groups the detections of a batch, so that an unsampled one costs one map look-up.
type exposure struct {
	groups  map[exposed]int // index of the tally
	tallies []exposureTally
}

// exposed is what detections have in common that add to the same cells. A set of slices is known by where it lies in
// memory: the slicer hands out the same for the same slices, and where it does not, there are two groups.
type exposed struct {
	subject *Subject
	at      Buckets
	set     *string
}

type exposureTally struct {
	exposed
	slices []string
	n      int64
}

func (x *exposure) add(e *entry, at Buckets) {
	key := exposed{subject: e.subject, at: at}
	if len(e.slices) > 0 {
		key.set = &e.slices[0]
	}
	i, ok := x.groups[key]
	if !ok {
		i = len(x.tallies)
		x.groups[key] = i
		x.tallies = append(x.tallies, exposureTally{exposed: key, slices: e.slices})
	}
	x.tallies[i].n++
}

func (w *Windower) add(b *Batch, e *entry, x *exposure) {
	b.Outcomes[Read]++
	b.Outcomes[string(e.outcome)]++
	if e.reason != "" {
		b.Outcomes[string(e.outcome)+"."+e.reason]++
	}
	if e.record.After(b.Record) {
		b.Record = e.record
	}
	if e.event.IsZero() {
		return // an event time that is not believed moves no watermark and fills no bucket
	}
	if e.event.After(b.Watermark) {
		b.Watermark = e.event
	}
	if e.subject == nil {
		return
	}
	at := BucketsAt(e.event, w.fine, w.coarse)
	x.add(e, at)
	if e.outcome == Inconclusive {
		e.subject.Meter.CountInconclusive(e.reason, at, b.Counts, e.slices...)
	}
	if c := e.contents; c != nil && c.reading != nil {
		e.subject.Meter.Count(*c.reading, at, b.Counts, e.slices...)
		if c.attack != "" {
			e.subject.Meter.CountAttackFailure(c.attack, at, b.Counts, e.slices...)
		}
		c.record.Fine, c.record.Coarse = at.Fine, at.Coarse
		b.Probes = append(b.Probes, c.record)
		if c.example != nil {
			b.Examples = append(b.Examples, *c.example)
		}
	}
}
