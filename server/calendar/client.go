package calendar

import "net/netip"

// ClientAddr is the address of a client, read from what HTTP calls the remote
// address ("192.0.2.1:4711"): IPv4 as such, also where it came in the clothes
// of IPv6. It is the zero Addr where there is none, as on a unix socket. The
// front end writes there what a trusted proxy says; nobody else looks at
// headers for it.
func ClientAddr(remote string) netip.Addr {
	a, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap()
}
