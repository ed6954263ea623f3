package dav

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
)

// endless is a body without an end and without a Content-Length.
type endless struct{ n int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	e.n += len(p)
	return len(p), nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("reset") }

func TestRFC4918_8_2_ReadXML(t *testing.T) {
	many := "<a>" + strings.Repeat("<b/>", 5000) + "</a>"
	for _, tc := range []struct {
		name, ctype string
		body        io.Reader
		code        int
		root        string
	}{
		{"application/xml", "application/xml; charset=\"utf-8\"", strings.NewReader("<a/>"), 0, "a"},
		{"text/xml", "text/xml", strings.NewReader("<a/>"), 0, "a"},
		{"tsdav", "text/xml;charset=UTF-8", strings.NewReader("<a/>"), 0, "a"},
		{"subtype", "application/x+xml", strings.NewReader("<a/>"), 0, "a"},
		{"broken parameter", "text/xml; charset", strings.NewReader("<a/>"), 0, "a"},
		{"no type", "", strings.NewReader("<a/>"), 0, "a"},
		{"in many reads", "text/xml", io.MultiReader(strings.NewReader("<a>"), strings.NewReader(many[3:])), 0, "a"},
		{"no body", "", nil, 0, ""},
		{"empty body", "text/plain", strings.NewReader(""), 0, ""},
		{"blank body", "text/xml", strings.NewReader(" \r\n"), 0, ""},
		{"text/plain", "text/plain", strings.NewReader("<a/>"), 0, "a"},
		{"text/calendar", "text/calendar; charset=utf-8", strings.NewReader(" <?xml version='1.0'?><a/>"[1:]), 0, "a"},
		{"curl", "application/x-www-form-urlencoded", strings.NewReader("\uFEFF<a/>"), 0, "a"},
		{"octets", "application/octet-stream", strings.NewReader("<a/>"), 0, "a"},
		{"plain text", "text/plain", strings.NewReader("a"), 415, ""},
		{"another type", "xzy-foo/bar-512", strings.NewReader("<a/>"), 415, ""},
		{"UTF-16", "text/xml; charset=utf-16", utf16Of(binary.BigEndian, "\uFEFF<?xml version='1.0' encoding='utf-16'?><a>\U0001F4C5</a>"), 0, "a"},
		{"UTF-16 in another order", "text/xml", utf16Of(binary.LittleEndian, "\uFEFF<?xml version='1.0' encoding='UTF-16'?><a/>"), 0, "a"},
		{"UTF-16 without a mark", "application/xml", utf16Of(binary.LittleEndian, "<a/>"), 0, "a"},
		{"UTF-16 as text/plain", "text/plain", utf16Of(binary.BigEndian, "<a/>"), 0, "a"},
		{"called UTF-16", "text/xml; charset=utf-16", strings.NewReader("<a/>"), 0, "a"},
		{"half a character", "text/xml", strings.NewReader("\xFE\xFF\x00<\x00"), 400, ""},
		{"half a pair", "text/xml", strings.NewReader("\xFE\xFF\xD8\x00\x00a"), 400, ""},
		{"half a pair at the end", "text/xml", strings.NewReader("\xFE\xFF\xD8\x00"), 400, ""},
		{"UTF-32", "text/xml", strings.NewReader("\x00\x00\xFE\xFF\x00\x00\x00<"), 415, ""},
		{"JSON", "application/json", strings.NewReader("{}"), 415, ""},
		{"other charset", "text/xml; charset=iso-8859-1", strings.NewReader("<a/>"), 415, ""},
		{"malformed", "text/xml", strings.NewReader("<a>"), 400, ""},
		{"announced too large", "text/xml", strings.NewReader(strings.Repeat(" ", 4<<20+1)), 413, ""},
		{"connection lost", "text/xml", broken{}, 400, ""},
	} {
		r := httptest.NewRequest("PROPFIND", "/", tc.body)
		if tc.ctype != "" {
			r.Header.Set("Content-Type", tc.ctype)
		}
		root, err := ReadXML(r, Limits{})
		if status(err) != tc.code || (root != nil) != (tc.root != "") || root != nil && root.Name.Local != tc.root {
			t.Errorf("%s: %+v, %v", tc.name, root, err)
		}
	}
	flood := &endless{}
	if _, err := ReadXML(httptest.NewRequest("PROPFIND", "/", flood), Limits{Bytes: 100_000}); status(err) != 413 || flood.n > 300_000 {
		t.Errorf("endless body: %v after %d bytes", err, flood.n)
	}
	r := httptest.NewRequest("PROPFIND", "/", strings.NewReader("<a/>"))
	r.Header.Set("Content-Encoding", "gzip")
	if _, err := ReadXML(r, Limits{}); status(err) != 415 {
		t.Errorf("compressed body: %v", err)
	}
}

