package sitetest_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"factotum/protocol/sitetest"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/service"
)

// hosted are people of one domain.
type hosted struct {
	calendartest.People
	quota atomic.Int64
}

func (h *hosted) HostedDomains() *calendar.Domains {
	return calendar.NewDomains(&calendar.Domain{Name: "example.com", Active: true, Quota: h.quota.Load()}, nil, false)
}

// away is a back end that does not answer.
type away struct{}

func (away) Ping(context.Context) (calendar.Status, error) {
	return calendar.Status{}, &calendar.Error{Kind: calendar.Unavailable}
}

// The quota of a domain is one for all back ends: each counts what the others told last.
func TestQuotaOverBackEnds(t *testing.T) {
	for name, engine := range map[string]sitetest.Engine{"SQLite": sitetest.SQLite, "PostgreSQL": sitetest.Postgres} {
		t.Run(name, func(t *testing.T) {
			const quota = 10_000
			people := &hosted{People: sitetest.Staff()}
			people.quota.Store(quota)
			one := sitetest.New(t, sitetest.Options{Engine: engine, DWP: true, People: people})
			two := sitetest.New(t, sitetest.Options{Engine: engine, DWP: true, People: people})
			ask := func(s *sitetest.Site, other service.Pinger) {
				t.Helper()
				if err := s.Model.AskUse(t.Context(), map[string]service.Pinger{"other": other}); err != nil {
					t.Fatal(err)
				}
			}
			n := 0
			put := func(s *sitetest.Site, user string) error {
				t.Helper()
				n++
				me := people.Actor(user)
				if _, err := s.Backend.Home(t.Context(), me, calendar.HomeRequest{Owner: calendar.Owner(user)}); err != nil {
					t.Fatal(err)
				}
				_, err := s.Backend.PutObject(t.Context(), me, calendar.PutRequest{Ref: calendar.Ref{Calendar: calendar.ID(user), Name: fmt.Sprint(n)},
					Data: fmt.Appendf(nil, "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:%d\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260101T000000Z\r\nCOMMENT:%s\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", n, strings.Repeat("x", 3000))})
				if err != nil && (calendar.KindOf(err) != calendar.OverQuota || !strings.Contains(calendar.MessageOf(err), "example.com")) {
					t.Fatal(err)
				}
				return err
			}
			left := func(s *sitetest.Site, user string) int64 {
				t.Helper()
				home, err := s.Backend.Home(t.Context(), people.Actor(user), calendar.HomeRequest{Owner: calendar.Owner(user)})
				if err != nil {
					t.Fatal(err)
				}
				return home.MaxBytes - home.UsedBytes
			}
			for range 2 {
				if err := put(one, "anna"); err != nil {
					t.Fatal(err)
				}
			}
			ask(one, two.Backend)
			ask(two, one.Backend)
			if err := put(two, "ben"); err != nil {
				t.Errorf("the third of three that there is room for: %v", err)
			}
			if err := put(two, "ben"); err == nil {
				t.Error("the second back end takes a fourth")
			}
			if err := put(one, "anna"); err != nil { // as it has not been told yet
				t.Fatal(err)
			}
			ask(one, two.Backend)
			if err := put(one, "anna"); err == nil {
				t.Error("the first back end takes one more though it was told")
			}
			if got := left(one, "anna"); got != 1 && got > 100 {
				t.Errorf("%d octets are said to be left", got)
			}
			ask(one, away{})
			if err := put(one, "anna"); err == nil {
				t.Error("a back end that does not answer has nothing")
			}

			// What is deleted there is room here.
			for i := range n {
				_ = one.Backend.DeleteObject(t.Context(), people.Actor("anna"), calendar.DeleteRequest{Ref: calendar.Ref{Calendar: "anna", Name: fmt.Sprint(i)}})
			}
			ask(two, one.Backend)
			if err := put(two, "ben"); err != nil {
				t.Errorf("after the deletion: %v", err)
			}

			// Without a quota nothing is told, and with one again all is counted.
			people.quota.Store(0)
			if err := put(two, "ben"); err != nil {
				t.Fatal(err)
			}
			if st, err := two.Backend.Ping(t.Context()); err != nil || len(st.Domains) != 0 {
				t.Errorf("without a quota: %+v, %v", st.Domains, err)
			}
			if err := put(two, "carl"); err != nil {
				t.Fatal(err)
			}
			people.quota.Store(quota)
			ask(two, away{})
			st, err := two.Backend.Ping(t.Context())
			if err != nil || len(st.Domains) != 1 || st.Domains[0].Domain != "example.com" || st.Domains[0].Octets < 4*3000 || st.Domains[0].Octets > 4*3300 {
				t.Errorf("with one again: %+v, %v", st.Domains, err)
			}
		})
	}
}
