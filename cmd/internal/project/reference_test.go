package project

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pages are those of docs/reference, by what a citation calls them.
var pages = map[string]string{
	"WCAP": "wcap", "wcap.md": "wcap", "admin.md": "admin", "clients.md": "clients", "ldap.md": "ldap", "notifications.md": "notifications",
}

// bare are the files whose sections without a document are those of one that
// is not in docs/reference, and which. Names ending in a slash are directories.
// A page of docs/reference means itself.
var bare = map[string]string{
	"server/ical/":  "RFC 5545",
	"protocol/dav/": "RFC 4918, or XML 1.0 and Namespaces in XML in what reads XML",
}

// A cited is a section of a document as a text names it.
type cited struct {
	doc     string // as written; "" if there is none
	section string // "9.4", "9-pre", "P.3"
	rule    string // "8" of "§10 rule 8"
	offset  int
}

var (
	// What joins lines: in comments of Go and SQL, and in paragraphs.
	reBreak = regexp.MustCompile(`\r?\n[ \t]*(?://|--|#)?[ \t]*`)
	// A document, and what may stand between it and a section.
	reDoc = regexp.MustCompile("(?:\\b(WCAP|[a-z]+\\.md|RFC +\\d+|XML +1\\.0|Namespaces +in +XML|Names)\\b|" +
		// Sun's guides, as docs/reference names them.
		"\\b(AG63|A63|AG05Q4|MS63|SCH5|ENS5)\\b)[`)*]*(?:,? +(?:\\((?:fifth edition)\\)|[a-z_]+,))?[ ,]*$")
	reSection = regexp.MustCompile(`§+ *(\d+(?:\.\d+)*(?:-pre)?|P\.\d+)(?: +rule +(\d+))?`)
	// What carries on after a section: the next, of the same document. Without
	// its own sign it is one only behind §§, as the end of a range, or if
	// nothing else looks like it.
	reNext = regexp.MustCompile(`^(–|(?: *(?:,|;|–| to| and| or)+ +))(?:(§+) *)?(\d+(?:\.\d+)*(?:-pre)?|P\.\d+)(?: +rule +(\d+))?`)
	// Without a sign: in names of tests, and the vocabulary of WCAP.
	reName = regexp.MustCompile(`(?:func TestWCAP_(\d+(?:_\d+)*)|\bWCAP +(P\.\d+))`)
)

// citations lists the sections that a text names, in order.
func citations(text string) (out []cited) {
	text = reBreak.ReplaceAllStringFunc(text, func(s string) string { return strings.Repeat(" ", len(s)) })
	for _, m := range reName.FindAllStringSubmatchIndex(text, -1) {
		section := text[max(m[2], m[4]):max(m[3], m[5])]
		out = append(out, cited{doc: "WCAP", section: strings.ReplaceAll(section, "_", "."), offset: m[0]})
	}
	for at := 0; ; {
		m := reSection.FindStringSubmatchIndex(text[at:])
		if m == nil {
			return out
		}
		group := func(m []int, base, n int) string {
			if m[2*n] < 0 {
				return ""
			}
			return text[base+m[2*n] : base+m[2*n+1]]
		}
		c := cited{section: group(m, at, 1), rule: group(m, at, 2), offset: at + m[0]}
		if d := reDoc.FindStringSubmatch(text[max(0, c.offset-80):c.offset]); d != nil {
			c.doc = strings.Join(strings.Fields(d[1]+d[2]), " ")
		}
		out = append(out, c)
		many := strings.HasPrefix(text[c.offset:], "§§")
		for at += m[1]; ; {
			m := reNext.FindStringSubmatchIndex(text[at:])
			if m == nil {
				break
			}
			joint, sign, section := group(m, at, 1), group(m, at, 2), group(m, at, 3)
			if sign == "" && !many && joint != "–" && section[0] != 'P' {
				break
			}
			out = append(out, cited{doc: c.doc, section: section, rule: group(m, at, 4), offset: at + m[0]})
			at += m[1]
		}
	}
}

