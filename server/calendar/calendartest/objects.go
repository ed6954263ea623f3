package calendartest

import (
	"bytes"
	"strings"
	"time"

	"factotum/server/calendar"
)

func testPutObject(s *suite) {
	s.home("anna")
	// Octets are kept: folding, odd order, unknown properties, missing PRODID.
	data := []byte("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nX-ODD;A=\"b;c\":v\r\nSUMMARY:long\r\n er\r\nDTSTAMP:20260801T000000Z\r\n" +
		"UID:u-1\r\nDTSTART:20260901T090000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")
	first := s.put("anna", "a.ics", data)
	equal(s, "created", first.Created, true)
	got := s.get("anna", "a.ics")
	equal(s, "data", string(got.Data), string(data))
	equal(s, "calendar", got.Calendar, "anna")
	equal(s, "name", got.Name, "a.ics")
	equal(s, "UID", got.UID, "u-1")
	equal(s, "component", got.Component, "VEVENT")
	equal(s, "size", got.Size, len(data))
	equal(s, "masked", got.Masked, false)
	equal(s, "ETag", got.ETag(), first.Object.ETag())
	equal(s, "schedule tag", got.ScheduleTagValue(), first.Object.ScheduleTagValue())
	equal(s, "no data in the stamp", first.Object.Data == nil, true)
	if got.Created.IsZero() || got.Modified.IsZero() || !got.Created.Equal(got.Created.Truncate(time.Microsecond)) {
		s.Errorf("times %v, %v", got.Created, got.Modified)
	}
	before, err := s.be.Calendar(s.ctx, s.as("anna"), "anna")
	s.ok(err)
	second := s.put("anna", "a.ics", event("u-1", at(9), at(11)))
	equal(s, "created again", second.Created, false)
	if second.Object.ETag() == first.Object.ETag() {
		s.Error("another text has the same ETag")
	}
	after, err := s.be.Calendar(s.ctx, s.as("anna"), "anna")
	s.ok(err)
	if before.CTag() == after.CTag() || before.SyncToken() == after.SyncToken() {
		s.Error("the calendar's tags stayed")
	}
	for _, comp := range []string{"VTODO", "VJOURNAL"} {
		s.put("anna", comp, object(comp, comp))
		equal(s, "component", s.get("anna", comp).Component, comp)
	}

	byUID, err := s.be.PutObject(s.ctx, s.as("anna"), calendar.PutRequest{
		Ref: calendar.Ref{Calendar: "anna", Name: "other.ics"}, Data: event("u-1", at(12), at(13)), ByUID: true,
	})
	s.ok(err)
	equal(s, "name found by UID", byUID.Object.Name, "a.ics")
	equal(s, "created by UID", byUID.Created, false)
}

func testPutRefused(s *suite) {
	s.home("anna")
	_, err := s.be.CreateCalendar(s.ctx, s.as("anna"), calendar.CreateCalendarRequest{
		Calendar: calendar.Calendar{ID: "anna:tasks", Components: []string{"VTODO"}}, DefaultACL: true,
	})
	s.ok(err)
	s.put("anna", "a.ics", simple("a"))
	s.put("anna", "b.ics", simple("b"))
	_, err = s.be.CreateCalendar(s.ctx, s.as("anna"), calendar.CreateCalendarRequest{
		Calendar: calendar.Calendar{ID: "anna:room", NoDoubles: true}, DefaultACL: true,
	})
	s.ok(err)
	s.put("anna:room", "a.ics", event("a", at(9), at(11)))
	two := strings.Replace(string(simple("c")), "END:VEVENT\r\n", "END:VEVENT\r\nBEGIN:VEVENT\r\nUID:d\r\nDTSTAMP:20260801T000000Z\r\nDTSTART:20260901T090000Z\r\nEND:VEVENT\r\n", 1)
	for _, c := range []struct {
		id     calendar.ID
		name   string
		data   string
		kind   calendar.Kind
		reason calendar.Reason
	}{
		{"anna", "c.ics", "", calendar.Invalid, calendar.ValidCalendarData},
		{"anna", "c.ics", "junk", calendar.Invalid, calendar.ValidCalendarData},
		{"anna", "c.ics", string(simple("c"))[:90], calendar.Invalid, calendar.ValidCalendarData},
		{"anna", "c.ics", strings.Replace(string(simple("c")), "VERSION", "METHOD:REQUEST\r\nVERSION", 1), calendar.Invalid, calendar.ValidCalendarObject},
		{"anna", "c.ics", two, calendar.Invalid, calendar.ValidCalendarObject},
		{"anna", "c.ics", string(event("c", at(9), at(10), "RRULE:FREQ=NEVER")), calendar.Invalid, calendar.ValidCalendarData},
		{"anna:tasks", "c.ics", string(simple("c")), calendar.Unsupported, calendar.SupportedComponent},
		{"anna", "c.ics", string(event("c", at(9), at(10), "DESCRIPTION:"+strings.Repeat("x", 10<<20))), calendar.TooLarge, calendar.MaxResourceSize},
		{"anna", "c.ics", string(simple("a")), calendar.UIDConflict, ""},
		{"anna", "b.ics", string(simple("a")), calendar.UIDConflict, ""},
		{"anna:room", "b.ics", string(event("b", at(10), at(12))), calendar.DoubleBooked, ""},
		{"anna:none", "c.ics", string(simple("c")), calendar.NoCalendar, ""},
		{"nobody", "c.ics", string(simple("c")), calendar.NoCalendar, ""},
		{"anna", "", string(simple("c")), calendar.Invalid, ""},
		{"anna", "x/..", string(simple("c")), calendar.Invalid, ""},
		{"anna", "x\x00", string(simple("c")), calendar.Invalid, ""},
		{"anna", "x/c.ics", string(simple("c")), calendar.Denied, ""},
	} {
		_, err := s.be.PutObject(s.ctx, s.as("anna"), calendar.PutRequest{Ref: calendar.Ref{Calendar: c.id, Name: c.name}, Data: []byte(c.data)})
		if calendar.KindOf(err) != c.kind || calendar.ReasonOf(err) != c.reason {
			s.Errorf("put %s/%q of %.60q: %v (reason %q), want %v %q", c.id, c.name, c.data, err, calendar.ReasonOf(err), c.kind, c.reason)
		}
	}
	same(s, "what is stored", s.names("anna"), []string{"a.ics", "b.ics"})
	equal(s, "data", string(s.get("anna", "b.ics").Data), string(simple("b")))
	s.put("anna:room", "b.ics", event("b", at(11), at(12)))  // touching is not overlapping
	s.put("anna:room", "a.ics", event("a", at(9.5), at(11))) // nor is an object with itself
}

