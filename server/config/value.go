package config

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// blank reports whether a value means "not set": ics.conf rule 11.
func blank(v string) bool { return strings.Trim(v, " \t") == "" }

// check says what is wrong with a value, or "" if nothing is. It never
// repeats the value of a secret.
func (p *Param) check(v string) (expected string) {
	if blank(v) {
		return ""
	}
	switch p.Kind {
	case Bool:
		if _, ok := parseBool(v); !ok {
			return "expected yes or no"
		}
	case Int, Seconds, Millis, Hours, Days, Bytes, Percent, Port:
		lo, hi := p.bounds()
		n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		if err != nil || n < lo || n > hi {
			if p.Kind == Int || p.Kind == Port {
				return fmt.Sprintf("expected a %v from %d to %d", p.Kind, lo, hi)
			}
			return fmt.Sprintf("expected a number (%v) from %d to %d", p.Kind, lo, hi)
		}
	case Enum:
		if _, ok := p.word(v); !ok {
			return "expected one of " + strings.Join(nonEmpty(p.Words), ", ")
		}
	case Host, HostName:
		return checkHost(v, p.Kind == Host)
	case Hosts:
		for _, h := range fields(v) {
			if bad := checkHostPort(h); bad != "" {
				return bad
			}
		}
	case Routes:
		for _, r := range fields(v) {
			domain, host, ok := strings.Cut(r, "=")
			if !ok || !validHost(strings.TrimPrefix(domain, ".")) {
				return "expected domain=host:port, or .domain=host:port for those below it"
			}
			if bad := checkHostPort(host); bad != "" {
				return bad
			}
		}
	case Listen:
		if _, err := netip.ParseAddr(strings.Trim(listenAddr(v), "[]")); listenAddr(v) != "" && err != nil {
			return "expected an IP address of this host, or INADDR_ANY"
		}
	case HostPort, Endpoint:
		if p.Kind == Endpoint && strings.Contains(v, "/") {
			return ""
		}
		host, port := cutPort(strings.TrimSpace(v))
		if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
			if p.Kind == Endpoint {
				return "expected host:port, or the path of a socket, with a slash"
			}
			return "expected host:port"
		}
		if host = strings.Trim(host, "[]"); host != "" {
			return checkHost(host, true)
		}
	case Networks:
		for _, f := range fields(v) {
			_, errA := netip.ParseAddr(f)
			_, errP := netip.ParsePrefix(f)
			if errA != nil && errP != nil {
				return "expected IP addresses and networks such as 10.0.0.0/8"
			}
		}
	case Durations:
		for i, f := range fields(v) {
			if d, ok := duration(f); !ok || d <= 0 || i == 20 {
				return "expected up to 20 durations such as pt30m, pt2h or p1d"
			}
		}
	case ACL:
		return checkACL(v)
	case Zone:
		if _, err := time.LoadLocation(strings.TrimSpace(v)); err != nil || strings.EqualFold(strings.TrimSpace(v), "local") {
			return "expected a time zone such as Europe/Berlin"
		}
	}
	return ""
}

// bounds are the least and the greatest number of a kind. Durations end where
// time.Duration could overflow.
func (p *Param) bounds() (lo, hi int64) {
	lo, hi = p.Min, 1<<31-1
	switch p.Kind {
	case Port:
		lo, hi = 1, 65535
	case Percent:
		hi = 100
	case Bytes:
		hi = 1 << 50
	case Hours:
		hi = 1 << 20
	}
	return lo, hi
}

func (p *Param) word(v string) (string, bool) {
	v = strings.TrimSpace(v)
	for _, w := range p.Words {
		if strings.EqualFold(v, w) {
			return w, true
		}
	}
	return "", false
}

