package caldav

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"factotum/protocol/sitetest"
	"factotum/server/acl"
	"factotum/server/calendar"
)

// TestRFC6638_AppendixB plays its examples, and the stories of RFC 5546 §§4.2, 4.4,
// over CalDAV: organizer and attendees in one process and on two hosts, on both
// engines. Anna is Cyrus, or organizer A; ben is Wilfredo, or B; rosa is Bernard, or
// C, on the other host.
func TestRFC6638_AppendixB(t *testing.T) {
	for _, engine := range []sitetest.Engine{sitetest.SQLite, sitetest.Postgres} {
		for _, hosts := range []bool{false, true} {
			t.Run(fmt.Sprintf("postgres=%v/hosts=%v", engine == sitetest.Postgres, hosts), func(t *testing.T) {
				t.Parallel()
				s := newMeetings(t, sitetest.Options{Engine: engine}, hosts)
				for i, st := range slices.Concat(appendixB, rfc5546) {
					t.Run(st.section, func(t *testing.T) {
						s.t, s.site.t = t, t
						st.play(t, players{s, fmt.Sprint("u", i)})
					})
				}
			})
		}
	}
}

type story struct {
	section string
	play    func(t *testing.T, p players)
}

// players play a story about one UID.
type players struct {
	meetings
	uid string
}

// invite stores an organizer's meeting with ben and rosa, whose further lines are
// given, and reads what was stored.
func (p players) invite(lines ...string) {
	p.t.Helper()
	text := strings.Replace(meetingOf(p.uid), "SUMMARY", strings.Join(append(lines, "SUMMARY"), "\r\n"), 1)
	p.do("anna", "PUT", annasCal+p.uid+".ics", text, "If-None-Match: *").is(201)
}

func (p players) copyOf(user string) string {
	p.t.Helper()
	return p.text(user, homeOf(user)+"calendar/", p.uid)
}

// write stores somebody's copy changed, under the condition that he has the newest.
func (p players) write(user string, edit func(text string) string) {
	p.t.Helper()
	href := p.found(user, homeOf(user)+"calendar/", p.uid)
	got := p.do(user, "GET", href, "").is(200)
	next := edit(strings.ReplaceAll(got.body, "\r\n ", ""))
	p.do(user, "PUT", href, next, "If-Schedule-Tag-Match: "+got.header.Get("Schedule-Tag")).is(204)
}

func (p players) answer(user, partstat string) {
	p.t.Helper()
	line := regexp.MustCompile(`(ATTENDEE[^\r]*PARTSTAT=)[A-Z-]*([^\r]*:mailto:` + user + `@)`)
	p.write(user, func(text string) string { return line.ReplaceAllString(text, "${1}"+partstat+"${2}") })
}

// inbox are the messages in somebody's inbox about the story.
func (p players) inbox(user string) (texts []string) {
	p.t.Helper()
	p.settled()
	box := homeOf(user) + "inbox/"
	for _, href := range p.do(user, "PROPFIND", box, propfind("D:getetag"), "Depth: 1").multi().order {
		if href == box {
			continue
		}
		if text := p.do(user, "GET", href, "").is(200).body; strings.Contains(text, "UID:"+p.uid+"\r\n") {
			texts = append(texts, strings.ReplaceAll(text, "\r\n ", ""))
		}
	}
	return texts
}

// has checks that somebody's copy contains texts; those that begin with ! it does not.
func (p players) has(user string, texts ...string) {
	p.t.Helper()
	got := p.copyOf(user)
	for _, want := range texts {
		if want, no := strings.CutPrefix(want, "!"); strings.Contains(got, want) == no {
			p.t.Errorf("%s: %q is there: %v\n%s", user, want, !no, got)
		}
	}
}

func (p players) answers(of string, want string, at ...string) {
	p.t.Helper()
	for _, user := range at {
		if got := answerOf(p.copyOf(user), of); got != want {
			p.t.Errorf("%s has %s's answer as %q, want %q", user, of, got, want)
		}
	}
}

