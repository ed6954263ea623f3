package davclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/emersion/go-webdav"
	"github.com/emersion/go-webdav/caldav"
)

// Calendar is a calendar collection of another server.
type Calendar struct {
	Href        string   `json:"href"`
	Name        string   `json:"name,omitempty"`
	Description string   `json:"description,omitempty"`
	Color       string   `json:"color,omitempty"`
	Order       string   `json:"order,omitempty"`
	Timezone    string   `json:"timezone,omitempty"`
	Components  []string `json:"components,omitempty"`
	Transparent bool     `json:"transparent,omitempty"`
	TZID        string   `json:"tzid,omitempty"` // instead of Timezone, where only its name is known
	File        string   `json:"file,omitempty"` // where it was read from a file or directory: its name, without extension
}

// Address turns what a user knows of his server into a URL: one itself, a host
// or mail domain with SRV records (RFC 6764 §6), or just a host.
func Address(ctx context.Context, s string) string {
	if strings.Contains(s, "://") {
		return s
	}
	host := s[strings.LastIndexByte(s, '@')+1:]
	if !strings.ContainsAny(host, "/:") {
		if u, err := caldav.DiscoverContextURL(ctx, host); err == nil {
			return u
		}
	}
	return "https://" + host
}

// Home finds the calendar home of the user: from the given URL if that is a
// DAV resource, else from /.well-known/caldav. RFC 6764 §6, RFC 5397, RFC 4791 §6.2.1.
func (c *Client) Home(ctx context.Context) (principal, home string, err error) {
	wc, err := webdav.NewClient(c, c.Base.String())
	if err != nil {
		return "", "", err
	}
	if principal, err = wc.FindCurrentUserPrincipal(ctx); err != nil || principal == "" {
		first := err
		root, err := c.WellKnown(ctx)
		if err == nil {
			if wc, err = webdav.NewClient(c, root.String()); err == nil {
				principal, err = wc.FindCurrentUserPrincipal(ctx)
			}
		}
		if err != nil || principal == "" {
			return "", "", fmt.Errorf("find the user at %s: %w", c.Base, errors.Join(first, err))
		}
		c.Base = root
	}
	res, _, err := c.Multi(ctx, "PROPFIND", principal, "0",
		`<d:propfind xmlns:d="DAV:" xmlns:c="`+NSCalDAV+`"><d:prop><c:calendar-home-set/></d:prop></d:propfind>`)
	if err != nil {
		return principal, "", err
	}
	for i := range res {
		if home = res[i].props[NSCalDAV+" calendar-home-set"].href; home != "" {
			return principal, home, nil
		}
	}
	return principal, "", fmt.Errorf("%s names no calendar home: is CalDAV switched on there?", principal)
}

// WellKnown asks where CalDAV is on the host. RFC 6764 §5.
func (c *Client) WellKnown(ctx context.Context) (*url.URL, error) {
	r, err := c.Send(ctx, "PROPFIND", "/.well-known/caldav",
		`<?xml version="1.0" encoding="utf-8"?><d:propfind xmlns:d="DAV:"><d:prop><d:current-user-principal/></d:prop></d:propfind>`, "Depth", "0")
	if err == nil {
		err = r.Want("PROPFIND", http.StatusMultiStatus)
	}
	if err != nil {
		return nil, err
	}
	return r.URL, nil
}

