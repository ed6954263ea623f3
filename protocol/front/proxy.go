package front

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"factotum/server/calendar"
)

// origin is what a client asked for, where a proxy may be between: from which
// address, over TLS or not, and under which name.
type origin struct {
	remote string
	secure bool
	host   string
	proxy  bool // a trusted one said so
}

// client finds out who is at the other end: the connection's own address, or
// what a trusted proxy says of it, in X-Forwarded-For, -Proto, -Host and -Port,
// or where it sends none of them in Forwarded (RFC 7239). Each proxy adds to the
// right. The rightmost address that is not a proxy counts, since those before it
// are what the client says, and name and scheme that came with it.
func (s *Server) client(r *http.Request) origin {
	o := origin{remote: r.RemoteAddr, secure: r.TLS != nil, host: r.Host}
	if !s.isProxy(calendar.ClientAddr(o.remote)) {
		return o
	}
	o.proxy = true
	h := r.Header
	addrs, protos, hosts := values(h["X-Forwarded-For"]), values(h["X-Forwarded-Proto"]), values(h["X-Forwarded-Host"])
	ports := values(h["X-Forwarded-Port"])
	if len(addrs)+len(protos)+len(hosts)+len(ports) == 0 {
		addrs, protos, hosts = forwarded(h["Forwarded"])
	}
	hop := 0 // from the right, where the client came in
	for i := range addrs {
		a, ok := address(addrs[len(addrs)-1-i])
		if !ok {
			break
		}
		o.remote, hop = netip.AddrPortFrom(a, 0).String(), i
		if !s.isProxy(a) {
			break
		}
	}
	if proto := at(protos, hop); proto != "" {
		o.secure = o.secure || strings.EqualFold(proto, "https")
	}
	if host := at(hosts, hop); plausibleHost(host) {
		o.host = host
		if _, _, err := net.SplitHostPort(host); err != nil {
			if p := at(ports, hop); p != "" && len(p) <= 5 && strings.Trim(p, "0123456789") == "" && p != "80" && p != "443" {
				o.host += ":" + p
			}
		}
	}
	return o
}

// values splits the lines of a header at commas.
func values(lines []string) (out []string) {
	for _, line := range lines {
		for v := range strings.SplitSeq(line, ",") {
			out = append(out, strings.TrimSpace(v))
		}
	}
	return out
}

// at is what a list has at a hop from the right. Who says it once says it for
// all hops.
func at(list []string, hop int) string {
	if len(list) == 0 {
		return ""
	}
	return list[max(0, len(list)-1-hop)]
}

// forwarded reads a Forwarded header into lists of the same length.
func forwarded(lines []string) (addrs, protos, hosts []string) {
	text := strings.Join(lines, ",")
	for text != "" {
		var element [3]string
		for {
			name, rest := cutToken(text, "=;,")
			if text = rest; strings.HasPrefix(text, "=") {
				var value string
				value, text = cutValue(text[1:])
				for i, n := range [...]string{"for", "proto", "host"} {
					if strings.EqualFold(name, n) {
						element[i] = value
					}
				}
			}
			if !strings.HasPrefix(text, ";") {
				break
			}
			text = text[1:]
		}
		addrs, protos, hosts = append(addrs, element[0]), append(protos, element[1]), append(hosts, element[2])
		_, text = cutToken(text, ",")
		text = strings.TrimPrefix(text, ",")
	}
	return addrs, protos, hosts
}

// cutToken cuts before the first of some characters.
func cutToken(s, ends string) (token, rest string) {
	n := strings.IndexAny(s, ends)
	if n < 0 {
		n = len(s)
	}
	return strings.TrimSpace(s[:n]), s[n:]
}

// cutValue cuts a token or a quoted string.
func cutValue(s string) (value, rest string) {
	if s = strings.TrimLeft(s, " \t"); !strings.HasPrefix(s, `"`) {
		return cutToken(s, ";,")
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), strings.TrimLeft(s[i+1:], " \t")
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}

// address reads an address, perhaps with a port.
func address(s string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")); err == nil {
		return a.Unmap(), true
	}
	a, err := netip.ParseAddrPort(s)
	return a.Addr().Unmap(), err == nil
}

// plausibleHost bounds what a proxy may give as our name.
func plausibleHost(s string) bool {
	return s != "" && len(s) <= 260 && !strings.ContainsFunc(s, func(c rune) bool {
		return !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.ContainsRune("-_.:[]", c))
	})
}
