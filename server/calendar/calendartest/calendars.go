package calendartest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"factotum/server/acl"
	"factotum/server/calendar"
)

func testPing(s *suite) {
	s.home("anna")
	st, err := s.be.Ping(s.ctx)
	s.ok(err)
	if st.Store == "" || st.Started.IsZero() {
		s.Errorf("status %+v lacks the store or the start", st)
	}
}

func testHome(s *suite) {
	anna := s.as("anna")
	for _, other := range []string{"bert", "root"} { // provisioning is for one's own home
		h, err := s.be.Home(s.ctx, s.as(other), calendar.HomeRequest{Owner: "anna"})
		s.ok(err)
		equal(s, "calendars before provisioning", len(h.Calendars), 0)
		_, err = s.be.Calendar(s.ctx, s.as(other), "anna")
		s.kind(err, calendar.NoCalendar)
	}
	_, err := s.be.Calendar(s.ctx, anna, "anna:other")
	s.kind(err, calendar.NoCalendar) // and of the default calendar

	h, err := s.be.Home(s.ctx, anna, calendar.HomeRequest{Owner: "anna", Counts: true})
	s.ok(err)
	if len(h.Calendars) != 1 || h.Calendars[0].ID != "anna" || h.Calendars[0].Count != 0 {
		s.Fatalf("provisioned home: %+v", h.Calendars)
	}
	c := h.Calendars[0]
	equal(s, "owner", h.Owner, "anna")
	equal(s, "display name", c.DisplayName, "Anna")
	same(s, "components", c.Components, []string{"VEVENT", "VTODO", "VJOURNAL"})
	equal(s, "rights", c.Rights.Owner && h.Rights.Owner, true)
	again, err := s.be.Home(s.ctx, anna, calendar.HomeRequest{Owner: "anna"})
	s.ok(err)
	equal(s, "second provisioning", again.Calendars[0].Incarnation, c.Incarnation)

	s.put("anna", "a.ics", simple("a"))
	h, err = s.be.Home(s.ctx, anna, calendar.HomeRequest{Owner: "anna", Counts: true})
	s.ok(err)
	equal(s, "count", h.Calendars[0].Count, 1)
	equal(s, "used bytes", h.UsedBytes, int64(len(simple("a"))))
	if h.Change <= c.Change {
		s.Errorf("the home's change number did not grow: %d, %d", c.Change, h.Change)
	}

	s.calendar("anna:secret", closed)
	h, err = s.be.Home(s.ctx, s.as("otto"), calendar.HomeRequest{Owner: "anna"})
	s.ok(err)
	for _, c := range h.Calendars {
		if c.ID == "anna:secret" {
			s.Error("a stranger sees a calendar without any right on it")
		}
	}
	equal(s, "a stranger's rights on the home", h.Rights.Owner, false)
	for _, owner := range []calendar.Owner{"nobody", "gone", "", "a:b", "../x"} {
		_, err := s.be.Home(s.ctx, s.as("root"), calendar.HomeRequest{Owner: owner})
		s.kind(err, calendar.NoCalendar)
	}
}

