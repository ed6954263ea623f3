package meetings

// game is the event of RFC 5546 §4.1.
var game = fields{"DTSTART": "19970701T200000Z", "DTEND": "19970701T220000Z", "SUMMARY": "ST. PAUL SAINTS -VS- DULUTH-SUPERIOR DUKES"}

const organizerA, organizerB = "ORGANIZER:mailto:anna@example.com", "ORGANIZER:mailto:olga@example.com"

// published are the stories of RFC 5546 §4.1, §4.3.1 and §4.6.
var published = []story{
	{"4.1.1 4.1.2 4.1.3", func(p *play) {
		// What A has without attendees nobody hears of.
		p.request("VEVENT", game)
		p.change("", fields{"DTSTART": "19970701T210000Z", "DTEND": "19970701T230000Z"})
		p.instances(a, "0701T2100 "+game["SUMMARY"])
		p.instances(b)
		// What another system publishes is read, changed and called off; what is older is not read.
		const title = "SUMMARY:ST. PAUL SAINTS -VS- DULUTH-SUPERIOR DUKES"
		p.deliver("PUBLISH", "VEVENT", a, b, "published", organizerA, "DTSTART:19970701T200000Z", title)
		p.instances(b, "0701T2000 "+game["SUMMARY"])
		p.deliver("PUBLISH", "VEVENT", a, b, "updated", organizerA, "DTSTART:19970701T210000Z", "DTEND:19970701T230000Z", "SEQUENCE:1", title)
		p.deliver("PUBLISH", "VEVENT", a, b, "older-revision", organizerA, "DTSTART:19970701T200000Z", "SEQUENCE:0", title)
		p.deliver("PUBLISH", "VEVENT", c, b, "not-organizer", organizerA, "DTSTART:19970701T200000Z", "SEQUENCE:2", title)
		p.instances(b, "0701T2100 "+game["SUMMARY"])
		p.deliver("CANCEL", "VEVENT", a, b, "cancelled", organizerA, "COMMENT:DUKES forfeit the game", "SEQUENCE:2")
		p.instances(b, "0701T2100 "+game["SUMMARY"]+" CANCELLED")
	}},
	{"4.1.4", func(p *play) {
		p.deliver("PUBLISH", "VEVENT", a, b, "published", organizerA, "ATTACH:http://www.example.com/", "CATEGORIES:SPORTS EVENT,ENTERTAINMENT", "CLASS:PRIVATE",
			"DESCRIPTION:MIDWAY STADIUM\\nBig time game.  MUST see.", "DTSTART:19970702T210000Z", "DTEND:19970702T230000Z", "STATUS:CONFIRMED",
			"LOCATION;ALTREP=\"http://stadium.example.com/\":Stadium", "PRIORITY:2", "RESOURCES:SCOREBOARD", "SEQUENCE:3", "SUMMARY:Rich",
			"BEGIN:VALARM", "TRIGGER:-PT2H", "ACTION:DISPLAY", "DESCRIPTION:You should be leaving for the game now.", "END:VALARM")
		p.instances(b, "0702T2100 Rich")
		p.shows(b, "DESCRIPTION", "MIDWAY STADIUM\nBig time game.  MUST see.")
		p.shows(b, "LOCATION", "Stadium")
		p.shows(b, "PRIORITY", "2")
		for _, c := range p.components(b) {
			if c.Child("VALARM") != nil {
				p.Errorf("the publisher's alarm rings at the reader's:\n%s", c.Bytes())
			}
		}
	}},
	{"4.1.5", func(p *play) {
		p.request("VEVENT", fields{"DTSTART": "19970714", "RRULE": "FREQ=YEARLY;INTERVAL=1", "SUMMARY": "Bastille Day"})
		p.instances(a, "0714 Bastille Day", "0714 Bastille Day")
		p.deliver("PUBLISH", "VEVENT", a, b, "published", organizerA, "DTSTART;VALUE=DATE:19970714", "RRULE:FREQ=YEARLY;INTERVAL=1", "SUMMARY:Bastille Day")
		p.instances(b, "0714 Bastille Day", "0714 Bastille Day")
	}},
	{"4.6", func(p *play) {
		// Journals are published; over the protocols they are stored, and tell nobody.
		p.deliver("PUBLISH", "VJOURNAL", a, b, "published", "DTSTART:19971002T200000Z", organizerA, "SUMMARY:Phone conference minutes", "RELATED-TO:0981234-1234234-2402-35@example.com")
		p.deliver("REQUEST", "VJOURNAL", a, b, "not-addressed", "DTSTART:19971002T200000Z", organizerA, "SUMMARY:Phone conference minutes")
	}},
	{"4.3.1", func(p *play) {
		// Busy time is asked for when it is needed: what was published of it is nobody's object.
		p.deliver("PUBLISH", "VFREEBUSY", a, b, "unreadable", organizerA, "DTSTART:19980101T124200Z", "DTEND:19980108T124200Z", "FREEBUSY:19980101T180000Z/19980101T190000Z")
		p.instances(b)
	}},
}

