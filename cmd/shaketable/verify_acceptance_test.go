//go:build cgo && acceptance

package main

// longProof says whether the tests that take minutes run.
func longProof() bool { return true }
