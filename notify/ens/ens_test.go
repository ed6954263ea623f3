package ens

import (
	"strings"
	"sync"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// told collects publications.
type told struct {
	mu   sync.Mutex
	pubs []calendar.Publication
}

func (k *told) publish(pubs ...calendar.Publication) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pubs = append(k.pubs, pubs...)
	return nil
}

// plain prints a payload in a line.
func plain(contentType string, props []ical.Property, comps []*ical.Component) []byte {
	b := []byte(contentType + "\n")
	for i := range props {
		b = props[i].Append(b)
	}
	for _, k := range comps {
		b = k.Append(b)
	}
	return b
}

var all = map[string]Topic{}

func init() {
	for what, name := range switches {
		all[name] = Topic{URL: "enp:///ics/" + what, ContentType: "text/xml"}
	}
	all["refreshevent"] = Topic{URL: "enp:///ics/caleventrefresh", ContentType: "text/calendar"}
	all["replyevent"] = Topic{URL: "enp:///ics/caleventreply?from=us", ContentType: "text/calendar"}
}

func event(lines ...string) *calendar.Version {
	text := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1 & 2\r\nORGANIZER:mailto:anna@example.com\r\n" + strings.Join(lines, "\r\n") + "\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	return &calendar.Version{ObjectRow: calendar.ObjectRow{Name: "a b.ics", UID: "1 & 2", Component: "VEVENT", Data: []byte(text)}}
}

func stored(before, after *calendar.Version, by calendar.Actor) *calendar.Change {
	return &calendar.Change{Owner: "anna", Number: 7, Kind: calendar.ObjectStored, When: time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC),
		By: by, Calendar: "anna:work", Name: "a b.ics", Before: before, After: after}
}

// publishes tells what Sun's topics and the feed say of changes.
func publishes(t *testing.T, opt Options, changes ...*calendar.Change) (topics []calendar.Publication, feed []Event) {
	t.Helper()
	var k told
	opt.Publish, opt.Print = k.publish, plain
	if opt.Topics == nil {
		opt.Topics = all
	}
	p := New(opt)
	p.Committed(changes)
	p.Close()
	for _, pub := range k.pubs {
		if pub.Ref == Feed {
			events, err := ParseFeed(pub)
			if err != nil || pub.ContentType != "application/json" {
				t.Fatal(err, pub)
			}
			feed = append(feed, events...)
		} else {
			topics = append(topics, pub)
		}
	}
	return topics, feed
}

