package archive

import (
	"context"
	"time"

	"factotum/server/calendar"
)

// Store is a calendar.Store whose transactions are written to a log as they commit.
type Store struct {
	calendar.Store
	log *log
}

// Update runs fn as the store does; what it did is in the log when it returns,
// though its disk has it a second later only.
func (s *Store) Update(ctx context.Context, owner calendar.Owner, fn func(calendar.Tx) error) error {
	ran := false
	var written <-chan struct{}
	err := s.Store.Update(ctx, owner, func(tx calendar.Tx) error {
		rec := &recorder{Tx: tx, t: txn{Owner: owner}}
		ran, written = false, nil
		if err := fn(rec); err != nil {
			return err
		}
		if ran = true; len(rec.t.Ops) > 0 || rec.t.Took > 0 {
			h, _, err := tx.Home()
			if err != nil {
				return err
			}
			if rec.t.Change = h.Change; h.Change == int64(rec.t.Took) {
				rec.t.Made = h.Created
			}
			line, ops := &record{Txn: &rec.t}, rec.t.Ops
			if s.log.listens() || s.log.ships.Load() {
				if text, err := spelled(&rec.t); err == nil { // else the log tells of it
					line.spelled, rec.t.Ops, rec.t.octets = text, nil, len(text)
				}
			}
			if s.log.ships.Load() {
				annotate(tx, owner, line)
			}
			tx.OnCommit(func() {
				s.log.departures.note(&rec.t, ops)
				written = s.log.add(line)
			})
		}
		return nil
	})
	if err != nil && ran {
		s.log.doubt(owner) // it may have been committed, or not
		s.log.departures.lose(owner)
	}
	s.log.await(written)
	return err
}

// txn is what a transaction did to a home, as a line of the log.
type txn struct {
	Time   time.Time      `json:"t"` // of its commit, never before that of the line above
	Owner  calendar.Owner `json:"owner"`
	Change int64          `json:"change"`         // of the home afterwards
	Took   int            `json:"took,omitzero"`  // numbers, the last of which is Change
	Made   time.Time      `json:"made,omitzero"`  // the home, if there was none before
	Image  bool           `json:"image,omitzero"` // the ops make the home from nothing
	More   bool           `json:"more,omitzero"`  // of an image: the next line goes on
	Ops    []op           `json:"ops,omitempty"`

	octets int // about what Ops had, where they are spelled elsewhere
}

func (t *txn) spell() {
	for i := range t.Ops {
		t.Ops[i].spell()
	}
}

// dropped tells that nothing is left of the home.
func (t *txn) dropped() bool { return t.Image && t.Change == 0 && !t.More }

// recorder notes what is done in a transaction, and what succeeded of it.
type recorder struct {
	calendar.Tx
	t txn
}

func (r *recorder) note(err error, o op) error {
	if err == nil {
		r.t.Ops = append(r.t.Ops, o)
	}
	return err
}

func (r *recorder) NextChange() (int64, error) {
	n, err := r.Tx.NextChange()
	if err == nil {
		r.t.Took++
	}
	return n, err
}

// LoadHome implements calendar.Loader.
func (r *recorder) LoadHome(h calendar.HomeRow) error {
	return r.note(r.Tx.(calendar.Loader).LoadHome(h), op{Kind: opHome, Home: &homeRow{h.Change, h.Purged, h.Created, h.Entry, h.HistoryFrom}})
}

// DropHome implements calendar.Loader. What comes after it makes the home from nothing.
func (r *recorder) DropHome() error {
	err := r.note(r.Tx.(calendar.Loader).DropHome(), op{Kind: opDrop})
	r.t.Image = r.t.Image || err == nil
	return err
}

func (r *recorder) SetEntry(entry string) error {
	return r.note(r.Tx.SetEntry(entry), op{Kind: opSetEntry, Value: entry})
}

func (r *recorder) Recount() error { return r.note(r.Tx.Recount(), op{Kind: opRecount}) }

func (r *recorder) InsertCalendar(row calendar.CalendarRow) error {
	return r.note(r.Tx.InsertCalendar(row), op{Kind: opInsertCalendar, Calendar: packCalendar(&row)})
}

func (r *recorder) UpdateCalendar(row calendar.CalendarRow) error {
	return r.note(r.Tx.UpdateCalendar(row), op{Kind: opUpdateCalendar, Calendar: packCalendar(&row)})
}

func (r *recorder) TouchCalendar(id, change int64, modified time.Time) error {
	return r.note(r.Tx.TouchCalendar(id, change, modified), op{Kind: opTouchCalendar, Cal: id, Change: change, When: modified})
}

func (r *recorder) DeleteCalendar(id, change int64, when time.Time) error {
	return r.note(r.Tx.DeleteCalendar(id, change, when), op{Kind: opDeleteCalendar, Cal: id, Change: change, When: when})
}

func (r *recorder) PutObject(row calendar.ObjectRow) error {
	return r.note(r.Tx.PutObject(row), op{Kind: opPut, object: &row})
}

