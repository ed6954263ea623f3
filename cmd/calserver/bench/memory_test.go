package bench

import (
	"bufio"
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// eventsEnv says how many events BenchmarkMemory stores, 100,000 if it is not
// set; published figures are with 1,000,000.
const eventsEnv = "FACTOTUM_BENCH_EVENTS"

// people are the users of these benchmarks; the n-th logs in with pass<n>.
const people = 16

func userName(n int) string { return "bench" + strconv.Itoa(n+1) }

// as is request for the n-th user.
func as(n int, method, path, extra, body string) string {
	login := base64.StdEncoding.EncodeToString([]byte(userName(n) + ":pass" + strconv.Itoa(n+1)))
	return method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic " + login +
		"\r\n" + extra + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

// site is the program with its data in dir.
type site struct {
	program, dir string
	addr         string
	pid          int
	used         time.Duration // of the processor, when it was looked at last
	cmd          *exec.Cmd
}

func newSite(b *testing.B) *site {
	b.Helper()
	s := &site{program: buildProgram(b), dir: filepath.Join(b.TempDir(), "data")}
	s.start(b)
	return s
}

func (s *site) start(b *testing.B) {
	b.Helper()
	args := []string{"quickstart", "--data", s.dir, "--http", "127.0.0.1:0"}
	if _, err := os.Stat(s.dir); err != nil {
		for n := range people {
			args = append(args, "--user", userName(n)+":pass"+strconv.Itoa(n+1))
		}
	}
	s.cmd = exec.Command(s.program, args...)
	s.addr, s.pid = start(b, s.cmd)
}

// restart begins with empty caches.
func (s *site) restart(b *testing.B) {
	b.Helper()
	s.cmd.Process.Signal(os.Interrupt)
	s.cmd.Wait()
	s.start(b)
}

// set changes the configuration, and restarts with it.
func (s *site) set(b *testing.B, name, value string) {
	b.Helper()
	f, err := os.OpenFile(filepath.Join(s.dir, "ics.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	_, err = fmt.Fprintf(f, "%s = %q\n", name, value)
	if err := errors.Join(err, f.Close()); err != nil {
		b.Fatal(err)
	}
	s.restart(b)
}

// fill imports n events, six years of them, into the calendar of a user.
func (s *site) fill(b *testing.B, user, n int) {
	b.Helper()
	path := filepath.Join(filepath.Dir(s.dir), userName(user)+".ics")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer os.Remove(path)
	w := bufio.NewWriter(f)
	fmt.Fprint(w, "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//bench//EN\r\n")
	for i := range n {
		rule := ""
		if i%10 == 0 {
			rule = "RRULE:FREQ=WEEKLY;COUNT=26\r\n"
		}
		fmt.Fprintf(w, "BEGIN:VEVENT\r\nUID:%s-%d\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:%d%02d%02dT%02d0000Z\r\nDURATION:PT1H\r\n%sSUMMARY:Meeting %d\r\n%sEND:VEVENT\r\n",
			userName(user), i, 2022+i%6, 1+i/6%12, 1+i/72%28, 8+i%10, rule, i,
			strings.Repeat("COMMENT:Agenda and notes are kept in the shared folder\\; read them first.\r\n", 5))
	}
	fmt.Fprint(w, "END:VCALENDAR\r\n")
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(s.program, "csimport", "-C", filepath.Join(s.dir, "ics.conf"), "-c", userName(user), "calendar", path)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%.2000s", err, out)
	}
}

// megabytes reads VmRSS, or VmHWM, the peak.
func (s *site) megabytes(b *testing.B, line string) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
	if err != nil {
		b.Skipf("the system does not tell the memory of processes: %v", err)
	}
	m := regexp.MustCompile(`(?m)^` + line + `:\s*(\d+) kB`).FindSubmatch(text)
	if m == nil {
		b.Fatalf("no %s in %s", line, text)
	}
	kb, _ := strconv.Atoi(string(m[1]))
	return float64(kb) / 1024
}

const (
	reportSpaces = ` xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"`
	xmlType      = "Content-Type: application/xml\r\n"
	syncAll      = `<D:sync-collection` + reportSpaces + `><D:sync-token/><D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop></D:sync-collection>`
)

func collection(user int) string { return "/dav/calendars/" + userName(user) + "/calendar/" }

var hrefOf = regexp.MustCompile(`<D:href>([^<]+\.ics)</D:href>`)

// hrefs lists the calendar of a user.
func (s *site) hrefs(b *testing.B, c *client, user int) (out []string) {
	b.Helper()
	status, body, err := c.do(as(user, "REPORT", collection(user), xmlType+"Depth: 0\r\n", syncAll), true)
	if err != nil || status != 207 {
		b.Fatalf("list: status %d: %v", status, err)
	}
	for _, m := range hrefOf.FindAllSubmatch(body, -1) {
		out = append(out, string(m[1]))
	}
	return out
}

func multiget(user int, hrefs []string) string {
	return as(user, "REPORT", collection(user), xmlType+"Depth: 1\r\n", `<C:calendar-multiget`+reportSpaces+
		`><D:prop><D:getetag/><C:calendar-data/></D:prop><D:href>`+strings.Join(hrefs, "</D:href><D:href>")+`</D:href></C:calendar-multiget>`)
}

func monthQuery(user int, from time.Time, data string) string {
	const form = "20060102T150405Z"
	to := from.AddDate(0, 1, 0)
	if data == "expand" {
		data = `<C:calendar-data><C:expand start="` + from.Format(form) + `" end="` + to.Format(form) + `"/></C:calendar-data>`
	} else {
		data = `<C:calendar-data/>`
	}
	return as(user, "REPORT", collection(user), xmlType+"Depth: 1\r\n", `<C:calendar-query`+reportSpaces+`><D:prop><D:getetag/>`+data+
		`</D:prop><C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"><C:time-range start="`+from.Format(form)+`" end="`+to.Format(form)+
		`"/></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>`)
}

// memoryEnv is the factotum.cache.bytes of BenchmarkMemory, if it is set.
const memoryEnv = "FACTOTUM_BENCH_MEMORY"

// BenchmarkMemory reports what the single process occupies: after its start,
// by default, and then with factotum.cache.bytes at the height of an import of
// all events into sixteen homes, and at the height of sixteen clients at work
// for 25 seconds. It is one run, whatever b.N:
//
//	FACTOTUM_BENCH_EVENTS=1000000 go test -run '^$' -bench Memory -benchtime 1x -timeout 30m ./cmd/calserver/bench
func BenchmarkMemory(b *testing.B) {
	events, err := strconv.Atoi(cmp.Or(os.Getenv(eventsEnv), "100000"))
	if err != nil {
		b.Fatalf("%s: %v", eventsEnv, err)
	}
	s := newSite(b)
	time.Sleep(3 * time.Second) // idle means after the start
	b.ReportMetric(s.megabytes(b, "VmRSS"), "MB-idle")
	s.set(b, "factotum.cache.bytes", cmp.Or(os.Getenv(memoryEnv), "250000000"))
	begin := time.Now()
	for n := range people {
		s.fill(b, n, events/people)
	}
	b.ReportMetric(float64(events)/time.Since(begin).Seconds(), "events/s-import")
	b.ReportMetric(s.megabytes(b, "VmHWM"), "MB-import")
	s.restart(b)
	time.Sleep(3 * time.Second)
	b.ReportMetric(s.megabytes(b, "VmRSS"), "MB-idle-full")
	var wg sync.WaitGroup
	var mu sync.Mutex
	requests := 0
	end := time.Now().Add(25 * time.Second)
	for n := range people {
		wg.Go(func() {
			done, err := s.work(b, n, end)
			if err != nil {
				b.Errorf("client %d: %v", n, err)
			}
			mu.Lock()
			requests += done
			mu.Unlock()
		})
	}
	wg.Wait()
	b.ReportMetric(float64(requests)/25, "requests/s")
	b.ReportMetric(s.megabytes(b, "VmHWM"), "MB-busy")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkIdleConnections reports what a multiget of fifty costs the server
// beside thousands of connections that say nothing, as a ratio of what it costs
// without them: goroutines and buffers live, and the collector looks at them.
//
//	go test -run '^$' -bench IdleConnections -benchtime 5000x ./cmd/calserver/bench
func BenchmarkIdleConnections(b *testing.B) {
	s := newSite(b)
	s.set(b, "factotum.cache.bytes", cmp.Or(os.Getenv(memoryEnv), "250000000"))
	s.fill(b, 0, 1000)
	c, err := dial(s.addr)
	if err != nil {
		b.Fatal(err)
	}
	defer c.conn.Close()
	hrefs := s.hrefs(b, c, 0)
	run := func() time.Duration {
		for i := range b.N + 500 { // the first are for the collector's limit
			if i == 500 {
				time.Sleep(3 * time.Second)
				s.used = cpu(b, s.pid)
			}
			at := i * 50 % (len(hrefs) - 50)
			if status, _, err := c.do(multiget(0, hrefs[at:at+50]), false); err != nil || status != 207 {
				b.Fatal(status, err)
			}
		}
		return cpu(b, s.pid) - s.used
	}
	alone := run()
	for i := range 5000 {
		local := net.TCPAddr{IP: net.IPv4(127, 0, byte(1+i/250), byte(1+i%250))}
		idle, err := (&net.Dialer{LocalAddr: &local}).Dial("tcp", s.addr)
		if err != nil {
			b.Fatal(err)
		}
		defer idle.Close()
		other := &client{conn: idle, r: bufio.NewReader(idle)}
		if status, _, err := other.do(as(0, "GET", "/", "", ""), false); err != nil || status != 200 {
			b.Fatal(status, err)
		}
	}
	beside := run()
	b.ReportMetric(float64(alone.Microseconds())/float64(b.N), "alone-µs/op")
	b.ReportMetric(float64(beside.Microseconds())/float64(b.N), "beside-µs/op")
	b.ReportMetric(float64(beside)/float64(alone), "ratio")
	b.ReportMetric(s.megabytes(b, "VmHWM"), "MB")
}

// work is a client that lists its calendar, reads objects, asks for months,
// plain and expanded, and writes, until end.
func (s *site) work(b *testing.B, user int, end time.Time) (done int, err error) {
	c, err := dial(s.addr)
	if err != nil {
		return 0, err
	}
	defer c.conn.Close()
	hrefs := s.hrefs(b, c, user)
	r := rand.New(rand.NewPCG(1, uint64(user)))
	for ; time.Now().Before(end); done++ {
		month := time.Date(2022+r.IntN(6), time.Month(1+r.IntN(12)), 1, 0, 0, 0, 0, time.UTC)
		href := hrefs[r.IntN(len(hrefs))]
		var req string
		switch k := r.IntN(100); {
		case k < 30:
			req = as(user, "GET", href, "", "")
		case k < 50:
			i := r.IntN(1000)
			req = as(user, "PUT", fmt.Sprintf("%snew%d.ics", collection(user), i), "Content-Type: text/calendar\r\n", sample(i))
		case k < 65:
			req = monthQuery(user, month, "")
		case k < 75:
			req = monthQuery(user, month, "expand")
		case k < 90:
			at := r.IntN(len(hrefs) - 50)
			req = multiget(user, hrefs[at:at+50])
		case k < 99:
			req = as(user, "PROPFIND", collection(user), xmlType+"Depth: 0\r\n", "")
		default:
			req = as(user, "REPORT", collection(user), xmlType+"Depth: 0\r\n", syncAll)
		}
		status, _, err := c.do(req, false)
		if err != nil || status/100 != 2 {
			return done, fmt.Errorf("status %d: %v\n%.300s", status, err, req)
		}
	}
	return done, nil
}

// BenchmarkFirstSync is the first synchronization of a calendar of 5,000
// events with a server that has just been started: the list, then all of them
// by multigets of 50.
func BenchmarkFirstSync(b *testing.B) {
	const events = 5000
	s := newSite(b)
	s.fill(b, 0, events)
	for b.Loop() {
		b.StopTimer()
		s.restart(b)
		c, err := dial(s.addr)
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		hrefs := s.hrefs(b, c, 0)
		if len(hrefs) != events {
			b.Fatalf("%d of %d", len(hrefs), events)
		}
		for i := 0; i < events; i += 50 {
			if status, _, err := c.do(multiget(0, hrefs[i:i+50]), false); err != nil || status != 207 {
				b.Fatalf("status %d: %v", status, err)
			}
		}
		c.conn.Close()
	}
}
