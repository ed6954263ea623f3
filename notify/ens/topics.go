package ens

import (
	"cmp"
	"strings"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// switches are the names of caldb.berkeleydb.ensmsg.* by what happened.
var switches = map[string]string{
	"calendarcreate": "createcal", "calendarmodify": "modifycal", "calendardelete": "deletecal",
	"caleventcreate": "createevent", "caleventmodify": "modifyevent", "caleventdelete": "deleteevent",
	"caltodocreate": "createtodo", "caltodomodify": "modifytodo", "caltododelete": "deletetodo",
}

// topic publishes a change to Sun's topic for it, if that is wanted.
func (p *Publisher) topic(ch *calendar.Change) {
	name := switches[happened(ch)]
	if name == "" || len(p.opt.Topics) == 0 {
		return
	}
	if name == "modifyevent" && p.opt.Advanced {
		name = cmp.Or(delivered(ch), name)
	}
	t, ok := p.opt.Topics[name]
	if !ok {
		return
	}
	pub := p.publication(ch, t.URL)
	pub.ContentType = t.ContentType
	if ch.Name == "" {
		pub.Data = p.opt.Print(t.ContentType, calprops(ch), nil)
	} else {
		comps, rid := components(ch)
		if rid != "" {
			pub.Ref += "&rid=" + escaped(rid)
		}
		if happened(ch) != "caleventcreate" && happened(ch) != "caltodocreate" {
			comps = marked(comps, ch.By)
		}
		pub.Data = p.opt.Print(t.ContentType, []ical.Property{text("X-NSCP-CALPROPS-RELATIVE-CALID", string(ch.Calendar))}, comps)
	}
	p.pubs = append(p.pubs, pub)
	p.heavy += len(pub.Ref) + len(pub.Data)
}

// delivered tells whether a changed event is that by a message, and whose: an
// attendee's answer in the organizer's calendar is replyevent, what the organizer
// tells in an attendee's is refreshevent. "" is what somebody changed himself.
func delivered(ch *calendar.Change) string {
	if ch.By.Via != calendar.ViaDelivery && ch.By.Via != calendar.ViaMail {
		return ""
	}
	cal, err := ical.Parse(ch.After.Data, ical.Limits{})
	if err != nil {
		return ""
	}
	for _, k := range cal.Children {
		if o := k.Prop("ORGANIZER"); o != nil {
			if strings.EqualFold(address(o.Value), ch.By.Mail) {
				return "refreshevent"
			}
			return "replyevent"
		}
	}
	return ""
}

func address(uri string) string {
	if len(uri) > 7 && strings.EqualFold(uri[:7], "mailto:") {
		return uri[7:]
	}
	return uri
}

// components are those of the object of a change, with their time zones, and the
// recurrence id where a single instance has changed.
func components(ch *calendar.Change) (comps []*ical.Component, rid string) {
	now, before := parsed(ch.After), parsed(ch.Before)
	if ch.After == nil {
		now, before = before, nil
	}
	if len(now) == 0 { // without a text there is the UID at least
		v := cmp.Or(ch.After, ch.Before)
		return []*ical.Component{{Name: v.Component, Props: []ical.Property{text("UID", v.UID)}}}, ""
	}
	if len(before) > 0 {
		rid = theInstance(before, now)
	}
	return now, rid
}

// parsed are the components of a version. Its own tree is for others.
func parsed(v *calendar.Version) []*ical.Component {
	if v == nil || len(v.Data) == 0 {
		return nil
	}
	cal, err := ical.Parse(v.Data, ical.Limits{})
	if err != nil {
		return nil
	}
	return cal.Children
}

// theInstance is the recurrence id of the only override that came, went or changed,
// "" where the series changed, or more.
func theInstance(before, now []*ical.Component) (rid string) {
	old := map[string]string{}
	for _, k := range before {
		if k.Name != "VTIMEZONE" {
			old[recurrenceID(k)] = string(k.Append(nil))
		}
	}
	changed := map[string]bool{}
	for _, k := range now {
		if k.Name == "VTIMEZONE" {
			continue
		}
		id := recurrenceID(k)
		if was, ok := old[id]; !ok || was != string(k.Append(nil)) {
			changed[id] = true
		}
		delete(old, id)
	}
	for id := range old {
		changed[id] = true
	}
	if len(changed) == 1 {
		for id := range changed {
			rid = id
		}
	}
	return rid
}

func recurrenceID(k *ical.Component) string {
	if p := k.Prop("RECURRENCE-ID"); p != nil {
		return p.Value
	}
	return ""
}

// marked says in each component who caused the change, and by what program: the
// appid of a WCAP command, else by what protocol he came.
func marked(comps []*ical.Component, by calendar.Actor) []*ical.Component {
	var marks []ical.Property
	if source := cmp.Or(by.App, strings.ToUpper(by.Via)); source != "" {
		marks = append(marks, text("X-NSCP-COMPONENT-SOURCE", source))
	}
	if who := cmp.Or(by.User, by.Mail); who != "" {
		marks = append(marks, text("X-NSCP-TRIGGERED-BY", who))
	}
	for _, k := range comps {
		if k.Name != "VTIMEZONE" {
			k.Props = append(k.Props, marks...)
		}
	}
	return comps
}

// calprops describe the calendar of a change, as WCAP names it.
func calprops(ch *calendar.Change) []ical.Property {
	row := cmp.Or(ch.CalendarAfter, ch.CalendarBefore)
	props := []ical.Property{
		{Name: "X-NSCP-CALPROPS-LAST-MODIFIED", Value: row.Modified.UTC().Format("20060102T150405Z")},
		{Name: "X-NSCP-CALPROPS-CREATED", Value: row.Created.UTC().Format("20060102T150405Z")},
		text("X-NSCP-CALPROPS-RELATIVE-CALID", string(ch.Calendar)),
		text("X-NSCP-CALPROPS-NAME", row.DisplayName),
		text("X-NSCP-CALPROPS-PRIMARY-OWNER", string(ch.Owner)),
	}
	if row.Description != "" {
		props = append(props, text("X-NSCP-CALPROPS-DESCRIPTION", row.Description))
	}
	if who := cmp.Or(ch.By.User, ch.By.Mail); who != "" && ch.Kind != calendar.CalendarCreated {
		props = append(props, text("X-NSCP-TRIGGERED-BY", who))
	}
	return props
}

func escaped(s string) string {
	return strings.TrimPrefix(calendar.EventRef{Params: []calendar.EventParam{{Value: s}}}.String(), "?=")
}

func text(name, value string) ical.Property {
	return ical.Property{Name: name, Value: ical.EscapeText(value)}
}
