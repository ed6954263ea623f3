package bus

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"factotum/server/calendar"
)

// Bounds of what waits for a subscriber: beyond them he misses publications.
const (
	pendingMessages = 8192
	pendingBytes    = 32 << 20
)

// Subscription is an interest that lasts until Close.
type Subscription struct {
	bus    *Bus
	sub    *nats.Subscription
	missed atomic.Int64
}

// Subscribe has fn called, one after another, for all that ref is about from now
// on, reliable publications among it. fn may be slow: then it misses some. While
// the broker is away it misses all.
func (b *Bus) Subscribe(ref calendar.EventRef, fn func(calendar.Publication)) (*Subscription, error) {
	subject, err := filter(both, ref.Topic)
	if err != nil {
		return nil, err
	}
	s := &Subscription{bus: b}
	s.sub, err = b.conn.Subscribe(subject, func(m *nats.Msg) {
		s.count()
		if p, published, ok := decode(m.Header, m.Data); ok && ref.Matches(published) {
			fn(p)
		}
	})
	if err == nil {
		err = s.sub.SetPendingLimits(pendingMessages, pendingBytes)
	}
	if err != nil {
		return nil, fmt.Errorf("subscribe to %s: %w", ref, err)
	}
	return s, nil
}

// Missed is how many publications fn was too slow for.
func (s *Subscription) Missed() int64 { return s.count() }

func (s *Subscription) count() int64 {
	n, err := s.sub.Dropped()
	if err == nil {
		if was := s.missed.Swap(int64(n)); was < int64(n) {
			s.bus.missed.Add(int64(n) - was)
		}
	}
	return s.missed.Load()
}

// Close ends it; fn may still be running.
func (s *Subscription) Close() {
	s.count()
	if err := s.sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		s.bus.log.Debug("unsubscribe", "err", err)
	}
}

// Flush returns when the broker has had all that was subscribed and published
// ordinarily before, or after ten seconds.
func (b *Bus) Flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for len(b.queue) > 0 || b.waiting.Load() > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
	return b.conn.FlushWithContext(ctx)
}

// How long a consumer may take, for how long it is not taken for dead, and what
// pauses there are between attempts.
const (
	ackWait       = 6 * time.Second
	forgetAfter   = 30 * 24 * time.Hour
	maxUnanswered = 1024
	firstPause    = time.Second
	lastPause     = 5 * time.Minute
)

// Consume calls fn, one after another, for each reliable publication that ref is
// about until fn returns nil for it; in between come pauses of a second to five
// minutes. The broker knows the consumer by its name: what is published while none
// of that name is there waits, beginning with the first time that there was one,
// and several of one name share the work. What has expired is dropped. Consume
// returns when ctx ends, or at once if name or ref cannot be used.
func (b *Bus) Consume(ctx context.Context, name string, ref calendar.EventRef, fn func(context.Context, calendar.Publication) error) error {
	subject, err := filter(kept, ref.Topic)
	if err != nil {
		return err
	}
	if !validName(name) {
		return &calendar.Error{Kind: calendar.Invalid, Op: "consume publications", Ref: name, Msg: "The name of a consumer has letters, digits, - and _ only, 64 at most."}
	}
	config := jetstream.ConsumerConfig{
		Durable: name, FilterSubject: subject, DeliverPolicy: jetstream.DeliverNewPolicy, AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: ackWait, MaxAckPending: maxUnanswered, InactiveThreshold: forgetAfter,
	}
	for wait := firstPause; ctx.Err() == nil; {
		began := time.Now()
		err := b.consume(ctx, config, ref, fn)
		if ctx.Err() != nil {
			break
		}
		if time.Since(began) > lastPause {
			wait = firstPause
		}
		b.log.Debug("consume publications", "name", name, "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
			wait = min(2*wait, 10*time.Second)
		}
	}
	return ctx.Err()
}

func (b *Bus) consume(ctx context.Context, config jetstream.ConsumerConfig, ref calendar.EventRef, fn func(context.Context, calendar.Publication) error) error {
	if err := b.Err(); err != nil {
		return err
	}
	var cons jetstream.Consumer
	ask, cancel := context.WithTimeout(ctx, 10*time.Second)
	err := b.withStream(ask, func() (err error) {
		cons, err = b.js.CreateOrUpdateConsumer(ask, Stream, config)
		return err
	})
	cancel()
	if err != nil {
		return fmt.Errorf("make the consumer: %w", err)
	}
	messages, err := cons.Messages(jetstream.PullMaxMessages(1), jetstream.PullExpiry(20*time.Second), jetstream.PullHeartbeat(5*time.Second))
	if err != nil {
		return fmt.Errorf("ask for publications: %w", err)
	}
	defer giveBack(messages)
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("wait for a publication: %w", err)
		}
		b.handle(ctx, m, ref, fn)
	}
}

// giveBack ends messages. What the broker has sent already goes back to it, so that
// the next who consumes need not wait until it is missed.
func giveBack(messages jetstream.MessagesContext) {
	messages.Drain()
	for {
		m, err := messages.Next(jetstream.NextMaxWait(time.Second))
		if err != nil {
			messages.Stop()
			return
		}
		m.Nak()
	}
}

// handle has one message done. An answer that does not arrive is no failure: the
// broker sends it again.
func (b *Bus) handle(ctx context.Context, m jetstream.Msg, ref calendar.EventRef, fn func(context.Context, calendar.Publication) error) {
	p, published, ok := decode(m.Headers(), m.Data())
	if !ok || !ref.Matches(published) || !p.Expires.IsZero() && !time.Now().Before(p.Expires) {
		m.Ack()
		return
	}
	busy := make(chan struct{})
	go func() {
		for t := time.NewTicker(ackWait / 3); ; {
			select {
			case <-busy:
				t.Stop()
				return
			case <-t.C:
				m.InProgress()
			}
		}
	}()
	err := fn(ctx, p)
	close(busy)
	if err == nil {
		m.Ack()
		return
	}
	if ctx.Err() != nil {
		m.Nak()
		return
	}
	pause := lastPause
	if meta, err := m.Metadata(); err == nil && meta.NumDelivered < 10 {
		pause = min(firstPause<<(meta.NumDelivered-1), lastPause)
	}
	b.log.Warn("a publication was not taken", "ref", published.Topic, "id", p.ID, "again", pause, "err", err)
	m.NakWithDelay(pause)
}

func validName(name string) bool {
	if name == "" || len(name) > 64 {
		return false
	}
	for _, c := range []byte(name) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}
