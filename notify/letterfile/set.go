// Package letterfile finds the templates of mails: those of the site, in the folder
// of its configuration, and ours, which are embedded. notifications.md §2.1, §3.
//
// A file of the site is read when it is needed first, and again when its date, its
// size or the file itself is another: each use looks. One that cannot be used stops
// no mail: the embedded one takes its place, and Options.Warn is called once for
// each version of the file.
package letterfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"factotum/notify/letter"
	"factotum/notify/locale"
	"factotum/server/config"
	"factotum/templates"
)

// Options say where the templates of a site are.
type Options struct {
	Dir     string               // of the configuration; a folder per language is in it. "" has only ours
	Default string               // language of whoever has none: caldb.smtpmsgfmtdir
	Files   map[string]string    // by letter.Name: calmail.<name>.fname; what is not there has our name
	Warn    func(letter.Problem) // told of what is wrong with a file; nil tells nobody
}

// Set are the templates of a site. It may be used by several goroutines at once.
type Set struct {
	opt Options

	mu    sync.Mutex
	files map[string]*file            // of the site, by path
	own   map[string]*letter.Template // ours, by language and name
}

// file is one of the site as it was last seen.
type file struct {
	info fs.FileInfo      // nil: it could not be looked at
	tmpl *letter.Template // nil: it cannot be used
}

// New returns the templates of a site. No file is read yet.
func New(opt Options) *Set {
	if opt.Default == "" {
		opt.Default = "en"
	}
	for _, name := range letter.Names() {
		if f := opt.Files[string(name)]; f != "" && !isName(f) && opt.Warn != nil {
			opt.Warn(letter.Problem{File: "calmail." + string(name) + ".fname", Msg: fmt.Sprintf("%q is no name of a file: name one in the folders of the languages, without a path", f)})
		}
	}
	return &Set{opt: opt, files: map[string]*file{}, own: map[string]*letter.Template{}}
}

// Of are the options that a configuration has.
func Of(c *config.Config) Options {
	return Options{Dir: c.Dir, Default: c.Mail.TemplateDir, Files: c.Mail.Templates}
}

// Found is a template with the language that it is in.
type Found struct {
	*letter.Template
	Language string // name of its folder
	Own      bool   // it is one of ours
	name     letter.Name
}

// Find returns the template of a mail in a language such as de-AT: of the site, or
// ours, in that language, then in de, then in the site's own, then in English.
func (s *Set) Find(name letter.Name, language string) (Found, error) {
	ours, ok := ownFile(name)
	if !ok {
		return Found{}, fmt.Errorf("there is no mail %q", name)
	}
	for _, lang := range s.languages(language) {
		for _, f := range s.fileNames(name, ours) {
			if t := s.site(filepath.Join(lang, f)); t != nil {
				return Found{t, lang, false, name}, nil
			}
		}
		if t := s.embedded(lang, ours); t != nil {
			return Found{t, lang, true, name}, nil
		}
	}
	return Found{}, fmt.Errorf("there is no template of %s", name)
}

// Render makes a mail in a language. What the reader asks of dates comes with
// Manner of the input; without a locale there it is that of the language. Where the
// input says neither what happened nor what was answered, it is what such mails
// tell of. A template of the site with which no mail can be made gives way to ours.
func (s *Set) Render(name letter.Name, language string, in *letter.Input) (letter.Mail, error) {
	t, err := s.Find(name, language)
	if err != nil {
		return letter.Mail{}, err
	}
	in = in.For(name)
	m, err := t.render(language, in)
	if err == nil || t.Own {
		return m, err
	}
	if s.opt.Warn != nil {
		s.opt.Warn(letter.Problem{File: t.File, Msg: err.Error()})
	}
	ours, _ := ownFile(name)
	for _, lang := range s.languages(language) {
		if own := s.embedded(lang, ours); own != nil {
			return Found{own, lang, true, name}.render(language, in)
		}
	}
	return m, err
}

// render writes in the words of the template's language, with the dates of the
// reader's country.
func (f Found) render(language string, in *letter.Input) (letter.Mail, error) {
	if in.Manner.Locale != nil {
		return f.Template.Render(in)
	}
	with := *in
	with.Manner = f.Manner(language)
	with.Manner.Clock = either(in.Manner.Clock, with.Manner.Clock)
	with.Manner.Order = either(in.Manner.Order, with.Manner.Order)
	with.Manner.Separator = either(in.Manner.Separator, with.Manner.Separator)
	return f.Template.Render(&with)
}