// testProvision: whatever an owner does first to his default calendar finds it.
func testProvision(s *suite) {
	first := map[string]func(who calendar.Actor, id calendar.ID) error{
		"anna": func(who calendar.Actor, id calendar.ID) error {
			_, err := s.be.Calendar(s.ctx, who, id)
			return err
		},
		"bert": func(who calendar.Actor, id calendar.ID) error {
			_, err := s.be.PutObject(calendar.WithToken(s.ctx, "first"), who, calendar.PutRequest{Ref: calendar.Ref{Calendar: id, Name: "a.ics"}, Data: simple("a")})
			return err
		},
		"carl": func(who calendar.Actor, id calendar.ID) error {
			_, err := s.be.EditObject(s.ctx, who, calendar.EditRequest{Calendar: id, Component: "VEVENT", Items: []calendar.EditItem{
				{UID: "a", Patch: calendar.Patch{Start: moment(at(9)), End: moment(at(10))}},
			}})
			return err
		},
		"rita": func(who calendar.Actor, id calendar.ID) error {
			return s.be.Query(s.ctx, who, calendar.QueryRequest{Calendar: id}, func(*calendar.Object) error { return nil })
		},
		"will": func(who calendar.Actor, id calendar.ID) error {
			name := "Will"
			_, err := s.be.UpdateCalendar(s.ctx, who, calendar.UpdateCalendarRequest{ID: id, DisplayName: &name})
			return err
		},
		"fred": func(who calendar.Actor, id calendar.ID) error {
			_, err := s.be.SyncHome(s.ctx, who, calendar.SyncHomeRequest{Owner: id.Owner()})
			return err
		},
	}
	for user, do := range first {
		id := calendar.ID(user)
		_, err := s.be.Calendar(s.ctx, s.as("root"), id)
		s.kind(err, calendar.NoCalendar)
		if err := do(s.as(user), id); err != nil {
			s.Errorf("%s: %v", user, err)
		}
		c, err := s.be.Calendar(s.ctx, s.as("root"), id)
		s.ok(err)
		equal(s, "the name of "+user+"'s calendar", c.DisplayName, s.people[user].Name)
		_, err = s.be.CreateCalendar(s.ctx, s.as(user), calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: id}, DefaultACL: true})
		s.kind(err, calendar.Exists)
	}
	// One that the administrator took away is made again.
	s.ok(s.be.DeleteCalendar(s.ctx, s.as("root"), calendar.DeleteCalendarRequest{ID: "anna"}))
	h, err := s.be.Home(s.ctx, s.as("anna"), calendar.HomeRequest{Owner: "anna"})
	s.ok(err)
	equal(s, "calendars after the default one was deleted", len(h.Calendars), 1)
}

