package caldav

import (
	"context"
	"fmt"

	"factotum/server/acl"
	"factotum/server/calendar"
)

// deadBackend does not answer; other test back ends embed it.
type deadBackend struct{ calendar.Backend }

var errDead = &calendar.Error{Kind: calendar.Unavailable, Op: "call"}

func (deadBackend) Home(context.Context, calendar.Actor, calendar.HomeRequest) (calendar.Home, error) {
	return calendar.Home{}, errDead
}

func (deadBackend) Object(context.Context, calendar.Actor, calendar.Ref) (*calendar.Object, error) {
	return nil, errDead
}

func (deadBackend) PutObject(context.Context, calendar.Actor, calendar.PutRequest) (calendar.PutResult, error) {
	return calendar.PutResult{}, errDead
}

// fixedBackend answers with the same objects at once: what is measured or
// tested is the front alone.
type fixedBackend struct {
	calendar.Backend
	cal  calendar.Calendar
	objs []*calendar.Object
	fail int // number of objects after which the answer breaks off, 0 = never
}

func newFixed(n int) *fixedBackend {
	all := calendar.Rights{Components: acl.AllRights, Properties: acl.AllRights, Owner: true}
	b := &fixedBackend{cal: calendar.Calendar{ID: "anna", Incarnation: 7, Change: 99, DisplayName: "Anna", Rights: all}}
	for i := range n {
		data := event(fmt.Sprintf("uid-%04d@example.com", i), "20260301T090000Z", "Meeting & more")
		for len(data) < 1500 {
			data = data[:len(data)-len("END:VEVENT\r\nEND:VCALENDAR\r\n")] + "X-PAD:0123456789012345678901234567890123456789012345678901234567\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
		}
		b.objs = append(b.objs, &calendar.Object{Calendar: "anna", Name: fmt.Sprintf("uid-%04d@example.com.ics", i), UID: "u", Component: "VEVENT",
			Change: int64(i + 1), Size: len(data), Data: []byte(data)})
	}
	return b
}

func (b *fixedBackend) Home(context.Context, calendar.Actor, calendar.HomeRequest) (calendar.Home, error) {
	return calendar.Home{Owner: b.cal.ID.Owner()}, nil
}

func (b *fixedBackend) stream(emit func(*calendar.Object) error) error {
	for i, o := range b.objs {
		if b.fail > 0 && i == b.fail {
			return errDead
		}
		if err := emit(o); err != nil {
			return err
		}
	}
	return nil
}

func (b *fixedBackend) Calendar(context.Context, calendar.Actor, calendar.ID) (calendar.Calendar, error) {
	return b.cal, nil
}

func (b *fixedBackend) Object(_ context.Context, _ calendar.Actor, ref calendar.Ref) (*calendar.Object, error) {
	return b.objs[0], nil
}

func (b *fixedBackend) ListObjects(_ context.Context, _ calendar.Actor, _ calendar.ID, emit func(*calendar.Object) error) (calendar.Calendar, error) {
	return b.cal, b.stream(emit)
}

func (b *fixedBackend) Query(_ context.Context, _ calendar.Actor, _ calendar.QueryRequest, emit func(*calendar.Object) error) error {
	return b.stream(emit)
}

func (b *fixedBackend) Sync(_ context.Context, _ calendar.Actor, _ calendar.SyncRequest, emit func(calendar.SyncItem) error) (calendar.SyncResult, error) {
	return calendar.SyncResult{Token: b.cal.SyncToken()}, b.stream(func(o *calendar.Object) error { return emit(calendar.SyncItem{Object: o}) })
}

func (b *fixedBackend) Objects(_ context.Context, _ calendar.Actor, req calendar.ObjectsRequest, emit func(calendar.ObjectResult) error) error {
	for i, r := range req.Refs {
		if b.fail > 0 && i == b.fail {
			return errDead
		}
		if err := emit(calendar.ObjectResult{Ref: r, Object: b.objs[i%len(b.objs)]}); err != nil {
			return err
		}
	}
	return nil
}
