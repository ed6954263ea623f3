package caldav

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"factotum/protocol/dav"
	"factotum/server/calendar"
)

func parseFilter(t *testing.T, inner string) (*calendar.CompFilter, error) {
	t.Helper()
	root, err := dav.Parse(xmlHead("C:calendar-query")+"<C:filter>"+inner+"</C:filter></C:calendar-query>", dav.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return filterOf(root)
}

func in(inner string) string {
	return `<C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT">` + inner + `</C:comp-filter></C:comp-filter>`
}

func day(d int) time.Time { return time.Date(2026, 3, d, 0, 0, 0, 0, time.UTC) }

func TestRFC4791_9_7_Filters(t *testing.T) {
	event := func(f calendar.CompFilter) *calendar.CompFilter {
		f.Name = "VEVENT"
		return &calendar.CompFilter{Name: "VCALENDAR", Comps: []calendar.CompFilter{f}}
	}
	for _, c := range []struct {
		xml  string
		want *calendar.CompFilter
	}{
		{`<C:comp-filter name="VCALENDAR"/>`, &calendar.CompFilter{Name: "VCALENDAR"}},
		{`<C:comp-filter name="vcalendar"><C:comp-filter name="vevent"/></C:comp-filter>`, event(calendar.CompFilter{})},
		{in(`<C:time-range start="20260301T000000Z" end="20260302T000000Z"/>`), event(calendar.CompFilter{TimeRange: &calendar.Window{From: day(1), To: day(2)}})},
		{in(`<C:time-range start="20260301T000000Z"/>`), event(calendar.CompFilter{TimeRange: &calendar.Window{From: day(1)}})},
		{in(`<C:time-range end="20260302T000000Z"/>`), event(calendar.CompFilter{TimeRange: &calendar.Window{To: day(2)}})},
		{in(`<C:is-not-defined/>`), event(calendar.CompFilter{IsNotDefined: true})},
		{in(`<C:prop-filter name="UID"><C:text-match collation="i;octet">x y</C:text-match></C:prop-filter>`),
			event(calendar.CompFilter{Props: []calendar.PropFilter{{Name: "UID", Text: &calendar.TextMatch{Text: "x y", Collation: "i;octet"}}}})},
		{in(`<C:prop-filter name="ATTENDEE"><C:text-match negate-condition="yes">a</C:text-match><C:param-filter name="PARTSTAT"><C:text-match>NEEDS-ACTION</C:text-match></C:param-filter><C:param-filter name="CN"><C:is-not-defined/></C:param-filter></C:prop-filter>`),
			event(calendar.CompFilter{Props: []calendar.PropFilter{{Name: "ATTENDEE", Text: &calendar.TextMatch{Text: "a", Collation: "i;ascii-casemap", Negate: true},
				Params: []calendar.ParamFilter{{Name: "PARTSTAT", Text: &calendar.TextMatch{Text: "NEEDS-ACTION", Collation: "i;ascii-casemap"}}, {Name: "CN", IsNotDefined: true}}}}})},
		{in(`<C:comp-filter name="VALARM"><C:time-range start="20260301T000000Z" end="20260302T000000Z"/></C:comp-filter>`),
			event(calendar.CompFilter{Comps: []calendar.CompFilter{{Name: "VALARM", TimeRange: &calendar.Window{From: day(1), To: day(2)}}}})},
	} {
		got, err := parseFilter(t, c.xml)
		if err != nil {
			t.Errorf("%s: %v", c.xml, err)
			continue
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s:\n%s", c.xml, d)
		}
	}
}

func TestRFC4791_7_8_FilterPreconditions(t *testing.T) {
	for xml, want := range map[string]string{
		``:                               "valid-filter",
		`<C:comp-filter name="VEVENT"/>`: "valid-filter",
		`<C:comp-filter/>`:               "valid-filter",
		`<C:comp-filter name="VCALENDAR"/><C:comp-filter name="VCALENDAR"/>`:                                  "valid-filter",
		in(`<C:comp-filter name="VEVENT"/>`):                                                                  "valid-filter",
		in(`<C:comp-filter/>`):                                                                                "valid-filter",
		in(`<C:time-range/>`):                                                                                 "valid-filter",
		in(`<C:time-range start="20260301T000000"/>`):                                                         "valid-filter",
		in(`<C:time-range start="20260301"/>`):                                                                "valid-filter",
		in(`<C:time-range start="20260302T000000Z" end="20260302T000000Z"/>`):                                 "valid-filter",
		in(`<C:time-range start="00000101T000000Z"/>`):                                                        "min-date-time",
		in(`<C:is-not-defined/><C:time-range start="20260302T000000Z"/>`):                                     "valid-filter",
		in(`<C:prop-filter name="SUMMARY"><C:time-range start="20260302T000000Z"/></C:prop-filter>`):          "valid-filter",
		in(`<C:prop-filter/>`):                                                                                "valid-filter",
		in(`<C:prop-filter name="A"><C:is-not-defined/><C:text-match>x</C:text-match></C:prop-filter>`):       "valid-filter",
		in(`<C:prop-filter name="A"><C:text-match negate-condition="maybe">x</C:text-match></C:prop-filter>`): "valid-filter",
		in(`<C:prop-filter name="A"><C:text-match>x<C:x/></C:text-match></C:prop-filter>`):                    "valid-filter",
		in(`<C:prop-filter name="A"><C:param-filter/></C:prop-filter>`):                                       "valid-filter",
		in(`<C:text-match>x</C:text-match>`):                                                                  "valid-filter",
		`<C:comp-filter name="VCALENDAR"><C:time-range start="20260302T000000Z"/></C:comp-filter>`:            "valid-filter",
		in(`<C:x-filter/>`): "supported-filter",
		in(`<C:prop-filter name="A"><C:text-match collation="i;klingon">x</C:text-match></C:prop-filter>`):                "supported-collation",
		in(strings.Repeat(`<C:prop-filter name="A"/>`, 300)):                                                              "supported-filter",
		`<C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT" test="most"/></C:comp-filter>`:                      "valid-filter",
		in(`<C:prop-filter name="A"><C:param-filter name="B"><C:time-range start="x"/></C:param-filter></C:prop-filter>`): "valid-filter",
	} {
		_, err := parseFilter(t, xml)
		var cond string
		if de, ok := err.(*dav.Error); ok && de.Status == 403 {
			cond = de.Condition.Name.Local
		}
		if cond != want {
			t.Errorf("%s: %v, want %s", xml, err, want)
		}
	}
}

func TestRFC4791_9_6_CalendarData(t *testing.T) {
	parse := func(xml string) (calendar.DataRequest, error) {
		root, err := dav.Parse(xmlHead("C:calendar-query")+"<D:prop>"+xml+"</D:prop></C:calendar-query>", dav.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		_, d, err := reportProps(root)
		return d, err
	}
	w := &calendar.Window{From: day(1), To: day(2)}
	rng := `start="20260301T000000Z" end="20260302T000000Z"`
	for xml, want := range map[string]calendar.DataRequest{
		`<D:getetag/>`:       {None: true},
		`<C:calendar-data/>`: {},
		`<C:calendar-data content-type="text/calendar" version="2.0"/>`:            {},
		`<C:calendar-data><C:expand ` + rng + `/></C:calendar-data>`:               {Expand: w},
		`<C:calendar-data><C:limit-recurrence-set ` + rng + `/></C:calendar-data>`: {LimitRecur: w},
		`<C:calendar-data><C:limit-freebusy-set ` + rng + `/></C:calendar-data>`:   {LimitBusy: w},
		`<C:calendar-data><C:comp name="VCALENDAR"><C:prop name="VERSION"/><C:comp name="VEVENT"><C:prop name="SUMMARY" novalue="yes"/></C:comp><C:comp name="VTIMEZONE"/></C:comp></C:calendar-data>`: {
			Comp: &calendar.CompSelect{Name: "VCALENDAR", Props: []calendar.PropSelect{{Name: "VERSION"}}, Comps: []calendar.CompSelect{
				{Name: "VEVENT", Props: []calendar.PropSelect{{Name: "SUMMARY", NoValue: true}}}, {Name: "VTIMEZONE", AllProps: true, AllComps: true}}}},
	} {
		got, err := parse(xml)
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%s: %v\n%s", xml, err, d)
		}
	}
	for xml, want := range map[string]string{
		`<C:calendar-data content-type="application/calendar+json"/>`:                                     "supported-calendar-data",
		`<C:calendar-data version="1.0"/>`:                                                                "supported-calendar-data",
		`<C:calendar-data><C:expand start="20260301T000000Z"/></C:calendar-data>`:                         "400",
		`<C:calendar-data><C:expand ` + rng + `/><C:limit-recurrence-set ` + rng + `/></C:calendar-data>`: "400",
		`<C:calendar-data><C:comp name="VEVENT"/></C:calendar-data>`:                                      "400",
		`<C:calendar-data><C:comp/></C:calendar-data>`:                                                    "400",
		`<C:calendar-data><C:comp name="VCALENDAR"><C:prop/></C:comp></C:calendar-data>`:                  "400",
	} {
		if _, err := parse(xml); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", xml, err)
		}
	}
}

// Whatever a filter is made of, it is read or refused.
func FuzzFilter(f *testing.F) {
	f.Add(in(`<C:time-range start="20260301T000000Z" end="20260302T000000Z"/>`))
	f.Add(in(`<C:prop-filter name="UID"><C:text-match collation="i;octet">x y</C:text-match></C:prop-filter>`))
	f.Fuzz(func(t *testing.T, inner string) {
		root, err := dav.Parse(xmlHead("C:calendar-query")+"<C:filter>"+inner+"</C:filter></C:calendar-query>", dav.Limits{})
		if err != nil {
			return
		}
		if got, err := filterOf(root); err == nil && got.Name != "VCALENDAR" {
			t.Error(fmt.Sprint(got))
		}
	})
}
