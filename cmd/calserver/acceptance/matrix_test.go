package acceptance

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"factotum/protocol/dav"
)

// The rights that the matrix speaks of, each a privilege of RFC 3744 or the
// part of one that Sun's lists give.
type right uint

const (
	see      right = 1 << iota // know that the calendar exists
	busy                       // CALDAV:read-free-busy
	read                       // the events
	bind                       // DAV:bind and DAV:write-content
	unbind                     // DAV:unbind
	setProps                   // DAV:write-properties
	readACL                    // DAV:read-acl
	setACL                     // DAV:write-acl
	drop                       // delete the calendar
	inside                     // see what private events say
	home0                      // make calendars in the home

	nothing right = 0
	all     right = 1<<iota - 1
)

// persona is somebody who asks; may is what the list of the calendar gives.
type persona struct {
	name     string
	user     string
	password string // "" the right one
	may      right
	login    bool
}

var personas = []persona{
	{name: "owner", user: "anna", may: all, login: true},
	{name: "co-owner", user: "ben", may: see | busy | read | bind | unbind | inside, login: true},
	{name: "reader", user: "carl", may: see | busy | read, login: true},
	{name: "writer", user: "dora", may: see | busy | read | bind | unbind, login: true},
	{name: "free-busy-only", user: "eve", may: see | busy, login: true},
	{name: "colleague", user: "fred", may: nothing, login: true},
	{name: "other domain", user: "olga@other.example", may: nothing, login: true},
	{name: "anonymous"},
	{name: "no login", user: "anna", password: "wrong"},
}

// The paths of the matrix. %N is a number of the cell's own.
const (
	matrixHome    = "/dav/calendars/anna/"
	matrixCal     = "/dav/calendars/anna/shared/"
	matrixObject  = matrixCal + "o%N.ics" // made anew for every cell
	matrixPrivate = matrixCal + "p%N.ics" // CLASS:PRIVATE
	matrixNone    = matrixCal + "none%N.ics"
	matrixOwn     = "/dav/calendars/%U/calendar/copy%N.ics" // in the persona's own calendar
	secret        = "Merger-talks"
	inmost        = "Divorce-lawyer"
)

// row is one request of the matrix. Whoever has all of needs gets ok;
// whoever does not know of the calendar gets hidden, and the others denied.
type row struct {
	method, path string
	body         string
	headers      []string
	needs        right
	ok           int
	denied       int    // 0: 403
	hidden       int    // 0: 404
	foreign      bool   // who is of another domain learns nothing: 404
	twin         string // the same request where nothing is: the hidden must not tell the two apart
}

