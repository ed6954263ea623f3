package acceptance

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"factotum/cmd/internal/freeport"
	"factotum/cmd/internal/hosttest"
)

// newcomer walks through the pages in a clean clone, with an empty home: each
// block of a page that has a name is pasted into a shell as it stands. Only
// addresses, and places where root alone may write, are other ones.
type newcomer struct {
	t           *testing.T
	clone, home string
	env         []string
	others      []string // what stands on the page, and what is put there
	blocks      map[string]string
	walked      map[string]bool
}

// block of a page: its name, and what is between the fences.
var block = regexp.MustCompile("(?ms)^<!-- test: ([^\n]*) -->\n```[a-z]*\n(.*?)^```$")

func newNewcomer(t *testing.T) *newcomer {
	n := &newcomer{t: t, clone: t.TempDir(), home: t.TempDir()}
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = filepath.Join("..", "..", "..")
	list, err := cmd.Output()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("git does not list the clone: %v", err)
		}
		t.Skipf("not a clone: %v", err)
	}
	for name := range strings.SplitSeq(strings.Trim(string(list), "\x00"), "\x00") {
		data, err := os.ReadFile(filepath.Join(cmd.Dir, name))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		hosttest.Write(t, filepath.Join(n.clone, name), string(data))
	}
	// What was downloaded and compiled before may be used: it is slow, not needed.
	n.env = []string{"HOME=" + n.home, "PATH=" + os.Getenv("PATH"), "CGO_ENABLED=0", "LANG=C.UTF-8", "TZ=Europe/Berlin"}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS", "GONOSUMDB", "GONOSUMCHECK", "GOSUMDB", "GOTOOLCHAIN", "GOPRIVATE"} {
		if v, err := exec.Command("go", "env", name).Output(); err == nil && len(strings.TrimSpace(string(v))) > 0 {
			n.env = append(n.env, name+"="+strings.TrimSpace(string(v)))
		}
	}
	return n
}

// read takes the blocks of a page.
func (n *newcomer) read(page string) {
	n.t.Helper()
	text, err := os.ReadFile(filepath.Join(n.clone, page))
	if err != nil {
		n.t.Fatal(err)
	}
	n.blocks, n.walked = map[string]string{}, map[string]bool{}
	for _, m := range block.FindAllStringSubmatch(string(text), -1) {
		n.blocks[m[1]] = m[2]
	}
}

// text is a block with other addresses.
func (n *newcomer) text(name string) string {
	n.t.Helper()
	text, ok := n.blocks[name]
	if !ok {
		n.t.Fatalf("there is no block %q", name)
	}
	n.walked[name] = true
	for i := 0; i < len(n.others); i += 2 {
		text = strings.ReplaceAll(text, n.others[i], n.others[i+1])
	}
	return text
}

// all fails if a block of the page was left out.
func (n *newcomer) all(but ...string) {
	n.t.Helper()
	for name := range n.blocks {
		if !n.walked[name] && !slices.Contains(but, name) {
			n.t.Errorf("nobody has walked through the block %q", name)
		}
	}
}

func (n *newcomer) shell(text string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(n.t.Context(), 15*time.Minute) // all of the program is compiled
	n.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "/bin/sh", "-e")
	cmd.Dir, cmd.Env, cmd.Stdin = n.clone, n.env, strings.NewReader(text)
	return cmd
}

// paste runs a text, and looks for what is to be said, in this order.
func (n *newcomer) paste(text string, says ...string) {
	n.t.Helper()
	var errs strings.Builder
	cmd := n.shell(text)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		n.t.Fatalf("%v\n%s\nsays %s%s", err, text, out, errs.String())
	}
	said := strings.ReplaceAll(string(out), "\r\n", "\n")
	for rest := said; len(says) > 0; says = says[1:] {
		_, after, ok := strings.Cut(rest, says[0])
		if !ok {
			n.t.Fatalf("no %q in its place in\n%s%s", says[0], said, errs.String())
		}
		rest = after
	}
}

// quickstart starts a server and waits for what it says; stop is Ctrl-C.
func (n *newcomer) quickstart(command string) (greeting string, stop func()) {
	n.t.Helper()
	cmd := n.shell("exec " + strings.TrimSpace(command) + "\n")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	var errs hosttest.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) // as a terminal does
			cmd.Wait()
		}
	}
	n.t.Cleanup(stop)
	for lines := bufio.NewReader(out); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			n.t.Fatalf("%s: ended: %v\n%s%s", command, err, greeting, &errs)
		}
		if greeting += line; strings.HasPrefix(line, "Tools, in another terminal:") {
			go io.Copy(io.Discard, lines)
			return greeting, stop
		}
	}
}

