package calendartest

import (
	"slices"

	"factotum/server/acl"
	"factotum/server/calendar"
)

func testSearchCalendars(s *suite) {
	for _, u := range []string{"anna", "bert", "carl"} {
		_, err := s.be.Home(s.ctx, s.as(u), calendar.HomeRequest{Owner: calendar.Owner(u)})
		s.ok(err)
	}
	create := func(id calendar.ID, name, list string) {
		_, err := s.be.CreateCalendar(s.ctx, s.as(string(id.Owner())), calendar.CreateCalendarRequest{
			Calendar: calendar.Calendar{ID: id, DisplayName: name, ACL: acl.MustParse(list)}})
		s.ok(err)
	}
	create("anna:team", "Fu\u00dfball Team", "@^a^r^g")
	create("bert:secret", "Team secrets", "@@o^a^r^g")
	create("carl:work", "Work", "@^p^r^g")
	find := func(who string, req calendar.SearchCalendarsRequest) []string {
		s.Helper()
		found, err := s.be.SearchCalendars(s.ctx, s.as(who), req)
		s.ok(err)
		ids := []string{}
		for _, c := range found {
			ids = append(ids, string(c.ID))
		}
		return ids
	}
	for _, c := range []struct {
		who  string
		req  calendar.SearchCalendarsRequest
		want []string
	}{
		{"carl", calendar.SearchCalendarsRequest{Text: "TEAM", Name: true}, []string{"anna:team"}},
		{"bert", calendar.SearchCalendarsRequest{Text: "team", Name: true}, []string{"anna:team", "bert:secret"}},
		{"carl", calendar.SearchCalendarsRequest{Text: "team", ID: true}, []string{"anna:team"}},
		{"carl", calendar.SearchCalendarsRequest{Text: "anna", ID: true, How: calendar.Exactly}, []string{"anna"}},
		{"carl", calendar.SearchCalendarsRequest{Text: "anna:team", ID: true, How: calendar.Exactly}, []string{"anna:team"}},
		{"carl", calendar.SearchCalendarsRequest{Text: "anna", Owner: true, How: calendar.Exactly}, []string{"anna", "anna:team"}},
		{"carl", calendar.SearchCalendarsRequest{Text: "work", ID: true, How: calendar.EndsWith}, []string{"carl:work"}},
		{"anna", calendar.SearchCalendarsRequest{Text: "carl", ID: true, How: calendar.BeginsWith}, []string{"carl", "carl:work"}},
		{"anna", calendar.SearchCalendarsRequest{Text: "fu\u00dfball", Name: true, How: calendar.BeginsWith}, []string{"anna:team"}},
		{"anna", calendar.SearchCalendarsRequest{Owners: []calendar.Owner{"carl", "carl", "nobody"}}, []string{"carl", "carl:work"}},
		{"anna", calendar.SearchCalendarsRequest{Text: "nothing", ID: true, Name: true, Owner: true}, []string{}},
		{"anna", calendar.SearchCalendarsRequest{Text: "anna"}, []string{}},
	} {
		if got := find(c.who, c.req); !slices.Equal(got, c.want) {
			s.Errorf("%s searching %+v found %v, want %v", c.who, c.req, got, c.want)
		}
	}
	equal(s, "limit", len(find("anna", calendar.SearchCalendarsRequest{Text: "a", ID: true, Limit: 2})), 2)

	name := "Renamed"
	_, err := s.be.UpdateCalendar(s.ctx, s.as("carl"), calendar.UpdateCalendarRequest{ID: "carl:work", DisplayName: &name})
	s.ok(err)
	same(s, "new name", find("anna", calendar.SearchCalendarsRequest{Text: "renamed", Name: true}), []string{"carl:work"})
	same(s, "old name", find("anna", calendar.SearchCalendarsRequest{Text: "Work", Name: true}), nil)
	s.ok(s.be.DeleteCalendar(s.ctx, s.as("carl"), calendar.DeleteCalendarRequest{ID: "carl:work"}))
	same(s, "deleted", find("anna", calendar.SearchCalendarsRequest{Text: "renamed", Name: true}), nil)
}

func testObjectsByUID(s *suite) {
	s.home("anna")
	anna := s.as("anna")
	s.put("anna", "a.ics", simple("uid-a"))
	s.put("anna", "b.ics", simple("uid-b"))
	var got []string
	req := calendar.ObjectsRequest{Refs: []calendar.Ref{{Calendar: "anna", Name: "b.ics"}}, Calendar: "anna", UIDs: []string{"uid-b", "uid-x", "uid-a", "uid"}}
	s.ok(s.be.Objects(s.ctx, anna, req, func(r calendar.ObjectResult) error {
		switch {
		case r.Err != nil:
			s.kind(r.Err, calendar.NotFound)
			got = append(got, "-")
		default:
			got = append(got, r.Object.UID)
			equal(s, "name", r.Ref.Name, r.Object.Name)
		}
		return nil
	}))
	same(s, "found", got, []string{"uid-b", "uid-b", "-", "uid-a", "-"})
	n := 0
	s.ok(s.be.Objects(s.ctx, s.as("bert"), calendar.ObjectsRequest{Calendar: "anna", UIDs: []string{"uid-a"}}, func(r calendar.ObjectResult) error {
		n++
		s.kind(r.Err, calendar.Denied)
		return nil
	}))
	equal(s, "answers", n, 1)
}

func testSyncGone(s *suite) {
	s.home("anna")
	anna := s.as("anna")
	for _, n := range []string{"a", "b", "c"} {
		s.put("anna", n, simple(n))
	}
	gone := func(w calendar.Window, text bool) (names []string, last calendar.Tombstone) {
		s.Helper()
		_, err := s.be.Sync(s.ctx, anna, calendar.SyncRequest{Calendar: "anna", Gone: &w, Deleted: text}, func(it calendar.SyncItem) error {
			if it.Object != nil || it.Gone == nil {
				s.Fatalf("item %+v", it)
			}
			equal(s, "last text", it.Gone.Data != nil, text)
			names, last = append(names, it.Gone.Name), *it.Gone
			return nil
		})
		s.ok(err)
		return names, last
	}
	names, _ := gone(calendar.Window{}, true)
	same(s, "nothing deleted", names, nil)
	s.ok(s.be.DeleteObject(s.ctx, anna, calendar.DeleteRequest{Ref: calendar.Ref{Calendar: "anna", Name: "b"}}))
	s.put("anna", "d", simple("d"))
	for _, text := range []bool{false, true} {
		names, last := gone(calendar.Window{}, text)
		same(s, "gone", names, []string{"b"})
		equal(s, "component", last.Component, "VEVENT")
		names, _ = gone(calendar.Window{From: last.Deleted}, text)
		same(s, "from its moment", names, []string{"b"})
		names, _ = gone(calendar.Window{From: last.Deleted.Add(1e6)}, text)
		same(s, "after it", names, nil)
		names, _ = gone(calendar.Window{To: last.Deleted}, text)
		same(s, "before it", names, nil)
	}
}
