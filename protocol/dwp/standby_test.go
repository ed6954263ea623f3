package dwp

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"factotum/server/calendar"
)

const twinHost = "calendar2.sesta.com"

// notServing refuses like a host that is the standby.
var errNotServing = &calendar.Error{Kind: calendar.Unavailable, Reason: calendar.NotActive, Op: "serve calendars", After: time.Second, Msg: "this host is the standby"}

// TestEitherServes: of two hosts the client asks the one that serves, whichever that is, though many
// ask at the same time while it changes.
func TestEitherServes(t *testing.T) {
	ca := newAuthority(t)
	var active atomic.Int32
	var links [2]*link
	for i, name := range []string{testHost, twinHost} {
		be := newEcho()
		be.answer = []any{calendar.Status{Owners: i + 1}}
		l := tlsLink(t, ca)
		l.server.TLS, l.server.Names = ca.files(t, name), []string{name}
		l.server.Held = func() error {
			if int(active.Load()) != i {
				return errNotServing
			}
			return nil
		}
		l.serve(t, be)
		links[i] = l
	}
	o := links[0].client
	o.Standby = StandbyHost{twinHost, links[1].client.Address}
	c, err := NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, end := context.WithCancel(context.Background())
	defer end()
	var all sync.WaitGroup
	defer all.Wait()
	defer end()
	for range 8 {
		all.Go(func() {
			for ctx.Err() == nil {
				_, err := c.Ping(ctx)
				if err != nil && ctx.Err() == nil && calendar.KindOf(err) != calendar.Unavailable {
					t.Errorf("while they change: %v", err)
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	for range 6 {
		is := int(active.Load())
		within(t, "the host that serves", func() bool {
			st, err := c.Ping(ctx)
			return err == nil && st.Owners == is+1
		})
		for range 50 { // and it stays there
			if st, err := c.Ping(ctx); err != nil || st.Owners != is+1 {
				t.Fatalf("host %d serves, and a call ends with %v, %v", is, st, err)
			}
		}
		active.Store(int32(1 - is))
	}
}

// twinFunc answers the other host.
type twinFunc func(calendar.StandbyRequest) (calendar.StandbyAnswer, error)

func (f twinFunc) Standby(_ context.Context, req calendar.StandbyRequest) (calendar.StandbyAnswer, error) {
	return f(req)
}

// TestTwinIsAskedByItsTwin: what one of two hosts asks the other crosses whole, and nobody else
// may ask it, though he has a certificate of the same authority.
func TestTwinIsAskedByItsTwin(t *testing.T) {
	ca := newAuthority(t)
	l := tlsLink(t, ca)
	want := calendar.StandbyAnswer{Epoch: 7, Active: true, Admitted: true, Leaving: true, Problem: "p\xff", Data: []byte("\x00data"), More: true, Claims: true, Witness: "w\xff"}
	var got calendar.StandbyRequest
	l.server.Twin, l.server.TwinHost = twinFunc(func(req calendar.StandbyRequest) (calendar.StandbyAnswer, error) {
		got = req
		return want, nil
	}), twinHost
	l.serve(t, newEcho())
	req := calendar.StandbyRequest{Step: calendar.StandbyPart, From: twinHost, Epoch: 3, Stream: "s", Seq: 9, Data: []byte("\xfflines"), Owner: "ann", Lease: 8 * time.Second, Behind: 4, Witness: "w"}
	for name, ok := range map[string]bool{"front1.sesta.com": false, testHost: false, twinHost: true} {
		o := l.client
		o.TLS = ca.files(t, name)
		c, err := NewClient(o)
		if err != nil {
			t.Fatal(err)
		}
		got = calendar.StandbyRequest{}
		ans, err := c.Standby(context.Background(), req)
		c.Close()
		if ok != (err == nil) || ok != (got.Step != 0) {
			t.Errorf("%s asks: %v, %v", name, got, err)
		}
		if ok && (!equalAnswers(ans, want) || string(got.Data) != string(req.Data) || got.Lease != req.Lease || got.Stream != "s" || got.Seq != 9 || got.Epoch != 3 || got.Owner != "ann" || got.Behind != 4 || got.From != twinHost || got.Witness != "w") {
			t.Errorf("it came as %+v, %+v", got, ans)
		}
	}
	alone := newLink().open(t, newEcho())
	var e *calendar.Error
	if _, err := alone.Standby(context.Background(), req); !errors.As(err, &e) || e.Kind != calendar.Unsupported {
		t.Errorf("a host that is alone answers %v", err)
	}
	if g, err := alone.greet(context.Background()); err != nil {
		t.Error(err)
	} else {
		g.peer.Version = standbyFrom - 1
	}
	if _, err := alone.Standby(context.Background(), req); !errors.As(err, &e) || e.Kind != calendar.Unsupported || e.Msg == "" {
		t.Errorf("a host of an earlier release: %v", err)
	}
}

func equalAnswers(a, b calendar.StandbyAnswer) bool {
	x, y := string(a.Data), string(b.Data)
	a.Data, b.Data = nil, nil
	return x == y && a.Epoch == b.Epoch && a.Active == b.Active && a.Admitted == b.Admitted && a.Leaving == b.Leaving && a.Problem == b.Problem && a.More == b.More && a.Claims == b.Claims && a.Witness == b.Witness
}

// TestHeldInTheMiddle: a host that learns while it answers that another has taken over sends the rest to nobody.
func TestHeldInTheMiddle(t *testing.T) {
	var asked, until atomic.Int32
	until.Store(1 << 30)
	l := newLink()
	l.server.Held = func() error {
		if asked.Add(1) > until.Load() {
			return errNotServing
		}
		return nil
	}
	items := make([]calendar.SyncItem, 5*pageItems)
	for i := range items {
		items[i].Object = &calendar.Object{Name: "x"}
	}
	be := newEcho()
	be.answer = []any{calendar.SyncResult{Token: "t"}, items}
	c := l.open(t, be)
	sync := func() (n int, err error) {
		_, err = c.Sync(t.Context(), calendar.Actor{}, calendar.SyncRequest{}, func(calendar.SyncItem) error { n++; return nil })
		return n, err
	}
	if n, err := sync(); err != nil || n != len(items) {
		t.Fatalf("%d of %d items, %v", n, len(items), err)
	}
	until.Store(asked.Load() + 2)
	if n, err := sync(); calendar.ReasonOf(err) != calendar.NotActive || n == 0 || n == len(items) {
		t.Errorf("%d of %d items, %v", n, len(items), err)
	}
}
