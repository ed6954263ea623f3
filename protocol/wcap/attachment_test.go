package wcap

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"net/http/httptest"
	"net/textproto"
	"regexp"
	"strings"
	"testing"

	"factotum/server/calendar"
)

// upload posts a store with parts: headers and text.
func (s *site) upload(user, path string, parts ...[2]string) *reply {
	s.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		h := textproto.MIMEHeader{}
		for line := range strings.SplitSeq(p[0], "\n") {
			k, v, _ := strings.Cut(line, ": ")
			h.Set(k, v)
		}
		pw, err := w.CreatePart(h)
		if err == nil {
			_, err = pw.Write([]byte(p[1]))
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		s.t.Fatal(err)
	}
	return s.post(path+"&id="+s.as(user), w.FormDataContentType(), b.String())
}

// fetched reads the multipart answer of fetchattachment.
func (r *reply) fetched() map[string]string {
	r.t.Helper()
	kind, opt, err := mime.ParseMediaType(r.header.Get("Content-Type"))
	if err != nil || kind != "multipart/mixed" {
		r.t.Fatalf("%s: %q %v\n%s", r.what, r.header.Get("Content-Type"), err, r.body)
	}
	out := map[string]string{}
	mr := multipart.NewReader(strings.NewReader(r.body), opt["boundary"])
	for {
		p, err := mr.NextRawPart()
		if err == io.EOF {
			return out
		}
		if err != nil {
			r.t.Fatal(err)
		}
		data, err := io.ReadAll(p)
		if err != nil {
			r.t.Fatal(err)
		}
		out[p.FileName()+" "+p.Header.Get("Content-Type")] = string(data)
	}
}

var attachPattern = regexp.MustCompile(`X-S1CS-ATTACH-ID=(\w+)`)

// TestWCAP_13_Attachments: what comes back are the octets that were sent; the
// file goes with its event, and by deleteattach.
func TestWCAP_13_Attachments(t *testing.T) {
	s := newSite(t)
	data := "\x00\xff\r\n--X text é"
	r := s.upload("anna", "storeevents.wcap?uid=u&dtstart=20260310T090000Z"+lightning,
		[2]string{`Content-Disposition: form-data; name="summary"`, "with a file"},
		[2]string{"Content-Disposition: form-data; name=\"f\"; filename=\"C:\\\\x\\\\test.txt\"\nContent-Type: text/plain\nContent-Id: <client-1>", data},
		[2]string{"Content-Disposition: attachment; filename=b.bin\nContent-Type: application/x-b\nContent-Transfer-Encoding: base64", "AAEC"}).errno(0)
	r.contains("SUMMARY:with a file", "X-S1CS-CLIENT-ATTACH-ID=client-1", "FMTTYPE=text/plain", "X-S1CS-FILENAME=test.txt", "X-S1CS-FILESIZE=15", "fetchattachments.wcap?calid=anna&uid=u&rid=0&attach-id=")
	ids := attachPattern.FindAllStringSubmatch(strings.ReplaceAll(r.body, "\r\n ", ""), -1)
	if len(ids) != 2 {
		t.Fatalf("%v in\n%s", ids, r.body)
	}
	a, b := ids[0][1], ids[1][1]
	has(t, s.stored("anna", "anna", "u"), "ATTACH;MANAGED-ID="+a, "/dav/attachments/anna/"+a)
	got := s.do("anna", "fetchattachment.wcap?calid=anna&uid=u&rid=0&attachid="+a+";"+b).fetched()
	if got["test.txt text/plain"] != data || got["b.bin application/x-b"] != "\x00\x01\x02" {
		t.Errorf("got %q", got)
	}
	s.do("anna", "fetchattachments.wcap?uid=u&attach-id="+a).fetched()
	s.do("anna", "fetchattachment.wcap?uid=u&attachid=none").errno(87)
	s.do("anna", "storeevents.wcap?calid=anna&uid=bare&dtstart=20260310T090000Z").errno(0)
	s.do("anna", "fetchattachment.wcap?uid=bare&attachid="+a).errno(87)
	s.do("anna", "fetchattachment.wcap?uid=other&attachid="+a).errno(59)
	s.do("anna", "fetchattachment.wcap?calid=nobody&uid=u&attachid="+a).errno(29)
	s.do("anna", "fetchattachment.wcap?uid=u").errno(87)
	s.as("ben")
	s.do("ben", "fetchattachment.wcap?calid=anna&uid=u&attachid="+a).errno(28)
	s.do("anna", "fetchevents_by_id.wcap?calid=anna&uid=u&fetchattach=1").errno(0).contains("ENCODING=BASE64", "VALUE=BINARY", ":AAEC")
	// A client that knows addresses only sends back those that it saw.
	s.do("anna", "storeevents.wcap?uid=u&attachments=http://x/y;http://h/fetchattachments.wcap%3Fuid=u%26attach-id="+a+lightning).errno(0).contains(a, b, "ATTACH:http://x/y")
	s.do("anna", "storeevents.wcap?uid=u&attachments="+lightning).errno(0).contains(a, b).lacks("http://x/y")
	s.do("anna", "storeevents.wcap?calid=anna&uid=u&deleteattach="+a+";none").errno(86)
	s.do("anna", "fetchattachment.wcap?uid=u&attachid="+a).errno(87)
	s.do("anna", "storeevents.wcap?calid=anna&uid=u&deleteattach=none").errno(87)
	s.do("anna", "storeevents.wcap?calid=anna&uid=u&deleteattach="+b).errno(85)
	has(t, s.stored("anna", "anna", "u"), "!ATTACH")
	r = s.upload("anna", "storetodos.wcap?uid=t"+lightning, [2]string{"Content-Disposition: form-data; name=f; filename=x", "1"}).errno(0)
	id := attachPattern.FindStringSubmatch(strings.ReplaceAll(r.body, "\r\n ", ""))[1]
	s.do("anna", "deletetodos_by_id.wcap?calid=anna&uid=t&rid=0&mod=4").errno(0)
	if _, err := s.be.Attachment(context.Background(), s.people.Actor("anna"), calendar.AttachmentRequest{Owner: "anna", ID: id}); calendar.KindOf(err) != calendar.NotFound {
		t.Errorf("after its task was deleted: %v", err)
	}
}

