package match

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"factotum/server/calendar"
)

// TestRFC5545_3_8_1_3_Mask: others see when a private component is, and that it
// is private.
func TestRFC5545_3_8_1_3_Mask(t *testing.T) {
	const when = "UID:u\nDTSTART;TZID=Europe/Berlin:20260105T090000\nDURATION:PT1H\nRRULE:FREQ=DAILY\nCLASS:PRIVATE\nTRANSP:OPAQUE\nSTATUS:CONFIRMED\nSEQUENCE:2"
	const what = "\nSUMMARY:Surgeon\nDESCRIPTION:x\nLOCATION:Clinic\nCATEGORIES:x\nORGANIZER:mailto:o@x\nATTENDEE:mailto:surgeon@x\nATTACH:https://x/y\nCOMMENT:x\nGEO:1;2\nX-ANY:x\nURL:https://x\n" +
		"BEGIN:VALARM\nACTION:DISPLAY\nDESCRIPTION:Surgeon\nTRIGGER:-PT5M\nEND:VALARM"
	const zone = "VTIMEZONE\nTZID:Europe/Berlin\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0100\nEND:STANDARD"
	data := vcalendar(zone, "VEVENT\n"+when+what)
	data = []byte(strings.Replace(string(data), "PRODID:x\r\n", "PRODID:x\r\nX-WR-CALNAME:Surgeon\r\n", 1))
	o := &calendar.Object{Name: "a.ics", UID: "u", Component: "VEVENT", Change: 7, ScheduleTag: 3, Size: len(data), Class: 1, Data: data,
		Props: []calendar.DeadProp{{Space: "x:", Local: "note", Value: "Surgeon"}}}
	got := Mask(o)
	if want := vcalendar(zone, "VEVENT\n"+when); string(got.Data) != string(want) {
		t.Error(cmp.Diff(string(want), string(got.Data)))
	}
	if !got.Masked || got.Size != len(got.Data) || got.ScheduleTag != 0 || got.Props != nil || got.ETag() == o.ETag() || got.UID != "u" || got.Class != 1 {
		t.Errorf("%+v", got)
	}
	if o.Masked || string(o.Data) != string(data) || len(o.Props) != 1 {
		t.Error("the object was changed")
	}
	if bare := Mask(o.Meta()); bare.Data != nil || bare.Size != 0 || bare.ETag() != got.ETag() {
		t.Errorf("without its text: %+v", bare)
	}
	if bad := Mask(&calendar.Object{Data: []byte("Surgeon")}); bad.Data != nil {
		t.Errorf("of a text that cannot be read: %s", bad.Data)
	}
}
