package acceptance

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What one request may cost that is not refused at once.
const (
	maxCPU    = 250 * time.Millisecond
	maxMemory = 64 << 20
)

// target is a server under attack, with data that no attack may change.
type target struct {
	*host
	before string
}

func newTarget(t testing.TB, lines ...string) *target {
	t.Helper()
	// Who says nothing more is not waited for long.
	h := installed(t, append([]string{`factotum.http.headertimeout = "2"`, `factotum.http.readtimeout = "2"`, `service.http.idletimeout = "2"`}, lines...)...).start(t)
	h.visit(t, "anna", "ben")
	h.do(t, "anna", "PUT", cal("anna")+"witness.ics", event("witness", "20260301T100000Z", "Witness")).is(201)
	h.do(t, "ben", "PUT", cal("ben")+"witness.ics", event("witness", "20260301T100000Z", "Ben's")).is(201)
	x := &target{host: h}
	x.before = x.look(t)
	return x
}

// look is the state of what is stored.
func (x *target) look(t testing.TB) string {
	t.Helper()
	out := ""
	for _, u := range []string{"anna", "ben"} {
		r := x.do(t, u, "PROPFIND", home(u), propfind("D:displayname", "CS:getctag", "D:resourcetype"), "Depth: 1").is(207)
		out += r.body + x.do(t, u, "GET", cal(u)+"witness.ics", "").is(200).body
	}
	return out
}

// survived checks after an attack: the server answers, its database is clean,
// nothing stored changed.
func (x *target) survived(t testing.TB) {
	t.Helper()
	if after := x.look(t); after != x.before {
		t.Fatalf("what is stored changed:\n%s\nwas\n%s", after, x.before)
	}
	x.healthy(t)
}

// frugal runs f, which has the server answer one request, and checks what that
// cost.
func (x *target) frugal(t testing.TB, what string, f func()) {
	t.Helper()
	x.idle(t)
	x.forgetPeak(t)
	cpu, peak := x.cpu(t), x.memory(t, "VmHWM")
	f()
	if used := x.cpu(t) - cpu; used > maxCPU {
		if may := allowance(t); used > may {
			t.Errorf("%s takes %v of processor time, of %v", what, used, may)
		}
	}
	if grown := x.memory(t, "VmHWM") - peak; grown > maxMemory {
		t.Errorf("%s takes %d MB of memory", what, grown>>20)
	}
}

// allowance is maxCPU, or more where the machine is slow, or others want its caches:
// what it takes to bring 400 MB from one end of a connection to the other.
func allowance(t testing.TB) time.Duration {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		if c, err := net.Dial("tcp", ln.Addr().String()); err == nil {
			io.CopyBuffer(struct{ io.Writer }{c}, io.LimitReader(&endless{400 << 20}, 400<<20), make([]byte, 32<<10))
			c.Close()
		}
	}()
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var before, after syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c}, make([]byte, 4<<10)); err != nil {
		t.Fatal(err)
	}
	syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	return max(maxCPU, time.Duration(after.Utime.Nano()+after.Stime.Nano()-before.Utime.Nano()-before.Stime.Nano()))
}

// wellFormed parses an answer with a parser that is not ours.
func (r *reply) wellFormed() *reply {
	r.t.Helper()
	if !strings.Contains(r.header.Get("Content-Type"), "xml") {
		return r
	}
	d := xml.NewDecoder(strings.NewReader(r.body))
	for {
		if _, err := d.Token(); err == io.EOF {
			return r
		} else if err != nil {
			r.t.Fatalf("%s: %v in\n%.2000s", r.what, err, r.body)
		}
	}
}

// endless is a body without end, of one character.
type endless struct{ left int64 }

func (e *endless) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), e.left))
	for i := range n {
		p[i] = ' '
	}
	e.left -= int64(n)
	return n, nil
}

