package service

import "factotum/server/calendar"

// mender is a writer that makes anew what is kept beside the texts. csdb rebuild.
type mender struct{ *writer }

// mend runs fn, and records that what memory has of the home is to be read again.
func (w *writer) mend(fn func(mender) error) error {
	ch, err := w.begin(calendar.Rebuilt, nil)
	if err != nil {
		return err
	}
	if err := fn(mender{w}); err != nil {
		return err
	}
	if err := w.tx.Recount(); err != nil {
		return err
	}
	return w.end(ch)
}

func (m mender) index(cal int64, name string, rows []calendar.OccurrenceRow) error {
	return m.tx.SetOccurrences(cal, name, rows)
}

// rename notes the UID of an object.
func (m mender) rename(o calendar.ObjectRow, uid string) error {
	o.UID = uid
	return m.tx.PutObject(o)
}

// classify notes what the CLASS of an object counts as.
func (m mender) classify(o calendar.ObjectRow, class uint8) error {
	o.Private = class
	return m.tx.PutObject(o)
}

// mark notes whether an object has files.
func (m mender) mark(o calendar.ObjectRow, attached bool) error {
	o.Attached = attached
	return m.tx.PutObject(o)
}

func (m mender) drop(a calendar.AttachmentRow) error {
	return m.tx.DeleteAttachments(a.Cal, a.Name, a.ID)
}

// copyFile stores a file with another object, or again with its own; its size
// is then that of what is there.
func (m mender) copyFile(from calendar.AttachmentRow, to objectKey) error {
	a, ok, err := m.Attachment(from.Cal, from.Name, from.ID)
	if err != nil || !ok {
		return err
	}
	a.Cal, a.Name = to.cal, to.name
	return m.tx.PutAttachment(a)
}
