package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"factotum/cmd/internal/davclient"
	"factotum/cmd/internal/migrate"
	"factotum/cmd/internal/tooltest"
	"factotum/server/calendar"
)

func TestCsimportCalls(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.ics")
	if err := os.WriteFile(file, []byte("BEGIN:VCALENDAR\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args string
		code int
		says string
	}{
		{"", exitUsage, "csimport -c jsmithcal calendar"},
		{"version", exitDone, ""},
		{"-?", exitDone, ""},
		{"-c jdoe", exitUsage, "csimport -c"},
		{"calendar " + file, exitUsage, "-c says into which calendar"},
		{"-c jdoe calendar", exitUsage, "which file"},
		{"-c jdoe restore " + file, exitUsage, `"restore" is not a command`},
		{"-z", exitUsage, "-z"},
		{"-q -v -c jdoe calendar " + file, exitUsage, "exclude each other"},
		{"-c jdoe calendar " + file + "x", exitNothing, "there is no"},
		{"-c jdoe calendar " + dir + "/a.xml", exitNothing, "there is no"},
		{"-C " + dir + "/none.conf -c jdoe calendar " + file, exitNothing, "none.conf"},
		{"calendar " + file + " -c jdoe -C " + dir + "/none.conf", exitNothing, "none.conf"},
	} {
		var out, errs bytes.Buffer
		code := runCsimport(t.Context(), strings.Fields(tc.args), stdio{strings.NewReader(""), &out, &errs})
		if code != tc.code || !strings.Contains(errs.String(), tc.says) {
			t.Errorf("csimport %s: exit %d, want %d\n%s", tc.args, code, tc.code, errs.String())
		}
	}
}

func TestCsexportCalls(t *testing.T) {
	for args, says := range map[string]string{
		"-c anna calendar": "one file or directory",
		"calendar x.ics":   "-c says which",
	} {
		var errs bytes.Buffer
		if code := runCsexport(t.Context(), strings.Fields(args), stdio{strings.NewReader(""), &errs, &errs}); code < exitUsage || !strings.Contains(errs.String(), says) {
			t.Errorf("csexport %s: %d %s", args, code, &errs)
		}
	}
}

// How a migration went is told calendar by calendar, item by item with -v, and
// by the exit code.
func TestCsmigrateTells(t *testing.T) {
	src, dst := tooltest.Backend(t), tooltest.Backend(t)
	url, _ := tooltest.Serve(t, src)
	tooltest.Import(t, src, "anna", "a", tooltest.Calendar(tooltest.Event("a", "A")))
	dir := t.TempDir()
	call := func(code int, stdout, stderr, flag string, change func(*migrate.Migration)) {
		t.Helper()
		c, err := davclient.New(davclient.Account{Address: url, User: "anna", Password: "secret"})
		if err != nil {
			t.Fatal(err)
		}
		m := &migrate.Migration{Source: migrate.Server{Client: c}, Backend: dst, Who: tooltest.Admin, Owner: "ben", Dir: dir}
		if change != nil {
			change(m)
		}
		var out, errs bytes.Buffer
		tl := &csmigrate{tool: newTool("csmigrate", "", stdio{strings.NewReader(""), &out, &errs}), workers: 1}
		got := tl.run(t.Context(), append(strings.Fields(flag), "x"), func(ctx context.Context, _ []string) error { return tl.work(ctx, []*migrate.Migration{m}) })
		if got != code || !strings.Contains(out.String(), stdout) || !strings.Contains(errs.String(), stderr) || (errs.Len() == 0) != (stderr == "") {
			t.Errorf("exit %d, want %d\n%s%s", got, code, &out, &errs)
		}
	}
	call(exitDone, "ben: 1 new, 0 changed, 0 unchanged, 0 deleted there, 0 refused (nothing was changed)\n", "", "", func(m *migrate.Migration) { m.Dry = true })
	call(exitDone, "ben: 1 new, 0 changed, 0 unchanged, 0 deleted there, 0 refused\n", "a.ics:4: item 1 (UID a) created\n", "-v", nil)
	call(exitDone, `"unchanged": 1`, "", "-v -j", nil)
	call(exitNothing, "null\n", `{"tool":"csmigrate","error":"no calendar was found there"}`+"\n", "-j", func(m *migrate.Migration) { m.Only = "none" })
	if err := dst.DeleteObject(t.Context(), tooltest.Admin, calendar.DeleteRequest{Ref: calendar.Ref{Calendar: "ben", Name: "a.ics"}}); err != nil {
		t.Fatal(err)
	}
	call(exitFailed, "", "csmigrate: ben: ", "-q", func(m *migrate.Migration) { m.Backend = deadBackend{dst} })
}

// deadBackend lists nothing.
type deadBackend struct{ calendar.Backend }

func (deadBackend) ListObjects(context.Context, calendar.Actor, calendar.ID, func(*calendar.Object) error) (calendar.Calendar, error) {
	return calendar.Calendar{}, &calendar.Error{Kind: calendar.Unavailable}
}
