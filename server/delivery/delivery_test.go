package delivery_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"factotum/protocol/sitetest"
	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/ical"
	"factotum/server/service"
)

// site is a site with people anna to carl on one host and nora and zoe on
// another, if there are two.
type site struct {
	testing.TB
	be      calendar.Backend
	people  calendartest.People
	settled func()
}

// variants are one process and two hosts, on both engines, at once: most of it is
// waiting.
func variants(t *testing.T, test func(*site)) {
	each(t, func(t *testing.T, engine sitetest.Engine, hosts bool) { test(newSite(t, engine, hosts)) })
}

func each(t *testing.T, test func(t *testing.T, engine sitetest.Engine, hosts bool)) {
	for engine, name := range map[sitetest.Engine]string{sitetest.SQLite: "sqlite", sitetest.Postgres: "postgres"} {
		for _, hosts := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/hosts=%v", name, hosts), func(t *testing.T) {
				t.Parallel()
				test(t, engine, hosts)
			})
		}
	}
}

func newSite(t testing.TB, engine sitetest.Engine, hosts bool) *site {
	return newSiteOf(t, calendartest.NewPeople("anna", "ben", "carl", "nora", "zoe"), engine, hosts)
}

func newSiteOf(t testing.TB, people calendartest.People, engine sitetest.Engine, hosts bool) *site {
	s := &site{TB: t, people: people}
	opt := sitetest.Options{Engine: engine, People: s.people, Scheduling: true}
	if hosts {
		h := sitetest.NewHosts(t, opt)
		s.be, s.settled = h.Backend, h.Settle
	} else {
		one := sitetest.New(t, opt)
		s.be, s.settled = one.Backend, one.Settle
	}
	return s
}

func (s *site) as(user string) calendar.Actor { return s.people[user].Actor() }

// meeting is an object of an event whose lines are given.
func meeting(uid string, lines ...string) string {
	all := append([]string{"BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test", "BEGIN:VEVENT", "UID:" + uid, "DTSTAMP:20260101T000000Z"}, lines...)
	return strings.Join(append(all, "END:VEVENT", "END:VCALENDAR", ""), "\r\n")
}

func (s *site) put(user, name, text string) calendar.PutResult {
	s.Helper()
	res, err := s.tryPut(user, name, text)
	if err != nil {
		s.Fatal(err)
	}
	return res
}

func (s *site) tryPut(user, name, text string) (calendar.PutResult, error) {
	return s.be.PutObject(context.Background(), s.as(user), calendar.PutRequest{Ref: calendar.Ref{Calendar: calendar.ID(user), Name: name}, Data: []byte(text)})
}

// copy is what somebody's calendar has of a UID; "" is nothing.
func (s *site) copy(user, uid string) (text string, o *calendar.Object) {
	s.Helper()
	_, err := s.be.Home(context.Background(), s.as(user), calendar.HomeRequest{Owner: calendar.Owner(user)})
	if err != nil {
		s.Fatal(err)
	}
	err = s.be.Objects(context.Background(), s.as(user), calendar.ObjectsRequest{Calendar: calendar.ID(user), UIDs: []string{uid}}, func(r calendar.ObjectResult) error {
		if r.Err == nil {
			o = r.Object
		}
		return nil
	})
	if err != nil {
		s.Fatal(err)
	}
	if o == nil {
		return "", nil
	}
	return strings.ReplaceAll(string(o.Data), "\r\n ", ""), o
}

// param is a parameter of somebody's line in a text.
func param(text, line, address, name string) string {
	for l := range strings.Lines(text) {
		if strings.HasPrefix(l, line) && strings.Contains(strings.ToLower(l), ":mailto:"+address+"@example.com") {
			if m := regexp.MustCompile(";" + name + `=([^;:]*)`).FindStringSubmatch(l); m != nil {
				return m[1]
			}
			return "-"
		}
	}
	return "no line"
}

func (s *site) want(what, got, want string) {
	s.Helper()
	if got != want {
		s.Errorf("%s: %q, want %q", what, got, want)
	}
}

