package alarm_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"factotum/server/alarm"
	"factotum/server/ical"
	"factotum/server/recur"
)

func parse(t testing.TB, lines ...string) *ical.Component {
	t.Helper()
	text := "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n" + strings.Join(lines, "\n") + "\nEND:VCALENDAR\n"
	cal, err := ical.Parse([]byte(strings.ReplaceAll(text, "\n", "\r\n")), ical.Limits{})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return cal
}

func utc(s string) time.Time {
	at, err := time.Parse("20060102T150405Z", s)
	if err != nil {
		panic(err)
	}
	return at
}

const (
	event  = "BEGIN:VEVENT\nUID:u\nDTSTAMP:20260101T000000Z\nDTSTART:20260310T090000Z\nDTEND:20260310T100000Z\n"
	daily  = "BEGIN:VEVENT\nUID:u\nDTSTAMP:20260101T000000Z\nDTSTART:20260310T090000Z\nDTEND:20260310T100000Z\nRRULE:FREQ=DAILY\n"
	end    = "\nEND:VEVENT"
	mailed = "BEGIN:VALARM\nACTION:EMAIL\nTRIGGER:-PT15M\nEND:VALARM"
	shown  = "BEGIN:VALARM\nUID:a\nACTION:DISPLAY\nTRIGGER:-PT15M\nEND:VALARM"
)

func alarmWith(lines string) string {
	return "BEGIN:VALARM\nACTION:EMAIL\nTRIGGER:-PT15M\n" + lines + "\nEND:VALARM"
}