func either[T comparable](a, b T) T {
	var zero T
	if a != zero {
		return a
	}
	return b
}

// Manner is how a reader of a language reads dates in this template: as in his
// country, if he speaks its language.
func (f Found) Manner(language string) locale.Manner {
	base := func(tag string) string { b, _, _ := strings.Cut(canonical(tag), "-"); return b }
	if base(language) == base(f.Language) {
		m, _ := locale.Find(language)
		return m
	}
	m, _ := locale.Find(f.Language)
	return m
}

// languages are the folders to look in, in turn.
func (s *Set) languages(language string) (list []string) {
	add := func(lang string) {
		if lang != "" && !slices.Contains(list, lang) {
			list = append(list, lang)
		}
	}
	for tag := canonical(language); tag != ""; {
		add(tag)
		add(strings.ReplaceAll(tag, "-", "_"))
		at := strings.LastIndexByte(tag, '-')
		tag = tag[:max(at, 0)]
	}
	if isName(s.opt.Default) {
		add(s.opt.Default)
	}
	add("en")
	return list
}

// canonical is a language tag as folders are named: de-AT, zh-Hant. It is "" for
// what is none, so that nothing of the kind becomes a path. RFC 5646 §2.1.
func canonical(tag string) string {
	if len(tag) > 35 {
		return ""
	}
	parts := strings.Split(strings.ReplaceAll(strings.TrimSpace(tag), "_", "-"), "-")
	for i, p := range parts {
		if p == "" || len(p) > 8 {
			return ""
		}
		for _, c := range []byte(p) {
			if !('a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9') {
				return ""
			}
		}
		p = strings.ToLower(p)
		switch {
		case i > 0 && len(p) == 2:
			p = strings.ToUpper(p)
		case i > 0 && len(p) == 4:
			p = strings.ToUpper(p[:1]) + p[1:]
		}
		parts[i] = p
	}
	return strings.Join(parts, "-")
}

// ownFiles are the names of our files.
var ownFiles = sync.OnceValue(func() map[string]string { return config.Default().Mail.Templates })

// ownFile is the name of our file of a mail.
func ownFile(name letter.Name) (string, bool) {
	f, ok := ownFiles()[string(name)]
	return f, ok
}

// isName reports whether a name leads out of no folder.
func isName(f string) bool {
	return filepath.IsLocal(f) && filepath.Base(f) == f && f != "." && !strings.Contains(f, `\\`)
}

// fileNames are those that a site's file may have. Sun's guide has two for the
// reminder of a task.
func (s *Set) fileNames(name letter.Name, ours string) []string {
	f := s.opt.Files[string(name)]
	if !isName(f) {
		f = ours
	}
	if name == letter.TodoReminder && f == ours {
		return []string{f, "mail_todoalarm.fmt"}
	}
	return []string{f}
}

// embedded is ours, nil if there is none in that language.
func (s *Set) embedded(lang, name string) *letter.Template {
	path := lang + "/" + name
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.own[path]
	if !ok {
		if data, there := templates.Letter(lang, name); there {
			t, _ = letter.Parse(path, data) // a test sees to it that they can be used
		}
		s.own[path] = t
	}
	return t
}

// site is one of the site's, nil if there is none that can be used.
func (s *Set) site(name string) *letter.Template {
	if s.opt.Dir == "" {
		return nil
	}
	path := filepath.Join(s.opt.Dir, name)
	info, err := os.Stat(path)
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.files[path]
	switch {
	case errors.Is(err, fs.ErrNotExist):
		delete(s.files, path)
		return nil
	case f != nil && same(f.info, info):
		return f.tmpl
	}
	if f == nil {
		f = &file{}
		s.files[path] = f
	}
	f.info, f.tmpl = info, s.read(path, info, err)
	return f.tmpl
}

// same reports whether a file is as it was.
func same(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && os.SameFile(a, b)
}

// read takes a file of the site, and tells what is wrong with it.
func (s *Set) read(path string, info fs.FileInfo, err error) *letter.Template {
	var data []byte
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no file")
	}
	if err == nil {
		data, err = ReadFile(path)
	}
	var t *letter.Template
	list := []letter.Problem{{File: path, Msg: fmt.Sprint(err)}}
	if err == nil {
		t, list = letter.Parse(path, data)
	}
	if s.opt.Warn != nil {
		for _, p := range list {
			s.opt.Warn(p)
		}
	}
	return t
}

// ReadFile reads a template, and of a file that is too large for one no more than
// what shows that.
func ReadFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, letter.MaxFile+1))
}
