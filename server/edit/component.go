package edit

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/object"
	"factotum/server/recur"
)

// structural are the properties that a PropEdit may not touch.
var structural = map[string]bool{
	"UID": true, "RECURRENCE-ID": true, "DTSTART": true, "DTEND": true, "DUE": true, "DURATION": true, "RRULE": true, "RDATE": true,
	"EXRULE": true, "EXDATE": true, "DTSTAMP": true, "CREATED": true, "LAST-MODIFIED": true, "BEGIN": true, "END": true, "": true,
}

// apply changes one component. Where a change of times moves the instances of a
// series, that is for the caller (storeSeries).
func (e *Editor) apply(cal, c *ical.Component, p *calendar.Patch) error {
	before := c.Clone()
	if err := e.times(cal, c, p); err != nil {
		return err
	}
	if err := e.rules(cal, c, p); err != nil {
		return err
	}
	for i := range p.Props {
		if err := e.prop(c, &p.Props[i]); err != nil {
			return err
		}
	}
	reopen(c, before, p)
	e.organizer(c, p)
	for i := range p.Alarms {
		e.alarm(cal, c, &p.Alarms[i])
	}
	e.stamp(c, before, p)
	return nil
}

// reopen takes back what says that a task is done where a patch gives it another
// status and leaves that unsaid. WCAP §9.36.
func reopen(c, before *ical.Component, p *calendar.Patch) {
	if c.Name != "VTODO" || before.Word("STATUS") != "COMPLETED" || c.Word("STATUS") == "COMPLETED" {
		return
	}
	says := func(name string) bool {
		return slices.ContainsFunc(p.Props, func(x calendar.PropEdit) bool { return strings.EqualFold(x.Name, name) })
	}
	if !says("COMPLETED") {
		c.Del("COMPLETED")
	}
	if !says("PERCENT-COMPLETE") && strings.TrimSpace(c.Value("PERCENT-COMPLETE")) == "100" {
		c.Del("PERCENT-COMPLETE")
	}
}

// stamp sets the times of a change, and SEQUENCE if others must hear of it.
// RFC 5546 §2.1.4.
func (e *Editor) stamp(c, before *ical.Component, p *calendar.Patch) {
	now := ical.FromCivil(e.Now.UTC(), ical.UTC, "")
	c.SetDateTime("DTSTAMP", now)
	c.SetDateTime("LAST-MODIFIED", now)
	if before == nil || slices.ContainsFunc(p.Props, func(x calendar.PropEdit) bool { return x.Name == "SEQUENCE" }) {
		return
	}
	if consequential(before) != consequential(c) {
		n := 0
		for _, d := range strings.TrimSpace(c.Value("SEQUENCE")) {
			if d < '0' || d > '9' || n > 1<<28 {
				break
			}
			n = n*10 + int(d-'0')
		}
		c.Set("SEQUENCE", strconv.Itoa(n+1))
	}
}

// consequential spells what cannot change without the attendees being told anew.
// RFC 5546 §2.1.4.
func consequential(c *ical.Component) string {
	var b []byte
	for i := range c.Props {
		switch p := &c.Props[i]; p.Name {
		case "DTSTART", "DTEND", "DUE", "DURATION", "RRULE", "RDATE", "EXRULE", "EXDATE":
			b = p.Append(b)
		case "STATUS":
			if strings.EqualFold(p.Value, "CANCELLED") {
				b = append(b, "CANCELLED"...)
			}
		}
	}
	return string(b)
}

// times sets start and end. One zone is for all of a component's times, so a
// new one moves the others into it too. WCAP §5.
func (e *Editor) times(cal, c *ical.Component, p *calendar.Patch) error {
	if p.Start == nil && p.End == nil && p.Due == nil && p.Duration == nil && p.AllDay == nil {
		return nil
	}
	k, old := e.newClock(cal, c, p)
	start, oldStart := moment(c, "DTSTART"), moment(c, "DTSTART")
	switch {
	case p.Start == nil && !start.IsZero():
		start = k.keep(start)
	case p.Start != nil && p.Start.IsZero():
		start = ical.DateTime{}
	case p.Start != nil:
		start = k.keep(*p.Start)
	}
	endName, given := "DTEND", p.End
	if c.Name == "VTODO" {
		endName, given = "DUE", p.Due
	}
	end, oldEnd := moment(c, endName), moment(c, endName)
	switch {
	case given != nil && given.IsZero():
		end = ical.DateTime{}
		c.Del("DURATION")
	case given != nil:
		end = k.keep(*given)
		c.Del("DURATION")
	case p.Duration != nil && start.IsZero():
		return invalid("", "a duration needs a start")
	case p.Duration != nil:
		if p.Duration.Neg && !p.Duration.IsZero() {
			return invalid("", "the duration is negative")
		}
		end = k.of(addDuration(start.Civil(), *p.Duration))
		c.Del("DURATION")
	case !end.IsZero():
		end = e.followEnd(k, old, start, oldStart, oldEnd)
	}
	if !end.IsZero() && !start.IsZero() {
		late := k.instant(end).Compare(k.instant(start))
		switch {
		case late < 0 && k.kind == ical.Date, late == 0 && c.Name == "VEVENT":
			end = ical.DateTime{} // a day, or a moment: what a start by itself means
		case late < 0:
			return invalid("", "the end is before the start")
		}
	}
	setMoment(c, "DTSTART", start)
	setMoment(c, endName, end)
	return nil
}

