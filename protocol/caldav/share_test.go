package caldav

import (
	"maps"
	"strings"
	"testing"
	"time"

	"factotum/protocol/sitetest"
	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/service"
	"factotum/server/worker"
)

// sharing is a site of anna and carl, and of rosa, who is on another back end
// where there are two.
func sharing(t *testing.T, hosts bool) (s *site, h *sitetest.Hosts) {
	people := sitetest.Staff()
	maps.Copy(people, calendartest.NewPeople("rosa"))
	opt := sitetest.Options{Clock: &sitetest.Clock{}, People: people}
	if hosts {
		h = sitetest.NewHosts(t, opt)
		h.People = people
		s = (&site{t: t, people: h.People, base: h.Site, clock: opt.Clock, stores: []calendar.Store{h.Store, h.Second.Store}}).over(h.Backend)
	} else {
		base := sitetest.New(t, opt)
		base.People = people
		s = (&site{t: t, people: base.People, base: base, clock: opt.Clock, stores: []calendar.Store{base.Store}}).over(base.Backend)
	}
	s.visit("anna", "carl", "rosa")
	s.do("rosa", "MKCALENDAR", "/dav/calendars/rosa/team/", "").is(201)
	s.do("rosa", "PROPPATCH", rosasTeam, patching("<D:displayname>Team</D:displayname><A:calendar-color>#111111</A:calendar-color>")).is(207)
	return s, h
}

// onSites runs a test in one process and on two back ends.
func onSites(t *testing.T, test func(t *testing.T, s *site)) {
	for name, hosts := range map[string]bool{"one": false, "hosts": true} {
		t.Run(name, func(t *testing.T) {
			s, _ := sharing(t, hosts)
			test(t, s)
		})
	}
}

const (
	rosasTeam  = "/dav/calendars/rosa/team/"
	annasShare = "/dav/calendars/anna/~rosa%3Ateam/" // as answers spell it
)

func patching(set string) string {
	return xmlHead("D:propertyupdate") + "<D:set><D:prop>" + set + "</D:prop></D:set></D:propertyupdate>"
}

// allow gives the list of rosa's calendar, as WCAP set_calprops does.
func (s *site) allow(list string) {
	s.t.Helper()
	l := acl.MustParse(list)
	if _, err := s.be.UpdateCalendar(s.t.Context(), s.people.Actor("rosa"), calendar.UpdateCalendarRequest{ID: "rosa:team", ACL: &l}); err != nil {
		s.t.Fatal(err)
	}
}

// subscribe is WCAP subscribe_calendars, or unsubscribe_calendars.
func (s *site) subscribe(user string, add bool, id calendar.ID) {
	s.t.Helper()
	req := calendar.SubscribeRequest{Owner: calendar.Owner(user), Remove: []calendar.ID{id}}
	if add {
		req = calendar.SubscribeRequest{Owner: calendar.Owner(user), Add: []calendar.Subscription{calendar.Subscription(id)}}
	}
	if _, err := s.be.Subscribe(s.t.Context(), s.people.Actor(user), req); err != nil {
		s.t.Fatal(err)
	}
}

// subscribed is WCAP list_subscribed, without the user's own calendar.
func (s *site) subscribed(user string) string {
	s.t.Helper()
	prefs, err := s.be.Prefs(s.t.Context(), s.people.Actor(user), calendar.Owner(user))
	if err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for _, item := range calendar.Subscriptions(prefs, s.people[user]) {
		if item.ID() != calendar.ID(user) {
			out = append(out, string(item))
		}
	}
	return strings.Join(out, " ")
}

// syncHome is a sync-collection of anna's home.
func (s *site) syncHome(token string) *multi {
	s.t.Helper()
	return s.do("anna", "REPORT", annasHome, xmlHead("D:sync-collection")+"<D:sync-token>"+token+"</D:sync-token><D:sync-level>1</D:sync-level>"+
		props("D:resourcetype", "D:displayname", "CS:getctag")+"</D:sync-collection>", "Depth: 1").is(207).multi()
}

