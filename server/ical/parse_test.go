package ical

import "testing"

func TestParseSmoke(t *testing.T) {
	in := "BEGIN:VCALENDAR\r\nversion:2.0\r\nBEGIN:VEVENT\r\nATTENDEE;CN=\"a, b\";X=1,2:mailto:x@y\r\nBEGIN:VALARM\r\nEND:VALARM\r\nSUMMARY:a\r\n b\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	c, err := Parse([]byte(in), DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	want := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nATTENDEE;CN=\"a, b\";X=1,2:mailto:x@y\r\nSUMMARY:ab\r\nBEGIN:VALARM\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	if got := string(c.Bytes()); got != want {
		t.Fatalf("got %q", got)
	}
}
