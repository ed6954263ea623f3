package ical

import (
	"bytes"
	"testing"
)

func FuzzParse(f *testing.F) {
	f.Add(benchEvent)
	for _, s := range []string{
		"X;A=b\n", "X;A=\"b\"c:1\n", "X;A=\"b\",^n^^^'^:v\n", "X;A=1,,\"\";B=:\n", "BEGIN:A\nEND:A\n", "BEGIN:A\nEND:B\n",
		"X:1\n\n 2\n\t3\n", "X:Z\xc3\n \xbc\n", "x_y.z:\x01\n", "DTSTART;VALUE=DATE;TZID=\" x\":20200101\nRRULE:FREQ=DAILY;UNTIL=\nGEO:1;2\n",
		"BEGIN:VEVENT\nUID:1\nBEGIN:VALARM\nTRIGGER;RELATED=END:-PT1M\nEND:VALARM\nEND:VEVENT\n",
	} {
		f.Add(cal(s))
	}
	lim := Limits{MaxBytes: 1 << 16, MaxComponents: 1000, MaxProps: 1000}
	f.Fuzz(func(t *testing.T, data []byte) {
		ToUTF8(data)
		streamed := 0
		for range ParseStream(bytes.NewReader(data), lim) {
			streamed++
		}
		c, err := Parse(data, lim)
		if err != nil {
			return
		}
		if streamed > 1 {
			t.Errorf("one calendar, but a stream of %d", streamed)
		}
		text := c.Bytes()
		// Quotes and encoding may make the text longer than it was.
		d, err := Parse(text, DefaultLimits)
		if err != nil {
			t.Fatalf("printed, it does not parse: %v\n%q", err, text)
		}
		if diff := Diff(c, d); diff != "" {
			t.Fatalf("parse and print changed it:\n%s", diff)
		}
		if again := d.Bytes(); !bytes.Equal(again, text) {
			t.Fatalf("printed again it is another:\n%q\n%q", text, again)
		}
		Validate(c)
		c.Walk(func(k *Component) bool {
			for i := range k.Props {
				p := &k.Props[i]
				p.DateTimes()
				p.Periods()
				p.Duration()
				SplitText(p.Value)
				SplitFields(p.Value)
				if got := UnescapeText(EscapeText(p.Value)); got != p.Value {
					t.Errorf("%q came back as %q", p.Value, got)
				}
			}
			return true
		})
	})
}

func FuzzDateTime(f *testing.F) {
	for _, s := range []string{"19970714", "19970714T133000", "19970714T133000Z", "19970630T235960Z", "20230229", "-0011130T100000"} {
		f.Add(s, "Europe/Berlin", false)
		f.Add(s, "", true)
	}
	f.Fuzz(func(t *testing.T, value, tzid string, date bool) {
		d, err := ParseDateTime(value, tzid, date)
		if err != nil {
			return
		}
		back, err := ParseDateTime(d.String(), d.TZID, d.Kind == Date)
		if err != nil || back != d {
			t.Fatalf("%q is %+v, printed and read %+v, %v", value, d, back, err)
		}
		if c := FromCivil(d.Civil(), d.Kind, d.TZID); c != d && d.Sec != 60 {
			t.Fatalf("%+v through a time.Time is %+v", d, c)
		}
	})
}

func FuzzDuration(f *testing.F) {
	for _, s := range []string{"P15DT5H0M20S", "P7W", "-PT15M", "+P1D", "PT", "P1W2DT3H", "P999999999W", "-PT919999995M"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDuration(s)
		if err != nil {
			return
		}
		if back, err := ParseDuration(d.String()); err != nil || back != d {
			t.Fatalf("%q is %+v, printed and read %+v, %v", s, d, back, err)
		}
	})
}
