package simulate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Options are what is played.
type Options struct {
	Server      string // URL
	Trust       *tls.Config
	Accounts    []Account
	Profile     Profile
	Compress    float64       // how many times as fast as time goes
	For         time.Duration // each step
	Connections int           // at most so many requests at once
	Metrics     []string      // host:port where hosts tell their metrics
	Limit       time.Duration // p95 from which on a step counts as too slow
}

// Step is what was seen of one number of users.
type Step struct {
	Users    int           `json:"users"`
	Wanted   float64       `json:"wanted"` // operations a second
	Done     float64       `json:"done"`
	Requests float64       `json:"requests"` // a second
	Ops      map[Op]Timing `json:"operations"`
	Failed   int           `json:"failed"`
	Failure  string        `json:"failure,omitempty"` // one of them
	Behind   int           `json:"behind"`            // that were due and had not begun at the end
	Hosts    []Host        `json:"hosts,omitempty"`
	Own      float64       `json:"own_cores"` // that the simulation itself took
	Carried  bool          `json:"carried"`
	Why      string        `json:"why,omitempty"` // it was not
}

// Timing is how long operations took, from when they were due.
type Timing struct {
	Count int           `json:"count"`
	P50   time.Duration `json:"p50_ns"`
	P95   time.Duration `json:"p95_ns"`
	P99   time.Duration `json:"p99_ns"`
}

// Result is all steps, and what follows.
type Result struct {
	Accounts int     `json:"accounts"`
	Compress float64 `json:"compress"`
	Steps    []Step  `json:"steps"`
	Carried  int     `json:"carried"`            // the largest number of users that was
	PerCore  int     `json:"per_core,omitempty"` // users on each core of the servers, by their CPU at that step
	Why      string  `json:"why,omitempty"`      // no more were
}

// Run plays so many users, and then the next number, until one is not carried.
func Run(ctx context.Context, o Options, users []int, told func(Step)) (res Result, err error) {
	s := &stage{base: o.Server, profile: o.Profile, run: fmt.Sprintf("sim-%d", time.Now().UnixMilli())}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost, t.MaxConnsPerHost, t.TLSClientConfig, t.DisableCompression = o.Connections, o.Connections, o.Connections, o.Trust, true
	s.http = &http.Client{Transport: t, Timeout: time.Minute}
	defer t.CloseIdleConnections()
	for _, a := range o.Accounts {
		s.players = append(s.players, newPlayer(a))
	}
	res = Result{Accounts: len(o.Accounts), Compress: o.Compress}
	if err := s.discover(ctx, s.players[0]); err != nil { // before anything is measured
		return res, fmt.Errorf("log in as %s: %w", s.players[0].User, err)
	}
	for _, n := range users {
		step, err := s.step(ctx, o, n)
		if err != nil {
			return res, err
		}
		res.Steps = append(res.Steps, step)
		if told(step); !step.Carried {
			res.Why = step.Why
			break
		}
		res.Carried = n
		cores := 0.
		for _, h := range step.Hosts {
			cores += h.Cores
		}
		if cores > 0 {
			res.PerCore = int(float64(n) / cores)
		}
	}
	return res, nil
}

// sample is an operation that is over.
type sample struct {
	op   Op
	took time.Duration
	err  error
}

// step plays so many users for a while.
func (s *stage) step(ctx context.Context, o Options, users int) (step Step, err error) {
	before, err := readHosts(ctx, o.Metrics)
	if err != nil {
		return step, err
	}
	own := ownCPU()
	s.mu.Lock()
	requests := s.requests
	s.mu.Unlock()
	began := time.Now()
	gap := o.Profile.gap(users, o.Compress)
	due := make(chan time.Time, 10_000)
	out := make(chan sample, 1000)
	var group sync.WaitGroup
	for range o.Connections {
		group.Go(func() {
			for at := range due {
				op := o.Profile.pick()
				err := s.play(ctx, op)
				out <- sample{op, time.Since(at), err}
			}
		})
	}
	behind := 0
	go func() {
		next, end := began, began.Add(o.For)
		for {
			next = next.Add(time.Duration(rand.ExpFloat64() * float64(gap)))
			if next.After(end) || ctx.Err() != nil {
				break
			}
			time.Sleep(time.Until(next))
			select {
			case due <- next:
				continue
			default: // nobody waits for as many as that
			}
			behind++
		}
		behind += len(due)
		for len(due) > 0 {
			select {
			case <-due:
			default:
			}
		}
		close(due)
		group.Wait()
		close(out)
	}()
	times := map[Op][]time.Duration{}
	var all []time.Duration
	for x := range out {
		if x.err != nil && ctx.Err() == nil {
			step.Failed++
			step.Failure = fmt.Sprintf("%s: %v", x.op, x.err)
			continue
		}
		times[x.op] = append(times[x.op], x.took)
		all = append(all, x.took)
	}
	if ctx.Err() != nil {
		return step, ctx.Err()
	}
	took := time.Since(began)
	after, err := readHosts(ctx, o.Metrics)
	if err != nil {
		return step, err
	}
	step.Users, step.Wanted, step.Done, step.Behind = users, float64(time.Second)/float64(gap), float64(len(all))/took.Seconds(), behind
	s.mu.Lock()
	step.Requests = float64(s.requests-requests) / took.Seconds()
	s.mu.Unlock()
	step.Ops = map[Op]Timing{}
	for op, list := range times {
		step.Ops[op] = timing(list)
	}
	for i := range after {
		step.Hosts = append(step.Hosts, after[i].since(before[i], took))
	}
	step.Own = (ownCPU() - own).Seconds() / took.Seconds()
	step.judge(timing(all), o.Limit)
	return step, nil
}

