package sqlstore

import (
	"errors"
	"math"
	"time"

	"factotum/server/calendar"
)

const (
	objectColumns = `o.cal, o.name, o.change, o.scheduletag, o.created, o.modified, o.deleted, o.body, o.size, o.occhash, o.private,
o.uid, o.component, o.contenttype, o.writer, o.since, o.origin`
	fromObjects = ` FROM objects o WHERE o.owner = $1 AND o.cal = $2`

	// The text is no join: PostgreSQL may choose one that walks through all texts
	// of the owner.
	bodyOf = `(SELECT b.data FROM bodies b WHERE b.owner = $1 AND b.id = o.body)`

	selectMeta = `SELECT ` + objectColumns + fromObjects
	selectData = `SELECT ` + objectColumns + `, ` + bodyOf + fromObjects

	byName  = ` AND o.name = $3`
	byUID   = ` AND o.uid = $3 AND o.uid <> '' AND o.deleted = 0`
	byNames = ` AND o.name = ANY($3) AND o.deleted = 0`
	listed  = ` AND o.name > $3 AND o.deleted = 0 ORDER BY o.name LIMIT $4`

	// The rows of one change number are its batch, by name: a page begins after
	// the last row of the page before. change > 0, which lets objects_change be
	// used, comes last: of two terms that look alike SQLite seeks on the first.
	changed = ` AND o.change >= $3 AND (o.change > $3 OR o.name > $4) AND o.change > 0 ORDER BY o.change, o.name LIMIT $5`

	buried = ` AND o.deleted >= $3 AND o.deleted < $4 AND o.deleted > 0 ORDER BY o.deleted, o.name`
	latest = ` AND o.change <= $3 AND (o.change < $3 OR o.name < $4) AND o.change > 0 ORDER BY o.change DESC, o.name DESC LIMIT $5`
)

const (
	sqlStub = `SELECT body, size, deleted, uid FROM objects WHERE owner = $1 AND cal = $2 AND name = $3`

	sqlUIDTaken = `SELECT cal FROM objects WHERE owner = $1 AND cal = $2 AND uid = $3 AND uid <> '' AND deleted = 0 AND name <> $4`

	sqlInsertObject = `INSERT INTO objects (owner, cal, name, change, scheduletag, created, modified, deleted, body, size, occhash,
private, uid, component, contenttype, writer, since, origin, runs, occ)
VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)`

	// Apart, since naming a column costs its indexes a new entry.
	setObject = `UPDATE objects SET change = $4, scheduletag = $5, created = $6, modified = $7, size = $8, occhash = $9, private = $10,
component = $11, contenttype = $12, writer = $13, since = $14, origin = $15`
	sqlUpdateObject = setObject + ` WHERE owner = $1 AND cal = $2 AND name = $3`
	sqlIndexObject  = setObject + `, runs = $16, occ = $17 WHERE owner = $1 AND cal = $2 AND name = $3`
	sqlReviveObject = `UPDATE objects SET deleted = 0, uid = $4 WHERE owner = $1 AND cal = $2 AND name = $3`

	sqlInsertBody = `INSERT INTO bodies (owner, id, data) VALUES ($1, $2, $3)`
	sqlUpdateBody = `UPDATE bodies SET data = $3 WHERE owner = $1 AND id = $2`

	sqlBuryObject = `UPDATE objects SET change = $4, deleted = $5, occhash = 0, runs = 0, occ = $6, contenttype = '', writer = $7 WHERE owner = $1 AND cal = $2 AND name = $3`

	// deleted > 0 last: with statistics SQLite else takes it for true of all rows.
	sqlMeetings = `SELECT name FROM objects WHERE owner = $1 AND cal = $2 AND deleted = 0 AND scheduletag <> 0 ORDER BY name`

	expired          = ` FROM objects WHERE owner = $1 AND cal = $2 AND deleted < $3 AND deleted > 0 AND deleted >= $4`
	sqlHighestGone   = `SELECT coalesce(max(change), 0), count(*), cast(coalesce(sum(size), 0) AS BIGINT)` + expired
	sqlPurgeBodies   = dropBodies + ` IN (SELECT body` + expired + `)`
	sqlPurgeBodyList = dropBodies + ` = ANY(ARRAY(SELECT body` + expired + `))`
	sqlPurgeObjects  = `DELETE` + expired
	sqlRaisePurged   = `UPDATE calendars SET purged = $3 WHERE owner = $1 AND id = $2 AND purged < $3`
)

