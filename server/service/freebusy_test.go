package service_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/service"
	"factotum/store/sqlstore"
	"factotum/store/storetest/fresh"
)

// staff is a directory of people by id. It knows nothing else.
type staff struct {
	calendar.People
	byID map[string]calendar.Person
	err  error
}

func (s *staff) Person(_ context.Context, id calendar.UserID) (calendar.Person, error) {
	if s.err != nil {
		return calendar.Person{}, s.err
	}
	if p, ok := s.byID[id]; ok {
		return p, nil
	}
	return calendar.Person{}, calendar.Fail(calendar.NotFound, "find a person", id)
}

// ByMail implements calendar.People.
func (s *staff) ByMail(_ context.Context, address string) (calendar.Person, error) {
	for _, p := range s.byID {
		if s.err == nil && p.HasAddress(address) {
			return p, nil
		}
	}
	return calendar.Person{}, cmp.Or(s.err, calendar.Fail(calendar.NotFound, "find a person", address))
}

func openStaffed(t testing.TB, cacheBytes int64) (*service.Service, *staff) {
	t.Helper()
	people := &staff{byID: map[string]calendar.Person{}}
	for _, id := range []string{"anna", "bert", "carl"} {
		people.byID[id] = calendar.Person{ID: id, Kind: calendar.Individual, Mails: []string{id + "@example.com", id + ".alias@example.com"}, Active: true}
	}
	st := fresh.SQLite(t, sqlstore.Options{Relaxed: true})
	return service.New(st, people, service.Options{CacheBytes: cacheBytes}), people
}

// both runs a test with the cache and without.
func both(t *testing.T, fn func(*testing.T, *service.Service, *staff)) {
	for name, bytes := range map[string]int64{"cached": 0, "uncached": -1} {
		t.Run(name, func(t *testing.T) {
			svc, people := openStaffed(t, bytes)
			fn(t, svc, people)
		})
	}
}

func busyOf(t testing.TB, svc calendar.Backend, who calendar.Actor, target calendar.FreeBusyTarget, w *calendar.Window, ignore string) (string, error) {
	t.Helper()
	res, err := svc.FreeBusy(t.Context(), who, calendar.FreeBusyRequest{Targets: []calendar.FreeBusyTarget{target}, Window: *w, Ignore: ignore})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, b := range res[0].Busy {
		out = append(out, strings.TrimPrefix(b.Type, "BUSY")+" "+b.Start.Format("02T1504")+"/"+b.End.Format("02T1504"))
	}
	return strings.Join(out, ", "), res[0].Err
}

var annasTime = calendar.FreeBusyTarget{Calendar: "anna", Home: true}

