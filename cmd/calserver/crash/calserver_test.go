package crash

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"factotum/cmd/internal/hosttest"
	"factotum/protocol/dwp"
	"factotum/store/storetest/pgtest"

	"golang.org/x/crypto/bcrypt"
)

// run is a command of the program, run to its end.
func run(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.Command(hosttest.Executable(t), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

// program is one of calserver's daemons as a process.
func program(t testing.TB, name, conf string, ready func() error) *process {
	t.Helper()
	return &process{name: name, argv: []string{hosttest.Executable(t), name, "-C", conf}, ready: ready}
}

// install makes a host's ics.conf and people, with the given lines.
func install(t testing.TB, host string, lines ...string) (dir, conf string) {
	t.Helper()
	dir = shortDir(t)
	people := "version: 1\n\ndn: o=example.com\nobjectClass: organization\nobjectClass: inetDomain\nobjectClass: icsCalendarDomain\n" +
		"o: example.com\nsunPreferredDomain: example.com\nicsStatus: active\n\n"
	for n := range loadUsers {
		uid := fmt.Sprintf("user%d", n)
		hash, err := bcrypt.GenerateFromPassword([]byte(uid), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		people += fmt.Sprintf("dn: uid=%[1]s,o=example.com\nobjectClass: inetOrgPerson\nobjectClass: icsCalendarUser\nuid: %[1]s\ncn: %[1]s\nsn: %[1]s\n"+
			"mail: %[1]s@example.com\nicsStatus: active\nuserPassword: {BCRYPT}%[2]s\n\n", uid, hash)
	}
	lines = append([]string{`factotum.data.dir = "data"`, `factotum.directory.type = "ldif"`, `factotum.admin.listen = ""`,
		`local.hostname = "` + host + `"`, `service.defaultdomain = "example.com"`, `factotum.login.maxfailures = "0"`}, lines...)
	conf = filepath.Join(dir, "ics.conf")
	hosttest.Write(t, conf, strings.Join(lines, "\n")+"\n")
	hosttest.Write(t, filepath.Join(dir, "data", "people.ldif"), people)
	return dir, conf
}

// setting writes host and port of an address as two lines of ics.conf.
func setting(prefix, address string) []string {
	host, port, _ := net.SplitHostPort(address)
	return []string{prefix + `.listenaddr = "` + host + `"`, prefix + `.port = "` + port + `"`}
}

// databases runs a test on both engines: the lines choose it, and store finds
// it for check.
func databases(t *testing.T, test func(t *testing.T, lines []string, store func(dir string) string)) {
	t.Run("SQLite", func(t *testing.T) {
		test(t, nil, func(dir string) string { return filepath.Join(dir, "data", "csdb") })
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		dsn := pgtest.Start(t)
		test(t, []string{`factotum.store.type = "postgres"`, `factotum.store.dsn = "` + dsn + `"`}, func(string) string { return "postgres " + dsn })
	})
}

// TestKillCalserver kills the program as one process.
func TestKillCalserver(t *testing.T) {
	databases(t, func(t *testing.T, lines []string, store func(string) string) {
		address := freeAddress(t)
		dir, conf := install(t, "localhost", append(setting("service.http", address), lines...)...)
		p := program(t, "serve", conf, func() error { return httpReady(address) })
		s := &server{address: address, store: store(dir), processes: []*process{p}}
		s.check = func(t testing.TB) { run(t, "csdb", "-C", conf, "check") }
		killing(t, s, kills(4))
	})
}

// TestKillDaemons kills csstored and csdwpd of a back end and cshttpd of a
// front end, which speak DWP over mutual TLS.
func TestKillDaemons(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, lines []string, store func(string) string) {
		const backName, frontName = "localhost", "front.example.com"
		address, link := freeAddress(t), freeAddress(t)
		_, port, _ := net.SplitHostPort(link)
		tls := mutual(t, backName, frontName)
		files := func(f *dwp.TLS) []string {
			return []string{`service.dwp.ssl.certfile = "` + f.Cert + `"`, `service.dwp.ssl.keyfile = "` + f.Key + `"`, `service.dwp.ssl.cafile = "` + f.CA + `"`}
		}
		backDir, backConf := install(t, backName, append(append(append(setting("service.dwp", link), files(tls[backName])...), lines...),
			`service.http.enable = "no"`, `service.dwp.enable = "yes"`)...)
		_, frontConf := install(t, frontName, append(append(setting("service.http", address), files(tls[frontName])...),
			`service.store.enable = "no"`, `csapi.plugin.calendarlookup = "yes"`, `caldb.cld.type = "directory"`,
			`caldb.dwp.server.default = "`+backName+`"`, `caldb.dwp.server.`+backName+`.ip = "`+backName+`"`, `caldb.dwp.server.`+backName+`.port = "`+port+`"`)...)
		s := &server{address: address, store: store(backDir), processes: []*process{
			program(t, "csstored", backConf, func() error { return dial("unix", filepath.Join(backDir, "data", "csstored.sock")) }),
			program(t, "csdwpd", backConf, func() error { return dial("tcp", link) }),
			program(t, "cshttpd", frontConf, func() error { return httpReady(address) }),
		}}
		s.check = func(t testing.TB) { run(t, "csdb", "-C", backConf, "check") }
		killing(t, s, kills(6))
	})
}

func dial(network, address string) error {
	c, err := net.Dial(network, address)
	if err != nil {
		return err
	}
	return c.Close()
}

// TestKillUnderWatcher kills what start-cal has started: the watcher starts it
// again, by itself. It waits longer from time to time, so the kills are few.
func TestKillUnderWatcher(t *testing.T) {
	address := freeAddress(t)
	dir, conf := install(t, "localhost", setting("service.http", address)...)
	run(t, "start-cal", "-C", conf)
	stopped := false
	defer func() {
		if !stopped {
			run(t, "stop-cal", "-C", conf)
		}
	}()
	eventually(t, "the server to be ready", func() error { return httpReady(address) })
	l := newLoad(address)
	l.provision(t)
	l.start()
	l.await(t, 50)
	for range 3 {
		pid := pidOf(t, dir)
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the watcher to start it again", func() error {
			if now := pidOf(t, dir); now == pid || now == 0 {
				return fmt.Errorf("pid %d", now)
			}
			return httpReady(address)
		})
		l.await(t, 50)
	}
	l.finish()
	l.verify(t)
	run(t, "csdb", "-C", conf, "check")
	run(t, "stop-cal", "-C", conf)
	stopped = true
	check(t, filepath.Join(dir, "data", "csdb"))
	left, err := filepath.Glob(filepath.Join(dir, "data", "csdb", "*-wal"))
	if err != nil || len(left) > 0 {
		t.Errorf("stop-cal leaves %v, %v", left, err)
	}
}

// pidOf reads calserver's pid file; 0 while there is none.
func pidOf(t testing.TB, dir string) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "data", "proc", "calserver.pid"))
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return pid
}

// TestCalserverSyncsBeforeItAnswers is TestSyncBeforeAnswer of the program.
func TestCalserverSyncsBeforeItAnswers(t *testing.T) {
	address := freeAddress(t)
	dir, conf := install(t, "localhost", setting("service.http", address)...)
	p := program(t, "serve", conf, func() error { return httpReady(address) })
	proveSync(t, p, address, filepath.Join(dir, "data", "csdb"), filepath.Join(dir, "trace"))
}
