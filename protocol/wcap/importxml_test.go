package wcap

import (
	"strings"
	"testing"
	"testing/quick"

	"factotum/server/ical"
)

// throughXML writes a component as text/xml and reads it again.
func throughXML(t *testing.T, c *ical.Component) *ical.Component {
	t.Helper()
	text := append([]byte("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<iCalendar>\n<iCal>\n"), appendXML(nil, c)...)
	tree, err := parseXML(append(text, "</iCal>\n</iCalendar>\n"...), nil)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if len(tree.Children) != 1 {
		t.Fatalf("%d components of\n%s", len(tree.Children), text)
	}
	return tree.Children[0]
}

// TestWCAP_10_RoundTrip: what text/xml says is what iCalendar said.
func TestWCAP_10_RoundTrip(t *testing.T) {
	for _, body := range []string{
		`DESCRIPTION:trailing blanks  `, `DESCRIPTION:\n\n leading and trailing lines\n\n`, `SUMMARY: `, `SUMMARY:`, `LOCATION:\n`,
		`CATEGORIES:A,B`, `CATEGORIES:a\,b,c`, `CATEGORIES:a\\b,c\;d`, `CATEGORIES:a\;b,c`,
		`ATTENDEE;MEMBER="mailto:a,b@x.org","mailto:c@x.org";CN="Berg, Anna":mailto:anna@x.org`,
		`ATTENDEE;CN=a^nb ^'q^':mailto:anna@x.org`,
		`X-WHERE;VALUE=URI;X-TITLE=home:geo:52.5,13.4;u=10`, `CONFERENCE;VALUE=URI:https://x.org/a;b,c`, `X-N;VALUE=INTEGER:5`,
		`ATTACH;ENCODING=BASE64;VALUE=BINARY:QUJD`, `ATTACH:http://x.org/a,b;c`, `URL:http://x.org/?a=b;c,d`,
		`DTSTART;VALUE=DATE:20260101`, `DTSTART;TZID=Europe/Berlin:20260101T100000`, `EXDATE;VALUE=DATE:20260102`, `RDATE;VALUE=PERIOD:20260102T000000Z/PT1H`,
		`RRULE:FREQ=WEEKLY;BYDAY=MO,TU`, `GEO:52.5;13.4`, `REQUEST-STATUS:2.0;Success.  Store successful.`, `X-TEXT:tab` + "\t" + `and "quotes" <&>`,
	} {
		text := strings.Join([]string{"BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:x", "BEGIN:VEVENT", "UID:u", body, "BEGIN:VALARM", "ACTION:DISPLAY", "TRIGGER;VALUE=DATE-TIME:20260101T100000Z",
			"DESCRIPTION: x ", "END:VALARM", "BEGIN:PARTICIPANT", "UID:p", "BEGIN:VLOCATION", "NAME:Room 1", "END:VLOCATION", "END:PARTICIPANT", "END:VEVENT", "END:VCALENDAR", ""}, "\r\n")
		cal, err := ical.Parse([]byte(text), ical.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		want := string(cal.Children[0].Append(nil))
		if got := string(throughXML(t, cal.Children[0]).Append(nil)); got != want {
			t.Errorf("%s became\n%s\nwas\n%s", body, got, want)
		}
	}
}

// TestWCAP_10_Texts: any text that iCalendar can hold, in an element and in an attribute.
func TestWCAP_10_Texts(t *testing.T) {
	same := func(s string) bool {
		s = clean(s)
		c := ical.New("VEVENT")
		c.SetText("SUMMARY", s, ical.Param{Name: "X-P", Values: []string{s}})
		got := throughXML(t, c).Prop("SUMMARY")
		return ical.UnescapeText(got.Value) == s && got.Param("X-P") == s
	}
	for _, s := range []string{"", " ", "\n", "a\n", "\t a \t", " \n x y \n ", `"`, `""`, `","`, `"a","b"`, "]]>", "\U0001F600 ", "a\uFFFE\uFFFFb"} {
		if !same(s) {
			t.Errorf("%q is lost", s)
		}
	}
	if err := quick.Check(same, nil); err != nil {
		t.Error(err)
	}
}

// TestWCAP_10_Blanks: blanks around a text that Sun's server put there are no part of it.
func TestWCAP_10_Blanks(t *testing.T) {
	tree, err := parseXML([]byte("<iCalendar><iCal><EVENT>\r\n<UID>\r\n u \r\n</UID><DESC>\r\n&#32;a\r\nb&#10;\r\n</DESC><LOCATION><![CDATA[ c ]]></LOCATION><SUMMARY/></EVENT></iCal></iCalendar>"), nil)
	if err != nil {
		t.Fatal(err)
	}
	k := tree.Children[0]
	if k.Text("UID") != "u" || k.Text("DESCRIPTION") != " a\nb\n" || k.Text("LOCATION") != " c " || k.Text("SUMMARY") != "" {
		t.Errorf("%s", k.Append(nil))
	}
	for _, bad := range []string{"", "<a/>", "<!DOCTYPE x []><iCalendar/>", "<iCalendar><iCal><EVENT>", "<iCalendar><SUMMARY>text<UID>x</UID></SUMMARY></iCalendar>",
		"<iCalendar>" + strings.Repeat("<EVENT>", 30) + strings.Repeat("</EVENT>", 30) + "</iCalendar>", "<iCalendar>" + strings.Repeat("<A>", 30) + strings.Repeat("</A>", 30) + "</iCalendar>"} {
		if _, err := parseXML([]byte(bad), nil); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}
