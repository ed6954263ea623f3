package object

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// rules are those of anna's calendar, with small limits.
var rules = Rules{Owner: "anna", Components: []string{"VEVENT", "VTODO"}, Limits: func() calendar.Limits {
	l := calendar.Limits{ObjectSize: 4000, PlainMaxSize: 1000, Attendees: 2}.WithDefaults()
	l.MinDate, l.MaxDate = l.MinDate.AddDate(1969, 0, 0), l.MinDate.AddDate(2049, 0, 0)
	return l
}()}

// TestRFC4791_4_1_Resources: what may be stored, and how a refusal is told.
// RFC 4791 §5.3.2.1.
func TestRFC4791_4_1_Resources(t *testing.T) {
	const one = "VEVENT\nUID:u\nDTSTART:20260105T090000Z"
	const series = one + "\nRRULE:FREQ=DAILY;COUNT=3"
	for _, c := range []struct {
		name string
		data []byte
		want string // the reason, or else the kind; "" = taken
	}{
		{"an event", textOf(one), ""},
		{"a task", textOf("VTODO\nUID:u"), ""},
		{"a series with an override", textOf(series, "VEVENT\nUID:u\nRECURRENCE-ID:20260106T090000Z\nDTSTART:20260106T100000Z"), ""},
		{"overrides alone", textOf("VEVENT\nUID:u\nRECURRENCE-ID:20260106T090000Z\nDTSTART:20260106T100000Z", "VEVENT\nUID:u\nRECURRENCE-ID:20260107T090000Z\nDTSTART:20260107T100000Z"), ""},
		{"a zone", textOf(berlin, "VEVENT\nUID:u\nDTSTART;TZID=Europe/Berlin:20260105T090000"), ""},
		{"not iCalendar", []byte("hello"), "valid-calendar-data"},
		{"no component", textOf(berlin), "valid-calendar-object-resource"},
		{"a METHOD", []byte(strings.Replace(string(textOf(one)), "PRODID:x", "PRODID:x\r\nMETHOD:REQUEST", 1)), "valid-calendar-object-resource"},
		{"two types", textOf(one, "VTODO\nUID:u"), "valid-calendar-object-resource"},
		{"two UIDs", textOf(one, "VEVENT\nUID:v\nDTSTART:20260105T090000Z"), "valid-calendar-object-resource"},
		{"no UID", textOf("VEVENT\nDTSTART:20260105T090000Z"), "valid-calendar-object-resource"},
		{"a blank UID", textOf("VEVENT\nUID: \nDTSTART:20260105T090000Z"), "valid-calendar-object-resource"},
		{"a long UID", textOf("VEVENT\nUID:" + strings.Repeat("u", 1025) + "\nDTSTART:20260105T090000Z"), "valid-calendar-object-resource"},
		{"two masters", textOf(one, one), "valid-calendar-object-resource"},
		{"no start", textOf("VEVENT\nUID:u"), "valid-calendar-data"},
		{"a rule that is none", textOf(one + "\nRRULE:FREQ=NEVER"), "valid-calendar-data"},
		{"another version", []byte(strings.Replace(string(textOf(one)), "VERSION:2.0", "VERSION:1.0", 1)), "supported-calendar-data"},
		{"a journal", textOf("VJOURNAL\nUID:u"), "supported-calendar-component"},
		{"too large", textOf(one + "\nSUMMARY:" + strings.Repeat("x", 4000)), "max-resource-size"},
		{"three attendees", textOf(one + "\nORGANIZER:mailto:o@x\nATTENDEE:mailto:a@x\nATTENDEE:mailto:b@x\nATTENDEE:mailto:c@x"), "max-attendees-per-instance"},
		{"too early", textOf("VEVENT\nUID:u\nDTSTART:19691231T090000Z"), "min-date-time"},
		{"too late", textOf("VEVENT\nUID:u\nDTSTART:20500105T090000Z"), "max-date-time"},
		{"the second too late", textOf("VEVENT\nUID:u\nDTSTART:20491230T090000Z\nRRULE:FREQ=WEEKLY;COUNT=2"), "max-date-time"},
		{"without end", textOf(one + "\nRRULE:FREQ=DAILY"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse(rules, c.data, "")
			got := ""
			if err != nil {
				got = string(calendar.ReasonOf(err))
			}
			if got != c.want {
				t.Errorf("%q, want %q: %v", got, c.want, err)
			}
		})
	}
}

