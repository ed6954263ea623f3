package wcap

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"

	"factotum/server/calendar"
)

// body is what a POST brought besides parameters: the parts of a multipart
// body that are files, or a body of another type as the only part.
type body struct {
	parts []part
}

// part is a file of a request.
type part struct {
	header textproto.MIMEHeader
	name   string // of the form field
	file   string // filename, may be ""
	data   []byte
}

// maxParts is how many parts of a multipart body are read.
const maxParts = 1000

// readBody takes up the parameters and files of a POST. WCAP §2.2.
func (c *call) readBody(w http.ResponseWriter) error {
	if c.r.Method != http.MethodPost || c.r.Body == nil {
		return nil
	}
	in := http.MaxBytesReader(w, c.r.Body, c.set.MaxBody)
	defer in.Close()
	kind, opt, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil {
		kind = ""
	}
	switch {
	case kind == "application/x-www-form-urlencoded" || kind == "":
		text, err := io.ReadAll(in)
		if err != nil {
			return bodyError(err)
		}
		if c.name == "import" && isFile(text) { // curl --data-binary says that it is a form
			c.body.parts = append(c.body.parts, part{header: textproto.MIMEHeader{}, data: text})
			return nil
		}
		c.p = append(c.p, splitQuery(strings.TrimRight(string(text), "\r\n"))...)
	case strings.HasPrefix(kind, "multipart/"):
		if opt["boundary"] == "" {
			return MissingBoundary
		}
		return c.readParts(in, opt["boundary"])
	default:
		data, err := io.ReadAll(in)
		if err != nil {
			return bodyError(err)
		}
		c.body.parts = append(c.body.parts, part{header: textproto.MIMEHeader(c.r.Header), data: data})
	}
	return nil
}

// isFile reports whether a body is a calendar file and no list of parameters.
func isFile(text []byte) bool {
	text = bytes.TrimLeft(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), " \t\r\n")
	return len(text) > 0 && text[0] == '<' || len(text) > 6 && strings.EqualFold(string(text[:6]), "BEGIN:")
}

// readParts reads a multipart body. One without its last boundary was cut off on
// its way, and nothing of it is taken: errno 84, and 82 for a head that cannot
// be read. WCAP §7.9.
func (c *call) readParts(in io.Reader, boundary string) error {
	text, err := io.ReadAll(in)
	if err != nil {
		return bodyError(err)
	}
	if !bytes.Contains(text, []byte("--"+boundary+"--")) {
		return InvalidAttachment
	}
	parts := multipart.NewReader(bytes.NewReader(text), boundary)
	for range maxParts {
		p, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return BadMIME
		}
		data, err := io.ReadAll(p)
		if err != nil {
			return InvalidAttachment
		}
		name, file := p.FormName(), p.FileName()
		kind := p.Header.Get("Content-Type")
		if name != "" && file == "" && (kind == "" || strings.HasPrefix(kind, "text/plain")) && p.Header.Get("Content-Id") == "" {
			if !c.p.overfull() {
				c.p = append(c.p, param{name: name, raw: string(data), done: true, enc: charsetOf(kind)})
			}
			continue
		}
		c.body.parts = append(c.body.parts, part{header: p.Header, name: name, file: file, data: data})
	}
	return &calendar.Error{Kind: calendar.TooLarge, Op: "read request", Msg: fmt.Sprintf("more than %d parts", maxParts)}
}

func bodyError(err error) error {
	var big *http.MaxBytesError
	if errors.As(err, &big) {
		return &calendar.Error{Kind: calendar.TooLarge, Op: "read request", Msg: fmt.Sprintf("the body is larger than %d octets", big.Limit), Err: err}
	}
	return &calendar.Error{Kind: calendar.Invalid, Op: "read request", Err: err}
}
