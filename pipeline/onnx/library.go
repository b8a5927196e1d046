package onnx

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// LibraryEnv is the variable of the environment that names the ONNX Runtime library.
const LibraryEnv = "SHAKETABLE_ONNXRUNTIME"

// libraryPath is where `make onnxruntime` puts the library, below the root of the module or of the installation.
const libraryPath = ".cache/onnxruntime/libonnxruntime.so.1"

// ErrNoLibrary is wrapped by the error of [FindLibrary].
var ErrNoLibrary = errors.New("ONNX Runtime library not found")

// FindLibrary returns the absolute path of the ONNX Runtime library: what SHAKETABLE_ONNXRUNTIME names; else
// .cache/onnxruntime/libonnxruntime.so.1 under the working directory or one of its parents, up to the root of a module;
// else under the directory of the executable or its parent. Getenv is os.Getenv outside tests.
func FindLibrary(getenv func(string) string) (string, error) {
	if named := getenv(LibraryEnv); named != "" {
		path, err := filepath.Abs(named)
		if err == nil && isFile(path) {
			return path, nil
		}
		return "", fmt.Errorf("onnx: %w: %s names %s, which is no file: correct or unset it", ErrNoLibrary, LibraryEnv, named)
	}
	var tried []string
	for _, dir := range append(fromWorkingDir(), fromExecutable()...) {
		path := filepath.Join(dir, libraryPath)
		if isFile(path) {
			return path, nil
		}
		if !slices.Contains(tried, path) {
			tried = append(tried, path)
		}
	}
	return "", fmt.Errorf("onnx: %w: run `make onnxruntime`, or name it in %s; tried %s", ErrNoLibrary, LibraryEnv, strings.Join(tried, ", "))
}

// fromWorkingDir lists the working directory and its parents up to the first one with a go.mod.
func fromWorkingDir() []string {
	dir, err := os.Getwd()
	if err != nil {
		return nil
	}
	dirs := []string{dir}
	for at := dir; !isFile(filepath.Join(at, "go.mod")); {
		at = filepath.Dir(at)
		if at == filepath.Dir(at) {
			return dirs[:1] // outside of a module the parents are none of our business
		}
		dirs = append(dirs, at)
	}
	return dirs
}

func fromExecutable() []string {
	exe, err := os.Executable()
	if err != nil {
		return nil
	}
	if real, err := filepath.EvalSymlinks(exe); err == nil {
		exe = real
	}
	return []string{filepath.Dir(exe), filepath.Dir(filepath.Dir(exe))}
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