// TestBusyByOwnAnswer: the owner's own PARTSTAT decides, whatever others have
// answered; in each instance of a series, behind the end of the time index too.
func TestBusyByOwnAnswer(t *testing.T) {
	both(t, func(t *testing.T, svc *service.Service, _ *staff) {
		id := provision(t, svc, anna)
		attendee := func(address, partstat string) string {
			if partstat != "" {
				partstat = ";PARTSTAT=" + partstat
			}
			return "ATTENDEE" + partstat + ":mailto:" + address + "@example.com\r\n"
		}
		const byBert = "ORGANIZER:mailto:bert@example.com\r\n"
		for i, c := range []struct{ name, lines, want string }{
			{"nobody is invited", "", " 05T0900/05T1000"},
			{"accepted", byBert + attendee("anna", "ACCEPTED") + attendee("carl", "DECLINED"), " 05T0900/05T1000"},
			{"declined", byBert + attendee("carl", "ACCEPTED") + attendee("anna", "DECLINED"), ""},
			{"somebody else goes", byBert + attendee("anna", "DELEGATED") + attendee("carl", "ACCEPTED"), ""},
			{"perhaps", byBert + attendee("anna", "tentative"), "-TENTATIVE 05T0900/05T1000"},
			{"no answer yet", byBert + attendee("anna", "NEEDS-ACTION"), "-TENTATIVE 05T0900/05T1000"},
			{"no PARTSTAT is no answer", byBert + attendee("anna", ""), "-TENTATIVE 05T0900/05T1000"},
			{"no answer, and transparent", byBert + attendee("anna", "NEEDS-ACTION") + "TRANSP:TRANSPARENT\r\n", ""},
			{"accepted, and cancelled", byBert + attendee("anna", "ACCEPTED") + "STATUS:CANCELLED\r\n", ""},
			{"accepted what may take place", byBert + attendee("anna", "ACCEPTED") + "STATUS:TENTATIVE\r\n", "-TENTATIVE 05T0900/05T1000"},
			{"by another address", byBert + attendee("Anna.Alias", "DECLINED"), ""},
			{"by two addresses", byBert + attendee("anna", "DECLINED") + attendee("anna.alias", "ACCEPTED"), " 05T0900/05T1000"},
			{"not invited", byBert + attendee("carl", "DECLINED"), " 05T0900/05T1000"},
			{"the organizer needs no answer", "ORGANIZER:mailto:anna.alias@example.com\r\n" + attendee("anna", "NEEDS-ACTION") + attendee("carl", "NEEDS-ACTION"), " 05T0900/05T1000"},
			{"the organizer does not come", "ORGANIZER:mailto:anna@example.com\r\n" + attendee("anna", "DECLINED") + attendee("carl", "ACCEPTED"), ""},
			{"a long series, no answer", byBert + attendee("anna", "") + "RRULE:FREQ=DAILY\r\n", "-TENTATIVE 05T0900/05T1000"},
			{"a long series, declined", byBert + attendee("anna", "DECLINED") + "RRULE:FREQ=DAILY\r\n", ""},
			{"a long series of the organizer", "ORGANIZER:mailto:anna@example.com\r\n" + attendee("carl", "ACCEPTED") + attendee("anna", "") + "RRULE:FREQ=DAILY\r\n", " 05T0900/05T1000"},
		} {
			start := "20260105T090000Z"
			if strings.Contains(c.lines, "RRULE") {
				start = "20240105T090000Z" // long before
			}
			name := fmt.Sprintf("a%d.ics", i)
			store(t, svc, id, name, event(name, start, c.lines))
			if got, err := busyOf(t, svc, anna, annasTime, window("20260105", "20260106"), ""); got != c.want || err != nil {
				t.Errorf("%d, %s: %q, %v, want %q", i, c.name, got, err, c.want)
			}
			if err := svc.DeleteObject(t.Context(), anna, calendar.DeleteRequest{Ref: calendar.Ref{Calendar: id, Name: name}}); err != nil {
				t.Fatal(err)
			}
		}
		// One instance is declined, one is doubtful.
		instance := func(rid, partstat string) string {
			return "END:VEVENT\r\nBEGIN:VEVENT\r\nUID:a\r\nDTSTAMP:20260101T000000Z\r\nRECURRENCE-ID:" + rid + "\r\nDTSTART:" + rid + "\r\nDURATION:PT1H\r\n" + byBert + attendee("anna", partstat)
		}
		store(t, svc, id, "a.ics", event("a", "20240105T090000Z", byBert+attendee("carl", "")+attendee("anna", "ACCEPTED")+"RRULE:FREQ=DAILY\r\n"+
			instance("20260106T090000Z", "DECLINED")+instance("20260107T090000Z", "TENTATIVE")))
		const want = " 05T0900/05T1000, -TENTATIVE 07T0900/07T1000"
		if got, err := busyOf(t, svc, anna, annasTime, window("20260105", "20260108"), ""); got != want || err != nil {
			t.Errorf("instances: %q, %v", got, err)
		}
		if rep, err := svc.Check(t.Context(), nil); err != nil || len(rep.Findings) > 0 {
			t.Errorf("the check finds %v, %v", rep.Findings, err)
		}
	})
}

