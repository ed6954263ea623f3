package wcap

import (
	"maps"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"factotum/protocol/sitetest"
	"factotum/server/calendar"
)

// TestCallsPerCommand: a command costs one call to each back end, whatever the
// number of its calendars; those that cost more are written down, with the
// reason, and named in docs/architecture.md.
func TestCallsPerCommand(t *testing.T) {
	hosts := sitetest.NewHosts(t, sitetest.Options{Clock: &sitetest.Clock{}})
	s := &site{t: t, be: hosts.Backend, people: hosts.People, clock: nil, sid: sitetest.SessionIDs{}, h: New(Options{
		Backend: hosts.Backend, People: hosts.People, Sessions: hosts.Sessions, Now: hosts.Now, Login: hosts.Login,
		Settings: Settings{Anonymous: true, CreateCalendars: true, DeleteCalendars: true, ModifyPrefs: true, PublicWritable: true, Admins: []string{"root"}},
	})}
	for _, user := range []calendar.UserID{"anna", "ben", "carl", "room1", "root"} {
		who := s.people.Actor(user)
		if _, err := s.be.Home(t.Context(), who, calendar.HomeRequest{Owner: calendar.Owner(user)}); err != nil {
			t.Fatal(err)
		}
		for _, ev := range []string{simpleEvent("e", "20260303T090000Z"), simpleEvent("w", "20260303T090000Z", "RRULE:FREQ=WEEKLY", "EXDATE:20260310T090000Z",
			"ORGANIZER:mailto:x@example.com", "ATTENDEE;SCHEDULE-STATUS=5.1:mailto:"+user+"@example.com")} {
			if _, err := s.be.PutObjects(t.Context(), who, calendar.PutObjectsRequest{Calendar: calendar.ID(user), Items: []calendar.PutItem{{Data: []byte(ev)}}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.as("anna")
	s.as("root")
	s.do("anna", "createcalendar.wcap?calid=work").errno(0)
	stored := s.upload("anna", "storeevents.wcap?calid=anna&uid=f&fetch=1&dtstart=20260401T090000Z", [2]string{"Content-Disposition: form-data; name=f; filename=x", "text"}).errno(0)
	file := regexp.MustCompile("attach-id=([0-9a-z]+)").FindStringSubmatch(strings.ReplaceAll(stored.body, "\r\n ", ""))[1]
	s.do("anna", "storeevents.wcap?calid=anna&uid=g&dtstart=20260401T090000Z").errno(0)
	s.do("anna", "storetodos.wcap?calid=anna&uid=u&due=20260401T090000Z").errno(0)

	const many = "calid=anna;room1;anna:work;root;ben"
	const day = "&dtstart=20260303T000000Z&dtend=20260304T000000Z"
	requests := map[string][]string{
		"check_id":                          {""},
		"createcalendar":                    {"calid=new"},
		"decide_held":                       {"calid=anna&item=none.ics&decision=accept"},
		"deletecalendar":                    {"calid=new"},
		"deletecomponents_by_range":         {"calid=anna" + day},
		"deleteevents_by_id":                {"calid=anna&uid=g&rid=0&mod=4"},
		"deleteevents_by_range":             {"calid=anna" + day},
		"deletetodos_by_id":                 {"calid=anna&uid=u&rid=0&mod=4"},
		"deletetodos_by_range":              {"calid=anna" + day},
		"export":                            {many + "&content-out=text/calendar" + day, many + "&content-out=text/xml"},
		"fetch_deletedcomponents":           {many + day},
		"fetch_held":                        {"calid=anna"},
		"fetchattachment":                   {"calid=anna&uid=f&attachid=none", "calid=anna&uid=f&attachid=" + file},
		"fetchattachments":                  {"calid=anna&uid=f&attachid=" + file},
		"fetchcomponents_by_alarmrange":     {many + day},
		"fetchcomponents_by_attendee_error": {many},
		"fetchcomponents_by_lastmod":        {many + day, many},
		"fetchcomponents_by_range":          {many + day, many + day + "&invitecount=1", many + "&recurring=1", many + day + "&maxResults=1", "calid=anna"},
		"fetchevents_by_id":                 {many + "&uid=e;w&rid=0;20260317T090000Z&mod=4;1"},
		"fetchtodos_by_id":                  {many + "&uid=e&rid=0"},
		"get_all_timezones":                 {""},
		"get_calprops":                      {many, many + "&invitecount=1"},
		"get_freebusy":                      {many + day, "mail=anna@example.com" + day},
		"get_guids":                         {""},
		"get_userprefs":                     {""},
		"gettime":                           {many},
		"import":                            {"calid=anna" + day},
		"list":                              {""},
		"list_subscribed":                   {""},
		"login":                             {"user=anna&password=anna"},
		"ping":                              {""},
		"search_calprops":                   {"search-string=anna&calid=1"},
		"set_calprops":                      {"calid=anna&name=x", "multiple=2&cal=calid%3Danna%26name%3Dy&cal=calid%3Droom1%26name%3Dz"},
		"set_userprefs":                     {"add_attrs=icsColor=red"},
		"storeevents":                       {"calid=anna&uid=n&dtstart=20260303T090000Z&rrules=freq%3Ddaily&fetch=1", "calid=anna&uid=n&rid=0&mod=4&summary=x&fetch=1"},
		"storetodos":                        {"calid=anna&uid=t&due=20260303T090000Z&fetch=1"},
		"subscribe_calendars":               {many},
		"unsubscribe_calendars":             {many},
		"verifyevents_by_ids":               {"calid=anna&uid=w;e&rid=20260317T090000Z;0"},
		"verifytodos_by_ids":                {"calid=anna&uid=t&rid=0"},
		"version":                           {""},
		"logout":                            {""},
	}
	exceptions := map[string]struct {
		calls int
		why   string
	}{
		"createcalendar":      {2, "the calendar, then the list of subscriptions: its owner's, who need not be the user"},
		"deletecalendar":      {2, "the calendar, then the user's list of subscriptions"},
		"fetchattachment":     {2, "each file is an answer of its own; where there is none, why not"},
		"set_userprefs":       {2, "what is set, then all that there is, with the calendars of the home"},
		"subscribe_calendars": {2, "calendars of others, where they are, then the list where it is"},
	}
	refused := map[string]bool{ // what is asked for is not there, by intent
		"fetchtodos_by_id": true, "fetchevents_by_id": true, "fetchattachment": true, "decide_held": true,
	}
	for _, name := range slices.Sorted(maps.Keys(commands)) {
		list, ok := requests[name]
		if !ok {
			t.Errorf("%s is not asked", name)
			continue
		}
		most, which := 0, ""
		for _, q := range list {
			user := "anna"
			if strings.Contains(q, "room1") || name == "ping" {
				user = "root" // who may read them all
			}
			id := s.as(user)
			switch name {
			case "login":
				id = ""
			case "logout":
				id = s.as("ben")
			}
			target := "http://cal.example.com/" + name + ".wcap?" + q + "&id=" + id
			r := httptest.NewRequest("GET", target, nil)
			if name == "import" {
				r = httptest.NewRequest("POST", target, strings.NewReader(simpleEvent("i", "20260303T090000Z")))
				r.Header.Set("Content-Type", "text/calendar")
			}
			hosts.Reset()
			reply := s.send(r)
			if n, calls := hosts.Most(); n >= most {
				most, which = n, q+": "+calls
			}
			if errno := reply.errnos(); name != "logout" && strings.Trim(errno, "0 ") != "" && !refused[name] {
				t.Errorf("%s %s: errno %s", name, q, errno)
			}
		}
		want := 1
		if e, ok := exceptions[name]; ok {
			if want = e.calls; most < want {
				t.Errorf("%s: %d calls, fewer than is written down", name, most)
			}
		}
		if most > want {
			t.Errorf("%s: %d calls: %s", name, most, which)
		}
	}
}
