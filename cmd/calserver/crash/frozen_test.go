package crash

import (
	"fmt"
	"net/http"
	"testing"

	"factotum/cmd/internal/hosttest"
	"factotum/store/storetest/pgtest"
)

// refusals expects that reads and writes get a 503 that says when to come again,
// each before the client gives up.
func refusals(t *testing.T, c *client, cold string) {
	t.Helper()
	for _, try := range []struct{ method, path, body string }{
		{"PUT", c.collection() + "b.ics", event("b", "frozen", 100)},
		{"PROPFIND", "/dav/calendars/" + cold + "/calendar/", ""}, // which is not in memory
		{"PUT", c.collection() + "b.ics", event("b", "frozen", 100)},
	} {
		a, err := c.do(try.method, try.path, try.body, "Depth", "0", "Content-Type", "text/calendar")
		if err != nil || a.status != http.StatusServiceUnavailable || a.retry == "" {
			t.Errorf("%s %s: %v, status %d, Retry-After %q", try.method, try.path, err, a.status, a.retry)
		}
	}
}

func works(c *client) error {
	a, err := c.put("b.ics", event("b", "well", 100))
	if err == nil && !a.ok() {
		err = fmt.Errorf("status %d", a.status)
	}
	return err
}

// While PostgreSQL stands still nobody hangs; when it goes on, all does.
func TestDatabaseStops(t *testing.T) {
	t.Parallel()
	proxy := pgtest.NewProxy(t, pgtest.Start(t))
	address := freeAddress(t)
	p := partProcess(t, "calserver", part{Store: "postgres " + proxy.DSN, HTTP: address})
	p.start(t)
	defer p.kill(t)
	c := newClient(address, "anna")
	if err := works(c); err != nil {
		t.Fatal(err)
	}
	proxy.Freeze()
	refusals(t, c, "bert")
	proxy.Thaw()
	eventually(t, "a write", func() error { return works(c) })
}

// While a back end is stopped its front end tells so.
func TestBackEndStops(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	dwp := "unix:" + shortDir(t) + "/dwp.sock"
	back := partProcess(t, "csdwpd", part{Store: t.TempDir(), DWP: dwp})
	back.start(t)
	defer back.kill(t)
	front := partProcess(t, "cshttpd", part{Backend: dwp, HTTP: address})
	front.start(t)
	defer front.kill(t)
	c := newClient(address, "anna")
	eventually(t, "a write", func() error { return works(c) })
	if err := hosttest.Freeze(back.cmd.Process); err != nil {
		t.Fatal(err)
	}
	defer hosttest.Thaw(back.cmd.Process)
	refusals(t, c, "bert")
	if err := hosttest.Thaw(back.cmd.Process); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a write", func() error { return works(c) })
}
