package alarm_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/ical"
	"factotum/server/service"
)

// scene is a host whose clock a test has in its hands.
type scene struct {
	*testing.T
	*host
	people calendartest.People
	store  calendar.Store
	out    *sent
	opt    service.AlarmOptions
	jump   atomic.Int64 // by which the clock was set
	began  time.Time    // 2000-01-03, 08:00 UTC
}

func (s *scene) now() time.Time { return time.Now().Add(time.Duration(s.jump.Load())) }

// play runs a scene with anna and ben at eight in the morning.
func play(t *testing.T, opt service.AlarmOptions, fn func(*scene)) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(56 * time.Hour)
		s := &scene{T: t, people: calendartest.NewPeople("anna", "ben", "root"), store: calendartest.NewStore(), out: &sent{at: map[string][]time.Time{}}, opt: opt}
		s.began = time.Now()
		s.up()
		s.open(t, "anna")
		s.open(t, "ben")
		fn(s)
		s.down()
	})
}

func (s *scene) up() {
	s.Helper()
	s.host = start(s.T, s.store, s.people, s.out, s.opt, s.now)
}

func (s *scene) down() {
	s.Helper()
	if err := s.jobs.Stop(bg); err != nil {
		s.Fatal(err)
	}
}

func (s *scene) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// sleep lets time pass until so many minutes after eight, and all come to rest.
func (s *scene) sleep(minutes float64) {
	time.Sleep(time.Until(s.began.Add(time.Duration(minutes * float64(time.Minute)))))
	synctest.Wait()
}

// at is an event that starts so many minutes after eight, with more in it.
func (s *scene) at(uid string, minutes int, more ...string) string {
	start := s.began.Add(time.Duration(minutes) * time.Minute)
	return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:" + uid + "\r\nDTSTAMP:20000101T000000Z\r\nDTSTART:" + start.Format("20060102T150405Z") +
		"\r\nDTEND:" + start.Add(time.Hour).Format("20060102T150405Z") + "\r\nSUMMARY:" + uid + "\r\n" + strings.ReplaceAll(strings.Join(append(more, ""), "\n"), "\n", "\r\n") + "END:VEVENT\r\nEND:VCALENDAR\r\n"
}

// mails are those that went out since the last look: "minutes after eight, to, uid".
func (s *scene) mails() string {
	s.out.Lock()
	defer s.out.Unlock()
	var list []string
	for name, times := range s.out.at {
		w := strings.Fields(name)
		for _, at := range times {
			list = append(list, fmt.Sprintf("%v %s %s", at.Sub(s.began).Minutes(), strings.TrimSuffix(w[1], "@example.com"), w[2]))
		}
	}
	clear(s.out.at)
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func (s *scene) sends(want string) {
	s.Helper()
	if got := s.mails(); got != want {
		s.Errorf("sent:\n%s\nwant:\n%s", got, want)
	}
}

func (s *scene) jobsLeft(want int) {
	s.Helper()
	if left, err := s.store.Jobs(bg, calendar.JobID{}, 0); err != nil || len(left) != want || s.jobs.Stats().Pending != want {
		s.Errorf("%d jobs in the table, %d in memory, want %d; %v", len(left), s.jobs.Stats().Pending, want, err)
	}
}

var byMail = service.AlarmOptions{Mail: true}

func TestRecipients(t *testing.T) {
	play(t, service.AlarmOptions{Mail: true, Recipients: 2}, func(s *scene) {
		s.put(t, "anna", "a", s.at("own", 60, mailed))
		s.put(t, "anna", "b", s.at("named", 61, alarmWith("ATTENDEE:mailto:zoe@far.org\nATTENDEE:MAILTO:Zoe@far.org\nATTENDEE:mailto:ben@example.com\nATTENDEE:mailto:third@far.org")))
		s.put(t, "anna", "c", s.at("declined", 62, "ATTENDEE;PARTSTAT=DECLINED:mailto:anna@example.com", "ORGANIZER:mailto:zoe@far.org", mailed))
		s.put(t, "anna", "d", s.at("shows", 63, shown))
		s.sleep(60)
		s.sends("45 anna own, 46 ben named, 46 zoe@far.org named")
		s.ok(s.SetPrefs(bg, calendar.Actor{User: "anna"}, calendar.SetPrefsRequest{Owner: "anna", Set: map[string]string{"ceDefaultAlarmEmail": "pager@far.org,anna@home.org;x@y.org"}}))
		s.put(t, "anna", "e", s.at("default", 120, mailed))
		s.put(t, "anna", "f", s.at("gone", 121, mailed))
		s.down() // which reads the directory
		s.people["anna"] = calendar.Person{ID: "anna", Kind: calendar.Individual, Mails: []string{"anna@example.com"}, Active: true}
		s.up()
		s.sleep(105.5)
		s.sends("105 anna@home.org default, 105 pager@far.org default")
		s.down()
		delete(s.people, "anna")
		s.up()
		s.sleep(200)
		s.sends("")
		s.jobsLeft(0)
	})
}

// Whoever changes an object changes its alarm, and what is due when that happens is
// sent all the same; where nothing fires any more there is no job.
func TestChanges(t *testing.T) {
	play(t, byMail, func(s *scene) {
		s.put(t, "anna", "a", s.at("moved", 60, mailed))
		s.put(t, "anna", "b", s.at("deleted", 60, mailed))
		s.put(t, "anna", "c", s.at("silenced", 60, mailed))
		s.put(t, "anna", "d", s.at("elsewhere", 60, mailed))
		s.put(t, "anna", "e", s.at("renamed", 60, mailed))
		s.jobsLeft(5)
		s.put(t, "anna", "a", s.at("moved", 30, mailed))
		s.ok(s.DeleteObject(bg, calendar.Actor{User: "anna"}, calendar.DeleteRequest{Ref: calendar.Ref{Calendar: "anna", Name: "b"}}))
		s.put(t, "anna", "c", s.at("silenced", 60))
		_, err := s.CreateCalendar(bg, calendar.Actor{User: "anna"}, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: "anna:work"}})
		s.ok(err)
		_, err = s.CopyObject(bg, calendar.Actor{User: "anna"}, calendar.CopyRequest{From: calendar.Ref{Calendar: "anna", Name: "d"}, To: calendar.Ref{Calendar: "anna:work", Name: "z"}, Move: true})
		s.ok(err)
		_, err = s.CopyCalendar(bg, calendar.Actor{User: "anna"}, calendar.CopyRequest{From: calendar.Ref{Calendar: "anna:work"}, To: calendar.Ref{Calendar: "anna:play"}, Move: true})
		s.ok(err)
		s.jobsLeft(3)
		s.sleep(50)
		s.sends("15 anna moved, 45 anna elsewhere, 45 anna renamed")
		s.jobsLeft(0)

		s.put(t, "anna", "g", s.at("pending", 120, mailed))
		s.down()
		s.sleep(106) // it was due a minute ago when somebody changes the title
		s.put(t, "anna", "g", strings.Replace(s.at("pending", 120, mailed), "SUMMARY:pending", "SUMMARY:renamed", 1))
		s.up()
		s.sleep(110)
		s.sends("106 anna pending")

		s.put(t, "anna", "late", s.at("added", 115, mailed)) // it would have been due before it was there
		s.putIn(t, "anna", "anna:play", "p", s.at("with the calendar", 180, mailed))
		s.jobsLeft(1)
		s.ok(s.DeleteCalendar(bg, calendar.Actor{User: "anna"}, calendar.DeleteCalendarRequest{ID: "anna:play"}))
		s.jobsLeft(0)
		s.sleep(200)
		s.sends("")
	})
}

