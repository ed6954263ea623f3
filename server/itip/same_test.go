package itip

import (
	"testing"

	"factotum/server/ical"
)

// What an attendee answered is no change of the meeting that others are mailed for, and
// neither is who wrote it for him.
func TestSameButForAnswers(t *testing.T) {
	const zoe = "ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:zoe@far.example"
	event := func(lines ...string) *ical.Component {
		text := "BEGIN:VEVENT\r\nUID:u\r\nORGANIZER:mailto:anna@example.com\r\n"
		for _, l := range lines {
			text += l + "\r\n"
		}
		cal, err := ical.Parse([]byte("BEGIN:VCALENDAR\r\n"+text+"END:VEVENT\r\nEND:VCALENDAR\r\n"), ical.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		return cal.Children[0]
	}
	for _, c := range []struct {
		what      string
		after     []string
		same, all bool
	}{
		{"nothing", []string{zoe}, true, true},
		{"an answer", []string{"ATTENDEE;PARTSTAT=ACCEPTED:mailto:zoe@far.example"}, true, false},
		{"by somebody for him", []string{`ATTENDEE;PARTSTAT=ACCEPTED;SENT-BY="mailto:zoe@far.example":mailto:zoe@far.example`}, true, false},
		{"he sends another", []string{`ATTENDEE;PARTSTAT=DELEGATED;DELEGATED-TO="mailto:yan@far.example":mailto:zoe@far.example`, `ATTENDEE;DELEGATED-FROM="mailto:zoe@far.example":mailto:yan@far.example`}, true, false},
		{"another role", []string{"ATTENDEE;ROLE=OPT-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:zoe@far.example"}, false, false},
		{"one more", []string{zoe, "ATTENDEE:mailto:yan@far.example"}, false, false},
	} {
		if is, all := same(event(zoe), event(c.after...), false), same(event(zoe), event(c.after...), true); is != c.same || all != c.all {
			t.Errorf("%s: the same but for answers %v, at all %v", c.what, is, all)
		}
	}
}
