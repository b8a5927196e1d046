// Command shaketable measures how robust deepfake detectors are in production, and tells when that drifts.
//
// Exit status: 0 fine; 1 something failed or was found; 2 bad usage or configuration.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"shaketable/config"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// The exit statuses.
const (
	exitFine   = 0
	exitFailed = 1
	exitUsage  = 2
)

// run is the whole program, less the process: it parses args, runs the command, writes to stdout and stderr, and returns
// the exit status. A done ctx ends the command.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitFine
	}
	fmt.Fprintln(stderr, err)
	code := exitCode(err)
	if errors.As(err, new(usageError)) {
		fmt.Fprintf(stderr, "\n%s", cmd.UsageString())
	}
	return code
}

// usageError is a mistake on the command line; the usage is printed below it.
type usageError struct{ error }

// Unwrap returns the mistake.
func (e usageError) Unwrap() error { return e.error }

// configError is a mistake in a configuration file or in what it names.
type configError struct{ error }

// Unwrap returns the mistake.
func (e configError) Unwrap() error { return e.error }

func exitCode(err error) int {
	if errors.As(err, new(usageError)) || errors.As(err, new(configError)) || errors.As(err, new(config.Faults)) {
		return exitUsage
	}
	return exitFailed
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "shaketable",
		Short: "Measure the robustness of deepfake detectors in production",
		Long: "shaketable takes a small, unpredictable sample of the media that a detector has just judged, perturbs it, asks the\n" +
			"same model again, and keeps rolling figures of how often the verdict holds and how far the probability moves.",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q", args[0])}
			}
			return nil
		},
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newRunCommand(), newVersionCommand(), newCheckConfigCommand(), newConfigCommand(), newEvaluateCommand(), newPerturbCommand())
	root.AddCommand(newInspectCommand(), newVerifyCommand())
	root.AddCommand(newAlertsCommand(), newBaselineCommand())
	root.AddCommand(newExplainCommand(), newForgetCommand(), newPlanCommand())
	root.AddCommand(newReplayCommand())
	return root
}

// noArguments refuses arguments of a command that has only flags.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%s takes no arguments, but there is %q", cmd.CommandPath(), args[0])}
	}
	return nil
}
