package wcap

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"factotum/server/calendar"
)

// TestUnknownZonesAreRefused: no command takes a zone that it does not know for
// another one, in what it reads or in what it shows.
func TestUnknownZonesAreRefused(t *testing.T) {
	s := newSite(t)
	s.do("anna", "createcalendar.wcap?calid=w").errno(0)
	s.put("anna", "anna:w", "e.ics", simpleEvent("e", "20260310T090000Z"))
	hostile := []string{"No/Where", "Local", "../../etc/passwd", "Europe/Berlin\r\nX:1", strings.Repeat("x", 5000), "Europe", "Europe/", "-", "GMT+99:00"}
	n := 0
	for _, name := range slices.Sorted(maps.Keys(inputs)) {
		in := inputs[name]
		for _, p := range []string{"tzid", "tzidout", "X-NSCP-DTSTART-TZID"} {
			if !slices.Contains(strings.Fields(in.params), p) || name == "createcalendar" && p == "tzid" {
				continue
			}
			for _, bad := range hostile {
				n++
				before := s.mark()
				r := s.do("anna", name+".wcap?"+without(strings.ReplaceAll(in.right, "$N", itoa(n)), p)+"&"+p+"="+url.QueryEscape(bad))
				if r.errnos() != "18" || s.mark() != before {
					t.Errorf("%s with %s %.20q: errno %s\n%.500s", name, p, bad, r.errnos(), r.body)
				}
			}
			for _, good := range []string{"", "Europe/Stockholm", "W. Europe Standard Time", "UTC", "Africa/Amman"} {
				if r := s.do("anna", name+".wcap?"+without(strings.ReplaceAll(in.right, "$N", itoa(n)), p)+"&"+p+"="+url.QueryEscape(good)); strings.Contains(r.errnos(), "18") {
					t.Errorf("%s with %s %q: errno %s", name, p, good, r.errnos())
				}
			}
		}
	}
	if n < 30*len(hostile)/2 {
		t.Errorf("%d cases", n)
	}
	s.do("anna", "createcalendar.wcap?calid=z&set_calprops=1&tzid=No/Where").errno(18)
	s.do("anna", "storeevents.wcap?calid=anna:w&uid=e&tzid=Europe/Berlin&X-NSCP-DTEND-TZID=No/Where").errno(18)
	s.do("anna", "set_userprefs.wcap?set_attrs=icsTimezone=No/Where").errno(26)
	s.do("anna", "set_userprefs.wcap?set_attrs=icsTimezone=Europe/Stockholm").errno(0).contains("icsTimezone:Europe/Stockholm")
	s.do("anna", "set_userprefs.wcap?set_attrs=icsTimezone=").errno(0)
	s.do("anna", "set_calprops.wcap?multiple=1&cal="+url.QueryEscape("calid=anna:w&tzid=No/Where")).errno(18)
}

