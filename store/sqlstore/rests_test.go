package sqlstore

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/store/storetest/pgtest"

	"github.com/google/go-cmp/cmp"
)

// openers make a store on each engine, and open it anew.
func openers(t testing.TB) map[string]func(pieces) *Store {
	dir := t.TempDir()
	all := map[string]func(pieces) (*Store, error){
		"sqlite": func(p pieces) (*Store, error) { return OpenSQLite(bg, dir, Options{Relaxed: true, pieces: p}) },
	}
	dsn := ""
	all["postgres"] = func(p pieces) (*Store, error) {
		if dsn == "" {
			dsn = pgtest.Start(t)
		}
		return OpenPostgres(bg, dsn, Options{Relaxed: true, pieces: p})
	}
	out := map[string]func(pieces) *Store{}
	for name, open := range all {
		out[name] = func(p pieces) *Store {
			s, err := open(p)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			return s
		}
	}
	return out
}

// rowsOf spells what the tables have, but for the ids of texts and the clock.
func rowsOf(t testing.TB, s *Store) (list []string) {
	t.Helper()
	err := s.engine.read(bg, func(c conn) error {
		list = nil
		for _, text := range []string{
			`SELECT 'owner ' || owner || ' ' || change || ' ' || purged || ' ' || bytes || ' ' || objects || ' ' || history || ' ' || historyat || ' ' || historyfrom FROM owners ORDER BY owner`,
			`SELECT 'calendar ' || owner || ' ' || id || ' ' || name || ' ' || change || ' ' || deleted FROM calendars ORDER BY owner, id`,
			`SELECT 'object ' || o.owner || ' ' || cal || ' ' || name || ' ' || change || ' ' || deleted || ' ' || size || ' ' || length(b.data) FROM objects o LEFT JOIN bodies b ON b.owner = o.owner AND b.id = o.body ORDER BY o.owner, cal, name`,
			`SELECT 'bodies ' || count(*) FROM bodies`,
			`SELECT 'occurrence ' || owner || ' ' || cal || ' ' || name || ' ' || start_at FROM occurrences ORDER BY owner, cal, name, start_at`,
			`SELECT 'prop ' || owner || ' ' || cal || ' ' || name || ' ' || local || ' ' || value FROM props ORDER BY owner, cal, name, local`,
			`SELECT 'file ' || owner || ' ' || cal || ' ' || name || ' ' || id || ' ' || size FROM attachments ORDER BY owner, cal, name, id`,
			`SELECT 'version ' || owner || ' ' || change || ' ' || seq || ' ' || at || ' ' || ending || ' ' || actor || ' ' || how || ' ' || cal || ' ' || calname || ' ' || name || ' ' || uid || ' ' || version || ' ' || size || ' ' || props || ' ' || length(data) FROM history ORDER BY owner, change, seq`,
			`SELECT 'rest ' || owner || ' ' || cal || ' ' || change || ' ' || keeps FROM rests ORDER BY owner, cal, change`,
		} {
			if err := c.query(text, nil, func(r scanner) error {
				list = append(list, "")
				return r.scan(&list[len(list)-1])
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func rests(t testing.TB, s *Store) (list []string) {
	t.Helper()
	for _, row := range rowsOf(t, s) {
		if strings.HasPrefix(row, "rest ") {
			list = append(list, row)
		}
	}
	return list
}

// pair has one store that leaves rests, and one that does not. What is done to the first is done
// to the second, and at the end both have the same.
type pair struct {
	t        *testing.T
	reopen   func(pieces) *Store
	a, b     *Store
	rnd      *rand.Rand
	now      time.Time
	cals     []int64 // of anna that live
	last     int64
	restless int // how often there were rests

	batch int // what is done in one transaction
	next  []func(tx calendar.Tx) error
}

// both does something later, with what comes next.
func (p *pair) both(fn func(tx calendar.Tx) error) {
	p.t.Helper()
	if p.next = append(p.next, fn); len(p.next) >= p.batch {
		p.flush()
	}
}

func (p *pair) flush() {
	p.t.Helper()
	for _, s := range []*Store{p.a, p.b} {
		if err := s.Update(bg, "anna", func(tx calendar.Tx) error {
			for _, fn := range p.next {
				if err := fn(tx); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			p.t.Fatal(err)
		}
	}
	p.next = nil
	if len(rests(p.t, p.a)) > 0 {
		p.restless++
	}
}

func (p *pair) history(s *Store) (list []string) {
	err := s.View(bg, "anna", func(tx calendar.ReadTx) error {
		list = nil
		return tx.History(calendar.HistoryQuery{Data: true}, func(h *calendar.HistoryRow) error {
			list = append(list, fmt.Sprint(h.Change, h.Seq, h.When, h.End, h.By, h.Calendar, h.Object.Cal, h.Object.Name, h.Object.UID, h.Props, string(h.Object.Data)))
			return nil
		})
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return list
}

func (p *pair) insert() {
	p.last++
	id := p.last
	p.both(func(tx calendar.Tx) error {
		n, err := tx.NextChange()
		if err != nil {
			return err
		}
		return tx.InsertCalendar(calendar.CalendarRow{ID: id, Name: fmt.Sprint("c", id), Change: n, Created: epoch, Modified: epoch})
	})
	p.cals = append(p.cals, id)
}

func (p *pair) fill(cal int64) {
	k := 1 + p.rnd.IntN(25)
	var names []string
	for range k {
		p.last++
		names = append(names, fmt.Sprint("o", p.last))
	}
	mark, when := p.rnd.IntN(3), p.now
	p.both(func(tx calendar.Tx) error {
		for i, name := range names {
			n, err := tx.NextChange()
			if err != nil {
				return err
			}
			o := calendar.ObjectRow{Cal: cal, Name: name, UID: name, Component: "VEVENT", Change: n, Since: n, Created: epoch, Modified: epoch, Data: []byte(strings.Repeat(name, 1+i))}
			if err := tx.PutIndexed(o, []calendar.OccurrenceRow{{Name: name, Start: n * 3600, End: n*3600 + 60}, {Name: name, Start: n * 10_000_000, End: n*10_000_000 + 60}}); err != nil {
				return err
			}
			if i%4 == mark {
				if err := tx.SetProp(cal, name, calendar.DeadProp{Space: "s", Local: "l", Value: name}); err != nil {
					return err
				}
				if err := tx.PutAttachment(calendar.AttachmentRow{Cal: cal, Name: name, ID: "f" + name, Type: "text/plain", Created: epoch, Data: []byte(name)}); err != nil {
					return err
				}
			}
			if i%5 == mark || mark == 2 && i%2 == 0 {
				if n, err = tx.NextChange(); err != nil {
					return err
				}
				if err := tx.DeleteObject(cal, name, n, when, "anna"); err != nil {
					return err
				}
				if err := tx.DeleteAttachments(cal, name, ""); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// delete deletes a calendar: kept or not, with a bound of the history or not, and with a look
// at the history in the same transaction or not.
func (p *pair) delete(i int) {
	id := p.cals[i]
	p.cals = slices.Delete(p.cals, i, i+1)
	keep, look, bound := p.rnd.IntN(4) > 0, p.rnd.IntN(6) == 0, int64(0)
	if p.rnd.IntN(3) == 0 {
		bound = 1 + p.rnd.Int64N(20_000)
	}
	when := p.now
	p.both(func(tx calendar.Tx) error {
		n, err := tx.NextChange()
		if err != nil {
			return err
		}
		if keep {
			h, err := calendar.CalendarVersion(calendar.CalendarRow{ID: id, Name: "x"}, nil)
			if err != nil {
				return err
			}
			h.Change, h.When, h.By = n, when, "bert"
			if err := tx.KeepCalendar(h); err != nil {
				return err
			}
		}
		if bound > 0 {
			if _, err := tx.PurgeHistory(time.Time{}, bound); err != nil {
				return err
			}
		}
		if err := tx.DeleteCalendar(id, n, when); err != nil || !look {
			return err
		}
		found := 0
		err = tx.History(calendar.HistoryQuery{}, func(*calendar.HistoryRow) error { found++; return nil })
		if err != nil {
			return err
		}
		h, _, err := tx.Home()
		if (found == 0) != (h.History == 0) {
			p.t.Errorf("%d versions, of %d octets", found, h.History)
		}
		return err
	})
}

// back has a calendar come back from the history under its id.
func (p *pair) back() {
	p.last++
	id, found := p.last, false
	p.both(func(tx calendar.Tx) error {
		var row calendar.HistoryRow
		err := tx.History(calendar.HistoryQuery{Calendars: true, Limit: 1}, func(h *calendar.HistoryRow) error { row = *h; return nil })
		if err != nil || row.Change == 0 {
			return err
		}
		var objects []calendar.ObjectRow
		if err := tx.History(calendar.HistoryQuery{Cal: row.Object.Cal, Data: true}, func(h *calendar.HistoryRow) error {
			if h.Change == row.Change && h.End == calendar.WentAlong {
				o := h.Object
				o.Data = slices.Clone(o.Data)
				objects = append(objects, o)
			}
			return nil
		}); err != nil {
			return err
		}
		found = true
		n, err := tx.NextChange()
		if err != nil {
			return err
		}
		if err := tx.InsertCalendar(calendar.CalendarRow{ID: id, Name: fmt.Sprint("back", id), Change: n, Created: epoch, Modified: epoch}); err != nil {
			return err
		}
		for _, o := range objects {
			o.Cal, o.Change = id, n
			if err := tx.PutIndexed(o, nil); err != nil {
				return err
			}
		}
		return nil
	})
	p.flush()
	if found {
		p.cals = append(p.cals, id)
	}
}

func (p *pair) step() {
	p.now = p.now.Add(time.Second)
	switch n := p.rnd.IntN(24); {
	case n < 4 || len(p.cals) == 0:
		p.insert()
	case n < 12:
		p.fill(p.cals[p.rnd.IntN(len(p.cals))])
	case n < 17:
		p.delete(p.rnd.IntN(len(p.cals)))
	case n < 18:
		bytes := p.rnd.Int64N(30_000)
		p.both(func(tx calendar.Tx) error { _, err := tx.PurgeHistory(p.now.Add(-20*time.Second), bytes); return err })
	case n < 19:
		p.back()
	case n < 20 && p.rnd.IntN(2) == 0:
		twice, ahead := p.rnd.IntN(4) == 0, time.Duration(p.rnd.IntN(2))*15*time.Second // what is deleted next may have a time before
		p.both(func(tx calendar.Tx) error {
			for _, cal := range p.cals {
				for _, before := range []time.Time{p.now.Add(ahead - 9*time.Second), p.now.Add(ahead - 3*time.Second)} {
					if _, err := tx.Purge(cal, time.Time{}, before); err != nil {
						return err
					}
					if !twice {
						break
					}
				}
			}
			return nil
		})
	case n < 20:
		p.flush()
		if d := cmp.Diff(p.history(p.b), p.history(p.a)); d != "" {
			p.t.Fatal(d)
		}
	case n < 21:
		p.both(func(tx calendar.Tx) error { return tx.Recount() })
	case n < 22:
		again := p.rnd.IntN(2) == 0 // something new comes in the same transaction
		p.both(func(tx calendar.Tx) error {
			if err := tx.(calendar.Loader).DropHome(); err != nil || !again {
				return err
			}
			return tx.(calendar.Loader).LoadHome(calendar.HomeRow{Change: 7, Created: epoch})
		})
		p.cals = nil
	default: // as after a kill
		p.flush()
		p.a.Close()
		p.a = p.reopen(pieces{rows: 4, most: p.rnd.IntN(8) - 2})
	}
}

// TestLargeDeletions: whatever is done while the rests of large deletions are there, and wherever
// the process ends between two pieces, all is as if they had gone at once.
func TestLargeDeletions(t *testing.T) {
	for engine, reopen := range openers(t) {
		t.Run(engine, func(t *testing.T) {
			rounds, steps := 12, 60
			if engine == "postgres" {
				rounds = 3
			}
			restless := 0
			for round := range rounds {
				seed := rand.Uint64()
				p := &pair{t: t, reopen: reopen, rnd: rand.New(rand.NewPCG(seed, 0)), now: epoch, last: int64(round * 100_000), batch: 1 + round%6}
				p.a = reopen(pieces{rows: 4, most: p.rnd.IntN(8) - 2})
				var err error
				if p.b, err = OpenSQLite(bg, t.TempDir(), Options{Relaxed: true, pieces: pieces{whole: true}}); err != nil {
					t.Fatal(err)
				}
				for range steps {
					p.step()
				}
				p.flush()
				for _, s := range []*Store{p.a, p.b} {
					if err := s.Check(bg); err != nil {
						t.Errorf("seed %d: %v", seed, err)
					}
				}
				if d := cmp.Diff(rowsOf(t, p.b), rowsOf(t, p.a)); d != "" {
					t.Fatalf("seed %d: %s", seed, d)
				}
				if len(rests(t, p.b)) > 0 {
					t.Error("what goes at once leaves a rest")
				}
				restless += p.restless
				if err := p.a.Update(bg, "anna", func(tx calendar.Tx) error { return tx.(calendar.Loader).DropHome() }); err != nil {
					t.Fatal(err)
				}
				p.a.Close()
				p.b.Close()
			}
			if restless == 0 {
				t.Error("there were no rests")
			}
			t.Logf("%d steps of %d with rests", restless, rounds*steps)
		})
	}
}
