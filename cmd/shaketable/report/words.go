package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"shaketable/pipeline"
)

// words names a family for readers who do not know the suite.
func words(family string) string {
	if pipeline.Natural(family) {
		return pipeline.FamilyWords(family)
	}
	parts := strings.Split(family, "_")
	for prefix, name := range map[string]string{"fgsm": "FGSM", "pgd": "PGD", "cw": "Carlini-Wagner", "square": "Square", "nes": "NES"} {
		if steps, ok := strings.CutPrefix(parts[0], prefix); ok {
			return attackWords(name, steps, parts[1:])
		}
	}
	return strings.Join(parts, " ")
}

func attackWords(name, steps string, rest []string) string {
	if steps != "" {
		name += ", " + steps + " steps"
	}
	for _, r := range rest {
		name += ", " + map[string]string{"self": "against the verdict", "label": "against the label", "delta": "as far as it goes",
			"uint8": "stored as 8 bits", "jpeg90": "stored as JPEG 90", "l2": "L2"}[r]
	}
	return strings.TrimSuffix(name, ", ")
}

// percent is a share as text: "97.1 %". Nothing becomes 100 that is less, and nothing 0 that is more.
func percent(v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	text := strconv.FormatFloat(100*v, 'f', 1, 64)
	switch {
	case v < 1 && text == "100.0":
		text = "99.9"
	case v > 0 && text == "0.0":
		text = "0.1"
	case v == 0 || v == 1:
		text = strings.TrimSuffix(text, ".0")
	}
	return text + " %"
}

// band is the band of a rate in percent: "92 to 99".
func band(r rate) string {
	if !r.OK() {
		return ""
	}
	return fmt.Sprintf("%.0f to %.0f", 100*r.Low, 100*r.High)
}

// points is a difference of shares in percentage points: "−12.5".
func points(v float64) string {
	text := strconv.FormatFloat(math.Abs(100*v), 'f', 1, 64)
	switch {
	case text == "0.0":
		return "0"
	case v < 0:
		return "−" + text
	}
	return "+" + text
}

// count says how many of a hundred, as people say it: "38 of 100"; of a thousand where a hundred says nothing; all or no.
func count(v float64) string {
	n := math.Round(100 * v)
	switch v {
	case 0:
		return "no"
	case 1:
		return "all"
	}
	if v > 0 && v < .01 || v < 1 && n == 100 {
		return fmt.Sprintf("%.0f of 1000", min(max(math.Round(1000*v), 1), 999))
	}
	return fmt.Sprintf("%.0f of 100", n)
}

// exact has the digits of ra_rr.csv.
func exact(v float64) string {
	if math.IsNaN(v) {
		return ""
	}
	return strconv.FormatFloat(v, 'f', 6, 64)
}

// decimal writes a probability or a distance of probabilities: ".031".
func decimal(v float64) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case math.IsInf(v, 1):
		return "any"
	}
	text := strconv.FormatFloat(v, 'f', 3, 64)
	if text == "-0.000" {
		text = "0.000"
	}
	if rest, ok := strings.CutPrefix(text, "0."); ok {
		return "." + rest
	}
	return text
}

// whole writes a number of pictures, which is fractional where some variants did not run in all of them.
func whole(v float64) string {
	if math.Abs(v-math.Round(v)) < 1e-6 {
		return strconv.FormatFloat(math.Round(v), 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'f', 1, 64)
}

// thousands groups digits: "18 156", with a space that does not break.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "\u202f" + text[at:]
	}
	return text
}

func day(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") }

// heat is how deep the colour of a share is, 0 where nothing failed, to 70, beyond which text could not be read.
func heat(r rate) float64 {
	if !r.OK() {
		return 0
	}
	return math.Round(70 * (1 - r.Value))
}

// fileName keeps of a name what every file system takes.
func fileName(name string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", r) {
			return r
		}
		return '-'
	}, name)
}
