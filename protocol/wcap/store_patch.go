package wcap

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// patch reads what is to be changed: parameters that are absent change
// nothing, empty ones delete. WCAP §7.11, §9.35, §9.36.
func (s *storing) patch() (calendar.Patch, error) {
	p := calendar.Patch{TZID: s.given, Props: make([]calendar.PropEdit, 0, 16)}
	for _, read := range patchReaders {
		if err := read(s, &p); err != nil {
			return p, err
		}
	}
	return p, nil
}

var patchReaders = [...]func(*storing, *calendar.Patch) error{
	(*storing).times, (*storing).recurrence, (*storing).texts, (*storing).numbers, (*storing).lists, (*storing).attendees, (*storing).alarms, (*storing).tokens,
}

// none reports whether a value says that there is none.
func none(v string) bool {
	v = strings.TrimSpace(v)
	return v == "" || v == "0"
}

func (s *storing) times(p *calendar.Patch) error {
	if v, ok := s.c.p.opt("isAllDay"); ok && v != "" {
		day := s.c.p.flag("isAllDay", false)
		p.AllDay = &day
	}
	todo := s.name == "VTODO"
	for _, x := range []struct {
		name string
		dst  **ical.DateTime
		is   bool
	}{{"dtstart", &p.Start, true}, {"dtend", &p.End, !todo}, {"due", &p.Due, todo}} {
		v, ok := s.c.p.opt(x.name)
		if !ok || !x.is {
			continue
		}
		d := ical.DateTime{}
		if !none(v) {
			var err error
			if d, err = s.moment(v); err != nil {
				return err
			}
			if d.Kind == ical.Date && p.AllDay != nil && !*p.AllDay {
				d = ical.FromCivil(d.Civil(), ical.UTC, "")
				if s.tzid != "" {
					d.Kind, d.TZID = ical.Zoned, s.tzid
				}
			}
		} else if x.name == "dtstart" && !todo {
			continue // an event has a start
		}
		*x.dst = &d
	}
	end := &p.End
	if todo {
		end = &p.Due
	}
	if v := strings.TrimSpace(s.c.p.text("duration")); v != "" && v != "0" {
		d, err := ical.ParseDuration(v)
		if err != nil {
			return s.bad("the duration cannot be read")
		}
		if *end == nil || (*end).IsZero() { // the end counts where both are said
			p.Duration, *end = &d, nil
		}
	}
	return nil
}

// recurrence reads rules and dates, which always replace. WCAP §6.
func (s *storing) recurrence(p *calendar.Patch) error {
	for _, x := range [...]struct {
		name string
		dst  **[]string
	}{{"rrules", &p.RRules}, {"exrules", &p.ExRules}} {
		if s.c.p.has(x.name) {
			list := ruleList(s.c.p, x.name)
			if len(list) > maxRules {
				return &calendar.Error{Kind: calendar.TooLarge, Op: s.c.name, Msg: "too many rules"}
			}
			*x.dst = &list
		}
	}
	for _, x := range [...]struct {
		name string
		dst  **[]ical.DateTime
	}{{"rdates", &p.RDates}, {"exdates", &p.ExDates}} {
		if !s.c.p.has(x.name) {
			continue
		}
		list := []ical.DateTime{}
		for _, v := range s.c.p.ids(x.name) {
			if none(v) {
				continue
			}
			d, err := s.moment(strings.Trim(v, `"`))
			if err != nil {
				return err
			}
			if list = append(list, d); len(list) > maxDates {
				return &calendar.Error{Kind: calendar.TooLarge, Op: s.c.name, Msg: "too many dates"}
			}
		}
		*x.dst = &list
	}
	return nil
}

// What one component may have of each list.
const (
	maxDates = 5000
	maxRules = 50
)

// ruleList reads rules: quoted items, of which the semicolons are inside, or
// as careless clients write them, a rule whose parts look like a list.
func ruleList(p params, name string) []string {
	x, ok := p.find(name)
	out := []string{}
	if !ok || x.raw == "" {
		return out
	}
	text := x.raw
	if !x.done {
		text = decode(text)
	}
	var open map[string]bool // keys of a rule that was not quoted
	var parts []string       // of that rule
	end := func() {
		if len(parts) > 0 {
			out, parts = append(out, strings.Join(parts, ";")), nil
		}
		open = nil
	}
	for _, item := range splitList(clean(text)) {
		item = strings.TrimSpace(item)
		if item == "" || item == "0" {
			continue
		}
		if item[0] == '"' {
			end()
			out = append(out, unquote(item))
			continue
		}
		key, _, _ := strings.Cut(strings.ToUpper(item), "=")
		if open == nil || open[key] {
			end()
			open = map[string]bool{}
		}
		open[key] = true
		parts = append(parts, item)
	}
	end()
	return out
}