func nonEmpty(l []string) []string {
	var out []string
	for _, s := range l {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

func parseBool(v string) (value, ok bool) {
	switch strings.ToLower(strings.TrimSpace(v)) {
	case "yes", "y", "1", "true", "on":
		return true, true
	case "no", "n", "0", "false", "off":
		return false, true
	}
	return false, false
}

// duration reads one of ISO 8601 with days, hours, minutes and seconds, or a
// number of days.
func duration(v string) (d time.Duration, ok bool) {
	if n, err := strconv.Atoi(v); err == nil && n >= 0 && n <= 10000 {
		return time.Duration(n) * 24 * time.Hour, true
	}
	m := isoDuration.FindStringSubmatch(strings.ToUpper(v))
	if m == nil || strings.HasSuffix(m[0], "P") || strings.HasSuffix(m[0], "T") {
		return 0, false
	}
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
		n, _ := strconv.Atoi(m[i+1])
		d += time.Duration(n) * unit
	}
	return d, true
}

var isoDuration = regexp.MustCompile(`^P(?:([0-9]{1,5})D)?(?:T(?:([0-9]{1,6})H)?(?:([0-9]{1,6})M)?(?:([0-9]{1,6})S)?)?$`)

// fields splits a list at blanks and commas.
func fields(v string) []string {
	return strings.FieldsFunc(v, func(r rune) bool { return r == ' ' || r == '\t' || r == ',' })
}

// listenAddr turns the names of "all addresses" into "".
func listenAddr(v string) string {
	switch v = strings.TrimSpace(v); strings.ToUpper(v) {
	case "INADDR_ANY", "*", "ANY":
		return ""
	}
	return v
}

// cutPort splits host:port and [v6]:port; a bare IPv6 address has no port.
func cutPort(s string) (host, port string) {
	if i := strings.LastIndexByte(s, ':'); i >= 0 && (strings.Count(s, ":") == 1 || i > 0 && s[i-1] == ']') {
		return s[:i], s[i+1:]
	}
	return s, ""
}

// isIP reports whether s is an IP address in any of its spellings: brackets, a
// zone, a port or a network behind it, and numbers which the resolver of some
// systems takes for an address, such as 2130706433 or 0x7f.1. A host name's
// last label is never a number.
func isIP(s string) bool {
	s = strings.TrimSpace(s)
	if i := strings.IndexByte(s, '/'); i >= 0 {
		s = s[:i]
	}
	host, _ := cutPort(s)
	host = strings.TrimSuffix(strings.Trim(host, "[]"), ".")
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	if _, err := strconv.ParseUint(last, 0, 64); err == nil {
		return true
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}

func checkHostPort(v string) string {
	host, port := cutPort(v)
	if n, err := strconv.Atoi(port); port != "" && (err != nil || n < 1 || n > 65535) {
		return "expected host or host:port, with a port from 1 to 65535"
	}
	return checkHost(strings.Trim(host, "[]"), true)
}

func checkHost(v string, ip bool) string {
	v = strings.TrimSpace(v)
	if ip {
		if _, err := netip.ParseAddr(v); err == nil {
			return ""
		}
	} else if isIP(v) {
		return "is an IP address; expected the fully qualified host name"
	}
	if !validHost(v) {
		return "expected a host name"
	}
	return ""
}

// validHost is the syntax of RFC 1123 §2.1, with the underscores that are met
// inside container networks.
func validHost(v string) bool {
	v = strings.TrimSuffix(v, ".")
	if v == "" || len(v) > 253 {
		return false
	}
	for label := range strings.SplitSeq(v, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			c := label[i] | 0x20
			if (c < 'a' || c > 'z') && (label[i] < '0' || label[i] > '9') && label[i] != '-' && label[i] != '_' {
				return false
			}
		}
	}
	return true
}

func checkACL(v string) string {
	for ace := range strings.SplitSeq(v, ";") {
		if blank(ace) {
			continue
		}
		f := strings.Split(strings.ToLower(strings.TrimSpace(ace)), "^")
		if len(f) != 4 || f[0] == "" || len(f[1]) != 1 || !strings.Contains("cpa", f[1]) ||
			strings.Trim(f[2], "rwdsfleicz") != "" || f[3] != "g" && f[3] != "d" {
			return "expected who^what^how^grant;… with what of c, p, a, how of rwdsfleicz, grant g or d"
		}
	}
	return ""
}

// store puts a checked value into the field behind dst.
func (p *Param) store(dst any, v string, dir func(*Param, string) string) {
	if blank(v) {
		v = ""
	}
	n, _ := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
	switch dst := dst.(type) {
	case *bool:
		*dst, _ = parseBool(v)
	case *int:
		*dst = int(n)
	case *int64:
		*dst = n
	case *time.Duration:
		unit := time.Second
		switch p.Kind {
		case Millis:
			unit = time.Millisecond
		case Hours:
			unit = time.Hour
		}
		*dst = time.Duration(n) * unit
	case *[]string:
		*dst = fields(v)
	case *map[string]Route:
		*dst = map[string]Route{}
		for _, r := range fields(v) {
			domain, address, _ := strings.Cut(r, "=")
			host, port := cutPort(address)
			n, _ := strconv.Atoi(port)
			(*dst)[strings.ToLower(domain)] = Route{Host: strings.Trim(host, "[]"), Port: n}
		}
	case *[]time.Duration:
		*dst = nil
		for _, f := range fields(v) {
			d, _ := duration(f)
			*dst = append(*dst, d)
		}
	case *Secret:
		*dst = Secret(v)
	case entry:
		(*dst.m)[dst.key] = v
	case *string:
		switch p.Kind {
		case Path:
			v = dir(p, v)
		case Enum:
			v, _ = p.word(v)
		case Listen:
			v = listenAddr(v)
		case Host, HostName, HostPort, Zone:
			v = strings.TrimSpace(v)
		case Endpoint:
			if v = strings.TrimSpace(v); strings.Contains(v, "/") {
				v = dir(p, v)
			}
		}
		*dst = v
	}
}

// path makes a path absolute as far as the directory of ics.conf is: ics.conf
// rule 15.
func (c *Config) path(p *Param, v string) string {
	if v == "" {
		return ""
	}
	if filepath.IsAbs(v) {
		return filepath.Clean(v)
	}
	base := c.Data
	switch {
	case p.Dir == "@config":
		base = c.Dir
	case p.Dir == "@home":
		home := byName["caldb.berkeleydb.homedir.path"]
		dir, _ := c.value(home)
		base = c.path(home, dir)
	case v == "." && p.Dir != "":
		v = p.Dir
	}
	return filepath.Join(base, v)
}
