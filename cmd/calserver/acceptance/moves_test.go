package acceptance

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"factotum/cmd/internal/davclient"
	"factotum/cmd/internal/freeport"
	"factotum/cmd/internal/hosttest"
)

// TestMovesAndKills moves users between two back ends while they write and synchronize
// by a front end, vdirsyncer and a WCAP client among them, and kills the daemons of all three hosts at any moment: nothing that was
// acknowledged is lost, and no sync-token is refused. FACTOTUM_LONG makes a thousand moves
// and a hundred kills of a few.
func TestMovesAndKills(t *testing.T) {
	needNames(t)
	moves, kills := 6, 3
	if os.Getenv("FACTOTUM_LONG") != "" {
		moves, kills = 1000, 100
	}
	// With a history of a hundred megabytes each move takes seconds in the end.
	s := newSiteOfThree(t, func(_, conf string) string { return conf + "factotum.history.homebytes = \"4194304\"\n" })
	ctx, end := context.WithCancel(t.Context())
	defer end()
	var all sync.WaitGroup
	users := s.working(ctx, &all, "anna", "ben", "carl")
	dora := &mover{t: t, site: s, user: "dora", acked: map[string]string{}, seen: map[string]string{}, client: s.client("dora")}
	files := newTraveller(t, dora)
	eve := &connector{t: t, web: s.web, user: "eve", acked: map[string]bool{}, seen: map[string]bool{}}
	all.Go(func() {
		for i := 1; ctx.Err() == nil; i++ {
			dora.write(i)
			pause(ctx, 100*time.Millisecond)
		}
	})
	all.Go(func() {
		for ctx.Err() == nil {
			files.round()
		}
	})
	all.Go(func() {
		for ctx.Err() == nil {
			eve.round(ctx)
			pause(ctx, 20*time.Millisecond)
		}
	})
	names := []string{"anna", "ben", "carl", "dora", "eve"}
	var moved atomic.Int64
	all.Go(func() {
		for ctx.Err() == nil && moved.Load() < int64(moves) {
			user := names[rand.IntN(len(names))]
			from := s.where(user)
			to := movingBacks[0]
			if from == to {
				to = movingBacks[1]
			}
			if out, err := s.tool("csmove", "-C", s.conf(from), "-q", "-d", to, "-u", user, "move"); err != nil {
				if strings.Contains(out, "panic") {
					t.Errorf("csmove: %s", out)
				}
				pause(ctx, 300*time.Millisecond) // its host is being started, or it goes on by itself
			} else {
				moved.Add(1)
			}
		}
	})
	each := max(1, moves/kills)
	for k := range kills {
		for end := time.Now().Add(3 * time.Minute); moved.Load() < int64(k*each); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d moves have ended after %d kills, and none for three minutes: %s", moved.Load(), k, s.status())
			}
		}
		time.Sleep(time.Duration(rand.IntN(700)) * time.Millisecond)
		s.kill(s.hosts()[rand.IntN(3)])
		if k%10 == 9 {
			t.Logf("%d moves, %d kills", moved.Load(), k+1)
		}
	}
	for end := time.Now().Add(3 * time.Minute); moved.Load() < int64(moves); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of %d moves have ended: %s", moved.Load(), moves, s.status())
		}
	}
	end()
	all.Wait()
	objects := 0
	for _, u := range users {
		u.check()
		objects += len(u.acked)
	}
	files.check()
	dora.check()
	eve.check()
	t.Logf("%d moves, %d kills, %d objects; vdirsyncer ended well %d of %d times; %d events by WCAP, begun from nothing %d times",
		moved.Load(), kills, objects, files.well, files.n, len(eve.acked), eve.beginnings)
	for _, b := range movingBacks {
		if out, err := s.tool("csdb", "-C", s.conf(b), "check"); err != nil {
			t.Errorf("csdb check on %s: %v\n%s", b, err, out)
		}
	}
}

