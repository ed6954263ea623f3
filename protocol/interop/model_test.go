package interop

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"factotum/protocol/sitetest"
	"factotum/server/ical"
	"factotum/server/recur"

	"pgregory.net/rapid"
)

// item is an event or task as a person means it.
type item struct {
	uid        string
	todo       bool
	allDay     bool
	zone       string    // "" = UTC
	start, end time.Time // civil
	noStart    bool      // of a task
	summary    string
	desc       string
	location   string
	class      string
	status     string
	transp     string
	priority   int
	percent    int // of a task
	categories []string
	links      []string // ATTACH
	alarm      int      // minutes before the start, 0 = none
	mails      []string // of an alarm by mail: also that many minutes before
	people     []person
	rule       string
	rdates     []time.Time
	gone       []int // days after the start of instances that were deleted
	moved      int   // days after the start of an instance that was moved by an hour, 0 = none
	files      []file
}

type person struct{ mail, cn, part, role, rsvp string }

var zones = []string{"Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Sydney", ""}

func draw(t *rapid.T, uid string) item {
	word := rapid.SampledFrom([]string{"", "plain", "Größe", "a;b,c", `back\slash`, "two\nlines", `"quoted"`, "日本 ^ caret", strings.Repeat("long ä ", 30), "100% + & = #"})
	it := item{
		uid: uid, todo: rapid.Bool().Draw(t, "todo"), allDay: rapid.IntRange(0, 3).Draw(t, "all day") == 0, zone: rapid.SampledFrom(zones).Draw(t, "zone"),
		summary: word.Draw(t, "summary"), desc: word.Draw(t, "desc"), location: word.Draw(t, "location"),
		class:    rapid.SampledFrom([]string{"PUBLIC", "PRIVATE", "CONFIDENTIAL"}).Draw(t, "class"),
		transp:   rapid.SampledFrom([]string{"OPAQUE", "TRANSPARENT"}).Draw(t, "transp"),
		priority: rapid.IntRange(0, 9).Draw(t, "priority"),
		alarm:    rapid.SampledFrom([]int{0, 0, 5, 15, 1440}).Draw(t, "alarm"),
	}
	it.start = epoch.AddDate(0, 0, rapid.IntRange(0, 700).Draw(t, "day"))
	if !it.allDay {
		it.start = it.start.Add(time.Duration(rapid.IntRange(4*60, 20*60).Draw(t, "minute")) * time.Minute)
		it.end = it.start.Add(time.Duration(rapid.IntRange(1, 180).Draw(t, "length")) * time.Minute)
	} else {
		it.zone = ""
		it.end = it.start.AddDate(0, 0, rapid.IntRange(1, 3).Draw(t, "days"))
	}
	for range rapid.IntRange(0, 3).Draw(t, "categories") {
		if w := word.Draw(t, "category"); w != "" && !slices.Contains(it.categories, w) {
			it.categories = append(it.categories, w)
		}
	}
	if rapid.Bool().Draw(t, "link") {
		it.links = []string{"http://example.com/a?b=c;d&e=%20", "ftp://example.com/x"}[:rapid.IntRange(1, 2).Draw(t, "links")]
	}
	it.files = drawFiles(t)
	if it.todo {
		it.status = rapid.SampledFrom([]string{"NEEDS-ACTION", "IN-PROCESS", "COMPLETED", "CANCELLED"}).Draw(t, "status")
		it.percent = rapid.IntRange(0, 100).Draw(t, "percent")
		it.transp = ""
		it.noStart = rapid.IntRange(0, 3).Draw(t, "no start") == 0
		it.alarm = 0
		return it
	}
	it.status = rapid.SampledFrom([]string{"CONFIRMED", "TENTATIVE", "CANCELLED"}).Draw(t, "status")
	if rapid.Bool().Draw(t, "mail") && it.alarm > 0 {
		it.mails = []string{"anna@example.com", "x@side.org"}[:rapid.IntRange(1, 2).Draw(t, "mails")]
	}
	if rapid.IntRange(0, 2).Draw(t, "meeting") == 0 {
		for _, m := range []string{"ben@example.com", "out@side.org"}[:rapid.IntRange(1, 2).Draw(t, "attendees")] {
			it.people = append(it.people, person{mail: m, cn: rapid.SampledFrom([]string{"", "Ben", "Ö; ^x"}).Draw(t, "cn"),
				part: rapid.SampledFrom([]string{"NEEDS-ACTION", "ACCEPTED", "DECLINED", "TENTATIVE"}).Draw(t, "partstat"),
				role: rapid.SampledFrom([]string{"REQ-PARTICIPANT", "OPT-PARTICIPANT", "CHAIR"}).Draw(t, "role"), rsvp: rapid.SampledFrom([]string{"TRUE", "FALSE"}).Draw(t, "rsvp")})
		}
	}
	it.rule = rapid.SampledFrom([]string{"", "", "FREQ=DAILY;COUNT=9", "FREQ=WEEKLY;COUNT=5", "FREQ=DAILY;COUNT=7;INTERVAL=2", "FREQ=MONTHLY;COUNT=4", "FREQ=DAILY;UNTIL"}).Draw(t, "rule")
	if it.rule == "FREQ=DAILY;UNTIL" {
		it.rule += "=" + it.moment(it.start.AddDate(0, 0, 8), true)
	}
	if strings.HasPrefix(it.rule, "FREQ=DAILY") && !strings.Contains(it.rule, "INTERVAL") {
		it.gone = []int{2, 4}[:rapid.IntRange(0, 2).Draw(t, "gone")]
		if !it.allDay && rapid.Bool().Draw(t, "moves") {
			it.moved = 3
		}
	}
	if it.rule != "" && !it.allDay && rapid.IntRange(0, 3).Draw(t, "further") == 0 {
		it.rdates = []time.Time{it.start.AddDate(1, 0, 0)}
	}
	return it
}

