package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"shaketable/cmd/shaketable/suspect"
	"shaketable/config"
	"shaketable/pipeline"
)

// edit replaces a part of one line of a text, or, if from and to are equal, puts something there.
type edit struct {
	line, from, to int // from 1; from and to in runes, from 0
	text           string
}

// printEdits prints the lines before and after, or where the file cannot be edited by a program, the keys to set.
func (v verification) printEdits(w io.Writer, lead suspect.Fit, base suspect.Hypothesis) {
	changes := lead.Changes(base)
	before, err := os.ReadFile(v.options.detectors)
	if err == nil {
		var edits []edit
		if edits, err = editsOf(before, v.detector, changes); err == nil {
			printDifference(w, string(before), edits)
		}
	}
	for _, c := range changes {
		switch {
		case c.Path == "prepare.exif":
			fmt.Fprintf(w, "  in the configuration of the worker: prepare: {exif: %s}\n", c.To)
		case err != nil:
			fmt.Fprintf(w, "  %s: %s   # now %s\n", c.Path, c.To, c.From)
		}
	}
	if lead.Form != suspect.Probability {
		fmt.Fprintf(w, "  in the configuration of the worker, where it reads these scores: decode: {score: %s}\n",
			map[suspect.Form]string{suspect.Percent: "{kind: probability, scale: 100}", suspect.Logit: "{kind: logit}"}[lead.Form])
	}
	if lead.Verdict == suspect.Same && !v.options.write && err == nil {
		fmt.Fprintf(w, "or let it be written: --write\n")
	}
}

// printDifference prints every line that changes, as it is and as it will be.
func printDifference(w io.Writer, before string, edits []edit) {
	lines := strings.Split(before, "\n")
	for _, n := range touched(edits) {
		var mine []edit
		for _, e := range edits {
			if e.line == n {
				mine = append(mine, e)
			}
		}
		after := strings.TrimRight(outdated.ReplaceAllString(applyTo(lines[n-1], mine), ""), " ")
		fmt.Fprintf(w, "  line %d:  %s\n", n, strings.TrimSpace(outdated.ReplaceAllString(lines[n-1], "")))
		for i, text := range strings.Split(after, "\n") {
			word := "     "
			if i == 0 {
				word = "  to "
			}
			fmt.Fprintf(w, "  %s  %*s%s\n", word, len(fmt.Sprint(n)), "", strings.TrimSpace(text))
		}
	}
}

func touched(edits []edit) (lines []int) {
	for _, e := range edits {
		lines = append(lines, e.line)
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// applyTo edits one line, from its end so that places stay where they are.
func applyTo(line string, edits []edit) string {
	edits = slices.Clone(edits)
	slices.Reverse(edits) // of two in one place the first is applied last, and stands first
	slices.SortStableFunc(edits, func(a, b edit) int { return cmp.Compare(b.from, a.from) })
	runes := []rune(line)
	for _, e := range edits {
		runes = slices.Concat(runes[:e.from], []rune(e.text), runes[e.to:])
	}
	return string(runes)
}

// writeVerified writes the corrected file, after making sure that it says what was meant.
func (v verification) writeVerified(w io.Writer, lead suspect.Fit) error {
	before, err := os.ReadFile(v.options.detectors)
	if err != nil {
		return err
	}
	changes := lead.Changes(suspect.Hypothesis{Input: v.detector.Input, Output: v.detector.Output, Exif: v.options.exif})
	if slices.ContainsFunc(changes, func(c suspect.Change) bool { return c.Path == "prepare.exif" }) {
		fmt.Fprintf(w, "\nnot written: the file alone cannot say all of it\n")
		return nil
	}
	edits, err := editsOf(before, v.detector, changes)
	if err != nil {
		return fmt.Errorf("--write: %s cannot be edited by a program (%w): change the lines above by hand", v.options.detectors, err)
	}
	lines := strings.Split(string(before), "\n")
	for _, n := range touched(edits) {
		mine := slices.DeleteFunc(slices.Clone(edits), func(e edit) bool { return e.line != n })
		lines[n-1] = outdated.ReplaceAllString(applyTo(lines[n-1], mine), "# found by shaketable verify")
	}
	path := v.options.verified()
	if err := writeAtomically(path, []byte(strings.Join(lines, "\n"))); err != nil {
		return fmt.Errorf("--write: %w", err)
	}
	if err := v.checkWritten(path, lead); err != nil {
		return errors.Join(fmt.Errorf("--write: %w: change the lines above by hand", err), os.Remove(path))
	}
	fmt.Fprintf(w, "\nwritten: %s; look at it, then: mv %s %s\n", path, path, v.options.detectors)
	return nil
}

// outdated are the remarks of inspect beside what has been settled now.
var outdated = regexp.MustCompile(`# (VERIFY|GUESSED): .*`)

// checkWritten loads the corrected file and compares.
func (v verification) checkWritten(path string, lead suspect.Fit) error {
	list, err := config.LoadDetectors(path)
	if err != nil {
		return fmt.Errorf("the corrected file has faults: %w", err)
	}
	for _, d := range list {
		if d.Name != v.detector.Name || d.Version != v.detector.Version {
			continue
		}
		out := lead.Output
		if d.Output.Name == "" {
			out.Name = "" // the only one needs no name
		}
		if d.Input != lead.Input || d.Output != out {
			return fmt.Errorf("the corrected file says %+v %+v, not %+v %+v", d.Input, d.Output, lead.Input, out)
		}
		return nil
	}
	return errors.New("the corrected file lost the detector")
}

// editsOf finds the places of the changes in a file of detectors.
func editsOf(text []byte, d pipeline.Detector, changes []suspect.Change) (edits []edit, err error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	if bytes.ContainsAny(text, "&") && hasAlias(&doc) {
		return nil, errors.New("it uses anchors")
	}
	entry := findEntry(&doc, d)
	if entry == nil {
		return nil, errors.New("the detector was not found in it")
	}
	lines := strings.Split(string(text), "\n")
	var missing []missingKey
	for _, c := range changes {
		if c.Path == "prepare.exif" {
			continue
		}
		more, gap, err := place(lines, entry, c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Path, err)
		}
		edits, missing = append(edits, more...), append(missing, gap...)
	}
	for i, m := range missing {
		if i > 0 && m.below(missing[i-1]) {
			continue // it came with that one
		}
		e, err := insert(lines, m.mapping, m.text(missing[i:]))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", strings.Join(m.keys, "."), err)
		}
		edits = append(edits, e)
	}
	return edits, nil
}