func replacing(pairs ...string) func(string) string { return strings.NewReplacer(pairs...).Replace }

// exceptionOf adds an exception for a day of the series of a story, made of the
// master with another line.
func exceptionOf(day, line string) func(string) string {
	return func(text string) string {
		from := strings.Index(text, "BEGIN:VEVENT")
		end := strings.Index(text, "END:VEVENT") + len("END:VEVENT\r\n")
		one := regexp.MustCompile(`(?m)^(RRULE|SUMMARY|DTSTART|EXDATE|RDATE)[^\r]*\r\n`).ReplaceAllString(text[from:end], "")
		one = strings.Replace(one, "END:VEVENT", "RECURRENCE-ID:"+day+"T120000Z\r\n"+line+"\r\nEND:VEVENT", 1)
		return strings.Replace(text, "END:VCALENDAR", one+"END:VCALENDAR", 1)
	}
}

var appendixB = []story{
	{"B.1-B.4", func(t *testing.T, p players) {
		p.do("anna", "PUT", annasCal+p.uid+".ics", strings.Replace(meetingOf(p.uid), "SUMMARY", "ATTENDEE;CN=Mike:mailto:mike@example.org\r\nSUMMARY", 1), "If-None-Match: *").is(201)
		p.has("anna", "SCHEDULE-STATUS=1.2:mailto:ben@", "SCHEDULE-STATUS=1.2:mailto:rosa@", "SCHEDULE-STATUS=5.1:mailto:mike@")
		for _, who := range []string{"ben", "rosa"} { // B.2
			came := p.inbox(who)
			if len(came) != 1 || !strings.Contains(came[0], "METHOD:REQUEST") || strings.Contains(came[0], "SCHEDULE-STATUS") {
				t.Fatalf("%s's inbox has %q", who, came)
			}
			p.has(who, "PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:"+who, "!METHOD")
		}
		p.answer("ben", "ACCEPTED")                          // B.3
		p.has("ben", ":mailto:anna@", "SCHEDULE-STATUS=1.2") // beside the server's own parameters, in any order
		if left := p.inbox("ben"); len(left) != 0 {
			t.Errorf("what was answered is in the inbox: %q", left)
		}
		came := p.inbox("anna") // B.4
		if len(came) != 1 || !strings.Contains(came[0], "METHOD:REPLY") || strings.Count(came[0], "ATTENDEE") != 1 || !strings.Contains(came[0], "REQUEST-STATUS:2.0") {
			t.Errorf("anna's inbox has %q", came)
		}
		p.answers("ben", "ACCEPTED", "anna", "ben")
		p.has("anna", "SCHEDULE-STATUS=2.0")
	}},
	{"B.5", func(t *testing.T, p players) {
		p.invite()
		p.answer("ben", "ACCEPTED")
		ask := strings.ReplaceAll(busyText("mailto:anna@example.com", []string{"mailto:ben@example.com", "mailto:rosa@example.com", "mailto:mike@example.org"}), "20260310", "20300310")
		ask = strings.ReplaceAll(ask, "20260311", "20300311")
		r := p.do("anna", "POST", annasOutbox, ask, "Content-Type: text/calendar").is(200)
		r.contains("FBTYPE=BUSY:20300310T120000Z/20300310T130000Z", "FBTYPE=BUSY-TENTATIVE:20300310T120000Z/20300310T130000Z", "5.1;")
		for _, who := range []string{"ben@example.com", "rosa@example.com", "mike@example.org"} {
			r.contains("<D:href>mailto:" + who + "</D:href>")
		}
		r.lacks("Meeting")
	}},
	{"B.6", func(t *testing.T, p players) {
		text := strings.NewReplacer("anna@", "ben@", "ben@", "anna@").Replace(meetingOf(p.uid))
		bens := homeOf("ben") + "calendar/"
		put := func(text string) *reply { return p.do("anna", "PUT", bens+p.uid+".ics", text) }
		put(text).is(403, "D:need-privileges").contains("write-content")
		lacks := func(r *reply, privilege string) {
			t.Helper()
			r.is(403, "D:need-privileges").contains("<D:href>"+homeOf("ben")+"outbox/</D:href>", "<C:"+privilege+"/>")
		}
		allow := func(list string) {
			t.Helper()
			l := acl.MustParse(list)
			if _, err := p.be.UpdateCalendar(t.Context(), p.people.Actor("ben"), calendar.UpdateCalendarRequest{ID: "ben", ACL: &l}); err != nil {
				t.Fatal(err)
			}
		}
		defer allow(acl.DefaultCalendar)
		// To write in a calendar is not to speak for its owner.
		allow("anna^a^rwd^g;" + acl.DefaultCalendar)
		lacks(put(text), "schedule-send-invite")
		if got := p.copyOf("rosa"); got != "" {
			t.Errorf("rosa has\n%s", got)
		}
		allow("anna^a^rwd^g;anna^c^i^g;" + acl.DefaultCalendar)
		put(text).is(201)
		p.has("rosa", `ORGANIZER;SENT-BY="mailto:anna@example.com"`, "SUMMARY:Meeting")
		p.has("ben", `SENT-BY="mailto:anna@example.com"`)
		lacks(p.do("anna", "DELETE", bens+p.uid+".ics", ""), "schedule-send-invite")
		allow("anna^a^rwd^g;anna^c^c^g;" + acl.DefaultCalendar)
		lacks(put(strings.Replace(text, "Meeting", "Other", 1)), "schedule-send-invite")
		p.do("anna", "DELETE", bens+p.uid+".ics", "").is(204)
		p.has("rosa", "STATUS:CANCELLED", `SENT-BY="mailto:anna@example.com"`)
		// Nor is it to answer for him.
		text = strings.NewReplacer("anna@", "rosa@", "rosa@", "anna@").Replace(meetingOf(p.uid + "-2"))
		p.do("rosa", "PUT", homeOf("rosa")+"calendar/"+p.uid+"-2.ics", text).is(201)
		p.settled()
		href := p.found("ben", bens, p.uid+"-2")
		answer := regexp.MustCompile(`PARTSTAT=NEEDS-ACTION([^\r]*:mailto:ben)`).ReplaceAllString(p.do("anna", "GET", href, "").is(200).body, "PARTSTAT=ACCEPTED$1")
		lacks(p.do("anna", "PUT", href, answer), "schedule-send-reply")
		lacks(p.do("anna", "DELETE", href, ""), "schedule-send-reply")
		allow("anna^a^rwd^g;anna^c^e^g;" + acl.DefaultCalendar)
		p.do("anna", "PUT", href, answer).is(204)
		p.settled()
		p.uid += "-2"
		p.answers("ben", "ACCEPTED", "rosa")
		p.has("rosa", `SENT-BY="mailto:anna@example.com"`)
	}},
	{"B.7", func(t *testing.T, p players) {
		p.invite("RRULE:FREQ=DAILY;COUNT=5")
		p.answer("rosa", "ACCEPTED")
		p.write("rosa", exceptionOf("20300311", "DTSTART:20300311T120000Z\r\nSUMMARY:Meeting"))
		p.write("rosa", func(text string) string {
			at := strings.Index(text, "RECURRENCE-ID")
			from := strings.LastIndex(text[:at], "BEGIN:VEVENT")
			return text[:from] + regexp.MustCompile(`PARTSTAT=ACCEPTED([^\r]*:mailto:rosa)`).ReplaceAllString(text[from:], "PARTSTAT=DECLINED$1")
		})
		p.answers("rosa", "ACCEPTED", "anna")
		p.has("anna", "RECURRENCE-ID:20300311T120000Z", "PARTSTAT=DECLINED")
		came := p.inbox("anna")
		if len(came) == 0 || !strings.Contains(came[len(came)-1], "RECURRENCE-ID:20300311T120000Z") && !strings.Contains(came[0], "RECURRENCE-ID:20300311T120000Z") {
			t.Errorf("anna's inbox has %q", came)
		}
	}},
	{"B.8", func(t *testing.T, p players) {
		p.invite("RRULE:FREQ=DAILY;COUNT=5")
		p.answer("rosa", "ACCEPTED")
		p.write("rosa", replacing("SUMMARY", "EXDATE:20300312T120000Z\r\nSUMMARY"))
		p.has("rosa", "EXDATE")
		p.answers("rosa", "ACCEPTED", "anna")
		p.has("anna", "RECURRENCE-ID:20300312T120000Z", "PARTSTAT=DECLINED", "!EXDATE")
	}},
	{"3.2.3.1, 3.2.10: what a write does to tags", func(t *testing.T, p players) {
		p.invite()
		href := p.found("ben", homeOf("ben")+"calendar/", p.uid)
		tag := func() string { p.settled(); return p.do("ben", "GET", href, "").header.Get("Schedule-Tag") }
		was := tag()
		p.answer("rosa", "TENTATIVE") // of no consequence for ben
		if now := tag(); now != was {
			t.Errorf("another's answer moves the tag from %s to %s", was, now)
		}
		p.write("anna", replacing("SUMMARY:Meeting", "SUMMARY:Other"))
		if now := tag(); now == was {
			t.Errorf("another title leaves the tag %s", now)
		}
		p.do("ben", "PUT", href, meetingOf(p.uid), "If-Schedule-Tag-Match: "+was).is(412)
	}},
	{"7.1: agents", func(t *testing.T, p players) {
		text := strings.Replace(meetingOf(p.uid), "ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:rosa", "ATTENDEE;SCHEDULE-AGENT=CLIENT;PARTSTAT=NEEDS-ACTION:mailto:rosa", 1)
		p.do("anna", "PUT", annasCal+p.uid+".ics", text).is(201)
		if got := p.copyOf("rosa"); got != "" {
			t.Errorf("whom the client invites has\n%s", got)
		}
		p.has("ben", "SUMMARY:Meeting", "!SCHEDULE-AGENT")
		p.write("anna", replacing("SCHEDULE-AGENT=CLIENT;", ""))
		p.has("rosa", "SUMMARY:Meeting")
		p.write("anna", func(text string) string {
			return regexp.MustCompile(`(ATTENDEE)([^\r]*:mailto:rosa)`).ReplaceAllString(text, "$1;SCHEDULE-AGENT=NONE$2")
		})
		p.has("rosa", "STATUS:CANCELLED")
	}},
}

