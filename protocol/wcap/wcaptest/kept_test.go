package wcaptest

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"factotum/server/ical"

	"pgregory.net/rapid"
)

// drawObject makes a VCALENDAR with an event as CalDAV clients write them,
// with things that WCAP has no parameter for.
func drawObject(t *rapid.T, uid string) string {
	text := rapid.SampledFrom([]string{"plain", "Größe 日本 🎉", `a\;b\,c`, `back\\slash`, `two\nlines`, `"quoted" & <marked>`, "% + = ^ #", strings.Repeat("long ä ", 40)})
	some := func(name string) bool { return rapid.IntRange(0, 2).Draw(t, name) == 0 }
	day := rapid.IntRange(10, 18).Draw(t, "day")
	kind := rapid.SampledFrom([]string{";TZID=Europe/Berlin:202603%02dT093000", ":202603%02dT093000Z", ";VALUE=DATE:202603%02d", ":202603%02dT093000"}).Draw(t, "kind")
	at := func(name string, day int) string { return name + fmt.Sprintf(kind, day) }
	allDay := strings.Contains(kind, "DATE")
	var l []string
	if strings.Contains(kind, "TZID") {
		l = append(l, berlin...)
	}
	body := func() (b []string) {
		for _, x := range []struct{ name, format string }{
			{"DESCRIPTION", `DESCRIPTION;ALTREP="http://x/a?b;c":%s`}, {"LOCATION", "LOCATION;LANGUAGE=de:%s"}, {"COMMENT", "COMMENT;X-P=1:%s"}, {"CONTACT", "CONTACT:%s"},
			{"X-UNKNOWN", `X-UNKNOWN;X-A="a;b:c,d";X-B=1,2:%s`}, {"X-TWICE", "X-TWICE:%[1]s\r\nX-TWICE:%[1]s 2"}, {"CATEGORIES", "CATEGORIES:A,%s"}, {"RESOURCES", "RESOURCES:B,%s"}, {"STYLED", "STYLED-DESCRIPTION;VALUE=TEXT:%s"},
		} {
			if some(x.name) {
				b = append(b, strings.Split(fmt.Sprintf(x.format, text.Draw(t, x.name)), "\r\n")...)
			}
		}
		for _, line := range []string{"URL:http://x/y?a=b;c,d", "GEO:48.1;11.6", "RELATED-TO;RELTYPE=SIBLING:other@x", "CLASS:PRIVATE", "PRIORITY:3", "TRANSP:TRANSPARENT", "STATUS:TENTATIVE",
			"ATTACH;FMTTYPE=text/plain:http://x/file;p.txt", "CONFERENCE;VALUE=URI;FEATURE=AUDIO;LABEL=Call:tel:+1-412-555-0123", "COLOR:turquoise", "REQUEST-STATUS:2.0;Success;a"} {
			if some(line[:4]) {
				b = append(b, line)
			}
		}
		if some("people") {
			b = append(b, "ORGANIZER;CN=Anna;X-ORG=1:mailto:anna@example.com", "ATTENDEE;CN=Anna;PARTSTAT=ACCEPTED:mailto:anna@example.com",
				`ATTENDEE;CN="Ben; B";ROLE=OPT-PARTICIPANT;PARTSTAT=TENTATIVE;RSVP=TRUE;SCHEDULE-AGENT=CLIENT;X-ATT=ö:mailto:ben@example.com`, "ATTENDEE;CUTYPE=ROOM;SCHEDULE-AGENT=NONE:mailto:elsewhere@other.example")
		}
		for i := range rapid.IntRange(0, 2).Draw(t, "alarms") {
			b = append(b, "BEGIN:VALARM", fmt.Sprintf("UID:alarm-%d", i), "ACTION:DISPLAY", "DESCRIPTION:"+text.Draw(t, "alarm"),
				rapid.SampledFrom([]string{"TRIGGER:-PT15M", "TRIGGER;RELATED=END:PT5M", "TRIGGER;VALUE=DATE-TIME:20260301T080000Z"}).Draw(t, "trigger"), "X-ALARM;P=1:kept", "REPEAT:2", "DURATION:PT5M", "END:VALARM")
		}
		return b
	}
	end := at("DTEND", day+1)
	if rapid.Bool().Draw(t, "duration") {
		end = "DURATION:P1D"
	}
	l = append(l, "BEGIN:VEVENT", "UID:"+uid, "DTSTAMP:20260101T000000Z", "CREATED:20260101T000000Z", at("DTSTART", day), end, "SUMMARY:"+text.Draw(t, "summary"))
	l = append(l, body()...)
	moved := false
	if rapid.Bool().Draw(t, "recurs") {
		l = append(l, "RRULE:FREQ=DAILY;COUNT=8")
		if some("EXDATE") {
			l = append(l, at("EXDATE", day+5))
		}
		if some("RDATE") && !allDay {
			l = append(l, at("RDATE", day+10))
		}
		moved = some("moved")
	}
	l = append(l, "END:VEVENT")
	if moved {
		l = append(l, "BEGIN:VEVENT", "UID:"+uid, "DTSTAMP:20260101T000000Z", at("RECURRENCE-ID", day+2), at("DTSTART", day+3), at("DTEND", day+4), "SUMMARY:moved")
		l = append(append(l, body()...), "END:VEVENT")
	}
	return wrap(l...)
}

