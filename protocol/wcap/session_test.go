package wcap

import (
	"context"
	"factotum/server/calendar"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestWCAP_13_Login: the order of the answer, and nothing but errno 1 for who
// does not get in.
func TestWCAP_13_Login(t *testing.T) {
	s := newSite(t)
	r := s.get("login.wcap?user=anna&password=anna").errno(0)
	order := []string{"X-NSCP-WCAP-SESSION-ID:", "X-NSCP-WCAP-USER-ID:anna", "X-NSCP-WCAP-CALENDAR-ID:anna", "X-NSCP-RECURRENCE-BOUND:60", "X-NSCP-WCAP-ERRNO:0"}
	from := 0
	for _, o := range order {
		i := strings.Index(r.body[from:], o)
		if i < 0 {
			t.Fatalf("no %s in order in\n%s", o, r.body)
		}
		from += i
	}
	if !strings.Contains(r.body, "\r\nX-NSCP-WCAP-USER-ID") || !strings.HasPrefix(strings.SplitN(r.body, "SESSION-ID:", 2)[1][26:], "\r\nX-NSCP-WCAP-USER-ID") {
		t.Error("USER-ID does not follow the session id at once")
	}
	for _, q := range []string{"user=anna&password=x", "user=nobody&password=nobody", "user=anna", "password=anna", "", "user=room1&password=room1",
		"user=anna%00&password=ben", "user=anna&password=anna%00", "user=anna%00&password=anna", "user=an%0Dna&password=anna",
		"user=%09anna&password=anna", "user=anna%0A&password=anna", "user=anna%7F&password=anna", "user=anna%C2%85&password=anna", "user=anna%85&password=anna"} {
		s.get("login.wcap?" + q).errno(1).lacks("SESSION-ID")
		s.get("login.wcap?fmt-out=text/xml&" + q).errno(1).lacks("SESSION-ID")
	}
	s.post("login.wcap", "application/x-www-form-urlencoded", "user=anna&password=anna").errno(0)
	s.post("wcap/login.wcap", "multipart/form-data; boundary=X", "--X\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\nanna\r\n--X\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nanna\r\n--X--\r\n").errno(0)
}

func TestProxyLogin(t *testing.T) {
	s := newSite(t)
	r := s.get("login.wcap?user=root&password=root&proxyauth=ben").errno(0)
	if r.value("X-NSCP-WCAP-USER-ID") != "ben" || r.value("X-NSCP-WCAP-CALENDAR-ID") != "ben" {
		t.Errorf("got\n%s", r.body)
	}
	sid := r.value("X-NSCP-WCAP-SESSION-ID")
	s.get("ping.wcap?id=" + sid).errno(28) // ben's rights, not root's
	s.get("login.wcap?user=anna&password=anna&proxyauth=ben").errno(1)
	s.get("login.wcap?user=root&password=wrong&proxyauth=ben").errno(1)
	s.get("login.wcap?user=root&password=root&proxyauth=nobody").errno(1)
	s.get("login.wcap?user=root&password=root&proxyauth=ben%00").errno(1)
	s.do("root", "get_userprefs.wcap?userid=ben%00").errno(44)
	off := newSite(t, func(o *Options) { o.Settings.ProxyLogin = false })
	off.get("login.wcap?user=root&password=root&proxyauth=ben").errno(1)
	for from, errno := range map[string]int{"192.0.2.0/24": 0, "198.51.100.0/24": 1} { // requests come from 192.0.2.1
		s := newSite(t, func(o *Options) { o.Settings.ProxyFrom = []netip.Prefix{netip.MustParsePrefix(from)} })
		s.get("login.wcap?user=root&password=root&proxyauth=ben").errno(errno)
		s.get("login.wcap?user=root&password=root").errno(0)
	}
}

// Who has to wait after failures gets an errno of its own, and is told how long.
func TestLoginThatMustWait(t *testing.T) {
	s := newSite(t, func(o *Options) {
		o.Login = func(context.Context, string, string, netip.Addr) (calendar.Person, error) {
			return calendar.Person{}, &calendar.Error{Kind: calendar.MustWait, Op: "log in", After: 31 * time.Second}
		}
	})
	for _, form := range []string{"text/calendar", "text/xml", "text/json"} {
		r := s.get("login.wcap?user=anna&password=anna&fmt-out=" + form).errno(11000).lacks("SESSION-ID")
		if got := r.header.Get("Retry-After"); got != "31" {
			t.Errorf("%s: Retry-After %q", form, got)
		}
	}
}

func TestAnonymous(t *testing.T) {
	s := newSite(t)
	r := s.get("login.wcap?user=anonymous&password=whatever").errno(0)
	if r.value("X-NSCP-WCAP-USER-ID") != "anonymous" {
		t.Errorf("got\n%s", r.body)
	}
	s.get("gettime.wcap").errno(0)
	s.get("ping.wcap").errno(1)
	s.get("ping.wcap?id=" + r.value("X-NSCP-WCAP-SESSION-ID")).errno(28)
	off := newSite(t, func(o *Options) { o.Settings.Anonymous = false })
	off.get("login.wcap?user=anonymous&password=x").errno(1)
	off.get("gettime.wcap").errno(1)
	off.get("version.wcap")
}

// TestWCAP_13_Sessions: an unknown or expired id is errno 1, for every command.
func TestWCAP_13_Sessions(t *testing.T) {
	s := newSite(t)
	id := s.as("anna")
	s.get("gettime.wcap?id=" + id).errno(0)
	for _, bad := range []string{"x", strings.Repeat("a", 26), strings.Repeat("b", 1<<16), "%00", "..%2F" + id, id + "a"} {
		s.get("gettime.wcap?id=" + bad).errno(1)
		s.get("check_id.wcap?id=" + bad).contains("X-NSCP-WCAP-CHECK-ID:0")
	}
	s.get("check_id.wcap?id=" + id).contains("X-NSCP-WCAP-CHECK-ID:1")
	s.get("check_id.wcap").contains("X-NSCP-WCAP-CHECK-ID:0")
	s.clock.Add(31 * time.Minute)
	s.get("gettime.wcap?id=" + id).errno(1)
	s.get("gettime.wcap?id=" + id + "&fmt-out=text/xml").errno(1)
}

func TestWCAP_13_Logout(t *testing.T) {
	s := newSite(t)
	id := s.as("anna")
	s.get("logout.wcap?fmt-out=text/xml&id=" + id).errno(-1)
	s.get("gettime.wcap?id=" + id).errno(1)
	s.get("logout.wcap?id=" + id).errno(1)
	s.get("logout.wcap").errno(1)
}

func TestWCAP_13_Ping(t *testing.T) {
	s := newSite(t)
	s.do("root", "ping.wcap").errno(0)
	s.do("anna", "ping.wcap").errno(28)
}

func TestDisabledUser(t *testing.T) {
	s := newSite(t)
	id := s.as("ben")
	ben := s.people["ben"]
	ben.Active = false
	s.people["ben"] = ben
	s.get("gettime.wcap?id=" + id).errno(1)
	ben.Active = true
	s.people["ben"] = ben
	s.get("gettime.wcap?id=" + id).errno(1) // the session ended for good
}

// A session ends with the password that opened it, and with the administrator's
// if he opened it for somebody else.
func TestSessionEndsWithThePassword(t *testing.T) {
	now := map[string]string{"anna": "1", "root": "1"} // versions of passwords
	s := newSite(t, func(o *Options) {
		o.Credential = func(_ context.Context, id, password string) string { return id + password + now[id] }
		o.Stands = func(_ context.Context, id, credential string) bool { return credential == id+id+now[id] }
	})
	sid := func(query string) string {
		return s.get("login.wcap?" + query).errno(0).value("X-NSCP-WCAP-SESSION-ID")
	}
	anna, forBen := sid("user=anna&password=anna"), sid("user=root&password=root&proxyauth=ben")
	anonymous := sid("user=anonymous&password=x")
	alive := func(id string, errno int) {
		t.Helper()
		s.get("check_id.wcap?id=" + id).contains("X-NSCP-WCAP-CHECK-ID:" + map[int]string{0: "1", 1: "0"}[errno])
		s.get("gettime.wcap?id=" + id).errno(errno)
	}
	alive(anna, 0)
	alive(forBen, 0)
	now["anna"] = "2"
	alive(anna, 1)
	now["anna"] = "1"
	alive(anna, 1) // it ended for good
	alive(forBen, 0)
	now["root"] = "2"
	alive(forBen, 1)
	alive(anonymous, 0)
}

func TestBoundAddress(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Settings.BindAddress = true })
	id := s.as("anna")
	s.get("gettime.wcap?id=" + id).errno(0)
	r := httptest.NewRequest("GET", "http://cal.example.com/gettime.wcap?id="+id, nil)
	r.RemoteAddr = "203.0.113.9:1234"
	s.send(r).errno(1)
}

