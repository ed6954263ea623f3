package imip

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"factotum/notify/imip/imiptest"
	"factotum/server/admission"
	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/itip"
)

const servID = imiptest.ServID

// TestSamples reads each sample as it is stored, with LF, and with CRLF, and asks
// what becomes of it.
func TestSamples(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range imiptest.Samples {
		seen[s.File+".eml"] = true
		t.Run(s.File, func(t *testing.T) {
			raw := readSample(t, s.File)
			for _, mail := range [][]byte{raw, bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n"))} {
				m, err := Read(bytes.NewReader(mail), Limits{})
				if err != nil {
					t.Fatal(err)
				}
				if got := told(m); got != s.Is {
					t.Fatalf("%s:\n got %s\nwant %s", s.Oddity, got, s.Is)
				}
				if got := became(t, s, m); got != s.Does {
					t.Fatalf("%s:\n got %s\nwant %s", s.Oddity, got, s.Does)
				}
			}
		})
	}
	files, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.HasSuffix(f.Name(), ".eml") && !seen[f.Name()] {
			t.Errorf("nothing says what %s is", f.Name())
		}
	}
}

func readSample(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name+".eml"))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// told is what a mail is, in a line.
func told(m *Mail) string {
	switch m.Kind {
	case Nothing:
		return "nothing: " + m.Reason()
	case Automatic:
		return "automatic by " + m.AutomaticBy
	case Returned:
		var to []string
		for _, r := range m.Report.Recipients {
			to = append(to, r.Mail+" "+r.Action+" "+r.Status)
		}
		return fmt.Sprintf("returned %s %s of %s: %s", m.Report.MessageID, m.Report.UID, m.Report.From, strings.Join(to, ", "))
	}
	var out []string
	for _, msg := range m.Messages {
		s := fmt.Sprintf("%s %s in %s (%s)", msg.Method, msg.UID, msg.Part.Path, msg.Part.Type)
		if n := len(msg.Copies); n == 1 {
			s += ", 1 copy"
		} else if n > 1 {
			s += fmt.Sprintf(", %d copies", n)
		}
		if msg.Differs {
			s += " differs"
		}
		if msg.Forwarded {
			s += ", of " + msg.Origin.Mail + " forwarded"
		}
		out = append(out, s)
	}
	return strings.Join(out, "; ")
}

var now = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func anna() *itip.Party {
	return &itip.Party{Owner: calendar.Person{ID: "anna", Mails: []string{"anna@example.org"}}, Now: now}
}

// became is what anna's calendar makes of the messages of a sample, between bars:
// the decision and, of answers, for which instance and what.
func became(t *testing.T, s imiptest.Sample, m *Mail) string {
	t.Helper()
	var out []string
	for _, a := range m.Arrivals(m.Authentication(servID)) {
		uid := m.Messages[len(out)].UID
		stored := storedFor(t, s, uid)
		before := ""
		if stored != nil {
			before = string(stored.Bytes())
		}
		d := admission.Decide(anna(), stored, a, admission.Rules{})
		if stored != nil && string(stored.Bytes()) != before {
			t.Error("what is stored was changed in place")
		}
		line := d.Action.String() + " " + d.Reason
		var said []string
		for _, ans := range d.Receipt.Answers {
			at := "all"
			if ans.HasRID {
				at = ans.RecurrenceID.String()
			}
			if at += " " + ans.Is; strings.TrimSpace(ans.Comment) != "" {
				at += fmt.Sprintf(" %q", strings.TrimSpace(ans.Comment))
			}
			said = append(said, at)
		}
		if len(said) > 0 && d.Action == admission.Apply {
			line += ": " + strings.Join(said, "; ")
			onlyAnswered(t, stored, d.Receipt.Object)
		}
		out = append(out, line)
	}
	return strings.Join(out, " | ")
}

// onlyAnswered: nothing of a meeting is another for an answer but the line of who
// answered.
func onlyAnswered(t *testing.T, was, is *ical.Component) {
	t.Helper()
	for i, c := range was.Children {
		for _, p := range c.Props {
			if q := is.Children[i].Prop(p.Name); p.Name != "ATTENDEE" && (q == nil || q.Value != p.Value) {
				t.Errorf("an answer changed %s", p.Name)
			}
		}
	}
	for _, c := range is.Children {
		if c.Word("STATUS") == "CANCELLED" {
			t.Error("an answer cancelled the meeting")
		}
	}
}

