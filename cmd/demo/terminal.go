package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// terminal shows the record: a table that is drawn over itself every half second, or a line every two seconds where the
// output is no terminal.
type terminal struct {
	out    io.Writer
	record *Record
	page   string // link to the page
	live   bool
}

func (t terminal) run(ctx context.Context) {
	every := 2 * time.Second
	if t.live {
		every = 500 * time.Millisecond
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	height, fired := 0, 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			v := t.record.View()
			if t.live {
				text := table(v, t.page)
				fmt.Fprint(t.out, strings.Repeat("\x1b[A\x1b[2K", height), text)
				height = strings.Count(text, "\n")
				continue
			}
			fmt.Fprintln(t.out, line(v))
			if v.Fired > fired {
				fired = v.Fired
				fmt.Fprintf(t.out, "ALERT  %s\n", v.Alert.Summary)
			}
		}
	}
}

func line(v View) string {
	text := fmt.Sprintf("%5.1fs  version %-4s %-9s", v.Elapsed, orDash(v.Version), v.State)
	if v.Probes < fewest {
		return text + fmt.Sprintf("  probed %d", v.Total)
	}
	return text + fmt.Sprintf("  RA %5.1f %%  RR(.05) %5.1f %%  of %d in the window, probed %d", 100*v.RA.Value, 100*v.RR.Value, v.Probes, v.Total)
}

// table is the whole picture in lines of at most 78 columns.
func table(v View, page string) string {
	var b strings.Builder
	length := ""
	if v.Duration > 0 {
		length = fmt.Sprintf(" of %.0f", v.Duration)
	}
	fmt.Fprintf(&b, "\x1b[1mshaketable demo\x1b[0m  %.0f%s s   %s\n", v.Elapsed, length, page)
	fmt.Fprintf(&b, "detector traces %s   %s   probed %d of %d\n\n", orDash(v.Version), tinted(v.State), v.Total, v.Read)
	fmt.Fprintf(&b, "%-16s %7s %7s   %-24s %7s\n", "", "RA", "RR(.05)", "", "before")
	row := func(name string, ra, rr, before float64) {
		was := "-"
		if before >= 0 {
			was = fmt.Sprintf("%.1f", 100*before)
		}
		fmt.Fprintf(&b, "%-16s %7.1f %7.1f   %-24s %7s\n", name, 100*ra, 100*rr, bar(rr, 24), was)
	}
	if v.Probes >= fewest {
		row("all", v.RA.Value, v.RR.Value, -1)
		for _, f := range v.Families {
			row(strings.ReplaceAll(f.Name, "_", " "), f.RA, f.RR, f.Before)
		}
	} else {
		b.WriteString("collecting the first probes\n")
	}
	if v.Alert != nil {
		fmt.Fprintf(&b, "\n\x1b[1;31m%s\x1b[0m\n", wrapped(strings.ToUpper(v.Alert.State)+": "+v.Alert.Summary, 78))
	}
	return b.String()
}

func tinted(state string) string {
	switch state {
	case "firing":
		return "\x1b[1;31mfiring\x1b[0m"
	case "ok":
		return "\x1b[32mok\x1b[0m"
	}
	return state
}

func bar(share float64, width int) string {
	full := int(share*float64(width) + .5)
	return strings.Repeat("█", full) + strings.Repeat("░", width-full)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// wrapped breaks text at spaces so that no line is longer than width, as long as no word is.
func wrapped(text string, width int) string {
	var b strings.Builder
	used := 0
	for i, word := range strings.Fields(text) {
		n := len([]rune(word))
		switch {
		case i == 0:
		case used+1+n > width:
			b.WriteByte('\n')
			used = 0
		default:
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += n
	}
	return b.String()
}
