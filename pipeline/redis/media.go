package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// KeptMedia is what is kept of one media, over all partitions.
type KeptMedia struct {
	Probes []KeptProbe // the oldest first
	Labels []KeptLabel // one, unless its records lie on several partitions
}

// KeptProbe is a counted probe as it waits for a label.
type KeptProbe struct {
	Partition    int
	Generation   string
	Offset       int64     // of the detection in its partition
	Fine, Coarse time.Time // starts of the buckets in which it counts
	Decisions    string    // see pipeline.ProbeRecord
	// Counted is 'f' or 'r' for the label that it was last counted with, '-' for none.
	Counted byte
	Left    time.Duration // until it is dropped
}

// KeptLabel is a stored label.
type KeptLabel struct {
	Partition        int
	Fake             bool
	Corrected        bool // the first label of the media said the opposite
	Revision, Offset int64
	First            time.Time // of the first label that the media had; zero where that is not known
	Left             time.Duration
}

// Media returns what is kept under the key of a media.
func (s *Store) Media(ctx context.Context, mediaKey string) (KeptMedia, error) {
	var kept KeptMedia
	if mediaKey == "" {
		return kept, fmt.Errorf("redis: media: the key is empty")
	}
	partitions, err := s.partitions(ctx)
	if err != nil {
		return kept, fmt.Errorf("redis: media: %w", err)
	}
	pipe := s.client.Pipeline()
	type replies struct {
		probes              *goredis.MapStringStringCmd
		label               *goredis.StringCmd
		probesTTL, labelTTL *goredis.DurationCmd
	}
	asked := make([]replies, partitions)
	for p := range asked {
		o, l := s.keys.probes(p, mediaKey), s.keys.label(p, mediaKey)
		asked[p] = replies{pipe.HGetAll(ctx, o), pipe.Get(ctx, l), pipe.PTTL(ctx, o), pipe.PTTL(ctx, l)}
	}
	if _, err := collect(ctx, pipe); err != nil {
		return kept, fmt.Errorf("redis: media: %w", err)
	}
	for p, r := range asked {
		for field, text := range r.probes.Val() {
			probe, err := parseProbe(field, text)
			if err != nil {
				return kept, fmt.Errorf("redis: media: partition %d: %w", p, err)
			}
			probe.Partition, probe.Left = p, r.probesTTL.Val()
			kept.Probes = append(kept.Probes, probe)
		}
		if text := r.label.Val(); text != "" {
			label, err := parseLabel(text)
			if err != nil {
				return kept, fmt.Errorf("redis: media: partition %d: %w", p, err)
			}
			label.Partition, label.Left = p, r.labelTTL.Val()
			kept.Labels = append(kept.Labels, label)
		}
	}
	slices.SortFunc(kept.Probes, func(a, b KeptProbe) int {
		return cmp.Or(a.Fine.Compare(b.Fine), strings.Compare(a.Generation, b.Generation), cmp.Compare(a.Offset, b.Offset))
	})
	return kept, nil
}

// parseProbe reads "<gen>/<offset>" and "fine,coarse,decisions,counted".
func parseProbe(field, text string) (KeptProbe, error) {
	generation, offset, _ := strings.Cut(field, "/")
	parts := strings.Split(text, ",")
	if len(parts) != 4 || len(parts[3]) != 1 {
		return KeptProbe{}, fmt.Errorf("probe %s is %q, which this version does not know", field, text)
	}
	var n [3]int64
	for i, figure := range []string{offset, parts[0], parts[1]} {
		var err error
		if n[i], err = strconv.ParseInt(figure, 10, 64); err != nil {
			return KeptProbe{}, fmt.Errorf("probe %s is %q: %w", field, text, err)
		}
	}
	return KeptProbe{Generation: generation, Offset: n[0], Fine: time.Unix(n[1], 0).UTC(), Coarse: time.Unix(n[2], 0).UTC(),
		Decisions: parts[2], Counted: parts[3][0]}, nil
}

// parseLabel reads "f|r[r|f] <revision> <offset> [<time>]", where a second letter is what the first label said.
func parseLabel(text string) (KeptLabel, error) {
	parts := strings.Fields(text)
	if len(parts) < 3 || len(parts) > 4 || !slices.Contains([]string{"f", "r", "fr", "rf"}, parts[0]) {
		return KeptLabel{}, fmt.Errorf("label is %q, which this version does not know", text)
	}
	n := make([]int64, len(parts)-1)
	for i, figure := range parts[1:] {
		var err error
		if n[i], err = strconv.ParseInt(figure, 10, 64); err != nil {
			return KeptLabel{}, fmt.Errorf("label is %q: %w", text, err)
		}
	}
	l := KeptLabel{Fake: parts[0][0] == 'f', Corrected: len(parts[0]) > 1, Revision: n[0], Offset: n[1]}
	if len(n) == 3 {
		l.First = time.Unix(n[2], 0).UTC()
	}
	return l, nil
}

// Holder returns the identity of the record that owns a claim, see pipeline.ClaimKey; "" if nobody does.
func (s *Store) Holder(ctx context.Context, claim string) (string, error) {
	holder, err := s.client.Get(ctx, s.keys.claim(claim)).Result()
	if errors.Is(err, goredis.Nil) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("redis: holder of a claim: %w", err)
	}
	return holder, nil
}

// Partitions returns the largest number of partitions that a worker has registered; 0 before the first.
func (s *Store) Partitions(ctx context.Context) (int, error) {
	n, err := s.partitions(ctx)
	if err != nil {
		return 0, fmt.Errorf("redis: %w", err)
	}
	return n, nil
}
