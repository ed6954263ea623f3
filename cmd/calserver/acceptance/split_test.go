package acceptance

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"factotum/cmd/internal/certificates"
	"factotum/cmd/internal/freeport"
	"factotum/cmd/internal/hosttest"
	"factotum/store/storetest/pgtest"
)

// Two hosts, each with a name and an address. Where mount namespaces cannot be
// made, the back end has the only other name that every system knows.
const (
	frontName, frontAddress = "front.example.com", "127.0.0.1"
	backName, backAddress   = "back.example.com", "127.0.0.2"
)

// named is whether processes can have a hosts file of their own.
var named = sync.OnceValue(func() bool {
	ln, err := net.Listen("tcp", backAddress+":0")
	if err != nil {
		return false
	}
	ln.Close()
	return hosttest.Command("/dev/null", "true").Run() == nil
})

// needNames skips a test of hosts of different names where they cannot have them, and
// fails it in CI.
func needNames(t testing.TB) {
	t.Helper()
	switch {
	case named():
	case os.Getenv("CI") == "true":
		t.Fatal("hosts of different names need mount namespaces")
	default:
		t.Skip("hosts of different names need mount namespaces")
	}
}

// split starts a front end without a store, and a back end without HTTP, as
// two hosts of different names in two processes that speak DWP over mutual TLS.
func split(t testing.TB, lines ...string) (front, back *host) {
	t.Helper()
	name, address, hosts := backName, backAddress, ""
	if named() {
		hosts = filepath.Join(t.TempDir(), "hosts")
		hosttest.Write(t, hosts, "127.0.0.1 localhost\n"+frontAddress+" "+frontName+"\n"+backAddress+" "+backName+"\n")
	} else {
		name, address = "localhost", "127.0.0.1"
	}
	dwpPort, admin := strconv.Itoa(freeport.Take(t, address)), strconv.Itoa(freeport.Take(t, "127.0.0.1"))
	certs := t.TempDir()
	if _, err := certificates.Make(certs, []string{frontName, name}, 1); err != nil {
		t.Fatal(err)
	}
	files := func(host string) []string {
		return []string{fmt.Sprintf("service.dwp.ssl.certfile = %q", filepath.Join(certs, host+".pem")), fmt.Sprintf("service.dwp.ssl.keyfile = %q", filepath.Join(certs, host+".key")),
			fmt.Sprintf("service.dwp.ssl.cafile = %q", filepath.Join(certs, certificates.Authority+".pem"))}
	}
	back = installed(t, append(append([]string{
		fmt.Sprintf(`local.hostname = "%s"`, name),
		`service.http.enable = "no"`,
		`service.dwp.enable = "yes"`,
		fmt.Sprintf(`service.dwp.listenaddr = "%s"`, address),
		fmt.Sprintf(`service.dwp.port = "%s"`, dwpPort),
		fmt.Sprintf(`factotum.admin.listen = "127.0.0.1:%s"`, admin),
	}, files(name)...), lines...)...)
	back.hosts = hosts
	back.ready = "http://127.0.0.1:" + admin + "/readyz"
	front = installed(t, append(append([]string{
		fmt.Sprintf(`local.hostname = "%s"`, frontName),
		`service.store.enable = "no"`,
		`csapi.plugin.calendarlookup = "yes"`,
		`caldb.cld.type = "directory"`,
		fmt.Sprintf(`caldb.dwp.server.default = "%s"`, name),
		fmt.Sprintf(`caldb.dwp.server.%[1]s.ip = "%[1]s"`, name),
		fmt.Sprintf(`caldb.dwp.server.%s.port = "%s"`, name, dwpPort),
	}, files(frontName)...), lines...)...)
	front.hosts = hosts
	back.start(t)
	front.start(t)
	front.store = back
	return front, back
}

// deployments are the ways to run the server: everything in one process, and a
// front end with a back end on another host, whose database is SQLite or
// PostgreSQL. The host is the one clients see.
var deployments = map[string]func(t testing.TB, lines ...string) *host{
	"one process": func(t testing.TB, lines ...string) *host { return installed(t, lines...).start(t) },
	"front and back end": func(t testing.TB, lines ...string) *host {
		front, _ := split(t, lines...)
		return front
	},
	"front and back end with PostgreSQL": splitPostgres,
}

func splitPostgres(t testing.TB, lines ...string) *host {
	t.Helper()
	front, _ := split(t, append(lines, `factotum.store.type = "postgres"`, fmt.Sprintf("factotum.store.dsn = %q", pgtest.Start(t)))...)
	return front
}

// everywhere runs a test in all deployments.
func everywhere(t *testing.T, test func(t *testing.T, h *host)) {
	for name, deploy := range deployments {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, deploy(t))
		})
	}
}

// outermost are the two deployments that have the least in common, for tests
// that take long.
func outermost() map[string]func(t testing.TB, lines ...string) *host {
	out := maps.Clone(deployments)
	delete(out, "front and back end")
	return out
}
