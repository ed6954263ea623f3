package interop

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"factotum/protocol/sitetest"
	"factotum/server/calendar"
	"factotum/server/ical"

	"pgregory.net/rapid"
)

// file is one that a client uploads with an item.
type file struct {
	client, name, kind string
	data               string
}

func drawFiles(t *rapid.T) []file {
	var out []file
	for i := range rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "files") {
		f := file{name: rapid.SampledFrom([]string{"plan.txt", "Größe.bin", "a b;c.dat", `quo"ted.txt`}).Draw(t, "file"), kind: rapid.SampledFrom([]string{"text/plain", "application/octet-stream", "image/png"}).Draw(t, "type")}
		if rapid.Bool().Draw(t, "client id") {
			f.client = fmt.Sprintf("client-%d", i)
		}
		f.data = rapid.SampledFrom([]string{"", "one line", "\r\n--XX\r\n", "\x00\xff\xfe", "é\r\n\r\n.\r\n"}).Draw(t, "begin")
		more := make([]byte, rapid.SampledFrom([]int{0, 1, 200, 70_000}).Draw(t, "octets"))
		for i := range more {
			more[i] = byte(i*i>>3 + i)
		}
		f.data += string(more)
		out = append(out, f)
	}
	return out
}

// upload sends a store command, with its files if there are some.
func (s *site) upload(t sitetest.Fataler, command string, p url.Values, raw string, files []file) {
	p.Set("id", s.sid)
	target := "/" + command + "?" + strings.ReplaceAll(p.Encode(), "+", "%20") + raw
	r := httptest.NewRequest("GET", target, nil)
	if len(files) > 0 {
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		for i, f := range files {
			h := textproto.MIMEHeader{"Content-Type": {f.kind}}
			h.Set("Content-Disposition", mime.FormatMediaType("form-data", map[string]string{"name": fmt.Sprint("file", i), "filename": f.name}))
			if f.client != "" {
				h.Set("Content-Id", "<"+f.client+">")
			}
			part, err := w.CreatePart(h)
			if err == nil {
				_, err = io.WriteString(part, f.data)
			}
			if err != nil {
				t.Fatalf("%v", err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatalf("%v", err)
		}
		r = httptest.NewRequest("POST", target, &body)
		r.Header.Set("Content-Type", w.FormDataContentType())
	}
	w := httptest.NewRecorder()
	s.wcap.ServeHTTP(w, r)
	if !strings.Contains(w.Body.String(), "X-NSCP-WCAP-ERRNO:0\r\n") {
		t.Fatalf("%s\n%s", target, w.Body)
	}
}

// uploaded reports whether an ATTACH is a file of the server's.
func uploaded(p *ical.Property) bool {
	return p.HasParam("X-S1CS-ATTACH-ID") || p.HasParam("MANAGED-ID")
}

// attachments are the files that the components of a text tell of, each once.
func attachments(t sitetest.Fataler, text string) (ids []string, props []ical.Property) {
	cal, err := ical.Parse([]byte(text), ical.Limits{})
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	for _, c := range cal.Children {
		for p := range c.All("ATTACH") {
			id := p.Param("X-S1CS-ATTACH-ID") + p.Param("MANAGED-ID")
			if uploaded(p) && !slices.Contains(ids, id) {
				ids, props = append(ids, id), append(props, *p)
			}
		}
	}
	return ids, props
}

// readFiles compares the files of an item with what both protocols tell of
// them and give for them, octet for octet.
func (s *site) readFiles(t sitetest.Fataler, it *item, shown, stored string) {
	ids, byWCAP := attachments(t, shown)
	same, byDAV := attachments(t, stored)
	if len(ids) != len(it.files) || !slices.Equal(ids, same) {
		t.Fatalf("files %v by WCAP and %v by CalDAV, of %d:\n%s\n%s", ids, same, len(it.files), shown, stored)
	}
	for i, f := range it.files {
		w, d := byWCAP[i], byDAV[i]
		size := fmt.Sprint(len(f.data))
		wcap := []string{w.Param("X-S1CS-FILENAME"), w.Param("FMTTYPE"), w.Param("X-S1CS-FILESIZE"), w.Param("X-S1CS-CLIENT-ATTACH-ID")}
		dav := []string{d.Param("FILENAME"), d.Param("FMTTYPE"), d.Param("SIZE"), d.Param("X-S1CS-CLIENT-ATTACH-ID")}
		want := []string{f.name, f.kind, size, f.client}
		if !slices.Equal(wcap, want) || !slices.Equal(dav, want) {
			t.Fatalf("a file is told as %q and %q, want %q", wcap, dav, want)
		}
		if got := s.fetchFile(t, it, ids[i]); got != f.data {
			t.Fatalf("WCAP gives %.200q (%d octets), want %.200q (%s)", got, len(got), f.data, size)
		}
		if got := s.dav(t, "GET", davPath(d.Value), "", 200); got != f.data {
			t.Fatalf("CalDAV gives %.200q (%d octets), want %.200q (%s)", got, len(got), f.data, size)
		}
	}
}

// noFiles checks that the files went with their item.
func (s *site) noFiles(t sitetest.Fataler, it *item, stored string) {
	ids, props := attachments(t, stored)
	for i, id := range ids {
		if answer := s.ask("fetchattachment.wcap", url.Values{"calid": {"anna"}, "uid": {it.uid}, "rid": {"0"}, "attachid": {id}}); !strings.Contains(answer, "X-NSCP-WCAP-ERRNO:59\r\n") {
			t.Fatalf("a deleted file:\n%s", answer)
		}
		s.dav(t, "GET", davPath(props[i].Value), "", 404)
	}
}

// fetchFile is fetchattachment of one file.
func (s *site) fetchFile(t sitetest.Fataler, it *item, id string) string {
	w := httptest.NewRecorder()
	q := url.Values{"calid": {"anna"}, "uid": {it.uid}, "rid": {"0"}, "attachid": {id}, "id": {s.sid}}
	s.wcap.ServeHTTP(w, httptest.NewRequest("GET", "/fetchattachment.wcap?"+q.Encode(), nil))
	_, opt, err := mime.ParseMediaType(w.Header().Get("Content-Type"))
	if err != nil {
		t.Fatalf("%v", err)
	}
	part, err := multipart.NewReader(w.Body, opt["boundary"]).NextRawPart()
	if err != nil {
		t.Fatalf("%v", err)
	}
	data, err := io.ReadAll(part)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return string(data)
}

// davPath is the path of an attachment's address.
func davPath(address string) string {
	if i := strings.Index(address, calendar.AttachmentsPath); i >= 0 {
		return address[i:]
	}
	return "/none"
}
