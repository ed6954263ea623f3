package lmtp

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	smtp "github.com/emersion/go-smtp"

	"factotum/notify/imip"
	"factotum/server/calendar"
)

// site is back ends and a directory, of which some may be away.
type site struct {
	mu   sync.Mutex
	away map[calendar.Owner]bool
	lost bool // the directory
	got  []string
	reqs []calendar.DeliverRequest

	spam  Spam
	addr  string
	peers []netip.Prefix
	tls   *tls.Config
}

func (s *site) ByMail(_ context.Context, address string) (calendar.Person, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	local, domain, _ := strings.Cut(address, "@")
	switch {
	case s.lost:
		return calendar.Person{}, calendar.Fail(calendar.Unavailable, "look up", address)
	case domain != "example.com" || !slices.Contains([]string{"anna", "ann", "ben", "gone"}, local):
		return calendar.Person{}, calendar.Fail(calendar.NotFound, "look up", address)
	}
	id := strings.Replace(local+".", "ann.", "anna", 1)
	return calendar.Person{ID: strings.Trim(id, "."), Mails: []string{strings.Trim(id, ".") + "@example.com"}, Active: local != "gone"}, nil
}

func (s *site) Deliver(_ context.Context, who calendar.Actor, req calendar.DeliverRequest) (out []calendar.DeliverResult, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if who.Via != calendar.ViaMail || who.User != "" || who.Admin || req.From != "" {
		return nil, errors.New("it is not from outside")
	}
	s.reqs = append(s.reqs, req)
	for _, to := range req.To {
		if s.away[to.Owner] {
			out = append(out, calendar.DeliverResult{Err: calendar.Fail(calendar.Unavailable, "deliver", string(to.Owner))})
			continue
		}
		s.got = append(s.got, string(to.Owner)+" "+req.Arrival.Unread)
		out = append(out, calendar.DeliverResult{Status: calendar.StatusDelivered})
	}
	return out, nil
}

// open serves a site until the test ends, and returns what says lines there: the
// answer to each, and to "" what comes unasked.
func (s *site) open(t *testing.T, lmtp bool, lim imip.Limits) (dial func() func(string) string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := NewServer(Options{Host: "mx.example.com", LMTP: lmtp, Peers: s.peers, TLS: s.tls}, &Intake{Backend: s, People: s, ServID: "mx.example.com", Envelope: "bounces@example.com", Spam: s.spam, Limits: lim, Log: slog.New(slog.DiscardHandler)})
	s.addr = ln.Addr().String()
	ended := make(chan error)
	go func() { ended <- server.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		server.Shutdown(ctx)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return func() func(string) string {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(2 * time.Minute))
		c := textproto.NewConn(conn)
		return func(line string) string {
			if line != "" {
				fmt.Fprintf(conn, "%s\r\n", line)
			}
			code, text, err := c.ReadResponse(0)
			if code == 0 {
				return fmt.Sprint("no answer: ", err)
			}
			text, _, _ = strings.Cut(text, "\n")
			return fmt.Sprint(code, " ", text)
		}
	}
}

const reply = "Authentication-Results: mx.example.com; dmarc=pass header.from=far.example\r\nFrom: zoe@far.example\r\nMessage-ID: <1@far.example>\r\n" +
	"Content-Type: text/calendar; method=REPLY\r\n\r\nBEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nMETHOD:REPLY\r\nBEGIN:VEVENT\r\nUID:u\r\nDTSTAMP:20260101T000000Z\r\n" +
	"ATTENDEE;PARTSTAT=ACCEPTED:mailto:zoe@far.example\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n.\r\n"

