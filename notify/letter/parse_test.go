package letter

import (
	"strings"
	"testing"
)

// TestProblems: what is wrong with a template is told with its line, and what to mend.
func TestProblems(t *testing.T) {
	alternative := "S\n~~Content-Type: multipart/alternative; boundary=\"%b\"%N%N\n"
	cal := alternative + "~~--%b%N\n~~Content-Type: text/calendar; charset=%s%N%N\n"
	html := "S\n~~Content-Type: text/html; charset=%s%N%N\n"
	for _, c := range []struct {
		file    string
		line    int
		warning bool
		want    string
	}{
		{"", 1, false, "the file is empty"},
		{"\n%N\n", 1, false, "subject, and it is empty"},
		{"~~MIME-Version: 1.0%N\n", 1, false, "this is a MIME line"},
		{"%?%s\n", 1, false, "take %? out"},
		{"a%Nb\n", 1, false, "the subject is one line"},
		{"%I\n", 1, false, "text/calendar alone"},
		{"%J\n", 1, false, "%J is a whole VCALENDAR, and is printed in text/calendar alone"},
		{"S\n%N\n%q%N\n", 3, true, "%q is no code"},
		{"S %é\n", 1, true, "%é is no code"},
		{"S\n%ZL%N\n", 2, false, "L is none"},
		{"S\n%(%d)L%N\n", 2, false, "L is none"},
		{"S\n%(%QX)B%N\n", 2, false, "%Q is no letter of strftime"},
		{"S\n%(%d B%N\n", 2, false, "close it"},
		{"S\n100%", 2, false, "write %% for a percent sign"},
		{"S\nabc%?d%s%N\n", 2, false, "at the beginning"},
		{"S\n%?Nothing here%N\n", 2, false, "the line has no code"},
		{"S\n\xff\n", 2, false, "is not UTF-8"},
		{"S\na\x00b\n", 2, false, "control character"},
		{"S\na\u2028b\n", 2, false, "control character"},
		{"S\n%I%N\n", 2, false, "text/calendar alone"},
		{"S\n~~Content-Type: text/plain%N\nHello%N\n", 3, false, "begin it with ~~"},
		{"S\n~~Content-Type text/plain%N%N\n", 2, false, "a name, a colon and a value"},
		{"S\n~~X-A: %q%N%N\n", 2, true, "no code of MIME lines"},
		{"S\n~~Content-Type: image/png%N%N\n", 2, false, "no type that a template can make"},
		{"S\n~~Content-Type: multipart/mixed%N%N\n~~--%b%N%N\n~~--%b--%N\n", 2, false, "needs boundary"},
		{"S\n~~Content-Type: multipart/mixed; boundary=\"xyz\"%N%N\n~~--%b%N%N\n~~--%b--%N\n", 2, false, "write boundary=\"%b\""},
		{"S\n~~Content-Type: text/plain; charset=iso-8859-1%N%N\n", 2, true, "write charset=%s"},
		{"S\n~~Content-Transfer-Encoding: 8bit%N%N\n", 2, true, "%x"},
		{"S\n~~Subject: more%N%N\n", 2, false, "the server writes Subject"},
		{"S\n~~From: %m%N%N\n", 2, false, "the server writes From"},
		{"S\n~~X-Boundary: %b%N%N\n", 2, false, "%b stands in"},
		{"S\n~~X-Ä: a%N%N\n", 2, false, "a name, a colon"},
		{"S\n~~X-A: ä%N%N\n", 2, false, "ASCII"},
		{"S\nHello%N\n~~--%b%N\n", 3, false, "there is no multipart"},
		{"S\nHello%N\n~~World%N\n", 3, false, "text has no ~~"},
		{alternative + "~~--%b%N%N\nText%N\n", 2, false, "has no end"},
		{alternative + "~~--%b--%N\n", 3, false, "has no part"},
		{alternative + "~~--%b%N%N\nText%N\n~~--%b--%N\nMore%N\n", 6, false, "nobody sees text"},
		{alternative + "~~--%b%N%N\nText%N\n~~--%b--%N\n~~--%b--%N\n", 6, false, "there is no multipart"},
		{alternative + "%s%N\n~~--%b%N%N\n~~--%b--%N\n", 2, false, "plain ASCII, without codes"},
		{alternative + "~~--%b x%N\n~~--%b--%N\n", 3, false, "a line of its own"},
		{cal + "~~--%b--%N\n", 4, false, "the calendar is empty"},
		{cal + "BEGIN:VCALENDAR%N\nSUMMARY %s%N\nEND:VCALENDAR%N\n~~--%b--%N\n", 6, false, "a line of text/calendar is a property"},
		{cal + "BEGIN:VCALENDAR%N\nSUMMARY:%F%N\nEND:VCALENDAR%N\n~~--%b--%N\n", 6, false, "%F prints whole lines"},
		{cal + "BEGIN:VCALENDAR%N\n%I\nEND:VCALENDAR%N\n~~--%b--%N\n", 7, false, "let nothing else stand in it"},
		{cal + "BEGIN:VCALENDAR%N\nBEGIN:VEVENT%N\nEND:VCALENDAR%N\n~~--%b--%N\n", 7, false, "has no BEGIN"},
		{cal + "BEGIN:VCALENDAR%N\nBEGIN:VEVENT%N\n~~--%b--%N\n", 6, false, "BEGIN:VEVENT has no END"},
		{cal + "SUMMARY:%s%N\n~~--%b--%N\n", 5, false, "outside of a component"},
		{html + "<p title=%s>%N\n", 3, false, "stands in a tag"},
		{html + "<a href=\"%d\">%N\n", 3, false, "only %u may"},
		{html + "<img onerror='%s'>%N\n", 3, false, "attribute that is a program"},
		{html + "<!-- %s -->%N\n", 3, false, "in a comment"},
		{html + "<STYLE>%s</style>%N\n", 3, false, "stands in <style>"},
		{strings.Repeat("x", 10<<20), 1, false, "at most 262144"},
		{"S\n" + strings.Repeat("%s%N\n", maxCodes+1), maxCodes + 2, false, "more than 1000 codes"},
		{"S\n" + strings.Repeat("~~Content-Type: multipart/mixed; boundary=\"%b\"%N%N\n~~--%b%N\n", 6) + strings.Repeat("~~--%b--%N\n", 6), 10, false, "at most 4 deep"},
	} {
		tmpl, list := Parse("mine.fmt", []byte(c.file))
		found := false
		for _, p := range list {
			found = found || p.Line == c.line && p.Warning == c.warning && strings.Contains(p.Msg, c.want)
			if p.File != "mine.fmt" || !strings.HasPrefix(p.Error(), "mine.fmt:") {
				t.Errorf("%.80q: told of %s", c.file, p.Error())
			}
		}
		if !found {
			t.Errorf("%.120q: want line %d %q, told %v", c.file, c.line, c.want, list)
		}
		if (tmpl != nil) != c.warning {
			t.Errorf("%.80q: usable %v", c.file, tmpl != nil)
		}
	}
}

