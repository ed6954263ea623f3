package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"factotum/cmd/internal/hosttest"
	"factotum/notify/relay/smtptest"
)

// scriptSink is the mail server of a script. "sink says VERB PART ANSWER" answers so
// to commands that have PART, "sink waits 2s" is slow once it has greeted, "sink take" takes all again, "sink mails N FILE" waits
// for so many and writes to whom they are, and about what; "sink mail PATTERN FILE" waits for one of which that line is so.
type scriptSink struct{ sink *smtptest.Sink }

func (s *scriptSink) command(t *testing.T, ts *testscript.TestScript, args []string) {
	switch {
	case args[0] == "start":
		s.sink = smtptest.Start(t, smtptest.Rules{})
		ts.Setenv("RELAY", s.sink.Addr)
	case args[0] == "waits" && len(args) == 2:
		d, err := time.ParseDuration(args[1])
		ts.Check(err)
		s.sink.Change(smtptest.Rules{Reply: func(_ *smtptest.Conn, verb, _ string) string {
			if verb != "" && verb != "EHLO" {
				time.Sleep(d)
			}
			return ""
		}})
	case args[0] == "take":
		s.sink.Change(smtptest.Rules{})
	case args[0] == "says" && len(args) == 4:
		s.sink.Change(smtptest.Rules{Reply: func(_ *smtptest.Conn, verb, arg string) string {
			if verb == args[1] && strings.Contains(arg, args[2]) {
				return args[3]
			}
			return ""
		}})
	case args[0] == "mails" && len(args) == 3:
		var n int
		if _, err := fmt.Sscan(args[1], &n); err != nil {
			ts.Fatalf("%v", err)
		}
		ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(subjects(s.sink.Await(t, n))), 0o600))
	case args[0] == "mail" && len(args) == 3:
		re, err := regexp.Compile("(?m)" + args[1])
		ts.Check(err)
		for end := time.Now().Add(hosttest.Patience); ; time.Sleep(10 * time.Millisecond) {
			text := subjects(s.sink.Mails())
			ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(text), 0o600))
			if re.MatchString(text) {
				return
			} else if time.Now().After(end) {
				ts.Fatalf("no mail is %s:\n%s", args[1], text)
			}
		}
	default:
		ts.Fatalf("sink %q", args)
	}
}

func subjects(mails []smtptest.Mail) string {
	var text strings.Builder
	for _, m := range mails {
		fmt.Fprintf(&text, "%s %s\n", m.To, m.Header("Subject"))
	}
	return text.String()
}

// putFile is "put USER NAME FILE": the file becomes the object of that name.
func putFile(ts *testscript.TestScript, user, name, file string) {
	home := ts.Getenv("URL") + "/dav/calendars/" + user + "/"
	for _, c := range [][3]string{{"PROPFIND", home, ""}, {"PUT", home + "calendar/" + name, ts.ReadFile(file)}} {
		req, err := http.NewRequest(c[0], c[1], strings.NewReader(c[2]))
		ts.Check(err)
		req.SetBasicAuth(user, user+"-pw")
		req.Header.Set("Content-Type", "text/calendar")
		resp, err := http.DefaultClient.Do(req)
		ts.Check(err)
		resp.Body.Close()
		if c[0] == "PUT" && resp.StatusCode/100 != 2 {
			ts.Fatalf("put %s: %s", file, resp.Status)
		}
	}
}

// scriptMetrics asks the admin socket.
func scriptMetrics(ts *testscript.TestScript) []byte {
	name, err := socketPath(ts.MkAbs("data/proc/calserver.admin"))
	ts.Check(err)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", name)
	}}}
	resp, err := client.Get("http://admin/metrics")
	ts.Check(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	ts.Check(err)
	return text
}
