package main

import (
	"context"
	"errors"
	"log/slog"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"factotum/notify/operator"
	"factotum/server/recur"
	"factotum/store/sqlstore"
)

// TestNoStandbyIsMailed: the administrator hears of it when there is no standby, or no witness, for long, and not
// of one that is started anew; and when there is one again.
func TestNoStandbyIsMailed(t *testing.T) {
	for _, c := range []struct {
		name, about string
		soon        time.Duration
	}{{"standby", aboutStandby, standbyAway}, {"witness", aboutWitness, witnessAway}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { missingIsMailed(t, c.name, c.about, c.soon) })
		})
	}
}

func missingIsMailed(t *testing.T, name, about string, soon time.Duration) {
	var subjects []string
	p := &process{log: slog.New(slog.DiscardHandler), metrics: newMetrics("calserver"), running: map[string]*runningRole{}}
	p.health = newHealth(p)
	p.alarms = operator.New(operator.Options{From: "root@example.com", To: "root@example.com", Host: "a.example.com", Send: func(_ context.Context, _, _ string, data []byte) error {
		m, err := mail.ReadMessage(strings.NewReader(string(data)))
		if err != nil {
			return err
		}
		subjects = append(subjects, m.Header.Get("Subject"))
		return nil
	}})
	is := func(err error) { p.health.note(dependency{Name: name, About: "b.example.com"}, err) }
	passes := func(d time.Duration) {
		for range d / healthEvery {
			time.Sleep(healthEvery)
			p.watchHealth(t.Context())
			p.alarms.TellNow(t.Context())
		}
	}
	expect := func(when string, want ...string) {
		t.Helper()
		ok := len(subjects) == len(want)
		for i := 0; ok && i < len(want); i++ {
			ok = strings.Contains(subjects[i], want[i]) && strings.Contains(subjects[i], about)
		}
		if !ok {
			t.Errorf("%s: mails %q", when, subjects)
		}
		subjects = nil
	}
	is(nil)
	passes(time.Minute)
	is(errors.New("alone"))
	passes(soon - healthEvery)
	is(nil)
	passes(time.Minute)
	expect("it was started anew")
	is(errors.New("alone"))
	passes(soon + 2*healthEvery)
	expect("there was none for long", "ALARM")
	is(nil)
	passes(15 * time.Minute)
	expect("there is one again", "is over")
}

// TestZonesOnTheStandby: with which zone database a store was used is known where the other has taken over.
func TestZonesOnTheStandby(t *testing.T) {
	open := func() *sqlstore.Store {
		s, err := sqlstore.OpenSQLite(t.Context(), t.TempDir(), sqlstore.Options{Relaxed: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	now, err := recur.RulesOf(dataInUse())
	if err != nil {
		t.Fatal(err)
	}
	rules, err := now.Pack()
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := open(), open()
	at := func(hour int) time.Time { return time.Date(2026, 1, 1, hour, 0, 0, 0, time.UTC) }
	s := &storeService{store: ours, pair: &pair{}}
	for _, z := range []sqlstore.ZoneData{{ID: "old", Version: "2020a", Used: at(1), Followed: at(2), Repaired: at(3), Rules: rules}, {ID: now.ID(), Version: now.Version, Used: at(4), Followed: at(5), Rules: rules}} {
		if err := s.putZoneData(t.Context(), z); err != nil {
			t.Fatal(err)
		}
	}
	taken := &storeService{store: theirs, pair: &pair{}}
	if _, err := taken.zoneStep(t.Context(), &zoneOrder{}); err == nil {
		t.Error("before there is nothing to compare with, and it is compared")
	}
	for range 2 { // each pairing brings them
		pieces, err := zonePieces(ours)(t.Context())
		if err != nil || len(pieces) != 2 {
			t.Fatal(len(pieces), err)
		}
		for _, piece := range pieces {
			if err := keepZones(theirs)(t.Context(), piece); err != nil {
				t.Fatal(err)
			}
		}
	}
	a, err1 := ours.ZoneData(t.Context())
	b, err2 := theirs.ZoneData(t.Context())
	if err1 != nil || err2 != nil || !slices.EqualFunc(a, b, func(x, y sqlstore.ZoneData) bool {
		return x.ID == y.ID && x.Version == y.Version && x.Used.Equal(y.Used) && x.Followed.Equal(y.Followed) && x.Repaired.Equal(y.Repaired) && string(x.Rules) == string(y.Rules)
	}) {
		t.Errorf("%d and %d releases, %v, %v", len(a), len(b), err1, err2)
	}
	st, err := taken.zoneStep(t.Context(), &zoneOrder{})
	if err != nil || !st.row.Used.Equal(at(4)) || !st.change.Since.Equal(at(4)) {
		t.Errorf("after a take-over csdst has %+v, %v", st, err)
	}
	if err := keepZones(theirs)(t.Context(), []byte("x")); err == nil {
		t.Error("what is no zone data is kept")
	}
}