// TestNoProblems: codes in the places where they may stand.
func TestNoProblems(t *testing.T) {
	for _, file := range []string{
		"\ufeffSubject %s%N\r\nHello%N\r\n",
		"S\n~~Content-Type: text/html; charset=%s%N%N\n<title>%s</title><p title=\"%s\" class='%c'>a < b %d <a href=\"%u\">%u</a><style>a>b</style>%s<!-- x -->%s%N",
		"S\n~~Content-Type: text/plain;%N\n~~ charset=%s%N\n%N\nHello%N\n",
		"S\n~~Content-Type: text/plain; charset=%s%N\n~~X-Method: %m %c%N%N%N\nHello %%N 100%%%N\n",
		"S\n~~Content-Type: multipart/mixed; boundary=\"%b\"%N%N\nFor old programs.%N\n~~--%b%N\n~~Content-Type: multipart/alternative; boundary=\"%b\"%N%N\n~~--%b%N%N\nText%N\n~~--%b--%N\n~~--%b%N\n" +
			"~~Content-Type: application/ics; name=\"invite.ics\"%N\n~~Content-Disposition: attachment; filename=\"invite.ics\"%N%N\n%I\n~~--%b--%N\n%N\n",
	} {
		if tmpl, list := Parse("x", []byte(file)); tmpl == nil || len(list) > 0 {
			t.Errorf("%q: %v", file, list)
		}
	}
}

// FuzzParse: no file is too much for Parse, and each that it takes can be rendered.
func FuzzParse(f *testing.F) {
	for _, s := range []string{sunReminder, sunPublish, "S\n%?%(%H)B%ZE%q%N\n~~--%b--", "%v (%W)\n~~Content-Type: text/html%N%N\n<a href='%u'>%d<!--"} {
		f.Add([]byte(s))
	}
	in := event(f, "REQUEST")
	f.Fuzz(func(t *testing.T, data []byte) {
		tmpl, list := Parse("x.fmt", data)
		if tmpl == nil && len(list) == 0 {
			t.Fatal("refused without a reason")
		}
		if tmpl == nil {
			return
		}
		m, err := tmpl.Render(in)
		if err != nil {
			t.Fatal(err)
		}
		checkMail(t, m)
	})
}