var rfc5546 = []story{
	{"RFC 5546 §4.2.1-4.2.3, 4.2.9: request, reply, update, cancel", func(t *testing.T, p players) {
		p.invite()
		p.answer("ben", "ACCEPTED")
		p.answer("rosa", "DECLINED")
		p.answers("ben", "ACCEPTED", "anna")
		p.answers("rosa", "DECLINED", "anna")
		p.write("anna", replacing("20300310T12", "20300310T16"))
		p.answers("ben", "NEEDS-ACTION", "anna", "ben")
		p.has("rosa", "DTSTART:20300310T160000Z", "SEQUENCE:1")
		p.do("anna", "DELETE", annasCal+p.uid+".ics", "").is(204)
		p.has("ben", "STATUS:CANCELLED")
		p.has("rosa", "STATUS:CANCELLED")
	}},
	{"RFC 5546 §4.2.5: delegate", func(t *testing.T, p players) {
		p.do("anna", "PUT", annasCal+p.uid+".ics", regexp.MustCompile(`ATTENDEE[^\r]*rosa[^\r]*\r\n`).ReplaceAllString(meetingOf(p.uid), "")).is(201)
		p.write("ben", func(text string) string {
			text = regexp.MustCompile(`ATTENDEE;PARTSTAT=NEEDS-ACTION([^\r]*):mailto:ben@example.com`).ReplaceAllString(text, `ATTENDEE;PARTSTAT=DELEGATED;DELEGATED-TO="mailto:rosa@example.com"$1:mailto:ben@example.com`)
			return strings.Replace(text, "SUMMARY", `ATTENDEE;PARTSTAT=NEEDS-ACTION;DELEGATED-FROM="mailto:ben@example.com":mailto:rosa@example.com`+"\r\nSUMMARY", 1)
		})
		p.answers("ben", "DELEGATED", "anna")
		p.has("rosa", "DELEGATED-FROM", "SUMMARY:Meeting")
		p.answer("rosa", "ACCEPTED")
		p.answers("rosa", "ACCEPTED", "anna")
	}},
	{"RFC 5546 §4.2.10: remove an attendee", func(t *testing.T, p players) {
		p.invite()
		p.has("rosa", "SUMMARY:Meeting")
		p.write("anna", func(text string) string {
			return regexp.MustCompile(`ATTENDEE[^\r]*rosa[^\r]*\r\n`).ReplaceAllString(text, "")
		})
		p.has("rosa", "STATUS:CANCELLED")
		p.has("ben", "!CANCELLED", "!rosa")
	}},
	{"RFC 5546 §4.4.2, 4.4.3: an instance is changed, another called off", func(t *testing.T, p players) {
		p.invite("RRULE:FREQ=DAILY;COUNT=5")
		p.answer("ben", "ACCEPTED")
		p.write("anna", exceptionOf("20300311", "DTSTART:20300311T150000Z\r\nSUMMARY:Later"))
		p.has("ben", "RECURRENCE-ID:20300311T120000Z", "DTSTART:20300311T150000Z", "SUMMARY:Later")
		p.answers("ben", "ACCEPTED", "ben", "anna") // of the series
		p.write("anna", replacing("SUMMARY:Meeting", "EXDATE:20300312T120000Z\r\nSUMMARY:Meeting"))
		p.has("ben", "EXDATE:20300312T120000Z", "SUMMARY:Later")
		p.answers("ben", "ACCEPTED", "anna", "ben")
		p.write("anna", replacing("RRULE", "STATUS:CANCELLED\r\nRRULE")) // 4.4.4
		p.has("rosa", "STATUS:CANCELLED")
	}},
	{"RFC 5546 §4.4.5, 4.4.6: the rest of a series goes, an instance comes", func(t *testing.T, p players) {
		p.invite("RRULE:FREQ=DAILY;COUNT=5")
		p.answer("ben", "ACCEPTED")
		p.write("anna", replacing("COUNT=5", "COUNT=2"))
		p.has("ben", "COUNT=2")
		p.answers("ben", "ACCEPTED", "ben") // nothing that he has not accepted
		p.write("anna", replacing("SUMMARY", "RDATE:20300320T120000Z\r\nSUMMARY"))
		p.has("ben", "RDATE:20300320T120000Z")
		p.answers("ben", "NEEDS-ACTION", "anna", "ben")
	}},
	{"3.2.6: an alias of the invited address", func(t *testing.T, p players) {
		text := strings.NewReplacer("ORGANIZER:mailto:anna@", "ORGANIZER:mailto:rosa@", "PARTSTAT=ACCEPTED:mailto:anna@", "PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:a.berg@",
			"PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:rosa@", "PARTSTAT=ACCEPTED:mailto:rosa@").Replace(meetingOf(p.uid))
		p.do("rosa", "PUT", homeOf("rosa")+"calendar/"+p.uid+".ics", text).is(201)
		p.has("anna", "RSVP=TRUE:mailto:a.berg@")

		p.write("anna", replacing("PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:a.berg@", "PARTSTAT=DECLINED:mailto:a.berg@"))
		p.answers("a.berg", "DECLINED", "rosa")
	}},
}
