package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"factotum/cmd/internal/hosttest"
	"factotum/cmd/internal/tooltest"
	"factotum/server/calendar"
	"factotum/server/config"
)

// terminal is a pseudo terminal: what is written to the first is read from the
// second.
func terminal(t *testing.T) (screen, behind *os.File) {
	t.Helper()
	behind, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Skipf("there are no pseudo terminals: %v", err)
	}
	t.Cleanup(func() { behind.Close() })
	if err := unix.IoctlSetPointerInt(int(behind.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(behind.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if screen, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { screen.Close() })
	return screen, behind
}

// csexport and csdb show how far they are where a person looks on, and nowhere
// else: not in a file, and not with -q, -v or --json.
func TestBars(t *testing.T) {
	be := tooltest.Backend(t)
	var events []string
	for i := range 40 {
		events = append(events, tooltest.Event(fmt.Sprint("e", i), "E"))
	}
	tooltest.Import(t, be, "anna", "a", tooltest.Calendar(events...))
	work := func(tl *tool) {
		if err := tl.export(t.Context(), &backend{Backend: be, who: tooltest.Admin, cfg: config.Default()}, "anna", filepath.Join(t.TempDir(), "a.ics")); err != nil {
			t.Error(err)
		}
		f := tl.far("check")
		f.of = 3
		for range 3 {
			f.next(calendar.Owner("x"))
		}
		if err := f.end(t.Context(), nil); err != nil {
			t.Error(err)
		}
	}
	for _, tc := range []struct {
		terminal, quiet, verbose, json, bars bool
	}{{true, false, false, false, true}, {true, true, false, false, false}, {true, false, true, false, false}, {true, false, false, true, false}, {}} {
		var errs, out bytes.Buffer
		tl := newTool("tool", "", stdio{strings.NewReader(""), &out, &errs})
		tl.quiet, tl.verbose, tl.json = tc.quiet, tc.verbose, tc.json
		shown := ""
		if tc.terminal {
			screen, behind := terminal(t)
			tl.std.err = screen
			work(tl)
			fmt.Fprint(screen, "the end")
			behind.SetReadDeadline(time.Now().Add(hosttest.Patience))
			for b := make([]byte, 64<<10); !strings.HasSuffix(shown, "the end"); {
				n, err := behind.Read(b)
				if err != nil {
					t.Fatalf("%q: %v", shown, err)
				}
				shown += string(b[:n])
			}
		} else {
			work(tl)
			shown = errs.String()
		}
		if (strings.Contains(shown, "97%") && strings.Contains(shown, "66%")) != tc.bars || strings.Contains(shown, "%") != tc.bars {
			t.Errorf("%+v: shows %q", tc, shown)
		}
	}
}
