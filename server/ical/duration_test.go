package ical

import (
	"testing"
	"time"
)

func TestRFC5545_3_3_6_Duration(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want Duration
		out  string // when not as in
	}{
		{"P15DT5H0M20S", Duration{Days: 15, Time: 5*time.Hour + 20*time.Second}, "P15DT5H20S"},
		{"P7W", Duration{Weeks: 7}, ""},
		{"-PT15M", Duration{Neg: true, Time: 15 * time.Minute}, ""},
		{"+P1D", Duration{Days: 1}, "P1D"},
		{"PT0S", Duration{}, ""},
		{"P0D", Duration{}, "PT0S"},
		{"-P0W", Duration{Neg: true}, "-PT0S"},
		{"PT90M", Duration{Time: 90 * time.Minute}, "PT1H30M"},
		{"PT1H5S", Duration{Time: time.Hour + 5*time.Second}, ""},
		{"P1W2DT3H", Duration{Weeks: 1, Days: 2, Time: 3 * time.Hour}, ""},
		{" pt1h ", Duration{Time: time.Hour}, "PT1H"},
		{"P1DT", Duration{Days: 1}, "P1D"},
		{"P", Duration{}, "PT0S"},
		{"PT", Duration{}, "PT0S"},
		{"-P", Duration{Neg: true}, "-PT0S"},
		{"-PT0S", Duration{Neg: true}, ""},
		{"PT999999H", Duration{Time: 999_999 * time.Hour}, ""},
	} {
		d, err := ParseDuration(tc.in)
		if err != nil || d != tc.want {
			t.Errorf("%q: %+v %v", tc.in, d, err)
		}
		if tc.out == "" {
			tc.out = tc.in
		}
		if got := d.String(); got != tc.out {
			t.Errorf("%q: printed as %q", tc.in, got)
		}
	}
	for _, bad := range []string{"", "-", "T", "P1DT1HT", "PTT", "1D", "P1", "P1H", "PT1D", "PD", "P-1D", "P1D2D", "P1D1W", "PT1S1M",
		"PT1HT1M", "--P1D", "P1.5D", "PT1000000H", "-PT919999995M", "PT999999999S1", "PT999999H999999M", "P999999999W", "P3660001D", "PT99999999999999999999S", "P1Dé"} {
		if d, err := ParseDuration(bad); err == nil {
			t.Errorf("%q is read as %v", bad, d)
		}
	}
}

func TestDurationParts(t *testing.T) {
	d, err := ParseDuration("-P1W2DT3H")
	if err != nil {
		t.Fatal(err)
	}
	if d.NominalDays() != -9 || d.Exact() != -3*time.Hour || d.IsZero() {
		t.Errorf("%d days, %v", d.NominalDays(), d.Exact())
	}
	if got := DurationOf(-90*time.Minute - time.Millisecond).String(); got != "-PT1H30M" {
		t.Error(got)
	}
}
