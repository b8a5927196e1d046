package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Exit codes.
const (
	exitFine   = 0
	exitFailed = 1 // the alert was not delivered, or something broke
	exitUsage  = 2
)

// shortest duration in which both versions can show what they are.
const shortest = 40 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

type options struct {
	duration time.Duration
	rollOut  time.Duration
	listen   string
	rate     float64
	seed     uint64
	plot     string
	verbose  bool
}

// command parses the arguments, runs the demo and returns the exit code.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o options
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.DurationVar(&o.duration, "duration", 0, "how long to run; 0 runs until Ctrl-C")
	flags.StringVar(&o.listen, "listen", "127.0.0.1:8089", "`address` of the page; empty for none")
	flags.Float64Var(&o.rate, "rate", 40, "uploads per second")
	flags.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "seed of the pictures")
	flags.StringVar(&o.plot, "plot", "", "PNG `file` that gets RA and RR over time at the end")
	flags.BoolVar(&o.verbose, "verbose", false, "log what the worker does")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return exitFine
	} else if err != nil {
		return exitUsage
	}
	if err := o.check(flags.Args()); err != nil {
		fmt.Fprintln(stderr, "demo:", err)
		return exitUsage
	}
	view, err := run(ctx, o, stdout, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "demo:", err)
		return exitFailed
	}
	summarise(stdout, view)
	if o.plot != "" {
		if err := drawPlot(view, o.plot); err != nil {
			fmt.Fprintln(stderr, "demo:", err)
			return exitFailed
		}
	}
	if view.Fired == 0 && (view.RollOut > 0 || o.duration > 0) {
		return exitFailed
	}
	return exitFine
}

// check also settles when the roll-out happens: after two fifths of the time.
func (o *options) check(rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("unexpected argument %q", rest[0])
	}
	if o.duration != 0 && o.duration < shortest {
		return fmt.Errorf("-duration %s is too short to show a roll-out: give at least %s, or 0 to run until Ctrl-C", o.duration, shortest)
	}
	if !(o.rate >= 20 && o.rate <= 1000) {
		return fmt.Errorf("-rate %g must be 20 to 1000 uploads per second", o.rate)
	}
	o.rollOut = 30 * time.Second
	if o.duration > 0 {
		o.rollOut = o.duration * 2 / 5
	}
	return nil
}
