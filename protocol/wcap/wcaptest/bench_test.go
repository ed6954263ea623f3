package wcaptest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"factotum/protocol/sitetest"
	"factotum/protocol/wcap"
	"factotum/server/calendar"
	"factotum/server/observe/costtest"
)

// sink is a ResponseWriter that counts.
type sink struct {
	h http.Header
	n int
}

func (s *sink) Header() http.Header         { return s.h }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(b []byte) (int, error) { s.n += len(b); return len(b), nil }

// fill puts n events into anna's calendar, ten a day; each is a meeting with a
// room and an attendee, in Berlin's time.
func (s *site) fill(n int) {
	s.t.Helper()
	s.as("anna")
	items := make([]calendar.PutItem, n)
	for i := range items {
		items[i].Data = meeting(i, "What there is to say about this meeting")
	}
	s.put("anna", items...)
}

// put stores objects in the default calendar of a user.
func (s *site) put(user string, items ...calendar.PutItem) {
	s.t.Helper()
	res, err := s.be.PutObjects(context.Background(), s.people.Actor(user), calendar.PutObjectsRequest{Calendar: calendar.ID(user), Items: items, Replace: true})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, r := range res {
		if r.Err != nil {
			s.t.Fatal(r.Err)
		}
	}
}

// meeting is event i of fill.
func meeting(i int, say string) []byte {
	start := time.Date(2026, 1, 1, 7, 0, 0, 0, time.UTC).AddDate(0, 0, i/10).Add(time.Duration(i%10) * time.Hour)
	text := wrap(append(berlin, event(fmt.Sprintf("uid-%05d", i), "X", "DESCRIPTION:"+say+"\\, at some length\\, so that it looks like a real one.",
		"LOCATION:Room 1", "ORGANIZER;CN=Anna:mailto:anna@example.com", "ATTENDEE;CN=Ben;PARTSTAT=ACCEPTED:mailto:ben@example.com")...)...)
	return []byte(strings.Replace(text, "DTSTART:X", "DTSTART;TZID=Europe/Berlin:"+start.Format("20060102T150405"), 1))
}

var berlin = []string{"BEGIN:VTIMEZONE", "TZID:Europe/Berlin",
	"BEGIN:DAYLIGHT", "DTSTART:19810329T020000", "TZOFFSETFROM:+0100", "TZOFFSETTO:+0200", "TZNAME:CEST", "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU", "END:DAYLIGHT",
	"BEGIN:STANDARD", "DTSTART:19961027T030000", "TZOFFSETFROM:+0200", "TZOFFSETTO:+0100", "TZNAME:CET", "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU", "END:STANDARD",
	"END:VTIMEZONE"}

// beside runs two requests in turn, and reports what the first costs of CPU,
// what the second, and how many times the second the first is. Before each
// runs before, which does not count.
func beside(b *testing.B, before, ours, other func()) {
	var spent [2]time.Duration
	for i := 0; b.Loop(); i++ {
		for k := range 2 {
			if before != nil {
				before()
			}
			which := (i + k) % 2 // neither is always first
			begin := costtest.CPU()
			if which == 0 {
				ours()
			} else {
				other()
			}
			spent[which] += costtest.CPU() - begin
		}
	}
	b.ReportMetric(float64(spent[0].Microseconds())/float64(b.N), "wcap-µs/op")
	b.ReportMetric(float64(spent[1].Microseconds())/float64(b.N), "caldav-µs/op")
	b.ReportMetric(float64(spent[0])/float64(spent[1]), "times-caldav")
}

const query = `<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><D:getetag/><C:calendar-data/></D:prop><C:filter><C:comp-filter name="VCALENDAR">` +
	`<C:comp-filter name="VEVENT"><C:time-range start="20270101T000000Z" end="20270201T000000Z"/></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>`

