// Package bus brings publications to the event notification service (ENS) and
// from it to subscribers: it is the client of a NATS broker, of enpd's or of a
// cluster that the site has. notifications.md §8.
//
// There are two ways. An ordinary publication is told to who is subscribed at
// this moment, at most once, and nobody waits for anybody: neither a writer for
// the broker nor the broker for a slow subscriber; what is lost by that is
// counted. A reliable one is stored by the broker (JetStream) before
// PublishReliably returns, and each durable consumer gets it until it
// acknowledges, at least once.
//
// A topic is a subject of NATS (subject.go), its parameters and all else but the
// payload are headers of the message (message.go).
package bus

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"factotum/server/calendar"
)

// Options say where the broker is and who asks.
type Options struct {
	// URL is nats://host:port or tls://host:port, with commas between several of
	// one cluster. It may have user and password.
	URL string
	// InProcess, unless nil, is a broker of this process, instead of URL. It is
	// asked anew at each attempt to connect, so that the broker may come and go.
	InProcess nats.InProcessConnProvider
	User      string
	Password  string
	TLS       *tls.Config
	Name      string // of this client, which the broker shows
	// Store bounds what the broker keeps, where it has no stream yet.
	Store StoreLimits
	Up    func() // called whenever the broker is there, or back; nil is nobody
	Log   *slog.Logger
}

// StoreLimits bound the reliable publications that wait at the broker. Where it is
// full the oldest give way, so that a consumer that does not come back harms no
// other.
type StoreLimits struct {
	Age   time.Duration // 0 = a week
	Bytes int64         // 0 = 256 MiB
}

// Stream is the stream of the broker that has the reliable publications.
const Stream = "ENS"

// StreamConfig is the stream as these limits want it. What every consumer has
// acknowledged is dropped, and so is what no consumer ever asked for.
func (l StoreLimits) StreamConfig() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: Stream, Description: "Reliable publications of the calendar server", Subjects: []string{keptSubjects},
		Retention: jetstream.InterestPolicy, Storage: jetstream.FileStorage, Discard: jetstream.DiscardOld,
		MaxAge: cmp.Or(l.Age, 7*24*time.Hour), MaxBytes: cmp.Or(l.Bytes, 256<<20), Duplicates: duplicates,
	}
}

// duplicates is for how long the broker knows a publication again by its ID.
const duplicates = 30 * time.Minute

// Bounds of what waits in this process for the broker.
const (
	queueLen   = 8192
	queueBytes = 32 << 20
)

// Bus is a connection to the broker. It comes back by itself when the broker does.
type Bus struct {
	conn *nats.Conn
	js   jetstream.JetStream
	opt  Options
	log  *slog.Logger

	queue   chan *nats.Msg // ordinary publications
	waiting atomic.Int64   // octets of these
	end     chan struct{}
	writer  sync.WaitGroup

	published, stored, lost, missed atomic.Int64

	stream sync.Mutex // asks for the stream
	known  bool       // it is there
}

// Connect returns at once, whether the broker is there or not: it is looked for
// until Close. An error tells of what is wrong with opt.
func Connect(opt Options) (*Bus, error) {
	b := &Bus{opt: opt, log: cmp.Or(opt.Log, slog.New(slog.DiscardHandler)), queue: make(chan *nats.Msg, queueLen), end: make(chan struct{})}
	options := []nats.Option{
		nats.Name(cmp.Or(opt.Name, "calserver")), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectBufSize(-1),
		nats.ReconnectWait(250 * time.Millisecond), nats.ReconnectJitter(250*time.Millisecond, 250*time.Millisecond), nats.IgnoreAuthErrorAbort(),
		nats.Timeout(2 * time.Second), nats.FlusherTimeout(5 * time.Second), nats.PingInterval(20 * time.Second), nats.MaxPingsOutstanding(2),
		nats.ConnectHandler(b.connected), nats.ReconnectHandler(b.connected),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				b.log.Warn("the event notification service is away", "err", err)
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, s *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrSlowConsumer) && s != nil {
				b.log.Warn("a subscriber is too slow and misses publications", "subject", s.Subject)
				return
			}
			b.log.Warn("the event notification service complains", "err", err)
		}),
	}
	if opt.User != "" {
		options = append(options, nats.UserInfo(opt.User, opt.Password))
	}
	url := opt.URL
	switch {
	case opt.InProcess != nil:
		options, url = append(options, nats.InProcessServer(opt.InProcess)), ""
	case url == "":
		return nil, &calendar.Error{Kind: calendar.Invalid, Op: "connect to ENS", Msg: "The address of the event notification service is missing."}
	case opt.TLS != nil:
		options = append(options, nats.Secure(opt.TLS))
	}
	var err error
	if b.conn, err = nats.Connect(url, options...); err != nil {
		return nil, fmt.Errorf("connect to the event notification service: %w", err)
	}
	if b.js, err = jetstream.New(b.conn); err != nil {
		b.conn.Close()
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	b.writer.Go(b.write)
	return b, nil
}

func (b *Bus) connected(*nats.Conn) {
	b.stream.Lock()
	b.known = false // it may be another broker, or one that lost its disk
	b.stream.Unlock()
	b.log.Info("connected to the event notification service")
	if b.opt.Up != nil {
		b.opt.Up()
	}
}

// Close brings what waits to the broker, for as long as ctx lasts, and ends the
// connection.
func (b *Bus) Close(ctx context.Context) {
	close(b.end)
	done := make(chan struct{})
	go func() { b.writer.Wait(); close(done) }()
	select {
	case <-done:
		if _, bounded := ctx.Deadline(); bounded && b.conn.IsConnected() {
			b.conn.FlushWithContext(ctx)
		}
	case <-ctx.Done():
	}
	b.conn.Close()
}

// Err tells why publications would not arrive now; nil if they would.
func (b *Bus) Err() error {
	if b.conn.IsConnected() {
		return nil
	}
	cause := b.conn.LastError()
	if cause == nil {
		cause = nats.ErrDisconnected
	}
	return &calendar.Error{Kind: calendar.Unavailable, Op: "ask ENS", Msg: "The event notification service does not answer.", Err: cause}
}

// Stat is what a Bus has done since it was made.
type Stat struct {
	Connected bool
	Server    string // name of the broker
	Published int64  // ordinary publications that the broker got
	Stored    int64  // reliable ones that it acknowledged
	Lost      int64  // ordinary ones that it did not get
	Missed    int64  // that subscribers of this process were too slow for
	Waiting   int    // ordinary ones on their way
}

// Stat tells what was published and lost.
func (b *Bus) Stat() Stat {
	return Stat{Connected: b.conn.IsConnected(), Server: b.conn.ConnectedServerName(), Published: b.published.Load(), Stored: b.stored.Load(),
		Lost: b.lost.Load(), Missed: b.missed.Load(), Waiting: len(b.queue)}
}