// Documents made to hurt, for every method that reads XML.
func TestHostileXML(t *testing.T) {
	t.Parallel()
	x := newTarget(t)
	laughs := `<!DOCTYPE lolz [<!ENTITY a "ha">` + strings.Repeat(`<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">`, 20) + `]><D:propfind xmlns:D="DAV:">&b;</D:propfind>`
	attacks := []struct {
		name, body string
		status     int
	}{
		{"billion laughs", laughs, 400},
		{"external entity", `<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><D:propfind xmlns:D="DAV:"><D:prop>&e;</D:prop></D:propfind>`, 403},
		{"external DTD", `<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd"><x/>`, 403},
		{"100,000 deep", strings.Repeat("<a>", 100_000), 413},
		{"100,000 deep and closed", strings.Repeat("<a>", 100_000) + strings.Repeat("</a>", 100_000), 413},
		{"a million elements", "<a>" + strings.Repeat("<b/>", 1_000_000) + "</a>", 413},
		{"100,000 attributes", "<a" + manyAttributes(100_000) + "/>", 413},
		{"NUL", "<a>\x00</a>", 400},
		{"NUL as a reference", "<a>&#0;</a>", 400},
		{"not UTF-8", "<a>\xff</a>", 400},
		{"UTF-16, cut in a character", "\xff\xfe<\x00a\x00/\x00>", 400},
		{"UTF-16, half a pair", "\xff\xfe<\x00a\x00>\x00\x00\xd8<\x00/\x00a\x00>\x00", 400},
		{"not closed", "<a><b></a>", 400},
		{"text", "hello", 400},
	}
	for _, method := range []string{"PROPFIND", "PROPPATCH", "REPORT", "MKCOL", "MKCALENDAR", "ACL"} {
		path := cal("anna")
		if method[0] == 'M' {
			path = home("anna") + "new/"
		}
		for _, a := range attacks {
			what := method + ", " + a.name
			x.frugal(t, what, func() {
				r := x.do(t, "anna", method, path, a.body, "Depth: 0", "Content-Type: application/xml").wellFormed()
				if r.status != a.status {
					t.Errorf("%s: %d, want %d\n%.300s", what, r.status, a.status, r.body)
				}
				if strings.Contains(r.body, "root:") {
					t.Errorf("%s: the answer has a file of the server", what)
				}
			})
		}
		x.survived(t)
	}
}

func manyAttributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ` a%d=""`, i)
	}
	return b.String()
}

// Bodies of 100 MB, announced and not, and small ones that would become large.
func TestHugeBodies(t *testing.T) {
	t.Parallel()
	x := newTarget(t)
	const size = 100 << 20
	var bomb bytes.Buffer
	zw := gzip.NewWriter(&bomb)
	if _, err := io.Copy(zw, &endless{size}); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"PUT", "POST", "PROPFIND", "PROPPATCH", "REPORT", "MKCALENDAR", "ACL"} {
		path, want, precondition := cal("anna"), 413, ""
		switch method {
		case "PUT":
			path += "big.ics"
			fallthrough
		case "POST":
			precondition = "C:max-resource-size"
		case "MKCALENDAR":
			path = home("anna") + "new/"
		}
		for _, announced := range []bool{true, false} {
			what := fmt.Sprintf("%s of 100 MB, announced: %t", method, announced)
			x.frugal(t, what, func() {
				r := x.request(t, "anna", method, path, &endless{size}, "Content-Type: text/calendar", "Depth: 0", "Expect: 100-continue")
				r.ContentLength = -1
				if announced {
					r.ContentLength = size
				}
				got, err := send(t, r)
				switch {
				case err != nil:
					// The connection is cut while we still send: as good as a refusal.
				case got.status == want:
				case precondition != "" && got.status == 403 && got.precondition() == precondition:
				default:
					t.Errorf("%s: %d\n%.300s", what, got.status, got.body)
				}
			})
		}
		x.frugal(t, method+" of a gzip bomb", func() {
			r := x.do(t, "anna", method, path, bomb.String(), "Content-Encoding: gzip", "Depth: 0", "Content-Type: text/calendar")
			if r.status != 415 {
				t.Errorf("%s of a gzip bomb: %d", method, r.status)
			}
		})
		x.survived(t)
	}
}

