package dwp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"

	"factotum/protocol/dwp/internal/wire"
	"factotum/server/calendar"
)

// Home implements calendar.Backend.
func (c *Client) Home(ctx context.Context, who calendar.Actor, req calendar.HomeRequest) (calendar.Home, error) {
	m, err := unary(ctx, c, "home", always, c.api.Home, &wire.HomeRequest{
		Actor: toActor(who), Owner: toText(req.Owner), Provision: req.Provision, Counts: req.Counts,
	})
	if err != nil {
		return calendar.Home{}, err
	}
	return calendar.Home{
		Owner: calendar.Owner(m.GetOwner()), Change: m.GetChange(), Calendars: eachOf(m.GetCalendars(), fromCalendar),
		UsedBytes: m.GetUsedBytes(), MaxBytes: m.GetMaxBytes(), Rights: fromRights(m.GetRights()),
	}, nil
}

func oneCalendar(m *wire.CalendarAnswer, err error) (calendar.Calendar, error) {
	if err != nil {
		return calendar.Calendar{}, err
	}
	return fromCalendar(m.GetCalendar()), nil
}

// Calendar implements calendar.Backend.
func (c *Client) Calendar(ctx context.Context, who calendar.Actor, id calendar.ID) (calendar.Calendar, error) {
	return oneCalendar(unary(ctx, c, "calendar", never, c.api.Calendar, &wire.CalendarRequest{Actor: toActor(who), Id: toText(id)}))
}

// CreateCalendar implements calendar.Backend.
func (c *Client) CreateCalendar(ctx context.Context, who calendar.Actor, req calendar.CreateCalendarRequest) (calendar.Calendar, error) {
	return oneCalendar(unary(ctx, c, "create calendar", withToken, c.api.CreateCalendar, &wire.CreateCalendarRequest{
		Actor: toActor(who), Calendar: toCalendar(&req.Calendar), DefaultAcl: req.DefaultACL,
	}))
}

// UpdateCalendar implements calendar.Backend.
func (c *Client) UpdateCalendar(ctx context.Context, who calendar.Actor, req calendar.UpdateCalendarRequest) (calendar.Calendar, error) {
	return oneCalendar(unary(ctx, c, "update calendar", withToken, c.api.UpdateCalendar, toUpdate(who, &req)))
}

// DeleteCalendar implements calendar.Backend.
func (c *Client) DeleteCalendar(ctx context.Context, who calendar.Actor, req calendar.DeleteCalendarRequest) error {
	_, err := unary(ctx, c, "delete calendar", withToken, c.api.DeleteCalendar, &wire.DeleteCalendarRequest{
		Actor: toActor(who), Id: toText(req.ID), IfMatch: toTexts(req.IfMatch),
	})
	return err
}

func oneCopy(m *wire.CopyAnswer, err error) (calendar.CopyResult, error) {
	if err != nil {
		return calendar.CopyResult{}, err
	}
	return fromCopyAnswer(m), nil
}

// CopyCalendar implements calendar.Backend.
func (c *Client) CopyCalendar(ctx context.Context, who calendar.Actor, req calendar.CopyRequest) (calendar.CopyResult, error) {
	return oneCopy(unary(ctx, c, "copy calendar", withToken, c.api.CopyCalendar, toCopy(who, &req)))
}

// CopyObject implements calendar.Backend.
func (c *Client) CopyObject(ctx context.Context, who calendar.Actor, req calendar.CopyRequest) (calendar.CopyResult, error) {
	return oneCopy(unary(ctx, c, "copy object", withToken, c.api.CopyObject, toCopy(who, &req)))
}

// takeObjects hands a message's objects to emit.
func takeObjects(in []*wire.Object, emit func(*calendar.Object) error) error {
	objects := make([]calendar.Object, len(in))
	for i, m := range in {
		readObject(&objects[i], m, &objects[max(i-1, 0)])
		if err := emit(&objects[i]); err != nil {
			return err
		}
	}
	return nil
}

// ListObjects implements calendar.Backend.
func (c *Client) ListObjects(ctx context.Context, who calendar.Actor, id calendar.ID, emit func(*calendar.Object) error) (calendar.Calendar, error) {
	var last *wire.Calendar
	err := stream(ctx, c, "list objects", c.api.ListObjects, &wire.CalendarRequest{Actor: toActor(who), Id: toText(id)},
		func(m *wire.ListObjectsAnswer) error {
			last = m.GetCalendar()
			return takeObjects(m.GetObjects(), emit)
		})
	if err == nil && last == nil {
		err = errCut("list objects")
	}
	if err != nil {
		return calendar.Calendar{}, err
	}
	return fromCalendar(last), nil
}

