package caldav

import (
	"net/http"

	"factotum/protocol/dav"
	"factotum/server/calendar"
)

// sync answers DAV:sync-collection: what changed in a calendar, or which
// calendars of a home did. RFC 6578 §3.2.
func (rq *request) sync(root *dav.Node) error {
	// A missing level means 1 (OS X 10.7), and Depth means nothing.
	switch v := root.Child(dav.D("sync-level")).TrimText(); v {
	case "", "1":
	case "infinite", "infinity":
		if rq.at.place == atHome {
			return dav.NewError(http.StatusForbidden, dav.D("sync-traversal-supported"), "a home is synchronised one level deep")
		}
	default:
		return &dav.Error{Status: http.StatusBadRequest, Text: "sync-level is neither 1 nor infinite"}
	}
	pl, data, err := reportProps(root)
	if err != nil {
		return err
	}
	limit, err := limitOf(root)
	if err != nil {
		return err
	}
	token := root.Child(dav.D("sync-token")).TrimText()
	if rq.at.place == atHome {
		return rq.syncHome(&pl, token, limit)
	}
	var cal *calendar.Calendar
	if pl.needsCalendar() {
		c, err := rq.be.Calendar(rq.ctx, rq.who, rq.at.id())
		if err != nil {
			return err
		}
		cal = &c
	}
	mw := rq.answer()
	s := rq.objects(rq.at.id(), cal)
	mw.Base(s.path)
	req := calendar.SyncRequest{Calendar: rq.at.id(), Token: token, Limit: limit, Data: !data.None}
	res, err := rq.be.Sync(calendar.Fleeting(rq.ctx), rq.who, req, func(it calendar.SyncItem) error {
		if it.Gone != nil {
			mw.Status(http.StatusNotFound, s.path, it.Gone.Name)
			return mw.Err()
		}
		return pl.member(mw, s, it.Object)
	})
	if err != nil {
		return rq.abort(mw, err)
	}
	if res.More {
		rq.cut(mw)
	}
	mw.SyncToken(res.Token)
	return mw.Close()
}

// syncHome answers on a home: its members are the calendars. What is nested
// deeper is left out. The answer cannot be cut, since changes of calendars
// have no order to go on from: RFC 6578 §3.6 lets the request fail then.
func (rq *request) syncHome(pl *plan, token string, limit int) error {
	res, err := rq.be.SyncHome(rq.ctx, rq.who, calendar.SyncHomeRequest{Owner: rq.at.owner(), Token: token, Shares: true})
	if err != nil {
		return err
	}
	if limit > 0 && len(res.Changed)+len(res.Removed)+len(res.Shares)+len(res.GoneShares) > limit {
		return dav.NewError(http.StatusInsufficientStorage, dav.D("number-of-matches-within-limits"), "more calendars changed")
	}
	mw := rq.answer()
	for i := range res.Changed {
		if c := &res.Changed[i]; isCollectionName(c.ID.Name(), "") {
			pl.respond(mw, rq.calendarSubject(c))
		}
	}
	for _, id := range res.Removed {
		if isCollectionName(id.Name(), "") {
			mw.Status(http.StatusNotFound, calendarPath(id))
		}
	}
	for i := range res.Shares {
		pl.respond(mw, rq.shareSubject(rq.at.user, &res.Shares[i]))
	}
	for _, id := range res.GoneShares {
		mw.Status(http.StatusNotFound, sharePath(rq.at.user, id))
	}
	mw.SyncToken(res.Token)
	return mw.Close()
}
