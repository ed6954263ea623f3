package config

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite golden files and docs/ics-conf.md")

// root is the directory of go.mod.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
}

// golden compares with a file, or rewrites it with -update.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not current; run go test -update", path)
	}
}

func TestDocsAreCurrent(t *testing.T) {
	var b bytes.Buffer
	if err := WriteDocs(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join(root(t), "docs", "ics-conf.md"), b.Bytes())
}

func TestShowGolden(t *testing.T) {
	c, _, err := Parse(strings.NewReader(`
factotum.data.dir = "/srv/cal"
service.http.enable = "Y"
service.http.port = "80"
logfile.loglevel = "debug"
local.ugldapbasedn = "o=sesta.com"
local.ugldapbindcred = "hush"
alarm.msgalarmnoticetemplate = "\"quoted\""
caldb.dwp.server.calendar1.sesta.com = "calendar1.sesta.com"
caldb.dwp.server.calendar1.sesta.com.cred = "hush"
`), "/etc/factotum/ics.conf")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Set("service.http.port", "8080", "--http"); err != nil {
		t.Fatal(err)
	}
	var changed, all bytes.Buffer
	if err := c.Show(&changed, true); err != nil {
		t.Fatal(err)
	}
	if err := c.Show(&all, false); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/show-changed.golden", changed.Bytes())
	golden(t, "testdata/show.golden", all.Bytes())
}

func TestSampleGolden(t *testing.T) {
	values := map[string]string{"factotum.data.dir": `a "b"`, "service.http.port": "8080", "factotum.directory.type": "ldif"}
	var b bytes.Buffer
	if err := WriteSample(&b, values); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/sample.golden", b.Bytes())
	c := clean(t, b.String())
	if c.Data != `/etc/factotum/a "b"` || c.HTTP.Port != 8080 || c.Directory.Type != "ldif" || len(c.set) != 3 {
		t.Errorf("the sample says %v", c.set)
	}
	// With the comment marks away it is right too, but for what a site must fill in.
	if _, rep := parse(t, strings.ReplaceAll(b.String(), "!!", "")+"service.http.ssl.port.enable = \"no\"\n"); rep.Err() == nil || !strings.Contains(rep.Err().Error(), "<host>") || strings.Contains(rep.Err().Error(), "\n") {
		t.Errorf("uncommented: %v", rep.Err())
	}
	for _, s := range sample {
		for _, name := range s.names {
			if p := byName[strings.ToLower(name)]; !p.Used() {
				t.Errorf("%q promises %s, which has no effect", s.heading, name)
			}
		}
	}
	for _, bad := range []map[string]string{{"service.http.port": "x"}, {"factotum.data.dir": "a\nb"}, {"gse.maxthreads": "1"}} {
		if err := WriteSample(&bytes.Buffer{}, bad); err == nil {
			t.Errorf("%v is written", bad)
		}
	}
}

// TestSpecParametersAreKnown looks for what looks like a parameter in the
// tables of the administration reference.
func TestSpecParametersAreKnown(t *testing.T) {
	dir := filepath.Join(root(t), "docs", "reference")
	name := regexp.MustCompile("`((?:alarm|browser|caldb|calmail|calstore|csapi|encryption|ens|group|gse|ine|local|logfile|resource|service|sso|store|ui|user)\\.[a-zA-Z0-9.<>-]+)(?: \"[^\"`]*\")?`")
	// Not parameters of ours, or not parameters.
	except := []string{
		"caldb.berleleydb.", // a misprint that is to be ignored
		"caldb.serveralarams.binary.url",
		"local.calendar.sso.", // shorthand for a group
		"caldb.dwp.sever.default",
		"caldb.serveralarms.binary", // a prefix
		"caldb.conf",                // a file
	}
	// The counters of counter.conf (admin.md §7).
	for _, c := range strings.Fields("high low current warningstate countoverthreshold countwarningsent timelastset timelastwarning timereset timestatechanged") {
		except = append(except, "alarm."+c)
	}
	seen := 0
	for _, file := range []string{"admin.md", "notifications.md", "ldap.md"} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range name.FindAllStringSubmatch(string(text), -1) {
			n := strings.TrimSuffix(m[1], ".")
			if slices.ContainsFunc(except, func(e string) bool { return strings.HasPrefix(n+".", e) || n == e }) || filepath.Ext(n) == ".log" {
				continue
			}
			seen++
			if _, ok := Find(n); !ok {
				t.Errorf("%s: %s is not known", file, n)
			}
		}
	}
	if seen < 300 {
		t.Errorf("only %d parameters found: the pattern is wrong", seen)
	}
}
