package recur

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"factotum/server/ical"
	"factotum/server/ical/icaltest"
)

func TestRFC5545_3_3_5_GapsAndOverlaps(t *testing.T) {
	ny := zone(t, "America/New_York")
	for civil, want := range map[string]string{
		"20071104T013000Z": "20071104T053000Z", // twice: the first, EDT
		"20070311T023000Z": "20070311T073000Z", // never: by EST, 03:30 EDT
		"20070311T015959Z": "20070311T065959Z",
		"20070311T030000Z": "20070311T070000Z",
		"20071104T020000Z": "20071104T070000Z",
		"94000701T120000Z": "94000701T160000Z", // rules go on
	} {
		if got := ny.ToUTC(at(t, civil)); !got.Equal(at(t, want)) {
			t.Errorf("%s is %v, want %s", civil, got, want)
		}
	}
	apia := zone(t, "Pacific/Apia") // had no 30 December 2011
	if got := apia.ToUTC(at(t, "20111230T100000Z")); !got.Equal(at(t, "20111230T200000Z")) {
		t.Errorf("the missing day is %v", got)
	}
}

func TestZoneAgreesWithTimePackage(t *testing.T) {
	names := []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia", "America/St_Johns", "Europe/Dublin", "Africa/Casablanca"}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(names).Draw(t, "zone")
		z, _ := LoadZone(name)
		loc, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		u := time.Unix(rapid.Int64Range(daysOf(1850, 1, 1)*daySecs, daysOf(2300, 1, 1)*daySecs).Draw(t, "utc"), 0)
		y, m, d := u.In(loc).Date()
		h, mi, s := u.In(loc).Clock()
		civil := time.Date(y, m, d, h, mi, s, 0, time.UTC)
		if got := z.FromUTC(u); !got.Equal(civil) {
			t.Fatalf("%s: %v is %v, want %v", name, u, got, civil)
		}
		back := z.ToUTC(civil)
		if back.After(u) || !z.FromUTC(back).Equal(civil) {
			t.Fatalf("%s: %v back is %v, want %v or the earlier of two", name, civil, back, u)
		}
	})
}

func TestRFC5545_3_2_19_Lookup(t *testing.T) {
	for tzid, want := range map[string]string{
		"Europe/Berlin": "Europe/Berlin", " Europe/Berlin ": "Europe/Berlin", `"Europe/Berlin"`: "Europe/Berlin",
		"W. Europe Standard Time": "Europe/Berlin", "Eastern Standard Time": "America/New_York",
		"/freeassociation.sourceforge.net/Tzfile/Europe/Berlin": "Europe/Berlin",
		"/mozilla.org/20070129_1/America/Argentina/Ushuaia":     "America/Argentina/Ushuaia",
		"GMT Standard Time": "Europe/London", "UTC": "UTC",
		"/Europe/Stockholm": "Europe/Stockholm", "/America/Argentina/Ushuaia": "America/Argentina/Ushuaia", "/UTC": "UTC", "/Japan": "Japan",
		"posix/Europe/Stockholm": "Europe/Stockholm", "right/Europe/Stockholm": "Europe/Stockholm", "posix/Japan": "Japan", "Posix/europe/stockholm": "Europe/Stockholm",
		"/usr/share/zoneinfo/posix/Europe/Berlin": "Europe/Berlin", "mozilla.org/20070129_1/Europe/Berlin": "Europe/Berlin",
		"europe/berlin": "Europe/Berlin", "EUROPE/BERLIN": "Europe/Berlin", "america/port-au-prince": "America/Port-au-Prince", "utc": "UTC", "Utc": "UTC",
		"africa/DAR_ES_SALAAM": "Africa/Dar_es_Salaam", "antarctica/dumontdurville": "Antarctica/DumontDUrville", "est5edt": "EST5EDT", "etc/gmt+5": "Etc/GMT+5",
		"w. europe standard time": "Europe/Berlin", "/W. Europe Standard Time": "Europe/Berlin", "/example.com/x/w. Europe standard time": "Europe/Berlin",
		"Africa/Amman": "Asia/Amman", "africa/amman": "Asia/Amman", "tzone://Microsoft/Utc": "UTC",
		"GMT+05:30": "UTC+05:30", "UTC+0530": "UTC+05:30", "-03:00": "UTC-03:00", "UTC-3": "UTC-03:00", "gmt-0330": "UTC-03:30", "GMT+00:00": "UTC", "GMT+0000": "UTC",
		"GMT+5": "", "+5": "", "GMT+25:00": "", "UTC+05:60": "", "Example/Japan": "", "x/Stockholm": "", "/": "", "//": "", "posix/": "", "a/b/c/d": "",
		"": "", "Local": "", "../../etc/passwd": "", "Nowhere": "", "/etc/localtime": "",
	} {
		z, ok := ZonesOf(nil).Lookup(tzid)
		if ok != (want != "") || ok && z.Name() != want {
			t.Errorf("Lookup(%q) = %v %v, want %q", tzid, z, ok, want)
		}
	}
	for _, name := range append(ZoneNames(), strings.Fields(otherNames)...) {
		z, ok := LoadZone(strings.ToLower(name))
		if want, known := LoadZone(name); !ok || !known || z != want {
			t.Errorf("%s: %v in small letters, %v", name, z, want)
		}
	}
	for win, iana := range windowsNames() {
		if ianaLocation(iana) == nil {
			t.Errorf("%s: no zone %s", win, iana)
		}
	}
}