// TestShareInHome: what anna subscribes to by WCAP stands in her home, and what
// is asked of it there is asked of its owner's calendar, with her rights.
func TestShareInHome(t *testing.T) {
	onSites(t, func(t *testing.T, s *site) {
		s.allow("anna^a^r^g;anna^c^wd^g")
		empty := s.syncHome("")
		s.subscribe("anna", true, "rosa:team")

		list := s.do("anna", "PROPFIND", annasHome, propfind("D:resourcetype", "D:displayname", "D:owner", "A:calendar-color", "CS:getctag", "C:schedule-calendar-transp"), "Depth: 1").is(207).multi()
		if got := list.children(annasShare, "D:resourcetype"); got != "D:collection C:calendar CS:shared" {
			t.Errorf("it is %s", got)
		}
		if got := list.text(annasShare, "D:displayname") + list.text(annasShare, "A:calendar-color") + list.href(annasShare, "D:owner") + list.children(annasShare, "C:schedule-calendar-transp"); got != "Team#111111/dav/principals/rosa/C:transparent" {
			t.Errorf("it is shown as %s", got)
		}
		came := s.syncHome(empty.token)
		if came.res[annasShare] == nil || came.text(annasShare, "D:displayname") != "Team" {
			t.Error("the sync of the home does not tell that a share came")
		}
		if again := s.syncHome(came.token); len(again.res) != 0 || again.token != came.token {
			t.Errorf("nothing happened, and the sync tells of %d", len(again.res))
		}

		// Reading and writing, by every name under its own.
		s.do("anna", "PUT", annasShare+"a.ics", event("a", "20260303T090000Z", "One"), "Content-Type: text/calendar").is(201)
		s.do("rosa", "GET", rosasTeam+"a.ics", "").is(200).contains("SUMMARY:One")
		s.do("anna", "GET", annasShare+"a.ics", "").is(200).contains("SUMMARY:One")
		got := s.do("anna", "REPORT", annasShare, xmlHead("C:calendar-multiget")+props("D:getetag", "C:calendar-data")+"<D:href>"+annasShare+"a.ics</D:href></C:calendar-multiget>").is(207).multi()
		if !strings.Contains(got.text(annasShare+"a.ics", "C:calendar-data"), "SUMMARY:One") {
			t.Error("multiget does not find it")
		}
		members := s.do("anna", "PROPFIND", annasShare, propfind("D:getetag", "D:displayname"), "Depth: 1").is(207).multi()
		if members.res[annasShare+"a.ics"] == nil || members.text(annasShare, "D:displayname") != "Team" {
			t.Error("the members have other names")
		}
		found := s.do("anna", "REPORT", annasShare, xmlHead("C:calendar-query")+props("D:getetag")+`<C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"/></C:comp-filter></C:filter></C:calendar-query>`, "Depth: 1").is(207).multi()
		if found.res[annasShare+"a.ics"] == nil {
			t.Error("calendar-query gives it another name")
		}
		location := s.do("anna", "POST", annasShare, event("b", "20260303T090000Z", "Two"), "Content-Type: text/calendar").is(201).header.Get("Location")
		if !strings.HasPrefix(location, annasShare) {
			t.Errorf("what is posted is at %s", location)
		}
		changed := s.syncHome(came.token)
		if changed.res[annasShare] == nil || changed.text(annasShare, "CS:getctag") == came.text(annasShare, "CS:getctag") {
			t.Error("the sync of the home does not tell that something was written")
		}

		// What was taken away is gone, whoever took it.
		s.allow("carl^a^r^g")
		if gone := s.syncHome(changed.token); gone.res[annasShare] == nil || gone.at(annasShare).status != 404 {
			t.Error("the sync does not tell that it is not hers to see any more")
		}
		s.do("anna", "PROPFIND", annasShare, propfind("D:displayname"), "Depth: 0").is(404)
		s.do("anna", "PUT", annasShare+"c.ics", event("c", "20260303T090000Z", "Three"), "Content-Type: text/calendar").is(409)
		s.allow("anna^a^r^g")
		back := s.syncHome(changed.token)
		if back.res[annasShare] == nil || back.at(annasShare).status != 0 {
			t.Error("the sync does not tell that it is back")
		}
		s.do("anna", "DELETE", annasShare, "").is(204)
		s.do("anna", "DELETE", annasShare, "").is(404)
		s.do("anna", "PROPFIND", annasShare, propfind("D:displayname"), "Depth: 0").is(404)
		if left := s.subscribed("anna"); left != "" {
			t.Errorf("WCAP still lists %s", left)
		}
		if gone := s.syncHome(back.token); gone.res[annasShare] == nil || gone.at(annasShare).status != 404 {
			t.Error("the sync does not tell that it went")
		}
		s.do("rosa", "GET", rosasTeam+"a.ics", "").is(200)
	})
}

