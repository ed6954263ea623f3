package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"factotum/protocol/sitetest"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/ical"
	"factotum/server/why"
)

// roomSite has two rooms beside the people: room1 answers by itself, room2's
// owner, carl, decides.
func roomSite(t testing.TB, engine sitetest.Engine, hosts bool, booking calendar.Booking) *rooming {
	s := &site{TB: t, people: calendartest.NewPeople("anna", "ben", "carl", "nora", "zoe", "room1", "room2", "root")}
	for _, id := range []string{"room1", "room2"} {
		p := s.people[id]
		p.Kind, p.NoDoubles, p.AutoReply, p.Booking, p.Owner = calendar.Room, true, id == "room1", booking, "carl"
		s.people[id] = p
	}
	opt := sitetest.Options{Engine: engine, People: s.people, Scheduling: true}
	if hosts {
		h := sitetest.NewHosts(t, opt)
		s.be, s.settled = h.Backend, h.Settle
		return &rooming{s, h.Second.Store}
	}
	one := sitetest.New(t, opt)
	s.be, s.settled = one.Backend, one.Settle
	return &rooming{s, one.Store}
}

// rooming is a site with rooms, and the store that has them.
type rooming struct {
	*site
	store calendar.Store
}

// rooms runs a test on one host and on two, on both engines.
func rooms(t *testing.T, booking calendar.Booking, test func(*rooming)) {
	each(t, func(t *testing.T, engine sitetest.Engine, hosts bool) { test(roomSite(t, engine, hosts, booking)) })
}

// booked is a meeting of an organizer in a room.
func booked(uid, organizer, room, start, end string, more ...string) string {
	return meeting(uid, append([]string{"DTSTART:" + start, "DTEND:" + end, "SUMMARY:Plans of " + organizer, "ORGANIZER:mailto:" + organizer + "@example.com",
		"ATTENDEE;PARTSTAT=ACCEPTED:mailto:" + organizer + "@example.com",
		"ATTENDEE;CUTYPE=ROOM;RSVP=TRUE;PARTSTAT=NEEDS-ACTION:mailto:" + room + "@example.com"}, more...)...)
}

// said is what a room has answered, as its organizer has it.
func (s *rooming) said(organizer, uid, room string) string {
	s.Helper()
	text, _ := s.copy(organizer, uid)
	return param(text, "ATTENDEE", room, "PARTSTAT")
}

// in is the room's own copy, as its administrator sees it.
func (s *rooming) in(room, uid string) string {
	s.Helper()
	var text string
	err := s.be.Objects(context.Background(), s.as("root"), calendar.ObjectsRequest{Calendar: calendar.ID(room), UIDs: []string{uid}}, func(r calendar.ObjectResult) error {
		if r.Err == nil {
			text = strings.ReplaceAll(string(r.Object.Data), "\r\n ", "")
		}
		return nil
	})
	if err != nil {
		s.Fatal(err)
	}
	return text
}

// A room takes what is free, declines what is not, and is free again when a
// meeting moves or is called off. ldap.md §6.3.
func TestARoomAnswersByItself(t *testing.T) {
	rooms(t, calendar.Booking{}, func(s *rooming) {
		s.put("anna", "a.ics", booked("a", "anna", "room1", "20300107T100000Z", "20300107T110000Z", "TRANSP:TRANSPARENT"))
		s.settled()
		s.want("free", s.said("anna", "a", "room1"), "ACCEPTED")
		if text := s.in("room1", "a"); !strings.Contains(text, "TRANSP:OPAQUE") {
			s.Errorf("the room's time is not taken:\n%s", text)
		}
		s.put("zoe", "z.ics", booked("z", "zoe", "room1", "20300107T103000Z", "20300107T113000Z"))
		s.settled()
		s.want("taken", s.said("zoe", "z", "room1"), "DECLINED")
		if text := s.in("room1", "z"); !strings.Contains(text, "TRANSP:TRANSPARENT") {
			s.Errorf("what was declined takes time:\n%s", text)
		}
		// She moves hers to where it is free.
		text, _ := s.copy("zoe", "z")
		s.put("zoe", "z.ics", strings.NewReplacer("T103000Z", "T110000Z", "T113000Z", "T120000Z").Replace(text))
		s.settled()
		s.want("moved", s.said("zoe", "z", "room1"), "ACCEPTED")
		// What the room has accepted stays so when only the title changes.
		text, _ = s.copy("anna", "a")
		s.put("anna", "a.ics", strings.Replace(text, "Plans of anna", "Other plans", 1))
		s.settled()
		s.want("another title", s.said("anna", "a", "room1"), "ACCEPTED")
		// Anna's is called off, and nora has the hour.
		if err := s.be.DeleteObject(s.Context(), s.as("anna"), calendar.DeleteRequest{Ref: calendar.Ref{Calendar: "anna", Name: "a.ics"}}); err != nil {
			s.Fatal(err)
		}
		s.settled()
		s.put("nora", "n.ics", booked("n", "nora", "room1", "20300107T100000Z", "20300107T110000Z"))
		s.settled()
		s.want("free again", s.said("nora", "n", "room1"), "ACCEPTED")
	})
}