var matrix = []row{
	{method: "OPTIONS", path: matrixCal, needs: nothing, ok: 200, twin: "/dav/calendars/anna/none/"},
	{method: "OPTIONS", path: matrixObject, needs: nothing, ok: 200, twin: matrixNone},
	{method: "GET", path: matrixCal, needs: read, ok: 200, twin: "/dav/calendars/anna/none/"},
	{method: "HEAD", path: matrixCal, needs: read, ok: 200, twin: "/dav/calendars/anna/none/"},
	{method: "GET", path: matrixObject, needs: read, ok: 200, twin: matrixNone},
	{method: "HEAD", path: matrixObject, needs: read, ok: 200, twin: matrixNone},
	{method: "GET", path: matrixPrivate, needs: read, ok: 200, twin: matrixNone},
	{method: "GET", path: matrixNone, needs: read, ok: 404},
	{method: "GET", path: matrixObject, headers: []string{"If-None-Match: *"}, needs: read, ok: 304, twin: matrixNone},

	{method: "PUT", path: matrixNone, body: event("new%N", "20260301T100000Z", "x"), needs: bind, ok: 201, hidden: 409},
	{method: "PUT", path: matrixNone, body: event("new%N", "20260301T100000Z", "x"), headers: []string{"If-None-Match: *"}, needs: bind, ok: 201, hidden: 409},
	{method: "PUT", path: matrixObject, body: event("o%N", "20260301T100000Z", "changed"), needs: bind, ok: 204, hidden: 409, twin: "/dav/calendars/anna/none/o%N.ics"},
	{method: "PUT", path: matrixObject, body: event("o%N", "20260301T100000Z", "changed"), headers: []string{`If-Match: "0"`}, needs: bind, ok: 412, hidden: 409},
	{method: "PUT", path: matrixPrivate, body: event("p%N", "20260301T100000Z", "changed"), needs: bind | inside, ok: 204, hidden: 409},
	{method: "PUT", path: matrixNone, body: event("o%N", "20260301T100000Z", "the same UID"), needs: bind, ok: 409, hidden: 409},
	{method: "POST", path: matrixCal, body: event("post%N", "20260301T100000Z", "x"), needs: bind, ok: 201},

	{method: "DELETE", path: matrixObject, needs: read | unbind, ok: 204},
	{method: "DELETE", path: matrixPrivate, needs: read | unbind | inside, ok: 204},
	{method: "DELETE", path: matrixNone, needs: read | unbind, ok: 404},
	{method: "DELETE", path: matrixObject, headers: []string{`If-Match: "0"`}, needs: read | unbind, ok: 412},
	{method: "DELETE", path: "/dav/calendars/anna/drop%N/", needs: drop, ok: 204},

	{method: "MOVE", path: matrixObject, headers: []string{"Destination: " + matrixNone}, needs: bind | unbind, ok: 201, hidden: 409, twin: "/dav/calendars/anna/none/o.ics"},
	{method: "COPY", path: matrixObject, headers: []string{"Destination: " + matrixNone}, needs: bind, ok: 409, hidden: 409, twin: "/dav/calendars/anna/none/o.ics"},
	{method: "COPY", path: matrixObject, headers: []string{"Destination: " + matrixOwn}, needs: read, ok: 201},
	{method: "COPY", path: matrixPrivate, headers: []string{"Destination: " + matrixOwn}, needs: read | inside, ok: 201},
	{method: "MOVE", path: matrixObject, headers: []string{"Destination: " + matrixOwn}, needs: read | unbind, ok: 201},

	{method: "PROPFIND", path: matrixCal, body: propfind("D:displayname", "D:resourcetype"), headers: []string{"Depth: 0"}, needs: see, ok: 207, twin: "/dav/calendars/anna/none/"},
	{method: "PROPFIND", path: matrixCal, body: propfind("D:getetag"), headers: []string{"Depth: 1"}, needs: read, ok: 207, twin: "/dav/calendars/anna/none/"},
	{method: "PROPFIND", path: matrixObject, body: propfind("D:getetag"), headers: []string{"Depth: 0"}, needs: read, ok: 207, twin: matrixNone},
	{method: "PROPPATCH", path: matrixCal, body: `<D:propertyupdate` + xmlNames + `><D:set><D:prop><D:displayname>x</D:displayname></D:prop></D:set></D:propertyupdate>`, needs: setProps, ok: 207},
	{method: "PROPPATCH", path: matrixObject, body: `<D:propertyupdate` + xmlNames + `><D:set><D:prop><CS:x>x</CS:x></D:prop></D:set></D:propertyupdate>`, needs: bind, ok: 207},

	{method: "REPORT", path: matrixCal, body: query("20260201T000000Z", "20260401T000000Z", ""), headers: []string{"Depth: 1"}, needs: read, ok: 207, twin: "/dav/calendars/anna/none/"},
	{method: "REPORT", path: matrixCal, body: query("20260201T000000Z", "20260401T000000Z", `<C:expand start="20260201T000000Z" end="20260401T000000Z"/>`), headers: []string{"Depth: 1"}, needs: read, ok: 207},
	{method: "REPORT", path: matrixCal, body: multiget(matrixObject, matrixPrivate, matrixNone), needs: see, ok: 207}, // each href has its status, see below
	{method: "REPORT", path: matrixCal, body: syncBody(""), needs: read, ok: 207, twin: "/dav/calendars/anna/none/"},
	{method: "REPORT", path: matrixCal, body: freeBusy("20260201T000000Z", "20260401T000000Z"), needs: busy, ok: 200, twin: "/dav/calendars/anna/none/"},

	// The home shows to each what they may see.
	{method: "PROPFIND", path: matrixHome, body: propfind("D:displayname"), headers: []string{"Depth: 1"}, needs: nothing, ok: 207, foreign: true},
	{method: "REPORT", path: matrixHome, body: syncBody(""), needs: nothing, ok: 207, foreign: true},
	{method: "REPORT", path: matrixHome, body: query("", "", ""), needs: nothing, ok: 207},
	{method: "REPORT", path: matrixHome, body: multiget(matrixObject), needs: nothing, ok: 207},
	{method: "PROPFIND", path: "/dav/principals/anna/", body: propfind("D:displayname", "C:calendar-home-set"), headers: []string{"Depth: 0"}, needs: nothing, ok: 207, foreign: true},

	{method: "MKCALENDAR", path: "/dav/calendars/anna/made%N/", needs: home0, ok: 201, hidden: 403},
	{method: "MKCOL", path: "/dav/calendars/anna/files%N/", needs: home0, ok: 201, hidden: 403},
	{method: "ACL", path: matrixCal, body: matrixACL, needs: setACL, ok: 200},
	{method: "LOCK", path: matrixObject, needs: nothing, ok: 405, twin: matrixNone},
}

