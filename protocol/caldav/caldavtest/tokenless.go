package caldavtest

import (
	"slices"
	"strings"
)

func vdirsyncer(c *client) {
	c.headers = []string{"Content-Type: application/xml; charset=UTF-8", "User-Agent: vdirsyncer/0.19"}
	if types := c.propfind("/dav/", "0", "D:resourcetype").below("/dav/", "D:resourcetype", 1); slices.Contains(types, "C:calendar") {
		c.t.Error("the root is a calendar")
	}
	c.propfind("/dav/", "1", "D:resourcetype")
	root := c.wellKnown(propfindBody("D:current-user-principal"), "0")
	prin := c.principal(c.propfind(root, "0", "D:current-user-principal"), root)
	home := c.propfind(prin, "0", "C:calendar-home-set").href(prin, "C:calendar-home-set")
	cal := c.calendar(c.propfind(home, "1", "D:resourcetype"), home)
	// Text from elsewhere: LF alone.
	text := func(summary string) string {
		return strings.ReplaceAll(object("-//else//EN", "VEVENT", "v", "SUMMARY:"+summary, at(10), "X-UNKNOWN;X-P=1:y"), "\r\n", "\n")
	}
	obj := cal + "v.ics"
	stored := texts{obj: text("V")}
	tag := c.put(201, obj, stored[obj], "Content-Type: text/calendar", "If-None-Match: *")
	c.refused("PUT", obj, text("Twice"), "Content-Type: text/calendar", "If-None-Match: *")
	m := c.propfind(cal, "1", "D:resourcetype", "D:getcontenttype", "D:getetag").has(obj)
	c.same("ETag", m.text(obj, "D:getetag"), tag)
	c.query(cal, "1", component("VEVENT", march), "D:getcontenttype", "D:getetag").has(obj)
	c.multiget(cal, "", []string{"D:getetag", "C:calendar-data"}, stored, obj)
	stored[obj] = text("Changed")
	now := c.put(204, obj, stored[obj], "Content-Type: text/calendar", "If-Match: "+tag)
	c.refused("PUT", obj, text("Lost"), "Content-Type: text/calendar", "If-Match: "+tag)
	for name, value := range map[string]string{"D:displayname": "Name", "A:calendar-color": "#00FF00", "C:calendar-description": "About", "A:calendar-order": "7"} {
		c.propfind(cal, "0", name)
		c.set(cal, name, value, "")
	}
	c.refused("DELETE", obj, "", "If-Match: "+tag)
	c.delete(obj, "If-Match: "+now)
	c.propfind(cal, "1", "D:resourcetype", "D:getcontenttype", "D:getetag").has()
	made := home + "vdir/"
	c.ask("MKCOL", made, setBody("D:mkcol", `<D:resourcetype><D:collection/><C:calendar/></D:resourcetype>`)).is(201)
	c.delete(made)
}

func calcurse(c *client) {
	c.headers = []string{"Content-Type: application/xml; charset=utf-8", "User-Agent: Python-httplib2/0.22.0 (gzip)"}
	// It is given the path of a calendar that its user has seen elsewhere.
	home := "/dav/calendars/" + c.User + "/"
	cal := c.calendar(c.propfind(home, "1", "D:resourcetype"), home)
	all := `<C:comp-filter name="VCALENDAR"/>`
	c.query(cal, "1", all, "D:getetag").has()
	text := func(summary string) string {
		return object("-//calcurse//EN", "VEVENT", "0f1e2d", "DTSTART:20260310T090000", "SUMMARY:"+summary)
	}
	obj := cal + "0f1e2d.ics"
	stored := texts{obj: text("C")}
	c.put(201, obj, stored[obj], "Content-Type: text/calendar; charset=utf-8")
	// It asks for the tag until it gets one.
	ask := head("C:calendar-multiget") + props("D:getetag") + "<D:href>" + obj + "</D:href></C:calendar-multiget>"
	tag := c.report(cal, "", ask, "D:getetag").has(obj).text(obj, "D:getetag")
	m := c.query(cal, "1", all, "D:getetag").has(obj)
	c.same("ETag", m.text(obj, "D:getetag"), tag)
	if strings.ContainsAny(tag, " \t") {
		c.t.Errorf("ETag %q: it keeps tags in a file with blanks between", tag)
	}
	c.multiget(cal, "", []string{"D:getetag", "C:calendar-data"}, stored, m.order...)
	// A change is a deletion and a new object.
	c.refused("DELETE", obj, "", `If-Match: "old"`)
	c.delete(obj, "If-Match: "+tag)
	c.query(cal, "1", all, "D:getetag").has()
	stored[obj] = text("Changed")
	c.put(201, obj, stored[obj], "Content-Type: text/calendar; charset=utf-8")
	c.multiget(cal, "", []string{"D:getetag", "C:calendar-data"}, stored, obj)
}

