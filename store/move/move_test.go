package move

import (
	stdcmp "cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"factotum/protocol/dwp"
	"factotum/server/calendar"
	"factotum/server/cld"
	"factotum/server/service"
	"factotum/server/worker"
	"factotum/store/archive"
	"factotum/store/sqlstore"
	"factotum/store/storetest/fresh"

	"github.com/google/go-cmp/cmp"
)

var bg = context.Background()

const (
	hostA = "calendar1.sesta.com"
	hostB = "calendar2.sesta.com"
)

// people is a directory of hosts: everybody of whom it does not say so is on the first.
type people struct {
	mu    sync.Mutex
	hosts map[calendar.Owner]string
	fail  func(what string) error // before it answers
	after func() error            // after it has switched
	old   int                     // so often it answers as before the last switch
	was   map[calendar.Owner]string
}

func (p *people) Host(_ context.Context, owner calendar.Owner) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail != nil {
		if err := p.fail("host"); err != nil {
			return "", err
		}
	}
	if owner == "nobody" {
		return "", fail(calendar.NotFound, owner, "nobody of that name is in the directory")
	}
	if p.old > 0 {
		p.old--
		return stdcmp.Or(p.was[owner], hostA), nil
	}
	return stdcmp.Or(p.hosts[owner], hostA), nil
}

func (p *people) Switch(_ context.Context, owner calendar.Owner, from, to string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail != nil {
		if err := p.fail("switch"); err != nil {
			return err
		}
	}
	switch is := stdcmp.Or(p.hosts[owner], hostA); is {
	case from:
		p.was = maps.Clone(p.hosts)
		p.hosts[owner] = to
	case to: // as SwitchHost does
	default:
		return fail(calendar.Stale, owner, "it is %s", is)
	}
	if p.after != nil {
		return p.after()
	}
	return nil
}

func (p *people) Locate(ctx context.Context, owner calendar.Owner) (string, error) {
	return p.Host(ctx, owner)
}

// backEnd is a back end of a site, which can be started anew.
type backEnd struct {
	t     testing.TB
	site  *site
	host  string
	raw   calendar.Store
	open  func() calendar.Store
	sock  string
	step  func(string, calendar.Owner) error
	ro    bool
	ran   chan string // of jobs
	keep  *archive.Keeper
	jobs  *worker.Worker
	model *service.Service
	mover *Mover
	srv   *dwp.Server
}

type site struct {
	people *people
	mu     sync.Mutex
	hosts  map[string]*backEnd
	peers  map[string]*dwp.Client
	router *cld.Router
}

// peer is another back end by DWP.
func (s *site) peer(host string) (calendar.Arrivals, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.peers[host]; c != nil {
		return c, nil
	}
	return nil, &calendar.Error{Kind: calendar.NoBackend, Op: "move", Msg: host + " is not known here: there is no caldb.dwp.server." + host + ".ip"}
}

func newSite(t testing.TB, engineB func() calendar.Store) *site {
	t.Helper()
	s := &site{people: &people{hosts: map[calendar.Owner]string{}}, hosts: map[string]*backEnd{}, peers: map[string]*dwp.Client{}}
	backends := map[string]calendar.Backend{}
	for _, host := range []string{hostA, hostB} {
		dir := t.TempDir()
		b := &backEnd{t: t, site: s, host: host, sock: filepath.Join(dir, "dwp.sock"), ran: make(chan string, 1000)}
		if host == hostB && engineB != nil {
			b.open = engineB
		} else {
			first := fresh.SQLite(t, sqlstore.Options{Relaxed: true})
			b.open = func() calendar.Store { return first }
		}
		s.hosts[host] = b
		b.start()
		c, err := dwp.NewClient(dwp.ClientOptions{Host: host, Address: "unix:" + b.sock, Timeout: 20 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		s.mu.Lock()
		s.peers[host] = c
		s.mu.Unlock()
		backends[host] = c
	}
	var err error
	if s.router, err = cld.New(cld.Options{Locator: cld.NewCache(s.people, 100, time.Hour, nil), Backends: backends}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, b := range s.hosts {
			b.stop()
		}
	})
	return s
}

func (b *backEnd) start() {
	b.t.Helper()
	var err error
	b.raw = b.open()
	if b.keep, err = archive.Open(bg, b.raw, archive.Options{}); err != nil {
		b.t.Fatal(err)
	}
	gate := NewGate(b.keep.Store())
	b.jobs = worker.New(gate, worker.Options{})
	b.jobs.Handle("test", worker.Kind{Run: func(_ context.Context, j calendar.Job) error {
		b.ran <- b.host + " " + string(j.Payload)
		return nil
	}})
	b.jobs.Handle(calendar.JobDeliver, worker.Kind{Run: func(context.Context, calendar.Job) error { return nil }})
	b.model = service.New(gate, nil, service.Options{Host: b.host, Outbox: b.jobs, ReadOnly: b.ro})
	if b.mover, err = Open(bg, Options{Host: b.host, Keeper: b.keep, Gate: gate, Jobs: b.jobs, Forget: b.model.ForgetHome, Directory: b.site.people, Peer: b.site.peer, ReadOnly: b.ro,
		Step: func(step string, owner calendar.Owner) error {
			if b.step != nil {
				return b.step(step, owner)
			}
			return nil
		}}); err != nil {
		b.t.Fatal(err)
	}
	if err := b.jobs.Start(bg); err != nil {
		b.t.Fatal(err)
	}
	ln, err := net.Listen("unix", b.sock)
	if err != nil {
		b.t.Fatal(err)
	}
	if b.srv, err = dwp.NewServer(ln, b.model, dwp.ServerOptions{Names: []string{b.host}, Arrivals: b.mover}); err != nil {
		b.t.Fatal(err)
	}
	go b.srv.Serve()
	b.mover.Start()
}

func (b *backEnd) stop() {
	ctx, cancel := context.WithTimeout(bg, 100*time.Millisecond)
	defer cancel()
	b.srv.Shutdown(ctx)
	b.mover.Stop()
	b.jobs.Stop(bg)
	b.keep.Close()
}

func (b *backEnd) again() {
	b.t.Helper()
	b.stop()
	b.start()
	b.answers()
}

// answers waits until others reach it.
func (b *backEnd) answers() {
	b.t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		_, err := b.site.peers[b.host].Ping(bg)
		if err == nil {
			return
		}
		if time.Now().After(end) {
			b.t.Fatal(err)
		}
	}
}

