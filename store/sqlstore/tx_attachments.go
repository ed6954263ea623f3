package sqlstore

import (
	"cmp"
	"slices"
	"strings"

	"factotum/server/calendar"
)

const (
	attachmentColumns = `cal, name, id, clientid, file, contenttype, size, created`

	sqlAttachments       = `SELECT ` + attachmentColumns + ` FROM attachments WHERE owner = $1 AND cal = $2 AND name = $3 ORDER BY id`
	sqlAttachmentHolders = `SELECT ` + attachmentColumns + ` FROM attachments WHERE owner = $1 AND id = $2`
	sqlAttachment        = `SELECT ` + attachmentColumns + `, data FROM attachments WHERE owner = $1 AND cal = $2 AND name = $3 AND id = $4`

	sqlPutAttachment = `INSERT INTO attachments (owner, ` + attachmentColumns + `, data)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (owner, cal, name, id) DO UPDATE SET clientid = excluded.clientid, file = excluded.file, contenttype = excluded.contenttype,
size = excluded.size, created = excluded.created, data = excluded.data`

	// length of a BYTEA or BLOB does not read it.
	sqlAllAttachments = `SELECT ` + attachmentColumns + `, cast(length(data) AS BIGINT) FROM attachments WHERE owner = $1 ORDER BY cal, name, id`

	ofCalendar            = ` WHERE owner = $1 AND cal = $2`
	ofObject              = ofCalendar + ` AND name = $3`
	ofFile                = ofObject + ` AND id = $4`
	sqlAttachmentSize     = `SELECT size FROM attachments` + ofFile
	sqlSizeOfAttachments  = `SELECT cast(coalesce(sum(size), 0) AS BIGINT) FROM attachments`
	sqlCountAttachments   = `SELECT count(*), cast(coalesce(sum(size), 0) AS BIGINT) FROM attachments` + ofCalendar
	sqlDropAttachments    = `DELETE FROM attachments`
	sqlDropAllAttachments = sqlDropAttachments + ofCalendar
)

func readAttachment(r scanner, a *calendar.AttachmentRow, data bool) error {
	var created int64
	dest := [...]any{&a.Cal, &a.Name, &a.ID, &a.ClientID, &a.File, &a.Type, &a.Size, &created, &a.Data}
	n := len(dest)
	if !data {
		n--
	}
	err := r.scan(dest[:n]...)
	a.Created = fromMicros(created)
	return err
}

func withoutData(r scanner, a *calendar.AttachmentRow) error { return readAttachment(r, a, false) }

// Attachments lists the files of one object by id.
func (t *tx) Attachments(cal int64, name string) ([]calendar.AttachmentRow, error) {
	return collect(t, "list attachments", sqlAttachments, args(t.owner, cal, name), nil, withoutData)
}

// AttachmentHolders lists the rows of one id.
func (t *tx) AttachmentHolders(id string) ([]calendar.AttachmentRow, error) {
	if err := t.settled("find an attachment"); err != nil {
		return nil, err
	}
	rows, err := collect(t, "find an attachment", sqlAttachmentHolders, args(t.owner, id), nil, withoutData)
	// Here, since for an order SQLite would walk through all files.
	slices.SortFunc(rows, func(a, b calendar.AttachmentRow) int {
		return cmp.Or(cmp.Compare(a.Cal, b.Cal), strings.Compare(a.Name, b.Name))
	})
	return rows, err
}

// Attachment returns a file with its data.
func (t *tx) Attachment(cal int64, name, id string) (row calendar.AttachmentRow, ok bool, err error) {
	err = t.conn.query(sqlAttachment, args(t.owner, cal, name, id), func(r scanner) error {
		ok = true
		return readAttachment(r, &row, true)
	})
	return row, ok, t.wrap("read an attachment", err)
}

// PutAttachment inserts or replaces a file. Size is taken from Data.
func (t *tx) PutAttachment(a calendar.AttachmentRow) error {
	const op = "store an attachment"
	var old int64
	if _, err := t.row(op, sqlAttachmentSize, args(t.owner, a.Cal, a.Name, a.ID), &old); err != nil {
		return err
	}
	size := int64(len(a.Data))
	err := t.exec(op, sqlPutAttachment, t.owner, a.Cal, a.Name, a.ID, a.ClientID, a.File, a.Type, size, micros(a.Created), octets(a.Data))
	if err != nil {
		return err
	}
	return t.grow(0, size-old)
}

// DeleteAttachments removes one file of an object, or with id "" all.
func (t *tx) DeleteAttachments(cal int64, name, id string) error {
	const op = "remove attachments"
	which, key := ofObject, args(t.owner, cal, name)
	if id != "" {
		which, key = ofFile, append(key, id)
	}
	var n int64
	if _, err := t.row(op, sqlSizeOfAttachments+which, key, &n); err != nil {
		return err
	}
	if err := t.exec(op, sqlDropAttachments+which, key...); err != nil {
		return err
	}
	return t.grow(0, -n)
}

// AllAttachments streams every file of the owner without its data.
func (t *tx) AllAttachments(fn func(row calendar.AttachmentRow, octets int64)) error {
	if err := t.settled("list attachments"); err != nil {
		return err
	}
	t.conn.patient()
	err := t.conn.query(sqlAllAttachments, args(t.owner), func(r scanner) error {
		var a calendar.AttachmentRow
		var created, octets int64
		if err := r.scan(&a.Cal, &a.Name, &a.ID, &a.ClientID, &a.File, &a.Type, &a.Size, &created, &octets); err != nil {
			return err
		}
		a.Created = fromMicros(created)
		fn(a, octets)
		return nil
	})
	return t.wrap("list attachments", err)
}
