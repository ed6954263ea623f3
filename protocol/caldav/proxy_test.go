package caldav

import (
	"net/http"
	"strings"
	"testing"
)

// Behind a proxy addresses have its name, and it may pass on another Host, or
// one without the port. RFC 4918 §9.8, §10.4, RFC 4791 §7.9.
func TestAddressesBehindAProxy(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	s.do("anna", "PUT", annasCal+"a.ics", event("a", "20260310T090000Z", "x")).is(201)
	s.h.hosts = []string{"public.example.org", "alias.example.org:8443"}
	ask := func(host, method, path, body string, headers ...string) *reply {
		r := newRequest(method, path, strings.NewReader(body), headers...)
		r.Host = host
		return s.send("anna", r)
	}
	for _, c := range []struct {
		host, origin string
		ours         bool
	}{
		{"127.0.0.1:8008", "https://public.example.org", true},
		{"127.0.0.1:8008", "http://PUBLIC.example.org:8080", true}, // ours is without a port
		{"127.0.0.1:8008", "https://alias.example.org:8443", true},
		{"127.0.0.1:8008", "https://alias.example.org", true},
		{"127.0.0.1:8008", "https://alias.example.org:9443", false},
		{"127.0.0.1:8008", "http://127.0.0.1:8008", true},
		{"cal.example.com", "http://cal.example.com:8008", true}, // a Host without port
		{"cal.example.com", "https://user@cal.example.com", true},
		{"cal.example.com:8008", "https://cal.example.com", true},
		{"cal.example.com:8008", "https://cal.example.com:9999", false},
		{"cal.example.com", "https://other.example.org", false},
		{"cal.example.com", "https://public.example.org.evil.example", false},
	} {
		status := map[bool]int{true: 201, false: 502}[c.ours]
		ask(c.host, "COPY", annasCal+"a.ics", "", "Destination: "+c.origin+annasHome+"calendar/b.ics", "Overwrite: F").is(map[bool]int{true: 409, false: 502}[c.ours]) // one UID
		ask(c.host, "MOVE", annasCal+"a.ics", "", "Destination: "+c.origin+annasCal+"b.ics").is(status)
		if c.ours {
			ask(c.host, "MOVE", annasCal+"b.ics", "", "Destination: "+c.origin+annasCal+"a.ics").is(201)
		}
		href := c.origin + annasCal + "a.ics"
		m := ask(c.host, "REPORT", annasCal, multiget([]string{"D:getetag"}, href))
		if found := strings.Contains(m.is(207).body, "<D:href>"+href+"</D:href><D:propstat>"); found != c.ours {
			t.Errorf("%+v: multiget: found: %t\n%s", c, found, m.body)
		}
		now := strings.Trim(s.do("anna", "GET", annasCal+"a.ics", "").header.Get("ETag"), `"`)
		wrong := ask(c.host, "PUT", annasCal+"a.ics", event("a", "20260310T090000Z", "x"), "If: <"+href+`> (["`+now+`"])`)
		wrong.is(map[bool]int{true: 204, false: 412}[c.ours])
	}
}

// A proxy that compresses changes the tag: what comes back counts as ours, and
// nothing else does. RFC 9110 §8.8.3.3, §13.1.
func TestTagsOfProxies(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	path, text := annasCal+"a.ics", event("a", "20260310T090000Z", "x")
	s.do("anna", "PUT", path, text).is(201)
	tag := func() string { return strings.Trim(s.do("anna", "GET", path, "").header.Get("ETag"), `"`) }
	for _, form := range []string{`"%"`, `W/"%"`, `"%-gzip"`, `"%--gzip"`, `"%;gzip"`, `"%-br"`, `"%-zstd"`, `"%-deflate"`, `W/"%-gzip"`, `"%"-gzip`, `"other", W/"%"`} {
		as := func(tag string) string { return strings.ReplaceAll(form, "%", tag) }
		old := tag()
		s.do("anna", "GET", path, "", "If-None-Match: "+as(old)).is(http.StatusNotModified)
		s.do("anna", "PUT", path, text, "If-None-Match: "+as(old)).is(412)
		s.do("anna", "PUT", path, text, "If-Match: "+as(old)).is(204)
		s.do("anna", "PUT", path, text, "If-Match: "+as(old)).is(412)
		s.do("anna", "GET", path, "", "If-None-Match: "+as(old)).is(200)
		if !strings.Contains(form, ",") {
			s.do("anna", "PUT", path, text, "If: (["+as(tag())+"])").is(204)
			s.do("anna", "PUT", path, text, "If: (["+as(old)+"])").is(412)
		}
		s.do("anna", "DELETE", path, "", "If-Match: "+as(old)).is(412)
		s.do("anna", "DELETE", path, "", "If-Match: "+as(tag())).is(204)
		s.do("anna", "PUT", path, text).is(201)
		s.do("anna", "MOVE", path, "", "Destination: "+annasCal+"b.ics", "If-Match: "+as(tag())).is(201)
		s.do("anna", "MOVE", annasCal+"b.ics", "", "Destination: "+path).is(201)
	}
	// A calendar has one, too.
	ctag := s.do("anna", "GET", annasCal, "").header.Get("ETag")
	s.do("anna", "GET", annasCal, "", "If-None-Match: W/"+ctag).is(304)
	s.do("anna", "GET", annasCal, "", "If-None-Match: "+strings.TrimSuffix(ctag, `"`)+`-gzip"`).is(304)
}
