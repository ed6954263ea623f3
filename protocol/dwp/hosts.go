package dwp

import (
	"context"
	"net"
	"sync"
	"time"
)

// A back end may have a twin, which serves when it does not (calendar.Twin). The client has one
// connection at a time, to the one of them that it last found to serve; each time that this
// ends, or tells that it does not serve, the other is tried.

// standbyPause is how long a connection to the one that does not serve stays at least.
const standbyPause = 300 * time.Millisecond

// hosts are where a client may connect to.
type hosts struct {
	all  []StandbyHost
	dial func(ctx context.Context, address string) (net.Conn, error)

	mu   sync.Mutex
	next int // that is tried next
	at   int // that is connected to, or was
	open net.Conn
	n    int // of connections so far
}

// hostConn is a connection to one of several hosts.
type hostConn struct {
	net.Conn
	host string
}

func newHosts(opts *ClientOptions) (*hosts, error) {
	h := &hosts{all: []StandbyHost{{opts.Host, opts.Address}}}
	base := dialer(opts.DialTimeout)
	if opts.Standby.Host == "" {
		h.dial = base
		return h, nil
	}
	if err := checkHost(opts.Standby.Host); err != nil {
		return nil, err
	}
	if opts.TLS == nil {
		if err := checkPlain(opts.Standby.Address); err != nil {
			return nil, err
		}
	}
	h.all = append(h.all, opts.Standby)
	h.dial = func(ctx context.Context, _ string) (net.Conn, error) {
		h.mu.Lock()
		i := h.next
		h.next = (i + 1) % len(h.all)
		h.mu.Unlock()
		conn, err := base(ctx, h.all[i].Address)
		if err != nil {
			return nil, err
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.at, h.open, h.n = i, conn, h.n+1
		return &hostConn{conn, h.all[i].Host}, nil
	}
	return h, nil
}

// two tells whether there is another host to ask.
func (h *hosts) two() bool { return len(h.all) > 1 }

// host is the one that is connected to.
func (h *hosts) host() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.all[h.at].Host
}

// connection is which of all connections there is, or was.
func (h *hosts) connection() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.n
}

// switchOver ends a connection, unless there is another one already, and has the other host tried.
func (h *hosts) switchOver(connection int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open != nil && h.n == connection {
		h.next = (h.at + 1) % len(h.all)
		h.open.Close()
		h.open = nil
	}
}
