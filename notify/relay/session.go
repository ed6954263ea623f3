package relay

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	smtp "github.com/emersion/go-smtp"
)

// session is a connection on which mail is sent, one after another.
type session struct {
	host   string
	conn   net.Conn
	client *smtp.Client
}

// connect opens a connection, as far as that mail can be sent.
func (s *Sender) connect(ctx context.Context, r Route) (*session, *Failure) {
	c, f := s.connectOnce(ctx, r)
	if f != nil && f.Step == Securing && f.Code == 0 && r.Security != Required && r.Security != Implicit {
		// Better without than not at all: RFC 7435 §3.
		r.Security = Plain
		c, f = s.connectOnce(ctx, r)
	}
	return c, f
}

func (s *Sender) connectOnce(ctx context.Context, r Route) (*session, *Failure) {
	conn, err := s.dial(ctx, r)
	if err != nil {
		return nil, judge(r.Address(), Connecting, err)
	}
	c := &session{host: r.Address(), conn: conn}
	free := c.bind(ctx)
	defer free()
	if f := s.open(ctx, r, c); f != nil {
		c.close()
		if ctx.Err() != nil {
			f = judge(c.host, f.Step, ctx.Err())
		}
		return nil, f
	}
	return c, nil
}

func (s *Sender) dial(ctx context.Context, r Route) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opt.ConnectTimeout)
	defer cancel()
	return s.opt.Dial(ctx, "tcp", r.Address())
}

// bind has the end of a context end what waits for the server.
func (c *session) bind(ctx context.Context) (free func()) {
	conn := c.conn // beneath TLS
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	return func() { stop() }
}

func (c *session) close() { c.conn.Close() }

// open greets, secures the connection and logs in.
func (s *Sender) open(ctx context.Context, r Route, c *session) *Failure {
	if r.Security == Implicit {
		if f := s.secure(ctx, r, c, true); f != nil {
			return f
		}
	} else if r.Security != Plain {
		if f := s.startTLS(ctx, r, c); f != nil {
			return f
		}
	}
	c.client = smtp.NewClient(c.conn)
	c.client.CommandTimeout, c.client.SubmissionTimeout = s.opt.ConnectTimeout, s.opt.SubmitTimeout
	if err := c.client.Hello(s.opt.Hello); err != nil {
		return judge(c.host, Greeting, err)
	}
	c.client.CommandTimeout = s.opt.CommandTimeout
	if r.User == "" {
		return nil
	}
	var mechanism sasl.Client = sasl.NewPlainClient("", r.User, r.Password)
	if !c.client.SupportsAuth(sasl.Plain) && c.client.SupportsAuth(sasl.Login) {
		mechanism = sasl.NewLoginClient(r.User, r.Password)
	}
	if err := c.client.Auth(mechanism); err != nil {
		return judge(c.host, LoggingIn, err)
	}
	return nil
}

// secure makes TLS of a connection.
func (s *Sender) secure(ctx context.Context, r Route, c *session, valid bool) *Failure {
	config := s.opt.TLS.Clone()
	if config == nil {
		config = &tls.Config{}
	}
	config.ServerName, config.InsecureSkipVerify = r.Host, config.InsecureSkipVerify || !valid
	t := tls.Client(c.conn, config)
	ctx, cancel := context.WithTimeout(ctx, s.opt.ConnectTimeout)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		return judge(c.host, Securing, err)
	}
	c.conn = t
	return nil
}

