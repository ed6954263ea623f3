package imip

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestRFC2045_5_1_ContentType(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"text/calendar; method=REQUEST; charset=utf-8", "text/calendar charset=utf-8 method=REQUEST"},
		{"Text/Calendar;METHOD=\"REQUEST\";", "text/calendar method=REQUEST"},
		{"text/calendar (a comment); (another (in it)) method=REPLY (and one more)", "text/calendar method=REPLY"},
		{"text/calendar method=REPLY charset=utf-8", "text/calendar charset=utf-8 method=REPLY"},
		{"text/calendar; charset=utf-8 method=REPLY", "text/calendar charset=utf-8 method=REPLY"},
		{"text/calendar; charset=\"utf-8\" method=REPLY", "text/calendar charset=utf-8 method=REPLY"},
		{"text/calendar;; ;method = REPLY", "text/calendar method=REPLY"},
		{"text/calendar; name=my plan.ics; method=REPLY", "text/calendar method=REPLY name=my plan.ics"},
		{`text/calendar; name="a\"b;c\\d.ics"`, `text/calendar name=a"b;c\d.ics`},
		{`text/calendar; name="open`, "text/calendar name=open"},
		{"text/calendar; method=REPLY; method=CANCEL", "text/calendar method=REPLY"},
		{"text/calendar; flag; method=REPLY", "text/calendar method=REPLY"},
		// RFC 2231 §§3, 4
		{"text/calendar; name*=utf-8'de'Pl%C3%A4ne.ics", "text/calendar name=Pläne.ics"},
		{"text/calendar; name*=iso-8859-1''Pl%E4ne.ics; name=old.ics", "text/calendar name=Pläne.ics"},
		{"text/calendar; name*0*=utf-8''%C3; name*1*=%A4b; name*2=\"c%41\"", "text/calendar name=äbc%41"},
		{"text/calendar; name*1=b; name*0=a", "text/calendar name=ab"},
		{"text/calendar; name*0=a; name*2=c", "text/calendar name=a"},
		{`text/calendar; name="=?utf-8?Q?Pl=C3=A4ne?=.ics"`, "text/calendar name=Pläne.ics"}, // forbidden, and usual
		{"", "text/plain"},
		{"calendar", "text/plain"},
	} {
		m := mediaOf(header{{"content-type", c.in}}, "")
		got := m.kind
		for _, n := range []string{"charset", "method", "name"} {
			if v := m.params[n]; v != "" {
				got += " " + n + "=" + v
			}
		}
		if got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.in, got, c.want)
		}
	}
}

func TestRFC2047_EncodedWords(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"plain", "plain"},
		{"=?utf-8?Q?Pl=C3=A4ne_1?=", "Pläne 1"},
		{"a =?utf-8?B?w6Q=?= b", "a ä b"},
		{"=?utf-8?Q?a?= =?utf-8?Q?b?=", "ab"},
		{"=?utf-8?Q?a?= =?iso-8859-1?Q?=E4?= c", "aä c"},
		{"=?utf-8?B?ww==?= =?utf-8?B?pA==?=", "ä"},
		{"=?utf-8?Q?=C3?= =?utf-8?Q?=A4?=", "ä"},
		{"=?us-ascii?Q?=E4?=", "ä"},
		{"=?utf-8*de?Q?=C3=A4?=", "ä"},
		{"=?x-none?Q?=E4?=", "ä"},
		{"=?utf-8?X?a?=", "=?utf-8?X?a?="},
		{"=?utf-8?Q?open", "=?utf-8?Q?open"},
		{"=?=?utf-8?Q?a?=", "=?a"},
		{"1 =? 2 ?= 3", "1 =? 2 ?= 3"},
	} {
		if got := decodeWords(c.in); got != c.want {
			t.Errorf("%s: %q, want %q", c.in, got, c.want)
		}
	}
}