func testCreateCalendar(s *suite) {
	want := calendar.Calendar{
		ID: "anna:work", DisplayName: "Wörk", Description: "about", Color: "#FF0000FF", Order: "3", TZID: "Europe/Berlin",
		Components: []string{"VEVENT", "VTODO"}, CoOwners: []string{"carl"}, ACL: acl.MustParse("rita^a^r^g"),
		Transparent: true, NoDoubles: true, Categories: "a,b", Charset: "utf-8", Language: "de",
		Props: []calendar.DeadProp{{Space: "http://example.com/", Local: "p", Value: "<p xmlns=\"http://example.com/\">v</p>"}},
	}
	anna := s.as("anna")
	got, err := s.be.CreateCalendar(s.ctx, anna, calendar.CreateCalendarRequest{Calendar: want})
	s.ok(err)
	again, err := s.be.Calendar(s.ctx, anna, "anna:work")
	s.ok(err)
	for _, c := range []calendar.Calendar{got, again} {
		equal(s, "ID", c.ID, want.ID)
		equal(s, "DisplayName", c.DisplayName, want.DisplayName)
		equal(s, "Description", c.Description, want.Description)
		equal(s, "Color", c.Color, want.Color)
		equal(s, "Order", c.Order, want.Order)
		equal(s, "TZID", c.TZID, want.TZID)
		equal(s, "Transparent", c.Transparent, true)
		equal(s, "NoDoubles", c.NoDoubles, true)
		equal(s, "Categories", c.Categories, want.Categories)
		equal(s, "Charset", c.Charset, want.Charset)
		equal(s, "Language", c.Language, want.Language)
		same(s, "Components", c.Components, want.Components)
		same(s, "CoOwners", c.CoOwners, want.CoOwners)
		same(s, "Props", c.Props, want.Props)
		equal(s, "ACL", c.ACL.String(), want.ACL.WithOwner(acl.MustParse(acl.DefaultOwner)).String())
		equal(s, "Rights", c.Rights.Owner, true)
		equal(s, "Created", c.Created.IsZero() || c.Incarnation == 0 || c.Change == 0, false)
	}
	def, err := s.be.CreateCalendar(s.ctx, anna, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: "anna:def"}, DefaultACL: true})
	s.ok(err)
	equal(s, "default ACL", len(def.ACL) > 2, true)
	empty, err := s.be.CreateCalendar(s.ctx, anna, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: "anna:empty", ACL: acl.List{}}})
	s.ok(err)
	equal(s, "an empty list, behind the owners'", empty.ACL.String(), acl.DefaultOwner)

	create := func(who string, c calendar.Calendar) error {
		_, err := s.be.CreateCalendar(s.ctx, s.as(who), calendar.CreateCalendarRequest{Calendar: c, DefaultACL: true})
		return err
	}
	s.kind(create("anna", calendar.Calendar{ID: "anna:work"}), calendar.Exists)
	s.kind(create("bert", calendar.Calendar{ID: "anna:x"}), calendar.Denied)
	s.kind(create("", calendar.Calendar{ID: "anna:x"}), calendar.Denied)
	s.kind(create("root", calendar.Calendar{ID: "nobody:x"}), calendar.NoCalendar)
	s.ok(create("root", calendar.Calendar{ID: "bert:made-for-him"}))
	s.reason(create("anna", calendar.Calendar{ID: "anna:a/../b"}), calendar.Invalid, calendar.CollectionLocationOK)
	s.reason(create("anna", calendar.Calendar{ID: calendar.ID("anna:" + strings.Repeat("x", 256))}), calendar.Invalid, calendar.CollectionLocationOK)
	s.reason(create("anna", calendar.Calendar{ID: "anna:work/below"}), calendar.Denied, calendar.CollectionLocationOK)
	s.reason(create("anna", calendar.Calendar{ID: "anna:y", TZID: "Nowhere/City"}), calendar.Invalid, calendar.ValidTimezone)
	s.reason(create("anna", calendar.Calendar{ID: "anna:y", Timezone: "junk"}), calendar.Invalid, calendar.ValidTimezone)
	s.reason(create("anna", calendar.Calendar{ID: "anna:y", Components: []string{"VALARM"}}), calendar.Invalid, calendar.SupportedComponent)
	_, err = s.be.Calendar(s.ctx, anna, "anna:y")
	s.kind(err, calendar.NoCalendar)
}

