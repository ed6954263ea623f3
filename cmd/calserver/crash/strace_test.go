package crash

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// call is a system call in a trace: the line where it began and, for one that
// others came between, where it ended.
type call struct {
	name, text string // text: all after the name
	begin, end int
}

// fd is the file or connection that the call's first argument stands for.
func (c *call) fd() string {
	_, rest, _ := strings.Cut(c.text, "<")
	name, _, _ := strings.Cut(rest, ">")
	if strings.HasPrefix(name, "TCP:") { // [local->remote]: the > is in the name
		i := strings.Index(rest, "]>")
		name = rest[:max(i, 0)]
	}
	return name
}

// data is the quoted argument of a read or write.
func (c *call) data() []byte {
	from := strings.IndexByte(c.text, '"')
	if from < 0 {
		return nil
	}
	return unquote(c.text[from+1:])
}

// unquote reads a C string up to its closing quote.
func unquote(s string) []byte {
	var out []byte
	for i := 0; i < len(s); i++ {
		if s[i] == '"' {
			break
		}
		if s[i] != '\\' || i+1 == len(s) {
			out = append(out, s[i])
			continue
		}
		i++
		if at := strings.IndexByte(`abtnvfr`, s[i]); at >= 0 {
			out = append(out, byte(at+7))
			continue
		}
		if s[i] < '0' || s[i] > '7' {
			out = append(out, s[i])
			continue
		}
		n, digits := 0, 0
		for ; digits < 3 && i+digits < len(s) && s[i+digits] >= '0' && s[i+digits] <= '7'; digits++ {
			n = n*8 + int(s[i+digits]-'0')
		}
		out = append(out, byte(n))
		i += digits - 1
	}
	return out
}

var (
	traceLine    = regexp.MustCompile(`^(\d+) +\d+\.\d+ (.*)$`)
	traceCall    = regexp.MustCompile(`^(\w+)(\(.*)$`)
	traceResumed = regexp.MustCompile(`^<\.\.\. (\w+) resumed>(.*)$`)
)

// readTrace reads the output of strace -f -ttt -yy. A call stands twice in the
// list, at its begin and its end, in the order of the trace.
func readTrace(t *testing.T, name string) []*call {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	open := map[string]*call{}
	var calls []*call
	in := bufio.NewScanner(f)
	in.Buffer(nil, 16<<20)
	for n := 1; in.Scan(); n++ {
		m := traceLine.FindStringSubmatch(in.Text())
		if m == nil {
			continue
		}
		pid, text := m[1], m[2]
		if r := traceResumed.FindStringSubmatch(text); r != nil {
			if c := open[pid]; c != nil && c.name == r[1] {
				c.text, c.end = c.text+r[2], n
				calls = append(calls, c)
				delete(open, pid)
			}
			continue
		}
		r := traceCall.FindStringSubmatch(text)
		if r == nil {
			continue
		}
		c := &call{name: r[1], text: r[2], begin: n}
		if short, ok := strings.CutSuffix(c.text, " <unfinished ...>"); ok {
			c.text = short
			open[pid] = c
			calls = append(calls, c)
			continue
		}
		c.end = n
		calls = append(calls, c, c)
	}
	if err := in.Err(); err != nil {
		t.Fatal(err)
	}
	return calls
}

func (c *call) succeeded() bool {
	i := strings.LastIndex(c.text, ") = ")
	return i >= 0 && !strings.HasPrefix(c.text[i+4:], "-")
}

// traced is a process under strace, which writes to the file.
func traced(t testing.TB, p *process, file string) {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("strace is not installed")
	}
	p.argv = append([]string{strace, "-D", "-f", "-ttt", "-yy", "-s", "1000000", "-o", file,
		"-e", "trace=openat,mkdir,mkdirat,fsync,fdatasync,read,write,writev,pwrite64,sendto", "-e", "signal=none", "--"}, p.argv...)
}

// TestSyncBeforeAnswer looks at the system calls: between the write of a
// transaction's last frame to SQLite's log and the answer to the request that
// it is for, the log was synced; and what was made was synced in its directory.
func TestSyncBeforeAnswer(t *testing.T) {
	dir := t.TempDir()
	store, trace := filepath.Join(dir, "var", "data"), filepath.Join(dir, "trace")
	address := freeAddress(t)
	p := partProcess(t, "calserver", part{Store: store, HTTP: address})
	proveSync(t, p, address, dir, trace)
}

