package calendartest

import (
	"slices"
	"strings"

	"factotum/server/calendar"
)

// find runs a query and returns names.
func (s *suite) find(id calendar.ID, f *calendar.CompFilter) []string {
	s.Helper()
	var out []string
	err := s.be.Query(s.ctx, s.as(string(id.Owner())), calendar.QueryRequest{Calendar: id, Filter: f}, func(o *calendar.Object) error {
		out = append(out, o.Name)
		if !strings.Contains(string(o.Data), "UID:"+o.UID) {
			s.Errorf("%s came with %q", o.Name, o.Data)
		}
		return nil
	})
	s.ok(err)
	slices.Sort(out)
	return out
}

func inCalendar(comps ...calendar.CompFilter) *calendar.CompFilter {
	return &calendar.CompFilter{Name: "VCALENDAR", Comps: comps}
}

func testQuery(s *suite) {
	s.home("anna")
	s.put("anna", "day1", event("day1", at(9), at(10), "SUMMARY:Tea", "CATEGORIES;LANGUAGE=en:x"))
	s.put("anna", "day2", event("day2", at(33), at(34), "SUMMARY:Coffee"))
	s.put("anna", "daily", event("daily", at(12), at(13), "SUMMARY:Lunch", "RRULE:FREQ=DAILY;COUNT=10"))
	s.put("anna", "task", object("VTODO", "task", "DUE:"+stamp(at(20))))
	s.put("anna", "journal", object("VJOURNAL", "journal", "DTSTART:"+stamp(at(0))))
	window := func(from, to float64) *calendar.Window { return &calendar.Window{From: at(from), To: at(to)} }
	text := func(prop, text string, negate bool) calendar.CompFilter {
		return calendar.CompFilter{Name: "VEVENT", Props: []calendar.PropFilter{{Name: prop, Text: &calendar.TextMatch{Text: text, Negate: negate}}}}
	}
	for _, c := range []struct {
		what   string
		filter *calendar.CompFilter
		want   string
	}{
		{"everything", nil, "daily day1 day2 journal task"},
		{"the calendar", inCalendar(), "daily day1 day2 journal task"},
		{"events", inCalendar(calendar.CompFilter{Name: "VEVENT"}), "daily day1 day2"},
		{"tasks", inCalendar(calendar.CompFilter{Name: "VTODO"}), "task"},
		{"one day", inCalendar(calendar.CompFilter{Name: "VEVENT", TimeRange: window(0, 24)}), "daily day1"},
		{"the next", inCalendar(calendar.CompFilter{Name: "VEVENT", TimeRange: window(24, 48)}), "daily day2"},
		{"an instance", inCalendar(calendar.CompFilter{Name: "VEVENT", TimeRange: window(24*8, 24*9)}), "daily"},
		{"after the last", inCalendar(calendar.CompFilter{Name: "VEVENT", TimeRange: window(24*20, 24*21)}), ""},
		{"an open end", inCalendar(calendar.CompFilter{Name: "VEVENT", TimeRange: &calendar.Window{From: at(24)}}), "daily day2"},
		{"touching", inCalendar(calendar.CompFilter{Name: "VEVENT", TimeRange: window(10, 12)}), ""},
		{"tasks due", inCalendar(calendar.CompFilter{Name: "VTODO", TimeRange: window(0, 24)}), "task"},
		{"text", inCalendar(text("SUMMARY", "tEA", false)), "day1"},
		{"not the text", inCalendar(text("SUMMARY", "tea", true)), "daily day2"},
		{"UID", inCalendar(text("UID", "day2", false)), "day2"},
		{"no rule", inCalendar(calendar.CompFilter{Name: "VEVENT", Props: []calendar.PropFilter{{Name: "RRULE", IsNotDefined: true}}}), "day1 day2"},
		{"a parameter", inCalendar(calendar.CompFilter{Name: "VEVENT", Props: []calendar.PropFilter{{
			Name: "CATEGORIES", Params: []calendar.ParamFilter{{Name: "LANGUAGE", Text: &calendar.TextMatch{Text: "en"}}},
		}}}), "day1"},
		{"no event", inCalendar(calendar.CompFilter{Name: "VEVENT", IsNotDefined: true}), "journal task"},
		{"either", inCalendar(calendar.CompFilter{Name: "VEVENT", AnyOf: true, Props: []calendar.PropFilter{
			{Name: "SUMMARY", Text: &calendar.TextMatch{Text: "Tea", Collation: "i;octet"}},
			{Name: "SUMMARY", Text: &calendar.TextMatch{Text: "Coffee", Collation: "i;unicode-casemap"}},
		}}), "day1 day2"},
	} {
		if got := strings.Join(s.find("anna", c.filter), " "); got != c.want {
			s.Errorf("%s: got %q, want %q", c.what, got, c.want)
		}
	}
	for name, want := range map[string]string{"day1": "day1", "day2": "", "daily": "daily", "task": ""} {
		req := calendar.QueryRequest{Calendar: "anna", Object: name, Filter: inCalendar(calendar.CompFilter{Name: "VEVENT", TimeRange: window(0, 24)})}
		got := ""
		s.ok(s.be.Query(s.ctx, s.as("anna"), req, func(o *calendar.Object) error { got += o.Name; return nil }))
		if got != want {
			s.Errorf("of %s alone: got %q, want %q", name, got, want)
		}
	}
	for _, c := range []struct {
		what   string
		req    calendar.QueryRequest
		kind   calendar.Kind
		reason calendar.Reason
	}{
		{"limit", calendar.QueryRequest{Calendar: "anna", Limit: 3}, calendar.TooMany, ""},
		{"no such calendar", calendar.QueryRequest{Calendar: "anna:none"}, calendar.NoCalendar, ""},
		{"no such object", calendar.QueryRequest{Calendar: "anna", Object: "none"}, calendar.NotFound, ""},
		{"empty range", calendar.QueryRequest{Calendar: "anna", Filter: inCalendar(calendar.CompFilter{Name: "VEVENT", TimeRange: &calendar.Window{}})}, calendar.Invalid, calendar.ValidFilter},
		{"range backwards", calendar.QueryRequest{Calendar: "anna", Filter: inCalendar(calendar.CompFilter{Name: "VEVENT", TimeRange: window(2, 1)})}, calendar.Invalid, calendar.ValidFilter},
		{"collation", calendar.QueryRequest{Calendar: "anna", Filter: inCalendar(calendar.CompFilter{Name: "VEVENT", Props: []calendar.PropFilter{
			{Name: "SUMMARY", Text: &calendar.TextMatch{Text: "x", Collation: "i;other"}},
		}})}, calendar.Unsupported, calendar.SupportedCollation},
		{"nested", calendar.QueryRequest{Calendar: "anna", Filter: nest(500)}, calendar.Invalid, calendar.ValidFilter},
		{"time zone", calendar.QueryRequest{Calendar: "anna", Data: calendar.DataRequest{Timezone: "junk"}}, calendar.Invalid, calendar.ValidTimezone},
		{"expand without end", calendar.QueryRequest{Calendar: "anna", Data: calendar.DataRequest{Expand: &calendar.Window{From: day}}}, calendar.Invalid, calendar.ValidFilter},
	} {
		err := s.be.Query(s.ctx, s.as("anna"), c.req, func(*calendar.Object) error { return nil })
		if calendar.KindOf(err) != c.kind || calendar.ReasonOf(err) != c.reason {
			s.Errorf("%s: %v (reason %q), want %v %q", c.what, err, calendar.ReasonOf(err), c.kind, c.reason)
		}
	}
}

