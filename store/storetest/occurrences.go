package storetest

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"factotum/server/calendar"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const hour = 3600

// overlaps is RFC 4791 §9.9 for an instance: half open, and one of zero length
// overlaps where it starts.
func overlaps(o calendar.OccurrenceRow, from, to int64) bool {
	return o.Start < to && (o.End > from || o.Start >= from)
}

func inRange(t testing.TB, s calendar.Store, owner calendar.Owner, cal, from, to int64) (out []calendar.OccurrenceRow) {
	t.Helper()
	view(t, s, owner, func(tx calendar.ReadTx) error {
		return tx.Occurrences(cal, from, to, func(o calendar.OccurrenceRow) error {
			out = append(out, o)
			return nil
		})
	})
	return out
}

func testOccurrences(t *testing.T, s calendar.Store) {
	makeCalendar(t, s, anna, 1, "calendar")
	rows := map[string][]calendar.OccurrenceRow{
		"meeting":  {{Name: "meeting", Start: 1000 * hour, End: 1001 * hour, Flags: calendar.OccTentative}},
		"instant":  {{Name: "instant", Start: 1000 * hour, End: 1000 * hour}},
		"autumn":   {{Name: "autumn", Start: 990 * hour, End: 1015 * hour, Flags: calendar.OccAllDay | calendar.OccFloating}},
		"holidays": {{Name: "holidays", Start: 900 * hour, End: 1100 * hour, Flags: calendar.OccFree}},
		"year":     {{Name: "year", Start: 0, End: 9000 * hour}},
		"series": {
			{Name: "series", Start: 1000 * hour, End: 1001 * hour},
			{Name: "series", Start: 1024 * hour, End: 1025 * hour},
			{Name: "series", Start: 1048 * hour, End: math.MaxInt64, Flags: calendar.OccTail},
		},
	}
	for name, occs := range rows {
		put(t, s, anna, object(1, name, name, name))
		update(t, s, anna, func(tx calendar.Tx) error { return tx.SetOccurrences(1, name, occs) })
	}
	for _, c := range []struct {
		from, to int64
		want     string
	}{
		{1000 * hour, 1001 * hour, "[autumn holidays instant meeting series year]"},
		{1000*hour + 1, 1001 * hour, "[autumn holidays meeting series year]"},
		{1001 * hour, 1002 * hour, "[autumn holidays year]"},
		{999 * hour, 1000 * hour, "[autumn holidays year]"},
		{1014*hour + 3599, 1015 * hour, "[autumn holidays year]"},
		{1015 * hour, 1016 * hour, "[holidays year]"},
		{1099*hour + 3599, 1100 * hour, "[holidays series year]"},
		{1100 * hour, 1101 * hour, "[series year]"},
		{1 << 40, 1 << 41, "[series]"},
		{-100, 0, "[]"},
		{math.MinInt64, math.MaxInt64, "[autumn holidays instant meeting series series series year]"},
	} {
		names := []string{}
		for _, o := range inRange(t, s, anna, 1, c.from, c.to) {
			names = append(names, o.Name)
		}
		slices.Sort(names)
		if got := fmt.Sprint(names); got != c.want {
			t.Errorf("[%d,%d): %s, want %s", c.from, c.to, got, c.want)
		}
	}
	view(t, s, anna, func(tx calendar.ReadTx) error {
		for name, want := range rows {
			got, err := tx.ObjectOccurrences(1, name)
			if d := cmp.Diff(want, got); d != "" || err != nil {
				t.Errorf("ObjectOccurrences(%q): %v %s", name, err, d)
			}
		}
		return nil
	})
	update(t, s, anna, func(tx calendar.Tx) error { return tx.SetOccurrences(1, "series", nil) })
	remove(t, s, anna, 1, "meeting", day) // takes its rows along
	if got := inRange(t, s, anna, 1, 1000*hour, 1001*hour); len(got) != 4 {
		t.Errorf("after removals: %v", got)
	}
	if got := inRange(t, s, anna, 2, 0, math.MaxInt64); len(got) != 0 {
		t.Errorf("another calendar: %v", got)
	}
}

// The index answers like a loop over all rows, whatever their durations.
func testOccurrencesModel(t *testing.T, s calendar.Store) {
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		owner := calendar.Owner(fmt.Sprintf("occ%d", round))
		makeCalendar(t, s, owner, 1, "calendar")
		start := rapid.Int64Range(-5000*hour, 5000*hour)
		length := rapid.SampledFrom([]int64{0, 1, hour, 24 * hour, 25*hour - 1, 25 * hour, 25*hour + 1, 100*24*hour - 1, 100 * 24 * hour,
			100*24*hour + 1, 4000 * hour})
		var all []calendar.OccurrenceRow
		update(t, s, owner, func(tx calendar.Tx) error {
			all = all[:0] // it may run again
			for i := range rapid.IntRange(0, 5).Draw(rt, "objects") {
				name := fmt.Sprint("o", i)
				if err := tx.PutObject(object(1, name, name, "")); err != nil {
					return err
				}
				var rows []calendar.OccurrenceRow
				for range rapid.IntRange(0, 6).Draw(rt, "rows") {
					at := start.Draw(rt, "start")
					rows = append(rows, calendar.OccurrenceRow{Name: name, Start: at, End: at + length.Draw(rt, "length"),
						Flags: rapid.IntRange(0, 127).Draw(rt, "flags")})
				}
				if err := tx.SetOccurrences(1, name, rows); err != nil {
					return err
				}
				all = append(all, rows...)
			}
			return nil
		})
		for range 4 {
			from := start.Draw(rt, "from")
			if len(all) > 0 && rapid.Bool().Draw(rt, "edge") {
				o := rapid.SampledFrom(all).Draw(rt, "row")
				from = rapid.SampledFrom([]int64{o.Start, o.End, o.Start - 1, o.End - 1, o.Start + 1}).Draw(rt, "at")
			}
			to := from + rapid.SampledFrom([]int64{1, hour, 24 * hour, 31 * 24 * hour, 9000 * hour}).Draw(rt, "window")
			var want []calendar.OccurrenceRow
			for _, o := range all {
				if overlaps(o, from, to) {
					want = append(want, o)
				}
			}
			got := inRange(t, s, owner, 1, from, to)
			order := func(a, b calendar.OccurrenceRow) int {
				return slices.Compare([]int64{a.Start, a.End, int64(a.Flags), int64(a.Name[1])}, []int64{b.Start, b.End, int64(b.Flags), int64(b.Name[1])})
			}
			slices.SortFunc(want, order)
			slices.SortFunc(got, order)
			if !slices.Equal(got, want) {
				rt.Fatalf("[%d,%d): got %v, want %v", from, to, got, want)
			}
		}
	})
}