// BenchmarkMonth: fetchcomponents_by_range of a month in a calendar of 10,000
// events, beside the calendar-query that returns the same 310. Mark: 1.5 times.
//
//	warm    both were asked before
//	write   the same, with an event of the month changed before each request
//	first   CalDAV was asked before, this front was not
//	cold    nothing was asked before: all comes from the store
func BenchmarkMonth(b *testing.B) {
	for _, v := range sitetest.Variants[:2] {
		for _, format := range formats[:2] {
			for _, state := range []string{"warm", "write", "first", "cold"} {
				if v.DWP && state == "cold" {
					continue // starting a back end on another socket would be most of it
				}
				b.Run(v.Name+"/"+strings.TrimPrefix(format, "text/")+"/"+state, func(b *testing.B) {
					var opts wcap.Options
					s := newSite(b, v, func(o *wcap.Options) { o.Logger = nil; opts = *o })
					s.fill(10_000)
					opts.Backend = s.be
					target := "/fetchcomponents_by_range.wcap?relativealarm=1&compressed=1&recurring=1&emailorcalid=1&component-type=event&dtstart=20270101T000000Z&dtend=20270201T000000Z&calid=anna&id=" +
						s.as("anna") + "&fmt-out=" + format
					ours := func() {
						w := &sink{h: http.Header{}}
						s.wcap.ServeHTTP(w, request("GET", target, "", ""))
						if w.n < 200_000 {
							b.Fatalf("%d octets", w.n)
						}
					}
					other := func() {
						w := &sink{h: http.Header{}}
						r := httptest.NewRequest("REPORT", davPath("anna"), strings.NewReader(query))
						r.SetBasicAuth("anna", "anna")
						r.Header.Set("Depth", "1")
						s.dav.ServeHTTP(w, r)
						if w.n < 200_000 {
							b.Fatalf("%d octets", w.n)
						}
					}
					ours()
					other()
					n := 0
					beside(b, map[string]func(){
						"write": func() {
							n++
							s.put("anna", calendar.PutItem{Data: meeting(3650+n%310, fmt.Sprint("What was said the ", n, "th time"))})
						},
						"first": func() { s.wcap = wcap.New(opts) },
						"cold":  s.start,
					}[state], ours, other)
				})
			}
		}
	}
}

// BenchmarkStore: storeevents beside a PUT of the same event. Mark: 1.3 times.
func BenchmarkStore(b *testing.B) {
	for _, v := range sitetest.Variants {
		b.Run(v.Name, func(b *testing.B) {
			v.Durable = true
			s := newSite(b, v, func(o *wcap.Options) { o.Logger = nil })
			sid := s.as("anna")
			n := 0
			beside(b, nil, func() {
				n++
				w := httptest.NewRecorder()
				s.wcap.ServeHTTP(w, request("GET", "/storeevents.wcap?appid=mozilla-calendar&id="+sid+"&dtstart=20260310T080000Z&dtend=20260310T090000Z&isAllDay=0&rrules=&rdates=&exrules=&exdates="+
					"&orgCalid=anna&summary=A%20meeting&categories=Work&desc=What%20there%20is%20to%20say&location=Room%201&icsUrl=&priority=0&icsClass=PUBLIC&status=0&transparent=0&attachments="+
					"&alarmStart=&alarmPopup=-PT15M&alarmEmails=&tzid=Europe%2FBerlin&uid=w"+fmt.Sprint(n)+"&storetype=1&mod=4&method=1&replace=1&calid=anna", "", ""))
				if !strings.Contains(w.Body.String(), "ERRNO:0") {
					b.Fatal(w.Body)
				}
			}, func() {
				n++
				uid := fmt.Sprint("d", n)
				r := httptest.NewRequest("PUT", davPath("anna")+uid+".ics", strings.NewReader(wrap(append(berlin, "BEGIN:VEVENT", "UID:"+uid, "DTSTAMP:20260101T000000Z", "CREATED:20260101T000000Z",
					"DTSTART;TZID=Europe/Berlin:20260310T090000", "DTEND;TZID=Europe/Berlin:20260310T100000", "SUMMARY:A meeting", "CATEGORIES:Work", "DESCRIPTION:What there is to say", "LOCATION:Room 1",
					"PRIORITY:0", "CLASS:PUBLIC", "STATUS:CONFIRMED", "TRANSP:OPAQUE", "BEGIN:VALARM", "ACTION:DISPLAY", "DESCRIPTION:d", "TRIGGER:-PT15M", "END:VALARM", "END:VEVENT")...)))
				r.SetBasicAuth("anna", "anna")
				r.Header.Set("Content-Type", "text/calendar")
				w := httptest.NewRecorder()
				s.dav.ServeHTTP(w, r)
				if w.Code != 201 {
					b.Fatal(w.Code)
				}
			})
		})
	}
}

