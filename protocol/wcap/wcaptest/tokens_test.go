package wcaptest

import (
	"regexp"
	"strings"
	"testing"
)

// stamps are what CalDAV clients look at to see that something changed.
type stamps struct{ ctag, token, etags string }

var (
	ctagPattern  = regexp.MustCompile(`getctag[^>]*>([^<]+)<`)
	tokenPattern = regexp.MustCompile(`<D:sync-token>([^<]+)</D:sync-token>`)
	etagPattern  = regexp.MustCompile(`<D:getetag>([^<]+)</D:getetag>`)
	hrefPattern  = regexp.MustCompile(`<D:href>([^<]+)</D:href>`)
)

func (s *site) stamps(calid string) stamps {
	s.t.Helper()
	body, _ := s.caldav("anna", "PROPFIND", davPath(calid), `<D:propfind xmlns:D="DAV:" xmlns:CS="http://calendarserver.org/ns/"><D:prop><CS:getctag/><D:sync-token/><D:getetag/></D:prop></D:propfind>`,
		207, "Depth", "1")
	ctag, token := ctagPattern.FindStringSubmatch(body), tokenPattern.FindStringSubmatch(body)
	if ctag == nil || token == nil {
		s.t.Fatalf("no tag or token:\n%s", body)
	}
	var etags []string
	for _, m := range etagPattern.FindAllStringSubmatch(body, -1) {
		etags = append(etags, m[1])
	}
	return stamps{ctag[1], token[1], strings.Join(etags, " ")}
}

// changed is what sync-collection reports since a token, and the next token.
func (s *site) changed(calid, token string) (hrefs []string, gone int) {
	s.t.Helper()
	body, _ := s.caldav("anna", "REPORT", davPath(calid), `<D:sync-collection xmlns:D="DAV:"><D:sync-token>`+token+
		`</D:sync-token><D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop></D:sync-collection>`, 207)
	for _, m := range hrefPattern.FindAllStringSubmatch(body, -1) {
		hrefs = append(hrefs, m[1])
	}
	return hrefs, strings.Count(body, " 404 ")
}

// TestOneTruth_Stamps: each command that writes moves the ETag, the CTag and
// the sync token, and sync-collection tells of it; commands that only read, or
// fail, move nothing.
func TestOneTruth_Stamps(t *testing.T) {
	everywhere(t, func(t *testing.T, s *site) {
		s.do("anna", "createcalendar.wcap?calid=w").errno("0")
		const cal = "anna:w"
		step := func(query string, errno string, objects, deleted int) {
			t.Helper()
			before := s.stamps(cal)
			a := s.do("anna", query)
			if got := a.errnos(); got != errno {
				t.Fatalf("%s: errno %s\n%s", query, got, a.body)
			}
			after := s.stamps(cal)
			hrefs, gone := s.changed(cal, before.token)
			if len(hrefs)-gone != objects || gone != deleted {
				t.Errorf("%s: sync-collection tells of %q, %d of them gone", query, hrefs, gone)
			}
			if moves := objects+deleted > 0; (before.ctag != after.ctag) != moves || (before.token != after.token) != moves || (before.etags != after.etags) != moves {
				t.Errorf("%s: from %v to %v", query, before, after)
			}
		}
		step("storeevents.wcap?calid=anna:w&uid=e&dtstart=20260310T090000Z&dtend=20260310T100000Z&summary=one&storetype=1", "0", 1, 0)
		step("storeevents.wcap?calid=anna:w&uid=e&dtstart=20260310T090000Z&storetype=1", "63", 0, 0)
		step("storeevents.wcap?calid=anna:w&uid=e&summary=two", "0", 1, 0)
		step("storeevents.wcap?calid=anna:w&uid=s&dtstart=20260309T090000Z&rrules=\"FREQ%3DWEEKLY%3BCOUNT%3D4\"", "0", 1, 0)
		step("storeevents.wcap?calid=anna:w&uid=s&mod=1&rid=20260316T090000Z&summary=other", "0", 1, 0)
		step("deleteevents_by_id.wcap?calid=anna:w&uid=s&mod=1&rid=20260323T090000Z", "0", 1, 0)
		step("storetodos.wcap?calid=anna:w&uid=t&due=20260310T100000Z", "0", 1, 0)
		step("storetodos.wcap?calid=anna:w&uid=t&percent=50", "0", 1, 0)
		step("fetchcomponents_by_range.wcap?calid=anna:w", "0", 0, 0)
		step("deleteevents_by_id.wcap?calid=anna:w&uid=none&mod=4&rid=0", "59", 0, 0)
		step("deletetodos_by_id.wcap?calid=anna:w&uid=t&mod=4&rid=0", "0", 0, 1)
		step("deleteevents_by_id.wcap?calid=anna:w&uid=e;s&mod=4;4&rid=0;0", "0", 0, 2)
		step("storeevents.wcap?calid=anna:w&uid=a&dtstart=20260310T090000Z&dtend=20260310T100000Z", "0", 1, 0)
		step("storeevents.wcap?calid=anna:w&uid=b&dtstart=20260311T090000Z&dtend=20260311T100000Z", "0", 1, 0)
		step("deletecomponents_by_range.wcap?calid=anna:w&dtstart=20260310T000000Z&dtend=20260311T000000Z", "0", 0, 1)

		// A client that has the old ETag does not overwrite what WCAP wrote.
		path := objectPathIn(s, cal, "b")
		text, header := s.caldav("anna", "GET", path, "", 200)
		s.do("anna", "storeevents.wcap?calid=anna:w&uid=b&summary=by%20WCAP").errno("0")
		s.caldav("anna", "PUT", path, text, 412, "If-Match", header.Get("ETag"))
		text, header = s.caldav("anna", "GET", path, "", 200)
		s.caldav("anna", "PUT", path, strings.Replace(text, "by WCAP", "by CalDAV", 1), 204, "If-Match", header.Get("ETag"))
		s.do("anna", "fetchevents_by_id.wcap?calid=anna:w&uid=b").errno("0").is("SUMMARY", "by CalDAV")

		// The properties of a calendar are the same ones.
		s.do("anna", "set_calprops.wcap?calid=anna:w&name=By%20WCAP&tzid=America/New_York&fbinclude=0").errno("0")
		props := `<D:propfind xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><D:displayname/><C:calendar-timezone/><C:schedule-calendar-transp/></D:prop></D:propfind>`
		body, _ := s.caldav("anna", "PROPFIND", davPath(cal), props, 207, "Depth", "0")
		for _, want := range []string{"By WCAP", "TZID:America/New_York", "transparent"} {
			if !strings.Contains(body, want) {
				t.Errorf("no %s in\n%s", want, body)
			}
		}
		s.caldav("anna", "PROPPATCH", davPath(cal), `<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><D:displayname>By CalDAV, ö</D:displayname></D:prop></D:set></D:propertyupdate>`, 207)
		s.do("anna", "get_calprops.wcap?calid=anna:w").errno("0").is("X-NSCP-CALPROPS-NAME", "By CalDAV, ö")
		s.caldav("anna", "MKCALENDAR", davPath("anna:made"), "", 201)
		s.do("anna", "get_calprops.wcap?calid=anna:made").errno("0")
		s.do("anna", "deletecalendar.wcap?calid=anna:made").errno("0")
		s.caldav("anna", "PROPFIND", davPath("anna:made"), props, 404, "Depth", "0")
	})
}