func (it *item) loc() recur.Zone {
	if z, ok := recur.LoadZone(it.zone); ok && it.zone != "" {
		return z
	}
	return recur.UTC
}

// moment spells a civil time: a date, UTC if asked, or local time.
func (it *item) moment(t time.Time, utc bool) string {
	switch {
	case it.allDay:
		return t.Format("20060102")
	case utc || it.zone == "":
		return it.loc().ToUTC(t).Format("20060102T150405Z")
	}
	return t.Format("20060102T150405")
}

// text is the item as a CalDAV client writes it.
func (it *item) text() string {
	c := ical.New("VEVENT")
	if it.todo {
		c = ical.New("VTODO")
	}
	c.Set("UID", it.uid)
	c.Set("DTSTAMP", "20260101T000000Z")
	kind := ical.Zoned
	switch {
	case it.allDay:
		kind = ical.Date
	case it.zone == "":
		kind = ical.UTC
	}
	date := func(c *ical.Component, name string, t time.Time) {
		p := ical.Property{Name: name}
		p.SetDateTime(ical.FromCivil(t, kind, it.zone))
		c.Add(p)
	}
	end := "DTEND"
	if it.todo {
		end = "DUE"
	}
	if !it.noStart {
		date(c, "DTSTART", it.start)
	}
	date(c, end, it.end)
	for name, v := range map[string]string{"SUMMARY": it.summary, "DESCRIPTION": it.desc, "LOCATION": it.location} {
		if v != "" {
			c.SetText(name, v)
		}
	}
	c.Set("CLASS", it.class)
	c.Set("STATUS", it.status)
	c.Set("PRIORITY", fmt.Sprint(it.priority))
	if it.todo {
		c.Set("PERCENT-COMPLETE", fmt.Sprint(it.percent))
	} else {
		c.Set("TRANSP", it.transp)
	}
	if len(it.categories) > 0 {
		c.Set("CATEGORIES", ical.JoinText(it.categories...))
	}
	for _, l := range it.links {
		c.Add(ical.Property{Name: "ATTACH", Value: l})
	}
	if len(it.people) > 0 {
		c.Set("ORGANIZER", "mailto:anna@example.com")
	}
	for _, x := range it.people {
		p := ical.Property{Name: "ATTENDEE", Value: "mailto:" + x.mail}
		for _, q := range [][2]string{{"CN", x.cn}, {"PARTSTAT", x.part}, {"ROLE", x.role}, {"RSVP", x.rsvp}} {
			if q[1] != "" {
				p.SetParam(q[0], q[1])
			}
		}
		p.SetParam("SCHEDULE-AGENT", "CLIENT") // else what others answer is not the organizer's to write
		c.Add(p)
	}
	if it.alarm > 0 {
		a := ical.New("VALARM")
		a.Set("ACTION", "DISPLAY")
		a.Set("DESCRIPTION", "x")
		a.Set("TRIGGER", fmt.Sprintf("-PT%dM", it.alarm))
		c.AddChild(a)
		if len(it.mails) > 0 {
			a = a.Clone()
			a.Set("ACTION", "EMAIL")
			a.Set("SUMMARY", "x")
			for _, m := range it.mails {
				a.Add(ical.Property{Name: "ATTENDEE", Value: "mailto:" + m})
			}
			c.AddChild(a)
		}
	}
	if it.rule != "" {
		c.Set("RRULE", it.rule)
	}
	for _, d := range it.rdates {
		date(c, "RDATE", d)
	}
	for _, n := range it.gone {
		date(c, "EXDATE", it.start.AddDate(0, 0, n))
	}
	cal := ical.NewCalendar("-//Test//EN")
	cal.AddChild(c)
	if it.moved > 0 {
		o := c.Clone()
		for _, n := range []string{"RRULE", "RDATE", "EXDATE", "DTSTART", "DTEND"} {
			o.Del(n)
		}
		date(o, "RECURRENCE-ID", it.start.AddDate(0, 0, it.moved))
		date(o, "DTSTART", it.start.AddDate(0, 0, it.moved).Add(time.Hour))
		date(o, "DTEND", it.end.AddDate(0, 0, it.moved).Add(time.Hour))
		cal.AddChild(o)
	}
	return string(cal.Bytes())
}

