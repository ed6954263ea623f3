package crash

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"factotum/cmd/internal/freeport"
	"factotum/cmd/internal/hosttest"
	"factotum/protocol/dwp"
	"factotum/server/calendar"
	"factotum/store/storetest/pgtest"

	"golang.org/x/crypto/bcrypt"
)

// rounds is how often meetings are interrupted: ten thousand times over all
// variants in make long.
func rounds(few int) int {
	if os.Getenv("FACTOTUM_LONG") != "" {
		return 2500
	}
	return few
}

// attended is a server whose people organize meetings.
type attended struct {
	address   string
	processes []*process
	backEnds  []*backEnd
	confs     []string // of the back ends
}

// inviting writes the people of a host, each with his back end.
func inviting(t testing.TB, dir string, hostOf func(n int) string) {
	t.Helper()
	text := "version: 1\n\ndn: o=example.com\nobjectClass: organization\nobjectClass: inetDomain\nobjectClass: icsCalendarDomain\n" +
		"o: example.com\nsunPreferredDomain: example.com\nicsStatus: active\n\n"
	for n := range meetingUsers {
		uid := userName(n)
		hash, err := bcrypt.GenerateFromPassword([]byte(uid), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf("dn: uid=%[1]s,o=example.com\nobjectClass: inetOrgPerson\nobjectClass: icsCalendarUser\nuid: %[1]s\ncn: %[1]s\nsn: %[1]s\n"+
			"mail: %[1]s@example.com\nicsStatus: active\nicsDWPHost: %[2]s\nuserPassword: {BCRYPT}%[3]s\n\n", uid, hostOf(n), hash)
	}
	hosttest.Write(t, filepath.Join(dir, "data", "people.ldif"), text)
}

// installedBackEnd is the store of an installed host.
func installedBackEnd(dir, conf, host string, users ...int) *backEnd {
	return &backEnd{
		users: users, read: map[calendar.Owner]int64{},
		reach: func(t testing.TB) (calendar.Backend, func()) {
			t.Helper()
			c, err := dwp.NewClient(dwp.ClientOptions{Host: host, Address: "unix:" + filepath.Join(dir, "data", "csstored.sock"), Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			return c, func() { c.Close() }
		},
		waiting: func(t testing.TB) string {
			if list := strings.TrimSpace(run(t, "csschedule", "-C", conf, "-j", "list")); list != "[]" {
				return list
			}
			return ""
		},
	}
}

// oneProcess is the program as one process.
func oneProcess(t testing.TB, lines database) *attended {
	t.Helper()
	address := freeAddress(t)
	dir, conf := install(t, "localhost", append(setting("service.http", address), lines(t)...)...)
	inviting(t, dir, func(int) string { return "localhost" })
	return &attended{address: address, processes: []*process{program(t, "serve", conf, func() error { return httpReady(address) })},
		confs: []string{conf}, backEnds: []*backEnd{installedBackEnd(dir, conf, "localhost", 0, 1, 2, 3, 4, 5)}}
}

// twoBackEnds is a front end and two back ends, with every other user on each.
func twoBackEnds(t testing.TB, lines database) *attended {
	t.Helper()
	names := []string{"one.example.com", "two.example.com"}
	const front = "front.example.com"
	hosts := filepath.Join(shortDir(t), "hosts")
	hosttest.Write(t, hosts, "127.0.0.1 localhost "+front+" "+strings.Join(names, " ")+"\n")
	if err := hosttest.Command(hosts, "true").Run(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("hosts of different names need mount namespaces: %v", err)
		}
		t.Skipf("hosts of different names need mount namespaces: %v", err)
	}
	tls := mutual(t, append(names, front)...)
	var remote []string
	var links []string
	for _, name := range names {
		port := freeport.Take(t, "127.0.0.1")
		links = append(links, fmt.Sprintf("127.0.0.1:%d", port))
		remote = append(remote, fmt.Sprintf("caldb.dwp.server.%[1]s.ip = %[1]q", name), fmt.Sprintf("caldb.dwp.server.%s.port = \"%d\"", name, port))
	}
	remote = append(remote, `csapi.plugin.calendarlookup = "yes"`, `caldb.cld.type = "directory"`)
	files := func(host string) []string {
		f := tls[host]
		return []string{`service.dwp.ssl.certfile = "` + f.Cert + `"`, `service.dwp.ssl.keyfile = "` + f.Key + `"`, `service.dwp.ssl.cafile = "` + f.CA + `"`}
	}
	join := func(parts ...[]string) (all []string) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	s := &attended{address: freeAddress(t)}
	hostOf := func(n int) string { return names[n%2] }
	for i, name := range names {
		dir, conf := install(t, name, join(setting("service.dwp", links[i]), files(name), remote, lines(t), []string{`service.http.enable = "no"`, `service.dwp.enable = "yes"`})...)
		inviting(t, dir, hostOf)
		p := program(t, "serve", conf, func() error { return dial("tcp", links[i]) })
		p.name, p.hosts = name, hosts
		s.processes = append(s.processes, p)
		s.confs = append(s.confs, conf)
		s.backEnds = append(s.backEnds, installedBackEnd(dir, conf, name, i, i+2, i+4))
	}
	dir, conf := install(t, front, join(setting("service.http", s.address), files(front), remote, []string{`service.store.enable = "no"`})...)
	inviting(t, dir, hostOf)
	p := program(t, "serve", conf, func() error { return httpReady(s.address) })
	p.name, p.hosts = front, hosts
	s.processes = append(s.processes, p)
	return s
}

// database makes one, and gives the lines of ics.conf that choose it.
type database func(t testing.TB) []string

// engines runs a test on both, in make check on one of them only.
func engines(t *testing.T, short string, test func(t *testing.T, lines database)) {
	for name, lines := range map[string]database{
		"SQLite": func(testing.TB) []string { return nil },
		"PostgreSQL": func(t testing.TB) []string {
			return []string{`factotum.store.type = "postgres"`, `factotum.store.dsn = "` + pgtest.Start(t) + `"`}
		},
	} {
		if name == short || os.Getenv("FACTOTUM_LONG") != "" {
			t.Run(name, func(t *testing.T) { test(t, lines) })
		}
	}
}

// TestKillMeetings kills the server's processes at random moments, while people
// invite each other, answer, change and call off, by CalDAV and WCAP: of what was
// acknowledged nothing is lost, and nothing is done twice.
// make check has each engine once.
func TestKillMeetings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		site  func(testing.TB, database) *attended
		short string
	}{"OneProcess": {oneProcess, "PostgreSQL"}, "TwoBackEnds": {twoBackEnds, "SQLite"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			engines(t, c.short, func(t *testing.T, lines database) { interrupt(t, c.site(t, lines), rounds(10)) })
		})
	}
}

