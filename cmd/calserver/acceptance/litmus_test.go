package acceptance

import (
	"strings"
	"testing"
)

// Debian's litmus in a plain collection of a home. Locks are not offered, so
// its lock tests are left out.
func TestLitmus(t *testing.T) {
	everywhere(t, func(t *testing.T, h *host) {
		p := newProgram(t, "/usr/bin/env", "TESTS=basic copymove props http", tool(t, "litmus"))
		h.visit(t, "anna")
		h.do(t, "anna", "MKCOL", home("anna")+"files/", "").is(201)
		out, err := p.run("", h.base+home("anna")+"files/", "anna", password("anna"))
		text := strings.ReplaceAll(out, "\r", "\n")
		if err != nil || strings.Contains(text, "FAIL") || strings.Count(text, "summary") != 4 {
			t.Fatalf("%v\n%s", err, text)
		}
		for line := range strings.SplitSeq(text, "\n") {
			if strings.Contains(line, "WARNING") && !strings.Contains(line, "does not claim Class 2") {
				t.Error(strings.TrimSpace(line))
			}
		}
		h.healthy(t)
	})
}
