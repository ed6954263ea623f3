package sqlstore

import (
	"math"
	"strings"
	"time"

	"factotum/server/calendar"
)

const (
	traceColumns = `owner, id, at, message, method, uid, summary, sender, recipients, step, reason, status, detail, actor, via`

	selectTraces = `SELECT ` + traceColumns + ` FROM traces WHERE owner = $1`
	tracesUp     = ` AND id > $2 AND id < $3 ORDER BY id LIMIT $4`
	tracesDown   = ` AND id > $2 AND id < $3 ORDER BY id DESC LIMIT $4`

	// With a plus, so that the other key is no choice: a UID has few.
	tracesUIDUp   = ` AND uid = $5 AND uid <> '' AND +id > $2 AND +id < $3 ORDER BY +id LIMIT $4`
	tracesUIDDown = ` AND uid = $5 AND uid <> '' AND +id > $2 AND +id < $3 ORDER BY +id DESC LIMIT $4`

	sqlPutTrace = `INSERT INTO traces (` + traceColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`

	// What stays begins with the first that is young enough, and with the last
	// but so many.
	sqlFirstTrace = `SELECT id FROM traces WHERE owner = $1 AND at >= $2 ORDER BY id LIMIT 1`
	sqlNthTrace   = `SELECT id FROM traces WHERE owner = $1 ORDER BY id DESC LIMIT 1 OFFSET $2`
	sqlDropTraces = `DELETE FROM traces WHERE owner = $1 AND id < $2`
)

func readTrace(r scanner, tr *calendar.Trace) error {
	var owner, to, by string
	var at, step int64
	err := r.scan(&owner, &tr.ID, &at, &tr.Message, &tr.Method, &tr.UID, &tr.Summary, &tr.From, &to, &step, &tr.Reason, &tr.Status, &tr.Detail, &by, &tr.Via)
	tr.Owner, tr.When, tr.Step, tr.By = calendar.Owner(owner), fromMicros(at), calendar.TraceStep(step), calendar.UserID(by)
	if to != "" {
		tr.To = strings.Split(to, "\n")
	}
	return err
}

// Traces streams the owner's journal, or what a query asks for of it.
func (t *tx) Traces(q calendar.TraceQuery, fn func(*calendar.Trace) error) error {
	if !storable(q.UID) {
		return nil
	}
	text := map[[2]bool]string{{false, false}: tracesDown, {false, true}: tracesUp, {true, false}: tracesUIDDown, {true, true}: tracesUIDUp}[[2]bool{q.UID != "", q.OldestFirst}]
	above, below := int64(math.MinInt64), int64(math.MaxInt64)
	edge := &below // moves with what was read
	if q.OldestFirst {
		edge = &above
	}
	if q.After != 0 {
		*edge = q.After
	}
	want := q.Matcher()
	var rows []calendar.Trace
	size := int64(8)
	if q.Limit > 0 && q.Address == "" && q.Message == "" {
		size = int64(min(q.Limit, pageRows))
	}
	for found := 0; ; size = min(4*size, pageRows) {
		in := args(t.owner, above, below, size)
		if q.UID != "" {
			in = append(in, q.UID)
		}
		var err error
		if rows, err = collect(t, "read the journal", selectTraces+text, in, rows[:0], readTrace); err != nil {
			return err
		}
		for i := range rows {
			*edge = rows[i].ID
			if !want(&rows[i]) {
				continue
			}
			if err := fn(&rows[i]); err != nil {
				return err
			}
			if found++; found == q.Limit {
				return nil
			}
		}
		if int64(len(rows)) < size {
			return nil
		}
	}
}

// PutTrace adds to the owner's journal; Invalid if it is another owner's.
func (t *tx) PutTrace(tr calendar.Trace) error {
	const op = "keep the journal"
	if tr.Owner != "" && string(tr.Owner) != t.owner {
		return &calendar.Error{Kind: calendar.Invalid, Op: op, Ref: string(tr.Owner)}
	}
	if err := t.mayWrite(op); err != nil {
		return err
	}
	to := make([]string, len(tr.To))
	for i, a := range tr.To {
		to[i] = strings.ReplaceAll(text(a), "\n", " ")
	}
	return t.exec(op, sqlPutTrace, t.owner, t.newID(), micros(tr.When), text(tr.Message), text(tr.Method), text(tr.UID), text(tr.Summary), text(tr.From),
		strings.Join(to, "\n"), int64(tr.Step), text(tr.Reason), text(tr.Status), text(tr.Detail), text(string(tr.By)), text(tr.Via))
}

// text is a string as PostgreSQL takes it: the journal tells of messages that
// others wrote, and nothing in them may keep it from that.
func text(s string) string {
	if storable(s) {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// PurgeTraces forgets what is older than a moment, and all but the newest.
func (t *tx) PurgeTraces(before time.Time, keep int) (int, error) {
	const op = "purge the journal"
	first, nth := int64(math.MaxInt64), int64(math.MinInt64)
	if _, err := t.row(op, sqlFirstTrace, args(t.owner, micros(before)), &first); err != nil {
		return 0, err
	}
	if keep > 0 {
		if ok, err := t.row(op, sqlNthTrace, args(t.owner, int64(keep-1)), &nth); err != nil {
			return 0, err
		} else if ok {
			first = max(first, nth)
		}
	}
	n, err := t.count(op, sqlDropTraces, t.owner, first)
	return int(n), err
}
