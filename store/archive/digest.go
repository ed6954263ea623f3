package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"time"

	"factotum/server/calendar"
)

// digest tells what a home had at one of its numbers: a sum for each calendar by its
// name, and one of the rest under "". What has no number is not in it: jobs, the
// journal, registrations; nor the history, which is purged without one.
type digest struct {
	Owner  calendar.Owner    `json:"owner"`
	Change int64             `json:"change"`
	Sums   map[string]string `json:"sums"`
	Own    bool              `json:"own,omitzero"` // the properties of calendars themselves are in it: earlier releases left them out
}

// digestOf reads all of a home; nil where there is none.
func digestOf(tx calendar.ReadTx, owner calendar.Owner) (*digest, error) {
	return digestLike(tx, owner, true)
}

// digestLike is digestOf, with the properties of calendars themselves or without.
func digestLike(tx calendar.ReadTx, owner calendar.Owner, own bool) (*digest, error) {
	h, ok, err := tx.Home()
	if err != nil || !ok {
		return nil, err
	}
	d := &digest{Owner: owner, Change: h.Change, Own: own}
	s := newSums()
	fmt.Fprintf(s.of(""), "%d octets\n", h.Bytes)
	_, _, err = (&image{owner: owner, noOwn: !own, emit: s.add}).take(tx)
	d.Sums = s.spelled()
	return d, err
}

// sums are those of the calendars of a home, by their names.
type sums struct {
	by    map[string]hash.Hash
	names map[int64]string
	whole bool // with what has no number
}

func newSums() *sums { return &sums{by: map[string]hash.Hash{}, names: map[int64]string{}} }

func (s *sums) of(name string) hash.Hash {
	if s.by[name] == nil {
		s.by[name] = sha256.New()
	}
	return s.by[name]
}

func (s *sums) spelled() map[string]string {
	out := map[string]string{}
	for name, h := range s.by {
		out[name] = hex.EncodeToString(h.Sum(nil)[:16])
	}
	return out
}

// add takes a line of an image in.
func (s *sums) add(t *txn) error {
	for i := range t.Ops {
		o := t.Ops[i]
		o.spell()
		name, counts := "", true
		switch o.Kind {
		case opPutJob, opPutTrace, opPutRegistration, opPutHistory, opSetToken:
			counts = s.whole
		case opHome:
			h := *o.Home
			if h.History = (time.Time{}); !s.whole {
				h.Entry = ""
			}
			o.Home = &h
		case opInsertCalendar:
			name = o.Calendar.Name
			s.names[o.Calendar.ID] = name
		case opPut, opPutIndexed:
			name = s.names[o.Object.Cal]
		case opPutAttachment:
			name = s.names[o.File.Cal]
		default:
			name = s.names[o.Cal]
		}
		if !counts {
			continue
		}
		if err := json.NewEncoder(s.of(name)).Encode(&o); err != nil {
			return err
		}
	}
	return nil
}

// differs names what is not the same in two digests of one number, "" if all is.
func (d *digest) differs(o *digest) string {
	for name, s := range sorted(d.Sums) {
		if o.Sums[name] != s {
			return d.called(name)
		}
	}
	for name := range sorted(o.Sums) {
		if _, ok := d.Sums[name]; !ok {
			return d.called(name)
		}
	}
	return ""
}

func (d *digest) called(name string) string {
	if name == "" {
		return "the home of " + string(d.Owner)
	}
	return "calendar " + string(calendar.NewID(d.Owner, name))
}

// summer counts and sums what goes through it.
type summer struct {
	w   io.Writer
	sum hash.Hash
	n   int64
}

func newSummer(w io.Writer) *summer { return &summer{w: w, sum: sha256.New()} }

func (s *summer) Write(b []byte) (int, error) {
	n, err := s.w.Write(b)
	s.sum.Write(b[:n])
	s.n += int64(n)
	return n, err
}

func (s *summer) String() string { return hex.EncodeToString(s.sum.Sum(nil)) }

// Differences lists the calendars, by their names, that are not the same in two stores:
// those of homes that only one has too.
func Differences(ctx context.Context, a, b calendar.Store) (list []calendar.ID, err error) {
	seen := map[calendar.Owner]bool{}
	for _, s := range []calendar.Store{a, b} {
		err := eachOwner(ctx, s, 0, func(owner calendar.Owner) error {
			if seen[owner] {
				return nil
			}
			seen[owner] = true
			var sums [2]map[string]string
			for i, s := range []calendar.Store{a, b} {
				err := s.View(ctx, owner, func(tx calendar.ReadTx) error {
					d, err := digestOf(tx, owner)
					if d != nil {
						sums[i] = d.Sums
					}
					return err
				})
				if err != nil {
					return err
				}
			}
			names := map[string]bool{}
			for i := range sums {
				for name := range sums[i] {
					names[name] = names[name] || sums[0][name] != sums[1][name]
				}
			}
			delete(names, "") // it follows from the rest, mostly
			for name, differs := range sorted(names) {
				if differs {
					list = append(list, calendar.NewID(owner, name))
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}
