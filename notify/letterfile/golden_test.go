package letterfile

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"factotum/notify/letter"
	"factotum/notify/locale"
	"factotum/server/ical"
	"factotum/server/zone"
)

var update = flag.Bool("update", false, "write the golden mails")

// occasion is what a golden mail is about.
type occasion struct {
	name   letter.Name
	kind   string // single, series or date
	method string
}

// occasions are all mails, of something single and of a series.
func occasions() (list []occasion) {
	for _, n := range letter.Names() {
		for _, kind := range []string{"single", "series", "date"} {
			recur := strings.HasSuffix(string(n), "recur")
			switch {
			case strings.HasPrefix(string(n), "imipevent") && strings.Contains(string(n), "notification") && recur == (kind == "single"):
				continue // it has a twin for that
			case (strings.Contains(string(n), "todo") || ofTheServer(n)) && kind != "single":
				continue
			}
			method, _ := n.Tells()
			list = append(list, occasion{n, kind, method})
		}
	}
	return list
}

// ofTheServer reports whether a mail is about no meeting as such.
func ofTheServer(n letter.Name) bool {
	return n == letter.HeldNotice || n == letter.DelayedNotice || n == letter.ReturnedNotice || n == letter.HookNotice || n == letter.RezonedNotice
}

// sample reads an event or task as the message that a mail is about.
func sample(t testing.TB, o occasion) *letter.Input {
	t.Helper()
	file := "event.ics"
	if strings.Contains(string(o.name), "todo") {
		file = "task.ics"
	}
	data, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	cal, err := ical.Parse(data, ical.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if o.method != "" {
		cal.Set("METHOD", o.method)
	}
	c := cal.Children[len(cal.Children)-1]
	switch o.kind {
	case "series":
		c.Set("RRULE", "FREQ=WEEKLY;BYDAY=TU,TH;UNTIL=20260630T215959Z")
	case "date":
		c.Set("RECURRENCE-ID", "20260303T090000Z")
	}
	berlin, _ := zone.Load("Europe/Berlin")
	in := &letter.Input{Message: cal, Now: time.Date(2026, 2, 20, 12, 0, 0, 0, time.UTC), Zone: berlin}
	if o.method == "REPLY" || ofTheServer(o.name) {
		in.Attendee = letter.Attendee{Address: "mailto:bert@example.com", Comment: "See you,\nBert"}
		_, in.Attendee.PartStat = o.name.Tells()
	}
	return in
}

// understood is what Python tells of a mail.
type understood struct {
	Subject     string
	Headers     []string
	Types       []string
	Defects     []string
	ASCII       bool
	Longest     int
	Plain       string
	HTML        string
	ICS         string
	Method      []string
	Components  [][]string
	Disposition string // of text/calendar, with the name of its file
	File        string // application/ics
	FileName    string // with its disposition
}

// read has Python read mails.
func read(t *testing.T, mails [][]byte) []understood {
	t.Helper()
	const python = "/usr/bin/python3" // the distribution's, which has its packages
	if err := exec.Command(python, "-c", "import icalendar").Run(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("python3-icalendar is not installed")
		}
		t.Skip("python3-icalendar is not installed")
	}
	var in, errs bytes.Buffer
	for _, m := range mails {
		in.WriteString(base64.StdEncoding.EncodeToString(m) + "\n")
	}
	cmd := exec.Command(python, "testdata/parse.py")
	cmd.Stdin, cmd.Stderr = &in, &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &errs)
	}
	var list []understood
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var u understood
		if err := json.Unmarshal(lines.Bytes(), &u); err != nil {
			t.Fatal(err)
		}
		list = append(list, u)
	}
	if len(list) != len(mails) {
		t.Fatalf("%d mails, %d understood", len(mails), len(list))
	}
	return list
}

