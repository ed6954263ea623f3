package stories

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"factotum/server/calendar"
	"factotum/server/delivery"
	"factotum/server/ical"
	"factotum/server/service"
	"factotum/server/worker"
)

// stage is a site whose process dies now and then and whose deliveries go wrong,
// by its seed: the same seed, the same mishaps.
type stage struct {
	*process
	disk  calendar.Store // what outlives the process
	dir   *directory
	seed  uint64
	calm  bool // nothing goes wrong any more
	lasts bool // the process does not die

	mu     sync.Mutex
	tries  map[string]int             // how often each thing was tried, over all lives
	late   sync.WaitGroup             // copies of messages that are on their way
	latest time.Time                  // when the last of them arrives
	stamps map[string]map[string]bool // messages by sender, recipient and second
	notes  []string
	n      int // what people did so far
}

// process is one life of the daemon.
type process struct {
	calendar.Store // the disk, as long as it lives
	model          *service.Service
	jobs           *worker.Worker

	mu   sync.Mutex
	fate fate
	dead bool
}

// fate is what the next transaction meets with.
type fate int

const (
	lives  fate = iota
	before      // the process is killed before it commits
	after       // it is killed before anybody hears of it
)

var errKilled = &calendar.Error{Kind: calendar.Unavailable, Op: "write", Msg: "the process was killed"}

func (p *process) View(ctx context.Context, owner calendar.Owner, fn func(calendar.ReadTx) error) error {
	if p.killed() {
		return errKilled
	}
	return p.Store.View(ctx, owner, fn)
}

func (p *process) Jobs(ctx context.Context, after calendar.JobID, limit int) ([]calendar.Job, error) {
	if p.killed() {
		return nil, errKilled
	}
	return p.Store.Jobs(ctx, after, limit)
}

func (p *process) Update(ctx context.Context, owner calendar.Owner, fn func(calendar.Tx) error) error {
	p.mu.Lock()
	f := p.fate
	p.fate = lives
	p.dead = p.dead || f == before
	dead := p.dead
	p.mu.Unlock()
	if dead {
		return errKilled
	}
	err := p.Store.Update(ctx, owner, fn)
	if f == after {
		p.kill()
		return errKilled
	}
	return err
}

func (p *process) killed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = true
}

func (p *process) doom(f fate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fate = f
}

// begin starts a process over what the one before has left.
func (s *stage) begin() error {
	time.Sleep(time.Millisecond) // calendars have ids by the clock
	p := &process{Store: s.disk}
	p.jobs = worker.New(p, worker.Options{First: 20 * time.Millisecond, Max: 3 * time.Second, Jitter: func() float64 { return 0.5 }})
	p.model = service.New(p, s.dir, service.Options{Outbox: p.jobs, CacheBytes: 1 << 20})
	clerk := &clerk{stage: s, process: p}
	courier := delivery.Courier{Model: clerk, Jobs: p.jobs, People: s.dir, Backend: clerk}
	for name, k := range courier.Kinds() {
		p.jobs.Handle(name, k)
	}
	s.mu.Lock()
	s.process = p
	s.mu.Unlock()
	return p.jobs.Start(context.Background())
}

// end lets what is left of a process go.
func (s *stage) end() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	return s.jobs.Stop(ctx)
}

// again starts anew if the process was killed.
func (s *stage) again() error {
	if !s.killed() {
		return nil
	}
	s.note("    killed, and started again")
	if err := s.end(); err != nil {
		return err
	}
	return s.begin()
}

func (s *stage) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// chance draws of what is to happen to a thing at this try.
func (s *stage) chance(thing string) (n uint64, calm bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries[thing]++
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s %d", s.seed, thing, s.tries[thing])
	n = h.Sum64()
	n ^= n >> 29 // the last octets change the low bits most
	n *= 0xbf58476d1ce4e5b9
	n ^= n >> 32
	return n, s.calm || s.tries[thing] > 3 // a job of many letters comes to its end all the same
}

// clerk stands between the courier and the model, and is where things go wrong.
type clerk struct {
	*stage
	*process
}

// Deliver brings a message to one recipient after the other.
func (c *clerk) Deliver(ctx context.Context, who calendar.Actor, req calendar.DeliverRequest) ([]calendar.DeliverResult, error) {
	out := make([]calendar.DeliverResult, len(req.To))
	for i, to := range req.To {
		one := req
		one.To = []calendar.Recipient{to}
		out[i] = c.bring(ctx, who, one)
	}
	return out, nil
}

