package rename

import (
	"strings"

	"factotum/server/calendar"
)

// CalendarRow changes a calendar.
func (m *Mapper) CalendarRow(r *calendar.CalendarRow) {
	r.ACL, r.CoOwners = m.acl(r.ACL), m.coOwners(r.CoOwners)
}

// ObjectRow changes an object or a tombstone, and tells whether its text is another now.
func (m *Mapper) ObjectRow(r *calendar.ObjectRow) (rewritten bool) {
	m.user(&r.By, "who wrote an object")
	if r.Component == "" { // a file
		return false
	}
	if r.Data, rewritten = m.octets(r.Data, "text of an object"); rewritten {
		r.Size = len(r.Data)
	}
	return rewritten
}

// Deleted changes who deleted an object.
func (m *Mapper) Deleted(by calendar.UserID) calendar.UserID { return m.id(by) }

// Prop changes a dead property of a calendar or an object.
func (m *Mapper) Prop(p calendar.DeadProp) calendar.DeadProp {
	was := p
	switch {
	case calendar.IsInviteProp(p):
		list, _ := calendar.Invitees([]calendar.DeadProp{p})
		for i := range list {
			list[i].User = m.id(list[i].User)
		}
		if len(list) > 0 {
			p.Value = calendar.KeepInvitees(list).Prop.Value
		}
	case calendar.IsPersonalProp(p):
		p.Local = calendar.PersonalProp(m.id(calendar.PersonalUser(p))).Local
		text, _ := m.text([]byte(p.Value))
		p.Value = string(text)
	default:
		p.Value = m.paths(p.Value)
	}
	if p != was {
		m.Changed("properties")
	}
	return p
}

// Trace changes a line of the journal. What messages are called stays: by that it is known
// what a mail that comes back is about.
func (m *Mapper) Trace(t *calendar.Trace) {
	t.From = m.address(t.From)
	t.To = m.addresses(t.To)
	m.user(&t.By, "journal")
}

// RegistrationRow changes who registered, and for what.
func (m *Mapper) RegistrationRow(r *calendar.RegistrationRow) {
	m.calendarID(&r.Calendar, "registration")
	if to := m.id(r.User); to != r.User {
		r.User, r.Entry = to, "" // he has another entry, or the same under another name
		m.Changed("registration")
	}
}

// HistoryRow changes a version.
func (m *Mapper) HistoryRow(h *calendar.HistoryRow) error {
	m.user(&h.By, "history")
	for i := range h.Props {
		h.Props[i] = m.Prop(h.Props[i])
	}
	switch h.End {
	case calendar.FileDropped:
	case calendar.CalendarGone:
		row, err := h.CalendarRow()
		if err != nil {
			return err
		}
		before := row.ACL.String() + "\n" + row.CoOwners
		if m.CalendarRow(&row); row.ACL.String()+"\n"+row.CoOwners == before {
			return nil
		}
		kept, err := calendar.CalendarVersion(row, h.Props)
		if err != nil {
			return err
		}
		h.Object.Data, h.Object.Size = kept.Object.Data, kept.Object.Size
	default:
		if h.End == calendar.MovedAway {
			h.To = m.ref(h.To)
		}
		m.ObjectRow(&h.Object)
	}
	return nil
}

// ref changes what Ref.String spells.
func (m *Mapper) ref(s string) string {
	i := strings.IndexAny(s, ":/")
	if i < 0 {
		return m.id(s)
	}
	return m.id(s[:i]) + s[i:]
}