// A page is a text of docs/reference: its sections, each with the numbers of
// the items of its lists.
type page map[string]map[string]bool

var (
	reHeading = regexp.MustCompile(`^#{2,4} (.+)`)
	reNumber  = regexp.MustCompile(`(?:^|, )(\d+(?:\.\d+)*(?:-pre)?|P\.\d+)\.? `)
	reItem    = regexp.MustCompile(`^(\d+)\. `)
)

func readPage(text string) page {
	p := page{}
	var now []string
	for line := range strings.SplitSeq(text, "\n") {
		if h := reHeading.FindStringSubmatch(line); h != nil {
			title, _, _ := strings.Cut(h[1], "  [") // its sources
			now = nil
			for _, n := range reNumber.FindAllStringSubmatch(title, -1) {
				now = append(now, n[1])
				p[n[1]] = map[string]bool{}
			}
		}
		if i := reItem.FindStringSubmatch(line); i != nil {
			for _, n := range now {
				p[n][i[1]] = true
			}
		}
	}
	return p
}

func readPages(t *testing.T) map[string]page {
	t.Helper()
	read := map[string]page{}
	for _, name := range pages {
		text, err := os.ReadFile(filepath.Join(root(t), "docs", "reference", name+".md"))
		if err != nil {
			t.Fatal(err)
		}
		read[name] = readPage(string(text))
	}
	return read
}

// wrong says what is wrong with a citation in a file, or nothing.
func wrong(c cited, file string, read map[string]page) string {
	name, ours := pages[c.doc]
	if c.doc == "" {
		if name, ours = strings.CutPrefix(file, "docs/reference/"); ours {
			name = strings.TrimSuffix(name, ".md")
		} else {
			for place := range bare {
				if strings.HasPrefix(file, place) {
					return ""
				}
			}
			return "§" + c.section + " of which document?"
		}
	}
	if !ours {
		if strings.HasSuffix(c.doc, ".md") {
			return c.doc + " is no page of docs/reference"
		}
		return ""
	}
	p, ok := read[name]
	if !ok {
		return name + ".md is no page of docs/reference"
	}
	items, ok := p[c.section]
	if !ok {
		return "docs/reference/" + name + ".md has no section " + c.section
	}
	if c.rule != "" && !items[c.rule] {
		return "docs/reference/" + name + ".md §" + c.section + " has no rule " + c.rule
	}
	return ""
}

