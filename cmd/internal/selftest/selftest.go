// Package selftest plays a client's first sync and round trip against a
// server: it logs in, finds the calendars as clients do, makes one of its own,
// writes, reads, queries, syncs and deletes in it, and removes it.
package selftest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/emersion/go-webdav/caldav"

	"factotum/cmd/internal/davclient"
)

// Step is something a client does, and how it went.
type Step struct {
	Name string `json:"step"`
	OK   bool   `json:"ok"`
	Err  string `json:"error,omitempty"`
}

// Report sums up a run.
type Report struct {
	Passed int    `json:"passed"`
	Failed int    `json:"failed"`
	Steps  []Step `json:"steps"`
}

// Run plays a client against a server, and tells of each step.
func Run(ctx context.Context, c *davclient.Client, each func(Step)) Report {
	s := &selftest{c: c, each: each}
	s.run(ctx)
	return s.Report
}

// Print writes a step as a line.
func (s Step) Print(w io.Writer) {
	if s.OK {
		fmt.Fprintf(w, "ok    %s\n", s.Name)
	} else {
		fmt.Fprintf(w, "FAIL  %s: %s\n", s.Name, s.Err)
	}
}

// selftest is one run.
type selftest struct {
	Report
	each func(Step)
	c    *davclient.Client

	principal, home, calendar string
	etag, token               string
}

// testText is the object that is sent: folded, with a time zone, with
// characters of several octets and a property that nobody knows.
func testText(uid, start, summary string) string {
	return strings.ReplaceAll(`BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Factotum//selftest//EN
BEGIN:VTIMEZONE
TZID:Europe/Berlin
BEGIN:DAYLIGHT
DTSTART:19810329T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT
BEGIN:STANDARD
DTSTART:19961027T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
UID:`+uid+`
DTSTAMP:20260101T000000Z
DTSTART;TZID=Europe/Berlin:`+start+`
DURATION:PT1H
SUMMARY:`+summary+`
DESCRIPTION:A line that is long enough to be folded\, with commas\; semicol
 ons and Grüße – 例 –\nand a second line
X-SELFTEST;X-PARAM="a:b":kept
END:VEVENT
END:VCALENDAR
`, "\n", "\r\n")
}

// step is something a client does.
type step struct {
	name string
	do   func(ctx context.Context) error
	need bool // without it the rest makes no sense
}

