package caldavtest

import (
	"slices"
	"strings"
)

func apple(c *client, agent string) {
	c.authLate, c.minimal = true, true
	c.headers = []string{"Content-Type: text/xml", "Brief: t", "Prefer: return=minimal", "Accept: */*", "User-Agent: " + agent}
}

var (
	appleStart     = []string{"D:current-user-principal", "D:principal-URL", "D:resourcetype"}
	applePrincipal = []string{"C:calendar-home-set", "C:calendar-user-address-set", "D:current-user-principal", "D:displayname", "CS:dropbox-home-URL", "CS:email-address-set",
		"CS:notification-URL", "D:principal-collection-set", "D:principal-URL", "D:resource-id", "C:schedule-inbox-URL", "C:schedule-outbox-URL", "D:supported-report-set",
		"C:max-attendees-per-instance"}
	appleHome = []string{"D:add-member", "CS:allowed-sharing-modes", "A:autoprovisioned", "ME:bulk-requests", "C:calendar-alarm", "A:calendar-color", "C:calendar-description",
		"C:calendar-free-busy-set", "A:calendar-order", "C:calendar-timezone", "D:current-user-privilege-set", "C:default-alarm-vevent-date", "C:default-alarm-vevent-datetime",
		"D:displayname", "CS:getctag", "CS:invite", "A:language-code", "A:location-code", "C:managed-attachments-server-URL", "D:owner", "CS:pre-publish-url", "CS:publish-url",
		"CS:push-transports", "CS:pushkey", "D:quota-available-bytes", "D:quota-used-bytes", "A:refreshrate", "D:resource-id", "D:resourcetype", "C:schedule-calendar-transp",
		"C:schedule-default-calendar-URL", "CS:source", "CS:subscribed-strip-alarms", "CS:subscribed-strip-attachments", "CS:subscribed-strip-todos",
		"C:supported-calendar-component-set", "C:supported-calendar-component-sets", "D:supported-report-set", "D:sync-token"}
	// What Apple's programs would use without being able to.
	appleNot = []string{"ME:bulk-requests", "C:managed-attachments-server-URL", "CS:push-transports", "CS:pushkey",
		"CS:publish-url", "CS:source", "C:schedule-default-calendar-URL"}
)

const appleProduct = "-//Apple Inc.//macOS 13.2.1//EN"

func appleEvent(uid, summary string, lines ...string) string {
	return object(appleProduct, "VEVENT", uid, append([]string{"SUMMARY:" + summary, "TRANSP:OPAQUE", "X-APPLE-TRAVEL-ADVISORY-BEHAVIOR:AUTOMATIC",
		`X-APPLE-STRUCTURED-LOCATION;VALUE=URI;X-ADDRESS="Ring 1\n1010 Wien";X-APPLE`, ` -RADIUS=70.5;X-TITLE=:geo:48.20,16.37`,
		"BEGIN:VALARM", "UID:A-" + uid, "X-WR-ALARMUID:A-" + uid, "ACTION:NONE", "TRIGGER;VALUE=DATE-TIME:19760401T005545Z", "X-APPLE-DEFAULT-ALARM:TRUE", "END:VALARM"}, lines...)...)
}

