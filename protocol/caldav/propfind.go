package caldav

import (
	"errors"
	"net/http"

	"factotum/protocol/dav"
	"factotum/server/calendar"
)

// errFiniteDepth refuses Depth: infinity. RFC 4918 §9.1.
var errFiniteDepth = dav.NewError(http.StatusForbidden, dav.D("propfind-finite-depth"), "Depth: infinity is refused on collections")

// propfind answers PROPFIND. RFC 4918 §9.1.
func (rq *request) propfind() error {
	depth, err := dav.ParseDepth(rq.r.Header, dav.DepthInfinity)
	if err != nil {
		return err
	}
	root, err := rq.xmlBody()
	if err != nil {
		return err
	}
	wanted, err := dav.ParsePropfind(root)
	if err != nil {
		return err
	}
	if depth == dav.DepthInfinity {
		switch said := rq.r.Header["Depth"] != nil; {
		case rq.at.place == atObject, rq.at.place == atPrincipal, rq.at.place == atNotification, rq.at.place == atProxies:
		case said, rq.at.place == atHome, rq.at.place == atCollection:
			return errFiniteDepth
		}
		// Deviation: RFC 4918 §9.1: above the homes a missing Depth means 0, for
		// clients that forget it while they look around.
		depth = dav.Depth0
	}
	prefer := dav.ParsePrefer(rq.r.Header)
	prefer.Representation = false
	prefer.Apply(rq.w.Header())
	pl := planFor(wanted)
	mw := dav.NewMultistatus(rq.w)
	mw.SetMinimal(prefer.Minimal)
	self := !prefer.NoRoot || depth == dav.Depth0
	switch rq.at.place {
	case atPrincipal:
		err = rq.findPrincipal(mw, &pl)
	case atProxies:
		var s *subject
		if s, err = rq.proxySubject(rq.at); err == nil {
			pl.respond(mw, s)
		}
	case atHome:
		err = rq.findHome(mw, &pl, self, depth == dav.Depth1)
	case atCollection:
		err = rq.findCollection(mw, &pl, self, depth == dav.Depth1)
	case atObject:
		err = rq.findObject(mw, &pl)
	case atNotifications, atNotification:
		err = rq.findNotes(mw, &pl, self, depth == dav.Depth1)
	default:
		rq.findTop(mw, &pl, self, depth == dav.Depth1)
	}
	if err != nil {
		return rq.abort(mw, err)
	}
	return mw.Close()
}

// findTop answers for the upper tree, where everybody sees himself only.
func (rq *request) findTop(mw *dav.Writer, pl *plan, self, members bool) {
	if self {
		pl.respond(mw, rq.top(rq.at.place, rq.at.path))
	}
	if !members {
		return
	}
	switch rq.at.place {
	case atRoot:
		pl.respond(mw, rq.top(atPrincipals, principalsPath))
		pl.respond(mw, rq.top(atHomes, calendarsPath))
	case atPrincipals:
		pl.respond(mw, rq.personSubject(&rq.me))
	case atHomes:
		// The home's own properties need the Backend; its type does not.
		home := calendar.Home{Owner: calendar.Owner(rq.me.ID)}
		if h, err := rq.be.Home(rq.ctx, rq.who, calendar.HomeRequest{Owner: home.Owner, Shares: pl.wantsHomeTags()}); err == nil {
			home = h
		}
		pl.respond(mw, rq.homeSubject(&home, nil))
	}
}

// person finds the principal of a path.
func (rq *request) person(id string) (*calendar.Person, error) {
	if id == rq.me.ID {
		return &rq.me, nil
	}
	p, err := rq.people.Person(rq.ctx, id)
	return &p, err
}

func (rq *request) findPrincipal(mw *dav.Writer, pl *plan) error {
	p, err := rq.person(rq.at.user)
	if err != nil {
		return err
	}
	pl.respond(mw, rq.personSubject(p))
	return nil
}

// calendar fetches the calendar at the request's path, if who may read of it
// what is asked for. It is described also if he may not.
func (rq *request) calendar(req calendar.CalendarsRequest) (calendar.Calendar, error) {
	req.IDs = []calendar.ID{rq.at.id()}
	found, err := rq.be.Calendars(rq.ctx, rq.who, req)
	if err != nil {
		return calendar.Calendar{}, err
	}
	return found[0].Calendar, found[0].Err
}

// home fetches the home at a path.
func (rq *request) home(t target) (calendar.Home, error) {
	return rq.be.Home(rq.ctx, rq.who, calendar.HomeRequest{Owner: t.owner(), Boxes: true})
}

