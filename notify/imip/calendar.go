package imip

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"factotum/server/admission"
	"factotum/server/ical"
	"factotum/server/itip"
	"factotum/server/object"
	"factotum/server/zone"
)

// collect makes messages of the leaves at a level: 0 is the mail itself, 1 what
// was passed on in it. Parts that say what they are count before others; a plain
// text is looked at only where there is none of these.
func (m *Mail) collect(leaves []leaf, level int, lim Limits) error {
	var here []*leaf
	strong := false
	for i := range leaves {
		if l := &leaves[i]; min(l.nested, 1) == level {
			here = append(here, l)
			strong = strong || l.strong
		}
	}
	slices.SortStableFunc(here, func(a, b *leaf) int { return cmp.Compare(a.rank(), b.rank()) })
	c := collector{lim: lim, at: map[string]int{}, seen: map[string]int{}, read: map[*leaf]bool{}}
	var refused []Refusal
	for _, l := range here {
		if !l.strong && strong {
			continue
		}
		for _, text := range cutCalendars(l) {
			if bad := c.add(l, text, m); bad != nil {
				if bad.Reason == admission.TooManyMeetings.String() {
					return bad
				}
				bad.Part = l.Part
				refused = append(refused, *bad)
			}
		}
		if l.strong && !c.read[l] && len(refused) == 0 {
			r := refuse(admission.NoMethod, "no VCALENDAR is in it")
			r.Part = l.Part
			refused = append(refused, *r)
		}
	}
	m.Messages = c.messages
	if len(c.messages) == 0 {
		m.Refused = append(m.Refused, refused...)
		return nil
	}
	for _, r := range refused { // a copy without METHOD is a copy
		if r.Reason != admission.NoMethod.String() {
			m.Refused = append(m.Refused, r)
		}
	}
	return nil
}

// rank orders leaves by how well they say that they are a scheduling message.
func (l *leaf) rank() int {
	switch {
	case l.media.kind == "text/calendar" && l.media.params["method"] != "":
		return 0
	case l.media.kind == "text/calendar":
		return 1
	case l.strong:
		return 2
	}
	return 3
}

// collector puts messages together.
type collector struct {
	lim      Limits
	messages []Message
	at       map[string]int // by what they are about
	seen     map[string]int // by text
	read     map[*leaf]bool // that had calendar data
	pieces   int
}

// add takes one VCALENDAR of a leaf.
func (c *collector) add(l *leaf, text []byte, m *Mail) *Refusal {
	c.read[l] = true
	if c.pieces++; c.pieces > 2*c.lim.Messages {
		return refuse(admission.TooManyMeetings, "the mail has more than %d pieces of calendar data", 2*c.lim.Messages)
	}
	outer := strings.ToUpper(strings.TrimSpace(l.media.params["method"]))
	same := outer + "\n" + string(text)
	if len(text) < 1<<16 { // twice the same octets, as Google sends them
		if i, ok := c.seen[same]; ok {
			c.messages[i].Copies = append(c.messages[i].Copies, l.Part)
			return nil
		}
	}
	cal, err := parseCalendar(text, l.media.params["charset"], c.lim.Calendar)
	if err != nil {
		return &Refusal{Reason: itip.Unreadable.String(), Detail: err.Error()}
	}
	inner := cal.Word("METHOD")
	method := itip.Method(cmp.Or(inner, outer))
	switch {
	case method == "":
		return refuse(admission.NoMethod, "METHOD is missing, in the calendar data and in the media type")
	case !isMethod(method):
		return refuse(admission.MethodUnknown, "METHOD is none of iTIP's")
	}
	cal.Set("METHOD", string(method))
	parts, bad := byUID(cal, c.lim.Messages)
	if bad != nil {
		return bad
	}
	for _, one := range parts {
		mend(one, method, m.Date)
		uid, about := aboutWhat(one)
		i, known := c.at[about]
		if !known {
			if len(c.messages) == c.lim.Messages {
				return refuse(admission.TooManyMeetings, "the mail speaks of more than %d meetings", c.lim.Messages)
			}
			msg := Message{Method: method, UID: uid, Calendar: one, Part: l.Part, Differs: outer != "" && inner != "" && outer != inner}
			if l.nested > 0 {
				msg.Forwarded = true
				if from := addresses(l.within.get("from")); len(from) > 0 {
					msg.Origin = from[0]
				}
			}
			i = len(c.messages)
			c.at[about], c.messages = i, append(c.messages, msg)
		} else {
			c.messages[i].Copies = append(c.messages[i].Copies, l.Part)
			if has := c.messages[i].Method; has != method && method != itip.Publish {
				c.messages[i].Differs = true
			}
		}
		if len(parts) == 1 && len(text) < 1<<16 {
			c.seen[same] = i
		}
	}
	return nil
}

func isMethod(m itip.Method) bool {
	switch m {
	case itip.Publish, itip.Request, itip.Reply, itip.Add, itip.Cancel, itip.Refresh, itip.Counter, itip.DeclineCounter:
		return true
	}
	return false
}

// aboutWhat is the UID of a message, and what makes it the same as another of the
// mail: the instances that it speaks of.
func aboutWhat(cal *ical.Component) (uid, about string) {
	zones := zone.Of(cal)
	var keys []string
	for _, c := range cal.Children {
		if c.Name != "VTIMEZONE" {
			uid = object.UID(c)
			keys = append(keys, object.InstanceKey(c, zones))
		}
	}
	slices.Sort(keys)
	return uid, uid + "\n" + strings.Join(keys, "\n")
}