func testPreconditions(s *suite) {
	s.home("anna")
	// A meeting, since only scheduling objects have a schedule tag: RFC 6638 §3.2.10.
	meeting := func(summary string) []byte {
		return event("a", at(9), at(10), "SUMMARY:"+summary, "ORGANIZER:mailto:anna@example.com", "ATTENDEE:mailto:bert@example.com")
	}
	old := s.put("anna", "a.ics", meeting("1")).Object
	now := s.put("anna", "a.ics", meeting("2")).Object
	anna, ref, free := s.as("anna"), calendar.Ref{Calendar: "anna", Name: "a.ics"}, calendar.Ref{Calendar: "anna", Name: "free.ics"}
	tag := func(o calendar.Object) []string { return []string{o.ETag()} }
	for _, c := range []struct {
		what string
		ref  calendar.Ref
		pre  calendar.Precond
	}{
		{"If-Match of an old text", ref, calendar.Precond{IfMatch: tag(old)}},
		{"If-Match of nothing", free, calendar.Precond{IfMatch: []string{"*"}}},
		{"If-None-Match: *", ref, calendar.Precond{IfNoneMatch: []string{"*"}}},
		{"If-None-Match of the text", ref, calendar.Precond{IfNoneMatch: tag(now)}},
		{"If-Schedule-Tag-Match of an old text", ref, calendar.Precond{IfScheduleTag: old.ScheduleTagValue()}},
		{"If-Unmodified-Since before", ref, calendar.Precond{IfUnmodified: now.Modified.Add(-time.Hour)}},
	} {
		_, err := s.be.PutObject(s.ctx, anna, calendar.PutRequest{Ref: c.ref, Data: simple("a"), Precond: c.pre})
		if calendar.KindOf(err) != calendar.Stale {
			s.Errorf("put, %s: %v", c.what, err)
		}
		if c.ref == free {
			continue
		}
		if err := s.be.DeleteObject(s.ctx, anna, calendar.DeleteRequest{Ref: c.ref, Precond: c.pre}); calendar.KindOf(err) != calendar.Stale {
			s.Errorf("delete, %s: %v", c.what, err)
		}
		_, err = s.be.CopyObject(s.ctx, anna, calendar.CopyRequest{From: c.ref, To: free, Move: true, Precond: c.pre})
		if calendar.KindOf(err) != calendar.Stale {
			s.Errorf("move, %s: %v", c.what, err)
		}
	}
	same(s, "after the refusals", s.names("anna"), []string{"a.ics"})
	for _, pre := range []calendar.Precond{
		{IfMatch: []string{"other", now.ETag()}},
		{IfMatch: []string{"*"}},
		{IfNoneMatch: []string{"other"}},
		{IfUnmodified: now.Modified.Add(time.Hour)},
	} {
		r, err := s.be.PutObject(s.ctx, anna, calendar.PutRequest{Ref: ref, Data: meeting("2"), Precond: pre})
		s.ok(err)
		now = r.Object
		for i := range pre.IfMatch {
			pre.IfMatch[i] = now.ETag()
		}
	}
	_, err := s.be.PutObject(s.ctx, anna, calendar.PutRequest{Ref: ref, Data: simple("a"), Precond: calendar.Precond{IfScheduleTag: now.ScheduleTagValue()}})
	s.ok(err)
	_, err = s.be.PutObject(s.ctx, anna, calendar.PutRequest{Ref: free, Data: simple("free"), Precond: calendar.Precond{IfNoneMatch: []string{"*"}}})
	s.ok(err)
}