func testUpdateCalendar(s *suite) {
	before := s.calendar("anna:work", closed)
	anna := s.as("anna")
	text := func(v string) *string { return &v }
	yes := true
	list := acl.MustParse("rita^a^r^g")
	prop := calendar.DeadProp{Space: "x:", Local: "p", Value: "<p xmlns=\"x:\"/>"}
	after, err := s.be.UpdateCalendar(s.ctx, anna, calendar.UpdateCalendarRequest{
		ID: "anna:work", DisplayName: text("new"), Description: text("d"), Color: text("#00FF00"), Order: text("1"),
		TZID: text("Asia/Tokyo"), Components: &[]string{"VTODO"}, CoOwners: &[]string{"carl"}, ACL: &list,
		Transparent: &yes, NoDoubles: &yes, Categories: text("c"), Charset: text("utf-8"), Language: text("fr"),
		Props: []calendar.PropChange{{Prop: prop}},
	})
	s.ok(err)
	same(s, "texts", []string{after.DisplayName, after.Description, after.Color, after.Order, after.TZID, after.Categories, after.Charset, after.Language},
		[]string{"new", "d", "#00FF00", "1", "Asia/Tokyo", "c", "utf-8", "fr"})
	same(s, "components", after.Components, []string{"VTODO"})
	same(s, "co-owners", after.CoOwners, []string{"carl"})
	same(s, "properties", after.Props, []calendar.DeadProp{prop})
	equal(s, "flags", after.Transparent && after.NoDoubles, true)
	equal(s, "list", strings.Contains(after.ACL.String(), "rita^a^r^g"), true)
	equal(s, "incarnation", after.Incarnation, before.Incarnation)
	if after.CTag() == before.CTag() {
		s.Error("the collection tag stayed")
	}

	empty := ""
	after, err = s.be.UpdateCalendar(s.ctx, anna, calendar.UpdateCalendarRequest{
		ID: "anna:work", Description: &empty, CoOwners: &[]string{}, Props: []calendar.PropChange{{Prop: prop, Remove: true}},
	})
	s.ok(err)
	equal(s, "cleared description", after.Description, "")
	equal(s, "untouched name", after.DisplayName, "new")
	equal(s, "cleared lists", len(after.CoOwners)+len(after.Props), 0)

	// All or none: a bad value leaves the good one undone.
	_, err = s.be.UpdateCalendar(s.ctx, anna, calendar.UpdateCalendarRequest{ID: "anna:work", DisplayName: text("half"), TZID: text("No/Where")})
	s.reason(err, calendar.Invalid, calendar.ValidTimezone)
	_, err = s.be.UpdateCalendar(s.ctx, anna, calendar.UpdateCalendarRequest{ID: "anna:work", DisplayName: text("stale"), IfMatch: []string{before.CTag()}})
	s.kind(err, calendar.Stale)
	now, err := s.be.Calendar(s.ctx, anna, "anna:work")
	s.ok(err)
	equal(s, "name after refusals", now.DisplayName, "new")
	_, err = s.be.UpdateCalendar(s.ctx, anna, calendar.UpdateCalendarRequest{ID: "anna:work", DisplayName: text("fresh"), IfMatch: []string{now.CTag()}})
	s.ok(err)
	_, err = s.be.UpdateCalendar(s.ctx, anna, calendar.UpdateCalendarRequest{ID: "anna:none", DisplayName: text("x")})
	s.kind(err, calendar.NoCalendar)
	long := strings.Repeat("x", 1<<20)
	_, err = s.be.UpdateCalendar(s.ctx, anna, calendar.UpdateCalendarRequest{ID: "anna:work", DisplayName: &long})
	s.kind(err, calendar.TooLarge)
}

func testDeleteCalendar(s *suite) {
	s.home("anna")
	anna := s.as("anna")
	c := s.calendar("anna:work", closed)
	s.put("anna:work", "a.ics", simple("a"))
	del := func(id calendar.ID, match ...string) error {
		return s.be.DeleteCalendar(s.ctx, anna, calendar.DeleteCalendarRequest{ID: id, IfMatch: match})
	}
	s.kind(del("anna:work", c.CTag()), calendar.Stale) // the put changed it
	s.reason(del("anna"), calendar.Denied, calendar.DefaultCalendarNeeded)
	s.kind(del("anna:none"), calendar.NoCalendar)
	s.ok(del("anna:work"))
	_, err := s.be.Object(s.ctx, anna, calendar.Ref{Calendar: "anna:work", Name: "a.ics"})
	s.kind(err, calendar.NoCalendar)
	s.kind(del("anna:work"), calendar.NoCalendar)

	// The same name again is another calendar: old tokens mean nothing.
	again := s.calendar("anna:work", closed)
	equal(s, "names in the new one", len(s.names("anna:work")), 0)
	if again.Incarnation == c.Incarnation {
		s.Error("the new calendar has the incarnation of the old")
	}
	_, err = s.be.Sync(s.ctx, anna, calendar.SyncRequest{Calendar: "anna:work", Token: c.SyncToken()}, func(calendar.SyncItem) error { return nil })
	s.kind(err, calendar.BadSyncToken)
}

