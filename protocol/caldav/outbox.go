package caldav

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"factotum/protocol/dav"
	"factotum/server/calendar"
	"factotum/server/ical"
)

// askBusy answers a POST to an outbox: the busy time of many, who are answered
// for each. RFC 6638 §5, RFC 5546 §3.3.2. Originator and Recipient, headers of its
// drafts, say nothing that the message does not. clients.md §7.3.
func (rq *request) askBusy() error {
	if !dav.IsCalendar(rq.r.Header.Get("Content-Type")) {
		return dav.NewError(http.StatusForbidden, dav.C("supported-calendar-data"), "only text/calendar is asked by")
	}
	body, err := rq.content()
	if err != nil {
		return err
	}
	cal, err := ical.Parse(body, ical.Limits{})
	if err != nil {
		return dav.NewError(http.StatusForbidden, dav.C("valid-calendar-data"), "the text is not a valid iCalendar object: "+err.Error())
	}
	sender, err := rq.sender()
	if err != nil {
		return err
	}
	ask, err := rq.question(cal)
	if err != nil {
		return err
	}
	if !sender.HasAddress(ask.organizer.Value) {
		return dav.NewError(http.StatusForbidden, dav.C("valid-organizer"), "the ORGANIZER is not the owner of this outbox")
	}
	people := rq.resolve(ask.attendees)
	req := calendar.FreeBusyRequest{Window: ask.window, Ignore: ask.masked, Organizer: ask.organizer.Value}
	for _, p := range people {
		if p.err == nil {
			req.Targets = append(req.Targets, calendar.FreeBusyTarget{Calendar: calendar.ID(p.person.ID), Home: true})
		}
	}
	var found []calendar.FreeBusyResult
	if len(req.Targets) > 0 {
		if found, err = rq.be.FreeBusy(rq.ctx, rq.who, req); err != nil {
			return err
		}
	}
	mw := dav.NewDocument(rq.w, http.StatusOK, dav.C("schedule-response"))
	for i, a := range ask.attendees {
		var busy []calendar.Busy
		err := people[i].err
		if err == nil {
			busy, err = found[0].Busy, found[0].Err
			found = found[1:]
		}
		mw.Start(dav.C("response"))
		mw.Start(dav.C("recipient"))
		mw.Text(dav.D("href"), a.Value)
		mw.End(dav.C("recipient"))
		mw.Text(dav.C("request-status"), rq.requestStatus(err, a.Value, sender))
		if err == nil {
			mw.TextBytes(dav.C("calendar-data"), ask.answer(a, busy, utcText(rq.now())))
		}
		mw.End(dav.C("response"))
	}
	return mw.Close()
}

// sender is the owner of the outbox. Who acts for somebody else needs a right of
// his, which his back end knows.
func (rq *request) sender() (*calendar.Person, error) {
	if rq.at.user != rq.me.ID {
		if _, err := rq.calendar(calendar.CalendarsRequest{Lookup: true}); err != nil {
			return nil, err
		}
	}
	return rq.person(rq.at.user)
}

// busyQuestion is a VFREEBUSY with METHOD:REQUEST.
type busyQuestion struct {
	uid       string
	organizer *ical.Property
	attendees []*ical.Property
	window    calendar.Window
	masked    string // the UID of what does not count
}

// question reads the message. What breaks the rules of RFC 5546 §3.3.2 is
// refused as a whole.
func (rq *request) question(cal *ical.Component) (*busyQuestion, error) {
	bad := func(text string) error {
		return dav.NewError(http.StatusBadRequest, dav.C("valid-scheduling-message"), text)
	}
	var fb *ical.Component
	for _, c := range cal.Children {
		switch {
		case c.Name == "VTIMEZONE":
		case c.Name != "VFREEBUSY" || fb != nil:
			return nil, bad("an outbox takes one VFREEBUSY: invitations follow from what is stored in a calendar")
		default:
			fb = c
		}
	}
	if fb == nil || cal.Word("METHOD") != "REQUEST" {
		return nil, bad("an outbox takes a VFREEBUSY with METHOD:REQUEST")
	}
	ask := &busyQuestion{uid: fb.Value("UID"), organizer: fb.Prop("ORGANIZER"), masked: strings.TrimSpace(fb.Text("X-CALENDARSERVER-MASK-UID"))}
	switch {
	case ask.uid == "" || fb.Prop("DTSTAMP") == nil:
		return nil, bad("the VFREEBUSY needs UID and DTSTAMP")
	case ask.organizer == nil || fb.Count("ORGANIZER") > 1:
		return nil, bad("the VFREEBUSY needs one ORGANIZER")
	}
	for name, t := range map[string]*time.Time{"DTSTART": &ask.window.From, "DTEND": &ask.window.To} {
		p := fb.Prop(name)
		if p == nil || fb.Count(name) > 1 {
			return nil, bad("the VFREEBUSY needs one DTSTART and one DTEND")
		}
		d, err := p.DateTime()
		if err != nil || d.Kind != ical.UTC {
			return nil, bad(name + " must be in UTC")
		}
		*t = d.Civil()
	}
	if !ask.window.From.Before(ask.window.To) {
		return nil, bad("DTSTART must be before DTEND")
	}
	seen := map[string]bool{}
	for a := range fb.All("ATTENDEE") {
		key := calendar.AddressKey(a.Value)
		if key != "" && !seen[key] {
			seen[key] = true
			ask.attendees = append(ask.attendees, a)
		}
	}
	most := rq.limits.Attendees
	if most <= 0 {
		most = calendar.DefaultLimits.Attendees
	}
	switch {
	case len(ask.attendees) == 0:
		return nil, bad("the VFREEBUSY names no ATTENDEE")
	case len(ask.attendees) > most:
		return nil, calendar.Failf(calendar.TooLarge, calendar.MaxAttendees, "free/busy", "", "%d attendees are more than %d", len(ask.attendees), most)
	}
	return ask, nil
}

