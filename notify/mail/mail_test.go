package mail_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"factotum/notify/letterfile"
	"factotum/notify/mail"
	"factotum/server/calendar"
	"factotum/server/ical"
)

var bg = context.Background()

// people is a directory of one, who has a language.
type people struct{ language string }

func (p people) Person(context.Context, calendar.UserID) (calendar.Person, error) {
	return p.ByMail(bg, "anna@example.com")
}

func (p people) ByMail(_ context.Context, address string) (calendar.Person, error) {
	if address == "room@example.com" {
		return calendar.Person{ID: "room", Kind: calendar.Room, Mails: []string{address}}, nil
	}
	if address != "anna@example.com" {
		return calendar.Person{}, calendar.Fail(calendar.NotFound, "look up", address)
	}
	return calendar.Person{ID: "anna", Name: "Anna Bell", Mails: []string{address}, Language: p.language}, nil
}

// journal has what was mailed before.
type journal []calendar.Trace

func (j journal) Why(_ context.Context, _ calendar.Actor, req calendar.WhyRequest) (calendar.WhyAnswer, error) {
	matches := req.Query.Matcher()
	return calendar.WhyAnswer{Traces: slices.DeleteFunc(slices.Clone(j), func(t calendar.Trace) bool { return !matches(&t) })}, nil
}

func (journal) Prefs(context.Context, calendar.Actor, calendar.Owner) (map[string]string, error) {
	return nil, calendar.Fail(calendar.NoCalendar, "read preferences", "anna")
}

func (journal) Holds(_ context.Context, owner calendar.Owner, _ string) (bool, error) {
	return owner == "anna", nil
}

func (journal) Held(_ context.Context, owner calendar.Owner) ([]calendar.Held, error) {
	if owner != "anna" {
		return nil, nil
	}
	return []calendar.Held{
		{Summary: "Told before", Sender: "old@far.example", Came: now.Add(-time.Hour)},
		{Summary: "Plans\u2028\r\nBcc: all@example.com", Sender: "zoe@far.example", Came: now},
		{Summary: "", Came: now.Add(time.Second)},
		{Summary: "Later", Sender: "new@far.example", Came: now.Add(time.Minute)},
	}, nil
}

var now = time.Date(2026, 11, 29, 10, 0, 0, 0, time.UTC)

func composer(language string, traces ...calendar.Trace) *mail.Composer {
	return &mail.Composer{Templates: letterfile.New(letterfile.Options{}), People: people{language}, Model: journal(traces), Host: "cal.example.com", Now: func() time.Time { return now }}
}

func invitation(lines ...string) *calendar.Mailing {
	text := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:lunch\r\nDTSTAMP:20261129T090000Z\r\n" +
		"DTSTART;TZID=Europe/Berlin:20261215T120000\r\nDTEND;TZID=Europe/Berlin:20261215T130000\r\nORGANIZER:mailto:anna@example.com\r\n" +
		"ATTENDEE;CN=Zoë;PARTSTAT=NEEDS-ACTION;X-FACTOTUM-REVISION=0:mailto:zoe@far.example\r\n" + strings.Join(append(lines, ""), "\r\n") + "END:VEVENT\r\nEND:VCALENDAR\r\n"
	return &calendar.Mailing{Kind: calendar.MailScheduling, To: "zoe@far.example", UID: "lunch", Summary: "Lunch",
		Letter: calendar.Letter{ID: "anna/7/0/0", Method: "REQUEST", From: "mailto:anna@example.com", To: []string{"mailto:zoe@far.example"}, Data: []byte(text)}}
}

// opened is a mail as its reader's program takes it apart.
type opened struct {
	netmail.Header
	subject, plain string
	calendar       *ical.Component
	params         map[string]string // of the text/calendar part
	disposition    string            // of the same
}

