package sqlstore

import (
	"fmt"
	"time"

	"factotum/server/acl"
	"factotum/server/calendar"
)

const calendarColumns = `id, change, modified, metachange, purged, created, flags, name, displayname, color,
sortorder, tzid, components, charset, language, coowners, acl, categories, description, timezone`

const (
	sqlCalendars = `SELECT ` + calendarColumns + ` FROM calendars WHERE owner = $1 AND deleted = 0 ORDER BY name`
	sqlCalendar  = `SELECT ` + calendarColumns + ` FROM calendars WHERE owner = $1 AND name = $2 AND deleted = 0`

	sqlInsertCalendar = `INSERT INTO calendars (owner, deleted, ` + calendarColumns + `)
VALUES ($1, 0, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
ON CONFLICT DO NOTHING`

	// Here and below not deleted = 0: that is the condition of calendars_name, and
	// the key is better.
	sqlUpdateCalendar = `UPDATE calendars SET change = $3, modified = $4, metachange = $5, purged = $6, created = $7, flags = $8,
name = $9, displayname = $10, color = $11, sortorder = $12, tzid = $13, components = $14, charset = $15, language = $16,
coowners = $17, acl = $18, categories = $19, description = $20, timezone = $21
WHERE owner = $1 AND id = $2 AND deleted < 1`

	sqlNameTaken = `SELECT id FROM calendars WHERE owner = $1 AND name = $2 AND deleted = 0 AND id <> $3`

	sqlTouchCalendar = `UPDATE calendars SET change = $3, modified = $4 WHERE owner = $1 AND id = $2 AND deleted < 1`

	sqlCalendarLive = `SELECT id FROM calendars WHERE owner = $1 AND id = $2 AND deleted < 1`
	sqlBuryCalendar = `UPDATE calendars SET change = $3, deleted = $4, displayname = '', color = '', sortorder = '', tzid = '',
components = '', charset = '', language = '', coowners = '', acl = '', categories = '', description = '', timezone = ''
WHERE owner = $1 AND id = $2 AND deleted < 1`
	sqlCountLive = `SELECT count(*), cast(coalesce(sum(size), 0) AS BIGINT) FROM objects WHERE owner = $1 AND cal = $2 AND deleted = 0`
	sqlCountAll  = `SELECT count(*), cast(coalesce(sum(size), 0) AS BIGINT), cast(coalesce(sum(CASE deleted WHEN 0 THEN 1 ELSE 0 END), 0) AS BIGINT),
cast(coalesce(sum(CASE deleted WHEN 0 THEN size ELSE 0 END), 0) AS BIGINT) FROM objects WHERE owner = $1 AND cal = $2`
	// PostgreSQL joins the first form, for which it may walk through all texts of
	// the owner; the second is a list to it.
	dropBodies        = `DELETE FROM bodies WHERE owner = $1 AND id`
	sqlDropBodies     = dropBodies + ` IN (SELECT body FROM objects WHERE owner = $1 AND cal = $2)`
	sqlDropBodyList   = dropBodies + ` = ANY(ARRAY(SELECT body FROM objects WHERE owner = $1 AND cal = $2))`
	sqlDropObjects    = `DELETE FROM objects WHERE owner = $1 AND cal = $2`
	sqlDropOccs       = `DELETE FROM occurrences WHERE owner = $1 AND cal = $2`
	sqlDropAllProps   = `DELETE FROM props WHERE owner = $1 AND cal = $2`
	sqlGoneCalendars  = `SELECT id, name, change, deleted FROM calendars WHERE owner = $1 AND change > $2 AND deleted > 0 ORDER BY change, name`
	sqlHighestBuried  = `SELECT cast(coalesce(max(change), 0) AS BIGINT), count(*) FROM calendars WHERE owner = $1 AND change > 0 AND deleted > 0 AND deleted < $2 AND deleted >= $3`
	sqlPurgeCalendars = `DELETE FROM calendars WHERE owner = $1 AND change > 0 AND deleted > 0 AND deleted < $2 AND deleted >= $3`
)

