package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"factotum/cmd/internal/hosttest"
	"factotum/notify/relay/smtptest"
	"factotum/server/directory/ldaptest"
)

// slowly is a proxy whose answers from the other end are late by a span.
func slowly(t *testing.T, to string) (addr string, late *atomic.Int64) {
	t.Helper()
	late = &atomic.Int64{}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				continue
			}
			go func() {
				io.Copy(far, near)
				far.Close()
			}()
			go func() {
				defer near.Close()
				buf := make([]byte, 64<<10)
				for {
					n, err := far.Read(buf)
					time.Sleep(time.Duration(late.Load()))
					if _, err2 := near.Write(buf[:n]); err != nil || err2 != nil {
						return
					}
				}
			}()
		}
	}()
	return ln.Addr().String(), late
}

// csqueue diagnose finds a directory that is slow, and one that is away, while mail
// waits for it: a real slapd, and a daemon that sends. admin.md §22.
func TestDiagnoseDirectory(t *testing.T) {
	t.Parallel()
	const senders = 12
	people := ""
	for n := range senders {
		people += fmt.Sprintf("dn: uid=p%[1]d,%[2]s\nobjectClass: inetOrgPerson\nobjectClass: icsCalendarUser\nuid: p%[1]d\ncn: p%[1]d\nsn: p\n"+
			"mail: p%[1]d@example.com\nicsStatus: active\nuserPassword: p%[1]d-pw\n\n", n, ldaptest.BaseDN)
	}
	slapd := ldaptest.Start(t, people)
	ldap, late := slowly(t, slapd.Addr)
	comeAgain := smtptest.Rules{Reply: func(_ *smtptest.Conn, verb, _ string) string {
		if verb == "RCPT" {
			return "450 4.2.0 come again"
		}
		return ""
	}}
	sink := smtptest.Start(t, comeAgain)
	host, relayPort, _ := net.SplitHostPort(sink.Addr)
	port, admin := freePort(t, "127.0.0.1"), freePort(t, "127.0.0.1")
	conf := filepath.Join(t.TempDir(), "ics.conf")
	hosttest.Write(t, conf, fmt.Sprintf(`factotum.data.dir = "data"
factotum.directory.type = "ldap"
local.ugldaphost = %q
local.ugldapbasedn = %q
local.ugldapbinddn = %q
local.ugldapbindcred = %q
local.ldap.cache.enable = "yes"
local.ldap.cache.entryttl = "1"
service.defaultdomain = "example.com"
service.http.listenaddr = "127.0.0.1"
service.http.port = %q
factotum.admin.listen = "127.0.0.1:%s"
caldb.smtphost = %q
caldb.smtpport = %q
factotum.mail.connections = "2"
factotum.mail.perdestination = "2"
factotum.mail.backoff = "pt1h"
`, ldap, ldaptest.BaseDN, ldaptest.AdminDN, ldaptest.AdminPassword, port, admin, host, relayPort))
	said, ended := runServer(t, testProgram(t, "", "calserver", "serve", "-C", conf))
	url := "http://127.0.0.1:" + port
	awaitServer(t, "ready", ended, said, answers(url))
	csqueue := func(args ...string) string {
		out, _ := testProgram(t, "", "csqueue", append([]string{"-C", conf}, args...)...).CombinedOutput()
		return string(out)
	}
	await := func(what, want string, args ...string) (out string) {
		t.Helper()
		awaitServer(t, what, ended, said, func() bool {
			out = csqueue(args...)
			return regexp.MustCompile(want).MatchString(out)
		})
		return out
	}
	invite := func(n int, uid string) {
		t.Helper()
		user, home := fmt.Sprint("p", n), fmt.Sprintf("%s/dav/calendars/p%d/", url, n)
		text := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:" + uid + "\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20400310T090000Z\r\nORGANIZER:mailto:" + user +
			"@example.com\r\nATTENDEE:mailto:zoe@far.example\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
		for _, c := range [][3]string{{"PROPFIND", home, ""}, {"PUT", home + "calendar/" + uid + ".ics", text}} {
			req, err := http.NewRequest(c[0], c[1], strings.NewReader(c[2]))
			if err != nil {
				t.Fatal(err)
			}
			req.SetBasicAuth(user, user+"-pw")
			req.Header.Set("Content-Type", "text/calendar")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if c[0] == "PUT" && resp.StatusCode/100 != 2 {
				t.Fatalf("%s %s: %s", c[0], c[1], resp.Status)
			}
		}
	}
	for n := range senders {
		invite(n, fmt.Sprint("u", n))
	}
	await("failing", `(?m)^far.example\t12 mails\t12 failed`, "list")
	await("calm", `^The queue is not a problem by itself`, "diagnose")

	// The mail server is well again, and the directory takes three seconds.
	late.Store(int64(3 * time.Second))
	sink.Change(smtptest.Rules{})
	csqueue("--all", "retry")
	out := await("slow", `The directory is slow`, "diagnose")
	for _, want := range []string{`^The queue needs somebody: \d+ mails wait`, `(?m)^Cause: configuration\n  The directory is slow: people are looked up for each mail\.$`,
		`(?m)^  - it takes [1-9][\d.]*s to make a mail, of which people are looked up for [1-9][\d.]*s, and [\d.]+m?s to send it$`, `(?m)^  > .*Missing indexes`} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	if strings.Count(out, "Cause:") != 1 {
		t.Errorf("there is another cause:\n%s", out)
	}
	awaitServer(t, "told by metrics", ended, said, func() bool {
		return strings.Contains(getText("http://127.0.0.1:"+admin+"/metrics"), `factotum_mail_problem{cause="configuration"} 1`)
	})
	late.Store(0)
	await("empty", `^0 mails, 0 held`, "list")
	await("calm", `^No mail waits\.\n`, "diagnose")

	// The directory is away.
	sink.Change(comeAgain)
	invite(0, "v")
	await("failing", `(?m)^far.example\t1 mail\t1 failed`, "list")
	slapd.Stop()
	time.Sleep(1100 * time.Millisecond) // people are remembered for a second
	sink.Change(smtptest.Rules{})
	csqueue("--all", "retry")
	told := await("without a directory", `Mails cannot be made: most often the directory does not answer\.`, "diagnose")
	if !strings.Contains(told, "  - 1 mail could not be made\n") || !strings.Contains(told, "the directory does not answer") || strings.Count(told, "Cause:") != 1 {
		t.Errorf("%s", told)
	}
	slapd.Restart()
	awaitServer(t, "empty", ended, said, func() bool {
		csqueue("--all", "retry")
		return strings.HasPrefix(csqueue("list"), "0 mails")
	})
}
