package http

import (
	"fmt"
	"net/http"

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
