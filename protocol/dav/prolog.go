package dav

import (
	"net/http"
	"strconv"
	"strings"
)

// prolog checks size, encoding and characters, and skips a byte order mark
// and the XML declaration.
func (t *Tokenizer) prolog() error {
	if len(t.src) > t.lim.Bytes {
		return tooLarge("the document exceeds " + strconv.Itoa(t.lim.Bytes) + " bytes")
	}
	if strings.HasPrefix(t.src, "\xFE\xFF") || strings.HasPrefix(t.src, "\xFF\xFE") ||
		strings.HasPrefix(t.src, "<\x00") || strings.HasPrefix(t.src, "\x00") {
		return badEncoding("UTF-16 and UTF-32")
	}
	if strings.HasPrefix(t.src, "\uFEFF") {
		t.pos = len("\uFEFF")
	}
	// The encoding is looked at before the characters, for a better answer.
	if s := t.src[t.pos:]; strings.HasPrefix(s, "<?xml") && len(s) > 5 && isBlank(s[5]) {
		if err := t.declaration(); err != nil {
			return err
		}
	}
	bad, cr := checkChars(t.src)
	if bad >= 0 {
		t.pos = bad
		return t.syntax("invalid UTF-8 or a character that XML does not allow")
	}
	t.cr = cr
	return nil
}

// declaration reads <?xml version="1.0" encoding="utf-8" standalone="yes"?>.
func (t *Tokenizer) declaration() error {
	end := strings.Index(t.src[t.pos:], "?>")
	if end < 0 {
		return t.syntax("the XML declaration does not end")
	}
	decl := t.src[t.pos+len("<?xml") : t.pos+end]
	next := 0 // position in the order that XML 1.0 §2.8 demands
	for {
		rest := strings.TrimLeft(decl, " \t\r\n")
		if rest == "" {
			break
		}
		if len(rest) == len(decl) {
			return t.syntax("malformed XML declaration")
		}
		key, value, ok := strings.Cut(rest, "=")
		key = strings.TrimRight(key, " \t\r\n")
		value = strings.TrimLeft(value, " \t\r\n")
		if !ok || value == "" || value[0] != '"' && value[0] != '\'' {
			return t.syntax("malformed XML declaration")
		}
		q := strings.IndexByte(value[1:], value[0])
		if q < 0 {
			return t.syntax("malformed XML declaration")
		}
		value, decl = value[1:1+q], value[q+2:]
		switch {
		case key == "version" && next == 0:
			if value != "1.0" {
				return t.syntax("XML version 1.0 is needed")
			}
			next = 1
		case key == "encoding" && next == 1:
			if !utf8Label(value) && !utf16Label(value) {
				return badEncoding(value)
			}
			next = 2
		case key == "standalone" && (next == 1 || next == 2):
			if value != "yes" && value != "no" {
				return t.syntax("malformed XML declaration")
			}
			next = 3
		default:
			return t.syntax("malformed XML declaration")
		}
	}
	if next == 0 {
		return t.syntax("the XML declaration has no version")
	}
	t.pos += end + len("?>")
	return nil
}

func utf8Label(s string) bool {
	return strings.EqualFold(s, "utf-8") || strings.EqualFold(s, "utf8") || strings.EqualFold(s, "us-ascii")
}

func badEncoding(label string) error {
	if len(label) > 40 {
		label = label[:40]
	}
	return &Error{Status: http.StatusUnsupportedMediaType, Text: "the document must be UTF-8, not " + label}
}
