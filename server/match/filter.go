package match

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/object"
	"factotum/server/recur"
)

// Filter is a CALDAV:filter made ready to be asked of many objects. It never
// changes. The zero Filter passes everything. RFC 4791 §9.7.
//
// Three things are known of an object, each dearer than the last: what the
// listing of its calendar has of it, its rows of the time index, its text. So
// there is a question for each of them.
type Filter struct {
	root      *calendar.CompFilter // of VCALENDAR, nil = everything
	component string               // that all which pass have, "" = any
	window    *calendar.Window     // that all which pass overlap, nil = any
	whole     bool                 // component and window are all that it asks
	never     bool                 // nothing passes
	uid       uidHint
}

// uidHint is a text-match on UID that can be tried without the text.
type uidHint struct {
	on   bool
	text string // in upper case
}

// hintable tells whether a text-match can be tried on the UID as it is kept in
// the listing: not unescaped, without blanks around it, and letters of ASCII
// alone regardless of case.
func hintable(t *calendar.TextMatch) bool {
	return t != nil && !t.Negate && t.Collation != "i;unicode-casemap" && !strings.ContainsAny(t.Text, "\\,;\r\n") && t.Text == strings.TrimSpace(t.Text)
}

// passes errs on the side of yes.
func (h *uidHint) passes(uid string) bool {
	return !h.on || strings.Contains(foldASCII(uid), h.text) || strings.ContainsAny(uid, "\\,;\n")
}

// Compile checks a filter of VCALENDAR, nil for one that everything passes. It
// refuses what cannot be answered: RFC 4791 §7.8, valid-filter,
// supported-filter, supported-collation.
func Compile(f *calendar.CompFilter) (*Filter, error) {
	out := &Filter{root: f}
	if f == nil {
		out.whole = true
		return out, nil
	}
	if err := checkFilter(f, 0); err != nil {
		return nil, err
	}
	if !strings.EqualFold(f.Name, "VCALENDAR") || f.IsNotDefined {
		out.never = true
		return out, nil
	}
	if f.AnyOf || len(f.Comps) == 0 && len(f.Props) == 0 {
		out.whole = len(f.Comps) == 0 && len(f.Props) == 0
		return out, nil
	}
	for i := range f.Comps {
		c := &f.Comps[i]
		if c.IsNotDefined || strings.EqualFold(c.Name, "VTIMEZONE") {
			continue
		}
		name := strings.ToUpper(c.Name)
		if out.component != "" && out.component != name {
			out.never = true // an object has one type only
			return out, nil
		}
		out.component = name
		if c.TimeRange != nil {
			out.window = c.TimeRange
		}
		for j := range c.Props {
			p := &c.Props[j]
			if p.Name == "UID" && !c.AnyOf && !p.IsNotDefined && !p.AnyOf && hintable(p.Text) {
				out.uid = uidHint{true, foldASCII(p.Text.Text)}
			}
		}
	}
	if len(f.Comps) == 1 && len(f.Props) == 0 && out.component != "" {
		c := &f.Comps[0]
		out.whole = len(c.Comps) == 0 && len(c.Props) == 0
	}
	return out, nil
}

// Never tells that nothing passes, whatever there is.
func (f *Filter) Never() bool { return f.never }

// Window is the range that every event which passes overlaps, by the time
// index; nil where the filter asks for none.
func (f *Filter) Window() *calendar.Window { return f.window }

// MayPass tells from what the listing has of an object whether it may pass. Of a
// scheduling message it has no UID.
func (f *Filter) MayPass(o *calendar.Object) bool {
	return !f.never && (f.component == "" || o.Component == f.component) && (o.UID == "" || f.uid.passes(o.UID))
}

// Decides tells whether an object that may pass, and overlaps Window by the time
// index, does pass, so that nobody need look at its text. The index knows when
// events are; of tasks and journals it says where to look. RFC 4791 §9.9.
func (f *Filter) Decides(o *calendar.Object) bool {
	return f.whole && (f.window == nil || o.Component == "VEVENT")
}

