package sqlstore

import (
	"cmp"
	"encoding/json"
	"errors"
	"math"
	"time"

	"factotum/server/calendar"
)

const (
	historyColumns = `change, seq, at, ending, actor, how, cal, calname, dest, name, uid, component, since, version, created, modified, private,
contenttype, writer, origin, props, size`

	selectHistory = `SELECT ` + historyColumns + fromHistory
	fromHistory   = ` FROM history WHERE owner = $1`
	// calendar.Replaced is 1.
	historyReplaces = `, cast(EXISTS (SELECT 1 FROM history p WHERE p.owner = $1 AND p.change = history.since AND p.cal = history.cal
AND p.name = history.name AND p.ending = 1) AS INTEGER)`

	// The rows of one change are in the order of seq: a page begins below the last
	// row of the page before.
	historyDown     = ` AND change <= $2 AND (change < $2 OR seq < $3) AND change > $4 ORDER BY change DESC, seq DESC LIMIT $5`
	historyCalDown  = ` AND cal = $6 AND change <= $2 AND (change < $2 OR seq < $3) AND change > $4 AND cal <> 0 ORDER BY change DESC, seq DESC LIMIT $5`
	historyNameDown = ` AND cal = $6 AND change <= $2 AND (change < $2 OR seq < $3) AND change > $4 AND cal <> 0 AND name = $7 ORDER BY change DESC, seq DESC LIMIT $5`
	historyUIDDown  = ` AND uid = $6 AND uid <> '' AND change <= $2 AND (change < $2 OR seq < $3) AND change > $4 ORDER BY change DESC, seq DESC LIMIT $5`
	historyGoneDown = ` AND name = '' AND change <= $2 AND (change < $2 OR seq < $3) AND change > $4 ORDER BY change DESC LIMIT $5`

	// What ended next of an object, but for files: calendar.FileDropped is 6.
	nextOfUID  = ` AND uid = $5 AND uid <> '' AND change > $2 AND cal = $3 AND name = $4 AND ending <> 6 ORDER BY change, seq LIMIT 1`
	nextOfName = ` AND cal = $3 AND cal <> 0 AND change > $2 AND name = $4 AND ending <> 6 ORDER BY change, seq LIMIT 1`

	insertHistory = `INSERT INTO history (owner, ` + historyColumns + `, data) `
	sqlPutHistory = insertHistory + `VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)`

	// What goes with a calendar, numbered by name, up to one of them.
	sqlKeepObjects = insertHistory + `SELECT o.owner, cast($3 AS BIGINT), cast($10 AS BIGINT) + row_number() OVER (ORDER BY o.name), cast($4 AS BIGINT), cast($5 AS INTEGER), cast($6 AS TEXT),
cast($7 AS TEXT), o.cal, cast($8 AS TEXT), '', o.name, o.uid, o.component, o.since, o.change, o.created, o.modified, o.private, o.contenttype, o.writer, o.origin,
'', o.size + cast($9 AS BIGINT), ` + bodyOf + fromObjects + ` AND o.deleted = 0 AND o.name <= $11`
	sqlKeepFiles = insertHistory + `SELECT a.owner, cast($3 AS BIGINT), cast($10 AS BIGINT) + row_number() OVER (ORDER BY a.name, a.id), cast($4 AS BIGINT), cast($5 AS INTEGER),
cast($6 AS TEXT), cast($7 AS TEXT), a.cal, cast($8 AS TEXT), a.file, a.name, a.id, a.clientid, 0, 0, a.created, 0, 0, a.contenttype, '', '', '', a.size + cast($9 AS BIGINT), a.data
FROM attachments a WHERE a.owner = $1 AND a.cal = $2 AND (a.name, a.id) <= ($11, $12)`
	sqlSetHistoryProps = `UPDATE history SET props = $4, size = size + $5 WHERE owner = $1 AND change = $2 AND seq = $3`

	sqlOldHistory    = `SELECT change, seq, at, size FROM history WHERE owner = $1 AND change >= $2 AND (change > $2 OR seq > $3) AND change < $5 ORDER BY change, seq LIMIT $4`
	sqlOldOfChange   = `SELECT count(*), cast(coalesce(sum(size), 0) AS BIGINT), coalesce(max(seq), 0) FROM history WHERE owner = $1 AND change = $2 AND seq > $3`
	sqlDropHistory   = `DELETE FROM history WHERE owner = $1 AND change <= $2`
	sqlHistoryOctets = `SELECT cast(coalesce(sum(size), 0) AS BIGINT) FROM history WHERE owner = $1`
)