// Each recipient is answered by what became of it with him: done, not now, never.
func TestAnswers(t *testing.T) {
	s := &site{away: map[calendar.Owner]bool{"ben": true}}
	say := s.open(t, true, imip.Limits{Mail: 20000})()
	for _, c := range []struct{ line, want string }{
		{"", "220 "}, {"LHLO here", "250 "}, {"MAIL FROM:<zoe@far.example>", "250 "},
		{"RCPT TO:<nobody@example.com>", "550 5.1.1"}, {"RCPT TO:<anna@elsewhere.example>", "550 5.1.1"}, {"RCPT TO:<gone@example.com>", "550 5.1.1"},
		{"RCPT TO:<ANNA+x@Example.com>", "250 "}, {"RCPT TO:<ben@example.com>", "250 "}, {"RCPT TO:<ann@example.com>", "250 "},
		{"DATA", "354 "}, {reply[:len(reply)-2], "250 2.0.0 <ANNA+x@Example.com>"}, {"", "451 4.3.0 <ben@example.com>"}, {"", "250 2.0.0 <ann@example.com>"},
		// Nothing for us, and what is too large.
		{"MAIL FROM:<zoe@far.example>", "250 "}, {"RCPT TO:<anna@example.com>", "250 "}, {"DATA", "354 "}, {"Subject: Hello\r\n\r\nNothing.\r\n.", "250 "},
		{"MAIL FROM:<>", "250 "}, {"RCPT TO:<anna@example.com>", "250 "}, {"DATA", "354 "}, {"Subject: x\r\n\r\n" + strings.Repeat("0123456789\r\n", 3000) + ".", "552 "},
		{"MAIL FROM:<> SIZE=900000", "552 "},
		// Notes of what programs answer.
		{"MAIL FROM:<>", "250 "}, {"RCPT TO:<anna@example.com>", "250 "}, {"DATA", "354 "}, {"Auto-Submitted: auto-replied\r\nFrom: a@b.example\r\nSubject: Away\r\n\r\nx\r\n.", "250 "},
	} {
		if got := say(c.line); !strings.HasPrefix(got, c.want) {
			t.Fatalf("%.60q is answered %q, want %q", c.line, got, c.want)
		}
	}
	s.lost = true
	if say("MAIL FROM:<>"); !strings.HasPrefix(say("RCPT TO:<anna@example.com>"), "451 ") {
		t.Error("who cannot be looked up is not tried again")
	}
	if want := []string{"anna ", "anna automatic-answer"}; !slices.Equal(s.got, want) {
		t.Errorf("brought: %q, want %q", s.got, want)
	}
	if a := s.reqs[0].Arrival; a.Sender != "zoe@far.example" || a.Proof != calendar.Proven || len(s.reqs[0].To) != 2 || !bytes.Contains(s.reqs[0].Data, []byte("METHOD:REPLY")) {
		t.Errorf("asked %+v", s.reqs[0])
	}
}

// hosted is a site with a domain that is switched off.
type hosted struct{ *site }

func (h hosted) ByMail(ctx context.Context, address string) (calendar.Person, error) {
	if local, ok := strings.CutSuffix(address, "@off.example"); ok {
		return calendar.Person{ID: address, Mails: []string{local + "@off.example"}}, nil
	}
	return h.site.ByMail(ctx, address)
}

func (hosted) HostedDomains() *calendar.Domains {
	return calendar.NewDomains(&calendar.Domain{Name: "example.com", Active: true}, []*calendar.Domain{{Name: "off.example"}}, false)
}

// Nothing is taken for people of a domain that is switched off, and who sends is told
// that it is this.
func TestADomainThatIsOff(t *testing.T) {
	in := &Intake{People: hosted{&site{}}}
	if _, err := in.Find(t.Context(), "anna@off.example"); calendar.KindOf(err) != calendar.NotFound || calendar.MessageOf(err) != "The calendar service of the domain off.example is switched off" {
		t.Error(err)
	}
	for address, want := range map[string]calendar.Kind{"nobody@example.com": calendar.NotFound, "gone@example.com": calendar.NotFound} {
		if _, err := in.Find(t.Context(), address); calendar.KindOf(err) != want || calendar.MessageOf(err) != "" {
			t.Errorf("%s: %v", address, err)
		}
	}
	if to, err := in.Find(t.Context(), "anna@example.com"); err != nil || to.Owner != "anna" {
		t.Errorf("%+v, %v", to, err)
	}
}

