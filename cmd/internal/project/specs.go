package project

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// key is a place in a standard: "RFC 4791" "5.3.2", or "WCAP" "storeevents".
type key struct{ doc, section string }

// places are the files that name it.
type places struct{ code, tests map[string]bool }

var (
	reRFC  = regexp.MustCompile(`RFC (\d{3,5})((?:(?:,| and| to)? ?§+ ?\d+(?:\.\d+)*(?:[–-]\d+(?:\.\d+)*)?)*)`)
	reSect = regexp.MustCompile(`§+ ?(\d+(?:\.\d+)*)`)
	reTest = regexp.MustCompile(`func (?:Test|Fuzz|Benchmark)RFC(\d{3,5})((?:_\d+)*)`)
	reWCAP = regexp.MustCompile(`WCAP ([a-z_]+)`)
)

// wcapCommands are those of WCAP 3.0.
var wcapCommands = strings.Fields(`calprops change_password check_id createcalendar deletecalendar deletecomponents_by_range
deleteevents_by_id deleteevents_by_range deletetodos_by_id deletetodos_by_range export fetch_deletedcomponents fetchattachment
fetchcomponents_by_alarmrange fetchcomponents_by_attendee_error fetchcomponents_by_lastmod fetchcomponents_by_range
fetchevents_by_id fetchtodos_by_id get_all_timezones get_calprops get_freebusy get_guids get_userprefs gettime import list
list_subscribed login logout ping search_calprops set_calprops set_userprefs storeevents storetodos subscribe_calendars
unsubscribe_calendars userprefs verifyevents_by_ids verifytodos_by_ids version`)

// find lists the places in standards that a line of source names.
func find(line string) (out []key) {
	for _, m := range reRFC.FindAllStringSubmatch(line, -1) {
		sections := reSect.FindAllStringSubmatch(m[2], -1)
		if len(sections) == 0 {
			out = append(out, key{"RFC " + m[1], ""})
		}
		for _, s := range sections {
			out = append(out, key{"RFC " + m[1], s[1]})
		}
	}
	for _, m := range reTest.FindAllStringSubmatch(line, -1) {
		out = append(out, key{"RFC " + m[1], strings.ReplaceAll(strings.TrimPrefix(m[2], "_"), "_", ".")})
	}
	for _, m := range reWCAP.FindAllStringSubmatch(line, -1) {
		if slices.Contains(wcapCommands, m[1]) {
			out = append(out, key{"WCAP", m[1]})
		}
	}
	return out
}

// collect reads all sources below a directory: comments, and names of tests.
func collect(dir string) (map[key]*places, error) {
	refs := map[key]*places{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && (name == "testdata" || strings.HasPrefix(name, ".") && path != dir || name == "project") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, ".pb.go") {
			return nil
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		return collectFile(path, filepath.ToSlash(rel), refs)
	})
	return refs, err
}

func collectFile(path, rel string, refs map[key]*places) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read sources: %w", err)
	}
	defer f.Close()
	test := strings.HasSuffix(rel, "_test.go") || strings.Contains(rel, "storetest/") || strings.Contains(rel, "calendartest/") || strings.Contains(rel, "caldavtest/")
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 4<<20)
	for sc.Scan() {
		line := sc.Text()
		_, comment, commented := strings.Cut(line, "//")
		if !commented {
			if !strings.HasPrefix(line, "func ") {
				continue
			}
			comment = line
		}
		for _, k := range find(comment) {
			p := refs[k]
			if p == nil {
				p = &places{map[string]bool{}, map[string]bool{}}
				refs[k] = p
			}
			if test {
				p.tests[rel] = true
			} else {
				p.code[rel] = true
			}
		}
	}
	if err := sc.Err(); err != nil {
		return fmt.Errorf("read %s: %w", rel, err)
	}
	return nil
}

// write prints docs/specs.md.
func write(w io.Writer, refs map[key]*places) {
	fmt.Fprint(w, "# Standards and where they are obeyed\n\n"+
		"Made from the comments and the names of tests by `make specs`; do not edit. *open*: the section is named, but not by\n"+
		"code, or not by a test of its own (rules are also tested by whole exchanges). Departures: [quirks.md](quirks.md).\n")
	keys := make([]key, 0, len(refs))
	for k := range refs {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b key) int {
		return cmp.Or(compareNumbers(strings.TrimPrefix(a.doc, "RFC "), strings.TrimPrefix(b.doc, "RFC ")), compareNumbers(a.section, b.section))
	})
	doc := ""
	for _, k := range keys {
		if k.doc != doc {
			doc = k.doc
			what := "section"
			if doc == "WCAP" {
				what = "command"
			}
			fmt.Fprintf(w, "\n## %s\n\n| %s | code | tests |\n|---|---|---|\n", doc, what)
		}
		section := k.section
		if section == "" {
			section = "(whole)"
		}
		fmt.Fprintf(w, "| %s | %s | %s |\n", section, list(refs[k].code), list(refs[k].tests))
	}
}

// list prints files, the first few of many.
func list(files map[string]bool) string {
	if len(files) == 0 {
		return "*open*"
	}
	const most = 6
	var names []string
	for f := range files {
		names = append(names, f)
	}
	slices.Sort(names)
	more := ""
	if len(names) > most {
		more = fmt.Sprintf(" and %d more", len(names)-most)
		names = names[:most]
	}
	return strings.Join(names, ", ") + more
}

// compareNumbers orders "3.3.10" after "3.3.9", and words by letter behind
// numbers.
func compareNumbers(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		x, err1 := strconv.Atoi(as[i])
		y, err2 := strconv.Atoi(bs[i])
		switch {
		case err1 == nil && err2 == nil && x != y:
			return cmp.Compare(x, y)
		case (err1 == nil) != (err2 == nil):
			if as[i] == "" {
				return -1
			}
			if bs[i] == "" {
				return 1
			}
			if err1 == nil {
				return -1
			}
			return 1
		case err1 != nil && as[i] != bs[i]:
			return strings.Compare(as[i], bs[i])
		}
	}
	return cmp.Compare(len(as), len(bs))
}
