package storetest

import (
	"testing"

	"factotum/server/calendar"

	"github.com/google/go-cmp/cmp"
)

func testAttachments(t *testing.T, s calendar.Store) {
	makeCalendar(t, s, anna, 1, "calendar")
	makeCalendar(t, s, anna, 2, "other")
	one := calendar.AttachmentRow{Cal: 1, Name: "a", ID: "1", ClientID: "c", File: "ä.txt", Type: "text/plain", Size: 3, Created: day, Data: []byte("\x00\xffx")}
	two := one
	two.ID, two.Data, two.Size = "2", []byte{}, 0
	other := one
	other.Cal, other.Name = 2, "b"
	update(t, s, anna, func(tx calendar.Tx) error {
		for _, a := range []calendar.AttachmentRow{two, one, other} {
			if err := tx.PutAttachment(a); err != nil {
				return err
			}
		}
		return tx.PutAttachment(one) // again
	})
	meta := func(rows ...calendar.AttachmentRow) []calendar.AttachmentRow {
		for i := range rows {
			rows[i].Data = nil
		}
		return rows
	}
	want := func(what string, cal int64, name string, want ...calendar.AttachmentRow) {
		t.Helper()
		view(t, s, anna, func(tx calendar.ReadTx) error {
			got, err := tx.Attachments(cal, name)
			if d := cmp.Diff(want, got); d != "" || err != nil {
				t.Errorf("%s: %v %s", what, err, d)
			}
			return nil
		})
	}
	want("stored", 1, "a", meta(one, two)...)
	view(t, s, anna, func(tx calendar.ReadTx) error {
		got, ok, err := tx.Attachment(1, "a", "1")
		if d := cmp.Diff(one, got); d != "" || !ok || err != nil {
			t.Errorf("Attachment: %v %v %s", ok, err, d)
		}
		if _, ok, err := tx.Attachment(1, "a", "3"); ok || err != nil {
			t.Errorf("Attachment of an unknown id: %v %v", ok, err)
		}
		held, err := tx.AttachmentHolders("1")
		if d := cmp.Diff(meta(one, other), held); d != "" || err != nil {
			t.Errorf("AttachmentHolders: %v %s", err, d)
		}
		var all []calendar.AttachmentRow
		err = tx.AllAttachments(func(a calendar.AttachmentRow, octets int64) {
			if all = append(all, a); a.Size != octets {
				t.Errorf("AllAttachments: %s has %d octets, not %d", a.ID, octets, a.Size)
			}
		})
		if d := cmp.Diff(meta(one, two, other), all); d != "" || err != nil {
			t.Errorf("AllAttachments: %v %s", err, d)
		}
		return nil
	})
	sum := func(what string, want int64) {
		t.Helper()
		view(t, s, anna, func(tx calendar.ReadTx) error {
			if h, _, err := tx.Home(); h.Bytes != want || err != nil {
				t.Errorf("%s: the home has %d octets, want %d (%v)", what, h.Bytes, want, err)
			}
			return nil
		})
	}
	sum("stored", 6)
	view(t, s, "ben", func(tx calendar.ReadTx) error {
		held, err := tx.AttachmentHolders("1")
		if len(held) != 0 || err != nil {
			t.Errorf("of another owner: %v %v", held, err)
		}
		return nil
	})
	update(t, s, anna, func(tx calendar.Tx) error { return tx.DeleteAttachments(1, "a", "1") })
	want("one deleted", 1, "a", meta(two)...)
	sum("one deleted", 3)
	update(t, s, anna, func(tx calendar.Tx) error {
		longer := two
		longer.Data = []byte("12345")
		return tx.PutAttachment(longer)
	})
	sum("one replaced", 8)
	update(t, s, anna, func(tx calendar.Tx) error { return tx.DeleteAttachments(1, "a", "") })
	want("all deleted", 1, "a")
	sum("all deleted", 3)
	row := object(2, "b", "b", "b")
	row.Attached, row.Private = true, 2
	change := put(t, s, anna, row)
	view(t, s, anna, func(tx calendar.ReadTx) error {
		got, ok, err := tx.Object(2, "b", false)
		if !ok || err != nil || !got.Attached || got.Private != 2 {
			t.Errorf("the mark of an object: %+v %v", got, err)
		}
		return nil
	})
	update(t, s, anna, func(tx calendar.Tx) error { return tx.DeleteCalendar(2, change+1, day) })
	want("of a deleted calendar", 2, "b")
	sum("of a deleted calendar", 0)
}
