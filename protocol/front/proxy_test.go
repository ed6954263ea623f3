package front

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// What a trusted proxy says of the client, and of the name that it asked for,
// counts; what clients say of themselves does not.
func TestWhatProxiesSay(t *testing.T) {
	type saw struct{ remote, host, proto string }
	var got saw
	s := serve(t, Options{Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}}, func(w http.ResponseWriter, r *http.Request) {
		got = saw{r.RemoteAddr, r.Host, r.Header.Get("X-Forwarded-Proto")}
	})
	wary := serve(t, Options{}, func(w http.ResponseWriter, r *http.Request) { got = saw{r.RemoteAddr, r.Host, ""} })
	for name, c := range map[string]struct {
		headers []string
		want    saw
	}{
		"one proxy":            {[]string{"X-Forwarded-For", "192.0.2.7", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "cal.example.com"}, saw{"192.0.2.7:0", "cal.example.com", "https"}},
		"an address with port": {[]string{"X-Forwarded-For", "192.0.2.7:4711", "X-Forwarded-Host", "cal.example.com:8443"}, saw{"192.0.2.7:0", "cal.example.com:8443", ""}},
		"IPv6 with port":       {[]string{"X-Forwarded-For", "[2001:db8::1]:4711"}, saw{"[2001:db8::1]:0", "", ""}},
		"IPv6 in brackets":     {[]string{"X-Forwarded-For", "[2001:db8::1]"}, saw{"[2001:db8::1]:0", "", ""}},
		"a port":               {[]string{"X-Forwarded-For", "192.0.2.7", "X-Forwarded-Host", "cal.example.com", "X-Forwarded-Port", "8443"}, saw{"192.0.2.7:0", "cal.example.com:8443", ""}},
		"the usual port":       {[]string{"X-Forwarded-For", "192.0.2.7", "X-Forwarded-Host", "cal.example.com", "X-Forwarded-Port", "443"}, saw{"192.0.2.7:0", "cal.example.com", ""}},
		"a client's own words before the proxy's": {[]string{"X-Forwarded-For", "203.0.113.1, 192.0.2.7", "X-Forwarded-Host", "evil.example, cal.example.com", "X-Forwarded-Proto", "http, https"},
			saw{"192.0.2.7:0", "cal.example.com", "https"}},
		"two proxies":           {[]string{"X-Forwarded-For", "192.0.2.7, 10.1.1.1", "X-Forwarded-Host", "evil.example, cal.example.com, inner.example", "X-Forwarded-Proto", "https, http"}, saw{"192.0.2.7:0", "cal.example.com", "https"}},
		"two proxies, one word": {[]string{"X-Forwarded-For", "192.0.2.7, 10.1.1.1", "X-Forwarded-Host", "cal.example.com", "X-Forwarded-Proto", "https"}, saw{"192.0.2.7:0", "cal.example.com", "https"}},
		"Forwarded":             {[]string{"Forwarded", `for=192.0.2.7;proto=https;host=cal.example.com`}, saw{"192.0.2.7:0", "cal.example.com", "https"}},
		"Forwarded, quoted":     {[]string{"Forwarded", `For="[2001:db8::1]:4711"; Proto=HTTPS ; host="cal.example.com:8443" ;by=_x`}, saw{"[2001:db8::1]:0", "cal.example.com:8443", "https"}},
		"Forwarded twice":       {[]string{"Forwarded", `for=203.0.113.1;host=evil.example, for=192.0.2.7;host=cal.example.com;proto=https, for="10.1.1.1";host=inner.example`}, saw{"192.0.2.7:0", "cal.example.com", "https"}},
		"Forwarded, hidden":     {[]string{"Forwarded", `for=_secret;host=cal.example.com`}, saw{"127.0.0.1", "cal.example.com", ""}},
		"Forwarded beside X-":   {[]string{"X-Forwarded-For", "192.0.2.7", "Forwarded", `for=203.0.113.1;host=evil.example`}, saw{"192.0.2.7:0", "", ""}},
		"Forwarded, broken":     {[]string{"Forwarded", `for="192.0.2.7;host=,;;=`}, saw{"127.0.0.1", "", ""}},
		"no name":               {[]string{"X-Forwarded-For", "192.0.2.7", "X-Forwarded-Host", "a b"}, saw{"192.0.2.7:0", "", ""}},
		"a name with a path":    {[]string{"X-Forwarded-For", "192.0.2.7", "X-Forwarded-Host", "cal.example.com/x"}, saw{"192.0.2.7:0", "", ""}},
	} {
		if c.want.host == "" {
			c.want.host = s.addr
		}
		s.ask(t, "GET", "/dav/", nil, c.headers...)
		if c.want.remote == "127.0.0.1" {
			got.remote = got.remote[:min(len(got.remote), len("127.0.0.1"))]
		}
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
		wary.ask(t, "GET", "/dav/", nil, c.headers...)
		if got.host != wary.addr || got.remote[:9] != "127.0.0.1" {
			t.Errorf("%s: anybody is believed: %+v", name, got)
		}
	}
}

func FuzzForwarded(f *testing.F) {
	f.Add(`for="[2001:db8::1]:4711";proto=https;host=a, for=_x`)
	f.Add(`=;,"`)
	f.Fuzz(func(t *testing.T, v string) {
		a, p, h := forwarded([]string{v})
		if len(a) != len(p) || len(p) != len(h) || len(a) > len(v)+1 {
			t.Errorf("%q: %q %q %q", v, a, p, h)
		}
	})
}

// The page tells what clients reach the server by, whatever the proxy's Host is.
func TestPageTellsThePublicAddress(t *testing.T) {
	for public, want := range map[string]string{"": "", "https://cal.example.com": "https://cal.example.com/", "http://cal.example.com:8080": "http://cal.example.com:8080/"} {
		s := serve(t, Options{PublicURL: public}, func(http.ResponseWriter, *http.Request) {})
		if want == "" {
			want = s.url + "/"
		}
		if _, page := s.ask(t, "GET", "/", nil); !strings.Contains(page, want) {
			t.Errorf("%q: the page lacks %s:\n%s", public, want, page)
		}
	}
}
