package audit

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"factotum/server/acl"
	"factotum/server/calendar"
)

func list(t *testing.T, text string) acl.List {
	t.Helper()
	l, err := acl.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// What a change leaves in the audit, by who made it.
func TestOf(t *testing.T) {
	anna, bert := calendar.Actor{User: "anna", Via: "caldav"}, calendar.Actor{User: "bert", Via: "wcap", Client: "Phone/1"}
	admin := calendar.Actor{User: "calmaster", Admin: true, Via: "cscal"}
	as := calendar.Actor{User: "anna", Proxy: "calmaster", Via: "wcap"}
	version := &calendar.Version{ObjectRow: calendar.ObjectRow{UID: "u1", Data: []byte("SECRET SUMMARY")}}
	row := func(aces, owners string, disabled bool) *calendar.CalendarRow {
		return &calendar.CalendarRow{ACL: list(t, aces), CoOwners: owners, Disabled: disabled}
	}
	object := func(by calendar.Actor, kind calendar.ChangeKind, before, after *calendar.Version) *calendar.Change {
		return &calendar.Change{Owner: "anna", Number: 7, Kind: kind, By: by, Calendar: "anna:work", Name: "a.ics", Before: before, After: after}
	}
	cal := func(by calendar.Actor, kind calendar.ChangeKind, before, after *calendar.CalendarRow) *calendar.Change {
		return &calendar.Change{Owner: "anna", Number: 8, Kind: kind, By: by, Calendar: "anna:work", CalendarBefore: before, CalendarAfter: after}
	}
	prefs := func(by calendar.Actor, before, after map[string]string) *calendar.Change {
		return &calendar.Change{Owner: "anna", Number: 9, Kind: calendar.PrefsChanged, By: by, PrefsBefore: before, PrefsAfter: after}
	}
	plain := row("@^a^f^g", "", false)
	for name, c := range map[string]struct {
		ch   *calendar.Change
		want string
	}{
		"own object":      {object(anna, calendar.ObjectStored, nil, version), ""},
		"new object":      {object(bert, calendar.ObjectStored, nil, version), "write bert anna anna:work/a.ics u1 new"},
		"changed object":  {object(bert, calendar.ObjectStored, version, version), "write bert anna anna:work/a.ics u1 "},
		"deleted object":  {object(admin, calendar.ObjectDeleted, version, nil), "delete calmaster(admin) anna anna:work/a.ics u1 "},
		"acting as":       {object(as, calendar.ObjectDeleted, version, nil), "delete anna[calmaster] anna anna:work/a.ics u1 "},
		"by a message":    {object(calendar.Actor{User: "bert", Via: calendar.ViaDelivery}, calendar.ObjectStored, nil, version), ""},
		"by the server":   {object(calendar.Actor{}, calendar.ObjectStored, nil, version), ""},
		"import":          {object(calendar.Actor{User: "calmaster", Admin: true, Via: "csimport"}, calendar.ObjectStored, nil, version), ""},
		"own rights":      {cal(anna, calendar.CalendarChanged, plain, row("bert^a^rw^g;@^a^f^g", "", false)), "rights anna anna anna:work  +bert^a^rw^g"},
		"rights taken":    {cal(anna, calendar.CalendarChanged, row("bert^a^rw^g;@^a^f^g", "", false), plain), "rights anna anna anna:work  -bert^a^rw^g"},
		"rights reversed": {cal(anna, calendar.CalendarChanged, row("bert^a^rw^g;@^a^f^g", "", false), row("@^a^f^g;bert^a^rw^g", "", false)), "rights anna anna anna:work  another order"},
		"owners, off":     {cal(admin, calendar.CalendarChanged, plain, row("@^a^f^g", "bert carl", true)), "owners calmaster(admin) anna anna:work  +bert +carl; switched calmaster(admin) anna anna:work  off"},
		"own name":        {cal(anna, calendar.CalendarChanged, plain, plain), ""},
		"another's name":  {cal(bert, calendar.CalendarChanged, plain, plain), "calendar bert anna anna:work  changed"},
		"made":            {cal(admin, calendar.CalendarCreated, nil, plain), "calendar calmaster(admin) anna anna:work  made"},
		"deleted":         {cal(bert, calendar.CalendarDeleted, plain, nil), "calendar bert anna anna:work  deleted"},
		"subscription":    {prefs(anna, map[string]string{}, map[string]string{calendar.SubscribedPref: "bert:x$X"}), "subscriptions anna anna   +bert:x"},
		"own preference":  {prefs(anna, nil, map[string]string{"ceFontFace": "x"}), ""},
		"another's":       {prefs(admin, nil, map[string]string{"ceFontFace": "secret"}), "preferences calmaster(admin) anna   ceFontFace"},
	} {
		var got []string
		for i, e := range Of(c.ch) {
			who := e.Who
			if e.Admin {
				who += "(admin)"
			}
			if e.As != "" {
				who += "[" + e.As + "]"
			}
			got = append(got, strings.Join([]string{e.What, who, e.Whose, e.Ref, e.UID, e.Detail}, " "))
			if want := c.ch.Calendar.Owner(); c.ch.Calendar != "" && e.Whose != string(want) || !strings.HasSuffix(e.ID, "/"+string(rune('0'+i))) {
				t.Errorf("%s: %+v", name, e)
			}
		}
		if s := strings.Join(got, "; "); s != c.want {
			t.Errorf("%s:\n%s, want\n%s", name, s, c.want)
		}
		jobs, err := Derive(nil, c.ch)
		if err != nil || len(jobs) > 1 || (len(jobs) == 1) != (c.want != "") {
			t.Fatalf("%s: %d jobs, %v", name, len(jobs), err)
		}
		for _, j := range jobs {
			if strings.Contains(string(j.Payload), "SECRET") || strings.Contains(string(j.Payload), "secret") {
				t.Errorf("%s: the job has what it should not: %s", name, j.Payload)
			}
			if back, err := Parse(j); err != nil || len(back) != len(got) {
				t.Errorf("%s: %v %v", name, back, err)
			}
		}
	}
}

func read(t *testing.T, l *Log, f Filter) (out []string) {
	t.Helper()
	if err := l.Read(f, func(e *Entry) error { out = append(out, e.Who+" "+e.What); return nil }); err != nil {
		t.Fatal(err)
	}
	return out
}

// The log is bounded by days and size, read by what is asked for, and shows what was done
// to it.
func TestLog(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	l := &Log{Dir: filepath.Join(t.TempDir(), "audit"), Days: 3, Now: func() time.Time { return now }}
	if got := read(t, l, Filter{}); got != nil {
		t.Errorf("an empty log has %q", got)
	}
	add := func(e Entry) {
		t.Helper()
		if err := l.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		add(Entry{What: Rights, Who: "anna", Whose: "anna", Ref: "anna:work", ID: now.String()}) // the second is the same again
		add(Entry{What: Rights, Who: "anna", Whose: "anna", Ref: "anna:work", ID: now.String()})
		add(Entry{What: Write, Who: "bert", Whose: "anna", Ref: "anna:work/a.ics", UID: "u", Via: "wcap"})
		now = now.Add(24 * time.Hour)
	}
	for want, f := range map[string]Filter{
		"anna rights,bert write,anna rights,bert write,anna rights,bert write": {},
		"anna rights,anna rights,anna rights":                                  {Who: "ANNA"},
		"bert write,bert write,bert write":                                     {What: []string{Write}, Whose: "anna", Ref: "anna:work", UID: "u", Via: "wcap"},
		"anna rights,bert write":                                               {Limit: 2},
		"bert write":                                                           {Limit: 1, From: time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 11, 3, 0, 0, 0, 0, time.UTC)},
		"":                                                                     {Ref: "anna:wor"},
	} {
		if got := strings.Join(read(t, l, f), ","); got != want {
			t.Errorf("%+v: %s, want %s", f, got, want)
		}
	}
	bad := func() (n int, out []string) {
		n, err := l.Check(func(text string) { out = append(out, text) })
		if err != nil {
			t.Fatal(err)
		}
		return n, out
	}
	if n, out := bad(); n != 9 || out != nil {
		t.Errorf("%d lines, %q", n, out)
	}
	now = now.Add(24 * time.Hour) // 5 November: the first goes, whole
	add(Entry{What: Account, Who: "x"})
	if n, out := bad(); n != 7 || out != nil {
		t.Errorf("after the first day has gone: %d lines, %q", n, out)
	}
	l.Bytes = 1 // the last day stays whatever it has
	add(Entry{What: Account, Who: "y"})
	if got := strings.Join(read(t, l, Filter{}), ","); got != "x account,y account" {
		t.Errorf("bounded: %s", got)
	}
	l.Bytes = 0
	add(Entry{What: Account, Who: "z"})

	// A line that is changed, or taken out, shows.
	file := filepath.Join(l.Dir, "audit-20261105.jsonl")
	was, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(was), "\n")
	for name, text := range map[string]string{
		"changed": strings.Replace(string(was), `"who":"y"`, `"who":"q"`, 1), "taken out": lines[0] + lines[2], "cut": lines[0] + lines[1][:20] + "\n" + lines[2],
	} {
		os.WriteFile(file, []byte(text), 0o600)
		if _, out := bad(); len(out) == 0 {
			t.Errorf("%s: not found out", name)
		}
	}
	// What a crash cut off is completed, and what follows goes on from it.
	os.WriteFile(file, was[:len(was)-5], 0o600)
	add(Entry{What: Account, Who: "after"})
	if got := strings.Join(read(t, l, Filter{}), ","); got != "x account,y account,after account" {
		t.Errorf("after a crash: %s", got)
	}
	if _, out := bad(); len(out) != 1 || !strings.Contains(out[0], "cannot be read") {
		t.Errorf("after a crash: %q", out)
	}
	stop := errors.New("enough")
	if err := l.Read(Filter{}, func(*Entry) error { return stop }); err != stop {
		t.Errorf("%v", err)
	}
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("others may read it: %v %v", st.Mode(), err)
	}
}

// Programs that add at once leave one chain.
func TestLogAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			l := &Log{Dir: dir}
			for range 10 {
				if err := l.Add(Entry{What: Account, Who: "a"}, Entry{What: Account, Who: "b"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	l := &Log{Dir: dir}
	n, err := l.Check(func(text string) { t.Error(text) })
	if n != 80 || err != nil {
		t.Errorf("%d lines, %v", n, err)
	}
}