// checkFilter refuses what cannot be evaluated, before anything is answered.
func checkFilter(f *calendar.CompFilter, depth int) error {
	if depth > 8 {
		return calendar.Errorf(calendar.Invalid, calendar.ValidFilter, "the filter is nested too deeply")
	}
	if f.TimeRange != nil {
		if err := CheckWindow(*f.TimeRange); err != nil {
			return err
		}
		if depth == 0 || strings.EqualFold(f.Name, "VTIMEZONE") {
			return calendar.Errorf(calendar.Unsupported, calendar.SupportedFilter, "a time-range on %s", f.Name)
		}
	}
	for i := range f.Props {
		p := &f.Props[i]
		if p.TimeRange != nil {
			if err := CheckWindow(*p.TimeRange); err != nil {
				return err
			}
		}
		if err := checkText(p.Text); err != nil {
			return err
		}
		for j := range p.Params {
			if err := checkText(p.Params[j].Text); err != nil {
				return err
			}
		}
	}
	for i := range f.Comps {
		if err := checkFilter(&f.Comps[i], depth+1); err != nil {
			return err
		}
	}
	return nil
}

// CheckWindow refuses a time-range that is empty or open at both ends. RFC 4791 §9.9.
func CheckWindow(w calendar.Window) error {
	if w.From.IsZero() && w.To.IsZero() {
		return calendar.Errorf(calendar.Invalid, calendar.ValidFilter, "a time-range needs a start or an end")
	}
	if !w.From.IsZero() && !w.To.IsZero() && !w.To.After(w.From) {
		return calendar.Errorf(calendar.Invalid, calendar.ValidFilter, "the end of a time-range must be after its start")
	}
	return nil
}

func checkText(t *calendar.TextMatch) error {
	if t == nil {
		return nil
	}
	switch t.Collation {
	case "", "i;ascii-casemap", "i;octet", "i;unicode-casemap":
		return nil
	}
	return calendar.Errorf(calendar.Unsupported, calendar.SupportedCollation, "the collation %q is not supported", t.Collation)
}

// Passes evaluates the whole filter on the text of one object. Floating time is
// read in a zone; of a series that has more than so many instances in a
// time-range, those are looked at. A text that cannot be read does not pass.
func (f *Filter) Passes(ctx context.Context, data []byte, floating recur.Zone, instances int) (bool, error) {
	if f.root == nil {
		return true, nil
	}
	cal, err := ical.Parse(data, ical.Limits{})
	if err != nil {
		return false, nil
	}
	m := &matcher{ctx: ctx, cal: cal, floating: floating, instances: instances}
	return m.comp(f.root, []*ical.Component{cal})
}

// matcher evaluates filters on one object, compiling its recurrence when a
// time-range asks for it.
type matcher struct {
	ctx       context.Context // of the one call that the matcher is for
	cal       *ical.Component
	floating  recur.Zone
	instances int        // most that are looked at
	set       *recur.Set // compiled when first needed
	bad       bool       // it could not be

	ranges map[timed]map[*ical.Component]bool     // what within found
	props  map[timedProp]map[*ical.Component]bool // what having found
}

func (m *matcher) compiled() *recur.Set {
	if m.set == nil && !m.bad {
		comps, err := object.Components(m.cal)
		if err == nil {
			m.set, err = recur.Compile(comps, recur.ZonesOf(m.cal))
		}
		m.bad = err != nil
	}
	return m.set
}

// comp tests a comp-filter against the components of its scope: it matches
// when one of them passes everything inside. RFC 4791 §9.7.1.
func (m *matcher) comp(f *calendar.CompFilter, scope []*ical.Component) (bool, error) {
	found := false
	for _, c := range scope {
		if !strings.EqualFold(c.Name, f.Name) {
			continue
		}
		if f.IsNotDefined {
			return false, nil
		}
		ok, err := m.inside(f, c)
		if err != nil || ok {
			return ok, err
		}
		found = true
	}
	return f.IsNotDefined && !found, nil
}

func (m *matcher) inside(f *calendar.CompFilter, c *ical.Component) (bool, error) {
	tests, passed := 0, 0
	note := func(ok bool) bool { // reports whether the outcome is decided
		tests++
		if ok {
			passed++
		}
		return ok == f.AnyOf
	}
	if f.TimeRange != nil {
		ok, err := m.inRange(f, c)
		if err != nil {
			return false, err
		}
		if !ok { // the range restricts, also with test="anyof"
			return false, nil
		}
	}
	for i := range f.Props {
		if note(m.prop(&f.Props[i], c)) {
			return f.AnyOf, nil
		}
	}
	for i := range f.Comps {
		ok, err := m.comp(&f.Comps[i], c.Children)
		if err != nil {
			return false, err
		}
		if note(ok) {
			return f.AnyOf, nil
		}
	}
	return !f.AnyOf || tests == 0 || passed > 0, nil
}