// applePrincipalOf is the set-up of an account once its principal is known.
func applePrincipalOf(c *client, prin string) (home, people string) {
	r := c.options(prin)
	for _, token := range []string{"calendarserver-principal-property-search", "calendarserver-principal-search", "extended-mkcol"} {
		if !strings.Contains(r.header.Get("DAV"), token) {
			c.t.Errorf("DAV has no %s", token)
		}
	}
	m := c.propfind(prin, "0", applePrincipal...)
	notes := m.href(prin, "CS:notification-URL")
	state := c.propfind(notes, "0", "CS:getctag", "D:sync-token")
	c.propfind(notes, "1", "D:getetag", "CS:notificationtype")
	c.same("sync-token of the notifications", c.propfind(notes, "0", "CS:getctag", "D:sync-token").text(notes, "D:sync-token"), state.text(notes, "D:sync-token"))
	home, people = m.href(prin, "C:calendar-home-set"), m.href(prin, "D:principal-collection-set")
	c.addresses(m, prin)
	inbox, outbox := c.scheduling(m, prin)
	c.emptyInbox(inbox)
	c.busyTime(outbox, "", []string{"CALSCALE:GREGORIAN", "SUMMARY:Availability for me", "X-CALENDARSERVER-MASK-UID:0A1B2C3D-1"},
		[]string{"Content-Type: text/calendar", "Originator: mailto:" + c.Mail, "Recipient: mailto:" + c.Mail})
	c.same("the principal", c.principal(m, prin), prin)
	c.same("principal-URL", m.href(prin, "D:principal-URL"), prin)
	c.same("displayname", m.text(prin, "D:displayname"), c.Name)
	c.same("email-address", m.node(prin, "CS:email-address-set").FirstChild().TrimText(), c.Mail)
	if id := m.hrefs(prin, "D:resource-id"); len(id) != 1 || !strings.HasPrefix(id[0], "urn:uuid:") {
		c.t.Errorf("resource-id %q", id)
	}
	c.reports(m, prin, "D:expand-property", "D:principal-property-search", "D:principal-search-property-set", "CS:calendarserver-principal-search")
	set := c.ask("REPORT", people, head("D:principal-search-property-set")+"</D:principal-search-property-set>", "Depth: 0").is(200).document("D:principal-search-property-set")
	var searchable []string
	for p := range set.Children() {
		searchable = append(searchable, short(p.FirstChild().FirstChild().Name))
		if p.FirstChild().Next().TrimText() == "" {
			c.t.Errorf("%s has no description", searchable[len(searchable)-1])
		}
	}
	for _, p := range []string{"D:displayname", "CS:email-address-set", "CS:first-name", "CS:last-name"} {
		if !slices.Contains(searchable, p) {
			c.t.Errorf("people are not found by %s, but by %q", p, searchable)
		}
	}
	return home, people
}

