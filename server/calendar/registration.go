package calendar

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// RegistrationKind says how somebody is told of changes.
type RegistrationKind string

// The kinds of registrations.
const (
	// PushRegistration is a push service's address, WebDAV-Push.
	PushRegistration RegistrationKind = "push"
	// HookRegistration is a webhook: an address that gets a POST for each change.
	HookRegistration RegistrationKind = "hook"
)

// Registered are the kinds of registrations that a home has, as bits.
type Registered uint8

// The bits of Registered.
const (
	HasPush Registered = 1 << iota
	HasHooks
)

// Bit is that of the kind.
func (k RegistrationKind) Bit() Registered {
	switch k {
	case PushRegistration:
		return HasPush
	case HookRegistration:
		return HasHooks
	}
	return 0
}

// Depth is how far below a resource somebody wants to hear of changes; the zero
// value is not at all. WebDAV-Push, Content Updates.
type Depth uint8

// The depths.
const (
	NoDepth       Depth = iota
	DepthSelf           // 0
	DepthMembers        // 1
	DepthInfinity       // infinity
)

// Triggers are the updates that a registration is for.
type Triggers struct {
	Content    Depth `json:"content,omitempty"`
	Properties Depth `json:"properties,omitempty"`
}

// Registration is that somebody is told of what changes in a calendar, or in a
// whole home. It is kept in the home.
type Registration struct {
	ID       string // drawn at random
	Owner    Owner
	Kind     RegistrationKind
	Calendar ID     // "" = the whole home
	User     UserID // who registered, and as whom it is looked what may be told
	Address  string // an URL; of somebody else's registration no more than its host
	Triggers Triggers
	Contents bool // of a webhook: with the text of what changed, as User sees it
	Created  time.Time
	Expires  time.Time // zero: never

	// What became of it.
	Failures int       // deliveries that failed in a row
	Since    time.Time // the first of them
	Last     time.Time // the last that was tried
	Problem  string    // why it failed, in words that the user may be shown
	Off      bool      // switched off, since it kept failing
}

// RegistrationRow is a registration at rest.
type RegistrationRow struct {
	ID      string
	Kind    RegistrationKind
	Cal     int64     // CalendarRow.ID; of a collection that every home has its kind, 0 = the whole home
	Expires time.Time // zero: never
	RegistrationDetail
}

// RegistrationDetail is what of a RegistrationRow only the model reads.
type RegistrationDetail struct {
	Calendar ID        `json:"calendar,omitempty"` // as it was called when it was registered
	User     UserID    `json:"user"`
	Entry    string    `json:"entry,omitempty"` // Person.Entry of the user: who has his name later is somebody else
	Address  string    `json:"address"`
	Key      []byte    `json:"key,omitempty"`    // of push: the client's public key, RFC 8291 §2
	Secret   []byte    `json:"secret,omitempty"` // of push: the client's authentication secret; of a webhook: what its deliveries are signed with
	Triggers Triggers  `json:"triggers"`
	Contents bool      `json:"contents,omitempty"`
	Created  time.Time `json:"created"`

	Failures int       `json:"failures,omitempty"`
	Since    time.Time `json:"since,omitzero"`
	Last     time.Time `json:"last,omitzero"`
	Problem  string    `json:"problem,omitempty"`
	Off      bool      `json:"off,omitempty"`

	// The message that waits to be sent: change and place of its job.
	Waiting    int64 `json:"waiting,omitempty"`
	WaitingSeq int   `json:"waitingseq,omitempty"`
}

// RegisterRequest registers an address, or changes the registration that this user
// has of the same address for the same calendar.
type RegisterRequest struct {
	Owner    Owner
	Calendar ID // of the owner; "" = his whole home
	Kind     RegistrationKind
	Address  string
	Key      []byte
	Secret   []byte
	Triggers Triggers
	Contents bool
	Expires  time.Time // zero: as late as the server allows
	// ServerKey is the public key by which the client was told that the server is
	// known to push services: that of the owner's back end must be the same.
	ServerKey string
}

// RegisterResult tells what was registered.
type RegisterResult struct {
	Registration Registration
	Created      bool   // it was not there before
	Secret       []byte // of a webhook, which is shown only now
}

// RegistrationsRequest asks for registrations in a home: all for the owner, those
// of his own for somebody else.
type RegistrationsRequest struct {
	Owner Owner
	Kind  RegistrationKind
}

// TestHookRequest names a webhook.
type TestHookRequest struct {
	Owner Owner
	ID    string
}

// UnregisterRequest names the registration to end.
type UnregisterRequest struct {
	Owner Owner
	ID    string
	Kind  RegistrationKind
}

