package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"shaketable/metrics"
	"shaketable/pipeline"
)

func newBaselineCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "baseline",
		Short: "What a detector is held against: list, import, freeze, approve",
		Args:  onlyCommands,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newBaselineListCommand(), newBaselineShowCommand(), newBaselineExportCommand(), newBaselineImportCommand(),
		newBaselineFreezeCommand(), newBaselineApproveCommand())
	return cmd
}

// shelved is a baseline with its place.
type shelved struct {
	metrics.Baseline
	version string // of the detector
	active  bool
	use     pipeline.BaselineUse
}

// shelve lists the baselines that a state knows: those of the active generation first, those in use before others.
func shelve(st *pipeline.State) []shelved {
	var list []shelved
	ids := slices.SortedFunc(maps.Keys(st.Generations), func(a, b string) int {
		if active := st.Choice.Active; (a == active) != (b == active) {
			if a == active {
				return -1
			}
			return 1
		}
		return cmp.Or(st.Generations[b].Since.Compare(st.Generations[a].Since), cmp.Compare(a, b))
	})
	for _, id := range ids {
		g := st.Generations[id]
		add := func(use pipeline.BaselineUse, from []metrics.Baseline) {
			for _, b := range from {
				list = append(list, shelved{b, g.Version, id == st.Choice.Active, use})
			}
		}
		add(pipeline.BaselineInUse, g.Baselines)
		add(pipeline.BaselineProposed, g.Proposed)
		add(pipeline.BaselineReplaced, g.Replaced)
	}
	return list
}

// looking returns a command that prints from the baselines of one detector.
func looking(use, short string, args cobra.PositionalArgs, show func(d *desk, list []shelved, args []string) error) *cobra.Command {
	var flags deskFlags
	cmd := &cobra.Command{Use: use, Short: short, Args: args,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			d, err := flags.open(cmd, true)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, d.close()) }()
			st, err := d.state(cmd.Context(), d.detector)
			if err != nil {
				return err
			}
			if working, words := d.pulse(st); !working {
				fmt.Fprintln(cmd.ErrOrStderr(), "note: "+words)
			}
			return show(d, shelve(st), args)
		}}
	flags.add(cmd)
	return cmd
}

func newBaselineListCommand() *cobra.Command {
	return looking("list", "List the baselines of a detector: in use, proposed, replaced", noArguments,
		func(d *desk, list []shelved, _ []string) error {
			if len(list) == 0 {
				fmt.Fprintf(d.out, "%s has no baseline yet\n", d.detector)
				return nil
			}
			w := tabwriter.NewWriter(d.out, 0, 4, 2, ' ', 0)
			fmt.Fprintln(w, "VERSION\tNUMBER\tUSE\tKIND\tSERIES\tFROZEN\tID\tWHY")
			for _, b := range list {
				version := b.version
				if b.active {
					version += " (active)"
				}
				fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%d\t%s\t%s\t%s\n", version, b.Version, b.use, b.Kind, len(b.Series), moment(b.FrozenAt), b.ID, b.why())
			}
			return w.Flush()
		})
}

// why says who made a baseline and who put it in use, and the reasons.
func (b shelved) why() string {
	text := b.Author + ": " + b.Reason
	if a := b.Approved; a != nil {
		text += fmt.Sprintf("; approved by %s: %s", a.By, a.Reason)
	}
	return text
}

// pick finds a baseline by id.
func pick(d *desk, list []shelved, id string) (shelved, error) {
	for _, b := range list {
		if b.ID == id {
			return b, nil
		}
	}
	return shelved{}, fmt.Errorf("%s has no baseline %q: shaketable baseline list shows them", d.detector, id)
}

func newBaselineShowCommand() *cobra.Command {
	return looking("show ID", "Show a baseline with the rates of its series and what they allow", oneArgument("the id of a baseline"),
		func(d *desk, list []shelved, args []string) error {
			b, err := pick(d, list, args[0])
			if err != nil {
				return err
			}
			fmt.Fprintf(d.out, "%s\n  number %d of version %s, %s, kind %s\n  frozen %s by %s: %s\n", b.ID, b.Version, b.version, b.use, b.Kind,
				moment(b.FrozenAt), b.Author, b.Reason)
			if a := b.Approved; a != nil {
				fmt.Fprintf(d.out, "  approved %s by %s: %s\n", moment(a.At), a.By, a.Reason)
			}
			for _, key := range slices.Sorted(maps.Keys(b.Provenance)) {
				fmt.Fprintf(d.out, "  %s: %s\n", key, b.Provenance[key])
			}
			w := tabwriter.NewWriter(d.out, 0, 4, 2, ' ', tabwriter.AlignRight)
			fmt.Fprintln(w, "rate\tallowed\tpictures\tseries\t")
			for _, name := range slices.Sorted(maps.Keys(b.Series)) {
				ref := b.Series[name]
				allowed, _, err := b.Null(name, d.cfg.Alerts.Epsilon)
				if err != nil {
					return err
				}
				fmt.Fprintf(w, "%.4f\t%.4f\t%.0f\t%s\t\n", 1-ref.K/ref.N, 1-allowed, ref.N, name)
			}
			return w.Flush()
		})
}

