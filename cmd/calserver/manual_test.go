package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What --help tells and what a tool takes are the same options, so that the manual,
// which is made of both, is right.
func TestManualTellsTheOptions(t *testing.T) {
	seen := 0
	for _, p := range manualPages(t.Context()) {
		if len(p.options) == 0 {
			continue // its help is written by the parser of its options
		}
		seen++
		told, declared := map[string]bool{}, map[string]bool{}
		parts := p.parse()
		for _, b := range slices.Concat(parts["OPTIONS"], parts["COMMANDS"]) {
			for _, e := range b.list {
				for _, n := range e.names() {
					told[n] = true
				}
			}
		}
		for _, o := range p.options {
			short, long := "-"+o.ShortName(), "--"+o.LongName()
			declared[short], declared[long] = true, true
			if told[short] || told[long] {
				continue
			}
			t.Errorf("%s takes %s %s, and its --help does not tell of it", p.name, short, long)
		}
		for n := range told {
			if !declared[n] {
				t.Errorf("the --help of %s tells of %s, which it does not take", p.name, n)
			}
		}
	}
	if seen < 12 {
		t.Errorf("the options of %d tools were seen", seen)
	}
}

// Each page has what a page of the manual has, and man reads it without a complaint.
func TestManualReads(t *testing.T) {
	dir := t.TempDir()
	n, err := writeManual(t.Context(), dir)
	if err != nil || n < 50 {
		t.Fatalf("%d files, %v", n, err)
	}
	_, err = exec.LookPath("groff")
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatalf("groff is not installed: %v", err)
	}
	for _, p := range manualPages(t.Context()) {
		text := string(p.roff())
		for _, want := range []string{".TH ", ".SH NAME\n", ".SH SYNOPSIS\n", ".SH FILES\n"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s(8) has no %q:\n%s", p.name, strings.TrimSpace(want), text)
			}
		}
		if err == nil {
			groff(t, p.name, p.roff())
		}
	}
	if err != nil {
		t.Skip("groff is not installed")
	}
	page, err := exec.Command("zcat", filepath.Join(dir, "man5", "ics.conf.5.gz")).Output()
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(groff(t, "ics.conf", page)), " ")
	for _, want := range []string{"service.http.ssl.certfile = path", "(/var/lib/factotum) Directory of everything"} {
		if !strings.Contains(text, want) {
			t.Errorf("ics.conf(5) has no %q", want)
		}
	}
	page, err = exec.Command("zcat", filepath.Join(dir, "man8", "cscal.8.gz")).Output()
	if err != nil {
		t.Fatal(err)
	}
	text = strings.Join(strings.Fields(groff(t, "cscal", page)), " ")
	for _, want := range []string{"NAME cscal - make, list", "SYNOPSIS cscal [-q|-v]", "--limit n history: tell of so many, the newest; 100 without it", "EXAMPLES cscal -n Hobbies"} {
		if !strings.Contains(text, want) {
			t.Errorf("cscal(8) has no %q:\n%s", want, text)
		}
	}
}

// groff formats a page; a warning fails.
func groff(t *testing.T, name string, page []byte) string {
	t.Helper()
	var errs bytes.Buffer
	cmd := exec.Command("groff", "-man", "-wall", "-K", "utf8", "-Tutf8", "-P-c", "-P-b", "-P-u", "-P-o")
	cmd.Stdin, cmd.Stderr = bytes.NewReader(page), &errs
	out, err := cmd.Output()
	if err != nil || errs.Len() > 0 {
		t.Errorf("%s: groff: %v\n%s", name, err, &errs)
	}
	return string(out)
}

func TestCommandsAreFound(t *testing.T) {
	pages := map[string]manualPage{}
	for _, p := range manualPages(t.Context()) {
		pages[p.name] = p
	}
	for name, want := range map[string]string{
		"csuser":     "create check delete disable inherit locked list prefs reset password app-password enable unlock version",
		"csgroup":    "create list add remove modify enable disable delete recheck version",
		"csschedule": "list retry delete version",
		"csimport":   "calendar version",
		"csmigrate":  "table list compare version",
		"csbackup":   "database calendar defcal list version",
	} {
		p := pages[name]
		if got := strings.Join(p.commands(), " "); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// bash completes options, commands and roles.
func TestCompletions(t *testing.T) {
	dir := t.TempDir()
	if _, err := writeManual(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ words, want string }{
		{"csuser cr", "create"},
		{"csuser --gen", "--generate"},
		{"csuser -q ena", "enable"},
		{"csuser create an", ""},
		{"csuser -m cr", ""}, // the value of -m
		{"start-cal ht", "http"},
		{"start-cal --conf", "--config"},
		{"csdb re", "rebuild recover"},
		{"cshttpd --de", "--debug"},
	} {
		name, _, _ := strings.Cut(c.words, " ")
		out, err := exec.Command("bash", "-c", `. "$0"; COMP_WORDS=(`+c.words+`); COMP_CWORD=$((${#COMP_WORDS[@]}-1))
			_factotum_`+strings.ReplaceAll(name, "-", "_")+`; printf '%s\n' "${COMPREPLY[@]}" | sort | xargs`, filepath.Join(dir, "completions", name)).CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != c.want {
			t.Errorf("%s: %q, %v; want %q", c.words, got, err, c.want)
		}
	}
	for _, name := range must(filepath.Glob(filepath.Join(dir, "completions", "*"))) {
		if out, err := exec.Command("bash", "-n", name).CombinedOutput(); err != nil {
			t.Errorf("%s: %v %s", filepath.Base(name), err, out)
		}
	}
}

// Each call of a tool in a page of docs has options that the tool has.
func TestDocsNameOptionsThatAre(t *testing.T) {
	flags := map[string][]string{}
	for _, p := range manualPages(t.Context()) {
		if _, ok := programs[p.name]; ok && p.name != "csimip" {
			flags[p.name], _ = p.flags()
		}
	}
	calls := 0
	for _, page := range append(must(filepath.Glob("../../docs/*.md")), "../../README.md") {
		text := string(must(os.ReadFile(page)))
		for line := range strings.SplitSeq(text, "\n") {
			for _, call := range reCall.FindAllString(line, -1) {
				words := strings.Fields(reQuoted.ReplaceAllString(strings.TrimPrefix(strings.TrimLeft(call, "` "), "bin/"), "_"))
				known, ok := flags[words[0]]
				if !ok {
					continue
				}
				calls++
				for _, w := range words[1:] {
					w, _, _ = strings.Cut(strings.TrimRight(w, "`.,;:)\""), "=")
					if strings.HasPrefix(w, "--") && len(w) > 2 && !slices.Contains(known, w) ||
						!strings.HasPrefix(w, "--") && len(w) == 2 && w[0] == '-' && !slices.Contains(known, w) {
						t.Errorf("%s: %s: %s has no %s", filepath.Base(page), strings.TrimSpace(line), words[0], w)
					}
				}
			}
		}
	}
	if calls < 100 {
		t.Errorf("%d calls were found", calls)
	}
}

var (
	// A call at the beginning of a line, or between backquotes.
	reCall   = regexp.MustCompile("(?:^ *(?:bin/)?|`)(?:cs[a-z]+|start-cal|stop-cal|ensctl) [^`#|<>]*")
	reQuoted = regexp.MustCompile(`"[^"]*"|'[^']*'`)
)
