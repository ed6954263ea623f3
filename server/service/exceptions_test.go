package service

import (
	"fmt"
	"strings"
	"testing"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// factotum.limit.exceptions: a meeting gets no more exceptions than allowed; one that
// has more may keep them, or get fewer.
func TestRoomForExceptions(t *testing.T) {
	text := func(people string, n int) *ical.Component {
		var b strings.Builder
		fmt.Fprintf(&b, "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:u\r\nRRULE:FREQ=DAILY\r\n%sEND:VEVENT\r\n", people)
		for i := range n {
			fmt.Fprintf(&b, "BEGIN:VEVENT\r\nUID:u\r\nRECURRENCE-ID:203001%02dT100000Z\r\n%sEND:VEVENT\r\n", i+1, people)
		}
		cal, err := ical.Parse([]byte(b.String()+"END:VCALENDAR\r\n"), ical.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		return cal
	}
	const nobody, ben = "", "ORGANIZER:mailto:anna@example.com\r\nATTENDEE:mailto:ben@example.com\r\n"
	s := &Service{opt: Options{Limits: calendar.Limits{Exceptions: 3}}}
	for _, c := range []struct {
		what          string
		before, after *ical.Component
		refused       bool
	}{
		{"as many as allowed", nil, text(ben, 3), false},
		{"one too many", nil, text(ben, 4), true},
		{"one more", text(ben, 3), text(ben, 4), true},
		{"as many as there were", text(ben, 5), text(ben, 5), false},
		{"fewer than there were", text(ben, 6), text(ben, 5), false},
		{"more than the too many", text(ben, 5), text(ben, 6), true},
		{"nobody is invited", nil, text(nobody, 9), false},
		{"now somebody is", text(nobody, 9), text(ben, 9), true},
		{"now nobody is", text(ben, 9), text(nobody, 10), false},
		{"it is removed", text(ben, 9), nil, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			err := s.roomFor(c.before, c.after)
			if (err != nil) != c.refused {
				t.Fatal(err)
			}
			if err != nil && (calendar.KindOf(err) != calendar.TooLarge || !strings.Contains(calendar.MessageOf(err), "factotum.limit.exceptions")) {
				t.Error(err)
			}
		})
	}
}
