package wcap

import (
	"cmp"
	"strings"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/zone"
)

// storeEvents creates or changes events. WCAP storeevents.
func (c *call) storeEvents() error { return c.store("VEVENT") }

// store creates or changes the components that uid and rid name: one edit, one
// transaction, whatever the number of them. WCAP §9.35.
func (c *call) store(name string) error {
	t, err := c.one()
	if err != nil {
		if t.asked == "" {
			return err
		}
		c.refuse(&t, c.errno(err))
		return nil
	}
	v := c.presentation()
	v.events, v.todos, v.max, v.order, v.states, v.attrset = name == "VEVENT", name == "VTODO", 0, -1, nil, 2
	req, err := c.edits(&t, name)
	if err != nil {
		c.refuse(&t, c.errno(err))
		return nil
	}
	if !v.recurring {
		req.Instances = maxInstances
	}
	res, err := c.edit(&t, req)
	if err != nil {
		c.refuse(&t, c.errno(err))
		return nil
	}
	return c.stored(&t, v, name, req, &res)
}

// edit carries out an edit; a calid whose owner is not written as he is called
// is looked up.
func (c *call) edit(t *target, req *calendar.EditRequest) (calendar.EditResult, error) {
	req.Calendar, req.NoMail = t.id, !c.p.flag("smtp", true)
	res, err := c.be.EditObject(c.ctx, c.who, *req)
	if err != nil && calendar.KindOf(err) == calendar.NoCalendar && calendar.ReasonOf(err) != calendar.Hidden {
		if _, lookErr := c.calendar(t); lookErr != nil {
			return res, lookErr
		}
		if t.id == req.Calendar {
			return res, err
		}
		req.Calendar = t.id
		res, err = c.be.EditObject(c.ctx, c.who, *req)
	}
	return res, err
}

// edits reads the parameters of a store command.
func (c *call) edits(t *target, name string) (*calendar.EditRequest, error) {
	s := &storing{c: c, name: name, replace: c.p.flag("replace", false)}
	if err := s.readZone(); err != nil {
		return nil, err
	}
	patch, err := s.patch()
	if err != nil {
		return nil, err
	}
	mode, role, err := s.how()
	if err != nil {
		return nil, err
	}
	if err := s.organizer(&patch, mode); err != nil {
		return nil, err
	}
	files, err := c.files()
	if err != nil {
		return nil, err
	}
	req := &calendar.EditRequest{Component: name, Return: c.p.flag("fetch", false), Bound: c.set.RecurrenceBound}
	list := []instance{{}}
	if len(c.p.ids("uid")) > 0 {
		if list, err = c.instances(); err != nil {
			return nil, c.own()
		}
	} else if rids := c.p.ids("rid"); len(rids) > 0 && !(instance{rid: rids[0]}).whole() {
		return nil, s.bad("an instance needs a uid")
	} else {
		for _, m := range c.p.ids("mod") { // of no use without a uid, but perhaps meant otherwise
			if _, err := c.mod(m); err != nil {
				return nil, c.own()
			}
		}
	}
	for _, in := range list {
		it, err := s.item(in)
		if err != nil {
			return nil, err
		}
		it.Mode, it.Role, it.Patch, it.Attach, it.Detach = mode, role, patch, files, c.p.ids("deleteattach")
		req.Items = append(req.Items, it)
	}
	return req, nil
}

// storing reads parameters of a store or delete command.
type storing struct {
	c       *call
	name    string // VEVENT or VTODO
	replace bool
	zone    zone.Zone // of inputs without Z
	tzid    string    // what zone is called, "" for UTC
	given   string    // the zone that components are to be kept in, "" if none was asked for
}

func (s *storing) bad(msg string) error {
	return &calendar.Error{Kind: calendar.Invalid, Op: s.c.name, Msg: msg}
}

// readZone reads tzid, or the zone that old clients write as a property of the
// component. An unknown one is errno 18: what is kept would be at other hours.
// WCAP §5, §7.12.
func (s *storing) readZone() error {
	name := strings.TrimSpace(s.c.p.text("tzid"))
	for _, token := range [...]string{"X-NSCP-DTSTART-TZID", "X-NSCP-DUE-TZID", "X-NSCP-DTEND-TZID"} {
		_, told := xToken(s.c.p.text(token))
		if told = strings.TrimSpace(told); told != "" && !zoned(told) {
			return BadTZID
		}
		name = cmp.Or(name, told)
	}
	asked := name != ""
	if !asked {
		name = s.c.set.DefaultTZID
	}
	z, ok := zone.Load(name)
	if !ok {
		return BadTZID
	}
	s.zone = z
	if s.tzid = z.Name(); s.tzid == zone.UTC.Name() {
		s.tzid = ""
	}
	if asked {
		s.given = z.Name()
	}
	return nil
}

