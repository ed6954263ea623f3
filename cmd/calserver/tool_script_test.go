package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"factotum/cmd/internal/hosttest"
)

// Scripts have the programs by name, and "server start [flags]" and "server
// stop" (kill, freeze, thaw) for a quickstart server in $WORK/data, whose URL is in $URL; "put USER
// NAME FILE" puts a file into his calendar, whose password is his name and "-pw". "metrics FILE"
// writes what the server counts. "sink start" is a mail server, whose address is in $RELAY; see scriptSink.
// "bucket start" is a service that speaks S3; see scriptBucket. "until PATTERN PROGRAM ARG..." waits for
// what a program says.
func TestToolScripts(t *testing.T) {
	t.Parallel()
	type key struct{}
	testscript.Run(t, testscript.Params{
		Files: must(filepath.Glob("testdata/tool_*.txtar")),
		Setup: func(env *testscript.Env) error {
			env.Values[key{}] = &scriptServer{}
			env.Setenv("HOME", env.WorkDir)
			scriptTells(env)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"server": func(ts *testscript.TestScript, neg bool, args []string) {
				s := ts.Value(key{}).(*scriptServer)
				switch {
				case neg || len(args) == 0:
					ts.Fatalf("server start [flags], stop, kill, freeze or thaw")
				case args[0] == "start":
					s.start(t, ts, args[1:])
				case args[0] == "stop":
					s.stop(ts)
				case args[0] == "kill":
					s.cmd.Process.Kill()
					<-s.ended
				case args[0] == "freeze":
					ts.Check(hosttest.Freeze(s.cmd.Process))
				case args[0] == "thaw":
					ts.Check(hosttest.Thaw(s.cmd.Process))
				}
			},
			"put": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) != 3 {
					ts.Fatalf("put USER NAME FILE")
				}
				putFile(ts, args[0], args[1], args[2])
			},
			"metrics": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) != 1 {
					ts.Fatalf("metrics FILE")
				}
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), scriptMetrics(ts), 0o600))
			},
			"until": scriptUntilSays,
			"bucket": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Value(key{}).(*scriptServer).bucket.command(t, ts, args)
			},
			"sink": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) == 0 {
					ts.Fatalf("sink start, take, says, mail or mails")
				}
				s := ts.Value(key{}).(*scriptServer)
				s.sink.command(t, ts, args)
			},
		},
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// scriptServer is the server of a script.
type scriptServer struct {
	cmd   *exec.Cmd
	ended chan struct{}
	said  hosttest.Buffer
	sink  scriptSink

	bucket scriptBucket
}

func (s *scriptServer) start(t *testing.T, ts *testscript.TestScript, flags []string) {
	port := freePort(t, "127.0.0.1")
	url := "http://127.0.0.1:" + port
	args := append([]string{"quickstart", "--data", ts.MkAbs("data"), "--http", "127.0.0.1:" + port}, flags...)
	s.cmd, s.ended = testProgram(t, "", "calserver", args...), make(chan struct{})
	s.cmd.Stdout, s.cmd.Stderr = &s.said, &s.said
	ts.Check(s.cmd.Start())
	go func() {
		s.cmd.Wait()
		close(s.ended)
	}()
	ts.Defer(func() { s.stop(ts) })
	awaitServer(t, "ready", s.ended, &s.said, answers(url))
	ts.Setenv("URL", url)
}

func (s *scriptServer) stop(ts *testscript.TestScript) {
	hosttest.Thaw(s.cmd.Process)
	s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(patience):
		s.cmd.Process.Kill()
		ts.Fatalf("the server does not stop:\n%s", &s.said)
	}
}
