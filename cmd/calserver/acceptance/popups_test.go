package acceptance

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"factotum/cmd/internal/freeport"
	"factotum/cmd/internal/hosttest"
	"factotum/notify/xmpp/xmpptest"
)

// wcap is a command by somebody who is logged in for it.
func (h *host) wcap(t testing.TB, user, command string) string {
	t.Helper()
	login := h.do(t, "", "GET", "/login.wcap?user="+user+"&password="+password(user)+"&fmt-out=text/calendar", "").body
	_, id, _ := strings.Cut(login, "X-NSCP-WCAP-SESSION-ID:")
	id, _, _ = strings.Cut(id, "\r\n")
	answer := h.do(t, "", "GET", command+"&fmt-out=text/calendar&id="+id, "").body
	if !strings.Contains(answer, "X-NSCP-WCAP-ERRNO:0\r\n") {
		t.Fatalf("%s: %s", command, answer)
	}
	return answer
}

// pops stores an event over WCAP that is to pop up soon. WCAP §7.8.
func (h *host) pops(t testing.TB, user, summary string) {
	t.Helper()
	due := h.soon(t, user, 1, 3*time.Second)
	at := func(d time.Duration) string { return due.UTC().Add(d).Format("20060102T150405Z") }
	h.wcap(t, user, "/storeevents.wcap?calid="+user+"&storetype=1&dtstart="+at(10*time.Minute)+"&dtend="+at(70*time.Minute)+
		"&location=Room%201&alarmPopup="+at(0)+"&summary="+url.QueryEscape(summary))
}

