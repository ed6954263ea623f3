package match

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/object"
	"factotum/server/recur"
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
// whether with their values (RFC 4791 §9.6.4).
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
		if d := cmp.Diff(c.want, lines(choose(event, &c.sel).Bytes())); d != "" {
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
	limitFreeBusy(cal, *window("20260105", "20260106"))
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

// TestRFC4791_9_6_5_Forms: expand, limit-recurrence-set (RFC 4791 §9.6.6), and both with
// partial retrieval. The object stays as it was.
func TestRFC4791_9_6_5_Forms(t *testing.T) {
	const zone = "VTIMEZONE\nTZID:Home\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0100\nEND:STANDARD"
	cal, _, set, err := object.Compile(vcalendar(zone, "VEVENT\nUID:u\nDTSTART;TZID=Home:20260105T090000\nDURATION:PT1H\nRRULE:FREQ=DAILY\nSUMMARY:s",
		"VEVENT\nUID:u\nRECURRENCE-ID;TZID=Home:20260107T090000\nDTSTART;TZID=Home:20260107T120000\nDURATION:PT1H\nSUMMARY:moved",
		"VEVENT\nUID:u\nRECURRENCE-ID;TZID=Home:20260120T090000\nDTSTART;TZID=Home:20260120T120000\nDURATION:PT1H\nSUMMARY:far"))
	if err != nil {
		t.Fatal(err)
	}
	before := string(cal.Bytes())
	few := &calendar.CompSelect{Name: "VCALENDAR", Comps: []calendar.CompSelect{{Name: "VEVENT", Props: []calendar.PropSelect{{Name: "DTSTART"}, {Name: "SUMMARY"}}}}}
	w := window("20260106", "20260108")
	for _, c := range []struct {
		name string
		req  calendar.DataRequest
		want string // events: start and summary; VTIMEZONEs
	}{
		{"expand", calendar.DataRequest{Expand: w}, "20260106T080000Z s, 20260107T110000Z moved"},
		{"expand nothing", calendar.DataRequest{Expand: window("20250106", "20250108")}, ""},
		{"limit", calendar.DataRequest{LimitRecur: w}, "Home, 20260105T090000 s, 20260107T120000 moved"},
		{"expand some properties", calendar.DataRequest{Expand: w, Comp: few}, "20260106T080000Z s, 20260107T110000Z moved"},
		{"limit some components", calendar.DataRequest{LimitRecur: w, Comp: few}, "20260105T090000 s, 20260107T120000 moved"},
	} {
		f, err := NewForm(c.req)
		if err != nil {
			t.Fatal(err)
		}
		text, err := f.Of(t.Context(), nil, cal, set, recur.UTC, 100)
		if err != nil {
			t.Fatal(err)
		}
		out, err := ical.Parse(text, ical.Limits{})
		if err != nil {
			t.Fatalf("%s: %v\n%s", c.name, err, text)
		}
		var got []string
		for _, k := range out.Children {
			got = append(got, strings.TrimSpace(k.Value("TZID")+k.Value("DTSTART")+" "+k.Value("SUMMARY")))
		}
		if d := cmp.Diff(c.want, strings.Join(got, ", ")); d != "" || f.AsStored() {
			t.Errorf("%s: %s", c.name, d)
		}
	}
	f, err := NewForm(calendar.DataRequest{Expand: window("20260106", "20260206")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Of(t.Context(), nil, cal, set, recur.UTC, 10); calendar.ReasonOf(err) != calendar.MaxInstances {
		t.Errorf("31 instances of at most 10: %v", err)
	}
	// What partial retrieval asks for without its value has none.
	f, err = NewForm(calendar.DataRequest{Expand: w, Comp: &calendar.CompSelect{Name: "VCALENDAR", Comps: []calendar.CompSelect{
		{Name: "VEVENT", Props: []calendar.PropSelect{{Name: "DTSTART", NoValue: true}, {Name: "RECURRENCE-ID"}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	want := "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART:\r\nRECURRENCE-ID:20260106T080000Z\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nDTSTART:\r\nRECURRENCE-ID:20260107T080000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	if got, err := f.Of(t.Context(), nil, cal, set, recur.UTC, 10); err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
	if string(cal.Bytes()) != before {
		t.Error("the object was changed")
	}
}

// TestRFC4791_9_6_Refused: what cannot be wanted, and in which zone it is read.
func TestRFC4791_9_6_Refused(t *testing.T) {
	for _, w := range []*calendar.Window{window("20260106", ""), window("", "20260106"), window("20260106", "20260106")} {
		for _, req := range []calendar.DataRequest{{Expand: w}, {LimitRecur: w}, {LimitBusy: w}} {
			if _, err := NewForm(req); calendar.ReasonOf(err) != calendar.ValidFilter {
				t.Errorf("%+v: %v", req, err)
			}
		}
	}
	if _, err := NewForm(calendar.DataRequest{Timezone: "Nowhere"}); calendar.ReasonOf(err) != calendar.ValidTimezone {
		t.Error(err)
	}
	for text, want := range map[string]string{
		"":              "",
		"Europe/Berlin": "Europe/Berlin",
		string(vcalendar("VTIMEZONE\nTZID:Home\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0500\nTZOFFSETTO:+0500\nEND:STANDARD")): "Home",
	} {
		f, err := NewForm(calendar.DataRequest{Timezone: text})
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Zone(); (got != nil) != (want != "") || got != nil && got.Name() != want || !f.AsStored() {
			t.Errorf("%q: %v", text, got)
		}
	}
}
