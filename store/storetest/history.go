package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"factotum/server/acl"
	"factotum/server/calendar"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// aVersion has a value in every field; n tells it from others.
func aVersion(n int64) calendar.HistoryRow {
	h := calendar.HistoryRow{
		Change: n, When: day.Add(time.Duration(n) * time.Minute), End: calendar.Replaced, By: "sekretär", How: calendar.Origin{Via: "caldav", Client: "DAVx⁵/4\t5", Undoes: n + 7},
		Calendar: "work", To: "anna:home/x.ics", Props: []calendar.DeadProp{{Space: "s", Local: "l", Value: "<ü/>"}},
		Object: calendar.ObjectRow{Cal: 1 + n%2, Name: fmt.Sprint("n", n%4, ".ics"), UID: fmt.Sprint("uid-", n%3), Component: "VEVENT", Change: n - 1, Since: n - 2,
			Created: day, Modified: day.Add(time.Second), ContentType: "text/calendar", Private: 2, Attached: true, Lacks: calendar.LacksInstances,
			By: "anna", Origin: calendar.Origin{Via: "wcap", Client: "x"}, Data: fmt.Appendf(nil, "text %d", n)},
	}
	h.Object.Size = len(h.Object.Data)
	return h
}

// history lists what a query finds, and sees that it is in order.
func history(t *testing.T, tx calendar.ReadTx, q calendar.HistoryQuery) (found []calendar.HistoryRow) {
	t.Helper()
	err := tx.History(q, func(h *calendar.HistoryRow) error {
		if n := len(found); n > 0 && (h.Change > found[n-1].Change || h.Change == found[n-1].Change && h.Seq >= found[n-1].Seq) {
			t.Errorf("%d/%d after %d/%d", h.Change, h.Seq, found[n-1].Change, found[n-1].Seq)
		}
		row := *h
		row.Object.Data = slices.Clone(h.Object.Data)
		found = append(found, row)
		return nil
	})
	if err != nil {
		t.Errorf("History: %v", err)
	}
	return found
}

func wantHistory(t *testing.T, tx calendar.ReadTx, q calendar.HistoryQuery, want ...calendar.HistoryRow) {
	t.Helper()
	if d := cmp.Diff(want, history(t, tx, q), cmpopts.EquateEmpty()); d != "" {
		t.Errorf("%+v: %s", q, d)
	}
}