// set makes a property what a text says, and removes it if it says nothing.
func set(p *calendar.Patch, name, value string, has bool) {
	x := calendar.PropEdit{Name: name}
	if has {
		x.Props = []ical.Property{{Name: name, Value: value}}
	}
	p.Props = append(p.Props, x)
}

func (s *storing) texts(p *calendar.Patch) error {
	for _, x := range [...][2]string{{"summary", "SUMMARY"}, {"desc", "DESCRIPTION"}, {"location", "LOCATION"}} {
		if v, ok := s.c.p.opt(x[0]); ok {
			set(p, x[1], ical.EscapeText(v), v != "")
		}
	}
	if v, ok := s.c.p.opt("icsUrl"); ok {
		v = strings.Join(strings.Fields(v), "%20")
		set(p, "URL", v, v != "")
	}
	if v, ok := s.c.p.opt("icsClass"); ok {
		v = strings.ToUpper(strings.TrimSpace(v))
		if v != "" && !oneOf(v, "PUBLIC", "PRIVATE", "CONFIDENTIAL") {
			return s.bad("icsClass is PUBLIC, PRIVATE or CONFIDENTIAL")
		}
		set(p, "CLASS", v, v != "")
	}
	for _, name := range [...]string{"language", "lang"} {
		if v, ok := s.c.p.opt(name); ok {
			set(p, "X-NSCP-LANGUAGE", ical.EscapeText(v), v != "")
			break
		}
	}
	return nil
}

