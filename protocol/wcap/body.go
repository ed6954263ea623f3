package wcap

import (
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
		c.p = append(c.p, splitQuery(strings.TrimRight(string(text), "\r\n"))...)
	case strings.HasPrefix(kind, "multipart/"):
		if opt["boundary"] == "" {
			return Errno(83) // MISSING_BOUNDARY
		}
		return c.readParts(multipart.NewReader(in, opt["boundary"]))
	default:
		data, err := io.ReadAll(in)
		if err != nil {
			return bodyError(err)
		}
		c.body.parts = append(c.body.parts, part{header: textproto.MIMEHeader(c.r.Header), data: data})
	}
	return nil
}

func (c *call) readParts(in *multipart.Reader) error {
	for range maxParts {
		p, err := in.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return bodyError(err)
		}
		data, err := io.ReadAll(p)
		if err != nil {
			return bodyError(err)
		}
		name, file := p.FormName(), p.FileName()
		kind := p.Header.Get("Content-Type")
		if name != "" && file == "" && (kind == "" || strings.HasPrefix(kind, "text/plain")) && p.Header.Get("Content-Id") == "" {
			if len(c.p) < maxParams {
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
		return &calendar.Error{Kind: calendar.TooLarge, Op: "read request", Msg: fmt.Sprintf("the body is larger than %d octets", big.Limit)}
	}
	return &calendar.Error{Kind: calendar.Invalid, Op: "read request", Err: err}
}
