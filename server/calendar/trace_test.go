package calendar_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"factotum/server/calendar"
)

// What others write does not make a journal large: every text of a trace has an
// end, and characters stay whole.
func TestTraceIsCut(t *testing.T) {
	long := strings.Repeat("é", 10000)
	given := []string{"mailto:a@example.com", long}
	tr := calendar.Trace{Summary: "x" + long, Detail: long, From: long, To: given}
	tr.Cut()
	for name, s := range map[string]string{"summary": tr.Summary, "detail": tr.Detail, "from": tr.From, "to": tr.To[1]} {
		if len(s) > 500 || len(s) < 100 || !utf8.ValidString(s) {
			t.Errorf("%s has %d octets", name, len(s))
		}
	}
	if tr.To[0] != given[0] || given[1] != long {
		t.Errorf("an address is another one now: %.50q of %.50q", tr.To, given)
	}
}

func TestTraceStepsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for s := calendar.TraceQueued; s <= calendar.TraceHeld; s++ {
		if name := s.String(); name == "" || name == "unknown" || seen[name] {
			t.Errorf("step %d is called %q", s, name)
		}
		seen[s.String()] = true
	}
	if s := (calendar.TraceHeld + 1).String(); s != "unknown" {
		t.Errorf("a step that there is not is called %q", s)
	}
}
