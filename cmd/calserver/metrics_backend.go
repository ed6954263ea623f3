package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"factotum/server/calendar"
)

// countedBackend counts and times the calls of a calendar.Backend. via says
// where the calls come from: http, dwp, or csstored's own socket.
type countedBackend struct {
	calendar.Backend
	via string
	m   *metrics
	ok  map[string]counter // by op: what most calls need
}

type counter struct {
	n prometheus.Counter
	t prometheus.Observer
}

var backendOps = []string{"home", "calendar", "create-calendar", "update-calendar", "delete-calendar", "copy-calendar",
	"list-objects", "object", "objects", "put-object", "put-objects", "delete-object", "copy-object", "patch-props",
	"edit-object", "attachment", "query", "sync", "sync-home", "search-calendars", "free-busy", "prefs", "set-prefs", "ping"}

func countBackend(be calendar.Backend, via string, m *metrics) calendar.Backend {
	c := &countedBackend{be, via, m, map[string]counter{}}
	for _, op := range backendOps {
		c.ok[op] = counter{m.calls.WithLabelValues(via, op, "ok"), m.callTime.WithLabelValues(via, op)}
	}
	return c
}

func (c *countedBackend) done(op string, start time.Time, err error) {
	c.m.busy.Add(1)
	k := c.ok[op]
	k.t.Observe(time.Since(start).Seconds())
	if err == nil {
		k.n.Inc()
		return
	}
	c.m.calls.WithLabelValues(c.via, op, calendar.KindOf(err).String()).Inc()
}

// Home implements calendar.Backend.
func (c *countedBackend) Home(ctx context.Context, who calendar.Actor, req calendar.HomeRequest) (res calendar.Home, err error) {
	defer func(start time.Time) { c.done("home", start, err) }(time.Now())
	return c.Backend.Home(ctx, who, req)
}

// Calendar implements calendar.Backend.
func (c *countedBackend) Calendar(ctx context.Context, who calendar.Actor, id calendar.ID) (res calendar.Calendar, err error) {
	defer func(start time.Time) { c.done("calendar", start, err) }(time.Now())
	return c.Backend.Calendar(ctx, who, id)
}

// CreateCalendar implements calendar.Backend.
func (c *countedBackend) CreateCalendar(ctx context.Context, who calendar.Actor, req calendar.CreateCalendarRequest) (res calendar.Calendar, err error) {
	defer func(start time.Time) { c.done("create-calendar", start, err) }(time.Now())
	return c.Backend.CreateCalendar(ctx, who, req)
}

// UpdateCalendar implements calendar.Backend.
func (c *countedBackend) UpdateCalendar(ctx context.Context, who calendar.Actor, req calendar.UpdateCalendarRequest) (res calendar.Calendar, err error) {
	defer func(start time.Time) { c.done("update-calendar", start, err) }(time.Now())
	return c.Backend.UpdateCalendar(ctx, who, req)
}

// DeleteCalendar implements calendar.Backend.
func (c *countedBackend) DeleteCalendar(ctx context.Context, who calendar.Actor, req calendar.DeleteCalendarRequest) (err error) {
	defer func(start time.Time) { c.done("delete-calendar", start, err) }(time.Now())
	return c.Backend.DeleteCalendar(ctx, who, req)
}

// CopyCalendar implements calendar.Backend.
func (c *countedBackend) CopyCalendar(ctx context.Context, who calendar.Actor, req calendar.CopyRequest) (res calendar.CopyResult, err error) {
	defer func(start time.Time) { c.done("copy-calendar", start, err) }(time.Now())
	return c.Backend.CopyCalendar(ctx, who, req)
}

// ListObjects implements calendar.Backend.
func (c *countedBackend) ListObjects(ctx context.Context, who calendar.Actor, id calendar.ID, emit func(*calendar.Object) error) (res calendar.Calendar, err error) {
	defer func(start time.Time) { c.done("list-objects", start, err) }(time.Now())
	return c.Backend.ListObjects(ctx, who, id, emit)
}

// Object implements calendar.Backend.
func (c *countedBackend) Object(ctx context.Context, who calendar.Actor, ref calendar.Ref) (res *calendar.Object, err error) {
	defer func(start time.Time) { c.done("object", start, err) }(time.Now())
	return c.Backend.Object(ctx, who, ref)
}

// Objects implements calendar.Backend.
func (c *countedBackend) Objects(ctx context.Context, who calendar.Actor, req calendar.ObjectsRequest, emit func(calendar.ObjectResult) error) (err error) {
	defer func(start time.Time) { c.done("objects", start, err) }(time.Now())
	return c.Backend.Objects(ctx, who, req, emit)
}

// PutObject implements calendar.Backend.
func (c *countedBackend) PutObject(ctx context.Context, who calendar.Actor, req calendar.PutRequest) (res calendar.PutResult, err error) {
	defer func(start time.Time) { c.done("put-object", start, err) }(time.Now())
	return c.Backend.PutObject(ctx, who, req)
}