// historyOf is what is asked for of each row.
func historyOf(q *calendar.HistoryQuery) string {
	text := `SELECT ` + historyColumns
	if q.Data {
		text += `, data`
	}
	if q.Replaces {
		text += historyReplaces
	}
	return text + fromHistory
}

func readHistory(q *calendar.HistoryQuery) func(scanner, *calendar.HistoryRow) error {
	return func(r scanner, h *calendar.HistoryRow) error {
		var at, end, created, modified, private, size, replaces int64
		var by, how, origin, props string
		o := &h.Object
		dest := [...]any{&h.Change, &h.Seq, &at, &end, &by, &how, &o.Cal, &h.Calendar, &h.To, &o.Name, &o.UID, &o.Component, &o.Since, &o.Change,
			&created, &modified, &private, &o.ContentType, &o.By, &origin, &props, &size, nil, nil}
		n := len(dest) - 2
		if q.Data {
			dest[n] = &o.Data
			n++
		}
		if q.Replaces {
			dest[n] = &replaces
			n++
		}
		if err := r.scan(dest[:n]...); err != nil {
			return err
		}
		h.When, h.End, h.By, h.How = fromMicros(at), calendar.Ending(end), calendar.UserID(by), calendar.ParseOrigin(how)
		o.Created, o.Modified, o.Origin = fromMicros(created), fromMicros(modified), calendar.ParseOrigin(origin)
		o.Private, o.Attached, o.Lacks = uint8(private&classBits), private&attachedBit != 0, calendar.Lacks(private>>lacksShift)
		o.Size, h.Replaces = int(size)-calendar.HistoryOverhead-len(props), replaces != 0
		if props == "" {
			return nil
		}
		return json.Unmarshal([]byte(props), &h.Props)
	}
}

// History streams what a query asks for, the newest first.
func (t *tx) History(q calendar.HistoryQuery, fn func(*calendar.HistoryRow) error) error {
	if !storable(q.UID) || !storable(q.Name) {
		return nil
	}
	if err := t.settled("read the history"); err != nil {
		return err
	}
	text := historyOf(&q)
	var key []any
	switch {
	case q.Next:
		return t.nextHistory(text, q, fn)
	case q.UID != "":
		text, key = text+historyUIDDown, args(q.UID)
	case q.Calendars:
		text += historyGoneDown
	case q.Cal != 0 && q.Name != "":
		text, key = text+historyNameDown, args(q.Cal, q.Name)
	case q.Cal != 0:
		text, key = text+historyCalDown, args(q.Cal)
	default:
		text += historyDown
	}
	below, seq := q.Before, q.BeforeSeq
	if below == 0 {
		below, seq = math.MaxInt64, math.MaxInt64
	}
	read := readHistory(&q)
	var rows []calendar.HistoryRow
	found := 0
	size := int64(min(cmp.Or(q.Limit, q.Expect, firstRows), pageRows))
	for ; ; size = min(8*size, pageRows) {
		rows = rows[:0]
		octets := 0
		err := t.conn.query(text, append(args(t.owner, below, seq, q.After, size), key...), func(r scanner) error {
			rows = append(rows, calendar.HistoryRow{})
			if err := read(r, &rows[len(rows)-1]); err != nil {
				return err
			}
			if octets += len(rows[len(rows)-1].Object.Data); octets > pageOctets {
				return errPageFull
			}
			return nil
		})
		more := err == errPageFull || int64(len(rows)) == size
		if err != nil && err != errPageFull {
			return t.wrap("read the history", err)
		}
		for i := range rows {
			h := &rows[i]
			below, seq = h.Change, h.Seq
			if q.UID != "" && (q.Cal != 0 && h.Object.Cal != q.Cal || q.Name != "" && h.Object.Name != q.Name) {
				continue
			}
			if err := fn(h); err != nil {
				return err
			}
			if found++; found == q.Limit {
				return nil
			}
		}
		if !more {
			return nil
		}
	}
}

