package delivery_test

import (
	"errors"
	"strings"
	"testing"

	"factotum/protocol/sitetest"
	"factotum/server/calendar"
)

// held are the items of somebody's inbox that are held, in the order of their names.
func (s *site) held(user string) (list []calendar.Held) {
	s.Helper()
	box := calendar.NewID(calendar.Owner(user), calendar.InboxCollection.Rules().Name)
	err := s.be.Query(s.Context(), s.as(user), calendar.QueryRequest{Calendar: box}, func(o *calendar.Object) error {
		if h, ok := calendar.HeldItem(o.Name, o.Data, o.Modified); ok {
			list = append(list, h)
		}
		return nil
	})
	if err != nil {
		s.Fatal(err)
	}
	return list
}

// onlyHeld is the one that is held.
func (s *site) onlyHeld(user, reason string) calendar.Held {
	s.Helper()
	list := s.held(user)
	if len(list) != 1 || list[0].Reason != reason {
		s.Fatalf("held for %s: %+v, want one for %s", user, list, reason)
	}
	return list[0]
}

func (s *site) decide(user string, h calendar.Held, accept, remember bool) (calendar.Decided, error) {
	box := calendar.NewID(calendar.Owner(user), calendar.InboxCollection.Rules().Name)
	return s.be.Decide(s.Context(), s.as(user), calendar.DecideRequest{Ref: calendar.Ref{Calendar: box, Name: h.Name}, Accept: accept, Remember: remember})
}

func (s *site) accepts(user string, h calendar.Held, want string) {
	s.Helper()
	res, err := s.decide(user, h, true, false)
	if err != nil || res.Reason != want {
		s.Fatalf("accepted: %+v %v, want %s", res, err, want)
	}
}

// journal is what somebody's journal has of a UID, whoever caused it.
func (s *site) story(user, uid string) string {
	s.Helper()
	res, err := s.be.Why(s.Context(), s.as(user), calendar.WhyRequest{Owner: calendar.Owner(user), Query: calendar.TraceQuery{UID: uid, OldestFirst: true}})
	if err != nil {
		s.Fatal(err)
	}
	var steps []string
	for _, t := range res.Traces {
		steps = append(steps, t.Step.String()+" "+t.Method+" "+t.Reason)
	}
	return strings.Join(steps, ", ")
}

const yves = "yves@far.example"

var farLines = []string{"DTSTART:20300107T100000Z", "DTEND:20300107T110000Z", "SUMMARY:Plans", "ORGANIZER:mailto:" + yves,
	"ATTENDEE;RSVP=TRUE;PARTSTAT=NEEDS-ACTION:mailto:ben@example.com"}

// What is held is applied when its recipient accepts it, as if it had been believed,
// and once; what has come since decides whether it says anything new.
func TestHeldIsAccepted(t *testing.T) {
	each(t, func(t *testing.T, engine sitetest.Engine, hosts bool) {
		s := outside(t, engine, hosts)
		ask := func(seq string) string { return message("REQUEST", "far", append(farLines, "SEQUENCE:"+seq)...) }
		s.mailed("1", "ben", ask("1"), by(yves))
		first := s.onlyHeld("ben", "unsolicited")
		if first.Sender != yves || first.Message != "1" || first.Method != "REQUEST" || first.UID != "far" || first.Summary != "Plans" {
			t.Errorf("it tells %+v", first)
		}
		// Who may not decide, and what there is not.
		box := calendar.ID("ben:inbox")
		_, err := s.be.Decide(s.Context(), s.as("carl"), calendar.DecideRequest{Ref: calendar.Ref{Calendar: box, Name: first.Name}, Accept: true})
		if k := calendar.KindOf(err); k != calendar.Denied && k != calendar.NoCalendar {
			t.Errorf("carl decides for ben: %v", err)
		}
		if _, err := s.decide("ben", calendar.Held{Name: "none.ics"}, true, false); !errors.Is(err, calendar.NotFound) {
			t.Errorf("of nothing: %v", err)
		}
		s.accepts("ben", first, "invited")
		if text, _ := s.copy("ben", "far"); !strings.Contains(text, "SUMMARY:Plans") || strings.Contains(text, "X-FACTOTUM-HELD") {
			t.Errorf("ben has\n%s", text)
		}
		if _, err := s.decide("ben", first, true, false); !errors.Is(err, calendar.NotFound) {
			t.Errorf("a second time: %v", err)
		}
		// He is known now, and the copy in the inbox is an ordinary one.
		if list := s.held("ben"); len(list) != 0 {
			t.Errorf("held: %+v", list)
		}
		items := s.inbox("ben")
		if len(items) != 1 || !strings.Contains(items[0], "METHOD:REQUEST") {
			t.Fatalf("the inbox has %q", items)
		}
		box = "ben:inbox"
		var name string
		s.be.ListObjects(s.Context(), s.as("ben"), box, func(o *calendar.Object) error { name = o.Name; return nil })
		if _, err := s.decide("ben", calendar.Held{Name: name}, true, false); !errors.Is(err, calendar.Unsupported) {
			t.Errorf("of what was applied: %v", err)
		}
		s.want("a change", s.mailed("2", "ben", strings.Replace(ask("2"), "Plans", "Other plans", 1), by(yves)).Reason, "updated")
		// A change that is not proven is overtaken by one that is.
		s.want("unproven", s.mailed("3", "ben", ask("3"), calendar.Arrival{Sender: yves}).Reason, "sender-unproven")
		late := s.onlyHeld("ben", "sender-unproven")
		s.want("the newest", s.mailed("4", "ben", strings.Replace(ask("4"), "Plans", "Last plans", 1), by(yves)).Reason, "updated")
		s.accepts("ben", late, "older-revision")
		if text, _ := s.copy("ben", "far"); !strings.Contains(text, "Last plans") {
			t.Errorf("ben has\n%s", text)
		}
		s.want("the journal", s.story("ben", "far"), "held REQUEST unsolicited, applied REQUEST invited, applied REQUEST updated, "+
			"held REQUEST sender-unproven, applied REQUEST updated, ignored REQUEST older-revision")
	})
}