var errAway = &calendar.Error{Kind: calendar.Unavailable, Op: "deliver", Msg: "the back end does not answer"}

func (c *clerk) bring(ctx context.Context, who calendar.Actor, req calendar.DeliverRequest) calendar.DeliverResult {
	n, calm := c.chance(req.ID + ">" + req.To[0].Address)
	c.alone(req)
	what := say(req)
	pause := time.Duration(n>>40%1_000_000) * time.Nanosecond // no two at the same time: a story goes the same way again
	if !calm && n>>20%5 == 0 {
		pause += time.Duration(n>>24%8000) * time.Millisecond
	}
	time.Sleep(pause)
	apply := func(id string) calendar.DeliverResult {
		req.ID = id
		res, err := c.model.Deliver(ctx, who, req)
		if err != nil {
			return calendar.DeliverResult{Err: err}
		}
		if !errors.Is(res[0].Err, errKilled) {
			c.note("    %s: %s %s %v", what, res[0].Status, res[0].Reason, res[0].Err)
		}
		return res[0]
	}
	id := req.ID
	if calm {
		return apply(id)
	}
	switch n % 20 {
	case 0, 1, 2:
		c.note("    %s: does not arrive", what)
		return calendar.DeliverResult{Err: errAway}
	case 3, 4:
		apply(id)
		c.note("    %s: the answer is lost", what)
		return calendar.DeliverResult{Err: errAway}
	case 5, 6:
		if !c.lasts {
			c.note("    %s: killed, %d", what, n%20-4)
			c.doom(fate(n%20 - 4))
		}
	case 7:
		apply(id)
	case 8, 9: // a copy comes late
		c.straggler(who, req, what, time.Duration(n>>10%20_000)*time.Millisecond+pause)
	}
	return apply(id)
}

// straggler brings a message once more, some time later.
func (c *clerk) straggler(who calendar.Actor, req calendar.DeliverRequest, what string, wait time.Duration) {
	c.stage.mu.Lock()
	if arrives := time.Now().Add(wait); arrives.After(c.latest) {
		c.latest = arrives
	}
	c.stage.mu.Unlock()
	s := c.stage
	s.late.Go(func() {
		time.Sleep(wait)
		// As if it came after an hour, when nobody knows its name; but who has deleted
		// his copy, or that part of it, knows by nothing else that he had the message.
		if s.alone(req) && s.has(req.To[0].Owner, req.Data) {
			req.ID += "/late"
		}
		res, err := s.current().Deliver(context.Background(), who, req)
		if err == nil && res[0].Err == nil {
			s.note("    %s: once more: %s %s", what, res[0].Status, res[0].Reason)
		}
	})
}

// has reports whether somebody has a copy of all that a message is about. To one
// who has single instances alone the series may come late, by mail say: better that
// it comes again when he has declined it than that he never learns of it.
func (s *stage) has(owner calendar.Owner, data []byte) (found bool) {
	msg, err := ical.Parse(data, ical.Limits{})
	if err != nil {
		return false
	}
	for _, name := range []string{calendar.DefaultName, "work"} {
		_ = s.current().Objects(context.Background(), s.dir.Actor(string(owner)), calendar.ObjectsRequest{
			Calendar: calendar.NewID(owner, name), UIDs: []string{uidOf(data)},
		}, func(r calendar.ObjectResult) error {
			if r.Err != nil {
				return nil
			}
			cal, err := ical.Parse(r.Object.Data, ical.Limits{})
			found = err == nil && (msg.Word("METHOD") != "REQUEST" || !slices.ContainsFunc(parts(msg), func(c *ical.Component) bool {
				return !slices.ContainsFunc(parts(cal), func(mine *ical.Component) bool {
					return mine.Prop("RECURRENCE-ID") == nil || mine.Value("RECURRENCE-ID") == c.Value("RECURRENCE-ID")
				})
			}))
			return err
		}) // a calendar that is not there has none
	}
	return found
}

// uidOf is the UID of a message.
func uidOf(data []byte) string {
	_, uid, _ := strings.Cut(string(data), "\nUID:")
	uid, _, _ = strings.Cut(uid, "\r\n")
	return uid
}

