package caldav

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"factotum/protocol/sitetest"
)

// Bodies made to hurt, against every method that reads XML.
func TestHostileDocuments(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	laughs := `<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><D:propfind xmlns:D="DAV:">&b;</D:propfind>`
	for _, method := range []string{"PROPFIND", "PROPPATCH", "REPORT", "MKCOL", "MKCALENDAR", "ACL"} {
		path := annasCal
		if method[0] == 'M' {
			path = annasHome + "new/"
		}
		for name, c := range map[string]struct {
			body   string
			status int
		}{
			"billion laughs":  {laughs, 400},
			"external entity": {`<!DOCTYPE x SYSTEM "http://evil.example.com/x"><x/>`, 403},
			"deep":            {strings.Repeat("<a>", 100_000), 413},
			"wide":            {"<a>" + strings.Repeat("<b/>", 200_000) + "</a>", 413},
			"NUL":             {"<a>\x00</a>", 400},
			"not UTF-8":       {"<a>\xff</a>", 400},
			"UTF-32":          {"\xff\xfe\x00\x00<\x00\x00\x00", 415},
			"not closed":      {"<a><b></a>", 400},
			"text":            {"hello", 400},
		} {
			if got := s.do("anna", method, path, c.body, "Depth: 0").status; got != c.status {
				t.Errorf("%s, %s: %d, want %d", method, name, got, c.status)
			}
		}
		// 100 MB are refused by their announced length.
		r := newRequest(method, path, &endless{}, "Depth: 0")
		r.ContentLength = 100 << 20
		s.send("anna", r).is(413)
	}
	r := newRequest("PUT", annasCal+"a.ics", &endless{})
	r.ContentLength = 100 << 20
	if got := s.send("anna", r).is(403, "C:max-resource-size").header.Get("Connection"); got != "close" {
		t.Errorf("Connection %q: the rest would be read", got)
	}
	many := xmlHead("D:propfind") + "<D:prop>"
	for i := range 2000 {
		many += "<D:p" + strings.Repeat("x", i%50) + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676)) + "/>"
	}
	s.do("anna", "PROPFIND", annasCal, many+"</D:prop></D:propfind>", "Depth: 0").is(413)
	s.do("anna", "PROPFIND", annasCal, propfind("D:resourcetype"), "Depth: 0").is(207)
}

// What is stored cannot break out of the XML or the headers of an answer.
func TestHostileValues(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	evil := `]]></D:displayname><D:evil/>&amp;"'`
	s.do("anna", "PROPPATCH", annasCal, patch("<D:displayname><![CDATA[]]]]><![CDATA[></D:displayname><D:evil/>&amp;\"']]></D:displayname>")).multi()
	m := s.do("anna", "PROPFIND", annasCal, propfind("D:displayname"), "Depth: 0").multi()
	if got := m.text(annasCal, "D:displayname"); got != evil {
		t.Errorf("%q", got)
	}
	name := annasCal + "a%22%3c%26%27%20%25.ics"
	s.do("anna", "PUT", name, event("1", "20260301T000000Z", "]]&gt;]]>")).is(201)
	m = s.do("anna", "PROPFIND", annasCal, propfind("D:getetag"), "Depth: 1").multi()
	if want := annasCal + "a%22%3C%26%27%20%25.ics"; m.order[0] != want {
		t.Errorf("href %q", m.order[0])
	}
	s.do("anna", "MOVE", name, "", "Destination: "+annasCal+"x%0d%0aSet-Cookie:a.ics").is(400)
	p := annasHome + "files/"
	s.do("anna", "MKCOL", p, "").is(201)
	r := newRequest("PUT", p+"f", strings.NewReader("x"))
	r.Header["Content-Type"] = []string{"text/html\r\nSet-Cookie: a=b"}
	s.send("anna", r)
	srv := httptest.NewServer(s.h)
	defer srv.Close()
	req, _ := http.NewRequest("GET", srv.URL+p+"f", nil)
	req.SetBasicAuth("anna", "anna")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.Header.Get("Set-Cookie") != "" {
		t.Error("a header was smuggled in")
	}
}

// Whatever comes, the answer is no 500, and its XML is well-formed.
func FuzzRequest(f *testing.F) {
	h := openSite(f, sitetest.Options{Engine: sitetest.Memory}).h
	f.Add("PROPFIND", annasCal, propfind("D:getetag"), "1", `(["x"])`)
	f.Add("REPORT", annasCal, query(in(march), "D:getetag", "C:calendar-data"), "", "")
	f.Add("REPORT", annasHome, syncBody("urn:factotum:sync:0:0", "", "D:resourcetype"), "", "")
	f.Add("PROPPATCH", annasCal, patch("<D:displayname>x</D:displayname>"), "0", "")
	f.Add("PUT", annasCal+"a.ics", event("1", "20260301T000000Z", "x"), "", "")
	f.Add("COPY", annasCal+"a.ics", "", "infinity", "/dav/calendars/anna/calendar/b.ics")
	f.Add("REPORT", "/dav/principals/", search("", match("D:displayname", "equals", "anna")), "", "")
	f.Add("ACL", annasCal, aclBody(grant("<D:all/>", "<D:read/>")), "", "")
	f.Fuzz(func(t *testing.T, method, path, body, depth, extra string) {
		if !slices.Contains(methods, method) || path == "" || path[0] != '/' || strings.ContainsAny(path, " \r\n?#%\x00") {
			return
		}
		r, err := http.NewRequest(method, "http://cal.example.com"+path, strings.NewReader(body))
		if err != nil {
			return
		}
		r.Header["Depth"], r.Header["If"], r.Header["Destination"] = []string{depth}, []string{extra}, []string{extra}
		s := &site{t: t, h: h}
		if rep := s.send("anna", r); rep.status >= 500 && rep.status != 501 && rep.status != 507 && rep.status != 502 {
			t.Fatalf("%s %s: %d %s", method, path, rep.status, rep.body)
		}
	})
}