// What fires next, of all that is written: RFC 5545 §3.6.6, RFC 9074 §6 to §8.
func TestNext(t *testing.T) {
	both, mail := alarm.Wants{Mail: true, Publish: true}, alarm.Wants{Mail: true}
	for _, c := range []struct {
		name, text, from, want string // want "" is none
		wants                  alarm.Wants
	}{
		{"before the start", event + mailed + end, "20260101T000000Z", "20260310T084500Z", mail},
		{"at the very time", event + mailed + end, "20260310T084500Z", "20260310T084500Z", mail},
		{"after it", event + mailed + end, "20260310T084501Z", "", mail},
		{"no mail is wanted of what shows", event + shown + end, "20260101T000000Z", "", mail},
		{"it is published", event + shown + end, "20260101T000000Z", "20260310T084500Z", both},
		{"sounds", event + strings.Replace(shown, "DISPLAY", "AUDIO", 1) + end, "20260101T000000Z", "20260310T084500Z", both},
		{"Apple's no alarm", event + "BEGIN:VALARM\nACTION:NONE\nTRIGGER;VALUE=DATE-TIME:20260401T000000Z\nEND:VALARM" + end, "20260101T000000Z", "", both},
		{"at a place", event + alarmWith("PROXIMITY:ARRIVE") + end, "20260101T000000Z", "", both},
		{"the next day", daily + mailed + end, "20260310T084501Z", "20260311T084500Z", mail},
		{"years later", daily + mailed + end, "20400101T120000Z", "20400102T084500Z", mail},
		{"acknowledged", event + alarmWith("ACKNOWLEDGED:20260310T084500Z") + end, "20260101T000000Z", "", mail},
		{"acknowledged a second before", event + alarmWith("ACKNOWLEDGED:20260310T084459Z") + end, "20260101T000000Z", "20260310T084500Z", mail},
		{"a series up to then", daily + alarmWith("ACKNOWLEDGED:20260312T090000Z") + end, "20260101T000000Z", "20260313T084500Z", mail},
		{"by Thunderbird", daily + "X-MOZ-LASTACK:20260312T090000Z\n" + mailed + end, "20260101T000000Z", "20260313T084500Z", mail},
		{"by Thunderbird, of an exception", daily + "X-MOZ-LASTACK:20260312T090000Z\n" + mailed + end +
			"\nBEGIN:VEVENT\nUID:u\nDTSTAMP:20260101T000000Z\nRECURRENCE-ID:20260311T090000Z\nDTSTART:20260311T120000Z\n" + mailed + end, "20260101T000000Z", "20260313T084500Z", mail},
		{"snoozed as RFC 9074 has it", event + strings.Replace(shown, "UID:a", "UID:a\nACKNOWLEDGED:20260310T084510Z", 1) +
			"\nBEGIN:VALARM\nUID:b\nACTION:DISPLAY\nTRIGGER;VALUE=DATE-TIME:20260310T085000Z\nRELATED-TO;RELTYPE=SNOOZE:a\nEND:VALARM" + end, "20260310T084511Z", "20260310T085000Z", both},
		{"snoozed as Thunderbird has it", event + "X-MOZ-LASTACK:20260310T084510Z\nX-MOZ-SNOOZE-TIME:20260310T085010Z\n" + shown + end, "20260310T084511Z", "20260310T085010Z", both},
		{"an instance snoozed", daily + fmt.Sprintf("X-MOZ-LASTACK:20260311T084510Z\nX-MOZ-SNOOZE-TIME-%d:20260311T085010Z\n", utc("20260311T090000Z").UnixMicro()) + shown + end,
			"20260311T084511Z", "20260311T085010Z", both},
		{"mail is not snoozed", event + "X-MOZ-LASTACK:20260310T084510Z\nX-MOZ-SNOOZE-TIME:20260310T085010Z\n" + mailed + end, "20260310T084511Z", "", both},
		{"called off", event + "STATUS:CANCELLED\n" + mailed + end, "20260101T000000Z", "", mail},
		{"one day called off", daily + mailed + end + "\nBEGIN:VEVENT\nUID:u\nDTSTAMP:20260101T000000Z\nRECURRENCE-ID:20260311T090000Z\nDTSTART:20260311T090000Z\nSTATUS:CANCELLED\n" +
			mailed + end, "20260310T090000Z", "20260312T084500Z", mail},
		{"only an exception has one", daily + strings.TrimPrefix(end, "\n") + "\nBEGIN:VEVENT\nUID:u\nDTSTAMP:20260101T000000Z\nRECURRENCE-ID:20270311T090000Z\nDTSTART:20270311T090000Z\n" +
			mailed + end, "20260101T000000Z", "20270311T084500Z", mail},
		{"a task", "BEGIN:VTODO\nUID:u\nDTSTAMP:20260101T000000Z\nDUE:20260310T090000Z\n" + strings.Replace(mailed, "TRIGGER", "TRIGGER;RELATED=END", 1) + "\nEND:VTODO", "20260101T000000Z", "20260310T084500Z", mail},
		{"a task that is done", "BEGIN:VTODO\nUID:u\nDTSTAMP:20260101T000000Z\nDUE:20260310T090000Z\nCOMPLETED:20260309T000000Z\n" + mailed + "\nEND:VTODO", "20260101T000000Z", "", mail},
		{"all of it is done", "BEGIN:VTODO\nUID:u\nDTSTAMP:20260101T000000Z\nDTSTART:20260310T090000Z\nPERCENT-COMPLETE:100\n" + mailed + "\nEND:VTODO", "20260101T000000Z", "", mail},
		{"in the zone of the calendar", "BEGIN:VEVENT\nUID:u\nDTSTAMP:20260101T000000Z\nDTSTART;VALUE=DATE:20260310\n" + mailed + end, "20260101T000000Z", "20260310T034500Z", mail},
		{"never", "BEGIN:VEVENT\nUID:u\nDTSTAMP:20260101T000000Z\nDTSTART:20260310T090000Z\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30\nEXDATE:20260310T090000Z\n" + mailed + end,
			"20260401T000000Z", "", mail},
		{"of a series of every second one has one: looked at again", strings.Replace(daily, "DAILY", "SECONDLY", 1) + strings.TrimPrefix(end, "\n") +
			"\nBEGIN:VEVENT\nUID:u\nDTSTAMP:20260101T000000Z\nRECURRENCE-ID:20270311T090000Z\nDTSTART:20270311T090000Z\n" + mailed + end, "20260311T090000Z", "20260311T100000Z", mail},
	} {
		zone, _ := recur.LoadZone("America/New_York")
		got := ""
		if p := alarm.New(parse(t, c.text), c.wants, zone); p != nil {
			if at, ok := p.Next(utc(c.from)); ok {
				got = at.UTC().Format("20060102T150405Z")
			}
		}
		if got != c.want {
			t.Errorf("%s: fires at %q, want %q", c.name, got, c.want)
		}
		if c.want != "" && !c.wants.May([]byte(parse(t, c.text).Bytes())) {
			t.Errorf("%s: overlooked", c.name)
		}
	}
}