const strangeZone = `BEGIN:VTIMEZONE
TZID:Europe/Berlin
BEGIN:STANDARD
DTSTART:20001029T030000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
TZOFFSETFROM:+0500
TZOFFSETTO:+0400
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:20000326T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
TZOFFSETFROM:+0400
TZOFFSETTO:+0500
END:DAYLIGHT
END:VTIMEZONE
`

func TestVTimezoneBeforeDatabase(t *testing.T) {
	z, ok := ZonesOf(calendarOf(t, strangeZone)).Lookup("Europe/Berlin ")
	if !ok {
		t.Fatal("no zone")
	}
	for civil, want := range map[string]string{
		"20200101T120000Z": "20200101T080000Z", "20200701T120000Z": "20200701T070000Z",
		"90000101T120000Z": "90000101T080000Z", "90000701T120000Z": "90000701T070000Z",
		"19900101T120000Z": "19900101T080000Z", // before its first onset
		"20200329T023000Z": "20200328T223000Z", "20201025T023000Z": "20201024T213000Z",
	} {
		if got := z.ToUTC(at(t, civil)); !got.Equal(at(t, want)) {
			t.Errorf("%s is %v, want %s", civil, got, want)
		}
	}
	again, _ := ZonesOf(calendarOf(t, strangeZone)).Lookup("Europe/Berlin")
	if again != z {
		t.Error("the same VTIMEZONE was compiled twice")
	}
	right := strings.NewReplacer("+0400", "+0100", "+0500", "+0200").Replace(strangeZone)
	if z, _ = ZonesOf(calendarOf(t, right)).Lookup("Europe/Berlin"); z != zone(t, "Europe/Berlin") {
		t.Error("a VTIMEZONE that agrees with the database was not answered with it")
	}
}

// vtimezone writes a VTIMEZONE of observances, each of lines but for its name.
func vtimezone(tzid string, more string, observances ...string) string {
	text := "BEGIN:VTIMEZONE\nTZID:" + tzid + "\n" + more
	for _, o := range observances {
		name, lines, _ := strings.Cut(o, "\n")
		text += "BEGIN:" + name + "\n" + lines + "\nEND:" + name + "\n"
	}
	return text + "END:VTIMEZONE\n"
}