// A report that comes to the address of our envelopes is for who sent the mail, and he
// is told of it. Nothing else is for anybody there.
func TestEnvelope(t *testing.T) {
	s := &site{}
	say := s.open(t, true, imip.Limits{})()
	say("")
	say("LHLO here")
	report := func(from, action string) string {
		return strings.Join([]string{"From: MAILER-DAEMON@mx.example.com", "Message-ID: <b@mx.example.com>", `Content-Type: multipart/report; report-type=delivery-status; boundary="b"`, "",
			"--b", "Content-Type: message/delivery-status", "", "Reporting-MTA: dns; mx.example.com", "", "Final-Recipient: rfc822; zoe@far.example", "Action: " + action, "Status: 5.1.1", "",
			"--b", "Content-Type: text/rfc822-headers", "", from + "Message-ID: <m@example.com>", "", "--b--", "."}, "\r\n")
	}
	for _, c := range []struct {
		to, mail, answer string
		got              string // by whom, and whether he is told
	}{
		{"bounces@example.com", report("From: \"Ann\"\r\n <Ann+x@Example.com>\r\n", "failed"), "250 ", "anna true"},
		{"Bounces+x@Example.com", report("From: ben@example.com\r\n", "failed"), "250 ", "ben true"},
		{"ben@example.com", report("From: ben@example.com\r\n", "failed"), "250 ", "ben false"},
		{"bounces@example.com", report("From: gone@example.com\r\n", "failed"), "250 ", ""},
		{"bounces@example.com", report("From: bounces@example.com\r\n", "failed"), "250 ", ""},
		{"bounces@example.com", report("From: ben@example.com\r\n", "delayed"), "250 ", ""},
		{"bounces@example.com", report("", "failed"), "250 ", ""},
		{"bounces@example.com", reply[:len(reply)-2], "250 ", ""},
		{"bounces@example.com", "Subject: Away\r\nAuto-Submitted: auto-replied\r\n\r\nx\r\n.", "250 ", ""},
	} {
		s.mu.Lock()
		s.got, s.reqs = nil, nil
		s.mu.Unlock()
		for _, line := range []string{"MAIL FROM:<>", "RCPT TO:<" + c.to + ">", "DATA"} {
			say(line)
		}
		got := say(c.mail)
		s.mu.Lock()
		told := ""
		for i, r := range s.reqs {
			if b := r.Arrival.Returned; b == nil || b.MessageID != "m@example.com" || b.Recipient != "zoe@far.example" || i > 0 {
				t.Errorf("to %s came %+v", c.to, r)
			} else {
				told = fmt.Sprint(r.To[0].Owner, " ", b.Tell)
			}
		}
		if !strings.HasPrefix(got, c.answer) || told != c.got {
			t.Errorf("to %s, answered %q, for %q, want %q; the mail:\n%s", c.to, got, told, c.got, c.mail)
		}
		s.mu.Unlock()
	}
	// To both in one mail: who has it is not told again, since it is one message.
	for _, line := range []string{"MAIL FROM:<>", "RCPT TO:<bounces@example.com>", "RCPT TO:<ben@example.com>", "DATA"} {
		say(line)
	}
	s.mu.Lock()
	s.reqs = nil
	s.mu.Unlock()
	say(report("From: ben@example.com\r\n", "failed"))
	say("")
	s.mu.Lock()
	if len(s.reqs) != 2 || s.reqs[0].ID != s.reqs[1].ID || s.reqs[0].Arrival.Returned.Tell {
		t.Errorf("to both: %+v", s.reqs)
	}
	// While his back end is away it comes again.
	s.away = map[calendar.Owner]bool{"ben": true}
	s.mu.Unlock()
	for _, line := range []string{"MAIL FROM:<>", "RCPT TO:<bounces@example.com>", "DATA"} {
		say(line)
	}
	if got := say(report("From: ben@example.com\r\n", "failed")); !strings.HasPrefix(got, "451 4.3.0") {
		t.Errorf("answered %q", got)
	}
}

// By SMTP there is one answer for all; the second time is the same message.
func TestOneAnswerForAll(t *testing.T) {
	s := &site{away: map[calendar.Owner]bool{"ben": true}}
	say := s.open(t, false, imip.Limits{})()
	send := func(want string) {
		t.Helper()
		for _, line := range []string{"MAIL FROM:<zoe@far.example>", "RCPT TO:<anna@example.com>", "RCPT TO:<ben@example.com>", "DATA"} {
			say(line)
		}
		if got := say(reply[:len(reply)-2]); !strings.HasPrefix(got, want) {
			t.Errorf("answered %q, want %q", got, want)
		}
	}
	say("")
	say("EHLO here")
	send("451 4.3.0")
	s.mu.Lock()
	s.away = nil
	s.mu.Unlock()
	send("250 ")
	if len(s.reqs) != 2 || s.reqs[0].ID != s.reqs[1].ID {
		t.Errorf("it is not the same message: %+v", s.reqs)
	}
}

// The name of a message depends on who is known to have sent it.
func TestAForgeryHasAnotherName(t *testing.T) {
	names := map[string]bool{}
	in := &Intake{ServID: "mx.example.com"}
	for _, mail := range []string{reply, strings.Replace(reply, "dmarc=pass", "dmarc=fail", 1), strings.Replace(reply, "mx.example", "mx.evil", 1),
		strings.Replace(reply, "From: zoe@", "From: eve@", 1), strings.Replace(reply, "<1@", "<2@", 1)} {
		m, err := imip.Read(strings.NewReader(mail), imip.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			reqs := in.requests(m)
			if len(reqs) != 1 {
				t.Fatalf("%d messages", len(reqs))
			}
			names[reqs[0].ID] = true
		}
	}
	if len(names) != 5 {
		t.Errorf("5 mails have these names: %v", names)
	}
}