// answer writes a user's copy with another PARTSTAT, as a client does.
func (s *site) answer(user, uid, partstat string) {
	s.Helper()
	text, o := s.copy(user, uid)
	if o == nil {
		s.Fatalf("%s has no %s", user, uid)
	}
	line := regexp.MustCompile(`(?i)(ATTENDEE[^\r\n]*;PARTSTAT=)[A-Z-]*([^\r\n]*:mailto:` + user + `@)`)
	if !line.MatchString(text) {
		s.Fatalf("%s is not invited:\n%s", user, text)
	}
	s.put(user, o.Name, line.ReplaceAllString(text, "${1}"+partstat+"${2}"))
}

func invitation(uid string, more ...string) string {
	return meeting(uid, append([]string{"DTSTART:20300107T100000Z", "DTEND:20300107T110000Z", "SUMMARY:Plans", "ORGANIZER:mailto:anna@example.com",
		"ATTENDEE;PARTSTAT=ACCEPTED:mailto:anna@example.com", "ATTENDEE;RSVP=TRUE;PARTSTAT=NEEDS-ACTION:mailto:ben@example.com",
		"ATTENDEE;RSVP=TRUE;PARTSTAT=NEEDS-ACTION:mailto:zoe@example.com"}, more...)...)
}

// TestAMeetingFromItsInvitationToItsEnd is RFC 6638's story: invited, accepted,
// moved, declined, called off; with what each side sees.
func TestAMeetingFromItsInvitationToItsEnd(t *testing.T) {
	variants(t, func(s *site) {
		first := s.put("anna", "m.ics", invitation("m"))
		if !first.Altered || !first.Created {
			s.Errorf("the answer to the PUT: %+v", first)
		}
		s.settled()
		text, o := s.copy("anna", "m")
		s.want("status of ben", param(text, "ATTENDEE", "ben", "SCHEDULE-STATUS"), "1.2")
		s.want("status of zoe", param(text, "ATTENDEE", "zoe", "SCHEDULE-STATUS"), "1.2")
		if o.ScheduleTag != first.Object.ScheduleTag || o.Change == first.Object.Change {
			s.Errorf("the tag went from %d to %d, the change from %d to %d", first.Object.ScheduleTag, o.ScheduleTag, first.Object.Change, o.Change)
		}
		for _, who := range []string{"ben", "zoe"} {
			text, o := s.copy(who, "m")
			s.want(who+" is asked", param(text, "ATTENDEE", who, "PARTSTAT"), "NEEDS-ACTION")
			if o == nil || o.ScheduleTag == 0 {
				s.Errorf("%s has %+v", who, o)
			}
		}
		tagOfZoe := func() int64 { _, o := s.copy("zoe", "m"); return o.ScheduleTag }
		was := tagOfZoe()
		s.answer("ben", "m", "ACCEPTED")
		_, said := s.copy("ben", "m")
		s.settled()
		if _, o := s.copy("ben", "m"); o.ScheduleTag != said.ScheduleTag {
			s.Error("what ben is told of his own answer is of no consequence for his tag")
		}
		text, o = s.copy("anna", "m")
		s.want("what ben answered", param(text, "ATTENDEE", "ben", "PARTSTAT"), "ACCEPTED")
		if o.ScheduleTag != first.Object.ScheduleTag {
			s.Error("an answer is of no consequence for the organizer's tag")
		}
		text, _ = s.copy("ben", "m")
		s.want("ben's reply arrived", param(text, "ORGANIZER", "anna", "SCHEDULE-STATUS"), "1.2")
		text, _ = s.copy("zoe", "m")
		s.want("what zoe sees of ben", param(text, "ATTENDEE", "ben", "PARTSTAT"), "ACCEPTED")
		if tagOfZoe() != was {
			s.Error("another's answer is of no consequence for zoe's tag")
		}
		// The organizer moves it.
		text, _ = s.copy("anna", "m")
		s.put("anna", "m.ics", strings.NewReplacer("T100000Z", "T140000Z", "T110000Z", "T150000Z").Replace(text))
		s.settled()
		for _, who := range []string{"ben", "zoe"} {
			text, _ := s.copy(who, "m")
			if !strings.Contains(text, "DTSTART:20300107T140000Z") {
				s.Errorf("%s has\n%s", who, text)
			}
			s.want(who+" is asked again", param(text, "ATTENDEE", who, "PARTSTAT"), "NEEDS-ACTION")
		}
		// An attendee who deletes it declines.
		_, o = s.copy("zoe", "m")
		if err := s.be.DeleteObject(t.Context(), s.as("zoe"), calendar.DeleteRequest{Ref: calendar.Ref{Calendar: "zoe", Name: o.Name}}); err != nil {
			s.Fatal(err)
		}
		s.settled()
		text, _ = s.copy("anna", "m")
		s.want("who deletes declines", param(text, "ATTENDEE", "zoe", "PARTSTAT"), "DECLINED")
		// And who deletes what he organizes calls it off.
		if err := s.be.DeleteObject(t.Context(), s.as("anna"), calendar.DeleteRequest{Ref: calendar.Ref{Calendar: "anna", Name: "m.ics"}}); err != nil {
			s.Fatal(err)
		}
		s.settled()
		text, _ = s.copy("ben", "m")
		if !strings.Contains(text, "STATUS:CANCELLED") {
			s.Errorf("ben has\n%s", text)
		}
	})
}

