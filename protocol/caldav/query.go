package caldav

import (
	"errors"

	"factotum/protocol/dav"
	"factotum/server/calendar"
)

// calendarQuery answers CALDAV:calendar-query on a calendar, on all of a home or
// on one object. RFC 4791 §7, §7.8.
//
// Deviation: RFC 4791 §7.8: whatever Depth says, the members are meant, since
// clients (Evolution) send 0 or nothing and want them.
func (rq *request) calendarQuery(root *dav.Node) error {
	pl, data, err := reportProps(root)
	if err != nil {
		return err
	}
	q := calendar.QueryRequest{Object: rq.at.object, Data: data}
	if q.Filter, err = filterOf(root); err != nil {
		return err
	}
	if q.Data.Timezone, err = rq.zoneOf(root); err != nil {
		return err
	}
	limit, err := limitOf(root)
	if err != nil {
		return err
	}
	mw := rq.answer()
	left, cut := limit, false
	for id, err := range rq.calendars(&pl) {
		if err == nil {
			q.Calendar = id.ID
			err = rq.queryOne(mw, &pl, q, id, limit, &left)
		}
		switch {
		case err == nil:
		case rq.at.place == atObject && errors.Is(err, calendar.Unsupported) && calendar.ReasonOf(err) == "":
			return rq.abort(mw, errReport) // a file
		case errors.Is(err, errCut):
			if cut = true; limit > 0 && left == 0 {
				rq.cut(mw)
				return mw.Close()
			}
		case rq.at.place == atHome && (notThere(err) || errors.Is(err, calendar.Denied)): // taken away, or closed, since the home was listed
		default:
			return rq.abort(mw, err)
		}
	}
	if cut {
		rq.cut(mw)
	}
	return mw.Close()
}

// errCut ends the query of a calendar that has more matches than wanted, or
// than the server gives.
var errCut = errors.New("more matches than wanted")

// queryOne answers for one calendar. One match more than wanted is asked for,
// to know whether something is left out.
func (rq *request) queryOne(mw *dav.Writer, pl *plan, q calendar.QueryRequest, in found, limit int, left *int) error {
	if limit > 0 {
		q.Limit = *left + 1
	}
	s := rq.objects(in.ID, in.Cal)
	mw.Base(s.path)
	err := rq.be.Query(calendar.Fleeting(rq.ctx), rq.who, q, func(o *calendar.Object) error {
		if limit > 0 {
			if *left == 0 {
				return errCut
			}
			*left--
		}
		return pl.member(mw, s, o)
	})
	if errors.Is(err, calendar.TooMany) {
		return errCut
	}
	return err
}

// found is a calendar that a report is about; Cal is set if it was fetched.
type found struct {
	ID  calendar.ID
	Cal *calendar.Calendar
}

// calendars ranges over the calendars that the request's path stands for: one,
// or all of a home that may be read. The calendar itself is fetched only if a
// property needs it.
func (rq *request) calendars(pl *plan) func(func(found, error) bool) {
	return func(yield func(found, error) bool) {
		if rq.at.place != atHome {
			in := found{ID: rq.at.id()}
			if pl.needsCalendar() {
				c, err := rq.be.Calendar(rq.ctx, rq.who, in.ID)
				if err != nil {
					yield(in, err)
					return
				}
				in.Cal = &c
			}
			yield(in, nil)
			return
		}
		home, err := rq.be.Home(rq.ctx, rq.who, calendar.HomeRequest{Owner: rq.at.owner(), Objects: true})
		if err != nil {
			yield(found{}, err)
			return
		}
		for i := range home.Calendars {
			c := &home.Calendars[i]
			if c.Kind == calendar.CalendarCollection && !yield(found{c.ID, c}, nil) {
				return
			}
		}
	}
}
