package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"shaketable/cmd/shaketable/suspect"
	"shaketable/pipeline"
)

// scoreFile is a file of scores.
type scoreFile struct {
	rows     []scoreRow
	rounding float64 // half a unit of the last digit that is written
	digits   int     // behind the point
	real     bool    // they are the probability of real
	column   string
}

type scoreRow struct {
	file  string
	score float64
	line  int
}

// readScores reads a CSV file: columns for the file and its score under one of their usual names, separated by commas,
// semicolons or tabs. All faults come back at once.
func readScores(file, meaning string) (s scoreFile, err error) {
	text, err := readCapped(file, 64<<20)
	if err != nil {
		return s, err
	}
	rows, err := readTableRows(text)
	if err != nil {
		return s, fmt.Errorf("%s: %w", file, err)
	}
	name, score, first, err := s.columns(rows[0].cells)
	if err != nil {
		return s, fmt.Errorf("%s:1: %w", file, err)
	}
	if meaning != "" {
		s.real = meaning == "real"
	}
	var faults []error
	seen := map[string]scoreRow{}
	for _, row := range rows[first:] {
		if len(row.cells) <= max(name, score) {
			faults = append(faults, fmt.Errorf("%s:%d: has %d columns, too few", file, row.line, len(row.cells)))
			continue
		}
		r, digits, err := parseScore(row.cells[name], row.cells[score], row.line)
		if before, ok := seen[r.file]; err == nil && ok && before.score != r.score {
			err = fmt.Errorf("%s has another score in line %d", r.file, before.line)
		} else if ok {
			continue
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s:%d: %w", file, row.line, err))
			continue
		}
		seen[r.file] = r
		s.rows, s.digits = append(s.rows, r), max(s.digits, digits)
	}
	if len(faults) > mostFaults {
		faults = append(faults[:mostFaults], fmt.Errorf("%s: and %d more", file, len(faults)-mostFaults))
	}
	if err := errors.Join(faults...); err != nil {
		return s, err
	}
	if len(s.rows) == 0 {
		return s, fmt.Errorf("%s: has a header and no scores", file)
	}
	s.rounding = .5 * math.Pow(10, -float64(s.digits))
	return s, nil
}

// mostFaults is how many faults of one file are listed.
const mostFaults = 20

func parseScore(name, text string, line int) (r scoreRow, digits int, err error) {
	r = scoreRow{file: strings.TrimSpace(strings.ReplaceAll(name, `\`, "/")), line: line}
	text = strings.TrimSpace(text)
	number, percent := strings.CutSuffix(text, "%")
	if strings.Count(number, ",") == 1 && !strings.Contains(number, ".") {
		number = strings.Replace(number, ",", ".", 1) // as half of the world writes it
	}
	r.score, err = strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || math.IsNaN(r.score) || math.IsInf(r.score, 0) {
		return r, 0, fmt.Errorf("score %q of %s is no finite number", text, r.file)
	}
	digits = digitsOf(number)
	if percent {
		r.score, digits = r.score/100, digits+2
	}
	return r, digits, nil
}

// digitsOf counts the digits behind the point that a number is written with: 4 for .1234, 6 for 1.25e-4.
func digitsOf(text string) int {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	_, fraction, _ := strings.Cut(mantissa, ".")
	shift, _ := strconv.Atoi(exponent) // "" is no shift
	return min(max(len(fraction)-shift, 0), 17)
}

// columns finds the columns by the header; without one, the first two are file and score. First is the row after it.
func (s *scoreFile) columns(header []string) (name, score, first int, err error) {
	words := make([]string, len(header))
	for i, h := range header {
		words[i] = strings.ToLower(strings.TrimSpace(h))
	}
	find := func(known ...string) int {
		for _, k := range known {
			if i := slices.Index(words, k); i >= 0 {
				return i
			}
		}
		return -1
	}
	name = find("file", "filename", "file_name", "path", "filepath", "file_path", "name", "image", "img", "media", "media_id", "picture", "id")
	fake := find("score", "prob", "probability", "p", "prob_fake", "p_fake", "fake_prob", "probability_fake", "fake_probability", "fake", "fake_score",
		"pred", "prediction", "confidence", "output", "logit", "logits", "percent")
	real := find("prob_real", "p_real", "real_prob", "probability_real", "real_probability", "real", "real_score")
	switch {
	case name >= 0 && fake >= 0:
		s.column = header[fake]
		return name, fake, 1, nil
	case name >= 0 && real >= 0:
		s.column, s.real = header[real], true
		return name, real, 1, nil
	}
	if len(header) == 2 {
		if _, err := strconv.ParseFloat(strings.TrimSuffix(words[1], "%"), 64); err == nil {
			s.column = "2"
			return 0, 1, 0, nil
		}
	}
	return 0, 0, 0, fmt.Errorf("the header is %q: it must have a column file and a column score (prob_real if that is what it is)", strings.Join(header, ","))
}

// tableRow is a row of a CSV file.
type tableRow struct {
	cells []string
	line  int
}

// readTableRows reads CSV of any of the usual separators.
func readTableRows(text []byte) (list []tableRow, err error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // spreadsheets put it there
	head, _, _ := bytes.Cut(text, []byte("\n"))
	rows := csv.NewReader(bytes.NewReader(text))
	for _, separator := range []rune{'\t', ';'} {
		if bytes.ContainsRune(head, separator) {
			rows.Comma = separator
			break
		}
	}
	rows.FieldsPerRecord = -1
	for {
		cells, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		line, _ := rows.FieldPos(0)
		list = append(list, tableRow{cells, line})
	}
	if len(list) == 0 {
		return nil, errors.New("is empty: it must have the columns file and score")
	}
	return list, nil
}

// match finds the pictures of the scores: by their name below the folder, else by the end of it if only one file has that.
func (v *verification) match(files []mediaFile) error {
	byName, byBase := map[string]string{}, map[string][]string{}
	for _, f := range files {
		byName[f.name] = f.name
		byBase[path.Base(f.name)] = append(byBase[path.Base(f.name)], f.name)
	}
	var missing []string
	used := map[string]bool{}
	for _, row := range v.scores.rows {
		name, ok := byName[strings.TrimPrefix(path.Clean(row.file), "./")]
		if same := byBase[path.Base(row.file)]; !ok && len(same) == 1 {
			name, ok = same[0], true
		}
		if !ok || used[name] {
			missing = append(missing, row.file)
			continue
		}
		used[name] = true
		full := filepath.Join(v.options.media, filepath.FromSlash(name))
		score := row.score
		v.pictures = append(v.pictures, suspect.Picture{Name: name, Score: score, Read: func() ([]byte, error) {
			return readCapped(full, pipeline.DefaultPrepareConfig().MaxBytes)
		}})
	}
	v.missing = missing
	v.unscored = len(files) - len(v.pictures)
	if len(v.pictures) == 0 {
		return fmt.Errorf("--scores: none of the %d files is below %s; the first is %s: names must be relative to the folder, or unique by themselves",
			len(v.scores.rows), v.options.media, v.scores.rows[0].file)
	}
	return nil
}

// checkDigest holds the bytes against the digest that the configuration names.
func checkDigest(d pipeline.Detector, data []byte) error {
	sum := sha256.Sum256(data)
	if got := hex.EncodeToString(sum[:]); d.Model.SHA256 != "" && got != d.Model.SHA256 {
		return fmt.Errorf("detector %s: model.sha256: %s has the digest %s, not %s: it is not the file that was configured", d.Name, d.Model.Path, got, d.Model.SHA256)
	}
	return nil
}
