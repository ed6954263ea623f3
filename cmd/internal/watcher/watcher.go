// Package watcher keeps the server's processes running. It starts each one and
// waits until it is ready, starts again what ends without having been told to,
// gives up what does not become ready, and takes the orders of start-cal and
// stop-cal. admin.md §4.4.
//
// A unit is a process and the components in it: one each, or all in one
// process. One goroutine supervises a unit from its start to its stop; orders
// come one at a time.
package watcher

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Component is what can be started and stopped by name.
type Component struct {
	Name       string // store
	Program    string // csstored
	NeedsStore bool   // it cannot run where csstored does not
}

// store is the component that others need.
const store = "store"

// NoStore is said wherever something that needs the store is to start without
// it.
func NoStore(program string) error {
	return fmt.Errorf("%s not started: it needs csstored, which is not running; "+
		"start it with \"start-cal store\" and see that service.store.enable and local.store.enable are not \"no\"", program)
}

// Host is where processes run.
type Host interface {
	// Start starts a process with components in it.
	Start(process string, components []string) (Process, error)
	// Tell gives a running process an order, "start" or "stop", for one
	// component of several.
	Tell(ctx context.Context, process, order, component string) error
	// StoreRuns tells whether csstored runs that was started by somebody else.
	StoreRuns() bool
}

// Process is one that was started.
type Process interface {
	PID() int
	Started() <-chan error // how its start went, once; nil is ready
	Wait() error           // returns when it has ended
	Terminate()            // asks it to end
	Kill()
}

// Options say what is watched, and how.
type Options struct {
	Components []Component   // in the order in which they start; they stop in the reverse
	All        string        // the process that has all of them; "" gives each its own, by the name of its program
	Restart    bool          // whether what crashed is started again
	GiveUp     time.Duration // how long it is tried to start what does not become ready
	StartTime  time.Duration // how long a process may take to become ready
	StopTime   time.Duration // how long it may take to end
	Log        *slog.Logger
}

// Watcher watches processes.
type Watcher struct {
	opt  Options
	host Host

	mu    sync.Mutex // held while an order is carried out
	units []*unit    // in starting order
}

// New makes a watcher that has started nothing yet.
func New(host Host, opt Options) *Watcher { return &Watcher{opt: opt, host: host} }

// Unit is what is known of a process.
type Unit struct {
	Name     string    `json:"name"`
	PID      int       `json:"pid"`
	Roles    []string  `json:"roles"`
	Since    time.Time `json:"since"`
	Restarts int       `json:"restarts"`
	Given    string    `json:"given_up,omitempty"` // why it is not tried any more
}

// Units lists the processes.
func (w *Watcher) Units() []Unit {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := []Unit{}
	for _, u := range w.units {
		list = append(list, u.status())
	}
	return list
}

// Started tells how the start of a component went.
type Started struct {
	Component string `json:"component"`
	PID       int    `json:"pid"`
	Already   bool   `json:"already,omitempty"`
	Err       string `json:"err,omitempty"`
}

// Start starts components, by name or program, and tells each one's fate.
func (w *Watcher) Start(ctx context.Context, words []string) ([]Started, error) {
	which, err := w.pick(words)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []Started
	for _, c := range which {
		res := Started{Component: c.Name}
		pid, already, err := w.start(ctx, c)
		if res.PID, res.Already = pid, already; err != nil {
			res.Err = err.Error()
			w.opt.Log.Error("not started", "program", c.Program, "err", err)
		} else if !already {
			w.opt.Log.Info("started", "program", c.Program, "pid", pid)
		}
		out = append(out, res)
	}
	return out, nil
}

// pick finds components by name or program, in starting order.
func (w *Watcher) pick(words []string) (out []Component, err error) {
	for _, word := range words {
		if !slices.ContainsFunc(w.opt.Components, func(c Component) bool { return c.Name == word || c.Program == word }) {
			return nil, fmt.Errorf("there is no component %q", word)
		}
	}
	for _, c := range w.opt.Components {
		if slices.Contains(words, c.Name) || slices.Contains(words, c.Program) {
			out = append(out, c)
		}
	}
	return out, nil
}

// start starts a component: its process, or within the process of all.
func (w *Watcher) start(ctx context.Context, c Component) (pid int, already bool, err error) {
	name := w.opt.All
	if name == "" {
		name = c.Program
	}
	u := w.unit(name)
	st := u.status()
	if st.PID != 0 && slices.Contains(st.Roles, c.Name) {
		return st.PID, true, nil
	}
	if c.NeedsStore && !w.storeRuns() {
		return 0, false, NoStore(c.Program)
	}
	if st.PID == 0 {
		if err := u.start(c.Name); err != nil {
			return 0, false, err
		}
		return u.status().PID, false, nil
	}
	if err := w.host.Tell(ctx, name, "start", c.Name); err != nil {
		return 0, false, err
	}
	u.add(c.Name)
	return st.PID, false, nil
}

func (w *Watcher) unit(name string) *unit {
	for _, u := range w.units {
		if u.name == name {
			return u
		}
	}
	u := &unit{name: name, opt: &w.opt, host: w.host}
	w.units = append(w.units, u)
	return u
}

// storeRuns tells whether csstored is up in one of the processes, or apart.
func (w *Watcher) storeRuns() bool {
	for _, u := range w.units {
		if st := u.status(); st.PID != 0 && slices.Contains(st.Roles, store) {
			return true
		}
	}
	return w.host.StoreRuns()
}

// Stopped tells what was stopped, and whether anything is left to watch.
type Stopped struct {
	Stopped []string `json:"stopped"`
	Quit    bool     `json:"quit"`
}

// Stop stops components, by name or program, and with csstored those that need
// it. Those that are asked have StopTime to end; force kills them.
func (w *Watcher) Stop(ctx context.Context, words []string, force bool) (res Stopped, err error) {
	which, err := w.pick(words)
	if err != nil {
		return res, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	all := slices.ContainsFunc(which, func(c Component) bool { return c.Name == store })
	for _, c := range slices.Backward(w.opt.Components) {
		if !slices.Contains(which, c) && !(all && c.NeedsStore) {
			continue
		}
		for _, u := range w.units {
			st := u.status()
			if !slices.Contains(st.Roles, c.Name) {
				continue
			}
			if len(st.Roles) == 1 || st.PID == 0 {
				u.stop(force)
			} else if err := w.host.Tell(ctx, u.name, "stop", c.Name); err != nil {
				return res, fmt.Errorf("stop %s: %w", c.Program, err)
			}
			u.remove(c.Name)
			res.Stopped = append(res.Stopped, c.Name)
		}
	}
	res.Quit = !slices.ContainsFunc(w.units, func(u *unit) bool { return len(u.status().Roles) > 0 })
	return res, nil
}

// StopAll stops everything, last things first.
func (w *Watcher) StopAll(force bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, u := range slices.Backward(w.units) {
		u.stop(force)
	}
}