// metrics are those that the host's admin address shows.
func (h *host) metrics(t testing.TB) string {
	t.Helper()
	resp, err := client.Get(strings.TrimSuffix(h.ready, "/readyz") + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestPopups: a reminder of an event that was stored over WCAP pops up, once, with who
// wants it and is there, by the lines of docs/popups.md; who is away, or has not asked
// for it, gets none; and the agent is back when prosody is. notifications.md §9.
func TestPopups(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "popups.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := map[string]string{}
	for _, m := range block.FindAllStringSubmatch(string(page), -1) {
		blocks[m[1]] = m[2]
	}
	server := xmpptest.StartWith(t, blocks["prosody"], "anna", "ben", "carl", "dora")
	lines := strings.Replace(blocks["ics.conf"], "127.0.0.1:5347", server.Component, 1)
	hosttest.Executable(t) // built once, which takes its time
	admin := "127.0.0.1:" + strconv.Itoa(freeport.Take(t, "127.0.0.1"))
	h := installed(t, append(strings.Split(strings.TrimSpace(lines), "\n"), fmt.Sprintf("factotum.admin.listen = %q", admin))...)
	h.ready = "http://" + admin + "/readyz"
	if out, err := calserver(t, "config", "check", "-C", h.conf); err != nil || strings.Contains(out, "xmpp") {
		t.Fatalf("%v\n%s", err, out)
	}
	h.start(t)
	h.visit(t, "anna", "ben", "carl", "dora")
	words := strings.Fields(blocks["user"]) // csuser prefs anna …
	if out, err := calserver(t, append([]string{words[0], "-C", h.conf}, words[1:]...)...); err != nil || !strings.Contains(out, "ceShowCalendarReminders=1\n") {
		t.Fatalf("%q: %v\n%s", words, err, out)
	}
	for _, u := range []string{"ben", "dora"} {
		h.wcap(t, u, "/set_userprefs.wcap?set_attrs=ceShowCalendarReminders=1")
	}
	eventuallyShows(t, "status", func() string { out, _ := calserver(t, "status", "-C", h.conf); return out }, "csnotifyd", "XMPP server")

	// All have the agent among their contacts; ben logs out then.
	clients := map[string]*xmpptest.Client{}
	for _, u := range []string{"anna", "ben", "carl"} {
		c := server.Login(t, u, true)
		clients[u] = c
		c.AddContact(t, xmpptest.Component)
		eventuallyShows(t, u+" is asked", func() string { return strings.Join(c.Asked(), " ") }, xmpptest.Component)
		c.Settle(t)
	}
	clients["ben"].Leave(t)
	others := slixmpp(t, server, "dora")
	for _, u := range []string{"ben", "carl", "dora", "anna"} {
		h.pops(t, u, "Team meeting & <lunch> of "+u)
	}
	m := clients["anna"].Await(t, 1)[0]
	if m.Type != "chat" || !strings.HasPrefix(m.Body, "Reminder: Team meeting & <lunch> of anna\n") || !strings.Contains(m.Body, "Room 1") || m.Hint == nil ||
		!strings.Contains(m.ICal, "SUMMARY:Team meeting & <lunch> of anna") || m.HTML.Body.P[0].Strong != "Reminder: Team meeting & <lunch> of anna" {
		t.Errorf("%+v", m)
	}
	if others != nil {
		eventuallyShows(t, "slixmpp", others.String, "message chat reminders.example.com 'Reminder: Team meeting & <lunch> of dora\\n")
	}

	// What became of the others is decided before prosody goes away: ben would get his when he is back.
	decided := regexp.MustCompile(`factotum_popups_total\{outcome="(away|unseen|unwanted)"\} [1-9]`)
	eventuallyShows(t, "what became of those of ben and carl", func() string { return fmt.Sprint(len(decided.FindAllString(h.metrics(t), -1))) }, "2")

	// prosody goes away and comes back, and so does the agent.
	server.Stop()
	server.Run(t)
	anna, ben := server.Login(t, "anna", true), server.Login(t, "ben", true)
	eventuallyShows(t, "status", func() string { out, _ := calserver(t, "status", "-C", h.conf); return out }, "XMPP server "+server.Component+": well")
	h.pops(t, "anna", "After the pause")
	if m := anna.Await(t, 1)[0]; !strings.HasPrefix(m.Body, "Reminder: After the pause\n") {
		t.Errorf("%+v", m)
	}
	for who, n := range map[*xmpptest.Client]int{clients["anna"]: 1, clients["carl"]: 0, anna: 1, ben: 0} {
		if got := who.Messages(); len(got) != n {
			t.Errorf("%d messages, want %d: %+v", len(got), n, got)
		}
	}
	if others != nil && strings.Count(others.String(), "message ") != 1 {
		t.Errorf("more than one pop-up:\n%s", others.String())
	}
}

// slixmpp runs a client of that library; nil where it is not installed.
func slixmpp(t *testing.T, server *xmpptest.Prosody, user string) *hosttest.Buffer {
	t.Helper()
	const python = "/usr/bin/python3" // the distribution's, which has its packages
	if err := exec.Command(python, "-c", "import slixmpp").Run(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("python3-slixmpp is not installed")
		}
		t.Log("python3-slixmpp is not installed")
		return nil
	}
	host, port, err := net.SplitHostPort(server.Address)
	if err != nil {
		t.Fatal(err)
	}
	out := &hosttest.Buffer{}
	cmd := hosttest.Command("", python, "testdata/slixmpp_client.py", user+"@"+xmpptest.Domain, xmpptest.Password(user), server.CA, xmpptest.Component, host, port)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	eventuallyShows(t, "slixmpp", out.String, "asked "+xmpptest.Component)
	return out
}

// TestPopupsOfTwoHosts: agents on two hosts, with one account, share the reminders. Each
// pops up once, and where one host dies the other goes on.
func TestPopupsOfTwoHosts(t *testing.T) {
	t.Parallel()
	needNames(t)
	server := xmpptest.Start(t, "anna", "reminders")
	agent := "reminders@" + xmpptest.Domain
	front, back := split(t, `service.ens.host = "`+backName+`"`, `service.ens.port = "`+strconv.Itoa(freeport.Take(t, backAddress))+`"`,
		`factotum.ens.secret = "the secret of both hosts"`, `caldb.serveralarms.url = "enp:///ics/customalarm"`, `caldb.serveralarms.contenttype = "text/xml"`,
		`factotum.xmpp.enable = "yes"`, `factotum.xmpp.default = "yes"`, `factotum.xmpp.jid = "`+agent+`"`, `factotum.xmpp.password = "`+xmpptest.Password("reminders")+`"`,
		`factotum.xmpp.server = "`+server.Address+`"`, `factotum.xmpp.cafile = "`+server.CA+`"`)
	front.visit(t, "anna")
	for _, h := range []*host{front, back} {
		eventuallyShows(t, "status", func() string { out, _ := h.tool(t, "status"); return out }, "XMPP server "+server.Address+": well")
	}
	anna := server.Login(t, "anna", true)
	anna.AddContact(t, agent)
	eventuallyShows(t, "anna is asked", func() string { return strings.Join(anna.Asked(), " ") }, agent)
	anna.Settle(t)
	const n = 30
	due := front.soon(t, "anna", n, 4*time.Second)
	remind := func(i int, due time.Time) {
		t.Helper()
		uid := fmt.Sprint("r", i)
		front.do(t, "anna", "PUT", cal("anna")+uid+".ics", alarmed(uid, "DISPLAY", due), "Content-Type: text/calendar").is(201)
	}
	for i := range n {
		remind(i, due.Add(time.Duration(i%3)*time.Second))
	}
	once := func(want int) {
		t.Helper()
		got := map[string]int{}
		for _, m := range anna.Await(t, want) {
			got[strings.SplitN(m.Body, "\n", 2)[0]]++
		}
		for i := range want {
			if title := fmt.Sprintf("Reminder: Dentist r%d", i); got[title] != 1 {
				t.Errorf("%q came %d times", title, got[title])
			}
		}
	}
	once(n)
	text := back.metrics(t)
	counted := regexp.MustCompile(`factotum_popups_total\{outcome="sent"\} (\d+)`).FindStringSubmatch(text)
	if counted == nil {
		t.Fatalf("no count in\n%s", text)
	}
	if here, err := strconv.Atoi(counted[1]); err != nil || here == 0 || here == n {
		t.Errorf("the back end has sent %s of %d", counted[1], n)
	}

	due = front.soon(t, "anna", 5, 4*time.Second) // the front end is gone by then
	for i := range 3 {
		remind(n+i, due)
	}
	if err := front.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-front.done
	once(n + 3)
	time.Sleep(time.Second)
	once(n + 3)
}
