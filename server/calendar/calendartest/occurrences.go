package calendartest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/ical"
)

// found reduces an answer to Occurrences to words: "calendar uid" with the
// instances' starts in hours, "-" before the name of what is gone, "!kind" for
// a failure.
func (s *suite) found(who string, req calendar.OccurrencesRequest) []string {
	s.Helper()
	var out []string
	opened, last := 0, 0
	s.ok(s.be.Occurrences(s.ctx, s.as(who), req, func(r calendar.OccurrencesResult) error {
		name := string(req.Calendars[r.Index])
		if opened < len(req.Calendars) {
			equal(s, "order of the openings", r.Index, opened)
			equal(s, "an opening is of a calendar or an error", r.Calendar != nil || r.Err != nil, true)
			if opened++; r.Calendar != nil {
				equal(s, "the calendar described", r.Calendar.ID, req.Calendars[r.Index])
			}
		} else if r.Index < last {
			s.Errorf("calendar %d is told of after %d", r.Index, last)
		} else {
			last = r.Index
		}
		switch {
		case r.Err != nil:
			out = append(out, fmt.Sprintf("%s !%v", name, calendar.KindOf(r.Err)))
			return nil
		case r.Gone != nil:
			name += " -" + r.Gone.UID
		case r.Object != nil:
			name += " " + r.Object.UID
			equal(s, "text", len(r.Object.Data) == 0, req.None)
			if r.Excluded {
				name += " without"
			}
		default:
			return nil
		}
		for _, o := range r.Occurrences {
			name += fmt.Sprintf(" %v-%v", o.Start.Sub(day).Hours(), o.End.Sub(day).Hours())
			if !o.RID.IsZero() && o.RID.Civil() != o.Start {
				name += fmt.Sprintf("(%v)", o.RID.Civil().Sub(day).Hours())
			}
			if o.Part > 0 {
				name += fmt.Sprintf("#%d", o.Part)
			}
		}
		out = append(out, name)
		return nil
	}))
	equal(s, "calendars answered for", opened, len(req.Calendars))
	return out
}

// share lets everybody read a calendar.
func (s *suite) share(id calendar.ID) {
	s.Helper()
	list := acl.MustParse("@@p^a^rsfi^g;@^a^r^g")
	_, err := s.be.UpdateCalendar(s.ctx, s.as(string(id.Owner())), calendar.UpdateCalendarRequest{ID: id, ACL: &list})
	s.ok(err)
}

func todo(uid string, lines ...string) []byte { return object("VTODO", uid, lines...) }

