package main

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// mediaFile is one picture of the folder.
type mediaFile struct {
	name   string   // relative to the folder, with slashes: also the media id
	fake   *bool    // nil without a label
	values []string // of the further columns of the labels file
}

// label returns "fake", "real" or "".
func (f mediaFile) label() string {
	switch {
	case f.fake == nil:
		return ""
	case *f.fake:
		return "fake"
	}
	return "real"
}

// listMedia returns the pictures below a folder, sorted by name. Hidden files and folders are none: some systems leave files
// there that are only named like pictures.
func listMedia(dir string) ([]mediaFile, error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("%s is no folder: give the one that holds the pictures", dir)
	}
	var list []mediaFile
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := entry.Name(); path != "." && strings.HasPrefix(name, ".") {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		known := []string{".png", ".jpg", ".jpeg", ".webp", ".gif"}
		if !entry.IsDir() && slices.Contains(known, strings.ToLower(filepath.Ext(path))) {
			list = append(list, mediaFile{name: path})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s holds no file that ends in .png, .jpg, .jpeg, .webp or .gif", dir)
	}
	slices.SortFunc(list, func(a, b mediaFile) int { return strings.Compare(a.name, b.name) })
	return list, nil
}

// readLabels sets the labels of pictures from a CSV file with the columns `file` and `label`, and the values of all other
// columns, whose names it returns. Faults are returned at once, each with its line, the first few in full.
func readLabels(path string, pictures []mediaFile) (attributes []string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text := bufio.NewReader(file)
	if mark, err := text.Peek(3); err == nil && string(mark) == "\ufeff" { // spreadsheets put it there
		text.Discard(3)
	}
	rows := csv.NewReader(text)
	header, err := rows.Read()
	if err != nil {
		return nil, fmt.Errorf("%s: no header with the columns file and label: %w", path, err)
	}
	c, err := findColumns(header)
	if err != nil {
		return nil, fmt.Errorf("%s:1: %w", path, err)
	}
	byName := map[string]*mediaFile{}
	for i := range pictures {
		byName[pictures[i].name] = &pictures[i]
	}
	var faults []error
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return c.names, fewFaults(path, faults)
		}
		if err != nil {
			return nil, errors.Join(fewFaults(path, faults), fmt.Errorf("%s: %w", path, err))
		}
		line, _ := rows.FieldPos(0)
		if err := c.set(byName[row[c.file]], row); err != nil {
			faults = append(faults, fmt.Errorf("%s:%d: %w", path, line, err))
		}
	}
}

// mostLabelFaults is how many lines of a labels file are complained about in full.
const mostLabelFaults = 5

func fewFaults(path string, faults []error) error {
	if more := len(faults) - mostLabelFaults; more > 0 {
		faults = append(faults[:mostLabelFaults:mostLabelFaults], fmt.Errorf("%s: and %d more lines like these", path, more))
	}
	return errors.Join(faults...)
}

// columns is where a labels file has what.
type columns struct {
	file, label int
	others      []int
	names       []string // of others
}

func findColumns(header []string) (c columns, err error) {
	c.file, c.label = slices.Index(header, "file"), slices.Index(header, "label")
	if c.file < 0 || c.label < 0 {
		return c, fmt.Errorf("the header is %q: it must have the columns file and label", strings.Join(header, ","))
	}
	for i, name := range header {
		switch {
		case i == c.file || i == c.label:
		case name == "file" || name == "label":
			return c, fmt.Errorf("the header is %q: it names the column %s twice", strings.Join(header, ","), name)
		default:
			c.others, c.names = append(c.others, i), append(c.names, name)
		}
	}
	return c, nil
}

func (c columns) set(f *mediaFile, row []string) error {
	name, label := row[c.file], row[c.label]
	switch {
	case f == nil:
		return fmt.Errorf("there is no picture %q in the media folder: names are relative to it", name)
	case label != "fake" && label != "real":
		return fmt.Errorf("label %q of %s is neither fake nor real", label, name)
	case f.fake != nil && f.label() != label:
		return fmt.Errorf("%s is labelled %s here and %s above", name, label, f.label())
	}
	fake := label == "fake"
	f.fake, f.values = &fake, nil
	for _, i := range c.others {
		f.values = append(f.values, row[i])
	}
	return nil
}
