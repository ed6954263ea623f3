package wcap

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"factotum/server/calendar"
	"factotum/server/session"
)

// cookieName is the cookie that stands for a missing id.
const cookieName = "wcap-session"

// authenticate finds out who asks. An id that is given must be good; without
// one the request is anonymous, as far as that is allowed. WCAP §2.7.
func (c *call) authenticate() error {
	given := c.takeID()
	if c.cmd.who == anybody {
		return nil // the command looks at the id itself, if it does
	}
	if !given {
		if c.cmd.who == users || !c.set.Anonymous {
			return c.noUser(false)
		}
		return c.mayWrite()
	}
	s, ok := c.sessions.Use(c.id)
	if !ok || c.set.BindAddress && s.Remote != c.remote().String() {
		return LoginFailed
	}
	c.sess = s
	if s.User == "" {
		if !c.set.Anonymous {
			return LoginFailed
		}
		if c.cmd.who == users {
			return c.noUser(true)
		}
		return c.mayWrite()
	}
	if !c.holds(s) {
		c.sessions.End(c.id)
		return LoginFailed
	}
	p, err := c.Handler.people.Person(c.ctx, s.User)
	switch {
	case errors.Is(err, calendar.NotFound) || err == nil && (!p.Active || p.ID != s.User || !calendar.SameEntry(s.Entry, p.Entry)):
		c.sessions.End(c.id)
		return LoginFailed
	case err != nil:
		return err
	}
	c.me, c.who = p, p.ActorVia("wcap", c.r.UserAgent())
	c.who.Proxy = s.By
	c.obey(calendar.DomainsOf(c.Handler.people).Of(p.ID))
	if app := c.p.text("appid"); len(app) <= maxAppID && !calendar.BadText(app) {
		c.who.App = app
	}
	return nil
}

// holds tells whether whoever opened a session could still do so.
func (c *call) holds(s session.Session) bool {
	return c.stands(c.ctx, cmp.Or(s.By, s.User), s.Credential)
}

// mayWrite refuses what changes something to the anonymous, unless the site
// lets them; the calendar's list decides then.
func (c *call) mayWrite() error {
	if c.cmd.writes && !c.set.AnonymousWrite {
		return AccessDenied
	}
	return nil
}

// noUser answers the anonymous where users are asked for.
func (c *call) noUser(session bool) error {
	switch {
	case c.cmd.denied != 0 && (session || c.set.Anonymous):
		return c.cmd.denied
	case session:
		return AccessDenied
	}
	return LoginFailed
}

// takeID reads the session id: the parameter, or the cookie. A cookie counts
// for what changes nothing, and for the rest only in a request that the
// browser says came from one of our own pages: anybody's page can make a
// browser send it (CSRF).
func (c *call) takeID() bool {
	if x, ok := c.p.find("id"); ok && x.raw != "" {
		c.id = session.ID(x.exact())
		return true
	}
	if !c.set.Cookies {
		return false
	}
	k, err := c.r.Cookie(cookieName)
	if err != nil || k.Value == "" || c.cmd.writes && !c.sameOrigin() {
		return false
	}
	c.id = session.ID(k.Value)
	return true
}

// sameOrigin reports whether the request was made by a page of this host.
func (c *call) sameOrigin() bool {
	if site := c.r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "same-origin"
	}
	from := c.r.Header.Get("Origin")
	if from == "" {
		return false
	}
	u, err := url.Parse(from)
	return err == nil && u.Host != "" && (u.Host == c.r.Host || strings.EqualFold(from, c.set.PublicURL))
}

// secure reports whether the client reached us over TLS.
func (c *call) secure() bool {
	return c.set.SecureCookies || c.r.TLS != nil || c.set.ForwardedRequest && c.r.Header.Get("X-Forwarded-Proto") == "https"
}

// setCookie gives a page of ours the session, or takes it back. Nobody else's
// page can log a browser in, and other clients use the id.
func (c *call) setCookie(id session.ID) {
	if !c.set.Cookies || !c.sameOrigin() {
		return
	}
	k := &http.Cookie{Name: cookieName, Value: id.Reveal(), Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: c.secure()}
	if id == "" {
		if _, err := c.r.Cookie(cookieName); err != nil {
			return
		}
		k.MaxAge = -1
	}
	http.SetCookie(c.out.w, k)
}

// maxAppID is the longest appid that is passed on.
const maxAppID = 200
