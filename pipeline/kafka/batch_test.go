package kafka

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"shaketable/pipeline"
)

// encode writes a batch with franz-go's generated encoder: offsets are relative to base, last is the last offset that the
// batch stands for, whether or not it still holds that record.
func encode(base, last int64, attributes int16, producer int64, offsets []int32, value func(int32) []byte) []byte {
	var records []byte
	for _, o := range offsets {
		v := value(o)
		r := kmsg.Record{TimestampDelta64: int64(o), OffsetDelta: o, Key: []byte{byte(o)}, Value: v,
			Headers: []kmsg.Header{{Key: "n", Value: []byte{byte(o)}}, {Key: "none"}}}
		body := r.AppendTo(nil)
		r.Length = int32(len(body) - 1) // the length's own varint took one byte
		records = r.AppendTo(records)
	}
	b := kmsg.RecordBatch{FirstOffset: base, Length: int32(49 + len(records)), PartitionLeaderEpoch: -1, Magic: 2, Attributes: attributes,
		LastOffsetDelta: int32(last - base), FirstTimestamp: 1_700_000_000_000, MaxTimestamp: 1_700_000_999_999,
		ProducerID: producer, ProducerEpoch: -1, FirstSequence: -1, NumRecords: int32(len(offsets)), Records: records}
	return seal(b.AppendTo(nil))
}

