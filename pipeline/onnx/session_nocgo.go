//go:build !cgo

package onnx

import (
	"context"
	"errors"
)

// errNoCgo is all that this build can say about running models.
var errNoCgo = errors.New("onnx: this program was built without cgo (CGO_ENABLED=0) and cannot run models: " +
	"build it with cgo, or run it with --role alert, which needs none")

type session struct{}

func load(string) (string, error) { return "", errNoCgo }

func (d device) available() error { return errNoCgo }

func newSession([]byte, []string, []string, device) (*session, error) { return nil, errNoCgo }

func (s *session) run(context.Context, []tensor, []tensor) error { return errNoCgo }

func (s *session) close() error { return nil }
