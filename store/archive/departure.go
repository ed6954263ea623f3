package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"slices"
	"sync"

	"factotum/server/calendar"
)

// A home goes to another store as it goes into a backup: its image first, then what was
// committed since. Departure is the one end, Arrival the other.

// partOctets is after how many octets lines are sent.
const partOctets = 1 << 20

// mostTail is how much may wait to be sent after the image.
const mostTail = 64 << 20

// ErrTail says that a home changes faster than it can be copied, or that it is not known
// what was committed: the copy begins anew.
var ErrTail = errors.New("the home has to be copied once more")

// owners is a set of them.
type owners struct {
	mu  sync.Mutex
	all map[calendar.Owner]bool
}

func (s *owners) has(o calendar.Owner) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[o]
}

func (s *owners) set(o calendar.Owner, is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !is {
		delete(s.all, o)
		return
	}
	if s.all == nil {
		s.all = map[calendar.Owner]bool{}
	}
	s.all[o] = true
}

// departures are the homes that are being copied.
type departures struct {
	mu  sync.Mutex
	all map[calendar.Owner]*Departure
}

func (d *departures) of(owner calendar.Owner) *Departure {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.all[owner]
}

// note keeps what a transaction did, before the log spells it.
func (d *departures) note(t *txn, ops []op) {
	if of := d.of(t.Owner); of != nil {
		c := *t
		c.octets = 0
		c.Ops = slices.DeleteFunc(slices.Clone(ops), func(o op) bool {
			o.spell()
			return o.Kind == opPutJob && o.Job.Kind == calendar.JobMove || o.Kind == opDeleteJob && o.Change == calendar.MoveMark("").Change
		})
		of.note(&c)
	}
}

func (d *departures) lose(owner calendar.Owner) {
	if of := d.of(owner); of != nil {
		of.mu.Lock()
		defer of.mu.Unlock()
		of.lost, of.tail = true, nil
	}
}

// Departure is a home that is copied to another store while it is written to.
type Departure struct {
	k     *Keeper
	owner calendar.Owner

	mu     sync.Mutex
	tail   []*txn // committed and not sent
	octets int
	lost   bool

	change int64 // of the image
	sums   *sums
	ops    int // that were sent
}

// Depart notes from now on what is committed in a home, until Close.
func (k *Keeper) Depart(owner calendar.Owner) *Departure {
	d := &Departure{k: k, owner: owner}
	all := &k.log.departures
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.all == nil {
		all.all = map[calendar.Owner]*Departure{}
	}
	all.all[owner] = d
	return d
}

// Close ends it.
func (d *Departure) Close() {
	all := &d.k.log.departures
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.all[d.owner] == d {
		delete(all.all, d.owner)
	}
}

func (d *Departure) note(t *txn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(t.Ops) == 0 && t.Took == 0 || d.lost {
		return
	}
	d.tail = append(d.tail, t)
	if d.octets += t.size(); d.octets > mostTail {
		d.lost, d.tail = true, nil
	}
}

// sender makes parts of lines.
type sender struct {
	buf  bytes.Buffer
	send func([]byte) error
}

func (s *sender) add(t *txn) error {
	r := &record{Txn: t}
	r.spell()
	if err := appendLine(&s.buf, r); err != nil {
		return err
	}
	if s.buf.Len() < partOctets {
		return nil
	}
	return s.flush()
}

func (s *sender) flush() error {
	if s.buf.Len() == 0 {
		return nil
	}
	part := bytes.Clone(s.buf.Bytes())
	s.buf.Reset()
	return s.send(part)
}

// Image sends the home as it is, in parts of one moment. NoCalendar: there is none.
// send may be called again with what it was given before, from the beginning.
func (d *Departure) Image(ctx context.Context, send func(part []byte) error) error {
	return d.k.raw.View(ctx, d.owner, func(tx calendar.ReadTx) error {
		s := &sender{send: send}
		d.sums, d.ops = newSums(), 0
		d.sums.whole = true
		im := &image{owner: d.owner, whole: true, emit: func(t *txn) error {
			d.ops += len(t.Ops)
			if err := d.sums.add(t); err != nil {
				return err
			}
			return s.add(t)
		}}
		change, ok, err := im.take(tx)
		if err != nil {
			return err
		}
		if !ok {
			return &calendar.Error{Kind: calendar.NoCalendar, Op: "move", Ref: string(d.owner), Msg: fmt.Sprintf("%s has no calendars here", d.owner)}
		}
		d.change = change
		return s.flush()
	})
}

// Change is the number of the image.
func (d *Departure) Change() int64 { return d.change }

