package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"factotum/cmd/internal/plain"
	"factotum/notify/queue"
	"factotum/server/calendar"
	"factotum/server/worker"
)

// jobInfo is a job as csdb and the admin socket tell of it: without what it
// carries.
type jobInfo struct {
	ID       string    `json:"id"`
	Owner    string    `json:"owner"`
	Kind     string    `json:"kind"`
	Key      string    `json:"key,omitempty"`
	Due      time.Time `json:"due"`
	Created  time.Time `json:"created"`
	Attempts int       `json:"attempts"`
	Parked   bool      `json:"parked"`
	Held     bool      `json:"held,omitempty"` // by an administrator
	Err      string    `json:"error,omitempty"`
	// Place is where it stands, while the server runs.
	Place worker.Place `json:"place,omitempty"`

	Letters []letterInfo `json:"letters,omitempty"` // where they are asked for
}

// letterInfo is a scheduling message of a job: without what it says.
type letterInfo struct {
	Message string   `json:"message"`
	Method  string   `json:"method"`
	From    string   `json:"from"`
	To      []string `json:"to"`
}

func describeJob(j *calendar.Job) jobInfo {
	return jobInfo{j.JobID.String(), string(j.Owner), j.Kind, j.Key, j.Due, j.Created, j.Attempts, j.Parked, worker.Held(j), j.Err, "", nil}
}

// jobQuery spells a filter as the parameters of an admin request.
func jobQuery(f worker.Filter) url.Values {
	q := url.Values{}
	if f.Owner != "" {
		q.Set("owner", string(f.Owner))
	}
	for _, kind := range f.Kinds {
		q.Add("kind", kind)
	}
	if f.UID != "" {
		q.Set("uid", f.UID)
	}
	if !f.From.IsZero() {
		q.Set("from", f.From.Format(time.RFC3339Nano))
	}
	if !f.To.IsZero() {
		q.Set("to", f.To.Format(time.RFC3339Nano))
	}
	for _, lane := range f.Lanes {
		q.Add("lane", lane)
	}
	if f.Ending != "" {
		q.Set("ending", f.Ending)
	}
	if f.Parked {
		q.Set("parked", "yes")
	}
	if f.Held {
		q.Set("held", "yes")
	}
	for _, id := range f.IDs {
		q.Add("job", id.String())
	}
	return q
}

// jobFilter reads what jobQuery spells.
func jobFilter(q url.Values) (f worker.Filter, err error) {
	f = worker.Filter{Owner: calendar.Owner(q.Get("owner")), Kinds: q["kind"], UID: q.Get("uid"), Lanes: q["lane"], Ending: q.Get("ending"),
		Parked: q.Get("parked") != "", Held: q.Get("held") != ""}
	if f.From, err = jobTime(q.Get("from")); err != nil {
		return f, err
	}
	if f.To, err = jobTime(q.Get("to")); err != nil {
		return f, err
	}
	f.IDs, err = jobIDs(q["job"])
	return f, err
}

func jobTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.RFC3339Nano, s)
}

