package cache_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"factotum/server/cache"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/cld"
	"factotum/server/service"
)

// The model: a store in memory whose states are all written down, each as the
// answers that a Service without a cache gives. Readers and writers use a
// Service with a cache over the same store. They run one at a time, and stop
// wherever the store and memory can be apart: before a snapshot and after it,
// before a commit, between it and the word of it, and after that. Who goes on
// is drawn. Then:
//
//   - every answer is that of one state, which was stored before the reader
//     was done;
//   - it is no earlier than the last commit that its writer was told of before
//     the reader began, and than what any reader had been told by then.
type model struct {
	*calendartest.Store
	t *testing.T

	mu   sync.Mutex // who waits for a commit goes on with its writer
	rand *rand.Rand

	opt     service.Options
	plain   *service.Service // reads the store, keeps nothing
	svc     *service.Service
	kept    calendar.Backend    // a front end of it, which keeps lists
	states  []map[string]string // of each commit, by question
	tokens  []string            // sync-tokens of each
	other   string              // the first one of the other calendar
	floor   int                 // no reader who begins now may be told of an earlier one
	writing chan struct{}       // full while a transaction writes
	waiting []chan struct{}     // of those who stopped
	broken  int                 // commits of which nobody hears, per cent
}

const (
	home  = calendar.ID("anna")
	other = calendar.ID("anna:other")
)

var anna = calendar.Actor{User: "anna"}

// stop lets others go on.
func (m *model) stop() { <-m.wait() }

func (m *model) wait() chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	ch := make(chan struct{})
	m.waiting = append(m.waiting, ch)
	return ch
}

func (m *model) draw(n int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rand.Intn(n)
}

// told says that a reader or a writer knows of a state.
func (m *model) told(at int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.floor = max(m.floor, at)
}

// run lets one after the other go on until all are done.
func (m *model) run(actors ...func()) {
	for _, a := range actors {
		ch := m.wait()
		go func() {
			<-ch
			a()
		}()
	}
	for {
		synctest.Wait()
		if len(m.waiting) == 0 {
			return
		}
		i := m.draw(len(m.waiting))
		ch := m.waiting[i]
		m.waiting = slices.Delete(m.waiting, i, i+1)
		close(ch)
	}
}

func (m *model) View(ctx context.Context, owner calendar.Owner, fn func(calendar.ReadTx) error) error {
	m.stop()
	err := m.Store.View(ctx, owner, fn)
	m.stop()
	return err
}

type hooked struct {
	calendar.Tx
	hooks *[]func()
}

func (t hooked) OnCommit(fn func()) { *t.hooks = append(*t.hooks, fn) }

func (m *model) Update(ctx context.Context, owner calendar.Owner, fn func(calendar.Tx) error) error {
	m.stop()
	m.writing <- struct{}{}
	defer func() { <-m.writing }()
	var hooks []func()
	err := m.Store.Update(ctx, owner, func(tx calendar.Tx) error {
		hooks = nil
		return fn(hooked{tx, &hooks})
	})
	if err != nil {
		return err
	}
	at := m.note()
	m.stop()
	if m.draw(100) < m.broken {
		return &calendar.Error{Kind: calendar.Unavailable, Op: "commit"}
	}
	for _, h := range hooks {
		h()
	}
	m.stop()
	m.told(at)
	return nil
}

// foreign is how another program writes: nobody here is told.
type foreign struct{ *model }

func (f foreign) Update(ctx context.Context, owner calendar.Owner, fn func(calendar.Tx) error) error {
	f.stop()
	f.writing <- struct{}{}
	defer func() { <-f.writing }()
	err := f.Store.Update(ctx, owner, fn)
	if err == nil {
		f.note()
		f.stop()
	}
	return err
}