// An answer that is held counts when the organizer accepts it: of who is invited, and
// of who is not, who is then. The others are told.
func TestHeldAnswers(t *testing.T) {
	each(t, func(t *testing.T, engine sitetest.Engine, hosts bool) {
		s := outside(t, engine, hosts)
		s.put("zoe", "u.ics", meeting("u", "DTSTART:20300107T100000Z", "DTEND:20300107T110000Z", "SUMMARY:Plans", "ORGANIZER:mailto:zoe@example.com",
			"ATTENDEE;PARTSTAT=ACCEPTED:mailto:zoe@example.com", "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:ben@example.com", "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:"+yves))
		s.settled()
		reply := func(who string) string {
			return message("REPLY", "u", "ATTENDEE;PARTSTAT=ACCEPTED:mailto:"+who)
		}
		s.mailed("1", "zoe", reply(yves), calendar.Arrival{Sender: yves})
		h := s.onlyHeld("zoe", "sender-unproven")
		// The organizer changes the meeting meanwhile: the answer stays held.
		text, o := s.copy("zoe", "u")
		s.put("zoe", o.Name, strings.Replace(text, "SUMMARY:Plans", "SUMMARY:Old plans", 1))
		s.settled()
		s.accepts("zoe", h, "answered")
		s.mailed("2", "zoe", reply("eve@far.example"), by("eve@far.example"))
		s.accepts("zoe", s.onlyHeld("zoe", "not-invited"), "answered")
		s.settled()
		for _, user := range []string{"zoe", "ben"} {
			text, _ := s.copy(user, "u")
			for _, who := range []string{yves, "eve@far.example"} {
				if !strings.Contains(lineOf(text, "ATTENDEE", who), "PARTSTAT=ACCEPTED") {
					t.Errorf("%s does not see what %s answered:\n%s", user, who, text)
				}
			}
		}
		// A proposal is not taken as it is, and leaves when the meeting is changed.
		s.mailed("3", "zoe", message("COUNTER", "u", "DTSTART:20300107T120000Z", "ATTENDEE;PARTSTAT=TENTATIVE:mailto:"+yves), by(yves))
		h = s.onlyHeld("zoe", "proposed")
		if _, err := s.decide("zoe", h, true, false); !errors.Is(err, calendar.Unsupported) {
			t.Errorf("a proposal is accepted as it is: %v", err)
		}
		s.onlyHeld("zoe", "proposed")
		text, o = s.copy("zoe", "u")
		s.put("zoe", o.Name, strings.Replace(text, "T100000Z", "T120000Z", 1))
		if list := s.held("zoe"); len(list) != 0 {
			t.Errorf("still held: %+v", list)
		}
		if told := s.story("zoe", "u"); !strings.HasSuffix(told, "held COUNTER proposed, ignored COUNTER taken, queued REQUEST queued, queued REQUEST queued") &&
			!strings.Contains(told, "held COUNTER proposed, ignored COUNTER taken") {
			t.Errorf("the journal: %s", told)
		}
	})
}

