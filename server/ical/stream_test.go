package ical

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// stream reads all that ParseStream yields: names of calendars, and errors.
func stream(r io.Reader, lim Limits) (got []string) {
	for c, err := range ParseStream(r, lim) {
		if err != nil {
			got = append(got, err.Error())
		} else {
			got = append(got, c.Value("X-ID"))
		}
	}
	return got
}

func TestParseStream(t *testing.T) {
	one := "BEGIN:VCALENDAR\nX-ID:one\nEND:VCALENDAR\n"
	two := "begin:vcalendar \r\nX-ID:two\r\n\r\nend:vcalendar\r\n"
	bad := "BEGIN:VCALENDAR\nX-ID\nEND:VCALENDAR\n"
	for _, tc := range []struct {
		name, in string
		lim      Limits
		want     string
	}{
		{"none", "", Limits{}, ""},
		{"blank", "\n\r\n\n", Limits{}, ""},
		{"one", one, Limits{}, "one"},
		{"two", "\ufeff\n" + one + "\n\r\n" + two, Limits{}, "one|two"},
		{"no last line end", one + strings.TrimSpace(two), Limits{}, "one|two"},
		{"a bad one between", one + bad + two, Limits{}, "one|line 5: the property has no colon and no value|two"},
		{"cut off", one + "BEGIN:VCALENDAR\nX-ID:3\n", Limits{}, "one|line 5: END:VCALENDAR is missing"},
		{"text between", one + "\nhello\n" + two, Limits{}, "one|line 5: expected BEGIN:VCALENDAR"},
		{"not a calendar", "hello", Limits{}, "line 1: expected BEGIN:VCALENDAR"},
		{"size of each", one + two, Limits{MaxBytes: 60}, "one|two"},
		{"too large", one + "BEGIN:VCALENDAR\nX:" + strings.Repeat("x", 100) + "\n", Limits{MaxBytes: 60}, "one|line 5: the object is larger than 60 octets"},
		{"nested", one + "BEGIN:VCALENDAR\nBEGIN:VCALENDAR\nEND:VCALENDAR\n", Limits{}, "one|line 5: VCALENDAR within VCALENDAR"},
		{"many blanks", strings.Repeat("\n", 1000) + one, Limits{MaxBytes: 60}, "one"},
	} {
		if got := strings.Join(stream(strings.NewReader(tc.in), tc.lim), "|"); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
		if got := strings.Join(stream(iotest.OneByteReader(strings.NewReader(tc.in)), tc.lim), "|"); got != tc.want {
			t.Errorf("%s, an octet at a time: %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestParseStreamLongLine(t *testing.T) {
	long := strings.Repeat("x", 300_000)
	for c, err := range ParseStream(strings.NewReader("BEGIN:VCALENDAR\nX-ID:"+long+"\nEND:VCALENDAR\n"), Limits{}) {
		if err != nil || c.Value("X-ID") != long {
			t.Fatal(err)
		}
	}
}

func TestParseStreamReadError(t *testing.T) {
	boom := errors.New("boom")
	var last error
	for _, err := range ParseStream(io.MultiReader(strings.NewReader("BEGIN:VCALENDAR\n"), iotest.ErrReader(boom)), Limits{}) {
		last = err
	}
	if !errors.Is(last, boom) {
		t.Fatal(last)
	}
}

func TestParseStreamStops(t *testing.T) {
	n := 0
	for range ParseStream(strings.NewReader(strings.Repeat("BEGIN:VCALENDAR\nEND:VCALENDAR\n", 3)), Limits{}) {
		if n++; n == 2 {
			break
		}
	}
	if n != 2 {
		t.Fatal(n)
	}
}

func TestPiecesKeepTextAndLines(t *testing.T) {
	const a = "BEGIN:VCALENDAR\nX-A:1\nEND:VCALENDAR\n"
	const bad = "begin:vcalendar\r\nnonsense\r\nEND:VCALENDAR\r\n"
	type piece struct {
		line int
		text string
		ok   bool
		err  string
	}
	var got []piece
	for p := range Pieces(strings.NewReader(a+"\n\n"+bad+a+"stray"), Limits{}) {
		err := ""
		if p.Err != nil {
			err = p.Err.Error()
		}
		got = append(got, piece{p.Line, string(p.Text), p.Calendar != nil, err})
	}
	want := []piece{
		{1, a, true, ""},
		{6, bad, false, "line 7: the property has no colon and no value"},
		{9, a, true, ""},
		{12, "", false, "line 12: expected BEGIN:VCALENDAR"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
}
