package main

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"factotum/server/config"
)

func TestLocalZone(t *testing.T) {
	for _, tc := range []struct{ tz, link, timezone, want string }{
		{"", "", "", "UTC"},
		{"America/New_York", "/usr/share/zoneinfo/Europe/Berlin", "Asia/Tokyo", "America/New_York"},
		{":Europe/Paris", "", "", "Europe/Paris"},
		{"/usr/share/zoneinfo/Europe/Paris", "", "", "Europe/Paris"},
		{":/usr/share/zoneinfo/posix/Europe/Paris", "", "", "Europe/Paris"},
		{"UTC", "/usr/share/zoneinfo/Europe/Berlin", "Europe/Berlin", "UTC"},
		{"CET-1CEST,M3.5.0,M10.5.0/3", "/usr/share/zoneinfo/Europe/Berlin", "", "Europe/Berlin"},
		{"Nowhere/Nothing", "/usr/share/zoneinfo/Europe/Berlin", "", "Europe/Berlin"},
		{"", "/nowhere/zoneinfo/Europe/Berlin", "Asia/Tokyo", "Europe/Berlin"}, // a container without tzdata
		{"", "../usr/share/zoneinfo/Asia/Kolkata", "", "Asia/Kolkata"},
		{"", "/usr/share/zoneinfo/Etc/UTC", "Europe/Berlin", "UTC"},
		{"", "file", "Europe/Berlin\n", "Europe/Berlin"}, // a copy, as some installers make it
		{"", "", "Europe/Berlin\n", "Europe/Berlin"},
		{"", "", "Etc/UTC\n", "UTC"},
		{"", "", "", "UTC"},
	} {
		etc := t.TempDir()
		switch tc.link {
		case "":
		case "file":
			if err := os.WriteFile(filepath.Join(etc, "localtime"), []byte("TZif"), 0o600); err != nil {
				t.Fatal(err)
			}
		default:
			if err := os.Symlink(tc.link, filepath.Join(etc, "localtime")); err != nil {
				t.Fatal(err)
			}
		}
		if tc.timezone != "" {
			if err := os.WriteFile(filepath.Join(etc, "timezone"), []byte(tc.timezone), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := zoneOf(tc.tz, etc); got != tc.want {
			t.Errorf("TZ=%q, %q, %q: %s, want %s", tc.tz, tc.link, tc.timezone, got, tc.want)
		}
	}
}

func TestReachable(t *testing.T) {
	list := func() (out []net.Addr, err error) {
		for _, s := range []string{"127.0.0.1/8", "::1/128", "203.0.113.9/24", "192.168.1.7/24", "169.254.3.4/16", "fe80::1/64", "2001:db8::7/64"} {
			ip, network, err := net.ParseCIDR(s)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, &net.IPNet{IP: ip, Mask: network.Mask})
		}
		return out, nil
	}
	if got := strings.Join(reachable(list), " "); got != "192.168.1.7 203.0.113.9" {
		t.Error(got)
	}
}

// The second start says who there is, and how to get in again.
func TestGreet(t *testing.T) {
	cfg := config.Default()
	cfg.File, cfg.Admin.User = "/srv/my cal/ics.conf", "calmaster"
	q := &quickstart{data: "/srv/my cal"}
	var out bytes.Buffer
	q.greet(&out, cfg, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8008}, []user{{name: "anna"}, {name: "ben", password: "x"}, {name: "calmaster"}}, false)
	for _, want := range []string{
		"  anna         (as before)\n", "  ben          (the password given)\n", "  calmaster    (as before)   the administrator\n",
		"CALSERVER_CONFIG='/srv/my cal/ics.conf' ", " csuser password anna\n", " quickstart --user anna:PASSWORD --data '/srv/my cal'\n", " status\n",
		"time zone", "location http://127.0.0.1:8008/",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}
