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
	name string // relative to the folder, with slashes: also the media id
	fake *bool  // nil without a label
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

// listMedia returns the pictures below a folder, sorted by name.
func listMedia(dir string) ([]mediaFile, error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("%s is no folder: give the one that holds the pictures", dir)
	}
	var list []mediaFile
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
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

// readLabels sets the labels of pictures from a CSV file with the columns `file` and `label`; more columns are left alone.
// All faults are returned at once, each with its line.
func readLabels(path string, pictures []mediaFile) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	text := bufio.NewReader(file)
	if mark, err := text.Peek(3); err == nil && string(mark) == "\ufeff" { // spreadsheets put it there
		text.Discard(3)
	}
	rows := csv.NewReader(text)
	header, err := rows.Read()
	if err != nil {
		return fmt.Errorf("%s: no header with the columns file and label: %w", path, err)
	}
	name, label := slices.Index(header, "file"), slices.Index(header, "label")
	if name < 0 || label < 0 {
		return fmt.Errorf("%s:1: the header is %q: it must have the columns file and label", path, strings.Join(header, ","))
	}
	byName := map[string]*mediaFile{}
	for i := range pictures {
		byName[pictures[i].name] = &pictures[i]
	}
	var faults []error
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return errors.Join(faults...)
		}
		if err != nil {
			return errors.Join(append(faults, fmt.Errorf("%s: %w", path, err))...)
		}
		line, _ := rows.FieldPos(0)
		if err := setLabel(byName[row[name]], row[name], row[label]); err != nil {
			faults = append(faults, fmt.Errorf("%s:%d: %w", path, line, err))
		}
	}
}

func setLabel(f *mediaFile, name, label string) error {
	switch {
	case f == nil:
		return fmt.Errorf("there is no picture %q in the media folder: names are relative to it", name)
	case label != "fake" && label != "real":
		return fmt.Errorf("label %q of %s is neither fake nor real", label, name)
	case f.fake != nil && f.label() != label:
		return fmt.Errorf("%s is labelled %s here and %s above", name, label, f.label())
	}
	fake := label == "fake"
	f.fake = &fake
	return nil
}