// matrixACL is the list that makes the personas what they are.
var matrixACL = `<D:acl` + xmlNames + `>` +
	grant("carl", "D:read") + grant("dora", "D:read", "D:write-content", "D:bind", "D:unbind") + grant("eve", "C:read-free-busy") + `</D:acl>`

func grant(user string, privileges ...string) string {
	s := "<D:ace><D:principal><D:href>/dav/principals/" + user + "/</D:href></D:principal><D:grant>"
	for _, p := range privileges {
		s += "<D:privilege><" + p + "/></D:privilege>"
	}
	return s + "</D:grant></D:ace>"
}

// want is the status of a cell.
func (r *row) want(p persona) int {
	switch {
	case !p.login:
		return http.StatusUnauthorized
	case r.foreign && strings.Contains(p.user, "@"):
		return 404
	case p.may&r.needs == r.needs:
		return r.ok
	case p.may&see == 0 && r.hidden != 0:
		return r.hidden
	case p.may&see == 0:
		return http.StatusNotFound
	case r.denied != 0:
		return r.denied
	}
	return http.StatusForbidden
}

// Who may do what, and what nobody learns: all methods by all kinds of people,
// in one process and over DWP.
func TestAuthorizationMatrix(t *testing.T) {
	everywhere(t, func(t *testing.T, h *host) {
		h.visit(t, "anna", "ben", "carl", "dora", "eve", "fred", "olga@other.example")
		h.do(t, "anna", "MKCALENDAR", matrixCal, `<C:mkcalendar`+xmlNames+`><D:set><D:prop><D:displayname>`+secret+`</D:displayname></D:prop></D:set></C:mkcalendar>`).is(201)
		if out, err := calserver(t, "cscal", "-C", h.keeper().conf, "-y", "ben", "modify", "anna:shared"); err != nil {
			t.Fatalf("cscal: %v\n%s", err, out)
		}
		h.do(t, "anna", "ACL", matrixCal, matrixACL).is(200)
		n := 0
		for i := range matrix {
			for _, p := range personas {
				n++
				h.cell(t, &matrix[i], p, n)
			}
		}
		// A multiget answers for every href by itself. RFC 4791 §7.9.
		h.do(t, "anna", "PUT", matrixCal+"m.ics", event("m", "20260302T100000Z", secret)).is(201)
		for _, p := range personas {
			if !p.login {
				continue
			}
			want := "403 Forbidden,403 Forbidden"
			switch {
			case p.may&see == 0:
				h.do(t, p.user, "REPORT", matrixCal, multiget(matrixCal+"m.ics")).is(404)
				continue
			case p.may&read != 0:
				want = "200 OK,404 Not Found"
			}
			if got := strings.Join(h.do(t, p.user, "REPORT", matrixCal, multiget(matrixCal+"m.ics", matrixCal+"none.ics")).statuses(), ","); got != want {
				t.Errorf("multiget as %s: %s, want %s", p.name, got, want)
			}
		}
		h.healthy(t)
	})
}

