package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// aTrace has a value in every field; n tells it from others.
func aTrace(n int) calendar.Trace {
	return calendar.Trace{
		Owner: anna, When: day.Add(time.Duration(n) * time.Minute), Message: fmt.Sprintf("anna/%d/0", n), Method: "REQUEST", UID: fmt.Sprint("uid-", n%3),
		Summary: "Prüfung", From: "mailto:anna@example.com", To: []string{"mailto:Bert@example.com", fmt.Sprintf("mailto:p%d@example.com", n)},
		Step: calendar.TraceDelivered, Reason: "delivered", Status: "1.2", Detail: "Über Nacht.", By: "sekretär", Via: "wcap",
	}
}

// traces lists what a query finds, and sees that ids rise.
func traces(t *testing.T, tx calendar.ReadTx, q calendar.TraceQuery) (found []calendar.Trace) {
	t.Helper()
	last := int64(0)
	err := tx.Traces(q, func(tr *calendar.Trace) error {
		if last != 0 && q.OldestFirst != (tr.ID > last) || tr.ID == 0 {
			t.Errorf("id %d after %d", tr.ID, last)
		}
		last = tr.ID
		found = append(found, *tr)
		return nil
	})
	if err != nil {
		t.Errorf("Traces: %v", err)
	}
	return found
}

func wantTraces(t *testing.T, tx calendar.ReadTx, q calendar.TraceQuery, want ...calendar.Trace) {
	t.Helper()
	if d := cmp.Diff(want, traces(t, tx, q), cmpopts.EquateEmpty(), cmpopts.IgnoreFields(calendar.Trace{}, "ID")); d != "" {
		t.Errorf("%+v: %s", q, d)
	}
}

func testTraces(t *testing.T, s calendar.Store) {
	next(t, s, anna)
	const all = 30
	var rows []calendar.Trace
	for n := range all {
		rows = append(rows, aTrace(n))
	}
	rows[7].To, rows[7].From, rows[7].Message = nil, "", ""
	update(t, s, anna, func(tx calendar.Tx) error {
		for _, tr := range rows[:all/2] {
			unowned := tr
			unowned.Owner, unowned.ID = "", 99
			if err := tx.PutTrace(unowned); err != nil {
				return err
			}
		}
		wantTraces(t, tx, calendar.TraceQuery{OldestFirst: true}, rows[:all/2]...)
		return nil
	})
	for _, tr := range rows[all/2:] {
		update(t, s, anna, func(tx calendar.Tx) error { return tx.PutTrace(tr) })
	}
	where := func(keep func(n int) bool) (out []calendar.Trace) {
		for n := range rows {
			if keep(n) {
				out = append(out, rows[n])
			}
		}
		return out
	}
	newest := func(list []calendar.Trace) []calendar.Trace {
		list = slices.Clone(list)
		slices.Reverse(list)
		return list
	}
	view(t, s, anna, func(tx calendar.ReadTx) error {
		for _, c := range []struct {
			q    calendar.TraceQuery
			want []calendar.Trace
		}{
			{calendar.TraceQuery{}, rows},
			{calendar.TraceQuery{UID: "uid-1"}, where(func(n int) bool { return n%3 == 1 })},
			{calendar.TraceQuery{UID: "uid-9"}, nil},
			{calendar.TraceQuery{UID: "UID-1"}, nil},
			{calendar.TraceQuery{UID: "\x00"}, nil},
			{calendar.TraceQuery{UID: "\xff"}, nil},
			{calendar.TraceQuery{Message: "anna/4/0"}, rows[4:5]},
			{calendar.TraceQuery{Address: "MAILTO:p11@EXAMPLE.com"}, rows[11:12]},
			{calendar.TraceQuery{Address: "bert@example.com"}, where(func(n int) bool { return n != 7 })},
			{calendar.TraceQuery{Address: "mailto:anna@example.com", UID: "uid-1"}, where(func(n int) bool { return n%3 == 1 && n != 7 })},
			{calendar.TraceQuery{Since: rows[5].When, Until: rows[9].When}, rows[5:9]},
			{calendar.TraceQuery{Since: rows[5].When, Until: rows[20].When, UID: "uid-0"}, where(func(n int) bool { return n >= 5 && n < 20 && n%3 == 0 })},
		} {
			wantTraces(t, tx, c.q, newest(c.want)...)
			up := c.q
			up.OldestFirst = true
			wantTraces(t, tx, up, c.want...)
			for _, q := range []calendar.TraceQuery{c.q, up} { // a few, and in pages
				want := c.want
				if !q.OldestFirst {
					want = newest(want)
				}
				q.Limit = 2
				wantTraces(t, tx, q, want[:min(2, len(want))]...)
				q.Limit = 4
				for {
					page := traces(t, tx, q)
					if len(page) == 0 {
						break
					}
					for i := range page {
						if q.After = page[i].ID; len(want) == 0 || want[0].When != page[i].When {
							t.Fatalf("in pages: %+v, want %+v", page[i], want)
						}
						want = want[1:]
					}
				}
				if len(want) > 0 {
					t.Errorf("in pages: %+v is missing", want)
				}
			}
		}
		if err := tx.Traces(calendar.TraceQuery{}, func(*calendar.Trace) error { return errBoom }); err != errBoom {
			t.Errorf("an error of fn: %v", err)
		}
		return nil
	})

	// Another owner has others.
	err := s.Update(context.Background(), "bert", func(tx calendar.Tx) error { return tx.PutTrace(rows[0]) })
	wantKind(t, "a trace in the journal of another", err, calendar.Invalid)
	his := rows[1]
	his.Owner = "bert"
	update(t, s, "bert", func(tx calendar.Tx) error {
		_, err := tx.PurgeTraces(day.Add(24*time.Hour), 0)
		return errors.Join(err, tx.PutTrace(his))
	})
	view(t, s, "bert", func(tx calendar.ReadTx) error { wantTraces(t, tx, calendar.TraceQuery{UID: "uid-1"}, his); return nil })
	view(t, s, anna, func(tx calendar.ReadTx) error {
		wantTraces(t, tx, calendar.TraceQuery{OldestFirst: true}, rows...)
		return nil
	})
}

