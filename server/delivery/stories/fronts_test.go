package stories

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"factotum/protocol/caldav"
	"factotum/protocol/sitetest"
	"factotum/protocol/wcap"
	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/session"
)

// fronts are hands on the two protocols themselves.
type fronts struct {
	bare
	dav, wcap http.Handler
	ids       sitetest.SessionIDs
	t         sitetest.Fataler
}

// newFronts opens both fronts on a back end.
func newFronts(t testing.TB, be func() calendar.Backend, dir *directory, now func() time.Time) *fronts {
	sessions, err := session.Open(session.Options{Dir: t.TempDir(), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	login := func(ctx context.Context, user, _ string, _ netip.Addr) (calendar.Person, error) {
		return dir.Person(ctx, user)
	}
	return &fronts{bare: bare{be, dir.Actor}, ids: sitetest.SessionIDs{}, t: t,
		dav:  caldav.New(caldav.Options{Backend: be(), People: dir, Login: login, Now: now}),
		wcap: wcap.New(wcap.Options{Backend: be(), People: dir, Login: login, Now: now, Sessions: sessions, Settings: wcap.Settings{DefaultTZID: "Europe/Berlin"}})}
}

// send sends a CalDAV request.
func (f *fronts) send(method, id string, ref calendar.Ref, body []byte, headers ...string) error {
	name := ref.Calendar.Name()
	if name == calendar.DefaultName {
		name = "calendar"
	}
	r := httptest.NewRequest(method, "/dav/calendars/"+string(ref.Calendar.Owner())+"/"+name+"/"+ref.Name, strings.NewReader(string(body)))
	r.SetBasicAuth(id, id)
	if body != nil {
		r.Header.Set("Content-Type", "text/calendar; charset=utf-8")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	f.dav.ServeHTTP(w, r)
	kind := calendar.Internal
	switch w.Code {
	case http.StatusCreated, http.StatusNoContent:
		return nil
	case http.StatusPreconditionFailed:
		kind = calendar.Stale
	case http.StatusForbidden:
		kind = calendar.NotOrganizer
	case http.StatusNotFound, http.StatusConflict:
		kind = calendar.NoCalendar
	}
	return &calendar.Error{Kind: kind, Op: method, Msg: fmt.Sprintf("%d %s", w.Code, w.Body)}
}

func (f *fronts) put(_ context.Context, id string, req calendar.PutRequest) error {
	var headers []string
	for _, tag := range req.Precond.IfMatch {
		headers = append(headers, "If-Match", strconv.Quote(tag))
	}
	if tag := req.Precond.IfScheduleTag; tag != "" {
		headers = append(headers, "If-Schedule-Tag-Match", strconv.Quote(tag))
	}
	return f.send("PUT", id, req.Ref, req.Data, headers...)
}

func (f *fronts) remove(_ context.Context, id string, ref calendar.Ref) error {
	return f.send("DELETE", id, ref, nil)
}

// edit spells an edit as a WCAP command.
func (f *fronts) edit(_ context.Context, id string, cal calendar.ID, it calendar.EditItem) error {
	command := "storeevents.wcap"
	p := url.Values{"calid": {string(cal)}, "uid": {it.UID}, "mod": {"4"}, "rid": {"0"}}
	zone := func(d ical.DateTime) string {
		if d.Kind == ical.Zoned {
			p.Set("tzid", d.TZID)
		}
		return d.String()
	}
	if !it.RID.IsZero() {
		p.Set("rid", zone(it.RID))
		p.Set("mod", map[calendar.EditScope]string{calendar.ThisInstance: "1", calendar.ThisAndFuture: "2"}[it.Scope])
	}
	switch it.Mode {
	case calendar.EditDelete:
		command = "deleteevents_by_id.wcap"
		p.Set("notify", "1")
	case calendar.EditCreate:
		p.Set("storetype", "1")
		p.Del("rid")
	default:
		p.Set("storetype", "2")
	}
	p.Set("method", map[calendar.EditRole]string{calendar.AsOrganizer: "2", calendar.AsAttendee: "4", calendar.AsCanceler: "8"}[it.Role])
	if it.Patch.Start != nil {
		p.Set("dtstart", zone(*it.Patch.Start))
	}
	if it.Patch.End != nil {
		p.Set("dtend", zone(*it.Patch.End))
	}
	if it.Patch.AllDay != nil && *it.Patch.AllDay {
		p.Set("isAllDay", "1")
	}
	query := ""
	if it.Patch.RRules != nil {
		query += "&rrules=" + url.QueryEscape(`"`+(*it.Patch.RRules)[0]+`"`)
	}
	var lines []string
	for _, x := range it.Patch.Props {
		for _, l := range x.Props {
			if x.Name == "SUMMARY" {
				p.Set("summary", l.Value)
				continue
			}
			var fields []string
			for _, q := range l.Params {
				if q.Name != "CUTYPE" {
					fields = append(fields, q.Name+"="+q.Values[0])
				}
			}
			lines = append(lines, strings.Join(append(fields, url.QueryEscape(l.Value)), "^"))
		}
		for _, gone := range x.Remove {
			lines = append(lines, "PARTSTAT=X-NSCP-WCAP-ATTENDEE-DELETE^"+url.QueryEscape(gone))
		}
	}
	if len(lines) > 0 {
		query += "&attendees=" + strings.Join(lines, ";")
	}
	path := sitetest.WithSession("/"+command+"?"+strings.ReplaceAll(p.Encode(), "+", "%20")+query, f.ids.Of(f.t, f.wcap, id))
	w := httptest.NewRecorder()
	f.wcap.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	if !strings.Contains(w.Body.String(), "X-NSCP-WCAP-ERRNO:0\r\n") {
		return &calendar.Error{Kind: calendar.Internal, Op: command, Msg: path + "\n" + w.Body.String()}
	}
	return nil
}