// working has users write and synchronize until ctx ends.
func (s *movingSite) working(ctx context.Context, all *sync.WaitGroup, names ...string) (users []*mover) {
	for _, user := range names {
		u := &mover{t: s.t, site: s, user: user, acked: map[string]string{}, seen: map[string]string{}, client: s.client(user)}
		u.write(0) // makes the home
		users = append(users, u)
		all.Go(func() {
			for i := 1; ctx.Err() == nil; i++ {
				u.write(i)
				pause(ctx, 5*time.Millisecond)
			}
		})
		all.Go(func() {
			for ctx.Err() == nil {
				u.sync(ctx)
				pause(ctx, 50*time.Millisecond)
			}
		})
	}
	return users
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

const movingFront = "front.example.com"

var movingBacks = []string{"a.example.com", "b.example.com"}

// movingSite is a front end and two back ends that may be killed.
type movingSite struct {
	t                   *testing.T
	dir, hostsFile, web string
	backs               []string
	people              string
	each                bool              // back ends have a process for each role: factotum.processes
	standby             bool              // the second back end does not serve at first, and is not ready
	program             map[string]string // of each host; "" is ours
	names               map[string]string // a hosts file of its own, where a host has one

	mu      sync.Mutex
	running map[string]*exec.Cmd
	dwp     map[string]*exec.Cmd // csdwpd, where that is another process
	said    map[string]*hosttest.Buffer
}

func (s *movingSite) hosts() []string { return append([]string{movingFront}, movingBacks...) }
func (s *movingSite) conf(host string) string {
	return filepath.Join(s.dir, "cluster", host, "ics.conf")
}
func (s *movingSite) client(user string) *davclient.Client {
	c, err := davclient.New(davclient.Account{Address: s.web, User: user, Password: password(user)})
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func newMovingSite(t *testing.T) *movingSite {
	return newSiteOfThree(t, func(_, conf string) string { return conf })
}

// newSiteOfThree starts them with what edit makes of their ics.conf.
func newSiteOfThree(t *testing.T, edit func(host, conf string) string, more ...string) *movingSite {
	s := laySiteOfThree(t, edit, more...)
	for _, host := range append(slices.Clone(s.backs), movingFront) {
		s.start(host)
	}
	return s
}

// laySiteOfThree is a site of which no host runs yet. More are back ends besides.
func laySiteOfThree(t *testing.T, edit func(host, conf string) string, more ...string) *movingSite {
	s := &movingSite{t: t, each: strings.Contains(edit(movingBacks[0], ""), "factotum.processes = \"each\""), backs: append(slices.Clone(movingBacks), more...), standby: strings.Contains(edit(movingBacks[1], ""), "factotum.standby"), dir: t.TempDir(), running: map[string]*exec.Cmd{}, dwp: map[string]*exec.Cmd{}, said: map[string]*hosttest.Buffer{}, program: map[string]string{}, names: map[string]string{}}
	s.hostsFile, s.people = filepath.Join(s.dir, "hosts"), filepath.Join(s.dir, "people.ldif")
	addresses := map[string]string{movingFront: "127.0.0.1"}
	for i, b := range s.backs {
		addresses[b] = fmt.Sprintf("127.0.0.%d", i+2)
	}
	lines := "127.0.0.1 localhost\n"
	for host, address := range addresses {
		lines += address + " " + host + "\n"
	}
	hosttest.Write(t, s.hostsFile, lines)
	hosttest.Write(t, s.people, ldif(t))
	web := strconv.Itoa(freeport.Take(t, "127.0.0.1"))
	s.web = "http://127.0.0.1:" + web
	args := []string{"cluster", "init", "--dir", filepath.Join(s.dir, "cluster"), "--front", movingFront}
	for _, b := range s.backs {
		args = append(args, "--back", b)
	}
	for name, value := range map[string]string{"service.dwp.port": strconv.Itoa(freeport.Take(t, "127.0.0.2")), "service.http.port": web, "service.ens.enable": "no", "factotum.data.dir": "data",
		"factotum.admin.listen": "", "factotum.directory.type": "ldif", "factotum.directory.ldif.path": s.people, "factotum.login.maxfailures": "0", "factotum.login.maxdelay": "0"} {
		args = append(args, "--set", name+"="+value)
	}
	if out, err := calserver(t, args...); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for host := range addresses {
		conf, err := os.ReadFile(s.conf(host))
		if err != nil {
			t.Fatal(err)
		}
		hosttest.Write(t, s.conf(host), edit(host, string(conf)+fmt.Sprintf("service.listenaddr = %q\n", addresses[host])))
	}
	t.Cleanup(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for host, cmd := range s.running {
			for _, cmd := range []*exec.Cmd{cmd, s.dwp[host]} {
				if cmd != nil {
					cmd.Process.Kill()
					cmd.Wait()
				}
			}
			if said := s.said[host].String(); strings.Contains(said, "panic") || t.Failed() {
				t.Errorf("%s says:\n%.6000s", host, said)
			}
		}
	})
	return s
}

// start starts a host and waits until all of it can work.
func (s *movingSite) start(host string) {
	s.t.Helper()
	s.run(host)
	said := s.said[host]
	for end := time.Now().Add(hosttest.Patience); !s.standby || host != movingBacks[1]; time.Sleep(50 * time.Millisecond) {
		out, err := s.tool("status", "-C", s.conf(host), "--ready")
		if err == nil {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("%s does not get ready: %s\n%s", host, out, said)
		}
	}
}

// run starts a host.
func (s *movingSite) run(host string) {
	s.t.Helper()
	said := new(hosttest.Buffer)
	begin := func(program string) *exec.Cmd {
		cmd := hosttest.Command(cmp.Or(s.names[host], s.hostsFile), cmp.Or(s.program[host], hosttest.Executable(s.t)), program, "-C", s.conf(host))
		cmd.Stdout, cmd.Stderr = said, said
		if err := cmd.Start(); err != nil {
			s.t.Fatal(err)
		}
		return cmd
	}
	var cmd, dwp *exec.Cmd
	if !s.each || host == movingFront {
		cmd = begin("serve")
	} else {
		cmd = begin("csstored")
		for end := time.Now().Add(hosttest.Patience); !strings.Contains(said.String(), "msg=started program=csstored"); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				s.t.Fatalf("csstored of %s does not start: %s", host, said)
			}
		}
		dwp = begin("csdwpd")
	}
	s.mu.Lock()
	s.running[host], s.dwp[host], s.said[host] = cmd, dwp, said
	s.mu.Unlock()
}

