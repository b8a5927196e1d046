//go:build acceptance

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	fetchapi "github.com/segmentio/kafka-go/protocol/fetch"

	"shaketable/pipeline"
)

// Figures, not verdicts: shared machines are noisy, so every figure is a ratio to the raw limit inside one run, and none is
// asserted. `make bench` prints them.

const (
	benchRecords    = 3_000_000
	benchPartitions = 12
)

// fill writes records of 300 bytes to the detections topic.
func fill(s *stage) {
	s.t.Helper()
	p := s.producer()
	now := time.Now()
	batch := make([]pipeline.Record, 0, 10_000)
	for i := range benchRecords {
		media := fmt.Sprintf("clip-%07d/000123", i)
		value := fmt.Sprintf(`{"id":"01JD%022d","media_id":%q,"group":"clip-%07d","detector":{"name":"meso4-f2f","version":"2018.1"},"score":0.%04d,"decision":"fake","time":%q,"source":"upload-api","attributes":{"region":"eu-west-1","tenant":"t-%02d","pad":"`,
			i, media, i, i%10_000, now.UTC().Format(time.RFC3339Nano), i%40)
		value += strings.Repeat("x", max(0, 300-len(value)-3)) + `"}}`
		batch = append(batch, pipeline.Record{Key: []byte(media), Value: []byte(value), Time: now})
		if len(batch) == cap(batch) {
			if err := p.Produce(context.Background(), s.topics.Detections, batch...); err != nil {
				s.t.Fatal(err)
			}
			batch = batch[:0]
		}
	}
}

// bareFetch reads every partition with nothing but RoundTrip, counts the records, and returns records per second.
func bareFetch(t *testing.T, topic string) float64 {
	t.Helper()
	transport := &kafkago.Transport{}
	defer transport.CloseIdleConnections()
	var total sync.WaitGroup
	var mu sync.Mutex
	records := 0
	began := time.Now()
	for p := range benchPartitions {
		total.Go(func() {
			n, err := drainPartition(transport, topic, p)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			records += n
			mu.Unlock()
		})
	}
	total.Wait()
	if records != benchRecords {
		t.Errorf("the bare fetch read %d records of %d", records, benchRecords)
	}
	return float64(records) / time.Since(began).Seconds()
}

func drainPartition(transport *kafkago.Transport, topic string, partition int) (int, error) {
	n, offset := 0, int64(0)
	for {
		reply, err := transport.RoundTrip(context.Background(), kafkago.TCP(shared.broker.Address()), &fetchapi.Request{ReplicaID: -1,
			MaxWaitTime: 100, MinBytes: 1, MaxBytes: 1 << 20, IsolationLevel: 1, SessionEpoch: -1,
			Topics: []fetchapi.RequestTopic{{Topic: topic, Partitions: []fetchapi.RequestPartition{{Partition: int32(partition),
				CurrentLeaderEpoch: -1, FetchOffset: offset, LogStartOffset: -1, PartitionMaxBytes: 1 << 20}}}}})
		if err != nil {
			return n, err
		}
		part := reply.(*fetchapi.Response).Topics[0].Partitions[0]
		if offset >= part.HighWatermark {
			return n, nil
		}
		for {
			rec, err := part.RecordSet.Records.ReadRecord()
			if err != nil {
				break
			}
			closeRecord(rec)
			if rec.Offset >= offset {
				n++
				offset = rec.Offset + 1
			}
		}
	}
}

func closeRecord(rec *protocol.Record) {
	if rec.Key != nil {
		rec.Key.Close()
	}
	if rec.Value != nil {
		rec.Value.Close()
	}
}

// resident returns the resident memory of a process in MiB.
func resident(t *testing.T, pid int) float64 {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		t.Skip("no /proc on this machine")
	}
	for _, line := range strings.Split(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib / 1024
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

func TestBenchRecordPathOverABareFetch(t *testing.T) {
	data := acceptanceData(t)
	s := newStage(t, benchPartitions, "detectors_file: "+filepath.Join(data, "detectors.yaml"), "alerts: {period: 60s}\nhttp: {listen: \"127.0.0.1:0\"}")
	fill(s)
	before := bareFetch(t, s.topics.Detections)
	t.Setenv("SHAKETABLE_SAMPLE_RATE", "0")
	w := s.start("--role", "probe")
	read := func() int64 { return s.outcomes()["read"] }
	s.await("the first records", time.Minute, func() bool { return read() > 0 })
	began, first := time.Now(), read()
	peak := 0.
	s.await("all records", 5*time.Minute, func() bool {
		time.Sleep(100 * time.Millisecond) // asking costs Redis and the worker time that is measured here
		peak = max(peak, resident(t, w.cmd.Process.Pid))
		return read() == benchRecords
	})
	rate := float64(benchRecords-first) / time.Since(began).Seconds()
	after := bareFetch(t, s.topics.Detections)
	bare := (before + after) / 2
	fmt.Printf("record path at sampling rate 0: %.0f records/s, bare RoundTrip fetch: %.0f records/s (before %.0f, after %.0f): ratio %.2f\n",
		rate, bare, before, after, rate/bare)
	fmt.Printf("resident memory with %d partitions while catching up, four detectors loaded: peak %.0f MiB\n", benchPartitions, peak)
	w.stop()
}

func TestBenchResidentMemoryWhileProbing(t *testing.T) {
	sc := newSceneOn(t, benchPartitions)
	sc.send()
	w := sc.s.start()
	peak := 0.
	sc.s.await("all detections", 5*time.Minute, func() bool {
		peak = max(peak, resident(t, w.cmd.Process.Pid))
		return sc.read() >= sc.total()
	})
	fmt.Printf("resident memory with %d partitions while every picture is probed by four detectors: peak %.0f MiB, at the end %.0f MiB\n", benchPartitions, peak, resident(t, w.cmd.Process.Pid))
	w.stop()
}
