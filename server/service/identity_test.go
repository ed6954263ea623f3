package service_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/service"
	"factotum/store/sqlstore"
	"factotum/store/storetest/fresh"
)

// Who is given the name of somebody who was deleted does not come into his
// calendars, by no use case, until the administrator decides.
func TestNobodyInheritsByHisName(t *testing.T) {
	for _, cache := range []int64{0, -1} {
		var log bytes.Buffer
		st := fresh.SQLite(t, sqlstore.Options{Relaxed: true})
		people := calendartest.People{}
		dora := func(entry string) calendar.Actor {
			p := calendar.Person{ID: "dora", Entry: entry, Kind: calendar.Individual, Active: true}
			people["dora"] = p
			return p.Actor()
		}
		svc := service.New(st, people, service.Options{CacheBytes: cache, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		event := event("a", "20260105T090000Z", "")
		put := func(who calendar.Actor, name string) error {
			_, err := svc.PutObject(t.Context(), who, calendar.PutRequest{Ref: calendar.Ref{Calendar: "dora", Name: name}, Data: event, ByUID: true})
			return err
		}
		home := func(who calendar.Actor) (calendar.Home, error) {
			return svc.Home(t.Context(), who, calendar.HomeRequest{Owner: "dora", Prefs: true})
		}
		ok := func(what string, err error) {
			t.Helper()
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}

		// A home from before identities were noted is that of the first who comes.
		old := dora("")
		ok("a directory without identities", put(old, "a.ics"))
		ok("preferences", svc.SetPrefs(t.Context(), old, calendar.SetPrefsRequest{Owner: "dora", Set: map[string]string{"ceColor": "red"}}))
		first := dora("entryuuid:1")
		_, err := home(first)
		ok("the first who has one", err)
		before, err := svc.Calendar(t.Context(), first, "dora")
		ok("her calendar", err)

		second := dora("entryuuid:2")
		for name, try := range map[string]func() error{
			"home":     func() error { _, err := home(second); return err },
			"calendar": func() error { _, err := svc.Calendar(t.Context(), second, "dora"); return err },
			"prefs":    func() error { _, err := svc.Prefs(t.Context(), second, "dora"); return err },
			"put":      func() error { return put(second, "b.ics") },
			"create": func() error {
				_, err := svc.CreateCalendar(t.Context(), second, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: "dora:new"}})
				return err
			},
			"delete": func() error {
				return svc.DeleteCalendar(t.Context(), second, calendar.DeleteCalendarRequest{ID: "dora"})
			},
			"set prefs": func() error {
				return svc.SetPrefs(t.Context(), second, calendar.SetPrefsRequest{Owner: "dora", Set: map[string]string{"a": "b"}})
			},
			"sync": func() error {
				_, err := svc.SyncHome(t.Context(), second, calendar.SyncHomeRequest{Owner: "dora"})
				return err
			},
		} {
			if err := try(); !errors.Is(err, calendar.Denied) || calendar.ReasonOf(err) != calendar.Inherited || !strings.Contains(calendar.MessageOf(err), "earlier user") {
				t.Errorf("%s by the second: %v", name, err)
			}
		}
		if n := strings.Count(log.String(), "csuser inherit"); n != 1 {
			t.Errorf("the log tells %d times:\n%s", n, &log)
		}
		after, err := svc.Calendar(t.Context(), first, "dora")
		ok("the first again", err)
		if before.Change != after.Change {
			t.Errorf("noting whose it is is a change: %d %d", before.Change, after.Change)
		}
		// Where the directory does not say, or is another one, she is let in.
		_, err = home(dora(""))
		ok("a directory that does not say", err)

		dora("entryuuid:2")
		ok("hand over", svc.HandOver(t.Context(), "dora"))
		h, err := home(second)
		ok("the second after that", err)
		if len(h.Calendars) != 1 || h.Prefs["ceColor"] != "red" {
			t.Errorf("she is given %+v", h)
		}
		if _, err := home(first); !errors.Is(err, calendar.Denied) {
			t.Errorf("the first after that: %v", err)
		}
		moved := dora("nsuniqueid:7")
		_, err = home(moved)
		ok("another directory", err)

		// Once his calendars are gone the next one begins anew.
		ok("delete", svc.DeleteCalendar(t.Context(), calendar.Actor{User: "calmaster", Admin: true}, calendar.DeleteCalendarRequest{ID: "dora"}))
		third := dora("nsuniqueid:8")
		h, err = home(third)
		ok("the third", err)
		if len(h.Calendars) != 1 || h.Calendars[0].Incarnation == before.Incarnation || h.Prefs["ceColor"] != "" {
			t.Errorf("the third finds %+v", h)
		}
		if _, err := home(moved); !errors.Is(err, calendar.Denied) {
			t.Errorf("the second after the third: %v", err)
		}
		if n, err := svc.HandOverAll(t.Context()); n != 1 || err != nil {
			t.Errorf("hand over all: %d %v", n, err)
		}
		delete(people, "dora")
		if err := svc.HandOver(t.Context(), "dora"); !errors.Is(err, calendar.NotFound) {
			t.Errorf("to nobody: %v", err)
		}
	}
}

// full is a store on a disk without room.
type full struct {
	calendar.Store
	is bool
}

func (f *full) Update(ctx context.Context, owner calendar.Owner, fn func(calendar.Tx) error) error {
	if f.is {
		return &calendar.Error{Kind: calendar.OverQuota, Reason: calendar.DiskFull, Op: "update"}
	}
	return f.Store.Update(ctx, owner, fn)
}

// While the disk is full whose a home is cannot be noted: the first who comes reads what is
// there all the same, an heir of the name does not.
func TestAFullDiskKeepsNobodyOut(t *testing.T) {
	st := &full{Store: fresh.SQLite(t, sqlstore.Options{Relaxed: true})}
	people := calendartest.People{}
	as := func(entry string) calendar.Actor {
		p := calendar.Person{ID: "dora", Entry: entry, Kind: calendar.Individual, Active: true}
		people["dora"] = p
		return p.Actor()
	}
	svc := service.New(st, people, service.Options{})
	request := calendar.HomeRequest{Owner: "dora"}
	if _, err := svc.Home(t.Context(), as(""), request); err != nil {
		t.Fatal(err)
	}
	st.is = true
	if home, err := svc.Home(t.Context(), as("entryuuid:1"), request); err != nil || len(home.Calendars) == 0 {
		t.Errorf("the first who comes: %v, %v", home, err)
	}
	st.is = false
	if _, err := svc.Home(t.Context(), as("entryuuid:1"), request); err != nil {
		t.Error(err)
	}
	st.is = true
	if _, err := svc.Home(t.Context(), as("entryuuid:2"), request); calendar.ReasonOf(err) != calendar.Inherited {
		t.Errorf("an heir: %v", err)
	}
}
