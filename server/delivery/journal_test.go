package delivery_test

import (
	"strings"
	"testing"

	"factotum/protocol/sitetest"
	"factotum/server/acl"
	"factotum/server/calendar"
)

// journal spells what somebody's journal has of a UID: step, method, reason and
// to whom, in the order of time.
func (s *site) journal(user, uid string) (lines []string) {
	s.Helper()
	res, err := s.be.Why(s.Context(), s.as(user), calendar.WhyRequest{Owner: calendar.Owner(user), Query: calendar.TraceQuery{UID: uid, OldestFirst: true}})
	if err != nil {
		s.Fatal(err)
	}
	for _, t := range res.Traces {
		to := strings.NewReplacer("mailto:", "", "@example.com", "").Replace(strings.Join(t.To, ","))
		lines = append(lines, strings.Join([]string{t.Step.String(), t.Method, t.Reason, to}, " "))
		if t.Message == "" || t.From == "" || t.Summary != "Plans" || t.When.IsZero() {
			s.Errorf("incomplete: %+v", t)
		}
	}
	return lines
}

// TestTheJournalTells: where an invitation is and what an answer did, on every
// side, also where the sides are on two hosts.
func TestTheJournalTells(t *testing.T) {
	variants(t, func(s *site) {
		s.put("anna", "m.ics", invitation("m"))
		s.settled()
		s.answer("ben", "m", "ACCEPTED")
		s.settled()
		for user, want := range map[string][]string{
			"anna": {"queued REQUEST queued ben,zoe", "delivered REQUEST invited ben,zoe", "applied REPLY answered anna"},
			"ben":  {"applied REQUEST invited ben", "queued REPLY queued anna", "delivered REPLY answered anna"},
			"zoe":  {"applied REQUEST invited zoe"},
		} {
			got := s.journal(user, "m")
			if len(got) < len(want) || strings.Join(got[:len(want)], "\n") != strings.Join(want, "\n") {
				s.Errorf("%s reads\n%s\nwant first\n%s", user, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
	})
}

// TestTheJournalTellsWhyNot: who is not invited in the end stands there with the
// reason, and he who refused it has it too.
func TestTheJournalTellsWhyNot(t *testing.T) {
	s := newSite(t, sitetest.SQLite, false)
	s.put("ben", "x.ics", meeting("x", "DTSTART:20300101T100000Z"))
	list := acl.MustParse("@@o^a^rwdsf^g")
	if _, err := s.be.UpdateCalendar(t.Context(), s.as("ben"), calendar.UpdateCalendarRequest{ID: "ben", ACL: &list}); err != nil {
		t.Fatal(err)
	}
	s.put("anna", "m.ics", invitation("m", "ATTENDEE:mailto:nobody@example.com"))
	s.settled()
	told := strings.Join(s.journal("anna", "m"), "\n")
	for _, want := range []string{"failed REQUEST no-rights ben", "failed REQUEST unknown-user nobody", "delivered REQUEST invited zoe"} {
		if !strings.Contains(told, want) {
			t.Errorf("%q is missing in\n%s", want, told)
		}
	}
	if got := strings.Join(s.journal("ben", "m"), "\n"); got != "refused REQUEST no-rights ben" {
		t.Errorf("ben reads %s", got)
	}
}
