package acceptance

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"factotum/cmd/internal/hosttest"
)

// TestStandbyHasOtherZones: a standby whose system has a newer zone database takes over, and
// tells which events meant another hour by the one that they were stored with.
func TestStandbyHasOtherZones(t *testing.T) {
	t.Parallel()
	needNames(t)
	newer, err := os.ReadFile("/usr/share/zoneinfo/tzdata.zi")
	if err != nil {
		missing(t, "tzdata, with the zone database that an older one is made of,")
	}
	s := laySiteOfThree(t, standbyConf("yes"))
	a, b := movingBacks[0], movingBacks[1]
	// As it was before Mexico gave up summer time.
	older := regexp.MustCompile(`(?m)^R m 2002 2022 `).ReplaceAllString(string(newer), "R m 2002 ma ")
	older = regexp.MustCompile(`^.*`).ReplaceAllString(older, "# version 2022e")
	path := filepath.Join(s.dir, "old.zi")
	hosttest.Write(t, path, older)
	if out, err := s.tool("zones", "-C", s.conf(a), "update", "--older", path); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, host := range s.hosts() {
		if host != movingFront {
			s.start(host)
		}
	}
	s.start(movingFront)
	if got := s.paired(); got != a {
		t.Fatalf("%s serves at first", got)
	}
	c := s.client("anna")
	event := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:zone\r\nDTSTAMP:20250101T000000Z\r\nSUMMARY:By name\r\n" +
		"DTSTART;TZID=America/Mexico_City:20270601T090000\r\nDURATION:PT1H\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	if r, err := c.Send(t.Context(), "PUT", "/dav/calendars/anna/calendar/zone.ics", event, "Content-Type", "text/calendar; charset=utf-8"); err != nil || r.Status != 201 {
		t.Fatal(err, r)
	}
	says := func(host string, want string, args ...string) {
		t.Helper()
		var out string
		for end := time.Now().Add(hosttest.Patience); ; time.Sleep(50 * time.Millisecond) {
			if out, err = s.tool(append([]string{"csdst", "-C", s.conf(host)}, args...)...); strings.Contains(out, want) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("csdst %v on %s: %v\n%s\n%s", args, host, err, out, s.said[host])
			}
		}
	}
	says(a, "used with one zone database only", "zones")
	if out, err := s.tool("standby", "switch", "-C", s.conf(a)); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := s.paired(); got != b {
		t.Fatalf("%s serves after a hand-over", got)
	}
	says(b, "America/Mexico_City", "zones")
	says(b, "2027-06-01T15:00Z, not 2027-06-01T14:00Z", "preview")
}
