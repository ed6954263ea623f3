package caldavtest

import "strings"

func thunderbird(c *client) {
	c.headers = []string{"Accept: text/xml", "Accept-Charset: utf-8,*;q=0.1", "Content-Type: text/xml; charset=utf-8",
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Thunderbird/140.0"}
	start := []string{"D:resourcetype", "D:owner", "D:displayname", "D:current-user-principal", "D:current-user-privilege-set", "A:calendar-color", "C:calendar-home-set"}
	root := c.wellKnown(propfindBody(start...), "0")
	// The password is tried after a challenge; 403 would be a wrong one.
	c.anonymous("PROPFIND", root, propfindBody(start...), "Depth: 0")
	m := c.propfind(root, "0", start...)
	m.absent(root, "C:calendar-home-set") // it would take that before the principal
	if m.node(root, "D:owner").FirstChild() != nil {
		c.t.Error("the root has an owner")
	}
	m.node(root, "D:resourcetype")
	prin := c.principal(m, root)
	home := c.propfind(prin, "0", "C:calendar-home-set").href(prin, "C:calendar-home-set")

	// A response without resourcetype makes the whole scan fail.
	m = c.propfind(home, "1", "D:resourcetype", "D:displayname", "D:current-user-privilege-set", "A:calendar-color")
	for _, h := range m.order {
		m.node(h, "D:resourcetype")
	}
	cal := c.calendar(m, home)
	c.owned(m, cal)
	if m.text(cal, "D:displayname") == "" {
		c.t.Error("the calendar has no name")
	}
	m = c.propfind(cal, "0", "D:resourcetype", "D:owner", "D:current-user-principal", "D:current-user-privilege-set", "D:supported-report-set", "C:supported-calendar-component-set", "CS:getctag")
	c.components(m, cal, "VEVENT", "VTODO")
	c.reports(m, cal, calendarReports...)
	c.owned(m, cal)
	c.same("owner", m.href(cal, "D:owner"), prin)
	c.same("the principal", c.principal(m, cal), prin)
	m.text(cal, "CS:getctag")
	// The parent of the calendar says who sends invitations; it throws the first
	// token away.
	tokens := c.options(home).header.Get("DAV")
	if _, rest, _ := strings.Cut(tokens, ", "); !strings.Contains(rest, "calendar-access") {
		c.t.Errorf("DAV %q", tokens)
	}
	c.options(cal, "DELETE")
	m = c.propfind(prin, "0", "C:calendar-home-set", "C:calendar-user-address-set", "C:schedule-inbox-URL", "C:schedule-outbox-URL")
	c.same("the home is the calendar's parent", m.href(prin, "C:calendar-home-set"), home)
	c.addresses(m, prin)
	inbox, outbox := c.scheduling(m, prin)
	c.busyTime(outbox, ";PARTSTAT=NEEDS-ACTION;ROLE=REQ-PARTICIPANT;CUTYPE=INDIVIDUAL", nil,
		[]string{"Content-Type: text/calendar; charset=utf-8", "Originator: mailto:" + c.Mail, "Recipient: mailto:" + c.Mail})

	list := []string{"D:getcontenttype", "D:getetag"}
	c.sync(inbox, "1", "", list...).has() // as any calendar
	get := []string{"D:getetag", "C:calendar-data"}
	m = c.sync(cal, "1", "", list...).has()
	empty := m.token

	// A new event: nobody else has put one of that name.
	obj, other := cal+"b5b1_host-1.ics", cal+"b5b1_host-2.ics"
	event := func(uid, summary string, day int) string {
		return object("-//Mozilla.org/NONSGML Mozilla Calendar V1.1//EN", "VEVENT", uid, "SUMMARY:"+summary, at(day), "X-MOZ-GENERATION:1", "X-MOZ-LASTACK:20260301T000000Z",
			`DESCRIPTION;ALTREP="data:text/html,%3Cbody%3E%3Cp%3EText%3C%2Fp%3E%3C%2Fbody%3E":T`, " ext")
	}
	stored := texts{obj: event("b5b1@host-1", "B", 10), other: event("b5b1@host-2", "C", 11)}
	ics := "Content-Type: text/calendar; charset=utf-8"
	tag := c.put(201, obj, stored[obj], ics, "If-None-Match: *")
	c.refused("PUT", obj, event("b5b1@host-1", "Twice", 12), ics, "If-None-Match: *")
	c.same("ETag", c.multiget(cal, "1", get, stored, obj).text(obj, "D:getetag"), tag)
	c.put(201, other, stored[other], ics, "If-None-Match: *")
	m = c.sync(cal, "1", empty, list...).has(obj, other)
	c.same("ETag", m.text(obj, "D:getetag"), tag)
	m.text(obj, "D:getcontenttype")
	c.multiget(cal, "1", get, stored, obj, other)

	// Its change, one that is too late, and the user who wants it all the same.
	stored[obj] = event("b5b1@host-1", "Changed", 10)
	now := c.put(204, obj, stored[obj], ics, "If-Match: "+tag)
	c.refused("PUT", obj, event("b5b1@host-1", "Lost", 10), ics, "If-Match: "+tag)
	c.multiget(cal, "1", get, stored, obj)
	stored[obj] = event("b5b1@host-1", "Overwritten", 10)
	tag = c.put(204, obj, stored[obj], ics)
	c.differ("ETag", tag, now)
	next := c.sync(cal, "1", m.token, list...).has(obj)
	c.same("ETag", next.text(obj, "D:getetag"), tag)

	// The same for a deletion.
	c.refused("DELETE", obj, "", "If-Match: "+now)
	c.same("ETag of HEAD", c.ask("HEAD", obj, "").is(200).header.Get("ETag"), tag)
	c.ask("DELETE", obj, "").is(204)
	c.ask("HEAD", obj, "").is(404)
	tag = c.multiget(cal, "1", get, stored, other).text(other, "D:getetag")
	c.sync(cal, "1", next.token, list...).gone(obj)
	c.delete(other, "If-Match: "+tag)
	c.sync(cal, "1", empty, list...).gone(obj, other)
	c.badToken(cal, "1", "bad", list...)
	c.sync(cal, "1", "", list...).has()
}
