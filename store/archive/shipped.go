package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"factotum/server/calendar"
)

// What a standby gets (store/standby) is the log's lines: of each transaction before it is
// committed, and images of homes that are not the same on both sides.

// Spelled is what a transaction did, in lines of the log.
type Spelled struct {
	Owner  calendar.Owner
	Change int64 // of the home afterwards
	lines  []*record
}

// annotated is a transaction that takes a note along, until it is committed.
type annotated interface{ Annotate(note any) }

// annotate has a transaction's lines go to who is told before its commit.
func annotate(tx calendar.Tx, owner calendar.Owner, lines ...*record) {
	if a, ok := tx.(annotated); ok {
		a.Annotate(&Spelled{Owner: owner, Change: lines[len(lines)-1].Txn.Change, lines: lines})
	}
}

// Append spells the lines at the end of buf.
func (s *Spelled) Append(buf *bytes.Buffer) error {
	for _, r := range s.lines {
		if r.spelled != nil {
			appendSpelled(buf, r.spelled, r.Txn.Time)
			continue
		}
		r.spell()
		if err := appendLine(buf, r); err != nil {
			return err
		}
	}
	return nil
}

// Whole tells whether the lines make a home from nothing by more than one step, as the end
// of a move to this store does.
func (s *Spelled) Whole() bool { return len(s.lines) > 1 }

// Image tells whether the lines are of a home as it is, and not of a change.
func (s *Spelled) Image() bool { return s.lines[0].Txn.Image }

// Numbered tells whether the transaction took a number, so that who lacks it is known by that.
func (s *Spelled) Numbered() bool {
	for _, r := range s.lines {
		if r.Txn.Took == 0 {
			return false
		}
	}
	return true
}

// ImageOf sends a home as it is, in parts of one moment and of whole lines, with all that it has: also
// that there is nothing. The mark of one that comes from elsewhere is in the first part too: who has
// some of the parts only sees that it is not complete.
func ImageOf(ctx context.Context, from calendar.Store, owner calendar.Owner, send func(part []byte) error) error {
	return from.View(ctx, owner, func(tx calendar.ReadTx) error {
		s := &sender{send: send}
		id := calendar.MoveMark(owner)
		mark, marked, err := tx.Job(id.Change, id.Seq)
		if err != nil {
			return err
		}
		_, ok, err := (&image{owner: owner, whole: true, marks: true, emit: func(t *txn) error {
			if marked && len(t.Ops) > 0 && t.Ops[0].Kind == opHome {
				t.Ops = append([]op{{Kind: opDrop}, {Kind: opPutJob, job: &mark}}, t.Ops...)
			}
			return s.add(t)
		}}).take(tx)
		if err != nil {
			return err
		}
		if !ok {
			nothing := &txn{Owner: owner, Image: true, Ops: []op{{Kind: opDrop}}}
			jobs, err := tx.Jobs() // the mark of a home that was moved
			if err != nil {
				return err
			}
			for i := range jobs {
				nothing.Ops = append(nothing.Ops, op{Kind: opPutJob, job: &jobs[i]})
			}
			if err := s.add(nothing); err != nil {
				return err
			}
		}
		return s.flush()
	})
}

// Apply does again what lines say: those of one owner in their order, those of several at the
// same time. When it fails some of it may be done.
func Apply(ctx context.Context, to calendar.Store, part []byte) error {
	by := map[calendar.Owner][]*txn{}
	for lines := newLines(bytes.NewReader(part)); ; {
		var rec record
		err := lines.next(&rec)
		if err == io.EOF {
			break
		}
		if err == nil && (rec.Txn == nil || rec.Txn.Owner == "") {
			err = errors.New("it is of nobody")
		}
		if err != nil {
			return fmt.Errorf("what came is damaged: %w", err)
		}
		by[rec.Txn.Owner] = append(by[rec.Txn.Owner], rec.Txn)
	}
	errs := make(chan error, len(by))
	for owner, list := range by {
		go func() {
			errs <- to.Update(ctx, owner, func(tx calendar.Tx) error {
				load, ok := tx.(calendar.Loader)
				if !ok {
					return errors.New("this store cannot follow another")
				}
				for _, t := range list {
					if err := applyOne(tx, load, t); err != nil {
						return err
					}
				}
				return nil
			})
		}()
	}
	var err error
	for range by {
		err = errors.Join(err, <-errs)
	}
	return err
}

