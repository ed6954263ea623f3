package object

import (
	"testing"

	"factotum/server/calendar"
	"factotum/server/ical"
)

func TestStateOf(t *testing.T) {
	anna := calendar.Person{ID: "anna", Mails: []string{"anna@example.com", "a.smith@example.com"}}
	const byAnna, byBert = "ORGANIZER:mailto:Anna@example.com", "ORGANIZER:mailto:bert@example.com"
	for _, c := range []struct {
		what  string
		lines []string
		want  State
	}{
		{"nobody", nil, Unscheduled},
		{"an organizer alone", []string{byBert}, Unscheduled},
		{"attendees alone", []string{"ATTENDEE:mailto:anna@example.com"}, Unscheduled},
		{"her own, unanswered", []string{byAnna, "ATTENDEE;PARTSTAT=ACCEPTED:mailto:carl@example.com", "ATTENDEE:mailto:bert@example.com"}, Pending},
		{"her own, unanswered in words", []string{byAnna, "ATTENDEE;PARTSTAT=needs-action:mailto:bert@example.com"}, Pending},
		{"her own, told", []string{byAnna, "ATTENDEE;SCHEDULE-STATUS=1.2:mailto:bert@example.com", "ATTENDEE;SCHEDULE-AGENT=client:mailto:carl@example.com"}, AwaitsReplies},
		{"her own, told but one", []string{byAnna, "ATTENDEE;SCHEDULE-STATUS=1.2:mailto:bert@example.com", "ATTENDEE:mailto:carl@example.com"}, Pending},
		{"her own, still under way", []string{byAnna, "ATTENDEE;SCHEDULE-STATUS=1.0:mailto:bert@example.com"}, Pending},
		{"her own, one was not reached", []string{byAnna, `ATTENDEE;SCHEDULE-STATUS="1.2,5.1":mailto:bert@example.com`}, Pending},
		{"her own, nobody is invited", []string{byAnna, "ATTENDEE:mailto:anna@example.com", "ATTENDEE;SCHEDULE-AGENT=NONE:mailto:bert@example.com"}, Unscheduled},
		{"her own, one is only listed", []string{byAnna, "ATTENDEE;SCHEDULE-AGENT=NONE:mailto:bert@example.com", "ATTENDEE;PARTSTAT=ACCEPTED:mailto:carl@example.com"}, Answered},
		{"her own, answered", []string{byAnna, "ATTENDEE;PARTSTAT=DECLINED:mailto:bert@example.com"}, Answered},
		{"her own, and only she", []string{byAnna, "ATTENDEE:mailto:a.smith@example.com"}, Answered},
		{"invited", []string{byBert, "ATTENDEE:mailto:carl@example.com", "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:anna@example.com"}, NeedsAction},
		{"invited by an alternate address", []string{byBert, "ATTENDEE;RSVP=TRUE:MAILTO:A.Smith@example.com"}, NeedsAction},
		{"invited by user id", []string{byBert, "ATTENDEE:ANNA"}, NeedsAction},
		{"no answer asked for", []string{byBert, "ATTENDEE;RSVP=FALSE:mailto:anna@example.com"}, NeedsNoAction},
		{"not invited", []string{byBert, "ATTENDEE:mailto:carl@example.com"}, NeedsNoAction},
		{"accepted", []string{byBert, "ATTENDEE;PARTSTAT=ACCEPTED:mailto:anna@example.com"}, Accepted},
		{"perhaps", []string{byBert, "ATTENDEE;PARTSTAT=TENTATIVE;RSVP=FALSE:mailto:anna@example.com"}, Accepted},
		{"declined", []string{byBert, "ATTENDEE;PARTSTAT=declined:mailto:anna@example.com"}, Declined},
	} {
		text := "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:x\r\n"
		for _, l := range c.lines {
			text += l + "\r\n"
		}
		tree, err := ical.Parse([]byte(text+"END:VEVENT\r\nEND:VCALENDAR\r\n"), ical.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if got := StateOf(tree.Children[0], anna); got != c.want {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
}
