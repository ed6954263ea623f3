package caldav

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"factotum/protocol/dav"
	"factotum/server/acl"
	"factotum/server/calendar"
)

// Every kind of failure has an answer, and no answer of the table is empty.
func TestEveryKindHasAnAnswer(t *testing.T) {
	for _, k := range calendar.Kinds() {
		if a, ok := kinds[k]; !ok || a.status < 400 {
			t.Errorf("%v has no answer", k)
		}
	}
	if len(kinds) != len(calendar.Kinds()) {
		t.Errorf("%d answers for %d kinds", len(kinds), len(calendar.Kinds()))
	}
}

func TestRFC4791_1_3_Preconditions(t *testing.T) {
	rq := func(method string) *request {
		r := httptest.NewRequest(method, "/dav/calendars/anna/calendar/a.ics", nil)
		at, err := locate(r.URL.Path)
		if err != nil {
			t.Fatal(err)
		}
		return &request{Handler: New(Options{}), r: r, ctx: r.Context(), at: at}
	}
	for _, c := range []struct {
		method string
		err    error
		status int
		cond   dav.Name
		inner  string
	}{
		{"GET", &calendar.Error{Kind: calendar.NotFound}, 404, dav.Name{}, ""},
		{"GET", &calendar.Error{Kind: calendar.Denied}, 403, dav.D("need-privileges"),
			`<D:resource><D:href>/dav/calendars/anna/calendar/a.ics</D:href><D:privilege><D:read/></D:privilege></D:resource>`},
		{"DELETE", &calendar.Error{Kind: calendar.Denied}, 403, dav.D("need-privileges"),
			`<D:resource><D:href>/dav/calendars/anna/calendar/</D:href><D:privilege><D:unbind/></D:privilege></D:resource>`},
		{"DELETE", &calendar.Error{Kind: calendar.Denied, Reason: calendar.DefaultCalendarNeeded}, 403, dav.C("default-calendar-needed"), ""},
		{"PUT", &calendar.Error{Kind: calendar.UIDConflict, Ref: "anna:work/x y.ics"}, 409, dav.C("no-uid-conflict"), `<D:href>/dav/calendars/anna/work/x%20y.ics</D:href>`},
		{"PUT", &calendar.Error{Kind: calendar.UIDConflict, Reason: calendar.UniqueScheduling, Ref: "anna:work/x y.ics"}, 403, dav.C("unique-scheduling-object-resource"),
			`<D:href>/dav/calendars/anna/work/x%20y.ics</D:href>`},
		{"PUT", &calendar.Error{Kind: calendar.Denied, Reason: calendar.UniqueScheduling, Ref: "anna/x.ics"}, 403, dav.C("unique-scheduling-object-resource"),
			`<D:href>/dav/calendars/anna/calendar/x.ics</D:href>`},
		{"PUT", &calendar.Error{Kind: calendar.Invalid, Reason: calendar.SameOrganizer}, 403, dav.C("same-organizer-in-all-components"), ""},
		{"PUT", &calendar.Error{Kind: calendar.Denied, Reason: calendar.OrganizerChange}, 403, dav.C("allowed-organizer-scheduling-object-change"), ""},
		{"PUT", &calendar.Error{Kind: calendar.Denied, Reason: calendar.SendInvite}, 403, dav.D("need-privileges"),
			`<D:resource><D:href>/dav/calendars/anna/outbox/</D:href><D:privilege><C:schedule-send-invite/></D:privilege></D:resource>`},
		{"PUT", &calendar.Error{Kind: calendar.NotOrganizer}, 403, dav.C("allowed-attendee-scheduling-object-change"), ""},
		{"PROPPATCH", &calendar.Error{Kind: calendar.Invalid, Reason: calendar.ValidDefaultCalendar}, 403, dav.C("valid-schedule-default-calendar-URL"), ""},
		{"PUT", &calendar.Error{Kind: calendar.Invalid}, 403, dav.C("valid-calendar-data"), ""},
		{"PUT", &calendar.Error{Kind: calendar.Invalid, Reason: calendar.ValidCalendarObject}, 403, dav.C("valid-calendar-object-resource"), ""},
		{"PUT", &calendar.Error{Kind: calendar.Unsupported, Reason: calendar.SupportedCalendarData}, 403, dav.C("supported-calendar-data"), ""},
		{"PUT", &calendar.Error{Kind: calendar.TooLarge, Reason: calendar.MaxAttendees}, 403, dav.C("max-attendees-per-instance"), ""},
		{"PUT", &calendar.Error{Kind: calendar.OverQuota}, 507, dav.D("quota-not-exceeded"), ""},
		{"PUT", &calendar.Error{Kind: calendar.OverQuota, Reason: calendar.DiskFull}, 507, dav.D("sufficient-disk-space"), ""},
		{"DELETE", &calendar.Error{Kind: calendar.OverQuota, Reason: calendar.DiskFull}, 507, dav.D("sufficient-disk-space"), ""},
		{"PUT", &calendar.Error{Kind: calendar.Stale, Reason: "overwrite"}, 412, dav.Name{}, ""},
		{"REPORT", &calendar.Error{Kind: calendar.BadSyncToken}, 403, dav.D("valid-sync-token"), ""},
		{"REPORT", &calendar.Error{Kind: calendar.Unavailable}, 503, dav.Name{}, ""},
		{"REPORT", errors.New("disk on fire"), 500, dav.Name{}, ""},
		{"ACL", &acl.DAVError{Precondition: acl.PreNoInvert}, 403, dav.D("no-invert"), ""},
	} {
		got := rq(c.method).translate(c.err)
		if got.Status != c.status || got.Condition.Name != c.cond || got.Condition.Inner != c.inner {
			t.Errorf("%s %v: %d %v %q", c.method, c.err, got.Status, got.Condition.Name, got.Condition.Inner)
		}
	}
}

