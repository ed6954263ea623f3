package wcap

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/observe/costtest"
)

// inputs is the table of bad input: for each command a request that is right,
// all of its parameters, and the errnos of WCAP §9 that it may answer with
// besides its own failure and those that every command may give.
var inputs = map[string]struct {
	right, params, errnos string
}{
	"check_id":                          {"", "", ""},
	"createcalendar":                    {"calid=new$N&subscribe=0", "calid allowdoublebook set_calprops subscribe name acl description tzid owners categories doublebooking fbinclude master lang charset", "25 30"},
	"decide_held":                       {"calid=anna:w&item=none.ics&decision=accept", "calid item decision remember", "46 59"},
	"deletecalendar":                    {"calid=del", "calid unsubscribe", ""},
	"deletecomponents_by_range":         {"calid=anna:w&dtstart=20400101T000000Z&dtend=20400102T000000Z", "calid dtstart dtend tzid smtp", ""},
	"deleteevents_by_id":                {"calid=anna:w&uid=none&rid=0&mod=4", "calid uid rid mod notify smtp smtpNotify tzid", "59"},
	"deleteevents_by_range":             {"calid=anna:w&dtstart=20400101T000000Z&dtend=20400102T000000Z", "calid dtstart dtend tzid smtp", ""},
	"deletetodos_by_id":                 {"calid=anna:w&uid=none&rid=0&mod=4", "calid uid rid mod notify smtp smtpNotify tzid", "59"},
	"deletetodos_by_range":              {"calid=anna:w&dtstart=20400101T000000Z&dtend=20400102T000000Z", "calid dtstart dtend tzid smtp", ""},
	"export":                            {"calid=anna:w&content-out=text/calendar", "calid content-out dtstart dtend", ""},
	"fetch_deletedcomponents":           {"calid=anna:w", "calid component-type dtstart dtend maxResults recurring tzid tzidout", ""},
	"fetch_held":                        {"calid=anna:w", "calid component-type compstate emailorcalid relativealarm maxResults tzid tzidout", ""},
	"fetchattachment":                   {"calid=anna:w&uid=e&attachid=x", "attachid uid rid calid tzid", "59"},
	"fetchattachments":                  {"calid=anna:w&uid=e&attach-id=x", "attach-id uid rid calid tzid", "59"},
	"fetchcomponents_by_alarmrange":     {"calid=anna:w", fetchInputs, ""},
	"fetchcomponents_by_attendee_error": {"calid=anna:w", fetchInputs + " attendee", ""},
	"fetchcomponents_by_lastmod":        {"calid=anna:w", fetchInputs, ""},
	"fetchcomponents_by_range":          {"calid=anna:w", fetchInputs + " attrset invitecount", "18 81"},
	"fetchevents_by_id":                 {"calid=anna:w&uid=e", fetchInputs + " uid rid mod", "18 59 81"},
	"fetchtodos_by_id":                  {"calid=anna:w&uid=t", fetchInputs + " uid rid mod", "18 59 81"},
	"get_all_timezones":                 {"dtstart=2026&dtend=2026", "dtstart dtend", ""},
	"get_calprops":                      {"calid=anna:w", "calid invitecount", ""},
	"get_freebusy":                      {"calid=anna:w", "calid mail dtstart dtend duration freebusybegin freebusyend busyonly tzid tzidout", ""},
	"get_guids":                         {"", "guidCount", ""},
	"get_userprefs":                     {"", "userid", "44"},
	"gettime":                           {"calid=anna:w", "calid tzidout", ""},
	"import":                            {"calid=anna:w&content-in=text/calendar", "calid content-in dtstart dtend", "38 54 77"},
	"list":                              {"", "userid", "75 76"},
	"list_subscribed":                   {"", "userid", "75 76"},
	"login":                             {"user=nobody&password=x", "user password proxyauth applyauthfilter lang refresh appid", ""},
	"logout":                            {"id=none", "", "-1"},
	"ping":                              {"", "appid", ""},
	"search_calprops":                   {"search-string=anna", "search-string calid name primaryOwner searchOpts maxResults", ""},
	"set_calprops":                      {"calid=anna:w", "calid name acl description tzid owners categories doublebooking fbinclude master lang charset multiple cal", "47"},
	"set_userprefs":                     {"", "add_attrs set_attrs del_attrs convertCalid userid", "44"},
	"storeevents":                       {"calid=anna:w&uid=e&dtstart=20260310T090000Z&storetype=1", storeInputs + " dtend", "33 40 43 45 47 60 62 63 65 66 67 68 79 80 85 86 87"},
	"storetodos":                        {"calid=anna:w&uid=t&due=20260310T090000Z&storetype=1", storeInputs + " due completed percent", "33 40 43 45 47 60 62 63 65 66 67 68 79 80 85 86 87"},
	"subscribe_calendars":               {"calid=anna:w", "calid userid", "75 76"},
	"unsubscribe_calendars":             {"calid=none", "calid userid", "75 76"},
	"verifyevents_by_ids":               {"calid=anna:w&uid=e&rid=0", "calid uid rid tzid", "46"},
	"verifytodos_by_ids":                {"calid=anna:w&uid=e&rid=0", "calid uid rid tzid", "46"},
	"version":                           {"", "appid", ""},
}