// followEnd is the end of a component of which only the start was changed.
func (e *Editor) followEnd(k, old *clock, start, oldStart, oldEnd ical.DateTime) ical.DateTime {
	if k.kind == ical.Date && old.kind != ical.Date {
		day := old.civil(oldEnd)
		if !day.Equal(k.day(oldEnd)) {
			day = day.AddDate(0, 0, 1)
		}
		return k.of(day)
	}
	end := k.keep(oldEnd)
	if !start.IsZero() && !oldStart.IsZero() && k.instant(end).Before(k.instant(start)) {
		return k.of(start.Civil().Add(old.civil(oldEnd).Sub(old.civil(oldStart))))
	}
	return end
}

func setMoment(c *ical.Component, name string, d ical.DateTime) {
	if d.IsZero() {
		c.Del(name)
		return
	}
	c.SetDateTime(name, d)
}

// newClock is the clock that the component keeps after the patch, and the one
// that it kept before.
func (e *Editor) newClock(cal, c *ical.Component, p *calendar.Patch) (k, old *clock) {
	zones := recur.ZonesOf(cal)
	old, had := clockOf(c, zones, e.Floating)
	k = &clock{zones: zones, floating: e.Floating}
	given := ical.DateTime{}
	for _, d := range []*ical.DateTime{p.Start, p.End, p.Due} {
		if d != nil && !d.IsZero() {
			given = *d
			break
		}
	}
	tzid := p.TZID
	switch {
	case tzid != "":
	case had && old.kind == ical.Zoned:
		tzid = old.tzid
	case given.Kind == ical.Zoned && !given.IsZero() && (!had || old.kind == ical.Date):
		tzid = given.TZID
	}
	allDay := had && old.kind == ical.Date || !had && given.Kind == ical.Date && !given.IsZero()
	if p.AllDay != nil {
		allDay = *p.AllDay
	}
	switch {
	case tzid != "":
		k.set(ical.Zoned, tzid)
	case had && old.kind == ical.Floating:
		k.set(ical.Floating, "")
	case had && old.kind == ical.Date && given.IsZero():
		k.set(ical.Floating, "")
		k.kind, k.zone = ical.UTC, e.Floating
		if z, ok := recur.LoadZone(e.Floating.Name()); ok {
			k.set(ical.Zoned, z.Name())
		}
	default:
		k.set(ical.UTC, "")
	}
	if allDay {
		zone := k.zone
		if tzid == "" {
			zone = e.Floating
		}
		k.kind, k.tzid, k.zone = ical.Date, "", zone
	}
	return k, old
}

// prop changes the properties of one name.
func (e *Editor) prop(c *ical.Component, x *calendar.PropEdit) error {
	name := strings.ToUpper(x.Name)
	if structural[name] {
		return invalid("", "%s is not changed like this", name)
	}
	switch name {
	case "ATTENDEE":
		return e.attendees(c, x)
	case "ORGANIZER":
		if o := c.Prop(name); o != nil && len(x.Props) == 1 && calendar.AddressKey(o.Value) == calendar.AddressKey(x.Props[0].Value) {
			return nil // with what else is known of him
		}
	case "TRANSP":
		if e.forResource() && len(x.Props) > 0 && strings.EqualFold(x.Props[0].Value, "TRANSPARENT") {
			return invalid(calendar.TranspResource, "a resource is never transparent")
		}
	}
	var old []ical.Property
	at := len(c.Props)
	for i := range c.Props {
		if c.Props[i].Name == name && replaceable(&c.Props[i]) {
			if len(old) == 0 {
				at = i - len(old)
			}
			old = append(old, c.Props[i])
		}
	}
	if name == "ATTACH" && len(x.Remove) > 0 {
		detach(c, x.Remove)
	}
	if x.Append {
		appendValues(c, old, x.Props)
		return nil
	}
	if len(old) > 0 {
		c.Props = slices.DeleteFunc(c.Props, func(p ical.Property) bool { return p.Name == name && replaceable(&p) })
	}
	var room [2]ical.Property // most have one value
	fresh := room[:0]
	was := byValue(old)
	for _, p := range x.Props {
		p = p.Clone()
		p.Name = name
		if name == "ATTACH" && calendar.AttachmentID(p.Value) != "" {
			continue // a file of ours, told by its address: it is there or it is not
		}
		// What a client that knows more wrote beside the same value stays.
		if o, ok := was[p.Value]; ok && len(p.Params) == 0 {
			p = *o
		}
		fresh = append(fresh, p)
	}
	c.Props = slices.Insert(c.Props, min(at, len(c.Props)), fresh...)
	return nil
}

