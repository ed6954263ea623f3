package main

import (
	"strings"
	"testing"
	"time"
)

// TestSlowWrites: writes that are slow for five minutes are told of, until they are quick
// again or there are none; a few are not.
func TestSlowWrites(t *testing.T) {
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	var p pace
	write := func(n int, d time.Duration) {
		for range n {
			now = now.Add(time.Second)
			p.took(d, now)
		}
	}
	says := func(want string) {
		t.Helper()
		if got := p.warning("/srv/csdb", now); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("it says %q, want %q", got, want)
		}
	}
	says("")
	write(1000, 2*time.Millisecond)
	says("")
	write(3, 5*time.Second) // a hiccup
	write(400, 2*time.Millisecond)
	says("")
	write(200, time.Second)
	says("") // not for long enough
	write(200, time.Second)
	says(`takes 1s until it is durable: "calserver disk check /srv/csdb"`)
	write(20, 300*time.Millisecond)
	says("takes ") // between the bounds it stays as it is
	write(100, 2*time.Millisecond)
	says("")
	write(400, time.Second)
	says("takes 1s")
	now = now.Add(time.Hour)
	says("")
	write(1, 2*time.Millisecond)
	says("")
}
