package main

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"factotum/cmd/internal/plain"
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
	Err      string    `json:"error,omitempty"`
}

func describeJob(j *calendar.Job) jobInfo {
	return jobInfo{j.JobID.String(), string(j.Owner), j.Kind, j.Key, j.Due, j.Created, j.Attempts, j.Parked, j.Err}
}

// jobQuery spells a filter as the parameters of an admin request.
func jobQuery(f worker.Filter) url.Values {
	q := url.Values{}
	if f.Owner != "" {
		q.Set("owner", string(f.Owner))
	}
	if f.Kind != "" {
		q.Set("kind", f.Kind)
	}
	if f.Parked {
		q.Set("parked", "yes")
	}
	for _, id := range f.IDs {
		q.Add("job", id.String())
	}
	return q
}

// jobFilter reads what jobQuery spells.
func jobFilter(q url.Values) (f worker.Filter, err error) {
	f = worker.Filter{Owner: calendar.Owner(q.Get("owner")), Kind: q.Get("kind"), Parked: q.Get("parked") != ""}
	f.IDs, err = jobIDs(q["job"])
	return f, err
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
const jobsAtOnce = 1000

// listJobs answers with the next jobs after one, none at the end.
func (a *adminServer) listJobs(w http.ResponseWriter, r *http.Request) {
	a.jobs(w, r, func(s *storeService, f worker.Filter) (any, error) {
		after, err := parseAfter(r.URL.Query().Get("after"))
		if err != nil {
			return nil, err
		}
		return listJobs(r.Context(), s.store, f, after)
	})
}

func parseAfter(s string) (id calendar.JobID, err error) {
	if s == "" {
		return id, nil
	}
	return calendar.ParseJobID(s)
}

func listJobs(ctx context.Context, store calendar.Store, f worker.Filter, after calendar.JobID) ([]jobInfo, error) {
	jobs, err := worker.List(ctx, store, f, after, jobsAtOnce)
	list := []jobInfo{}
	for i := range jobs {
		list = append(list, describeJob(&jobs[i]))
	}
	return list, err
}

// changeJobs has jobs tried again, or forgets them.
func (a *adminServer) changeJobs(do func(*worker.Worker, context.Context, worker.Filter) (worker.Outcome, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a.jobs(w, r, func(s *storeService, f worker.Filter) (any, error) { return do(s.jobs, r.Context(), f) })
	}
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
