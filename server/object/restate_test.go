package object

import (
	"reflect"
	"strings"
	"testing"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// TestRestateIsJudge: whatever the server changed, the result is that of judging
// it anew.
func TestRestateIsJudge(t *testing.T) {
	const text = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:m\r\nDTSTAMP:20260101T000000Z\r\n" +
		"DTSTART:20260105T100000Z\r\nDTEND:20260105T110000Z\r\nRRULE:FREQ=DAILY;COUNT=3\r\nSUMMARY:x\r\n" +
		"ORGANIZER:mailto:anna@example.com\r\nATTENDEE;PARTSTAT=ACCEPTED:mailto:anna@example.com\r\nATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:ben@example.com\r\n" +
		"END:VEVENT\r\nEND:VCALENDAR\r\n"
	rules := Rules{Owner: "anna", Components: []string{"VEVENT"}, Limits: calendar.DefaultLimits,
		Person: func() (calendar.Person, error) {
			return calendar.Person{ID: "anna", Mails: []string{"anna@example.com"}}, nil
		}}
	was, err := Parse(rules, []byte(text), "")
	if err != nil {
		t.Fatal(err)
	}
	was.Files = []calendar.AttachmentRow{{ID: "f"}}
	for _, c := range []struct {
		what     string
		from, to string
		known    bool // what was judged is taken
	}{
		{"the status of another", "ATTENDEE;PARTSTAT=NEEDS", "ATTENDEE;SCHEDULE-STATUS=1.0;PARTSTAT=NEEDS", true},
		{"the answer of another", "PARTSTAT=NEEDS-ACTION", "PARTSTAT=DECLINED", true},
		{"a revision", "SUMMARY", "SEQUENCE:3\r\nSUMMARY", true},
		{"the owner's answer", "PARTSTAT=ACCEPTED", "PARTSTAT=DECLINED", false},
		{"somebody else", "ben@", "carl@", false},
		{"who is first", "ORGANIZER:", "ATTENDEE:mailto:carl@example.com\r\nORGANIZER:", false},
		{"when", "DTSTART:20260105T100000Z", "DTSTART:20260105T103000Z", false},
		{"how often", "COUNT=3", "COUNT=2", false},
		{"what hides", "SUMMARY", "CLASS:PRIVATE\r\nSUMMARY", false},
		{"how it counts", "SUMMARY", "TRANSP:TRANSPARENT\r\nSUMMARY", false},
		{"an exception", "END:VEVENT\r\n", "END:VEVENT\r\nBEGIN:VEVENT\r\nUID:m\r\nDTSTAMP:20260101T000000Z\r\nRECURRENCE-ID:20260106T100000Z\r\nDTSTART:20260106T120000Z\r\nEND:VEVENT\r\n", false},
	} {
		next, err := ical.Parse([]byte(strings.Replace(text, c.from, c.to, 1)), ical.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := Restate(rules, was, next)
		if err != nil {
			t.Fatal(c.what, err)
		}
		want, err := Judge(rules, next, next.Bytes())
		if err != nil {
			t.Fatal(c.what, err)
		}
		want.Files = was.Files
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, judged anew %+v", c.what, got, want)
		}
		owner, _ := rules.Person()
		if known := restates(was.Calendar, next, owner); known != c.known {
			t.Errorf("%s: taken as judged: %v", c.what, known)
		}
	}
	// What may not be stored is refused still.
	next, _ := ical.Parse([]byte(strings.Replace(text, "COUNT=3", "COUNT=x", 1)), ical.Limits{})
	if _, err := Restate(rules, was, next); err == nil {
		t.Error("a rule that cannot be read is taken")
	}
}
