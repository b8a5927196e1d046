package main

import (
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"sort"
	"time"
)

//go:embed page
var assets embed.FS

// newPage serves the demo's page, its three files and "state", the current [View] as JSON. Nothing is fetched from
// elsewhere, and the policy says so to the browser.
func newPage(record *Record) (http.Handler, error) {
	page, err := template.ParseFS(assets, "page/page.html")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		page.Execute(w, record.View()) // fails only if the reader has gone
	})
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		view := record.View()
		view.Points, view.Families = drawn(view), notNil(view.Families)
		json.NewEncoder(w).Encode(view)
	})
	for _, name := range []string{"style.css", "app.js"} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFileFS(w, r, assets, "page/"+name)
		})
	}
	return policy(mux), nil
}

func policy(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// drawn are the points that the page draws: the last five minutes of a demo without an end, else all, thinned out to what
// a chart can show.
func drawn(v View) []Point {
	const most = 600
	if v.Duration == 0 {
		first := sort.Search(len(v.Points), func(i int) bool { return v.Points[i].T >= v.Elapsed-300 })
		return notNil(v.Points[first:])
	}
	step := len(v.Points)/most + 1
	points := make([]Point, 0, most)
	for i := 0; i < len(v.Points); i += step {
		points = append(points, v.Points[i])
	}
	return points
}

// notNil makes an empty list [] in JSON instead of null.
func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// served is the page's server.
type served struct {
	*http.Server
	link string
}

// servePage serves the page at an address; "" serves nothing.
func servePage(address string, record *Record) (*served, error) {
	handler, err := newPage(record)
	if err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	s := &served{Server: &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}}
	if address == "" {
		return s, nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("page: %w: name a free address with -listen", err)
	}
	s.link = "http://" + listener.Addr().String() + "/"
	go s.Serve(listener) // returns when run closes it
	return s, nil
}
