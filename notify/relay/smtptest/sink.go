// Package smtptest is an SMTP server for tests that takes mail, or does what
// servers do that take none: it turns senders away for a while or for good, is slow,
// breaks off before or after its answer, fails in TLS, takes no more than so many.
package smtptest

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"
)

// Sink is such a server.
type Sink struct {
	Addr  string
	Rules Rules

	mu    sync.Mutex
	mails []Mail
	conns map[net.Conn]bool
	count int // connections so far
	ln    net.Listener
	done  sync.WaitGroup
}

// Rules say how a Sink behaves; the zero value takes everything. They are set
// before the first connection, or by Change.
type Rules struct {
	// Reply gives the answer to a command, or to the whole message ("."), "" the
	// usual one. It is asked for "" when a connection begins. HangUp ends the
	// connection instead, Silence lets it hang.
	Reply func(c *Conn, verb, arg string) string
	// Delay comes before each answer.
	Delay time.Duration
	TLS   *tls.Config // offers STARTTLS; nil does not
	Auth  func(mechanism, response string) bool
}

// Answers that are none.
const (
	HangUp  = "hang up"
	Silence = "silence"
	// TakeAndHangUp keeps the message, and ends the connection before the answer.
	TakeAndHangUp = "take and hang up"
	// AnswerAndHangUp keeps it, and ends the connection behind the answer.
	AnswerAndHangUp = "answer and hang up"
)

// Conn is what a connection has done.
type Conn struct {
	Number   int // from 1
	Messages int // taken
	Hello    string
	Secure   bool
	User     string // who has logged in
	From, To string
}

// Mail is a message that was taken.
type Mail struct {
	From, To string
	Data     []byte
	When     time.Time
	Conn     Conn
}

// Header is a field of the message.
func (m *Mail) Header(name string) string {
	msg, err := mail.ReadMessage(strings.NewReader(string(m.Data)))
	if err != nil {
		return ""
	}
	return msg.Header.Get(name)
}

// New returns a Sink that listens nowhere: its connections come by Serve.
func New(rules Rules) *Sink { return &Sink{Rules: rules, conns: map[net.Conn]bool{}} }

// Start serves until the test ends.
func Start(t testing.TB, rules Rules) *Sink {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New(rules)
	s.Addr, s.ln = ln.Addr().String(), ln
	s.done.Go(s.accept)
	t.Cleanup(s.Stop)
	return s
}

// Change gives other rules.
func (s *Sink) Change(rules Rules) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Rules = rules
}

// Stop ends all connections, and takes no more.
func (s *Sink) Stop() {
	s.ln.Close()
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.done.Wait()
}

// Mails are the messages that were taken so far.
func (s *Sink) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Mail(nil), s.mails...)
}

// Count is how many messages were taken so far.
func (s *Sink) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mails)
}

// Connections is how many were made so far.
func (s *Sink) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// Await waits until so many messages were taken.
func (s *Sink) Await(t testing.TB, n int) []Mail {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if list := s.Mails(); len(list) >= n {
			return list
		} else if time.Now().After(end) {
			t.Fatalf("%d messages came, want %d", len(list), n)
		}
	}
}

func (s *Sink) accept() {
	for {
		c, err := s.ln.Accept()
		if err != nil {
			return
		}
		s.done.Go(func() { s.Serve(c) })
	}
}

