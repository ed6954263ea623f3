package wcap

import (
	"strings"
	"unicode"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// alarmParams are the parameters that set off an alarm. WCAP §7.8.
var alarmParams = [...]struct{ name, action string }{
	{"alarmStart", "EMAIL"}, {"alarmPopup", "DISPLAY"}, {"alarmAudio", "AUDIO"}, {"alarmFlashing", "X-NSCP-FLASHING"},
}

// alarms reads alarm parameters: each action has at most one alarm.
func (s *storing) alarms(p *calendar.Patch) error {
	for _, x := range alarmParams {
		e := calendar.AlarmEdit{Action: x.action}
		v, has := s.c.p.opt(x.name)
		if has {
			if err := s.trigger(&e, strings.TrimSpace(v)); err != nil {
				return err
			}
		}
		if x.action == "EMAIL" && !e.Remove && s.c.p.has("alarmEmails") {
			has = true
			if err := s.emails(&e); err != nil {
				return err
			}
		}
		if has {
			p.Alarms = append(p.Alarms, e)
		}
	}
	v, ok := s.c.p.opt("alarmDescription")
	if !ok {
		return nil
	}
	if v == "" {
		v = "This is the alarm description"
	}
	for _, action := range [...]string{"EMAIL", "DISPLAY"} {
		p.Alarms = append(p.Alarms, calendar.AlarmEdit{Action: action, Description: &v})
	}
	return nil
}

// trigger reads when an alarm goes off: a moment, or a signed duration from
// the start.
func (s *storing) trigger(e *calendar.AlarmEdit, v string) error {
	switch {
	case none(v):
		e.Remove = true
	case strings.HasPrefix(strings.TrimLeft(v, "+-"), "P"):
		d, err := ical.ParseDuration(v)
		if err != nil {
			return s.bad("the duration of an alarm cannot be read")
		}
		e.Before = &d
	default:
		d, err := s.moment(v)
		if err != nil {
			return err
		}
		if d.Kind == ical.Date {
			d = ical.FromCivil(s.zone.ToUTC(d.Civil()), ical.UTC, "")
		}
		if d.Kind == ical.Zoned {
			d = ical.FromCivil(s.zone.ToUTC(d.Civil()), ical.UTC, "")
		}
		e.At = &d
	}
	return nil
}

// emails reads who is to get mail. None with replace is no alarm.
func (s *storing) emails(e *calendar.AlarmEdit) error {
	e.Append = !s.replace
	var list []string // preferences have commas between addresses, people blanks. WCAP P.4
	for _, v := range s.c.p.list("alarmEmails") {
		list = append(list, strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ';' || unicode.IsSpace(r) })...)
	}
	for _, v := range list {
		if len(v) > 7 && strings.EqualFold(v[:7], "mailto:") {
			v = v[7:]
		}
		if none(v) {
			continue
		}
		if !mailAddress(v) {
			return BadArguments
		}
		if e.Attendees = append(e.Attendees, "mailto:"+v); len(e.Attendees) > 100 {
			return &calendar.Error{Kind: calendar.TooLarge, Op: s.c.name, Msg: "too many addresses of an alarm"}
		}
	}
	if len(e.Attendees) == 0 && !e.Append {
		e.Remove, e.At, e.Before = true, nil, nil
	}
	return nil
}