// The kinds of jobs that tell of changes.
const (
	// JobNews finds whom a change is to be told: News.
	JobNews = "news"
	// JobPush is one message to a push service, and JobHook one to a webhook: a Telling.
	JobPush = "push"
	JobHook = "hook"
)

// News is a change, as those who registered are told of it.
type News struct {
	ID    string    `json:"id"`   // the same however often it is told
	What  string    `json:"what"` // the last part of the topic, such as caleventcreate. notifications.md §8.3
	When  time.Time `json:"when"`
	Cal   int64     `json:"cal,omitempty"` // as RegistrationRow.Cal; 0 = the home itself
	CalID ID        `json:"calid,omitempty"`
	Name  string    `json:"name,omitempty"` // of the object
	UID   string    `json:"uid,omitempty"`
	By    UserID    `json:"by,omitempty"`

	// At which depth it is an update of the calendar, and of the home.
	InCalendar Triggers `json:"incalendar,omitzero"`
	InHome     Triggers `json:"inhome,omitzero"`

	Quiet []string `json:"quiet,omitempty"` // push registrations that are not told, "*": none is
}

// Of reports at which depth the news is an update of what somebody registered for.
func (n *News) Of(r *RegistrationRow) Triggers {
	switch r.Cal {
	case 0:
		return n.InHome
	case n.Cal:
		return n.InCalendar
	}
	return Triggers{}
}

// Telling is the payload of JobPush and JobHook.
type Telling struct {
	Registration string `json:"registration"`
	Content      bool   `json:"content,omitempty"`
	Properties   bool   `json:"properties,omitempty"`
	News         *News  `json:"news,omitempty"` // of a webhook
}

// TellingKey is the key of the jobs of one registration.
func TellingKey(kind RegistrationKind, id string) string { return string(kind) + "/" + id }

// Payload writes what a job of one of these kinds carries.
func (n *News) Payload() ([]byte, error) { return json.Marshal(n) }

// Payload writes what a job carries.
func (t *Telling) Payload() ([]byte, error) { return json.Marshal(t) }

// ParseNews reads the payload of a JobNews.
func ParseNews(job Job) (n News, err error) {
	if err := json.Unmarshal(job.Payload, &n); err != nil {
		return n, fmt.Errorf("read the news: %w", err)
	}
	return n, nil
}

// ParseTelling reads the payload of a JobPush or JobHook.
func ParseTelling(job Job) (t Telling, err error) {
	if err := json.Unmarshal(job.Payload, &t); err != nil {
		return t, fmt.Errorf("read a telling: %w", err)
	}
	return t, nil
}

// NewsTest is the What of news that a user asked for to try a webhook.
const NewsTest = "test"

// ComponentNews is what a change of an object is called; "" if it is nothing that
// has a name. notifications.md §8.3.
func ComponentNews(component, verb string) string {
	switch component {
	case "VEVENT":
		return "calevent" + verb
	case "VTODO":
		return "caltodo" + verb
	case "VJOURNAL":
		return "caljournal" + verb
	}
	return ""
}

// Message is what one registration is to be told.
type Message struct {
	Owner     Owner
	Row       RegistrationRow
	Telling   Telling
	News      News    // of a webhook
	CalID     ID      // the calendar as it is called now, "" if there is none
	SyncToken string  // of the calendar; "" of a home
	Gone      bool    // the calendar was deleted: there is nothing more to tell
	Object    *Object // of a webhook that wants contents
}

// Outcome is what became of a Message.
type Outcome struct {
	Again   bool   // it is tried again
	End     bool   // the registration ends
	Off     bool   // it is switched off
	Problem string // why it failed, in words that the user may be shown
}

// Tellings is the model as those see it who send Messages: jobs of kind JobPush and
// JobHook.
type Tellings interface {
	// TakeTelling is what a job's registration is to be told; ok is false where that
	// has come to nothing, and the job is gone.
	TakeTelling(ctx context.Context, job Job) (m Message, ok bool, err error)
	// SettleTelling notes what became of it, and deletes the job unless it is tried
	// again.
	SettleTelling(ctx context.Context, job JobID, id string, out Outcome) error
}

// Place is what a registration calls a collection: its id, or the kind of one that
// every home has, whether it is stored or not.
func Place(kind CollectionKind, id int64) int64 {
	if kind.Rules().Name != "" {
		return int64(kind)
	}
	return id
}

// TopicOf are the parts of the push topic of a place in a home; 0 is the home.
func TopicOf(owner Owner, place int64) []string {
	return []string{string(owner), strconv.FormatInt(place, 10)}
}

// PushPath is where push registrations are: PushPath + owner + "/" + id. HooksPath
// is the same for webhooks.
const (
	PushPath  = "/dav/push/"
	HooksPath = "/dav/hooks/"
)
