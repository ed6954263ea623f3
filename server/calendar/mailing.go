package calendar

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// JobMail is the kind of jobs of which each is one mail to one person: a Mailing.
const JobMail = "mail"

// MailKind says what a mail is about.
type MailKind string

const (
	// MailScheduling brings a scheduling message to somebody who has no calendar
	// here. RFC 6047.
	MailScheduling MailKind = "scheduling"
	// MailDelayed and MailReturned tell who sent a mail that it could not be
	// delivered yet, and that nobody tries any more.
	MailDelayed  MailKind = "delayed"
	MailReturned MailKind = "returned"
	// Notices tell people here what they see in their calendars: an organizer of an
	// answer, and who is invited of an invitation, a change, and its end.
	// notifications.md §4, §5.
	MailAnswer       MailKind = "answer"
	MailInvitation   MailKind = "invitation"
	MailChange       MailKind = "change"
	MailCancellation MailKind = "cancellation"
	// MailReminder is an alarm with ACTION:EMAIL that fires. Its Letter is from whom
	// the alarm is of.
	MailReminder MailKind = "reminder"
	// MailHeld tells somebody what came by mail and waits for his decision.
	MailHeld MailKind = "held"
	// MailHook tells somebody that a webhook of his was switched off: Summary is the
	// host that it was for, UID its id, and Why says what was wrong, Since when.
	MailHook MailKind = "hook"
	// MailRezoned tells somebody which of his events have the hours of another release
	// of the zone database: Letter.Data is an event whose DESCRIPTION lists them.
	MailRezoned MailKind = "rezoned"
)

// Mailing is the payload of a job of kind JobMail.
type Mailing struct {
	Kind    MailKind `json:"kind"`
	To      string   `json:"to"` // a mail address
	UID     string   `json:"uid"`
	Summary string   `json:"summary,omitempty"`
	Letter  Letter   `json:"letter"`        // what it is about, with the name that it has for ever
	Why     string   `json:"why,omitempty"` // what the servers said, of a notice about a mail
	// Expires is when nobody wants it any more; zero: never.
	Expires time.Time `json:"expires,omitzero"`

	// Of MailHeld: what came from then on, and before that. Of MailHook: the first that failed.
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`

	// What became of it so far.
	Attempts []MailAttempt `json:"attempts,omitempty"` // the newest last, of which there are MailHistory at most
	Tried    int           `json:"tried,omitempty"`    // how often a server was asked
	Perhaps  bool          `json:"perhaps,omitempty"`  // it may have arrived: the answer of a server was lost
	Warned   int           `json:"warned,omitempty"`   // how often its sender was told that it is late; in a notice, with this one
}

// MailAttempt is what happened when somebody tried to deliver a mail.
type MailAttempt struct {
	When time.Time `json:"when"`
	Text string    `json:"text"` // with the host and the server's words
}

// MailHistory is how many attempts a mail remembers.
const MailHistory = 20

// Note keeps an attempt, or that there was none since the server is left alone.
func (m *Mailing) Note(when time.Time, text string) {
	m.Attempts = append(m.Attempts, MailAttempt{when, text})
	if n := len(m.Attempts) - MailHistory; n > 0 {
		m.Attempts = m.Attempts[n:]
	}
}

// mailLane begins the lanes of what goes by mail.
const mailLane = "mailto:"

// MailLane is the lane of what is mailed to an address.
func MailLane(address string) string { return mailLane + strings.ToLower(address) }

// MailAddress is the address that a Job.Key of a mail is about.
func MailAddress(key string) string {
	return strings.TrimPrefix(PostLane(key), mailLane)
}

// Job makes a job of it. What is mailed to one person about one UID goes in order.
func (m *Mailing) Job() (Job, error) {
	text, err := json.Marshal(m)
	if err != nil {
		return Job{}, fmt.Errorf("write a mailing: %w", err)
	}
	return Job{Kind: JobMail, Key: PostKey(m.UID, MailLane(m.To)), Payload: text}, nil
}

// Name is the left side of the Message-ID of the mail that is made of it, the same
// whenever it is sent: by it one knows what comes back.
func (m *Mailing) Name() string {
	parts := []string{string(m.Kind), m.Letter.ID, strings.ToLower(m.To)}
	if m.Kind == MailDelayed || m.Kind == MailReturned { // each is about one recipient, and may be the second
		parts = append(parts, append(m.Letter.To, fmt.Sprint(m.Warned))...)
	}
	return MailDigest(parts...)
}

// MailDigest makes a left side of a Message-ID of what distinguishes a mail.
func MailDigest(parts ...string) string {
	sum := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(sum, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// ParseMailing reads the payload of a job.
func ParseMailing(job Job) (m Mailing, err error) {
	if err := json.Unmarshal(job.Payload, &m); err != nil {
		return m, fmt.Errorf("read a mailing: %w", err)
	}
	return m, nil
}