func nest(levels int) *calendar.CompFilter {
	f := calendar.CompFilter{Name: "VEVENT"}
	for range levels {
		f = calendar.CompFilter{Name: "VEVENT", Comps: []calendar.CompFilter{f}}
	}
	return inCalendar(f)
}

func testQueryData(s *suite) {
	s.home("anna")
	s.put("anna", "daily", event("daily", at(12), at(13), "SUMMARY:Lunch", "RRULE:FREQ=DAILY;COUNT=10"))
	two := &calendar.Window{From: at(24), To: at(72)}
	one := func(d calendar.DataRequest) *calendar.Object {
		s.Helper()
		var out *calendar.Object
		err := s.be.Query(s.ctx, s.as("anna"), calendar.QueryRequest{Calendar: "anna", Data: d}, func(o *calendar.Object) error { out = o; return nil })
		s.ok(err)
		if out == nil {
			s.Fatal("the query found nothing")
		}
		return out
	}
	o := one(calendar.DataRequest{None: true})
	equal(s, "no data", o.Data == nil && o.Size > 0, true)
	expanded := string(one(calendar.DataRequest{Expand: two}).Data)
	equal(s, "instances", strings.Count(expanded, "BEGIN:VEVENT"), 2)
	equal(s, "rules", strings.Contains(expanded, "RRULE"), false)
	equal(s, "recurrence id", strings.Contains(expanded, "RECURRENCE-ID:"+stamp(at(36))), true)
	equal(s, "limited set", strings.Contains(string(one(calendar.DataRequest{LimitRecur: two}).Data), "RRULE"), true)
	part := string(one(calendar.DataRequest{Comp: &calendar.CompSelect{
		Name: "VCALENDAR", Comps: []calendar.CompSelect{{Name: "VEVENT", Props: []calendar.PropSelect{{Name: "UID"}, {Name: "SUMMARY", NoValue: true}}}},
	}}).Data)
	equal(s, "selected", strings.Contains(part, "UID:daily"), true)
	equal(s, "left out", strings.Contains(part, "RRULE") || strings.Contains(part, "Lunch"), false)

	// A series that is too long to be expanded is refused, and spoils no other.
	s.put("anna", "always", event("always", at(0), at(0), "SUMMARY:Always", "RRULE:FREQ=MINUTELY"))
	s.put("anna", "zuletzt", event("zuletzt", at(33), at(34)))
	month := &calendar.Window{From: at(0), To: at(24 * 30)}
	req := calendar.QueryRequest{Calendar: "anna", Data: calendar.DataRequest{Expand: month}}
	var found []string
	s.ok(s.be.Query(s.ctx, s.as("anna"), req, func(o *calendar.Object) error {
		found = append(found, o.Name)
		if o.Name != "always" {
			s.ok(o.Refused)
			equal(s, "data of "+o.Name, len(o.Data) > 0, true)
			return nil
		}
		equal(s, "kind", calendar.KindOf(o.Refused), calendar.TooMany)
		equal(s, "reason", calendar.ReasonOf(o.Refused), calendar.MaxInstances)
		equal(s, "data", o.Data == nil && o.Change > 0, true)
		return nil
	}))
	slices.Sort(found)
	same(s, "beside an endless series", found, []string{"always", "daily", "zuletzt"})
}

