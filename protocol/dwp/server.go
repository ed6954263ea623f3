package dwp

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"factotum/protocol/dwp/internal/wire"
	"factotum/server/calendar"
)

// ServerOptions are the back end's side. Names is required.
type ServerOptions struct {
	Names    []string      // host names this back end goes by
	TLS      *TLS          // nil: plain text, refused unless the listener is local
	User     string        // service.dwp.admin.userid; with Password "" too: nobody is asked
	Password Secret        // service.dwp.admin.cred
	Requests int           // carried out at a time; 0 = 256
	Sessions int           // service.dwp.maxsessions; 0 = 1000
	Idle     time.Duration // service.dwp.idletimeout; 0 = 24 h
	Logger   *slog.Logger  // nil = slog.Default()
	Now      func() time.Time
	Release  string                      // of this program
	Facts    func(context.Context) Facts // but for those of the link; nil: none
	// Arrivals take homes that are moved here; nil: none come.
	Arrivals calendar.Arrivals
	// Twin answers the other of two back ends, whose host TwinHost names; nil: there is no other.
	Twin     calendar.Twin
	TwinHost string
	// Witness answers two other back ends; Pair tells which those of a name are. nil: it is none.
	Witness calendar.WitnessHost
	Pair    func(name string) (hosts []string)
	// Held tells whether this back end serves; nil: it does.
	Held func() error
}

// Server answers DWP from a calendar.Backend (csdwpd).
type Server struct {
	backend    calendar.Backend
	opts       ServerOptions
	ln         net.Listener
	grpc       *grpc.Server
	health     *health.Server
	sessions   *sessions
	neighbours neighbours
	callers    callers
	slots      chan struct{}
	log        *slog.Logger
}

// NewServer makes a server on ln, which it closes in the end. Plain text on
// anything but a loopback address or unix socket is refused.
func NewServer(ln net.Listener, backend calendar.Backend, opts ServerOptions) (*Server, error) {
	if len(opts.Names) == 0 {
		return nil, errors.New("DWP server: no host name is configured")
	}
	for _, name := range opts.Names {
		if err := checkHost(name); err != nil {
			return nil, err
		}
	}
	opts.Requests = cmp.Or(opts.Requests, 256)
	opts.Sessions = cmp.Or(opts.Sessions, 1000)
	opts.Idle = cmp.Or(opts.Idle, 24*time.Hour)
	if opts.Now == nil {
		opts.Now = time.Now
	}
	log := opts.Logger
	if log == nil {
		log = slog.Default()
	}
	creds := insecure.NewCredentials()
	if opts.TLS != nil {
		t, err := newTransport(*opts.TLS, "", log)
		if err != nil {
			return nil, err
		}
		creds = t
	} else if err := checkPlainListener(ln); err != nil {
		return nil, err
	}
	s := &Server{
		backend: backend, opts: opts, ln: ln, log: log,
		health:   health.NewServer(),
		sessions: newSessions(opts.Sessions, opts.Idle, opts.Now),
		slots:    make(chan struct{}, opts.Requests),
	}
	s.grpc = grpc.NewServer(
		grpc.Creds(&seeing{creds, &s.callers}),
		grpc.UnaryInterceptor(s.unary),
		grpc.StreamInterceptor(s.stream),
		grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage),
		grpc.InitialWindowSize(windowBytes), grpc.InitialConnWindowSize(windowBytes),
		grpc.MaxConcurrentStreams(1000),
		grpc.MaxHeaderListSize(64<<10),
		grpc.ConnectionTimeout(5*time.Second),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 10 * time.Second, Timeout: 5 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.WaitForHandlers(true),
	)
	wire.RegisterBackendServer(s.grpc, &service{backend: backend, server: s})
	grpc_health_v1.RegisterHealthServer(s.grpc, s.health)
	return s, nil
}

// Addr returns the address listened on.
func (s *Server) Addr() net.Addr { return s.ln.Addr() }

