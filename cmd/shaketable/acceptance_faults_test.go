//go:build acceptance

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shaketable/pipeline"
	"shaketable/pipeline/kafka"
	"shaketable/pipeline/storetest"
)

// truncatedJPEG is a real JPEG that stops in the middle.
func truncatedJPEG(t *testing.T) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 256, 256))
	for i := range img.Pix {
		img.Pix[i] = byte(i * i >> 3)
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()[:b.Len()/2]
}

// hugePNG is the header of a 30000 x 30000 picture and nothing else: 57 bytes that ask for 3.4 GiB.
func hugePNG() []byte {
	b := []byte("\x89PNG\r\n\x1a\n")
	chunk := func(kind string, data []byte) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
		b = append(append(b, kind...), data...)
		b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(append([]byte(kind), data...)))
	}
	header := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 30000), 30000)
	chunk("IHDR", append(header, 8, 6, 0, 0, 0))
	chunk("IEND", nil)
	return b
}

func TestBadRecordsAreCountedNamedAndBuried(t *testing.T) {
	data := acceptanceData(t)
	s := newStage(t, 2, "detectors_file: "+filepath.Join(data, "detectors.yaml"), "http: {listen: \"127.0.0.1:0\"}")
	t.Setenv("SHAKETABLE_JOIN_MAX_HOLD", "2s")
	good, err := os.ReadFile(filepath.Join(data, "media", "original-004-0000.png"))
	if err != nil {
		t.Fatal(err)
	}
	p, ctx := s.producer(), context.Background()
	send := func(topic string, r pipeline.Record) {
		t.Helper()
		r.Time = time.Now()
		if err := p.Produce(ctx, topic, r); err != nil {
			t.Fatal(err)
		}
	}
	cases := []struct {
		media   string
		bytes   []byte // nil: no media at all
		value   string // "": a detection of meso4-f2f
		outcome string
		message string
	}{
		{"good.png", good, "", "probed", ""},
		{"truncated.jpg", truncatedJPEG(t), "", "inconclusive.undecodable", "truncated.jpg"},
		{"huge.png", hugePNG(), "", "inconclusive.too_large", "30000"},
		{"text.jpg", []byte("this is no picture, whatever its name says\n"), "", "inconclusive.undecodable", "text"},
		{"invalid", good, `{"media_id":"invalid","score":`, "dead_lettered.invalid_json", ""},
		{"no-score", good, `{"media_id":"no-score","detector":{"name":"meso4-f2f"}}`, "dead_lettered.invalid_field", "score"},
		{"unknown", good, `{"media_id":"unknown","detector":{"name":"nobody"},"score":0.5}`, "unknown_detector", ""},
		{"absent.png", nil, "", "unmatched", ""},
	}
	want := map[string]int64{}
	for _, c := range cases {
		if c.bytes != nil {
			send(s.topics.Media, pipeline.Record{Key: []byte(c.media), Value: c.bytes})
		}
		value := c.value
		if value == "" {
			value = fmt.Sprintf(`{"media_id":%q,"detector":{"name":"meso4-f2f"},"score":0.5}`, c.media)
		}
		send(s.topics.Detections, pipeline.Record{Key: []byte(c.media), Value: []byte(value)})
		want[c.outcome]++
	}
	w := s.start()
	s.await("every record's end", time.Minute, func() bool { return s.outcomes()["read"] == int64(len(cases)) })
	w.stop()
	got := s.outcomes()
	for outcome, n := range want {
		if got[outcome] != n {
			t.Errorf("%s is %d, want %d (outcomes %v)", outcome, got[outcome], n, got)
		}
	}
	for _, line := range strings.Split(w.log(), "\n") {
		if strings.Contains(line, "could not be used") {
			t.Log(line)
		}
	}
	letters := s.letters()
	if len(letters) != 5 {
		t.Errorf("%d dead letters, want 5: %q", len(letters), letters)
	}
	for _, l := range letters {
		if strings.Contains(l, "this is no picture") {
			t.Errorf("a dead letter holds the bytes: %s", l)
		}
	}
}

// letters reads the whole dead-letter topic.
func (s *stage) letters() []string {
	s.t.Helper()
	cfg := kafka.DefaultConfig()
	cfg.Brokers, cfg.Group, cfg.Topics = []string{shared.broker.Address()}, s.topics.Detections+"-letters", kafka.Topics{Detections: s.topics.DeadLetters}
	source, err := kafka.NewSource(cfg, inProcess(s).log)
	if err != nil {
		s.t.Fatal(err)
	}
	defer source.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	found := make(chan string, 100)
	ends := make(chan struct{}, 100)
	go source.Run(ctx, func(ctx context.Context, a pipeline.Assignment) {
		l := a.Log(pipeline.Detections)
		bounds, err := l.Bounds(ctx)
		for at := bounds.Start; err == nil && at < bounds.End; {
			var page pipeline.Page
			if page, err = l.Fetch(ctx, at); err == nil {
				for _, r := range page.Records {
					found <- string(r.Value)
				}
				at = page.Next
			}
		}
		ends <- struct{}{}
		<-ctx.Done()
	})
	for range 2 { // partitions
		select {
		case <-ends:
		case <-ctx.Done():
			s.t.Fatal("the dead letters could not be read")
		}
	}
	close(found)
	var list []string
	for l := range found {
		list = append(list, l)
	}
	return list
}

