package zone

import (
	"strings"
	"testing"

	"factotum/server/ical"
)

// vtimezone is one of a fixed distance from UTC, or of none.
func vtimezone(tzid, offset string) string {
	return "BEGIN:VTIMEZONE\r\nTZID:" + tzid + "\r\nBEGIN:STANDARD\r\nDTSTART:16010101T000000\r\nTZOFFSETFROM:" + offset + "\r\nTZOFFSETTO:" + offset + "\r\nRRULE:FREQ=YEARLY\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
}

func object(t *testing.T, zone, uid, tzid string) *ical.Component {
	t.Helper()
	cal, err := ical.Parse([]byte("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n"+zone+"BEGIN:VEVENT\r\nUID:"+uid+"\r\nDTSTART;TZID="+tzid+":20260305T090000\r\nDTEND;TZID="+tzid+":20260305T100000\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"), ical.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return cal
}

// What is brought together takes place when it did: zones of one name and
// other rules get names of their own. RFC 5545 §3.6.5.
func TestMergedZonesKeepTheirRules(t *testing.T) {
	type obj struct{ zone, tzid string }
	const custom = "Customized Time Zone"
	for _, c := range []struct {
		name  string
		objs  []obj
		zones int // in the merged calendar
		fits  bool
	}{
		{"other rules", []obj{{vtimezone(custom, "+0800"), custom}, {vtimezone(custom, "-0500"), custom}}, 2, false},
		{"three of them", []obj{{vtimezone(custom, "+0800"), custom}, {vtimezone(custom, "-0500"), custom}, {vtimezone(custom, "+0100"), custom}, {vtimezone(custom, "-0500"), custom}}, 3, false},
		{"the same", []obj{{vtimezone(custom, "+0800"), custom}, {vtimezone(custom, "+0800"), custom}}, 1, true},
		{"in another case", []obj{{vtimezone("zone", "+0800"), "zone"}, {vtimezone("Zone", "-0500"), "Zone"}}, 2, false},
		{"behind a slash", []obj{{vtimezone("/Zone", "+0800"), "/Zone"}, {vtimezone("Zone", "-0500"), "Zone"}}, 2, false},
		{"escaped or not", []obj{{vtimezone(`A\, B`, "+0800"), `"A, B"`}, {vtimezone("A, B", "-0500"), `"A, B"`}}, 2, false},
		{"the name that would be given", []obj{{vtimezone("Z (2)", "+0300"), "Z (2)"}, {vtimezone("Z", "+0800"), "Z"}, {vtimezone("Z", "-0500"), "Z"}}, 3, false},
		{"a name of the database, misused", []obj{{"", "Europe/Berlin"}, {vtimezone("Europe/Berlin", "-0500"), "Europe/Berlin"}}, 1, false},
		{"misused first", []obj{{vtimezone("Europe/Berlin", "-0500"), "Europe/Berlin"}, {"", "Europe/Berlin"}}, 2, false},
		{"nobody knows it", []obj{{"", "Nowhere"}, {vtimezone("Nowhere", "-0500"), "Nowhere"}}, 1, false},
		{"defined or not", []obj{{"", "Europe/Berlin"}, {"", "Europe/Berlin"}}, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var m, strict Merger
			all := ical.New("VCALENDAR")
			fits := true
			var want []string
			for i, o := range c.objs {
				cal := object(t, o.zone, strings.Repeat("u", i+1), o.tzid)
				want = append(want, start(t, cal, cal.Child("VEVENT")))
				if fits = fits && strict.Fits(cal); fits {
					strict.Add(cal)
				}
				all.AddChild(m.Add(cal)...)
			}
			read, err := ical.Parse([]byte(strings.Replace(string(all.Bytes()), "BEGIN:VCALENDAR\r\n", "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n", 1)), ical.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			zones, n := 0, 0
			for _, k := range read.Children {
				if k.Name == "VTIMEZONE" {
					zones++
					continue
				}
				if got := start(t, read, k); got != want[n] {
					t.Errorf("%d begins at %s, it began at %s\n%s", n, got, want[n], all.Bytes())
				}
				n++
			}
			if zones != c.zones || fits != c.fits || n != len(want) {
				t.Errorf("%d zones, fits %t\n%s", zones, fits, all.Bytes())
			}
		})
	}
}

func start(t *testing.T, cal, k *ical.Component) string {
	t.Helper()
	d, err := k.Prop("DTSTART").DateTime()
	if err != nil {
		t.Fatal(err)
	}
	z, ok := Of(cal).Lookup(d.TZID)
	if !ok {
		return d.Civil().String() + " floating"
	}
	return z.ToUTC(d.Civil()).String()
}

// A VTIMEZONE that was written for one event does not become that of others.
func TestMergedZonesLeaveNothingOpen(t *testing.T) {
	winter := "BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\nBEGIN:STANDARD\r\nDTSTART:20251026T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
	var m Merger
	first := m.Add(object(t, winter, "u", "Europe/Berlin"))
	second := m.Add(object(t, "", "v", "Europe/Berlin"))
	if len(first) != 2 || len(second) != 1 || first[0].Child("DAYLIGHT") == nil || first[0].Value("TZID") != "Europe/Berlin" {
		t.Errorf("%d and %d components, the zone is\n%s", len(first), len(second), first[0].Bytes())
	}
	if tokyo := "BEGIN:VTIMEZONE\r\nTZID:Asia/Tokyo\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0900\r\nTZOFFSETTO:+0900\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"; string(m.Add(object(t, tokyo, "w", "Asia/Tokyo"))[0].Bytes()) != tokyo {
		t.Error("a zone in which nothing changes was rewritten")
	}
}
