package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"factotum/cmd/internal/hosttest"
)

const patience = hosttest.Patience

// poll asks until it is so, or patience has an end. It pauses for as long as asking takes,
// and so leaves at least half of a processor to who is waited for.
func poll(ok func() bool) bool {
	for deadline := time.Now().Add(patience); ; {
		began := time.Now()
		if ok() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(max(10*time.Millisecond, min(time.Since(began), time.Second)))
	}
}

// scriptUntil polls for a condition that another process brings about.
func scriptUntil(ts *testscript.TestScript, what string, ok func() bool) {
	if !poll(ok) {
		ts.Fatalf("%s: not within %v", what, patience)
	}
}

// scriptAwait is "await URL": until it answers 200; "! await": until nobody
// listens there.
func scriptAwait(ts *testscript.TestScript, neg bool, args []string) {
	scriptUntil(ts, "await "+args[0], func() bool {
		resp, err := http.Get(args[0])
		if err != nil {
			return neg
		}
		resp.Body.Close()
		return !neg && resp.StatusCode == http.StatusOK
	})
}

// scriptUntilSays is "until PATTERN PROGRAM ARG...": run again and again, until
// what it says matches.
func scriptUntilSays(ts *testscript.TestScript, neg bool, args []string) {
	want := regexp.MustCompile(args[0])
	var out []byte
	if !poll(func() bool {
		cmd := exec.Command(args[1], args[2:]...)
		cmd.Dir, cmd.Env = ts.MkAbs("."), append(os.Environ(), "CALSERVER_CONFIG="+ts.Getenv("CALSERVER_CONFIG"), "HOME="+ts.Getenv("HOME"))
		out, _ = cmd.CombinedOutput()
		return want.Match(out) != neg
	}) {
		ts.Fatalf("%s: not %s within %v, but\n%s", strings.Join(args[1:], " "), args[0], patience, out)
	}
}

// scriptTells has a script that fails tell what its servers wrote into their logs.
func scriptTells(env *testscript.Env) {
	t, ok := env.T().(interface{ Failed() bool })
	if !ok {
		return
	}
	env.Defer(func() {
		if !t.Failed() {
			return
		}
		filepath.WalkDir(env.WorkDir, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && strings.HasSuffix(path, ".log") && filepath.Base(filepath.Dir(path)) == "logs" {
				if text, err := os.ReadFile(path); err == nil && len(text) > 0 {
					env.T().Log(fmt.Sprintf("the end of %s:\n%s", path, text[max(0, len(text)-8<<10):]))
				}
			}
			return nil
		})
	})
}

// TestPollSees: what is so at once is not waited for, and what comes is seen.
func TestPollSees(t *testing.T) {
	n := 0
	if !poll(func() bool { n++; return n == 3 }) || n != 3 {
		t.Errorf("asked %d times", n)
	}
}
