package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"shaketable/cmd/demo/media"
	"shaketable/pipeline"
)

// fakeShare is how many of the uploads are fakes.
const fakeShare = .5

// Traffic is the service that the demo watches: it takes uploads, asks the deployed detector, and tells Kafka.
type Traffic struct {
	studio   *media.Studio
	producer *kgo.Client
	rate     float64 // uploads per second
	deployed atomic.Pointer[deployment]
}

// NewTraffic starts with the given version deployed.
func NewTraffic(seed uint64, brokers []string, rate float64, first *deployment) (*Traffic, error) {
	producer, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.RequiredAcks(kgo.AllISRAcks()))
	if err != nil {
		return nil, fmt.Errorf("producer: %w", err)
	}
	t := &Traffic{studio: media.NewStudio(seed), producer: producer, rate: rate}
	t.deployed.Store(first)
	return t, nil
}

// Deploy changes the version that judges uploads from now on.
func (t *Traffic) Deploy(d *deployment) { t.deployed.Store(d) }

// Run uploads until ctx is done. It falls behind rather than burst when the machine is too slow for the rate.
func (t *Traffic) Run(ctx context.Context) error {
	defer t.producer.Close()
	failed := make(chan error, 1)
	next := time.Now()
	for i := uint64(0); ; i++ {
		if err := t.upload(ctx, i, failed); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		next = later(next.Add(time.Duration(float64(time.Second)/t.rate)), time.Now())
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return fmt.Errorf("producing: %w", err)
		case <-time.After(time.Until(next)):
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// upload makes one picture, has it judged, and produces picture, detection and label.
func (t *Traffic) upload(ctx context.Context, i uint64, failed chan<- error) error {
	fake := t.studio.Fake(i, fakeShare)
	img := t.studio.Make(i, fake)
	data, err := t.studio.PNG(img)
	if err != nil {
		return err
	}
	d := t.deployed.Load()
	score, err := d.service.Score(ctx, pipeline.Image{Width: media.Size, Height: media.Size, Pix: media.RGB(img)})
	if err != nil {
		return err
	}
	id := fmt.Sprintf("upload-%06d", i)
	source := []string{"android", "ios", "web"}[i%3]
	detection, label, err := messages(id, source, d.detector, score, fake, time.Now())
	if err != nil {
		return err
	}
	for _, r := range []*kgo.Record{
		{Topic: topicMedia, Key: []byte(id), Value: data, Headers: []kgo.RecordHeader{{Key: "content-type", Value: []byte("image/png")}}},
		{Topic: topicDetections, Key: []byte(id), Value: detection},
		{Topic: topicLabels, Key: []byte(id), Value: label},
	} {
		t.producer.Produce(ctx, r, func(_ *kgo.Record, err error) {
			if err != nil && ctx.Err() == nil {
				select {
				case failed <- err:
				default: // one error ends the run
				}
			}
		})
	}
	return nil
}

// messages are the records that the worker reads with its default field paths.
func messages(id, source string, d pipeline.Detector, score float64, fake bool, now time.Time) (detection, label []byte, err error) {
	decision, truth := "real", "real"
	if score >= d.Threshold {
		decision = "fake"
	}
	if fake {
		truth = "fake"
	}
	at := now.UTC().Format(time.RFC3339Nano)
	detection, err = json.Marshal(map[string]any{"id": id + "/1", "media_id": id, "score": score, "decision": decision, "time": at,
		"detector": map[string]string{"name": d.Name, "version": d.Version}, "source": source})
	if err != nil {
		return nil, nil, fmt.Errorf("encoding a detection: %w", err)
	}
	label, err = json.Marshal(map[string]string{"media_id": id, "label": truth, "time": at})
	return detection, label, err
}
