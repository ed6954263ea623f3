package acceptance

import (
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"factotum/cmd/internal/hosttest"
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
	for end := time.Now().Add(hosttest.Patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
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
	h := installed(t, `caldb.smtphost = "127.0.0.1"`, `caldb.smtpport = "`+port+`"`, `factotum.mail.backoff = "pt1s"`,
		`ine.invitation.enable = "no"`, `ine.cancellation.enable = "no"`).start(t)
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

// TestNotices: an organizer is mailed once about each answer that differs from the one
// before, by whatever protocol it came, single or for a series; who is invited, or not
// any more, is mailed too. notifications.md §4, §5.
func TestNotices(t *testing.T) {
	t.Parallel()
	sink := smtptest.Start(t, smtptest.Rules{})
	_, port, err := net.SplitHostPort(sink.Addr)
	if err != nil {
		t.Fatal(err)
	}
	h := installed(t, `caldb.smtphost = "127.0.0.1"`, `caldb.smtpport = "`+port+`"`).start(t)
	for _, u := range []string{"anna", "ben", "carl"} {
		h.visit(t, u)
	}
	seen := 0
	// came are the mails since the last time, each as "to subject".
	came := func(want ...string) []smtptest.Mail {
		t.Helper()
		sink.Await(t, seen+len(want))
		time.Sleep(200 * time.Millisecond)
		all := sink.Mails()[seen:]
		if len(all) > len(want) {
			t.Errorf("%d mails, want %d", len(all), len(want))
		}
		seen += len(all)
		var got []string
		for _, m := range all {
			subject, err := new(mime.WordDecoder).DecodeHeader(m.Header("Subject"))
			if err != nil {
				t.Error(err)
			}
			got = append(got, m.To+" "+subject)
		}
		slices.Sort(got)
		slices.Sort(want)
		for i := range min(len(got), len(want)) {
			if !strings.HasPrefix(got[i], want[i]) {
				t.Errorf("got %q, want %q", got, want)
				break
			}
		}
		return all
	}
	object := cal("anna") + "lunch.ics"
	weekly := strings.Replace(meetingWith("lunch", "ben@example.com", "carl@example.com"), "SUMMARY", "RRULE:FREQ=WEEKLY;COUNT=4\r\nSUMMARY", 1)
	if r := h.do(t, "anna", "PUT", object, weekly, "Content-Type: text/calendar"); r.status != http.StatusCreated {
		t.Fatalf("%d %s", r.status, r.body)
	}
	came("ben@example.com Invitation: Lunch", "carl@example.com Invitation: Lunch")
	answer := func(user, from, to string) {
		t.Helper()
		var path, text string
		for name, o := range h.everything(t, user, cal(user)) {
			if strings.Contains(o, "UID:lunch\r\n") {
				path, text = cal(user)+name, strings.ReplaceAll(o, "\r\n ", "")
			}
		}
		lines := strings.Split(text, "\r\n")
		at := slices.IndexFunc(lines, func(l string) bool {
			return strings.HasPrefix(l, "ATTENDEE") && strings.HasSuffix(l, ":mailto:"+user+"@example.com")
		})
		if at < 0 || !strings.Contains(lines[at], "PARTSTAT="+from) {
			t.Fatalf("%s is not %s in\n%s", user, from, text)
		}
		lines[at] = strings.Replace(lines[at], "PARTSTAT="+from, "PARTSTAT="+to, 1)
		if r := h.do(t, user, "PUT", path, strings.Join(lines, "\r\n"), "Content-Type: text/calendar"); r.status/100 != 2 {
			t.Fatalf("%d %s", r.status, r.body)
		}
	}
	answer("ben", "NEEDS-ACTION", "ACCEPTED")
	m := came("anna@example.com Accepted: Lunch")[0]
	if m.From != "" || m.Header("From") != "\"ben@example.com\" <ben@example.com>" && m.Header("From") != "<ben@example.com>" || !strings.Contains(string(m.Data), "every") {
		t.Errorf("%s", m.Data)
	}
	answer("ben", "ACCEPTED", "TENTATIVE")
	came("anna@example.com Tentative")
	answer("ben", "TENTATIVE", "TENTATIVE") // says nothing new
	wcap := func(user, command string) {
		t.Helper()
		login := h.do(t, "", "GET", "/login.wcap?user="+user+"&password="+password(user)+"&fmt-out=text/calendar", "").body
		_, id, _ := strings.Cut(login, "X-NSCP-WCAP-SESSION-ID:")
		id, _, _ = strings.Cut(id, "\r\n")
		if r := h.do(t, "", "GET", command+"&fmt-out=text/calendar&id="+id, ""); !strings.Contains(r.body, "X-NSCP-WCAP-ERRNO:0") {
			t.Fatal(r.body)
		}
	}
	wcap("carl", "/storeevents.wcap?calid=carl&uid=lunch&method=4&mod=4&attendees=PARTSTAT=DECLINED%5Emailto:carl@example.com")
	came("anna@example.com Declined: Lunch")
	// One date that goes is one mail, to who hears of changes too.
	wcap("ben", "/set_userprefs.wcap?set_attrs=ceNotifyEnable%3D1")
	series := h.do(t, "anna", "GET", object, "").body
	if r := h.do(t, "anna", "PUT", object, strings.Replace(series, "SUMMARY:", "LOCATION:Room 7\r\nSUMMARY:", 1), "Content-Type: text/calendar"); r.status/100 != 2 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	came("ben@example.com Changed: Lunch")
	series = h.do(t, "anna", "GET", object, "").body
	_, start, _ := strings.Cut(series, "DTSTART")
	start, _, _ = strings.Cut(start, "\r\n")
	if r := h.do(t, "anna", "PUT", object, strings.Replace(series, "RRULE:", "EXDATE"+start+"\r\nRRULE:", 1), "Content-Type: text/calendar"); r.status/100 != 2 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	came("ben@example.com Cancelled: Lunch", "carl@example.com Cancelled: Lunch")
	if r := h.do(t, "anna", "DELETE", object, ""); r.status/100 != 2 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	came("ben@example.com Cancelled: Lunch", "carl@example.com Cancelled: Lunch")
	// smtp=0: nobody outside is mailed about it.
	wcap("anna", "/storeevents.wcap?calid=anna&uid=quiet&storetype=1&method=2&summary=Quiet&smtp=0&dtstart=20301001T100000Z&dtend=20301001T110000Z&attendees=PARTSTAT=NEEDS-ACTION%5Emailto:zoe@far.example")
	quiet := func() string {
		return strings.ReplaceAll(h.everything(t, "anna", cal("anna"))["quiet.ics"], "\r\n ", "")
	}
	eventuallyShows(t, "what became of it", quiet, "SCHEDULE-STATUS=5.1:mailto:zoe@far.example")
	wcap("anna", "/storeevents.wcap?calid=anna&uid=loud&storetype=1&method=2&summary=Loud&dtstart=20301001T100000Z&dtend=20301001T110000Z&attendees=PARTSTAT=NEEDS-ACTION%5Emailto:zoe@far.example")
	came("zoe@far.example Invitation: Loud")
	wcap("anna", "/deleteevents_by_id.wcap?calid=anna&uid=loud&rid=0&mod=4&notify=1&smtp=0")
	eventuallyShows(t, "the journal", func() string { out, _ := calserver(t, "why", "-C", h.conf, "loud"); return out }, "\tfailed\tCANCEL\toutside\t5.1")
	came()
}