// TestShareOwnProperties: name, colour, order, transparency and dead properties
// of a share are the user's, whatever his rights, and go with it.
func TestShareOwnProperties(t *testing.T) {
	onSites(t, func(t *testing.T, s *site) {
		s.allow("anna^a^r^g;carl^a^r^g")
		s.subscribe("anna", true, "rosa:team")
		s.subscribe("carl", true, "rosa:team")
		before := s.syncHome("")
		s.do("anna", "PROPPATCH", annasShare, patching(`<D:displayname>Rosa, mostly</D:displayname><A:calendar-color>#222222</A:calendar-color><A:calendar-order>7</A:calendar-order>`+
			`<C:schedule-calendar-transp><C:opaque/></C:schedule-calendar-transp><X xmlns="x:">mine</X>`)).is(207).lacks("403", "404")
		names := []string{"D:displayname", "A:calendar-color", "A:calendar-order", "{x:}X", "C:schedule-calendar-transp"}
		for user, want := range map[string]string{"anna": "Rosa  mostly|#222222|7|mine|C:opaque", "carl": "Team|#111111|||C:transparent"} {
			href := "/dav/calendars/" + user + "/~rosa%3Ateam/"
			got := s.do(user, "PROPFIND", href, propfind(names...), "Depth: 0").is(207).multi()
			var is []string
			for _, n := range names[:4] {
				text := ""
				if p := got.at(href).props[n]; p.status == 200 {
					text = p.node.TrimText()
				}
				is = append(is, text)
			}
			if is := strings.Join(append(is, got.children(href, names[4])), "|"); is != want {
				t.Errorf("%s sees %s, want %s", user, is, want)
			}
		}
		if got := s.do("rosa", "PROPFIND", rosasTeam, propfind("D:displayname"), "Depth: 0").is(207).multi().text(rosasTeam, "D:displayname"); got != "Team" {
			t.Errorf("its owner sees %s", got)
		}
		if got := s.subscribed("anna"); got != "rosa:team$Rosa  mostly" {
			t.Errorf("WCAP lists %s", got)
		}
		if after := s.syncHome(before.token); after.res[annasShare] == nil || after.text(annasShare, "D:displayname") != "Rosa  mostly" {
			t.Error("her other clients do not learn of it")
		}
		s.subscribe("anna", false, "rosa:team")
		s.subscribe("anna", true, "rosa:team")
		if got := s.do("anna", "PROPFIND", annasShare, propfind("A:calendar-color"), "Depth: 0").is(207).multi().text(annasShare, "A:calendar-color"); got != "#111111" {
			t.Errorf("what she had of her own outlives the share: %s", got)
		}
	})
}

// TestRFC4791_5_2_2_ShareHasAZone: floating time in a share is that of the zone
// which its user has set for it, for him alone.
func TestRFC4791_5_2_2_ShareHasAZone(t *testing.T) {
	onSites(t, func(t *testing.T, s *site) {
		s.allow("anna^a^r^g")
		s.subscribe("anna", true, "rosa:team")
		s.do("rosa", "PROPPATCH", rosasTeam, patching("<C:calendar-timezone-id>Europe/Berlin</C:calendar-timezone-id>")).is(207).lacks("403")
		s.do("rosa", "PUT", rosasTeam+"a.ics", event("a", "20260701T090000", "Nine o'clock")).is(201)
		found := func(user, path, from, to string) int {
			t.Helper()
			filter := in(`<C:time-range start="20260701T` + from + `Z" end="20260701T` + to + `Z"/>`)
			return len(s.do(user, "REPORT", path, query(filter, "D:getetag"), "Depth: 1").is(207).multi().order)
		}
		sees := func(path, user, want string) {
			t.Helper()
			m := s.do(user, "PROPFIND", path, propfind("C:calendar-timezone-id", "C:calendar-timezone"), "Depth: 0").is(207).multi()
			if got := m.text(path, "C:calendar-timezone-id"); got != want || !strings.Contains(m.text(path, "C:calendar-timezone"), "TZID:"+want) {
				t.Errorf("%s sees the zone %s", user, got)
			}
		}
		sees(annasShare, "anna", "Europe/Berlin")
		if found("anna", annasShare, "070000", "080000") != 1 {
			t.Error("by the zone of the calendar it is at seven o'clock UTC")
		}
		before := s.syncHome("")
		s.do("anna", "PROPPATCH", annasShare, patching("<C:calendar-timezone-id>Mars/Base</C:calendar-timezone-id>")).is(207).contains("C:valid-timezone")
		s.do("anna", "PROPPATCH", annasShare, patching("<C:calendar-timezone-id>America/New_York</C:calendar-timezone-id>")).is(207).lacks("403")
		sees(annasShare, "anna", "America/New_York")
		sees(rosasTeam, "rosa", "Europe/Berlin")
		if after := s.syncHome(before.token); after.res[annasShare] == nil {
			t.Error("her other clients do not learn of it")
		}
		if found("anna", annasShare, "070000", "080000") != 0 || found("anna", annasShare, "130000", "140000") != 1 || found("rosa", rosasTeam, "070000", "080000") != 1 {
			t.Error("it is not at nine o'clock in New York for her alone")
		}
		own := strings.Replace(query(in(`<C:time-range start="20260701T000000Z" end="20260701T003000Z"/>`), "D:getetag"), "</C:filter>", "</C:filter><C:timezone-id>Asia/Tokyo</C:timezone-id>", 1)
		if m := s.do("anna", "REPORT", annasShare, own, "Depth: 1").is(207).multi(); len(m.order) != 1 {
			t.Error("the zone of the report does not count")
		}
		s.do("anna", "PROPPATCH", annasShare, xmlHead("D:propertyupdate")+"<D:remove><D:prop><C:calendar-timezone/></D:prop></D:remove></D:propertyupdate>").is(207).lacks("403")
		sees(annasShare, "anna", "Europe/Berlin")
	})
}

