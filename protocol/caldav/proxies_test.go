package caldav

import (
	"slices"
	"strings"
	"testing"

	"factotum/server/acl"
	"factotum/server/calendar"
)

const rosasWriters = "/dav/principals/rosa/calendar-proxy-write/"

func members(users ...string) string {
	body := "<D:group-member-set>"
	for _, u := range users {
		body += "<D:href>/dav/principals/" + u + "/</D:href>"
	}
	return patching(body + "</D:group-member-set>")
}

// TestProxies is delegation as Apple's clients do it: rosa names anna, who finds
// rosa's calendars, writes in all of them, and is dismissed.
func TestProxies(t *testing.T) {
	onSites(t, func(t *testing.T, s *site) {
		const team, annas = rosasTeam, "/dav/principals/anna/"
		put := func(name string, status int) {
			t.Helper()
			s.do("anna", "PUT", team+name, event(name, "20260303T090000Z", "x"), "Content-Type: text/calendar").is(status)
		}
		readers := strings.Replace(rosasWriters, "write", "read", 1)
		m := s.do("rosa", "PROPFIND", rosasWriters, propfind("D:resourcetype", "D:group-member-set", "D:principal-URL", "D:displayname"), "Depth: 0").is(207).multi()
		if got := m.children(rosasWriters, "D:resourcetype"); got != "D:principal D:collection CS:calendar-proxy-write" || m.children(rosasWriters, "D:group-member-set") != "" {
			t.Errorf("the group is %s", got)
		}
		put("a", 403)
		s.do("rosa", "PROPPATCH", rosasWriters, members("anna")).is(207).lacks("403")
		put("a", 201)
		s.settle()
		// What Apple asks at the start.
		expand := func(user, path, prop string) string {
			return s.do(user, "REPORT", path, xmlHead("D:expand-property")+`<D:property name="`+prop+`" namespace="`+map[bool]string{true: "DAV:", false: "http://calendarserver.org/ns/"}[prop == "group-member-set"]+
				`"><D:property name="displayname"/><D:property name="calendar-user-address-set" namespace="urn:ietf:params:xml:ns:caldav"/></D:property></D:expand-property>`).is(207).body
		}
		if got := expand("anna", annas, "calendar-proxy-write-for"); !strings.Contains(got, "<D:href>/dav/principals/rosa/</D:href>") || !strings.Contains(got, "mailto:rosa@example.com") {
			t.Errorf("anna acts for %s", got)
		}
		if got := expand("anna", annas, "calendar-proxy-read-for"); strings.Contains(got, "rosa") {
			t.Errorf("anna reads for %s", got)
		}
		if got := expand("rosa", rosasWriters, "group-member-set"); !strings.Contains(got, "<D:href>/dav/principals/anna/</D:href>") {
			t.Errorf("rosa's writers are %s", got)
		}
		// Nobody else is told whose proxies they are.
		s.do("carl", "PROPFIND", rosasWriters, propfind("D:group-member-set"), "Depth: 0").is(207).lacks("anna")
		s.do("carl", "PROPFIND", annas, propfind("CS:calendar-proxy-write-for"), "Depth: 0").is(207).lacks("rosa")
		s.do("carl", "PROPPATCH", rosasWriters, members("carl")).is(403)

		home := s.do("anna", "PROPFIND", "/dav/calendars/rosa/", propfind("D:resourcetype"), "Depth: 1").is(207).multi()
		if home.res[team] == nil || home.res["/dav/calendars/rosa/calendar/"] == nil {
			t.Error("her proxy does not see rosa's calendars")
		}
		// A calendar that she makes later has them too, and WCAP's list shows it.
		s.do("rosa", "MKCALENDAR", "/dav/calendars/rosa/new/", "").is(201)
		c, err := s.be.Calendar(t.Context(), s.people.Actor("anna"), "rosa:new")
		if err != nil || c.Rights.OnBehalf() != (acl.Behalf{Reply: true, Invite: true, Cancel: true}) || !strings.Contains(c.ACL.String(), "anna^c^wdeic^g") {
			t.Errorf("on a new calendar anna may %v, %v", c.Rights, err)
		}
		// Who was taken off one calendar's list is back when she is named again.
		list := acl.MustParse(acl.DefaultCalendar)
		if _, err := s.be.UpdateCalendar(t.Context(), s.people.Actor("rosa"), calendar.UpdateCalendarRequest{ID: "rosa:team", ACL: &list}); err != nil {
			t.Fatal(err)
		}
		put("a2", 403)
		s.do("rosa", "PROPPATCH", rosasWriters, members("anna")).is(207).lacks("403")
		put("a2", 201)
		// What one writes the other sees at once.
		s.do("rosa", "GET", team+"a", "").is(200)
		s.do("rosa", "PUT", team+"b", event("b", "20260303T090000Z", "x"), "Content-Type: text/calendar").is(201)
		s.do("anna", "GET", team+"b", "").is(200)

		// From a writer to a reader, in one step.
		s.do("rosa", "PROPPATCH", readers, members("anna", "carl")).is(207).lacks("403")
		put("c", 403)
		s.do("anna", "GET", team+"a", "").is(200)
		s.settle()
		if got := expand("anna", annas, "calendar-proxy-read-for"); !strings.Contains(got, "/dav/principals/rosa/") {
			t.Errorf("anna reads for %s", got)
		}
		s.do("rosa", "PROPPATCH", readers, patching("<D:displayname>x</D:displayname>")).is(207).contains("403")
		s.do("rosa", "PROPPATCH", readers, members("rosa")).is(403)
		s.do("rosa", "PROPPATCH", readers, members("nobody")).is(403)
		s.do("rosa", "PROPPATCH", readers, members()).is(207)
		s.do("anna", "GET", team+"a", "").is(403)
		s.settle()
		if got := expand("anna", annas, "calendar-proxy-read-for"); strings.Contains(got, "rosa") {
			t.Errorf("anna still reads for %s", got)
		}
		s.do("rosa", "PROPFIND", "/dav/principals/rosa/calendar-proxy-other/", propfind("D:displayname"), "Depth: 0").is(404)
		s.do("rosa", "PROPFIND", "/dav/principals/nobody/calendar-proxy-read/", propfind("D:displayname"), "Depth: 0").is(404)
	})
}