func TestCookie(t *testing.T) {
	s := newSite(t)
	if got := s.get("login.wcap?user=anna&password=anna").errno(0).header.Get("Set-Cookie"); got != "" {
		t.Errorf("a cookie for no page of ours: %s", got)
	}
	login := httptest.NewRequest("GET", "http://cal.example.com/login.wcap?user=anna&password=anna", nil)
	login.Header.Set("Sec-Fetch-Site", "same-origin")
	r := s.send(login).errno(0)
	set := r.header.Get("Set-Cookie")
	for _, want := range []string{"HttpOnly", "SameSite=Strict", "Path=/"} {
		if !strings.Contains(set, want) {
			t.Errorf("cookie %q without %s", set, want)
		}
	}
	ask := func(path string, headers ...string) *reply {
		q := httptest.NewRequest("GET", "http://cal.example.com/"+path, nil)
		q.AddCookie(&http.Cookie{Name: cookieName, Value: r.value("X-NSCP-WCAP-SESSION-ID")})
		for i := 0; i < len(headers); i += 2 {
			q.Header.Set(headers[i], headers[i+1])
		}
		return s.send(q)
	}
	ask("gettime.wcap").errno(0)
	for _, c := range []struct {
		headers []string
		errno   int
	}{
		{nil, 1},
		{[]string{"Sec-Fetch-Site", "cross-site"}, 1},
		{[]string{"Sec-Fetch-Site", "same-site"}, 1},
		{[]string{"Origin", "https://evil.example"}, 1},
		{[]string{"Origin", "null"}, 1},
		{[]string{"Sec-Fetch-Site", "cross-site", "Origin", "http://cal.example.com"}, 1},
		{[]string{"Origin", "http://cal.example.com"}, -1},
	} {
		ask("logout.wcap", c.headers...).errno(c.errno)
	}
}