func (s *movingSite) kill(host string) {
	s.t.Helper()
	s.mu.Lock()
	cmd, said := s.running[host], s.said[host]
	s.mu.Unlock()
	cmd.Process.Kill()
	cmd.Wait()
	if strings.Contains(said.String(), "panic") {
		s.t.Errorf("%s says:\n%s", host, said)
	}
	s.start(host)
}

func (s *movingSite) tool(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), hosttest.Patience)
	defer cancel()
	cmd := hosttest.Command(s.hostsFile, hosttest.Executable(s.t), args...)
	stop := context.AfterFunc(ctx, func() { cmd.Process.Kill() })
	defer stop()
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// where is the host that the directory says; the first where it does not.
func (s *movingSite) where(user string) string {
	text, err := os.ReadFile(s.people)
	if err != nil {
		s.t.Error(err)
	}
	entry := regexp.MustCompile(`(?m)^dn: uid=` + user + `,o=example.com\n(.+\n)*`).FindString(string(text))
	if m := regexp.MustCompile(`(?mi)^icsDWPHost: (.*)$`).FindStringSubmatch(entry); m != nil {
		return m[1]
	}
	return movingBacks[0]
}

func (s *movingSite) status() (text string) {
	for _, b := range s.backs {
		out, _ := s.tool("csmove", "-C", s.conf(b), "status")
		text += b + ": " + out + "\n"
	}
	return text
}

// mover is a user who writes, and a client of his that synchronizes.
type mover struct {
	t      *testing.T
	site   *movingSite
	user   string
	client *davclient.Client
	acked  map[string]string // what each object has to say, by its address; "" is nothing

	token string
	seen  map[string]string // ETags of what the client has, by address
}

func (u *mover) calendar() string { return "/dav/calendars/" + u.user + "/calendar/" }