// PutObjects implements calendar.Backend.
func (c *countedBackend) PutObjects(ctx context.Context, who calendar.Actor, req calendar.PutObjectsRequest) (res []calendar.PutItemResult, err error) {
	defer func(start time.Time) { c.done("put-objects", start, err) }(time.Now())
	return c.Backend.PutObjects(ctx, who, req)
}

// DeleteObject implements calendar.Backend.
func (c *countedBackend) DeleteObject(ctx context.Context, who calendar.Actor, req calendar.DeleteRequest) (err error) {
	defer func(start time.Time) { c.done("delete-object", start, err) }(time.Now())
	return c.Backend.DeleteObject(ctx, who, req)
}

// CopyObject implements calendar.Backend.
func (c *countedBackend) CopyObject(ctx context.Context, who calendar.Actor, req calendar.CopyRequest) (res calendar.CopyResult, err error) {
	defer func(start time.Time) { c.done("copy-object", start, err) }(time.Now())
	return c.Backend.CopyObject(ctx, who, req)
}

// PatchProps implements calendar.Backend.
func (c *countedBackend) PatchProps(ctx context.Context, who calendar.Actor, ref calendar.Ref, changes []calendar.PropChange) (err error) {
	defer func(start time.Time) { c.done("patch-props", start, err) }(time.Now())
	return c.Backend.PatchProps(ctx, who, ref, changes)
}

// Query implements calendar.Backend.
func (c *countedBackend) Query(ctx context.Context, who calendar.Actor, req calendar.QueryRequest, emit func(*calendar.Object) error) (err error) {
	defer func(start time.Time) { c.done("query", start, err) }(time.Now())
	return c.Backend.Query(ctx, who, req, emit)
}

// Sync implements calendar.Backend.
func (c *countedBackend) Sync(ctx context.Context, who calendar.Actor, req calendar.SyncRequest, emit func(calendar.SyncItem) error) (res calendar.SyncResult, err error) {
	defer func(start time.Time) { c.done("sync", start, err) }(time.Now())
	return c.Backend.Sync(ctx, who, req, emit)
}

// SyncHome implements calendar.Backend.
func (c *countedBackend) SyncHome(ctx context.Context, who calendar.Actor, req calendar.SyncHomeRequest) (res calendar.SyncHomeResult, err error) {
	defer func(start time.Time) { c.done("sync-home", start, err) }(time.Now())
	return c.Backend.SyncHome(ctx, who, req)
}

// SearchCalendars implements calendar.Backend.
func (c *countedBackend) SearchCalendars(ctx context.Context, who calendar.Actor, req calendar.SearchCalendarsRequest) (res []calendar.Calendar, err error) {
	defer func(start time.Time) { c.done("search-calendars", start, err) }(time.Now())
	return c.Backend.SearchCalendars(ctx, who, req)
}

// FreeBusy implements calendar.Backend.
func (c *countedBackend) FreeBusy(ctx context.Context, who calendar.Actor, req calendar.FreeBusyRequest) (res []calendar.FreeBusyResult, err error) {
	defer func(start time.Time) { c.done("free-busy", start, err) }(time.Now())
	return c.Backend.FreeBusy(ctx, who, req)
}

// Prefs implements calendar.Backend.
func (c *countedBackend) Prefs(ctx context.Context, who calendar.Actor, owner calendar.Owner) (res map[string]string, err error) {
	defer func(start time.Time) { c.done("prefs", start, err) }(time.Now())
	return c.Backend.Prefs(ctx, who, owner)
}

// SetPrefs implements calendar.Backend.
func (c *countedBackend) SetPrefs(ctx context.Context, who calendar.Actor, req calendar.SetPrefsRequest) (err error) {
	defer func(start time.Time) { c.done("set-prefs", start, err) }(time.Now())
	return c.Backend.SetPrefs(ctx, who, req)
}

// Ping implements calendar.Backend.
func (c *countedBackend) Ping(ctx context.Context) (res calendar.Status, err error) {
	defer func(start time.Time) { c.done("ping", start, err) }(time.Now())
	return c.Backend.Ping(ctx)
}

// EditObject implements calendar.Backend.
func (c *countedBackend) EditObject(ctx context.Context, who calendar.Actor, req calendar.EditRequest) (res calendar.EditResult, err error) {
	defer func(start time.Time) { c.done("edit-object", start, err) }(time.Now())
	return c.Backend.EditObject(ctx, who, req)
}

// Attachment implements calendar.Backend.
func (c *countedBackend) Attachment(ctx context.Context, who calendar.Actor, req calendar.AttachmentRequest) (res calendar.Attachment, err error) {
	defer func(start time.Time) { c.done("attachment", start, err) }(time.Now())
	return c.Backend.Attachment(ctx, who, req)
}
