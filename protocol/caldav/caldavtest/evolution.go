package caldavtest

import (
	"io"
	"strings"
)

func evolution(c *client) {
	c.headers = []string{"Connection: close", "Cache-Control: no-cache", "Pragma: no-cache", "Content-Type: application/xml; charset=\"utf-8\"", "User-Agent: Evolution/3.54"}
	start := []string{"D:resourcetype", "D:current-user-principal", "D:principal-URL", "C:calendar-home-set", "C:calendar-user-address-set", "CR:addressbook-home-set"}
	root := c.wellKnown(propfindBody(start...), "0")
	c.anonymous("OPTIONS", root, "") // 404 would end the set-up
	m := c.propfind(root, "0", start...)
	prin := c.principal(m, root)
	m = c.propfind(prin, "0", "C:calendar-home-set", "C:calendar-user-address-set", "CR:addressbook-home-set")
	home := m.href(prin, "C:calendar-home-set")
	c.addresses(m, prin)
	m.absent(prin, "CR:addressbook-home-set")
	c.ask("PROPFIND", "/.well-known/webdav/Notes/", propfindBody(start...), "Depth: 0").is(404)

	m = c.propfind(home, "1", "D:resourcetype", "CS:source", "C:supported-calendar-component-set", "D:displayname", "D:getetag", "CS:getctag", "D:getcontenttype", "D:getcontentlength",
		"D:creationdate", "D:getlastmodified", "C:calendar-description", "A:calendar-color", "A:calendar-order")
	cal := c.calendar(m, home)
	c.components(m, cal, "VEVENT", "VTODO", "VJOURNAL") // it hides the calendar otherwise
	m.absent(cal, "CS:source")
	ctag := m.text(cal, "CS:getctag")
	c.options(cal, "DELETE", "GET")
	c.owned(c.propfind(cal, "0", "D:current-user-privilege-set"), cal)
	m = c.propfind(cal, "0", "CS:getctag", "D:supported-report-set")
	c.reports(m, cal, calendarReports...)
	c.same("CTag", m.text(cal, "CS:getctag"), ctag)
	m = c.sync(cal, "0", "", "D:getetag").has()
	token := m.token

	// It sends in chunks, without a length, and escapes all of the UID: @ and %40
	// are the same.
	event := func(summary string, more ...string) string {
		return object("-//Ximian//NONSGML Evolution Calendar//EN", "VEVENT", "ev@host", append([]string{"SUMMARY:" + summary, at(10), "X-EVOLUTION-CALDAV-HREF:x",
			"BEGIN:VALARM", "X-EVOLUTION-ALARM-UID:a1", "ACTION:DISPLAY", "DESCRIPTION:x", "TRIGGER;RELATED=START:-PT15M", "END:VALARM"}, more...)...)
	}
	sent, obj := cal+"ev%40host.ics", cal+"ev@host.ics"
	stored := texts{obj: event("E"), sent: event("E")}
	ics := `Content-Type: text/calendar; charset="utf-8"`
	put := func(status int, text string, headers ...string) string {
		c.t.Helper()
		// A reader of unknown length makes the request chunked.
		return c.send(true, "PUT", sent, io.MultiReader(strings.NewReader(text[:100]), strings.NewReader(text[100:])), append(headers, ics)...).is(status).header.Get("ETag")
	}
	tag := put(201, stored[obj], "If-None-Match: *")
	if tag == "" {
		c.t.Error("PUT without ETag")
	}
	c.refused("PUT", sent, event("Twice"), ics, "If-None-Match: *")
	c.same("ETag of GET", c.get(sent, stored[obj]), tag)
	m = c.sync(cal, "0", token, "D:getetag").has(obj)
	c.same("ETag", m.text(obj, "D:getetag"), tag)
	token = m.token
	c.same("ETag", c.multiget(cal, "", []string{"D:getetag", "C:calendar-data"}, stored, sent).text(sent, "D:getetag"), tag)
	c.multiget(cal, "", []string{"D:getetag", "C:calendar-data"}, stored, obj)

	// Its check before it works offline, and the query where it has a limit of
	// days: Depth 0, and the members are meant.
	m = c.report(cal, "", head("C:calendar-multiget")+`<D:prop><D:getetag/><C:calendar-data><C:comp name="VCALENDAR"><C:comp name="VEVENT"><C:prop name="UID"/></C:comp></C:comp></C:calendar-data></D:prop>`+
		"<D:href>"+obj+"</D:href></C:calendar-multiget>")
	if text := m.node(obj, "C:calendar-data").Text; !strings.Contains(text, "UID:ev@host") {
		c.t.Errorf("partly it is\n%s", text)
	}
	window := `<C:time-range start="20260203T000000Z" end="20260414T000000Z"/>`
	c.query(cal, "1", component("VEVENT", window), "D:getetag").has(obj)
	c.query(cal, "0", component("VEVENT", window), "D:getetag").has(obj)
	c.query(cal, "1", component("VEVENT", ""), "D:getetag").has(obj)
	c.differ("CTag", c.propfind(cal, "0", "CS:getctag").text(cal, "CS:getctag"), ctag)

	c.refused("PUT", sent, event("Lost"), ics, `If-Match: "old"`)
	now := put(204, event("Changed"), "If-Match: "+tag)
	c.refused("PUT", sent, event("Lost"), ics, "If-Match: "+tag)
	stored[obj], stored[sent] = event("Forced"), event("Forced")
	tag = put(204, stored[obj]) // the user wants it
	c.differ("ETag", now, tag)
	m = c.sync(cal, "0", token, "D:getetag").has(obj)
	c.same("ETag", m.text(obj, "D:getetag"), tag)
	c.multiget(cal, "", []string{"D:getetag", "C:calendar-data"}, stored, sent)

	// The same event under another name: the client is told where it is.
	r := c.ask("PUT", cal+"again.ics", event("Again"), ics, "If-None-Match: *").is(409, "C:no-uid-conflict")
	if !strings.Contains(r.body, "<D:href>"+obj+"</D:href>") {
		c.t.Errorf("the conflict is not named: %s", r.body)
	}

	// A task and a memo.
	task, memo := cal+"task.ics", cal+"memo.ics"
	stored[task] = object("-//Ximian//NONSGML Evolution Calendar//EN", "VTODO", "task", "SUMMARY:T", "DUE;VALUE=DATE:20260310", "PERCENT-COMPLETE:50")
	stored[memo] = object("-//Ximian//NONSGML Evolution Calendar//EN", "VJOURNAL", "memo", "SUMMARY:M", "DTSTART;VALUE=DATE:20260310")
	c.put(201, task, stored[task], ics, "If-None-Match: *")
	c.put(201, memo, stored[memo], ics, "If-None-Match: *")
	c.query(cal, "1", component("VTODO", ""), "D:getetag").has(task)
	c.query(cal, "1", component("VJOURNAL", ""), "D:getetag").has(memo)
	token = c.sync(cal, "0", m.token, "D:getetag").has(task, memo).token

	c.refused("DELETE", sent, "", `If-Match: "old"`, "Schedule-Reply: F")
	c.delete(sent, "Schedule-Reply: F")
	c.sync(cal, "0", token, "D:getetag").gone(obj)
	c.badToken(cal, "0", "old", "D:getetag")
	c.sync(cal, "0", "", "D:getetag").has(task, memo)

	// Free/busy: it looks for the outbox; without one for the person, whom it asks.
	owner := c.propfind(cal, "0", "D:owner").href(cal, "D:owner")
	_, outbox := c.scheduling(c.propfind(owner, "0", "C:schedule-outbox-URL", "C:schedule-inbox-URL"), owner)
	c.busyTime(outbox, ";CUTYPE=INDIVIDUAL;ROLE=CHAIR", nil, []string{`Content-Type: text/calendar; charset="utf-8"`})
	m = c.report(cal, "0", head("D:principal-property-search")+"<D:apply-to-principal-collection-set/><D:property-search>"+props("C:calendar-user-address-set")+
		"<D:match>"+c.Mail+"</D:match></D:property-search>"+props("D:displayname")+"</D:principal-property-search>", "D:displayname")
	if len(m.order) != 1 || m.order[0] != prin {
		c.t.Errorf("%s is found as %q", c.Mail, m.order)
	}
	c.ask("REPORT", prin, head("C:free-busy-query")+`<C:time-range start="20260310T000000Z" end="20260311T000000Z"/></C:free-busy-query>`, "Depth: infinity").is(403, "D:supported-report")
}
