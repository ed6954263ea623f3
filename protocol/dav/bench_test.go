package dav

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

const propfindBody = `<?xml version="1.0" encoding="UTF-8"?>
<A:propfind xmlns:A="DAV:"><A:prop><A:getetag/><A:displayname/><B:calendar-home-set xmlns:B="urn:ietf:params:xml:ns:caldav"/>
<C:getctag xmlns:C="http://calendarserver.org/ns/"/><E:calendar-color xmlns:E="http://apple.com/ns/ical/"/><x:y xmlns:x="urn:x"/></A:prop></A:propfind>`

func multiget(n int) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>
<B:calendar-multiget xmlns:B="urn:ietf:params:xml:ns:caldav">
  <A:prop xmlns:A="DAV:">
    <A:getetag/>
    <B:calendar-data/>
  </A:prop>
`)
	for i := range n {
		fmt.Fprintf(&b, "  <A:href xmlns:A=\"DAV:\">/dav/calendars/anna/calendar/%08X-4D1C-4E7B-9C3F-0123456789AB.ics</A:href>\n", i)
	}
	b.WriteString("</B:calendar-multiget>\n")
	return b.String()
}

type benchMultiget struct {
	Hrefs []string `xml:"DAV: href"`
}

func BenchmarkMultiget50(b *testing.B) {
	src := multiget(50)
	b.Run("dav", func(b *testing.B) {
		b.SetBytes(int64(len(src)))
		b.ReportAllocs()
		for b.Loop() {
			root, err := Parse(src, Limits{})
			if err != nil {
				b.Fatal(err)
			}
			n := 0
			for c := range root.Children() {
				if c.Name == D("href") {
					if _, err := DecodeHref(c.Text, "example.com"); err != nil {
						b.Fatal(err)
					}
					n++
				}
			}
			if n != 50 {
				b.Fatal(n)
			}
		}
	})
	b.Run("encoding-xml", func(b *testing.B) {
		b.SetBytes(int64(len(src)))
		b.ReportAllocs()
		for b.Loop() {
			var v benchMultiget
			if err := xml.Unmarshal([]byte(src), &v); err != nil || len(v.Hrefs) != 50 {
				b.Fatal(err, len(v.Hrefs))
			}
		}
	})
}

func BenchmarkPropfindBody(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		root, err := Parse(propfindBody, Limits{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := ParsePropfind(root); err != nil {
			b.Fatal(err)
		}
	}
}

// nullWriter counts the bytes of an answer.
type nullWriter struct {
	h http.Header
	n int
}

func (w *nullWriter) Header() http.Header         { return w.h }
func (w *nullWriter) WriteHeader(int)             {}
func (w *nullWriter) Write(p []byte) (int, error) { w.n += len(p); return len(p), nil }

type benchResponse struct {
	Href     string `xml:"DAV: href"`
	Propstat struct {
		Prop struct {
			ETag string `xml:"DAV: getetag"`
		} `xml:"DAV: prop"`
		Status string `xml:"DAV: status"`
	} `xml:"DAV: propstat"`
}

func BenchmarkETags10k(b *testing.B) {
	names := make([]string, 10_000)
	for i := range names {
		names[i] = fmt.Sprintf("%08X-4D1C-4E7B-9C3F-0123456789AB.ics", i)
	}
	etag := D("getetag")
	b.Run("dav", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w := &nullWriter{h: http.Header{}}
			mw := NewMultistatus(w)
			mw.Base("/dav/calendars/anna/calendar/")
			for _, n := range names {
				mw.Member(n)
				mw.Text(etag, `"1234567"`)
			}
			if err := mw.Close(); err != nil || w.n < 1_000_000 {
				b.Fatal(err, w.n)
			}
		}
	})
	b.Run("encoding-xml", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w := &nullWriter{h: http.Header{}}
			e := xml.NewEncoder(w)
			for _, n := range names {
				var r benchResponse
				r.Href = "/dav/calendars/anna/calendar/" + n
				r.Propstat.Prop.ETag = `"1234567"`
				r.Propstat.Status = "HTTP/1.1 200 OK"
				if err := e.Encode(&r); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

func BenchmarkAppendText(b *testing.B) {
	s := strings.Repeat("DESCRIPTION:A line of an event as it is stored & served\r\n", 20)
	b.SetBytes(int64(len(s)))
	var dst []byte
	for b.Loop() {
		dst = AppendText(dst[:0], s)
	}
}