// The column flags. The kind of a collection is in kindBits, but for the plain
// one, which had a flag before there were others.
const (
	flagPlain int64 = 1 << iota
	flagTransparent
	flagNoDoubles
	flagDisabled

	kindShift = 8
	kindBits  = 0xff << kindShift
)

func flagsOf(row *calendar.CalendarRow) int64 {
	flags := int64(row.Kind) << kindShift
	if row.Kind == calendar.PlainCollection {
		flags = flagPlain
	}
	return flags | boolBit(row.Transparent, flagTransparent) | boolBit(row.NoDoubles, flagNoDoubles) | boolBit(row.Disabled, flagDisabled)
}

func setFlags(row *calendar.CalendarRow, flags int64) {
	row.Kind = calendar.CollectionKind(flags & kindBits >> kindShift)
	if flags&flagPlain != 0 {
		row.Kind = calendar.PlainCollection
	}
	row.Transparent, row.NoDoubles, row.Disabled = flags&flagTransparent != 0, flags&flagNoDoubles != 0, flags&flagDisabled != 0
}

func readCalendar(r scanner, row *calendar.CalendarRow) error {
	var flags, created, modified int64
	var list string
	err := r.scan(&row.ID, &row.Change, &modified, &row.MetaChange, &row.Purged, &created, &flags, &row.Name, &row.DisplayName,
		&row.Color, &row.Order, &row.TZID, &row.Components, &row.Charset, &row.Language, &row.CoOwners, &list, &row.Categories,
		&row.Description, &row.Timezone)
	if err != nil {
		return err
	}
	if row.ACL, err = parseACL(list); err != nil {
		return err
	}
	setFlags(row, flags)
	row.Created, row.Modified = fromMicros(created), fromMicros(modified)
	return nil
}

func parseACL(s string) (acl.List, error) {
	if s == "" {
		return nil, nil
	}
	list, err := acl.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("read the access control list: %w", err)
	}
	return list, nil
}

func (t *tx) calendarArgs(row *calendar.CalendarRow) []any {
	return args(t.owner, row.ID, row.Change, micros(row.Modified), row.MetaChange, row.Purged, micros(row.Created), flagsOf(row), row.Name,
		row.DisplayName, row.Color, row.Order, row.TZID, row.Components, row.Charset, row.Language, row.CoOwners, row.ACL.String(),
		row.Categories, row.Description, row.Timezone)
}

// Calendars lists the living calendars by name.
func (t *tx) Calendars() ([]calendar.CalendarRow, error) {
	return collect(t, "list calendars", sqlCalendars, args(t.owner), nil, readCalendar)
}

// Calendar returns the living calendar of that name.
func (t *tx) Calendar(name string) (row calendar.CalendarRow, ok bool, err error) {
	if found, known := t.ahead.calendar(name); known {
		if found == nil {
			return row, false, nil
		}
		return *found, true, nil
	}
	err = t.conn.query(sqlCalendar, args(t.owner, name), func(r scanner) error {
		ok = true
		return readCalendar(r, &row)
	})
	return row, ok, t.wrap("read a calendar", err)
}

// InsertCalendar makes a calendar; Exists if its name is taken.
func (t *tx) InsertCalendar(row calendar.CalendarRow) error {
	t.ahead.forget()
	if err := t.settledCalendar("insert a calendar", row.ID); err != nil {
		return err
	}
	n, err := t.count("insert a calendar", sqlInsertCalendar, t.calendarArgs(&row)...)
	if err == nil && n == 0 {
		return &calendar.Error{Kind: calendar.Exists, Op: "insert a calendar", Ref: row.Name}
	}
	if err != nil {
		return err
	}
	return t.grow(0, 0)
}

