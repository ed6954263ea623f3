package dwp

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"factotum/protocol/dwp/internal/wire"
	"factotum/server/acl"
	"factotum/server/calendar"
)

// TestNumbersStay: these numbers of the model are part of the protocol. One
// that changes here is a new field in dwp.proto.
func TestNumbersStay(t *testing.T) {
	for i, k := range []acl.Kind{acl.User, acl.Domain, acl.Everyone, acl.OwnerDomain, acl.Primary, acl.AnyOwner, acl.NotOwner, acl.Authenticated} {
		if int(k) != i+1 {
			t.Errorf("acl.Kind %d became %d", i+1, k)
		}
	}
	for i, r := range []acl.Rights{acl.Read, acl.Write, acl.Delete, acl.Schedule, acl.FreeBusy, acl.Lookup, acl.Reply, acl.Invite, acl.Cancel, acl.SelfAdmin} {
		if r != 1<<i {
			t.Errorf("right %v became %d, not %d", r, r, 1<<i)
		}
	}
	for i, m := range []calendar.TextMatching{calendar.Contains, calendar.BeginsWith, calendar.EndsWith, calendar.Exactly} {
		if int(m) != i {
			t.Errorf("calendar.TextMatching %d became %d", i, m)
		}
	}
	for i, k := range []calendar.CollectionKind{calendar.CalendarCollection, calendar.PlainCollection, calendar.InboxCollection,
		calendar.OutboxCollection, calendar.NotificationCollection} {
		if int(k) != i {
			t.Errorf("%v became %d, not %d", k, k, i)
		}
	}
	if acl.Components != 'c' || acl.Properties != 'p' || acl.Whole != 'a' {
		t.Error("the parts of a calendar have other letters")
	}
}

// TestLaterKind: a kind that a newer back end has is what its code says; one
// without details comes from gRPC itself.
func TestLaterKind(t *testing.T) {
	for code, want := range map[codes.Code]calendar.Kind{
		codes.NotFound: calendar.NotFound, codes.PermissionDenied: calendar.Denied, codes.FailedPrecondition: calendar.Stale,
		codes.Unavailable: calendar.Unavailable, codes.DataLoss: calendar.Internal,
	} {
		st, err := status.New(code, "x").WithDetails(&wire.Failure{Kind: "of-another-release", Reason: "r", Msg: []byte("m")})
		if err != nil {
			t.Fatal(err)
		}
		got := errorOf(t.Context(), "op", testHost, st.Err())
		if calendar.KindOf(got) != want || calendar.ReasonOf(got) != "r" || calendar.MessageOf(got) != "m" {
			t.Errorf("%v with a later kind: %v", code, got)
		}
		if got := errorOf(t.Context(), "op", testHost, status.Error(code, "x")); calendar.KindOf(got) != want {
			t.Errorf("%v alone: %v", code, got)
		}
	}
	got := errorOf(t.Context(), "op", testHost, status.Error(codes.Unimplemented, "no such method"))
	if calendar.KindOf(got) != calendar.Unavailable || !strings.Contains(calendar.MessageOf(got), testHost+" is of an earlier release") {
		t.Errorf("a method that an older back end lacks: %v", got)
	}
}

// TestLaterEntry: an entry of a list that this release does not know grants
// nothing, instead of something else.
func TestLaterEntry(t *testing.T) {
	for _, m := range []*wire.ACE{
		{Who: 256 + uint32(acl.Everyone), What: 'a', How: uint32(acl.AllRights), Grant: true},
		{Who: uint32(acl.Everyone) + 100, What: 'a', How: uint32(acl.AllRights), Grant: true},
		{Who: uint32(acl.Everyone), What: 256 + 'a', How: uint32(acl.AllRights), Grant: true},
	} {
		c, p := acl.List{fromACE(m)}.RightsOf(acl.Requester{User: "otto"}, acl.Owners{Primary: "anna"})
		if c|p != 0 {
			t.Errorf("%v grants %v and %v", m, c, p)
		}
	}
}