func (s *selftest) run(ctx context.Context) {
	name := make([]byte, 6)
	rand.Read(name)
	one, two := testText("selftest-1", "20260302T090000", "Erste"), testText("selftest-2", "20260402T090000", "Zweite")
	at := func(n string) string { return s.calendar + n }
	steps := []step{
		{"the server asks for a password", s.challenge, false},
		{"/.well-known/caldav leads to the calendars", func(ctx context.Context) error { _, err := s.c.WellKnown(ctx); return err }, false},
		{"the user's principal and calendar home are found", func(ctx context.Context) (err error) {
			s.principal, s.home, err = s.c.Home(ctx)
			return err
		}, true},
		{"the home lists calendars", func(ctx context.Context) error {
			list, err := s.c.Calendars(ctx, s.home)
			if err == nil && len(list) == 0 {
				err = errors.New("there is none")
			}
			return err
		}, false},
		{"a calendar can be made", func(ctx context.Context) error {
			s.calendar = strings.TrimRight(s.home, "/") + "/selftest-" + hex.EncodeToString(name) + "/"
			return s.expect(ctx, "MKCALENDAR", s.calendar, `<?xml version="1.0" encoding="utf-8"?><c:mkcalendar xmlns:d="DAV:" xmlns:c="`+davclient.NSCalDAV+
				`"><d:set><d:prop><d:displayname>Selftest</d:displayname></d:prop></d:set></c:mkcalendar>`, 201)
		}, true},
		{"another client library lists it", s.library, false},
		{"a first sync is empty", func(ctx context.Context) error { return s.sync(ctx) }, false},
		{"an event is stored", func(ctx context.Context) error {
			return s.expect(ctx, "PUT", at("1.ics"), one, 201, "If-None-Match", "*", "Content-Type", "text/calendar; charset=utf-8")
		}, true},
		{"it comes back octet for octet, with an ETag", func(ctx context.Context) (err error) {
			s.etag, err = s.read(ctx, at("1.ics"), one)
			return err
		}, false},
		{"a second event of that name is refused (412)", func(ctx context.Context) error {
			return s.expect(ctx, "PUT", at("1.ics"), one, 412, "If-None-Match", "*", "Content-Type", "text/calendar")
		}, false},
		{"a change that began from an old version is refused (412)", func(ctx context.Context) error {
			return s.expect(ctx, "PUT", at("1.ics"), one, 412, "If-Match", `"no-such-version"`, "Content-Type", "text/calendar")
		}, false},
		{"sync tells of the new event", func(ctx context.Context) error { return s.sync(ctx, at("1.ics")) }, false},
		{"a change is stored, and gets another ETag", func(ctx context.Context) error {
			one = testText("selftest-1", "20260303T090000", "Geändert")
			if err := s.expect(ctx, "PUT", at("1.ics"), one, 204, "If-Match", s.etag, "Content-Type", "text/calendar"); err != nil {
				return err
			}
			etag, err := s.read(ctx, at("1.ics"), one)
			if err == nil && etag == s.etag {
				err = errors.New("the ETag is the same")
			}
			s.etag = etag
			return err
		}, false},
		{"what is no calendar is refused", func(ctx context.Context) error {
			r, err := s.c.Send(ctx, "PUT", at("bad.ics"), "nonsense", "Content-Type", "text/calendar")
			if err == nil && (r.Status < 400 || r.Status >= 500) {
				err = fmt.Errorf("PUT: %d", r.Status)
			}
			return err
		}, false},
		{"a second event is stored, and sync tells of both changes", func(ctx context.Context) error {
			if err := s.expect(ctx, "PUT", at("2.ics"), two, 201, "Content-Type", "text/calendar"); err != nil {
				return err
			}
			return s.sync(ctx, at("1.ics"), at("2.ics"))
		}, false},
		{"a query finds the events of a month, and no others", func(ctx context.Context) error { return s.query(ctx, at("1.ics")) }, false},
		{"multiget returns events as stored, and says which are missing", func(ctx context.Context) error {
			return s.multiget(ctx, map[string]string{at("1.ics"): one, at("2.ics"): two}, at("none.ics"))
		}, false},
		{"a bad sync token is refused", s.badToken, false},
		{"an event is deleted, and gone", func(ctx context.Context) error {
			if err := s.expect(ctx, "DELETE", at("1.ics"), "", 204, "If-Match", s.etag); err != nil {
				return err
			}
			return s.expect(ctx, "GET", at("1.ics"), "", 404)
		}, false},
		{"sync tells of the deletion", func(ctx context.Context) error { return s.sync(ctx, "-"+at("1.ics")) }, false},
	}
	for _, st := range steps {
		err := st.do(ctx)
		s.report(st.name, err)
		if err != nil && st.need {
			break
		}
	}
	if s.calendar != "" {
		s.report("the calendar is deleted", s.expect(context.WithoutCancel(ctx), "DELETE", s.calendar, "", 204))
	}
}

func (s *selftest) report(name string, err error) {
	st := Step{Name: name, OK: err == nil}
	if s.Passed++; err != nil {
		s.Passed--
		s.Failed++
		st.Err = err.Error()
	}
	s.Steps = append(s.Steps, st)
	s.each(st)
}

// expect makes a request that is answered by a status and, for a success, by
// one of its like (201 and 204 tell creating from changing; not all do).
func (s *selftest) expect(ctx context.Context, method, ref, body string, code int, headers ...string) error {
	r, err := s.c.Send(ctx, method, ref, body, headers...)
	if err != nil {
		return err
	}
	if code < 300 {
		return r.Want(method, code, http.StatusOK, http.StatusCreated, http.StatusNoContent)
	}
	return r.Want(method, code)
}

// challenge asks without a password. RFC 7617 §2.
func (s *selftest) challenge(ctx context.Context) error {
	r, err := s.c.Anonymous().Send(ctx, "PROPFIND", s.c.Base.Path, `<?xml version="1.0" encoding="utf-8"?><d:propfind xmlns:d="DAV:"><d:prop><d:current-user-principal/></d:prop></d:propfind>`, "Depth", "0")
	switch {
	case err != nil:
		return err
	case r.Status == http.StatusMultiStatus || r.Status == http.StatusNotFound: // asked further inside
		return nil
	case r.Status != http.StatusUnauthorized:
		return fmt.Errorf("PROPFIND without a password: %d", r.Status)
	case r.Header.Get("WWW-Authenticate") == "":
		return errors.New("401 without WWW-Authenticate")
	}
	return nil
}