// Who proposes something that is rejected, by whatever way, is told so, if it is known
// that he did. RFC 5546 §3.2.8.
func TestProposalIsDeclined(t *testing.T) {
	each(t, func(t *testing.T, engine sitetest.Engine, hosts bool) {
		s := outside(t, engine, hosts)
		s.put("zoe", "u.ics", meeting("u", "DTSTART:20300107T100000Z", "DTEND:20300107T110000Z", "SUMMARY:Plans", "ORGANIZER:mailto:zoe@example.com",
			"ATTENDEE;PARTSTAT=ACCEPTED:mailto:zoe@example.com", "ATTENDEE;RSVP=TRUE;PARTSTAT=NEEDS-ACTION:mailto:"+yves))
		propose := func(id, sender string, arrival calendar.Arrival, reason string) calendar.Held {
			s.mailed(id, "zoe", message("COUNTER", "u", "DTSTART:20300107T120000Z", "SEQUENCE:0", "COMMENT:Later?", "ATTENDEE;PARTSTAT=TENTATIVE:mailto:"+sender), arrival)
			return s.onlyHeld("zoe", reason)
		}
		told := func() int { return strings.Count(s.story("zoe", "u"), "queued DECLINECOUNTER queued") }
		if _, err := s.decide("zoe", propose("1", yves, by(yves), "proposed"), false, false); err != nil || told() != 1 {
			t.Errorf("%v, told %d times: %s", err, told(), s.story("zoe", "u"))
		}
		if err := s.be.DeleteObject(s.Context(), s.as("zoe"), calendar.DeleteRequest{Ref: calendar.Ref{Calendar: "zoe:inbox", Name: propose("2", yves, by(yves), "proposed").Name}}); err != nil || told() != 2 {
			t.Errorf("deleted: %v, told %d times", err, told())
		}
		for id, c := range map[string]struct {
			sender, reason string
			a              calendar.Arrival
		}{
			"unproven": {yves, "sender-unproven", calendar.Arrival{Sender: yves}},
			"another":  {yves, "sent-by-another", by("eve@evil.example")},
			"stranger": {"eve@evil.example", "proposed", by("eve@evil.example")},
		} {
			if _, err := s.decide("zoe", propose(id, c.sender, c.a, c.reason), false, false); err != nil || told() != 2 {
				t.Errorf("%s: %v, told %d times", id, err, told())
			}
		}
		s.settled()
		if text, _ := s.copy("zoe", "u"); !strings.Contains(text, "DTSTART:20300107T100000Z") || strings.Contains(text, "Later?") {
			t.Errorf("the meeting is another:\n%s", text)
		}
	})
}

// What is rejected comes to nothing, by whatever way, and the journal tells; what its
// recipient puts into his calendar himself is dealt with.
func TestHeldIsRejected(t *testing.T) {
	each(t, func(t *testing.T, engine sitetest.Engine, hosts bool) {
		s := outside(t, engine, hosts)
		ask := message("REQUEST", "far", farLines...)
		reject := map[string]func(calendar.Held) error{
			"decided": func(h calendar.Held) error { _, err := s.decide("ben", h, false, false); return err },
			"deleted": func(h calendar.Held) error {
				return s.be.DeleteObject(s.Context(), s.as("ben"), calendar.DeleteRequest{Ref: calendar.Ref{Calendar: "ben:inbox", Name: h.Name}})
			},
		}
		for _, way := range []string{"decided", "deleted"} {
			s.mailed(way, "ben", ask, by(yves))
			if err := reject[way](s.onlyHeld("ben", "unsolicited")); err != nil {
				t.Fatal(way, err)
			}
		}
		if list, text := s.held("ben"), first(s.copy("ben", "far")); len(list) != 0 || text != "" {
			t.Errorf("held %+v, in the calendar %q", list, text)
		}
		s.mailed("3", "ben", ask, by(yves))
		s.onlyHeld("ben", "unsolicited")
		s.put("ben", "own.ics", meeting("far", farLines...))
		if list := s.held("ben"); len(list) != 0 {
			t.Errorf("still held: %+v", list)
		}
		s.want("the journal", strings.Split(s.story("ben", "far"), ", queued")[0], "held REQUEST unsolicited, ignored REQUEST rejected, held REQUEST unsolicited, ignored REQUEST rejected, "+
			"held REQUEST unsolicited, ignored REQUEST taken")
	})
}

func first(text string, _ *calendar.Object) string { return text }

