package calendar

import (
	"context"
	"crypto/rand"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"factotum/server/ical"
)

// An attachment is a file that a client sent along with an event or task. It
// is kept in the back end and goes with the object that refers to it: the
// object's text has an ATTACH with the file's address, which needs a log-in,
// and the MANAGED-ID, FILENAME and SIZE parameters of RFC 8607. A text that no
// longer names a file drops it; a text of the same owner that names it too
// (copied, or put again by a client) gets a copy of its own. Ids cannot be
// guessed, so who can write one has read it in some object.

// AttachmentsPath is where attachments are: AttachmentsPath + owner + "/" + id.
const AttachmentsPath = "/dav/attachments/"

// AttachmentRow is a file at rest.
type AttachmentRow struct {
	Cal      int64
	Name     string // of the object
	ID       string
	ClientID string
	File     string // its name
	Type     string // media type
	Size     int64
	Created  time.Time
	Data     []byte // nil unless asked for
}

// AttachmentRequest names a file. With Calendar or UID it must belong to an
// object there; else to any that who may read.
type AttachmentRequest struct {
	Owner    Owner
	ID       string
	Calendar ID
	UID      string
}

// Attachment is a file as its reader gets it.
type Attachment struct {
	ID       string
	ClientID string
	Name     string
	Type     string
	Modified time.Time
	Data     []byte
}

// Attachment returns a file that belongs to an object that who may read.
func (s *Service) Attachment(ctx context.Context, who Actor, req AttachmentRequest) (Attachment, error) {
	const op = "get attachment"
	owner := req.Owner
	if req.Calendar != "" {
		owner = req.Calendar.Owner()
	}
	missing := failMsg(NotFound, AttachmentGone, op, string(owner), "there is no such attachment")
	var found AttachmentRow
	var holders []AttachmentRow
	err := s.store.View(ctx, owner, func(tx Tx) error {
		var err error
		holders, err = tx.AttachmentHolders(req.ID)
		return err
	})
	if err != nil {
		return Attachment{}, wrap(op, string(owner), err)
	}
	if len(holders) == 0 {
		return Attachment{}, missing
	}
	h, err := s.loaded(ctx, owner)
	if err != nil {
		return Attachment{}, wrap(op, string(owner), err)
	}
	for _, a := range holders {
		h.mu.RLock()
		c := h.byID[a.Cal]
		h.mu.RUnlock()
		if c == nil || req.Calendar != "" && c.meta.id != req.Calendar || c.meta.row.Disabled && !who.Admin {
			continue
		}
		r := s.rights(who, owner, c.meta.coOwners, c.meta.row.ACL)
		if !r.CanRead() {
			continue
		}
		err := s.store.View(ctx, owner, func(tx Tx) error {
			found = AttachmentRow{}
			o, ok, err := tx.Object(a.Cal, a.Name, false)
			if err != nil || !ok || req.UID != "" && o.UID != req.UID || s.masks(o.Private, r, who, c.meta) {
				return err
			}
			row, ok, err := tx.Attachment(a.Cal, a.Name, a.ID)
			if ok {
				found = row
			}
			return err
		})
		if err != nil {
			return Attachment{}, wrap(op, string(owner), err)
		}
		if found.ID != "" {
			return Attachment{ID: found.ID, ClientID: found.ClientID, Name: found.File, Type: found.Type, Modified: found.Created, Data: found.Data}, nil
		}
	}
	return Attachment{}, missing
}

// attachmentID returns the id in the address of an attachment of ours, "" for
// any other address.
func attachmentID(address string) string {
	_, id := splitAttachment(address)
	return id
}

func splitAttachment(address string) (Owner, string) {
	i := strings.Index(address, AttachmentsPath)
	if i < 0 {
		return "", ""
	}
	owner, id, ok := strings.Cut(address[i+len(AttachmentsPath):], "/")
	if !ok || id == "" || strings.ContainsAny(id, "/?#") || len(id) > 64 {
		return "", ""
	}
	o, err := url.PathUnescape(owner)
	if err != nil {
		return "", ""
	}
	return Owner(o), id
}

