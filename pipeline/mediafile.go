package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Errors of a media look-up on which the line branches.
var (
	// ErrMediaGone: there was such media, or should have been, and it is not there.
	ErrMediaGone = errors.New("media is gone")
	// ErrNotAllowed: the reference points outside what the configuration allows.
	ErrNotAllowed = errors.New("media reference is not allowed")
)

// Files reads media by `file:` references below one root directory. It can't be led out of it by "..", by an absolute
// path or by a symbolic link (os.Root resolves every step).
type Files struct {
	base string
	root *os.Root
	max  int64
}

// NewFiles opens the root directory; max is the largest file in bytes that Read returns.
func NewFiles(dir string, max int64) (*Files, error) {
	base, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("join: media root %s: %w", dir, err)
	}
	root, err := os.OpenRoot(base)
	if err != nil {
		return nil, fmt.Errorf("join: media root: %w (set join.root to a directory that holds the media)", err)
	}
	return &Files{base: base, root: root, max: max}, nil
}

// Close releases the directory.
func (f *Files) Close() error { return f.root.Close() }

// Read returns the bytes behind "file:relative/path" or "file:///absolute/path/below/the/root".
func (f *Files) Read(_ context.Context, uri string) ([]byte, error) {
	name, err := f.name(uri)
	if err != nil {
		return nil, err
	}
	// Opening a named pipe would wait for its writer, for ever.
	file, err := f.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	var system syscall.Errno
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %s", ErrMediaGone, uri)
	case errors.As(err, &system): // no permission, too many open files: that is no fault of the reference
		return nil, fmt.Errorf("join: open %s: %w", uri, err)
	case err != nil:
		return nil, fmt.Errorf("%w: %s: %v", ErrNotAllowed, uri, err)
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %s is not a regular file", ErrNotAllowed, uri)
	}
	// One byte more than allowed tells a file that is too large from one that just fits; prepare names the cap.
	data, err := io.ReadAll(io.LimitReader(file, f.max+1))
	if err != nil {
		return nil, fmt.Errorf("join: read %s: %w", uri, err)
	}
	return data, nil
}

func (f *Files) name(uri string) (string, error) {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "file" {
		return "", fmt.Errorf("%w: %q is no file: reference", ErrNotAllowed, uri)
	}
	if u.Host != "" && u.Host != "localhost" {
		return "", fmt.Errorf("%w: %q names another host", ErrNotAllowed, uri)
	}
	path := u.Path
	if u.Opaque != "" {
		if path, err = url.PathUnescape(u.Opaque); err != nil {
			return "", fmt.Errorf("%w: %q: %v", ErrNotAllowed, uri, err)
		}
	}
	if filepath.IsAbs(path) {
		rel, err := filepath.Rel(f.base, path)
		if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
			return "", fmt.Errorf("%w: %q lies outside %s (join.root)", ErrNotAllowed, uri, f.base)
		}
		path = rel
	}
	if !filepath.IsLocal(path) {
		return "", fmt.Errorf("%w: %q leaves %s (join.root)", ErrNotAllowed, uri, f.base)
	}
	return path, nil
}
