package wcap

import (
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"factotum/server/calendar"
	"factotum/server/session"
)

// logIn begins a session. The order of the answer matters to clients. WCAP login.
func (c *call) logIn() error {
	user, ok := c.p.name("user")
	if !ok {
		return LoginFailed
	}
	s := session.Session{Login: user, Remote: c.remote().String(), Lang: c.p.text("lang")}
	if len(s.Lang) > 35 {
		s.Lang = ""
	}
	calid := c.set.AnonymousCalid
	id := "anonymous"
	if strings.EqualFold(user, "anonymous") {
		if !c.set.Anonymous {
			return LoginFailed
		}
		s.Login = id
	} else {
		p, err := c.whoLogsIn(user, &s)
		if err != nil {
			return err
		}
		// Who has come this far goes home. If the default calendar was made
		// for it, errno is 0 still: clients take the 2 of Sun's table for a failure.
		_, err = c.be.Home(c.ctx, p.Actor(), calendar.HomeRequest{Owner: calendar.Owner(p.ID)})
		if err != nil && calendar.KindOf(err) != calendar.NoCalendar {
			return err
		}
		s.User, s.Entry, id, calid = p.ID, p.Entry, p.ID, p.ID
		if d := calendar.DomainsOf(c.Handler.people).Of(p.ID); d != nil {
			s.Idle = d.SessionTimeout
		}
	}
	sid, err := c.sessions.New(s)
	if err != nil {
		return err
	}
	c.session(s, true)
	c.setCookie(sid)
	return c.simple("PUBLISH", func(o *output) {
		o.value("X-NSCP-WCAP-SESSION-ID", sid.Reveal())
		o.text("X-NSCP-WCAP-USER-ID", id)
		o.text("X-NSCP-WCAP-CALENDAR-ID", calid)
		o.value("X-NSCP-RECURRENCE-BOUND", strconv.Itoa(c.set.RecurrenceBound))
	})
}

// whoLogsIn checks the password; with proxyauth, that of an administrator who
// logs in for somebody else.
func (c *call) whoLogsIn(user string, s *session.Session) (calendar.Person, error) {
	password, _ := c.p.find("password")
	p, err := c.login(c.ctx, user, password.exact(), c.remote())
	if err != nil {
		return p, err
	}
	s.Credential = c.credential(c.ctx, p.ID, password.exact())
	name, ok := c.p.name("proxyauth")
	switch {
	case !ok:
		return p, LoginFailed
	case name == "":
		return p, nil
	}
	if !c.mayProxyFrom(c.remote()) {
		return p, LoginFailed
	}
	other, err := c.Handler.people.Person(c.ctx, name)
	switch {
	case errors.Is(err, calendar.NotFound):
		return other, LoginFailed
	case err != nil:
		return other, err
	case !c.isAdmin(p) && !calendar.DomainsOf(c.Handler.people).Manager(p, other.ID):
		return p, LoginFailed
	case !other.Active || other.Kind == calendar.Group || !c.proxyLogin(other):
		return other, LoginFailed
	}
	s.Login, s.By = name, p.ID
	return other, nil
}

// mayProxyFrom tells whether an administrator may log in for others from an
// address: service.http.proxydomainallowed. A unix socket has none.
func (c *call) mayProxyFrom(a netip.Addr) bool {
	if len(c.set.ProxyFrom) == 0 || !a.IsValid() {
		return true
	}
	return slices.ContainsFunc(c.set.ProxyFrom, func(p netip.Prefix) bool { return p.Contains(a.Unmap().WithZone("")) })
}
