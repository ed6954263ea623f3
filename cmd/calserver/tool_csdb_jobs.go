package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"factotum/cmd/internal/plain"
	"factotum/notify/queue"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/delivery"
	"factotum/server/worker"
	"factotum/store/archive"
)

// jobOptions are the options of csdb jobs.
type jobOptions struct {
	owner  string
	kinds  []string
	ids    []string
	parked bool
}

func (o *jobOptions) declare(t *tool) {
	t.FlagLong(&o.owner, "owner", 'o')
	t.FlagLong(&o.kinds, "kind", 'k')
	t.FlagLong(&o.ids, "job", 'J')
	t.FlagLong(&o.parked, "parked", 'p')
}

// chosen tells whether they leave anything out.
func (o *jobOptions) chosen() bool {
	return o.owner != "" || len(o.kinds) > 0 || len(o.ids) > 0 || o.parked
}

// jobTable is where jobs are looked at and changed: csstored, or the database
// itself while that is stopped.
type jobTable interface {
	// list has the next after one, none at the end; if asked to with the letters.
	list(ctx context.Context, f worker.Filter, after string, letters bool) ([]jobInfo, error)
	change(ctx context.Context, command string, f worker.Filter) (worker.Outcome, error)
	mail(ctx context.Context, id calendar.JobID) (mailInfo, error)
	facts(ctx context.Context) (queue.Facts, error)
}

// runningJobs asks csstored.
type runningJobs struct{ cfg *config.Config }

func (r runningJobs) list(ctx context.Context, f worker.Filter, after string, letters bool) (list []jobInfo, err error) {
	q := jobQuery(f)
	q.Set("after", after)
	if letters {
		q.Set("letters", "yes")
	}
	return list, callStore(ctx, r.cfg, "GET", "/jobs?"+q.Encode(), &list)
}

func (r runningJobs) change(ctx context.Context, command string, f worker.Filter) (out worker.Outcome, err error) {
	return out, callStore(ctx, r.cfg, "POST", "/jobs/"+command+"?"+jobQuery(f).Encode(), &out)
}

// stoppedJobs works on the database of a server that is stopped.
type stoppedJobs struct {
	store calendar.Store
	cfg   *config.Config
}

func (s stoppedJobs) list(ctx context.Context, f worker.Filter, after string, letters bool) ([]jobInfo, error) {
	id, err := parseAfter(after)
	if err != nil {
		return nil, err
	}
	return listJobs(ctx, s.store, nil, f, id, letters)
}

func (s stoppedJobs) change(ctx context.Context, command string, f worker.Filter) (worker.Outcome, error) {
	return changeJobs(ctx, worker.New(s.store, worker.Options{Dropped: delivery.Dropped}), command, f)
}

// jobs is csdb jobs: words are what stands behind it.
func (t *tool) jobs(ctx context.Context, opt *jobOptions, words []string) error {
	command := "list"
	if len(words) > 0 {
		command, words = words[0], words[1:]
	}
	switch {
	case command != "list" && command != "retry" && command != "drop":
		return misuse("jobs are listed, retried or dropped, not %q", command)
	case len(words) > 1:
		return misuse("csdb jobs takes one directory")
	case command == "drop" && !opt.chosen():
		return misuse("say which jobs to drop: --owner, --kind, --parked or --job")
	}
	f := worker.Filter{Owner: calendar.Owner(opt.owner), Kinds: opt.kinds, Parked: opt.parked}
	var err error
	if f.IDs, err = jobIDs(opt.ids); err != nil {
		return misuse("%s", plain.Error(err))
	}
	cfg, err := t.load()
	if err != nil {
		return err
	}
	if len(words) == 1 {
		if err := useCopy(cfg, words[0], "jobs"); err != nil {
			return err
		}
	}
	table, closeTable, err := t.openJobs(ctx, cfg, len(words) == 1)
	if err != nil {
		return err
	}
	defer closeTable()
	if command == "list" {
		return t.listJobs(ctx, table, f)
	}
	if command == "drop" {
		return t.changeJobs(ctx, table, f, dropJobs)
	}
	return t.changeJobs(ctx, table, f, retryJobs)
}

// patienceOfTools is how long csstored may take to say that it is there.
const patienceOfTools = 5 * time.Second

var errHangs = fmt.Errorf("csstored runs, and has not answered within %v: look whether it is stopped, or waits for a disk; store.log has its last words", patienceOfTools)

