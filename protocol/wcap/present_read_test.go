package wcap

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/zone"
)

// TestReadLikeParse: taking the time zones out of a text first changes nothing
// of what is read, wherever they stand and however they are written.
func TestReadLikeParse(t *testing.T) {
	vtimezone := func(id, offset string) string {
		return "BEGIN:VTIMEZONE\nTZID:" + id + "\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:" + offset + "\nTZOFFSETTO:" + offset + "\nEND:STANDARD\nEND:VTIMEZONE\n"
	}
	const head, end = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n", "END:VCALENDAR\n"
	const event = "BEGIN:VEVENT\nUID:u\nDTSTART;TZID=A:20260301T090000\nSUMMARY:BEGIN:VTIMEZONE\nBEGIN:VALARM\nTRIGGER:PT0S\nEND:VALARM\nEND:VEVENT\n"
	texts := map[string]string{
		"none":             head + event + end,
		"one":              head + vtimezone("A", "+0300") + event + end,
		"one again":        head + vtimezone("A", "+0300") + event + end,
		"same name":        head + vtimezone("A", "-0500") + event + end,
		"two":              head + vtimezone("A", "+0300") + vtimezone("B", "+0400") + event + end,
		"two, other order": head + vtimezone("B", "+0400") + vtimezone("A", "+0330") + event + end,
		"after":            head + event + vtimezone("A", "+0300") + end,
		"around":           head + vtimezone("B", "+0400") + event + vtimezone("A", "+0300") + end,
		"first of all":     "BEGIN:VCALENDAR\n" + vtimezone("A", "+0300") + "VERSION:2.0\nPRODID:x\n" + event + end,
		"lower case":       head + strings.ToLower(vtimezone("A", "+0300")) + event + end,
		"folded":           head + strings.ReplaceAll(vtimezone("A", "+0300"), "VTIMEZONE", "VTIME\n ZONE") + event + end,
		"another name":     head + strings.ReplaceAll(vtimezone("A", "+0300"), "VTIMEZONE\n", "VTIMEZONE\n -X\n") + event + end,
		"blank lines":      head + "\n\n" + strings.ReplaceAll(vtimezone("A", "+0300"), "\n", "\n\n") + event + end,
		"no end":           head + strings.ReplaceAll(vtimezone("A", "+0300"), "END:VTIMEZONE\n", "") + event + end,
		"within an event":  head + "BEGIN:VEVENT\n" + vtimezone("A", "+0300") + "UID:u\nEND:VEVENT\n" + end,
		"an event within":  head + strings.ReplaceAll(vtimezone("A", "+0300"), "END:VTIMEZONE\n", event+"END:VTIMEZONE\n") + end,
		"nothing else":     head + vtimezone("A", "+0300") + end,
		"cut off":          head + vtimezone("A", "+0300"),
		"empty":            "",
	}
	for _, order := range []int{-1, 0} { // the same room again, and not
		s := &shower{v: &presentation{order: order}, cal: &calendar.Calendar{}}
		for name, text := range texts {
			for _, eol := range []string{"\n", "\r\n"} {
				data := []byte(strings.ReplaceAll(text, "\n", eol))
				want, wantErr := ical.Parse(data, ical.Limits{})
				got, zones, err := s.read(data)
				if (err == nil) != (wantErr == nil) {
					t.Errorf("%s: error %v, want %v", name, err, wantErr)
				}
				if err != nil || wantErr != nil {
					continue
				}
				if a, b := events(got), events(want); !reflect.DeepEqual(a, b) {
					t.Errorf("%s: %s\nwant %s", name, got.Bytes(), want.Bytes())
				}
				if a, b := offset(zones), offset(zone.Of(want)); a != b {
					t.Errorf("%s: zone A is %s off, want %s", name, a, b)
				}
			}
		}
	}
}

func events(cal *ical.Component) (list []*ical.Component) {
	for c := range cal.ChildrenOf("VEVENT") {
		list = append(list, c)
	}
	return list
}

// offset is how far zone A is from UTC, -1 if it is not known.
func offset(zones *zone.Zones) time.Duration {
	z, ok := zones.Lookup("A")
	if !ok {
		return -1
	}
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return noon.Sub(z.ToUTC(noon))
}
