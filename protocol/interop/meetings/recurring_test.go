package meetings

// monthly is the meeting of RFC 5546 §4.4.2, for as long as the tests look.
var monthly = fields{"DTSTART": "19970601T210000Z", "DTEND": "19970601T220000Z", "RRULE": "FREQ=MONTHLY;BYMONTHDAY=1;UNTIL=19970901T210000Z",
	"SUMMARY": "IETF Meeting", "DESCRIPTION": "IETF-C&S Conference Call", "LOCATION": "Conference Call"}

// recurring are the stories of RFC 5546 §4.4 and §4.7.
var recurring = []story{
	{"4.4.1", func(p *play) {
		p.request("VEVENT", fields{"TZID": "America/Los_Angeles", "DTSTART": "19970701T140000", "DTEND": "19970701T150000", "RRULE": "FREQ=WEEKLY;COUNT=20;WKST=SU;BYDAY=TU",
			"RDATE": "19970910T140000", "EXDATE": "19970909T140000,19971028T140000", "SUMMARY": "Weekly Phone Conference"}, b, c)
		for _, who := range []string{a, b, c} {
			p.shows(who, "DTSTART", "19970701T210000Z", "19970708T210000Z", "19970715T210000Z", "19970722T210000Z", "19970729T210000Z", "19970805T210000Z", "19970812T210000Z",
				"19970819T210000Z", "19970826T210000Z", "19970902T210000Z", "19970910T210000Z", "19970916T210000Z", "19970923T210000Z", "19970930T210000Z", "19971007T210000Z",
				"19971014T210000Z", "19971021T210000Z", "19971104T220000Z", "19971111T220000Z")
		}
	}},
	{"4.4.2 4.4.3 4.4.4", func(p *play) {
		p.request("VEVENT", monthly, b, c, d)
		p.answer(b, "", "ACCEPTED")
		p.change("19970701T210000Z", fields{"DTSTART": "19970703T210000Z", "DTEND": "19970703T220000Z"})
		for _, who := range []string{a, b, c, d} {
			p.instances(who, "0601T2100 IETF Meeting", "0703T2100 IETF Meeting", "0801T2100 IETF Meeting", "0901T2100 IETF Meeting")
			p.shows(who, "RECURRENCE-ID", "19970601T210000Z", "19970701T210000Z", "19970801T210000Z", "19970901T210000Z")
		}
		for _, who := range []string{a, b} {
			p.answersOf(who, "19970601T210000Z", "carl=NEEDS-ACTION olga=ACCEPTED rosa=NEEDS-ACTION")
			p.answersOf(who, "19970703T210000Z", "carl=NEEDS-ACTION olga=NEEDS-ACTION rosa=NEEDS-ACTION")
		}
		p.may(p.hand(a).callOff(p, a, "19970801T210000Z"))
		for _, who := range []string{b, c, d} {
			p.instances(who, "0601T2100 IETF Meeting", "0703T2100 IETF Meeting", "0901T2100 IETF Meeting")
		}
		p.answersOf(b, "19970601T210000Z", "carl=NEEDS-ACTION olga=ACCEPTED rosa=NEEDS-ACTION")
		p.may(p.hand(a).callOff(p, a, ""))
		for _, who := range []string{b, c, d} {
			p.instances(who, "0601T2100 IETF Meeting CANCELLED", "0703T2100 IETF Meeting CANCELLED", "0901T2100 IETF Meeting CANCELLED")
		}
	}},
	{"4.4.5", func(p *play) {
		p.request("VEVENT", monthly, b)
		p.deliver("REQUEST", "VEVENT", a, b, "updated", "RECURRENCE-ID;RANGE=THISANDFUTURE:19970801T210000Z", organizerA, "ATTENDEE;RSVP=TRUE:mailto:olga@example.com",
			"SUMMARY:IETF Meeting", "DTSTART:19970801T210000Z", "DTEND:19970801T220000Z", "LOCATION:Building 32, Microsoft, Seattle, WA", "SEQUENCE:3")
		p.shows(b, "LOCATION", "Conference Call", "Conference Call", "Building 32, Microsoft, Seattle, WA", "Building 32, Microsoft, Seattle, WA")
	}},
	{"4.4.6 4.4.9", func(p *play) {
		p.request("VEVENT", monthly, b)
		p.answer(b, "", "ACCEPTED")
		p.change("", fields{"RDATE": "19970715T210000Z"})
		for _, who := range []string{a, b} {
			p.instances(who, "0601T2100 IETF Meeting", "0701T2100 IETF Meeting", "0715T2100 IETF Meeting", "0801T2100 IETF Meeting", "0901T2100 IETF Meeting")
		}
		// An ADD of another system says the same.
		p.deliver("ADD", "VEVENT", a, b, "updated", organizerA, "ATTENDEE;RSVP=TRUE:mailto:olga@example.com", "SUMMARY:One more", "DTSTART:19970716T210000Z", "DTEND:19970716T220000Z", "SEQUENCE:4")
		p.deliver("ADD", "VEVENT", c, b, "not-organizer", organizerA, "ATTENDEE;RSVP=TRUE:mailto:olga@example.com", "SUMMARY:One more", "DTSTART:19970717T210000Z", "SEQUENCE:5")
		p.instances(b, "0601T2100 IETF Meeting", "0701T2100 IETF Meeting", "0715T2100 IETF Meeting", "0716T2100 One more", "0801T2100 IETF Meeting", "0901T2100 IETF Meeting")
		p.deliver("COUNTER", "VEVENT", b, a, "proposed", "RECURRENCE-ID:19970715T210000Z", organizerA, "ATTENDEE;RSVP=TRUE:mailto:olga@example.com", "SUMMARY:IETF Meeting",
			"DTSTART:19970715T220000Z", "DTEND:19970715T230000Z", "COMMENT:May we bump this by an hour?", "SEQUENCE:4")
		p.instances(a, "0601T2100 IETF Meeting", "0701T2100 IETF Meeting", "0715T2100 IETF Meeting", "0801T2100 IETF Meeting", "0901T2100 IETF Meeting")
	}},
	{"4.4.7", func(p *play) {
		p.request("VEVENT", fields{"DTSTART": "19980303T210000Z", "DTEND": "19980303T220000Z", "RRULE": "FREQ=WEEKLY;WKST=SU;BYDAY=TU;UNTIL=19980320T000000Z", "SUMMARY": "Review Accounts"}, b)
		p.answer(b, "", "ACCEPTED")
		p.change("", fields{"RRULE": "FREQ=WEEKLY;WKST=SU;BYDAY=TU,TH;UNTIL=19980320T000000Z"})
		for _, who := range []string{a, b} {
			p.instances(who, "0303T2100 Review Accounts", "0305T2100 Review Accounts", "0310T2100 Review Accounts", "0312T2100 Review Accounts", "0317T2100 Review Accounts", "0319T2100 Review Accounts")
			p.answersOf(who, "19980305T210000Z", "olga=NEEDS-ACTION")
		}
	}},
	{"4.4.8", func(p *play) {
		p.request("VEVENT", fields{"DTSTART": "19980304T180000Z", "DTEND": "19980304T200000Z", "RDATE": "19980311T180000Z,19980318T180000Z", "SUMMARY": "Review Accounts", "LOCATION": "Room A"}, b)
		p.change("19980311T180000Z", fields{"DTSTART": "19980311T160000Z", "DTEND": "19980311T180000Z", "LOCATION": "The Small conference room"})
		p.change("", fields{"RDATE": "19980311T180000Z,19980318T180000Z,19980315T180000Z"})
		want := []string{"0304T1800 Review Accounts", "0311T1600 Review Accounts", "0315T1800 Review Accounts", "0318T1800 Review Accounts"}
		p.instances(b, want...)
		// B has lost what he had, and asks for it.
		p.lose(b)
		p.instances(b)
		ask := []string{organizerA, "ATTENDEE:mailto:olga@example.com"}
		p.deliver("REFRESH", "VEVENT", e, a, "not-invited", organizerA, "ATTENDEE:mailto:emil@example.com")
		p.deliver("REFRESH", "VEVENT", b, a, "resent", ask...)
		p.instances(b, want...)
		p.shows(b, "LOCATION", "Room A", "The Small conference room", "Room A", "Room A")
	}},
	{"4.4.10", func(p *play) {
		// B's program does not know a property: the organizer is told, and his answer stays.
		p.request("VEVENT", monthly, b, c)
		p.answer(b, "", "ACCEPTED")
		p.deliver("REPLY", "VEVENT", b, a, "answered", organizerA, "ATTENDEE:mailto:olga@example.com", "REQUEST-STATUS:3.0;Invalid Property Name;FOO", "SEQUENCE:0")
		p.answers("carl=NEEDS-ACTION olga=ACCEPTED", a, b, c)
		if got := line(p.components(a)[0], b).Param("SCHEDULE-STATUS"); got != "3.0" {
			p.Errorf("the organizer is told %q", got)
		}
	}},
	{"4.7.1", func(p *play) {
		p.request("VEVENT", conference, b, c)
		p.lose(b)
		p.deliver("REFRESH", "VEVENT", b, a, "resent", organizerA, "ATTENDEE:mailto:olga@example.com")
		p.instances(b, "0701T2000 Conference")
		p.deliver("REFRESH", "VEVENT", b, c, "not-organizer", organizerA, "ATTENDEE:mailto:olga@example.com")
	}},
	{"4.7.2", func(p *play) {
		p.request("VEVENT", mapped(monthly, "RRULE", "FREQ=MONTHLY;BYMONTHDAY=1;COUNT=2"), b)
		p.change("19970701T210000Z", fields{"DTSTART": "19970703T210000Z", "DTEND": "19970703T220000Z"})
		p.change("19970701T210000Z", fields{"DTSTART": "19970704T210000Z", "DTEND": "19970704T220000Z"})
		late := []string{"RECURRENCE-ID:19970701T210000Z", organizerA, "ATTENDEE;RSVP=TRUE:mailto:olga@example.com", "SUMMARY:IETF Meeting"}
		p.deliver("REQUEST", "VEVENT", a, b, "older-revision", append(late, "DTSTART:19970703T210000Z", "SEQUENCE:1")...)
		p.instances(b, "0601T2100 IETF Meeting", "0704T2100 IETF Meeting")
		p.deliver("REQUEST", "VEVENT", a, b, "updated", append(late, "DTSTART:19970705T210000Z", "DTEND:19970705T220000Z", "SEQUENCE:7")...)
		p.instances(b, "0601T2100 IETF Meeting", "0705T2100 IETF Meeting")
		p.deliver("REPLY", "VEVENT", b, a, "unknown-instance", "RECURRENCE-ID:19970702T210000Z", organizerA, "ATTENDEE;PARTSTAT=ACCEPTED:mailto:olga@example.com", "SEQUENCE:7")
		p.deliver("CANCEL", "VEVENT", a, b, "unchanged", "RECURRENCE-ID:19970702T210000Z", organizerA, "ATTENDEE:mailto:olga@example.com", "STATUS:CANCELLED", "SEQUENCE:8")
		p.instances(b, "0601T2100 IETF Meeting", "0705T2100 IETF Meeting")
	}},
}

