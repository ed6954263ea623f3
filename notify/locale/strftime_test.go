package locale

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestStrftimeAsTheSystem: every letter prints what date(1) prints in the C locale,
// whose words are the English ones; %c, %x, %X and %r are each locale's own.
func TestStrftimeAsTheSystem(t *testing.T) {
	m, _ := Find("en")
	var format []string
	for _, c := range letters {
		if !strings.ContainsRune("cxXrntZ", c) {
			format = append(format, "%"+string(c))
		}
	}
	format = append(format, "%-d", "%-m", "%-H", "%-I", "%-j", "%-M", "%Ey", "%Od")
	f := MustFormat(strings.Join(format, "|"))
	at := time.Date(1999, 12, 26, 23, 59, 58, 0, time.UTC)
	for range 40 {
		out, err := exec.Command("env", "LC_ALL=C", "TZ=UTC", "date", "-d", "@"+strconv.FormatInt(at.Unix(), 10), "+"+strings.Join(format, "|")).Output()
		if err != nil {
			t.Skipf("no GNU date: %v", err)
		}
		got := strings.Split(string(m.Append(nil, f, Moment{Civil: at, Zone: "UTC"})), "|")
		want := strings.Split(strings.TrimSpace(string(out)), "|")
		for i := range format {
			if format[i] == "%Od" { // another digit in glibc, here as people say it
				continue
			}
			if got[i] != want[i] {
				t.Errorf("%s of %v: %q, date(1) has %q", format[i], at, got[i], want[i])
			}
		}
		at = at.Add(43*24*time.Hour + 7*time.Hour + 13*time.Minute)
	}
}

func TestFormatErrors(t *testing.T) {
	for format, want := range map[string]string{"%Q": "%Q is no letter", "%H:%": "ends with %", "%-": "ends with %", "%é": "no letter"} {
		if _, err := ParseFormat(format); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", format, err)
		}
	}
}

// TestOwnFormats: no format of a locale has a letter that strftime does not know.
func TestOwnFormats(t *testing.T) {
	for _, tag := range Tags() {
		m, ok := Find(tag)
		if !ok || m.Tag != tag {
			t.Fatalf("%s: found %q", tag, m.Tag)
		}
		for _, f := range []string{m.dateTime, m.stamp, m.stampDay, m.long, m.longMDY, m.short, m.shortMDY, m.year, m.yearMDY, m.fullDate, m.fullMDY, m.clock12} {
			if _, err := ParseFormat(f); err != nil {
				t.Errorf("%s: %v", tag, err)
			}
		}
	}
}

func TestDates(t *testing.T) {
	at := time.Date(2026, 3, 1, 13, 5, 9, 0, time.UTC)
	for _, c := range []struct{ tag, clock, order, x, clockTime, c, long, stamp string }{
		{"en", "", "", "01/03/2026", "13:05:09", "Sun 01 Mar 2026 13:05:09", "Sunday, 1 March 2026", "Mar 01, 2026 13:05:09 Asia/Tokyo"},
		{"en-US", "", "", "03/01/2026", "1:05:09 PM", "Sun 01 Mar 2026 1:05:09 PM", "Sunday, March 1, 2026", "Mar 01, 2026 1:05:09 PM Asia/Tokyo"},
		{"en_US", "24", "Y/M/D", "2026/03/01", "13:05:09", "Sun 01 Mar 2026 13:05:09", "Sunday, 1 March 2026", "Mar 01, 2026 13:05:09 Asia/Tokyo"},
		{"fr-CA", "", "", "01/03/2026", "13:05:09", "dim. 01 mars 2026 13:05:09", "dimanche 1er mars 2026", "01 mars 2026 13:05:09 Asia/Tokyo"},
		{"de-AT", "", "", "01.03.2026", "13:05:09", "So 01. Mär 2026 13:05:09", "Sonntag, 1. März 2026", "01. Mär 2026 13:05:09 Asia/Tokyo"},
		{"es", "12", "", "01/03/2026", "1:05:09 p. m.", "dom 01 mar 2026 1:05:09 p. m.", "domingo, 1 de marzo de 2026", "01 mar 2026 1:05:09 p. m. Asia/Tokyo"},
		{"ja", "12", "", "2026/03/01", "午後1:05:09", "2026年03月01日(日) 午後1:05:09", "2026年3月1日(日)", "2026年03月01日 午後1:05:09 Asia/Tokyo"},
		{"it", "", "", "01/03/2026", "13:05:09", "Sun 01 Mar 2026 13:05:09", "Sunday, 1 March 2026", "Mar 01, 2026 13:05:09 Asia/Tokyo"},
	} {
		m, _ := Find(c.tag)
		m = m.With(c.clock, c.order, "")
		mo := Moment{Civil: at, Zone: "Asia/Tokyo", Offset: 9 * time.Hour}
		got := []string{m.text("%x", mo), m.text("%X", mo), m.text("%c", mo), m.LongDate(mo), m.Stamp(mo)}
		for i, want := range []string{c.x, c.clockTime, c.c, c.long, c.stamp} {
			if got[i] != want {
				t.Errorf("%s: %q, want %q", c.tag, got[i], want)
			}
		}
	}
	m, _ := Find("de")
	if got := m.With("", "", "-").text("%x", Moment{Civil: at}); got != "01-03-2026" {
		t.Errorf("separator: %q", got)
	}
}

func TestWhen(t *testing.T) {
	day := func(d, h int) Moment {
		return Moment{Civil: time.Date(2026, 3, d, h, 30, 0, 0, time.UTC), Zone: "Europe/Berlin"}
	}
	date := func(d int) Moment {
		return Moment{Civil: time.Date(2026, 3, d, 0, 0, 0, 0, time.UTC), Day: true}
	}
	en, _ := Find("en")
	us, _ := Find("en-US")
	for _, c := range []struct {
		m          Manner
		start, end Moment
		want       string
	}{
		{en, day(3, 10), day(3, 11), "Tuesday, 3 March 2026, 10:30 – 11:30 (Europe/Berlin)"},
		{us, day(3, 10), day(3, 13), "Tuesday, March 3, 2026, 10:30 AM – 1:30 PM (Europe/Berlin)"},
		{en, day(3, 10), day(3, 10), "Tuesday, 3 March 2026, 10:30 (Europe/Berlin)"},
		{en, day(3, 10), day(2, 10), "Tuesday, 3 March 2026, 10:30 (Europe/Berlin)"},
		{en, day(3, 22), day(4, 2), "Tuesday, 3 March 2026, 22:30 – Wednesday, 4 March 2026, 02:30 (Europe/Berlin)"},
		{en, date(3), date(3), "Tuesday, 3 March 2026"},
		{en, date(3), date(5), "Tuesday, 3 March 2026 – Thursday, 5 March 2026"},
	} {
		if got := c.m.When(c.start, c.end); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	now := day(1, 1)
	later := Moment{Civil: time.Date(2027, 3, 3, 10, 0, 0, 0, time.UTC)}
	ja, _ := Find("ja")
	for got, want := range map[string]string{en.Brief(day(3, 10), now): "Tue 3 March, 10:30", us.Brief(later, now): "Wed, March 3, 2027, 10:00 AM",
		en.Brief(date(3), now): "Tue 3 March", ja.Brief(later, now): "2027年3月3日(水) 10:00"} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
