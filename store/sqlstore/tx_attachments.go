package sqlstore

import "factotum/server/calendar"

const (
	attachmentColumns = `cal, name, id, clientid, file, contenttype, size, created`

	sqlAttachments       = `SELECT ` + attachmentColumns + ` FROM attachments WHERE owner = $1 AND cal = $2 AND name = $3 ORDER BY id`
	sqlAttachmentHolders = `SELECT ` + attachmentColumns + ` FROM attachments WHERE owner = $1 AND id = $2 ORDER BY cal, name`
	sqlAttachment        = `SELECT ` + attachmentColumns + `, data FROM attachments WHERE owner = $1 AND cal = $2 AND name = $3 AND id = $4`

	sqlPutAttachment = `INSERT INTO attachments (owner, ` + attachmentColumns + `, data)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (owner, cal, name, id) DO UPDATE SET clientid = excluded.clientid, file = excluded.file, contenttype = excluded.contenttype,
size = excluded.size, created = excluded.created, data = excluded.data`

	sqlDropAttachment     = `DELETE FROM attachments WHERE owner = $1 AND cal = $2 AND name = $3 AND id = $4`
	sqlDropAttachments    = `DELETE FROM attachments WHERE owner = $1 AND cal = $2 AND name = $3`
	sqlDropAllAttachments = `DELETE FROM attachments WHERE owner = $1 AND cal = $2`
	sqlAttachmentBytes    = `SELECT cast(coalesce(sum(size), 0) AS BIGINT) FROM attachments WHERE owner = $1`
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
	return collect(t, "find an attachment", sqlAttachmentHolders, args(t.owner, id), nil, withoutData)
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
	return t.exec("store an attachment", sqlPutAttachment, t.owner, a.Cal, a.Name, a.ID, a.ClientID, a.File, a.Type,
		int64(len(a.Data)), micros(a.Created), octets(a.Data))
}

// DeleteAttachments removes one file of an object, or with id "" all.
func (t *tx) DeleteAttachments(cal int64, name, id string) error {
	if id == "" {
		return t.exec("remove attachments", sqlDropAttachments, t.owner, cal, name)
	}
	return t.exec("remove an attachment", sqlDropAttachment, t.owner, cal, name, id)
}

// AttachmentBytes sums up the sizes of the owner's files.
func (t *tx) AttachmentBytes() (n int64, err error) {
	_, err = t.row("sum up attachments", sqlAttachmentBytes, args(t.owner), &n)
	return n, err
}
