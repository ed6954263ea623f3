package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"factotum/protocol/dwp"
	"factotum/server/config"
)

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"192.0.2.1": "IP address", "[2001:db8::1]": "IP address", "2001:db8::1": "IP address", "": "fully qualified", "back": "fully qualified",
		"back..example.com": "letters, digits", "-x.example.com": "letters, digits", "a/../b.example.com": "letters, digits", "b\n.example.com": "letters, digits",
		strings.Repeat("x", 64) + ".example.com": "letters, digits", strings.Repeat("x.", 200) + "com": "fully qualified",
	} {
		if err := New("example.com").Add(name, Back); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", name, err, want)
		}
	}
	p := New("example.com")
	if err := p.Add("Back.Example.com.", Back); err != nil || p.Hosts[0].Name != "back.example.com" {
		t.Error(p.Hosts, err)
	}
}

// TestWrite: each host's ics.conf is read as it is meant, what somebody added stays,
// and keys are made once.
func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cluster")
	p := New("example.com")
	p.Set = [][2]string{{"local.ugldaphost", "ldap.example.com"}, {"service.dwp.port", "4711"}}
	for name, role := range map[string]string{"b1.example.com": Back, "f1.example.com": Front} {
		if err := p.Add(name, role); err != nil {
			t.Fatal(err)
		}
	}
	if changed, err := p.Write(dir); err != nil || len(changed) != 2 {
		t.Fatal(changed, err)
	}
	load := func(host string) *config.Config {
		t.Helper()
		c, rep, err := config.Load(filepath.Join(dir, host, "ics.conf"))
		if err != nil {
			t.Fatal(err, rep.Problems)
		}
		return c
	}
	back, front := load("b1.example.com"), load("f1.example.com")
	if !back.DWP.Enable || back.HTTP.Enable || front.DWP.Enable || !front.HTTP.Enable || front.DWP.Default != "b1.example.com" || front.DWP.Port != 4711 ||
		back.DWP.Cred.Reveal() != p.Cred || front.DWP.BackEnds[0].Cred.Reveal() != p.Cred || front.DWP.Fronts[0] != "f1.example.com" {
		t.Errorf("%+v\n%+v", back.DWP, front.DWP)
	}
	file := filepath.Join(dir, "b1.example.com", "ics.conf")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(text, "service.dwp.port = \"4712\"\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(dir, "f1.example.com", "f1.example.com.key"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if changed, err := again.Write(dir); err != nil || len(changed) != 0 {
		t.Errorf("written again, others: %v, %v", changed, err)
	}
	if err := again.Add("b2.example.com", Back); err != nil {
		t.Fatal(err)
	}
	if changed, err := again.Write(dir); err != nil || len(changed) != 3 {
		t.Errorf("with another back end, others: %v, %v", changed, err)
	}
	if c := load("b1.example.com"); c.DWP.Port != 4712 || len(c.DWP.BackEnds) != 2 {
		t.Errorf("what was added does not count: %+v", c.DWP)
	}
	if now, err := os.ReadFile(filepath.Join(dir, "f1.example.com", "f1.example.com.key")); err != nil || string(now) != string(key) {
		t.Error("the key is another one", err)
	}
	for _, secret := range []string{"cluster.json", "f1.example.com/ics.conf", "f1.example.com/f1.example.com.key", "keys/dwp-ca.key"} {
		if fi, err := os.Stat(filepath.Join(dir, secret)); err != nil || fi.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s can be read by others: %v, %v", secret, fi.Mode(), err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "b1.example.com", "dwp-ca.key")); err == nil {
		t.Error("the authority's key is given to a host")
	}
	if _, err := Open(t.TempDir()); err == nil || !strings.Contains(err.Error(), "cluster init") {
		t.Errorf("no cluster: %v", err)
	}
}