func homeOf(t *testing.T, tx calendar.ReadTx) calendar.HomeRow {
	t.Helper()
	h, _, err := tx.Home()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func testHistory(t *testing.T, s calendar.Store) {
	const all = 30
	var rows []calendar.HistoryRow // newest first
	for n := range int64(all) {
		next(t, s, anna)
		h := aVersion(n + 1)
		rows = append([]calendar.HistoryRow{h}, rows...)
		update(t, s, anna, func(tx calendar.Tx) error { return tx.PutHistory(h) })
	}
	where := func(keep func(h *calendar.HistoryRow) bool) (out []calendar.HistoryRow) {
		for i := range rows {
			if keep(&rows[i]) {
				out = append(out, rows[i])
			}
		}
		return out
	}
	view(t, s, anna, func(tx calendar.ReadTx) error {
		for _, c := range []struct {
			q    calendar.HistoryQuery
			want []calendar.HistoryRow
		}{
			{calendar.HistoryQuery{}, rows},
			{calendar.HistoryQuery{UID: "uid-1"}, where(func(h *calendar.HistoryRow) bool { return h.Change%3 == 1 })},
			{calendar.HistoryQuery{UID: "uid-1", Cal: 2}, where(func(h *calendar.HistoryRow) bool { return h.Change%6 == 1 })},
			{calendar.HistoryQuery{UID: "uid-9"}, nil},
			{calendar.HistoryQuery{UID: "\xff"}, nil},
			{calendar.HistoryQuery{Cal: 1}, where(func(h *calendar.HistoryRow) bool { return h.Change%2 == 0 })},
			{calendar.HistoryQuery{Cal: 2, Name: "n3.ics"}, where(func(h *calendar.HistoryRow) bool { return h.Change%4 == 3 })},
			{calendar.HistoryQuery{Cal: 1, Name: "n3.ics"}, nil},
			{calendar.HistoryQuery{After: 10, Before: 20, BeforeSeq: 0}, where(func(h *calendar.HistoryRow) bool { return h.Change > 10 && h.Change < 20 })},
			{calendar.HistoryQuery{Calendars: true}, nil},
		} {
			c.q.Data = true
			wantHistory(t, tx, c.q, c.want...)
			q := c.q
			for q.Limit = 4; ; { // in pages
				page := history(t, tx, q)
				if len(page) == 0 {
					break
				}
				if n := len(page); n > len(c.want) || !cmp.Equal(page, c.want[:n], cmpopts.EquateEmpty()) {
					t.Fatalf("%+v: in pages %v", c.q, page)
				}
				c.want = c.want[len(page):]
				q.Before, q.BeforeSeq = page[len(page)-1].Change, page[len(page)-1].Seq
			}
			if len(c.want) > 0 {
				t.Errorf("%+v: %d are missing in pages", c.q, len(c.want))
			}
		}
		for _, c := range []struct {
			q    calendar.HistoryQuery
			want []calendar.HistoryRow
		}{
			{calendar.HistoryQuery{Cal: 2, Name: "n3.ics", After: 5}, where(func(h *calendar.HistoryRow) bool { return h.Change == 7 })},
			{calendar.HistoryQuery{Cal: 2, Name: "n3.ics", UID: "uid-2", After: 5}, where(func(h *calendar.HistoryRow) bool { return h.Change == 11 })},
			{calendar.HistoryQuery{Cal: 2, Name: "n3.ics", After: 27}, nil},
			{calendar.HistoryQuery{Cal: 1, Name: "n3.ics"}, nil},
		} {
			c.q.Data, c.q.Next = true, true
			wantHistory(t, tx, c.q, c.want...)
		}
		for _, h := range history(t, tx, calendar.HistoryQuery{Limit: 3}) {
			if h.Object.Data != nil || h.Object.Size != len("text 28") {
				t.Errorf("without a text: %+v", h)
			}
		}
		if err := tx.History(calendar.HistoryQuery{}, func(*calendar.HistoryRow) error { return errBoom }); err != errBoom {
			t.Errorf("an error of fn: %v", err)
		}
		if h := homeOf(t, tx); h.HistoryAt != rows[0].When || !h.HistoryFrom.IsZero() || h.History < all*calendar.HistoryOverhead || h.Bytes != 0 {
			t.Errorf("the home: %+v", h)
		}
		return nil
	})
	view(t, s, "bert", func(tx calendar.ReadTx) error { wantHistory(t, tx, calendar.HistoryQuery{}); return nil })
}

// testKeepCalendar: a calendar that goes leaves all that is needed to bring it back.
func testKeepCalendar(t *testing.T, s calendar.Store) {
	row := calendar.CalendarRow{ID: 7, Name: "work", DisplayName: "Büro", ACL: acl.MustParse("@^a^r^g"), Components: "VEVENT", Created: day, Modified: day}
	file := calendar.AttachmentRow{Cal: 7, Name: "b.ics", ID: "f1", ClientID: "c", File: "plan.pdf", Type: "application/pdf", Size: 4, Created: day, Data: []byte("%PDF")}
	const many = 700 // more than a page
	var want []calendar.HistoryRow
	first := next(t, s, anna)
	row.Change = first
	update(t, s, anna, func(tx calendar.Tx) error {
		if err := tx.InsertCalendar(row); err != nil {
			return err
		}
		for i := range many {
			o := object(7, fmt.Sprintf("%04d.ics", i), fmt.Sprint("u", i), fmt.Sprint("text ", i))
			o.Change, o.Since, o.Origin, o.By, o.Private, o.Size = first, first, calendar.Origin{Via: "caldav"}, "anna", 1, len(o.Data)
			if err := tx.PutObject(o); err != nil {
				return err
			}
			h := calendar.HistoryRow{Seq: int64(i + 1), End: calendar.WentAlong, Calendar: "work", Object: o}
			if i%100 == 3 {
				h.Props = []calendar.DeadProp{{Space: "s", Local: "l", Value: fmt.Sprint(i)}}
				if err := tx.SetProp(7, o.Name, h.Props[0]); err != nil {
					return err
				}
			}
			want = append(want, h)
		}
		gone := object(7, "gone.ics", "gone", "x")
		gone.Change = first
		if err := tx.PutObject(gone); err != nil {
			return err
		}
		if err := tx.DeleteObject(7, "gone.ics", first, day, "anna"); err != nil {
			return err
		}
		return tx.PutAttachment(file)
	})
	change, when := next(t, s, anna), day.Add(time.Hour)
	kept, err := calendar.CalendarVersion(row, []calendar.DeadProp{{Space: "a", Local: "b", Value: "c"}})
	if err != nil {
		t.Fatal(err)
	}
	kept.Change, kept.When, kept.By, kept.How = change, when, "bert", calendar.Origin{Via: "wcap"}
	update(t, s, anna, func(tx calendar.Tx) error {
		if err := tx.KeepCalendar(kept); err != nil {
			return err
		}
		return tx.DeleteCalendar(7, change, when)
	})
	f := calendar.FileVersion(file)
	f.Calendar, f.Seq = "work", many+1
	want = append(want, f)
	for i := range want {
		w := &want[i]
		w.Change, w.When, w.By, w.How = change, when, kept.By, kept.How
	}
	want = append([]calendar.HistoryRow{kept}, want...)
	slices.Reverse(want)
	view(t, s, anna, func(tx calendar.ReadTx) error {
		// What is much may come to the history later: this is run again then.
		if err := tx.History(calendar.HistoryQuery{Limit: 1}, func(*calendar.HistoryRow) error { return nil }); err != nil {
			return err
		}
		wantHistory(t, tx, calendar.HistoryQuery{Data: true}, want...)
		wantHistory(t, tx, calendar.HistoryQuery{Calendars: true, Data: true}, kept)
		back := history(t, tx, calendar.HistoryQuery{UID: "f1", Data: true})
		if len(back) != 1 || !cmp.Equal(back[0].File(), file) {
			t.Errorf("the file: %+v", back)
		}
		again, err := kept.CalendarRow()
		if d := cmp.Diff(row, again); d != "" || err != nil {
			t.Errorf("the calendar: %s %v", d, err)
		}
		if h := homeOf(t, tx); h.Bytes != 0 || h.HistoryAt != when {
			t.Errorf("the home: %+v", h)
		}
		return nil
	})
}

// A version that replaced another says so, if it is asked.
func testReplaces(t *testing.T, s calendar.Store) {
	for _, v := range []struct {
		name  string
		since int64
		end   calendar.Ending
	}{{"a.ics", 0, calendar.Replaced}, {"a.ics", 1, calendar.Removed}, {"b.ics", 2, calendar.Removed}, {"a.ics", 2, calendar.Replaced}, {"a.ics", 4, calendar.Replaced}} {
		h := aVersion(next(t, s, anna))
		h.End, h.Object.Cal, h.Object.Name, h.Object.UID, h.Object.Since = v.end, 1, v.name, v.name, v.since
		update(t, s, anna, func(tx calendar.Tx) error { return tx.PutHistory(h) })
	}
	view(t, s, anna, func(tx calendar.ReadTx) error {
		for _, q := range []calendar.HistoryQuery{{}, {Cal: 1}, {UID: "a.ics"}, {Cal: 1, Name: "a.ics", Data: true, Expect: 1}} {
			q.Replaces = true
			for _, h := range history(t, tx, q) {
				if want := h.Change == 2 || h.Change == 5; h.Replaces != want {
					t.Errorf("%+v: the version that ended with change %d replaced one: %v", q, h.Change, h.Replaces)
				}
			}
		}
		return nil
	})
}

func testPurgeHistory(t *testing.T, s calendar.Store) {
	each := int64(0)
	for n := range int64(20) {
		next(t, s, anna)
		h := aVersion(100 + n)
		h.Change, h.When = n+1, day.Add(time.Duration(n)*time.Minute)
		more := h
		more.Seq = 1
		update(t, s, anna, func(tx calendar.Tx) error {
			if err := tx.PutHistory(h); err != nil {
				return err
			}
			return tx.PutHistory(more)
		})
		view(t, s, anna, func(tx calendar.ReadTx) error { each = homeOf(t, tx).History / (2*n + 2); return nil })
	}
	purge := func(before time.Time, octets int64, want, left int, from time.Time) {
		t.Helper()
		update(t, s, anna, func(tx calendar.Tx) error {
			n, err := tx.PurgeHistory(before, octets)
			if n != want {
				t.Errorf("%d are forgotten, want %d", n, want)
			}
			return err
		})
		view(t, s, anna, func(tx calendar.ReadTx) error {
			h := homeOf(t, tx)
			if n := len(history(t, tx, calendar.HistoryQuery{})); n != left || h.History != each*int64(left) || !h.HistoryFrom.Equal(from) {
				t.Errorf("%d are left, want %d; the home: %+v, want it from %v", n, left, h, from)
			}
			return nil
		})
	}
	purge(day, 0, 0, 40, time.Time{})
	purge(day.Add(3*time.Minute), 0, 6, 34, day.Add(2*time.Minute))
	purge(time.Time{}, 34*each, 0, 34, day.Add(2*time.Minute))
	purge(time.Time{}, 31*each, 4, 30, day.Add(4*time.Minute)) // all of one change together
	update(t, s, anna, func(tx calendar.Tx) error { return tx.SkipHistory(day.Add(5 * time.Minute)) })
	purge(time.Time{}, 30*each, 0, 30, day.Add(5*time.Minute))
	purge(day.Add(time.Hour), 0, 30, 0, day.Add(19*time.Minute))
	purge(day.Add(time.Hour), 1, 0, 0, day.Add(19*time.Minute))
}
