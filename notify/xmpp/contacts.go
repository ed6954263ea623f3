package xmpp

import (
	"sync"
	"time"

	"mellium.im/xmpp/jid"
)

// there is whether somebody is there.
type there uint8

const (
	unknown there = iota // it is not ours to see
	offline
	online
)

// Bounds of what is remembered.
const (
	mostContacts  = 200_000
	mostResources = 32 // of one contact
)

// settling is how long after the log-in contacts of other servers may take to be
// heard of.
const settling = 10 * time.Second

// contacts are those of the roster, by bare JID, with who is there of them. RFC 6121
// §2, §4.
type contacts struct {
	since time.Time // of the log-in

	mu sync.Mutex
	of map[string]*contact
}

type contact struct {
	seen    bool           // we may see his presence
	pending bool           // we have asked to
	heard   bool           // he, or his server, has said something
	here    map[string]int // resources that are there, with their priorities
}

// item is one of the roster.
type item struct {
	JID          string `xml:"jid,attr"`
	Subscription string `xml:"subscription,attr"`
	Ask          string `xml:"ask,attr"`
}

// note takes in what the roster says of somebody. RFC 6121 §2.1.2.
func (c *contacts) note(it item) {
	who, err := jid.Parse(it.JID)
	if err != nil {
		return
	}
	name := who.Bare().String()
	c.mu.Lock()
	defer c.mu.Unlock()
	if it.Subscription == "remove" {
		delete(c.of, name)
		return
	}
	k := c.of[name]
	if k == nil {
		if len(c.of) >= mostContacts {
			return
		}
		k = &contact{here: map[string]int{}}
		c.of[name] = k
	}
	k.seen, k.pending = it.Subscription == "to" || it.Subscription == "both", it.Ask == "subscribe"
	if !k.seen {
		k.heard = false
		clear(k.here)
	}
}

// hear takes in a presence. RFC 6121 §4.4, §4.5.
func (c *contacts) hear(from jid.JID, typ string, priority int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.of[from.Bare().String()]
	if k == nil {
		return
	}
	resource := from.Resourcepart()
	k.heard = true
	switch {
	case typ == "":
		if len(k.here) < mostResources {
			k.here[resource] = priority
		}
	case resource == "":
		clear(k.here)
	default:
		delete(k.here, resource)
	}
}

// where tells whether somebody is there, and whether he was asked to show it. Who
// has a negative priority only is sent nothing that has no resource: RFC 6121 §4.7.2.3.
func (c *contacts) where(who jid.JID, now time.Time) (at there, pending bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.of[who.Bare().String()]
	if k == nil {
		return unknown, false
	}
	for _, priority := range k.here {
		if priority >= 0 {
			return online, false
		}
	}
	switch {
	case !k.seen:
		return unknown, k.pending
	case !k.heard && now.Sub(c.since) < settling:
		return unknown, true
	}
	return offline, false
}
