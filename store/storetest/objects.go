package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func testObjects(t *testing.T, s calendar.Store) {
	makeCalendar(t, s, anna, 1, "calendar")
	row := calendar.ObjectRow{
		Cal: 1, Name: "a.ics", UID: "uid-1", Component: "VTODO", Change: 2, ScheduleTag: 1, Created: day, Modified: day.Add(time.Second),
		ContentType: "text/plain", Private: 2, Lacks: calendar.LacksInstances, OccHash: 1<<63 + 5, By: "ben", Data: []byte("BEGIN:VCALENDAR\r\n\x00\xff"),
	}
	stored := row
	stored.Size = len(row.Data)
	update(t, s, anna, func(tx calendar.Tx) error {
		if _, err := tx.NextChange(); err != nil {
			return err
		}
		if _, ok, err := tx.Object(1, "a.ics", false); ok || err != nil {
			t.Errorf("before: %v %v", ok, err)
		}
		if err := tx.PutObject(row); err != nil {
			return err
		}
		got, ok, err := tx.Object(1, "a.ics", true)
		if d := cmp.Diff(stored, got); d != "" || !ok || err != nil {
			t.Errorf("in the transaction: %v %v %s", ok, err, d)
		}
		return nil
	})
	want := func(what string, want calendar.ObjectRow) {
		t.Helper()
		view(t, s, anna, func(tx calendar.ReadTx) error {
			for _, data := range []bool{true, false} {
				if !data {
					want.Data = nil
				}
				got, ok, err := tx.Object(1, "a.ics", data)
				if d := cmp.Diff(want, got); d != "" || !ok || err != nil {
					t.Errorf("%s: Object: %v %v %s", what, ok, err, d)
				}
				got, ok, err = tx.ObjectByUID(1, want.UID, data)
				if d := cmp.Diff(want, got); d != "" || !ok || err != nil {
					t.Errorf("%s: ObjectByUID: %v %v %s", what, ok, err, d)
				}
			}
			return nil
		})
	}
	want("stored", stored)

	row = calendar.ObjectRow{Cal: 1, Name: "a.ics", UID: "uid-2", Change: 3, Data: []byte("x")}
	update(t, s, anna, func(tx calendar.Tx) error {
		if _, err := tx.NextChange(); err != nil {
			return err
		}
		return tx.PutObject(row)
	})
	stored = row
	stored.Size = 1
	want("replaced", stored)

	change := remove(t, s, anna, 1, "a.ics", day)
	update(t, s, anna, func(tx calendar.Tx) error {
		if _, ok, err := tx.Object(1, "a.ics", false); ok || err != nil {
			t.Errorf("deleted: Object: %v %v", ok, err)
		}
		if _, ok, err := tx.ObjectByUID(1, "uid-2", false); ok || err != nil {
			t.Errorf("deleted: ObjectByUID: %v %v", ok, err)
		}
		wantKind(t, "delete twice", tx.DeleteObject(1, "a.ics", 9, day, ""), calendar.NotFound)
		wantKind(t, "delete none", tx.DeleteObject(1, "b.ics", 9, day, ""), calendar.NotFound)
		return nil
	})
	view(t, s, anna, func(tx calendar.ReadTx) error {
		return tx.Changes(1, 0, 0, true, func(got *calendar.ObjectRow) error {
			tomb := stored
			tomb.Change, tomb.Deleted, tomb.By = change, day, "carl"
			if d := cmp.Diff(tomb, *got); d != "" {
				t.Errorf("tombstone: %s", d)
			}
			return nil
		})
	})

	row.Change = put(t, s, anna, row)
	stored.Change = row.Change
	want("made again", stored)
}

