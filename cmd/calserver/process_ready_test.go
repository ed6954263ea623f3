package main

import "testing"

// Whoever waits for a server must not find it ready while it has started
// nothing yet.
func TestNotReadyBeforeAllIsStarted(t *testing.T) {
	p := &process{running: map[string]*runningRole{}, health: &health{}}
	if err := p.ready(t.Context()); err == nil {
		t.Error("ready before anything was started")
	}
	p.up.Store(true)
	if err := p.ready(t.Context()); err != nil {
		t.Error(err)
	}
}

// "status --ready" says so of none that is starting: with a large database csstored is
// there long before cshttpd.
func TestNotReadyWhileRolesAreMissing(t *testing.T) {
	store := processStatus{Name: "calserver", Starting: true, Roles: []roleStatus{{Component: "store"}}}
	if allReady([]processStatus{store}) {
		t.Error("ready with csstored alone")
	}
	store.Starting = false
	if !allReady([]processStatus{store}) {
		t.Error("not ready with all that it has")
	}
}
