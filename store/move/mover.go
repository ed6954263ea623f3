package move

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"factotum/server/calendar"
	"factotum/store/archive"
)

// Directory tells where homes are: it decides.
type Directory interface {
	// Host names the back end of an owner as the directory has it at this moment, whatever
	// is remembered. NotFound: nobody of that name is in it.
	Host(ctx context.Context, owner calendar.Owner) (string, error)
	// Switch has it name another one, if it names from. Denied, Invalid and NotFound say
	// that it was not done; after any other failure Host is asked.
	Switch(ctx context.Context, owner calendar.Owner, from, to string) error
}

// Jobs are those of homes: server/worker.
type Jobs interface {
	Suspend(ctx context.Context, owner calendar.Owner) error
	Resume(ctx context.Context, owner calendar.Owner) error
	Forget(owner calendar.Owner, parked int)
}

// Options make a Mover.
type Options struct {
	Host   string // the name of this back end
	Keeper *archive.Keeper
	Gate   *Gate
	Jobs   Jobs
	// Forget drops what the model remembers of a home.
	Forget    func(calendar.Owner)
	Directory Directory // nil: nothing is moved
	// Why says why Directory is nil.
	Why string
	// Peer is another back end; the error says why there is none.
	Peer     func(host string) (calendar.Arrivals, error)
	ReadOnly bool
	Log      *slog.Logger
	Now      func() time.Time
	// Step is told of each step before it is done, on both sides: with an error of its the
	// Mover ends, as if the process did. Tests (nil).
	Step func(step string, owner calendar.Owner) error
}

// Mover moves homes from this back end and to it.
type Mover struct {
	opt  Options
	run  context.Context
	stop context.CancelFunc
	busy sync.WaitGroup
	turn chan struct{} // places of those that are copied at once

	mu      sync.Mutex
	leaving map[calendar.Owner]*leaving
	coming  map[calendar.Owner]*coming
	past    []Status // that ended, the last ones
	counts  Counts
}

// Counts are how many homes have come and gone since the Mover was opened, and how many are
// on their way.
type Counts struct {
	Moved, Failed, Canceled int64 // from here
	Arrived                 int64
	Leaving, Coming         int
}

var _ calendar.Arrivals = (*Mover)(nil)

// atOnce is how many homes are copied at a time.
const atOnce = 4

// mark is what is stored beside a home that is moved.
type mark struct {
	Move  string    `json:"move,omitzero"`
	State string    `json:"state"`
	Host  string    `json:"host"` // the other back end
	Since time.Time `json:"since"`
}

// The states of a mark.
const (
	stateLeaving   = "leaving"   // the source copies it
	stateSwitching = "switching" // the directory may name the target
	stateMoved     = "moved"     // it is there
	stateArriving  = "arriving"  // the target has some of it
	stateReady     = "ready"     // the target has all of it
	stateHere      = "here"      // the target serves it
)

// How else a move ends, which no mark tells.
const (
	stateFailed   = "failed"
	stateCanceled = "canceled"
)

// markLife is how long a host remembers where a home went.
const markLife = 180 * 24 * time.Hour

func (k *mark) job(owner calendar.Owner) calendar.Job {
	text, err := json.Marshal(k)
	if err != nil {
		panic(err) // of strings and a time
	}
	return calendar.Job{JobID: calendar.MoveMark(owner), Kind: calendar.JobMove, Due: k.Since.Add(markLife), Created: k.Since, Payload: text}
}

// Underway tells whether a job of kind calendar.JobMove is the mark of a home that is being
// moved, and not of one that was, and which other host has to do with it.
func Underway(job calendar.Job) (host string, underway bool, err error) {
	var k mark
	if err := json.Unmarshal(job.Payload, &k); err != nil {
		return "", false, fmt.Errorf("read the mark of the home of %s: %w", job.Owner, err)
	}
	return k.Host, k.State != stateMoved && k.State != stateHere, nil
}

// Forget removes the marks of homes that were moved, before a release takes the store that
// knows of none. Nobody may use it.
func Forget(ctx context.Context, store calendar.Store, marks []calendar.Job) error {
	for i := range marks {
		id := marks[i].JobID
		if err := store.Update(ctx, id.Owner, func(tx calendar.Tx) error { return tx.DeleteJob(id.Change, id.Seq) }); err != nil {
			return fmt.Errorf("remove the mark of the home of %s: %w", id.Owner, err)
		}
	}
	return nil
}

