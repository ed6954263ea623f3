package delivery_test

import (
	"strings"
	"testing"

	"factotum/protocol/sitetest"
	"factotum/server/admission"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/service"
	"factotum/server/why"
)

// mailed brings a message that came by mail to somebody.
func (s *site) mailed(id, to, text string, a calendar.Arrival) calendar.DeliverResult {
	s.Helper()
	res, err := s.be.Deliver(s.Context(), calendar.Actor{Via: calendar.ViaMail}, calendar.DeliverRequest{ID: id, Arrival: &a,
		To: []calendar.Recipient{{Address: "mailto:" + to + "@example.com", Owner: calendar.Owner(to)}}, Data: []byte(text)})
	if err != nil || res[0].Err != nil {
		s.Fatal(id, err, res)
	}
	return res[0]
}

func by(sender string) calendar.Arrival {
	return calendar.Arrival{Sender: sender, Proof: calendar.Proven}
}

// arrived is what somebody's journal has of a UID that came in by mail.
func (s *site) arrived(user, uid string) string {
	s.Helper()
	res, err := s.be.Why(s.Context(), s.as(user), calendar.WhyRequest{Owner: calendar.Owner(user), Query: calendar.TraceQuery{UID: uid, OldestFirst: true}})
	if err != nil {
		s.Fatal(err)
	}
	var steps []string
	for _, t := range res.Traces {
		if t.Via == calendar.ViaMail {
			steps = append(steps, t.Step.String()+" "+t.Method+" "+t.Reason)
			if why.Sentence(t.Reason) == "" || !strings.HasPrefix(t.From, "mailto:") {
				s.Errorf("not told: %+v", t)
			}
		}
	}
	return strings.Join(steps, ", ")
}

// inbox is what somebody's inbox has, text by text.
func (s *site) inbox(user string) (texts []string) {
	s.Helper()
	box := calendar.NewID(calendar.Owner(user), calendar.InboxCollection.Rules().Name)
	var refs []calendar.Ref
	_, err := s.be.ListObjects(s.Context(), s.as(user), box, func(o *calendar.Object) error {
		refs = append(refs, calendar.Ref{Calendar: box, Name: o.Name})
		return nil
	})
	if err != nil {
		s.Fatal(err)
	}
	for _, ref := range refs {
		o, err := s.be.Object(s.Context(), s.as(user), ref)
		if err != nil {
			s.Fatal(err)
		}
		texts = append(texts, strings.ReplaceAll(string(o.Data), "\r\n ", ""))
	}
	return texts
}

// outside is a site where invitations of people who are known are added.
func outside(t testing.TB, engine sitetest.Engine, hosts bool) *site {
	s := &site{TB: t, people: calendartest.NewPeople("anna", "ben", "carl", "nora", "zoe")}
	opt := sitetest.Options{Engine: engine, People: s.people, Scheduling: true,
		Model: service.Options{Admission: admission.Rules{Unsolicited: admission.AddKnown}}}
	if hosts {
		h := sitetest.NewHosts(t, opt)
		s.be, s.settled = h.Backend, h.Settle
		return s
	}
	one := sitetest.New(t, opt)
	s.be, s.settled = one.Backend, one.Settle
	return s
}

// Answers of people outside: who is proven is believed, once; who is not, is
// held and changes nothing. The organizer zoe is on the other host, if there are two.
func TestAnswersByMail(t *testing.T) {
	each(t, func(t *testing.T, engine sitetest.Engine, hosts bool) {
		s := outside(t, engine, hosts)
		s.put("zoe", "u.ics", meeting("u", "DTSTART:20300107T100000Z", "DTEND:20300107T110000Z", "SUMMARY:Plans", "SEQUENCE:3", "ORGANIZER:mailto:zoe@example.com",
			"ATTENDEE;PARTSTAT=ACCEPTED:mailto:zoe@example.com", "ATTENDEE;RSVP=TRUE;PARTSTAT=NEEDS-ACTION:mailto:ben@example.com",
			"ATTENDEE;RSVP=TRUE;PARTSTAT=NEEDS-ACTION:mailto:yves@far.example"))
		s.settled()
		const yves = "yves@far.example"
		line := func(text string) string { return lineOf(text, "ATTENDEE", yves) }
		reply := func(partstat, stamp string) string {
			return strings.Replace(message("REPLY", "u", "ATTENDEE;PARTSTAT="+partstat+":mailto:"+yves), "20260101T000000Z", stamp, 1)
		}
		for _, c := range []struct {
			id, text string
			how      calendar.Arrival
			reason   string
			shows    string
		}{
			{"1", reply("ACCEPTED", "20260102T000000Z"), calendar.Arrival{Sender: yves}, "sender-unproven", "PARTSTAT=NEEDS-ACTION"},
			{"2", reply("ACCEPTED", "20260102T000000Z"), by("eve@evil.example"), "sent-by-another", "PARTSTAT=NEEDS-ACTION"},
			{"3", reply("ACCEPTED", "20260102T000000Z"), by(yves), "answered", "PARTSTAT=ACCEPTED"},
			{"3", reply("ACCEPTED", "20260102T000000Z"), by(yves), "answered", "PARTSTAT=ACCEPTED"}, // once more, and not told twice
			{"4", reply("DECLINED", "20260103T000000Z"), calendar.Arrival{Sender: yves, Proof: calendar.Disowned}, "dmarc-failed", "PARTSTAT=ACCEPTED"},
			{"5", reply("DECLINED", "20260103T000000Z"), calendar.Arrival{Sender: yves, Proof: calendar.Proven, Spam: true}, "spam", "PARTSTAT=ACCEPTED"},
			{"6", reply("TENTATIVE", "20260104T000000Z"), by(yves), "answered", "PARTSTAT=TENTATIVE"},
			{"8", reply("ACCEPTED", "20260102T000000Z"), by(yves), "replayed", "PARTSTAT=TENTATIVE"},
			{"3", reply("ACCEPTED", "20260102T000000Z"), by(yves), "replayed", "PARTSTAT=TENTATIVE"}, // the very mail
			{"6", reply("TENTATIVE", "20260104T000000Z"), by(yves), "answered", "PARTSTAT=TENTATIVE"},
			{"7", "", calendar.Arrival{Sender: yves, Unread: "automatic-answer"}, "automatic-answer", "PARTSTAT=TENTATIVE"},
		} {
			if res := s.mailed(c.id, "zoe", c.text, c.how); res.Reason != c.reason {
				t.Errorf("%s: %+v, want %s", c.id, res, c.reason)
			}
			if text, _ := s.copy("zoe", "u"); !strings.Contains(line(text), c.shows) {
				t.Errorf("%s: want %s in\n%s", c.id, c.shows, text)
			}
		}
		text, _ := s.copy("zoe", "u")
		if !strings.Contains(line(text), "SCHEDULE-STATUS=2.0") {
			t.Errorf("no SCHEDULE-STATUS in\n%s", text)
		}
		s.want("zoe's journal", s.arrived("zoe", "u"), "held REPLY sender-unproven, held REPLY sent-by-another, applied REPLY answered, "+
			"held REPLY dmarc-failed, held REPLY spam, applied REPLY answered, held REPLY replayed, held REPLY replayed")
		held := map[string]bool{}
		for _, item := range s.inbox("zoe") {
			if _, after, ok := strings.Cut(item, "X-FACTOTUM-HELD:"); ok {
				held[strings.Fields(after)[0]] = true
			}
		}
		if !held["spam"] || !held["sent-by-another"] || !held["replayed"] { // the newest of each sender
			t.Errorf("held in the inbox: %v", held)
		}
		s.settled()
		other, _ := s.copy("ben", "u")
		if !strings.Contains(line(other), "PARTSTAT=TENTATIVE") {
			t.Errorf("ben was not told:\n%s", other)
		}
	})
}

