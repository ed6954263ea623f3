package ical

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// cal wraps content lines into a VCALENDAR; \n stands for CRLF.
func cal(body string) []byte {
	return []byte(strings.ReplaceAll("BEGIN:VCALENDAR\n"+body+"END:VCALENDAR\n", "\n", "\r\n"))
}

func mustParse(t testing.TB, data []byte) *Component {
	t.Helper()
	c, err := Parse(data, DefaultLimits)
	if err != nil {
		t.Fatalf("parse: %v\n%s", err, data)
	}
	return c
}

// oneProp parses a calendar with one property.
func oneProp(t testing.TB, line string) *Property {
	t.Helper()
	c := mustParse(t, cal(line+"\n"))
	if len(c.Props) != 1 {
		t.Fatalf("%q: %d properties", line, len(c.Props))
	}
	return &c.Props[0]
}

func TestParseTree(t *testing.T) {
	got := mustParse(t, cal("version:2.0\nBEGIN:vevent\nUID:1\nBEGIN:VALARM\nACTION:AUDIO\nBEGIN:X-IN\nX-A:1\nEND:X-IN\nTRIGGER:-PT5M\nEND:VALARM\n"+
		"SUMMARY:after the alarm\nEND:VEVENT\nBEGIN:X-UNKNOWN\nEND:X-UNKNOWN\nX-LAST:1\n"))
	want := &Component{Name: "VCALENDAR",
		Props: []Property{{Name: "VERSION", Value: "2.0"}, {Name: "X-LAST", Value: "1"}},
		Children: []*Component{
			{Name: "VEVENT",
				Props: []Property{{Name: "UID", Value: "1"}, {Name: "SUMMARY", Value: "after the alarm"}},
				Children: []*Component{{Name: "VALARM",
					Props:    []Property{{Name: "ACTION", Value: "AUDIO"}, {Name: "TRIGGER", Value: "-PT5M"}},
					Children: []*Component{{Name: "X-IN", Props: []Property{{Name: "X-A", Value: "1"}}}}}}},
			{Name: "X-UNKNOWN"},
		}}
	if d := Diff(got, want); d != "" {
		t.Fatal(d)
	}
}

func TestRFC5545_3_1_ContentLines(t *testing.T) {
	for _, tc := range []struct{ in, name, value string }{
		{"DESCRIPTION:This is a lo\n ng description\n  that exists on a long line.", "DESCRIPTION", "This is a long description that exists on a long line."},
		{"VERSION\n :2.0", "VERSION", "2.0"},
		{"SUM\n\tMARY:tab folds", "SUMMARY", "tab folds"},
		{"X-EMPTY:", "X-EMPTY", ""},
		{"x-lower_case.1:a:b;c,d\"e", "X-LOWER_CASE.1", `a:b;c,d"e`},
		{"SUMMARY:a\tb", "SUMMARY", "a\tb"},
		{"SUMMARY:blank line\n\n  within a fold", "SUMMARY", "blank line within a fold"},
		{"SUMMARY:Z\xc3\n \xbcrich", "SUMMARY", "Zürich"},
		{"SUMMARY:\n ", "SUMMARY", ""},
	} {
		p := oneProp(t, tc.in)
		if p.Name != tc.name || p.Value != tc.value {
			t.Errorf("%q: %q %q", tc.in, p.Name, p.Value)
		}
	}
}

func TestRFC5545_3_2_Parameters(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want []Param
	}{
		{`ATTENDEE;CN="Weber, Bruno: x; y";rsvp=TRUE:mailto:b@example.com`,
			[]Param{{"CN", []string{"Weber, Bruno: x; y"}}, {"RSVP", []string{"TRUE"}}}},
		{`ATTENDEE;MEMBER="mailto:a@example.com","mailto:b@example.com":mailto:c@example.com`,
			[]Param{{"MEMBER", []string{"mailto:a@example.com", "mailto:b@example.com"}}}},
		{`X;A=1,,"",2;A=3:v`, []Param{{"A", []string{"1", "", "", "2"}}, {"A", []string{"3"}}}},
		{`X;A=:v`, []Param{{"A", []string{""}}}},
		{`X;A=b=c:v`, []Param{{"A", []string{"b=c"}}}},
		{`X;CN=Joe "J" Doe:v`, []Param{{"CN", []string{`Joe "J" Doe`}}}},
	} {
		p := oneProp(t, tc.in)
		if !equalProps(p, &Property{Name: p.Name, Params: tc.want, Value: p.Value}) {
			t.Errorf("%s: %q", tc.in, p.Params)
		}
	}
}