// TestWrongValuesAreRefused: a parameter that has few right values is not read as
// another one, and nothing is done for it.
func TestWrongValuesAreRefused(t *testing.T) {
	s := newSite(t)
	s.do("anna", "createcalendar.wcap?calid=w").errno(0)
	series := simpleEvent("e", "20260310T090000Z", "RRULE:FREQ=DAILY;COUNT=5")
	s.put("anna", "anna:w", "e.ics", series)
	const garbage = "abc|-1|1.5|1;x|99999999999999999999|0x1|١"
	bit, number := garbage+"|2|on", garbage
	const store = "calid=anna:w&uid=e&summary=x"
	n := 0
	for _, c := range []struct {
		command, right, param, values string
		errno                         int
	}{
		{"storeevents", store, "mod", garbage + "|0|5|44|4;4;4|THISINSTANCE", 14},
		{"storeevents", "calid=anna:w&dtstart=20260310T090000Z&dtend=20260310T100000Z&summary=x", "mod", garbage + "|0|5|44", 14}, // a new one
		{"storetodos", "calid=anna:w&summary=x", "mod", garbage + "|0|5|44", 15},
		{"storeevents", store, "storetype", garbage + "|3", 14},
		{"storeevents", store, "method", garbage + "|3|16|512|COUNTER", 14},
		{"storeevents", store, "replace|fetch|isAllDay|rchange|sendattach|smtp|smtpNotify|notify|compressed|recurring|relativealarm|emailorcalid|fetchattach", bit, 14},
		{"storeevents", store, "transparent", "abc|-1|1.5|2", 14},
		{"storeevents", store, "priority", garbage + "|10", 14},
		{"storeevents", store, "seq", garbage, 14},
		{"storeevents", store, "status", "abc|-1|8|1.5|CONFIRMED,CANCELLED|BANANA", 14},
		{"storeevents", store, "icsClass", "abc|1|RESTRICTED|PUBLIC;PRIVATE|PUBLIC PRIVATE", 14},
		{"storeevents", store, "geo", "abc|1|1;|;1|91;0|0;181|NaN;0|0;Inf|0x1p2;1|1e1;1|1,2", 14},
		{"storeevents", store, "duration", "abc|-1|P1X|-PT1H|3600", 14},
		{"storeevents", store, "dtstart", "abc|-1|20260230|20260310T250000", 14},
		{"storeevents", store, "alarmStart|alarmPopup|alarmAudio|alarmFlashing", "abc|-1|P1X|15", 14},
		{"storeevents", store, "attendees", "PARTSTAT=BANANA^ben|PARTSTAT=YES^ben|RSVP=MAYBE^ben|ROLE=BOSS^ben|CUTYPE=CAT^ben|X-S1CS-EXPAND=2^ben", 60},
		{"storetodos", "calid=anna:w&uid=t&due=20260310T090000Z", "percent", garbage + "|101", 15},
		{"storetodos", "calid=anna:w&uid=t&due=20260310T090000Z", "completed", "abc|-1|20260230", 15},
		{"storetodos", "calid=anna:w&uid=t", "duration", "PT1H", 15}, // of no start
		{"deleteevents_by_id", "calid=anna:w&uid=e&rid=20260311T090000Z", "mod", garbage + "|0|5", 6},
		{"deletetodos_by_id", "calid=anna:w&uid=e&rid=0", "smtp|smtpNotify|notify", bit, 16},
		{"deletecomponents_by_range", "calid=anna:w", "smtp", bit, 21},
		{"deleteevents_by_range", "calid=anna:w", "dtstart|dtend", "abc|-1|20260230", 22},
		{"fetchcomponents_by_range", "calid=anna:w", "compressed|recurring|emailorcalid|relativealarm|fetchattach|invitecount|fetchorder", bit, 13},
		{"fetchcomponents_by_range", "calid=anna:w", "attrset", garbage + "|3", 13},
		{"fetchcomponents_by_range", "calid=anna:w", "maxResults", number, 13},
		{"fetchcomponents_by_lastmod", "calid=anna:w", "recurring|fetchorder", bit, 36},
		{"fetchcomponents_by_alarmrange", "calid=anna:w", "recurring|fetchorder", bit, 41},
		{"fetchcomponents_by_attendee_error", "calid=anna:w", "recurring|fetchorder", bit, 42},
		{"fetch_deletedcomponents", "calid=anna:w", "recurring", bit, 56},
		{"fetch_deletedcomponents", "calid=anna:w", "maxResults", number, 56},
		{"fetchevents_by_id", "calid=anna:w&uid=e&rid=20260311T090000Z", "mod", garbage + "|0|5", 9},
		{"fetchtodos_by_id", "calid=anna:w&uid=e", "recurring", bit, 17},
		{"get_freebusy", "calid=anna:w", "duration|freebusybegin|freebusyend", number + "|5000", 39},
		{"get_freebusy", "calid=anna:w", "busyonly", bit, 39},
		{"get_all_timezones", "", "dtstart|dtend", "abc|-1|20|1.5|20266", 24},
		{"get_calprops", "calid=anna:w", "invitecount", bit, 20},
		{"get_guids", "", "guidCount", number + "|10001", 60},
		{"search_calprops", "search-string=anna", "calid|name|primaryOwner", bit + "|anna", 19},
		{"search_calprops", "search-string=anna", "searchOpts", garbage + "|4", 19},
		{"search_calprops", "search-string=anna", "maxResults", number, 19},
		{"set_calprops", "calid=anna:w", "doublebooking|fbinclude", bit, 8},
		{"set_calprops", "cal=calid%3Danna:w", "multiple", number, 8},
		{"createcalendar", "calid=neu", "allowdoublebook|set_calprops|subscribe", bit, 10},
		{"createcalendar", "calid=neu&set_calprops=1", "doublebooking|fbinclude", bit, 10},
		{"deletecalendar", "calid=w", "unsubscribe", bit, 11},
		{"set_userprefs", "set_attrs=ceClock=24", "convertCalid", bit, 26},
	} {
		for param := range strings.SplitSeq(c.param, "|") {
			for v := range strings.SplitSeq(c.values, "|") {
				n++
				before := s.mark()
				r := s.do("anna", c.command+".wcap?"+c.right+"&"+param+"="+url.QueryEscape(v))
				if r.errnos() != itoa(c.errno) || s.mark() != before {
					t.Errorf("%s with %s=%s: errno %s, want %d", c.command, param, v, r.errnos(), c.errno)
				}
			}
		}
	}
	if n < 400 {
		t.Errorf("%d cases", n)
	}
	// What is empty, or a word for the number, is meant.
	for _, good := range []string{"mod=", "mod=4", "replace=&fetch=yes&isAllDay=no", "status=", "status=tentative", "icsClass=private", "icsClass=X-HOUSE", "method=publish", "geo=-33.8;151.2", "mod=1&rid=20260311T090000Z"} {
		s.do("anna", "storeevents.wcap?"+store+"&"+good)
		if r := s.do("anna", "storeevents.wcap?"+store+"&"+good); !strings.HasPrefix(r.errnos(), "0") {
			t.Errorf("%s: errno %s", good, r.errnos())
		}
		s.put("anna", "anna:w", "e.ics", series)
	}
	s.do("anna", "fetchcomponents_by_range.wcap?calid=anna:w&component-type=banana").errno(0).contains("UID:e") // WCAP §2.5: is all
}

