package wcap

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
)

// TestWCAP_13_Calendars: make, see, change, delete.
func TestWCAP_13_Calendars(t *testing.T) {
	s := newSite(t)
	s.as("ben")
	if got := s.do("anna", "createcalendar.wcap?calid=work").errno(0).value("X-NSCP-CALPROPS-RELATIVE-CALID"); got != "anna:work" {
		t.Fatalf("made %q", got)
	}
	s.do("anna", "createcalendar.wcap?calid=work").errno(25)
	s.do("anna", "createcalendar.wcap?calid=anna:work").errno(25)
	s.do("anna", "get_calprops.wcap?calid=anna:work").errno(0)
	s.do("anna", "createcalendar.wcap").errno(38)
	for _, bad := range []string{"a%20b", "a/b", "..", "%C3%A4", "a%0Ab", strings.Repeat("x", 200), "a%5Eb"} {
		s.do("anna", "createcalendar.wcap?calid="+bad).errno(30)
	}
	s.do("ben", "deletecalendar.wcap?calid=anna:work").errno(28)
	s.do("anna", "deletecalendar.wcap?calid=anna:work").errno(0)
	s.do("anna", "get_calprops.wcap?calid=anna:work").errno(29)
	s.do("anna", "deletecalendar.wcap?calid=work").errno(29)
	s.get("createcalendar.wcap?calid=x").errno(1)
	off := newSite(t, func(o *Options) { o.Settings.CreateCalendars, o.Settings.DeleteCalendars = false, false })
	off.do("anna", "createcalendar.wcap?calid=x").errno(28)
	off.do("anna", "deletecalendar.wcap?calid=x").errno(28)
	off.do("root", "createcalendar.wcap?calid=anna:x").errno(0)
}

// TestWCAP_13_ACL: the list keeps its order, and who is shut out gets 28, in
// his own block only.
func TestWCAP_13_ACL(t *testing.T) {
	s := newSite(t)
	s.as("ben")
	const list = "ben^a^r^d;@^a^rfs^g;@^c^^g;carl^c^wd^g"
	got := s.do("anna", "set_calprops.wcap?calid=anna&acl="+list).errno(0).values("X-NSCP-CALPROPS-ACCESS-CONTROL-ENTRY")
	if tail := strings.Join(got[len(got)-4:], ";"); tail != "ben^a^r^d;@^a^rsf^g;@^c^^g;carl^c^wd^g" {
		t.Errorf("list %q", tail)
	}
	if e := s.do("ben", "get_calprops.wcap?fmt-out=text/xml&calid=ben;anna").errnos(); e != "0 28" {
		t.Errorf("errnos %q", e)
	}
	s.do("carl", "get_calprops.wcap?calid=anna").errno(0)
	s.do("anna", "set_calprops.wcap?calid=anna&acl=").errno(0)
	s.do("carl", "get_calprops.wcap?calid=anna").errno(28)
	s.do("carl", "fetchcomponents_by_range.wcap?calid=anna").errno(28).contains("X-NSCP-CALPROPS-RELATIVE-CALID:anna", "X-NSCP-CALPROPS-NAME:anna")
	s.do("carl", "get_freebusy.wcap?calid=anna").errno(28)
	s.do("anna", "set_calprops.wcap?calid=anna&acl=x%5Ey").errno(8)
	closed := newSite(t, func(o *Options) { o.Settings.PublicWritable = false })
	closed.do("anna", "set_calprops.wcap?calid=anna&acl=@^a^rw^g").errno(28)
	closed.do("anna", "set_calprops.wcap?calid=anna&acl=ben^a^rw^g").errno(0)
}

func TestSetCalpropsMultiple(t *testing.T) {
	s := newSite(t)
	s.do("anna", "createcalendar.wcap?calid=b").errno(0)
	r := s.do("anna", "set_calprops.wcap?multiple=2&cal=calid%3Danna%26name%3DOne%2520A&cal=calid%3Danna%253Ab%26name%3DTwo")
	if names := r.values("X-NSCP-CALPROPS-NAME"); r.errnos() != "0 0" || fmt.Sprint(names) != "[One A Two]" {
		t.Errorf("%s %v", r.errnos(), names)
	}
	s.do("anna", "set_calprops.wcap?calid=anna&categories=work;a%3Bb").errno(0).contains("X-NSCP-CALPROPS-CATEGORIES:work,a\\;b\r\n")
	s.do("anna", "get_calprops.wcap?calid=anna&fmt-out=text/xml").errno(0).contains("<X-NSCP-CALPROPS-CATEGORIES>work,a;b</X-NSCP-CALPROPS-CATEGORIES>")
	s.do("anna", "set_calprops.wcap?calid=anna&categories=").errno(0).lacks("CATEGORIES")
}

