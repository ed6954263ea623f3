package wcap

import (
	"strings"
	"testing"

	"factotum/server/ical"
)

// oneLine checks that a property stays on its line, whatever is in it.
func oneLine(t *testing.T, p *ical.Property) {
	t.Helper()
	c := ical.New("VEVENT")
	c.Add(*p)
	cal := ical.NewCalendar("x")
	cal.AddChild(c)
	again, err := ical.Parse(cal.Bytes(), ical.Limits{})
	if err != nil {
		t.Fatalf("%v of %q", err, cal.Bytes())
	}
	if len(again.Children) != 1 || len(again.Children[0].Props) != 1 || again.Children[0].Props[0].Name != p.Name {
		t.Fatalf("%q became %q", p.Value, cal.Bytes())
	}
}

// FuzzAttendees reads attendee strings. WCAP §7.1.
func FuzzAttendees(f *testing.F) {
	for _, s := range []string{"PARTSTAT=ACCEPTED^RSVP=TRUE^mailto:a@b.c;x", "CN=a%5Eb%3Bc^mailto%3Ax@y", `CN="a;b"^x`, "^^;;^", "PARSTAT=needs_action^a%0D%0AATTENDEE:b", "%50ARTSTAT%3DX%5Ex%3By"} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, raw string, done bool) {
		for _, fields := range attendeeFields(param{name: "attendees", raw: raw, done: done}) {
			p, _, err := attendee(fields)
			if err != nil {
				continue
			}
			if p.Value == "" {
				t.Fatalf("no address in %q", fields)
			}
			for _, q := range p.Params {
				if !token(q.Name) || len(q.Values) != 1 {
					t.Fatalf("parameter %q of %q", q, fields)
				}
			}
			oneLine(t, &p)
		}
	})
}

// FuzzRuleList reads rrules and exrules. WCAP §6.1.
func FuzzRuleList(f *testing.F) {
	for _, s := range []string{`"FREQ%3DWEEKLY%3BCOUNT%3D4"`, `"freq=daily;count=2";"FREQ=YEARLY"`, "%22FREQ=DAILY;COUNT=3%22", "FREQ=DAILY;COUNT=2;FREQ=WEEKLY", `";"`, `"`, "0", ";;"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		list := ruleList(params{{name: "rrules", raw: raw}}, "rrules")
		if len(list) > maxRules {
			t.Fatalf("%d rules", len(list))
		}
		for _, r := range list {
			if strings.TrimSpace(r) == "" && !strings.Contains(raw, `""`) && !strings.Contains(decode(raw), `"`) {
				t.Fatalf("an empty rule of %q", raw)
			}
		}
	})
}

// FuzzXToken reads [param=value^…]value. WCAP §7.12.
func FuzzXToken(f *testing.F) {
	for _, s := range []string{"A=b^v", "X-NSCP-ORIGINAL-OPERATION=X-NSCP-WCAP-PROPERTY-REPLACE^America/Denver", "a^b", "^", "=^", "A=\r\nB:c^d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, v string) {
		ps, value := xToken(v)
		oneLine(t, &ical.Property{Name: "X-P", Params: ps, Value: ical.EscapeText(value)})
	})
}

// TestWCAP_6_1_RuleLists: rules as clients of all kinds write them.
func TestWCAP_6_1_RuleLists(t *testing.T) {
	for raw, want := range map[string]string{
		`"FREQ%3DWEEKLY%3BCOUNT%3D4"`:              "FREQ=WEEKLY;COUNT=4",
		`"count%3D10%3Bfreq%3Ddaily";"FREQ=DAILY"`: "count=10;freq=daily|FREQ=DAILY",
		`%22FREQ%3DDAILY%3BCOUNT%3D3%22`:           "FREQ=DAILY;COUNT=3",
		`%22A%3Db%22%3B%22C%3Dd%22`:                "A=b|C=d",
		`FREQ=DAILY;COUNT=2`:                       "FREQ=DAILY;COUNT=2",
		`FREQ=DAILY;COUNT=2;FREQ=WEEKLY`:           "FREQ=DAILY;COUNT=2|FREQ=WEEKLY",
		``:                                         "",
		`""`:                                       "",
		`0`:                                        "",
	} {
		if got := strings.Join(ruleList(params{{name: "rrules", raw: raw}}, "rrules"), "|"); got != want {
			t.Errorf("%s: %q, want %q", raw, got, want)
		}
	}
}