func tsdav(c *client) {
	c.headers = []string{"Content-Type: text/xml;charset=UTF-8", "User-Agent: tsdav"}
	root := c.wellKnown(propfindBody("D:resourcetype"), "")
	prin := c.principal(c.propfind(root, "0", "D:current-user-principal"), root)
	home := c.propfind(prin, "0", "C:calendar-home-set").href(prin, "C:calendar-home-set")
	c.addresses(c.propfind(prin, "0", "C:calendar-user-address-set"), prin)
	m := c.propfind(home, "1", "C:calendar-description", "C:calendar-timezone", "D:displayname", "A:calendar-color", "CS:getctag", "D:resourcetype", "C:supported-calendar-component-set", "D:sync-token")
	cal := c.calendar(m, home)
	c.components(m, cal, "VEVENT")
	ctag := m.text(cal, "CS:getctag")
	c.reports(c.propfind(cal, "0", "D:supported-report-set"), cal, calendarReports...)

	obj := cal + "ts.ics"
	text := func(summary string, lines ...string) string {
		return object("-//tsdav//EN", "VEVENT", "ts", append([]string{"SUMMARY:" + summary, at(2)}, lines...)...)
	}
	stored := texts{obj: text("T")}
	ics := "Content-Type: text/calendar; charset=utf-8"
	tag := c.put(201, obj, stored[obj], ics, "If-None-Match: *")
	c.refused("PUT", obj, text("Twice"), ics, "If-None-Match: *")
	c.same("ETag", c.query(cal, "1", component("VEVENT", ""), "D:getetag").has(obj).text(obj, "D:getetag"), tag)
	c.multiget(cal, "1", []string{"D:getetag", "C:calendar-data"}, stored, obj)
	// No Depth, and an order of elements of its own.
	sync := func(token string) *multi {
		return c.report(cal, "", head("D:sync-collection")+"<D:sync-level>1</D:sync-level><D:sync-token>"+token+"</D:sync-token>"+
			props("D:getetag", "C:calendar-data", "D:displayname")+"</D:sync-collection>", "D:getetag", "C:calendar-data")
	}
	sync(c.sync(cal, "", "", "D:getetag").token).has()
	m = sync("").has(obj)
	c.same("the object", m.node(obj, "C:calendar-data").Text, stored[obj])
	stored[obj] = text("Weekly", "RRULE:FREQ=WEEKLY;COUNT=3")
	now := c.put(204, obj, stored[obj], ics, "If-Match: "+tag)
	c.refused("PUT", obj, text("Lost"), ics, "If-Match: "+tag)
	m = sync(m.token).has(obj)
	c.same("the object", m.node(obj, "C:calendar-data").Text, stored[obj])
	token := m.token
	c.differ("CTag", c.propfind(cal, "0", "CS:getctag").text(cal, "CS:getctag"), ctag)

	expand := `<C:expand start="20260305T000000Z" end="20260401T000000Z"/>`
	m = c.report(cal, "1", head("C:calendar-query")+"<D:prop><D:getetag/><C:calendar-data>"+expand+"</C:calendar-data></D:prop><C:filter>"+
		component("VEVENT", `<C:time-range start="20260305T000000Z" end="20260401T000000Z"/>`)+"</C:filter></C:calendar-query>", "D:getetag", "C:calendar-data").has(obj)
	if data := m.node(obj, "C:calendar-data").Text; strings.Count(data, "BEGIN:VEVENT") != 2 || strings.Contains(data, "RRULE") ||
		!strings.Contains(data, "RECURRENCE-ID:20260309T090000Z") || !strings.Contains(data, "RECURRENCE-ID:20260316T090000Z") {
		c.t.Errorf("expanded it is\n%s", data)
	}
	busy := c.ask("REPORT", cal, head("C:free-busy-query")+march+"</C:free-busy-query>", "Depth: 1").is(200)
	for _, want := range []string{"BEGIN:VFREEBUSY", "20260302T090000Z", "20260309T090000Z", "20260316T090000Z"} {
		if !strings.Contains(busy.body, want) {
			c.t.Errorf("free/busy has no %s:\n%s", want, busy.body)
		}
	}
	c.refused("DELETE", obj, "", "If-Match: "+tag)
	c.delete(obj, "If-Match: "+now)
	sync(token).gone(obj)
	c.badToken(cal, "", "1", "D:getetag")
	made := home + "ts-made/"
	c.ask("MKCALENDAR", made, setBody("C:mkcalendar", "<D:displayname>TS</D:displayname>")).is(201)
	c.same("displayname", c.propfind(made, "0", "D:displayname").text(made, "D:displayname"), "TS")
	c.delete(made)
}