func applyOne(tx calendar.Tx, load calendar.Loader, t *txn) error {
	w := waiting{txn: t}
	if t.Image {
		if len(t.Ops) > 0 && t.Ops[0].Kind == opHome {
			w.Ops = slices.Insert(w.Ops, 0, op{Kind: opDrop})
		}
		return w.do(tx, load)
	}
	h, _, err := tx.Home()
	if err != nil {
		return err
	}
	if h.Change != t.Change-int64(t.Took) {
		return fmt.Errorf("a change of %s is missing: after number %d comes %d", t.Owner, h.Change, t.Change-int64(t.Took)+1)
	}
	return w.do(tx, load)
}

// Sum is a digest of all that a home has but the outcomes of requests, which are forgotten on
// both sides when they are old, and its number; "" where there is none.
func Sum(ctx context.Context, of calendar.Store, owner calendar.Owner) (sum string, change int64, err error) {
	err = of.View(ctx, owner, func(tx calendar.ReadTx) error {
		h, ok, err := tx.Home()
		if err != nil || !ok {
			return err
		}
		all := newSummer(io.Discard)
		fmt.Fprintf(all, "%d octets, %d\n", h.Bytes, h.Registered)
		enc := json.NewEncoder(all)
		change, _, err = (&image{owner: owner, whole: true, marks: true, emit: func(t *txn) error {
			for i := range t.Ops {
				o := &t.Ops[i]
				if o.Kind == opSetToken {
					continue
				}
				o.spell()
				if err := enc.Encode(o); err != nil {
					return err
				}
			}
			return nil
		}}).take(tx)
		sum = all.String()
		return err
	})
	return sum, change, err
}

// Census tells of each owner of whom a store has something which number his home has and which
// jobs there are: what differs between two stores mostly differs in this too.
func Census(ctx context.Context, of calendar.Store) (map[calendar.Owner]string, error) {
	n, ok := of.(numbered)
	if !ok {
		return nil, errors.New("this store does not tell its numbers")
	}
	all := map[calendar.Owner]string{}
	if err := n.Numbers(ctx, func(owner calendar.Owner, change int64) error {
		all[owner] = strconv.FormatInt(change, 10)
		return nil
	}); err != nil {
		return nil, err
	}
	jobs, err := of.Jobs(ctx, calendar.JobID{}, 0)
	if err != nil {
		return nil, err
	}
	for len(jobs) > 0 {
		owner, sum := jobs[0].Owner, sha256.New()
		for len(jobs) > 0 && jobs[0].Owner == owner {
			j := &jobs[0]
			fmt.Fprintln(sum, j.Change, j.Seq, j.Kind, j.Key, j.Due.UnixMicro(), j.Attempts, j.Parked)
			jobs = jobs[1:]
		}
		all[owner] += " " + hex.EncodeToString(sum.Sum(nil)[:8])
	}
	return all, nil
}

// OwnersOf are the owners whose homes lines are about.
func OwnersOf(part []byte) (list []calendar.Owner) {
	seen := map[calendar.Owner]bool{}
	for lines := newLines(bytes.NewReader(part)); ; {
		var rec struct {
			Txn *struct {
				Owner calendar.Owner `json:"owner"`
			} `json:"txn"`
		}
		if err := lines.next(&rec); err != nil {
			return list
		}
		if rec.Txn != nil && !seen[rec.Txn.Owner] {
			seen[rec.Txn.Owner] = true
			list = append(list, rec.Txn.Owner)
		}
	}
}
