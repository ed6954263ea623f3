package service

import (
	"slices"
	"strconv"
	"strings"

	"factotum/server/acl"
	"factotum/server/cache"
	"factotum/server/calendar"
)

// The collections of scheduling (Kind.Rules().Name) are there as soon as there is
// a home, of whatever release. A row is made of one when there is something to
// keep in it: until then it is shown as it would be, empty, and nobody who reads
// writes. Whose they are, and who may do what in them, is not kept with them but
// follows from the owner's default calendar: its list says who may invite.

// unstored is the row of a box of which none is kept. Its incarnation is below
// those that newID makes.
func unstored(kind calendar.CollectionKind) calendar.CalendarRow {
	rules := kind.Rules()
	return calendar.CalendarRow{ID: int64(kind), Name: rules.Name, Kind: kind, Change: 1, MetaChange: 1, Components: strings.Join(rules.Components, ",")}
}

func isStored(row *calendar.CalendarRow) bool { return row.ID > 0xff }

// isBox tells of a row whether it is a collection that every home has.
func isBox(row *calendar.CalendarRow) bool { return row.Kind.Rules().Name != "" }

// sharing gives a box the owners and the list of the default calendar, of which
// def is the row, or nil: others have those rights of it that are about what the
// box is for. RFC 6638 §6.
func (s *Service) sharing(row, def *calendar.CalendarRow) {
	list, owners := s.opt.DefaultACL.WithOwner(s.opt.OwnerACL), ""
	if def != nil {
		list, owners = def.ACL, def.CoOwners
	}
	rights := acl.FreeBusy | acl.Schedule
	if row.Kind == calendar.OutboxCollection {
		rights = acl.FreeBusy | acl.Lookup | acl.Reply | acl.Invite | acl.Cancel
	}
	row.ACL, row.CoOwners = list.Only(rights), owners
}

// box is what is shown under a name: cal, which is stored there, or nil; of a
// box, with the rights that it has, also if it is not stored.
func (s *Service) box(v cache.View, who calendar.Actor, owner calendar.Owner, name string, cal *cache.Calendar) (*cache.Calendar, error) {
	var row calendar.CalendarRow
	var props []calendar.DeadProp
	switch kind, reserved := calendar.KindOfName(name); {
	case cal != nil && !isBox(&cal.Row):
		return cal, nil
	case cal != nil:
		row, props = cal.Row, cal.Props
	case !reserved || !v.Home().Exists && !isSelf(who, owner):
		return nil, nil
	default:
		row = unstored(kind)
	}
	def, err := v.Calendar(calendar.DefaultName)
	if err != nil {
		return nil, err
	}
	var defRow *calendar.CalendarRow
	if def != nil {
		defRow = &def.Row
	}
	s.sharing(&row, defRow)
	return cache.NewCalendar(owner, row, props), nil
}

func isSelf(who calendar.Actor, owner calendar.Owner) bool {
	return who.User != "" && strings.EqualFold(who.User, string(owner))
}

// withBoxes are the collections of a home, cals, with its boxes.
func (s *Service) withBoxes(v cache.View, who calendar.Actor, owner calendar.Owner, cals []*cache.Calendar) ([]*cache.Calendar, error) {
	out := slices.Clone(cals)
	for _, kind := range calendar.CollectionKinds() {
		name := kind.Rules().Name
		if name == "" {
			continue
		}
		at := slices.IndexFunc(out, func(c *cache.Calendar) bool { return c.Row.Name == name })
		var have *cache.Calendar
		if at >= 0 {
			have = out[at]
		}
		box, err := s.box(v, who, owner, name, have)
		switch {
		case err != nil:
			return nil, err
		case at >= 0:
			out[at] = box
		case box != nil:
			out = append(out, box)
		}
	}
	return out, nil
}

// box is the same for a write.
func (w *writer) box(name string, row *calendar.CalendarRow, stored bool) (ok bool, err error) {
	kind, reserved := calendar.KindOfName(name)
	switch {
	case stored && !isBox(row):
		return true, nil
	case !stored && !reserved:
		return false, nil
	case !stored:
		if _, exists, err := w.Home(); err != nil || !exists && !isSelf(w.who, w.owner) {
			return false, err
		}
		*row = unstored(kind)
	}
	def, ok, err := w.Calendar(calendar.DefaultName)
	if err != nil {
		return false, err
	}
	if ok {
		w.s.sharing(row, &def)
	} else {
		w.s.sharing(row, nil)
	}
	return true, nil
}

// keep makes the row of a box that is not stored.
func (w *writer) keep(p *place) (*place, error) {
	if isStored(&p.row) {
		return p, nil
	}
	row := unstored(p.row.Kind)
	row.ID = w.s.newID()
	made, err := w.createCalendar(row, nil)
	if err != nil {
		return nil, err
	}
	p.row = made.row
	return p, nil
}

// defaultProp is the property of an inbox that names the incarnation of the
// calendar that invitations go to. No client sees it as it is.
var defaultProp = calendar.DeadProp{Space: acl.NamespaceOurs, Local: "schedule-default-calendar"}

func isDefaultProp(p calendar.DeadProp) bool {
	return p.Space == defaultProp.Space && p.Local == defaultProp.Local
}

