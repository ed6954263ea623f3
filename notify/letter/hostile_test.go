package letter

import (
	"bytes"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"factotum/notify/locale"
	"factotum/server/ical"
)

// everywhere has every code in every place where one may stand.
var everywhere = func() string {
	var subject, text, html, hand strings.Builder
	for _, c := range codes {
		code := "%" + string(c.Letter)
		if isWhole(c.Letter) {
			continue
		}
		subject.WriteString(code + " ")
		text.WriteString("T" + string(c.Letter) + "=" + code + "%N\n")
		html.WriteString("<p title=\"" + code + "\">" + code + "</p>%N\n")
		if c.Line {
			hand.WriteString(code + "\n")
		} else {
			hand.WriteString("X-" + string(c.Letter) + ";X-P=" + code + ";X-Q=\"a" + code + "\":" + code + "%N\n")
		}
	}
	return subject.String() + "\n~~Content-Type: multipart/mixed; boundary=\"%b\"%N%N\n~~--%b%N\n~~Content-Type: text/plain; charset=%s%N\n~~X-Told: %m %c%N%N\n" + text.String() +
		"END%N\n~~--%b%N\n~~Content-Type: text/html; charset=%s%N%N\n" + html.String() + "~~--%b%N\n~~Content-Type: text/calendar; method=%m; component=%c; charset=%s%N%N\nBEGIN:VCALENDAR%N\nBEGIN:VEVENT%N\n" +
		hand.String() + "X-END:1%N\nEND:VEVENT%N\nEND:VCALENDAR%N\n~~--%b%N\n~~Content-Type: text/calendar; method=%m%N%N\n%I\n~~--%b--%N\n"
}()

// hostile are values that want to be more than a value.
var hostile = []string{"\r\nBcc: evil@example.com\r\n\r\nbody", "\nX-Evil: 1", "\rX-Evil: 1", "a\x00b", "\u2028X-Evil: 1", "\u2029X-EVIL:1", "\u0085X-Evil: 1", "\v\fX-Evil: 1",
	"=?utf-8?B?DQpCY2M6IGV2aWxAZXhhbXBsZS5jb20=?=", "=?utf-8?Q?=0D=0AX-Evil:_1?=", "\nEND:VEVENT\nBEGIN:VEVENT\nX-EVIL:1", "\\nX-EVIL:1", "\";X-EVIL=1:", ":;,\"^n^'", "--=_x\n\nX-Evil: 1",
	"<script>alert(1)</script>", "\" onload=\"x", "' <b> &amp;", "%s%N%I", "\xff\xfe\xc0\xaf", "\u202eevil\u202c", ".\r\n.\r\nRSET", "From me", strings.Repeat("long", 400), "🏴󠁧󠁢 日本語 é", " ", "\t", ""}

// nasty draws a value.
func nasty(t *rapid.T, label string) string {
	return strings.Join(rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom(hostile), rapid.String()), 0, 4).Draw(t, label), "")
}

