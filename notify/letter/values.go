package letter

import (
	"strconv"
	"strings"
	"time"

	"factotum/notify/locale"
	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/recur"
)

// value is what a code prints, clean. Those of one render are worked out once.
func (r *renderer) value(o *op, cal bool) string {
	c := codeOf[o.code]
	if c.Time {
		return r.timeText(o, cal)
	}
	if !r.known[o.code] {
		r.known[o.code] = true
		r.values[o.code] = clean(r.work(o.code), c.Many)
	}
	return r.values[o.code]
}

// work finds the value of a code that is no time.
func (r *renderer) work(code byte) string {
	switch code {
	case 'A':
		return r.dateList("EXDATE")
	case 'a':
		return r.dateList("RDATE")
	case 'b':
		return r.startAndEnd()
	case 'c':
		if c := r.word("CLASS"); c != "" {
			return c
		}
		return "PUBLIC"
	case 'd', 'F':
		return r.text("DESCRIPTION")
	case 'e':
		return r.rules("EXRULE")
	case 'f':
		return r.often()
	case 'G':
		return r.raw("GEO")
	case 'g':
		return mailOf(r.raw("ORGANIZER"))
	case 'h':
		return nameOf(r.prop("ORGANIZER"))
	case 'i':
		return r.invited()
	case 'j':
		if r.attendee.Comment != "" {
			return r.attendee.Comment
		}
		return r.text("COMMENT")
	case 'K':
		return r.raw("ORGANIZER")
	case 'k':
		n := 0
		if r.c != nil {
			for range r.c.ChildrenOf("VALARM") {
				n++
			}
		}
		return strconv.Itoa(n)
	case 'L':
		return r.text("LOCATION")
	case 'l':
		return r.rules("RRULE")
	case 'O':
		return mailOf(r.attendee.Address)
	case 'o':
		return r.who()
	case 'P':
		return r.word("PRIORITY")
	case 'p':
		return r.m.Words.PartStat[r.attendee.PartStat]
	case 'R':
		if t := r.time('r', true); t.ok {
			return iso(t)
		}
	case 'S':
		if s := r.word("SEQUENCE"); s != "" {
			return s
		}
		return "0"
	case 's':
		return r.text("SUMMARY")
	case 't':
		return r.word("STATUS")
	case 'U':
		return r.text("UID")
	case 'u':
		return r.link()
	case 'V':
		return r.m.Does(r.act(), r.actor())
	case 'v':
		return r.m.Words.Heading[r.act()]
	case 'W':
		return r.brief()
	case 'w':
		return r.when()
	}
	return ""
}

func (r *renderer) prop(name string) *ical.Property {
	if r.c == nil {
		return nil
	}
	return r.c.Prop(name)
}

func (r *renderer) text(name string) string {
	if p := r.prop(name); p != nil {
		return p.Text()
	}
	return ""
}

func (r *renderer) raw(name string) string {
	if p := r.prop(name); p != nil {
		return p.Value
	}
	return ""
}

// word is a value that is a word or a number; what is none is left out.
func (r *renderer) word(name string) string {
	if r.c == nil {
		return ""
	}
	w := r.c.Word(name)
	for i := range len(w) {
		if c := w[i]; !('A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-') {
			return ""
		}
	}
	return w
}

// mailOf is an address without mailto:, "" of another URL.
func mailOf(address string) string {
	a := strings.TrimSpace(address)
	if len(a) > 7 && strings.EqualFold(a[:7], "mailto:") {
		return a[7:]
	}
	if strings.Contains(a, "@") && !strings.Contains(a, ":") {
		return a
	}
	return ""
}

// nameOf is the name of an ORGANIZER or ATTENDEE, or what is known of him.
func nameOf(p *ical.Property) string {
	if p == nil {
		return ""
	}
	return nameOr(p.Param("CN"), p.Value)
}

func nameOr(name, address string) string {
	if n := oneLine(name); n != "" {
		return n
	}
	if m := mailOf(address); m != "" {
		return m
	}
	return address
}

func (r *renderer) who() string { return nameOr(r.attendee.Name, r.attendee.Address) }

func partStat(p *ical.Property) string {
	if w := strings.ToUpper(strings.TrimSpace(p.Param("PARTSTAT"))); w != "" {
		return w
	}
	return "NEEDS-ACTION"
}

func (r *renderer) act() string {
	if r.in.Removed && r.method == "CANCEL" {
		return locale.Uninvites
	}
	return locale.ActOf(r.method, r.attendee.PartStat, r.task(), r.in.Again)
}

// actor is who does it.
func (r *renderer) actor() string {
	switch r.method {
	case "REPLY", "COUNTER", "REFRESH":
		return oneLine(r.who())
	}
	return oneLine(nameOf(r.prop("ORGANIZER")))
}