// nextHistory finds what ended next of an object.
func (t *tx) nextHistory(text string, q calendar.HistoryQuery, fn func(*calendar.HistoryRow) error) error {
	next, key := nextOfName, args(t.owner, q.After, q.Cal, q.Name)
	if q.UID != "" {
		next, key = nextOfUID, append(key, q.UID)
	}
	rows, err := collect(t, "read the history", text+next, key, nil, readHistory(&q))
	if err != nil || len(rows) == 0 {
		return err
	}
	return fn(&rows[0])
}

// PutHistory adds a version to the history.
func (t *tx) PutHistory(h calendar.HistoryRow) error {
	const op = "keep a version"
	if gone := t.purges(); gone > 0 && h.Change <= gone {
		return t.needs(lacksWhole)
	}
	props, err := propsText(h.Props)
	if err != nil {
		return t.wrap(op, err)
	}
	o := &h.Object
	size := int64(len(o.Data)+len(props)) + calendar.HistoryOverhead
	if err := t.exec(op, sqlPutHistory, t.owner, h.Change, h.Seq, micros(h.When), int64(h.End), text(string(h.By)), text(h.How.Text()), o.Cal, h.Calendar,
		text(h.To), o.Name, o.UID, o.Component, o.Since, o.Change, micros(o.Created), micros(o.Modified), privacy(o), o.ContentType, text(string(o.By)),
		text(o.Origin.Text()), props, size, octets(o.Data)); err != nil {
		return err
	}
	return t.growHistory(size, micros(h.When))
}

func propsText(props []calendar.DeadProp) (string, error) {
	if len(props) == 0 {
		return "", nil
	}
	b, err := json.Marshal(props)
	return text(string(b)), err
}

func (t *tx) growHistory(size, at int64) error {
	if err := t.makeHome(); err != nil {
		return err
	}
	t.home.history += size
	t.home.historyat = max(t.home.historyat, at)
	return nil
}

// KeepCalendar adds a calendar with all that is in it: if that is much it follows with the
// rest that the deletion leaves, and counts from now on.
func (t *tx) KeepCalendar(h calendar.HistoryRow) error {
	const op = "keep a calendar"
	if err := t.keepNow(); err != nil {
		return err
	}
	if err := t.PutHistory(h); err != nil {
		return err
	}
	t.conn.patient()
	r := rest{owner: t.owner, cal: h.Object.Cal, change: h.Change, keeps: restKeeps, at: micros(h.When), actor: text(string(h.By)), how: text(h.How.Text()), calname: h.Calendar}
	var objects, octets, files, fileOctets int64
	if _, err := t.row(op, sqlCountLive, args(t.owner, r.cal), &objects, &octets); err != nil {
		return err
	}
	if _, err := t.row(op, sqlCountAttachments, args(t.owner, r.cal), &files, &fileOctets); err != nil {
		return err
	}
	r.objects, r.files, r.octets = objects, files, octets+fileOctets
	r.size = r.octets + (objects+files)*calendar.HistoryOverhead
	all, err := t.AllProps(r.cal)
	if err != nil {
		return err
	}
	delete(all, "")
	for _, props := range all {
		text, err := propsText(props)
		if err != nil {
			return t.wrap(op, err)
		}
		r.size += int64(len(text))
	}
	if t.kept = &r; !t.large(objects+files, r.size) {
		err = t.keepNow()
	}
	return errors.Join(err, t.growHistory(r.size, r.at))
}

