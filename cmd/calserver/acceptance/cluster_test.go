package acceptance

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"factotum/cmd/internal/freeport"
	"factotum/cmd/internal/hosttest"
)

// TestCluster makes a cluster by its command, starts it, and adds a back end to it.
// docs/admin.md, "In one command".
func TestCluster(t *testing.T) {
	needNames(t)
	dir, hosts := filepath.Join(t.TempDir(), "cluster"), filepath.Join(t.TempDir(), "hosts")
	const front, back, second = "front.example.com", "back.example.com", "second.example.com"
	addresses := map[string]string{front: "127.0.0.1", back: "127.0.0.2", second: "127.0.0.3"}
	hosttest.Write(t, hosts, "127.0.0.1 localhost "+front+"\n127.0.0.2 "+back+" wrong.example.com\n127.0.0.3 "+second+"\n")
	people := filepath.Join(t.TempDir(), "people.ldif")
	hosttest.Write(t, people, ldif(t))
	dwp, web, ens := freeport.Take(t, "127.0.0.2"), freeport.Take(t, "127.0.0.1"), freeport.Take(t, "127.0.0.2")
	call := func(fine bool, want string, args ...string) {
		t.Helper()
		out, err := calserver(t, append([]string{"cluster"}, args...)...)
		if !strings.Contains(out, want) || (err == nil) != fine {
			t.Fatalf("cluster %s: %v\n%s\nwant %s", strings.Join(args, " "), err, out, want)
		}
	}
	run := func(want string, args ...string) { t.Helper(); call(true, want, args...) }
	refused := func(want string, args ...string) { t.Helper(); call(false, want, args...) }
	refused("is an IP address: hosts know each other by the names", "init", "--dir", dir, "--back", "192.0.2.1", "--set", "factotum.directory.type=ldif", "--set", "factotum.directory.ldif.path="+people)
	refused("is no fully qualified host name", "init", "--dir", dir, "--back", "back", "--set", "factotum.directory.type=ldif", "--set", "factotum.directory.ldif.path="+people)
	refused("needs a back end", "init", "--dir", dir, "--front", front, "--set", "factotum.directory.type=ldif", "--set", "factotum.directory.ldif.path="+people)
	refused("where are the people?", "init", "--dir", dir, "--back", back)
	refused("factotum.http.gzip", "init", "--dir", dir, "--back", back, "--set", "factotum.directory.type=ldif", "--set", "factotum.directory.ldif.path="+people, "--set", "factotum.http.gzip=perhaps")
	if _, err := os.Stat(dir); err == nil {
		t.Fatal("what was refused has made a folder")
	}
	run(front+": copy "+filepath.Join(dir, front), "init", "--dir", dir, "--back", back, "--front", front, "--set", "factotum.directory.type=ldif", "--set", "factotum.directory.ldif.path="+people,
		"--set", "service.dwp.port="+strconv.Itoa(dwp), "--set", "service.ens.port="+strconv.Itoa(ens), "--set", "factotum.data.dir=data", "--set", "factotum.admin.listen=",
		"--set", "service.http.port="+strconv.Itoa(web), "--set", "caldb.berkeleydb.archive.enable=yes", "--set", "caldb.berkeleydb.archive.path=backups")
	run("nothing to do", "init", "--dir", dir)
	refused("is a back end of this cluster already", "add-front", back, "--dir", dir)

	// What an administrator adds stays.
	listen := func(host string) {
		f, err := os.OpenFile(filepath.Join(dir, host, "ics.conf"), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(f, "service.listenaddr = %q\n", addresses[host])
		f.Close()
	}
	conf := func(host string) string { return filepath.Join(dir, host, "ics.conf") }
	on := func(args ...string) (string, error) {
		out, err := hosttest.Command(hosts, hosttest.Executable(t), args...).CombinedOutput()
		return string(out), err
	}
	start := func(host string) (stop func()) {
		t.Helper()
		if out, err := on("config", "check", "-C", conf(host)); err != nil {
			t.Fatalf("%s: %v\n%s", host, err, out)
		}
		if out, err := on("start-cal", "-C", conf(host)); err != nil {
			t.Fatalf("%s: %v\n%s", host, err, out)
		}
		stop = func() { on("stop-cal", "-C", conf(host)) }
		t.Cleanup(stop)
		return stop
	}
	// finds runs the check until it says that, and ends well where that is "all is well".
	finds := func(from string, want ...string) {
		t.Helper()
		var out string
		for end := time.Now().Add(hosttest.Patience); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
			var err error
			out, err = on("cluster", "check", "-C", conf(from))
			ok := err == nil == strings.HasPrefix(want[0], "all is well")
			for _, w := range want {
				ok = ok && strings.Contains(out, w)
			}
			if ok {
				return
			}
		}
		t.Fatalf("the check on %s says\n%s\nand not %q", from, out, want)
	}
	listen(back)
	listen(front)
	finds(back, back+": "+back+" does not reach it: ")
	stopBack := start(back)
	finds(back, front+": "+back+" has not heard of it since it was started")
	stopFront := start(front)
	finds(front, "all is well: 1 front ends reach 1 back ends")
	finds(back, "all is well")

	run(second+": copy", "add-back", second, "--dir", dir)
	listen(second)
	for _, host := range []string{back, front} {
		text, err := os.ReadFile(conf(host))
		if err != nil || !strings.Contains(string(text), "service.listenaddr") || !strings.Contains(string(text), "caldb.dwp.server."+second+".ip") {
			t.Errorf("%v\n%s", err, text)
		}
	}
	start(second)
	finds(second, front+": "+second+" has not heard of it")
	stopBack()
	stopFront()
	start(back)
	start(front)
	finds(second, "all is well: 1 front ends reach 2 back ends")
	r, err := http.NewRequest("PUT", fmt.Sprintf("http://127.0.0.1:%d/dav/calendars/anna/calendar/a.ics", web),
		strings.NewReader("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:a\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260901T100000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("anna", password("anna"))
	r.Header.Set("Content-Type", "text/calendar")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusCreated {
		t.Errorf("a PUT by the front end: %s", answer.Status)
	}

	// A name that leads to another host.
	run("wrong.example.com: copy", "add-back", "wrong.example.com", "--dir", dir)
	finds(front, "wrong.example.com: "+front+" does not reach it: the certificate that is shown is not of wrong.example.com")
}