// TestGoldenMails: every template in every language, of a single event and of a
// series, as another program reads it. Subjects and texts are kept; the HTML tells
// the same, and text/calendar is the message octet for octet, in notices
// without its METHOD.
func TestGoldenMails(t *testing.T) {
	set := New(Options{Warn: func(p letter.Problem) { t.Error(p.Error()) }})
	type made struct {
		occasion
		lang string
		mail letter.Mail
		in   *letter.Input
	}
	var all []made
	var raw [][]byte
	for _, lang := range locale.Tags() {
		for _, o := range occasions() {
			in := sample(t, o)
			m, err := set.Render(o.name, lang, in)
			if err != nil {
				t.Fatal(err)
			}
			all, raw = append(all, made{o, lang, m, in}), append(raw, m.Append(nil, false))
		}
	}
	golden := map[string]*strings.Builder{}
	for i, u := range read(t, raw) {
		m := all[i]
		where := fmt.Sprintf("%s %s %s", m.lang, m.name, m.kind)
		if golden[m.lang] == nil {
			golden[m.lang] = &strings.Builder{}
		}
		plain := strings.ReplaceAll(u.Plain, "\r\n", "\n")
		fmt.Fprintf(golden[m.lang], "=== %s, %s\nSubject: %s\n\n%s\n", m.name, m.kind, u.Subject, plain)
		if u.Subject != m.mail.Subject {
			t.Errorf("%s: the subject is read as %q, not %q", where, u.Subject, m.mail.Subject)
		}
		if len(u.Defects) > 0 || !u.ASCII || u.Longest > 999 {
			t.Errorf("%s: defects %q, ASCII %v, longest line %d", where, u.Defects, u.ASCII, u.Longest)
		}
		if want := []string{"Subject", "MIME-Version", "Content-Type"}; !slices.Equal(u.Headers, want) {
			t.Errorf("%s: headers %q", where, u.Headers)
		}
		types := []string{"multipart/alternative", "text/plain", "text/html"}
		reminder := strings.Contains(string(m.name), "reminder")
		if _, tail, _ := strings.Cut(string(m.name), "imip"); tail != "" || reminder {
			types = append(types, "text/calendar")
			cal, method, disposition := *m.in.Message, m.method, ""
			if strings.Contains(tail, "notification") || reminder { // nobody is to take it for a request
				types = append([]string{"multipart/mixed"}, types...)
				cal.Props = slices.DeleteFunc(slices.Clone(cal.Props), func(p ical.Property) bool { return p.Name == "METHOD" })
				method, disposition = "", "attachment; event.ics"
				if strings.Contains(string(m.name), "todo") {
					disposition = "attachment; task.ics"
				}
			} else { // and once more as a file, for who has no program that reads it
				types = append(append([]string{"multipart/mixed"}, types...), "application/ics")
				if u.File != u.ICS || u.FileName != "attachment; invite.ics" {
					t.Errorf("%s: the file %s is another: %s", where, u.FileName, cmp.Diff(u.ICS, u.File))
				}
			}
			text := string(cal.Bytes())
			if u.Disposition != disposition {
				t.Errorf("%s: text/calendar is read as %q", where, u.Disposition)
			}
			c := m.in.Message.Children[len(m.in.Message.Children)-1]
			if u.ICS != text {
				t.Errorf("%s: text/calendar is not the message: %s", where, cmp.Diff(text, u.ICS))
			}
			want := []string{method, method, c.Name}
			if method == "" {
				want[2] = ""
			}
			if !slices.Equal(u.Method, want) {
				t.Errorf("%s: method and component are %q, not %q", where, u.Method, want)
			}
			if last := u.Components[len(u.Components)-1]; !slices.Equal(last, []string{c.Name, c.Text("UID"), c.Text("SUMMARY")}) {
				t.Errorf("%s: read as %q", where, last)
			}
		}
		if !slices.Equal(u.Types, types) {
			t.Errorf("%s: parts %q, not %q", where, u.Types, types)
		}
		sameWords(t, where, plain, u.HTML)
	}
	for lang, b := range golden {
		compare(t, filepath.Join("testdata", lang+".golden"), b.String())
	}
}

// sameWords: what the text tells below its labels, the HTML tells too.
func sameWords(t *testing.T, where, plain, html string) {
	t.Helper()
	if strings.Contains(plain, "%") || strings.Contains(html, "%") {
		t.Errorf("%s: a code came out: %s", where, plain)
	}
	for line := range strings.SplitSeq(plain, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line == "--" {
			continue
		}
		if label, value, ok := strings.Cut(line, ":"); ok && len(label) < 24 && (value == "" || strings.HasPrefix(value, "  ")) {
			line = strings.TrimSpace(value)
		}
		if want := strings.Join(strings.Fields(line), " "); !strings.Contains(html, want) {
			t.Errorf("%s: the HTML lacks %q:\n%s", where, want, html)
		}
	}
}

func compare(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is not current; run go test -update and look at the difference:\n%s", path, diff)
	}
}