func testOccurrences(s *suite) {
	s.home("anna")
	s.share(s.home("bert"))
	s.calendar("anna:shut", closed)
	s.put("anna", "1", event("1", at(9), at(10)))
	s.put("anna", "2", event("2", at(30), at(31)))
	s.put("anna", "3", event("3", at(-24+12), at(-24+13), "RRULE:FREQ=DAILY"))
	s.put("anna", "4", todo("4", "DUE:"+stamp(at(20))))
	override := "BEGIN:VEVENT\r\nUID:5\r\nDTSTAMP:20260801T000000Z\r\nRECURRENCE-ID:" + stamp(at(15)) + "\r\nDTSTART:" + stamp(at(16)) +
		"\r\nDTEND:" + stamp(at(18)) + "\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	s.put("anna", "5", []byte(strings.Replace(string(event("5", at(-24+15), at(-24+15.5), "RRULE:FREQ=DAILY;COUNT=3", "EXDATE:"+stamp(at(-24+15)))),
		"END:VCALENDAR\r\n", override, 1)))
	s.put("bert", "1", event("b1", at(1), at(2)))
	s.put("bert", "2", event("b2", at(-24+20), at(-24+21), "RRULE:FREQ=WEEKLY"))

	today := calendar.Window{From: day, To: at(24)}
	all := []calendar.ID{"bert", "anna", "anna:shut", "anna:none", "bert", "nobody"}
	same(s, "a day of several", s.found("anna", calendar.OccurrencesRequest{Calendars: all, Window: today}), []string{
		"anna:none !" + calendar.NoCalendar.String(), "nobody !" + calendar.NoCalendar.String(),
		"bert b1",
		"anna 1", "anna 3 12-13", "anna 5 16-18(15)#1", "anna 4",
		"bert b1",
	})
	same(s, "of a stranger", s.found("bert", calendar.OccurrencesRequest{Calendars: []calendar.ID{"anna:shut", "bert"}, Window: today}), []string{
		"anna:shut !" + calendar.NoCalendar.String(), "bert b1",
	})
	one := []calendar.ID{"anna"}
	for _, c := range []struct {
		what string
		req  calendar.OccurrencesRequest
		want []string
	}{
		{"events", calendar.OccurrencesRequest{Components: []string{"VEVENT"}, Window: today}, []string{"anna 1", "anna 3 12-13", "anna 5 16-18(15)#1"}},
		{"tasks", calendar.OccurrencesRequest{Components: []string{"VTODO"}, Window: today}, []string{"anna 4"}},
		{"series", calendar.OccurrencesRequest{Series: true, Window: today}, []string{"anna 1", "anna 3", "anna 5", "anna 4"}},
		{"without text", calendar.OccurrencesRequest{None: true, Window: today}, []string{"anna 1", "anna 3", "anna 5", "anna 4"}},
		{"no start", calendar.OccurrencesRequest{Window: calendar.Window{To: at(10)}}, []string{"anna 1", "anna 3 -12--11"}},
		{"no end, bounded", calendar.OccurrencesRequest{Window: calendar.Window{From: at(24)}, Bound: 2}, []string{"anna 2", "anna 3 36-37 60-61", "anna 5 39-39.5"}},
		{"few instances", calendar.OccurrencesRequest{Components: []string{"VEVENT"}, Window: calendar.Window{From: at(24)}, Instances: 1},
			[]string{"anna 2", "anna 3 36-37", "anna 5 39-39.5"}},
		{"all of it", calendar.OccurrencesRequest{Bound: 1}, []string{"anna 1", "anna 2", "anna 3 -12--11", "anna 5 16-18(15)#1 39-39.5", "anna 4"}},
	} {
		c.req.Calendars = one
		if strings.HasPrefix(c.what, "no ") || c.what == "all of it" || c.what == "few instances" { // the order is that of the index, or of the names
			got := s.found("anna", c.req)
			slices.Sort(got)
			slices.Sort(c.want)
			same(s, c.what, got, c.want)
			continue
		}
		same(s, c.what, s.found("anna", c.req), c.want)
	}

	utc := func(t time.Time) ical.DateTime { return ical.FromCivil(t, ical.UTC, "") }
	same(s, "by name", s.found("anna", calendar.OccurrencesRequest{Calendars: one, Select: calendar.Named, Bound: 1, Refs: []calendar.OccurrenceRef{
		{UID: "none"}, {UID: "1"}, {UID: "5"}, {UID: "3", RID: utc(at(36)), Scope: calendar.ThisInstance}, {UID: "3", RID: utc(at(37)), Scope: calendar.ThisInstance},
		{UID: "3", RID: utc(at(36)), Scope: calendar.ThisAndFuture}, {UID: "5", RID: utc(at(15)), Scope: calendar.ThisAndPrior}, {UID: "4"},
	}}), []string{"anna 1", "anna 5 16-18(15)#1 39-39.5", "anna 3 36-37", "anna 3 36-37", "anna 5 16-18(15)#1", "anna 4"})

	for _, req := range []calendar.OccurrencesRequest{
		{Calendars: one, Components: []string{"VJOURNAL"}}, {Calendars: one, Select: 200},
		{Calendars: slices.Repeat(one, 100_000)}, {Calendars: one, Refs: make([]calendar.OccurrenceRef, 100_000)},
	} {
		if err := s.be.Occurrences(s.ctx, s.as("anna"), req, func(calendar.OccurrencesResult) error { return nil }); err == nil {
			s.Errorf("taken: %v, %d", req.Components, req.Select)
		}
	}
	same(s, "a window that ends before it begins", s.found("anna", calendar.OccurrencesRequest{Calendars: one, Window: calendar.Window{From: at(2), To: at(1)}}),
		[]string{"anna !" + calendar.Invalid.String()})
	s.ok(s.be.Occurrences(s.ctx, s.as("anna"), calendar.OccurrencesRequest{}, func(calendar.OccurrencesResult) error {
		s.Error("an answer for nothing")
		return nil
	}))
	enough := errors.New("enough")
	for most := 1; most <= 8; most++ {
		n := 0
		err := s.be.Occurrences(s.ctx, s.as("anna"), calendar.OccurrencesRequest{Calendars: []calendar.ID{"bert", "anna"}, Window: today}, func(calendar.OccurrencesResult) error {
			if n++; n == min(most, 7) {
				return enough
			}
			return nil
		})
		if !errors.Is(err, enough) || n != min(most, 7) {
			s.Errorf("stopped at %d: %d came, error %v", most, n, err)
		}
	}
}

