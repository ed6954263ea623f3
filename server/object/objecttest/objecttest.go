// Package objecttest draws calendar object resources for tests of laws: what
// must hold of every object, whatever it is. It draws the same ones each time,
// so that a law that held yesterday holds today; with FACTOTUM_LONG, or a
// -rapid.seed, it draws others.
package objecttest

import (
	"context"
	"flag"
	"os"
	"strconv"
	"time"

	"pgregory.net/rapid"

	"factotum/server/ical"
	"factotum/server/recur"
)

func init() {
	if os.Getenv("FACTOTUM_LONG") == "" {
		if err := flag.Set("rapid.seed", "20260105"); err != nil {
			panic(err)
		}
	}
}

// Day is the first day on which what is drawn takes place.
var Day = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)

// Zone draws the zone of a reader.
func Zone(t *rapid.T) recur.Zone {
	z, _ := recur.LoadZone(rapid.SampledFrom([]string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo", "Pacific/Kiritimati", "Australia/Lord_Howe"}).Draw(t, "reader"))
	return z
}

// Event draws an event, as a rule one that recurs, with UID "u": its times in
// UTC, in a zone, floating or whole days; dates taken out and further ones;
// instances moved, renamed or cancelled.
func Event(t *rapid.T) *ical.Component {
	kind := rapid.SampledFrom([]ical.Kind{ical.UTC, ical.Zoned, ical.Zoned, ical.Floating, ical.Date}).Draw(t, "kind")
	tzid := ""
	if kind == ical.Zoned {
		tzid = rapid.SampledFrom([]string{"Europe/Berlin", "America/New_York"}).Draw(t, "zone")
	}
	at := func(civil time.Time) ical.DateTime {
		if kind == ical.Date {
			civil = civil.Truncate(24 * time.Hour)
		}
		return ical.FromCivil(civil, kind, tzid)
	}
	cal := ical.NewCalendar("-//x//x//EN")
	if tzid != "" {
		z, err := recur.VTimezone(tzid, Day.AddDate(-1, 0, 0), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		cal.AddChild(z)
	}
	length := time.Duration(rapid.SampledFrom([]int{0, 1, 2, 16, 48, 52, 240}).Draw(t, "half hours")) * 30 * time.Minute
	duration := rapid.Bool().Draw(t, "duration")
	if kind == ical.Date && !duration {
		length = length.Round(24 * time.Hour)
	}
	start := Day.AddDate(0, 0, rapid.IntRange(0, 400).Draw(t, "day")).Add(time.Duration(rapid.IntRange(0, 47).Draw(t, "half hour")) * 30 * time.Minute)
	event := func(summary string, start time.Time) *ical.Component {
		c := ical.New("VEVENT")
		c.SetText("UID", "u")
		c.Set("DTSTAMP", "20260101T000000Z")
		c.SetText("SUMMARY", summary)
		c.SetDateTime("DTSTART", at(start))
		switch {
		case length > 0 && duration:
			d := ical.DurationOf(length % (24 * time.Hour))
			d.Days = int(length / (24 * time.Hour))
			c.Set("DURATION", d.String())
		case length > 0:
			c.SetDateTime("DTEND", at(start.Add(length)))
		}
		return c
	}
	master := event("master", start)
	cal.AddChild(master)
	if rule := drawRule(t, kind, start); rule != "" {
		master.Set("RRULE", rule)
	}
	for range rapid.IntRange(0, 2).Draw(t, "further dates") {
		days := rapid.IntRange(1, 60).Draw(t, "further")
		p := ical.Property{Name: "RDATE"}
		p.SetDateTime(at(start.AddDate(0, 0, days).Add(90 * time.Minute)))
		master.Add(p)
	}
	instances := first(t, cal, 12)
	if len(instances) < 2 {
		return cal
	}
	for _, rid := range instances[1:] {
		switch rapid.SampledFrom([]string{"", "", "", "out", "moved", "cancelled"}).Draw(t, "instance") {
		case "out":
			p := ical.Property{Name: "EXDATE"}
			p.SetDateTime(rid)
			master.Add(p)
		case "moved":
			by := time.Duration(rapid.IntRange(-40, 40).Draw(t, "by")) * time.Hour
			c := event("moved", rid.Civil().Add(by))
			c.SetDateTime("RECURRENCE-ID", rid)
			cal.AddChild(c)
		case "cancelled":
			c := event("cancelled", rid.Civil())
			c.SetDateTime("RECURRENCE-ID", rid)
			c.Set("STATUS", "CANCELLED")
			cal.AddChild(c)
		}
	}
	return cal
}

// Periods draws lengths for further dates of an event that Event drew.
func Periods(t *rapid.T, cal *ical.Component) {
	for p := range cal.Child("VEVENT").All("RDATE") {
		d, err := p.DateTime()
		if err != nil || d.Kind == ical.Date || rapid.Bool().Draw(t, "no period") {
			continue
		}
		p.SetParam("VALUE", "PERIOD")
		end := ical.FromCivil(d.Civil().Add(26*time.Hour), d.Kind, d.TZID)
		p.Value += "/" + rapid.SampledFrom([]string{"PT30M", "P1DT2H", end.String()}).Draw(t, "length")
	}
}

// first lists the original starts of the first instances of a series.
func first(t *rapid.T, cal *ical.Component, most int) (out []ical.DateTime) {
	set, err := recur.Compile([]*ical.Component{cal.Child("VEVENT")}, recur.ZonesOf(cal))
	if err != nil {
		t.Fatal(err)
	}
	for in, err := range set.Between(context.Background(), time.Time{}, time.Time{}, recur.UTC, recur.Budget{MaxInstances: most}) {
		if err != nil {
			break
		}
		if in.HasRID {
			out = append(out, in.RecurrenceID)
		}
	}
	return out
}

func drawRule(t *rapid.T, kind ical.Kind, start time.Time) string {
	freq := rapid.SampledFrom([]string{"", "DAILY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"}).Draw(t, "freq")
	if freq == "" {
		return ""
	}
	rule := "FREQ=" + freq + ";INTERVAL=" + strconv.Itoa(rapid.IntRange(1, 3).Draw(t, "interval"))
	if freq == "WEEKLY" && rapid.Bool().Draw(t, "byday") {
		rule += ";BYDAY=MO,TH"
	}
	switch rapid.SampledFrom([]string{"COUNT", "COUNT", "UNTIL", ""}).Draw(t, "end") {
	case "COUNT":
		rule += ";COUNT=" + strconv.Itoa(rapid.SampledFrom([]int{2, 5, 20, 99, 100, 101, 150, 700}).Draw(t, "count"))
	case "UNTIL":
		until := start.AddDate(0, 0, rapid.IntRange(3, 900).Draw(t, "until"))
		switch kind {
		case ical.Date, ical.Floating:
			rule += ";UNTIL=" + ical.FromCivil(until.Truncate(24*time.Hour), kind, "").String()
		default:
			rule += ";UNTIL=" + ical.FromCivil(until, ical.UTC, "").String()
		}
	}
	return rule
}