// TestKindOfCollection: the release before knows calendars and plain
// collections, and must take no other for a calendar; nor must this one take
// for a calendar what it does not know.
func TestKindOfCollection(t *testing.T) {
	for _, k := range calendar.CollectionKinds() {
		m := toCalendar(&calendar.Calendar{ID: "anna", Kind: k})
		if m.Plain != (k != calendar.CalendarCollection) {
			t.Errorf("%v is plain for others: %v", k, m.Plain)
		}
		if got := fromCalendar(m).Kind; got != k {
			t.Errorf("%v became %v", k, got)
		}
	}
	for _, tc := range []struct {
		m    *wire.Calendar
		want calendar.CollectionKind
	}{
		{&wire.Calendar{}, calendar.CalendarCollection},
		{&wire.Calendar{Plain: true}, calendar.PlainCollection},
		{&wire.Calendar{Plain: true, Kind: 77}, 77},
		{&wire.Calendar{Plain: true, Kind: 256}, 255},
	} {
		if got := fromCalendar(tc.m).Kind; got != tc.want {
			t.Errorf("%v became %v, not %v", tc.m, got, tc.want)
		}
	}
}

// earlier is a back end of before some methods came: of all it knows one.
type earlier struct {
	wire.UnimplementedBackendServer
}

func (earlier) Hello(context.Context, *wire.HelloRequest) (*wire.HelloAnswer, error) {
	return &wire.HelloAnswer{Version: 1, Oldest: 1, Names: []string{testHost}, Session: "s"}, nil
}

func (earlier) Calendar(context.Context, *wire.CalendarRequest) (*wire.CalendarAnswer, error) {
	return &wire.CalendarAnswer{Calendar: &wire.Calendar{Id: []byte("anna")}}, nil
}

// TestEarlierBackEnd: what a back end of an earlier release lacks is told as that, and
// all else goes on.
func TestEarlierBackEnd(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer()
	wire.RegisterBackendServer(srv, earlier{})
	go srv.Serve(ln)
	t.Cleanup(srv.Stop)
	client, err := NewClient(ClientOptions{Host: testHost, Address: ln.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	who := calendar.Actor{User: "anna"}
	works := func() {
		t.Helper()
		if c, err := client.Calendar(t.Context(), who, "anna"); err != nil || c.ID != "anna" {
			t.Errorf("what it knows: %+v, %v", c, err)
		}
	}
	works()
	for name, ask := range map[string]func() error{
		"Undo":    func() error { _, err := client.Undo(t.Context(), who, calendar.UndoRequest{}); return err },
		"Deliver": func() error { _, err := client.Deliver(t.Context(), who, calendar.DeliverRequest{}); return err },
		"History": func() error {
			_, err := client.History(t.Context(), who, calendar.HistoryRequest{}, func(calendar.HistoryEntry) error { return nil })
			return err
		},
	} {
		err := ask()
		if calendar.KindOf(err) != calendar.Unavailable || !strings.Contains(calendar.MessageOf(err), "earlier release") {
			t.Errorf("%s: %v", name, err)
		}
		works()
	}
}

// TestOlderCallers: a server knows which of those that are connected do not understand
// that a home has moved, and for as long as they are.
func TestOlderCallers(t *testing.T) {
	l := newLink()
	l.listen = "127.0.0.1:0"
	srv := l.serve(t, newEcho())
	if _, err := l.connect(t).Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if older := srv.Older(); len(older) != 0 {
		t.Errorf("of this release there are %q", older)
	}
	conn, err := grpc.NewClient(srv.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	api := wire.NewBackendClient(conn)
	if _, err := api.Hello(t.Context(), &wire.HelloRequest{Version: 5, Oldest: 1, Host: testHost, Look: true}); err != nil {
		t.Fatal(err)
	}
	if older := srv.Older(); len(older) != 0 {
		t.Errorf("who only looks is one: %q", older)
	}
	for range 2 {
		if _, err := api.Hello(t.Context(), &wire.HelloRequest{Version: 5, Oldest: 1, Host: testHost}); err != nil {
			t.Fatal(err)
		}
	}
	if older := srv.Older(); len(older) != 1 || !strings.HasPrefix(older[0], "127.0.0.1:") {
		t.Errorf("an older one: %q", older)
	}
	conn.Close()
	for end := time.Now().Add(2 * time.Minute); len(srv.Older()) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%q are told of still", srv.Older())
		}
	}
}