// TestShareRefuses: what is somebody else's cannot be made, copied or moved as
// one's own, and a share is its user's alone.
func TestShareRefuses(t *testing.T) {
	s, _ := sharing(t, false)
	s.allow("anna^a^r^g;anna^c^wd^g;carl^a^r^g")
	s.subscribe("anna", true, "rosa:team")
	s.do("anna", "PUT", annasShare+"a.ics", event("a", "20260303T090000Z", "One"), "Content-Type: text/calendar").is(201)
	to := func(path string) string { return "Destination: http://cal.example.com" + path }
	for _, c := range []struct {
		user, method, path string
		status             int
		header             string
	}{
		{"anna", "MKCALENDAR", annasHome + "~new/", 403, ""},
		{"anna", "MKCALENDAR", annasShare, 403, ""},
		{"anna", "COPY", annasShare, 403, to(annasHome + "mine/")},
		{"anna", "MOVE", annasShare, 403, to(annasHome + "mine/")},
		{"anna", "COPY", annasCal, 403, to(annasHome + "~x:y/")},
		{"anna", "MOVE", annasShare + "a.ics", 403, to(annasCal + "a.ics")},
		{"anna", "MOVE", annasShare + "a.ics", 201, to(annasShare + "b.ics")},
		{"anna", "COPY", annasShare + "b.ics", 201, to(annasCal + "b.ics")},
		{"carl", "PROPFIND", annasShare, 404, "Depth: 0"},
		{"carl", "GET", annasShare + "b.ics", 404, ""},
		{"anna", "GET", annasHome + "~anna:calendar/b.ics", 404, ""},
		{"anna", "GET", annasHome + "~/b.ics", 404, ""},
		{"anna", "PROPPATCH", annasHome + "~rosa:none/", 404, ""},
	} {
		body := ""
		if c.method == "PROPPATCH" {
			body = patching("<D:displayname>x</D:displayname>")
		}
		r := newRequest(c.method, c.path, strings.NewReader(body), c.header)
		if c.header == "" {
			r = newRequest(c.method, c.path, strings.NewReader(body))
		}
		if got := s.send(c.user, r); got.status != c.status {
			t.Errorf("%s %s by %s: %d, want %d\n%s", c.method, c.path, c.user, got.status, c.status, got.body)
		}
	}
}

// TestShareOfBackendThatIsDown: a share is not taken for gone because nobody
// answers for it.
func TestShareOfBackendThatIsDown(t *testing.T) {
	s, h := sharing(t, true)
	s.allow("anna^a^r^g")
	s.subscribe("anna", true, "rosa:team")
	before := s.syncHome("")
	h.Down(1, true)
	list := s.do("anna", "PROPFIND", annasHome, propfind("D:resourcetype", "D:displayname", "CS:getctag"), "Depth: 1").is(207).multi()
	if got := list.text(annasShare, "D:displayname"); got != "Team" {
		t.Errorf("it is shown as %q", got)
	}
	during := s.syncHome(before.token)
	if during.res[annasShare] != nil {
		t.Error("the sync tells of what nobody knows")
	}
	s.do("anna", "PROPFIND", annasShare, propfind("D:displayname"), "Depth: 0").is(503)
	h.Down(1, false)
	if after := s.syncHome(during.token); after.res[annasShare] == nil || after.at(annasShare).status != 0 {
		t.Error("the sync does not tell of it when it is there again")
	}
}