// What is sent of what is due: all that is punctual, and of what is late the newest
// that is of use.
func TestDue(t *testing.T) {
	both := alarm.Wants{Mail: true, Publish: true}
	for _, c := range []struct {
		name, text, from, now string
		want                  string
	}{
		{"on time", event + mailed + end, "20260310T084500Z", "20260310T084500Z", "1 084500 mail publish"},
		{"not yet", event + mailed + end, "20260310T084500Z", "20260310T084459Z", ""},
		{"both kinds at one moment are published once", event + mailed + "\n" + shown + end, "20260310T084500Z", "20260310T084500Z", "1 084500 mail; a 084500 publish"},
		{"both kinds, the other way round", event + shown + "\n" + mailed + end, "20260310T084500Z", "20260310T084500Z", "a 084500 publish; 2 084500 mail"},
		{"late, and of use", event + mailed + end, "20260310T084500Z", "20260310T095959Z", "1 084500 mail publish"},
		{"late, and over", event + mailed + end, "20260310T084500Z", "20260310T100000Z", ""},
		{"meant for the end", event + "BEGIN:VALARM\nACTION:EMAIL\nTRIGGER;RELATED=END:PT5M\nEND:VALARM" + end, "20260310T084500Z", "20260310T110000Z", "1 100500 mail publish"},
		{"after days the newest of a series", daily + mailed + end, "20260310T084500Z", "20260320T090000Z", "1 084500 mail publish"},
		{"repeated, on time", event + "BEGIN:VALARM\nACTION:EMAIL\nTRIGGER:-PT15M\nREPEAT:3\nDURATION:PT10S\nEND:VALARM" + end, "20260310T084500Z", "20260310T084525Z",
			"1 084500 mail publish; 1 084510 mail publish; 1 084520 mail publish"},
		{"repeated, late", event + "BEGIN:VALARM\nACTION:EMAIL\nTRIGGER:-PT15M\nREPEAT:3\nDURATION:PT10S\nEND:VALARM" + end, "20260310T084500Z", "20260310T085500Z", "1 084530 mail publish"},
		{"a task of long ago", "BEGIN:VTODO\nUID:u\nDTSTAMP:20260101T000000Z\nDUE:20260310T090000Z\nDTSTART:20260310T090000Z\n" + mailed + "\nEND:VTODO", "20260310T084500Z", "20260312T084500Z", ""},
		{"a task of this morning", "BEGIN:VTODO\nUID:u\nDTSTAMP:20260101T000000Z\nDUE:20260310T090000Z\nDTSTART:20260310T090000Z\n" + mailed + "\nEND:VTODO", "20260310T084500Z", "20260310T180000Z", "1 084500 mail publish"},
	} {
		var got []string
		for _, f := range alarm.New(parse(t, c.text), both, recur.UTC).Due(utc(c.from), utc(c.now), 24*time.Hour) {
			s := f.AID + " " + f.At.Format("150405")
			if f.Mail {
				s += " mail"
			}
			if f.Publish {
				s += " publish"
			}
			got = append(got, s)
		}
		if s := strings.Join(got, "; "); s != c.want {
			t.Errorf("%s: %q, want %q", c.name, s, c.want)
		}
	}
}

// An absolute alarm of a series is about the instance that is next, or goes on.
func TestAbsoluteInSeries(t *testing.T) {
	cal := parse(t, daily+"BEGIN:VALARM\nACTION:EMAIL\nTRIGGER;VALUE=DATE-TIME:20260315T093000Z\nEND:VALARM"+end)
	list := alarm.New(cal, alarm.Wants{Mail: true}, recur.UTC).Due(utc("20260315T093000Z"), utc("20260315T093000Z"), time.Hour)
	if len(list) != 1 || !list[0].Instance.Start.Equal(utc("20260315T090000Z")) {
		t.Errorf("%+v", list)
	}
}

// What a PUT with an alarm costs more than one without.
func BenchmarkNext(b *testing.B) {
	cal := parse(b, event+mailed+end)
	b.ReportAllocs()
	for b.Loop() {
		alarm.New(cal, alarm.Wants{Mail: true}, recur.UTC).Next(utc("20260101T000000Z"))
	}
}
