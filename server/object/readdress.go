package object

import (
	"bytes"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"factotum/server/calendar"
)

// Readdress makes the addresses of an owner's files in a text those of another
// owner's, who has files of the same ids. The lines with such an ATTACH are
// written anew; all else stays as it is, octet for octet.
func Readdress(text []byte, from, to calendar.Owner, ids []string) []byte {
	if len(ids) == 0 || from == to {
		return text
	}
	var out []byte
	kept := 0 // up to where text is in out
	for at := 0; at < len(text); {
		end := lineEnd(text, at)
		for end < len(text) && (text[end] == ' ' || text[end] == '\t') {
			end = lineEnd(text, end)
		}
		if line := text[at:end]; isAttach(line) {
			content, ending := unfold(line)
			if changed := readdress(content, from, to, ids); changed != content {
				out = append(out, text[kept:at]...)
				out = appendFolded(out, changed, ending)
				kept = end
			}
		}
		at = end
	}
	if kept == 0 {
		return text
	}
	return append(out, text[kept:]...)
}

// lineEnd returns where the physical line at a place ends, behind its break.
func lineEnd(text []byte, at int) int {
	if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(text)
}

func isAttach(line []byte) bool {
	const name = "ATTACH"
	return len(line) > len(name) && bytes.EqualFold(line[:len(name)], []byte(name)) && (line[len(name)] == ':' || line[len(name)] == ';')
}

// unfold returns a content line in one piece, and how its lines end.
func unfold(line []byte) (content, ending string) {
	if bytes.HasSuffix(line, []byte("\n")) {
		ending = "\n"
	}
	if bytes.HasSuffix(line, []byte("\r\n")) {
		ending = "\r\n"
	}
	var b strings.Builder
	for i := 0; i < len(line); {
		end := lineEnd(line, i)
		if i > 0 {
			i++ // the blank
		}
		b.Write(bytes.TrimRight(line[i:end], "\r\n"))
		i = end
	}
	return b.String(), ending
}

// readdress changes the addresses in one line.
func readdress(line string, from, to calendar.Owner, ids []string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(line, calendar.AttachmentsPath)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString(calendar.AttachmentsPath)
		line = after
		written, rest, _ := strings.Cut(after, "/")
		owner, err := url.PathUnescape(written)
		id := rest
		if i := strings.IndexFunc(rest, func(r rune) bool { return r != '-' && r != '_' && !alnum(r) }); i >= 0 {
			id = rest[:i]
		}
		if err == nil && calendar.Owner(owner) == from && slices.Contains(ids, id) {
			b.WriteString(url.PathEscape(string(to)))
			line = after[len(written):]
		}
	}
}

func alnum(r rune) bool { return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

// appendFolded writes a content line. RFC 5545 §3.1.
func appendFolded(out []byte, line, ending string) []byte {
	if ending == "" { // the last line of a text that is cut off
		return append(out, line...)
	}
	room := 75
	for len(line) > room {
		n := room
		for n > 0 && !utf8.RuneStart(line[n]) {
			n--
		}
		if n == 0 {
			n = room
		}
		out = append(append(append(out, line[:n]...), ending...), ' ')
		line, room = line[n:], 74
	}
	return append(append(out, line...), ending...)
}
