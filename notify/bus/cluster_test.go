package bus_test

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"factotum/notify/bus"
	"factotum/server/calendar"
)

// cluster is three servers of NATS that the site has, in this process.
func cluster(t *testing.T) (members []*server.Server, urls string) {
	t.Helper()
	var routes []*url.URL
	var ports []int
	var taken []net.Listener
	for range 3 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, ln.Addr().(*net.TCPAddr).Port)
		routes = append(routes, &url.URL{Scheme: "nats", Host: ln.Addr().String()})
		taken = append(taken, ln)
	}
	for _, ln := range taken { // when each has another
		ln.Close()
	}
	var all []string
	for i, port := range ports {
		s, err := server.NewServer(&server.Options{ServerName: fmt.Sprint("nats", i+1), Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir(),
			Cluster: server.ClusterOpts{Name: "site", Host: "127.0.0.1", Port: port}, Routes: routes})
		if err != nil {
			t.Fatal(err)
		}
		go s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		members = append(members, s)
	}
	for _, s := range members {
		if !s.ReadyForConnections(2 * time.Minute) {
			t.Fatal("a server of the cluster is not ready")
		}
		all = append(all, s.ClientURL())
	}
	eventually(t, func() bool { // they know each other, and who leads
		leads := false
		for _, s := range members {
			if len(s.JetStreamClusterPeers()) == len(members) {
				leads = true
			}
		}
		return leads
	})
	return members, strings.Join(all, ",")
}

// TestClusterLosesOne: of three servers one goes away, the one that leads what is
// kept and that who publishes is connected to. What was stored is there, and what
// follows is stored and told, by the two that are left. docs/ens.md.
func TestClusterLosesOne(t *testing.T) {
	t.Parallel()
	members, urls := cluster(t)
	connect := func() *bus.Bus {
		b, err := bus.Connect(bus.Options{URL: urls})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close(t.Context()) })
		return b
	}
	pub, sub := connect(), connect()
	up(t, pub, sub)
	const alarm = "enp:///ics/alarm?calid=anna"
	got := new(basket)
	ordinary := subscribe(t, sub, "enp:///ics/*")
	// As whoever has alarms does: what was not stored is tried again, under its name.
	store := func(id string) {
		t.Helper()
		for end := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			err := pub.PublishReliably(ctx, calendar.Publication{ID: id, Ref: alarm})
			cancel()
			if err == nil {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s is not stored: %v", id, err)
			}
		}
	}
	stop := consume(t, sub, "test", alarm, func(p calendar.Publication) error { got.add(p); return nil })
	eventually(t, func() bool {
		store(fmt.Sprint("first", time.Now().UnixNano()))
		return len(got.ids()) > 0
	})
	stop() // what comes now waits at the cluster
	up(t, sub)
	begun := len(got.ids())
	for i := range 10 {
		store(fmt.Sprint("before", i))
	}
	lost := slices.IndexFunc(members, func(s *server.Server) bool { return s.JetStreamIsStreamLeader("$G", bus.Stream) })
	if lost < 0 {
		t.Fatal("nobody leads the stream")
	}
	members[lost].Shutdown()
	members[lost].WaitForShutdown()
	consume(t, sub, "test", alarm, func(p calendar.Publication) error { got.add(p); return nil })
	for i := range 10 {
		store(fmt.Sprint("after", i))
	}
	// What was asked for when the server went away comes again after a while.
	late := time.Now().Add(time.Minute)
	for len(tail(got.ids(), begun)) < 20 && time.Now().Before(late) {
		time.Sleep(10 * time.Millisecond)
	}
	ids := tail(got.ids(), begun)
	slices.Sort(ids)
	if len(slices.Compact(slices.Clone(ids))) != 20 {
		t.Errorf("the consumer got %v", ids)
	}
	// Ordinary publications: whoever publishes is connected to another by now.
	up(t, pub, sub)
	eventually(t, func() bool {
		if err := pub.Publish(t.Context(), calendar.Publication{ID: "ordinary", Ref: "enp:///ics/caleventcreate?calid=anna"}); err != nil {
			t.Fatal(err)
		}
		return slices.Contains(ordinary.ids(), "ordinary")
	})
	if st := pub.Stat(); st.Server == members[lost].Name() || !st.Connected {
		t.Errorf("connected to %q", st.Server)
	}
}
