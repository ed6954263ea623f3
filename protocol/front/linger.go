package front

import (
	"bytes"
	"net/http"
	"sync/atomic"
	"time"
)

// Who is refused before he has sent all of his request can read why only if his
// connection is not torn down meanwhile: what comes behind the answer is taken
// in and thrown away, until he closes too, is silent, or goes on for too long.
// RFC 9112 §9.6.
const (
	lingerTime    = 30 * time.Second
	lingerSilence = 5 * time.Second
	maxLingering  = 512 // connections at a time; beyond, the oldest of them are closed
)

// sending tells of a connection whether its client may still be sending when it
// is closed.
type sending struct {
	served  atomic.Bool // the request at hand came to the handler
	unread  atomic.Bool // its body was not read to the end
	wrote   atomic.Bool // something was answered
	newline atomic.Bool // it had a line end, so that its first line is whole
}

// reset is for the next request.
func (s *sending) reset() {
	s.served.Store(false)
	s.unread.Store(false)
	s.wrote.Store(false)
}

// lingers tells whether the answer could be lost: the body was not read, or the
// request was refused below the handler, such as for its header.
func (s *sending) lingers() bool { return s.unread.Load() || s.wrote.Load() && !s.served.Load() }

// serving notes that a request has come to the handler. The result is to be told
// in the end whether its body has come too. Over HTTP/2 a stream ends by itself.
func (c *trackedConn) serving(r *http.Request) func(whole bool) {
	c.sending.served.Store(true)
	return func(whole bool) { c.sending.unread.Store(!whole && r.ProtoMajor == 1) }
}

// Read implements net.Conn.
func (c *trackedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if !c.sending.newline.Load() && bytes.IndexByte(p[:n], '\n') >= 0 {
		c.sending.newline.Store(true)
	}
	return n, err
}

var (
	belowHandler   = "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n" // http.Server's own answers
	headerTooLarge = []byte("HTTP/1.1 431 Request Header Fields Too Large" + belowHandler)
	urlTooLong     = []byte("HTTP/1.1 414 URI Too Long" + belowHandler + "414 URI Too Long")
)

// Write implements net.Conn. What http.Server says of a header that is too large
// is 414 if it was the first line. RFC 9110 §15.5.15.
func (c *trackedConn) Write(p []byte) (int, error) {
	c.sending.wrote.Store(true)
	if c.sending.newline.Swap(false) || !bytes.HasPrefix(p, headerTooLarge) {
		return c.Conn.Write(p)
	}
	if n, err := c.Conn.Write(urlTooLong); err != nil {
		return min(n, len(p)), err
	}
	return len(p), nil
}

// linger takes in what is still sent, and closes.
func (c *trackedConn) linger() {
	defer func() {
		c.Conn.Close()
		c.table.mu.Lock()
		c.table.drop(c)
		c.table.mu.Unlock()
	}()
	if half, ok := c.Conn.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
		return
	}
	end := time.Now().Add(lingerTime)
	buf := make([]byte, 16<<10)
	for {
		until := time.Now().Add(lingerSilence)
		if until.After(end) {
			until = end
		}
		if c.Conn.SetReadDeadline(until) != nil {
			return
		}
		if _, err := c.Conn.Read(buf); err != nil {
			return
		}
	}
}
