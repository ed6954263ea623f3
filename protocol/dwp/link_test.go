package dwp

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"factotum/protocol/dwp/internal/wire"
	"factotum/server/calendar"
)

// within waits for a condition.
func within(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited in vain for %s", what)
}

func TestPlainTextStaysHere(t *testing.T) {
	for _, c := range []struct {
		address string
		fine    bool
	}{
		{"unix:/tmp/x", true},
		{"127.0.0.1:1", true},
		{"127.9.9.9:1", true},
		{"[::1]:1", true},
		{"localhost:1", true},
		{"10.0.0.1:1", false},
		{"0.0.0.0:1", false},
		{"[::]:1", false},
		{"calendar1.sesta.com:1", false},
		{"localhost.sesta.com:1", false},
		{"", false}, // the host itself
	} {
		client, err := NewClient(ClientOptions{Host: testHost, Address: c.address})
		if err == nil {
			client.Close()
		}
		if (err == nil) != c.fine {
			t.Errorf("plain text to %q: %v", c.address, err)
		}
		if err != nil && !strings.Contains(err.Error(), "needs TLS") {
			t.Errorf("%q: the refusal does not say what to mend: %v", c.address, err)
		}
	}
	ln, err := Listen("0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if _, err := NewServer(ln, newEcho(), ServerOptions{Names: []string{testHost}}); err == nil || !strings.Contains(err.Error(), "needs TLS") {
		t.Errorf("plain text on every address: %v", err)
	}
}

