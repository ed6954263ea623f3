package edit

import (
	"strings"
	"testing"

	"factotum/server/ical"
)

// An edit keeps the zones that times name, however the two spell the name, and
// drops the others. RFC 5545 §3.8.3.1.
func TestRFC5545_3_8_3_1_EditKeepsZones(t *testing.T) {
	zone := func(tzid, inside string) string {
		return "BEGIN:VTIMEZONE\r\nTZID:" + tzid + "\r\n" + inside + "END:VTIMEZONE\r\n"
	}
	const usable = "BEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0300\r\nTZOFFSETTO:+0300\r\nEND:STANDARD\r\n"
	for _, c := range []struct{ name, zones, tzid, want string }{
		{"escaped", zone(`(UTC+00:00) Dublin\, Edinburgh`, usable), `"(UTC+00:00) Dublin, Edinburgh"`, `(UTC+00:00) Dublin\, Edinburgh`},
		{"as Exchange writes it", zone("(UTC+00:00) Dublin, Edinburgh", usable), `"(UTC+00:00) Dublin, Edinburgh"`, "(UTC+00:00) Dublin, Edinburgh"},
		{"the first unusable", zone("A", "") + zone("A", usable), "A", "A"},
		{"the second unusable", zone("A", usable) + zone("A", ""), "A", "A"},
		{"unusable, but all there is", zone("A", ""), "A", "A"},
		{"not used", zone("A", usable), "B", ""},
	} {
		cal, err := ical.Parse([]byte("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n"+c.zones+
			"BEGIN:VEVENT\r\nUID:1\r\nDTSTART;TZID="+c.tzid+":20260301T090000\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"), ical.Limits{})
		if err != nil {
			t.Fatal(c.name, err)
		}
		if err := defineZones(cal); err != nil {
			t.Fatal(c.name, err)
		}
		got := ""
		if z := cal.Child("VTIMEZONE"); z != nil {
			got = z.Value("TZID")
			if strings.Contains(c.zones, "BEGIN:STANDARD") && z.Child("STANDARD") == nil {
				t.Errorf("%s: the unusable zone was kept", c.name)
			}
		}
		if n := strings.Count(string(cal.Bytes()), "BEGIN:VTIMEZONE"); got != c.want || n > 1 {
			t.Errorf("%s: %d zones, %q, want %q", c.name, n, got, c.want)
		}
	}
}
