package letterfile

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"factotum/notify/letter"
	"factotum/notify/locale"
	"factotum/server/config"
	"factotum/server/observe/costtest"
	"factotum/templates"
)

// TestNames: a mail for each calmail parameter, and a template of ours for each in
// every language, whose codes are the same in all.
func TestNames(t *testing.T) {
	files := config.Default().Mail.Templates
	var names []letter.Name
	for n := range files {
		names = append(names, letter.Name(n))
	}
	if want := letter.Names(); len(want) != len(names) || slices.ContainsFunc(want, func(n letter.Name) bool { return files[string(n)] == "" }) {
		t.Errorf("names %v, parameters %v", want, names)
	}
	code := regexp.MustCompile(`%(\([^)]*\)|Z)?.`)
	for n, f := range files {
		var english map[string]int
		for _, lang := range locale.Tags() {
			data, ok := templates.Letter(lang, f)
			if !ok {
				t.Errorf("%s is not there in %s", f, lang)
				continue
			}
			if _, list := letter.Parse(lang+"/"+f, data); len(list) > 0 {
				t.Error(list)
			}
			used := map[string]int{}
			for _, c := range code.FindAllString(string(data), -1) {
				if c != "%%" && c != "%h" && c != "%o" {
					used[c]++
				}
			}
			if english == nil {
				english = used
			}
			if !maps.Equal(used, english) {
				t.Errorf("%s of %s has codes %v, English %v", n, lang, used, english)
			}
		}
	}
}

// site is a folder of templates, and what was told of them.
type site struct {
	t    *testing.T
	dir  string
	set  *Set
	told []string
	date time.Time
}

func newSite(t *testing.T, opt Options) *site {
	s := &site{t: t, dir: t.TempDir(), date: time.Now().Add(-time.Hour)}
	opt.Dir = s.dir
	opt.Warn = func(p letter.Problem) { s.told = append(s.told, p.Error()) }
	s.set = New(opt)
	return s
}

// write puts a file there, with a date of its own.
func (s *site) write(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	s.date = s.date.Add(time.Second)
	if err := os.Chtimes(path, s.date, s.date); err != nil {
		s.t.Fatal(err)
	}
}

// subject is that of an invitation for a reader.
func (s *site) subject(language string) string {
	s.t.Helper()
	m, err := s.set.Render(letter.EventRequest, language, sample(s.t, occasion{letter.EventRequest, "single", "REQUEST"}))
	if err != nil {
		s.t.Fatal(err)
	}
	subject, _, _ := strings.Cut(m.Subject, ": ")
	return subject
}

func (s *site) wantSubject(language, want string) {
	s.t.Helper()
	if got := s.subject(language); got != want {
		s.t.Errorf("%s: %q, want %q", language, got, want)
	}
}

func (s *site) wantTold(parts ...string) {
	s.t.Helper()
	if len(s.told) != len(parts) {
		s.t.Errorf("told %q, want %q", s.told, parts)
	} else {
		for i, p := range parts {
			if !strings.Contains(s.told[i], p) {
				s.t.Errorf("told %q, want %q", s.told[i], p)
			}
		}
	}
	s.told = nil
}

// TestLanguages: which template a reader gets.
func TestLanguages(t *testing.T) {
	s := newSite(t, Options{Default: "fr"})
	for lang, want := range map[string]string{"de": "Einladung", "de-AT": "Einladung", "DE_at": "Einladung", "en": "Invitation", "it": "Invitation\u00a0", "": "Invitation\u00a0",
		"../../etc": "Invitation\u00a0", "de/../../x": "Invitation\u00a0", strings.Repeat("a", 100): "Invitation\u00a0"} {
		s.wantSubject(lang, want)
	}
	const file = "mail_eventrequest.fmt"
	s.write("fr/"+file, "Site: fr")
	s.write("de/"+file, "Site de: %v")
	s.write("de-AT/"+file, "Site AT: %v")
	s.write("it/"+file, "Sito: %(%A)B")
	s.wantSubject("it", "Sito")
	s.wantSubject("pt-BR", "Site")
	s.wantSubject("de", "Site de")
	s.wantSubject("de-CH-1996", "Site de")
	s.wantSubject("de-at", "Site AT")
	os.RemoveAll(filepath.Join(s.dir, "de-AT"))
	s.wantSubject("de-at", "Site de")
	m, err := s.set.Render(letter.EventRequest, "it", sample(t, occasion{letter.EventRequest, "single", "REQUEST"}))
	if err != nil || m.Subject != "Sito: Tuesday" {
		t.Errorf("a language without words: %q %v", m.Subject, err)
	}
	s.wantTold()
}