// conference is the meeting of RFC 5546 §4.2.1.
var conference = fields{"DTSTART": "19970701T200000Z", "DTEND": "19970701T210000Z", "SUMMARY": "Conference", "STATUS": "CONFIRMED"}

// group are the stories of RFC 5546 §4.2 and §4.3.
var group = []story{
	{"4.2.1 4.2.2 4.2.3", func(p *play) {
		p.request("VEVENT", conference, b, c, d, "room1;CUTYPE=ROOM;RSVP=FALSE", "emil;ROLE=NON-PARTICIPANT;RSVP=FALSE")
		for _, who := range []string{a, b, c, d, e} {
			p.instances(who, "0701T2000 Conference")
		}
		p.answer(b, "", "ACCEPTED")
		p.answer(c, "", "DECLINED")
		p.answer(d, "", "TENTATIVE")
		p.answers("carl=DECLINED emil=NEEDS-ACTION olga=ACCEPTED room1=NEEDS-ACTION rosa=TENTATIVE", a, b, c, d, e)
		p.change("", fields{"DTSTART": "19970701T180000Z", "DTEND": "19970701T190000Z", "SUMMARY": "Phone Conference"})
		for _, who := range []string{a, b, c, d, e} {
			p.instances(who, "0701T1800 Phone Conference")
			p.shows(who, "SEQUENCE", "1")
		}
		p.answers("carl=NEEDS-ACTION emil=NEEDS-ACTION olga=NEEDS-ACTION room1=NEEDS-ACTION rosa=NEEDS-ACTION", a, b, c, d, e)
		p.may(p.hand(a).remove(p, a)) // others want the room
	}},
	{"4.2.4", func(p *play) {
		p.request("VEVENT", fields{"DTSTART": "19970701T190000Z", "DTEND": "19970701T200000Z", "SUMMARY": "Discuss the Merits of the election results", "LOCATION": "Green Conference Room"}, b, c)
		counter := []string{organizerA, "ATTENDEE;RSVP=TRUE:mailto:olga@example.com", "ATTENDEE;RSVP=TRUE:mailto:carl@example.com", "DTSTART:19970701T160000Z", "DTEND:19970701T170000Z",
			"SUMMARY:Discuss the Merits of the election results", "LOCATION:Green Conference Room", "COMMENT:This time works much better", "SEQUENCE:0"}
		p.deliver("COUNTER", "VEVENT", b, a, "proposed", counter...)
		p.deliver("COUNTER", "VEVENT", e, a, "not-invited", counter...)
		for _, who := range []string{a, b, c} {
			p.instances(who, "0701T1900 Discuss the Merits of the election results")
		}
		// A declines one proposal, and does as another says.
		p.deliver("DECLINECOUNTER", "VEVENT", a, b, "proposal-declined", organizerA, "COMMENT:Sorry", "SEQUENCE:0")
		p.deliver("DECLINECOUNTER", "VEVENT", c, b, "not-organizer", organizerA, "SEQUENCE:0")
		p.instances(b, "0701T1900 Discuss the Merits of the election results")
		p.change("", fields{"DTSTART": "19970701T160000Z", "DTEND": "19970701T170000Z"})
		p.instances(c, "0701T1600 Discuss the Merits of the election results")
	}},
	{"4.2.5 4.2.6", func(p *play) {
		p.request("VEVENT", conference, b, c)
		p.may(p.hand(c).delegate(p, c, e))
		p.answers("carl=DELEGATED emil=NEEDS-ACTION olga=NEEDS-ACTION", a, b, c, e)
		p.instances(e, "0701T2000 Conference")
		p.answer(e, "", "ACCEPTED")
		p.answers("carl=DELEGATED emil=ACCEPTED olga=NEEDS-ACTION", a, b, c, e)
	}},
	{"4.2.7", func(p *play) {
		p.request("VEVENT", conference, b, c)
		p.may(p.hand(c).delegate(p, c, e))
		p.answer(e, "", "DECLINED")
		p.answers("carl=DELEGATED emil=DECLINED olga=NEEDS-ACTION", a, b, c) // C reads that his delegate does not come,
		p.answer(c, "", "ACCEPTED")                                          // and comes himself.
		p.answers("carl=ACCEPTED emil=DECLINED olga=NEEDS-ACTION", a, b)
	}},
	{"4.2.8", func(p *play) {
		// E was sent a copy by B, and says that he comes.
		p.request("VEVENT", conference, b)
		crash := []string{organizerA, "ATTENDEE;PARTSTAT=ACCEPTED:mailto:emil@example.com", "DTSTART:19970701T200000Z", "SEQUENCE:0"}
		p.deliver("REPLY", "VEVENT", e, a, "not-invited", crash...)
		p.answers("olga=NEEDS-ACTION", a, b)
		p.change("", nil, e) // A may invite him.
		p.instances(e, "0701T2000 Conference")
		p.deliver("REPLY", "VEVENT", e, a, "answered", crash...)
		p.answers("emil=ACCEPTED olga=NEEDS-ACTION", a, b)
	}},
	{"4.2.9", func(p *play) {
		p.request("VEVENT", conference, b, c, d)
		p.answer(b, "", "DECLINED")
		p.may(p.hand(a).callOff(p, a, ""))
		for _, who := range []string{b, c, d} {
			p.instances(who, "0701T2000 Conference CANCELLED")
		}
		p.deliver("REQUEST", "VEVENT", a, b, "older-revision", organizerA, "ATTENDEE:mailto:olga@example.com", "DTSTART:19970701T200000Z", "SUMMARY:Conference", "SEQUENCE:0")
		p.instances(b, "0701T2000 Conference CANCELLED")
	}},
	{"4.2.10", func(p *play) {
		p.request("VEVENT", conference, b, c, d, e)
		p.may(p.hand(a).uninvite(p, a, b))
		p.instances(b, "0701T2000 Conference CANCELLED")
		for _, who := range []string{a, c, d, e} {
			p.instances(who, "0701T2000 Conference")
		}
		p.answers("carl=NEEDS-ACTION emil=NEEDS-ACTION rosa=NEEDS-ACTION", a, c, d, e)
	}},
	{"4.2.11", func(p *play) {
		// That somebody else organizes it now only A can say: whoever says so is not believed.
		p.request("VEVENT", mapped(conference, "RRULE", "FREQ=WEEKLY;COUNT=2"), b, c, d)
		p.deliver("REQUEST", "VEVENT", b, c, "not-organizer", organizerB, "ATTENDEE:mailto:carl@example.com", "ATTENDEE:mailto:rosa@example.com", "DTSTART:19970701T200000Z",
			"DTEND:19970701T203000Z", "RRULE:FREQ=WEEKLY", "SUMMARY:Phone Conference", "SEQUENCE:1")
		p.mayNot("B takes A's meeting over", p.hand(b).change(p, b, "", fields{"SUMMARY": "Phone Conference", "DTSTART": "19970701T210000Z", "DTEND": "19970701T213000Z"}, nil))
		for _, who := range []string{a, b, c, d} {
			p.instances(who, "0701T2000 Conference", "0708T2000 Conference")
		}
	}},
	{"4.3.2 4.3.3", func(p *play) {
		p.request("VEVENT", fields{"DTSTART": "19970705T090000Z", "DTEND": "19970705T100000Z", "SUMMARY": "Secret"}, b)
		p.answer(b, "", "ACCEPTED")
		for _, who := range []string{a, d} {
			got, err := p.hand(who).busy(p, who, []string{b, c}, "19970705T080000Z", "19970705T200000Z")
			p.may(err)
			if got[b] != "19970705T090000Z/19970705T100000Z" || got[c] != "" || len(got) != 2 {
				p.Errorf("%s is told %q", who, got)
			}
		}
	}},
}

