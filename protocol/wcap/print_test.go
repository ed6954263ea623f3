package wcap

import (
	"testing"

	"factotum/server/ical"
)

func TestPrint(t *testing.T) {
	cal, err := ical.Parse([]byte("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:a\\, <b>\r\nDTSTART;TZID=Europe/Berlin:20260501T100000\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"), ical.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	props := []ical.Property{{Name: "X-NSCP-CALPROPS-RELATIVE-CALID", Value: "anna:work"}}
	for _, c := range []struct{ form, want string }{
		{"text/xml", `<?xml version="1.0" encoding="UTF-8"?>
<iCalendar>
<iCal version="2.0" prodid="-//Sun/Calendar Server//EN" METHOD="PUBLISH">
<X-NSCP-CALPROPS-RELATIVE-CALID>anna:work</X-NSCP-CALPROPS-RELATIVE-CALID>
<EVENT>
<UID>1</UID>
<SUMMARY>a, &lt;b&gt;</SUMMARY>
<START TZID="Europe/Berlin">20260501T100000</START>
</EVENT>
</iCal>
</iCalendar>
`},
		{"text/calendar", "BEGIN:VCALENDAR\r\nPRODID:-//Sun/Calendar Server//EN\r\nMETHOD:PUBLISH\r\nVERSION:2.0\r\nX-NSCP-CALPROPS-RELATIVE-CALID:anna:work\r\n" +
			"BEGIN:VEVENT\r\nUID:1\r\nSUMMARY:a\\, <b>\r\nDTSTART;TZID=Europe/Berlin:20260501T100000\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"},
	} {
		if got := string(Print(c.form, props, cal.Children)); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.form, got, c.want)
		}
	}
}
