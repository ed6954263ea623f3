package caldavtest

import (
	"slices"
	"strings"

	"factotum/protocol/dav"
)

// scheduling reads where a user's inbox and outbox are, and checks that they are
// what clients look for: without either they would send invitations themselves.
// RFC 6638 §§2.1, 2.2.
func (c *client) scheduling(m *multi, prin string) (inbox, outbox string) {
	c.t.Helper()
	m.absent(prin, "CS:dropbox-home-URL")
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

// busyTime asks an outbox for a day of people's time, as the client writes it:
// one's own, that of somebody who is not known, and of somebody elsewhere. Each is
// answered for himself, and who is known with the range that was asked for.
// RFC 6638 §5, clients.md §7.3.
func (c *client) busyTime(outbox, attendee string, lines, headers []string) {
	c.t.Helper()
	self, unknown, elsewhere := "mailto:"+c.Mail, "mailto:no.such.person@"+c.Mail[strings.IndexByte(c.Mail, '@')+1:], "mailto:somebody@elsewhere.invalid"
	want := map[string]string{self: "2.0", unknown: "3.7", elsewhere: "5.1"}
	ask := append([]string{"DTSTART:20250310T000000Z", "DTEND:20250311T000000Z", "ORGANIZER:" + self}, lines...)
	for _, a := range []string{self, unknown, elsewhere} {
		ask = append(ask, "ATTENDEE"+attendee+":"+a)
	}
	text := strings.Replace(object("-//client//EN", "VFREEBUSY", "F8B1-BUSY", ask...), "VERSION:2.0", "VERSION:2.0\r\nMETHOD:REQUEST", 1)
	root := c.ask("POST", outbox, text, headers...).is(200).document("C:schedule-response")
	for n := range root.Children() {
		who := n.Child(dav.C("recipient")).Child(dav.D("href")).TrimText()
		status := n.Child(dav.C("request-status")).TrimText()
		if want[who] == "" || !strings.HasPrefix(status, want[who]+";") {
			c.t.Errorf("%q has the status %q, want %q", who, status, want[who])
		}
		delete(want, who)
		if who != self {
			continue
		}
		data := n.Child(dav.C("calendar-data"))
		if data == nil {
			c.t.Errorf("%s has no calendar-data", who)
			continue
		}
		for _, line := range []string{"METHOD:REPLY\r\n", "UID:F8B1-BUSY\r\n", "DTSTART:20250310T000000Z\r\n", "DTEND:20250311T000000Z\r\n", "ATTENDEE:" + self} {
			if !strings.Contains(data.Text, line) {
				c.t.Errorf("%s is answered without %q\n%s", who, line, data.Text)
			}
		}
	}
	if len(want) > 0 {
		c.t.Errorf("%v are not answered", want)
	}
}