func tasksOrg(c *client) {
	c.headers = []string{"Content-Type: application/xml; charset=utf-8", "User-Agent: org.tasks/13"}
	m := c.propfind("/", "0", "D:current-user-principal")
	prin := c.principal(m, "/")
	home := c.propfind(prin, "0", "C:calendar-home-set").href(prin, "C:calendar-home-set")
	list := []string{"D:resourcetype", "D:displayname", "C:supported-calendar-component-set", "CS:getctag", "A:calendar-color", "D:sync-token", "D:share-access", "D:invite", "OC:owner-principal",
		"OC:invite", "D:current-user-privilege-set", "D:current-user-principal", "T:x-calendar-icon"}
	m = c.propfind(home, "1", list...)
	cal := c.calendar(m, home)
	c.components(m, cal, "VTODO")
	c.owned(m, cal)
	m.absent(cal, "D:share-access", "D:invite", "OC:owner-principal", "OC:invite", "T:x-calendar-icon")
	ctag := m.text(cal, "CS:getctag")
	c.set(cal, "T:x-calendar-icon", "label", "")
	text := func(summary string) string {
		return object("+//IDN tasks.org//android-130000//EN", "VTODO", "t1", "SUMMARY:"+summary, "X-APPLE-SORT-ORDER:790000000", "RELATED-TO:t0", "X-MOZ-LASTACK:20260301T000000Z")
	}
	obj := cal + "8b6a.ics"
	stored := texts{obj: text("T")}
	tag := c.put(201, obj, stored[obj], "Content-Type: text/calendar") // no condition
	c.differ("CTag", c.propfind(home, "1", list...).text(cal, "CS:getctag"), ctag)
	c.same("ETag", c.query(cal, "1", component("VTODO", ""), "D:getetag").has(obj).text(obj, "D:getetag"), tag)
	get := []string{"D:getcontenttype", "D:getetag", "C:schedule-tag", "C:calendar-data"}
	c.multiget(cal, "", get, stored, obj)
	stored[obj] = text("Changed")
	c.put(204, obj, stored[obj], "Content-Type: text/calendar")
	c.multiget(cal, "", get, stored, obj)
	c.delete(obj)
	c.query(cal, "1", component("VTODO", ""), "D:getetag").has()
}
