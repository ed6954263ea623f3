package dwp

import (
	"context"
	"errors"
	"io"
	"slices"

	"google.golang.org/grpc"

	"factotum/protocol/dwp/internal/wire"
	"factotum/server/calendar"
)

// service is the generated interface over a Backend: read, call, write.
type service struct {
	wire.UnimplementedBackendServer
	backend calendar.Backend
	server  *Server
}

func (s *service) Hello(ctx context.Context, m *wire.HelloRequest) (*wire.HelloAnswer, error) {
	return s.server.hello(ctx, m)
}

func (s *service) Home(ctx context.Context, m *wire.HomeRequest) (*wire.HomeAnswer, error) {
	h, err := s.backend.Home(ctx, fromActor(m.GetActor()), calendar.HomeRequest{
		Owner: calendar.Owner(m.GetOwner()), Provision: m.GetProvision(), Counts: m.GetCounts(),
	})
	if err != nil {
		return nil, err
	}
	return &wire.HomeAnswer{
		Owner: toText(h.Owner), Change: h.Change, Calendars: each(h.Calendars, toCalendar),
		UsedBytes: h.UsedBytes, MaxBytes: h.MaxBytes, Rights: toRights(h.Rights),
	}, nil
}

func calendarAnswer(c calendar.Calendar, err error) (*wire.CalendarAnswer, error) {
	if err != nil {
		return nil, err
	}
	return &wire.CalendarAnswer{Calendar: toCalendar(&c)}, nil
}

func done(err error) (*wire.Done, error) {
	if err != nil {
		return nil, err
	}
	return &wire.Done{}, nil
}

func (s *service) Calendar(ctx context.Context, m *wire.CalendarRequest) (*wire.CalendarAnswer, error) {
	return calendarAnswer(s.backend.Calendar(ctx, fromActor(m.GetActor()), calendar.ID(m.GetId())))
}

func (s *service) CreateCalendar(ctx context.Context, m *wire.CreateCalendarRequest) (*wire.CalendarAnswer, error) {
	return calendarAnswer(s.backend.CreateCalendar(ctx, fromActor(m.GetActor()), calendar.CreateCalendarRequest{
		Calendar: fromCalendar(m.GetCalendar()), DefaultACL: m.GetDefaultAcl(),
	}))
}

func (s *service) UpdateCalendar(ctx context.Context, m *wire.UpdateCalendarRequest) (*wire.CalendarAnswer, error) {
	return calendarAnswer(s.backend.UpdateCalendar(ctx, fromActor(m.GetActor()), fromUpdate(m)))
}

func (s *service) DeleteCalendar(ctx context.Context, m *wire.DeleteCalendarRequest) (*wire.Done, error) {
	return done(s.backend.DeleteCalendar(ctx, fromActor(m.GetActor()), calendar.DeleteCalendarRequest{
		ID: calendar.ID(m.GetId()), IfMatch: fromTexts[string](m.GetIfMatch()),
	}))
}

func (s *service) CopyCalendar(ctx context.Context, m *wire.CopyRequest) (*wire.CopyAnswer, error) {
	r, err := s.backend.CopyCalendar(ctx, fromActor(m.GetActor()), fromCopy(m))
	if err != nil {
		return nil, err
	}
	return toCopyAnswer(&r), nil
}

func (s *service) CopyObject(ctx context.Context, m *wire.CopyRequest) (*wire.CopyAnswer, error) {
	r, err := s.backend.CopyObject(ctx, fromActor(m.GetActor()), fromCopy(m))
	if err != nil {
		return nil, err
	}
	return toCopyAnswer(&r), nil
}

func (s *service) Object(ctx context.Context, m *wire.ObjectRequest) (*wire.ObjectAnswer, error) {
	o, err := s.backend.Object(ctx, fromActor(m.GetActor()), fromRef(m.GetRef()))
	if err != nil {
		return nil, err
	}
	return &wire.ObjectAnswer{Object: toObject(o)}, nil
}

func (s *service) PutObject(ctx context.Context, m *wire.PutRequest) (*wire.PutAnswer, error) {
	r, err := s.backend.PutObject(ctx, fromActor(m.GetActor()), fromPut(m))
	if err != nil {
		return nil, err
	}
	return &wire.PutAnswer{Object: toObject(&r.Object), Created: r.Created}, nil
}

func (s *service) DeleteObject(ctx context.Context, m *wire.DeleteRequest) (*wire.Done, error) {
	return done(s.backend.DeleteObject(ctx, fromActor(m.GetActor()), calendar.DeleteRequest{
		Ref: fromRef(m.GetRef()), Precond: fromPrecond(m.GetPrecond()),
	}))
}

