package ical

import (
	"slices"
	"testing"
	"time"
)

func TestRFC5545_3_3_4_Date(t *testing.T) {
	for _, in := range []string{"DTSTART;VALUE=DATE:19970714", "DTSTART;VALUE=date:19970714", "DTSTART:19970714",
		"DTSTART;VALUE=DATE;TZID=Europe/Berlin:19970714", "DTSTART;VALUE=DATE:19970714T000000", "DTSTART: 19970714 ", "DTSTART:19970714Z", "DTSTART;VALUE=DATE:19970714Z", "DTSTART;VALUE=DATE :19970714"} {
		d, err := oneProp(t, in).DateTime()
		if err != nil || d != (DateTime{Year: 1997, Month: time.July, Day: 14}) || d.String() != "19970714" {
			t.Errorf("%s: %+v %v", in, d, err)
		}
	}
}

func TestRFC5545_3_3_5_DateTime(t *testing.T) {
	base := DateTime{Year: 1997, Month: time.July, Day: 14, Hour: 13, Min: 30}
	for in, want := range map[string]DateTime{
		"DTSTART:19970714T133000":                             with(base, Floating, ""),
		"DTSTART:19970714T133000Z":                            with(base, UTC, ""),
		"DTSTART;TZID=America/New_York:19970714T133000":       with(base, Zoned, "America/New_York"),
		"DTSTART;TZID=America/New_York:19970714T133000Z":      with(base, UTC, ""),
		"DTSTART;TZID=\" America/New_York \":19970714T133000": with(base, Zoned, "America/New_York"),
		"DTSTART;TZID=^'UTC^':19970714T133000":                with(base, Zoned, "UTC"),
		"DTSTART;TZID=:19970714T133000":                       with(base, Floating, ""),
		"DTSTART;VALUE=DATE-TIME:19970714t133000z":            with(base, UTC, ""),
	} {
		if d, err := oneProp(t, in).DateTime(); err != nil || d != want {
			t.Errorf("%s: %+v %v", in, d, err)
		}
	}
	for _, good := range []string{"19970630T235960Z", "20000229", "20240229T000000", "00010101T000000", "99991231T235959Z"} {
		if d, err := ParseDateTime(good, "", false); err != nil || d.String() != good {
			t.Errorf("%s: %v %v", good, d, err)
		}
	}
	for _, bad := range []string{"", "1997", "19970714T", "19970714T1330", "19970714T133000-0800", "19970714X133000",
		"19970714T133000X", "1997-07-14", "19971301", "19970001", "19970100", "19970230", "19000229", "20230229",
		"19970714T240000", "19970714T006000", "19970714T000061", "+1970714", "-0011130T100000", "19970714T13300é"} {
		if d, err := ParseDateTime(bad, "", false); err == nil {
			t.Errorf("%q is read as %v", bad, d)
		}
	}
	// VALUE=DATE, which two real feeds write before times.
	for value, want := range map[string]DateTime{"19970714T133000": with(base, Floating, ""), "19970714T133000Z": with(base, UTC, "")} {
		if d, err := ParseDateTime(value, "", true); err != nil || d != want {
			t.Errorf("%s, promised as a date: %+v %v", value, d, err)
		}
	}
}

func with(d DateTime, k Kind, tzid string) DateTime {
	d.Kind, d.TZID = k, tzid
	return d
}

func TestCivil(t *testing.T) {
	d, _ := ParseDateTime("20260907T100005", "Europe/Berlin", false)
	if got, want := d.Civil(), time.Date(2026, 9, 7, 10, 0, 5, 0, time.UTC); !got.Equal(want) {
		t.Errorf("%v", got)
	}
	if got := FromCivil(d.Civil(), Zoned, "Europe/Berlin"); got != d {
		t.Errorf("%+v", got)
	}
	// RFC 5545 §3.3.12: who does not know leap seconds takes 59.
	leap, _ := ParseDateTime("19970630T235960Z", "", false)
	if got, want := leap.Civil(), time.Date(1997, 6, 30, 23, 59, 59, 0, time.UTC); !got.Equal(want) {
		t.Errorf("%v", got)
	}
	if got := FromCivil(d.Civil(), Date, "Europe/Berlin"); got != (DateTime{Year: 2026, Month: 9, Day: 7}) {
		t.Errorf("%+v", got)
	}
}

