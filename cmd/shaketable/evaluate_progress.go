package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// progress says how far a long command is: with a bar on a terminal, else with a plain line now and then.
type progress struct {
	mu     sync.Mutex
	w      io.Writer
	width  int // of the terminal; 0 if it is none
	now    func() time.Time
	began  time.Time
	shown  time.Time
	noun   string // what is counted
	label  string // what the next steps belong to
	done   int
	total  int
	closed bool
}

// Lines are few enough not to fill a log, the bar is quick enough to look alive.
const (
	barEvery  = 100 * time.Millisecond
	lineEvery = 10 * time.Second
)

func newProgress(w io.Writer, now func() time.Time, noun string, total int) *progress {
	p := &progress{w: w, now: now, began: now(), shown: now(), noun: noun, total: total}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.width = 80
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			p.width = width
		}
	}
	return p
}

// begin says what the next steps belong to.
func (p *progress) begin(label string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.label = label
	p.show()
}

// step counts n pieces of work.
func (p *progress) step(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += n
	every := lineEvery
	if p.width > 0 {
		every = barEvery
	}
	if p.now().Sub(p.shown) >= every {
		p.show()
	}
}

// reach says how much of how much is done, where that is learned from somebody else.
func (p *progress) reach(done, total int) {
	p.mu.Lock()
	p.total = total
	more := done - p.done
	p.mu.Unlock()
	p.step(more)
}

// end leaves the terminal with an empty line.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.width > 0 && !p.closed {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
	p.closed = true
}

func (p *progress) show() {
	if p.closed {
		return
	}
	p.shown = p.now()
	took := p.shown.Sub(p.began)
	text := fmt.Sprintf("%d of %d %s", p.done, p.total, p.noun)
	if p.label != "" {
		text += ", " + p.label
	}
	if p.done > 0 && took > 0 {
		left := time.Duration(float64(took) / float64(p.done) * float64(p.total-p.done))
		text += fmt.Sprintf(", %.1f/s, %s left", float64(p.done)/took.Seconds(), left.Round(time.Second))
	}
	if p.width == 0 {
		fmt.Fprintln(p.w, text)
		return
	}
	const bar = 12
	full := bar * p.done / max(p.total, 1)
	line := "[" + strings.Repeat("#", full) + strings.Repeat(".", bar-full) + "] " + text
	fmt.Fprintf(p.w, "\r\x1b[K%.*s", p.width-1, line)
}