// TestParseFiles: files are what they are, up to their size; where clients store
// nothing, nothing is stored.
func TestParseFiles(t *testing.T) {
	files := rules
	files.Kind = calendar.PlainCollection
	res, err := Parse(files, []byte("hello"), "")
	if err != nil || res.ContentType != "application/octet-stream" || res.UID != "" || res.Calendar != nil {
		t.Errorf("%+v, %v", res, err)
	}
	if res, err = Parse(files, textOf("VEVENT\nUID:u"), "text/calendar"); err != nil || res.ContentType != "text/calendar" || res.Calendar != nil {
		t.Errorf("%+v, %v", res, err)
	}
	if _, err := Parse(files, make([]byte, 1001), ""); calendar.KindOf(err) != calendar.TooLarge {
		t.Errorf("1001 octets: %v", err)
	}
	nothing := rules
	nothing.Kind = calendar.NotificationCollection
	if _, err := Parse(nothing, []byte("hello"), ""); calendar.KindOf(err) != calendar.Denied {
		t.Errorf("where nothing is stored: %v", err)
	}
}

// TestParsed: what a write is told of an object.
func TestParsed(t *testing.T) {
	for _, c := range []struct {
		name      string
		comps     []string
		class     uint8
		scheduled bool
	}{
		{"public by default, RFC 5545 §3.8.1.3", []string{"VEVENT\nUID:u\nDTSTART:20260105T090000Z"}, 0, false},
		{"private", []string{"VEVENT\nUID:u\nDTSTART:20260105T090000Z\nCLASS:private"}, 1, false},
		{"confidential", []string{"VEVENT\nUID:u\nDTSTART:20260105T090000Z\nCLASS:CONFIDENTIAL"}, 2, false},
		{"an unknown class", []string{"VEVENT\nUID:u\nDTSTART:20260105T090000Z\nCLASS:X-SECRET"}, 1, false},
		{"the closest of all components", []string{"VEVENT\nUID:u\nDTSTART:20260105T090000Z\nRRULE:FREQ=DAILY;COUNT=3", "VEVENT\nUID:u\nRECURRENCE-ID:20260106T090000Z\nDTSTART:20260106T100000Z\nCLASS:CONFIDENTIAL", "VEVENT\nUID:u\nRECURRENCE-ID:20260107T090000Z\nDTSTART:20260107T100000Z\nCLASS:PRIVATE"}, 2, false},
		{"an organizer, RFC 6638 §3.1", []string{"VEVENT\nUID:u\nDTSTART:20260105T090000Z\nORGANIZER:mailto:a@x"}, 0, true},
		{"attendees", []string{"VEVENT\nUID:u\nDTSTART:20260105T090000Z\nORGANIZER:mailto:a@x\nATTENDEE:mailto:b@x"}, 0, true},
	} {
		res, err := Parse(rules, textOf(c.comps...), "text/calendar")
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if res.UID != "u" || res.Component != "VEVENT" || res.Class != c.class || res.Scheduled != c.scheduled || res.ContentType != "" {
			t.Errorf("%s: %+v", c.name, res)
		}
	}
}

// TestRFC8607_Attachments: files of the owner that a text names, each once,
// also from alarms; addresses of others are addresses.
func TestRFC8607_Attachments(t *testing.T) {
	const at = "ATTACH:https://cal.example.com/dav/attachments/"
	data := textOf("VEVENT\nUID:u\nDTSTART:20260105T090000Z\nRRULE:FREQ=DAILY;COUNT=3\n"+at+"anna/one\n"+at+"anna/one\n"+at+"ben/other\n"+at+"anna/\n"+at+"anna/x/y\nATTACH:https://example.com/anna/two\n"+
		"ATTACH;ENCODING=BASE64;VALUE=BINARY:eA==\nBEGIN:VALARM\nACTION:AUDIO\nTRIGGER:-PT5M\n"+at+"anna/sound\nEND:VALARM",
		"VEVENT\nUID:u\nRECURRENCE-ID:20260106T090000Z\nDTSTART:20260106T100000Z\nATTACH:/dav/attachments/anna/three")
	cal, err := ical.Parse(data, ical.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"one", "sound", "three"}, Attachments(cal, "anna")); d != "" {
		t.Error(d)
	}
}

