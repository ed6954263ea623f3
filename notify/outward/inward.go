package outward

import "net/netip"

// networks are those that are no part of the public Internet, and why: the
// registries of special-purpose addresses, RFC 6890, and multicast.
var networks = []struct {
	prefix netip.Prefix
	why    string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "an address of this host"},                               // RFC 1122 §3.2.1.3
	{netip.MustParsePrefix("10.0.0.0/8"), "a private address"},                                    // RFC 1918
	{netip.MustParsePrefix("100.64.0.0/10"), "an address behind a provider's translation"},        // RFC 6598
	{netip.MustParsePrefix("127.0.0.0/8"), "a loopback address"},                                  // RFC 1122 §3.2.1.3
	{netip.MustParsePrefix("169.254.0.0/16"), "a link-local address, where clouds keep secrets"},  // RFC 3927
	{netip.MustParsePrefix("172.16.0.0/12"), "a private address"},                                 // RFC 1918
	{netip.MustParsePrefix("192.0.0.0/24"), "an address of protocols"},                            // RFC 6890 §2.1
	{netip.MustParsePrefix("192.0.2.0/24"), "an address of documentation"},                        // RFC 5737
	{netip.MustParsePrefix("192.88.99.0/24"), "a relay of 6to4"},                                  // RFC 7526
	{netip.MustParsePrefix("192.168.0.0/16"), "a private address"},                                // RFC 1918
	{netip.MustParsePrefix("198.18.0.0/15"), "an address of benchmarks"},                          // RFC 2544
	{netip.MustParsePrefix("198.51.100.0/24"), "an address of documentation"},                     // RFC 5737
	{netip.MustParsePrefix("203.0.113.0/24"), "an address of documentation"},                      // RFC 5737
	{netip.MustParsePrefix("224.0.0.0/4"), "a multicast address"},                                 // RFC 5771
	{netip.MustParsePrefix("240.0.0.0/4"), "a reserved address"},                                  // RFC 1112 §4, broadcast too
	{netip.MustParsePrefix("168.63.129.16/32"), "an address where a cloud answers its own hosts"}, // public in form
	{netip.MustParsePrefix("::/128"), "an address of this host"},                                  // RFC 4291 §2.5.2
	{netip.MustParsePrefix("::1/128"), "a loopback address"},                                      // RFC 4291 §2.5.3
	{netip.MustParsePrefix("64:ff9b:1::/48"), "an address of a local translation"},                // RFC 8215
	{netip.MustParsePrefix("100::/64"), "an address that leads nowhere"},                          // RFC 6666
	{netip.MustParsePrefix("2001::/23"), "an address of protocols"},                               // RFC 2928, Teredo (RFC 4380) too
	{netip.MustParsePrefix("2001:db8::/32"), "an address of documentation"},                       // RFC 3849
	{netip.MustParsePrefix("3fff::/20"), "an address of documentation"},                           // RFC 9637
	{netip.MustParsePrefix("5f00::/16"), "an address of segment routing"},                         // RFC 9602
	{netip.MustParsePrefix("fc00::/7"), "a private address"},                                      // RFC 4193
	{netip.MustParsePrefix("fe80::/10"), "a link-local address"},                                  // RFC 4291 §2.5.6
	{netip.MustParsePrefix("fec0::/10"), "a private address"},                                     // RFC 3879
	{netip.MustParsePrefix("ff00::/8"), "a multicast address"},                                    // RFC 4291 §2.7
}

// Inward says why an address is none of the public Internet; "" if it is one. An
// IPv6 address that stands for one of IPv4 is looked at as that too.
func Inward(a netip.Addr) string {
	if !a.IsValid() {
		return "no address"
	}
	a = a.WithZone("").Unmap()
	for _, n := range networks {
		if n.prefix.Contains(a) {
			return n.why
		}
	}
	if a.Is6() {
		if v4, ok := embedded(a.As16()); ok {
			return Inward(v4)
		}
		if !unicast.Contains(a) && !nat64.Contains(a) {
			return "an address of no network"
		}
	}
	return ""
}

var (
	unicast    = netip.MustParsePrefix("2000::/3")     // all that was given to anybody, RFC 4291 §2.4
	sixToFour  = netip.MustParsePrefix("2002::/16")    // RFC 3056
	nat64      = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052 §2.1
	compatible = netip.MustParsePrefix("::/96")        // RFC 4291 §2.5.5.1
)

// embedded is the address of IPv4 that one of IPv6 leads to.
func embedded(b [16]byte) (netip.Addr, bool) {
	a := netip.AddrFrom16(b)
	switch {
	case sixToFour.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	case nat64.Contains(a), compatible.Contains(a):
		return netip.AddrFrom4([4]byte(b[12:16])), true
	case b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe: // ISATAP, RFC 5214 §6.1
		return netip.AddrFrom4([4]byte(b[12:16])), true
	}
	return netip.Addr{}, false
}
