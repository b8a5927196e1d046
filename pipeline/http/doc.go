// Package http serves what a process says about itself and what is known of the detectors: /livez, /readyz, /metrics, the
// state as JSON, and a page for people. Everything is read-only. The state comes from the store, so every process serves
// all detectors, whoever computed them.
package http
