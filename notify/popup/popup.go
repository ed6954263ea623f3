// Package popup makes pop-ups of reminders: an alarm that was published becomes a
// short message to the owner of the calendar, where he is logged in to the site's
// instant messaging and wants that. It is the calendar agent of notifications.md §9.
//
// What it cannot bring at once it does not keep: a pop-up that comes late is worse
// than none. Only while the XMPP server, the directory or a back end is away does the
// broker keep the reminder, until it is over.
package popup

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"factotum/notify/letter"
	"factotum/notify/locale"
	"factotum/notify/xmpp"
	"factotum/server/calendar"
	"factotum/server/ical"
)

// Pref is the preference by which a user wants pop-ups, with 1, or wants none, with 0:
// "Show Calendar Reminders" of Sun's Instant Messenger.
const Pref = "ceShowCalendarReminders"

// Outcome is what became of a reminder.
type Outcome string

// The outcomes; those of a message are xmpp.Outcome's.
const (
	Sent       Outcome = "sent"
	Unseen     Outcome = "unseen"     // sent, and nobody knows whether he is there
	Away       Outcome = "away"       // he is not there
	Returned   Outcome = "returned"   // the XMPP server does not deliver it
	Unwanted   Outcome = "unwanted"   // he does not want pop-ups
	NoAddress  Outcome = "noaddress"  // he has no JID
	Nobody     Outcome = "nobody"     // the owner is no person who uses the calendar
	Late       Outcome = "late"       // it is over
	Again      Outcome = "again"      // he has had it
	Unreadable Outcome = "unreadable" // the publication is none of an alarm
	Failed     Outcome = "failed"     // it could not be decided, and comes again
)

// Outcomes lists them.
func Outcomes() []Outcome {
	return []Outcome{Sent, Unseen, Away, Returned, Unwanted, NoAddress, Nobody, Late, Again, Unreadable, Failed}
}

// Agent makes and sends pop-ups.
type Agent struct {
	People interface {
		Person(ctx context.Context, id calendar.UserID) (calendar.Person, error)
	}
	Prefs interface {
		Prefs(ctx context.Context, who calendar.Actor, owner calendar.Owner) (map[string]string, error)
	}
	Link interface {
		Deliver(ctx context.Context, m xmpp.Message) (xmpp.Outcome, error)
	}
	JID    func(calendar.Person) string // "" if somebody has none
	XML    func(data []byte) (*ical.Component, error)
	ByRule bool   // who has not said whether he wants pop-ups gets them
	TZID   string // of who has none
	// Most is how late a pop-up may be. 15 min.
	Most  time.Duration
	Now   func() time.Time
	Log   *slog.Logger
	Count func(Outcome)

	mu    sync.Mutex
	had   map[string]time.Time // reminders that somebody had, until they can be forgotten
	swept time.Time
}

// Handle does what is to be done about a publication. An error says that it cannot be
// done now.
func (a *Agent) Handle(ctx context.Context, p calendar.Publication) error {
	o, err := a.handle(ctx, &p)
	if err != nil {
		o = Failed
	}
	if a.Count != nil {
		a.Count(o)
	}
	a.Log.DebugContext(ctx, "pop-up", "user", string(p.Owner), "outcome", string(o), "err", err)
	return err
}

func (a *Agent) handle(ctx context.Context, p *calendar.Publication) (Outcome, error) {
	now := a.Now()
	if now.After(p.When.Add(cmp.Or(a.Most, 15*time.Minute))) || !p.Expires.IsZero() && now.After(p.Expires) {
		return Late, nil
	}
	key := about(p)
	if !a.take(key, now) {
		return Again, nil
	}
	o, err := a.bring(ctx, p)
	if err != nil {
		a.mu.Lock()
		delete(a.had, key)
		a.mu.Unlock()
	}
	return o, err
}

// about names a reminder: two alarms of one event at the same time are one pop-up, and
// a publication that comes again is the same.
func about(p *calendar.Publication) string {
	ref, err := calendar.ParseEventRef(p.Ref)
	uid, ok := ref.Param("uid")
	if err != nil || !ok {
		return p.ID
	}
	calid, _ := ref.Param("calid")
	rid, _ := ref.Param("rid")
	return fmt.Sprintf("%s\n%s\n%s\n%s\n%d", p.Owner, calid, uid, rid, p.When.Unix())
}

// mostHad bounds the memory of what was sent.
const mostHad = 50_000