// checkHostile: whatever the values are, the mail has the lines that the template
// has, and no others.
func checkHostile(t failer, m Mail, method string) {
	t.Helper()
	checkMail(t, m)
	msg, err := mail.ReadMessage(bytes.NewReader(m.Append(nil, false)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range msg.Header {
		names = append(names, name)
	}
	if slices.Sort(names); !slices.Equal(names, []string{"Content-Type", "Mime-Version", "Subject"}) {
		t.Fatalf("headers %q", names)
	}
	if got, err := new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject")); err != nil || got != m.Subject {
		t.Fatalf("the subject %q is read as %q: %v", m.Subject, got, err)
	}
	parts := leavesOf(t, m)
	if len(parts) != 4 {
		t.Fatalf("%d parts:\n%s", len(parts), m.Body)
	}
	if got := parts[0].text; !strings.HasPrefix(got, "T0=") || !strings.HasSuffix(got, "\r\nEND\r\n") {
		t.Fatalf("text %q", got)
	}
	for _, tag := range []string{"<script", "<b>", " onload=\""} {
		if strings.Contains(parts[1].text, tag) {
			t.Fatalf("%s is in the HTML %s", tag, parts[1].text)
		}
	}
	for c := range strings.SplitSeq(parts[1].text, "<") {
		if c != "" && !strings.HasPrefix(c, "p title=\"") && !strings.HasPrefix(c, "/p>") && !strings.HasPrefix(c, "br>") {
			t.Fatalf("a tag of its own: <%s", c)
		}
	}
	cal, err := ical.Parse([]byte(parts[2].text), ical.Limits{})
	if err != nil {
		t.Fatalf("%v\n%s", err, parts[2].text)
	}
	if len(cal.Children) != 1 || len(cal.Props) != 0 || len(cal.Children[0].Children) != 0 {
		t.Fatalf("components:\n%s", parts[2].text)
	}
	for _, p := range cal.Children[0].Props {
		known := []string{"EXDATE", "RDATE", "RRULE", "EXRULE", "DESCRIPTION", "RECURRENCE-ID", "X-END"}
		if !slices.Contains(known, p.Name) && !(len(p.Name) == 3 && strings.HasPrefix(p.Name, "X-")) {
			t.Fatalf("property %q:\n%s", p.Name, parts[2].text)
		}
		for _, a := range p.Params {
			if !slices.Contains([]string{"X-P", "X-Q", "VALUE", "RANGE"}, a.Name) || len(a.Values) != 1 {
				t.Fatalf("parameter %q %q:\n%s", a.Name, a.Values, parts[2].text)
			}
		}
	}
	whole, err := ical.Parse([]byte(parts[3].text), ical.Limits{})
	if err != nil || len(whole.Children) != 1 || whole.Word("METHOD") != method {
		t.Fatalf("the message: %v\n%s", err, parts[3].text)
	}
}

// TestHostileValues: no value makes a header, a boundary, a tag or a property.
func TestHostileValues(t *testing.T) {
	tmpl, list := Parse("x.fmt", []byte(everywhere))
	if tmpl == nil {
		t.Fatal(list)
	}
	rapid.Check(t, func(t *rapid.T) {
		c := ical.New("VEVENT")
		for _, name := range []string{"SUMMARY", "LOCATION", "DESCRIPTION", "UID", "COMMENT", "STATUS", "CLASS", "PRIORITY", "GEO", "SEQUENCE", "RRULE", "EXDATE", "RDATE", "EXRULE", "DTSTART", "DTEND", "URL", "CREATED", "RECURRENCE-ID"} {
			switch rapid.IntRange(0, 3).Draw(t, name+" how") {
			case 0:
				c.Set(name, nasty(t, name)) // as no parser would read it
			case 1:
				c.SetText(name, nasty(t, name))
			}
		}
		for _, name := range []string{"ORGANIZER", "ATTENDEE"} {
			c.Add(ical.Property{Name: name, Value: "mailto:" + nasty(t, name), Params: []ical.Param{{Name: "CN", Values: []string{nasty(t, name+" cn")}}, {Name: "PARTSTAT", Values: []string{nasty(t, name+" partstat")}}}})
		}
		cal := ical.New("VCALENDAR")
		method := rapid.SampledFrom([]string{"REQUEST", "REPLY", "X\r\nX-Evil: 1"}).Draw(t, "method")
		cal.Set("METHOD", method)
		cal.AddChild(c)
		m, _ := locale.Find(rapid.SampledFrom(locale.Tags()).Draw(t, "language"))
		in := &Input{Message: cal, Manner: m, Attendee: Attendee{Name: nasty(t, "name"), Address: nasty(t, "address"), PartStat: nasty(t, "answer"), Comment: nasty(t, "comment")}}
		mail, err := tmpl.Render(in)
		if err != nil {
			t.Fatal(err)
		}
		whole, _ := ical.Parse(cal.Bytes(), ical.Limits{})
		checkHostile(t, mail, whole.Word("METHOD"))
	})
}

// FuzzHostile: the same with values that a fuzzer finds.
func FuzzHostile(f *testing.F) {
	tmpl, _ := Parse("x.fmt", []byte(everywhere))
	for _, h := range hostile {
		f.Add(h, h)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		c := ical.New("VEVENT")
		c.Set("SUMMARY", a)
		c.Set("LOCATION", b)
		c.SetText("DESCRIPTION", a+b)
		c.Set("UID", b)
		c.Set("RRULE", b)
		c.Set("DTSTART", a)
		c.Add(ical.Property{Name: "ORGANIZER", Value: a, Params: []ical.Param{{Name: "CN", Values: []string{b}}}})
		cal := ical.New("VCALENDAR")
		cal.Set("METHOD", "REPLY")
		cal.AddChild(c)
		m, err := tmpl.Render(&Input{Message: cal, Attendee: Attendee{Name: a, Address: b, PartStat: "ACCEPTED", Comment: a}})
		if err != nil {
			t.Fatal(err)
		}
		checkHostile(t, m, "REPLY")
	})
}

