package redis

import (
	"fmt"
	"strings"
	"time"

	"shaketable/pipeline"
)

// maxDelta keeps every increment below what a double holds exactly and every counter of 18 digits from overflowing.
const maxDelta int64 = 1e15 - 1

// validate refuses a batch that the script could not apply as it is meant. These are mistakes of the caller: a retry
// does not help.
func validate(b *pipeline.Batch) error {
	if err := counted(b.Stream, b.Partition, b.Owner); err != nil {
		return err
	}
	if b.Prev < -1 || b.Last < b.Prev {
		return fmt.Errorf("offsets %d to %d do not go forward", b.Prev, b.Last)
	}
	if b.Prev == b.Last && len(b.Outcomes)+len(b.Counts)+len(b.Probes)+len(b.Labels)+len(b.Examples) > 0 {
		return fmt.Errorf("offset stays at %d, but the batch carries counts: a retry of it could not be told from a new one", b.Last)
	}
	for field, n := range b.Outcomes {
		if err := delta(field, n); err != nil {
			return fmt.Errorf("outcomes: %w", err)
		}
	}
	for cell, counts := range b.Counts {
		if err := validateCell(cell); err != nil {
			return err
		}
		for field, n := range counts {
			if err := delta(field, n); err != nil {
				return fmt.Errorf("cell %+v: %w", cell, err)
			}
		}
	}
	return validateRecords(b)
}

// validateRecords looks at what is kept per media.
func validateRecords(b *pipeline.Batch) error {
	if len(b.Probes)+len(b.Examples) > 0 && b.Stream != pipeline.Detections {
		return fmt.Errorf("probes and examples come with %s, not with %s", pipeline.Detections, b.Stream)
	}
	if len(b.Labels) > 0 && b.Stream != pipeline.Labels {
		return fmt.Errorf("labels come with %s, not with %s", pipeline.Labels, b.Stream)
	}
	if len(b.Probes)+len(b.Labels)+len(b.Examples) > 0 && b.Record.IsZero() {
		return fmt.Errorf("per-media keys expire by record time, and the batch has none")
	}
	for _, p := range b.Probes {
		if p.MediaKey == "" || !decided(p.Decisions) {
			return fmt.Errorf("probe at offset %d: media key %q, decisions %q", p.Offset, p.MediaKey, p.Decisions)
		}
		if err := generation(p.Generation); err != nil {
			return fmt.Errorf("probe at offset %d: %w", p.Offset, err)
		}
	}
	for _, l := range b.Labels {
		if l.MediaKey == "" {
			return fmt.Errorf("label at offset %d has no media key", l.Offset)
		}
	}
	for _, e := range b.Examples {
		if err := generation(e.Generation); err != nil {
			return fmt.Errorf("example: %w", err)
		}
	}
	return nil
}

// decided says whether a string of decisions is one: of the clean picture, which always ran, and of the variants.
func decided(decisions string) bool {
	return decisions != "" && decisions[0] != pipeline.NotRun && strings.Trim(decisions, "01"+string(pipeline.NotRun)) == ""
}

func validateCell(c pipeline.Cell) error {
	if err := generation(c.Generation); err != nil {
		return fmt.Errorf("cell %+v: %w", c, err)
	}
	ok := false
	if attribute, _ := pipeline.SplitSlice(c.Slice); c.Slice != "" && (attribute == "" || c.Variant != 0) {
		return fmt.Errorf("cell %+v: the slice is not attribute=value, or has a variant, which only the whole has", c)
	}
	switch c.Kind {
	case pipeline.Total:
		ok = c.Start == 0 && c.Variant == 0
	case pipeline.Fine:
		ok = c.Variant == 0
	case pipeline.Coarse:
		ok = c.Variant >= 0
	}
	if !ok {
		return fmt.Errorf("cell %+v: kind, start or variant do not fit together", c)
	}
	return nil
}

// generation must be usable inside a key and a field.
func generation(id string) error {
	if id == "" || strings.ContainsAny(id, ":/{} ") {
		return fmt.Errorf("generation %q is empty or holds one of \":/{} \"", id)
	}
	return nil
}

func delta(field string, n int64) error {
	if field == "" || n < 0 || n > maxDelta {
		return fmt.Errorf("field %q: increment %d is not in 0..%d", field, n, maxDelta)
	}
	return nil
}

// counted checks what every claim and batch names.
func counted(stream pipeline.Stream, partition int, owner string) error {
	switch {
	case stream != pipeline.Detections && stream != pipeline.Labels:
		return fmt.Errorf("stream %q is not counted", stream)
	case partition < 0:
		return fmt.Errorf("partition %d is negative", partition)
	case owner == "":
		return fmt.Errorf("owner is empty")
	}
	return nil
}

// life returns how long a bucket of the kind is kept from its start; 0 for ever.
func (c Config) life(k pipeline.CellKind) time.Duration {
	switch k {
	case pipeline.Fine:
		return c.FineTTL
	case pipeline.Coarse:
		return c.CoarseTTL
	}
	return 0
}
