package edit

import (
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/object"
	"factotum/server/recur"
)

// editorFor edits events of anna, in Berlin, on 1 March 2026.
func editorFor() *Editor {
	z, _ := recur.LoadZone("Europe/Berlin")
	return &Editor{Component: "VEVENT", Now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), RecurrenceBound: 60, Floating: z,
		Owner: calendar.Person{ID: "anna", Name: "Anna", Mails: []string{"anna@example.com"}}}
}

// at reads a moment: of Berlin without Z, of New York after "NY ".
func at(s string) *ical.DateTime {
	zone := "Europe/Berlin"
	if rest, ok := strings.CutPrefix(s, "NY "); ok {
		zone, s = "America/New_York", rest
	}
	d, err := ical.ParseDateTime(s, zone, false)
	if err != nil {
		panic(err)
	}
	return &d
}

func list(values ...string) *[]string { return &values }

func dates(values ...string) *[]ical.DateTime {
	out := []ical.DateTime{}
	for _, v := range values {
		out = append(out, *at(v))
	}
	return &out
}

func yes(b bool) *bool { return &b }

const zoned = `DTSTART;TZID=Europe/Berlin:20260304T100000
DTEND;TZID=Europe/Berlin:20260304T110000
`

// text is an object of lines; a blank line begins the next component.
func text(t *testing.T, lines string) *ical.Component {
	t.Helper()
	var b strings.Builder
	b.WriteString("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n")
	for part := range strings.SplitSeq(lines, "\n\n") {
		b.WriteString("BEGIN:VEVENT\r\nUID:u\r\nDTSTAMP:20260101T000000Z\r\n")
		b.WriteString(strings.ReplaceAll(strings.TrimSpace(part), "\n", "\r\n"))
		b.WriteString("\r\nEND:VEVENT\r\n")
	}
	b.WriteString("END:VCALENDAR\r\n")
	cal, err := ical.Parse([]byte(b.String()), ical.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return cal
}

// plainText is the object without what is the same in every test.
func plainText(cal *ical.Component) string {
	if cal == nil {
		return "gone"
	}
	var out []string
	for _, c := range components(cal) {
		for i := range c.Props {
			switch p := &c.Props[i]; p.Name {
			case "UID", "DTSTAMP", "CREATED", "LAST-MODIFIED", "SEQUENCE":
			default:
				out = append(out, strings.ReplaceAll(strings.TrimSuffix(string(p.Append(nil)), "\r\n"), "TZID=Europe/Berlin", "B"))
			}
		}
		for _, a := range c.Children {
			out = append(out, a.Value("ACTION")+" "+a.Prop("TRIGGER").Value)
		}
		out = append(out, "--")
	}
	return strings.Join(out[:len(out)-1], "\n")
}

// TestWCAP_5_Times: which zone and which form times are kept in.
func TestWCAP_5_Times(t *testing.T) {
	for _, c := range []struct {
		name, old string
		patch     calendar.Patch
		want      string // or the kind of the error
	}{
		{"a zone for UTC", "", calendar.Patch{TZID: "Europe/Berlin", Start: at("20260304T090000Z"), End: at("20260304T100000Z")}, "DTSTART;B:20260304T100000\nDTEND;B:20260304T110000"},
		{"UTC alone", "", calendar.Patch{Start: at("20260304T090000Z")}, "DTSTART:20260304T090000Z"},
		{"GMT by name", "", calendar.Patch{TZID: "GMT", Start: at("20260304T090000Z")}, "DTSTART:20260304T090000Z"},
		{"local time", "", calendar.Patch{Start: at("20260304T100000")}, "DTSTART;B:20260304T100000"},
		{"a length", "", calendar.Patch{Start: at("20260304T100000"), Duration: &ical.Duration{Time: time.Hour}}, "DTSTART;B:20260304T100000\nDTEND;B:20260304T110000"},
		{"an end at the start", "", calendar.Patch{Start: at("20260304T100000"), End: at("20260304T100000")}, "DTSTART;B:20260304T100000"},
		{"an end before", "", calendar.Patch{Start: at("20260304T100000"), End: at("20260304T090000")}, "invalid"},
		{"no start", "", calendar.Patch{End: at("20260304T090000")}, "invalid"},
		{"a negative length", "", calendar.Patch{Start: at("20260304T100000"), Duration: &ical.Duration{Neg: true, Time: time.Hour}}, "invalid"},
		{"a day", "", calendar.Patch{AllDay: yes(true), TZID: "Europe/Berlin", Start: at("20260303T230000Z"), End: at("20260304T230000Z")}, "TRANSP:TRANSPARENT\nDTSTART;VALUE=DATE:20260304\nDTEND;VALUE=DATE:20260305"},
		{"a day of no length", "", calendar.Patch{AllDay: yes(true), Start: at("20260304"), Duration: &ical.Duration{}}, "TRANSP:TRANSPARENT\nDTSTART;VALUE=DATE:20260304"},
		{"the zone is kept", zoned, calendar.Patch{Start: at("20260305T090000Z"), End: at("20260305T100000Z")}, "DTSTART;B:20260305T100000\nDTEND;B:20260305T110000"},
		{"the zone is changed", zoned, calendar.Patch{TZID: "America/New_York", Start: at("20260304T140000Z")}, "DTSTART;TZID=America/New_York:20260304T090000\nDTEND;TZID=America/New_York:20260304T100000"},
		{"the end alone", zoned, calendar.Patch{End: at("20260304T110000Z")}, "DTSTART;B:20260304T100000\nDTEND;B:20260304T120000"},
		{"the start past the end", zoned, calendar.Patch{Start: at("20260304T150000")}, "DTSTART;B:20260304T150000\nDTEND;B:20260304T160000"},
		{"nothing of time", zoned, calendar.Patch{TZID: "America/New_York"}, "DTSTART;B:20260304T100000\nDTEND;B:20260304T110000"},
		{"timed to all day", zoned, calendar.Patch{AllDay: yes(true)}, "DTSTART;VALUE=DATE:20260304\nDTEND;VALUE=DATE:20260305"},
		{"all day to timed", "DTSTART;VALUE=DATE:20260304\n", calendar.Patch{AllDay: yes(false), Start: at("20260304T100000"), End: at("20260304T110000")}, "DTSTART;B:20260304T100000\nDTEND;B:20260304T110000"},
		{"floating stays", "DTSTART:20260304T100000\n", calendar.Patch{Start: at("20260304T110000Z")}, "DTSTART:20260304T120000"},
		{"a length of another client", "DTSTART:20260304T100000Z\nDURATION:PT1H\n", calendar.Patch{Start: at("20260305T100000Z")}, "DTSTART:20260305T100000Z\nDURATION:PT1H"},
		{"an end for it", "DTSTART:20260304T100000Z\nDURATION:PT1H\n", calendar.Patch{End: at("20260304T130000Z")}, "DTSTART:20260304T100000Z\nDTEND:20260304T130000Z"},
	} {
		t.Run(c.name, func(t *testing.T) { check(t, c.old, &calendar.EditItem{Patch: c.patch}, c.want) })
	}
}

// check applies an item and compares, then that the outcome is valid.
func check(t *testing.T, old string, it *calendar.EditItem, want string) {
	t.Helper()
	e := editorFor()
	var cal *ical.Component
	before := ""
	if old != "" {
		cal = text(t, old)
		before = string(cal.Bytes())
	}
	var got *ical.Component
	var err error
	if it.Mode == calendar.EditDelete {
		got, err = e.Remove(cal, it)
	} else {
		got, _, err = e.Store(cal, "u", it)
	}
	if cal != nil && string(cal.Bytes()) != before {
		t.Error("the old object was changed")
	}
	if err != nil {
		word := string(calendar.ReasonOf(err))
		if word == "" {
			word = calendar.KindOf(err).String()
		}
		if word != want {
			t.Errorf("%v, want %s", err, want)
		}
		return
	}
	if plainText(got) != want {
		t.Errorf("got\n%s\nwant\n%s", plainText(got), want)
	}
	if got == nil {
		return
	}
	if err := ical.FirstError(ical.Validate(got)); err != nil {
		t.Error(err)
	}
	if _, err := object.Components(got); err != nil {
		t.Error(err)
	}
	for _, c := range components(got) {
		for i := range c.Props {
			if id := c.Props[i].Param("TZID"); id != "" && got.Child("VTIMEZONE") == nil {
				t.Errorf("no VTIMEZONE for %s", id)
			}
		}
	}
}

const (
	daily   = zoned + "RRULE:FREQ=DAILY;COUNT=5\n"
	changed = daily + "\nRECURRENCE-ID;TZID=Europe/Berlin:20260305T100000\nDTSTART;TZID=Europe/Berlin:20260305T130000\nSUMMARY:moved\n"
	master  = "DTSTART;B:20260304T100000\nDTEND;B:20260304T110000\nRRULE:FREQ=DAILY;COUNT=5"
)

// TestWCAP_6_Series: instances, rules and exceptions.
func TestWCAP_6_Series(t *testing.T) {
	one := func(rid string, p calendar.Patch) *calendar.EditItem {
		return &calendar.EditItem{RID: *at(rid), Scope: calendar.ThisInstance, Patch: p}
	}
	all := func(p calendar.Patch) *calendar.EditItem { return &calendar.EditItem{Patch: p} }
	gone := func(rid string, s calendar.EditScope) *calendar.EditItem {
		return &calendar.EditItem{RID: *at(rid), Scope: s, Mode: calendar.EditDelete}
	}
	loc := calendar.Patch{Props: []calendar.PropEdit{{Name: "LOCATION", Props: []ical.Property{{Name: "LOCATION", Value: "x"}}}}}
	from := func(rid string, s calendar.EditScope, start, end string) *calendar.EditItem {
		it := &calendar.EditItem{RID: *at(rid), Scope: s, Patch: calendar.Patch{Start: at(start)}}
		if end != "" {
			it.Patch.End = at(end)
		}
		return it
	}
	const later = "DTSTART;B:20260304T120000\nDTEND;B:20260304T130000\nRRULE:FREQ=DAILY;COUNT=5\n--\nRECURRENCE-ID;B:20260305T120000\nDTSTART;B:20260305T130000\nSUMMARY:moved"
	for _, c := range []struct {
		name, old string
		item      *calendar.EditItem
		want      string
	}{
		{"a bound", zoned, all(calendar.Patch{RRules: list("freq=weekly;byday=WE")}), "DTSTART;B:20260304T100000\nDTEND;B:20260304T110000\nRRULE:FREQ=WEEKLY;COUNT=60;BYDAY=WE"},
		{"no bound for what was said again", zoned + "RRULE:FREQ=WEEKLY\n", all(calendar.Patch{RRules: list("FREQ=WEEKLY")}), "DTSTART;B:20260304T100000\nDTEND;B:20260304T110000\nRRULE:FREQ=WEEKLY"},
		{"UNTIL in local time", zoned, all(calendar.Patch{RRules: list("FREQ=DAILY;UNTIL=20260306")}), "DTSTART;B:20260304T100000\nDTEND;B:20260304T110000\nRRULE:FREQ=DAILY;UNTIL=20260306T225959Z"},
		{"a bad rule", zoned, all(calendar.Patch{RRules: list("FREQ=NEVER")}), "valid-calendar-data"},
		{"dates", zoned, all(calendar.Patch{RDates: dates("20260306T090000Z", "20260306T100000"), ExDates: dates("20260304T100000")}), "DTSTART;B:20260304T100000\nDTEND;B:20260304T110000\nRDATE;B:20260306T100000\nEXDATE;B:20260304T100000"},
		{"EXDATEs stay", daily + "EXDATE:20260305T090000Z\n", all(calendar.Patch{RRules: list("FREQ=DAILY;COUNT=4")}), "DTSTART;B:20260304T100000\nDTEND;B:20260304T110000\nEXDATE:20260305T090000Z\nRRULE:FREQ=DAILY;COUNT=4"},
		{"EXDATEs go", daily + "EXDATE:20260305T090000Z\n", all(calendar.Patch{ExDates: dates()}), master},
		{"exceptions stay", changed, all(loc), master + "\nLOCATION:x\n--\nRECURRENCE-ID;B:20260305T100000\nDTSTART;B:20260305T130000\nSUMMARY:moved"},
		{"exceptions that are none go", changed, all(calendar.Patch{RRules: list("FREQ=WEEKLY;COUNT=2")}), "DTSTART;B:20260304T100000\nDTEND;B:20260304T110000\nRRULE:FREQ=WEEKLY;COUNT=2"},
		{"a series moves", changed + "", all(calendar.Patch{Start: at("20260304T120000"), End: at("20260304T130000")}), "DTSTART;B:20260304T120000\nDTEND;B:20260304T130000\nRRULE:FREQ=DAILY;COUNT=5\n--\nRECURRENCE-ID;B:20260305T120000\nDTSTART;B:20260305T130000\nSUMMARY:moved"},
		{"and its last date", zoned + "RRULE:FREQ=DAILY;UNTIL=20260307T090000Z\nEXDATE;TZID=Europe/Berlin:20260305T100000\n", all(calendar.Patch{Start: at("20260305T110000"), End: at("20260305T120000")}), "DTSTART;B:20260305T110000\nDTEND;B:20260305T120000\nRRULE:FREQ=DAILY;UNTIL=20260308T100000Z\nEXDATE;B:20260306T110000"},
		{"over the change of the clocks", "DTSTART;TZID=Europe/Berlin:20260328T100000\nRRULE:FREQ=DAILY;COUNT=5\nEXDATE;TZID=Europe/Berlin:20260330T100000\n", all(calendar.Patch{Start: at("20260328T100000Z")}), "DTSTART;B:20260328T110000\nRRULE:FREQ=DAILY;COUNT=5\nEXDATE;B:20260330T110000"},
		{"to all day", daily + "EXDATE;TZID=Europe/Berlin:20260306T100000\n", all(calendar.Patch{AllDay: yes(true)}), "DTSTART;VALUE=DATE:20260304\nDTEND;VALUE=DATE:20260305\nRRULE:FREQ=DAILY;COUNT=5\nEXDATE;VALUE=DATE:20260306"},
		{"to all day, with periods", daily + "RDATE;VALUE=PERIOD;TZID=Europe/Berlin:20260310T100000/PT3H\nRDATE;VALUE=PERIOD:20260311T090000Z/20260312T100000Z\n", all(calendar.Patch{AllDay: yes(true), Start: at("20260305")}), "DTSTART;VALUE=DATE:20260305\nRRULE:FREQ=DAILY;COUNT=5\nRDATE;VALUE=PERIOD:20260311T000000/PT3H\nRDATE;VALUE=PERIOD:20260312T000000/20260313T010000"},
		{"an all-day series moves with its periods", "DTSTART;VALUE=DATE:20260304\nRRULE:FREQ=DAILY;COUNT=2\nRDATE;VALUE=PERIOD:20260310T090000Z/PT3H\n", all(calendar.Patch{Start: at("20260305"), AllDay: yes(true)}), "DTSTART;VALUE=DATE:20260305\nRRULE:FREQ=DAILY;COUNT=2\nRDATE;VALUE=PERIOD:20260311T000000/PT3H"},
		{"a series moves with its periods", zoned + "RDATE;VALUE=PERIOD;TZID=Europe/Berlin:20260310T100000/20260310T120000\nRDATE;VALUE=PERIOD:20260306T090000Z/PT3H\n", all(calendar.Patch{Start: at("20260304T120000"), End: at("20260304T130000")}), "DTSTART;B:20260304T120000\nDTEND;B:20260304T130000\nRDATE;B;VALUE=PERIOD:20260310T120000/20260310T140000\nRDATE;B;VALUE=PERIOD:20260306T120000/PT3H"},
		{"all, from an instance", changed, from("20260306T100000", calendar.WholeSeries, "20260306T120000", "20260306T130000"), later},
		{"all, from an instance in UTC", changed, from("20260306T090000Z", calendar.WholeSeries, "20260306T110000Z", "20260306T120000Z"), later},
		{"the future with its times", changed, from("20260306T100000", calendar.ThisAndFuture, "20260306T120000", "20260306T130000"), later},
		{"the past with its times", changed, from("20260306T100000", calendar.ThisAndPrior, "20260306T120000", "20260306T130000"), later},
		{"all, from an instance that was moved", changed, from("20260305T100000", calendar.WholeSeries, "20260305T120000", "20260305T130000"), later},
		{"all, from the first", changed, from("20260304T100000", calendar.WholeSeries, "20260304T120000", "20260304T130000"), later},
		{"all, from an instance behind the change of the clocks", "DTSTART;TZID=Europe/Berlin:20260328T100000\nRRULE:FREQ=DAILY;COUNT=5\n", from("20260330T080000Z", calendar.WholeSeries, "20260330T090000Z", ""), "DTSTART;B:20260328T110000\nRRULE:FREQ=DAILY;COUNT=5"},
		{"all days, from one of them", "DTSTART;VALUE=DATE:20260304\nRRULE:FREQ=DAILY;COUNT=3\n", from("20260306", calendar.WholeSeries, "20260307", ""), "DTSTART;VALUE=DATE:20260305\nRRULE:FREQ=DAILY;COUNT=3"},
		{"an instance", daily, one("20260306T090000Z", loc), master + "\n--\nDTSTART;B:20260306T100000\nDTEND;B:20260306T110000\nRECURRENCE-ID;B:20260306T100000\nLOCATION:x"},
		{"an instance again", changed, one("20260305T100000", loc), master + "\n--\nRECURRENCE-ID;B:20260305T100000\nDTSTART;B:20260305T130000\nSUMMARY:moved\nLOCATION:x"},
		{"a period", "DTSTART;TZID=Europe/Berlin:20260304T100000\nDURATION:PT1H\nRDATE;VALUE=PERIOD:20260306T090000Z/PT3H\n", one("20260306T100000", loc),
			"DTSTART;B:20260304T100000\nDURATION:PT1H\nRDATE;VALUE=PERIOD:20260306T090000Z/PT3H\n--\nDTSTART;B:20260306T100000\nRECURRENCE-ID;B:20260306T100000\nDTEND;B:20260306T130000\nLOCATION:x"},
		{"floating, in the gap of the clocks", "DTSTART:20260328T023000\nDTEND:20260328T033000\nRRULE:FREQ=DAILY;COUNT=3\n", &calendar.EditItem{RID: ical.DateTime{Year: 2026, Month: 3, Day: 29, Hour: 2, Min: 30, Kind: ical.Floating}, Scope: calendar.ThisInstance, Patch: loc},
			"DTSTART:20260328T023000\nDTEND:20260328T033000\nRRULE:FREQ=DAILY;COUNT=3\n--\nDTSTART:20260329T023000\nDTEND:20260329T033000\nRECURRENCE-ID:20260329T023000\nLOCATION:x"},
		{"no instance", daily, one("20260306T080000Z", loc), "not-found"},
		{"over the next one", daily, one("20260306T100000", calendar.Patch{Start: at("20260307T110000"), End: at("20260307T120000")}), "recurrence-skip"},
		{"onto its day", daily, one("20260306T100000", calendar.Patch{Start: at("20260307T090000"), End: at("20260307T093000")}), "recurrence-same-day"},
		{"within its day", daily, one("20260306T100000", calendar.Patch{Start: at("20260306T120000"), End: at("20260306T130000")}), master + "\n--\nDTSTART;B:20260306T120000\nDTEND;B:20260306T130000\nRECURRENCE-ID;B:20260306T100000"},
		{"several on a day", zoned + "RRULE:FREQ=DAILY;COUNT=6;BYHOUR=10,15\n", one("20260305T100000", calendar.Patch{Start: at("20260305T120000"), End: at("20260305T130000")}), "DTSTART;B:20260304T100000\nDTEND;B:20260304T110000\nRRULE:FREQ=DAILY;COUNT=6;BYHOUR=10,15\n--\nDTSTART;B:20260305T120000\nDTEND;B:20260305T130000\nRECURRENCE-ID;B:20260305T100000"},
		{"the privacy of one", daily, one("20260306T100000", calendar.Patch{Props: []calendar.PropEdit{{Name: "CLASS", Props: []ical.Property{{Name: "CLASS", Value: "PRIVATE"}}}}}), "recurrence-privacy"},
		{"the privacy of one, as all have it", daily, one("20260306T100000", calendar.Patch{Props: []calendar.PropEdit{{Name: "CLASS", Props: []ical.Property{{Name: "CLASS", Value: "PUBLIC"}}}}}), master + "\n--\nDTSTART;B:20260306T100000\nDTEND;B:20260306T110000\nRECURRENCE-ID;B:20260306T100000\nCLASS:PUBLIC"},
		{"an instance of what does not recur", zoned, one("20260304T100000", loc), "DTSTART;B:20260304T100000\nDTEND;B:20260304T110000\nLOCATION:x"},
		{"without a master", "", &calendar.EditItem{RID: *at("20260305T100000"), Scope: calendar.ThisInstance, Patch: calendar.Patch{Start: at("20260305T110000")}}, "DTSTART;B:20260305T110000\nRECURRENCE-ID;B:20260305T100000"},
		{"this and the future", zoned + "RRULE:FREQ=DAILY;COUNT=3\n", &calendar.EditItem{RID: *at("20260305T100000"), Scope: calendar.ThisAndFuture, Patch: loc}, "DTSTART;B:20260304T100000\nDTEND;B:20260304T110000\nRRULE:FREQ=DAILY;COUNT=3\n--\nDTSTART;B:20260305T100000\nDTEND;B:20260305T110000\nRECURRENCE-ID;B:20260305T100000\nLOCATION:x\n--\nDTSTART;B:20260306T100000\nDTEND;B:20260306T110000\nRECURRENCE-ID;B:20260306T100000\nLOCATION:x"},
		{"delete one", changed, gone("20260305T090000Z", calendar.ThisInstance), master + "\nEXDATE;B:20260305T100000"},
		{"delete none", daily, gone("20260305T080000Z", calendar.ThisInstance), "not-found"},
		{"delete all", changed, gone("20260305T080000Z", calendar.WholeSeries), "gone"},
		{"delete the only one", zoned, gone("20260304T090000Z", calendar.ThisInstance), "gone"},
		{"delete the last one", zoned + "RRULE:FREQ=DAILY;COUNT=2\nEXDATE:20260305T090000Z\n", gone("20260304T090000Z", calendar.ThisInstance), "gone"},
		{"delete this and the future", changed, gone("20260305T100000", calendar.ThisAndFuture), "DTSTART;B:20260304T100000\nDTEND;B:20260304T110000\nRRULE:FREQ=DAILY;UNTIL=20260305T085959Z"},
		{"delete the future of a rule that is over", zoned + "RRULE:FREQ=DAILY;COUNT=3\nRDATE;TZID=Europe/Berlin:20260401T100000\n", gone("20260401T100000", calendar.ThisAndFuture), "DTSTART;B:20260304T100000\nDTEND;B:20260304T110000\nRRULE:FREQ=DAILY;COUNT=3"},
		{"delete this and the past", zoned + "RRULE:FREQ=DAILY;COUNT=3\n", gone("20260305T100000", calendar.ThisAndPrior), "DTSTART;B:20260304T100000\nDTEND;B:20260304T110000\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE;B:20260304T100000\nEXDATE;B:20260305T100000"},
		{"delete a day", "DTSTART;VALUE=DATE:20260304\nRRULE:FREQ=DAILY;COUNT=3\n", gone("20260304T230000Z", calendar.ThisInstance), "DTSTART;VALUE=DATE:20260304\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE;VALUE=DATE:20260305"},
	} {
		t.Run(c.name, func(t *testing.T) { check(t, c.old, c.item, c.want) })
	}
}

// TestWCAP_7_8_AlarmEdits: one alarm of an action, with what others wrote.
func TestWCAP_7_8_AlarmEdits(t *testing.T) {
	const alarm = zoned + "BEGIN:VALARM\nACTION:DISPLAY\nDESCRIPTION:x\nTRIGGER:-PT1M\nX-KEEP:1\nEND:VALARM\n"
	const start = "DTSTART;B:20260304T100000\nDTEND;B:20260304T110000"
	quarter := &ical.Duration{Neg: true, Time: 15 * time.Minute}
	for _, c := range []struct {
		name, old string
		edits     []calendar.AlarmEdit
		want      string
	}{
		{"made", zoned, []calendar.AlarmEdit{{Action: "DISPLAY", Before: quarter}}, start + "\nDISPLAY -PT15M"},
		{"at a time", zoned, []calendar.AlarmEdit{{Action: "AUDIO", At: at("20260304T083000Z")}}, start + "\nAUDIO 20260304T083000Z"},
		{"at a time, of a series", daily, []calendar.AlarmEdit{{Action: "AUDIO", At: at("20260304T083000Z")}}, master + "\nAUDIO -PT30M"},
		{"changed", alarm, []calendar.AlarmEdit{{Action: "display", Before: quarter}}, start + "\nDISPLAY -PT15M"},
		{"removed", alarm, []calendar.AlarmEdit{{Action: "DISPLAY", Remove: true}}, start},
		{"of another action", alarm, []calendar.AlarmEdit{{Action: "EMAIL", Before: quarter, Attendees: []string{"mailto:a@b"}}}, start + "\nDISPLAY -PT1M\nEMAIL -PT15M"},
		{"mail to nobody named", zoned, []calendar.AlarmEdit{{Action: "EMAIL", Before: quarter}}, start + "\nEMAIL -PT15M"},
		{"mail to nobody", zoned, []calendar.AlarmEdit{{Action: "EMAIL", Before: quarter, Append: true}}, start},
		{"a text for none", zoned, []calendar.AlarmEdit{{Action: "DISPLAY", Description: new(string)}}, start},
	} {
		t.Run(c.name, func(t *testing.T) {
			check(t, c.old, &calendar.EditItem{Patch: calendar.Patch{Alarms: c.edits}}, c.want)
		})
	}
}

// TestRFC5546_2_1_4_Sequence: it rises when the meeting moves, not else, and
// never by an answer.
func TestRFC5546_2_1_4_Sequence(t *testing.T) {
	sequence := func(old string, it *calendar.EditItem) string {
		t.Helper()
		cal, _, err := editorFor().Store(text(t, old), "u", it)
		if err != nil {
			t.Fatal(err)
		}
		return components(cal)[0].Value("SEQUENCE")
	}
	meeting := zoned + "SEQUENCE:3\nORGANIZER:mailto:x@y.z\nATTENDEE:mailto:anna@example.com\n"
	own := zoned + "SEQUENCE:3\n"
	for _, c := range []struct {
		old  string
		it   calendar.EditItem
		want string
	}{
		{own, calendar.EditItem{Patch: calendar.Patch{Start: at("20260304T103000")}}, "4"},
		{own, calendar.EditItem{Patch: calendar.Patch{End: at("20260304T113000")}}, "4"},
		{own, calendar.EditItem{Patch: calendar.Patch{RRules: list("FREQ=DAILY;COUNT=2")}}, "4"},
		{own, calendar.EditItem{Patch: calendar.Patch{Start: at("20260304T100000")}}, "3"},
		{own, calendar.EditItem{Patch: calendar.Patch{Alarms: []calendar.AlarmEdit{{Action: "DISPLAY", Before: &ical.Duration{}}}}}, "3"},
		{own, calendar.EditItem{Role: calendar.AsCanceler}, "4"},
		{own, calendar.EditItem{Patch: calendar.Patch{Start: at("20260304T103000"), Props: []calendar.PropEdit{{Name: "SEQUENCE", Props: []ical.Property{{Name: "SEQUENCE", Value: "9"}}}}}}, "9"},
		{meeting, calendar.EditItem{Role: calendar.AsAttendee, Patch: calendar.Patch{Props: []calendar.PropEdit{{Name: "ATTENDEE", Props: []ical.Property{{Name: "ATTENDEE", Value: "mailto:Anna@example.com"}}}}}}, "3"},
	} {
		if got := sequence(c.old, &c.it); got != c.want {
			t.Errorf("%+v: %s, want %s", c.it, got, c.want)
		}
	}
}

// FuzzEdit edits texts as they come; what comes out can be stored.
func FuzzEdit(f *testing.F) {
	f.Add(string(text(&testing.T{}, changed).Bytes()), "20260305T090000Z", uint8(1), "FREQ=WEEKLY;COUNT=3", "20260304T100000Z")
	f.Add(string(text(&testing.T{}, daily).Bytes()), "20260305", uint8(6), "FREQ=DAILY;UNTIL=20260308", "20260308")
	f.Add("", "0", uint8(0), "", "20260304T100000")
	f.Fuzz(func(t *testing.T, old, rid string, how uint8, rule, start string) {
		e := editorFor()
		var cal *ical.Component
		if old != "" {
			var err error
			if cal, err = ical.Parse([]byte(old), ical.Limits{MaxBytes: 64 << 10}); err != nil {
				return
			}
			comps, err := object.Components(cal)
			if err != nil || ical.FirstError(ical.Validate(cal)) != nil {
				return
			}
			if _, err := recur.Compile(comps, recur.ZonesOf(cal)); err != nil {
				return
			}
			e.Component = comps[0].Name
		}
		it := &calendar.EditItem{Scope: calendar.EditScope(how & 3), Mode: calendar.EditMode(how >> 2 & 3), Role: calendar.EditRole(how >> 4 % 5)}
		if d, err := ical.ParseDateTime(rid, "", false); err == nil {
			it.RID = d
		}
		if rule != "" {
			it.Patch.RRules = &[]string{rule}
		}
		if d, err := ical.ParseDateTime(start, "", false); err == nil {
			if d.Kind == ical.Floating {
				d.Kind, d.TZID = ical.Zoned, "Europe/Berlin"
			}
			it.Patch.Start = &d
		}
		var got *ical.Component
		var err error
		if it.Mode == calendar.EditDelete && cal != nil {
			got, err = e.Remove(cal, it)
		} else {
			got, _, err = e.Store(cal, "u", it)
		}
		if err != nil || got == nil {
			return
		}
		again, err := ical.Parse(got.Bytes(), ical.Limits{})
		if err != nil || !ical.Equal(got, again) {
			t.Fatalf("%v\n%s", err, got.Bytes())
		}
		if _, err := object.Components(got); err != nil {
			t.Fatalf("%v\n%s", err, got.Bytes())
		}
	})
}

// TestRFC5545_3_8_5_3_EndInARepeatedHour: the override of an instance that ends
// in an hour that the clock shows twice lasts as long as the instance.
func TestRFC5545_3_8_5_3_EndInARepeatedHour(t *testing.T) {
	old := "DTSTART;TZID=Europe/Berlin:20261021T030000\nDTEND;TZID=Europe/Berlin:20261022T030000\nRRULE:FREQ=DAILY;COUNT=9\n"
	it := &calendar.EditItem{RID: *at("20261024T030000"), Scope: calendar.ThisInstance, Patch: calendar.Patch{Props: []calendar.PropEdit{{Name: "LOCATION", Props: []ical.Property{{Name: "LOCATION", Value: "x"}}}}}}
	check(t, old, it, strings.ReplaceAll(strings.TrimSuffix(old, "\n"), "TZID=Europe/Berlin", "B")+
		"\n--\nDTSTART;B:20261024T030000\nRECURRENCE-ID;B:20261024T030000\nDURATION:PT24H\nLOCATION:x")
}
