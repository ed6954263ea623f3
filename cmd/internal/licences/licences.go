// Command licences prints the licences of the modules that programs are linked
// with: the texts that have to go with a binary. It fails where a module has
// none, or one that is not among those that we take.
//
//	go run ./cmd/internal/licences ./cmd/calserver
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: licences PACKAGE ...")
		os.Exit(2)
	}
	list, err := ofPackages(".", os.Args[1:]...)
	if err == nil {
		err = printTexts(os.Stdout, list)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "licences:", err)
		os.Exit(1)
	}
}

// known are the licences that we take, by words that no other one has; all of
// them must be in a text. None asks that who gives our binary away gives its
// sources too, apart from the files of a module that is changed (MPL). The
// first that fits is it.
var known = []struct {
	name  string
	words []string
}{
	{"Apache-2.0", []string{"Apache License", "Version 2.0"}},
	{"MPL-2.0", []string{"Mozilla Public License", "2.0"}},
	{"ISC", []string{"Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted"}},
	{"ISC", []string{"Permission to use, copy, modify, and distribute this software for any purpose with or without fee is hereby granted"}},
	{"MIT", []string{"Permission is hereby granted, free of charge, to any person obtaining a copy", "THE SOFTWARE IS PROVIDED"}},
	{"MIT-0", []string{"Permission is hereby granted, free of charge, to any person obtaining a copy"}},
	{"BSD-3-Clause", []string{"Redistribution and use in source and binary forms", "Neither the name"}},
	{"BSD-3-Clause", []string{"Redistribution and use in source and binary forms", "may not be used to endorse"}},
	{"BSD-2-Clause", []string{"Redistribution and use in source and binary forms", "Redistributions in binary form must reproduce"}},
	{"blessing", []string{"The author disclaims copyright to this source code"}}, // SQLite's
}

// refused are words of licences that we do not take, which may stand in a text
// beside one of those above.
var refused = []string{"GNU General Public License", "GNU Affero", "GNU Lesser General Public License", "Server Side Public License",
	"Business Source License", "Commons Clause", "Elastic License"}

// classify names the licence of a text.
func classify(text string) (string, error) {
	text = strings.Join(strings.Fields(strings.NewReplacer("//", " ", "*", " ").Replace(text)), " ")
	for _, k := range known {
		if !slices.ContainsFunc(k.words, func(w string) bool { return !strings.Contains(text, w) }) {
			// MPL names the GNU licences as those that files of it may be under besides.
			if k.name == "MPL-2.0" {
				return k.name, nil
			}
			for _, r := range refused {
				if strings.Contains(text, r) {
					return "", fmt.Errorf("%s stands beside %s", r, k.name)
				}
			}
			return k.name, nil
		}
	}
	return "", errors.New("the licence is none of those that we take")
}

// module is one that a program is linked with, and its licences.
type module struct {
	path, version string
	texts         []licence
}

type licence struct{ file, name, text string }

// goPackage is what go list tells.
type goPackage struct {
	ImportPath, Dir string
	Standard        bool
	Module          *struct {
		Path, Version, Dir string
		Main               bool
	}
}

// ofPackages finds the modules that packages need, with their licences: the
// module's, and those of folders in it that are needed and have their own.
func ofPackages(dir string, args ...string) ([]module, error) {
	cmd := exec.Command("go", append([]string{"list", "-deps", "-json=ImportPath,Dir,Standard,Module"}, args...)...)
	cmd.Dir = dir
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, errs.Bytes())
	}
	dirs := map[string]map[string]bool{} // of a module
	versions := map[string]string{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			return nil, fmt.Errorf("read go list: %w", err)
		}
		if p.Standard || p.Module == nil || p.Module.Main {
			continue
		}
		m := p.Module
		if dirs[m.Path] == nil {
			dirs[m.Path] = map[string]bool{m.Dir: true}
			versions[m.Path] = m.Version
		}
		for d := p.Dir; len(d) > len(m.Dir); d = filepath.Dir(d) {
			dirs[m.Path][d] = true
		}
	}
	goRoot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	dirs["Go"] = map[string]bool{strings.TrimSpace(string(goRoot)): true}
	var list []module
	var wrong []error
	for _, path := range slices.Sorted(maps.Keys(dirs)) {
		m := module{path: path, version: versions[path]}
		for _, d := range slices.Sorted(maps.Keys(dirs[path])) {
			found, err := inFolder(d)
			if err != nil {
				wrong = append(wrong, fmt.Errorf("%s: %w", path, err))
			}
			m.texts = append(m.texts, found...)
		}
		if !slices.ContainsFunc(m.texts, func(l licence) bool { return l.name != "" }) {
			wrong = append(wrong, fmt.Errorf("%s: there is no licence in it", path))
		}
		list = append(list, m)
	}
	return list, errors.Join(wrong...)
}

// isLicence: names of files that have one. A NOTICE goes with it: section 4 (d) of Apache-2.0.
var (
	isLicence = regexp.MustCompile(`(?i)^(licen[cs]e|copying|unlicense)([-._].*)?$`)
	isNotice  = regexp.MustCompile(`(?i)^notice([.].*)?$`)
)

func inFolder(dir string) (out []licence, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var wrong []error
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() || strings.HasSuffix(name, ".go") || !isLicence.MatchString(name) && !isNotice.MatchString(name) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return out, err
		}
		l := licence{file: name, text: string(data)}
		if isLicence.MatchString(name) {
			if l.name, err = classify(l.text); err != nil {
				wrong = append(wrong, fmt.Errorf("%s: %w", filepath.Join(dir, name), err))
			}
		}
		out = append(out, l)
	}
	return out, errors.Join(wrong...)
}

// printTexts writes each text once, behind the modules that have it.
func printTexts(w io.Writer, list []module) error {
	var order []string
	whose := map[string][]string{}
	for _, m := range list {
		for _, l := range m.texts {
			text := strings.TrimSpace(strings.ReplaceAll(l.text, "\r\n", "\n"))
			if whose[text] == nil {
				order = append(order, text)
			}
			who := strings.TrimSpace(m.path + " " + m.version)
			if !slices.Contains(whose[text], who) {
				whose[text] = append(whose[text], who)
			}
		}
	}
	for _, text := range order {
		if _, err := fmt.Fprintf(w, "%s\n%s\n\n%s\n\n", strings.Repeat("-", 72), strings.Join(whose[text], "\n"), text); err != nil {
			return err
		}
	}
	return nil
}
