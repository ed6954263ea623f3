package wcap

import (
	"strings"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// maxAttendees is how many attendees one request may name: each is looked up.
const maxAttendees = 2000

// attendees reads the list of attendees. WCAP §7.1.
func (s *storing) attendees(p *calendar.Patch) error {
	x, ok := s.c.p.find("attendees")
	if !ok {
		if x, ok = s.c.p.find("attendee"); !ok {
			return nil
		}
	}
	e := calendar.PropEdit{Name: "ATTENDEE", Append: !s.replace}
	list := attendeeFields(x)
	if len(list) > maxAttendees {
		return calendar.Failf(calendar.TooLarge, calendar.MaxAttendees, s.c.name, "", "%d attendees in one request are more than %d: invite the others by further requests", len(list), maxAttendees)
	}
	for _, fields := range list {
		q, gone, err := attendee(fields)
		if err != nil {
			return err
		}
		if q.Value, err = s.c.calAddress(q.Value); err != nil {
			return err
		}
		if gone {
			e.Remove = append(e.Remove, q.Value)
			e.Append = e.Append || len(list) == 1 // to take one out is not to replace all
		} else {
			e.Props = append(e.Props, q)
		}
	}
	p.Props = append(p.Props, e)
	return nil
}

// attendeeFields splits a list of attendees, each at its carets, before what
// is between them is decoded: a name may hold either sign. A list that was
// encoded whole is decoded first.
func attendeeFields(x param) [][]string {
	raw, done := x.raw, x.done
	if !done && !strings.ContainsAny(raw, ";^") {
		raw, done = decode(raw), true
	}
	var out [][]string
	for _, item := range splitList(raw) {
		if !done && !strings.Contains(item, "^") {
			item = decode(item)
		}
		fields := strings.Split(item, "^")
		for i, f := range fields {
			if !done {
				f = decode(f)
			}
			fields[i] = strings.TrimSpace(x.clean(f))
		}
		if len(fields) > 1 || fields[0] != "" {
			out = append(out, fields)
		}
	}
	return out
}

// attendeeWords are the values of parameters that have few. WCAP §7.1, RFC 5545 §3.2.
var attendeeWords = map[string][]string{
	"PARTSTAT":      {"NEEDS-ACTION", "ACCEPTED", "DECLINED", "TENTATIVE", "DELEGATED", "COMPLETED", "IN-PROCESS"},
	"RSVP":          {"TRUE", "FALSE"},
	"CUTYPE":        {"INDIVIDUAL", "GROUP", "RESOURCE", "ROOM", "UNKNOWN"},
	"ROLE":          {"REQ-PARTICIPANT", "OPT-PARTICIPANT", "CHAIR", "NON-PARTICIPANT"},
	"X-S1CS-EXPAND": {"TRUE", "FALSE"},
}

// attendee makes an ATTENDEE of the fields of an attendee string, the last of
// which is the address. gone: the attendee is to be taken out.
func attendee(fields []string) (p ical.Property, gone bool, err error) {
	p.Name = "ATTENDEE"
	last := len(fields) - 1
	p.Value = unquote(fields[last])
	if p.Value == "" || last > 40 {
		return p, false, BadArguments
	}
	for _, f := range fields[:last] {
		name, value, ok := strings.Cut(f, "=")
		name, value = strings.ToUpper(strings.TrimSpace(name)), unquote(strings.TrimSpace(value))
		if !ok || !token(name) || value == "" {
			continue
		}
		switch name {
		case "PARTSTAT", "PARSTAT": // so the guide's examples
			name = "PARTSTAT"
			value = strings.ToUpper(strings.ReplaceAll(value, "_", "-"))
			if value == "X-NSCP-WCAP-ATTENDEE-DELETE" {
				gone = true
				continue
			}
			if !oneOf(value, attendeeWords[name]...) {
				return p, false, BadArguments
			}
		case "RSVP", "CUTYPE", "ROLE", "X-S1CS-EXPAND":
			if value = strings.ToUpper(value); !oneOf(value, attendeeWords[name]...) {
				return p, false, BadArguments
			}
		case "LANG":
			name = "LANGUAGE"
		case "SENT-STATUS": // the client has told him: RFC 6638 §7.1
			name = "SCHEDULE-AGENT"
			if !strings.EqualFold(value, "SENT-SUCCEEDED") {
				continue
			}
			value = "CLIENT"
		case "X-NSCP-ATTENDEE-GSE-STATUS", "X-S1CS-EMAIL", "X-S1CS-CALID", "VALUE", "TZID", "SCHEDULE-STATUS":
			continue // said by the server, not to it
		}
		p.SetParam(name, value)
	}
	return p, gone, nil
}

// calAddress makes a calendar user address of what a client calls somebody: a
// mail address, a calid or a user id. Who has no mail address cannot be
// invited: errno 60.
func (c *call) calAddress(v string) (string, error) {
	if len(v) > 7 && strings.EqualFold(v[:7], "mailto:") {
		if !mailAddress(v[7:]) {
			return "", BadArguments
		}
		return "mailto:" + v[7:], nil
	}
	owner, _, _ := strings.Cut(v, ":")
	if calendar.CheckOwner(calendar.Owner(owner)) == nil {
		p, err := c.attendee(owner)
		switch {
		case err == nil && p.Mail() != "":
			return "mailto:" + p.Mail(), nil
		case err != nil && calendar.KindOf(err) != calendar.NotFound:
			return "", err
		}
	}
	if mailAddress(v) {
		return "mailto:" + v, nil
	}
	return "", BadArguments
}

// mailAddress reports whether a text may be a mail address.
func mailAddress(v string) bool {
	local, domain, ok := strings.Cut(v, "@")
	return ok && local != "" && domain != "" && len(v) <= 320 && !strings.ContainsAny(v, " \t\r\n;:,\"<>\\()") && !strings.Contains(domain, "@")
}

// organizer reads who organizes. WCAP §7.4.
func (s *storing) organizer(p *calendar.Patch, mode calendar.EditMode) error {
	who := strings.TrimSpace(s.c.p.text("orgCalid"))
	if who == "" {
		who = strings.TrimSpace(s.c.p.text("orgEmail"))
	}
	if who == "" {
		if s.c.p.text("orgUID") != "" && mode == calendar.EditCreate {
			return BadOrganizer
		}
		return nil
	}
	value, err := s.c.calAddress(who)
	if err != nil {
		return err
	}
	o := ical.Property{Name: "ORGANIZER", Value: value}
	if q, err := s.c.byMail(address(value)); err == nil && q.Name != "" {
		o.SetParam("CN", q.Name)
	}
	p.Props = append(p.Props, calendar.PropEdit{Name: "ORGANIZER", Props: []ical.Property{o}})
	return nil
}