func jobIDs(list []string) (ids []calendar.JobID, err error) {
	for _, s := range list {
		id, err := calendar.ParseJobID(s)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// jobsAtOnce is how many jobs an answer has.
const (
	jobsAtOnce        = 1000
	jobsAtOnceLetters = 100 // with their letters
)

// listJobs answers with the next jobs after one, none at the end.
func (a *adminServer) listJobs(w http.ResponseWriter, r *http.Request) {
	a.jobs(w, r, func(s *storeService, f worker.Filter) (any, error) {
		after, err := parseAfter(r.URL.Query().Get("after"))
		if err != nil {
			return nil, err
		}
		return listJobs(r.Context(), s.store, s.jobs.Places, f, after, r.URL.Query().Get("letters") != "")
	})
}

func parseAfter(s string) (id calendar.JobID, err error) {
	if s == "" {
		return id, nil
	}
	return calendar.ParseJobID(s)
}

// listJobs is a page of them; places tells where they stand, nil if nobody does them.
func listJobs(ctx context.Context, store calendar.Store, places func([]calendar.Job) []worker.Place, f worker.Filter, after calendar.JobID, letters bool) ([]jobInfo, error) {
	n := jobsAtOnce
	if letters {
		n = jobsAtOnceLetters
	}
	jobs, err := worker.List(ctx, store, f, after, n)
	if err != nil {
		return nil, err
	}
	list := []jobInfo{}
	at := make([]worker.Place, len(jobs))
	if places != nil {
		at = places(jobs)
	}
	for i := range jobs {
		info := describeJob(&jobs[i])
		info.Place = at[i]
		if letters && jobs[i].Kind == calendar.JobDeliver {
			if info.Letters, err = lettersOf(ctx, store, jobs[i].JobID); err != nil {
				return nil, err
			}
		}
		list = append(list, info)
	}
	return list, nil
}

// lettersOf are the messages of a job, none if it is done meanwhile or cannot
// be read.
func lettersOf(ctx context.Context, store calendar.Store, id calendar.JobID) (list []letterInfo, err error) {
	err = store.View(ctx, id.Owner, func(tx calendar.ReadTx) error {
		list = nil
		job, ok, err := tx.Job(id.Change, id.Seq)
		if err != nil || !ok {
			return err
		}
		post, err := calendar.ParsePost(job)
		if err != nil {
			return nil
		}
		for i := range post.Letters {
			l := &post.Letters[i]
			list = append(list, letterInfo{l.ID, l.Method, l.From, l.To})
		}
		return nil
	})
	return list, err
}

// changeJobs does a command about jobs.
func (a *adminServer) changeJobs(w http.ResponseWriter, r *http.Request) {
	a.jobs(w, r, func(s *storeService, f worker.Filter) (any, error) {
		switch command := r.PathValue("command"); command {
		case "retry":
			if s.mail != nil && (len(f.Kinds) == 0 || slices.Contains(f.Kinds, calendar.JobMail)) {
				s.mail.NewRun()
			}
			return s.jobs.Retry(r.Context(), f)
		case "return":
			f.Kinds = []string{calendar.JobMail}
			return s.jobs.Finish(r.Context(), f, func(ctx context.Context, job calendar.Job) error { return queue.Return(ctx, s.model, job) })
		default:
			return changeJobs(r.Context(), s.jobs, command, f)
		}
	})
}

// changeJobs does what needs the table of jobs alone.
func changeJobs(ctx context.Context, w *worker.Worker, command string, f worker.Filter) (worker.Outcome, error) {
	switch command {
	case "retry":
		return w.Retry(ctx, f)
	case "drop":
		return w.Drop(ctx, f)
	case "hold":
		return w.Hold(ctx, f)
	case "release":
		return w.Release(ctx, f)
	}
	return worker.Outcome{}, fmt.Errorf("%s needs csstored: start it with \"start-cal store\"", command)
}

// showMail answers with one mail.
func (a *adminServer) showMail(w http.ResponseWriter, r *http.Request) {
	a.jobs(w, r, func(s *storeService, f worker.Filter) (any, error) {
		if len(f.IDs) != 1 {
			return nil, errors.New("which mail?")
		}
		return mailOf(r.Context(), s.store, s.jobs.Places, f.IDs[0])
	})
}

func (a *adminServer) jobs(w http.ResponseWriter, r *http.Request, do func(*storeService, worker.Filter) (any, error)) {
	s := a.storeService()
	if s == nil {
		http.Error(w, "csstored does not run in this process", http.StatusConflict)
		return
	}
	f, err := jobFilter(r.URL.Query())
	if err != nil {
		http.Error(w, plain.Error(err), http.StatusBadRequest)
		return
	}
	answer, err := do(s, f)
	if err != nil {
		http.Error(w, plain.Error(err), http.StatusInternalServerError)
		return
	}
	answerJSON(w, answer)
}
