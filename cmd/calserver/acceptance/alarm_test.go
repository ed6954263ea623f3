package acceptance

import (
	"net"
	"strings"
	"testing"
	"time"

	"factotum/notify/relay/smtptest"
)

// alarmed is an event with an alarm of a kind that fires at a time.
func alarmed(uid, action string, at time.Time, more ...string) string {
	start := at.UTC().Add(15 * time.Minute)
	lines := []string{"BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", "BEGIN:VEVENT", "UID:" + uid, "DTSTAMP:20260101T000000Z",
		"DTSTART:" + start.Format("20060102T150405Z"), "DTEND:" + start.Add(time.Hour).Format("20060102T150405Z"), "SUMMARY:Dentist " + uid, "LOCATION:Main Street",
		"BEGIN:VALARM", "ACTION:" + action, "DESCRIPTION:x", "SUMMARY:y", "TRIGGER:-PT15M"}
	return strings.Join(append(append(lines, more...), "END:VALARM", "END:VEVENT", "END:VCALENDAR", ""), "\r\n")
}

// soon is when reminders may be due that so many writes of a user come before: a little
// later at least, and more on a machine that takes long for a write. What is due before it
// is stored never comes. It is a whole second, as iCalendar has them.
func (h *host) soon(t testing.TB, user string, writes int, later time.Duration) time.Time {
	t.Helper()
	began := time.Now()
	h.do(t, user, "PUT", cal(user)+"later.ics", alarmed("later", "DISPLAY", began.Add(10000*time.Hour)), "Content-Type: text/calendar")
	return wholeSecond(time.Now().Add(max(later, 5*time.Duration(writes)*time.Since(began))))
}

// wholeSecond is the next one: what is written without fractions is due earlier else.
func wholeSecond(at time.Time) time.Time {
	return at.Add(time.Second - time.Nanosecond).Truncate(time.Second)
}

// An alarm with ACTION:EMAIL is mailed to its attendees, or to who set it, once: also
// one that was set by WCAP, and one that was due while the server was down. One that
// was deleted, or acknowledged, is not.
func TestAlarmsAreMailed(t *testing.T) {
	t.Parallel()
	sink := smtptest.Start(t, smtptest.Rules{})
	_, port, err := net.SplitHostPort(sink.Addr)
	if err != nil {
		t.Fatal(err)
	}
	h := installed(t, `caldb.smtphost = "127.0.0.1"`, `caldb.smtpport = "`+port+`"`).start(t)
	h.visit(t, "anna")
	put := func(uid, text string) {
		t.Helper()
		h.do(t, "anna", "PUT", cal("anna")+uid+".ics", text, "Content-Type: text/calendar").is(201)
	}
	soon := h.soon(t, "anna", 8, 4*time.Second)
	put("own", alarmed("own", "EMAIL", soon))
	put("two", alarmed("two", "EMAIL", soon, "ATTENDEE:mailto:ben@example.com", "ATTENDEE:mailto:zoe@far.example", "ATTENDEE:MAILTO:Ben@example.com"))
	put("shown", alarmed("shown", "DISPLAY", soon))
	put("gone", alarmed("gone", "EMAIL", soon))
	put("seen", alarmed("seen", "EMAIL", soon, "ACKNOWLEDGED:"+soon.UTC().Format("20060102T150405Z")))
	put("down", alarmed("down", "EMAIL", soon.Add(20*time.Second)))
	h.do(t, "anna", "DELETE", cal("anna")+"gone.ics", "").is(204)
	sink.Await(t, 3)
	time.Sleep(time.Second) // the server notes that these have been taken; what it could not note may come again
	if err := h.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-h.done
	time.Sleep(time.Until(soon.Add(21 * time.Second)))
	h.start(t)
	sink.Await(t, 4)
	time.Sleep(time.Second)
	got := map[string]string{}
	for _, m := range sink.Mails() {
		key := m.To + " " + m.Header("Subject")
		key = key[:strings.IndexByte(key+" (", '(')-1]
		if got[key] != "" {
			t.Errorf("%s came again", key)
		}
		got[key] = string(m.Data)
	}
	for _, want := range []string{"anna@example.com Reminder: Dentist own", "ben@example.com Reminder: Dentist two", "zoe@far.example Reminder: Dentist two", "anna@example.com Reminder: Dentist down"} {
		text, ok := got[want]
		if !ok {
			t.Errorf("no mail %q; there are %d", want, len(got))
			continue
		}
		for _, part := range []string{"Auto-Submitted: auto-generated", "From: ", "<anna@example.com>", "Main Street", "text/html", `filename="event.ics"`} {
			if !strings.Contains(text, part) {
				t.Errorf("%s has no %q:\n%s", want, part, text)
			}
		}
	}
	if len(got) != 4 {
		t.Errorf("%d mails: %v", len(got), got)
	}
}
