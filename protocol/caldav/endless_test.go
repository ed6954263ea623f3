package caldav

import (
	"slices"
	"testing"

	"factotum/protocol/sitetest"
	"factotum/server/calendar"
	"factotum/server/service"
)

const year = `start="20260301T000000Z" end="20270301T000000Z"`

// expanding is a calendar-query or, with hrefs, a multiget for a year of
// instances.
func expanding(hrefs ...string) string {
	root, rest := "C:calendar-query", "<C:filter>"+in("<C:time-range "+year+"/>")+"</C:filter>"
	if len(hrefs) > 0 {
		root, rest = "C:calendar-multiget", ""
		for _, h := range hrefs {
			rest += "<D:href>" + h + "</D:href>"
		}
	}
	return xmlHead(root) + "<D:prop><D:getetag/><C:calendar-data><C:expand " + year + "/></C:calendar-data></D:prop>" + rest + "</" + root + ">"
}

// A series that is too long to be expanded is refused by itself: what stands
// beside it, and in the calendars behind, is answered.
func TestEndlessSeriesRefusesItselfAlone(t *testing.T) {
	s := openSite(t, sitetest.Options{Model: service.Options{Limits: calendar.Limits{Instances: 1000}}})
	s.visit("anna")
	s.do("anna", "MKCALENDAR", annasHome+"zuletzt/", "").is(201)
	other := annasHome + "zuletzt/"
	for _, endless := range []string{"FREQ=MINUTELY", "FREQ=SECONDLY", "FREQ=MINUTELY;COUNT=100000", "FREQ=HOURLY;UNTIL=20300101T000000Z",
		"FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=1,2,3;BYHOUR=0,1,2,3,4,5,6,7,8,9,10,11,12;BYMINUTE=0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29"} {
		s.put(annasCal+"b.ics", event("b", "20260301T000000Z", "Endless", "RRULE:"+endless))
		for _, name := range []string{annasCal + "a.ics", annasCal + "c.ics", other + "d.ics"} {
			s.put(name, event(name[len(name)-5:], "20260310T090000Z", "Plain", "RRULE:FREQ=WEEKLY;COUNT=3"))
		}
		all := []string{annasCal + "a.ics", annasCal + "b.ics", annasCal + "c.ics", other + "d.ics"}
		for _, c := range []struct {
			path, body string
			want       []string
		}{
			{annasCal, expanding(), all[:3]},
			{annasHome, expanding(), all},
			{annasCal, expanding(all[:3]...), all[:3]},
			{annasHome, expanding(all...), all},
		} {
			m := s.do("anna", "REPORT", c.path, c.body).multi()
			got := slices.Sorted(slices.Values(m.order))
			if !slices.Equal(got, c.want) {
				t.Errorf("%s on %s: %q, want %q", endless, c.path, got, c.want)
			}
			for _, href := range got {
				if href == annasCal+"b.ics" {
					if r := m.at(href); r.status != 403 || r.cond != "C:max-instances" {
						t.Errorf("%s on %s: the series has %d %s", endless, c.path, r.status, r.cond)
					}
				} else if m.node(href, "C:calendar-data").Text == "" {
					t.Errorf("%s on %s: %s has no data", endless, c.path, href)
				}
			}
		}
		// Neither free/busy nor a query that expands nothing refuses it.
		s.do("anna", "REPORT", annasHome, xmlHead("C:free-busy-query")+"<C:time-range "+year+"/></C:free-busy-query>").is(200).contains("BUSY:20260301T000000Z/")
		if m := s.do("anna", "REPORT", annasHome, query(in("<C:time-range "+year+"/>"), "C:calendar-data")).multi(); len(m.order) != 4 {
			t.Errorf("%s: %q", endless, m.order)
		}
		if m := s.do("anna", "REPORT", annasCal, syncBody("", "", "D:getetag", "C:calendar-data")).multi(); len(m.order) != 3 {
			t.Errorf("%s, sync: %q", endless, m.order)
		}
	}
}

// put stores an object of anna's, whether it is there or not.
func (s *site) put(path, body string) {
	s.t.Helper()
	if r := s.do("anna", "PUT", path, body); r.status != 201 && r.status != 204 {
		s.t.Fatalf("%s: %d\n%s", r.what, r.status, r.body)
	}
}