// Paths that try to leave their place, names that are none.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	x := newTarget(t)
	text := event("name", "20260301T100000Z", "x")
	for _, path := range []string{
		"/dav/calendars/anna/../ben/calendar/witness.ics",
		"/dav/calendars/anna/calendar/../../ben/calendar/witness.ics",
		"/dav/calendars/anna/%2e%2e/ben/calendar/witness.ics",
		"/dav/calendars/anna/%2E%2E/ben/calendar/witness.ics",
		"/dav/calendars/anna/.%2e/ben/calendar/witness.ics",
		"/dav/calendars/anna/calendar/%2e%2e%2f%2e%2e%2fben%2fcalendar%2fwitness.ics",
		"/dav/calendars/anna/calendar/..%2fwitness.ics",
		"/dav/calendars/anna%2fcalendar/witness2.ics",
		"/dav/calendars/anna/calendar%2fnew.ics",
		"/dav/calendars/anna/calendar/a%2fb.ics",
		"/dav/calendars/anna/calendar/..",
		"/dav/calendars/anna/calendar/.",
		"/dav/calendars/anna/calendar/%00",
		"/dav/calendars/anna/calendar/a%00.ics",
		"/dav/calendars/anna/calendar/a%0d%0aSet-Cookie:%20x.ics",
		"/dav/calendars/anna/calendar/a%0a.ics",
		"/dav/calendars/anna/calendar/a%7f.ics",
		"/dav/calendars/anna/calendar/%ff%fe.ics",
		"/dav/calendars/anna/calendar/%c0%ae%c0%ae.ics",
		"/dav/calendars/anna/calendar/%ed%a0%80.ics",
		"/dav/calendars/anna/calendar/" + strings.Repeat("n", 5000) + ".ics",
		"/dav/calendars/anna/" + strings.Repeat("d/", 2000) + "x.ics",
		"/dav//calendars/ben/calendar/witness.ics",
		"//dav/calendars/ben/calendar/witness.ics",
	} {
		for _, method := range []string{"PUT", "GET", "DELETE", "PROPFIND", "MKCOL"} {
			line := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nConnection: close\r\n", method, path, basic("anna", password("anna")))
			body := ""
			if method == "PUT" {
				body = text
			}
			answers := x.raw(t, fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", line, len(body), body))
			if len(answers) != 1 {
				t.Errorf("%s %.80s: %d answers", method, path, len(answers))
				continue
			}
			a := answers[0]
			if a.StatusCode < 400 || a.StatusCode >= 500 {
				t.Errorf("%s %.80s: %d", method, path, a.StatusCode)
			}
			if a.Header.Get("Set-Cookie") != "" {
				t.Errorf("%s %.80s: a header was smuggled in", method, path)
			}
		}
		x.survived(t)
	}
	// What only looks like a way out is a name as others are.
	for _, name := range []string{"..%5Cwitness.ics", "%252e%252e%252fx.ics", "...", "%25", "CON", "~", "%3Cscript%3E.ics", "-rf.ics", "%E2%80%AEics.exe"} {
		x.do(t, "anna", "PUT", cal("anna")+name, text, "Content-Type: text/calendar").is(201)
		if got := x.do(t, "anna", "PROPFIND", cal("anna"), propfind("D:getetag"), "Depth: 1").wellFormed().hrefs(); !slices.Contains(got, cal("anna")+name) {
			t.Errorf("%s is listed as %q", name, got)
		}
		x.do(t, "anna", "GET", cal("anna")+name, "").is(200)
		x.do(t, "anna", "DELETE", cal("anna")+name, "").is(204)
	}
	x.before = x.look(t)
	// The same in headers that name something.
	for _, dest := range []string{"/dav/calendars/anna/../ben/calendar/x.ics", "/dav/calendars/anna/%2e%2e/ben/calendar/x.ics", "/dav/calendars/anna/calendar/a%2fb.ics",
		"/dav/calendars/anna/calendar/x%0d%0aSet-Cookie:a.ics", "/dav/calendars/anna/calendar/x%00.ics", "http://other.example.com/dav/calendars/anna/calendar/x.ics", "::", ""} {
		r := x.request(t, "anna", "MOVE", cal("anna")+"witness.ics", nil)
		r.Header["Destination"] = []string{dest}
		if got, err := send(t, r); err != nil || got.status < 400 || got.status >= 600 || got.status == 500 {
			t.Errorf("MOVE to %q: %+v, %v", dest, got, err)
		}
	}
	for _, h := range []string{"Depth: 2", "Depth: -1", "If: (", "If: <x> ([y", "If: " + strings.Repeat("([a])", 5000), "Overwrite: maybe", "If-Match: ;;", `If-Match: "` + strings.Repeat("x", 9000)} {
		got := x.do(t, "anna", "COPY", cal("anna")+"witness.ics", "", "Destination: "+cal("anna")+"copy.ics", h)
		if got.status != 400 && got.status != 412 && got.status != 409 {
			t.Errorf("COPY with %.40s: %d", h, got.status)
		}
	}
	x.survived(t)
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// Credentials with what no directory should see.
func TestHostileCredentials(t *testing.T) {
	t.Parallel()
	x := newTarget(t)
	for _, c := range []string{
		basic("anna\x00", password("anna")), basic("anna\r\n", password("anna")), basic("anna\n", password("anna")), basic("anna", password("anna")+"\x00"),
		basic("anna", password("anna")+"\r\nX: y"), basic("anna", "\xff\xfe"), basic("\xff", "x"), basic("anna)(uid=*", password("anna")), basic("*", password("anna")),
		basic("", ""), basic("", password("anna")), basic("anna", ""), basic(strings.Repeat("a", 50_000), "x"), basic("anna", strings.Repeat("a", 50_000)),
		basic("../anna", password("anna")), basic("anna/", password("anna")), basic("anna:calendar", password("anna")),
		"Basic", "Basic ", "Basic !!!", "Basic " + strings.Repeat("=", 1000), "Bearer x", "Digest username=anna", "Basic " + base64.StdEncoding.EncodeToString([]byte("anna")),
	} {
		x.frugal(t, "a log-in", func() {
			r := x.request(t, "", "PROPFIND", home("anna"), nil, "Depth: 1")
			r.Header["Authorization"] = []string{c}
			got, err := send(t, r)
			if err != nil || got.status != http.StatusUnauthorized || !strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Basic ") {
				t.Errorf("%.60q: %+v, %v", c, got, err)
			}
		})
	}
	x.survived(t)
}