// TestJudge: each thing that should be otherwise is found, and nothing where all is well.
func TestJudge(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		change func(a []Answer)
		want   string // host: what; "" is nothing
	}{
		"well":               {func([]Answer) {}, ""},
		"slow, not apart":    {func(a []Answer) { a[0].Facts.Asked, a[0].Facts.Now = 8*time.Second, now.Add(-4*time.Second) }, ""},
		"not reached":        {func(a []Answer) { a[1].Err = "connection refused" }, "b2: f1 does not reach it: connection refused"},
		"an older release":   {func(a []Answer) { a[1].Facts = dwp.Facts{} }, "b2: it tells nothing of itself"},
		"another release":    {func(a []Answer) { a[1].Facts.Release = "1" }, "b2: it runs release 1, and f1 has 2"},
		"a clock behind":     {func(a []Answer) { a[1].Facts.Now = now.Add(-time.Minute) }, "b2: its clock is 1m0s behind that of f1"},
		"a clock before":     {func(a []Answer) { a[1].Facts.Now = now.Add(5 * time.Second) }, "b2: its clock is 5s before that of f1"},
		"zones":              {func(a []Answer) { a[1].Facts.Zones = "2020a" }, "b2: its zone data is release 2020a, and another back end has 2026a"},
		"a full disk":        {func(a []Answer) { a[0].Facts.Disks[0].Free = 5 << 30 }, "b1: 5 % of /var are free"},
		"no backups":         {func(a []Answer) { a[0].Facts.Backups = false }, "b1: no backups are made"},
		"none proven":        {func(a []Answer) { a[0].Facts.Proven = time.Time{} }, "b1: no backup of it was proven"},
		"an old backup":      {func(a []Answer) { a[0].Facts.Proven = now.Add(-100 * time.Hour) }, "b1: its last proven backup is 100 hours old"},
		"what it says":       {func(a []Answer) { a[0].Facts.Problems = []string{"a role is not ready"} }, "b1: a role is not ready"},
		"a front unheard":    {func(a []Answer) { a[0].Facts.Neighbours = a[0].Facts.Neighbours[:1] }, "f2: b1 has not heard of it since"},
		"a front gone":       {func(a []Answer) { a[0].Facts.Neighbours[1].Heard = now.Add(-time.Hour) }, "f2: b1 has not heard of it for 1h0m0s"},
		"a back end unheard": {func(a []Answer) { a[0].Facts.Neighbours[0].Host = "other" }, "b2: b1 has not heard of it since"},
		"a front's clock":    {func(a []Answer) { a[1].Facts.Neighbours[1].Ahead = -time.Minute }, "f2: its clock is 1m0s behind that of b2"},
		"a front's release":  {func(a []Answer) { a[1].Facts.Neighbours[1].Release = "1" }, "f2: it runs release 1, and f1 has 2"},
	} {
		t.Run(name, func(t *testing.T) {
			var answers []Answer
			for _, h := range [][2]string{{"b1", "b2"}, {"b2", "b1"}} {
				answers = append(answers, Answer{Host: h[0], Facts: dwp.Facts{Release: "2", Now: now, Zones: "2026a", Backups: true, Proven: now.Add(-time.Hour),
					Disks:      []dwp.Disk{{Path: "/var", Free: 50 << 30, Size: 100 << 30}},
					Neighbours: []dwp.Neighbour{{Host: h[1], Release: "2", Heard: now.Add(-time.Second)}, {Host: "f2", Release: "2", Heard: now.Add(-3 * time.Second)}}}})
			}
			c.change(answers)
			found := Judge("f1", "2", []string{"f1", "f2"}, answers, now)
			var text []string
			for _, f := range found {
				text = append(text, f.Host+": "+f.What)
			}
			switch {
			case c.want == "" && len(found) > 0:
				t.Errorf("found %q", text)
			case c.want != "" && (len(found) != 1 || !strings.Contains(text[0], c.want)):
				t.Errorf("found %q, want %q", text, c.want)
			}
			// In an upgrade hosts may have different releases, and nothing else is another.
			left := Judge("f1", "", []string{"f1", "f2"}, answers, now)
			if mixed := strings.Contains(name, "release"); mixed && len(left) > 0 || !mixed && len(left) != len(found) {
				t.Errorf("in an upgrade: %v", left)
			}
		})
	}
}
