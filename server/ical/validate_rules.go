package ical

// propRule says what RFC 5545 §3.7 and §3.8 (and the RFCs that add to it) ask
// of a property wherever it stands.
type propRule struct {
	name     string
	bit      uint64                   // its place in the sets of compRule
	types    string                   // allowed in VALUE; "" is any
	check    func(p *Property) string // returns what is wrong with the value
	severity Severity                 // of what check finds
	enum     string                   // known values
}

// propRules has every property with a rule, by name.
var propRules = func() map[string]*propRule {
	list := []propRule{
		{name: "CALSCALE", enum: "GREGORIAN"},
		{name: "METHOD", enum: "PUBLISH REQUEST REPLY ADD CANCEL REFRESH COUNTER DECLINECOUNTER"},
		{name: "PRODID"},
		{name: "VERSION", enum: "2.0"},
		{name: "ATTACH", types: "URI BINARY", check: checkAttach},
		{name: "CLASS", enum: "PUBLIC PRIVATE CONFIDENTIAL"},
		{name: "DESCRIPTION", types: "TEXT"},
		{name: "GEO", types: "FLOAT", check: checkGeo},
		{name: "LOCATION", types: "TEXT"},
		{name: "PERCENT-COMPLETE", types: "INTEGER", check: checkInt(0, 100)},
		{name: "PRIORITY", types: "INTEGER", check: checkInt(0, 9)},
		{name: "STATUS", types: "TEXT"},
		{name: "SUMMARY", types: "TEXT"},
		{name: "COMPLETED", types: "DATE-TIME", check: checkUTC},
		{name: "DTEND", types: "DATE-TIME DATE", check: checkDateTime, severity: Error},
		{name: "DUE", types: "DATE-TIME DATE", check: checkDateTime, severity: Error},
		{name: "DTSTART", types: "DATE-TIME DATE", check: checkDateTime, severity: Error},
		{name: "DURATION", types: "DURATION", check: checkDuration, severity: Error},
		{name: "FREEBUSY", types: "PERIOD", check: checkPeriods, severity: Error},
		{name: "TRANSP", enum: "OPAQUE TRANSPARENT"},
		{name: "TZID", types: "TEXT"},
		{name: "TZOFFSETFROM", types: "UTC-OFFSET", check: checkOffset},
		{name: "TZOFFSETTO", types: "UTC-OFFSET", check: checkOffset},
		{name: "TZURL", types: "URI"},
		{name: "ATTENDEE", types: "CAL-ADDRESS", check: checkAddress},
		{name: "CONTACT", types: "TEXT"},
		{name: "ORGANIZER", types: "CAL-ADDRESS", check: checkAddress},
		{name: "RECURRENCE-ID", types: "DATE-TIME DATE", check: checkDateTime, severity: Error},
		{name: "URL", types: "URI"},
		{name: "UID", types: "TEXT", check: checkUID, severity: Error},
		{name: "EXDATE", types: "DATE-TIME DATE", check: checkDateTimes, severity: Error},
		{name: "RDATE", types: "DATE-TIME DATE PERIOD", check: checkDateTimes, severity: Error},
		{name: "RRULE", types: "RECUR", check: checkRecur, severity: Error},
		{name: "EXRULE", types: "RECUR", check: checkRecur},
		{name: "ACTION", enum: "AUDIO DISPLAY EMAIL PROCEDURE NONE"},
		{name: "REPEAT", types: "INTEGER", check: checkInt(0, 1<<31-1)},
		{name: "TRIGGER", types: "DURATION DATE-TIME", check: checkTrigger},
		{name: "CREATED", types: "DATE-TIME", check: checkUTC},
		{name: "DTSTAMP", types: "DATE-TIME", check: checkUTC},
		{name: "LAST-MODIFIED", types: "DATE-TIME", check: checkUTC},
		{name: "SEQUENCE", types: "INTEGER", check: checkInt(0, 1<<31-1)},
		{name: "REQUEST-STATUS", types: "TEXT", check: checkStatus},
		{name: "ACKNOWLEDGED", types: "DATE-TIME", check: checkUTC},         // RFC 9074 §6.1
		{name: "BUSYTYPE", enum: "BUSY BUSY-UNAVAILABLE BUSY-TENTATIVE"},    // RFC 7953 §3.2
		{name: "REFRESH-INTERVAL", types: "DURATION", check: checkDuration}, // RFC 7986 §5.7
		{name: "TZUNTIL", types: "DATE-TIME", check: checkUTC},              // RFC 7808 §7.1
	}
	m := make(map[string]*propRule, len(list))
	for i := range list {
		list[i].bit = 1 << i
		m[list[i].name] = &list[i]
	}
	return m
}()

// paramEnums has the known values of parameters. RFC 5545 §3.2, with those
// of RFC 6638 §7.1 and §7.2 and the SNOOZE of RFC 9074 §7.1.
var paramEnums = map[string]string{
	"CUTYPE":              "INDIVIDUAL GROUP RESOURCE ROOM UNKNOWN",
	"ENCODING":            "8BIT BASE64",
	"FBTYPE":              "FREE BUSY BUSY-UNAVAILABLE BUSY-TENTATIVE",
	"PARTSTAT":            "NEEDS-ACTION ACCEPTED DECLINED TENTATIVE DELEGATED COMPLETED IN-PROCESS",
	"RANGE":               "THISANDFUTURE",
	"RELATED":             "START END",
	"RELTYPE":             "PARENT CHILD SIBLING SNOOZE",
	"ROLE":                "CHAIR REQ-PARTICIPANT OPT-PARTICIPANT NON-PARTICIPANT",
	"RSVP":                "TRUE FALSE",
	"SCHEDULE-AGENT":      "SERVER CLIENT NONE",
	"SCHEDULE-FORCE-SEND": "REQUEST REPLY",
}