func event(uid, summary string) []byte {
	return fmt.Appendf(nil, "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y//EN\r\nBEGIN:VEVENT\r\nUID:%s\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260101T100000Z\r\nDTEND:20260101T110000Z\r\nSUMMARY:%s\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", uid, summary)
}

func (s *site) put(t testing.TB, owner, name, summary string) calendar.PutResult {
	t.Helper()
	res, err := s.router.PutObject(bg, calendar.Actor{User: owner}, calendar.PutRequest{Ref: calendar.Ref{Calendar: calendar.ID(owner), Name: name}, Data: event(name, summary)})
	if err != nil {
		t.Fatalf("put %s: %v", name, err)
	}
	return res
}

// wait waits until a move has ended, and returns how.
func (b *backEnd) wait(owner calendar.Owner) Status {
	b.t.Helper()
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		list := b.mover.Status()
		i := slices.IndexFunc(list, func(s Status) bool { return s.Owner == owner && s.To != "" && s.Ended.IsZero() })
		if i >= 0 {
			continue
		}
		for j := len(list) - 1; j >= 0; j-- {
			if list[j].Owner == owner && list[j].To != "" {
				return list[j]
			}
		}
		return Status{}
	}
	b.t.Fatalf("%s is not moved: %+v", owner, b.mover.Status())
	return Status{}
}

