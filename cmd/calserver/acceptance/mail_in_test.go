package acceptance

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/textproto"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"factotum/cmd/internal/freeport"
	"factotum/cmd/internal/hosttest"
	"factotum/notify/relay/smtptest"
)

// handIn hands a mail in as a mail system does, and returns the answers: those to
// recipients that were refused, then those to the mail, one of each that was not.
// RFC 2033 §4.2.
func handIn(t testing.TB, address, mail string, to ...string) (answers []string) {
	t.Helper()
	network := "tcp"
	if strings.Contains(address, "/") {
		network = "unix"
	}
	conn, err := net.DialTimeout(network, address, hosttest.Patience)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(hosttest.Patience))
	c := textproto.NewConn(conn)
	say := func(line string) string {
		if line != "" {
			if err := c.PrintfLine("%s", line); err != nil {
				t.Fatal(err)
			}
		}
		code, text, err := c.ReadResponse(0)
		if code == 0 {
			t.Fatalf("after %q: %v", line, err)
		}
		return fmt.Sprint(code, " ", text)
	}
	say("")
	say("LHLO mx.example.com")
	say("MAIL FROM:<zoe@far.example>")
	taken := 0
	for _, rcpt := range to {
		if a := say("RCPT TO:<" + rcpt + ">"); strings.HasPrefix(a, "250") {
			taken++
		} else {
			answers = append(answers, a)
		}
	}
	if taken == 0 {
		return answers
	}
	if a := say("DATA"); !strings.HasPrefix(a, "354") {
		return append(answers, a)
	}
	w := c.DotWriter()
	fmt.Fprint(w, mail)
	w.Close()
	for range taken {
		answers = append(answers, say(""))
	}
	return answers
}

// fromOutside is a mail with a scheduling message. Who says whether From is true is
// in results.
func fromOutside(id, from, results, method string, lines ...string) string {
	head := []string{}
	if results != "" {
		head = append(head, "Authentication-Results: "+results)
	}
	domain := from[strings.IndexByte(from, '@')+1:]
	head = append(head, "From: Zoe <"+from+">", "To: anna@example.com", "Subject: A meeting", "Date: "+time.Now().UTC().Format(time.RFC1123Z),
		"Message-ID: <"+id+"@"+domain+">", "MIME-Version: 1.0", "Content-Type: text/calendar; method="+method+"; charset=utf-8", "",
		"BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Far//Away//EN", "METHOD:"+method, "BEGIN:VEVENT", "DTSTAMP:"+time.Now().UTC().Format("20060102T150405Z"))
	return strings.Join(append(append(head, lines...), "END:VEVENT", "END:VCALENDAR", ""), "\r\n")
}

// proven is what the site's mail system says of a mail whose sender is proven.
func proven(domain string) string {
	return "mx.example.com; dmarc=pass header.from=" + domain + "; spf=pass smtp.mailfrom=" + domain
}

// An invitation goes out by mail and its answer comes in by mail: the organizer sees
// it, once, if the mail system of the site says that it is true. What is not proven is
// held, and told. A meeting from outside comes into the calendar of who knows its
// organizer. The calendars are on the host that takes the mail in, and the organizer
// writes through it, or through a front end.
func TestMailFromPeopleOutside(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T, ...string) (front, back *host){
		"one host": func(t *testing.T, lines ...string) (front, back *host) {
			h := installed(t, lines...).start(t)
			return h, h
		},
		"two hosts": func(t *testing.T, lines ...string) (front, back *host) { return split(t, lines...) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mailFromOutside(t, open)
		})
	}
}

