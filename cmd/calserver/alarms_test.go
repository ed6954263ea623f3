package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"factotum/server/config"
)

func TestAdmin_9_4_BackupsAreToldOf(t *testing.T) {
	begun := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	for _, c := range []struct {
		what     string
		list     []backupStatus
		after    time.Duration
		readOnly bool
		want     string
	}{
		{"none", nil, 0, false, "calendar backup/cal1 not configured"},
		{"none is wanted", nil, 0, true, ""},
		{"the first is being made", []backupStatus{{Directory: "/b"}}, day, false, ""},
		{"the first takes too long", []backupStatus{{Directory: "/b"}}, 2*day + time.Minute, false, "proof of the calendar backup//b overdue"},
		{"all is well", []backupStatus{{Directory: "/b", Proven: begun}}, 2 * day, false, ""},
		{"the next does not come", []backupStatus{{Directory: "/b", Proven: begun}}, 2*day + time.Minute, false, "proof of the calendar backup//b overdue"},
		{"it was down for a week", []backupStatus{{Directory: "/b", Proven: begun.Add(-7 * day)}}, time.Minute, false, ""},
		{"and does not catch up", []backupStatus{{Directory: "/b", Proven: begun.Add(-7 * day)}}, 61 * time.Minute, false, "proof of the calendar backup//b overdue"},
		{"one of two fails", []backupStatus{{Directory: "/a", Proven: begun}, {Directory: "/b", Proven: begun, Failure: "no room"}}, 0, false, "calendar backup//b failing"},
	} {
		cfg := config.Default()
		cfg.Local.Hostname, cfg.Store.ReadOnly = "cal1", c.readOnly
		var got []string
		for _, a := range backupAlarms(cfg, c.list, begun, begun.Add(c.after)) {
			if a.on {
				got = append(got, fmt.Sprintf("%s/%s %s", a.What, a.About, a.Value))
			}
		}
		if !slices.Equal(got, strings.FieldsFunc(c.want, func(r rune) bool { return r == '\n' })) {
			t.Errorf("%s: got %q, want %q", c.what, got, c.want)
		}
	}
}

func TestAdmin_6_13_Threshold(t *testing.T) {
	for _, c := range []struct {
		value, threshold, direction int
		want                        bool
	}{{9, 10, -1, true}, {10, 10, -1, false}, {11, 10, 1, true}, {10, 10, 1, false}, {0, 100, -1, true}, {100, 100, -1, false}} {
		if got := beyond(c.value, c.threshold, c.direction); got != c.want {
			t.Errorf("%+v", c)
		}
	}
}
