package wcap

import (
	"errors"
	"slices"
	"strings"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/object"
	"factotum/server/why"
)

// errEnough ends a fetch at maxResults.
var errEnough = errors.New("enough")

// fetch is a question about what takes place in the calendars of a request, and
// the answer on its way: a block for each calendar, all from one stream.
type fetch struct {
	c   *call
	v   *presentation
	req calendar.OccurrencesRequest
	// open prints what comes between the properties of a calendar and its
	// components; it may be nil.
	open func(*calendar.OccurrencesResult)
	// print shows what was found, if not show does.
	print func(*shower, *calendar.OccurrencesResult, func(*ical.Component) error) error
	// done is told how many components a calendar had; it may be nil.
	done func(n int) error

	list  []target
	heads []calendar.OccurrencesResult // by target; nil until all are known

	at     int     // the target whose block is open or next
	opened bool    // its block
	mark   mark    // before it
	n      int     // its components
	failed error   // why it has none
	show   *shower // of its components
	page   *page   // where they may have been shown before
	sorted []*ical.Component
	cut    []string // UIDs of what has more instances than an answer
}

// run asks and answers.
func (f *fetch) run() error {
	var err error
	if f.list, err = f.c.targets(); err != nil {
		return err
	}
	f.req.Components = f.v.components()
	f.req.Series = f.v.recurring
	f.req.Instances, f.req.Bound = maxInstances, f.c.set.RecurrenceBound
	err = f.c.occurrences(f.list, f.req, func(heads []calendar.OccurrencesResult) error { f.heads = heads; return nil }, f.take)
	if errors.Is(err, errEnough) {
		err = nil
	}
	if err != nil && f.c.ctx.Err() != nil && f.at > 0 {
		return err
	}
	for f.at < len(f.list) {
		if f.failed == nil {
			f.failed = err
		}
		f.close()
	}
	return nil
}

// take answers with one thing that was found.
func (f *fetch) take(i int, r *calendar.OccurrencesResult) error {
	for f.at < i {
		f.close()
	}
	switch {
	case f.failed != nil:
		return nil
	case r.Err != nil:
		f.failed = r.Err
		return nil
	}
	f.begin()
	err := f.found(r)
	if errors.Is(err, errEnough) && i+1 < len(f.list) {
		return nil // the others are still to come
	}
	return err
}

// begin opens the block of the calendar at hand.
func (f *fetch) begin() {
	if f.opened {
		return
	}
	h := &f.heads[f.at]
	f.opened, f.mark = true, f.c.out.mark()
	f.c.begin(&f.list[f.at], h.Calendar)
	if f.open != nil {
		f.open(h)
	}
	f.show = f.c.shower(f.v, h.Calendar, h.Float)
	f.page = f.pageOf(h)
}

// close ends the block of the calendar at hand, and goes on to the next.
func (f *fetch) close() {
	t := &f.list[f.at]
	err := t.err
	if err == nil {
		err = f.failed
	}
	if err == nil {
		f.begin()
		if err = f.order(); err == nil && f.done != nil {
			err = f.done(f.n)
		}
	}
	if !f.opened {
		f.mark = f.c.out.mark()
	}
	if err == nil {
		for _, uid := range f.cut {
			f.c.out.text("X-FACTOTUM-INCOMPLETE", uid)
		}
	}
	f.c.endBlock(t, f.mark, err)
	f.at++
	f.opened, f.n, f.failed, f.show, f.page, f.sorted, f.cut = false, 0, nil, nil, nil, nil, nil
}

// found shows one thing that was found.
func (f *fetch) found(r *calendar.OccurrencesResult) error {
	switch {
	case r.Cut && r.Object != nil:
		f.cut = append(f.cut, r.Object.UID)
	case r.Cut:
		f.cut = append(f.cut, r.Gone.UID)
	case r.Object != nil && len(r.Occurrences) > 1 && len(r.Occurrences)*len(r.Object.Data) > maxInstanceText:
		r.Occurrences = r.Occurrences[:max(1, maxInstanceText/len(r.Object.Data))]
		f.cut = append(f.cut, r.Object.UID)
	}
	switch {
	case f.print != nil:
		return f.print(f.show, r, f.component)
	case r.Why != nil:
		return f.show.show(r.Object, r.Occurrences, func(k *ical.Component) error {
			k.Props = append(k.Props, whyProp(r.Why))
			return f.component(k)
		})
	case f.page != nil && r.Object.Component == "VEVENT" && len(r.Occurrences) == 0:
		return f.remembered(r.Object)
	}
	return f.show.show(r.Object, r.Occurrences, f.component)
}

// component answers with a component, or keeps it where the answer is sorted.
func (f *fetch) component(k *ical.Component) error {
	switch {
	case f.req.Select == calendar.Overlapping && !open(f.req.Window) && !object.Dated(k):
		return nil
	case f.v.order >= 0:
		f.n++
		f.sorted = append(f.sorted, k)
		return nil
	case f.v.max > 0 && f.n >= f.v.max:
		return errEnough
	}
	f.n++
	return f.c.out.comp(k)
}

// order answers with what was kept, sorted by its start.
func (f *fetch) order() error {
	if f.v.order < 0 {
		return nil
	}
	slices.SortStableFunc(f.sorted, func(a, b *ical.Component) int {
		if f.v.order == 1 {
			a, b = b, a
		}
		return compareStart(a, b)
	})
	for i, k := range f.sorted {
		if f.v.max > 0 && i >= f.v.max {
			return nil
		}
		if err := f.c.out.comp(k); err != nil {
			return err
		}
	}
	return nil
}