// Apple Calendar on macOS 10.11 and later.
func appleCalendar(c *client) {
	apple(c, "macOS/13.0 (22A380) dataaccessd/1.0")
	root := c.wellKnown(propfindBody(appleStart...), "0")
	m := c.propfind(root, "0", appleStart...)
	prin := c.principal(m, root)
	home, people := applePrincipalOf(c, prin)

	m = c.propfind(home, "1", appleHome...)
	cal := c.calendar(m, home)
	m.absent(home, append([]string{"D:add-member"}, appleNot...)...)
	m.absent(cal, appleNot...)
	c.same("owner", m.href(cal, "D:owner"), prin)
	c.owned(m, home)
	c.owned(m, cal)
	c.components(m, cal, "VEVENT", "VTODO")
	c.reports(m, home, calendarReports...) // it looks for sync-collection there
	c.reports(m, cal, calendarReports...)
	if m.text(cal, "D:displayname") == "" || m.text(home, "D:quota-used-bytes") == "" {
		c.t.Error("no displayname or quota")
	}
	if t := m.below(cal, "C:schedule-calendar-transp", 1); !slices.Equal(t, []string{"C:opaque"}) {
		c.t.Errorf("schedule-calendar-transp %q", t)
	}
	if sets := m.below(home, "C:supported-calendar-component-sets", 1); len(sets) == 0 {
		c.t.Error("no calendar can be made")
	}
	homeToken := m.text(home, "D:sync-token")

	alarm := "BEGIN:VALARM\r\nX-WR-ALARMUID:D\r\nUID:D\r\nTRIGGER:-PT15H\r\nATTACH;VALUE=URI:Basso\r\nACTION:AUDIO\r\nEND:VALARM\r\n"
	c.set(home, "C:default-alarm-vevent-date", alarm, "")
	c.set(home, "C:default-alarm-vevent-datetime", alarm, "")
	c.set(cal, "A:calendar-order", "1", "")
	c.set(cal, "D:displayname", "Arbeit & Freizeit", "")
	c.set(cal, "A:calendar-color", "#FF9500FF", ` symbolic-color="orange"`)
	c.set(cal, "C:calendar-timezone", "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:"+appleProduct+"\r\nCALSCALE:GREGORIAN\r\n"+vienna+"END:VCALENDAR\r\n", "")

	// The first sync: by a query of a range, then everything.
	one, weekly, later := cal+"0A1B2C3D-0000-4000-8000-000000000001.ics", cal+"0A1B2C3D-0000-4000-8000-000000000002.ics", cal+"0A1B2C3D-0000-4000-8000-000000000003.ics"
	stored := texts{
		one:    appleEvent("0A1B2C3D-1", "One", at(10)),
		weekly: zoned(appleEvent("0A1B2C3D-2", "Weekly", "DTSTART;TZID=Europe/Vienna:20250101T180000", "DTEND;TZID=Europe/Vienna:20250101T190000", "RRULE:FREQ=WEEKLY")),
		later:  appleEvent("0A1B2C3D-3", "Later", "DTSTART;VALUE=DATE:20270101"),
	}
	tags := map[string]string{}
	for _, obj := range []string{one, weekly, later} {
		tags[obj] = c.put(201, obj, stored[obj], "Content-Type: text/calendar")
		c.same("ETag of GET", c.get(obj, stored[obj]), tags[obj])
	}
	ctag, token := c.tags(cal)
	m = c.query(cal, "1", component("VEVENT", march), "D:getetag", "D:getcontenttype").has(one, weekly)
	c.same("ETag of the query", m.text(one, "D:getetag"), tags[one])
	m.text(weekly, "D:getcontenttype")
	m = c.propfind(cal, "1", "D:getcontenttype", "D:getetag").has(one, weekly, later)
	c.same("ETag of the listing", m.text(later, "D:getetag"), tags[later])
	m = c.multiget(cal, "", []string{"D:getetag", "C:calendar-data", "C:schedule-tag"}, stored, later, one, cal+"none.ics", weekly)
	c.same("ETag of the multiget", m.text(weekly, "D:getetag"), tags[weekly])

	expand := head("D:expand-property")
	for _, p := range []string{"read", "write"} {
		expand += `<D:property name="calendar-proxy-` + p + `-for" namespace="http://calendarserver.org/ns/"><D:property name="calendar-user-address-set" namespace="urn:ietf:params:xml:ns:caldav"/>` +
			`<D:property name="email-address-set" namespace="http://calendarserver.org/ns/"/><D:property name="displayname" namespace="DAV:"/></D:property>`
	}
	m = c.report(prin, "", expand+"</D:expand-property>")
	if n := len(m.below(prin, "CS:calendar-proxy-read-for", 1)) + len(m.below(prin, "CS:calendar-proxy-write-for", 1)); n > 0 {
		c.t.Errorf("%d delegates", n)
	}

	// Later: what changed in the home, then in the calendar.
	stored[one] = appleEvent("0A1B2C3D-1", "One, moved", at(11))
	tag := c.put(204, one, stored[one], "Content-Type: text/calendar", "If-Match: "+tags[one])
	c.differ("ETag", tags[one], tag)
	c.refused("PUT", one, appleEvent("0A1B2C3D-1", "Lost", at(12)), "Content-Type: text/calendar", "If-Match: "+tags[one])
	m = c.sync(home, "1", homeToken, appleHome...)
	c.differ("CTag", m.text(cal, "CS:getctag"), ctag)
	c.same("displayname", m.text(cal, "D:displayname"), "Arbeit & Freizeit")
	m = c.sync(cal, "1", token, "D:getetag", "D:getcontenttype").has(one)
	c.same("ETag of the sync", m.text(one, "D:getetag"), tag)
	token = m.token
	ctag2, token2 := c.tags(cal)
	c.same("sync token", token, token2)
	c.multiget(cal, "", []string{"D:getetag", "C:calendar-data", "C:schedule-tag"}, stored, one)

	// Where a calendar offers it, an object may be added without a name.
	// RFC 5995 §3.
	added := c.ask("POST", c.propfind(cal, "0", "D:add-member").href(cal, "D:add-member"), appleEvent("added", "Added", at(14)), "Content-Type: text/calendar").is(201).header.Get("Location")
	c.get(added, appleEvent("added", "Added", at(14)))
	c.delete(added)
	_, token = c.tags(cal)
	_, homeToken = c.tags(home)

	// A calendar comes and goes.
	made := home + "6B29FC40-CA47-1067-B31D-00DD010662DA/"
	c.ask("MKCALENDAR", made, setBody("C:mkcalendar", `<A:calendar-order>2</A:calendar-order><C:supported-calendar-component-set><C:comp name="VEVENT"/></C:supported-calendar-component-set>`+
		`<A:calendar-color symbolic-color="custom">#63DA38FF</A:calendar-color><D:displayname>Neu</D:displayname><C:schedule-calendar-transp><C:transparent/></C:schedule-calendar-transp>`)).is(201)
	m = c.sync(home, "1", homeToken, appleHome...)
	if !slices.Equal(m.order, []string{made}) {
		c.t.Errorf("new in the home: %q", m.order)
	}
	c.same("displayname", m.text(made, "D:displayname"), "Neu")
	if got := m.components(made); !slices.Equal(got, []string{"VEVENT"}) {
		c.t.Errorf("components %q", got)
	}
	if t := m.below(made, "C:schedule-calendar-transp", 1); !slices.Equal(t, []string{"C:transparent"}) {
		c.t.Errorf("schedule-calendar-transp %q", t)
	}
	c.delete(made)
	c.sync(home, "1", m.token, appleHome...).gone(made)

	// An event that others are invited to, by the client, so that the server changes
	// nothing of it some time later: where there is a Schedule-Tag, it decides instead of the ETag.
	m = c.searchAttendee(people)
	c.same("the attendee's address", m.hrefs(prin, "C:calendar-user-address-set")[0], "mailto:"+c.Mail)
	meeting := cal + "0A1B2C3D-0000-4000-8000-000000000004.ics"
	stored[meeting] = appleEvent("0A1B2C3D-4", "Meeting", at(13), "ORGANIZER;CN="+c.User+":mailto:"+c.Mail,
		"ATTENDEE;CUTYPE=INDIVIDUAL;PARTSTAT=ACCEPTED;ROLE=CHAIR;EMAIL="+c.Mail+":mailto:"+c.Mail, "ATTENDEE;CUTYPE=INDIVIDUAL;PARTSTAT=NEEDS-ACTION;SCHEDULE-AGENT=CLIENT:mailto:guest@example.net")
	stored[meeting], tag = c.putMeeting(201, meeting, stored[meeting], "Content-Type: text/calendar")
	condition := "If-Match: " + tag
	if st := c.ask("GET", meeting, "").is(200).header.Get("Schedule-Tag"); st != "" {
		condition = "If-Schedule-Tag-Match: " + st
	}
	stored[meeting] = strings.Replace(stored[meeting], "SUMMARY:Meeting", "SUMMARY:Meeting in the garden", 1)
	stored[meeting], _ = c.putMeeting(204, meeting, stored[meeting], "Content-Type: text/calendar", condition)
	c.refused("PUT", meeting, stored[meeting], "Content-Type: text/calendar", `If-Schedule-Tag-Match: "none"`)

	c.delete(one)
	c.differ("CTag", ctag2, first(c.tags(cal)))
	m = c.sync(cal, "1", token, "D:getetag", "D:getcontenttype")
	if there, removed := m.members(); !slices.Equal(there, []string{meeting}) || !slices.Equal(removed, []string{one}) {
		c.t.Errorf("changed are %q, removed %q", there, removed)
	}
	c.badToken(cal, "1", "urn:gone", "D:getetag", "D:getcontenttype")
	c.badToken(home, "1", "urn:gone", appleHome...)
	c.sync(cal, "1", "", "D:getetag", "D:getcontenttype").has(weekly, later, meeting)
}