// Calendars lists the calendars of a home.
func (c *Client) Calendars(ctx context.Context, home string) (out []Calendar, err error) {
	res, _, err := c.Multi(ctx, "PROPFIND", home, "1", `<d:propfind xmlns:d="DAV:" xmlns:c="`+NSCalDAV+`" xmlns:a="`+NSApple+`">`+
		`<d:prop><d:resourcetype/><d:displayname/><c:calendar-description/><c:calendar-timezone/><c:supported-calendar-component-set/>`+
		`<c:schedule-calendar-transp/><a:calendar-color/><a:calendar-order/></d:prop></d:propfind>`)
	if err != nil {
		return nil, err
	}
	for i := range res {
		r := &res[i]
		if !r.Has(NSDAV, "resourcetype", NSCalDAV, "calendar") {
			continue
		}
		rc := Calendar{
			Href: r.Href, Name: r.Text(NSDAV, "displayname"), Description: r.Text(NSCalDAV, "calendar-description"),
			Color: r.Text(NSApple, "calendar-color"), Order: r.Text(NSApple, "calendar-order"),
			Timezone:    string(r.props[NSCalDAV+" calendar-timezone"].octets()),
			Transparent: r.Has(NSCalDAV, "schedule-calendar-transp", NSCalDAV, "transparent"),
		}
		for _, k := range r.props[NSCalDAV+" supported-calendar-component-set"].kids {
			if name, ok := strings.CutPrefix(k, "comp "); ok && !slices.Contains(rc.Components, name) {
				rc.Components = append(rc.Components, name)
			}
		}
		out = append(out, rc)
	}
	return out, nil
}

// Members lists the objects of a calendar with their ETags.
func (c *Client) Members(ctx context.Context, href string) (map[string]string, error) {
	res, _, err := c.Multi(ctx, "PROPFIND", href, "1",
		`<d:propfind xmlns:d="DAV:"><d:prop><d:getetag/><d:resourcetype/></d:prop></d:propfind>`)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for i := range res {
		r := &res[i]
		if r.Has(NSDAV, "resourcetype", NSDAV, "collection") || strings.TrimRight(r.Href, "/") == strings.TrimRight(href, "/") {
			continue
		}
		out[r.Href] = r.Text(NSDAV, "getetag")
	}
	return out, nil
}

// Object is the text of a remote object, or why there is none.
type Object struct {
	Href, ETag string
	Data       []byte
	Err        error
}

// multigetSize is how many objects one request asks for.
const multigetSize = 50

// Fetch gets objects, many in one request where the server can do that, one
// by one otherwise. RFC 4791 §7.9.
func (c *Client) Fetch(ctx context.Context, calendar string, hrefs []string, emit func(Object) error) error {
	for part := range slices.Chunk(hrefs, multigetSize) {
		got, err := c.Multiget(ctx, calendar, part)
		if err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
		for _, href := range part {
			f, ok := got[href]
			if !ok || f.Err != nil || len(f.Data) == 0 {
				f = c.Get(ctx, href)
			}
			if err := emit(f); err != nil {
				return err
			}
		}
	}
	return nil
}

// Multiget gets objects by one request; what is not there is not in the answer.
func (c *Client) Multiget(ctx context.Context, calendar string, hrefs []string) (map[string]Object, error) {
	var b strings.Builder
	b.WriteString(`<c:calendar-multiget xmlns:d="DAV:" xmlns:c="` + NSCalDAV + `"><d:prop><d:getetag/><c:calendar-data/></d:prop>`)
	for _, h := range hrefs {
		b.WriteString("<d:href>" + Escape(h) + "</d:href>")
	}
	b.WriteString("</c:calendar-multiget>")
	res, _, err := c.Multi(ctx, "REPORT", calendar, "1", b.String())
	if err != nil {
		return nil, err
	}
	out := map[string]Object{}
	for i := range res {
		r := &res[i]
		if p, ok := r.props[NSCalDAV+" calendar-data"]; ok {
			out[r.Href] = Object{Href: r.Href, ETag: r.Text(NSDAV, "getetag"), Data: p.octets()}
		}
	}
	return out, nil
}

// Get gets one object.
func (c *Client) Get(ctx context.Context, href string) Object {
	f := Object{Href: href}
	r, err := c.Send(ctx, "GET", href, "")
	if err == nil {
		err = r.Want("GET", http.StatusOK)
	}
	if err != nil {
		f.Err = err
		return f
	}
	f.ETag, f.Data = r.Header.Get("ETag"), r.Body
	return f
}
