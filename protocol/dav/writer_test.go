package dav

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
)

// body takes the root's tags and declarations off an answer.
func body(t *testing.T, rec *httptest.ResponseRecorder, root string) string {
	t.Helper()
	s := rec.Body.String()
	if ct := rec.Header().Get("Content-Type"); ct != "application/xml; charset=utf-8" {
		t.Errorf("Content-Type %q", ct)
	}
	prefix := `<?xml version="1.0" encoding="utf-8"?>` + "\n<" + root + declarations
	s, ok := strings.CutPrefix(s, prefix)
	s, ok2 := strings.CutSuffix(s, "</"+root+">\n")
	if !ok || !ok2 {
		t.Fatalf("not a %s document: %s", root, rec.Body)
	}
	if _, err := Parse(rec.Body.String(), boundless); err != nil {
		t.Errorf("%v: %s", err, rec.Body)
	}
	return s
}

func TestRFC4918_13_Multistatus(t *testing.T) {
	const ok, missing = "<D:status>HTTP/1.1 200 OK</D:status>", "<D:status>HTTP/1.1 404 Not Found</D:status>"
	foreign := Name{"urn:x&y", "z"}
	for _, tc := range []struct {
		name  string
		write func(mw *Writer)
		want  string
	}{
		{"empty", func(*Writer) {}, ""},
		{"properties", func(mw *Writer) {
			mw.Response("/a b/", "c&d'.ics")
			mw.Text(D("getetag"), `"1"`)
			mw.Start(D("resourcetype"))
			mw.Empty(D("collection"))
			mw.Empty(C("calendar"))
			mw.End(D("resourcetype"))
			mw.Href(D("owner"), "/p/", "ä/")
			mw.Text(A("calendar-color"), "<#&>\r\n")
			mw.Raw(CS("x"), []byte("<D:y/>"))
			mw.Element(`<q xmlns="u">1</q>`)
			mw.Start(C("comp"), "name", `V"E<`)
			mw.Chars("t>")
			mw.End(C("comp"))
		}, "<D:response><D:href>/a%20b/c%26d%27.ics</D:href><D:propstat><D:prop>" +
			`<D:getetag>"1"</D:getetag><D:resourcetype><D:collection/><C:calendar/></D:resourcetype>` +
			"<D:owner><D:href>/p/%C3%A4/</D:href></D:owner><A:calendar-color>&lt;#&amp;&gt;&#13;\n</A:calendar-color>" +
			`<CS:x><D:y/></CS:x><q xmlns="u">1</q><C:comp name="V&quot;E&lt;">t&gt;</C:comp></D:prop>` + ok + "</D:propstat></D:response>"},
		{"missing after found, grouped by status", func(mw *Writer) {
			mw.Response("/")
			mw.Miss(404, D("a"))
			mw.Miss(403, D("b"))
			mw.Text(D("c"), "1")
			mw.Miss(404, foreign)
			mw.Response("/2")
			mw.Text(D("c"), "2")
		}, "<D:response><D:href>/</D:href><D:propstat><D:prop><D:c>1</D:c></D:prop>" + ok + "</D:propstat>" +
			`<D:propstat><D:prop><D:a/><X:z xmlns:X="urn:x&amp;y"/></D:prop>` + missing + "</D:propstat>" +
			"<D:propstat><D:prop><D:b/></D:prop><D:status>HTTP/1.1 403 Forbidden</D:status></D:propstat></D:response>" +
			"<D:response><D:href>/2</D:href><D:propstat><D:prop><D:c>2</D:c></D:prop>" + ok + "</D:propstat></D:response>"},
		{"only missing", func(mw *Writer) { mw.Response("/"); mw.Miss(404, Name{"", "a"}) },
			"<D:response><D:href>/</D:href><D:propstat><D:prop><a/></D:prop>" + missing + "</D:propstat></D:response>"},
		{"RFC 8144 §2.1 minimal", func(mw *Writer) { mw.SetMinimal(true); mw.Response("/"); mw.Miss(404, D("a")) },
			"<D:response><D:href>/</D:href><D:propstat><D:prop></D:prop>" + ok + "</D:propstat></D:response>"},
		{"minimal keeps 403", func(mw *Writer) { mw.SetMinimal(true); mw.Response("/"); mw.Miss(403, Name{NSXML, "a"}) },
			"<D:response><D:href>/</D:href><D:propstat><D:prop><xml:a/></D:prop><D:status>HTTP/1.1 403 Forbidden</D:status></D:propstat></D:response>"},
		{"§9.2.1 PROPPATCH", func(mw *Writer) {
			mw.Response("/")
			mw.Propstat(403)
			mw.Condition(Condition{Name: D("cannot-modify-protected-property")})
			mw.Empty(D("getetag"))
			mw.Propstat(424)
			mw.Empty(foreign)
		}, "<D:response><D:href>/</D:href><D:propstat><D:prop><D:getetag/></D:prop><D:status>HTTP/1.1 403 Forbidden</D:status>" +
			"<D:error><D:cannot-modify-protected-property/></D:error></D:propstat>" +
			`<D:propstat><D:prop><X:z xmlns:X="urn:x&amp;y"/></D:prop><D:status>HTTP/1.1 424 Failed Dependency</D:status></D:propstat></D:response>`},
		{"RFC 6578 §3.6 truncated", func(mw *Writer) {
			mw.Base("/c/")
			mw.Member("é.ics")
			mw.Text(D("getetag"), "1")
			mw.Status(404, "/c/", "gone.ics")
			mw.StatusEncoded(404, Condition{}, "/c/%40<.ics")
			mw.StatusCondition(507, Condition{Name: D("number-of-matches-within-limits")}, "/c/")
			mw.SyncToken("data:,1&2")
		}, "<D:response><D:href>/c/%C3%A9.ics</D:href><D:propstat><D:prop><D:getetag>1</D:getetag></D:prop>" + ok + "</D:propstat></D:response>" +
			"<D:response><D:href>/c/gone.ics</D:href>" + missing + "</D:response>" +
			"<D:response><D:href>/c/%40&lt;.ics</D:href>" + missing + "</D:response>" +
			"<D:response><D:href>/c/</D:href><D:status>HTTP/1.1 507 Insufficient Storage</D:status><D:error><D:number-of-matches-within-limits/></D:error></D:response>" +
			"<D:sync-token>data:,1&amp;2</D:sync-token>"},
		{"href as sent, description", func(mw *Writer) { mw.ResponseEncoded("/%7e&"); mw.Description("a<b") },
			"<D:response><D:href>/%7e&amp;</D:href><D:propstat><D:prop></D:prop>" + ok + "</D:propstat></D:response>" +
				"<D:responsedescription>a&lt;b</D:responsedescription>"},
	} {
		rec := httptest.NewRecorder()
		mw := NewMultistatus(rec)
		tc.write(mw)
		if mw.Started() {
			t.Errorf("%s: started before Close", tc.name)
		}
		if err := mw.Close(); err != nil || rec.Code != 207 || rec.Header().Get("Content-Length") != strconv.Itoa(rec.Body.Len()) {
			t.Errorf("%s: %v, %d, length %s of %d", tc.name, err, rec.Code, rec.Header().Get("Content-Length"), rec.Body.Len())
		}
		if got := body(t, rec, "D:multistatus"); got != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", tc.name, got, tc.want)
		}
	}
}

