package dwp

import (
	"io"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// cutter stands between client and server and can break what goes through.
type cutter struct {
	mu    sync.Mutex
	conns []net.Conn
}

// newCutter puts itself before the server of l.
func newCutter(t *testing.T, l *link) *cutter {
	t.Helper()
	c := new(cutter)
	ln, err := Listen("unix:" + filepath.Join(t.TempDir(), "c"))
	if err != nil {
		t.Fatal(err)
	}
	server := l.client.Address
	l.client.Address = unixPrefix + ln.Addr().String()
	var wg sync.WaitGroup
	t.Cleanup(func() { ln.Close(); c.all(); wg.Wait() })
	wg.Go(func() {
		for {
			front, err := ln.Accept()
			if err != nil {
				return
			}
			back, err := dialer(time.Second)(t.Context(), server)
			if err != nil {
				front.Close()
				continue
			}
			c.mu.Lock()
			c.conns = append(c.conns, front, back)
			c.mu.Unlock()
			for _, way := range [][2]net.Conn{{front, back}, {back, front}} {
				wg.Go(func() {
					io.Copy(way[0], way[1])
					way[0].Close()
				})
			}
		}
	})
	return c
}

// all breaks the connections that stand.
func (c *cutter) all() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		conn.Close()
	}
	c.conns = nil
}
