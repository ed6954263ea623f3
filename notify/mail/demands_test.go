package mail_test

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	netmail "net/mail"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"factotum/notify/letterfile"
	"factotum/notify/mail"
	"factotum/protocol/sitetest"
	"factotum/server/admission"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/ical"
	"factotum/server/itip"
	"factotum/server/service"
)

// sent is a mail as its reader's programs find it.
type sent struct {
	what     string
	raw      []byte
	from, to string // envelope
	header   netmail.Header
	shape    string // its types: "mixed(alternative(plain html calendar) ics)"
	calendar string // what text/calendar says
	file     string // and the file
	params   map[string]string
	encoding string // of text/calendar
	fileHead string // Content-Disposition of the file
	cal      *ical.Component
	comps    []*ical.Component // without time zones
}

func (s *sent) read(raw []byte) error {
	msg, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	s.raw, s.header = raw, msg.Header
	if s.shape, err = s.part(msg.Header.Get("Content-Type"), msg.Header.Get("Content-Transfer-Encoding"), "", msg.Body); err != nil {
		return err
	}
	if s.cal, err = ical.Parse([]byte(s.calendar), ical.Limits{}); err != nil {
		return err
	}
	for _, c := range s.cal.Children {
		if c.Name != "VTIMEZONE" {
			s.comps = append(s.comps, c)
		}
	}
	return nil
}

func (s *sent) part(contentType, encoding, disposition string, body io.Reader) (shape string, err error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return "", err
	}
	_, short, _ := strings.Cut(kind, "/")
	if !strings.HasPrefix(kind, "multipart/") {
		text, err := io.ReadAll(decoder(body, encoding))
		switch kind {
		case "text/calendar":
			s.calendar, s.params, s.encoding = s.calendar+string(text), params, encoding
		case "application/ics":
			s.file, s.fileHead = string(text), disposition
		}
		return short, err
	}
	var inner []string
	for r := multipart.NewReader(body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return short + "(" + strings.Join(inner, " ") + ")", nil
		}
		if err != nil {
			return "", err
		}
		one, err := s.part(p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p.Header.Get("Content-Disposition"), p)
		if err != nil {
			return "", err
		}
		inner = append(inner, one)
	}
}

func (s *sent) method() string { return s.cal.Word("METHOD") }

func (s *sent) mailbox(field string) string {
	if list, err := s.header.AddressList(field); err == nil && len(list) == 1 {
		return list[0].Address
	}
	return "none"
}

// each is the first thing that is wrong in a component, "" if nothing is.
func (s *sent) each(wrong func(c *ical.Component) string) string {
	for _, c := range s.comps {
		if w := wrong(c); w != "" {
			return w
		}
	}
	return ""
}