// appendixB are the examples of RFC 6638 that RFC 5546 does not have, by either
// protocol; those of invitations, answers and busy time are 4.2.1 to 4.3.3.
var appendixB = []story{
	{"B.1 B.2 B.3 B.4", func(p *play) {
		p.request("VEVENT", fields{"DTSTART": "19970902T120000Z", "DTEND": "19970902T130000Z", "SUMMARY": "Lunch"}, b, c, "nobody")
		p.instances(b, "0902T1200 Lunch")
		p.instances(c, "0902T1200 Lunch")
		status := func(of string) string {
			return line(p.components(a)[0], of).Param("SCHEDULE-STATUS")
		}
		if status(b) != "1.2" || status(c) != "1.2" || status("nobody") != "3.7" {
			p.Errorf("the organizer is told %q, %q, %q", status(b), status(c), status("nobody"))
		}
		p.answer(b, "", "ACCEPTED")
		p.answers("carl=NEEDS-ACTION nobody=NEEDS-ACTION olga=ACCEPTED", a, b, c)
		if status(b) != "2.0" {
			p.Errorf("the organizer is told %q", status(b))
		}
	}},
	{"B.5", func(p *play) {
		p.request("VEVENT", fields{"DTSTART": "19970903T120000Z", "DTEND": "19970903T130000Z", "SUMMARY": "Lunch"}, b, c)
		p.answer(b, "", "ACCEPTED")
		got, err := p.hand(a).busy(p, a, []string{b, c}, "19970903T000000Z", "19970904T000000Z")
		p.may(err)
		const lunch = "19970903T120000Z/19970903T130000Z"
		if got[b] != lunch || got[c] != lunch { // C has not said that he comes: the time is held
			p.Errorf("A is told %q", got)
		}
	}},
	{"B.6", func(p *play) {
		// B stores in A's calendar, where he has no right to.
		p.into = a
		p.mayNot("B invites for A", p.hand(b).create(p, b, "VEVENT", conference, []string{c, d}))
		for _, who := range []string{a, b, c, d} {
			p.instances(who)
		}
	}},
	{"B.7", func(p *play) {
		p.request("VEVENT", fields{"DTSTART": "19970601T150000Z", "DTEND": "19970601T160000Z", "RRULE": "FREQ=WEEKLY;COUNT=3", "SUMMARY": "Review Internet-Draft"}, b)
		p.answer(b, "", "ACCEPTED")
		p.answer(b, "19970608T150000Z", "DECLINED")
		for _, who := range []string{a, b} {
			p.answersOf(who, "19970601T150000Z", "olga=ACCEPTED")
			p.answersOf(who, "19970608T150000Z", "olga=DECLINED")
			p.answersOf(who, "19970615T150000Z", "olga=ACCEPTED")
		}
	}},
	{"B.8", func(p *play) {
		p.request("VEVENT", fields{"DTSTART": "19970602T150000Z", "DTEND": "19970602T160000Z", "RRULE": "FREQ=WEEKLY;COUNT=3", "SUMMARY": "Review Internet-Draft"}, b)
		p.answer(b, "", "ACCEPTED")
		p.may(p.hand(b).callOff(p, b, "19970609T150000Z"))
		p.instances(b, "0602T1500 Review Internet-Draft", "0616T1500 Review Internet-Draft")
		p.instances(a, "0602T1500 Review Internet-Draft", "0609T1500 Review Internet-Draft", "0616T1500 Review Internet-Draft")
		p.answersOf(a, "19970602T150000Z", "olga=ACCEPTED")
		p.answersOf(a, "19970609T150000Z", "olga=DECLINED")
		// With the last of it B has nothing, and declines all.
		p.may(p.hand(b).remove(p, b))
		p.instances(b)
		p.answers("olga=DECLINED", a)
	}},
}