func TestRFC5545_3_8_5_1_DateTimes(t *testing.T) {
	ds, err := oneProp(t, "EXDATE;TZID=Europe/Berlin:19960402T010000,19960403T010000,").DateTimes()
	if err != nil || len(ds) != 2 || ds[1].String() != "19960403T010000" || ds[1].TZID != "Europe/Berlin" {
		t.Errorf("%v %v", ds, err)
	}
	ds, err = oneProp(t, "RDATE;VALUE=PERIOD:19960403T020000Z/19960403T040000Z,19960404T010000Z/PT3H").DateTimes()
	if err != nil || len(ds) != 2 || ds[1].String() != "19960404T010000Z" {
		t.Errorf("%v %v", ds, err)
	}
	if ds, err := oneProp(t, "EXDATE:").DateTimes(); err != nil || len(ds) != 0 {
		t.Errorf("%v %v", ds, err)
	}
	if _, err := oneProp(t, "EXDATE:19960402T010000,x").DateTimes(); err == nil {
		t.Error("a bad place in the list goes unnoticed")
	}
}

func TestSetDateTime(t *testing.T) {
	for in, want := range map[string]string{
		"20260907":         "DTSTART;VALUE=DATE:20260907\r\n",
		"20260907T100000":  "DTSTART;TZID=Europe/Berlin:20260907T100000\r\n",
		"20260907T100000Z": "DTSTART:20260907T100000Z\r\n",
	} {
		d, err := ParseDateTime(in, "Europe/Berlin", false)
		if err != nil {
			t.Fatal(err)
		}
		c := mustParse(t, cal("DTSTART;VALUE=DATE;TZID=X:20200101\nDTSTART:1\n"))
		c.SetDateTime("DTSTART", d)
		if got := string(c.Props[0].Append(nil)); got != want || len(c.Props) != 1 {
			t.Errorf("%s: %q", in, got)
		}
		back, err := c.Props[0].DateTime()
		if err != nil || back != d {
			t.Errorf("%s: read back as %+v, %v", in, back, err)
		}
	}
}

func TestRFC5545_3_3_9_Periods(t *testing.T) {
	ps, err := oneProp(t, "FREEBUSY;FBTYPE=BUSY-UNAVAILABLE:19970308T160000Z/PT8H30M,19970308T230000Z/19970309T000000Z").Periods()
	if err != nil || len(ps) != 2 || !ps[0].HasDur || ps[0].Dur.Time != 8*time.Hour+30*time.Minute || ps[1].End.Hour != 0 {
		t.Fatalf("%+v %v", ps, err)
	}
	got := []string{ps[0].String(), ps[1].String()}
	if !slices.Equal(got, []string{"19970308T160000Z/PT8H30M", "19970308T230000Z/19970309T000000Z"}) {
		t.Errorf("%q", got)
	}
	for _, bad := range []string{"19970308T160000Z", "19970308T160000Z/", "/PT1H", "19970308/P1D", "19970308T160000Z/19970309", "19970308T160000Z/-"} {
		if p, err := ParsePeriod(bad, ""); err == nil {
			t.Errorf("%q is read as %v", bad, p)
		}
	}
}

func TestRFC5545_3_3_14_Offset(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"-0500": -5 * time.Hour, "+0100": time.Hour, "+013012": time.Hour + 30*time.Minute + 12*time.Second, "+0000": 0} {
		d, err := ParseOffset(in)
		if err != nil || d != want || FormatOffset(d) != in {
			t.Errorf("%s: %v %v %s", in, d, err, FormatOffset(d))
		}
	}
	for in, want := range map[string]time.Duration{
		"-400": -4 * time.Hour, "+530": 5*time.Hour + 30*time.Minute, "-0000": 0, "0100": time.Hour, " +0100 ": time.Hour,
		"+05:30": 5*time.Hour + 30*time.Minute, "-4:00": -4 * time.Hour, "+05:30:10": 5*time.Hour + 30*time.Minute + 10*time.Second, "-4": -4 * time.Hour, "+05": 5 * time.Hour} {
		if d, err := ParseOffset(in); err != nil || d != want {
			t.Errorf("%q: %v %v", in, d, err)
		}
	}
	for _, bad := range []string{"", "+", "5", "500", "+05:0", "+5:", "+:", "+05:30:", "+2400", "+0060", "+000060", "++0500", "+05000"} {
		if d, err := ParseOffset(bad); err == nil {
			t.Errorf("%q is read as %v", bad, d)
		}
	}
}