// TestWCAP_8_2_BadAttachments: 82, 83 and 84, and a limit.
func TestWCAP_8_2_BadAttachments(t *testing.T) {
	s := newSite(t)
	const path = "storeevents.wcap?uid=u&dtstart=20260310T090000Z&calid=anna"
	s.upload("anna", path, [2]string{"Content-Disposition: form-data; name=f; filename=x\nContent-Type: no type", "1"}).errno(82)
	s.upload("anna", path, [2]string{"Content-Disposition: form-data; name=f; filename=x\nContent-Transfer-Encoding: odd", "1"}).errno(82)
	s.upload("anna", path, [2]string{"Content-Disposition: form-data; name=f; filename=x\nContent-Transfer-Encoding: base64", "%%"}).errno(84)
	s.post(path+"&id="+s.as("anna"), "multipart/form-data", "x").errno(83)
	s.upload("anna", path, [2]string{"Content-Disposition: form-data; name=f; filename=x", strings.Repeat("x", 11<<20)}).errno(14)
	s.do("anna", "fetchevents_by_id.wcap?calid=anna&uid=u").errno(59)
}

// TestAttachmentAddress: the address of a file is one that the client can
// reach: over TLS if a proxy that is trusted says so, and only then.
func TestAttachmentAddress(t *testing.T) {
	for _, proxy := range []bool{true, false} {
		s := newSite(t, func(o *Options) { o.Settings.ForwardedRequest = proxy })
		s.upload("anna", "storeevents.wcap?calid=anna&uid=e&dtstart=20260310T090000Z", [2]string{"Content-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\nContent-Type: text/plain", "x"}).errno(0)
		for proto, want := range map[string]string{"": "http://", "http": "http://", "https": map[bool]string{true: "https://", false: "http://"}[proxy]} {
			r := httptest.NewRequest("GET", "http://cal.example.com/fetchevents_by_id.wcap?calid=anna&uid=e&fmt-out=text/xml&id="+s.as("anna"), nil)
			r.Header.Set("X-Forwarded-Proto", proto)
			s.send(r).errno(0).contains(">" + want + "cal.example.com/fetchattachments.wcap?")
		}
	}
}

