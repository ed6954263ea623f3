package acceptance

import (
	"path/filepath"
	"strings"
	"testing"

	"factotum/cmd/internal/hosttest"
)

// selftest plays a client's round trip against the server; csmigrate brings a
// user's calendars to another one, through the front end as from any other
// server and into the store of the back end, twice, and nothing doubles.
func TestSelftestAndMigration(t *testing.T) {
	everywhere(t, func(t *testing.T, h *host) {
		secret := filepath.Join(t.TempDir(), "password")
		hosttest.Write(t, secret, password("anna")+"\n")
		out, err := calserver(t, "selftest", h.base, "--user", "anna", "--password-file", secret)
		if err != nil || strings.Contains(out, "FAIL") || !strings.Contains(out, " passed, 0 failed") {
			t.Errorf("selftest: %v\n%s", err, out)
		}
		want := realEvents(t, 50)
		h.load(t, "anna", cal("anna"), want)
		migrate := func(says string) {
			t.Helper()
			out, err := calserver(t, "csmigrate", "-C", h.keeper().conf, "-u", "anna", "-f", secret, "-o", "ben", h.base)
			if err != nil || !strings.Contains(out, says) {
				t.Errorf("csmigrate: %v, want %q\n%s", err, says, out)
			}
		}
		migrate("50 new, 0 changed, 0 unchanged")
		if n := sameObjects(t, "migrated", h.everything(t, "ben", cal("ben")), want); n != len(want) {
			t.Errorf("%d of %d are the same octet for octet", n, len(want))
		}
		migrate("0 new, 0 changed, 50 unchanged")
		h.do(t, "anna", "PUT", cal("anna")+"later.ics", event("later", "20260301T100000Z", "Later")).is(201)
		migrate("1 new, 0 changed, 50 unchanged")
		sameObjects(t, "migrated again", h.everything(t, "ben", cal("ben")), h.everything(t, "anna", cal("anna")))
		h.healthy(t)
	})
}