// testGoneAndLatest: tombstones by their time, and what was written last; neither
// looks at more than is asked for.
func testGoneAndLatest(t *testing.T, s calendar.Store) {
	makeCalendar(t, s, anna, 1, "calendar")
	var written []string
	for i := 0; i < 1500; i += 100 {
		update(t, s, anna, func(tx calendar.Tx) error {
			written = written[:i]
			for len(written) < i+100 {
				name := fmt.Sprintf("o%04d", len(written))
				row := object(1, name, name, "text of "+name)
				change, err := tx.NextChange()
				if err != nil {
					return err
				}
				row.Change = change
				if err := tx.PutObject(row); err != nil {
					return err
				}
				written = append(written, name)
			}
			return nil
		})
	}
	slices.Reverse(written)
	names := func(from, to time.Time, data bool) (got []string) {
		view(t, s, anna, func(tx calendar.ReadTx) error {
			got = nil
			return tx.Gone(1, from, to, data, func(o *calendar.ObjectRow) error {
				if o.Deleted.IsZero() || data != (string(o.Data) == "text of "+o.Name) {
					t.Errorf("%s: deleted %v, data %q", o.Name, o.Deleted, o.Data)
				}
				got = append(got, o.Name)
				return nil
			})
		})
		return got
	}
	if got := names(time.Time{}, time.Time{}, true); got != nil {
		t.Errorf("gone: %v", got)
	}
	for i, name := range []string{"o0007", "o0003", "o0005"} {
		remove(t, s, anna, 1, name, day.Add(time.Duration(i)*time.Second))
		written = slices.Insert(slices.DeleteFunc(written, func(n string) bool { return n == name }), 0, name)
	}
	at := func(n int) time.Time { return day.Add(time.Duration(n) * time.Second) }
	for _, c := range []struct {
		from, to time.Time
		want     string
	}{
		{time.Time{}, time.Time{}, "o0007 o0003 o0005"}, {at(1), time.Time{}, "o0003 o0005"}, {time.Time{}, at(1), "o0007"}, {at(1), at(2), "o0003"},
		{at(1).Add(time.Microsecond), time.Time{}, "o0005"}, {at(3), time.Time{}, ""}, {time.Time{}, at(0), ""},
	} {
		for _, data := range []bool{true, false} {
			if got := strings.Join(names(c.from, c.to, data), " "); got != c.want {
				t.Errorf("gone from %v to %v: %s, want %s", c.from, c.to, got, c.want)
			}
		}
	}
	for _, most := range []int{1, 8, 9, 100, 5000} {
		var got []string
		view(t, s, anna, func(tx calendar.ReadTx) error {
			got = nil
			return tx.Latest(1, func(o *calendar.ObjectRow) (bool, error) {
				got = append(got, o.Name)
				return len(got) < most, nil
			})
		})
		if want := written[:min(most, len(written))]; !slices.Equal(got, want) {
			t.Errorf("the latest %d: %d, %.100v, want %.100v", most, len(got), got, want)
		}
	}
	stop := fmt.Errorf("stop")
	for _, ask := range []func(calendar.ReadTx) error{
		func(tx calendar.ReadTx) error {
			return tx.Gone(1, time.Time{}, time.Time{}, false, func(*calendar.ObjectRow) error { return stop })
		},
		func(tx calendar.ReadTx) error {
			return tx.Latest(1, func(*calendar.ObjectRow) (bool, error) { return true, stop })
		},
	} {
		if err := s.View(context.Background(), anna, ask); !errors.Is(err, stop) {
			t.Errorf("what fn says: %v", err)
		}
	}
}

