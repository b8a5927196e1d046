package pipeline

import (
	"maps"
	"slices"
)

// maxSliceSets bounds the combinations of slices that are kept; one beyond it is put together for each detection.
const maxSliceSets = 4096

// sliceTable is what is known. It is never changed once others can see it.
type sliceTable struct {
	attributes []attributeSlices
	sets       map[uint64][]string // by the numbers of the slices, 16 bits each
}

// attributeSlices are the slices of one attribute.
type attributeSlices struct {
	numbers map[string]int // of a value; a stranger to a full attribute has number 0, that of the others
	names   []string       // by number
	full    bool           // no place is left, and all values that have one are known
}

func newSliceTable(attributes []string) *sliceTable {
	t := &sliceTable{sets: map[uint64][]string{}, attributes: make([]attributeSlices, len(attributes))}
	for i, a := range attributes {
		t.attributes[i] = attributeSlices{numbers: map[string]int{}, names: []string{SliceName(a, OtherSlice)}}
	}
	return t
}

func (t *sliceTable) clone() *sliceTable {
	c := &sliceTable{sets: maps.Clone(t.sets), attributes: slices.Clone(t.attributes)}
	for i := range c.attributes {
		a := &c.attributes[i]
		a.numbers, a.names = maps.Clone(a.numbers), slices.Clone(a.names)
	}
	return c
}

// find returns the slices of a detection, nil if they have to be asked for.
func (t *sliceTable) find(attributes []string, d *Detection) []string {
	id, ok := t.id(attributes, d)
	if !ok {
		return nil
	}
	if len(attributes) == 1 { // by far the most frequent
		return t.attributes[0].names[id : id+1 : id+1]
	}
	set := t.sets[id]
	if set == nil && len(t.sets) >= maxSliceSets {
		return t.set(id)
	}
	return set
}

// id packs the numbers of the slices of a detection; false if one is not known.
func (t *sliceTable) id(attributes []string, d *Detection) (id uint64, ok bool) {
	for i, attribute := range attributes {
		n, known := t.attributes[i].number(sliceValue(d, attribute))
		if !known {
			return 0, false
		}
		id = id<<16 | uint64(n)
	}
	return id, true
}

func (t *sliceTable) set(id uint64) []string {
	set := make([]string, len(t.attributes))
	for i := len(set) - 1; i >= 0; i-- {
		set[i] = t.attributes[i].names[id&0xffff]
		id >>= 16
	}
	return set
}

// number returns the number of a value's slice; false if it has to be asked for.
func (a *attributeSlices) number(value string) (n int, known bool) {
	n, known = a.numbers[value]
	return n, known || a.full
}

// add takes in a slice with a place. The name is the store's, so that nothing here keeps a record's memory alive.
func (a *attributeSlices) add(name string) {
	_, value := SplitSlice(name)
	if _, ok := a.numbers[value]; ok || value == OtherSlice {
		return
	}
	a.numbers[value] = len(a.names)
	a.names = append(a.names, name)
}
