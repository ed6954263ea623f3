package meetings

import (
	"cmp"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"factotum/protocol/sitetest"
	"factotum/server/ical"
)

// wcapHand is a WCAP client: it says what is to be another, and reads what its
// calendar shows. WCAP §7.
type wcapHand struct {
	front http.Handler
	ids   sitetest.SessionIDs
}

// ask sends a command, and reads its answer. query is spelled as it is sent.
func (h *wcapHand) ask(p *play, who, command, query string) (*ical.Component, error) {
	path := sitetest.WithSession("/"+command+".wcap?"+query, h.ids.Of(p, h.front, who))
	w := httptest.NewRecorder()
	h.front.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	all := &ical.Component{Name: "VCALENDAR"} // of an answer for each calendar
	for cal, err := range ical.ParseStream(w.Body, ical.Limits{}) {
		if err != nil {
			return nil, fmt.Errorf("%s of %s: %w", path, who, err)
		}
		for n := range cal.All("X-NSCP-WCAP-ERRNO") {
			if n.Value != "0" {
				return nil, fmt.Errorf("%s of %s: errno %s", path, who, n.Value)
			}
		}
		all.Props = append(all.Props, cal.Props...)
		all.AddChild(cal.Children...)
	}
	return all, nil
}

// statuses are the numbers of STATUS. WCAP §6.
var statuses = map[string]string{"CONFIRMED": "0", "CANCELLED": "1", "TENTATIVE": "2", "NEEDS-ACTION": "3", "COMPLETED": "4", "IN-PROCESS": "5"}

// store says what of a component is to be as it is said.
func (h *wcapHand) store(p *play, who, kind, rid, method string, f fields, attendees []string, more string) error {
	q := url.Values{"calid": {cmp.Or(p.into, who)}, "uid": {p.uid}, "method": {method}}
	if rid, future := strings.CutSuffix(rid, "+"); rid != "" {
		q.Set("rid", rid)
		q.Set("mod", map[bool]string{false: "1", true: "2"}[future])
	}
	raw := ""
	for name, value := range f {
		switch name {
		case "DTSTART", "DTEND", "DUE", "SUMMARY", "LOCATION", "TZID":
			q.Set(strings.ToLower(name), value)
		case "SEQUENCE":
			q.Set("seq", value)
		case "DESCRIPTION":
			q.Set("desc", value)
		case "PERCENT-COMPLETE":
			q.Set("percent", value)
		case "STATUS":
			q.Set("status", statuses[value])
		case "RDATE", "EXDATE":
			raw += "&" + strings.ToLower(name) + "s=" + strings.ReplaceAll(value, ",", ";")
		case "RRULE":
			raw += "&rrules=" + url.QueryEscape(`"`+value+`"`)
		default:
			return fmt.Errorf("WCAP does not know %s", name)
		}
	}
	if len(f["DTSTART"]) == 8 {
		q.Set("isAllDay", "1")
	}
	if len(attendees) > 0 {
		raw += "&attendees=" + strings.Join(attendees, ";")
	}
	_, err := h.ask(p, who, map[string]string{"VEVENT": "storeevents", "VTODO": "storetodos"}[kind], strings.ReplaceAll(q.Encode(), "+", "%20")+raw+more)
	return err
}

// said is an attendee, as WCAP spells him.
func said(params []ical.Param, id string) string {
	out := ""
	for _, q := range params {
		out += q.Name + "=" + url.QueryEscape(q.Values[0]) + "^"
	}
	return out + url.QueryEscape(mailto(id))
}

// kind is what the story is about.
func (h *wcapHand) kind(p *play, who string) string {
	if found, err := h.read(p, who, "VTODO"); err == nil {
		for _, c := range found {
			if c.Value("UID") == p.uid {
				return "VTODO"
			}
		}
	}
	return "VEVENT"
}

func (h *wcapHand) create(p *play, who, kind string, f fields, guests []string) error {
	var all []string
	method := "1"
	if len(guests) > 0 {
		method = "2"
		all = []string{said([]ical.Param{{Name: "ROLE", Values: []string{"CHAIR"}}, {Name: "PARTSTAT", Values: []string{"ACCEPTED"}}}, a)}
	}
	for _, g := range guests {
		id, params := guest(g)
		all = append(all, said(params, id))
	}
	return h.store(p, who, kind, "", method, f, all, "&storetype=1")
}

func (h *wcapHand) change(p *play, who, rid string, f fields, guests []string) error {
	var all []string
	for _, g := range guests {
		id, params := guest(g)
		all = append(all, said(params, id))
	}
	method := "2"
	if found, err := h.read(p, who, "VEVENT"); err == nil && len(found) > 0 && found[0].Count("ATTENDEE") == 0 && len(guests) == 0 {
		method = "1"
	}
	return h.store(p, who, h.kind(p, who), rid, method, f, all, "&storetype=2")
}

func (h *wcapHand) uninvite(p *play, who, gone string) error {
	return h.store(p, who, h.kind(p, who), "", "2", nil, []string{"PARTSTAT=X-NSCP-WCAP-ATTENDEE-DELETE^" + url.QueryEscape(mailto(gone))}, "&storetype=2")
}

func (h *wcapHand) answer(p *play, who, rid, partstat string, f fields) error {
	return h.store(p, who, h.kind(p, who), rid, "4", f, []string{"PARTSTAT=" + partstat + "^" + url.QueryEscape(mailto(who))}, "&storetype=2")
}

func (h *wcapHand) delegate(p *play, who, to string) error {
	return h.store(p, who, h.kind(p, who), "", "4", nil, []string{"PARTSTAT=DELEGATED^DELEGATED-TO=" + url.QueryEscape(mailto(to)) + "^" + url.QueryEscape(mailto(who))}, "&storetype=2")
}

func (h *wcapHand) callOff(p *play, who, rid string) error {
	if rid == "" {
		return h.store(p, who, h.kind(p, who), "", "8", nil, nil, "&storetype=2")
	}
	return h.delete(p, who, "&mod=1&rid="+rid)
}

func (h *wcapHand) remove(p *play, who string) error { return h.delete(p, who, "&mod=4&rid=0") }

func (h *wcapHand) delete(p *play, who, which string) error {
	command := map[string]string{"VEVENT": "deleteevents_by_id", "VTODO": "deletetodos_by_id"}[h.kind(p, who)]
	_, err := h.ask(p, who, command, "calid="+who+"&uid="+p.uid+"&notify=1"+which)
	return err
}

func (h *wcapHand) busy(p *play, who string, whom []string, from, to string) (map[string]string, error) {
	cal, err := h.ask(p, who, "get_freebusy", "calid="+strings.Join(whom, ";")+"&dtstart="+from+"&dtend="+to)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, c := range cal.Children {
		if c.Name == "VFREEBUSY" {
			out[whom[len(out)]] = periods(c)
		}
	}
	return out, nil
}

func (h *wcapHand) read(p *play, who, kind string) (out []*ical.Component, err error) {
	cal, err := h.ask(p, who, "fetchcomponents_by_range", "calid="+who+"&emailorcalid=1&fetchorder=0&dtstart=19970101T000000Z&dtend=19981201T000000Z&component-type="+
		map[string]string{"VEVENT": "event", "VTODO": "todo"}[kind])
	if err != nil {
		return nil, err
	}
	for _, c := range cal.Children {
		if c.Name == kind {
			out = append(out, c)
		}
	}
	return out, nil
}