// TestProxyAndShareDoNotMix: what is shared with a proxy stays when he is none
// any more, and the other way round.
func TestProxyAndShareDoNotMix(t *testing.T) {
	s, _ := sharing(t, false)
	share := func(set string) {
		s.do("rosa", "POST", rosasTeam, shareBody(set), inXML).is(200)
		s.settle()
	}
	const anna = "<D:href>mailto:anna@example.com</D:href>"
	may := func() (r calendar.Rights) {
		c, err := s.be.Calendar(t.Context(), s.people.Actor("anna"), "rosa:team")
		if err != nil {
			t.Fatal(err)
		}
		return c.Rights
	}
	share("<CS:set>" + anna + "<CS:read/></CS:set>")
	s.do("rosa", "PROPPATCH", rosasWriters, members("anna")).is(207)
	share("<CS:remove>" + anna + "</CS:remove>")
	if !may().CanWrite() {
		t.Error("who is not invited any more is still a proxy")
	}
	share("<CS:set>" + anna + "<CS:read/></CS:set>")
	s.do("rosa", "PROPPATCH", rosasWriters, members()).is(207)
	if r := may(); r.CanWrite() || !r.CanRead() {
		t.Errorf("who is no proxy any more may %v", r)
	}
}

// TestProxyGroups: who acts for somebody is in his group of proxies, and so are
// the members of a group that does, wherever its calendars are. Apple's
// caldav-proxy 5.2 and 5.3.
func TestProxyGroups(t *testing.T) {
	onSites(t, func(t *testing.T, s *site) {
		group := func(id string, in ...string) {
			s.people[id] = calendar.Person{ID: id, Kind: calendar.Group, Name: id, Mails: []string{id + "@example.com"}, Active: true, Groups: in}
		}
		group("board")
		group("staff", "board")
		anna := s.people["anna"]
		anna.Groups = []string{"staff", "board"}
		s.people["anna"] = anna
		const annas, staff = "/dav/principals/anna/", "/dav/principals/staff/"
		carls := "/dav/principals/carl/calendar-proxy-read/"
		bens := "/dav/principals/ben/calendar-proxy-write/"
		s.visit("ben")
		s.do("rosa", "PROPPATCH", rosasWriters, members("anna")).is(207).lacks("403")
		s.do("carl", "PROPPATCH", carls, members("staff")).is(207).lacks("403")
		s.do("ben", "PROPPATCH", bens, members("board")).is(207).lacks("403")
		s.settle()
		all := propfind("D:group-membership", "CS:expanded-group-membership", "CS:calendar-proxy-read-for", "CS:calendar-proxy-write-for")
		hrefs := func(m *multi, at, name string) (out []string) {
			for n := range m.node(at, name).Children() {
				out = append(out, strings.TrimPrefix(n.TrimText(), "/dav/principals/"))
			}
			return out
		}
		m := s.do("anna", "PROPFIND", annas, all, "Depth: 0").is(207).multi()
		for name, want := range map[string]string{
			"D:group-membership":           "staff/ board/ rosa/calendar-proxy-write/",
			"CS:expanded-group-membership": "board/ staff/ rosa/calendar-proxy-write/ ben/calendar-proxy-write/ carl/calendar-proxy-read/",
			"CS:calendar-proxy-write-for":  "rosa/ ben/",
			"CS:calendar-proxy-read-for":   "carl/",
		} {
			got, wanted := hrefs(m, annas, name), strings.Fields(want)
			slices.Sort(got)
			slices.Sort(wanted)
			if !slices.Equal(got, wanted) {
				t.Errorf("%s: %q, want %q", name, got, wanted)
			}
		}
		// And she may, through the groups.
		s.do("anna", "PUT", "/dav/calendars/ben/calendar/x.ics", event("x", "20260303T090000Z", "x")).is(201)
		s.do("anna", "GET", "/dav/calendars/carl/calendar/", "").is(200)
		self := xmlHead("D:principal-match") + "<D:self/>" + props("D:resourcetype") + "</D:principal-match>"
		m = s.do("anna", "REPORT", "/dav/principals/", self, "Depth: 0").is(207).multi()
		if got := m.children(rosasWriters, "D:resourcetype"); got != "D:principal D:collection CS:calendar-proxy-write" {
			t.Errorf("rosa's group is %s", got)
		}
		for _, href := range []string{annas, staff, carls, bens} {
			m.at(href)
		}
		// DAVx5 asks each of them, and then whose it is.
		s.do("anna", "PROPFIND", rosasWriters, propfind("D:displayname", "D:group-membership", "D:resourcetype", "C:calendar-home-set", "CS:calendar-proxy-read-for"), "Depth: 0").is(207).contains("calendar-proxy-write")
		expand := xmlHead("D:expand-property") + `<D:property name="group-membership"><D:property name="displayname"/><D:property name="resourcetype"/></D:property></D:expand-property>`
		s.do("anna", "REPORT", annas, expand).is(207).contains("<D:href>"+rosasWriters+"</D:href>", "<CS:calendar-proxy-write/>")
		// Nobody else is told.
		s.do("carl", "PROPFIND", annas, all, "Depth: 0").is(207).lacks("proxy-write/</D:href>", "proxy-read/</D:href>")
		s.do("rosa", "PROPPATCH", rosasWriters, members()).is(207)
		s.settle()
		if got := hrefs(s.do("anna", "PROPFIND", annas, all, "Depth: 0").is(207).multi(), annas, "CS:calendar-proxy-write-for"); !slices.Equal(got, []string{"ben/"}) {
			t.Errorf("dismissed, anna acts for %q", got)
		}
	})
}
