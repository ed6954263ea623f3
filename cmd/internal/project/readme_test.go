package project

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestReadmeFirstCommand runs the first command of README.md as a newcomer
// does: in a clean clone, with an empty home, and nothing else. Only the port
// is another one, so that a server that runs on this host does not matter.
func TestReadmeFirstCommand(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	readme, err := os.ReadFile(filepath.Join(root(t), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile(`(?m)^    (.+)$`).FindStringSubmatch(string(readme))
	if command == nil || !strings.Contains(command[1], "quickstart") {
		t.Fatalf("the first command of README.md: %q", command)
	}
	clone, home := t.TempDir(), t.TempDir()
	copyTracked(t, root(t), clone)

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", "exec "+command[1]+" --http 127.0.0.1:0")
	cmd.Dir = clone
	// What was downloaded and compiled before may be used: it is slow, not needed.
	cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "CGO_ENABLED=0"}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS", "GONOSUMDB", "GONOSUMCHECK", "GOSUMDB", "GOTOOLCHAIN", "GOPRIVATE"} {
		if v, err := exec.Command("go", "env", name).Output(); err == nil && len(strings.TrimSpace(string(v))) > 0 {
			cmd.Env = append(cmd.Env, name+"="+strings.TrimSpace(string(v)))
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) // go run does not pass it on
		cmd.Wait()
	}()
	lines := bufio.NewReader(out)
	url, password := "", ""
	for url == "" || password == "" {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("%s: ended: %v\n%s", command[1], err, said.String())
		}
		if m := regexp.MustCompile(`running at (http://\S+/)`).FindStringSubmatch(line); m != nil {
			url = m[1]
		}
		if m := regexp.MustCompile(`^  anna +(\S+)`).FindStringSubmatch(line); m != nil {
			password = m[1]
		}
	}
	go io.Copy(io.Discard, lines)
	req, err := http.NewRequest("PROPFIND", url+"dav/calendars/anna/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("anna", password)
	req.Header.Set("Depth", "1")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusMultiStatus || !strings.Contains(string(body), "/dav/calendars/anna/calendar/") {
		t.Errorf("the first user's home: %s %v\n%s", resp.Status, err, body)
	}
}

// copyTracked copies what a clone would have.
func copyTracked(t *testing.T, from, to string) {
	t.Helper()
	cmd := exec.Command("git", "ls-files", "-z")
	cmd.Dir = from
	list, err := cmd.Output()
	if err != nil {
		t.Skipf("not a clone: %v", err)
	}
	for name := range strings.SplitSeq(strings.Trim(string(list), "\x00"), "\x00") {
		data, err := os.ReadFile(filepath.Join(from, name))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
