package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestProgress(t *testing.T) {
	for _, c := range []struct {
		name  string
		width int
		want  string
	}{
		{"plain lines, one per 10 s", 0, "0 of 4 probes, a\n2 of 4 probes, a, 0.2/s, 12s left\n4 of 4 probes, a, 0.2/s, 0s left\n"},
		{"a bar", 60, "\r\x1b[K[............] 0 of 4 probes, a" +
			"\r\x1b[K[###.........] 1 of 4 probes, a, 0.2/s, 18s left" +
			"\r\x1b[K[######......] 2 of 4 probes, a, 0.2/s, 12s left" +
			"\r\x1b[K[#########...] 3 of 4 probes, a, 0.2/s, 6s left" +
			"\r\x1b[K[############] 4 of 4 probes, a, 0.2/s, 0s left\r\x1b[K"},
		{"a narrow terminal", 20, "[............] 0 of\r"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			at := time.Unix(0, 0)
			p := newProgress(&out, func() time.Time { return at }, "probes", 4)
			p.width = c.width
			p.begin("a")
			for range 4 {
				at = at.Add(6 * time.Second)
				p.step(1)
			}
			p.end()
			p.step(1) // a straggler leaves no trace
			if c.width == 20 {
				if !strings.Contains(out.String(), c.want) {
					t.Errorf("got %q", out.String())
				}
			} else if out.String() != c.want {
				t.Errorf("got  %q\nwant %q", out.String(), c.want)
			}
		})
	}
}
