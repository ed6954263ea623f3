package main

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

// remoteCalendar is a calendar collection of another server.
type remoteCalendar struct {
	Href        string   `json:"href"`
	Name        string   `json:"name,omitempty"`
	Description string   `json:"description,omitempty"`
	Color       string   `json:"color,omitempty"`
	Order       string   `json:"order,omitempty"`
	Timezone    string   `json:"timezone,omitempty"`
	Components  []string `json:"components,omitempty"`
	Transparent bool     `json:"transparent,omitempty"`
}

// address turns what a user knows of his server into a URL: one itself, a host
// or mail domain with SRV records (RFC 6764 §6), or just a host.
func address(ctx context.Context, s string) string {
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

// home finds the calendar home of the user: from the given URL if that is a
// DAV resource, else from /.well-known/caldav. RFC 6764 §6, RFC 5397, RFC 4791 §6.2.1.
func (c *davClient) home(ctx context.Context) (principal, home string, err error) {
	wc, err := webdav.NewClient(c, c.base.String())
	if err != nil {
		return "", "", err
	}
	if principal, err = wc.FindCurrentUserPrincipal(ctx); err != nil || principal == "" {
		first := err
		root, err := c.wellKnown(ctx)
		if err == nil {
			if wc, err = webdav.NewClient(c, root.String()); err == nil {
				principal, err = wc.FindCurrentUserPrincipal(ctx)
			}
		}
		if err != nil || principal == "" {
			return "", "", fmt.Errorf("find the user at %s: %w", c.base, errors.Join(first, err))
		}
		c.base = root
	}
	res, _, err := c.multi(ctx, "PROPFIND", principal, "0",
		`<d:propfind xmlns:d="DAV:" xmlns:c="`+nsCalDAV+`"><d:prop><c:calendar-home-set/></d:prop></d:propfind>`)
	if err != nil {
		return principal, "", err
	}
	for i := range res {
		if home = res[i].props[nsCalDAV+" calendar-home-set"].href; home != "" {
			return principal, home, nil
		}
	}
	return principal, "", fmt.Errorf("%s names no calendar home: is CalDAV switched on there?", principal)
}

// wellKnown asks where CalDAV is on the host. RFC 6764 §5.
func (c *davClient) wellKnown(ctx context.Context) (*url.URL, error) {
	r, err := c.send(ctx, "PROPFIND", "/.well-known/caldav",
		`<?xml version="1.0" encoding="utf-8"?><d:propfind xmlns:d="DAV:"><d:prop><d:current-user-principal/></d:prop></d:propfind>`, "Depth", "0")
	if err == nil {
		err = r.want("PROPFIND", http.StatusMultiStatus)
	}
	if err != nil {
		return nil, err
	}
	return r.url, nil
}

// calendars lists the calendars of a home.
func (c *davClient) calendars(ctx context.Context, home string) (out []remoteCalendar, err error) {
	res, _, err := c.multi(ctx, "PROPFIND", home, "1", `<d:propfind xmlns:d="DAV:" xmlns:c="`+nsCalDAV+`" xmlns:a="`+nsApple+`">`+
		`<d:prop><d:resourcetype/><d:displayname/><c:calendar-description/><c:calendar-timezone/><c:supported-calendar-component-set/>`+
		`<c:schedule-calendar-transp/><a:calendar-color/><a:calendar-order/></d:prop></d:propfind>`)
	if err != nil {
		return nil, err
	}
	for i := range res {
		r := &res[i]
		if !r.has(nsDAV, "resourcetype", nsCalDAV, "calendar") {
			continue
		}
		rc := remoteCalendar{
			Href: r.href, Name: r.property(nsDAV, "displayname"), Description: r.property(nsCalDAV, "calendar-description"),
			Color: r.property(nsApple, "calendar-color"), Order: r.property(nsApple, "calendar-order"),
			Timezone:    string(r.props[nsCalDAV+" calendar-timezone"].octets()),
			Transparent: r.has(nsCalDAV, "schedule-calendar-transp", nsCalDAV, "transparent"),
		}
		for _, k := range r.props[nsCalDAV+" supported-calendar-component-set"].kids {
			if name, ok := strings.CutPrefix(k, "comp "); ok && !slices.Contains(rc.Components, name) {
				rc.Components = append(rc.Components, name)
			}
		}
		out = append(out, rc)
	}
	return out, nil
}

// members lists the objects of a calendar with their ETags.
func (c *davClient) members(ctx context.Context, href string) (map[string]string, error) {
	res, _, err := c.multi(ctx, "PROPFIND", href, "1",
		`<d:propfind xmlns:d="DAV:"><d:prop><d:getetag/><d:resourcetype/></d:prop></d:propfind>`)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for i := range res {
		r := &res[i]
		if r.has(nsDAV, "resourcetype", nsDAV, "collection") || strings.TrimRight(r.href, "/") == strings.TrimRight(href, "/") {
			continue
		}
		out[r.href] = r.property(nsDAV, "getetag")
	}
	return out, nil
}

// fetched is the text of a remote object, or why there is none.
type fetched struct {
	href, etag string
	data       []byte
	err        error
}

// multigetSize is how many objects one request asks for.
const multigetSize = 50

// fetch gets objects, many in one request where the server can do that, one
// by one otherwise. RFC 4791 §7.9.
func (c *davClient) fetch(ctx context.Context, calendar string, hrefs []string, emit func(fetched) error) error {
	for part := range slices.Chunk(hrefs, multigetSize) {
		got, err := c.multiget(ctx, calendar, part)
		if err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
		for _, href := range part {
			f, ok := got[href]
			if !ok || f.err != nil || len(f.data) == 0 {
				f = c.get(ctx, href)
			}
			if err := emit(f); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *davClient) multiget(ctx context.Context, calendar string, hrefs []string) (map[string]fetched, error) {
	var b strings.Builder
	b.WriteString(`<c:calendar-multiget xmlns:d="DAV:" xmlns:c="` + nsCalDAV + `"><d:prop><d:getetag/><c:calendar-data/></d:prop>`)
	for _, h := range hrefs {
		b.WriteString("<d:href>" + xmlText(h) + "</d:href>")
	}
	b.WriteString("</c:calendar-multiget>")
	res, _, err := c.multi(ctx, "REPORT", calendar, "1", b.String())
	if err != nil {
		return nil, err
	}
	out := map[string]fetched{}
	for i := range res {
		r := &res[i]
		if p, ok := r.props[nsCalDAV+" calendar-data"]; ok {
			out[r.href] = fetched{href: r.href, etag: r.property(nsDAV, "getetag"), data: p.octets()}
		}
	}
	return out, nil
}

func (c *davClient) get(ctx context.Context, href string) fetched {
	f := fetched{href: href}
	r, err := c.send(ctx, "GET", href, "")
	if err == nil {
		err = r.want("GET", http.StatusOK)
	}
	if err != nil {
		f.err = err
		return f
	}
	f.etag, f.data = r.header.Get("ETag"), r.body
	return f
}