// A series has all but the clashes where the room is so, and a single event does
// not push it aside.
func TestARoomTakesASeriesButForTheClash(t *testing.T) {
	rooms(t, calendar.Booking{Series: calendar.SeriesExcept}, func(s *rooming) {
		s.put("zoe", "z.ics", booked("z", "zoe", "room1", "20300114T103000Z", "20300114T113000Z"))
		s.settled()
		s.put("anna", "a.ics", booked("a", "anna", "room1", "20300107T100000Z", "20300107T110000Z", "RRULE:FREQ=WEEKLY"))
		s.settled()
		text, _ := s.copy("anna", "a")
		answers := map[bool]string{} // of the series, and of the instance that is an exception
		for event := range strings.SplitSeq(text, "BEGIN:VEVENT") {
			if strings.Contains(event, "ATTENDEE") {
				answers[strings.Contains(event, "RECURRENCE-ID:20300114T100000Z")] = param(event, "ATTENDEE", "room1", "PARTSTAT")
			}
		}
		s.want("the series", answers[false], "ACCEPTED")
		s.want("the clash", answers[true], "DECLINED")
		s.put("nora", "n.ics", booked("n", "nora", "room1", "20380104T100000Z", "20380104T110000Z"))
		s.settled()
		s.want("years into the series", s.said("nora", "n", "room1"), "DECLINED")
	})
}

// Two who book one room at once: exactly one has it, whatever the other wants of
// it: the same hour, a series, or the hour without an invitation.
func TestOneOfTwoHasTheRoom(t *testing.T) {
	rooms(t, calendar.Booking{}, func(s *rooming) {
		if _, err := s.be.CreateCalendar(s.Context(), s.as("root"), calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: "room1", NoDoubles: true}, DefaultACL: true}); err != nil && !errors.Is(err, calendar.Exists) {
			s.Fatal(err)
		}
		for round := range 8 {
			day := time.Date(2030, 2, 4+7*round, 0, 0, 0, 0, time.UTC)
			hour := func(d time.Time, at string) string { return d.Format("20060102T") + at }
			a, b, c := fmt.Sprint("a", round), fmt.Sprint("b", round), fmt.Sprint("c", round)
			var wg sync.WaitGroup
			var direct error
			wg.Go(func() {
				_, err := s.tryPut("anna", a+".ics", booked(a, "anna", "room1", hour(day, "100000Z"), hour(day, "110000Z")))
				if err != nil {
					s.Error(err)
				}
			})
			wg.Go(func() { // as WCAP does
				err := s.edit("zoe", "zoe", b, calendar.AsOrganizer, day.Add(10*time.Hour+30*time.Minute), "FREQ=DAILY;COUNT=3", "mailto:room1@example.com")
				if err != nil {
					s.Error(err)
				}
			})
			wg.Go(func() {
				if round%2 == 0 {
					direct = s.edit("carl", "room1", c, calendar.AsPublisher, day.Add(10*time.Hour+45*time.Minute), "")
					return
				}
				_, direct = s.be.PutObject(context.Background(), s.as("carl"), calendar.PutRequest{Ref: calendar.Ref{Calendar: "room1", Name: c + ".ics"},
					Data: []byte(meeting(c, "DTSTART:"+hour(day, "104500Z"), "DTEND:"+hour(day, "104600Z")))})
			})
			wg.Wait()
			s.settled()
			won := 0
			for _, one := range []bool{s.said("anna", a, "room1") == "ACCEPTED", s.said("zoe", b, "room1") == "ACCEPTED", direct == nil} {
				if one {
					won++
				}
			}
			if won != 1 {
				s.Errorf("%d have the room: anna %s, zoe %s, carl %v", won, s.said("anna", a, "room1"), s.said("zoe", b, "room1"), direct)
			}
			if direct != nil && !errors.Is(direct, calendar.DoubleBooked) {
				s.Errorf("carl: %v", direct)
			}
		}
	})
}

