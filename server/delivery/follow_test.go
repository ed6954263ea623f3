package delivery_test

import (
	"context"
	"strings"
	"testing"

	"factotum/protocol/sitetest"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
)

// notes counts what a back end is told by another.
type notes struct {
	calendar.Backend
	n int
}

func (b *notes) Notify(ctx context.Context, who calendar.Actor, req calendar.NotifyRequest) error {
	b.n++
	return b.Backend.Notify(ctx, who, req)
}

// TestMeetingFollowsAGroupElsewhere: who joins a group is invited to its meetings
// to come, and who leaves it is not any more, where the organizer is on another
// back end than the group. ldap.md §5.6.
func TestMeetingFollowsAGroupElsewhere(t *testing.T) {
	people := calendartest.NewPeople("anna", "ben", "carl", "zoe", "team")
	team := people["team"]
	team.Kind = calendar.Group
	people["team"] = team
	members := func(ids ...string) {
		for _, id := range []string{"ben", "carl", "zoe"} {
			p := people[id]
			p.Groups = nil
			people[id] = p
		}
		for _, id := range ids {
			p := people[id]
			p.Groups = []string{"team"}
			people[id] = p
		}
	}
	members("ben", "zoe")
	h := sitetest.NewHosts(t, sitetest.Options{People: people, Scheduling: true})
	s := &site{TB: t, be: h.Backend, people: people, settled: h.Settle}
	s.put("anna", "g.ics", meeting("g", "DTSTART:20300107T100000Z", "DTEND:20300107T110000Z", "SUMMARY:Plans", "ORGANIZER:mailto:anna@example.com", "ATTENDEE:mailto:team@example.com"))
	s.settled()
	told := &notes{Backend: h.Backend}
	follow := func(want int) {
		t.Helper()
		told.n = 0
		for _, m := range []*sitetest.Site{h.Site, h.Second} {
			if _, err := m.Model.FollowGroups(t.Context(), told); err != nil {
				t.Fatal(err)
			}
		}
		if told.n != want {
			t.Errorf("the other back end was told %d times, not %d", told.n, want)
		}
		s.settled()
	}
	follow(0)
	members("carl", "zoe")
	follow(1)
	text, _ := s.copy("anna", "g")
	s.want("who joined", param(text, "ATTENDEE", "carl", "MEMBER"), `"mailto`)
	s.want("who left", param(text, "ATTENDEE", "ben", "MEMBER"), "no line")
	if text, _ := s.copy("carl", "g"); !strings.Contains(text, "SUMMARY:Plans") {
		t.Errorf("carl has\n%s", text)
	}
	if text, _ := s.copy("ben", "g"); !strings.Contains(text, "STATUS:CANCELLED") {
		t.Errorf("ben has\n%s", text)
	}
	follow(0)
}
