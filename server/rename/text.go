package rename

import (
	"bytes"
	"slices"
	"strings"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// addressed are the parameters of people that have calendar user addresses, RFC 5545 §3.2,
// and named those that have calids, WCAP §7.1.
var (
	addressed = []string{"SENT-BY", "DELEGATED-TO", "DELEGATED-FROM", "MEMBER", "DIR"}
	named     = []string{"X-NSCP-ORGANIZER-UID", "X-NSCP-ORGANIZER-SENT-BY-UID"}
)

// text changes the addresses that are made of user ids in iCalendar text; all other
// octets stay. ok is false where nothing changes, and the text is the one that was given.
func (m *Mapper) text(data []byte) (out []byte, ok bool) {
	kept := 0 // up to here data is in out
	for at := 0; at < len(data); {
		end := lineEnd(data, at)
		begin := at
		at = end
		if !ofInterest(data[begin:end]) {
			continue
		}
		line := unfold(data[begin:end])
		if !mayName(line) {
			continue
		}
		changed := m.line(line)
		if changed == nil {
			continue
		}
		out = append(append(out, data[kept:begin]...), changed...)
		kept = end
	}
	if kept == 0 {
		return data, false
	}
	return append(out, data[kept:]...), true
}

// lineEnd is where the content line ends that begins at a place, with what it is folded to.
func lineEnd(data []byte, at int) int {
	for {
		i := bytes.IndexByte(data[at:], '\n')
		if i < 0 {
			return len(data)
		}
		if at += i + 1; at == len(data) || data[at] != ' ' && data[at] != '\t' {
			return at
		}
	}
}

// ofInterest is quick: most lines are not.
func ofInterest(line []byte) bool {
	if len(line) < 2 {
		return false
	}
	switch line[0] | 0x20 {
	case 'a': // ATTENDEE, ATTACH
		return line[1]|0x20 == 't' || line[1] < ' '
	case 'o':
		return line[1]|0x20 == 'r' || line[1] < ' '
	case 'x':
		return true
	}
	return false
}

func unfold(line []byte) string {
	s := strings.TrimRight(string(line), "\r\n")
	if !strings.Contains(s, "\n") {
		return s
	}
	return strings.NewReplacer("\r\n ", "", "\r\n\t", "", "\n ", "", "\n\t", "").Replace(s)
}

// mayName errs on the side of yes.
func mayName(line string) bool {
	i := strings.IndexAny(line, ":;")
	if i < 0 {
		return false
	}
	switch name := strings.ToUpper(line[:i]); name {
	case "ATTACH":
		return strings.Contains(line, calendar.AttachmentsPath)
	case "ATTENDEE", "ORGANIZER", "X-FACTOTUM-LEFT-OUT":
		if strings.Contains(line, calendar.PrincipalsPath) {
			return true
		}
		upper := strings.ToUpper(line)
		for _, p := range slices.Concat(addressed, named) {
			if strings.Contains(upper, p+"=") {
				return true
			}
		}
		return !strings.Contains(line[strings.LastIndexByte(line, ':')+1:], "@")
	}
	return false
}

// line changes a content line; nil if it stays.
func (m *Mapper) line(line string) []byte {
	cal, err := ical.Parse([]byte("BEGIN:VCALENDAR\r\n"+line+"\r\nEND:VCALENDAR\r\n"), ical.Limits{})
	if err != nil || len(cal.Props) != 1 {
		return nil
	}
	p, changed := &cal.Props[0], false
	set := func(to *string, is string) {
		if is != *to {
			*to, changed = is, true
		}
	}
	if p.Name == "ATTACH" {
		set(&p.Value, m.paths(p.Value))
	} else {
		set(&p.Value, m.address(p.Value))
		for _, list := range []struct {
			names  []string
			change func(string) string
		}{{addressed, m.address}, {named, m.Calids}} {
			for _, name := range list.names {
				values := append([]string(nil), p.ParamValues(name)...)
				was := changed
				changed = false
				for i := range values {
					set(&values[i], list.change(values[i]))
				}
				if changed {
					p.SetParam(name, values...)
				}
				changed = changed || was
			}
		}
	}
	if !changed {
		return nil
	}
	return p.Append(nil)
}

// octets changes the text of an object, and leaves what is no iCalendar alone.
func (m *Mapper) octets(data []byte, what string) ([]byte, bool) {
	out, ok := m.text(data)
	if ok {
		m.Changed(what)
	}
	return out, ok
}
