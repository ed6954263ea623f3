package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"factotum/cmd/internal/freeport"
	"factotum/store/storetest/pgtest"
)

// TestScripts runs testdata/script/*.txtar: the whole server, as a person and
// an administrator use it.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", filepath.Join(e.WorkDir, "home"))
			e.Setenv("XDG_DATA_HOME", "")
			e.Setenv("CALSERVER_CONFIG", "")
			e.Setenv("DOCS", docsDir(t))
			scriptTells(e)
			return os.Mkdir(filepath.Join(e.WorkDir, "home"), 0o700)
		},
		Condition: scriptCondition,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"port": scriptPort(t), "await": scriptAwait, "http": scriptHTTP, "signal": scriptSignal, "keep": scriptKeep,
			"doc": scriptDoc, "gone": scriptGone, "slow": scriptSlow, "busy": scriptBusy, "edit": scriptEdit, "leave": scriptLeave, "tmpfs": scriptTmpfs, "until": scriptUntilSays,
			"postgres": func(ts *testscript.TestScript, _ bool, args []string) { ts.Setenv(args[0], pgtest.Start(t)) }, // an empty database
		},
	})
}

func docsDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "..", "docs"))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// scriptCondition: [namespaces] says that mount namespaces may be made. In CI all that
// scripts need has to be there: none is skipped.
func scriptCondition(cond string) (bool, error) {
	ok, err := scriptCan(cond)
	if !ok && err == nil && os.Getenv("CI") == "true" {
		err = fmt.Errorf("%q does not hold, as it has to in CI: tests run as root, with the packages of .ci/packages", cond)
	}
	return ok, err
}

func scriptCan(cond string) (bool, error) {
	switch cond {
	case "namespaces":
		return exec.Command("unshare", "-rm", "true").Run() == nil, nil
	case "mount":
		dir, err := os.MkdirTemp("", "mount")
		if err != nil {
			return false, err
		}
		defer os.Remove(dir)
		if syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k") != nil {
			return false, nil
		}
		return true, syscall.Unmount(dir, syscall.MNT_DETACH)
	case "openssl":
		_, err := exec.LookPath("openssl")
		return err == nil, nil
	case "postgres":
		found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
		return len(found) > 0, err
	case "slapd":
		_, err := exec.LookPath("slapd")
		_, err2 := exec.LookPath("ldapadd")
		return err == nil && err2 == nil, nil
	}
	return false, fmt.Errorf("unknown condition %q", cond)
}

// scriptPort is "port NAME...": free ports into variables.
func scriptPort(t *testing.T) func(ts *testscript.TestScript, neg bool, args []string) {
	return func(ts *testscript.TestScript, _ bool, args []string) {
		for _, name := range args {
			ts.Setenv(name, strconv.Itoa(freeport.Take(t, "127.0.0.1")))
		}
	}
}

// scriptHTTP is "http METHOD URL [USER:PASSWORD|-] [FILE] [Header:value...]";
// the status and the answer go to the file "answer". "! http" wants a status
// of 400 or more.
func scriptHTTP(ts *testscript.TestScript, neg bool, args []string) {
	var body io.Reader
	if len(args) > 3 && args[3] != "-" {
		body = strings.NewReader(ts.ReadFile(args[3]))
	}
	req, err := http.NewRequest(args[0], args[1], body)
	ts.Check(err)
	if len(args) > 2 && args[2] != "-" {
		user, password, _ := strings.Cut(args[2], ":")
		req.SetBasicAuth(user, password)
	}
	for _, h := range args[min(4, len(args)):] {
		name, value, _ := strings.Cut(h, ":")
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	ts.Check(err)
	text := fmt.Sprintf("%s\n", resp.Status)
	for k := range resp.Header {
		text += k + ": " + resp.Header.Get(k) + "\n"
	}
	ts.Check(os.WriteFile(ts.MkAbs("answer"), append([]byte(text+"\n"), answer...), 0o600))
	if (resp.StatusCode >= 400) != neg {
		ts.Fatalf("%s %s: %s\n%s", args[0], args[1], resp.Status, answer)
	}
}

// scriptTmpfs is "tmpfs DIR SIZE": a small disk, for as long as the script runs.
func scriptTmpfs(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o700))
	ts.Check(syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+args[1]))
	ts.Defer(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
}

// scriptSignal is "signal KILL|TERM PIDFILE": to the process whose pid file
// that is.
func scriptSignal(ts *testscript.TestScript, _ bool, args []string) {
	pid, err := strconv.Atoi(strings.TrimSpace(ts.ReadFile(args[1])))
	ts.Check(err)
	sig := syscall.SIGTERM
	if args[0] == "KILL" {
		sig = syscall.SIGKILL
	}
	ts.Check(syscall.Kill(pid, sig))
}

