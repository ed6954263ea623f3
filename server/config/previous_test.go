package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestSincePrevious(t *testing.T) {
	const before = "service.http.port\tyes\t8080\n" + "service.monitor.loopsdelay\tno\t60\n" + "service.monitor.continuous\tno\tno\n" +
		"local.instance.pidfile.path\tyes\t/data/proc\n" + "logfile.logdir\tyes\t/data/old\n" + "gone.since\tyes\t1\n" + "service.dcroot\tyes\to=x\n"
	cfg, _, err := Parse(strings.NewReader(`factotum.data.dir = "/srv/cal"
service.monitor.loopsdelay = "60"
service.monitor.continuous = "yes"
service.dcroot = "o=internet"
`), "ics.conf")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range cfg.since(before) {
		got = append(got, c.Param+": "+c.What)
	}
	want := []string{
		`logfile.logdir: its default was "/srv/cal/old" and is "/srv/cal/logs" now: set it if that is not meant`,
		fmt.Sprintf("service.http.port: its default was %q and is %q now: set it if that is not meant", "8080", cfg.Effective("service.http.port")),
		`service.monitor.continuous: it had no effect in the release before, and says "yes" (ics.conf:3), which counts from now on`,
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if known := strings.Count(previousText, "\n"); known < 500 {
		t.Errorf("previous.txt has %d parameters", known)
	}
}
