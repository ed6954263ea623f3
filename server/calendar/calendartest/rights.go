package calendartest

import (
	"fmt"
	"slices"
	"strings"

	"factotum/server/acl"
	"factotum/server/calendar"
)

// who of the matrix: anna owns, carl is co-owner, rita may read, will read,
// write and delete, fred see busy time; otto and the anonymous "" have no
// right at all; root is the administrator.
var matrixActors = []string{"anna", "carl", "rita", "will", "fred", "otto", "", "root"}

// fine is the outcome of what is allowed.
const fine = "fine"

// testRights is the matrix of use cases and actors. Each row lists the
// outcomes in the order of matrixActors.
func testRights(s *suite) {
	none := func(*calendar.Object) error { return nil }
	name := "new name"
	list := acl.MustParse("rita^a^r^g;will^a^rwd^g;fred^c^f^g")
	n := 0
	ref := calendar.Ref{Calendar: "anna:team", Name: "a.ics"}
	rows := []struct {
		what string
		do   func(calendar.Actor) error
		want string // o: fine, d: Denied, n: NoCalendar
	}{
		{"Calendar", func(a calendar.Actor) error { _, err := s.be.Calendar(s.ctx, a, ref.Calendar); return err }, "ooooonno"},
		{"ListObjects", func(a calendar.Actor) error { _, err := s.be.ListObjects(s.ctx, a, ref.Calendar, none); return err }, "oooodnno"},
		{"Object", func(a calendar.Actor) error { _, err := s.be.Object(s.ctx, a, ref); return err }, "oooodnno"},
		{"Objects", func(a calendar.Actor) (err error) {
			e := s.be.Objects(s.ctx, a, calendar.ObjectsRequest{Refs: []calendar.Ref{ref}}, func(r calendar.ObjectResult) error { err = r.Err; return nil })
			s.ok(e)
			return err
		}, "oooodnno"},
		{"Query", func(a calendar.Actor) error {
			return s.be.Query(s.ctx, a, calendar.QueryRequest{Calendar: ref.Calendar}, none)
		}, "oooodnno"},
		{"Sync", func(a calendar.Actor) error {
			_, err := s.be.Sync(s.ctx, a, calendar.SyncRequest{Calendar: ref.Calendar}, func(calendar.SyncItem) error { return nil })
			return err
		}, "oooodnno"},
		{"ListChanges", func(a calendar.Actor) error {
			_, err := s.be.ListChanges(s.ctx, a, calendar.ListChangesRequest{Calendar: ref.Calendar, Validators: []string{"x"}})
			return err
		}, "oooodnno"},
		{"FreeBusy", func(a calendar.Actor) error {
			r, err := s.be.FreeBusy(s.ctx, a, calendar.FreeBusyRequest{
				Targets: []calendar.FreeBusyTarget{{Calendar: ref.Calendar}}, Window: calendar.Window{From: day, To: at(24)},
			})
			s.ok(err)
			return r[0].Err
		}, "ooooonno"},
		{"PutObject, new", func(a calendar.Actor) error {
			n++
			uid := fmt.Sprint("new-", n)
			_, err := s.be.PutObject(s.ctx, a, calendar.PutRequest{Ref: calendar.Ref{Calendar: ref.Calendar, Name: uid}, Data: simple(uid)})
			return err
		}, "oododnno"},
		{"PutObject, update", func(a calendar.Actor) error {
			_, err := s.be.PutObject(s.ctx, a, calendar.PutRequest{Ref: ref, Data: simple("a")})
			return err
		}, "oododnno"},
		{"PutObjects", func(a calendar.Actor) error {
			_, err := s.be.PutObjects(s.ctx, a, calendar.PutObjectsRequest{Calendar: ref.Calendar, Items: []calendar.PutItem{{Data: simple("import")}}, Replace: true})
			return err
		}, "oododnno"},
		{"PatchProps", func(a calendar.Actor) error {
			return s.be.PatchProps(s.ctx, a, ref, []calendar.PropChange{{Prop: calendar.DeadProp{Space: "x:", Local: "p", Value: "1"}}})
		}, "oododnno"},
		{"CopyObject from it", func(a calendar.Actor) error {
			_, err := s.be.CopyObject(s.ctx, a, calendar.CopyRequest{From: ref, To: calendar.Ref{Calendar: "anna:open", Name: "a.ics"}, Overwrite: true})
			return err
		}, "oooodnno"},
		{"move into it", func(a calendar.Actor) error {
			n++
			uid := fmt.Sprint("move-", n)
			s.put("anna:open", uid, simple(uid))
			_, err := s.be.CopyObject(s.ctx, a, calendar.CopyRequest{From: calendar.Ref{Calendar: "anna:open", Name: uid}, To: calendar.Ref{Calendar: ref.Calendar, Name: uid}, Move: true})
			return err
		}, "oododsso"},
		{"DeleteObject", func(a calendar.Actor) error {
			s.put(ref.Calendar, "del", simple("del"))
			return s.be.DeleteObject(s.ctx, a, calendar.DeleteRequest{Ref: calendar.Ref{Calendar: ref.Calendar, Name: "del"}})
		}, "oododnno"},
		{"UpdateCalendar", func(a calendar.Actor) error {
			_, err := s.be.UpdateCalendar(s.ctx, a, calendar.UpdateCalendarRequest{ID: ref.Calendar, DisplayName: &name})
			return err
		}, "oddodnno"},
		{"UpdateCalendar, list", func(a calendar.Actor) error {
			_, err := s.be.UpdateCalendar(s.ctx, a, calendar.UpdateCalendarRequest{ID: ref.Calendar, ACL: &list})
			return err
		}, "oddddnno"},
		{"UpdateCalendar, owners", func(a calendar.Actor) error {
			_, err := s.be.UpdateCalendar(s.ctx, a, calendar.UpdateCalendarRequest{ID: ref.Calendar, CoOwners: &[]string{"carl"}})
			return err
		}, "oddddnno"},
		{"CopyCalendar", func(a calendar.Actor) error {
			_, err := s.be.CopyCalendar(s.ctx, a, calendar.CopyRequest{From: calendar.Ref{Calendar: ref.Calendar}, To: calendar.Ref{Calendar: "anna:copy"}, Overwrite: true})
			return err
		}, "oddddnno"},
		{"CreateCalendar", func(a calendar.Actor) error {
			n++
			_, err := s.be.CreateCalendar(s.ctx, a, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: calendar.ID(fmt.Sprint("anna:new-", n))}, DefaultACL: true})
			return err
		}, "oddddddo"},
		{"DeleteCalendar", func(a calendar.Actor) error {
			if a.Admin { // anna, the first, has deleted it
				s.team(list)
			}
			err := s.be.DeleteCalendar(s.ctx, a, calendar.DeleteCalendarRequest{ID: ref.Calendar})
			if err == nil {
				s.team(list)
			}
			return err
		}, "oddddnno"},
	}
	s.home("anna")
	s.calendar("anna:open", "@^a^rwd^g")
	s.calendar("anna:keeper", "rita^p^rz^g") // may change the list and nothing else
	color := "#000000"
	_, err := s.be.UpdateCalendar(s.ctx, s.as("rita"), calendar.UpdateCalendarRequest{ID: "anna:keeper", ACL: &list, Color: &color})
	s.kind(err, calendar.Denied)
	keep := acl.MustParse("rita^p^rz^g;fred^c^f^g")
	_, err = s.be.UpdateCalendar(s.ctx, s.as("rita"), calendar.UpdateCalendarRequest{ID: "anna:keeper", ACL: &keep})
	s.ok(err)
	s.team(list)
	kinds := map[byte]string{'o': fine, 'd': calendar.Denied.String(), 'n': calendar.NoCalendar.String(), 's': calendar.Stale.String()}
	for _, row := range rows {
		for i, who := range matrixActors {
			got := fine
			if err := row.do(s.as(who)); err != nil {
				got = calendar.KindOf(err).String()
			}
			if want := kinds[row.want[i]]; got != want {
				s.Errorf("%s as %q: %s, want %s", row.what, who, got, want)
			}
		}
	}
}

