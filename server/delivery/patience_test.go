package delivery_test

import (
	"strings"
	"testing"
	"time"

	"factotum/protocol/sitetest"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/delivery"
	"factotum/server/service"
)

// TestAttemptsFillTheTime: a letter is tried for as long as gse.retryexpiredinterval
// says, whatever the pauses of gse.retryinterval are. admin.md §6.21.
func TestAttemptsFillTheTime(t *testing.T) {
	for _, c := range []struct{ pause, expires, want time.Duration }{
		{0, 0, 5 * 24 * time.Hour},
		{300 * time.Second, 86400 * time.Second, 24 * time.Hour},
		{time.Hour, time.Minute, time.Minute},
		{time.Second, time.Hour, time.Hour},
	} {
		k := (&delivery.Courier{Pause: c.pause, Expires: c.expires}).Kinds()[calendar.JobDeliver]
		longest := c.pause
		if longest == 0 {
			longest = time.Hour
		}
		var least, most time.Duration // by chance
		for n, pause := 1, k.First; n < k.Attempts; n++ {
			least, most = least+pause/2, most+pause
			pause = min(2*pause, longest)
		}
		if least > c.want+c.want/10 || most < c.want || most > 2*c.want+longest || k.Max != c.pause {
			t.Errorf("%v: %d attempts take from %v to %v, pauses up to %v", c, k.Attempts, least, most, k.Max)
		}
	}
}

// TestAnswersAreKept: gse.autorefreshreplystatus = "no". The organizer learns of an
// answer, the others do when he changes something.
func TestAnswersAreKept(t *testing.T) {
	s := &site{TB: t, people: calendartest.NewPeople("anna", "ben", "zoe")}
	clock := &sitetest.Clock{}
	one := sitetest.New(t, sitetest.Options{People: s.people, Scheduling: true, Clock: clock, Model: service.Options{KeepAnswers: true}})
	s.be, s.settled = one.Backend, func() { one.Settle(); clock.Add(time.Minute); one.Settle() }
	s.put("anna", "m.ics", invitation("m"))
	s.settled()
	s.answer("ben", "m", "ACCEPTED")
	s.settled()
	text, _ := s.copy("anna", "m")
	s.want("what anna knows of ben", param(text, "ATTENDEE", "ben", "PARTSTAT"), "ACCEPTED")
	zoes, _ := s.copy("zoe", "m")
	s.want("what zoe knows of him", param(zoes, "ATTENDEE", "ben", "PARTSTAT"), "NEEDS-ACTION")
	s.put("anna", "m.ics", strings.Replace(text, "SUMMARY:Plans", "SUMMARY:Other", 1))
	s.settled()
	zoes, _ = s.copy("zoe", "m")
	s.want("what she knows with the next change", param(zoes, "ATTENDEE", "ben", "PARTSTAT"), "ACCEPTED")
}
