package service

import (
	"cmp"
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/match"
	"factotum/server/recur"
)

// CreateCalendar makes a collection in the home of the actor, or in any home
// for the administrator.
func (s *Service) CreateCalendar(ctx context.Context, who calendar.Actor, req calendar.CreateCalendarRequest) (calendar.Calendar, error) {
	ctx = bind(ctx, who, req)
	const op = "create calendar"
	in := req.Calendar
	id := in.ID
	owner, name := id.Owner(), id.Name()
	if err := calendar.CheckOwner(owner); err != nil {
		return calendar.Calendar{}, calendar.Failf(calendar.Invalid, calendar.CollectionLocationOK, op, string(id), "%v", err)
	}
	if err := calendar.CheckName(name); err != nil {
		return calendar.Calendar{}, calendar.Failf(calendar.Invalid, calendar.CollectionLocationOK, op, string(id), "%v", err)
	}
	if calendar.Reserved(name) {
		return calendar.Calendar{}, reservedName(op, id)
	}
	parent, nested := parentOf(name)
	if !s.isOwner(who, owner) {
		return calendar.Calendar{}, calendar.Failf(calendar.Denied, "", op, string(id), "calendars are made in one's own home")
	}
	if err := cmp.Or(s.permits(who, op, owner, calendar.CreateCalendars, "make calendars"), s.permitsList(who, op, owner, &in.ACL)); err != nil {
		return calendar.Calendar{}, err
	}
	p, err := s.person(ctx, op, owner)
	if err != nil {
		return calendar.Calendar{}, err
	}
	kind := in.Kind.Rules()
	if in.Kind == calendar.NoCollection {
		return calendar.Calendar{}, calendar.Failf(calendar.Unsupported, "", op, string(id), "it is not said what is to be made")
	}
	if !kind.Made {
		return calendar.Calendar{}, calendar.Failf(calendar.Denied, "", op, string(id), "clients make no collections of this kind")
	}
	row := s.newRow(p, name)
	row.Kind, row.Components = in.Kind, strings.Join(kind.Components, ",")
	set := calendar.UpdateCalendarRequest{ID: id, DisplayName: &in.DisplayName, Description: &in.Description, Color: &in.Color,
		Order: &in.Order, Categories: &in.Categories, Charset: &in.Charset, Language: &in.Language}
	if in.TZID != "" {
		set.TZID = &in.TZID
	}
	if in.Timezone != "" {
		set.Timezone = &in.Timezone
	}
	if in.Components != nil && kind.Objects {
		set.Components = &in.Components
	}
	if in.CoOwners != nil {
		set.CoOwners = &in.CoOwners
	}
	if in.NoDoubles {
		set.NoDoubles = &in.NoDoubles
	}
	if in.Transparent {
		set.Transparent = &in.Transparent
	}
	if !req.DefaultACL && in.ACL != nil {
		set.ACL = &in.ACL
	}
	for _, dp := range in.Props {
		set.Props = append(set.Props, calendar.PropChange{Prop: dp})
	}
	wrong := s.checkProps(op, &set) // which is told after what stands there
	if wrong == nil {
		s.setRow(&row, &set)
	}
	err = s.write(ctx, who, op, owner, nil, func(w *writer) error {
		if nested {
			up, ok, err := w.Calendar(parent)
			if err != nil {
				return err
			}
			if !ok {
				return calendar.Failf(calendar.Stale, "", op, string(id), "the collection above does not exist")
			}
			if !kind.Nests {
				return calendar.Failf(calendar.Denied, calendar.CollectionLocationOK, op, string(id), "a calendar stands directly in a home")
			}
			if !up.Kind.Rules().Nests {
				return calendar.Failf(calendar.Denied, calendar.CollectionLocationOK, op, string(id), "this collection holds no others")
			}
			if _, ok, err := w.Object(up.ID, lastSegment(name), false); err != nil {
				return err
			} else if ok {
				return calendar.Failf(calendar.Exists, "", op, string(id), "a file of that name exists")
			}
		}
		if _, reserved := calendar.KindOfName(name); reserved {
			return calendar.Failf(calendar.Exists, "", op, string(id), "every home has a collection for scheduling of that name")
		}
		all, err := w.Calendars()
		if err != nil {
			return err
		}
		if len(all) >= s.opt.Limits.Calendars {
			return calendar.Failf(calendar.OverQuota, "", op, string(id), "a home holds at most %d collections", s.opt.Limits.Calendars)
		}
		if slices.ContainsFunc(all, func(c calendar.CalendarRow) bool { return c.Name == name }) {
			return calendar.Failf(calendar.Exists, "", op, string(id), "a collection of that name exists")
		}
		if wrong != nil {
			return wrong
		}
		_, err = w.createCalendar(row, in.Props)
		return err
	})
	if err != nil {
		return calendar.Calendar{}, err
	}
	return s.Calendar(ctx, who, id)
}