func testObjectLists(t *testing.T, s calendar.Store) {
	makeCalendar(t, s, anna, 1, "calendar")
	makeCalendar(t, s, anna, 2, "other")
	for i, name := range []string{"b", "a", "D", "c", "gone"} {
		put(t, s, anna, object(1, name, name, strings.Repeat("x", i)))
	}
	put(t, s, anna, object(2, "e", "e", "e"))
	remove(t, s, anna, 1, "gone", day)
	view(t, s, anna, func(tx calendar.ReadTx) error {
		objects := func(after string, data bool) []string {
			return list(t, func(fn func(*calendar.ObjectRow) error) error { return tx.Objects(1, after, data, fn) })
		}
		if got := objects("", false); !slices.Equal(got, []string{"D@5", "a@4", "b@3", "c@6"}) {
			t.Errorf("Objects: %q", got)
		}
		if got := objects("a", true); !slices.Equal(got, []string{"b@3=", "c@6=xxx"}) {
			t.Errorf("Objects after a: %q", got)
		}
		if n, size, err := tx.CountObjects(1); n != 4 || size != 6 || err != nil {
			t.Errorf("CountObjects: %d %d %v", n, size, err)
		}
		for _, data := range []bool{false, true} {
			rows, err := tx.ObjectsByName(1, []string{"c", "none", "gone", "a", "e"}, data)
			got := map[string]string{}
			for _, row := range rows {
				got[row.Name] = string(row.Data)
			}
			want := map[string]string{"a": "", "c": ""}
			if data {
				want["a"], want["c"] = "x", "xxx"
			}
			if !maps.Equal(got, want) || len(rows) != 2 || err != nil {
				t.Errorf("ObjectsByName: %v %v", got, err)
			}
		}
		if rows, err := tx.ObjectsByName(1, nil, true); len(rows) != 0 || err != nil {
			t.Errorf("ObjectsByName of none: %v %v", rows, err)
		}
		// What is streamed may use the transaction.
		err := tx.Objects(1, "", false, func(row *calendar.ObjectRow) error {
			got, ok, err := tx.Object(1, row.Name, true)
			if got.Name != row.Name || !ok {
				t.Errorf("Object inside Objects: %+v %v", got, ok)
			}
			return err
		})
		if err != nil {
			t.Errorf("Objects: %v", err)
		}
		stop := fmt.Errorf("stop")
		if err := tx.Objects(1, "", false, func(*calendar.ObjectRow) error { return stop }); err != stop {
			t.Errorf("an error of fn: %v", err)
		}
		return nil
	})
}

func testUniqueUID(t *testing.T, s calendar.Store) {
	makeCalendar(t, s, anna, 1, "calendar")
	makeCalendar(t, s, anna, 2, "other")
	put(t, s, anna, object(1, "a", "uid", "a"))
	put(t, s, anna, object(2, "a", "uid", "another calendar"))
	update(t, s, anna, func(tx calendar.Tx) error {
		wantKind(t, "a new object", tx.PutObject(object(1, "b", "uid", "b")), calendar.UIDConflict)
		if err := tx.PutObject(object(1, "c", "other", "c")); err != nil {
			t.Errorf("after a conflict: %v", err)
		}
		wantKind(t, "a changed UID", tx.PutObject(object(1, "c", "uid", "c")), calendar.UIDConflict)
		return nil
	})
	remove(t, s, anna, 1, "a", day)
	put(t, s, anna, object(1, "b", "uid", "the UID is free"))
	update(t, s, anna, func(tx calendar.Tx) error {
		wantKind(t, "a tombstone's return", tx.PutObject(object(1, "a", "uid", "a")), calendar.UIDConflict)
		for _, name := range []string{"f1", "f2"} { // files of plain collections have none
			if err := tx.PutObject(object(1, name, "", name)); err != nil {
				t.Errorf("no UID: %v", err)
			}
		}
		if _, ok, err := tx.ObjectByUID(1, "", false); ok || err != nil {
			t.Errorf("ObjectByUID of none: %v %v", ok, err)
		}
		return nil
	})
}

func testChanges(t *testing.T, s calendar.Store) {
	makeCalendar(t, s, anna, 1, "calendar") // change 1
	for _, name := range []string{"c", "b", "a"} {
		put(t, s, anna, object(1, name, name, name)) // 2, 3, 4
	}
	remove(t, s, anna, 1, "b", day)            // 5
	put(t, s, anna, object(1, "c", "c", "c2")) // 6
	update(t, s, anna, func(tx calendar.Tx) error {
		change, err := tx.NextChange()
		if err != nil {
			return err
		}
		for _, name := range []string{"z", "x", "y"} { // several of one change
			row := object(1, name, name, name)
			row.Change = change
			if err := tx.PutObject(row); err != nil {
				return err
			}
		}
		return nil
	})
	view(t, s, anna, func(tx calendar.ReadTx) error {
		for _, c := range []struct {
			since int64
			limit int
			data  bool
			want  string
		}{
			{0, 0, false, "a@4 b@5- c@6 x@7 y@7 z@7"},
			{4, 0, true, "b@5-=b c@6=c2 x@7=x y@7=y z@7=z"},
			{0, 2, false, "a@4 b@5-"},
			{5, 3, false, "c@6 x@7 y@7"},
			{7, 0, false, ""},
			{1 << 62, 0, false, ""},
			{1<<63 - 1, 0, false, ""},
		} {
			got := strings.Join(list(t, func(fn func(*calendar.ObjectRow) error) error {
				return tx.Changes(1, c.since, c.limit, c.data, fn)
			}), " ")
			if got != c.want {
				t.Errorf("Changes since %d, limit %d: %s, want %s", c.since, c.limit, got, c.want)
			}
		}
		return nil
	})
}

