package acceptance

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"factotum/cmd/internal/hosttest"
)

// khal shows what vdirsyncer brought, and what it makes and changes reaches
// the server.
func TestKhal(t *testing.T) {
	for name, deploy := range outermost() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			showAndMake(t, deploy(t))
		})
	}
}

func showAndMake(t *testing.T, h *host) {
	path := tool(t, "khal")
	tool(t, "vdirsyncer")
	h.visit(t, "anna")
	h.do(t, "anna", "PUT", cal("anna")+"a.ics", event("a", "20260302T100000Z", "Standup", "RRULE:FREQ=DAILY;COUNT=3", "EXDATE:20260303T100000Z")).is(201)
	h.do(t, "anna", "PUT", cal("anna")+"b.ics", event("b", "20260303T120000Z", "Lunch with Zoë")).is(201)
	s := newSyncer(t, h.base, "anna")
	s.ok("y\ny\n", "discover")
	s.sync()

	k := newProgram(t, path)
	k.args = []string{"-c", filepath.Join(k.home, "config")}
	hosttest.Write(t, filepath.Join(k.home, "config"), fmt.Sprintf(`[calendars]
[[work]]
path = %s
[sqlite]
path = %s
[locale]
timeformat = %%H:%%M
dateformat = %%Y-%%m-%%d
longdateformat = %%Y-%%m-%%d
datetimeformat = %%Y-%%m-%%d %%H:%%M
longdatetimeformat = %%Y-%%m-%%d %%H:%%M
default_timezone = UTC
local_timezone = UTC
[default]
default_calendar = work
`, s.dir, filepath.Join(k.home, "khal.db")))
	list := func() string {
		return k.ok("", "list", "--day-format", "", "--format", "{start-date} {start-time} {title}", "2026-03-02", "5d")
	}
	if got, want := strings.TrimSpace(list()), "2026-03-02 10:00 Standup\n2026-03-03 12:00 Lunch with Zoë\n2026-03-04 10:00 Standup"; got != want {
		t.Fatalf("khal list:\n%s\nwant\n%s", got, want)
	}
	if got := k.ok("", "search", "--format", "{title}", "Zoë"); strings.TrimSpace(got) != "Lunch with Zoë" {
		t.Errorf("khal search: %s", got)
	}
	if got := k.ok("", "at", "--format", "{title}", "2026-03-04", "10:30"); !strings.Contains(got, "Standup") {
		t.Errorf("khal at: %s", got)
	}
	k.ok("", "new", "2026-03-05 09:30", "90m", "Dentist", "::", "bring the card", "--location", "Town; first floor")
	s.sync()
	var found bool
	for _, text := range h.everything(t, "anna", cal("anna")) {
		if strings.Contains(text, "SUMMARY:Dentist") {
			found = true
			for _, line := range []string{"DESCRIPTION:bring the card", `LOCATION:Town\; first floor`} {
				if !strings.Contains(text, line) {
					t.Errorf("no %s in\n%s", line, text)
				}
			}
		}
	}
	if !found {
		t.Error("what khal made did not reach the server")
	}
	h.do(t, "anna", "DELETE", cal("anna")+"b.ics", "").is(204)
	s.sync()
	if got := list(); strings.Contains(got, "Lunch") || !strings.Contains(got, "2026-03-05 09:30 Dentist") {
		t.Errorf("khal list:\n%s", got)
	}
	h.healthy(t)
}
