package watcher

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
)

// A process that is watched knows it by this variable. Its standard input is a
// pipe that ends with the watcher, and file descriptor 3 takes one line: how
// its start went.
const superviseEnv = "CALSERVER_SUPERVISED"

// Supervised tells whether the watcher started this process.
func Supervised() bool { return os.Getenv(superviseEnv) != "" }

// Report tells the watcher how the start of this process went.
func Report(err error) {
	if !Supervised() {
		return
	}
	f := os.NewFile(3, "watcher")
	if f == nil {
		return
	}
	defer f.Close()
	if err == nil {
		io.WriteString(f, "ready\n")
		return
	}
	fmt.Fprintf(f, "failed: %s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
}

// Follow calls stop when the watcher is gone.
func Follow(in io.Reader, stop func()) {
	io.Copy(io.Discard, bufio.NewReader(in))
	stop()
}

// Exec starts a program as a process that is watched. What it prints goes to
// out, which may be nil.
func Exec(cmd *exec.Cmd, name string, out *os.File) (Process, error) {
	cmd.Env = slices.DeleteFunc(os.Environ(), func(e string) bool {
		return strings.HasPrefix(e, "NOTIFY_SOCKET=") || strings.HasPrefix(e, "WATCHDOG_")
	})
	cmd.Env = append(cmd.Env, superviseEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is the watcher's to pass on
	if out != nil {
		cmd.Stdout, cmd.Stderr = out, out
	}
	report, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer write.Close()
	cmd.ExtraFiles = []*os.File{write}
	input, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		report.Close()
		return nil, err
	}
	p := &process{cmd: cmd, input: input, started: make(chan error, 1)}
	go func() {
		defer report.Close()
		line, _ := bufio.NewReader(io.LimitReader(report, 64<<10)).ReadString('\n')
		switch line = strings.TrimSpace(line); line {
		case "ready":
			p.started <- nil
		case "":
			p.started <- fmt.Errorf("%s ended before it was ready; see start.log", name)
		default:
			p.started <- errors.New(strings.TrimPrefix(line, "failed: "))
		}
	}()
	return p, nil
}

// process is one of the system's.
type process struct {
	cmd     *exec.Cmd
	input   io.Closer // open for as long as the watcher lives
	started chan error
}

func (p *process) PID() int              { return p.cmd.Process.Pid }
func (p *process) Started() <-chan error { return p.started }
func (p *process) Wait() error           { return p.cmd.Wait() }
func (p *process) Terminate()            { p.cmd.Process.Signal(syscall.SIGTERM) }
func (p *process) Kill()                 { p.cmd.Process.Kill() }