// Times without a zone are read in the calendar's, also where that is a text of
// its own. RFC 4791 §5.2.2.
func testOccurrencesFloat(s *suite) {
	s.home("anna")
	s.put("anna", "1", object("VEVENT", "1", "DTSTART:20260901T080000", "DURATION:PT1H"))
	s.put("anna", "2", object("VEVENT", "2", "DTSTART:20260831T081500", "DURATION:PT15M", "RRULE:FREQ=DAILY"))
	s.put("anna", "3", object("VEVENT", "3", "DTSTART;VALUE=DATE:20260831", "RRULE:FREQ=DAILY"))
	text := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VTIMEZONE\r\nTZID:Far West\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\n" +
		"TZOFFSETFROM:-0700\r\nTZOFFSETTO:-0700\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\nEND:VCALENDAR\r\n"
	ask := func() (float string, got []string) {
		req := calendar.OccurrencesRequest{Calendars: []calendar.ID{"anna"}, Window: calendar.Window{From: at(14.75), To: at(16)}}
		s.ok(s.be.Occurrences(s.ctx, s.as("anna"), req, func(r calendar.OccurrencesResult) error {
			if r.Calendar != nil {
				float = r.Float
			}
			return nil
		}))
		got = s.found("anna", req)
		slices.Sort(got)
		return float, got
	}
	float, got := ask()
	equal(s, "the server's zone", float, "UTC")
	same(s, "in UTC", got, []string{"anna 3 0-24"})
	_, err := s.be.UpdateCalendar(s.ctx, s.as("anna"), calendar.UpdateCalendarRequest{ID: "anna", Timezone: &text})
	s.ok(err)
	float, got = ask()
	equal(s, "the calendar's zone", float, text)
	same(s, "seven hours behind", got, []string{"anna 1", "anna 2 15.25-15.5", "anna 3 7-31(0)"})
}

