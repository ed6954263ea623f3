package recur

import (
	"strings"
	"testing"

	"factotum/server/ical"
)

func TestRFC5545_3_3_10_ParseRule(t *testing.T) {
	for in, want := range map[string]string{
		"FREQ=DAILY":                                    "FREQ=DAILY",
		"freq=weekly;byday=mo,-1fr;":                    "FREQ=WEEKLY;BYDAY=MO,-1FR",
		" FREQ = MONTHLY ; ; BYDAY = +2TU, WE":          "FREQ=MONTHLY;BYDAY=2TU,WE",
		"COUNT=3;INTERVAL=1;FREQ=YEARLY;WKST=SU;X-A=1":  "FREQ=YEARLY;COUNT=3;WKST=SU",
		"FREQ=DAILY;UNTIL=20200101T000000Z":             "FREQ=DAILY;UNTIL=20200101T000000Z",
		"FREQ=DAILY;UNTIL=20200101":                     "FREQ=DAILY;UNTIL=20200101",
		"RSCALE=gregorian;FREQ=MONTHLY;SKIP=forward":    "RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=FORWARD",
		"FREQ=DAILY;COUNT=99999999999999999999":         "FREQ=DAILY;COUNT=2147483648",
		"FREQ=YEARLY;BYWEEKNO=-1,53;BYYEARDAY=-366,366": "FREQ=YEARLY;BYYEARDAY=-366,366;BYWEEKNO=-1,53",
	} {
		r, err := ParseRule(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
		} else if r.String() != want {
			t.Errorf("%s became %s, want %s", in, r, want)
		}
	}
	for in, word := range map[string]string{
		"": "FREQ", "COUNT=1": "FREQ", "FREQ=DAILY;FREQ=DAILY": "twice", "FREQ=DAILY;COUNT=0": "COUNT", "FREQ=DAILY;INTERVAL=-1": "INTERVAL",
		"FREQ=DAILY;COUNT=1;UNTIL=20200101": "both", "FREQ=DAILY;BYMONTH=13": "BYMONTH", "FREQ=DAILY;BYMONTHDAY=0": "BYMONTHDAY",
		"FREQ=DAILY;BYDAY=54MO": "BYDAY", "FREQ=DAILY;BYDAY=XX": "BYDAY", "FREQ=DAILY;BYDAY=": "BYDAY", "FREQ=DAILY;WKST=X": "WKST",
		"FREQ=DAILY;BYNIGHT=1": "BYNIGHT", "FREQ": "value", "FREQ=DAILY;SKIP=OMIT": "RSCALE", "RSCALE=CHINESE;FREQ=YEARLY": "CHINESE",
		"FREQ=DAILY;UNTIL=20200230": "UNTIL", "FREQ=DAILY;BYHOUR=24": "BYHOUR",
		"FREQ=DAILY;BYHOUR=" + strings.Repeat("1,", 2000): "BYHOUR",
	} {
		if r, err := ParseRule(in); err == nil {
			t.Errorf("%.40s: accepted as %s", in, r)
		} else if !strings.Contains(err.Error(), word) {
			t.Errorf("%.40s: error %q does not name %s", in, err, word)
		}
	}
}

// TestRFC7529_Skip holds what the examples of RFC 7529 and its order of
// evaluation say.
func TestRFC7529_Skip(t *testing.T) {
	for _, tt := range []struct{ rule, start, want string }{
		{"FREQ=YEARLY;SKIP=FORWARD;COUNT=5", "20120229", "20120229,20130301,20140301,20150301,20160229"},
		{"FREQ=YEARLY;SKIP=BACKWARD;COUNT=3", "20120229", "20120229,20130228,20140228"},
		{"FREQ=YEARLY;SKIP=OMIT;COUNT=2", "20120229", "20120229,20160229"},
		{"FREQ=MONTHLY;SKIP=BACKWARD;COUNT=4", "20140131", "20140131,20140228,20140331,20140430"},
		{"FREQ=MONTHLY;SKIP=FORWARD;BYMONTHDAY=1,31;COUNT=5", "20140301", "20140301,20140331,20140401,20140501,20140531"},
		{"FREQ=MONTHLY;SKIP=BACKWARD;BYMONTHDAY=-31;COUNT=4", "20140301", "20140301,20140331,20140501,20140531"},
		{"FREQ=YEARLY;SKIP=FORWARD;BYYEARDAY=366;COUNT=3", "20120101", "20121231,20140101,20150101"},
		{"FREQ=YEARLY;SKIP=BACKWARD;BYYEARDAY=366;COUNT=3", "20120101", "20121231,20131231,20141231"},
		{"FREQ=YEARLY;SKIP=BACKWARD;BYWEEKNO=53;BYDAY=MO;COUNT=3", "20140101", "20141222,20151228,20161226"},
		{"FREQ=MONTHLY;SKIP=FORWARD;BYMONTHDAY=31;COUNT=1000000", "20140131", ""},
	} {
		got := ruleInstances(t, "RSCALE=GREGORIAN;"+tt.rule, tt.start, "", 40)
		if tt.want == "" {
			if n := strings.Count(got, ",") + 1; n != 40 {
				t.Errorf("%s: %d instances", tt.rule, n)
			}
		} else if got != tt.want {
			t.Errorf("%s from %s\n got %s\nwant %s", tt.rule, tt.start, got, tt.want)
		}
	}
}

