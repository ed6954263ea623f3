package caldavtest

import (
	"slices"
	"strings"
)

func calDavSynchronizer(c *client) {
	c.headers = []string{"Content-Type: application/xml; charset=utf-8", "User-Agent: CalDavSynchronizer/4.4"}
	start := []string{"D:current-user-principal", "D:principal-URL", "D:resourcetype"}
	root := c.wellKnown(propfindBody(start...), "0")
	prin := c.principal(c.propfind(root, "0", start...), root)
	home := c.propfind(prin, "0", "C:calendar-home-set").href(prin, "C:calendar-home-set")
	m := c.propfind(home, "1", "D:resourcetype", "D:displayname", "A:calendar-color", "C:supported-calendar-component-set")
	cal := c.calendar(m, home)
	m.node(cal, "D:displayname") // it hides calendars without
	c.components(m, cal, "VEVENT", "VTODO")
	c.options(prin) // calendar-proxy would make it ask for delegations
	m = c.propfind(prin, "0", "CS:calendar-proxy-read-for", "CS:calendar-proxy-write-for")
	if n := len(m.hrefs(prin, "CS:calendar-proxy-read-for")) + len(m.hrefs(prin, "CS:calendar-proxy-write-for")); n > 0 {
		c.t.Errorf("%d delegations", n)
	}
	c.addresses(c.propfind(prin, "0", "C:calendar-user-address-set"), prin)
	c.options(cal, "DELETE")
	if types := c.propfind(cal, "0", "D:resourcetype").below(cal, "D:resourcetype", 1); !slices.Contains(types, "C:calendar") {
		c.t.Errorf("types %q", types)
	}
	c.reports(c.propfind(cal, "0", "D:supported-report-set"), cal, calendarReports...)
	c.owned(c.propfind(cal, "0", "D:current-user-privilege-set"), cal) // DAV:all alone is read-only to it
	m = c.propfind(cal, "0", "D:owner", "CS:organizer")
	c.same("owner", m.href(cal, "D:owner"), prin)
	m.absent(cal, "CS:organizer")

	event := func(summary string, day int) string {
		return object("-//github.com/aluxnimm/outlookcaldavsynchronizer//EN", "VEVENT", "2d6c0b1e", "SUMMARY:"+summary, at(day), "X-MICROSOFT-CDO-BUSYSTATUS:BUSY",
			`X-ALT-DESC;FMTTYPE=text/html:<html><body>x &amp\; y</body></html>`)
	}
	obj, task := cal+"2d6c0b1e.ics", cal+"2d6c0b1f.ics"
	stored := texts{obj: event("C", 10), task: object("-//x//EN", "VTODO", "2d6c0b1f", "SUMMARY:T", "DTSTART:20260310T090000Z", "DUE:20260311T090000Z")}
	ics := "Content-Type: text/calendar; charset=utf-8"
	tag := c.put(201, obj, stored[obj], ics, "If-None-Match: *")
	c.put(201, task, stored[task], ics, "If-None-Match: *")
	c.refused("PUT", obj, event("Twice", 11), ics, "If-None-Match: *")
	c.same("ETag of GET", c.get(obj, stored[obj]), tag)
	c.same("ETag of PROPFIND", c.propfind(obj, "0", "D:getetag").text(obj, "D:getetag"), tag)
	m = c.query(cal, "1", component("VEVENT", march), "D:getetag").has(obj)
	c.same("ETag of the query", m.text(obj, "D:getetag"), tag)
	c.query(cal, "1", component("VTODO", march), "D:getetag").has(task)
	c.query(cal, "1", component("VEVENT", `<C:time-range start="20260401T000000Z" end="20260501T000000Z"/>`), "D:getetag").has()
	m = c.multiget(cal, "1", []string{"D:getetag", "D:displayname", "C:calendar-data"}, stored, obj, task)
	c.same("ETag of the multiget", m.text(obj, "D:getetag"), tag)

	// Its other way: tokens. It writes them back as they stand in the answer.
	m = c.sync(cal, "0", "", "D:getetag").has(obj, task)
	token := m.token
	stored[obj] = event("Changed", 11)
	bare := strings.Trim(tag, `"`) // an option of it: tags without quotes
	now := c.put(204, obj, stored[obj], ics, "If-Match: "+bare)
	c.refused("PUT", obj, event("Lost", 12), ics, "If-Match: "+tag)
	c.refused("PUT", obj, event("Lost", 12), ics, "If-Match: "+bare)
	m = c.sync(cal, "0", token, "D:getetag").has(obj)
	c.same("ETag of the sync", m.text(obj, "D:getetag"), now)
	c.multiget(cal, "1", []string{"D:getetag", "D:displayname", "C:calendar-data"}, stored, obj)
	c.refused("DELETE", obj, "", "If-Match: "+tag)
	c.delete(obj, "If-Match: "+now)
	c.sync(cal, "0", m.token, "D:getetag").gone(obj)
	c.badToken(cal, "0", "x", "D:getetag")
	c.sync(cal, "0", "", "D:getetag").has(task)

	// Rooms, of which there are none here.
	c.report(prin, "0", head("D:principal-property-search")+"<D:property-search>"+props("D:displayname")+`<D:match match-type="equals">No such room</D:match></D:property-search>`+
		props("D:displayname", "D:resource-id", "C:calendar-user-type")+"<D:apply-to-principal-collection-set/></D:principal-property-search>").has()

	made := home + "new-cs/"
	c.ask("MKCOL", made, setBody("D:mkcol", `<D:resourcetype><D:collection/><C:calendar/></D:resourcetype>`)).is(201)
	c.ask("PROPPATCH", made, setBody("D:propertyupdate", "<D:displayname>New</D:displayname>"), "Depth: 0").multi([]string{"D:displayname"}).node(made, "D:displayname")
	c.same("displayname", c.propfind(made, "0", "D:displayname").text(made, "D:displayname"), "New")
	c.delete(made)
}
