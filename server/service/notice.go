package service

import (
	"slices"
	"strings"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/itip"
)

// NoticeOptions say of what people here are told by mail, beside what they see in
// their calendars. notifications.md §4, §5.
type NoticeOptions struct {
	Answers bool // an organizer, of each answer: ine.reply.enable
	// ResourceAnswers has organizers told of those of rooms and other resources too:
	// factotum.reply.resources.
	ResourceAnswers bool
	Invitations     bool // who is invited: ine.invitation.enable
	Cancellations   bool // whose invitation is called off: ine.cancellation.enable
	Held            bool // who has to decide about what came by mail: factotum.imip.notify
	Hooks           bool // whose webhook is switched off
	Zones           bool // whose events were mended after a change of the zone database
}

// notices are the mails to the owner that follow from a message that was applied:
// one for each answer that is another than the one before, and one for an invitation
// or its end. Who has asked for notices himself (ceNotifyEnable) hears of changes too.
func (w *writer) notices(d *delivery, r *itip.Receipt) (jobs []task, err error) {
	opt := w.s.opt.Notices
	if !opt.Answers && !opt.Invitations && !opt.Cancellations || d.Inconsequential || d.answered || w.me.Kind != calendar.Individual {
		return nil, nil
	}
	asked, to, err := w.noticesTo()
	if err != nil || len(to) == 0 {
		return nil, err
	}
	var letters []calendar.Mailing
	switch {
	case len(r.Answers) > 0:
		if opt.Answers {
			letters = answerNotices(d, r, opt.ResourceAnswers)
		}
	case r.Reason == itip.Invited && opt.Invitations:
		letters = []calendar.Mailing{guestNotice(d, calendar.MailInvitation)}
	case r.Reason == itip.Updated && opt.Invitations && asked:
		letters = []calendar.Mailing{guestNotice(d, calendar.MailChange)}
	case r.Reason == itip.Cancelled && opt.Cancellations:
		letters = []calendar.Mailing{guestNotice(d, calendar.MailCancellation)}
	}
	for _, m := range letters {
		for _, m.To = range to {
			job, err := m.Job()
			if err != nil {
				return nil, err
			}
			jobs = append(jobs, task{Job: job})
		}
	}
	return jobs, nil
}

// noticesTo are the addresses that the owner is mailed at, and whether he has asked
// for that himself.
func (w *writer) noticesTo() (asked bool, to []string, err error) {
	prefs, err := w.Prefs()
	if err != nil {
		return false, nil, err
	}
	asked = prefs["ceNotifyEnable"] == "1"
	if asked {
		for _, a := range strings.FieldsFunc(prefs["ceNotifyEmail"], func(r rune) bool { return r == ' ' || r == ',' || r == ';' }) {
			if a = calendar.MailboxOf(a); a != "" && !slices.Contains(to, a) && len(to) < mostNotified {
				to = append(to, a)
			}
		}
	}
	if m := w.me.Mail(); len(to) == 0 && m != "" {
		to = []string{m}
	}
	return asked, to, nil
}

// mostNotified is how many addresses somebody is mailed at.
const mostNotified = 5

// answerNotices are those of a REPLY, one for each answer that it brings. Rooms and
// other resources answer by themselves, and nobody is mailed about that but where it is
// asked for.
func answerNotices(d *delivery, r *itip.Receipt, resources bool) (list []calendar.Mailing) {
	told := map[string]bool{}
	for i := range r.Answers {
		a := &r.Answers[i]
		if t := a.Attendee.Param("CUTYPE"); (t == "ROOM" || t == "RESOURCE") && !resources {
			continue
		}
		if a.Is == a.Was || told[a.Is] || a.Is != "ACCEPTED" && a.Is != "DECLINED" && a.Is != "TENTATIVE" {
			continue
		}
		told[a.Is] = true
		about := excerpt(r.Object, func(c *ical.Component) bool { return answeredIn(c, a) })
		if about == nil {
			about = excerpt(d.msg, func(c *ical.Component) bool { return answeredIn(c, a) && c.Prop("DTSTART") != nil })
		}
		if about == nil {
			if about = excerpt(r.Object, func(*ical.Component) bool { return true }); about == nil {
				continue
			}
		}
		c := about.Children[len(about.Children)-1]
		c.Props = slices.DeleteFunc(c.Props, func(p ical.Property) bool {
			return p.Name == "COMMENT" || p.Name == "ATTENDEE" && calendar.AddressKey(p.Value) == calendar.AddressKey(a.Attendee.Value)
		})
		line := a.Attendee.Clone()
		line.SetParam("PARTSTAT", a.Is)
		c.Add(line)
		if a.Comment != "" {
			c.SetText("COMMENT", a.Comment)
		}
		list = append(list, notice(d, calendar.MailAnswer, a.Is, about))
	}
	return list
}

// answeredIn reports whether a component is the one that an answer is about.
func answeredIn(c *ical.Component, a *itip.Answer) bool {
	p := c.Prop("RECURRENCE-ID")
	if p == nil || !a.HasRID {
		return p == nil && !a.HasRID
	}
	rid, err := p.DateTime()
	return err == nil && rid == a.RecurrenceID
}

func guestNotice(d *delivery, kind calendar.MailKind) calendar.Mailing {
	return notice(d, kind, "", excerpt(d.msg, func(*ical.Component) bool { return true }))
}

func notice(d *delivery, kind calendar.MailKind, partStat string, about *ical.Component) calendar.Mailing {
	return calendar.Mailing{Kind: kind, UID: uidOf(d.msg), Summary: summaryOf(about), Letter: calendar.Letter{
		ID: strings.Trim(d.ID+"/"+strings.ToLower(partStat), "/"), Method: d.msg.Word("METHOD"), From: d.From, To: []string{d.to.Address}, Data: about.Bytes()}}
}

// excerpt is a calendar with the first component of those that count, and the zones;
// nil if none does. Its component is a copy.
func excerpt(cal *ical.Component, counts func(*ical.Component) bool) *ical.Component {
	out := &ical.Component{Name: cal.Name, Props: cal.Props}
	var found *ical.Component
	for _, c := range cal.Children {
		switch {
		case c.Name == "VTIMEZONE":
			out.Children = append(out.Children, c)
		case found == nil && counts(c):
			found = c
		}
	}
	if found == nil {
		return nil
	}
	out.Children = append(out.Children, found.Clone())
	return out
}
