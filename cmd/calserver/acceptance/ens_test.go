package acceptance

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"factotum/cmd/internal/certificates"
	"factotum/cmd/internal/freeport"
	"factotum/cmd/internal/hosttest"
	"factotum/notify/bus"
	"factotum/server/calendar"
)

// streamed are the lines of a stream of server-sent events, as they come.
func streamed(t *testing.T, h *host, user, path string) *hosttest.Buffer {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	resp, err := client.Transport.RoundTrip(h.request(t, user, "GET", path, nil).WithContext(ctx))
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v %v", resp, err)
	}
	got := &hosttest.Buffer{}
	go func() {
		defer resp.Body.Close()
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			fmt.Fprintln(got, lines.Text())
		}
	}()
	eventuallyShows(t, "the stream", got.String, "event: ready")
	return got
}

// tool is a command on a host, run to its end.
func (h *host) tool(t testing.TB, name string, args ...string) (string, error) {
	t.Helper()
	out, err := hosttest.Command(h.hosts, hosttest.Executable(t), append([]string{name, "-C", h.conf}, args...)...).CombinedOutput()
	return string(out), err
}

// subscribed is an ensctl on a host that prints what it hears.
func (h *host) subscribed(t *testing.T, ref string) *hosttest.Buffer {
	t.Helper()
	out := &hosttest.Buffer{}
	cmd := hosttest.Command(h.hosts, hosttest.Executable(t), "ensctl", "-v", "-C", h.conf, "sub", ref)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	eventuallyShows(t, "ensctl", out.String, "subscribed to "+ref)
	return out
}

const lunch = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:lunch\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260901T100000Z\r\nSUMMARY:Lunch\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"

