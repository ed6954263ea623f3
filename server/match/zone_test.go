package match

import (
	"testing"
)

// TestRFC4791_5_2_2_TimezoneName: a calendar-timezone describes one zone.
func TestRFC4791_5_2_2_TimezoneName(t *testing.T) {
	zone := func(name string) string {
		return "VTIMEZONE\nTZID:" + name + "\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0100\nEND:STANDARD"
	}
	for _, c := range []struct{ text, want string }{
		{string(vcalendar(zone("Home"))), "Home"},
		{string(vcalendar(zone("Home"), "VEVENT\nUID:u")), "Home"},
		{string(vcalendar(zone("Home"), zone("Away"))), ""},
		{string(vcalendar("VEVENT\nUID:u")), ""},
		{string(vcalendar("VTIMEZONE\nX-A:b")), ""},
		{"Europe/Berlin", ""},
	} {
		got, err := TimezoneName(c.text)
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%.60q: %q, %v", c.text, got, err)
		}
	}
}