func testCopyCalendar(s *suite) {
	s.home("anna")
	anna := s.as("anna")
	src := s.calendar("anna:src", "rita^a^r^g")
	for _, n := range []string{"a", "b"} {
		s.put("anna:src", n+".ics", simple(n))
	}
	do := func(from, to calendar.ID, req calendar.CopyRequest) (calendar.CopyResult, error) {
		req.From.Calendar, req.To.Calendar = from, to
		return s.be.CopyCalendar(s.ctx, anna, req)
	}
	r, err := do("anna:src", "anna:copy", calendar.CopyRequest{})
	s.ok(err)
	equal(s, "replaced", r.Replaced, false)
	same(s, "copied", s.names("anna:copy"), []string{"a.ics", "b.ics"})
	same(s, "left", s.names("anna:src"), []string{"a.ics", "b.ics"})
	equal(s, "data", string(s.get("anna:copy", "a.ics").Data), string(simple("a")))
	copied, err := s.be.Calendar(s.ctx, anna, "anna:copy")
	s.ok(err)
	equal(s, "list", copied.ACL.String(), src.ACL.String())

	_, err = do("anna:src", "anna:copy", calendar.CopyRequest{})
	s.kind(err, calendar.Stale)
	r, err = do("anna:src", "anna:copy", calendar.CopyRequest{Overwrite: true, Shallow: true})
	s.ok(err)
	equal(s, "replaced", r.Replaced, true)
	equal(s, "members of a shallow copy", len(s.names("anna:copy")), 0)

	_, err = do("anna:src", "anna:moved", calendar.CopyRequest{Move: true})
	s.ok(err)
	same(s, "moved", s.names("anna:moved"), []string{"a.ics", "b.ics"})
	_, err = s.be.Calendar(s.ctx, anna, "anna:src")
	s.kind(err, calendar.NoCalendar)

	_, err = do("anna:none", "anna:x", calendar.CopyRequest{})
	s.kind(err, calendar.NoCalendar)
	_, err = do("anna:moved", "anna:moved", calendar.CopyRequest{Overwrite: true})
	s.kind(err, calendar.Denied)
	_, err = do("anna", "anna:x", calendar.CopyRequest{Move: true})
	s.reason(err, calendar.Denied, calendar.DefaultCalendarNeeded)
	_, err = do("anna:moved", "anna", calendar.CopyRequest{Overwrite: true})
	s.reason(err, calendar.Denied, calendar.DefaultCalendarNeeded)
	_, err = do("anna:moved", "anna:a/../b", calendar.CopyRequest{})
	s.kind(err, calendar.Invalid)
	_, err = do("anna:moved", "bert:x", calendar.CopyRequest{})
	s.kind(err, calendar.Unsupported)
	_, err = s.be.CopyCalendar(s.ctx, s.as("rita"), calendar.CopyRequest{From: calendar.Ref{Calendar: "anna:moved"}, To: calendar.Ref{Calendar: "anna:x"}})
	s.kind(err, calendar.Denied)
}

func testSyncHome(s *suite) {
	s.home("anna")
	s.calendar("anna:one", "rita^a^r^g")
	s.calendar("anna:two", closed)
	anna := s.as("anna")
	sync := func(token string) calendar.SyncHomeResult {
		s.Helper()
		r, err := s.be.SyncHome(s.ctx, anna, calendar.SyncHomeRequest{Owner: "anna", Token: token})
		s.ok(err)
		return r
	}
	ids := func(cals []calendar.Calendar) (out []calendar.ID) {
		for _, c := range cals {
			out = append(out, c.ID)
		}
		slices.Sort(out)
		return out
	}
	first := sync("")
	same(s, "first", ids(first.Changed), []calendar.ID{"anna", "anna:inbox", "anna:one", "anna:outbox", "anna:two"})
	idle := sync(first.Token)
	equal(s, "nothing changed", len(idle.Changed)+len(idle.Removed), 0)
	s.put("anna:two", "a.ics", simple("a"))
	s.ok(s.be.DeleteCalendar(s.ctx, anna, calendar.DeleteCalendarRequest{ID: "anna:one"}))
	next := sync(first.Token)
	same(s, "changed", ids(next.Changed), []calendar.ID{"anna:two"})
	same(s, "removed", next.Removed, []calendar.ID{"anna:one"})
	equal(s, "after that", len(sync(next.Token).Changed), 0)
	_, err := s.be.SyncHome(s.ctx, anna, calendar.SyncHomeRequest{Owner: "anna", Token: "urn:other:1"})
	s.kind(err, calendar.BadSyncToken)
	_, err = s.be.SyncHome(s.ctx, anna, calendar.SyncHomeRequest{Owner: "nobody"})
	s.kind(err, calendar.NoCalendar)
}

