package wcaptest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"factotum/server/ical"
)

// step is a line of a script, with the body that follows it.
type step struct {
	line int
	text string
	body string
}

// statement is a paragraph of a script.
type statement struct {
	command, says string
	steps         []step
}

func readScript(t *testing.T, path string) (out []statement) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	for n := 1; in.Scan(); n++ {
		line := strings.TrimRight(in.Text(), " ")
		if head, ok := strings.CutPrefix(line, "== "); ok {
			command, says, found := strings.Cut(head, ": ")
			if !found {
				t.Fatalf("%s:%d: no statement", path, n)
			}
			out = append(out, statement{command: command, says: says})
			continue
		}
		if line == "" || line[0] == '#' {
			continue
		}
		s := step{line: n, text: line}
		if strings.HasPrefix(line, "post ") || strings.HasPrefix(line, "dav ") && !strings.Contains(line, " DELETE ") {
			for in.Scan() {
				if n++; in.Text() == "." {
					break
				}
				s.body += in.Text() + "\r\n"
			}
		}
		last := &out[len(out)-1]
		last.steps = append(last.steps, s)
	}
	return out
}

var formats = []string{"text/calendar", "text/xml", "text/json"}

// TestWCAP_13: the statements of WCAP §13, each in every format, on every kind
// of site.
func TestWCAP_13(t *testing.T) {
	script := readScript(t, "testdata/section13.script")
	everywhere(t, func(t *testing.T, s *site) {
		n := 0
		for _, format := range formats {
			for _, st := range script {
				n++
				t.Run(format+"/"+st.command+"/"+st.says, func(t *testing.T) {
					p := &player{t: t, s: s, file: "section13.script", format: format, n: n}
					s.t = t
					p.play(st)
				})
			}
		}
	})
}

