package acceptance

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"factotum/cmd/internal/hosttest"
)

// TestReadmeWCAP pastes the WCAP commands of README.md into a shell, beside
// the throw-away server of README.md. Only the port is another one.
func TestReadmeWCAP(t *testing.T) {
	for _, name := range []string{"curl", "sed", "tr"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("no %s: %v", name, err)
		}
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	readme := string(text)
	_, section, ok := strings.Cut(readme, "**WCAP with curl**")
	if !ok {
		t.Fatal("README.md has no section on WCAP with curl")
	}
	section, _, _ = strings.Cut(section, "\n\n**")
	var commands []string
	for line := range strings.SplitSeq(section, "\n") {
		if command, ok := strings.CutPrefix(line, "    "); ok {
			commands = append(commands, command)
		}
	}
	server := regexp.MustCompile(`(?m)^    go run \./cmd/calserver (quickstart --data \S+ --http (\S+) .*)$`).FindStringSubmatch(readme)
	if len(commands) != 5 || server == nil || !strings.Contains(commands[0], server[2]) {
		t.Fatalf("commands %q, server %q", commands, server)
	}

	var args []string
	for _, a := range strings.Fields(server[1]) {
		switch a {
		case "/tmp/demo":
			a = filepath.Join(t.TempDir(), "demo")
		case server[2]:
			a = "127.0.0.1:0"
		}
		args = append(args, a)
	}
	cmd := exec.Command(hosttest.Executable(t), args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
	}()
	address := ""
	lines := bufio.NewReader(out)
	for running := regexp.MustCompile(`running at http://([\d.:]+)/`); address == ""; {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("the server ended: %v", err)
		}
		if m := running.FindStringSubmatch(line); m != nil {
			address = m[1]
		}
	}
	go io.Copy(io.Discard, lines)

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	shell := exec.CommandContext(ctx, "/bin/sh")
	shell.Stdin = strings.NewReader(strings.ReplaceAll(strings.Join(commands, "\n"), server[2], address) + "\n")
	said, err := shell.Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.ReplaceAll(string(said), "\r\n", "\n")
	at := 0
	for _, want := range []string{
		"X-NSCP-WCAP-ERRNO:0\n", "REQUEST-STATUS:2.0;Success.  Store successful.\n", // create
		"X-NSCP-CALPROPS-RELATIVE-CALID:anna\n", "SUMMARY:Lunch\n", "DTSTART:20260901T100000Z\n", "X-NSCP-DTSTART-TZID:Europe/Berlin\n", "X-NSCP-WCAP-ERRNO:0\n", // fetch
		"X-NSCP-WCAP-ERRNO:-1\n", // logout
	} {
		i := strings.Index(got[at:], want)
		if i < 0 {
			t.Fatalf("no %q in its place in\n%s", want, got)
		}
		at += i + len(want)
	}
}
