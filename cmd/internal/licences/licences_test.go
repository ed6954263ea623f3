package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each module that the program or a test needs has a licence that we take.
func TestLicences(t *testing.T) {
	for _, what := range [][]string{{"./cmd/calserver"}, {"-test", "./..."}} {
		list, err := ofPackages(filepath.Join("..", "..", ".."), what...)
		if err != nil {
			t.Errorf("%v:\n%v", what, err)
		}
		if len(list) < 20 {
			t.Errorf("%v: %d modules", what, len(list))
		}
		var b strings.Builder
		if err := printTexts(&b, list); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"github.com/jackc/pgx/v5", "The Go Authors", "Apache License"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%v: nothing about %q", what, want)
			}
		}
	}
}

func TestClassify(t *testing.T) {
	const mit = "Permission is hereby granted, free of charge, to any person obtaining a copy\nof this software … THE SOFTWARE IS PROVIDED \"AS IS\""
	for _, c := range []struct{ text, want string }{
		{mit, "MIT"},
		{"  Apache License\n   Version 2.0, January 2004", "Apache-2.0"},
		{"// Redistribution and use in source and\n// binary forms, with or without … Neither the name of", "BSD-3-Clause"},
		{"Redistribution and use in source and binary forms … Redistributions in binary form must reproduce", "BSD-2-Clause"},
		{"GNU General Public License, version 3", ""},
		{mit + "\nThe folder x is under the GNU Affero GPL", ""},
		{"All rights reserved.", ""},
		{"", ""},
	} {
		got, err := classify(c.text)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%.40q: %q, %v; want %q", c.text, got, err, c.want)
		}
	}
}

// A module without a licence, and one with another, are told.
func TestWithoutLicence(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module a\ngo 1.26\nrequire (\nbare v0.0.0\nours v0.0.0\n)\nreplace (\nbare => ./bare\nours => ./ours\n)\n")
	write("a.go", "package a\nimport (\n_ \"bare\"\n_ \"ours/below\"\n)\n")
	write("bare/go.mod", "module bare\n")
	write("bare/bare.go", "package bare\n")
	write("ours/go.mod", "module ours\n")
	write("ours/LICENSE", "Apache License Version 2.0")
	write("ours/below/below.go", "package below\n")
	write("ours/below/COPYING", "GNU General Public License")
	_, err := ofPackages(dir, ".")
	if err == nil {
		t.Fatal("nothing is wrong")
	}
	for _, want := range []string{"bare: there is no licence in it", "below/COPYING: the licence is none"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
}