// parentOf returns the name of the collection that a nested one stands in.
func parentOf(name string) (string, bool) {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return "", false
	}
	return name[:i], true
}

func lastSegment(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }

// checkProps validates the new property values of a calendar.
func (s *Service) checkProps(op string, u *calendar.UpdateCalendarRequest) error {
	lim := s.opt.Limits
	ref := string(u.ID)
	for _, v := range []*string{u.DisplayName, u.Description, u.Color, u.Order, u.TZID, u.Categories, u.Charset, u.Language} {
		if v == nil {
			continue
		}
		if len(*v) > lim.PropSize {
			return calendar.Failf(calendar.TooLarge, "", op, ref, "a property value is longer than %d octets", lim.PropSize)
		}
		if strings.ContainsRune(*v, 0) {
			return calendar.Failf(calendar.Invalid, "", op, ref, "a property value holds a NUL")
		}
	}
	if u.Timezone != nil && *u.Timezone != "" {
		if _, err := match.TimezoneName(*u.Timezone); err != nil {
			return calendar.Failf(calendar.Invalid, calendar.ValidTimezone, op, ref, "calendar-timezone must be a VCALENDAR with exactly one VTIMEZONE: %v", err)
		}
	}
	if u.TZID != nil && *u.TZID != "" {
		if _, ok := recur.LoadZone(*u.TZID); !ok {
			return calendar.Failf(calendar.Invalid, calendar.ValidTimezone, op, ref, "the time zone %q is not known", *u.TZID)
		}
	}
	if u.Components != nil {
		kind := calendar.CalendarCollection.Rules()
		for _, c := range *u.Components {
			if name := strings.ToUpper(c); !slices.Contains(kind.Components, name) && !slices.Contains(kind.Also, name) {
				return calendar.Failf(calendar.Invalid, calendar.SupportedComponent, op, ref, "the component %q is not supported", c)
			}
		}
	}
	if u.CoOwners != nil {
		if len(*u.CoOwners) > acl.MaxEntries {
			return calendar.Failf(calendar.TooLarge, "", op, ref, "more than %d owners", acl.MaxEntries)
		}
		for _, o := range *u.CoOwners {
			if err := calendar.CheckOwner(calendar.Owner(o)); err != nil {
				return calendar.Failf(calendar.Invalid, "", op, ref, "owner %q: %v", o, err)
			}
		}
	}
	if len(u.Props) > lim.Props {
		return calendar.Failf(calendar.TooLarge, "", op, ref, "more than %d properties", lim.Props)
	}
	for _, ch := range u.Props {
		if calendar.IsInviteProp(ch.Prop) {
			return calendar.Failf(calendar.Denied, "", op, ref, "calendars are shared by CS:share")
		}
		if calendar.IsPersonalProp(ch.Prop) {
			return calendar.Failf(calendar.Denied, "", op, ref, "what is a user's own is part of the object that he writes")
		}
		if len(ch.Prop.Value) > lim.PropSize || len(ch.Prop.Space)+len(ch.Prop.Local) > 1024 {
			return calendar.Failf(calendar.TooLarge, "", op, ref, "a property is longer than %d octets", lim.PropSize)
		}
	}
	return nil
}

func (s *Service) setRow(row *calendar.CalendarRow, u *calendar.UpdateCalendarRequest) {
	set := func(dst *string, v *string) {
		if v != nil {
			*dst = *v
		}
	}
	setLine := func(dst *string, v *string) {
		if v != nil {
			*dst = oneLine(*v)
		}
	}
	setLine(&row.DisplayName, u.DisplayName)
	set(&row.Description, u.Description)
	setLine(&row.Color, u.Color)
	setLine(&row.Order, u.Order)
	setLine(&row.Categories, u.Categories)
	setLine(&row.Charset, u.Charset)
	setLine(&row.Language, u.Language)
	setZone(row, u)
	if u.Components != nil {
		row.Components = strings.ToUpper(strings.Join(*u.Components, ","))
	}
	if u.CoOwners != nil {
		row.CoOwners = strings.Join(*u.CoOwners, " ")
	}
	if u.ACL != nil {
		row.ACL = u.ACL.WithOwner(s.opt.OwnerACL)
	}
	if u.Transparent != nil {
		row.Transparent = *u.Transparent
	}
	if u.NoDoubles != nil {
		row.NoDoubles = *u.NoDoubles
	}
	if u.Disabled != nil {
		row.Disabled = *u.Disabled
	}
}