func unless(ok bool, format string, args ...any) string {
	if ok {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

func isMailbox(value, address string) bool {
	return strings.EqualFold(value, "mailto:"+address)
}

// demands are what the programs of those who get our mail want of it, as their makers,
// or those who had to find out, have written it down. Sources: RFC 5322, 5545, 5546,
// 6047; [MS-STANOICAL] 2.2.162 and following, [MS-OXCICAL] 2.1.3, [MS-OXCMAIL] 2.1.3.3.8
// for Outlook and Exchange; CalConnect's developer's guide, "iMIP".
var demands = []struct {
	who, what string
	wrong     func(s *sent) string
}{
	{"all", "RFC 5322: lines end with CRLF and have 998 octets at most; the header is ASCII", func(s *sent) string {
		for _, l := range bytes.SplitAfter(s.raw, []byte("\r\n")) {
			if t := bytes.TrimSuffix(l, []byte("\r\n")); len(t) > 998 || bytes.ContainsAny(t, "\r\n\x00") {
				return fmt.Sprintf("the line %.80q", l)
			}
		}
		head, _, _ := bytes.Cut(s.raw, []byte("\r\n\r\n"))
		return unless(isASCII(head), "the header is not ASCII")
	}},
	{"all", "RFC 5322: one From, To, Date, Message-ID and Subject; MIME-Version", func(s *sent) string {
		for _, f := range []string{"From", "To", "Date", "Message-Id", "Subject", "Mime-Version"} {
			if len(s.header[f]) != 1 || s.header.Get(f) == "" {
				return f + " is missing, or there are several"
			}
		}
		_, err := s.header.Date()
		id := s.header.Get("Message-Id")
		return unless(err == nil && s.mailbox("To") == s.to && strings.HasPrefix(id, "<") && strings.HasSuffix(id, "@example.com>"), "Date %v, To %s, Message-ID %s", err, s.mailbox("To"), id)
	}},
	{"all", "RFC 3834: no program answers it", func(s *sent) string {
		return unless(s.header.Get("Auto-Submitted") == "auto-generated", "Auto-Submitted is %q", s.header.Get("Auto-Submitted"))
	}},
	{"Exchange", "X-Auto-Response-Suppress keeps its out-of-office answers away", func(s *sent) string {
		return unless(strings.Contains(s.header.Get("X-Auto-Response-Suppress"), "OOF"), "it is not there")
	}},
	{"all", "RFC 5322 §3.6.4: mails about one meeting hang together", func(s *sent) string {
		ref := s.header.Get("References")
		return unless(ref != "" && ref == s.header.Get("In-Reply-To") && ref != s.header.Get("Message-Id"), "References %q, In-Reply-To %q", ref, s.header.Get("In-Reply-To"))
	}},
	{"Outlook", "[MS-STANOICAL] V0343: text/calendar stands once, in the first child of multipart/mixed; [MS-OXCMAIL] 2.1.3.3.8.2: last in the alternative", func(s *sent) string {
		return unless(s.shape == "mixed(alternative(plain html calendar) ics)", "it is %s", s.shape)
	}},
	{"Google", "the same again as a file .ics, for programs that read no alternative; CalConnect", func(s *sent) string {
		kind, params, _ := mime.ParseMediaType(s.fileHead)
		return unless(s.file == s.calendar && kind == "attachment" && strings.HasSuffix(params["filename"], ".ics"), "the file %q: %q", s.fileHead, s.file)
	}},
	{"Outlook", "RFC 6047 §2.4: the parameter method is METHOD, and component what there is", func(s *sent) string {
		return unless(s.params["method"] == s.method() && s.method() != "" && s.params["component"] == s.comps[0].Name, "%v, METHOD is %q", s.params, s.method())
	}},
	{"Apple", "the character set is UTF-8, by name, and the text is", func(s *sent) string {
		return unless(strings.EqualFold(s.params["charset"], "utf-8") && utf8.ValidString(s.calendar), "%v", s.params)
	}},
	{"Outlook", "[MS-OXCMAIL] 2.1.3.3.8.2: 7bit, 8bit, quoted-printable or base64; what is ASCII stays readable", func(s *sent) string {
		want := "base64"
		if isASCII([]byte(s.calendar)) {
			want = "7bit"
		}
		return unless(s.encoding == want, "%s", s.encoding)
	}},
	{"all", "RFC 5545 §3.1: lines end with CRLF, are folded at 75 octets, and not within a character; none is empty", func(s *sent) string {
		for l := range strings.SplitAfterSeq(s.calendar, "\r\n") {
			t := strings.TrimSuffix(l, "\r\n")
			if len(t) > 75 || strings.ContainsAny(t, "\r\n") || !utf8.ValidString(t) || t == "" && l != "" {
				return fmt.Sprintf("%q", l)
			}
		}
		return unless(strings.HasPrefix(s.calendar, "BEGIN:VCALENDAR\r\n") && strings.HasSuffix(s.calendar, "END:VCALENDAR\r\n"), "it does not begin, or end")
	}},
	{"all", "RFC 5545 §3.6: VERSION:2.0, PRODID, METHOD once; CALSCALE, if any, is GREGORIAN; one UID", func(s *sent) string {
		for _, n := range []string{"VERSION", "PRODID", "METHOD"} {
			if s.cal.Count(n) != 1 {
				return n + " is missing, or there are several"
			}
		}
		if cs := s.cal.Value("CALSCALE"); s.cal.Value("VERSION") != "2.0" || cs != "" && cs != "GREGORIAN" {
			return "VERSION or CALSCALE"
		}
		uid := s.comps[0].Value("UID")
		return s.each(func(c *ical.Component) string {
			return unless(c.Count("UID") == 1 && c.Value("UID") == uid && uid != "" && c.Name == s.comps[0].Name, "UIDs or kinds differ")
		})
	}},
	{"Outlook", "[MS-OXCICAL] 2.1.3.1.1.20.9: DTSTAMP, in UTC", func(s *sent) string {
		return s.each(func(c *ical.Component) string {
			return unless(c.Count("DTSTAMP") == 1 && strings.HasSuffix(c.Value("DTSTAMP"), "Z"), "DTSTAMP:%s", c.Value("DTSTAMP"))
		})
	}},
	{"all", "RFC 5546: SEQUENCE, always: Google and Outlook take what has none for the first", func(s *sent) string {
		return s.each(func(c *ical.Component) string {
			return unless(c.Count("SEQUENCE") == 1, "%d SEQUENCEs", c.Count("SEQUENCE"))
		})
	}},
	{"all", "RFC 5546 §3.2: DTSTART, and SUMMARY for people", func(s *sent) string {
		return s.each(func(c *ical.Component) string {
			return unless((c.Count("DTSTART") == 1 || c.Name == "VTODO") && c.Text("SUMMARY") != "", "it has none")
		})
	}},
	{"Outlook", "RFC 6047 §2.4: a VTIMEZONE, with a STANDARD or DAYLIGHT, for each TZID, and none twice", func(s *sent) string {
		have := map[string]int{}
		for z := range s.cal.ChildrenOf("VTIMEZONE") {
			if have[z.Value("TZID")]++; len(z.Children) == 0 || have[z.Value("TZID")] > 1 {
				return "the zone " + z.Value("TZID") + " is empty, or there twice"
			}
		}
		return s.each(func(c *ical.Component) string {
			for i := range c.Props {
				if id := c.Props[i].Param("TZID"); id != "" && have[id] == 0 {
					return "nothing says what " + id + " is"
				}
			}
			return ""
		})
	}},
	{"Google", "ORGANIZER, once, is who the mail of an organizer is from: otherwise it is forged, or there are no buttons", func(s *sent) string {
		return s.each(func(c *ical.Component) string {
			o := c.Prop("ORGANIZER")
			if o == nil || c.Count("ORGANIZER") != 1 {
				return "there is none, or several"
			}
			speaks := s.mailbox("From")
			if s.method() == "REPLY" || s.method() == "COUNTER" || s.method() == "REFRESH" {
				speaks = s.to
			}
			return unless(isMailbox(o.Value, speaks), "ORGANIZER:%s, the mail is from %s to %s", o.Value, s.mailbox("From"), s.to)
		})
	}},
	{"Google", "DMARC: the envelope is of the domain in From", func(s *sent) string {
		_, a, _ := strings.Cut(s.from, "@")
		_, b, _ := strings.Cut(s.mailbox("From"), "@")
		return unless(a == b, "%s, From %s", s.from, s.mailbox("From"))
	}},
	{"Google", "who is asked is an ATTENDEE, with PARTSTAT, and RSVP=TRUE while he has not answered: otherwise there is \"Add to calendar\" alone", func(s *sent) string {
		if s.method() != "REQUEST" {
			return ""
		}
		return s.each(func(c *ical.Component) string {
			for a := range c.All("ATTENDEE") {
				if isMailbox(a.Value, s.to) {
					return unless(a.Param("PARTSTAT") != "" && (a.Param("PARTSTAT") != "NEEDS-ACTION" || a.ParamIs("RSVP", "TRUE")), "%v", a.Params)
				}
			}
			return "he is not named"
		})
	}},
	{"Outlook", "RFC 5546 §3.2.3: an answer has one ATTENDEE, who sent it, with his PARTSTAT", func(s *sent) string {
		if s.method() != "REPLY" {
			return ""
		}
		return s.each(func(c *ical.Component) string {
			a := c.Prop("ATTENDEE")
			return unless(c.Count("ATTENDEE") == 1 && isMailbox(a.Value, s.mailbox("From")) && a.Param("PARTSTAT") != "" && a.Param("PARTSTAT") != "NEEDS-ACTION" && !a.HasParam("RSVP"), "%v", a)
		})
	}},
	{"Apple", "RFC 5546 §3.2.5: what is called off says STATUS:CANCELLED, and to whom", func(s *sent) string {
		if s.method() != "CANCEL" {
			return ""
		}
		return s.each(func(c *ical.Component) string {
			named := false
			for a := range c.All("ATTENDEE") {
				named = named || isMailbox(a.Value, s.to)
			}
			return unless(c.Value("STATUS") == "CANCELLED" && named, "STATUS:%s, names him: %v", c.Value("STATUS"), named)
		})
	}},
	{"Apple", "RFC 5545 §3.8.4.4: RECURRENCE-ID is of the kind, and in the zone, of DTSTART of the series; no rule beside it", func(s *sent) string {
		return s.each(func(c *ical.Component) string {
			r := c.Prop("RECURRENCE-ID")
			if r == nil || s.comps[0].Prop("RRULE") == nil {
				return ""
			}
			d := s.comps[0].Prop("DTSTART")
			return unless(r.Param("TZID") == d.Param("TZID") && r.Param("VALUE") == d.Param("VALUE") && len(r.Value) == len(d.Value) && c.Prop("RRULE") == nil, "%v", r)
		})
	}},
	{"all", "RFC 5546 §3.2.2: nobody gets the organizer's alarms, nor what the server notes for itself", func(s *sent) string {
		return s.each(func(c *ical.Component) string {
			return unless(len(c.Children) == 0 && !strings.Contains(s.calendar, "X-FACTOTUM") && !strings.Contains(s.calendar, "SCHEDULE-"), "%s", s.calendar)
		})
	}},
	{"Outlook", "[MS-OXCICAL] 2.1.3.1.1.20.2: addresses are mailto: URIs", func(s *sent) string {
		return s.each(func(c *ical.Component) string {
			for _, n := range []string{"ORGANIZER", "ATTENDEE"} {
				for a := range c.All(n) {
					if !strings.HasPrefix(a.Value, "mailto:") || !strings.Contains(a.Value, "@") {
						return a.Value
					}
				}
			}
			return ""
		})
	}},
}

func isASCII(b []byte) bool {
	return !bytes.ContainsFunc(b, func(r rune) bool { return r >= 0x80 })
}

// outgoing is a site whose people write to others by mail.
type outgoing struct {
	*testing.T
	*sitetest.Site
	compose *mail.Composer
	people  calendartest.People
}

// take are the mails that wait, which go out with this.
func (o *outgoing) take(what string) (list []*sent) {
	o.Helper()
	o.Settle()
	jobs, err := o.Store.Jobs(o.Context(), calendar.JobID{}, 0)
	if err != nil {
		o.Fatal(err)
	}
	for _, j := range jobs {
		if j.Kind != calendar.JobMail {
			continue
		}
		err := o.Store.View(o.Context(), j.Owner, func(tx calendar.ReadTx) (err error) {
			j, _, err = tx.Job(j.Change, j.Seq)
			return err
		})
		if err != nil {
			o.Fatal(err)
		}
		m, err := calendar.ParseMailing(j)
		if err != nil {
			o.Fatal(err)
		}
		list = append(list, o.mail(what, j.Owner, &m))
		tr := calendar.Trace{Message: m.Letter.ID, Method: m.Letter.Method, UID: m.UID, From: m.Letter.From, To: m.Letter.To, Step: calendar.TraceDelivered, Reason: calendar.ReasonMailed, Status: calendar.StatusSent}
		if err := o.Model.Settle(o.Context(), j.Owner, calendar.Settlement{Job: j.JobID, UID: m.UID, Traces: []calendar.Trace{tr}}); err != nil {
			o.Fatal(err)
		}
	}
	return list
}

func (o *outgoing) mail(what string, owner calendar.Owner, m *calendar.Mailing) *sent {
	o.Helper()
	out, reason, err := o.compose.Compose(o.Context(), owner, m)
	if err != nil || reason != "" {
		o.Fatal(what, reason, err)
	}
	s := &sent{what: what, from: out.From, to: out.To}
	if err := s.read(out.Data); err != nil {
		o.Fatalf("%s: %v\n%s", what, err, out.Data)
	}
	return s
}

func (o *outgoing) put(user, name string, lines ...string) {
	o.Helper()
	if _, err := o.Backend.PutObject(o.Context(), o.people.Actor(calendar.UserID(user)), calendar.PutRequest{Ref: calendar.Ref{Calendar: calendar.ID(user), Name: name},
		Data: []byte(strings.Join(append(append([]string{"BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN"}, lines...), "END:VCALENDAR", ""), "\r\n"))}); err != nil {
		o.Fatal(name, err)
	}
}

func (o *outgoing) remove(user, name string) {
	o.Helper()
	if err := o.Backend.DeleteObject(o.Context(), o.people.Actor(calendar.UserID(user)), calendar.DeleteRequest{Ref: calendar.Ref{Calendar: calendar.ID(user), Name: name}}); err != nil {
		o.Fatal(name, err)
	}
}

// arrive has a message of zoe's come in by mail.
func (o *outgoing) arrive(id, to, method string, lines ...string) {
	o.Helper()
	text := strings.Join(append(append([]string{"BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//far//EN", "METHOD:" + method, "BEGIN:VEVENT", "DTSTAMP:20260101T000000Z"}, lines...), "END:VEVENT", "END:VCALENDAR", ""), "\r\n")
	res, err := o.Backend.Deliver(o.Context(), calendar.Actor{Via: calendar.ViaMail}, calendar.DeliverRequest{ID: id, Data: []byte(text),
		Arrival: &calendar.Arrival{Sender: "zoe@far.example", Proof: calendar.Proven}, To: []calendar.Recipient{{Address: "mailto:" + to + "@example.com", Owner: calendar.Owner(to)}}})
	if err != nil || res[0].Err != nil {
		o.Fatal(id, err, res)
	}
}

// Each mail that the product sends to people elsewhere is what their programs want.
func TestDemandsOfClients(t *testing.T) {
	people := calendartest.NewPeople("anna", "ben")
	p := people["anna"]
	p.Name = "Anna Müller, \"Chief\""
	people["anna"] = p
	site := sitetest.New(t, sitetest.Options{Engine: sitetest.Memory, People: people, Scheduling: true, Mails: true, Model: service.Options{Admission: admission.Rules{Unsolicited: admission.AddAll}}})
	o := &outgoing{t, site, &mail.Composer{Templates: letterfile.New(letterfile.Options{}), People: people, Model: site.Model, Host: "cal.example.com", Now: site.Now}, people}

	const zoe, yan = "ATTENDEE;CN=Zoë;RSVP=TRUE:mailto:zoe@far.example", "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:yan@far.example"
	event := func(uid string, lines ...string) []string {
		all := append([]string{"BEGIN:VEVENT", "UID:" + uid, "DTSTAMP:20260101T000000Z", "ORGANIZER:mailto:anna@example.com", "ATTENDEE;PARTSTAT=ACCEPTED:mailto:anna@example.com"}, lines...)
		return append(all, "END:VEVENT")
	}
	berlin := func(hour string) []string {
		return []string{"DTSTART;TZID=Europe/Berlin:20300107T" + hour + "0000", "DURATION:PT1H", "SUMMARY:Größere Runde über " + strings.Repeat("äöü ", 30), "DESCRIPTION:" + strings.Repeat("long ", 300)}
	}
	alarm := []string{"BEGIN:VALARM", "ACTION:DISPLAY", "TRIGGER:-PT5M", "DESCRIPTION:x", "END:VALARM"}

	var all []*sent
	next := func(what string, want ...string) {
		t.Helper()
		var got []string
		list := o.take(what)
		for _, s := range list {
			got = append(got, s.method()+" "+s.to)
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Fatalf("%s: %q, want %q", what, got, want)
		}
		all = append(all, list...)
	}
	o.put("anna", "a.ics", event("a", slices.Concat(berlin("10"), []string{zoe, yan}, alarm)...)...)
	next("an invitation", "REQUEST yan@far.example", "REQUEST zoe@far.example")
	o.put("anna", "a.ics", event("a", slices.Concat(berlin("11"), []string{zoe, yan}, alarm)...)...)
	next("a change", "REQUEST yan@far.example", "REQUEST zoe@far.example")
	o.put("anna", "a.ics", event("a", slices.Concat(berlin("11"), []string{zoe})...)...)
	next("one goes", "CANCEL yan@far.example", "REQUEST zoe@far.example")
	o.remove("anna", "a.ics")
	next("the end", "CANCEL zoe@far.example")
	if ids := refs(all); len(ids) != 1 {
		t.Errorf("mails of one meeting are of %d threads: %q", len(ids), ids)
	}
	series := func(lines ...string) []string {
		return event("s", append([]string{"DTSTART;TZID=America/New_York:20300107T100000", "DTEND;TZID=America/New_York:20300107T110000", "RRULE:FREQ=WEEKLY;COUNT=10", "SUMMARY:Weekly", zoe}, lines...)...)
	}
	moved := event("s", "RECURRENCE-ID;TZID=America/New_York:20300114T100000", "DTSTART;TZID=Europe/Paris:20300115T100000", "DURATION:PT1H", "SUMMARY:Weekly, in Paris", zoe)
	o.put("anna", "s.ics", slices.Concat(series(), moved)...)
	next("a series with an exception", "REQUEST zoe@far.example")
	o.put("anna", "s.ics", slices.Concat(series("EXDATE;TZID=America/New_York:20300121T100000"), moved)...)
	next("one date goes", "CANCEL zoe@far.example") // alone, as programs send it
	o.put("anna", "s.ics", slices.Concat(series("EXDATE;TZID=America/New_York:20300121T100000"), moved,
		event("s", "RECURRENCE-ID;TZID=America/New_York:20300128T100000", "DTSTART;TZID=America/New_York:20300128T120000", "DURATION:PT1H", "SUMMARY:Weekly", zoe, yan))...)
	next("one date moves, with a guest", "REQUEST yan@far.example", "REQUEST zoe@far.example")
	o.put("anna", "d.ics", event("d", "DTSTART;VALUE=DATE:20300107", "DTEND;VALUE=DATE:20300109", "RRULE:FREQ=YEARLY", "SUMMARY:Whole days", zoe)...)
	next("whole days", "REQUEST zoe@far.example")
	o.put("anna", "u.ics", event("u", "DTSTART:20300107T100000Z", "SUMMARY:From the outside\\, in", "X-OWN:1", zoe)...)
	next("in UTC", "REQUEST zoe@far.example")
	o.put("anna", "t.ics", "BEGIN:VTODO", "UID:t", "DTSTAMP:20260101T000000Z", "ORGANIZER:mailto:anna@example.com", zoe, "SUMMARY:Write", "DUE;TZID=Asia/Tokyo:20300107T100000", "END:VTODO")
	next("a task", "REQUEST zoe@far.example")

	// Of attendees.
	his := []string{"UID:z", "DTSTART;TZID=Europe/Berlin:20300107T100000", "DTEND;TZID=Europe/Berlin:20300107T110000", "RRULE:FREQ=DAILY;COUNT=5", "SUMMARY:Dr. Zoë's", "ORGANIZER:mailto:zoe@far.example",
		"ATTENDEE;RSVP=TRUE;PARTSTAT=NEEDS-ACTION;CN=Ben:mailto:ben@example.com", yan}
	o.arrive("1", "ben", "REQUEST", his...)
	name := ""
	if _, err := o.Backend.ListObjects(t.Context(), people.Actor("ben"), "ben", func(obj *calendar.Object) error { name = obj.Name; return nil }); err != nil || name == "" {
		t.Fatal("ben has nothing", err)
	}
	answered := strings.Split(strings.Replace(strings.Join(his, "\n"), "RSVP=TRUE;PARTSTAT=NEEDS-ACTION", "PARTSTAT=ACCEPTED", 1), "\n")
	o.put("ben", name, slices.Concat([]string{"BEGIN:VEVENT", "DTSTAMP:20260101T000000Z"}, answered, []string{"END:VEVENT"})...)
	next("an answer", "REPLY zoe@far.example")
	one := []string{"BEGIN:VEVENT", "UID:z", "DTSTAMP:20260101T000000Z", "RECURRENCE-ID;TZID=Europe/Berlin:20300108T100000", "DTSTART;TZID=Europe/Berlin:20300108T100000", "DTEND;TZID=Europe/Berlin:20300108T110000",
		"SUMMARY:Dr. Zoë's", "ORGANIZER:mailto:zoe@far.example", "ATTENDEE;PARTSTAT=DECLINED:mailto:ben@example.com", yan, "END:VEVENT"}
	o.put("ben", name, slices.Concat([]string{"BEGIN:VEVENT", "DTSTAMP:20260101T000000Z"}, answered, []string{"END:VEVENT"}, one)...)
	next("an answer for one date", "REPLY zoe@far.example")
	o.remove("ben", name)
	next("he deletes it", "REPLY zoe@far.example")

	// A proposal is declined; and one as programs that hand it over would send it.
	counter := []string{"UID:u", "SEQUENCE:0", "DTSTART;TZID=Europe/Berlin:20300107T150000", "SUMMARY:From the outside\\, in", "ORGANIZER:mailto:anna@example.com", "ATTENDEE;PARTSTAT=TENTATIVE:mailto:zoe@far.example", "COMMENT:Later?"}
	o.arrive("2", "anna", "COUNTER", counter...)
	held, err := site.Model.Held(t.Context(), "anna")
	if err != nil || len(held) != 1 {
		t.Fatal(held, err)
	}
	if _, err := o.Backend.Decide(t.Context(), people.Actor("anna"), calendar.DecideRequest{Ref: calendar.Ref{Calendar: "anna:inbox", Name: held[0].Name}}); err != nil {
		t.Fatal(err)
	}
	next("a proposal is declined", "DECLINECOUNTER zoe@far.example")
	if s := all[len(all)-1]; s.comps[0].Value("DTSTART") != "20300107T150000" || s.comps[0].Value("SEQUENCE") != "0" || strings.Contains(s.calendar, "Later?") {
		t.Errorf("it does not echo the proposal:\n%s", s.calendar)
	}
	mine := strings.Join(slices.Concat([]string{"BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:" + itip.ProdID, "METHOD:COUNTER", "BEGIN:VEVENT", "DTSTAMP:20260101T000000Z", "UID:z", "DTSTART;TZID=Europe/Berlin:20300107T120000",
		"SUMMARY:Later", "ORGANIZER:mailto:zoe@far.example", "ATTENDEE;PARTSTAT=TENTATIVE:mailto:ben@example.com", "END:VEVENT", "END:VCALENDAR", ""}), "\r\n")
	all = append(all, o.mail("a proposal", "ben", &calendar.Mailing{Kind: calendar.MailScheduling, To: "zoe@far.example", UID: "z", Letter: calendar.Letter{ID: "ben/9/0", Method: "COUNTER", From: "mailto:ben@example.com", To: []string{"mailto:zoe@far.example"}, Data: []byte(mine)}}))

	ids := map[string]bool{}
	for _, s := range all {
		if id := s.header.Get("Message-Id"); ids[id] {
			t.Errorf("%s has the Message-ID of another", s.what)
		} else {
			ids[id] = true
		}
		for _, d := range demands {
			if wrong := d.wrong(s); wrong != "" {
				t.Errorf("%s, %s to %s; %s: %s: %s", s.what, s.method(), s.to, d.who, d.what, wrong)
			}
		}
	}
}

// refs are the threads of mails.
func refs(list []*sent) (ids []string) {
	for _, s := range list {
		if r := s.header.Get("References"); !slices.Contains(ids, r) {
			ids = append(ids, r)
		}
	}
	return ids
}
