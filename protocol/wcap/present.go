package wcap

import (
	"slices"
	"strings"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/recur"
)

// view is how a request wants components to be shown. WCAP §2.5.
type view struct {
	events, todos bool
	out           recur.Zone      // tzidout, nil = UTC
	compressed    bool            // with RRULE, RDATE, EXRULE, EXDATE
	recurring     bool            // master and exceptions instead of instances
	relative      bool            // alarms as durations from the start
	mail          bool            // emailorcalid: people by address
	attrset       int             // 0, 1, 2
	states        map[string]bool // compstate, nil = all
	max           int             // maxResults, 0 = all
	order         int             // fetchorder: -1 as they come, 0 by start, 1 by start backwards
}

// view reads the parameters that all fetches have in common. strict: errno 18
// for an unknown tzidout.
func (c *call) view(strict bool) (*view, error) {
	out, err := c.outZone(strict)
	if err != nil {
		return nil, err
	}
	v := &view{
		out: out, compressed: c.p.flag("compressed", false), recurring: c.p.flag("recurring", false),
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
		v.order = min(c.p.integer("fetchorder", 0), 1)
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
	return v, nil
}

// takes reports whether components of a name are wanted.
func (v *view) takes(name string) bool {
	return name == "VEVENT" && v.events || name == "VTODO" && v.todos
}

// shower turns the components of one object into the form of this wire: times
// in UTC with the zone beside them, people by calid or address, and the
// properties that Sun's server adds. WCAP §5, §7, P.3.
type shower struct {
	c     *call
	v     *view
	obj   *calendar.Object
	cal   *calendar.Calendar
	zones *recur.Zones
	float recur.Zone
	owner calendar.Person
	once  map[*ical.Component]*ical.Component // see instance
}

// floating is the zone in which times without one are read.
func (c *call) floating(cal *calendar.Calendar) recur.Zone {
	if z, ok := recur.LoadZone(c.zoneName(cal)); ok {
		return z
	}
	return recur.UTC
}

// show calls emit for the components of an object that the view asks for and
// that overlap the window.
func (c *call) show(v *view, cal *calendar.Calendar, o *calendar.Object, w calendar.Window, emit func(*ical.Component) error) error {
	tree, err := ical.Parse(o.Data, ical.Limits{})
	if err != nil {
		return nil // stored by other means; csdb check tells
	}
	s := &shower{c: c, v: v, obj: o, cal: cal, zones: recur.ZonesOf(tree), float: c.floating(cal)}
	if p, err := c.person(string(cal.ID.Owner())); err == nil {
		s.owner = p
	}
	var comps []*ical.Component
	repeats := false
	for _, k := range tree.Children {
		if v.takes(k.Name) {
			comps = append(comps, k)
			repeats = repeats || k.Prop("RRULE") != nil || k.Prop("RDATE") != nil || k.Prop("RECURRENCE-ID") != nil
		}
	}
	if len(comps) == 0 {
		return nil
	}
	if v.recurring || !repeats {
		for _, k := range comps {
			if !s.wanted(k) {
				continue
			}
			if err := emit(s.component(k, nil)); err != nil {
				return err
			}
		}
		return nil
	}
	return s.expand(comps, w, emit)
}

// maxInstances is how many instances of one object an answer may have: a day
// for each of thirteen years.
const maxInstances = 5000

// expand emits every instance in the window. A rule without end, asked for
// without an end, gives as many as the recurrence bound.
func (s *shower) expand(comps []*ical.Component, w calendar.Window, emit func(*ical.Component) error) error {
	set, err := recur.Compile(comps, s.zones)
	if err != nil {
		return nil
	}
	left := -1
	if _, _, infinite := set.Span(s.float); infinite && w.To.IsZero() {
		left = s.c.set.RecurrenceBound
	}
	budget := recur.Budget{MaxInstances: maxInstances, MaxSteps: 200_000}
	for in, err := range set.Between(s.c.ctx, w.From, w.To, s.float, budget) {
		if err != nil {
			if s.c.ctx.Err() != nil {
				return err
			}
			return nil // over the budget: what was found stands
		}
		if left == 0 {
			return nil
		}
		left--
		if !s.wanted(in.Comp) {
			continue
		}
		if err := emit(s.instance(&in)); err != nil {
			return err
		}
	}
	return nil
}

// wanted applies the filter compstate.
func (s *shower) wanted(k *ical.Component) bool {
	if s.v.states == nil {
		return true
	}
	name, _ := s.state(k)
	return s.v.states[name]
}

// instance makes the form of the wire for an instance.
func (s *shower) instance(in *recur.Instance) *ical.Component {
	k := in.Comp
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

// component makes the form of the wire; in is the instance to show, nil for
// the component itself.
func (s *shower) component(k *ical.Component, in *recur.Instance) *ical.Component {
	out := &ical.Component{Name: k.Name, Props: make([]ical.Property, 0, len(k.Props)+14)}
	start, startZone, allDay := s.start(k)
	end, endZone, hasEnd := s.end(k, start, startZone, allDay)
	rid := ""
	if p := k.Prop("RECURRENCE-ID"); p != nil {
		rid = s.date(p)
	}
	if in != nil {
		start, end, hasEnd = in.Start, in.End, hasEnd || k.Name == "VEVENT"
		if in.HasRID {
			rid = s.dateTime(in.RecurrenceID, in.RecurrenceID.TZID)
		}
	}
	for i := range k.Props {
		p := &k.Props[i]
		if q, ok := s.property(p, in != nil); ok && s.inAttrset(p.Name) {
			if p.Name == "ATTACH" {
				q = s.attachment(p, k)
			}
			out.Props = append(out.Props, q)
		}
	}
	add := func(name, value string, params ...ical.Param) {
		if s.inAttrset(name) {
			out.Props = append(out.Props, ical.Property{Name: name, Value: value, Params: params})
		}
	}
	date := func(name string, t time.Time, zone string) {
		value := s.stamp(t)
		if allDay {
			add(name, s.float.FromUTC(t).Format(dateForm), ical.Param{Name: "VALUE", Values: []string{"DATE"}})
			return
		}
		add(name, value)
		if zone != "" {
			add("X-NSCP-"+name+"-TZID", zone)
		}
	}
	add("UID", k.Value("UID"))
	if rid != "" {
		if len(rid) == len(dateForm) {
			add("RECURRENCE-ID", rid, ical.Param{Name: "VALUE", Values: []string{"DATE"}})
		} else {
			add("RECURRENCE-ID", rid)
		}
	}
	if !start.IsZero() {
		date("DTSTART", start, startZone)
	}
	if hasEnd {
		if k.Name == "VTODO" {
			date("DUE", end, endZone)
		} else {
			date("DTEND", end, endZone)
		}
	}
	add("CREATED", utc(s.obj.Created))
	add("LAST-MODIFIED", utc(s.obj.Modified))
	s.defaults(k, add)
	if s.v.attrset >= 2 {
		original := rid
		if original == "" && !start.IsZero() {
			if original = s.stamp(start); allDay {
				original = s.float.FromUTC(start).Format(dateForm)
			}
		}
		if original != "" {
			add("X-NSCP-ORIGINAL-DTSTART", original)
		}
		s.extras(k, add)
	}
	if s.v.attrset >= 1 && !s.obj.Masked {
		for _, a := range k.Children {
			if a.Name == "VALARM" {
				out.Children = append(out.Children, s.alarm(a, start, end))
			} else {
				out.Children = append(out.Children, a)
			}
		}
	}
	inSunOrder(out.Props)
	return out
}

// inSunOrder sorts properties, stably: by insertion, since they are few and
// mostly in order, with each rank looked up once.
func inSunOrder(list []ical.Property) {
	var some [64]int
	ranks := some[:0]
	for i := range list {
		p, r := list[i], rank(list[i].Name)
		ranks = append(ranks, r)
		j := i
		for ; j > 0 && ranks[j-1] > r; j-- {
			ranks[j] = ranks[j-1]
		}
		if ranks[j] = r; j < i {
			copy(list[j+1:i+1], list[j:i])
			list[j] = p
		}
	}
}

// sunOrder is the order of properties in the answers of Sun's server; others
// stand between those of the component and Sun's own.
var sunOrder = func() map[string]int {
	names := []string{
		"REQUEST-STATUS", "UID", "RECURRENCE-ID", "DTSTAMP", "SUMMARY", "DTSTART", "DTEND", "DUE", "CREATED", "LAST-MODIFIED", "PRIORITY", "SEQUENCE",
		"PERCENT-COMPLETE", "COMPLETED", "CLASS", "DESCRIPTION", "LOCATION", "ORGANIZER", "ATTENDEE", "STATUS", "TRANSP",
		"RRULE", "RDATE", "EXRULE", "EXDATE", "", "X-NSCP-ORIGINAL-DTSTART", "X-NSCP-LANGUAGE", "X-NSCP-DTSTART-TZID", "X-NSCP-DTEND-TZID", "X-NSCP-DUE-TZID",
		"X-NSCP-TOMBSTONE", "X-NSCP-ONGOING", "X-NSCP-ORGANIZER-EMAIL", "X-NSCP-GSE-COMPONENT-STATE",
	}
	m := map[string]int{}
	for i, n := range names {
		m[n] = i
	}
	return m
}()

func rank(name string) int {
	if n, ok := sunOrder[name]; ok {
		return n
	}
	return sunOrder[""]
}

// own are the properties that component makes itself.
var made = map[string]bool{
	"UID": true, "RECURRENCE-ID": true, "DTSTART": true, "DTEND": true, "DUE": true, "DURATION": true, "CREATED": true, "LAST-MODIFIED": true,
	"X-NSCP-ORIGINAL-DTSTART": true, "X-NSCP-LANGUAGE": true, "X-NSCP-DTSTART-TZID": true, "X-NSCP-DTEND-TZID": true, "X-NSCP-DUE-TZID": true,
	"X-NSCP-TOMBSTONE": true, "X-NSCP-ONGOING": true, "X-NSCP-ORGANIZER-EMAIL": true, "X-NSCP-GSE-COMPONENT-STATE": true,
}

// property shows one property of the stored component.
func (s *shower) property(p *ical.Property, expanded bool) (ical.Property, bool) {
	switch p.Name {
	case "RRULE", "EXRULE":
		return *p, s.v.compressed && !expanded
	case "RDATE", "EXDATE":
		if !s.v.compressed || expanded {
			return *p, false
		}
		return s.dates(p), true
	case "ORGANIZER", "ATTENDEE":
		return s.address(p), true
	case "DTSTAMP", "COMPLETED":
		q := ical.Property{Name: p.Name, Value: s.date(p)}
		return q, q.Value != ""
	}
	return *p, !made[p.Name]
}

// attrsets are the properties of the smaller sets. WCAP fetchcomponents_by_range.
var attrsets = [2]map[string]bool{
	{"UID": true, "DTSTART": true, "DTEND": true, "DUE": true, "SUMMARY": true, "RECURRENCE-ID": true, "X-NSCP-DTSTART-TZID": true, "X-NSCP-DTEND-TZID": true, "X-NSCP-DUE-TZID": true},
	{"RRULE": true, "RDATE": true, "EXRULE": true, "EXDATE": true, "CLASS": true, "LOCATION": true},
}

func (s *shower) inAttrset(name string) bool {
	switch s.v.attrset {
	case 0:
		return attrsets[0][name]
	case 1:
		return attrsets[0][name] || attrsets[1][name]
	}
	return true
}

// defaults adds what Sun's server always tells.
func (s *shower) defaults(k *ical.Component, add func(name, value string, params ...ical.Param)) {
	miss := func(name, value string) {
		if k.Prop(name) == nil {
			add(name, value)
		}
	}
	miss("PRIORITY", "0")
	miss("SEQUENCE", "0")
	miss("CLASS", "PUBLIC")
	if k.Name == "VTODO" {
		miss("STATUS", "NEEDS-ACTION")
		miss("PERCENT-COMPLETE", "0")
		return
	}
	miss("STATUS", "CONFIRMED")
	miss("TRANSP", "OPAQUE")
}

// extras adds Sun's own properties.
func (s *shower) extras(k *ical.Component, add func(name, value string, params ...ical.Param)) {
	lang := "en"
	if v := k.Value("X-NSCP-LANGUAGE"); v != "" {
		lang = v
	}
	add("X-NSCP-LANGUAGE", lang)
	add("X-NSCP-TOMBSTONE", "0")
	add("X-NSCP-ONGOING", "0")
	if s.obj.Masked {
		return
	}
	if p := k.Prop("ORGANIZER"); p != nil {
		if a := address(p.Value); a != "" {
			add("X-NSCP-ORGANIZER-EMAIL", ical.EscapeText(a))
		}
	}
	name, n := s.state(k)
	add("X-NSCP-GSE-COMPONENT-STATE", itoa(n), ical.Param{Name: "X-NSCP-GSE-COMMENT", Values: []string{name}})
}
