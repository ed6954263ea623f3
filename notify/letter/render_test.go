package letter

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"factotum/notify/locale"
	"factotum/server/ical"
	"factotum/server/recur"
	"factotum/server/zone"
)

// sunReminder is the example of notifications.md §2.6, sunPublish that of notifications.md §2.7.
const (
	sunReminder = "EVENT REMINDER\n~~MIME-Version: 1.0%N\n~~Content-Type: text/plain; charset=%s%N\n~~Content-Transfer-Encoding: %x%N%N\n" +
		"    Summary: %s%N\n      Start: %(%a, %d %b %Y %I:%M %p)B%N\n        End: %(%a, %d %b %Y %I:%M %p)E%N\n   Location: %L%N%N\nDescription: %N%d%N\n"
	sunPublish = "EVENT PUBLICATION\n~~MIME-Version: 1.0%N\n~~Content-Type: multipart/mixed; boundary=\"%b\"%N%N\nThis is a multi-part message in MIME format.%N\n" +
		"~~--%b%N\n~~Content-Type: text/plain; charset=%s%N\n~~Content-Transfer-Encoding: %x%N%N\n    Summary: %s%N\n~~--%b%N\n" +
		"~~Content-Type: text/calendar; method=%m; component=%c; charset=%s%N\n~~Content-Transfer-Encoding: %x%N%N\n" +
		"BEGIN:VCALENDAR%N\nPRODID:-//iPlanet/Calendar Hosting Server//EN%N\nMETHOD:PUBLISH%N\nVERSION:2.0%N\nBEGIN:VEVENT%N\nORGANIZER;CN=\"%h\":%K%N\nDTSTAMP:%Zn%N\n" +
		"DTSTART:%ZB%N\nDTEND:%ZE%N\nSUMMARY:%s%N\nUID:%U%N\n%R\n%A\n%a\n%e\n%l\nSEQUENCE:%S%N\nLOCATION:%L%N\nGEO:%G%N\n%F\nSTATUS:%t%N\nEND:VEVENT%N\nEND:VCALENDAR%N\n~~--%b--\n"
)

// failer is a test of whatever kind.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func parsed(t testing.TB, lines ...string) *ical.Component {
	t.Helper()
	cal, err := ical.Parse([]byte(strings.Join(lines, "\r\n")+"\r\n"), ical.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return cal
}

// event is a message about a meeting in Berlin, for a reader there.
func event(t testing.TB, method string, more ...string) *Input {
	t.Helper()
	lines := []string{"BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:x", "BEGIN:VEVENT", "UID:4711", "DTSTAMP:20260101T000000Z", "DTSTART;TZID=Europe/Berlin:20260303T100000",
		"DTEND;TZID=Europe/Berlin:20260303T110000", "SUMMARY:Budget", "ORGANIZER;CN=Ann Lee:mailto:ann@example.com", "ATTENDEE;CN=Bert;PARTSTAT=ACCEPTED:mailto:bert@example.com"}
	cal := parsed(t, append(append(lines, more...), "END:VEVENT", "END:VCALENDAR")...)
	if method != "" {
		cal.Set("METHOD", method)
	}
	berlin, ok := zone.Load("Europe/Berlin")
	if !ok {
		t.Fatal("no zone")
	}
	return &Input{Message: cal, Now: time.Date(2026, 2, 1, 9, 30, 0, 0, time.UTC), Zone: berlin}
}

