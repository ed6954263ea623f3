package pgtest

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Proxy stands between a client and the server, as a network does that can
// fail. Its DSN is the one to connect to.
type Proxy struct {
	DSN string

	server string
	ln     net.Listener
	trips  atomic.Int64
	delay  atomic.Int64

	mu     sync.Mutex
	links  map[*Link]bool
	frozen bool
	watch  func(l *Link, sent []byte)
}

// Link is one connection through a Proxy.
type Link struct {
	p              *Proxy
	client, server net.Conn

	mu      sync.Mutex
	frozen  bool
	mute    bool // for what the server says
	thawed  sync.Cond
	answers bool // the last octets came from the server
}

// NewProxy makes a proxy to the server of dsn.
func NewProxy(t testing.TB, dsn string) *Proxy {
	t.Helper()
	const socket = ".s.PGSQL.5432"
	dir, err := os.MkdirTemp("", "pgproxy") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	host, rest, _ := strings.Cut(strings.TrimPrefix(dsn, "host="), " ")
	p := &Proxy{DSN: "host=" + dir + " " + rest, server: filepath.Join(host, socket), links: map[*Link]bool{}}
	if p.ln, err = net.Listen("unix", filepath.Join(dir, socket)); err != nil {
		t.Fatal(err)
	}
	go p.accept()
	t.Cleanup(func() {
		p.ln.Close()
		p.Thaw()
		p.Cut()
		os.RemoveAll(dir)
	})
	return p
}

func (p *Proxy) accept() {
	for {
		client, err := p.ln.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("unix", p.server)
		if err != nil {
			client.Close()
			continue
		}
		l := &Link{p: p, client: client, server: server}
		l.thawed.L = &l.mu
		p.mu.Lock()
		l.frozen = p.frozen
		p.links[l] = true
		p.mu.Unlock()
		go l.pump(client, server, true)
		go l.pump(server, client, false)
	}
}

func (l *Link) pump(from, to net.Conn, asks bool) {
	defer l.Cut()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		l.p.mu.Lock()
		watch := l.p.watch
		l.p.mu.Unlock()
		if asks && watch != nil {
			watch(l, b[:n])
		}
		l.mu.Lock()
		for l.frozen || l.mute && !asks {
			l.thawed.Wait()
		}
		if asks && l.answers {
			l.p.trips.Add(1)
		}
		l.answers = !asks
		l.mu.Unlock()
		time.Sleep(time.Duration(l.p.delay.Load()))
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}

// Delay makes the way so long, there and back.
func (p *Proxy) Delay(d time.Duration) { p.delay.Store(int64(d)) }

// Freeze lets nothing through this connection any more, as if the other side
// had stopped.
func (l *Link) Freeze() { l.set(true, false) }

// Mute lets no answer through any more, but what is asked.
func (l *Link) Mute() { l.set(false, true) }

// Thaw lets go on what waits.
func (l *Link) Thaw() { l.set(false, false) }

func (l *Link) set(frozen, mute bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.frozen, l.mute = frozen, mute
	l.thawed.Broadcast()
}

// Cut ends the connection for both sides.
func (l *Link) Cut() {
	l.p.mu.Lock()
	delete(l.p.links, l)
	l.p.mu.Unlock()
	l.client.Close()
	l.server.Close()
	l.Thaw()
}

// Watch calls fn with what clients send, before it is sent on.
func (p *Proxy) Watch(fn func(l *Link, sent []byte)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watch = fn
}

// Freeze lets nothing through, on no connection, new ones too.
func (p *Proxy) Freeze() { p.each(true, (*Link).Freeze) }

// Thaw lets everything go on.
func (p *Proxy) Thaw() { p.each(false, (*Link).Thaw) }

// Cut ends all connections; others can be made.
func (p *Proxy) Cut() {
	p.mu.Lock()
	frozen := p.frozen
	p.mu.Unlock()
	p.each(frozen, (*Link).Cut)
}

func (p *Proxy) each(frozen bool, do func(*Link)) {
	p.mu.Lock()
	p.frozen = frozen
	links := make([]*Link, 0, len(p.links))
	for l := range p.links {
		links = append(links, l)
	}
	p.mu.Unlock()
	for _, l := range links {
		do(l)
	}
}

// Trips counts how often a client has sent something after an answer: the round
// trips of all connections.
func (p *Proxy) Trips() int64 { return p.trips.Load() }
