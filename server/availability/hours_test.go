package availability

import (
	"strings"
	"testing"
	"time"
)

// TestHours: hours as they are written, read again, and what they mean.
func TestHours(t *testing.T) {
	for text, c := range map[string]struct{ again, day string }{ // a Monday, in slots of two hours
		"Mo-Fr 08:00-18:00":                            {"", "UUUUFFFFFUUU"},
		"mo,we,th 8:00-10:00 , 12:00-14:00":            {"Mo,We,Th 08:00-10:00,12:00-14:00", "UUUUFUFUUUUU"},
		"00:00-24:00":                                  {"", "FFFFFFFFFFFF"},
		"Fr-Mo 20:00-24:00; Tu 08:00-10:00":            {"Mo,Fr-Su 20:00-24:00; Tu 08:00-10:00", "UUUUUUUUUUFF"},
		"Tu-Su 08:00-18:00":                            {"", "UUUUUUUUUUUU"},
		"Sa,Su 10:00-12:00;Mo 06:00-08:00,10:00-12:00": {"Sa,Su 10:00-12:00; Mo 06:00-08:00,10:00-12:00", "UUUFUFUUUUUU"},
	} {
		h, err := ParseHours(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if c.again == "" {
			c.again = text
		}
		if h.String() != c.again {
			t.Errorf("%s is written %s", text, h)
		}
		made, err := h.Text("Europe/Berlin")
		if err != nil {
			t.Fatal(err)
		}
		a, err := Parse(made)
		if err != nil {
			t.Fatalf("%s: %v\n%s", text, err, made)
		}
		for _, day := range []string{"20260302", "20260706"} { // winter and summer
			if got := hours(t, a, day, "Europe/Berlin", 2*time.Hour); got != c.day {
				t.Errorf("%s is %s, not %s", text, got, c.day)
			}
		}
		if again, zone, ok := HoursOf(made); !ok || zone != "Europe/Berlin" || again.String() != c.again {
			t.Errorf("%s is read as %s in %s, %t", text, again, zone, ok)
		}
		if _, _, ok := HoursOf([]byte(strings.Replace(string(made), "UID:hours\r\n", "UID:hours\r\nBUSYTYPE:BUSY-TENTATIVE\r\n", 1))); ok {
			t.Error("what says more is taken for hours")
		}
	}
	for _, text := range []string{"", ";", "Mo-Fr", "Mo-Xx 08:00-18:00", "Mo 18:00-08:00", "Mo 08:00", "Mo 08:00-25:00", "Mo 8-18", "Mo 08:00-18:00; Mo-Tu 19:00-20:00",
		"Mo -1:00-18:00", "Mo 08:00-18:0", "Monday 08:00-18:00", "Mo " + strings.Repeat("08:00-09:00,", 60) + "10:00-11:00"} {
		if h, err := ParseHours(text); err == nil {
			t.Errorf("%q is read as %s", text, h)
		}
	}
	if _, err := (Hours{}).Text("Mars/Base"); err == nil {
		t.Error("a zone that nobody knows")
	}
}