// TestNothingIsCutInSilence: a request for more than is answered is refused, and
// what is answered is whole.
func TestNothingIsCutInSilence(t *testing.T) {
	s := newSite(t)
	r := s.get("get_guids.wcap?guidCount=10000")
	if n := strings.Count(r.body, "X-NSCP-GUID"); n != 10000 {
		t.Errorf("%d ids of 10000", n)
	}
	s.get("get_guids.wcap?guidCount=10001").errno(60)
	many := strings.Repeat("&x=1", maxParams)
	s.do("anna", "storeevents.wcap?calid=anna&uid=late&dtstart=20260310T090000Z"+many+"&summary=lost").errno(14)
	s.do("anna", "fetchevents_by_id.wcap?calid=anna&uid=late").errno(59)
	rules := strings.Repeat(`"FREQ=DAILY;COUNT=2";`, maxRules)
	s.do("anna", "storeevents.wcap?calid=anna&uid=rules&dtstart=20260310T090000Z&rrules="+url.QueryEscape(rules+`"FREQ=WEEKLY;COUNT=3"`)).errno(14)
	s.do("anna", "createcalendar.wcap?calid=a").errno(0)
	s.do("anna", "createcalendar.wcap?calid=b").errno(0)
	cal := func(id string) string { return "&cal=" + url.QueryEscape("calid=anna:"+id+"&name="+id+"2") }
	s.do("anna", "set_calprops.wcap?multiple=3"+cal("a")+cal("b")).errno(46)
	if got := s.do("anna", "set_calprops.wcap?multiple=1"+cal("a")+cal("b")).errnos(); got != "0 0" {
		t.Errorf("errnos %s", got)
	}
	s.do("anna", "get_freebusy.wcap?calid=anna&duration=3701").errno(39)

	// Instances beyond the limit are told to be missing, those of a series without end are not.
	s.put("anna", "anna:a", "much.ics", simpleEvent("much", "20260310T090000Z", "RRULE:FREQ=HOURLY;COUNT=6000"))
	s.put("anna", "anna:a", "endless.ics", simpleEvent("endless", "20260310T090000Z", "RRULE:FREQ=DAILY"))
	for q, want := range map[string]string{"": "much", "&recurring=1": "", "&dtstart=20260310T000000Z&dtend=20260320T000000Z": "", "&dtstart=20260310T000000Z&dtend=20280320T000000Z": "much"} {
		r := s.do("anna", "fetchcomponents_by_range.wcap?calid=anna:a&attrset=0"+q).errno(0)
		if got := strings.Join(r.values("X-FACTOTUM-INCOMPLETE"), " "); got != want {
			t.Errorf("%q: cut are %q, want %q", q, got, want)
		}
	}
	s.do("anna", "fetchevents_by_id.wcap?calid=anna:a&uid=much&attrset=0").errno(0).contains("X-FACTOTUM-INCOMPLETE:much")
	// So are those that would be too much text.
	s.put("anna", "anna:b", "heavy.ics", simpleEvent("heavy", "20260310T090000Z", "RRULE:FREQ=DAILY;COUNT=12", "DESCRIPTION:"+strings.Repeat("x", 4<<20)))
	r = s.do("anna", "fetchevents_by_id.wcap?calid=anna:b&uid=heavy&attrset=0").errno(0).contains("X-FACTOTUM-INCOMPLETE:heavy")
	if n := strings.Count(r.body, "BEGIN:VEVENT"); n < 5 || n > 8 {
		t.Errorf("%d instances of four megabytes", n)
	}
	s.do("anna", "storeevents.wcap?calid=anna:b&uid=hundred&dtstart=20260310T090000Z&rrules=%22FREQ%3DDAILY%3BCOUNT%3D100%22").errno(0)
	if n := strings.Count(s.do("anna", "storeevents.wcap?calid=anna:b&uid=hundred&summary=x&fetch=1").errno(0).body, "BEGIN:VEVENT"); n != 100 {
		t.Errorf("%d of a hundred instances", n)
	}

	// More people than one request looks for are not people whom there are not.
	var crowd []string
	for i := range maxLookups + 10 {
		crowd = append(crowd, fmt.Sprint("somebody", i))
		s.people[crowd[i]] = calendar.Person{ID: crowd[i], Mails: []string{crowd[i] + "@example.com"}, Active: true}
	}
	s.do("anna", "storeevents.wcap?calid=anna&uid=crowd&dtstart=20260310T090000Z&attendees="+strings.Join(crowd, ";")).errno(14)
	s.do("anna", "storeevents.wcap?calid=anna&uid=crowd&dtstart=20260310T090000Z&attendees="+strings.Join(crowd[:maxLookups-10], ";")).errno(0)
	s.do("anna", "get_freebusy.wcap?calid=anna&duration=3700").errno(0)
}

