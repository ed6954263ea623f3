package caldav

import (
	"net/http"

	"factotum/protocol/dav"
	"factotum/server/calendar"
)

// opaques are the tags of a list for the Backend, nil for a missing header.
func opaques(t dav.Tags) (out []string) {
	if t.Any {
		return []string{"*"}
	}
	for _, tag := range t.List {
		out = append(out, tag.Forms()...)
	}
	return out
}

// precond turns the conditional headers of a write into those that the
// Backend checks in its transaction. The If header is evaluated before; the
// entity tag that it was evaluated with must then still be there.
func (rq *request) precond() (calendar.Precond, error) {
	var p calendar.Precond
	h := rq.r.Header
	cond, err := dav.ParseConditions(h)
	if err != nil {
		return p, err
	}
	p.IfMatch, p.IfNoneMatch = opaques(cond.IfMatch), opaques(cond.IfNoneMatch)
	p.IfScheduleTag = cond.ScheduleTag
	if v := h.Get("If-Unmodified-Since"); v != "" && cond.IfMatch.IsZero() {
		// RFC 9110 §13.1.4: an invalid date is ignored.
		if t, err := http.ParseTime(v); err == nil {
			p.IfUnmodified = t
		}
	}
	tag, err := rq.checkIf()
	if err == nil && tag != "" && len(p.IfMatch) == 0 {
		p.IfMatch = []string{tag}
	}
	return p, err
}

// checkIf evaluates the If header, RFC 4918 §10.4: 412 if it does not hold.
// It returns the entity tag of the request's own resource if that was looked
// at. Nothing is ever locked, so no lock token matches; the sync-token of a
// collection is a state token too, RFC 6578 §5.
func (rq *request) checkIf() (own string, err error) {
	f, err := dav.ParseIf(rq.r, rq.hosts...)
	if err != nil || len(f.Lists) == 0 {
		return "", err
	}
	held, err := f.Eval(func(path string) (dav.State, error) {
		t := rq.at
		if path != "" {
			var err error
			if t, err = rq.locate(path); err != nil {
				return dav.State{}, nil
			}
		}
		st, err := rq.state(t)
		if t == rq.at {
			own = st.ETag
		}
		return st, err
	})
	if err == nil && !held {
		err = &dav.Error{Status: http.StatusPreconditionFailed}
	}
	return own, err
}

// state is what the If header compares with; the zero State for what is not
// there.
func (rq *request) state(t target) (st dav.State, err error) {
	switch t.place {
	case atObject:
		var o *calendar.Object
		if o, err = rq.be.Object(rq.ctx, rq.who, t.ref()); err == nil {
			st.ETag = o.ETag()
		}
	case atCollection:
		var c calendar.Calendar
		if c, err = rq.be.Calendar(rq.ctx, rq.who, t.id()); err == nil {
			st = dav.State{ETag: c.CTag(), Tokens: []string{c.SyncToken()}}
		}
	case atHome:
		var h calendar.Home
		if h, err = rq.be.Home(rq.ctx, rq.who, calendar.HomeRequest{Owner: t.owner(), Shares: true}); err == nil {
			st.Tokens = []string{h.SyncToken()}
		}
	}
	if err != nil && notThere(err) {
		err = nil
	}
	return st, err
}