// chosenDefault is the incarnation that it names, 0 for none.
func chosenDefault(props []calendar.DeadProp) int64 {
	if i := slices.IndexFunc(props, isDefaultProp); i >= 0 {
		if id, err := strconv.ParseInt(props[i].Value, 10, 64); err == nil {
			return id
		}
	}
	return 0
}

// takesInvitations tells whether a calendar can be the one that invitations go
// to. RFC 6638 §4.3.
func takesInvitations(row *calendar.CalendarRow) bool {
	return row.Kind.Rules().Objects && !row.Disabled && slices.Contains(strings.Split(row.Components, ","), "VEVENT")
}

// tellInbox adds to the description of an inbox what it says of the home.
func (s *Service) tellInbox(v cache.View, cal *cache.Calendar, c *calendar.Calendar) error {
	if c.Kind != calendar.InboxCollection || !c.Rights.Owner && !c.Rights.CanRead() {
		return nil
	}
	owner := cal.ID.Owner()
	c.Props = slices.DeleteFunc(slices.Clone(c.Props), isDefaultProp)
	c.DefaultCalendar = calendar.NewID(owner, calendar.DefaultName)
	cals, err := v.Calendars()
	if err != nil {
		return err
	}
	chosen := chosenDefault(cal.Props)
	for _, x := range cals {
		if x.Row.ID == chosen && takesInvitations(&x.Row) {
			c.DefaultCalendar = x.ID
		}
		if x.Row.Kind.Rules().Objects && !x.Row.Transparent {
			c.FreeBusySet = append(c.FreeBusySet, x.ID)
		}
	}
	return nil
}

// invitationsTo is the name of the calendar that new invitations go to: the one
// that the owner chose, or his default calendar, whether it is there or not.
func (w *writer) invitationsTo() (string, error) {
	row, ok, err := w.Calendar(calendar.InboxCollection.Rules().Name)
	if err != nil || !ok || row.Kind != calendar.InboxCollection {
		return calendar.DefaultName, err
	}
	props, err := w.Props(row.ID, "")
	if err != nil {
		return "", err
	}
	if chosen := chosenDefault(props); chosen != 0 {
		cals, err := w.Calendars()
		if err != nil {
			return "", err
		}
		for i := range cals {
			if cals[i].ID == chosen && takesInvitations(&cals[i]) {
				return cals[i].Name, nil
			}
		}
	}
	return calendar.DefaultName, nil
}

// updateBox changes properties of a box.
func (w *writer) updateBox(p *place, req *calendar.UpdateCalendarRequest) error {
	refuse := func(k calendar.Kind, r calendar.Reason, msg string) error {
		return calendar.Failf(k, r, w.op, string(req.ID), "%s", msg)
	}
	inbox := p.row.Kind == calendar.InboxCollection
	switch {
	case req.ACL != nil || req.CoOwners != nil || req.Disabled != nil:
		return refuse(calendar.Denied, "", "the rights on this collection are those of the default calendar: change them there")
	case req.Components != nil || req.Transparent != nil || req.NoDoubles != nil:
		return refuse(calendar.Unsupported, "", "this collection is no calendar")
	case !inbox && (req.DefaultCalendar != nil || req.FreeBusySet != nil):
		return refuse(calendar.Unsupported, "", "that is a property of the inbox")
	}
	changes := slices.Clone(req.Props)
	if req.DefaultCalendar != nil {
		id := calendar.ID(*req.DefaultCalendar)
		cal, ok, err := w.Calendar(id.Name())
		if err != nil {
			return err
		}
		if !ok || id.Owner() != w.owner || !takesInvitations(&cal) {
			return refuse(calendar.Invalid, calendar.ValidDefaultCalendar, "invitations go to a calendar for events in the same home")
		}
		prop := defaultProp
		prop.Value = strconv.FormatInt(cal.ID, 10)
		changes = append(changes, calendar.PropChange{Prop: prop})
	}
	if req.FreeBusySet != nil {
		if err := w.countFor(*req.FreeBusySet); err != nil {
			return err
		}
	}
	p, err := w.keep(p)
	if err != nil {
		return err
	}
	row := p.row
	w.s.setRow(&row, req)
	row.ACL, row.CoOwners = nil, ""
	return w.changeCalendar(p, row, false, changes)
}

// countFor has the calendars of a list count for busy time, and no others.
func (w *writer) countFor(calids []string) error {
	cals, err := w.Calendars()
	if err != nil {
		return err
	}
	for i := range cals {
		row := cals[i]
		id := calendar.NewID(w.owner, row.Name)
		counts := slices.Contains(calids, string(id))
		if !row.Kind.Rules().Objects || counts != row.Transparent {
			continue
		}
		p, err := w.enter(id, toWriteProps)
		if err != nil {
			return err
		}
		row.Transparent = !counts
		if err := w.changeCalendar(p, row, false, nil); err != nil {
			return err
		}
	}
	return nil
}

// emptied removes the boxes of a home in which there is no other collection any
// more.
func (w *writer) emptied() error {
	rows, err := w.Calendars()
	if err != nil || slices.ContainsFunc(rows, func(c calendar.CalendarRow) bool { return !isBox(&c) }) {
		return err
	}
	for _, row := range rows {
		if err := w.deleteCalendar(row, telling{}); err != nil {
			return err
		}
	}
	return nil
}