// TestWCAP_7_8_AlarmEmails: the addresses of an alarm in every way that people and
// preferences part them.
func TestWCAP_7_8_AlarmEmails(t *testing.T) {
	s := newSite(t)
	for i, list := range []string{"a@x.org;b@x.org", "a@x.org,b@x.org", "a@x.org b@x.org", "mailto:a@x.org, MAILTO:b@x.org", " a@x.org ; b@x.org ;", "a@x.org,;b@x.org", "a@x.org%3Bb@x.org", "a@x.org\nb@x.org"} {
		uid := fmt.Sprint("m", i)
		s.do("anna", "storeevents.wcap?calid=anna&uid="+uid+"&dtstart=20260310T090000Z&alarmStart=-PT15M&alarmEmails="+strings.NewReplacer(" ", "%20", "\n", "%0A").Replace(list)).errno(0)
		has(t, s.stored("anna", "anna", uid), "ATTENDEE:mailto:a@x.org", "ATTENDEE:mailto:b@x.org")
	}
	s.do("anna", "storeevents.wcap?calid=anna&uid=bad&dtstart=20260310T090000Z&alarmStart=-PT15M&alarmEmails=a@x.org,nobody").errno(60)

	// Where nobody is named the owner is told: an alarm is not lost.
	s.do("anna", "storeevents.wcap?calid=anna&uid=own&dtstart=20260310T090000Z&alarmStart=-PT15M").errno(0)
	has(t, s.stored("anna", "anna", "own"), "ACTION:EMAIL", "ATTENDEE:mailto:anna@example.com")
	s.do("anna", "storeevents.wcap?calid=anna&uid=own&alarmStart=-PT30M").errno(0)
	s.do("anna", "storeevents.wcap?calid=anna&uid=own&alarmEmails=x@y.org").errno(0)
	has(t, s.stored("anna", "anna", "own"), "TRIGGER:-PT30M", "ATTENDEE:mailto:anna@example.com", "ATTENDEE:mailto:x@y.org")
	s.do("anna", "storeevents.wcap?calid=anna&uid=own&alarmStart=&alarmEmails=&replace=1").errno(0)
	has(t, s.stored("anna", "anna", "own"), "!VALARM")
}

