package recur

import (
	"bytes"
	"os"
	"path/filepath"
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

func readVectors(t *testing.T, file string) []vector {
	var list []vector
	for _, block := range readBlocks(t, file) {
		var v vector
		for _, line := range block {
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

// readBlocks reads a file of blocks, the lines of each.
func readBlocks(t *testing.T, file string) (blocks [][]string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.TrimRight(strings.ReplaceAll(string(data), "\r\n", "\n"), "\n")
	for block := range strings.SplitSeq(text, "\n\n") {
		blocks = append(blocks, strings.Split(block, "\n"))
	}
	return blocks
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

// TestRules: our own vectors of rules.
func TestRules(t *testing.T) {
	checkVectors(t, readVectors(t, "testdata/rules.txt"), 40, nil)
}

// TestRecurrenceVectors: libical's.
func TestRecurrenceVectors(t *testing.T) {
	checkVectors(t, readVectors(t, icaltest.Shared(t, "data/recurrence/rrule-vectors.txt")), 70, wrongVectors)
}

func checkVectors(t *testing.T, vectors []vector, least int, except map[string]string) {
	if len(vectors) < least {
		t.Fatalf("only %d vectors read", len(vectors))
	}
	for _, v := range vectors {
		want := v.instances
		got := ruleInstances(t, v.rule, v.start, "", 1000)
		reason, wrong := except[v.rule]
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
	t.Logf("%d vectors, %d listed as wrong", len(vectors), len(except))
}

// TestSets: our own vectors of whole events, with zones and overrides.
func TestSets(t *testing.T) {
	n := 0
	for _, block := range readBlocks(t, "testdata/sets.txt") {
		var name, lines []string
		var from, to, want string
		var overrides [][]string
		var float Zone
		shows := false
		for _, line := range block {
			key, value, _ := strings.Cut(line, ":")
			switch {
			case strings.HasPrefix(line, "#"):
				name = append(name, strings.TrimPrefix(line, "# "))
			case key == "FLOAT":
				float = zone(t, value)
			case key == "WINDOW":
				from, to, _ = strings.Cut(value, " ")
			case key == "SHOWS":
				want, shows = value, true
			case strings.HasPrefix(line, "+RECURRENCE-ID"):
				overrides = append(overrides, []string{line[1:]})
			case strings.HasPrefix(line, "+"):
				last := len(overrides) - 1
				overrides[last] = append(overrides[last], line[1:])
			default:
				lines = append(lines, line)
			}
		}
		if !shows { // the head of the file
			continue
		}
		n++
		t.Run(strings.Join(name, " "), func(t *testing.T) {
			body := event(lines...)
			for _, o := range overrides {
				body += event(o...)
			}
			s := setOf(t, body)
			if got := instancesOf(t, s, from, to, float); got != want {
				t.Errorf("\n got %s\nwant %s\n%s", got, want, body)
			}
			checkSpan(t, s, float)
		})
	}
	if n < 45 {
		t.Errorf("only %d sets read", n)
	}
}

// instancesOf lists start, length and "!" for an override, in UTC.
func instancesOf(t *testing.T, s *Set, from, to string, float Zone) string {
	t.Helper()
	var out []string
	for in, err := range s.Between(t.Context(), at(t, from), at(t, to), float, Budget{}) {
		if err != nil {
			t.Fatal(err)
		}
		v := in.Start.Format("20060102T150405Z")
		if d := in.End.Sub(in.Start); d != 0 {
			v += "+" + strings.Replace(strings.TrimSuffix(d.String(), "0s"), "h0m", "h", 1)
		}
		if in.Override {
			v += "!"
		}
		out = append(out, v)
	}
	return strings.Join(out, " ")
}

// TestCalendars: what our own calendars show, written as real programs do.
func TestCalendars(t *testing.T) {
	dir := filepath.Dir(icaltest.Calendars(t, "programs")[0])
	n := 0
	for _, block := range readBlocks(t, "testdata/calendars.txt") {
		field := map[string]string{}
		for _, line := range block {
			key, value, _ := strings.Cut(line, ":")
			field[key] = value
		}
		want, ok := field["SHOWS"]
		if !ok {
			continue
		}
		n++
		t.Run(field["FILE"]+"/"+field["OF"], func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join(dir, field["FILE"]))
			if err != nil {
				t.Fatal(err)
			}
			s := setOfFile(t, data, field["OF"])
			from, to, _ := strings.Cut(field["WINDOW"], " ")
			float := zone(t, "Europe/Berlin")
			if got := instancesOf(t, s, from, to, float); got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
			checkSpan(t, s, float)
		})
	}
	if n < 25 {
		t.Errorf("only %d events read", n)
	}
}

// setOfFile compiles the series of a file whose first component has a summary.
func setOfFile(t *testing.T, data []byte, summary string) *Set {
	t.Helper()
	for cal, err := range ical.ParseStream(bytes.NewReader(data), ical.DefaultLimits) {
		if err != nil {
			t.Fatal(err)
		}
		var comps []*ical.Component
		for _, c := range cal.Children {
			if c.Name != "VTIMEZONE" && (len(comps) == 0 && ical.UnescapeText(c.Value("SUMMARY")) == summary || len(comps) > 0 && c.Value("UID") == comps[0].Value("UID")) {
				comps = append(comps, c)
			}
		}
		if len(comps) == 0 {
			continue
		}
		s, err := Compile(comps, ZonesOf(cal))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	t.Fatalf("no %q in the file", summary)
	return nil
}