// The owner of a room that does not answer by itself decides; what he says goes to
// the organizer as the room's answer, sent by him.
func TestOwnersDecide(t *testing.T) {
	rooms(t, calendar.Booking{}, func(s *rooming) {
		s.put("anna", "a.ics", booked("a", "anna", "room2", "20300107T100000Z", "20300107T110000Z"))
		s.settled()
		s.want("asked", s.said("anna", "a", "room2"), "NEEDS-ACTION")
		// Who comes later finds the hour held.
		s.put("zoe", "z.ics", booked("z", "zoe", "room2", "20300107T103000Z", "20300107T113000Z"))
		s.settled()
		s.want("held", s.said("zoe", "z", "room2"), "DECLINED")
		decide := func(uid, partstat string) error {
			text := s.in("room2", uid)
			var name string
			err := s.be.Objects(s.Context(), s.as("root"), calendar.ObjectsRequest{Calendar: "room2", UIDs: []string{uid}}, func(r calendar.ObjectResult) error {
				name = r.Object.Name
				return nil
			})
			if err != nil {
				s.Fatal(err)
			}
			lines := strings.Split(text, "\r\n")
			for i, l := range lines {
				if strings.Contains(l, "room2@example.com") && strings.HasPrefix(l, "ATTENDEE") {
					was := param(l, "ATTENDEE", "room2", "PARTSTAT")
					lines[i] = strings.Replace(l, "PARTSTAT="+was, "PARTSTAT="+partstat, 1)
				}
			}
			_, err = s.be.PutObject(s.Context(), s.as("carl"), calendar.PutRequest{Ref: calendar.Ref{Calendar: "room2", Name: name}, Data: []byte(strings.Join(lines, "\r\n"))})
			return err
		}
		if err := decide("a", "ACCEPTED"); err != nil {
			s.Fatal(err)
		}
		s.settled()
		s.want("decided", s.said("anna", "a", "room2"), "ACCEPTED")
		text, _ := s.copy("anna", "a")
		if !strings.Contains(strings.ReplaceAll(text, `"`, ""), "SENT-BY=mailto:carl@example.com") {
			s.Errorf("nobody is told who decided:\n%s", text)
		}
		// He cannot give the hour away twice,
		if err := decide("z", "ACCEPTED"); !errors.Is(err, calendar.DoubleBooked) {
			s.Errorf("given away twice: %v", err)
		}
		// but to somebody else.
		if err := decide("a", "DECLINED"); err != nil {
			s.Fatal(err)
		}
		if err := decide("z", "ACCEPTED"); err != nil {
			s.Fatal(err)
		}
		s.settled()
		s.want("taken away", s.said("anna", "a", "room2"), "DECLINED")
		s.want("given", s.said("zoe", "z", "room2"), "ACCEPTED")
	})
}

// Two rooms of which one invites the other say what they have to say, and no more.
func TestRoomsDoNotAnswerEachOtherForEver(t *testing.T) {
	s := roomSite(t, sitetest.SQLite, true, calendar.Booking{})
	for _, id := range []string{"room1", "room2"} {
		p := s.people[id]
		p.AutoReply = true
		s.people[id] = p
		if _, err := s.be.CreateCalendar(t.Context(), s.as("root"), calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: calendar.ID(id)}, DefaultACL: true}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.be.PutObject(t.Context(), s.as("carl"), calendar.PutRequest{Ref: calendar.Ref{Calendar: "room1", Name: "r.ics"},
		Data: []byte(booked("r", "room1", "room2", "20300107T100000Z", "20300107T110000Z", "ATTENDEE;CUTYPE=ROOM;PARTSTAT=NEEDS-ACTION:mailto:ROOM1@example.com"))})
	if err != nil {
		t.Fatal(err)
	}
	s.settled() // fails if it never is
	s.want("the other room", param(s.in("room1", "r"), "ATTENDEE", "room2", "PARTSTAT"), "ACCEPTED")
	// Each asks the other to come to what the other has asked him to.
	for i, id := range []string{"room1", "room2"} {
		other := []string{"room2", "room1"}[i]
		_, err := s.be.PutObject(t.Context(), s.as("carl"), calendar.PutRequest{Ref: calendar.Ref{Calendar: calendar.ID(id), Name: "both.ics"},
			Data: []byte(booked("both", id, other, "20300109T100000Z", "20300109T110000Z"))})
		if err != nil && calendar.KindOf(err) != calendar.NotOrganizer {
			t.Fatal(err)
		}
	}
	s.settled()
	steps := 0
	for _, id := range []string{"room1", "room2"} {
		for _, uid := range []string{"r", "both"} {
			told, err := s.be.Why(t.Context(), s.as("root"), calendar.WhyRequest{Owner: calendar.Owner(id), Query: calendar.TraceQuery{UID: uid}})
			if err != nil {
				t.Fatal(err)
			}
			for _, tr := range told.Traces {
				if steps++; tr.Reason != "" && why.Of(&tr) == "" {
					t.Errorf("nobody can read %s", tr.Reason)
				}
			}
		}
	}
	if steps == 0 || steps > 30 {
		t.Errorf("it took %d steps", steps)
	}
	s.put("anna", "a.ics", booked("a", "anna", "room1", "20300108T100000Z", "20300108T110000Z", "ATTENDEE;CUTYPE=ROOM;PARTSTAT=NEEDS-ACTION:mailto:room2@example.com"))
	s.settled()
	s.want("room1", s.said("anna", "a", "room1"), "ACCEPTED")
	s.want("room2", s.said("anna", "a", "room2"), "ACCEPTED")
}