// proveSync traces the process while eight clients put events of their own.
// Everything below dir but the trace is the server's.
func proveSync(t *testing.T, p *process, address, dir, trace string) {
	traced(t, p, trace)
	p.start(t)
	defer p.kill(t)
	const clients, puts = 8, 25
	newLoad(address).provision(t)
	var group sync.WaitGroup
	for n := range clients {
		group.Go(func() {
			c := newClient(address, fmt.Sprintf("user%d", n%loadUsers))
			for i := range puts {
				token := fmt.Sprintf("proof-%d-%d-end", n, i)
				if a, err := c.put(token+".ics", event(token, "x", 0)); err != nil || a.status != http.StatusCreated {
					t.Errorf("PUT %s: %v, status %d", token, err, a.status)
				}
			}
		})
	}
	group.Wait()
	p.stop(t)
	eventually(t, "the trace to be written", func() error {
		b, err := os.ReadFile(trace)
		if err == nil && !strings.Contains(string(b[max(0, len(b)-500):]), "+++ exited with 0 +++") {
			err = fmt.Errorf("it ends with %.200q", b[max(0, len(b)-200):])
		}
		return err
	})
	l := syncLaw{syncing: map[*call]int{}, frames: map[string]int{}, committed: map[string]int{}, requests: map[string]string{},
		known: map[string]bool{}, waiting: map[string]bool{}, seen: map[*call]bool{}}
	for _, c := range readTrace(t, trace) {
		l.look(t, c, dir)
	}
	if l.answered != clients*puts {
		t.Errorf("%d answers in the trace, want %d", l.answered, clients*puts)
	}
	if l.synced == 0 || len(l.known) == 0 {
		t.Errorf("%d writes synced, %d files made: that is not the trace of a new store", l.synced, len(l.known))
	}
	t.Logf("%d answers, each after one of %d syncs", l.answered, l.syncs)
}

// syncLaw follows a trace.
type syncLaw struct {
	writes    int               // to the log, so far
	synced    int               // how many of them are durable
	syncing   map[*call]int     // syncs under way: the writes before them
	frames    map[string]int    // token → the write that has it, not committed yet
	committed map[string]int    // token → the last write of its transaction
	commit    bool              // the next write is the page of a commit frame
	requests  map[string]string // connection → token of the request on it
	known     map[string]bool   // files and directories that were made
	waiting   map[string]bool   // those of them that were not synced in their directory yet
	answered  int
	syncs     int
	seen      map[*call]bool
}

var (
	tokenText   = regexp.MustCompile(`proof-\d+-\d+-end`)
	requestLine = regexp.MustCompile(`^P?UT \S*/(proof-\d+-\d+-end)\.ics HTTP/1\.1\r\n`)
	answerLine  = regexp.MustCompile(`^HTTP/1\.1 (20\d) `)
	pathText    = regexp.MustCompile(`"((?:[^"\\]|\\.)*)"`)
)

// look takes the next event: the begin of a call, or its end.
func (l *syncLaw) look(t *testing.T, c *call, dir string) {
	if !l.seen[c] {
		l.seen[c] = true
		l.begin(t, c, dir)
		return
	}
	if c.succeeded() {
		l.end(c, dir)
	}
}

func isLog(name string) bool { return strings.HasSuffix(name, ".db-wal") }

func (l *syncLaw) begin(t *testing.T, c *call, dir string) {
	switch c.name {
	case "fsync", "fdatasync":
		l.syncing[c] = l.writes
	case "write", "writev", "sendto":
		m := answerLine.FindSubmatch(c.data())
		token := l.requests[c.fd()]
		if m == nil || token == "" {
			return
		}
		delete(l.requests, c.fd())
		l.answered++
		last, ok := l.committed[token]
		if !ok {
			t.Errorf("line %d: %s is answered with %s, but not in the log", c.begin, token, m[1])
		} else if last > l.synced {
			t.Errorf("line %d: %s is answered, but of the log only %d writes are synced, not %d", c.begin, token, l.synced, last)
		}
		for name := range l.waiting {
			t.Errorf("line %d: %s is answered, but the making of %s is not synced", c.begin, token, strings.TrimPrefix(name, dir))
		}
		clear(l.waiting)
	}
}

func (l *syncLaw) end(c *call, dir string) {
	switch c.name {
	case "read":
		if m := requestLine.FindSubmatch(c.data()); m != nil {
			l.requests[c.fd()] = string(m[1])
		}
	case "pwrite64":
		if !isLog(c.fd()) {
			return
		}
		l.writes++
		data := c.data()
		for _, token := range tokenText.FindAllString(string(data), -1) {
			if _, ok := l.committed[token]; !ok {
				l.frames[token] = l.writes
			}
		}
		if l.commit {
			for token := range l.frames {
				l.committed[token] = l.writes
			}
			clear(l.frames)
		}
		// A frame's header: the database's size after a commit, else 0.
		l.commit = len(data) == 24 && binary.BigEndian.Uint32(data[4:]) != 0
	case "fsync", "fdatasync":
		l.syncs++
		name := c.fd()
		if isLog(name) {
			l.synced = max(l.synced, l.syncing[c])
		}
		for made := range l.waiting {
			if filepath.Dir(made) == name {
				delete(l.waiting, made)
			}
		}
	case "openat":
		if m := pathText.FindStringSubmatch(c.text); m != nil && strings.Contains(c.text, "O_CREAT") && (strings.HasSuffix(m[1], ".db") || isLog(m[1])) {
			l.make(m[1], dir)
		}
	case "mkdir", "mkdirat":
		if m := pathText.FindStringSubmatch(c.text); m != nil {
			l.make(m[1], dir)
		}
	}
}

// make notes what must be synced in its directory, the first time.
func (l *syncLaw) make(name, dir string) {
	if strings.HasPrefix(name, dir+"/") && !l.known[name] {
		l.known[name], l.waiting[name] = true, true
	}
}
