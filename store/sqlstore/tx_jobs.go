package sqlstore

import (
	"context"

	"factotum/server/calendar"
)

const (
	jobColumns = `owner, change, seq, kind, key, due, created, attempts, parked, err`

	// By the whole key, so that it is a range of the primary key and nothing
	// is sorted; those of one owner and change come together.
	sqlAllJobs = `SELECT ` + jobColumns + ` FROM jobs WHERE (owner, change, seq) > ($1, $2, $3) ORDER BY owner, change, seq LIMIT $4`

	sqlJobs = `SELECT ` + jobColumns + `, payload FROM jobs WHERE owner = $1 ORDER BY change, seq`
	sqlJob  = `SELECT ` + jobColumns + `, payload FROM jobs WHERE owner = $1 AND change = $2 AND seq = $3`

	sqlPutJob = `INSERT INTO jobs (` + jobColumns + `, payload) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (owner, change, seq) DO UPDATE SET kind = excluded.kind, key = excluded.key, due = excluded.due,
created = excluded.created, attempts = excluded.attempts, parked = excluded.parked, err = excluded.err, payload = excluded.payload`
	sqlDropJob = `DELETE FROM jobs WHERE owner = $1 AND change = $2 AND seq = $3`
)

// readJob scans jobColumns and what stands behind them.
func readJob(r scanner, j *calendar.Job, rest ...any) error {
	var owner string
	var seq, due, created, attempts, parked int64
	err := r.scan(append(args(&owner, &j.Change, &seq, &j.Kind, &j.Key, &due, &created, &attempts, &parked, &j.Err), rest...)...)
	j.Owner, j.Seq, j.Attempts, j.Parked = calendar.Owner(owner), int(seq), int(attempts), parked != 0
	j.Due, j.Created = fromMicros(due), fromMicros(created)
	return err
}

// Jobs lists the jobs of all owners without their payload, by id, after the
// given one, at most limit of them (0 = all).
func (s *Store) Jobs(ctx context.Context, after calendar.JobID, limit int) (jobs []calendar.Job, err error) {
	err = s.engine.read(ctx, func(c conn) error {
		jobs = jobs[:0]
		err := c.query(sqlAllJobs, args(string(after.Owner), after.Change, int64(after.Seq), limitOf(limit)), func(r scanner) error {
			jobs = append(jobs, calendar.Job{})
			return readJob(r, &jobs[len(jobs)-1])
		})
		return wrap("list jobs", err)
	})
	return jobs, err
}

// Jobs lists the owner's jobs by id.
func (t *tx) Jobs() ([]calendar.Job, error) {
	return collect(t, "list jobs", sqlJobs, args(t.owner), nil, func(r scanner, j *calendar.Job) error {
		return readJob(r, j, &j.Payload)
	})
}

// Job returns one job.
func (t *tx) Job(change int64, seq int) (job calendar.Job, ok bool, err error) {
	err = t.conn.query(sqlJob, args(t.owner, change, int64(seq)), func(r scanner) error {
		ok = true
		return readJob(r, &job, &job.Payload)
	})
	return job, ok, t.wrap("read a job", err)
}

// PutJob inserts or replaces a job; Invalid if it is another owner's.
func (t *tx) PutJob(j calendar.Job) error {
	const op = "store a job"
	if j.Owner != "" && string(j.Owner) != t.owner {
		return &calendar.Error{Kind: calendar.Invalid, Op: op, Ref: j.JobID.String()}
	}
	return t.exec(op, sqlPutJob, t.owner, j.Change, int64(j.Seq), j.Kind, j.Key, micros(j.Due), micros(j.Created),
		int64(j.Attempts), boolBit(j.Parked, 1), j.Err, octets(j.Payload))
}

// DeleteJob removes a job; it need not exist.
func (t *tx) DeleteJob(change int64, seq int) error {
	return t.exec("delete a job", sqlDropJob, t.owner, change, int64(seq))
}
