package main

import (
	"context"
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/twmb/franz-go/pkg/kfake"
)

// Topics of the demo; co-partitioned, so that a picture and all that is said of it meet on one partition.
const (
	topicMedia      = "media"
	topicDetections = "detections"
	topicLabels     = "labels"
	partitions      = 2
)

// keepMedia is how long the broker keeps records: pictures are the bulk, and a demo that runs all day must not grow.
const keepMedia = 2 * time.Minute

// servers are the embedded Kafka and Redis.
type servers struct {
	kafka *kfake.Cluster
	redis *miniredis.Miniredis
}

func startServers() (*servers, error) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		return nil, fmt.Errorf("starting the embedded Kafka: %w", err)
	}
	for _, topic := range []string{topicMedia, topicDetections, topicLabels} {
		// The broker frees memory by segments: small ones, so that what is kept is little more than what is asked for.
		retention := map[string]string{"retention.ms": fmt.Sprint(keepMedia.Milliseconds()), "segment.bytes": "4194304"}
		if err := cluster.CreateTopic(topic, partitions, retention); err != nil {
			cluster.Close()
			return nil, fmt.Errorf("creating topic %s: %w", topic, err)
		}
	}
	mini, err := miniredis.Run()
	if err != nil {
		cluster.Close()
		return nil, fmt.Errorf("starting the embedded Redis: %w", err)
	}
	return &servers{kafka: cluster, redis: mini}, nil
}

// keepTime does what real servers do by themselves: let keys expire and old segments go.
func (s *servers) keepTime(ctx context.Context) {
	last := time.Now()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			s.redis.FastForward(now.Sub(last))
			s.kafka.ApplyRetention()
			last = now
		}
	}
}

func (s *servers) close() {
	s.redis.Close()
	s.kafka.Close()
}
