package bus_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"factotum/notify/broker"
	"factotum/notify/bus"
	"factotum/server/calendar"
)

const secret = "a secret of these tests"

// site is a broker that may be stopped and started again, as the process that has
// it sees it.
type site struct {
	t   *testing.T
	dir string
	mu  sync.Mutex
	b   *broker.Broker
}

func newSite(t *testing.T) *site {
	s := &site{t: t, dir: t.TempDir()}
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *site) start() {
	b, err := broker.Start(broker.Options{Name: "test", Host: "127.0.0.1", Dir: s.dir, Secret: secret})
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	s.b = b
	s.mu.Unlock()
}

func (s *site) stop() {
	s.mu.Lock()
	b := s.b
	s.b = nil
	s.mu.Unlock()
	if b != nil {
		b.Stop()
	}
}

func (s *site) InProcessConn() (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.b == nil {
		return nil, errors.New("the broker is stopped")
	}
	return s.b.InProcessConn()
}

func (s *site) connect() *bus.Bus {
	b, err := bus.Connect(bus.Options{InProcess: s, User: broker.User, Password: secret})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { b.Close(s.t.Context()) })
	return b
}

// up waits until the broker answers.
func up(t *testing.T, buses ...*bus.Bus) {
	t.Helper()
	for _, b := range buses {
		eventually(t, func() bool { return b.Err() == nil })
		if err := b.Flush(within(t)); err != nil {
			t.Fatal(err)
		}
	}
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("that did not come true")
		}
	}
}

// basket keeps what a subscriber got.
type basket struct {
	mu  sync.Mutex
	got []calendar.Publication
}

func (k *basket) add(p calendar.Publication) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.got = append(k.got, p)
}

func (k *basket) ids() (ids []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range k.got {
		ids = append(ids, p.ID)
	}
	return ids
}

func (k *basket) has(ids ...string) func() bool {
	return func() bool { return slices.Equal(k.ids(), ids) }
}

func parse(t *testing.T, s string) calendar.EventRef {
	t.Helper()
	ref, err := calendar.ParseEventRef(s)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func subscribe(t *testing.T, b *bus.Bus, ref string) *basket {
	t.Helper()
	k := new(basket)
	s, err := b.Subscribe(parse(t, ref), k.add)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return k
}

func publish(t *testing.T, b *bus.Bus, id, ref string) {
	t.Helper()
	if err := b.Publish(t.Context(), calendar.Publication{ID: id, Ref: ref}); err != nil {
		t.Fatal(err)
	}
}

func TestPublishAndSubscribe(t *testing.T) {
	s := newSite(t)
	pub, sub := s.connect(), s.connect()
	up(t, pub, sub)
	all, alarms := subscribe(t, sub, "enp:///ics/*"), subscribe(t, sub, "enp:///ics/alarm")
	annas, foreign := subscribe(t, sub, "enp:///ics/alarm?calid=anna%20x"), subscribe(t, sub, "enp://host/ics/alarm")
	up(t, sub)
	publish(t, pub, "1", "enp:///ics/alarm?uid=7&calid=anna%20x")
	publish(t, pub, "2", "enp:///ics/alarm?calid=ben&uid=7")
	publish(t, pub, "3", "enp:///ics/caleventcreate?calid=anna%20x")
	publish(t, pub, "4", "enp:///other/alarm?calid=anna%20x")
	whole := calendar.Publication{ID: "5 é", Ref: "enp://host/ics/alarm", Owner: "anna@example.com", ContentType: "text/xml", Data: []byte("<a/>\r\n\x00"),
		When: time.Date(2026, 5, 1, 2, 3, 4, 5000, time.UTC), Expires: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)}
	if err := pub.Publish(t.Context(), whole); err != nil {
		t.Fatal(err)
	}
	eventually(t, all.has("1", "2", "3"))
	eventually(t, alarms.has("1", "2"))
	eventually(t, annas.has("1"))
	eventually(t, foreign.has("5 é"))
	if got := foreign.got[0]; fmt.Sprint(got) != fmt.Sprint(whole) {
		t.Errorf("got %v, want %v", got, whole)
	}
	if st := pub.Stat(); st.Published != 5 || st.Lost != 0 {
		t.Errorf("%+v", st)
	}
	if err := pub.Publish(t.Context(), calendar.Publication{Ref: "alarm"}); calendar.KindOf(err) != calendar.Invalid {
		t.Errorf("a publication without a topic: %v", err)
	}
}