func (n *newcomer) port() string { return strconv.Itoa(freeport.Take(n.t, "127.0.0.1")) }

// Everything on the way of somebody who has just cloned the sources: README.md
// with a server, a throw-away one and Debian's clients, then docs/admin.md from
// installing to two hosts.
func TestNewcomer(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds the program")
	}
	for _, name := range []string{"go", "make", "curl", "sed", "openssl", "vdirsyncer", "khal"} {
		tool(t, name)
	}
	n := newNewcomer(t)
	t.Run("README", n.readme)
	t.Run("admin", func(t *testing.T) {
		n.t = t
		n.admin()
	})
}

func (n *newcomer) readme(t *testing.T) {
	n.t = t
	n.read("README.md")
	first, second := n.port(), n.port()
	n.others = []string{"127.0.0.1:8008", "127.0.0.1:" + first, "127.0.0.1:9000", "127.0.0.1:" + second, "/tmp/demo", n.home + "/demo"}
	greeting, stop := n.quickstart(strings.TrimSpace(n.text("first")) + " --http 127.0.0.1:" + first)
	m := regexp.MustCompile(`(?m)^  anna +(\S+)$`).FindStringSubmatch(greeting)
	if m == nil || !strings.Contains(greeting, "time zone Europe/Berlin") || !strings.Contains(greeting, "Tools, in another terminal: go run ./cmd/calserver status") {
		t.Fatal(greeting)
	}
	n.others = append(n.others, "curl -u anna ", "curl -s -f -u anna:"+m[1]+" ") // it would ask
	n.paste(n.text("curl"), "<D:href>/dav/calendars/anna/calendar/</D:href>", "BEGIN:VEVENT\n", "SUMMARY:Meeting\n")
	n.paste("go run ./cmd/calserver status", "csstored", "ready")
	_, stopSecond := n.quickstart(n.text("throw-away"))
	n.paste(n.text("wcap"),
		"X-NSCP-WCAP-ERRNO:0\n", "REQUEST-STATUS:2.0;Success.  Store successful.\n", // create
		"X-NSCP-CALPROPS-RELATIVE-CALID:anna\n", "SUMMARY:Lunch\n", "DTSTART:20260901T100000Z\n", "X-NSCP-DTSTART-TZID:Europe/Berlin\n", "X-NSCP-WCAP-ERRNO:0\n", // fetch
		"X-NSCP-WCAP-ERRNO:-1\n") // logout
	n.paste(n.text("vdirsyncer"), "Lunch")
	stopSecond()
	n.paste(n.text("import"), "links in bin", "anna: 1 stored (0 new", "csstored")
	stop()

	// The second start says who there is, and gives a new password.
	greeting, stop = n.quickstart(n.text("first"))
	for _, want := range []string{"  anna         (as before)\n", "  ben          (as before)\n", "go run ./cmd/calserver csuser password anna\n", "go run ./cmd/calserver quickstart --user anna:PASSWORD\n"} {
		if !strings.Contains(greeting, want) {
			t.Errorf("the second start does not say %q:\n%s", want, greeting)
		}
	}
	n.paste("echo 'a better one' | go run ./cmd/calserver csuser password anna -f -\n"+
		"curl -s -f -u 'anna:a better one' http://127.0.0.1:"+first+"/dav/calendars/anna/calendar/meeting.ics", "anna: password set", "SUMMARY:Meeting")
	stop()
	n.all()
}

