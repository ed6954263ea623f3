// Package broker is enpd: a NATS server of version 2 within the program, with
// JetStream for what must be reliable, for publishers and subscribers of the event
// notification service. notifications.md §8.2.
//
// Nobody gets in without the secret. What is kept lies in one folder, within the
// bounds of bus.StoreLimits.
package broker

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"factotum/notify/bus"
)

// User is the name that goes with the secret.
const User = "calendar"

// Options say where the broker listens and what it keeps.
type Options struct {
	Name   string // of this host
	Host   string // address to listen on
	Port   int    // 0 is any free one
	Dir    string // of what is kept
	Secret string // what publishers and subscribers show
	TLS    *tls.Config
	Store  bus.StoreLimits
	Log    *slog.Logger
}

// Broker is a server that runs.
type Broker struct {
	server *server.Server
	log    *slog.Logger
}

const (
	maxPayload = 8 << 20
	maxPending = 32 << 20 // that wait for one connection; then it is ended
	startTime  = 10 * time.Second
)

// Start starts a broker, which serves when Start returns.
func Start(opt Options) (*Broker, error) {
	if opt.Secret == "" {
		return nil, errors.New("start the broker: the secret is missing")
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(opt.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the broker's folder: %w", err)
	}
	port := opt.Port
	if port == 0 {
		port = server.RANDOM_PORT
	}
	limits := opt.Store.StreamConfig()
	s, err := server.NewServer(&server.Options{
		ServerName: opt.Name, Host: opt.Host, Port: port, NoSigs: true, DisableJetStreamBanner: true,
		CustomClientAuthentication: keeper(opt.Secret), TLSConfig: opt.TLS, TLS: opt.TLS != nil, TLSTimeout: 5, AuthTimeout: 5,
		MaxPayload: maxPayload, MaxPending: maxPending, WriteDeadline: 5 * time.Second, MaxConn: 10_000,
		NoFastProducerStall: true, // a publisher is not held back for a slow subscriber
		JetStream:           true, StoreDir: opt.Dir, JetStreamMaxMemory: 16 << 20, JetStreamMaxStore: 2 * limits.MaxBytes,
		SyncAlways: true, // what is acknowledged is on the disk
	})
	if err != nil {
		return nil, fmt.Errorf("start the broker: %w", err)
	}
	b := &Broker{server: s, log: opt.Log}
	fatal, ready := make(chan error, 1), make(chan bool, 1)
	s.SetLoggerV2(logger{opt.Log, fatal}, false, false, false)
	s.Start()
	go func() { ready <- s.ReadyForConnections(startTime) }()
	select {
	case err = <-fatal:
	case ok := <-ready:
		if !ok {
			err = fmt.Errorf("it is not ready after %v", startTime)
		}
	}
	if err != nil {
		b.Stop()
		return nil, fmt.Errorf("start the broker: %w", err)
	}
	if err := b.bound(limits, opt.Secret); err != nil {
		b.Stop()
		return nil, err
	}
	return b, nil
}

// keeper lets those in who show the secret.
type keeper string

// Check implements server.Authentication.
func (k keeper) Check(c server.ClientAuthentication) bool {
	said := c.GetOpts()
	name := subtle.ConstantTimeCompare([]byte(said.Username), []byte(User))
	return name&subtle.ConstantTimeCompare([]byte(said.Password), []byte(k)) == 1
}

// bound makes the stream, or gives one of before the bounds of now.
func (b *Broker) bound(limits jetstream.StreamConfig, secret string) error {
	conn, err := nats.Connect("", nats.InProcessServer(b.server), nats.UserInfo(User, secret))
	if err != nil {
		return fmt.Errorf("ask the broker: %w", err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return fmt.Errorf("ask the broker: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	if _, err := js.CreateOrUpdateStream(ctx, limits); err != nil {
		return fmt.Errorf("make the broker's stream: %w", err)
	}
	return nil
}

// InProcessConn is a connection to the broker without the network; it needs the
// secret too.
func (b *Broker) InProcessConn() (net.Conn, error) { return b.server.InProcessConn() }

// Addr is where it listens.
func (b *Broker) Addr() net.Addr { return b.server.Addr() }

// Err tells why it does not serve; nil if it does.
func (b *Broker) Err() error {
	if !b.server.Running() || !b.server.JetStreamEnabled() {
		return errors.New("the broker has stopped")
	}
	return nil
}

// Stat is how a broker does.
type Stat struct {
	Connections, Subscriptions int
	Slow                       int64  // connections that were too slow, since the start
	Kept                       uint64 // reliable publications that wait
	KeptBytes                  uint64
	Consumers                  int
}

// Stat tells of it.
func (b *Broker) Stat() Stat {
	st := Stat{Connections: b.server.NumClients(), Subscriptions: int(b.server.NumSubscriptions()), Slow: b.server.NumSlowConsumers()}
	if js, err := b.server.Jsz(nil); err == nil {
		st.Kept, st.KeptBytes, st.Consumers = js.Messages, js.Bytes, js.Consumers
	}
	return st
}

// Stop ends it, with all connections.
func (b *Broker) Stop() {
	b.server.Shutdown()
	b.server.WaitForShutdown()
}

// secretFile is where processes of this host find the secret.
const secretFile = "secret"

// Secret reads the secret that processes of this host share, and draws it where
// there is none. dir belongs to the server's user alone.
func Secret(dir string) (string, error) {
	return readSecret(filepath.Join(dir, secretFile))
}