// note writes down what is stored now.
func (m *model) note() int {
	cal, err := m.plain.Calendar(context.Background(), anna, home)
	if err != nil {
		m.t.Error(err)
	}
	m.mu.Lock()
	m.tokens = append(m.tokens, cal.SyncToken())
	m.mu.Unlock()
	answers := map[string]string{}
	for _, q := range m.questions() {
		answers[q] = ask(m.plain, m, q)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.states = append(m.states, answers)
	return len(m.states) - 1
}

func (m *model) questions() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	q := []string{"view 1", "view 2", "view 3", "home", "synchome", "list anna", "list anna:other", "list anna:renamed", "kept anna", "kept anna:other", "kept anna:renamed", "sync anna:other", "sync anna:renamed", "texts", "uids", "all", "busy anna", "busy home", "far", "count"}
	for i := range objects {
		q = append(q, fmt.Sprintf("object o%d.ics", i))
	}
	for month := 1; month <= 4; month++ {
		q = append(q, fmt.Sprintf("month %d", month), fmt.Sprintf("expand %d", month))
	}
	for i := range m.tokens {
		q = append(q, fmt.Sprintf("sync %d", i))
	}
	return q
}

const objects = 6

// ask puts a question, and spells the answer.
func ask(be *service.Service, m *model, q string) string {
	ctx := context.Background()
	var out []string
	add := func(args ...any) { out = append(out, fmt.Sprint(args...)) }
	object := func(o *calendar.Object) { add(o.Calendar, o.Name, o.ETag(), o.Size, o.Props, string(o.Data)) }
	what, arg, _ := strings.Cut(q, " ")
	n, token := 0, ""
	fmt.Sscan(arg, &n)
	which := home
	if what == "sync" && n == 0 && arg != "0" { // another calendar's, as it was first
		which = calendar.ID(arg)
		token = m.other
	} else if what == "sync" {
		m.mu.Lock()
		token = m.tokens[n]
		m.mu.Unlock()
	}
	window := calendar.Window{From: time.Date(2026, time.Month(n), 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, time.Month(n+1), 1, 0, 0, 0, 0, time.UTC)}
	switch what {
	case "busy":
		window = calendar.Window{From: time.Date(2026, 1, 10, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 3, 20, 0, 0, 0, 0, time.UTC)}
	case "far":
		window = calendar.Window{From: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC)}
	}
	inWindow := &calendar.CompFilter{Name: "VCALENDAR", Comps: []calendar.CompFilter{{Name: "VEVENT", TimeRange: &window}}}
	var err error
	switch what {
	case "view":
		err = be.Cache().Read(ctx, "anna", func(v cache.View) error {
			out = nil
			return m.look(ctx, v, n, add)
		})
	case "home", "count":
		var h calendar.Home
		h, err = be.Home(ctx, anna, calendar.HomeRequest{Owner: "anna", Counts: what == "count"})
		add(h.Change, h.UsedBytes)
		for _, c := range h.Calendars {
			add(c.ID, c.DisplayName, c.CTag(), c.Modified, c.Count)
		}
	case "synchome":
		var r calendar.SyncHomeResult
		r, err = be.SyncHome(ctx, anna, calendar.SyncHomeRequest{Owner: "anna"})
		add(r.Token, len(r.Changed))
	case "list", "kept":
		var lister calendar.Backend = be
		if what == "kept" && be == m.svc {
			lister = m.kept
		}
		var c calendar.Calendar
		c, err = lister.ListObjects(ctx, anna, calendar.ID(arg), func(o *calendar.Object) error { object(o); return nil })
		add("tag", c.SyncToken(), c.Count)
	case "object":
		var o *calendar.Object
		if o, err = be.Object(ctx, anna, calendar.Ref{Calendar: home, Name: arg}); err == nil {
			object(o)
		}
	case "texts", "uids":
		req := calendar.ObjectsRequest{}
		for i := range objects {
			if what == "texts" {
				req.Refs = append(req.Refs, calendar.Ref{Calendar: home, Name: fmt.Sprintf("o%d.ics", i)})
			} else {
				req.Calendar, req.UIDs = home, append(req.UIDs, fmt.Sprintf("u%d", i))
			}
		}
		err = be.Objects(ctx, anna, req, func(r calendar.ObjectResult) error {
			if r.Err != nil {
				add(r.Ref.Name, calendar.KindOf(r.Err))
				return nil
			}
			object(r.Object)
			return nil
		})
	case "month", "far":
		err = be.Query(ctx, anna, calendar.QueryRequest{Calendar: home, Filter: inWindow}, func(o *calendar.Object) error { object(o); return nil })
	case "expand":
		req := calendar.QueryRequest{Calendar: home, Filter: inWindow, Data: calendar.DataRequest{Expand: &window}}
		err = be.Query(ctx, anna, req, func(o *calendar.Object) error { object(o); return nil })
	case "all":
		err = be.Query(ctx, anna, calendar.QueryRequest{Calendar: home}, func(o *calendar.Object) error { object(o); return nil })
	case "busy":
		req := calendar.FreeBusyRequest{Targets: []calendar.FreeBusyTarget{{Calendar: home, Home: arg == "home"}}, Window: window}
		var r []calendar.FreeBusyResult
		if r, err = be.FreeBusy(ctx, anna, req); err == nil {
			add(r[0].Busy, r[0].Err)
		}
	case "sync":
		var r calendar.SyncResult
		r, err = be.Sync(ctx, anna, calendar.SyncRequest{Calendar: which, Token: token}, func(it calendar.SyncItem) error {
			if it.Gone != nil {
				add("gone", it.Gone.Name, it.Gone.UID, it.Gone.Change, it.Gone.Deleted)
			} else {
				object(it.Object)
			}
			return nil
		})
		add("token", r.Token)
	}
	if err != nil {
		if what != "object" && what != "list" && what != "kept" && what != "sync" {
			m.t.Errorf("%s: %v", q, err)
		}
		return fmt.Sprint("error ", calendar.KindOf(err))
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// look asks a View several things, in an order of its own each time, and stops
// between them.
func (m *model) look(ctx context.Context, v cache.View, month int, add func(...any)) error {
	pause := m.stop
	if fmt.Sprintf("%T", v) != "*cache.pinned" { // a transaction, which would keep the others waiting
		pause = func() {}
	}
	pause()
	add(v.Home())
	cal, err := v.Calendar(calendar.DefaultName)
	if err != nil {
		return err
	}
	add(cal.ID, cal.Row.Change, cal.Row.DisplayName)
	from := time.Date(2026, time.Month(month), 1, 0, 0, 0, 0, time.UTC)
	steps := []func() error{
		func() error {
			o, err := v.Object(ctx, cal, "o1.ics")
			if o != nil {
				add("object", o.ETag(), o.Props, string(o.Data))
			}
			return err
		},
		func() error {
			objs, err := v.Objects(ctx, cal, []string{"o0.ics", "o1.ics", "o2.ics", "o3.ics"})
			for i, o := range objs {
				if o != nil {
					add("one of four", i, o.ETag(), o.Props, string(o.Data))
				}
			}
			return err
		},
		func() error {
			list, err := v.List(ctx, cal)
			for _, o := range list {
				add("listed", o.Name, o.ETag(), o.Props)
			}
			return err
		},
		func() error {
			found := map[cache.Instance]bool{}
			err := v.Instances(ctx, cal, from.Unix(), from.AddDate(0, 0, 50).Unix(), func(i cache.Instance) {
				if i.Start < from.AddDate(0, 0, 50).Unix() && i.End > from.Unix() {
					found[i] = true
				}
			})
			for i := range found {
				add("instance", i)
			}
			return err
		},
		func() error {
			n := 0
			err := v.Tx(ctx, cal, func(tx calendar.ReadTx) (err error) {
				n, _, err = tx.CountObjects(cal.Row.ID)
				return err
			})
			add("count", n)
			return err
		},
	}
	m.mu.Lock()
	m.rand.Shuffle(len(steps), func(i, k int) { steps[i], steps[k] = steps[k], steps[i] })
	m.mu.Unlock()
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
		pause()
	}
	return nil
}