func mailFromOutside(t *testing.T, open func(*testing.T, ...string) (front, back *host)) {
	sink := smtptest.Start(t, smtptest.Rules{})
	_, port, err := net.SplitHostPort(sink.Addr)
	if err != nil {
		t.Fatal(err)
	}
	lmtp := "127.0.0.1:" + strconv.Itoa(freeport.Take(t, "127.0.0.1"))
	h, back := open(t, `caldb.smtphost = "127.0.0.1"`, `caldb.smtpport = "`+port+`"`, `factotum.imip.lmtp.listen = "`+lmtp+`"`,
		`factotum.imip.authservid = "mx.example.com"`, `factotum.imip.unsolicited = "known"`, `factotum.mail.envelope = "bounces@example.com"`)
	h.visit(t, "anna")
	h.visit(t, "ben")
	object := cal("anna") + "lunch.ics"
	text := func() string { return strings.ReplaceAll(h.do(t, "anna", "GET", object, "").body, "\r\n ", "") }
	if r := h.do(t, "anna", "PUT", object, meetingWith("lunch", "zoe@far.example", "ben@example.com"), "Content-Type: text/calendar"); r.status != http.StatusCreated {
		t.Fatalf("%d %s", r.status, r.body)
	}
	sink.Await(t, 1)
	why := func(about ...string) string {
		out, _ := calserver(t, append([]string{"why", "-C", back.conf}, about...)...)
		return out
	}
	hand := func(mail string, to ...string) {
		t.Helper()
		for _, a := range handIn(t, lmtp, mail, to...) {
			if !strings.HasPrefix(a, "250 ") {
				t.Errorf("answered %s\nto\n%s", a, mail)
			}
		}
	}
	answer := func(id, from, results, partstat string) string {
		return fromOutside(id, from, results, "REPLY", "UID:lunch", "ATTENDEE;PARTSTAT="+partstat+":mailto:zoe@far.example")
	}
	// Nobody vouches for it; somebody says so who is not believed; another wrote it.
	hand(answer("1", "zoe@far.example", "", "DECLINED"), "anna@example.com")
	hand(answer("2", "zoe@far.example", "mx.far.example; dmarc=pass header.from=far.example", "DECLINED"), "anna@example.com")
	hand(answer("3", "eve@evil.example", proven("evil.example"), "DECLINED"), "anna@example.com")
	hand(answer("4", "zoe@far.example", "mx.example.com; dmarc=fail header.from=far.example", "DECLINED"), "anna@example.com")
	if s := text(); strings.Contains(s, "DECLINED") {
		t.Errorf("an answer that is not proven counts:\n%s", s)
	}
	told := why("lunch")
	if strings.Count(told, "\theld\tREPLY\tsender-unproven\t") != 2 || strings.Count(told, "\theld\tREPLY\tsent-by-another\t") != 1 || strings.Count(told, "\theld\tREPLY\tdmarc-failed\t") != 1 {
		t.Errorf("why:\n%s", told)
	}
	// The true one, by another spelling of the recipient; again, as when its first answer was lost.
	mail := answer("5", "zoe@far.example", proven("far.example"), "ACCEPTED")
	hand(mail, "Anna+lists@Example.COM")
	if s := text(); !strings.Contains(s, "PARTSTAT=ACCEPTED") || !strings.Contains(s, "SCHEDULE-STATUS=2.0") {
		t.Errorf("the answer is not there:\n%s", s)
	}
	tag := h.do(t, "anna", "GET", object, "").header.Get("ETag")
	hand(mail, "anna@example.com", "anna@example.com")
	if again := h.do(t, "anna", "GET", object, "").header.Get("ETag"); again != tag {
		t.Errorf("the same mail changed something: %s, %s", tag, again)
	}
	if told := why("lunch"); strings.Count(told, "\tapplied\tREPLY\tanswered\t") != 1 {
		t.Errorf("why:\n%s", told)
	}
	eventuallyShows(t, "ben's copy", func() string { return h.shown(t, "ben") }, "PARTSTAT=ACCEPTED:mailto:zoe@far.example")

	// Meetings of others: anna has to do with zoe, but not with eve.
	day := time.Now().AddDate(0, 1, 0).Format("20060102")
	invite := func(uid, from, method string, more ...string) string {
		return fromOutside(uid+method, from, proven(from[strings.IndexByte(from, '@')+1:]), method, append([]string{"UID:" + uid, "DTSTART:" + day + "T150000Z", "DTEND:" + day + "T160000Z",
			"SUMMARY:Tea", "ORGANIZER:mailto:" + from, "ATTENDEE;RSVP=TRUE;PARTSTAT=NEEDS-ACTION:mailto:anna@example.com"}, more...)...)
	}
	hand(invite("tea", "zoe@far.example", "REQUEST"), "anna@example.com")
	hand(invite("spam", "eve@evil.example", "REQUEST"), "anna@example.com")
	if s := h.shown(t, "anna"); !strings.Contains(s, "UID:tea") || strings.Contains(s, "UID:spam") {
		t.Errorf("anna has\n%s", s)
	}
	if told := why("spam"); !strings.Contains(told, "\theld\tREQUEST\tunsolicited\t") {
		t.Errorf("why:\n%s", told)
	}
	// Her answer goes out by mail.
	sent := len(sink.Mails())
	h.accept(t, "anna", "tea")
	if last := sink.Await(t, sent+1)[sent]; last.To != "zoe@far.example" || !strings.Contains(string(last.Data), "method=REPLY") {
		t.Errorf("to %s:\n%s", last.To, last.Data)
	}
	hand(invite("tea", "zoe@far.example", "CANCEL", "SEQUENCE:1"), "anna@example.com")
	if s := h.shown(t, "anna"); !strings.Contains(s, "STATUS:CANCELLED") {
		t.Errorf("anna has\n%s", s)
	}
	// What is nothing for us, and who is nobody here.
	hand("From: zoe@far.example\r\nSubject: Hello\r\n\r\nNothing.\r\n", "anna@example.com")
	hand("From: zoe@far.example\r\nAuto-Submitted: auto-replied\r\nSubject: Out of office: Lunch\r\n\r\nI am away.\r\n", "anna@example.com")
	if told := why("--user", "anna"); !strings.Contains(told, "\tignored\t") || !strings.Contains(told, "automatic-answer") {
		t.Errorf("why:\n%s", told)
	}
	if a := handIn(t, lmtp, mail, "nobody@example.com", "anna@example.com"); len(a) != 2 || !strings.HasPrefix(a[0], "550 5.1.1 ") || !strings.HasPrefix(a[1], "250 ") {
		t.Errorf("answers %q", a)
	}
	// A mail that comes back: it counts if it is one that was sent, to whom it was sent.
	sent = len(sink.Mails())
	dinner := cal("anna") + "dinner.ics"
	if r := h.do(t, "anna", "PUT", dinner, meetingWith("dinner", "yan@far.example"), "Content-Type: text/calendar"); r.status != http.StatusCreated {
		t.Fatalf("%d %s", r.status, r.body)
	}
	out := sink.Await(t, sent+1)[sent]
	id := out.Header("Message-ID")
	if out.From != "bounces@example.com" {
		t.Errorf("the envelope is of %q", out.From)
	}
	status := func() string { return unfolded(h.do(t, "anna", "GET", dinner, "").body) }
	eventuallyShows(t, "the status", status, "SCHEDULE-STATUS=1.1:mailto:yan@far.example")
	hand(cameBack("7", "<0123456789abcdef0123456789abcdef@example.com>", "yan@far.example"), "anna@example.com")
	hand(cameBack("8", id, "zoe@far.example"), "anna@example.com")
	if s := status(); !strings.Contains(s, "SCHEDULE-STATUS=1.1:mailto:yan@far.example") {
		t.Errorf("a forged report counts:\n%s", s)
	}
	hand(cameBack("9", id, "yan@far.example"), "anna@example.com")
	if s := status(); !strings.Contains(s, "SCHEDULE-STATUS=5.1:mailto:yan@far.example") {
		t.Errorf("that it came back is not there:\n%s", s)
	}
	if told := why("dinner"); strings.Count(told, "\tfailed\tREQUEST\treturned\t5.1") != 1 || !strings.Contains(told, "5.1.1 ") {
		t.Errorf("why:\n%s", told)
	}
	// One that comes to the address in the envelope: the organizer is mailed, once.
	sent = len(sink.Mails())
	supper := cal("anna") + "supper.ics"
	if r := h.do(t, "anna", "PUT", supper, meetingWith("supper", "xavier@far.example"), "Content-Type: text/calendar"); r.status != http.StatusCreated {
		t.Fatalf("%d %s", r.status, r.body)
	}
	id = sink.Await(t, sent+1)[sent].Header("Message-ID")
	status = func() string { return unfolded(h.do(t, "anna", "GET", supper, "").body) }
	eventuallyShows(t, "the status", status, "SCHEDULE-STATUS=1.1:mailto:xavier@far.example")
	hand(cameBack("10", id, "xavier@far.example"), "bounces@example.com")
	hand(cameBack("11", id, "xavier@far.example"), "Bounces@example.com")
	if s := status(); !strings.Contains(s, "SCHEDULE-STATUS=5.1:mailto:xavier@far.example") {
		t.Errorf("that it came back is not there:\n%s", s)
	}
	if told := why("supper"); strings.Count(told, "\tfailed\tREQUEST\treturned\t5.1") != 1 {
		t.Errorf("why:\n%s", told)
	}
	if last := sink.Await(t, sent+2)[sent+1]; last.To != "anna@example.com" || last.From != "" || !strings.HasPrefix(last.Header("Subject"), "Not delivered: ") {
		t.Errorf("to %s:\n%s", last.To, last.Data)
	}
	// By a pipe.
	for _, c := range []struct {
		args []string
		mail string
		code int
	}{
		{[]string{"-r", "anna@example.com"}, answer("6", "zoe@far.example", proven("far.example"), "TENTATIVE"), 0},
		{nil, "Delivered-To: anna@example.com\r\n" + mail, 0},
		{nil, mail, 65},
		{[]string{"nobody@example.com"}, mail, 67},
		{[]string{"-x"}, mail, 64},
	} {
		if code, out := piped(t, c.mail, append([]string{"-C", back.conf}, c.args...)...); code != c.code {
			t.Errorf("csimip %q: exit %d, want %d\n%s", c.args, code, c.code, out)
		}
	}
	if s := text(); !strings.Contains(s, "PARTSTAT=TENTATIVE") {
		t.Errorf("what came by the pipe is not there:\n%s", s)
	}
	back.stop(t)
	if code, out := piped(t, mail, "-C", back.conf, "anna@example.com"); code != 75 {
		t.Errorf("csimip without a server: exit %d\n%s", code, out)
	}
}

