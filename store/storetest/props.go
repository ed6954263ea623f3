package storetest

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"factotum/server/calendar"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func testProps(t *testing.T, s calendar.Store) {
	makeCalendar(t, s, anna, 1, "calendar")
	makeCalendar(t, s, anna, 2, "other")
	put(t, s, anna, object(1, "a", "a", "a"))
	one := calendar.DeadProp{Space: "http://example.com/ns", Local: "one", Value: `<x:one xmlns:x="http://example.com/ns">1 &amp; ü</x:one>`}
	two := calendar.DeadProp{Space: "", Local: "two", Value: ""}
	three := calendar.DeadProp{Space: one.Space, Local: "three", Value: "3"}
	want := func(what string, cal int64, name string, want ...calendar.DeadProp) {
		t.Helper()
		view(t, s, anna, func(tx calendar.ReadTx) error {
			got, err := tx.Props(cal, name)
			if d := cmp.Diff(want, got); d != "" || err != nil {
				t.Errorf("%s: %v %s", what, err, d)
			}
			return nil
		})
	}
	update(t, s, anna, func(tx calendar.Tx) error {
		for _, p := range []calendar.DeadProp{one, two} {
			if err := tx.SetProp(1, "a", p); err != nil {
				return err
			}
		}
		return tx.SetProp(1, "", three)
	})
	want("set", 1, "a", two, one)
	view(t, s, anna, func(tx calendar.ReadTx) error {
		for _, c := range []struct {
			cal   int64
			names []string
			want  map[string][]calendar.DeadProp
		}{
			{1, []string{"b", "a", "c"}, map[string][]calendar.DeadProp{"a": {two, one}}},
			{1, []string{"b"}, nil},
			{1, nil, nil},
			{2, []string{"a"}, nil},
		} {
			got, err := tx.PropsByName(c.cal, c.names)
			if d := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); d != "" || err != nil {
				t.Errorf("PropsByName %d %q: %v %s", c.cal, c.names, err, d)
			}
		}
		return nil
	})
	want("the calendar's own", 1, "", three)

	one.Value = "changed"
	update(t, s, anna, func(tx calendar.Tx) error {
		if err := tx.SetProp(1, "a", one); err != nil {
			return err
		}
		if err := tx.DeleteProp(1, "a", two.Space, two.Local); err != nil {
			return err
		}
		return tx.DeleteProp(1, "a", "none", "none")
	})
	want("changed", 1, "a", one)

	update(t, s, anna, func(tx calendar.Tx) error { return tx.SetProp(2, "b", two) })
	want("of another object", 2, "b", two)
	want("still", 1, "a", one)
	view(t, s, anna, func(tx calendar.ReadTx) error {
		got, err := tx.AllProps(1)
		if d := cmp.Diff(map[string][]calendar.DeadProp{"a": {one}}, got); d != "" || err != nil {
			t.Errorf("AllProps: %v %s", err, d)
		}
		return nil
	})
	update(t, s, anna, func(tx calendar.Tx) error { return tx.DeleteProps(2, "b") })
	want("deleted", 2, "b")
	remove(t, s, anna, 1, "a", day)
	want("of a deleted object", 1, "a")
}

func testPrefs(t *testing.T, s calendar.Store) {
	update(t, s, anna, func(tx calendar.Tx) error {
		for k, v := range map[string]string{"ceDefaultView": "week", "empty": "", "ü": "ß\nx"} {
			if err := tx.SetPref(k, v); err != nil {
				return err
			}
		}
		return tx.SetPref("ceDefaultView", "day")
	})
	update(t, s, anna, func(tx calendar.Tx) error {
		if err := tx.DeletePref("ü"); err != nil {
			return err
		}
		return tx.DeletePref("none")
	})
	view(t, s, anna, func(tx calendar.ReadTx) error {
		got, err := tx.Prefs()
		if !maps.Equal(got, map[string]string{"ceDefaultView": "day", "empty": ""}) || err != nil {
			t.Errorf("Prefs: %v %v", got, err)
		}
		return nil
	})
	view(t, s, "ben", func(tx calendar.ReadTx) error {
		if got, err := tx.Prefs(); len(got) != 0 || err != nil {
			t.Errorf("Prefs of another: %v %v", got, err)
		}
		return nil
	})
}

func testTokens(t *testing.T, s calendar.Store) {
	update(t, s, anna, func(tx calendar.Tx) error {
		if _, ok, err := tx.Token("t"); ok || err != nil {
			t.Errorf("before: %v %v", ok, err)
		}
		if err := tx.SetToken("none", nil, time.Now()); err != nil {
			return err
		}
		return tx.SetToken("t", []byte("result\x00"), time.Now())
	})
	view(t, s, anna, func(tx calendar.ReadTx) error {
		got, ok, err := tx.Token("t")
		if string(got) != "result\x00" || !ok || err != nil {
			t.Errorf("Token: %q %v %v", got, ok, err)
		}
		got, ok, err = tx.Token("none")
		if len(got) != 0 || !ok || err != nil {
			t.Errorf("Token without a result: %q %v %v", got, ok, err)
		}
		all := ""
		if err := tx.Tokens(func(token string, result []byte, when time.Time) error {
			all += fmt.Sprintf("%s=%q %v;", token, result, time.Since(when).Abs() < time.Minute)
			return nil
		}); err != nil || all != `none="" true;t="result\x00" true;` {
			t.Errorf("Tokens: %s %v", all, err)
		}
		return nil
	})
	view(t, s, "ben", func(tx calendar.ReadTx) error {
		if _, ok, err := tx.Token("t"); ok || err != nil {
			t.Errorf("Token of another: %v %v", ok, err)
		}
		return nil
	})
}
