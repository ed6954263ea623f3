package match

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/object"
	"factotum/server/object/objecttest"
	"factotum/server/recur"
)

// vcalendar is a calendar of components, each of lines; the first is its name.
func vcalendar(comps ...string) []byte {
	var b strings.Builder
	b.WriteString("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n")
	for _, c := range comps {
		name, lines, _ := strings.Cut(c, "\n")
		fmt.Fprintf(&b, "BEGIN:%s\r\nDTSTAMP:20260101T000000Z\r\n", name)
		for line := range strings.SplitSeq(lines, "\n") {
			b.WriteString(line + "\r\n")
		}
		fmt.Fprintf(&b, "END:%s\r\n", name)
	}
	b.WriteString("END:VCALENDAR\r\n")
	return []byte(b.String())
}

// moment reads 20260105 or 20260105T0900.
func moment(s string) time.Time {
	layout := "20060102T1504"
	if s == "" {
		return time.Time{}
	}
	d, err := time.Parse(layout[:len(s)], s)
	if err != nil {
		panic(err)
	}
	return d
}

func window(from, to string) *calendar.Window {
	return &calendar.Window{From: moment(from), To: moment(to)}
}

// in is a filter of VCALENDAR around one of a component.
func in(component string, f calendar.CompFilter) *calendar.CompFilter {
	f.Name = component
	return &calendar.CompFilter{Name: "VCALENDAR", Comps: []calendar.CompFilter{f}}
}

func prop(f calendar.PropFilter, name string) calendar.CompFilter {
	f.Name = name
	return calendar.CompFilter{Props: []calendar.PropFilter{f}}
}

func text(s, collation string) *calendar.TextMatch {
	return &calendar.TextMatch{Text: s, Collation: collation}
}

