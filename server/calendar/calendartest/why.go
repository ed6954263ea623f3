package calendartest

import (
	"factotum/server/acl"
	"factotum/server/calendar"
)

// A journal is for its owner, for those who schedule for him, and for
// administrators; others are not even told whether there is somebody.
func testWhy(s *suite) {
	s.home("anna")
	ask := func(who string, owner calendar.Owner) (calendar.WhyAnswer, error) {
		return s.be.Why(s.ctx, s.as(who), calendar.WhyRequest{Owner: owner, Query: calendar.TraceQuery{UID: "u", Address: "mailto:bert@example.com", Limit: 3}})
	}
	for _, who := range []string{"anna", "root"} {
		res, err := ask(who, "anna")
		s.ok(err)
		if len(res.Traces) > 0 || res.More {
			s.Errorf("%s reads %+v in an empty journal", who, res)
		}
	}
	allow := func(aces string) {
		list := acl.MustParse(aces)
		_, err := s.be.UpdateCalendar(s.ctx, s.as("anna"), calendar.UpdateCalendarRequest{ID: "anna", ACL: &list})
		s.ok(err)
	}
	refused := func() {
		s.Helper()
		_, err := ask("bert", "anna")
		s.kind(err, calendar.Denied)
	}
	refused()
	allow("@@o^a^sdeic^g;bert^a^rwd^g") // he reads and writes, and does not schedule
	refused()
	allow("@@o^a^sdeic^g;bert^a^rwdeic^g")
	_, err := ask("bert", "anna")
	s.ok(err)
	allow("@@o^a^sdeic^g")
	refused()
	owners := []calendar.UserID{"bert"}
	_, err = s.be.UpdateCalendar(s.ctx, s.as("anna"), calendar.UpdateCalendarRequest{ID: "anna", CoOwners: &owners})
	s.ok(err)
	_, err = ask("bert", "anna")
	s.ok(err)
	_, err = ask("bert", "nobody")
	s.kind(err, calendar.Denied)
	_, err = s.be.Why(s.ctx, calendar.Actor{}, calendar.WhyRequest{Owner: "anna"})
	s.kind(err, calendar.Denied)
}