// TestWhoCannotBeReached: the status tells who is unknown here, who is elsewhere,
// and who does not let himself be invited.
func TestWhoCannotBeReached(t *testing.T) {
	s := newSite(t, sitetest.SQLite, false)
	s.put("ben", "x.ics", meeting("x", "DTSTART:20300101T100000Z"))
	list := acl.MustParse("@@o^a^rwdsf^g")
	if _, err := s.be.UpdateCalendar(t.Context(), s.as("ben"), calendar.UpdateCalendarRequest{ID: "ben", ACL: &list}); err != nil {
		t.Fatal(err)
	}
	s.put("anna", "m.ics", invitation("m", "ATTENDEE:mailto:nobody@example.com", "ATTENDEE:mailto:someone@elsewhere.example"))
	s.settled()
	text, _ := s.copy("anna", "m")
	s.want("who lets nobody invite him", param(text, "ATTENDEE", "ben", "SCHEDULE-STATUS"), "3.8")
	s.want("who is not known", param(text, "ATTENDEE", "nobody", "SCHEDULE-STATUS"), "3.7")
	s.want("who is reached", param(text, "ATTENDEE", "zoe", "SCHEDULE-STATUS"), "1.2")
	if !strings.Contains(text, `SCHEDULE-STATUS=5.1:mailto:someone@elsewhere.example`) {
		t.Errorf("who is elsewhere:\n%s", text)
	}
	if text, _ := s.copy("ben", "m"); text != "" {
		t.Error("ben was invited all the same")
	}
}

// TestARemovedCalendarTellsAll: with it goes what its owner organizes and what he
// is invited to.
func TestARemovedCalendarTellsAll(t *testing.T) {
	s := newSite(t, sitetest.SQLite, true)
	ctx := t.Context()
	if _, err := s.be.CreateCalendar(ctx, s.as("anna"), calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: "anna:work"}, DefaultACL: true}); err != nil {
		t.Fatal(err)
	}
	ref := calendar.Ref{Calendar: "anna:work", Name: "m.ics"}
	if _, err := s.be.PutObject(ctx, s.as("anna"), calendar.PutRequest{Ref: ref, Data: []byte(invitation("m"))}); err != nil {
		t.Fatal(err)
	}
	s.settled()
	// Moved to another calendar it is what it was.
	s.put("anna", "other.ics", meeting("other", "DTSTART:20300101T100000Z"))
	if _, err := s.be.CopyObject(ctx, s.as("anna"), calendar.CopyRequest{From: ref, To: calendar.Ref{Calendar: "anna", Name: "n.ics"}, Move: true}); err != nil {
		t.Fatal(err)
	}
	s.settled()
	if text, _ := s.copy("zoe", "m"); !strings.Contains(text, "SUMMARY:Plans") || strings.Contains(text, "CANCELLED") {
		t.Errorf("after a move zoe has\n%s", text)
	}
	back := calendar.CopyRequest{From: calendar.Ref{Calendar: "anna", Name: "n.ics"}, To: ref}
	if _, err := s.be.CopyObject(ctx, s.as("anna"), back); calendar.ReasonOf(err) != calendar.UniqueScheduling {
		t.Errorf("a copy of a meeting beside it: %v", err)
	}
	back.Move = true
	if _, err := s.be.CopyObject(ctx, s.as("anna"), back); err != nil {
		t.Fatal(err)
	}
	if err := s.be.DeleteCalendar(ctx, s.as("anna"), calendar.DeleteCalendarRequest{ID: "anna:work"}); err != nil {
		t.Fatal(err)
	}
	s.settled()
	for _, who := range []string{"ben", "zoe"} {
		if text, _ := s.copy(who, "m"); !strings.Contains(text, "STATUS:CANCELLED") {
			t.Errorf("%s has\n%s", who, text)
		}
	}
}