func testToken(s *suite) {
	s.home("anna")
	req := calendar.PutRequest{
		Ref: calendar.Ref{Calendar: "anna", Name: "a.ics"}, Data: simple("a"), Token: "once",
		Precond: calendar.Precond{IfNoneMatch: []string{"*"}},
	}
	first, err := s.be.PutObject(s.ctx, s.as("anna"), req)
	s.ok(err)
	again, err := s.be.PutObject(s.ctx, s.as("anna"), req)
	s.ok(err)
	equal(s, "created, told again", again.Created, true)
	equal(s, "ETag, told again", again.Object.ETag(), first.Object.ETag())
	req.Token = "twice"
	_, err = s.be.PutObject(s.ctx, s.as("anna"), req)
	s.kind(err, calendar.Stale)
}

func testPlain(s *suite) {
	s.home("anna")
	anna := s.as("anna")
	make := func(id calendar.ID) error {
		_, err := s.be.CreateCalendar(s.ctx, anna, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: id, Kind: calendar.PlainCollection}, DefaultACL: true})
		return err
	}
	s.ok(make("anna:files"))
	s.ok(make("anna:files/sub"))
	s.kind(make("anna:none/sub"), calendar.Stale)
	for name, data := range map[string][]byte{"empty": {}, "bytes": {0, 0xff, '\r'}} {
		_, err := s.be.PutObject(s.ctx, anna, calendar.PutRequest{Ref: calendar.Ref{Calendar: "anna:files", Name: name}, Data: data, ContentType: "image/x-odd"})
		s.ok(err)
		o := s.get("anna:files", name)
		if !bytes.Equal(o.Data, data) || o.Data == nil || o.ContentType != "image/x-odd" || o.UID != "" {
			s.Errorf("file %s: %q %q %q", name, o.Data, o.ContentType, o.UID)
		}
	}
	_, err := s.be.PutObject(s.ctx, anna, calendar.PutRequest{Ref: calendar.Ref{Calendar: "anna:files", Name: "sub"}, Data: []byte("x")})
	s.kind(err, calendar.Exists)
	s.kind(make("anna:files/empty"), calendar.Exists)
	s.ok(s.be.DeleteCalendar(s.ctx, anna, calendar.DeleteCalendarRequest{ID: "anna:files"}))
	_, err = s.be.Calendar(s.ctx, anna, "anna:files/sub")
	s.kind(err, calendar.NoCalendar)
}

func testDeleteObject(s *suite) {
	s.home("anna")
	s.put("anna", "a.ics", simple("a"))
	anna, ref := s.as("anna"), calendar.Ref{Calendar: "anna", Name: "a.ics"}
	s.ok(s.be.DeleteObject(s.ctx, anna, calendar.DeleteRequest{Ref: ref}))
	_, err := s.be.Object(s.ctx, anna, ref)
	s.kind(err, calendar.NotFound)
	s.kind(s.be.DeleteObject(s.ctx, anna, calendar.DeleteRequest{Ref: ref}), calendar.NotFound)
	s.kind(s.be.DeleteObject(s.ctx, anna, calendar.DeleteRequest{Ref: ref, Precond: calendar.Precond{IfMatch: []string{"*"}}}), calendar.Stale)
	s.kind(s.be.DeleteObject(s.ctx, anna, calendar.DeleteRequest{Ref: calendar.Ref{Calendar: "anna:none", Name: "a.ics"}}), calendar.NoCalendar)
	equal(s, "created anew", s.put("anna", "other.ics", simple("a")).Created, true) // the UID is free again
}