// BenchmarkFreebusyHundred: get_freebusy of 100 people for a month, with a
// meeting on each day. Mark: 100 ms.
func BenchmarkFreebusyHundred(b *testing.B) {
	for _, v := range sitetest.Variants {
		b.Run(v.Name, func(b *testing.B) {
			s := newSite(b, v, func(o *wcap.Options) { o.Logger = nil })
			list := make([]string, 100)
			for i := range list {
				id := fmt.Sprintf("p%03d", i)
				list[i] = id
				s.people[id] = calendar.Person{ID: id, Kind: calendar.Individual, Name: id, Mails: []string{id + "@example.com"}, Active: true}
				who := s.people.Actor(id)
				if _, err := s.be.Home(context.Background(), who, calendar.HomeRequest{Owner: calendar.Owner(id)}); err != nil {
					b.Fatal(err)
				}
				items := make([]calendar.PutItem, 31)
				for d := range items {
					items[d].Data = []byte(wrap(event(fmt.Sprint("e", d), time.Date(2026, 3, 1+d, 9, 0, 0, 0, time.UTC).Format("20060102T150405Z"))...))
				}
				s.put(id, items...)
			}
			target := "/get_freebusy.wcap?fmt-out=text/xml&dtstart=20260301T000000Z&dtend=20260401T000000Z&calid=" + strings.Join(list, ";") + "&id=" + s.as("anna")
			begin := costtest.CPU()
			for b.Loop() {
				w := httptest.NewRecorder()
				s.wcap.ServeHTTP(w, request("GET", target, "", ""))
				if n := strings.Count(w.Body.String(), "<FB "); n != 3100 {
					b.Fatalf("%d periods", n)
				}
			}
			b.ReportMetric(float64((costtest.CPU()-begin).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

// TestOneHash: a log-in checks one password once, and a session none.
func TestOneHash(t *testing.T) {
	checks := 0
	s := newSite(t, sitetest.Variants[0], func(o *wcap.Options) {
		login := o.Login
		o.Login = func(ctx context.Context, user, password string, remote netip.Addr) (calendar.Person, error) {
			checks++
			return login(ctx, user, password, remote)
		}
	})
	for _, c := range []struct {
		query string
		want  int
	}{
		{"login.wcap?user=anna&password=anna", 1}, {"login.wcap?user=anna&password=wrong", 1}, {"login.wcap?user=nobody&password=x", 1},
		{"login.wcap?user=anonymous&password=x", 0}, {"version.wcap", 0}, {"gettime.wcap?id=" + s.as("anna"), 0}, {"get_userprefs.wcap?id=" + s.as("anna"), 0},
		{"storeevents.wcap?calid=anna&dtstart=20260310T090000Z&id=" + s.as("anna"), 0}, {"logout.wcap?id=" + s.as("anna"), 0},
	} {
		checks = 0
		s.get(c.query)
		if checks != c.want {
			t.Errorf("%s: %d passwords checked, want %d", c.query, checks, c.want)
		}
	}
}