// settle does the jobs that wait, at every back end, until none is left.
func (s *site) settle() {
	s.t.Helper()
	for range 10 {
		left := 0
		for _, store := range s.stores {
			w := worker.New(store, worker.Options{})
			w.Handle(calendar.JobShare, worker.Kind{Run: service.BringNote(s.be)})
			if err := w.Start(s.t.Context()); err != nil {
				s.t.Fatal(err)
			}
			for {
				jobs, err := worker.List(s.t.Context(), store, worker.Filter{}, calendar.JobID{}, 10)
				if err != nil {
					s.t.Fatal(err)
				}
				if left += len(jobs); len(jobs) == 0 {
					break
				}
				time.Sleep(time.Millisecond)
			}
			if err := w.Stop(s.t.Context()); err != nil {
				s.t.Fatal(err)
			}
		}
		if left == 0 {
			return
		}
	}
	s.t.Fatal("the jobs do not come to an end")
}

// notes are the notifications of a user, by name: what each is about.
func (s *site) notes(user string) (names []string, texts string) {
	s.t.Helper()
	at := "/dav/notifications/" + user + "/"
	m := s.do(user, "PROPFIND", at, propfind("D:getetag", "CS:notificationtype", "D:resourcetype"), "Depth: 1").is(207).multi()
	if got := m.children(at, "D:resourcetype"); got != "D:collection CS:notification" {
		s.t.Fatalf("the notifications are %s", got)
	}
	for _, href := range m.order {
		if href == at {
			continue
		}
		names = append(names, href)
		r := s.do(user, "GET", href, "").is(200)
		sitetest.WellFormed(s.t, href, r.body)
		if !strings.Contains(r.body, "<CS:"+strings.TrimPrefix(m.children(href, "CS:notificationtype"), "CS:")+" ") || r.header.Get("ETag") != m.text(href, "D:getetag") {
			s.t.Fatalf("%s is another thing in the list\n%s", href, r.body)
		}
		texts += r.body + "\n"
	}
	return names, texts
}

func shareBody(set string) string { return xmlHead("CS:share") + set + "</CS:share>" }

func replyBody(user, answer, calendar string) string {
	return xmlHead("CS:invite-reply") + "<D:href>mailto:" + user + "@example.com</D:href><CS:" + answer + "/><CS:hosturl><D:href>" + calendar +
		"</D:href></CS:hosturl><CS:in-reply-to>x</CS:in-reply-to><CS:summary>Mine</CS:summary></CS:invite-reply>"
}

const inXML = "Content-Type: text/xml"

