package match

import (
	"slices"

	"factotum/server/calendar"
	"factotum/server/ical"
)

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
