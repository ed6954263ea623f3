package wcap

import (
	"testing"
	"time"

	"factotum/server/calendar"
)

// TestShownFollowsChanges: what is remembered belongs to one write, one reader's
// rights and one form.
func TestShownFollowsChanges(t *testing.T) {
	s := newSite(t)
	s.do("anna", "set_calprops.wcap?calid=anna&acl=@^a^r^g").errno(0)
	s.put("anna", "anna", "a.ics", simpleEvent("first", "20260303T090000Z", "CLASS:PRIVATE"))
	const month = "fetchcomponents_by_range.wcap?calid=anna&dtstart=20260301T000000Z&dtend=20260401T000000Z"
	for range 2 { // made, then remembered
		s.do("anna", month).errno(0).contains("SUMMARY:first", "DTSTART:20260303T090000Z")
		s.do("ben", month).errno(0).contains("UID:first").lacks("SUMMARY")
		s.do("anna", month+"&tzidout=America/New_York").contains("DTSTART:20260303T040000\r\n")
		s.do("anna", month+"&fmt-out=text/xml").contains("<SUMMARY>first</SUMMARY>")
		s.do("anna", month+"&attrset=0").contains("SUMMARY:first").lacks("CLASS")
	}
	s.remove("anna", "anna", "a.ics")
	s.do("anna", month).lacks("first")
	s.put("anna", "anna", "a.ics", simpleEvent("second", "20260303T100000Z"))
	for range 2 {
		s.do("anna", month).contains("SUMMARY:second")
		s.do("ben", month).contains("SUMMARY:second")
	}
	s.do("anna", "set_calprops.wcap?calid=anna&acl=").errno(0)
	s.do("ben", month).errno(28).lacks("second")
}

// TestShownForgets: another store, behind the same front, is not taken for the
// one before it, though its changes have the same numbers.
func TestShownForgets(t *testing.T) {
	s := newSite(t)
	const month = "fetchcomponents_by_range.wcap?calid=anna&dtstart=20260301T000000Z&dtend=20260401T000000Z"
	s.as("anna")
	s.put("anna", "anna", "a.ics", simpleEvent("first", "20260303T090000Z"))
	s.do("anna", month).errno(0).contains("SUMMARY:first")
	next := newSite(t)
	next.clock.Add(time.Second)
	next.as("anna")
	s.be, s.h.be = next.be, next.be
	s.put("anna", "anna", "a.ics", simpleEvent("second", "20260303T090000Z"))
	s.do("anna", month).errno(0).contains("SUMMARY:second")
}

// TestShownIsBounded: neither texts nor ways to ask fill the memory.
func TestShownIsBounded(t *testing.T) {
	s := newSite(t)
	s.as("anna")
	for i := range 20 {
		s.do("anna", "fetchcomponents_by_range.wcap?calid=anna&dtstart=20260301T000000Z&dtend=20260401T000000Z&attrset="+itoa(i%3)).errno(0)
	}
	if n := len(s.h.shown.pages); n > 3 {
		t.Errorf("%d pages for three sets of properties", n)
	}
	m, o := &shown{}, &calendar.Object{Name: "a"}
	most, text := 0, make([]byte, 10<<10)
	for i := range 3 * shownBytes / shownCost {
		p := m.page(pageKey{born: int64(i)})
		if i%100 == 0 {
			m.put(p, o, text, time.Time{})
		}
		most = max(most, len(m.pages))
		if m.bytes > shownBytes+shownCost+len(text)+shownCost {
			t.Fatalf("%d octets", m.bytes)
		}
	}
	if most > shownBytes/shownCost+1 {
		t.Errorf("%d pages", most)
	}
}

// TestShownInstances: which instances of a series are shown depends on the
// range, so they are not remembered.
func TestShownInstances(t *testing.T) {
	s := newSite(t)
	s.put("anna", "anna", "w.ics", simpleEvent("w", "20260302T090000Z", "RRULE:FREQ=WEEKLY"))
	for from := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC); from.Month() == time.March; from = from.AddDate(0, 0, 7) {
		q := "fetchcomponents_by_range.wcap?dtstart=" + utc(from) + "&dtend=" + utc(from.AddDate(0, 0, 7))
		if got := s.do("anna", q).errno(0).values("DTSTART"); len(got) != 1 || got[0] != utc(from.Add(9*time.Hour)) {
			t.Errorf("week of %s: %v", utc(from), got)
		}
	}
	if got := s.do("anna", "fetchcomponents_by_range.wcap?component-type=event").values("DTSTART"); len(got) != 60 {
		t.Errorf("a rule without end gave %d instances", len(got))
	}
}