// The value of caldb.dwp.server.<host>.ip is a name, whatever it is called:
// admin.md §11.5.
func TestHostNeedsName(t *testing.T) {
	for _, host := range []string{"", "192.0.2.1", "2001:db8::1", "[::1]"} {
		if _, err := NewClient(ClientOptions{Host: host, Address: "unix:/x"}); err == nil {
			t.Errorf("host %q was taken", host)
		}
	}
	ln, err := Listen("unix:" + filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for _, names := range [][]string{nil, {testHost, "192.0.2.1"}} {
		if _, err := NewServer(ln, newEcho(), ServerOptions{Names: names}); err == nil {
			t.Errorf("a server named %q was made", names)
		}
	}
}

func TestHelloNames(t *testing.T) {
	l := newLink()
	p, err := l.open(t, newEcho()).Hello(t.Context())
	if err != nil || p.Version != Version || len(p.Names) != 2 || p.Names[1] != testHost {
		t.Fatalf("greeted by %+v, %v", p, err)
	}
	l.client.Host = "CALENDAR1.sesta.com" // names have no case
	if _, err := l.connect(t).Hello(t.Context()); err != nil {
		t.Error(err)
	}
	l.client.Host = "calendar2.sesta.com"
	other := l.connect(t)
	_, err = other.Hello(t.Context())
	if calendar.KindOf(err) != calendar.Unavailable || !strings.Contains(err.Error(), testHost) || !strings.Contains(err.Error(), "caldb.dwp.server") {
		t.Errorf("the wrong host: %v", err)
	}
	if _, err := other.Ping(t.Context()); calendar.KindOf(err) != calendar.Unavailable || calendar.MessageOf(err) != "the back end calendar2.sesta.com does not answer; try again" {
		t.Errorf("a call to the wrong host: %v", err)
	}
}

// TestHelloVersions: neighbouring releases talk, others say why not.
func TestHelloVersions(t *testing.T) {
	l := newLink()
	s := l.serve(t, newEcho())
	for _, c := range []struct {
		version, oldest uint32
		fine            bool
	}{
		{Version, Oldest, true},
		{Version + 1, Version, true},
		{Version + 2, Version + 1, false},
		{Oldest - 1, 0, false},
	} {
		_, err := s.hello(t.Context(), &wire.HelloRequest{Version: c.version, Oldest: c.oldest, Host: testHost})
		if (err == nil) != c.fine {
			t.Errorf("a front end of %d (at least %d): %v", c.version, c.oldest, err)
		}
	}
}

func TestHelloPassword(t *testing.T) {
	for _, c := range []struct {
		user, password string
		fine           bool
	}{{"dwp", "s3cret", true}, {"dwp", "wrong", false}, {"", "", false}, {"other", "s3cret", false}} {
		l := newLink()
		l.server.User, l.server.Password = "dwp", "s3cret"
		l.client.User, l.client.Password = c.user, Secret(c.password)
		client := l.open(t, newEcho())
		_, err := client.Ping(t.Context())
		if (err == nil) != c.fine {
			t.Errorf("%q %q: %v", c.user, c.password, err)
		}
		if err != nil && (calendar.KindOf(err) != calendar.Unavailable || !strings.Contains(err.Error(), "service.dwp.admin")) {
			t.Errorf("refusal: %v", err)
		}
	}
}

// TestNoSession: without a greeting nothing is carried out, whatever is sent.
func TestNoSession(t *testing.T) {
	l := newLink()
	e := newEcho()
	l.serve(t, e)
	conn, err := grpc.NewClient("passthrough:///"+l.client.Address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithContextDialer(dialer(time.Second)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	api := wire.NewBackendClient(conn)
	for _, session := range []string{"", "made-up"} {
		ctx := withMetadata(t.Context(), session)
		_, err := api.Ping(ctx, &wire.PingRequest{})
		if failureOf(err).GetReason() != string(noSession) {
			t.Errorf("session %q: %v", session, err)
		}
	}
	if e.method != "" {
		t.Errorf("the back end was asked for %s", e.method)
	}
	h, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil || h.Status != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("health: %v %v", h, err)
	}
}

// TestSessionEnds: a back end that forgot the greeting is greeted again, and
// the call goes through.
func TestSessionEnds(t *testing.T) {
	l := newLink()
	var clock atomic.Int64
	l.server.Now = func() time.Time { return time.Unix(clock.Load(), 0) }
	l.server.Idle = time.Hour
	e := newEcho()
	c := l.open(t, e)
	for range 3 {
		if _, err := c.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := c.Query(t.Context(), calendar.Actor{}, calendar.QueryRequest{}, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := c.PutObjects(t.Context(), calendar.Actor{}, calendar.PutObjectsRequest{}); err != nil {
			t.Fatal(err)
		}
		clock.Add(7200)
	}
}

func TestSessionsBounded(t *testing.T) {
	now := time.Unix(0, 0)
	s := newSessions(3, time.Hour, func() time.Time { return now })
	first := s.open()
	for range 10 {
		now = now.Add(time.Second)
		if !s.touch(first) {
			t.Fatal("the session in use was ended")
		}
		now = now.Add(time.Second)
		s.open()
		if len(s.used) > 3 {
			t.Fatalf("%d sessions", len(s.used))
		}
	}
	now = now.Add(2 * time.Hour)
	if s.touch(first) {
		t.Error("an idle session is still known")
	}
}

// slow is a back end whose calls wait.
type slow struct {
	*echo
	entered chan context.Context
	leave   chan struct{}
}

func (s *slow) Ping(ctx context.Context) (calendar.Status, error) {
	s.entered <- ctx
	select {
	case <-s.leave:
		return calendar.Status{Host: "slow"}, nil
	case <-ctx.Done():
		return calendar.Status{}, ctx.Err()
	}
}

func newSlow() *slow {
	return &slow{echo: newEcho(), entered: make(chan context.Context, 100), leave: make(chan struct{})}
}

func TestDeadlineAndRequestIDCross(t *testing.T) {
	s := newSlow()
	c := newLink().open(t, s)
	ctx, cancel := context.WithTimeout(calendar.WithRequestID(t.Context(), "req-1"), time.Hour)
	got := make(chan error)
	go func() { _, err := c.Ping(ctx); got <- err }()
	there := <-s.entered
	if d, ok := there.Deadline(); !ok || time.Until(d) > time.Hour || time.Until(d) < 50*time.Minute {
		t.Errorf("deadline %v, %v", d, ok)
	}
	if id := calendar.RequestID(there); id != "req-1" {
		t.Errorf("request id %q", id)
	}
	cancel()
	if err := <-got; calendar.KindOf(err) != calendar.Canceled || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled call: %v", err)
	}
	<-there.Done() // it is told to the back end

	// Without a deadline the client's own timeout holds; an id that cannot
	// stand in a header is left out.
	go func() { _, err := c.Ping(calendar.WithRequestID(context.Background(), "a\r\nb")); got <- err }()
	there = <-s.entered
	if _, ok := there.Deadline(); !ok || calendar.RequestID(there) != "" {
		t.Errorf("deadline %v, id %q", ok, calendar.RequestID(there))
	}
	close(s.leave)
	if err := <-got; err != nil {
		t.Error(err)
	}
}

// TestRequestsBounded: no more than so many calls are carried out at a time.
func TestRequestsBounded(t *testing.T) {
	l := newLink()
	l.server.Requests = 2
	s := newSlow()
	c := l.open(t, s)
	got := make(chan error)
	for range 3 {
		go func() { _, err := c.Ping(t.Context()); got <- err }()
	}
	<-s.entered
	<-s.entered
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Calendar(ctx, calendar.Actor{}, "anna"); calendar.KindOf(err) != calendar.Canceled {
		t.Errorf("a third call: %v", err)
	}
	if len(s.entered) != 0 {
		t.Error("a third call was let in")
	}
	close(s.leave)
	for range 3 {
		if err := <-got; err != nil {
			t.Error(err)
		}
	}
}

// TestShutdown: calls under way are answered, new ones refused.
func TestShutdown(t *testing.T) {
	l := newLink()
	s := newSlow()
	server := l.serve(t, s)
	c := l.connect(t)
	got := make(chan error)
	go func() { _, err := c.Ping(t.Context()); got <- err }()
	<-s.entered
	stopped := make(chan struct{})
	go func() { server.Shutdown(t.Context()); close(stopped) }()
	within(t, "refusal", func() bool {
		_, err := c.Calendar(t.Context(), calendar.Actor{}, "anna")
		return kindOf(err) == calendar.Unavailable
	})
	close(s.leave)
	if err := <-got; err != nil {
		t.Errorf("the call under way: %v", err)
	}
	<-stopped
}

// TestDown: a back end that is away costs a prompt Unavailable, and is found
// again when it returns.
func TestDown(t *testing.T) {
	l := newLink()
	l.client.Address = closedPort(t)
	var ups atomic.Int32
	l.client.Up = func() { ups.Add(1) }
	c := l.connect(t)
	began := time.Now()
	for range 100 {
		_, err := c.Ping(context.Background())
		if calendar.KindOf(err) != calendar.Unavailable || !strings.Contains(err.Error(), testHost) || calendar.MessageOf(err) == "" {
			t.Fatalf("nobody there: %v", err)
		}
	}
	if d := time.Since(began); d > time.Minute { // a hundred waits would be more
		t.Errorf("a hundred calls took %v", d)
	}
	if n := ups.Load(); n != 0 {
		t.Errorf("it was told of %d times while nobody was there", n)
	}
	l.listen = l.client.Address
	l.serve(t, newEcho())
	within(t, "recovery", func() bool { _, err := c.Ping(t.Context()); return err == nil })
	within(t, "the news that it is up", func() bool { return ups.Load() == 1 })
}

// TestSilent: a host that takes connections and says nothing is down too.
func TestSilent(t *testing.T) {
	ln, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	l := newLink()
	l.client.Address = ln.Addr().String()
	c := l.connect(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := c.Ping(ctx); calendar.KindOf(err) != calendar.Unavailable {
		t.Errorf("a silent host: %v", err)
	}
}

// TestDialTimeout: how long a caller waits for a silent host is the option's.
func TestDialTimeout(t *testing.T) {
	ln, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	l := newLink()
	l.client.Address, l.client.DialTimeout = ln.Addr().String(), 20*time.Millisecond
	c := l.connect(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := c.Ping(ctx); calendar.KindOf(err) != calendar.Unavailable || ctx.Err() != nil {
		t.Errorf("a silent host: %v", err)
	}
	if _, err := c.Hello(ctx); calendar.KindOf(err) != calendar.Unavailable || ctx.Err() != nil {
		t.Errorf("a silent host, greeted: %v", err)
	}
}

// breaking cuts the connection in the midst of calls.
type breaking struct {
	*echo
	cuts  atomic.Int32 // how many calls to spoil
	calls atomic.Int32
	cut   func()
	token atomic.Value
}

func (b *breaking) spoil() {
	b.calls.Add(1)
	if b.cuts.Add(-1) >= 0 {
		b.cut()
	}
}

func (b *breaking) PutObject(_ context.Context, _ calendar.Actor, req calendar.PutRequest) (calendar.PutResult, error) {
	b.token.CompareAndSwap(nil, req.Token)
	if b.token.Load() != req.Token || req.Token == "" {
		return calendar.PutResult{}, calendar.Internal
	}
	b.spoil()
	return calendar.PutResult{Created: true}, nil
}

func (b *breaking) Object(context.Context, calendar.Actor, calendar.Ref) (*calendar.Object, error) {
	b.spoil()
	return &calendar.Object{}, nil
}

func (b *breaking) DeleteObject(ctx context.Context, _ calendar.Actor, _ calendar.DeleteRequest) error {
	b.token.CompareAndSwap(nil, calendar.Token(ctx))
	if b.token.Load() != calendar.Token(ctx) || calendar.Token(ctx) == "" {
		return calendar.Internal
	}
	b.spoil()
	return nil
}

// TestBrokenConnection: reads and writes are sent once more, these under the
// same token; but not to a back end that does not look at tokens in the
// metadata: there a delete may have happened.
func TestBrokenConnection(t *testing.T) {
	l := newLink()
	b := &breaking{echo: newEcho()}
	l.serve(t, b)
	cut := newCutter(t, l)
	b.cut = cut.all
	c := l.connect(t)
	get := func() error { _, err := c.Object(t.Context(), calendar.Actor{}, calendar.Ref{}); return err }
	put := func() error {
		b.token = atomic.Value{}
		_, err := c.PutObject(t.Context(), calendar.Actor{}, calendar.PutRequest{})
		return err
	}
	del := func() error {
		b.token = atomic.Value{}
		return c.DeleteObject(t.Context(), calendar.Actor{}, calendar.DeleteRequest{})
	}
	old := func() error {
		g, err := c.greet(t.Context())
		if err != nil {
			return err
		}
		g.peer.Version = 1
		return del()
	}
	for _, x := range []struct {
		what  string
		call  func() error
		cuts  int32
		calls int32
		fine  bool
	}{
		{"get", get, 1, 2, true},
		{"put", put, 1, 2, true},
		{"put, broken twice", put, 2, 2, false},
		{"delete", del, 1, 2, true},
		{"delete, broken twice", del, 2, 2, false},
		{"delete, by an older back end", old, 1, 1, false},
	} {
		within(t, "a connection", func() bool { _, err := c.Ping(t.Context()); return err == nil })
		b.calls.Store(0)
		b.cuts.Store(x.cuts)
		err := x.call()
		if (err == nil) != x.fine || err != nil && calendar.KindOf(err) != calendar.Unavailable || b.calls.Load() != x.calls {
			t.Errorf("%s: %v after %d calls, want %d", x.what, err, b.calls.Load(), x.calls)
		}
	}
}

func TestTLSNames(t *testing.T) {
	ca, foreign := newAuthority(t), newAuthority(t)
	if _, err := tlsLink(t, ca).open(t, newEcho()).Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*link){
		"a server certificate of another name": func(l *link) { l.server.TLS = ca.files(t, "calendar2.sesta.com") },
		"a server of a foreign authority":      func(l *link) { l.server.TLS = foreign.files(t, testHost); l.server.TLS.CA = ca.file },
		"a client of a foreign authority":      func(l *link) { l.client.TLS = foreign.files(t, "front1.sesta.com"); l.client.TLS.CA = ca.file },
		"a client without TLS":                 func(l *link) { l.client.TLS = nil },
		"a server without TLS":                 func(l *link) { l.server.TLS = nil },
	} {
		l := tlsLink(t, ca)
		change(l)
		if _, err := l.open(t, newEcho()).Ping(t.Context()); kindOf(err) != calendar.Unavailable {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, files := range []*TLS{{}, {Cert: ca.file, Key: ca.file, CA: ca.file}, func() *TLS { f := ca.files(t, "x"); f.CA = f.Key; return f }()} {
		if _, err := NewClient(ClientOptions{Host: testHost, TLS: files}); err == nil {
			t.Errorf("files %+v were taken", files)
		}
	}
}

// TestTLSReload: a server gets another certificate, then a spoilt one; new
// connections see the first and do not mind the second.
func TestTLSReload(t *testing.T) {
	ca := newAuthority(t)
	l := tlsLink(t, ca)
	l.server.TLS = ca.files(t, "calendar9.sesta.com")
	l.serve(t, newEcho())
	if _, err := l.connect(t).Ping(t.Context()); kindOf(err) != calendar.Unavailable {
		t.Fatalf("the wrong name: %v", err)
	}
	ca.sign(t, l.server.TLS, testHost)
	touch(t, l.server.TLS.Cert, 1)
	if _, err := l.connect(t).Ping(t.Context()); err != nil {
		t.Fatalf("after the change: %v", err)
	}
	if err := os.WriteFile(l.server.TLS.Cert, []byte("half a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	touch(t, l.server.TLS.Cert, 2)
	if _, err := l.connect(t).Ping(t.Context()); err != nil {
		t.Errorf("with the spoilt file: %v", err)
	}
}

// touch gives a file another time, however fast the test is.
func touch(t *testing.T, file string, hours time.Duration) {
	t.Helper()
	at := time.Now().Add(hours * time.Hour)
	if err := os.Chtimes(file, at, at); err != nil {
		t.Fatal(err)
	}
}

func TestSecretStaysHidden(t *testing.T) {
	text := strings.Join([]string{Secret("pw").String(), Secret("pw").GoString(), Secret("pw").LogValue().String()}, " ")
	if strings.Contains(text, "pw") {
		t.Error(text)
	}
}

type panicking struct{ *echo }

func (*panicking) Ping(context.Context) (calendar.Status, error) { panic("no") }

func (*panicking) Query(context.Context, calendar.Actor, calendar.QueryRequest, func(*calendar.Object) error) error {
	panic("no")
}

func TestPanicIsInternal(t *testing.T) {
	c := newLink().open(t, new(panicking))
	for range 2 {
		if _, err := c.Ping(t.Context()); kindOf(err) != calendar.Internal {
			t.Error(err)
		}
		if err := c.Query(t.Context(), calendar.Actor{}, calendar.QueryRequest{}, nil); kindOf(err) != calendar.Internal {
			t.Error(err)
		}
	}
}

// kindOf is calendar.KindOf with a kind for success, which no failure has.
func kindOf(err error) calendar.Kind {
	if err == nil {
		return calendar.Kind(len(calendar.Kinds()))
	}
	return calendar.KindOf(err)
}

// A back end that has stopped, and whose kernel goes on acknowledging, costs its
// callers no more than some seconds, and those after them nothing; when it goes
// on, so do they, over the same connection.
func TestBackEndStops(t *testing.T) {
	l := newLink()
	l.serve(t, newEcho())
	gate := newGate(t, l.client.Address)
	l.client.Address = gate.address
	var ups atomic.Int32
	l.client.Up = func() { ups.Add(1) }
	c := l.connect(t)
	if _, err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	gate.shut()
	if _, err := c.Ping(t.Context()); calendar.KindOf(err) != calendar.Unavailable || !strings.Contains(err.Error(), testHost) {
		t.Errorf("who waits: %v", err)
	}
	if err := c.Query(t.Context(), calendar.Actor{}, calendar.QueryRequest{}, nil); calendar.KindOf(err) != calendar.Unavailable {
		t.Errorf("a stream: %v", err)
	}
	gate.open()
	within(t, "an answer", func() bool { _, err := c.Ping(t.Context()); return err == nil })
	within(t, "the news that it is up again", func() bool { return ups.Load() == 2 })
	if n := gate.conns.Load(); n != 1 { // gRPC itself, which needs 13 seconds, would make another
		t.Errorf("%d connections", n)
	}
}

// gate is a way to a server that can be shut without the client's knowledge.
type gate struct {
	address string
	conns   atomic.Int32
	mu      sync.RWMutex // held while it is shut
}

func newGate(t *testing.T, to string) *gate {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	g := &gate{address: ln.Addr().String()}
	network := "tcp"
	if path, ok := strings.CutPrefix(to, "unix:"); ok {
		network, to = "unix", path
	}
	go func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial(network, to)
			if err != nil {
				in.Close()
				continue
			}
			g.conns.Add(1)
			go g.pump(in, out)
			go g.pump(out, in)
		}
	}()
	return g
}

func (g *gate) pump(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		g.mu.RLock()
		_, err = to.Write(b[:n])
		g.mu.RUnlock()
		if err != nil {
			return
		}
	}
}

func (g *gate) shut() { g.mu.Lock() }
func (g *gate) open() { g.mu.Unlock() }
