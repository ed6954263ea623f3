package front

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"slices"
	"time"
)

// Bodies may come slowly, at minRate, for as long as they take: the deadlines
// of the request move on with what arrives. What comes more slowly has
// ReadTimeout, and gives way first when others want to connect.
const (
	minRate   = 1 << 10         // octets a second
	bodyGrace = 5 * time.Second // before a body can be behind
)

type connKey struct{}

// withConn is http.Server.ConnContext: requests find their connection.
func withConn(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if tc, ok := c.(*trackedConn); ok {
		return context.WithValue(ctx, connKey{}, tc)
	}
	return ctx
}

// body is a request's body on its way.
type body struct {
	io.ReadCloser
	s    *Server
	rec  *recorder
	conn *trackedConn // nil: not one of ours
	last time.Time    // when the deadlines were moved; most bodies come at once and need none
	n    int64
	done bool

	held    []byte // read ahead, and not yet by the handler
	heldErr error  // what came after it
}

// receive watches the body of a request; finish must be called in the end.
func (s *Server) receive(rec *recorder, r *http.Request) *body {
	b := &body{ReadCloser: r.Body, s: s, rec: rec}
	if b.conn, _ = r.Context().Value(connKey{}).(*trackedConn); b.conn != nil {
		b.conn.table.receiving(b.conn, rec.start)
	}
	return b
}

// aheadBytes is how much of a body is read ahead.
const aheadBytes = 64 << 10

// ReadAhead takes in the body of a request that is about to wait, unless it is
// large or held back for a 100 Continue. net/http notices that a client has left,
// and ends the context, only when the body was read to its end.
func ReadAhead(ctx context.Context) {
	rec, ok := ctx.Value(recordKey{}).(*recorder)
	if !ok || rec.in == nil || rec.in.done || rec.in.held != nil {
		return
	}
	b := rec.in
	b.held = make([]byte, 0, 4<<10)
	for b.heldErr == nil && len(b.held) < aheadBytes {
		if len(b.held) == cap(b.held) {
			b.held = slices.Grow(b.held, len(b.held))
		}
		var n int
		n, b.heldErr = b.receive(b.held[len(b.held):cap(b.held)])
		b.held = b.held[:len(b.held)+n]
	}
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if len(b.held) > 0 {
		n := copy(p, b.held)
		b.held = b.held[n:]
		return n, nil
	}
	if b.heldErr != nil {
		return 0, b.heldErr
	}
	return b.receive(p)
}

func (b *body) receive(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	if b.conn != nil {
		b.conn.got.Add(int64(n))
	}
	if err != nil {
		b.finish()
	} else if now := time.Now(); b.last.IsZero() || now.Sub(b.last) >= min(time.Second, b.s.opt.ReadTimeout/4) {
		b.postpone(now)
	}
	return n, err
}

// postpone moves the deadlines on: that of reading by what has come, those of
// the work and of the answer as if the request came now.
func (b *body) postpone(now time.Time) {
	b.last = now
	o := &b.s.opt
	rc := http.NewResponseController(b.rec.ResponseWriter) // what cannot be set stays as it is
	rc.SetReadDeadline(b.rec.start.Add(o.ReadTimeout + time.Duration(b.n)*time.Second/minRate))
	rc.SetWriteDeadline(now.Add(o.RequestTimeout + o.WriteTimeout))
	b.rec.work.renew(now.Add(o.RequestTimeout))
}

// finish says that the body has come, or that nobody reads it any more.
func (b *body) finish() {
	if b.done {
		return
	}
	b.done = true
	if b.conn != nil {
		b.conn.table.received(b.conn)
	}
	if !b.last.IsZero() {
		b.postpone(time.Now())
	}
}