// Open reads the marks of a store, and closes the homes that they are about. Nobody may
// read or write before. What was under way goes on with Start.
func Open(ctx context.Context, opt Options) (*Mover, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Step == nil {
		opt.Step = func(string, calendar.Owner) error { return nil }
	}
	m := &Mover{opt: opt, turn: make(chan struct{}, atOnce), leaving: map[calendar.Owner]*leaving{}, coming: map[calendar.Owner]*coming{}}
	m.run, m.stop = context.WithCancel(context.WithoutCancel(ctx))
	marks, err := m.marks(ctx)
	if err != nil {
		return nil, err
	}
	for owner, k := range marks {
		switch k.State {
		case stateMoved, stateHere:
			if opt.Now().Sub(k.Since) > markLife && !opt.ReadOnly {
				if err := opt.Keeper.Settled(ctx, calendar.Job{JobID: calendar.MoveMark(owner)}); err != nil {
					return nil, err
				}
				continue
			}
			if k.State == stateMoved {
				opt.Gate.set(owner, moved, k.Host)
			}
		case stateArriving, stateReady:
			opt.Gate.set(owner, arriving, "")
			if k.State == stateArriving {
				opt.Keeper.Away(owner)
			}
			m.coming[owner] = &coming{mark: k}
		case stateLeaving:
			m.leaving[owner] = m.newLeaving(owner, k)
		case stateSwitching:
			opt.Gate.set(owner, closed, "")
			m.leaving[owner] = m.newLeaving(owner, k)
		}
	}
	return m, nil
}

// marks reads all that there are.
func (m *Mover) marks(ctx context.Context) (map[calendar.Owner]mark, error) {
	store, all := m.opt.Keeper.Store(), map[calendar.Owner]mark{}
	for after := (calendar.JobID{}); ; {
		page, err := store.Jobs(ctx, after, 1000)
		if err != nil {
			return nil, fmt.Errorf("read the marks of moved homes: %w", err)
		}
		if len(page) == 0 {
			return all, nil
		}
		for i := range page {
			if after = page[i].JobID; page[i].Kind != calendar.JobMove {
				continue
			}
			k, _, err := m.markOf(ctx, after.Owner)
			if err != nil {
				return nil, err
			}
			all[after.Owner] = k
		}
	}
}

// markOf reads the mark of a home, and whether there is a home.
func (m *Mover) markOf(ctx context.Context, owner calendar.Owner) (k mark, there bool, err error) {
	id := calendar.MoveMark(owner)
	err = m.opt.Keeper.Store().View(ctx, owner, func(tx calendar.ReadTx) error {
		k = mark{}
		var err error
		if _, there, err = tx.Home(); err != nil {
			return err
		}
		job, ok, err := tx.Job(id.Change, id.Seq)
		if err != nil || !ok {
			return err
		}
		return json.Unmarshal(job.Payload, &k)
	})
	return k, there, err
}

// note stores a mark.
func (m *Mover) note(ctx context.Context, owner calendar.Owner, k mark) error {
	return m.opt.Keeper.Store().Update(ctx, owner, func(tx calendar.Tx) error { return tx.PutJob(k.job(owner)) })
}

// Start goes on with what was under way.
func (m *Mover) Start() {
	if m.opt.ReadOnly {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.leaving {
		m.busy.Go(func() { m.depart(l, true) })
	}
	m.busy.Go(m.watch)
}

// Stop ends what is under way, which goes on after the next start.
func (m *Mover) Stop() {
	m.stop()
	m.busy.Wait()
}

// Status tells how a move does.
type Status struct {
	Owner  calendar.Owner `json:"owner"`
	To     string         `json:"to,omitempty"`
	From   string         `json:"from,omitempty"` // of one that comes here
	State  string         `json:"state"`          // waiting, copying, following, switching; moved, failed, canceled; arriving, ready
	Rows   int            `json:"rows,omitempty"` // that were copied
	Began  time.Time      `json:"began"`
	Ended  time.Time      `json:"ended,omitzero"`
	Frozen float64        `json:"frozen_seconds,omitempty"` // for how long nobody could write
	Err    string         `json:"error,omitempty"`
}

// mostPast is how many that ended are told of.
const mostPast = 1000

// Counts tells how many homes have come and gone.
func (m *Mover) Counts() Counts {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.counts
	n.Leaving, n.Coming = len(m.leaving), len(m.coming)
	return n
}

// Status lists what is under way, and what has ended since the start.
func (m *Mover) Status() (list []Status) {
	m.mu.Lock()
	defer m.mu.Unlock()
	list = slices.Clone(m.past)
	for _, l := range m.leaving {
		list = append(list, l.status)
	}
	for owner, c := range m.coming {
		list = append(list, Status{Owner: owner, From: c.mark.Host, State: c.mark.State, Began: c.mark.Since})
	}
	slices.SortStableFunc(list, func(a, b Status) int { return strings.Compare(string(a.Owner), string(b.Owner)) })
	return list
}

func (m *Mover) step(name string, owner calendar.Owner) error {
	err := m.opt.Step(name, owner)
	if err != nil {
		m.stop()
	}
	return err
}

func fail(kind calendar.Kind, owner calendar.Owner, format string, args ...any) error {
	return &calendar.Error{Kind: kind, Op: "move", Ref: string(owner), Msg: fmt.Sprintf(format, args...)}
}

// actor is who this back end is to another.
func (m *Mover) actor() calendar.Actor {
	return calendar.Actor{User: "csmove", Admin: true, Via: "csmove"}
}

// forGood tells of a failure that another attempt does not mend.
func forGood(err error) bool {
	switch calendar.KindOf(err) {
	case calendar.Unavailable, calendar.Canceled, calendar.NoBackend, calendar.MustWait:
		return false
	case calendar.Internal:
		var e *calendar.Error
		return errors.As(err, &e) && e.Reason == calendar.Damaged
	}
	return true
}