// lineOf is the line of a text about an address.
func lineOf(text, name, address string) string {
	for l := range strings.Lines(text) {
		if strings.HasPrefix(l, name) && strings.Contains(l, "mailto:"+address) {
			return l
		}
	}
	return ""
}

// Invitations from outside are held until their recipient knows who sends them;
// then they are as if they came from here.
func TestInvitationsByMail(t *testing.T) {
	each(t, func(t *testing.T, engine sitetest.Engine, hosts bool) {
		s := outside(t, engine, hosts)
		const yves = "yves@far.example"
		lines := []string{"DTSTART:20300107T100000Z", "DTEND:20300107T110000Z", "SUMMARY:Plans", "ORGANIZER:mailto:" + yves,
			"ATTENDEE;RSVP=TRUE;PARTSTAT=NEEDS-ACTION:mailto:ben@example.com", "SEQUENCE:1"}
		ask := message("REQUEST", "far", lines...)
		s.want("a stranger's", s.mailed("1", "ben", ask, by(yves)).Reason, "unsolicited")
		if text, _ := s.copy("ben", "far"); text != "" {
			t.Errorf("it came into the calendar:\n%s", text)
		}
		if items := s.inbox("ben"); len(items) != 1 || !strings.Contains(items[0], "X-FACTOTUM-HELD:unsolicited") || !strings.Contains(items[0], "X-FACTOTUM-SENDER:"+yves) {
			t.Errorf("the inbox has %q", items)
		}
		// ben writes to him: now he is known.
		s.put("ben", "m.ics", meeting("m", "DTSTART:20300107T100000Z", "SUMMARY:Plans", "ORGANIZER:mailto:ben@example.com", "ATTENDEE:mailto:"+yves))
		s.settled()
		s.want("a known one's", s.mailed("2", "ben", ask, by(yves)).Reason, "invited")
		text, _ := s.copy("ben", "far")
		if !strings.Contains(lineOf(text, "ORGANIZER", yves), "ORGANIZER") {
			t.Errorf("it did not come into the calendar:\n%s", text)
		}
		s.want("a change", s.mailed("3", "ben", strings.NewReplacer("SEQUENCE:1", "SEQUENCE:2", "T10", "T14", "T11", "T15").Replace(ask), by(yves)).Reason, "updated")
		s.want("a forged end", s.mailed("4", "ben", strings.Replace(ask, "METHOD:REQUEST", "METHOD:CANCEL", 1), by("eve@evil.example")).Reason, "sent-by-another")
		if text, _ = s.copy("ben", "far"); !strings.Contains(text, "T140000Z") || strings.Contains(text, "CANCELLED") {
			t.Errorf("ben has\n%s", text)
		}
		end := strings.NewReplacer("METHOD:REQUEST", "METHOD:CANCEL", "SEQUENCE:1", "SEQUENCE:3").Replace(ask)
		s.want("the end", s.mailed("5", "ben", end, by(yves)).Reason, "cancelled")
		if text, _ = s.copy("ben", "far"); !strings.Contains(text, "STATUS:CANCELLED") {
			t.Errorf("ben has\n%s", text)
		}
		s.want("ben's journal", s.arrived("ben", "far"),
			"held REQUEST unsolicited, applied REQUEST invited, applied REQUEST updated, held CANCEL sent-by-another, applied CANCEL cancelled")
	})
}
