package cld

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"factotum/server/calendar"
)

// Options make a Router.
type Options struct {
	Locator  Locator
	Backends map[string]calendar.Backend // by host name (caldb.dwp.server.<host>.ip)
	Local    calendar.Backend            // this process's own, or nil
	Names    []string                    // host names that mean Local
}

// Router is the calendar.Backend over several. It holds no state of its own.
type Router struct {
	locator Locator
	hosts   map[string]calendar.Backend // lower case
	local   calendar.Backend
	all     []named // each once, local first
}

type named struct {
	host string
	calendar.Backend
}

var _ calendar.Backend = (*Router)(nil)

// New makes a router. It fails when a back end has no name or Names stand
// without Local.
func New(opts Options) (*Router, error) {
	r := &Router{locator: opts.Locator, local: opts.Local, hosts: map[string]calendar.Backend{}}
	if r.locator == nil {
		r.locator = Local{}
	}
	if opts.Local != nil {
		r.all = append(r.all, named{"", opts.Local})
	} else if len(opts.Names) > 0 {
		return nil, errors.New("calendar look-up: names of a local back end that is not there")
	}
	for host, be := range opts.Backends {
		if host == "" || be == nil {
			return nil, fmt.Errorf("calendar look-up: back end %q is incomplete", host)
		}
		r.hosts[strings.ToLower(host)] = be
		r.all = append(r.all, named{host, be})
	}
	slices.SortFunc(r.all, func(a, b named) int { return strings.Compare(a.host, b.host) })
	for _, name := range opts.Names {
		r.hosts[strings.ToLower(name)] = opts.Local
	}
	return r, nil
}

// of returns the back end of an owner, and its host name.
func (r *Router) of(ctx context.Context, owner calendar.Owner) (calendar.Backend, error) {
	host, err := r.locator.Locate(ctx, owner)
	if err != nil {
		return nil, located(owner, err)
	}
	be := r.local
	if host != "" {
		be = r.hosts[strings.ToLower(host)]
	}
	if be == nil {
		return nil, &calendar.Error{
			Kind: calendar.NoBackend, Op: "find back end", Ref: string(owner), Msg: "the back end of this user is not configured here",
			Err: fmt.Errorf("host %q has no caldb.dwp.server.<host>.ip", host),
		}
	}
	return be, nil
}

// located makes a failure of the directory one of the back end: the front
// cannot tell who holds the calendars.
func located(owner calendar.Owner, err error) error {
	switch k := calendar.KindOf(err); k {
	case calendar.NoBackend, calendar.Unavailable, calendar.Canceled:
		var e *calendar.Error
		if errors.As(err, &e) {
			return err
		}
		return &calendar.Error{Kind: k, Op: "find back end", Ref: string(owner), Err: err}
	}
	return &calendar.Error{Kind: calendar.Unavailable, Op: "find back end", Ref: string(owner), Msg: "the directory does not answer; try again", Err: err}
}

// Home implements calendar.Backend.
func (r *Router) Home(ctx context.Context, who calendar.Actor, req calendar.HomeRequest) (calendar.Home, error) {
	be, err := r.of(ctx, req.Owner)
	if err != nil {
		return calendar.Home{}, err
	}
	return be.Home(ctx, who, req)
}

// Calendar implements calendar.Backend.
func (r *Router) Calendar(ctx context.Context, who calendar.Actor, id calendar.ID) (calendar.Calendar, error) {
	be, err := r.of(ctx, id.Owner())
	if err != nil {
		return calendar.Calendar{}, err
	}
	return be.Calendar(ctx, who, id)
}

// CreateCalendar implements calendar.Backend.
func (r *Router) CreateCalendar(ctx context.Context, who calendar.Actor, req calendar.CreateCalendarRequest) (calendar.Calendar, error) {
	be, err := r.of(ctx, req.Calendar.ID.Owner())
	if err != nil {
		return calendar.Calendar{}, err
	}
	return be.CreateCalendar(ctx, who, req)
}

// UpdateCalendar implements calendar.Backend.
func (r *Router) UpdateCalendar(ctx context.Context, who calendar.Actor, req calendar.UpdateCalendarRequest) (calendar.Calendar, error) {
	be, err := r.of(ctx, req.ID.Owner())
	if err != nil {
		return calendar.Calendar{}, err
	}
	return be.UpdateCalendar(ctx, who, req)
}

// DeleteCalendar implements calendar.Backend.
func (r *Router) DeleteCalendar(ctx context.Context, who calendar.Actor, req calendar.DeleteCalendarRequest) error {
	be, err := r.of(ctx, req.ID.Owner())
	if err != nil {
		return err
	}
	return be.DeleteCalendar(ctx, who, req)
}

