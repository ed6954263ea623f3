package caldavtest

import (
	"slices"
	"strings"
)

// scheduling reads where a user's inbox and outbox are, and checks that they are
// what clients look for: without either they would send invitations themselves.
// RFC 6638 §§2.1, 2.2.
func (c *client) scheduling(m *multi, prin string) (inbox, outbox string) {
	c.t.Helper()
	m.absent(prin, "CS:notification-URL", "CS:dropbox-home-URL")
	inbox, outbox = m.href(prin, "C:schedule-inbox-URL"), m.href(prin, "C:schedule-outbox-URL")
	for box, kind := range map[string]string{inbox: "C:schedule-inbox", outbox: "C:schedule-outbox"} {
		m := c.propfind(box, "0", "D:resourcetype", "D:owner", "D:current-user-privilege-set")
		if types := m.below(box, "D:resourcetype", 1); !slices.Equal(types, []string{"D:collection", kind}) {
			c.t.Errorf("%s has types %q", box, types)
		}
		c.same("owner of "+box, m.href(box, "D:owner"), prin)
		want := map[string][]string{
			"C:schedule-inbox":  {"D:read", "D:unbind", "C:schedule-deliver", "C:schedule-deliver-invite", "C:schedule-deliver-reply", "C:schedule-query-freebusy"},
			"C:schedule-outbox": {"D:read", "C:schedule-send", "C:schedule-send-invite", "C:schedule-send-reply", "C:schedule-send-freebusy"},
		}[kind]
		got := m.below(box, "D:current-user-privilege-set", 2)
		for _, p := range want {
			if !slices.Contains(got, p) {
				c.t.Errorf("the owner of %s has no %s, only %q", box, p, got)
			}
		}
		if slices.Contains(got, "D:bind") || slices.Contains(got, "D:write") {
			c.t.Errorf("clients are told that they can store in %s: %q", box, got)
		}
	}
	return inbox, outbox
}

// emptyInbox looks for scheduling messages as Apple's programs do: by the CTag,
// then by the list, and by what has changed. There are none.
func (c *client) emptyInbox(inbox string) {
	c.t.Helper()
	m := c.propfind(inbox, "0", "CS:getctag", "D:sync-token", "D:supported-report-set", "C:supported-calendar-component-set", "C:calendar-free-busy-set", "C:schedule-default-calendar-URL")
	c.reports(m, inbox, "D:sync-collection", "C:calendar-query", "C:calendar-multiget")
	c.components(m, inbox, "VEVENT", "VTODO")
	m.text(inbox, "CS:getctag")
	token := m.text(inbox, "D:sync-token")
	into := m.href(inbox, "C:schedule-default-calendar-URL")
	if set := m.hrefs(inbox, "C:calendar-free-busy-set"); !slices.Contains(set, into) {
		c.t.Errorf("%q count for busy time, without %s", set, into)
	}
	c.propfind(inbox, "1", "D:getcontenttype", "D:getetag").has()
	c.sync(inbox, "1", token, "D:getcontenttype", "D:getetag").has()
	c.query(inbox, "1", component("VEVENT", ""), "D:getetag").has()
	c.ask("PUT", inbox+"own.ics", strings.ReplaceAll(object("-//x//EN", "VEVENT", "own", at(10)), "VERSION:2.0", "VERSION:2.0\r\nMETHOD:REQUEST"), "Content-Type: text/calendar").is(403)
}