// After a time in which the server was down the newest of what is of use is sent;
// not again after the clock was set back.
func TestClock(t *testing.T) {
	play(t, byMail, func(s *scene) {
		s.put(t, "anna", "a", s.at("hourly", 60, "RRULE:FREQ=HOURLY;COUNT=12", mailed))
		s.put(t, "anna", "b", s.at("over", 60, mailed))
		s.sleep(44)
		s.down()
		s.sleep(225) // 11:45: those of 8:45 to 11:45 are due
		s.up()
		s.sleep(230)
		s.sends("225 anna hourly")
		s.jump.Add(-3 * int64(time.Hour)) // 8:50 again
		s.sleep(420)                      // 12:00
		s.sends("")
		s.jump.Add(3 * int64(time.Hour)) // 15:00
		s.sleep(420.1)
		// Those of 12:45 and 13:45 are late, and that of 14:45 is the newest.
		var at float64
		if got := s.mails(); strings.Contains(got, ",") {
			t.Errorf("after the clock jumped: %s", got)
		} else if _, err := fmt.Sscanf(got, "%g anna hourly", &at); err != nil || at > 420+1./60 {
			t.Errorf("after the clock jumped: %s", got)
		}
		s.sleep(466)
		s.sends("465 anna hourly")
		s.down()
		s.sleep(3000)
		s.up()
		s.sleep(3001)
		s.sends("")
		s.jobsLeft(0)
	})
}

// What users of a shared calendar have of their own reminds them, as long as they
// see it.
func TestSharees(t *testing.T) {
	play(t, byMail, func(s *scene) {
		id, rights := calendar.ID("anna"), acl.MustParse("ben^a^rsdwf^g")
		_, err := s.UpdateCalendar(bg, calendar.Actor{User: "anna"}, calendar.UpdateCalendarRequest{ID: id, ACL: &rights})
		s.ok(err)
		s.put(t, "anna", "a", s.at("meeting", 60, mailed))
		s.putIn(t, "ben", "anna", "a", s.at("meeting", 60, strings.Replace(mailed, "15M", "20M", 1)))
		s.put(t, "anna", "b", s.at("hidden", 120, mailed))
		s.putIn(t, "ben", "anna", "b", s.at("hidden", 120, strings.Replace(mailed, "15M", "20M", 1)))
		s.sleep(50)
		s.sends("40 ben meeting, 45 anna meeting")
		none := acl.List{}
		_, err = s.UpdateCalendar(bg, calendar.Actor{User: "anna"}, calendar.UpdateCalendarRequest{ID: id, ACL: &none})
		s.ok(err)
		s.sleep(110)
		s.sends("105 anna hidden")
	})
}

