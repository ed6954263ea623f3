package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"factotum/server/calendar"
)

// Publish tells of pubs to who is subscribed now. It waits for nobody: where the
// broker is away or does not keep up they are lost, and counted. An error is about
// those that are wrong themselves, and the others are published. Several at once are
// cheaper than one after the other: each that waits alone wakes all who pass it on.
func (b *Bus) Publish(_ context.Context, pubs ...calendar.Publication) error {
	var wrong []error
	ready := make([]*nats.Msg, 0, len(pubs))
	for i := range pubs {
		m, err := encode(once, &pubs[i], b.maxPayload())
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		ready = append(ready, m)
	}
	for _, m := range ready {
		b.enqueue(m)
	}
	return errors.Join(wrong...)
}

func (b *Bus) enqueue(m *nats.Msg) {
	size := int64(m.Size())
	if !b.conn.IsConnected() || b.waiting.Add(size) > queueBytes {
		b.waiting.Add(-size)
		b.lost.Add(1)
		return
	}
	select {
	case b.queue <- m:
	default:
		b.waiting.Add(-size)
		b.lost.Add(1)
	}
}

// write brings ordinary publications to the broker: a connection that is stuck
// stops this goroutine and none else.
func (b *Bus) write() {
	for {
		select {
		case m := <-b.queue:
			b.send(m)
		case <-b.end:
			for {
				select {
				case m := <-b.queue:
					b.send(m)
				default:
					return
				}
			}
		}
	}
}

func (b *Bus) send(m *nats.Msg) {
	b.waiting.Add(-int64(m.Size()))
	if err := b.conn.PublishMsg(m); err != nil {
		b.lost.Add(1)
		return
	}
	b.published.Add(1)
}

// maxPayload is the largest message that the broker takes, 0 while it is not known.
func (b *Bus) maxPayload() int64 { return b.conn.MaxPayload() }

// PublishReliably returns when the broker has stored p, for each durable consumer
// that wants it. It may be called again for the same p: within half an hour the
// broker knows it by its ID. Ordinary subscribers are told too.
func (b *Bus) PublishReliably(ctx context.Context, p calendar.Publication) error {
	m, err := encode(kept, &p, b.maxPayload())
	if err != nil {
		return err
	}
	if err := b.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	err = b.withStream(ctx, func() error {
		_, err := b.js.PublishMsg(ctx, m, jetstream.WithExpectStream(Stream), jetstream.WithRetryAttempts(1))
		return err
	})
	if err != nil {
		return &calendar.Error{Kind: calendar.Unavailable, Op: "publish", Ref: p.Ref, Msg: "The event notification service did not store it.", Err: err}
	}
	b.stored.Add(1)
	return nil
}

// withStream does what needs the stream. Whether it is there is asked once for
// each connection, and again where that seems to have changed.
func (b *Bus) withStream(ctx context.Context, do func() error) error {
	for again := false; ; again = true {
		if err := b.needStream(ctx); err != nil {
			return err
		}
		err := do()
		if again || !errors.Is(err, jetstream.ErrNoStreamResponse) && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return err
		}
		b.stream.Lock()
		b.known = false
		b.stream.Unlock()
	}
}

func (b *Bus) needStream(ctx context.Context) error {
	b.stream.Lock()
	defer b.stream.Unlock()
	if b.known {
		return nil
	}
	_, err := b.js.Stream(ctx, Stream) // as it is: an administrator may have made it
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		err = b.makeStream(ctx)
	}
	if err != nil {
		return fmt.Errorf("find the broker's stream %s: %w", Stream, err)
	}
	b.known = true
	return nil
}

// makeStream makes the stream: in a cluster on three of its servers, so that one may be
// lost, or on one where there are not as many.
func (b *Bus) makeStream(ctx context.Context) error {
	config := b.opt.Store.StreamConfig()
	if b.conn.ConnectedClusterName() != "" {
		config.Replicas = 3
		_, err := b.js.CreateStream(ctx, config)
		var refused *jetstream.APIError
		if !errors.As(err, &refused) {
			return err
		}
		b.log.Warn("what is kept at the event notification service is on one server of the cluster alone: make its stream with more replicas", "stream", Stream, "err", err)
		config.Replicas = 1
	}
	_, err := b.js.CreateStream(ctx, config)
	return err
}

// Kept is what waits at the broker for durable consumers.
type Kept struct {
	Publications, Bytes uint64
	Consumers           int
}

// Kept asks the broker.
func (b *Bus) Kept(ctx context.Context) (k Kept, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	err = b.withStream(ctx, func() error {
		s, err := b.js.Stream(ctx, Stream)
		if err != nil {
			return err
		}
		st := s.CachedInfo().State
		k = Kept{st.Msgs, st.Bytes, st.Consumers}
		return nil
	})
	return k, err
}