func testOccurrencesSelect(s *suite) {
	s.share(s.home("anna"))
	s.share(s.home("bert"))
	all := []calendar.ID{"anna"}
	const alarm = "BEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:x\r\nTRIGGER:-PT1H\r\nEND:VALARM"
	s.put("anna", "1", event("1", at(9), at(10), alarm))
	s.put("anna", "2", event("2", at(-24+10), at(-24+11), "RRULE:FREQ=DAILY", alarm))
	s.put("anna", "3", event("3", at(9), at(10)))
	s.put("anna", "4", event("4", at(9), at(10), "CLASS:PRIVATE", alarm, "ORGANIZER:mailto:bert@example.com", "ATTENDEE;SCHEDULE-STATUS=5.1:mailto:carl@example.com"))
	// What is imported keeps what it says of deliveries; those of a PUT are the server's.
	imported, err := s.be.PutObjects(s.ctx, s.as("anna"), calendar.PutObjectsRequest{Calendar: "anna", Items: []calendar.PutItem{{Name: "5",
		Data: event("5", at(11), at(12), "ORGANIZER:mailto:anna@example.com", `ATTENDEE;SCHEDULE-STATUS="2.0,3.7":mailto:bert@example.com`)}}})
	s.ok(err)
	s.ok(imported[0].Err)
	s.put("anna", "6", event("6", at(11), at(12), "ORGANIZER:mailto:bert@example.com", "ATTENDEE;SCHEDULE-STATUS=1.2:mailto:anna@example.com"))

	ask := func(who string, req calendar.OccurrencesRequest) []string {
		s.Helper()
		req.Calendars = all
		got := s.found(who, req)
		slices.Sort(got)
		return got
	}
	early := calendar.Window{From: at(7.5), To: at(9.5)}
	same(s, "alarms", ask("anna", calendar.OccurrencesRequest{Select: calendar.Alarmed, Window: early}), []string{"anna 1", "anna 2 10-11", "anna 4"})
	same(s, "alarms, of others", ask("bert", calendar.OccurrencesRequest{Select: calendar.Alarmed, Window: early}), nil)
	same(s, "alarms of series", ask("anna", calendar.OccurrencesRequest{Select: calendar.Alarmed, Window: early, Series: true}), []string{"anna 1", "anna 2", "anna 4"})
	same(s, "not told", ask("anna", calendar.OccurrencesRequest{Select: calendar.Undelivered}), []string{"anna 4", "anna 5"})
	same(s, "not told, one", ask("anna", calendar.OccurrencesRequest{Select: calendar.Undelivered, Attendee: "MAILTO:bert@example.com"}), []string{"anna 5"})
	same(s, "not told, of others", ask("bert", calendar.OccurrencesRequest{Select: calendar.Undelivered}), []string{"anna 5"})

	since := s.get("anna", "1").Created
	for o := range 6 { // in the same microsecond nothing is changed
		since = laterOf(since, s.get("anna", fmt.Sprint(o+1)).Created)
	}
	s.put("anna", "2", event("2", at(-24+10), at(-24+11), "RRULE:FREQ=DAILY", "EXDATE:"+stamp(at(10)), alarm))
	changed := s.get("anna", "2").Modified
	s.ok(s.be.DeleteObject(s.ctx, s.as("anna"), calendar.DeleteRequest{Ref: calendar.Ref{Calendar: "anna", Name: "1"}}))
	open := calendar.OccurrencesRequest{Select: calendar.Deleted, Window: calendar.Window{From: since.Truncate(time.Second)}}
	if changed.After(since) {
		same(s, "deleted", ask("anna", open), []string{"anna -1", "anna 2 without 10-11"})
	}
	same(s, "deleted long ago", ask("anna", calendar.OccurrencesRequest{Select: calendar.Deleted, Window: calendar.Window{To: day.AddDate(-30, 0, 0)}}), nil)
	same(s, "changed", ask("anna", calendar.OccurrencesRequest{Select: calendar.Changed, Window: calendar.Window{From: changed.Truncate(time.Second), To: changed}, Bound: 1,
		Components: []string{"VTODO"}}), nil)
	got := ask("anna", calendar.OccurrencesRequest{Select: calendar.Changed, Window: calendar.Window{From: since.Truncate(time.Second)}, Bound: 1})
	if !slices.Contains(got, "anna 2 -14--13") || slices.Contains(got, "anna 1") {
		s.Errorf("changed: %v", got)
	}
	same(s, "changed long ago", ask("anna", calendar.OccurrencesRequest{Select: calendar.Changed, Window: calendar.Window{To: day.AddDate(-30, 0, 0)}}), nil)

	r, err := s.be.Calendars(s.ctx, s.as("anna"), calendar.CalendarsRequest{IDs: []calendar.ID{"anna", "bert", "anna:none", "nobody"}, Invitations: true})
	s.ok(err)
	equal(s, "answers", len(r), 4)
	equal(s, "a calendar", r[0].Calendar.ID, "anna")
	equal(s, "invitations", r[0].Invitations, 1)
	equal(s, "another's calendar", r[1].Calendar.ID, "bert")
	s.kind(r[2].Err, calendar.NoCalendar)
	s.kind(r[3].Err, calendar.NoCalendar)
	s.ok(s.be.Occurrences(s.ctx, s.as("anna"), calendar.OccurrencesRequest{Calendars: all, Invitations: true}, func(r calendar.OccurrencesResult) error {
		if r.Calendar != nil {
			equal(s, "invitations in a stream", r.Invitations, 1)
		}
		return nil
	}))
}