// answer is the VFREEBUSY of one attendee. RFC 5546 §3.3.3.
func (ask *busyQuestion) answer(attendee *ical.Property, busy []calendar.Busy, now string) []byte {
	fb := busyComponent(ask.window, busy, ask.uid, now)
	fb.Add(ical.Property{Name: "ORGANIZER", Value: ask.organizer.Value})
	fb.Add(ical.Property{Name: "ATTENDEE", Value: attendee.Value})
	cal := ical.NewCalendar(prodID)
	cal.Set("METHOD", "REPLY")
	cal.AddChild(fb)
	return cal.Bytes()
}

// resolved is whom a calendar user address is that of.
type resolved struct {
	person calendar.Person
	err    error
}

// resolve asks the directory for many, a few at the same time.
func (rq *request) resolve(attendees []*ical.Property) []resolved {
	out := make([]resolved, len(attendees))
	var all sync.WaitGroup
	next := make(chan int)
	for range min(len(attendees), 8) {
		all.Go(func() {
			for i := range next {
				out[i].person, out[i].err = rq.personOf(attendees[i].Value)
			}
		})
	}
	for i := range attendees {
		next <- i
	}
	close(next)
	all.Wait()
	return out
}

// personOf finds who has a calendar user address: a mail address, or that of a
// principal.
func (rq *request) personOf(address string) (calendar.Person, error) {
	if mail, ok := cutMailto(strings.TrimSpace(address)); ok {
		return rq.people.ByMail(rq.ctx, mail)
	}
	if !strings.ContainsAny(address, "/:") {
		return rq.people.Person(rq.ctx, strings.TrimSpace(address))
	}
	path, err := rq.decodeHref(address)
	if err != nil {
		return calendar.Person{}, errElsewhere
	}
	t, err := rq.locate(path)
	if err != nil || t.place != atPrincipal {
		return calendar.Person{}, calendar.NotFound
	}
	return rq.people.Person(rq.ctx, t.user)
}

// errElsewhere is of addresses that are none of this server's.
var errElsewhere = calendar.Fail(calendar.NotFound, "find a calendar user", "")

// requestStatus is what a client is told of one recipient. RFC 5545 §3.8.8.3,
// RFC 5546 §3.6.
func (rq *request) requestStatus(err error, address string, sender *calendar.Person) string {
	switch {
	case err == nil:
		return "2.0;Success"
	case errors.Is(err, calendar.Denied):
		return calendar.StatusNoRights + ";No authority"
	case errors.Is(err, errElsewhere), notThere(err) && isForeign(address, sender):
		return calendar.StatusNoService + ";No way to ask outside of this server"
	case notThere(err):
		return calendar.StatusUnknownUser + ";Invalid calendar user"
	}
	rq.note(err)
	return calendar.StatusNoService + ";Service unavailable"
}

// isForeign tells of an address of nobody here whether it is a mail address of
// another domain than the sender's.
func isForeign(address string, sender *calendar.Person) bool {
	mail, ok := cutMailto(strings.TrimSpace(address))
	_, domain, at := strings.Cut(mail, "@")
	return ok && at && !slices.ContainsFunc(sender.Mails, func(m string) bool {
		_, own, _ := strings.Cut(m, "@")
		return strings.EqualFold(own, domain)
	})
}
