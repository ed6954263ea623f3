package sqlstore

import (
	"context"
	"errors"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/service"
	"factotum/store/storetest/pgtest"
)

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// A back end whose link to PostgreSQL is cut answers nothing once its lease can
// be another's, from memory neither, and is not ready; when the link is back
// and another has the database, that stays so. When that one has left, it asks
// to be started anew, since what it remembers is old.
func TestLeaseLostAnswersNothing(t *testing.T) {
	dsn := pgtest.Start(t)
	p := pgtest.NewProxy(t, dsn)
	opts := Options{LeaseTTL: time.Second}
	failed := make(chan error, 1)
	s, err := OpenPostgres(bg, p.DSN, Options{LeaseTTL: opts.LeaseTTL, Failed: func(err error) { failed <- err }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	anna := calendar.Actor{User: "anna"}
	model := service.New(s, nil, service.Options{})
	title := func(m *service.Service) (string, error) {
		c, err := m.Calendar(bg, anna, "anna")
		return c.DisplayName, err
	}
	rename := func(m *service.Service, name string) error {
		_, err := m.UpdateCalendar(bg, anna, calendar.UpdateCalendarRequest{ID: "anna", DisplayName: &name})
		return err
	}
	if err := rename(model, "first"); err != nil {
		t.Fatal(err)
	}
	if got, err := title(model); got != "first" || err != nil {
		t.Fatal(got, err)
	}
	p.Freeze()
	until(t, "the end of the lease", func() bool { return s.Held() != nil })
	nothing := func(when string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(bg, time.Minute)
		defer cancel()
		if got, err := title(model); !errors.Is(err, calendar.Unavailable) {
			t.Errorf("%s a read: %q, %v", when, got, err)
		}
		if err := rename(model, "late"); !errors.Is(err, calendar.Unavailable) {
			t.Errorf("%s a write: %v", when, err)
		}
		if _, err := model.Ping(ctx); !errors.Is(err, calendar.Unavailable) {
			t.Errorf("%s ready: %v", when, err)
		}
		if s.Health().Err == nil {
			t.Errorf("%s in good health", when)
		}
	}
	nothing("without the link")

	next, err := OpenPostgres(bg, dsn, opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := rename(service.New(next, nil, service.Options{}), "second"); err != nil {
		t.Fatal(err)
	}
	p.Thaw()
	until(t, "the old one to learn of it", func() bool { return s.Health().Taken })
	nothing("with the link, and without the lease")
	select {
	case err := <-failed:
		t.Errorf("a new start while another serves: %v", err)
	default:
	}
	if err := next.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; !errors.Is(err, calendar.Unavailable) {
		t.Error(err)
	}
	nothing("before it is opened anew")
}

// A link that is away for less than the lease's life costs nothing but what is
// asked meanwhile.
func TestLinkAwayForAMoment(t *testing.T) {
	p := pgtest.NewProxy(t, pgtest.Start(t))
	s, err := OpenPostgres(bg, p.DSN, Options{LeaseTTL: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p.Cut()
	until(t, "a write", func() bool {
		return s.Update(bg, "anna", func(tx calendar.Tx) error { return tx.SetPref("a", "b") }) == nil
	})
	if err := s.Held(); err != nil {
		t.Error(err)
	}
}

// Both clocks are asked for the age of a lease.
func TestLeaseAge(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		then, now time.Time
		want      time.Duration
	}{
		{now, now.Add(time.Second), time.Second},
		{now.Round(0), now.Round(0).Add(time.Hour), time.Hour}, // slept: only this clock went on
		{now, now, 0},
	} {
		if got := age(c.then, c.now); got != c.want {
			t.Errorf("%v, want %v", got, c.want)
		}
	}
}
