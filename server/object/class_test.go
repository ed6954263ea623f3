package object

import (
	"strings"
	"testing"
)

// A CLASS that is not known counts as PRIVATE. RFC 5545 §3.8.1.3.
func TestRFC5545_3_8_1_3_UnknownClassIsPrivate(t *testing.T) {
	for lines, want := range map[string]uint8{
		"":                            0,
		"CLASS:PUBLIC":                0,
		"class:public":                0,
		"CLASS:PUBLIC ":               0,
		"CLASS;X-P=1:PUBLIC":          0,
		"CLASS:PUBLIC\nCLASS:PUBLIC":  0,
		"CLASS:PRIVATE":               1,
		"CLASS:PRIVATE ":              1,
		"CLASS: private":              1,
		`CLASS:"PRIVATE"`:             1,
		`CLASS:"PUBLIC"`:              1,
		"CLASS:":                      1,
		"CLASS:PUBLIC,PRIVATE":        1,
		"CLASS:X-HOUSE-ONLY":          1,
		"CLASS:RESTRICTED":            1,
		"CLASS:\u00a0PUBLIC":          1,
		"CLASS:PUBLIC\u2003":          1,
		"CLASS:PUBLIC\u3000":          1,
		"CLASS:CONFIDENTIALLY":        1,
		"CLASS:PUBLIC\nCLASS:PRIVATE": 1,
		"CLASS:PRIVATE\nCLASS:PUBLIC": 1,
		"CLASS:confidential\t":        2,
		"CLASS:X-A\nCLASS:CONFIDENTIAL\nCLASS:PUBLIC": 2,
	} {
		const head = "VEVENT\nUID:u\nDTSTART:20260105T090000Z\n"
		res, err := Parse(rules, textOf(strings.TrimSuffix(head+lines, "\n")), "")
		if err != nil || res.Class != want {
			t.Errorf("%q: class %d, want %d; %v", lines, res.Class, want, err)
		}
		res, err = Parse(rules, textOf(head+"RRULE:FREQ=DAILY;COUNT=3", strings.TrimSuffix(head+"RECURRENCE-ID:20260106T090000Z\n"+lines, "\n")), "")
		if err != nil || res.Class != want {
			t.Errorf("%q in an override: class %d, want %d; %v", lines, res.Class, want, err)
		}
	}
}