// UpdateCalendar rewrites the calendar with row.ID: NoCalendar if there is
// none, Exists if another has the name.
func (t *tx) UpdateCalendar(row calendar.CalendarRow) error {
	const op = "update a calendar"
	t.ahead.forget()
	var other int64
	taken, err := t.row(op, sqlNameTaken, args(t.owner, row.Name, row.ID), &other)
	if err != nil {
		return err
	}
	if taken {
		return &calendar.Error{Kind: calendar.Exists, Op: op, Ref: row.Name}
	}
	n, err := t.count(op, sqlUpdateCalendar, t.calendarArgs(&row)...)
	if err == nil && n == 0 {
		return &calendar.Error{Kind: calendar.NoCalendar, Op: op, Ref: row.Name}
	}
	return err
}

// TouchCalendar stamps the calendar with the change number and time of a write
// to one of its objects.
func (t *tx) TouchCalendar(id, change int64, modified time.Time) error {
	t.ahead.touch(id, change, micros(modified))
	return t.exec("stamp a calendar", sqlTouchCalendar, t.owner, id, change, micros(modified))
}

// DeleteCalendar removes the calendar with all it holds and leaves a tombstone;
// NoCalendar if there is none.
func (t *tx) DeleteCalendar(id, change int64, when time.Time) error {
	const op = "delete a calendar"
	t.ahead.forget()
	t.conn.patient()
	var n int64
	if ok, err := t.row(op, sqlCalendarLive, args(t.owner, id), &n); err != nil {
		return err
	} else if !ok {
		return &calendar.Error{Kind: calendar.NoCalendar, Op: op}
	}
	t.stub = stub{}
	r, err := t.leaveCalendar(op, id, change)
	if err != nil {
		return err
	}
	if err := t.exec(op, sqlBuryCalendar, t.owner, id, change, micros(when)); err != nil {
		return err
	}
	return t.grow(-r.objects, -r.octets)
}

// leaveCalendar removes what is in a calendar, or leaves it for later if it is much. It tells
// what the home has less.
func (t *tx) leaveCalendar(op string, id, change int64) (*rest, error) {
	if r := t.kept; r != nil && r.cal == id {
		t.kept = nil
		return r, t.leave(op, r)
	}
	r := &rest{cal: id, change: change}
	var rows, texts, files int64
	if _, err := t.row(op, sqlCountAll, args(t.owner, id), &rows, &texts, &r.objects, &r.octets); err != nil {
		return nil, err
	}
	if _, err := t.row(op, sqlCountAttachments, args(t.owner, id), &r.files, &files); err != nil {
		return nil, err
	}
	if r.octets += files; t.large(rows+r.files, texts+files) {
		return r, t.leave(op, r)
	}
	return r, t.dropCalendar(op, id)
}

// dropCalendar removes what is in a calendar.
func (t *tx) dropCalendar(op string, id int64) error {
	for _, text := range []string{t.either(sqlDropBodies, sqlDropBodyList), sqlDropObjects, sqlDropOccs, sqlDropAllProps, sqlDropAllAttachments} {
		if err := t.exec(op, text, t.owner, id); err != nil {
			return err
		}
	}
	return nil
}

// GoneCalendars lists tombstones with a change above since, by change.
func (t *tx) GoneCalendars(since int64) ([]calendar.GoneCalendar, error) {
	return collect(t, "list deleted calendars", sqlGoneCalendars, args(t.owner, since), nil,
		func(r scanner, g *calendar.GoneCalendar) error {
			var deleted int64
			err := r.scan(&g.ID, &g.Name, &g.Change, &deleted)
			g.Deleted = fromMicros(deleted)
			return err
		})
}

// PurgeCalendars removes the owner's tombstones of calendars of [from,before).
func (t *tx) PurgeCalendars(from, before time.Time) (int, error) {
	const op = "purge tombstones of calendars"
	var highest, n int64
	if _, err := t.row(op, sqlHighestBuried, args(t.owner, micros(before), micros(from)), &highest, &n); err != nil || n == 0 {
		return 0, err
	}
	if err := t.exec(op, sqlPurgeCalendars, t.owner, micros(before), micros(from)); err != nil {
		return 0, err
	}
	if err := t.makeHome(); err != nil {
		return 0, err
	}
	t.home.purged = max(t.home.purged, highest)
	return int(n), nil
}
