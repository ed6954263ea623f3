package acceptance

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"factotum/cmd/internal/hosttest"
)

// cadaver, the WebDAV shell: a calendar seen as a folder, and a plain
// collection with files and folders.
func TestCadaver(t *testing.T) {
	everywhere(t, func(t *testing.T, h *host) {
		path := tool(t, "cadaver")
		h.visit(t, "anna")
		p := newProgram(t, path)
		u, err := url.Parse(h.base)
		if err != nil {
			t.Fatal(err)
		}
		hosttest.Write(t, filepath.Join(p.home, ".netrc"), fmt.Sprintf("machine %s\nlogin anna\npassword %s\n", u.Hostname(), password("anna")))
		text := event("c", "20260302T100000Z", "From cadaver")
		hosttest.Write(t, filepath.Join(p.home, "c.ics"), text)
		hosttest.Write(t, filepath.Join(p.home, "note.txt"), "a note\n")

		// Every line is answered with "succeeded." or an error; the failures that
		// are meant are counted.
		out := p.ok(strings.Join([]string{
			"ls",
			"put c.ics",
			"ls",
			"get c.ics back.ics",
			"copy c.ics d.ics", // the same UID twice: refused
			"move c.ics e.ics",
			"get e.ics moved.ics",
			"cd ..",
			"mkcol files",
			"cd files",
			"put note.txt",
			"mkcol inner",
			"copy note.txt inner/copy.txt",
			"move note.txt inner/moved.txt",
			"copy inner twin",
			"ls twin",
			"get twin/moved.txt twin.txt",
			"propset inner/copy.txt colour green",
			"propget inner/copy.txt colour",
			"delete inner/copy.txt",
			"rmcol inner",
			"ls",
			"cd ../calendar",
			"delete e.ics",
			"ls",
			"quit",
		}, "\n")+"\n", h.base+cal("anna"))
		if n := strings.Count(out, "failed:"); n != 1 || !strings.Contains(out, "409 Conflict") {
			t.Errorf("%d commands failed, want the copy with the same UID alone", n)
		}
		for _, want := range []string{"Uploading c.ics", "Value of colour is: green", "Coll:   twin", "moved.txt", "c.ics"} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q", want)
			}
		}
		for file, want := range map[string]string{"back.ics": text, "moved.ics": text, "twin.txt": "a note\n"} {
			if b, err := os.ReadFile(filepath.Join(p.home, file)); err != nil || string(b) != want {
				t.Errorf("%s: %q, %v", file, b, err)
			}
		}
		h.do(t, "anna", "GET", cal("anna")+"e.ics", "").is(404)
		h.do(t, "anna", "GET", home("anna")+"files/twin/copy.txt", "").is(200)
		h.do(t, "anna", "PROPFIND", home("anna")+"files/inner/", propfind("D:resourcetype"), "Depth: 0").is(404)
		if t.Failed() {
			t.Log(out)
		}
		h.healthy(t)
	})
}
