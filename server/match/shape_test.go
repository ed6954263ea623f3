package match

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"factotum/server/calendar"
	"factotum/server/ical"
)

func parse(t *testing.T, data []byte) *ical.Component {
	t.Helper()
	cal, err := ical.Parse(data, ical.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return cal
}

// lines is a text without what every calendar of these tests has.
func lines(data []byte) string {
	return strings.ReplaceAll(strings.TrimSuffix(string(data), "\r\n"), "\r\n", " ")
}

// TestRFC4791_9_6_1_PartialRetrieval: which components and properties, and
// whether with their values (§9.6.4).
func TestRFC4791_9_6_1_PartialRetrieval(t *testing.T) {
	event := parse(t, vcalendar("VEVENT\nUID:u\nDTSTART;X=1:20260105T090000Z\nSUMMARY:s\nATTENDEE:mailto:a@x\nATTENDEE:mailto:b@x\nBEGIN:VALARM\nACTION:AUDIO\nTRIGGER:-PT5M\nEND:VALARM"))
	before := string(event.Bytes())
	props := func(names ...string) (out []calendar.PropSelect) {
		for _, n := range names {
			out = append(out, calendar.PropSelect{Name: n})
		}
		return out
	}
	for _, c := range []struct {
		name string
		sel  calendar.CompSelect
		want string
	}{
		{"nothing", calendar.CompSelect{}, "BEGIN:VCALENDAR END:VCALENDAR"},
		{"all", calendar.CompSelect{AllProps: true, AllComps: true}, lines(event.Bytes())},
		{"properties of VCALENDAR", calendar.CompSelect{AllProps: true}, "BEGIN:VCALENDAR VERSION:2.0 PRODID:x END:VCALENDAR"},
		{"some properties, in the order of the text", calendar.CompSelect{Props: props("prodid", "VERSION", "METHOD")}, "BEGIN:VCALENDAR VERSION:2.0 PRODID:x END:VCALENDAR"},
		{"each of a name", calendar.CompSelect{Comps: []calendar.CompSelect{{Name: "VEVENT", Props: props("ATTENDEE", "UID")}}},
			"BEGIN:VCALENDAR BEGIN:VEVENT UID:u ATTENDEE:mailto:a@x ATTENDEE:mailto:b@x END:VEVENT END:VCALENDAR"},
		{"without its value", calendar.CompSelect{Comps: []calendar.CompSelect{{Name: "vevent", Props: []calendar.PropSelect{{Name: "DTSTART", NoValue: true}}}}},
			"BEGIN:VCALENDAR BEGIN:VEVENT DTSTART;X=1: END:VEVENT END:VCALENDAR"},
		{"alarms alone", calendar.CompSelect{Comps: []calendar.CompSelect{{Name: "VEVENT", AllComps: true}}},
			"BEGIN:VCALENDAR BEGIN:VEVENT BEGIN:VALARM ACTION:AUDIO TRIGGER:-PT5M END:VALARM END:VEVENT END:VCALENDAR"},
		{"a component that is not there", calendar.CompSelect{Comps: []calendar.CompSelect{{Name: "VTODO", AllProps: true}}}, "BEGIN:VCALENDAR END:VCALENDAR"},
	} {
		if d := cmp.Diff(c.want, lines(Select(event, &c.sel).Bytes())); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
	if string(event.Bytes()) != before {
		t.Error("the object was changed")
	}
}

// TestRFC4791_9_6_7_LimitFreeBusySet: periods outside the window are left out,
// and properties that then have none.
func TestRFC4791_9_6_7_LimitFreeBusySet(t *testing.T) {
	cal := parse(t, vcalendar("VFREEBUSY\nUID:f\nFREEBUSY:20260104T220000Z/20260105T000000Z,20260104T230000Z/PT2H,20260105T230000Z/PT5H,20260106T000000Z/PT1H\nFREEBUSY;FBTYPE=FREE:20260107T000000Z/PT1H\nFREEBUSY:nonsense",
		"VEVENT\nUID:u\nFREEBUSY:20260107T000000Z/PT1H"))
	LimitFreeBusy(cal, *window("20260105", "20260106"))
	var got []string
	for _, c := range cal.Children {
		for p := range c.All("FREEBUSY") {
			got = append(got, c.Name+" "+p.Value)
		}
	}
	want := []string{"VFREEBUSY 20260104T230000Z/PT2H,20260105T230000Z/PT5H", "VFREEBUSY nonsense", "VEVENT 20260107T000000Z/PT1H"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

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

// TestRFC4791_7_10_MergedPeriods: busy periods of one type that touch are one.
func TestRFC4791_7_10_MergedPeriods(t *testing.T) {
	busy := func(kind string, from, to int) calendar.Busy {
		at := func(h int) time.Time { return moment("20260105").Add(time.Duration(h) * time.Hour) }
		return calendar.Busy{Start: at(from), End: at(to), Type: kind}
	}
	got := MergeBusy([]calendar.Busy{
		busy("BUSY", 14, 15), busy("BUSY", 9, 10), busy("BUSY-TENTATIVE", 9, 12), busy("BUSY", 10, 11), busy("BUSY", 9, 10),
		busy("BUSY", 16, 20), busy("BUSY", 17, 18), busy("BUSY-TENTATIVE", 13, 14),
	})
	want := []calendar.Busy{busy("BUSY", 9, 11), busy("BUSY-TENTATIVE", 9, 12), busy("BUSY-TENTATIVE", 13, 14), busy("BUSY", 14, 15), busy("BUSY", 16, 20)}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got := MergeBusy(nil); len(got) != 0 {
		t.Error(got)
	}
}

// TestRFC4791_9_9_Overlaps: half open at both ends, but for a moment.
func TestRFC4791_9_9_Overlaps(t *testing.T) {
	for _, c := range []struct {
		start, end int64
		want       bool
	}{
		{0, 10, false}, {0, 11, true}, {10, 20, true}, {19, 30, true}, {20, 30, false}, {0, 30, true}, {12, 13, true},
		{9, 9, false}, {10, 10, true}, {19, 19, true}, {20, 20, false},
	} {
		if got := Overlaps(c.start, c.end, 10, 20); got != c.want {
			t.Errorf("%d to %d: %t", c.start, c.end, got)
		}
	}
}

// TestRFC4791_5_2_2_TimezoneName: a calendar-timezone describes one zone.
func TestRFC4791_5_2_2_TimezoneName(t *testing.T) {
	zone := func(name string) string {
		return "VTIMEZONE\nTZID:" + name + "\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0100\nEND:STANDARD"
	}
	for _, c := range []struct{ text, want string }{
		{string(vcalendar(zone("Home"))), "Home"},
		{string(vcalendar(zone("Home"), "VEVENT\nUID:u")), "Home"},
		{string(vcalendar(zone("Home"), zone("Away"))), ""},
		{string(vcalendar("VEVENT\nUID:u")), ""},
		{string(vcalendar("VTIMEZONE\nX-A:b")), ""},
		{"Europe/Berlin", ""},
	} {
		got, err := TimezoneName(c.text)
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%.60q: %q, %v", c.text, got, err)
		}
	}
}
