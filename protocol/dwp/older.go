package dwp

import (
	"maps"
	"net"
	"slices"
	"sync"

	"google.golang.org/grpc/credentials"
)

// callers are the hosts of an earlier release that are connected, by address: those do
// not understand that a home has moved, and while there are some none does.
type callers struct {
	mu    sync.Mutex
	older map[string]bool
}

// note looks at a greeting of a release.
func (c *callers) note(from net.Addr, version uint32) {
	if from == nil || from.Network() != "tcp" || version >= arrivesFrom {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.older == nil {
		c.older = map[string]bool{}
	}
	c.older[from.String()] = true
}

func (c *callers) left(from net.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.older, from.String())
}

// Older are the addresses of hosts of an earlier release that are connected and do not
// understand that a home has moved.
func (s *Server) Older() []string {
	s.callers.mu.Lock()
	defer s.callers.mu.Unlock()
	return slices.Sorted(maps.Keys(s.callers.older))
}

// seeing are credentials by which the callers learn that a connection has ended. gRPC's
// own way to hear of it would cost each call ten percent of its allocations.
type seeing struct {
	credentials.TransportCredentials
	callers *callers
}

// ServerHandshake implements credentials.TransportCredentials.
func (s *seeing) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := s.TransportCredentials.ServerHandshake(raw)
	if err == nil {
		conn = &callerConn{conn, s.callers}
	}
	return conn, info, err
}

// Clone implements credentials.TransportCredentials.
func (s *seeing) Clone() credentials.TransportCredentials {
	return &seeing{s.TransportCredentials.Clone(), s.callers}
}

type callerConn struct {
	net.Conn
	callers *callers
}

// Close implements net.Conn.
func (c *callerConn) Close() error {
	c.callers.left(c.RemoteAddr())
	return c.Conn.Close()
}
