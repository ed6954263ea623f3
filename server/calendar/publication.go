package calendar

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// EventRef is an event reference of ENS: the name of something that happened,
// such as enp:///ics/alarm?calid=anna&uid=1. notifications.md §8.2.
type EventRef struct {
	Topic  string // all before the question mark
	Params []EventParam
}

// EventParam is a parameter of an event reference, unescaped.
type EventParam struct{ Name, Value string }

// NewEventRef makes a reference of a topic and of names and values in turn. A
// parameter without a value is left out.
func NewEventRef(topic string, params ...string) EventRef {
	r := EventRef{Topic: topic}
	for i := 0; i+1 < len(params); i += 2 {
		if params[i+1] != "" {
			r.Params = append(r.Params, EventParam{params[i], params[i+1]})
		}
	}
	return r
}

// ParseEventRef reads a reference as String spells it; the slash that some write
// before the question mark counts for nothing.
func ParseEventRef(s string) (EventRef, error) {
	topic, query, _ := strings.Cut(s, "?")
	if !strings.HasPrefix(topic, "enp://") {
		return EventRef{}, &Error{Kind: Invalid, Op: "read an event reference", Ref: s, Msg: "An event reference begins with enp://, such as enp:///ics/alarm?calid=anna."}
	}
	r := EventRef{Topic: strings.TrimRight(topic, "/")}
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		n, err := url.PathUnescape(name)
		v, err2 := url.PathUnescape(value)
		if err != nil || err2 != nil {
			return EventRef{}, &Error{Kind: Invalid, Op: "read an event reference", Ref: s, Msg: "A parameter has a % that two hexadecimal digits do not follow."}
		}
		r.Params = append(r.Params, EventParam{n, v})
	}
	return r, nil
}

// String spells the reference, with all that is special in it escaped.
func (r EventRef) String() string {
	var b strings.Builder
	b.WriteString(r.Topic)
	for i, p := range r.Params {
		b.WriteByte("?&"[min(i, 1)])
		b.WriteString(eventEscape(p.Name))
		b.WriteByte('=')
		b.WriteString(eventEscape(p.Value))
	}
	return b.String()
}

func eventEscape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// Param is the value of the first parameter of a name; ok is false if there is none.
func (r EventRef) Param(name string) (value string, ok bool) {
	i := slices.IndexFunc(r.Params, func(p EventParam) bool { return p.Name == name })
	if i < 0 {
		return "", false
	}
	return r.Params[i].Value, true
}

// Matches reports whether who subscribed to this reference is told of a published
// one: the topic is the same, and each parameter of the subscription is there with
// the same value, in whatever order. A topic that ends in * stands for all that
// begin as it does. notifications.md §8.2.
func (r EventRef) Matches(published EventRef) bool {
	if prefix, any := strings.CutSuffix(r.Topic, "*"); any {
		if !strings.HasPrefix(published.Topic, prefix) {
			return false
		}
	} else if r.Topic != published.Topic {
		return false
	}
	for _, p := range r.Params {
		if !slices.Contains(published.Params, p) {
			return false
		}
	}
	return true
}

// JobPublish is the kind of jobs of which each brings one Publication to the
// event notification service, at least once.
const JobPublish = "publish"

// Publication is an event on its way to the subscribers of ENS.
type Publication struct {
	// ID is the same however often it is published: by it a subscriber knows what
	// he has had.
	ID          string    `json:"id"`
	Ref         string    `json:"ref"`             // an EventRef
	Owner       Owner     `json:"owner,omitempty"` // whose calendar it is about
	When        time.Time `json:"when"`            // it happened
	Expires     time.Time `json:"expires,omitzero"`
	ContentType string    `json:"type,omitempty"` // text/xml or text/calendar
	Data        []byte    `json:"data,omitempty"`
}

// Job makes a job of it. Publications with the same key are published in order; an
// empty key waits for no other.
func (p *Publication) Job(key string) (Job, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return Job{}, fmt.Errorf("write a publication: %w", err)
	}
	return Job{Kind: JobPublish, Key: key, Payload: text}, nil
}

// ParsePublication reads the payload of a job.
func ParsePublication(job Job) (p Publication, err error) {
	if err := json.Unmarshal(job.Payload, &p); err != nil {
		return p, fmt.Errorf("read a publication: %w", err)
	}
	return p, nil
}
