package calendartest

import (
	"slices"

	"factotum/server/calendar"
)

func testPutObjects(s *suite) {
	s.home("anna")
	s.put("anna", "old.ics", simple("old"))
	s.put("anna", "kept.ics", simple("kept"))
	anna := s.as("anna")
	changed := event("old", at(14), at(15))
	items := []calendar.PutItem{
		{Data: simple("new")},
		{Data: []byte("junk")},
		{Data: changed},
		{Data: simple("kept")},
		{Name: "named.ics", Data: simple("named")},
		{Name: "other.ics", Data: simple("kept")},
		{Name: "a/b", Data: simple("slash")},
	}
	check := func(what string, r calendar.PutItemResult, name string, created, unchanged bool, kind calendar.Kind) {
		s.Helper()
		switch {
		case kind != calendar.Internal && calendar.KindOf(r.Err) != kind, kind == calendar.Internal && r.Err != nil:
			s.Errorf("%s: error %v, want %v", what, r.Err, kind)
		case name != "" && r.Name != name || r.Created != created || r.Unchanged != unchanged:
			s.Errorf("%s: %+v", what, r)
		}
	}
	const fine = calendar.Internal
	r, err := s.be.PutObjects(s.ctx, anna, calendar.PutObjectsRequest{Calendar: "anna", Items: items})
	s.ok(err)
	if len(r) != len(items) {
		s.Fatalf("%d answers for %d items", len(r), len(items))
	}
	check("new", r[0], "", true, false, fine)
	equal(s, "UID", r[0].UID, "new")
	check("junk", r[1], "", false, false, calendar.Invalid)
	check("known UID", r[2], "old.ics", false, false, calendar.Exists)
	check("the same text", r[3], "kept.ics", false, true, fine)
	check("named", r[4], "named.ics", true, false, fine)
	check("UID under another name", r[5], "", false, false, calendar.UIDConflict)
	check("slash", r[6], "", false, false, calendar.Denied)
	equal(s, "stored under its name", string(s.get("anna", r[0].Name).Data), string(simple("new")))

	r, err = s.be.PutObjects(s.ctx, anna, calendar.PutObjectsRequest{Calendar: "anna", Items: items, Replace: true})
	s.ok(err)
	check("new, again", r[0], "", false, true, fine)
	check("replaced", r[2], "old.ics", false, false, fine)
	equal(s, "data", string(s.get("anna", "old.ics").Data), string(changed))

	r, err = s.be.PutObjects(s.ctx, anna, calendar.PutObjectsRequest{Calendar: "anna"})
	s.ok(err)
	equal(s, "answers for nothing", len(r), 0)
	_, err = s.be.PutObjects(s.ctx, anna, calendar.PutObjectsRequest{Calendar: "anna:none", Items: items})
	s.kind(err, calendar.NoCalendar)
	_, err = s.be.PutObjects(s.ctx, s.as("otto"), calendar.PutObjectsRequest{Calendar: "anna", Items: items})
	s.kind(err, calendar.Denied)
}

func testListObjects(s *suite) {
	s.home("anna")
	for _, n := range []string{"b", "a", "c"} {
		s.put("anna", n+".ics", simple(n))
	}
	var got []string
	c, err := s.be.ListObjects(s.ctx, s.as("anna"), "anna", func(o *calendar.Object) error {
		got = append(got, o.Name)
		if o.Data != nil || o.ETag() == "" || o.Size == 0 || o.UID+".ics" != o.Name {
			s.Errorf("listed %+v", o)
		}
		return nil
	})
	s.ok(err)
	same(s, "names", got, []string{"a.ics", "b.ics", "c.ics"})
	equal(s, "calendar", c.ID, "anna")
	now, err := s.be.Calendar(s.ctx, s.as("anna"), "anna")
	s.ok(err)
	equal(s, "CTag", c.CTag(), now.CTag())
	_, err = s.be.ListObjects(s.ctx, s.as("anna"), "anna:none", func(*calendar.Object) error { return nil })
	s.kind(err, calendar.NoCalendar)
}