// TestNobodyThere: without a broker a writer does not wait, what is lost is
// counted, and all begins again by itself.
func TestNobodyThere(t *testing.T) {
	s := newSite(t)
	s.stop()
	pub, sub := s.connect(), s.connect()
	all := subscribe(t, sub, "enp:///ics/*")
	publish(t, pub, "1", "enp:///ics/alarm")
	err := pub.PublishReliably(within(t), calendar.Publication{ID: "2", Ref: "enp:///ics/alarm"})
	if calendar.KindOf(err) != calendar.Unavailable || pub.Err() == nil {
		t.Errorf("without a broker: %v, %v", err, pub.Err())
	}
	s.start()
	up(t, pub, sub)
	publish(t, pub, "3", "enp:///ics/alarm")
	eventually(t, all.has("3"))
	if st := pub.Stat(); st.Published != 1 || st.Lost != 1 {
		t.Errorf("%+v", st)
	}
	s.stop()
	eventually(t, func() bool { return pub.Err() != nil })
	s.start()
	up(t, pub, sub)
	publish(t, pub, "4", "enp:///ics/alarm")
	eventually(t, all.has("3", "4"))
}

// TestSlowSubscriber: who does not keep up misses publications and is told how
// many; another gets all, and nobody waits.
func TestSlowSubscriber(t *testing.T) {
	s := newSite(t)
	pub, sub := s.connect(), s.connect()
	up(t, pub, sub)
	proceed := make(chan struct{})
	slow, err := sub.Subscribe(parse(t, "enp:///ics/*"), func(calendar.Publication) { <-proceed })
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	quick := subscribe(t, sub, "enp:///ics/*")
	up(t, sub)
	const n = 20_000
	for i := range n {
		for pub.Stat().Waiting > 4000 {
			time.Sleep(time.Millisecond)
		}
		publish(t, pub, fmt.Sprint(i), "enp:///ics/alarm")
	}
	eventually(t, func() bool { return len(quick.ids()) == n })
	if missed := slow.Missed(); missed == 0 || missed != sub.Stat().Missed {
		t.Errorf("the slow subscriber has missed %d, and the statistics say %d", missed, sub.Stat().Missed)
	}
	close(proceed)
}