// seen is all that clients see of a home: names with ETags, and what changed since a token.
func (s *site) seen(t testing.TB, owner, token string) (list []string) {
	t.Helper()
	id := calendar.ID(owner)
	cal, err := s.router.ListObjects(bg, calendar.Actor{User: owner}, id, func(o *calendar.Object) error {
		list = append(list, o.Name+" "+o.ETag())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { slices.Sort(list) }()
	list = append(list, "token "+cal.SyncToken())
	if token != "" {
		if _, err := s.router.Sync(bg, calendar.Actor{User: owner}, calendar.SyncRequest{Calendar: id, Token: token}, func(it calendar.SyncItem) error {
			name := ""
			if it.Gone != nil {
				name = "gone " + it.Gone.Name
			} else {
				name = it.Object.Name + " " + it.Object.ETag()
			}
			list = append(list, "changed "+name)
			return nil
		}); err != nil {
			t.Fatalf("the token of before: %v", err)
		}
	}
	return list
}

// owned tells on which hosts there is a home that is served.
func (s *site) owned(t testing.TB, owner calendar.Owner) (hosts []string) {
	t.Helper()
	for _, host := range []string{hostA, hostB} {
		b := s.hosts[host]
		if list, err := b.raw.Owners(bg, "", 0); err != nil {
			t.Fatal(err)
		} else if slices.Contains(list, owner) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

func TestMove(t *testing.T) {
	for name, engine := range map[string]func() calendar.Store{"SQLite": nil, "PostgreSQL": func() calendar.Store { return fresh.Postgres(t, sqlstore.Options{Relaxed: true}) }} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, engine)
			a, b := s.hosts[hostA], s.hosts[hostB]
			ben := calendar.Actor{User: "ben"}
			if _, err := s.router.Home(bg, ben, calendar.HomeRequest{Owner: "ben"}); err != nil {
				t.Fatal(err)
			}
			s.put(t, "ben", "a.ics", "one")
			start, err := s.router.Calendar(bg, ben, "ben")
			if err != nil {
				t.Fatal(err)
			}
			for i := range 200 {
				s.put(t, "ben", fmt.Sprintf("n%d.ics", i), "two")
			}
			if err := s.router.DeleteObject(bg, ben, calendar.DeleteRequest{Ref: calendar.Ref{Calendar: "ben", Name: "n7.ics"}}); err != nil {
				t.Fatal(err)
			}
			if err := s.router.SetPrefs(bg, ben, calendar.SetPrefsRequest{Owner: "ben", Set: map[string]string{"ceDefaultView": "day"}}); err != nil {
				t.Fatal(err)
			}
			err = a.keep.Store().Update(bg, "ben", func(tx calendar.Tx) error {
				j := calendar.Job{JobID: calendar.JobID{Owner: "ben", Change: 3, Seq: 77}, Kind: "test", Payload: []byte("later"), Due: time.Now().Add(3 * time.Second)}
				tx.OnCommit(func() { a.jobs.Add(j) })
				return tx.PutJob(j)
			})
			if err != nil {
				t.Fatal(err)
			}
			before := s.seen(t, "ben", start.SyncToken())
			if err := a.mover.Move(bg, "ben", "Calendar2.sesta.com"); err != nil {
				t.Fatal(err)
			}
			if st := a.wait("ben"); st.State != stateMoved || st.Rows < 200 || st.Err != "" {
				t.Errorf("status: %+v", st)
			}
			if d := cmp.Diff(before, s.seen(t, "ben", start.SyncToken())); d != "" {
				t.Errorf("clients see a difference: %s", d)
			}
			if got := s.owned(t, "ben"); !slices.Equal(got, []string{hostB}) {
				t.Errorf("it is on %v", got)
			}
			prefs, err := s.router.Prefs(bg, ben, "ben")
			if err != nil || prefs["ceDefaultView"] != "day" {
				t.Errorf("preferences: %v %v", prefs, err)
			}
			s.put(t, "ben", "later.ics", "three")
			_, err = a.model.Calendar(bg, ben, "ben")
			if owner, host := calendar.MovedTo(err); owner != "ben" || host != hostB {
				t.Errorf("the host that it left says %v", err)
			}
			select {
			case got := <-b.ran:
				if got != hostB+" later" {
					t.Errorf("ran: %s", got)
				}
			case got := <-a.ran:
				t.Errorf("ran where it was: %s", got)
			case <-time.After(2 * time.Minute):
				t.Error("the job does not run")
			}
			// And back, where its mark is.
			before = s.seen(t, "ben", start.SyncToken())
			if err := b.mover.Move(bg, "ben", hostA); err != nil {
				t.Fatal(err)
			}
			if st := b.wait("ben"); st.State != stateMoved {
				t.Errorf("status: %+v", st)
			}
			if d := cmp.Diff(before, s.seen(t, "ben", start.SyncToken())); d != "" {
				t.Errorf("clients see a difference after the way back: %s", d)
			}
			for _, x := range []*backEnd{a, b} {
				if err := x.raw.Check(bg); err != nil {
					t.Error(err)
				}
			}
			a.again()
			b.again()
			if got := s.owned(t, "ben"); !slices.Equal(got, []string{hostA}) {
				t.Errorf("after the way back it is on %v", got)
			}
			s.put(t, "ben", "last.ics", "four")
		})
	}
}

// TestBegunAtOnce: a source that is started anew begins once more, while what it began with
// before is still being answered.
func TestBegunAtOnce(t *testing.T) {
	s := newSite(t, nil)
	b := s.hosts[hostB]
	for n := range 20 {
		owner := calendar.Owner(fmt.Sprint("user", n))
		s.people.mu.Lock()
		s.people.hosts[owner] = hostA
		s.people.mu.Unlock()
		var both sync.WaitGroup
		for _, move := range []string{"before", "after"} {
			both.Go(func() {
				if _, err := b.mover.Arrive(bg, calendar.Actor{User: "root", Admin: true}, calendar.ArriveRequest{Owner: owner, Move: move, From: hostA, Step: calendar.ArriveBegin}); err != nil {
					t.Errorf("%s: %v", move, err)
				}
			})
		}
		both.Wait()
	}
}

