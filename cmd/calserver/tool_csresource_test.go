package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"factotum/cmd/internal/tooltest"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/directory"
	"factotum/server/directory/ldaptest"
)

// csresourceStep runs one call and returns its exit code and what it says.
func csresourceStep(t *testing.T, cfg *config.Config, be *backend, typed string, args ...string) (int, string) {
	t.Helper()
	var out bytes.Buffer
	o := newResourceOptions(stdio{strings.NewReader(typed), &out, &out})
	o.store = func(context.Context) (*backend, error) { return be, nil }
	code := o.run(t.Context(), args, func(ctx context.Context, words []string) error {
		set, err := o.check(words)
		if err != nil {
			return err
		}
		return o.do(ctx, cfg, set, words)
	})
	return code, out.String()
}

// A resource is made, listed, changed, switched off and deleted, with its entry
// and its calendar, where people are in a file and where they are in LDAP.
// admin.md §8.13.
func TestCsresource(t *testing.T) {
	t.Run("ldif", func(t *testing.T) {
		people, _, cfg := testPeople(t, "anna", "bert")
		testCsresource(t, people, cfg)
	})
	t.Run("ldap", func(t *testing.T) {
		var entries strings.Builder
		for _, u := range []string{"anna", "bert"} {
			entries.WriteString("dn: uid=" + u + ",o=usergroup\nobjectClass: inetOrgPerson\nobjectClass: icsCalendarUser\nuid: " + u + "\ncn: " + u + "\nsn: " + u + "\n\n")
		}
		s := ldaptest.Start(t, entries.String())
		cfg := config.Default()
		cfg.Data, cfg.Domain.Default = t.TempDir(), "example.com"
		cfg.LDAP.UserGroup.Hosts, cfg.LDAP.UserGroup.BaseDN = []string{s.Addr}, ldaptest.BaseDN
		cfg.LDAP.TLS, cfg.Domain.Root = "none", ""
		cfg.LDAP.PrefsBindDN, cfg.LDAP.PrefsBindCred = ldaptest.AdminDN, ldaptest.AdminPassword
		opt, err := directoryOptions(cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		opt.LDAP.CacheTTL = -1
		people, err := directory.Open(opt)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { people.Close() })
		testCsresource(t, people, cfg)
	})
}

