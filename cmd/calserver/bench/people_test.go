package bench

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"

	"factotum/cmd/internal/freeport"
)

// peopleEnv says how many people BenchmarkPeople has, separated by commas, the
// fewest first; published figures have 100000 as well.
const peopleEnv = "FACTOTUM_BENCH_PEOPLE"

// cacheEnv is factotum.cache.bytes, where it is not to be its default: log-ins
// cost the same then, and calendars are not forgotten.
const cacheEnv = "FACTOTUM_BENCH_CACHE"

// eventsEach is how many events each of them has.
const eventsEach = 4

// crowd is a server with people u0, u1, … whose password is "pw".
type crowd struct {
	addr   string
	pid    int
	tokens []atomic.Pointer[string] // of the last sync
}

// newCrowd starts the program with n people, the first costly of whom have
// hashes as csuser makes them; those of the others cost next to nothing, so
// that they have logged in within a minute.
func newCrowd(b *testing.B, program string, n, costly int) *crowd {
	b.Helper()
	dir := b.TempDir()
	hash := func(memory, passes uint32) string {
		enc := base64.RawStdEncoding
		salt := []byte("a salt for all of them")
		return fmt.Sprintf("{ARGON2}$argon2id$v=19$m=%d,t=%d,p=1$%s$%s", memory, passes, enc.EncodeToString(salt),
			enc.EncodeToString(argon2.IDKey([]byte("pw"), salt, passes, memory, 1, 32)))
	}
	cheap, real := hash(64, 1), hash(19456, 2)
	var people strings.Builder
	for i := range n {
		h := cheap
		if i < costly {
			h = real
		}
		fmt.Fprintf(&people, "dn: uid=u%d,o=x\nobjectClass: inetOrgPerson\nobjectClass: icsCalendarUser\nuid: u%d\ncn: User %d\nuserPassword: %s\n\n", i, i, i, h)
	}
	conf := filepath.Join(dir, "ics.conf")
	cache := ""
	if n := os.Getenv(cacheEnv); n != "" {
		cache = "factotum.cache.bytes = \"" + n + "\"\n"
	}
	port := strconv.Itoa(freeport.Take(b, "127.0.0.1"))
	for path, text := range map[string]string{
		filepath.Join(dir, "people.ldif"): people.String(),
		conf: "factotum.data.dir = \"data\"\nfactotum.directory.type = \"ldif\"\nfactotum.directory.ldif.path = \"" + dir + "/people.ldif\"\n" +
			"service.defaultdomain = \"example.com\"\nservice.http.listenaddr = \"127.0.0.1\"\nservice.http.port = \"" + port + "\"\nfactotum.admin.listen = \"\"\n" + cache,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	cmd := exec.Command(program, "serve", "-C", conf)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { cmd.Process.Signal(os.Interrupt); cmd.Wait() })
	c := &crowd{addr: "127.0.0.1:" + port, pid: cmd.Process.Pid, tokens: make([]atomic.Pointer[string], n)}
	for range 600 { // a minute
		if conn, err := dial(c.addr); err == nil {
			conn.conn.Close()
			return c
		}
		time.Sleep(100 * time.Millisecond)
	}
	b.Fatal("the server does not listen")
	return nil
}

