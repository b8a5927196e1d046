package kafka

import (
	"cmp"
	"encoding/binary"
	"slices"

	"shaketable/pipeline"
)

// page turns a broker's answer into the committed data records at or after offset.
//
// A transaction that was aborted is named by its producer and first offset, and ends at that producer's abort marker; the
// broker names all that touch what it sent. Next is after the last whole batch, whatever became of its records, so that it
// passes aborted, control and compacted-away records. If a later batch is damaged, the page ends before it, and the next
// fetch meets it first.
func (u *unpacker) page(f *fetchResponse, offset int64, limit int) (pipeline.Page, error) {
	p := pipeline.Page{Next: offset, Start: f.start, End: f.stable}
	if n := promised(f.records); n > 0 {
		p.Records = make([]pipeline.Record, 0, n)
	}
	void := voids(f.aborted)
	size := 0
	for rest := f.records; size < limit; {
		x, after, ok, err := nextBatch(rest, u.castagnoli)
		records := p.Records
		if ok && !void.covers(&x) && x.last >= offset {
			records, err = u.unpack(&x, offset, records)
		}
		switch {
		case err != nil && p.Next > offset:
			return p, nil
		case err != nil:
			return p, err
		case !ok:
			return p, nil
		}
		size += sizeOf(records[len(p.Records):])
		p.Records, p.Next, rest = records, max(p.Next, x.last+1), after
	}
	return p, nil
}

// promised adds up how many records the whole batches say that they hold, but not more than fit.
func promised(b []byte) (n int) {
	for rest := b; len(rest) >= batchHeader; {
		end := batchLength + 4 + int(int32(binary.BigEndian.Uint32(rest[batchLength:])))
		if end < batchHeader || end > len(rest) {
			break
		}
		n += max(int(int32(binary.BigEndian.Uint32(rest[batchCount:]))), 0)
		rest = rest[end:]
	}
	return min(n, len(b)/minRecord)
}

// voided follows which producers are inside an aborted transaction while batches go by in order of offset.
type voided struct {
	ahead []abortedTransaction // not reached yet, by first offset
	open  map[int64]bool
}

func voids(aborted []abortedTransaction) *voided {
	ahead := slices.Clone(aborted)
	slices.SortFunc(ahead, func(a, b abortedTransaction) int { return cmp.Compare(a.first, b.first) })
	return &voided{ahead: ahead, open: map[int64]bool{}}
}

// covers says whether the batch holds no committed data.
func (v *voided) covers(x *batch) bool {
	for len(v.ahead) > 0 && v.ahead[0].first <= x.last {
		v.open[v.ahead[0].producer] = true
		v.ahead = v.ahead[1:]
	}
	if x.control {
		if x.abort() {
			delete(v.open, x.producer)
		}
		return true
	}
	return x.transaction && v.open[x.producer]
}

func sizeOf(records []pipeline.Record) int {
	n := 0
	for i := range records {
		n += len(records[i].Key) + len(records[i].Value)
	}
	return n
}