// alone notes a message, and reports whether it is the only one between two people
// of its second, which is as far as DTSTAMP tells them apart.
func (s *stage) alone(req calendar.DeliverRequest) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, at, _ := strings.Cut(string(req.Data), "\nDTSTAMP:")
	at, _, _ = strings.Cut(at, "\r\n")
	k := uidOf(req.Data) + req.From + req.To[0].Address + at
	if s.stamps[k] == nil {
		s.stamps[k] = map[string]bool{}
	}
	s.stamps[k][req.ID] = true
	return len(s.stamps[k]) == 1
}

// current is the model of the process that lives.
func (s *stage) current() *service.Service {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process.model
}

// Settle and TellAnswers are killed now and then, and so is the worker behind them.
func (c *clerk) Settle(ctx context.Context, owner calendar.Owner, st calendar.Settlement) error {
	return c.work("settle "+string(owner), func() error { return c.model.Settle(ctx, owner, st) })
}

func (c *clerk) TellAnswers(ctx context.Context, job calendar.JobID, uid string) error {
	return c.work("answers "+string(job.Owner), func() error { return c.model.TellAnswers(ctx, job, uid) })
}

func (c *clerk) work(what string, do func() error) error {
	n, calm := c.chance(what)
	time.Sleep(time.Duration(n >> 40 % 1_000_000))
	fates := map[uint64]fate{0: before, 1: after}
	if calm = calm || c.lasts; !calm {
		c.doom(fates[n%40])
	}
	err := do()
	c.doom(lives) // where nothing was written
	return err
}

// do calls the model as a client does: with a token, and again if no answer came.
func (s *stage) do(what string, call func(ctx context.Context) error) error {
	s.n++
	s.note("%s", what)
	n, calm := s.chance(fmt.Sprint("step ", s.n))
	ctx := calendar.WithToken(context.Background(), fmt.Sprint("step ", s.n))
	if !calm && !s.lasts && n%10 < 2 {
		s.doom(fate(1 + n%2))
	}
	for {
		err := call(ctx)
		s.doom(lives)
		if !s.killed() {
			if err != nil {
				s.note("    refused: %v", err)
			}
			return err
		}
		if err := s.again(); err != nil {
			return err
		}
	}
}

func (s *stage) backend() calendar.Backend { return s.model }

func (s *stage) follow(ctx context.Context) error {
	_, err := s.model.FollowGroups(ctx, nil)
	return err
}

func (s *stage) wait(d time.Duration) { time.Sleep(d) }

func (s *stage) now() time.Time { return time.Now() }

// calms has nothing go wrong from now on.
func (s *stage) calms() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calm = true
}

// quiet waits until nothing is on its way.
func (s *stage) quiet() error {
	for range 2000 {
		time.Sleep(time.Second)
		synctest.Wait() // a process may be about to die of the last commit
		if err := s.again(); err != nil {
			return err
		}
		jobs, err := s.disk.Jobs(context.Background(), calendar.JobID{}, 0)
		if err != nil {
			return err
		}
		s.mu.Lock()
		rest := time.Until(s.latest)
		s.mu.Unlock()
		if len(jobs) == 0 && rest <= 0 {
			return nil
		}
		for _, j := range jobs {
			if j.Parked {
				return fmt.Errorf("a job is given up: %s %s: %s", j.Kind, j.Key, j.Err)
			}
		}
	}
	return errors.New("jobs without end")
}

// say names a message: "REQUEST m1 anna>ben".
func say(req calendar.DeliverRequest) string {
	text := string(req.Data)
	_, method, _ := strings.Cut(text, "METHOD:")
	method, _, _ = strings.Cut(method, "\r\n")
	who := func(a string) string { a, _, _ = strings.Cut(calendar.AddressKey(a), "@"); return a }
	about := ""
	for l := range strings.Lines(text) {
		if strings.HasPrefix(l, "RECURRENCE-ID") {
			about += " " + strings.TrimSpace(l[strings.LastIndexByte(l, ':')+1:])
		}
	}
	if req.Inconsequential {
		about += " (answers)"
	}
	return method + " " + uidOf(req.Data) + " " + who(req.From) + ">" + who(req.To[0].Address) + about
}