func (c *crowd) as(i int, method, name, extra, body string) string {
	login := base64.StdEncoding.EncodeToString([]byte("u" + strconv.Itoa(i) + ":pw"))
	return method + " /dav/calendars/u" + strconv.Itoa(i) + "/calendar/" + name + " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic " + login +
		"\r\n" + extra + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

// login is a request that costs little but the log-in.
func (c *crowd) login(conn *client, i int) error {
	return want(conn, c.as(i, "PROPFIND", "", xmlType+"Depth: 0\r\n", `<D:propfind`+reportSpaces+`><D:prop><D:resourcetype/></D:prop></D:propfind>`), 207)
}

func (c *crowd) put(conn *client, i, event int) error {
	return want(conn, c.as(i, "PUT", strconv.Itoa(event)+".ics", "Content-Type: text/calendar\r\n", sample(event)), 201, 204)
}

func want(conn *client, req string, statuses ...int) error {
	status, _, err := conn.do(req, false)
	if err == nil && !slices.Contains(statuses, status) {
		err = fmt.Errorf("status %d of %.40q", status, req)
	}
	return err
}

// each runs f for people from to below to, over connections.
func (c *crowd) each(b *testing.B, conns, from, to int, f func(conn *client, i int) error) {
	b.Helper()
	var next atomic.Int64
	next.Store(int64(from))
	var wg sync.WaitGroup
	for range conns {
		wg.Go(func() {
			conn, err := dial(c.addr)
			if err != nil {
				b.Error(err)
				return
			}
			defer conn.conn.Close()
			for i := int(next.Add(1)) - 1; i < to; i = int(next.Add(1)) - 1 {
				if err := f(conn, i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// one is a request as clients make it: of ten, three ask for the CTag, three
// sync, the others get, put, ask for four texts and for a month.
func (c *crowd) one(conn *client, i int) error {
	switch k := rand.N(100); {
	case k < 30:
		return want(conn, c.as(i, "PROPFIND", "", xmlType+"Depth: 0\r\n", `<D:propfind`+reportSpaces+
			` xmlns:S="http://calendarserver.org/ns/"><D:prop><S:getctag/><D:sync-token/></D:prop></D:propfind>`), 207)
	case k < 60:
		return c.sync(conn, i)
	case k < 70:
		hrefs := ""
		for e := range eventsEach {
			hrefs += fmt.Sprintf("<D:href>/dav/calendars/u%d/calendar/%d.ics</D:href>", i, e)
		}
		return want(conn, c.as(i, "REPORT", "", xmlType+"Depth: 1\r\n", `<C:calendar-multiget`+reportSpaces+`><D:prop><C:calendar-data/></D:prop>`+hrefs+`</C:calendar-multiget>`), 207)
	case k < 80:
		return want(conn, c.as(i, "GET", strconv.Itoa(rand.N(eventsEach))+".ics", "", ""), 200)
	case k < 95:
		return c.put(conn, i, rand.N(eventsEach))
	}
	return want(conn, c.as(i, "REPORT", "", xmlType+"Depth: 1\r\n", `<C:calendar-query`+reportSpaces+`><D:prop><C:calendar-data/></D:prop><C:filter><C:comp-filter name="VCALENDAR">`+
		`<C:comp-filter name="VEVENT"><C:time-range start="20260101T000000Z" end="20260201T000000Z"/></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>`), 207)
}

// sync asks what has changed since the last time.
func (c *crowd) sync(conn *client, i int) error {
	token := ""
	if t := c.tokens[i].Load(); t != nil {
		token = *t
	}
	status, body, err := conn.do(c.as(i, "REPORT", "", xmlType+"Depth: 0\r\n", `<D:sync-collection`+reportSpaces+`><D:sync-token>`+token+
		`</D:sync-token><D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop></D:sync-collection>`), true)
	if err != nil || status != 207 {
		return fmt.Errorf("sync: status %d: %v", status, err)
	}
	_, rest, _ := strings.Cut(string(body), "<D:sync-token>")
	token, _, _ = strings.Cut(rest, "<")
	c.tokens[i].Store(&token)
	return nil
}

// settle fills the calendar of a person, who has then logged in and synced.
func (c *crowd) settle(conn *client, i int) error {
	for e := range eventsEach {
		if err := c.put(conn, i, e); err != nil {
			return err
		}
	}
	return c.sync(conn, i)
}

// mix is the CPU of a request of n people, and the slowest of a hundred.
func (c *crowd) mix(b *testing.B, n, requests int) (each, p99 time.Duration) {
	b.Helper()
	var mu sync.Mutex
	var took []time.Duration
	before := cpu(b, c.pid)
	c.each(b, 16, 0, requests, func(conn *client, _ int) error {
		begin := time.Now()
		err := c.one(conn, rand.N(n))
		d := time.Since(begin)
		mu.Lock()
		took = append(took, d)
		mu.Unlock()
		return err
	})
	spent := cpu(b, c.pid) - before
	slices.Sort(took)
	return spent / time.Duration(requests), took[len(took)*99/100]
}

func buildProgram(b *testing.B) string {
	b.Helper()
	program := filepath.Join(b.TempDir(), "calserver")
	build := exec.Command("go", "build", "-o", program, "factotum/cmd/calserver")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	return program
}

// BenchmarkPeople compares what a client's usual mix of requests costs with
// many people to what it costs with a thousand, in CPU, in turns. All have
// logged in before: nobody is to be hashed again. It is one run, whatever b.N:
//
//	FACTOTUM_BENCH_PEOPLE=1000,10000,100000 go test -run '^$' -bench People -benchtime 1x -timeout 2h ./cmd/calserver/bench
func BenchmarkPeople(b *testing.B) {
	var sizes []int
	for _, s := range strings.Split(cmp.Or(os.Getenv(peopleEnv), "1000,10000"), ",") {
		n, err := strconv.Atoi(s)
		if err != nil {
			b.Fatalf("%s: %v", peopleEnv, err)
		}
		sizes = append(sizes, n)
	}
	most := slices.Max(sizes)
	c := newCrowd(b, buildProgram(b), most, 0)
	c.each(b, 16, 0, most, c.settle)
	const rounds, requests = 5, 20_000
	costs := map[int][]float64{}
	for range rounds {
		for _, n := range sizes {
			each, _ := c.mix(b, n, requests)
			costs[n] = append(costs[n], float64(each.Nanoseconds())/1000)
		}
	}
	median := func(n int) float64 { slices.Sort(costs[n]); return costs[n][rounds/2] }
	for _, n := range sizes {
		b.ReportMetric(median(n), fmt.Sprintf("µs-cpu/request-%d", n))
		b.ReportMetric(100*median(sizes[0])/median(n), fmt.Sprintf("%%-of-%d-with-%d", sizes[0], n))
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkFirstLogins reports how many people a second log in for the first
// time, in what CPU, and what others, who have logged in, notice of it: their
// slowest request of a hundred, alone and meanwhile. It is one run, whatever b.N.
func BenchmarkFirstLogins(b *testing.B) {
	const known, herd = 50, 150
	c := newCrowd(b, buildProgram(b), known+herd, known+herd)
	c.each(b, 16, 0, known, c.settle)
	_, alone := c.mix(b, known, 5000)
	begin, before := time.Now(), cpu(b, c.pid)
	c.each(b, 64, known, known+herd/2, c.login)
	b.ReportMetric(herd/2/time.Since(begin).Seconds(), "logins/s")
	b.ReportMetric(float64((cpu(b, c.pid)-before).Milliseconds())/(herd/2), "ms-cpu/login")
	var wg sync.WaitGroup
	wg.Go(func() { c.each(b, 64, known+herd/2, known+herd, c.login) })
	_, meanwhile := c.mix(b, known, 5000)
	wg.Wait()
	b.ReportMetric(float64(alone.Microseconds())/1000, "ms-p99-alone")
	b.ReportMetric(float64(meanwhile.Microseconds())/1000, "ms-p99-meanwhile")
	b.ReportMetric(0, "ns/op")
}
