package pipeline

import (
	"fmt"
	"math"
	"time"
)

// BudgetConfig bounds what probes and attacks may take of the devices of all workers together. See [Budgeter].
type BudgetConfig struct {
	// DeviceSecondsPerHour that may be spent; 0 is no bound, and the rate is always sample.rate. Default 0.
	DeviceSecondsPerHour float64 `yaml:"device_seconds_per_hour"`
	// Period is how often the rate is decided anew. Default 1h.
	Period time.Duration `yaml:"period"`
}

// DefaultBudgetConfig returns the defaults of [BudgetConfig].
func DefaultBudgetConfig() BudgetConfig { return BudgetConfig{Period: time.Hour} }

// Validate returns one error per fault; each begins with the key that is at fault.
func (c BudgetConfig) Validate() []error {
	var es []error
	switch {
	case !(c.DeviceSecondsPerHour >= 0):
		es = append(es, fmt.Errorf("budget.device_seconds_per_hour: %v must not be negative; 0 is no bound", c.DeviceSecondsPerHour))
	case c.DeviceSecondsPerHour > maxDeviceSeconds:
		es = append(es, fmt.Errorf("budget.device_seconds_per_hour: %v must be at most %v; 0 is no bound", c.DeviceSecondsPerHour, float64(maxDeviceSeconds)))
	}
	if c.Period < 15*time.Minute || c.Period > 24*time.Hour || c.Period%time.Second != 0 {
		es = append(es, fmt.Errorf("budget.period: %v must be 15m to 24h, in whole seconds", c.Period))
	}
	return es
}

// maxDeviceSeconds is what 27 thousand devices have in an hour; a day of it is still a [time.Duration].
const maxDeviceSeconds = 1e8

// maxHalvings is how far a budget can lower the rate: to a 4096th.
const maxHalvings = 12

// Halving returns how often a rate was halved from the configured one, and whether it is that at all: rate = full / 2^k for
// a k of 0 to 12. Halving a float64 is exact.
func Halving(full, rate float64) (k int, ok bool) {
	for k := range maxHalvings + 1 {
		if rate == math.Ldexp(full, -k) {
			return k, full > 0
		}
	}
	return 0, false
}

// Spending is what workers did in one period.
type Spending struct {
	Device   time.Duration // that probes and attacks held the device
	Eligible int64         // detections of which it was asked whether they are sampled
	Sampled  int64         // of those, the ones that are
}

// Plus returns the sum.
func (s Spending) Plus(t Spending) Spending {
	return Spending{Device: s.Device + t.Device, Eligible: s.Eligible + t.Eligible, Sampled: s.Sampled + t.Sampled}
}

// BudgetPolicy decides the rate of the next period from what the last ones took.
//
// What a rate r costs in a period is taken to be load * r * cost: load are the detections that could be sampled, cost the
// device time per sampled one, with whatever else went over the device. Neither depends on the rate that was in force, and
// neither on what any probe showed, so that the sample stays one that nobody's result has chosen. The rate goes down when
// the load of the last period would cost more than the budget, to the largest rate that costs at most target of it; it goes
// up when the largest load of the last periods would cost at most target of it. Rates lie a factor of 2 apart, so that
// between target/2 and 1 of the budget nothing moves.
type BudgetPolicy struct {
	Full   float64       // the configured rate, never exceeded
	Budget time.Duration // of device time, per period
}

const (
	// budgetTarget leaves room for loads that vary, and for the time until a lower rate counts.
	budgetTarget = .8
	// budgetMemory is how many periods are looked at.
	budgetMemory = 3
)

// Next returns the rate for the next period. In are the rate in force and the last periods, the latest first. A period
// without detections decides nothing.
func (p BudgetPolicy) Next(rate float64, past []Spending) float64 {
	k, ok := Halving(p.Full, rate)
	if !ok || len(past) == 0 || past[0].Eligible == 0 {
		return rate
	}
	var sum Spending
	var largest int64
	for _, s := range past[:min(len(past), budgetMemory)] {
		sum = sum.Plus(s)
		largest = max(largest, s.Eligible)
	}
	if sum.Sampled == 0 {
		// Nothing tells what a probe costs. What was spent on nothing else leaves room for one step.
		if k > 0 && sum.Device.Seconds() <= budgetTarget*p.Budget.Seconds() {
			k--
		}
		return math.Ldexp(p.Full, -k)
	}
	cost := sum.Device.Seconds() / float64(sum.Sampled)
	spends := func(load int64, k int) float64 { return float64(load) * math.Ldexp(p.Full, -k) * cost }
	target := budgetTarget * p.Budget.Seconds()
	if spends(past[0].Eligible, k) > p.Budget.Seconds() {
		for k < maxHalvings && spends(past[0].Eligible, k) > target {
			k++
		}
		return math.Ldexp(p.Full, -k)
	}
	for k > 0 && spends(largest, k-1) <= target {
		k--
	}
	return math.Ldexp(p.Full, -k)
}
