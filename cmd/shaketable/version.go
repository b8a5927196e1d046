package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// build is what the binary says about itself.
type build struct {
	Version  string `json:"version"`            // of the module; "(devel)" for a build from a working tree
	Revision string `json:"revision,omitempty"` // of the working tree
	Time     string `json:"time,omitempty"`     // of the revision
	Modified bool   `json:"modified"`           // the tree had changes that are in no revision
	CGO      bool   `json:"cgo"`                // without it, models can't be run
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// newBuild reads what the linker has stored.
func newBuild(info *debug.BuildInfo) build {
	b := build{Version: info.Main.Version, Go: info.GoVersion, Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if b.Version == "" {
		b.Version = "(devel)"
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		case "CGO_ENABLED":
			b.CGO = s.Value == "1"
		}
	}
	return b
}

func newVersionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			info, ok := debug.ReadBuildInfo()
			if !ok {
				return fmt.Errorf("version: this binary was built without module information")
			}
			b := newBuild(info)
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(b)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "shaketable %s", b.Version)
			if b.Revision != "" {
				fmt.Fprintf(cmd.OutOrStdout(), " revision %s modified %t", b.Revision, b.Modified)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), " (%s, %s, cgo %t)\n", b.Go, b.Platform, b.CGO)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}