// TestWCAP_9_36_Progress: what reopens a task takes its percentage back, and a
// task lasts as long as its duration says.
func TestWCAP_9_36_Progress(t *testing.T) {
	s := newSite(t)
	for i, c := range []struct{ change, want string }{
		{"completed=0", "NEEDS-ACTION|0|"},
		{"completed=", "NEEDS-ACTION|0|"},
		{"completed=0&status=3", "NEEDS-ACTION|0|"},
		{"completed=0&percent=0", "NEEDS-ACTION|0|"},
		{"completed=0&percent=40", "IN-PROCESS|40|"},
		{"completed=0&status=5&percent=80", "IN-PROCESS|80|"},
		{"status=3", "NEEDS-ACTION|0|"},
		{"status=5", "IN-PROCESS|0|"},
		{"status=5&percent=100", "IN-PROCESS|100|"},
		{"status=4", "COMPLETED|100|20260309T080000Z"},
		{"summary=x", "COMPLETED|100|20260309T080000Z"},
	} {
		uid := fmt.Sprint("t", i)
		s.do("anna", "storetodos.wcap?calid=anna&due=20260310T090000Z&completed=20260309T080000Z&uid="+uid).errno(0)
		r := s.do("anna", "storetodos.wcap?calid=anna&fetch=1&uid="+uid+"&"+c.change).errno(0)
		if got := r.value("STATUS") + "|" + r.value("PERCENT-COMPLETE") + "|" + r.value("COMPLETED"); got != c.want {
			t.Errorf("%s: %s, want %s", c.change, got, c.want)
		}
	}
	r := s.do("anna", "storetodos.wcap?calid=anna&uid=d&dtstart=20260310T090000Z&duration=PT1H30M&fetch=1").errno(0)
	if got := r.value("DUE"); got != "20260310T103000Z" {
		t.Errorf("DUE %s", got)
	}
	s.do("anna", "storetodos.wcap?calid=anna&uid=d&duration=P2D&fetch=1").errno(0).contains("DUE:20260312T090000Z")
	s.do("anna", "storetodos.wcap?calid=anna&uid=d&duration=PT1H&due=20260311T090000Z&fetch=1").errno(0).contains("DUE:20260311T090000Z")
}

// TestStampsStayInUTC: tzidout is for the times that people read. RFC 5545 §3.8.7.2.
func TestStampsStayInUTC(t *testing.T) {
	s := newSite(t)
	s.do("anna", "storetodos.wcap?calid=anna&uid=t&dtstart=20260310T090000Z&due=20260310T100000Z&completed=20260309T080000Z&alarmPopup=20260310T083000Z").errno(0)
	r := s.do("anna", "fetchtodos_by_id.wcap?calid=anna&uid=t&tzidout=Asia/Tokyo").errno(0).
		contains("DTSTART:20260310T180000\r\n", "DUE:20260310T190000\r\n", "COMPLETED:20260309T080000Z", "TRIGGER;VALUE=DATE-TIME:20260310T083000Z")
	for _, name := range []string{"DTSTAMP", "CREATED", "LAST-MODIFIED"} {
		if v := r.value(name); !strings.HasSuffix(v, "Z") {
			t.Errorf("%s:%s", name, v)
		}
	}
}

