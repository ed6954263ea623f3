package main

import (
	"context"
	"log/slog"
	"testing"

	"factotum/server/calendar"
)

type fixedHosts map[calendar.Owner]string

func (f fixedHosts) Locate(_ context.Context, o calendar.Owner) (string, error) { return f[o], nil }

// entries answers with the errors it is given and tells what it was asked to
// write.
type entries struct {
	fail    chan error
	written chan [2]string
}

func (e *entries) SetHost(_ context.Context, id, host string) error {
	e.written <- [2]string{id, host}
	return <-e.fail
}

func TestAdmin_11_1_HostIsWrittenAtLogin(t *testing.T) {
	e := &entries{make(chan error), make(chan [2]string)}
	w := newHostWriter(fixedHosts{"anna": "back1.example.com", "ben": "back2.example.com", "carl": "back1.example.com"}, e, slog.New(slog.DiscardHandler))
	step := func(want string, err error) {
		t.Helper()
		if got := <-e.written; got[0] != want || got[1] == "" {
			t.Errorf("written: %v, want %s", got, want)
		}
		e.fail <- err
	}
	w.loggedIn("dora") // on this host: nothing to write
	w.loggedIn("anna")
	w.loggedIn("anna") // once only
	w.loggedIn("ben")
	step("anna", nil)
	step("ben", &calendar.Error{Kind: calendar.Unavailable})
	w.loggedIn("carl")
	step("carl", &calendar.Error{Kind: calendar.Denied})
	// Everything before has been dealt with: ben's failed and may be tried
	// again, carl's is not allowed and is not.
	for _, id := range []calendar.UserID{"anna", "carl", "ben"} {
		w.loggedIn(id)
	}
	step("ben", nil)
	w.stop()
	(*hostWriter)(nil).loggedIn("anna")
	(*hostWriter)(nil).stop()
}