// Lists longer than any page: nothing twice, nothing left out.
func testLongLists(t *testing.T, s calendar.Store) {
	const n = 2500
	makeCalendar(t, s, anna, 1, "calendar")
	name := func(i int) string { return fmt.Sprintf("%05d", i) }
	update(t, s, anna, func(tx calendar.Tx) error {
		change, err := tx.NextChange()
		for i := range n {
			row := object(1, name(i), name(i), name(i))
			row.Change = change - int64(i%2) // two batches
			if err := tx.PutObject(row); err != nil {
				return err
			}
		}
		return err
	})
	view(t, s, anna, func(tx calendar.ReadTx) error {
		for _, data := range []bool{false, true} {
			i := 0
			err := tx.Objects(1, "", data, func(row *calendar.ObjectRow) error {
				if row.Name != name(i) || data && string(row.Data) != name(i) {
					t.Fatalf("Objects: %q at %d", row.Name, i)
				}
				i++
				return nil
			})
			if i != n || err != nil {
				t.Errorf("Objects: %d %v", i, err)
			}
			i = 0
			err = tx.Changes(1, 0, 0, data, func(row *calendar.ObjectRow) error {
				want := 2*i + 1 // the odd ones have the lower change
				if i >= n/2 {
					want = 2*i - n
				}
				if row.Name != name(want) {
					t.Fatalf("Changes: %q at %d", row.Name, i)
				}
				i++
				return nil
			})
			if i != n || err != nil {
				t.Errorf("Changes: %d %v", i, err)
			}
			got := list(t, func(fn func(*calendar.ObjectRow) error) error { return tx.Changes(1, 0, 1700, data, fn) })
			if len(got) != 1700 {
				t.Errorf("Changes with a limit: %d", len(got))
			}
		}
		return nil
	})
}

func testBigData(t *testing.T, s calendar.Store) {
	makeCalendar(t, s, anna, 1, "calendar")
	want := map[string][]byte{"empty": {}}
	for _, n := range []int{1, 4000, 8192, 70_000, 3 << 20} {
		want[fmt.Sprint(n)] = bytes.Repeat([]byte{0, 'a', 0xff, '\r', '\n', byte(n)}, n/6+1)[:n]
	}
	for name, data := range want {
		row := object(1, name, name, "")
		row.Data = data
		put(t, s, anna, row)
	}
	got := map[string][]byte{}
	view(t, s, anna, func(tx calendar.ReadTx) error {
		return tx.Objects(1, "", true, func(row *calendar.ObjectRow) error {
			got[row.Name] = row.Data
			return nil
		})
	})
	if !maps.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("data differs")
	}
}

var oddNames = []string{
	"it's.ics", `"quoted".ics`, "a/b/c", "100%", "under_score", "back\\slash", "émile", "日本語.ics", "😀", "e\u0301", " leading", "?*$1",
	"; DROP TABLE objects; --", "A", "a", "\u00a0", strings.Repeat("x", calendar.MaxNameLen),
}

func testOddNames(t *testing.T, s calendar.Store) {
	for i, name := range oddNames {
		makeCalendar(t, s, anna, int64(i+1), name)
		put(t, s, anna, object(int64(i+1), name, name, name))
	}
	for _, name := range oddNames {
		row := object(1, name, name, name)
		if name == oddNames[0] {
			continue
		}
		put(t, s, anna, row)
	}
	view(t, s, anna, func(tx calendar.ReadTx) error {
		for i, name := range oddNames {
			cal, ok, err := tx.Calendar(name)
			if cal.ID != int64(i+1) || !ok || err != nil {
				t.Errorf("Calendar(%q): %v %v %v", name, cal.ID, ok, err)
			}
			row, ok, err := tx.Object(1, name, true)
			if row.Name != name || row.UID != name || string(row.Data) != name || !ok || err != nil {
				t.Errorf("Object(%q): %+v %v %v", name, row, ok, err)
			}
		}
		var names []string
		err := tx.Objects(1, "", false, func(row *calendar.ObjectRow) error { names = append(names, row.Name); return nil })
		if err != nil || len(names) != len(oddNames) || !slices.IsSorted(names) {
			t.Errorf("Objects by name: %q %v", names, err)
		}
		return nil
	})
}

