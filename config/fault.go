package config

import (
	"fmt"
	"path/filepath"
	"sort"
	"strings"
)

// Fault is one thing that is wrong in a configuration file.
type Fault struct {
	File string // as the user named it
	Line int    // 1-based; 0 if the key that is missing or wrong stands nowhere in the file
	Path string // dotted key, "detectors[0].input.std"; "" if the file as a whole is at fault
	Text string // what is wrong and what to do
}

// Error reads "config.yaml:12: kafka.brokers: is empty; name at least one host:port".
func (f Fault) Error() string {
	var b strings.Builder
	if f.File != "" {
		b.WriteString(filepath.Base(f.File))
		if f.Line > 0 {
			fmt.Fprintf(&b, ":%d", f.Line)
		}
		b.WriteString(": ")
	}
	if f.Path != "" {
		b.WriteString(f.Path + ": ")
	}
	return b.String() + f.Text
}

// Faults are all the faults that were found, in order of file and line. It is never empty where it is an error.
type Faults []Fault

// Error has one line per fault.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As reach each Fault.
func (fs Faults) Unwrap() []error {
	out := make([]error, len(fs))
	for i, f := range fs {
		out[i] = f
	}
	return out
}

// err returns nil for no faults, so that a nil Faults never becomes a non-nil error.
func (fs Faults) err() error {
	if len(fs) == 0 {
		return nil
	}
	sort.SliceStable(fs, func(i, j int) bool {
		if fs[i].File != fs[j].File {
			return fs[i].File < fs[j].File
		}
		return fs[i].Line < fs[j].Line
	})
	return fs
}
