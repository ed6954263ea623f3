package object

import (
	"strings"
	"testing"

	"factotum/server/calendar"
)

// TestMediaTypes: a text is stored in UTF-8, whatever its media type names;
// what is no iCalendar is told by what it was said to be.
func TestMediaTypes(t *testing.T) {
	text := string(textOf("VEVENT\nUID:u\nDTSTART:20260105T090000Z\nSUMMARY:Café"))
	latin := strings.Replace(text, "é", "\xe9", 1)
	wide := "\xfe\xff"
	for _, r := range text {
		wide += string([]byte{byte(r >> 8), byte(r)})
	}
	japanese := strings.Replace(text, "é", "\x1b$B\x26\x46\x1b(B", 1)
	if r, err := Parse(rules, []byte(japanese), "text/calendar; charset=iso-2022-jp"); err != nil || !strings.Contains(string(r.Data), "SUMMARY:Cafζ") {
		t.Errorf("ISO-2022-JP: %v", err)
	}
	for _, c := range []struct{ name, data, contentType, want string }{
		{"UTF-8", text, "text/calendar; charset=utf-8", ""},
		{"no type", text, "", ""},
		{"another type", text, "application/octet-stream", ""},
		{"Latin-1", latin, "text/calendar; charset=iso-8859-1", ""},
		{"Latin-9", latin, "text/calendar; charset=ISO-8859-15", ""},
		{"UTF-16", wide, "text/calendar; charset=UTF-16", ""},
		{"UTF-16 in this order", wide[2:], "text/calendar; charset=utf-16be", ""},
		{"called Latin-1", text, "text/calendar; charset=iso-8859-1", ""},
		{"called UTF-16", text, "text/calendar; charset=utf-16", ""},
		{"Latin-1 by no name", latin, "text/calendar", "valid-calendar-data"},
		{"Latin-1 by a wrong one", latin, "text/calendar; charset=utf-8", "valid-calendar-data"},
		{"an unknown set", latin, "text/calendar; charset=x-1", "valid-calendar-data"},
		{"XML", "<a/>", "text/xml; charset=iso-8859-1", "supported-calendar-data"},
		{"no iCalendar", "<a/>", "Text/Calendar;charset=utf-8", "valid-calendar-data"},
		{"no iCalendar, no type", "<a/>", "", "valid-calendar-data"},
		{"another calendar", strings.Replace(text, "SUMMARY", "RRULE:RSCALE=CHINESE;FREQ=YEARLY\r\nSUMMARY", 1), "text/calendar", string(calendar.SupportedRScale)},
	} {
		r, err := Parse(rules, []byte(c.data), c.contentType)
		switch {
		case err != nil && string(calendar.ReasonOf(err)) != c.want, err == nil && c.want != "":
			t.Errorf("%s: %v", c.name, err)
		case err == nil && string(r.Data) != text:
			t.Errorf("%s: stored as %q", c.name, r.Data)
		}
	}
}
