package object

import (
	"fmt"
	"strings"
	"testing"

	"factotum/server/calendar"
)

// TestAttendingFromTail: what a tail row keeps tells as whom the owner attends,
// wherever he stands in the list.
func TestAttendingFromTail(t *testing.T) {
	person := calendar.Person{ID: "anna", Mails: []string{"anna@example.com"}}
	for place := range 4 {
		for _, organizes := range []bool{false, true} {
			var lines []string
			for i := range 4 {
				who := fmt.Sprintf("other%d", i)
				if i == place {
					who = "ANNA"
				}
				lines = append(lines, "ATTENDEE:MAILTO:"+who+"@Example.com")
			}
			lines = append(lines, "ORGANIZER:mailto:"+map[bool]string{true: "anna", false: "other0"}[organizes]+"@example.com")
			cal, comps, _, err := Compile([]byte("BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:x\nEND:VTIMEZONE\nBEGIN:VEVENT\nUID:1\nDTSTART:20260101T090000Z\nRRULE:FREQ=DAILY\nEND:VEVENT\n" +
				"BEGIN:VEVENT\nUID:1\nRECURRENCE-ID:20260102T090000Z\nDTSTART:20260102T090000Z\n" + strings.Join(lines, "\n") + "\nEND:VEVENT\nEND:VCALENDAR\n"))
			if err != nil {
				t.Fatal(err)
			}
			me := AttendingAs(comps, person)
			if me.place != place+1 || me.organizes != organizes || me.address != "anna@example.com" {
				t.Errorf("%d, %v: %+v", place, organizes, me)
			}
			if got := AttendingAt(cal, calendar.OccTail|calendar.OccFloating|me.flags()); got != me {
				t.Errorf("from the row: %+v, want %+v", got, me)
			}
			if got := AttendingAt(cal, calendar.OccExact|me.flags()); got != (Attending{}) { // days, of another row
				t.Errorf("not from a tail: %+v", got)
			}
		}
	}
}