// Serve answers until Shutdown, and then returns nil.
func (s *Server) Serve() error {
	if err := s.grpc.Serve(s.ln); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serve DWP on %s: %w", s.ln.Addr(), err)
	}
	return nil
}

// Shutdown takes no new requests and waits for those under way; when ctx
// ends they are cut off.
func (s *Server) Shutdown(ctx context.Context) {
	s.health.Shutdown()
	done := make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		s.grpc.Stop()
		<-done
	}
}

const helloMethod = wire.Backend_Hello_FullMethodName

// noSession is the Reason of the refusal that a new Hello mends.
const noSession calendar.Reason = "dwp-hello"

var errNoSession = func() error {
	st, err := status.New(codes.Unauthenticated, "say hello first").WithDetails(&wire.Failure{
		Kind: calendar.Unavailable.String(), Reason: string(noSession), Op: "greet",
	})
	if err != nil {
		panic(err)
	}
	return st.Err()
}()

// admit lets a call in, with its request id and one of the places.
func (s *Server) admit(ctx context.Context, method string) (context.Context, func(), error) {
	if method == helloMethod || !strings.HasPrefix(method, "/"+wire.Backend_ServiceDesc.ServiceName+"/") {
		return ctx, func() {}, nil
	}
	if id := metadata.ValueFromIncomingContext(ctx, sessionKey); len(id) != 1 || !s.sessions.touch(id[0]) {
		return ctx, nil, errNoSession
	}
	if id := metadata.ValueFromIncomingContext(ctx, requestIDKey); len(id) > 0 && id[0] != "" {
		ctx = calendar.WithRequestID(ctx, id[0])
	}
	if token := metadata.ValueFromIncomingContext(ctx, tokenKey); len(token) == 1 && token[0] != "" {
		if len(token[0]) > maxToken {
			return ctx, nil, status.Error(codes.InvalidArgument, "the request token is too long")
		}
		ctx = calendar.WithToken(ctx, token[0])
	}
	if method == standbyMethod || method == witnessMethod { // a lease waits for nobody
		return ctx, func() {}, nil
	}
	select {
	case s.slots <- struct{}{}:
		return ctx, func() { <-s.slots }, nil
	case <-ctx.Done():
		return ctx, nil, status.FromContextError(ctx.Err()).Err()
	}
}

