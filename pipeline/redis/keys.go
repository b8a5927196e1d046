package redis

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"shaketable/pipeline"
)

// keys builds every name of the layout in the package documentation.
type keys struct{ prefix string }

// partition is the common beginning of everything in partition p's slot.
func (k keys) partition(p int) string { return k.prefix + ":{" + strconv.Itoa(p) + "}:" }

func (k keys) fence(p int, s pipeline.Stream) string { return k.partition(p) + "fence:" + string(s) }

func (k keys) outcomes(p int) string { return k.partition(p) + "outcomes" }

func (k keys) cell(p int, c pipeline.Cell) string {
	name := k.partition(p) + string(c.Kind) + ":" + c.Generation
	if c.Slice != "" {
		name += "/" + sliceKey(c.Slice)
	}
	if c.Kind == pipeline.Total {
		return name
	}
	name += ":" + strconv.FormatInt(c.Start, 10)
	if c.Kind == pipeline.Coarse {
		name += ":" + strconv.Itoa(c.Variant)
	}
	return name
}

// sliceKey stands for a slice, whose value may hold anything, in 64 bits: two of the few hundred slices there can be fall
// together with a probability below 1e-13.
func sliceKey(slice string) string {
	sum := sha256.Sum256([]byte(slice))
	return hex.EncodeToString(sum[:8])
}

func (k keys) probes(p int, media string) string { return k.partition(p) + "o:" + media }

func (k keys) label(p int, media string) string { return k.partition(p) + "l:" + media }

func (k keys) examples(p int, generation string) string { return k.partition(p) + "x:" + generation }

// claim hashes what must be unique, which may be long or hold anything.
func (k keys) claim(what string) string {
	sum := sha256.Sum256([]byte(what))
	return k.prefix + ":{g/" + hex.EncodeToString(sum[:16]) + "}"
}

// detector returns a key of the clock path of one detector.
func (k keys) detector(name, part string) string { return k.prefix + ":{d/" + name + "}:" + part }

func (k keys) registry(part string) string { return k.prefix + ":{r}:" + part }