func open(t *testing.T, data []byte) (o opened) {
	t.Helper()
	for _, line := range bytes.SplitAfter(data, []byte("\r\n")) {
		if len(line) > 1000 || bytes.Contains(bytes.TrimSuffix(line, []byte("\r\n")), []byte("\r")) || bytes.Count(line, []byte("\n")) > 1 {
			t.Errorf("a line that mail has not: %q", line)
		}
	}
	msg, err := netmail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	o.Header = msg.Header
	if o.subject, err = new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject")); err != nil {
		t.Fatal(err)
	}
	kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(kind, "multipart/") {
		o.plain = decoded(t, msg.Body, msg.Header.Get("Content-Transfer-Encoding"))
		return o
	}
	o.parts(t, msg.Body, params["boundary"])
	return o
}

// parts reads those of a multipart.
func (o *opened) parts(t *testing.T, body io.Reader, boundary string) {
	t.Helper()
	r := multipart.NewReader(body, boundary)
	for {
		part, err := r.NextPart() // which decodes quoted-printable
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		kind, params, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(kind, "multipart/") {
			o.parts(t, part, params["boundary"])
			continue
		}
		text := decoded(t, part, part.Header.Get("Content-Transfer-Encoding"))
		switch kind {
		case "text/plain":
			o.plain = text
		case "text/calendar":
			if o.params, o.disposition = params, part.Header.Get("Content-Disposition"); o.calendar != nil {
				t.Error("two calendar parts")
			}
			if o.calendar, err = ical.Parse([]byte(text), ical.Limits{}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// decoder reads a transfer encoding.
func decoder(r io.Reader, encoding string) io.Reader {
	switch strings.ToLower(encoding) {
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, r)
	case "quoted-printable":
		return quotedprintable.NewReader(r)
	}
	return r
}

func decoded(t *testing.T, r io.Reader, encoding string) string {
	t.Helper()
	b, err := io.ReadAll(decoder(r, encoding))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// An invitation has all that mail programs need, and nothing of the server's own.
// RFC 6047 §2.4.
func TestInvitation(t *testing.T) {
	m, reason, err := composer("de-AT").Compose(bg, "anna", invitation("SUMMARY:Mittagessen"))
	if err != nil || reason != "" {
		t.Fatal(reason, err)
	}
	if m.From != "anna@example.com" || m.To != "zoe@far.example" {
		t.Errorf("envelope %+v", m)
	}
	o := open(t, m.Data)
	from, err := o.AddressList("From")
	to, err2 := o.AddressList("To")
	if err != nil || err2 != nil || *from[0] != (netmail.Address{Name: "Anna Bell", Address: "anna@example.com"}) || *to[0] != (netmail.Address{Name: "Zoë", Address: "zoe@far.example"}) {
		t.Errorf("from %v to %v", from, to)
	}
	if _, err := o.Date(); err != nil || !strings.HasPrefix(o.subject, "Einladung: Mittagessen") || !strings.HasSuffix(o.subject, "von Anna Bell") || o.Get("Auto-Submitted") != "auto-generated" {
		t.Errorf("%v, subject %q", o.Header, o.subject)
	}
	if o.params["method"] != "REQUEST" || !strings.EqualFold(o.params["component"], "VEVENT") || o.calendar.Word("METHOD") != "REQUEST" {
		t.Errorf("%v", o.params)
	}
	event, zone := o.calendar.Children[1], o.calendar.Children[0]
	if zone.Name != "VTIMEZONE" || zone.Text("TZID") != "Europe/Berlin" || event.Value("SEQUENCE") != "0" || strings.Contains(string(o.calendar.Bytes()), "X-FACTOTUM") {
		t.Errorf("%s", o.calendar.Bytes())
	}
	if !strings.Contains(o.plain, "12:00") {
		t.Errorf("the time is not that of the meeting:\n%s", o.plain)
	}
	// Also when its sender was told meanwhile that it is late; the notices of that differ,
	// as those do of other recipients.
	late := invitation("SUMMARY:Mittagessen")
	late.Warned = 1
	names := map[string]bool{}
	for n, to := range []string{"mailto:zoe@far.example", "mailto:zoe@far.example", "mailto:tom@far.example"} {
		notice := invitation()
		notice.Kind, notice.To, notice.Warned, notice.Letter.To = calendar.MailDelayed, "anna@example.com", n%2, []string{to}
		names[notice.Name()] = true
	}
	if late.Name() != invitation().Name() || len(names) != 3 {
		t.Errorf("names %s and %s, notices %v", late.Name(), invitation().Name(), names)
	}
	// The same mail has the same name, whenever it is sent; mail about one meeting hangs together.
	again, _, _ := composer("de-AT").Compose(bg, "anna", invitation("SUMMARY:Mittagessen"))
	other := invitation()
	other.Letter.ID = "anna/9/0/0"
	later, _, _ := composer("").Compose(bg, "anna", other)
	a, b := open(t, again.Data), open(t, later.Data)
	if a.Get("Message-Id") != o.Get("Message-Id") || b.Get("Message-Id") == o.Get("Message-Id") || b.Get("References") != o.Get("References") || o.Get("References") == "" {
		t.Errorf("%v\n%v", o.Header, b.Header)
	}
}

// Who was invited before is told of a change, who was not is invited, whatever the
// SEQUENCE; after the end of an invitation comes a new one.
func TestInvitedBefore(t *testing.T) {
	mailed := func(id, method string) calendar.Trace {
		return calendar.Trace{Message: id, Method: method, UID: "lunch", To: []string{"mailto:zoe@far.example"}, Reason: calendar.ReasonMailed}
	}
	for subject, traces := range map[string][]calendar.Trace{
		"Changed":     {mailed("anna/3/0/0", "REQUEST")},
		"Invitation":  nil,
		"Invitation ": {mailed("anna/5/0/0", "CANCEL"), mailed("anna/3/0/0", "REQUEST")},
	} {
		m, _, err := composer("en", traces...).Compose(bg, "anna", invitation("SEQUENCE:4", "SUMMARY:Lunch"))
		if err != nil {
			t.Fatal(err)
		}
		if o := open(t, m.Data); !strings.HasPrefix(o.subject, strings.TrimSpace(subject)) {
			t.Errorf("%q, want %q", o.subject, subject)
		}
	}
}

// Who is taken off the list hears that the meeting goes on without him.
func TestRemoved(t *testing.T) {
	subjects := map[string]string{}
	for _, owner := range []calendar.Owner{"anna", "bert"} {
		m := invitation("SUMMARY:Lunch", "STATUS:CANCELLED")
		m.Letter.Method, m.Letter.Data = "CANCEL", bytes.Replace(m.Letter.Data, []byte("METHOD:REQUEST"), []byte("METHOD:CANCEL"), 1)
		out, _, err := composer("en").Compose(bg, owner, m)
		if err != nil {
			t.Fatal(err)
		}
		subjects[string(owner)], _, _ = strings.Cut(open(t, out.Data).subject, ":")
	}
	if subjects["anna"] == subjects["bert"] || subjects["bert"] != "Cancelled" {
		t.Errorf("subjects %v", subjects)
	}
}

// A mail of our domain is signed, so that its readers' systems believe it.
func TestSigned(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	lookup := func(name string) ([]string, error) {
		if name != "sel._domainkey.example.com" {
			return nil, fmt.Errorf("no %s", name)
		}
		return []string{"v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)}, nil
	}
	for domain, want := range map[string]int{"example.com": 1, "Example.COM": 1, "other.example": 0} {
		c := composer("ja")
		if c.Signer, err = mail.NewSigner(domain, "sel", file); err != nil {
			t.Fatal(err)
		}
		out, _, err := c.Compose(bg, "anna", invitation("SUMMARY:Lunch"))
		if err != nil {
			t.Fatal(err)
		}
		list, err := dkim.VerifyWithOptions(bytes.NewReader(out.Data), &dkim.VerifyOptions{LookupTXT: lookup})
		if err != nil || len(list) != want || want == 1 && list[0].Err != nil {
			t.Errorf("%s: %+v, %v", domain, list, err)
		}
		if want == 1 {
			bad := bytes.Replace(out.Data, []byte("zoe@far.example"), []byte("eve@far.example"), 1)
			if list, _ := dkim.VerifyWithOptions(bytes.NewReader(bad), &dkim.VerifyOptions{LookupTXT: lookup}); len(list) != 1 || list[0].Err == nil {
				t.Error("another recipient is not noticed")
			}
		}
	}
	for _, text := range []string{"", "x", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		bad := filepath.Join(t.TempDir(), "bad.pem")
		if err := os.WriteFile(bad, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := mail.NewSigner("example.com", "sel", bad); err == nil || !strings.Contains(err.Error(), "private key") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestOver(t *testing.T) {
	past := func(lines ...string) *calendar.Mailing {
		m := invitation(lines...)
		m.Letter.Data = bytes.ReplaceAll(m.Letter.Data, []byte("20261215"), []byte("20261115"))
		return m
	}
	c := composer("en")
	for want, list := range map[string][]*calendar.Mailing{
		calendar.ReasonPast: {past(), past("RRULE:FREQ=DAILY;COUNT=5")},
		"":                  {past("RRULE:FREQ=DAILY;COUNT=50"), past("RRULE:FREQ=WEEKLY"), invitation()},
	} {
		for _, m := range list {
			if _, reason, err := c.Compose(bg, "anna", m); reason != want || err != nil {
				t.Errorf("%q, %v, want %q of\n%s", reason, err, want, m.Letter.Data)
			}
		}
	}
	c.Past = true
	if _, reason, err := c.Compose(bg, "anna", past()); reason != "" || err != nil {
		t.Errorf("%q, %v", reason, err)
	}
}

// What people write never makes a header field or a line of its own.
func TestHostileNames(t *testing.T) {
	for _, bad := range []string{"Eve^nBcc: all@example.org", "Eve\u2028Bcc: x", "=?utf-8?q?Eve=0D=0ABcc:_x?=", "Eve\x85Bcc: x", "Eve <eve@example.org>, Bob", strings.Repeat("Ä", 3000), "\"Eve\\", "Eve\x00"} {
		m := invitation("SUMMARY:Lunch\\nBcc: all@example.org" + strings.ReplaceAll(bad, "^n", "\\n"))
		m.Letter.Data = bytes.Replace(m.Letter.Data, []byte("ORGANIZER:"), []byte("ORGANIZER;CN=\""+strings.ReplaceAll(bad, "\"", "^'")+"\":"), 1)
		m.To = "\"z@e\"@far.example"
		out, _, err := composer("en").Compose(bg, "anna", m)
		if err != nil {
			continue // refused when it is read: it is no iCalendar
		}
		o := open(t, out.Data)
		if o.Get("Bcc") != "" || o.Get("X-Evil") != "" {
			t.Errorf("%q makes a field:\n%s", bad, out.Data)
		}
		for _, name := range []string{"From", "To"} {
			if s, err := new(mime.WordDecoder).DecodeHeader(o.Get(name)); err != nil || strings.ContainsAny(s, "\r\n") {
				t.Errorf("%q: a program that decodes words between quotes too reads %s as %q: %v", bad, name, s, err)
			}
			if list, err := o.AddressList(name); err != nil || len(list) != 1 || name == "From" && list[0].Address != "anna@example.com" {
				t.Errorf("%q: %s is %q: %v", bad, name, o.Get(name), err)
			}
		}
	}
}

// An answer is told in the organizer's words, by whom it may be; what a room answers
// is not.
func TestAnswers(t *testing.T) {
	for from, want := range map[string]string{"zoe@far.example": "postmaster@example.com", "bert@example.com": "bert@example.com", "room@example.com": ""} {
		m := invitation("SUMMARY:Lunch", "ATTENDEE;CN=Guest;PARTSTAT=ACCEPTED:mailto:"+from, "COMMENT:With pleasure")
		m.Letter.Data = bytes.Replace(m.Letter.Data, []byte("ATTENDEE;CN=Zoë;PARTSTAT=NEEDS-ACTION;X-FACTOTUM-REVISION=0:mailto:zoe@far.example\r\n"), nil, 1)
		m.Kind, m.To, m.Letter.Method, m.Letter.From = calendar.MailAnswer, "anna@example.com", "REPLY", "mailto:"+from
		out, reason, err := composer("de").Compose(bg, "anna", m)
		if err != nil {
			t.Fatal(err)
		}
		if want == "" {
			asked := composer("de") // factotum.reply.resources
			asked.Resources = true
			if out, reason, err := asked.Compose(bg, "anna", m); err != nil || reason != "" || !strings.HasPrefix(open(t, out.Data).subject, "Zusage: Lunch") {
				t.Errorf("%s, where it is asked for: %q %v", from, reason, err)
			}
			if reason != "automatic-answer" {
				t.Errorf("%s: %q", from, reason)
			}
			continue
		}
		o := open(t, out.Data)
		list, err := o.AddressList("From")
		if err != nil || *list[0] != (netmail.Address{Name: "Guest", Address: want}) || out.From != "" || !strings.HasPrefix(o.subject, "Zusage: Lunch") || !strings.Contains(o.plain, "With pleasure") {
			t.Errorf("%s: from %v, subject %q\n%s", from, list, o.subject, o.plain)
		}
		if reply := o.Get("Reply-To"); (reply != "") != (want != from) {
			t.Errorf("%s: reply to %q", from, reply)
		}
	}
}

// A notice has the event as a file to keep, which no program takes for a request, with
// its zone and nothing of the server's own; of what is called off it says so.
func TestNoticeHasEvent(t *testing.T) {
	for kind, method := range map[calendar.MailKind]string{calendar.MailAnswer: "REPLY", calendar.MailInvitation: "REQUEST", calendar.MailChange: "REQUEST", calendar.MailCancellation: "CANCEL", calendar.MailReminder: ""} {
		m := invitation("SUMMARY:Lunch", "STATUS:CONFIRMED", "ATTACH;VALUE=BINARY;ENCODING=BASE64:AAAA", "ATTACH:https://example.com/menu",
			"BEGIN:VALARM", "ACTION:DISPLAY", "TRIGGER:-PT5M", "DESCRIPTION:x", "END:VALARM")
		m.Letter.Data = []byte(strings.NewReplacer("METHOD:REQUEST", "METHOD:"+method, "NEEDS-ACTION", "TENTATIVE").Replace(string(m.Letter.Data)))
		if method == "" { // a reminder is no message
			m.Letter.Data = bytes.Replace(m.Letter.Data, []byte("METHOD:\r\n"), nil, 1)
		}
		m.Kind, m.To, m.Letter.Method, m.Letter.From = kind, "anna@example.com", method, "mailto:zoe@far.example"
		out, _, err := composer("fr").Compose(bg, "anna", m)
		if err != nil {
			t.Fatal(err)
		}
		o := open(t, out.Data)
		if o.calendar == nil || o.disposition != "attachment; filename=\"event.ics\"" || o.params["method"] != "" || o.calendar.Prop("METHOD") != nil {
			t.Fatalf("%s: %q %v\n%s", kind, o.disposition, o.params, out.Data)
		}
		text, zone, event := string(o.calendar.Bytes()), o.calendar.Children[0], o.calendar.Children[1]
		if zone.Text("TZID") != "Europe/Berlin" || event.Text("SUMMARY") != "Lunch" || event.Value("ATTACH") != "https://example.com/menu" || len(event.Children) > 0 ||
			strings.Contains(text, "X-FACTOTUM") || strings.Contains(text, "BINARY") || len(ical.Validate(o.calendar)) > 0 {
			t.Errorf("%s: %v\n%s", kind, ical.Validate(o.calendar), text)
		}
		if got := event.Value("STATUS"); (got == "CANCELLED") != (kind == calendar.MailCancellation) {
			t.Errorf("%s: %s", kind, got)
		}
	}
}

// asks is a store whose one home has preferences.
type asks struct {
	journal
	prefs map[string]string
	err   error
}

func (a asks) Prefs(_ context.Context, _ calendar.Actor, owner calendar.Owner) (map[string]string, error) {
	if owner != "anna" {
		return nil, calendar.Fail(calendar.Denied, "read preferences", string(owner))
	}
	return a.prefs, a.err
}

// Times are told as the reader's preferences say, where they are at hand: of who is
// reminded of somebody else's event they are not. ldap.md §4.
func TestReadersDates(t *testing.T) {
	american := map[string]string{"ceClock": "12", "ceDateOrder": "M/D/Y", "icsTimezone": "America/New_York", "ceDefaultTZID": "Asia/Tokyo"}
	for _, test := range []struct {
		kind  calendar.MailKind
		owner calendar.Owner
		prefs map[string]string
		want  string
	}{
		{calendar.MailInvitation, "anna", american, "Tuesday, December 15, 2026, 6:00 AM – 7:00 AM (America/New York)"},
		{calendar.MailReminder, "anna", american, "Tuesday, December 15, 2026, 6:00 AM – 7:00 AM (America/New York)"},
		{calendar.MailInvitation, "anna", map[string]string{"ceDefaultTZID": "Asia/Tokyo", "icsTimezone": "Mars/Olympus"}, "Tuesday, 15 December 2026, 20:00 – 21:00 (Asia/Tokyo)"},
		{calendar.MailInvitation, "anna", nil, "Tuesday, 15 December 2026, 12:00 – 13:00 (Europe/Berlin)"},
		{calendar.MailReminder, "bert", american, "Tuesday, 15 December 2026, 12:00 – 13:00 (Europe/Berlin)"},
	} {
		c := composer("en")
		c.Model = asks{prefs: test.prefs}
		m := invitation("SUMMARY:Lunch")
		m.Kind, m.To = test.kind, "anna@example.com"
		out, _, err := c.Compose(bg, test.owner, m)
		if err != nil {
			t.Fatal(err)
		}
		if o := open(t, out.Data); !strings.Contains(o.plain, test.want) {
			t.Errorf("%s of %s: not %q in\n%s", test.kind, test.owner, test.want, o.plain)
		}
	}
	for kind, word := range map[calendar.MailKind]string{calendar.MailInvitation: "Einladung: ", calendar.MailReminder: "Erinnerung: ", calendar.MailReturned: "Nicht zugestellt: ", calendar.MailScheduling: "Einladung: "} {
		for _, name := range []string{"preferredlanguage", "preferredLanguage"} { // over that of his entry
			c := composer("en")
			c.Model = asks{prefs: map[string]string{name: "de"}}
			m := invitation("SUMMARY:Lunch")
			if m.Kind = kind; kind != calendar.MailScheduling {
				m.To = "anna@example.com"
			}
			out, _, err := c.Compose(bg, "anna", m)
			if err != nil {
				t.Fatal(err)
			}
			if o := open(t, out.Data); !strings.HasPrefix(o.subject, word) {
				t.Errorf("%s by %s: %q", kind, name, o.subject)
			}
		}
	}
	c := composer("en")
	c.Model = asks{err: calendar.Fail(calendar.Unavailable, "read preferences", "anna")}
	m := invitation("SUMMARY:Lunch")
	m.Kind, m.To = calendar.MailInvitation, "anna@example.com"
	if _, _, err := c.Compose(bg, "anna", m); calendar.KindOf(err) != calendar.Unavailable {
		t.Errorf("without the store: %v", err)
	}
}

// Notices are in the language of whom they are for, say what happened, and are
// never answered by notices.
func TestNotice(t *testing.T) {
	for lang, word := range map[string]string{"": "Not delivered: ", "de": "Nicht zugestellt: ", "fr-CA": "Non remis : ", "es": "No entregado: ", "ja": "配信できませんでした: ", "nl": "Not delivered: "} {
		m := invitation()
		m.Kind, m.To, m.Why = calendar.MailReturned, "anna@example.com", "mx.far.example:25: rcpt: 550 5.1.1 no such user"
		m.Summary = "Lunch\r\nBcc: x"
		out, reason, err := composer(lang).Compose(bg, "anna", m)
		if err != nil || reason != "" || out.From != "" || out.To != "anna@example.com" {
			t.Fatal(out, reason, err)
		}
		o := open(t, out.Data)
		if o.subject != word+"Lunch Bcc: x" || o.Get("Auto-Submitted") != "auto-replied" || o.Get("Bcc") != "" {
			t.Errorf("%q: subject %q, %v", lang, o.subject, o.Header)
		}
		for _, part := range []string{"zoe@far.example", "550 5.1.1 no such user", "Lunch"} {
			if !strings.Contains(o.plain, part) {
				t.Errorf("%q says no %q:\n%s", lang, part, o.plain)
			}
		}
	}
}

// TestReminder: an alarm is told of in the language of whose address it goes to, or
// of whose it is, in his name, and not when it is of no use any more.
func TestReminder(t *testing.T) {
	c := composer("de")
	c.Outside = true
	text := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:lunch\r\nDTSTAMP:20261129T090000Z\r\nSUMMARY:Dentist\r\n" +
		"DTSTART;TZID=Europe/Berlin:20261215T120000\r\nDTEND;TZID=Europe/Berlin:20261215T130000\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	m := calendar.Mailing{Kind: calendar.MailReminder, To: "anna@example.com", UID: "lunch", Expires: now.Add(time.Hour),
		Letter: calendar.Letter{ID: "x", From: "mailto:anna@example.com", Data: []byte(text)}}
	out, reason, err := c.Compose(bg, "anna", &m)
	if err != nil || reason != "" {
		t.Fatal(reason, err)
	}
	got := open(t, out.Data)
	if !strings.HasPrefix(got.subject, "Erinnerung: Dentist (") || got.Get("From") != "<anna@example.com>" || got.Get("To") != `"Anna Bell" <anna@example.com>` ||
		got.Get("Auto-Submitted") != "auto-generated" || out.From != "" || !strings.Contains(got.plain, "12:00") {
		t.Errorf("%q\n%s", got.subject, out.Data)
	}
	m.To = "pager@far.example"
	if out, _, err = c.Compose(bg, "anna", &m); err != nil || out.To != "pager@far.example" || !strings.Contains(string(out.Data), "To: <pager@far.example>") {
		t.Errorf("%v\n%s", err, out.Data)
	}
	m.Letter.Data = []byte(strings.NewReplacer("VEVENT", "VTODO", "DTEND", "DUE").Replace(text))
	if out, _, err = c.Compose(bg, "anna", &m); err != nil || !strings.Contains(string(out.Data), "Diese Aufgabe") {
		t.Errorf("%v\n%s", err, out.Data)
	}
	c.Outside = false
	if _, reason, err = c.Compose(bg, "anna", &m); err != nil || reason != calendar.ReasonOutside {
		t.Errorf("to somebody outside: %q %v", reason, err)
	}
	m.Expires = now.Add(-time.Second)
	if _, reason, err = c.Compose(bg, "anna", &m); err != nil || reason != calendar.ReasonPast {
		t.Errorf("too late: %q %v", reason, err)
	}
}
