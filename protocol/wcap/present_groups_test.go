package wcap

import (
	"testing"

	"factotum/server/calendar"
)

// withCrew adds a group of ben and carl to the people of a site.
func (s *site) withCrew() {
	s.people["crew"] = calendar.Person{ID: "crew", Kind: calendar.Group, Name: "The Crew", Mails: []string{"crew@example.com"}, Active: true, Owner: "anna"}
	for _, id := range []string{"ben", "carl"} {
		p := s.people[id]
		p.Groups = append(p.Groups, "crew")
		s.people[id] = p
	}
}

// TestWCAP_7_2_GroupAttendees: a group is shown with what its clients know it by,
// and stays on the list, which a client writes back.
func TestWCAP_7_2_GroupAttendees(t *testing.T) {
	s := newSite(t)
	s.withCrew()
	const crew, alone = "ATTENDEE;CUTYPE=GROUP:mailto:crew@example.com", "ATTENDEE;CUTYPE=GROUP:mailto:list@elsewhere.example"
	s.as("ben")
	s.put("carl", "carl", "a.ics", simpleEvent("a", "20260310T090000Z", "ORGANIZER:mailto:anna@example.com", crew, alone,
		`ATTENDEE;MEMBER="mailto:CREW@example.com":mailto:ben@example.com`))
	s.do("carl", "fetchevents_by_id.wcap?calid=carl&uid=a").errno(0).contains(
		"ATTENDEE;CUTYPE=GROUP;X-S1CS-EMAIL=crew@example.com;X-S1CS-EXPAND=TRUE:crew\r\n",
		"X-S1CS-GROUP-ATTENDEE;CUTYPE=GROUP;X-S1CS-EMAIL=crew@example.com;X-S1CS-EXPAND=TRUE:crew\r\n",
		"ATTENDEE;MEMBER=crew;X-S1CS-EMAIL=ben@example.com:ben\r\n",
		"ATTENDEE;CUTYPE=GROUP;X-S1CS-EMAIL=list@elsewhere.example;X-S1CS-EXPAND=FALSE:mailto:list@elsewhere.example\r\n")
	s.do("carl", "fetchevents_by_id.wcap?calid=carl&uid=a&emailorcalid=1").errno(0).contains(
		"ATTENDEE;CUTYPE=GROUP;X-S1CS-CALID=crew;X-S1CS-EXPAND=TRUE:mailto:crew@example.com\r\n",
		"X-S1CS-GROUP-ATTENDEE;CUTYPE=GROUP;X-S1CS-CALID=crew;X-S1CS-EXPAND=TRUE:mailto:crew@example.com\r\n",
		"ATTENDEE;MEMBER=\"mailto:CREW@example.com\";X-S1CS-CALID=ben:mailto:ben@example.com\r\n")
	s.put("carl", "carl", "b.ics", simpleEvent("b", "20260310T090000Z", "ORGANIZER:mailto:anna@example.com", "ATTENDEE:mailto:ben@example.com"))
	s.do("carl", "fetchevents_by_id.wcap?calid=carl&uid=b").errno(0).lacks("EXPAND", "GROUP")
}

// A group's calendar is found and read before anybody has used it.
func TestWCAP_GroupCalendarBeforeItsFirstUse(t *testing.T) {
	for _, ask := range []string{
		"search_calprops.wcap?search-string=crew", "search_calprops.wcap?search-string=The+Crew&name=1", "search_calprops.wcap?search-string=The+Crew&primaryOwner=1",
		"get_calprops.wcap?calid=crew",
	} {
		s := newSite(t)
		s.withCrew()
		s.do("carl", ask).errno(0).contains("X-NSCP-CALPROPS-RELATIVE-CALID:crew\r\n", "X-NSCP-CALPROPS-PRIMARY-OWNER:crew\r\n")
		s.do("carl", "fetchcomponents_by_range.wcap?calid=crew").errno(0)
	}
}
