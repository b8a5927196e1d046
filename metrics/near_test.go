package metrics_test

import (
	"math"
	"strings"
	"testing"
)

// near fails unless got is want to half a unit of the last digit given.
func near(t *testing.T, what string, got, want float64, digits int) {
	t.Helper()
	if !(math.Abs(got-want) <= .500001*math.Pow10(-digits)) {
		t.Errorf("%s = %.*f, want %.*f", what, digits+2, got, digits, want)
	}
}

// must returns the value of a call that has to succeed.
func must[T any](t interface{ Fatal(...any) }, v T, err error) T {
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// fails checks that an error names the parts of a message.
func fails(t *testing.T, what string, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", what)
		return
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("%s: error %q does not say %q", what, err, p)
		}
	}
}
