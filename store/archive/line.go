package archive

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"time"
)

// A line is a value in JSON behind its checksum: eight hexadecimal digits of CRC-32C
// and a blank. So a line that was cut off, or changed, is known.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const sumLength = 9

// maxLine bounds what is read as one: a file of 32 MiB in base64 fits.
const maxLine = 64 << 20

// appendLine spells v at the end of buf.
func appendLine(buf *bytes.Buffer, v any) error {
	start := buf.Len()
	buf.WriteString("00000000 ")
	if r, is := v.(*record); is && r.Txn != nil {
		s := speller{b: buf.AvailableBuffer()}
		s.record(r.Txn)
		if s.err != nil {
			buf.Truncate(start)
			return s.err
		}
		buf.Write(s.b)
		sumLine(buf.Bytes()[start:])
		return nil
	}
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		buf.Truncate(start)
		return err
	}
	sumLine(buf.Bytes()[start:])
	return nil
}

// noTime begins the record of a transaction that has no time yet.
const noTime = `{"txn":{"t":"0001-01-01T00:00:00Z"`

// spelled is the record of a transaction in JSON, but for its time, which is known when it
// is committed.
func spelled(t *txn) ([]byte, error) {
	t.spell()
	s := speller{b: make([]byte, 0, t.size())}
	s.record(t)
	return s.b, s.err
}

func (s *speller) record(t *txn) {
	s.b = append(s.b, `{"txn":`...)
	s.txn(t)
	s.b = append(s.b, '}', '\n')
}

// appendSpelled adds the line of a transaction at the end of buf.
func appendSpelled(buf *bytes.Buffer, text []byte, at time.Time) {
	start := buf.Len()
	buf.WriteString("00000000 " + noTime[:len(`{"txn":{"t":"`)])
	buf.Write(at.AppendFormat(buf.AvailableBuffer(), time.RFC3339Nano))
	buf.Write(text[len(noTime)-1:])
	sumLine(buf.Bytes()[start:])
}

func sumLine(line []byte) {
	const digits = "0123456789abcdef"
	sum := crc32.Checksum(line[sumLength:], castagnoli)
	for i := range sumLength - 1 {
		line[i] = digits[sum>>(28-4*i)&15]
	}
}

// damaged is an error of a file whose lines are not what was written.
type damaged struct {
	line int
	what string
}

func (d *damaged) Error() string { return fmt.Sprintf("line %d %s", d.line, d.what) }

// lines reads lines.
type lines struct {
	in   *bufio.Reader
	n    int
	size int // of the line, in octets
}

func newLines(in io.Reader) *lines { return &lines{in: bufio.NewReaderSize(in, 1<<20)} }

var errTorn = errors.New("the last line was not written whole")

// next decodes the next line into v: io.EOF after the last, errTorn where that is
// not whole.
func (l *lines) next(v any) error {
	line, err := l.in.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		line = bytes.Clone(line)
		for err == bufio.ErrBufferFull {
			var more []byte
			more, err = l.in.ReadSlice('\n')
			if line = append(line, more...); len(line) > maxLine {
				return &damaged{l.n + 1, "is too long"}
			}
		}
	}
	l.n++
	l.size = len(line)
	if err == io.EOF && len(line) > 0 {
		return errTorn
	}
	if err != nil {
		return err
	}
	if len(line) < sumLength || line[sumLength-1] != ' ' {
		return &damaged{l.n, "is none of an archive"}
	}
	sum, err := strconv.ParseUint(string(line[:sumLength-1]), 16, 32)
	if err != nil || uint32(sum) != crc32.Checksum(line[sumLength:], castagnoli) {
		return &damaged{l.n, "is not what was written: its checksum differs"}
	}
	if err := json.Unmarshal(line[sumLength:], v); err != nil {
		return &damaged{l.n, "cannot be read: " + err.Error()}
	}
	return nil
}

// readAhead is how many records are read before they are wanted: what they are spelled by is
// undone while those before are written.
const readAhead = 8

// told is a record, or why there is none.
type told struct {
	record
	line, size int
	err        error
}

// ahead reads the records of a file. end must be called.
func ahead(in io.Reader) (records <-chan told, end func()) {
	out, quit := make(chan told, readAhead), make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l := newLines(in)
		for {
			var t told
			t.err = l.next(&t.record)
			t.line, t.size = l.n, l.size
			select {
			case out <- t:
			case <-quit:
				return
			}
			if t.err != nil {
				return
			}
		}
	}()
	return out, func() { close(quit); <-ended }
}

// lineWriter writes lines.
type lineWriter struct {
	out io.Writer
	buf bytes.Buffer
}

func newLineWriter(out io.Writer) *lineWriter { return &lineWriter{out: out} }

func (w *lineWriter) write(r *record) error {
	r.spell()
	w.buf.Reset()
	if err := appendLine(&w.buf, r); err != nil {
		return err
	}
	_, err := w.out.Write(w.buf.Bytes())
	return err
}
