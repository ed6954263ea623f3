package zone

import (
	"strings"
	"testing"
	"time"
)

func TestFloating(t *testing.T) {
	vtimezone := func(tzid, offset string) string {
		return "BEGIN:VCALENDAR\r\nBEGIN:VTIMEZONE\r\nTZID:" + tzid + "\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:" + offset + "\r\nTZOFFSETTO:" + offset +
			"\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\nEND:VCALENDAR\r\n"
	}
	otherwise, _ := Load("Asia/Tokyo")
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		text, tzid string
		hour       int // of noon, in UTC
	}{
		{"", "", 3}, {"", "No/Where", 3}, {"", "America/New_York", 17}, {"", "Eastern Standard Time", 17},
		{vtimezone("Far West", "-0700"), "America/New_York", 19}, {"not a zone", "America/New_York", 17}, {vtimezone("x", "nothing"), "", 3},
		{strings.ReplaceAll(vtimezone("x", "+0100"), "VTIMEZONE", "VEVENT"), "", 3},
	} {
		if got := Floating(c.text, c.tzid, otherwise).ToUTC(noon).Hour(); got != c.hour {
			t.Errorf("%q, %q: noon is %d h UTC, want %d", c.text, c.tzid, got, c.hour)
		}
		read := c.tzid
		if c.text != "" {
			read = c.text
		}
		want := c.hour
		if want == 3 || c.text == "not a zone" {
			want = 12
		}
		if got := Read(read).ToUTC(noon).Hour(); got != want {
			t.Errorf("%q: noon is %d h UTC, want %d", read, got, want)
		}
	}
}