const (
	fetchInputs = "calid dtstart dtend component-type compstate compressed recurring emailorcalid relativealarm fetchattach fetchorder maxResults tzid tzidout"
	storeInputs = "calid uid rid mod storetype method dtstart duration isAllDay tzid tzidout summary desc location icsUrl icsClass priority status transparent categories " +
		"contacts relatedTos resources geo seq attendees orgCalid orgEmail orgUID rrules rdates exrules exdates rchange alarmStart alarmEmails alarmPopup alarmAudio " +
		"alarmFlashing alarmDescription attachments sendattach deleteattach replace fetch compressed recurring relativealarm emailorcalid smtp smtpNotify notify " +
		"language charset X-MINE X-NSCP-DTSTART-TZID"
)

// badValues are, but for the missing one, the classes of bad values that every
// parameter is tried with: as they are percent-encoded, and those that a
// client may write so, raw.
var badValues = []struct {
	class, value string
	raw          bool
}{
	{"empty", "", false},
	{"64 KiB", strings.Repeat("x", 64<<10), false},
	{"64 KiB of items", strings.Repeat("a;", 32<<10), true}, {"64 KiB of different items", "i" + strings.ReplaceAll(numbers(0, 9999), ",", ";i"), true},
	{"wrong type", "abc", false}, {"wrong type", "-1", false}, {"wrong type", "1.5", false}, {"wrong type", "99999999999999999999", false},
	{"out of range", "99999999T999999Z", false}, {"out of range", "20260230T000000Z", false}, {"out of range", "00010101T000000Z", false}, {"out of range", "99991231T235959Z", false},
	{"unknown tzid", "No/Where", false},
	{"line ends", "a\r\nX-EVIL:1\r\nBEGIN:VEVENT", false}, {"NUL", "a\x00b", false}, {"not UTF-8", "\xff\xfe", false},
	{"separators", ";", false}, {"separators", ";;^;\"", true}, {"quotes", `"`, false}, {"quotes", `";"^"`, true}, {"carets", "a^^b^", true}, {"markup", "<X-EVIL>]]>&amp;", false},
	{"path", "../../etc/passwd", false}, {"path", "anna:../x", true}, {"path", "anna/../ben", true}, {"path", "anna:a/b", false}, {"path", `anna:..\ben`, false}, {"path", "anna%2f..%2fben", true},
}

