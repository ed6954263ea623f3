package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"factotum/cmd/internal/davclient"
	"factotum/cmd/internal/hosttest"
	"factotum/cmd/internal/migrate"
	"factotum/cmd/internal/tooltest"
	"factotum/server/calendar"
	"factotum/server/config"
)

// interrupting is a backend during whose n-th write or object Ctrl-C is pressed.
type interrupting struct {
	calendar.Backend
	t *testing.T
	n int

	noticed <-chan struct{} // where the context of a call does not tell
}

func (b *interrupting) press(ctx context.Context) {
	if b.n--; b.n != 0 {
		return
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
		b.t.Error(err)
		return
	}
	select {
	case <-ctx.Done():
	case <-b.noticed:
	case <-time.After(hosttest.Patience):
		b.t.Error("nobody noticed")
	}
}

func (b *interrupting) Sync(ctx context.Context, who calendar.Actor, req calendar.SyncRequest, emit func(calendar.SyncItem) error) (calendar.SyncResult, error) {
	return b.Backend.Sync(ctx, who, req, func(it calendar.SyncItem) error {
		b.press(ctx)
		return emit(it)
	})
}

func (b *interrupting) PutObjects(ctx context.Context, who calendar.Actor, req calendar.PutObjectsRequest) ([]calendar.PutItemResult, error) {
	res, err := b.Backend.PutObjects(ctx, who, req)
	b.press(ctx)
	return res, err
}

// Ctrl-C ends a tool with 130, and it tells what was done until then.
func TestInterrupted(t *testing.T) {
	src, dst := tooltest.Backend(t), tooltest.Backend(t)
	tooltest.Import(t, src, "anna", "a", tooltest.Calendar(tooltest.Event("a", "A"), tooltest.Event("b", "B"), tooltest.Event("c", "C")))
	url, _ := tooltest.Serve(t, src)
	run := func(stdout string, flags string, do func(ctx context.Context, tl *tool) error) {
		t.Helper()
		var out, errs bytes.Buffer
		tl := newTool("tool", "", stdio{strings.NewReader(""), &out, &errs})
		code := tl.run(t.Context(), append(strings.Fields(flags), "x"), func(ctx context.Context, _ []string) error { return do(ctx, tl) })
		says := "tool: interrupted\n"
		if tl.json {
			says = `{"tool":"tool","error":"interrupted"}` + "\n"
		}
		if code != 130 || out.String() != stdout || errs.String() != says {
			t.Errorf("exit %d\n%s%s", code, &out, &errs)
		}
	}
	folder, file := filepath.Join(t.TempDir(), "out")+"/", filepath.Join(t.TempDir(), "a.ics")
	export := func(n int, target string) func(context.Context, *tool) error {
		return func(ctx context.Context, tl *tool) error {
			return tl.export(ctx, &backend{Backend: &interrupting{Backend: src, t: t, n: n}, who: tooltest.Admin, cfg: config.Default()}, "anna", target)
		}
	}
	run("anna: 2 objects in "+folder+"\n", "", export(2, folder))
	run("{\n  \"calendar\": \"anna\",\n  \"target\": \""+folder+"\",\n  \"objects\": 1,\n  \"failed\": 0\n}\n", "--json", export(1, folder))
	run("", "-q", export(2, folder))
	run("anna: nothing was written\n", "", export(2, file))
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Error("there is half a file")
	}
	run("ben: 3 new, 0 changed, 0 unchanged, 0 deleted there, 0 refused\n", "", func(ctx context.Context, tl *tool) error {
		c, err := davclient.New(davclient.Account{Address: url, User: "anna", Password: "secret"})
		if err != nil {
			t.Fatal(err)
		}
		return (&csmigrate{tool: tl, workers: 1}).work(ctx, []*migrate.Migration{{Source: migrate.Server{Client: c}, Backend: &interrupting{dst, t, 1, ctx.Done()}, Who: tooltest.Admin, Owner: "ben", Dir: t.TempDir()}})
	})
	run("x: 1 of 7 owners were done\n", "", func(ctx context.Context, tl *tool) error {
		f := tl.far("x")
		f.of = 7
		f.next("anna")
		f.next("ben")
		(&interrupting{t: t, n: 1}).press(ctx)
		return f.end(ctx, ctx.Err())
	})
	r, w, err := os.Pipe() // nobody answers a question
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var errs bytes.Buffer
	tl := newTool("tool", "", stdio{r, &errs, &errs})
	if code := tl.run(t.Context(), []string{"x"}, func(ctx context.Context, _ []string) error {
		go (&interrupting{t: t, n: 1}).press(ctx)
		return tl.confirm(ctx, "Really?")
	}); code != 130 || errs.String() != "Really? (y/n) \ntool: interrupted\n" {
		t.Errorf("exit %d\n%s", code, &errs)
	}
}