// reader asks questions.
func (m *model) reader() {
	for range 12 {
		m.mu.Lock()
		lo := m.floor
		m.mu.Unlock()
		all := slices.DeleteFunc(m.questions(), func(q string) bool { // nobody has a token that nobody was given
			n := 0
			fmt.Sscanf(q, "sync %d", &n)
			return n > lo
		})
		q := all[m.draw(len(all))]
		got := ask(m.svc, m, q)
		m.mu.Lock()
		states := m.states
		m.mu.Unlock()
		at := -1
		for i := lo; i < len(states) && at < 0; i++ {
			if states[i][q] == got {
				at = i
			}
		}
		if at < 0 {
			m.t.Errorf("%s, asked when state %d was known: the answer is of no state since, up to %d:\n%s\nthe last one is:\n%s", q, lo, len(states)-1, got, states[len(states)-1][q])
			return
		}
		m.told(at)
		m.stop()
	}
}

var shapes = []string{"", "", "RRULE:FREQ=WEEKLY\r\n", "RRULE:FREQ=DAILY;COUNT=5\r\n", "RRULE:FREQ=DAILY;COUNT=130\r\n", "CLASS:PRIVATE\r\n"}

func event(uid, start, more string) []byte {
	return []byte("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:" + uid +
		"\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:" + start + "\r\nDURATION:PT1H\r\nSUMMARY:x\r\n" + more + "END:VEVENT\r\nEND:VCALENDAR\r\n")
}