// TestWCAP_13_Complete: the script has a paragraph for each statement of the
// table, in the reference that it follows. That of scheduling has a script of its
// own, TestWCAP_7_Scheduling.
func TestWCAP_13_Complete(t *testing.T) {
	text, err := os.ReadFile("../../../docs/reference/wcap.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "## 13. ")
	table, _, _ = strings.Cut(table, "\n## ")
	have := map[string]int{}
	for _, st := range readScript(t, "testdata/section13.script") {
		have[st.command]++
	}
	code := regexp.MustCompile("`[^`]*`")
	rows := 0
	for row := range strings.SplitSeq(table, "\n") {
		cells := strings.SplitN(strings.Trim(row, "| "), " | ", 2)
		if !strings.HasPrefix(row, "| ") || len(cells) != 2 || cells[0] == "command" || strings.Contains(cells[0], "scheduling") {
			continue
		}
		rows++
		want := strings.Count(code.ReplaceAllString(cells[1], ""), "; ") + 1
		for name := range strings.SplitSeq(cells[0], " / ") {
			if name = strings.Trim(name, "()"); have[name] < want {
				// A row of two commands may share its statements between them.
				other := 0
				for n := range strings.SplitSeq(cells[0], " / ") {
					other += have[n]
				}
				if have[name] == 0 || other < want {
					t.Errorf("%s: %d paragraphs for %d statements: %s", name, have[name], want, cells[1])
				}
			}
		}
	}
	if rows < 35 {
		t.Errorf("%d rows of the table were found", rows)
	}
}

// player plays one statement.
type player struct {
	t      *testing.T
	s      *site
	file   string // of the script
	format string
	n      int
	vars   map[string]string
	last   *answer
}

var varPattern = regexp.MustCompile(`\$[A-Z]\w*`)

// expand replaces variables. What is no variable stands for itself: "$name".
func (p *player) expand(text string) string {
	return varPattern.ReplaceAllStringFunc(text, func(v string) string {
		if s, ok := p.vars[v[1:]]; ok {
			return s
		}
		for n := len(v) - 1; n > 1; n-- { // "$AB" is $A, and a B
			if s, ok := p.vars[v[1:n]]; ok {
				return s + v[n:]
			}
		}
		return v
	})
}

func (p *player) play(st statement) {
	n := strconv.Itoa(p.n)
	p.vars = map[string]string{"N": n, "A": "anna:s" + n, "B": "ben:s" + n, "FORMAT": p.format}
	if p.format == "text/json" {
		p.vars["FORMAT"] = "text/xml" // files have two formats
	}
	for _, owner := range []string{"anna", "ben"} {
		p.s.do(owner, "createcalendar.wcap?subscribe=0&calid=s"+n).errno("0")
	}
	p.vars["ANNASID"] = p.s.as("anna")
	for _, step := range st.steps {
		p.step(step)
		if p.t.Failed() {
			p.t.Fatalf("%s:%d: %s", p.file, step.line, step.text)
		}
	}
}

func (p *player) step(st step) {
	p.t.Helper()
	fail := func(format string, args ...any) {
		p.t.Helper()
		body := ""
		if p.last != nil {
			body = p.last.what + "\n" + clip(p.last.body)
		}
		p.t.Fatalf("%s:%d: %s: %s\n%s", p.file, st.line, st.text, fmt.Sprintf(format, args...), body)
	}
	verb, rest, _ := strings.Cut(st.text, " ")
	rest = p.expand(rest)
	name, want, _ := strings.Cut(rest, " ")
	equal := func(got []string) {
		p.t.Helper()
		if g := strings.Join(got, "|"); g != want {
			fail("got %q", g)
		}
	}
	switch verb {
	case "errno":
		if got := p.last.errnos(); got != rest {
			fail("got %s", got)
		}
	case "is":
		got := p.last.value(name)
		if got != want {
			fail("got %q", got)
		}
	case "none":
		if got := p.last.values(name); len(got) > 0 {
			fail("got %q", got)
		}
	case "count":
		if got := len(p.last.find(name)); strconv.Itoa(got) != want {
			fail("got %d", got)
		}
	case "list":
		equal(p.last.values(name))
	case "set":
		got := p.last.values(name)
		slices.Sort(got)
		equal(got)
	case "some":
		if got := p.last.values(name); !slices.Contains(got, want) {
			fail("got %.500q", got)
		}
	case "lacks":
		if slices.Contains(p.last.values(name), want) {
			fail("it is there")
		}
	case "settle":
		p.s.settle()
	case "like":
		if got := p.last.value(name); !regexp.MustCompile(want).MatchString(got) {
			fail("got %q", got)
		}
	case "eachhas":
		all := p.last.find(name)
		if len(all) == 0 || slices.ContainsFunc(all, func(n *node) bool { return len(n.find(want)) == 0 }) {
			fail("of %d", len(all))
		}
	case "order":
		at := 0
		for _, n := range strings.Fields(rest) {
			i := strings.Index(p.last.body[at:], n)
			if i < 0 {
				fail("no %s in its place", n)
			}
			at += i
		}
	case "raw", "noraw":
		if strings.Contains(p.last.body, rest) != (verb == "raw") {
			fail("in the body: %v", verb != "raw")
		}
	case "type":
		if got := p.last.header.Get("Content-Type"); got != p.format+"; charset=UTF-8" {
			fail("got %q", got)
		}
	case "keep":
		if p.vars[name] = p.last.value(want); p.vars[name] == "" {
			fail("no value")
		}
	case "file":
		if p.last.header.Get("Content-Disposition") == "" || p.last.body == "" {
			fail("no file")
		}
		if strings.HasPrefix(p.last.header.Get("Content-Type"), "text/calendar") {
			if _, err := ical.Parse([]byte(p.last.body), ical.Limits{}); err != nil {
				fail("%v", err)
			}
		}
		p.vars[name] = p.last.body
	case "same":
		if p.last.body != p.vars[name] {
			fail("was\n%s", p.vars[name])
		}
	case "refusedOrFile":
		if p.last.header.Get("Content-Disposition") == "" && p.last.errnos() == "0" {
			fail("neither")
		}
	case "attached":
		text, err := strconv.Unquote(rest)
		if err != nil {
			fail("%v", err)
		}
		if got := p.attached(); got != text {
			fail("got %q", got)
		}
	case "now":
		t, form := p.s.clock.Now(), "20060102T150405Z"
		if want != "" {
			shift, f, _ := strings.Cut(want, " ")
			d, err := time.ParseDuration(shift)
			if err != nil {
				fail("%v", err)
			}
			t, form = t.Add(d), f
		}
		p.vars[name] = t.Format(form)
	case "clock":
		d, err := time.ParseDuration(rest)
		if err != nil {
			fail("%v", err)
		}
		p.s.clock.Add(d)
		if d > time.Minute {
			clear(p.s.sid)
		}
	case "dav":
		f := strings.Fields(rest)
		calid, object, _ := strings.Cut(f[2], "/")
		status, err := strconv.Atoi(f[3])
		if err != nil {
			fail("%v", err)
		}
		p.s.caldav(f[0], f[1], davPath(calid)+object, p.expand(st.body), status)
	case "post":
		f := strings.Fields(rest)
		p.ask("POST", f[0], f[1], f[2], p.expand(st.body))
	default:
		p.ask("GET", verb, rest, "", "")
	}
}

// ask sends a request of a user.
func (p *player) ask(method, user, what, kind, body string) {
	p.t.Helper()
	command, query, _ := strings.Cut(what, "?")
	target := "/" + command + ".wcap?" + query
	if !strings.Contains(query, "fmt-out=") {
		target += "&fmt-out=" + p.format
	}
	if user != "-" {
		target += "&id=" + p.s.as(user)
	}
	p.last = p.s.send(request(method, target, kind, body))
}

// attached is the first part of a multipart answer.
func (p *player) attached() string {
	p.t.Helper()
	_, opt, err := mime.ParseMediaType(p.last.header.Get("Content-Type"))
	if err != nil {
		p.t.Fatal(err)
	}
	part, err := multipart.NewReader(bytes.NewReader([]byte(p.last.body)), opt["boundary"]).NextPart()
	if err != nil {
		p.t.Fatalf("%v in\n%s", err, p.last.body)
	}
	data, err := io.ReadAll(part)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(data)
}
