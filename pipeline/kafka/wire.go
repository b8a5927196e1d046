package kafka

import (
	"encoding/binary"
	"fmt"
	"io"
)

// cursor reads Kafka's big-endian wire format. Reading past the end sets bad and yields zeros from then on, so that a
// caller checks once per unit.
type cursor struct {
	b   []byte
	bad bool
}

// take returns the next n bytes, not copied.
func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.b) {
		c.b, c.bad = nil, true
		return nil
	}
	v := c.b[:n:n]
	c.b = c.b[n:]
	return v
}

func (c *cursor) i8() int8 {
	if v := c.take(1); v != nil {
		return int8(v[0])
	}
	return 0
}

func (c *cursor) i16() int16 {
	if v := c.take(2); v != nil {
		return int16(binary.BigEndian.Uint16(v))
	}
	return 0
}

func (c *cursor) i32() int32 {
	if v := c.take(4); v != nil {
		return int32(binary.BigEndian.Uint32(v))
	}
	return 0
}

func (c *cursor) i64() int64 {
	if v := c.take(8); v != nil {
		return int64(binary.BigEndian.Uint64(v))
	}
	return 0
}

// varint reads a zig-zag encoded integer.
func (c *cursor) varint() int64 {
	v, n := binary.Varint(c.b)
	if n <= 0 {
		c.b, c.bad = nil, true
		return 0
	}
	c.b = c.b[n:]
	return v
}

// uvarint reads an unsigned integer of the "flexible" versions.
func (c *cursor) uvarint() int {
	v, n := binary.Uvarint(c.b)
	if n <= 0 || v > 1<<31 {
		c.b, c.bad = nil, true
		return 0
	}
	c.b = c.b[n:]
	return int(v)
}

// varbytes reads a length and so many bytes; nil for length -1.
func (c *cursor) varbytes() []byte {
	n := c.varint()
	if n < 0 {
		return nil
	}
	return c.take(int(n))
}

// count reads the length of an array whose elements take at least size bytes each, so that a damaged length can't make
// anybody allocate. A null array has none.
func (c *cursor) count(size int) int {
	n := int(c.i32())
	if n > len(c.b)/size {
		c.b, c.bad = nil, true
	}
	if n < 0 || c.bad {
		return 0
	}
	return n
}

// maxResponse is far above what Fetch.MaxBytes and the largest sensible batch add up to: a length beyond it is no Kafka.
const maxResponse = 1 << 30

// readResponse reads one response into buf, which grows as needed, and returns what follows the correlation id.
func readResponse(r io.Reader, buf []byte, correlation int32) (body, grown []byte, err error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, buf, err
	}
	size := int(int32(binary.BigEndian.Uint32(head[:4]))) - 4
	if size < 0 || size > maxResponse {
		return nil, buf, fmt.Errorf("response of %d bytes: the other end does not speak Kafka", size+4)
	}
	if got := int32(binary.BigEndian.Uint32(head[4:])); got != correlation {
		return nil, buf, fmt.Errorf("response to request %d instead of %d", got, correlation)
	}
	if cap(buf) < size {
		buf = make([]byte, size)
	}
	buf = buf[:size]
	_, err = io.ReadFull(r, buf)
	return buf, buf, err
}