// cell plays a row as one persona.
func (h *host) cell(t *testing.T, r *row, p persona, n int) {
	t.Helper()
	fill := strings.NewReplacer("%N", fmt.Sprint(n), "%U", p.user)
	headers := slices.Clone(r.headers)
	for i := range headers {
		headers[i] = fill.Replace(headers[i])
	}
	if strings.Contains(r.path+r.body, "o%N") {
		h.do(t, "anna", "PUT", fill.Replace(matrixObject), event(fill.Replace("o%N"), "20260302T100000Z", secret)).is(201)
	}
	if strings.Contains(r.path+r.body, "p%N") {
		h.do(t, "anna", "PUT", fill.Replace(matrixPrivate), event(fill.Replace("p%N"), "20260302T100000Z", inmost, "CLASS:PRIVATE")).is(201)
	}
	if strings.Contains(r.path, "drop%N") {
		h.do(t, "anna", "MKCALENDAR", fill.Replace(r.path), "").is(201)
		h.do(t, "anna", "ACL", fill.Replace(r.path), matrixACL).is(200)
		if p.user == "ben" {
			p.may = nothing // an owner of the other calendar only
		}
	}
	before := h.state(t)
	ask := func(path string) *reply {
		req := h.request(t, p.user, r.method, fill.Replace(path), strings.NewReader(fill.Replace(r.body)), headers...)
		if r.method == "PUT" || r.method == "POST" {
			req.Header.Set("Content-Type", "text/calendar")
		}
		if p.password != "" {
			req.SetBasicAuth(p.user, p.password)
		}
		rep, err := send(t, req)
		if err != nil {
			t.Fatalf("%s %s as %s: %v", r.method, path, p.name, err)
		}
		return rep
	}
	got, want := ask(r.path), r.want(p)
	what := fmt.Sprintf("%s %s %q as %s", r.method, r.path, r.headers, p.name)
	if got.status != want {
		t.Errorf("%s: %d, want %d\n%.600s", what, got.status, want, got.body)
	}
	if want == http.StatusForbidden && got.status == want && r.method != "HEAD" && p.may&see != 0 && got.precondition() != "D:need-privileges" && p.may&r.needs&^inside != r.needs&^inside {
		t.Errorf("%s: precondition %q\n%.600s", what, got.precondition(), got.body)
	}
	// Nothing is told to those who may not know it, in headers neither.
	said := got.body
	for k, v := range got.header {
		said += "\n" + k + ": " + strings.Join(v, "\n")
	}
	type hush struct {
		text  string
		until right
	}
	hushed := []hush{{secret, read}, {inmost, inside}, {fill.Replace("UID:o%N"), read}}
	if r.path == matrixHome && r.method == "PROPFIND" {
		hushed = append(hushed, hush{matrixCal, see})
	}
	for _, hush := range hushed {
		if p.may&hush.until == 0 && strings.Contains(said, hush.text) {
			t.Errorf("%s: the answer tells %q\n%.2000s", what, hush.text, said)
		}
	}
	if got.status >= 400 && h.state(t) != before {
		t.Errorf("%s: refused, and yet the calendar changed", what)
	}
	if p.login && p.may == nothing && r.twin != "" {
		twin := ask(r.twin)
		if twin.status != got.status || strings.ReplaceAll(twin.body, fill.Replace(r.twin), "") != strings.ReplaceAll(got.body, fill.Replace(r.path), "") ||
			(twin.header.Get("ETag") == "") != (got.header.Get("ETag") == "") {
			t.Errorf("%s: %d %q, but where nothing is %d %q", what, got.status, got.body, twin.status, twin.body)
		}
	}
}

// state is the tag of the shared calendar, which every change changes.
func (h *host) state(t *testing.T) string {
	t.Helper()
	return h.do(t, "anna", "PROPFIND", matrixCal, propfind("CS:getctag"), "Depth: 0").value(dav.CS("getctag"))
}
