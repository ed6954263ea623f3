package dwp

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"factotum/protocol/dwp/internal/wire"
	"factotum/server/calendar"
)

// unpaged is what a front end of the release before asks, and a back end of it
// understands: nobody asks for pages.
type unpaged struct{ wire.BackendClient }

func (u unpaged) ListObjects(ctx context.Context, in *wire.CalendarRequest, opts ...grpc.CallOption) (grpc.ServerStreamingClient[wire.ListObjectsAnswer], error) {
	in = proto.CloneOf(in)
	in.Packed = false
	return u.BackendClient.ListObjects(ctx, in, opts...)
}

func (u unpaged) Sync(ctx context.Context, in *wire.SyncRequest, opts ...grpc.CallOption) (grpc.ServerStreamingClient[wire.SyncAnswer], error) {
	in = proto.CloneOf(in)
	in.Packed = false
	return u.BackendClient.Sync(ctx, in, opts...)
}

func (u unpaged) Query(ctx context.Context, in *wire.QueryRequest, opts ...grpc.CallOption) (grpc.ServerStreamingClient[wire.QueryAnswer], error) {
	in = proto.CloneOf(in)
	in.Packed = false
	return u.BackendClient.Query(ctx, in, opts...)
}

// Lists come in pages or, where one of the hosts does not know these, as
// messages: with the same content.
func TestPagesAndMessages(t *testing.T) {
	testNow := time.Date(2026, 9, 1, 9, 30, 0, 1000, time.UTC)
	objs := []*calendar.Object{
		{Calendar: "anna", Name: "a.ics", UID: "a", Component: "VEVENT", Change: 7, ScheduleTag: 3, Created: testNow, Modified: testNow.Add(1000), Size: 12, Data: []byte("text")},
		{Calendar: "anna:work", Name: "x", UID: "other", Component: "VTODO", Change: 2, ScheduleTag: 2, ContentType: "text/x", Data: []byte{}, Masked: true},
		{Calendar: "anna:work", Props: []calendar.DeadProp{{Space: "s", Local: "l", Value: "\xff"}, {}}, Refused: calendar.Failf(calendar.TooMany, "r", "op", "ref", "much")},
		{Name: "a.ics", UID: "a.ics", Change: -1, ScheduleTag: 1 << 62, Size: -3},
	}
	gone := &calendar.Tombstone{Calendar: "anna", Name: "gone.ics", UID: "gone", Component: "VEVENT", Change: 9, Deleted: testNow, By: "bert", Data: []byte("old")}
	items := []calendar.SyncItem{{Object: objs[0]}, {Gone: gone}, {}, {Object: objs[1], Gone: gone}, {Object: objs[2]}, {Gone: &calendar.Tombstone{}}}
	for range 3 * pageItems {
		objs = append(objs, objs[0])
		items = append(items, items[0])
	}
	e := newEcho()
	c := newLink().open(t, e)
	same := []cmp.Option{cmpopts.EquateEmpty(), cmpopts.IgnoreFields(calendar.Object{}, "Refused")}
	e.answer = []any{calendar.Status{}}
	if _, err := c.Ping(t.Context()); err != nil { // it has greeted, and reads api no more by itself
		t.Fatal(err)
	}
	api := c.api
	for name, a := range map[string]wire.BackendClient{"pages": api, "messages": unpaged{api}} {
		c.api = a
		var got []*calendar.Object
		take := func(o *calendar.Object) error { got = append(got, o); return nil }
		check := func(what string, err error) {
			t.Helper()
			if d := cmp.Diff(objs, got, same...); d != "" || err != nil {
				t.Errorf("%s by %s: %v %s", what, name, err, d)
			} else if r := got[2].Refused; calendar.KindOf(r) != calendar.TooMany || calendar.MessageOf(r) != "much" || (got[1].Data == nil) != (objs[1].Data == nil) {
				t.Errorf("%s by %s: %v %v", what, name, r, got[1].Data)
			}
			got = nil
		}
		e.answer = []any{calendar.Calendar{ID: "anna"}, objs}
		_, err := c.ListObjects(t.Context(), calendar.Actor{}, "anna", take)
		check("a list", err)
		e.answer = []any{objs}
		check("a query", c.Query(t.Context(), calendar.Actor{}, calendar.QueryRequest{}, take))
		e.answer = []any{calendar.SyncResult{Token: "t"}, items}
		var synced []calendar.SyncItem
		res, err := c.Sync(t.Context(), calendar.Actor{}, calendar.SyncRequest{}, func(it calendar.SyncItem) error { synced = append(synced, it); return nil })
		if d := cmp.Diff(items, synced, same...); d != "" || err != nil || res.Token != "t" {
			t.Errorf("a sync by %s: %v %v %s", name, res, err, d)
		}
		stop := errors.New("stop")
		e.answer = []any{objs}
		if err := c.Query(t.Context(), calendar.Actor{}, calendar.QueryRequest{}, func(*calendar.Object) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("%s, stopped: %v", name, err)
		}
	}
}

// Who keeps nothing is given the same place each time, with another object in it.
func TestPagesFleeting(t *testing.T) {
	p := newPacker(nil)
	defer p.free()
	for _, o := range []*calendar.Object{{Name: "a", Masked: true, Props: []calendar.DeadProp{{}}, Data: []byte("x")}, {Name: "b"}} {
		if err := p.object(o); err != nil {
			t.Fatal(err)
		}
	}
	var places []*calendar.Object
	var names []string
	err := takePageObjects(calendar.Fleeting(t.Context()), p.rest(), func(o *calendar.Object) error {
		places, names = append(places, o), append(names, o.Name)
		return nil
	})
	if err != nil || !slices.Equal(names, []string{"a", "b"}) || places[0] != places[1] {
		t.Error(names, err)
	}
	if d := cmp.Diff(&calendar.Object{Name: "b"}, places[1], cmpopts.EquateEmpty()); d != "" {
		t.Error(d)
	}
}

// FuzzPage: whatever a page says, it is read or refused.
func FuzzPage(f *testing.F) {
	p := newPacker(nil)
	for _, it := range []calendar.SyncItem{
		{Object: &calendar.Object{Calendar: "anna", Name: "a.ics", UID: "a", Change: 5, Data: []byte("text"), Props: []calendar.DeadProp{{Value: "v"}}, Refused: errPage}},
		{Gone: &calendar.Tombstone{Name: "b", Data: []byte{}}}, {},
	} {
		if err := p.syncItem(it); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(p.page.Items, slices.Clone(p.page.Heads), slices.Clone(p.page.Texts))
	f.Add(uint32(1<<31), []byte{}, []byte{})
	f.Add(uint32(2), []byte{bitObject, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, []byte{})
	f.Fuzz(func(t *testing.T, items uint32, heads, texts []byte) {
		n := 0
		err := takePageItems(t.Context(), &wire.Page{Items: items, Heads: heads, Texts: texts}, func(calendar.SyncItem) error { n++; return nil })
		if n > len(heads) || err == nil && n != int(items) {
			t.Errorf("%d items of %d, %v", n, items, err)
		}
	})
}