// passes asks a filter of an object.
func passes(t *testing.T, f *calendar.CompFilter, data []byte) bool {
	t.Helper()
	c, err := Compile(f)
	if err != nil {
		t.Fatal(err)
	}
	ok, err := c.Passes(t.Context(), data, recur.UTC, 1000)
	if err != nil {
		t.Fatal(err)
	}
	cal, err := ical.Parse(data, ical.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range cal.Children {
		if o := (&calendar.Object{Component: k.Name, UID: strings.TrimSpace(k.Value("UID"))}); ok && k.Name != "VTIMEZONE" && !c.MayPass(o) {
			t.Errorf("%+v passes, but the listing says that it does not", f)
		}
	}
	return ok
}

// TestRFC4791_9_7_1_Components: a component filter is for those of its scope.
func TestRFC4791_9_7_1_Components(t *testing.T) {
	event := vcalendar("VEVENT\nUID:u\nDTSTART:20260105T090000Z\nSUMMARY:x\nBEGIN:VALARM\nACTION:DISPLAY\nDESCRIPTION:x\nTRIGGER:-PT5M\nEND:VALARM")
	vcal := func(f calendar.CompFilter) *calendar.CompFilter { f.Name = "VCALENDAR"; return &f }
	alarm := func(f calendar.CompFilter) calendar.CompFilter {
		f.Name = "VALARM"
		return calendar.CompFilter{Comps: []calendar.CompFilter{f}}
	}
	for _, c := range []struct {
		name string
		f    *calendar.CompFilter
		want bool
	}{
		{"none", nil, true},
		{"VCALENDAR", vcal(calendar.CompFilter{}), true},
		{"in small letters", in("vevent", calendar.CompFilter{}), true},
		{"another component", in("VTODO", calendar.CompFilter{}), false},
		{"another one not defined", in("VTODO", calendar.CompFilter{IsNotDefined: true}), true},
		{"not defined, but there", in("VEVENT", calendar.CompFilter{IsNotDefined: true}), false},
		{"of two types", vcal(calendar.CompFilter{Comps: []calendar.CompFilter{{Name: "VEVENT"}, {Name: "VTODO"}}}), false},
		{"of any of two types", vcal(calendar.CompFilter{AnyOf: true, Comps: []calendar.CompFilter{{Name: "VEVENT"}, {Name: "VTODO"}}}), true},
		{"a property of VCALENDAR", vcal(calendar.CompFilter{Props: []calendar.PropFilter{{Name: "PRODID", Text: text("X", "")}}}), true},
		{"an alarm", in("VEVENT", alarm(calendar.CompFilter{})), true},
		{"no alarm", in("VEVENT", alarm(calendar.CompFilter{IsNotDefined: true})), false},
		{"an alarm's property", in("VEVENT", alarm(prop(calendar.PropFilter{Text: text("audio", "")}, "ACTION"))), false},
		{"a zone", in("VTIMEZONE", calendar.CompFilter{}), false},
		{"not VCALENDAR", &calendar.CompFilter{Name: "VEVENT"}, false},
		{"no VCALENDAR", vcal(calendar.CompFilter{IsNotDefined: true}), false},
	} {
		if got := passes(t, c.f, event); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

// TestRFC4791_9_7_2_Properties: property and parameter filters, RFC 4791 §9.7.3 and
// is-not-defined, RFC 4791 §9.7.4.
func TestRFC4791_9_7_2_Properties(t *testing.T) {
	event := vcalendar("VEVENT\nUID:u\nDTSTART:20260105T090000Z\nORGANIZER:mailto:o@x\nATTENDEE;PARTSTAT=ACCEPTED;MEMBER=\"mailto:g@x\",\"mailto:h@x\":mailto:a@x\nATTENDEE;PARTSTAT=DECLINED:mailto:b@x")
	with := func(props ...calendar.PropFilter) calendar.CompFilter { return calendar.CompFilter{Props: props} }
	attendee := func(params ...calendar.ParamFilter) calendar.PropFilter {
		return calendar.PropFilter{Name: "ATTENDEE", Params: params}
	}
	accepted := calendar.ParamFilter{Name: "PARTSTAT", Text: text("accepted", "")}
	for _, c := range []struct {
		name string
		f    calendar.CompFilter
		want bool
	}{
		{"there", with(calendar.PropFilter{Name: "organizer"}), true},
		{"not there", with(calendar.PropFilter{Name: "LOCATION"}), false},
		{"not defined", with(calendar.PropFilter{Name: "LOCATION", IsNotDefined: true}), true},
		{"not defined, but there", with(calendar.PropFilter{Name: "ATTENDEE", IsNotDefined: true}), false},
		{"one of several properties", with(calendar.PropFilter{Name: "ATTENDEE", Text: text("b@x", "")}), true},
		{"two filters", with(calendar.PropFilter{Name: "ATTENDEE", Text: text("b@x", "")}, calendar.PropFilter{Name: "LOCATION"}), false},
		{"any of two", calendar.CompFilter{AnyOf: true, Props: []calendar.PropFilter{{Name: "ATTENDEE", Text: text("b@x", "")}, {Name: "LOCATION"}}}, true},
		{"a parameter", with(attendee(accepted)), true},
		{"a parameter and the text, of one property", with(calendar.PropFilter{Name: "ATTENDEE", Text: text("a@x", ""), Params: []calendar.ParamFilter{accepted}}), true},
		{"of two properties", with(calendar.PropFilter{Name: "ATTENDEE", Text: text("b@x", ""), Params: []calendar.ParamFilter{accepted}}), false},
		{"any of them", with(calendar.PropFilter{Name: "ATTENDEE", AnyOf: true, Text: text("b@x", ""), Params: []calendar.ParamFilter{{Name: "CN"}}}), true},
		{"one of several values", with(attendee(calendar.ParamFilter{Name: "MEMBER", Text: text("h@x", "")})), true},
		{"no such parameter", with(attendee(calendar.ParamFilter{Name: "CN"})), false},
		{"parameter not defined", with(attendee(calendar.ParamFilter{Name: "MEMBER", IsNotDefined: true})), true},
		{"in none", with(attendee(calendar.ParamFilter{Name: "PARTSTAT", IsNotDefined: true})), false},
		{"a date in a range", with(calendar.PropFilter{Name: "DTSTART", TimeRange: window("20260105", "20260106")}), true},
		{"a date outside", with(calendar.PropFilter{Name: "DTSTART", TimeRange: window("20260106", "20260107")}), false},
		{"no date", with(calendar.PropFilter{Name: "ORGANIZER", TimeRange: window("20260105", "20260106")}), false},
	} {
		if got := passes(t, in("VEVENT", c.f), event); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

// TestRFC4791_9_7_5_Texts: parts of texts, under a collation (RFC 4790 §9.2,
// §9.3, RFC 5051).
func TestRFC4791_9_7_5_Texts(t *testing.T) {
	event := vcalendar("VEVENT\nUID:Ärger\\,1\nDTSTART:20260105T090000Z\nSUMMARY:One; two\\; \\nStraße")
	for _, c := range []struct {
		prop, text, collation string
		want                  bool
	}{
		{"SUMMARY", "one; TWO;", "", true},
		{"SUMMARY", "one", "i;octet", false},
		{"SUMMARY", "One", "i;octet", true},
		{"SUMMARY", "", "", true},
		{"SUMMARY", "\nstra", "", true},
		{"SUMMARY", "three", "", false},
		{"UID", "RGER", "i;ascii-casemap", true},
		{"UID", "rger,1", "i;ascii-casemap", true},
		{"UID", "rger\\,1", "i;ascii-casemap", false},
		{"UID", "ärger", "i;unicode-casemap", true},
		{"UID", "ärger", "i;ascii-casemap", false},
	} {
		f := in("VEVENT", prop(calendar.PropFilter{Text: text(c.text, c.collation)}, c.prop))
		if got := passes(t, f, event); got != c.want {
			t.Errorf("%s, %q, %s: %t", c.prop, c.text, c.collation, got)
		}
		f.Comps[0].Props[0].Text.Negate = true
		if got := passes(t, f, event); got == c.want {
			t.Errorf("not %s, %q, %s: %t", c.prop, c.text, c.collation, got)
		}
	}
}

// TestRFC4791_9_9_Ranges: components that overlap a range.
func TestRFC4791_9_9_Ranges(t *testing.T) {
	day := window("20260105", "20260106")
	for _, c := range []struct {
		name, comp string
		f          calendar.CompFilter
		want       bool
	}{
		{"inside", "VEVENT\nUID:u\nDTSTART:20260105T090000Z\nDURATION:PT1H", calendar.CompFilter{TimeRange: day}, true},
		{"ends at its start", "VEVENT\nUID:u\nDTSTART:20260104T230000Z\nDURATION:PT1H", calendar.CompFilter{TimeRange: day}, false},
		{"starts at its end", "VEVENT\nUID:u\nDTSTART:20260106T000000Z\nDURATION:PT1H", calendar.CompFilter{TimeRange: day}, false},
		{"a moment at its start", "VEVENT\nUID:u\nDTSTART:20260105T000000Z", calendar.CompFilter{TimeRange: day}, true},
		{"open at the end", "VEVENT\nUID:u\nDTSTART:20300105T000000Z", calendar.CompFilter{TimeRange: window("20260105", "")}, true},
		{"open at the start", "VEVENT\nUID:u\nDTSTART:20200105T000000Z", calendar.CompFilter{TimeRange: window("", "20260105")}, true},
		{"an instance", "VEVENT\nUID:u\nDTSTART:20200101T090000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY", calendar.CompFilter{TimeRange: day}, true},
		{"an instance that is taken out", "VEVENT\nUID:u\nDTSTART:20260104T090000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE:20260105T090000Z", calendar.CompFilter{TimeRange: day}, false},
		{"a task without dates", "VTODO\nUID:u", calendar.CompFilter{TimeRange: day}, true},
		{"a task that is due", "VTODO\nUID:u\nDUE:20260105T090000Z", calendar.CompFilter{TimeRange: day}, true},
		{"a task that was due", "VTODO\nUID:u\nDUE:20260104T090000Z", calendar.CompFilter{TimeRange: day}, false},
		{"a journal without a date", "VJOURNAL\nUID:u", calendar.CompFilter{TimeRange: day}, false},
		{"an alarm", "VEVENT\nUID:u\nDTSTART:20260106T010000Z\nBEGIN:VALARM\nACTION:DISPLAY\nDESCRIPTION:x\nTRIGGER:-PT2H\nEND:VALARM", calendar.CompFilter{Comps: []calendar.CompFilter{{Name: "VALARM", TimeRange: day}}}, true},
		{"an alarm on another day", "VEVENT\nUID:u\nDTSTART:20260105T010000Z\nBEGIN:VALARM\nACTION:DISPLAY\nDESCRIPTION:x\nTRIGGER:-PT2H\nEND:VALARM", calendar.CompFilter{Comps: []calendar.CompFilter{{Name: "VALARM", TimeRange: day}}}, false},
		{"any of a range alone", "VEVENT\nUID:u\nDTSTART:20260105T090000Z", calendar.CompFilter{AnyOf: true, TimeRange: window("20270101", "20280101")}, false},
		{"any of, outside the range", "VEVENT\nUID:u\nDTSTART:20260105T090000Z", calendar.CompFilter{AnyOf: true, TimeRange: window("20270101", "20280101"), Props: []calendar.PropFilter{{Name: "UID", Text: text("u", "")}}}, false},
		{"any of, inside the range", "VEVENT\nUID:u\nDTSTART:20260105T090000Z", calendar.CompFilter{AnyOf: true, TimeRange: day, Props: []calendar.PropFilter{{Name: "UID", Text: text("no", "")}, {Name: "UID", Text: text("u", "")}}}, true},
	} {
		name, _, _ := strings.Cut(c.comp, "\n")
		if got := passes(t, in(name, c.f), vcalendar(c.comp)); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

// TestRFC4791_9_8_FloatingZone: floating time is read where the reader is.
func TestRFC4791_9_8_FloatingZone(t *testing.T) {
	f, err := Compile(in("VEVENT", calendar.CompFilter{TimeRange: window("20260105T1400", "20260105T1500")}))
	if err != nil {
		t.Fatal(err)
	}
	date, err := Compile(in("VEVENT", prop(calendar.PropFilter{TimeRange: window("20260105T1400", "20260105T1500")}, "DTSTART")))
	if err != nil {
		t.Fatal(err)
	}
	event := vcalendar("VEVENT\nUID:u\nDTSTART:20260105T090000\nDURATION:PT1H")
	for zone, want := range map[string]bool{"UTC": false, "America/New_York": true, "Asia/Tokyo": false} {
		z, _ := recur.LoadZone(zone)
		if ok, err := f.Passes(t.Context(), event, z, 10); ok != want || err != nil {
			t.Errorf("in %s: %t %v", zone, ok, err)
		}
		if ok, err := date.Passes(t.Context(), event, z, 10); ok != want || err != nil {
			t.Errorf("DTSTART in %s: %t %v", zone, ok, err)
		}
	}
}

// TestRFC4791_7_8_Refused: what cannot be answered is refused before anything
// is.
func TestRFC4791_7_8_Refused(t *testing.T) {
	deep := calendar.CompFilter{Name: "VEVENT"}
	for range 10 {
		deep = calendar.CompFilter{Name: "VEVENT", Comps: []calendar.CompFilter{deep}}
	}
	for name, c := range map[string]struct {
		f    *calendar.CompFilter
		want calendar.Reason
	}{
		"an empty range":         {in("VEVENT", calendar.CompFilter{TimeRange: window("20260105", "20260105")}), calendar.ValidFilter},
		"a range of nothing":     {in("VEVENT", calendar.CompFilter{TimeRange: &calendar.Window{}}), calendar.ValidFilter},
		"a property's range":     {in("VEVENT", prop(calendar.PropFilter{TimeRange: window("20260106", "20260105")}, "DUE")), calendar.ValidFilter},
		"a range on VCALENDAR":   {&calendar.CompFilter{Name: "VCALENDAR", TimeRange: window("20260105", "20260106")}, calendar.SupportedFilter},
		"a range on a zone":      {in("VTIMEZONE", calendar.CompFilter{TimeRange: window("20260105", "20260106")}), calendar.SupportedFilter},
		"a collation":            {in("VEVENT", prop(calendar.PropFilter{Text: text("x", "i;basic")}, "UID")), calendar.SupportedCollation},
		"a parameter's":          {in("VEVENT", prop(calendar.PropFilter{Params: []calendar.ParamFilter{{Name: "CN", Text: text("x", "i;basic")}}}, "ATTENDEE")), calendar.SupportedCollation},
		"ten filters in another": {&calendar.CompFilter{Name: "VCALENDAR", Comps: []calendar.CompFilter{deep}}, calendar.ValidFilter},
	} {
		if _, err := Compile(c.f); calendar.ReasonOf(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFilterIsAskedInTurn: what the listing and the time index can say.
func TestFilterIsAskedInTurn(t *testing.T) {
	day := window("20260105", "20260106")
	event, task := &calendar.Object{Component: "VEVENT", UID: "a\\,b"}, &calendar.Object{Component: "VTODO", UID: "xyz"}
	for _, c := range []struct {
		name          string
		f             *calendar.CompFilter
		never, window bool
		event, task   string // no, may, or yes: it does
	}{
		{"everything", nil, false, false, "yes", "yes"},
		{"any component", &calendar.CompFilter{Name: "VCALENDAR"}, false, false, "yes", "yes"},
		{"events", in("VEVENT", calendar.CompFilter{}), false, false, "yes", "no"},
		{"events of a day", in("VEVENT", calendar.CompFilter{TimeRange: day}), false, true, "yes", "no"},
		{"tasks of a day", in("VTODO", calendar.CompFilter{TimeRange: day}), false, true, "no", "may"},
		{"with a property", in("VEVENT", prop(calendar.PropFilter{}, "LOCATION")), false, false, "may", "no"},
		{"no events", in("VEVENT", calendar.CompFilter{IsNotDefined: true}), false, false, "may", "may"},
		{"a UID", in("VTODO", prop(calendar.PropFilter{Text: text("Y", "")}, "UID")), false, false, "no", "may"},
		{"another UID", in("VTODO", prop(calendar.PropFilter{Text: text("w", "")}, "UID")), false, false, "no", "no"},
		{"a UID with escapes may be any", in("VEVENT", prop(calendar.PropFilter{Text: text("w", "")}, "UID")), false, false, "may", "no"},
		{"of two types", &calendar.CompFilter{Name: "VCALENDAR", Comps: []calendar.CompFilter{{Name: "VEVENT"}, {Name: "VTODO"}}}, true, false, "no", "no"},
	} {
		f, err := Compile(c.f)
		if err != nil {
			t.Fatal(err)
		}
		if f.Never() != c.never || (f.Window() != nil) != c.window {
			t.Errorf("%s: never %t, window %v", c.name, f.Never(), f.Window())
		}
		for o, want := range map[*calendar.Object]string{event: c.event, task: c.task} {
			got := "no"
			switch {
			case f.MayPass(o) && f.Decides(o):
				got = "yes"
			case f.MayPass(o):
				got = "may"
			}
			if got != want {
				t.Errorf("%s: %s: %s, want %s", c.name, o.Component, got, want)
			}
		}
	}
}

// TestRangeAgreesWithIndex: where the time index decides, it decides as the text
// would.
func TestRangeAgreesWithIndex(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cal, zone := objecttest.Event(t), objecttest.Zone(t)
		from := objecttest.Day.AddDate(0, 0, rapid.IntRange(-2, 500).Draw(t, "from"))
		w := calendar.Window{From: from, To: from.Add(time.Duration(rapid.SampledFrom([]int{1, 24, 168}).Draw(t, "hours")) * time.Hour)}
		f, err := Compile(in("VEVENT", calendar.CompFilter{TimeRange: &w}))
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.Passes(context.Background(), cal.Bytes(), zone, 100_000)
		if err != nil {
			t.Fatal(err)
		}
		comps, err := object.Components(cal)
		if err != nil {
			t.Fatal(err)
		}
		set, err := recur.Compile(comps, recur.ZonesOf(cal))
		if err != nil {
			t.Fatal(err)
		}
		lo, hi := w.Unix()
		want := false
		for in, err := range set.Between(context.Background(), w.From.Add(-24*time.Hour), w.To.Add(24*time.Hour), recur.UTC, recur.Budget{}) {
			if err != nil {
				t.Fatal(err)
			}
			r := new(object.Indexer).Row(in)
			r.Start, r.End = object.InZone(r.Start, r.End, r.Flags, zone)
			want = want || Overlaps(r.Start, r.End, lo, hi)
		}
		if got != want {
			t.Fatalf("by its text %t, by the index %t\n%s", got, want, cal.Bytes())
		}
	})
}

// TestRFC4791_9_9_PropertyRange: a range of DTSTART, DTEND or DUE is about every
// instance, and about an end that DURATION says.
func TestRFC4791_9_9_PropertyRange(t *testing.T) {
	day := window("20260105", "20260106")
	const daily = "\nRRULE:FREQ=DAILY;COUNT=10"
	for _, c := range []struct {
		name, text, prop string
		want             bool
	}{
		{"DTSTART", "VEVENT\nUID:u\nDTSTART:20260105T090000Z", "DTSTART", true},
		{"DTSTART at the start of the range", "VEVENT\nUID:u\nDTSTART:20260105T000000Z", "DTSTART", true},
		{"DTSTART at its end", "VEVENT\nUID:u\nDTSTART:20260106T000000Z", "DTSTART", false},
		{"DTSTART before, but running", "VEVENT\nUID:u\nDTSTART:20260104T230000Z\nDURATION:PT3H", "DTSTART", false},
		{"DTSTART of an instance", "VEVENT\nUID:u\nDTSTART:20260101T090000Z" + daily, "DTSTART", true},
		{"DTSTART of no instance", "VEVENT\nUID:u\nDTSTART:20260101T090000Z\nRRULE:FREQ=WEEKLY", "DTSTART", false},
		{"DTSTART of one that is taken out", "VEVENT\nUID:u\nDTSTART:20260101T090000Z" + daily + "\nEXDATE:20260105T090000Z", "DTSTART", false},
		{"DTSTART in a zone", "VEVENT\nUID:u\nDTSTART;TZID=America/New_York:20260104T200000", "DTSTART", true},
		{"DTEND", "VEVENT\nUID:u\nDTSTART:20260104T090000Z\nDTEND:20260105T090000Z", "DTEND", true},
		{"DTEND at the start of the range", "VEVENT\nUID:u\nDTSTART:20260104T090000Z\nDTEND:20260105T000000Z", "DTEND", true},
		{"DTEND at its end", "VEVENT\nUID:u\nDTSTART:20260105T090000Z\nDTEND:20260106T000000Z", "DTEND", false},
		{"DTEND by DURATION", "VEVENT\nUID:u\nDTSTART:20260104T090000Z\nDURATION:P1D", "DTEND", true},
		{"DTEND by DURATION, outside", "VEVENT\nUID:u\nDTSTART:20260105T090000Z\nDURATION:P1D", "DTEND", false},
		{"DTEND of an instance", "VEVENT\nUID:u\nDTSTART:20260101T090000Z\nDTEND:20260101T100000Z" + daily, "DTEND", true},
		{"DTEND of an instance by DURATION", "VEVENT\nUID:u\nDTSTART:20260101T090000Z\nDURATION:PT1H" + daily, "DTEND", true},
		{"no end", "VEVENT\nUID:u\nDTSTART:20260105T090000Z", "DTEND", false},
		{"DTEND of a long event", "VEVENT\nUID:u\nDTSTART:20251001T090000Z\nDTEND:20260105T100000Z", "DTEND", true},
		{"DUE", "VTODO\nUID:u\nDUE:20260105T090000Z", "DUE", true},
		{"DUE by DURATION", "VTODO\nUID:u\nDTSTART:20260104T090000Z\nDURATION:P1D", "DUE", true},
		{"DUE of an instance", "VTODO\nUID:u\nDUE:20260101T090000Z" + daily, "DUE", true},
		{"DUE of an instance with DTSTART", "VTODO\nUID:u\nDTSTART:20260101T080000Z\nDUE:20260101T090000Z\nRRULE:FREQ=WEEKLY;INTERVAL=4", "DUE", false},
		{"DUE as a date", "VTODO\nUID:u\nDUE;VALUE=DATE:20260105", "DUE", true},
		{"no DUE", "VTODO\nUID:u\nDTSTART:20260105T090000Z", "DUE", false},
		{"DTEND of a task", "VTODO\nUID:u\nDTSTART:20260104T090000Z\nDURATION:P1D", "DTEND", false},
		{"DTSTART of a journal's instance", "VJOURNAL\nUID:u\nDTSTART;VALUE=DATE:20260101" + daily, "DTSTART", true},
		{"COMPLETED", "VTODO\nUID:u\nCOMPLETED:20260105T090000Z", "COMPLETED", true},
		{"COMPLETED of what recurs", "VTODO\nUID:u\nDTSTART:20260101T080000Z\nCOMPLETED:20260104T090000Z" + daily, "COMPLETED", false},
	} {
		component, _, _ := strings.Cut(c.text, "\n")
		f, err := Compile(in(component, prop(calendar.PropFilter{TimeRange: day}, c.prop)))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := f.Passes(context.Background(), vcalendar(c.text), recur.UTC, 1000); err != nil || got != c.want {
			t.Errorf("%s: %t %v", c.name, got, err)
		}
	}
	// An override is a component of its own.
	text := vcalendar("VEVENT\nUID:u\nDTSTART:20260101T090000Z\nRRULE:FREQ=WEEKLY\nSUMMARY:x", "VEVENT\nUID:u\nRECURRENCE-ID:20260108T090000Z\nDTSTART:20260105T090000Z\nSUMMARY:y")
	for summary, want := range map[string]bool{"x": false, "y": true} {
		f, err := Compile(in("VEVENT", calendar.CompFilter{Props: []calendar.PropFilter{{Name: "DTSTART", TimeRange: day}, {Name: "SUMMARY", Text: &calendar.TextMatch{Text: summary}}}}))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := f.Passes(context.Background(), text, recur.UTC, 1000); err != nil || got != want {
			t.Errorf("%s: %t %v", summary, got, err)
		}
	}
}

// TestRFC5051_Decomposition: i;unicode-casemap finds a letter however it is put
// together, the other collations do not.
func TestRFC5051_Decomposition(t *testing.T) {
	for _, c := range []struct {
		collation, text, want string
		found                 bool
	}{
		{"i;unicode-casemap", "caf\u00e9", "CAFE\u0301", true},
		{"i;unicode-casemap", "cafe\u0301", "Caf\u00e9", true},
		{"i;unicode-casemap", "\u1ed6", "\u00f4\u0303", true}, // two marks
		{"i;unicode-casemap", "q\u0307\u0323", "Q\u0323\u0307", true},
		{"i;unicode-casemap", "\uff21\uff22", "ab", true}, // wide letters
		{"i;unicode-casemap", "\uac00", "\u1100\u1161", true},
		{"i;unicode-casemap", "caf\u00e9", "cafx", false},
		{"i;ascii-casemap", "caf\u00e9", "CAFE\u0301", false},
		{"i;octet", "caf\u00e9", "cafe\u0301", false},
	} {
		f, err := Compile(in("VEVENT", prop(calendar.PropFilter{Text: &calendar.TextMatch{Text: c.want, Collation: c.collation}}, "SUMMARY")))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := f.Passes(context.Background(), vcalendar("VEVENT\nUID:u\nDTSTART:20260105T090000Z\nSUMMARY:"+c.text), recur.UTC, 1000); err != nil || got != c.found {
			t.Errorf("%s: %q in %q: %t %v", c.collation, c.want, c.text, got, err)
		}
	}
}

// A series with many overrides is worked out once for a filter, not once for
// each of its components.
func TestManyOverrides(t *testing.T) {
	const vevent = "BEGIN:VEVENT\r\nUID:a\r\nDTSTAMP:20260101T000000Z\r\n%sDURATION:PT1H\r\n" +
		"BEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:x\r\nTRIGGER:-PT5M\r\nEND:VALARM\r\nEND:VEVENT\r\n"
	var b strings.Builder
	b.WriteString("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n")
	fmt.Fprintf(&b, vevent, "DTSTART:20260101T090000Z\r\nRRULE:FREQ=DAILY\r\n")
	day := moment("20260102")
	for i := range 2000 {
		d := day.AddDate(0, 0, i).Format("20060102")
		fmt.Fprintf(&b, vevent, "RECURRENCE-ID:"+d+"T090000Z\r\nDTSTART:"+d+"T100000Z\r\n")
	}
	b.WriteString("END:VCALENDAR\r\n")
	open := &calendar.Window{From: day.AddDate(8, 0, 0)}
	none := []calendar.PropFilter{{Name: "SUMMARY"}}
	for name, f := range map[string]calendar.CompFilter{
		"event": {TimeRange: open, Props: none},
		"alarm": {Comps: []calendar.CompFilter{{Name: "VALARM", TimeRange: open, Props: none}}},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if passes(t, in("VEVENT", f), []byte(b.String())) {
			t.Errorf("%s: passes", name)
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 64<<20 {
			t.Errorf("%s: %d MiB were allocated", name, n>>20)
		}
	}
}

// TestText: how words are looked for. WCAP search_calprops.
func TestText(t *testing.T) {
	for how, want := range map[calendar.TextMatching]string{
		calendar.Contains: "anna, annabel, joanna, joannas", calendar.BeginsWith: "anna, annabel", calendar.EndsWith: "anna, joanna", calendar.Exactly: "anna",
	} {
		var got []string
		for _, text := range []string{"anna", "annabel", "joanna", "joannas", "ann"} {
			if Text(how, text, "anna") {
				got = append(got, text)
			}
		}
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("%d: %s, want %s", how, s, want)
		}
	}
}
