package dwp

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"factotum/protocol/dwp/internal/wire"
	"factotum/server/calendar"
)

// ClientOptions are the front end's side. Host is required.
type ClientOptions struct {
	Host     string        // fully qualified name of the back end: caldb.dwp.server.<host>.ip
	Address  string        // "host:port" or "unix:/path"; "" = Host and Port
	TLS      *TLS          // nil: plain text, refused unless Address is local
	User     string        // caldb.dwp.server.<host>.admin
	Password Secret        // caldb.dwp.server.<host>.cred
	Timeout  time.Duration // of calls whose context has no deadline; 0 = 1 min, ten times that for streams
	// DialTimeout is how long a connection may take to come up, and a caller
	// waits for a back end whose state is not known; 0 = 1 s. While it is known
	// to be down nobody waits.
	DialTimeout time.Duration
	KeepAlive   time.Duration // between signs of life on an idle connection; 0 = 10 s, at least that
	Silence     time.Duration // after which a back end that says nothing at all has stopped; 0 = 4 s
	Logger      *slog.Logger  // nil = slog.Default()
	From        string        // the name of this host, for the back end to know who asks
	Release     string        // of this program
	// Standby is a second host for the same calendars, which serves them when this one does not:
	// whichever does is asked.
	Standby StandbyHost
	// Up is told each time that the back end begins to answer, at first and after
	// a failure. It returns at once.
	Up func()
}

// StandbyHost is how the twin of a back end is reached; without a name there is none.
type StandbyHost struct{ Host, Address string }

// Client is a back end on another host. It connects by itself, and again
// after a failure; while the back end is known to be down every call fails at
// once with calendar.Unavailable.
type Client struct {
	opts   ClientOptions
	conn   *grpc.ClientConn
	api    wire.BackendClient
	log    *slog.Logger
	cancel context.CancelFunc
	done   chan struct{}
	pulse
	hosts *hosts

	mu       sync.Mutex
	greeting *greeting
}

var _ calendar.Backend = (*Client)(nil)

// Peer is what a back end says of itself in its greeting.
type Peer struct {
	Names           []string
	Version, Oldest int
}

// serviceConfig retries reads once, when the back end could not be reached.
// Writes are not in it: see repeat.
func serviceConfig() string {
	type name struct {
		Service string `json:"service"`
		Method  string `json:"method"`
	}
	names := []name{{wire.Backend_ServiceDesc.ServiceName, "Hello"}}
	for _, m := range reads {
		names = append(names, name{wire.Backend_ServiceDesc.ServiceName, m})
	}
	list, err := json.Marshal(names)
	if err != nil {
		panic(err)
	}
	return `{"methodConfig":[{"name":` + string(list) + `,"retryPolicy":{"maxAttempts":2,"initialBackoff":"0.02s",` +
		`"maxBackoff":"0.05s","backoffMultiplier":1,"retryableStatusCodes":["UNAVAILABLE"]}}]}`
}