func newBaselineExportCommand() *cobra.Command {
	return looking("export ID", "Print a baseline as JSON, for import or for alerts.file", oneArgument("the id of a baseline"),
		func(d *desk, list []shelved, args []string) error {
			b, err := pick(d, list, args[0])
			if err != nil {
				return err
			}
			text, err := pipeline.FormatBaselines([]metrics.Baseline{b.Baseline})
			if err != nil {
				return err
			}
			_, err = d.out.Write(text)
			return err
		})
}

func newBaselineImportCommand() *cobra.Command {
	var flags orderFlags
	cmd := &cobra.Command{
		Use:   "import FILE --reason TEXT",
		Short: "Propose the baseline of an evaluation, or one that was exported",
		Args:  oneArgument("a file of baselines"),
		RunE: func(cmd *cobra.Command, args []string) error {
			data, err := os.ReadFile(args[0])
			if err != nil {
				return configError{err}
			}
			found, err := pipeline.ParseBaselines(data)
			if err != nil {
				return configError{fmt.Errorf("%s: %w", args[0], err)}
			}
			return flags.send(cmd, func(d *desk, o pipeline.Order) ([]pipeline.Order, error) {
				fitting, err := d.fitting(found)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", args[0], err)
				}
				var orders []pipeline.Order
				for _, b := range fitting {
					o.Kind, o.Baseline = pipeline.OrderImport, &b
					orders = append(orders, o)
				}
				return orders, nil
			})
		},
	}
	flags.add(cmd)
	return cmd
}

// fitting picks the baselines of the detector's models out of a file that may be about several detectors. A single one is
// left to the alerter to judge.
func (d *desk) fitting(list []metrics.Baseline) ([]metrics.Baseline, error) {
	if len(list) == 1 {
		return list, nil
	}
	var models, has []string
	for _, x := range d.cfg.Detectors {
		if x.Name == d.detector {
			models = append(models, x.Model.SHA256)
		}
	}
	var fit []metrics.Baseline
	for _, b := range list {
		if slices.Contains(models, b.Provenance[pipeline.ProvenanceModel]) {
			fit = append(fit, b)
		}
		has = append(has, b.ID)
	}
	if len(fit) == 0 {
		return nil, fmt.Errorf("none of its baselines was counted with a model of %s: it has %s", d.detector, strings.Join(has, ", "))
	}
	return fit, nil
}

func newBaselineFreezeCommand() *cobra.Command {
	var flags orderFlags
	var since time.Duration
	cmd := &cobra.Command{
		Use:   "freeze --reason TEXT",
		Short: "Propose the rates of the latest past as a baseline, after a change that is accepted",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if since < 0 || since > pipeline.LongestSpan {
				return usageError{fmt.Errorf("--since %s: give at most 168h (7 days), or 0 for all since the version appeared", since)}
			}
			return flags.send(cmd, func(_ *desk, o pipeline.Order) ([]pipeline.Order, error) {
				o.Kind, o.Span = pipeline.OrderFreeze, since
				return []pipeline.Order{o}, nil
			})
		},
	}
	flags.add(cmd)
	cmd.Flags().DurationVar(&since, "since", 24*time.Hour, "how far back to count, in time of the events; 0: since the version appeared")
	return cmd
}

func newBaselineApproveCommand() *cobra.Command {
	var flags orderFlags
	cmd := &cobra.Command{
		Use:   "approve ID --reason TEXT",
		Short: "Hold the detector against a proposed baseline from now on; an alert against the old one is closed",
		Args:  oneArgument("the id of a baseline"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.send(cmd, func(_ *desk, o pipeline.Order) ([]pipeline.Order, error) {
				o.Kind, o.Target = pipeline.OrderApprove, args[0]
				return []pipeline.Order{o}, nil
			})
		},
	}
	flags.add(cmd)
	return cmd
}
