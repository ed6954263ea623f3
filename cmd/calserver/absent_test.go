package main

import (
	"bytes"
	"strings"
	"testing"
)

// Every program of Sun's is here, or tells what does its work; by its own name
// and as a command of calserver. admin.md §8.
func TestSunsPrograms(t *testing.T) {
	for name := range strings.FieldsSeq("csattribute csbackup cscal csclean cscomponents csdb csdomain csexport csimport csmonitor csplugin " +
		"cspurge csrename csresource csrestore csschedule csstats cstool csuser start-cal stop-cal csstored cshttpd csdwpd csnotifyd watcher " +
		"csconfigurator.sh cs5migrate csmig csmigrate csvdmig commdirmig csservice enpd csadmind comm_dssetup.pl commadmin") {
		if _, ok := programs[name]; !ok {
			t.Errorf("%s is not known", name)
			continue
		}
		if absentPrograms[name] == "" {
			continue
		}
		for _, args := range [][]string{{name, "list", "-x"}, {"calserver", name, "list"}} {
			var out, errs bytes.Buffer
			code := run(t.Context(), args, stdio{strings.NewReader(""), &out, &errs})
			if code != exitFailed || out.Len() > 0 || !strings.HasPrefix(errs.String(), name+": not part of this release: ") || len(errs.String()) < len(name)+50 {
				t.Errorf("%q: exit %d\n%s%s", args, code, &out, &errs)
			}
		}
	}
	for name, answer := range absentPrograms {
		for quoted := range strings.SplitSeq(answer, "\"") {
			if word, _, _ := strings.Cut(quoted, " "); strings.HasPrefix(word, "cs") || strings.HasPrefix(word, "start-") {
				if _, ok := programs[word]; !ok || absentPrograms[word] != "" {
					t.Errorf("%s: advises %s, which is not here", name, word)
				}
			}
		}
	}
}