// Ops is how many rows the image had, more or less.
func (d *Departure) Ops() int { return d.ops }

// Sums are digests of what was sent by Image.
func (d *Departure) Sums() map[string]string { return d.sums.spelled() }

// Tail sends what was committed since the image, or since it was called last, and tells
// how many transactions there were.
func (d *Departure) Tail(ctx context.Context, send func(part []byte) error) (n int, err error) {
	d.mu.Lock()
	tail, lost := d.tail, d.lost
	d.tail, d.octets = nil, 0
	d.mu.Unlock()
	if lost {
		return 0, ErrTail
	}
	s := &sender{send: send}
	for _, t := range tail {
		if t.Change < d.change || t.Change == d.change && t.Took > 0 { // the image has it
			continue
		}
		n++
		if err := s.add(t); err != nil {
			return n, err
		}
	}
	return n, s.flush()
}

// Delta are digests of what a home has, of its objects and versions those that were
// changed after a number. Two that had the same at that number have the same now if
// these are equal.
func (k *Keeper) Delta(ctx context.Context, owner calendar.Owner, since int64) (all map[string]string, err error) {
	err = k.raw.View(ctx, owner, func(tx calendar.ReadTx) (err error) {
		all, err = delta(tx, owner, since)
		return err
	})
	return all, err
}

func delta(tx calendar.ReadTx, owner calendar.Owner, since int64) (map[string]string, error) {
	h, ok, err := tx.Home()
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	if !ok {
		return out, nil
	}
	rest := sha256.New()
	fmt.Fprintf(rest, "%d octets, %d, %s\n", h.Bytes, h.Registered, h.Entry)
	im := &image{owner: owner, change: h.Change, whole: true}
	im.emit = func(t *txn) error {
		for i := range t.Ops {
			t.Ops[i].spell()
			if err := json.NewEncoder(rest).Encode(&t.Ops[i]); err != nil {
				return err
			}
		}
		return nil
	}
	im.ops = append(im.ops, op{Kind: opHome, Home: &homeRow{Change: h.Change, Purged: h.Purged, Created: h.Created}})
	for _, part := range []func(calendar.ReadTx) error{im.prefs, im.gone, im.jobs, im.traces, im.registrations, im.tokens} {
		if err := part(tx); err != nil {
			return nil, err
		}
	}
	if err := tx.History(calendar.HistoryQuery{Data: true, After: since}, func(r *calendar.HistoryRow) error {
		row := *r
		row.Object.Data = slices.Clone(r.Object.Data)
		return im.add(len(row.Object.Data), op{Kind: opPutHistory, past: &row})
	}); err != nil {
		return nil, err
	}
	if err := im.flush(false); err != nil {
		return nil, err
	}
	out[""] = spelledSum(rest)
	rows, err := tx.Calendars()
	if err != nil {
		return nil, err
	}
	for i := range rows {
		if out[rows[i].Name], err = calendarDelta(tx, &rows[i], since); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func spelledSum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)[:16]) }

// calendarDelta is the digest of a calendar: of its row, of how much is in it, and of what
// was changed in it after a number.
func calendarDelta(tx calendar.ReadTx, row *calendar.CalendarRow, since int64) (string, error) {
	sum := sha256.New()
	enc := json.NewEncoder(sum)
	n, octets, err := tx.CountObjects(row.ID)
	if err != nil {
		return "", err
	}
	if err := errors.Join(enc.Encode(packCalendar(row)), enc.Encode([]int64{int64(n), octets})); err != nil {
		return "", err
	}
	own, err := tx.Props(row.ID, "")
	if err != nil {
		return "", err
	}
	if err := enc.Encode(own); err != nil {
		return "", err
	}
	var live []string
	if err := tx.Changes(row.ID, since, 0, true, func(o *calendar.ObjectRow) error {
		if o.Deleted.IsZero() {
			live = append(live, o.Name)
		}
		return errors.Join(enc.Encode(packObject(o)), enc.Encode(o.Deleted))
	}); err != nil {
		return "", err
	}
	for _, name := range live {
		occ, err := tx.ObjectOccurrences(row.ID, name)
		if err != nil {
			return "", err
		}
		index := packOccurrences(occ)
		slices.SortFunc(index, func(a, b occurrence) int { return slices.Compare(a[:], b[:]) })
		props, err := tx.Props(row.ID, name)
		if err != nil {
			return "", err
		}
		files, err := tx.Attachments(row.ID, name)
		if err != nil {
			return "", err
		}
		if err := errors.Join(enc.Encode(index), enc.Encode(props), enc.Encode(files)); err != nil {
			return "", err
		}
	}
	return spelledSum(sum), nil
}