// missingKey is a key that has to be put into a mapping: keys are the way to it from there, one or two.
type missingKey struct {
	mapping *yaml.Node
	keys    []string
	value   string
}

// below says whether two missing keys belong into one missing mapping.
func (m missingKey) below(other missingKey) bool {
	return m.mapping == other.mapping && len(m.keys) == 2 && len(other.keys) == 2 && m.keys[0] == other.keys[0]
}

// text writes the key, with those that follow it into the same mapping.
func (m missingKey) text(following []missingKey) string {
	if len(m.keys) == 1 {
		return m.keys[0] + ": " + m.value
	}
	var parts []string
	for _, f := range following {
		if !f.below(m) {
			break
		}
		parts = append(parts, f.keys[1]+": "+f.value)
	}
	return m.keys[0] + ": {" + strings.Join(parts, ", ") + "}"
}

func hasAlias(n *yaml.Node) bool {
	return n.Kind == yaml.AliasNode || slices.ContainsFunc(n.Content, hasAlias)
}

// findEntry finds the mapping of a detector.
func findEntry(doc *yaml.Node, d pipeline.Detector) *yaml.Node {
	if len(doc.Content) == 0 {
		return nil
	}
	list := valueOf(doc.Content[0], "detectors")
	if list == nil {
		return nil
	}
	for _, entry := range list.Content {
		name, version := valueOf(entry, "name"), valueOf(entry, "version")
		if name != nil && name.Value == d.Name && (version == nil && d.Version == config.DefaultDetector().Version || version != nil && version.Value == d.Version) {
			return entry
		}
	}
	return nil
}

func valueOf(mapping *yaml.Node, key string) *yaml.Node {
	for i := 0; mapping != nil && mapping.Kind == yaml.MappingNode && i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}

// place finds where a change goes: over the value that is there, or into a mapping that lacks it.
func place(lines []string, entry *yaml.Node, c suspect.Change) ([]edit, []missingKey, error) {
	keys := strings.Split(c.Path, ".")
	if len(keys) == 3 { // input.resize.method: no more than the last mapping is ever missing
		if entry = valueOf(entry, keys[0]); entry == nil {
			return nil, nil, errors.New("there is nothing to put it beside")
		}
		keys = keys[1:]
	}
	at := entry
	for i, key := range keys {
		next := valueOf(at, key)
		if next == nil {
			return nil, []missingKey{{at, keys[i:], c.To}}, nil
		}
		at = next
	}
	edits, err := replace(lines, at, c.To)
	return edits, nil, err
}

// replace puts a value where another is: a text, or the elements of a list one by one.
func replace(lines []string, old *yaml.Node, value string) ([]edit, error) {
	if old.Kind == yaml.SequenceNode {
		words := strings.Split(strings.Trim(value, "[]"), ", ")
		if len(words) != len(old.Content) {
			return nil, errors.New("the list has another length")
		}
		var edits []edit
		for i, n := range old.Content {
			more, err := replace(lines, n, words[i])
			if err != nil {
				return nil, err
			}
			edits = append(edits, more...)
		}
		return edits, nil
	}
	from, to, err := span(lines, old)
	return []edit{{line: old.Line, from: from, to: to, text: value}}, err
}

// span is where a text stands in its line, with its quotes.
func span(lines []string, n *yaml.Node) (from, to int, err error) {
	if n.Kind != yaml.ScalarNode || n.Line < 1 || n.Line > len(lines) {
		return 0, 0, errors.New("the value is no simple text")
	}
	line := []rune(lines[n.Line-1])
	from = n.Column - 1
	for _, form := range []string{n.Value, `"` + n.Value + `"`, "'" + n.Value + "'"} {
		if to = from + len([]rune(form)); from >= 0 && to <= len(line) && string(line[from:to]) == form {
			return from, to, nil
		}
	}
	return 0, 0, fmt.Errorf("line %d is written in a way that is not understood", n.Line)
}

// insert puts a key with its value into a mapping, behind the first simple value that it has.
func insert(lines []string, mapping *yaml.Node, text string) (edit, error) {
	for i := 0; mapping.Kind == yaml.MappingNode && i+1 < len(mapping.Content); i += 2 {
		key, n := mapping.Content[i], mapping.Content[i+1]
		_, end, err := span(lines, n)
		if err != nil || n.Line != key.Line {
			continue
		}
		if mapping.Style&yaml.FlowStyle != 0 {
			return edit{line: n.Line, from: end, to: end, text: ", " + text}, nil
		}
		end = len([]rune(lines[n.Line-1]))
		return edit{line: n.Line, from: end, to: end, text: "\n" + strings.Repeat(" ", key.Column-1) + text}, nil
	}
	return edit{}, errors.New("there is nothing to put it beside")
}