// TestRefusedBlocksNameTheCalid: clients know a calendar that refuses by NAME.
// WCAP §9.15.
func TestRefusedBlocksNameTheCalid(t *testing.T) {
	s := newSite(t)
	s.as("anna")
	s.do("anna", "set_calprops.wcap?calid=anna&name=Anna's%20own&acl=@^p^r^g;@^a^f^g").errno(0)
	for _, c := range []string{"fetchcomponents_by_range.wcap?calid=anna", "fetchevents_by_id.wcap?calid=anna&uid=x", "storeevents.wcap?calid=anna&dtstart=20260310T090000Z",
		"deleteevents_by_id.wcap?calid=anna&uid=x&rid=0&mod=4", "fetch_deletedcomponents.wcap?calid=anna"} {
		r := s.do("ben", c).errno(28)
		if r.value("X-NSCP-CALPROPS-NAME") != "anna" || r.value("X-NSCP-CALPROPS-RELATIVE-CALID") != "anna" {
			t.Errorf("%s:\n%s", c, r.body)
		}
	}
	for _, c := range []string{"gettime", "export.wcap?content-out=text/calendar", "fetchattachment.wcap?uid=x&attachid=x", "subscribe_calendars"} {
		cmd, q, _ := strings.Cut(c, ".wcap?")
		r := s.do("ben", cmd+".wcap?calid=anna:none&"+q)
		if cmd == "subscribe_calendars" {
			r = s.do("ben", cmd+".wcap?calid=mailto:nobody@example.org")
		}
		if name := r.value("X-NSCP-CALPROPS-NAME"); r.errnos() == "0" || name != r.value("X-NSCP-CALPROPS-RELATIVE-CALID") || name == "" {
			t.Errorf("%s:\n%s", c, r.body)
		}
	}
	s.post("import.wcap?calid=no/where&content-in=text/calendar&id="+s.as("ben"), "text/calendar", "BEGIN:VCALENDAR").errno(29).contains("X-NSCP-CALPROPS-NAME:no/where")
	for q, errnos := range map[string]string{
		"fetchcomponents_by_range.wcap?calid=anna;ben;anna&tzid=No/Where": "18 18", "fetchcomponents_by_range.wcap?calid=anna&dtstart=x": "13", "storeevents.wcap?calid=anna&tzid=No/Where": "18",
		"storeevents.wcap?calid=anna&replace=x": "14", "deleteevents_by_id.wcap?calid=anna&uid=x&rid=y&mod=1": "6", "deleteevents_by_id.wcap?calid=anna&uid=x&rid=0&mod=9": "6", "fetchevents_by_id.wcap?calid=anna": "9",
		"get_freebusy.wcap?calid=anna&duration=x": "39", "deletetodos_by_range.wcap?calid=anna&dtend=x": "23",
	} {
		r := s.do("anna", q)
		names := strings.Join(r.values("X-NSCP-CALPROPS-NAME"), " ")
		if r.errnos() != errnos || names != "anna" && names != "anna ben" {
			t.Errorf("%s: errno %s of %q\n%s", q, r.errnos(), names, r.body)
		}
	}
	if r := s.do("ben", "get_calprops.wcap?calid=nobody").errno(29); r.value("X-NSCP-CALPROPS-NAME") != "nobody" {
		t.Errorf("got\n%s", r.body)
	}
}

