package caldav

import (
	"context"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Debian's litmus, the WebDAV protocol test suite, in a plain collection of a
// home. Locks are not offered, so its lock tests are left out.
func TestLitmus(t *testing.T) {
	litmus, err := exec.LookPath("litmus")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("litmus is not installed")
		}
		t.Skip("litmus is not installed")
	}
	s := newSite(t)
	s.visit("anna")
	srv := httptest.NewServer(s.h)
	defer srv.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, litmus, srv.URL+annasHome, "anna", "anna")
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "TESTS=basic copymove props http")
	out, err := cmd.CombinedOutput()
	text := strings.ReplaceAll(string(out), "\r", "\n")
	if err != nil || strings.Contains(text, "FAIL") || strings.Count(text, "summary") != 4 {
		t.Fatalf("%v\n%s", err, text)
	}
	for line := range strings.SplitSeq(text, "\n") {
		if strings.Contains(line, "WARNING") && !strings.Contains(line, "does not claim Class 2") {
			t.Error(strings.TrimSpace(line))
		}
	}
}
