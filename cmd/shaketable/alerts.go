package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"shaketable/pipeline"
)

func newAlertsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "alerts",
		Short: "Look at alerts, hold their notifications back, try the way to the receivers",
		Args:  onlyCommands,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newAlertsListCommand(), newMuteCommand(), newUnmuteCommand(), newAlertsTestCommand())
	return cmd
}

// onlyCommands refuses arguments that are no command.
func onlyCommands(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("unknown command %q", cmd.Name()+" "+args[0])}
	}
	return nil
}

// oneArgument refuses any other number of them; what says what it is.
func oneArgument(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usageError{fmt.Errorf("%s takes one argument, %s; there are %d", cmd.CommandPath(), what, len(args))}
		}
		return nil
	}
}

func newAlertsListCommand() *cobra.Command {
	var flags deskFlags
	var last int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show the alert of every detector and tier, the mutes and the last transitions",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			d, err := flags.open(cmd, false)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, d.close()) }()
			for _, name := range detectorNames(d.cfg) {
				if flags.detector != "" && flags.detector != name {
					continue
				}
				st, err := d.state(cmd.Context(), name)
				if err != nil {
					return err
				}
				d.listAlerts(st, last)
			}
			return nil
		},
	}
	flags.add(cmd)
	cmd.Flags().IntVar(&last, "last", 5, "how many transitions to show")
	return cmd
}

// moment writes a time as it stands in alerts.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") + " UTC" }

func (d *desk) listAlerts(st *pipeline.State, last int) {
	_, words := d.pulse(st)
	fmt.Fprintf(d.out, "%s: %s\n", st.Detector, words)
	if st.Folds == 0 {
		return
	}
	monitor := "can be trusted"
	if st.Trust.State != "" {
		monitor = fmt.Sprintf("%s since %s: %s", st.Trust.State, moment(st.Trust.Since), st.Trust.Reason)
	}
	fmt.Fprintf(d.out, "  monitor: %s\n", monitor)
	for _, tier := range []pipeline.Tier{pipeline.Paging, pipeline.Ticketing, pipeline.LogOnly} {
		listAlert(d.out, tier, st.Alerts[tier])
	}
	for _, m := range st.Mutes {
		if !d.now().Before(m.Until) {
			continue
		}
		what := "everything"
		if m.Tier != "" {
			what = "tier " + string(m.Tier)
		}
		fmt.Fprintf(d.out, "  mute %s: %s until %s, by %s: %s\n", m.ID, what, moment(m.Until), m.Author, m.Reason)
	}
	history := st.History[max(0, len(st.History)-max(last, 0)):]
	for _, t := range slices.Backward(history) {
		note := ""
		switch {
		case t.Muted != "":
			note = ", muted"
		case t.Repeat > 0:
			note = fmt.Sprintf(", reminder %d", t.Repeat)
		}
		fmt.Fprintf(d.out, "  %s %s %s (notify %s%s): %s\n", moment(t.At), t.Tier, t.State, t.Notify, note, t.Summary)
	}
}

func listAlert(out io.Writer, tier pipeline.Tier, a *pipeline.Alert) {
	if a == nil {
		fmt.Fprintf(out, "  %s: %s\n", tier, pipeline.StateLearning)
		return
	}
	fmt.Fprintf(out, "  %s: %s since %s", tier, a.State, moment(a.Since))
	if e := a.Episode; e != nil {
		fmt.Fprintf(out, ", %s of version %s", e.Rule, e.Version)
		if len(e.Broken) > 1 {
			fmt.Fprintf(out, " and %d more", len(e.Broken)-1)
		}
		if e.Flapping {
			fmt.Fprint(out, "; it comes and goes")
		}
	}
	fmt.Fprintln(out)
}

func newMuteCommand() *cobra.Command {
	var flags orderFlags
	var span time.Duration
	var tier string
	cmd := &cobra.Command{
		Use:   "mute --for 4h --reason TEXT",
		Short: "Hold the notifications of a detector back for a while; what happens is recorded all the same",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if span <= 0 || span > pipeline.LongestMute {
				return usageError{fmt.Errorf("--for %s: give a time above 0 and at most 720h (30 days)", span)}
			}
			if err := checkTier(tier); err != nil {
				return err
			}
			return flags.send(cmd, func(_ *desk, o pipeline.Order) ([]pipeline.Order, error) {
				o.Kind, o.Tier, o.Until = pipeline.OrderMute, pipeline.Tier(tier), o.At.Add(span)
				return []pipeline.Order{o}, nil
			})
		},
	}
	flags.add(cmd)
	cmd.Flags().DurationVar(&span, "for", 0, "how long, at most 720h")
	cmd.Flags().StringVar(&tier, "tier", "", "page, ticket or log; all of them if left out")
	return cmd
}

func checkTier(tier string) error {
	if !slices.Contains([]string{"", string(pipeline.Paging), string(pipeline.Ticketing), string(pipeline.LogOnly)}, tier) {
		return usageError{fmt.Errorf("--tier %q is not one of page, ticket, log", tier)}
	}
	return nil
}

func newUnmuteCommand() *cobra.Command {
	var flags orderFlags
	cmd := &cobra.Command{
		Use:   "unmute ID --reason TEXT",
		Short: "End a mute before its time; alerts lists them",
		Args:  oneArgument("the id of a mute"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.send(cmd, func(_ *desk, o pipeline.Order) ([]pipeline.Order, error) {
				o.Kind, o.Target = pipeline.OrderUnmute, args[0]
				return []pipeline.Order{o}, nil
			})
		},
	}
	flags.add(cmd)
	return cmd
}

func newAlertsTestCommand() *cobra.Command {
	var flags orderFlags
	var tier string
	cmd := &cobra.Command{
		Use:   "test --reason TEXT",
		Short: "Send a transition that says it is a test by the way that alerts go, and wait until every receiver has it",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkTier(tier); err != nil {
				return err
			}
			return flags.send(cmd, func(_ *desk, o pipeline.Order) ([]pipeline.Order, error) {
				o.Kind, o.Tier = pipeline.OrderTest, pipeline.Tier(tier)
				return []pipeline.Order{o}, nil
			})
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&tier, "tier", string(pipeline.Ticketing), "page, ticket or log")
	return cmd
}