// seal computes the checksum of a batch.
func seal(b []byte) []byte {
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

func text(o int32) []byte { return fmt.Appendf(nil, "v%d", o) }

func marker(base, producer int64, commit bool) []byte {
	b := encode(base, base, 0x30, producer, []int32{0}, text)
	key := []byte{0, 0, 0, 0}
	if commit {
		key[3] = 1
	}
	r := kmsg.Record{Key: key, Value: []byte{0, 0, 0, 0, 0, 0}}
	r.Length = int32(len(r.AppendTo(nil)) - 1)
	body := r.AppendTo(nil)
	b = append(b[:61], body...)
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	return seal(b)
}

func TestPage(t *testing.T) {
	all := func(n int32) (o []int32) {
		for i := range n {
			o = append(o, i)
		}
		return o
	}
	damaged := encode(3, 5, 0, -1, all(3), text)
	damaged[len(damaged)-1] ^= 1
	old := encode(0, 2, 0, -1, all(3), text)
	old[16] = 1
	for _, c := range []struct {
		name    string
		batches [][]byte
		aborted []abortedTransaction
		from    int64
		want    []int64 // offsets
		next    int64
		err     string
	}{
		{name: "nothing", from: 7, next: 7},
		{name: "whole batch", batches: [][]byte{encode(5, 7, 0, -1, all(3), text)}, from: 5, want: []int64{5, 6, 7}, next: 8},
		{name: "starts inside a batch", batches: [][]byte{encode(5, 7, 0, -1, all(3), text)}, from: 6, want: []int64{6, 7}, next: 8},
		{name: "tail compacted away", batches: [][]byte{encode(5, 90, 0, -1, all(3), text)}, from: 8, next: 91},
		{name: "hole compacted away", batches: [][]byte{encode(5, 9, 0, -1, []int32{0, 4}, text)}, from: 6, want: []int64{9}, next: 10},
		{name: "batch without records", batches: [][]byte{encode(5, 9, 0, 4, nil, text)}, from: 5, next: 10},
		{name: "two batches, second cut off", batches: [][]byte{encode(0, 2, 0, -1, all(3), text), encode(3, 5, 0, -1, all(3), text)[:40]}, want: []int64{0, 1, 2}, next: 3},
		{name: "second damaged: stops before it", batches: [][]byte{encode(0, 2, 0, -1, all(3), text), damaged}, want: []int64{0, 1, 2}, next: 3},
		{name: "first damaged", batches: [][]byte{damaged}, from: 3, next: 3, err: "checksum"},
		{name: "format 1", batches: [][]byte{old}, err: "message format 1"},
		{name: "unknown compression", batches: [][]byte{encode(0, 2, 7, -1, all(3), text)}, err: "method 7"},
		{name: "broken gzip", batches: [][]byte{encode(0, 2, 1, -1, all(3), text)}, err: "does not decompress (gzip)"},
		{name: "committed transaction", batches: [][]byte{encode(0, 1, 0x10, 9, all(2), text), marker(2, 9, true)}, want: []int64{0, 1}, next: 3},
		{name: "aborted, then committed, of one producer",
			batches: [][]byte{encode(0, 1, 0x10, 9, all(2), text), marker(2, 9, false), encode(3, 3, 0x10, 9, all(1), text), marker(4, 9, true)},
			aborted: []abortedTransaction{{9, 0}}, want: []int64{3}, next: 5},
		{name: "aborted twice, ranges out of order",
			batches: [][]byte{encode(0, 0, 0x10, 9, all(1), text), marker(1, 9, false), encode(2, 2, 0, -1, all(1), text), encode(3, 3, 0x10, 9, all(1), text), marker(4, 9, false)},
			aborted: []abortedTransaction{{9, 3}, {9, 0}}, want: []int64{2}, next: 5},
		{name: "aborted between another producer's and plain records",
			batches: [][]byte{encode(0, 0, 0x10, 9, all(1), text), encode(1, 1, 0x10, 8, all(1), text), encode(2, 2, 0, 9, all(1), text), marker(3, 9, false), marker(4, 8, true)},
			aborted: []abortedTransaction{{9, 0}}, want: []int64{1, 2}, next: 5},
		{name: "fetch begins inside an aborted transaction", batches: [][]byte{encode(4, 5, 0x10, 9, all(2), text), marker(6, 9, false)},
			aborted: []abortedTransaction{{9, 1}}, from: 5, next: 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := newUnpacker("t", 3, 1<<20)
			p, err := u.page(&fetchResponse{records: slices.Concat(c.batches...), aborted: c.aborted, stable: 99}, c.from, 1<<20)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("error %v, want one with %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []int64
			for _, r := range p.Records {
				got = append(got, r.Offset)
			}
			if !slices.Equal(got, c.want) || p.Next != c.next || p.End != 99 {
				t.Errorf("got %v, next %d, end %d; want %v, next %d, end 99", got, p.Next, p.End, c.want, c.next)
			}
		})
	}
}

func TestRecordFields(t *testing.T) {
	body := encode(10, 11, 0, -1, []int32{0, 1}, func(o int32) []byte {
		if o == 1 {
			return nil // a tombstone
		}
		return []byte{}
	})
	p, err := newUnpacker("t", 3, 1<<20).page(&fetchResponse{records: body}, 10, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	a, b := p.Records[0], p.Records[1]
	if a.Value == nil || len(a.Value) != 0 || b.Value != nil {
		t.Errorf("empty value %v and tombstone %v are not told apart", a.Value, b.Value)
	}
	if want := time.UnixMilli(1_700_000_000_001).UTC(); !b.Time.Equal(want) || b.Topic != "t" || b.Partition != 3 || b.Offset != 11 {
		t.Errorf("got %+v", b)
	}
	if !bytes.Equal(b.Header("n"), []byte{1}) || len(b.Headers) != 2 || b.Headers[1].Value != nil || string(b.Key) != "\x01" {
		t.Errorf("key %q, headers %v", b.Key, b.Headers)
	}
	for i := range body {
		body[i] = 0xff
	}
	if string(b.Key) != "\x01" || !bytes.Equal(b.Header("n"), []byte{1}) {
		t.Error("a record changes with the buffer it came from")
	}
	_ = append(b.Key, 'x') // must not run into the value or a header
	if !bytes.Equal(b.Header("n"), []byte{1}) {
		t.Error("appending to the key writes over a header")
	}
}

func TestLogAppendTime(t *testing.T) {
	p, err := newUnpacker("t", 0, 1<<20).page(&fetchResponse{records: encode(0, 1, attrLogAppendTime, -1, []int32{0, 1}, text)}, 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range p.Records {
		if want := time.UnixMilli(1_700_000_999_999); !r.Time.Equal(want) {
			t.Errorf("record %d has time %s, the broker appended it at %s", r.Offset, r.Time, want)
		}
	}
}

func TestPageLimits(t *testing.T) {
	big := func(int32) []byte { return make([]byte, 100) }
	var b []byte
	for i := range int64(5) {
		b = append(b, encode(i, i, 0, -1, []int32{0}, big)...)
	}
	p, err := newUnpacker("t", 0, 1<<20).page(&fetchResponse{records: b}, 0, 150)
	if err != nil || len(p.Records) != 2 || p.Next != 2 {
		t.Errorf("%d records, next %d, %v: want the two batches that fill 150 bytes", len(p.Records), p.Next, err)
	}

	bomb := encode(0, 0, 1, -1, nil, nil)
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write(make([]byte, 1<<20))
	w.Close()
	bomb = append(bomb, z.Bytes()...)
	binary.BigEndian.PutUint32(bomb[8:], uint32(len(bomb)-12))
	_, err = newUnpacker("t", 0, 1<<16).page(&fetchResponse{records: seal(bomb)}, 0, 1<<20)
	if err == nil || !strings.Contains(err.Error(), "fetch.max_batch_bytes") {
		t.Errorf("a batch of 1 MiB under a limit of 64 KiB: %v", err)
	}
}

func TestDamagedIsTold(t *testing.T) {
	b := encode(0, 2, 0, -1, []int32{0, 1, 2}, text)
	for i := 17; i < len(b); i++ {
		c := bytes.Clone(b)
		c[i] ^= 0x10
		p, err := newUnpacker("t", 0, 1<<20).page(&fetchResponse{records: c}, 0, 1<<20)
		if !errors.Is(err, errDamaged) || len(p.Records) != 0 {
			t.Fatalf("a bit flipped in byte %d of the batch: %d records, %v", i, len(p.Records), err)
		}
	}
}

func FuzzPage(f *testing.F) {
	f.Add(encode(0, 2, 0, -1, []int32{0, 1, 2}, text), int64(1))
	f.Add(marker(4, 9, false), int64(0))
	f.Add(encode(0, 2, 1, -1, []int32{0}, text), int64(0))
	f.Fuzz(func(t *testing.T, b []byte, from int64) {
		if from < 0 {
			return
		}
		if len(b) > 61 {
			b = bytes.Clone(b)
			if end := 12 + int(int32(binary.BigEndian.Uint32(b[8:]))); end > 61 && end <= len(b) {
				seal(b[:end]) // let damage get past the checksum
			}
		}
		p, err := newUnpacker("t", 0, 1<<16).page(&fetchResponse{records: b}, from, 1<<20)
		if p.Next < from {
			t.Fatalf("from %d back to %d (%v)", from, p.Next, err)
		}
		for _, r := range p.Records {
			if r.Offset < from {
				t.Fatalf("record %d below %d", r.Offset, from)
			}
		}
	})
}

func FuzzFetchResponse(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 't', 0, 0, 0, 1}, int16(11))
	f.Fuzz(func(t *testing.T, b []byte, version int16) {
		if version < 4 || version > 11 {
			return
		}
		parseFetch(b, version)
		parseTopicID(b, "t")
	})
}

var _ pipeline.Log = (*Log)(nil)
