package alarm_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/service"
	"factotum/server/worker"
	"factotum/store/sqlstore"
	"factotum/store/storetest/fresh"
)

var bg = context.Background()

// host is a back end over a store that others may have had before.
type host struct {
	*service.Service
	jobs *worker.Worker
}

// sent are the mails that went out, by their name, with when and how often.
type sent struct {
	sync.Mutex
	at map[string][]time.Time
}

// start is a host at work; what its alarms send is noted.
func start(t testing.TB, store calendar.Store, people calendar.People, out *sent, opt service.AlarmOptions, now func() time.Time) *host {
	t.Helper()
	h := &host{jobs: worker.New(store, worker.Options{Now: now})}
	h.Service = service.New(store, people, service.Options{Alarms: opt, Outbox: h.jobs, Now: now})
	h.jobs.Handle(calendar.JobAlarm, worker.Kind{Look: h.LookAtAlarm, Deletes: true, Pool: &worker.Pool{Concurrency: 16, Each: 16}})
	h.jobs.Handle(calendar.JobPlan, worker.Kind{Run: h.PlanAlarms, Deletes: true})
	h.jobs.Handle(calendar.JobDeliver, worker.Kind{Run: func(context.Context, calendar.Job) error { return nil }})
	note := func(what string) {
		out.Lock()
		defer out.Unlock()
		out.at[what] = append(out.at[what], now())
	}
	h.jobs.Handle(calendar.JobMail, worker.Kind{Run: func(_ context.Context, job calendar.Job) error {
		m, err := calendar.ParseMailing(job)
		if err == nil {
			note(m.Letter.ID + " " + m.To + " " + m.UID)
		}
		return err
	}, Pool: &worker.Pool{Concurrency: 16, Each: 16}})
	h.jobs.Handle(calendar.JobPublish, worker.Kind{Run: func(_ context.Context, job calendar.Job) error {
		p, err := calendar.ParsePublication(job)
		if err == nil {
			note(p.ID + " " + string(p.Owner) + " " + p.Ref)
		}
		return err
	}})
	if err := h.jobs.Start(bg); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *host) put(t testing.TB, owner, name, text string) {
	t.Helper()
	h.putIn(t, owner, calendar.ID(owner), name, text)
}

