package archive

import (
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/rename"
	"factotum/store/sqlstore"
	"factotum/store/storetest/fresh"

	"github.com/google/go-cmp/cmp"
)

func mapperOf(t testing.TB, mapping string) *rename.Mapper {
	t.Helper()
	pairs, bad, err := rename.Read(strings.NewReader(mapping), "")
	if err != nil || len(bad) > 0 {
		t.Fatal(bad, err)
	}
	return rename.NewMapper(rename.New(pairs, ""))
}

// Names are given, exchanged and taken back: all is as it was.
func TestRenameThereAndBack(t *testing.T) {
	engines := map[string]func(testing.TB) calendar.Store{
		"SQLite":     func(t testing.TB) calendar.Store { return openStore(t) },
		"PostgreSQL": func(t testing.TB) calendar.Store { return fresh.Postgres(t, sqlstore.Options{Relaxed: true}) },
	}
	for name, open := range engines {
		t.Run(name, func(t *testing.T) {
			for seed := range 4 {
				rnd, from := rand.New(rand.NewPCG(uint64(seed), 11)), openStore(t)
				for n := range 150 {
					writes(t, rnd, from, n)
				}
				want := contentsOf(t, from)
				there, back := open(t), openStore(t)
				res, err := Rename(bg, from, there, mapperOf(t, "anna ben\nben anna\ncarl dora\n"), RenameOptions{})
				if err != nil || res.Homes != len(want.Digests) || res.Renamed != res.Homes || res.Rewritten != 0 {
					t.Fatalf("%+v %v", res, err)
				}
				is := contentsOf(t, there)
				if d := cmp.Diff(want.Digests["anna"].Change, is.Digests["ben"].Change); d != "" || is.Digests["carl"] != nil || is.Entries["dora"] != "" {
					t.Error("they have not their new names", d)
				}
				if _, err := Rename(bg, there, back, mapperOf(t, "anna ben\nben anna\ndora carl\n"), RenameOptions{}); err != nil {
					t.Fatal(err)
				}
				got := contentsOf(t, back)
				for o := range want.Entries {
					want.Entries[o] = "" // whoever comes first is him
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("-want +got: %s", d)
				}
				if d := cmp.Diff(want.Digests, contentsOf(t, from).Digests); d != "" {
					t.Errorf("the source was changed: %s", d)
				}
				if err := back.Check(bg); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// zoe is somebody whose home names others everywhere; anna is one of them.
func zoe(t testing.TB, s calendar.Store) {
	t.Helper()
	text := "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:%s\r\nATTENDEE:%s\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	err := s.Update(bg, "zoe", func(tx calendar.Tx) error {
		for range 9 {
			if _, err := tx.NextChange(); err != nil {
				return err
			}
		}
		put := func(name, who string, change int64) error {
			o := calendar.ObjectRow{Cal: 1, Name: name, UID: name, Component: "VEVENT", Change: change, Since: change, By: "anna", Created: at(1), Modified: at(2), Data: fmt.Appendf(nil, text, name, who)}
			if err := tx.PutIndexed(o, []calendar.OccurrenceRow{{Name: name, Start: 5, End: 6}}); err != nil {
				return err
			}
			job, err := (&calendar.NextAlarm{Cal: 1, Name: name, From: at(100)}).Job(calendar.AlarmJob("zoe", change))
			if err != nil {
				return err
			}
			return tx.PutJob(job)
		}
		for _, err := range []error{
			tx.SetEntry("entryuuid:1"),
			tx.InsertCalendar(calendar.CalendarRow{ID: 1, Name: "calendar", Change: 7, Created: at(1), Modified: at(2), CoOwners: "anna", ACL: acl.MustParse("anna^a^r^g;@^a^f^g")}),
			tx.InsertCalendar(calendar.CalendarRow{ID: 2, Name: "quiet", Change: 3, Created: at(1), Modified: at(3)}),
			put("path.ics", "/dav/principals/anna/", 5),
			put("mail.ics", "mailto:anna@sesta.com", 6),
			put("other.ics", "/dav/principals/otto/", 7),
			tx.SetPref("icsSubscribed", "zoe$Zoe,anna$Anna"),
			tx.SetProp(1, "", calendar.KeepInvitees([]calendar.Invitee{{User: "anna"}}).Prop),
			tx.PutRegistration(calendar.RegistrationRow{ID: "r", Kind: calendar.PushRegistration, RegistrationDetail: calendar.RegistrationDetail{User: "anna", Entry: "entryuuid:2", Calendar: "zoe"}}),
			tx.PutTrace(calendar.Trace{When: at(3), UID: "x", By: "anna", Step: calendar.TraceQueued}),
			tx.SetToken("t", []byte("{}"), at(3)),
		} {
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRenameOfOneWhomOthersName(t *testing.T) {
	from, to := openStore(t), openStore(t)
	zoe(t, from)
	for _, o := range []calendar.Owner{"anna", "bea"} {
		if err := from.Update(bg, o, func(tx calendar.Tx) error { return tx.SetEntry("entryuuid:of-" + string(o)) }); err != nil {
			t.Fatal(err)
		}
	}
	m, told := mapperOf(t, "anna bea\nnobody someone\n"), map[calendar.Owner]map[string]int{}
	res, err := Rename(bg, from, nil, m, RenameOptions{Each: func(o, now calendar.Owner, what map[string]int) { told[now] = what }})
	if err != nil || res.Homes != 2 || res.Renamed != 1 || res.Objects != 3 || res.Rewritten != 1 || !slices.Equal(res.Dropped, []calendar.Owner{"bea"}) {
		t.Fatalf("%+v %v", res, err)
	}
	want := map[string]int{"access list": 1, "owners": 1, "subscriptions": 1, "properties": 1, "registration": 1, "journal": 1, "text of an object": 1, "who wrote an object": 3}
	if d := cmp.Diff(map[calendar.Owner]map[string]int{"bea": {}, "zoe": want}, told); d != "" {
		t.Error("a dry run tells of other changes:", d)
	}
	if m.Seen["anna"] == 0 || m.Seen["nobody"] != 0 {
		t.Error(m.Seen)
	}
	if _, err = Rename(bg, from, to, mapperOf(t, "anna bea\n"), RenameOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := to.Check(bg); err != nil {
		t.Error(err)
	}
	err = to.View(bg, "zoe", func(tx calendar.ReadTx) error {
		h, _, err := tx.Home()
		if err != nil || h.Change != 10 || h.Entry != "entryuuid:1" {
			t.Errorf("the home is %+v %v", h, err)
		}
		rows, err := tx.Calendars()
		if err != nil || len(rows) != 2 || rows[0].Change != 10 || !rows[0].Modified.Equal(at(2)) || rows[1].Change != 3 ||
			rows[0].CoOwners != "bea" || rows[0].ACL.String() != "bea^a^r^g;@^a^f^g" {
			t.Errorf("the calendars are %+v %v", rows, err)
		}
		for name, change := range map[string]int64{"path.ics": 10, "mail.ics": 6, "other.ics": 7} {
			o, ok, err := tx.Object(1, name, true)
			if err != nil || !ok || o.Change != change || o.By != "bea" || o.Size != len(o.Data) || o.Since == 10 {
				t.Errorf("%s is %+v %v", name, o, err)
			}
			if (name == "path.ics") != strings.Contains(string(o.Data), "principals/bea") {
				t.Errorf("%s has %s", name, o.Data)
			}
			if _, ok, err := tx.Job(change, calendar.AlarmJob("zoe", change).Seq); err != nil || !ok {
				t.Errorf("the alarm of %s is lost", name)
			}
		}
		jobs, err := tx.Jobs()
		if err != nil || len(jobs) != 3 {
			t.Error(jobs, err)
		}
		r, ok, err := tx.Registration("r")
		if err != nil || !ok || r.User != "bea" || r.Entry != "" {
			t.Errorf("%+v %v", r, err)
		}
		if _, ok, _ := tx.Token("t"); ok {
			t.Error("outcomes of requests travel")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = to.View(bg, "bea", func(tx calendar.ReadTx) error {
		if h, ok, err := tx.Home(); err != nil || !ok || h.Entry != "" {
			t.Errorf("%+v %v %v", h, ok, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRenameIsRefused(t *testing.T) {
	from, to := openStore(t), openStore(t)
	for _, o := range []calendar.Owner{"anna", "bea"} {
		err := from.Update(bg, o, func(tx calendar.Tx) error {
			return tx.InsertCalendar(calendar.CalendarRow{ID: 1, Name: "calendar", Change: 1, Created: at(1), Modified: at(1)})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	empty := func() {
		t.Helper()
		if owners, err := to.Owners(bg, "", 0); err != nil || len(owners) > 0 {
			t.Error("something was written", owners, err)
		}
	}
	res, err := Rename(bg, from, to, mapperOf(t, "anna bea\nx y\n"), RenameOptions{})
	if err != nil || !slices.Equal(res.Taken, [][2]calendar.Owner{{"anna", "bea"}}) || res.Homes != 0 {
		t.Errorf("%+v %v", res, err)
	}
	empty()
	mark := func(state string) {
		t.Helper()
		err := from.Update(bg, "carl", func(tx calendar.Tx) error {
			return tx.PutJob(calendar.Job{JobID: calendar.MoveMark("carl"), Kind: calendar.JobMove, Payload: []byte(`{"state":"` + state + `","host":"h"}`), Created: at(1), Due: at(2)})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, state := range []string{"leaving", "switching", "arriving", "ready", "later"} {
		mark(state)
		res, err := Rename(bg, from, to, mapperOf(t, "anna dora\n"), RenameOptions{})
		if err != nil || !slices.Equal(res.Unmoved, []calendar.Owner{"carl"}) || res.Homes != 0 {
			t.Errorf("%s: %+v %v", state, res, err)
		}
		empty()
	}
	mark("moved")
	if res, err := Rename(bg, from, to, mapperOf(t, "carl dora\n"), RenameOptions{}); err != nil || res.Homes != 2 {
		t.Errorf("%+v %v", res, err)
	}
	jobs, err := to.Jobs(bg, calendar.JobID{}, 0)
	if err != nil || len(jobs) != 1 || jobs[0].Owner != "dora" || jobs[0].Kind != calendar.JobMove {
		t.Error("where a home went is not known any more", jobs, err)
	}
}

// All kinds that an image has are renamed, and all that an op has.
func TestAllOpsAreRenamed(t *testing.T) {
	kinds := func(name, from string) []string {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		i := strings.Index(string(text), from)
		found := regexp.MustCompile(`\bop[A-Z]\w+`).FindAllString(string(text[i:]), -1)
		slices.Sort(found)
		return slices.Compact(found)
	}
	known := kinds("rename.go", "func (r *renamer) op(")
	for _, k := range kinds("image.go", "func (im *image) take") {
		if !slices.Contains(known, k) && k != "opSetToken" {
			t.Errorf("an image has %s, and nobody renames in it", k)
		}
	}
	fields := strings.Fields("Kind Cal Name ID Change Seq Keep From When By Value Home Calendar Object Index Prop File Job Trace Registration Version object occ job file past")
	for f := range reflect.TypeFor[op]().Fields() {
		if !slices.Contains(fields, f.Name) {
			t.Errorf("an op has a new field %s: does it name somebody? Then renamer.op has to change it", f.Name)
		}
	}
	for row, n := range map[reflect.Type]int{reflect.TypeFor[homeRow](): 5, reflect.TypeFor[propRow](): 3} {
		if row.NumField() != n {
			t.Errorf("%s has another field: does it name somebody? Then renamer.op has to change it", row)
		}
	}
}

// BenchmarkRename compares it with what csrestore does with the same homes.
func BenchmarkRename(b *testing.B) {
	const homes, objects = 20, 500
	s := newSite(b)
	text := []byte("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:x\r\nORGANIZER:mailto:anna@sesta.com\r\nATTENDEE;CN=Ben:mailto:ben@sesta.com\r\n" +
		strings.Repeat("DESCRIPTION:some words of a meeting\r\n", 10) + "END:VEVENT\r\nEND:VCALENDAR\r\n")
	for h := range homes {
		err := s.raw.Update(bg, calendar.Owner(fmt.Sprint("user", h)), func(tx calendar.Tx) error {
			if err := tx.InsertCalendar(calendar.CalendarRow{ID: 1, Name: "calendar", Change: 1, Created: at(1), Modified: at(1), ACL: acl.MustParse("user1^a^r^g;@^a^f^g")}); err != nil {
				return err
			}
			for n := range objects {
				change, err := tx.NextChange()
				name := fmt.Sprint("o", n, ".ics")
				if err == nil {
					err = tx.PutIndexed(calendar.ObjectRow{Cal: 1, Name: name, UID: name, Component: "VEVENT", Change: change, By: "user1", Created: at(n), Modified: at(n), Data: text},
						[]calendar.OccurrenceRow{{Name: name, Start: int64(n), End: int64(n) + 60}})
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	s.snapshot(b)
	if err := s.log.drain(bg); err != nil {
		b.Fatal(err)
	}
	var took [2]time.Duration
	for b.Loop() {
		b.StopTimer()
		by, again := openStore(b), openStore(b)
		b.StartTimer()
		began := time.Now()
		if _, err := Rename(bg, s.raw, by, mapperOf(b, "user1 anna\nuser2 user3\nuser3 user2\n"), RenameOptions{}); err != nil {
			b.Fatal(err)
		}
		took[0] += time.Since(began)
		began = time.Now()
		if _, err := Restore(bg, s.root, again, RestoreOptions{}); err != nil {
			b.Fatal(err)
		}
		took[1] += time.Since(began)
	}
	n := float64(b.N * homes * objects)
	b.ReportMetric(n/took[0].Seconds(), "renamed/s")
	b.ReportMetric(n/took[1].Seconds(), "restored/s")
	b.ReportMetric(took[0].Seconds()/took[1].Seconds(), "ratio")
}
