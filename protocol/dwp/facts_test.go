package dwp

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestFacts: a back end says how it is, and knows who has looked.
func TestFacts(t *testing.T) {
	ca := newAuthority(t)
	l := tlsLink(t, ca)
	proven := time.Date(2026, 5, 1, 2, 3, 4, 0, time.UTC)
	began := time.Date(2026, 5, 2, 0, 0, 0, 0, time.UTC)
	var passed atomic.Int64
	now := func() time.Time { return began.Add(time.Duration(passed.Load())) }
	l.server.Release, l.server.Now = "2.0", now
	l.server.Facts = func(context.Context) Facts {
		return Facts{Zones: "2026a", Store: "sqlite", Disks: []Disk{{"/var", 5, 10}}, Backups: true, Proven: proven, Problems: []string{"a role is not ready"}}
	}
	l.client.From, l.client.Release = "Front1.sesta.com", "1.9"
	client := l.open(t, newEcho())
	f, err := client.Facts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if f.Release != "2.0" || !f.Now.Equal(now()) || f.Zones != "2026a" || f.Store != "sqlite" || len(f.Disks) != 1 || f.Disks[0] != (Disk{"/var", 5, 10}) ||
		!f.Backups || !f.Proven.Equal(proven) || len(f.Problems) != 1 {
		t.Errorf("%+v", f)
	}
	if len(f.Neighbours) != 1 || f.Neighbours[0].Host != "front1.sesta.com" || f.Neighbours[0].Release != "1.9" || !f.Neighbours[0].Heard.Equal(now()) || f.Neighbours[0].Ahead < time.Hour {
		t.Errorf("%+v", f.Neighbours)
	}
	passed.Add(int64(time.Minute))
	if err := client.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	if f, _ = client.Facts(t.Context()); !f.Neighbours[0].Heard.Equal(now()) {
		t.Errorf("%+v", f.Neighbours)
	}
	passed.Add(int64(2 * forgetNeighbour))
	other := l.client
	other.From, other.Address = "front2.sesta.com", l.client.Address
	second, err := NewClient(other)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	client.Close()
	if f, err = second.Facts(t.Context()); err != nil || len(f.Neighbours) != 1 || f.Neighbours[0].Host != "front2.sesta.com" {
		t.Errorf("who is silent for long is told of still: %+v, %v", f.Neighbours, err)
	}
}

// TestHandshake: what is wrong with names and certificates is told at once.
func TestHandshake(t *testing.T) {
	ca, foreign := newAuthority(t), newAuthority(t)
	for name, c := range map[string]struct {
		change func(*link)
		want   string
	}{
		"well":                          {func(*link) {}, ""},
		"another name":                  {func(l *link) { l.server.TLS = ca.files(t, "calendar2.sesta.com") }, "calendar2.sesta.com"},
		"a foreign authority":           {func(l *link) { l.server.TLS = foreign.files(t, testHost); l.server.TLS.CA = ca.file }, "authority"},
		"a client of another authority": {func(l *link) { l.client.TLS = foreign.files(t, "front1.sesta.com"); l.client.TLS.CA = ca.file }, "refuses the certificate of this host"},
		"no TLS":                        {func(l *link) { l.server.TLS = nil }, "TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			l := tlsLink(t, ca)
			c.change(l)
			l.serve(t, newEcho())
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err := Handshake(ctx, l.client)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	if err := Handshake(t.Context(), ClientOptions{Host: "192.0.2.1", Address: "192.0.2.1:57779"}); err == nil || !strings.Contains(err.Error(), "is an IP address") {
		t.Errorf("an address: %v", err)
	}
	if err := Handshake(t.Context(), ClientOptions{Host: testHost, Address: closedPort(t), TLS: ca.files(t, "x.sesta.com")}); err == nil {
		t.Error("nobody is there")
	}
}