// What a VTIMEZONE leaves open is the database's, where it knows the name.
func TestRFC5545_3_6_5_VTimezonesThatEnd(t *testing.T) {
	const winter, summer = "STANDARD\nDTSTART:20001029T030000\nTZOFFSETFROM:+0200\nTZOFFSETTO:+0100", "DAYLIGHT\nDTSTART:20000326T020000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200"
	const inOctober, inMarch = "\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU", "\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU"
	odd := strings.NewReplacer("+0200", "+0500", "+0100", "+0400")
	for _, c := range []struct{ name, tzid, zone, civil, want string }{
		{"one change each", "Europe/Berlin", vtimezone("Europe/Berlin", "", winter, summer), "20260701T120000Z", "20260701T100000Z"},
		{"and long before", "Europe/Berlin", vtimezone("Europe/Berlin", "", winter, summer), "19900701T120000Z", "19900701T100000Z"},
		{"winter alone", "Europe/Berlin", vtimezone("Europe/Berlin", "", winter), "20260701T120000Z", "20260701T100000Z"},
		{"summer alone", "Europe/Berlin", vtimezone("Europe/Berlin", "", summer), "20260101T120000Z", "20260101T110000Z"},
		{"summer alone, with a rule", "Europe/Berlin", vtimezone("Europe/Berlin", "", summer+inMarch), "20260101T120000Z", "20260101T110000Z"},
		{"rules with an end", "Europe/Berlin", vtimezone("Europe/Berlin", "", winter+inOctober+";UNTIL=20101031T010000Z", summer+inMarch+";UNTIL=20100328T010000Z"), "20260701T120000Z", "20260701T100000Z"},
		{"rules with COUNT", "Europe/Berlin", vtimezone("Europe/Berlin", "", winter+inOctober+";COUNT=5", summer+inMarch+";COUNT=5"), "20260701T120000Z", "20260701T100000Z"},
		{"dates", "Europe/Berlin", vtimezone("Europe/Berlin", "", winter+"\nRDATE:20011028T030000", summer+"\nRDATE:20010325T020000"), "20260701T120000Z", "20260701T100000Z"},
		{"by a global name", "/example.com/1/Europe/Berlin", vtimezone("/example.com/1/Europe/Berlin", "", winter), "20260701T120000Z", "20260701T100000Z"},
		{"in another case", "europe/berlin", vtimezone("europe/berlin", "", winter), "20260701T120000Z", "20260701T100000Z"},
		{"a name of nobody else's", "Office", vtimezone("Office", "", winter), "20260701T120000Z", "20260701T110000Z"},
		{"of nobody else's, summer alone", "Office", vtimezone("Office", "", summer+inMarch), "20260101T120000Z", "20260101T100000Z"},
		{"Windows' name, winter alone", "W. Europe Standard Time", vtimezone("W. Europe Standard Time", "", winter), "20260701T120000Z", "20260701T110000Z"},
		{"rules that go on are followed", "Europe/Berlin", odd.Replace(vtimezone("Europe/Berlin", "", winter+inOctober, summer+inMarch)), "20260701T120000Z", "20260701T070000Z"},
		{"RFC 7808 §7.1, before TZUNTIL", "Europe/Berlin", odd.Replace(vtimezone("Europe/Berlin", "TZUNTIL:20200101T000000Z\n", winter+inOctober, summer+inMarch)), "20190701T120000Z", "20190701T070000Z"},
		{"RFC 7808 §7.1, behind TZUNTIL", "Europe/Berlin", odd.Replace(vtimezone("Europe/Berlin", "TZUNTIL:20200101T000000Z\n", winter+inOctober, summer+inMarch)), "20260701T120000Z", "20260701T100000Z"},
		{"RFC 7808 §7.1, at TZUNTIL", "Europe/Berlin", odd.Replace(vtimezone("Europe/Berlin", "TZUNTIL:20200101T000000Z\n", winter+inOctober, summer+inMarch)), "20200101T043000Z", "20200101T033000Z"},
		{"RFC 7808 §7.1, a zone that has changed since", "Europe/Moscow", vtimezone("Europe/Moscow", "TZUNTIL:20110101T000000Z\n", strings.NewReplacer("+0200", "+0400", "+0100", "+0300").Replace(winter+inOctober), strings.NewReplacer("+0200", "+0400", "+0100", "+0300").Replace(summer+inMarch)), "20260701T120000Z", "20260701T090000Z"},
		{"RFC 7808 §7.1, Windows' name", "W. Europe Standard Time", odd.Replace(vtimezone("W. Europe Standard Time", "TZUNTIL:20200101T000000Z\n", winter+inOctober, summer+inMarch)), "20260701T120000Z", "20260701T100000Z"},
		{"RFC 7808 §7.1, nobody else's name", "Office", odd.Replace(vtimezone("Office", "TZUNTIL:20200101T000000Z\n", winter+inOctober, summer+inMarch)), "20260701T120000Z", "20260701T070000Z"},
		{"TZUNTIL that cannot be read", "Europe/Berlin", odd.Replace(vtimezone("Europe/Berlin", "TZUNTIL:soon\n", winter+inOctober, summer+inMarch)), "20260701T120000Z", "20260701T070000Z"},
		{"an offset without its zero", "Office", vtimezone("Office", "", "STANDARD\nDTSTART:20000101T000000\nTZOFFSETFROM:-400\nTZOFFSETTO:-400"), "20260701T120000Z", "20260701T160000Z"},
	} {
		z, ok := ZonesOf(calendarOf(t, c.zone)).Lookup(c.tzid)
		if !ok {
			t.Errorf("%s: no zone", c.name)
			continue
		}
		if got := z.ToUTC(at(t, c.civil)); !got.Equal(at(t, c.want)) {
			t.Errorf("%s: %s is %v, want %s", c.name, c.civil, got, c.want)
		}
	}
}

func TestVTimezoneOnceOnly(t *testing.T) {
	z, ok := ZonesOf(calendarOf(t, "BEGIN:VTIMEZONE\nTZID:X\nBEGIN:STANDARD\nDTSTART:20000101T000000\nTZOFFSETFROM:-0330\nTZOFFSETTO:-0330\nEND:STANDARD\nEND:VTIMEZONE\n")).Lookup("X")
	if !ok || !z.ToUTC(at(t, "20300101T000000Z")).Equal(at(t, "20300101T033000Z")) {
		t.Errorf("zone %v %v", z, ok)
	}
	if _, ok := ZonesOf(calendarOf(t, "BEGIN:VTIMEZONE\nTZID:Y\nEND:VTIMEZONE\n")).Lookup("Y"); ok {
		t.Error("an empty VTIMEZONE is a zone")
	}
}