// More connections than are served are sent away, and places are free again.
func TestConnectionsAreCounted(t *testing.T) {
	s := &site{}
	dial := s.open(t, true, imip.Limits{})
	var open []func(string) string
	for range mostOfOne {
		say := dial()
		if got := say(""); !strings.HasPrefix(got, "220 ") {
			t.Fatal(got)
		}
		open = append(open, say)
	}
	if got := dial()(""); !strings.HasPrefix(got, "421 ") {
		t.Errorf("one too many is greeted %q", got)
	}
	if got := open[0]("QUIT"); !strings.HasPrefix(got, "221 ") {
		t.Error(got)
	}
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		got := dial()("")
		if strings.HasPrefix(got, "220 ") {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("no place is free: %q", got)
		}
	}
}

// Strangers are sent away; STARTTLS is offered with a certificate, and what was said
// before it does not count. RFC 3207 §4.2.
func TestPeersAndTLS(t *testing.T) {
	s := &site{peers: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
	if got := s.open(t, true, imip.Limits{})()(""); !strings.HasPrefix(got, "554 5.7.1") {
		t.Errorf("a stranger is greeted %q", got)
	}
	s = &site{}
	dial := s.open(t, true, imip.Limits{})
	say := dial()
	say("")
	if got := say("LHLO here"); !strings.HasPrefix(got, "250 ") {
		t.Fatal(got)
	}
	if got := say("STARTTLS"); strings.HasPrefix(got, "220 ") {
		t.Errorf("without a certificate STARTTLS is answered %q", got)
	}
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"mx.example.com"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, about, about, pub, key)
	if err != nil {
		t.Fatal(err)
	}
	s = &site{tls: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}}
	s.open(t, false, imip.Limits{})
	trust := x509.NewCertPool()
	if about, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	trust.AddCert(about)
	client, err := smtp.DialStartTLS(s.addr, &tls.Config{RootCAs: trust, ServerName: "mx.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.SendMail("zoe@far.example", []string{"anna@example.com"}, strings.NewReader(reply[:len(reply)-3])); err != nil {
		t.Error(err)
	}
	if len(s.got) != 1 {
		t.Errorf("brought: %q", s.got)
	}
}

// What spamd says decides about mail with meetings in it, and its absence as it is
// configured. Nobody asks about other mail, about what the mail system calls spam, and
// about what is too large.
func TestSpam(t *testing.T) {
	for _, c := range []struct {
		name   string
		spam   Spam
		says   bool
		fails  error
		mail   string
		answer string
		asked  bool
		held   bool // brought as spam
	}{
		{name: "good", mail: reply, answer: "250 ", asked: true},
		{name: "spam", says: true, mail: reply, answer: "250 ", asked: true, held: true},
		{name: "spam that is refused", spam: Spam{Refuse: true}, says: true, mail: reply, answer: "550 5.7.1", asked: true},
		{name: "good where spam is refused", spam: Spam{Refuse: true}, mail: reply, answer: "250 ", asked: true},
		{name: "away", fails: errors.New("away"), mail: reply, answer: "250 ", asked: true},
		{name: "away and waited for", spam: Spam{Wait: true}, fails: errors.New("away"), mail: reply, answer: "451 4.3.0", asked: true},
		{name: "no meeting", says: true, mail: "Subject: Hello\r\n\r\nNothing.\r\n.\r\n", answer: "250 "},
		{name: "called spam already", mail: "X-Spam-Flag: YES\r\n" + reply, answer: "250 ", held: true},
		{name: "too large", says: true, mail: strings.Replace(reply, "UID:u\r\n", "UID:u\r\n"+strings.Repeat("COMMENT:"+strings.Repeat("x", 90)+"\r\n", 6000), 1), answer: "250 "},
	} {
		asked := false
		c.spam.Check = func(_ context.Context, mail []byte) (bool, error) {
			asked = true
			if !strings.HasSuffix(string(mail), "END:VCALENDAR\r\n") || !strings.HasPrefix(c.mail, string(mail[:100])) {
				t.Errorf("%s: asked about %q", c.name, mail)
			}
			return c.says, c.fails
		}
		s := &site{spam: c.spam}
		say := s.open(t, true, imip.Limits{})()
		for _, line := range []string{"", "LHLO here", "MAIL FROM:<zoe@far.example>", "RCPT TO:<anna@example.com>", "DATA"} {
			say(line)
		}
		if got := say(strings.TrimSuffix(c.mail, "\r\n")); !strings.HasPrefix(got, c.answer) || asked != c.asked {
			t.Errorf("%s: answered %q, asked %v", c.name, got, asked)
		}
		s.mu.Lock()
		if held := len(s.reqs) == 1 && s.reqs[0].Arrival.Spam; held != c.held {
			t.Errorf("%s: brought %+v", c.name, s.reqs)
		}
		s.mu.Unlock()
	}
}