// inRange applies the overlap rules of RFC 4791 §9.9 to a component or alarm.
func (m *matcher) inRange(f *calendar.CompFilter, c *ical.Component) (bool, error) {
	key := timed{c.Name == "VALARM", *f.TimeRange}
	in, known := m.ranges[key]
	if !known {
		var err error
		if in, err = m.within(key); err != nil {
			return false, err
		}
		if m.ranges == nil {
			m.ranges = map[timed]map[*ical.Component]bool{}
		}
		m.ranges[key] = in
	}
	return in[c], nil
}

// timed is a question about the instances, or the alarms, of the object.
type timed struct {
	alarms bool
	window calendar.Window
}

// within finds the components that have an instance, or the alarms that fire,
// in a window: once for the object, since it may have thousands of overrides.
// Over the budget the answer is what was found.
func (m *matcher) within(k timed) (map[*ical.Component]bool, error) {
	set := m.compiled()
	if set == nil {
		return nil, nil
	}
	all := 0 // of those that can be found
	for _, c := range m.cal.Children {
		if c.Name == "VTIMEZONE" {
			continue
		}
		if !k.alarms {
			all++
			continue
		}
		for range c.ChildrenOf("VALARM") {
			all++
		}
	}
	in := map[*ical.Component]bool{}
	if all == 0 {
		return in, nil
	}
	budget := recur.Budget{MaxInstances: m.instances, MaxSteps: 100_000}
	w := k.window
	if k.alarms {
		for a, err := range set.Alarms(m.ctx, w.From, w.To, m.floating, budget) {
			if err != nil {
				return in, unlessSpent(err)
			}
			if in[a.Comp] = true; len(in) == all {
				break
			}
		}
		return in, nil
	}
	for i, err := range set.Between(m.ctx, w.From, w.To, m.floating, budget) {
		if err != nil {
			return in, unlessSpent(err)
		}
		if in[i.Comp] = true; len(in) == all {
			break
		}
	}
	return in, nil
}

func (m *matcher) prop(f *calendar.PropFilter, c *ical.Component) bool {
	found := false
	name := strings.ToUpper(f.Name)
	for p := range c.All(name) {
		found = true
		if f.IsNotDefined {
			return false
		}
		if m.propInside(f, c, p) {
			return true
		}
	}
	if !found && f.TimeRange != nil && m.hasEffective(c, name) {
		return m.propInside(f, c, &ical.Property{Name: name})
	}
	return f.IsNotDefined && !found
}

func (m *matcher) propInside(f *calendar.PropFilter, c *ical.Component, p *ical.Property) bool {
	ok := []bool{}
	if f.TimeRange != nil {
		ok = append(ok, m.propInRange(f.TimeRange, c, p))
	}
	if f.Text != nil {
		ok = append(ok, textMatches(f.Text, p.Text()))
	}
	for i := range f.Params {
		ok = append(ok, paramMatches(&f.Params[i], p))
	}
	if len(ok) == 0 {
		return true
	}
	for _, o := range ok {
		if o == f.AnyOf {
			return f.AnyOf
		}
	}
	return !f.AnyOf
}

// hasEffective tells whether every instance of a component has that property,
// written or not: one that has a DURATION has an end. RFC 4791 §9.9.
func (m *matcher) hasEffective(c *ical.Component, name string) bool {
	switch {
	case !slices.Contains(m.cal.Children, c):
		return false
	case name == "DTSTART", name == "DUE" && c.Name == "VTODO", name == "DTEND" && c.Name == "VEVENT":
	default:
		return false
	}
	return c.Prop(name) != nil || name != "DTSTART" && c.Prop("DTSTART") != nil && c.Prop("DURATION") != nil
}

