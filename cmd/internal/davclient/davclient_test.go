package davclient

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// serve answers by method and path; what is not there is 404. Requests without
// anna's password are refused.
func serve(t *testing.T, answers map[string]func(w http.ResponseWriter, r *http.Request)) *Client {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "anna" || password != "secret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if f := answers[r.Method+" "+r.URL.Path]; f != nil {
			f(w, r)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(srv.Close)
	c, err := New(Account{Address: srv.URL + "/start", User: "anna", Password: "secret", Agent: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// multistatus answers with responses.
func multistatus(body string) func(w http.ResponseWriter, r *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusMultiStatus)
		fmt.Fprintf(w, `<?xml version="1.0"?><multistatus xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">%s</multistatus>`, body)
	}
}

func response(href, props string) string {
	return "<response><href>" + href + "</href><propstat><prop>" + props + "</prop><status>HTTP/1.1 200 OK</status></propstat></response>"
}

func TestAddresses(t *testing.T) {
	for address, ok := range map[string]bool{
		"http://example.com/": false, "http://127.0.0.1:8008/": true, "http://localhost/": true, "http://[::1]/": true, "https://example.com": true,
		"ftp://example.com/": false, "https://": false, "\x00": false,
	} {
		if _, err := New(Account{Address: address}); (err == nil) != ok {
			t.Errorf("%q: %v", address, err)
		}
	}
	c, err := New(Account{Address: "http://user:pw@example.com/", Plain: true})
	if err != nil || c.Base.String() != "http://example.com/" {
		t.Errorf("%v %v", c.Base, err)
	}
	if got := Address(t.Context(), "anna@[2001:db8::1]/x"); got != "https://[2001:db8::1]/x" {
		t.Error(got)
	}
}

// The calendars are found where the server says, over redirections.
func TestHome(t *testing.T) {
	agents := map[string]bool{}
	c := serve(t, map[string]func(w http.ResponseWriter, r *http.Request){
		"PROPFIND /.well-known/caldav": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/dav", http.StatusMovedPermanently)
		},
		"PROPFIND /dav": multistatus(response("/dav", "<current-user-principal><href>/p/anna</href></current-user-principal>")),
		"PROPFIND /p/anna": func(w http.ResponseWriter, r *http.Request) {
			agents[r.UserAgent()] = true
			multistatus(response("/p/anna", "<C:calendar-home-set><href>/h%20e/</href></C:calendar-home-set>"))(w, r)
		},
		"PROPFIND /h e/": multistatus(response("/h%20e/", "<resourcetype><collection/></resourcetype>") + response("/h%20e/1/",
			`<resourcetype><collection/><C:calendar/></resourcetype><displayname>A &amp; B</displayname><C:supported-calendar-component-set><C:comp name="VTODO"/></C:supported-calendar-component-set>`)),
	})
	principal, home, err := c.Home(t.Context())
	if err != nil || principal != "/p/anna" || home != "/h%20e/" || !agents["test"] {
		t.Errorf("%q %q %v %v", principal, home, agents, err)
	}
	list, err := c.Calendars(t.Context(), home)
	if err != nil || len(list) != 1 || list[0].Href != "/h%20e/1/" || list[0].Name != "A & B" || fmt.Sprint(list[0].Components) != "[VTODO]" {
		t.Errorf("%+v %v", list, err)
	}
	if _, _, err := c.Anonymous().Home(t.Context()); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("without a password: %v", err)
	}
}

// The password goes to the host that was named and to nobody else.
func TestRedirectedElsewhere(t *testing.T) {
	told := ""
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { told = r.Header.Get("Authorization") }))
	defer other.Close()
	c := serve(t, map[string]func(w http.ResponseWriter, r *http.Request){
		"GET /away": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) },
		"GET /loop": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) },
	})
	if r, err := c.Send(t.Context(), "GET", "/away", ""); err != nil || r.Status != http.StatusOK || told != "" {
		t.Errorf("%v %v, told %q", r, err, told)
	}
	if r, err := c.Send(t.Context(), "GET", "/loop", ""); err != nil || r.Status != http.StatusFound {
		t.Errorf("%v %v", r, err)
	}
}

// Texts come as they were written: in entities, in CDATA, with their CRs, by
// one request or one by one.
func TestFetchKeepsOctets(t *testing.T) {
	const text = "BEGIN:VCALENDAR\r\nX:<&> é ]]\r\n\tend\n"
	c := serve(t, map[string]func(w http.ResponseWriter, r *http.Request){
		"REPORT /c/": multistatus(
			response("/c/1", "<getetag>1</getetag><C:calendar-data>BEGIN:VCALENDAR&#13;\nX:&lt;&amp;&gt; &#xe9; ]]\r\n&#9;end\n</C:calendar-data>") +
				response("/c/2", "<getetag>2</getetag><C:calendar-data><![CDATA["+text+"]]></C:calendar-data>")),
		"GET /c/3": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("ETag", "3")
			fmt.Fprint(w, text)
		},
	})
	n := 0
	err := c.Fetch(t.Context(), "/c/", []string{"/c/1", "/c/2", "/c/3", "/c/4"}, func(o Object) error {
		n++
		if o.Href == "/c/4" {
			if o.Err == nil || !strings.Contains(o.Err.Error(), "404") {
				t.Errorf("%+v", o)
			}
		} else if string(o.Data) != text || o.ETag != o.Href[3:] || o.Err != nil {
			t.Errorf("%s: %q %q %v", o.Href, o.ETag, o.Data, o.Err)
		}
		return nil
	})
	if err != nil || n != 4 {
		t.Errorf("%d %v", n, err)
	}
}

func TestBadAnswers(t *testing.T) {
	c := serve(t, map[string]func(w http.ResponseWriter, r *http.Request){
		"PROPFIND /cut": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(207)
			fmt.Fprint(w, "<multistatus><response>")
		},
		"PROPFIND /deep": multistatus(strings.Repeat("<response>", 100)),
		"PROPFIND /text": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") },
	})
	for path, says := range map[string]string{"/cut": "read the answer", "/deep": "nests too deep", "/text": "200 OK", "/none": "404"} {
		if _, err := c.Members(t.Context(), path); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", path, err, says)
		}
	}
}
