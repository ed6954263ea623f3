package wcap

import (
	"errors"
	"strings"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/why"
)

// heldBox is the inbox that a request means: of the owner of the calendar that it
// names, or of the user.
func (c *call) heldBox() (t target, box calendar.ID, err error) {
	list, err := c.targets()
	if err != nil {
		return t, "", err
	}
	t = list[0]
	if len(list) > 1 {
		err = &calendar.Error{Kind: calendar.TooMany, Op: c.name}
	} else {
		err = t.err
	}
	return t, calendar.NewID(t.id.Owner(), calendar.InboxCollection.Rules().Name), t.because(err)
}

// fetchHeld shows what came to somebody by mail and waits for his decision: the
// components of the messages, each with why it is held and what decide_held calls it.
// A command of ours: docs/wcap.md, "What is held".
func (c *call) fetchHeld() error {
	t, box, err := c.heldBox()
	if err != nil {
		return err
	}
	var list []calendar.Held
	err = c.be.Query(c.ctx, c.who, calendar.QueryRequest{Calendar: box}, func(o *calendar.Object) error {
		if h, ok := calendar.HeldItem(o.Name, o.Data, o.Modified); ok {
			list = append(list, h)
		}
		return nil
	})
	if errors.Is(err, calendar.NoCalendar) && strings.EqualFold(string(box.Owner()), c.me.ID) {
		err = nil // nothing ever came
	}
	if err != nil {
		return t.because(err)
	}
	calendar.SortHeld(list)
	c.out.begin("PUBLISH")
	c.out.text("X-NSCP-CALPROPS-RELATIVE-CALID", string(t.id))
	v := c.presentation()
	show := c.shower(v, &calendar.Calendar{ID: box}, c.zone().Name())
	shown := 0
	for i := range list {
		h := &list[i]
		err := show.show(&calendar.Object{Name: h.Name, UID: h.UID, Data: h.Data, Created: h.Came, Modified: h.Came}, nil, func(k *ical.Component) error {
			if v.max > 0 && shown >= v.max {
				return nil
			}
			shown++
			text := func(name, value string) {
				if value != "" {
					k.Props = append(k.Props, ical.Property{Name: name, Value: ical.EscapeText(value)})
				}
			}
			text("X-FACTOTUM-ITEM", h.Name)
			text("X-FACTOTUM-METHOD", h.Method)
			text(calendar.HeldReason, h.Reason)
			text("X-FACTOTUM-SENTENCE", why.Sentence(h.Reason))
			text(calendar.HeldSender, h.Sender)
			return c.out.comp(k)
		})
		if err != nil {
			return err
		}
	}
	c.out.errno(OK)
	c.out.end()
	return nil
}

// decideHeld accepts or rejects a message that is held. A command of ours:
// docs/wcap.md, "What is held".
func (c *call) decideHeld() error {
	t, box, err := c.heldBox()
	if err != nil {
		return err
	}
	item, decision := strings.TrimSpace(c.p.text("item")), strings.ToLower(strings.TrimSpace(c.p.text("decision")))
	switch {
	case item == "" || decision == "":
		return t.because(InsufficientParameters)
	case decision != "accept" && decision != "reject":
		return t.because(&calendar.Error{Kind: calendar.Invalid, Op: c.name, Msg: "decision is accept or reject"})
	}
	res, err := c.be.Decide(c.ctx, c.who, calendar.DecideRequest{Ref: calendar.Ref{Calendar: box, Name: item}, Accept: decision == "accept", Remember: c.p.flag("remember", false)})
	if err != nil {
		return t.because(err)
	}
	return c.simple("PUBLISH", func(o *output) {
		o.text("X-NSCP-CALPROPS-RELATIVE-CALID", string(t.id))
		o.text("X-FACTOTUM-REASON", res.Reason)
		o.text("X-FACTOTUM-SENTENCE", why.Of(&calendar.Trace{Reason: res.Reason, Detail: res.Detail}))
		o.value("X-FACTOTUM-APPLIED", map[bool]string{true: "1", false: "0"}[res.Applied])
	})
}