// FuzzHeader: a header is one field, and is read as the text that it was made of.
func FuzzHeader(f *testing.F) {
	for _, h := range hostile {
		f.Add(h, false)
		f.Add(h, true)
	}
	f.Fuzz(func(t *testing.T, s string, raw8 bool) {
		got := AppendHeader(nil, "Subject", s, raw8)
		for line := range bytes.SplitSeq(bytes.TrimSuffix(got, []byte("\r\n")), []byte("\r\n")) {
			if len(line) > 998 || bytes.ContainsAny(line, "\r\n\x00") || !raw8 && !isASCII(string(line)) {
				t.Fatalf("line %q", line)
			}
		}
		msg, err := mail.ReadMessage(io.MultiReader(bytes.NewReader(got), strings.NewReader("\r\n")))
		if err != nil || len(msg.Header) != 1 {
			t.Fatalf("%v: %q", err, got)
		}
		if back, err := new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject")); err != nil || back != oneLine(s) {
			t.Fatalf("%q is read as %q: %v", oneLine(s), back, err)
		}
	})
}

// FuzzQuotedPrintable: what is encoded is decoded to the same, in short lines.
func FuzzQuotedPrintable(f *testing.F) {
	for _, h := range hostile {
		f.Add([]byte(h))
	}
	f.Add([]byte("From me \r\n.\r\n" + strings.Repeat("é", 100) + strings.Repeat("x", 73) + " \r\nFrom\t"))
	f.Fuzz(func(t *testing.T, text []byte) {
		got := appendQuotedPrintable(nil, text)
		for line := range bytes.SplitSeq(got, []byte("\r\n")) {
			if len(line) > 76 || bytes.HasPrefix(line, []byte("From ")) || bytes.HasPrefix(line, []byte(".")) || bytes.HasSuffix(line, []byte(" ")) {
				t.Fatalf("line %q", line)
			}
		}
		back, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(got)))
		if err != nil || !bytes.Equal(back, text) {
			t.Fatalf("%q became %q and %q: %v", text, got, back, err)
		}
	})
}

// FuzzClean: what is taken for clean is, and what was made clean is taken for it.
func FuzzClean(f *testing.F) {
	for _, h := range hostile {
		f.Add(h)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, many := range []bool{true, false} {
			got := clean(s, many)
			for _, r := range got {
				if isHidden(r) && !(many && (r == '\n' || r == '\t')) || isBreak(r) && !(many && r == '\n') {
					t.Fatalf("%q is left in %q", r, got)
				}
			}
			if !utf8.ValidString(got) || !isClean(got, many) || clean(got, many) != got && len(got) < maxLine {
				t.Fatalf("%q became %q and then %q", s, got, clean(got, many))
			}
		}
	})
}
