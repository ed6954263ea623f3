package service

import (
	"fmt"
	"time"

	"factotum/server/calendar"
)

// keepsHistory tells whether versions of what is in a collection are kept: not of
// what the server itself puts there for somebody.
func (w *writer) keepsHistory(row *calendar.CalendarRow) bool {
	return row.Kind.Rules().Made
}

// origin is how the actor makes a version, or ends one.
func (w *writer) origin() calendar.Origin {
	return calendar.Origin{Via: w.who.Via, Client: w.who.Client, Undoes: w.undoes}
}

// notBefore is now, but not before the last row of the history, whatever the clock
// does: times of versions are in the order of their changes.
func (w *writer) notBefore() (time.Time, error) {
	home, _, err := w.Home()
	if home.HistoryAt.After(w.now) {
		return home.HistoryAt, err
	}
	return w.now, err
}

// keepVersion adds to the history what a change ends. old has its text.
func (w *writer) keepVersion(ch *calendar.Change, row *calendar.CalendarRow, old calendar.ObjectRow, props []calendar.DeadProp, end calendar.Ending, to *calendar.Ref) error {
	if !w.keepsHistory(row) {
		return nil
	}
	h := calendar.HistoryRow{Change: ch.Number, End: end, Calendar: row.Name, Props: props, Object: old}
	if to != nil {
		h.To = to.String()
	}
	return w.putHistory(h)
}

// keepFile adds a file that no text names any more.
func (w *writer) keepFile(ch *calendar.Change, row *calendar.CalendarRow, a calendar.AttachmentRow, seq int64) error {
	if !w.keepsHistory(row) || w.s.opt.HistoryAge < 0 {
		return nil
	}
	a, ok, err := w.Attachment(a.Cal, a.Name, a.ID)
	if err != nil || !ok {
		return err
	}
	h := calendar.FileVersion(a)
	h.Change, h.Seq, h.Calendar = ch.Number, seq, row.Name
	return w.putHistory(h)
}

// keepCalendar adds a calendar with all that is in it.
func (w *writer) keepCalendar(ch *calendar.Change, row calendar.CalendarRow) error {
	if !w.keepsHistory(&row) {
		return nil
	}
	h, err := calendar.CalendarVersion(row, ch.PropsBefore)
	if err != nil {
		return err
	}
	h.Change = ch.Number
	return w.addHistory(h, w.tx.KeepCalendar)
}

func (w *writer) putHistory(h calendar.HistoryRow) error { return w.addHistory(h, w.tx.PutHistory) }

// addHistory completes a row and stores it. The history keeps within its bound.
func (w *writer) addHistory(h calendar.HistoryRow, add func(calendar.HistoryRow) error) error {
	if w.s.opt.HistoryAge < 0 {
		return w.tx.SkipHistory(w.now)
	}
	var err error
	if h.When, err = w.notBefore(); err != nil {
		return err
	}
	h.By, h.How = w.who.User, w.origin()
	if err := add(h); err != nil {
		return fmt.Errorf("keep a version: %w", err)
	}
	if home, _, err := w.Home(); err != nil || home.History <= w.s.opt.HistoryBytes {
		return err
	}
	// Some more than must be, so that not every write has to.
	if _, err := w.tx.PurgeHistory(time.Time{}, w.s.opt.HistoryBytes-w.s.opt.HistoryBytes/64); err != nil {
		return fmt.Errorf("purge the history: %w", err)
	}
	return nil
}

// purgeHistory forgets versions that ended too long ago, or all where no history is
// to be kept.
func (w *writer) purgeHistory() error {
	before := w.now.Add(-w.s.opt.HistoryAge)
	if w.s.opt.HistoryAge < 0 {
		before = time.Unix(1<<40, 0)
	}
	if _, err := w.tx.PurgeHistory(before, w.s.opt.HistoryBytes); err != nil {
		return fmt.Errorf("purge the history: %w", err)
	}
	return nil
}
