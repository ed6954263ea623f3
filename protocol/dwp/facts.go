package dwp

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"factotum/protocol/dwp/internal/wire"
)

// Facts are what a back end says of itself to who looks after a cluster.
type Facts struct {
	Release    string        `json:"release"`
	Now        time.Time     `json:"now"`   // its clock
	Zones      string        `json:"zones"` // release of its zone database
	Store      string        `json:"store"` // engine and schema
	Disks      []Disk        `json:"disks"`
	Backups    bool          `json:"backups"`         // some are made
	Proven     time.Time     `json:"proven,omitzero"` // the moment up to which its best backup was restored; zero: none was
	Problems   []string      `json:"problems"`        // what is not well, in sentences
	Neighbours []Neighbour   `json:"neighbours"`      // who has greeted it
	Asked      time.Duration `json:"asked,omitempty"` // how long the answer took
}

// Disk is a place that a back end needs.
type Disk struct {
	Path string `json:"path"`
	Free int64  `json:"free_bytes"`
	Size int64  `json:"size_bytes"`
}

// Neighbour is a host that has greeted a back end.
type Neighbour struct {
	Host    string        `json:"host"`
	Release string        `json:"release"`
	Heard   time.Time     `json:"heard"` // the last time, by the back end's clock
	Ahead   time.Duration `json:"ahead"` // of its clock before the back end's
}

// forgetNeighbour is how long one is told of that does not greet any more.
const (
	forgetNeighbour = 24 * time.Hour
	mostNeighbours  = 1000
)

// neighbours are those that have greeted a Server.
type neighbours struct {
	mu    sync.Mutex
	known map[string]Neighbour
}

// note keeps who greets. A greeting of an older release does not say who it is.
func (n *neighbours) note(m *wire.HelloRequest, now time.Time) {
	host := strings.ToLower(string(m.GetFrom()))
	if host == "" || checkHost(host) != nil || len(host) > 255 || len(m.GetRelease()) > 255 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil {
		n.known = map[string]Neighbour{}
	}
	maps.DeleteFunc(n.known, func(_ string, k Neighbour) bool { return now.Sub(k.Heard) > forgetNeighbour })
	if _, ok := n.known[host]; !ok && len(n.known) >= mostNeighbours {
		return
	}
	k := Neighbour{Host: host, Release: string(m.GetRelease()), Heard: now}
	if sent := fromTime(m.GetNow()); !sent.IsZero() {
		k.Ahead = sent.Sub(now)
	}
	n.known[host] = k
}

func (n *neighbours) list() []Neighbour {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.SortedFunc(maps.Values(n.known), func(a, b Neighbour) int { return cmp.Compare(a.Host, b.Host) })
}

// facts are those of the answer to a greeting.
func (s *Server) facts(ctx context.Context) *wire.Facts {
	f := Facts{}
	if s.opts.Facts != nil {
		f = s.opts.Facts(ctx)
	}
	m := &wire.Facts{Release: toText(s.opts.Release), Now: toTime(s.opts.Now()), Zones: toText(f.Zones), Store: toText(f.Store), Backups: f.Backups, Proven: toTime(f.Proven)}
	for _, d := range f.Disks {
		m.Disks = append(m.Disks, &wire.Disk{Path: toText(d.Path), Free: uint64(max(d.Free, 0)), Size: uint64(max(d.Size, 0))})
	}
	for _, p := range f.Problems {
		m.Problems = append(m.Problems, toText(p))
	}
	for _, k := range s.neighbours.list() {
		m.Neighbours = append(m.Neighbours, &wire.Neighbour{Host: toText(k.Host), Release: toText(k.Release), Heard: toTime(k.Heard), Ahead: k.Ahead.Microseconds()})
	}
	return m
}

// Look greets the back end anew, without a session, so that it knows that this host
// reaches it. The error tells an administrator why it does not.
func (c *Client) Look(ctx context.Context) error {
	_, err := c.look(ctx, false)
	return err
}

// Facts asks the back end how it is. A back end of the release before tells nothing
// but that it is there.
func (c *Client) Facts(ctx context.Context) (f Facts, err error) {
	began := time.Now()
	m, err := c.look(ctx, true)
	if err != nil {
		return f, err
	}
	f = Facts{Release: string(m.GetRelease()), Now: fromTime(m.GetNow()), Zones: string(m.GetZones()), Store: string(m.GetStore()), Backups: m.GetBackups(), Proven: fromTime(m.GetProven()), Asked: time.Since(began)}
	for _, d := range m.GetDisks() {
		f.Disks = append(f.Disks, Disk{Path: string(d.GetPath()), Free: int64(d.GetFree()), Size: int64(d.GetSize())})
	}
	for _, p := range m.GetProblems() {
		f.Problems = append(f.Problems, string(p))
	}
	for _, k := range m.GetNeighbours() {
		f.Neighbours = append(f.Neighbours, Neighbour{Host: string(k.GetHost()), Release: string(k.GetRelease()), Heard: fromTime(k.GetHeard()), Ahead: time.Duration(k.GetAhead()) * time.Microsecond})
	}
	return f, nil
}

func (c *Client) look(ctx context.Context, facts bool) (*wire.Facts, error) {
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	req := c.greetingRequest(true, facts)
	m, err := c.api.Hello(ctx, req)
	switch code := status.Code(err); {
	case err == nil:
	case code == codes.Unavailable || code == codes.DeadlineExceeded || code == codes.Canceled:
		return nil, &hostError{req.GetHost(), err}
	default:
		return nil, errors.New(status.Convert(err).Message())
	}
	if !slices.ContainsFunc(m.GetNames(), func(name string) bool { return strings.EqualFold(name, req.GetHost()) }) {
		return nil, fmt.Errorf("the back end is %s, not %s", strings.Join(m.GetNames(), ", "), req.GetHost())
	}
	return m.GetFacts(), nil
}

// Handshake connects to a back end and shakes hands with it: the certificates of both
// sides are those that they have to be, and its own has the name that o.Host says.
func Handshake(ctx context.Context, o ClientOptions) error {
	if err := checkHost(o.Host); err != nil {
		return err
	}
	conn, err := dialer(cmp.Or(o.DialTimeout, helloTimeout))(ctx, o.Address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if o.TLS == nil {
		return checkPlain(o.Address)
	}
	t, err := newTransport(*o.TLS, o.Host, cmp.Or(o.Logger, slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	config := t.current()
	config.NextProtos = []string{"h2"}
	link := tls.Client(conn, config)
	if err := link.HandshakeContext(ctx); err != nil {
		return err
	}
	// Of TLS 1.3 the server refuses a client's certificate after the hand-shake: it is
	// told by its first octets, which are HTTP/2's settings if all is well.
	if d, ok := ctx.Deadline(); ok {
		link.SetReadDeadline(d)
	}
	if _, err := link.Read(make([]byte, 1)); err != nil {
		return fmt.Errorf("the back end refuses the certificate of this host: %w", err)
	}
	return nil
}

func (c *Client) greetingRequest(look, facts bool) *wire.HelloRequest {
	return &wire.HelloRequest{
		Version: Version, Oldest: Oldest, Host: c.hosts.host(), User: toText(c.opts.User), Password: toText(c.opts.Password),
		From: toText(c.opts.From), Release: toText(c.opts.Release), Now: toTime(time.Now()), Look: look, Facts: facts,
	}
}
