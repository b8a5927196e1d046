//go:build !cgo

package onnx

import "context"

func (s *session) collect(context.Context, tensor, int) ([]tensor, error) { return nil, errNoCgo }
