package caldav

import (
	"cmp"
	"net/http"

	"factotum/protocol/dav"
	"factotum/server/calendar"
)

// A calendar of somebody else that a user is subscribed to, or was invited to
// share, stands in his home under a name that tells which one it is
// (calendar.ShareName). What is asked of it, and of what is in it, is asked of
// that calendar; what the user has of his own for it is in his list.

// shared turns a place in a home that is a share, or in one, to the calendar
// that it means. Shares are in one's own home only.
func (rq *request) shared(t target) (target, error) {
	if t.place != atCollection && t.place != atObject || !calendar.Reserved(t.name) {
		return t, nil
	}
	id, ok := calendar.SharedID(t.name)
	if !ok || t.user != rq.me.ID || id.Owner() == t.owner() {
		return t, errNotFound
	}
	t.home, t.user, t.name = t.user, string(id.Owner()), id.Name()
	t.path = sharePath(t.home, id) + t.object
	return t, nil
}

func sharePath(home string, id calendar.ID) string {
	return collectionPath(calendar.Owner(home), calendar.ShareName(id))
}

// pathOf is where a calendar stands for this request: in the home that the
// request went to.
func (rq *request) pathOf(id calendar.ID) string {
	if rq.at.home != "" && id == rq.at.id() {
		return sharePath(rq.at.home, id)
	}
	return calendarPath(id)
}

// share finds the share at the request's path: what the calendar is, and what
// the user has of his own for it. It is not there if it is not on his list.
func (rq *request) share(t target) (*calendar.Share, error) {
	home, err := rq.be.Home(rq.ctx, rq.who, calendar.HomeRequest{Owner: calendar.Owner(t.home), Shares: true, Share: t.id()})
	switch {
	case err != nil:
		return nil, err
	case len(home.Shares) == 0 || home.Shares[0].Gone():
		return nil, calendar.Fail(calendar.NoCalendar, "home", string(t.id()))
	}
	return &home.Shares[0], home.Shares[0].Err
}

// shareSubject is a share as its user sees it. One whose back end does not
// answer is shown by what the list says, so that no client takes it for gone.
func (rq *request) shareSubject(home string, share *calendar.Share) *subject {
	c := share.Shown()
	s := rq.calendarSubject(&c)
	s.path, s.share, s.closed = sharePath(home, share.ID), share, share.Err != nil
	return s
}

// patchShare carries out a PROPPATCH of what the user has of his own for a
// share; the rest is its owner's, and set at the owner's.
func (rq *request) patchShare(changes []dav.PropChange) ([]*dav.Error, error) {
	if err := rq.checkTags(); err != nil {
		return nil, err
	}
	var req calendar.UpdateCalendarRequest
	refused := updateOf(changes, &req)
	if anyRefused(refused) {
		return refused, nil
	}
	ch := calendar.ShareChange{ID: rq.at.id(), Name: req.DisplayName, Description: req.Description, Color: req.Color, Order: req.Order,
		TZID: req.TZID, Timezone: req.Timezone, Props: req.Props}
	if req.Transparent != nil {
		opaque := !*req.Transparent
		ch.Opaque = &opaque
	}
	_, err := rq.be.Subscribe(rq.ctx, rq.who, calendar.SubscribeRequest{Owner: calendar.Owner(rq.at.home), Change: []calendar.ShareChange{ch}})
	return refused, err
}

// shareZone is the zone in which the user reads floating time in a share, "" for
// that of the calendar: he is asked for it where his list is. RFC 4791 §5.2.2.
func (rq *request) shareZone() (string, error) {
	home, err := rq.be.Home(rq.ctx, rq.who, calendar.HomeRequest{Owner: calendar.Owner(rq.at.home), Shares: true, Share: rq.at.id()})
	if err != nil || len(home.Shares) == 0 {
		return "", err
	}
	return cmp.Or(home.Shares[0].Timezone, home.Shares[0].TZID), nil
}

// leaveShare takes a share out of the user's home. The calendar stays.
func (rq *request) leaveShare() error {
	if err := rq.checkTags(); err != nil {
		return err
	}
	_, err := rq.be.Subscribe(rq.ctx, rq.who, calendar.SubscribeRequest{Owner: calendar.Owner(rq.at.home), Remove: []calendar.ID{rq.at.id()}, Present: true})
	return err
}

// errShare refuses to copy or move what is not the user's.
var errShare = &dav.Error{Status: http.StatusForbidden, Text: "a calendar of somebody else is neither copied nor moved in one's own home, and nothing is moved out of it"}

// carriesShare tells whether a COPY or MOVE would. What is in it can be copied.
// Apple's caldav-sharing 5.5.5.
func (rq *request) carriesShare(to target, move bool) bool {
	if rq.at.place == atCollection || to.place == atCollection {
		return rq.at.home != "" || to.home != ""
	}
	return move && rq.at.home != "" && to.id() != rq.at.id()
}