// storedFor is what anna has of a UID when a sample comes.
func storedFor(t *testing.T, s imiptest.Sample, uid string) *ical.Component {
	t.Helper()
	var stored *ical.Component
	if who := cmp.Or(s.Who, "bert@firm.example"); who != "-" {
		start, ok := map[string]string{"plan-2026@example.org": "DTSTART;TZID=Europe/Berlin:20260305T100000", "days@example.org": "DTSTART;VALUE=DATE:20260305"}[uid]
		if ok {
			stored = parse(t, "UID:"+uid, "DTSTAMP:20260201T000000Z", start, "RRULE:FREQ=WEEKLY;COUNT=4", "SEQUENCE:0", "SUMMARY:Plan",
				"ORGANIZER:mailto:anna@example.org", "ATTENDEE;PARTSTAT=ACCEPTED:mailto:anna@example.org",
				"ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:"+who, "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:dora@example.org")
		}
	}
	for file := range strings.FieldsSeq(s.Before) {
		m, err := Read(bytes.NewReader(readSample(t, file)), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range m.Arrivals(m.Authentication(servID)) {
			d := admission.Decide(anna(), stored, a, admission.Rules{Unsolicited: admission.AddAll})
			if d.Action != admission.Apply {
				t.Fatalf("%s before: %s %s", file, d.Action, d.Reason)
			}
			stored = d.Receipt.Object
		}
	}
	return stored
}

func parse(t *testing.T, lines ...string) *ical.Component {
	t.Helper()
	text := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//T//T//EN\r\nBEGIN:VEVENT\r\n" + strings.Join(lines, "\r\n") + "\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	cal, err := ical.Parse([]byte(text), ical.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return cal
}

// What the user or the site decided beforehand lets mails pass that are held
// otherwise.
func TestRulesLetPass(t *testing.T) {
	believe := admission.Rules{BelieveUnproven: true}
	relay := func(domain string, u admission.Unsolicited) admission.Rules {
		return admission.Rules{Relays: []string{domain}, Unsolicited: u}
	}
	for _, c := range []struct {
		file  string
		rules admission.Rules
		want  string
	}{
		{"google-invite", admission.Rules{Unsolicited: admission.AddAll}, "apply invited"},
		{"google-invite", admission.Rules{Unsolicited: admission.AddKnown}, "hold unsolicited"},
		{"google-invite", admission.Rules{Unsolicited: admission.AddKnown, Known: true}, "apply invited"},
		{"exchange-request", admission.Rules{Unsolicited: admission.AddAll}, "apply invited"},
		{"exchange-no-zone", admission.Rules{Unsolicited: admission.AddAll}, "apply invited"},
		{"google-group-calendar", relay("google.com/gmail.com", admission.AddAll), "apply invited"},
		{"google-group-calendar", relay("google.com", admission.AddAll), "hold relayed"},
		{"google-group-calendar", relay("google.com/gmail.com", admission.HoldAll), "hold unsolicited"},
		{"google-group-calendar", relay("apple.com", admission.AddAll), "hold relayed"},
		{"icloud-invite", relay("icloud.com", admission.AddAll), "apply invited"},
		{"icloud-reply", relay("email.apple.com", admission.HoldAll), "apply answered"},
		{"nextcloud-reply", relay("cloud.example", admission.HoldAll), "apply answered"},
		{"no-results", believe, "apply answered"},
		{"forged-results", believe, "apply answered"},
		{"dmarc-fail", believe, "hold dmarc-failed"},
		{"for-another", believe, "hold sent-by-another"},
		{"two-senders", believe, "hold sent-by-another"},
		{"stranger", believe, "hold not-invited"},
	} {
		s := imiptest.Samples[slices.IndexFunc(imiptest.Samples, func(s imiptest.Sample) bool { return s.File == c.file })]
		m, err := Read(bytes.NewReader(readSample(t, c.file)), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		d := admission.Decide(anna(), storedFor(t, s, m.Messages[0].UID), m.Arrivals(m.Authentication(servID))[0], c.rules)
		if got := d.Action.String() + " " + d.Reason; got != c.want {
			t.Errorf("%s by %+v: %s, want %s", c.file, c.rules, got, c.want)
		}
	}
}
