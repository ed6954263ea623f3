package acceptance

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// A bomb is small and asks for much work. What is stored must be cheap to ask
// about; what is not must be refused with the precondition that says why.
type bomb struct {
	name  string
	lines []string // of the VEVENT, after DTSTART and DURATION
	start string   // 20260301T100000Z if empty
	// month is how many instances March 2026 has; -1: the object is refused,
	// or the question is.
	month int
}

func many(n int, line func(i int) string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = line(i)
	}
	return out
}

// day is the UTC date i days after the start of the bombs.
func day(i int) string {
	return time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC).AddDate(0, 0, i).Format("20060102T150405Z")
}

func bombs() []bomb {
	all := "BYSECOND=" + numbers(60) + ";BYMINUTE=" + numbers(60) + ";BYHOUR=" + numbers(24)
	return []bomb{
		{name: "COUNT of 10^9", lines: []string{"RRULE:FREQ=DAILY;COUNT=1000000000"}, month: 31},
		{name: "COUNT of 10^9, far from the start", start: "00010101T100000Z", lines: []string{"RRULE:FREQ=DAILY;COUNT=1000000000"}, month: 31},
		{name: "COUNT of 10^9 with a filter", start: "00010101T100000Z", lines: []string{"RRULE:FREQ=DAILY;COUNT=1000000000;BYDAY=MO"}, month: 5},
		{name: "SECONDLY without end", lines: []string{"RRULE:FREQ=SECONDLY"}, month: -1},
		{name: "SECONDLY since the year 1", start: "00010101T000000Z", lines: []string{"RRULE:FREQ=SECONDLY"}, month: -1},
		{name: "SECONDLY, 10^9 times", lines: []string{"RRULE:FREQ=SECONDLY;COUNT=1000000000"}, month: -1},
		{name: "every second by lists", lines: []string{"RRULE:FREQ=DAILY;" + all}, month: -1},
		{name: "every second of a year by lists", lines: []string{"RRULE:FREQ=YEARLY;BYMONTH=1,2,3,4,5,6,7,8,9,10,11,12;BYDAY=MO,TU,WE,TH,FR,SA,SU;" + all}, month: -1},
		{name: "the last second of all of a year", lines: []string{"RRULE:FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;" + all + ";BYSETPOS=-1"}, month: 1},
		{name: "30 February", lines: []string{"RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}, month: 1},
		{name: "30 February by the second", lines: []string{"RRULE:FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30"}, month: 1},
		{name: "30 February, COUNT", lines: []string{"RRULE:FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30;COUNT=1000000000"}, month: 1},
		{name: "29 February every fourth odd year", start: "20250301T100000Z", lines: []string{"RRULE:FREQ=YEARLY;INTERVAL=4;BYMONTH=2;BYMONTHDAY=29"}, month: 0},
		{name: "day 366 of no leap year", start: "20250301T100000Z", lines: []string{"RRULE:FREQ=YEARLY;INTERVAL=4;BYYEARDAY=366"}, month: 0},
		{name: "week 53 in June", lines: []string{"RRULE:FREQ=YEARLY;BYWEEKNO=53;BYMONTH=6"}, month: 1},
		{name: "a set position that is not there", lines: []string{"RRULE:FREQ=MINUTELY;BYSECOND=1;BYSETPOS=366"}, month: 1},
		{name: "minutes of an hour never reached", lines: []string{"RRULE:FREQ=HOURLY;INTERVAL=24;BYHOUR=11"}, month: 1},
		{name: "seconds of a minute never reached", lines: []string{"RRULE:FREQ=SECONDLY;INTERVAL=86400;BYMINUTE=30"}, month: 1},
		{name: "a huge interval", lines: []string{"RRULE:FREQ=SECONDLY;INTERVAL=2147483647"}, month: 1},
		{name: "a huge interval of years", lines: []string{"RRULE:FREQ=YEARLY;INTERVAL=2147483647"}, month: 1},
		{name: "an interval of 20 digits", lines: []string{"RRULE:FREQ=YEARLY;INTERVAL=99999999999999999999"}, month: -1},
		{name: "a COUNT of 20 digits", lines: []string{"RRULE:FREQ=DAILY;COUNT=99999999999999999999"}, month: -1},
		{name: "INTERVAL=0", lines: []string{"RRULE:FREQ=SECONDLY;INTERVAL=0"}, month: -1},
		{name: "a list of 10^5 days", lines: []string{"RRULE:FREQ=YEARLY;BYYEARDAY=1" + strings.Repeat(",1", 99_999)}, month: -1},
		{name: "10^5 EXDATEs, a line each", lines: append([]string{"RRULE:FREQ=DAILY"}, many(100_000, func(i int) string { return "EXDATE:" + day(i) })...), month: 0},
		{name: "10^5 EXDATEs in one line", lines: []string{"RRULE:FREQ=DAILY", "EXDATE:" + strings.Join(many(100_000, day), ",")}, month: 0},
		{name: "10^5 EXDATEs against SECONDLY", lines: []string{"RRULE:FREQ=SECONDLY", "EXDATE:" + strings.Join(many(100_000, day), ",")}, month: -1},
		{name: "10^5 RDATEs in one line", lines: []string{"RDATE:" + strings.Join(many(100_000, day), ",")}, month: 31},
		{name: "10^5 RDATEs at one moment", lines: []string{"RDATE:" + strings.Join(slices.Repeat([]string{day(1)}, 100_000), ",")}, month: 2},
		{name: "10^4 rules", lines: slices.Repeat([]string{"RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}, 10_000), month: -1},
		{name: "10^4 rules by the second", lines: slices.Repeat([]string{"RRULE:FREQ=SECONDLY"}, 10_000), month: -1},
		{name: "the year 9999", start: "99991231T235959Z", lines: []string{"RRULE:FREQ=SECONDLY"}, month: 0},
		{name: "alarms by the minute", lines: []string{"RRULE:FREQ=DAILY", "BEGIN:VALARM", "ACTION:AUDIO", "TRIGGER:-P9999D", "REPEAT:1000000000", "DURATION:PT1S", "END:VALARM"}, month: 31},
	}
}

func numbers(n int) string {
	return strings.Join(many(n, func(i int) string { return fmt.Sprint(i) }), ",")
}

// Every bomb is stored or refused, and then asked about by everything that
// expands.
func TestRecurrenceBombs(t *testing.T) {
	t.Parallel()
	x := newTarget(t)
	path := cal("anna") + "bomb.ics"
	for _, b := range bombs() {
		start := b.start
		if start == "" {
			start = "20260301T100000Z"
		}
		text := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Test//EN\r\nBEGIN:VEVENT\r\nUID:bomb\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:" + start +
			"\r\nDURATION:PT1S\r\nSUMMARY:Boom\r\n" + strings.Join(b.lines, "\r\n") + "\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
		x.detonate(t, path, b, text)
	}
	x.survived(t)
}

func (x *target) detonate(t *testing.T, path string, b bomb, text string) {
	t.Helper()
	ask := func(what string, allowed []int, method, path, body string) (r *reply) {
		t.Helper()
		what = b.name + ", " + what
		kind := "text/calendar"
		if method == "REPORT" {
			kind = "application/xml"
		}
		x.frugal(t, what, func() { r = x.do(t, "anna", method, path, body, "Content-Type: "+kind, "Depth: 1").wellFormed() })
		if !slices.Contains(allowed, r.status) {
			t.Errorf("%s: %d\n%.500s", what, r.status, r.body)
		}
		if r.status == 403 && !strings.HasPrefix(r.precondition(), "C:") && r.precondition() != "D:number-of-matches-within-limits" {
			t.Errorf("%s: precondition %q\n%.500s", what, r.precondition(), r.body)
		}
		return r
	}
	r := ask("PUT", []int{201, 403}, "PUT", path, text)
	if r.status == 403 {
		if b.month >= 0 {
			t.Errorf("%s is refused: %.500s", b.name, r.body)
		}
		return
	}
	if got := x.do(t, "anna", "GET", path, "").is(200).body; got != text {
		t.Errorf("%s does not come back as it was", b.name)
	}
	const from, to = "20260301T000000Z", "20260401T000000Z"
	expand := `<C:expand start="` + from + `" end="` + to + `"/>`
	ask("month", []int{207}, "REPORT", cal("anna"), query(from, to, ""))
	r = ask("month, expanded", []int{207, 403}, "REPORT", cal("anna"), query(from, to, expand))
	if b.month >= 0 {
		// The witness is there, too.
		if got := strings.Count(r.body, "UID:bomb"); r.status != 207 || got != b.month {
			t.Errorf("%s: %d, %d instances in March 2026, want %d", b.name, r.status, got, b.month)
		}
	}
	ask("a century, expanded", []int{207, 403}, "REPORT", cal("anna"), query("20260301T000000Z", "21260301T000000Z", `<C:expand start="20260301T000000Z" end="21260301T000000Z"/>`))
	ask("all time, expanded", []int{207, 403}, "REPORT", cal("anna"), query("", "", `<C:expand start="00010101T000000Z" end="99991231T235959Z"/>`))
	ask("all time, limited", []int{207, 403}, "REPORT", cal("anna"), query("", "", `<C:limit-recurrence-set start="00010101T000000Z" end="99991231T235959Z"/>`))
	ask("a second far away", []int{207, 403}, "REPORT", cal("anna"), query("98760301T000000Z", "98760301T000001Z", ""))
	ask("alarms", []int{207, 403}, "REPORT", cal("anna"), strings.Replace(strings.Replace(query(from, to, ""), "<C:time-range", `<C:comp-filter name="VALARM"><C:time-range`, 1), "</C:comp-filter>", "</C:comp-filter></C:comp-filter>", 1))
	ask("free/busy of a month", []int{200, 403}, "REPORT", cal("anna"), freeBusy(from, to))
	ask("free/busy of a century", []int{200, 403}, "REPORT", cal("anna"), freeBusy("20260301T000000Z", "21260301T000000Z"))
	ask("free/busy of all time", []int{200, 403}, "REPORT", cal("anna"), freeBusy("00010101T000000Z", "99991231T235959Z"))
	ask("multiget", []int{207}, "REPORT", cal("anna"), multiget(path))
	ask("sync", []int{207}, "REPORT", cal("anna"), syncBody(""))
	ask("an update", []int{204}, "PUT", path, strings.Replace(text, "Boom", "Bang", 1))
	x.healthy(t)
	ask("DELETE", []int{204}, "DELETE", path, "")
	x.before = x.look(t)
}

// 10^5 overrides of one series: more than an object may have.
func TestManyOverrides(t *testing.T) {
	t.Parallel()
	x := newTarget(t)
	series := func(n int) string {
		var b strings.Builder
		b.WriteString("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Test//EN\r\nBEGIN:VEVENT\r\nUID:bomb\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260301T100000Z\r\nRRULE:FREQ=DAILY\r\nEND:VEVENT\r\n")
		for i := range n {
			fmt.Fprintf(&b, "BEGIN:VEVENT\r\nUID:bomb\r\nDTSTAMP:20260101T000000Z\r\nRECURRENCE-ID:%[1]s\r\nDTSTART:%[1]s\r\nEND:VEVENT\r\n", day(i))
		}
		return b.String() + "END:VCALENDAR\r\n"
	}
	for n, precondition := range map[int]string{100_000: "C:max-resource-size", 60_000: "C:valid-calendar-data"} {
		text := series(n)
		x.frugal(t, fmt.Sprint(n, " overrides"), func() {
			x.do(t, "anna", "PUT", cal("anna")+"bomb.ics", text, "Content-Type: text/calendar").is(403, precondition)
		})
	}
	x.survived(t)
	x.detonate(t, cal("anna")+"bomb.ics", bomb{name: "5,000 overrides", month: 31}, series(5_000))
	x.survived(t)
}

// Questions about 10^5 objects, known and not.
func TestManyHrefs(t *testing.T) {
	t.Parallel()
	x := newTarget(t)
	hrefs := many(100_000, func(i int) string { return fmt.Sprintf("%sn%d.ics", cal("anna"), i) })
	same := slices.Repeat([]string{cal("anna") + "witness.ics"}, 100_000)
	for name, list := range map[string][]string{"10^5 hrefs of nothing": hrefs, "10^5 hrefs of one object": same} {
		x.frugal(t, name, func() {
			r := x.do(t, "anna", "REPORT", cal("anna"), multiget(list...)).wellFormed()
			if r.status != 403 && r.status != 413 {
				t.Errorf("%s: %d", name, r.status)
			}
		})
	}
	// As many as are allowed are answered.
	x.frugal(t, "10^4 hrefs", func() {
		if got := len(x.do(t, "anna", "REPORT", cal("anna"), multiget(hrefs[:9_999]...)).hrefs()); got != 9_999 {
			t.Errorf("%d answers", got)
		}
	})
	x.do(t, "anna", "PROPFIND", home("anna"), propfind("D:getetag"), "Depth: infinity").is(403, "D:propfind-finite-depth")
	x.do(t, "anna", "PROPFIND", cal("anna"), propfind("D:getetag"), "Depth: infinity").is(403, "D:propfind-finite-depth")
	x.do(t, "anna", "PROPFIND", home("anna"), propfind("D:getetag")).is(403, "D:propfind-finite-depth")
	x.survived(t)
}
