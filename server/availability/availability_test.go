package availability

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/recur"
)

// calendarText wraps lines of components.
func calendarText(body string) []byte {
	text := "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//t//t\n" + strings.TrimSpace(body) + "\nEND:VCALENDAR\n"
	return []byte(strings.ReplaceAll(text, "\n", "\r\n"))
}

// block is a VAVAILABILITY with these lines.
func blockText(lines ...string) string {
	return "BEGIN:VAVAILABILITY\nUID:b\nDTSTAMP:20111005T133225Z\n" + strings.Join(lines, "\n") + "\nEND:VAVAILABILITY\n"
}

var uids int

func free(lines ...string) string {
	uids++
	return fmt.Sprintf("BEGIN:AVAILABLE\nUID:a%d\nDTSTAMP:20111005T133225Z\n%s\nEND:AVAILABLE", uids, strings.Join(lines, "\n"))
}

func read(t testing.TB, body string) *Availability {
	t.Helper()
	a, err := Parse(calendarText(body))
	if err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	return a
}

func moment(t testing.TB, text string, zone string) time.Time {
	t.Helper()
	at, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	m, err := time.ParseInLocation("20060102T150405", text, at)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// hours shows a day in slots as RFC 7953 §4.1 does: F, B, U or T.
func hours(t testing.TB, a *Availability, day, zone string, slot time.Duration) string {
	t.Helper()
	from := moment(t, day+"T000000", zone)
	w := calendar.Window{From: from, To: from.AddDate(0, 0, 1)}
	busy, err := a.Busy(context.Background(), w, recur.UTC)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for at := from; at.Before(w.To); at = at.Add(slot) {
		letter := "F"
		for _, b := range busy {
			if b.Start.Before(at.Add(slot)) && b.End.After(at) {
				letter = map[string]string{"BUSY": "B", "BUSY-UNAVAILABLE": "U", "BUSY-TENTATIVE": "T"}[b.Type]
			}
		}
		out.WriteString(letter)
	}
	return out.String()
}

const (
	montreal = "America/Montreal"
	angeles  = "America/Los_Angeles"
)

// TestRFC7953_3_1_Examples are the three examples of the component's section.
func TestRFC7953_3_1_Examples(t *testing.T) {
	always := blockText(free("DTSTART;TZID="+montreal+":20111002T090000", "DTEND;TZID="+montreal+":20111002T170000", "RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"))
	term := blockText("DTSTART;TZID="+montreal+":20111002T000000", "DTEND;TZID="+montreal+":20111202T000000",
		free("DTSTART;TZID="+montreal+":20111002T090000", "DTEND;TZID="+montreal+":20111002T170000", "RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH"),
		free("DTSTART;TZID="+montreal+":20111007T090000", "DTEND;TZID="+montreal+":20111007T120000", "RRULE:FREQ=WEEKLY"))
	travels := blockText("DTSTART;TZID="+montreal+":20111002T000000", "DTEND;TZID="+montreal+":20111023T030000",
		free("DTSTART;TZID="+montreal+":20111002T090000", "DTEND;TZID="+montreal+":20111002T170000", "RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR")) +
		blockText("DTSTART;TZID="+angeles+":20111023T000000", "DTEND;TZID="+angeles+":20111030T000000",
			free("DTSTART;TZID="+angeles+":20111023T090000", "DTEND;TZID="+angeles+":20111023T170000", "RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR")) +
		blockText("DTSTART;TZID="+montreal+":20111030T030000",
			free("DTSTART;TZID="+montreal+":20111030T090000", "DTEND;TZID="+montreal+":20111030T170000", "RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"))
	const office, none, all = "UUUUUUUUUFFFFFFFFUUUUUUU", "UUUUUUUUUUUUUUUUUUUUUUUU", "FFFFFFFFFFFFFFFFFFFFFFFF"
	for _, c := range []struct{ name, text, day, zone, want string }{
		{"a Monday", always, "20111107", montreal, office},
		{"a Saturday", always, "20111105", montreal, none},
		{"before the first", always, "20110905", montreal, none},
		{"in summer", always, "20300701", montreal, office},
		{"a Thursday of the term", term, "20111103", montreal, office},
		{"a Friday of the term", term, "20111104", montreal, "UUUUUUUUUFFFUUUUUUUUUUUU"},
		{"after the term", term, "20111205", montreal, all},
		{"before the term", term, "20110930", montreal, all},
		{"at home", travels, "20111019", montreal, office},
		{"away", travels, "20111026", angeles, office},
		{"away, seen from home", travels, "20111026", montreal, "UUUUUUUUUUUUFFFFFFFFUUUU"},
		{"back", travels, "20111102", montreal, office},
		{"for ever", travels, "20401102", montreal, "UUUUUUUUUFFFFFFFFUUUUUUU"},
	} {
		if got := hours(t, read(t, c.text), c.day, c.zone, time.Hour); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestRFC7953_4_1_1_Simple is steps 2 and 3 of the example; the meeting of step 4
// is none of this package.
func TestRFC7953_4_1_1_Simple(t *testing.T) {
	a := read(t, blockText("DTSTART;TZID="+montreal+":20111002T000000",
		free("DTSTART;TZID="+montreal+":20111002T080000", "DTEND;TZID="+montreal+":20111002T180000", "RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR")))
	if got := hours(t, a, "20111107", montreal, 2*time.Hour); got != "UUUUFFFFFUUU" {
		t.Errorf("%s, want UUUUFFFFFUUU", got)
	}
}

func TestRFC7953_4_Overlay(t *testing.T) {
	const day = "20260302"
	at := func(name, hour string) string { return name + ":" + day + "T" + hour + "0000Z" }
	daily := func(from, to string) string {
		return free("DTSTART:20260101T"+from+"0000Z", "DTEND:20260101T"+to+"0000Z", "RRULE:FREQ=DAILY")
	}
	for _, c := range []struct{ name, text, want string }{
		{"nothing is available", blockText("SUMMARY:x"), "UUUUUUUUUUUUUUUUUUUUUUUU"},
		{"BUSY", blockText("BUSYTYPE:BUSY", daily("06", "18")), "BBBBBBFFFFFFFFFFFFBBBBBB"},
		{"tentative", blockText("BUSYTYPE:busy-tentative", daily("06", "18")), "TTTTTTFFFFFFFFFFFFTTTTTT"},
		{"a type that nobody knows is BUSY", blockText("BUSYTYPE:X-ASLEEP", daily("06", "18")), "BBBBBBFFFFFFFFFFFFBBBBBB"},
		{"outside of both ends it says nothing", blockText(at("DTSTART", "04"), at("DTEND", "20"), daily("06", "18")), "FFFFUUFFFFFFFFFFFFUUFFFF"},
		{"since ever", blockText(at("DTEND", "20"), daily("06", "18")), "UUUUUUFFFFFFFFFFFFUUFFFF"},
		{"for ever", blockText(at("DTSTART", "04"), daily("06", "18")), "FFFFUUFFFFFFFFFFFFUUUUUU"},
		{"a DURATION", blockText(at("DTSTART", "04"), "DURATION:PT4H"), "FFFFUUUUFFFFFFFFFFFFFFFF"},
		{"available time ends with its block", blockText(at("DTEND", "12"), daily("06", "18")) + blockText(at("DTSTART", "12")), "UUUUUUFFFFFFUUUUUUUUUUUU"},
		{"without an end it is available to that of the block", blockText(at("DTEND", "12"), free(at("DTSTART", "06"))), "UUUUUUFFFFFFFFFFFFFFFFFF"},
		{"and for ever where that has none", blockText(free(at("DTSTART", "06"))), "UUUUUUFFFFFFFFFFFFFFFFFF"},
		{"a day", blockText(free("DTSTART;VALUE=DATE:20260302")), "FFFFFFFFFFFFFFFFFFFFFFFF"},
		{"an exception", blockText(free("DTSTART:20260101T060000Z", "DTEND:20260101T180000Z", "RRULE:FREQ=DAILY", "EXDATE:20260302T060000Z")), "UUUUUUUUUUUUUUUUUUUUUUUU"},
		{"an override", blockText("BEGIN:AVAILABLE\nUID:x\nDTSTART:20260101T060000Z\nDTEND:20260101T180000Z\nRRULE:FREQ=DAILY\nEND:AVAILABLE",
			"BEGIN:AVAILABLE\nUID:x\nRECURRENCE-ID:20260302T060000Z\nDTSTART:20260302T020000Z\nDTEND:20260302T040000Z\nEND:AVAILABLE"), "UUFFUUUUUUUUUUUUUUUUUUUU"},
		{"no UIDs", "BEGIN:VAVAILABILITY\nBEGIN:AVAILABLE\nDTSTART:20260302T020000Z\nDTEND:20260302T040000Z\nEND:AVAILABLE\n" +
			"BEGIN:AVAILABLE\nDTSTART:20260302T060000Z\nDTEND:20260302T070000Z\nEND:AVAILABLE\nEND:VAVAILABILITY\n", "UUFFUUFUUUUUUUUUUUUUUUUU"},
		{"of one priority what one frees is free", blockText(daily("06", "12")) + blockText(daily("10", "18")), "UUUUUUFFFFFFFFFFFFUUUUUU"},
		{"a higher priority counts alone", blockText("PRIORITY:5", daily("06", "18")) + blockText("PRIORITY:2", at("DTSTART", "08"), at("DTEND", "16"), daily("10", "11")), "UUUUUUFFUUFUUUUUFFUUUUUU"},
		{"whatever the order", blockText("PRIORITY:2", at("DTSTART", "08"), at("DTEND", "16"), daily("10", "11")) + blockText("PRIORITY:5", daily("06", "18")), "UUUUUUFFUUFUUUUUFFUUUUUU"},
		{"none is the lowest", blockText("PRIORITY:9", at("DTSTART", "08"), at("DTEND", "16"), "BUSYTYPE:BUSY") + blockText("PRIORITY:0", daily("06", "18")), "UUUUUUFFBBBBBBBBFFUUUUUU"},
	} {
		if got := hours(t, read(t, c.text), day, "UTC", time.Hour); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestFloatingAvailability: what has no zone is read where its owner is.
func TestFloatingAvailability(t *testing.T) {
	zone, _ := recur.LoadZone("Asia/Tokyo")
	a := read(t, blockText("DTSTART:20260302T000000", free("DTSTART:20260302T090000", "DTEND:20260302T170000")))
	from := moment(t, "20260301T000000", "UTC")
	got, err := a.Busy(context.Background(), calendar.Window{From: from, To: from.AddDate(0, 0, 2)}, zone)
	if err != nil {
		t.Fatal(err)
	}
	if want := "[{2026-03-01 15:00:00 +0000 UTC 2026-03-02 00:00:00 +0000 UTC BUSY-UNAVAILABLE} {2026-03-02 08:00:00 +0000 UTC 2026-03-03 00:00:00 +0000 UTC BUSY-UNAVAILABLE}]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
}

func TestRFC7953_7_2_4_WhatIsRefused(t *testing.T) {
	many := strings.Repeat("BEGIN:AVAILABLE\nDTSTART:20260302T060000Z\nEND:AVAILABLE\n", maxComponents)
	for _, c := range []struct {
		name, text string
		kind       calendar.Kind
		reason     calendar.Reason
	}{
		{"no calendar", "hello", calendar.Invalid, calendar.ValidCalendarData},
		{"empty", "", calendar.Invalid, calendar.ValidCalendarData},
		{"nothing in it", string(calendarText("X-A:b")), calendar.Invalid, calendar.ValidCalendarObject},
		{"an event", string(calendarText("BEGIN:VEVENT\nUID:1\nDTSTAMP:20260101T000000Z\nDTSTART:20260101T000000Z\nEND:VEVENT")), calendar.Unsupported, calendar.SupportedComponent},
		{"a message", string(calendarText("METHOD:REQUEST\n" + blockText("SUMMARY:x"))), calendar.Invalid, calendar.ValidCalendarObject},
		{"no start", string(calendarText(blockText("BEGIN:AVAILABLE\nUID:1\nDTSTAMP:20260101T000000Z\nEND:AVAILABLE"))), calendar.Invalid, calendar.ValidCalendarData},
		{"a time that is none", string(calendarText(blockText("DTSTART:20261301T000000Z"))), calendar.Invalid, calendar.ValidCalendarData},
		{"a rule that is none", string(calendarText(blockText(free("DTSTART:20260302T060000Z", "RRULE:FREQ=SOMETIMES")))), calendar.Invalid, calendar.ValidCalendarData},
		{"two masters", string(calendarText(blockText("BEGIN:AVAILABLE\nUID:1\nDTSTART:20260302T060000Z\nEND:AVAILABLE\nBEGIN:AVAILABLE\nUID:1\nDTSTART:20260302T060000Z\nEND:AVAILABLE"))), calendar.Invalid, calendar.ValidCalendarData},
		{"too many", string(calendarText(blockText(many))), calendar.TooLarge, calendar.MaxInstances},
	} {
		_, err := Parse([]byte(c.text))
		if calendar.KindOf(err) != c.kind || calendar.ReasonOf(err) != c.reason || err == nil {
			t.Errorf("%s: %v (%v, %s), want %v, %s", c.name, err, calendar.KindOf(err), calendar.ReasonOf(err), c.kind, c.reason)
		}
	}
}

// TestHostileRules: what an availability can be made to cost is bounded, and what
// was not worked out is not available.
func TestHostileRules(t *testing.T) {
	from := moment(t, "20260101T000000", "UTC")
	w := calendar.Window{From: from, To: from.AddDate(10, 0, 0)}
	var series []string
	for i := range maxComponents - 1 {
		series = append(series, free(fmt.Sprintf("DTSTART:20260101T00%02d%02dZ", i/60, i%60), "DURATION:PT1S", "RRULE:FREQ=MINUTELY;INTERVAL=2"))
	}
	for name, text := range map[string]string{
		"every second":             blockText(free("DTSTART:20260101T000000Z", "DURATION:PT1S", "RRULE:FREQ=SECONDLY;INTERVAL=2")),
		"never":                    blockText(free("DTSTART:20260101T000000Z", "DURATION:PT1S", "RRULE:FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=31")),
		"never, and without end":   blockText(free("DTSTART:20260101T000000Z", "RRULE:FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=31", "EXDATE:20260101T000000Z")),
		"many series":              blockText(series...),
		"many series, many blocks": strings.Repeat(blockText(series[0]), maxComponents/2),
	} {
		a := read(t, text)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		busy, err := a.Busy(context.Background(), w, recur.UTC)
		runtime.ReadMemStats(&after)
		if err != nil || len(busy) == 0 || len(busy) > maxInstances+maxComponents {
			t.Errorf("%s: %d periods, %v", name, len(busy), err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 64<<20 {
			t.Errorf("%s: %d MB", name, took>>20)
		}
	}
}

func TestJoinIsOfAll(t *testing.T) {
	a := read(t, blockText("PRIORITY:3", "DTSTART:20260302T080000Z", "DTEND:20260302T160000Z"))
	b := read(t, blockText(free("DTSTART:20260302T060000Z", "DTEND:20260302T180000Z")))
	both := Join(nil, a, b)
	if got := hours(t, both, "20260302", "UTC", 2*time.Hour); got != "UUUFUUUUFUUU" {
		t.Errorf("%s, want UUUFUUUUFUUU", got)
	}
	if both.Cost() != a.Cost()+b.Cost() {
		t.Errorf("it costs %d, its parts %d and %d", both.Cost(), a.Cost(), b.Cost())
	}
}

func FuzzParse(f *testing.F) {
	f.Add(calendarText(blockText(free("DTSTART:20260302T060000Z", "RRULE:FREQ=DAILY"))))
	f.Add(calendarText(blockText("DTEND;TZID=Nowhere:20260302T060000", "BEGIN:AVAILABLE\nUID:1\nRECURRENCE-ID:20260302T060000Z\nEND:AVAILABLE")))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 4096 {
			return
		}
		a, err := Parse(text)
		if err != nil {
			return
		}
		from := moment(t, "20260301T000000", "UTC")
		w := calendar.Window{From: from, To: from.AddDate(0, 0, 7)}
		busy, err := a.Busy(context.Background(), w, recur.UTC)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range busy {
			if !b.Start.Before(b.End) || b.Start.Before(w.From) || b.End.After(w.To) {
				t.Fatalf("%v is no part of the window", b)
			}
		}
	})
}