// replaceable tells attachments by address from those that hold a file.
func replaceable(p *ical.Property) bool {
	return p.Name != "ATTACH" || calendar.AttachmentID(p.Value) == "" && !p.HasParam("ENCODING") && !p.HasParam("MANAGED-ID")
}

// listed are the properties whose value is a list of texts.
var listed = map[string]bool{"CATEGORIES": true, "RESOURCES": true}

// byValue finds properties by their value, of several the first. There may be
// thousands on either side of a comparison.
func byValue(list []ical.Property) map[string]*ical.Property {
	if len(list) == 0 {
		return nil
	}
	m := make(map[string]*ical.Property, len(list))
	for i := range list {
		if p := &list[i]; m[p.Value] == nil {
			m[p.Value] = p
		}
	}
	return m
}

// appendValues adds what is not there yet.
func appendValues(c *ical.Component, old, props []ical.Property) {
	was := byValue(old)
	have := map[string]bool{} // of lists of texts
	for i := range old {
		if listed[old[i].Name] {
			for _, s := range ical.SplitText(old[i].Value) {
				have[s] = true
			}
		}
	}
	for _, p := range props {
		if !listed[p.Name] {
			if was[p.Value] == nil {
				c.Add(p.Clone())
			}
			continue
		}
		var add []string
		for _, s := range ical.SplitText(p.Value) {
			if !have[s] {
				have[s] = true
				add = append(add, s)
			}
		}
		if len(add) > 0 {
			c.Add(ical.Property{Name: p.Name, Value: ical.JoinText(add...)})
		}
	}
}

// attendees changes the list of attendees. One that was there keeps the
// parameters that are not given anew. WCAP §7.1, §7.11.
func (e *Editor) attendees(c *ical.Component, x *calendar.PropEdit) error {
	was := map[string]ical.Property{} // by address, of several the first
	own := ""                         // by which address the owner is invited
	for _, p := range c.Props {
		if p.Name == "ATTENDEE" {
			if own == "" && e.Owner.HasAddress(p.Value) {
				own = p.Value
			}
			if key := calendar.AddressKey(p.Value); was[key].Name == "" {
				was[key] = p
			}
		}
	}
	if !x.Append {
		c.Props = slices.DeleteFunc(c.Props, func(p ical.Property) bool { return p.Name == "ATTENDEE" })
	}
	at := map[string]int{} // where in c.Props
	for i := range c.Props {
		if p := &c.Props[i]; p.Name == "ATTENDEE" {
			if _, ok := at[calendar.AddressKey(p.Value)]; !ok {
				at[calendar.AddressKey(p.Value)] = i
			}
		}
	}
	for _, p := range x.Props {
		p = p.Clone()
		p.Name = "ATTENDEE"
		key := calendar.AddressKey(p.Value)
		if own != "" && was[key].Name == "" && e.Owner.HasAddress(p.Value) { // he is there by another of his addresses
			p.Value, key = own, calendar.AddressKey(own)
		}
		if o, ok := was[key]; ok {
			o = o.Clone()
			for _, q := range p.Params {
				o.SetParam(q.Name, q.Values...)
			}
			p = o
		} else if !p.HasParam("PARTSTAT") {
			p.SetParam("PARTSTAT", "NEEDS-ACTION")
		}
		if i, ok := at[key]; ok {
			c.Props[i] = p
		} else {
			at[key] = len(c.Props)
			c.Add(p)
		}
	}
	gone := map[string]bool{}
	for _, address := range x.Remove {
		gone[calendar.AddressKey(address)] = true
	}
	if len(gone) > 0 {
		c.Props = slices.DeleteFunc(c.Props, func(p ical.Property) bool { return p.Name == "ATTENDEE" && gone[calendar.AddressKey(p.Value)] })
	}
	return nil
}