func testPrefs(s *suite) {
	anna := s.as("anna")
	got, err := s.be.Prefs(s.ctx, anna, "anna")
	s.ok(err)
	equal(s, "at first", len(got), 0)
	s.ok(s.be.SetPrefs(s.ctx, anna, calendar.SetPrefsRequest{Owner: "anna", Set: map[string]string{"ceColorSet": "pref_group4", "ceEmpty": "", "odd": "a\xffb"}}))
	s.ok(s.be.SetPrefs(s.ctx, anna, calendar.SetPrefsRequest{Owner: "anna", Set: map[string]string{"ceFontFace": "Times"}, Remove: []string{"ceColorSet", "never-there"}}))
	for _, who := range []string{"anna", "root"} {
		got, err = s.be.Prefs(s.ctx, s.as(who), "anna")
		s.ok(err)
		if v, ok := got["ceEmpty"]; len(got) != 3 || !ok || v != "" || got["ceFontFace"] != "Times" || got["odd"] != "a\xffb" {
			s.Errorf("preferences %q", got)
		}
	}
	// Edits start from what is there.
	edit := func(name string, how calendar.PrefHow, values ...string) calendar.PrefEdit {
		return calendar.PrefEdit{Name: name, How: how, Values: values}
	}
	got, err = s.be.EditPrefs(s.ctx, anna, calendar.EditPrefsRequest{Owner: "anna", Edits: []calendar.PrefEdit{
		edit("list", calendar.PrefAdd, "a"), edit("list", calendar.PrefAdd, "b", "c"), edit("list", calendar.PrefDrop),
		edit("ceFontFace", calendar.PrefSet, "Arial"), edit("gone", calendar.PrefDrop), edit("ceEmpty", calendar.PrefDrop),
		edit("icsSubscribed", calendar.PrefAdd, "bert$Bert"),
	}})
	s.ok(err)
	want := map[string]string{"list": "b\nc", "ceFontFace": "Arial", "odd": "a\xffb", "icsSubscribed": "anna$Anna\nbert$Bert"}
	if !maps.Equal(got, want) {
		s.Errorf("edited: %q, want %q", got, want)
	}
	got, err = s.be.EditPrefs(s.ctx, anna, calendar.EditPrefsRequest{Owner: "anna", Edits: []calendar.PrefEdit{
		edit("list", calendar.PrefDrop), edit("list", calendar.PrefDrop), edit("icsSubscribed", calendar.PrefDrop), edit("icsSubscribed", calendar.PrefDrop),
	}})
	s.ok(err)
	if _, ok := got["list"]; ok || got["icsSubscribed"] != "anna$Anna" || len(got) != 3 { // one's own stays
		s.Errorf("taken out: %q", got)
	}
	now, err := s.be.Prefs(s.ctx, anna, "anna")
	s.ok(err)
	if !maps.Equal(got, now) {
		s.Errorf("answered %q, are %q", got, now)
	}
	_, err = s.be.EditPrefs(s.ctx, anna, calendar.EditPrefsRequest{Owner: "anna", Edits: []calendar.PrefEdit{edit("a", calendar.PrefSet, "1"), edit("b", calendar.PrefSet, strings.Repeat("x", 1<<20))}})
	s.kind(err, calendar.TooLarge)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			_, err := s.be.EditPrefs(s.ctx, anna, calendar.EditPrefsRequest{Owner: "anna", Edits: []calendar.PrefEdit{edit("many", calendar.PrefAdd, fmt.Sprint(i))}})
			if err != nil {
				s.Error(err)
			}
		})
	}
	all.Wait()
	now, err = s.be.Prefs(s.ctx, anna, "anna")
	s.ok(err)
	equal(s, "values set at the same time", len(strings.Split(now["many"], "\n")), 8)
	if _, ok := now["a"]; ok {
		s.Error("a part of a refused edit was made")
	}
	for _, who := range []string{"bert", ""} {
		_, err = s.be.Prefs(s.ctx, s.as(who), "anna")
		s.kind(err, calendar.Denied)
		s.kind(s.be.SetPrefs(s.ctx, s.as(who), calendar.SetPrefsRequest{Owner: "anna", Set: map[string]string{"a": "b"}}), calendar.Denied)
		_, err = s.be.EditPrefs(s.ctx, s.as(who), calendar.EditPrefsRequest{Owner: "anna", Edits: []calendar.PrefEdit{edit("a", calendar.PrefSet, "b")}})
		s.kind(err, calendar.Denied)
		_, err = s.be.Subscribe(s.ctx, s.as(who), calendar.SubscribeRequest{Owner: "anna", Add: []calendar.Subscription{"anna"}})
		s.kind(err, calendar.Denied)
	}
	s.kind(s.be.SetPrefs(s.ctx, anna, calendar.SetPrefsRequest{Owner: "anna", Set: map[string]string{"a": strings.Repeat("x", 1<<20)}}), calendar.TooLarge)
	s.kind(s.be.SetPrefs(s.ctx, s.as("root"), calendar.SetPrefsRequest{Owner: "nobody", Set: map[string]string{"a": "b"}}), calendar.NoCalendar)
}

