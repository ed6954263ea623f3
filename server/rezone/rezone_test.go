package rezone_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"factotum/server/ical"
	"factotum/server/object"
	"factotum/server/recur"
	"factotum/server/rezone"
	"factotum/server/rezone/rezonetest"
)

var (
	stored = time.Date(2006, 10, 1, 0, 0, 0, 0, time.UTC)
	now    = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
)

func change(t testing.TB) (*rezone.Change, *recur.Data) {
	old := rezonetest.Old(t)
	return &rezone.Change{Zones: rezonetest.Changed(t, old), Since: rezonetest.Since}, old
}

// definition is a VTIMEZONE by a release.
func definition(t testing.TB, d *recur.Data, name, civil string) string {
	t.Helper()
	recur.UseData(d)
	defer recur.UseData(nil)
	at, err := time.Parse("20060102T150405", civil)
	if err != nil {
		t.Fatal(err)
	}
	def, err := recur.VTimezone(name, at.AddDate(-1, 0, 0), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return string(def.Bytes())
}

func object1(parts ...string) []byte {
	return []byte("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:test\r\n" + strings.Join(parts, "") + "END:VCALENDAR\r\n")
}

func event(lines ...string) string {
	return "BEGIN:VEVENT\r\nUID:u\r\nDTSTAMP:20060101T000000Z\r\nSUMMARY:s\r\n" + strings.Join(lines, "\r\n") + "\r\nEND:VEVENT\r\n"
}

func judge(t testing.TB, c *rezone.Change, data []byte) rezone.Finding {
	t.Helper()
	f, err := c.Judge(context.Background(), data, stored, now)
	if err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	if f.Does != rezone.Nothing && !c.May(data) {
		t.Errorf("a glance sees nothing in\n%s", data)
	}
	return f
}

// starts are the first instances by the zones of now.
func starts(t testing.TB, data []byte) (list []string) {
	t.Helper()
	_, _, set, err := object.Compile(data)
	if err != nil {
		t.Fatal(err)
	}
	for in, err := range set.Between(context.Background(), time.Time{}, time.Time{}, recur.UTC, recur.Budget{MaxInstances: 10}) {
		if err != nil {
			break
		}
		list = append(list, in.Start.Format("20060102T150405Z"))
	}
	return list
}

func TestChangesOfClocks(t *testing.T) {
	c, old := change(t)
	for _, k := range rezonetest.Cases {
		t.Run(strings.ReplaceAll(k.Zone, "/", "_")+"_"+k.Civil, func(t *testing.T) {
			start := event("DTSTART;TZID="+k.Zone+":"+k.Civil, "DURATION:PT1H")
			was, is := definition(t, old, k.Zone, k.Civil), definition(t, nil, k.Zone, k.Civil)
			check := func(what string, f rezone.Finding, does rezone.Does) {
				t.Helper()
				if f.Does != does {
					t.Fatalf("%s: %v (%s), want %v", what, f.Does, f.Why, does)
				}
				if does == rezone.Nothing {
					if f.Text != nil || f.Moved != 0 {
						t.Errorf("%s: %d instances move, text %q", what, f.Moved, f.Text)
					}
					return
				}
				if len(f.Shifts) != 1 || f.Shifts[0].Was.Format("20060102T150405Z") != k.Was || f.Shifts[0].Is.Format("20060102T150405Z") != k.Is || f.Shifts[0].Civil.Format("20060102T150405") != k.Civil {
					t.Errorf("%s: %+v, want %s to %s", what, f.Shifts, k.Was, k.Is)
				}
			}
			f := judge(t, c, object1(start))
			check("a zone by its name", f, rezone.Follows)
			if f.Text != nil {
				t.Errorf("its text is another:\n%s", f.Text)
			}

			old1 := object1(was, start)
			// One without a rule that goes on does not count beside the database's zone.
			if got := starts(t, old1); strings.Contains(was, "RRULE") && (len(got) != 1 || got[0] != k.Was) {
				t.Fatalf("by its own rules it begins %v, want %s", got, k.Was)
			}
			f = judge(t, c, old1)
			check("old rules", f, rezone.Rewritten)
			if got := starts(t, f.Text); len(got) != 1 || got[0] != k.Is {
				t.Errorf("mended it begins %v, want %s\n%s", got, k.Is, f.Text)
			}
			check("mended", judge(t, c, f.Text), rezone.Nothing)
			check("new rules", judge(t, c, object1(is, start)), rezone.Nothing)

			alias := strings.Replace(strings.Replace(was, "TZID:"+k.Zone, "TZID:Here\r\nX-LIC-LOCATION:"+k.Zone, 1), "LAST-MOD", "X", 1)
			f = judge(t, c, object1(alias, strings.Replace(start, k.Zone, "Here", 1)))
			check("old rules under another name", f, rezone.Rewritten)
			if !strings.Contains(string(f.Text), "TZID:Here\r\n") {
				t.Errorf("its zone lost its name:\n%s", f.Text)
			}

			utc := []string{"DTSTART:" + k.Was, "DURATION:PT1H", "BEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:a\r\nTRIGGER;VALUE=DATE-TIME:" + k.Was + "\r\nEND:VALARM"}
			check("a moment", judge(t, c, object1(event(utc...))), rezone.Nothing)
			sun := append([]string{"X-NSCP-DTSTART-TZID:" + k.Zone}, utc...)
			f = judge(t, c, object1(event(sun...)))
			check("an hour in UTC", f, rezone.Rewritten)
			if text := string(f.Text); !strings.Contains(text, "DTSTART:"+k.Is) || !strings.Contains(text, "TRIGGER;VALUE=DATE-TIME:"+k.Is) || !strings.Contains(text, "LAST-MODIFIED:20260301T000000Z") {
				t.Errorf("an hour in UTC became\n%s", text)
			}
			check("mended", judge(t, c, f.Text), rezone.Nothing)
			check("an hour in UTC by the new rules", judge(t, c, object1(event(append(sun, "LAST-MODIFIED:20250601T000000Z")...))), rezone.Nothing)

			check("an hour that stays", judge(t, c, object1(definition(t, old, k.Zone, k.Same), event("DTSTART;TZID="+k.Zone+":"+k.Same, "DURATION:PT1H"))), rezone.Nothing)
			check("an hour in UTC that stays", judge(t, c, object1(event("DTSTART:"+k.Same+"Z", "X-NSCP-DTSTART-TZID:"+k.Zone))), rezone.Nothing)
		})
	}
}

func TestSeriesAndWhatGoesWithIt(t *testing.T) {
	c, old := change(t)
	const z = "America/New_York"
	was := definition(t, old, z, "20070226T090000")
	series := event("DTSTART;TZID="+z+":20070226T090000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;UNTIL=20070326T140000Z", "EXDATE:20070319T140000Z")
	f := judge(t, c, object1(was, series))
	if f.Does != rezone.Rewritten || f.Moved != 2 {
		t.Fatalf("%v, %d instances", f.Does, f.Moved)
	}
	if got := fmt.Sprint(starts(t, f.Text)); got != "[20070226T140000Z 20070305T140000Z 20070312T130000Z 20070326T130000Z]" {
		t.Errorf("the series takes place %v\n%s", got, f.Text)
	}
	if f := judge(t, c, f.Text); f.Does != rezone.Nothing {
		t.Errorf("mended, it is to be %v", f.Does)
	}
	// By its name alone, what stands in UTC goes with it; once.
	f = judge(t, c, object1(series))
	if got := fmt.Sprint(starts(t, f.Text)); f.Does != rezone.Rewritten || got != "[20070226T140000Z 20070305T140000Z 20070312T130000Z 20070326T130000Z]" {
		t.Fatalf("%v: the series takes place %v\n%s", f.Does, got, f.Text)
	}
	if again := judge(t, c, f.Text); again.Text != nil {
		t.Errorf("a second time it becomes\n%s", again.Text)
	}
	// One date of it was moved, by a zone.
	moved := object1(was, event("DTSTART;TZID="+z+":20070226T090000", "RRULE:FREQ=WEEKLY;COUNT=4"),
		event("RECURRENCE-ID;TZID="+z+":20070312T090000", "DTSTART;TZID="+z+":20070313T150000"))
	f = judge(t, c, moved)
	if got := fmt.Sprint(starts(t, f.Text)); got != "[20070226T140000Z 20070305T140000Z 20070313T190000Z 20070319T130000Z]" {
		t.Errorf("with a date that was moved: %v", got)
	}
	// A series in UTC has no hour by the clock.
	f = judge(t, c, object1(event("DTSTART:20070226T140000Z", "X-NSCP-DTSTART-TZID:"+z, "RRULE:FREQ=WEEKLY;COUNT=5")))
	if f.Does != rezone.Left || f.Why == "" || f.Text != nil {
		t.Errorf("a series in UTC: %v %q", f.Does, f.Why)
	}
	// Somebody's own zone of that name.
	own := strings.NewReplacer("TZOFFSETTO:-0400", "TZOFFSETTO:-0330", "TZOFFSETFROM:-0400", "TZOFFSETFROM:-0330", "TZOFFSETTO:-0500", "TZOFFSETTO:-0430", "TZOFFSETFROM:-0500", "TZOFFSETFROM:-0430").Replace(was)
	f = judge(t, c, object1(own, event("DTSTART;TZID="+z+":20070312T090000")))
	if f.Does != rezone.Left || f.Text != nil {
		t.Errorf("a zone of its own: %v\n%s", f.Does, f.Text)
	}
	// A window of time.
	some := &rezone.Change{Zones: c.Zones, Since: c.Since, From: time.Date(2007, 10, 1, 0, 0, 0, 0, time.UTC)}
	if f := judge(t, some, object1(was, series)); f.Does != rezone.Nothing {
		t.Errorf("before the time that counts: %v", f.Does)
	}
	if f := judge(t, c, object1(event("DTSTART;TZID=Nowhere/Land:20070312T090000"))); f.Does != rezone.Nothing {
		t.Errorf("an unknown zone: %v", f.Does)
	}
	if _, err := c.Judge(context.Background(), []byte("BEGIN:VCALENDAR\r\nTZID"), stored, now); err == nil {
		t.Error("half a text was judged")
	}
}

// What is stored is what is printed: nothing but what must is another.
func TestTheRestOfATextStays(t *testing.T) {
	c, old := change(t)
	k := rezonetest.Cases[0]
	data := object1(definition(t, old, k.Zone, k.Civil), event("DTSTART;TZID="+k.Zone+":"+k.Civil, "X-FOO;A=b:c\\,d", "ATTENDEE;CN=\"a;b\":mailto:a@example.com"))
	f := judge(t, c, data)
	a, err := ical.Parse(data, ical.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := ical.Parse(f.Text, ical.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if x, y := string(a.Child("VEVENT").Bytes()), string(b.Child("VEVENT").Bytes()); x != y {
		t.Errorf("the event became\n%s", y)
	}
}

// A scan: most objects are of zones that did not change.
func BenchmarkScan(b *testing.B) {
	c, old := change(b)
	far := definition(b, nil, "Europe/Berlin", "20260101T000000")
	near := definition(b, old, "America/Mexico_City", "20250101T000000")
	var objects [][]byte
	for i := range 100 {
		switch {
		case i < 5:
			objects = append(objects, object1(near, event(fmt.Sprintf("DTSTART;TZID=America/Mexico_City:2026%02d01T090000", i+1), "DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=10")))
		case i < 10:
			objects = append(objects, object1(event("DTSTART:20260301T090000Z")))
		default:
			objects = append(objects, object1(far, event("DTSTART;TZID=Europe/Berlin:20260301T090000", "DURATION:PT1H", "DESCRIPTION:"+strings.Repeat("words ", 50))))
		}
	}
	n := 0
	for b.Loop() {
		for _, data := range objects {
			if c.May(data) {
				if _, err := c.Judge(context.Background(), data, stored, now); err != nil {
					b.Fatal(err)
				}
			}
			n++
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "objects/s")
}