// kept is what a change of SUMMARY by WCAP has to leave alone.
func kept(t interface{ Fatalf(string, ...any) }, text string) *ical.Component {
	tree, err := ical.Parse([]byte(text), ical.Limits{})
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	out := ical.New("VCALENDAR")
	for _, k := range tree.Children {
		if k.Name == "VTIMEZONE" {
			continue // one of the same name may be written anew
		}
		if k.Prop("RECURRENCE-ID") == nil {
			k.Del("SUMMARY")
		}
		for _, n := range []string{"DTSTAMP", "LAST-MODIFIED", "SEQUENCE"} {
			k.Del(n)
		}
		out.AddChild(k)
	}
	return out
}

// TestOneTruth_Kept: CalDAV writes an event, WCAP changes its summary, and all
// the rest stays as it was; and WCAP shows what it has no parameter for.
func TestOneTruth_Kept(t *testing.T) {
	cases := 100 // on each kind of site
	if os.Getenv("FACTOTUM_LONG") != "" {
		cases = 2500
	}
	everywhere(t, func(t *testing.T, s *site) {
		s.as("anna")
		n := 0
		for n < cases && !t.Failed() { // how many a check is depends on rapid's flags, and on -short
			rapid.Check(t, func(rt *rapid.T) {
				n++
				uid := fmt.Sprintf("kept-%d", n)
				text := drawObject(rt, uid)
				path := davPath("anna") + uid + ".ics"
				s.caldav("anna", "PUT", path, text, 201)
				s.do("anna", "storeevents.wcap?calid=anna&uid="+uid+"&mod=4&replace=1&summary=By%20WCAP,%20%C3%B6&method=256").errno("0")
				got, _ := s.caldav("anna", "GET", path, "", 200)
				want, have := kept(rt, text), kept(rt, got)
				if !ical.Equal(want, have) {
					rt.Fatalf("%s\nwas\n%s\nis\n%s", ical.Diff(have, want), text, got)
				}
				if !strings.Contains(got, "\r\nSUMMARY:By WCAP\\, ö\r\n") {
					rt.Fatalf("the summary is not changed:\n%s", got)
				}
				shown := s.do("anna", "fetchevents_by_id.wcap?calid=anna&recurring=1&compressed=1&emailorcalid=1&uid="+uid).errno("0")
				tree, err := ical.Parse([]byte(text), ical.Limits{})
				if err != nil {
					rt.Fatal(err)
				}
				for _, name := range []string{"X-UNKNOWN", "X-TWICE", "COMMENT", "CONTACT", "CONFERENCE", "COLOR", "GEO", "URL"} {
					want := 0
					for k := range tree.ChildrenOf("VEVENT") {
						want += k.Count(name)
					}
					if got := len(shown.find("VEVENT." + name)); got != want {
						rt.Fatalf("%d %s are shown, want %d:\n%s", got, name, want, shown.body)
					}
				}
				s.do("anna", "deleteevents_by_id.wcap?calid=anna&mod=4&rid=0&uid="+uid).errno("0")
				s.caldav("anna", "GET", path, "", 404)
			})
		}
	})
}

