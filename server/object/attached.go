package object

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// inlinePrefix begins the ids of files that stand in a text themselves.
const inlinePrefix = "inline-"

// Inline reports whether an ATTACH holds a file instead of its address.
func Inline(p *ical.Property) bool {
	return p.ParamIs("VALUE", "BINARY") || p.ParamIs("ENCODING", "BASE64")
}

// AttachID is the id of a file of ours, or one made of the file itself where that
// stands in the text; "" for any other ATTACH.
func AttachID(p *ical.Property) string {
	if Inline(p) {
		sum := sha256.Sum256([]byte(p.Value))
		return inlinePrefix + hex.EncodeToString(sum[:16])
	}
	return calendar.AttachmentID(p.Value)
}

// IsInlineID reports whether an id is one that AttachID makes of a file.
func IsInlineID(id string) bool { return strings.HasPrefix(id, inlinePrefix) }

// InlineFile is the file with that id that stands in a text.
func InlineFile(cal *ical.Component, id string) (a calendar.Attachment, ok bool) {
	for _, c := range cal.Children {
		c.Walk(func(x *ical.Component) bool {
			for p := range x.All("ATTACH") {
				if ok || !Inline(p) || AttachID(p) != id {
					continue
				}
				if data, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(p.Value, "=")); err == nil {
					a, ok = calendar.Attachment{ID: id, Name: FileName(p), Type: p.Param("FMTTYPE"), Data: data}, true
				}
			}
			return !ok
		})
	}
	return a, ok
}

// FileName is the name that an ATTACH gives its file. RFC 8607 §4.2; before that
// programs had names of their own for it.
func FileName(p *ical.Property) string {
	for _, name := range []string{"FILENAME", "X-FILENAME", "X-APPLE-FILENAME", "X-S1CS-FILENAME"} {
		if v := p.Param(name); v != "" {
			return v
		}
	}
	return ""
}
