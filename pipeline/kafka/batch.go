package kafka

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"time"

	"github.com/segmentio/kafka-go/compress"

	"shaketable/pipeline"
)

// Layout of a record batch, format 2 (the only one since Kafka 0.11): offsets of its fields.
const (
	batchLength    = 8
	batchMagic     = 16
	batchCRC       = 17
	batchAttrs     = 21 // from here on the checksum counts
	batchLastDelta = 23
	batchBaseTime  = 27
	batchMaxTime   = 35
	batchProducer  = 43
	batchCount     = 57
	batchHeader    = 61
)

// minRecord is the size of the smallest record: length, attributes, time, offset, key, value, header count.
const minRecord = 7

// Attribute bits of a batch.
const (
	attrCompression   = 0x07
	attrLogAppendTime = 0x08
	attrTransactional = 0x10
	attrControl       = 0x20
)

// errDamaged says that a batch does not have the checksum it was stored with, or makes no sense inside.
var errDamaged = errors.New("record batch is damaged")

// batch is the header of one record batch and its body, still compressed.
type batch struct {
	base, last  int64
	attributes  int16
	baseTime    int64 // ms
	maxTime     int64 // ms
	producer    int64
	count       int
	body        []byte
	transaction bool
	control     bool
}

// nextBatch cuts the first batch off b. ok is false if there is none, or only the beginning of one.
func nextBatch(b []byte, castagnoli *crc32.Table) (x batch, rest []byte, ok bool, err error) {
	if len(b) < batchMagic+1 {
		return x, nil, false, nil
	}
	base := int64(binary.BigEndian.Uint64(b))
	end := batchLength + 4 + int(int32(binary.BigEndian.Uint32(b[batchLength:])))
	if magic := b[batchMagic]; magic != 2 {
		return x, nil, false, fmt.Errorf("message format %d at offset %d is not supported; Kafka 0.11 or newer writes format 2", magic, base)
	}
	if end > len(b) {
		return x, nil, false, nil
	}
	if end < batchHeader {
		return x, nil, false, fmt.Errorf("%w: batch at offset %d is %d bytes long", errDamaged, base, end)
	}
	if got, want := crc32.Checksum(b[batchAttrs:end], castagnoli), binary.BigEndian.Uint32(b[batchCRC:]); got != want {
		return x, nil, false, fmt.Errorf("%w: batch at offset %d has checksum %08x instead of %08x", errDamaged, base, got, want)
	}
	x = batch{
		base: base, last: base + int64(int32(binary.BigEndian.Uint32(b[batchLastDelta:]))),
		attributes: int16(binary.BigEndian.Uint16(b[batchAttrs:])),
		baseTime:   int64(binary.BigEndian.Uint64(b[batchBaseTime:])),
		maxTime:    int64(binary.BigEndian.Uint64(b[batchMaxTime:])),
		producer:   int64(binary.BigEndian.Uint64(b[batchProducer:])),
		count:      int(int32(binary.BigEndian.Uint32(b[batchCount:]))), body: b[batchHeader:end],
	}
	x.transaction, x.control = x.attributes&attrTransactional != 0, x.attributes&attrControl != 0
	if x.last < x.base || x.count < 0 {
		return x, nil, false, fmt.Errorf("%w: batch at offset %d ends at %d with %d records", errDamaged, base, x.last, x.count)
	}
	return x, b[end:], true, nil
}

// abort says whether a control batch ends a transaction in vain. Its record's key is version and type, 0 for abort.
func (x *batch) abort() bool {
	c := cursor{b: x.body}
	c.varint() // length
	c.i8()     // attributes
	c.varint() // time
	c.varint() // offset
	key := cursor{b: c.varbytes()}
	key.i16()
	return key.i16() == 0 && !key.bad
}

// unpacker turns batches into records. It keeps buffers from one batch to the next and is not safe for concurrent use.
type unpacker struct {
	topic      string
	partition  int
	maxBytes   int // of a decompressed batch
	castagnoli *crc32.Table
	inflated   bytes.Buffer
	headers    []pipeline.Header
	names      map[string]string // header keys: few and always the same
}