func testSync(s *suite) {
	s.home("anna")
	for _, n := range []string{"a", "b", "c"} {
		s.put("anna", n, simple(n))
	}
	anna := s.as("anna")
	type answer struct {
		live, gone []string
		calendar.SyncResult
	}
	sync := func(req calendar.SyncRequest) answer {
		s.Helper()
		req.Calendar = "anna"
		var a answer
		r, err := s.be.Sync(s.ctx, anna, req, func(it calendar.SyncItem) error {
			switch {
			case it.Object != nil && it.Gone == nil:
				a.live = append(a.live, it.Object.Name)
				equal(s, "data", it.Object.Data != nil, req.Data)
			case it.Gone != nil && it.Object == nil:
				a.gone = append(a.gone, it.Gone.Name)
				equal(s, "last text", it.Gone.Data != nil, req.Deleted)
				equal(s, "tombstone", it.Gone.UID == it.Gone.Name && it.Gone.Component == "VEVENT" && !it.Gone.Deleted.IsZero(), true)
			default:
				s.Errorf("item %+v", it)
			}
			return nil
		})
		s.ok(err)
		slices.Sort(a.live)
		slices.Sort(a.gone)
		a.SyncResult = r
		return a
	}
	first := sync(calendar.SyncRequest{})
	same(s, "first sync", first.live, []string{"a", "b", "c"})
	equal(s, "first sync, gone", len(first.gone), 0)
	c, err := s.be.Calendar(s.ctx, anna, "anna")
	s.ok(err)
	equal(s, "token", first.Token, c.SyncToken())
	equal(s, "calendar", first.Calendar.ID, "anna")
	same(s, "first sync with data", sync(calendar.SyncRequest{Data: true}).live, []string{"a", "b", "c"})
	idle := sync(calendar.SyncRequest{Token: first.Token})
	equal(s, "nothing changed", len(idle.live)+len(idle.gone), 0)
	equal(s, "token of nothing", idle.Token, first.Token)

	s.put("anna", "b", event("b", at(1), at(2)))
	s.put("anna", "d", simple("d"))
	s.put("anna", "e", simple("e"))
	s.ok(s.be.DeleteObject(s.ctx, anna, calendar.DeleteRequest{Ref: calendar.Ref{Calendar: "anna", Name: "a"}}))
	s.ok(s.be.DeleteObject(s.ctx, anna, calendar.DeleteRequest{Ref: calendar.Ref{Calendar: "anna", Name: "e"}}))
	for _, req := range []calendar.SyncRequest{{}, {Data: true}, {Deleted: true}, {Data: true, Deleted: true}} {
		req.Token = first.Token
		next := sync(req)
		same(s, "changed", next.live, []string{"b", "d"})
		same(s, "gone", slices.DeleteFunc(next.gone, func(n string) bool { return n == "e" }), []string{"a"}) // e came and went: telling is optional
		equal(s, "more", next.More, false)
	}
	same(s, "first sync does not tell of the dead", sync(calendar.SyncRequest{}).gone, nil)

	// In steps of one: every change comes, and the end is the present state.
	seen := map[string]bool{}
	token := first.Token
	for range 10 {
		a := sync(calendar.SyncRequest{Token: token, Limit: 1})
		if len(a.live)+len(a.gone) > 1 {
			s.Fatalf("limit 1 gave %v and %v", a.live, a.gone)
		}
		for _, n := range a.live {
			seen["+"+n] = true
		}
		for _, n := range a.gone {
			seen["-"+n] = true
		}
		token = a.Token
		if !a.More {
			break
		}
	}
	if !seen["+b"] || !seen["+d"] || !seen["-a"] {
		s.Errorf("in steps: %v", seen)
	}
	c, err = s.be.Calendar(s.ctx, anna, "anna")
	s.ok(err)
	equal(s, "last token", token, c.SyncToken())

	other := s.calendar("anna:other", closed)
	for _, bad := range []string{"x", "urn:factotum:sync:", c.SyncToken() + "zzz", other.SyncToken(), "data:,\xff"} {
		_, err := s.be.Sync(s.ctx, anna, calendar.SyncRequest{Calendar: "anna", Token: bad}, func(calendar.SyncItem) error { return nil })
		s.kind(err, calendar.BadSyncToken)
	}
	_, err = s.be.Sync(s.ctx, anna, calendar.SyncRequest{Calendar: "anna:none"}, func(calendar.SyncItem) error { return nil })
	s.kind(err, calendar.NoCalendar)
}