// The column private has flags besides the class: whether there are attachments,
// and what the object lacks.
const (
	classBits   = 3
	attachedBit = 4
	lacksShift  = 3
)

func privacy(row *calendar.ObjectRow) int64 {
	return int64(row.Private) | boolBit(row.Attached, attachedBit) | int64(row.Lacks)<<lacksShift
}

// stub is what a write must know of the row that it replaces. Reading an
// object leaves it, so that the write that follows need not look again.
type stub struct {
	known   bool
	cal     int64
	name    string
	exists  bool // as an object or a tombstone
	body    int64
	size    int64
	deleted bool
	uid     string

	occ      []byte // the packed list of occurrences, if occKnown
	occKnown bool
}

// readObject scans a row of objectColumns, and its data where wanted.
func readObject(r scanner, row *calendar.ObjectRow, body *int64, data bool, rest ...any) error {
	var created, modified, deleted, size, hash, private int64
	var origin string
	dest := [...]any{&row.Cal, &row.Name, &row.Change, &row.ScheduleTag, &created, &modified, &deleted, body, &size, &hash, &private,
		&row.UID, &row.Component, &row.ContentType, &row.By, &row.Since, &origin, &row.Data}
	n := len(dest)
	if !data {
		n--
	}
	if err := r.scan(append(dest[:n], rest...)...); err != nil {
		return err
	}
	row.Created, row.Modified, row.Deleted = fromMicros(created), fromMicros(modified), fromMicros(deleted)
	row.Size, row.OccHash, row.Origin = int(size), uint64(hash), calendar.ParseOrigin(origin)
	row.Private, row.Attached, row.Lacks = uint8(private&classBits), private&attachedBit != 0, calendar.Lacks(private>>lacksShift)
	return nil
}

// Object returns the live object of that name.
func (t *tx) Object(cal int64, name string, data bool) (row calendar.ObjectRow, ok bool, err error) {
	if f := t.ahead.object(cal, name); f != nil {
		t.stub = f.stub(cal, name)
		if !f.live() {
			return row, false, nil
		}
		if row = f.row; !data {
			row.Data = nil
		}
		return row, true, nil
	}
	text := selectMeta + byName
	if data {
		text = selectData + byName
	}
	row, body, ok, err := t.one(text, data, t.owner, cal, name)
	if err != nil {
		return row, false, err
	}
	live := ok && row.Deleted.IsZero()
	t.stub = stub{known: true, cal: cal, name: name, exists: ok, body: body, size: int64(row.Size), deleted: ok && !live, uid: row.UID}
	if !live {
		return calendar.ObjectRow{}, false, nil
	}
	return row, true, nil
}

// ObjectByUID returns the live object with that UID.
func (t *tx) ObjectByUID(cal int64, uid string, data bool) (calendar.ObjectRow, bool, error) {
	if name, known := t.ahead.holder(cal, uid); known {
		if name == "" {
			return calendar.ObjectRow{}, false, nil
		}
		return t.Object(cal, name, data)
	}
	text := selectMeta + byUID
	if data {
		text = selectData + byUID
	}
	row, _, ok, err := t.one(text, data, t.owner, cal, uid)
	return row, ok, err
}

func (t *tx) one(text string, data bool, args ...any) (row calendar.ObjectRow, body int64, ok bool, err error) {
	err = t.conn.query(text, args, func(r scanner) error {
		ok = true
		return readObject(r, &row, &body, data)
	})
	return row, body, ok, t.wrap("read an object", err)
}

