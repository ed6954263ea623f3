package imip

import (
	"bytes"
	"slices"
	"strings"

	"factotum/server/admission"
)

// encoding is how the octets of a part are written. RFC 2045 §6.1.
type transfer uint8

const (
	inClear transfer = iota // 7bit, 8bit, binary
	inBase64
	inQuoted
	inUU // of the time before MIME
)

func encodingOf(h header) transfer {
	switch h.word("content-transfer-encoding") {
	case "base64":
		return inBase64
	case "quoted-printable":
		return inQuoted
	case "x-uuencode", "uuencode", "x-uue":
		return inUU
	}
	return inClear
}

// keep reads a body, and decodes it; cut tells that it is longer than most, and
// was cut there.
func (w *walker) keep(enc transfer, most int) (data []byte, cut bool, err error) {
	raw := most
	switch enc {
	case inBase64, inUU:
		raw = most/2*3 + 1000
	case inQuoted:
		raw = most * 2
	}
	data, w.spare = w.spare, nil
	err = w.body(func(piece []byte) error {
		if cut = cut || len(data)+len(piece) > raw; cut {
			return nil
		}
		if w.kept += len(piece); w.kept > w.lim.Kept {
			return refuse(admission.MailTooLarge, "the parts of the mail that are looked into have more than %d octets", w.lim.Kept)
		}
		if cap(data)-len(data) < len(piece) { // append would take five times as much in all
			data = slices.Grow(data, min(len(data), raw-len(data))+len(piece))
		}
		data = append(data, piece...)
		return nil
	})
	if data = decode(data, enc); len(data) > most {
		data, cut = data[:most], true
	}
	return data, cut, err
}

// decode undoes a transfer encoding, in place, where the octets look as if they
// had it: labels are wrong at times. RFC 2045 §§6.7, 6.8.
func decode(data []byte, enc transfer) []byte {
	begin := data[:min(len(data), 200)]
	switch clear := isCalendar(begin); {
	case clear && (enc == inBase64 || enc == inUU):
		return data
	case enc == inClear && bytes.HasPrefix(bytes.TrimLeft(begin, " \t\r\n"), []byte("QkVHSU46VkNBTEVOREFS")): // BEGIN:VCALENDAR
		enc = inBase64
	case clear && enc == inQuoted && !isQuoted(data):
		return data
	}
	switch enc {
	case inBase64:
		return decodeBase64(data)
	case inQuoted:
		return decodeQuoted(data)
	case inUU:
		return decodeUU(data)
	}
	return data
}

var beginCalendar = []byte("BEGIN:VCALENDAR")

// isCalendar reports whether octets begin as an iCalendar text does.
func isCalendar(b []byte) bool {
	b = bytes.TrimLeft(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), " \t\r\n")
	return len(b) >= len(beginCalendar) && bytes.EqualFold(b[:len(beginCalendar)], beginCalendar)
}

// isQuoted reports whether a text is quoted-printable: every sign of equality in
// such a one is followed by two digits or the end of the line.
func isQuoted(b []byte) bool {
	if bytes.Contains(b, []byte("=3D")) || bytes.Contains(b, []byte("=3d")) {
		return true
	}
	for {
		i := bytes.IndexByte(b, '=')
		if i < 0 {
			return true
		}
		if b = b[i+1:]; len(b) > 0 && !(len(b) > 1 && isHex(b[0]) && isHex(b[1])) && b[0] != '\r' && b[0] != '\n' && b[0] != ' ' && b[0] != '\t' {
			return false
		}
	}
}

// sextet has the values of the alphabets of RFC 4648 §§4, 5; 0xff is none.
var sextet = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xff
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		t[c] = byte(i)
	}
	t['-'], t['_'] = 62, 63
	return t
}()

// decodeBase64 decodes in place. What is not of the alphabet is passed over, and
// padding ends a group, not the whole: some join texts that were encoded apart.
func decodeBase64(b []byte) []byte {
	out := b[:0]
	var group uint32
	n := 0
	for _, c := range b {
		v := sextet[c]
		if v == 0xff {
			if c == '=' && n > 0 {
				out, n, group = endGroup(out, group, n), 0, 0
			}
			continue
		}
		group = group<<6 | uint32(v)
		if n++; n == 4 {
			out = append(out, byte(group>>16), byte(group>>8), byte(group))
			n, group = 0, 0
		}
	}
	return endGroup(out, group, n)
}

// endGroup decodes a group of which less than four signs came.
func endGroup(out []byte, group uint32, n int) []byte {
	switch n {
	case 2:
		out = append(out, byte(group>>4))
	case 3:
		out = append(out, byte(group>>10), byte(group>>2))
	}
	return out
}

// decodeQuoted decodes in place; what is no encoding stays. Blanks before the end
// of a line that are not encoded came on the way. RFC 2045 §6.7.
func decodeQuoted(b []byte) []byte {
	out := b[:0]
	sure := 0 // what is before was encoded
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '\n':
			cr := len(out) > sure && out[len(out)-1] == '\r'
			if cr {
				out = out[:len(out)-1]
			}
			for len(out) > sure && (out[len(out)-1] == ' ' || out[len(out)-1] == '\t') {
				out = out[:len(out)-1]
			}
			if cr {
				out = append(out, '\r')
			}
			out = append(out, c)
			sure = len(out)
		case c == '=' && i+2 < len(b) && isHex(b[i+1]) && isHex(b[i+2]):
			out = append(out, hexOf(b[i+1])<<4|hexOf(b[i+2]))
			sure = len(out)
			i += 2
		case c == '=':
			end := i + 1 // a soft line break
			for end < len(b) && (b[end] == ' ' || b[end] == '\t' || b[end] == '\r') {
				end++
			}
			if end == len(b) || b[end] == '\n' {
				i, sure = end, len(out)
			} else {
				out = append(out, c)
			}
		default:
			out = append(out, c)
		}
	}
	return out
}

// decodeUU decodes lines of uuencode between "begin" and "end", in place.
func decodeUU(b []byte) []byte {
	out := b[:0]
	begun := false
	for line := range bytes.Lines(b) {
		line = bytes.TrimRight(line, "\r\n")
		if !begun {
			begun = isUUBegin(line)
			continue
		}
		if len(line) == 0 || string(line) == "end" {
			break
		}
		n := int(line[0]-' ') & 63
		for line = line[1:]; n > 0 && len(line) > 1; n -= 3 {
			var q [4]byte
			for i := range q {
				if i < len(line) {
					q[i] = (line[i] - ' ') & 63
				}
			}
			three := [3]byte{q[0]<<2 | q[1]>>4, q[1]<<4 | q[2]>>2, q[2]<<6 | q[3]}
			out = append(out, three[:min(n, 3)]...)
			line = line[min(4, len(line)):]
		}
	}
	return out
}

// isUUBegin reports whether a line begins a text of uuencode: begin 644 a.ics.
func isUUBegin(line []byte) bool {
	f := strings.Fields(string(line[:min(len(line), 300)]))
	return len(f) >= 3 && f[0] == "begin" && len(f[1]) >= 3 && len(f[1]) <= 4 && strings.Trim(f[1], "01234567") == ""
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f'
}

func hexOf(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}