func consume(t *testing.T, b *bus.Bus, name, ref string, fn func(calendar.Publication) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.Consume(ctx, name, parse(t, ref), func(_ context.Context, p calendar.Publication) error { return fn(p) })
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

func reliably(t *testing.T, b *bus.Bus, p calendar.Publication) {
	t.Helper()
	if err := b.PublishReliably(within(t), p); err != nil {
		t.Fatal(err)
	}
}

// TestReliable: what the broker has stored comes once a consumer is there again,
// after the broker has died, and until it is acknowledged; a repetition counts once.
func TestReliable(t *testing.T) {
	s := newSite(t)
	pub, sub := s.connect(), s.connect()
	up(t, pub, sub)
	const alarm = "enp:///ics/alarm?calid=anna"
	got, failed := new(basket), new(basket)
	take := func(p calendar.Publication) error {
		if p.ID == "2" && len(failed.ids()) == 0 {
			failed.add(p)
			return errors.New("not now")
		}
		got.add(p)
		return nil
	}
	ordinary := subscribe(t, sub, "enp:///ics/*")
	stop := consume(t, sub, "test", "enp:///ics/alarm?calid=anna", take)
	up(t, sub)
	reliably(t, pub, calendar.Publication{ID: "0", Ref: alarm}) // perhaps before there is a consumer
	eventually(t, func() bool {
		reliably(t, pub, calendar.Publication{ID: fmt.Sprint("first", time.Now().UnixNano()), Ref: alarm})
		return len(got.ids()) > 0
	})
	stop()
	up(t, sub) // the broker knows that it is away
	begun := len(got.ids())
	reliably(t, pub, calendar.Publication{ID: "1", Ref: alarm, Data: []byte("x")})
	reliably(t, pub, calendar.Publication{ID: "1", Ref: alarm, Data: []byte("x")})
	reliably(t, pub, calendar.Publication{ID: "ben", Ref: "enp:///ics/alarm?calid=ben"})
	reliably(t, pub, calendar.Publication{ID: "late", Ref: alarm, Expires: time.Now().Add(-time.Second)})
	reliably(t, pub, calendar.Publication{ID: "2", Ref: alarm, Expires: time.Now().Add(time.Hour)})
	s.stop()
	s.start()
	up(t, pub, sub)
	reliably(t, pub, calendar.Publication{ID: "1", Ref: alarm}) // known after a restart too
	stop = consume(t, sub, "test", "enp:///ics/alarm?calid=anna", take)
	eventually(t, func() bool { return slices.Contains(got.ids(), "2") })
	stop()
	up(t, sub)
	if ids := tail(got.ids(), begun); !slices.Equal(ids, []string{"1", "2"}) || len(failed.ids()) != 1 {
		t.Errorf("the consumer got %v after %d, of which %v failed at first", ids, begun, failed.ids())
	}
	if !slices.Contains(ordinary.ids(), "2") {
		t.Errorf("the ordinary subscriber got %v", ordinary.ids())
	}
	reliably(t, pub, calendar.Publication{ID: "3", Ref: alarm})
	other := new(basket)
	consume(t, sub, "test", "enp:///ics/alarm?calid=anna", func(p calendar.Publication) error { other.add(p); return nil })
	eventually(t, other.has("3")) // and nothing again
}

// tail leaves out the first n and what stopping had made come again.
func tail(ids []string, n int) []string {
	return slices.DeleteFunc(slices.Clone(ids[n:]), func(id string) bool { return strings.HasPrefix(id, "first") })
}

// TestPool: consumers of one name share the work.
func TestPool(t *testing.T) {
	s := newSite(t)
	pub := s.connect()
	up(t, pub)
	var a, b basket
	take := func(k *basket) func(calendar.Publication) error {
		return func(p calendar.Publication) error { k.add(p); time.Sleep(time.Millisecond); return nil }
	}
	consume(t, s.connect(), "pool", "enp:///ics/alarm", take(&a))
	consume(t, s.connect(), "pool", "enp:///ics/alarm", take(&b))
	eventually(t, func() bool {
		reliably(t, pub, calendar.Publication{ID: fmt.Sprint("x", time.Now().UnixNano()), Ref: "enp:///ics/alarm"})
		return len(a.ids()) > 0 && len(b.ids()) > 0
	})
	all := append(a.ids(), b.ids()...)
	slices.Sort(all)
	if n := len(slices.Compact(slices.Clone(all))); n != len(all) {
		t.Errorf("%d of %d came twice", len(all)-n, len(all))
	}
}

func TestConsumeRefuses(t *testing.T) {
	b := newSite(t).connect()
	none := func(context.Context, calendar.Publication) error { return nil }
	if err := b.Consume(t.Context(), "a b", parse(t, "enp:///ics/alarm"), none); calendar.KindOf(err) != calendar.Invalid {
		t.Errorf("a bad name: %v", err)
	}
	if err := b.Consume(t.Context(), "a", calendar.EventRef{Topic: "alarm"}, none); calendar.KindOf(err) != calendar.Invalid {
		t.Errorf("a bad topic: %v", err)
	}
}

// TestTooLarge: a payload that the broker does not take is left out, and the rest
// arrives.
func TestTooLarge(t *testing.T) {
	s := newSite(t)
	b := s.connect()
	up(t, b)
	k := subscribe(t, b, "enp:///ics/*")
	if err := b.Publish(t.Context(), calendar.Publication{ID: "1", Ref: "enp:///ics/alarm", Data: make([]byte, 9<<20)}); err != nil {
		t.Fatal(err)
	}
	eventually(t, k.has("1"))
	if n := len(k.got[0].Data); n != 0 {
		t.Errorf("%d octets came", n)
	}
}

// TestSecret: without it nobody gets in.
func TestSecret(t *testing.T) {
	s := newSite(t)
	url := "nats://" + s.b.Addr().String()
	for _, opt := range []nats.Option{nats.Name("nobody"), nats.UserInfo(broker.User, "wrong"), nats.Token(secret)} {
		if conn, err := nats.Connect(url, opt); err == nil {
			conn.Close()
			t.Error("somebody got in without the secret")
		}
	}
	b, err := bus.Connect(bus.Options{URL: url, User: broker.User, Password: secret})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close(t.Context())
	up(t, b)
}

func BenchmarkPublish(b *testing.B) {
	pub := benchmarked(b)
	p := calendar.Publication{ID: "1", Ref: "enp:///ics/caleventcreate?calid=anna&uid=1", Data: make([]byte, 1000), ContentType: "text/xml", When: time.Now()}
	for b.Loop() {
		for pub.Stat().Waiting > 4000 {
			time.Sleep(100 * time.Microsecond)
		}
		if err := pub.Publish(b.Context(), p); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(pub.Stat().Lost), "lost")
}

func BenchmarkPublishReliably(b *testing.B) {
	pub := benchmarked(b)
	var n int
	var mu sync.Mutex
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			mu.Lock()
			n++
			p := calendar.Publication{ID: fmt.Sprint(n), Ref: "enp:///ics/alarm?calid=anna&uid=1", Data: make([]byte, 1000)}
			mu.Unlock()
			if err := pub.PublishReliably(context.Background(), p); err != nil {
				b.Error(err)
			}
		}
	})
}

func benchmarked(b *testing.B) *bus.Bus {
	br, err := broker.Start(broker.Options{Name: "bench", Host: "127.0.0.1", Dir: b.TempDir(), Secret: secret})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(br.Stop)
	pub, err := bus.Connect(bus.Options{InProcess: br, User: broker.User, Password: secret})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { pub.Close(context.Background()) })
	ctx, cancel := context.WithCancel(context.Background())
	b.Cleanup(cancel)
	go pub.Consume(ctx, "bench", calendar.EventRef{Topic: "enp:///ics/alarm"}, func(context.Context, calendar.Publication) error { return nil })
	for pub.Err() != nil {
		time.Sleep(time.Millisecond)
	}
	return pub
}