func (s *selftest) read(ctx context.Context, ref, want string) (etag string, err error) {
	f := s.c.Get(ctx, ref)
	switch {
	case f.Err != nil:
		return "", f.Err
	case f.ETag == "":
		return "", errors.New("there is no ETag")
	case string(f.Data) != want:
		return f.ETag, differ(f.Data, want)
	}
	return f.ETag, nil
}

// differ says where two texts part.
func differ(got []byte, want string) error {
	n := 0
	for n < len(got) && n < len(want) && got[n] == want[n] {
		n++
	}
	return fmt.Errorf("%d octets came back for %d, different from octet %d on", len(got), len(want), n+1)
}

// library lists calendars with go-webdav.
func (s *selftest) library(ctx context.Context) error {
	c, err := caldav.NewClient(s.c, s.c.Base.String())
	if err != nil {
		return err
	}
	list, err := c.FindCalendars(ctx, s.home)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(list, func(c caldav.Calendar) bool {
		return strings.Trim(c.Path, "/") == strings.Trim(s.calendar, "/") && c.Name == "Selftest"
	}) {
		return errors.New("the new calendar is not in the list")
	}
	return nil
}

// sync asks what changed and compares: hrefs, with - in front of deleted
// ones. RFC 6578 §3.2.
func (s *selftest) sync(ctx context.Context, want ...string) error {
	res, token, err := s.c.Multi(ctx, "REPORT", s.calendar, "0", `<d:sync-collection xmlns:d="DAV:"><d:sync-token>`+davclient.Escape(s.token)+
		`</d:sync-token><d:sync-level>1</d:sync-level><d:prop><d:getetag/></d:prop></d:sync-collection>`)
	if err != nil {
		return err
	}
	if token == "" || token == s.token && len(want) > 0 {
		return fmt.Errorf("the new sync token is %q", token)
	}
	s.token = token
	var got []string
	for _, r := range res {
		if r.Status == http.StatusNotFound {
			got = append(got, "-"+r.Href)
		} else {
			got = append(got, r.Href)
		}
	}
	slices.Sort(got)
	if slices.Sort(want); !slices.Equal(got, want) {
		return fmt.Errorf("changed are %q, not %q", got, want)
	}
	return nil
}

func (s *selftest) badToken(ctx context.Context) error {
	r, err := s.c.Send(ctx, "REPORT", s.calendar, `<?xml version="1.0" encoding="utf-8"?><d:sync-collection xmlns:d="DAV:">`+
		`<d:sync-token>urn:selftest:no-such-token</d:sync-token><d:sync-level>1</d:sync-level><d:prop><d:getetag/></d:prop></d:sync-collection>`, "Depth", "0")
	if err != nil {
		return err
	}
	if err := r.Want("REPORT", 403, 409, 412); err != nil {
		return err
	}
	if !bytes.Contains(r.Body, []byte("valid-sync-token")) {
		return errors.New("the refusal does not name valid-sync-token")
	}
	return nil
}

// query asks for March 2026. RFC 4791 §7.8.
func (s *selftest) query(ctx context.Context, want ...string) error {
	res, _, err := s.c.Multi(ctx, "REPORT", s.calendar, "1", `<c:calendar-query xmlns:d="DAV:" xmlns:c="`+davclient.NSCalDAV+
		`"><d:prop><d:getetag/></d:prop><c:filter><c:comp-filter name="VCALENDAR"><c:comp-filter name="VEVENT">`+
		`<c:time-range start="20260301T000000Z" end="20260401T000000Z"/></c:comp-filter></c:comp-filter></c:filter></c:calendar-query>`)
	if err != nil {
		return err
	}
	var got []string
	for _, r := range res {
		got = append(got, r.Href)
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		return fmt.Errorf("it found %q, not %q", got, want)
	}
	return nil
}

func (s *selftest) multiget(ctx context.Context, want map[string]string, missing string) error {
	refs := []string{missing}
	for href := range want {
		refs = append(refs, href)
	}
	got, err := s.c.Multiget(ctx, s.calendar, refs)
	if err != nil {
		return err
	}
	for href, text := range want {
		if f := got[href]; string(f.Data) != text {
			return fmt.Errorf("%s: %w", href, differ(f.Data, text))
		}
	}
	if _, ok := got[missing]; ok {
		return fmt.Errorf("%s is there", missing)
	}
	return nil
}
