package inspect

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	numbered = regexp.MustCompile(`["']?(\d+)["']?\s*:\s*["']([^"']+)["']`) // {0: 'real', "1": "fake"}
	labelled = regexp.MustCompile(`["']([^"']+)["']\s*:\s*(\d+)`)           // {"real": 0, "fake": 1}
	quoted   = regexp.MustCompile(`["']([^"']+)["']`)                       // ["real", "fake"]
)

// classNames reads the names of classes from the metadata, as exporters write them: a list, or a mapping either way.
func (m *Model) classNames() map[string][]string {
	all := map[string][]string{}
	for key, value := range m.Metadata {
		if !hasAny(wordsOf(key), "names", "classes", "labels", "label", "class", "id2label", "label2id") {
			continue
		}
		var names []string
		set := func(number, name string) {
			i, err := strconv.Atoi(number)
			if err != nil || i > mostClasses {
				return
			}
			for len(names) <= i {
				names = append(names, "")
			}
			names[i] = name
		}
		switch {
		case numbered.MatchString(value):
			for _, hit := range numbered.FindAllStringSubmatch(value, -1) {
				set(hit[1], hit[2])
			}
		case labelled.MatchString(value):
			for _, hit := range labelled.FindAllStringSubmatch(value, -1) {
				set(hit[2], hit[1])
			}
		case quoted.MatchString(value):
			for i, hit := range quoted.FindAllStringSubmatch(value, -1) {
				set(strconv.Itoa(i), hit[1])
			}
		default:
			for i, name := range strings.Split(value, ",") {
				set(strconv.Itoa(i), strings.TrimSpace(name))
			}
		}
		all[key] = names
	}
	return all
}

// named finds the one class that is called fake, or real if none is.
func named(all map[string][]string, classes int) (index int, meaning, key string) {
	for _, key := range slices.Sorted(maps.Keys(all)) {
		names := all[key]
		if len(names) != max(classes, 1) && !(classes == 1 && len(names) == 2) {
			continue
		}
		for meaning, words := range map[string][]string{"fake": fakeWords(), "real": realWords()} {
			var hits []int
			for i, name := range names {
				if hasAny(wordsOf(name), words...) {
					hits = append(hits, i)
				}
			}
			switch {
			case len(hits) != 1:
			case classes > 1 && meaning == "fake":
				return hits[0], "fake", key
			case classes == 1 && hits[0] == len(names)-1: // one value is the probability of the second class, or of the only one
				return 0, meaning, key
			}
		}
	}
	return 0, "", ""
}
