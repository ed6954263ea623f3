package dwp

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"factotum/server/calendar"
)

// A back end that has stopped without a word (its process hangs, its machine
// sleeps) keeps its connections: the kernel acknowledges what it is sent. gRPC's
// own pings come every ten seconds at most. So the client feels its pulse, and
// when nothing at all was heard for some time the calls under way are given up,
// and others are refused at once, until it answers again. The connection stays.
const pulseEach = 700 * time.Millisecond // with the four seconds of Silence less than five

var errStopped = errors.New("it has stopped answering")

// life is the time from one standstill of the back end to the next.
type life struct {
	ctx context.Context // ends with it
	end context.CancelCauseFunc
}

func newLife() *life {
	l := new(life)
	l.ctx, l.end = context.WithCancelCause(context.Background())
	return l
}

// pulse is what is known of the back end's life.
type pulse struct {
	life  atomic.Pointer[life]
	heard atomic.Int64 // when a call was answered last, in Unix nanoseconds
}

// feel looks after the back end until ctx ends.
func (c *Client) feel(ctx context.Context) {
	api := grpc_health_v1.NewHealthClient(c.conn)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pulseEach):
		}
		if c.conn.GetState() != connectivity.Ready {
			c.revive() // there the connection itself tells
			continue
		}
		asked, connection := time.Now(), c.hosts.connection()
		limited, cancel := context.WithTimeout(ctx, c.opts.Silence)
		_, err := api.Check(limited, &grpc_health_v1.HealthCheckRequest{})
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case status.Code(err) != codes.DeadlineExceeded: // a refusal is an answer too
			c.revive()
		case c.heard.Load() >= asked.UnixNano():
		case time.Since(asked) > 2*c.opts.Silence: // it was this process that stood still
		default:
			if l := c.pulse.life.Load(); l.ctx.Err() == nil {
				c.log.WarnContext(ctx, "back end has stopped")
				l.end(errStopped)
				if c.hosts.two() {
					c.hosts.switchOver(connection)
				}
			}
		}
	}
}

func (c *Client) revive() {
	if c.pulse.life.Load().ctx.Err() != nil {
		c.log.Info("back end answers again")
		c.pulse.life.Store(newLife())
		c.opts.Up()
	}
}

// living gives a call a context that ends with the back end's life, too.
func (c *Client) living(ctx context.Context) (context.Context, context.CancelFunc) {
	l := c.pulse.life.Load()
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(l.ctx, func() { cancel(errStopped) })
	return ctx, func() { stop(); cancel(nil) }
}

// stopped is the failure of a call that met a standstill, else nil.
func (c *Client) stopped(ctx context.Context, op string) error {
	if context.Cause(ctx) != errStopped {
		return nil
	}
	return &calendar.Error{Kind: calendar.Unavailable, Op: op, Msg: "the back end does not answer; try again", Err: &hostError{c.opts.Host, errStopped}}
}