// write does something to the owner's calendars.
func (m *model) write(be *service.Service) {
	ctx := context.Background()
	i := m.draw(objects)
	ref := calendar.Ref{Calendar: home, Name: fmt.Sprintf("o%d.ics", i)}
	there := calendar.Ref{Calendar: other, Name: ref.Name}
	var err error
	switch m.draw(16) {
	default:
		data := event(fmt.Sprint("u", i), fmt.Sprintf("2026%02d%02dT090000Z", 1+m.draw(4), 1+m.draw(28)), shapes[m.draw(len(shapes))]+fmt.Sprintf("COMMENT:%d\r\n", m.draw(1<<30)))
		_, err = be.PutObject(ctx, anna, calendar.PutRequest{Ref: ref, Data: data})
	case 0, 1:
		err = be.DeleteObject(ctx, anna, calendar.DeleteRequest{Ref: ref})
	case 2:
		_, err = be.CopyObject(ctx, anna, calendar.CopyRequest{From: ref, To: there, Overwrite: true, Move: true})
	case 3:
		_, err = be.CopyObject(ctx, anna, calendar.CopyRequest{From: there, To: ref, Overwrite: true, Move: true})
	case 4:
		err = be.PatchProps(ctx, anna, ref, []calendar.PropChange{{Prop: calendar.DeadProp{Space: "x:", Local: "p", Value: fmt.Sprint(m.draw(1 << 30))}}})
	case 5:
		name := fmt.Sprint("name ", m.draw(1<<30))
		_, err = be.UpdateCalendar(ctx, anna, calendar.UpdateCalendarRequest{ID: home, DisplayName: &name})
	case 6:
		if err = be.DeleteCalendar(ctx, anna, calendar.DeleteCalendarRequest{ID: other}); err == nil || calendar.KindOf(err) == calendar.NoCalendar {
			_, err = be.CreateCalendar(ctx, anna, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: other}, DefaultACL: true})
		}
	case 7:
		_, err = be.Purge(ctx, "anna")
	case 8:
		_, err = be.Rebuild(ctx, nil)
	case 10:
		from, to := other, calendar.ID("anna:renamed")
		if m.draw(2) == 0 {
			from, to = to, from
		}
		_, err = be.CopyCalendar(ctx, anna, calendar.CopyRequest{From: calendar.Ref{Calendar: from}, To: calendar.Ref{Calendar: to}, Move: true})
	case 9:
		err = be.SetPrefs(ctx, anna, calendar.SetPrefsRequest{Owner: "anna", Set: map[string]string{"a": fmt.Sprint(m.draw(1 << 30))}})
	}
	switch k := calendar.KindOf(err); {
	case err == nil, k == calendar.NotFound, k == calendar.UIDConflict, k == calendar.NoCalendar, k == calendar.Stale, k == calendar.Exists:
	case k == calendar.Unavailable && m.broken > 0:
	default:
		m.t.Error(err)
	}
}