// TestOneTruth_Files: a file that WCAP uploads is offered to CalDAV behind the
// log-in, and goes with the event, whoever deletes it.
func TestOneTruth_Files(t *testing.T) {
	everywhere(t, func(t *testing.T, s *site) {
		data := make([]byte, 100<<10)
		for i := range data {
			data[i] = byte(i*i>>3 + i)
		}
		for _, by := range []string{"WCAP", "CalDAV"} {
			uid := "file-" + by
			var body bytes.Buffer
			w := multipart.NewWriter(&body)
			part, err := w.CreateFormFile("file", "pläne.bin")
			if err != nil {
				t.Fatal(err)
			}
			part.Write(data)
			w.Close()
			s.send(request("POST", "/storeevents.wcap?calid=anna&uid="+uid+"&dtstart=20260310T090000Z&id="+s.as("anna"), w.FormDataContentType(), body.String())).errno("0")
			a := s.do("anna", "fetchevents_by_id.wcap?calid=anna&uid="+uid).errno("0")
			id := a.value("ATTACH;X-S1CS-ATTACH-ID")
			if a.value("ATTACH;X-S1CS-FILENAME") != "pläne.bin" || a.value("ATTACH;X-S1CS-FILESIZE") != fmt.Sprint(len(data)) || id == "" {
				t.Fatalf("shown:\n%s", a.body)
			}
			got := s.do("anna", "fetchattachment.wcap?calid=anna&uid="+uid+"&attachid="+id)
			_, opt, err := mime.ParseMediaType(got.header.Get("Content-Type"))
			if err != nil {
				t.Fatal(err)
			}
			p, err := multipart.NewReader(strings.NewReader(got.body), opt["boundary"]).NextPart()
			if err != nil {
				t.Fatal(err)
			}
			if back, err := io.ReadAll(p); err != nil || !bytes.Equal(back, data) {
				t.Errorf("WCAP gave %d octets, other ones: %v", len(back), err)
			}
			path := objectPath(s, uid)
			text, _ := s.caldav("anna", "GET", path, "", 200)
			tree, err := ical.Parse([]byte(text), ical.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			url := tree.Child("VEVENT").Value("ATTACH")
			if i := strings.Index(url, "/dav/"); i >= 0 {
				url = url[i:]
			}
			back, _ := s.caldav("anna", "GET", url, "", 200)
			if back != string(data) {
				t.Errorf("CalDAV gave %d octets, other ones", len(back))
			}
			anon := httptest.NewRecorder()
			s.dav.ServeHTTP(anon, httptest.NewRequest("GET", url, nil))
			if anon.Code != 401 {
				t.Errorf("without a log-in: %d", anon.Code)
			}
			s.as("ben")
			other := httptest.NewRecorder()
			r := httptest.NewRequest("GET", url, nil)
			r.SetBasicAuth("ben", "ben")
			s.dav.ServeHTTP(other, r)
			if other.Code != 403 && other.Code != 404 {
				t.Errorf("as somebody else: %d", other.Code)
			}
			// A client of CalDAV that writes the event again keeps the file.
			s.caldav("anna", "PUT", path, strings.Replace(text, "END:VEVENT", "COMMENT:new\r\nEND:VEVENT", 1), 204)
			s.caldav("anna", "GET", url, "", 200)
			if by == "WCAP" {
				s.do("anna", "deleteevents_by_id.wcap?calid=anna&mod=4&rid=0&uid="+uid).errno("0")
			} else {
				s.caldav("anna", "DELETE", path, "", 204)
			}
			s.caldav("anna", "GET", url, "", 404)
			s.do("anna", "fetchattachment.wcap?calid=anna&uid="+uid+"&attachid="+id).errno("59")
		}
	})
}