// token reports whether a text is a name of iCalendar.
func token(v string) bool {
	return v != "" && len(v) <= 255 && strings.Trim(v, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == ""
}

// oneOf reports whether a text is one of some names, or one of a client's own.
func oneOf(v string, names ...string) bool {
	return slices.Contains(names, v) || len(v) > 2 && strings.HasPrefix(v, "X-") && token(v)
}

// degrees reports whether a text is a part of a GEO. RFC 5545 §3.8.1.6.
func degrees(v string, most float64) bool {
	f, err := strconv.ParseFloat(v, 64)
	return err == nil && math.Abs(f) <= most && len(v) <= 32 && strings.Trim(v, "+-.0123456789") == ""
}

var statusNames = []string{"CONFIRMED", "CANCELLED", "TENTATIVE", "NEEDS-ACTION", "COMPLETED", "IN-PROCESS", "DRAFT", "FINAL"}

func (s *storing) numbers(p *calendar.Patch) error {
	number := func(name, prop string, limit int) error {
		v, ok := s.c.p.opt(name)
		if v = strings.TrimSpace(v); !ok {
			return nil
		}
		if v != "" {
			if n, err := strconv.Atoi(v); err != nil || n < 0 || n > limit {
				return s.bad(name + " is not a number in its range")
			}
		}
		set(p, prop, v, v != "")
		return nil
	}
	if err := number("priority", "PRIORITY", 9); err != nil {
		return err
	}
	if err := number("seq", "SEQUENCE", 1<<30); err != nil {
		return err
	}
	if v, ok := s.c.p.opt("transparent"); ok && s.name == "VEVENT" {
		switch strings.TrimSpace(v) {
		case "":
			set(p, "TRANSP", "", false)
		case "0":
			set(p, "TRANSP", "OPAQUE", true)
		case "1":
			set(p, "TRANSP", "TRANSPARENT", true)
		default:
			return s.bad("transparent is 0 or 1")
		}
	}
	if v, ok := s.c.p.opt("geo"); ok {
		v = strings.TrimSpace(v)
		lat, long, _ := strings.Cut(v, ";")
		if v != "" && (!degrees(lat, 90) || !degrees(long, 180)) {
			return s.bad("geo is latitude;longitude")
		}
		set(p, "GEO", v, v != "")
	}
	status, hasStatus := s.c.p.opt("status")
	if status = strings.ToUpper(strings.TrimSpace(status)); hasStatus {
		if n, err := strconv.Atoi(status); err == nil && n >= 0 && n < len(statusNames) {
			status = statusNames[n]
		}
		if status != "" && !oneOf(status, statusNames...) {
			return s.bad("status is 0 to 7")
		}
		set(p, "STATUS", status, status != "")
	}
	if s.name == "VTODO" {
		return s.progress(p, hasStatus, number)
	}
	return nil
}

// progress reads percent and completed. Where a client sends one of them only,
// the others follow. WCAP §9.36.
func (s *storing) progress(p *calendar.Patch, hasStatus bool, number func(name, prop string, limit int) error) error {
	if err := number("percent", "PERCENT-COMPLETE", 100); err != nil {
		return err
	}
	v, ok := s.c.p.opt("completed")
	if !ok {
		return nil
	}
	if none(v) {
		set(p, "COMPLETED", "", false)
		percent, hasPercent := s.c.p.opt("percent")
		word := "NEEDS-ACTION"
		switch {
		case hasPercent && !none(percent):
			word = "IN-PROCESS"
		case !hasPercent && !slices.Contains([]string{"5", "IN-PROCESS"}, strings.ToUpper(strings.TrimSpace(s.c.p.text("status")))):
			set(p, "PERCENT-COMPLETE", "", false)
		}
		if !hasStatus {
			set(p, "STATUS", word, true)
		}
		return nil
	}
	t, err := parseTime(v, s.zone)
	if err != nil {
		return err
	}
	set(p, "COMPLETED", utc(t), true)
	if !hasStatus {
		set(p, "STATUS", "COMPLETED", true)
	}
	if !s.c.p.has("percent") {
		set(p, "PERCENT-COMPLETE", "100", true)
	}
	return nil
}

// lists reads the lists that replace or are appended. WCAP §7.11.
func (s *storing) lists(p *calendar.Patch) error {
	for _, x := range [...]struct {
		param, prop string
		joined      bool
	}{{"categories", "CATEGORIES", true}, {"resources", "RESOURCES", true}, {"contacts", "CONTACT", false}, {"relatedTos", "RELATED-TO", false}, {"attachments", "ATTACH", false}} {
		if !s.c.p.has(x.param) {
			continue
		}
		var items []string
		for _, v := range textList(s.c.p, x.param) {
			if strings.TrimSpace(v) != "" {
				items = append(items, v)
			}
		}
		e := calendar.PropEdit{Name: x.prop, Append: !s.replace}
		switch {
		case len(items) == 0:
		case x.joined:
			e.Props = []ical.Property{{Name: x.prop, Value: ical.JoinText(items...)}}
		default:
			for _, v := range items {
				if x.prop == "ATTACH" {
					if ours(v) {
						continue // a file that clients saw as an address: it is there
					}
					v = strings.Join(strings.Fields(v), "%20")
				} else {
					v = ical.EscapeText(v)
				}
				e.Props = append(e.Props, ical.Property{Name: x.prop, Value: v})
			}
		}
		p.Props = append(p.Props, e)
	}
	return nil
}

// textList is params.list for texts: quotes that came encoded belong to them.
func textList(p params, name string) []string {
	x, ok := p.find(name)
	if !ok || x.raw == "" {
		return nil
	}
	items := splitList(x.raw)
	for i, s := range items {
		if s = unquote(s); !x.done {
			s = decode(s)
		}
		items[i] = x.clean(s)
	}
	return items
}

// tokens reads X- parameters, which become properties. What this server works
// out by itself is not taken from clients. WCAP §7.12.
func (s *storing) tokens(p *calendar.Patch) error {
	n := 0
	for i := range s.c.p {
		x := &s.c.p[i]
		if len(x.name) < 2 || x.name[1] != '-' {
			continue
		}
		name := strings.ToUpper(x.name)
		if !strings.HasPrefix(name, "X-") || !token(name) || strings.HasPrefix(name, "X-NSCP-") || strings.HasPrefix(name, "X-S1CS-") || strings.HasPrefix(name, "X-SICS-") {
			continue
		}
		if n++; n > 100 {
			return &calendar.Error{Kind: calendar.TooLarge, Op: s.c.name, Msg: "too many X- parameters"}
		}
		params, value := xToken(x.text())
		e := calendar.PropEdit{Name: name}
		prop := ical.Property{Name: name, Value: ical.EscapeText(value)}
		gone := value == ""
		for _, q := range params {
			if q.Name != "X-NSCP-ORIGINAL-OPERATION" {
				prop.Params = append(prop.Params, q)
				continue
			}
			switch {
			case strings.HasSuffix(q.Values[0], "-APPEND"):
				e.Append = true
			case strings.HasSuffix(q.Values[0], "-DELETE"):
				gone = true
			}
		}
		if !gone {
			e.Props = []ical.Property{prop}
		}
		p.Props = append(p.Props, e)
	}
	return nil
}

// xToken takes [param=value^…]value apart.
func xToken(v string) ([]ical.Param, string) {
	fields := strings.Split(v, "^")
	var out []ical.Param
	for i, f := range fields[:len(fields)-1] {
		name, value, ok := strings.Cut(f, "=")
		if name = strings.ToUpper(name); !ok || !token(name) || i >= 20 {
			return nil, v // no token, a text with carets in it
		}
		out = append(out, ical.Param{Name: name, Values: []string{unquote(value)}})
	}
	return out, fields[len(fields)-1]
}