func TestTopics(t *testing.T) {
	anna := calendar.Actor{User: "anna", Mail: "anna@example.com", Via: "wcap", App: "room planner"}
	ben := calendar.Actor{User: "ben", Mail: "ben@example.com", Via: calendar.ViaDelivery}
	byAnna := anna
	byAnna.Via, byAnna.App = calendar.ViaDelivery, ""
	deleted := stored(event("SUMMARY:a"), nil, anna)
	deleted.Kind = calendar.ObjectDeleted
	cal := &calendar.CalendarRow{Name: "work", DisplayName: "Work, all"}
	of := func(kind calendar.ChangeKind, before, after *calendar.CalendarRow) *calendar.Change {
		return &calendar.Change{Owner: "anna", Number: 8, Kind: kind, By: anna, Calendar: "anna:work", CalendarBefore: before, CalendarAfter: after}
	}
	inbox := *cal
	inbox.Kind = calendar.CalendarCollection + 1
	message := stored(nil, event("SUMMARY:a"), anna)
	message.After.UID = ""
	todo := stored(nil, event("SUMMARY:a"), anna)
	todo.After.Component = "VTODO"
	for _, c := range []struct {
		name     string
		change   *calendar.Change
		advanced bool
		ref      string
		payload  []string // is in it, after ! is not
	}{
		{"created", stored(nil, event("SUMMARY:a"), anna), false, "enp:///ics/caleventcreate?calid=anna%3Awork&uid=1%20%26%202",
			[]string{"text/xml", "X-NSCP-CALPROPS-RELATIVE-CALID:anna:work", "SUMMARY:a", "!X-NSCP-TRIGGERED-BY", "!X-NSCP-COMPONENT-SOURCE"}},
		{"task", todo, false, "enp:///ics/caltodocreate?calid=anna%3Awork&uid=1%20%26%202", []string{"SUMMARY:a"}},
		{"changed", stored(event("SUMMARY:a"), event("SUMMARY:b"), anna), false, "enp:///ics/caleventmodify?calid=anna%3Awork&uid=1%20%26%202",
			[]string{"SUMMARY:b", "X-NSCP-TRIGGERED-BY:anna", "X-NSCP-COMPONENT-SOURCE:room planner"}},
		{"an instance", stored(event("RRULE:FREQ=DAILY"), event("RRULE:FREQ=DAILY", "END:VEVENT", "BEGIN:VEVENT", "RECURRENCE-ID:20260501T100000Z"), anna), false,
			"enp:///ics/caleventmodify?calid=anna%3Awork&uid=1%20%26%202&rid=20260501T100000Z", []string{"FREQ=DAILY"}},
		{"deleted", deleted, false, "enp:///ics/caleventdelete?calid=anna%3Awork&uid=1%20%26%202", []string{"SUMMARY:a", "X-NSCP-TRIGGERED-BY:anna"}},
		{"answered", stored(event("SUMMARY:a"), event("SUMMARY:a", "X-A:1"), ben), false, "enp:///ics/caleventmodify?calid=anna%3Awork&uid=1%20%26%202",
			[]string{"X-NSCP-TRIGGERED-BY:ben", "X-NSCP-COMPONENT-SOURCE:ITIP"}},
		{"answered, advanced", stored(event("SUMMARY:a"), event("SUMMARY:a", "X-A:1"), ben), true, "enp:///ics/caleventreply?from=us&calid=anna%3Awork&uid=1%20%26%202",
			[]string{"text/calendar", "X-NSCP-TRIGGERED-BY:ben"}},
		{"refreshed, advanced", stored(event("SUMMARY:a"), event("SUMMARY:b"), byAnna), true, "enp:///ics/caleventrefresh?calid=anna%3Awork&uid=1%20%26%202", nil},
		{"changed, advanced", stored(event("SUMMARY:a"), event("SUMMARY:b"), anna), true, "enp:///ics/caleventmodify?calid=anna%3Awork&uid=1%20%26%202", nil},
		{"calendar", of(calendar.CalendarCreated, nil, cal), false, "enp:///ics/calendarcreate?calid=anna%3Awork", []string{`X-NSCP-CALPROPS-NAME:Work\, all`, "!VEVENT"}},
		{"calendar changed", of(calendar.CalendarChanged, cal, cal), false, "enp:///ics/calendarmodify?calid=anna%3Awork", []string{"X-NSCP-TRIGGERED-BY:anna"}},
		{"calendar deleted", of(calendar.CalendarDeleted, cal, nil), false, "enp:///ics/calendardelete?calid=anna%3Awork", nil},
		{"an inbox", of(calendar.CalendarCreated, nil, &inbox), false, "", nil},
		{"a message", message, false, "", nil},
		{"preferences", &calendar.Change{Owner: "anna", Kind: calendar.PrefsChanged}, false, "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			topics, feed := publishes(t, Options{Advanced: c.advanced}, c.change)
			if c.ref == "" {
				if len(topics)+len(feed) > 0 {
					t.Fatalf("published: %v %v", topics, feed)
				}
				return
			}
			if len(topics) != 1 || topics[0].Ref != c.ref || topics[0].Owner != "anna" {
				t.Fatalf("published: %v, want %s", topics, c.ref)
			}
			for _, want := range c.payload {
				absent, not := strings.CutPrefix(want, "!")
				if strings.Contains(string(topics[0].Data), absent) == not {
					t.Errorf("want %s in %s", want, topics[0].Data)
				}
			}
			if len(feed) != 1 || feed[0].Calid != "anna:work" || feed[0].Name != c.change.Name || feed[0].UID == "" != (c.change.Name == "") {
				t.Errorf("the feed has %+v", feed)
			}
		})
	}
}

