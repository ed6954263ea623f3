package service

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
	maxLooked = 1 << 19 // lines of the base that are looked at for one text
)

// cut tells text by base, line by line: they follow in the base in order as a
// rule.
func cut(text, base []byte) pieces {
	starts := lineStarts(make([]int, 0, 128), base)
	p := binary.AppendUvarint(make([]byte, 0, 64+len(text)/4), uint64(len(text)))
	alone, from, to := 0, 0, 0 // text[alone:] is not told yet: octets of its own, and then base[from:to]
	flush := func(at int) {
		if own := text[alone : at-(to-from)]; len(own) > 0 {
			p = append(binary.AppendUvarint(p, uint64(2*len(own))), own...)
		}
		if to > from {
			p = binary.AppendUvarint(binary.AppendUvarint(p, uint64(2*(to-from)+1)), uint64(from))
		}
		alone, from = at, to
	}
	next, looked := 0, 0 // the line of the base that comes after the last one found
	find := func(line []byte) bool {
		lines := len(starts) - 1
		for n := range lines {
			if looked++; looked > maxLooked {
				return false
			}
			i := next + n
			if i >= lines {
				i -= lines
			}
			if starts[i+1]-starts[i] == len(line) && bytes.Equal(base[starts[i]:starts[i+1]], line) {
				next = i
				return true
			}
		}
		return false
	}
	for at := 0; at < len(text); {
		n := bytes.IndexByte(text[at:], '\n') + 1
		if n == 0 {
			n = len(text) - at
		}
		open := to > from
		switch found := (open || n >= minCopied) && find(text[at:at+n]); {
		case found && open && starts[next] == to:
			to += n
			next++
		case found && n >= minCopied:
			flush(at)
			from, to = starts[next], starts[next]+n
			next++
		case open:
			flush(at)
		}
		at += n
	}
	flush(len(text))
	return bytes.Clone(p)
}

// lineStarts appends where each line of text begins, and where the last ends.
func lineStarts(starts []int, text []byte) []int {
	for at := 0; at < len(text); {
		starts = append(starts, at)
		n := bytes.IndexByte(text[at:], '\n') + 1
		if n == 0 {
			break
		}
		at += n
	}
	return append(starts, len(text))
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