// write stores an object, or replaces or deletes an older one, and goes on trying until
// that is acknowledged.
func (u *mover) write(i int) {
	name := func(i int) string { return fmt.Sprintf("%s%s-%d.ics", u.calendar(), u.user, i) }
	n := i % 2000
	if i > 10 && i%3 == 0 {
		n = rand.IntN(min(i, 2000))
	}
	href, remove := name(n), n != i && i%2 == 0
	text := fmt.Sprintf("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:%s-%d\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260901T100000Z\r\nSUMMARY:Version %d\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", u.user, n, i)
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		var r *davclient.Reply
		var err error
		if remove {
			r, err = u.client.Send(context.Background(), "DELETE", href, "")
		} else {
			r, err = u.client.Send(context.Background(), "PUT", href, text, "Content-Type", "text/calendar; charset=utf-8")
		}
		switch {
		case err == nil && (r.Status == http.StatusCreated || r.Status == http.StatusNoContent || remove && r.Status == http.StatusNotFound):
			u.acked[href] = fmt.Sprintf("SUMMARY:Version %d\r\n", i)
			if remove {
				u.acked[href] = ""
			}
			return
		case err == nil && r.Status != http.StatusServiceUnavailable && r.Status != http.StatusBadGateway && r.Status != http.StatusGatewayTimeout:
			u.t.Errorf("%s: %d\n%s", href, r.Status, r.Body)
			return
		case time.Now().After(end):
			u.t.Errorf("%s is not taken for two minutes: %v, %v", href, r, err)
			return
		}
	}
}

// sync asks what is new. That the token is too old would mean to begin from nothing.
func (u *mover) sync(ctx context.Context) (done bool) {
	body := `<d:sync-collection xmlns:d="DAV:"><d:sync-token>` + davclient.Escape(u.token) + `</d:sync-token><d:sync-level>1</d:sync-level><d:prop><d:getetag/></d:prop></d:sync-collection>`
	r, err := u.client.Send(ctx, "REPORT", u.calendar(), `<?xml version="1.0" encoding="utf-8"?>`+body, "Depth", "0")
	if err != nil || r.Status == http.StatusServiceUnavailable || r.Status == http.StatusBadGateway || r.Status == http.StatusGatewayTimeout {
		return false
	}
	if r.Status != http.StatusMultiStatus {
		u.t.Errorf("the token %s of %s is refused: %d\n%s", u.token, u.user, r.Status, r.Body)
		return false
	}
	list, token, err := r.Multistatus()
	if err != nil {
		u.t.Errorf("read what is new: %v", err)
		return false
	}
	for i := range list {
		if list[i].Status == http.StatusNotFound {
			delete(u.seen, list[i].Href)
		} else {
			u.seen[list[i].Href] = list[i].Text(davclient.NSDAV, "getetag")
		}
	}
	u.token = token
	return true
}

// members are the objects, with their ETags.
func (u *mover) members() map[string]string {
	there, err := u.client.Members(context.Background(), u.calendar())
	if err != nil {
		u.t.Fatal(err)
	}
	return there
}

// check looks for all that was acknowledged, and at what the client has made of it.
func (u *mover) check() {
	ctx := context.Background()
	for end := time.Now().Add(hosttest.Patience); !u.sync(ctx); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			u.t.Fatalf("%s cannot be synchronized", u.user)
		}
	}
	there := u.members()
	for href, tag := range there {
		if u.seen[href] != tag {
			u.t.Errorf("%s has the tag %s, and the client knows of %q", href, tag, u.seen[href])
		}
	}
	if len(u.seen) != len(there) {
		u.t.Errorf("the client of %s knows of %d objects, and there are %d", u.user, len(u.seen), len(there))
	}
	n := 0
	for href, want := range u.acked {
		o := u.client.Get(ctx, href)
		switch {
		case want == "" && o.Err == nil:
			u.t.Errorf("%s is there, and its deletion was acknowledged", href)
		case want != "" && (o.Err != nil || !strings.Contains(string(o.Data), want)):
			u.t.Errorf("%s: %v, %q; acknowledged was %q", href, o.Err, o.Data, want)
		case want != "":
			n++
		}
	}
	if n != len(there) {
		u.t.Errorf("%s has %d objects, and %d were acknowledged", u.user, len(there), n)
	}
}