func render(t testing.TB, file string, in *Input) Mail {
	t.Helper()
	tmpl, list := Parse("test.fmt", []byte(file))
	if tmpl == nil {
		t.Fatal(list)
	}
	m, err := tmpl.Render(in)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// text renders lines of a plain text, decoded.
func text(t testing.TB, body string, in *Input) string {
	t.Helper()
	return leavesOf(t, render(t, "S\n"+body, in))[0].text
}

// read is a part as a mail program reads it.
type readPart struct{ typ, text string }

// leavesOf reads a mail with Go's library.
func leavesOf(t failer, m Mail) []readPart {
	t.Helper()
	msg, err := mail.ReadMessage(bytes.NewReader(m.Append(nil, false)))
	if err != nil {
		t.Fatal(err)
	}
	var walk func(h interface{ Get(string) string }, body io.Reader) []readPart
	walk = func(h interface{ Get(string) string }, body io.Reader) (list []readPart) {
		typ, params, err := mime.ParseMediaType(h.Get("Content-Type"))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(typ, "multipart/") {
			parts := multipart.NewReader(body, params["boundary"])
			for {
				p, err := parts.NextRawPart()
				if err == io.EOF {
					return list
				}
				if err != nil {
					t.Fatalf("%v\n%s", err, m.Body)
				}
				list = append(list, walk(p.Header, p)...)
			}
		}
		switch h.Get("Content-Transfer-Encoding") {
		case "base64":
			body = base64.NewDecoder(base64.StdEncoding, body)
		case "quoted-printable":
			body = quotedprintable.NewReader(body)
		}
		data, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		return []readPart{{typ, string(data)}}
	}
	return walk(msg.Header, msg.Body)
}

// checkMail: what holds of every mail.
func checkMail(t failer, m Mail) {
	t.Helper()
	if strings.ContainsAny(m.Subject, "\r\n\x00\u2028\u2029\u0085") {
		t.Fatalf("the subject has several lines: %q", m.Subject)
	}
	raw := m.Append(nil, false)
	for i, c := range raw {
		if c == 0 || c >= 0x80 || c == '\n' && (i == 0 || raw[i-1] != '\r') || c == '\r' && (i+1 == len(raw) || raw[i+1] != '\n') {
			t.Fatalf("octet %d, %#x, cannot be sent: %.200q", i, c, raw[max(0, i-100):])
		}
	}
	for line := range bytes.SplitSeq(raw, []byte("\r\n")) {
		if len(line) > 998 {
			t.Fatalf("a line of %d octets", len(line))
		}
	}
}

func TestSunReminder(t *testing.T) {
	in := event(t, "", "LOCATION:Green Conference Room", "DESCRIPTION:This is the description\\nfor an event.")
	m := render(t, sunReminder, in)
	checkMail(t, m)
	want := "Subject: EVENT REMINDER\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\n" +
		"    Summary: Budget\r\n      Start: Tue, 03 Mar 2026 10:00 AM\r\n        End: Tue, 03 Mar 2026 11:00 AM\r\n   Location: Green Conference Room\r\n\r\n" +
		"Description: \r\nThis is the description\r\nfor an event.\r\n"
	if diff := cmp.Diff(want, string(m.Append(nil, false))); diff != "" {
		t.Error(diff)
	}
}

// TestSunPublish: the VEVENT that Sun's example writes by hand is one, folded and
// escaped, without the properties that have no value. notifications.md §2.7.
func TestSunPublish(t *testing.T) {
	in := event(t, "", "LOCATION:Room 5\\, 2nd floor\\; left", "DESCRIPTION:Line 1\\nLine 2 "+strings.Repeat("long ", 30), "RRULE:FREQ=WEEKLY;COUNT=3",
		"EXDATE;TZID=Europe/Berlin:20260310T100000", "RDATE;VALUE=PERIOD:20260401T100000Z/PT1H", "SEQUENCE:2")
	m := render(t, sunPublish, in)
	checkMail(t, m)
	parts := leavesOf(t, m)
	if !strings.HasPrefix(string(m.Body), "This is a multi-part message in MIME format.\r\n--=_") || len(parts) != 2 || parts[1].typ != "text/calendar" {
		t.Fatalf("%s", m.Body)
	}
	want := "BEGIN:VCALENDAR\r\nPRODID:-//iPlanet/Calendar Hosting Server//EN\r\nMETHOD:PUBLISH\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nORGANIZER;CN=Ann Lee:mailto:ann@example.com\r\n" +
		"DTSTAMP:20260201T093000Z\r\nDTSTART:20260303T090000Z\r\nDTEND:20260303T100000Z\r\nSUMMARY:Budget\r\nUID:4711\r\nEXDATE:20260310T090000Z\r\n" +
		"RDATE;VALUE=PERIOD:20260401T100000Z/PT1H\r\nRRULE:FREQ=WEEKLY;COUNT=3\r\nSEQUENCE:2\r\nLOCATION:Room 5\\, 2nd floor\\; left\r\n"
	got := parts[1].text
	if !strings.HasPrefix(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	cal, err := ical.Parse([]byte(got), ical.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if problems := ical.Validate(cal); len(problems) > 0 {
		t.Error(problems)
	}
	if d := cal.Children[0].Text("DESCRIPTION"); !strings.HasPrefix(d, "Line 1\nLine 2 long") {
		t.Errorf("description %q", d)
	}
	for line := range strings.SplitSeq(got, "\r\n") {
		if len(line) > 75 {
			t.Errorf("not folded: %q", line)
		}
	}
}

// TestWholeDays: dates stay dates, and people are told the last day.
func TestWholeDays(t *testing.T) {
	in := event(t, "")
	c := in.Message.Children[0]
	c.SetDateTime("DTSTART", ical.DateTime{Year: 2026, Month: 3, Day: 3})
	c.SetDateTime("DTEND", ical.DateTime{Year: 2026, Month: 3, Day: 5})
	c.SetDateTime("RECURRENCE-ID", ical.DateTime{Year: 2026, Month: 3, Day: 2})
	got := leavesOf(t, render(t, sunPublish, in))[1].text
	for _, want := range []string{"\r\nDTSTART;VALUE=DATE:20260303\r\n", "\r\nDTEND;VALUE=DATE:20260305\r\n", "\r\nRECURRENCE-ID;VALUE=DATE:20260302\r\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %s", want, got)
		}
	}
	if got := text(t, "%w|%B|%E|%0|%ZE|%b|%W|%f", in); got != "Tuesday, 3 March 2026 – Wednesday, 4 March 2026|Mar 03, 2026|Mar 04, 2026|03/03/2026|20260304|20260303/20260305|Tue 3 March|this date only, of a series\r\n" {
		t.Errorf("%q", got)
	}
}

// TestCodes: every code of events, in a plain text. notifications.md §2.4.
func TestCodes(t *testing.T) {
	in := event(t, "REPLY", "CREATED:20260101T080000Z", "LAST-MODIFIED:20260102T080000Z", "CLASS:private", "DESCRIPTION:A\\nB", "EXRULE:FREQ=DAILY", "GEO:47.3;8.5", "PRIORITY:5",
		"RECURRENCE-ID:20260303T090000Z", "SEQUENCE:7", "STATUS:CONFIRMED", "LOCATION:Room", "RRULE:FREQ=WEEKLY", "EXDATE:20260310T090000Z,20260317T090000Z", "RDATE:20260401T090000Z",
		"COMMENT:Fine", "URL:https://x.example/", "BEGIN:VALARM", "ACTION:DISPLAY", "TRIGGER:-PT5M", "DESCRIPTION:x", "END:VALARM")
	in.Message.Children[0].Add(ical.Property{Name: "ATTENDEE", Params: []ical.Param{{Name: "CN", Values: []string{"Carl"}}}, Value: "mailto:carl@example.com"})
	for code, want := range map[string]string{
		"%0": "Tue 03 Mar 2026 10:00:00", "%1": "Tue 03 Mar 2026 11:00:00", "%A": "20260310T090000Z;20260317T090000Z", "%a": "20260401T090000Z",
		"%B": "Mar 03, 2026 10:00:00 Europe/Berlin", "%ZB": "20260303T090000Z", "%(%H:%M)B": "10:00", "%b": "20260303T090000Z/20260303T100000Z",
		"%ZC": "20260101T080000Z", "%c": "PRIVATE", "%D": "", "%d": "A\r\nB", "%ZE": "20260303T100000Z", "%e": "FREQ=DAILY", "%F": "A\r\nB", "%G": "47.3;8.5",
		"%g": "ann@example.com", "%K": "mailto:ann@example.com", "%k": "1", "%L": "Room", "%l": "FREQ=WEEKLY", "%ZM": "20260102T080000Z", "%Zn": "20260201T093000Z",
		"%P": "5", "%Zr": "20260303T090000Z", "%R": "20260303T090000Z", "%S": "7", "%s": "Budget", "%t": "CONFIRMED", "%U": "4711", "%%": "%",
		"%o": "Bert", "%O": "bert@example.com", "%p": "accepted", "%h": "Ann Lee", "%i": "Bert (accepted) and Carl (no answer yet)", "%j": "Fine", "%u": "https://x.example/",
		"%V": "Bert has accepted.", "%v": "Accepted", "%W": "Tue 3 March, 10:00", "%w": "Tuesday, 3 March 2026, 10:00 – 11:00 (Europe/Berlin)", "%f": "this date only, of a series",
	} {
		if got := text(t, "<"+code+">%N", in); got != "<"+want+">\r\n" {
			t.Errorf("%s: %q, want %q", code, got, want)
		}
	}
}

func TestTaskCodes(t *testing.T) {
	in := event(t, "REQUEST")
	in.Again = true
	in.Message.Children[0] = parsed(t, "BEGIN:VCALENDAR", "BEGIN:VTODO", "UID:1", "DTSTART:20260301T080000Z", "DUE;TZID=Europe/Berlin:20260306T170000", "ORGANIZER:mailto:ann@example.com",
		"ATTENDEE;PARTSTAT=IN-PROCESS:mailto:bert@example.com", "END:VTODO", "END:VCALENDAR").Children[0]
	for code, want := range map[string]string{"%D": "Mar 06, 2026 17:00:00 Europe/Berlin", "%E": "20260306T160000Z", "%(%H)E": "17", "%w": "Friday, 6 March 2026, 17:00 (Europe/Berlin)",
		"%W": "Fri 6 March, 17:00", "%v": "Task changed", "%h": "ann@example.com", "%i": "bert@example.com (under way)"} {
		if got := text(t, "<"+code+">%N", in); got != "<"+want+">\r\n" {
			t.Errorf("%s: %q, want %q", code, got, want)
		}
	}
}

// TestLinesLeftOut: %? and the brackets of a subject.
func TestLinesLeftOut(t *testing.T) {
	in := event(t, "REQUEST")
	if got := text(t, "%?Where: %L%N\n%?What: %s %L%N\n%?%N%d%N\nEnd%N", in); got != "What: Budget \r\nEnd\r\n" {
		t.Errorf("%q", got)
	}
	for subject, want := range map[string]string{"%s (%W; %f)": "Budget (Tue 3 March, 10:00)", "%s (%f; %W), from %h": "Budget (Tue 3 March, 10:00), from Ann Lee",
		"%s (%f), %L": "Budget", "%s (x)": "Budget (x)", "%s\u00a0: %L": "Budget"} {
		if m := render(t, subject+"\nText", in); m.Subject != want {
			t.Errorf("%s: %q, want %q", subject, m.Subject, want)
		}
	}
}

// TestZones: a reader elsewhere reads his own hours, also of a series that ends.
func TestZones(t *testing.T) {
	in := event(t, "REQUEST", "RRULE:FREQ=WEEKLY;BYDAY=TU;UNTIL=20260630T220000Z")
	tokyo, _ := zone.Load("Asia/Tokyo")
	in.Message.Children[0].Prop("DTSTART").Value = "20260303T200000"
	in.Message.Children[0].Prop("DTEND").Value = "20260303T210000"
	in.Zone = tokyo
	in.Manner, _ = locale.Find("ja")
	if got := text(t, "%w|%f|%(%Z %z)B", in); got != "2026年3月4日(水) 04:00 ～ 05:00 (Asia/Tokyo)|毎週水曜日、2026年7月1日まで|Asia/Tokyo +0900\r\n" {
		t.Errorf("%q", got)
	}
	in.Zone, in.Manner = nil, locale.Manner{}
	if got := text(t, "%w|%f", in); got != "Tuesday, 3 March 2026, 19:00 – 20:00 (UTC)|every Tuesday, until 30 June 2026\r\n" {
		t.Errorf("%q", got)
	}
}

// TestBoundary: a text that has the boundary gets another one.
func TestBoundary(t *testing.T) {
	file := "S\n~~Content-Type: multipart/mixed; boundary=\"%b\"%N%N\n~~--%b%N%N\n%d%N\n~~--%b%N%N\nTwo%N\n~~--%b--%N\n"
	in := event(t, "REQUEST")
	m := render(t, file, in)
	_, rest, _ := strings.Cut(string(m.Header), "boundary=\"")
	boundary, _, _ := strings.Cut(rest, "\"")
	in.Message.Children[0].SetText("DESCRIPTION", "a\n--"+boundary+"\nContent-Type: text/html\n\n<b>\n--"+boundary+"--\n")
	parts := leavesOf(t, render(t, file, in))
	if len(parts) != 2 || !strings.Contains(parts[0].text, boundary+"--") || parts[1].text != "Two\r\n" {
		t.Errorf("%q", parts)
	}
}

// TestMethod: the METHOD of MIME and that of the text are one. RFC 6047 §2.4.
func TestMethod(t *testing.T) {
	file := "S\n~~Content-Type: text/calendar; method=%m; component=%c; charset=%s%N%N\n%I\n"
	for _, c := range []struct{ method, text, want string }{{"", "CANCEL", "CANCEL"}, {"REPLY", "REQUEST", "REQUEST"}, {"CANCEL", "", "CANCEL"}, {"", "", "PUBLISH"}} {
		in := event(t, c.text)
		in.Method = c.method
		before := string(in.Message.Bytes())
		m := render(t, file, in)
		if want := "Content-Type: text/calendar; method=" + c.want + "; component=VEVENT;"; !strings.Contains(string(m.Header), want) {
			t.Errorf("%v: %s", c, m.Header)
		}
		if got := leavesOf(t, m)[0].text; strings.Count(got, "\r\nMETHOD:") != 1 || !strings.Contains(got, "\r\nMETHOD:"+c.want+"\r\n") {
			t.Errorf("%v: %s", c, got)
		}
		if string(in.Message.Bytes()) != before {
			t.Errorf("%v: the input was changed", c)
		}
	}
}

// TestRemoved: who is not invited any more is not told that it is called off.
func TestRemoved(t *testing.T) {
	in := event(t, "CANCEL")
	called := text(t, "%v: %V", in)
	in.Removed = true
	if got := text(t, "%v: %V", in); got != "No longer invited: You need not come any more: Ann Lee has taken back the invitation to you.\r\n" || called != "Cancelled: Unfortunately, this will not take place: Ann Lee has called it off.\r\n" {
		t.Errorf("%q, %q", called, got)
	}
}

// TestNoEnd: what has no end is given none.
func TestNoEnd(t *testing.T) {
	in := event(t, "REQUEST")
	in.Message.Children[0].Del("DTEND")
	if got := text(t, "%E|%w|%b", in); got != "|Tuesday, 3 March 2026, 10:00 (Europe/Berlin)|20260303T090000Z\r\n" {
		t.Errorf("%q", got)
	}
	if got := leavesOf(t, render(t, sunPublish, in))[1].text; strings.Contains(got, "DTEND") {
		t.Error(got)
	}
}

// TestInstance: a reminder is of the instance that it is about.
func TestInstance(t *testing.T) {
	in := event(t, "", "RRULE:FREQ=WEEKLY")
	set, err := recur.Compile(in.Message.Children, recur.ZonesOf(in.Message))
	if err != nil {
		t.Fatal(err)
	}
	for one, err := range set.Between(t.Context(), time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 4, 8, 0, 0, 0, 0, time.UTC), in.Zone, recur.Budget{}) {
		if err != nil {
			t.Fatal(err)
		}
		in.Instance = &one
	}
	if got := text(t, "%w|%f|%Zr|%v", in); got != "Tuesday, 7 April 2026, 10:00 – 11:00 (Europe/Berlin)|this date only, of a series|20260407T080000Z|Reminder\r\n" {
		t.Errorf("%q", got)
	}
}

