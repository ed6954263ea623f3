package caldav

import (
	"errors"
	"net/http"
	"strings"

	"factotum/protocol/dav"
	"factotum/server/calendar"
)

// multiget answers CALDAV:calendar-multiget: one response for each href, in
// order, under the href as the client wrote it. RFC 4791 §7.9.
func (rq *request) multiget(root *dav.Node) error {
	pl, data, err := reportProps(root)
	if err != nil {
		return err
	}
	if data.Timezone, err = rq.zoneOf(root); err != nil {
		return err
	}
	hrefs, refs, err := rq.hrefs(root)
	if err != nil {
		return err
	}
	needCal := pl.needsCalendar()
	mw := rq.answer()
	s := rq.objects(rq.at.id(), nil)
	next := 0 // the href to answer
	// skip answers for the hrefs that name nothing we could ask for.
	skip := func() {
		for ; next < len(hrefs) && !hrefs[next].ok; next++ {
			mw.StatusEncoded(http.StatusNotFound, dav.Condition{}, hrefs[next].text)
		}
	}
	refuse := func(href string, err error) error {
		de := rq.translate(err)
		mw.StatusEncoded(de.Status, de.Condition, href)
		return mw.Err()
	}
	emit := func(r calendar.ObjectResult) error {
		if skip(); next == len(hrefs) {
			return errAnswers
		}
		href := hrefs[next].text
		next++
		switch {
		case next == 1 && rq.at.place == atCollection && r.Ref.Calendar == rq.at.id() && errors.Is(r.Err, calendar.NoCalendar):
			return r.Err // there is nothing to report on
		case r.Err != nil:
			return refuse(href, r.Err)
		case isFile(r.Object) && rq.at.place == atObject:
			return errReport
		case isFile(r.Object): // no calendar object resource: it is not meant
			return refuse(href, errNotFound)
		}
		if needCal && (s.cal == nil || s.cal.ID != r.Ref.Calendar) {
			c, err := rq.be.Calendar(rq.ctx, rq.who, r.Ref.Calendar)
			if err != nil {
				return refuse(href, err)
			}
			s.cal = &c
		}
		s.member(r.Object)
		mw.ResponseEncoded(href)
		pl.write(mw, s)
		mw.EndResponse()
		return mw.Err()
	}
	if len(refs) > 0 {
		err = rq.be.Objects(rq.ctx, rq.who, calendar.ObjectsRequest{Refs: refs, Data: data}, emit)
		if err != nil {
			return rq.abort(mw, err)
		}
	}
	skip()
	return mw.Close()
}

var errAnswers = &calendar.Error{Kind: calendar.Internal, Op: "calendar-multiget", Msg: "more answers than questions"}

// href is one of a multiget; ok is false if it cannot name an object of the
// owner at hand.
type href struct {
	text string
	ok   bool
}

func (rq *request) hrefs(root *dav.Node) ([]href, []calendar.Ref, error) {
	n := 0
	for c := root.FirstChild(); c != nil; c = c.Next() {
		if c.Name == (dav.Name{Space: dav.NSDAV, Local: "href"}) {
			n++
		}
	}
	switch {
	case n == 0:
		return nil, nil, &dav.Error{Status: http.StatusBadRequest, Text: "a multiget without an href"}
	case n > rq.limits.MultigetRefs:
		return nil, nil, dav.NewError(http.StatusForbidden, dav.D("number-of-matches-within-limits"), "too many hrefs")
	}
	hrefs, refs := make([]href, 0, n), make([]calendar.Ref, 0, n)
	in := rq.collection()
	for c := root.FirstChild(); c != nil; c = c.Next() {
		if c.Name != (dav.Name{Space: dav.NSDAV, Local: "href"}) {
			continue
		}
		h := href{text: c.TrimText()}
		if ref, ok := rq.refOf(h.text, &in); ok {
			h.ok = true
			refs = append(refs, ref)
		}
		hrefs = append(hrefs, h)
	}
	return hrefs, refs, nil
}

// collection is what the hrefs of a request are mostly below: the id is "" if
// the request is not on a collection. A path with a percent sign of its own
// must be decoded to be recognised: then plain is "".
type collection struct {
	id    calendar.ID
	plain string
}

func (rq *request) collection() (c collection) {
	if rq.at.place != atCollection {
		return c
	}
	c.id = rq.at.id()
	if strings.IndexByte(rq.at.path, '%') < 0 {
		c.plain = rq.at.path
	}
	return c
}

// refOf finds the object that an href names. Most are a plain name below the
// collection of the request.
func (rq *request) refOf(text string, in *collection) (calendar.Ref, bool) {
	if in.plain != "" && strings.HasPrefix(text, in.plain) {
		// Nothing is encoded and nothing is nested: the name as it stands.
		if name := text[len(in.plain):]; dav.Plain(name) && len(name) <= calendar.MaxNameLen {
			return calendar.Ref{Calendar: in.id, Name: name}, true
		}
	}
	path, err := rq.decodeHref(text)
	if err != nil {
		return calendar.Ref{}, false
	}
	if in.id != "" && len(path) > len(rq.at.path) && path[:len(rq.at.path)] == rq.at.path {
		if name := path[len(rq.at.path):]; calendar.CheckName(name) == nil && isCollectionName(name, "") {
			return calendar.Ref{Calendar: in.id, Name: name}, true
		}
	}
	t, err := rq.locate(path)
	if err != nil || t.place != atObject || t.user != rq.at.user {
		return calendar.Ref{}, false
	}
	// On an object the report is about that alone.
	return t.ref(), rq.at.place != atObject || t.ref() == rq.at.ref()
}