// list joins items as a client does: what separates them is encoded inside.
func list(items []string) string {
	out := make([]string, len(items))
	for i, s := range items {
		out[i] = strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
	}
	return strings.Join(out, ";")
}

// raw are parameters that hold lists, which url.Values would encode.
func (it *item) params() (p url.Values, raw string) {
	p = url.Values{"calid": {"anna"}, "uid": {it.uid}, "summary": {it.summary}, "desc": {it.desc}, "location": {it.location}, "icsClass": {it.class}, "status": {it.status},
		"priority": {fmt.Sprint(it.priority)}, "storetype": {"1"}, "mod": {"4"}, "replace": {"1"}, "isAllDay": {"0"}}
	if it.zone != "" {
		p.Set("tzid", it.zone)
	}
	if it.allDay {
		p.Set("isAllDay", "1")
		p.Set("tzid", "Europe/Berlin")
	}
	if it.noStart {
		p.Set("dtstart", "0")
	} else {
		p.Set("dtstart", it.moment(it.start, true))
	}
	end := "dtend"
	if it.todo {
		end = "due"
		p.Set("percent", fmt.Sprint(it.percent))
	} else {
		p.Set("transparent", "0")
		if it.transp == "TRANSPARENT" {
			p.Set("transparent", "1")
		}
	}
	p.Set(end, it.moment(it.end, true))
	if it.alarm > 0 {
		p.Set("alarmPopup", fmt.Sprintf("-PT%dM", it.alarm))
		if len(it.mails) > 0 {
			p.Set("alarmStart", fmt.Sprintf("-PT%dM", it.alarm))
			raw += "&alarmEmails=" + list(it.mails)
		}
	}
	raw += "&categories=" + list(it.categories) + "&attachments=" + list(it.links)
	if it.rule != "" {
		raw += "&rrules=" + list([]string{`"` + it.rule + `"`})
	}
	if len(it.rdates) > 0 {
		raw += "&rdates=" + it.moment(it.rdates[0], true)
	}
	var who []string
	for _, x := range it.people {
		fields := []string{}
		for _, q := range [][2]string{{"RSVP", x.rsvp}, {"PARTSTAT", x.part}, {"ROLE", x.role}, {"CN", x.cn}} {
			if q[1] != "" {
				fields = append(fields, q[0]+"="+list([]string{q[1]}))
			}
		}
		fields = append(fields, "SENT-STATUS=SENT-SUCCEEDED") // else what he answers is his to write
		who = append(who, strings.Join(append(fields, list([]string{"mailto:" + x.mail})), "^"))
	}
	if len(who) > 0 {
		p.Set("method", "2")
		p.Set("orgCalid", "anna")
		raw += "&attendees=" + strings.Join(who, ";")
	}
	return p, raw
}

