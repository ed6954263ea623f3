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
