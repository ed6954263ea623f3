package itip_test

import (
	"strings"
	"testing"

	"factotum/server/ical"
	"factotum/server/itip"
)

func TestBare(t *testing.T) {
	cal, err := ical.Parse([]byte("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:u\r\nX-FACTOTUM-HELD:no\r\nx-factotum-other:no\r\nX-OTHER:yes\r\n"+
		"ATTENDEE;X-FACTOTUM-REVISION=9/20990101T000000Z;x-factotum-a=1;CN=Zoe:mailto:zoe@far.example\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"), ical.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	itip.Bare(cal)
	got := string(cal.Bytes())
	if strings.Contains(strings.ToUpper(got), "X-FACTOTUM") || !strings.Contains(got, "ATTENDEE;CN=Zoe:mailto:zoe@far.example\r\n") || !strings.Contains(got, "X-OTHER:yes\r\n") {
		t.Errorf("%s", got)
	}
}