// oneLine makes one line of a text that is one, a name: what would begin
// another line, somewhere, is a blank. Printers see to it as well.
func oneLine(s string) string {
	breaks := func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }
	if !strings.ContainsFunc(s, breaks) {
		return s
	}
	return strings.Join(strings.FieldsFunc(s, breaks), " ")
}

// setZone sets the zone of floating time, of which the last word counts: a
// text with its name, if it is a known one, or a name without a text.
func setZone(row *calendar.CalendarRow, u *calendar.UpdateCalendarRequest) {
	switch {
	case u.Timezone != nil && *u.Timezone != "":
		row.Timezone, row.TZID = *u.Timezone, ""
		if u.TZID != nil {
			row.TZID = oneLine(*u.TZID)
		}
		if name, err := match.TimezoneName(row.Timezone); err == nil {
			if _, ok := recur.LoadZone(name); ok {
				row.TZID = name
			}
		}
	case u.TZID != nil:
		if *u.TZID != row.TZID || u.Timezone != nil {
			row.Timezone = ""
		}
		row.TZID = oneLine(*u.TZID)
	case u.Timezone != nil:
		row.Timezone, row.TZID = "", ""
	}
}

// UpdateCalendar changes properties, all or none. The list needs the
// self-administration right; the owners only the primary owner may change.
func (s *Service) UpdateCalendar(ctx context.Context, who calendar.Actor, req calendar.UpdateCalendarRequest) (calendar.Calendar, error) {
	ctx = bind(ctx, who, req)
	const op = "update calendar"
	if err := s.checkProps(op, &req); err != nil {
		return calendar.Calendar{}, err
	}
	if err := s.unlessDone(ctx, op, req.ID.Owner(), nil, s.updateCalendar(ctx, who, op, req)); err != nil {
		return calendar.Calendar{}, err
	}
	return s.Calendar(ctx, who, req.ID)
}

func (s *Service) updateCalendar(ctx context.Context, who calendar.Actor, op string, req calendar.UpdateCalendarRequest) error {
	may := s.mayUpdate(who, op, &req)
	_, r, err := s.look(ctx, who, op, req.ID, nil)
	if err == nil {
		err = may(r)
	}
	if err == nil {
		err = s.permitsList(who, op, req.ID.Owner(), req.ACL)
	}
	if err != nil {
		return err
	}
	return s.write(ctx, who, op, req.ID.Owner(), nil, func(w *writer) error {
		p, err := w.enter(req.ID, nil)
		if err == nil {
			err = may(p.rights)
		}
		if err == nil {
			err = onlyKind(op, req.OnlyKind, p)
		}
		if err != nil {
			return err
		}
		if !hasCTag(req.IfMatch, p.row) {
			return calendar.Fail(calendar.Stale, op, string(req.ID))
		}
		if isBox(&p.row) {
			return w.updateBox(p, &req)
		}
		if req.DefaultCalendar != nil || req.FreeBusySet != nil {
			return calendar.Failf(calendar.Unsupported, "", op, string(req.ID), "that is a property of the inbox")
		}
		row := p.row
		s.setRow(&row, &req)
		regroup := false
		if row.CoOwners != p.row.CoOwners {
			if regroup, err = s.hidesAny(w, row.ID); err != nil {
				return err
			}
		}
		return w.changeCalendar(p, row, regroup, req.Props)
	})
}

// mayUpdate says what is missing for the properties that are to be changed.
func (s *Service) mayUpdate(who calendar.Actor, op string, req *calendar.UpdateCalendarRequest) func(calendar.Rights) error {
	aclOnly := onlyACL(*req)
	return func(r calendar.Rights) error {
		switch {
		case req.Disabled != nil && !s.administers(who, req.ID.Owner()):
			return calendar.Failf(calendar.Denied, "", op, string(req.ID), "only the calendar administrator may do that")
		case req.CoOwners != nil && !r.Owner:
			return calendar.Failf(calendar.Denied, "", op, string(req.ID), "only the primary owner may change the owners")
		case req.ACL != nil && !r.Properties.Has(acl.SelfAdmin):
			return calendar.Failf(calendar.Denied, "", op, string(req.ID), "you may not change the access control list")
		case !aclOnly && !r.Properties.Has(acl.Write):
			return calendar.Failf(calendar.Denied, "", op, string(req.ID), "you may not change the properties of this calendar")
		}
		return nil
	}
}

