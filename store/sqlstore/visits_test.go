package sqlstore

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/store/storetest/pgtest"

	"github.com/ncruces/go-sqlite3"
)

// What a method costs follows its answer, not what else there is. So each is
// asked for some ten rows of a home that has thousands, and what the engine
// walks through meanwhile is counted: SQLite's steps, PostgreSQL's rows and
// pages. To name the right index is not enough: one that is entered at its
// beginning has the same name.
const (
	crowd   = 1500 // rows of each kind in the way
	few     = 10   // rows that are asked for
	someday = 1 << 31
)

var epoch = time.Unix(1_700_000_000, 0)

// crowded makes a home: calendar 1 has the crowd, calendar 2 some objects. Others
// are small, so that statistics know of homes what is so of most.
func crowded(t *testing.T, s *Store) {
	t.Helper()
	put := func(tx calendar.Tx, cal int64, i int) error {
		n, err := tx.NextChange()
		if err != nil {
			return err
		}
		name := fmt.Sprintf("%06d.ics", i)
		start := epoch.Unix() + int64(i)*7200
		occ := []calendar.OccurrenceRow{{Start: start, End: start + 3600}}
		if i%100 == 1 { // some take days
			occ = append(occ, calendar.OccurrenceRow{Start: start, End: start + 300_000})
		}
		row := calendar.ObjectRow{Cal: cal, Name: name, UID: name, Component: "VEVENT", Change: n, Modified: epoch, Data: []byte(strings.Repeat("x", 300))}
		return tx.PutIndexed(row, occ)
	}
	fill := func(owner calendar.Owner, size, small int) {
		err := s.Update(context.Background(), owner, func(tx calendar.Tx) error {
			for id, name := range []string{"", "calendar", "small"} {
				if id > 0 {
					if err := tx.InsertCalendar(calendar.CalendarRow{ID: int64(id), Name: name}); err != nil {
						return err
					}
				}
			}
			for i := range small {
				name := fmt.Sprintf("%06d.ics", i)
				err := errors.Join(put(tx, 2, i), tx.SetProp(2, name, calendar.DeadProp{Space: "x", Local: "y", Value: "z"}),
					tx.PutAttachment(calendar.AttachmentRow{Cal: 2, Name: name, ID: "small" + name, Data: []byte("x")}))
				if err != nil {
					return err
				}
			}
			for i := range size + small { // those of the small calendar are as old
				h := calendar.HistoryRow{Change: int64(i + 1), When: epoch.Add(time.Duration(i-small) * time.Second), End: calendar.Replaced, Object: calendar.ObjectRow{Cal: 1, Name: fmt.Sprint(i), UID: fmt.Sprintf("%06d.ics", i), Data: []byte(strings.Repeat("x", 300))}}
				if i < small {
					h.Object.Cal, h.Object.UID = 2, ""
				}
				if err := tx.PutHistory(h); err != nil {
					return err
				}
			}
			for i := range size {
				name := fmt.Sprintf("%06d.ics", i)
				if err := put(tx, 1, i); err != nil {
					return err
				}
				err := errors.Join(tx.SetProp(1, name, calendar.DeadProp{Space: "x", Local: "y", Value: "z"}), tx.SetToken(name, []byte("x"), epoch),
					tx.PutTrace(calendar.Trace{When: epoch.Add(time.Duration(i) * time.Second), UID: fmt.Sprint(i, ".ics")}),
					tx.PutAttachment(calendar.AttachmentRow{Cal: 1, Name: name, ID: fmt.Sprint(i), Data: []byte("x")}))
				if err != nil {
					return err
				}
			}
			for i := range size / 2 { // every other one
				n, err := tx.NextChange()
				if err != nil {
					return err
				}
				if err := tx.DeleteObject(1, fmt.Sprintf("%06d.ics", 2*i), n, epoch.Add(time.Duration(i)*time.Second), "anna"); err != nil {
					return err
				}
				if err := tx.PutJob(calendar.Job{JobID: calendar.JobID{Owner: owner, Change: n}, Kind: "x", Key: "x"}); err != nil {
					return err
				}
			}
			for i := range (size + 3) / 4 { // calendars that are gone
				n, err := tx.NextChange()
				if err != nil {
					return err
				}
				id := int64(100 + i)
				err = errors.Join(tx.InsertCalendar(calendar.CalendarRow{ID: id, Name: fmt.Sprint(id)}), tx.DeleteCalendar(id, n, epoch.Add(time.Duration(i)*time.Second)))
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	fill("anna", 2*crowd, few)
	for i := range 40 { // most homes are small
		fill(calendar.Owner(fmt.Sprintf("user%d", i)), 50, 50)
	}
}

// unbounded are the methods whose answer is the whole home, and those that ask
// the store nothing.
var unbounded = []string{"AllAttachments", "Recount", "Jobs", "Home", "OnCommit", "NextChange", "PurgeCalendars", "Prefs", "Tokens"}

// visits has a call of each other method for a few rows. The numbers of the
// changes are those that crowded makes.
var visits = map[string]func(tx calendar.Tx) error{
	"Calendars": func(tx calendar.Tx) error { return lists(tx.Calendars())(2) },
	"Calendar":  func(tx calendar.Tx) error { _, ok, err := tx.Calendar("small"); return found(ok, err) },
	"GoneCalendars": func(tx calendar.Tx) error {
		h, _, err := tx.Home()
		if err != nil {
			return err
		}
		return lists(tx.GoneCalendars(h.Change - few))(few)
	},
	"Object":        func(tx calendar.Tx) error { _, ok, err := tx.Object(1, "001501.ics", true); return found(ok, err) },
	"ObjectByUID":   func(tx calendar.Tx) error { _, ok, err := tx.ObjectByUID(1, "001501.ics", true); return found(ok, err) },
	"ObjectsByName": func(tx calendar.Tx) error { return lists(tx.ObjectsByName(1, fewNames(), true))(few) },
	"Objects": func(tx calendar.Tx) error {
		return tx.Objects(2, "", true, func(*calendar.ObjectRow) error { return nil })
	},
	"Changes": func(tx calendar.Tx) error {
		h, _, err := tx.Home()
		if err != nil {
			return err
		}
		n := 0
		err = tx.Changes(1, h.Change-crowd/2-few, 0, true, func(*calendar.ObjectRow) error { n++; return nil })
		return found(n == few, err)
	},
	"Gone": func(tx calendar.Tx) error {
		n, from := 0, epoch.Add(crowd/2*time.Second)
		err := tx.Gone(1, from, from.Add(few*time.Second), true, func(*calendar.ObjectRow) error { n++; return nil })
		return found(n == few, err)
	},
	"Latest": func(tx calendar.Tx) error {
		n := 0
		err := tx.Latest(1, func(*calendar.ObjectRow) (bool, error) { n++; return n < few, nil })
		return found(n == few, err)
	},
	"Occurrences": func(tx calendar.Tx) error {
		n, from := 0, epoch.Unix()+crowd*7200
		err := tx.Occurrences(1, from, from+few*7200, func(calendar.OccurrenceRow) error { n++; return nil })
		return found(n >= few/2, err)
	},
	"ObjectOccurrences": func(tx calendar.Tx) error { return lists(tx.ObjectOccurrences(1, "001501.ics"))(2) },
	"Props":             func(tx calendar.Tx) error { return lists(tx.Props(1, "001501.ics"))(1) },
	"PropsByName": func(tx calendar.Tx) error {
		props, err := tx.PropsByName(1, fewNames())
		return found(len(props) == few, err)
	},
	"CountObjects":      func(tx calendar.Tx) error { _, _, err := tx.CountObjects(2); return err },
	"Meetings":          func(tx calendar.Tx) error { _, err := tx.Meetings(2); return err },
	"AllProps":          func(tx calendar.Tx) error { _, err := tx.AllProps(2); return err },
	"Attachments":       func(tx calendar.Tx) error { return lists(tx.Attachments(1, "001501.ics"))(1) },
	"AttachmentHolders": func(tx calendar.Tx) error { return lists(tx.AttachmentHolders("1501"))(1) },
	"Attachment": func(tx calendar.Tx) error {
		_, ok, err := tx.Attachment(1, "001501.ics", "1501")
		return found(ok, err)
	},
	"Token": func(tx calendar.Tx) error { _, ok, err := tx.Token("001501.ics"); return found(ok, err) },
	"Job": func(tx calendar.Tx) error {
		_, ok, err := tx.Job(2*crowd+2*few, 0)
		return found(ok, err)
	},

	"InsertCalendar": func(tx calendar.Tx) error { return tx.InsertCalendar(calendar.CalendarRow{ID: 3, Name: "third"}) },
	"UpdateCalendar": func(tx calendar.Tx) error { return tx.UpdateCalendar(calendar.CalendarRow{ID: 2, Name: "other"}) },
	"TouchCalendar":  func(tx calendar.Tx) error { return tx.TouchCalendar(2, someday, epoch) },
	"DeleteCalendar": func(tx calendar.Tx) error { return tx.DeleteCalendar(2, someday, epoch) },
	"PutObject": func(tx calendar.Tx) error { // with a UID that is another one's, which is looked for
		err := tx.PutObject(calendar.ObjectRow{Cal: 1, Name: "001501.ics", UID: "001503.ics", Change: someday, Data: []byte("x")})
		return found(errors.Is(err, calendar.UIDConflict), nil)
	},
	"PutIndexed": func(tx calendar.Tx) error {
		return tx.PutIndexed(calendar.ObjectRow{Cal: 1, Name: "001501.ics", UID: "001501.ics", Change: someday, Data: []byte("x")}, []calendar.OccurrenceRow{{Start: 1, End: 2}})
	},
	"SetOccurrences": func(tx calendar.Tx) error {
		return tx.SetOccurrences(1, "001501.ics", []calendar.OccurrenceRow{{Start: 1, End: 2}})
	},
	"DeleteObject": func(tx calendar.Tx) error { return tx.DeleteObject(1, "001501.ics", someday, epoch, "anna") },
	"Purge": func(tx calendar.Tx) error {
		n, err := tx.Purge(1, time.Time{}, epoch.Add(few*time.Second))
		return found(n == few, err)
	},
	"SetProp": func(tx calendar.Tx) error {
		return tx.SetProp(1, "001501.ics", calendar.DeadProp{Space: "a", Local: "b"})
	},
	"DeleteProp":  func(tx calendar.Tx) error { return tx.DeleteProp(1, "001501.ics", "x", "y") },
	"DeleteProps": func(tx calendar.Tx) error { return tx.DeleteProps(1, "001501.ics") },
	"PutAttachment": func(tx calendar.Tx) error {
		return tx.PutAttachment(calendar.AttachmentRow{Cal: 1, Name: "001501.ics", ID: "a"})
	},
	"DeleteAttachments": func(tx calendar.Tx) error { return tx.DeleteAttachments(1, "001501.ics", "") },
	"SetEntry":          func(tx calendar.Tx) error { return tx.SetEntry("x") },
	"SetPref":           func(tx calendar.Tx) error { return tx.SetPref("a", "b") },
	"DeletePref":        func(tx calendar.Tx) error { return tx.DeletePref("a") },
	"SetToken":          func(tx calendar.Tx) error { return tx.SetToken("001501.ics", nil, epoch) },
	"PutJob":            func(tx calendar.Tx) error { return tx.PutJob(calendar.Job{JobID: calendar.JobID{Change: 1}}) },
	"PutTrace":          func(tx calendar.Tx) error { return tx.PutTrace(calendar.Trace{UID: "x"}) },
	"Traces": func(tx calendar.Tx) error {
		n := 0
		err := tx.Traces(calendar.TraceQuery{UID: "1501.ics"}, func(*calendar.Trace) error { n++; return nil })
		if err == nil {
			err = tx.Traces(calendar.TraceQuery{Limit: few}, func(*calendar.Trace) error { n++; return nil })
		}
		return found(n == 1+few, err)
	},
	"PurgeTraces": func(tx calendar.Tx) error {
		n, err := tx.PurgeTraces(epoch.Add(few*time.Second), 0)
		return found(n == few, err)
	},
	"Registrations": func(tx calendar.Tx) error {
		list, err := tx.Registrations()
		return found(len(list) == 0, err)
	},
	"Registration": func(tx calendar.Tx) error {
		_, ok, err := tx.Registration("a")
		return found(!ok, err)
	},
	"PutRegistration": func(tx calendar.Tx) error {
		return tx.PutRegistration(calendar.RegistrationRow{ID: "a", Kind: calendar.HookRegistration})
	},
	"History": func(tx calendar.Tx) error {
		n := 0
		count := func(*calendar.HistoryRow) error { n++; return nil }
		err := errors.Join(
			tx.History(calendar.HistoryQuery{Limit: few / 2}, count),
			tx.History(calendar.HistoryQuery{Cal: 2, Limit: few / 2, Data: true}, count),
			tx.History(calendar.HistoryQuery{UID: "001501.ics", Data: true}, count),
			tx.History(calendar.HistoryQuery{Calendars: true}, count))
		return found(n == few+1, err)
	},
	"PutHistory": func(tx calendar.Tx) error {
		return tx.PutHistory(calendar.HistoryRow{Change: someday, Object: calendar.ObjectRow{Cal: 1, Name: "x", UID: "x"}})
	},
	"KeepCalendar": func(tx calendar.Tx) error {
		return errors.Join(tx.InsertCalendar(calendar.CalendarRow{ID: 5, Name: "tiny"}),
			tx.PutObject(calendar.ObjectRow{Cal: 5, Name: "a.ics", UID: "a", Change: someday}),
			tx.KeepCalendar(calendar.HistoryRow{Change: someday, Object: calendar.ObjectRow{Cal: 5}}))
	},
	"PurgeHistory": func(tx calendar.Tx) error {
		n, err := tx.PurgeHistory(epoch, 0)
		return found(n == few, err)
	},
	"SkipHistory":        func(tx calendar.Tx) error { return tx.SkipHistory(epoch) },
	"DeleteRegistration": func(tx calendar.Tx) error { return tx.DeleteRegistration("a") },
	"DeleteJob":          func(tx calendar.Tx) error { return tx.DeleteJob(2*crowd+2*few, 0) },
}

func fewNames() (names []string) {
	for i := range few {
		names = append(names, fmt.Sprintf("%06d.ics", crowd+1+2*i))
	}
	return names
}

func found(ok bool, err error) error {
	if err == nil && !ok {
		err = errors.New("another answer than expected")
	}
	return err
}

// lists is for lists of a known length.
func lists[T any](list []T, err error) func(want int) error {
	return func(want int) error {
		if err == nil && len(list) != want {
			err = fmt.Errorf("%d instead of %d", len(list), want)
		}
		return err
	}
}

// Every method is in one of the lists.
func TestVisitsAreAll(t *testing.T) {
	of := reflect.TypeFor[calendar.Tx]()
	for i := range of.NumMethod() {
		name := of.Method(i).Name
		_, here := visits[name]
		there := false
		for _, u := range unbounded {
			there = there || u == name
		}
		if here == there {
			t.Errorf("%s is in none of the lists, or in both", name)
		}
	}
}

var errUndo = errors.New("undo")

// visitAll runs each call in a transaction that leaves nothing. count tells
// what was walked through since it was asked last.
func visitAll(t *testing.T, s *Store, limit int, count func(*tx) (take func() int), but ...string) {
	for name, call := range visits {
		if slices.Contains(but, name) {
			continue
		}
		err := s.Update(context.Background(), "anna", func(x calendar.Tx) error {
			take := count(x.(*tx))
			if err := call(x); err != nil {
				return err
			}
			if n := take(); n > limit {
				t.Errorf("%s walks through %d, more than %d", name, n, limit)
			}
			return errUndo
		})
		if !errors.Is(err, errUndo) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Steps of SQLite: some thirty for a row that is answered, four or more for one
// that is walked over.
const mostSteps = 1200

func TestSQLiteVisits(t *testing.T) {
	s, err := OpenSQLite(context.Background(), t.TempDir(), Options{Relaxed: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	crowded(t, s)
	steps := func(x *tx) func() int {
		take := func() (n int) {
			for _, st := range x.conn.(*sqliteConn).stmts {
				n += st.Status(sqlite3.STMTSTATUS_VM_STEP, true)
			}
			return n
		}
		take()
		return take
	}
	t.Run("fresh", func(t *testing.T) { visitAll(t, s, mostSteps, steps) })
	// We never do, but whoever looks after the file may.
	if err := s.engine.write(context.Background(), func(c conn) error { return c.exec("ANALYZE") }); err != nil {
		t.Fatal(err)
	}
	t.Run("analyzed", func(t *testing.T) { visitAll(t, s, mostSteps, steps) })
}

// explaining is a connection to PostgreSQL that counts what its statements walk
// through: rows, also those that a filter drops, and pages.
type explaining struct {
	conn
	t      testing.TB
	plans  map[string]string // names of prepared statements
	visits int
}

func (e *explaining) exec(text string, args ...any) error {
	_, err := e.count(text, args...)
	return err
}

func (e *explaining) count(text string, args ...any) (int64, error) {
	e.explain(text, args)
	return e.conn.count(text, args...)
}

func (e *explaining) row(text string, args []any, dest ...any) (bool, error) {
	e.explain(text, args)
	return e.conn.row(text, args, dest...)
}

func (e *explaining) query(text string, args []any, fn func(scanner) error) error {
	e.explain(text, args)
	return e.conn.query(text, args, fn)
}

var (
	walkedRows   = regexp.MustCompile(`Scan .*actual rows=(\d+) loops=(\d+)`)
	droppedRows  = regexp.MustCompile(`Rows Removed by (?:Filter|Index Recheck): (\d+)`)
	touchedPages = regexp.MustCompile(`Buffers: shared hit=(\d+)`)
	fetchedRows  = regexp.MustCompile(`Heap Fetches: (\d+)`)
)

var prepared atomic.Int64

// explain runs a statement once more, without leaving anything, and counts.
func (e *explaining) explain(text string, args []any) {
	name, ok := e.plans[text]
	if !ok {
		name = fmt.Sprintf("visit%d", prepared.Add(1))
		e.plans[text] = name
		if err := e.conn.exec("PREPARE " + name + " AS " + text); err != nil {
			e.t.Fatal(err)
		}
	}
	run := "EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF, SUMMARY OFF, BUFFERS) EXECUTE " + name
	if len(args) > 0 {
		run += "(" + literals(args) + ")"
	}
	before, pages := e.visits, -1
	plan := []string{text}
	err := errors.Join(e.conn.exec("SAVEPOINT explain"), e.conn.query(run, nil, func(r scanner) error {
		var line string
		if err := r.scan(&line); err != nil {
			return err
		}
		plan = append(plan, line)
		if m := walkedRows.FindStringSubmatch(line); m != nil {
			rows, _ := strconv.Atoi(m[1])
			loops, _ := strconv.Atoi(m[2])
			e.visits += rows * loops
		}
		for _, x := range []*regexp.Regexp{droppedRows, fetchedRows} {
			if m := x.FindStringSubmatch(line); m != nil {
				n, _ := strconv.Atoi(m[1])
				e.visits += n
			}
		}
		if m := touchedPages.FindStringSubmatch(line); m != nil && pages < 0 { // the first line is for the whole
			pages, _ = strconv.Atoi(m[1])
			e.visits += pages
		}
		return nil
	}), e.conn.exec("ROLLBACK TO explain"))
	if err != nil {
		e.t.Fatalf("%s: %v", run, err)
	}
	if e.visits-before > mostVisits {
		e.t.Log(strings.Join(plan, "\n"))
	}
}

func literals(args []any) string {
	out := make([]string, len(args))
	for i, a := range args {
		switch a := a.(type) {
		case int64:
			out[i] = fmt.Sprint(a)
			if a == math.MinInt64 {
				out[i] = "-9223372036854775807-1"
			}
		case string:
			out[i] = quoted(a)
		case []byte:
			out[i] = "'\\x" + hex.EncodeToString(a) + "'"
		case []string:
			for k := range a {
				out[i] += "," + quoted(a[k])
			}
			out[i] = "ARRAY[" + strings.TrimPrefix(out[i], ",") + "]::text[]"
		}
	}
	return strings.Join(out, ", ")
}

func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// Rows and pages: four pages for a row that is found.
const mostVisits = 500

func TestPostgresVisits(t *testing.T) {
	t.Parallel()
	s, err := OpenPostgres(context.Background(), pgtest.Start(t), Options{Relaxed: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	crowded(t, s)
	for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
		var but []string
		if mode == "force_generic_plan" { // which takes all calendars for small, and sorts a large one
			but = append(but, "Latest")
		}
		visit := func(t *testing.T) {
			visitAll(t, s, mostVisits, func(x *tx) func() int {
				e := &explaining{conn: x.conn, t: t, plans: map[string]string{}}
				x.conn = e
				// Without the third way: tables of this size it may well read as a whole.
				for _, set := range []string{"plan_cache_mode = " + mode, "enable_seqscan = off"} {
					if err := e.conn.exec("SET LOCAL " + set); err != nil {
						t.Fatal(err)
					}
				}
				return func() int { return e.visits }
			}, but...)
		}
		t.Run("fresh "+mode, visit)
		if _, err := s.engine.(*pgEngine).pool.Exec(context.Background(), "VACUUM ANALYZE"); err != nil {
			t.Fatal(err)
		}
		t.Run("analyzed "+mode, visit)
	}
}
