package crash

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// state is what an object may be: absent, or a text.
type state struct {
	text string // "" = absent
	etag string // "" = not known yet
}

// object is one line of the ledger. One client alone writes the object, each
// time under the condition that it is what the client knows, so that a write
// that nobody answered cannot undo one that came after it.
type object struct {
	name, uid string
	acked     state
	open      []state // sent upon acked and not answered: each may be there or not
}

// writer is a client that writes all the time and remembers what was
// acknowledged.
type writer struct {
	*client
	rng     *rand.Rand
	objects []*object
	n       int
	unsure  bool // the last request had no answer
	acks    *atomic.Int64
	errs    []error

	// full says that a disk may be full: 507 is a plain refusal then, which
	// changes nothing, and all other failures are wrong.
	full    bool
	refused atomic.Int64
}

func (w *writer) failf(format string, args ...any) {
	if len(w.errs) < 10 {
		w.errs = append(w.errs, fmt.Errorf("%s: "+format, append([]any{w.user}, args...)...))
	}
}

// step writes one object.
func (w *writer) step() {
	o := w.objects[w.rng.IntN(len(w.objects))]
	w.n++
	var a answer
	var err error
	var next state
	condition := []string{"If-Match", o.acked.etag}
	if o.acked.text == "" {
		condition = []string{"If-None-Match", "*"}
	}
	if o.acked.text != "" && w.rng.IntN(4) == 0 {
		a, err = w.do("DELETE", w.collection()+o.name, "", condition...)
	} else {
		size := w.rng.IntN(1500)
		if w.rng.IntN(10) == 0 {
			size = w.rng.IntN(60_000)
		}
		next.text = event(o.uid, fmt.Sprintf("%s step %d", o.uid, w.n), size)
		a, err = w.put(o.name, next.text, condition...)
	}
	switch {
	case err == nil && a.ok():
		if next.etag = a.etag; next.text != "" && next.etag == "" {
			w.failf("%s: PUT answered %d without an ETag", o.name, a.status)
		}
		o.acked, o.open = next, nil
		w.acks.Add(1)
	case err == nil && a.status == http.StatusPreconditionFailed:
		if len(o.open) == 0 {
			w.failf("%s: %v refused, but nobody else writes it: %.200s", o.name, condition, a.body)
		}
		w.unsure = w.learn(o) != nil
	case w.full && err == nil && a.status == http.StatusInsufficientStorage:
		if !strings.Contains(string(a.body), "sufficient-disk-space") {
			w.failf("%s: 507 without DAV:sufficient-disk-space: %.300s", o.name, a.body)
		}
		w.refused.Add(1)
	case w.full:
		w.failf("%s: %v, status %d: %.300s", o.name, err, a.status, a.body)
	case err != nil || a.status >= 500:
		o.open = append(o.open, next)
		w.unsure = true
	default:
		w.failf("%s: status %d: %.200s", o.name, a.status, a.body)
	}
}

// learn reads what has become of an object: its acknowledged state or an open
// one. The error says that the server does not answer.
func (w *writer) learn(o *object) error {
	a, err := w.get(o.name)
	if err != nil {
		return err
	}
	now := state{string(a.body), a.etag}
	switch {
	case a.status >= 500:
		return &statusError{"GET " + o.name, a}
	case a.status == http.StatusNotFound:
		now = state{}
	case !a.ok():
		w.failf("%s: GET: status %d: %.200s", o.name, a.status, a.body)
		return nil
	}
	if now.text == o.acked.text {
		if now.etag != o.acked.etag {
			w.failf("%s: the acknowledged text has ETag %s, had %s", o.name, now.etag, o.acked.etag)
		}
		return nil
	}
	for _, s := range o.open {
		if s.text == now.text {
			o.acked, o.open = now, nil
			return nil
		}
	}
	w.failf("%s: neither the acknowledged write nor one of %d open ones:\nhave %.200q\nwant %.200q (%s)",
		o.name, len(o.open), now.text, o.acked.text, o.acked.etag)
	o.acked, o.open = now, nil
	return nil
}

// run writes until stop is closed. While the server is away it asks again.
func (w *writer) run(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		if !w.unsure {
			w.step()
			continue
		}
		w.unsure = false
		for _, o := range w.objects {
			if len(o.open) > 0 && w.learn(o) != nil {
				w.unsure = true
				time.Sleep(time.Duration(5+w.rng.IntN(20)) * time.Millisecond)
				break
			}
		}
	}
}

// load is many writers, and for each calendar somebody who syncs it.
type load struct {
	writers []*writer
	syncers []*syncer
	acks    atomic.Int64
	upkeep  bool // have the store fold its log all the time
	stop    chan struct{}
	group   sync.WaitGroup
}

type syncer struct {
	*client
	mirror
	errs  []error
	syncs int
}