// attachmentsOf lists the attachments of an owner that a text refers to.
func attachmentsOf(cal *ical.Component, owner Owner) (ids []string) {
	for _, c := range cal.Children {
		c.Walk(func(x *ical.Component) bool {
			for p := range x.All("ATTACH") {
				if o, id := splitAttachment(p.Value); id != "" && o == owner && !slices.Contains(ids, id) {
					ids = append(ids, id)
				}
			}
			return true
		})
	}
	return ids
}

// detach takes the ATTACHes of these ids out of every component.
func detach(cal *ical.Component, ids []string) {
	if len(ids) == 0 {
		return
	}
	for _, c := range components(cal) {
		detachFrom(c, ids)
	}
}

func detachFrom(c *ical.Component, ids []string) {
	c.Props = slices.DeleteFunc(c.Props, func(p ical.Property) bool {
		return p.Name == "ATTACH" && slices.Contains(ids, attachmentID(p.Value))
	})
}

// newAttachments gives uploaded files their ids and each item its ATTACHes.
func (s *Service) newAttachments(op string, id ID, items []EditItem) ([][]AttachmentRow, error) {
	files := make([][]AttachmentRow, len(items))
	lim := s.opt.Limits
	for i := range items {
		it := &items[i]
		if len(it.Attach) == 0 {
			continue
		}
		if len(it.Attach) > lim.Attachments {
			return nil, failMsg(TooLarge, "", op, string(id), "more than %d attachments", lim.Attachments)
		}
		add := PropEdit{Name: "ATTACH", Append: true}
		for _, a := range it.Attach {
			if len(a.Data) > lim.AttachmentSize {
				return nil, failMsg(TooLarge, MaxResourceSize, op, string(id), "an attachment is larger than %d octets", lim.AttachmentSize)
			}
			row := AttachmentRow{ID: strings.ToLower(rand.Text()), ClientID: clip(a.ClientID, 255), File: clip(a.Name, 255), Type: clip(a.Type, 255),
				Size: int64(len(a.Data)), Data: a.Data}
			p := ical.Property{Name: "ATTACH", Value: s.opt.PublicURL + AttachmentsPath + url.PathEscape(string(id.Owner())) + "/" + row.ID}
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
	drop  []AttachmentRow
	copy  []AttachmentRow // of other objects of the owner, as they are there
	store []AttachmentRow // came along with the text
	grow  int64           // octets
	kept  bool            // there are files then
}

// filing compares the files that an object has with those that its text names.
func (w *writer) filing(cal int64, name string, obj *parsed) (f filing, err error) {
	have, err := w.Attachments(cal, name)
	if err != nil {
		return f, err
	}
	for _, a := range have {
		if slices.Contains(obj.attached, a.ID) {
			f.kept = true
		} else {
			f.drop, f.grow = append(f.drop, a), f.grow-a.Size
		}
	}
	named := func(id string) func(AttachmentRow) bool { return func(a AttachmentRow) bool { return a.ID == id } }
	for _, id := range obj.attached {
		if slices.ContainsFunc(have, named(id)) {
			continue
		}
		if i := slices.IndexFunc(obj.files, named(id)); i >= 0 {
			f.store, f.grow, f.kept = append(f.store, obj.files[i]), f.grow+obj.files[i].Size, true
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

// file carries out a filing.
func (w *writer) file(cal int64, name string, f filing) error {
	for _, a := range f.drop {
		if err := w.DeleteAttachments(cal, name, a.ID); err != nil {
			return err
		}
	}
	for _, from := range f.copy {
		a, ok, err := w.Attachment(from.Cal, from.Name, from.ID)
		if err != nil {
			return err
		}
		if !ok {
			return &Error{Kind: Internal, Op: "copy an attachment", Msg: "the file is gone"}
		}
		a.Cal, a.Name = cal, name
		if err := w.PutAttachment(a); err != nil {
			return err
		}
	}
	for _, a := range f.store {
		a.Cal, a.Name, a.Created = cal, name, w.now
		if err := w.PutAttachment(a); err != nil {
			return err
		}
	}
	w.filed += f.grow
	return nil
}

// note keeps a mutation for the caches; with it goes what was filed before.
func (w *writer) note(m mutation) {
	m.delta += w.filed
	w.filed = 0
	w.muts = append(w.muts, m)
}
