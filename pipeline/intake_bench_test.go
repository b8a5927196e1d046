package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// shelf gives places to the first values, as every store does.
type placeShelf map[string]bool

func (p placeShelf) Place(_ context.Context, attribute, value string, limit int) (string, error) {
	name := SliceName(attribute, value)
	if !p[name] && len(p) >= limit {
		return SliceName(attribute, OtherSlice), nil
	}
	p[name] = true
	return name, nil
}

func (p placeShelf) Slices(context.Context) (names []string, err error) {
	for name := range p {
		names = append(names, name)
	}
	return names, nil
}

// BenchmarkAdmit is the processor time of one detection that is not sampled, from its bytes to the batch for the store: what
// the record path costs beside fetching. 40 values, of which 10 have a slice.
func BenchmarkAdmit(b *testing.B) {
	for _, c := range []struct {
		name       string
		attributes []string
	}{{"no slices", nil}, {"source", []string{"source"}}, {"source and tenant", []string{"source", "tenant"}}} {
		b.Run(c.name, func(b *testing.B) {
			h := benchHolding(b, SliceConfig{Attributes: c.attributes, Cap: 10})
			page := make([]Record, 5000)
			now := time.Unix(1_800_000_000, 0)
			for i := range page {
				media := fmt.Sprintf("clip-%07d/000123", i)
				page[i] = Record{Topic: "detections", Key: []byte(media), Time: now, Offset: int64(i), Value: fmt.Appendf(nil,
					`{"id":"01JD%022d","media_id":%q,"group":"clip-%07d","detector":{"name":"meso4","version":"1"},"score":0.%04d,"decision":"fake","time":%q,"source":"upload-%02d","attributes":{"region":"eu-west-1","tenant":"t-%02d","pad":%q}}`,
					i, media, i, i, now.UTC().Format(time.RFC3339Nano), i%40, i/7%40, strings.Repeat("x", 60))}
			}
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; n += len(page) {
				if err := h.takeDetections(b.Context(), fetched{Page: Page{Records: page}}); err != nil {
					b.Fatal(err)
				}
				if batch := h.windower.Cut(len(page), 1); batch.Outcomes[string(Unsampled)] != int64(len(page)) {
					b.Fatal(batch.Outcomes)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

func benchHolding(b *testing.B, slices SliceConfig) *holding {
	b.Helper()
	decoder, err := NewDecoder(DefaultDecodeConfig())
	if err != nil {
		b.Fatal(err)
	}
	slicer := NewSlicer(slices, placeShelf{})
	if !slicer.NeedsAttributes() {
		decoder = decoder.WithoutAttributes()
	}
	d := Detector{Name: "meso4", Version: "1"}
	meter, err := NewMeter(Generation{ID: "0123456789abcdef", Edges: []int64{50_000}, Threshold: .5})
	if err != nil {
		b.Fatal(err)
	}
	line := &Line{Decode: decoder.Decode, Slicer: slicer, Sampler: NewSampler([]byte("0123456789abcdef")), Window: DefaultWindowConfig(), Flow: DefaultFlow(),
		Schedule: FixedSchedule(RateStep{Rate: 0}),
		Roster:   NewRoster([]*Subject{{Detector: d, Meter: meter}}), Now: time.Now, Log: slog.New(slog.DiscardHandler), Health: &Health{}, Stats: &Stats{}}
	return &holding{Line: line, log: line.Log, asked: map[int64]*asked{}, windower: NewWindower(time.Minute, time.Hour, -1)}
}
