package front

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"
)

// connTable bounds the open connections, in all and of one address. Where a
// limit is reached the connection that has been idle for longest gives way, so
// that many idle or slow clients cannot keep others out.
type connTable struct {
	max, perAddr int
	exempt       []netip.Prefix

	mu    sync.Mutex
	n     int
	idle  *list.List // of *trackedConn, longest idle first
	hosts map[netip.Addr]*hostConns
}

type hostConns struct {
	n    int
	idle *list.List
}

func newConnTable(max, perAddr int, exempt []netip.Prefix) *connTable {
	return &connTable{max: max, perAddr: perAddr, exempt: exempt, idle: list.New(), hosts: map[netip.Addr]*hostConns{}}
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
	gone        bool
}

// Close takes the connection out of the table.
func (c *trackedConn) Close() error {
	c.table.mu.Lock()
	c.table.drop(c)
	c.table.mu.Unlock()
	return c.Conn.Close()
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
		if evicted = oldest(t.idle); evicted == nil {
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

func oldest(l *list.List) *trackedConn {
	if e := l.Front(); e != nil {
		return e.Value.(*trackedConn)
	}
	return nil
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
		t.work(tc)
	case http.StateIdle:
		t.rest(tc)
	case http.StateClosed, http.StateHijacked:
		t.drop(tc)
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