// compareStart orders by DTSTART, else DUE; all of one answer have one form.
func compareStart(a, b *ical.Component) int {
	x, y := a.Value("DTSTART"), b.Value("DTSTART")
	if x == "" {
		x = a.Value("DUE")
	}
	if y == "" {
		y = b.Value("DUE")
	}
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// fetchByRange is the main fetch. WCAP fetchcomponents_by_range.
func (c *call) fetchByRange() error {
	v, w, err := c.fetchParams()
	if err != nil {
		return c.ofAsked(err)
	}
	f := &fetch{c: c, v: v, req: calendar.OccurrencesRequest{Window: w}}
	if f.req.Invitations = c.p.flag("invitecount", false); f.req.Invitations {
		f.open = func(h *calendar.OccurrencesResult) { c.invitations(h.Invitations) }
	}
	return f.run()
}

func (c *call) fetchParams() (*presentation, calendar.Window, error) {
	w, err := c.window(c.zone())
	return c.presentation(), w, err
}

// fetchByLastMod fetches what was changed in a period. An object's moment is
// that of the server's last write, whatever protocol it came by. WCAP
// fetchcomponents_by_lastmod.
func (c *call) fetchByLastMod() error {
	v, w, err := c.fetchParams()
	if err != nil {
		return c.ofAsked(err)
	}
	f := &fetch{c: c, v: v, req: calendar.OccurrencesRequest{Window: w}}
	if !open(w) {
		f.req.Select = calendar.Changed
	}
	return f.run()
}

// fetchByAlarmRange fetches the components that an alarm of goes off in a
// period, and of a series the instances that it is for. WCAP
// fetchcomponents_by_alarmrange.
func (c *call) fetchByAlarmRange() error {
	v, w, err := c.fetchParams()
	if err != nil {
		return c.ofAsked(err)
	}
	return (&fetch{c: c, v: v, req: calendar.OccurrencesRequest{Select: calendar.Alarmed, Window: w}}).run()
}

// fetchByAttendeeError fetches the components of which an attendee could not
// be told: delivery leaves a status beside him. WCAP
// fetchcomponents_by_attendee_error.
func (c *call) fetchByAttendeeError() error {
	req := calendar.OccurrencesRequest{Select: calendar.Undelivered}
	if asked := strings.TrimSpace(c.p.text("attendee")); asked != "" {
		var err error
		if req.Attendee, err = c.calAddress(asked); err != nil {
			req.Attendee = asked // nobody known: a value that was stored as it came
		}
	}
	return (&fetch{c: c, v: c.presentation(), req: req}).run()
}

// whyProp is what the journal says of a message that did not arrive: docs/why.md.
func whyProp(t *calendar.Trace) ical.Property {
	p := ical.Property{Name: "X-FACTOTUM-WHY"}
	p.SetParam("X-FACTOTUM-STEP", t.Step.String())
	p.SetParam("X-FACTOTUM-REASON", t.Reason)
	p.SetParam("X-FACTOTUM-TIME", utc(t.When))
	p.Value = ical.EscapeText(why.Of(t))
	return p
}

// fetchDeleted fetches what was deleted in a period. WCAP fetch_deletedcomponents.
func (c *call) fetchDeleted() error {
	v, w, err := c.fetchParams()
	if err != nil {
		return c.ofAsked(err)
	}
	shown := *v
	shown.attrset, shown.compressed, shown.states = 2, true, nil
	f := &fetch{c: c, v: &shown, req: calendar.OccurrencesRequest{Select: calendar.Deleted, Window: w}, print: printDeleted}
	f.open = func(*calendar.OccurrencesResult) { c.out.value("X-NSCP-WCAPTIME", utc(c.now())) }
	return f.run()
}

// deletedProps are what is told of a deleted component: when it was, not what.
var deletedProps = map[string]bool{
	"UID": true, "RECURRENCE-ID": true, "DTSTAMP": true, "DTSTART": true, "DTEND": true, "DUE": true, "LAST-MODIFIED": true,
	"RRULE": true, "RDATE": true, "EXRULE": true, "EXDATE": true,
	"X-NSCP-DTSTART-TZID": true, "X-NSCP-DTEND-TZID": true, "X-NSCP-DUE-TZID": true,
}

// printDeleted shows an object that is gone, or the instances that one lacks.
func printDeleted(s *shower, r *calendar.OccurrencesResult, emit func(*ical.Component) error) error {
	o, when, by := r.Object, time.Time{}, r.By
	if g := r.Gone; g != nil {
		by = g.By
		o = &calendar.Object{Calendar: g.Calendar, Name: g.Name, UID: g.UID, Component: g.Component, Created: g.Deleted, Modified: g.Deleted, Data: g.Data}
	}
	when = o.Modified
	n := 0
	print := func(k *ical.Component) error {
		n++
		k.Props = slices.DeleteFunc(k.Props, func(p ical.Property) bool { return !deletedProps[p.Name] })
		k.Children = nil
		k.Set("LAST-MODIFIED", utc(when))
		if by != "" {
			k.SetText("X-NSCP-TRIGGERED_BY", by)
		}
		return emit(k)
	}
	if len(o.Data) > 0 {
		if err := s.show(o, r.Occurrences, print); err != nil {
			return err
		}
	}
	if n == 0 && r.Gone != nil { // its text is not kept, or had no instance
		k := ical.New(o.Component)
		k.SetText("UID", o.UID)
		k.Set("DTSTAMP", utc(when))
		return print(k)
	}
	return nil
}