// edit stores an hour by the use case of WCAP's storeevents.
func (s *rooming) edit(user, cal, uid string, role calendar.EditRole, start time.Time, rule string, attendees ...string) error {
	from, to := ical.FromCivil(start, ical.UTC, ""), ical.FromCivil(start.Add(time.Hour), ical.UTC, "")
	patch := calendar.Patch{Start: &from, End: &to, Props: []calendar.PropEdit{{Name: "SUMMARY", Props: []ical.Property{{Name: "SUMMARY", Value: "Plans"}}}}}
	if rule != "" {
		patch.RRules = &[]string{rule}
	}
	var invited calendar.PropEdit
	for _, a := range attendees {
		invited.Name = "ATTENDEE"
		invited.Props = append(invited.Props, ical.Property{Name: "ATTENDEE", Value: a, Params: []ical.Param{{Name: "PARTSTAT", Values: []string{"NEEDS-ACTION"}}}})
	}
	if len(attendees) > 0 {
		patch.Props = append(patch.Props, invited)
	}
	res, err := s.be.EditObject(context.Background(), s.as(user), calendar.EditRequest{Calendar: calendar.ID(cal), Component: "VEVENT",
		Items: []calendar.EditItem{{UID: uid, Mode: calendar.EditCreate, Role: role, Patch: patch}}})
	if err == nil {
		err = res.Items[0].Err
	}
	return err
}

// Why a room has declined stands in its journal.
func TestARoomSaysWhyItDeclines(t *testing.T) {
	for _, c := range []struct {
		booking calendar.Booking
		start   string
		want    string
	}{
		{calendar.Booking{}, "20300107T100000Z", "room-free The time was free."},
		{calendar.Booking{}, "20300108T093000Z", "double-booked The time is taken already, on 2030-01-08 09:30 (UTC)."},
		{calendar.Booking{Who: []string{"ben"}}, "20300107T100000Z", "may-not-book Who organizes the meeting may not book the resource."},
		{calendar.Booking{Longest: 30 * time.Minute}, "20300107T100000Z", "too-long It can be booked for 30 minutes at a time."},
		{calendar.Booking{Capacity: 2}, "20300107T100000Z", "too-many-people 3 people come, and there is room for 2."},
	} {
		s := roomSite(t, sitetest.SQLite, false, c.booking)
		if _, err := s.be.CreateCalendar(t.Context(), s.as("root"), calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: "room1"}, DefaultACL: true}); err != nil {
			t.Fatal(err)
		}
		if err := s.edit("root", "room1", "taken", calendar.AsPublisher, time.Date(2030, 1, 8, 9, 0, 0, 0, time.UTC), ""); err != nil {
			t.Fatal(err)
		}
		start, err := time.Parse("20060102T150405Z", c.start)
		if err != nil {
			t.Fatal(err)
		}
		s.put("anna", "a.ics", booked("a", "anna", "room1", c.start, start.Add(time.Hour).Format("20060102T150405Z"),
			"ATTENDEE:mailto:ben@example.com", "ATTENDEE:mailto:carl@example.com"))
		s.settled()
		var got []string
		err = s.store.View(t.Context(), "room1", func(tx calendar.ReadTx) error {
			got = nil
			return tx.Traces(calendar.TraceQuery{UID: "a", OldestFirst: true}, func(tr *calendar.Trace) error {
				if tr.Step == calendar.TraceDecided {
					got = append(got, tr.Reason+" "+tr.Detail)
				}
				return nil
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		s.want("why", strings.Join(got, "\n"), c.want)
	}
}