// TestRFC5545_3_6_5_WrittenZones writes zones and reads them back.
func TestRFC5545_3_6_5_WrittenZones(t *testing.T) {
	end := daysOf(2037, 12, 1) * daySecs
	for _, name := range []string{"Europe/Berlin", "America/New_York", "Australia/Sydney", "Asia/Tokyo", "Asia/Kolkata", "Europe/Dublin",
		"Africa/Casablanca", "America/Sao_Paulo", "Asia/Tehran", "Pacific/Apia", "Antarctica/Troll", "America/Santiago", "Europe/Moscow"} {
		c, err := VTimezone(name, time.Time{}, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		var src vtzSource
		for _, k := range c.Children {
			o, ok := readObservance(k)
			if !ok {
				t.Fatalf("%s: observance %s", name, k.Bytes())
			}
			src = append(src, o)
		}
		read, iana := &tz{source: src}, loadZone(name)
		for u := int64(0); u < end; u += 11 * 3600 {
			if got, want := read.at(u).off, iana.at(u).off; got != want {
				t.Fatalf("%s at %v: offset %d, want %d\n%s", name, time.Unix(u, 0).UTC(), got, want, c.Bytes())
			}
		}
	}
	if _, err := VTimezone("Nowhere", time.Time{}, time.Time{}); err == nil {
		t.Error("wrote a zone that is not known")
	}
	c, _ := VTimezone("Europe/Berlin", at(t, "20260101"), time.Time{})
	if n := len(c.Children); n > 3 {
		t.Errorf("%d observances for Berlin since 2026:\n%s", n, c.Bytes())
	}
}

func TestRealCalendarsCompile(t *testing.T) {
	files := icaltest.SharedCalendars(t, "recurring")
	sets := 0
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		cal, err := ical.Parse(data, ical.DefaultLimits)
		if err != nil {
			continue // the parser's affair
		}
		byUID := map[string][]*ical.Component{}
		for _, c := range cal.Children {
			if c.Name == "VEVENT" || c.Name == "VTODO" || c.Name == "VJOURNAL" {
				byUID[c.Name+c.Value("UID")] = append(byUID[c.Name+c.Value("UID")], c)
			}
		}
		for uid, comps := range byUID {
			s, err := Compile(comps, ZonesOf(cal))
			if err != nil {
				t.Logf("%s %s: %v", filepath.Base(f), uid, err)
				continue
			}
			sets++
			last := time.Time{}
			lo, hi, infinite := s.Span(nil)
			for in, err := range s.Between(t.Context(), time.Time{}, time.Time{}, nil, Budget{MaxInstances: 200}) {
				if err != nil {
					break
				}
				if in.Start.Before(last) || in.Start.Before(lo) || !infinite && in.End.After(hi) {
					t.Errorf("%s %s: %v after %v, span %v %v", filepath.Base(f), uid, in.Start, last, lo, hi)
				}
				last = in.Start
			}
		}
	}
	t.Logf("%d files, %d sets", len(files), sets)
}

// Two observances may begin on one second: the later one counts, and no question
// goes on for ever.
func TestRFC5545_3_6_5_OnsetsAtOnce(t *testing.T) {
	part := func(kind, start, from, to string) string {
		return "BEGIN:" + kind + "\nDTSTART:" + start + "\nTZOFFSETFROM:" + from + "\nTZOFFSETTO:" + to + "\nEND:" + kind + "\n"
	}
	const day = "20260301T000000"
	for name, parts := range map[string]string{
		"standard twice":   part("STANDARD", "20000101T000000", "+0000", "+0500") + part("STANDARD", day, "+0500", "+0100") + part("STANDARD", day, "+0500", "+0200"),
		"three kinds":      part("STANDARD", day, "+0100", "+0300") + part("DAYLIGHT", day, "+0100", "+0400") + part("STANDARD", day, "+0100", "+0200"),
		"there and back":   part("STANDARD", "20000101T000000", "+0000", "+0200") + part("DAYLIGHT", day, "+0200", "+0300") + part("STANDARD", day, "+0200", "+0200"),
		"by offsets apart": part("STANDARD", day, "+0100", "+0300") + part("STANDARD", "20260301T010000", "+0200", "+0200"),
	} {
		s := setOf(t, "BEGIN:VTIMEZONE\nTZID:Odd\n"+parts+"END:VTIMEZONE\n"+event("DTSTART;TZID=Odd:20260228T120000", "RRULE:FREQ=DAILY;COUNT=4"))
		var last time.Time
		for in, err := range s.Between(t.Context(), time.Time{}, time.Time{}, nil, Budget{}) {
			if err != nil {
				t.Fatal(err)
			}
			last = in.Start
		}
		if want := at(t, "20260303T100000Z"); !last.Equal(want) {
			t.Errorf("%s: the last one begins at %v, want %v", name, last, want)
		}
	}
}