// document is the task of RFC 5546 §4.5.1.
var document = fields{"DTSTART": "19970701T170000Z", "DUE": "19970722T170000Z", "SUMMARY": "Create the requirements document", "STATUS": "NEEDS-ACTION"}

// tasks are the stories of RFC 5546 §4.5.
var tasks = []story{
	{"4.5.1 4.5.2 4.5.3 4.5.4 4.5.5 4.5.6", func(p *play) {
		p.request("VTODO", document, b, c, d)
		for _, who := range []string{a, b, c, d} {
			p.instances(who, "0701T1700 Create the requirements document")
		}
		p.answer(b, "", "ACCEPTED")
		p.answer(c, "", "DECLINED")
		p.answer(d, "", "TENTATIVE")
		p.answers("carl=DECLINED olga=ACCEPTED rosa=TENTATIVE", a, b, c, d)
		p.change("", fields{"STATUS": "IN-PROCESS"}) // 4.5.3
		p.shows(b, "STATUS", "IN-PROCESS")
		p.answers("carl=DECLINED olga=ACCEPTED rosa=TENTATIVE", a, b, d)
		p.may(p.hand(b).answer(p, b, "", "IN-PROCESS", fields{"PERCENT-COMPLETE": "75"})) // 4.5.4
		p.answers("carl=DECLINED olga=IN-PROCESS rosa=TENTATIVE", a, b, d)
		if got := p.components(a)[0].Value("PERCENT-COMPLETE"); got != "" && got != "0" {
			p.Errorf("the whole is at %s, with the part of one", got)
		}
		p.answer(d, "", "DECLINED")
		p.may(p.hand(b).answer(p, b, "", "IN-PROCESS", fields{"PERCENT-COMPLETE": "90"}))
		p.shows(a, "PERCENT-COMPLETE", "90") // now it is
		p.answer(d, "", "COMPLETED")         // 4.5.5
		p.answers("carl=DECLINED olga=IN-PROCESS rosa=COMPLETED", a, b, d)
		p.change("", fields{"PERCENT-COMPLETE": "40"}) // 4.5.6
		p.shows(a, "PERCENT-COMPLETE", "40")
		p.answers("carl=DECLINED olga=IN-PROCESS rosa=COMPLETED", a, b, d)
		p.shows(b, "PERCENT-COMPLETE", "90") // his own part
	}},
	{"4.5.7.1 4.5.7.2", func(p *play) {
		p.request("VTODO", fields{"DTSTART": "19980102T100000Z", "DUE": "19980104T100000Z", "RRULE": "FREQ=MONTHLY;COUNT=3;BYDAY=1FR", "SUMMARY": "Send Status Reports"}, b, d)
		for _, who := range []string{a, b, d} {
			p.instances(who, "0102T1000 Send Status Reports", "0206T1000 Send Status Reports", "0306T1000 Send Status Reports")
		}
		p.may(p.hand(b).answer(p, b, "19980206T100000Z", "IN-PROCESS", fields{"PERCENT-COMPLETE": "75"}))
		p.answersOf(a, "19980102T100000Z", "olga=NEEDS-ACTION rosa=NEEDS-ACTION")
		p.answersOf(a, "19980206T100000Z", "olga=IN-PROCESS rosa=NEEDS-ACTION")
		p.may(p.hand(d).answer(p, d, "19980206T100000Z", "DECLINED", nil))
		p.may(p.hand(b).answer(p, b, "19980206T100000Z", "IN-PROCESS", fields{"PERCENT-COMPLETE": "80"}))
		for _, c := range p.components(a) {
			if want := map[bool]string{true: "80"}[c.Value("DTSTART") == "19980206T100000Z"]; c.Value("PERCENT-COMPLETE") != want && c.Value("PERCENT-COMPLETE") != "0" {
				p.Errorf("A has\n%s", c.Bytes())
			}
		}
	}},
}