func testCsresource(t *testing.T, people *directory.Directory, cfg *config.Config) {
	ctx := t.Context()
	be := testBackend(t, people)
	be.cfg = cfg
	do := func(code int, says, typed string, args ...string) string {
		t.Helper()
		got, out := csresourceStep(t, cfg, be, typed, args...)
		if got != code || !strings.Contains(out, says) {
			t.Errorf("csresource %q: exit %d, want %d and %q\n%s", args, got, code, says, out)
		}
		return out
	}
	room := func() calendar.Calendar {
		t.Helper()
		if err := people.Refresh(); err != nil {
			t.Fatal(err)
		}
		c, err := be.Calendar(ctx, be.who, "audcal100")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	do(2, "-c is needed", "", "create", "auditorium")
	do(2, "another one", "", "-c", "a:b", "create", "auditorium")
	do(2, "--series is one of", "", "-c", "a", "--series", "never", "create", "auditorium")
	do(2, "-k is yes or no", "", "-k", "perhaps", "modify", "auditorium")
	do(2, "modify what", "", "modify", "auditorium")
	do(2, "changes no property", "", "--days", "3", "list")
	do(2, "is not known", "", "--timezone", "Mars/Olympus", "modify", "auditorium")
	do(2, "not a command", "", "rent", "auditorium")
	do(1, "no resource", "", "list", "auditorium")
	do(1, "no resource", "", "list", "anna")

	do(0, "audcal100: made", "", "-m", "aud100@example.com", "-c", "audcal100", "-o", "anna", "-y", "bert", "-t", "ground floor",
		"--capacity", "120", "--days", "180", "--minutes", "240", "--who", "@example.com, staff", "--series", "except", "--auto", "no", "create", "Auditorium 100")
	do(1, "taken", "", "-c", "audcal100", "create", "Another")
	if c := room(); !c.NoDoubles || c.DisplayName != "Auditorium 100" || c.Description != "ground floor" || !slices.Equal(c.CoOwners, []string{"anna", "bert"}) {
		t.Errorf("made the calendar %+v", c)
	}
	var info resourceInfo
	if err := json.Unmarshal([]byte(do(0, "", "", "--json", "list", "auditorium 100")), &info); err != nil {
		t.Fatal(err)
	}
	want := resourceInfo{Resource: "audcal100", Name: "Auditorium 100", Kind: "room", Enabled: true, Owner: "anna", Capacity: 120, Days: 180, Minutes: 240, Series: "except"}
	if info.Resource != want.Resource || info.Name != want.Name || info.Kind != want.Kind || !info.Enabled || info.Owner != want.Owner || info.Capacity != want.Capacity ||
		info.Days != want.Days || info.Minutes != want.Minutes || info.Series != want.Series || info.Auto || info.DoubleBooking ||
		!slices.Equal(info.Who, []string{"@example.com", "staff"}) || !slices.Equal(info.CoOwners, []string{"bert"}) || !slices.Equal(info.Mails, []string{"aud100@example.com"}) {
		t.Errorf("list says %+v", info)
	}
	do(0, "its owners decide", "", "list", "audcal100")
	attrs, err := people.Attributes(ctx, "audcal100")
	if err != nil {
		t.Fatal(err)
	}
	do(0, "audcal100", "", "-b", attrs[0].Values[0], "list")
	do(1, "is not below ou=Elsewhere", "", "-b", "ou=Elsewhere", "list", "audcal100")
	if out := do(0, "", "", "-b", "ou=Elsewhere", "list"); strings.Contains(out, "audcal100") {
		t.Errorf("listed below another base:\n%s", out)
	}
	do(2, "does not belong to modify", "", "-b", "ou=Elsewhere", "-k", "yes", "modify", "audcal100")
	do(0, "Delete all 0 resources", "y\n", "-d", "other.example", "delete")

	do(0, "audcal100: changed", "", "-k", "yes", "-y", "", "--name", "Hall", "--auto", "yes", "--who", "", "modify", "Auditorium 100")
	if c := room(); c.NoDoubles || c.DisplayName != "Hall" || !slices.Equal(c.CoOwners, []string{"anna"}) {
		t.Errorf("changed the calendar to %+v", c)
	}
	if out := do(0, "by itself", "", "list", "Hall"); !strings.Contains(out, "booked by  everybody") || !strings.Contains(out, "doubles    accepted") {
		t.Errorf("list says\n%s", out)
	}
	// its hours, which go along to another zone
	hours := func() string {
		t.Helper()
		var i resourceInfo
		if err := json.Unmarshal([]byte(do(0, "", "", "--json", "list", "Hall")), &i); err != nil || i.Hours == nil {
			t.Fatal(err, i)
		}
		return *i.Hours
	}
	do(2, "--hours: \"8-18\" are no times", "", "--hours", "Mo-Fr 8-18", "modify", "Hall")
	do(2, "changes no property", "", "--hours", "", "list")
	do(0, "hours      at all times", "", "list", "Hall")
	do(0, "audcal100: changed", "", "--hours", "mo-fr 8:00-12:00, 13:00-18:00; Sa 9:00-13:00", "--timezone", "Europe/Berlin", "modify", "Hall")
	do(0, "hours      Mo-Fr 08:00-12:00,13:00-18:00; Sa 09:00-13:00 Europe/Berlin\n", "", "list", "Hall")
	do(0, "changed", "", "--timezone", "Asia/Tokyo", "modify", "Hall")
	if got := hours(); got != "Mo-Fr 08:00-12:00,13:00-18:00; Sa 09:00-13:00 Asia/Tokyo" {
		t.Errorf("open %s", got)
	}
	busy, err := be.FreeBusy(ctx, be.who, calendar.FreeBusyRequest{Targets: []calendar.FreeBusyTarget{{Calendar: "audcal100", Home: true}},
		Window: calendar.Window{From: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)}}) // 9 to 19 o'clock in Tokyo
	if err != nil || len(busy) != 1 || len(busy[0].Busy) != 2 || busy[0].Busy[0].Start.Hour() != 3 || busy[0].Busy[1].Start.Hour() != 9 {
		t.Errorf("it is closed at %+v, %v", busy, err)
	}
	do(0, "changed", "", "--hours", "", "modify", "Hall")
	if got := hours(); got != "" {
		t.Errorf("open %s", got)
	}
	if err := be.SetPrefs(ctx, be.who, calendar.SetPrefsRequest{Owner: "audcal100", Set: map[string]string{calendar.AvailabilityPref: "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VAVAILABILITY\r\nUID:a\r\nDTSTAMP:20260101T000000Z\r\nEND:VAVAILABILITY\r\nEND:VCALENDAR\r\n"}}); err != nil {
		t.Fatal(err)
	}
	do(0, "by an availability that csresource did not write", "", "list", "Hall")
	do(0, "made", "", "-c", "court", "--hours", "08:00-22:00", "create", "Court")
	do(0, "08:00-22:00", "", "list", "court")
	do(0, "deleted", "y\n", "delete", "court")
	do(1, "nobody: there is no such entry", "", "-o", "nobody", "modify", "Hall")

	do(0, "beamer: made", "", "-c", "beamer", "create", "Beamer")
	if out := do(0, "", "", "list"); out != "beamer\tBeamer\tbeamer@example.com\tenabled\naudcal100\tHall\taud100@example.com\tenabled\n" {
		t.Errorf("list says %q", out)
	}
	do(0, "beamer: disabled", "", "disable", "beamer")
	do(0, "beamer\tBeamer\tbeamer@example.com\tdisabled\n", "", "list")
	do(0, "beamer: enabled", "", "enable", "Beamer")
	do(0, "audcal100: disabled", "y\n", "disable")
	do(0, `{"resource":"audcal100","name":"Hall","done":"enabled"}`, "", "-q", "-j", "enable")

	if _, err := be.PutObject(ctx, be.who, calendar.PutRequest{Ref: calendar.Ref{Calendar: "audcal100", Name: "a.ics"}, Data: []byte(tooltest.Calendar(tooltest.Event("a", "seen")))}); err != nil {
		t.Fatal(err)
	}
	do(1, "not confirmed", "n\n", "delete", "Hall")
	do(0, "audcal100: deleted", "y\n", "delete", "Hall")
	if saved, _ := filepath.Glob(filepath.Join(cfg.Data, "deleted", "audcal100-*", "*")); len(saved) != 1 {
		t.Errorf("saved %q", saved)
	} else if _, err := os.Stat(saved[0]); err != nil {
		t.Error(err)
	}
	if _, err := people.Person(ctx, "audcal100"); calendar.KindOf(err) != calendar.NotFound {
		if err := people.Refresh(); err != nil {
			t.Fatal(err)
		}
		if _, err := people.Person(ctx, "audcal100"); calendar.KindOf(err) != calendar.NotFound {
			t.Errorf("the entry: %v", err)
		}
	}
	do(0, "beamer: deleted", "y\n", "delete")
	if out := do(0, "", "", "--json", "list"); strings.TrimSpace(out) != "[]" {
		t.Errorf("left %q", out)
	}
}
