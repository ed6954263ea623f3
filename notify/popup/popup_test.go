package popup

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"factotum/notify/xmpp"
	"factotum/server/calendar"
	"factotum/server/ical"
)

// site is all that an agent asks.
type site struct {
	people map[string]calendar.Person
	prefs  map[string]map[string]string
	away   map[string]bool // by JID
	down   error
	got    []xmpp.Message
	counts map[Outcome]int
	*Agent
}

func (s *site) Person(_ context.Context, id calendar.UserID) (calendar.Person, error) {
	p, ok := s.people[id]
	if !ok {
		return p, &calendar.Error{Kind: calendar.NotFound, Op: "find person", Ref: id}
	}
	return p, nil
}

type prefs map[string]map[string]string

func (p prefs) Prefs(_ context.Context, who calendar.Actor, owner calendar.Owner) (map[string]string, error) {
	m, ok := p[string(owner)]
	if !who.Admin || !ok {
		return nil, &calendar.Error{Kind: calendar.NoCalendar, Op: "read preferences", Ref: string(owner)}
	}
	return m, nil
}

func (s *site) Deliver(_ context.Context, m xmpp.Message) (xmpp.Outcome, error) {
	switch {
	case s.down != nil:
		return 0, s.down
	case s.away[m.To]:
		return xmpp.Away, nil
	}
	s.got = append(s.got, m)
	return xmpp.Sent, nil
}

var noon = time.Date(2026, 3, 3, 9, 45, 0, 0, time.UTC)

func newSite() *site {
	s := &site{people: map[string]calendar.Person{}, prefs: map[string]map[string]string{}, away: map[string]bool{}, counts: map[Outcome]int{}}
	for id, lang := range map[string]string{"anna": "en", "bernd": "de-AT", "chloe": "fr", "diego": "es", "emi": "ja", "gus": "en-US", "hal": "en", "no": "", "none": "en", "room": "en", "shut": "en"} {
		s.people[id] = calendar.Person{ID: id, Kind: calendar.Individual, Active: id != "shut", Language: lang, TZID: "Europe/Berlin", Mails: []string{id + "@example.com"}}
		s.prefs[id] = map[string]string{Pref: "1"}
	}
	room := s.people["room"]
	room.Kind = calendar.Room
	s.people["room"] = room
	nobody := s.people["none"]
	nobody.Mails = nil
	s.people["none"] = nobody
	s.prefs["no"] = map[string]string{}
	s.Agent = &Agent{People: s, Prefs: prefs(s.prefs), Link: s, JID: Address("mail"), Now: func() time.Time { return noon }, Log: slog.New(slog.DiscardHandler),
		Count: func(o Outcome) { s.counts[o]++ }, TZID: "UTC"}
	return s
}

func lines(l ...string) string { return strings.Join(append(l, ""), "\r\n") }

// alarm is the publication of one. notifications.md §7.2, §8.4.
func alarm(owner, uid string, props ...string) calendar.Publication {
	return alarmOf("VEVENT", owner, uid, append([]string{"DTSTART:20260303T100000Z", "DTEND:20260303T110000Z"}, props...)...)
}

func alarmOf(comp, owner, uid string, props ...string) calendar.Publication {
	text := append([]string{"BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", "METHOD:PUBLISH", "BEGIN:" + comp, "UID:" + uid, "DTSTAMP:20260101T000000Z"}, props...)
	text = append(text, "BEGIN:VALARM", "ACTION:DISPLAY", "DESCRIPTION:x", "TRIGGER:-PT15M", "END:VALARM", "END:"+comp, "END:VCALENDAR")
	return calendar.Publication{ID: uid + "-1", Owner: calendar.Owner(owner), When: noon, ContentType: "text/calendar", Data: []byte(lines(text...)),
		Ref: calendar.NewEventRef("enp:///ics/customalarm", "calid", owner, "uid", uid, "aid", "1", "comptype", "event").String()}
}