// byUID takes a calendar apart into messages of one UID each: a program may send
// several at once, and an instance twice. RFC 5546 §3.2 speaks of one. There may
// be so many as most.
func byUID(cal *ical.Component, most int) ([]*ical.Component, *Refusal) {
	uid, name, apart := "", "", false
	seen, uids := map[string]bool{}, map[string]bool{}
	zones := zone.Of(cal)
	for _, c := range cal.Children {
		switch c.Name {
		case "VTIMEZONE":
			continue
		case "VEVENT", "VTODO", "VJOURNAL":
		default:
			return nil, refuse(admission.MethodUnknown, "messages about a component of this kind are not answered by mail")
		}
		id := object.UID(c)
		if id == "" {
			return nil, &Refusal{Reason: itip.Unreadable.String(), Detail: "a " + c.Name + " has no UID"}
		}
		if uids[c.Name+id] = true; len(uids) > most {
			return nil, refuse(admission.TooManyMeetings, "the mail speaks of more than %d meetings", most)
		}
		key := object.InstanceKey(c, zones)
		apart = apart || uid != "" && (id != uid || c.Name != name) || seen[key]
		uid, name, seen[key] = id, c.Name, true
	}
	switch {
	case uid == "":
		return nil, &Refusal{Reason: itip.Unreadable.String(), Detail: "the VCALENDAR has no VEVENT, VTODO or VJOURNAL"}
	case !apart:
		return []*ical.Component{cal}, nil
	}
	var out []*ical.Component
	for _, item := range object.Split(cal, nil, func(int) string { return "" }) {
		one, err := ical.Parse(item.Data, ical.Limits{})
		if err != nil {
			return nil, &Refusal{Reason: itip.Unreadable.String(), Detail: err.Error()}
		}
		one.Set("METHOD", cal.Word("METHOD"))
		out = append(out, one)
	}
	return out, nil
}

// parseCalendar reads a VCALENDAR as it stands, or else in the character set that
// it is labelled with, or else as what programs write that know of none.
func parseCalendar(text []byte, charset string, most int) (*ical.Component, error) {
	lim := ical.Limits{MaxBytes: 2 * most}
	cal, err := ical.Parse(text, lim)
	if err == nil {
		return cal, nil
	}
	for _, decode := range []func([]byte) []byte{
		func(b []byte) []byte { return object.InUTF8(b, charset) },
		ical.ToUTF8,
	} {
		decoded := decode(text)
		if bytes.Equal(decoded, text) {
			continue
		}
		text = decoded
		if cal, err = ical.Parse(text, lim); err == nil {
			return cal, nil
		}
	}
	return nil, err
}

var endCalendar = []byte("END:VCALENDAR")

// cutCalendars finds the VCALENDARs of a leaf. What stands around them is nothing:
// signatures, the footers of mailing lists.
func cutCalendars(l *leaf) (texts [][]byte) {
	data := l.data
	if bytes.IndexByte(data[:min(len(data), 200)], 0) >= 0 { // UTF-16
		data = ical.ToUTF8(object.InUTF8(data, l.media.params["charset"]))
	}
	if !l.strong && !hasCalendar(data) {
		if i := uuIn(data); i >= 0 {
			data = decodeUU(bytes.Clone(data[i:]))
		}
	}
	const most = 1000
	from := -1
	for at := 0; at < len(data) && len(texts) < most; {
		end := len(data)
		if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
			end = at + i + 1
		} else if i := bytes.IndexByte(data[at:], '\r'); i >= 0 { // of an old Macintosh
			end = at + i + 1
		}
		line := data[at:min(end, at+64)]
		if at == 0 {
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
		}
		switch line = bytes.TrimSpace(line); {
		case from < 0 && bytes.EqualFold(line, beginCalendar):
			from = at
		case from >= 0 && bytes.EqualFold(line, endCalendar):
			texts = append(texts, data[from:end])
			from = -1
		}
		at = end
	}
	if from >= 0 { // cut on its way: parsing says so
		texts = append(texts, data[from:])
	}
	return texts
}

// hasCalendar reports whether BEGIN:VCALENDAR stands in a text.
func hasCalendar(data []byte) bool {
	const begin = len("BEGIN")
	for at := 0; ; {
		i := bytes.IndexByte(data[at:], ':')
		if i < 0 {
			return false
		}
		if from := at + i - begin; from >= 0 && len(data)-from >= len(beginCalendar) && bytes.EqualFold(data[from:from+len(beginCalendar)], beginCalendar) {
			return true
		}
		at += i + 1
	}
}

// uuIn is where in a text uuencode begins, -1 if it does not.
func uuIn(data []byte) int {
	at := 0
	for line := range bytes.Lines(data) {
		if bytes.HasPrefix(line, []byte("begin ")) && isUUBegin(line) {
			return at
		}
		at += len(line)
	}
	return -1
}

// onlyAnswers are the messages of attendees.
func onlyAnswers(list []Message) (out []Message) {
	for _, m := range list {
		if m.Method == itip.Reply || m.Method == itip.Counter {
			out = append(out, m)
		}
	}
	return out
}