// NewClient makes a client and begins to connect. It fails only for options
// that cannot work: no host name, an IP address for one, plain text to another
// machine, certificate files that cannot be read.
func NewClient(opts ClientOptions) (*Client, error) {
	if err := checkHost(opts.Host); err != nil {
		return nil, err
	}
	opts.Address = cmp.Or(opts.Address, net.JoinHostPort(opts.Host, strconv.Itoa(Port)))
	opts.Timeout = cmp.Or(opts.Timeout, time.Minute)
	opts.DialTimeout = cmp.Or(opts.DialTimeout, time.Second)
	opts.KeepAlive = cmp.Or(opts.KeepAlive, 10*time.Second)
	opts.Silence = cmp.Or(opts.Silence, 4*time.Second)
	log := opts.Logger
	if log == nil {
		log = slog.Default()
	}
	log = log.With("backend", opts.Host)
	hosts, err := newHosts(&opts)
	if err != nil {
		return nil, err
	}
	creds := insecure.NewCredentials()
	if opts.TLS != nil {
		t, err := newTransport(*opts.TLS, opts.Host, log)
		if err != nil {
			return nil, err
		}
		creds = t
	} else if err := checkPlain(opts.Address); err != nil {
		return nil, err
	}
	// "passthrough" and our dialer: the name is looked up for each connection.
	conn, err := grpc.NewClient("passthrough:///"+opts.Address,
		grpc.WithTransportCredentials(creds),
		grpc.WithAuthority(opts.Host),
		grpc.WithContextDialer(hosts.dial),
		grpc.WithDisableServiceConfig(), grpc.WithDefaultServiceConfig(serviceConfig()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
		grpc.WithInitialWindowSize(windowBytes), grpc.WithInitialConnWindowSize(windowBytes),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: opts.KeepAlive, Timeout: opts.Silence + time.Second, PermitWithoutStream: true}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
			MinConnectTimeout: opts.DialTimeout,
		}),
		grpc.WithIdleTimeout(0),
	)
	if err != nil {
		return nil, fmt.Errorf("DWP to %s: %w", opts.Host, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if opts.Up == nil {
		opts.Up = func() {}
	}
	c := &Client{opts: opts, conn: conn, api: wire.NewBackendClient(conn), log: log, hosts: hosts, cancel: cancel, done: make(chan struct{})}
	c.pulse.life.Store(newLife())
	go c.watch(ctx)
	go c.feel(ctx)
	return c, nil
}

// Host returns the name of the back end.
func (c *Client) Host() string { return c.opts.Host }

// Close ends the connection; calls under way fail.
func (c *Client) Close() error {
	c.cancel()
	err := c.conn.Close()
	<-c.done
	return err
}

// watch keeps the client connected and greets as soon as it is, so that a
// failure is known, and logged, before a request meets it.
func (c *Client) watch(ctx context.Context) {
	defer close(c.done)
	var up, told bool
	for {
		state := c.conn.GetState()
		switch state {
		case connectivity.Idle:
			c.conn.Connect()
		case connectivity.Ready:
			if c.hosts.two() { // it may be the other one
				c.mu.Lock()
				c.greeting = nil
				c.mu.Unlock()
			}
			if g, err := c.greet(ctx); err == nil && g.standby {
				c.log.DebugContext(ctx, "this back end does not serve now", "host", c.hosts.host())
				if !c.hosts.two() {
					break
				}
				select { // not in a circle for ever
				case <-time.After(standbyPause):
				case <-ctx.Done():
				}
				c.forget(g)
				c.hosts.switchOver(g.connection)
			} else if err == nil {
				up, told = true, false
				c.log.InfoContext(ctx, "back end connected", "host", c.hosts.host())
				c.opts.Up()
			} else if ctx.Err() == nil {
				c.log.ErrorContext(ctx, "back end refused", "err", err)
			}
		case connectivity.TransientFailure:
			if !told {
				c.log.WarnContext(ctx, "back end down", "was_up", up)
			}
			up, told = false, true
		case connectivity.Shutdown:
			return
		}
		if !c.conn.WaitForStateChange(ctx, state) {
			return
		}
	}
}

// greeting is one Hello; the fields are set when done is closed.
type greeting struct {
	done       chan struct{}
	session    string
	peer       Peer
	err        error
	refused    bool
	standby    bool // it does not serve
	connection int  // by which it was made
	at         time.Time
}

const (
	helloTimeout = 5 * time.Second
	refusalLasts = time.Second
)

// Hello greets the back end unless that was done, and returns what it said.
// The error tells an administrator why the back end refuses.
func (c *Client) Hello(ctx context.Context) (Peer, error) {
	g, err := c.greet(ctx)
	if err != nil {
		return Peer{}, errorOf(ctx, "greet", c.opts.Host, err)
	}
	return g.peer, nil
}

// greet returns the greeting in force. Only one is under way at a time; a
// refusal stands for a second, a failure to connect ends with it.
func (c *Client) greet(ctx context.Context) (*greeting, error) {
	c.mu.Lock()
	g := c.greeting
	if g == nil || g.over() {
		g = &greeting{done: make(chan struct{})}
		c.greeting = g
		go c.hello(g)
	}
	c.mu.Unlock()
	select {
	case <-g.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return g, g.err
}

// over tells whether the greeting failed and a new one may be tried.
func (g *greeting) over() bool {
	select {
	case <-g.done:
		return g.err != nil && (!g.refused || time.Since(g.at) >= refusalLasts)
	default:
		return false
	}
}

// forget makes the next call greet anew, unless that has happened.
func (c *Client) forget(g *greeting) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.greeting == g {
		c.greeting = nil
	}
}

func (c *Client) hello(g *greeting) {
	defer close(g.done)
	ctx, cancel := context.WithTimeout(context.Background(), helloTimeout)
	defer cancel()
	g.connection = c.hosts.connection()
	req := c.greetingRequest(false, false)
	m, err := c.api.Hello(ctx, req)
	g.at = time.Now()
	switch code := status.Code(err); {
	case err != nil && (code == codes.Unavailable || code == codes.DeadlineExceeded || code == codes.Canceled):
		g.err = err
		return
	case err != nil:
		g.err = errors.New(status.Convert(err).Message())
	case Version < m.GetOldest() || m.GetVersion() < Oldest:
		g.err = fmt.Errorf("the back end speaks DWP %d (at least %d) and this front end %d (at least %d): bring both to neighbouring releases",
			m.GetVersion(), m.GetOldest(), Version, Oldest)
	default:
		g.err = fmt.Errorf("the back end is %s, not %s", strings.Join(m.GetNames(), ", "), req.GetHost())
		for _, name := range m.GetNames() {
			if strings.EqualFold(name, req.GetHost()) {
				g.err = nil
			}
		}
	}
	if g.err != nil {
		g.refused = true
		g.err = &calendar.Error{
			Kind: calendar.Unavailable, Op: "greet", Msg: noAnswer(c.opts.Host),
			Err: &hostError{c.opts.Host, g.err},
		}
		return
	}
	g.session, g.standby = m.GetSession(), m.GetStandby()
	g.peer = Peer{Names: m.GetNames(), Version: int(m.GetVersion()), Oldest: int(m.GetOldest())}
}

// begin gives a call its deadline.
func (c *Client) begin(ctx context.Context, factor time.Duration) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, factor*c.opts.Timeout)
}