// TestChanges: a file counts from the next mail on, and one that is broken until it
// is mended, which is told once.
func TestChanges(t *testing.T) {
	s := newSite(t, Options{})
	const file = "en/mail_eventrequest.fmt"
	s.write(file, "First: %s")
	s.wantSubject("en", "First")
	s.write(file, "Second: %s")
	s.wantSubject("en", "Second")
	s.write(file, "Third: %s%N\n%(%Q)B%N\n")
	for range 3 {
		s.wantSubject("en", "Invitation")
		s.wantSubject("xx", "Invitation")
	}
	s.wantTold("mail_eventrequest.fmt:2: error: %Q is no letter of strftime")
	s.write(file, "Fourth: %s%q")
	s.wantSubject("en", "Fourth")
	s.wantSubject("en", "Fourth")
	s.wantTold("mail_eventrequest.fmt:1: warning: %q is no code")
	s.write(file, strings.Repeat("x", 10<<20))
	s.wantSubject("en", "Invitation")
	s.wantTold("at most 262144")
	os.Remove(filepath.Join(s.dir, file))
	s.wantSubject("en", "Invitation")
	s.wantTold()
	if err := os.Mkdir(filepath.Join(s.dir, file), 0o755); err != nil {
		t.Fatal(err)
	}
	s.wantSubject("en", "Invitation")
	s.wantSubject("en", "Invitation")
	s.wantTold("it is no file")
}

// TestFileNames: the names of calmail, both of the reminder of a task, and none that
// leads elsewhere.
func TestFileNames(t *testing.T) {
	s := newSite(t, Options{Files: map[string]string{"imipeventrequest": "invite.fmt"}})
	s.write("en/mail_eventrequest.fmt", "Not this: %s")
	s.write("en/invite.fmt", "Mine: %s")
	s.wantSubject("en", "Mine")
	reminder := func() string {
		f, err := s.set.Find(letter.TodoReminder, "en")
		if err != nil {
			t.Fatal(err)
		}
		return filepath.Base(f.File)
	}
	s.write("en/mail_todoalarm.fmt", "Alarm")
	if got := reminder(); got != "mail_todoalarm.fmt" {
		t.Error(got)
	}
	s.write("en/mail_todoreminder.fmt", "Reminder")
	if got := reminder(); got != "mail_todoreminder.fmt" {
		t.Error(got)
	}
	if _, err := s.set.Find("nonsense", "en"); err == nil {
		t.Error("there is a mail called nonsense")
	}
	out := newSite(t, Options{Default: "../x", Files: map[string]string{"imipeventrequest": "../out.fmt"}})
	out.wantTold(`calmail.imipeventrequest.fname: error: "../out.fmt" is no name of a file`)
	out.write("out.fmt", "Outside: %s")
	out.wantSubject("en", "Invitation")
}

// TestReadersDates: the words are the template's, hours and order the reader's.
func TestReadersDates(t *testing.T) {
	s := New(Options{})
	in := sample(t, occasion{letter.EventReminder, "single", ""})
	for lang, want := range map[string]string{"en": "(Tue 3 March, 10:00)", "en-US": "(Tue, March 3, 10:00 AM)", "it": "(Tue 3 March, 10:00)"} {
		if m, err := s.Render(letter.EventReminder, lang, in); err != nil || !strings.HasSuffix(m.Subject, want) {
			t.Errorf("%s: %q %v", lang, m.Subject, err)
		}
	}
	in.Manner = in.Manner.With("12", "M/D/Y", "")
	for lang, want := range map[string]string{"en": "(Tue, March 3, 10:00 AM)", "de": "(Di 3. März, 10:00 AM)", "ja": "(3月3日(火) 午前10:00)"} {
		if m, err := s.Render(letter.EventReminder, lang, in); err != nil || !strings.HasSuffix(m.Subject, want) {
			t.Errorf("%s: %q %v", lang, m.Subject, err)
		}
	}
}

// TestTogether: mails that are made at once are those that are made one by one,
// while a file changes.
func TestTogether(t *testing.T) {
	s := newSite(t, Options{})
	inputs, want := map[occasion]*letter.Input{}, map[string]string{}
	for _, o := range occasions() {
		inputs[o] = sample(t, o)
	}
	make := func(o occasion, lang string) string {
		m, err := s.set.Render(o.name, lang, inputs[o])
		if err != nil {
			t.Error(err)
		}
		return string(m.Append(nil, false))
	}
	key := func(o occasion, lang string) string { return lang + " " + string(o.name) + " " + o.kind }
	for o := range inputs {
		for _, lang := range locale.Tags() {
			want[key(o, lang)] = make(o, lang)
		}
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for o := range inputs {
				for _, lang := range locale.Tags() {
					got := make(o, lang)
					if o.name == letter.TodoReminder && strings.Contains(got, "Subject: Site") {
						continue
					}
					if got != want[key(o, lang)] {
						t.Errorf("%s is another mail when others are made", key(o, lang))
					}
				}
			}
		})
	}
	for i := range 20 {
		s.write("en/mail_todoreminder.fmt", "Site: %s"+strings.Repeat(" ", i))
	}
	all.Wait()
}

// BenchmarkRender: a mail is made in less than 50 µs of CPU.
func BenchmarkRender(b *testing.B) {
	s := New(Options{Dir: b.TempDir()})
	for _, name := range []letter.Name{letter.EventRequest, letter.AcceptNoticeRecur} {
		for _, lang := range locale.Tags() {
			method, _ := name.Tells()
			in := sample(b, occasion{name, "series", method})
			b.Run(string(name)+"/"+lang, func(b *testing.B) {
				b.ReportAllocs()
				start := costtest.CPU()
				for b.Loop() {
					if _, err := s.Render(name, lang, in); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64((costtest.CPU()-start).Microseconds())/float64(b.N), "cpu-us/op")
			})
		}
	}
}
