package calendar

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"factotum/server/acl"
)

// Invitee is one with whom the owner of a calendar shares it. What he may do is
// in the list of the calendar, and only there; this is what became of the
// invitation. Apple's caldav-sharing, CS:user.
type Invitee struct {
	User    UserID
	UID     string // of the invitation
	Name    string // common name, as the sharer gave it
	Summary string // what he, or then the sharee, calls the calendar
	Status  InviteStatus

	Access acl.Access `json:"-"` // what the list gives him now; filled in answers
}

// InviteStatus is what became of an invitation. Its numbers are stored, and part
// of DWP.
type InviteStatus uint8

// The states.
const (
	InviteNoResponse InviteStatus = iota
	InviteAccepted
	InviteDeclined
	InviteDeleted // of a notification: the calendar is not shared any more
)

// inviteProp keeps the invitees of a calendar, among its dead properties. No
// client sees it or sets it as it is.
var inviteProp = DeadProp{Space: acl.NamespaceOurs, Local: "invite"}

// IsInviteProp tells whether a property is the one that keeps invitees.
func IsInviteProp(p DeadProp) bool { return p.Space == inviteProp.Space && p.Local == inviteProp.Local }

// Invitees takes them out of a calendar's dead properties.
func Invitees(props []DeadProp) (list []Invitee, rest []DeadProp) {
	at := slices.IndexFunc(props, IsInviteProp)
	if at < 0 {
		return nil, props
	}
	if json.Unmarshal([]byte(props[at].Value), &list) != nil {
		list = nil
	}
	return list, slices.Delete(slices.Clone(props), at, at+1)
}

// KeepInvitees is the change that stores them.
func KeepInvitees(list []Invitee) PropChange {
	p := inviteProp
	if len(list) == 0 {
		return PropChange{Prop: p, Remove: true}
	}
	text, err := json.Marshal(list)
	if err != nil { // strings and numbers always can be
		return PropChange{Prop: p, Remove: true}
	}
	p.Value = string(text)
	return PropChange{Prop: p}
}

// ShareRequest shares a calendar, or ends that. CS:share of caldav-sharing.
type ShareRequest struct {
	Calendar ID
	Set      []ShareSet
	Remove   []UserID
}

// ShareSet shares with one.
type ShareSet struct {
	User    UserID
	Name    string
	Summary string
	Write   bool // CS:read-write, else CS:read
}

// Note is what one person is told of another's sharing: a notification of
// caldav-sharing, and how the two homes learn of each other. It is stored in the
// transaction of what it tells of as a job, and brought by that.
type Note struct {
	ID       string // names it for ever: it is taken once
	To       Owner
	From     UserID
	Kind     NoteKind
	Calendar ID
	UID      string // of the invitation
	Status   InviteStatus
	Access   acl.Access
	Summary  string
	When     time.Time
}

// NoteKind is what a Note is about. Its numbers are stored, and part of DWP.
type NoteKind uint8

// The kinds.
const (
	NoteInvite NoteKind = iota + 1 // a calendar is shared with you, or no longer
	NoteReply                      // how somebody answered
	NoteProxy                      // Access is what you may do for From from now on
	NoteFollow                     // the group From, which your meeting UID invites, has other members: nothing is kept of it
)

// JobShare is the kind of jobs that bring a Note.
const JobShare = "share"

// Job is the job that brings it.
func (n *Note) Job() (Job, error) {
	text, err := json.Marshal(n)
	return Job{Kind: JobShare, Key: "share " + string(n.To), Payload: text}, err
}

// ParseNote reads what Note.Job wrote. The job names the note.
func ParseNote(j Job) (n Note, err error) {
	if err = json.Unmarshal(j.Payload, &n); err != nil {
		return n, &Error{Kind: Invalid, Op: "bring a notification", Ref: j.String(), Err: err}
	}
	n.ID = string(j.Owner) + "-" + strconv.FormatInt(j.Change, 36) + "-" + strconv.Itoa(j.Seq)
	return n, nil
}

// NotifyRequest brings a Note to whom it is for.
type NotifyRequest struct{ Note Note }

// Notes are the notifications that a user has: Change is another number after
// each change of them.
type Notes struct {
	Change int64
	List   []Note
}

// maxNotes is how many are kept: the oldest go.
const maxNotes = 200

// NotesPref is the preference that keeps notifications.
const NotesPref = "shares:notes"

// NotesOf reads them from preferences.
func NotesOf(prefs map[string]string) (n Notes) {
	if text := prefs[NotesPref]; text != "" && json.Unmarshal([]byte(text), &n) != nil {
		return Notes{}
	}
	return n
}

// KeepNotes puts them into preferences.
func KeepNotes(prefs map[string]string, n Notes) {
	if over := len(n.List) - maxNotes; over > 0 {
		n.List = n.List[over:]
	}
	if text, err := json.Marshal(n); err == nil {
		prefs[NotesPref] = string(text)
	}
}

// Invitation is the one to a calendar that was not answered yet.
func (n *Notes) Invitation(id ID) (Note, bool) {
	i := slices.IndexFunc(n.List, func(n Note) bool { return n.Kind == NoteInvite && n.Calendar == id && n.Status == InviteNoResponse })
	if i < 0 {
		return Note{}, false
	}
	return n.List[i], true
}

// Drop takes out those that match, and tells whether there was any.
func (n *Notes) Drop(match func(Note) bool) bool {
	had := len(n.List)
	n.List = slices.DeleteFunc(n.List, match)
	return len(n.List) < had
}