func (rq *request) findHome(mw *dav.Writer, pl *plan, self, members bool) error {
	home, err := rq.be.Home(rq.ctx, rq.who, calendar.HomeRequest{Owner: rq.at.owner(), Prefs: self && pl.wantsDead(), Boxes: members, Shares: members || pl.wantsHomeTags()})
	if err != nil {
		return err
	}
	if self {
		pl.respond(mw, rq.homeSubject(&home, homeProps(home.Prefs)))
	}
	if !members {
		return nil
	}
	for i := range home.Calendars {
		if c := &home.Calendars[i]; isCollectionName(c.ID.Name(), "") {
			pl.respond(mw, rq.calendarSubject(c))
		}
	}
	for i := range home.Shares {
		if s := &home.Shares[i]; !s.Gone() {
			pl.respond(mw, rq.shareSubject(string(home.Owner), s))
		}
	}
	return nil
}

func (rq *request) findCollection(mw *dav.Writer, pl *plan, self, members bool) error {
	if rq.at.home != "" && self {
		share, err := rq.share(rq.at)
		if err != nil {
			return err
		}
		pl.respond(mw, rq.shareSubject(rq.at.home, share))
		self = false
		if !members {
			return nil
		}
	}
	if !members {
		c, err := rq.be.Calendar(rq.ctx, rq.who, rq.at.id())
		if err != nil {
			return err
		}
		pl.respond(mw, rq.calendarSubject(&c))
		return nil
	}
	var cal *calendar.Calendar
	if pl.needsCalendar() {
		c, err := rq.be.Calendar(rq.ctx, rq.who, rq.at.id())
		if err != nil {
			return err
		}
		cal = &c
	}
	s := rq.objects(rq.at.id(), cal)
	mw.Base(s.path)
	c, err := rq.be.ListObjects(calendar.Fleeting(rq.ctx), rq.who, rq.at.id(), func(o *calendar.Object) error {
		return pl.member(mw, s, o)
	})
	if err != nil {
		return err
	}
	// The collection comes after its members, with the tags of the state before
	// them: what changes meanwhile is told the next time.
	if self {
		pl.respond(mw, rq.calendarSubject(&c))
	}
	if c.Kind.Rules().Nests {
		return rq.findNested(mw, pl)
	}
	return nil
}

// findNested answers for the collections inside a plain one.
func (rq *request) findNested(mw *dav.Writer, pl *plan) error {
	home, err := rq.home(rq.at)
	if err != nil {
		return err
	}
	for i := range home.Calendars {
		if c := &home.Calendars[i]; isCollectionName(c.ID.Name(), rq.at.name) {
			pl.respond(mw, rq.calendarSubject(c))
		}
	}
	return nil
}

func (rq *request) findObject(mw *dav.Writer, pl *plan) error {
	o, err := rq.be.Object(rq.ctx, rq.who, rq.at.ref())
	if err != nil {
		return err
	}
	var cal *calendar.Calendar
	if pl.needsCalendar() {
		c, err := rq.be.Calendar(rq.ctx, rq.who, rq.at.id())
		if err != nil {
			return err
		}
		cal = &c
	}
	bare := *o
	bare.Data = nil // calendar-data is for reports
	s := rq.objects(rq.at.id(), cal)
	s.member(&bare)
	if pl.wantsJournal() && s.scope == onObject {
		if s.journal, err = rq.journal(o.UID); err != nil {
			return err
		}
	}
	mw.Response(s.path, o.Name)
	pl.write(mw, s)
	mw.EndResponse()
	return nil
}

// load finds the subject that a path names, for reports.
func (rq *request) load(t target) (*subject, error) {
	switch t.place {
	case atPrincipal:
		p, err := rq.person(t.user)
		if err != nil {
			return nil, err
		}
		return rq.personSubject(p), nil
	case atHome:
		h, err := rq.be.Home(rq.ctx, rq.who, calendar.HomeRequest{Owner: t.owner(), Prefs: true, Shares: true})
		if err != nil {
			return nil, err
		}
		return rq.homeSubject(&h, homeProps(h.Prefs)), nil
	case atCollection:
		if t.home != "" {
			share, err := rq.share(t)
			if err != nil {
				return nil, err
			}
			return rq.shareSubject(t.home, share), nil
		}
		c, err := rq.be.Calendar(rq.ctx, rq.who, t.id())
		if err != nil {
			return nil, err
		}
		return rq.calendarSubject(&c), nil
	case atObject:
		o, err := rq.be.Object(rq.ctx, rq.who, t.ref())
		if err != nil {
			return nil, err
		}
		c, err := rq.be.Calendar(rq.ctx, rq.who, t.id())
		if err != nil {
			return nil, err
		}
		bare := *o
		bare.Data = nil
		s := rq.objects(t.id(), &c)
		s.member(&bare)
		s.path = t.path
		return s, nil
	case atProxies:
		return rq.proxySubject(t)
	case atNotifications, atNotification:
		book, err := rq.notes(t)
		if err != nil {
			return nil, err
		}
		if t.place == atNotifications {
			return book.subject(), nil
		}
		n, err := book.note(t.object)
		if err != nil {
			return nil, err
		}
		return book.noteSubject(n), nil
	}
	return rq.top(t.place, t.path), nil
}

// notThere reports whether an error says that something does not exist.
func notThere(err error) bool {
	return errors.Is(err, calendar.NotFound) || errors.Is(err, calendar.NoCalendar)
}