func (s *Server) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (answer any, err error) {
	ctx, leave, err := s.admit(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	defer leave()
	defer func() { err = s.finish(ctx, info.FullMethod, err, recover()) }()
	if answer, err = handle(ctx, req); err == nil && s.opts.Held != nil && strings.HasPrefix(info.FullMethod, "/"+wire.Backend_ServiceDesc.ServiceName+"/") &&
		info.FullMethod != standbyMethod && info.FullMethod != witnessMethod && info.FullMethod != helloMethod {
		if err = s.opts.Held(); err != nil { // it may have been stopped meanwhile, and another have taken over
			answer = nil
		}
	}
	return answer, err
}

func (s *Server) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) (err error) {
	ctx, leave, err := s.admit(ss.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	defer leave()
	defer func() { err = s.finish(ctx, info.FullMethod, err, recover()) }()
	held := s.opts.Held
	if held == nil || !strings.HasPrefix(info.FullMethod, "/"+wire.Backend_ServiceDesc.ServiceName+"/") {
		held = func() error { return nil }
	}
	return handle(srv, &streamWithContext{ss, ctx, held})
}

type streamWithContext struct {
	grpc.ServerStream
	ctx  context.Context
	held func() error
}

// SendMsg implements grpc.ServerStream: of what was begun the rest is not sent, where another
// has taken over meanwhile.
func (s *streamWithContext) SendMsg(m any) error {
	if err := s.held(); err != nil {
		return err
	}
	return s.ServerStream.SendMsg(m)
}

func (s *streamWithContext) Context() context.Context { return s.ctx }

// finish logs what is our fault and makes err a status.
func (s *Server) finish(ctx context.Context, method string, err error, panicked any) error {
	op := method[strings.LastIndexByte(method, '/')+1:]
	if panicked != nil {
		s.log.ErrorContext(ctx, "DWP request panicked", "req", calendar.RequestID(ctx), "op", op,
			"err", fmt.Sprint(panicked), "stack", string(debug.Stack()))
		return statusOf(calendar.Internal)
	}
	if err == nil {
		return nil
	}
	var gone *sendError
	if _, ready := status.FromError(err); ready && !errors.As(err, &gone) {
		return err // of gRPC or the greeting
	}
	if ctx.Err() != nil {
		return status.FromContextError(ctx.Err()).Err()
	}
	kind, level := calendar.KindOf(err), slog.LevelDebug
	if why := calendar.ReasonOf(err); kind == calendar.Internal || kind == calendar.Unavailable && why != calendar.HomeMoved && why != calendar.NotActive {
		level = slog.LevelError
	}
	s.log.Log(ctx, level, "DWP request", "req", calendar.RequestID(ctx), "op", op, "kind", kind, "err", err)
	return statusOf(err)
}

// sendError marks that the other side could not be written to.
type sendError struct{ error }

func (e *sendError) Unwrap() error { return e.error }

// hello greets a front end: version, host name, user and password.
func (s *Server) hello(ctx context.Context, m *wire.HelloRequest) (*wire.HelloAnswer, error) {
	from, address := "unknown", net.Addr(nil)
	if p, ok := peer.FromContext(ctx); ok {
		from, address = p.Addr.String(), p.Addr
	}
	refuse := func(code codes.Code, format string, args ...any) (*wire.HelloAnswer, error) {
		msg := fmt.Sprintf(format, args...)
		s.log.WarnContext(ctx, "DWP greeting refused", "peer", from, "err", msg)
		return nil, status.Error(code, msg)
	}
	if m.GetVersion() < Oldest || Version < m.GetOldest() {
		return refuse(codes.FailedPrecondition,
			"the front end speaks DWP %d (at least %d) and this back end %d (at least %d): bring both to neighbouring releases",
			m.GetVersion(), m.GetOldest(), Version, Oldest)
	}
	if !slices.ContainsFunc(s.opts.Names, func(n string) bool { return strings.EqualFold(n, m.GetHost()) }) {
		return refuse(codes.FailedPrecondition,
			"this back end is %s, not %q: check caldb.dwp.server.*.ip and the name service on the front end, or the host name of this one",
			strings.Join(s.opts.Names, ", "), m.GetHost())
	}
	if (s.opts.User != "" || s.opts.Password != "") && !s.knows(m.GetUser(), m.GetPassword()) {
		select { // slow down guessing
		case <-time.After(250 * time.Millisecond):
		case <-ctx.Done():
		}
		return refuse(codes.Unauthenticated,
			"wrong user or password: caldb.dwp.server.%s.admin and .cred must be service.dwp.admin.userid and .cred of the back end", m.GetHost())
	}
	s.neighbours.note(m, s.opts.Now())
	answer := &wire.HelloAnswer{Version: Version, Oldest: Oldest, Names: s.opts.Names, Standby: s.opts.Held != nil && s.opts.Held() != nil}
	if m.GetFacts() {
		answer.Facts = s.facts(ctx)
	}
	if !m.GetLook() {
		s.callers.note(address, m.GetVersion())
		answer.Session = s.sessions.open()
	}
	return answer, nil
}

// knows compares user and password in constant time.
func (s *Server) knows(user, password []byte) bool {
	equal := func(a []byte, b string) int {
		x, y := sha256.Sum256(a), sha256.Sum256([]byte(b))
		return subtle.ConstantTimeCompare(x[:], y[:])
	}
	return equal(user, s.opts.User)&equal(password, string(s.opts.Password)) == 1
}
