package wcap

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/object"
)

// files are the attachments that a multipart request brought. WCAP §7.9.
func (c *call) files() ([]calendar.NewAttachment, error) {
	if !strings.HasPrefix(strings.ToLower(c.r.Header.Get("Content-Type")), "multipart/") {
		return nil, nil
	}
	var out []calendar.NewAttachment
	for _, p := range c.body.parts {
		if p.file == "" && len(p.data) == 0 {
			continue // a file field that was left empty
		}
		kind := p.header.Get("Content-Type")
		if kind == "" {
			kind = "application/octet-stream"
		}
		kind, _, err := mime.ParseMediaType(kind)
		if err != nil || !strings.Contains(kind, "/") {
			return nil, BadMIME
		}
		data, err := decodePart(p.header.Get("Content-Transfer-Encoding"), p.data)
		if err != nil {
			return nil, err
		}
		out = append(out, calendar.NewAttachment{
			ClientID: clean(strings.Trim(p.header.Get("Content-Id"), "<> ")), Name: baseName(clean(p.file)), Type: kind, Data: data,
		})
	}
	return out, nil
}

// decodePart undoes the transfer encoding of a part. RFC 2045 §6.
func decodePart(encoding string, data []byte) ([]byte, error) {
	var in io.Reader
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "7bit", "8bit", "binary":
		return data, nil
	case "base64":
		in = base64.NewDecoder(base64.StdEncoding, bytes.NewReader(data))
	case "quoted-printable":
		in = quotedprintable.NewReader(bytes.NewReader(data))
	default:
		return nil, BadMIME
	}
	out, err := io.ReadAll(in)
	if err != nil {
		return nil, InvalidAttachment
	}
	return out, nil
}