// What is published, and of what.
func TestPublications(t *testing.T) {
	var printed []string
	play(t, service.AlarmOptions{URL: "enp:///x", ContentType: "text/xml", Print: func(contentType string, props []ical.Property, comps []*ical.Component) []byte {
		printed = append(printed, fmt.Sprint(contentType, " ", props[0].Value, " ", comps[0].Text("UID"), " ", len(comps[0].Children)))
		return nil
	}}, func(s *scene) {
		s.put(t, "anna", "a", s.at("one", 60, mailed, shown))
		s.sleep(60)
		s.sends("45 anna enp:///x?calid=anna&uid=one&aid=a&comptype=event")
	})
	if want := []string{"text/xml anna one 1"}; !slices.Equal(printed, want) {
		t.Errorf("printed %q, want %q", printed, want)
	}
	opt := service.AlarmOptions{Mail: true, MailURL: "enp:///ics/alarm", URL: "enp:///ics/customalarm", ContentType: "text/calendar"}
	play(t, opt, func(s *scene) {
		s.put(t, "anna", "a", s.at("one", 60, mailed, shown))
		s.put(t, "anna", "b", s.at("series", 61, "RRULE:FREQ=DAILY;COUNT=2", shown))
		s.sleep(24*60 + 60)
		s.sends(strings.Join([]string{"1486 anna enp:///ics/customalarm?calid=anna&uid=series&rid=20000104T090100Z&aid=a&comptype=event", "45 anna enp:///ics/alarm?calid=anna&uid=one&aid=1&comptype=event",
			"45 anna enp:///ics/customalarm?calid=anna&uid=one&aid=a&comptype=event", "45 anna one",
			"46 anna enp:///ics/customalarm?calid=anna&uid=series&rid=20000103T090100Z&aid=a&comptype=event"}, ", "))
	})
}

// Alarms are planned of what was stored before the server sent any; where it sends
// others the same; and where days begin at another time.
func TestPlanned(t *testing.T) {
	play(t, service.AlarmOptions{}, func(s *scene) {
		for i := range 250 {
			s.put(t, "anna", fmt.Sprint("e", i), s.at(fmt.Sprint("e", i), 24*60, map[bool]string{true: mailed, false: shown}[i%2 == 0]))
		}
		floating := strings.Replace(s.at("floating", 24*60, mailed), "DTSTART:20000104T080000Z", "DTSTART:20000104T080000", 1)
		s.put(t, "ben", "f", strings.Replace(floating, "DTEND:20000104T090000Z", "DTEND:20000104T090000", 1))
		s.jobsLeft(0)
		s.down()
		s.opt = byMail
		s.up()
		s.ok(s.PlanAll(bg))
		s.sleep(1)
		s.jobsLeft(126)
		s.ok(s.PlanAll(bg)) // it knows that it is done
		s.jobsLeft(126)
		prefs, err := s.Prefs(bg, calendar.Actor{User: "anna"}, "anna")
		delete(prefs, calendar.FreeBusyPref) // which is always told
		if err != nil || len(prefs) > 0 {
			t.Errorf("%v are shown, %v", prefs, err)
		}
		zone := "Europe/Berlin"
		_, err = s.UpdateCalendar(bg, calendar.Actor{User: "ben"}, calendar.UpdateCalendarRequest{ID: "ben", TZID: &zone})
		s.ok(err)
		s.down()
		s.opt = service.AlarmOptions{Mail: true, URL: "enp:///x", ContentType: "text/calendar"}
		s.up()
		s.ok(s.PlanAll(bg))
		s.sleep(2)
		s.jobsLeft(251)
		s.sleep(23 * 60)
		if got := s.mails(); got != "1365 ben enp:///x?calid=ben&uid=floating&aid=1&comptype=event, 1365 ben floating" {
			t.Errorf("in Berlin it is an hour earlier: %s", got)
		}
		_, err = s.Rebuild(bg, nil)
		s.ok(err)
		s.ok(s.PlanAll(bg))
		s.down()
		s.opt = service.AlarmOptions{}
		s.up()
		s.ok(s.PlanAll(bg))
		s.sleep(25 * 60)
		s.sends("")
		s.jobsLeft(0)
	})
}

// A series of every minute is no way to fill a mail box.
func TestMostMailed(t *testing.T) {
	play(t, byMail, func(s *scene) {
		s.put(t, "anna", "a", s.at("often", 60, "RRULE:FREQ=MINUTELY", mailed))
		s.sleep(36 * 60)
		if n := strings.Count(s.mails(), "often"); n != 200 {
			t.Errorf("%d mails in a day and a half", n)
		}
	})
}
