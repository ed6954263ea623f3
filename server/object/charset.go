package object

import (
	"bytes"
	"mime"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
)

// inUTF8 is InUTF8 for a text of a media type. RFC 5545 §§3.1.4, 8.1.
func inUTF8(data []byte, contentType string) []byte {
	if !strings.Contains(contentType, "=") || strings.Contains(contentType, "utf-8") { // as nearly all say it
		return data
	}
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return data
	}
	return InUTF8(data, params["charset"])
}

// InUTF8 is a text in the character set in which objects are stored and shown, if
// it is named as of another one. What is UTF-8 as it stands stays so: programs
// name a charset in which they do not write. A text with NUL or ESC is not, since
// these are no characters of a text: it is UTF-16, or ISO-2022.
func InUTF8(data []byte, charset string) []byte {
	enc := encodingOf(charset)
	if enc == nil || utf8.Valid(data) && bytes.IndexByte(data, 0) < 0 && bytes.IndexByte(data, 0x1b) < 0 {
		return data
	}
	text, err := enc.NewDecoder().Bytes(data)
	if err != nil {
		return data
	}
	return text
}

// encodingOf is the character set of a name, nil for UTF-8 and for one that
// nobody knows.
func encodingOf(charset string) encoding.Encoding {
	name := strings.ToLower(strings.TrimSpace(charset))
	switch {
	case name == "" || len(name) > 40:
		return nil
	case name == "utf-16":
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
	}
	enc, err := htmlindex.Get(name)
	if err != nil || enc == encoding.Replacement || enc == unicode.UTF8 {
		return nil
	}
	return enc
}

// otherMedia reports whether a media type promises something else than
// iCalendar.
func otherMedia(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	kind = strings.TrimSpace(kind)
	return kind != "" && !strings.EqualFold(kind, "text/calendar")
}