// TestSharing is the way of an invitation between Apple's clients: shared,
// notified, accepted, read, changed, withdrawn.
func TestSharing(t *testing.T) {
	onSites(t, func(t *testing.T, s *site) {
		invite := func() string {
			m := s.do("rosa", "PROPFIND", rosasTeam, propfind("CS:invite", "D:resourcetype", "CS:allowed-sharing-modes"), "Depth: 0").is(207)
			return m.body
		}
		s.do("anna", "OPTIONS", annasHome, "").is(200)
		s.do("rosa", "POST", rosasTeam, shareBody(`<CS:set><D:href>mailto:anna@example.com</D:href><CS:common-name>Anna B</CS:common-name><CS:summary>Our team</CS:summary><CS:read/></CS:set>`), inXML).is(200)
		s.settle()
		if got := invite(); !strings.Contains(got, "<CS:shared-owner/>") || !strings.Contains(got, "<D:href>mailto:anna@example.com</D:href><CS:common-name>Anna B</CS:common-name><CS:invite-noresponse/><CS:access><CS:read/></CS:access>") {
			t.Errorf("the sharer sees %s", got)
		}
		// Sun's list shows it: one rule, one place.
		c, err := s.be.Calendar(t.Context(), s.people.Actor("rosa"), "rosa:team")
		if err != nil || !strings.Contains(c.ACL.String(), "anna^a^r^g") {
			t.Errorf("the list is %v, %v", c.ACL, err)
		}
		names, texts := s.notes("anna")
		if len(names) != 1 || !strings.Contains(texts, "<CS:hosturl><D:href>"+rosasTeam+"</D:href></CS:hosturl><CS:organizer><D:href>mailto:rosa@example.com</D:href>") ||
			!strings.Contains(texts, "<CS:invite-noresponse/>") || !strings.Contains(texts, "<CS:summary>Our team</CS:summary>") {
			t.Fatalf("anna is told %d things: %s", len(names), texts)
		}
		if s.subscribed("anna") != "" {
			t.Error("she has it before she accepts")
		}
		// Again: nothing is new.
		s.do("rosa", "POST", rosasTeam, shareBody(`<CS:set><D:href>/dav/principals/anna/</D:href><CS:read/></CS:set>`), inXML).is(200)
		s.settle()
		if names, _ := s.notes("anna"); len(names) != 1 {
			t.Errorf("told %d times", len(names))
		}

		r := s.do("anna", "POST", annasHome, replyBody("anna", "invite-accepted", rosasTeam), inXML).is(200)
		r.contains("<CS:shared-as", "<D:href>"+annasShare+"</D:href>")
		s.settle()
		if got := s.subscribed("anna"); got != "rosa:team$Team" {
			t.Errorf("WCAP lists %q", got)
		}
		if names, _ := s.notes("anna"); len(names) != 0 {
			t.Error("the invitation stays after it was answered")
		}
		if _, texts := s.notes("rosa"); strings.Count(texts, "<CS:invite-reply ") != 1 || !strings.Contains(texts, "<D:href>mailto:anna@example.com</D:href><CS:invite-accepted/>") {
			t.Errorf("rosa is told %s", texts)
		}
		if got := invite(); !strings.Contains(got, "<CS:invite-accepted/>") {
			t.Errorf("the sharer sees %s", got)
		}
		s.do("anna", "PROPFIND", annasShare, propfind("CS:invite", "CS:shared-url", "D:resourcetype"), "Depth: 0").is(207).
			contains("<CS:shared-url><D:href>"+rosasTeam+"</D:href></CS:shared-url>", "<CS:organizer><D:href>mailto:rosa@example.com</D:href>", "<CS:shared/>", "<CS:invite-accepted/>")
		s.do("anna", "PUT", annasShare+"a.ics", event("a", "20260303T090000Z", "One"), "Content-Type: text/calendar").is(403)

		s.do("rosa", "POST", rosasTeam, shareBody(`<CS:set><D:href>mailto:anna@example.com</D:href><CS:read-write/></CS:set>`), inXML).is(200)
		s.settle()
		s.do("anna", "PUT", annasShare+"a.ics", event("a", "20260303T090000Z", "One"), "Content-Type: text/calendar").is(201)
		names, texts = s.notes("anna")
		if len(names) != 1 || !strings.Contains(texts, "<CS:invite-accepted/><CS:access><CS:read-write/></CS:access>") {
			t.Fatalf("of other rights she is told %s", texts)
		}
		token := s.do("anna", "PROPFIND", "/dav/notifications/anna/", propfind("D:sync-token"), "Depth: 0").is(207).multi().text("/dav/notifications/anna/", "D:sync-token")
		s.do("anna", "DELETE", names[0], "").is(204)
		s.do("anna", "DELETE", names[0], "").is(404)
		s.do("carl", "GET", names[0], "").is(404)
		s.do("carl", "PROPFIND", "/dav/notifications/anna/", propfind("D:sync-token"), "Depth: 0").is(404)
		sync := func(token string) *reply {
			return s.do("anna", "REPORT", "/dav/notifications/anna/", xmlHead("D:sync-collection")+"<D:sync-token>"+token+"</D:sync-token><D:sync-level>1</D:sync-level>"+props("D:getetag")+"</D:sync-collection>")
		}
		sync(token).is(403, "D:valid-sync-token")
		if m := sync("").is(207).multi(); len(m.res) != 0 || sync(m.token).is(207).multi().token != m.token {
			t.Error("what she deleted is still told of")
		}

		s.do("rosa", "POST", rosasTeam, shareBody(`<CS:remove><D:href>mailto:anna@example.com</D:href></CS:remove>`), inXML).is(200)
		s.settle()
		if got := s.subscribed("anna"); got != "" {
			t.Errorf("WCAP still lists %q", got)
		}
		if _, texts := s.notes("anna"); !strings.Contains(texts, "<CS:invite-deleted/>") {
			t.Errorf("she is told %s", texts)
		}
		if got := invite(); strings.Contains(got, "anna@") || strings.Contains(got, "shared-owner") {
			t.Errorf("the sharer sees %s", got)
		}
		if _, texts := s.notes("rosa"); strings.Contains(texts, "invite-declined") {
			t.Error("who lost it has not declined")
		}
	})
}

