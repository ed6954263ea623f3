package match

import (
	"slices"
	"strings"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// LimitFreeBusy drops FREEBUSY periods outside the window. RFC 4791 §9.6.7.
func LimitFreeBusy(cal *ical.Component, w calendar.Window) {
	for _, c := range cal.Children {
		if c.Name != "VFREEBUSY" {
			continue
		}
		for i := range c.Props {
			p := &c.Props[i]
			if p.Name != "FREEBUSY" {
				continue
			}
			ps, err := p.Periods()
			if err != nil {
				continue
			}
			var keep []string
			for _, x := range ps {
				start := x.Start.Civil()
				end := x.End.Civil()
				if x.HasDur {
					end = start.AddDate(0, 0, x.Dur.NominalDays()).Add(x.Dur.Exact())
				}
				if start.Before(w.To) && end.After(w.From) {
					keep = append(keep, x.String())
				}
			}
			p.Value = strings.Join(keep, ",")
		}
		c.Props = slices.DeleteFunc(c.Props, func(p ical.Property) bool { return p.Name == "FREEBUSY" && p.Value == "" })
	}
}

// Select copies what partial retrieval asks for; properties are shared with the
// original. RFC 4791 §9.6.1.
func Select(c *ical.Component, sel *calendar.CompSelect) *ical.Component {
	out := &ical.Component{Name: c.Name}
	for _, p := range c.Props {
		if sel.AllProps {
			out.Props = append(out.Props, p)
			continue
		}
		for _, want := range sel.Props {
			if strings.EqualFold(want.Name, p.Name) {
				q := p
				if want.NoValue {
					q.Value = ""
				}
				out.Props = append(out.Props, q)
				break
			}
		}
	}
	for _, k := range c.Children {
		if sel.AllComps {
			out.Children = append(out.Children, k)
			continue
		}
		for i := range sel.Comps {
			if strings.EqualFold(sel.Comps[i].Name, k.Name) {
				out.Children = append(out.Children, Select(k, &sel.Comps[i]))
				break
			}
		}
	}
	return out
}

// shown are the properties of a private component that others may see: when,
// and that it is private. WCAP "privacy on read".
var shown = map[string]bool{
	"UID": true, "DTSTAMP": true, "DTSTART": true, "DTEND": true, "DUE": true, "DURATION": true, "CLASS": true,
	"TRANSP": true, "RECURRENCE-ID": true, "RRULE": true, "RDATE": true, "EXDATE": true, "EXRULE": true,
	"SEQUENCE": true, "STATUS": true, "CREATED": true, "LAST-MODIFIED": true,
}

// Mask returns the object without the details of its private components. Its
// size is that of the text that is shown, 0 where none is.
func Mask(o *calendar.Object) *calendar.Object {
	out := *o
	out.Masked, out.Size, out.ScheduleTag, out.Props = true, 0, 0, nil
	if o.Data == nil {
		return &out
	}
	out.Data = nil
	cal, err := ical.Parse(o.Data, ical.Limits{})
	if err != nil {
		return &out
	}
	cal.Props = slices.DeleteFunc(cal.Props, func(p ical.Property) bool { return p.Name != "VERSION" && p.Name != "PRODID" && p.Name != "CALSCALE" })
	for _, c := range cal.Children {
		if c.Name == "VTIMEZONE" {
			continue
		}
		c.Props = slices.DeleteFunc(c.Props, func(p ical.Property) bool { return !shown[p.Name] })
		c.Children = nil
	}
	out.Data = cal.Append(nil)
	out.Size = len(out.Data)
	return &out
}