func TestRFC6868_3_ParameterEncoding(t *testing.T) {
	for in, want := range map[string]string{
		`George Herman ^'Babe^' Ruth`: `George Herman "Babe" Ruth`,
		`a^nb`:                        "a\nb",
		`a^^nb`:                       "a^nb",
		`a^xb^`:                       "a^xb^",
		`^^^^^'`:                      `^^"`,
		`no circumflex`:               `no circumflex`,
	} {
		if got := oneProp(t, "X;CN="+in+":v").Param("CN"); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
		p := Property{Name: "X", Params: []Param{{"CN", []string{want}}}, Value: "v"}
		line := strings.TrimSuffix(string(p.Append(nil)), "\r\n")
		if got := oneProp(t, line).Param("CN"); got != want {
			t.Errorf("%q is printed as %q and read as %q", want, line, got)
		}
	}
}

func TestParseTolerates(t *testing.T) {
	want := mustParse(t, cal("VERSION:2.0\nX-A:1\n"))
	for name, in := range map[string]string{
		"LF only":             "BEGIN:VCALENDAR\nVERSION:2.0\nX-A:1\nEND:VCALENDAR\n",
		"no last line end":    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nX-A:1\r\nEND:VCALENDAR",
		"byte order mark":     "\ufeffBEGIN:VCALENDAR\r\nVERSION:2.0\r\nX-A:1\r\nEND:VCALENDAR\r\n",
		"blank lines":         "\r\n\nBEGIN:VCALENDAR\r\n\r\nVERSION:2.0\n\nX-A:1\r\nEND:VCALENDAR\r\n\r\n\n\n",
		"CR CR LF":            "BEGIN:VCALENDAR\r\r\nVERSION:2.0\r\r\nX-A:1\r\r\nEND:VCALENDAR\r\r\n",
		"case of names":       "begin:vcalendar\r\nversion:2.0\r\nx-a:1\r\nEnd:vCalendaR\r\n",
		"blanks after a name": "BEGIN:VCALENDAR \r\nVERSION:2.0\r\nX-A:1\r\nEND:VCALENDAR\t\r\n",
	} {
		got, err := Parse([]byte(in), DefaultLimits)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if d := Diff(got, want); d != "" {
			t.Errorf("%s:\n%s", name, d)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		line     int
		msg      string
	}{
		{"empty", "", 1, "expected BEGIN:VCALENDAR"},
		{"blank", "\r\n\r\n", 1, "expected BEGIN:VCALENDAR"},
		{"another root", "BEGIN:VEVENT\nEND:VEVENT\n", 1, "expected BEGIN:VCALENDAR"},
		{"a property first", "\nVERSION:2.0\n", 2, "expected BEGIN:VCALENDAR"},
		{"END first", "END:VCALENDAR\n", 1, "expected BEGIN:VCALENDAR"},
		{"END is missing", "BEGIN:VCALENDAR\nBEGIN:VEVENT\nX:1\n 2\n\n", 4, "END:VEVENT is missing"},
		{"END of another", "BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR\n", 3, "END:VCALENDAR where END:VEVENT is due"},
		{"two calendars", "BEGIN:VCALENDAR\nEND:VCALENDAR\nBEGIN:VCALENDAR\nEND:VCALENDAR\n", 3, "text after END:VCALENDAR"},
		{"calendar in calendar", "BEGIN:VCALENDAR\nBEGIN:VCALENDAR\nEND:VCALENDAR\nEND:VCALENDAR\n", 2, "VCALENDAR within VCALENDAR"},
		{"no colon", "BEGIN:VCALENDAR\nX-A\nEND:VCALENDAR\n", 2, "no colon"},
		{"no colon after a parameter", "BEGIN:VCALENDAR\nX;A=b\nEND:VCALENDAR\n", 2, "no colon"},
		{"text after a quote", "BEGIN:VCALENDAR\nX;A=\"b\"c:1\nEND:VCALENDAR\n", 2, "quoted parameter value is not followed"},
		{"quote and end of line", "BEGIN:VCALENDAR\nX;A=\"b\"\nEND:VCALENDAR\n", 2, "quoted parameter value is not followed"},
		{"open quote", "BEGIN:VCALENDAR\nX;A=\"b:1\nEND:VCALENDAR\n", 2, "no closing quote"},
		{"parameter without =", "BEGIN:VCALENDAR\nX;A:1\nEND:VCALENDAR\n", 2, "NAME=VALUE"},
		{"parameter without name", "BEGIN:VCALENDAR\nX;=b:1\nEND:VCALENDAR\n", 2, "NAME=VALUE"},
		{"empty parameter", "BEGIN:VCALENDAR\nX;:1\nEND:VCALENDAR\n", 2, "NAME=VALUE"},
		{"parameter at the end", "BEGIN:VCALENDAR\nX;\nEND:VCALENDAR\n", 2, "NAME=VALUE"},
		{"parameter name at the end", "BEGIN:VCALENDAR\nX;A\nEND:VCALENDAR\n", 2, "NAME=VALUE"},
		{"parameter cut off", "BEGIN:VCALENDAR\nX;A=\nEND:VCALENDAR\n", 2, "no colon"},
		{"blank in a name", "BEGIN:VCALENDAR\nMY NAME:1\nEND:VCALENDAR\n", 2, "neither a colon nor a semicolon"},
		{"no name", "BEGIN:VCALENDAR\n:1\nEND:VCALENDAR\n", 2, "does not begin with a property name"},
		{"name above ASCII", "BEGIN:VCALENDAR\nÜ:1\nEND:VCALENDAR\n", 2, "does not begin with a property name"},
		{"nothing to fold", " x\nBEGIN:VCALENDAR\nEND:VCALENDAR\n", 1, "continues nothing"},
		{"NUL", "BEGIN:VCALENDAR\nX:1\n 2\x003\nEND:VCALENDAR\n", 3, "control character"},
		{"NUL in a long line", "BEGIN:VCALENDAR\nX:" + strings.Repeat("a", 100) + "\x00" + strings.Repeat("a", 100) + "\nEND:VCALENDAR\n", 2, "control character"},
		{"DEL", "BEGIN:VCALENDAR\nX:abcdefgh\x7fabcdefgh\nEND:VCALENDAR\n", 2, "control character"},
		{"lone CR", "BEGIN:VCALENDAR\nX:1\rY:2\nEND:VCALENDAR\n", 2, "control character"},
		{"CR only", "BEGIN:VCALENDAR\rEND:VCALENDAR\r", 1, "control character"},
		{"Latin-1", "BEGIN:VCALENDAR\nX:1\n 2\nX:Z\xfcrich\nEND:VCALENDAR\n", 4, "not UTF-8"},
		{"surrogate", "BEGIN:VCALENDAR\nX:\xed\xa0\x80\nEND:VCALENDAR\n", 2, "not UTF-8"},
		{"BEGIN with parameters", "BEGIN;A=b:VCALENDAR\nEND:VCALENDAR\n", 1, "BEGIN needs"},
		{"BEGIN without name", "BEGIN:VCALENDAR\nBEGIN:\nEND:VCALENDAR\n", 2, "BEGIN needs"},
		{"BEGIN with blanks", "BEGIN:VCALENDAR\nBEGIN:A B\nEND:VCALENDAR\n", 2, "BEGIN needs"},
		{"END without name", "BEGIN:VCALENDAR\nEND:\n", 2, "END needs"},
	} {
		c, err := Parse([]byte(tc.in), DefaultLimits)
		var pe *ParseError
		if c != nil || !errors.As(err, &pe) {
			t.Errorf("%s: %v, %v", tc.name, c, err)
		} else if pe.Line != tc.line || !strings.Contains(pe.Msg, tc.msg) {
			t.Errorf("%s: %v, want line %d: %s", tc.name, err, tc.line, tc.msg)
		}
	}
}

// Every octet but HTAB that RFC 5545 §3.1 bans is found at every place, and no
// other one is refused.
func TestRFC5545_3_1_ControlCharacters(t *testing.T) {
	for c := range 0x80 {
		for at := range 20 {
			line := bytes.Repeat([]byte{'~'}, 20)
			line[at] = byte(c)
			want := c == '\t' || c >= 0x20 && c != 0x7f
			if _, ok := scanOctets(line); ok != want {
				t.Fatalf("octet %#x at %d: %v", c, at, ok)
			}
		}
	}
}

func TestParseLimits(t *testing.T) {
	lim := Limits{MaxBytes: 1000, MaxDepth: 3, MaxComponents: 4, MaxProps: 5, MaxLine: 100}
	deep := func(n int) string {
		return strings.Repeat("BEGIN:A\n", n) + strings.Repeat("END:A\n", n)
	}
	for _, tc := range []struct{ name, good, bad, msg string }{
		{"depth", deep(2), deep(3), "nest deeper than 3"},
		{"components", strings.Repeat(deep(1), 3), strings.Repeat(deep(1), 4), "more than 4 components"},
		{"properties", strings.Repeat("X:1\n", 5), strings.Repeat("X:1\n", 6), "more than 5 properties"},
		{"lines", strings.Repeat("X:1\n", 5), strings.Repeat("X:1\n", 50), "more than 5 properties"},
		{"values", "X;A=" + strings.Repeat(",", 4) + ":\n", "X;A=" + strings.Repeat(",", 5) + ":\n", "more than 5 parameter values"},
		{"line", "X:" + strings.Repeat("a\n ", 98) + "\n", "X:" + strings.Repeat("a\n ", 99) + "\n", "longer than 100 octets"},
		{"size", "", strings.Repeat("\n", 500), "larger than 1000 octets"},
	} {
		if _, err := Parse(cal(tc.good), lim); err != nil {
			t.Errorf("%s, just within: %v", tc.name, err)
		}
		var pe *ParseError
		if _, err := Parse(cal(tc.bad), lim); !errors.As(err, &pe) || !strings.Contains(pe.Msg, tc.msg) {
			t.Errorf("%s, beyond: %v", tc.name, err)
		}
	}
}

// The tree keeps no part of the caller's buffer.
func TestParseCopies(t *testing.T) {
	data := bytes.Clone(benchEvent)
	c := mustParse(t, data)
	want := c.Bytes()
	clear(data)
	if !bytes.Equal(c.Bytes(), want) {
		t.Fatal("the tree changed with the input")
	}
}

// Slices cut from one slab may not grow into each other.
func TestParseSlicesAreApart(t *testing.T) {
	c := mustParse(t, cal("A;X=1,2;Y=3:v\nB;Z=4:w\nBEGIN:C\nD:1\nEND:C\nBEGIN:E\nF:2\nEND:E\n"))
	_ = append(c.Children[0].Props, Property{Name: "EVIL"})
	_ = append(c.Props, Property{Name: "EVIL"})
	_ = append(c.Props[0].Params, Param{Name: "EVIL"})
	_ = append(c.Props[0].Params[0].Values, "EVIL")
	if s := string(c.Bytes()); strings.Contains(s, "EVIL") {
		t.Fatal(s)
	}
}

func TestParseAllocations(t *testing.T) {
	n := testing.AllocsPerRun(100, func() {
		if _, err := Parse(benchEvent, DefaultLimits); err != nil {
			t.Fatal(err)
		}
	})
	if n > 25 {
		t.Errorf("%v allocations for an object of %d octets", n, len(benchEvent))
	}
}

func TestParseErrorText(t *testing.T) {
	err := fmt.Errorf("put object: %w", &ParseError{Line: 12, Msg: "not UTF-8"})
	if err.Error() != "put object: line 12: not UTF-8" {
		t.Fatal(err)
	}
}

// TestReader: what a Reader makes of objects, one after another and with
// broken ones between them, is what Parse makes of each.
func TestReader(t *testing.T) {
	long := "BEGIN:VCALENDAR\nBEGIN:VEVENT\n" + strings.Repeat("X-A;P=1,2;Q=3:v\n", 5000) + "END:VEVENT\nEND:VCALENDAR\n"
	texts := []string{string(benchEvent), "BEGIN:VCALENDAR\nVERSION:2.0\nEND:VCALENDAR\n", "BEGIN:VCALENDAR\nX;A=\"b:c\n", string(benchEvent), long,
		"BEGIN:VCALENDAR\nBEGIN:VTODO\nX;A=1;B=2,3:4\nBEGIN:VALARM\nEND:VALARM\nEND:VTODO\nBEGIN:VTODO\nEND:VTODO\nEND:VCALENDAR\n", "", string(benchEvent)}
	var r Reader
	for i, text := range texts {
		want, wantErr := Parse([]byte(text), Limits{})
		got, err := r.Parse([]byte(text), Limits{})
		if (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
			t.Fatalf("object %d: error %v, want %v", i, err, wantErr)
		}
		if err == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("object %d:\n%s\nwant\n%s", i, got.Bytes(), want.Bytes())
		}
	}
}