func (s *service) PatchProps(ctx context.Context, m *wire.PatchPropsRequest) (*wire.Done, error) {
	return done(s.backend.PatchProps(ctx, fromActor(m.GetActor()), fromRef(m.GetRef()), eachOf(m.GetChanges(), fromChange)))
}

func (s *service) SyncHome(ctx context.Context, m *wire.SyncHomeRequest) (*wire.SyncHomeAnswer, error) {
	r, err := s.backend.SyncHome(ctx, fromActor(m.GetActor()), calendar.SyncHomeRequest{
		Owner: calendar.Owner(m.GetOwner()), Token: string(m.GetToken()),
	})
	if err != nil {
		return nil, err
	}
	return &wire.SyncHomeAnswer{Token: toText(r.Token), Changed: each(r.Changed, toCalendar), Removed: toTexts(r.Removed)}, nil
}

func (s *service) SearchCalendars(ctx context.Context, m *wire.SearchCalendarsRequest) (*wire.SearchCalendarsAnswer, error) {
	found, err := s.backend.SearchCalendars(ctx, fromActor(m.GetActor()), fromSearch(m))
	if err != nil {
		return nil, err
	}
	return &wire.SearchCalendarsAnswer{Calendars: each(found, toCalendar)}, nil
}

func (s *service) FreeBusy(ctx context.Context, m *wire.FreeBusyRequest) (*wire.FreeBusyAnswer, error) {
	r, err := s.backend.FreeBusy(ctx, fromActor(m.GetActor()), fromFreeBusy(m))
	if err != nil {
		return nil, err
	}
	return &wire.FreeBusyAnswer{Items: each(r, toBusy)}, nil
}

func (s *service) Prefs(ctx context.Context, m *wire.PrefsRequest) (*wire.PrefsAnswer, error) {
	prefs, err := s.backend.Prefs(ctx, fromActor(m.GetActor()), calendar.Owner(m.GetOwner()))
	if err != nil {
		return nil, err
	}
	return &wire.PrefsAnswer{Prefs: toPrefs(prefs)}, nil
}

func (s *service) SetPrefs(ctx context.Context, m *wire.SetPrefsRequest) (*wire.Done, error) {
	return done(s.backend.SetPrefs(ctx, fromActor(m.GetActor()), calendar.SetPrefsRequest{
		Owner: calendar.Owner(m.GetOwner()), Set: fromPrefs(m.GetSet()), Remove: fromTexts[string](m.GetRemove()),
		Compare: m.GetCompare(), Was: fromPrefs(m.GetWas()),
	}))
}

func (s *service) Ping(ctx context.Context, _ *wire.PingRequest) (*wire.PingAnswer, error) {
	st, err := s.backend.Ping(ctx)
	if err != nil {
		return nil, err
	}
	return &wire.PingAnswer{
		Host: toText(st.Host), Store: toText(st.Store), Version: toText(st.Version), Started: toTime(st.Started),
		Owners: int64(st.Owners), Objects: st.Objects, ReadOnly: st.ReadOnly,
	}, nil
}

// Streams. Items are gathered to batches, so that a message costs little for
// each of them and still the first ones leave soon.

type batch[T any] struct {
	items []*T
	bytes int
	send  func([]*T) error
}

func (b *batch[T]) add(item *T, bytes int) error {
	b.items = append(b.items, item)
	b.bytes += bytes
	if len(b.items) < batchItems && b.bytes < batchBytes {
		return nil
	}
	return b.flush()
}

func (b *batch[T]) flush() error {
	if len(b.items) == 0 {
		return nil
	}
	err := b.send(b.items)
	b.items, b.bytes = b.items[:0], 0
	if err != nil {
		return &sendError{err}
	}
	return nil
}

// objectBatch is a batch that uses its messages again: once sent they are
// encoded.
type objectBatch struct {
	batch[wire.Object]
	used []*wire.Object
}

func (b *objectBatch) emit(o *calendar.Object) error {
	n := len(b.items)
	if n == len(b.used) {
		b.used = append(b.used, new(wire.Object))
	}
	fillObject(b.used[n], o)
	return b.add(b.used[n], len(o.Data))
}