func testOwnersApart(t *testing.T, s calendar.Store) {
	for _, o := range []calendar.Owner{"anna", "ann", "Anna"} {
		makeCalendar(t, s, o, 1, "calendar")
		put(t, s, o, object(1, "a", "uid", string(o)))
		update(t, s, o, func(tx calendar.Tx) error {
			if err := tx.SetOccurrences(1, "a", []calendar.OccurrenceRow{{Start: 1, End: 2}}); err != nil {
				return err
			}
			return tx.SetPref("owner", string(o))
		})
	}
	update(t, s, "ann", func(tx calendar.Tx) error { return tx.DeleteCalendar(1, 3, day) })
	for _, o := range []calendar.Owner{"anna", "Anna"} {
		view(t, s, o, func(tx calendar.ReadTx) error {
			row, ok, err := tx.ObjectByUID(1, "uid", true)
			if string(row.Data) != string(o) || !ok || err != nil {
				t.Errorf("%s: %+v %v %v", o, row, ok, err)
			}
			occs, err := tx.ObjectOccurrences(1, "a")
			if len(occs) != 1 || err != nil {
				t.Errorf("%s: %v %v", o, occs, err)
			}
			prefs, err := tx.Prefs()
			if prefs["owner"] != string(o) || err != nil {
				t.Errorf("%s: %v %v", o, prefs, err)
			}
			return nil
		})
	}
}

// Any sequence of writes leaves what a map would hold.
func testObjectsModel(t *testing.T, s calendar.Store) {
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		owner := calendar.Owner(fmt.Sprintf("model%d", round))
		makeCalendar(t, s, owner, 1, "calendar")
		type entry struct {
			uid, data string
			change    int64
			deleted   bool
		}
		model := map[string]entry{}
		names := rapid.SampledFrom([]string{"a", "b", "c", "d"})
		uids := rapid.SampledFrom([]string{"1", "2", "3", ""})
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			name, uid, data := names.Draw(rt, "name"), uids.Draw(rt, "uid"), rapid.StringN(0, 9, -1).Draw(rt, "data")
			del, look := rapid.Bool().Draw(rt, "delete"), rapid.Bool().Draw(rt, "look")
			old, had := model[name]
			update(t, s, owner, func(tx calendar.Tx) error {
				change, err := tx.NextChange()
				if err != nil {
					return err
				}
				if look {
					if _, ok, err := tx.Object(1, name, false); ok != (had && !old.deleted) || err != nil {
						rt.Fatalf("Object(%q): %v %v", name, ok, err)
					}
				}
				if del {
					err := tx.DeleteObject(1, name, change, day, "")
					if (err == nil) != (had && !old.deleted) {
						rt.Fatalf("DeleteObject(%q): %v", name, err)
					}
					if err == nil {
						model[name] = entry{old.uid, old.data, change, true}
					}
					return nil
				}
				conflict := false
				for n, e := range model {
					conflict = conflict || n != name && !e.deleted && e.uid == uid && uid != ""
				}
				row := object(1, name, uid, data)
				row.Change = change
				err = tx.PutObject(row)
				if (err != nil) != conflict {
					rt.Fatalf("PutObject(%q, %q): %v", name, uid, err)
				}
				if err == nil {
					model[name] = entry{uid, data, change, false}
				}
				return nil
			})
		}
		got := map[string]entry{}
		var size, want int64
		view(t, s, owner, func(tx calendar.ReadTx) error {
			h, _, err := tx.Home()
			if err != nil {
				return err
			}
			size = h.Bytes
			return tx.Changes(1, 0, 0, true, func(row *calendar.ObjectRow) error {
				got[row.Name] = entry{row.UID, string(row.Data), row.Change, !row.Deleted.IsZero()}
				return nil
			})
		})
		for _, e := range model {
			if !e.deleted {
				want += int64(len(e.data))
			}
		}
		if !maps.Equal(got, model) || size != want {
			rt.Fatalf("got %v (%d bytes), want %v (%d bytes)", got, size, model, want)
		}
	})
}
