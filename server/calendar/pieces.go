package calendar

import (
	"bytes"
	"encoding/binary"
)

// pieces is a text told by what it has in common with another one, its base:
// an expansion is mostly lines of the object's own text, and takes a fifth of
// its room this way. It holds the length of the text and then runs: an even
// number 2n for n octets that follow, an odd one 2n+1 for n octets of the base
// from the place that follows.
type pieces []byte

const (
	minCopied = 8       // octets that are worth a reference
	maxLooked = 1 << 20 // octets of the base that are looked through for one text
)

// cut tells text by base. It works on lines, which are found in the base in
// order as a rule.
func cut(text, base []byte) pieces {
	p := binary.AppendUvarint(make([]byte, 0, 64+len(text)/4), uint64(len(text)))
	lit, from, to := 0, 0, 0 // text[lit:at-(to-from)] stands alone, base[from:to] follows
	flush := func(at int) {
		if alone := text[lit : at-(to-from)]; len(alone) > 0 {
			p = append(binary.AppendUvarint(p, uint64(2*len(alone))), alone...)
		}
		if to > from {
			p = binary.AppendUvarint(binary.AppendUvarint(p, uint64(2*(to-from)+1)), uint64(from))
		}
		lit, from = at, to
	}
	looked := 0
	for at := 0; at < len(text); {
		n := bytes.IndexByte(text[at:], '\n') + 1
		if n == 0 {
			n = len(text) - at
		}
		line := text[at : at+n]
		switch found := -1; {
		case bytes.HasPrefix(base[to:], line) && (to > from || n >= minCopied):
			to += n
		case n >= minCopied && looked < maxLooked:
			if found = bytes.Index(base[to:], line); found >= 0 {
				looked += found
				found += to
			} else {
				looked += len(base)
				found = bytes.Index(base, line)
			}
			fallthrough
		default:
			if to > from {
				flush(at)
			}
			if found >= 0 {
				from, to = found, found+n
			}
		}
		at += n
	}
	flush(len(text))
	return bytes.Clone(p)
}

// join returns the text again, given the same base.
func (p pieces) join(base []byte) []byte {
	size, n := binary.Uvarint(p)
	p = p[n:]
	text := make([]byte, 0, size)
	for len(p) > 0 {
		run, n := binary.Uvarint(p)
		p = p[n:]
		if run&1 == 0 {
			text = append(text, p[:run/2]...)
			p = p[run/2:]
			continue
		}
		from, n := binary.Uvarint(p)
		p = p[n:]
		text = append(text, base[from:from+run/2]...)
	}
	return text
}
