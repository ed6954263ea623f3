package main

import (
	"context"
	"log/slog"
	"math"
	"net"
	"strconv"
	"testing"
	"time"

	"factotum/cmd/internal/hosttest"
	"factotum/notify/broker"
	"factotum/notify/bus"
	"factotum/server/calendar"
	"factotum/server/config"
)

// TestPublishJobs: a publication that is a job waits for the broker, is brought to it
// once it is there, and is given up where that is of no use.
func TestPublishJobs(t *testing.T) {
	const secret = "a secret of this test"
	port, err := strconv.Atoi(freePort(t, "127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := bus.Connect(bus.Options{URL: "nats://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), User: broker.User, Password: secret})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close(t.Context())
	s := &storeService{bus: b, log: slog.New(slog.DiscardHandler)}
	job := func(p calendar.Publication) calendar.Job {
		j, err := p.Job("")
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	alarm := job(calendar.Publication{ID: "1", Ref: "enp:///ics/alarm?calid=anna", Expires: time.Now().Add(time.Hour)})
	if err := s.publish(t.Context(), alarm); calendar.KindOf(err) != calendar.Unavailable {
		t.Fatalf("without a broker: %v", err)
	}
	if err := s.publish(t.Context(), job(calendar.Publication{ID: "2", Ref: "enp:///ics/alarm", Expires: time.Now().Add(-time.Second)})); err != nil {
		t.Errorf("one that has expired: %v", err)
	}
	br, err := broker.Start(broker.Options{Name: "test", Host: "127.0.0.1", Port: port, Dir: t.TempDir(), Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	defer br.Stop()
	ctx, stop := context.WithTimeout(t.Context(), hosttest.Patience)
	defer stop()
	got := make(chan calendar.Publication, 8)
	go b.Consume(ctx, "test", calendar.EventRef{Topic: "enp:///ics/alarm"}, func(_ context.Context, p calendar.Publication) error { got <- p; return nil })
	for came := false; !came; {
		if kept, err := b.Kept(ctx); err != nil || kept.Consumers == 0 { // it is still being made
			if ctx.Err() != nil {
				t.Fatal("the broker does not answer")
			}
			time.Sleep(10 * time.Millisecond)
			continue
		}
		if err := s.publish(ctx, alarm); err != nil {
			t.Fatal(err)
		}
		if p := <-got; p.ID != "1" {
			t.Errorf("got %+v", p)
		}
		came = true
	}
	for _, bad := range []calendar.Job{job(calendar.Publication{ID: "3", Ref: "alarm"}), {Kind: calendar.JobPublish, Payload: []byte("{")}} {
		if err := s.publish(ctx, bad); err == nil || calendar.KindOf(err) == calendar.Unavailable {
			t.Errorf("%s: %v", bad.Payload, err)
		}
	}
	if err := (&storeService{}).publish(ctx, alarm); err != nil {
		t.Errorf("where there is no ENS: %v", err)
	}
}

func TestPublishPauses(t *testing.T) {
	for _, c := range []struct {
		retry, tries, attempts int
	}{{300, -1, math.MaxInt}, {300, 3, 4}, {0, -1, 1}} {
		cfg := config.Default()
		cfg.Alarms.Retry, cfg.Alarms.MaxRetries = time.Duration(c.retry)*time.Second, c.tries
		if k := (&storeService{}).publishKind(cfg); k.Attempts != c.attempts || k.First != 5*time.Second || k.Pool == nil {
			t.Errorf("%+v: %d attempts, %v", c, k.Attempts, k.First)
		}
	}
}

// TestWhoseBroker: enpd belongs to the host that service.ens.host names.
func TestWhoseBroker(t *testing.T) {
	for _, c := range []struct {
		host, nats string
		enable     bool
		here, used bool
	}{
		{"localhost", "", true, true, true},
		{"127.0.0.1", "", false, true, false},
		{"here.example.com", "", true, true, true},
		{"elsewhere.example.com", "", false, false, true},
		{"192.0.2.7", "", true, false, true},
		{"localhost", "nats://a:b@192.0.2.7", false, false, true},
	} {
		cfg := config.Default()
		cfg.Local.Hostname, cfg.ENS.Host, cfg.ENS.Enable, cfg.ENS.NATS = "here.example.com", c.host, c.enable, config.Secret(c.nats)
		if here, used := ensHere(cfg), ensUsed(cfg); here != c.here || used != c.used {
			t.Errorf("%+v: here %v, used %v", c, here, used)
		}
	}
}
