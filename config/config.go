package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v3"

	"shaketable/pipeline"
	"shaketable/pipeline/http"
	"shaketable/pipeline/kafka"
	"shaketable/pipeline/otlp"
	"shaketable/pipeline/redis"
)

// Config is everything that a worker or an alerter is told. Its sections are named after the stages.
type Config struct {
	Kafka   kafka.Config           `yaml:"kafka"`
	Redis   redis.Config           `yaml:"redis"`
	Decode  pipeline.DecodeConfig  `yaml:"decode"`
	Exclude []pipeline.ExcludeRule `yaml:"exclude"`
	Slices  pipeline.SliceConfig   `yaml:"slices"`
	Panel   pipeline.PanelConfig   `yaml:"panel"`
	Sample  pipeline.SampleConfig  `yaml:"sample"`
	Join    pipeline.JoinConfig    `yaml:"join"`
	Prepare pipeline.PrepareConfig `yaml:"prepare"`
	Probe   pipeline.ProbeConfig   `yaml:"probe"`
	Attacks pipeline.AttackConfig  `yaml:"attacks"`
	Window  pipeline.WindowConfig  `yaml:"window"`
	Flow    pipeline.FlowConfig    `yaml:"flow"`
	Alerts  pipeline.AlertConfig   `yaml:"alerts"`

	Telemetry otlp.Config `yaml:"telemetry"`
	HTTP      http.Config `yaml:"http"`

	// Suites are perturbation suites of the user's own, for probe.suite.
	Suites []Suite `yaml:"suites,omitempty"`

	// DetectorsFile names a file with the list of detectors; else they stand here, under detectors.
	DetectorsFile string              `yaml:"detectors_file,omitempty"`
	Detectors     []pipeline.Detector `yaml:"detectors,omitempty"`
}

// Default returns the configuration of a file that says nothing. It names no detectors, so it is not complete.
func Default() Config {
	return Config{
		Kafka:     kafka.DefaultConfig(),
		Redis:     redis.DefaultConfig(),
		Decode:    pipeline.DefaultDecodeConfig(),
		Slices:    pipeline.DefaultSliceConfig(),
		Panel:     pipeline.DefaultPanelConfig(),
		Sample:    pipeline.DefaultSampleConfig(),
		Join:      pipeline.DefaultJoinConfig(),
		Prepare:   pipeline.DefaultPrepareConfig(),
		Probe:     pipeline.DefaultProbeConfig(),
		Attacks:   pipeline.DefaultAttackConfig(),
		Window:    pipeline.DefaultWindowConfig(),
		Flow:      pipeline.DefaultFlow(),
		Alerts:    pipeline.DefaultAlertConfig(),
		Telemetry: otlp.DefaultConfig(),
		HTTP:      http.DefaultConfig(),
	}
}

// Load reads a configuration file and checks it. A variable SHAKETABLE_<SECTION>_<KEY> of the environment, as lookup
// (os.LookupEnv outside tests) returns it, goes before the file. Relative paths are resolved against the folder of the
// file. The error is a Faults with every fault, or that of opening a file.
func Load(path string, lookup func(string) (string, bool)) (Config, error) {
	doc, err := readDocument(path)
	if err != nil {
		return Config{}, err
	}
	c := Default()
	faults := doc.decode(doc.without("detectors"), "", &c) // each detector has defaults of its own
	faults = append(faults, override(&c, lookup)...)
	if len(faults) > 0 {
		// What was misread is not what the user wrote: checking it would only add noise. Its detectors can be checked.
		_, more, _ := c.loadDetectors(doc)
		return Config{}, append(faults, more...).err()
	}
	c.settle(doc)
	for _, e := range c.validate() {
		faults = append(faults, Fault{File: path, Line: doc.line(e.path), Path: e.path, Text: e.text})
	}
	detectors, more, err := c.loadDetectors(doc)
	if err != nil {
		return Config{}, err
	}
	c.Detectors = detectors
	if c.Alerts.Detectors == 0 { // the versions of one detector share an alert
		c.Alerts.Detectors = len(c.names())
	}
	if err := append(faults, more...).err(); err != nil {
		return Config{}, err
	}
	return c, nil
}

// settle fills in what one section takes from another or from the place of the file.
func (c *Config) settle(doc *document) {
	if doc.missing("redis.label_horizon") {
		c.Redis.LabelHorizon = c.Window.LabelHorizon
	}
	for _, p := range c.paths() {
		*p = resolve(doc.file, *p)
	}
}

// paths are the settings that name files or folders.
func (c *Config) paths() []*string {
	return []*string{&c.DetectorsFile, &c.Sample.KeyFile, &c.Join.Root, &c.Probe.Library, &c.Alerts.File, &c.Panel.Media, &c.Panel.Labels,
		&c.Kafka.TLS.CAFile, &c.Kafka.TLS.CertFile, &c.Kafka.TLS.KeyFile, &c.Kafka.SASL.PasswordFile,
		&c.Redis.PasswordFile, &c.Redis.SentinelPasswordFile, &c.Redis.TLS.CAFile, &c.Redis.TLS.CertFile, &c.Redis.TLS.KeyFile,
		&c.Telemetry.OTLP.CAFile, &c.Telemetry.OTLP.HeadersFile}
}

// loadDetectors reads the detectors from the file itself or from the one that it names. The faults carry the file that
// they stand in; the error is that of opening the other file.
func (c *Config) loadDetectors(doc *document) ([]pipeline.Detector, Faults, error) {
	list, line := child(doc.root, "detectors")
	var detectors []pipeline.Detector
	var faults Faults
	switch {
	case list != nil && c.DetectorsFile != "":
		return nil, Faults{doc.fault("detectors", "stand here and in detectors_file; keep one")}, nil
	case list == nil && c.DetectorsFile == "":
		return nil, Faults{doc.fault("detectors", "are missing; list them here or name a detectors_file")}, nil
	case list != nil:
		detectors, faults = doc.detectors(list, line)
	default:
		other, err := readDocument(c.DetectorsFile)
		if fs := (Faults)(nil); errors.As(err, &fs) {
			return nil, fs, nil
		} else if err != nil {
			return nil, Faults{doc.fault("detectors_file", err.Error())}, nil
		}
		detectors, faults = other.onlyDetectors()
		doc = other
	}
	for i := range detectors {
		if detectors[i].Notify == "" {
			detectors[i].Notify = c.Alerts.Notify
		}
		if detectors[i].Model.SHA256 == "" && len(faults) == 0 {
			faults = append(faults, doc.fault(fmt.Sprintf("detectors[%d].model.sha256", i),
				"is missing; a worker runs only the model that it was told: "+digestHint(detectors[i].Model.Path)))
		}
	}
	return detectors, faults, nil
}

// names returns the names of the detectors, each once.
func (c *Config) names() []string {
	var names []string
	for _, d := range c.Detectors {
		if !slices.Contains(names, d.Name) {
			names = append(names, d.Name)
		}
	}
	return names
}

// digestHint says what the digest would be, or how to get it.
func digestHint(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return "sha256sum " + filepath.Base(path)
	}
	sum := sha256.Sum256(data)
	return filepath.Base(path) + " has " + hex.EncodeToString(sum[:])
}

// YAML writes the configuration as a file that Load accepts. It names where secrets are and never holds them.
func (c Config) YAML() ([]byte, error) { return yaml.Marshal(c) }

// Digest identifies the configuration: 16 hex digits of the SHA-256 of its YAML.
func (c Config) Digest() (string, error) {
	text, err := c.YAML()
	if err != nil {
		return "", fmt.Errorf("digest of the configuration: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8]), nil
}