func laterOf(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// testMore: what answers carry along where it is asked for, so that nobody need
// ask twice.
func testMore(s *suite) {
	s.share(s.home("anna"))
	s.home("bert")
	anna, bert := s.as("anna"), s.as("bert")
	s.put("anna", "1", event("1", at(9), at(10), "SUMMARY:secret", "CLASS:PRIVATE", "RRULE:FREQ=DAILY"))

	// Occurrences are masked as all else is.
	s.ok(s.be.Occurrences(s.ctx, bert, calendar.OccurrencesRequest{Calendars: []calendar.ID{"anna"}, Window: calendar.Window{From: day, To: at(24)}}, func(r calendar.OccurrencesResult) error {
		if o := r.Object; o != nil && (!o.Masked || strings.Contains(string(o.Data), "secret") || len(r.Occurrences) != 1 || !r.Occurrences[0].Start.Equal(at(9))) {
			s.Errorf("of another: %+v\n%s", r, o.Data)
		}
		return nil
	}))

	// Free/busy with its calendars.
	busy, err := s.be.FreeBusy(s.ctx, bert, calendar.FreeBusyRequest{Describe: true, Window: calendar.Window{From: day, To: at(24)},
		Targets: []calendar.FreeBusyTarget{{Calendar: "anna"}, {Calendar: "anna:none"}, {Calendar: "anna", Home: true}}})
	s.ok(err)
	for i, b := range busy {
		if i == 1 {
			s.kind(b.Err, calendar.NoCalendar)
			equal(s, "a calendar that is not there", b.Calendar == nil, true)
		} else if b.Err != nil || b.Calendar == nil || b.Calendar.ID != "anna" || len(b.Busy) != 1 {
			s.Errorf("busy: %+v", b)
		}
	}

	// A home with its owner's preferences, for him alone.
	s.ok(s.be.SetPrefs(s.ctx, anna, calendar.SetPrefsRequest{Owner: "anna", Set: map[string]string{"a": "b"}}))
	for who, want := range map[string]string{"anna": "b", "root": "b", "bert": ""} {
		h, err := s.be.Home(s.ctx, s.as(who), calendar.HomeRequest{Owner: "anna", Prefs: true})
		s.ok(err)
		equal(s, "preferences for "+who, h.Prefs["a"], want)
	}

	// An edit with the instances of what it made.
	for _, n := range []int{0, 3} {
		res, err := s.be.EditObject(s.ctx, anna, calendar.EditRequest{Calendar: "anna", Component: "VEVENT", Return: true, Instances: n,
			Items: []calendar.EditItem{{UID: "1", Patch: calendar.Patch{Props: []calendar.PropEdit{text("SUMMARY", "x")}}}}})
		s.ok(err)
		s.ok(res.Items[0].Err)
		equal(s, "instances", len(res.Items[0].Occurrences), n)
		equal(s, "zone", res.Float, "UTC")
	}

	// An import of a period.
	r, err := s.be.PutObjects(s.ctx, anna, calendar.PutObjectsRequest{Calendar: "anna", Within: &calendar.Window{From: at(24), To: at(48)}, Items: []calendar.PutItem{
		{Data: event("before", at(1), at(2))}, {Data: event("in", at(30), at(31))}, {Data: event("series", at(1), at(2), "RRULE:FREQ=WEEKLY")}, {Data: []byte("nothing")}}})
	s.ok(err)
	for i, outside := range []bool{true, false, false, false} {
		equal(s, "outside", r[i].Outside, outside)
		equal(s, "stored", r[i].Created, !outside && i < 3)
		equal(s, "refused", r[i].Err != nil, i == 3)
	}

	// Changes of what is a calendar only.
	_, err = s.be.CreateCalendar(s.ctx, anna, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: "anna:files", Kind: calendar.PlainCollection}})
	s.ok(err)
	name := "x"
	_, err = s.be.UpdateCalendar(s.ctx, anna, calendar.UpdateCalendarRequest{ID: "anna:files", DisplayName: &name, OnlyKind: true})
	s.kind(err, calendar.NoCalendar)
	s.kind(s.be.DeleteCalendar(s.ctx, anna, calendar.DeleteCalendarRequest{ID: "anna:files", OnlyKind: true}), calendar.NoCalendar)
	s.ok(s.be.DeleteCalendar(s.ctx, anna, calendar.DeleteCalendarRequest{ID: "anna:files"}))
}
