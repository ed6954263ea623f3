package project

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "rewrite docs/specs.md")

// TestSpecsCurrent compares docs/specs.md with what the sources say.
func TestSpecsCurrent(t *testing.T) {
	refs, err := collect(root(t))
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	write(&want, refs)
	path := filepath.Join(root(t), "docs", "specs.md")
	if *update {
		if err := os.WriteFile(path, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want.Bytes()) {
		t.Error("docs/specs.md is not current; run make specs")
	}
}

func TestFind(t *testing.T) {
	for _, c := range []struct {
		line string
		want []key
	}{
		{"// RFC 4791 §5.3.2, RFC 6638 §3.2.3.1.", []key{{"RFC 4791", "5.3.2"}, {"RFC 6638", "3.2.3.1"}}},
		{"// RFC 4791 §5.2.5–5.2.9 and §9.7: both", []key{{"RFC 4791", "5.2.5"}, {"RFC 4791", "9.7"}}},
		{"// RFC 7617, in all", []key{{"RFC 7617", ""}}},
		{"func TestRFC5545_3_3_10_Recur(t *testing.T) {", []key{{"RFC 5545", "3.3.10"}}},
		{"// WCAP storeevents, storetype=1: create", []key{{"WCAP", "storeevents"}}},
		{"// WCAP is older", nil},
	} {
		got := find(c.line)
		if len(got) != len(c.want) {
			t.Errorf("%s: %v", c.line, got)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: %v", c.line, got)
			}
		}
	}
}
