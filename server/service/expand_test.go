package service

import (
	"strings"
	"testing"

	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/ical"
)

// The model's options reach the rules of groups; those have their own tests.
func TestGroupsAreExpandedByTheOptions(t *testing.T) {
	people := calendartest.NewPeople("anna", "bert", "carl", "crew")
	for _, id := range []string{"bert", "carl"} {
		p := people[id]
		p.Groups = []string{"crew"}
		people[id] = p
	}
	g := people["crew"]
	g.Kind = calendar.Group
	people["crew"] = g
	after, err := ical.Parse([]byte(strings.ReplaceAll(`BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//x//EN
BEGIN:VEVENT
UID:u
DTSTAMP:20260101T000000Z
DTSTART:20260401T090000Z
ORGANIZER:mailto:anna@example.com
ATTENDEE:mailto:crew@example.com
END:VEVENT
END:VCALENDAR
`, "\n", "\r\n")), ical.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		opt  Options
		want int // attendees, 0 is refused
	}{
		{Options{}, 3},
		{Options{Groups: GroupOptions{Never: true}}, 1},
		{Options{Groups: GroupOptions{Most: 1}}, 0},
		{Options{Limits: calendar.Limits{Attendees: 1}}, 0},
	} {
		got, err := New(nil, people, c.opt).expandGroups(t.Context(), people["anna"], nil, after)
		if c.want == 0 {
			if calendar.ReasonOf(err) != calendar.MaxAttendees {
				t.Errorf("%+v: %v", c.opt.Groups, err)
			}
			continue
		}
		if err != nil || got.Children[0].Count("ATTENDEE") != c.want {
			t.Errorf("%+v: %v, want %d attendees in\n%s", c.opt.Groups, err, c.want, got.Bytes())
		}
	}
}