func testSubscribe(s *suite) {
	s.home("anna")
	s.calendar("anna:work", closed)
	name := "Wörk, $5"
	_, err := s.be.UpdateCalendar(s.ctx, s.as("anna"), calendar.UpdateCalendarRequest{ID: "anna:work", DisplayName: &name})
	s.ok(err)
	anna := s.as("anna")
	change := func(add []calendar.Subscription, remove ...calendar.ID) []calendar.Subscription {
		s.Helper()
		res, err := s.be.Subscribe(s.ctx, anna, calendar.SubscribeRequest{Owner: "anna", Add: add, Remove: remove})
		s.ok(err)
		prefs, err := s.be.Prefs(s.ctx, anna, "anna")
		s.ok(err)
		same(s, "the stored list", calendar.Subscriptions(prefs, s.people["anna"]), res.List)
		return res.List
	}
	list := func(items ...calendar.Subscription) []calendar.Subscription { return items }
	same(s, "one's own", change(nil), list("anna$Anna"))
	same(s, "added", change(list("anna:work", "bert:none")), list("anna$Anna", "anna:work$Wörk   5", "bert:none$bert:none"))
	same(s, "again", change(list("anna:work", "anna")), list("anna$Anna", "anna:work$Wörk   5", "bert:none$bert:none"))
	same(s, "one's own stays", change(nil, "anna", "anna:none"), list("anna$Anna", "anna:work$Wörk   5", "bert:none$bert:none"))
	same(s, "both", change(list("anna:none"), "bert:none", "anna:work"), list("anna$Anna", "anna:none$anna:none"))
	same(s, "that is left", change(nil, "anna:none"), list("anna$Anna"))
	res, err := s.be.Subscribe(s.ctx, s.as("root"), calendar.SubscribeRequest{Owner: "anna", Remove: []calendar.ID{"anna"}})
	s.ok(err)
	same(s, "nothing left, by the administrator", res.List, nil)
	same(s, "and that stays", change(nil), nil)
	var many []calendar.Subscription
	for i := range calendar.MaxSubscriptions + 1 {
		many = append(many, calendar.Subscription(fmt.Sprintf("anna:n%d", i)))
	}
	_, err = s.be.Subscribe(s.ctx, anna, calendar.SubscribeRequest{Owner: "anna", Add: many})
	s.kind(err, calendar.TooMany)
	_, err = s.be.Subscribe(s.ctx, s.as("root"), calendar.SubscribeRequest{Owner: "anna", Add: list("anna")})
	s.ok(err)
	same(s, "by the administrator", change(nil), list("anna$Anna"))
}