func first(a, _ string) string { return a }

// searchAttendee finds the user's own entry as one finds people to invite.
func (c *client) searchAttendee(people string) *multi {
	c.t.Helper()
	names := []string{"CS:email-address-set", "C:calendar-user-address-set", "C:calendar-user-type", "D:displayname", "CS:last-name", "CS:first-name", "CS:record-type", "D:principal-URL"}
	body := head(`CS:calendarserver-principal-search`)
	body = strings.Replace(body, "CS:calendarserver-principal-search ", `CS:calendarserver-principal-search context="attendee" `, 1)
	for word := range strings.FieldsSeq(c.Name) {
		body += "<CS:search-token>" + word[:min(4, len(word))] + "</CS:search-token>"
	}
	m := c.report(people, "", body+props(names...)+"</CS:calendarserver-principal-search>", names...)
	for _, prin := range m.order {
		c.same("record-type", m.text(prin, "CS:record-type"), "users")
		c.same("calendar-user-type", m.text(prin, "C:calendar-user-type"), "INDIVIDUAL")
		c.same("principal-URL", m.href(prin, "D:principal-URL"), prin)
	}
	return m
}

// appleCalendarOld: OS X 10.6 goes by CTags, 10.7 by tokens without a level,
// both search for people in another way.
func appleCalendarOld(c *client) {
	apple(c, "DAVKit/4.0.3 (732); CalendarStore/4.0.3 (991); iCal/4.0.3 (1388); Mac OS X/10.6.4 (10F569)")
	c.headers[2] = "Prefer: return-minimal"
	root := c.wellKnown(propfindBody("D:principal-URL", "D:current-user-principal"), "0")
	prin := c.principal(c.propfind(root, "0", "D:principal-URL", "D:current-user-principal"), root)
	home, people := applePrincipalOf(c, prin)
	m := c.propfind(prin, "0", "CS:allowed-calendar-component-set", "CS:xmpp-uri")
	m.absent(prin, "CS:xmpp-uri")
	if comps := m.below(prin, "CS:allowed-calendar-component-set", 1); len(comps) == 0 {
		c.t.Error("no components are allowed")
	}
	m = c.propfind(home, "1", appleHome...)
	cal := c.calendar(m, home)
	ctag := m.text(cal, "CS:getctag")
	obj := cal + "11111111-2222-4333-8444-555555555555.ics"
	stored := texts{obj: appleEvent("old", "Old", at(10))}
	tag := c.put(201, obj, stored[obj], "Content-Type: text/calendar")
	c.differ("CTag", ctag, c.propfind(home, "1", "CS:getctag").text(cal, "CS:getctag"))
	c.same("ETag", c.propfind(cal, "1", "D:getcontenttype", "D:getetag").has(obj).text(obj, "D:getetag"), tag)
	c.multiget(cal, "", []string{"D:getetag", "C:calendar-data", "C:schedule-tag"}, stored, obj)

	noLevel := func(token string) *multi {
		return c.report(cal, "1", head("D:sync-collection")+"<D:sync-token>"+token+"</D:sync-token>"+props("D:getetag", "D:getcontenttype")+"</D:sync-collection>")
	}
	m = noLevel("").has(obj)
	stored[obj] = appleEvent("old", "New", at(11))
	c.refused("PUT", obj, stored[obj], "Content-Type: text/calendar", `If-Match: "other"`)
	tag = c.put(204, obj, stored[obj], "Content-Type: text/calendar", "If-Match: "+tag)
	m = noLevel(m.token).has(obj)
	c.same("ETag", m.text(obj, "D:getetag"), tag)

	search := head("D:principal-property-search")
	search = strings.Replace(search, "D:principal-property-search ", `D:principal-property-search test="anyof" `, 1)
	for _, p := range []string{"D:displayname", "CS:email-address-set", "CS:first-name", "CS:last-name"} {
		search += "<D:property-search>" + props(p) + `<D:match match-type="starts-with">` + c.Name[:min(4, len(c.Name))] + "</D:match></D:property-search>"
	}
	names := []string{"CS:email-address-set", "C:calendar-user-address-set", "C:calendar-user-type", "D:displayname", "CS:last-name", "CS:first-name", "CS:record-type", "D:principal-URL"}
	found := c.report(people, "", search+props(names...)+"</D:principal-property-search>", names...)
	c.same("displayname", found.text(prin, "D:displayname"), c.Name)

	c.delete(obj)
	noLevel(m.token).gone(obj)
	c.badToken(cal, "1", "data:,wrong", "D:getetag")
}
