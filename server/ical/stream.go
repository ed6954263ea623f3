package ical

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
)

// Piece is one VCALENDAR of a stream.
type Piece struct {
	Line     int        // of the stream where it begins, counted from 1
	Text     []byte     // its octets as they came, good until the next piece
	Calendar *Component // nil when it does not parse
	Err      error      // why: a *ParseError with the line of the stream
}

// Pieces cuts a stream into the VCALENDARs that stand one after the other in
// it, as exports have them, each with its own text. The limits hold for each.
// A calendar that does not parse is yielded with its error, and the next one
// follows. Errors of r, text outside of calendars and a calendar beyond
// MaxBytes end the sequence with a Piece that has an error and no text.
func Pieces(r io.Reader, lim Limits) iter.Seq[Piece] {
	return func(yield func(Piece) bool) {
		s := splitter{r: bufio.NewReaderSize(r, 64<<10), lim: lim.orDefault()}
		for {
			before, err := s.next()
			if err != nil {
				if err != io.EOF {
					yield(Piece{Line: s.line, Err: err})
				}
				return
			}
			p := Piece{Line: before + 1, Text: s.buf}
			if p.Calendar, p.Err = parseAt(s.buf, s.lim, before); !yield(p) {
				return
			}
		}
	}
}

// ParseStream is Pieces without the text: each calendar, or its error.
func ParseStream(r io.Reader, lim Limits) iter.Seq2[*Component, error] {
	return func(yield func(*Component, error) bool) {
		for p := range Pieces(r, lim) {
			if !yield(p.Calendar, p.Err) {
				return
			}
		}
	}
}

// splitter cuts a stream into calendars.
type splitter struct {
	r    *bufio.Reader
	lim  Limits
	buf  []byte // the calendar
	line int    // lines read
}

var (
	beginCal = []byte("BEGIN:VCALENDAR")
	endCal   = []byte("END:VCALENDAR")
)

// next reads a calendar into buf and returns the number of lines before it.
func (s *splitter) next() (before int, err error) {
	s.buf = s.buf[:0]
	inside := false
	for {
		at := len(s.buf)
		err := s.readLine()
		if err != nil && err != io.EOF {
			return 0, err
		}
		raw := s.buf[at:]
		if s.line == 1 {
			raw = bytes.TrimPrefix(raw, bom)
		}
		line := bytes.TrimRight(raw, " \t\r\n")
		switch {
		case inside && bytes.EqualFold(line, endCal):
			return before, nil
		case !inside && bytes.EqualFold(line, beginCal):
			inside, before = true, s.line-1
		case !inside && len(line) > 0:
			return 0, &ParseError{Line: s.line, Msg: "expected BEGIN:VCALENDAR"}
		case !inside:
			s.buf = s.buf[:0]
		}
		switch {
		case err == io.EOF && inside:
			return before, nil // Parse says what is missing
		case err == io.EOF:
			return 0, io.EOF
		}
	}
}

// readLine appends a line, with its end, to buf. At the end of the input it
// returns io.EOF, perhaps with a last line.
func (s *splitter) readLine() error {
	s.line++
	for {
		part, err := s.r.ReadSlice('\n')
		if len(s.buf)+len(part) > s.lim.MaxBytes {
			return &ParseError{Line: s.line, Msg: fmt.Sprintf("the object is larger than %d octets", s.lim.MaxBytes)}
		}
		s.buf = append(s.buf, part...)
		switch {
		case err == nil, err == io.EOF:
			return err
		case !errors.Is(err, bufio.ErrBufferFull):
			return fmt.Errorf("read calendar: %w", err)
		}
	}
}
