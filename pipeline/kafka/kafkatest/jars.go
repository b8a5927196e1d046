package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// ErrAbsent says that there is no Kafka, or no Java to run it with, on this machine.
var ErrAbsent = errors.New("no real Kafka here: run deploy/install/kafka.sh (needs Java 17 and Maven), or set SHAKETABLE_KAFKA to a folder with the broker's jars")

// Jars returns the folder with the broker's jars: SHAKETABLE_KAFKA, else .cache/kafka/libs under the module root.
func Jars() (string, error) {
	if _, err := exec.LookPath("java"); err != nil {
		return "", fmt.Errorf("%w (java is not installed)", ErrAbsent)
	}
	dir := os.Getenv("SHAKETABLE_KAFKA")
	if dir == "" {
		root, err := moduleRoot()
		if err != nil {
			return "", fmt.Errorf("%w (%w)", ErrAbsent, err)
		}
		dir = filepath.Join(root, ".cache", "kafka", "libs")
	}
	if found, _ := filepath.Glob(filepath.Join(dir, "kafka_2.13-*.jar")); len(found) == 0 {
		return "", fmt.Errorf("%w (looked in %s)", ErrAbsent, dir)
	}
	return dir, nil
}

// moduleRoot walks up from the working folder to go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod above the working folder")
		}
		dir = parent
	}
}

// ForTest starts a broker for the length of a test. Without Kafka on this machine it skips the test, but fails it where env
// CI is "true".
func ForTest(t testing.TB, opts Options) *Broker {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b, err := Start(ctx, t.TempDir(), opts)
	switch {
	case errors.Is(err, ErrAbsent) && os.Getenv("CI") != "true":
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
	t.Cleanup(b.Kill)
	return b
}