// A user's preferences are over the site's rules; a decision may be remembered.
func TestRulesOfTheUser(t *testing.T) {
	each(t, func(t *testing.T, engine sitetest.Engine, hosts bool) {
		s := outside(t, engine, hosts)
		n := 0
		invite := func(from string, a calendar.Arrival) string {
			s.Helper()
			n++
			uid := strings.Repeat("x", n)
			return s.mailed(uid, "ben", strings.ReplaceAll(message("REQUEST", uid, farLines...), yves, from), a).Reason
		}
		set := func(name, value string) {
			s.Helper()
			if err := s.be.SetPrefs(s.Context(), s.as("ben"), calendar.SetPrefsRequest{Owner: "ben", Set: map[string]string{name: value}}); err != nil {
				t.Fatal(err)
			}
		}
		s.copy("ben", "") // his home
		s.want("the site's", invite(yves, by(yves)), "unsolicited")
		s.want("of the directory", invite("carl@example.com", by("carl@example.com")), "invited")
		// who is in a meeting that he has, wherever he has it from
		res, err := s.be.PutObjects(s.Context(), s.as("ben"), calendar.PutObjectsRequest{Calendar: "ben", Items: []calendar.PutItem{
			{Data: []byte(meeting("old", "DTSTART:20200107T100000Z", "ORGANIZER:mailto:Hal@far.example", "ATTENDEE:mailto:ben@example.com", "ATTENDEE:mailto:ida@far.example"))}}})
		if err != nil || res[0].Err != nil {
			t.Fatal(err, res)
		}
		s.want("who invited him before", invite("hal@far.example", by("hal@far.example")), "invited")
		s.want("who was invited with him", invite("ida@far.example", by("ida@far.example")), "invited")
		for _, c := range []struct{ value, want string }{{"add", "invited"}, {"refuse", "unsolicited-refused"}, {"hold", "unsolicited"}, {"known", "unsolicited"}} {
			set(calendar.InvitationsPref, c.value)
			s.want(c.value, invite("a."+c.value+"@far.example", by("a."+c.value+"@far.example")), c.want)
		}
		set(calendar.InvitationsPref, "add")
		for _, c := range []struct{ value, want string }{{"hold", "sender-unproven"}, {"refuse", "sender-unproven"}, {"believe", "invited"}} {
			set(calendar.UnprovenPref, c.value)
			before := len(s.held("ben"))
			s.want(c.value, invite(yves, calendar.Arrival{Sender: yves}), c.want)
			if got := len(s.held("ben")) - before; got != map[string]int{"hold": 1}[c.value] {
				t.Errorf("%s: %d more are held", c.value, got)
			}
		}
		set(calendar.UnprovenPref, "hold")
		set(calendar.InvitationsPref, "hold")
		set(calendar.AllowedPref, "@near.example"+calendar.PrefSeparator+"dora@far.example")
		set(calendar.NeverPref, "eve@far.example")
		s.want("a domain let in", invite("d@near.example", by("d@near.example")), "invited")
		s.want("an address let in", invite("dora@far.example", by("Dora@Far.example")), "invited")
		s.want("in its name", invite("dora@far.example", calendar.Arrival{Sender: "dora@far.example"}), "sender-unproven")
		s.want("never", invite("eve@far.example", by("eve@far.example")), "sender-refused")
		for _, h := range s.held("ben") {
			if _, err := s.decide("ben", h, false, false); err != nil {
				t.Fatal(err)
			}
		}
		// Remembered.
		s.want("unknown", invite("fay@far.example", by("fay@far.example")), "unsolicited")
		if _, err := s.decide("ben", s.onlyHeld("ben", "unsolicited"), true, true); err != nil {
			t.Fatal(err)
		}
		s.want("let in from now on", invite("fay@far.example", by("fay@far.example")), "invited")
		s.want("unknown", invite("gil@far.example", by("gil@far.example")), "unsolicited")
		if _, err := s.decide("ben", s.onlyHeld("ben", "unsolicited"), false, true); err != nil {
			t.Fatal(err)
		}
		s.want("kept out from now on", invite("gil@far.example", by("gil@far.example")), "sender-refused")
		var prefs map[string]string
		prefs, err = s.be.Prefs(s.Context(), s.as("ben"), "ben")
		if err != nil || !strings.Contains(prefs[calendar.AllowedPref], "fay@far.example") || !strings.Contains(prefs[calendar.NeverPref], "gil@far.example") {
			t.Errorf("preferences %q %v", prefs, err)
		}
		for name, value := range map[string]string{calendar.InvitationsPref: "perhaps", calendar.UnprovenPref: "yes", calendar.AllowedPref: "dora", calendar.NeverPref: "*@far.example"} {
			if err := s.be.SetPrefs(s.Context(), s.as("ben"), calendar.SetPrefsRequest{Owner: "ben", Set: map[string]string{name: value}}); !errors.Is(err, calendar.Invalid) {
				t.Errorf("%s=%s: %v", name, value, err)
			}
		}
	})
}
