package redis

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"shaketable/pipeline"
)

// maxArguments is Redis's own limit on the arguments of one command.
const maxArguments = 1 << 20

// Apply implements pipeline.Store: one script call, whatever the batch holds.
func (s *Store) Apply(ctx context.Context, b *pipeline.Batch) (pipeline.Verdict, int64, error) {
	if err := validate(b); err != nil {
		return "", 0, fmt.Errorf("redis: apply %s/%d: %w", b.Stream, b.Partition, err)
	}
	call, err := s.encode(b)
	if err != nil {
		return "", 0, fmt.Errorf("redis: apply %s/%d: %w", b.Stream, b.Partition, err)
	}
	reply, err := s.lua.apply.Run(ctx, s.client, call.keys, call.args...).StringSlice()
	if err != nil {
		return "", 0, fmt.Errorf("redis: apply %s/%d at %d: %w", b.Stream, b.Partition, b.Last, err)
	}
	offset, err := strconv.ParseInt(reply[1], 10, 64)
	if err != nil {
		return "", 0, fmt.Errorf("redis: apply %s/%d: offset of the fence: %w", b.Stream, b.Partition, err)
	}
	return pipeline.Verdict(reply[0]), offset, nil
}

// call is the argument list of the apply script, whose head documents the order.
type call struct {
	keys []string
	args []any
}

func (c *call) put(values ...string) {
	for _, v := range values {
		c.args = append(c.args, v)
	}
}

// counts appends the pairs of one cell; the script is told their number first, so zeros are left out here.
func (c *call) counts(m pipeline.Counts) {
	for field, n := range m {
		if n != 0 {
			c.put(field, strconv.FormatInt(n, 10))
		}
	}
}

func (s *Store) encode(b *pipeline.Batch) (*call, error) {
	lists, err := s.exampleLists(b.Examples)
	if err != nil {
		return nil, err
	}
	p := b.Partition
	c := &call{keys: []string{s.keys.fence(p, b.Stream), s.keys.outcomes(p)}}
	c.put(b.Owner, decimal(b.Prev), decimal(b.Last), nanos(b.Watermark), nanos(b.Record), nanos(b.AtEnd), b.Config,
		millis(b.Record.Add(s.cfg.LabelHorizon)), s.keys.partition(p), decimal(int64(s.cfg.FineTTL/time.Second)), decimal(int64(s.cfg.CoarseTTL/time.Second)),
		millis(b.Record.Add(s.cfg.ExampleTTL)), strconv.Itoa(s.cfg.ExampleCap),
		strconv.Itoa(moving(b.Outcomes)), strconv.Itoa(len(b.Counts)), strconv.Itoa(len(b.Probes)),
		strconv.Itoa(len(b.Labels)), strconv.Itoa(len(lists)), delayBounds())
	c.counts(b.Outcomes)
	for cell, counts := range b.Counts {
		expire := "0"
		if life := s.cfg.life(cell.Kind); life > 0 {
			expire = millis(time.Unix(cell.Start, 0).Add(life.Truncate(time.Second)))
		}
		c.keys = append(c.keys, s.keys.cell(p, cell))
		c.put(expire, strconv.Itoa(moving(counts)))
		c.counts(counts)
	}
	for _, r := range b.Probes {
		c.keys = append(c.keys, s.keys.probes(p, r.MediaKey), s.keys.label(p, r.MediaKey))
		c.put(r.Generation, decimal(r.Offset), decimal(r.Fine), decimal(r.Coarse), r.Decisions)
	}
	for _, l := range b.Labels {
		c.keys = append(c.keys, s.keys.label(p, l.MediaKey), s.keys.probes(p, l.MediaKey))
		c.put(truth(l.Fake), decimal(l.Revision), decimal(l.Offset), seconds(l.Time))
	}
	for generation, list := range lists {
		c.keys = append(c.keys, s.keys.examples(p, generation))
		c.put(strconv.Itoa(len(list)))
		c.put(list...)
	}
	if n := len(c.args) + len(c.keys) + 3; n > maxArguments {
		return nil, fmt.Errorf("batch up to %d needs %d arguments, over Redis's %d: apply fewer records at once", b.Last, n, maxArguments)
	}
	return c, nil
}

// exampleLists groups the newest examples of each generation, oldest first, as the list is pushed.
func (s *Store) exampleLists(examples []pipeline.Example) (map[string][]string, error) {
	lists := map[string][]string{}
	for _, e := range examples {
		body, err := json.Marshal(e)
		if err != nil {
			return nil, fmt.Errorf("example of generation %s: %w", e.Generation, err)
		}
		list := append(lists[e.Generation], string(body))
		lists[e.Generation] = list[max(0, len(list)-s.cfg.ExampleCap):]
	}
	return lists, nil
}

// moving counts the fields that are not zero.
func moving(m pipeline.Counts) int {
	n := 0
	for _, v := range m {
		if v != 0 {
			n++
		}
	}
	return n
}

func truth(fake bool) string {
	if fake {
		return "f"
	}
	return "r"
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

// seconds is the time of a label: whole unix seconds, "" for none.
func seconds(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return decimal(t.Unix())
}

// delayBounds tells the script the bins of label delays: "60 300 ...".
func delayBounds() string {
	var b strings.Builder
	for _, bound := range pipeline.LabelDelays() {
		b.WriteString(decimal(bound) + " ")
	}
	return b.String()
}

// millis is an expiry: at least 1, because Redis refuses some instants before 1970, and records carry whatever their
// producer's clock said.
func millis(t time.Time) string { return strconv.FormatInt(max(1, t.UnixMilli()), 10) }