// run syncs now and then until stop is closed.
func (s *syncer) run(stop <-chan struct{}) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		if err := s.sync(s.client); err == nil {
			s.syncs++
		} else if refused := (*statusError)(nil); errors.As(err, &refused) && refused.status < 500 && len(s.errs) < 10 {
			s.errs = append(s.errs, fmt.Errorf("sync %s: %w", s.user, err))
		}
	}
}

const loadUsers = 4

// newLoad prepares eight clients of four users, each with objects of its own
// in the user's calendar.
func newLoad(address string) *load {
	l := &load{}
	for i := range 2 * loadUsers {
		user := fmt.Sprintf("user%d", i%loadUsers)
		w := &writer{client: newClient(address, user), rng: rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), uint64(i))), acks: &l.acks}
		for j := range 12 {
			uid := fmt.Sprintf("c%d-%d", i, j)
			w.objects = append(w.objects, &object{name: uid + ".ics", uid: uid + "@example.com"})
		}
		l.writers = append(l.writers, w)
		if i < loadUsers {
			l.syncers = append(l.syncers, &syncer{client: newClient(address, user)})
		}
	}
	return l
}

// provision makes the calendars, as a first login does. A front end may need a
// moment to reach its back end.
func (l *load) provision(t testing.TB) {
	t.Helper()
	for _, s := range l.syncers {
		eventually(t, "the first login of "+s.user, func() error {
			a, err := s.do("PROPFIND", "/dav/calendars/"+s.user+"/", "", "Depth", "1")
			if err == nil && a.status != http.StatusMultiStatus {
				err = &statusError{"PROPFIND", a}
			}
			return err
		})
	}
}

func (l *load) start() {
	l.stop = make(chan struct{})
	for _, w := range l.writers {
		l.group.Go(func() { w.run(l.stop) })
	}
	for _, s := range l.syncers {
		l.group.Go(func() { s.run(l.stop) })
	}
	if l.upkeep {
		l.group.Go(func() { l.maintain(l.stop) })
	}
}

// maintain asks for the store's upkeep now and then: a part answers it.
func (l *load) maintain(stop <-chan struct{}) {
	c := l.syncers[0].client
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			c.do("POST", "/maintain", "") // by a server that may be dead
		}
	}
}

// finish ends the load.
func (l *load) finish() {
	close(l.stop)
	l.group.Wait()
}

// verify compares what is served with the ledger: every object, the list of
// every calendar, and what the syncing clients have. The server must be up,
// and the load finished.
func (l *load) verify(t testing.TB) {
	t.Helper()
	want := map[string]map[string]string{}
	for _, w := range l.writers {
		if want[w.user] == nil {
			want[w.user] = map[string]string{}
		}
		for _, o := range w.objects {
			eventually(t, "the server to answer", func() error { return w.learn(o) })
			if o.acked.text != "" {
				want[w.user][o.name] = o.acked.etag
			}
		}
		w.unsure = false
		for _, err := range w.errs {
			t.Error(err)
		}
		w.errs = nil
	}
	for _, s := range l.syncers {
		// A new object: the calendar takes writes.
		probe, text := fmt.Sprintf("probe-%d.ics", time.Now().UnixNano()), event("probe", "is it writable?", 0)
		a, err := s.put(probe, text, "If-None-Match", "*")
		if err != nil || a.status != http.StatusCreated {
			t.Errorf("%s: a new object: %v, status %d: %.300s", s.user, err, a.status, a.body)
		}
		want[s.user][probe] = a.etag
		if err := s.sync(s.client); err != nil {
			t.Errorf("%s: sync from an old token: %v", s.user, err)
		}
		have, err := s.list()
		if err != nil {
			t.Errorf("%s: list: %v", s.user, err)
		}
		sameObjects(t, s.user+": the calendar lists", have, want[s.user])
		sameObjects(t, s.user+": the syncing client has", s.etags, want[s.user])
		if a, err := s.do("DELETE", s.collection()+probe, "", "If-Match", a.etag); err != nil || !a.ok() {
			t.Errorf("%s: delete it again: %v, status %d", s.user, err, a.status)
		}
		for _, err := range s.errs {
			t.Error(err)
		}
		s.errs = nil
	}
}

func sameObjects(t testing.TB, what string, have, want map[string]string) {
	t.Helper()
	for name, etag := range want {
		if have[name] != etag {
			t.Errorf("%s %s with ETag %q, want %q", what, name, have[name], etag)
		}
	}
	for name := range have {
		if _, ok := want[name]; !ok {
			t.Errorf("%s %s, which should not be there", what, name)
		}
	}
}

// await waits until n more writes are acknowledged.
func (l *load) await(t testing.TB, n int64) {
	t.Helper()
	n += l.acks.Load()
	eventually(t, "writes to be acknowledged", func() error {
		if have := l.acks.Load(); have < n {
			return fmt.Errorf("%d acknowledged, want %d", have, n)
		}
		return nil
	})
}