func (m *model) writer() {
	for range 10 {
		m.write(m.svc)
	}
}

func logger(to io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(to, nil)) }

// open makes a model with something in it.
func open(t *testing.T, seed int64, opt service.Options) *model {
	m := &model{Store: calendartest.NewStore(), t: t, rand: rand.New(rand.NewSource(seed)), writing: make(chan struct{}, 1)}
	var ticks atomic.Int64 // writers take turns with the store, not with the clock
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	opt.Now = func() time.Time { return begin.Add(time.Duration(ticks.Add(1)) * time.Second) }
	opt.TombstoneAge = time.Minute
	m.opt = opt
	m.svc = service.New(m, nil, opt)
	m.kept = cld.NewLists(1 << 20).Of(m.svc)
	opt.CacheBytes = -1
	m.plain = service.New(m.Store, nil, opt)
	for _, id := range []calendar.ID{home, other} {
		if _, err := m.plain.CreateCalendar(t.Context(), anna, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: id}, DefaultACL: true}); err != nil {
			t.Fatal(err)
		}
	}
	c, err := m.plain.Calendar(t.Context(), anna, other)
	if err != nil {
		t.Fatal(err)
	}
	m.other = c.SyncToken()
	m.note()
	return m
}

func TestModel(t *testing.T) {
	seeds := int64(300) / fewer
	if testing.Short() {
		seeds = 50
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			var logged strings.Builder
			opt := service.Options{Logger: logger(&logged)}
			if seed%3 == 1 {
				opt.CacheBytes = 6 << 10 // hardly anything fits
			}
			m := open(t, seed, opt)
			actors := []func(){m.reader, m.reader, m.reader, m.writer, m.writer}
			alone := true
			switch seed % 4 {
			case 1: // commits of which nobody hears
				m.broken = 15
				alone = false
			case 2: // the owner is forgotten now and then
				actors = append(actors, func() {
					for range 20 {
						m.stop()
						m.svc.Cache().Forget("anna")
					}
				})
			case 3: // another program writes, which has what it read in memory
				alone = false
				actors = append(actors, func() {
					opt := m.opt
					opt.CacheBytes = -1
					intruder := service.New(foreign{m}, nil, opt)
					for range 3 {
						m.write(intruder)
					}
				})
			}
			m.run(actors...)
			if n := m.svc.Cache().ForeignWrites(); alone && n != 0 {
				t.Errorf("%d foreign writes where nobody else wrote: %s", n, logged.String())
			}
			m.broken = 0
			m.run(func() { // what is kept in the end is what is stored
				if _, err := m.svc.PutObject(context.Background(), anna, calendar.PutRequest{Ref: calendar.Ref{Calendar: home, Name: "last.ics"}, Data: event("last", "20260202T090000Z", "")}); err != nil {
					t.Error(err)
				}
				for range 2 {
					for _, q := range m.questions() {
						if got, want := ask(m.svc, m, q), m.states[len(m.states)-1][q]; got != want {
							t.Errorf("at the end, %s:\n%s\nwant\n%s", q, got, want)
						}
					}
				}
			})
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		})
	}
}
