package caldav

import (
	"regexp"
	"strings"
	"testing"

	"factotum/protocol/sitetest"
)

// TestClientsMeetings replays how programs schedule, line by line: as organizers
// and as attendees, each with what it is known to add, to lose and to rewrite.
// clients.md §§5, 7.
func TestClientsMeetings(t *testing.T) {
	for _, hosts := range []bool{false, true} {
		t.Run(map[bool]string{false: "one process", true: "two hosts"}[hosts], func(t *testing.T) {
			s := newMeetings(t, sitetest.Options{}, hosts)
			for _, st := range clientMeetings {
				t.Run(st.section, func(t *testing.T) {
					s.t, s.site.t = t, t
					st.play(t, players{s, strings.ReplaceAll(st.section, " ", "-")})
				})
			}
		})
	}
}

var (
	serverParams = regexp.MustCompile(`;(SCHEDULE-STATUS|X-FACTOTUM-REVISION)=("[^"]*"|[^;:]*)`)
	attendeeLine = regexp.MustCompile(`(?m)^ATTENDEE[^\r]*\r\n`)
)

// partstatOf writes somebody's answer as a program does.
func partstatOf(user, partstat string) func(string) string {
	line := regexp.MustCompile(`(ATTENDEE[^\r]*PARTSTAT=)[A-Z-]*([^\r]*:mailto:` + user + `@)`)
	return func(text string) string { return line.ReplaceAllString(text, "${1}"+partstat+"${2}") }
}

// put stores somebody's copy, with the condition that a program uses, and reads
// what is there afterwards where it is told to.
func (p players) put(user string, condition func(etag, tag string) string, edits ...func(string) string) {
	p.t.Helper()
	href := p.found(user, homeOf(user)+"calendar/", p.uid)
	got := p.do(user, "GET", href, "").is(200)
	text := strings.ReplaceAll(got.body, "\r\n ", "")
	for _, edit := range edits {
		text = edit(text)
	}
	headers := []string{"Content-Type: text/calendar; charset=utf-8"}
	if condition != nil {
		headers = append(headers, condition(got.header.Get("ETag"), got.header.Get("Schedule-Tag")))
	}
	p.do(user, "PUT", href, text, headers...).is(204)
}

func ifMatch(etag, _ string) string      { return "If-Match: " + etag }
func ifScheduleTag(_, tag string) string { return "If-Schedule-Tag-Match: " + tag }
func withoutServers(text string) string  { return serverParams.ReplaceAllString(text, "") }
func withoutUnknown(text string) string {
	return regexp.MustCompile(`(?m)^(X-|URL)[^\r]*\r\n`).ReplaceAllString(text, "")
}
func adding(lines ...string) func(string) string {
	return func(text string) string {
		return strings.Replace(text, "END:VEVENT", strings.Join(append(lines, "END:VEVENT"), "\r\n"), 1)
	}
}