// What is in values cannot break out of the XML, the headers or the lines of
// an answer, or is refused.
func TestHostileValues(t *testing.T) {
	t.Parallel()
	x := newTarget(t)
	for name, c := range map[string]struct {
		text         string
		status       int
		precondition string
	}{
		"NUL":                    {event("v", "20260301T100000Z", "a\x00b"), 403, "C:valid-calendar-data"},
		"invalid UTF-8":          {event("v", "20260301T100000Z", "a\xff\xfeb"), 403, "C:valid-calendar-data"},
		"surrogates":             {event("v", "20260301T100000Z", "a\xed\xa0\x80b"), 403, "C:valid-calendar-data"},
		"bell":                   {event("v", "20260301T100000Z", "a\x07b"), 403, "C:valid-calendar-data"},
		"bare CR":                {event("v", "20260301T100000Z", "a\rb"), 403, "C:valid-calendar-data"},
		"bare CR in a UID":       {event("v\rw", "20260301T100000Z", "x"), 403, "C:valid-calendar-data"},
		"bare CRs for line ends": {strings.ReplaceAll(event("v", "20260301T100000Z", "x"), "\r\n", "\r"), 403, "C:valid-calendar-data"},
		"NUL in a UID":           {event("v\x00", "20260301T100000Z", "x"), 403, "C:valid-calendar-data"},
		"NUL in a name":          {event("v", "20260301T100000Z", "x", "X-A\x00B:1"), 403, "C:valid-calendar-data"},
		"no colon":               {event("v", "20260301T100000Z", "x", "NONSENSE"), 403, "C:valid-calendar-data"},
		"open quote":             {event("v", "20260301T100000Z", "x", `X-A;P="abc:1`), 403, "C:valid-calendar-data"},
		"no end":                 {strings.TrimSuffix(event("v", "20260301T100000Z", "x"), "END:VCALENDAR\r\n"), 403, "C:valid-calendar-data"},
		"two calendars":          {event("v", "20260301T100000Z", "x") + event("w", "20260301T100000Z", "x"), 403, ""},
		"two UIDs":               {strings.Replace(event("v", "20260301T100000Z", "x"), "END:VCALENDAR", "BEGIN:VEVENT\r\nUID:w\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260301T100000Z\r\nEND:VEVENT\r\nEND:VCALENDAR", 1), 403, "C:valid-calendar-object-resource"},
		"a METHOD":               {strings.Replace(event("v", "20260301T100000Z", "x"), "BEGIN:VEVENT", "METHOD:REQUEST\r\nBEGIN:VEVENT", 1), 403, "C:valid-calendar-object-resource"},
		"nothing":                {"", 403, "C:valid-calendar-data"},
		"HTML":                   {"<html></html>", 403, "C:valid-calendar-data"},
		"100,000 deep":           {"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n" + strings.Repeat("BEGIN:VEVENT\r\n", 100_000), 403, "C:valid-calendar-data"},
		"11 MB in one line":      {event("v", "20260301T100000Z", strings.Repeat("x", 11<<20)), 403, "C:max-resource-size"},
		"5 MB in folded lines":   {event("v", "20260301T100000Z", strings.Repeat("x\r\n ", 5<<18)), 201, ""}, // 1 MB when unfolded
		"a million parameters":   {event("v", "20260301T100000Z", "x", "X-A"+strings.Repeat(";P=1", 1_000_000)+":1"), 403, "C:valid-calendar-data"},
		"a million values":       {event("v", "20260301T100000Z", "x", "X-A;P=1"+strings.Repeat(",1", 1_000_000)+":1"), 403, "C:valid-calendar-data"},
		"a million properties":   {event("v", "20260301T100000Z", "x", slices.Repeat([]string{"X:1"}, 1_000_000)...), 403, "C:valid-calendar-data"},
		"60,000 alarms":          {event("v", "20260301T100000Z", "x", slices.Repeat([]string{"BEGIN:VALARM", "ACTION:AUDIO", "TRIGGER:-PT1H", "END:VALARM"}, 60_000)...), 403, "C:valid-calendar-data"},
		"2,000 attendees":        {event("v", "20260301T100000Z", "x", slices.Repeat([]string{"ATTENDEE:mailto:a@example.com"}, 2000)...), 403, "C:max-attendees-per-instance"},
	} {
		x.frugal(t, name, func() {
			r := x.do(t, "anna", "PUT", cal("anna")+"v.ics", c.text, "Content-Type: text/calendar").wellFormed()
			if r.status != c.status || c.precondition != "" && r.precondition() != c.precondition {
				t.Errorf("%s: %d %s, want %d %s\n%.500s", name, r.status, r.precondition(), c.status, c.precondition, r.body)
			}
		})
		if c.status == 201 {
			if got := x.do(t, "anna", "GET", cal("anna")+"v.ics", "").is(200).body; got != c.text {
				t.Errorf("%s: what comes back is another", name)
			}
			x.do(t, "anna", "DELETE", cal("anna")+"v.ics", "").is(204)
			x.before = x.look(t)
		}
		if x.look(t) != x.before {
			t.Fatalf("%s: the calendar changed", name)
		}
	}
	x.survived(t)
}
