package wcap

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/recur"
)

// getFreebusy tells when people are busy; all of them in one question to the
// back end. WCAP get_freebusy, §7.10.
func (c *call) getFreebusy() error {
	zone, err := c.zone(false)
	if err != nil {
		return err
	}
	out, err := c.outZone(false)
	if err != nil {
		return err
	}
	w, err := c.busyWindow(zone)
	if err != nil {
		return err
	}
	list, err := c.busyTargets()
	if err != nil {
		return err
	}
	req := calendar.FreeBusyRequest{Window: w}
	place := make([]int, len(list))
	cals := make([]calendar.Calendar, len(list))
	missing := 0
	home := c.p.text("mail") != "" && len(c.p.ids("calid")) == 0
	for i := range list {
		if cals[i], err = c.calendar(&list[i]); err != nil {
			if list[i].err = err; errnoOf(err, c.own()) == NoSuchCalendar {
				missing++
			}
			continue
		}
		place[i] = len(req.Targets)
		req.Targets = append(req.Targets, calendar.FreeBusyTarget{Calendar: list[i].id, Home: home})
	}
	if missing == len(list) && c.busyElsewhere() {
		return nil
	}
	var busy []calendar.FreeBusyResult
	if len(req.Targets) > 0 {
		if busy, err = c.be.FreeBusy(c.ctx, c.who, req); err != nil {
			return err
		}
	}
	for i := range list {
		c.block(&list[i], func(t *target) error {
			res := busy[place[i]]
			if res.Err != nil {
				return res.Err
			}
			c.begin(t, &cals[i])
			return c.out.comp(freeBusy(w, res.Busy, out, !c.p.flag("busyonly", true)))
		})
	}
	return nil
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
func (c *call) busyWindow(zone recur.Zone) (calendar.Window, error) {
	const day = 24 * time.Hour
	now := c.now().UTC().Truncate(time.Second)
	if n := c.p.integer("duration", 0); n > 0 {
		return calendar.Window{From: now, To: now.Add(time.Duration(min(n, maxBusyDays)) * day)}, nil
	}
	w, err := c.window(zone)
	if err != nil {
		return w, err
	}
	if w.From.IsZero() {
		w.From = now.Add(-time.Duration(min(c.p.integer("freebusybegin", c.set.FreeBusyBegin), maxBusyDays)) * day)
	}
	if w.To.IsZero() {
		w.To = now.Add(time.Duration(min(c.p.integer("freebusyend", c.set.FreeBusyEnd), maxBusyDays)) * day)
	}
	if !w.To.After(w.From) || w.To.Sub(w.From) > maxBusyDays*day {
		return w, &calendar.Error{Kind: calendar.Invalid, Op: "read range"}
	}
	return w, nil
}

// maxBusyDays is the longest period of one question.
const maxBusyDays = 3700

// freeBusy makes the component: periods with two ends, each with its type,
// since clients know no other form.
func freeBusy(w calendar.Window, busy []calendar.Busy, out recur.Zone, free bool) *ical.Component {
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
