package pipeline

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// The plain words of messages: families, shares, times.

// FamilyWords names a family as people know it who do not know the suite: "recompression (JPEG)". Families without an entry
// keep their name.
func FamilyWords(family string) string {
	words := map[string]string{
		"jpeg": "recompression (JPEG)", "gaussian_noise": "noise", "gaussian_blur": "blur", "resize": "down-scaling",
		"gain": "darkening", "brightness": "brightening", "saturation": "loss of colour", "contrast": "change of contrast",
		"motion_blur":     "motion blur",
		"block_occlusion": "covered blocks", "social": "social-network upload", "gaussian_noise_ycbcr": "noise in colour channels",
	}
	if w, ok := words[family]; ok {
		return w
	}
	for prefix, name := range map[string]string{"fgsm": "FGSM", "pgd": "PGD", "cw": "Carlini-Wagner", "square": "Square", "nes": "NES"} {
		if strings.HasPrefix(family, prefix) {
			return "the " + name + " attack (" + family + ")"
		}
	}
	return strings.ReplaceAll(family, "_", " ")
}

// changedBy says what was done to the pictures of a series.
func changedBy(s Series) string {
	switch s.Scope {
	case ScopeDetector, ScopeSlice:
		return fmt.Sprintf("ordinary handling (mean over %d kinds)", len(s.pools))
	case ScopeVariant:
		return FamilyWords(s.Family) + " at " + s.Parameter
	}
	return FamilyWords(s.Family)
}

// failing says what a failure of a series is, after "N of 100 pictures changed by X".
func failing(s Series) string {
	switch s.Metric {
	case MetricRR:
		return "move by more than " + plain(float64(s.Edge)/float64(FullTick))
	case MetricRALabel:
		return "are judged wrongly"
	case MetricSkew:
		return "have a deployed score unlike ours"
	}
	return "get the opposite verdict"
}

// share writes a rate as people say it: "38 of 100", "4 of 1000".
func share(rate float64) string {
	if rate > 0 && rate < .01 {
		return fmt.Sprintf("%.0f of 1000", max(rate*1000, 1))
	}
	n := math.Round(rate * 100)
	if rate < 1 && n == 100 { // all but a few is not all
		return fmt.Sprintf("%.0f of 1000", min(math.Round(rate*1000), 999))
	}
	return fmt.Sprintf("%.0f of 100", n)
}

// outOf is the share of k in n.
func outOf(k, n float64) string {
	if n <= 0 {
		return "none of 0"
	}
	return share(k / n)
}

// plain writes a tolerance without its leading zero: .05.
func plain(v float64) string {
	return strings.TrimPrefix(strconv.FormatFloat(v, 'f', -1, 64), "0")
}

// percent writes a share between two others: "33 to 43".
func failureBand(r Rate) string {
	digits := 0
	if r.High-r.Low < .01 {
		digits = 1
	}
	return fmt.Sprintf("%.*f to %.*f", digits, 100*(1-r.High), digits, 100*(1-r.Low))
}

func count(n float64, one, many string) string {
	if math.Round(n) == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%.0f %s", n, many)
}

// clock is the time of day, stamp the date as well; both UTC, because the people on call may sit anywhere.
func clock(t time.Time) string { return t.UTC().Format("15:04:05") + " UTC" }

func stamp(t time.Time) string { return t.UTC().Format("2 January 2006 15:04:05") + " UTC" }

// rounded leaves out what nobody needs of a duration.
func rounded(d time.Duration) string {
	switch {
	case d < time.Second:
		return "less than 1s"
	case d < time.Minute:
		return d.Round(time.Second).String()
	case d < time.Hour:
		return windowName(d.Round(time.Second))
	case d < 48*time.Hour:
		return windowName(d.Round(time.Minute))
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}
