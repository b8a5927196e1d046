package redis

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"shaketable/pipeline"
)

var _ pipeline.ScheduleStore = (*Store)(nil)

// Steps implements pipeline.ScheduleStore.
func (s *Store) Steps(ctx context.Context) (pipeline.StoredSteps, error) {
	return s.schedule(ctx, "-1", nil, 0)
}

// AppendSteps implements pipeline.ScheduleStore. A step is stored to the millisecond, rounded up.
func (s *Store) AppendSteps(ctx context.Context, after int, steps pipeline.RateSteps, lead time.Duration) (pipeline.StoredSteps, error) {
	if after < 0 || len(steps) == 0 || lead < 0 {
		return pipeline.StoredSteps{}, fmt.Errorf("redis: append %d steps after %d with a lead of %s: all must be there", len(steps), after, lead)
	}
	return s.schedule(ctx, strconv.Itoa(after), steps, lead)
}

func (s *Store) schedule(ctx context.Context, after string, steps pipeline.RateSteps, lead time.Duration) (pipeline.StoredSteps, error) {
	args := []any{after, lead.Milliseconds()}
	for i, step := range steps {
		text, err := formatStep(step)
		if err != nil {
			return pipeline.StoredSteps{}, fmt.Errorf("redis: schedule of the sample: step %d: %w", i, err)
		}
		args = append(args, text)
	}
	reply, err := s.lua.schedule.Run(ctx, s.client, []string{s.keys.registry("schedule")}, args...).StringSlice()
	if err != nil {
		return pipeline.StoredSteps{}, fmt.Errorf("redis: schedule of the sample: %w", err)
	}
	now, err := strconv.ParseInt(reply[0], 10, 64)
	if err != nil {
		return pipeline.StoredSteps{}, fmt.Errorf("redis: schedule of the sample: time of the server: %w", err)
	}
	got := pipeline.StoredSteps{At: time.UnixMilli(now).UTC()}
	for i, text := range reply[1:] {
		step, err := parseStep(text)
		if err != nil {
			return pipeline.StoredSteps{}, fmt.Errorf("redis: schedule of the sample: step %d, %q: %w", i, text, err)
		}
		got.Steps = append(got.Steps, step)
	}
	return got, nil
}

// formatStep writes "<rate> <key id> <from>".
func formatStep(step pipeline.RateStep) (string, error) {
	if !(step.Rate >= 0 && step.Rate <= 1) || step.Key == "" || strings.ContainsAny(step.Key, " \t\r\n") {
		return "", fmt.Errorf("rate %v, key id %q: want a share of 0 to 1 and a word", step.Rate, step.Key)
	}
	from := ""
	if !step.From.IsZero() {
		up := step.From.Add(time.Millisecond - time.Nanosecond) // never earlier than what was asked for
		from = strconv.FormatInt(up.UnixMilli(), 10)
	}
	return strconv.FormatFloat(step.Rate, 'g', -1, 64) + " " + step.Key + " " + from, nil
}

func parseStep(text string) (pipeline.RateStep, error) {
	parts := strings.Split(text, " ")
	if len(parts) != 3 {
		return pipeline.RateStep{}, fmt.Errorf("has %d parts, not 3", len(parts))
	}
	rate, err := strconv.ParseFloat(parts[0], 64)
	if err != nil || math.IsNaN(rate) {
		return pipeline.RateStep{}, fmt.Errorf("rate %q is no number", parts[0])
	}
	step := pipeline.RateStep{Rate: rate, Key: parts[1]}
	if parts[2] != "" {
		ms, err := strconv.ParseInt(parts[2], 10, 64)
		if err != nil {
			return pipeline.RateStep{}, fmt.Errorf("beginning: %w", err)
		}
		step.From = time.UnixMilli(ms).UTC()
	}
	return step, nil
}
