package caldavtest

import (
	"slices"
	"strings"
)

// principal reads who the user is out of an answer.
func (c *client) principal(m *multi, path string) string {
	c.t.Helper()
	return m.href(path, "D:current-user-principal")
}

// addresses checks that clients with any habit choose the user's own: the
// first or the last one, or the alphabetically first that is preferred.
func (c *client) addresses(m *multi, prin string) {
	c.t.Helper()
	list := m.hrefs(prin, "C:calendar-user-address-set")
	if len(list) == 0 || list[0] != "mailto:"+c.Mail || list[len(list)-1] != "mailto:"+c.Mail {
		c.t.Errorf("%s: addresses %q, want mailto:%s", m.r.what, list, c.Mail)
	}
}

// calendars are the members of a home that clients show: exactly these types.
// It checks what was asked of them and is never absent.
func (c *client) calendars(m *multi) (out []string) {
	c.t.Helper()
	for _, h := range m.order {
		types := m.below(h, "D:resourcetype", 1)
		if !slices.Contains(types, "C:calendar") {
			continue
		}
		if !slices.Equal(types, []string{"D:collection", "C:calendar"}) {
			c.t.Errorf("%s: %s has types %q: iOS stops", m.r.what, h, types)
		}
		out = append(out, h)
	}
	if len(out) == 0 {
		c.t.Fatalf("%s: no calendar in\n%s", m.r.what, m.r.body)
	}
	return out
}

// calendar is the default one, the only one of a new account.
func (c *client) calendar(m *multi, home string) string {
	c.t.Helper()
	if !slices.Contains(m.order, home) {
		c.t.Errorf("%s: the home itself is not in the answer", m.r.what)
	}
	if types := m.below(home, "D:resourcetype", 1); !slices.Equal(types, []string{"D:collection"}) {
		c.t.Errorf("%s: the home has types %q", m.r.what, types)
	}
	found := c.calendars(m)
	if len(found) != 1 || !strings.HasPrefix(found[0], home) || found[0] == home {
		c.t.Fatalf("%s: calendars %q in the home %s", m.r.what, found, home)
	}
	return found[0]
}

// owned checks that nothing implies that the owner may not write: aggregated
// privileges and their parts, since clients look for different ones.
func (c *client) owned(m *multi, cal string) {
	c.t.Helper()
	got := m.below(cal, "D:current-user-privilege-set", 2)
	for _, p := range []string{"D:all", "D:read", "D:write", "D:write-properties", "D:write-content", "D:bind", "D:unbind", "D:read-current-user-privilege-set", "C:read-free-busy"} {
		if !slices.Contains(got, p) {
			c.t.Errorf("%s: the owner of %s has no %s, only %q", m.r.what, cal, p, got)
		}
	}
}

// components checks that a calendar takes a kind of component: clients hide
// others.
func (c *client) components(m *multi, cal string, names ...string) {
	c.t.Helper()
	got := m.components(cal)
	for _, n := range names {
		if !slices.Contains(got, n) {
			c.t.Errorf("%s: %s takes %q, not %s", m.r.what, cal, got, n)
		}
	}
}

// reports checks what is announced.
func (c *client) reports(m *multi, path string, names ...string) {
	c.t.Helper()
	got := m.below(path, "D:supported-report-set", 3)
	for _, n := range names {
		if !slices.Contains(got, n) {
			c.t.Errorf("%s: %s announces %q, not %s", m.r.what, path, got, n)
		}
	}
}

var calendarReports = []string{"D:sync-collection", "C:calendar-query", "C:calendar-multiget", "C:free-busy-query"}

// set changes a property and reads it back. Apple's programs want no 207 for a
// success if they have asked for a minimal answer.
func (c *client) set(path, name, value, attrs string) {
	c.t.Helper()
	r := c.ask("PROPPATCH", path, setBody("D:propertyupdate", "<"+name+attrs+">"+strings.ReplaceAll(xmlText(value), "\r", "&#13;")+"</"+name+">"))
	if c.minimal {
		if r.is(200); r.body != "" {
			c.t.Errorf("%s: a minimal answer is\n%s", r.what, r.body)
		}
	} else {
		r.multi([]string{name}).node(path, name)
	}
	if got := c.propfind(path, "0", name).node(path, name).Text; got != value {
		c.t.Errorf("%s: %s is %q, set was %q", r.what, name, got, value)
	}
}

// tags are what clients compare to see whether anything has changed.
func (c *client) tags(cal string, more ...string) (ctag, token string) {
	c.t.Helper()
	m := c.propfind(cal, "0", append([]string{"CS:getctag", "D:sync-token"}, more...)...)
	return m.text(cal, "CS:getctag"), m.text(cal, "D:sync-token")
}

// same checks that two tags of one state are the same.
func (c *client) same(what, a, b string) {
	c.t.Helper()
	if a != b {
		c.t.Errorf("%s: %q and %q", what, a, b)
	}
}

func (c *client) differ(what, a, b string) {
	c.t.Helper()
	if a == b {
		c.t.Errorf("%s: it stays %q", what, a)
	}
}