const forStreams = 10 // times the timeout

// repeat says from which version of the back end on a call is sent once more
// when the connection broke before the answer.
type repeat int

const (
	never     repeat = 0 // not by us: gRPC itself retries reads, see serviceConfig
	always    repeat = 1 // harmless, or under a token in the request
	withToken repeat = 2 // under a token in the metadata, which version 1 does not look at
)

// try runs one attempt under a session, and once more when the back end
// forgot the session: then nothing was carried out. As again says also when
// the connection broke.
func (c *Client) try(ctx context.Context, op string, again repeat, attempt func(context.Context) error) error {
	inner, leave := c.living(ctx)
	defer leave()
	for n := 0; ; n++ {
		g, err := c.greet(inner)
		if err == nil {
			err = brokenOff(attempt(withMetadata(inner, g.session)))
		}
		if err == nil || failureOf(err) != nil {
			c.heard.Store(time.Now().UnixNano())
		}
		stopped := c.stopped(inner, op)
		if c.hosts.two() && g != nil && calendar.ReasonOf(fromFailure(failureOf(err))) == calendar.NotActive {
			c.forget(g)
			c.hosts.switchOver(g.connection)
		}
		switch {
		case err == nil:
			return nil
		case stopped != nil && ctx.Err() == nil:
			return stopped
		case n > 0 || ctx.Err() != nil:
		case calendar.ReasonOf(fromFailure(failureOf(err))) == noSession:
			c.forget(g)
			continue
		case again != never && g != nil && g.err == nil && g.peer.Version >= int(again) && status.Code(err) == codes.Unavailable && failureOf(err) == nil:
			continue
		}
		return errorOf(ctx, op, c.opts.Host, err)
	}
}

func withMetadata(ctx context.Context, session string) context.Context {
	if token := calendar.Token(ctx); token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, tokenKey, token)
	}
	if id := calendar.RequestID(ctx); id != "" && printable(id) {
		return metadata.AppendToOutgoingContext(ctx, sessionKey, session, requestIDKey, id)
	}
	return metadata.AppendToOutgoingContext(ctx, sessionKey, session)
}

// printable tells whether s may be the value of a header.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return len(s) <= 256
}

// unary makes a call of one answer.
func unary[Q, A any](ctx context.Context, c *Client, op string, again repeat,
	method func(context.Context, *Q, ...grpc.CallOption) (*A, error), req *Q,
) (answer *A, err error) {
	ctx, cancel := c.begin(ctx, 1)
	defer cancel()
	if again == withToken && calendar.Token(ctx) == "" {
		ctx = calendar.WithToken(ctx, rand.Text())
	}
	err = c.try(ctx, op, again, func(ctx context.Context) (err error) {
		answer, err = method(ctx, req)
		return err
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// stream makes a call whose answers go to take, which may end it by an error
// that is then returned as it is.
func stream[Q, A any](ctx context.Context, c *Client, op string,
	method func(context.Context, *Q, ...grpc.CallOption) (grpc.ServerStreamingClient[A], error), req *Q,
	take func(*A) error,
) error {
	ctx, cancel := c.begin(ctx, forStreams)
	defer cancel()
	var taken error
	err := c.try(ctx, op, never, func(ctx context.Context) error {
		st, err := method(ctx, req)
		if err != nil {
			return err
		}
		for {
			m, err := st.Recv()
			if cerr := ctx.Err(); cerr != nil {
				return cerr // also when the rest has arrived already
			}
			if err == io.EOF { // itself: gRPC wraps it where the connection broke off
				return nil
			}
			if err != nil {
				return err
			}
			if taken = take(m); taken != nil {
				return nil
			}
		}
	})
	if taken != nil {
		return taken
	}
	return err
}

// errCut says that the last message of a stream did not come: what was asked may be asked again.
func errCut(op string) error {
	return &calendar.Error{Kind: calendar.Unavailable, Op: op, After: time.Second, Msg: "the answer of the back end broke off; try again in a second", Err: errors.New("the back end's answer lacks its end")}
}
