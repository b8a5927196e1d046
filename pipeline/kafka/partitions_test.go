package kafka

import "testing"

// Hashes of the Java client: that of "21" is -973932308 in its own tests; the others were computed by a transcription of it
// into Python.
func TestPartitionOf(t *testing.T) {
	for _, c := range []struct {
		key      string
		of, want int
	}{{"21", 1000, 340}, {"clip-8812/000123", 4, 3}, {"clip-8812/000123", 12, 7}, {"a", 12, 4}, {"média-é", 12, 5}, {"a", 1, 0}} {
		if got := PartitionOf(c.key, c.of); got != c.want {
			t.Errorf("%q is in partition %d of %d, want %d", c.key, got, c.of, c.want)
		}
	}
}
