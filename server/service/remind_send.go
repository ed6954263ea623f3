package service

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"factotum/server/alarm"
	"factotum/server/calendar"
	"factotum/server/edit"
	"factotum/server/ical"
	"factotum/server/object"
	"factotum/server/personal"
	"factotum/server/recur"
)

// mostMailed is how many mails the alarms of one object make in a day: a series of
// every minute is no way to fill a mail box.
const mostMailed = 100

// reminder is an alarm that fires for somebody.
type reminder struct {
	*alarmLook
	of ownAlarms
	alarm.Firing
	who *calendar.Person
}

// wantsReminder tells whether he for whom it is still has a use for it: he is here,
// sees the calendar, and has not declined.
func (w *writer) wantsReminder(r *reminder) bool {
	if r.who.ID == "" || r.row.Disabled {
		return false
	}
	if r.of.user != "" {
		p := w.s.placeFor(r.who.Actor(), w.owner, *r.row)
		if !p.apart || !p.rights.CanRead() || p.hides(&r.v.ObjectRow) {
			return false
		}
	}
	for a := range r.Instance.Comp.All("ATTENDEE") {
		if strings.EqualFold(a.Param("PARTSTAT"), "DECLINED") && r.who.HasAddress(a.Value) {
			return false
		}
	}
	return true
}

// send makes the jobs of a reminder.
func (w *writer) send(r *reminder, next *calendar.NextAlarm) (jobs []task, err error) {
	opt := &w.s.opt.Alarms
	c := r.instance()
	uid := object.UID(c)
	rid := ridOf(c, r.of.cal)
	id := calendar.MailDigest("alarm", string(w.owner), r.of.user, uid, rid, r.AID, strconv.FormatInt(r.At.Unix(), 10), strconv.FormatBool(r.Snoozed))
	expires := r.At.Add(cmp.Or(opt.Late, 24*time.Hour))
	if in := &r.Instance; c.Name == "VEVENT" && r.At.Before(in.End) && in.End.Before(expires) {
		if expires = in.End; expires.Before(r.At.Add(alarm.Punctual)) {
			expires = r.At.Add(alarm.Punctual)
		}
	}
	add := func(job calendar.Job, err error) error {
		jobs = append(jobs, task{Job: job})
		return err
	}
	calid := calendar.NewID(w.owner, r.row.Name)
	kind := map[string]string{"VEVENT": "event", "VTODO": "todo"}[c.Name]
	publish := func(topic, contentType string, data []byte) error {
		p := calendar.Publication{ID: calendar.MailDigest(id, topic), Owner: w.owner, When: r.At, Expires: expires, ContentType: contentType, Data: data,
			Ref: calendar.NewEventRef(topic, "calid", string(calid), "uid", uid, "rid", rid, "aid", r.AID, "comptype", kind).String()}
		if r.of.user != "" {
			p.Owner = calendar.Owner(r.of.user)
		}
		return add(p.Job(""))
	}
	if r.Mail {
		to := w.remindees(r)
		if w.now.Sub(next.Day) >= 24*time.Hour {
			next.Day, next.Mailed = w.now, 0
		}
		to = to[:min(len(to), max(mostMailed-next.Mailed, 0))]
		next.Mailed += len(to)
		m := calendar.Mailing{Kind: calendar.MailReminder, UID: uid, Expires: expires,
			Letter: calendar.Letter{ID: id, From: r.who.Address(), Data: r.text(c, "").Bytes()}}
		m.Summary = summaryOf(&ical.Component{Children: []*ical.Component{c}})
		for _, m.To = range to {
			if err := add(m.Job()); err != nil {
				return nil, err
			}
		}
		if opt.MailURL != "" && len(to) > 0 {
			if err := publish(opt.MailURL, "", nil); err != nil {
				return nil, err
			}
		}
	}
	if r.Publish {
		c.AddChild(r.Comp)
		text := r.text(c, "PUBLISH")
		text.Set("X-NSCP-CALPROPS-RELATIVE-CALID", string(calid))
		contentType, data := "text/calendar", []byte(nil)
		if opt.ContentType != contentType && opt.Print != nil {
			contentType, data = opt.ContentType, opt.Print(opt.ContentType, []ical.Property{*text.Prop("X-NSCP-CALPROPS-RELATIVE-CALID")}, text.Children)
		} else {
			data = text.Bytes()
		}
		if err := publish(opt.URL, contentType, data); err != nil {
			return nil, err
		}
	}
	return jobs, nil
}

// instance is the component that a reminder is about, as if it were an event by
// itself, without alarms and without files.
func (r *reminder) instance() *ical.Component {
	in := r.Instance
	c := in.Comp.Clone()
	if in.HasRID {
		c = edit.Override(in, recur.ZonesOf(r.of.cal), r.of.plan.Floating())
	}
	c.Children = slices.DeleteFunc(c.Children, func(k *ical.Component) bool { return k.Name == "VALARM" })
	c.Props = slices.DeleteFunc(c.Props, func(p ical.Property) bool { return p.Name == "ATTACH" && object.Inline(&p) || personal.IsNote(p.Name) })
	return c
}

// text is a component with the zones that it is told in.
func (r *reminder) text(c *ical.Component, method string) *ical.Component {
	out := &ical.Component{Name: r.of.cal.Name, Props: slices.Clone(r.of.cal.Props)}
	if method != "" {
		out.Set("METHOD", method)
	}
	out.Children = append(slices.Collect(r.of.cal.ChildrenOf("VTIMEZONE")), c)
	return out
}

// ridOf spells the RECURRENCE-ID of a component in UTC, or as the date or floating
// time that it is; "" where there is none.
func ridOf(c, cal *ical.Component) string {
	p := c.Prop("RECURRENCE-ID")
	if p == nil {
		return ""
	}
	d, err := p.DateTime()
	if err != nil {
		return p.Value
	}
	if z, ok := recur.ZonesOf(cal).Lookup(d.TZID); ok && d.Kind == ical.Zoned {
		d = ical.FromCivil(z.ToUTC(d.Civil()), ical.UTC, "")
	}
	return d.String()
}

// remindees are the addresses that an alarm is mailed to: its ATTENDEEs, or those
// that its owner wants alarms at (ceDefaultAlarmEmail), or his own.
// notifications.md §7.3.
func (w *writer) remindees(r *reminder) (to []string) {
	most := cmp.Or(w.s.opt.Alarms.Recipients, 10)
	add := func(address string) {
		if m := calendar.MailboxOf(address); m != "" && len(to) < most && !slices.ContainsFunc(to, func(t string) bool { return strings.EqualFold(t, m) }) {
			to = append(to, m)
		}
	}
	for p := range r.Comp.All("ATTENDEE") {
		add(p.Value)
	}
	if len(to) == 0 && r.of.user == "" {
		for _, a := range strings.FieldsFunc(r.prefs["ceDefaultAlarmEmail"], func(r rune) bool { return r == ' ' || r == ',' || r == ';' }) {
			add(a)
		}
	}
	if len(to) == 0 {
		add(r.who.Mail())
	}
	return to
}