// TestCheckOfWhoLeft: what somebody has answered is no fault of the index when
// the directory does not know his addresses any more, or does not answer.
func TestCheckOfWhoLeft(t *testing.T) {
	svc, people := openStaffed(t, 0)
	id := provision(t, svc, anna)
	const declined = "ORGANIZER:mailto:bert@example.com\r\nATTENDEE;PARTSTAT=DECLINED:mailto:anna@example.com\r\nRRULE:FREQ=DAILY\r\n"
	store(t, svc, id, "a.ics", event("a", "20260105T090000Z", declined))
	clean := func(what string) {
		t.Helper()
		if rep, err := svc.Check(t.Context(), nil); err != nil || len(rep.Findings) > 0 {
			t.Errorf("%s: the check finds %v, %v", what, rep.Findings, err)
		}
	}
	clean("as written")
	anna := people.byID["anna"]
	delete(people.byID, "anna")
	clean("left")
	people.err = &calendar.Error{Kind: calendar.Unavailable}
	clean("no directory")
	people.err = nil
	anna.Mails = []string{"other@example.com"}
	people.byID["anna"] = anna
	if rep, err := svc.Check(t.Context(), nil); err != nil || len(rep.Findings) != 1 {
		t.Errorf("another address: the check finds %v, %v", rep.Findings, err)
	}
	if _, err := svc.Rebuild(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	clean("rebuilt")
	if got, err := busyOf(t, svc, calendar.Actor{User: "anna"}, annasTime, window("20260105", "20260106"), ""); got != " 05T0900/05T1000" || err != nil {
		t.Errorf("after it: %q, %v", got, err)
	}
}

// TestMeetingsNeedTheDirectory: which answer counts is not guessed.
func TestMeetingsNeedTheDirectory(t *testing.T) {
	svc, people := openStaffed(t, 0)
	id := provision(t, svc, anna)
	people.err = &calendar.Error{Kind: calendar.Unavailable}
	put := func(more string) error {
		_, err := svc.PutObject(t.Context(), anna, calendar.PutRequest{Ref: calendar.Ref{Calendar: id, Name: "a.ics"}, Data: event("a", "20260105T090000Z", more)})
		return err
	}
	if err := put("ORGANIZER:mailto:bert@example.com\r\nATTENDEE:mailto:anna@example.com\r\n"); calendar.KindOf(err) != calendar.Unavailable {
		t.Errorf("a meeting: %v", err)
	}
	if err := put(""); err != nil {
		t.Errorf("an event: %v", err)
	}
}

const officeHours = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VAVAILABILITY\r\nUID:v\r\nDTSTAMP:20260101T000000Z\r\n" +
	"BEGIN:AVAILABLE\r\nUID:w\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260101T080000Z\r\nDTEND:20260101T160000Z\r\nRRULE:FREQ=DAILY\r\nEND:AVAILABLE\r\nEND:VAVAILABILITY\r\nEND:VCALENDAR\r\n"

// TestAvailabilityOfAPerson: it counts where a person is asked about, and for one
// calendar only if it has it itself. RFC 7953 §7.2.2, §7.2.4.
func TestAvailabilityOfAPerson(t *testing.T) {
	both(t, func(t *testing.T, svc *service.Service, _ *staff) {
		id := provision(t, svc, anna)
		store(t, svc, id, "a.ics", event("a", "20260105T090000Z", ""))
		day, calendarOnly := window("20260105", "20260106"), calendar.FreeBusyTarget{Calendar: id}
		expect := func(what string, target calendar.FreeBusyTarget, want string) {
			t.Helper()
			if got, err := busyOf(t, svc, anna, target, day, ""); got != want || err != nil {
				t.Errorf("%s: %q, %v, want %q", what, got, err, want)
			}
		}
		set := func(text string) error {
			return svc.SetPrefs(t.Context(), anna, calendar.SetPrefsRequest{Owner: "anna", Set: map[string]string{calendar.AvailabilityPref: text, "x": "y"}})
		}
		expect("before", annasTime, " 05T0900/05T1000")
		if err := set(officeHours); err != nil {
			t.Fatal(err)
		}
		const inside = "-UNAVAILABLE 05T0000/05T0800,  05T0900/05T1000, -UNAVAILABLE 05T1600/06T0000"
		expect("set", annasTime, inside)
		expect("a calendar", calendarOnly, " 05T0900/05T1000")
		if err := set("BEGIN:VCALENDAR"); calendar.KindOf(err) != calendar.Invalid || calendar.ReasonOf(err) != calendar.ValidCalendarData {
			t.Errorf("what is none: %v", err)
		}
		expect("refused", annasTime, inside)
		if err := svc.SetPrefs(t.Context(), anna, calendar.SetPrefsRequest{Owner: "anna", Set: map[string]string{"x": "z"}}); err != nil {
			t.Fatal(err)
		}
		expect("another preference", annasTime, inside)
		if err := svc.SetPrefs(t.Context(), anna, calendar.SetPrefsRequest{Owner: "anna", Remove: []string{calendar.AvailabilityPref}}); err != nil {
			t.Fatal(err)
		}
		expect("removed", annasTime, " 05T0900/05T1000")

		// In a calendar that takes it, without a start too; and published busy time.
		hours := calendar.ID("anna:hours")
		_, err := svc.CreateCalendar(t.Context(), anna, calendar.CreateCalendarRequest{DefaultACL: true,
			Calendar: calendar.Calendar{ID: hours, Components: []string{"VAVAILABILITY", "VFREEBUSY", "VTODO"}}})
		if err != nil {
			t.Fatal(err)
		}
		store(t, svc, hours, "v.ics", []byte(officeHours))
		store(t, svc, hours, "f.ics", []byte("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VFREEBUSY\r\nUID:f\r\nDTSTAMP:20260101T000000Z\r\n"+
			"FREEBUSY:20260105T120000Z/PT1H,20260104T230000Z/20260105T003000Z\r\nFREEBUSY;FBTYPE=FREE:20260105T130000Z/PT1H\r\nFREEBUSY;FBTYPE=busy-tentative:20260105T140000Z/PT1H\r\nEND:VFREEBUSY\r\nEND:VCALENDAR\r\n"))
		const published = "05T1200/05T1300, -TENTATIVE 05T1400/05T1500, -UNAVAILABLE 05T1600/06T0000"
		expect("in a calendar", calendar.FreeBusyTarget{Calendar: hours}, " 05T0000/05T0030, -UNAVAILABLE 05T0000/05T0800,  "+published)
		expect("of all", annasTime, " 05T0000/05T0030, -UNAVAILABLE 05T0000/05T0800,  05T0900/05T1000,  "+published)
		if rep, err := svc.Check(t.Context(), nil); err != nil || len(rep.Findings) > 0 {
			t.Errorf("the check finds %v, %v", rep.Findings, err)
		}
	})
}

// TestBusyOfWhom tells apart who is free, who is not known, who is switched off,
// and who does not show it.
func TestBusyOfWhom(t *testing.T) {
	both(t, func(t *testing.T, svc *service.Service, people *staff) {
		annas := provision(t, svc, anna)
		store(t, svc, annas, "a.ics", event("a", "20260105T090000Z", ""))
		bert := calendar.Actor{User: "bert"}
		day := window("20260105", "20260106")
		kind := func(owner string) string {
			t.Helper()
			got, err := busyOf(t, svc, bert, calendar.FreeBusyTarget{Calendar: calendar.NewID(calendar.Owner(owner), ""), Home: true}, day, "")
			if err != nil {
				return calendar.KindOf(err).String()
			}
			return got
		}
		expect := func(what, owner, want string) {
			t.Helper()
			if got := kind(owner); got != want {
				t.Errorf("%s: %q, want %q", what, got, want)
			}
		}
		expect("busy", "anna", " 05T0900/05T1000")
		expect("who never logged in", "carl", "")
		expect("nobody", "dora", "no-calendar")
		people.err = &calendar.Error{Kind: calendar.Unavailable}
		expect("without a directory, with a home", "anna", " 05T0900/05T1000")
		expect("without a directory, and without a home", "carl", "unavailable")
		people.err = nil
		off := people.byID["anna"]
		off.Active = false
		people.byID["anna"] = off
		expect("switched off", "anna", "no-calendar")
		off.Active = true
		people.byID["anna"] = off

		list := acl.MustParse("@^a^r^g;@^p^^g")
		noBusy := acl.MustParse("bert^c^^g")
		if _, err := svc.UpdateCalendar(t.Context(), anna, calendar.UpdateCalendarRequest{ID: annas, ACL: &noBusy}); err != nil {
			t.Fatal(err)
		}
		expect("not shown", "anna", "denied")
		if _, err := svc.UpdateCalendar(t.Context(), anna, calendar.UpdateCalendarRequest{ID: annas, ACL: &list}); err != nil {
			t.Fatal(err)
		}
		transparent := true
		if _, err := svc.UpdateCalendar(t.Context(), anna, calendar.UpdateCalendarRequest{ID: annas, Transparent: &transparent}); err != nil {
			t.Fatal(err)
		}
		expect("a transparent calendar does not count", "anna", "")
	})
}

// TestBusyOfManyAtOnce: the answers stand in the order of the questions, and a
// request for too many is refused.
func TestBusyOfManyAtOnce(t *testing.T) {
	svc, people := openStaffed(t, 0)
	var targets []calendar.FreeBusyTarget
	for i := range 40 {
		id := fmt.Sprintf("p%02d", i)
		people.byID[id] = calendar.Person{ID: id, Active: true}
		who := calendar.Actor{User: id}
		cal := provision(t, svc, who)
		if _, err := svc.PutObject(t.Context(), who, calendar.PutRequest{Ref: calendar.Ref{Calendar: cal, Name: "a.ics"}, Data: event("a", fmt.Sprintf("20260105T09%02d00Z", i), "")}); err != nil {
			t.Fatal(err)
		}
		targets = append(targets, calendar.FreeBusyTarget{Calendar: cal, Home: true})
	}
	targets = slices.Insert(targets, 7, calendar.FreeBusyTarget{Calendar: "nobody", Home: true})
	res, err := svc.FreeBusy(t.Context(), anna, calendar.FreeBusyRequest{Targets: targets, Window: *window("20260105", "20260106")})
	if err != nil || len(res) != 41 {
		t.Fatalf("%d answers, %v", len(res), err)
	}
	for i, r := range res {
		switch {
		case i == 7 && calendar.KindOf(r.Err) != calendar.NoCalendar:
			t.Errorf("nobody: %v", r.Err)
		case i != 7 && (r.Target != targets[i] || len(r.Busy) != 1 || r.Busy[0].Start.Minute() != i-min(1, i/8)):
			t.Errorf("%d: %+v", i, r)
		}
	}
	many := make([]calendar.FreeBusyTarget, svc.Limits().Refs+1)
	if _, err := svc.FreeBusy(t.Context(), anna, calendar.FreeBusyRequest{Targets: many, Window: *window("20260105", "20260106")}); calendar.KindOf(err) != calendar.TooMany {
		t.Errorf("too many: %v", err)
	}
}
