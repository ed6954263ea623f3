package calendartest

import (
	"factotum/server/calendar"
)

// testDisabled: a calendar that is switched off is kept, and served to the
// administrator alone.
func testDisabled(s *suite) {
	s.home("anna")
	s.calendar("anna:work", "@@a^a^rw^g")
	s.put("anna:work", "a.ics", simple("a"))
	names := func(who string) (ids []calendar.ID) {
		h, err := s.be.Home(s.ctx, s.as(who), calendar.HomeRequest{Owner: "anna"})
		s.ok(err)
		for _, c := range h.Calendars {
			ids = append(ids, c.ID)
		}
		return ids
	}
	turn := func(who string, off bool) error {
		_, err := s.be.UpdateCalendar(s.ctx, s.as(who), calendar.UpdateCalendarRequest{ID: "anna:work", Disabled: &off})
		return err
	}
	before, err := s.be.Home(s.ctx, s.as("anna"), calendar.HomeRequest{Owner: "anna"})
	s.ok(err)
	s.kind(turn("anna", true), calendar.Denied)
	s.ok(turn("root", true))

	for _, who := range []string{"anna", "bert"} {
		_, err := s.be.Calendar(s.ctx, s.as(who), "anna:work")
		s.reason(err, calendar.Denied, calendar.Disabled)
		_, err = s.be.Object(s.ctx, s.as(who), calendar.Ref{Calendar: "anna:work", Name: "a.ics"})
		s.reason(err, calendar.Denied, calendar.Disabled)
		_, err = s.be.PutObject(s.ctx, s.as(who), calendar.PutRequest{Ref: calendar.Ref{Calendar: "anna:work", Name: "b.ics"}, Data: simple("b")})
		s.reason(err, calendar.Denied, calendar.Disabled)
		_, err = s.be.Sync(s.ctx, s.as(who), calendar.SyncRequest{Calendar: "anna:work"}, func(calendar.SyncItem) error { return nil })
		s.reason(err, calendar.Denied, calendar.Disabled)
		err = s.be.Query(s.ctx, s.as(who), calendar.QueryRequest{Calendar: "anna:work"}, func(*calendar.Object) error { return nil })
		s.reason(err, calendar.Denied, calendar.Disabled)
		found, err := s.be.SearchCalendars(s.ctx, s.as(who), calendar.SearchCalendarsRequest{Text: "anna:work", How: calendar.Exactly, ID: true})
		s.ok(err)
		equal(s, "found", len(found), 0)
	}
	same(s, "the owner's home", names("anna"), []calendar.ID{"anna"})
	same(s, "the administrator's view", names("root"), []calendar.ID{"anna", "anna:work"})
	_, err = s.be.CreateCalendar(s.ctx, s.as("anna"), calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: "anna:work"}, DefaultACL: true})
	s.kind(err, calendar.Exists)
	c, err := s.be.Calendar(s.ctx, s.as("root"), "anna:work")
	s.ok(err)
	equal(s, "disabled", c.Disabled, true)
	gone, err := s.be.SyncHome(s.ctx, s.as("anna"), calendar.SyncHomeRequest{Owner: "anna", Token: before.SyncToken()})
	s.ok(err)
	same(s, "removed", gone.Removed, []calendar.ID{"anna:work"})

	s.ok(turn("root", false))
	back, err := s.be.SyncHome(s.ctx, s.as("anna"), calendar.SyncHomeRequest{Owner: "anna", Token: gone.Token})
	s.ok(err)
	if len(back.Changed) != 1 || back.Changed[0].ID != "anna:work" || len(back.Removed) != 0 {
		s.Errorf("after it is switched on again: %+v", back)
	}
	o, err := s.be.Object(s.ctx, s.as("anna"), calendar.Ref{Calendar: "anna:work", Name: "a.ics"})
	s.ok(err)
	equal(s, "text", string(o.Data), string(simple("a")))
}