// TestAGroupIsInvited: an invitation of a group's address comes to the group's
// calendar and to every member's, and their answers come back.
func TestAGroupIsInvited(t *testing.T) {
	for _, hosts := range []bool{false, true} {
		t.Run(fmt.Sprintf("hosts=%v", hosts), func(t *testing.T) {
			people := calendartest.NewPeople("anna", "ben", "carl", "zoe", "team")
			team := people["team"]
			team.Kind = calendar.Group
			people["team"] = team
			for _, id := range []string{"ben", "zoe"} {
				p := people[id]
				p.Groups = []string{"team"}
				people[id] = p
			}
			s := newSiteOf(t, people, sitetest.SQLite, hosts)
			text := meeting("g", "DTSTART:20300107T100000Z", "DTEND:20300107T110000Z", "SUMMARY:Plans", "ORGANIZER:mailto:anna@example.com", "ATTENDEE:mailto:team@example.com")
			s.put("anna", "g.ics", text)
			s.settled()
			text, _ = s.copy("anna", "g")
			s.want("the group is one", param(text, "ATTENDEE", "team", "CUTYPE"), "GROUP")
			for _, who := range []string{"ben", "zoe"} {
				s.want("why "+who+" is invited", param(text, "ATTENDEE", who, "MEMBER"), `"mailto`)
				s.want("status of "+who, param(text, "ATTENDEE", who, "SCHEDULE-STATUS"), "1.2")
				if copy, _ := s.copy(who, "g"); !strings.Contains(copy, "SUMMARY:Plans") {
					t.Errorf("%s has\n%s", who, copy)
				}
			}
			if copy, _ := s.copy("carl", "g"); copy != "" {
				t.Error("carl is no member")
			}
			if copy, _ := s.copy("team", "g"); !strings.Contains(copy, "SUMMARY:Plans") {
				t.Errorf("the group has\n%s", copy)
			}
			s.answer("zoe", "g", "ACCEPTED")
			s.settled()
			text, _ = s.copy("anna", "g")
			s.want("what zoe answered", param(text, "ATTENDEE", "zoe", "PARTSTAT"), "ACCEPTED")
			// Over WCAP's call, which makes the text in the transaction.
			res, err := s.be.EditObject(t.Context(), s.as("anna"), calendar.EditRequest{Calendar: "anna", Component: "VEVENT", Items: []calendar.EditItem{{
				UID: "w", Role: calendar.AsOrganizer, Patch: calendar.Patch{Start: at("20300108T100000Z"), Props: []calendar.PropEdit{
					{Name: "ATTENDEE", Props: []ical.Property{{Name: "ATTENDEE", Value: "mailto:team@example.com"}}}}}}}})
			if err != nil || res.Items[0].Err != nil {
				t.Fatal(err, res.Items)
			}
			s.settled()
			if copy, _ := s.copy("ben", "w"); !strings.Contains(copy, "DTSTART:20300108T100000Z") {
				t.Errorf("ben has\n%s", copy)
			}
		})
	}
}

func at(text string) *ical.DateTime {
	d, err := ical.ParseDateTime(text, "", false)
	if err != nil {
		panic(err)
	}
	return &d
}

// TestNoCalendarIsMadeForAnInvitation: user.invite.autoprovision="no".
func TestNoCalendarIsMadeForAnInvitation(t *testing.T) {
	s := &site{TB: t, people: calendartest.NewPeople("anna", "ben", "zoe")}
	one := sitetest.New(t, sitetest.Options{People: s.people, Scheduling: true, Model: service.Options{NoInvited: map[calendar.PersonKind]bool{calendar.Individual: true}}})
	s.be, s.settled = one.Backend, one.Settle
	s.put("ben", "x.ics", meeting("x", "DTSTART:20300101T100000Z")) // he has one
	s.put("anna", "m.ics", invitation("m"))
	s.settled()
	text, _ := s.copy("anna", "m")
	s.want("who has a calendar", param(text, "ATTENDEE", "ben", "SCHEDULE-STATUS"), "1.2")
	s.want("who has none", param(text, "ATTENDEE", "zoe", "SCHEDULE-STATUS"), "5.1")
}