// TestRealFeeds: what programs write against RFC 5545, and can only be meant one
// way, is taken and found; the text stays. What may mean two things is refused.
func TestRealFeeds(t *testing.T) {
	const start = "VEVENT\nUID:u\nDTSTART:20260105T090000Z\n"
	for lines, want := range map[string]string{
		start + "DURATION:P1DT":                                              "0105T0900 0106T0900",
		start + "DURATION:P":                                                 "0105T0900 0105T0900",
		start + "DURATION:PT":                                                "0105T0900 0105T0900",
		start + "DURATION:-PT0S":                                             "0105T0900 0105T0900",
		start + "DTEND;VALUE=DATE:20260106":                                  "0105T0900 0106T0000",
		start + "DURATION:PT1H\nRDATE:20260107Z":                             "0105T0900 0105T1000, 0107T0900 0107T1000",
		start + "RDATE;VALUE=PERIOD:20260107T090000Z/-PT0S":                  "0105T0900 0105T0900, 0107T0900 0107T0900",
		"VEVENT\nUID:u\nDTSTART:20260105Z":                                   "0105T0000 0106T0000 floating day",
		"VEVENT\nUID:u\nDTSTART;VALUE=DATE:20260105\nDTEND:20260106T120000Z": "0105T0000 0107T0000 floating day",
		"VEVENT\nUID:u\nDTSTART;VALUE=DATE:20260105T090000Z\nDTEND;VALUE=DATE:20260105T100000Z":       "0105T0900 0105T1000",
		"VEVENT\nUID:u\nDTSTART;VALUE=DATE:20260105T000000\nDTEND;VALUE=DATE:20260106T000000":         "0105T0000 0106T0000 floating day",
		"VEVENT\nUID:u\nDTSTART;TZID=GMT+05:30:20260105T090000\nDTEND;TZID=GMT+05:30:20260105T100000": "0105T0330 0105T0430",
		"VEVENT\nUID:u\nDTSTART;TZID=UTC+05:30:20260105T090000\nDURATION:PT1H":                        "0105T0330 0105T0430",
		start + "BEGIN:VALARM\nACTION:DISPLAY\nTRIGGER:20260105T080000Z\nDESCRIPTION:x\nEND:VALARM":   "0105T0900 0105T0900",
		"VTODO\nUID:u\nDTSTART:20260105T090000Z\nDUE;VALUE=DATE:20260107":                             "ever ever free todo",
		"VTODO\nUID:u\nDTSTART;VALUE=DATE:20260105\nDUE:20260107T090000Z\nPERCENT-COMPLETE:50 ":       "ever ever free todo",
		start + "DURATION:1D":                          "refused",
		start + "DURATION:P1":                          "refused",
		start + "DTEND:20260105T1000":                  "refused",
		start + "DTEND;TZID=GMT+05:30:tomorrow":        "refused",
		start + "RDATE:201301Z":                        "refused",
		"VEVENT\nUID:u\nDTSTART;VALUE=DATE:2026-01-05": "refused",
	} {
		data := textOf(lines)
		res, err := Parse(rules, data, "text/calendar")
		got := "refused"
		if err == nil {
			var rows []string
			for _, r := range res.Occurrences {
				rows = append(rows, spell(r))
			}
			got = strings.Join(rows, ", ")
			if string(res.Data) != string(data) {
				t.Errorf("%s: the text was changed", lines)
			}
		}
		if got != want {
			t.Errorf("%s: %s (%v), want %s", lines, got, err, want)
		}
	}
	if _, err := Parse(rules, []byte(strings.Replace(string(textOf(start+"SUMMARY:x")), "VERSION:2.0", "VERSION:2.0 ", 1)), "text/calendar"); err != nil {
		t.Errorf("VERSION with a blank: %v", err)
	}
}