func testObjects(s *suite) {
	s.home("anna")
	s.calendar("anna:two", closed)
	s.put("anna", "a.ics", simple("a"))
	s.put("anna:two", "b.ics", simple("b"))
	refs := []calendar.Ref{
		{Calendar: "anna:two", Name: "b.ics"},
		{Calendar: "anna", Name: "none.ics"},
		{Calendar: "anna", Name: "a.ics"},
		{Calendar: "anna:none", Name: "a.ics"},
		{Calendar: "anna", Name: "a.ics"},
	}
	want := []calendar.Kind{0, calendar.NotFound, 0, calendar.NoCalendar, 0}
	for _, none := range []bool{false, true} {
		var asked []calendar.Ref
		err := s.be.Objects(s.ctx, s.as("anna"), calendar.ObjectsRequest{Refs: refs, Data: calendar.DataRequest{None: none}}, func(r calendar.ObjectResult) error {
			k := want[len(asked)]
			asked = append(asked, r.Ref)
			switch {
			case k != 0:
				s.kind(r.Err, k)
				equal(s, "object of a failure", r.Object == nil, true)
			case r.Err != nil:
				s.Errorf("%v: %v", r.Ref, r.Err)
			case r.Object.Name != r.Ref.Name || r.Object.Calendar != r.Ref.Calendar || (r.Object.Data == nil) != none:
				s.Errorf("%v: %+v", r.Ref, r.Object)
			}
			return nil
		})
		s.ok(err)
		same(s, "order", asked, refs)
	}
	s.ok(s.be.Objects(s.ctx, s.as("anna"), calendar.ObjectsRequest{}, func(r calendar.ObjectResult) error {
		s.Errorf("answer for nothing: %+v", r)
		return nil
	}))
	err := s.be.Objects(s.ctx, s.as("anna"), calendar.ObjectsRequest{Refs: slices.Repeat(refs[:1], 100_000)}, func(calendar.ObjectResult) error { return nil })
	s.kind(err, calendar.TooMany)
}

func testFreeBusy(s *suite) {
	s.home("anna")
	s.home("bert")
	s.calendar("anna:more", closed)
	s.calendar("anna:closed", closed)
	yes := true
	_, err := s.be.UpdateCalendar(s.ctx, s.as("anna"), calendar.UpdateCalendarRequest{ID: "anna:closed", Transparent: &yes})
	s.ok(err)
	s.put("anna", "1", event("1", at(9), at(10)))
	s.put("anna", "2", event("2", at(10), at(11)))
	s.put("anna", "3", event("3", at(13), at(14), "STATUS:TENTATIVE"))
	s.put("anna", "4", event("4", at(15), at(16), "TRANSP:TRANSPARENT"))
	s.put("anna", "5", event("5", at(16), at(17), "STATUS:CANCELLED"))
	s.put("anna", "6", event("6", at(22), at(26)))
	s.put("anna", "7", event("7", at(18), at(19), "CLASS:PRIVATE"))
	s.put("anna:more", "8", event("8", at(-24+12), at(-24+12.5), "RRULE:FREQ=DAILY"))
	s.put("anna:closed", "9", event("9", at(1), at(2)))
	s.put("bert", "1", event("1", at(8), at(9)))

	type period struct {
		from, to float64
		typ      string
	}
	const busy, tentative = "BUSY", "BUSY-TENTATIVE"
	check := func(what string, r calendar.FreeBusyResult, want ...period) {
		s.Helper()
		s.ok(r.Err)
		var got []period
		for _, b := range r.Busy {
			got = append(got, period{b.Start.Sub(day).Hours(), b.End.Sub(day).Hours(), b.Type})
		}
		same(s, what, got, want)
	}
	targets := []calendar.FreeBusyTarget{
		{Calendar: "anna"}, {Calendar: "bert", Home: true}, {Calendar: "anna:none"}, {Calendar: "anna", Home: true}, {Calendar: "anna:more"}, {Calendar: "nobody", Home: true},
	}
	ask := func(who string, ignore string) []calendar.FreeBusyResult {
		s.Helper()
		r, err := s.be.FreeBusy(s.ctx, s.as(who), calendar.FreeBusyRequest{Targets: targets, Window: calendar.Window{From: day, To: at(24)}, Ignore: ignore})
		s.ok(err)
		if len(r) != len(targets) {
			s.Fatalf("%d answers for %d targets", len(r), len(targets))
		}
		for i := range r {
			equal(s, "target", r[i].Target, targets[i])
		}
		return r
	}
	r := ask("anna", "")
	own := []period{{9, 11, busy}, {13, 14, tentative}, {18, 19, busy}, {22, 24, busy}}
	check("calendar", r[0], own...)
	check("another's home", r[1], period{8, 9, busy})
	s.kind(r[2].Err, calendar.NoCalendar)
	check("home", r[3], period{9, 11, busy}, period{12, 12.5, busy}, period{13, 14, tentative}, period{18, 19, busy}, period{22, 24, busy})
	check("series", r[4], period{12, 12.5, busy})
	s.kind(r[5].Err, calendar.NoCalendar)
	r = ask("anna", "1")
	check("without one UID", r[0], period{10, 11, busy}, period{13, 14, tentative}, period{18, 19, busy}, period{22, 24, busy})
	r = ask("otto", "")
	check("a stranger, by the default list", r[0], own...)
	s.kind(r[4].Err, calendar.NoCalendar)

	for _, w := range []calendar.Window{{}, {From: day}, {To: day}, {From: day, To: day}, {From: at(1), To: day}} {
		_, err := s.be.FreeBusy(s.ctx, s.as("anna"), calendar.FreeBusyRequest{Targets: targets, Window: w})
		s.kind(err, calendar.Invalid)
	}
}
