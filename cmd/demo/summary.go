package main

import (
	"fmt"
	"io"
	"strings"

	"shaketable/pipeline"
)

// summarise writes how the demo went.
func summarise(w io.Writer, v View) {
	fmt.Fprintf(w, "\nshaketable demo: %.0f s, %d pictures judged, %d probed", v.Elapsed, v.Read, v.Total)
	if v.Accuracy >= 0 {
		fmt.Fprintf(w, ", accuracy %.1f %%", 100*v.Accuracy)
	}
	fmt.Fprintln(w)
	for _, version := range versionsOf(v.Points) {
		ra, rr, n := means(v.Points, version)
		fmt.Fprintf(w, "  version %s   RA %5.1f %%   RR(.05) %5.1f %%   mean of %d folds\n", version, 100*ra, 100*rr, n)
	}
	fmt.Fprintln(w, "  "+identity(v.Outcomes))
	switch {
	case v.Fired == 0 && v.RollOut == 0:
		fmt.Fprintln(w, "  no alert: version 1.1 was not rolled out, because the demo ended before version 1.0 was known well enough")
	case v.Fired == 0:
		fmt.Fprintln(w, "  NO ALERT was delivered after the roll-out")
	default:
		fmt.Fprintf(w, "  alert %.1f s after the roll-out:\n\n%s\n", v.FiredAt-v.RollOut, indented(v.FiredText))
	}
}

func indented(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ")
}

// identity writes the account of all detections: what was read is the sum of how it ended.
func identity(outcomes map[string]int64) string {
	var terms []string
	var total int64
	for _, o := range pipeline.Outcomes() {
		if n := outcomes[string(o)]; n > 0 {
			terms = append(terms, fmt.Sprintf("%d %s", n, o))
			total += n
		}
	}
	sign := "="
	if total != outcomes[pipeline.Read] {
		sign = "does NOT equal"
	}
	return fmt.Sprintf("accounts: %d read %s %s", outcomes[pipeline.Read], sign, strings.Join(terms, " + "))
}

func versionsOf(points []Point) []string {
	var list []string
	for _, p := range points {
		if len(list) == 0 || list[len(list)-1] != p.Version {
			list = append(list, p.Version)
		}
	}
	return list
}

func means(points []Point, version string) (ra, rr float64, n int) {
	for _, p := range points {
		if p.Version == version {
			ra, rr, n = ra+p.RA, rr+p.RR, n+1
		}
	}
	return ra / float64(n), rr / float64(n), n
}