// take reports whether a reminder is new.
func (a *Agent) take(key string, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.had == nil {
		a.had = map[string]time.Time{}
	}
	if _, ok := a.had[key]; ok {
		return false
	}
	if len(a.had) >= mostHad && now.Sub(a.swept) >= time.Minute {
		a.swept = now
		for k, until := range a.had {
			if now.After(until) {
				delete(a.had, k)
			}
		}
	}
	if len(a.had) < mostHad { // else one may come twice
		a.had[key] = now.Add(2 * cmp.Or(a.Most, 15*time.Minute))
	}
	return true
}

func (a *Agent) bring(ctx context.Context, p *calendar.Publication) (Outcome, error) {
	reader, err := a.People.Person(ctx, calendar.UserID(p.Owner))
	if calendar.KindOf(err) == calendar.NotFound || err == nil && (reader.Kind != calendar.Individual || !reader.Active) {
		return Nobody, nil
	}
	if err != nil {
		return "", fmt.Errorf("look up whom to remind: %w", err)
	}
	prefs, err := a.Prefs.Prefs(ctx, calendar.Actor{Admin: true}, calendar.Owner(reader.ID))
	switch calendar.KindOf(err) {
	case calendar.NoCalendar, calendar.NotFound:
		return Nobody, nil
	}
	if err != nil {
		return "", fmt.Errorf("ask whether he wants pop-ups: %w", err)
	}
	if !a.wanted(prefs[Pref]) {
		return Unwanted, nil
	}
	to := a.JID(reader)
	if to == "" {
		return NoAddress, nil
	}
	m, err := a.compose(p, reader, prefs)
	if err != nil {
		a.Log.WarnContext(ctx, "a reminder cannot be read", "user", reader.ID, "err", err)
		return Unreadable, nil
	}
	m.To = to
	switch o, err := a.Link.Deliver(ctx, m); {
	case err != nil:
		return "", err
	case o == xmpp.Sent:
		return Sent, nil
	case o == xmpp.Unseen:
		return Unseen, nil
	case o == xmpp.Away:
		return Away, nil
	case o == xmpp.Returned:
		return Returned, nil
	}
	return NoAddress, nil
}

// wanted reads the preference.
func (a *Agent) wanted(pref string) bool {
	switch strings.ToLower(strings.TrimSpace(pref)) {
	case "1", "yes", "true", "y":
		return true
	case "":
		return a.ByRule
	}
	return false
}

// mostDescription is how much of a description a pop-up shows, in octets.
const mostDescription = 600

// compose makes the message, in the language, the zone and the form of dates of whoever
// reads it.
func (a *Agent) compose(p *calendar.Publication, reader calendar.Person, prefs map[string]string) (m xmpp.Message, err error) {
	cal, err := a.read(p)
	if err != nil {
		return m, err
	}
	manner, ok := locale.Find(letter.LanguageOf(reader, prefs))
	if !ok {
		manner, _ = locale.Find("en")
	}
	in := letter.Input{Message: cal, Now: a.Now(), Manner: manner}
	in.ForReader(reader, prefs, a.TZID)
	in.Component = component(cal)
	in.Method = "" // a reminder, whatever METHOD the text has
	bare := *cal
	bare.Props = nil
	in.Message = &bare
	v, err := letter.Values(&in, "vswLud")
	if err != nil {
		return m, err
	}
	heading, summary := v[0], v[1]
	m = xmpp.Message{ID: p.ID, Lang: manner.Tag, Title: heading}
	if summary != "" {
		m.Title += ": " + summary
	}
	for _, line := range v[2:5] {
		if line != "" {
			m.Lines = append(m.Lines, line)
		}
	}
	if d := v[5]; d != "" {
		if len(d) > mostDescription {
			n := mostDescription
			for !utf8.RuneStart(d[n]) {
				n--
			}
			d = d[:n] + "…"
		}
		m.Lines = append(m.Lines, d)
	}
	m.Calendar = string(cal.Bytes())
	return m, nil
}

// read is the publication as iCalendar. notifications.md §8.4.
func (a *Agent) read(p *calendar.Publication) (cal *ical.Component, err error) {
	switch {
	case p.ContentType == "text/calendar", p.ContentType == "text/xml" && bytes.HasPrefix(p.Data, []byte("BEGIN:VCALENDAR")):
		cal, err = ical.Parse(p.Data, ical.Limits{})
	case p.ContentType == "text/xml":
		cal, err = a.XML(p.Data)
	default:
		return nil, fmt.Errorf("expected text/xml or text/calendar, not %q: see caldb.serveralarms.contenttype", p.ContentType)
	}
	if err != nil {
		return nil, err
	}
	if component(cal) == nil {
		return nil, errors.New("it has neither event nor task")
	}
	return cal, nil
}

// component is the event or the task.
func component(cal *ical.Component) *ical.Component {
	for _, k := range cal.Children {
		if k.Name == "VEVENT" || k.Name == "VTODO" {
			return k
		}
	}
	return nil
}
