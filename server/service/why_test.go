package service

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
)

// journal has a clock that the test moves, and anna's home.
type journal struct {
	*Service
	t   *testing.T
	now time.Time
}

func openJournal(t *testing.T, opt Options) *journal {
	j := &journal{t: t, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	opt.Now = func() time.Time { return j.now }
	j.Service = New(calendartest.NewStore(), nil, opt)
	if _, err := j.Home(t.Context(), calendar.Actor{User: "anna"}, calendar.HomeRequest{Owner: "anna"}); err != nil {
		t.Fatal(err)
	}
	return j
}

func (j *journal) trace(uid string, n int) {
	j.t.Helper()
	err := j.write(context.Background(), calendar.Actor{User: "anna"}, "test", "anna", nil, func(w *writer) error {
		for i := range n {
			if err := w.trace(calendar.Trace{UID: uid, Summary: "Secret", Detail: "Sentence", Message: fmt.Sprint(uid, i), Reason: calendar.ReasonDelivered}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		j.t.Fatal(err)
	}
}

func (j *journal) why(who string, q calendar.TraceQuery) calendar.WhyAnswer {
	j.t.Helper()
	res, err := j.Why(context.Background(), calendar.Actor{User: who}, calendar.WhyRequest{Owner: "anna", Query: q})
	if err != nil {
		j.t.Fatal(err)
	}
	return res
}

// An answer has an end, and tells that there is more.
func TestWhyPages(t *testing.T) {
	j := openJournal(t, Options{})
	j.trace("u", whyLimit+1)
	for _, c := range []struct {
		limit, want int
		more        bool
	}{{0, whyLimit, true}, {whyLimit, whyLimit, true}, {1, 1, true}, {10 * whyLimit, whyLimit, true}} {
		if res := j.why("anna", calendar.TraceQuery{Limit: c.limit}); len(res.Traces) != c.want || res.More != c.more {
			t.Errorf("limit %d: %d traces, more %v", c.limit, len(res.Traces), res.More)
		}
	}
	res := j.why("anna", calendar.TraceQuery{})
	rest := j.why("anna", calendar.TraceQuery{After: res.Traces[whyLimit-1].ID})
	if len(rest.Traces) != 1 || rest.More || rest.Traces[0].Message != "u0" {
		t.Errorf("the rest: %+v", rest)
	}
}

// Who schedules for somebody sees what happened to his private meetings, not
// what they are; a co-owner sees it all.
func TestWhyMasksPrivateMeetings(t *testing.T) {
	j := openJournal(t, Options{})
	text := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:%s\r\nDTSTAMP:20260101T000000Z\r\n" +
		"DTSTART:20260110T100000Z\r\nSUMMARY:Secret\r\nCLASS:%s\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	for _, class := range []string{"PUBLIC", "PRIVATE", "CONFIDENTIAL"} {
		_, err := j.PutObject(t.Context(), calendar.Actor{User: "anna"}, calendar.PutRequest{Ref: calendar.Ref{Calendar: "anna", Name: class}, Data: fmt.Appendf(nil, text, class, class)})
		if err != nil {
			t.Fatal(err)
		}
		j.trace(class, 1)
	}
	j.trace("gone", 1)
	owners, list := []calendar.UserID{"carl"}, acl.MustParse("@@o^a^rwdeic^g;bert^a^rwdeic^g")
	if _, err := j.UpdateCalendar(t.Context(), calendar.Actor{User: "anna"}, calendar.UpdateCalendarRequest{ID: "anna", CoOwners: &owners, ACL: &list}); err != nil {
		t.Fatal(err)
	}
	for who, shown := range map[string]int{"anna": 4, "carl": 4, "bert": 1} {
		res, n := j.why(who, calendar.TraceQuery{}), 0
		for _, tr := range res.Traces {
			if tr.Summary != "" && tr.Detail != "" {
				if n++; who == "bert" && tr.UID != "PUBLIC" {
					t.Errorf("%s sees what %s is", who, tr.UID)
				}
			}
		}
		if n != shown || len(res.Traces) != 4 {
			t.Errorf("%s sees %d of %d, want %d of 4", who, n, len(res.Traces), shown)
		}
	}
	if _, err := j.Why(t.Context(), calendar.Actor{User: "dora"}, calendar.WhyRequest{Owner: "anna"}); !errors.Is(err, calendar.Denied) {
		t.Errorf("a stranger: %v", err)
	}
}

// A journal has an end in time and in number, also before the day is over.
func TestJournalIsBounded(t *testing.T) {
	j := openJournal(t, Options{JournalAge: 24 * time.Hour, JournalEntries: 100})
	count := func() (n int) {
		err := j.store.View(t.Context(), "anna", func(tx calendar.ReadTx) error {
			return tx.Traces(calendar.TraceQuery{}, func(*calendar.Trace) error { n++; return nil })
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	j.trace("old", 30)
	j.now = j.now.Add(20 * time.Hour)
	j.trace("new", 20)
	purge := func() {
		if _, err := j.PurgeAll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if purge(); count() != 50 {
		t.Errorf("%d within the time", count())
	}
	j.now = j.now.Add(10 * time.Hour)
	if purge(); count() != 20 {
		t.Errorf("%d after it, want 20", count())
	}
	j.trace("many", 150)
	if purge(); count() != 100 {
		t.Errorf("%d of 100", count())
	}
	for range 10 {
		j.trace("flood", tracesPerPurge)
		if n := count(); n > 100+tracesPerPurge {
			t.Errorf("%d, want at most %d", n, 100+tracesPerPurge)
		}
	}
}
