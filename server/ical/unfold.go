package ical

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// unfold joins folded lines (RFC 5545 §3.1), drops blank lines, and makes sure
// that the text is UTF-8 without control characters. It is the one copy that
// Parse makes. UTF-8 is looked at afterwards, since old writers fold within a
// character.
func unfold(data []byte, lim Limits) (unfolded, *ParseError) {
	u := unfolded{src: data}
	data = bytes.TrimPrefix(data, bom)
	var b strings.Builder
	b.Grow(len(data) + 1)
	start, high := 0, false
	for n := 1; len(data) > 0; n++ {
		line, rest := cutLine(data)
		data = rest
		if len(line) == 0 {
			continue
		}
		h, ok := scanOctets(line)
		if !ok {
			return u, &ParseError{Line: n, Msg: "control character; remove it or encode the value"}
		}
		high = high || h
		if line[0] == ' ' || line[0] == '\t' {
			if u.lines == 0 {
				return u, &ParseError{Line: n, Msg: "a folded line continues nothing"}
			}
			line = line[1:]
		} else {
			if u.lines > 0 {
				b.WriteByte('\n')
			}
			start = b.Len()
			u.lines++
			if isBegin(line) {
				u.comps++
			}
			if u.lines > lim.MaxProps+2*lim.MaxComponents {
				return u, &ParseError{Line: n, Msg: fmt.Sprintf("more than %d properties", lim.MaxProps)}
			}
		}
		b.Write(line)
		if b.Len()-start > lim.MaxLine {
			return u, &ParseError{Line: n, Msg: fmt.Sprintf("the line is longer than %d octets", lim.MaxLine)}
		}
	}
	if u.lines > 0 {
		b.WriteByte('\n')
	}
	u.text = b.String()
	if high && !utf8.ValidString(u.text) {
		return u, u.fail(firstInvalid(u.text), "not UTF-8")
	}
	return u, nil
}

var bom = []byte("\ufeff")

// cutLine splits off the first line, without its LF or CRLF. More than one CR
// before the LF comes from broken conversions and is dropped as well.
func cutLine(data []byte) (line, rest []byte) {
	i := bytes.IndexByte(data, '\n')
	if i < 0 {
		line = data
	} else {
		line, rest = data[:i], data[i+1:]
	}
	for len(line) > 0 && line[len(line)-1] == '\r' {
		line = line[:len(line)-1]
	}
	return line, rest
}

func isBegin(line []byte) bool {
	return len(line) > 6 && line[5] == ':' && line[0]|0x20 == 'b' && bytes.EqualFold(line[:5], []byte("BEGIN"))
}

// scanOctets reports whether a line has octets above ASCII, and whether it is
// free of the control characters that RFC 5545 §3.1 bans (all but HTAB).
func scanOctets[T []byte | string](line T) (high, ok bool) {
	var or, bad byte
	for i := range len(line) {
		c := line[i]
		or |= c
		bad |= controls[c]
	}
	return or >= utf8.RuneSelf, bad == 0
}

// controls has a one for each octet that no line may hold.
var controls = func() (t [256]byte) {
	for c := range byte(' ') {
		t[c] = 1
	}
	t['\t'], t[0x7f] = 0, 1
	return t
}()

// firstInvalid returns the index of the first line of text that is not UTF-8.
func firstInvalid(text string) int {
	n := 0
	for line := range strings.Lines(text) {
		if !utf8.ValidString(line) {
			return n
		}
		n++
	}
	return n
}

// fail makes the error for a content line, numbered from 0, looking up which
// line of the input it begins on. Past the end it is the last line.
func (u *unfolded) fail(index int, msg string) *ParseError {
	data := bytes.TrimPrefix(u.src, bom)
	last := 1
	for n, seen := 1, -1; len(data) > 0; n++ {
		line, rest := cutLine(data)
		data = rest
		if len(line) == 0 {
			continue
		}
		last = n
		if line[0] == ' ' || line[0] == '\t' {
			continue
		}
		if seen++; seen == index {
			break
		}
	}
	return &ParseError{Line: last, Msg: msg}
}
