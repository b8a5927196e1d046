package http

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"shaketable/pipeline"
)

// States is what is served about detectors; a store that is Registry and Snapshots fits.
type States interface {
	// Detectors returns the names that ever registered, sorted.
	Detectors(ctx context.Context) ([]string, error)
	// Snapshot returns the JSON of a detector's last [pipeline.Snapshot]; nil if there is none.
	Snapshot(ctx context.Context, detector string) ([]byte, error)
}

// Options are the parts of a [Server].
type Options struct {
	States   States
	Health   *pipeline.Health
	Watchdog *Watchdog    // nil where nothing is probed
	Metrics  http.Handler // of /metrics
	Role     string       // shown to people
	Version  string
	Now      func() time.Time
	Log      *slog.Logger
}

// Server serves the surfaces of a process. All of it is read-only.
type Server struct {
	server   *http.Server
	listener net.Listener
	done     chan struct{}
}

// Open listens and serves until Close. With an empty Listen it returns nil, whose methods do nothing.
func Open(cfg Config, o Options) (*Server, error) {
	if cfg.Listen == "" {
		return nil, nil
	}
	handler, err := Handler(o)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("http.listen: %w: name a free address, port 0 for any free one, or \"\" to serve nothing", err)
	}
	s := &Server{listener: listener, done: make(chan struct{}), server: &http.Server{Handler: handler,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug)}}
	go func() {
		defer close(s.done)
		if err := s.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			o.Log.Error("the page and the metrics are no longer served", "error", err)
			o.Health.Set("http", err)
		}
	}()
	return s, nil
}

// Address is what the server listens on, host:port; "" if it does not.
func (s *Server) Address() string {
	if s == nil {
		return ""
	}
	return s.listener.Addr().String()
}

// Close lets running answers end for a second.
func (s *Server) Close() error {
	if s == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := s.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.server.Close()
	}
	<-s.done
	return err
}

// Handler returns all routes. Relative links make them work below any path of a proxy.
func Handler(o Options) (http.Handler, error) {
	cache := &cache{states: o.States, now: o.Now}
	page, err := newPage(cache, o)
	if err != nil {
		return nil, err
	}
	probes := &probes{health: o.Health, watchdog: o.Watchdog, role: o.Role, version: o.Version}
	api := &api{cache}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", probes.live)
	mux.HandleFunc("GET /readyz", probes.ready)
	mux.Handle("GET /metrics", o.Metrics)
	mux.HandleFunc("GET /api/v1/state", api.all)
	mux.HandleFunc("GET /api/v1/state/{detector}", api.one)
	mux.HandleFunc("GET /{$}", page.serve)
	for _, name := range assetNames() {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, assets, "page/"+name) })
	}
	return secure(mux), nil
}

// secure sets what browsers are told: nothing from elsewhere, nothing for elsewhere.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}
