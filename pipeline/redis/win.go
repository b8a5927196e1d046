package redis

import (
	"context"
	"fmt"
	"time"

	"shaketable/pipeline"
)

// Win implements pipeline.Store. The claim lives in a slot of its own, so a fail-over may forget it without forgetting
// the probe that it let in: then one more copy of the same content can be counted, never the same record twice.
func (s *Store) Win(ctx context.Context, c pipeline.DigestClaim) (string, error) {
	if c.Key == "" || c.Holder == "" || c.TTL < time.Millisecond {
		return "", fmt.Errorf("redis: win: key %q, holder %q and a life of %s: all three are needed", c.Key, c.Holder, c.TTL)
	}
	holder, err := s.lua.win.Run(ctx, s.client, []string{s.keys.claim(c.Key)}, c.Holder, c.TTL.Milliseconds()).Text()
	if err != nil {
		return "", fmt.Errorf("redis: win: %w", err)
	}
	return holder, nil
}
