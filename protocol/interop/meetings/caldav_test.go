package meetings

import (
	"cmp"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"

	"factotum/protocol/dav"
	"factotum/server/ical"
)

// davHand is a CalDAV client: it reads the whole object, changes it, and writes it
// back under the condition that nobody else has.
type davHand struct{ front http.Handler }

// sanJose is the zone of RFC 5546 §4.4.1, with rules of its own.
const sanJose = "BEGIN:VTIMEZONE\r\nTZID:America-SanJose\r\nBEGIN:STANDARD\r\nDTSTART:19671029T020000\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\r\n" +
	"TZOFFSETFROM:-0700\r\nTZOFFSETTO:-0800\r\nTZNAME:PST\r\nEND:STANDARD\r\nBEGIN:DAYLIGHT\r\nDTSTART:19870405T020000\r\nRRULE:FREQ=YEARLY;BYDAY=1SU;BYMONTH=4\r\n" +
	"TZOFFSETFROM:-0800\r\nTZOFFSETTO:-0700\r\nTZNAME:PDT\r\nEND:DAYLIGHT\r\nEND:VTIMEZONE\r\n"

func (h *davHand) send(who, method, path, body string, want int, headers ...string) (*httptest.ResponseRecorder, error) {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.SetBasicAuth(who, who)
	if method == "PUT" || method == "POST" {
		r.Header.Set("Content-Type", "text/calendar; charset=utf-8")
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.front.ServeHTTP(w, r)
	if w.Code != want {
		return w, fmt.Errorf("%s %s of %s: %d, want %d\n%s\n%s", method, path, who, w.Code, want, w.Body, body)
	}
	return w, nil
}

func calendarOf(who string) string { return "/dav/calendars/" + who + "/calendar/" }

// query reads all instances, or objects, of the story in one's calendar.
func (h *davHand) query(p *play, who, kind, data string) ([]*dav.Node, error) {
	body := `<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><D:getetag/><C:schedule-tag/>` + data + `</D:prop><C:filter><C:comp-filter name="VCALENDAR">` +
		`<C:comp-filter name="` + kind + `"><C:prop-filter name="UID"><C:text-match collation="i;octet">` + p.uid + `</C:text-match></C:prop-filter></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>`
	w, err := h.send(who, "REPORT", calendarOf(who), body, 207, "Content-Type: text/xml", "Depth: 1")
	if err != nil {
		return nil, err
	}
	root, err := dav.Parse(w.Body.String(), dav.Limits{})
	if err != nil {
		return nil, err
	}
	var out []*dav.Node
	for n := range root.Children() {
		if n.Name == dav.D("response") {
			out = append(out, n)
		}
	}
	return out, nil
}

func (h *davHand) read(p *play, who, kind string) (out []*ical.Component, err error) {
	found, err := h.query(p, who, kind, `<C:calendar-data><C:expand start="19970101T000000Z" end="19981201T000000Z"/></C:calendar-data>`)
	for _, n := range found {
		cal, err := ical.Parse([]byte(propOf(n, dav.C("calendar-data"))), ical.Limits{})
		if err != nil {
			return nil, err
		}
		for _, c := range cal.Children {
			if c.Name == kind && c.Value("UID") == p.uid { // others have the UID as a part of theirs
				out = append(out, c)
			}
		}
	}
	return out, err
}

// propOf is the text of a property of a response.
func propOf(n *dav.Node, name dav.Name) string {
	for stat := range n.Children() {
		if prop := stat.Child(dav.D("prop")); prop != nil {
			if x := prop.Child(name); x != nil {
				return x.Text
			}
		}
	}
	return ""
}

// write changes one's copy.
func (h *davHand) write(p *play, who string, edit func(cal *ical.Component)) error {
	for _, kind := range []string{"VEVENT", "VTODO"} {
		found, err := h.query(p, who, kind, "<C:calendar-data/>")
		if err != nil {
			return err
		}
		for _, n := range found {
			cal, err := ical.Parse([]byte(propOf(n, dav.C("calendar-data"))), ical.Limits{})
			if err != nil {
				return err
			}
			if master(cal).Value("UID") != p.uid {
				continue
			}
			edit(cal)
			_, err = h.send(who, "PUT", n.Child(dav.D("href")).TrimText(), string(cal.Bytes()), 204, "If-Match: "+propOf(n, dav.D("getetag")))
			return err
		}
	}
	return fmt.Errorf("%s has no copy", who)
}

// master is the component of the series, or the first of an object of instances.
func master(cal *ical.Component) *ical.Component {
	var first *ical.Component
	for _, c := range cal.Children {
		if c.Name == "VTIMEZONE" {
			continue
		}
		if c.Prop("RECURRENCE-ID") == nil {
			return c
		}
		if first == nil {
			first = c
		}
	}
	return first
}

// instance is the component of an instance, which is made of the master if it is
// not there; that of the whole if none is meant.
func instance(cal *ical.Component, rid string) *ical.Component {
	m := master(cal)
	if rid == "" {
		return m
	}
	for _, c := range cal.Children {
		if c.Value("RECURRENCE-ID") == rid {
			return c
		}
	}
	one := m.Clone()
	for _, name := range []string{"RRULE", "RDATE", "EXDATE"} {
		one.Del(name)
	}
	one.Set("RECURRENCE-ID", rid)
	length := endOf(m)
	one.Set("DTSTART", rid)
	if length != "" {
		for _, name := range []string{"DTEND", "DUE"} {
			one.Del(name)
		}
		one.Set("DURATION", length)
	}
	cal.AddChild(one)
	return one
}

// endOf is the length of a component whose times are in UTC.
func endOf(c *ical.Component) string {
	for _, name := range []string{"DTEND", "DUE"} {
		if p := c.Prop(name); p != nil {
			from, _ := c.Prop("DTSTART").DateTime()
			to, _ := p.DateTime()
			return fmt.Sprintf("PT%dS", int(to.Civil().Sub(from.Civil()).Seconds()))
		}
	}
	return ""
}

var aTime = regexp.MustCompile(`^\d{8}T\d{6}$`)

// set writes properties as iCalendar does.
func set(c *ical.Component, f fields) {
	for name, value := range f {
		switch {
		case name == "TZID":
		case value == "":
			c.Del(name)
		case aTime.MatchString(strings.Split(value, ",")[0]):
			c.Set(name, value, ical.Param{Name: "TZID", Values: []string{f["TZID"]}})
		case len(value) == 8 && strings.HasPrefix(name, "D"):
			c.Set(name, value, ical.Param{Name: "VALUE", Values: []string{"DATE"}})
		case name == "SUMMARY" || name == "LOCATION" || name == "DESCRIPTION":
			c.SetText(name, value)
		default:
			c.Set(name, value)
		}
	}
	if f["DTEND"] != "" || f["DUE"] != "" {
		c.Del("DURATION")
	}
}

func (h *davHand) create(p *play, who, kind string, f fields, guests []string) error {
	zone := ""
	if f["TZID"] != "" {
		zone = sanJose
		f = mapped(f, "TZID", "America-SanJose")
	}
	cal, err := ical.Parse([]byte("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\n"+zone+component(kind, p.uid, p.clock.Now())+"END:VCALENDAR\r\n"), ical.Limits{})
	if err != nil {
		return err
	}
	c := cal.Child(kind)
	set(c, f)
	if len(guests) > 0 {
		c.Set("ORGANIZER", mailto(a))
		c.Add(ical.Property{Name: "ATTENDEE", Value: mailto(a), Params: []ical.Param{{Name: "ROLE", Values: []string{"CHAIR"}}, {Name: "PARTSTAT", Values: []string{"ACCEPTED"}}}})
	}
	add(c, guests)
	_, err = h.send(who, "PUT", calendarOf(cmp.Or(p.into, who))+p.uid+".ics", string(cal.Bytes()), 201, "If-None-Match: *")
	return err
}

func mapped(f fields, name, value string) fields {
	out := fields{}
	for k, v := range f {
		out[k] = v
	}
	out[name] = value
	return out
}

func add(c *ical.Component, guests []string) {
	for _, g := range guests {
		id, params := guest(g)
		c.Add(ical.Property{Name: "ATTENDEE", Value: mailto(id), Params: params})
	}
}

func (h *davHand) change(p *play, who, rid string, f fields, guests []string) error {
	return h.write(p, who, func(cal *ical.Component) {
		future := strings.HasSuffix(rid, "+")
		one := instance(cal, strings.TrimSuffix(rid, "+"))
		if future {
			one.Prop("RECURRENCE-ID").SetParam("RANGE", "THISANDFUTURE")
		}
		set(one, f)
		add(one, guests)
	})
}

func (h *davHand) uninvite(p *play, who, gone string) error {
	return h.write(p, who, func(cal *ical.Component) {
		for _, c := range cal.Children {
			c.Props = slices.DeleteFunc(c.Props, func(q ical.Property) bool { return q.Name == "ATTENDEE" && idOf(q.Value) == gone })
		}
	})
}

// line is somebody's in a component.
func line(c *ical.Component, who string) *ical.Property {
	for l := range c.All("ATTENDEE") {
		if idOf(l.Value) == who {
			return l
		}
	}
	return nil
}

func (h *davHand) answer(p *play, who, rid, partstat string, f fields) error {
	return h.write(p, who, func(cal *ical.Component) {
		one := instance(cal, rid)
		l := line(one, who)
		if l == nil {
			one.Add(ical.Property{Name: "ATTENDEE", Value: mailto(who)})
			l = line(one, who)
		}
		l.SetParam("PARTSTAT", partstat)
		set(one, f)
	})
}

func (h *davHand) delegate(p *play, who, to string) error {
	return h.write(p, who, func(cal *ical.Component) {
		for _, one := range cal.Children {
			l := line(one, who)
			if l == nil {
				continue
			}
			l.SetParam("PARTSTAT", "DELEGATED")
			l.SetParam("DELEGATED-TO", mailto(to))
			one.Add(ical.Property{Name: "ATTENDEE", Value: mailto(to), Params: []ical.Param{{Name: "DELEGATED-FROM", Values: []string{mailto(who)}}, {Name: "RSVP", Values: []string{"TRUE"}}}})
		}
	})
}

func (h *davHand) callOff(p *play, who, rid string) error {
	return h.write(p, who, func(cal *ical.Component) {
		if rid == "" {
			for _, c := range cal.Children {
				if c.Name != "VTIMEZONE" {
					c.Set("STATUS", "CANCELLED")
				}
			}
			return
		}
		cal.Children = slices.DeleteFunc(cal.Children, func(c *ical.Component) bool { return c.Value("RECURRENCE-ID") == rid })
		master(cal).Add(ical.Property{Name: "EXDATE", Value: rid})
	})
}

func (h *davHand) remove(p *play, who string) error {
	for _, kind := range []string{"VEVENT", "VTODO"} {
		found, err := h.query(p, who, kind, "<C:calendar-data/>")
		if err != nil {
			return err
		}
		for _, n := range found {
			if strings.Contains(propOf(n, dav.C("calendar-data")), "UID:"+p.uid+"\r\n") {
				_, err := h.send(who, "DELETE", n.Child(dav.D("href")).TrimText(), "", 204)
				return err
			}
		}
	}
	return fmt.Errorf("%s has no copy", who)
}

func (h *davHand) busy(p *play, who string, whom []string, from, to string) (map[string]string, error) {
	lines := []string{"DTSTART:" + from, "DTEND:" + to, "ORGANIZER:" + mailto(who), "ATTENDEE;ROLE=CHAIR:" + mailto(who)}
	for _, id := range whom {
		lines = append(lines, "ATTENDEE:"+mailto(id))
	}
	text := "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\n" + component("VFREEBUSY", p.uid, p.clock.Now(), lines...) + "END:VCALENDAR\r\n"
	w, err := h.send(who, "POST", "/dav/calendars/"+who+"/outbox/", text, 200)
	if err != nil {
		return nil, err
	}
	root, err := dav.Parse(w.Body.String(), dav.Limits{})
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for n := range root.Children() {
		id := idOf(n.Child(dav.C("recipient")).Child(dav.D("href")).TrimText())
		data := n.Child(dav.C("calendar-data"))
		if data == nil {
			out[id] = n.Child(dav.C("request-status")).TrimText()
			continue
		}
		cal, err := ical.Parse([]byte(data.Text), ical.Limits{})
		if err != nil {
			return nil, err
		}
		out[id] = periods(cal.Child("VFREEBUSY"))
	}
	delete(out, who)
	return out, nil
}

// periods are those in which somebody is busy.
func periods(fb *ical.Component) string {
	var all []string
	for q := range fb.All("FREEBUSY") {
		if !q.ParamIs("FBTYPE", "FREE") {
			all = append(all, strings.Split(q.Value, ",")...)
		}
	}
	return strings.Join(all, " ")
}
