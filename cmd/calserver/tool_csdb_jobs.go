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
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/worker"
)

// jobOptions are the options of csdb jobs.
type jobOptions struct {
	owner, kind string
	ids         []string
	parked      bool
}

func (o *jobOptions) declare(t *tool) {
	t.FlagLong(&o.owner, "owner", 'o')
	t.FlagLong(&o.kind, "kind", 'k')
	t.FlagLong(&o.ids, "job", 'J')
	t.FlagLong(&o.parked, "parked", 'p')
}

// chosen tells whether they leave anything out.
func (o *jobOptions) chosen() bool {
	return o.owner != "" || o.kind != "" || len(o.ids) > 0 || o.parked
}

// jobTable is where jobs are looked at and changed: csstored, or the database
// itself while that is stopped.
type jobTable interface {
	list(ctx context.Context, f worker.Filter, after string) ([]jobInfo, error)
	change(ctx context.Context, command string, f worker.Filter) (worker.Outcome, error)
}

// runningJobs asks csstored.
type runningJobs struct{ cfg *config.Config }

func (r runningJobs) list(ctx context.Context, f worker.Filter, after string) (list []jobInfo, err error) {
	q := jobQuery(f)
	q.Set("after", after)
	return list, callStore(ctx, r.cfg, "GET", "/jobs?"+q.Encode(), &list)
}

func (r runningJobs) change(ctx context.Context, command string, f worker.Filter) (out worker.Outcome, err error) {
	return out, callStore(ctx, r.cfg, "POST", "/jobs/"+command+"?"+jobQuery(f).Encode(), &out)
}

// stoppedJobs works on the database of a server that is stopped.
type stoppedJobs struct{ store calendar.Store }

func (s stoppedJobs) list(ctx context.Context, f worker.Filter, after string) ([]jobInfo, error) {
	id, err := parseAfter(after)
	if err != nil {
		return nil, err
	}
	return listJobs(ctx, s.store, f, id)
}

func (s stoppedJobs) change(ctx context.Context, command string, f worker.Filter) (worker.Outcome, error) {
	w := worker.New(s.store, worker.Options{})
	if command == "drop" {
		return w.Drop(ctx, f)
	}
	return w.Retry(ctx, f)
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
	f := worker.Filter{Owner: calendar.Owner(opt.owner), Kind: opt.kind, Parked: opt.parked}
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
	return t.changeJobs(ctx, table, f, command)
}

// openJobs finds out who has the jobs.
func (t *tool) openJobs(ctx context.Context, cfg *config.Config, other bool) (table jobTable, close func(), err error) {
	if !other {
		var st processStatus
		err := callStore(ctx, cfg, "GET", "/status", &st)
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
	return stoppedJobs{store}, func() {
		if err := store.Close(); err != nil {
			t.complain("close the store: %s", plain.Error(err))
		}
	}, nil
}

// eachJob walks over the jobs that a filter chooses.
func eachJob(ctx context.Context, table jobTable, f worker.Filter, fn func(*jobInfo) error) error {
	for after := ""; ; {
		page, err := table.list(ctx, f, after)
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
	err := eachJob(ctx, table, f, func(j *jobInfo) error {
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

// changeJobs has jobs tried again, or drops them after it has asked.
func (t *tool) changeJobs(ctx context.Context, table jobTable, f worker.Filter, command string) error {
	if command == "drop" {
		n := 0
		if err := eachJob(ctx, table, f, func(*jobInfo) error { n++; return nil }); err != nil {
			return err
		}
		if n > 0 {
			if err := t.confirm(ctx, "Drop %d jobs, which will then never be done?", n); err != nil {
				return err
			}
		}
	}
	out, err := table.change(ctx, command, f)
	if err != nil {
		return err
	}
	what := "will be tried again"
	if command == "drop" {
		what = "dropped"
	}
	t.did(map[string]any{"done": command, "jobs": out.Done, "busy": out.Busy}, "%d jobs %s", out.Done, what)
	if out.Busy > 0 {
		return fmt.Errorf("%d jobs were left alone, since they run at the moment", out.Busy)
	}
	return nil
}
