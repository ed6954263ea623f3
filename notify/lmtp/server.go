package lmtp

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	smtp "github.com/emersion/go-smtp"

	"factotum/server/calendar"
)

// Bounds of what a peer may take.
const (
	mostRecipients  = 1000
	mostConnections = 100
	mostOfOne       = 50               // connections of one address, by TCP
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
	peers  []netip.Prefix

	mu   sync.Mutex
	open int
	of   map[netip.Addr]int // open, by address
}

// Options are what a server is besides what it does with mail.
type Options struct {
	Host string
	LMTP bool // else SMTP
	// Peers may connect by TCP; none: loopback alone. Who may connect to a socket of
	// the file system its mode says.
	Peers []netip.Prefix
	TLS   *tls.Config // offers STARTTLS, nil does not: RFC 3207
}

// loopback may connect where nobody is named.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// NewServer makes a server.
func NewServer(opt Options, in *Intake) *Server {
	s := &Server{intake: in, peers: opt.Peers, of: map[netip.Addr]int{}}
	if len(s.peers) == 0 {
		s.peers = loopback
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.smtp = smtp.NewServer(smtp.BackendFunc(s.session))
	s.smtp.LMTP, s.smtp.Domain, s.smtp.TLSConfig = opt.LMTP, opt.Host, opt.TLS
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

// listener closes connections of strangers, and those of which there are too many.
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
		from, refusal := l.s.admit(c)
		if refusal == "" {
			return &conn{Conn: c, s: l.s, from: from}, nil
		}
		c.SetWriteDeadline(time.Now().Add(time.Second))
		io.WriteString(c, refusal)
		c.Close()
	}
}

// admit counts a connection, or says why there is none. One by a socket of the file
// system has no address.
func (s *Server) admit(c net.Conn) (from netip.Addr, refusal string) {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		from = a.AddrPort().Addr().Unmap().WithZone("")
		if !slices.ContainsFunc(s.peers, func(p netip.Prefix) bool { return p.Contains(from) }) {
			s.intake.Log.Warn("somebody who may not hand in mail was sent away", "remote", from)
			return from, "554 5.7.1 This is for the mail system of this site alone\r\n"
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open >= mostConnections || from.IsValid() && s.of[from] >= mostOfOne {
		return from, "421 4.3.2 Too many connections, try again later\r\n"
	}
	s.open++
	s.of[from]++
	return from, ""
}

// conn is counted until it is closed.
type conn struct {
	net.Conn
	s      *Server
	from   netip.Addr
	closed atomic.Bool
}

func (c *conn) Close() error {
	if !c.closed.Swap(true) {
		c.s.mu.Lock()
		c.s.open--
		if c.s.of[c.from]--; c.s.of[c.from] == 0 {
			delete(c.s.of, c.from)
		}
		c.s.mu.Unlock()
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
		if why := calendar.MessageOf(err); why != "" { // RFC 3463 §3.3: X.2.1, mailbox disabled
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 2, 1}, Message: why}
		}
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "Nobody here has this address"}
	}
	c.s.intake.Log.ErrorContext(c.s.ctx, "look up the recipient of a mail", "err", err)
	return later
}

// later has the mail system try again.
var later = &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "Not possible now, try again later"}

// errSpam refuses what is spam.
var errSpam = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "This is taken for spam"}

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
	case errors.As(err, &said): // too large, or spam
		return nil, said
	case err != nil:
		c.s.intake.Log.WarnContext(ctx, "a mail could not be taken in now", "err", err)
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
