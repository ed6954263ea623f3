package ical

import (
	"errors"
	"strings"
	"time"
)

var errOffset = errors.New("not an offset from UTC such as +0100 or -053000")

// ParseOffset reads a UTC-OFFSET value. RFC 5545 §3.3.14 has no -0000; it is
// taken for zero, and a missing sign for plus. Behind a sign the first zero may
// be missing (-400), or the minutes (+5), and colons are no harm (+05:30): these
// can only be meant one way.
func ParseOffset(s string) (time.Duration, error) {
	s = strings.Trim(s, " \t")
	neg := strings.HasPrefix(s, "-")
	signed := s != "" && (s[0] == '+' || s[0] == '-')
	if signed {
		s = s[1:]
	}
	if strings.IndexByte(s, ':') >= 0 {
		parts := strings.Split(s, ":")
		for i, p := range parts {
			if len(p) != 2 && (i > 0 || len(p) != 1) {
				return 0, errOffset
			}
		}
		s = strings.Join(parts, "")
	}
	n, ok := digits(s)
	switch {
	case !ok:
		return 0, errOffset
	case len(s) < 4 && !signed:
		return 0, errOffset
	case len(s) == 1 || len(s) == 2:
		n *= 10000
	case len(s) == 3 || len(s) == 4:
		n *= 100
	case len(s) != 6:
		return 0, errOffset
	}
	h, m, sec := n/10000, n/100%100, n%100
	if h > 23 || m > 59 || sec > 59 {
		return 0, errOffset
	}
	d := time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(sec)*time.Second
	if neg {
		d = -d
	}
	return d, nil
}

// FormatOffset returns the UTC-OFFSET value of an offset of less than a day,
// with seconds only where it has some.
func FormatOffset(d time.Duration) string {
	sign := byte('+')
	if d < 0 {
		sign, d = '-', -d
	}
	sec := int(d / time.Second)
	b := two(two([]byte{sign}, sec/3600), sec/60%60)
	if sec%60 != 0 {
		b = two(b, sec%60)
	}
	return string(b)
}