// Object implements calendar.Backend.
func (c *Client) Object(ctx context.Context, who calendar.Actor, ref calendar.Ref) (*calendar.Object, error) {
	m, err := unary(ctx, c, "object", never, c.api.Object, &wire.ObjectRequest{Actor: toActor(who), Ref: toRef(ref)})
	if err != nil {
		return nil, err
	}
	o := new(calendar.Object)
	readObject(o, m.GetObject(), nil)
	return o, nil
}

// Objects implements calendar.Backend.
func (c *Client) Objects(ctx context.Context, who calendar.Actor, req calendar.ObjectsRequest, emit func(calendar.ObjectResult) error) error {
	n := 0
	err := stream(ctx, c, "objects", c.api.Objects,
		&wire.ObjectsRequest{
			Actor: toActor(who), Refs: each(req.Refs, func(r *calendar.Ref) *wire.Ref { return toRef(*r) }), Data: toData(&req.Data),
			Calendar: toText(req.Calendar), Uids: toTexts(req.UIDs),
		},
		func(m *wire.ObjectsAnswer) error {
			for _, it := range m.GetItems() {
				n++
				if err := emit(calendar.ObjectResult{Ref: fromRef(it.GetRef()), Object: fromObject(it.GetObject()), Err: fromFailure(it.GetFailure())}); err != nil {
					return err
				}
			}
			return nil
		})
	if err == nil && n != len(req.Refs)+len(req.UIDs) {
		err = errCut("objects")
	}
	return err
}

// PutObject implements calendar.Backend. A request without a token gets one,
// and is sent once more when the connection breaks before the answer: the
// back end answers a token that it knows without writing again.
func (c *Client) PutObject(ctx context.Context, who calendar.Actor, req calendar.PutRequest) (calendar.PutResult, error) {
	if req.Token == "" {
		req.Token = rand.Text()
	}
	m, err := unary(ctx, c, "put object", always, c.api.PutObject, toPut(who, &req))
	if err != nil {
		return calendar.PutResult{}, err
	}
	r := calendar.PutResult{Created: m.GetCreated()}
	readObject(&r.Object, m.GetObject(), nil)
	return r, nil
}

