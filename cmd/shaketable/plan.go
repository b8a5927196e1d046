package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/spf13/cobra"

	"shaketable/metrics"
	"shaketable/pipeline"
	"shaketable/pipeline/redis"
)

// assumedFailing is the failure rate of every series where no baseline says otherwise.
const assumedFailing = .10

func newPlanCommand() *cobra.Command {
	var flags deskFlags
	var perHour float64
	var baseline string
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Tell what a configuration costs, and how soon it notices a fall",
		Long: "Plan tells how many probes an hour a configuration makes, what they take of the device (measured here and now) and of\n" +
			"Redis, how many false alarms are allowed, and how long it takes until a fall of 5, 10 and 20 points is noticed.",
		Example: "  shaketable plan --config shaketable.yaml --per-hour 50000\n" +
			"  shaketable plan --config shaketable.yaml --per-hour 50000 --baseline out/baseline.json",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if cmd.Flags().Changed("per-hour") && !(perHour > 0 && !math.IsInf(perHour, 0)) {
				return usageError{fmt.Errorf("--per-hour %v must be above 0", perHour)}
			}
			d, err := flags.open(cmd, false)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, d.close()) }()
			known, err := d.planBaselines(baseline)
			if err != nil {
				return err
			}
			p := &plan{desk: d, known: known, file: baseline}
			if p.file == "" {
				p.file = d.cfg.Alerts.File
			}
			if err := p.look(cmd.Context(), perHour); err != nil {
				return err
			}
			if err := p.measure(cmd.Context(), cmd.ErrOrStderr()); err != nil {
				return err
			}
			return p.tell()
		},
	}
	flags.add(cmd)
	cmd.Flags().Float64Var(&perHour, "per-hour", 0, "detections an hour, of each detector; default: what was counted in the last day")
	cmd.Flags().StringVar(&baseline, "baseline", "", "baseline.json of an evaluation; default: alerts.file")
	return cmd
}

// plan is what a configuration comes to.
type plan struct {
	*desk
	known []metrics.Baseline
	file  string // that they are from; "" for none

	notes      []string
	rate       float64 // of the sample
	rateWhy    string
	perHour    map[string]float64 // detections of a detector
	loadWhy    string
	partitions int
	slices     int
	subjects   []costed
}

// costed is one detector on this machine.
type costed struct {
	*pipeline.Subject
	probe, attack time.Duration // device time of one probe, and of the attacks on one media; 0 without attacks
}

// planBaselines reads the file of the flag, or else that of the configuration.
func (d *desk) planBaselines(file string) ([]metrics.Baseline, error) {
	if file == "" {
		return (&service{cfg: d.cfg}).baselines()
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, usageError{fmt.Errorf("--baseline: %w", err)}
	}
	list, err := pipeline.ParseBaselines(data)
	if err != nil {
		return nil, usageError{fmt.Errorf("--baseline %s: %w", file, err)}
	}
	return list, nil
}

// planPatience is how long Redis may take to answer: a plan is made before there is one as well.
const planPatience = 3 * time.Second

// look finds out what the running system says; without Redis the configuration has to do, and the load has to be given.
func (p *plan) look(ctx context.Context, perHour float64) error {
	p.rate, p.rateWhy = p.cfg.Sample.Rate, "sample.rate"
	p.partitions, p.perHour = 1, map[string]float64{}
	p.slices = len(p.cfg.Slices.Attributes) * (p.cfg.Slices.Cap + 1) // at most
	for _, name := range detectorNames(p.cfg) {
		p.perHour[name], p.loadWhy = perHour, "--per-hour"
	}
	limited, cancel := context.WithTimeout(ctx, planPatience)
	defer cancel()
	err := p.lookAtRedis(limited, perHour)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		p.notes = append(p.notes, fmt.Sprintf("Redis can't be asked (%v): the configuration is taken as it is, with 1 partition", err))
	}
	if perHour == 0 && err != nil {
		return fmt.Errorf("--per-hour is not given, and Redis can't say what was counted: %w", err)
	}
	if perHour == 0 && sumOf(p.perHour) == 0 {
		return usageError{errors.New("--per-hour is missing: no detection was counted in the last day")}
	}
	return nil
}

func (p *plan) lookAtRedis(ctx context.Context, perHour float64) error {
	stored, err := p.store.Steps(ctx)
	if err != nil {
		return err
	}
	if len(stored.Steps) > 0 {
		p.rate, p.rateWhy = stored.Steps.At(p.now()).Rate, "in force"
		if p.rate != p.cfg.Sample.Rate {
			p.notes = append(p.notes, fmt.Sprintf("sample.rate is %s, but the rate in force is %s: a budget lowered it, or a change is still to come",
				rateText(p.cfg.Sample.Rate), rateText(p.rate)))
		}
	}
	n, err := p.store.Partitions(ctx)
	if err != nil {
		return err
	}
	p.partitions = max(n, 1)
	if perHour > 0 {
		return nil
	}
	p.loadWhy = "counted in the last day"
	for name := range p.perHour {
		if p.perHour[name], err = p.counted(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// counted returns the detections an hour of a detector, over the last 24 hours.
func (p *plan) counted(ctx context.Context, detector string) (float64, error) {
	generations, err := p.store.Generations(ctx, detector)
	if err != nil {
		return 0, err
	}
	var cells []pipeline.Cell
	width := p.cfg.Window.Coarse
	now := p.now()
	for _, g := range generations {
		for at := now.Add(-24 * time.Hour); at.Before(now); at = at.Add(width) {
			cells = append(cells, pipeline.Cell{Generation: g.ID, Kind: pipeline.Coarse, Start: pipeline.BucketsAt(at, width, width).Coarse})
		}
	}
	sums, err := p.store.Sum(ctx, cells)
	if err != nil {
		return 0, err
	}
	total := 0.
	for _, s := range sums {
		total += float64(s[pipeline.FieldDetections])
	}
	return total / 24, nil
}

func sumOf(m map[string]float64) float64 {
	sum := 0.
	for _, v := range m {
		sum += v
	}
	return sum
}

// probes returns the probes an hour of one version of a detector: a detection names one, so they share the load.
func (p *plan) probes(d pipeline.Detector) float64 { return p.detections(d) * p.rate }

func (p *plan) detections(d pipeline.Detector) float64 {
	versions := 0.
	for _, other := range p.cfg.Detectors {
		if other.Name == d.Name {
			versions++
		}
	}
	return p.perHour[d.Name] / max(versions, 1)
}

// device returns the device seconds an hour of one version of a detector.
func (p *plan) device(m costed) float64 {
	return p.probes(m.Detector) * (m.probe.Seconds() + p.cfg.Attacks.Rate*m.attack.Seconds())
}

// baseline finds what a generation is held against, as the alerter does.
func (p *plan) baseline(g pipeline.Generation) *metrics.Baseline {
	for i, b := range p.known {
		if b.Generation == g.ID || g.Digest != "" && b.Provenance[pipeline.ProvenanceModel] == g.Digest {
			return &p.known[i]
		}
	}
	return nil
}

// load is what one generation brings to Redis.
func (p *plan) load(m costed) redis.Load {
	g := m.Generation
	return redis.Load{Detections: p.detections(m.Detector), Probes: p.probes(m.Detector), Partitions: p.partitions, Variants: len(g.Variants),
		Edges: len(g.Edges), Slices: p.slices, Fine: p.cfg.Window.Fine, Coarse: p.cfg.Window.Coarse,
		Claims: p.cfg.Window.Lateness + 24*time.Hour}
}