var clientMeetings = []story{
	{"Apple organizes", func(t *testing.T, p players) {
		// The whole series each time, with e-mail parameters, alarms and its own properties.
		p.invite("RRULE:FREQ=DAILY;COUNT=5", "X-APPLE-TRAVEL-ADVISORY-BEHAVIOR:AUTOMATIC", "URL:https://example.com/x", "SEQUENCE:0",
			"BEGIN:VALARM\r\nX-WR-ALARMUID:A1\r\nUID:A1\r\nTRIGGER:-PT15M\r\nACTION:DISPLAY\r\nDESCRIPTION:Reminder\r\nEND:VALARM\r\nTRANSP:OPAQUE")
		p.has("ben", "X-APPLE-TRAVEL-ADVISORY-BEHAVIOR", "!VALARM", "URL:")
		p.put("anna", ifScheduleTag, replacing("SUMMARY:Meeting", "SUMMARY:Other", "SEQUENCE:0", "SEQUENCE:1"))
		p.has("ben", "SUMMARY:Other")
		p.put("ben", ifScheduleTag, partstatOf("ben", "ACCEPTED"))
		// She did not read that yet: her condition holds, and the answer stays.
		p.put("anna", ifScheduleTag, partstatOf("ben", "NEEDS-ACTION"), replacing("SUMMARY:Other", "SUMMARY:Third"))
		p.answers("ben", "ACCEPTED", "anna", "ben")
		p.has("anna", "VALARM", "X-WR-ALARMUID:A1")
	}},
	{"Apple answers", func(t *testing.T, p players) {
		p.invite("RRULE:FREQ=DAILY;COUNT=5")
		box := homeOf("ben") + "inbox/"
		p.settled()
		m := p.do("ben", "PROPFIND", box, propfind("CS:getctag", "D:sync-token"), "Depth: 0").multi()
		before := m.text(box, "CS:getctag")
		if came := p.inbox("ben"); len(came) != 1 {
			t.Fatalf("the inbox has %q", came)
		}
		var item string
		for _, href := range p.do("ben", "PROPFIND", box, propfind("D:getcontenttype", "D:getetag"), "Depth: 1").multi().order {
			if href != box && p.do("ben", "GET", href, "").is(200).contains("METHOD:REQUEST") != nil {
				item = href
			}
		}
		// One instance is declined with the whole series sent, a private comment and a default alarm.
		p.put("ben", ifScheduleTag, partstatOf("ben", "ACCEPTED"), adding("X-CALENDARSERVER-PRIVATE-COMMENT:late", "X-APPLE-NEEDS-REPLY:FALSE",
			"BEGIN:VALARM\r\nX-WR-ALARMUID:B1\r\nUID:B1\r\nTRIGGER:-PT10M\r\nX-APPLE-DEFAULT-ALARM:TRUE\r\nACTION:AUDIO\r\nEND:VALARM"))
		p.answers("ben", "ACCEPTED", "anna")
		p.has("anna", "!VALARM", "!X-APPLE-NEEDS-REPLY")
		if r := p.do("ben", "DELETE", item, ""); r.status != 204 && r.status != 404 {
			t.Errorf("the item, which it deletes: %d", r.status)
		}
		if now := p.do("ben", "PROPFIND", box, propfind("CS:getctag"), "Depth: 0").multi().text(box, "CS:getctag"); now == before {
			t.Error("the inbox has the CTag that it had")
		}
		p.put("anna", ifScheduleTag, replacing("SUMMARY:Meeting", "LOCATION:Room\r\nSUMMARY:Meeting"))
		p.has("ben", "LOCATION:Room", "X-WR-ALARMUID:B1", "X-CALENDARSERVER-PRIVATE-COMMENT:late")
		p.answers("ben", "ACCEPTED", "ben")
	}},
	{"Thunderbird organizes", func(t *testing.T, p players) {
		p.invite("CREATED:20260301T000000Z", "LAST-MODIFIED:20260301T000000Z", "X-MOZ-SEND-INVITATIONS:TRUE", "X-MOZ-SEND-INVITATIONS-UNDISCLOSED:FALSE")
		p.has("ben", "!X-MOZ")
		p.put("ben", ifMatch, partstatOf("ben", "TENTATIVE"))
		p.put("anna", ifMatch, withoutServers, replacing("20300310T12", "20300310T13", "END:VEVENT", "SEQUENCE:1\r\nX-MOZ-GENERATION:1\r\nEND:VEVENT"))
		p.answers("ben", "NEEDS-ACTION", "anna", "ben")
		p.has("ben", "DTSTART:20300310T130000Z", "!X-MOZ-GENERATION")
	}},
	{"Thunderbird invites by mail", func(t *testing.T, p players) {
		// "Prefer client-side e-mail scheduling": nobody hears of it from the server.
		text := strings.ReplaceAll(meetingOf(p.uid), "ATTENDEE;", "ATTENDEE;SCHEDULE-AGENT=CLIENT;")
		p.do("anna", "PUT", annasCal+p.uid+".ics", text, "If-None-Match: *").is(201)
		for _, who := range []string{"ben", "rosa"} {
			if got := p.copyOf(who); got != "" || len(p.inbox(who)) != 0 {
				t.Errorf("%s has\n%s", who, got)
			}
		}
		// It writes what it read in a reply by mail, and that stays.
		p.put("anna", ifMatch, partstatOf("ben", "ACCEPTED"))
		p.answers("ben", "ACCEPTED", "anna")
	}},
	{"Thunderbird answers", func(t *testing.T, p players) {
		p.invite("URL:https://example.com/x")
		// It puts properties in its own order, drops RSVP, and notes its alarms.
		p.put("ben", ifMatch, withoutServers, partstatOf("ben", "ACCEPTED"), replacing(";RSVP=TRUE", ""), func(text string) string {
			lines := attendeeLine.FindAllString(text, -1)
			text = attendeeLine.ReplaceAllString(text, "")
			return strings.Replace(text, "DTSTART", strings.Join(lines, "")+"CREATED:20260301T000000Z\r\nLAST-MODIFIED:20260302T000000Z\r\nX-MOZ-LASTACK:20260302T000000Z\r\nDTSTART", 1)
		})
		p.answers("ben", "ACCEPTED", "anna")
		p.put("ben", ifMatch, replacing("X-MOZ-LASTACK:20260302", "X-MOZ-LASTACK:20260303")) // tells nobody
		if n := len(p.inbox("anna")); n != 1 {
			t.Errorf("anna's inbox has %d items", n)
		}
		p.has("anna", "!X-MOZ-LASTACK")
	}},
	{"DAVx5 answers", func(t *testing.T, p players) {
		p.invite("X-UNKNOWN;X-P=1:kept", "RRULE:FREQ=WEEKLY;COUNT=4")
		// Android knows neither parameters of the server nor properties of others.
		p.put("ben", ifScheduleTag, withoutServers, withoutUnknown, partstatOf("ben", "DECLINED"), replacing(";RSVP=TRUE", "", "DTSTAMP:2026", "DTSTAMP:2027", "PRODID:", "PRODID:+//IDN bitfire.at//DAVx5//EN "))
		p.answers("ben", "DECLINED", "anna")
		p.put("anna", ifScheduleTag, withoutServers, replacing("SUMMARY:Meeting", "SUMMARY:Other"))
		p.has("ben", "SUMMARY:Other")
		p.answers("ben", "DECLINED", "ben")
	}},
	{"DAVx5 organizes", func(t *testing.T, p players) {
		p.invite("SEQUENCE:0", "STATUS:CONFIRMED")
		p.put("rosa", ifScheduleTag, partstatOf("rosa", "ACCEPTED"))
		p.put("anna", ifScheduleTag, withoutServers, partstatOf("rosa", "NEEDS-ACTION"), replacing("SEQUENCE:0", "SEQUENCE:1", "SUMMARY:Meeting", "SUMMARY:Other"))
		p.has("rosa", "SUMMARY:Other", "SEQUENCE:1")
	}},
	{"Evolution switches the server off and on", func(t *testing.T, p players) {
		text := strings.NewReplacer("ATTENDEE;", "ATTENDEE;SCHEDULE-AGENT=CLIENT;", "ORGANIZER:", "ORGANIZER;SCHEDULE-AGENT=CLIENT:").Replace(meetingOf(p.uid))
		p.do("anna", "PUT", annasCal+p.uid+".ics", text, "If-None-Match: *").is(201)
		p.put("anna", nil, partstatOf("ben", "ACCEPTED"))
		p.put("anna", nil, replacing("SCHEDULE-AGENT=CLIENT;", "", ";SCHEDULE-AGENT=CLIENT", ""))
		p.answers("ben", "ACCEPTED", "anna", "ben") // he is not asked anew
		p.answers("rosa", "NEEDS-ACTION", "anna", "rosa")
	}},
	{"Evolution leaves without a word", func(t *testing.T, p players) {
		p.invite()
		href := p.found("ben", homeOf("ben")+"calendar/", p.uid)
		p.do("ben", "DELETE", href, "", "Schedule-Reply: F").is(204)
		p.answers("ben", "NEEDS-ACTION", "anna")
	}},
	{"Outlook by CalDavSynchronizer", func(t *testing.T, p players) {
		p.invite("DESCRIPTION:Line one\\nLine two", "URL:https://example.com/x", "LOCATION:Room 1")
		// Outlook has no URL, rewrites ends of lines, and knows no event without STATUS, CLASS and busy status.
		p.put("ben", ifMatch, withoutServers, withoutUnknown, partstatOf("ben", "ACCEPTED"), replacing("Line one\\nLine two", "Line one \\n\\nLine two\\n"),
			adding("STATUS:CONFIRMED", "CLASS:PUBLIC", "PRIORITY:5", "X-MICROSOFT-CDO-BUSYSTATUS:BUSY", "TRANSP:OPAQUE"))
		p.answers("ben", "ACCEPTED", "anna")
		p.has("ben", "URL:", "DESCRIPTION:Line one\\nLine two", "X-MICROSOFT-CDO-BUSYSTATUS:BUSY")
		p.put("ben", ifMatch, withoutServers, partstatOf("ben", "DECLINED"))
		p.answers("ben", "DECLINED", "anna")
	}},
	{"KDE and scripts copy", func(t *testing.T, p players) {
		// What is copied from elsewhere has people who are not here, and is nobody's business.
		text := strings.NewReplacer("anna@example.com", "boss@elsewhere.example", "ben@", "x@", "rosa@", "y@").Replace(meetingOf(p.uid))
		p.do("anna", "PUT", annasCal+p.uid+".ics", text, "If-None-Match: *").is(201)
		p.has("anna", "!SCHEDULE-STATUS")
		p.do("anna", "DELETE", annasCal+p.uid+".ics", "").is(204)
	}},
}
