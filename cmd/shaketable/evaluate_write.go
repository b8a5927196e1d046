package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"shaketable/cmd/shaketable/report"
	"shaketable/metrics"
	"shaketable/perturb"
	"shaketable/pipeline"
)

// output is a file to be written.
type output struct {
	name string
	text []byte
}

// write puts everything into a folder, each file whole or not at all, and returns the paths. A report that cannot be made
// keeps no figures from being written.
func (t task) write(ctx context.Context, o evaluateOptions, done []evaluation, checks []report.Check) ([]string, error) {
	figures, err := figuresTable(done)
	if err != nil {
		return nil, err
	}
	probabilities, err := probabilitiesTable(t.media.pictures, done)
	if err != nil {
		return nil, err
	}
	baselines, err := baselinesFile(t, done, t.began)
	if err != nil {
		return nil, err
	}
	files := []output{{"ra_rr.csv", figures}, {"probabilities.csv", probabilities}, {"baseline.json", baselines}}
	more, faults := t.reportFiles(ctx, o, done, checks)
	var paths []string
	for _, f := range append(files, more...) {
		path := filepath.Join(o.out, filepath.FromSlash(f.name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, fmt.Errorf("--out: %w", err)
		}
		if err := writeAtomically(path, f.text); err != nil {
			return nil, fmt.Errorf("--out: %w", err)
		}
		if dir, _, nested := strings.Cut(f.name, "/"); !nested {
			paths = append(paths, path)
		} else if folder := filepath.Join(o.out, dir) + "/"; !slices.Contains(paths, folder) {
			paths = append(paths, folder)
		}
	}
	return paths, faults
}

// writeAtomically replaces a file by way of a new one beside it, so that readers see the old text or the new one.
func writeAtomically(path string, text []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	err = errors.Join(err, file.Chmod(0o644), file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// figuresTable is ra_rr.csv.
func figuresTable(done []evaluation) ([]byte, error) {
	header := []string{"model", "perturbation", "severity", "parameter", "n", "ra_label", "ra_self"}
	for _, e := range pipeline.DefaultWindowConfig().Edges() {
		header = append(header, "rr_"+strconv.FormatFloat(metrics.Tolerance(e), 'f', 2, 64))
	}
	rows := [][]string{append(header, "mean_abs_delta_p")}
	for _, e := range done {
		if e.counts.N() == 0 {
			continue
		}
		for _, r := range e.counts.Rows() {
			row := []string{e.detector.Name, r.Family, strconv.Itoa(r.Severity), r.Parameter, strconv.FormatInt(r.N, 10),
				figure(r.RALabel), figure(r.RASelf)}
			for _, rr := range r.RR {
				row = append(row, figure(rr))
			}
			rows = append(rows, append(row, figure(r.MeanAbs)))
		}
	}
	return csvText(rows)
}

// figure has six digits, which is what a tick resolves; nothing where there is no figure.
func figure(v float64) string {
	if math.IsNaN(v) {
		return ""
	}
	return strconv.FormatFloat(v, 'f', 6, 64)
}

// probabilitiesTable is probabilities.csv; p is written with as many digits as it takes to read the same number back, and
// left empty for an attack that did not run.
func probabilitiesTable(pictures []mediaFile, done []evaluation) ([]byte, error) {
	rows := [][]string{{"model", "file", "label", "perturbation", "severity", "parameter", "p"}}
	for _, e := range done {
		variants := append([]perturb.Variant{{Family: "none"}}, e.counts.Generation().Variants...)
		for i, picture := range pictures {
			if e.results[i].err != nil {
				continue
			}
			for j, v := range variants {
				rows = append(rows, []string{e.detector.Name, picture.name, picture.label(), v.Family, strconv.Itoa(v.Severity),
					v.Parameter, exact(e.results[i].probs[j])})
			}
		}
	}
	return csvText(rows)
}

// exact has all digits; nothing where an attack did not run.
func exact(p float64) string {
	if math.IsNaN(p) {
		return ""
	}
	return strconv.FormatFloat(p, 'g', -1, 64)
}

func csvText(rows [][]string) ([]byte, error) {
	var text bytes.Buffer
	if err := csv.NewWriter(&text).WriteAll(rows); err != nil {
		return nil, err
	}
	return text.Bytes(), nil
}

// baselinesFile is baseline.json: one baseline per detector, with all that is needed to do the same again.
func baselinesFile(t task, done []evaluation, at time.Time) ([]byte, error) {
	pictures := t.media.pictures
	var list []metrics.Baseline
	for _, e := range done {
		if e.counts.N() == 0 {
			continue
		}
		used, labelled := 0, 0
		for i, r := range e.results {
			if r.err != nil {
				continue
			}
			used++
			if pictures[i].fake != nil {
				labelled++
			}
		}
		provenance := map[string]string{
			provenanceDetector: e.detector.Name, "tool": toolVersion(), "engine": e.engine, provenanceCodec: t.suite.Codec,
			"pictures": strconv.Itoa(used), "labelled": strconv.Itoa(labelled), provenanceMedia: mediaDigest(pictures, e),
		}
		if t.suite.Name == ownSuite {
			provenance[provenanceVariants] = variantsText(t.suite)
		}
		if len(t.attacks) > 0 {
			provenance["attacks"] = t.attackTexts()
		}
		b, err := e.counts.Baseline(at, fmt.Sprintf("evaluation of %d pictures, %d of them labelled", used, labelled), provenance)
		if err != nil {
			return nil, err
		}
		list = append(list, b)
	}
	return pipeline.FormatBaselines(list)
}

// mediaDigest is as of `sha256sum` over the files that were used, in the order of their names.
func mediaDigest(pictures []mediaFile, e evaluation) string {
	set := sha256.New()
	for i, r := range e.results {
		if r.err == nil {
			fmt.Fprintf(set, "%x  %s\n", r.digest, pictures[i].name)
		}
	}
	return hex.EncodeToString(set.Sum(nil))
}

// toolVersion names this program as its build knows it.
func toolVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "shaketable (unknown build)"
	}
	b := newBuild(info)
	return strings.TrimSpace("shaketable " + b.Version + " " + b.Revision)
}