// TestAnEmptyListIsGiven: who makes a calendar for nobody else has none that others
// see, and a store whose files are not there is a store.
func TestAnEmptyListIsGiven(t *testing.T) {
	s := newSite(t)
	s.do("anna", "createcalendar.wcap?calid=mine&set_calprops=1&acl=").errno(0)
	s.do("ben", "get_calprops.wcap?calid=anna:mine").errno(28)
	s.do("ben", "get_freebusy.wcap?calid=anna:mine").errno(28)
	s.do("ben", "subscribe_calendars.wcap?calid=anna:mine").errno(28)
	s.do("anna", "storeevents.wcap?calid=anna:mine&uid=z&dtstart=20260310T090000Z&deleteattach=nope").errno(87).contains("REQUEST-STATUS:2.0;Success.")
	s.do("anna", "fetchevents_by_id.wcap?calid=anna:mine&uid=z").errno(0)
}

// TestAdministratorsAlwaysMay: delete calendars (WCAP §9.3) and make them for
// anybody (WCAP §9.2), whatever the lists and the settings say.
func TestAdministratorsAlwaysMay(t *testing.T) {
	s := newSite(t, func(o *Options) {
		o.Settings.DeleteCalendars, o.Settings.CreateCalendars = false, false
		o.Settings.Admins = []string{"carl"} // of WCAP alone: no list gives him anything
	})
	s.as("anna")
	s.do("anna", "createcalendar.wcap?calid=x").errno(28)
	s.do("carl", "createcalendar.wcap?calid=anna:x").errno(0)
	s.do("anna", "deletecalendar.wcap?calid=x").errno(28)
	s.do("ben", "deletecalendar.wcap?calid=anna:x").errno(28)
	s.do("carl", "fetchcomponents_by_range.wcap?calid=anna:x").errno(28) // no more than that
	s.do("carl", "deletecalendar.wcap?calid=anna:x").errno(0)
	s.do("anna", "get_calprops.wcap?calid=anna:x").errno(29)
	s.do("carl", "deletecalendar.wcap?calid=anna").errno(11)
}

// TestAlarmsHaveAnAddress: clients store no alarm by mail where nobody says whom
// to tell.
func TestAlarmsHaveAnAddress(t *testing.T) {
	s := newSite(t)
	pref := func() string {
		return s.do("anna", "get_userprefs.wcap").errno(0).value("X-NSCP-WCAP-PREF-ceDefaultAlarmEmail")
	}
	if got := pref(); got != "anna@example.com" {
		t.Errorf("unset: %q", got)
	}
	s.do("anna", "set_userprefs.wcap?set_attrs=ceDefaultAlarmEmail=a@home.org,b@home.org").errno(0)
	if got := pref(); got != "a@home.org,b@home.org" {
		t.Errorf("set: %q", got)
	}
	s.do("anna", "set_userprefs.wcap?del_attrs=ceDefaultAlarmEmail").errno(0)
	if got := pref(); got != "anna@example.com" {
		t.Errorf("deleted: %q", got)
	}
}

// TestBodiesThatAreCutOff: nothing of a multipart body without its end is taken,
// wherever it was cut.
func TestBodiesThatAreCutOff(t *testing.T) {
	s := newSite(t)
	const kind = "multipart/form-data; boundary=XX"
	whole := "--XX\r\nContent-Disposition: form-data; name=\"summary\"\r\n\r\nplain\r\n" +
		"--XX\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8gd29ybGQ=\r\n--XX--\r\n"
	path := "storeevents.wcap?calid=anna&uid=cut&dtstart=20260310T090000Z&id=" + s.as("anna")
	for n := range len(whole) - len("\r\n") {
		s.post(path, kind, whole[:n]).errno(84)
	}
	s.do("anna", "fetchevents_by_id.wcap?calid=anna&uid=cut").errno(59)
	for bad, errno := range map[string]int{
		strings.Replace(whole, "Content-Type: text/plain", "Content-Type text/plain", 1): 82,
		strings.Replace(whole, "Content-Type: text/plain", "Content-Type: text", 1):      82,
		strings.Replace(whole, "Encoding: base64", "Encoding: gzip", 1):                  82,
		strings.Replace(whole, "aGVsbG8gd29ybGQ=", "aGVsbG8gd29ybG", 1):                  84,
		strings.Replace(whole, "aGVsbG8gd29ybGQ=", "****", 1):                            84,
		strings.Replace(whole, "\r\n\r\nplain", "", 1):                                   82,
	} {
		s.post(path, kind, bad).errno(errno)
	}
	s.post(path, "multipart/form-data", whole).errno(83)
	s.do("anna", "fetchevents_by_id.wcap?calid=anna&uid=cut").errno(59)
	s.post(path, kind, whole).errno(0)
	s.do("anna", "fetchevents_by_id.wcap?calid=anna&uid=cut").errno(0).contains("SUMMARY:plain", "X-S1CS-FILENAME=a.txt")
	s.post(path+"2", kind, strings.TrimSuffix(whole, "\r\n")).errno(1) // of another session: the body is read first
}