func TestRFC5322_3_4_Addresses(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"anna@example.org", "anna@example.org"},
		{"Anna Berg <anna@example.org>, bert@example.org", "Anna Berg <anna@example.org>|bert@example.org"},
		{`"Berg, Anna" <anna@example.org>`, "Berg, Anna <anna@example.org>"},
		{`"a \"b\" c" <a@b.example>`, `a "b" c <a@b.example>`},
		{"anna@example.org (Anna (the first))", "Anna (the first) <anna@example.org>"},
		{"=?utf-8?Q?B=C3=A4rg=2C?= Anna <anna@example.org>", "Bärg, Anna <anna@example.org>"},
		{"Team: a@b.example, C <c@d.example>;, e@f.example", "a@b.example|C <c@d.example>|e@f.example"},
		{"undisclosed-recipients:;", ""},
		{"<@relay.example,@other.example:a@b.example>", "a@b.example"},
		{"MAILTO:a@b.example", "a@b.example"},
		{"Anna <mailto:a@b.example>", "a@b.example"},
		{"a@b.example; c@d.example", "a@b.example|c@d.example"},
		{"no address, <>, @, a@, @b", ""},
		{"a b@c.example", ""},
		{"\"a@b.example\" <c@d.example>", "a@b.example <c@d.example>"},
		{"<a@b.example> <c@d.example>", "a@b.examplec@d.example"},
	} {
		var got []string
		for _, a := range addresses(c.in) {
			s := a.Mail
			if a.Name != "" && !strings.HasPrefix(c.in, "Anna <mailto") {
				s = a.Name + " <" + a.Mail + ">"
			}
			got = append(got, s)
		}
		if s := strings.Join(got, "|"); s != c.want {
			t.Errorf("%s: %s, want %s", c.in, s, c.want)
		}
	}
}

func TestRFC5322_3_3_Date(t *testing.T) {
	want := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	for _, s := range []string{
		"Sun, 1 Mar 2026 09:00:00 +0100", "1 Mar 2026 09:00:00 +0100 (CET)", "Sun,  01 Mar 26 08:00:00 GMT", "1 Mar 2026 09:00 +0100",
		"Sun Mar 1 08:00:00 2026", "2026-03-01T09:00:00+01:00",
	} {
		if got := dateOf(s); !got.Equal(want) {
			t.Errorf("%s: %v", s, got)
		}
	}
	for _, s := range []string{"", "yesterday", "Sun, 31 Feb 2026 09:00:00 +0100", strings.Repeat("1", 200)} {
		if got := dateOf(s); !got.IsZero() {
			t.Errorf("%s: %v", s, got)
		}
	}
}

// What a mail says is on one line wherever it is shown.
func TestTextsAreOneLine(t *testing.T) {
	m, err := Read(strings.NewReader(string(readSample(t, "broken-headers"))), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	want := `Bert Bcc: x@evil.example bert@firm.example | PläneA =?utf-8?Q?broken | 2026-03-01T08:00:00Z m1@firm.example [r1@example.org r2@example.org] [r2@example.org] | Pläne a.ics`
	got := fmt.Sprintf("%s %s | %s | %s %s %v %v | %s", m.From[0].Name, m.From[0].Mail, m.Subject, m.Date.Format(time.RFC3339), m.MessageID, m.References, m.InReplyTo, m.Messages[0].Part.Name)
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := clean("a\r\nb\x00c\u2028d\u202ee\u0085f\t g", 100); got != "a b c de f g" {
		t.Errorf("%q", got)
	}
	if got := clean("ääää", 5); got != "ää" {
		t.Errorf("%q", got)
	}
}

func TestSpam(t *testing.T) {
	for _, c := range []struct {
		field, value string
		spam         bool
	}{
		{"X-Spam-Flag", "YES", true},
		{"X-Spam-Flag", "NO", false},
		{"X-Spam-Status", "Yes, score=7.1 required=5.0", true},
		{"X-Spam-Status", "No, score=-1.9 required=5.0 tests=YES", false},
		{"X-Spam", "Yes", true},
		{"X-Rspamd-Action", "add header", true},
		{"X-Rspamd-Action", "no action", false},
		{"X-MS-Exchange-Organization-SCL", "6", true},
		{"X-MS-Exchange-Organization-SCL", "-1", false},
		{"X-Forefront-Antispam-Report", "CIP:192.0.2.1;CTRY:;SFV:SPM;", true},
		{"X-Forefront-Antispam-Report", "CIP:192.0.2.1;CTRY:;SFV:NSPM;", false},
		{"X-Bogosity", "Spam, tests=bogofilter", true},
		{"X-Bogosity", "Ham, tests=bogofilter", false},
		{"Subject", "Yes, spam", false},
	} {
		m, err := Read(strings.NewReader("From: a@b.example\n"+c.field+": "+c.value+"\n\nhi\n"), Limits{})
		if err != nil || (m.Spam == strings.ToLower(c.field)) != c.spam || !c.spam && m.Spam != "" {
			t.Errorf("%s: %s is taken for spam by %q, %v", c.field, c.value, m.Spam, err)
		}
	}
}
