// Package ens tells the event notification service what changes in calendars:
// Sun's topics with their payloads, as caldb.berkeleydb.ensmsg.* asks for them, and
// the feed that tells the front ends of this site, for those who watch their
// calendars. notifications.md §8.3, §8.4.
//
// It hears of changes after their commit, and no writer waits for it: what it is
// behind with, beyond its bounds, is lost and counted.
package ens

import (
	"cmp"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// Feed is what the topics of the feed begin with; what happened follows.
const Feed = "enp:///factotum/changes/"

// Topic is one kind of change, and what is published of it.
type Topic struct {
	URL         string // an event reference
	ContentType string // of the payload: text/xml or text/calendar
}

// Options say what is published and how.
type Options struct {
	// Publish hands a publication on and does not wait: bus.Publish.
	Publish func(calendar.Publication) error
	// Topics are those of Sun's that are wanted, by the names of
	// caldb.berkeleydb.ensmsg.*: createevent, …
	Topics map[string]Topic
	// Advanced: replies and refreshes have topics of their own, not that of
	// modifyevent.
	Advanced bool
	// Print writes a payload as WCAP would.
	Print func(contentType string, props []ical.Property, comps []*ical.Component) []byte
	Log   *slog.Logger
}

// Publisher publishes what changes.
type Publisher struct {
	opt   Options
	queue chan *calendar.Change
	bytes atomic.Int64 // of the texts in queue
	lost  atomic.Int64
	told  int64 // of lost, to the feed
	end   chan struct{}
	done  sync.WaitGroup
}

// Bounds of what waits.
const (
	queueLen   = 4096
	queueBytes = 32 << 20
)

// New starts a Publisher.
func New(opt Options) *Publisher {
	p := &Publisher{opt: opt, queue: make(chan *calendar.Change, queueLen), end: make(chan struct{})}
	p.opt.Log = cmp.Or(opt.Log, slog.New(slog.DiscardHandler))
	p.done.Go(p.run)
	return p
}

// Committed takes in what was committed: service.Options.Committed. It does not wait.
func (p *Publisher) Committed(changes []*calendar.Change) {
	for _, ch := range changes {
		if happened(ch) == "" {
			continue
		}
		n := size(ch)
		if p.bytes.Add(n) > queueBytes {
			p.bytes.Add(-n)
			p.lost.Add(1)
			continue
		}
		select {
		case p.queue <- ch:
		default:
			p.bytes.Add(-n)
			p.lost.Add(1)
		}
	}
}

func size(ch *calendar.Change) (n int64) {
	for _, v := range []*calendar.Version{ch.Before, ch.After} {
		if v != nil {
			n += int64(len(v.Data))
		}
	}
	return n
}

// Lost is how many changes were not published, since there were too many at once.
func (p *Publisher) Lost() int64 { return p.lost.Load() }

// Close publishes what waits and ends.
func (p *Publisher) Close() {
	close(p.end)
	p.done.Wait()
}

// pause is how long changes are gathered: waking all who have to do with a publication,
// up to its subscribers, costs more than the publication.
const pause = 50 * time.Millisecond

func (p *Publisher) run() {
	for ended := false; !ended; {
		select {
		case ch := <-p.queue:
			p.take(ch)
		case <-p.end:
			ended = true
		}
		for more := true; more; {
			select {
			case ch := <-p.queue:
				p.take(ch)
			default:
				more = false
			}
		}
		if !ended {
			select {
			case <-time.After(pause):
			case <-p.end:
			}
		}
	}
}

func (p *Publisher) take(ch *calendar.Change) {
	p.bytes.Add(-size(ch))
	p.feed(ch)
	p.topic(ch)
	if lost := p.lost.Load(); lost != p.told {
		p.told = lost
		p.publish(Resumed())
	}
}

// ResumedName is the last part of the topic by which the feed says that some of it
// may be missing.
const ResumedName = "resumed"

// Resumed says so.
func Resumed() calendar.Publication {
	return calendar.Publication{Ref: Feed + ResumedName, When: time.Now()}
}

// publish hands on; what is wrong with a publication is wrong with a topic that the
// administrator has chosen.
func (p *Publisher) publish(pub calendar.Publication) {
	if err := p.opt.Publish(pub); err != nil {
		p.opt.Log.Error("publish a change", "ref", pub.Ref, "err", err)
	}
}

// verbs are what happens to calendars, as Sun's topics have it.
var verbs = map[calendar.ChangeKind]string{
	calendar.CalendarCreated: "calendarcreate", calendar.CalendarChanged: "calendarmodify", calendar.CalendarDeleted: "calendardelete",
}

// happened is the last part of the topic of a change, "" for what is nobody's
// concern but the server's: what is in the home, or in an inbox.
func happened(ch *calendar.Change) string {
	if word, ok := verbs[ch.Kind]; ok {
		row := cmp.Or(ch.CalendarAfter, ch.CalendarBefore)
		if row == nil || row.Kind != calendar.CalendarCollection {
			return ""
		}
		return word
	}
	v := cmp.Or(ch.After, ch.Before)
	if v == nil || ch.Kind != calendar.ObjectStored && ch.Kind != calendar.ObjectDeleted {
		return ""
	}
	var what string
	switch v.Component {
	case "VEVENT":
		what = "calevent"
	case "VTODO":
		what = "caltodo"
	case "VJOURNAL":
		what = "caljournal"
	default:
		return ""
	}
	if v.UID == "" { // a message in an inbox
		return ""
	}
	switch {
	case ch.Kind == calendar.ObjectDeleted:
		return what + "delete"
	case ch.Before == nil:
		return what + "create"
	}
	return what + "modify"
}

// Event is what the feed tells: nothing of what an object says.
type Event struct {
	Calid calendar.ID `json:"calid"`
	UID   string      `json:"uid,omitempty"`
	Name  string      `json:"name,omitempty"` // of the object within its calendar
	What  string      `json:"what"`           // the last part of the topic
	When  string      `json:"when"`           // RFC 3339
}

// feed tells the front ends.
func (p *Publisher) feed(ch *calendar.Change) {
	pub := p.publication(ch, Feed+happened(ch))
	if ch.Name != "" { // in parameters too, so that subscribers can choose
		pub.Ref += "&name=" + escaped(ch.Name)
	}
	p.publish(pub)
}

// ParseFeed reads a publication of the feed.
func ParseFeed(p calendar.Publication) (e Event, ok bool) {
	ref, err := calendar.ParseEventRef(p.Ref)
	if err != nil {
		return e, false
	}
	what, ok := strings.CutPrefix(ref.Topic, Feed)
	if !ok {
		return e, false
	}
	calid, _ := ref.Param("calid")
	e = Event{Calid: calendar.ID(calid), What: what, When: p.When.UTC().Format("2006-01-02T15:04:05.000Z")}
	e.UID, _ = ref.Param("uid")
	e.Name, _ = ref.Param("name")
	return e, true
}

// publication is a change without a payload. Its ID is of the change, in this store:
// calid, change number and topic.
func (p *Publisher) publication(ch *calendar.Change, topic string) calendar.Publication {
	uid := ""
	if v := cmp.Or(ch.After, ch.Before); v != nil {
		uid = v.UID
	}
	ref, err := calendar.ParseEventRef(topic)
	if err != nil {
		ref.Topic = topic
	}
	own := calendar.NewEventRef("", "calid", string(ch.Calendar), "uid", uid)
	ref.Params = append(ref.Params, own.Params...)
	return calendar.Publication{
		ID:  string(ch.Owner) + "/" + strconv.FormatInt(ch.Number, 10) + "/" + lastPart(ref.Topic),
		Ref: ref.String(), Owner: ch.Owner, When: ch.When,
	}
}

func lastPart(topic string) string { return topic[strings.LastIndexByte(topic, '/')+1:] }

func escaped(s string) string {
	return strings.TrimPrefix(calendar.EventRef{Params: []calendar.EventParam{{Value: s}}}.String(), "?=")
}
