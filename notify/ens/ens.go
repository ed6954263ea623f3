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
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// Feed is the topic of the feed. A publication of it has several changes.
const Feed = "enp:///factotum/changes"

// Topic is one kind of change, and what is published of it.
type Topic struct {
	URL         string // an event reference
	ContentType string // of the payload: text/xml or text/calendar
}

// Options say what is published and how.
type Options struct {
	// Publish hands publications on and does not wait: bus.Publish.
	Publish func(...calendar.Publication) error
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
	told  int64                  // of lost, to the feed
	feed  []Event                // what is not published yet: for the front ends,
	pubs  []calendar.Publication // to Sun's topics,
	heavy int                    // and octets of both, about
	end   chan struct{}
	done  sync.WaitGroup
}

// Bounds of what waits.
const (
	queueLen   = 4096
	queueBytes = 32 << 20
	batchBytes = 64 << 10 // that are published at once
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
		p.tell()
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
	p.topic(ch)
	e := Event{Calid: ch.Calendar, Name: ch.Name, What: happened(ch), When: stamp(ch.When)}
	if v := cmp.Or(ch.After, ch.Before); v != nil {
		e.UID = v.UID
	}
	p.feed = append(p.feed, e)
	if p.heavy += 100 + len(e.Calid) + len(e.UID) + len(e.Name); p.heavy >= batchBytes {
		p.tell()
	}
}

// tell publishes what was gathered. What is wrong with it is wrong with a topic that
// the administrator has chosen.
func (p *Publisher) tell() {
	if lost := p.lost.Load(); lost != p.told {
		p.told = lost
		p.feed = append(p.feed, resumed())
	}
	if len(p.feed) == 0 {
		return
	}
	if err := p.opt.Publish(append(p.pubs, feed(p.feed))...); err != nil {
		p.opt.Log.Error("publish changes", "err", err)
	}
	clear(p.pubs)
	p.feed, p.pubs, p.heavy = p.feed[:0], p.pubs[:0], 0
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

// Event is what the feed tells of a change: nothing of what an object says.
type Event struct {
	Calid calendar.ID `json:"calid,omitempty"`
	UID   string      `json:"uid,omitempty"`
	Name  string      `json:"name,omitempty"` // of the object within its calendar
	What  string      `json:"what"`           // caleventcreate, …: the last part of Sun's topic
	When  string      `json:"when"`           // RFC 3339
}

// ResumedName is what an Event says that some may be missing before it.
const ResumedName = "resumed"

func resumed() Event { return Event{What: ResumedName, When: stamp(time.Now())} }

// Resumed says that some of the feed may be missing.
func Resumed() calendar.Publication { return feed([]Event{resumed()}) }

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func feed(events []Event) calendar.Publication {
	text, _ := json.Marshal(events) // of strings alone
	return calendar.Publication{Ref: Feed, When: time.Now(), ContentType: "application/json", Data: text}
}

// ParseFeed reads a publication of the feed.
func ParseFeed(p calendar.Publication) (events []Event, err error) {
	if err := json.Unmarshal(p.Data, &events); err != nil {
		return nil, fmt.Errorf("read the feed of changes: %w", err)
	}
	return events, nil
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