func TestWriter_Document(t *testing.T) {
	rec := httptest.NewRecorder()
	mw := NewDocument(rec, 200, C("schedule-response"))
	mw.Start(C("response"))
	mw.Text(C("request-status"), "2.0;Success")
	mw.End(C("response"))
	if err := mw.Close(); err != nil || rec.Code != 200 {
		t.Fatal(err, rec.Code)
	}
	want := "<C:response><C:request-status>2.0;Success</C:request-status></C:response>"
	if got := body(t, rec, "C:schedule-response"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// Any value survives the way through the writer and a parser, save what XML
// cannot hold.
func TestWriter_LargeValues(t *testing.T) {
	big := strings.Repeat("ä€\U00010000<&>\r\n", 20_000) + "\x00\xFF\uFFFE."
	rec := httptest.NewRecorder()
	mw := NewMultistatus(rec)
	mw.Response("/")
	mw.Text(C("calendar-data"), big)
	if !mw.Started() {
		t.Error("a large value was held back")
	}
	mw.Raw(C("raw"), AppendText(nil, big))
	mw.Start(C("string"))
	mw.RawString(string(AppendText(nil, big)))
	mw.End(C("string"))
	if err := mw.Close(); err != nil {
		t.Fatal(err)
	}
	if rec.Header().Get("Content-Length") != "" {
		t.Error("a streamed answer has a Content-Length")
	}
	want := strings.Repeat("ä€\U00010000<&>\r\n", 20_000) + "\uFFFD\uFFFD\uFFFD."
	d := xml.NewDecoder(rec.Body)
	n := 0
	for {
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := tok.(xml.StartElement); ok && s.Name.Space == NSCalDAV {
			var got string
			if err := d.DecodeElement(&got, &s); err != nil || got != want {
				t.Errorf("%s came back changed (%v)", s.Name.Local, err)
			}
			n++
		}
	}
	if n != 3 {
		t.Errorf("%d values came back", n)
	}
}

func TestWriter_Discard(t *testing.T) {
	rec := httptest.NewRecorder()
	mw := NewMultistatus(rec)
	mw.Response("/")
	mw.Miss(404, D("a"))
	if !mw.Discard() {
		t.Error("nothing was sent, yet Discard says so")
	}
	if rec.Body.Len() > 0 {
		t.Errorf("sent %q", rec.Body)
	}
	// The pooled writer starts clean.
	mw = NewMultistatus(rec)
	mw.Response("/")
	if err := mw.Close(); err != nil || strings.Contains(rec.Body.String(), "404") {
		t.Errorf("%v, %s", err, rec.Body)
	}
	mw = NewMultistatus(httptest.NewRecorder())
	mw.Response("/")
	mw.Chars(strings.Repeat("x", bufferSize))
	if mw.Discard() {
		t.Error("a part was sent, yet Discard denies it")
	}
}

// deadConn is a connection that the client left.
type deadConn struct{ http.ResponseWriter }

func (deadConn) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestWriter_DeadConnection(t *testing.T) {
	mw := NewMultistatus(deadConn{httptest.NewRecorder()})
	mw.Response("/")
	mw.RawBytes(bytes.Repeat([]byte("x"), 2*bufferSize))
	if !errors.Is(mw.Err(), io.ErrClosedPipe) {
		t.Errorf("Err %v", mw.Err())
	}
	mw.RawBytes(bytes.Repeat([]byte("x"), 2*bufferSize))
	if err := mw.Close(); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Close %v", err)
	}
}

func TestRFC4918_8_7_ErrorBody(t *testing.T) {
	for _, tc := range []struct {
		err  error
		code int
		want string
	}{
		{NewError(403, D("valid-sync-token"), ""), 403, "<D:valid-sync-token/>"},
		{&Error{Status: 409, Condition: Condition{C("no-uid-conflict"), string(AppendHref(nil, "/a/", "b&.ics"))}, Text: "a<b"}, 409,
			"<C:no-uid-conflict><D:href>/a/b%26.ics</D:href></C:no-uid-conflict>" +
				`<X:error-description xmlns:X="http://twistedmatrix.com/xml_namespace/dav/">a&lt;b</X:error-description>`},
		{badRequest("why"), 400, `<X:error-description xmlns:X="http://twistedmatrix.com/xml_namespace/dav/">why</X:error-description>`},
		{&Error{Status: 412}, 412, ""},
		{errors.New("a secret of the store"), 500, ""},
	} {
		rec := httptest.NewRecorder()
		rec.Header().Set("ETag", `"1"`)
		WriteError(rec, tc.err)
		if rec.Code != tc.code {
			t.Errorf("%v: %d", tc.err, rec.Code)
		}
		switch {
		case tc.want == "":
			if rec.Body.Len() > 0 {
				t.Errorf("%v: body %s", tc.err, rec.Body)
			}
		case body(t, rec, "D:error") != tc.want:
			t.Errorf("%v: %s", tc.err, rec.Body)
		}
	}
	if s := NewError(403, D("x"), "why").Error(); s != "403 Forbidden: x: why" {
		t.Error(s)
	}
}

type opaque string

func (o opaque) AppendETag(dst []byte) []byte { return append(dst, o...) }

// TestWriter_MemberTag holds the short way for listings against the long one.
func TestWriter_MemberTag(t *testing.T) {
	write := func(member func(mw *Writer, name, tag string)) string {
		rec := httptest.NewRecorder()
		mw := NewMultistatus(rec)
		mw.Base("/dav/calendars/anna/a & b/")
		mw.Response("/open")
		mw.Miss(http.StatusNotFound, D("displayname"))
		for i, name := range []string{"a.ics", "with blank.ics", "ä<&>%.ics"} {
			member(mw, name, "tag-"+strconv.Itoa(i))
			mw.Status(http.StatusNotFound, "/gone")
		}
		if err := mw.Close(); err != nil {
			t.Fatal(err)
		}
		return rec.Body.String()
	}
	short := write(func(mw *Writer, name, tag string) { mw.MemberTag(name, opaque(tag)) })
	long := write(func(mw *Writer, name, tag string) {
		mw.Member(name)
		mw.Text(D("getetag"), ETag(tag))
		mw.EndResponse()
	})
	if short != long {
		t.Errorf("short\n%s\nlong\n%s", short, long)
	}
}
