package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"factotum/notify/letter"
	"factotum/notify/letterfile"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/ical"
	"factotum/server/zone"
)

func init() {
	ownCommands = append(ownCommands, func(std stdio) *cobra.Command {
		c := &cobra.Command{Use: "template", Short: "Check the templates of mails, and show what they make"}
		c.AddCommand(templateCheck(std), templatePreview(std))
		return c
	})
}

func templateCheck(std stdio) *cobra.Command {
	t := newTool("template check", "", std)
	c := &cobra.Command{
		Use:   "check [DIR | FILE...]",
		Short: "Find what is wrong with .fmt files",
		Long: "Reads .fmt files, or all that are below folders, and tells with file and line what is wrong and what to\n" +
			"mend. Without arguments it reads those beside ics.conf, and says which of them no calmail parameter names.\n" +
			"Exit status: 0 all is well, 1 something is not.",
		Example: "  calserver template check\n  calserver template check /etc/factotum/de mine.fmt",
		RunE: func(_ *cobra.Command, args []string) error {
			return t.checkTemplates(args)
		},
	}
	c.Flags().StringVarP(&t.conf, "config", "C", "", "the ics.conf to use")
	return t.reportFlags(c)
}

// templateProblem is something wrong with a template, for programs.
type templateProblem struct {
	Severity string `json:"severity"` // warning, error
	File     string `json:"file"`
	Line     int    `json:"line,omitempty"`
	Message  string `json:"message"`
}

func (t *tool) checkTemplates(args []string) error {
	var known map[string]bool // names that the configuration has; nil: any
	if len(args) == 0 {
		cfg, err := t.load()
		if err != nil {
			return err
		}
		args, known = []string{cfg.Dir}, map[string]bool{"mail_todoalarm.fmt": true}
		for _, f := range cfg.Mail.Templates {
			known[f] = true
		}
	}
	var files []string
	for _, arg := range args {
		list, err := templatesBelow(arg)
		if err != nil {
			return err
		}
		files = append(files, list...)
	}
	var problems []letter.Problem
	for _, path := range files {
		data, err := letterfile.ReadFile(path)
		if err != nil {
			return err
		}
		_, list := letter.Parse(path, data)
		for i := range list {
			list[i].Warning = false // mails are made with it, and who asks wants to know what is wrong
		}
		problems = append(problems, list...)
		if known != nil && !known[filepath.Base(path)] {
			problems = append(problems, letter.Problem{File: path, Warning: true, Msg: "no mail is made with it: name it in a calmail parameter, or give it the name that one has"})
		}
	}
	if err := t.printProblems(problems); err != nil {
		return err
	}
	t.say("%d templates, %d problems", len(files), len(problems))
	if len(problems) > 0 {
		return exitError(exitFailed)
	}
	return nil
}

func (t *tool) printProblems(problems []letter.Problem) error {
	if !t.json {
		for _, p := range problems {
			fmt.Fprintln(t.std.err, p.Error())
		}
		return nil
	}
	list := newArray(t.std.out)
	for _, p := range problems {
		severity := "error"
		if p.Warning {
			severity = "warning"
		}
		if err := list.add(templateProblem{severity, p.File, p.Line, p.Msg}); err != nil {
			return err
		}
	}
	return list.end()
}

// templatesBelow lists the .fmt files of a folder and of those in it, or the file
// that is named.
func templatesBelow(arg string) (files []string, err error) {
	if info, err := os.Stat(arg); err != nil || !info.IsDir() {
		return []string{arg}, err
	}
	err = filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(arg, path)
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.Count(rel, string(filepath.Separator)) > 0:
			return fs.SkipDir
		case !d.IsDir() && filepath.Ext(path) == ".fmt":
			files = append(files, path)
		}
		return nil
	})
	return files, err
}

// preview is what calserver template preview is asked.
type preview struct {
	name, event, language, zone, method, attendee, answer string
	clock, order                                          string
	again, html, raw                                      bool
}

