//go:build unix

package pipeline

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// mediaRoot makes a root with one picture, an outside with a secret, and ways that lead from one to the other.
func mediaRoot(t *testing.T) (root, outside string) {
	t.Helper()
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	root, outside = filepath.Join(top, "media"), filepath.Join(top, "media-outside")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(filepath.Join(root, "a b"), 0o755))
	must(os.Mkdir(outside, 0o755))
	must(os.WriteFile(filepath.Join(root, "a b", "x.jpg"), []byte("picture"), 0o644))
	must(os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o644))
	must(os.Symlink(outside, filepath.Join(root, "dir")))
	must(os.Symlink(filepath.Join(outside, "secret"), filepath.Join(root, "absolute")))
	must(os.Symlink("../media-outside/secret", filepath.Join(root, "relative")))
	must(os.Symlink("a b/x.jpg", filepath.Join(root, "inside")))
	must(syscall.Mkfifo(filepath.Join(root, "pipe"), 0o644))
	return root, outside
}

func TestFilesStayBelowTheirRoot(t *testing.T) {
	root, outside := mediaRoot(t)
	f, err := NewFiles(root, 100)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, c := range []struct {
		uri  string
		want error // nil: the picture
	}{
		{"file:a%20b/x.jpg", nil},
		{"file:inside", nil},
		{"file:a%20b/../a%20b/x.jpg", nil},
		{"file://" + root + "/a%20b/x.jpg", nil},
		{"file://localhost" + root + "/a%20b/x.jpg", nil},
		{"file:nobody.jpg", ErrMediaGone},
		{"file:", ErrNotAllowed},
		{"file:.", ErrNotAllowed},
		{"file:a%20b", ErrNotAllowed},
		{"file:../media-outside/secret", ErrNotAllowed},
		{"file:%2e%2e/media-outside/secret", ErrNotAllowed},
		{"file:%2e%2e%2fmedia-outside%2fsecret", ErrNotAllowed},
		{"file:a%20b/../../media-outside/secret", ErrNotAllowed},
		{"file://" + outside + "/secret", ErrNotAllowed},
		{"file://" + root + "/../media-outside/secret", ErrNotAllowed},
		{"file:///etc/passwd", ErrNotAllowed},
		{"file:/etc/passwd", ErrNotAllowed},
		{"file://elsewhere" + root + "/inside", ErrNotAllowed},
		{"file:dir/secret", ErrNotAllowed},
		{"file:absolute", ErrNotAllowed},
		{"file:relative", ErrNotAllowed},
		{"file:pipe", ErrNotAllowed},
		{"file:%zz", ErrNotAllowed},
		{"inside", ErrNotAllowed},
		{"https://example.org/x.jpg", ErrNotAllowed},
	} {
		data, err := readSoon(t, f, c.uri)
		if !errors.Is(err, c.want) || c.want == nil && string(data) != "picture" || c.want != nil && data != nil {
			t.Errorf("%s: %q, %v; want %v", c.uri, data, err, c.want)
		}
	}
}

// readSoon fails the test where a read would block for ever.
func readSoon(t *testing.T, f *Files, uri string) (data []byte, err error) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		data, err = f.Read(t.Context(), uri)
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatalf("%s: blocks", uri)
	}
	return data, err
}

func TestFilesThatCantBeRead(t *testing.T) {
	root, _ := mediaRoot(t)
	f, err := NewFiles(root, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if data, err := f.Read(t.Context(), "file:inside"); err != nil || len(data) != 4 {
		t.Errorf("a file over the cap gives %d bytes, %v; want one more than the cap", len(data), err)
	}
	// A fault of the machine is neither the reference's nor the media's.
	_, err = f.Read(t.Context(), "file:"+strings.Repeat("x", 300))
	if err == nil || errors.Is(err, ErrNotAllowed) || errors.Is(err, ErrMediaGone) {
		t.Errorf("a name that the system refuses: %v", err)
	}
	if _, err := NewFiles(filepath.Join(root, "nobody"), 3); err == nil || !strings.Contains(err.Error(), "join.root") {
		t.Errorf("a root that is not there: %v", err)
	}
}