// startTLS asks for TLS (RFC 3207) and begins the session anew within it. Where
// it is not offered, and need not be, the session goes on: go-smtp finds what the
// server has said here, and its EHLO, which was said, is not said twice, since not
// every server takes that.
func (s *Sender) startTLS(ctx context.Context, r Route, c *session) *Failure {
	c.conn.SetDeadline(time.Now().Add(s.opt.ConnectTimeout))
	defer c.conn.SetDeadline(time.Time{})
	var read bytes.Buffer
	text := textproto.NewConn(readWriter{io.TeeReader(c.conn, &read), c.conn})
	if _, _, err := text.ReadResponse(220); err != nil {
		return judge(c.host, Greeting, replyOf(err))
	}
	greeting := bytes.Clone(read.Bytes())
	ask := func(want int, line string) (string, error) {
		if err := text.PrintfLine("%s", line); err != nil {
			return "", err
		}
		_, msg, err := text.ReadResponse(want)
		return msg, replyOf(err)
	}
	hello := "EHLO " + s.opt.Hello
	offers, err := ask(250, hello)
	said := bytes.Clone(read.Bytes())
	if err == nil && slices.ContainsFunc(strings.Split(offers, "\n"), func(l string) bool { return strings.EqualFold(strings.TrimSpace(l), "STARTTLS") }) {
		if _, err = ask(220, "STARTTLS"); err == nil {
			if text.R.Buffered() > 0 { // said before it was secure: RFC 3207 §4.2 would have it forgotten
				return &Failure{Host: c.host, Step: Securing, Text: "the server speaks before TLS has begun", Server: true, Broken: true}
			}
			if f := s.secure(ctx, r, c, r.Security == Required); f != nil {
				return f
			}
			c.conn = &prefixed{Conn: c.conn, before: bytes.NewReader(greeting)}
			return nil
		}
	}
	switch {
	case r.Security == Required && err == nil:
		return &Failure{Host: c.host, Step: Securing, Text: "the server offers no STARTTLS, and nothing is sent without", Server: true, Broken: true}
	case r.Security == Required:
		return judge(c.host, Securing, err)
	case err != nil && !isReply(err):
		return judge(c.host, Greeting, err)
	}
	c.conn = &prefixed{Conn: c.conn, before: bytes.NewReader(said), unsaid: len(hello + "\r\n")}
	return nil
}

type readWriter struct {
	io.Reader
	io.WriteCloser
}

// prefixed is a connection on which something was read already that is read again,
// and something said that is not said again.
type prefixed struct {
	net.Conn
	before *bytes.Reader
	unsaid int
}

func (p *prefixed) Read(b []byte) (int, error) {
	if p.before.Len() > 0 {
		return p.before.Read(b)
	}
	return p.Conn.Read(b)
}

func (p *prefixed) Write(b []byte) (int, error) {
	skip := min(p.unsaid, len(b))
	p.unsaid -= skip
	if skip == len(b) {
		return skip, nil
	}
	n, err := p.Conn.Write(b[skip:])
	return skip + n, err
}

// replyOf makes go-smtp's error of a reply.
func replyOf(err error) error {
	if reply, ok := err.(*textproto.Error); ok {
		return &smtp.SMTPError{Code: reply.Code, Message: reply.Msg}
	}
	return err
}

func isReply(err error) bool {
	_, ok := err.(*smtp.SMTPError)
	return ok
}

// send sends one message.
func (c *session) send(ctx context.Context, m Mail) *Failure {
	free := c.bind(ctx)
	defer free()
	f := c.transact(m)
	if f != nil && ctx.Err() != nil {
		f.Text, f.Broken, f.Server = cause(ctx.Err()), true, false
	}
	return f
}

func (c *session) transact(m Mail) *Failure {
	opt := &smtp.MailOptions{Size: int64(len(m.Data))}
	if needsUTF8(m) {
		if ok, _ := c.client.Extension("SMTPUTF8"); !ok {
			return &Failure{Host: c.host, Step: Envelope, Text: "the server does not take addresses beyond ASCII (SMTPUTF8)", Permanent: true}
		}
		opt.UTF8 = true
	}
	if err := c.client.Mail(m.From, opt); err != nil {
		f := judge(c.host, Envelope, err)
		f.Broken = f.Broken || f.Code/100 == 4 // it has had enough of this connection, perhaps
		return f
	}
	if err := c.client.Rcpt(m.To, nil); err != nil {
		return c.midway(Recipient, err)
	}
	w, err := c.client.Data()
	if err != nil {
		return c.midway(Data, err)
	}
	if _, err := w.Write(m.Data); err != nil {
		return judge(c.host, Data, err)
	}
	if err := w.Close(); err != nil {
		return judge(c.host, End, err)
	}
	return nil
}

// midway is a failure within a transaction, which ends with the connection: go-smtp
// greets anew after a RSET, which not every server takes.
func (c *session) midway(step Step, err error) *Failure {
	f := judge(c.host, step, err)
	f.Broken = true
	return f
}

// needsUTF8 reports whether an address has other letters than ASCII. RFC 6531 §3.
func needsUTF8(m Mail) bool {
	return strings.ContainsFunc(m.From+m.To, func(r rune) bool { return r > 0x7e })
}
