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
		// It sends the whole series, with a private comment and a default alarm.
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
	{"Apple declines an instance", func(t *testing.T, p players) {
		p.invite("RRULE:FREQ=DAILY;COUNT=5")
		p.put("ben", ifScheduleTag, partstatOf("ben", "ACCEPTED"))
		// The whole series again, with an exception that has no SUMMARY of its own to say.
		p.put("ben", ifScheduleTag, exceptionOf("20300311", "DTSTART:20300311T120000Z\r\nSUMMARY:Meeting"), func(text string) string {
			at := strings.LastIndex(text, "BEGIN:VEVENT")
			return text[:at] + partstatOf("ben", "DECLINED")(text[at:])
		})
		p.answers("ben", "ACCEPTED", "anna")
		p.has("anna", "RECURRENCE-ID:20300311T120000Z", "PARTSTAT=DECLINED")
		// The next change of the series leaves that as it is.
		p.put("anna", ifScheduleTag, replacing("SUMMARY:Meeting", "SUMMARY:Other"))
		p.has("ben", "SUMMARY:Other", "PARTSTAT=DECLINED")
	}},
	{"Apple invites without parameters, and takes all back", func(t *testing.T, p players) {
		// Invitees that are added later have neither PARTSTAT nor RSVP nor ROLE; the organizer stands twice.
		text := regexp.MustCompile(`ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:(\w+)@`).ReplaceAllString(meetingOf(p.uid), `ATTENDEE;CN=$1;CUTYPE=INDIVIDUAL;EMAIL=$1@example.com:mailto:$1@`)
		text = strings.Replace(text, "ATTENDEE;PARTSTAT=ACCEPTED:mailto:anna", "ATTENDEE;CN=Anna;EMAIL=anna@example.com;ROLE=CHAIR;PARTSTAT=ACCEPTED:mailto:anna", 1)
		p.do("anna", "PUT", annasCal+strings.ToUpper(p.uid)+".ics", text).is(201)
		p.has("ben", "PARTSTAT=NEEDS-ACTION", "SUMMARY:Meeting")
		if came := p.inbox("rosa"); len(came) != 1 {
			t.Errorf("rosa's inbox has %q", came)
		}
		p.answer("rosa", "ACCEPTED")
		// When the last invitee goes, so do all ATTENDEEs and the ORGANIZER.
		p.put("anna", ifScheduleTag, func(text string) string {
			return regexp.MustCompile(`(?m)^(ATTENDEE|ORGANIZER)[^\r]*\r\n`).ReplaceAllString(text, "")
		})
		for _, who := range []string{"ben", "rosa"} {
			p.has(who, "STATUS:CANCELLED")
		}
		p.has("anna", "!CANCELLED", "!ORGANIZER", "SUMMARY:Meeting")
	}},
	{"Apple deletes what it was invited to", func(t *testing.T, p players) {
		p.invite()
		p.do("ben", "DELETE", p.found("ben", homeOf("ben")+"calendar/", p.uid), "").is(204)
		p.answers("ben", "DECLINED", "anna")
		if left := p.inbox("ben"); len(left) != 0 {
			t.Errorf("his inbox has %q", left)
		}
	}},
	{"Apple and Thunderbird store an invitation that came by mail too", func(t *testing.T, p players) {
		p.invite()
		href := p.found("ben", homeOf("ben")+"calendar/", p.uid)
		if want := homeOf("ben") + "calendar/" + p.uid + ".ics"; href != want {
			t.Errorf("the copy is %s, want %s", href, want)
		}
		mailed := strings.Replace(meetingOf(p.uid), "PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:ben", "PARTSTAT=ACCEPTED:mailto:ben", 1)
		p.do("ben", "PUT", href, mailed, "If-None-Match: *").is(412)                                                                              // Thunderbird, KDE, Evolution: by the UID
		p.do("ben", "PUT", homeOf("ben")+"calendar/6A0F-UUID.ics", mailed).is(409, "C:no-uid-conflict").contains("<D:href>" + href + "</D:href>") // Apple: by a name of its own
		p.answers("ben", "NEEDS-ACTION", "ben", "anna")
		if n := p.do("ben", "REPORT", homeOf("ben")+"calendar/", query(in(`<C:prop-filter name="UID"><C:text-match collation="i;octet">`+p.uid+`</C:text-match></C:prop-filter>`), "D:getetag")).multi(); len(n.order) != 1 {
			t.Errorf("he has it at %q", n.order)
		}
		p.put("ben", ifScheduleTag, partstatOf("ben", "ACCEPTED"))
		p.answers("ben", "ACCEPTED", "anna")
	}},
	{"Thunderbird answers by mail", func(t *testing.T, p players) {
		// Its own PARTSTAT, and that the server is to say nothing: RFC 6638 §7.1.
		p.invite()
		p.put("ben", ifMatch, withoutServers, partstatOf("ben", "ACCEPTED"), replacing("ORGANIZER", "ORGANIZER;SCHEDULE-AGENT=CLIENT"))
		p.answers("ben", "ACCEPTED", "ben")
		p.answers("ben", "NEEDS-ACTION", "anna")
		if came := p.inbox("anna"); len(came) != 0 {
			t.Errorf("anna's inbox has %q", came)
		}
		p.put("anna", ifMatch, withoutServers, replacing("SUMMARY:Meeting", "SUMMARY:Other"))
		p.has("ben", "SUMMARY:Other", "SCHEDULE-AGENT=CLIENT")
	}},
	{"Thunderbird overwrites after a conflict", func(t *testing.T, p players) {
		p.invite()
		href := annasCal + p.uid + ".ics"
		p.settled()
		old := p.do("anna", "GET", href, "").is(200)
		p.answer("ben", "ACCEPTED")
		p.settled()
		text := withoutServers(strings.ReplaceAll(old.body, "\r\n ", ""))
		text = strings.Replace(text, "SUMMARY:Meeting", "SUMMARY:Mine", 1)
		p.do("anna", "PUT", href, text, "If-Match: "+old.header.Get("ETag")).is(412)
		p.do("anna", "PUT", href, text).is(204) // "overwrite?" was answered with yes
		p.answers("ben", "ACCEPTED", "anna", "ben")
		p.has("ben", "SUMMARY:Mine")
	}},
	{"Thunderbird is invited to an instance", func(t *testing.T, p players) {
		// To an exception alone, of which it makes a series of its own: X-MOZ-FAKED-MASTER.
		text := strings.Replace(meetingOf(p.uid), "SUMMARY", "RRULE:FREQ=DAILY;COUNT=5\r\nSUMMARY", 1)
		text = regexp.MustCompile(`ATTENDEE[^\r]*ben[^\r]*\r\n`).ReplaceAllString(text, "")
		text = exceptionOf("20300311", "DTSTART:20300311T120000Z\r\nSUMMARY:With Ben\r\nATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:ben@example.com")(text)
		p.do("anna", "PUT", annasCal+p.uid+".ics", text).is(201)
		p.has("ben", "RECURRENCE-ID:20300311T120000Z", "SUMMARY:With Ben", "!RRULE")
		if got := p.copyOf("ben"); strings.Count(got, "BEGIN:VEVENT") != 1 || !strings.Contains(got, "ORGANIZER") {
			t.Errorf("ben has\n%s", got)
		}
		p.put("ben", ifMatch, withoutServers, partstatOf("ben", "ACCEPTED"), adding("X-MOZ-LASTACK:20300301T000000Z"))
		p.has("anna", "PARTSTAT=ACCEPTED;SCHEDULE-STATUS=2.0")
		p.answers("rosa", "NEEDS-ACTION", "anna")
	}},
	{"DAVx5 deletes", func(t *testing.T, p players) {
		p.invite()
		href := p.found("ben", homeOf("ben")+"calendar/", p.uid)
		tag := p.do("ben", "GET", href, "").header.Get("Schedule-Tag")
		p.put("anna", ifScheduleTag, withoutServers, replacing("20300310T12", "20300310T15"))
		p.settled()
		p.do("ben", "DELETE", href, "", "If-Schedule-Tag-Match: "+tag).is(412) // it did not know of the other time
		tag = p.do("ben", "GET", href, "").header.Get("Schedule-Tag")
		p.do("ben", "DELETE", href, "", "If-Schedule-Tag-Match: "+tag).is(204)
		p.answers("ben", "DECLINED", "anna")
		// As organizer it calls the meeting off.
		tag = p.do("anna", "GET", annasCal+p.uid+".ics", "").header.Get("Schedule-Tag")
		p.do("anna", "DELETE", annasCal+p.uid+".ics", "", "If-Schedule-Tag-Match: "+tag).is(204)
		p.has("rosa", "STATUS:CANCELLED")
	}},
	{"Evolution moves to another calendar", func(t *testing.T, p players) {
		// PUT there, DELETE here: the first is refused, and nothing is called off by the way.
		p.invite()
		p.settled()
		if r := p.do("anna", "MKCALENDAR", annasHome+"evolution/", ""); r.status != 201 && r.status != 403 && r.status != 405 {
			r.is(201)
		}
		p.do("anna", "PUT", annasHome+"evolution/"+p.uid+".ics", meetingOf(p.uid), "If-None-Match: *").is(403, "C:unique-scheduling-object-resource").contains("<D:href>" + annasCal + p.uid + ".ics</D:href>")
		p.has("ben", "!CANCELLED", "SUMMARY:Meeting")
		p.moved("anna", "MOVE", annasCal+p.uid+".ics", annasHome+"evolution/"+p.uid+".ics").is(201)
		p.has("ben", "!CANCELLED", "SUMMARY:Meeting")
		if n := len(p.inbox("ben")); n != 1 {
			t.Errorf("ben's inbox has %d items", n)
		}
		p.do("anna", "DELETE", annasHome+"evolution/"+p.uid+".ics", "").is(204)
	}},
	{"Evolution detaches an instance", func(t *testing.T, p players) {
		// RECURRENCE-ID and RRULE in one component.
		p.invite("RRULE:FREQ=DAILY;COUNT=5")
		p.put("anna", ifMatch, exceptionOf("20300312", "DTSTART:20300312T150000Z\r\nRRULE:FREQ=DAILY;COUNT=5\r\nSUMMARY:Detached"))
		p.has("ben", "RECURRENCE-ID:20300312T120000Z", "DTSTART:20300312T150000Z", "SUMMARY:Detached")
		p.do("anna", "DELETE", annasCal+p.uid+".ics", "", "Schedule-Reply: F").is(204) // is of attendees alone: RFC 6638 §8.1
		p.has("ben", "STATUS:CANCELLED")
	}},
	{"CalDavSynchronizer organizes", func(t *testing.T, p players) {
		// Outlook sends the mails, or SOGo is told to keep quiet, which is nobody else's business.
		text := strings.ReplaceAll(meetingOf(p.uid), "ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:rosa", "ATTENDEE;SCHEDULE-AGENT=CLIENT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:rosa")
		text = strings.Replace(text, "SUMMARY", "X-SOGO-SEND-APPOINTMENT-NOTIFICATIONS:NO\r\nX-MICROSOFT-CDO-BUSYSTATUS:BUSY\r\nX-ALT-DESC;FMTTYPE=text/html:<b>x</b>\r\nSUMMARY", 1)
		p.do("anna", "PUT", annasCal+p.uid+".ics", text, "If-None-Match: *").is(201)
		p.has("ben", "SUMMARY:Meeting", "PARTSTAT=NEEDS-ACTION")
		if got := p.copyOf("rosa"); got != "" {
			t.Errorf("whom Outlook invites has\n%s", got)
		}
		p.answer("ben", "ACCEPTED")
		p.put("anna", ifMatch, withoutServers, partstatOf("rosa", "ACCEPTED"), replacing("SUMMARY:Meeting", "SUMMARY:Other"))
		p.answers("ben", "ACCEPTED", "anna", "ben")
		p.answers("rosa", "ACCEPTED", "anna", "ben")
		p.has("ben", "SUMMARY:Other")
	}},
}
