package freeport

import (
	"fmt"
	"net"
	"testing"
)

func TestPortsAreTakenOnce(t *testing.T) {
	seen := map[int]bool{}
	for range 20 {
		port := Take(t, "127.0.0.1")
		if seen[port] || port < first || port >= first+count {
			t.Fatalf("port %d", port)
		}
		seen[port] = true
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		ln.Close()
	}
	// Another process starts somewhere else, and meets the names of ours.
	next = (next + count - 20) % count
	for range 20 {
		if port := Take(t, "127.0.0.1"); seen[port] {
			t.Errorf("port %d again", port)
		}
	}
}
