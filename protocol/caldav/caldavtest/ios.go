package caldavtest

import (
	"slices"
	"strings"
)

// iOS: users paste any address, it tries /, /principals/ and more, and
// Reminders makes a calendar of its own.
func iOS(c *client) {
	apple(c, "iOS/18.1.1 (22B91) accountsd/1.0")
	root := c.wellKnown(propfindBody(appleStart...), "0")
	prin := ""
	for _, path := range []string{root, "/", "/principals/"} {
		m := c.propfind(path, "0", appleStart...)
		if found := c.principal(m, path); prin == "" {
			prin = found
		} else {
			c.same("the principal at "+path, found, prin)
		}
	}
	// 404 is the next try; anything else ends the set-up.
	c.send(true, "PROPFIND", "/calendar/dav/"+c.User+"/user/", strings.NewReader(propfindBody(appleStart...)), "Depth: 0").is(404)
	home, _ := applePrincipalOf(c, prin)

	c.headers[len(c.headers)-1] = "User-Agent: iOS/18.1.1 (22B91) dataaccessd/1.0"
	names := append(slices.Clone(appleHome), "CS:me-card", "CR:max-image-size", "CR:max-resource-size")
	m := c.propfind(home, "1", names...)
	cal := c.calendar(m, home)
	m.absent(home, "CS:me-card", "CR:max-image-size", "CR:max-resource-size")
	m.absent(cal, appleNot...)
	c.owned(m, cal)
	c.reports(m, home, calendarReports...)
	// The principal is there too, for those who paste these addresses.
	for _, path := range []string{home, cal} {
		c.same("the principal at "+path, c.principal(c.propfind(path, "0", appleStart...), path), prin)
	}
	c.set(cal, "A:calendar-color", "#1BADF8", "")
	c.set(cal, "A:calendar-order", "3", "")

	tasks := home + "5D0C2A6E-0000-4000-8000-000000000002/"
	c.ask("MKCALENDAR", tasks, setBody("C:mkcalendar", `<A:calendar-order>4</A:calendar-order><C:supported-calendar-component-set><C:comp name="VTODO"/></C:supported-calendar-component-set>`+
		`<D:displayname>Reminders</D:displayname>`)).is(201)
	// It must last, or every refresh makes another one.
	m = c.propfind(home, "1", names...)
	if !slices.Contains(c.calendars(m), tasks) || !slices.Equal(m.components(tasks), []string{"VTODO"}) {
		c.t.Errorf("the calendar of Reminders is\n%s", m.r.body)
	}

	event, old, task := cal+"E1F0-1.ics", cal+"E1F0-2.ics", tasks+"E1F0-3.ics"
	stored := texts{
		event: appleEvent("e1f0-1", "New", at(10)),
		old:   appleEvent("e1f0-2", "Old", "DTSTART:20250110T090000Z", "DURATION:PT1H"),
		task:  object("-//Apple Inc.//iOS 18.1.1//EN", "VTODO", "e1f0-3", "SUMMARY:Milk", "STATUS:NEEDS-ACTION", "PRIORITY:0", "X-APPLE-SORT-ORDER:790000000"),
	}
	tags := map[string]string{}
	for _, obj := range []string{event, old, task} {
		tags[obj] = c.put(201, obj, stored[obj], "Content-Type: text/calendar")
	}
	c.ask("PUT", tasks+"wrong.ics", stored[event], "Content-Type: text/calendar").is(403, "C:supported-calendar-component")

	_, token := c.tags(cal)
	m = c.query(cal, "1", component("VEVENT", `<C:time-range start="20260210T000000Z"/>`), "D:getetag", "D:getcontenttype").has(event)
	c.same("ETag", m.text(event, "D:getetag"), tags[event])
	m.text(event, "D:getcontenttype")
	m = c.query(tasks, "1", component("VTODO", ""), "D:getetag", "D:getcontenttype").has(task)
	c.same("ETag", m.text(task, "D:getetag"), tags[task])
	c.multiget(tasks, "", []string{"D:getetag", "C:calendar-data", "C:schedule-tag"}, stored, task)
	c.multiget(cal, "", []string{"D:getetag", "C:calendar-data", "C:schedule-tag"}, stored, event, old)

	stored[event] = appleEvent("e1f0-1", "Changed", at(11))
	tag := c.put(204, event, stored[event], "Content-Type: text/calendar", "If-Match: "+tags[event])
	c.refused("PUT", event, appleEvent("e1f0-1", "Lost", at(12)), "Content-Type: text/calendar", "If-Match: "+tags[event])
	m = c.sync(cal, "1", token, "D:getetag", "D:getcontenttype").has(event)
	c.same("ETag", m.text(event, "D:getetag"), tag)
	c.delete(event)
	c.sync(cal, "1", m.token, "D:getetag", "D:getcontenttype").gone(event)
	c.badToken(cal, "1", "urn:gone", "D:getetag", "D:getcontenttype")
	c.sync(cal, "1", "", "D:getetag", "D:getcontenttype").has(old)
	c.delete(task)
	c.delete(tasks)
}
