package wcap

import (
	"slices"
	"strings"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/zone"
)

// presentation is how a request wants components to be shown. WCAP §2.5.
type presentation struct {
	events, todos bool
	out           zone.Zone       // tzidout, nil = UTC
	compressed    bool            // with RRULE, RDATE, EXRULE, EXDATE
	recurring     bool            // master and exceptions instead of instances
	relative      bool            // alarms as durations from the start
	mail          bool            // emailorcalid: people by address
	attrset       int             // 0, 1, 2
	states        map[string]bool // compstate, nil = all
	max           int             // maxResults, 0 = all
	order         int             // fetchorder: -1 as they come, 0 by start, 1 by start backwards
}

// presentation reads the parameters that all fetches have in common.
func (c *call) presentation() *presentation {
	v := &presentation{
		out: c.outZone(), compressed: c.p.flag("compressed", false), recurring: c.p.flag("recurring", false),
		relative: c.p.flag("relativealarm", false), mail: c.p.flag("emailorcalid", false),
		attrset: c.p.integer("attrset", 2), max: c.p.integer("maxResults", 0), order: -1,
	}
	switch strings.ToLower(c.p.text("component-type")) {
	case "event":
		v.events = true
	case "todo":
		v.todos = true
	default:
		v.events, v.todos = true, true
	}
	if c.p.text("fetchorder") != "" {
		v.order = c.p.integer("fetchorder", 0)
	}
	for _, s := range c.p.list("compstate") {
		s = strings.ToUpper(strings.ReplaceAll(strings.TrimSpace(s), "_", "-"))
		if s == "ALL" {
			v.states = nil
			break
		}
		if s != "" {
			if v.states == nil {
				v.states = map[string]bool{}
			}
			v.states[s] = true
		}
	}
	return v
}

// components are the names of those that are wanted.
func (v *presentation) components() (names []string) {
	for _, name := range [...]string{"VEVENT", "VTODO"} {
		if v.takes(name) {
			names = append(names, name)
		}
	}
	return names
}

// takes reports whether components of a name are wanted.
func (v *presentation) takes(name string) bool {
	return name == "VEVENT" && v.events || name == "VTODO" && v.todos
}

// shower turns the components of objects into the form of this wire: times in
// UTC with the zone beside them, people by calid or address, and the
// properties that Sun's server adds. Which instances there are it is told.
// WCAP §5, §7, P.3.
//
// One shows all objects of a calendar. What it shows is good until it shows the
// next component, unless the presentation sorts them.
type shower struct {
	c         *call
	v         *presentation
	cal       *calendar.Calendar
	float     zone.Zone
	floatName string
	owner     calendar.Person

	obj   *calendar.Object // at hand
	zones *zone.Zones
	comps []*ical.Component
	once  map[*ical.Component]*ical.Component // see instance

	reader    ical.Reader
	text      []byte // see read
	zoneTexts []zoneText
	seen      seenZone
	people    map[string]seenPerson // by address, as it is written
	next      []int32               // see component
	params    []ical.Param          // room for those of the component
	out       ical.Component        // the component
}

// shower prepares to show objects of a calendar, whose times without a zone are
// in float, as the back end tells it.
func (c *call) shower(v *presentation, cal *calendar.Calendar, float string) *shower {
	s := &shower{c: c, v: v, cal: cal, float: zone.Read(float)}
	s.floatName = s.zoneName(s.float)
	if p, err := c.person(string(cal.ID.Owner())); err == nil {
		s.owner = p
	}
	return s
}

// passing reports whether what is shown is done with before the next is.
func (s *shower) passing() bool { return s.v.order < 0 }

// show calls emit for the components of an object that the presentation asks for: those
// that the occurrences name, or, where there are none, all that it has.
func (s *shower) show(o *calendar.Object, list []calendar.Occurrence, emit func(*ical.Component) error) error {
	tree, zones, err := s.read(o.Data)
	if err != nil {
		return nil // stored by other means; csdb check tells
	}
	s.obj, s.zones, s.once = o, zones, nil
	comps := s.comps[:0]
	for _, k := range tree.Children {
		if k.Name != "VTIMEZONE" {
			comps = append(comps, k)
		}
	}
	s.comps = comps
	if len(list) == 0 {
		for _, k := range comps {
			if !s.v.takes(k.Name) || !s.wanted(k) {
				continue
			}
			if err := emit(s.component(k, nil)); err != nil {
				return err
			}
		}
		return nil
	}
	for i := range list {
		in := &list[i]
		if in.Part < 0 || in.Part >= len(comps) || !s.wanted(comps[in.Part]) {
			continue
		}
		if err := emit(s.instance(comps[in.Part], in)); err != nil {
			return err
		}
	}
	return nil
}

// maxInstances is how many instances of one object an answer may have: a day
// for each of thirteen years.
const maxInstances = 5000

// maxInstanceText is how many octets the instances of one object may be: those
// of an event with ten thousand alarms are a megabyte each.
const maxInstanceText = 32 << 20

// wanted applies the filter compstate.
func (s *shower) wanted(k *ical.Component) bool {
	if s.v.states == nil {
		return true
	}
	name, _ := s.state(k)
	return s.v.states[name]
}

// instance makes the form of the wire for an instance of k.
func (s *shower) instance(k *ical.Component, in *calendar.Occurrence) *ical.Component {
	plain, ok := s.once[k]
	if !ok {
		// Nothing of the recurrence is shown, and a series may have thousands
		// of EXDATEs: they are left out once, not for each instance.
		plain = &ical.Component{Name: k.Name, Children: k.Children, Props: slices.DeleteFunc(slices.Clone(k.Props), func(p ical.Property) bool {
			return p.Name == "EXDATE" || p.Name == "RDATE" || p.Name == "RRULE" || p.Name == "EXRULE"
		})}
		if s.once == nil {
			s.once = map[*ical.Component]*ical.Component{}
		}
		s.once[k] = plain
	}
	return s.component(plain, in)
}