func testCopyObject(s *suite) {
	s.home("anna")
	s.calendar("anna:two", closed)
	s.put("anna", "a.ics", simple("a"))
	s.put("anna:two", "b.ics", simple("b"))
	anna := s.as("anna")
	prop := calendar.DeadProp{Space: "x:", Local: "p", Value: "<p xmlns=\"x:\"/>"}
	s.ok(s.be.PatchProps(s.ctx, anna, calendar.Ref{Calendar: "anna", Name: "a.ics"}, []calendar.PropChange{{Prop: prop}}))
	do := func(from, to string, req calendar.CopyRequest) (calendar.CopyResult, error) {
		ref := func(s string) calendar.Ref {
			id, name, _ := strings.Cut(s, "/")
			return calendar.Ref{Calendar: calendar.ID(id), Name: name}
		}
		req.From, req.To = ref(from), ref(to)
		return s.be.CopyObject(s.ctx, anna, req)
	}
	r, err := do("anna/a.ics", "anna:two/a2.ics", calendar.CopyRequest{})
	s.ok(err)
	equal(s, "replaced", r.Replaced, false)
	copied := s.get("anna:two", "a2.ics")
	equal(s, "data", string(copied.Data), string(simple("a")))
	equal(s, "ETag", copied.ETag(), r.Object.ETag())
	same(s, "dead properties", copied.Props, []calendar.DeadProp{prop})

	for _, c := range []struct {
		what, from, to string
		req            calendar.CopyRequest
		kind           calendar.Kind
	}{
		{"onto another", "anna/a.ics", "anna:two/b.ics", calendar.CopyRequest{}, calendar.Stale},
		{"twice into one calendar", "anna/a.ics", "anna:two/a3.ics", calendar.CopyRequest{}, calendar.UIDConflict},
		{"beside itself", "anna/a.ics", "anna/c.ics", calendar.CopyRequest{}, calendar.UIDConflict},
		{"onto itself", "anna/a.ics", "anna/a.ics", calendar.CopyRequest{Overwrite: true}, calendar.Denied},
		{"what is not there", "anna/none.ics", "anna:two/c.ics", calendar.CopyRequest{}, calendar.NotFound},
		{"from nowhere", "anna:none/a.ics", "anna:two/c.ics", calendar.CopyRequest{}, calendar.NoCalendar},
		{"to nowhere", "anna/a.ics", "anna:none/c.ics", calendar.CopyRequest{}, calendar.Stale},
		{"under a bad name", "anna/a.ics", "anna:two/..", calendar.CopyRequest{}, calendar.Invalid},
		{"unless the destination changed", "anna/a.ics", "anna:two/a2.ics", calendar.CopyRequest{Overwrite: true, IfDest: calendar.Precond{IfMatch: []string{"x"}}}, calendar.Stale},
	} {
		if _, err := do(c.from, c.to, c.req); calendar.KindOf(err) != c.kind {
			s.Errorf("copy %s: %v, want %v", c.what, err, c.kind)
		}
	}
	r, err = do("anna/a.ics", "anna:two/a2.ics", calendar.CopyRequest{Overwrite: true})
	s.ok(err)
	equal(s, "replaced", r.Replaced, true)

	_, err = do("anna/a.ics", "anna/renamed.ics", calendar.CopyRequest{Move: true})
	s.ok(err)
	same(s, "renamed", s.names("anna"), []string{"renamed.ics"})
	_, err = do("anna:two/b.ics", "anna/b.ics", calendar.CopyRequest{Move: true})
	s.ok(err)
	same(s, "destination", s.names("anna"), []string{"b.ics", "renamed.ics"})
	same(s, "source", s.names("anna:two"), []string{"a2.ics"})
}

func testPatchProps(s *suite) {
	s.home("anna")
	s.put("anna", "a.ics", simple("a"))
	anna, ref := s.as("anna"), calendar.Ref{Calendar: "anna", Name: "a.ics"}
	p := func(local, value string) calendar.DeadProp {
		return calendar.DeadProp{Space: "x:", Local: local, Value: value}
	}
	tag := s.get("anna", "a.ics").ETag()
	s.ok(s.be.PatchProps(s.ctx, anna, ref, []calendar.PropChange{{Prop: p("a", "1")}, {Prop: p("b", "2")}}))
	s.ok(s.be.PatchProps(s.ctx, anna, ref, []calendar.PropChange{{Prop: p("b", "3")}, {Prop: p("a", ""), Remove: true}}))
	o := s.get("anna", "a.ics")
	same(s, "properties", o.Props, []calendar.DeadProp{p("b", "3")})
	equal(s, "ETag", o.ETag(), tag) // the text is what it was
	s.put("anna", "a.ics", event("a", at(9), at(12)))
	same(s, "properties after an update", s.get("anna", "a.ics").Props, []calendar.DeadProp{p("b", "3")})
	s.kind(s.be.PatchProps(s.ctx, anna, calendar.Ref{Calendar: "anna", Name: "none"}, []calendar.PropChange{{Prop: p("a", "1")}}), calendar.NotFound)
	s.kind(s.be.PatchProps(s.ctx, anna, ref, []calendar.PropChange{{Prop: p("b", "4")}, {Prop: p("c", strings.Repeat("x", 1<<20))}}), calendar.TooLarge)
	same(s, "properties after a refusal", s.get("anna", "a.ics").Props, []calendar.DeadProp{p("b", "3")})
}