// openJobs finds out who has the jobs.
func (t *tool) openJobs(ctx context.Context, cfg *config.Config, other bool) (table jobTable, close func(), err error) {
	if !other {
		var st processStatus
		asked, cancel := context.WithTimeout(ctx, patienceOfTools)
		err := callStore(asked, cfg, "GET", "/status", &st)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			return nil, nil, errHangs
		}
		if err == nil && st.Store != nil {
			return runningJobs{cfg}, func() {}, nil
		}
		if err != nil && !errors.Is(err, errNotRunning) {
			return nil, nil, err
		}
		t.tell("csstored does not run: the database is opened directly")
	}
	if err := needDatabase(cfg); err != nil {
		return nil, nil, err
	}
	store, err := openDatabase(ctx, cfg, t.toolLog(), nil)
	if err != nil {
		return nil, nil, err
	}
	var kept calendar.Store = store
	if !other {
		kept = archive.Noted(store, backupDirs(cfg)...)
	}
	return stoppedJobs{kept, cfg}, func() {
		if err := store.Close(); err != nil {
			t.complain("close the store: %s", plain.Error(err))
		}
	}, nil
}

// eachJob walks over the jobs that a filter chooses.
func eachJob(ctx context.Context, table jobTable, f worker.Filter, letters bool, fn func(*jobInfo) error) error {
	for after := ""; ; {
		page, err := table.list(ctx, f, after, letters)
		if err != nil || len(page) == 0 {
			return err
		}
		for i := range page {
			if err := fn(&page[i]); err != nil {
				return err
			}
		}
		after = page[len(page)-1].ID
	}
}

func (t *tool) listJobs(ctx context.Context, table jobTable, f worker.Filter) error {
	enc := json.NewEncoder(t.std.out)
	n, parked := 0, 0
	err := eachJob(ctx, table, f, false, func(j *jobInfo) error {
		if n++; j.Parked {
			parked++
		}
		if t.json {
			return enc.Encode(j)
		}
		if t.quiet {
			return nil
		}
		state := "due " + j.Due.UTC().Format(time.RFC3339)
		if j.Parked {
			state = "parked"
		}
		words := []string{j.ID, j.Kind, j.Key, state, strconv.Itoa(j.Attempts), j.Err}
		for i := range words {
			words[i] = plain.Text(words[i])
		}
		_, err := fmt.Fprintln(t.std.out, strings.TrimRight(strings.Join(words, "\t"), "\t"))
		return err
	})
	if err == nil {
		t.say("%d jobs, %d of them parked", n, parked)
	}
	return err
}

// jobChange is something that is done to jobs, and how it is spoken of: the
// number of them is %d.
type jobChange struct {
	command         string // of jobTable
	told            string // what --json calls it
	ask, done, busy string // ask "" does it without asking
	count           string // what --json calls the number
}

var (
	retryJobs      = jobChange{"retry", "retry", "", "%d jobs will be tried again", "%d jobs were left alone, since they run at the moment", "jobs"}
	dropJobs       = jobChange{"drop", "drop", "Drop %d jobs, which will then never be done?", "%d jobs dropped", retryJobs.busy, "jobs"}
	retryMessages  = jobChange{"retry", "retried", "", "entries that will be tried again: %d", "entries that were left alone, since they are delivered at the moment: %d", "entries"}
	deleteMessages = jobChange{"drop", "deleted", "Delete from the queue what will then never be delivered (entries: %d)?", "entries deleted: %d", retryMessages.busy, "entries"}
)

// changeJobs has jobs tried again, or drops them after it has asked.
func (t *tool) changeJobs(ctx context.Context, table jobTable, f worker.Filter, c jobChange) error {
	if c.ask != "" {
		n := 0
		if err := eachJob(ctx, table, f, false, func(*jobInfo) error { n++; return nil }); err != nil {
			return err
		}
		if n > 0 {
			if err := t.confirm(ctx, c.ask, n); err != nil {
				return err
			}
		}
	}
	out, err := table.change(ctx, c.command, f)
	if err != nil {
		return err
	}
	t.did(map[string]any{"done": c.told, c.count: out.Done, "busy": out.Busy}, c.done, out.Done)
	if out.Busy > 0 {
		return fmt.Errorf(c.busy, out.Busy)
	}
	return nil
}
