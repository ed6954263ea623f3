package why_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"factotum/server/calendar"
	"factotum/server/why"
)

// Every reason of docs/why.md has a sentence, whichever package decides so.
func TestEveryReasonHasASentence(t *testing.T) {
	page, err := os.ReadFile("../../docs/why.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, ok := strings.Cut(string(page), "\n## Reasons\n")
	codes := regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(list, -1)
	if !ok || len(codes) < 30 {
		t.Fatalf("docs/why.md has %d reasons", len(codes))
	}
	for _, code := range codes {
		if s := why.Sentence(code[1]); !strings.HasSuffix(s, ".") {
			t.Errorf("%s is told as %q", code[1], s)
		}
	}
	if s := why.Sentence("of a later release"); s != "" {
		t.Errorf("what nobody knows is told as %q", s)
	}
	if s := why.Of(&calendar.Trace{Reason: "room-free", Detail: "Until noon."}); s != "The time was free. Until noon." {
		t.Errorf("a step is told as %q", s)
	}
	if s := why.Of(&calendar.Trace{Reason: "room-free", Detail: "3 of 4 instances: The time was free."}); s != "3 of 4 instances: The time was free." {
		t.Errorf("a step is told as %q", s)
	}
	if s := why.Of(&calendar.Trace{Reason: "of a later release", Detail: "It is so."}); s != "It is so." {
		t.Errorf("a step is told as %q", s)
	}
}