// TestOff: what is not asked for is not published, and the feed is.
func TestOff(t *testing.T) {
	anna := calendar.Actor{User: "anna"}
	topics, feed := publishes(t, Options{Topics: map[string]Topic{"createevent": all["createevent"]}},
		stored(nil, event("SUMMARY:a"), anna), stored(event("SUMMARY:a"), event("SUMMARY:b"), anna))
	if len(topics) != 1 || len(feed) != 2 || feed[0].What != "caleventcreate" || feed[1].What != "caleventmodify" {
		t.Errorf("published %v and to the feed %v", topics, feed)
	}
}

// TestNobodyWaits: a publisher that is stuck holds up nobody, and what is too much is
// lost and counted, and the feed says once that some are missing.
func TestNobodyWaits(t *testing.T) {
	proceed := make(chan struct{})
	var k told
	p := New(Options{Topics: all, Print: plain, Publish: func(pubs ...calendar.Publication) error { <-proceed; return k.publish(pubs...) }})
	big := event("DESCRIPTION:" + strings.Repeat("x", 1<<20))
	const n = 100
	for range n {
		p.Committed([]*calendar.Change{stored(nil, big, calendar.Actor{})})
	}
	lost := p.Lost()
	close(proceed)
	p.Close()
	topics, events, told := 0, 0, 0
	for _, pub := range k.pubs {
		if pub.Ref != Feed {
			topics++
			continue
		}
		list, err := ParseFeed(pub)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			if e.What == ResumedName {
				told++
			} else {
				events++
			}
		}
	}
	if lost < n-queueBytes>>20-1 || lost+int64(topics) != n || events != topics || told != 1 {
		t.Errorf("lost %d, published %d and %d to the feed of %d, and said %d times that some are missing", lost, topics, events, n, told)
	}
}

// TestBatches: many changes are a few publications, none of which is too large for a
// broker; what cannot be read is an error.
func TestBatches(t *testing.T) {
	for _, long := range []int{0, 4000} {
		var k told
		p := New(Options{Print: plain, Publish: k.publish})
		ch := stored(nil, event("SUMMARY:a"), calendar.Actor{})
		ch.Name = strings.Repeat("n", long) + ".ics"
		const n = 1000
		for range n {
			p.Committed([]*calendar.Change{ch})
		}
		p.Close()
		got := 0
		for _, pub := range k.pubs {
			events, err := ParseFeed(pub)
			if err != nil || len(pub.Data) > 128<<10 {
				t.Error(err, len(pub.Data))
			}
			got += len(events)
		}
		if got != n || len(k.pubs) > 20+n*long/batchBytes {
			t.Errorf("%d changes in %d publications", got, len(k.pubs))
		}
	}
	if _, err := ParseFeed(calendar.Publication{Ref: Feed}); err == nil {
		t.Error("a publication whose payload is left out can be read")
	}
}

// BenchmarkCommitted is what a writer pays, and what the publication costs beside him.
func BenchmarkCommitted(b *testing.B) {
	for name, topics := range map[string]map[string]Topic{"feed": {}, "topics": all} {
		b.Run(name, func(b *testing.B) {
			p := New(Options{Topics: topics, Print: plain, Publish: func(...calendar.Publication) error { return nil }})
			ch := []*calendar.Change{stored(nil, event("SUMMARY:a"), calendar.Actor{User: "anna"})}
			for b.Loop() {
				p.take(ch[0])
			}
			p.Close()
		})
	}
}