func (n *newcomer) admin() {
	t := n.t
	n.read("docs/admin.md")
	http, ldifHTTP, dwp := n.port(), n.port(), n.port()
	n.others = []string{"/usr/local/sbin", n.home + "/sbin", "/etc/factotum", n.home + "/etc",
		`"8008"` + "\n", `"` + ldifHTTP + `"` + "\nservice.http.listenaddr = \"127.0.0.1\"\nfactotum.admin.listen = \"\"\nfactotum.data.dir = \"" + n.home + "/data\"\n",
		"https://old.example.com/", "http://127.0.0.1:" + ldifHTTP + "/"}
	if err := os.Mkdir(n.home+"/sbin", 0o700); err != nil {
		t.Fatal(err)
	}
	n.paste(n.text("installing"), "links in")
	n.env[1] = "PATH=" + n.home + "/sbin:" + os.Getenv("PATH")
	n.env = append(n.env, "CALSERVER_CONFIG="+n.home+"/etc/ics.conf")
	stopAll := func(conf string) {
		cmd := exec.Command(n.home+"/sbin/stop-cal", "-f", "-C", conf) // the test's context is over
		cmd.Env = n.env
		cmd.Run()
	}
	t.Cleanup(func() { stopAll(n.home + "/etc/ics.conf") })
	n.paste(n.text("one host"), "no errors", "http (cshttpd) started", "anna: made", "cshttpd", "ready")
	n.paste("csuser -q --no-copies delete anna") // the page makes her once more
	hosttest.Write(t, n.clone+"/anna.password", "a good password\n")
	hosttest.Write(t, n.clone+"/holidays.ics", strings.ReplaceAll("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//x//y//EN\nBEGIN:VEVENT\nUID:day\nDTSTAMP:20260101T000000Z\nDTSTART;VALUE=DATE:20260101\nSUMMARY:New Year\nEND:VEVENT\nEND:VCALENDAR\n", "\n", "\r\n"))
	n.paste(n.text("for programs"), `"component":"store"`)
	n.paste(n.text("users"), "anna: made", "password: ", "bert: disabled", "bert: enabled", "Anna's phone")
	n.paste(n.text("calendars"), "anna:work: made", "anna:work: disabled", "anna:work: enabled")
	n.paste(n.text("in and out"), "anna: 1 stored (1 new", "anna:trips: 1 stored (1 new")
	n.paste(n.text("from another server"), " passed, 0 failed", "bert: 1 new", "bert: 0 new, 0 changed, 1 unchanged")
	n.paste(n.text("the database"), "0 found wrong")
	n.paste(n.text("jobs"), "0 jobs")
	n.paste("stop-cal", "stopped")

	// Two hosts: names and addresses of their own, and the people of a file.
	if exec.Command("unshare", "-rm", "true").Run() != nil {
		t.Log("mount namespaces cannot be made: the two hosts are left out")
		return
	}
	dir := n.home + "/hosts"
	hosttest.Write(t, dir+"/hosts", "127.0.0.1 localhost\n127.0.0.1 front.example.com back.example.com\n")
	hosttest.Write(t, dir+"/ca/certificates.sh", n.text("certificates"))
	n.paste("cd " + dir + "/ca && sh -e certificates.sh 2>&1 && for h in back front; do mkdir ../$h && cp dwp-ca.pem $h.example.com.* ../$h; done")
	for host, name := range map[string]string{"back": "back end", "front": "front end"} {
		hosttest.Write(t, dir+"/"+host+"/ics.conf", n.text(name)+`factotum.data.dir = "data"
factotum.admin.listen = ""
factotum.directory.type = "ldif"
factotum.directory.ldif.path = "`+dir+`/people.ldif"
service.dwp.port = "`+dwp+`"
service.http.port = "`+http+`"
`)
		t.Cleanup(func() { stopAll(dir + "/" + host + "/ics.conf") })
	}
	on := "cd " + dir + "; on() { unshare -rm sh -ec 'mount --bind hosts /etc/hosts; exec \"$@\"' sh \"$@\"; }; "
	n.paste(on+"on calserver config check -C back/ics.conf; on start-cal -C back/ics.conf; start-cal -l -C back/ics.conf", "no errors", "dwp (csdwpd) started", "store", "dwp")
	n.paste(on+"on csuser -C back/ics.conf -f "+n.clone+"/anna.password create anna", "anna: made")
	n.paste(on+"on calserver config check -C front/ics.conf; on start-cal -C front/ics.conf; calserver status -C front/ics.conf", "no errors", "http (cshttpd) started", "back end back.example.com: reachable")
	n.paste("curl -s -f -u 'anna:a good password' -T holidays.ics http://127.0.0.1:"+http+"/dav/calendars/anna/calendar/day.ics && "+
		"calserver status -C "+dir+"/back/ics.conf", "1 users, 1 objects")
	n.paste(on + "stop-cal -C front/ics.conf; stop-cal -C back/ics.conf")
	n.all("cluster", "cluster grows", "cluster check", // TestCluster
		"openldap", "ldap", "groups", // with slapd: openldap.txtar
		"from files", "components", "people who are gone", "attributes and domains", // tools.txtar
		"a disk is lost", "PostgreSQL comes back", // lost_disk.txtar, lost_disk_postgres.txtar
		"archive of PostgreSQL", "copy of PostgreSQL") // TestPostgresArchive
}
