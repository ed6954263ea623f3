package bench

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"factotum/cmd/internal/certificates"
	"factotum/cmd/internal/freeport"
	"factotum/cmd/internal/hosttest"
	"factotum/server/directory"
)

// listed is a site that serves HTTP and HTTPS: its processes are what it costs.
type listed struct {
	http, https string
	pids        []int
}

const frontHost, backHost, aloneHost = "front.example.com", "back.example.com", "alone.example.com"

// newListed starts one process, or a back end and a front end with mutual TLS
// between them, and fills a calendar.
func newListed(b *testing.B, program string, split bool, events int) *listed {
	b.Helper()
	dir := b.TempDir()
	hosts := filepath.Join(dir, "hosts")
	hosttest.Write(b, hosts, "127.0.0.1 localhost "+frontHost+" "+aloneHost+"\n127.0.0.2 "+backHost+"\n")
	if out, err := hosttest.Command(hosts, program, "--version").CombinedOutput(); err != nil {
		b.Skipf("hosts of other names need mount namespaces: %v %s", err, out)
	}
	if _, err := certificates.Make(dir, []string{frontHost, backHost, aloneHost}, 1); err != nil {
		b.Fatal(err)
	}
	people := filepath.Join(dir, "people.ldif")
	if err := directory.NewLDIF(people, "example.com"); err != nil {
		b.Fatal(err)
	}
	ed, err := directory.NewEditor(directory.Options{LDIF: people})
	if err != nil {
		b.Fatal(err)
	}
	user, password, _ := strings.Cut(auth, ":")
	if err := ed.Create(directory.NewPerson{ID: user, Password: password, Host: backHost}); err != nil {
		b.Fatal(err)
	}
	httpPort, tlsPort, dwpPort := freeport.Take(b, "127.0.0.1"), freeport.Take(b, "127.0.0.1"), freeport.Take(b, "127.0.0.2")
	s := &listed{http: "127.0.0.1:" + strconv.Itoa(httpPort), https: "127.0.0.1:" + strconv.Itoa(tlsPort)}
	host := func(name, listens string, lines ...string) {
		conf := filepath.Join(dir, name, "ics.conf")
		lines = append(lines, `factotum.data.dir = "data"`, `factotum.directory.type = "ldif"`, `factotum.directory.ldif.path = "`+people+`"`,
			`factotum.admin.listen = ""`, `local.hostname = "`+name+`"`, `service.defaultdomain = "example.com"`)
		hosttest.Write(b, conf, strings.Join(lines, "\n")+"\n")
		cmd := hosttest.Command(hosts, program, "serve", "--config", conf)
		said := &hosttest.Buffer{}
		cmd.Stdout, cmd.Stderr = said, said
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { cmd.Process.Signal(syscall.SIGTERM); cmd.Wait() })
		s.pids = append(s.pids, cmd.Process.Pid)
		for range 300 { // half a minute
			if c, err := net.Dial("tcp", listens); err == nil {
				c.Close()
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
		b.Fatalf("%s does not listen:\n%s", name, said)
	}
	https := func(name string) []string {
		return []string{`service.http.listenaddr = "127.0.0.1"`, `service.http.port = "` + strconv.Itoa(httpPort) + `"`,
			`service.http.ssl.port = "` + strconv.Itoa(tlsPort) + `"`,
			`service.http.ssl.certfile = "../` + name + `.pem"`, `service.http.ssl.keyfile = "../` + name + `.key"`}
	}
	dwp := func(name string) []string {
		return []string{`service.dwp.port = "` + strconv.Itoa(dwpPort) + `"`, `service.dwp.ssl.certfile = "../` + name + `.pem"`,
			`service.dwp.ssl.keyfile = "../` + name + `.key"`, `service.dwp.ssl.cafile = "../dwp-ca.pem"`}
	}
	if !split {
		host(aloneHost, s.https, https(aloneHost)...)
	} else {
		host(backHost, "127.0.0.2:"+strconv.Itoa(dwpPort), append(dwp(backHost), `service.http.enable = "no"`, `service.dwp.enable = "yes"`, `service.dwp.listenaddr = "127.0.0.2"`)...)
		host(frontHost, s.https, append(append(dwp(frontHost), https(frontHost)...), `service.dwp.enable = "no"`, `service.store.enable = "no"`,
			`csapi.plugin.calendarlookup = "yes"`, `caldb.cld.type = "directory"`, `caldb.dwp.server.`+backHost+`.ip = "`+backHost+`"`)...)
	}
	c := s.dial(b, true)
	defer c.conn.Close()
	for i := range events {
		if err := want(c, request("PUT", fmt.Sprintf("%s%08d-0000-4000-8000-000000000000.ics", listedCalendar, i), "Content-Type: text/calendar\r\n", sample(i)), 201); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

const listedCalendar = "/dav/calendars/bench1/calendar/"

func (s *listed) dial(b *testing.B, secure bool) *client {
	b.Helper()
	if !secure {
		c, err := dial(s.http)
		if err != nil {
			b.Fatal(err)
		}
		return c
	}
	conn, err := tls.Dial("tcp", s.https, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		b.Fatal(err)
	}
	return &client{conn, bufio.NewReaderSize(conn, 64<<10)}
}

// cost is the CPU of a request of n over some connections.
func (s *listed) cost(b *testing.B, secure bool, conns, n int, req string) time.Duration {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	used := func() (sum time.Duration) {
		for _, pid := range s.pids {
			sum += cpu(b, pid)
		}
		return sum
	}
	clients := make([]*client, conns)
	for i := range clients {
		clients[i] = s.dial(b, secure)
		defer clients[i].conn.Close()
		if err := want(clients[i], req, 207); err != nil {
			b.Fatal(err)
		}
	}
	before := used()
	for _, c := range clients {
		wg.Go(func() {
			for next.Add(1) <= int64(n) {
				if err := want(c, req, 207); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return (used() - before) / time.Duration(n)
}

// BenchmarkLists compares what lists of a thousand cost where the back end is
// another host to what they cost in one process, in CPU of all processes, in
// turns: HTTP or HTTPS to clients, mutual TLS between the hosts. It is one run,
// whatever b.N; $CALSERVER_BINARY may be an earlier release.
//
//	go test -run '^$' -bench Lists -benchtime 1x ./cmd/calserver/bench
func BenchmarkLists(b *testing.B) {
	program := hosttest.Executable(b)
	const events, rounds, requests = 1000, 9, 500
	one, two := newListed(b, program, false, events), newListed(b, program, true, events)
	const xml = "Content-Type: application/xml\r\n"
	for _, k := range []struct{ name, req string }{
		{"propfind", request("PROPFIND", listedCalendar, xml+"Depth: 1\r\n", `<D:propfind`+reportSpaces+`><D:prop><D:getetag/></D:prop></D:propfind>`)},
		{"syncinit", request("REPORT", listedCalendar, xml+"Depth: 0\r\n", `<D:sync-collection`+reportSpaces+
			`><D:sync-token/><D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop></D:sync-collection>`)},
	} {
		for _, secure := range []bool{true, false} {
			for _, conns := range []int{1, 16} {
				name := fmt.Sprintf("%s/%s/C=%d", k.name, map[bool]string{true: "https", false: "http"}[secure], conns)
				b.Run(name, func(b *testing.B) {
					compareLists(b, rounds, func(s *listed) time.Duration { return s.cost(b, secure, conns, requests, k.req) }, one, two)
				})
			}
		}
	}
}

// compareLists reports medians of so many rounds.
func compareLists(b *testing.B, rounds int, cost func(*listed) time.Duration, one, two *listed) {
	var alone, split, ratio []float64
	for range rounds {
		x, y := cost(one), cost(two)
		alone, split, ratio = append(alone, float64(x.Microseconds())), append(split, float64(y.Microseconds())), append(ratio, float64(y)/float64(x))
	}
	median := func(of []float64) float64 { slices.Sort(of); return of[len(of)/2] }
	b.ReportMetric(median(alone), "µs-one")
	b.ReportMetric(median(split), "µs-hosts")
	b.ReportMetric(median(ratio), "ratio")
	b.ReportMetric(0, "ns/op")
}