// cameBack is a report that a mail could not be delivered. RFC 3464 §2.
func cameBack(n, id, to string) string {
	return strings.Join([]string{"From: MAILER-DAEMON@mx.example.com", "To: anna@example.com", "Subject: Undelivered Mail Returned to Sender", "Message-ID: <back" + n + "@mx.example.com>",
		"MIME-Version: 1.0", `Content-Type: multipart/report; report-type=delivery-status; boundary="b"`, "",
		"--b", "", "It did not arrive.", "--b", "Content-Type: message/delivery-status", "", "Reporting-MTA: dns; mx.example.com", "",
		"Final-Recipient: rfc822; " + to, "Action: failed", "Status: 5.1.1", "Diagnostic-Code: smtp; 550 5.1.1 no such user", "",
		"--b", "Content-Type: text/rfc822-headers", "", "From: anna@example.com", "To: " + to, "Message-ID: " + id, "Subject: Invitation: Dinner", "", "--b--", ""}, "\r\n")
}

// shown is all that somebody's calendar has.
func (h *host) shown(t testing.TB, user string) string {
	t.Helper()
	var all []string
	for _, text := range h.everything(t, user, cal(user)) {
		all = append(all, unfolded(text))
	}
	return strings.Join(all, "\n")
}

// unfolded is a text of long lines.
func unfolded(text string) string {
	return strings.NewReplacer("\r\n ", "", "\n ", "", "\r\n", "\n").Replace(text)
}

// accept answers an invitation, as a client does.
func (h *host) accept(t testing.TB, user, uid string) {
	t.Helper()
	for name, text := range h.everything(t, user, cal(user)) {
		if text = unfolded(text); strings.Contains(text, "UID:"+uid+"\n") {
			text = strings.Replace(strings.ReplaceAll(text, "\n", "\r\n"), "PARTSTAT=NEEDS-ACTION", "PARTSTAT=ACCEPTED", 1)
			if r := h.do(t, user, "PUT", cal(user)+name, text, "Content-Type: text/calendar"); r.status/100 != 2 {
				t.Fatalf("%d %s", r.status, r.body)
			}
			return
		}
	}
	t.Fatalf("%s has no %s", user, uid)
}

// piped runs csimip with a mail on its standard input.
func piped(t testing.TB, mail string, args ...string) (code int, out string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), hosttest.Patience)
	defer cancel()
	c := exec.CommandContext(ctx, hosttest.Executable(t), append([]string{"csimip"}, args...)...)
	c.Stdin = strings.NewReader(mail)
	text, _ := c.CombinedOutput()
	return c.ProcessState.ExitCode(), string(text)
}