// baseName drops the folders that some browsers send along.
func baseName(s string) string {
	if i := strings.LastIndexAny(s, `/\`); i >= 0 {
		s = s[i+1:]
	}
	return s
}

// ours reports whether an address is one that this server gives to a file.
func ours(v string) bool {
	return strings.Contains(v, calendar.AttachmentsPath) || strings.Contains(v, "/fetchattachment") && strings.Contains(v, "attach-id=")
}

// attachment shows an ATTACH: a file of ours, or one that stands in the text, by
// its ids and an address that a session opens, with fetchattach whole. Others
// stay as they are.
func (s *shower) attachment(p *ical.Property, k *ical.Component) ical.Property {
	id := object.AttachID(p)
	if id == "" {
		return *p
	}
	q := ical.Property{Name: "ATTACH"}
	q.SetParam("X-S1CS-ATTACH-ID", id)
	for _, x := range [...]struct{ name, value string }{
		{"X-S1CS-CLIENT-ATTACH-ID", p.Param("X-S1CS-CLIENT-ATTACH-ID")}, {"FMTTYPE", p.Param("FMTTYPE")}, {"X-S1CS-FILENAME", object.FileName(p)}, {"X-S1CS-FILESIZE", fileSize(p)},
	} {
		if x.value != "" {
			q.SetParam(x.name, x.value)
		}
	}
	if s.c.p.flag("fetchattach", false) {
		value := p.Value
		if !object.Inline(p) {
			value = ""
			if a, err := s.c.be.Attachment(s.c.ctx, s.c.who, calendar.AttachmentRequest{Calendar: s.cal.ID, UID: s.obj.UID, ID: id}); err == nil {
				value = base64.StdEncoding.EncodeToString(a.Data)
			}
		}
		if value != "" {
			q.SetParam("ENCODING", "BASE64")
			q.SetParam("VALUE", "BINARY")
			q.Value = value
			return q
		}
	}
	rid := "0"
	if r := k.Prop("RECURRENCE-ID"); r != nil {
		rid = s.date(r)
	}
	q.Value = s.c.server() + "/fetchattachments.wcap?calid=" + url.QueryEscape(string(s.cal.ID)) + "&uid=" + url.QueryEscape(s.obj.UID) + "&rid=" + rid + "&attach-id=" + id
	return q
}

// fileSize is how many octets a file has, "" if that is not known.
func fileSize(p *ical.Property) string {
	if v := p.Param("SIZE"); v != "" || !object.Inline(p) {
		return v
	}
	return itoa(base64.RawStdEncoding.DecodedLen(len(strings.TrimRight(p.Value, "="))))
}

// server is how clients reach this server, for addresses in an answer.
func (c *call) server() string {
	if c.set.PublicURL != "" {
		return c.set.PublicURL
	}
	if c.secure() {
		return "https://" + c.r.Host
	}
	return "http://" + c.r.Host
}

// attached reports whether a component shows files of ours: their addresses
// are for one request.
func attached(k *ical.Component) bool {
	for p := range k.All("ATTACH") {
		if p.HasParam("X-S1CS-ATTACH-ID") {
			return true
		}
	}
	return false
}

// maxFiles is how many files one request may look for: each is a question to
// the back end.
const maxFiles = 200

// fetchAttachment returns files, each as a part of a multipart body. WCAP
// fetchattachment, fetchattachments.
func (c *call) fetchAttachment() error {
	ids := c.p.ids("attachid")
	if len(ids) == 0 {
		ids = c.p.ids("attach-id")
	}
	uid := strings.TrimSpace(c.p.text("uid"))
	if len(ids) == 0 || uid == "" {
		return c.own()
	}
	list, err := c.targets()
	if err != nil {
		return err
	}
	if len(ids)*len(list) > maxFiles {
		return &calendar.Error{Kind: calendar.TooMany, Op: c.name}
	}
	var files []calendar.Attachment
	last := error(AttachmentNotFound)
	size := int64(0)
	for i := range list {
		t := &list[i]
		if t.err != nil {
			last = t.err
			continue
		}
		for _, id := range ids {
			a, err := c.file(t, uid, strings.ToLower(id))
			if err != nil {
				if calendar.KindOf(err) != calendar.NotFound && !errors.Is(err, AttachmentNotFound) {
					last = err
				}
				continue
			}
			if size += int64(len(a.Data)); size > 4*c.set.MaxBody {
				return &calendar.Error{Kind: calendar.TooMany, Op: c.name}
			}
			files = append(files, a)
		}
	}
	if len(files) == 0 {
		return c.whyNoFile(list, uid, last)
	}
	var body bytes.Buffer
	mw := multipart.NewWriter(&body)
	for _, a := range files {
		h := textproto.MIMEHeader{}
		h.Set("Content-Type", mediaType(a.Type))
		h.Set("Content-Transfer-Encoding", "binary")
		h.Set("Content-Disposition", disposition(a.Name))
		h.Set("Content-Id", "<"+a.ID+">")
		w, err := mw.CreatePart(h)
		if err == nil {
			_, err = w.Write(a.Data)
		}
		if err != nil {
			return err
		}
	}
	if err := mw.Close(); err != nil {
		return err
	}
	h := c.out.w.Header()
	h.Set("Content-Type", "multipart/mixed; boundary="+mw.Boundary())
	noCache(h)
	c.out.w.WriteHeader(http.StatusOK)
	if c.r.Method != http.MethodHead {
		_, _ = c.out.w.Write(body.Bytes()) // the client may be gone
	}
	return nil
}

// file is one that belongs to a component, or stands in its text.
func (c *call) file(t *target, uid, id string) (calendar.Attachment, error) {
	if !object.IsInlineID(id) {
		return c.be.Attachment(c.ctx, c.who, calendar.AttachmentRequest{Calendar: t.id, UID: uid, ID: id})
	}
	a, found := calendar.Attachment{}, false
	req := calendar.OccurrencesRequest{Select: calendar.Named, Refs: []calendar.OccurrenceRef{{UID: uid}}, Series: true}
	list := []target{*t}
	err := c.occurrences(list, req, func([]calendar.OccurrencesResult) error { return list[0].err }, func(_ int, r *calendar.OccurrencesResult) error {
		if r.Err != nil || r.Object == nil || found {
			return r.Err
		}
		if cal, err := ical.Parse(r.Object.Data, ical.Limits{}); err == nil {
			a, found = object.InlineFile(cal, id)
		}
		return nil
	})
	if err == nil && !found {
		err = AttachmentNotFound
	}
	return a, err
}

// whyNoFile tells a calendar that is not there or may not be read, and a
// component that is not there, from a file that is not: by the last calendar
// that was asked for. WCAP §9.10.
func (c *call) whyNoFile(list []target, uid string, last error) error {
	if len(list) == 0 {
		return last
	}
	t := list[len(list)-1:]
	if !errors.Is(last, AttachmentNotFound) {
		return t[0].because(last)
	}
	opened := func([]calendar.OccurrencesResult) error { return t[0].err }
	found := ComponentNotFound
	err := c.occurrences(t, calendar.OccurrencesRequest{Select: calendar.Named, Refs: []calendar.OccurrenceRef{{UID: uid}}, None: true}, opened, func(_ int, r *calendar.OccurrencesResult) error {
		found = AttachmentNotFound
		return r.Err
	})
	if err != nil {
		return t[0].because(err)
	}
	return found
}

// mediaType is the type of a file, spelled anew: parts have no other guard
// against a line that its author put into it.
func mediaType(kind string) string {
	if name, params, err := mime.ParseMediaType(kind); err == nil {
		if kind = mime.FormatMediaType(name, params); kind != "" {
			return kind
		}
	}
	return "application/octet-stream"
}

// disposition names a file without letting its name out of the header.
func disposition(name string) string {
	if name == "" {
		name = "attachment"
	}
	if v := mime.FormatMediaType("attachment", map[string]string{"filename": name}); v != "" {
		return v
	}
	return "attachment"
}