// TestBadInput: every parameter of every command with every class of bad
// value. The answer is in the form asked for, with an errno of the command's
// table; what is refused changes nothing; and nothing costs a quarter of a
// second of CPU.
func TestBadInput(t *testing.T) {
	s := newSite(t)
	s.as("ben")
	s.do("anna", "createcalendar.wcap?calid=w").errno(0)
	for name := range commands {
		if _, ok := inputs[name]; !ok {
			t.Errorf("%s is not in the table of bad input", name)
		}
	}
	n := 0
	before := "" // the mark, as long as it is known
	for _, name := range slices.Sorted(maps.Keys(inputs)) {
		in := inputs[name]
		before = ""
		s.put("anna", "anna:w", "e.ics", simpleEvent("e", "20260310T090000Z", "RRULE:FREQ=DAILY;COUNT=5"))
		allowed := map[string]bool{"": name == "check_id" || name == "get_guids" || name == "version" || name == "export" || name == "fetchattachment"}
		for _, e := range append(strings.Fields("0 1 28 29 38 58 "+in.errnos), itoa(int(commands[name].own))) {
			allowed[e] = true
		}
		if strings.Contains(in.params, "tzid") {
			allowed["18"] = true
		}
		for _, p := range append(strings.Fields(in.params), "fmt-out", "id") {
			for i := -1; i < len(badValues); i++ {
				if n++; raceFactor > 1 && n%49 != 0 {
					continue
				}
				q := strings.ReplaceAll(in.right, "$N", itoa(n))
				format := formatNames[n%3]
				q = without(q, p)
				class := "missing"
				if i >= 0 {
					v := badValues[i]
					class = v.class
					if v.raw {
						q += "&" + p + "=" + v.value
					} else {
						q += "&" + p + "=" + url.QueryEscape(v.value)
					}
				}
				if p != "fmt-out" {
					q += "&fmt-out=" + format
				}
				if p != "id" && name != "logout" {
					q += "&id=" + s.as("anna")
				}
				what := fmt.Sprintf("%s with %s %s", name, p, class)
				if before == "" {
					before = s.mark()
				}
				r := s.costed(what, func() *reply { return s.get(name + ".wcap?" + q) })
				got := r.errnos()
				if r.status != 200 {
					t.Fatalf("%s: status %d", what, r.status)
				}
				for _, e := range append(strings.Fields(got), "0") {
					if !allowed[e] {
						t.Fatalf("%s: errno %s is not the command's\n%.2000s", what, e, r.body)
					}
				}
				if got == "" && !allowed[""] {
					t.Fatalf("%s: no errno\n%.2000s", what, r.body)
				}
				kind, _, _ := strings.Cut(r.header.Get("Content-Type"), ";")
				switch {
				case p == "fmt-out" && class != "missing" && class != "empty":
					if got != "58" || kind != "text/calendar" {
						t.Fatalf("%s: errno %s in %s", what, got, kind)
					}
				case p != "fmt-out" && kind != format && r.header.Get("Content-Disposition") == "":
					t.Fatalf("%s: asked for %s, got %s", what, format, kind)
				}
				if r.header.Get("X-Evil") != "" || strings.Contains(r.body, "\nX-EVIL") && kind == "text/calendar" || strings.Contains(r.body, "<X-EVIL") && kind != "text/calendar" {
					t.Fatalf("%s: injected\n%.2000s", what, r.body)
				}
				some := strings.Contains(r.body, "2.0;Success") // of a list, each item has its own outcome
				if !strings.Contains(" "+got+" ", " 0 ") && got != "" && got != "85" && got != "86" && !some {
					if after := s.mark(); after != before {
						t.Fatalf("%s: errno %s, but from\n%s to\n%s", what, got, before, after)
					}
				} else if commands[name].writes {
					before = ""
					if made := r.value("X-NSCP-CALPROPS-RELATIVE-CALID"); name == "createcalendar" && format == "text/calendar" && made != "" && made != "anna:w" {
						s.do("anna", "deletecalendar.wcap?calid="+url.QueryEscape(made))
					}
				}
			}
		}
	}
	if n < 5000 {
		t.Errorf("%d cases", n)
	}
}

// without takes a parameter out of a query.
func without(q, name string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(q, "&"), func(p string) bool { return strings.HasPrefix(p, name+"=") }), "&")
}

// mark is what moves when anything of anna's or ben's changes.
func (s *site) mark() string {
	s.t.Helper()
	var b strings.Builder
	for _, user := range []string{"anna", "ben"} {
		who := s.people.Actor(user)
		home, err := s.be.Home(context.Background(), who, calendar.HomeRequest{Owner: calendar.Owner(user)})
		if err != nil {
			s.t.Fatal(err)
		}
		prefs, err := s.be.Prefs(context.Background(), who, calendar.Owner(user))
		if err != nil {
			s.t.Fatal(err)
		}
		fmt.Fprintln(&b, user, home.Change, len(home.Calendars), home.UsedBytes, prefs)
	}
	return b.String()
}

