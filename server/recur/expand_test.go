package recur

import (
	"strings"
	"testing"
	"time"

	"factotum/server/ical"
)

func TestRFC4791_9_6_5_Expand(t *testing.T) {
	s := setOf(t, event("DTSTART;TZID=Europe/Berlin:20200327T100000", "DURATION:P1D", "RRULE:FREQ=DAILY;COUNT=4",
		"EXDATE;TZID=Europe/Berlin:20200328T100000", "X-SEEN;TZID=Europe/Berlin:20200101T000000", "SUMMARY:m")+
		event("RECURRENCE-ID;TZID=Europe/Berlin:20200330T100000", "DTSTART;TZID=America/New_York:20200330T100000",
			"DTEND;TZID=America/New_York:20200330T110000", "SUMMARY:o"))
	list, err := expand(t, s, at(t, "20200328T000000Z"), at(t, "20200501T000000Z"), nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range list {
		var line []string
		for _, name := range []string{"DTSTART", "DTEND", "RECURRENCE-ID", "SUMMARY"} {
			line = append(line, c.Value(name))
		}
		got = append(got, strings.Join(line, " "))
		if text := string(c.Bytes()); strings.Contains(text, "TZID") || strings.Contains(text, "RRULE") || strings.Contains(text, "EXDATE") || strings.Contains(text, "DURATION") {
			t.Errorf("left over in\n%s", text)
		}
	}
	want := `20200327T090000Z 20200328T090000Z 20200327T090000Z m
20200329T080000Z 20200330T080000Z 20200329T080000Z m
20200330T140000Z 20200330T150000Z 20200330T080000Z o`
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	if len(s.master.comp.Props) != 8 || s.master.comp.Value("RRULE") == "" {
		t.Error("expanding changed the master")
	}
}

func TestExpandKeepsDatesAndFloating(t *testing.T) {
	for body, want := range map[string]string{
		event("DTSTART;VALUE=DATE:20200328", "RRULE:FREQ=DAILY;COUNT=2"):                 "DTSTART;VALUE=DATE:20200329\r\nRECURRENCE-ID;VALUE=DATE:20200329\r\n",
		event("DTSTART:20200328T230000", "RRULE:FREQ=DAILY;COUNT=2"):                     "DTSTART:20200329T230000\r\nRECURRENCE-ID:20200329T230000\r\n",
		event("DTSTART;TZID=Europe/Berlin:20200329T230000", "DTEND:20200329T220000Z"):    "DTSTART:20200329T210000Z\r\nDTEND:20200329T220000Z\r\n",
		"BEGIN:VTODO\nUID:1\nDUE:20200328T230000\nRRULE:FREQ=DAILY;COUNT=2\nEND:VTODO\n": "DUE:20200329T230000\r\nRECURRENCE-ID:20200329T230000\r\n",
	} {
		s := setOf(t, body)
		list, err := expand(t, s, at(t, "20200329T120000Z"), at(t, ""), zone(t, "Europe/Berlin"))
		if err != nil || len(list) != 1 || !strings.Contains(string(list[0].Bytes()), want) {
			t.Errorf("%s: %d components, %v\n%s", body, len(list), err, list[0].Bytes())
		}
	}
}

func TestRFC4791_9_6_6_LimitRecurrenceSet(t *testing.T) {
	s := setOf(t, event("DTSTART:20200101T100000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY", "SUMMARY:m")+
		event("RECURRENCE-ID:20200105T100000Z", "DTSTART:20200205T100000Z", "SUMMARY:moved away")+
		event("RECURRENCE-ID:20200210T100000Z", "DTSTART:20200105T180000Z", "SUMMARY:moved in")+
		event("RECURRENCE-ID:20200107T100000Z", "DTSTART:20200107T120000Z", "SUMMARY:elsewhere")+
		event("RECURRENCE-ID;RANGE=THISANDFUTURE:20200301T100000Z", "DTSTART:20200301T120000Z", "SUMMARY:from March"))
	for win, want := range map[string]string{
		"20200105T000000Z 20200106T000000Z": "m,moved away,moved in",
		"20200107T000000Z 20200108T000000Z": "m,elsewhere",
		"20200401T115500Z 20200401T130000Z": "m,from March",
		"20200401T100000Z 20200401T103000Z": "m,from March", // the original time of one it extends to
	} {
		from, to, _ := strings.Cut(win, " ")
		list, err := s.LimitRecurrenceSet(t.Context(), at(t, from), at(t, to), nil, Budget{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range list {
			got = append(got, c.Value("SUMMARY"))
		}
		if strings.Join(got, ",") != want {
			t.Errorf("%s: %v, want %s", win, got, want)
		}
	}
}

// expanded spells what expanding an object shows of its times.
func expanded(t *testing.T, body, from, to string, float Zone) string {
	t.Helper()
	list, err := expand(t, setOf(t, body), at(t, from), at(t, to), float)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, c := range list {
		var line []string
		for _, name := range []string{"DTSTART", "DTEND", "DUE", "DURATION", "RECURRENCE-ID"} {
			for p := range c.All(name) {
				line = append(line, map[string]string{"DTSTART": "", "DTEND": "-", "DUE": "due ", "DURATION": "+", "RECURRENCE-ID": "of "}[name]+p.Value)
			}
		}
		out = append(out, strings.Join(line, " "))
	}
	return strings.Join(out, ", ")
}

// An RDATE that is a period has its own length, however the master says its
// own. RFC 5545 §3.8.5.2.
func TestRFC5545_3_8_5_2_ExpandedPeriods(t *testing.T) {
	todo := func(lines string) string { return "BEGIN:VTODO\nUID:1\n" + lines + "\nEND:VTODO\n" }
	for _, c := range []struct{ name, body, want string }{
		{"DTEND", event("DTSTART:20260301T090000Z", "DTEND:20260301T100000Z", "RDATE;VALUE=PERIOD:20260302T090000Z/PT3H"),
			"20260301T090000Z -20260301T100000Z of 20260301T090000Z, 20260302T090000Z -20260302T120000Z of 20260302T090000Z"},
		{"DURATION", event("DTSTART:20260301T090000Z", "DURATION:PT1H", "RDATE;VALUE=PERIOD:20260302T090000Z/20260302T120000Z"),
			"20260301T090000Z +PT1H of 20260301T090000Z, 20260302T090000Z -20260302T120000Z of 20260302T090000Z"},
		{"no end", event("DTSTART:20260301T090000Z", "RDATE;VALUE=PERIOD:20260302T090000Z/PT3H"),
			"20260301T090000Z of 20260301T090000Z, 20260302T090000Z -20260302T120000Z of 20260302T090000Z"},
		{"days of a zone", event("DTSTART;TZID=Europe/Berlin:20260327T090000", "DURATION:PT1H", "RDATE;VALUE=PERIOD;TZID=Europe/Berlin:20260328T120000/P1D"),
			"20260327T080000Z +PT1H of 20260327T080000Z, 20260328T110000Z -20260329T100000Z of 20260328T110000Z"},
		{"floating", event("DTSTART:20260327T090000", "DURATION:PT1H", "RDATE;VALUE=PERIOD:20260328T220000/20260329T040000"),
			"20260327T090000 +PT1H of 20260327T090000, 20260328T220000 -20260329T040000 of 20260328T220000"},
		{"all-day", event("DTSTART;VALUE=DATE:20260301", "RDATE;VALUE=PERIOD:20260305T000000Z/PT3H,20260310T000000Z/P2D"),
			"20260301 of 20260301, 20260305 -20260306 of 20260305, 20260310 -20260312 of 20260310"},
		{"a task with DURATION", todo("DTSTART:20260301T090000Z\nDURATION:PT1H\nRDATE;VALUE=PERIOD:20260302T090000Z/PT3H"),
			"20260301T090000Z +PT1H of 20260301T090000Z, 20260302T090000Z due 20260302T120000Z of 20260302T090000Z"},
		{"a task with DUE", todo("DTSTART:20260301T090000Z\nDUE:20260301T100000Z\nRDATE;VALUE=PERIOD:20260302T090000Z/PT3H"),
			"20260301T090000Z due 20260301T100000Z of 20260301T090000Z, 20260302T090000Z due 20260302T120000Z of 20260302T090000Z"},
		{"a task with a start alone", todo("DTSTART:20260301T090000Z\nRDATE;VALUE=PERIOD:20260302T090000Z/PT3H"),
			"20260301T090000Z of 20260301T090000Z, 20260302T090000Z due 20260302T120000Z of 20260302T090000Z"},
		{"a task that is only due", todo("DUE:20260301T090000Z\nRDATE;VALUE=PERIOD:20260302T090000Z/PT3H"),
			"due 20260301T090000Z of 20260301T090000Z, due 20260302T090000Z of 20260302T090000Z"},
		{"a journal", "BEGIN:VJOURNAL\nUID:1\nDTSTART:20260301T090000Z\nRDATE;VALUE=PERIOD:20260302T090000Z/PT3H\nEND:VJOURNAL\n",
			"20260301T090000Z of 20260301T090000Z, 20260302T090000Z of 20260302T090000Z"},
		{"on an instance of the rule", event("DTSTART:20260301T090000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=2", "RDATE;VALUE=PERIOD:20260302T090000Z/PT3H"),
			"20260301T090000Z +PT1H of 20260301T090000Z, 20260302T090000Z -20260302T120000Z of 20260302T090000Z"},
	} {
		if got := expanded(t, c.body, "", "", zone(t, "Europe/Berlin")); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
	// And in the range that it reaches into.
	s := setOf(t, todo("DTSTART:20260301T090000Z\nRDATE;VALUE=PERIOD:20260302T090000Z/PT3H"))
	for win, want := range map[string]string{"20260302T113000Z 20260302T114000Z": "0302T0900+3h", "20260302T120000Z 20260302T130000Z": "", "20260301T093000Z 20260301T094000Z": ""} {
		from, to, _ := strings.Cut(win, " ")
		if got := starts(t, s, from, to, nil); got != want {
			t.Errorf("a task in %s: %q, want %q", win, got, want)
		}
	}
}

// What has no zone is shown as it stands, whoever looks: also times and days
// that the viewer's clocks do not show. RFC 4791 §9.6.5.
func TestRFC4791_9_6_5_FloatingStands(t *testing.T) {
	todo := func(lines string) string { return "BEGIN:VTODO\nUID:1\n" + lines + "\nEND:VTODO\n" }
	for _, c := range []struct{ name, zone, body, want string }{
		{"over the clocks put forward", "Europe/Berlin", event("DTSTART:20260328T220000", "DTEND:20260329T040000"), "20260328T220000 -20260329T040000"},
		{"over the clocks put back", "Europe/Berlin", event("DTSTART:20261024T220000", "DTEND:20261025T040000"), "20261024T220000 -20261025T040000"},
		{"a time in the gap", "Europe/Berlin", event("DTSTART:20260329T023000", "DTEND:20260329T024500"), "20260329T023000 -20260329T024500"},
		{"an end in the gap", "Europe/Berlin", event("DTSTART:20260329T013000", "DTEND:20260329T024500"), "20260329T013000 -20260329T024500"},
		{"the second time that it is so", "Europe/Berlin", event("DTSTART:20261025T013000", "DTEND:20261025T023000"), "20261025T013000 -20261025T023000"},
		{"a series over the gap", "Europe/Berlin", event("DTSTART:20260328T023000", "DTEND:20260328T033000", "RRULE:FREQ=DAILY;COUNT=3"),
			"20260328T023000 -20260328T033000 of 20260328T023000, 20260329T023000 -20260329T033000 of 20260329T023000, 20260330T023000 -20260330T033000 of 20260330T023000"},
		{"two times of a series, one moment", "Europe/Berlin", event("DTSTART:20260329T023000", "RRULE:FREQ=HOURLY;COUNT=2"),
			"20260329T023000 of 20260329T023000, 20260329T033000 of 20260329T033000"},
		{"a day that is skipped", "Pacific/Apia", event("DTSTART;VALUE=DATE:20111230"), "20111230"},
		{"a day that is skipped, with its end", "Pacific/Apia", event("DTSTART;VALUE=DATE:20111230", "DTEND;VALUE=DATE:20111231"), "20111230 -20111231"},
		{"days, one of them skipped", "Pacific/Apia", event("DTSTART;VALUE=DATE:20111229", "DTEND;VALUE=DATE:20111230", "RRULE:FREQ=DAILY;COUNT=3"),
			"20111229 -20111230 of 20111229, 20111230 -20111231 of 20111230, 20111231 -20120101 of 20111231"},
		{"a task", "Europe/Berlin", todo("DTSTART:20260328T220000\nDUE:20260329T023000"), "20260328T220000 due 20260329T023000"},
		{"a task that is due in the gap", "Europe/Berlin", todo("DUE:20260329T023000"), "due 20260329T023000"},
		{"a journal", "Europe/Berlin", "BEGIN:VJOURNAL\nUID:1\nDTSTART:20260329T023000\nEND:VJOURNAL\n", "20260329T023000"},
		{"a zone that nobody knows", "Europe/Berlin", event("DTSTART;TZID=X:20260328T220000", "DTEND;TZID=X:20260329T023000"), "20260328T220000 -20260329T023000"},
		{"THISANDFUTURE", "Europe/Berlin", event("DTSTART:20260327T090000", "DTEND:20260327T100000", "RRULE:FREQ=DAILY;COUNT=3") +
			event("RECURRENCE-ID;RANGE=THISANDFUTURE:20260328T090000", "DTSTART:20260328T023000", "DTEND:20260328T033000"),
			"20260327T090000 -20260327T100000 of 20260327T090000, 20260328T023000 -20260328T033000 of 20260328T090000, 20260329T023000 -20260329T033000 of 20260329T090000"},
		{"DURATION", "Europe/Berlin", event("DTSTART:20260328T220000", "DURATION:P1DT2H"), "20260328T220000 +P1DT2H"},
		{"hours of a day", "Europe/Berlin", event("DTSTART;VALUE=DATE:20260328", "DURATION:PT12H"), "20260328 -20260329"},
		{"hours of days", "Europe/Berlin", event("DTSTART;VALUE=DATE:20260328", "DURATION:P1DT1H"), "20260328 -20260330"},
		{"a task of hours of a day", "Europe/Berlin", todo("DTSTART;VALUE=DATE:20260328\nDURATION:PT36H"), "20260328 due 20260330"},
		{"less than nothing", "Europe/Berlin", event("DTSTART:20260328T220000", "DURATION:-PT1H"), "20260328T220000 -20260328T220000"},
		{"less than no day", "Europe/Berlin", event("DTSTART;VALUE=DATE:20260328", "DURATION:-P1D"), "20260328 -20260329"},
	} {
		for _, name := range []string{c.zone, "UTC"} {
			if got := expanded(t, c.body, "", "", zone(t, name)); got != c.want {
				t.Errorf("%s, seen in %s:\n got %s\nwant %s", c.name, name, got, c.want)
			}
		}
	}
}

// An override alone knows its original start by its own zone, and other values
// go by the zones of the object.
func TestRFC4791_9_6_5_ExpandedZones(t *testing.T) {
	const custom = "BEGIN:VTIMEZONE\nTZID:Custom\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0300\nTZOFFSETTO:+0300\nEND:STANDARD\nEND:VTIMEZONE\n"
	for _, c := range []struct{ name, body, want string }{
		{"alone, of another zone", event("RECURRENCE-ID;TZID=America/New_York:20260301T090000", "DTSTART;TZID=Europe/Berlin:20260301T170000"), "20260301T160000Z of 20260301T140000Z"},
		{"alone, DTSTART in UTC", event("RECURRENCE-ID;TZID=America/New_York:20260301T090000", "DTSTART:20260301T170000Z"), "20260301T170000Z of 20260301T140000Z"},
		{"alone, DTSTART floating", event("RECURRENCE-ID;TZID=America/New_York:20260301T090000", "DTSTART:20260301T170000"), "20260301T170000 of 20260301T140000Z"},
		{"alone, without a zone", event("RECURRENCE-ID:20260301T090000", "DTSTART;TZID=Europe/Berlin:20260301T170000"), "20260301T160000Z of 20260301T090000"},
		{"alone, of a zone of its own", custom + event("RECURRENCE-ID;TZID=Custom:20260301T090000", "DTSTART;TZID=Europe/Berlin:20260301T170000"), "20260301T160000Z of 20260301T060000Z"},
		{"alone, of an unknown one", event("RECURRENCE-ID;TZID=X:20260301T090000", "DTSTART;TZID=Europe/Berlin:20260301T170000"), "20260301T160000Z of 20260301T090000"},
		{"of a series of another zone", event("DTSTART;TZID=Europe/Berlin:20260301T090000", "RRULE:FREQ=DAILY;COUNT=1") + event("RECURRENCE-ID;TZID=America/New_York:20260301T030000", "DTSTART:20260301T170000Z"),
			"20260301T170000Z of 20260301T080000Z"},
	} {
		if got := expanded(t, c.body, "", "", zone(t, "Asia/Tokyo")); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
	s := setOf(t, custom+event("DTSTART;TZID=Custom:20260301T090000", "X-SEEN;TZID=Custom:20260301T090000"))
	if list, err := expand(t, s, at(t, ""), at(t, ""), nil); err != nil || list[0].Value("X-SEEN") != "20260301T060000Z" {
		t.Errorf("%v\n%s", err, list[0].Bytes())
	}
	// limit-recurrence-set looks at the original time of one that is alone.
	s = setOf(t, event("RECURRENCE-ID;TZID=America/New_York:20260301T090000", "DTSTART;TZID=Europe/Berlin:20260401T170000", "DURATION:PT1H"))
	for win, want := range map[string]int{"20260301T140000Z 20260301T141000Z": 1, "20260301T080000Z 20260301T081000Z": 0, "20260401T150000Z 20260401T151000Z": 1} {
		from, to, _ := strings.Cut(win, " ")
		if list, err := s.LimitRecurrenceSet(t.Context(), at(t, from), at(t, to), nil, Budget{}); err != nil || len(list) != want {
			t.Errorf("in %s: %d, %v", win, len(list), err)
		}
	}
}

// An hour that the clocks show twice: an RDATE in UTC may name its second pass.
func TestRFC5545_3_3_5_SecondPass(t *testing.T) {
	const berlin = ";TZID=Europe/Berlin:"
	for _, c := range []struct{ name, body, want string }{
		{"a date", event("DTSTART"+berlin+"20241001T120000", "DURATION:PT1H", "RDATE:20241027T013000Z"),
			"20241001T100000Z +PT1H of 20241001T100000Z, 20241027T013000Z +PT1H of 20241027T013000Z"},
		{"both", event("DTSTART"+berlin+"20241001T120000", "DURATION:PT1H", "RDATE:20241027T013000Z,20241027T003000Z"),
			"20241001T100000Z +PT1H of 20241001T100000Z, 20241027T003000Z +PT1H of 20241027T003000Z, 20241027T013000Z +PT1H of 20241027T013000Z"},
		{"beside the rule, in order", event("DTSTART"+berlin+"20241026T023000", "DURATION:PT1H", "RRULE:FREQ=DAILY;BYMINUTE=30,45;COUNT=4", "RDATE:20241027T013000Z"),
			"20241026T003000Z +PT1H of 20241026T003000Z, 20241026T004500Z +PT1H of 20241026T004500Z, 20241027T003000Z +PT1H of 20241027T003000Z, 20241027T004500Z +PT1H of 20241027T004500Z, 20241027T013000Z +PT1H of 20241027T013000Z"},
		{"a period", event("DTSTART"+berlin+"20241001T120000", "DURATION:PT1H", "RDATE;VALUE=PERIOD:20241027T013000Z/PT3H"),
			"20241001T100000Z +PT1H of 20241001T100000Z, 20241027T013000Z -20241027T043000Z of 20241027T013000Z"},
		{"taken out", event("DTSTART"+berlin+"20241001T120000", "DURATION:PT1H", "RDATE:20241027T013000Z,20241027T003000Z", "EXDATE:20241027T013000Z"),
			"20241001T100000Z +PT1H of 20241001T100000Z, 20241027T003000Z +PT1H of 20241027T003000Z"},
		{"moved", event("DTSTART"+berlin+"20241001T120000", "DURATION:PT1H", "RDATE:20241027T013000Z,20241027T003000Z") + event("RECURRENCE-ID:20241027T013000Z", "DTSTART:20241028T000000Z"),
			"20241001T100000Z +PT1H of 20241001T100000Z, 20241027T003000Z +PT1H of 20241027T003000Z, 20241028T000000Z of 20241027T013000Z"},
		{"by the wall clock it is the first", event("DTSTART"+berlin+"20241001T120000", "DURATION:PT1H", "RDATE"+berlin+"20241027T023000"),
			"20241001T100000Z +PT1H of 20241001T100000Z, 20241027T003000Z +PT1H of 20241027T003000Z"},
	} {
		if got := expanded(t, c.body, "", "", nil); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
	s := setOf(t, event("DTSTART"+berlin+"20241001T120000", "RDATE:20241027T013000Z,20241027T003000Z"))
	for _, rid := range []string{"20241027T013000Z", "20241027T003000Z"} {
		d, err := ical.ParseDateTime(rid, "", false)
		if err != nil {
			t.Fatal(err)
		}
		in, ok := s.Instance(d)
		if !ok || !in.Start.Equal(at(t, rid)) || s.OriginalStart(in, nil) != d {
			t.Errorf("%s names %v %v, original start %v", rid, in.Start, ok, s.OriginalStart(in, nil))
		}
		if again, ok := s.Instance(in.RecurrenceID); !ok || !again.Start.Equal(in.Start) {
			t.Errorf("%v names %v", in.RecurrenceID, again.Start)
		}
	}
}

// expand expands a set, and parses what it wrote.
func expand(t *testing.T, s *Set, from, to time.Time, float Zone) ([]*ical.Component, error) {
	t.Helper()
	text, err := s.AppendExpanded(t.Context(), []byte("BEGIN:VCALENDAR\r\n"), from, to, float, Budget{}, nil)
	if err != nil {
		return nil, err
	}
	cal, err := ical.Parse(append(text, "END:VCALENDAR\r\n"...), ical.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return cal.Children, nil
}
