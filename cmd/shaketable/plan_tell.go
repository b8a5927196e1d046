package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"text/tabwriter"
	"time"

	"shaketable/pipeline"
	"shaketable/pipeline/redis"
)

// falls are the falls of a share whose delays are told.
func falls() []float64 { return []float64{.05, .10, .20} }

// measurePictures is how many probes are timed, after one that warms up: they differ by little.
const measurePictures = 5

// measure loads the detectors as a worker does and times probes of random pictures. What a picture shows makes no
// difference to a probe; attacks may end early where they succeed.
func (p *plan) measure(ctx context.Context, log io.Writer) (err error) {
	subjects, seconds, closeAll, err := p.bench(ctx, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll()) }()
	random := rand.New(rand.NewPCG(1, 1))
	for _, s := range subjects {
		m := costed{Subject: s}
		probe := func(img pipeline.Image) error { _, err := s.Model.Probe(ctx, img, 1); return err }
		if m.probe, err = timed(s, random, seconds, probe); err != nil {
			return err
		}
		if s.Attacker != nil {
			attack := func(img pipeline.Image) error { _, err := s.Attacker.Attack(ctx, img, 1, nil); return err }
			if m.attack, err = timed(s, random, seconds, attack); err != nil {
				return err
			}
		}
		p.subjects = append(p.subjects, m)
	}
	return nil
}

// timed returns the device time that a piece of work takes on a random picture: the median, because this machine may have
// other things to do.
func timed(s *pipeline.Subject, random *rand.Rand, seconds func() float64, work func(pipeline.Image) error) (time.Duration, error) {
	w, h := s.Model.Size()
	img := pipeline.Image{Width: w, Height: h, Pix: make([]byte, w*h*3)}
	var took []float64
	for i := range 1 + measurePictures {
		for k := range img.Pix {
			img.Pix[k] = byte(random.Uint32())
		}
		began := seconds()
		if err := work(img); err != nil {
			return 0, fmt.Errorf("measure %s: %w", s.Detector.Name, err)
		}
		if i > 0 {
			took = append(took, seconds()-began)
		}
	}
	slices.Sort(took)
	return time.Duration(took[len(took)/2] * float64(time.Second)), nil
}

// tell prints the plan.
func (p *plan) tell() error {
	for _, n := range p.notes {
		fmt.Fprintf(p.out, "note: %s\n", n)
	}
	p.tellDevice()
	p.tellRedis()
	return p.tellDelays()
}

func (p *plan) tellDevice() {
	fmt.Fprintf(p.out, "rate of the sample: %s (%s)\n\n", rateText(p.rate), p.rateWhy)
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "detector\tsuite\tdetections an hour (%s)\tprobes an hour\tdevice time of a probe\tof its attacks\tdevice seconds an hour\n", p.loadWhy)
	total := 0.
	for _, m := range p.subjects {
		attacks := "-"
		if m.attack > 0 {
			attacks = fmt.Sprintf("%s, in %s of the probes", brief(m.attack), rateText(p.cfg.Attacks.Rate))
		}
		seconds := p.device(m)
		total += seconds
		fmt.Fprintf(w, "%s %s\t%s\t%.0f\t%s\t%s\t%s\t%s\n", m.Detector.Name, m.Detector.Version, m.Generation.Suite, p.detections(m.Detector),
			rateText(p.probes(m.Detector)), brief(m.probe), attacks, rateText(seconds))
	}
	w.Flush()
	fmt.Fprintf(p.out, "\nall together %s device seconds an hour, of the 3600 that one device has; measured on this machine with one probe at a time\n", rateText(total))
	budget := p.cfg.Sample.Budget.DeviceSecondsPerHour
	switch {
	case budget == 0:
		fmt.Fprintln(p.out, "no budget: sample.budget.device_seconds_per_hour is 0")
	case total <= budget:
		fmt.Fprintf(p.out, "the budget of %s is enough\n", rateText(budget))
	default:
		policy := pipeline.BudgetPolicy{Full: p.rate, Budget: time.Duration(budget * float64(time.Second))}
		const many = 1e9 // so that rounding the sampled ones is nothing
		load := pipeline.Spending{Device: time.Duration(total * float64(time.Second)), Eligible: many, Sampled: int64(math.Round(many * p.rate))}
		lower := policy.Next(p.rate, []pipeline.Spending{load})
		fmt.Fprintf(p.out, "the budget of %s is not enough: it will lower the rate to %s, and what is told below takes %.0f times as long\n",
			rateText(budget), rateText(lower), p.rate/lower)
		if least := total * lower / p.rate; least > budget {
			fmt.Fprintf(p.out, "a budget does not lower a rate further, and that takes %s: choose a smaller suite, a lower sample.rate or a larger budget\n", rateText(least))
		}
	}
}

