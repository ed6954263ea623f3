package upgrade

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"factotum/migrations"
	"factotum/server/calendar"
	"factotum/store/archive"
	"factotum/store/sqlstore"
)

// want compares findings with what has to be in each, in order.
func want(t *testing.T, f Findings, parts ...string) {
	t.Helper()
	var got []string
	for _, f := range f {
		got = append(got, fmt.Sprintf("%t %s: %s", f.Act, f.About, f.What))
	}
	if len(got) != len(parts) {
		t.Errorf("%q, want %q", got, parts)
		return
	}
	for i := range got {
		if !strings.Contains(got[i], parts[i]) {
			t.Errorf("%q, want %q", got[i], parts[i])
		}
	}
}

var known = []migrations.Step{{Version: 1, Name: "store"}, {Version: 2, Name: "class", Goes: "bodies"}, {Version: 3, Name: "jobs", Goes: "jobs", Undone: true},
	{Version: 4, Name: "more", Undone: true}}

func TestPlan(t *testing.T) {
	var f Findings
	seen := sqlstore.Seen{Engine: migrations.SQLite, Version: 1, Objects: 1_000_000, Bytes: 1 << 30, Size: 2 << 30, Jobs: []sqlstore.JobCount{{Waiting: 50_000}}}
	s := Plan(&seen, known, &f)
	want(t, f, "false database: migration 2 (class) cannot be undone")
	if s.Have != 1 || s.Want != 4 || len(s.Steps) != 3 || s.Room != 2<<30+little {
		t.Errorf("%+v", s)
	}
	// The texts take longer than the rows alone, the jobs far less, the last one a moment.
	if a, b, c := s.Steps[0].Seconds, s.Steps[1].Seconds, s.Steps[2].Seconds; a < 1_000_000/rowsASecond || b > a/10 || b <= c || c != aMoment || s.Seconds() != a+b+c {
		t.Errorf("%v, %v, %v", a, b, c)
	}
	s.RoomOn("/var", 1<<30, &f)
	want(t, f[1:], "true disk: /var has 1024 MB free, and the migrations may need 2112 MB")
	f = nil
	s.RoomOn("/var", 3<<30, &f)
	seen.Version = 4
	if s = Plan(&seen, known, &f); len(s.Steps) != 0 {
		t.Errorf("%+v", s)
	}
	s.RoomOn("/var", 0, &f) // it stays as it is
	seen.Version = 0
	Plan(&seen, known, &f)
	want(t, f)
	seen.Version = 5
	Plan(&seen, known, &f)
	want(t, f, "true database: its schema is 5, and this release has 4: a newer release")
	seen.Version = migrations.Unfinished
	Plan(&seen, known, &f)
	want(t, f[1:], "true database: the store is not whole")
	if !f.Wrong() {
		t.Error("a newer database is nothing to act upon")
	}
}

func TestJobs(t *testing.T) {
	now := time.Now()
	var f Findings
	seen := sqlstore.Seen{Jobs: []sqlstore.JobCount{
		{Kind: "mail", Waiting: 3, Oldest: now.Add(-time.Minute)},
		{Kind: "share", Waiting: 2, Parked: 1, Oldest: now.Add(-3 * time.Hour)},
		{Kind: "notify", Waiting: 4, Parked: 4},
		{Kind: "alarm", Waiting: 1, Oldest: now.Add(time.Hour)},
	}}
	Jobs(&seen, nil, now, &f)
	want(t, f, "false jobs: 1 of kind share was given up", "false jobs: 1 of kind share waits, one for 3h0m0s", "false jobs: 4 of kind notify were given up")
	f = nil
	Jobs(&sqlstore.Seen{}, []calendar.Owner{"a", "b", "c", "d", "e", "f"}, now, &f)
	want(t, f, "true jobs: 6 homes are being moved between back ends (a, b, c, d, e, …)")
}

func TestBackups(t *testing.T) {
	now := time.Now()
	period := func(age time.Duration, failed string, sealed bool) archive.Period {
		return archive.Period{Manifest: archive.Manifest{Proof: &archive.Proof{Until: now.Add(-age), Failed: failed, Sealed: sealed}}}
	}
	for name, c := range map[string]struct {
		periods []archive.Period
		want    []string
	}{
		"none":            {nil, []string{"true backups: there is none"}},
		"not tried":       {[]archive.Period{{}}, []string{"true backups: none was restored"}},
		"failed":          {[]archive.Period{period(time.Hour, "x", false)}, []string{"true backups: none was restored"}},
		"old":             {[]archive.Period{period(25*time.Hour, "", false)}, []string{"true backups: the last proven one is of"}},
		"young":           {[]archive.Period{period(25*time.Hour, "", false), period(time.Hour, "", false), period(0, "x", false)}, nil},
		"sealed":          {[]archive.Period{period(time.Hour, "", true)}, []string{"false backups: the last one is complete"}},
		"sealed and old":  {[]archive.Period{period(25*time.Hour, "", true)}, []string{"true backups: none was restored"}},
		"sealed and good": {[]archive.Period{period(time.Hour, "", true), period(2*time.Hour, "", false)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var f Findings
			proven := Backups(c.periods, now, &f)
			want(t, f, c.want...)
			if good := slices.ContainsFunc(c.periods, func(p archive.Period) bool { return p.Proof != nil && p.Proof.Failed == "" && !p.Proof.Sealed }); good == proven.IsZero() {
				t.Errorf("proven %v", proven)
			}
		})
	}
}

func TestZones(t *testing.T) {
	var f Findings
	Zones(sqlstore.ZoneData{}, "b", "2026b", &f)
	Zones(sqlstore.ZoneData{ID: "b", Version: "2026b"}, "b", "2026b", &f)
	want(t, f)
	Zones(sqlstore.ZoneData{ID: "a"}, "b", "2026b", &f)
	want(t, f, `false zone data: it goes from an unknown release to release 2026b: after the upgrade "csdst preview"`)
}