// TestWCAP_13_Subscriptions: a subscription appears as calid$name.
func TestWCAP_13_Subscriptions(t *testing.T) {
	s := newSite(t)
	s.as("ben")
	s.do("anna", "subscribe_calendars.wcap?calid=ben;carl:x").errno(0)
	want := "anna$Anna Berg|ben$Ben|carl:x$carl:x"
	if got := strings.Join(s.do("anna", "get_userprefs.wcap").values("X-NSCP-WCAP-PREF-icsSubscribed"), "|"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	s.do("anna", "unsubscribe_calendars.wcap?calid=anna;ben;carl:x;nobody").errno(0)
	if got := strings.Join(s.do("anna", "get_userprefs.wcap").values("X-NSCP-WCAP-PREF-icsSubscribed"), "|"); got != "anna$Anna Berg" { // which stays
		t.Errorf("left: %q", got)
	}
	s.do("ben", "set_calprops.wcap?calid=ben&acl=@^a^f^g").errno(0)
	s.do("anna", "subscribe_calendars.wcap?calid=ben").errno(28)
	s.do("anna", "subscribe_calendars.wcap").errno(38)
}

// TestWCAP_13_Lists: the anonymous and other people's lists.
func TestWCAP_13_Lists(t *testing.T) {
	s := newSite(t)
	s.as("anna")
	anon := s.get("login.wcap?user=anonymous").value("X-NSCP-WCAP-SESSION-ID")
	for _, name := range []string{"list", "list_subscribed", "subscribe_calendars", "unsubscribe_calendars"} {
		s.get(name + ".wcap?calid=anna").errno(75)
		s.get(name + ".wcap?calid=anna&id=" + anon).errno(75)
		s.do("ben", name+".wcap?calid=ben&userid=anna").errno(76)
		s.do("root", name+".wcap?calid=anna&userid=anna").errno(0)
		s.do("anna", name+".wcap?calid=anna&userid=ANNA").errno(0)
	}
	off := newSite(t, func(o *Options) { o.Settings.ModifyPrefs = false })
	off.as("anna")
	off.do("root", "list.wcap?userid=anna").errno(76)
	off.do("root", "get_userprefs.wcap?userid=anna").errno(44)
}

// TestWCAP_13_Prefs: add, set and delete go and come back.
func TestWCAP_13_Prefs(t *testing.T) {
	s := newSite(t)
	get := func() string {
		return strings.Join(s.do("anna", "get_userprefs.wcap").errno(0).values("X-NSCP-WCAP-PREF-ceX"), "|")
	}
	for _, step := range []struct{ q, want string }{
		{"add_attrs=ceX=a", "a"},
		{"add_attrs=ceX%3Db=c", "a|b=c"},
		{"del_attrs=ceX", "b=c"},
		{"set_attrs=ceX=d,e%3Bf", `d,e\;f`},
		{"set_attrs=ceX=", ""},
		{"del_attrs=ceX", ""},
		{"del_attrs=ceX", ""},
	} {
		s.do("anna", "set_userprefs.wcap?"+step.q).errno(0)
		if got := get(); got != step.want {
			t.Errorf("after %s: %q, want %q", step.q, got, step.want)
		}
	}
	r := s.do("root", "set_userprefs.wcap?userid=anna&set_attrs=ceX=1").errno(0)
	if r.value("X-NSCP-WCAP-PREF-mail") != "anna@example.com" {
		t.Errorf("answer is not anna's:\n%s", r.body)
	}
	s.do("ben", "set_userprefs.wcap?userid=anna&set_attrs=ceX=2").errno(44)
	s.people["anna@example.com"] = s.people["anna"] // another name that the directory knows her by
	s.do("anna", "get_userprefs.wcap?userid=anna@example.com").errno(0)
	s.do("ben", "get_userprefs.wcap?userid=anna@example.com").errno(44)
	s.do("ben", "get_userprefs.wcap?userid=nobody").errno(44)
	s.do("root", "get_userprefs.wcap?userid=nobody").errno(61)
	s.do("anna", "set_userprefs.wcap?set_attrs=ceA=1&set_attrs=mail=x").errno(26)
	if got := s.do("anna", "get_userprefs.wcap").value("X-NSCP-WCAP-PREF-ceA"); got != "" {
		t.Error("half of a refused change was made")
	}
}

// TestTypedLogin: a calendar is the client's own if its owner is what the user
// typed.
func TestTypedLogin(t *testing.T) {
	s := newSite(t)
	sid := s.get("login.wcap?user=anna@example.com&password=anna").errno(0).value("X-NSCP-WCAP-SESSION-ID")
	if got := s.get("get_calprops.wcap?id=" + sid).errno(0).value("X-NSCP-CALPROPS-PRIMARY-OWNER"); got != "anna@example.com" {
		t.Errorf("owner %q", got)
	}
	s.get("get_userprefs.wcap?userid=anna@example.com&id=" + sid).errno(0)
	if got := s.do("ben", "get_calprops.wcap?calid=anna").value("X-NSCP-CALPROPS-PRIMARY-OWNER"); got != "anna" {
		t.Errorf("owner for others %q", got)
	}
}

// TestWCAP_13_Search: exact calids, and maxResults.
func TestWCAP_13_Search(t *testing.T) {
	s := newSite(t)
	s.as("ben")
	s.as("carl")
	for i := range 5 {
		s.do("anna", fmt.Sprintf("createcalendar.wcap?calid=c%d", i)).errno(0)
	}
	ids := func(q string) string {
		return strings.Join(s.do("ben", "search_calprops.wcap?"+q).values("X-NSCP-CALPROPS-RELATIVE-CALID"), " ")
	}
	for q, want := range map[string]string{
		"search-string=anna:c3&searchOpts=3&calid=1":                         "anna:c3",
		"search-string=anna&searchOpts=3&calid=1":                            "anna",
		"search-string=C&searchOpts=1&calid=1":                               "carl",
		"search-string=:c4&searchOpts=2":                                     "anna:c4",
		"search-string=anna&primaryOwner=1&maxResults=2":                     "anna anna:c0",
		"search-string=Berg&primaryOwner=1":                                  "",
		"search-string=ann&primaryOwner=1":                                   "",
		"search-string=anna%20berg&primaryOwner=1&maxResults=1&searchOpts=1": "anna",
		"search-string=ann&primaryOwner=1&name=1":                            "anna",
		"search-string=BERG&name=1":                                          "anna",
		"search-string=zzz&name=1&calid=1&primaryOwner=1":                    "",
	} {
		if got := ids(q); got != want {
			t.Errorf("%s: %q, want %q", q, got, want)
		}
	}
	s.do("ben", "search_calprops.wcap?search-string=").errno(19)

	s = newSite(t, func(o *Options) { o.Settings.PartsOfOwners = true })
	s.as("ben")
	s.as("anna")
	for q, want := range map[string]string{
		"search-string=Berg&primaryOwner=1": "anna", "search-string=nn&primaryOwner=1": "anna", "search-string=nn&primaryOwner=1&searchOpts=3": "", "search-string=ben&primaryOwner=1&searchOpts=3": "ben",
	} {
		if got := ids(q); got != want {
			t.Errorf("parts of owners: %s: %q, want %q", q, got, want)
		}
	}
}

// TestWCAP_13_Freebusy: opaque and transparent events, addresses, unknown people.
func TestWCAP_13_Freebusy(t *testing.T) {
	s := newSite(t)
	s.put("anna", "anna", "a.ics", simpleEvent("a", "20260303T090000Z"))
	s.put("anna", "anna", "b.ics", simpleEvent("b", "20260304T090000Z", "TRANSP:TRANSPARENT"))
	const want = "20260303T090000Z/20260303T100000Z"
	for _, q := range []string{"calid=anna", "calid=mailto:anna@example.com", "mail=anna@example.com", "calid=anna&mail=nobody@example.com", "calid=anna&duration=7",
		"calid=anna&dtstart=20260303T000000Z&dtend=20260306T000000Z", "calid=anna&tzid=Europe/Berlin&dtstart=20260303T000000&dtend=20260306T000000"} {
		r := s.do("ben", "get_freebusy.wcap?"+q).errno(0)
		if got := strings.Join(r.values("FREEBUSY"), " "); got != want {
			t.Errorf("%s: %q", q, got)
		}
		if !strings.Contains(r.body, "FREEBUSY;FBTYPE=BUSY:") {
			t.Errorf("%s: no FBTYPE", q)
		}
	}
	if x := s.do("ben", "get_freebusy.wcap?calid=anna&fmt-out=text/xml").errno(0); !strings.Contains(x.body, `<FB FBTYPE="BUSY">`+want+`</FB>`) {
		t.Errorf("XML:\n%s", x.body)
	}
	// Whom an address names is a person: all his calendars, and when he can be met.
	hours := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VAVAILABILITY\r\nUID:v\r\nDTSTAMP:20260101T000000Z\r\nDTEND:20260303T080000Z\r\nEND:VAVAILABILITY\r\nEND:VCALENDAR\r\n"
	if err := s.be.SetPrefs(t.Context(), s.people.Actor("anna"), calendar.SetPrefsRequest{Owner: "anna", Set: map[string]string{calendar.AvailabilityPref: hours}}); err != nil {
		t.Fatal(err)
	}
	const day = "&dtstart=20260303T000000Z&dtend=20260304T000000Z"
	for q, unavailable := range map[string]bool{"calid=mailto:anna@example.com": true, "mail=a.berg@example.com": true, "calid=anna": false} {
		r := s.do("ben", "get_freebusy.wcap?"+q+day).errno(0)
		if got := strings.Contains(r.body, "FREEBUSY;FBTYPE=BUSY-UNAVAILABLE:20260303T000000Z/20260303T080000Z"); got != unavailable {
			t.Errorf("%s: %s", q, r.body)
		}
	}
	// Who never logged in has no calendar, and is free.
	for _, q := range []string{"calid=mailto:carl@example.com", "mail=carl@example.com"} {
		r := s.do("ben", "get_freebusy.wcap?busyonly=0&"+q+day).errno(0)
		if !strings.Contains(r.body, "FREEBUSY;FBTYPE=FREE:20260303T000000Z/20260304T000000Z") || !strings.Contains(r.body, "X-NSCP-CALPROPS-RELATIVE-CALID:carl") {
			t.Errorf("%s: %s", q, r.body)
		}
	}
	s.do("ben", "get_freebusy.wcap?calid=carl").errno(29)
	s.do("ben", "get_freebusy.wcap?calid=nobody").errno(29)
	s.do("ben", "get_freebusy.wcap?calid=mailto:nobody@example.com").errno(29)
	s.do("ben", "get_freebusy.wcap?mail=nobody@example.com").errno(29)
	s.do("ben", "get_freebusy.wcap?calid=anna&dtstart=20260303T000000Z&dtend=20260302T000000Z").errno(39)
}

// TestFreeBusyRedirect: service.wcap.freebusy.redirecturl, while a site moves.
// The session stays here.
func TestFreeBusyRedirect(t *testing.T) {
	for set, want := range map[string]string{
		"http://old.example.com/": "http://old.example.com/get_freebusy.wcap?", "https://old.example.com:8443/wcap": "https://old.example.com:8443/wcap/get_freebusy.wcap?",
		"http://old.example.com/x/get_freebusy.wcap?appid=move": "http://old.example.com/x/get_freebusy.wcap?appid=move&", "": "", "javascript:alert(1)": "", "/here": "",
	} {
		s := newSite(t, func(o *Options) { o.Settings.FreeBusyRedirect = set })
		sid := s.as("anna")
		q := "get_freebusy.wcap?calid=old%3Bother&id=" + sid + "&dtstart=20260301T000000Z&fmt-out=text/xml&duration=3"
		r := s.get(q)
		if want == "" {
			if r.status != 200 || r.errnos() != "29 29" {
				t.Errorf("%q: %d %s", set, r.status, r.errnos())
			}
			continue
		}
		if got := r.header.Get("Location"); r.status != 302 || got != want+"calid=old%3Bother&dtstart=20260301T000000Z&fmt-out=text/xml&duration=3&noredirect=1" || r.body != "" {
			t.Errorf("%q: %d to %s", set, r.status, got)
		}
		s.get(q + "&noredirect=1").contains("<X-NSCP-WCAP-ERRNO>29<")
		if e := s.do("anna", "get_freebusy.wcap?calid=old;anna").errnos(); e != "29 0" {
			t.Errorf("one of them is here: %s", e)
		}
		s.do("anna", "get_freebusy.wcap?calid=anna").errno(0)
	}
}

// TestWCAP_13_Sync: changes and deletions by whatever protocol, since a moment
// of the server's clock.
func TestWCAP_13_Sync(t *testing.T) {
	s := newSite(t)
	s.put("anna", "anna", "a.ics", simpleEvent("a", "20260303T090000Z"))
	s.put("anna", "anna", "b.ics", simpleEvent("b", "20260304T090000Z"))
	s.clock.Add(10 * time.Minute)
	since := s.do("anna", "gettime.wcap").value("X-NSCP-WCAPTIME")
	s.clock.Add(time.Second)
	s.put("anna", "anna", "a.ics", simpleEvent("a", "20260303T100000Z"))
	uids := func(q string) string {
		s.t.Helper()
		return strings.Join(s.do("anna", q).errno(0).values("UID"), " ")
	}
	if got := uids("fetchcomponents_by_lastmod.wcap?dtstart=" + since + "&dtend=0"); got != "a" {
		t.Errorf("changed: %q", got)
	}
	if got := uids("fetchcomponents_by_lastmod.wcap?dtstart=0&dtend=0&recurring=1"); got != "a b" {
		t.Errorf("all: %q", got)
	}
	if got := s.do("anna", "fetchevents_by_id.wcap?calid=anna&uid=a").value("CREATED"); got != "20260302T120000Z" {
		t.Errorf("CREATED %q", got)
	}
	s.clock.Add(time.Second)
	s.remove("anna", "anna", "b.ics")
	deleted := "fetch_deletedcomponents.wcap?recurring=1&dtstart=" + since + "&dtend=0"
	r := s.do("anna", deleted).errno(0)
	if r.value("UID") != "b" || r.value("LAST-MODIFIED") < since || r.value("X-NSCP-TRIGGERED_BY") != "anna" || r.value("X-NSCP-WCAPTIME") == "" {
		t.Errorf("deleted:\n%s", r.body)
	}
	r.lacks("SUMMARY")
	if got := uids("fetch_deletedcomponents.wcap?dtstart=20260303T000000Z&dtend=0"); got != "" {
		t.Errorf("deleted tomorrow: %q", got)
	}
	s.put("anna", "anna", "b.ics", simpleEvent("b", "20260304T090000Z"))
	if got := uids("fetchcomponents_by_lastmod.wcap?dtstart=" + since + "&dtend=0"); got != "a b" {
		t.Errorf("made again: %q", got)
	}
}

// TestWCAP_13_Timezones: what a client needs to log in.
func TestWCAP_13_Timezones(t *testing.T) {
	s := newSite(t)
	r := s.do("anna", "get_all_timezones.wcap").errno(0)
	if r.value("X-NSCP-CALPROPS-RELATIVE-CALID") != "default" {
		t.Error("no pseudo calendar")
	}
	if zones := strings.Count(r.body, "BEGIN:VTIMEZONE"); zones < 450 || zones != strings.Count(r.body, "\r\nTZID:") {
		t.Errorf("%d zones", zones)
	}
	r.contains("TZID:Europe/Berlin\r\n", "TZID:America/Los_Angeles\r\n")
	berlin := strings.ReplaceAll(r.body[strings.Index(r.body, "TZID:Europe/Berlin\r\n"):], "\r\n ", "")
	cross := berlin[strings.Index(berlin, "X-NSCP-TZCROSS:")+15:]
	cross = cross[:strings.Index(cross, "\r\n")]
	if !strings.HasPrefix(cross, "19870329T010000Z,19870927T010000Z,") || !strings.HasSuffix(cross, "20871026T010000Z") || strings.Count(cross, ",") != 201 {
		t.Errorf("crossings of Berlin: %s", cross)
	}
	year := s.do("anna", "get_all_timezones.wcap?dtstart=2026&dtend=2026").errno(0)
	year.contains("X-NSCP-TZCROSS:20260329T010000Z,20261025T010000Z\r\n")
	s.do("anna", "get_all_timezones.wcap?dtstart=2030&dtend=2020").errno(24)
}

// TestWCAP_13_Import: what one calendar exports another takes, in both forms.
func TestWCAP_13_Import(t *testing.T) {
	for _, form := range []string{"text/calendar", "text/xml"} {
		s := newSite(t)
		s.put("anna", "anna", "w.ics", simpleEvent("w", "20260303T090000Z", "RRULE:FREQ=WEEKLY;COUNT=3", "CATEGORIES:A,B", "DESCRIPTION:x\\, y\\nz",
			"BEGIN:VALARM", "ACTION:DISPLAY", "DESCRIPTION:d", "TRIGGER:-PT5M", "END:VALARM"))
		s.put("anna", "anna", "d.ics", "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Test//EN\nBEGIN:VEVENT\nUID:d\nDTSTAMP:20260101T000000Z\nDTSTART;VALUE=DATE:20260305\nEND:VEVENT\nEND:VCALENDAR\n")
		file := s.post("export.wcap?calid=anna&content-out="+form+"&id="+s.as("anna"), "application/x-www-form-urlencoded", "")
		if !strings.Contains(file.header.Get("Content-Disposition"), "export.") {
			t.Error("no file name")
		}
		s.post("import.wcap?calid=ben&content-in="+form+"&id="+s.as("ben"), form, file.body).errno(0)
		again := s.post("export.wcap?calid=ben&content-out="+form+"&id="+s.as("ben"), "application/x-www-form-urlencoded", "")
		if again.body != file.body {
			t.Errorf("%s became\n%s\nwas\n%s", form, again.body, file.body)
		}
		s.post("import.wcap?calid=ben&content-in="+form+"&id="+s.as("ben"), form, file.body).errno(0) // replaces
		s.post("import.wcap?calid=anna&content-in="+form+"&id="+s.as("ben"), form, file.body).errno(28)
		s.do("ben", "import.wcap?calid=ben&content-in="+form).errno(77)
		s.post("import.wcap?calid=ben&content-in="+form+"&id="+s.as("ben"), form, "nonsense").errno(77)
		s.post("import.wcap?calid=ben&content-in="+form+"&id="+s.as("ben"), form, "").errno(77)
		s.post("import.wcap?content-in="+form+"&id="+s.as("ben"), form, file.body).errno(38)
	}
}

// calstore.calendar.create.lowercase: calids are what they are in lower case,
// when calendars are made and when they are looked for.
func TestCalidsInLowerCase(t *testing.T) {
	for _, lower := range []bool{false, true} {
		s := newSite(t, func(o *Options) { o.Settings.LowerCase = lower })
		made := s.do("anna", "createcalendar.wcap?calid=Sports").errno(0).value("X-NSCP-CALPROPS-RELATIVE-CALID")
		want, missing := "anna:Sports", 29
		if lower {
			want, missing = "anna:sports", 0
		}
		if made != want {
			t.Errorf("lower case %t: made %s, want %s", lower, made, want)
		}
		s.do("anna", "get_calprops.wcap?calid=ANNA:SPORTS").errno(missing)
	}
}

// TestWCAP_6_5_PartsThatAreMissing: who asks for a series by id, as master and
// exceptions, is told that it is not whole; a range shows what there is.
func TestWCAP_6_5_PartsThatAreMissing(t *testing.T) {
	s := newSite(t)
	s.put("anna", "anna", "s.ics", simpleEvent("s", "20260310T090000Z", "RRULE:FREQ=DAILY;COUNT=3"))
	s.put("anna", "anna", "lone.ics", simpleEvent("lone", "20260311T100000Z", "RECURRENCE-ID:20260311T090000Z"))
	for q, errno := range map[string]int{
		"uid=s&recurring=1":                               0,
		"uid=s&recurring=1&rid=20260311T090000Z&mod=1":    0,
		"uid=s&recurring=1&rid=20260401T090000Z&mod=1":    81,
		"uid=s&recurring=0&rid=20260401T090000Z&mod=1":    59,
		"uid=none&recurring=1&rid=20260401T090000Z&mod=1": 59,
		"uid=none&recurring=1":                            59,
		"uid=lone&recurring=1":                            81,
		"uid=lone&recurring=1&rid=20260311T090000Z&mod=1": 0,
		"uid=lone&recurring=1&rid=20260312T090000Z&mod=1": 81,
		"uid=lone&recurring=0":                            0,
	} {
		if r := s.do("anna", "fetchevents_by_id.wcap?calid=anna&compressed=1&"+q); r.errnos() != itoa(errno) {
			t.Errorf("%s: errno %s, want %d\n%s", q, r.errnos(), errno, r.body)
		}
	}
	s.do("anna", "fetchtodos_by_id.wcap?calid=anna&uid=s&recurring=1&rid=20260311T090000Z").errno(59)
	s.do("anna", "fetchcomponents_by_range.wcap?calid=anna&recurring=1&dtstart=20260301T000000Z&dtend=20260401T000000Z").errno(0).contains("UID:lone", "UID:s\r\n")
}
