package imip

import (
	"bufio"
	"bytes"
	"io"

	"factotum/server/admission"
)

// lines reads a text line by line, long ones in pieces.
type lines struct {
	r      *bufio.Reader
	lim    int // octets
	n      int // read so far
	begins bool
	mid    bool   // the last piece did not end its line
	again  []byte // a line that was put back, good until the next
}

// newLines reads at most lim octets.
func newLines(r io.Reader, lim int) *lines {
	return &lines{r: bufio.NewReaderSize(r, 32<<10), lim: lim}
}

// next is the next line with its end, or a piece of one: begins tells whether a
// line begins with it. It is good until the next call. At the end it is io.EOF.
func (l *lines) next() ([]byte, error) {
	if l.again != nil {
		data := l.again
		l.again, l.begins = nil, true
		return data, nil
	}
	data, err := l.r.ReadSlice('\n')
	if l.n += len(data); l.n > l.lim {
		return nil, refuse(admission.MailTooLarge, "the mail has more than %d octets", l.lim)
	}
	l.begins, l.mid = !l.mid, err == bufio.ErrBufferFull
	switch {
	case err == nil, err == bufio.ErrBufferFull, err == io.EOF && len(data) > 0:
		return data, nil
	}
	return nil, err
}

// putBack makes a whole line the next one again.
func (l *lines) putBack(line []byte) { l.again = line }

// trimEOL is a line without its end and the blanks before it.
func trimEOL(line []byte) []byte { return bytes.TrimRight(line, " \t\r\n") }
