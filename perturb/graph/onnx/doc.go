// Package onnx holds the messages of the public ONNX schema, generated from shaketable_onnx.proto.
//
// The generated file is committed: building needs no protoc. To make it again, install protoc 3.21 or later and
// google.golang.org/protobuf/cmd/protoc-gen-go at the version that go.mod names, and run go generate.
package onnx

//go:generate protoc --go_out=. --go_opt=paths=source_relative shaketable_onnx.proto
