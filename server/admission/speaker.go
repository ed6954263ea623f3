package admission

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/itip"
	"factotum/server/object"
	"factotum/server/zone"
)

// prepare makes of a message, which is a copy, what the engine takes it for: one
// that says of which revision it is. A missing SEQUENCE, or
// one that is no number, means the current one, and
// a DTSTAMP that is missing, or that lies ahead because a clock is wrong, the time
// of the mail, or now. RFC 5546 §2.1.4, §2.1.5.
func (c *consideration) prepare(msg *ical.Component) *ical.Component {
	now := c.party.Now.UTC().Truncate(time.Second)
	sent := now
	if !c.Date.IsZero() && c.Date.Before(now) {
		sent = c.Date.UTC().Truncate(time.Second)
	}
	reply := msg.Word("METHOD") == string(itip.Reply) // of which the engine knows it
	var current map[string]string
	var zones *zone.Zones
	for _, k := range msg.Children {
		if k.Name == "VTIMEZONE" {
			continue
		}
		if at, ok := stampOf(k); !ok || at.After(now.Add(clockError)) {
			k.SetDateTime("DTSTAMP", ical.FromCivil(sent, ical.UTC, ""))
		}
		if _, ok := sequence(k); ok {
			continue
		}
		if k.Del("SEQUENCE"); reply || c.stored == nil {
			continue
		}
		if current == nil {
			current, zones = revisions(c.stored), zone.Of(msg)
		}
		seq := current[""]
		if own, ok := current[object.InstanceKey(k, zones)]; ok {
			seq = own
		}
		if seq != "" {
			k.Set("SEQUENCE", seq)
		}
	}
	return msg
}

// clockError is how far ahead somebody's clock may be.
const clockError = 10 * time.Minute

func stampOf(k *ical.Component) (time.Time, bool) {
	p := k.Prop("DTSTAMP")
	if p == nil {
		return time.Time{}, false
	}
	d, err := p.DateTime()
	return d.Civil(), err == nil
}

// sequence is the revision that a component says.
func sequence(k *ical.Component) (n int, ok bool) {
	n, err := strconv.Atoi(strings.TrimSpace(k.Value("SEQUENCE")))
	return n, err == nil && n >= 0
}

// revisions are the SEQUENCEs of an object by InstanceKey.
func revisions(cal *ical.Component) map[string]string {
	out, zones := map[string]string{}, zone.Of(cal)
	for _, k := range cal.Children {
		if n, ok := sequence(k); ok && k.Name != "VTIMEZONE" {
			out[object.InstanceKey(k, zones)] = strconv.Itoa(n)
		}
	}
	return out
}

// answers leaves of a REPLY what answers something, and reports whether there is
// anything left. There is no answer NEEDS-ACTION, and what nobody knows means that.
// RFC 5546 §3.2.3, RFC 5545 §3.2.12.
func (c *consideration) answers() bool {
	left := 0
	c.msg.Children = slices.DeleteFunc(slices.Clone(c.msg.Children), func(k *ical.Component) bool {
		if k.Name == "VTIMEZONE" {
			return false
		}
		for a := range k.All("ATTENDEE") {
			switch strings.ToUpper(strings.TrimSpace(a.Param("PARTSTAT"))) {
			case "ACCEPTED", "DECLINED", "TENTATIVE", "DELEGATED", "COMPLETED", "IN-PROCESS":
				left++
				return false
			}
		}
		return true
	})
	return left > 0
}

// organizer is who organizes the meeting by the message's own word.
func (c *consideration) organizer() string { return organizerOf(c.msg) }

func organizerOf(cal *ical.Component) string {
	if cal == nil {
		return ""
	}
	for _, k := range cal.Children {
		if p := k.Prop("ORGANIZER"); p != nil && k.Name != "VTIMEZONE" {
			return p.Value
		}
	}
	return ""
}

// attendee is who answers: the sender, if he is one whom the message names, else
// whom it names. His line gets the address by which he is invited where it only
// spells the same mailbox otherwise.
func (c *consideration) attendee() string {
	var named, own string
	for _, k := range c.msg.Children {
		for a := range k.All("ATTENDEE") {
			if named == "" {
				named = a.Value
			}
			if own == "" && sameMailbox(a.Value, c.Sender) {
				own = a.Value
			}
		}
	}
	speaker := own
	if speaker == "" {
		speaker = named
	}
	invited := c.invitedAs(speaker)
	if invited == "" || calendar.AddressKey(invited) == calendar.AddressKey(speaker) {
		return speaker
	}
	for _, k := range c.msg.Children {
		for a := range k.All("ATTENDEE") {
			if sameMailbox(a.Value, speaker) {
				a.Value = invited
			}
		}
	}
	return invited
}

// invitedAs is the address of an attendee of the stored object that is the mailbox
// of another, "" if there is none, or more than one and none is spelled like it.
func (c *consideration) invitedAs(address string) string {
	found := ""
	if c.stored == nil {
		return ""
	}
	for _, k := range c.stored.Children {
		for a := range k.All("ATTENDEE") {
			switch {
			case calendar.AddressKey(a.Value) == calendar.AddressKey(address):
				return a.Value
			case !sameMailbox(a.Value, address), calendar.AddressKey(found) == calendar.AddressKey(a.Value):
			case found != "":
				return ""
			default:
				found = a.Value
			}
		}
	}
	return found
}

// invited reports whether an address is one of an attendee of the message or of
// what is stored.
func (c *consideration) invited(address string) bool {
	for _, cal := range []*ical.Component{c.msg, c.stored} {
		if cal == nil {
			continue
		}
		for _, k := range cal.Children {
			for a := range k.All("ATTENDEE") {
				if sameMailbox(a.Value, address) {
					return true
				}
			}
		}
	}
	return false
}

func uidOf(msg *ical.Component) string {
	for _, k := range msg.Children {
		if k.Name != "VTIMEZONE" {
			return object.UID(k)
		}
	}
	return ""
}