// TestSkipCount counts a rule with SKIP by arithmetic and by walking.
func TestSkipCount(t *testing.T) {
	for _, rule := range []string{"FREQ=MONTHLY;BYMONTHDAY=1,31;SKIP=FORWARD", "FREQ=MONTHLY;BYMONTHDAY=-31,30;SKIP=BACKWARD",
		"FREQ=YEARLY;BYYEARDAY=366,1;SKIP=FORWARD", "FREQ=YEARLY;BYWEEKNO=53,1;SKIP=FORWARD"} {
		r, err := ParseRule("RSCALE=GREGORIAN;" + rule)
		if err != nil {
			t.Fatal(err)
		}
		s := newSeries(r, daysOf(2001, 1, 31)*daySecs, false, maxCivil)
		steps := 10_000_000
		c := s.cursor(&steps)
		c.seek(s.start)
		for n := int64(1); n <= 12_000; n++ {
			want, ok := c.next()
			if !ok {
				break
			}
			if n%997 != 0 {
				continue
			}
			if got := s.nth(n); got != want {
				t.Fatalf("%s: number %d is %v, want %v", rule, n, dateTimeOf(got, ical.UTC, ""), dateTimeOf(want, ical.UTC, ""))
			}
		}
	}
}

func FuzzRule(f *testing.F) {
	for _, s := range []string{"FREQ=DAILY", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;COUNT=3", "freq=secondly;interval=7;bysecond=3,60;byhour=1;count=1000000",
		"RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=FORWARD;BYMONTHDAY=-31,31;BYSETPOS=1,-1", "FREQ=YEARLY;BYWEEKNO=53;INTERVAL=5;BYDAY=TH;COUNT=1",
		"FREQ=MINUTELY;INTERVAL=2147483647;BYDAY=MO;COUNT=9", "FREQ=HOURLY;BYYEARDAY=366;BYMONTHDAY=5;COUNT=2", "FREQ=WEEKLY;UNTIL=20301231;WKST=SU"} {
		f.Add(s, int64(951868800), false)
	}
	f.Fuzz(func(t *testing.T, text string, start int64, isDate bool) {
		r, err := ParseRule(text)
		if err != nil {
			return
		}
		again, err := ParseRule(r.String())
		if err != nil || again.String() != r.String() {
			t.Fatalf("%q prints as %q, which reads as %v, %v", text, r, again, err)
		}
		start = minCivil + floorMod(start, maxCivil-minCivil)
		s := newSeries(r, start, isDate, maxCivil)
		steps := 20_000
		c := s.cursor(&steps)
		c.seek(start)
		last := int64(minCivil - 1)
		var list []int64
		for at, ok := c.next(); ok && len(list) < 50; at, ok = c.next() {
			if at <= last || at < s.start || at > maxCivil {
				t.Fatalf("%s: %d after %d", r, at, last)
			}
			last = at
			list = append(list, at)
		}
		// Jumping to an instance finds it.
		for _, at := range list {
			c.seek(at)
			if got, ok := c.next(); !ok && steps >= 0 || ok && got != at {
				t.Fatalf("%s: seek to %d finds %d, %v", r, at, got, ok)
			}
		}
	})
}
