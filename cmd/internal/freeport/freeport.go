// Package freeport finds ports for servers that tests start as processes of
// their own, which cannot be handed a listener. A port that the system picks
// could be taken again before the server listens on it: by an outgoing
// connection, or by another test. These lie below the range that Linux picks
// from, and each belongs to one test process until that ends.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

const first, count = 20_000, 12_000

var (
	mu     sync.Mutex
	next   = rand.IntN(count)
	claims []net.Listener // abstract sockets, whose names say which ports are ours
)

// Take returns a port of an address that nobody listens on, and that nobody
// else who asks here gets. A system that has no such address skips the test.
func Take(t testing.TB, address string) int {
	t.Helper()
	probe, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Skipf("%s is no address of this host: %v", address, err)
	}
	probe.Close()
	mu.Lock()
	defer mu.Unlock()
	for range count {
		port := first + next
		next = (next + 1) % count
		claim, err := net.Listen("unix", fmt.Sprintf("@factotum-test-port-%d", port))
		if err != nil {
			continue
		}
		ln, err := net.Listen("tcp", net.JoinHostPort(address, fmt.Sprint(port)))
		if err != nil {
			claim.Close()
			continue
		}
		ln.Close()
		claims = append(claims, claim)
		return port
	}
	t.Fatalf("no port from %d to %d is free", first, first+count-1)
	return 0
}
