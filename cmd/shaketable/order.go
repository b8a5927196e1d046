package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"shaketable/config"
	"shaketable/pipeline"
	"shaketable/pipeline/redis"
)

// Commands do not change the state of a detector: they write an order down, and the alerter that holds the detector
// carries it out with its next fold and answers.

// desk is what the commands that look at the state of detectors share.
type desk struct {
	cfg      config.Config
	store    *redis.Store
	detector string
	out      io.Writer
	now      func() time.Time
}

// deskFlags are the flags by which a desk is found.
type deskFlags struct{ file, detector string }

func (f *deskFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.file, "config", defaultConfigFile, "configuration file of the alerter")
	cmd.Flags().StringVar(&f.detector, "detector", "", "name of the detector; may be left out if there is one only")
}

// open reads the configuration and opens the store; a detector is chosen only if one is needed.
func (f *deskFlags) open(cmd *cobra.Command, one bool) (*desk, error) {
	cfg, err := config.Load(f.file, os.LookupEnv)
	if err != nil {
		return nil, configError{err}
	}
	names := detectorNames(cfg)
	switch {
	case f.detector != "" && !slices.Contains(names, f.detector):
		return nil, usageError{fmt.Errorf("--detector %q is not in %s: it has %s", f.detector, f.file, strings.Join(names, ", "))}
	case f.detector == "" && one && len(names) > 1:
		return nil, usageError{fmt.Errorf("--detector is missing: name one of %s", strings.Join(names, ", "))}
	}
	d := &desk{cfg: cfg, detector: f.detector, out: cmd.OutOrStdout(), now: time.Now}
	if one {
		d.detector = cmp.Or(f.detector, names[0])
	}
	redis.LogTo(func(context.Context, string) {}) // what fails is said by the command itself
	if d.store, err = redis.Open(cfg.Redis); err != nil {
		return nil, configError{err}
	}
	return d, nil
}

func detectorNames(cfg config.Config) []string {
	var names []string
	for _, d := range cfg.Detectors {
		if !slices.Contains(names, d.Name) {
			names = append(names, d.Name)
		}
	}
	return names
}

func (d *desk) close() error { return d.store.Close() }

// state reads what the alerter of a detector remembers.
func (d *desk) state(ctx context.Context, detector string) (*pipeline.State, error) {
	_, data, err := d.store.Load(ctx, detector)
	if err != nil {
		return nil, err
	}
	return pipeline.ParseState(detector, data)
}

// pulse says whether an alerter is at work on a detector, and when it was last.
func (d *desk) pulse(st *pipeline.State) (working bool, words string) {
	age := d.now().Sub(st.Folded)
	switch {
	case st.Folds == 0 || st.Folded.IsZero():
		return false, fmt.Sprintf("no alerter has judged %s yet: start one (shaketable run)", st.Detector)
	case age > 3*d.cfg.Alerts.Period+d.cfg.Alerts.Lease:
		return false, fmt.Sprintf("no alerter is at work on %s: the last one judged %s ago; start one (shaketable run)", st.Detector, age.Round(time.Second))
	}
	return true, fmt.Sprintf("judged %s ago", max(age, 0).Round(time.Second))
}

// orderFlags are the flags of every command that asks for something.
type orderFlags struct {
	deskFlags
	author, reason string
	wait           time.Duration
}

func (f *orderFlags) add(cmd *cobra.Command) {
	f.deskFlags.add(cmd)
	cmd.Flags().StringVar(&f.author, "author", os.Getenv("USER"), "who asks for it")
	cmd.Flags().StringVar(&f.reason, "reason", "", "why; it is kept and shown")
	cmd.Flags().DurationVar(&f.wait, "wait", 2*time.Minute, "how long to wait for the answer of the alerter; 0: not at all")
}

// send makes the orders that compose returns and waits until all are answered. The first that is refused is the error.
func (f *orderFlags) send(cmd *cobra.Command, compose func(d *desk, blank pipeline.Order) ([]pipeline.Order, error)) (err error) {
	for _, flag := range []struct{ name, value string }{{"author", f.author}, {"reason", f.reason}} {
		if strings.TrimSpace(flag.value) == "" {
			return usageError{fmt.Errorf("--%s is missing: it is kept and shown to those who come after", flag.name)}
		}
	}
	d, err := f.open(cmd, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	orders, err := compose(d, pipeline.Order{Author: f.author, Reason: f.reason, At: d.now().UTC()})
	if err != nil {
		return err
	}
	for i := range orders {
		orders[i].ID = orderID()
		if err := d.store.Order(cmd.Context(), d.detector, orders[i]); err != nil {
			return err
		}
	}
	for _, o := range orders {
		if err := d.await(cmd.Context(), o, f.wait); err != nil {
			return err
		}
	}
	return nil
}

// orderPoll is how often the state is read for an answer.
const orderPoll = 250 * time.Millisecond

// await prints the answer to an order.
func (d *desk) await(ctx context.Context, o pipeline.Order, wait time.Duration) error {
	deadline := d.now().Add(wait)
	warned := false
	for {
		st, err := d.state(ctx, d.detector)
		if err != nil {
			return fmt.Errorf("order %s is written down, but its answer can't be read: %w", o.ID, err)
		}
		if i := slices.IndexFunc(st.Answers, func(a pipeline.Answer) bool { return a.ID == o.ID }); i >= 0 {
			return d.report(ctx, st.Answers[i], deadline)
		}
		working, words := d.pulse(st)
		if wait == 0 {
			fmt.Fprintf(d.out, "order %s is written down; %s\n", o.ID, words)
			return nil
		}
		if !working && !warned {
			fmt.Fprintf(d.out, "order %s is written down, but %s\n", o.ID, words)
			warned = true
		}
		if !d.now().Before(deadline) {
			return fmt.Errorf("order %s is not answered after %s: %s; it stays written down and is carried out when an alerter runs", o.ID, wait, words)
		}
		if !pipeline.Pause(ctx, orderPoll) {
			return fmt.Errorf("order %s stays written down: %w", o.ID, ctx.Err())
		}
	}
}

func (d *desk) report(ctx context.Context, a pipeline.Answer, deadline time.Time) error {
	if !a.Done {
		return fmt.Errorf("refused: %s", a.Text)
	}
	fmt.Fprintf(d.out, "%s\n", a.Text)
	if a.Kind == pipeline.OrderMute {
		fmt.Fprintf(d.out, "end it early with: shaketable alerts unmute %s\n", a.Made)
	}
	for _, sink := range a.Sinks {
		if err := d.arrived(ctx, sink, a.Made, deadline); err != nil {
			return err
		}
		fmt.Fprintf(d.out, "%s: delivered\n", sink)
	}
	return nil
}

// outboxLook is more than an outbox holds in any but the worst of times.
const outboxLook = 1000

// arrived waits until a sink has acknowledged a transition.
func (d *desk) arrived(ctx context.Context, sink, id string, deadline time.Time) error {
	for {
		pending, err := d.store.Pending(ctx, d.detector, sink, outboxLook)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(pending, func(t pipeline.Transition) bool { return t.ID == id }) {
			return nil
		}
		if !d.now().Before(deadline) {
			return fmt.Errorf("%s: not delivered yet; the log of the alerter says why, and the outbox keeps it", sink)
		}
		if !pipeline.Pause(ctx, orderPoll) {
			return ctx.Err()
		}
	}
}

// orderID is random, and short enough to be typed: a mute is ended by it.
func orderID() string {
	var b [6]byte
	rand.Read(b[:]) // never fails: it would crash the program
	return hex.EncodeToString(b[:])
}
