package caldav

import (
	"net/http"
	"slices"
	"strings"

	"factotum/protocol/dav"
	"factotum/server/calendar"
)

// maxFilter bounds the elements of a filter: each of them may be tried on
// each object.
const maxFilter = 200

// filterOf reads a CALDAV:filter into the filter on VCALENDAR. RFC 4791 §9.7.
func filterOf(report *dav.Node) (*calendar.CompFilter, error) {
	var n *dav.Node
	for c := range report.Children() {
		if c.Name != dav.C("filter") {
			continue
		}
		if n != nil {
			return nil, badFilter("more than one filter")
		}
		n = c
	}
	if n == nil {
		return nil, badFilter("no filter")
	}
	var root *dav.Node
	for c := range n.Children() {
		if c.Name != dav.C("comp-filter") || root != nil {
			return nil, badFilter("a filter holds one comp-filter")
		}
		root = c
	}
	if root == nil || attrUpper(root, "name") != "VCALENDAR" {
		return nil, badFilter("the outermost comp-filter is not VCALENDAR")
	}
	p := filterParser{}
	f, err := p.comp(root, "")
	return &f, err
}

// filterParser counts what it reads.
type filterParser struct{ n int }

func (p *filterParser) count() error {
	if p.n++; p.n > maxFilter {
		return dav.NewError(http.StatusForbidden, dav.C("supported-filter"), "the filter has too many parts")
	}
	return nil
}

// inside lists which components can stand in which. Those of others' making
// can stand anywhere.
var inside = map[string][]string{
	"":          {"VCALENDAR"},
	"VCALENDAR": {"VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VTIMEZONE", "VAVAILABILITY"},
	"VEVENT":    {"VALARM", "PARTICIPANT", "VLOCATION", "VRESOURCE"},
	"VTODO":     {"VALARM", "PARTICIPANT", "VLOCATION", "VRESOURCE"},
	"VJOURNAL":  {"PARTICIPANT", "VLOCATION", "VRESOURCE"},
	"VTIMEZONE": {"STANDARD", "DAYLIGHT"},
}

// standard reports whether a component is one that the table above places.
func standard(name string) bool {
	for _, list := range inside {
		if slices.Contains(list, name) {
			return true
		}
	}
	return false
}

// comp reads a comp-filter inside the component outer. RFC 4791 §9.7.1.
func (p *filterParser) comp(n *dav.Node, outer string) (f calendar.CompFilter, err error) {
	if err := p.count(); err != nil {
		return f, err
	}
	f.Name = attrUpper(n, "name")
	if f.Name == "" {
		return f, badFilter("a comp-filter without a name")
	}
	if standard(f.Name) && !slices.Contains(inside[outer], f.Name) {
		return f, badFilter(f.Name + " does not occur in " + outer)
	}
	if f.AnyOf, err = anyOf(n); err != nil {
		return f, err
	}
	for c := range n.Children() {
		switch c.Name {
		case dav.C("is-not-defined"):
			f.IsNotDefined = true
		case dav.C("time-range"):
			switch f.Name {
			case "VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VALARM":
			default:
				return f, badFilter("a time range on " + f.Name)
			}
			if f.TimeRange, err = window(c, true); err != nil {
				return f, err
			}
		case dav.C("prop-filter"):
			pf, err := p.prop(c)
			if err != nil {
				return f, err
			}
			f.Props = append(f.Props, pf)
		case dav.C("comp-filter"):
			cf, err := p.comp(c, f.Name)
			if err != nil {
				return f, err
			}
			f.Comps = append(f.Comps, cf)
		default:
			return f, unknownFilter(c)
		}
	}
	if f.IsNotDefined && (f.TimeRange != nil || f.Props != nil || f.Comps != nil) {
		return f, badFilter("is-not-defined stands alone")
	}
	return f, nil
}

// timed are the properties that hold times. RFC 4791 §9.7.2, §9.9.
var timed = []string{"DTSTART", "DTEND", "DUE", "COMPLETED", "CREATED", "DTSTAMP", "LAST-MODIFIED", "RECURRENCE-ID", "RDATE", "EXDATE", "TRIGGER", "FREEBUSY", "ACKNOWLEDGED"}