// verifyEach is after how many kills all copies are compared.
const verifyEach = 10

func interrupt(t *testing.T, s *attended, times int) {
	for _, p := range s.processes {
		p.start(t)
		defer p.kill(t)
	}
	defer func() {
		for _, p := range s.processes {
			if t.Failed() {
				t.Logf("%s:\n%s", p.name, p.out.tail())
			}
		}
	}()
	l := newMeetings(s.address, true)
	l.apart = len(s.processes) > 1
	l.provision(t)
	l.start()
	l.await(t, 20)
	for n := range times {
		victim := s.processes[rand.IntN(len(s.processes))]
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
		victim.kill(t)
		if n%5 == 4 { // again, while it recovers
			victim.launch(t)
			time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
			victim.kill(t)
		}
		began := time.Now()
		victim.start(t)
		ready := time.Since(began)
		l.await(t, 1)
		if d := time.Since(began); d > 3*time.Second {
			t.Logf("%s is ready after %v, a write is acknowledged after %v", victim.name, ready, d)
		}
		if n%100 == 99 {
			t.Logf("%d kills", n+1)
		}
		if n%verifyEach == verifyEach-1 || n == times-1 {
			l.finish()
			l.verify(t, s.backEnds)
			if t.Failed() {
				t.Fatalf("after kill %d, of %s", n+1, victim.name)
			}
			l.start()
		}
	}
	l.finish()
	t.Logf("%d kills, %d writes acknowledged", times, l.acks.Load())
}

// provision makes everybody's calendar, as a first login does.
func (l *meetings) provision(t testing.TB) {
	t.Helper()
	for _, a := range l.attendees {
		eventually(t, "the first login of "+a.user, func() error {
			res, err := a.do("PROPFIND", "/dav/calendars/"+a.user+"/", "", "Depth", "1")
			return judged("PROPFIND", res, err)
		})
	}
}
