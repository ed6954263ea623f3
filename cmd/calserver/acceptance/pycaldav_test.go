package acceptance

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// python3-caldav drives a session from discovery to deletion; the script
// checks what it sees.
func TestPythonCaldav(t *testing.T) {
	everywhere(t, func(t *testing.T, h *host) {
		const python = "/usr/bin/python3" // the distribution's, which has its packages
		if exec.Command(python, "-c", "import caldav").Run() != nil {
			missing(t, "python3-caldav")
		}
		p := newProgram(t, python)
		b, err := os.ReadFile(filepath.Join("testdata", "caldav_session.py"))
		if err != nil {
			t.Fatal(err)
		}
		out := p.ok(string(b), "-", h.base+"/dav/", "anna", password("anna"))
		if !strings.HasSuffix(strings.TrimSpace(out), "done") {
			t.Fatalf("the script ends with\n%s", out)
		}
		h.healthy(t)
	})
}