// keepNow has what is in a calendar that was kept in the history at once.
func (t *tx) keepNow() error {
	const op = "keep a calendar"
	r := t.kept
	if t.kept = nil; r == nil || r.keeps != restKeeps {
		return nil
	}
	if r.objects > 0 {
		if err := t.exec(op, sqlKeepObjects, r.kept(calendar.WentAlong, lastName)...); err != nil {
			return err
		}
	}
	all, err := t.AllProps(r.cal)
	if err != nil {
		return err
	}
	if delete(all, ""); len(all) > 0 {
		seq := int64(0)
		if err := t.Objects(r.cal, "", false, func(o *calendar.ObjectRow) error {
			seq++
			return t.setHistoryProps(op, r.change, seq, all[o.Name])
		}); err != nil {
			return err
		}
	}
	if r.files == 0 {
		return nil
	}
	r.seq = r.objects
	return t.exec(op, sqlKeepFiles, r.kept(calendar.FileDropped, lastName, lastName)...)
}

// setHistoryProps sets the properties of a version.
func (t *tx) setHistoryProps(op string, change, seq int64, props []calendar.DeadProp) error {
	if len(props) == 0 {
		return nil
	}
	text, err := propsText(props)
	if err != nil {
		return t.wrap(op, err)
	}
	return t.exec(op, sqlSetHistoryProps, t.owner, change, seq, text, int64(len(text)))
}

// PurgeHistory forgets what is too old, and the oldest of what is too much.
func (t *tx) PurgeHistory(before time.Time, bytes int64) (n int, err error) {
	const op = "purge the history"
	if err := t.loadHome(); err != nil || t.home.history == 0 {
		return 0, err
	}
	purged := t.purges()
	if err := t.onlyOwnRests(op); err != nil {
		return 0, err
	}
	type old struct{ change, seq, at, size int64 }
	limit := micros(before)
	change, seq := purged, int64(math.MaxInt64)
	var last, gone, at, stored int64 // of what goes
	var rows []old
	t.conn.patient()
	for size, done := int64(firstRows), false; !done; size = min(8*size, pageRows) {
		rows, err = collect(t, op, sqlOldHistory, args(t.owner, change, seq, size, int64(math.MaxInt64)), rows[:0], func(r scanner, o *old) error {
			return r.scan(&o.change, &o.seq, &o.at, &o.size)
		})
		if err != nil {
			return 0, err
		}
		done = int64(len(rows)) < size
		for _, o := range rows {
			if o.change != last && o.at >= limit && (bytes <= 0 || t.home.history-gone <= bytes) {
				done = true
				break
			}
			if o.change != last {
				if r := t.keeping(o.change); r != nil { // it is to follow, and does not
					n, gone = n+int(r.objects+r.files), gone+r.size
					if err := t.forgo(op, r); err != nil {
						return 0, err
					}
				}
			}
			n, stored, gone, at, last = n+1, stored+1, gone+o.size, max(at, o.at), o.change
			change, seq = o.change, o.seq
		}
		if done || len(rows) < pageRows { // a change of so many is read as one
			continue
		}
		var more, octets, end int64
		if _, err := t.row(op, sqlOldOfChange, args(t.owner, change, seq), &more, &octets, &end); err != nil {
			return 0, err
		}
		n, stored, gone, seq = n+int(more), stored+more, gone+octets, max(seq, end)
	}
	if n == 0 {
		return 0, nil
	}
	if purged > 0 || t.large(stored, gone) {
		err = t.leave(op, &rest{change: last})
	} else {
		err = t.exec(op, sqlDropHistory, t.owner, last)
	}
	if err != nil {
		return 0, err
	}
	if err := t.makeHome(); err != nil {
		return 0, err
	}
	t.home.history -= gone
	t.home.historyfrom = max(t.home.historyfrom, at)
	return n, nil
}

// SkipHistory notes that something ended which is not kept.
func (t *tx) SkipHistory(when time.Time) error {
	if t.newID == nil {
		return t.mayWrite("skip a version")
	}
	if err := t.makeHome(); err != nil {
		return err
	}
	t.home.historyfrom = max(t.home.historyfrom, micros(when))
	return nil
}