// PutObjects implements calendar.Backend.
func (c *Client) PutObjects(ctx context.Context, who calendar.Actor, req calendar.PutObjectsRequest) (results []calendar.PutItemResult, err error) {
	ctx, cancel := c.begin(ctx, forStreams)
	defer cancel()
	if calendar.Token(ctx) == "" {
		ctx = calendar.WithToken(ctx, rand.Text())
	}
	err = c.try(ctx, "put objects", withToken, func(ctx context.Context) error {
		results, err = c.putObjects(ctx, who, req)
		return err
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

func (c *Client) putObjects(ctx context.Context, who calendar.Actor, req calendar.PutObjectsRequest) ([]calendar.PutItemResult, error) {
	st, err := c.api.PutObjects(ctx)
	if err != nil {
		return nil, err
	}
	head := &wire.PutObjectsRequest{Actor: toActor(who), Calendar: toText(req.Calendar), Replace: req.Replace}
	b := batch[wire.PutItem]{send: func(items []*wire.PutItem) error {
		head.Items = items
		err := st.Send(head)
		head = &wire.PutObjectsRequest{}
		return err
	}}
	for i := range req.Items {
		it := &req.Items[i]
		if err = b.add(&wire.PutItem{Name: toText(it.Name), Data: it.Data}, len(it.Data)); err != nil {
			break
		}
	}
	if err == nil {
		if err = b.flush(); err == nil && len(req.Items) == 0 {
			err = st.Send(head)
		}
	}
	if err == nil {
		err = st.CloseSend()
	}
	if err != nil && !errors.Is(err, io.EOF) { // EOF: the reason is in Recv
		return nil, err
	}
	results := make([]calendar.PutItemResult, 0, len(req.Items))
	for {
		m, err := st.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		for _, it := range m.GetItems() {
			results = append(results, calendar.PutItemResult{
				Name: string(it.GetName()), UID: string(it.GetUid()), Created: it.GetCreated(),
				Unchanged: it.GetUnchanged(), Err: fromFailure(it.GetFailure()),
			})
		}
	}
	if len(results) != len(req.Items) {
		return nil, &calendar.Error{Kind: calendar.Internal, Op: "put objects", Err: fmt.Errorf("%d answers for %d items", len(results), len(req.Items))}
	}
	return results, nil
}

// DeleteObject implements calendar.Backend.
func (c *Client) DeleteObject(ctx context.Context, who calendar.Actor, req calendar.DeleteRequest) error {
	_, err := unary(ctx, c, "delete object", withToken, c.api.DeleteObject, &wire.DeleteRequest{
		Actor: toActor(who), Ref: toRef(req.Ref), Precond: toPrecond(req.Precond),
	})
	return err
}

// PatchProps implements calendar.Backend.
func (c *Client) PatchProps(ctx context.Context, who calendar.Actor, ref calendar.Ref, changes []calendar.PropChange) error {
	_, err := unary(ctx, c, "patch properties", withToken, c.api.PatchProps, &wire.PatchPropsRequest{
		Actor: toActor(who), Ref: toRef(ref), Changes: each(changes, toChange),
	})
	return err
}

// Query implements calendar.Backend.
func (c *Client) Query(ctx context.Context, who calendar.Actor, req calendar.QueryRequest, emit func(*calendar.Object) error) error {
	return stream(ctx, c, "query", c.api.Query, toQuery(who, &req),
		func(m *wire.QueryAnswer) error { return takeObjects(m.GetObjects(), emit) })
}

// Sync implements calendar.Backend.
func (c *Client) Sync(ctx context.Context, who calendar.Actor, req calendar.SyncRequest, emit func(calendar.SyncItem) error) (calendar.SyncResult, error) {
	var last *wire.SyncResult
	err := stream(ctx, c, "sync", c.api.Sync, toSync(who, &req), func(m *wire.SyncAnswer) error {
		last = m.GetResult()
		for _, it := range m.GetItems() {
			if err := emit(calendar.SyncItem{Object: fromObject(it.GetObject()), Gone: fromTombstone(it.GetGone())}); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && last == nil {
		err = errCut("sync")
	}
	if err != nil {
		return calendar.SyncResult{}, err
	}
	return calendar.SyncResult{Token: string(last.GetToken()), More: last.GetMore(), Calendar: fromCalendar(last.GetCalendar())}, nil
}

// SyncHome implements calendar.Backend.
func (c *Client) SyncHome(ctx context.Context, who calendar.Actor, req calendar.SyncHomeRequest) (calendar.SyncHomeResult, error) {
	m, err := unary(ctx, c, "sync home", never, c.api.SyncHome, &wire.SyncHomeRequest{
		Actor: toActor(who), Owner: toText(req.Owner), Token: toText(req.Token),
	})
	if err != nil {
		return calendar.SyncHomeResult{}, err
	}
	return calendar.SyncHomeResult{
		Token: string(m.GetToken()), Changed: eachOf(m.GetChanged(), fromCalendar), Removed: fromTexts[calendar.ID](m.GetRemoved()),
	}, nil
}

// SearchCalendars implements calendar.Backend.
func (c *Client) SearchCalendars(ctx context.Context, who calendar.Actor, req calendar.SearchCalendarsRequest) ([]calendar.Calendar, error) {
	m, err := unary(ctx, c, "search calendars", never, c.api.SearchCalendars, toSearch(who, &req))
	if err != nil {
		return nil, err
	}
	return eachOf(m.GetCalendars(), fromCalendar), nil
}

// FreeBusy implements calendar.Backend.
func (c *Client) FreeBusy(ctx context.Context, who calendar.Actor, req calendar.FreeBusyRequest) ([]calendar.FreeBusyResult, error) {
	m, err := unary(ctx, c, "free/busy", never, c.api.FreeBusy, toFreeBusy(who, &req))
	if err == nil && len(m.GetItems()) != len(req.Targets) {
		err = errCut("free/busy")
	}
	if err != nil {
		return nil, err
	}
	return eachOf(m.GetItems(), fromBusy), nil
}

// Prefs implements calendar.Backend.
func (c *Client) Prefs(ctx context.Context, who calendar.Actor, owner calendar.Owner) (map[string]string, error) {
	m, err := unary(ctx, c, "preferences", never, c.api.Prefs, &wire.PrefsRequest{Actor: toActor(who), Owner: toText(owner)})
	if err != nil {
		return nil, err
	}
	return fromPrefs(m.GetPrefs()), nil
}

// SetPrefs implements calendar.Backend.
func (c *Client) SetPrefs(ctx context.Context, who calendar.Actor, req calendar.SetPrefsRequest) error {
	_, err := unary(ctx, c, "set preferences", withToken, c.api.SetPrefs, &wire.SetPrefsRequest{
		Actor: toActor(who), Owner: toText(req.Owner), Set: toPrefs(req.Set), Remove: toTexts(req.Remove), Compare: req.Compare, Was: toPrefs(req.Was),
	})
	return err
}

// Ping implements calendar.Backend.
func (c *Client) Ping(ctx context.Context) (calendar.Status, error) {
	m, err := unary(ctx, c, "ping", never, c.api.Ping, &wire.PingRequest{})
	if err != nil {
		return calendar.Status{}, err
	}
	return calendar.Status{
		Host: string(m.GetHost()), Store: string(m.GetStore()), Version: string(m.GetVersion()), Started: fromTime(m.GetStarted()),
		Owners: int(m.GetOwners()), Objects: m.GetObjects(), ReadOnly: m.GetReadOnly(),
	}, nil
}