// costed is an answer that takes no more than a quarter of a second of CPU.
func (s *site) costed(what string, ask func() *reply) (r *reply) {
	s.t.Helper()
	if took, ok := costtest.Within(costtest.Cost{CPU: 250 * time.Millisecond * raceFactor}, 3, func() { r = ask() }); !ok {
		s.t.Errorf("%s: %v", what, took)
	}
	return r
}

// TestBadSessions: each command that needs a session, with the one of another
// user, an expired one, one that never was, and none.
func TestBadSessions(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Settings.Anonymous = false })
	s.do("anna", "createcalendar.wcap?calid=w&set_calprops=1&acl=@^c^f^g").errno(0)
	s.do("anna", "createcalendar.wcap?calid=del").errno(0)
	s.put("anna", "anna:w", "e.ics", simpleEvent("e", "20260310T090000Z"))
	s.as("ben")
	s.do("anna", "subscribe_calendars.wcap?calid=anna:w").errno(0)
	before := s.mark()
	expired := s.get("login.wcap?user=carl&password=carl").value("X-NSCP-WCAP-SESSION-ID")
	s.clock.Add(31 * time.Minute)
	clear(s.sid)
	ben := s.as("ben")
	for name, cmd := range commands {
		if cmd.who == anybody {
			continue
		}
		right := inputs[name].right
		if name == "unsubscribe_calendars" || name == "subscribe_calendars" {
			right += "&userid=anna"
		}
		if name == "deletecalendar" {
			right = "calid=anna:del"
		}
		if name == "createcalendar" {
			right = "calid=anna:other"
		}
		if name == "fetchevents_by_id" || strings.HasPrefix(name, "delete") {
			right = strings.Replace(right, "uid=none", "uid=e", 1)
		}
		for i, id := range []string{"id=" + expired, "id=aaaaaaaaaaaaaaaaaaaaaaaaaa", "id=", ""} {
			r := s.get(name + ".wcap?" + right + "&fmt-out=" + formatNames[i%3] + "&" + id)
			if got := r.errnos(); got != "1" {
				t.Errorf("%s with %.6q: errno %s", name, id, got)
			}
		}
		r := s.get(name + ".wcap?" + right + "&id=" + ben)
		got := r.errnos()
		switch name {
		case "get_all_timezones", "get_userprefs", "list", "list_subscribed", "search_calprops", "set_userprefs", "get_freebusy":
			if got != "0" && !strings.HasPrefix(got, "0 ") {
				t.Errorf("%s as ben: errno %s", name, got)
			}
			continue // his own, or everybody's
		}
		if got == "0" || strings.Contains(r.body, "BEGIN:VEVENT") && !strings.Contains(name, "by_id") {
			t.Errorf("%s of anna's as ben: errno %s\n%s", name, got, r.body)
		}
	}
	if after := s.mark(); after != before {
		t.Errorf("from\n%s to\n%s", before, after)
	}
}