// TestSharingByBothProtocols: who subscribes over WCAP to what he was invited to
// has accepted, who leaves the list or deletes the share has declined, and a
// calendar that is deleted is withdrawn.
func TestSharingByBothProtocols(t *testing.T) {
	onSites(t, func(t *testing.T, s *site) {
		set := func(users ...string) {
			body := ""
			for _, u := range users {
				body += "<CS:set><D:href>mailto:" + u + "@example.com</D:href><CS:read/></CS:set>"
			}
			s.do("rosa", "POST", rosasTeam, shareBody(body), inXML).is(200)
			s.settle()
		}
		status := func(user string) string {
			c, err := s.be.Calendar(t.Context(), s.people.Actor("rosa"), "rosa:team")
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range c.Invitees {
				if v.User == user {
					return [...]string{"none", "accepted", "declined"}[v.Status]
				}
			}
			return "not invited"
		}
		set("anna", "carl")
		s.subscribe("anna", true, "rosa:team")
		s.do("carl", "POST", "/dav/calendars/carl/", replyBody("carl", "invite-declined", rosasTeam), inXML).is(200)
		s.settle()
		if a, c := status("anna"), status("carl"); a != "accepted" || c != "declined" {
			t.Errorf("anna %s, carl %s", a, c)
		}
		s.do("anna", "DELETE", annasShare, "").is(204)
		s.subscribe("carl", true, "rosa:team")
		s.settle()
		if a := status("anna"); a != "declined" {
			t.Errorf("anna %s", a)
		}
		// A job that runs twice does nothing twice.
		note := calendar.Note{ID: "rosa-1-0", To: "anna", From: "rosa", Kind: calendar.NoteInvite, Calendar: "rosa:team", UID: "u"}
		for range 2 {
			ctx := calendar.WithToken(t.Context(), "note "+note.ID)
			if err := s.be.Notify(ctx, calendar.Actor{Admin: true}, calendar.NotifyRequest{Note: note}); err != nil {
				t.Fatal(err)
			}
			if names, _ := s.notes("anna"); len(names) == 1 {
				s.do("anna", "DELETE", names[0], "").is(204)
			} else if len(names) > 0 {
				t.Errorf("%d notifications", len(names))
			}
		}
		if names, _ := s.notes("anna"); len(names) != 0 {
			t.Error("what she has deleted came again")
		}
		if err := s.be.Notify(t.Context(), s.people.Actor("carl"), calendar.NotifyRequest{Note: note}); calendar.KindOf(err) != calendar.Denied {
			t.Errorf("carl tells anna what he likes: %v", err)
		}
		s.do("rosa", "DELETE", rosasTeam, "").is(204)
		s.settle()
		if _, texts := s.notes("carl"); !strings.Contains(texts, "<CS:invite-deleted/>") {
			t.Errorf("carl is told %s", texts)
		}
	})
}

// TestSharingRefuses: what cannot be shared, and by whom it cannot.
func TestSharingRefuses(t *testing.T) {
	s, _ := sharing(t, false)
	set := func(href string) string {
		return shareBody("<CS:set><D:href>" + href + "</D:href><CS:read/></CS:set>")
	}
	for _, c := range []struct {
		user, path, body string
		status           int
	}{
		{"rosa", rosasTeam, set("mailto:nobody@example.com"), 403},
		{"rosa", rosasTeam, set("mailto:rosa@example.com"), 403},
		{"rosa", rosasTeam, set("/dav/calendars/anna/"), 403},
		{"anna", rosasTeam, set("mailto:carl@example.com"), 403}, // who sees when it is busy knows that it is there
		{"rosa", rosasTeam, shareBody(""), 400},
		{"rosa", rosasTeam, shareBody("<CS:set><D:href>mailto:anna@example.com</D:href></CS:set>"), 400},
		{"rosa", rosasTeam, replyBody("rosa", "invite-accepted", rosasTeam), 403},
		{"rosa", "/dav/calendars/rosa/", set("mailto:anna@example.com"), 403},
		{"anna", annasHome, replyBody("anna", "invite-accepted", annasCal), 403},
		{"carl", annasHome, replyBody("carl", "invite-accepted", rosasTeam), 403},
		{"anna", annasHome, "<x", 400},
	} {
		if got := s.do(c.user, "POST", c.path, c.body, inXML); got.status != c.status {
			t.Errorf("%s to %s: %d, want %d\n%s\n%s", c.user, c.path, got.status, c.status, got.body, c.body)
		}
	}
	s.do("rosa", "PROPPATCH", rosasTeam, patching(`<invite xmlns="urn:factotum:acl">[]</invite>`)).is(403)
	c, err := s.be.Calendar(t.Context(), s.people.Actor("rosa"), "rosa:team")
	if err != nil || len(c.Invitees) != 0 {
		t.Errorf("invited are %v, %v", c.Invitees, err)
	}
}