func templatePreview(std stdio) *cobra.Command {
	t := newTool("template preview", "", std)
	var p preview
	c := &cobra.Command{
		Use:   "preview NAME",
		Short: "Show the mail that a template makes of an event or task",
		Long: "NAME is that of a mail, as in calmail.NAME.fname, the name of its file, or the path of a .fmt file.\n" +
			"The event or task comes from an .ics file; of a stored one the mail is made as if it was invited to,\n" +
			"called off or answered, as NAME says. It prints the subject and the text for people. Mails:\n  " +
			strings.Join(mailNames(), "\n  "),
		Example: "  calserver template preview imipeventrequest --event meeting.ics --lang de --zone Europe/Berlin\n" +
			"  calserver template preview mail_eventacceptnotification.fmt --event meeting.ics --attendee bert@example.com\n" +
			"  calserver template preview ./mine.fmt --event meeting.ics --html >mine.html",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			p.name = args[0]
			return t.preview(p)
		},
	}
	f := c.Flags()
	f.StringVar(&p.event, "event", "", "the .ics file with the event or task, - is standard input")
	f.StringVar(&p.language, "lang", "", "language of the reader, such as de or en-US")
	f.StringVar(&p.zone, "zone", "", "his time zone")
	f.StringVar(&p.clock, "clock", "", "12 or 24 hours")
	f.StringVar(&p.order, "date-order", "", "D/M/Y, M/D/Y or Y/M/D")
	f.StringVar(&p.method, "method", "", "what the message is: REQUEST, CANCEL, REPLY, COUNTER ...")
	f.StringVar(&p.attendee, "attendee", "", "mail address of who answers; otherwise it is the first attendee who is not the organizer")
	f.StringVar(&p.answer, "answer", "", "his answer: ACCEPTED, DECLINED, TENTATIVE ...")
	f.BoolVar(&p.again, "again", false, "the reader knows of it: it is a change")
	f.BoolVar(&p.html, "html", false, "print the HTML")
	f.BoolVar(&p.raw, "raw", false, "print the mail as it is sent")
	f.StringVarP(&t.conf, "config", "C", "", "the ics.conf to use; without one our templates are shown")
	return c
}

func (t *tool) preview(p preview) error {
	in, err := t.previewInput(p)
	if err != nil {
		return err
	}
	m, err := t.previewMail(p, in)
	if err != nil {
		return err
	}
	raw := m.Append(nil, false)
	if p.raw {
		_, err := t.std.out.Write(raw)
		return err
	}
	want := "text/plain"
	if p.html {
		want = "text/html"
	}
	text, err := partOf(raw, want)
	if err != nil {
		return err
	}
	if text = strings.ReplaceAll(text, "\r\n", "\n"); !p.html {
		text = "Subject: " + m.Subject + "\n\n" + text
	}
	_, err = io.WriteString(t.std.out, text)
	return err
}

// previewInput reads the event.
func (t *tool) previewInput(p preview) (*letter.Input, error) {
	if p.event == "" {
		return nil, errors.New("name an .ics file with an event or task: --event FILE")
	}
	var data []byte
	var err error
	if p.event == "-" {
		data, err = io.ReadAll(io.LimitReader(t.std.in, ical.MaxObject))
	} else {
		data, err = os.ReadFile(p.event)
	}
	if err != nil {
		return nil, err
	}
	in := &letter.Input{Now: time.Now(), Method: strings.ToUpper(p.method), Again: p.again}
	if in.Message, err = ical.Parse(data, ical.Limits{}); err != nil {
		return nil, fmt.Errorf("%s: %w", p.event, err)
	}
	if p.zone != "" {
		z, ok := zone.Load(p.zone)
		if !ok {
			return nil, fmt.Errorf("the time zone %s is not known: name one of the IANA database, such as Europe/Berlin", p.zone)
		}
		in.Zone = z
	}
	in.Manner = in.Manner.With(p.clock, p.order, "")
	in.Attendee = letter.Attendee{Address: p.attendee, PartStat: strings.ToUpper(p.answer)}
	return in, nil
}