// Serve serves a connection until it ends.
func (s *Sink) Serve(c net.Conn) {
	s.mu.Lock()
	s.conns[c] = true
	s.count++
	number := s.count
	s.mu.Unlock()
	(&dialogue{Sink: s, conn: c, Conn: Conn{Number: number}}).run()
	c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// dialogue is one connection.
type dialogue struct {
	*Sink
	Conn
	conn net.Conn
	r    *bufio.Reader
}

// rules are those of now.
func (d *dialogue) rules() Rules {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.Rules
}

// answer says what the rules say, or what is usual; false if the connection ends.
func (d *dialogue) answer(verb, arg, usual string) bool {
	rules := d.rules()
	reply := ""
	if rules.Reply != nil {
		reply = rules.Reply(&d.Conn, verb, arg)
	}
	time.Sleep(rules.Delay)
	switch reply {
	case HangUp, TakeAndHangUp:
		return false
	case Silence:
		d.r.ReadByte()
		return false
	case "":
		reply = usual
	}
	_, err := fmt.Fprintf(d.conn, "%s\r\n", reply)
	return err == nil && !strings.HasPrefix(reply, "421")
}

func (d *dialogue) run() {
	d.r = bufio.NewReader(d.conn)
	if !d.answer("", "", "220 sink.example.net ESMTP") {
		return
	}
	for {
		line, err := d.r.ReadString('\n')
		if err != nil {
			return
		}
		verb, arg, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		if verb = strings.ToUpper(verb); !d.command(verb, arg) || verb == "QUIT" {
			return
		}
	}
}

func (d *dialogue) command(verb, arg string) bool {
	rules := d.rules()
	switch verb {
	case "EHLO", "HELO":
		if d.Hello != "" {
			return d.answer(verb, arg, "503 5.5.1 you have said so")
		}
		d.Hello = arg
		lines := []string{"sink.example.net", "8BITMIME", "ENHANCEDSTATUSCODES", "SIZE 50000000", "SMTPUTF8"}
		if rules.TLS != nil && !d.Secure {
			lines = append(lines, "STARTTLS")
		}
		if rules.Auth != nil {
			lines = append(lines, "AUTH PLAIN LOGIN")
		}
		return d.answer(verb, arg, "250-"+strings.Join(lines[:len(lines)-1], "\r\n250-")+"\r\n250 "+lines[len(lines)-1])
	case "STARTTLS":
		if rules.TLS == nil {
			return d.answer(verb, arg, "502 not offered")
		}
		if !d.answer(verb, arg, "220 go on") {
			return false
		}
		t := tls.Server(d.conn, rules.TLS)
		if t.Handshake() != nil {
			return false
		}
		d.conn, d.r, d.Secure, d.Hello = t, bufio.NewReader(t), true, ""
		return true
	case "AUTH":
		mechanism, response, _ := strings.Cut(arg, " ")
		if rules.Auth == nil || !rules.Auth(mechanism, response) {
			return d.answer(verb, arg, "535 5.7.8 wrong name or password")
		}
		d.User = response
		return d.answer(verb, arg, "235 2.7.0 welcome")
	case "MAIL":
		d.From, d.To = address(arg), ""
		return d.answer(verb, arg, "250 2.1.0 ok")
	case "RCPT":
		d.To = address(arg)
		return d.answer(verb, arg, "250 2.1.5 ok")
	case "DATA":
		return d.data(rules, arg)
	case "RSET", "NOOP":
		return d.answer(verb, arg, "250 ok")
	case "QUIT":
		return d.answer(verb, arg, "221 bye")
	}
	return d.answer(verb, arg, "500 what?")
}

// data takes a message where the answer to it is a good one.
func (d *dialogue) data(rules Rules, arg string) bool {
	if rules.Reply != nil {
		if reply := rules.Reply(&d.Conn, "DATA", arg); reply != "" {
			if reply == HangUp {
				return false
			}
			_, err := fmt.Fprintf(d.conn, "%s\r\n", reply)
			return err == nil
		}
	}
	fmt.Fprintf(d.conn, "354 go on\r\n")
	var data []byte
	for {
		line, err := d.r.ReadBytes('\n')
		if err != nil {
			return false
		}
		if string(line) == ".\r\n" {
			break
		}
		if line[0] == '.' {
			line = line[1:]
		}
		data = append(data, line...)
	}
	taken, hangUp := true, false
	if rules.Reply != nil {
		reply := rules.Reply(&d.Conn, ".", "")
		taken = reply == "" || reply == TakeAndHangUp || reply == AnswerAndHangUp || strings.HasPrefix(reply, "2")
		hangUp = reply == AnswerAndHangUp
		if !taken || reply == TakeAndHangUp {
			if taken {
				d.keep(data)
			}
			time.Sleep(rules.Delay)
			if reply == HangUp || reply == TakeAndHangUp {
				return false
			}
			if reply == Silence {
				d.r.ReadByte()
				return false
			}
			_, err := fmt.Fprintf(d.conn, "%s\r\n", reply)
			return err == nil
		}
	}
	time.Sleep(rules.Delay)
	d.keep(data)
	_, err := fmt.Fprintf(d.conn, "250 2.0.0 taken\r\n")
	return err == nil && !hangUp
}

func (d *dialogue) keep(data []byte) {
	d.Messages++
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mails = append(d.mails, Mail{From: d.From, To: d.To, Data: data, When: time.Now(), Conn: d.Conn})
}

// address is what stands between the angle brackets.
func address(arg string) string {
	_, rest, _ := strings.Cut(arg, "<")
	a, _, _ := strings.Cut(rest, ">")
	return a
}
