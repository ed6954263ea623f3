package sitetest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"factotum/protocol/sitetest"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
)

const officeHours = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//t\r\nBEGIN:VAVAILABILITY\r\nUID:v\r\nDTSTAMP:20260101T000000Z\r\n" +
	"BEGIN:AVAILABLE\r\nUID:w\r\nDTSTAMP:20260101T000000Z\r\nDTSTART;TZID=Europe/Berlin:20260105T080000\r\nDTEND;TZID=Europe/Berlin:20260105T180000\r\n" +
	"RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR\r\nEND:AVAILABLE\r\nEND:VAVAILABILITY\r\nEND:VCALENDAR\r\n"

// staff adds so many people to a directory, named p000 and so on, or n000.
func staff(people calendartest.People, letters string, n int) (ids []calendar.UserID) {
	for i := range n {
		id := fmt.Sprintf("%c%03d", letters[i%len(letters)], i)
		people[id] = calendar.Person{ID: id, Kind: calendar.Individual, Name: id, Mails: []string{id + "@example.com"}, Active: true}
		ids = append(ids, id)
	}
	return ids
}

// move fills somebody's home: a meeting a day in March 2026, a weekly one that goes
// on for ever and that he has not answered, and office hours.
func move(t testing.TB, be calendar.Backend, who calendar.Actor) {
	t.Helper()
	ctx := context.Background()
	if _, err := be.Home(ctx, who, calendar.HomeRequest{Owner: calendar.Owner(who.User)}); err != nil {
		t.Fatal(err)
	}
	text := func(uid string, at time.Time, more string) calendar.PutItem {
		return calendar.PutItem{Data: []byte("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//t\r\nBEGIN:VEVENT\r\nUID:" + uid + "\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:" +
			at.Format("20060102T150405Z") + "\r\nDURATION:PT1H\r\n" + more + "END:VEVENT\r\nEND:VCALENDAR\r\n")}
	}
	items := []calendar.PutItem{text("w", time.Date(2025, 1, 6, 12, 0, 0, 0, time.UTC), "RRULE:FREQ=WEEKLY\r\nORGANIZER:mailto:x@example.com\r\nATTENDEE:mailto:"+who.User+"@example.com\r\n")}
	for d := range 31 {
		items = append(items, text(fmt.Sprint("e", d), time.Date(2026, 3, 1+d, 9, 0, 0, 0, time.UTC), ""))
	}
	res, err := be.PutObjects(ctx, who, calendar.PutObjectsRequest{Calendar: calendar.ID(who.User), Items: items})
	for _, r := range res {
		if err == nil {
			err = r.Err
		}
	}
	if err == nil {
		err = be.SetPrefs(ctx, who, calendar.SetPrefsRequest{Owner: calendar.Owner(who.User), Set: map[string]string{calendar.AvailabilityPref: officeHours}})
	}
	if err != nil {
		t.Fatal(err)
	}
}

var march = calendar.Window{From: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)}

// perMonth is how many busy periods move makes of March: 31 meetings, 5 Mondays
// without an answer, and what is before, between and after 22 working days.
const perMonth = 31 + 5 + 23

func targets(ids []calendar.UserID) (out []calendar.FreeBusyTarget) {
	for _, id := range ids {
		out = append(out, calendar.FreeBusyTarget{Calendar: calendar.ID(id), Home: true})
	}
	return out
}

// TestBusyOfManyIsOneCall: a request for many people on two back ends is one call
// to each, and tells those who are busy, free and unknown apart.
func TestBusyOfManyIsOneCall(t *testing.T) {
	people := sitetest.Staff()
	ids := staff(people, "ap", 500) // half of them on either
	hosts := sitetest.NewHosts(t, sitetest.Options{Clock: &sitetest.Clock{}, People: people})
	for _, id := range ids[:6] {
		move(t, hosts.Backend, people.Actor(id))
	}
	hosts.Reset()
	all := append(targets(ids), targets([]calendar.UserID{"azra", "zora"})...)
	res, err := hosts.Backend.FreeBusy(t.Context(), people.Actor("ben"), calendar.FreeBusyRequest{Targets: all, Window: march})
	if err != nil || len(res) != len(all) {
		t.Fatalf("%d answers, %v", len(res), err)
	}
	if n, which := hosts.Most(); n != 1 {
		t.Errorf("%d calls to one back end: %s", n, which)
	}
	for i, r := range res {
		switch {
		case r.Target != all[i]:
			t.Fatalf("%d answers for %v, not %v", i, r.Target, all[i])
		case i < 6 && (r.Err != nil || len(r.Busy) != perMonth):
			t.Errorf("%s: %d periods, %v", ids[i], len(r.Busy), r.Err)
		case i >= 6 && i < 500 && (r.Err != nil || len(r.Busy) != 0):
			t.Errorf("%s never logged in: %v, %v", ids[i], r.Busy, r.Err)
		case i >= 500 && calendar.KindOf(r.Err) != calendar.NoCalendar:
			t.Errorf("%s is nobody: %v", r.Target.Calendar, r.Err)
		}
	}
}

// BenchmarkBusyOfPeople: the month of 500 people in one request, each with a
// meeting a day, a series without an end and office hours, beside 500 requests for
// one. Mark: 200 ms.
func BenchmarkBusyOfPeople(b *testing.B) {
	for _, v := range sitetest.Variants {
		b.Run(v.Name, func(b *testing.B) {
			s := sitetest.New(b, v.Options)
			ids := staff(s.People, "p", 500)
			for _, id := range ids {
				move(b, s.Backend, s.People.Actor(id))
			}
			all, who := targets(ids), s.People.Actor("ben")
			ask := func(list []calendar.FreeBusyTarget) time.Duration {
				begin := time.Now()
				res, err := s.Backend.FreeBusy(b.Context(), who, calendar.FreeBusyRequest{Targets: list, Window: march})
				if err != nil {
					b.Fatal(err)
				}
				for _, r := range res {
					if r.Err != nil || len(r.Busy) != perMonth {
						b.Fatalf("%d periods, %v", len(r.Busy), r.Err)
					}
				}
				return time.Since(begin)
			}
			ask(all)
			var one, single time.Duration
			for b.Loop() {
				one += ask(all)
				for i := range all {
					single += ask(all[i : i+1])
				}
			}
			b.ReportMetric(float64(one.Microseconds())/1000/float64(b.N), "ms-one-request/op")
			b.ReportMetric(float64(single.Microseconds())/1000/float64(b.N), "ms-500-requests/op")
			b.ReportMetric(float64(single)/float64(one), "ratio")
		})
	}
}