// A page of the public name is one of this host, whatever Host a proxy passes on.
func TestPagesBehindAProxy(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Settings.PublicURL = "https://public.example.org" })
	for origin, want := range map[string]int{"https://evil.example.org": 1, "http://public.example.org": 1, "https://public.example.org": -1} {
		q := httptest.NewRequest("GET", "http://127.0.0.1:8008/logout.wcap", nil)
		q.AddCookie(&http.Cookie{Name: cookieName, Value: s.get("login.wcap?user=anna&password=anna&fmt-out=text/calendar").value("X-NSCP-WCAP-SESSION-ID")})
		q.Header.Set("Origin", origin)
		s.send(q).errno(want)
	}
}

// TestAnonymousWrite: the anonymous change what a list lets everybody change,
// if the site wants that.
func TestAnonymousWrite(t *testing.T) {
	file := strings.ReplaceAll(simpleEvent("e", "20260303T090000Z"), "\n", "\r\n")
	for _, allowed := range []bool{true, false} {
		s := newSite(t, func(o *Options) { o.Settings.AnonymousWrite = allowed })
		s.do("anna", "set_calprops.wcap?calid=anna&acl=@^a^rw^g").errno(0)
		want := 28
		if allowed {
			want = 0
		}
		s.post("import.wcap?calid=anna&content-in=text/calendar", "text/calendar", file).errno(want)
		anon := s.get("login.wcap?user=anonymous").value("X-NSCP-WCAP-SESSION-ID")
		s.post("import.wcap?calid=anna&content-in=text/calendar&id="+anon, "text/calendar", file).errno(want)
		s.do("anna", "set_calprops.wcap?calid=anna&acl=@^a^r^g").errno(0)
		s.post("import.wcap?calid=anna&content-in=text/calendar", "text/calendar", file).errno(28)
	}
}

func TestCommandOf(t *testing.T) {
	for path, want := range map[string]string{
		"/login.wcap": "login", "/wcap/login.wcap": "login", "/iwc/svc/wcap/login.wcap": "login",
		"/x/login.wcap": "", "/": "", "/.wcap": "", "/login": "", "/wcap/a/b.wcap": "", "//login.wcap": "", "": "",
	} {
		if got, ok := CommandOf(path); got != want && ok || ok != (want != "") {
			t.Errorf("%q: %q %v", path, got, ok)
		}
	}
}

// actorSeen passes on, and remembers who edited.
type actorSeen struct {
	calendar.Backend
	who calendar.Actor
}

func (b *actorSeen) EditObject(ctx context.Context, who calendar.Actor, req calendar.EditRequest) (calendar.EditResult, error) {
	b.who = who
	return b.Backend.EditObject(ctx, who, req)
}

// TestTheModelIsToldWhoActs: the user, the administrator who logged in for him,
// and how he came.
func TestTheModelIsToldWhoActs(t *testing.T) {
	var be *actorSeen
	s := newSite(t, func(o *Options) { be = &actorSeen{Backend: o.Backend}; o.Backend = be })
	sid := s.get("login.wcap?user=root&password=root&proxyauth=ben").errno(0).value("X-NSCP-WCAP-SESSION-ID")
	s.get("storeevents.wcap?id=" + sid + "&calid=ben&dtstart=20260110T100000Z&summary=x").errno(0)
	if be.who.User != "ben" || be.who.Proxy != "root" || be.who.Via != "wcap" || be.who.Admin {
		t.Errorf("by proxy: %+v", be.who)
	}
	s.get("storeevents.wcap?id=" + s.as("anna") + "&calid=anna&dtstart=20260110T100000Z&summary=x").errno(0)
	if be.who.User != "anna" || be.who.Proxy != "" {
		t.Errorf("by himself: %+v", be.who)
	}
}
