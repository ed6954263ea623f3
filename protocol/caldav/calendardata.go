package caldav

import (
	"net/http"
	"strings"
	"time"

	"factotum/protocol/dav"
	"factotum/server/calendar"
)

// errDataType: we have iCalendar 2.0 only. RFC 4791 §9.6.
var errDataType = dav.NewError(http.StatusForbidden, dav.C("supported-calendar-data"), "only text/calendar, version 2.0, is available")

// badData refuses what is no filter and has no precondition of its own.
func badData(text string) error { return &dav.Error{Status: http.StatusBadRequest, Text: text} }

func badFilter(text string) error {
	return dav.NewError(http.StatusForbidden, dav.C("valid-filter"), text)
}

// reportProps reads what a report asks of each object: the plan for the
// properties, and how the calendar data is wanted.
func reportProps(report *dav.Node) (plan, calendar.DataRequest, error) {
	wanted, err := dav.ParseProps(report)
	if err != nil {
		return plan{}, calendar.DataRequest{}, err
	}
	data := calendar.DataRequest{None: true}
	if n := wanted.Node(dav.C("calendar-data")); n != nil {
		if data, err = dataRequest(n); err != nil {
			return plan{}, data, err
		}
	}
	return planFor(wanted), data, nil
}

// dataRequest reads a CALDAV:calendar-data. RFC 4791 §9.6.
func dataRequest(n *dav.Node) (d calendar.DataRequest, err error) {
	if v, ok := n.Attr("content-type"); ok && !strings.EqualFold(strings.TrimSpace(v), "text/calendar") {
		return d, errDataType
	}
	if v, ok := n.Attr("version"); ok && v != "2.0" {
		return d, errDataType
	}
	for c := range n.Children() {
		switch c.Name {
		case dav.C("comp"):
			if d.Comp != nil {
				return d, badData("more than one comp in calendar-data")
			}
			var sel calendar.CompSelect
			if sel, err = compSelect(c); err == nil {
				if sel.Name != "VCALENDAR" {
					err = badData("the outermost comp is not VCALENDAR")
				}
				d.Comp = &sel
			}
		case dav.C("expand"):
			d.Expand, err = window(c, false)
		case dav.C("limit-recurrence-set"):
			d.LimitRecur, err = window(c, false)
		case dav.C("limit-freebusy-set"):
			d.LimitBusy, err = window(c, false)
		}
		if err != nil {
			return d, err
		}
	}
	if d.Expand != nil && d.LimitRecur != nil {
		return d, badData("expand excludes limit-recurrence-set")
	}
	return d, nil
}

// compSelect reads a CALDAV:comp. A comp that names nothing selects all that
// is in it, as clients expect. RFC 4791 §9.6.1.
func compSelect(n *dav.Node) (calendar.CompSelect, error) {
	s := calendar.CompSelect{Name: attrUpper(n, "name")}
	if s.Name == "" {
		return s, badData("a comp without a name")
	}
	for c := range n.Children() {
		switch c.Name {
		case dav.C("allprop"):
			s.AllProps = true
		case dav.C("allcomp"):
			s.AllComps = true
		case dav.C("prop"):
			p := calendar.PropSelect{Name: attrUpper(c, "name")}
			if p.Name == "" {
				return s, badData("a prop without a name")
			}
			v, _ := c.Attr("novalue")
			p.NoValue = strings.EqualFold(v, "yes")
			s.Props = append(s.Props, p)
		case dav.C("comp"):
			inner, err := compSelect(c)
			if err != nil {
				return s, err
			}
			s.Comps = append(s.Comps, inner)
		}
	}
	if !s.AllProps && !s.AllComps && s.Props == nil && s.Comps == nil {
		s.AllProps, s.AllComps = true, true
	}
	return s, nil
}

func attrUpper(n *dav.Node, name string) string {
	v, _ := n.Attr(name)
	return strings.ToUpper(strings.TrimSpace(v))
}

// window reads the start and end attributes of a time-range and its like:
// UTC, the end later. In a filter one is enough; outside of one both are needed,
// and there is no filter that could be valid. RFC 4791 §9.9.
func window(n *dav.Node, filter bool) (*calendar.Window, error) {
	var w calendar.Window
	var err error
	bad := badData
	if filter {
		bad = badFilter
	}
	start, hasStart := n.Attr("start")
	end, hasEnd := n.Attr("end")
	switch {
	case !filter && !(hasStart && hasEnd):
		return nil, bad("start and end are needed")
	case !hasStart && !hasEnd:
		return nil, bad("a time range without start and end")
	}
	if hasStart {
		if w.From, err = utcTime(start, bad); err != nil {
			return nil, err
		}
	}
	if hasEnd {
		if w.To, err = utcTime(end, bad); err != nil {
			return nil, err
		}
	}
	if hasStart && hasEnd && !w.To.After(w.From) {
		return nil, bad("a time range that ends before it starts")
	}
	if hasStart {
		w.From = calendar.Bound(w.From)
	}
	if hasEnd {
		w.To = calendar.Bound(w.To)
	}
	return &w, nil
}

func utcTime(s string, bad func(string) error) (time.Time, error) {
	t, err := time.Parse(utcLayout, strings.TrimSpace(s))
	if err != nil {
		return t, bad("a time that is not UTC: 20060102T150405Z is the form")
	}
	if t.Year() < 1 {
		return t, dav.NewError(http.StatusForbidden, dav.C("min-date-time"), "times begin at "+minDateTime)
	}
	return t, nil
}