func timing(list []time.Duration) (t Timing) {
	slices.Sort(list)
	at := func(p int) time.Duration { return list[min(len(list)*p/100, len(list)-1)] }
	if len(list) > 0 {
		t = Timing{len(list), at(50), at(95), at(99)}
	}
	return t
}

// pick deals an operation by the rates.
func (p Profile) pick() Op {
	at := rand.Float64() * p.Total()
	for _, op := range Ops {
		if at -= p.Rates[op]; at < 0 {
			return op
		}
	}
	return Poll
}

// play does one operation as somebody.
func (s *stage) play(ctx context.Context, op Op) error {
	p := s.players[rand.IntN(len(s.players))]
	err := map[Op]func(context.Context, *player) error{Discover: s.discover, Poll: s.poll, Month: s.month, Create: s.create, Update: s.update,
		Delete: s.remove, Invite: s.invite, Reply: s.reply, FreeBusy: s.freebusy}[op](ctx, p)
	// Two devices of one player may meet: the second one is told so, as in life.
	if r := (*refused)(nil); errors.As(err, &r) && (r.status == http.StatusPreconditionFailed || r.status == http.StatusNotFound) && (op == Update || op == Delete || op == Reply) {
		return nil
	}
	return err
}

// judge says whether these users were carried, and what was in the way.
func (s *Step) judge(all Timing, limit time.Duration) {
	tooSlow := all.P95 > limit
	tooMany := s.Failed*100 > all.Count+s.Failed
	late := float64(s.Behind) > s.Wanted // more than a second's
	if s.Carried = !tooSlow && !tooMany && !late; s.Carried {
		return
	}
	what := fmt.Sprintf("95 %% took up to %v", all.P95.Round(time.Millisecond))
	if tooMany {
		what = fmt.Sprintf("%d of %d operations failed (%s)", s.Failed, all.Count+s.Failed, s.Failure)
	}
	s.Why = what + ": " + s.bottleneck()
}

// bottleneck names what was used up.
func (s *Step) bottleneck() string {
	if s.Own > 0.8*float64(runtime.NumCPU()) {
		return fmt.Sprintf("this simulation took %.1f of its %d cores; run it on another machine, or more of it", s.Own, runtime.NumCPU())
	}
	shared := 0.
	for _, h := range s.Hosts {
		shared += h.Cores
		switch {
		case h.Of > 0 && h.Cores > 0.85*float64(h.Of):
			return fmt.Sprintf("%s took %.1f of its %d cores", h.Name, h.Cores, h.Of)
		case h.Commit > 50*time.Millisecond:
			return fmt.Sprintf("a commit at %s takes %v in the mean: its disk, or its database", h.Name, h.Commit.Round(time.Millisecond))
		}
	}
	if n := float64(runtime.NumCPU()); len(s.Hosts) > 0 && shared+s.Own > 0.85*n {
		return fmt.Sprintf("servers took %.1f and this simulation %.1f cores; where all is on this machine, they are its %d", shared, s.Own, runtime.NumCPU())
	}
	if len(s.Hosts) == 0 {
		return "--metrics tells whether it was the servers' CPU or disk"
	}
	return "neither CPU nor commits were used up: look at the network, at limits (factotum.limit.*), and at what a directory or proxy in between does"
}

// ownCPU is what this process has used.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
