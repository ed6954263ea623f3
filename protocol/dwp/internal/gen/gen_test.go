package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestCurrent compares the generated files with what would be generated.
func TestCurrent(t *testing.T) {
	root, err := findRoot()
	if err != nil {
		t.Fatal(err)
	}
	files, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		if have, err := os.ReadFile(filepath.Join(root, name)); err != nil || !bytes.Equal(have, want) {
			t.Errorf("%s is not current (%v); run make calls", name, err)
		}
	}
}

// TestPlaces counts the files in which a method of Backend is written by hand:
// the interface, the Service, the protocol and, for what is special, one or two
// more. With its part of calendartest and the front that needs it a use case has
// no more than six places; docs/architecture.md lists them.
func TestPlaces(t *testing.T) {
	root, err := findRoot()
	if err != nil {
		t.Fatal(err)
	}
	methods, err := readBackend(root)
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		name := filepath.ToSlash(strings.TrimPrefix(path, root))
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, ".proto") {
			return err
		}
		text, err := os.ReadFile(path)
		if !strings.HasSuffix(name, "_test.go") && !bytes.Contains(text, []byte("\n// Code generated ")) && !bytes.HasPrefix(text, []byte("// Code generated ")) {
			texts[name] = string(text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range methods {
		declared := regexp.MustCompile(`(?m)^(func \(\w+ \*?(Service|Router|Client|service)\) |  rpc )` + m.name + `\(`)
		places := []string{"/server/calendar/backend.go"}
		for name, text := range texts {
			if !strings.HasPrefix(name, "/cmd/") && declared.MatchString(text) {
				places = append(places, name)
			}
		}
		slices.Sort(places)
		if len(places) < 3 || len(places) > 4 {
			t.Errorf("%s is in %d places: %v", m.name, len(places), places)
		}
	}
}