// organizer keeps ORGANIZER where attendees are, and nowhere else: a component
// of one person has none. RFC 5545 §3.8.4.3.
func (e *Editor) organizer(c *ical.Component, p *calendar.Patch) {
	touched := slices.ContainsFunc(p.Props, func(x calendar.PropEdit) bool { return x.Name == "ATTENDEE" || x.Name == "ORGANIZER" })
	if !touched {
		return
	}
	has := c.Prop("ATTENDEE") != nil
	org := c.Prop("ORGANIZER")
	switch {
	case has && org == nil && e.Owner.Mail() != "":
		o := ical.Property{Name: "ORGANIZER", Value: "mailto:" + e.Owner.Mail()}
		if e.Owner.Name != "" {
			o.SetParam("CN", e.Owner.Name)
		}
		c.Add(o)
	case !has && org != nil && len(e.Owner.Mails) > 0 && e.isOwner(org.Value):
		c.Del("ORGANIZER")
	}
}

// alarm makes the alarms of one action what the edit says. WCAP §7.8.
func (e *Editor) alarm(cal, c *ical.Component, x *calendar.AlarmEdit) {
	action := strings.ToUpper(x.Action)
	var alarm *ical.Component
	at := len(c.Children)
	for i, k := range c.Children {
		if k.Name == "VALARM" && strings.EqualFold(k.Word("ACTION"), action) {
			if alarm == nil {
				alarm, at = k, i
			}
		}
	}
	timed := x.At != nil || x.Before != nil
	if mail := e.Owner.Mail(); alarm == nil && timed && action == "EMAIL" && x.Attendees == nil && !x.Append && mail != "" {
		y := *x // nobody said whom to tell, and an alarm that tells nobody would be lost
		y.Attendees = []string{"mailto:" + mail}
		x = &y
	}
	drop := func() {
		c.Children = slices.DeleteFunc(c.Children, func(k *ical.Component) bool {
			return k.Name == "VALARM" && strings.EqualFold(k.Word("ACTION"), action)
		})
	}
	if x.Remove {
		drop()
		return
	}
	if alarm == nil {
		if !timed || action == "EMAIL" && len(x.Attendees) == 0 {
			return // nothing to set off, or nobody to tell
		}
		alarm = ical.New("VALARM")
		alarm.Set("ACTION", action)
		if action != "AUDIO" {
			alarm.SetText("DESCRIPTION", "This is the alarm description")
		}
		if action == "EMAIL" {
			alarm.SetText("SUMMARY", cmp.Or(c.Text("SUMMARY"), "Alarm"))
		}
	}
	if timed {
		e.trigger(cal, c, alarm, x)
		drop()
		at = min(at, len(c.Children))
		c.Children = slices.Insert(c.Children, at, alarm)
	}
	if x.Description != nil && action != "AUDIO" {
		alarm.SetText("DESCRIPTION", *x.Description)
	}
	if x.Attendees != nil {
		e.alarmAttendees(alarm, x)
		if alarm.Prop("ATTENDEE") == nil && action == "EMAIL" {
			drop()
		}
	}
}

func (e *Editor) alarmAttendees(alarm *ical.Component, x *calendar.AlarmEdit) {
	if !x.Append {
		alarm.Del("ATTENDEE")
	}
	have := map[string]bool{}
	for p := range alarm.All("ATTENDEE") {
		have[calendar.AddressKey(p.Value)] = true
	}
	for _, a := range x.Attendees {
		if key := calendar.AddressKey(a); !have[key] {
			have[key] = true
			alarm.Add(ical.Property{Name: "ATTENDEE", Value: a})
		}
	}
}

// trigger sets when an alarm goes off. In a series a moment becomes the time
// before the start: it is meant for each instance.
func (e *Editor) trigger(cal, c, alarm *ical.Component, x *calendar.AlarmEdit) {
	before := x.Before
	if before == nil && (c.Prop("RRULE") != nil || c.Prop("RDATE") != nil) {
		k, ok := clockOf(c, recur.ZonesOf(cal), e.Floating)
		ref := moment(c, "DTSTART")
		if ref.IsZero() {
			ref = moment(c, "DUE")
		}
		if ok && !ref.IsZero() {
			d := ical.DurationOf(k.instant(*x.At).Sub(k.instant(ref)))
			before = &d
		}
	}
	if before == nil {
		k := clock{zones: recur.ZonesOf(cal), floating: e.Floating, zone: recur.UTC, kind: ical.UTC}
		alarm.Set("TRIGGER", k.keep(*x.At).String(), ical.Param{Name: "VALUE", Values: []string{"DATE-TIME"}})
		return
	}
	if c.Name == "VTODO" && c.Prop("DTSTART") == nil {
		alarm.Set("TRIGGER", before.String(), ical.Param{Name: "RELATED", Values: []string{"END"}})
		return
	}
	alarm.Set("TRIGGER", before.String())
}

// detach takes the ATTACHes of these ids out of a component.
func detach(c *ical.Component, ids []string) {
	c.Props = slices.DeleteFunc(c.Props, func(p ical.Property) bool {
		return p.Name == "ATTACH" && slices.Contains(ids, object.AttachID(&p))
	})
}