// read spells what an iCalendar text means. wcap: times are in UTC with the
// zone beside them, as that protocol's clients read it.
func read(t sitetest.Fataler, text string, wcap bool) string {
	cal, err := ical.Parse([]byte(text), ical.Limits{})
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	var comps []*ical.Component
	for _, c := range cal.Children {
		if c.Name != "VEVENT" && c.Name != "VTODO" {
			continue
		}
		if wcap {
			localize(c)
		}
		comps = append(comps, c)
	}
	if len(comps) == 0 {
		t.Fatalf("nothing in\n%s", text)
	}
	slices.SortFunc(comps, func(a, b *ical.Component) int {
		return strings.Compare(a.Value("RECURRENCE-ID"), b.Value("RECURRENCE-ID"))
	})
	var b strings.Builder
	for _, c := range comps {
		spell(&b, c)
	}
	set, err := recur.Compile(comps, recur.ZonesOf(cal))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	for in, err := range set.Between(context.Background(), time.Time{}, time.Time{}, recur.UTC, recur.Budget{}) {
		if err != nil {
			t.Fatalf("%v", err)
		}
		fmt.Fprintf(&b, "from %s to %s %v\n", in.Start.Format(time.DateTime), in.End.Format(time.DateTime), in.AllDay)
	}
	return b.String()
}

// localize puts the times of a component back into the zone beside them.
func localize(c *ical.Component) {
	zone := c.Value("X-NSCP-DTSTART-TZID")
	if zone == "" {
		zone = c.Value("X-NSCP-DUE-TZID")
	}
	z, ok := recur.LoadZone(zone)
	if zone == "" || !ok {
		return
	}
	for i := range c.Props {
		p := &c.Props[i]
		switch p.Name {
		case "DTSTART", "DTEND", "DUE", "RECURRENCE-ID", "EXDATE", "RDATE":
			list, err := p.DateTimes()
			if err != nil || len(list) == 0 || list[0].Kind != ical.UTC {
				continue
			}
			value := ""
			for _, d := range list {
				local := ical.FromCivil(z.FromUTC(d.Civil()), ical.Zoned, zone)
				if p.SetDateTime(local); value != "" {
					value += ","
				}
				value += local.String()
			}
			p.Value = value
		}
	}
}

// spell writes what matters of a component.
func spell(b *strings.Builder, c *ical.Component) {
	fmt.Fprintln(b, c.Name, c.Value("UID"), c.Prop("RECURRENCE-ID") != nil)
	tzid := ""
	for _, n := range []string{"DTSTART", "DUE"} {
		if p := c.Prop(n); p != nil && tzid == "" {
			tzid = p.Param("TZID")
		}
	}
	fmt.Fprintln(b, "zone", tzid)
	for _, n := range []string{"SUMMARY", "DESCRIPTION", "LOCATION", "CLASS", "STATUS", "TRANSP", "PRIORITY", "PERCENT-COMPLETE", "X-KEPT"} {
		fmt.Fprintf(b, "%s %q\n", n, c.Text(n))
	}
	var cats, links, people []string
	for p := range c.All("CATEGORIES") {
		cats = append(cats, ical.SplitText(p.Value)...)
	}
	for p := range c.All("ATTACH") {
		if !uploaded(p) {
			links = append(links, p.Value)
		}
	}
	for p := range c.All("ATTENDEE") {
		people = append(people, fmt.Sprintf("%s %q %s %s %s", p.Value, p.Param("CN"), p.Param("PARTSTAT"), p.Param("ROLE"), p.Param("RSVP")))
	}
	org := ""
	if len(people) > 0 {
		org = c.Value("ORGANIZER")
	}
	slices.Sort(people)
	fmt.Fprintf(b, "%q %q %q %s\n", cats, links, people, org)
	var alarms []string
	for a := range c.ChildrenOf("VALARM") {
		var to []string
		for p := range a.All("ATTENDEE") {
			to = append(to, p.Value)
		}
		d, err := ical.ParseDuration(a.Value("TRIGGER"))
		alarms = append(alarms, fmt.Sprint(a.Value("ACTION"), time.Duration(d.NominalDays())*24*time.Hour+d.Exact(), err, to))
	}
	slices.Sort(alarms)
	fmt.Fprintln(b, alarms)
	for p := range c.All("RRULE") {
		r, err := recur.ParseRule(p.Value)
		fmt.Fprintln(b, r, err)
	}
}
