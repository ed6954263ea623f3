package lmtp

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	smtp "github.com/emersion/go-smtp"

	"factotum/server/calendar"
)

// Bounds of what a peer may take.
const (
	mostRecipients  = 1000
	mostConnections = 100
	longestLine     = 1 << 20          // mail programs write longer ones than RFC 5322 §2.1.1 lets them
	idle            = 5 * time.Minute  // between two commands: RFC 5321 §4.5.3.2.7
	longestData     = 10 * time.Minute // for a whole mail, as clients wait for the answer: RFC 5321 §4.5.3.2.6
)

// Server listens for the mail system.
type Server struct {
	intake *Intake
	smtp   *smtp.Server
	ctx    context.Context
	cancel context.CancelFunc
	open   atomic.Int64
}

// NewServer makes a server of a host's name, by LMTP or by SMTP.
func NewServer(host string, lmtp bool, in *Intake) *Server {
	s := &Server{intake: in}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.smtp = smtp.NewServer(smtp.BackendFunc(s.session))
	s.smtp.LMTP, s.smtp.Domain = lmtp, host
	s.smtp.MaxRecipients, s.smtp.MaxMessageBytes, s.smtp.MaxLineLength = mostRecipients, int64(in.most()), longestLine
	s.smtp.ReadTimeout, s.smtp.WriteTimeout = idle, time.Minute
	s.smtp.EnableSMTPUTF8 = true
	s.smtp.ErrorLog = logger{in.Log}
	return s
}

// Serve takes connections until Shutdown.
func (s *Server) Serve(ln net.Listener) error {
	if err := s.smtp.Serve(&listener{ln, s}); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// Shutdown takes no more connections, lets mails under way come to their end until
// ctx ends, and closes what is idle.
func (s *Server) Shutdown(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		s.smtp.Shutdown(ctx)
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(grace):
	case <-ctx.Done():
	}
	s.cancel()
	s.smtp.Close()
	<-done
}

// grace is how long a mail that is coming may take when the server ends.
const grace = 2 * time.Second

// listener closes connections of which there are too many.
type listener struct {
	net.Listener
	s *Server
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.s.open.Add(1) <= mostConnections {
			return &conn{Conn: c, s: l.s}, nil
		}
		l.s.open.Add(-1)
		c.SetWriteDeadline(time.Now().Add(time.Second))
		io.WriteString(c, "421 4.3.2 Too many connections, try again later\r\n")
		c.Close()
	}
}

// conn is counted until it is closed.
type conn struct {
	net.Conn
	s      *Server
	closed atomic.Bool
}

func (c *conn) Close() error {
	if !c.closed.Swap(true) {
		c.s.open.Add(-1)
	}
	return c.Conn.Close()
}

// session is one connection.
type session struct {
	s    *Server
	conn net.Conn
	from string
	to   []calendar.Recipient
	rcpt []string // as the client wrote them
}

func (s *Server) session(c *smtp.Conn) (smtp.Session, error) {
	return &session{s: s, conn: c.Conn()}, nil
}

func (c *session) Reset()        { c.from, c.to, c.rcpt = "", nil, nil }
func (c *session) Logout() error { return nil }

func (c *session) Mail(from string, _ *smtp.MailOptions) error {
	c.Reset()
	c.from = from
	return nil
}

func (c *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	who, err := c.s.intake.Find(c.s.ctx, to)
	switch {
	case err == nil:
		c.to, c.rcpt = append(c.to, who), append(c.rcpt, to)
		return nil
	case errors.Is(err, calendar.NotFound):
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "Nobody here has this address"}
	}
	c.s.intake.Log.ErrorContext(c.s.ctx, "look up the recipient of a mail", "err", err)
	return later
}

// later has the mail system try again.
var later = &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "Not possible now, try again later"}

// LMTPData answers for each recipient: RFC 2033 §4.2.
func (c *session) LMTPData(r io.Reader, status smtp.StatusCollector) error {
	answers, err := c.take(r)
	if err != nil {
		return err
	}
	for i, rcpt := range c.rcpt {
		status.SetStatus(rcpt, answerOf(answers[i]))
	}
	return nil
}

// Data answers for all: who was served before is not served twice.
func (c *session) Data(r io.Reader) error {
	answers, err := c.take(r)
	if err != nil {
		return err
	}
	for _, a := range answers {
		if a != nil {
			return answerOf(a)
		}
	}
	return nil
}

func answerOf(err error) error {
	if err != nil {
		return later
	}
	return nil
}

// take reads the mail and serves those who are named, each once.
func (c *session) take(r io.Reader) ([]error, error) {
	ctx, cancel := context.WithTimeout(c.s.ctx, longestData)
	defer cancel()
	c.conn.SetReadDeadline(time.Now().Add(longestData))
	var once []calendar.Recipient
	place := make([]int, len(c.to))
	seen := map[calendar.Owner]int{}
	for i, to := range c.to {
		n, ok := seen[to.Owner]
		if !ok {
			n = len(once)
			seen[to.Owner] = n
			once = append(once, to)
		}
		place[i] = n
	}
	answers, err := c.s.intake.Take(ctx, c.from, r, once)
	var said *smtp.SMTPError
	switch {
	case errors.As(err, &said): // too large
		return nil, said
	case err != nil:
		return nil, later
	}
	out := make([]error, len(place))
	for i, n := range place {
		out[i] = answers[n]
	}
	return out, nil
}

// logger gives what the library reports to a log.
type logger struct{ log *slog.Logger }

func (l logger) Printf(string, ...any) { l.log.Debug("a connection of the mail system failed") }
func (l logger) Println(...any)        { l.log.Debug("a connection of the mail system failed") }
