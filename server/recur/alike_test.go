package recur

import (
	"strings"
	"testing"
)

// TestAlike: clients that know zones by name are told one with the same hours.
func TestAlike(t *testing.T) {
	eu := strings.NewReplacer("+0500", "+0200", "+0400", "+0100").Replace(strangeZone)
	named := func(tzid, zone string) string { return strings.Replace(zone, "Europe/Berlin", tzid, 1) }
	outlook := func(zone string) string {
		return strings.NewReplacer("DTSTART:20001029", "DTSTART:16011028", "DTSTART:20000326", "DTSTART:16010325").Replace(zone)
	}
	fixed := func(offset string) string {
		return vtimezone("Office", "", "STANDARD\nDTSTART:16010101T000000\nTZOFFSETFROM:"+offset+"\nTZOFFSETTO:"+offset)
	}
	us := named("Office", strings.NewReplacer("20001029T030000", "20071104T020000", "20000326", "20070311", "BYMONTH=10;BYDAY=-1SU", "BYMONTH=11;BYDAY=1SU",
		"BYMONTH=3;BYDAY=-1SU", "BYMONTH=3;BYDAY=2SU", "+0500", "-0400", "+0400", "-0500").Replace(strangeZone))
	for _, c := range []struct{ name, zone, favourite, want string }{
		{"the best known", named("Office", eu), "", "Europe/Berlin"},
		{"the favourite", named("Office", eu), "Europe/Vienna", "Europe/Vienna"},
		{"a favourite that does not agree", named("Office", eu), "Asia/Tokyo", "Europe/Berlin"},
		{"since 1601", outlook(named("Customized Time Zone", eu)), "", "Europe/Berlin"},
		{"a city in the name", named(`(UTC+01:00) Stockholm\, Oslo`, eu), "", "Europe/Oslo"},
		{"what it hints at", named("Office", strings.Replace(eu, "BEGIN:STANDARD", "X-LIC-LOCATION:Europe/Rome\nBEGIN:STANDARD", 1)), "", "Europe/Rome"},
		{"RFC 7808 §7.2", named("Office", strings.Replace(eu, "BEGIN:STANDARD", "TZID-ALIAS-OF:Europe/Madrid\nBEGIN:STANDARD", 1)), "", "Europe/Madrid"},
		{"a hint that is wrong", named("Office", strings.Replace(eu, "BEGIN:STANDARD", "X-LIC-LOCATION:Asia/Tokyo\nBEGIN:STANDARD", 1)), "", "Europe/Berlin"},
		{"over the ocean", us, "", "America/New_York"},
		{"nothing changes", fixed("+0900"), "", "Asia/Tokyo"},
		{"three hours", fixed("-0300"), "", "America/Cayenne"},
		{"Greenwich", fixed("+0000"), "", "UTC"},
		{"where nobody lives", fixed("-1200"), "", "Etc/GMT+12"},
		{"half an hour", fixed("+0530"), "", "Asia/Kolkata"},
		{"a name of the database", named("Europe/Paris", eu), "", "Europe/Paris"},
		{"a name of the database, other hours", us, "Europe/Berlin", "America/New_York"},
		{"a name of the database that lies", strings.Replace(us, "Office", "Asia/Tokyo", 1), "", "America/New_York"},
		{"nowhere", named("Office", strangeZone), "", ""},
	} {
		cal := calendarOf(t, c.zone)
		z, ok := ZonesOf(cal).Lookup(NameOf(cal.Child("VTIMEZONE")))
		if !ok {
			t.Errorf("%s: no zone", c.name)
			continue
		}
		favourite, _ := LoadZone(c.favourite)
		got := ""
		if known, ok := Alike(z, favourite); ok {
			got = known.Name()
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	for name, want := range map[string]string{"GMT+05:30": "Asia/Kolkata", "UTC-8": "Pacific/Pitcairn", "GMT-11:30": "", "Europe/Kiev": "Europe/Kiev"} {
		z, _ := LoadZone(name)
		if got, ok := Alike(z, nil); ok != (want != "") || ok && got.Name() != want {
			t.Errorf("%s: %v, want %s", name, got, want)
		}
	}
}
