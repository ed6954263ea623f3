package front

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// connTable bounds the open connections, in all and of one address. Where a
// limit is reached the connection that has been idle for longest gives way, so
// that many idle or slow clients cannot keep others out. Where most connections
// send bodies, or none is idle, one of those gives way: one that is behind the
// least rate, else one of an address that has more of them than the newcomer.
type connTable struct {
	max, perAddr int
	exempt       []netip.Prefix
	now          func() time.Time

	mu     sync.Mutex
	n      int
	stat   ConnStat
	idle   *list.List                // of *trackedConn, longest idle first
	linger *list.List                // of those that are closed when their clients have read why
	recv   map[*trackedConn]struct{} // on which bodies come
	hosts  map[netip.Addr]*hostConns
}

type hostConns struct {
	n, recv int
	idle    *list.List
}

func newConnTable(max, perAddr int, exempt []netip.Prefix) *connTable {
	return &connTable{max: max, perAddr: perAddr, exempt: exempt, now: time.Now, idle: list.New(), linger: list.New(), recv: map[*trackedConn]struct{}{},
		hosts: map[netip.Addr]*hostConns{}}
}

func (t *connTable) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.n
}

// trackedConn is a connection in the table. Without a request on its way it is
// in both lists.
type trackedConn struct {
	net.Conn
	table       *connTable
	host        netip.Addr
	inAll, inBy *list.Element
	lingering   *list.Element
	gone        bool
	sending     sending

	bodies int       // on their way; more than one over HTTP/2
	since  time.Time // the first of them began
	got    atomic.Int64
}

// Close takes the connection out of the table. One whose client may still be
// sending stays there until he has read his answer: see linger.
func (c *trackedConn) Close() error {
	t := c.table
	t.mu.Lock()
	switch {
	case c.lingering != nil:
		t.mu.Unlock()
		return nil
	case !c.gone && c.inAll == nil && c.sending.lingers():
		t.stay(c)
		return nil
	}
	t.drop(c)
	t.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite is what http.Server calls half a second before Close, where a
// client may still be sending.
func (c *trackedConn) CloseWrite() error {
	t := c.table
	t.mu.Lock()
	if c.gone || c.lingering != nil {
		t.mu.Unlock()
		return nil
	}
	t.work(c)
	t.stay(c)
	return nil
}

// stay lets a connection linger, and unlocks the table; where too many do the
// oldest is closed.
func (t *connTable) stay(c *trackedConn) {
	t.silence(c)
	c.lingering = t.linger.PushBack(c)
	var over *trackedConn
	if t.linger.Len() > maxLingering {
		over = oldest(t.linger)
		t.drop(over)
	}
	t.mu.Unlock()
	if over != nil {
		over.Conn.Close()
	}
	go c.linger()
}

// limitedListener accepts what the table admits.
type limitedListener struct {
	net.Listener
	table *connTable
}

func (t *connTable) listener(ln net.Listener) net.Listener { return &limitedListener{ln, t} }

// Accept implements net.Listener.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		tracked, evicted := l.table.admit(c)
		l.table.count(tracked != nil)
		if evicted != nil {
			evicted.Conn.Close()
		}
		if tracked == nil {
			c.Close()
			continue
		}
		return tracked, nil
	}
}

// admit puts a new connection into the table, perhaps in the place of an idle
// one; nil if there is no room.
func (t *connTable) admit(c net.Conn) (admitted, evicted *trackedConn) {
	host := hostOf(c)
	t.mu.Lock()
	defer t.mu.Unlock()
	by := t.hosts[host]
	if by == nil {
		by = &hostConns{idle: list.New()}
		t.hosts[host] = by
	}
	if limited := t.perAddr > 0 && !host.IsLoopback() && host.IsValid() && !contains(t.exempt, host); limited && by.n >= t.perAddr {
		if evicted = oldest(by.idle); evicted == nil {
			return nil, nil
		}
	} else if t.max > 0 && t.n >= t.max {
		if evicted = oldest(t.linger); evicted == nil && len(t.recv) > t.max/2 {
			evicted = t.slowest(by)
		}
		if evicted == nil {
			evicted = oldest(t.idle)
		}
		if evicted == nil {
			evicted = t.slowest(by)
		}
		if evicted == nil {
			if by.n == 0 {
				delete(t.hosts, host)
			}
			return nil, nil
		}
	}
	tc := &trackedConn{Conn: c, table: t, host: host}
	t.n++
	by.n++
	t.rest(tc)
	if evicted != nil {
		t.drop(evicted)
	}
	return tc, evicted
}