// previewMail makes the mail: of the file that is named, or of the template that the
// server would take.
func (t *tool) previewMail(p preview, in *letter.Input) (m letter.Mail, err error) {
	opt := letterfile.Options{}
	cfg, err := t.load()
	switch {
	case err == nil:
		opt = letterfile.Of(cfg)
	case t.conf != "":
		return m, err
	}
	opt.Warn = func(p letter.Problem) { t.warn("%s", p.Error()) }
	set := letterfile.New(opt)
	name, isName := mailNamed(p.name, opt)
	if !isName {
		if _, err := os.Stat(p.name); err != nil {
			return m, fmt.Errorf("%s is neither a mail nor a file; mails are %s", p.name, strings.Join(mailNames(), " "))
		}
		name, _ = mailNamed(filepath.Base(p.name), opt)
	}
	in = in.For(name)
	if in.Attendee.Address == "" {
		in.Attendee.Address = firstAttendee(in.Message)
	}
	if isName {
		return set.Render(name, p.language, in)
	}
	data, err := letterfile.ReadFile(p.name)
	if err != nil {
		return m, err
	}
	tmpl, problems := letter.Parse(p.name, data)
	for _, p := range problems {
		fmt.Fprintln(t.std.err, p.Error())
	}
	if tmpl == nil {
		return m, exitError(exitFailed)
	}
	in.Manner = letterfile.Found{Language: p.language}.Manner(p.language).With(p.clock, p.order, "")
	return tmpl.Render(in)
}

// mailNames are the names of all mails.
func mailNames() (names []string) {
	for _, n := range letter.Names() {
		names = append(names, string(n))
	}
	return names
}

// mailNamed finds a mail by its name or the name of its file.
func mailNamed(s string, opt letterfile.Options) (letter.Name, bool) {
	if slices.Contains(letter.Names(), letter.Name(s)) {
		return letter.Name(s), true
	}
	for _, files := range []map[string]string{opt.Files, config.Default().Mail.Templates} {
		for name, f := range files {
			if f == s {
				return letter.Name(name), true
			}
		}
	}
	return letter.TodoReminder, s == "mail_todoalarm.fmt"
}

// firstAttendee is who answers where nobody is named: the first who is asked, not the
// organizer, who is among the attendees where many programs write him.
func firstAttendee(cal *ical.Component) (first string) {
	for _, c := range cal.Children {
		for a := range c.All("ATTENDEE") {
			if calendar.AddressKey(a.Value) != calendar.AddressKey(c.Value("ORGANIZER")) {
				return a.Value
			}
			if first == "" {
				first = a.Value
			}
		}
	}
	return first
}

// partOf decodes the first part of a type that a mail has.
func partOf(raw []byte, want string) (string, error) {
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return "", err
	}
	text, found, err := findPart(m.Header, m.Body, want)
	if err == nil && !found {
		err = fmt.Errorf("the template makes no %s; --raw shows what it makes", want)
	}
	return text, err
}

func findPart(header interface{ Get(string) string }, body io.Reader, want string) (text string, found bool, err error) {
	typ, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	switch {
	case err != nil:
		return "", false, err
	case strings.HasPrefix(typ, "multipart/"):
		parts := multipart.NewReader(body, params["boundary"])
		for {
			p, err := parts.NextRawPart()
			if err == io.EOF {
				return "", false, nil
			}
			if err != nil {
				return "", false, err
			}
			if text, found, err = findPart(p.Header, p, want); found || err != nil {
				return text, found, err
			}
		}
	case typ != want:
		return "", false, nil
	}
	switch header.Get("Content-Transfer-Encoding") {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	}
	data, err := io.ReadAll(body)
	return string(data), true, err
}
