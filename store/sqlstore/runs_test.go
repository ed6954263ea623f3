package sqlstore

import (
	"math"
	"slices"
	"testing"

	"factotum/server/calendar"

	"pgregory.net/rapid"
)

func drawOccurrences(t *rapid.T) []calendar.OccurrenceRow {
	at := rapid.OneOf(rapid.Int64Range(-400*86400, 400*86400), rapid.Int64(), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64, math.MaxInt64 / 2}))
	length := rapid.SampledFrom([]int64{0, 1, 3600, maxDay, maxDay + 1, maxRun, maxRun + 1, math.MaxInt64 / 2})
	return rapid.SliceOf(rapid.Custom(func(t *rapid.T) calendar.OccurrenceRow {
		o := calendar.OccurrenceRow{Name: "n", Start: at.Draw(t, "start"), Flags: rapid.IntRange(0, 127).Draw(t, "flags")}
		o.End = o.Start + length.Draw(t, "length")
		return o
	})).Draw(t, "occurrences")
}

func unpacked(t *rapid.T, b []byte) (rows []calendar.OccurrenceRow) {
	if err := unpack(b, "n", func(o calendar.OccurrenceRow) { rows = append(rows, o) }); err != nil {
		t.Fatal(err)
	}
	return rows
}

// What is packed comes back, in its order.
func TestPack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := drawOccurrences(t)
		if got := unpacked(t, pack(rows)); !slices.Equal(got, rows) {
			t.Fatalf("got %v, want %v", got, rows)
		}
	})
	for _, damaged := range [][]byte{{0x80}, {2}, {2, 1}, {2, 1, 4}, {2, 1, 4, 0x80}} {
		if err := unpack(damaged, "n", func(calendar.OccurrenceRow) {}); err == nil {
			t.Errorf("%v was accepted", damaged)
		}
	}
}

// Runs hold every occurrence once, and none is longer than its class allows:
// a range scan would miss it.
func TestSplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := drawOccurrences(t)
		var got []calendar.OccurrenceRow
		for _, r := range split(rows) {
			in := []calendar.OccurrenceRow{{Name: "n", Start: r.start, End: r.end, Flags: int(r.flags)}}
			if len(r.more) > 0 {
				in = unpacked(t, r.more)
			}
			for _, o := range in {
				zero := len(in) > 1 && o.End == o.Start && o.Start < math.MaxInt64 // no range reaches beyond
				if o.Start < r.start || o.End > r.end || zero && o.End == r.end {
					t.Fatalf("%v is not inside its run %v", o, r)
				}
			}
			if d := r.end - r.start; r.cls < 2 && (d < 0 || d > [...]int64{maxDay, maxRun}[r.cls]) {
				t.Fatalf("%v is too long", r)
			}
			got = append(got, in...)
		}
		want := slices.Clone(rows)
		order := func(a, b calendar.OccurrenceRow) int {
			return slices.Compare([]int64{a.Start, a.End, int64(a.Flags)}, []int64{b.Start, b.End, int64(b.Flags)})
		}
		slices.SortFunc(want, order)
		slices.SortFunc(got, order)
		if !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}
