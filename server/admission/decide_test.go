package admission

import (
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/itip"
	_ "factotum/server/object/objecttest" // laws draw the same cases each time in CI
	"pgregory.net/rapid"
)

var now = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func anna() *itip.Party {
	return &itip.Party{Owner: calendar.Person{ID: "anna", Mails: []string{"anna@example.org", "a.berg@example.org"}}, Now: now}
}

func parse(t testing.TB, method string, events ...string) *ical.Component {
	t.Helper()
	var b strings.Builder
	b.WriteString("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//T//T//EN\n")
	if method != "" {
		b.WriteString("METHOD:" + method + "\n")
	}
	for _, e := range events {
		b.WriteString("BEGIN:VEVENT\n" + e + "\nEND:VEVENT\n")
	}
	b.WriteString("END:VCALENDAR\n")
	cal, err := ical.Parse([]byte(b.String()), ical.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return cal
}

func text(cal *ical.Component) string {
	if cal == nil {
		return ""
	}
	return string(cal.Bytes())
}

const (
	// hers is a meeting that anna organizes.
	hers = "UID:plan\nDTSTAMP:20260201T000000Z\nDTSTART:20260305T090000Z\nRRULE:FREQ=WEEKLY;COUNT=4\nSEQUENCE:2\nSUMMARY:Plan\n" +
		"ORGANIZER:mailto:anna@example.org\nATTENDEE;PARTSTAT=ACCEPTED:mailto:anna@example.org\n" +
		"ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:bert@firm.example\nATTENDEE:mailto:b.e.rt+x@gmail.com\nATTENDEE:mailto:dora@me.com"
	// his is one that bert organizes.
	his = "UID:tour\nDTSTAMP:20260201T000000Z\nDTSTART:20260410T120000Z\nDURATION:PT1H\nSEQUENCE:3\nSUMMARY:Tour\n" +
		"ORGANIZER:mailto:bert@firm.example\nATTENDEE;PARTSTAT=ACCEPTED:mailto:anna@example.org\nATTENDEE:mailto:carl@firm.example"
)

// declined is a meeting of anna's that bert has declined.
var declined = strings.Replace(hers, "PARTSTAT=NEEDS-ACTION", "PARTSTAT=DECLINED;X-FACTOTUM-REVISION=2/20260301T090000Z", 1)

func answer(who, partstat string, more ...string) string {
	return strings.Join(append([]string{"UID:plan", "DTSTAMP:20260301T080000Z", "ATTENDEE;PARTSTAT=" + partstat + ":mailto:" + who}, more...), "\n")
}

func TestDecide(t *testing.T) {
	request := strings.NewReplacer("SEQUENCE:3\n", "", "DTSTAMP:20260201T000000Z\n", "", "SUMMARY:Tour", "SUMMARY:Other").Replace(his)
	instance := hers + "\nEND:VEVENT\nBEGIN:VEVENT\nUID:plan\nRECURRENCE-ID:20260312T090000Z\nDTSTAMP:20260201T000000Z\nDTSTART:20260312T090000Z\nSEQUENCE:2\n" +
		"ORGANIZER:mailto:anna@example.org\nATTENDEE;PARTSTAT=TENTATIVE;X-FACTOTUM-REVISION=2/20260301T090000Z/OWN:mailto:bert@firm.example"
	for _, c := range []struct {
		name, stored, sender, method string
		events                       []string
		want                         string
	}{
		// who answers
		{"an answer", hers, "bert@firm.example", "REPLY", []string{answer("bert@firm.example", "ACCEPTED")}, "apply answered"},
		{"in capitals", hers, "BERT@Firm.Example", "REPLY", []string{answer("Bert@FIRM.example", "accepted")}, "apply answered"},
		{"a mailbox of Google's", hers, "bert@googlemail.com", "REPLY", []string{answer("bert@googlemail.com", "ACCEPTED")}, "apply answered"},
		{"one of Apple's", hers, "dora@icloud.com", "REPLY", []string{answer("dora@icloud.com", "ACCEPTED")}, "apply answered"},
		{"with a tag", hers, "bert+cal@firm.example", "REPLY", []string{answer("bert+cal@firm.example", "ACCEPTED")}, "apply answered"},
		{"dots elsewhere make another", hers, "b.ert@firm.example", "REPLY", []string{answer("b.ert@firm.example", "ACCEPTED")}, "hold not-invited"},
		{"for another", hers, "eve@firm.example", "REPLY", []string{answer("bert@firm.example", "ACCEPTED")}, "hold sent-by-another"},
		{"with SENT-BY, which proves nothing", hers, "eve@firm.example", "REPLY", []string{"UID:plan\nATTENDEE;PARTSTAT=ACCEPTED;SENT-BY=\"mailto:eve@firm.example\":mailto:bert@firm.example"}, "hold sent-by-another"},
		{"of several lines one's own counts", hers, "bert@firm.example", "REPLY", []string{"UID:plan\nATTENDEE;PARTSTAT=DECLINED:mailto:dora@me.com\nATTENDEE;PARTSTAT=ACCEPTED:mailto:bert@firm.example"}, "apply answered"},
		{"for an attendee's meeting", his, "carl@firm.example", "REPLY", []string{strings.Replace(answer("carl@firm.example", "ACCEPTED"), "plan", "tour", 1)}, "hold not-organizer"},
		{"as the owner himself", hers, "anna@example.org", "REPLY", []string{answer("anna@example.org", "DECLINED")}, "hold not-invited"},
		{"without a line", hers, "bert@firm.example", "REPLY", []string{"UID:plan\nDTSTAMP:20260301T080000Z"}, "ignore no-answer"},
		{"NEEDS-ACTION", hers, "bert@firm.example", "REPLY", []string{answer("bert@firm.example", "NEEDS-ACTION")}, "ignore no-answer"},
		{"what there is not", hers, "bert@firm.example", "REPLY", []string{answer("bert@firm.example", "X-LATER")}, "ignore no-answer"},
		{"some of it answers", hers, "bert@firm.example", "REPLY", []string{answer("bert@firm.example", "NEEDS-ACTION"), answer("bert@firm.example", "DECLINED", "RECURRENCE-ID:20260312T090000Z")}, "apply answered"},
		{"an instance that is not", hers, "bert@firm.example", "REPLY", []string{answer("bert@firm.example", "DECLINED", "RECURRENCE-ID:20260313T090000Z")}, "ignore unknown-instance"},
		{"a stale revision", hers, "bert@firm.example", "REPLY", []string{answer("bert@firm.example", "ACCEPTED", "SEQUENCE:1")}, "apply answered"}, // nothing newer of his is known
		{"a replay", declined, "bert@firm.example", "REPLY", []string{answer("bert@firm.example", "ACCEPTED", "SEQUENCE:2")}, "hold replayed"},
		{"a replay that says no revision", declined, "bert@firm.example", "REPLY", []string{answer("bert@firm.example", "ACCEPTED")}, "hold replayed"},
		{"a replay for an instance", instance, "bert@firm.example", "REPLY", []string{answer("bert@firm.example", "ACCEPTED", "RECURRENCE-ID:20260312T090000Z")}, "hold replayed"},
		{"an older one that says the same", declined, "bert@firm.example", "REPLY", []string{answer("bert@firm.example", "declined")}, "ignore older-revision"},
		{"the last one again", declined, "bert@firm.example", "REPLY", []string{strings.Replace(answer("bert@firm.example", "DECLINED"), "0301T08", "0301T09", 1)}, "ignore unchanged"},
		{"to what was before a change", declined, "bert@firm.example", "REPLY", []string{answer("bert@firm.example", "ACCEPTED", "SEQUENCE:1")}, "ignore older-revision"},
		{"he sends another", hers, "bert@firm.example", "REPLY", []string{"UID:plan\nATTENDEE;PARTSTAT=DELEGATED;DELEGATED-TO=\"mailto:eve@firm.example\":mailto:bert@firm.example\nATTENDEE;DELEGATED-FROM=\"mailto:bert@firm.example\":mailto:eve@firm.example"}, "apply delegated"},
		{"an answer to nothing", "", "bert@firm.example", "REPLY", []string{answer("bert@firm.example", "ACCEPTED")}, "ignore unknown-meeting"},
		{"a proposal", hers, "bert@firm.example", "COUNTER", []string{answer("bert@firm.example", "TENTATIVE", "DTSTART:20260306T090000Z")}, "hold proposed"},
		{"send it again", hers, "bert@firm.example", "REFRESH", []string{"UID:plan\nATTENDEE:mailto:bert@firm.example"}, "apply resent"},
		{"send it again to who is not invited", hers, "eve@firm.example", "REFRESH", []string{"UID:plan\nATTENDEE:mailto:eve@firm.example"}, "hold not-invited"},
		// who invites
		{"a change", his, "bert@firm.example", "REQUEST", []string{request}, "apply updated"},
		{"of an older revision", his, "bert@firm.example", "REQUEST", []string{request + "\nSEQUENCE:2"}, "ignore older-revision"},
		{"by another attendee", his, "carl@firm.example", "REQUEST", []string{request}, "hold forwarded"},
		{"by a stranger", his, "eve@firm.example", "REQUEST", []string{request}, "hold sent-by-another"},
		{"by one who makes himself organizer", his, "eve@firm.example", "REQUEST", []string{strings.Replace(request, "ORGANIZER:mailto:bert", "ORGANIZER:mailto:eve", 1)}, "hold organizer-changed"},
		{"in the name of the owner", hers, "eve@firm.example", "REQUEST", []string{strings.Replace(hers, "SEQUENCE:2", "SEQUENCE:9", 1)}, "hold sent-by-another"},
		{"the owner's own", hers, "a.berg@example.org", "REQUEST", []string{hers}, "ignore own-message"},
		{"two organizers", his, "bert@firm.example", "REQUEST", []string{request, strings.Replace(request, "ORGANIZER:mailto:bert", "RECURRENCE-ID:20260410T120000Z\nORGANIZER:mailto:eve", 1)}, "ignore unreadable"},
		{"without ORGANIZER", his, "bert@firm.example", "REQUEST", []string{"UID:tour\nDTSTART:20260410T120000Z\nATTENDEE:mailto:anna@example.org"}, "hold sent-by-another"},
		{"a new one", "", "bert@firm.example", "REQUEST", []string{request}, "hold unsolicited"},
		{"for another person", "", "bert@firm.example", "REQUEST", []string{strings.Replace(request, "anna@", "dora@", 1)}, "hold not-addressed"},
		{"for an alias", "", "bert@firm.example", "REQUEST", []string{strings.Replace(request, "anna@example.org", "A.Berg@EXAMPLE.org", 1)}, "hold unsolicited"},
		{"called off", his, "bert@firm.example", "CANCEL", []string{request + "\nSTATUS:CANCELLED"}, "apply cancelled"},
		{"called off by a stranger", his, "eve@firm.example", "CANCEL", []string{request}, "hold sent-by-another"},
		{"called off, and not there", "", "bert@firm.example", "CANCEL", []string{request}, "ignore unknown-meeting"},
		{"the proposal is declined", his, "bert@firm.example", "DECLINECOUNTER", []string{request}, "ignore proposal-declined"},
		{"told", "", "bert@firm.example", "PUBLISH", []string{request}, "hold unsolicited"},
	} {
		var stored *ical.Component
		if c.stored != "" {
			stored = parse(t, "", c.stored)
		}
		msg := parse(t, c.method, c.events...)
		was, came := text(stored), string(msg.Bytes())
		d := Decide(anna(), stored, Arrival{Calendar: msg, Sender: c.sender, Proof: Proven}, Rules{})
		if got := d.Action.String() + " " + d.Reason; got != c.want {
			t.Errorf("%s: %s (%s), want %s", c.name, got, d.Detail, c.want)
		}
		if text(stored) != was || string(msg.Bytes()) != came {
			t.Errorf("%s: what it is given is another", c.name)
		}
		if d.Action != Ignore && d.Message.Calendar == nil || d.Method != itip.Method(c.method) {
			t.Errorf("%s: %s without its message", c.name, d.Method)
		}
	}
}

// What is said against a mail, or for it, and how one answers to it.
func TestTrust(t *testing.T) {
	good := Arrival{Calendar: parse(t, "REPLY", answer("bert@firm.example", "ACCEPTED")), Sender: "bert@firm.example", Proof: Proven}
	for _, c := range []struct {
		name string
		but  func(a *Arrival, r *Rules)
		want string
	}{
		{"good", func(*Arrival, *Rules) {}, "apply answered"},
		{"disowned", func(a *Arrival, r *Rules) { a.Proof, r.BelieveUnproven = Failed, true }, "hold dmarc-failed"},
		{"unproven", func(a *Arrival, r *Rules) { a.Proof = Unproven }, "hold sender-unproven"},
		{"unproven, and believed", func(a *Arrival, r *Rules) { a.Proof, r.BelieveUnproven = Unproven, true }, "apply answered"},
		{"spam", func(a *Arrival, r *Rules) { a.Spam = true }, "hold spam"},
		{"forwarded", func(a *Arrival, r *Rules) { a.Forwarded = true }, "hold forwarded"},
		{"differs", func(a *Arrival, r *Rules) { a.Differs = true }, "hold method-differs"},
		{"no sender", func(a *Arrival, r *Rules) { a.Sender, r.BelieveUnproven = "", true }, "hold sent-by-another"},
		{"a service", func(a *Arrival, r *Rules) { a.Sender = "noreply@cloud.example" }, "hold relayed"},
		{"a service that signs", func(a *Arrival, r *Rules) { a.Sender, a.SignedBy = "noreply@cloud.example", []string{"cloud.example"} }, "hold relayed"},
		{"a service that is believed, and does not sign", func(a *Arrival, r *Rules) { a.Sender, r.Relays = "noreply@cloud.example", []string{"cloud.example"} }, "hold relayed"},
		{"one that does", func(a *Arrival, r *Rules) {
			a.Sender, a.SignedBy, r.Relays = "noreply@cloud.example", []string{"Cloud.example"}, []string{"cloud.example"}
		}, "apply answered"},
		{"in a name of its own below", func(a *Arrival, r *Rules) {
			a.Sender, a.SignedBy, r.Relays = "noreply@mail.cloud.example", []string{"cloud.example"}, []string{"cloud.example"}
		}, "apply answered"},
		{"a list that passes on and signs", func(a *Arrival, r *Rules) {
			a.Sender, a.SignedBy, r.Relays = "noreply@other.example", []string{"cloud.example"}, []string{"cloud.example"}
		}, "hold relayed"},
		{"unproven, and a list signs", func(a *Arrival, r *Rules) {
			a.Proof, a.SignedBy, r.Relays = Unproven, []string{"cloud.example"}, []string{"cloud.example"}
		}, "hold sender-unproven"},
		{"a service that may write the domain", func(a *Arrival, r *Rules) {
			a.Proof, a.SignedBy, r.Relays = Unproven, []string{"cloud.example"}, []string{"cloud.example/firm.example"}
		}, "apply answered"},
		{"a domain that ends alike", func(a *Arrival, r *Rules) {
			a.Sender, a.SignedBy, r.Relays = "noreply@evilcloud.example", []string{"cloud.example"}, []string{"cloud.example"}
		}, "hold relayed"},
		{"and is disowned", func(a *Arrival, r *Rules) {
			a.Sender, a.SignedBy, r.Relays, a.Proof = "noreply@cloud.example", []string{"cloud.example"}, []string{"cloud.example"}, Failed
		}, "hold dmarc-failed"},
	} {
		a, r := good, Rules{}
		c.but(&a, &r)
		if d := Decide(anna(), parse(t, "", hers), a, r); d.Action.String()+" "+d.Reason != c.want {
			t.Errorf("%s: %s %s, want %s", c.name, d.Action, d.Reason, c.want)
		}
	}
}

// The address by which somebody is invited stays, whichever of his he answers by.
func TestAnswersKeepTheAddress(t *testing.T) {
	d := Decide(anna(), parse(t, "", hers), Arrival{Calendar: parse(t, "REPLY", answer("Bert@gmail.com", "DECLINED", "COMMENT:away")), Sender: "bert@gmail.com", Proof: Proven}, Rules{})
	if len(d.Receipt.Answers) != 1 {
		t.Fatal(d.Reason)
	}
	a := d.Receipt.Answers[0]
	if a.Attendee.Value != "mailto:b.e.rt+x@gmail.com" || a.Is != "DECLINED" || a.Comment != "away" || d.Receipt.Object.Child("VEVENT").Count("ATTENDEE") != 4 {
		t.Errorf("%s %s %q", a.Attendee.Value, a.Is, a.Comment)
	}
}

// A message that says no revision is of the current one, and a clock that is ahead
// does not make later ones older. RFC 5546 §2.1.4, §2.1.5.
func TestRevisions(t *testing.T) {
	plain := strings.NewReplacer("SEQUENCE:3\n", "", "DTSTAMP:20260201T000000Z\n", "").Replace(his)
	for _, c := range []struct {
		name, more string
		date       time.Time
		seq, stamp string
	}{
		{"neither", "", now.Add(-time.Hour), "3", "20260302T080000Z"},
		{"no Date either", "", time.Time{}, "3", "20260302T090000Z"},
		{"a Date ahead", "", now.Add(time.Hour), "3", "20260302T090000Z"},
		{"both", "\nSEQUENCE:4\nDTSTAMP:20260301T000000Z", now, "4", "20260301T000000Z"},
		{"a clock that is ahead", "\nSEQUENCE:4\nDTSTAMP:20300101T000000Z", now.Add(-time.Hour), "4", "20260302T080000Z"},
		{"a little", "\nSEQUENCE:4\nDTSTAMP:20260302T090500Z", now, "4", "20260302T090500Z"},
		{"none that can be read", "\nSEQUENCE:4\nDTSTAMP:yesterday", now, "4", "20260302T090000Z"},
	} {
		d := Decide(anna(), parse(t, "", his), Arrival{Calendar: parse(t, "REQUEST", plain+c.more), Sender: "bert@firm.example", Proof: Proven, Date: c.date}, Rules{})
		got := d.Message.Calendar.Child("VEVENT")
		if d.Action != Apply || got.Value("SEQUENCE") != c.seq || got.Value("DTSTAMP") != c.stamp {
			t.Errorf("%s: %s %s, SEQUENCE %s DTSTAMP %s", c.name, d.Action, d.Reason, got.Value("SEQUENCE"), got.Value("DTSTAMP"))
		}
	}
}

func TestParseUnsolicited(t *testing.T) {
	for s, want := range map[string]Unsolicited{"hold": HoldAll, "known": AddKnown, "add": AddAll} {
		if got, ok := ParseUnsolicited(s); !ok || got != want {
			t.Errorf("%s: %v", s, got)
		}
	}
	if got, ok := ParseUnsolicited("yes"); ok || got != HoldAll {
		t.Errorf("yes: %v", got)
	}
}

// Nothing is applied of whom nothing proves to speak, and an answer changes the
// line of who gave it and no other.
func TestNobodySpeaksForAnother(t *testing.T) {
	people := []string{"anna@example.org", "bert@firm.example", "bert+y@firm.example", "carl@firm.example", "eve@evil.example", "b.ert@gmail.com", "dora@me.com", "noreply@email.apple.com", ""}
	rapid.Check(t, func(rt *rapid.T) {
		some := func(label string) string { return rapid.SampledFrom(people).Draw(rt, label) }
		method := rapid.SampledFrom([]string{"REQUEST", "REPLY", "CANCEL", "COUNTER", "REFRESH", "ADD", "PUBLISH", "DECLINECOUNTER"}).Draw(rt, "method")
		lines := []string{"UID:" + rapid.SampledFrom([]string{"plan", "tour"}).Draw(rt, "uid"), "DTSTART:20260305T090000Z"}
		organizer := some("organizer")
		if organizer != "" {
			lines = append(lines, "ORGANIZER:mailto:"+organizer)
		}
		for range rapid.IntRange(0, 3).Draw(rt, "attendees") {
			lines = append(lines, "ATTENDEE;PARTSTAT="+rapid.SampledFrom([]string{"ACCEPTED", "DECLINED", "NEEDS-ACTION", "DELEGATED"}).Draw(rt, "partstat")+":mailto:"+some("attendee"))
		}
		if rapid.Bool().Draw(rt, "instance") {
			lines = append(lines, "RECURRENCE-ID:20260312T090000Z")
		}
		if rapid.Bool().Draw(rt, "off") {
			lines = append(lines, "STATUS:CANCELLED")
		}
		var stored *ical.Component
		if uid := rapid.SampledFrom([]string{"", hers, his}).Draw(rt, "stored"); uid != "" {
			stored = parse(t, "", uid)
		}
		a := Arrival{Calendar: parse(t, method, strings.Join(lines, "\n")), Sender: some("sender"), Proof: Proof(rapid.IntRange(0, 2).Draw(rt, "proof")),
			Spam: rapid.IntRange(0, 9).Draw(rt, "spam") == 0, Forwarded: rapid.IntRange(0, 9).Draw(rt, "forwarded") == 0}
		rules := Rules{BelieveUnproven: rapid.Bool().Draw(rt, "believe"), Unsolicited: AddAll}
		was := text(stored)
		d := Decide(anna(), stored, a, rules)
		if text(stored) != was {
			rt.Fatal("what is stored is another")
		}
		if d.Reason == "" || d.Action != Apply {
			if d.Reason == "" {
				rt.Fatalf("%v without a reason", d)
			}
			return
		}
		if a.Spam || a.Forwarded || a.Proof == Failed || a.Proof == Unproven && !rules.BelieveUnproven || a.Sender == "" {
			rt.Fatalf("%s: %+v", d.Reason, a)
		}
		if method != "REPLY" {
			if method != "REFRESH" && !sameMailbox(organizer, a.Sender) {
				rt.Fatalf("%s of %s by %s", method, organizer, a.Sender)
			}
			return
		}
		for _, c := range d.Receipt.Object.Children {
			if c.Word("STATUS") == "CANCELLED" {
				rt.Fatal("an answer cancels")
			}
			for p := range c.All("ATTENDEE") {
				before := attendeeOf(stored, p.Value)
				if before == nil && p.Param("DELEGATED-FROM") == "" {
					rt.Fatalf("%s was not invited", p.Value)
				}
				if before != nil && before.Param("PARTSTAT") != p.Param("PARTSTAT") && !sameMailbox(p.Value, a.Sender) {
					rt.Fatalf("%s answers for %s", a.Sender, p.Value)
				}
			}
		}
	})
}

func attendeeOf(cal *ical.Component, address string) *ical.Property {
	for p := range cal.Child("VEVENT").All("ATTENDEE") {
		if p.Value == address {
			return p
		}
	}
	return nil
}

// What was held is applied when the owner wants it.
func TestRelease(t *testing.T) {
	moved := strings.NewReplacer("SEQUENCE:3", "SEQUENCE:4", "T120000Z", "T130000Z").Replace(his)
	for _, c := range []struct {
		name, stored, sender, method, event string
		want                                string
		check                               func(obj *ical.Component) bool
		heldFor                             string
	}{
		{"a replay, after all", declined, "bert@firm.example", "REPLY", answer("bert@firm.example", "ACCEPTED", "SEQUENCE:2"), "apply answered", func(o *ical.Component) bool {
			line := attendeeOf(o, "mailto:bert@firm.example")
			return line.Param("PARTSTAT") == "ACCEPTED" && line.Param("X-FACTOTUM-REVISION") == "2/20260302T090000Z"
		}, "replayed"},
		{"a replay of whose clock is ahead", strings.Replace(declined, "20260301T090000Z", "20260302T090500Z", 1), "bert@firm.example", "REPLY", answer("bert@firm.example", "ACCEPTED"), "apply answered", func(o *ical.Component) bool {
			return attendeeOf(o, "mailto:bert@firm.example").Param("PARTSTAT") == "ACCEPTED"
		}, "replayed"},
		{"what another has overtaken", declined, "bert@firm.example", "REPLY", answer("bert@firm.example", "ACCEPTED", "SEQUENCE:2"), "ignore older-revision", nil, "sender-unproven"},
		{"an answer by a service", hers, "noreply@email.apple.com", "REPLY", answer("dora@icloud.com", "ACCEPTED"), "apply answered", func(o *ical.Component) bool {
			return attendeeOf(o, "mailto:dora@me.com").Param("PARTSTAT") == "ACCEPTED"
		}, ""},
		{"of who is not invited", hers, "eve@evil.example", "REPLY", answer("eve@evil.example", "ACCEPTED"), "apply answered", func(o *ical.Component) bool {
			return attendeeOf(o, "mailto:eve@evil.example").Param("PARTSTAT") == "ACCEPTED" && o.Child("VEVENT").Count("ATTENDEE") == 5
		}, ""},
		{"that answers nothing", hers, "eve@evil.example", "REPLY", answer("eve@evil.example", "NEEDS-ACTION"), "ignore no-answer", nil, ""},
		{"of no meeting", "", "eve@evil.example", "REPLY", answer("eve@evil.example", "ACCEPTED"), "ignore unknown-meeting", nil, ""},
		{"an invitation", "", "eve@evil.example", "REQUEST", his, "apply invited", nil, ""},
		{"for a list", "", "bert@firm.example", "REQUEST", strings.Replace(his, "PARTSTAT=ACCEPTED:mailto:anna@", "X=1:mailto:team@", 1), "apply invited", func(o *ical.Component) bool {
			return attendeeOf(o, "mailto:anna@example.org").Param("RSVP") == "TRUE"
		}, ""},
		{"a change that was forwarded", his, "carl@firm.example", "REQUEST", moved, "apply updated", func(o *ical.Component) bool {
			return o.Child("VEVENT").Value("DTSTART") == "20260410T130000Z"
		}, ""},
		{"by another organizer", his, "eve@evil.example", "REQUEST", strings.Replace(moved, "ORGANIZER:mailto:bert@firm", "ORGANIZER:mailto:eve@evil", 1), "apply invited", func(o *ical.Component) bool {
			return organizerOf(o) == "mailto:eve@evil.example"
		}, ""},
		{"in the owner's name", hers, "eve@evil.example", "REQUEST", hers, "hold not-organizer", nil, ""},
		{"called off by a stranger", his, "eve@evil.example", "CANCEL", moved, "apply cancelled", nil, ""},
		{"called off by another organizer", his, "eve@evil.example", "CANCEL", strings.Replace(moved, "ORGANIZER:mailto:bert@firm", "ORGANIZER:mailto:eve@evil", 1), "ignore unknown-meeting", nil, ""},
		{"a proposal", hers, "bert@firm.example", "COUNTER", answer("bert@firm.example", "TENTATIVE"), "hold proposed", nil, ""},
	} {
		var stored *ical.Component
		if c.stored != "" {
			stored = parse(t, "", c.stored)
		}
		msg := parse(t, c.method, c.event)
		was, came := text(stored), text(msg)
		d := Release(anna(), stored, Arrival{Calendar: msg, Sender: c.sender, Proof: Failed, Spam: true, Forwarded: true}, c.heldFor)
		if got := d.Action.String() + " " + d.Reason; got != c.want {
			t.Errorf("%s: %s (%s), want %s", c.name, got, d.Detail, c.want)
		} else if c.check != nil && !c.check(d.Receipt.Object) {
			t.Errorf("%s:\n%s", c.name, d.Receipt.Object.Bytes())
		}
		if text(stored) != was || text(msg) != came {
			t.Errorf("%s: what it is given is another", c.name)
		}
	}
}

// An instance is found by its moment, however it is named, and an answer to it is
// stored in the zone of the series: extra dates, days, zones by their Windows
// names. RFC 5545 §3.8.4.4.
func TestInstancesByTheirMoment(t *testing.T) {
	extra := strings.NewReplacer("DTSTART:20260305T090000Z", "DTSTART;TZID=Europe/Berlin:20260305T100000\nRDATE;TZID=Europe/Berlin:20260401T170000").Replace(hers)
	days := strings.NewReplacer("DTSTART:20260305T090000Z", "DTSTART;VALUE=DATE:20260305").Replace(hers)
	for _, c := range []struct{ name, stored, rid, want string }{
		{"in UTC", extra, "RECURRENCE-ID:20260312T090000Z", "TZID=Europe/Berlin 20260312T100000"},
		{"in another zone", extra, "RECURRENCE-ID;TZID=America/New_York:20260312T050000", "TZID=Europe/Berlin 20260312T100000"},
		{"in a zone of Windows", extra, "RECURRENCE-ID;TZID=W. Europe Standard Time:20260312T100000", "TZID=Europe/Berlin 20260312T100000"},
		{"the same zone by another name", extra, "RECURRENCE-ID;TZID=/freeassociation.sourceforge.net/Europe/Berlin:20260312T100000", "TZID=Europe/Berlin 20260312T100000"},
		{"behind the change of the clocks", extra, "RECURRENCE-ID:20260326T090000Z", "TZID=Europe/Berlin 20260326T100000"},
		{"an extra date", extra, "RECURRENCE-ID;TZID=Europe/Berlin:20260401T170000", "TZID=Europe/Berlin 20260401T170000"},
		{"an extra date in UTC", extra, "RECURRENCE-ID:20260401T150000Z", "TZID=Europe/Berlin 20260401T170000"},
		{"a day", days, "RECURRENCE-ID;VALUE=DATE:20260312", "VALUE=DATE 20260312"},
		{"a day without saying so", days, "RECURRENCE-ID:20260312", "VALUE=DATE 20260312"},
		{"midnight where a day belongs", days, "RECURRENCE-ID:20260312T000000Z", "VALUE=DATE 20260312"},
		{"a day where a moment belongs", extra, "RECURRENCE-ID;VALUE=DATE:20260312", "TZID=Europe/Berlin 20260312T100000"},
		{"another hour", extra, "RECURRENCE-ID:20260312T100000Z", "ignore unknown-instance"},
	} {
		d := Decide(anna(), parse(t, "", c.stored), Arrival{Calendar: parse(t, "REPLY", answer("bert@firm.example", "DECLINED", c.rid)), Sender: "bert@firm.example", Proof: Proven}, Rules{})
		got := d.Action.String() + " " + d.Reason
		if d.Action == Apply {
			for _, k := range d.Receipt.Object.Children {
				if p := k.Prop("RECURRENCE-ID"); p != nil {
					got = p.Params[0].Name + "=" + p.Params[0].Values[0] + " " + p.Value
				}
			}
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