func newUnpacker(topic string, partition, maxBytes int) *unpacker {
	return &unpacker{topic: topic, partition: partition, maxBytes: maxBytes,
		castagnoli: crc32.MakeTable(crc32.Castagnoli), names: map[string]string{}}
}

// unpack appends the batch's records at or after from to records.
func (u *unpacker) unpack(x *batch, from int64, records []pipeline.Record) ([]pipeline.Record, error) {
	body, err := u.inflate(x)
	if err != nil {
		return records, err
	}
	c := cursor{b: body}
	records = slices.Grow(records, min(x.count, len(body)/minRecord))
	for range x.count {
		r := cursor{b: c.varbytes()}
		r.i8() // attributes: none are defined
		at, offset := x.baseTime+r.varint(), x.base+r.varint()
		key, value := r.varbytes(), r.varbytes()
		u.readHeaders(&r)
		if c.bad || r.bad {
			return records, fmt.Errorf("%w: batch at offset %d is cut off", errDamaged, x.base)
		}
		if offset < from {
			continue
		}
		if x.attributes&attrLogAppendTime != 0 {
			at = x.maxTime
		}
		records = append(records, u.record(offset, at, key, value))
	}
	return records, nil
}

// readHeaders leaves the record's headers in u.headers, their values not copied.
func (u *unpacker) readHeaders(r *cursor) {
	u.headers = u.headers[:0]
	for range min(r.varint(), int64(len(r.b))) {
		key := r.varbytes()
		name, known := u.names[string(key)]
		if !known {
			name = string(key)
			if len(u.names) < 64 {
				u.names[name] = name
			}
		}
		u.headers = append(u.headers, pipeline.Header{Key: name, Value: r.varbytes()})
	}
}

// record copies key, value and headers into one allocation of its own, so that keeping one record does not keep the page.
func (u *unpacker) record(offset, ms int64, key, value []byte) pipeline.Record {
	size := len(key) + len(value)
	for _, h := range u.headers {
		size += len(h.Value)
	}
	own := make([]byte, 0, size)
	keep := func(b []byte) []byte {
		if b == nil {
			return nil
		}
		n := len(own)
		own = append(own, b...)
		return own[n:len(own):len(own)]
	}
	rec := pipeline.Record{Topic: u.topic, Partition: u.partition, Offset: offset, Key: keep(key), Value: keep(value)}
	if ms >= 0 { // -1: the producer gave none
		rec.Time = time.UnixMilli(ms).UTC()
	}
	if len(u.headers) > 0 {
		rec.Headers = make([]pipeline.Header, len(u.headers))
		for i, h := range u.headers {
			rec.Headers[i] = pipeline.Header{Key: h.Key, Value: keep(h.Value)}
		}
	}
	return rec
}

// inflate returns the batch's records as bytes that are valid until the next call.
func (u *unpacker) inflate(x *batch) ([]byte, error) {
	kind := compress.Compression(x.attributes & attrCompression)
	if kind == compress.None {
		return x.body, nil
	}
	codec := kind.Codec()
	if codec == nil {
		return nil, fmt.Errorf("batch at offset %d is compressed by method %d, which is not known", x.base, kind)
	}
	r := codec.NewReader(bytes.NewReader(x.body))
	defer r.Close()
	const keep = 8 << 20
	if u.inflated.Cap() > keep {
		u.inflated = bytes.Buffer{}
	}
	u.inflated.Reset()
	if _, err := u.inflated.ReadFrom(io.LimitReader(r, int64(u.maxBytes)+1)); err != nil {
		return nil, fmt.Errorf("%w: batch at offset %d does not decompress (%s): %w", errDamaged, x.base, codec.Name(), err)
	}
	if u.inflated.Len() > u.maxBytes {
		return nil, fmt.Errorf("batch at offset %d is larger than %d bytes when decompressed: raise fetch.max_batch_bytes", x.base, u.maxBytes)
	}
	return u.inflated.Bytes(), nil
}
