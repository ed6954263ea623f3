package delivery_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"factotum/protocol/sitetest"
	"factotum/server/calendar/calendartest"
	"factotum/server/observe/costtest"
)

// BenchmarkMeetings sets what a meeting costs beside the write of an event that
// concerns nobody else: the answer to its writer (put), the wait until the last
// attendee has it (seen), and the CPU of the process until then.
//
//	go test ./server/delivery -run '^$' -bench Meetings -benchtime 200x
func BenchmarkMeetings(b *testing.B) {
	names := []string{"anna", "ben", "carl", "nora", "zoe"}
	for i := len(names); i < 101; i++ {
		names = append(names, fmt.Sprintf("p%d", i))
	}
	invite := func(uid string, n int) string {
		lines := []string{"DTSTART:20300107T100000Z", "DTEND:20300107T110000Z", "SUMMARY:Plans"}
		if n > 0 {
			lines = append(lines, "ORGANIZER:mailto:anna@example.com")
		}
		for _, name := range names[1 : 1+n] {
			lines = append(lines, "ATTENDEE;RSVP=TRUE;PARTSTAT=NEEDS-ACTION:mailto:"+name+"@example.com")
		}
		return meeting(uid, lines...)
	}
	mine := regexp.MustCompile(`PARTSTAT=NEEDS-ACTION(:mailto:ben@)`)
	for _, hosts := range []bool{false, true} {
		s := newSiteOf(b, calendartest.NewPeople(names...), sitetest.SQLite, hosts)
		for _, k := range []struct {
			name      string
			attendees int
			reply     bool
		}{{"put", 0, false}, {"invite1", 1, false}, {"invite5", 5, false}, {"invite100", 100, false}, {"reply", 1, true}} {
			b.Run(fmt.Sprintf("hosts=%v/%s", hosts, k.name), func(b *testing.B) {
				s := &site{TB: b, be: s.be, people: s.people, settled: s.settled}
				var put, seen, used time.Duration
				for i := range b.N {
					uid := fmt.Sprintf("%s-%d-%d", k.name, b.N, i)
					user, name, text := "anna", uid+".ics", invite(uid, k.attendees)
					if k.reply {
						s.put(user, name, text)
						s.settled()
						user = "ben"
						s.until(user, uid, "SUMMARY")
						copied, o := s.copy(user, uid)
						name, text = o.Name, mine.ReplaceAllString(copied, "PARTSTAT=ACCEPTED$1")
					}
					before, start := costtest.CPU(), time.Now()
					s.put(user, name, text)
					put += time.Since(start)
					switch {
					case k.reply:
						s.until("anna", uid, "PARTSTAT=ACCEPTED")
					case k.attendees > 0:
						for _, name := range names[1 : 1+k.attendees] {
							s.until(name, uid, "SUMMARY")
						}
					}
					seen += time.Since(start)
					used += costtest.CPU() - before
					s.settled()
				}
				per := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 / float64(b.N) }
				b.ReportMetric(per(put), "put-ms")
				b.ReportMetric(per(seen), "seen-ms")
				b.ReportMetric(per(used), "cpu-ms")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// until waits for somebody's copy to have a text.
func (s *site) until(user, uid, text string) {
	for {
		if has, o := s.copy(user, uid); o != nil && strings.Contains(has, text) {
			return
		}
		time.Sleep(500 * time.Microsecond)
	}
}
