package wcaptest

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"factotum/protocol/caldav"
	"factotum/protocol/sitetest"
	"factotum/protocol/wcap"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
)

// site is a site with both fronts, whose people log in by their name.
type site struct {
	t      testing.TB
	wcap   http.Handler
	dav    http.Handler
	be     calendar.Backend
	people calendartest.People
	clock  *sitetest.Clock
	sid    sitetest.SessionIDs
	start  func() // both fronts, on a back end that has nothing in memory yet
	settle func() // waits until no message is on its way; nil where none is delivered
}

// everywhere runs a test on a fresh site of each kind.
func everywhere(t *testing.T, test func(t *testing.T, s *site)) {
	for _, v := range variants {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			test(t, newSite(t, v))
		})
	}
}

func newSite(t testing.TB, v sitetest.Variant, change ...func(*wcap.Options)) *site {
	t.Helper()
	v.Clock = &sitetest.Clock{}
	return onSite(t, sitetest.New(t, v.Options), v.Clock, change...)
}

// onSite opens both fronts on a site.
func onSite(t testing.TB, base *sitetest.Site, clock *sitetest.Clock, change ...func(*wcap.Options)) *site {
	t.Helper()
	s := &site{t: t, people: base.People, clock: clock, sid: sitetest.SessionIDs{}}
	o := wcap.Options{
		People: base.People, Sessions: base.Sessions, Now: base.Now, Login: base.Login,
		Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
		Settings: wcap.Settings{
			Anonymous: true, CreateCalendars: true, DeleteCalendars: true, PublicWritable: true, Admins: []string{"root"}, DefaultTZID: "Europe/Berlin",
		},
	}
	for _, f := range change {
		f(&o)
	}
	open := func() {
		s.be, o.Backend = base.Backend, base.Backend
		s.wcap = wcap.New(o)
		s.dav = caldav.New(caldav.Options{Backend: s.be, People: base.People, Login: base.Login, Now: base.Now})
	}
	s.start = func() {
		base.Restart()
		open()
	}
	open()
	return s
}

// as returns the session id of a user, who logs in if he has not.
func (s *site) as(user string) string {
	s.t.Helper()
	return s.sid.Of(s.t, s.wcap, user)
}

// get sends a GET, as it stands.
func (s *site) get(path string) *answer {
	s.t.Helper()
	return s.send(request("GET", "/"+path, "", ""))
}

// do sends a GET with the session of a user.
func (s *site) do(user, path string) *answer {
	s.t.Helper()
	return s.get(sitetest.WithSession(path, s.as(user)))
}

// request makes a request whose target is what the client wrote, byte for byte.
func request(method, target, kind, body string) *http.Request {
	r := httptest.NewRequest(method, "/", strings.NewReader(body))
	path, query, _ := strings.Cut(target, "?")
	r.URL.Path, r.URL.RawQuery, r.RequestURI = path, query, target
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	return r
}

// send asks the WCAP front.
func (s *site) send(r *http.Request) *answer {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.wcap.ServeHTTP(w, r)
	return readAnswer(s.t, r, w.Result())
}

// caldav asks the CalDAV front, and checks the status.
func (s *site) caldav(user, method, path, body string, status int, headers ...string) (text string, header http.Header) {
	s.t.Helper()
	return sitetest.DAV(s.t, s.dav, user, method, path, body, status, headers...)
}

// davPath is where CalDAV has a calendar.
func davPath(calid string) string {
	owner, name, _ := strings.Cut(calid, ":")
	if name == "" {
		name = "calendar"
	}
	return "/dav/calendars/" + owner + "/" + name + "/"
}

// lines makes CRLF lines.
func lines(l ...string) string { return strings.Join(l, "\r\n") + "\r\n" }

// wrap makes a VCALENDAR of the lines of its components.
func wrap(l ...string) string {
	return lines("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Test//EN") + lines(l...) + lines("END:VCALENDAR")
}

// event is the lines of an event of an hour.
func event(uid, start string, more ...string) []string {
	l := []string{"BEGIN:VEVENT", "UID:" + uid, "DTSTAMP:20260101T000000Z", "DTSTART:" + start, "DURATION:PT1H", "SUMMARY:" + uid}
	return append(append(l, more...), "END:VEVENT")
}