func TestMoveIsRefused(t *testing.T) {
	s := newSite(t, nil)
	a, b := s.hosts[hostA], s.hosts[hostB]
	for _, who := range []string{"anna", "ben", "carl"} {
		if _, err := s.router.Home(bg, calendar.Actor{User: who}, calendar.HomeRequest{Owner: calendar.Owner(who)}); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(what, owner, to string, kind calendar.Kind, words string) {
		t.Helper()
		err := a.mover.Move(bg, calendar.Owner(owner), to)
		if !errors.Is(err, kind) || !strings.Contains(calendar.MessageOf(err), words) {
			t.Errorf("%s: %v", what, err)
		}
		if list := a.mover.Status(); len(list) > 0 {
			t.Errorf("%s: %+v", what, list)
		}
	}
	refused("the same host", "ben", hostA, calendar.Invalid, "on calendar1.sesta.com already")
	refused("an unknown user", "nobody", hostB, calendar.NotFound, "nobody of that name")
	refused("no user id", "a b\n", hostB, calendar.Invalid, "no user id")
	refused("a user without calendars", "zoe", hostB, calendar.NoCalendar, "no calendars here yet")
	refused("an unknown host", "ben", "calendar9.sesta.com", calendar.NoBackend, "caldb.dwp.server.calendar9.sesta.com.ip")
	if _, err := b.model.Home(bg, calendar.Actor{User: "carl"}, calendar.HomeRequest{Owner: "carl"}); err != nil {
		t.Fatal(err)
	}
	refused("a home at the target", "carl", hostB, calendar.Exists, "has calendars of carl already")
	s.people.hosts["anna"] = hostB
	refused("who is elsewhere", "anna", hostB, calendar.Invalid, "on the back end calendar2.sesta.com")
	b.ro = true
	b.again()
	refused("a target that is read-only", "ben", hostB, calendar.ReadOnly, "read-only")
	b.ro = false
	b.stop()
	refused("a target that is down", "ben", hostB, calendar.Unavailable, "does not answer")
	b.start()
	b.answers()
	if _, err := b.mover.Arrive(bg, calendar.Actor{User: "ben"}, calendar.ArriveRequest{Owner: "ben", Move: "x", From: hostA, Step: calendar.ArriveBegin}); !errors.Is(err, calendar.Denied) {
		t.Errorf("by anybody: %v", err)
	}
	if err := a.mover.Cancel("ben"); !errors.Is(err, calendar.NotFound) {
		t.Errorf("cancel what is not moved: %v", err)
	}

	hold := make(chan struct{})
	a.step = func(step string, _ calendar.Owner) error {
		if step == "part" {
			<-hold
		}
		return nil
	}
	if err := a.mover.Move(bg, "ben", hostB); err != nil {
		t.Fatal(err)
	}
	if err := a.mover.Move(bg, "ben", hostB); !errors.Is(err, calendar.Exists) || !strings.Contains(err.Error(), "already") {
		t.Errorf("once more: %v", err)
	}
	if err := a.mover.Cancel("ben"); err != nil {
		t.Error(err)
	}
	close(hold)
	if st := a.wait("ben"); st.State != "canceled" {
		t.Errorf("canceled: %+v", st)
	}
	s.put(t, "ben", "a.ics", "one")
	if got := s.owned(t, "ben"); !slices.Equal(got, []string{hostA}) {
		t.Errorf("canceled, it is on %v", got)
	}

	s.people.fail = func(what string) error {
		if what == "switch" {
			return fail(calendar.Denied, "ben", "the directory does not let local.enduseradmindn change this entry")
		}
		return nil
	}
	if err := a.mover.Move(bg, "ben", hostB); err != nil {
		t.Fatal(err)
	}
	if st := a.wait("ben"); st.State != "failed" || !strings.Contains(st.Err, "local.enduseradmindn") {
		t.Errorf("a directory that refuses: %+v", st)
	}
	s.put(t, "ben", "b.ics", "one")
	s.people.fail = nil
	if err := a.mover.Move(bg, "ben", hostB); err != nil {
		t.Fatal(err)
	}
	if st := a.wait("ben"); st.State != stateMoved {
		t.Errorf("in the end: %+v", st)
	}
	if got, want := a.mover.Counts(), (Counts{Moved: 1, Failed: 1, Canceled: 1}); got != want {
		t.Errorf("the source has counted %+v, want %+v", got, want)
	}
	if got, want := b.mover.Counts(), (Counts{Arrived: 1}); got != want {
		t.Errorf("the target has counted %+v, want %+v", got, want)
	}
	s.put(t, "ben", "c.ics", "one")
	// A restored home: the directory names the host that it left.
	if err := a.mover.Here(bg, "ben"); !errors.Is(err, calendar.Invalid) {
		t.Errorf("here: %v", err)
	}
	s.people.hosts["ben"] = hostA
	if err := a.mover.Here(bg, "ben"); err != nil {
		t.Error(err)
	}
	if _, err := a.model.Home(bg, calendar.Actor{User: "ben"}, calendar.HomeRequest{Owner: "ben"}); err != nil {
		t.Error(err)
	}
}
