package calendartest

import (
	"slices"

	"factotum/server/calendar"
)

// testBoxes: every home has an inbox and an outbox, which are no calendars.
func testBoxes(s *suite) {
	s.home("anna")
	s.calendar("anna:one", "rita^a^r^g;bert^a^s^d;@^a^fs^g")
	anna := s.as("anna")
	ids := func(who string, boxes bool) (out []calendar.ID) {
		s.Helper()
		h, err := s.be.Home(s.ctx, s.as(who), calendar.HomeRequest{Owner: "anna", Boxes: boxes})
		s.ok(err)
		for _, c := range h.Calendars {
			out = append(out, c.ID)
		}
		return out
	}
	same(s, "all", ids("anna", true), []calendar.ID{"anna", "anna:inbox", "anna:one", "anna:outbox"})
	same(s, "for people", ids("anna", false), []calendar.ID{"anna", "anna:one"})
	same(s, "for others", ids("rita", true), []calendar.ID{"anna", "anna:one"})
	in, err := s.be.Calendar(s.ctx, anna, "anna:inbox")
	s.ok(err)
	equal(s, "kind", in.Kind, calendar.InboxCollection)
	equal(s, "default", in.DefaultCalendar, "anna")
	same(s, "counts for busy time", in.FreeBusySet, []calendar.ID{"anna", "anna:one"})
	out, err := s.be.Calendar(s.ctx, anna, "anna:outbox")
	s.ok(err)
	equal(s, "kind", out.Kind, calendar.OutboxCollection)
	equal(s, "members", len(s.names("anna:inbox"))+len(s.names("anna:outbox")), 0)

	// Others may bring something, as the default calendar says, and read nothing.
	c, err := s.be.Calendar(s.ctx, s.as("rita"), "anna:inbox")
	s.ok(err)
	if c.Rights.CanRead() || c.DefaultCalendar != "" || c.FreeBusySet != nil {
		s.Errorf("rita is told %+v", c)
	}
	_, err = s.be.ListObjects(s.ctx, s.as("rita"), "anna:inbox", func(*calendar.Object) error { return nil })
	s.kind(err, calendar.Denied)
	_, err = s.be.Calendar(s.ctx, s.as("rita"), "nobody:inbox")
	s.kind(err, calendar.NoCalendar)

	// Nobody makes, moves, deletes or fills one.
	_, err = s.be.CreateCalendar(s.ctx, anna, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: "anna:inbox"}, DefaultACL: true})
	s.kind(err, calendar.Exists)
	ref := calendar.Ref{Calendar: "anna:inbox"}
	_, err = s.be.CopyCalendar(s.ctx, anna, calendar.CopyRequest{From: ref, To: calendar.Ref{Calendar: "anna:x"}, Move: true})
	s.kind(err, calendar.Denied)
	_, err = s.be.CopyCalendar(s.ctx, anna, calendar.CopyRequest{From: calendar.Ref{Calendar: "anna:one"}, To: ref, Overwrite: true})
	s.reason(err, calendar.Denied, calendar.CollectionLocationOK)
	s.kind(s.be.DeleteCalendar(s.ctx, anna, calendar.DeleteCalendarRequest{ID: "anna:inbox"}), calendar.Denied)
	_, err = s.be.PutObject(s.ctx, anna, calendar.PutRequest{Ref: calendar.Ref{Calendar: "anna:inbox", Name: "a.ics"}, Data: simple("a")})
	s.kind(err, calendar.Denied)
	s.kind(s.be.DeleteObject(s.ctx, anna, calendar.DeleteRequest{Ref: calendar.Ref{Calendar: "anna:inbox", Name: "a.ics"}, NoReply: true}), calendar.NotFound)

	// What can be set.
	update := func(who string, req calendar.UpdateCalendarRequest) (calendar.Calendar, error) {
		return s.be.UpdateCalendar(s.ctx, s.as(who), req)
	}
	one, none, of := "anna:one", "anna:none", "bert"
	for _, bad := range []string{none, of, "anna:outbox", ""} {
		_, err = update("anna", calendar.UpdateCalendarRequest{ID: "anna:inbox", DefaultCalendar: &bad})
		s.reason(err, calendar.Invalid, calendar.ValidDefaultCalendar)
	}
	_, err = update("rita", calendar.UpdateCalendarRequest{ID: "anna:inbox", DefaultCalendar: &one})
	s.kind(err, calendar.Denied)
	_, err = update("anna", calendar.UpdateCalendarRequest{ID: "anna:one", DefaultCalendar: &one})
	s.kind(err, calendar.Unsupported)
	_, err = update("anna", calendar.UpdateCalendarRequest{ID: "anna:outbox", FreeBusySet: &[]string{}})
	s.kind(err, calendar.Unsupported)
	list := in.ACL
	_, err = update("anna", calendar.UpdateCalendarRequest{ID: "anna:inbox", ACL: &list})
	s.kind(err, calendar.Denied)
	prop := calendar.DeadProp{Space: "urn:x", Local: "p", Value: `<p xmlns="urn:x">v</p>`}
	in, err = update("anna", calendar.UpdateCalendarRequest{ID: "anna:inbox", DefaultCalendar: &one, FreeBusySet: &[]string{"anna"}, Props: []calendar.PropChange{{Prop: prop}}})
	s.ok(err)
	equal(s, "another default", in.DefaultCalendar, "anna:one")
	same(s, "counts now", in.FreeBusySet, []calendar.ID{"anna"})
	same(s, "dead properties", in.Props, []calendar.DeadProp{prop})
	c, err = s.be.Calendar(s.ctx, anna, "anna:one")
	s.ok(err)
	equal(s, "the other is transparent", c.Transparent, true)
	s.reason(s.be.DeleteCalendar(s.ctx, anna, calendar.DeleteCalendarRequest{ID: "anna:one"}), calendar.Denied, calendar.DefaultCalendarNeeded)
	same(s, "still", ids("anna", true), []calendar.ID{"anna", "anna:inbox", "anna:one", "anna:outbox"})
	res, err := s.be.SyncHome(s.ctx, anna, calendar.SyncHomeRequest{Owner: "anna"})
	s.ok(err)
	equal(s, "the sync of the home has it", slices.ContainsFunc(res.Changed, func(c calendar.Calendar) bool { return c.ID == "anna:inbox" && c.SyncToken() == in.SyncToken() }), true)
	found, err := s.be.SearchCalendars(s.ctx, anna, calendar.SearchCalendarsRequest{ID: true, Text: "anna"})
	s.ok(err)
	equal(s, "found by search", len(found), 2)
}