// csimport, in a process of its own, is interrupted while it waits for more.
func TestImportInterrupted(t *testing.T) {
	site := quickstartSite(t)
	var events []string
	for i := range 120 { // more than a batch
		events = append(events, tooltest.Event("e"+strings.Repeat("x", i), "E"))
	}
	file := filepath.Join(t.TempDir(), "a.ics")
	hosttest.Write(t, file, tooltest.Calendar(events...))
	cmd := testProgram(t, "", "csimport", "-C", site.conf, "-v", "-c", "anna", "calendar", file, "-")
	var out, errs hosttest.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	awaitServer(t, "in the midst of it", ended, &errs, func() bool { return strings.Count(errs.String(), "created\n") == 100 })
	cmd.Process.Signal(os.Interrupt)
	select {
	case <-ended:
	case <-time.After(hosttest.Patience):
		cmd.Process.Kill()
		t.Fatal("it does not end")
	}
	if code := cmd.ProcessState.ExitCode(); code != 130 || !strings.HasPrefix(out.String(), "anna: 100 stored (100 new") || !strings.HasSuffix(errs.String(), "csimport: interrupted\n") {
		t.Errorf("exit %d\n%s%s", code, &out, errs.String()[max(0, len(errs.String())-200):])
	}
}

// Every call with --json answers one document, in words of small letters, and
// each error is an object on a line.
func TestJSON(t *testing.T) {
	site := quickstartSite(t)
	dir := t.TempDir()
	hosttest.Write(t, filepath.Join(dir, "secret"), "a password 1\n")
	hosttest.Write(t, filepath.Join(dir, "a.ics"), tooltest.Calendar(tooltest.Event("a", "A")))
	t.Setenv(configEnv, site.conf)
	for _, tc := range []struct {
		call string
		code int
		want string // in the document, or in the error
	}{
		{"csuser -f - create bert", 0, `"done":"made"`},
		{"csuser --generate create carl", 0, `"password":"`},
		{"csuser disable bert", 0, `{"done":"disabled","user":"bert"}`},
		{"csuser list", 0, `"enabled":false,"kind":"individual","mails":["bert@example.com"],"name":"bert","user":"bert"`},
		{"csuser list carl", 0, `"user":"carl"`},
		{"csuser check carl", 0, `{"enabled":true,"user":"carl"}`},
		{"csuser check bert", 1, `{"enabled":false,"user":"bert"}`},
		{"csuser app-password add carl phone", 0, `"password":"app-`},
		{"csuser app-password list carl", 0, `"label":"phone"`},
		{"csuser -q inherit carl", 1, `there are no calendars of that name`},
		{"csuser list nobody", 1, `nobody is not in the directory`},
		{"csuser prefs carl factotumMailInvitations=perhaps", 1, `is one of add, known, hold, refuse`},
		{"csuser prefs carl factotumMailNever=eve", 1, `@domain`},
		{"csimip held list carl", 0, `[]`},
		{"csimip held list nobody", 1, `nobody is not in the directory: \"csuser list\" shows the user ids`},
		{"csimip held show carl 4711", 1, `nothing is held under 4711`},
		{"csimip held frob carl", 2, `not a command`},
		{"csimip held accept carl", 2, `which?`},
		{"csuser frob", 2, `is not a command`},
		{"csuser", 2, `no command was given`},
		{"csuser --frob", 2, `frob`},
		{"csuser version", 0, `"tool":"csuser"`},
		{"csuser locked", 0, `[]`},
		{"csuser unlock anna", 0, `{`},
		{"cscal -n Work -o anna create work", 0, `{"calendar":"anna:work","done":"made"}`},
		{"cscal list", 0, `"calendar":"anna:work","components":["VEVENT","VTODO","VJOURNAL"]`},
		{"cscal list anna:work", 0, `"objects":0,"owner":"anna"`},
		{"cscal -o anna disable", 0, `{"calendar":"anna:work","done":"disabled"}`},
		{"cscal list anna:none", 1, `"ref":"anna:none"`},
		{"csimport -n -c anna:in calendar " + dir + "/a.ics", 0, `"created":1`},
		{"csimport -c anna:no calendar " + dir + "/a.ics", 3, `there is no such calendar`},
		{"csexport -c anna:in calendar " + dir + "/out/", 0, `"objects":1`},
		{"csexport -c anna:in calendar -", 2, `--json wants a file`},
		{"csmigrate -u anna -f " + dir + "/anna -o carl list " + site.url, 0, `"calendar":"carl:in","components":["VEVENT","VTODO","VJOURNAL"],"name":"in","objects":1,"source":"/dav/calendars/anna/in/"`},
		{"csmigrate -u anna -f " + dir + "/anna -o carl " + site.url, 0, `"new":1`},
		{"csmigrate -u anna -f " + dir + "/secret -o carl list " + site.url, 3, `password is wrong`},
		{"csdb list", 0, `"server_running":true`},
		{"csdb check", 0, `"findings":[]`},
		{"csdb rebuild", 0, `"rebuilt":2`},
		{"csdb create", 0, `"done":"found"`},
		{"csdb jobs retry", 0, `"jobs":0`},
		{"csdb recover", 1, `the database is in use`},
		{"cscal -q -o anna delete", 0, `"done":"deleted"`},
		{"csuser -q --with-calendars delete carl", 0, `"copies":"`},
		{"calserver status", 0, `"component":"store"`},
		{"calserver version", 0, `"version":"`},
		{"calserver config show --changed", 0, `"name":"service.http.port"`},
		{"calserver config check --offline", 0, `[`},
		{"calserver links " + dir + "/bin", 0, `"links":`},
		{"calserver certificates --dir " + dir + " a.example.com", 0, `"done":"made"`},
		{"calserver selftest --user anna --password-file " + dir + "/anna " + site.url, 0, `"failed":0`},
		{"calserver selftest " + site.url, 1, `needs --user`},
		{"calserver frob", 1, `unknown command`},
		{"start-cal -A", 0, `"component":"http","enabled":true`},
		{"start-cal", 1, `runs in the foreground already`},
		{"start-cal frob", 1, `there is no component`},
		{"start-cal --frob", 2, `frob`},
		{"stop-cal --frob", 2, `frob`},
		{"cstool x", 1, `calserver status`},
	} {
		hosttest.Write(t, filepath.Join(dir, "anna"), "anna-pw\n")
		words := strings.Fields(tc.call)
		var out, errs bytes.Buffer
		args := append([]string{words[0]}, append([]string{"--json"}, words[1:]...)...)
		if words[0] == "calserver" {
			args = append(words, "--json")
		}
		code := run(t.Context(), args, stdio{strings.NewReader("a password 1\n"), &out, &errs})
		said := ""
		for _, text := range []string{out.String(), errs.String()} {
			dec := json.NewDecoder(strings.NewReader(text))
			for n := 0; dec.More(); n++ {
				var v any
				if err := dec.Decode(&v); err != nil || n > 0 && text == out.String() {
					t.Errorf("%s: not one document: %v\n%s", tc.call, err, text)
					break
				}
				var b bytes.Buffer // keys in order
				enc := json.NewEncoder(&b)
				enc.SetEscapeHTML(false)
				enc.Encode(v)
				said += b.String()
			}
		}
		if code != tc.code || !strings.Contains(said, tc.want) || strings.ContainsAny(keysOf(said), "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") {
			t.Errorf("%s: exit %d, want %d and %s\n%s%s", tc.call, code, tc.code, tc.want, &out, &errs)
		}
		if code == 0 && errs.Len() > 0 {
			t.Errorf("%s: complains of %s", tc.call, &errs)
		}
	}
}

