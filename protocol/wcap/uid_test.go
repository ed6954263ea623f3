package wcap

import (
	"net/url"
	"strings"
	"testing"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// A UID is TEXT: what WCAP stores, and what comes by other ways, is found,
// changed and deleted by what it reads. RFC 5545 §3.8.4.7.
func TestUIDsWithEscapes(t *testing.T) {
	for _, uid := range []string{"a,b", "a;b", `a\b`, `a\,b`, `C:\new;x,y`, "a:b", "a b", `\`, "ü,ö"} {
		for _, how := range []string{"wcap", "put", "unescaped"} {
			s := newSite(t)
			q := "calid=anna&fmt-out=text/calendar&uid=" + url.QueryEscape(`"`+uid+`"`)
			text := ical.EscapeText(uid)
			switch how {
			case "wcap":
				s.do("anna", "storeevents.wcap?dtstart=20260305T090000Z&summary=x&storetype=1&"+q).errno(0).contains("UID:" + text + "\r\n")
			case "unescaped":
				if strings.Contains(uid, `\`) {
					continue
				}
				text = uid
				fallthrough
			case "put":
				s.as("anna")
				data := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:" + text + "\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260305T090000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
				if _, err := s.be.PutObject(t.Context(), calendar.Actor{User: "anna"}, calendar.PutRequest{Ref: calendar.Ref{Calendar: "anna", Name: "u.ics"}, Data: []byte(data)}); err != nil {
					t.Fatal(err)
				}
			}
			s.do("anna", "fetchevents_by_id.wcap?"+q).errno(0).contains("DTSTART:20260305T090000Z")
			s.do("anna", "storeevents.wcap?storetype=2&summary=changed&"+q).errno(0)
			s.do("anna", "fetchevents_by_id.wcap?"+q).errno(0).contains("SUMMARY:changed")
			s.do("anna", "verifyevents_by_ids.wcap?rid=0&"+q).errno(0).lacks("BEGIN:VEVENT")
			s.do("anna", "verifyevents_by_ids.wcap?rid=0;0&"+q+";%22none%22").contains("UID:none").lacks("UID:" + ical.EscapeText(uid) + "\r")
			s.do("anna", "deleteevents_by_id.wcap?mod=4&rid=0&"+q).errno(0)
			s.do("anna", "fetch_deletedcomponents.wcap?dtstart=20000101T000000Z&calid=anna&fmt-out=text/calendar").errno(0).contains("UID:" + text + "\r\n")
			s.do("anna", "fetchevents_by_id.wcap?"+q).lacks("DTSTART:20260305")
		}
	}
	for _, uid := range []string{" b", "b ", "b\t", "\u00a0b"} { // blanks around it do not count, in any command
		s := newSite(t)
		q := "calid=anna&fmt-out=text/calendar&uid=" + url.QueryEscape(uid)
		s.do("anna", "storeevents.wcap?dtstart=20260305T090000Z&summary=x&storetype=1&"+q).errno(0)
		s.do("anna", "fetchevents_by_id.wcap?"+q).errno(0).contains("UID:b\r\n")
		s.do("anna", "fetchevents_by_id.wcap?calid=anna&uid=b").errno(0).contains("UID:b\r\n")
		s.do("anna", "storeevents.wcap?storetype=1&dtstart=20260305T090000Z&calid=anna&uid=b").errno(63)
		s.do("anna", "deleteevents_by_id.wcap?mod=4&rid=0&"+q).errno(0)
		s.do("anna", "fetchevents_by_id.wcap?"+q).lacks("DTSTART:20260305")
	}
	s := newSite(t) // the guide's lists with commas
	for _, uid := range []string{"a", "b"} {
		s.do("anna", "storeevents.wcap?dtstart=20260305T090000Z&calid=anna&uid="+uid).errno(0)
	}
	s.do("anna", "verifyevents_by_ids.wcap?calid=anna&uid=a,b,c&rid=0,0,0&fmt-out=text/calendar").contains("UID:c").lacks("UID:a", "UID:b")
}
