package acceptance

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"factotum/notify/relay/smtptest"
)

// meetingWith is an event of anna's to which people are invited.
func meetingWith(uid string, addresses ...string) string {
	day := time.Now().AddDate(0, 1, 0).Format("20060102")
	lines := []string{"BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", "BEGIN:VEVENT", "UID:" + uid, "DTSTAMP:20260101T000000Z", "DTSTART:" + day + "T100000Z",
		"DTEND:" + day + "T110000Z", "SUMMARY:Lunch", "ORGANIZER:mailto:anna@example.com"}
	for _, a := range addresses {
		lines = append(lines, "ATTENDEE;RSVP=TRUE:mailto:"+a)
	}
	return strings.Join(append(lines, "END:VEVENT", "END:VCALENDAR", ""), "\r\n")
}

// eventuallyShows waits for what follows from a write.
func eventuallyShows(t *testing.T, what string, show func() string, want ...string) {
	t.Helper()
	got := ""
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		got = show()
		missing := false
		for _, w := range want {
			missing = missing || !strings.Contains(got, w)
		}
		if !missing {
			return
		}
	}
	t.Fatalf("%s: want %q in\n%s", what, want, got)
}

// Who has no calendar here is invited by mail, hears of its end once, also when the
// mail server and ours are away in between;
// an address that does not exist is told to the organizer.
func TestMailToPeopleOutside(t *testing.T) {
	t.Parallel()
	sink := smtptest.Start(t, smtptest.Rules{Reply: func(_ *smtptest.Conn, verb, arg string) string {
		if verb == "RCPT" && strings.Contains(arg, "nobody@") {
			return "550 5.1.1 no such user"
		}
		return ""
	}})
	_, port, err := net.SplitHostPort(sink.Addr)
	if err != nil {
		t.Fatal(err)
	}
	h := installed(t, `caldb.smtphost = "127.0.0.1"`, `caldb.smtpport = "`+port+`"`, `factotum.mail.backoff = "pt1s"`).start(t)
	h.visit(t, "anna")
	h.visit(t, "ben")
	object := cal("anna") + "lunch.ics"
	text := func() string { return strings.ReplaceAll(h.do(t, "anna", "GET", object, "").body, "\r\n ", "") }
	if r := h.do(t, "anna", "PUT", object, meetingWith("lunch", "zoe@far.example", "nobody@far.example", "ben@example.com"), "Content-Type: text/calendar"); r.status != http.StatusCreated {
		t.Fatalf("%d %s", r.status, r.body)
	}
	eventuallyShows(t, "statuses", text, "SCHEDULE-STATUS=1.1:mailto:zoe@far.example", "SCHEDULE-STATUS=5.1:mailto:nobody@far.example", "SCHEDULE-STATUS=1.2:mailto:ben@example.com")
	for _, m := range sink.Await(t, 2) {
		switch m.To {
		case "zoe@far.example":
			if m.From != "anna@example.com" || !strings.HasPrefix(m.Header("Subject"), "Invitation: Lunch") {
				t.Errorf("from %s:\n%s", m.From, m.Data)
			}
		case "anna@example.com":
			if m.From != "" || m.Header("Subject") != "Not delivered: Lunch" {
				t.Errorf("from %q:\n%s", m.From, m.Data)
			}
		default:
			t.Errorf("mail to %s", m.To)
		}
	}
	// The mail server goes away; what follows waits, through a restart of ours.
	sink.Change(smtptest.Rules{Reply: func(_ *smtptest.Conn, verb, _ string) string {
		if verb == "" || verb == "MAIL" { // a connection may be open still
			return "421 4.3.2 not now"
		}
		return ""
	}})
	if r := h.do(t, "anna", "PUT", object, strings.Replace(text(), "SUMMARY:Lunch", "SUMMARY:Dinner", 1), "Content-Type: text/calendar"); r.status/100 != 2 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if r := h.do(t, "anna", "DELETE", object, ""); r.status/100 != 2 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	jobs := func() string { out, _ := calserver(t, "csdb", "-C", h.conf, "jobs"); return out }
	eventuallyShows(t, "the queue", jobs, "greeting: 421 4.3.2 not now", "mailto:zoe@far.example")
	h.stop(t)
	h.start(t)
	sink.Change(smtptest.Rules{})
	var got []string
	eventuallyShows(t, "the queue", jobs, "0 jobs")
	for _, m := range sink.Mails() {
		if m.To != "anna@example.com" {
			got = append(got, m.To+" "+m.Header("Subject"))
		}
	}
	// The change was taken back by the end; and who never had an invitation has no end of it.
	if len(got) != 2 || !strings.HasPrefix(got[1], "zoe@far.example Cancelled: Dinner") {
		t.Errorf("mails in this order: %q", got)
	}
	out, err := calserver(t, "why", "-C", h.conf, "lunch")
	if n := strings.Count(out, "\tmailed\t"); err != nil || n != 2 || !strings.Contains(out, "\treturned\t5.1") || strings.Count(out, "\twithdrawn\t") != 3 {
		t.Errorf("%v, %d mailed:\n%s", err, n, out)
	}
}