// TestWords: a pop-up is in its reader's language, zone and form of dates, for events
// and tasks.
func TestWords(t *testing.T) {
	s := newSite()
	s.prefs["gus"]["icsTimezone"] = "America/New_York"
	s.prefs["hal"]["preferredlanguage"] = "fr" // over that of the entry
	for _, p := range []calendar.Publication{
		alarm("anna", "1", "SUMMARY:Lunch\\, with Ben", "LOCATION:Room 1", "DESCRIPTION:Bring\\nthe papers.", "URL:https://meet.example/x"),
		alarm("bernd", "2", "SUMMARY:Mittagessen", "LOCATION:Kantine"),
		alarm("chloe", "3", "SUMMARY:Déjeuner"),
		alarm("diego", "4", "SUMMARY:Almuerzo"),
		alarm("emi", "5", "SUMMARY:昼食"),
		alarm("gus", "6", "SUMMARY:Lunch"),
		alarmOf("VTODO", "anna", "7", "SUMMARY:Taxes", "DUE;VALUE=DATE:20260304"),
		alarmOf("VEVENT", "anna", "8", "SUMMARY:Fair", "DTSTART;VALUE=DATE:20260303", "DTEND;VALUE=DATE:20260306"),
		alarm("anna", "9"),
		alarm("hal", "11", "SUMMARY:Midi"),
		alarm("anna", "10", "SUMMARY:Long", "DESCRIPTION:"+strings.Repeat("é", 5000)),
	} {
		if err := s.Handle(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	want := [][]string{
		{"en", "Reminder: Lunch, with Ben", "Tuesday, 3 March 2026, 11:00 – 12:00 (Europe/Berlin)", "Room 1", "https://meet.example/x", "Bring\nthe papers."},
		{"de", "Erinnerung: Mittagessen", "Dienstag, 3. März 2026, 11:00 – 12:00 (Europe/Berlin)", "Kantine"},
		{"fr", "Rappel: Déjeuner", "mardi 3 mars 2026, 11:00 – 12:00 (Europe/Berlin)"},
		{"es", "Recordatorio: Almuerzo", "martes, 3 de marzo de 2026, 11:00 – 12:00 (Europe/Berlin)"},
		{"ja", "リマインダー: 昼食", "2026年3月3日(火) 11:00 ～ 12:00 (Europe/Berlin)"},
		{"en", "Reminder: Lunch", "Tuesday, March 3, 2026, 5:00 AM – 6:00 AM (America/New York)"},
		{"en", "Reminder: Taxes", "Wednesday, 4 March 2026"},
		{"en", "Reminder: Fair", "Tuesday, 3 March 2026 – Thursday, 5 March 2026"},
		{"en", "Reminder", "Tuesday, 3 March 2026, 11:00 – 12:00 (Europe/Berlin)"},
		{"fr", "Rappel: Midi", "mardi 3 mars 2026, 11:00 – 12:00 (Europe/Berlin)"},
		{"en", "Reminder: Long", "Tuesday, 3 March 2026, 11:00 – 12:00 (Europe/Berlin)", strings.Repeat("é", 300) + "…"},
	}
	if len(s.got) != len(want) {
		t.Fatalf("%d pop-ups, want %d", len(s.got), len(want))
	}
	for i, m := range s.got {
		if got := append([]string{m.Lang, m.Title}, m.Lines...); !slices.Equal(got, want[i]) {
			t.Errorf("%d:\n got %q\nwant %q", i, got, want[i])
		}
		if !strings.Contains(m.Calendar, "BEGIN:VCALENDAR") {
			t.Errorf("%d: %q", i, m.Calendar)
		}
	}
}

// TestOutcomes: who gets a pop-up, and who none; notifications.md §9.4.
func TestOutcomes(t *testing.T) {
	s := newSite()
	s.away["bernd@example.com"] = true
	late, over := alarm("anna", "late"), alarm("anna", "over")
	late.When, over.Expires = noon.Add(-time.Hour), noon.Add(-time.Second)
	other := alarm("anna", "1")
	other.ID, other.Ref = "1-2", strings.Replace(other.Ref, "aid=1", "aid=2", 1)
	next := alarm("anna", "1")
	next.When = noon.Add(time.Minute)
	binary, broken, empty := alarm("anna", "b"), alarm("anna", "c"), alarm("anna", "d")
	binary.ContentType, broken.Data, empty.Data = "", []byte("BEGIN:VCAL"), []byte("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n")
	for _, c := range []struct {
		p    calendar.Publication
		want Outcome
	}{
		{alarm("anna", "1"), Sent}, {alarm("anna", "1"), Again}, {other, Again}, {next, Sent}, {late, Late}, {over, Late},
		{alarm("bernd", "1"), Away}, {alarm("no", "1"), Unwanted}, {alarm("none", "1"), NoAddress}, {alarm("room", "1"), Nobody}, {alarm("shut", "1"), Nobody},
		{alarm("stranger", "1"), Nobody}, {alarm("", "1"), Nobody}, {binary, Unreadable}, {broken, Unreadable}, {empty, Unreadable},
	} {
		before := maps.Clone(s.counts)
		if err := s.Handle(t.Context(), c.p); err != nil {
			t.Fatal(err)
		}
		if s.counts[c.want] != before[c.want]+1 {
			t.Errorf("%s %s: %v after %v, want %s", c.p.Owner, c.p.ID, s.counts, before, c.want)
		}
	}
	if len(s.got) != 2 {
		t.Errorf("%d pop-ups, want 2", len(s.got))
	}
	// What cannot be brought now is not forgotten, and comes once when it can.
	s.down = xmpp.ErrDown
	if err := s.Handle(t.Context(), alarm("emi", "1")); !errors.Is(err, xmpp.ErrDown) {
		t.Errorf("without a server: %v", err)
	}
	s.down = nil
	for range 2 {
		if err := s.Handle(t.Context(), alarm("emi", "1")); err != nil {
			t.Error(err)
		}
	}
	if len(s.got) != 3 || s.counts[Failed] != 1 {
		t.Errorf("%d pop-ups, %v", len(s.got), s.counts)
	}
	// Sites may turn it round: who has not said gets pop-ups, who said no gets none.
	s.ByRule = true
	s.prefs["anna"][Pref] = "0"
	for _, p := range []calendar.Publication{alarm("no", "2"), alarm("anna", "2")} {
		if err := s.Handle(t.Context(), p); err != nil {
			t.Error(err)
		}
	}
	if len(s.got) != 4 || s.got[3].To != "no@example.com" {
		t.Errorf("%d pop-ups", len(s.got))
	}
}

// TestXML: a publication as text/xml is read by who was given for it.
func TestXML(t *testing.T) {
	s := newSite()
	s.XML = func(data []byte) (*ical.Component, error) {
		var x struct {
			Summary string `xml:"iCal>EVENT>SUMMARY"`
		}
		if err := xml.Unmarshal(data, &x); err != nil {
			return nil, err
		}
		cal, e := ical.NewCalendar("-//test//EN"), ical.New("VEVENT")
		e.SetText("SUMMARY", x.Summary)
		cal.AddChild(e)
		return cal, nil
	}
	p := alarm("anna", "1")
	p.ContentType, p.Data = "text/xml", []byte("<iCalendar><iCal><EVENT><SUMMARY>Lunch</SUMMARY></EVENT></iCal></iCalendar>")
	broken := alarm("anna", "2")
	broken.ContentType, broken.Data = "text/xml", []byte("<iCalendar")
	other := alarm("anna", "3", "SUMMARY:iCalendar all the same")
	other.ContentType = "text/xml"
	for _, p := range []calendar.Publication{p, broken, other} {
		if err := s.Handle(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.got) != 2 || s.got[1].Title != "Reminder: iCalendar all the same" || s.got[0].Title != "Reminder: Lunch" || s.counts[Unreadable] != 1 {
		t.Errorf("%+v, %v", s.got, s.counts)
	}
}

func TestAddress(t *testing.T) {
	p := calendar.Person{ID: "anna@sesta.com", Mails: []string{"anna.lee@sesta.com"}, Domain: "sesta.com", IM: "ann@im.sesta.com"}
	plain := calendar.Person{ID: "ben", Domain: "example.com"}
	for _, c := range []struct{ rule, anna, ben, attribute string }{
		{"mail", "anna.lee@sesta.com", "", ""}, {"", "anna.lee@sesta.com", "", ""}, {"uid@", "anna@sesta.com", "ben@example.com", ""},
		{"uid@im.example.com", "anna@im.example.com", "ben@im.example.com", ""}, {"jabberID", "ann@im.sesta.com", "", "jabberID"},
	} {
		f := Address(c.rule)
		if got := fmt.Sprint(f(p), " ", f(plain), " ", Attribute(c.rule)); got != fmt.Sprint(c.anna, " ", c.ben, " ", c.attribute) {
			t.Errorf("%q: %s", c.rule, got)
		}
	}
}

// TestMemoryIsBounded: what was sent is forgotten in time.
func TestMemoryIsBounded(t *testing.T) {
	s := newSite()
	for i := range mostHad + 1000 {
		if !s.take(fmt.Sprint(i), noon) {
			t.Fatalf("%d is not new", i)
		}
	}
	if len(s.had) != mostHad {
		t.Errorf("%d are remembered", len(s.had))
	}
	s.take("later", noon.Add(time.Hour))
	if len(s.had) != 1 {
		t.Errorf("%d are remembered an hour later", len(s.had))
	}
}
