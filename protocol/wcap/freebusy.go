package wcap

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/zone"
)

// getFreebusy tells when people are busy; all of them in one question to the
// back end. WCAP get_freebusy, §7.10.
func (c *call) getFreebusy() error {
	zone := c.zone()
	out := c.outZone()
	w, err := c.busyWindow(zone)
	if err != nil {
		return c.ofAsked(err)
	}
	list, err := c.busyTargets()
	if err != nil {
		return err
	}
	busy, err := c.busy(list, w)
	if err != nil {
		return err
	}
	missing := func(t target) bool { return t.err != nil && errnoOf(t.err, c.own()) == NoSuchCalendar }
	if !slices.ContainsFunc(list, func(t target) bool { return !missing(t) }) && c.busyElsewhere() {
		return nil
	}
	for i := range list {
		c.block(&list[i], func(t *target) error {
			c.begin(t, busy[i].Calendar)
			return c.out.comp(freeBusy(w, busy[i].Busy, out, !c.p.flag("busyonly", true)))
		})
	}
	return nil
}

// busy asks when the calendars of a list are busy, or the people, who are asked
// for by an address; why one does not say is in the list.
func (c *call) busy(list []target, w calendar.Window) ([]calendar.FreeBusyResult, error) {
	found := make([]calendar.FreeBusyResult, len(list))
	asked := make([]int, 0, len(list))
	for i := range list {
		if list[i].err == nil {
			asked = append(asked, i)
		}
	}
	for again := false; len(asked) > 0; again = true {
		req := calendar.FreeBusyRequest{Window: w, Describe: true}
		for _, i := range asked {
			req.Targets = append(req.Targets, calendar.FreeBusyTarget{Calendar: list[i].id, Home: list[i].mail != ""})
		}
		got, err := c.be.FreeBusy(c.ctx, c.who, req)
		if err != nil {
			return nil, err
		}
		var respelled []int
		for k, i := range asked {
			t := &list[i]
			found[i] = got[k]
			if err := got[k].Err; err != nil && !again && c.respell(t, err) {
				respelled = append(respelled, i)
			} else {
				t.err = c.knownOr(t, got[k].Calendar, err)
			}
		}
		asked = respelled
	}
	return found, nil
}

// busyElsewhere sends a client that asked for calendars of which none is here
// to the server that still has them, while a site moves. The session is none of
// that server's business, and it is asked not to send the client on.
func (c *call) busyElsewhere() bool {
	u, err := url.Parse(c.set.FreeBusyRedirect)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || c.p.flag("noredirect", false) {
		return false
	}
	if !strings.HasSuffix(u.Path, ".wcap") {
		u.Path = strings.TrimSuffix(u.Path, "/") + "/get_freebusy.wcap"
	}
	q := u.RawQuery
	for _, x := range c.p {
		if x.name == "id" || x.name == "noredirect" {
			continue
		}
		value := x.raw
		if x.done {
			value = url.QueryEscape(value)
		}
		q += "&" + url.QueryEscape(x.name) + "=" + value
	}
	u.RawQuery = strings.TrimPrefix(q+"&noredirect=1", "&")
	noCache(c.out.w.Header())
	c.out.w.Header().Set("Location", u.String())
	c.out.w.WriteHeader(http.StatusFound)
	return true
}

// busyTargets are the calendars of calid, else the owner of the address mail.
func (c *call) busyTargets() ([]target, error) {
	if mail := c.p.text("mail"); mail != "" && len(c.p.ids("calid")) == 0 {
		return []target{c.target("mailto:" + mail)}, nil
	}
	return c.targets()
}

// busyWindow is the period asked about: duration, or dtstart and dtend, or
// days around now.
func (c *call) busyWindow(zone zone.Zone) (calendar.Window, error) {
	const day = 24 * time.Hour
	now := c.now().UTC().Truncate(time.Second)
	if n := c.p.integer("duration", 0); n > 0 {
		if n > maxBusyDays {
			return calendar.Window{}, tooLong
		}
		return calendar.Window{From: now, To: now.Add(time.Duration(n) * day)}, nil
	}
	before, after := c.p.integer("freebusybegin", c.set.FreeBusyBegin), c.p.integer("freebusyend", c.set.FreeBusyEnd)
	if max(before, after) > maxBusyDays {
		return calendar.Window{}, tooLong
	}
	w, err := c.window(zone)
	if err != nil {
		return w, err
	}
	if w.From.IsZero() {
		w.From = now.Add(-time.Duration(before) * day)
	}
	if w.To.IsZero() {
		w.To = now.Add(time.Duration(after) * day)
	}
	if !w.To.After(w.From) || w.To.Sub(w.From) > maxBusyDays*day {
		return w, tooLong
	}
	return w, nil
}

// maxBusyDays is the longest period of one question; for a longer one the
// answer is no other period.
const maxBusyDays = 3700

var tooLong = &calendar.Error{Kind: calendar.Invalid, Op: "read range", Msg: "the range is empty, or longer than ten years"}

// freeBusy makes the component: periods with two ends, each with its type,
// since clients know no other form.
func freeBusy(w calendar.Window, busy []calendar.Busy, out zone.Zone, free bool) *ical.Component {
	stamp := func(t time.Time) string {
		if out != nil {
			return out.FromUTC(t).Format(civilForm)
		}
		return utc(t)
	}
	k := ical.New("VFREEBUSY")
	k.Set("DTSTART", stamp(w.From))
	k.Set("DTEND", stamp(w.To))
	add := func(kind string, from, to time.Time) {
		if from.Before(to) {
			k.Add(ical.Property{Name: "FREEBUSY", Value: stamp(from) + "/" + stamp(to), Params: []ical.Param{{Name: "FBTYPE", Values: []string{kind}}}})
		}
	}
	at := w.From
	for _, b := range busy {
		if free {
			add("FREE", at, b.Start)
		}
		add(b.Type, b.Start, b.End)
		if b.End.After(at) {
			at = b.End
		}
	}
	if free {
		add("FREE", at, w.To)
	}
	return k
}
