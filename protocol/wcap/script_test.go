package wcap

import (
	"flag"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata/*.wcap and docs/wcap.md")

// A script holds requests with their answers, each between lines of ```. The
// first line is the request (GET or POST and a path); what follows up to a line
// of "--" is the body of a POST, the rest is the answer. SID stands for anna's
// session, BENSID for ben's, ROOTSID for root's; NEWSID and GUID stand for
// ids that are different every time. All other lines of the file are prose.

func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.wcap")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range append(files, "../../docs/wcap.md") {
		t.Run(filepath.Base(f), func(t *testing.T) { runScript(t, f) })
	}
}

func runScript(t *testing.T, path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t)
	var out []string
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		out = append(out, lines[i])
		if lines[i] != "```" && lines[i] != "```wcap" {
			continue
		}
		end := i + 1
		for end < len(lines) && lines[end] != "```" {
			end++
		}
		block := lines[i+1 : end]
		if len(block) == 0 || !strings.HasPrefix(block[0], "GET /") && !strings.HasPrefix(block[0], "POST /") {
			out = append(out, append(block, "```")...)
			i = end
			continue
		}
		asked, want := block[:1], block[1:]
		for k, l := range want {
			if l == "--" {
				asked, want = block[:k+2], want[k+1:]
				break
			}
		}
		got := s.play(t, asked)
		if !*update && strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s:%d: %s\nanswers\n%s\nwant\n%s", path, i+2, block[0], strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		out = append(append(append(out, asked...), got...), "```")
		i = end
		s.clock.Add(time.Second)
	}
	if *update {
		if err := os.WriteFile(path, []byte(strings.Join(out, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

var (
	sidPattern  = regexp.MustCompile(`\b[a-z2-7]{26}\b`)
	guidPattern = regexp.MustCompile(`\b[0-9a-f]{32}\b`)
)

// play sends a request of a script and returns its answer in lines.
func (s *site) play(t *testing.T, asked []string) []string {
	t.Helper()
	method, path, _ := strings.Cut(asked[0], " ")
	subst := func(v string) string {
		for name, user := range map[string]string{"ROOTSID": "root", "BENSID": "ben", "SID": "anna"} {
			if regexp.MustCompile(`\b` + name + `\b`).MatchString(v) {
				v = regexp.MustCompile(`\b`+name+`\b`).ReplaceAllString(v, s.as(user))
			}
		}
		return v
	}
	body := ""
	if len(asked) > 1 {
		body = strings.Join(asked[1:len(asked)-1], "\r\n") + "\r\n"
	}
	r := httptest.NewRequest(method, "http://cal.example.com"+subst(path), strings.NewReader(subst(body)))
	switch {
	case strings.HasPrefix(body, "--XX"):
		r.Header.Set("Content-Type", "multipart/form-data; boundary=XX")
	case strings.HasPrefix(body, "BEGIN:"):
		r.Header.Set("Content-Type", "text/calendar")
	case method == "POST":
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer := s.send(r).body
	for user, name := range map[string]string{"root": "ROOTSID", "ben": "BENSID", "anna": "SID"} {
		if s.sid[user] != "" {
			answer = strings.ReplaceAll(answer, s.sid[user], name)
		}
	}
	answer = guidPattern.ReplaceAllString(sidPattern.ReplaceAllString(answer, "NEWSID"), "GUID")
	return strings.Split(strings.TrimSuffix(strings.ReplaceAll(answer, "\r\n", "\n"), "\n"), "\n")
}