// TestInlineFiles: a file that stands in the text is told by its name and size
// like any other, and fetched, shown and deleted by the id made of it.
func TestInlineFiles(t *testing.T) {
	s := newSite(t)
	s.as("ben")
	const file = "hello, this is a file of some octets"
	text := simpleEvent("e", "20260310T090000Z", "SUMMARY:x", "ATTACH;FMTTYPE=text/plain;ENCODING=BASE64;VALUE=BINARY;X-FILENAME=a b.txt:"+base64.StdEncoding.EncodeToString([]byte(file)), "ATTACH:http://example.com/other")
	s.put("anna", "anna", "e.ics", text)
	for _, q := range []string{"fetchevents_by_id.wcap?calid=anna&uid=e", "fetchevents_by_id.wcap?calid=anna&uid=e&fetchattach=0", "fetchcomponents_by_range.wcap?calid=anna&dtstart=20260301T000000Z&dtend=20260401T000000Z",
		"fetchcomponents_by_range.wcap?calid=anna&dtstart=20260301T000000Z&dtend=20260401T000000Z", "fetchcomponents_by_lastmod.wcap?calid=anna", "storeevents.wcap?calid=anna&uid=e&fetch=1&summary=y"} {
		s.do("anna", q).errno(0).contains("X-S1CS-FILENAME=a b.txt;X-S1CS-FILESIZE=36:http://cal.example.com/fetchattachments.wcap?", "FMTTYPE=text/plain", "ATTACH:http://example.com/other").lacks("BASE64", "aGVsbG8")
	}
	s.do("anna", "fetchevents_by_id.wcap?calid=anna&uid=e&fetchattach=1").errno(0).contains("ENCODING=BASE64;VALUE=BINARY:aGVsbG8", "X-S1CS-FILENAME=a b.txt")
	r := s.do("anna", "fetchevents_by_id.wcap?calid=anna&uid=e")
	address := ""
	for _, v := range r.values("ATTACH") {
		if strings.Contains(v, "fetchattachments") {
			address = strings.TrimPrefix(v, "http://cal.example.com/")
		}
	}
	_, id, _ := strings.Cut(address, "attach-id=")
	got := s.do("anna", address).fetched()
	if len(got) != 1 || got["a b.txt text/plain"] != file {
		t.Errorf("fetched %q by %s", got, address)
	}
	s.do("anna", strings.Replace(address, "uid=e", "uid=none", 1)).errno(59)
	s.do("anna", address[:len(address)-1]+"x").errno(87)
	s.do("ben", address).errno(28)
	s.do("anna", "storeevents.wcap?calid=anna&uid=e&deleteattach="+id).errno(85)
	s.do("anna", "storeevents.wcap?calid=anna&uid=e&deleteattach="+id).errno(87)
	has(t, s.stored("anna", "anna", "e"), "!BASE64", "ATTACH:http://example.com/other")
}

// TestExportNamesTheServer: a file that leaves the server says where the files
// that belong to it are.
func TestExportNamesTheServer(t *testing.T) {
	for public, want := range map[string]string{"": "http://cal.example.com", "https://calendar.example.org:8443": "https://calendar.example.org:8443"} {
		s := newSite(t, func(o *Options) { o.Settings.PublicURL = public })
		s.upload("anna", "storeevents.wcap?calid=anna&uid=e&dtstart=20260310T090000Z", [2]string{"Content-Disposition: form-data; name=f; filename=a.txt\nContent-Type: text/plain", "octets"}).errno(0)
		for _, form := range []string{"text/calendar", "text/xml"} {
			r := s.do("anna", "export.wcap?calid=anna&content-out="+form).contains(want+"/dav/attachments/anna/").lacks(":/dav/attachments", ">/dav/attachments")
			if form == "text/calendar" { // and it comes back whole
				s.do("anna", "createcalendar.wcap?calid=copy").errno(0)
				s.post("import.wcap?calid=anna:copy&content-in=text/calendar&id="+s.as("anna"), "text/calendar", r.body).errno(0)
				s.do("anna", "fetchevents_by_id.wcap?calid=anna:copy&uid=e&fetchattach=1").errno(0).contains("BASE64;VALUE=BINARY:b2N0ZXRz")
			}
		}
		s.do("anna", "fetchevents_by_id.wcap?calid=anna&uid=e").errno(0).contains(want + "/fetchattachments.wcap?")
	}
}
