package wcap

import (
	"net/url"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
)

// TestWCAP_2_4_1_Charset: what is not UTF-8 is in the charset that the request
// names, answers are UTF-8.
func TestWCAP_2_4_1_Charset(t *testing.T) {
	s := newSite(t)
	sjis, _ := japanese.ShiftJIS.NewEncoder().String("表示; 会議^室")
	jis, _ := japanese.ISO2022JP.NewEncoder().String("会議")
	cp1252, _ := charmap.Windows1252.NewEncoder().String("Größe 5 €")
	koi, _ := charmap.KOI8R.NewEncoder().String("встреча")
	for _, x := range []struct{ charset, sent, want string }{
		{"iso-8859-1", "Gr\xf6\xdfe", "Größe"}, {"", "Gr\xf6\xdfe", "Größe"}, {"windows-1252", cp1252, "Größe 5 €"}, {"shift_jis", sjis, `表示\; 会議^室`},
		{"ISO-2022-JP", jis, "会議"}, {"koi8-r", koi, "встреча"}, {"utf-8", "Größe", "Größe"}, {"iso-8859-1", "Größe", "Größe"}, {"nonsense", "Gr\xf6\xdfe", "Größe"},
		{"utf-16", "Gr\xf6\xdfe", "Größe"}, {"utf-16", "plain", "plain"}, {"replacement", "Gr\xf6\xdfe", "Größe"},
	} {
		q := "calid=anna&uid=u&storetype=0&fetch=1&replace=1&dtstart=20260310T090000Z&categories=" + url.QueryEscape(x.sent) + "%3B&summary=" + url.QueryEscape(x.sent)
		if x.charset != "" {
			q += "&charset=" + x.charset
		}
		s.do("anna", "storeevents.wcap?"+q).errno(0).contains("SUMMARY:"+x.want+"\r\n", "CATEGORIES:"+x.want)
		s.post("storeevents.wcap?id="+s.as("anna"), "application/x-www-form-urlencoded", q+"&desc=2").errno(0).contains("SUMMARY:" + x.want + "\r\n")
	}
	s.post("storeevents.wcap?id="+s.as("anna"), "application/x-www-form-urlencoded; charset=Shift_JIS", "calid=anna&uid=u&fetch=1&summary="+url.QueryEscape(sjis)).
		errno(0).contains(`SUMMARY:表示\; 会議^室` + "\r\n")
	s.upload("anna", "storeevents.wcap?calid=anna&uid=u&fetch=1", [2]string{"Content-Disposition: form-data; name=\"summary\"\nContent-Type: text/plain; charset=koi8-r", koi}).
		errno(0).contains("SUMMARY:встреча\r\n")
	s.do("anna", "storeevents.wcap?calid=anna&uid=u&fetch=1&emailorcalid=1&replace=1&charset=koi8-r&attendees=CN="+url.QueryEscape(koi)+"^mailto:ben@example.com").
		errno(0).contains("CN=встреча")
	s.do("anna", "set_calprops.wcap?multiple=1&charset=koi8-r&cal="+url.QueryEscape("calid=anna&name="+url.QueryEscape(koi))).errno(0).contains("X-NSCP-CALPROPS-NAME:встреча")
}

// TestWCAP_9_26_Charset: files in other character sets.
func TestWCAP_9_26_Charset(t *testing.T) {
	s := newSite(t)
	koi, _ := charmap.KOI8R.NewEncoder().String("встреча")
	ics := strings.ReplaceAll("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nBEGIN:VEVENT\nUID:u\nDTSTAMP:20260101T000000Z\nDTSTART:20260310T090000Z\nSUMMARY:"+koi+"\nEND:VEVENT\nEND:VCALENDAR\n", "\n", "\r\n")
	xml := "<iCalendar>\r\n<iCal><EVENT><UID>u</UID><DTSTAMP>20260101T000000Z</DTSTAMP><START>20260310T090000Z</START>\r\n<SUMMARY>\r\n" + koi + "&#32;\r\n</SUMMARY></EVENT></iCal></iCalendar>"
	for _, x := range []struct{ q, kind, body string }{
		{"&content-in=text/calendar", "text/calendar; charset=koi8-r", ics}, {"&content-in=text/calendar&charset=KOI8-R", "text/calendar", ics},
		{"&content-in=text/xml", "text/xml; charset=koi8-r", xml}, {"&content-in=text/xml", "text/xml", "<?xml version=\"1.0\" encoding=\"KOI8-R\"?>\r\n" + xml},
	} {
		s.post("import.wcap?calid=anna&id="+s.as("anna")+x.q, x.kind, x.body).errno(0)
		s.do("anna", "fetchevents_by_id.wcap?calid=anna&uid=u").errno(0).contains("SUMMARY:встреча")
		s.do("anna", "deleteevents_by_id.wcap?calid=anna&uid=u&rid=0&mod=4").errno(0)
	}
}
