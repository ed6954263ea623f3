package dwp

import (
	"context"
	"io"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"factotum/protocol/dwp/internal/wire"
	"factotum/server/acl"
	"factotum/server/calendar"
)

// FuzzRequests gives the server any octets as any request: it may refuse, but
// neither fall nor pass on filters without end.
func FuzzRequests(f *testing.F) {
	methods := wire.Backend_ServiceDesc.Methods
	add := func(m proto.Message) {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	text := "x"
	list := acl.MustParse(acl.DefaultCalendar)
	add(toUpdateCalendarRequest(&calendar.UpdateCalendarRequest{ID: "anna", DisplayName: &text, ACL: &list, CoOwners: &[]string{"b"}}))
	add(toPutRequest(&calendar.PutRequest{Ref: calendar.Ref{Calendar: "anna", Name: "a"}, Data: []byte("data"), Precond: calendar.Precond{IfMatch: []string{"*"}}}))
	filter := calendar.CompFilter{Name: "VEVENT", TimeRange: &calendar.Window{}}
	for range 100 {
		filter = calendar.CompFilter{Name: "VEVENT", Comps: []calendar.CompFilter{filter}}
	}
	add(toQueryRequest(&calendar.QueryRequest{Filter: &filter, Data: calendar.DataRequest{Comp: &calendar.CompSelect{}}}))
	add(toFreeBusyRequest(&calendar.FreeBusyRequest{Targets: []calendar.FreeBusyTarget{{Calendar: "anna"}}}))
	add(&wire.HelloRequest{Version: Version, Host: testHost})
	f.Add([]byte{0x0a, 0xff})

	l := newLink()
	s := l.serve(f, newEcho())
	svc := &service{backend: newEcho(), server: s}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, m := range methods {
			if _, err := m.Handler(svc, t.Context(), func(req any) error { return proto.Unmarshal(b, req.(proto.Message)) }, nil); err == nil {
				continue
			}
		}
		for _, m := range wire.Backend_ServiceDesc.Streams {
			st := &fuzzStream{ctx: t.Context(), data: b}
			if err := m.Handler(svc, st); err == nil && st.sent > 1 {
				t.Errorf("%s answered %d messages about nothing", m.StreamName, st.sent)
			}
		}
		var q wire.QueryRequest
		if proto.Unmarshal(b, &q) == nil {
			if n := depth(fromQueryRequest(&q).Filter); checkQueryRequest(&q) == nil && n > maxNesting {
				t.Errorf("a filter of %d levels went through", n)
			}
		}
	})
}

func depth(f *calendar.CompFilter) int {
	if f == nil {
		return 0
	}
	n := 0
	for i := range f.Comps {
		n = max(n, depth(&f.Comps[i]))
	}
	return n + 1
}

// fuzzStream brings one message and takes any.
type fuzzStream struct {
	grpc.ServerStream
	ctx  context.Context
	data []byte
	read bool
	sent int
}

func (s *fuzzStream) Context() context.Context { return s.ctx }

func (s *fuzzStream) RecvMsg(m any) error {
	if s.read {
		return io.EOF
	}
	s.read = true
	return proto.Unmarshal(s.data, m.(proto.Message))
}

func (s *fuzzStream) SendMsg(any) error { s.sent++; return nil }