// team makes the calendar of the matrix, with one object.
func (s *suite) team(list acl.List) {
	s.Helper()
	_, err := s.be.CreateCalendar(s.ctx, s.as("anna"), calendar.CreateCalendarRequest{
		Calendar: calendar.Calendar{ID: "anna:team", ACL: list, CoOwners: []string{"carl"}},
	})
	if err != nil && calendar.KindOf(err) != calendar.Exists {
		s.Fatal(err)
	}
	s.put("anna:team", "a.ics", simple("a"))
}

func testMasking(s *suite) {
	s.home("anna")
	_, err := s.be.CreateCalendar(s.ctx, s.as("anna"), calendar.CreateCalendarRequest{
		Calendar: calendar.Calendar{ID: "anna:team", ACL: acl.MustParse("rita^a^r^g;will^a^rwd^g"), CoOwners: []string{"carl"}},
	})
	s.ok(err)
	ref := calendar.Ref{Calendar: "anna:team", Name: "p"}
	stored := s.put(ref.Calendar, ref.Name, event("p", at(9), at(10), "SUMMARY:Surgeon", "LOCATION:Clinic", "CLASS:PRIVATE")).Object
	for who, masked := range map[string]bool{"anna": false, "carl": false, "root": false, "rita": true, "will": true} {
		o, err := s.be.Object(s.ctx, s.as(who), ref)
		s.ok(err)
		text := string(o.Data)
		equal(s, who+" sees it masked", o.Masked, masked)
		equal(s, who+" reads the details", strings.Contains(text, "Surgeon") || strings.Contains(text, "Clinic"), !masked)
		equal(s, who+" reads the time", strings.Contains(text, stamp(at(9))), true)
		equal(s, who+" has the tag of the text", o.ETag() == stored.ETag(), !masked)

		found := 0
		err = s.be.Query(s.ctx, s.as(who), calendar.QueryRequest{Calendar: ref.Calendar, Filter: inCalendar(calendar.CompFilter{
			Name: "VEVENT", Props: []calendar.PropFilter{{Name: "SUMMARY", Text: &calendar.TextMatch{Text: "surgeon"}}},
		})}, func(*calendar.Object) error { found++; return nil })
		s.ok(err)
		equal(s, who+" finds it by a hidden word", found == 1, !masked)
		_, err = s.be.Sync(s.ctx, s.as(who), calendar.SyncRequest{Calendar: ref.Calendar, Data: true}, func(it calendar.SyncItem) error {
			equal(s, who+" syncs the details", strings.Contains(string(it.Object.Data), "Surgeon"), !masked)
			return nil
		})
		s.ok(err)
	}
	_, err = s.be.PutObject(s.ctx, s.as("will"), calendar.PutRequest{Ref: ref, Data: simple("p")})
	s.kind(err, calendar.Denied)
	s.kind(s.be.DeleteObject(s.ctx, s.as("will"), calendar.DeleteRequest{Ref: ref}), calendar.Denied)
}