// mostInvited are told by name.
const mostInvited = 12

// invited lists who is invited, with their answers.
func (r *renderer) invited() string {
	if r.c == nil {
		return ""
	}
	organizer := calendar.AddressKey(r.raw("ORGANIZER"))
	var list []string
	more := 0
	for p := range r.c.All("ATTENDEE") {
		switch {
		case calendar.AddressKey(p.Value) == organizer:
		case len(list) == mostInvited:
			more++
		default:
			s := oneLine(nameOf(p))
			if w := r.m.Words.PartStat[partStat(p)]; w != "" {
				s += " (" + w + ")"
			}
			list = append(list, s)
		}
	}
	if more > 0 {
		list = append(list, strings.ReplaceAll(r.m.Words.More, "{n}", strconv.Itoa(more)))
	}
	return r.m.List(list)
}

// link is where to meet in the web. RFC 7986 §5.11, RFC 5545 §3.8.4.6.
func (r *renderer) link() string {
	for _, name := range [...]string{"CONFERENCE", "URL"} {
		s := oneLine(r.raw(name))
		scheme, rest, ok := strings.Cut(s, "://")
		if ok && rest != "" && (strings.EqualFold(scheme, "https") || strings.EqualFold(scheme, "http")) && !strings.ContainsAny(s, " \"'<>\\") {
			return s
		}
	}
	return ""
}

// startAndEnd is %b: only the start where that is all there is.
func (r *renderer) startAndEnd() string {
	switch {
	case !r.start.ok:
		return ""
	case !r.end.ok || r.end.at.Equal(r.start.at):
		return iso(r.start)
	}
	return iso(r.start) + "/" + iso(r.end)
}

// dateList is %A or %a in text.
func (r *renderer) dateList(name string) string {
	var all []string
	if r.c != nil {
		for p := range r.c.All(name) {
			list, _ := r.dates(p)
			all = append(all, list...)
		}
	}
	return strings.Join(all, ";")
}

// rules are RRULEs or EXRULEs.
func (r *renderer) rules(name string) string {
	var all []string
	if r.c != nil {
		for p := range r.c.All(name) {
			all = append(all, p.Value)
		}
	}
	return strings.Join(all, " ")
}

// often is %f.
func (r *renderer) often() string {
	if r.c == nil {
		return ""
	}
	rules, dates := r.c.Count("RRULE"), r.c.Prop("RDATE") != nil
	switch {
	case r.in.Instance != nil && r.in.Instance.HasRID, r.c.Prop("RECURRENCE-ID") != nil:
		return r.m.Words.OneDate
	case rules == 0 && !dates:
		return ""
	}
	s := locale.Series{Dates: dates}
	if rules > 0 {
		rule, err := recur.ParseRule(r.c.Value("RRULE"))
		if err != nil || rules > 1 {
			rule = &recur.Rule{} // one that is not told
		}
		s.Rule = rule
	}
	d := r.prop("DTSTART")
	if d == nil || !r.start.ok {
		return r.m.Often(s)
	}
	at, err := d.DateTime()
	if err != nil {
		return r.m.Often(s)
	}
	s.Start = locale.Moment{Civil: at.Civil()}
	if s.Zone = strings.ReplaceAll(at.TZID, "_", " "); at.Kind == ical.UTC {
		s.Zone = "UTC"
	}
	here := r.local(r.start).Civil
	s.Shift = here.YearDay() - s.Start.Civil.YearDay()
	if y := here.Year() - s.Start.Civil.Year(); y != 0 {
		s.Shift = y // from one year to the next it is a day
	}
	if s.Rule != nil && s.Rule.HasUntil {
		s.Until = locale.Moment{Civil: r.lastDate(s.Rule.Until, at).AddDate(0, 0, s.Shift), Day: true}
	}
	return r.m.Often(s)
}

// lastDate is the last day on which a series that ends with UNTIL can take place,
// in its own zone: an UNTIL of an hour before that of the start shuts its day out.
func (r *renderer) lastDate(until, start ical.DateTime) time.Time {
	last := until.Civil()
	if until.Kind == ical.Date || start.Kind == ical.Date {
		return last
	}
	if t := r.of(until); !t.float && start.Kind == ical.Zoned {
		if z, ok := r.zones.Lookup(start.TZID); ok {
			last = z.FromUTC(t.at)
		}
	}
	hour := func(t time.Time) int { return t.Hour()*3600 + t.Minute()*60 + t.Second() }
	if hour(last) < hour(start.Civil()) {
		return last.AddDate(0, 0, -1)
	}
	return last
}