// TestImportOfABody: the file as it is, by whatever name its type goes. WCAP §9.26.
func TestImportOfABody(t *testing.T) {
	s := newSite(t)
	id := s.as("anna")
	for i, kind := range []string{"text/calendar", "text/calendar; charset=utf-8", "", "application/x-www-form-urlencoded", "application/octet-stream", "text/plain"} {
		uid := fmt.Sprint("raw", i)
		file := strings.ReplaceAll(simpleEvent(uid, "20260310T090000Z", "SUMMARY:50%25 & more=less+plus"), "\n", "\r\n")
		s.post("import.wcap?calid=anna&content-in=text/calendar&id="+id, kind, file).errno(0)
		s.do("anna", "fetchevents_by_id.wcap?calid=anna&uid="+uid).errno(0).contains("SUMMARY:50%25 & more=less+plus")
		s.post("import.wcap?calid=anna&content-in=text/calendar&id="+id, kind, "\ufeff\r\n"+strings.ReplaceAll(file, uid, uid+"b")).errno(0)
		s.do("anna", "fetchevents_by_id.wcap?calid=anna&uid="+uid+"b").errno(0)
	}
	xml := `<?xml version="1.0"?><iCalendar><iCal><EVENT><UID>rawxml</UID><START>20260310T090000Z</START></EVENT></iCal></iCalendar>`
	s.post("import.wcap?calid=anna&content-in=text/xml&id="+id, "application/x-www-form-urlencoded", xml).errno(0)
	s.do("anna", "fetchevents_by_id.wcap?calid=anna&uid=rawxml").errno(0)
	s.post("import.wcap?calid=anna&content-in=text/calendar&id="+id, "application/x-www-form-urlencoded", "a=b").errno(77)
}

// TestImportTakesTheNewer: of two components of one UID in a file that of the
// higher SEQUENCE, wherever it stands.
func TestImportTakesTheNewer(t *testing.T) {
	s := newSite(t)
	id := s.as("anna")
	event := func(seq, stamp, summary, more string) string {
		return "BEGIN:VEVENT\r\nUID:two\r\nDTSTAMP:" + stamp + "\r\nDTSTART:20260310T090000Z\r\nSEQUENCE:" + seq + "\r\nSUMMARY:" + summary + "\r\n" + more + "END:VEVENT\r\n"
	}
	const older, newer = "20260101T000000Z", "20260102T000000Z"
	for _, list := range [][]string{
		{event("2", older, "right", ""), event("1", newer, "wrong", "")},
		{event("9", older, "wrong", ""), event("10", older, "right", "")},
		{event("1", older, "wrong", ""), event("1", newer, "right", "")},
		{event("1", newer, "right", ""), event("1", older, "wrong", "")},
		{event("1", older, "wrong", ""), event("1", older, "right", "")},
		{event("1", older, "right", "RRULE:FREQ=DAILY;COUNT=3\r\n"), event("3", older, "right", "RECURRENCE-ID:20260311T090000Z\r\n"), event("2", newer, "wrong", "RECURRENCE-ID;TZID=Europe/Berlin:20260311T100000\r\n")},
	} {
		file := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n" + strings.Join(list, "") + "END:VCALENDAR\r\n"
		s.post("import.wcap?calid=anna&content-in=text/calendar&id="+id, "text/calendar", file).errno(0)
		s.do("anna", "fetchevents_by_id.wcap?calid=anna&uid=two").errno(0).contains("SUMMARY:right").lacks("wrong")
	}
}