// prop reads a prop-filter. RFC 4791 §9.7.2.
func (p *filterParser) prop(n *dav.Node) (f calendar.PropFilter, err error) {
	if err := p.count(); err != nil {
		return f, err
	}
	f.Name = attrUpper(n, "name")
	if f.Name == "" {
		return f, badFilter("a prop-filter without a name")
	}
	if f.AnyOf, err = anyOf(n); err != nil {
		return f, err
	}
	for c := range n.Children() {
		switch c.Name {
		case dav.C("is-not-defined"):
			f.IsNotDefined = true
		case dav.C("time-range"):
			if !slices.Contains(timed, f.Name) && !strings.HasPrefix(f.Name, "X-") {
				return f, badFilter("a time range on " + f.Name)
			}
			f.TimeRange, err = window(c, true)
		case dav.C("text-match"):
			f.Text, err = textMatch(c)
		case dav.C("param-filter"):
			var pf calendar.ParamFilter
			if pf, err = p.param(c); err == nil {
				f.Params = append(f.Params, pf)
			}
		default:
			err = unknownFilter(c)
		}
		if err != nil {
			return f, err
		}
	}
	if f.IsNotDefined && (f.TimeRange != nil || f.Text != nil || f.Params != nil) {
		return f, badFilter("is-not-defined stands alone")
	}
	if f.TimeRange != nil && f.Text != nil {
		return f, badFilter("a time range excludes a text match")
	}
	return f, nil
}

// param reads a param-filter. RFC 4791 §9.7.3.
func (p *filterParser) param(n *dav.Node) (f calendar.ParamFilter, err error) {
	if err := p.count(); err != nil {
		return f, err
	}
	f.Name = attrUpper(n, "name")
	if f.Name == "" {
		return f, badFilter("a param-filter without a name")
	}
	for c := range n.Children() {
		switch c.Name {
		case dav.C("is-not-defined"):
			f.IsNotDefined = true
		case dav.C("text-match"):
			f.Text, err = textMatch(c)
		default:
			err = unknownFilter(c)
		}
		if err != nil {
			return f, err
		}
	}
	if f.IsNotDefined && f.Text != nil {
		return f, badFilter("is-not-defined stands alone")
	}
	return f, nil
}

// textMatch reads a text-match. RFC 4791 §9.7.5, §7.5 (collations).
func textMatch(n *dav.Node) (*calendar.TextMatch, error) {
	m := calendar.TextMatch{Text: n.Text, Collation: "i;ascii-casemap"}
	if n.FirstChild() != nil {
		return nil, badFilter("an element in a text-match")
	}
	if v, ok := n.Attr("collation"); ok && v != "default" {
		if !slices.Contains(collations, v) {
			return nil, dav.NewError(http.StatusForbidden, dav.C("supported-collation"), "the collation is not supported")
		}
		m.Collation = v
	}
	switch v, _ := n.Attr("negate-condition"); v {
	case "yes":
		m.Negate = true
	case "", "no":
	default:
		return nil, badFilter("negate-condition is neither yes nor no")
	}
	return &m, nil
}

// anyOf reads the test attribute that CardDAV brought (RFC 6352 §10.5.1) and
// newer clients send in calendar queries too.
func anyOf(n *dav.Node) (bool, error) {
	switch v, _ := n.Attr("test"); v {
	case "anyof":
		return true, nil
	case "", "allof":
		return false, nil
	}
	return false, badFilter("test is neither anyof nor allof")
}

// unknownFilter tells a filter that we do not offer from one that is wrong.
// RFC 4791 §7.8: supported-filter names what was not understood.
func unknownFilter(n *dav.Node) error {
	if n.Name.Space == dav.NSCalDAV || n.Name.Space == dav.NSDAV {
		switch n.Name.Local {
		case "filter", "comp-filter", "prop-filter", "param-filter", "time-range", "text-match", "is-not-defined":
			return badFilter(n.Name.Local + " does not belong here")
		}
	}
	return dav.NewError(http.StatusForbidden, dav.C("supported-filter"), "the filter has an element that is not supported")
}