// propInRange tests one property: of what recurs its value in every instance.
// RFC 4791 §9.9.
func (m *matcher) propInRange(w *calendar.Window, c *ical.Component, p *ical.Property) bool {
	if m.hasEffective(c, p.Name) && m.compiled() != nil {
		key := timedProp{p.Name, *w}
		in, known := m.props[key]
		if !known {
			in = m.having(key)
			if m.props == nil {
				m.props = map[timedProp]map[*ical.Component]bool{}
			}
			m.props[key] = in
		}
		return in[c]
	}
	d, err := p.DateTime()
	if err != nil {
		return false
	}
	z := m.floating
	switch d.Kind {
	case ical.UTC:
		z = recur.UTC
	case ical.Zoned:
		if known, ok := recur.ZonesOf(m.cal).Lookup(d.TZID); ok {
			z = known
		}
	}
	return m.valueIn(w, z.ToUTC(d.Civil()), d.Kind == ical.Date)
}

// valueIn tests a moment, or a day of the reader's that begins with it.
func (m *matcher) valueIn(w *calendar.Window, t time.Time, day bool) bool {
	end := t
	if day {
		end = m.floating.ToUTC(m.floating.FromUTC(t).Add(24 * time.Hour))
	}
	from, to := w.Unix()
	return Overlaps(t.Unix(), end.Unix(), from, to)
}

// timedProp is a question about DTSTART, DTEND or DUE of the instances.
type timedProp struct {
	name   string
	window calendar.Window
}

// having finds the components that have an instance with a property in a
// window: once for the object, as within. What begins or ends in the window
// overlaps one that is a little wider.
func (m *matcher) having(k timedProp) map[*ical.Component]bool {
	wide := k.window
	if !wide.From.IsZero() {
		wide.From = wide.From.Add(-30 * time.Hour)
	}
	if !wide.To.IsZero() {
		wide.To = wide.To.Add(30 * time.Hour)
	}
	all := 0
	for _, c := range m.cal.Children {
		if m.hasEffective(c, k.name) {
			all++
		}
	}
	in := map[*ical.Component]bool{}
	for i, err := range m.set.Between(m.ctx, wide.From, wide.To, m.floating, recur.Budget{MaxInstances: m.instances, MaxSteps: 100_000}) {
		if err != nil || len(in) == all {
			break
		}
		t := i.Start
		if k.name != "DTSTART" {
			t = i.End
		}
		if !in[i.Comp] && m.hasEffective(i.Comp, k.name) && m.valueIn(&k.window, t, i.AllDay) {
			in[i.Comp] = true
		}
	}
	return in
}

func paramMatches(f *calendar.ParamFilter, p *ical.Property) bool {
	name := strings.ToUpper(f.Name)
	has := p.HasParam(name)
	if f.IsNotDefined {
		return !has
	}
	if !has {
		return false
	}
	if f.Text == nil {
		return true
	}
	for _, v := range p.ParamValues(name) {
		if textMatches(f.Text, v) {
			return true
		}
	}
	return false
}

// textMatches is the substring test of a text-match. RFC 4791 §9.7.5.
func textMatches(t *calendar.TextMatch, s string) bool {
	var ok bool
	switch t.Collation {
	case "i;octet":
		ok = strings.Contains(s, t.Text)
	case "i;unicode-casemap":
		ok = strings.Contains(foldUnicode(s), foldUnicode(t.Text))
	default:
		ok = strings.Contains(foldASCII(s), foldASCII(t.Text))
	}
	return ok != t.Negate
}

// foldASCII maps a–z to A–Z and leaves other characters alone. RFC 4790 §9.2.
func foldASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}, s)
}

// foldUnicode maps to title case and takes characters apart, so that é is found
// however it is written. RFC 5051 §2.
func foldUnicode(s string) string {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		b = utf8.AppendRune(b, unicode.ToTitle(r))
	}
	return string(norm.NFKD.Bytes(b))
}

// Text compares a text with what is looked for, both in lower case. WCAP
// search_calprops, searchOpts.
func Text(how calendar.TextMatching, text, want string) bool {
	switch how {
	case calendar.BeginsWith:
		return strings.HasPrefix(text, want)
	case calendar.EndsWith:
		return strings.HasSuffix(text, want)
	case calendar.Exactly:
		return text == want
	}
	return strings.Contains(text, want)
}
