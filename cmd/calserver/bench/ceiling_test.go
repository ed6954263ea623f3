package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"factotum/cmd/internal/hosttest"
)

// bareEnv makes the test binary a bare server: its value is a folder with the
// answers, one file for each path segment of the request.
const bareEnv = "FACTOTUM_BENCH_BARE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(bareEnv); dir != "" {
		bare(dir)
		return
	}
	code := m.Run()
	hosttest.Remove()
	os.Exit(code)
}

// bare answers what it was told, from memory, with net/http alone.
func bare(dir string) {
	files, err := os.ReadDir(dir)
	if err != nil {
		panic(err)
	}
	answers := map[string][]byte{}
	for _, f := range files {
		body, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			panic(err)
		}
		answers["/"+f.Name()] = body
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println("listening on " + ln.Addr().String())
	panic(http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		body := answers[r.URL.Path]
		w.Header().Set("Content-Type", "application/xml; charset=utf-8")
		if r.Method == "REPORT" {
			w.WriteHeader(http.StatusMultiStatus)
		} else {
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		}
		w.Write(body)
	})))
}

var address = regexp.MustCompile(`127\.0\.0\.1:\d+`)

// start runs a command until it says where it listens; it ends with b.
func start(b *testing.B, cmd *exec.Cmd) (addr string, pid int) {
	b.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	cmd.Stderr = io.Discard
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { cmd.Process.Signal(os.Interrupt); cmd.Wait() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if a := address.FindString(lines.Text()); a != "" {
			go io.Copy(io.Discard, out)
			return a, cmd.Process.Pid
		}
	}
	b.Fatal("the server ended before it listened")
	return "", 0
}

const auth = "bench1:pass1"

func request(method, path, extra, body string) string {
	return method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic " + base64.StdEncoding.EncodeToString([]byte(auth)) +
		"\r\n" + extra + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

// client is one connection; it reads answers without understanding them.
type client struct {
	conn net.Conn
	r    *bufio.Reader
}

func dial(addr string) (*client, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &client{conn, bufio.NewReaderSize(conn, 64<<10)}, nil
}

// do sends the request and returns the status and, when keep is set, the body.
func (c *client) do(req string, keep bool) (status int, body []byte, err error) {
	if _, err = io.WriteString(c.conn, req); err != nil {
		return 0, nil, err
	}
	length, chunked := 0, false
	for first := true; ; first = false {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return 0, nil, err
		}
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case first && len(line) > 12:
			status, _ = strconv.Atoi(string(line[9:12]))
		case len(line) == 0:
			var to io.Writer = io.Discard
			var buf bytes.Buffer
			if keep {
				to = &buf
			}
			if !chunked {
				_, err = io.CopyN(to, c.r, int64(length))
				return status, buf.Bytes(), err
			}
			for {
				line, err := c.r.ReadSlice('\n')
				if err != nil {
					return 0, nil, err
				}
				n, err := strconv.ParseInt(strings.TrimSpace(string(line)), 16, 32)
				if err != nil {
					return 0, nil, err
				}
				if _, err := io.CopyN(to, c.r, n); err != nil {
					return 0, nil, err
				}
				if _, err := c.r.Discard(2); err != nil {
					return 0, nil, err
				}
				if n == 0 {
					return status, buf.Bytes(), nil
				}
			}
		case bytes.EqualFold(line[:min(len(line), 16)], []byte("Content-Length: ")):
			length, _ = strconv.Atoi(string(line[16:]))
		case bytes.EqualFold(line, []byte("Transfer-Encoding: chunked")):
			chunked = true
		}
	}
}

func sample(i int) string {
	return fmt.Sprintf("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//bench//EN\r\nBEGIN:VEVENT\r\nUID:u%d\r\nDTSTAMP:20260101T000000Z\r\n"+
		"DTSTART:2026%02d%02dT090000Z\r\nDURATION:PT1H\r\nSUMMARY:Meeting %d\r\n%sEND:VEVENT\r\nEND:VCALENDAR\r\n",
		i, 1+i%12, 1+i%28, i, strings.Repeat("COMMENT:Agenda and notes are kept in the shared folder\\; read them first.\r\n", 15))
}