// A journal tells of what others wrote: nothing in it keeps a trace from being
// stored, and none is taken for two.
func testOddTraces(t *testing.T, s calendar.Store) {
	next(t, s, anna)
	odd := "a\x00b\xffc"
	tr := calendar.Trace{When: day, Message: odd, Method: odd, UID: odd, Summary: odd, From: odd, To: []string{odd, "one\ntwo"}, Reason: odd, Status: odd, Detail: odd, By: calendar.UserID(odd), Via: odd}
	update(t, s, anna, func(tx calendar.Tx) error { return tx.PutTrace(tr) })
	view(t, s, anna, func(tx calendar.ReadTx) error {
		found := traces(t, tx, calendar.TraceQuery{})
		if len(found) != 1 || len(found[0].To) != 2 || !strings.HasPrefix(found[0].Detail, "a") || !strings.HasSuffix(found[0].Detail, "c") {
			t.Errorf("%+v", found)
		}
		return nil
	})
}

func testPurgeTraces(t *testing.T, s calendar.Store) {
	next(t, s, anna)
	var rows []calendar.Trace
	update(t, s, anna, func(tx calendar.Tx) error {
		if n, err := tx.PurgeTraces(day, 5); n != 0 || err != nil {
			t.Errorf("of an empty journal: %d %v", n, err)
		}
		for n := range 20 {
			rows = append(rows, aTrace(n))
			if err := tx.PutTrace(rows[n]); err != nil {
				return err
			}
		}
		return nil
	})
	for _, c := range []struct {
		before time.Time
		keep   int
		gone   int
	}{
		{rows[0].When, 20, 0}, {rows[3].When, 0, 3}, {rows[3].When, 17, 0}, {rows[5].When, 10, 7}, {rows[15].When, 10, 5}, {time.Time{}, 1, 4}, {day.Add(time.Hour), 10, 1}, {day.Add(time.Hour), 0, 0},
	} {
		update(t, s, anna, func(tx calendar.Tx) error {
			n, err := tx.PurgeTraces(c.before, c.keep)
			if n != c.gone || err != nil {
				t.Errorf("%+v: %d are gone, %v", c, n, err)
			}
			return err
		})
		rows = rows[c.gone:]
		view(t, s, anna, func(tx calendar.ReadTx) error {
			wantTraces(t, tx, calendar.TraceQuery{OldestFirst: true}, rows...)
			return nil
		})
	}
	// Ids go on rising, so that a page of before has its place.
	update(t, s, anna, func(tx calendar.Tx) error { return tx.PutTrace(aTrace(1)) })
	view(t, s, anna, func(tx calendar.ReadTx) error { wantTraces(t, tx, calendar.TraceQuery{}, aTrace(1)); return nil })
}