// ConnStat counts connections since the start.
type ConnStat struct {
	Taken   uint64    // that were taken
	Refused uint64    // for which there was no room
	Most    int       // that were open at once
	Last    time.Time // when the last one came
}

// count notes a connection that came.
func (t *connTable) count(taken bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !taken {
		t.stat.Refused++
		return
	}
	t.stat.Taken++
	t.stat.Most, t.stat.Last = max(t.stat.Most, t.n), t.now()
}

func oldest(l *list.List) *trackedConn {
	if e := l.Front(); e != nil {
		return e.Value.(*trackedConn)
	}
	return nil
}

// slowSample bounds how many connections are compared with each other. The map
// gives them in random order.
const slowSample = 256

// slowest chooses among the connections on which bodies come the one that is
// to make room for a newcomer of the address by.
func (t *connTable) slowest(by *hostConns) (victim *trackedConn) {
	var most int
	var worst int64 // octets behind
	now, n := t.now(), 0
	for c := range t.recv {
		if n++; n > slowSample {
			break
		}
		behind := max(0, int64(now.Sub(c.since)-bodyGrace)*minRate/int64(time.Second)-c.got.Load())
		share := t.hosts[c.host].recv
		if behind == 0 && share <= by.recv+1 {
			continue
		}
		if victim == nil || behind > 0 && worst == 0 || (behind > 0) == (worst > 0) && (share > most || share == most && behind > worst) {
			victim, most, worst = c, share, behind
		}
	}
	return victim
}

// receiving and received say that a body begins and ends.
func (t *connTable) receiving(c *trackedConn, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.gone {
		return
	}
	if c.bodies++; c.bodies == 1 {
		c.since = now
		c.got.Store(0)
		t.recv[c] = struct{}{}
		t.hosts[c.host].recv++
	}
}

func (t *connTable) received(c *trackedConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.gone {
		return
	}
	if c.bodies--; c.bodies == 0 {
		t.silence(c)
	}
}

// silence takes a connection out of those on which bodies come.
func (t *connTable) silence(c *trackedConn) {
	if _, ok := t.recv[c]; ok {
		delete(t.recv, c)
		t.hosts[c.host].recv--
	}
}

func (t *connTable) rest(c *trackedConn) {
	if c.gone || c.inAll != nil {
		return
	}
	c.inAll = t.idle.PushBack(c)
	c.inBy = t.hosts[c.host].idle.PushBack(c)
}

func (t *connTable) work(c *trackedConn) {
	if c.inAll == nil {
		return
	}
	t.idle.Remove(c.inAll)
	t.hosts[c.host].idle.Remove(c.inBy)
	c.inAll, c.inBy = nil, nil
}

func (t *connTable) drop(c *trackedConn) {
	if c.gone {
		return
	}
	t.work(c)
	t.silence(c)
	if c.lingering != nil {
		t.linger.Remove(c.lingering)
	}
	c.gone = true
	t.n--
	if by := t.hosts[c.host]; by.n > 1 {
		by.n--
	} else {
		delete(t.hosts, c.host)
	}
}

// state is http.Server.ConnState. A connection is idle until its first whole
// header, too: that is where slow clients are.
func (t *connTable) state(c net.Conn, st http.ConnState) {
	if tc, ok := c.(*tls.Conn); ok {
		c = tc.NetConn()
	}
	tc, ok := c.(*trackedConn)
	if !ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch st {
	case http.StateActive:
		tc.sending.reset()
		t.work(tc)
	case http.StateIdle:
		t.rest(tc)
	case http.StateClosed, http.StateHijacked:
		if tc.lingering == nil {
			t.drop(tc)
		}
	}
}

// hostOf is the address limits count by: of IPv6 the network, since its owner
// has all of it.
func hostOf(c net.Conn) netip.Addr {
	tcp, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	a := tcp.AddrPort().Addr().Unmap().WithZone("")
	if a.Is6() && !a.IsLoopback() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}
