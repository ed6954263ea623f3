package acceptance

import (
	"fmt"
	"net"
	"net/http"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"factotum/cmd/internal/freeport"
	"factotum/cmd/internal/hosttest"
	"factotum/notify/relay/smtptest"
)

// postfix runs Debian's mail system as docs/admin.md says, with folders and ports of
// its own, until the test ends. Mailboxes of example.com are at one sink, the rest of
// the world is another.
func postfix(t *testing.T, lmtp string, mailboxes, world *smtptest.Sink) (address string) {
	t.Helper()
	const daemons = "/usr/lib/postfix/sbin"
	missing := ""
	if _, err := os.Stat(daemons + "/master"); err != nil {
		missing = "postfix is not installed"
	} else if os.Getuid() != 0 {
		missing = "postfix is started by root alone"
	}
	if missing != "" {
		if os.Getenv("CI") == "true" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) { // its daemons have users of their own
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	port := strconv.Itoa(freeport.Take(t, "127.0.0.1"))
	at := func(s *smtptest.Sink) string {
		host, port, _ := net.SplitHostPort(s.Addr)
		return "[" + host + "]:" + port
	}
	hosttest.Write(t, filepath.Join(dir, "main.cf"), strings.ReplaceAll(`compatibility_level = 3.6
queue_directory = DIR/queue
data_directory = DIR/data
maillog_file_prefixes = DIR
maillog_file = DIR/mail.log
command_directory = /usr/sbin
daemon_directory = `+daemons+`
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.example.com
mydestination =
alias_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
virtual_mailbox_domains = example.com
virtual_transport = smtp:`+at(mailboxes)+`
relayhost = `+at(world)+`
recipient_bcc_maps = regexp:DIR/calendar_copies
transport_maps = hash:DIR/transport
lmtp_generic_maps = regexp:DIR/calendar_names
`, "DIR", dir))
	var services strings.Builder
	fmt.Fprintf(&services, "127.0.0.1:%s inet n - n - - smtpd\n", port)
	for _, s := range []string{"cleanup unix n - n - 0 cleanup", "qmgr unix n - n 300 1 qmgr", "rewrite unix - - n - - trivial-rewrite", "bounce unix - - n - 0 bounce", "defer unix - - n - 0 bounce",
		"trace unix - - n - 0 bounce", "proxymap unix - - n - - proxymap", "smtp unix - - n - - smtp", "lmtp unix - - n - - lmtp", "error unix - - n - - error", "retry unix - - n - - error",
		"anvil unix - - n - 1 anvil", "scache unix - - n - 1 scache", "postlog unix-dgram n - n - 1 postlogd"} {
		fmt.Fprintln(&services, s)
	}
	hosttest.Write(t, filepath.Join(dir, "master.cf"), services.String())
	hosttest.Write(t, filepath.Join(dir, "calendar_copies"), "if !/^calendar-bounces@/\n/^([^@]+)@example\\.com$/    $1@calendar.example.com\nendif\n")
	hosttest.Write(t, filepath.Join(dir, "transport"), "calendar.example.com    lmtp:inet:"+lmtp+"\ncalendar-bounces@example.com    lmtp:inet:"+lmtp+"\n")
	hosttest.Write(t, filepath.Join(dir, "calendar_names"), "/^([^@]+)@calendar\\.example\\.com$/    $1@example.com\n")
	for _, name := range []string{"queue", "data"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("chown", "postfix", filepath.Join(dir, "data")).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if out, err := exec.Command("/usr/sbin/postmap", "-c", dir, "hash:"+filepath.Join(dir, "transport")).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if out, err := exec.Command("/usr/sbin/postfix", "-c", dir, "check").CombinedOutput(); err != nil { // makes its folders
		t.Fatalf("%v %s", err, out)
	}
	cmd := exec.Command(daemons+"/master", "-c", dir, "-d")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM) // its daemons end with it
		cmd.Wait()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "mail.log"))
			t.Logf("postfix:\n%s", log)
		}
	})
	address = "127.0.0.1:" + port
	for end := time.Now().Add(hosttest.Patience); ; time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return address
		}
		if time.Now().After(end) {
			t.Fatal("postfix does not listen")
		}
	}
}

// The whole way through a mail system: an invitation goes out by it, its answer comes
// to the mailbox and as a copy to the server, and what nobody takes comes back to the
// address in the envelope, of which the organizer is told.
func TestPostfix(t *testing.T) {
	t.Parallel()
	mailboxes := smtptest.Start(t, smtptest.Rules{})
	world := smtptest.Start(t, smtptest.Rules{Reply: func(_ *smtptest.Conn, verb, arg string) string {
		if verb == "RCPT" && strings.Contains(arg, "nobody@") {
			return "550 5.1.1 no such user"
		}
		return ""
	}})
	lmtp := "127.0.0.1:" + strconv.Itoa(freeport.Take(t, "127.0.0.1"))
	mx := postfix(t, lmtp, mailboxes, world)
	_, port, _ := net.SplitHostPort(mx)
	h := installed(t, `caldb.smtphost = "127.0.0.1"`, `caldb.smtpport = "`+port+`"`, `factotum.imip.lmtp.listen = "`+lmtp+`"`,
		`factotum.imip.authservid = "mx.example.com"`, `factotum.mail.envelope = "calendar-bounces@example.com"`).start(t)
	h.visit(t, "anna")
	object := cal("anna") + "lunch.ics"
	text := func() string { return unfolded(h.do(t, "anna", "GET", object, "").body) }
	if r := h.do(t, "anna", "PUT", object, meetingWith("lunch", "zoe@far.example", "nobody@far.example"), "Content-Type: text/calendar"); r.status != http.StatusCreated {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if m := world.Await(t, 1)[0]; m.To != "zoe@far.example" || m.From != "calendar-bounces@example.com" || !strings.HasPrefix(m.Header("From"), `"Anna`) && !strings.Contains(m.Header("From"), "<anna@example.com>") {
		t.Errorf("from %s to %s:\n%s", m.From, m.To, m.Data)
	}
	eventuallyShows(t, "what came back", text, "SCHEDULE-STATUS=5.1:mailto:nobody@far.example")
	if m := mailboxes.Await(t, 1)[0]; m.To != "anna@example.com" || !strings.HasPrefix(m.Header("Subject"), "Not delivered: ") || !strings.Contains(m.Header("Message-ID"), "@") {
		t.Errorf("to %s:\n%s", m.To, m.Data)
	}
	if told, _ := calserver(t, "why", "-C", h.conf, "lunch"); strings.Count(told, "\tfailed\tREQUEST\treturned\t5.1") != 1 || !strings.Contains(told, "no such user") {
		t.Errorf("why:\n%s", told)
	}
	answer := fromOutside("1", "zoe@far.example", proven("far.example"), "REPLY", "UID:lunch", "ATTENDEE;PARTSTAT=ACCEPTED:mailto:zoe@far.example")
	if err := smtp.SendMail(mx, nil, "zoe@far.example", []string{"anna@example.com"}, []byte(answer)); err != nil {
		t.Fatal(err)
	}
	eventuallyShows(t, "the answer", text, "PARTSTAT=ACCEPTED")
	eventuallyShows(t, "the answer in the mailbox", func() string {
		var all strings.Builder
		for _, m := range mailboxes.Mails() {
			fmt.Fprintln(&all, m.From, m.To)
		}
		return all.String()
	}, "zoe@far.example anna@example.com")
}