// keysOf are the names of a document.
func keysOf(doc string) (keys string) {
	for i, part := range strings.Split(doc, `":`) {
		if j := strings.LastIndexByte(part, '"'); i >= 0 && j >= 0 {
			keys += part[j:]
		}
	}
	return keys
}

// With -q a tool says nothing when all went well, whatever it is asked.
func TestQuiet(t *testing.T) {
	site := quickstartSite(t)
	dir := t.TempDir()
	hosttest.Write(t, filepath.Join(dir, "anna"), "anna-pw\n")
	hosttest.Write(t, filepath.Join(dir, "a.ics"), tooltest.Calendar(tooltest.Event("a", "A")))
	t.Setenv(configEnv, site.conf)
	for _, call := range []string{
		"csuser -f " + dir + "/anna create bert", "csuser disable bert", "csuser enable bert", "csuser list", "csuser list bert", "csuser check bert",
		"csuser -f " + dir + "/anna password bert", "csuser app-password list bert", "csuser locked", "csuser unlock bert", "csuser reset bert", "csuser delete bert",
		"cscal -o anna create work", "cscal -n W modify anna:work", "cscal list", "cscal -o anna list", "cscal list anna:work", "cscal disable anna:work",
		"cscal -o anna enable", "cscal reset anna:work",
		"csimport -c anna calendar " + dir + "/a.ics", "csexport -c anna calendar " + dir + "/b.ics", "csexport -c anna calendar " + dir + "/out/",
		"csmigrate -u anna -f " + dir + "/anna -o anna list " + site.url, "csmigrate -n -u anna -f " + dir + "/anna -o anna " + site.url,
		"csdb list", "csdb check", "csdb rebuild", "csdb create", "csdb jobs", "csdb jobs retry", "csdb jobs drop --parked",
		"cscal delete anna:work", "cscal -o anna delete",
		"calserver status", "calserver version", "calserver config check --offline", "calserver config show", "calserver links " + dir + "/bin", "calserver certificates --dir " + dir + " a.example.com",
		"calserver selftest --user anna --password-file " + dir + "/anna " + site.url,
		"start-cal -A", "start-cal -l",
	} {
		words := strings.Fields(call)
		args := append([]string{words[0], "-q"}, words[1:]...)
		if words[0] == "calserver" {
			args = append(words, "-q")
		}
		var out bytes.Buffer
		if code := run(t.Context(), args, stdio{strings.NewReader(""), &out, &out}); code != 0 || out.Len() > 0 {
			t.Errorf("%s: exit %d\n%s", call, code, &out)
		}
	}
}