func (p *plan) tellRedis() {
	var sum redis.Footprint
	for _, m := range p.subjects {
		f := p.cfg.Redis.Footprint(p.load(m))
		sum.PerDay += f.PerDay
		sum.Probes += f.Probes
		sum.Claims += f.Claims
		sum.Buckets += f.Buckets
	}
	fmt.Fprintf(p.out, "\nRedis, about, in %s: %s a day, %s once nothing gets older (probes that wait for a label, %s: %s; figures by time, %s: %s)\n",
		counted(p.partitions, "partition", "partitions"), size(sum.PerDay), size(sum.Total()), lifeText(p.cfg.Redis.LabelHorizon), size(sum.Probes+sum.Claims),
		lifeText(p.cfg.Redis.CoarseTTL), size(sum.Buckets))
	if p.cfg.Kafka.Topics.Labels != "" {
		one := p.cfg.Redis.Footprint(redis.Load{Labels: 1000. / 24, Fine: p.cfg.Window.Fine, Coarse: p.cfg.Window.Coarse})
		fmt.Fprintf(p.out, "and for every 1000 labels a day, of any media, sampled or not: %s\n", size(one.Labels))
	}
	f := p.cfg.Alerts.FalseAlarms
	if level, err := p.cfg.Alerts.AlarmLevel(pipeline.Paging); err == nil { // the configuration has been checked
		fmt.Fprintf(p.out, "\nfalse alarms allowed in 30 days, all detectors together: pages %s, tickets %s, in the log %s (a page takes evidence of %.3g to 1)\n",
			rateText(f.Page), rateText(f.Ticket), rateText(f.Log), level)
	}
}

// tellDelays prints how soon a fall is noticed.
func (p *plan) tellDelays() error {
	fmt.Fprintf(p.out, "\nhow long until a fall is noticed, at most about; `-`: it fails too often already, the baseline lacks it, or so small a fall can't be told from chance\n")
	for _, m := range p.subjects {
		b := p.baseline(m.Generation)
		from := fmt.Sprintf("no baseline is known: %.0f of 100 are taken to fail in every series", 100*assumedFailing)
		if b != nil {
			from = fmt.Sprintf("from the rates of baseline %s in %s", b.ID, p.file)
		}
		list, err := pipeline.Outlooks(m.Generation, p.cfg.Alerts, b, assumedFailing, falls())
		if err != nil {
			return configError{err}
		}
		fmt.Fprintf(p.out, "\n%s %s, %s\n", m.Detector.Name, m.Detector.Version, from)
		p.tellOutlooks(m.Detector, list)
		if b == nil {
			fmt.Fprintf(p.out, "  the first baseline takes %s and not less than %s\n", p.lasting(float64(p.cfg.Alerts.BurnIn.MinProbes), m.Detector),
				lifeText(p.cfg.Alerts.BurnIn.MinDuration))
		}
	}
	return nil
}

// tellOutlooks prints a line per series, or one for all where they have the same to tell.
func (p *plan) tellOutlooks(d pipeline.Detector, list []pipeline.Outlook) {
	var names, cells []string
	for _, o := range list {
		name := o.Rule()
		if o.Objective > 0 {
			name += fmt.Sprintf(" (objective %v)", o.Objective)
		}
		text := share(o.Holds)
		for i := range falls() {
			text += "\t" + p.noticed(d, o, i)
		}
		names, cells = append(names, name), append(cells, text)
	}
	if len(slices.Compact(slices.Clone(cells))) == 1 {
		names = []string{fmt.Sprintf("each of %s", counted(len(names), "series", "series"))}
	}
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  series\tholds today\t5 points\t10 points\t20 points")
	for i, name := range names {
		fmt.Fprintf(w, "  %s\t%s\n", name, cells[i])
	}
	w.Flush()
}

func (p *plan) noticed(d pipeline.Detector, o pipeline.Outlook, fall int) string {
	if !o.Judged || math.IsInf(o.Probes[fall], 1) {
		return "-"
	}
	return p.lasting(o.Probes[fall], d)
}

// lasting is how long a number of probes takes, and the number.
func (p *plan) lasting(probes float64, d pipeline.Detector) string {
	perHour := p.probes(d)
	if perHour == 0 {
		return fmt.Sprintf("never (%.0f probes)", math.Ceil(probes))
	}
	took := time.Duration(min(probes/perHour, 1e6) * float64(time.Hour))
	return fmt.Sprintf("%s (%.0f probes)", lifeText(max(took, p.cfg.Alerts.Period)), math.Ceil(probes))
}

// brief writes a device time with three digits.
func brief(d time.Duration) string {
	switch {
	case d >= time.Second:
		return fmt.Sprintf("%.3g s", d.Seconds())
	case d >= time.Millisecond:
		return fmt.Sprintf("%.3g ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%.3g µs", float64(d)/float64(time.Microsecond))
}

// size writes bytes.
func size(b float64) string {
	for _, unit := range []string{"bytes", "kB", "MB", "GB"} {
		if b < 999.5 || unit == "GB" {
			return fmt.Sprintf("%.3g %s", b, unit)
		}
		b /= 1000
	}
	return ""
}