// CopyCalendar implements calendar.Backend; both ends are of one owner.
func (r *Router) CopyCalendar(ctx context.Context, who calendar.Actor, req calendar.CopyRequest) (calendar.CopyResult, error) {
	be, err := r.of(ctx, req.From.Calendar.Owner())
	if err != nil {
		return calendar.CopyResult{}, err
	}
	return be.CopyCalendar(ctx, who, req)
}

// ListObjects implements calendar.Backend.
func (r *Router) ListObjects(ctx context.Context, who calendar.Actor, id calendar.ID, emit func(*calendar.Object) error) (calendar.Calendar, error) {
	be, err := r.of(ctx, id.Owner())
	if err != nil {
		return calendar.Calendar{}, err
	}
	return be.ListObjects(ctx, who, id, emit)
}

// Object implements calendar.Backend.
func (r *Router) Object(ctx context.Context, who calendar.Actor, ref calendar.Ref) (*calendar.Object, error) {
	be, err := r.of(ctx, ref.Calendar.Owner())
	if err != nil {
		return nil, err
	}
	return be.Object(ctx, who, ref)
}

// PutObject implements calendar.Backend.
func (r *Router) PutObject(ctx context.Context, who calendar.Actor, req calendar.PutRequest) (calendar.PutResult, error) {
	be, err := r.of(ctx, req.Ref.Calendar.Owner())
	if err != nil {
		return calendar.PutResult{}, err
	}
	return be.PutObject(ctx, who, req)
}

// PutObjects implements calendar.Backend.
func (r *Router) PutObjects(ctx context.Context, who calendar.Actor, req calendar.PutObjectsRequest) ([]calendar.PutItemResult, error) {
	be, err := r.of(ctx, req.Calendar.Owner())
	if err != nil {
		return nil, err
	}
	return be.PutObjects(ctx, who, req)
}

// DeleteObject implements calendar.Backend.
func (r *Router) DeleteObject(ctx context.Context, who calendar.Actor, req calendar.DeleteRequest) error {
	be, err := r.of(ctx, req.Ref.Calendar.Owner())
	if err != nil {
		return err
	}
	return be.DeleteObject(ctx, who, req)
}

// PatchProps implements calendar.Backend.
func (r *Router) PatchProps(ctx context.Context, who calendar.Actor, ref calendar.Ref, changes []calendar.PropChange) error {
	be, err := r.of(ctx, ref.Calendar.Owner())
	if err != nil {
		return err
	}
	return be.PatchProps(ctx, who, ref, changes)
}

// Query implements calendar.Backend.
func (r *Router) Query(ctx context.Context, who calendar.Actor, req calendar.QueryRequest, emit func(*calendar.Object) error) error {
	be, err := r.of(ctx, req.Calendar.Owner())
	if err != nil {
		return err
	}
	return be.Query(ctx, who, req, emit)
}

// Sync implements calendar.Backend.
func (r *Router) Sync(ctx context.Context, who calendar.Actor, req calendar.SyncRequest, emit func(calendar.SyncItem) error) (calendar.SyncResult, error) {
	be, err := r.of(ctx, req.Calendar.Owner())
	if err != nil {
		return calendar.SyncResult{}, err
	}
	return be.Sync(ctx, who, req, emit)
}

// SyncHome implements calendar.Backend.
func (r *Router) SyncHome(ctx context.Context, who calendar.Actor, req calendar.SyncHomeRequest) (calendar.SyncHomeResult, error) {
	be, err := r.of(ctx, req.Owner)
	if err != nil {
		return calendar.SyncHomeResult{}, err
	}
	return be.SyncHome(ctx, who, req)
}

// Prefs implements calendar.Backend.
func (r *Router) Prefs(ctx context.Context, who calendar.Actor, owner calendar.Owner) (map[string]string, error) {
	be, err := r.of(ctx, owner)
	if err != nil {
		return nil, err
	}
	return be.Prefs(ctx, who, owner)
}

// SetPrefs implements calendar.Backend.
func (r *Router) SetPrefs(ctx context.Context, who calendar.Actor, req calendar.SetPrefsRequest) error {
	be, err := r.of(ctx, req.Owner)
	if err != nil {
		return err
	}
	return be.SetPrefs(ctx, who, req)
}

// EditObject implements calendar.Backend.
func (r *Router) EditObject(ctx context.Context, who calendar.Actor, req calendar.EditRequest) (calendar.EditResult, error) {
	be, err := r.of(ctx, req.Calendar.Owner())
	if err != nil {
		return calendar.EditResult{}, err
	}
	return be.EditObject(ctx, who, req)
}

// Attachment implements calendar.Backend.
func (r *Router) Attachment(ctx context.Context, who calendar.Actor, req calendar.AttachmentRequest) (calendar.Attachment, error) {
	owner := req.Owner
	if req.Calendar != "" {
		owner = req.Calendar.Owner()
	}
	be, err := r.of(ctx, owner)
	if err != nil {
		return calendar.Attachment{}, err
	}
	return be.Attachment(ctx, who, req)
}