func (r *recorder) PutIndexed(row calendar.ObjectRow, occ []calendar.OccurrenceRow) error {
	return r.note(r.Tx.PutIndexed(row, occ), op{Kind: opPutIndexed, object: &row, occ: occ})
}

func (r *recorder) DeleteObject(cal int64, name string, change int64, when time.Time, by calendar.UserID) error {
	return r.note(r.Tx.DeleteObject(cal, name, change, when, by), op{Kind: opDelete, Cal: cal, Name: name, Change: change, When: when, By: string(by)})
}

func (r *recorder) Purge(cal int64, from, before time.Time) (int, error) {
	n, err := r.Tx.Purge(cal, from, before)
	return n, r.note(err, op{Kind: opPurge, Cal: cal, From: from, When: before})
}

func (r *recorder) PurgeCalendars(from, before time.Time) (int, error) {
	n, err := r.Tx.PurgeCalendars(from, before)
	return n, r.note(err, op{Kind: opPurgeCalendars, From: from, When: before})
}

func (r *recorder) SetOccurrences(cal int64, name string, rows []calendar.OccurrenceRow) error {
	return r.note(r.Tx.SetOccurrences(cal, name, rows), op{Kind: opOccurrences, Cal: cal, Name: name, occ: rows})
}

func (r *recorder) SetProp(cal int64, name string, p calendar.DeadProp) error {
	return r.note(r.Tx.SetProp(cal, name, p), op{Kind: opSetProp, Cal: cal, Name: name, Prop: (*propRow)(&p)})
}

func (r *recorder) DeleteProp(cal int64, name, space, local string) error {
	return r.note(r.Tx.DeleteProp(cal, name, space, local), op{Kind: opDeleteProp, Cal: cal, Name: name, Prop: &propRow{Space: space, Local: local}})
}

func (r *recorder) DeleteProps(cal int64, name string) error {
	return r.note(r.Tx.DeleteProps(cal, name), op{Kind: opDeleteProps, Cal: cal, Name: name})
}

func (r *recorder) PutAttachment(row calendar.AttachmentRow) error {
	return r.note(r.Tx.PutAttachment(row), op{Kind: opPutAttachment, file: &row})
}

func (r *recorder) DeleteAttachments(cal int64, name, id string) error {
	return r.note(r.Tx.DeleteAttachments(cal, name, id), op{Kind: opDeleteAttachments, Cal: cal, Name: name, ID: id})
}

func (r *recorder) SetPref(key, value string) error {
	return r.note(r.Tx.SetPref(key, value), op{Kind: opSetPref, ID: key, Value: value})
}

func (r *recorder) DeletePref(key string) error {
	return r.note(r.Tx.DeletePref(key), op{Kind: opDeletePref, ID: key})
}

func (r *recorder) SetToken(token string, result []byte, when time.Time) error {
	return r.note(r.Tx.SetToken(token, result, when), op{Kind: opSetToken, ID: token, Value: string(result), When: when})
}

func (r *recorder) PutJob(job calendar.Job) error {
	return r.note(r.Tx.PutJob(job), op{Kind: opPutJob, job: &job})
}

func (r *recorder) DeleteJob(change int64, seq int) error {
	return r.note(r.Tx.DeleteJob(change, seq), op{Kind: opDeleteJob, Change: change, Seq: seq})
}

func (r *recorder) PutTrace(tr calendar.Trace) error {
	return r.note(r.Tx.PutTrace(tr), op{Kind: opPutTrace, Trace: packTrace(&tr)})
}

func (r *recorder) PurgeTraces(before time.Time, keep int) (int, error) {
	n, err := r.Tx.PurgeTraces(before, keep)
	if n == 0 && err == nil {
		return 0, nil
	}
	return n, r.note(err, op{Kind: opPurgeTraces, When: before, Keep: keep})
}

func (r *recorder) PutRegistration(row calendar.RegistrationRow) error {
	return r.note(r.Tx.PutRegistration(row), op{Kind: opPutRegistration, Registration: packRegistration(&row)})
}

func (r *recorder) DeleteRegistration(id string) error {
	return r.note(r.Tx.DeleteRegistration(id), op{Kind: opDeleteRegistration, ID: id})
}

func (r *recorder) PutHistory(row calendar.HistoryRow) error {
	return r.note(r.Tx.PutHistory(row), op{Kind: opPutHistory, past: &row})
}

func (r *recorder) KeepCalendar(row calendar.HistoryRow) error {
	return r.note(r.Tx.KeepCalendar(row), op{Kind: opKeepCalendar, past: &row})
}

func (r *recorder) PurgeHistory(before time.Time, bytes int64) (int, error) {
	n, err := r.Tx.PurgeHistory(before, bytes)
	if n == 0 && err == nil {
		return 0, nil
	}
	return n, r.note(err, op{Kind: opPurgeHistory, When: before, Keep: int(bytes)})
}

func (r *recorder) SkipHistory(when time.Time) error {
	return r.note(r.Tx.SkipHistory(when), op{Kind: opSkipHistory, When: when})
}