// A TZID with a colon and without the quotes that it needs, as Google writes
// GMT+05:30, can only be meant one way where the value is a date.
func TestRFC5545_3_2_TZIDWithColon(t *testing.T) {
	for line, want := range map[string]Property{
		"DTSTART;TZID=GMT+05:30:20260301T090000":                 {Value: "20260301T090000", Params: []Param{{"TZID", []string{"GMT+05:30"}}}},
		"DTSTART;TZID=GMT-03:30: 20260301T090000 ":               {Value: " 20260301T090000 ", Params: []Param{{"TZID", []string{"GMT-03:30"}}}},
		"EXDATE;TZID=GMT+05:30:20260301T090000,20260302T090000":  {Value: "20260301T090000,20260302T090000", Params: []Param{{"TZID", []string{"GMT+05:30"}}}},
		"RDATE;VALUE=PERIOD;TZID=GMT+05:30:20260301T090000/PT1H": {Value: "20260301T090000/PT1H", Params: []Param{{"VALUE", []string{"PERIOD"}}, {"TZID", []string{"GMT+05:30"}}}},
		"DTSTART;TZID=GMT+05:30;VALUE=DATE-TIME:20260301T090000": {Value: "20260301T090000", Params: []Param{{"TZID", []string{"GMT+05:30"}}, {"VALUE", []string{"DATE-TIME"}}}},
		"DTSTART;TZID=(UTC+00:00) Dublin, Lisbon:20260301":       {Value: "20260301", Params: []Param{{"TZID", []string{"(UTC+00:00) Dublin, Lisbon"}}}},
		"DTSTART;TZID=\"GMT+05:30\":20260301T090000":             {Value: "20260301T090000", Params: []Param{{"TZID", []string{"GMT+05:30"}}}},
		"DTSTART;TZID=tzone://Microsoft/Utc:20260301T090000":     {Value: "20260301T090000", Params: []Param{{"TZID", []string{"tzone://Microsoft/Utc"}}}},
		// Otherwise the first colon counts, as the RFC has it.
		"X-A;TZID=B:30:20260301":           {Value: "30:20260301", Params: []Param{{"TZID", []string{"B"}}}},
		"X-A;TZID=B:a:b":                   {Value: "a:b", Params: []Param{{"TZID", []string{"B"}}}},
		"DTSTART;TZID=GMT+05:30:soon":      {Value: "30:soon", Params: []Param{{"TZID", []string{"GMT+05"}}}},
		"DTSTART;TZID=\"A\":B:20260301":    {Value: "B:20260301", Params: []Param{{"TZID", []string{"A"}}}},
		"X-A;VALUE=B:c:20260301":           {Value: "c:20260301", Params: []Param{{"VALUE", []string{"B"}}}},
		"DTSTART;X=a;TZID=B;Y=c:20260301":  {Value: "20260301", Params: []Param{{"X", []string{"a"}}, {"TZID", []string{"B"}}, {"Y", []string{"c"}}}},
		"DTSTART;TZID=A,B:20260301T090000": {Value: "20260301T090000", Params: []Param{{"TZID", []string{"A", "B"}}}},
	} {
		p := oneProp(t, line)
		if p.Value != want.Value || !slices.EqualFunc(p.Params, want.Params, func(a, b Param) bool { return a.Name == b.Name && slices.Equal(a.Values, b.Values) }) {
			t.Errorf("%s: %+v", line, p)
		}
		if again := oneProp(t, strings.TrimSpace(string(p.Append(nil)))); again.TZID() != p.TZID() || strings.TrimSpace(again.Value) != strings.TrimSpace(p.Value) {
			t.Errorf("%s: printed as %s", line, p.Append(nil))
		}
	}
	if p := oneProp(t, "DTSTART;TZID=Dublin, Lisbon:20260301T090000"); p.TZID() != "Dublin, Lisbon" {
		t.Errorf("without quotes: %q", p.TZID())
	}
}

// Properties behind a component within theirs are kept in their order.
func TestPropsBehindComponents(t *testing.T) {
	a := mustParse(t, cal("VERSION:2.0\nBEGIN:VEVENT\nUID:1\nBEGIN:VALARM\nACTION:DISPLAY\nEND:VALARM\nSUMMARY:x\nBEGIN:VALARM\nACTION:AUDIO\nEND:VALARM\nLOCATION:y\nURL:z\nEND:VEVENT\nPRODID:p\nX-LAST:q\n"))
	names := func(c *Component) (out []string) {
		for _, p := range c.Props {
			out = append(out, p.Name+"="+p.Value)
		}
		return out
	}
	event := a.Child("VEVENT")
	for _, c := range []struct {
		c    *Component
		want string
	}{
		{a, "VERSION=2.0 PRODID=p X-LAST=q"}, {event, "UID=1 SUMMARY=x LOCATION=y URL=z"},
		{event.Children[0], "ACTION=DISPLAY"}, {event.Children[1], "ACTION=AUDIO"},
	} {
		if got := strings.Join(names(c.c), " "); got != c.want {
			t.Errorf("%s has %s, want %s", c.c.Name, got, c.want)
		}
	}
}
