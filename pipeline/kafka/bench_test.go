package kafka

import (
	"errors"
	"io"
	"testing"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// BenchmarkFetch reads JSON records of 300 bytes: by Log.Fetch, and by the bare loop that the throughput of the record path
// is held against, which sends kafka-go's own Fetch request, copies nothing and only counts records.
func BenchmarkFetch(b *testing.B) {
	for name, codec := range map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()} {
		_, cfg := fake(b, kfake.SeedTopics(1, "t"), kfake.SyntheticFetch(kfake.SyntheticBatch{Batch: nil, Records: 500, RecordBytes: 300, RandomFrac: .3, Compression: codec}))
		l := open(b, cfg, "t", 0)
		b.Run("log/"+name, func(b *testing.B) { benchLog(b, l) })
		b.Run("bare/"+name, func(b *testing.B) { benchBare(b, l) })
	}
}

func benchLog(b *testing.B, l *Log) {
	n, offset := 0, int64(0)
	for b.Loop() {
		p, err := l.Fetch(b.Context(), offset)
		if err != nil {
			b.Fatal(err)
		}
		n, offset = n+len(p.Records), p.Next
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
}

func benchBare(b *testing.B, l *Log) {
	n, offset := 0, int64(0)
	for b.Loop() {
		req := newFetchRequest(l.topic, l.partition, offset, l.cluster.cfg.Fetch).Request
		answer, err := l.cluster.transport.RoundTrip(b.Context(), l.cluster.addr, req)
		if err != nil {
			b.Fatal(err)
		}
		read, last, err := count(answer.(*fetch.Response).Topics[0].Partitions[0].RecordSet.Records)
		if err != nil {
			b.Fatal(err)
		}
		n, offset = n+read, last+1
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
}

func count(records protocol.RecordReader) (n int, last int64, err error) {
	for {
		r, err := records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return n, last, nil
		}
		if err != nil {
			return n, last, err
		}
		n, last = n+1, r.Offset
		for _, part := range []protocol.Bytes{r.Key, r.Value} {
			if part != nil {
				part.Close()
			}
		}
	}
}
