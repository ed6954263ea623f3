//go:build !race

package imip

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"factotum/server/observe/costtest"
)

// What a hostile mail may cost, whatever becomes of it.
const (
	mostCPU    = 250 * time.Millisecond
	mostMemory = 64 << 20 // octets allocated in all
)

// A bomb is a mail made to hurt; want is the code that it is refused with, ""
// if it is only to be survived.
type bomb struct {
	name string
	mail func() io.Reader
	want string
}

func bombs() []bomb {
	const mb = 1 << 20
	rep := strings.Repeat
	text := func(s ...string) func() io.Reader {
		return func() io.Reader {
			var all []io.Reader
			for _, s := range s {
				all = append(all, strings.NewReader(s))
			}
			return io.MultiReader(all...)
		}
	}
	header := "From: a@b.example\r\n"
	calendar := header + "Content-Type: text/calendar; method=REQUEST; charset=utf-8\r\n"
	one := func(body string) func() io.Reader { return text(calendar, "\r\n", body) }
	cal := func(body string) string {
		return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:REQUEST\r\n" + body + "END:VCALENDAR\r\n"
	}
	event := func(uid any) string { return fmt.Sprintf("BEGIN:VEVENT\r\nUID:%v\r\nEND:VEVENT\r\n", uid) }
	events := func(n int, uid func(i int) any) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(event(uid(i)))
		}
		return b.String()
	}
	lines := func(head, line string, octets int) func() io.Reader {
		for len(line) < 1000 && octets > 1000 {
			line += line
		}
		return func() io.Reader {
			return io.MultiReader(strings.NewReader(head), io.LimitReader(&endless{line: []byte(line)}, int64(octets)))
		}
	}
	multi := func(n, length int) string {
		var b strings.Builder
		b.WriteString(header)
		for i := range n {
			bound := fmt.Sprintf("%d%s", i, rep("b", length))
			fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=%s\r\n\r\n--%s\r\n", bound, bound)
		}
		return b.String()
	}
	coded := rep("QUJD", 19) + "\r\n"
	inner := event("u")
	for range 25 {
		inner = "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString([]byte(inner)) + "\r\n"
	}
	attachment := header + "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: %s\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	list := []bomb{
		{"100,000 parts", lines(header+"Content-Type: multipart/mixed; boundary=x\r\n\r\n", "--x\r\n\r\na\r\n", 100_000*10), "mail-too-many-parts"},
		{"100,000 parts of calendar data", lines(header+"Content-Type: multipart/mixed; boundary=x\r\n\r\n", "--x\r\nContent-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\n", 4*mb), "mail-too-many-parts"},
		{"messages in messages", lines(header, "Content-Type: message/rfc822\r\n\r\n", 1000*32), "mail-too-nested"},
		{"multiparts in multiparts", text(multi(1000, 1)), "mail-too-nested"},
		{"lines like boundaries", lines(multi(29, 400)+"\r\n", "--28"+rep("b", 399)+"\r\n", 40*mb), ""},
		{"encoded messages in messages", text(header, inner), ""},
		{"a header line of 10 MB", lines(header+"Subject: ", "aaaaaaaaaa", 10*mb), "mail-header-too-large"},
		{"header lines of 10 MB", lines(header, "X-A: b\r\n", 10*mb), "mail-header-too-large"},
		{"folds of 10 MB", lines(header+"X-A: b\r\n", " b\r\n", 10*mb), "mail-header-too-large"},
		{"headers of parts", lines(header+"Content-Type: multipart/mixed; boundary=x\r\n\r\n", "--x\r\nX-A: "+rep("b", 2000)+"\r\n\r\n", 10*mb), "mail-header-too-large"},
		{"no header", lines("\r\n", "aaaa\r\n", mb), "mail-broken"},
		{"nothing", text(), "mail-broken"},
		{"NUL", lines("", "\x00", mb), "mail-broken"},
		{"50 MB of base64", lines(calendar+"Content-Transfer-Encoding: base64\r\n\r\n", coded, 50*mb), "mail-too-large"},
		{"50 MB of winmail.dat", lines(fmt.Sprintf(attachment, "application/ms-tnef; name=winmail.dat"), coded, 50*mb), "winmail-dat"},
		{"50 MB of another file", lines(fmt.Sprintf(attachment, "application/pdf"), coded, 50*mb), "nothing-for-us"},
		{"50 MB in one line", lines(header+"Content-Type: text/html\r\n\r\n", "aaaaaaaaaaaaaaaa", 50*mb), "nothing-for-us"},
		{"70 MB", lines(header+"\r\n", coded, 70*mb), "mail-too-large"},
		{"20 files of 3 MB", text(header, "Content-Type: multipart/mixed; boundary=x\r\n\r\n", rep("--x\r\nContent-Type: text/calendar\r\n\r\n"+rep("A", 3*mb)+"\r\n", 20)), "mail-too-large"},
		{"200 texts", text(header, "Content-Type: multipart/mixed; boundary=x\r\n\r\n", rep("--x\r\n\r\n"+rep("begin:vcalendaR ", 16<<10)+"\r\n", 200)), "mail-too-large"},
		{"200 texts of something else", text(header, "Content-Type: multipart/mixed; boundary=x\r\n\r\n", rep("--x\r\n\r\n"+rep("begin:vcalendas ", 16<<10)+"\r\n", 200)), "nothing-for-us"},
		{"4 MB of properties", one(cal("BEGIN:VEVENT\r\nUID:u\r\n" + rep("A:\r\n", 140_000) + rep("A:"+rep("b", 70)+"\r\n", 9000) + rep("A:"+rep("b", 7000)+"\r\n", 300) + "END:VEVENT\r\n")), ""},
		{"parameters", one(cal("BEGIN:VEVENT\r\nUID:u\r\nATTENDEE" + rep(";A=", 140_000) + ":x\r\nEND:VEVENT\r\n")), ""},
		{"many meetings", one(cal(events(49_000, func(i int) any { return i }))), "too-many-meetings"},
		{"one meeting many times", one(cal(events(49_000, func(int) any { return 1 }))), ""},
		{"many calendars", one(rep(cal(event(1)), 20_000)), "too-many-meetings"},
		{"many calendars without end", one(rep("BEGIN:VCALENDAR\r\n", 200_000)), ""},
		{"many broken calendars", one(rep("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", 100_000)), "too-many-meetings"},
		{"attendees", one(cal("BEGIN:VEVENT\r\nUID:u\r\n" + rep("ATTENDEE:Anna <<<<a@b>\r\n", 100_000) + "END:VEVENT\r\n")), ""},
		{"no UTF-8", one(cal("BEGIN:VEVENT\r\nUID:u\r\n" + rep("A:\xe4\r\n", 140_000) + "B:" + rep("\xe4", 2*mb) + "\r\nEND:VEVENT\r\n")), ""},
		{"ISO-2022", text(header, "Content-Type: text/calendar; charset=iso-2022-jp\r\n\r\n", cal(rep("\x1b$B\x1b(B", 4*mb/7))), ""},
		{"signs of equality", text(calendar, "Content-Transfer-Encoding: quoted-printable\r\n\r\n", rep("= ", 2*mb)), ""},
		{"blanks", text(calendar, "Content-Transfer-Encoding: quoted-printable\r\n\r\n", rep(" ", 2*mb), "\n", rep(" \n", mb)), ""},
		{"soft line breaks", text(calendar, "Content-Transfer-Encoding: quoted-printable\r\n\r\n", rep("=\n", 2*mb)), ""},
		{"uuencode", text(header, "\r\n", rep("begin 644 a\n", 20_000)), ""},
		{"a report of recipients", text(header, "Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n\r\n--x\r\nContent-Type: message/delivery-status\r\n\r\n", rep("Final-Recipient: a@b\r\n\r\n", 20_000)), ""},
		{"a report in words", text("Return-Path: <>\r\nSubject: failure notice\r\n", header, "\r\n", rep("<a@b.example>: 5.1.1\r\n", 20_000)), ""},
		{"a report of messages", text(header, "Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n\r\n", rep("--x\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <a@b>\r\nContent-Type: text/calendar\r\n\r\n"+cal(event(1)), 300)), ""},
	}
	for _, f := range []struct{ name, value string }{
		{"Content-Type", "text/calendar" + rep(";a=b", 200_000)},
		{"Content-Type", "text/calendar" + rep(";a*0*=b", 100_000)},
		{"Content-Type", "text/calendar; a=" + rep("b ", 400_000)},
		{"Content-Type", "text/calendar; name=" + rep("=?a?b?", 100_000)},
		{"Content-Type", rep("(", 900_000)},
		{"Content-Type", "multipart/mixed; boundary=" + rep("b", 900_000)},
		{"Authentication-Results", servID + ";" + rep("dkim=pass header.d=a;", 40_000)},
		{"Authentication-Results", servID + ";" + rep("((", 400_000)},
		{"Authentication-Results", servID + ";" + rep(`"`, 900_000)},
		{"Authentication-Results", servID + ";dmarc=pass " + rep("= ", 400_000)},
		{"Authentication-Results", rep("a ", 400_000)},
		{"To", rep("a@b.example,", 70_000)},
		{"To", rep("<", 900_000)},
		{"To", rep("(", 900_000)},
		{"To", rep("a:", 400_000)},
		{"To", rep(`"\`, 400_000)},
		{"To", rep(",", 900_000)},
		{"Subject", rep("=?", 400_000)},
		{"Subject", rep("=?utf-8?Q?=", 80_000)},
		{"Subject", rep("=?utf-8?Q?a?= ", 4600)},
		{"References", rep("<", 900_000)},
		{"References", rep("<a>", 300_000)},
		{"Date", rep("(", 900_000)},
	} {
		list = append(list, bomb{fmt.Sprintf("%s: %.12s…", f.name, f.value), text(header, f.name, ": ", f.value, "\r\n\r\nBEGIN:VCALENDAR\r\n"), ""})
	}
	return list
}

// endless repeats a line.
type endless struct {
	line []byte
	at   int
}

func (e *endless) Read(p []byte) (n int, err error) {
	for n < len(p) {
		k := copy(p[n:], e.line[e.at:])
		n += k
		e.at = (e.at + k) % len(e.line)
	}
	return n, nil
}

// No mail takes more than a quarter of a second, or 64 MB.
func TestBombs(t *testing.T) {
	for _, b := range bombs() {
		var m *Mail
		var err error
		took, ok := costtest.Within(costtest.Cost{CPU: mostCPU, Memory: mostMemory}, 3, func() {
			m, err = Read(b.mail(), Limits{})
			m.Arrivals(m.Authentication(servID))
		})
		t.Logf("%-40s %v  %v, %s", b.name, took, m.Kind, m.Reason())
		if !ok {
			t.Errorf("%s: %v", b.name, took)
		}
		var refusal *Refusal
		switch {
		case err != nil && !errors.As(err, &refusal):
			t.Errorf("%s: %v", b.name, err)
		case b.want != "" && m.Reason() != b.want:
			t.Errorf("%s: %s, want %s", b.name, m.Reason(), b.want)
		case err != nil && m.Reason() != refusal.Reason:
			t.Errorf("%s: the mail says %s, the error %s", b.name, m.Reason(), refusal.Reason)
		}
	}
}

// What is read of a large mail is read all the same: an answer beside 50 MB.
func TestAnswerBesideALargeFile(t *testing.T) {
	reply := string(readSample(t, "thunderbird-reply"))
	head, body, _ := strings.Cut(reply, "MIME-Version: 1.0\n")
	mail := io.MultiReader(strings.NewReader(head+"Content-Type: multipart/mixed; boundary=out\n\n--out\nContent-Type: application/pdf\nContent-Transfer-Encoding: base64\n\n"),
		io.LimitReader(&endless{line: []byte(strings.Repeat("QUJD", 19) + "\n")}, 50<<20/77*77), strings.NewReader("--out\n"+body+"\n--out--\n"))
	m, err := Read(mail, Limits{})
	if err != nil || m.Kind != Scheduling || len(m.Messages) != 1 || m.Messages[0].Part.Path != "2.1.2" {
		t.Errorf("%v, %v %+v", err, m.Kind, m.Messages)
	}
}

// An error of the reader is no refusal: the mail is to be read again.
func TestReaderFails(t *testing.T) {
	broken := errors.New("the connection broke")
	m, err := Read(io.MultiReader(bytes.NewReader(readSample(t, "google-reply")[:900]), failing{broken}), Limits{})
	var refusal *Refusal
	if !errors.Is(err, broken) || errors.As(err, &refusal) || m.Kind != Nothing {
		t.Errorf("%v, %v", err, m.Kind)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