// A back end that is down costs a prompt 503 with Retry-After.
func TestUnavailableSaysWhenToComeBack(t *testing.T) {
	s := newSite(t).over(deadBackend{})
	for _, c := range []struct{ method, path, body string }{
		{"GET", annasCal + "a.ics", ""},
		{"PUT", annasCal + "a.ics", "x"},
		{"PROPFIND", annasHome, ""},
	} {
		r := s.do("anna", c.method, c.path, c.body, "Depth: 1").is(http.StatusServiceUnavailable)
		if r.header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", c.method)
		}
	}
}

// Where the log says why something was refused, it says to whom.
func TestRefusalsNameRequestAndClient(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	var said bytes.Buffer
	s.h.log = slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))
	r := newRequest("GET", annasCal+"nothing.ics", nil)
	r = r.WithContext(calendar.WithRequestID(r.Context(), "id-7"))
	r.SetBasicAuth("anna", "anna")
	r.Header.Set("User-Agent", "DAVx5/4.3 "+strings.Repeat("x", 5000))
	s.h.ServeHTTP(httptest.NewRecorder(), r)
	for _, want := range []string{"refused", "req=id-7", `agent="DAVx5/4.3 x`, "kind=not-found"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("the log has no %s: %.300s", want, &said)
		}
	}
	if said.Len() > 1000 {
		t.Errorf("the log has %d octets of it", said.Len())
	}
}

// deaf is a client that hung up.
type deaf struct{ *httptest.ResponseRecorder }

func (deaf) Write([]byte) (int, error) {
	return 0, &net.OpError{Op: "write", Net: "tcp", Err: os.ErrDeadlineExceeded}
}

// A client that takes no more of its answer is no failure of ours.
func TestHangingUpIsNoError(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	for i := range 20 {
		s.do("anna", "PUT", fmt.Sprintf("%s%d.ics", annasCal, i), event(fmt.Sprint(i), "20260301T090000Z", strings.Repeat("x", 20_000))).is(201)
	}
	var said bytes.Buffer
	s.h.log = slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))
	r := newRequest("GET", annasCal, nil)
	r.SetBasicAuth("anna", "anna")
	func() {
		defer func() {
			if p := recover(); p != http.ErrAbortHandler {
				t.Errorf("the answer was not cut: %v", p)
			}
		}()
		s.h.ServeHTTP(deaf{httptest.NewRecorder()}, r)
	}()
	if strings.Contains(said.String(), "ERROR") || !strings.Contains(said.String(), "DEBUG") {
		t.Errorf("logged: %s", said.String())
	}
}