// hidesAny tells whether a calendar has an object that not everyone who reads
// the calendar sees in full.
func (s *Service) hidesAny(w *writer, cal int64) (bool, error) {
	if !s.filtersPrivate(w.owner) {
		return false, nil
	}
	found := errors.New("found one")
	err := w.Objects(cal, "", false, func(o *calendar.ObjectRow) error {
		if o.Private != 0 {
			return found
		}
		return nil
	})
	if errors.Is(err, found) {
		return true, nil
	}
	return false, err
}

// onlyACL tells that nothing but the list is to be changed, for which other
// rights are needed.
func onlyACL(u calendar.UpdateCalendarRequest) bool {
	given := u.ACL != nil && len(u.Props) == 0
	u.ID, u.IfMatch, u.ACL, u.Props = "", nil, nil, nil
	return given && reflect.ValueOf(u).IsZero()
}

// hasCTag tests If-Match, when there is one, on a collection.
func hasCTag(match []string, row calendar.CalendarRow) bool {
	tag := (&calendar.Calendar{Incarnation: row.ID, Change: row.Change}).CTag()
	return len(match) == 0 || slices.Contains(match, tag) || slices.Contains(match, "*")
}

// DeleteCalendar removes a collection, what is in it and, for a plain one,
// the collections below. The default calendar stays: other things point at it.
func (s *Service) DeleteCalendar(ctx context.Context, who calendar.Actor, req calendar.DeleteCalendarRequest) error {
	ctx = bind(ctx, who, req)
	const op = "delete calendar"
	return s.unlessDone(ctx, op, req.ID.Owner(), nil, s.deleteCalendar(ctx, who, op, req))
}

func (s *Service) deleteCalendar(ctx context.Context, who calendar.Actor, op string, req calendar.DeleteCalendarRequest) error {
	if _, _, err := s.look(ctx, who, op, req.ID, toOwn); err != nil {
		return err
	}
	if err := s.permits(who, op, req.ID.Owner(), calendar.DeleteCalendars, "delete calendars"); err != nil {
		return err
	}
	if req.ID.Name() == calendar.DefaultName && (!s.administers(who, req.ID.Owner()) || req.KeepDefault) {
		return calendar.Failf(calendar.Denied, calendar.DefaultCalendarNeeded, op, string(req.ID), "the default calendar cannot be deleted")
	}
	return s.write(ctx, who, op, req.ID.Owner(), nil, func(w *writer) error {
		p, err := w.enter(req.ID, toOwn)
		if err == nil {
			err = onlyKind(op, req.OnlyKind, p)
		}
		if err != nil {
			return err
		}
		if !hasCTag(req.IfMatch, p.row) {
			return calendar.Fail(calendar.Stale, op, string(req.ID))
		}
		if err := w.mayGo(p, &req); err != nil {
			return err
		}
		if err := w.deleteTree(p.row, telling{silent: req.NoReply}); err != nil {
			return err
		}
		return w.emptied()
	})
}

// mayGo refuses to delete what a home cannot be without: its boxes, and the
// calendar that its owner has chosen for invitations. RFC 6638 §4.3.
func (w *writer) mayGo(p *place, req *calendar.DeleteCalendarRequest) error {
	if isBox(&p.row) {
		return calendar.Failf(calendar.Denied, "", w.op, string(p.id), "every home has this collection; it goes with the last calendar")
	}
	if w.s.administers(w.who, w.owner) && !req.KeepDefault {
		return nil
	}
	name, err := w.invitationsTo()
	if err == nil && name == p.row.Name {
		return calendar.Failf(calendar.Denied, calendar.DefaultCalendarNeeded, w.op, string(p.id), "invitations go to this calendar: choose another one for them first")
	}
	return err
}

// onlyKind takes no other collection for a calendar where only is set.
func onlyKind(op string, only bool, p *place) error {
	if only && p.row.Kind != calendar.CalendarCollection {
		return calendar.Fail(calendar.NoCalendar, op, string(p.id))
	}
	return nil
}

// deleteTree removes a collection and those nested below it.
func (w *writer) deleteTree(row calendar.CalendarRow, how telling) error {
	if row.Kind.Rules().Nests {
		all, err := w.Calendars()
		if err != nil {
			return err
		}
		for _, c := range all {
			if strings.HasPrefix(c.Name, row.Name+"/") {
				if err := w.deleteCalendar(c, how); err != nil {
					return err
				}
			}
		}
	}
	return w.deleteCalendar(row, how)
}