// scriptGone is "gone PIDFILE": until its process has ended or another one is
// in its place; the old number is in $OLDPID.
func scriptGone(ts *testscript.TestScript, _ bool, args []string) {
	old := ts.Getenv("OLDPID")
	scriptUntil(ts, "gone "+args[0], func() bool {
		b, err := os.ReadFile(ts.MkAbs(args[0]))
		now := strings.TrimSpace(string(b))
		return err != nil || now == "" || now != old
	})
}

// scriptKeep is "keep NAME FILE [PATTERN]": the content of a file, or what the first
// group of the pattern finds there, into a variable.
func scriptKeep(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[1])
	if len(args) > 2 {
		found := regexp.MustCompile(args[2]).FindStringSubmatch(text)
		if len(found) != 2 {
			ts.Fatalf("%s has no %s", args[1], args[2])
		}
		text = found[1]
	}
	ts.Setenv(args[0], strings.TrimSpace(text))
}

// scriptDoc is "doc PAGE TITLE FILE": the code block of docs/PAGE that stands
// after the comment "test: TITLE".
func scriptDoc(ts *testscript.TestScript, _ bool, args []string) {
	page, err := os.ReadFile(filepath.Join(ts.Getenv("DOCS"), args[0]))
	ts.Check(err)
	_, rest, ok := strings.Cut(string(page), "<!-- test: "+args[1]+" -->\n")
	if !ok {
		ts.Fatalf("docs/%s has no block %q", args[0], args[1])
	}
	_, rest, _ = strings.Cut(rest, "\n") // the fence
	block, _, ok := strings.Cut(rest, "```")
	if !ok {
		ts.Fatalf("docs/%s: the block %q has no end", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(block), 0o600))
}

// scriptEdit is "edit FILE LINE...": lines at the end of an ics.conf, where
// the last one wins.
func scriptEdit(ts *testscript.TestScript, _ bool, args []string) {
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	ts.Check(err)
	defer f.Close()
	for _, line := range args[1:] {
		name, value, _ := strings.Cut(line, "=")
		_, err := fmt.Fprintf(f, "%s = %q\n", name, value)
		ts.Check(err)
	}
}

// scriptBusy is "busy NAME": a port on which another program listens, until
// the script ends.
func scriptBusy(ts *testscript.TestScript, _ bool, args []string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { ln.Close() })
	ts.Setenv(args[0], strconv.Itoa(ln.Addr().(*net.TCPAddr).Port))
}

// scriptLeave is "leave CONFIG": stop-cal when the script ends, however it
// ends.
func scriptLeave(ts *testscript.TestScript, _ bool, args []string) {
	conf := ts.MkAbs(args[0])
	ts.Defer(func() { stopCal(context.Background(), []string{"-f", "-C", conf}, stdio{nil, io.Discard, io.Discard}) })
}

// scriptSlow is "slow URL USER:PASSWORD FILE PIDFILE": a PUT that is half sent
// when the server is told to stop, and must be answered all the same.
func scriptSlow(ts *testscript.TestScript, _ bool, args []string) {
	data := []byte(ts.ReadFile(args[2]))
	r, w := io.Pipe()
	req, err := http.NewRequest("PUT", args[0], r)
	ts.Check(err)
	req.ContentLength = int64(len(data))
	req.Header.Set("Content-Type", "text/calendar; charset=utf-8")
	user, password, _ := strings.Cut(args[1], ":")
	req.SetBasicAuth(user, password)
	// The body is asked for only once the server has begun to answer: a request
	// that it has not read yet may meet a closed connection.
	req.Header.Set("Expect", "100-continue")
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}
	defer client.CloseIdleConnections()
	status := make(chan string, 1)
	go func() {
		resp, err := client.Do(req)
		if err != nil {
			status <- err.Error()
			return
		}
		resp.Body.Close()
		status <- resp.Status
	}()
	half := len(data) / 2
	_, err = w.Write(data[:half])
	ts.Check(err)
	scriptSignal(ts, false, []string{"TERM", args[3]})
	base := args[0][:strings.Index(args[0], "/dav/")]
	scriptUntil(ts, "the server takes no more connections", func() bool {
		c, err := net.DialTimeout("tcp", strings.TrimPrefix(base, "http://"), time.Second)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	_, err = io.Copy(w, bytes.NewReader(data[half:]))
	ts.Check(err)
	w.Close()
	if got := <-status; !strings.HasPrefix(got, "201") {
		ts.Fatalf("the request under way was answered %s", got)
	}
}