func (h *host) putIn(t testing.TB, user string, id calendar.ID, name, text string) {
	t.Helper()
	_, err := h.PutObject(bg, calendar.Actor{User: user, Mail: user + "@example.com"}, calendar.PutRequest{Ref: calendar.Ref{Calendar: id, Name: name}, Data: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
}

func (h *host) open(t testing.TB, owner string) {
	t.Helper()
	if _, err := h.Home(bg, calendar.Actor{User: owner}, calendar.HomeRequest{Owner: calendar.Owner(owner)}); err != nil {
		t.Fatal(err)
	}
}

// series is an event of every day with an alarm, as a person would say it.
type series struct {
	owner, uid   string
	zone         *time.Location
	hour, minute int
	before       time.Duration // on the clock on the wall where it is whole days
	from         time.Time     // the first day
	days         int
}

func (s *series) text() string {
	trigger := fmt.Sprintf("-PT%dM", s.before/time.Minute)
	if s.before == 24*time.Hour {
		trigger = "-P1D"
	}
	start := fmt.Sprintf("%sT%02d%02d00", s.from.Format("20060102"), s.hour, s.minute)
	return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:" + s.uid + "\r\nDTSTAMP:20000101T000000Z\r\nSUMMARY:x\r\nDTSTART;TZID=" + s.zone.String() + ":" + start +
		"\r\nDURATION:PT30M\r\nRRULE:FREQ=DAILY;COUNT=" + fmt.Sprint(s.days) + "\r\nBEGIN:VALARM\r\nACTION:EMAIL\r\nSUMMARY:x\r\nDESCRIPTION:y\r\nATTENDEE:mailto:" + s.owner +
		"@example.com\r\nTRIGGER:" + trigger + "\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
}

// firings are when its alarms are due, worked out day by day from the clock on the
// wall of its zone.
func (s *series) firings() (list []time.Time) {
	for i := range s.days {
		day := s.from.AddDate(0, 0, i)
		at := func(day time.Time) time.Time {
			return time.Date(day.Year(), day.Month(), day.Day(), s.hour, s.minute, 0, 0, s.zone)
		}
		if s.before == 24*time.Hour {
			list = append(list, at(day.AddDate(0, 0, -1)))
		} else {
			list = append(list, at(day).Add(-s.before))
		}
	}
	return list
}

// TestWeek: alarms of a week in which clocks are put forward, while one host takes
// over from the other again and again and events are moved, each go out once and not
// a second late. FACTOTUM_LONG makes it 100,000.
func TestWeek(t *testing.T) {
	small, n := 60, 600
	if os.Getenv("FACTOTUM_LONG") == "1" {
		small, n = 3000, 20_000
	}
	t.Run("memory", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { week(t, calendartest.NewStore(), n) }) })
	t.Run("sqlite", func(t *testing.T) {
		dir := fresh.Dir(t)
		synctest.Test(t, func(t *testing.T) {
			store, err := sqlstore.OpenSQLite(bg, dir, sqlstore.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			week(t, store, small)
		})
	})
}

func week(t *testing.T, store calendar.Store, n int) {
	const owners = 50
	time.Sleep(time.Until(time.Date(2000, 3, 22, 12, 0, 0, 0, time.UTC))) // clocks in Europe are put forward on the 26th
	out := &sent{at: map[string][]time.Time{}}
	opt := service.AlarmOptions{Mail: true}
	people := calendartest.People{}
	for i := range owners {
		maps.Copy(people, calendartest.NewPeople(fmt.Sprint("u", i)))
	}
	h := start(t, store, people, out, opt, time.Now)
	for i := range owners {
		h.open(t, fmt.Sprint("u", i))
	}
	var zones []*time.Location
	for _, name := range []string{"Europe/Berlin", "America/New_York", "Asia/Tokyo", "Australia/Sydney"} {
		z, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		zones = append(zones, z)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	first := time.Date(2000, 3, 24, 0, 0, 0, 0, time.UTC)
	draw := func(i int) *series {
		return &series{owner: fmt.Sprint("u", i%owners), uid: fmt.Sprint("e", i), zone: zones[rnd.IntN(len(zones))], hour: 4 + rnd.IntN(19), minute: rnd.IntN(60),
			before: []time.Duration{0, 5 * time.Minute, 90 * time.Minute, 24 * time.Hour}[rnd.IntN(4)], from: first, days: 7}
	}
	// want are the firings of each event, those of what it was before it was moved too.
	want := map[string][]time.Time{}
	all := make([]*series, n)
	since := make([]time.Time, n)
	end := func(i int, now time.Time) {
		for _, at := range all[i].firings() {
			if !at.Before(since[i]) && at.Before(now) {
				want[all[i].uid] = append(want[all[i].uid], at)
			}
		}
		all[i], since[i] = nil, now
	}
	put := func(i int) {
		all[i] = draw(i)
		h.put(t, all[i].owner, all[i].uid+".ics", all[i].text())
	}
	for i := range all {
		put(i)
	}
	for hours := range 9 * 24 {
		time.Sleep(time.Hour + time.Millisecond)
		if hours%7 == 3 { // the other host takes over
			if err := h.jobs.Stop(bg); err != nil {
				t.Fatal(err)
			}
			h = start(t, store, people, out, opt, time.Now)
		}
		for range (n + 199) / 200 {
			i := rnd.IntN(n)
			if all[i] == nil {
				continue
			}
			old := all[i]
			end(i, time.Now())
			if rnd.IntN(4) > 0 { // somebody moves an event, or deletes it
				put(i)
			} else if err := h.DeleteObject(bg, calendar.Actor{User: old.owner}, calendar.DeleteRequest{Ref: calendar.Ref{Calendar: calendar.NewID(calendar.Owner(old.owner), calendar.DefaultName), Name: old.uid + ".ics"}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := h.jobs.Stop(bg); err != nil {
		t.Fatal(err)
	}
	total, worst := 0, time.Duration(0)
	for i := range all {
		if all[i] != nil {
			end(i, time.Now())
		}
	}
	got := map[string][]time.Time{}
	for name, times := range out.at {
		if len(times) != 1 {
			t.Errorf("%s was sent %d times", name, len(times))
		}
		uid := name[strings.LastIndexByte(name, ' ')+1:]
		got[uid] = append(got[uid], times...)
	}
	for i := range all {
		uid := fmt.Sprint("e", i)
		w, g := want[uid], got[uid]
		slices.SortFunc(w, time.Time.Compare)
		slices.SortFunc(g, time.Time.Compare)
		if len(w) != len(g) {
			t.Fatalf("%s was to fire %d times, and did %d times\n%v\n%v", uid, len(w), len(g), w, g)
		}
		for k := range w {
			late := g[k].Sub(w[k])
			if late < 0 || late > time.Second {
				t.Errorf("%s, due at %v, went out at %v", uid, w[k], g[k])
			}
			worst = max(worst, late)
		}
		total += len(w)
	}
	left, err := store.Jobs(bg, calendar.JobID{}, 0)
	if err != nil || len(left) > 0 {
		t.Errorf("%d jobs are left, %v", len(left), err)
	}
	if total < 3*n {
		t.Errorf("only %d alarms", total)
	}
	t.Logf("%d alarms, at most %v late", total, worst)
}
