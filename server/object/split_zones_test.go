package object

import (
	"strings"
	"testing"

	"factotum/server/ical"
	"factotum/server/recur"
)

// zoneText is a VTIMEZONE of a name, as it is written, with one offset; none
// makes one that says nothing.
func zoneText(tzid, offset string) string {
	text := "BEGIN:VTIMEZONE\r\nTZID:" + tzid + "\r\n"
	if offset != "" {
		text += "BEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:" + offset + "\r\nTZOFFSETTO:" + offset + "\r\nEND:STANDARD\r\n"
	}
	return text + "END:VTIMEZONE\r\n"
}

// Each object gets the zones that its times name: TZID is TEXT there, and a
// parameter here. RFC 5545 §3.2.19, §3.8.3.1.
func TestRFC5545_3_8_3_1_SplitKeepsZones(t *testing.T) {
	const dublin = `(UTC+00:00) Dublin\, Edinburgh\; a\\b`
	for _, c := range []struct{ name, zones, tzid, want string }{
		{"escaped", zoneText(dublin, "+0300"), `"(UTC+00:00) Dublin, Edinburgh; a\b"`, dublin},
		{"as Exchange writes it", zoneText("(UTC+00:00) Dublin, Edinburgh", "+0300"), `"(UTC+00:00) Dublin, Edinburgh"`, "(UTC+00:00) Dublin, Edinburgh"},
		{"escaped twice", zoneText(dublin, "+0300"), `"(UTC+00:00) Dublin\, Edinburgh\; a\\b"`, dublin},
		{"without quotes", zoneText(`Dublin\, Edinburgh`, "+0300"), "Dublin, Edinburgh", `Dublin\, Edinburgh`},
		{"as it is written counts first", zoneText(`A\,B`, "+0100") + zoneText("A,B", "+0300"), `"A,B"`, "A,B"},
		{"twice, the second unusable", zoneText("A", "+0300") + zoneText("A", ""), "A", "A"},
		{"twice, the first unusable", zoneText("A", "") + zoneText("A", "+0300"), "A", "A"},
		{"in another case", zoneText("Büro Zone", "+0300"), "BÜRO ZONE", "Büro Zone"},
	} {
		text := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n" + c.zones + zoneText("Other", "-0700")
		for _, uid := range []string{"1", "2"} {
			text += "BEGIN:VEVENT\r\nUID:" + uid + "\r\nDTSTAMP:20260101T000000Z\r\nDTSTART;TZID=" + c.tzid + ":20260301T090000\r\nEND:VEVENT\r\n"
		}
		cal, err := ical.Parse([]byte(text+"END:VCALENDAR\r\n"), ical.Limits{})
		if err != nil {
			t.Fatal(c.name, err)
		}
		items := Split(cal, nil, nil)
		if len(items) != 2 {
			t.Fatalf("%s: %d items", c.name, len(items))
		}
		for _, it := range items {
			got, comps, set, err := Compile(it.Data)
			if err != nil {
				t.Fatal(c.name, err)
			}
			if n := strings.Count(string(it.Data), "BEGIN:VTIMEZONE"); n != 1 || got.Child("VTIMEZONE").Value("TZID") != c.want {
				t.Errorf("%s: %d zones in\n%s", c.name, n, it.Data)
			}
			rows, err := IndexRows(set, comps, Attending{})
			if err != nil || len(rows) != 1 || rows[0].Start != at(t, "20260301T060000Z") {
				t.Errorf("%s: %v %v", c.name, rows, err)
			}
		}
	}
}

func at(t *testing.T, s string) int64 {
	t.Helper()
	d, err := ical.ParseDateTime(s, "", false)
	if err != nil {
		t.Fatal(err)
	}
	return recur.UTC.ToUTC(d.Civil()).Unix()
}
