package watcher

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// shell starts a script as a process that is watched.
func shell(t *testing.T, script string) (p Process, out string) {
	t.Helper()
	out = filepath.Join(t.TempDir(), "start.log")
	f, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if p, err = Exec(exec.Command("/bin/sh", "-c", script), "csstored", f); err != nil {
		t.Fatal(err)
	}
	return p, out
}

func TestExec(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "/nowhere")
	for _, c := range []struct{ script, start, prints string }{
		{`echo "$CALSERVER_SUPERVISED, $NOTIFY_SOCKET" >&2; echo ready >&3`, "", "1, \n"},
		{`echo "failed: the port is taken" >&3`, "the port is taken", ""},
		{`echo panic`, "csstored ended before it was ready; see start.log", "panic\n"},
	} {
		p, out := shell(t, c.script)
		err := <-p.Started()
		if err == nil && c.start != "" || err != nil && err.Error() != c.start {
			t.Errorf("%s: %v, want %q", c.script, err, c.start)
		}
		p.Wait()
		if b, err := os.ReadFile(out); err != nil || string(b) != c.prints {
			t.Errorf("%s prints %q %v", c.script, b, err)
		}
	}
	if _, err := Exec(exec.Command("/nowhere/csstored"), "csstored", nil); err == nil {
		t.Error("what is not there is started")
	}
}

func TestExecEnds(t *testing.T) {
	for name, end := range map[string]func(p Process){
		"signal: terminated": Process.Terminate,
		"signal: killed":     Process.Kill,
		"exit status 7":      func(p Process) { p.(*process).input.Close() },
	} {
		p, _ := shell(t, "echo ready >&3; read line; exit 7")
		if err := <-p.Started(); err != nil {
			t.Fatal(err)
		}
		end(p)
		if err := p.Wait(); err == nil || err.Error() != name {
			t.Errorf("%v, want %s", err, name)
		}
	}
}

// TestMain is the other side of TestReport, where the watcher started it.
func TestMain(m *testing.M) {
	if !Supervised() {
		os.Exit(m.Run())
	}
	var err error
	if len(os.Args) > 1 {
		err = errors.New(os.Args[1])
	}
	Report(err)
	Follow(os.Stdin, func() { os.Exit(5) })
}

// A process that is watched tells how its start went, and ends with the
// watcher. What it tells is one line, whatever the error.
func TestReport(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{nil, {"two\nlines"}} {
		p, err := Exec(exec.Command(exe, args...), "csstored", nil)
		if err != nil {
			t.Fatal(err)
		}
		err = <-p.Started()
		if args == nil && err != nil || args != nil && (err == nil || err.Error() != "two; lines") {
			t.Errorf("%q: %v", args, err)
		}
		p.(*process).input.Close()
		if err := p.Wait(); err == nil || err.Error() != "exit status 5" {
			t.Errorf("%q: it ended with %v", args, err)
		}
	}
}