// BenchmarkCeiling sends the same requests to the program and to a bare Go
// HTTP server that answers the same bytes, over 16 connections: compare the
// requests per second of each pair.
func BenchmarkCeiling(b *testing.B) {
	dir := b.TempDir()
	program := filepath.Join(dir, "calserver")
	build := exec.Command("go", "build", "-o", program, "factotum/cmd/calserver")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	ours, ourPID := start(b, exec.Command(program, "quickstart", "--data", filepath.Join(dir, "data"), "--http", "127.0.0.1:0", "--user", auth))
	c, err := dial(ours)
	if err != nil {
		b.Fatal(err)
	}
	must := func(want int, req string) []byte {
		b.Helper()
		status, body, err := c.do(req, true)
		if err != nil || status != want {
			b.Fatalf("status %d, want %d: %v\n%.300s", status, want, err, body)
		}
		return body
	}
	const home = "/dav/calendars/bench1/"
	xml := "Content-Type: application/xml\r\n"
	must(207, request("PROPFIND", home, xml+"Depth: 0\r\n", ""))
	var hrefs strings.Builder
	for i := range 1000 {
		path := fmt.Sprintf("%scalendar/e%04d.ics", home, i)
		must(201, request("PUT", path, "Content-Type: text/calendar\r\n", sample(i)))
		if i%20 == 0 {
			hrefs.WriteString("<D:href>" + path + "</D:href>")
		}
	}
	const ns = ` xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"`
	syncBody := func(token string) string {
		return `<D:sync-collection` + ns + `><D:sync-token>` + token + `</D:sync-token><D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop></D:sync-collection>`
	}
	first := must(207, request("REPORT", home+"calendar/", xml+"Depth: 0\r\n", syncBody("")))
	token := regexp.MustCompile(`<D:sync-token>([^<]+)`).FindSubmatch(first)
	if token == nil {
		b.Fatalf("no token in %.300s", first)
	}
	for i := range 10 {
		must(204, request("PUT", fmt.Sprintf("%scalendar/e%04d.ics", home, i), "Content-Type: text/calendar\r\n", strings.Replace(sample(i), "SUMMARY:", "SUMMARY:New ", 1)))
	}
	cases := []struct{ name, req string }{
		{"get", request("GET", home+"calendar/e0500.ics", "", "")},
		{"multiget", request("REPORT", home+"calendar/", xml+"Depth: 1\r\n", `<C:calendar-multiget`+ns+`><D:prop><D:getetag/><C:calendar-data/></D:prop>`+hrefs.String()+`</C:calendar-multiget>`)},
		{"sync10", request("REPORT", home+"calendar/", xml+"Depth: 0\r\n", syncBody(string(token[1])))},
		{"syncall", request("REPORT", home+"calendar/", xml+"Depth: 0\r\n", syncBody(""))},
	}
	if to := os.Getenv(profileEnv); to != "" {
		for _, k := range cases {
			profile(b, filepath.Join(dir, "data", "proc", "calserver.admin"), filepath.Join(to, k.name+".pprof"), ours, k.req)
		}
		return
	}
	answers := b.TempDir()
	for _, k := range cases {
		_, body, err := c.do(k.req, true)
		if err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(answers, k.name), body, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), bareEnv+"="+answers)
	ceiling, barePID := start(b, cmd)
	for _, k := range cases {
		_, rest, _ := strings.Cut(k.req, " ")
		_, rest, _ = strings.Cut(rest, " ")
		method, _, _ := strings.Cut(k.req, " ")
		b.Run(k.name+"/factotum", func(b *testing.B) { drive(b, ours, ourPID, k.req) })
		b.Run(k.name+"/bare", func(b *testing.B) { drive(b, ceiling, barePID, method+" /"+k.name+" "+rest) })
	}
}

// profileEnv names a folder: then nothing is measured, and a CPU profile of
// this server under each request is left there.
const profileEnv = "FACTOTUM_BENCH_PROFILE"

// profile sends the request over and over while the admin socket takes the
// profile.
func profile(b *testing.B, socket, to, addr, req string) {
	b.Helper()
	admin := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", socket)
	}}}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			c, err := dial(addr)
			if err != nil {
				b.Error(err)
				return
			}
			defer c.conn.Close()
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, _, err := c.do(req, false); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	defer wg.Wait()
	defer close(stop)
	res, err := admin.Get("http://admin/debug/pprof/profile?seconds=5")
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil {
		err = os.WriteFile(to, body, 0o644)
	}
	if err != nil {
		b.Fatal(err)
	}
}

// cpu is the time a process has computed.
func cpu(b *testing.B, pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

func drive(b *testing.B, addr string, pid int, req string) {
	var next atomic.Int64
	var wg sync.WaitGroup
	begin, used := time.Now(), cpu(b, pid)
	for range 16 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			c, err := dial(addr)
			if err != nil {
				b.Error(err)
				return
			}
			defer c.conn.Close()
			for next.Add(1) <= int64(b.N) {
				if status, _, err := c.do(req, false); err != nil || status/100 != 2 {
					b.Errorf("status %d: %v", status, err)
					return
				}
			}
		}()
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/time.Since(begin).Seconds(), "req/s")
	b.ReportMetric(float64((cpu(b, pid)-used).Microseconds())/float64(b.N), "server-µs/req")
}
