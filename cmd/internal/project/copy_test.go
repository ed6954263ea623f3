package project

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What a page shows to be pasted into a shell survives that: no prompts, and no
// here-document whose end is indented, as it is in an indented block.
func TestBlocksCanBeCopied(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(root(t), "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	here := regexp.MustCompile(`<<-?\s*'?"?(\w+)`)
	for _, page := range append(pages, filepath.Join(root(t), "README.md")) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		fenced, end := false, ""
		for i, line := range strings.Split(string(text), "\n") {
			at := func(format string) { t.Errorf("%s:%d: "+format, filepath.Base(page), i+1, line) }
			code := fenced || strings.HasPrefix(line, "    ")
			switch m := here.FindStringSubmatch(line); {
			case strings.HasPrefix(line, "```"):
				if fenced = !fenced; end != "" {
					at("a block ends within a here-document: %s")
				}
			case line == end && fenced:
				end = ""
			case end != "" && strings.TrimSpace(line) == end:
				at("the end of a here-document is indented: %q")
			case m != nil && code && end == "" && !strings.Contains(line, "<<="):
				if end = m[1]; !fenced {
					at("a here-document in an indented block: %s")
					end = ""
				}
			case code && end == "" && strings.HasPrefix(strings.TrimSpace(line), "$ "):
				at("a prompt: %s")
			}
		}
	}
}