func TestNothing(t *testing.T) {
	tmpl, _ := Parse("x", []byte("S"))
	if _, err := tmpl.Render(&Input{Message: parsed(t, "BEGIN:VCALENDAR", "END:VCALENDAR")}); err == nil {
		t.Error("a mail about nothing")
	}
	m := render(t, "S", event(t, ""))
	if checkMail(t, m); len(m.Body) != 0 {
		t.Errorf("%q", m.Body)
	}
}

// TestNotices: which mail tells of what. notifications.md §5.
func TestNotices(t *testing.T) {
	for _, c := range []struct {
		answer string
		recurs bool
		want   Name
	}{{"ACCEPTED", false, AcceptNotice}, {"ACCEPTED", true, AcceptNoticeRecur}, {"DECLINED", true, DeclineNoticeRecur}, {"TENTATIVE", false, TentativeNotice},
		{"TENTATIVE", true, TentativeNoticeRecur}, {"NEEDS-ACTION", false, ""}, {"DELEGATED", true, ""}} {
		if got, ok := ByAnswer(c.answer, c.recurs); got != c.want || ok != (c.want != "") {
			t.Errorf("%v: %s %v", c, got, ok)
		}
	}
	if ForGuest(false, true) != InvitationNoticeRecur || ForGuest(true, false) != CancellationNotice || ForGuest(true, true) != CancellationNoticeRecur {
		t.Error("notices for guests")
	}
	for method, want := range map[string]Name{"REQUEST": EventRequest, "ADD": EventRequest, "DECLINECOUNTER": EventRequest, "COUNTER": EventReply, "CANCEL": EventCancel, "PUBLISH": EventPublish} {
		if got := ByMethod(method, false); got != want {
			t.Errorf("%s: %s", method, got)
		}
	}
	if ByMethod("REPLY", true) != TodoReply || fmt.Sprint(len(Names())) != "25" {
		t.Error("names")
	}
}
