package acl

import (
	"iter"
	"math/bits"
)

// XML namespaces of the privileges.
const (
	NamespaceDAV    = "DAV:"
	NamespaceCalDAV = "urn:ietf:params:xml:ns:caldav"
	NamespaceOurs   = "urn:factotum:acl"
)

// Privilege is one privilege of RFC 3744. The zero Privilege stands for one
// that this server does not know.
type Privilege uint8

// The privileges of a calendar, its Inbox and its Outbox.
const (
	PrivUnknown           Privilege = iota
	PrivAll                         // DAV:all
	PrivRead                        // DAV:read
	PrivReadFreeBusy                // CALDAV:read-free-busy, RFC 4791 §6.1.1
	PrivReadComponents              // ours: the c^r half of DAV:read
	PrivReadCurrentSet              // DAV:read-current-user-privilege-set
	PrivWrite                       // DAV:write
	PrivWriteProperties             // DAV:write-properties
	PrivWriteContent                // DAV:write-content
	PrivBind                        // DAV:bind
	PrivUnbind                      // DAV:unbind
	PrivUnlock                      // DAV:unlock, abstract: nothing here is locked
	PrivReadACL                     // DAV:read-acl
	PrivWriteACL                    // DAV:write-acl
	PrivDeleteCalendar              // ours: delete the calendar itself
	PrivScheduleDeliver             // CALDAV:schedule-deliver, RFC 6638 §6.1
	PrivDeliverInvite               // CALDAV:schedule-deliver-invite
	PrivDeliverReply                // CALDAV:schedule-deliver-reply
	PrivQueryFreeBusy               // CALDAV:schedule-query-freebusy
	PrivScheduleSend                // CALDAV:schedule-send, RFC 6638 §6.2
	PrivSendInvite                  // CALDAV:schedule-send-invite
	PrivSendInviteRequest           // ours: the half of send-invite that invites
	PrivSendInviteCancel            // ours: the half of send-invite that cancels
	PrivSendReply                   // CALDAV:schedule-send-reply
	PrivSendFreeBusy                // CALDAV:schedule-send-freebusy
	privCount
)

// cells are rights on either part: components in the low half, properties in
// the high half. They are what a privilege is made of.
type cells uint32

const propShift = 16

func cell(components, properties Rights) cells {
	return cells(components) | cells(properties&propertyRights)<<propShift
}

func (c cells) split() (components, properties Rights) {
	return Rights(c & 0xffff), Rights(c >> propShift)
}

type privilegeInfo struct {
	space, name string
	doc         string
	cells       cells
	parts       []Privilege
	with        Privilege // must be set together with
	abstract    bool
}

// privileges says what every privilege is. Sun's w adds and modifies, so
// write-content and bind have the same cells and can only be set together;
// likewise the two deliver privileges, which Sun's s does not tell apart.
// Aggregates have their parts listed; their cells are the union.
var privileges = [privCount]privilegeInfo{
	PrivAll: {space: NamespaceDAV, name: "all", doc: "Anything",
		parts: []Privilege{PrivRead, PrivWrite, PrivUnlock, PrivReadACL, PrivWriteACL, PrivDeleteCalendar, PrivScheduleDeliver, PrivScheduleSend}},
	PrivRead: {space: NamespaceDAV, name: "read", doc: "Read the calendar and its events",
		parts: []Privilege{PrivReadFreeBusy, PrivReadComponents, PrivReadCurrentSet}},
	PrivReadFreeBusy:   {space: NamespaceCalDAV, name: "read-free-busy", doc: "See when the calendar is busy", cells: cell(FreeBusy, 0)},
	PrivReadComponents: {space: NamespaceOurs, name: "read-components", doc: "Read the events", cells: cell(Read, 0)},
	PrivReadCurrentSet: {space: NamespaceDAV, name: "read-current-user-privilege-set", doc: "See the calendar's name and one's own privileges on it", cells: cell(0, Read)},
	PrivWrite: {space: NamespaceDAV, name: "write", doc: "Change the calendar and its events",
		parts: []Privilege{PrivWriteProperties, PrivWriteContent, PrivBind, PrivUnbind}},
	PrivWriteProperties: {space: NamespaceDAV, name: "write-properties", doc: "Change the calendar's properties", cells: cell(0, Write)},
	PrivWriteContent:    {space: NamespaceDAV, name: "write-content", doc: "Change events (together with bind)", cells: cell(Write, 0), with: PrivBind},
	PrivBind:            {space: NamespaceDAV, name: "bind", doc: "Add events (together with write-content)", cells: cell(Write, 0), with: PrivWriteContent},
	PrivUnbind:          {space: NamespaceDAV, name: "unbind", doc: "Delete events", cells: cell(Delete, 0)},
	PrivUnlock:          {space: NamespaceDAV, name: "unlock", doc: "Remove locks of others", abstract: true},
	PrivReadACL:         {space: NamespaceDAV, name: "read-acl", doc: "See who may do what", cells: cell(SelfAdmin, 0)},
	PrivWriteACL:        {space: NamespaceDAV, name: "write-acl", doc: "Change who may do what", cells: cell(0, SelfAdmin)},
	PrivDeleteCalendar:  {space: NamespaceOurs, name: "delete-calendar", doc: "Delete the calendar", cells: cell(0, Delete)},
	PrivScheduleDeliver: {space: NamespaceCalDAV, name: "schedule-deliver", doc: "Send the owner scheduling messages",
		parts: []Privilege{PrivDeliverInvite, PrivDeliverReply, PrivQueryFreeBusy}},
	PrivDeliverInvite: {space: NamespaceCalDAV, name: "schedule-deliver-invite", doc: "Invite the owner (together with schedule-deliver-reply)", cells: cell(Schedule, 0), with: PrivDeliverReply},
	PrivDeliverReply:  {space: NamespaceCalDAV, name: "schedule-deliver-reply", doc: "Answer the owner's invitations (together with schedule-deliver-invite)", cells: cell(Schedule, 0), with: PrivDeliverInvite},
	PrivQueryFreeBusy: {space: NamespaceCalDAV, name: "schedule-query-freebusy", doc: "Ask when the owner is busy", cells: cell(FreeBusy, 0)},
	PrivScheduleSend: {space: NamespaceCalDAV, name: "schedule-send", doc: "Schedule on the owner's behalf",
		parts: []Privilege{PrivSendInvite, PrivSendReply, PrivSendFreeBusy}},
	PrivSendInvite: {space: NamespaceCalDAV, name: "schedule-send-invite", doc: "Invite and cancel on the owner's behalf",
		parts: []Privilege{PrivSendInviteRequest, PrivSendInviteCancel}},
	PrivSendInviteRequest: {space: NamespaceOurs, name: "send-request", doc: "Invite on the owner's behalf", cells: cell(Invite, 0)},
	PrivSendInviteCancel:  {space: NamespaceOurs, name: "send-cancel", doc: "Cancel on the owner's behalf", cells: cell(Cancel, 0)},
	PrivSendReply:         {space: NamespaceCalDAV, name: "schedule-send-reply", doc: "Answer invitations on the owner's behalf", cells: cell(Reply, 0)},
	PrivSendFreeBusy:      {space: NamespaceCalDAV, name: "schedule-send-freebusy", doc: "Look up others' busy time on the owner's behalf", cells: cell(Lookup, 0)},
}