func (s *service) ListObjects(m *wire.CalendarRequest, st grpc.ServerStreamingServer[wire.ListObjectsAnswer]) error {
	var b objectBatch
	b.send = func(objects []*wire.Object) error { return st.Send(&wire.ListObjectsAnswer{Objects: objects}) }
	c, err := s.backend.ListObjects(st.Context(), fromActor(m.GetActor()), calendar.ID(m.GetId()), b.emit)
	if err != nil {
		return err
	}
	return st.Send(&wire.ListObjectsAnswer{Objects: b.items, Calendar: toCalendar(&c)})
}

func (s *service) Objects(m *wire.ObjectsRequest, st grpc.ServerStreamingServer[wire.ObjectsAnswer]) error {
	data, err := fromData(m.GetData())
	if err != nil {
		return err
	}
	b := batch[wire.ObjectItem]{send: func(items []*wire.ObjectItem) error { return st.Send(&wire.ObjectsAnswer{Items: items}) }}
	req := calendar.ObjectsRequest{
		Refs: eachOf(m.GetRefs(), fromRef), Data: data, Calendar: calendar.ID(m.GetCalendar()), UIDs: fromTexts[string](m.GetUids()),
	}
	err = s.backend.Objects(st.Context(), fromActor(m.GetActor()), req, func(r calendar.ObjectResult) error {
		size := 0
		if r.Object != nil {
			size = len(r.Object.Data)
		}
		return b.add(&wire.ObjectItem{Ref: toRef(r.Ref), Object: toObject(r.Object), Failure: toFailure(r.Err)}, size)
	})
	if err != nil {
		return err
	}
	return b.flush()
}

func (s *service) Query(m *wire.QueryRequest, st grpc.ServerStreamingServer[wire.QueryAnswer]) error {
	req, err := fromQuery(m)
	if err != nil {
		return err
	}
	var b objectBatch
	b.send = func(objects []*wire.Object) error { return st.Send(&wire.QueryAnswer{Objects: objects}) }
	if err := s.backend.Query(st.Context(), fromActor(m.GetActor()), req, b.emit); err != nil {
		return err
	}
	return b.flush()
}

func (s *service) Sync(m *wire.SyncRequest, st grpc.ServerStreamingServer[wire.SyncAnswer]) error {
	b := batch[wire.SyncItem]{send: func(items []*wire.SyncItem) error { return st.Send(&wire.SyncAnswer{Items: items}) }}
	r, err := s.backend.Sync(st.Context(), fromActor(m.GetActor()), fromSync(m), func(it calendar.SyncItem) error {
		size := 0
		if it.Object != nil {
			size += len(it.Object.Data)
		}
		if it.Gone != nil {
			size += len(it.Gone.Data)
		}
		return b.add(&wire.SyncItem{Object: toObject(it.Object), Gone: toTombstone(it.Gone)}, size)
	})
	if err != nil {
		return err
	}
	return st.Send(&wire.SyncAnswer{Items: b.items, Result: &wire.SyncResult{
		Token: toText(r.Token), More: r.More, Calendar: toCalendar(&r.Calendar),
	}})
}

// maxImport bounds what one PutObjects holds in memory.
const maxImport = 256 << 20

func (s *service) PutObjects(st grpc.BidiStreamingServer[wire.PutObjectsRequest, wire.PutObjectsAnswer]) error {
	first, err := st.Recv()
	if err != nil {
		return err
	}
	req := calendar.PutObjectsRequest{Calendar: calendar.ID(first.GetCalendar()), Replace: first.GetReplace()}
	total := 0
	for m := first; ; {
		req.Items = slices.Grow(req.Items, len(m.GetItems()))
		for _, it := range m.GetItems() {
			total += len(it.GetData()) + len(it.GetName()) + 64
			if total > maxImport {
				return &calendar.Error{Kind: calendar.TooLarge, Op: "put objects", Ref: string(req.Calendar), Msg: "the import is too large for one request"}
			}
			req.Items = append(req.Items, calendar.PutItem{Name: string(it.GetName()), Data: it.GetData()})
		}
		if m, err = st.Recv(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
	}
	results, err := s.backend.PutObjects(st.Context(), fromActor(first.GetActor()), req)
	if err != nil {
		return err
	}
	b := batch[wire.PutItemAnswer]{send: func(items []*wire.PutItemAnswer) error { return st.Send(&wire.PutObjectsAnswer{Items: items}) }}
	for i := range results {
		r := &results[i]
		item := &wire.PutItemAnswer{
			Name: toText(r.Name), Uid: toText(r.UID), Created: r.Created, Unchanged: r.Unchanged, Failure: toFailure(r.Err),
		}
		if err := b.add(item, 0); err != nil {
			return err
		}
	}
	return b.flush()
}
