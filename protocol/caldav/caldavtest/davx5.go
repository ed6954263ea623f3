package caldavtest

import "slices"

func davx5(c *client) {
	c.headers = []string{"Content-Type: application/xml; charset=utf-8", "Accept: application/xml, text/xml", "User-Agent: DAVx5/4.5 (at.bitfire.davdroid)"}
	// Whatever address was typed; then the well-known one.
	given := []string{"D:resourcetype", "D:displayname", "D:current-user-principal", "D:current-user-privilege-set", "C:calendar-home-set", "C:supported-calendar-component-set",
		"A:calendar-color", "C:calendar-description", "C:calendar-timezone"}
	m := c.propfind("/", "0", given...)
	prin := c.principal(m, "/")
	root := c.wellKnown(propfindBody("D:current-user-principal"), "0")
	c.same("the principal", c.principal(c.propfind(root, "0", "D:current-user-principal"), root), prin)
	c.options(prin) // the principal is ignored without calendar-access
	c.addresses(c.propfind(prin, "0", "C:calendar-user-address-set"), prin)
	of := []string{"D:displayname", "D:group-membership", "D:resourcetype", "C:calendar-home-set", "CS:calendar-proxy-read-for", "CS:calendar-proxy-write-for"}
	m = c.propfind(prin, "0", of...)
	home := m.href(prin, "C:calendar-home-set")
	c.same("displayname", m.text(prin, "D:displayname"), c.Name)
	if types := m.below(prin, "D:resourcetype", 1); !slices.Contains(types, "D:principal") {
		c.t.Errorf("the principal has types %q", types)
	}
	// Groups and delegations are principals too, and asked the same.
	for _, p := range []string{"D:group-membership", "CS:calendar-proxy-read-for", "CS:calendar-proxy-write-for"} {
		for _, href := range m.hrefs(prin, p) {
			c.propfind(href, "0", of...).node(href, "D:resourcetype")
		}
	}

	m = c.propfind(home, "1", "D:current-user-privilege-set", "D:displayname", "D:owner", "D:resourcetype", "P:transports", "P:topic", "A:calendar-color", "C:calendar-description",
		"C:calendar-timezone", "C:calendar-timezone-id", "C:supported-calendar-component-set", "CS:source")
	cal := c.calendar(m, home)
	c.owned(m, home) // without DAV:bind nothing can be made
	c.owned(m, cal)
	c.components(m, cal, "VEVENT", "VTODO", "VJOURNAL")
	m.absent(cal, "CS:source")
	m.together(cal, "P:transports", "P:topic") // without them it registers no push
	owner := m.href(cal, "D:owner")
	m = c.propfind(owner, "0", "D:displayname", "D:resourcetype")
	c.same("the owner's name", m.text(owner, "D:displayname"), c.Name)

	state := []string{"D:supported-report-set", "D:sync-token", "CS:getctag", "C:max-resource-size", "P:transports", "P:topic"}
	m = c.propfind(cal, "0", state...)
	c.reports(m, cal, calendarReports...)
	m.text(cal, "C:max-resource-size")
	before := m.text(cal, "D:sync-token")
	c.same("the token of an unchanged calendar", c.sync(cal, "0", before, "D:getetag", "D:resourcetype").has().token, before)

	event := func(uid, summary string, day int) string {
		return object("DAVx5/4.5 ical4j/4.1", "VEVENT", uid, "SUMMARY:"+summary, at(day), "STATUS:CONFIRMED", "BEGIN:VALARM", "TRIGGER:-PT15M", "ACTION:DISPLAY", "DESCRIPTION:"+summary, "END:VALARM")
	}
	obj, old := cal+"e5f5-1.ics", cal+"e5f5-2.ics"
	stored := texts{obj: event("e5f5-1", "E", 10), old: object("DAVx5/4.5 ical4j/4.1", "VEVENT", "e5f5-2", "DTSTART:20250101T090000Z", "DTEND:20250101T090000Z", "SUMMARY:Past")}
	ics, quiet := "Content-Type: text/calendar;charset=utf-8", "Push-Dont-Notify: *"
	tag := c.put(201, obj, stored[obj], ics, quiet, "If-None-Match: *")
	c.put(201, old, stored[old], ics, quiet, "If-None-Match: *")
	c.refused("PUT", obj, event("e5f5-1", "Twice", 11), ics, quiet, "If-None-Match: *")

	// Events with a limit of the past, which is the default; then without.
	m = c.query(cal, "1", component("VEVENT", `<C:time-range start="20251210T000000Z"/>`), "D:getetag").has(obj)
	c.same("ETag", m.text(obj, "D:getetag"), tag)
	c.query(cal, "1", component("VTODO", ""), "D:getetag").has()
	c.query(cal, "1", component("VJOURNAL", ""), "D:getetag").has()
	m = c.sync(cal, "0", before, "D:getetag", "D:resourcetype").has(obj, old)
	if types := m.below(obj, "D:resourcetype", 1); len(types) > 0 {
		c.t.Errorf("an object has types %q", types)
	}
	c.same("the token", c.propfind(cal, "0", state...).text(cal, "D:sync-token"), m.token)
	token := m.token
	get := []string{"D:getcontenttype", "D:getetag", "C:schedule-tag", "C:calendar-data"}
	m = c.multiget(cal, "", get, stored, old, obj)
	c.same("ETag", m.text(obj, "D:getetag"), tag)

	// It prefers the schedule tag wherever it knows one.
	condition := "If-Match: " + tag
	if p := m.at(obj).props["C:schedule-tag"]; p.status == 200 {
		condition = "If-Schedule-Tag-Match: " + p.node.TrimText()
	}
	stored[obj] = event("e5f5-1", "Changed", 12)
	now := c.put(204, obj, stored[obj], ics, quiet, condition)
	// Two conflicts: the server's version stays, and is fetched.
	c.refused("PUT", obj, event("e5f5-1", "Lost", 13), ics, quiet, "If-Match: "+tag)
	c.refused("PUT", obj, event("e5f5-1", "Lost", 13), ics, quiet, `If-Schedule-Tag-Match: "none"`)
	c.refused("DELETE", obj, "", quiet, "If-Match: "+tag)
	m = c.sync(cal, "0", token, "D:getetag", "D:resourcetype").has(obj)
	c.same("ETag", m.text(obj, "D:getetag"), now)
	c.multiget(cal, "", get, stored, obj)

	// Deleted elsewhere while it was changed here: a change is refused, and it
	// comes back as a new one.
	c.delete(obj, quiet, "If-Match: "+now)
	c.sync(cal, "0", m.token, "D:getetag", "D:resourcetype").gone(obj)
	c.ask("PUT", obj, stored[obj], ics, quiet, "If-Match: "+now).is(412)
	c.put(201, obj, stored[obj], ics, quiet, "If-None-Match: *")

	c.badToken(cal, "0", "urn:factotum:sync:x:y", "D:getetag", "D:resourcetype")
	m = c.sync(cal, "0", "", "D:getetag", "D:resourcetype").has(obj, old)
	c.same("the token after a new start", c.propfind(cal, "0", state...).text(cal, "D:sync-token"), m.token)

	made := home + "3f0e-davx5/"
	c.ask("MKCALENDAR", made, setBody("C:mkcalendar", `<D:resourcetype><D:collection/><C:calendar/></D:resourcetype><D:displayname>New</D:displayname>`+
		`<C:calendar-description>d</C:calendar-description><A:calendar-color>#FF0000FF</A:calendar-color><C:calendar-timezone-id>Europe/Vienna</C:calendar-timezone-id>`+
		`<C:supported-calendar-component-set><C:comp name="VEVENT"/><C:comp name="VTODO"/></C:supported-calendar-component-set>`)).is(201)
	m = c.propfind(made, "0", "D:displayname", "C:calendar-description", "A:calendar-color", "C:calendar-timezone-id", "C:supported-calendar-component-set")
	for name, want := range map[string]string{"D:displayname": "New", "C:calendar-description": "d", "A:calendar-color": "#FF0000FF", "C:calendar-timezone-id": "Europe/Vienna"} {
		c.same(name, m.text(made, name), want)
	}
	if got := m.components(made); !slices.Equal(got, []string{"VEVENT", "VTODO"}) {
		c.t.Errorf("components %q", got)
	}
	c.delete(made)
}