// ObjectsByName returns the live ones among names.
func (t *tx) ObjectsByName(cal int64, names []string, data bool) ([]calendar.ObjectRow, error) {
	if len(names) == 0 {
		return nil, nil
	}
	rows := make([]calendar.ObjectRow, 0, len(names))
	if t.conn.arrays() {
		text := selectMeta + byNames
		if data {
			text = selectData + byNames
		}
		return collect(t, "read objects", text, args(t.owner, cal, names), rows, objectReader(data))
	}
	for _, name := range names {
		row, ok, err := t.Object(cal, name, data)
		if err != nil {
			return nil, err
		}
		if ok {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

func objectReader(data bool) func(scanner, *calendar.ObjectRow) error {
	return func(r scanner, row *calendar.ObjectRow) error {
		var body int64
		return readObject(r, row, &body, data)
	}
}

// Lists are read a page at a time and handed out between pages, so that fn may
// use the transaction and memory stays bounded: a page ends after so many rows
// or octets of data, the first one soon, for those who want the first few only.
const (
	firstRows  = 8
	pageRows   = 512
	pageOctets = 1 << 20
)

var errPageFull = errors.New("page full")

// page reads up to n objects into rows; more is false at the end of the list.
func (t *tx) page(text string, data bool, n int64, rows []calendar.ObjectRow, args ...any) (_ []calendar.ObjectRow, more bool, err error) {
	var body int64
	octets := 0
	rows = rows[:0]
	err = t.conn.query(text, append(args, n), func(r scanner) error {
		rows = append(rows, calendar.ObjectRow{})
		row := &rows[len(rows)-1]
		if err := readObject(r, row, &body, data); err != nil {
			return err
		}
		if octets += len(row.Data); octets > pageOctets {
			return errPageFull
		}
		return nil
	})
	if err == errPageFull {
		return rows, true, nil
	}
	return rows, int64(len(rows)) == n, t.wrap("list objects", err)
}

// Objects streams the live objects by name, after the given name.
func (t *tx) Objects(cal int64, after string, data bool, fn func(*calendar.ObjectRow) error) error {
	text := selectMeta + listed
	if data {
		text = selectData + listed
	}
	var rows []calendar.ObjectRow
	n := int64(firstRows)
	for more := true; more; n = min(8*n, pageRows) {
		var err error
		rows, more, err = t.page(text, data, n, rows, t.owner, cal, after)
		if err != nil {
			return err
		}
		for i := range rows {
			if err := fn(&rows[i]); err != nil {
				return err
			}
			after = rows[i].Name
		}
	}
	return nil
}

// Meetings lists the names of objects that have attendees. It reads all of the
// calendar's metadata.
func (t *tx) Meetings(cal int64) ([]string, error) {
	return collect(t, "list meetings", sqlMeetings, args(t.owner, cal), nil, func(r scanner, name *string) error { return r.scan(name) })
}

// CountObjects counts live objects and their bytes. It reads all of the
// calendar's metadata.
func (t *tx) CountObjects(cal int64) (n int, bytes int64, err error) {
	t.conn.patient()
	var count int64
	_, err = t.row("count objects", sqlCountLive, args(t.owner, cal), &count, &bytes)
	return int(count), bytes, err
}

// PutObject inserts or replaces by name; UIDConflict if another live object of
// the calendar has the UID. Size is taken from Data.
func (t *tx) PutObject(row calendar.ObjectRow) error { return t.put(&row, nil, false) }

// PutIndexed is PutObject and SetOccurrences in one.
func (t *tx) PutIndexed(row calendar.ObjectRow, occ []calendar.OccurrenceRow) error {
	return t.put(&row, occ, true)
}

func (t *tx) put(row *calendar.ObjectRow, occ []calendar.OccurrenceRow, indexed bool) error {
	const op = "store an object"
	if err := t.lookUp(op, row.Cal, row.Name); err != nil {
		return err
	}
	row.Size = len(row.Data)
	before := t.stub
	if err := t.replace(op, row, occ, indexed); err != nil {
		return err
	}
	t.ahead.put(row, &before, &t.stub)
	return nil
}

func (t *tx) replace(op string, row *calendar.ObjectRow, occ []calendar.OccurrenceRow, indexed bool) error {
	old := &t.stub
	if !old.exists {
		return t.insertObject(op, row, occ)
	}
	if old.deleted || old.uid != row.UID {
		if err := t.reviveObject(op, row); err != nil {
			return err
		}
	}
	text, values := sqlUpdateObject, args(t.owner, row.Cal, row.Name, row.Change, row.ScheduleTag, micros(row.Created),
		micros(row.Modified), int64(row.Size), int64(row.OccHash), privacy(row), row.Component, row.ContentType, row.By, row.Since, text(row.Origin.Text()))
	if indexed {
		runs, packed := split(occ), pack(occ)
		if err := t.index(op, row.Cal, row.Name, runs); err != nil {
			return err
		}
		old.occ, old.occKnown = packed, true
		text, values = sqlIndexObject, append(values, int64(len(runs)), octets(packed))
	}
	if err := t.exec(op, text, values...); err != nil {
		return err
	}
	if err := t.exec(op, sqlUpdateBody, t.owner, old.body, octets(row.Data)); err != nil {
		return err
	}
	objects, bytes := int64(0), int64(row.Size)
	if old.deleted {
		objects = 1
	} else {
		bytes -= old.size
	}
	old.deleted, old.size, old.uid = false, int64(row.Size), row.UID
	return t.grow(objects, bytes)
}

// reviveObject gives a row its UID, and makes an object of a tombstone.
func (t *tx) reviveObject(op string, row *calendar.ObjectRow) error {
	if row.UID != "" {
		var cal int64
		holder, known := t.ahead.holder(row.Cal, row.UID)
		taken := known && holder != "" && holder != row.Name
		if !known {
			var err error
			if taken, err = t.row(op, sqlUIDTaken, args(t.owner, row.Cal, row.UID, row.Name), &cal); err != nil {
				return err
			}
		}
		if taken {
			return &calendar.Error{Kind: calendar.UIDConflict, Op: op, Ref: row.UID}
		}
	}
	return t.exec(op, sqlReviveObject, t.owner, row.Cal, row.Name, row.UID)
}

func (t *tx) insertObject(op string, row *calendar.ObjectRow, occ []calendar.OccurrenceRow) error {
	if t.newID == nil {
		return t.wrap(op, errReadOnly)
	}
	body, runs, packed := t.newID(), split(occ), pack(occ)
	values := args(t.owner, row.Cal, row.Name, row.Change, row.ScheduleTag, micros(row.Created),
		micros(row.Modified), body, int64(row.Size), int64(row.OccHash), privacy(row), row.UID, row.Component, row.ContentType, row.By, row.Since, text(row.Origin.Text()),
		int64(len(runs)), octets(packed))
	holder, known := t.ahead.holder(row.Cal, row.UID)
	taken := known && holder != ""
	switch {
	case taken:
	case known: // free: nobody else writes here
		if err := t.exec(op, sqlInsertObject, values...); err != nil {
			return err
		}
	default:
		n, err := t.count(op, sqlInsertObject+` ON CONFLICT DO NOTHING`, values...)
		if err != nil {
			return err
		}
		taken = n == 0 // the name is free, so it is the UID
	}
	if taken {
		return &calendar.Error{Kind: calendar.UIDConflict, Op: op, Ref: row.UID}
	}
	if err := t.exec(op, sqlInsertBody, t.owner, body, octets(row.Data)); err != nil {
		return err
	}
	t.stub = stub{known: true, cal: row.Cal, name: row.Name, exists: true, body: body, size: int64(row.Size), uid: row.UID, occKnown: true}
	if err := t.index(op, row.Cal, row.Name, runs); err != nil {
		return err
	}
	t.stub.occ = packed
	return t.grow(1, int64(row.Size))
}

// octets makes nil an empty value instead of NULL.
func octets(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// lookUp fills the stub for the row that is to be written.
func (t *tx) lookUp(op string, cal int64, name string) (err error) {
	if t.kept != nil && t.kept.cal == cal {
		return t.needs(lacksWhole)
	}
	if s := &t.stub; s.known && s.cal == cal && s.name == name {
		return nil
	}
	if f := t.ahead.object(cal, name); f != nil {
		t.stub = f.stub(cal, name)
		return nil
	}
	s := stub{cal: cal, name: name}
	var deleted int64
	s.exists, err = t.row(op, sqlStub, args(t.owner, cal, name), &s.body, &s.size, &deleted, &s.uid)
	s.known, s.deleted = err == nil, deleted > 0
	t.stub = s
	return err
}

// DeleteObject turns the object into a tombstone and removes its occurrences
// and dead properties; NotFound if there is no live object of that name.
func (t *tx) DeleteObject(cal int64, name string, change int64, when time.Time, by calendar.UserID) error {
	const op = "delete an object"
	if err := t.lookUp(op, cal, name); err != nil {
		return err
	}
	old := &t.stub
	if !old.exists || old.deleted {
		return &calendar.Error{Kind: calendar.NotFound, Op: op, Ref: name}
	}
	if err := t.index(op, cal, name, nil); err != nil {
		return err
	}
	if err := t.exec(op, sqlBuryObject, t.owner, cal, name, change, max(micros(when), 1), []byte{}, by); err != nil {
		return err
	}
	if err := t.exec(op, sqlDropProps, t.owner, cal, name); err != nil {
		return err
	}
	t.ahead.bury(cal, name, max(micros(when), 1), old.uid)
	old.deleted, old.occ, old.occKnown = true, nil, true
	return t.grow(-1, -old.size)
}

// Changes streams live objects and tombstones with a change above since, by
// change then name, at most limit (0 = all).
func (t *tx) Changes(cal, since int64, limit int, data bool, fn func(*calendar.ObjectRow) error) error {
	if since == math.MaxInt64 {
		return nil
	}
	text := selectMeta + changed
	if data {
		text = selectData + changed
	}
	left := limitOf(limit)
	from, after := since+1, ""
	var rows []calendar.ObjectRow
	for more := true; more && left > 0; {
		var err error
		rows, more, err = t.page(text, data, min(pageRows, left), rows, t.owner, cal, from, after)
		if err != nil {
			return err
		}
		for i := range rows {
			if err := fn(&rows[i]); err != nil {
				return err
			}
			from, after = rows[i].Change, rows[i].Name
		}
		left -= int64(len(rows))
	}
	return nil
}

// Gone streams the tombstones of what was deleted in [from,to), by time then
// name. There are no pages: what one transaction deleted has one time, of which
// each would begin at the first again.
func (t *tx) Gone(cal int64, from, to time.Time, data bool, fn func(*calendar.ObjectRow) error) error {
	if err := t.settledCalendar("list tombstones", cal); err != nil {
		return err
	}
	text := selectMeta + buried
	if data {
		text = selectData + buried
	}
	end := int64(math.MaxInt64)
	if !to.IsZero() {
		end = micros(to)
	}
	var body int64
	var said error
	err := t.conn.query(text, args(t.owner, cal, max(micros(from), 1), end), func(r scanner) error {
		var row calendar.ObjectRow
		if err := readObject(r, &row, &body, data); err != nil {
			return err
		}
		said = fn(&row)
		return said
	})
	if said != nil {
		return said
	}
	return t.wrap("list tombstones", err)
}

// lastName is behind every name, byte by byte.
const lastName = "\U0010FFFF\U0010FFFF"

// Latest streams live objects and tombstones, the highest change first. Most
// callers want few.
func (t *tx) Latest(cal int64, fn func(*calendar.ObjectRow) (bool, error)) error {
	at, before := int64(math.MaxInt64), lastName
	var rows []calendar.ObjectRow
	n := int64(firstRows)
	for more := true; more; n = min(4*n, pageRows) {
		var err error
		if rows, more, err = t.page(selectMeta+latest, false, n, rows, t.owner, cal, at, before); err != nil {
			return err
		}
		for i := range rows {
			if further, err := fn(&rows[i]); err != nil || !further {
				return err
			}
			at, before = rows[i].Change, rows[i].Name
		}
	}
	return nil
}

// Purge removes the tombstones of the calendar's objects of [from,before), later if they
// are many.
func (t *tx) Purge(cal int64, from, before time.Time) (int, error) {
	const op = "purge tombstones"
	t.conn.patient()
	limit, first := micros(before), micros(from)
	var highest, n, octets int64
	if _, err := t.row(op, sqlHighestGone, args(t.owner, cal, limit, first), &highest, &n, &octets); err != nil {
		return 0, err
	}
	t.stub = stub{}
	t.ahead.forget()
	if n == 0 {
		return 0, nil
	}
	if err := t.mayPurge(op, cal); err != nil {
		return 0, err
	}
	if t.large(n, octets) {
		if err := t.leave(op, &rest{cal: cal, change: highest, keeps: restPurges, seq: first, at: limit}); err != nil {
			return 0, err
		}
	} else if err := t.purge(op, cal, limit, first); err != nil {
		return 0, err
	}
	return int(n), t.exec(op, sqlRaisePurged, t.owner, cal, highest)
}

func (t *tx) purge(op string, cal, limit, first int64) error {
	for _, text := range []string{t.either(sqlPurgeBodies, sqlPurgeBodyList), sqlPurgeObjects} {
		if err := t.exec(op, text, t.owner, cal, limit, first); err != nil {
			return err
		}
	}
	return nil
}