// testOddText: names and tags that are not UTF-8 are answered like others
// that do not exist.
func testOddText(s *suite) {
	s.home("anna")
	s.put("anna", "a.ics", simple("a"))
	anna, odd := s.as("anna"), "x\xff\xfe"
	_, err := s.be.Object(s.ctx, anna, calendar.Ref{Calendar: "anna", Name: odd})
	s.kind(err, calendar.NotFound)
	_, err = s.be.Calendar(s.ctx, anna, calendar.ID("anna:"+odd))
	s.kind(err, calendar.NoCalendar)
	_, err = s.be.PutObject(s.ctx, anna, calendar.PutRequest{Ref: calendar.Ref{Calendar: "anna", Name: odd}, Data: simple("b")})
	s.kind(err, calendar.Invalid)
	_, err = s.be.PutObject(s.ctx, anna, calendar.PutRequest{Ref: calendar.Ref{Calendar: "anna", Name: "a.ics"}, Data: simple("a"), Precond: calendar.Precond{IfMatch: []string{odd}}})
	s.kind(err, calendar.Stale)
	_, err = s.be.Calendar(s.ctx, calendar.Actor{User: odd}, "anna:"+calendar.ID(odd))
	s.kind(err, calendar.NoCalendar)
	got := s.find("anna", inCalendar(calendar.CompFilter{Name: "VEVENT", Props: []calendar.PropFilter{{Name: "SUMMARY", Text: &calendar.TextMatch{Text: odd}}}}))
	equal(s, "found", len(got), 0)
}

