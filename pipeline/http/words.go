package http

import (
	"math"
	"strconv"
	"strings"
	"time"

	"shaketable/metrics"
	"shaketable/pipeline"
)

// What the template writes figures, times and states with.

// percent writes a share with one decimal; the last decimal never rounds up to a hundred what is below.
func percent(share float64) string {
	x := 100 * share
	if share < 1 && x > 99.9 {
		x = 99.9
	}
	return strconv.FormatFloat(x, 'f', 1, 64) + "\u202f%"
}

// perHundred writes a share as a coordinate of 100.
func perHundred(share float64) string {
	return strconv.FormatFloat(math.Round(1000*share)/10, 'f', -1, 64)
}

func clock(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04:05") + " UTC"
}

func ago(seconds float64) string {
	if seconds < 0 {
		seconds = 0
	}
	return time.Duration(seconds * float64(time.Second)).Round(time.Second).String()
}

// stateWords says a state in words of people.
func stateWords(s pipeline.AlertState) string { return strings.ReplaceAll(string(s), "_", " ") }

// told says what the owner lets reach people.
func told(notify string) string {
	switch notify {
	case pipeline.NotifyPage:
		return "by page and ticket"
	case pipeline.NotifyTicket:
		return "by ticket only"
	}
	return "never; alerts are recorded only"
}

// loud says whether an alert of a tier reaches people.
func loud(t pipeline.Tier, notify string) bool {
	return notify == pipeline.NotifyPage || notify == pipeline.NotifyTicket && t == pipeline.Ticketing
}

// kindWords says a kind of baseline in words of people.
func kindWords(k metrics.BaselineKind) string { return strings.ReplaceAll(string(k), "_", "-") }

// before is the share that a slice has of the traffic of the longest window.
func before(s pipeline.SliceView) string {
	if len(s.Windows) < 2 {
		return ""
	}
	return percent(s.Windows[len(s.Windows)-1].Share)
}

// parts cuts the name of a family at its underscores, where a narrow column may break it.
func parts(name string) []string { return strings.Split(name, "_") }

// whole writes a count with a comma between thousands.
func whole(x float64) string {
	digits := strconv.FormatFloat(x, 'f', 0, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