func TestMissingFileIsMediaGone(t *testing.T) {
	data := acceptanceData(t)
	s := newStage(t, 1, "detectors_file: "+filepath.Join(data, "detectors.yaml"), "http: {listen: \"127.0.0.1:0\"}")
	s.edit("join: {media: topic}", "join: {media: file, root: "+filepath.Join(data, "media")+"}")
	s.edit("media: "+s.topics.Media+", ", "")
	p := s.producer()
	for id, uri := range map[string]string{"there": "file:original-004-0000.png", "gone": "file:gone.png", "outside": "file:../labels.csv", "elsewhere": "file:///etc/passwd"} {
		value := fmt.Sprintf(`{"media_id":%q,"detector":{"name":"meso4-f2f"},"score":0.5,"media":{"uri":%q}}`, id, uri)
		if err := p.Produce(context.Background(), s.topics.Detections, pipeline.Record{Key: []byte(id), Value: []byte(value), Time: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	w := s.start()
	s.await("every record's end", time.Minute, func() bool { return s.outcomes()["read"] == 4 })
	w.stop()
	got := s.outcomes()
	if got["probed"] != 1 || got["media_gone"] != 1 || got["dead_lettered"] != 2 {
		t.Errorf("outcomes %v, want 1 probed, 1 media_gone, 2 dead_lettered", got)
	}
}

// refuses starts the program, which must end by itself with a status and a message.
func (s *stage) refuses(status int, phrases ...string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.binary, "run", "--config", s.config)
	cmd.Env = append(os.Environ(), "SHAKETABLE_SAMPLE_KEY="+acceptanceKey)
	cmd.Dir, _ = filepath.Abs(filepath.Join("..", ".."))
	out, _ := cmd.CombinedOutput()
	text := string(out)
	s.t.Logf("status %d: %s", cmd.ProcessState.ExitCode(), lastLine(text))
	if cmd.ProcessState.ExitCode() != status {
		s.t.Errorf("status %d, want %d", cmd.ProcessState.ExitCode(), status)
	}
	for _, p := range phrases {
		if !strings.Contains(text, p) {
			s.t.Errorf("the message does not say %q:\n%s", p, text)
		}
	}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

func (s *stage) edit(old, new string) {
	s.t.Helper()
	text, err := os.ReadFile(s.config)
	if err != nil || !strings.Contains(string(text), old) {
		s.t.Fatalf("edit %q: %v", old, err)
	}
	s.write(filepath.Base(s.config), strings.ReplaceAll(string(text), old, new))
}

func TestBadSetUpIsRefusedWithAMessage(t *testing.T) {
	data := acceptanceData(t)
	stageOf := func(t *testing.T) *stage {
		return newStage(t, 2, "detectors_file: "+filepath.Join(data, "detectors.yaml"), "http: {listen: \"127.0.0.1:0\"}")
	}
	t.Run("model with a wrong digest", func(t *testing.T) {
		s := newStage(t, 2, strings.ReplaceAll(faceSwap(data), "ef11f8e2", "00000000"), "http: {listen: \"127.0.0.1:0\"}")
		s.refuses(2, "digest", "meso4-f2f.onnx")
	})
	t.Run("unknown configuration key", func(t *testing.T) {
		s := stageOf(t)
		s.edit("sample: {rate: 1}", "sample: {rate: 1, ratio: 2}")
		s.refuses(2, "ratio", "shaketable.yaml:")
	})
	t.Run("missing topic", func(t *testing.T) {
		s := stageOf(t)
		s.edit(s.topics.Labels, "no-such-topic")
		s.refuses(1, "no-such-topic")
	})
	t.Run("unequal partition counts", func(t *testing.T) {
		s := stageOf(t)
		if err := shared.broker.CreateTopics(context.Background(), 5, s.topics.Labels+"-five"); err != nil {
			t.Fatal(err)
		}
		s.edit("labels: "+s.topics.Labels, "labels: "+s.topics.Labels+"-five")
		s.refuses(1, "5", "2", "partition")
	})
	t.Run("Redis with an evicting policy", func(t *testing.T) {
		s := stageOf(t)
		evicting := storetest.StartRedis(t, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
		s.edit(s.redis.Addr, evicting.Addr)
		s.refuses(1, "noeviction", "allkeys-lru")
	})
	t.Run("missing ONNX Runtime", func(t *testing.T) {
		s := stageOf(t)
		t.Setenv("SHAKETABLE_ONNXRUNTIME", filepath.Join(s.dir, "nothing.so"))
		s.refuses(1, "SHAKETABLE_ONNXRUNTIME", "nothing.so")
	})
}