// required is a property that a component has to have.
type required struct {
	name         string
	severity     Severity
	unlessMethod bool // optional in iTIP messages
}

// compRule says what RFC 5545 §3.6 asks of a component.
type compRule struct {
	in       string // the components it may stand in
	weight   Severity
	once     uint64 // MUST NOT occur more than once
	rather   uint64 // SHOULD NOT occur more than once
	required []required
	check    func(v *validator, c, parent *Component)
}

// places are the properties that place a component in time or name it. More
// than one of them leaves open which is meant.
var places = set("DTSTART", "DTEND", "DUE", "DURATION", "UID", "RECURRENCE-ID")

func set(names ...string) (bits uint64) {
	for _, n := range names {
		bits |= propRules[n].bit
	}
	return bits
}

// compRules has the components of RFC 5545 and RFC 7953. The weight of what
// stands in alarms and time zones is that of a warning: the event can be
// placed without the alarm, and the zone is found by its name.
var compRules map[string]*compRule

func init() {
	rrule := set("RRULE")
	compRules = map[string]*compRule{
		"VCALENDAR": {
			once: set("PRODID", "VERSION", "CALSCALE", "METHOD"), weight: Error,
			required: []required{{name: "PRODID"}, {name: "VERSION"}},
			check:    checkCalendar,
		},
		"VEVENT": { // §3.6.1
			in: "VCALENDAR", weight: Error, rather: rrule,
			once: places&^set("DUE") | set("DTSTAMP", "CLASS", "CREATED", "DESCRIPTION", "GEO", "LAST-MODIFIED", "LOCATION",
				"ORGANIZER", "PRIORITY", "SEQUENCE", "STATUS", "SUMMARY", "TRANSP", "URL"),
			required: []required{{name: "UID", severity: Error}, {name: "DTSTAMP"},
				{name: "DTSTART", severity: Error, unlessMethod: true}},
			check: checkEvent,
		},
		"VTODO": { // §3.6.2
			in: "VCALENDAR", weight: Error, rather: rrule,
			once: places&^set("DTEND") | set("DTSTAMP", "CLASS", "COMPLETED", "CREATED", "DESCRIPTION", "GEO", "LAST-MODIFIED",
				"LOCATION", "ORGANIZER", "PERCENT-COMPLETE", "PRIORITY", "SEQUENCE", "STATUS", "SUMMARY", "URL"),
			required: []required{{name: "UID", severity: Error}, {name: "DTSTAMP"}},
			check:    checkTodo,
		},
		"VJOURNAL": { // §3.6.3
			in: "VCALENDAR", weight: Error, rather: rrule,
			once: set("DTSTAMP", "UID", "CLASS", "CREATED", "DTSTART", "LAST-MODIFIED", "ORGANIZER", "RECURRENCE-ID",
				"SEQUENCE", "STATUS", "SUMMARY", "URL"),
			required: []required{{name: "UID", severity: Error}, {name: "DTSTAMP"}},
			check:    checkJournal,
		},
		"VFREEBUSY": { // §3.6.4
			in: "VCALENDAR", weight: Error,
			once:     set("DTSTAMP", "UID", "CONTACT", "DTSTART", "DTEND", "ORGANIZER", "URL"),
			required: []required{{name: "UID"}, {name: "DTSTAMP"}},
			check:    checkFreeBusy,
		},
		"VTIMEZONE": { // §3.6.5
			in: "VCALENDAR", weight: Warning,
			once:     set("TZID", "LAST-MODIFIED", "TZURL"),
			required: []required{{name: "TZID"}},
			check:    checkTimezone,
		},
		"VALARM": { // §3.6.6
			in: "VEVENT VTODO", weight: Warning,
			once:     set("ACTION", "TRIGGER", "DURATION", "REPEAT", "DESCRIPTION", "SUMMARY", "UID", "ACKNOWLEDGED"),
			required: []required{{name: "ACTION"}, {name: "TRIGGER"}},
			check:    checkAlarm,
		},
		"VAVAILABILITY": { // RFC 7953 §3.1
			in: "VCALENDAR", weight: Error,
			once: set("DTSTAMP", "UID", "BUSYTYPE", "CLASS", "CREATED", "DESCRIPTION", "DTSTART", "DTEND", "DURATION",
				"LAST-MODIFIED", "LOCATION", "ORGANIZER", "PRIORITY", "SEQUENCE", "SUMMARY", "URL"),
			required: []required{{name: "UID", severity: Error}, {name: "DTSTAMP"}},
			check:    checkSpan,
		},
		"AVAILABLE": { // RFC 7953 §3.1
			in: "VAVAILABILITY", weight: Error, rather: rrule,
			once: set("DTSTAMP", "DTSTART", "UID", "CREATED", "DESCRIPTION", "LAST-MODIFIED", "LOCATION", "RECURRENCE-ID",
				"SUMMARY", "DTEND", "DURATION"),
			required: []required{{name: "UID", severity: Error}, {name: "DTSTAMP"}, {name: "DTSTART", severity: Error}},
			check:    checkSpan,
		},
	}
	observance := &compRule{ // §3.6.5
		in: "VTIMEZONE", weight: Warning, rather: rrule,
		once:     set("DTSTART", "TZOFFSETFROM", "TZOFFSETTO"),
		required: []required{{name: "DTSTART"}, {name: "TZOFFSETFROM"}, {name: "TZOFFSETTO"}},
		check:    checkObservance,
	}
	compRules["STANDARD"], compRules["DAYLIGHT"] = observance, observance
}