// testAskedFor: who may not read what he asks for is refused by the model, and
// each calendar for itself.
func testAskedFor(s *suite) {
	s.home("anna")
	s.calendar("anna:read", "rita^a^r^g;rita^a^z^g") // z: sees the list
	s.calendar("anna:props", "rita^p^r^g")
	s.calendar("anna:busy", "rita^c^f^g")
	s.calendar("anna:closed", closed)
	rita, ids := s.as("rita"), []calendar.ID{"anna:read", "anna:props", "anna:busy", "anna:closed"}
	hidden := calendar.NoCalendar
	for what, c := range map[string]struct {
		req  calendar.CalendarsRequest
		want [4]calendar.Kind // 0: answered
	}{
		"nothing":    {calendar.CalendarsRequest{}, [4]calendar.Kind{0, 0, 0, hidden}},
		"properties": {calendar.CalendarsRequest{Properties: true}, [4]calendar.Kind{0, 0, calendar.Denied, hidden}},
		"objects":    {calendar.CalendarsRequest{Objects: true}, [4]calendar.Kind{0, calendar.Denied, calendar.Denied, hidden}},
		"the list":   {calendar.CalendarsRequest{ACL: true}, [4]calendar.Kind{0, calendar.Denied, calendar.Denied, hidden}},
	} {
		c.req.IDs = ids
		got, err := s.be.Calendars(s.ctx, rita, c.req)
		s.ok(err)
		for i, res := range got {
			if c.want[i] == 0 && res.Err == nil || c.want[i] != 0 && calendar.KindOf(res.Err) == c.want[i] {
				continue
			}
			s.Errorf("%s of %s: %v, want %v", what, ids[i], res.Err, c.want[i])
		}
		if got[2].Calendar.ID != "anna:busy" {
			s.Errorf("%s: a calendar that is refused is not described: %+v", what, got[2])
		}
	}
	names := func(list []calendar.Calendar) (out []calendar.ID) {
		for _, c := range list {
			if c.ID != "anna" {
				out = append(out, c.ID)
			}
		}
		slices.Sort(out)
		return out
	}
	h, err := s.be.Home(s.ctx, rita, calendar.HomeRequest{Owner: "anna", Objects: true})
	s.ok(err)
	same(s, "with objects to read", names(h.Calendars), []calendar.ID{"anna:read"})
	found, err := s.be.SearchCalendars(s.ctx, rita, calendar.SearchCalendarsRequest{Text: "anna:", ID: true, Properties: true})
	s.ok(err)
	same(s, "with properties to read", names(found), []calendar.ID{"anna:props", "anna:read"})
	s.reason(s.be.DeleteCalendar(s.ctx, s.as("root"), calendar.DeleteCalendarRequest{ID: "anna", KeepDefault: true}), calendar.Denied, calendar.DefaultCalendarNeeded)
	s.ok(s.be.DeleteCalendar(s.ctx, s.as("root"), calendar.DeleteCalendarRequest{ID: "anna:read", KeepDefault: true}))
}
