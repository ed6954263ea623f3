package caldavtest

import "slices"

func kde(c *client) {
	c.headers = []string{"Content-Type: text/xml; charset=utf-8", "User-Agent: KDE DAV groupware client"}
	start := []string{"C:calendar-home-set", "D:current-user-principal", "D:principal-URL"}
	const root = "/dav/" // as configured: it asks no other address
	m := c.propfind(root, "0", start...)
	m.absent(root, "C:calendar-home-set")
	prin := c.principal(m, root)
	home := c.propfind(prin, "0", "C:calendar-home-set").href(prin, "C:calendar-home-set")
	list := []string{"D:displayname", "D:resourcetype", "A:calendar-color", "C:supported-calendar-component-set", "D:current-user-privilege-set", "CS:getctag", "P:transports", "P:topic", "P:supported-triggers"}
	m = c.propfind(home, "1", list...)
	cal := c.calendar(m, home)
	c.owned(m, cal)
	c.components(m, cal, "VEVENT", "VTODO", "VJOURNAL")
	m.together(cal, "P:transports", "P:topic", "P:supported-triggers")
	ctag := m.text(cal, "CS:getctag")
	// It sees changes by the CTag alone.
	again := func() (now string) { return c.propfind(home, "1", list...).text(cal, "CS:getctag") }
	c.same("CTag", again(), ctag)

	const product = "-//K Desktop Environment//NONSGML libkcal 4.3//EN"
	obj, task, journal := cal+"libkcal-1.ics", cal+"libkcal-2.ics", cal+"libkcal-3.ics"
	event := func(summary string) string {
		return object(product, "VEVENT", "libkcal-1", "SUMMARY:"+summary, at(10), "X-KDE-ICAL-IMPLEMENTATION-VERSION:1.0")
	}
	stored := texts{
		obj:     event("K"),
		task:    object(product, "VTODO", "libkcal-2", "SUMMARY:T", "X-KDE-LIBKCAL-ID:x", "DUE:20260310T090000Z"),
		journal: object(product, "VJOURNAL", "libkcal-3", "SUMMARY:J", "DTSTART:20260310T090000Z"),
	}
	tags := map[string]string{}
	for _, o := range []string{obj, task, journal} {
		tag := c.put(201, o, stored[o], "Content-Type: text/calendar", "If-None-Match: *")
		tags[o] = c.get(o, stored[o])
		c.same("ETag", tags[o], tag)
	}
	c.refused("PUT", obj, event("Twice"), "Content-Type: text/calendar", "If-None-Match: *")
	c.differ("CTag", again(), ctag)
	for name, want := range map[string]string{"VEVENT": obj, "VTODO": task, "VJOURNAL": journal} {
		m = c.query(cal, "1", component(name, ""), "D:getetag", "D:resourcetype").has(want)
		c.same("ETag", m.text(want, "D:getetag"), tags[want])
	}
	c.query(cal, "1", component("VEVENT", march), "D:getetag", "D:resourcetype").has(obj)
	// It reads the first propstat only: what was found.
	c.multiget(cal, "1", []string{"D:displayname", "D:getetag", "C:calendar-data"}, stored, obj, task, journal)

	ctag = again()
	c.refused("PUT", obj, event("Lost"), "Content-Type: text/calendar", `If-Match: "old"`)
	c.get(obj, stored[obj])
	c.same("CTag after a refusal", again(), ctag)
	stored[obj] = event("Changed")
	c.put(204, obj, stored[obj], "Content-Type: text/calendar", "If-Match: "+tags[obj])
	tag := c.get(obj, stored[obj])
	c.differ("ETag", tag, tags[obj])
	c.differ("CTag", again(), ctag)
	c.refused("DELETE", obj, "", "If-Match: "+tags[obj])
	ctag = again()
	c.delete(obj, "If-Match: "+tag)
	c.differ("CTag", again(), ctag)
	c.query(cal, "1", component("VEVENT", ""), "D:getetag", "D:resourcetype").has()

	people := c.propfind(prin, "0", "D:principal-collection-set").href(prin, "D:principal-collection-set")
	m = c.report(people, "0", head("D:principal-property-search")+"<D:property-search>"+props("D:displayname")+"<D:match>"+c.Name+"</D:match></D:property-search>"+
		props("C:schedule-inbox-URL")+"</D:principal-property-search>", "C:schedule-inbox-URL")
	if !slices.Contains(m.order, prin) {
		c.t.Errorf("%s is not among %q", c.Name, m.order)
	}
	made := home + "kde-made/"
	c.ask("MKCOL", made, setBody("D:mkcol", `<D:resourcetype><D:collection/><C:calendar/></D:resourcetype><D:displayname>K</D:displayname>`)).is(201)
	m = c.propfind(home, "1", list...)
	if !slices.Contains(c.calendars(m), made) || m.text(made, "D:displayname") != "K" {
		c.t.Errorf("what was made is\n%s", m.r.body)
	}
	c.delete(made)
}