// privCells is privileges[p].cells with the aggregates summed up.
var privCells [privCount]cells

// privNames finds a privilege by its XML name.
var privNames = map[[2]string]Privilege{}

func init() {
	var sum func(Privilege) cells
	sum = func(p Privilege) cells {
		c := privileges[p].cells
		for _, part := range privileges[p].parts {
			c |= sum(part)
		}
		return c
	}
	for p := PrivAll; p < privCount; p++ {
		privCells[p] = sum(p)
		privNames[[2]string{privileges[p].space, privileges[p].name}] = p
	}
}

// PrivilegeNamed finds a privilege by the namespace and local name of its
// element; PrivUnknown if there is none.
func PrivilegeNamed(space, local string) Privilege { return privNames[[2]string{space, local}] }

// Space is the namespace of the privilege's element.
func (p Privilege) Space() string { return p.info().space }

// Local is the local name of the privilege's element.
func (p Privilege) Local() string { return p.info().name }

// Description says in English what the privilege controls.
func (p Privilege) Description() string { return p.info().doc }

// Parts are the privileges that an aggregate is made of, the children of its
// DAV:supported-privilege. PrivAll is the root.
func (p Privilege) Parts() []Privilege { return p.info().parts }

// Abstract reports whether the privilege cannot be set: RFC 3744 §5.3.
func (p Privilege) Abstract() bool { return p.info().abstract }

// String gives the name with a customary prefix, for messages.
func (p Privilege) String() string {
	switch i := p.info(); i.space {
	case NamespaceDAV:
		return "DAV:" + i.name
	case NamespaceCalDAV:
		return "CALDAV:" + i.name
	case NamespaceOurs:
		return "factotum:" + i.name
	}
	return "unknown privilege"
}

func (p Privilege) info() *privilegeInfo {
	if p >= privCount {
		p = PrivUnknown
	}
	return &privileges[p]
}

// PrivilegeSet is a set of privileges.
type PrivilegeSet uint32

// Privileges gives what DAV:current-user-privilege-set lists for the given
// rights: RFC 3744 §5.4. Aggregates are listed with their parts, abstract
// privileges are not.
func Privileges(components, properties Rights) PrivilegeSet {
	have := cell(components, properties)
	var s PrivilegeSet
	for p := PrivAll; p < privCount; p++ {
		if !privileges[p].abstract && have&privCells[p] == privCells[p] {
			s |= 1 << p
		}
	}
	return s
}

// Has reports whether p is in the set.
func (s PrivilegeSet) Has(p Privilege) bool { return p != PrivUnknown && s&(1<<p) != 0 }

// With is the set with p.
func (s PrivilegeSet) With(p Privilege) PrivilegeSet { return s | 1<<p }

// Len is the number of privileges in the set.
func (s PrivilegeSet) Len() int { return bits.OnesCount32(uint32(s)) }

// All gives the privileges in a fixed order, the aggregates before their parts.
func (s PrivilegeSet) All() iter.Seq[Privilege] {
	return func(yield func(Privilege) bool) {
		for s != 0 {
			p := Privilege(bits.TrailingZeros32(uint32(s)))
			if !yield(p) {
				return
			}
			s &= s - 1
		}
	}
}

// InboxPrivileges and OutboxPrivileges are those that mean something on a
// scheduling collection, in which nobody but the server stores. RFC 6638 §6.
var (
	InboxPrivileges  = of(PrivRead, PrivWriteProperties, PrivUnbind, PrivReadACL, PrivScheduleDeliver)
	OutboxPrivileges = of(PrivRead, PrivWriteProperties, PrivReadACL, PrivScheduleSend)
)

// of is the set of privileges with all their parts.
func of(list ...Privilege) (s PrivilegeSet) {
	for _, p := range list {
		s |= 1<<p | of(privileges[p].parts...)
	}
	return s
}
