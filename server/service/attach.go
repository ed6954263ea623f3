package service

import (
	"context"
	"crypto/rand"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"factotum/server/cache"
	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/object"
)

// An attachment is a file that a client sent along with an event or task. It
// is kept in the back end and goes with the object that refers to it: the
// object's text has an ATTACH with the file's address, which needs a log-in,
// and the MANAGED-ID, FILENAME and SIZE parameters of RFC 8607. A text that no
// longer names a file drops it; a text of the same owner that names it too
// (copied, or put again by a client) gets a copy of its own. Ids cannot be
// guessed, so who can write one has read it in some object.

// Attachment returns a file that belongs to an object that who may read.
func (s *Service) Attachment(ctx context.Context, who calendar.Actor, req calendar.AttachmentRequest) (calendar.Attachment, error) {
	const op = "get attachment"
	owner := req.Owner
	if req.Calendar != "" {
		owner = req.Calendar.Owner()
	}
	var found *calendar.AttachmentRow
	err := s.read(ctx, who, op, string(owner), owner, func(v cache.View) error {
		found = nil
		cals, err := v.Calendars()
		if err != nil {
			return err
		}
		return v.Tx(ctx, nil, func(tx calendar.ReadTx) error {
			found, err = s.findAttachment(tx, who, req, cals)
			return err
		})
	})
	if err != nil {
		return calendar.Attachment{}, err
	}
	if found == nil {
		return calendar.Attachment{}, calendar.Failf(calendar.NotFound, calendar.AttachmentGone, op, string(owner), "there is no such attachment")
	}
	return calendar.Attachment{ID: found.ID, ClientID: found.ClientID, Name: found.File, Type: found.Type, Modified: found.Created, Data: found.Data}, nil
}

// findAttachment returns a file of an object that who may read, or nil.
func (s *Service) findAttachment(tx calendar.ReadTx, who calendar.Actor, req calendar.AttachmentRequest, cals []*cache.Calendar) (*calendar.AttachmentRow, error) {
	holders, err := tx.AttachmentHolders(req.ID)
	if err != nil {
		return nil, err
	}
	for _, a := range holders {
		at := slices.IndexFunc(cals, func(c *cache.Calendar) bool { return c.Row.ID == a.Cal })
		if at < 0 {
			continue
		}
		cal := cals[at]
		r := s.rightsOn(who, cal)
		if req.Calendar != "" && cal.ID != req.Calendar || cal.Row.Disabled && !s.administers(who, cal.ID.Owner()) || !r.CanRead() {
			continue
		}
		o, ok, err := tx.Object(a.Cal, a.Name, false)
		if err != nil {
			return nil, err
		}
		if !ok || req.UID != "" && o.UID != req.UID || s.hides(o.Private, r, who, cal) {
			continue
		}
		if row, ok, err := tx.Attachment(a.Cal, a.Name, a.ID); err != nil || ok {
			return &row, err
		}
	}
	return nil, nil
}

// newAttachments gives uploaded files their ids and each item its ATTACHes.
func (s *Service) newAttachments(op string, id calendar.ID, items []calendar.EditItem) ([][]calendar.AttachmentRow, error) {
	files := make([][]calendar.AttachmentRow, len(items))
	lim := s.opt.Limits
	for i := range items {
		it := &items[i]
		if len(it.Attach) == 0 {
			continue
		}
		if len(it.Attach) > lim.Attachments {
			return nil, calendar.Failf(calendar.TooLarge, "", op, string(id), "more than %d attachments", lim.Attachments)
		}
		add := calendar.PropEdit{Name: "ATTACH", Append: true}
		for _, a := range it.Attach {
			if len(a.Data) > lim.AttachmentSize {
				return nil, calendar.Failf(calendar.TooLarge, calendar.MaxResourceSize, op, string(id), "an attachment is larger than %d octets", lim.AttachmentSize)
			}
			row := calendar.AttachmentRow{ID: strings.ToLower(rand.Text()), ClientID: clip(a.ClientID, 255), File: clip(a.Name, 255), Type: clip(a.Type, 255),
				Size: int64(len(a.Data)), Data: a.Data}
			p := ical.Property{Name: "ATTACH", Value: s.opt.PublicURL + calendar.AttachmentsPath + url.PathEscape(string(id.Owner())) + "/" + row.ID}
			p.SetParam("MANAGED-ID", row.ID)
			if row.Type != "" {
				p.SetParam("FMTTYPE", row.Type)
			}
			if row.File != "" {
				p.SetParam("FILENAME", row.File)
			}
			p.SetParam("SIZE", strconv.FormatInt(row.Size, 10))
			if row.ClientID != "" {
				p.SetParam("X-S1CS-CLIENT-ATTACH-ID", row.ClientID)
			}
			add.Props = append(add.Props, p)
			files[i] = append(files[i], row)
		}
		it.Patch.Props = append(slices.Clone(it.Patch.Props), add)
	}
	return files, nil
}

func clip(s string, n int) string {
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "")
	}
	return s
}

// filing is what is to be done about the files of one object so that it has
// those that its text names. It is worked out before the object is written and
// carried out after, so that a refusal leaves everything as it was.
type filing struct {
	drop  []calendar.AttachmentRow
	copy  []calendar.AttachmentRow // of other objects of the owner, as they are there
	store []calendar.AttachmentRow // came along with the text
	grow  int64                    // octets
	kept  bool                     // there are files then
}

// filing compares the files that an object has with those that its text names.
func (w *writer) filing(cal int64, name string, obj *object.Resource) (f filing, err error) {
	have, err := w.Attachments(cal, name)
	if err != nil {
		return f, err
	}
	for _, a := range have {
		if slices.Contains(obj.Attached, a.ID) {
			f.kept = true
		} else {
			f.drop, f.grow = append(f.drop, a), f.grow-a.Size
		}
	}
	named := func(id string) func(calendar.AttachmentRow) bool {
		return func(a calendar.AttachmentRow) bool { return a.ID == id }
	}
	for _, id := range obj.Attached {
		if slices.ContainsFunc(have, named(id)) {
			continue
		}
		if i := slices.IndexFunc(obj.Files, named(id)); i >= 0 {
			f.store, f.grow, f.kept = append(f.store, obj.Files[i]), f.grow+obj.Files[i].Size, true
			continue
		}
		holders, err := w.AttachmentHolders(id)
		if err != nil {
			return f, err
		}
		if len(holders) > 0 { // else of an object that is gone: the text keeps the dead address
			f.copy, f.grow, f.kept = append(f.copy, holders[0]), f.grow+holders[0].Size, true
		}
	}
	return f, nil
}

// copies is of a filing what comes from other objects; the rest is still to be
// done.
func (f filing) copies() (c filing) {
	c.copy = f.copy
	for _, a := range c.copy {
		c.grow += a.Size
	}
	return c
}
