package booking

import (
	"slices"
	"strings"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// Policy is what a resource takes.
type Policy struct {
	calendar.Booking
	AutoAccept bool              // it answers by itself; otherwise what no rule declines is left to the owners
	NoDoubles  bool              // two meetings never have it at once
	Owners     []calendar.UserID // they may book it, whatever Who says
}

// PolicyOf is that of an entry of the directory. Whether its calendar takes
// overlapping events was settled when that was made.
func PolicyOf(room calendar.Person, noDoubles bool) Policy {
	owners := room.CoOwners
	if room.Owner != "" {
		owners = append([]calendar.UserID{room.Owner}, owners...)
	}
	return Policy{Booking: room.Booking, AutoAccept: room.AutoReply, NoDoubles: noDoubles, Owners: owners}
}

// Booker is who organizes a meeting: an entry of the directory, or an address
// that it does not know.
type Booker struct {
	Person  calendar.Person
	Address string // calendar user address, as the ORGANIZER has it
}

// allows reports whether somebody may book the resource. A word of Who is a user
// id, a group as ACEs name it, a mail address, or a domain behind an @; @ alone
// is everybody. Upper and lower case are alike.
func (p *Policy) allows(by Booker) bool {
	if len(p.Who) == 0 || by.Person.Admin {
		return true
	}
	address := calendar.AddressKey(by.Address)
	same := func(word string) func(string) bool {
		return func(s string) bool { return strings.EqualFold(word, s) }
	}
	if by.Person.ID != "" && slices.ContainsFunc(p.Owners, same(by.Person.ID)) {
		return true
	}
	names := slices.Concat([]string{by.Person.ID, address}, by.Person.Mails, by.Person.Groups)
	for _, word := range p.Who {
		domain, is := strings.CutPrefix(word, "@")
		switch {
		case word == "@":
			return true
		case is && by.Person.Domain != "" && strings.EqualFold(domain, by.Person.Domain):
			return true
		case is && slices.ContainsFunc(names, func(n string) bool {
			at := strings.LastIndexByte(n, '@')
			return at > 0 && strings.EqualFold(domain, n[at+1:])
		}):
			return true
		case !is && word != "" && slices.ContainsFunc(names, same(word)):
			return true
		}
	}
	return false
}

// people counts who comes in person: attendees who have not declined or sent
// somebody else, without rooms and other resources, without those who are told
// for their information alone (RFC 5545 §3.2.16), and without a group whose
// members are on the list themselves (RFC 5545 §3.2.11).
func people(c *ical.Component, room func(string) bool) int {
	n := 0
	seen := map[string]bool{}
	listed := map[string]bool{}
	for a := range c.All("ATTENDEE") {
		for _, g := range a.ParamValues("MEMBER") {
			listed[calendar.AddressKey(g)] = true
		}
	}
	for a := range c.All("ATTENDEE") {
		k := calendar.AddressKey(a.Value)
		switch {
		case k == "", seen[k], room(a.Value):
		case a.ParamIs("CUTYPE", "ROOM"), a.ParamIs("CUTYPE", "RESOURCE"), a.ParamIs("ROLE", "NON-PARTICIPANT"):
		case a.ParamIs("PARTSTAT", "DECLINED"), a.ParamIs("PARTSTAT", "DELEGATED"):
		case a.ParamIs("CUTYPE", "GROUP") && listed[k]:
		default:
			n++
		}
		seen[k] = true
	}
	return n
}
