package calendar

import (
	"net/url"
	"strings"
	"time"

	"factotum/server/ical"
)

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

// Holder is whose home the file is in.
func (r AttachmentRequest) Holder() Owner {
	if r.Calendar != "" {
		return r.Calendar.Owner()
	}
	return r.Owner
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

// AttachmentID returns the id in the address of an attachment of ours, "" for
// any other address.
func AttachmentID(address string) string {
	_, id := SplitAttachment(address)
	return id
}

// SplitAttachment takes the address of an attachment of ours apart; both parts
// are empty for any other address.
func SplitAttachment(address string) (Owner, string) {
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

// AbsoluteAttachments puts a server in front of addresses of our files that are
// paths, for a text that leaves it.
func AbsoluteAttachments(c *ical.Component, server string) {
	c.Walk(func(x *ical.Component) bool {
		for i := range x.Props {
			if p := &x.Props[i]; p.Name == "ATTACH" && strings.HasPrefix(p.Value, AttachmentsPath) {
				p.Value = server + p.Value
			}
		}
		return true
	})
}
