package recur

import (
	"os"
	"strings"
	"testing"

	"factotum/server/ical"
	"factotum/server/ical/icaltest"
)

// vector is a block of the vector file. The vectors are about a rule alone: a
// DTSTART that the rule does not yield is neither listed nor counted.
type vector struct {
	name, rule, start, startAt, instances string
}

func readVectors(t *testing.T) []vector {
	data, err := os.ReadFile(icaltest.Shared(t, "data/recurrence/rrule-vectors.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var list []vector
	for block := range strings.SplitSeq(strings.ReplaceAll(string(data), "\r\n", "\n"), "\n\n") {
		var v vector
		for line := range strings.SplitSeq(block, "\n") {
			key, value, _ := strings.Cut(line, ":")
			switch key {
			case "RRULE":
				v.rule = value
			case "DTSTART":
				v.start = value
			case "START-AT":
				v.startAt = value
			case "INSTANCES":
				v.instances = value
			default:
				if strings.HasPrefix(line, "#") {
					v.name = strings.TrimPrefix(line, "# ")
				}
			}
		}
		if v.rule != "" {
			list = append(list, v)
		}
	}
	return list
}

// wrongVectors are those that we answer otherwise on purpose, by RRULE, with
// the reason. See docs/quirks.md, "Recurrence vectors".
var wrongVectors = map[string]string{}

// ruleInstances lists what a rule yields from a start on.
func ruleInstances(t testing.TB, rule, start, from string, limit int) string {
	t.Helper()
	r, err := ParseRule(rule)
	if err != nil {
		t.Fatal(err)
	}
	d, err := ical.ParseDateTime(start, "", false)
	if err != nil {
		t.Fatal(err)
	}
	until := maxCivil
	if r.HasUntil {
		until = untilLimit(r.Until, d, nil)
	}
	s := newSeries(r, civilOf(d), d.Kind == ical.Date, until)
	steps := 2_000_000
	c := s.cursor(&steps)
	at := s.start
	if from != "" {
		f, err := ical.ParseDateTime(from, "", false)
		if err != nil {
			t.Fatal(err)
		}
		at = civilOf(f)
	}
	c.seek(at)
	var out []string
	for civ, ok := c.next(); ok && len(out) < limit; civ, ok = c.next() {
		out = append(out, dateTimeOf(civ, d.Kind, "").String())
	}
	return strings.Join(out, ",")
}

func TestRecurrenceVectors(t *testing.T) {
	vectors := readVectors(t)
	if len(vectors) < 70 {
		t.Fatalf("only %d vectors read", len(vectors))
	}
	for _, v := range vectors {
		want := v.instances
		got := ruleInstances(t, v.rule, v.start, "", 1000)
		reason, wrong := wrongVectors[v.rule]
		switch {
		case got != want && !wrong:
			t.Errorf("%s\n%s from %s\n got %s\nwant %s", v.name, v.rule, v.start, got, want)
		case got == want && wrong:
			t.Errorf("%s passes, though the table says: %s", v.rule, reason)
		}
		if v.startAt == "" {
			continue
		}
		// From within the series: the rest of the list, without a walk.
		list := strings.Split(want, ",")
		for len(list) > 0 && list[0] < v.startAt {
			list = list[1:]
		}
		if got, want := ruleInstances(t, v.rule, v.start, v.startAt, 1000), strings.Join(list, ","); got != want {
			t.Errorf("%s from %s at %s\n got %s\nwant %s", v.rule, v.start, v.startAt, got, want)
		}
	}
	t.Logf("%d vectors, %d listed as wrong", len(vectors), len(wrongVectors))
}
