package http

import (
	"fmt"
	"net/http"
	"time"

	"shaketable/pipeline"
)

// probes answers what a supervisor asks.
type probes struct {
	health   *pipeline.Health
	watchdog *Watchdog
	role     string
	version  string
}

// live says that the process runs. It never depends on Kafka or Redis, because a restart would not bring them back; only
// probes that have been stuck for long fail it.
func (p *probes) live(w http.ResponseWriter, _ *http.Request) {
	if err := p.watchdog.Dead(); err != nil {
		plain(w, http.StatusServiceUnavailable, fmt.Sprintf("not alive\n%v\n", err))
		return
	}
	plain(w, http.StatusOK, "alive\n")
}

// ready lists what is wrong, one part a line. With ?verbose it says more when nothing is.
func (p *probes) ready(w http.ResponseWriter, r *http.Request) {
	faults := p.health.Faults()
	text, status := "ready\n", http.StatusOK
	if len(faults) > 0 {
		text, status = "not ready\n", http.StatusServiceUnavailable
		for _, f := range faults {
			text += f + "\n"
		}
	}
	if r.URL.Query().Has("verbose") {
		text += fmt.Sprintf("role %s, version %s\n", p.role, p.version)
	}
	plain(w, status, text)
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	fmt.Fprint(w, text)
}

// Watchdog notices that probes are under way and none is counted any more. What is slow for a known reason, such as a
// store that is away, is not its business: while another part has a fault, its clock stands. The nil watchdog is content.
type Watchdog struct {
	stats  *pipeline.Stats
	health *pipeline.Health
	limit  time.Duration
	dead   pipeline.Health // one part at most: what makes the process not alive

	applied int64
	moved   time.Time
}

// part is the watchdog's name in the health of the process.
const part = "watchdog"

// NewWatchdog watches the stats of a worker; limit is how long nothing may move.
func NewWatchdog(stats *pipeline.Stats, health *pipeline.Health, limit time.Duration) *Watchdog {
	return &Watchdog{stats: stats, health: health, limit: limit}
}

// Check is to be called now and then, by one goroutine. It makes the process unready after the limit, and returns an error
// after twice the limit: then the process should end.
func (w *Watchdog) Check(now time.Time) error {
	applied, others := w.stats.Applied.Load(), 0
	mine := 0
	for _, f := range w.health.Faults() {
		if len(f) > len(part) && f[:len(part)+1] == part+":" {
			mine++
		} else {
			others++
		}
	}
	if w.moved.IsZero() || applied != w.applied || w.stats.InFlight.Load() == 0 || others > 0 {
		w.applied, w.moved = applied, now
		if mine > 0 {
			w.health.Set(part, nil)
			w.dead.Set(part, nil)
		}
		return nil
	}
	stood := now.Sub(w.moved)
	if stood < w.limit {
		return nil
	}
	err := fmt.Errorf("%d probes are under way, but nothing was counted for %s", w.stats.InFlight.Load(), stood.Round(time.Second))
	w.health.Set(part, err)
	if stood < 2*w.limit {
		return nil
	}
	w.dead.Set(part, err)
	return fmt.Errorf("%s: %w", part, err)
}

// Dead returns why the process is not alive any more; nil if it is.
func (w *Watchdog) Dead() error {
	if w == nil {
		return nil
	}
	if faults := w.dead.Faults(); len(faults) > 0 {
		return fmt.Errorf("%s", faults[0])
	}
	return nil
}
