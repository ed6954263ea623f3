package calendartest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"factotum/server/acl"
	"factotum/server/calendar"
)

// Run is the contract of calendar.Backend. open returns an empty back end over
// the people given, with the defaults of calendar.Options; it cleans up by
// t.Cleanup. Calls are concurrent where a front end's would be.
func Run(t *testing.T, open func(t *testing.T, people calendar.People) calendar.Backend) {
	for _, part := range []struct {
		name string
		test func(*suite)
	}{
		{"Ping", testPing},
		{"Home", testHome},
		{"Provision", testProvision},
		{"CreateCalendar", testCreateCalendar},
		{"UpdateCalendar", testUpdateCalendar},
		{"DeleteCalendar", testDeleteCalendar},
		{"Disabled", testDisabled},
		{"CopyCalendar", testCopyCalendar},
		{"PutObject", testPutObject},
		{"PutRefused", testPutRefused},
		{"Preconditions", testPreconditions},
		{"Token", testToken},
		{"PlainCollection", testPlain},
		{"PutObjects", testPutObjects},
		{"ListObjects", testListObjects},
		{"Objects", testObjects},
		{"DeleteObject", testDeleteObject},
		{"CopyObject", testCopyObject},
		{"EditObject", testEditObject},
		{"EditRefused", testEditRefused},
		{"EditWithin", testEditWithin},
		{"Attachments", testAttachments},
		{"AttachmentLimits", testAttachmentLimits},
		{"PatchProps", testPatchProps},
		{"Query", testQuery},
		{"QueryData", testQueryData},
		{"Sync", testSync},
		{"ListChanges", testListChanges},
		{"SyncHome", testSyncHome},
		{"Boxes", testBoxes},
		{"SearchCalendars", testSearchCalendars},
		{"ObjectsByUID", testObjectsByUID},
		{"SyncGone", testSyncGone},
		{"FreeBusy", testFreeBusy},
		{"BusyOfPeople", testBusyOfPeople},
		{"BusyOfDays", testBusyOfDays},
		{"Occurrences", testOccurrences},
		{"OccurrencesFloat", testOccurrencesFloat},
		{"OccurrencesSelect", testOccurrencesSelect},
		{"More", testMore},
		{"Prefs", testPrefs},
		{"Sharing", testSharing},
		{"Shares", testShares},
		{"Proxies", testProxies},
		{"Personal", testPersonal},
		{"AtOnce", testAtOnce},
		{"Subscribe", testSubscribe},
		{"Why", testWhy},
		{"Decide", testDecide},
		{"Registrations", testRegistrations},
		{"History", testHistory},
		{"Undo", testUndo},
		{"UndeleteCalendar", testUndeleteCalendar},
		{"Rights", testRights},
		{"AskedFor", testAskedFor},
		{"Masking", testMasking},
		{"OddText", testOddText},
		{"EmitFails", testEmitFails},
		{"Many", testMany},
		{"Canceled", testCanceled},
		{"Race", testRace},
	} {
		t.Run(part.name, func(t *testing.T) {
			people := NewPeople("anna", "bert", "carl", "rita", "will", "fred", "otto", "root")
			gone := people["otto"]
			gone.ID, gone.Active = "gone", false
			people["gone"] = gone
			part.test(&suite{T: t, be: open(t, people), people: people, ctx: t.Context()})
		})
	}
}

// suite is one test with its back end.
type suite struct {
	*testing.T
	be     calendar.Backend
	people People
	ctx    context.Context
}

func (s *suite) as(id string) calendar.Actor { return s.people.Actor(id) }

// ok fails the test when a step of it failed.
func (s *suite) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// kind checks a refusal.
func (s *suite) kind(err error, want calendar.Kind) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Errorf("got error %v, want %v", err, want)
	}
}

// reason checks the word that goes with a refusal.
func (s *suite) reason(err error, k calendar.Kind, want calendar.Reason) {
	s.Helper()
	s.kind(err, k)
	if got := calendar.ReasonOf(err); got != want {
		s.Errorf("got reason %q, want %q (%v)", got, want, err)
	}
}

func equal[T comparable](s *suite, what string, got, want T) {
	s.Helper()
	if got != want {
		s.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func same[T comparable](s *suite, what string, got, want []T) {
	s.Helper()
	if !slices.Equal(got, want) {
		s.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// home makes the default calendar of an owner.
func (s *suite) home(id string) calendar.ID {
	s.Helper()
	_, err := s.be.Home(s.ctx, s.as(id), calendar.HomeRequest{Owner: calendar.Owner(id)})
	s.ok(err)
	return calendar.ID(id)
}

// closed is a list that gives others nothing.
const closed = "@@p^a^r^g"

// calendar makes a calendar whose own access control list is given.
func (s *suite) calendar(id calendar.ID, list string) calendar.Calendar {
	s.Helper()
	c, err := s.be.CreateCalendar(s.ctx, s.as(string(id.Owner())), calendar.CreateCalendarRequest{
		Calendar: calendar.Calendar{ID: id, ACL: acl.MustParse(list)},
	})
	s.ok(err)
	return c
}

func (s *suite) put(id calendar.ID, name string, data []byte) calendar.PutResult {
	s.Helper()
	r, err := s.be.PutObject(s.ctx, s.as(string(id.Owner())), calendar.PutRequest{Ref: calendar.Ref{Calendar: id, Name: name}, Data: data})
	s.ok(err)
	return r
}

func (s *suite) get(id calendar.ID, name string) *calendar.Object {
	s.Helper()
	o, err := s.be.Object(s.ctx, s.as(string(id.Owner())), calendar.Ref{Calendar: id, Name: name})
	s.ok(err)
	return o
}

// names lists a calendar as its owner sees it.
func (s *suite) names(id calendar.ID) []string {
	s.Helper()
	var out []string
	_, err := s.be.ListObjects(s.ctx, s.as(string(id.Owner())), id, func(o *calendar.Object) error {
		out = append(out, o.Name)
		return nil
	})
	s.ok(err)
	return out
}

// day is the first day of the suite's calendars: a Tuesday.
var day = time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)

func at(hours float64) time.Time { return day.Add(time.Duration(hours * float64(time.Hour))) }

func stamp(t time.Time) string { return t.Format("20060102T150405Z") }

// event writes a VEVENT; lines are further properties.
func event(uid string, start, end time.Time, lines ...string) []byte {
	return object("VEVENT", uid, append([]string{"DTSTART:" + stamp(start), "DTEND:" + stamp(end)}, lines...)...)
}

func object(comp, uid string, lines ...string) []byte {
	var b strings.Builder
	for _, l := range slices.Concat(
		[]string{"BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//example//suite//EN", "BEGIN:" + comp, "UID:" + uid, "DTSTAMP:20260801T000000Z"},
		lines, []string{"END:" + comp, "END:VCALENDAR"}) {
		b.WriteString(l + "\r\n")
	}
	return []byte(b.String())
}

// simple is an event that needs no more than to be there.
func simple(uid string) []byte { return event(uid, at(9), at(10), "SUMMARY:"+uid) }

func nameOf(i int) string { return fmt.Sprintf("e%04d.ics", i) }
