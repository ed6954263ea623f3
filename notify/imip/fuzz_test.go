package imip

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"factotum/notify/imip/imiptest"
	"factotum/server/admission"
	"factotum/server/ical"
	"factotum/server/why"
)

// Whatever comes, it is read or refused with a code that people are told, what it
// says is fit to be shown, and its messages can be decided about.
func FuzzRead(f *testing.F) {
	for _, s := range imiptest.Samples {
		raw, err := os.ReadFile("testdata/" + s.File + ".eml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	lim := Limits{Mail: 1 << 20, Header: 1 << 16, Calendar: 1 << 16, Kept: 1 << 18, Parts: 100, Depth: 10, Messages: 10}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := Read(bytes.NewReader(raw), lim)
		if code := m.Reason(); code != "" && why.Sentence(code) == "" {
			t.Fatalf("%q has no sentence", code)
		}
		if err != nil && (m.Kind != Nothing || len(m.Refused) == 0) {
			t.Fatalf("%v: %v, %v", err, m.Kind, m.Refused)
		}
		if (m.Kind == Scheduling) != (len(m.Messages) > 0) || (m.Kind == Returned) != (m.Report != nil) {
			t.Fatalf("%v with %d messages and the report %v", m.Kind, len(m.Messages), m.Report)
		}
		shown := []string{m.Subject, m.MessageID, m.ListID, m.Sender.Name, m.Sender.Mail}
		for _, list := range [][]Address{m.From, m.ReplyTo, m.To, m.Cc} {
			for _, a := range list {
				shown = append(shown, a.Name, a.Mail)
			}
		}
		shown = append(append(shown, m.References...), m.InReplyTo...)
		if m.Report != nil {
			for _, r := range m.Report.Recipients {
				shown = append(shown, r.Mail, r.Action, r.Status, r.Detail)
			}
		}
		for _, msg := range m.Messages {
			shown = append(shown, msg.Part.Name, msg.Part.Type, msg.Origin.Name, msg.Origin.Mail)
			if msg.UID == "" || msg.Calendar.Word("METHOD") != string(msg.Method) || !isMethod(msg.Method) {
				t.Fatalf("%q %q", msg.Method, msg.UID)
			}
			if again, err := ical.Parse(msg.Calendar.Bytes(), ical.Limits{}); err != nil || !ical.Equal(again, msg.Calendar) {
				t.Fatalf("printed and read again it is another: %v", err)
			}
		}
		for _, s := range shown {
			if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) || strings.ContainsAny(s, "\u2028\u2029\u202e") {
				t.Fatalf("%q is not one line", s)
			}
		}
		for _, a := range m.Arrivals(m.Authentication(servID)) {
			for _, stored := range []*ical.Component{nil, a.Calendar} {
				d := admission.Decide(anna(), stored, a, admission.Rules{Unsolicited: admission.AddAll, BelieveUnproven: true})
				if why.Sentence(d.Reason) == "" {
					t.Fatalf("%q has no sentence", d.Reason)
				}
				if d.Action == admission.Apply && (a.Forwarded || a.Differs || a.Spam || a.Sender == "") {
					t.Fatalf("%+v is applied", a)
				}
			}
		}
	})
}