// TestCitations: every section that a comment, a script or a page names is
// there to be read. Those of RFCs are collected in docs/specs.md.
func TestCitations(t *testing.T) {
	read := readPages(t)
	dir, n := root(t), 0
	kinds := []string{".go", ".md", ".sql", ".fmt", ".txtar", ".script", ".sh", ".conf", ".proto"}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == ".git" {
			return filepath.SkipDir
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		// This file has examples of what is wrong, specs.md is made from RFCs.
		if d.IsDir() || !slices.Contains(kinds, filepath.Ext(rel)) || rel == "cmd/internal/project/reference_test.go" {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text := string(data)
		for _, c := range citations(text) {
			if _, ours := pages[c.doc]; ours {
				n++
			}
			if w := wrong(c, rel, read); w != "" {
				t.Errorf("%s:%d: %s", rel, 1+strings.Count(text[:c.offset], "\n"), w)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < 100 {
		t.Errorf("only %d citations of docs/reference were found", n)
	}
}

// Every command of WCAP has its section.
func TestCommandsHaveSections(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root(t), "docs", "reference", "wcap.md"))
	if err != nil {
		t.Fatal(err)
	}
	headings := strings.Join(regexp.MustCompile(`(?m)^#{3} 9\.\d.*$`).FindAllString(string(text), -1), "\n")
	for _, m := range regexp.MustCompile(`9\.\d+ ([a-z_]+)\.wcap`).FindAllStringSubmatch(headings, -1) {
		if !slices.Contains(wcapCommands, m[1]) {
			t.Errorf("%s is in docs/reference/wcap.md, and not known to make specs", m[1])
		}
	}
}

// What is no citation is not taken for one, and what is wrong is found.
func TestCitationsAreFound(t *testing.T) {
	read := readPages(t)
	for _, c := range []struct{ text, want string }{
		{"// within deletes what lies in a window. WCAP §9.4.", "WCAP 9.4"},
		{"// lists. WCAP §7.11, §9.35,\n\t// §9.36.", "WCAP 7.11; WCAP 9.35; WCAP 9.36"},
		{"// properties. WCAP §5, §7, P.3.", "WCAP 5; WCAP 7; WCAP P.3"},
		{"// WCAP §9-pre, P.2.", "WCAP 9-pre; WCAP P.2"},
		{"// one that is. WCAP §9.15, §10 rule 8.", "WCAP 9.15; WCAP 10 rule 8"},
		{"// WCAP get_freebusy, §7.10.", "WCAP 7.10"},
		{"-- ldap.md §§5.2, 6.3.", "ldap.md 5.2; ldap.md 6.3"},
		{"see [clients.md §12.3](reference/clients.md)", "clients.md 12.3"},
		{"// files roll over. admin.md §6.11, §18: they", "admin.md 6.11; admin.md 18"},
		{"// admin.md\n// §11.1. It works", "admin.md 11.1"},
		{"// RFC 4791 §4.1, 12 of them, WCAP §2.6.4", "RFC 4791 4.1; WCAP 2.6.4"},
		{"// RFC\n// 4791 §9.3.", "RFC 4791 9.3"},
		{"// WCAP §7.1–7.3 and §8.1: both", "WCAP 7.1; WCAP 7.3; WCAP 8.1"},
		{"// RFC 5545 §3.8.8.3. WCAP is older. §9.4 is not of it", "RFC 5545 3.8.8.3; ? 9.4"},
		{"// (fifth edition) XML 1.0 (fifth edition) §2.3", "XML 1.0 2.3"},
		{"func TestWCAP_13_Complete(t", "WCAP 13"},
		{"// at login. WCAP P.2. WCAP 3.0 has it", "WCAP P.2"},
		{"Sources: AG63 §§1.10, 5.1, ch. 9; §2.1", "AG63 1.10; AG63 5.1; ? 2.1"},
	} {
		var got []string
		for _, f := range citations(c.text) {
			s := f.doc + " " + f.section
			if f.doc == "" {
				s = "? " + f.section
			}
			if f.rule != "" {
				s += " rule " + f.rule
			}
			got = append(got, s)
			if w := wrong(f, "docs/reference/wcap.md", read); w != "" && f.doc != "" {
				t.Errorf("%s: %s", c.text, w)
			}
		}
		if g := strings.Join(got, "; "); g != c.want {
			t.Errorf("%s: %s, want %s", c.text, g, c.want)
		}
	}
	for _, c := range []struct{ text, file, want string }{
		{"WCAP §9.48", "x.go", "docs/reference/wcap.md has no section 9.48"},
		{"WCAP §9.4, §9.41", "x.go", "docs/reference/wcap.md has no section 9.41"},
		{"WCAP §5, P.9", "x.go", "docs/reference/wcap.md has no section P.9"},
		{"WCAP §10 rule 80", "x.go", "docs/reference/wcap.md §10 has no rule 80"},
		{"ldap.md §§5.2, 6.30", "x.go", "docs/reference/ldap.md has no section 6.30"},
		{"clients.md §15", "docs/x.md", "docs/reference/clients.md has no section 15"},
		{"people.md §1", "x.go", "people.md is no page of docs/reference"},
		{"the model, §7.5", "server/calendar/x.go", "§7.5 of which document?"},
		{"see §99", "docs/reference/admin.md", "docs/reference/admin.md has no section 99"},
		{"func TestWCAP_99(t", "x_test.go", "docs/reference/wcap.md has no section 99"},
	} {
		got := ""
		for _, f := range citations(c.text) {
			got += wrong(f, c.file, read)
		}
		if got != c.want {
			t.Errorf("%s in %s: %q, want %q", c.text, c.file, got, c.want)
		}
	}
}
