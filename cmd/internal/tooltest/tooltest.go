// Package tooltest has what tests of the tools share: calendars to write down
// in a line, and looks into a store.
package tooltest

import (
	"strings"
	"testing"

	"factotum/cmd/internal/importer"
	"factotum/protocol/sitetest"
	"factotum/server/calendar"
)

// Admin is who tools act as.
var Admin = calendar.Actor{User: "calmaster", Admin: true}

// Backend is a store of its own in this process, where anna and ben are at
// home.
func Backend(t testing.TB) calendar.Backend {
	t.Helper()
	return Site(t).Backend
}

// Site is Backend for those who look behind it.
func Site(t testing.TB) *sitetest.Site {
	t.Helper()
	site := sitetest.New(t, sitetest.Options{})
	be := site.Backend
	for _, owner := range []calendar.Owner{"anna", "ben"} {
		if _, err := be.Home(t.Context(), calendar.Actor{User: string(owner)}, calendar.HomeRequest{Owner: owner}); err != nil {
			t.Fatal(err)
		}
	}
	return site
}

// Import stores files given by name and text.
func Import(t testing.TB, be importer.Store, id calendar.ID, files ...string) importer.Report {
	t.Helper()
	return Run(t, &importer.Importer{Store: be, Who: Admin, Calendar: id}, files...)
}

// Run runs an importer on files given by name and text.
func Run(t testing.TB, im *importer.Importer, files ...string) importer.Report {
	t.Helper()
	for i := 0; i < len(files); i += 2 {
		if err := im.File(t.Context(), files[i], []byte(files[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := im.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return im.Report
}

// Outcomes prints a report as a test compares it.
func Outcomes(r importer.Report) string {
	var b strings.Builder
	for i := range r.Items {
		b.WriteString(r.Items[i].String())
		b.WriteByte('\n')
	}
	return b.String()
}

// Stored reads back all objects of a calendar by their resource name.
func Stored(t testing.TB, be calendar.Backend, id calendar.ID) map[string]string {
	t.Helper()
	out := map[string]string{}
	_, err := be.Sync(t.Context(), Admin, calendar.SyncRequest{Calendar: id, Data: true}, func(it calendar.SyncItem) error {
		if it.Object != nil {
			out[it.Object.Name] = string(it.Object.Data)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Calendar makes a VCALENDAR of components.
func Calendar(parts ...string) string {
	return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//EN\r\n" + strings.Join(parts, "") + "END:VCALENDAR\r\n"
}

// Event makes a VEVENT; with the UID "" it has none.
func Event(uid, summary string, more ...string) string {
	if uid != "" {
		uid = "UID:" + uid + "\r\n"
	}
	return "BEGIN:VEVENT\r\n" + uid + "DTSTAMP:20260101T000000Z\r\nDTSTART:20260105T090000Z\r\nSUMMARY:" + summary + "\r\n" +
		strings.Join(more, "") + "END:VEVENT\r\n"
}

// Zoned makes a VEVENT that starts in a time zone.
func Zoned(uid, tzid string) string {
	return "BEGIN:VEVENT\r\nUID:" + uid + "\r\nDTSTAMP:20260101T000000Z\r\nDTSTART;TZID=" + tzid + ":20260105T090000\r\nEND:VEVENT\r\n"
}

// Berlin is a VTIMEZONE.
const Berlin = "BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\nBEGIN:STANDARD\r\nDTSTART:19701025T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
