package imip

import (
	"bytes"
	"io"
	"strconv"
	"strings"

	"factotum/server/admission"
)

// A walker goes through the parts of a mail once, in the order in which they
// stand, and keeps what may be of use. RFC 2046 §5.1.
type walker struct {
	in     *lines
	lim    Limits
	bounds []string // of the multiparts that are open, the outermost first
	at     int      // which of them the last boundary was of
	last   bool     // and whether it closed it
	eof    bool

	parts   int
	headers int    // octets
	kept    int    // octets
	spare   []byte // room that is free again
	texts   int    // parts of plain text without calendar data
	found   found
}

// found is what a walker has kept.
type found struct {
	header   header // of the mail
	leaves   []leaf
	status   []byte // the first message/delivery-status: RFC 3464
	report   string // the report-type of a multipart/report, lower case: RFC 6522
	returned header // of the message that a report is about
	winmail  *Part
	sealed   *Part
}

// leaf is a part that was kept.
type leaf struct {
	Part
	media  media
	data   []byte // decoded
	strong bool   // it says that it is calendar data
	nested int    // messages around it, besides the mail
	within header // of the innermost of those, the mail itself among them
}

// Part tells where something stood in a mail.
type Part struct {
	Path string // "2.1": the first part of the second, "" for the mail itself
	Type string // its media type, in lower case
	Name string // of the file that it would be
}

// place is where the walker is.
type place struct {
	path    string
	depth   int    // parts around it
	nested  int    // messages around it
	within  header // of the innermost of those, the mail itself among them
	message bool   // it is one
	kind    string // what a part without a media type is
}

// part reads a part with its header, up to the boundary behind it.
func (w *walker) part(p place) error {
	w.parts++
	switch {
	case w.parts > w.lim.Parts:
		return refuse(admission.MailTooManyParts, "the mail has more than %d parts", w.lim.Parts)
	case p.depth >= w.lim.Depth:
		return refuse(admission.MailTooNested, "parts of the mail nest deeper than %d", w.lim.Depth)
	}
	h, boundary, err := w.header()
	if p.message {
		p.within = h
		switch {
		case p.nested == 0:
			w.found.header = h
		case w.found.report != "" && w.found.returned == nil:
			w.found.returned = h
		}
	}
	if err != nil || boundary {
		return err
	}
	m := mediaOf(h, p.kind)
	switch {
	case strings.HasPrefix(m.kind, "multipart/") && m.boundary() != "":
		return w.multipart(p, m)
	case m.kind == "message/rfc822" || m.kind == "message/global":
		return w.message(p, h)
	}
	return w.leaf(p, h, m)
}

// multipart reads the parts of one that has begun. RFC 2046 §5.1.1.
func (w *walker) multipart(p place, m media) error {
	switch {
	case p.nested > 0: // what was passed on is not what the mail is
	case m.kind == "multipart/report":
		w.found.report = strings.ToLower(m.params["report-type"])
	case m.kind == "multipart/encrypted":
		w.found.sealed = &Part{Path: p.path, Type: m.kind}
	}
	kind := "text/plain"
	if m.kind == "multipart/digest" {
		kind = "message/rfc822"
	}
	level := len(w.bounds)
	w.bounds = append(w.bounds, m.boundary())
	defer func() { w.bounds = w.bounds[:level] }()
	if err := w.body(nil); err != nil {
		return err
	}
	for n := 1; !w.eof && w.at == level && !w.last; n++ {
		path := strconv.Itoa(n)
		if p.path != "" {
			path = p.path + "." + path
		}
		if err := w.part(place{path: path, depth: p.depth + 1, nested: p.nested, within: p.within, kind: kind}); err != nil {
			return err
		}
	}
	if w.eof || w.at < level {
		return nil // an outer one goes on, though this one was not closed
	}
	w.bounds = w.bounds[:level]
	return w.body(nil)
}

// message reads a mail within the mail. RFC 2046 §5.2.1. It may not be encoded,
// and is by some all the same.
func (w *walker) message(p place, h header) error {
	in := place{path: p.path, depth: p.depth + 1, nested: p.nested + 1, message: true}
	if encodingOf(h) == inClear {
		return w.part(in)
	}
	data, _, err := w.keep(encodingOf(h), w.lim.Kept)
	if err != nil {
		return err
	}
	around := *w
	w.in, w.bounds, w.eof = newLines(bytes.NewReader(data), len(data)), nil, false
	err = w.part(in)
	w.in, w.bounds, w.eof, w.at, w.last = around.in, around.bounds, around.eof, around.at, around.last
	return err
}

// body passes on what stands before the next boundary, or the end.
func (w *walker) body(sink func(data []byte) error) error {
	for {
		data, err := w.in.next()
		if err == io.EOF {
			w.eof = true
			return nil
		} else if err != nil {
			return err
		}
		if w.in.begins && w.boundary(data) {
			return nil
		}
		if sink != nil {
			if err := sink(data); err != nil {
				return err
			}
		}
	}
}

// boundary reports whether a line is the boundary of a multipart that is open.
func (w *walker) boundary(line []byte) bool {
	if len(w.bounds) == 0 || len(line) < 2 || line[0] != '-' || line[1] != '-' {
		return false
	}
	line = trimEOL(line[2:])
	for i := len(w.bounds) - 1; i >= 0; i-- {
		b := w.bounds[i]
		if len(line) < len(b) || string(line[:len(b)]) != b {
			continue
		}
		switch rest := line[len(b):]; {
		case len(rest) == 0, string(rest) == "--":
			w.at, w.last = i, len(rest) == 2
			return true
		}
	}
	return false
}