// how reads storetype and method.
func (s *storing) how() (mode calendar.EditMode, role calendar.EditRole, err error) {
	switch strings.TrimSpace(s.c.p.text("storetype")) {
	case "", "0":
	case "1":
		mode = calendar.EditCreate
	case "2":
		mode = calendar.EditModify
	default:
		return 0, 0, s.bad("storetype is 0, 1 or 2")
	}
	switch strings.ToUpper(strings.TrimSpace(s.c.p.text("method"))) {
	case "":
		role = calendar.AsBefore
	case "1", "PUBLISH":
	case "2", "REQUEST":
		role = calendar.AsOrganizer
	case "4", "REPLY":
		role = calendar.AsAttendee
	case "8", "CANCEL":
		role = calendar.AsCanceler
	case "256", "UPDATE":
		role = calendar.OwnCopy
	default:
		return 0, 0, s.bad("method is 1, 2, 4, 8 or 256")
	}
	return mode, role, nil
}

// item names one component. WCAP §6.2.
func (s *storing) item(in instance) (calendar.EditItem, error) {
	it := calendar.EditItem{UID: in.uid}
	if len(in.uid) > 1024 {
		return it, s.bad("the uid is longer than 1024 octets")
	}
	if in.whole() {
		return it, nil
	}
	rid, err := s.moment(in.rid)
	if err != nil {
		return it, err
	}
	it.RID = rid
	switch in.mod {
	case 0, 1:
		it.Scope = calendar.ThisInstance
	case 2:
		it.Scope = calendar.ThisAndFuture
	case 3:
		it.Scope = calendar.ThisAndPrior
	}
	return it, nil
}

// moment reads a date-time, or a date, that is not zero.
func (s *storing) moment(text string) (ical.DateTime, error) {
	d, err := ical.ParseDateTime(strings.TrimSpace(text), s.tzid, false)
	if err != nil {
		return d, &calendar.Error{Kind: calendar.Invalid, Op: s.c.name, Msg: "a date cannot be read", Err: err}
	}
	if d.Kind == ical.Floating { // the zone is UTC
		d.Kind = ical.UTC
	}
	return d, nil
}

// status is the REQUEST-STATUS of an item; that of a failure has the errno of
// the item in its third part. WCAP §8.1, RFC 5545 §3.8.8.3.
func status(done string, n Errno) ical.Property {
	p := ical.Property{Name: "REQUEST-STATUS"}
	switch n {
	case OK, AttachDeleted, AttachSomeDeleted:
		p.Value = "2.0;Success.  " + done + " successful."
	case AccessDenied, MustBeOwner, NotOrganizer, AttendeeRequest:
		p.Value = "3.8;Failed. " + done + " not allowed."
	case ComponentNotFound, ModifyNoEvent:
		p.Value = "3.1;Failed. No such component."
	default:
		p.Value = "3.7;Failed. " + done + " failed."
	}
	if p.Value[0] != '2' {
		p.Value += ";" + itoa(int(n))
	}
	return p
}

// stored prints the answer: errno first, then each component with its status,
// or whole if fetch asks for it.
func (c *call) stored(t *target, v *presentation, name string, req *calendar.EditRequest, res *calendar.EditResult) error {
	errnos := make([]Errno, len(res.Items))
	all := OK
	failed := 0
	for i, it := range res.Items {
		switch {
		case it.Err != nil:
			errnos[i] = c.errno(it.Err)
			if req.Items[i].Mode == calendar.EditModify && errnos[i] == ComponentNotFound && req.Items[i].RID.IsZero() {
				errnos[i] = ModifyNoEvent
			}
			failed++
		case len(req.Items[i].Detach) > 0:
			errnos[i] = detached(it.Detached, len(req.Items[i].Detach))
		}
		if all == OK {
			all = errnos[i]
		}
	}
	if failed == len(res.Items) && failed == 1 {
		c.refuse(t, all)
		return nil
	}
	if req.Return {
		c.begin(t, &res.Calendar)
	} else {
		c.out.begin("PUBLISH")
	}
	c.out.errno(all)
	for i := range res.Items {
		it := &res.Items[i]
		st := status("Store", errnos[i])
		if it.Err == nil { // what became of files is the errno's to tell
			st = status("Store", OK)
		}
		if req.Return && it.Err == nil && it.Object != nil {
			if i+1 < len(res.Items) && it.UID == res.Items[i+1].UID && res.Items[i+1].Err == nil {
				continue // the same object, once
			}
			err := c.shower(v, &res.Calendar, res.Float).show(it.Object, it.Occurrences, func(k *ical.Component) error {
				k.Props = append([]ical.Property{st}, k.Props...)
				return c.out.comp(k)
			})
			if err != nil {
				return err
			}
			continue
		}
		if err := c.out.comp(brief(name, it, st, t, c)); err != nil {
			return err
		}
	}
	c.out.end()
	return nil
}

// detached is the errno of deleteattach.
func detached(done, asked int) Errno {
	switch {
	case done == 0:
		return AttachmentNotFound
	case done < asked:
		return AttachSomeDeleted
	}
	return AttachDeleted
}

// brief is a component of which only its name and what became of it is told.
func brief(name string, it *calendar.EditItemResult, st ical.Property, t *target, c *call) *ical.Component {
	k := ical.New(name)
	k.SetText("UID", it.UID)
	if !it.RID.IsZero() {
		value := it.RID.String()
		if it.RID.Kind == ical.Zoned {
			if z, ok := zone.Load(it.RID.TZID); ok {
				value = utc(z.ToUTC(it.RID.Civil()))
			}
		}
		k.Set("RECURRENCE-ID", value)
	}
	k.Add(st)
	return k
}
