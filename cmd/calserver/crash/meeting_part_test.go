package crash

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"factotum/protocol/dwp"
	"factotum/server/calendar"
	"factotum/server/cld"
	"factotum/server/delivery"
	"factotum/server/service"
	"factotum/server/worker"
)

// death is when a part kills itself: before or after the nth time that a step of
// a delivery is committed.
type death struct {
	Step  step
	After bool
	Nth   int64 // 0 = it does not
}

// step is one of a delivery: a transaction, or what the daemon reads for one.
type step string

const (
	stepStored       step = "stored"       // a change with its messages, at their sender's
	stepLeased       step = "leased"       // the job of the messages was read, and begins
	stepApplied      step = "applied"      // a message to a recipient's calendar
	stepAcknowledged step = "acknowledged" // what became of the messages, and the end of the job
)

// deaths are between all pairs of steps.
var deaths = []death{
	{Step: stepStored}, {Step: stepStored, After: true}, {Step: stepLeased, After: true}, {Step: stepApplied}, {Step: stepApplied, After: true},
	{Step: stepAcknowledged}, {Step: stepAcknowledged, After: true},
}

func (d death) String() string {
	if d.After {
		return "after it is " + string(d.Step)
	}
	return "before it is " + string(d.Step)
}

// mortal is a store whose process kills itself at a step.
type mortal struct {
	calendar.Store
	death
	met atomic.Int64
}

func (m *mortal) meet(s step, after bool) {
	if s != m.Step || after != m.After || m.met.Add(1) != m.Nth {
		return
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// watchedTx notes which step a transaction is.
type watchedTx struct {
	calendar.Tx
	step step
}

func (t *watchedTx) PutJob(job calendar.Job) error {
	if t.step == "" && job.Kind == calendar.JobDeliver && job.Attempts == 0 {
		t.step = stepStored
	}
	return t.Tx.PutJob(job)
}

func (t *watchedTx) DeleteJob(change int64, seq int) error {
	if t.step != stepApplied {
		t.step = stepAcknowledged
	}
	return t.Tx.DeleteJob(change, seq)
}

func (t *watchedTx) PutTrace(tr calendar.Trace) error {
	if tr.Step == calendar.TraceApplied || tr.Step == calendar.TraceIgnored || tr.Step == calendar.TraceRefused {
		t.step = stepApplied
	}
	return t.Tx.PutTrace(tr)
}

func (m *mortal) Update(ctx context.Context, owner calendar.Owner, fn func(calendar.Tx) error) error {
	var done step
	err := m.Store.Update(ctx, owner, func(tx calendar.Tx) error {
		w := &watchedTx{Tx: tx}
		err := fn(w)
		if done = w.step; err == nil {
			m.meet(done, false)
		}
		return err
	})
	if err == nil {
		m.meet(done, true)
	}
	return err
}

// watchedReadTx notes that a job is read.
type watchedReadTx struct {
	calendar.ReadTx
	leased bool
}

func (t *watchedReadTx) Job(change int64, seq int) (calendar.Job, bool, error) {
	job, ok, err := t.ReadTx.Job(change, seq)
	t.leased = t.leased || ok && job.Kind == calendar.JobDeliver
	return job, ok, err
}

func (m *mortal) View(ctx context.Context, owner calendar.Owner, fn func(calendar.ReadTx) error) error {
	leased := false
	err := m.Store.View(ctx, owner, func(tx calendar.ReadTx) error {
		w := &watchedReadTx{ReadTx: tx}
		err := fn(w)
		leased = w.leased
		return err
	})
	if err == nil && leased {
		m.meet(stepLeased, true)
	}
	return err
}

func (p *part) people() everybody { return everybody{slices.Sorted(maps.Keys(p.Hosts))} }

// dealt is the Router over the back ends, of which local is this process's.
func dealt(p *part, local calendar.Backend, up func(host string)) (router *cld.Router, leave func(), err error) {
	people := p.people()
	opt := cld.Options{Local: local, People: people, Backends: map[string]calendar.Backend{}, Locator: cld.Directory{People: people}}
	if local != nil {
		opt.Names = []string{p.Name}
	}
	var open []*dwp.Client
	leave = func() {
		for _, c := range open {
			c.Close()
		}
	}
	for host, address := range p.Hosts {
		if local != nil && host == p.Name {
			continue
		}
		c, err := dwp.NewClient(dwp.ClientOptions{Host: host, Address: address, Logger: slog.New(slog.DiscardHandler), Up: func() {
			if up != nil {
				up(host)
			}
		}})
		if err != nil {
			leave()
			return nil, nil, err
		}
		open = append(open, c)
		opt.Backends[host] = c
	}
	router, err = cld.New(opt)
	return router, leave, err
}

// attending is a model whose people are told of each other's meetings.
type attending struct {
	model  *service.Service
	router *cld.Router
	leave  func()
}

// attend delivers messages as csstored does, and tells at /jobs which wait.
func attend(ctx context.Context, p *part, st calendar.Store, mux *http.ServeMux) (*attending, error) {
	store := &mortal{Store: st, death: p.Dies}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	jobs := worker.New(store, worker.Options{Concurrency: 32, PerOwner: 4, Log: log})
	a := &attending{model: service.New(store, p.people(), service.Options{Host: p.Name, Outbox: jobs, Logger: log})}
	hasten := func(host string) {
		go func() {
			if _, err := jobs.Hasten(ctx, worker.Filter{Lanes: []string{delivery.Lane(host)}}); err != nil {
				log.Error("hasten", "err", err)
			}
		}()
	}
	router, leave, err := dealt(p, a.model, hasten)
	if err != nil {
		return nil, err
	}
	a.router = router
	courier := &delivery.Courier{Model: a.model, Jobs: jobs, People: p.people(), Backend: router}
	for name, kind := range courier.Kinds() {
		jobs.Handle(name, kind)
	}
	mux.HandleFunc("/jobs", func(w http.ResponseWriter, r *http.Request) {
		list, err := st.Jobs(r.Context(), calendar.JobID{}, 0)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		for _, j := range list {
			fmt.Fprintln(w, j.JobID, j.Kind, j.Key, j.Due, j.Attempts, j.Err)
		}
	})
	a.leave = func() {
		limited, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := jobs.Stop(limited); err != nil {
			log.Error("stop", "err", err)
		}
		leave()
	}
	return a, jobs.Start(ctx)
}