// TestENSOfTwoHosts: a front end's users and subscribers are told by enpd of the back
// end's host, over TLS, to which all show the secret of ics.conf; a certificate that
// is replaced is shown from the next connection on; and who logs in is told of.
func TestENSOfTwoHosts(t *testing.T) {
	t.Parallel()
	needNames(t)
	address := net.JoinHostPort(backAddress, strconv.Itoa(freeport.Take(t, backAddress)))
	_, port, _ := net.SplitHostPort(address)
	front, back := split(t, `service.ens.host = "`+backName+`"`, `service.ens.port = "`+port+`"`, `factotum.ens.secret = "the secret of both hosts"`,
		`factotum.ens.logins = "yes"`, `caldb.berkeleydb.ensmsg.createevent = "yes"`)
	front.visit(t, "anna")
	heard, watched := front.subscribed(t, "enp:///ics/*"), streamed(t, front, "anna", "/events/?calid=anna")
	front.do(t, "anna", "PUT", cal("anna")+"lunch.ics", lunch, "Content-Type: text/calendar").is(201)
	eventuallyShows(t, "ensctl", heard.String, "enp:///ics/caleventcreate?calid=anna&uid=lunch", "<SUMMARY>Lunch</SUMMARY>")
	eventuallyShows(t, "the stream", watched.String, "event: caleventcreate", `"uid":"lunch"`)

	login := front.do(t, "", "GET", "/login.wcap?user=anna&password="+password("anna")+"&fmt-out=text/calendar", "").body
	_, id, _ := strings.Cut(login, "X-NSCP-WCAP-SESSION-ID:")
	front.do(t, "", "GET", "/logout.wcap?id="+strings.Fields(id)[0], "")
	eventuallyShows(t, "ensctl", heard.String, "enp:///ics/caluserlogin?user=anna\n", "enp:///ics/caluserlogout?user=anna\n")

	conf, err := os.ReadFile(back.conf)
	if err != nil {
		t.Fatal(err)
	}
	file := regexp.MustCompile(`service.dwp.ssl.certfile = "(.*)"`).FindSubmatch(conf)[1]
	certs := filepath.Dir(string(file))
	pem, err := os.ReadFile(filepath.Join(certs, certificates.Authority+".pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	serial := func() string {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for b := make([]byte, 1); b[0] != '\n'; { // INFO …, in clear; then TLS begins
			if _, err := c.Read(b); err != nil {
				t.Fatal(err)
			}
		}
		s := tls.Client(c, &tls.Config{RootCAs: roots, ServerName: backName})
		if err := s.Handshake(); err != nil {
			t.Fatal(err)
		}
		return s.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	before := serial()
	for _, end := range []string{".pem", ".key"} {
		if err := os.Remove(filepath.Join(certs, backName+end)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := certificates.Make(certs, []string{backName}, 1); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(hosttest.Patience); serial() == before; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the new certificate is not shown")
		}
	}
	if out, err := front.tool(t, "ensctl", "status"); err != nil || !strings.Contains(out, "broker: "+backName+":"+port+", answers") {
		t.Errorf("%v\n%s", err, out)
	}

	// Who has another secret gets nothing.
	stranger := *front
	stranger.conf = filepath.Join(t.TempDir(), "ics.conf")
	text, err := os.ReadFile(front.conf)
	if err != nil {
		t.Fatal(err)
	}
	hosttest.Write(t, stranger.conf, strings.Replace(string(text), "the secret of both hosts", "another", 1))
	if out, err := stranger.tool(t, "ensctl", "status"); err == nil || !strings.Contains(strings.ToLower(out), "authorization") {
		t.Errorf("with another secret: %v\n%s", err, out)
	}
}

// outside is a NATS server of the site, with TLS, whose users may do what docs/ens.md
// says, and no more.
func outside(t *testing.T, dir string, port int, cert tls.Certificate, allow []string) *server.Server {
	t.Helper()
	may := &server.SubjectPermission{Allow: allow}
	s, err := server.NewServer(&server.Options{ServerName: "outside", Host: "127.0.0.1", Port: port, NoSigs: true, NoLog: true, JetStream: true, StoreDir: dir,
		TLS: true, TLSTimeout: 5, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
		Users: []*server.User{{Username: "calendar", Password: "secret", Permissions: &server.Permissions{Publish: may, Subscribe: may}}}})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(hosttest.Patience) {
		t.Fatal("the NATS server does not start")
	}
	return s
}

// TestOutsideNATS: a NATS server that the site has takes the place of enpd, with the
// rights that docs/ens.md names. It goes away and comes back: reminders that were due
// meanwhile come to a durable consumer, and changes are told of again.
func TestOutsideNATS(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "ens.md"))
	if err != nil {
		t.Fatal(err)
	}
	said := regexp.MustCompile("publish and subscribe to ((?:`[^`]+`[^`.]*)+)").FindSubmatch(page)
	if said == nil {
		t.Fatal("docs/ens.md does not say what the user needs")
	}
	var allow []string
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllSubmatch(said[1], -1) {
		allow = append(allow, string(m[1]))
	}
	certs := t.TempDir()
	if _, err := certificates.Make(certs, []string{"localhost"}, 1); err != nil {
		t.Fatal(err)
	}
	cert, err := tls.LoadX509KeyPair(filepath.Join(certs, "localhost.pem"), filepath.Join(certs, "localhost.key"))
	if err != nil {
		t.Fatal(err)
	}
	authority := filepath.Join(certs, certificates.Authority+".pem")
	dir, port := t.TempDir(), freeport.Take(t, "127.0.0.1")
	nats := outside(t, dir, port, cert, allow)
	defer func() { nats.Shutdown() }()
	url := fmt.Sprintf("tls://calendar:secret@localhost:%d", port)
	h := installed(t, `factotum.ens.nats = "`+url+`"`, `factotum.ens.cafile = "`+authority+`"`,
		`caldb.serveralarms.url = "enp:///ics/customalarm"`, `caldb.serveralarms.contenttype = "text/calendar"`, `caldb.serveralarms.retryinterval = "1"`).start(t)
	h.visit(t, "anna")
	if out, err := h.tool(t, "ensctl", "status"); err != nil || !strings.Contains(out, "factotum.ens.nats, answers") || strings.Contains(out, "secret") {
		t.Fatalf("%v\n%s", err, out)
	}
	pem, err := os.ReadFile(authority)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	b, err := bus.Connect(bus.Options{URL: url, TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close(context.Background())
	var mu sync.Mutex
	var got []string
	ids := map[string]bool{}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go b.Consume(ctx, "pager", calendar.EventRef{Topic: "enp:///ics/customalarm"}, func(_ context.Context, p calendar.Publication) error {
		ref, err := calendar.ParseEventRef(p.Ref)
		uid, _ := ref.Param("uid")
		mu.Lock()
		defer mu.Unlock()
		got = append(got, uid)
		ids[p.ID] = true
		return err
	})
	heard := func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(got, " ")
	}
	eventuallyShows(t, "the consumer", func() string { k, err := b.Kept(ctx); return fmt.Sprint(k.Consumers, err) }, "1 <nil>")
	watched := streamed(t, h, "anna", "/events/?calid=anna")
	put := func(uid string, due time.Time) {
		t.Helper()
		h.do(t, "anna", "PUT", cal("anna")+uid+".ics", alarmed(uid, "DISPLAY", due), "Content-Type: text/calendar").is(201)
	}
	put("there", h.soon(t, "anna", 2, 2*time.Second))
	eventuallyShows(t, "the consumer", heard, "there")
	eventuallyShows(t, "the stream", watched.String, `"uid":"there"`)

	due := h.soon(t, "anna", 2, 2*time.Second)
	put("away", due)
	nats.Shutdown()
	nats.WaitForShutdown()
	time.Sleep(time.Until(due.Add(time.Second)))
	put("meanwhile", time.Now().Add(time.Hour)) // which waits for nobody
	nats = outside(t, dir, port, cert, allow)
	eventuallyShows(t, "the consumer", heard, "away")
	eventuallyShows(t, "the stream", watched.String, "event: resync")
	put("back", h.soon(t, "anna", 2, 2*time.Second))
	eventuallyShows(t, "the consumer", heard, "back")
	eventuallyShows(t, "the stream", watched.String, `"uid":"back"`)
	// A broker that went away may bring one again, by the name that it had.
	if words := strings.Fields(heard()); len(ids) != 3 || slices.Contains(words, "meanwhile") {
		t.Errorf("came: %v, with %d names", words, len(ids))
	}
}
