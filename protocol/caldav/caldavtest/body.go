package caldavtest

import (
	"fmt"
	"strings"
)

// head begins a document: all prefixes that the clients' properties have here.
func head(root string) string {
	return `<?xml version="1.0" encoding="utf-8"?><` + root + ` xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:CS="http://calendarserver.org/ns/"` +
		` xmlns:A="http://apple.com/ns/ical/" xmlns:ME="http://me.com/_namespace/" xmlns:CR="urn:ietf:params:xml:ns:carddav"` +
		` xmlns:P="https://bitfire.at/webdav-push" xmlns:OC="http://owncloud.org/ns" xmlns:T="http://org.tasks/ns/">`
}

// prefixes are those of head.
var prefixes = map[string]string{
	"DAV:": "D", "urn:ietf:params:xml:ns:caldav": "C", "http://calendarserver.org/ns/": "CS", "http://apple.com/ns/ical/": "A",
	"http://me.com/_namespace/": "ME", "urn:ietf:params:xml:ns:carddav": "CR", "https://bitfire.at/webdav-push": "P",
	"http://owncloud.org/ns": "OC", "http://org.tasks/ns/": "T",
}

func props(names ...string) string {
	var b strings.Builder
	b.WriteString("<D:prop>")
	for _, n := range names {
		b.WriteString("<" + n + "/>")
	}
	return b.String() + "</D:prop>"
}

func propfindBody(names ...string) string {
	return head("D:propfind") + props(names...) + "</D:propfind>"
}

func syncBody(token string, names ...string) string {
	return head("D:sync-collection") + "<D:sync-token>" + token + "</D:sync-token><D:sync-level>1</D:sync-level>" + props(names...) + "</D:sync-collection>"
}

func setBody(root, props string) string {
	return head(root) + "<D:set><D:prop>" + props + "</D:prop></D:set></" + root + ">"
}

// component is the filter for one component, and what is inside of it.
func component(name, inner string) string {
	return `<C:comp-filter name="VCALENDAR"><C:comp-filter name="` + name + `">` + inner + `</C:comp-filter></C:comp-filter>`
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func xmlText(s string) string { return escaper.Replace(s) }

// object is an iCalendar object of one component, with the lines that are
// usual and those given.
func object(prodID, component, uid string, lines ...string) string {
	return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:" + prodID + "\r\nBEGIN:" + component + "\r\nUID:" + uid +
		"\r\nDTSTAMP:20260101T000000Z\r\n" + strings.Join(append(lines, ""), "\r\n") + "END:" + component + "\r\nEND:VCALENDAR\r\n"
}

// at is an hour-long event's time on a day of March 2026.
func at(day int) string {
	return fmt.Sprintf("DTSTART:202603%02dT090000Z\r\nDTEND:202603%02dT100000Z", day, day)
}

// march is the range that clients ask for here.
const march = `<C:time-range start="20260301T000000Z" end="20260401T000000Z"/>`

// vienna is a time zone as Apple's programs cut it: the present rules, names
// in the user's language.
const vienna = "BEGIN:VTIMEZONE\r\nTZID:Europe/Vienna\r\nBEGIN:DAYLIGHT\r\nTZOFFSETFROM:+0100\r\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\nDTSTART:19810329T020000\r\n" +
	"TZNAME:MESZ\r\nTZOFFSETTO:+0200\r\nEND:DAYLIGHT\r\nBEGIN:STANDARD\r\nTZOFFSETFROM:+0200\r\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\nDTSTART:19961027T030000\r\n" +
	"TZNAME:MEZ\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"

// zoned puts the time zone before the component.
func zoned(object string) string {
	return strings.Replace(object, "BEGIN:VEVENT", vienna+"BEGIN:VEVENT", 1)
}