// TestSharedAlarms: what a sharee writes into an event of a shared calendar about
// his alarms, and whether it takes his time, is his own, on all of his devices, and
// the other side's stay. Apple's caldav-sharing 5.5.4.
func TestSharedAlarms(t *testing.T) {
	onSites(t, func(t *testing.T, s *site) {
		s.allow("anna^a^r^g;anna^c^wd^g;carl^a^r^g")
		s.subscribe("anna", true, "rosa:team")
		alarm := func(trigger string) string {
			return "BEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:x\r\nTRIGGER:" + trigger + "\r\nEND:VALARM"
		}
		theirs, mine := rosasTeam+"a.ics", annasShare+"a.ics"
		s.do("rosa", "PUT", theirs, event("a", "20260301T090000Z", "One", alarm("-PT9M"))).is(201)
		got := s.do("anna", "GET", mine, "").is(200).contains("SUMMARY:One").lacks("VALARM")
		s.do("carl", "GET", theirs, "").is(200).lacks("VALARM")
		sync := func(user, path, token string) *multi {
			t.Helper()
			return s.do(user, "REPORT", path, xmlHead("D:sync-collection")+"<D:sync-token>"+token+"</D:sync-token><D:sync-level>1</D:sync-level>"+props("D:getetag")+"</D:sync-collection>").is(207).multi()
		}
		before := sync("anna", annasShare, "")

		put := s.do("anna", "PUT", mine, event("a", "20260301T090000Z", "One", "TRANSP:TRANSPARENT", alarm("-PT5M")), "If-Match: "+got.header.Get("ETag")).is(204)
		if put.header.Get("ETag") != "" {
			t.Error("an ETag says that the text is kept octet for octet")
		}
		again := s.do("anna", "GET", mine, "").is(200).contains("-PT5M", "TRANSPARENT").lacks("-PT9M")
		s.do("rosa", "GET", theirs, "").is(200).contains("-PT9M").lacks("-PT5M", "TRANSPARENT")
		s.do("carl", "GET", theirs, "").is(200).lacks("VALARM", "TRANSPARENT")
		if after := sync("anna", annasShare, before.token); after.text(mine, "D:getetag") != again.header.Get("ETag") || again.header.Get("ETag") == got.header.Get("ETag") {
			t.Error("her other devices do not learn of it")
		}
		// filters look at what she sees
		rings := query(`<C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"><C:comp-filter name="VALARM"><C:time-range start="20260301T085400Z" end="20260301T085600Z"/></C:comp-filter></C:comp-filter></C:comp-filter>`, "D:getetag")
		if m := s.do("anna", "REPORT", annasShare, rings).is(207).multi(); len(m.order) != 1 {
			t.Error("her alarm is not found")
		}
		if m := s.do("rosa", "REPORT", rosasTeam, rings).is(207).multi(); len(m.order) != 0 {
			t.Error("her alarm is found for another")
		}
		// nobody sees how it is kept
		for user, path := range map[string]string{"anna": mine, "rosa": theirs} {
			s.do(user, "PROPFIND", path, xmlHead("D:propfind")+"<D:allprop/></D:propfind>", "Depth: 0").is(207).lacks("personal:", "-PT5M")
		}

		// the owner's next change leaves hers
		tag := s.do("rosa", "GET", theirs, "").header.Get("ETag")
		s.do("rosa", "PUT", theirs, event("a", "20260301T100000Z", "Two", alarm("-PT8M")), "If-Match: "+tag).is(204)
		s.do("anna", "GET", mine, "").is(200).contains("SUMMARY:Two", "-PT5M", "TRANSPARENT").lacks("-PT8M")
		// and hers of all that is everybody's leaves the owner's
		s.do("anna", "PUT", mine, event("a", "20260301T100000Z", "Three", "TRANSP:TRANSPARENT", alarm("-PT4M"))).is(204)
		s.do("rosa", "GET", theirs, "").is(200).contains("SUMMARY:Three", "-PT8M").lacks("-PT4M", "TRANSPARENT")
		s.do("carl", "PUT", theirs, event("a", "20260301T100000Z", "Three", alarm("-PT4M"))).is(403)
		s.do("anna", "COPY", mine, "", "Destination: "+annasCal+"a.ics").is(201)
		s.do("anna", "GET", annasCal+"a.ics", "").is(200).contains("-PT4M").lacks("-PT8M")
		s.do("anna", "DELETE", mine, "").is(204)
		s.do("anna", "PUT", mine, event("a", "20260301T100000Z", "Four")).is(201)
		s.do("anna", "GET", mine, "").is(200).lacks("VALARM")
	})
}
