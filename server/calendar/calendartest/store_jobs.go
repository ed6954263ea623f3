package calendartest

import (
	"context"
	"maps"
	"slices"

	"factotum/server/calendar"
)

// Jobs implements calendar.Store.
func (s *Store) Jobs(_ context.Context, after calendar.JobID, limit int) ([]calendar.Job, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []calendar.Job
	for _, h := range s.homes {
		for id, j := range h.jobs {
			if id.Compare(after) > 0 {
				j.Payload = nil
				out = append(out, j)
			}
		}
	}
	slices.SortFunc(out, byID)
	if limit > 0 {
		out = out[:min(len(out), limit)]
	}
	return out, nil
}

func byID(a, b calendar.Job) int { return a.JobID.Compare(b.JobID) }

func (t *tx) Jobs() ([]calendar.Job, error) {
	return slices.SortedFunc(maps.Values(t.home.jobs), byID), nil
}

func (t *tx) Job(change int64, seq int) (calendar.Job, bool, error) {
	j, ok := t.home.jobs[calendar.JobID{Owner: t.owner, Change: change, Seq: seq}]
	return j, ok, nil
}

func (t *tx) PutJob(j calendar.Job) error {
	if j.Owner != "" && j.Owner != t.owner {
		return &calendar.Error{Kind: calendar.Invalid, Op: "store a job", Ref: j.JobID.String()}
	}
	j.Owner = t.owner
	set(t, t.home.jobs, j.JobID, j)
	return nil
}

func (t *tx) DeleteJob(change int64, seq int) error {
	unset(t, t.home.jobs, calendar.JobID{Owner: t.owner, Change: change, Seq: seq})
	return nil
}
