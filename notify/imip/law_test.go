package imip

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"mime/multipart"
	"mime/quotedprintable"
	"net/textproto"
	"strings"
	"testing"

	"factotum/server/itip"
	"pgregory.net/rapid"
)

// Wherever in a mail that is well-formed an answer stands, however it is encoded
// and whatever stands beside it, it is found there, once, octet for octet.
func TestAnswersAreFoundWhereTheyStand(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawing{t: t, comment: rapid.StringMatching(`[a-zäöü€ =.,;-]{1,120}`).Draw(t, "comment")}
		kind, enc, body := d.part(0, "", true)
		mail := "From: Bert <bert@firm.example>\r\nSubject: Re: Plan\r\nMIME-Version: 1.0\r\nContent-Type: " + kind + "\r\n"
		if enc != "" {
			mail += "Content-Transfer-Encoding: " + enc + "\r\n"
		}
		mail += "\r\n" + string(body)
		if rapid.Bool().Draw(t, "LF") {
			mail = strings.ReplaceAll(mail, "\r\n", "\n")
		}
		m, err := Read(strings.NewReader(mail), Limits{})
		if err != nil {
			t.Fatalf("%v in\n%s", err, mail)
		}
		if len(m.Messages) != 1 || m.Messages[0].Method != itip.Reply || m.Messages[0].Part.Path != d.path || len(m.Messages[0].Copies) > 0 {
			t.Fatalf("%+v %+v, want one in %s of\n%s", m.Messages, m.Refused, d.path, mail)
		}
		if got := m.Messages[0].Calendar.Child("VEVENT").Value("COMMENT"); got != d.comment {
			t.Fatalf("COMMENT %q, want %q in\n%s", got, d.comment, mail)
		}
	})
}

// drawing draws parts, one of which is the answer.
type drawing struct {
	t       *rapid.T
	comment string
	path    string // of the answer
	n       int
}

// part draws one with the answer somewhere in it, or without.
func (d *drawing) part(depth int, path string, answer bool) (kind, enc string, body []byte) {
	d.n++
	pick := func(label string, most int) int { return rapid.IntRange(0, most).Draw(d.t, fmt.Sprint(label, d.n)) }
	if depth < 4 && (pick("multi", 2) > 0) == answer && d.n < 40 {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		b.WriteString("a preamble\r\n")
		if err := w.SetBoundary(rapid.StringMatching(`[A-Za-z0-9'()+_,./:=?-]{1,55}[a-z]`).Draw(d.t, fmt.Sprint("boundary", d.n)) + fmt.Sprint(d.n)); err != nil {
			d.t.Fatal(err)
		}
		count := 1 + pick("parts", 3)
		in := pick("which", count-1)
		for i := range count {
			at := strings.TrimPrefix(fmt.Sprintf("%s.%d", path, i+1), ".")
			k, e, text := d.part(depth+1, at, answer && i == in)
			h := textproto.MIMEHeader{"Content-Type": {k}}
			if e != "" {
				h.Set("Content-Transfer-Encoding", e)
			}
			p, err := w.CreatePart(h)
			if err != nil {
				d.t.Fatal(err)
			}
			if _, err := p.Write(text); err != nil {
				d.t.Fatal(err)
			}
		}
		if pick("closed", 3) > 0 || depth > 0 {
			if err := w.Close(); err != nil {
				d.t.Fatal(err)
			}
		}
		b.WriteString("\r\nan epilogue\r\n")
		sub := []string{"mixed", "alternative", "related", "signed", "x-unknown"}[pick("subtype", 4)]
		return fmt.Sprintf("multipart/%s; boundary=%q", sub, w.Boundary()), "", b.Bytes()
	}
	if !answer {
		lines := rapid.SliceOfN(rapid.SampledFrom([]string{"hello", "", "--", "--x", "--a", "-- ", "From here", "Content-Type: text/calendar", ".", "BEGIN:VCARD"}), 0, 5).Draw(d.t, fmt.Sprint("noise", d.n))
		return []string{"text/plain", "text/html; charset=utf-8", "image/png", "application/octet-stream"}[pick("noise kind", 3)], "", []byte(strings.Join(lines, "\r\n"))
	}
	d.path = path
	text := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:REPLY\r\nBEGIN:VEVENT\r\nUID:plan\r\nATTENDEE;PARTSTAT=ACCEPTED:mailto:bert@firm.example\r\nCOMMENT:" + d.comment + "\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	kind = []string{"text/calendar; method=REPLY; charset=utf-8", "text/calendar", "application/ics; name=a.ics", `application/octet-stream; name="a.ICS"`, "text/plain; charset=utf-8"}[pick("kind", 4)]
	switch pick("encoding", 2) {
	case 0:
		return kind, "base64", []byte(base64.StdEncoding.EncodeToString([]byte(text)))
	case 1:
		var b bytes.Buffer
		w := quotedprintable.NewWriter(&b)
		if _, err := w.Write([]byte(text)); err != nil {
			d.t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			d.t.Fatal(err)
		}
		return kind, "quoted-printable", b.Bytes()
	}
	return kind, "8bit", []byte(text)
}
