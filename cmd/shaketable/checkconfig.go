package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"shaketable/config"
	"shaketable/pipeline"
)

// defaultConfigFile is what --config means where it is not given.
const defaultConfigFile = "shaketable.yaml"

func newCheckConfigCommand() *cobra.Command {
	var file, sample, headers, key string
	cmd := &cobra.Command{
		Use:   "check-config",
		Short: "Check a configuration file, and what it makes of a sample record",
		Example: "  shaketable check-config --config shaketable.yaml\n" +
			"  shaketable check-config --sample record.json --key clip-8812\n" +
			"  shaketable check-config --sample event.json --headers headers.json",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if sample == "" && (headers != "" || key != "") {
				return usageError{errors.New("--headers and --key go with --sample")}
			}
			c, err := config.Load(file, os.LookupEnv)
			if err != nil {
				return configError{err}
			}
			if err := checkModels(c); err != nil {
				return configError{err}
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%s: fine, %d detectors\n", file, len(c.Detectors))
			if _, err := c.Sample.Key(os.Getenv); err != nil {
				fmt.Fprintf(cmd.ErrOrStderr(), "note: the key of the sample is not there on this machine: %v\n", err)
			}
			if _, err := panelFiles(c.Panel); err != nil {
				fmt.Fprintf(cmd.ErrOrStderr(), "note: there would be no panel: %v\n", err)
			}
			if sample == "" {
				return nil
			}
			r, err := readSample(sample, headers, key)
			if err != nil {
				return usageError{err}
			}
			return printDetection(cmd.OutOrStdout(), c, r)
		},
	}
	cmd.Flags().StringVar(&file, "config", defaultConfigFile, "configuration file")
	cmd.Flags().StringVar(&sample, "sample", "", "file with the value of one record; the detection that it becomes is printed")
	cmd.Flags().StringVar(&headers, "headers", "", `file with the record's headers, a JSON object {"ce_id": "…"}`)
	cmd.Flags().StringVar(&key, "key", "", "the record's key")
	return cmd
}

// checkModels looks whether the files of the detectors are there; their content is judged when they are loaded.
func checkModels(c config.Config) error {
	var missing []error
	for _, d := range c.Detectors {
		if _, err := os.Stat(d.Model.Path); err != nil {
			missing = append(missing, fmt.Errorf("detector %s: model.path: %w", d.Name, err))
		}
	}
	return errors.Join(missing...)
}

// readSample makes a record of files, as Kafka would bring it.
func readSample(value, headers, key string) (*pipeline.Record, error) {
	data, err := os.ReadFile(value)
	if err != nil {
		return nil, fmt.Errorf("--sample: %w", err)
	}
	r := &pipeline.Record{Topic: "sample", Time: time.Unix(0, 0).UTC(), Key: []byte(key), Value: data}
	if headers == "" {
		return r, nil
	}
	text, err := os.ReadFile(headers)
	if err != nil {
		return nil, fmt.Errorf("--headers: %w", err)
	}
	var pairs map[string]string
	if err := json.Unmarshal(text, &pairs); err != nil {
		return nil, fmt.Errorf("--headers: %s must be a JSON object of texts: %w", headers, err)
	}
	for k, v := range pairs {
		r.Headers = append(r.Headers, pipeline.Header{Key: k, Value: []byte(v)})
	}
	return r, nil
}

// shown is a detection as it is printed: the contract's names, the score as P(fake), and what the line would do first.
type shown struct {
	ID         string            `json:"id"`
	MediaID    string            `json:"media_id"`
	Group      string            `json:"group,omitempty"`
	Detector   string            `json:"detector"`
	Version    string            `json:"version,omitempty"`
	Known      bool              `json:"detector_is_configured"`
	Score      float64           `json:"probability_of_fake"`
	Time       time.Time         `json:"time"`
	RegionID   string            `json:"region,omitempty"`
	Box        []float64         `json:"box,omitempty"`
	Media      map[string]any    `json:"media,omitempty"`
	Source     string            `json:"source,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
	Excluded   bool              `json:"excluded"`
}

func printDetection(w io.Writer, c config.Config, r *pipeline.Record) error {
	decoder, err := pipeline.NewDecoder(c.Decode)
	if err != nil {
		return configError{err}
	}
	excluder, err := pipeline.NewExcluder(c.Exclude)
	if err != nil {
		return configError{err}
	}
	d, err := decoder.Decode(r)
	if err != nil {
		return fmt.Errorf("the sample is no detection under this configuration: %w", err)
	}
	s := shown{ID: d.ID, MediaID: d.MediaID, Group: d.Group, Detector: d.Detector, Version: d.Version, Known: known(c, d),
		Score: d.Score, Time: d.Time, RegionID: d.Region.ID, Source: d.Source, Attributes: d.Attributes,
		Media: shownMedia(d.Media), Excluded: excluder.Excluded(&d)}
	if !d.Region.Whole() {
		s.Box = []float64{d.Region.X, d.Region.Y, d.Region.W, d.Region.H}
	}
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	if err := out.Encode(s); err != nil {
		return fmt.Errorf("print the detection: %w", err)
	}
	if !s.Known {
		return fmt.Errorf("no detector %q version %q is configured: such records end as unknown_detector", d.Detector, d.Version)
	}
	return nil
}

func known(c config.Config, d pipeline.Detection) bool {
	for _, det := range c.Detectors {
		if det.Name == d.Detector && (d.Version == "" || d.Version == det.Version) {
			return true
		}
	}
	return false
}

// shownMedia tells what is known of the media; inline bytes only by their number, because they may be a face.
func shownMedia(m pipeline.MediaRef) map[string]any {
	out := map[string]any{}
	if m.URI != "" {
		out["uri"] = m.URI
	}
	if m.SHA256 != "" {
		out["sha256"] = m.SHA256
	}
	if m.Size != 0 {
		out["size"] = m.Size
	}
	if m.ContentType != "" {
		out["content_type"] = m.ContentType
	}
	if m.Inline != nil {
		out["inline_bytes"] = len(m.Inline)
	}
	return out
}