func utf16Of(order binary.AppendByteOrder, s string) io.Reader {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, u)
	}
	return bytes.NewReader(b)
}

func TestIsCalendar(t *testing.T) {
	for v, want := range map[string]bool{
		"": true, "text/calendar": true, "Text/Calendar; charset=\"utf-8\"": true, "text/calendar;component=vevent": true,
		"text/calendar; charset=utf-8; method=REPLY": true, "text/calendar; charset=latin1": true, "text/plain": false,
		"application/octet-stream": false,
	} {
		if got := IsCalendar(v); got != want {
			t.Errorf("%q: %v", v, got)
		}
	}
}

func propfind(t *testing.T, inner string) (PropRequest, error) {
	t.Helper()
	root, err := Parse(`<propfind xmlns="DAV:" xmlns:C="`+NSCalDAV+`">`+inner+"</propfind>", Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return ParsePropfind(root)
}

func TestRFC4918_14_20_Propfind(t *testing.T) {
	for _, tc := range []struct {
		name, inner string
		kind        PropKind
		names       []Name
		code        int
	}{
		{"prop", "<prop><getetag/><C:calendar-data><C:expand/></C:calendar-data><getetag/><x xmlns=''/></prop>", PropSome,
			[]Name{D("getetag"), C("calendar-data"), {"", "x"}}, 0},
		{"empty prop", "<prop/>", PropSome, nil, 0},
		{"allprop", "<allprop/>", PropAll, nil, 0},
		{"include", "<allprop/><include><acl/></include>", PropAll, []Name{D("acl")}, 0},
		{"include first", "<include><acl/></include><allprop/>", PropAll, []Name{D("acl")}, 0},
		{"propname", "<propname/>", PropNames, nil, 0},
		{"§17 extension", "<C:other><prop/></C:other><propname/>", PropNames, nil, 0},
		{"include without allprop", "<prop><a/></prop><include><b/></include>", PropSome, []Name{D("a")}, 0},
		{"two", "<prop/><allprop/>", 0, nil, 400},
		{"none", "", 0, nil, 400},
		{"only include", "<include/>", 0, nil, 400},
	} {
		p, err := propfind(t, tc.inner)
		if status(err) != tc.code || err == nil && (p.Kind != tc.kind || !slices.Equal(p.Names, tc.names)) {
			t.Errorf("%s: %+v, %v", tc.name, p, err)
		}
	}
	p, _ := propfind(t, "<prop><C:calendar-data><C:expand/></C:calendar-data></prop>")
	if p.Node(C("calendar-data")).Child(C("expand")) == nil || p.Has(D("x")) {
		t.Error("the content of a property is lost")
	}
	if p, err := ParsePropfind(nil); err != nil || p.Kind != PropAll {
		t.Errorf("§9.1 empty body: %+v, %v", p, err)
	}
	if _, err := ParsePropfind(&Node{Name: D("prop")}); status(err) != 400 {
		t.Errorf("another root: %v", err)
	}
	many := "<prop>"
	for i := range 600 {
		many += "<p" + strconv.Itoa(i) + "/>"
	}
	if _, err := propfind(t, many+"</prop>"); status(err) != 413 {
		t.Errorf("600 properties: %v", err)
	}
}

func TestRFC4918_14_19_PropertyUpdate(t *testing.T) {
	root, err := Parse(`<D:propertyupdate xmlns:D="DAV:" xmlns:Z="urn:z">
	  <D:set><D:prop xml:lang="de"><Z:a>1</Z:a><Z:b/></D:prop></D:set>
	  <Z:set><D:prop><Z:no/></D:prop></Z:set>
	  <D:remove><D:prop><Z:a/></D:prop></D:remove>
	  <D:set><Z:x/><D:prop><D:displayname>Büro &amp; mehr</D:displayname></D:prop></D:set>
	</D:propertyupdate>`, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	changes, err := ParsePropertyUpdate(root)
	if err != nil {
		t.Fatal(err)
	}
	want := []PropChange{
		{Name: Name{"urn:z", "a"}, Value: `<Z:a xmlns:Z="urn:z" xml:lang="de">1</Z:a>`},
		{Name: Name{"urn:z", "b"}, Value: `<Z:b xmlns:Z="urn:z" xml:lang="de"/>`},
		{Name: Name{"urn:z", "a"}, Remove: true},
		{Name: D("displayname"), Value: `<D:displayname xmlns:D="DAV:">Büro &amp; mehr</D:displayname>`},
	}
	if !slices.EqualFunc(changes, want, func(a, b PropChange) bool {
		return a.Name == b.Name && a.Remove == b.Remove && a.Value == b.Value && a.Node.Name == b.Name
	}) {
		t.Errorf("%+v", changes)
	}
	for _, src := range []string{"<propertyupdate xmlns='DAV:'/>", "<propfind xmlns='DAV:'/>", "<propertyupdate/>"} {
		root, err := Parse(src, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParsePropertyUpdate(root); status(err) != 400 {
			t.Errorf("%s: %v", src, err)
		}
	}
	if _, err := ParsePropertyUpdate(nil); status(err) != 400 {
		t.Errorf("no body: %v", err)
	}
}

// The namespaces around a property are repeated in its stored form: many
// properties must not multiply them without a bound.
func TestPropertyUpdate_Amplification(t *testing.T) {
	decls, uses := [2]string{}, ""
	for i := range 60 {
		p := "p" + strconv.Itoa(i)
		decls[i%2] += " xmlns:" + p + `="` + strings.Repeat("u", 500) + `"`
		uses += p + ":"
	}
	var b strings.Builder
	b.WriteString(`<D:propertyupdate xmlns:D="DAV:"` + decls[0] + "><D:set" + decls[1] + "><D:prop>")
	for range 400 {
		b.WriteString("<D:a>" + uses + "</D:a>")
	}
	b.WriteString("</D:prop></D:set></D:propertyupdate>")
	root, err := Parse(b.String(), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParsePropertyUpdate(root); status(err) != http.StatusRequestEntityTooLarge {
		t.Errorf("%v", err)
	}
}

func TestRFC5689_5_1_Mkcol(t *testing.T) {
	for src, code := range map[string]int{
		`<D:mkcol xmlns:D="DAV:"><D:set><D:prop><D:displayname>x</D:displayname></D:prop></D:set></D:mkcol>`:                                      0,
		`<C:mkcalendar xmlns:C="` + NSCalDAV + `" xmlns:D="DAV:"><D:set><D:prop><D:displayname>x</D:displayname></D:prop></D:set></C:mkcalendar>`: 0,
		`<x/>`: 415,
	} {
		root, err := Parse(src, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		changes, err := ParseMkcol(root)
		if status(err) != code || err == nil && (len(changes) != 1 || changes[0].Node.Text != "x") {
			t.Errorf("%s: %+v, %v", src, changes, err)
		}
	}
	if changes, err := ParseMkcol(nil); err != nil || changes != nil {
		t.Errorf("no body: %v, %v", changes, err)
	}
}
