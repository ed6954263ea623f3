package object

import (
	"strings"
	"testing"

	"factotum/server/calendar"
)

func TestReaddress(t *testing.T) {
	const a, b = calendar.AttachmentsPath + "anna/k1", calendar.AttachmentsPath + "b%C3%A4r%20t/k1"
	host := "https://cal.example.com"
	for _, c := range []struct{ what, in, want string }{
		{"an address", "ATTACH:" + a + "\r\nX:1\r\n", "ATTACH:" + b + "\r\nX:1\r\n"},
		{"a host and parameters", "ATTACH;MANAGED-ID=k1:" + host + a + "\r\n", "ATTACH;MANAGED-ID=k1:" + host + b + "\r\n"},
		{"lower case, bare line ends", "attach:" + a + "\n", "attach:" + b + "\n"},
		{"the last line, not ended", "X\r\nATTACH:" + a, "X\r\nATTACH:" + b},
		{"folds", "ATTACH:/dav/atta\r\n chments/anna/\r\n\tk1\r\n", "ATTACH:" + b + "\r\n"},
		{"written in another way", "ATTACH:" + calendar.AttachmentsPath + "%61nna/k1\r\n", "ATTACH:" + b + "\r\n"},
		{"twice", "ATTACH;X=\"" + a + "\":" + a + "\r\n", "ATTACH;X=\"" + b + "\":" + b + "\r\n"},
		{"another id", "ATTACH:" + a + "0\r\n", ""},
		{"an id that is not among them", "ATTACH:" + calendar.AttachmentsPath + "anna/k2\r\n", ""},
		{"somebody else's", "ATTACH:" + calendar.AttachmentsPath + "carl/k1\r\n", ""},
		{"another property", "URL:" + a + "\r\nX-ATTACH:" + a + "\r\nATTACHED:" + a + "\r\n", ""},
		{"what only looks alike", "ATTACH:" + calendar.AttachmentsPath + "anna\r\nATTACH:" + calendar.AttachmentsPath + "\r\nATTACH\r\n", ""},
		{"nothing", "", ""},
		{"odd octets elsewhere", "X:\xff\x00\r\r\n\r\n\n \nATTACH:" + a + "\r\nY\r", "X:\xff\x00\r\r\n\r\n\n \nATTACH:" + b + "\r\nY\r"},
		{"an id that goes on behind a fold", "ATTACH:" + a + "\r\n Y\r\n", ""},
	} {
		got := string(Readdress([]byte(c.in), "anna", "bär t", []string{"k1"}))
		if c.want == "" && got != c.in {
			t.Errorf("%s: %q", c.what, got)
		}
		if flat := strings.ReplaceAll(got, "\r\n ", ""); c.want != "" && flat != c.want {
			t.Errorf("%s: %q\nwant %q", c.what, flat, c.want)
		}
	}
	long := "ATTACH;FILENAME=" + strings.Repeat("ä", 60) + ":" + a + "\r\n"
	got := string(Readdress([]byte(long), "anna", "bert", []string{"k1"}))
	for line := range strings.Lines(got) {
		if len(line) > 77 || strings.ToValidUTF8(line, "?") != line {
			t.Errorf("folded as %q", line)
		}
	}
	if flat := strings.ReplaceAll(got, "\r\n ", ""); flat != strings.ReplaceAll(long, "anna", "bert") {
		t.Errorf("in one piece: %q", flat)
	}
}