// TestBombs: rules that never end or say everything at once, written by either
// protocol and then fetched in every way, cost no more than others.
func TestBombs(t *testing.T) {
	s := newSite(t)
	s.as("anna")
	rules := []string{
		"FREQ=SECONDLY", "FREQ=SECONDLY;COUNT=2000000000", "FREQ=MINUTELY;UNTIL=99991231T235959Z", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=DAILY;INTERVAL=2147483647",
		"FREQ=YEARLY;BYSECOND=" + numbers(0, 59) + ";BYMINUTE=" + numbers(0, 59) + ";BYHOUR=" + numbers(0, 23) + ";BYYEARDAY=" + numbers(1, 366),
		"FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO;BYHOUR=3;BYMINUTE=7;BYSECOND=11", "FREQ=YEARLY;BYWEEKNO=53;BYDAY=MO,TU;BYSETPOS=-1;COUNT=100000", "FREQ=HOURLY;BYSETPOS=9",
	}
	fetches := []string{
		"fetchcomponents_by_range.wcap?calid=anna", "fetchcomponents_by_range.wcap?calid=anna&dtstart=20260101T000000Z", "fetchcomponents_by_range.wcap?calid=anna&dtstart=99980101T000000Z&dtend=99991231T000000Z",
		"fetchcomponents_by_range.wcap?calid=anna&recurring=1&compressed=1", "fetchcomponents_by_lastmod.wcap?calid=anna", "fetchevents_by_id.wcap?calid=anna&uid=b",
		"fetchevents_by_id.wcap?calid=anna&uid=b&mod=2&rid=20260310T090000Z", "fetchevents_by_id.wcap?calid=anna&uid=b&mod=3&rid=20260310T090000Z", "fetchcomponents_by_alarmrange.wcap?calid=anna",
		"fetchcomponents_by_alarmrange.wcap?calid=anna&dtstart=20990101T000000Z&dtend=21000101T000000Z", "get_freebusy.wcap?calid=anna&dtstart=20260101T000000Z&dtend=20360101T000000Z",
		"get_freebusy.wcap?calid=anna&duration=3700&busyonly=0", "verifyevents_by_ids.wcap?calid=anna&uid=b&rid=22000101T000000Z", "deleteevents_by_id.wcap?calid=anna&uid=b&rid=22000101T000000Z&mod=1",
		"deleteevents_by_range.wcap?calid=anna&dtstart=20260401T000000Z&dtend=20260402T000000Z", "fetch_deletedcomponents.wcap?calid=anna&recurring=0", "get_calprops.wcap?calid=anna&invitecount=1",
		"storeevents.wcap?calid=anna&uid=b&mod=1&rid=20260310T090010Z&summary=x&fetch=1", "storeevents.wcap?calid=anna&uid=b&mod=4&summary=y&fetch=1",
		"export.wcap?calid=anna&content-out=text/calendar", "deleteevents_by_id.wcap?calid=anna&uid=b&rid=0&mod=4", "fetch_deletedcomponents.wcap?calid=anna&recurring=0",
	}
	if raceFactor > 1 {
		rules = rules[:2]
	}
	for i, rule := range rules {
		for _, by := range []string{"WCAP", "CalDAV"} {
			what := fmt.Sprintf("rule %d by %s", i, by)
			ask := func(path string) *reply {
				t.Helper()
				r := s.costed(fmt.Sprintf("%s: %.80s", what, path), func() *reply { return s.get(path + "&id=" + s.as("anna")) })
				if r.status != 200 || len(r.body) > 8<<20 {
					t.Errorf("%s: %.80s: status %d, %d octets", what, path, r.status, len(r.body))
				}
				return r
			}
			if by == "WCAP" {
				ask("storeevents.wcap?calid=anna&uid=b&dtstart=20260310T090000Z&dtend=20260310T090001Z&alarmPopup=-PT5M&fetch=1&rrules=%22" + url.QueryEscape(rule) + "%22")
			} else {
				_, _ = s.be.PutObject(context.Background(), s.people.Actor("anna"), calendar.PutRequest{Ref: calendar.Ref{Calendar: "anna", Name: "b.ics"},
					Data: []byte(strings.ReplaceAll(simpleEvent("b", "20260310T090000Z", "RRULE:"+rule, "BEGIN:VALARM", "ACTION:DISPLAY", "DESCRIPTION:d", "TRIGGER:-PT5M", "END:VALARM"), "\n", "\r\n"))})
			}
			for _, f := range fetches {
				ask(f)
			}
		}
	}
	list := strings.Repeat("anna;", 10_000/raceFactor)
	for name := range commands {
		if name == "logout" || name == "login" {
			continue
		}
		what := name + " of many calendars"
		r := s.costed(what, func() *reply {
			return s.get(name + ".wcap?calid=" + list + "&search-string=x&uid=x&rid=0&content-out=text/calendar&id=" + s.as("anna"))
		})
		if r.status != 200 {
			t.Errorf("%s: status %d", what, r.status)
		}
	}
}

func numbers(from, to int) string {
	var out []string
	for i := from; i <= to; i++ {
		out = append(out, itoa(i))
	}
	return strings.Join(out, ",")
}
