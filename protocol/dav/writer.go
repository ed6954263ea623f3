package dav

import (
	"net/http"
	"strconv"
	"sync"
)

// Writer streams an XML document as an HTTP answer through a pooled buffer:
// nothing is sent before some 124 KiB are there or Close is called, so that a
// handler that finds an error early can still answer otherwise (Discard).
//
// It is no generator of arbitrary XML: the calls come in the order of the
// document, and names are constants of the program or come from the
// Tokenizer. Values may be any bytes. The first error of the connection is
// kept and returned by Close.
type Writer struct {
	w      http.ResponseWriter
	status int
	root   string
	buf    []byte
	state  uint8
	sent   bool
	err    error

	code    int       // of the open propstat
	pending Condition // of the open propstat
	misses  []miss
	minimal bool
	member  []byte // what begins the response of a member, see Base
}

type miss struct {
	code int
	name Name
}

const (
	inDocument uint8 = iota // between responses, or no multistatus at all
	inResponse              // response and href are written
	inPropstat              // propstat and prop are open
)

const (
	// Most answers fit into one buffer and so go out in one write with a
	// Content-Length: a multiget of 50 objects has some 100 KiB.
	bufferSize = 128 << 10
	flushAt    = 124 << 10
	keepSize   = 256 << 10 // larger buffers are left to the collector
)

var writers = sync.Pool{New: func() any { return &Writer{buf: make([]byte, 0, bufferSize)} }}

const declarations = ` xmlns:D="` + NSDAV + `" xmlns:C="` + NSCalDAV + `" xmlns:CS="` + NSCalendarServer + `" xmlns:A="` + NSApple + `">`

// NewMultistatus begins a 207 answer, RFC 4918 §13.
func NewMultistatus(w http.ResponseWriter) *Writer {
	return NewDocument(w, http.StatusMultiStatus, D("multistatus"))
}

// NewDocument begins an answer with another root element, which must be in
// one of the four namespaces that the root declares.
func NewDocument(w http.ResponseWriter, status int, root Name) *Writer {
	mw := writers.Get().(*Writer)
	mw.w, mw.status = w, status
	mw.root = prefixOf(root.Space) + root.Local
	mw.buf = append(mw.buf[:0], `<?xml version="1.0" encoding="utf-8"?>`+"\n<"...)
	mw.buf = append(mw.buf, mw.root...)
	mw.buf = append(mw.buf, declarations...)
	return mw
}

// SetMinimal makes the writer leave out what was not found (Miss with 404),
// for Prefer: return=minimal and Brief: t. RFC 8144 §2.1.
func (mw *Writer) SetMinimal(on bool) { mw.minimal = on }

// Started reports whether a part of the answer is on its way, and so the
// status can no longer change.
func (mw *Writer) Started() bool { return mw.sent }

// Close ends the document and sends what is left. The Writer must not be used
// afterwards.
func (mw *Writer) Close() error {
	mw.EndResponse()
	mw.buf = append(mw.buf, "</"...)
	mw.buf = append(mw.buf, mw.root...)
	mw.buf = append(mw.buf, '>', '\n')
	if !mw.sent {
		mw.w.Header()["Content-Length"] = []string{strconv.Itoa(len(mw.buf))}
	}
	mw.flush()
	err := mw.err
	mw.release()
	return err
}

// Discard gives the document up. It reports whether nothing was sent: then
// the handler may send another answer; otherwise it must break the connection
// (panic with http.ErrAbortHandler), or a client takes half an answer for the
// whole. The Writer must not be used afterwards.
func (mw *Writer) Discard() bool {
	clean := !mw.sent
	mw.release()
	return clean
}

func (mw *Writer) release() {
	buf, misses, member := mw.buf[:0], mw.misses[:0], mw.member[:0]
	if cap(buf) > keepSize {
		return
	}
	clear(misses[:cap(misses)])
	*mw = Writer{buf: buf, misses: misses, member: member}
	writers.Put(mw)
}

// xmlType is shared by all answers. Its capacity is its length, so that an
// append makes another.
var xmlType = []string{"application/xml; charset=utf-8"}

// flush hands the buffer to the connection.
func (mw *Writer) flush() {
	if !mw.sent {
		mw.sent = true
		mw.w.Header()["Content-Type"] = xmlType
		mw.w.WriteHeader(mw.status)
	}
	if mw.err == nil && len(mw.buf) > 0 {
		_, mw.err = mw.w.Write(mw.buf)
	}
	mw.buf = mw.buf[:0]
}

func (mw *Writer) room() {
	if len(mw.buf) >= flushAt {
		mw.flush()
	}
}

// Err returns the first error of the connection: a reason to stop early.
func (mw *Writer) Err() error { return mw.err }

// prefixOf returns the fixed prefix of a namespace, with its colon, "" for
// any other namespace.
func prefixOf(space string) string {
	switch space {
	case NSDAV:
		return "D:"
	case NSCalDAV:
		return "C:"
	case NSCalendarServer:
		return "CS:"
	case NSApple:
		return "A:"
	case NSXML:
		return "xml:" // bound by definition
	}
	return ""
}

// appendName appends the name of an element, for its end tag.
func appendName(dst []byte, n Name) []byte {
	p := prefixOf(n.Space)
	if p == "" && n.Space != "" {
		p = "X:"
	}
	dst = append(dst, p...)
	return append(dst, n.Local...)
}

// appendStart appends the start tag of n without its ">". An element of
// another namespace declares it as X, which hides X of an element around it.
func appendStart(dst []byte, n Name, attrs []string) []byte {
	dst = append(dst, '<')
	dst = appendName(dst, n)
	if n.Space != "" && prefixOf(n.Space) == "" {
		dst = append(dst, ` xmlns:X="`...)
		dst = appendAttr(dst, n.Space)
		dst = append(dst, '"')
	}
	for i := 0; i+1 < len(attrs); i += 2 {
		dst = append(dst, ' ')
		dst = append(dst, attrs[i]...)
		dst = append(dst, '=', '"')
		dst = appendAttr(dst, attrs[i+1])
		dst = append(dst, '"')
	}
	return dst
}

// appendCondition appends the element of a precondition.
func appendCondition(dst []byte, c Condition) []byte {
	dst = appendStart(dst, c.Name, nil)
	if c.Inner == "" {
		return append(dst, "/>"...)
	}
	dst = append(dst, '>')
	dst = append(dst, c.Inner...)
	dst = append(dst, "</"...)
	dst = appendName(dst, c.Name)
	return append(dst, '>')
}
