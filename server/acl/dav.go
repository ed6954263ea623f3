package acl

import (
	"fmt"
	"strings"
)

// Principal kinds of a DAV:ace: RFC 3744 §5.5.1.
type PrincipalKind uint8

// The principals. Group and domain principals have an href too; what an href
// looks like is the caller's business.
const (
	PrincipalUser            PrincipalKind = iota + 1 // DAV:href of a user or group; Name is the id
	PrincipalDomain                                   // DAV:href of the group of all users of a domain; Name is the domain
	PrincipalAll                                      // DAV:all
	PrincipalAuthenticated                            // DAV:authenticated
	PrincipalUnauthenticated                          // DAV:unauthenticated
	PrincipalSelf                                     // DAV:self, which no calendar has
	PrincipalProperty                                 // DAV:property; Space and Name are the property's
)

// Properties that hold a group principal, for the entries of Sun's that
// depend on the calendar's owners; DAV:owner is the primary owner.
const (
	PropertyOwners      = "owners"       // @@o, in NamespaceOurs
	PropertyNonOwners   = "non-owners"   // @@n, in NamespaceOurs
	PropertyOwnerDomain = "owner-domain" // @@d, in NamespaceOurs
)

// Principal is whom a DAV:ace is about.
type Principal struct {
	Kind  PrincipalKind
	Space string // of a property
	Name  string // id, domain, or local name of a property
}

// DAVACE is one DAV:ace.
type DAVACE struct {
	Principal  Principal
	Invert     bool
	Deny       bool
	Privileges []Privilege // PrivUnknown for an element that PrivilegeNamed does not know
	Protected  bool
	Inherited  bool
}

// The preconditions of the ACL method that a list can fail: RFC 3744 §8.1.1.
const (
	PreNoACEConflict          = "no-ace-conflict"
	PreNoProtectedACEConflict = "no-protected-ace-conflict"
	PreNoInheritedACEConflict = "no-inherited-ace-conflict"
	PreLimitedNumberOfACEs    = "limited-number-of-aces"
	PreNoInvert               = "no-invert"
	PreNoAbstract             = "no-abstract"
	PreNotSupportedPrivilege  = "not-supported-privilege"
	PreRecognizedPrincipal    = "recognized-principal"
	PreAllowedPrincipal       = "allowed-principal"
)

// DAVError says why a DAV:acl cannot be set. Precondition is the local name,
// in the namespace DAV:, of the element to answer with; ACE counts from 1, 0
// means the list as a whole.
type DAVError struct {
	Precondition string
	ACE          int
	Reason       string
}

func (e *DAVError) Error() string {
	if e.ACE == 0 {
		return fmt.Sprintf("access control list: %s (DAV:%s)", e.Reason, e.Precondition)
	}
	return fmt.Sprintf("access control list: ace %d: %s (DAV:%s)", e.ACE, e.Reason, e.Precondition)
}

// ToDAV gives a list as the value of DAV:acl. The primary owner's rights and
// the entries of owner, which no client can remove, come first and are
// protected. Entries that decide nothing are left out. Both kinds of list are
// walked in order and the first entry decides, so the order stays: RFC 3744 §6.
func ToDAV(owner, l List) []DAVACE {
	out := make([]DAVACE, 0, 1+len(owner)+len(l))
	out = append(out, DAVACE{
		Principal:  Principal{Kind: PrincipalProperty, Space: NamespaceDAV, Name: "owner"},
		Privileges: []Privilege{PrivAll},
		Protected:  true,
	})
	out = appendDAV(out, owner, true)
	return appendDAV(out, l, false)
}

func appendDAV(out []DAVACE, l List, protected bool) []DAVACE {
	for i := range l {
		e := &l[i]
		ps := cover(cell(e.parts()))
		if len(ps) == 0 {
			continue
		}
		out = append(out, DAVACE{Principal: principalOf(e.Who), Deny: !e.Grant, Privileges: ps, Protected: protected})
	}
	return out
}

// cover gives the fewest privileges with exactly these cells: an aggregate
// where all of it is there, else what there is of its parts.
func cover(have cells) []Privilege {
	var out []Privilege
	var walk func(p Privilege)
	walk = func(p Privilege) {
		c := privCells[p]
		switch {
		case c == 0 || have&c == 0:
		case have&c == c:
			out = append(out, p)
		default:
			for _, part := range privileges[p].parts {
				walk(part)
			}
		}
	}
	walk(PrivAll)
	return out
}

func principalOf(w Who) Principal {
	switch w.Kind {
	case User:
		if strings.EqualFold(w.Name, Anonymous) {
			return Principal{Kind: PrincipalUnauthenticated}
		}
		return Principal{Kind: PrincipalUser, Name: w.Name}
	case Domain:
		return Principal{Kind: PrincipalDomain, Name: w.Name}
	case Everyone:
		return Principal{Kind: PrincipalAll}
	case Authenticated:
		return Principal{Kind: PrincipalAuthenticated}
	case Primary:
		return Principal{Kind: PrincipalProperty, Space: NamespaceDAV, Name: "owner"}
	case AnyOwner:
		return Principal{Kind: PrincipalProperty, Space: NamespaceOurs, Name: PropertyOwners}
	case NotOwner:
		return Principal{Kind: PrincipalProperty, Space: NamespaceOurs, Name: PropertyNonOwners}
	case OwnerDomain:
		return Principal{Kind: PrincipalProperty, Space: NamespaceOurs, Name: PropertyOwnerDomain}
	}
	return Principal{}
}

// FromDAV gives the list that means exactly the same as the given DAV:acl,
// which the ACL method sets: RFC 3744 §8.1. What Sun's entries cannot say is a
// *DAVError with the precondition that fails. The caller has turned every href
// into a user, group or domain, and answers DAV:recognized-principal itself
// for one it does not know.
//
// Deviation: RFC 3744 §8.1.1: deny and grant may be mixed, since the order
// decides; DAV:deny-before-grant is not asked for (nor is it listed in
// DAV:acl-restrictions, which has DAV:no-invert only).
func FromDAV(aces []DAVACE) (List, error) {
	var out List
	for i, a := range aces {
		fail := func(pre, reason string) (List, error) {
			return nil, &DAVError{Precondition: pre, ACE: i + 1, Reason: reason}
		}
		switch {
		case a.Protected:
			return fail(PreNoProtectedACEConflict, "a protected entry cannot be set")
		case a.Inherited:
			return fail(PreNoInheritedACEConflict, "an inherited entry cannot be set")
		case a.Invert:
			return fail(PreNoInvert, "inverted entries are not supported")
		}
		who, pre, reason := whoOf(a.Principal)
		if pre != "" {
			return fail(pre, reason)
		}
		have, pre, reason := cellsOf(a.Privileges)
		if pre != "" {
			return fail(pre, reason)
		}
		if !a.Deny && have&cell(Read, 0) != 0 && have&cell(FreeBusy, 0) == 0 {
			return fail(PreNoACEConflict, "who may read events may see busy time: grant CALDAV:read-free-busy too")
		}
		out = appendSun(out, who, have, !a.Deny)
		if len(out) > MaxEntries {
			return nil, &DAVError{Precondition: PreLimitedNumberOfACEs, Reason: fmt.Sprintf("more than %d entries", MaxEntries)}
		}
	}
	if len(out.String()) > MaxLength {
		return nil, &DAVError{Precondition: PreLimitedNumberOfACEs, Reason: fmt.Sprintf("longer than %d octets", MaxLength)}
	}
	return out, nil
}

func cellsOf(ps []Privilege) (have cells, precondition, reason string) {
	var set PrivilegeSet
	var add func(p Privilege)
	add = func(p Privilege) {
		set |= 1 << p
		for _, part := range privileges[p].parts {
			add(part)
		}
	}
	for _, p := range ps {
		if p == PrivUnknown || p >= privCount {
			return 0, PreNotSupportedPrivilege, "privilege not supported"
		}
		if privileges[p].abstract {
			return 0, PreNoAbstract, p.String() + " is abstract"
		}
		add(p)
		have |= privCells[p]
	}
	for _, p := range ps {
		if with := privileges[p].with; with != PrivUnknown && !set.Has(with) {
			return 0, PreNoACEConflict, fmt.Sprintf("%v goes together with %v", p, with)
		}
	}
	return have, "", ""
}

func whoOf(p Principal) (w Who, precondition, reason string) {
	switch p.Kind {
	case PrincipalUser, PrincipalDomain:
		if p.Name == "" {
			return w, PreRecognizedPrincipal, "principal without a name"
		}
		w = Who{Kind: User, Name: p.Name}
		if p.Kind == PrincipalDomain {
			w.Kind = Domain
		}
		if !w.writable() {
			return w, PreAllowedPrincipal, "name cannot stand in an access control list"
		}
		return w, "", ""
	case PrincipalAll:
		return Who{Kind: Everyone}, "", ""
	case PrincipalAuthenticated:
		return Who{Kind: Authenticated}, "", ""
	case PrincipalUnauthenticated:
		return Who{Kind: User, Name: Anonymous}, "", ""
	case PrincipalProperty:
		switch [2]string{p.Space, p.Name} {
		case [2]string{NamespaceDAV, "owner"}:
			return Who{Kind: Primary}, "", ""
		case [2]string{NamespaceOurs, PropertyOwners}:
			return Who{Kind: AnyOwner}, "", ""
		case [2]string{NamespaceOurs, PropertyNonOwners}:
			return Who{Kind: NotOwner}, "", ""
		case [2]string{NamespaceOurs, PropertyOwnerDomain}:
			return Who{Kind: OwnerDomain}, "", ""
		}
		return w, PreAllowedPrincipal, "property does not hold a principal"
	}
	return w, PreAllowedPrincipal, "principal not allowed here"
}

// writable reports whether w survives being printed and parsed.
func (w Who) writable() bool {
	e, ok, err := ParseACE(ACE{Who: w, What: Whole, Grant: true}.String())
	return err == nil && ok && e.Who == w
}

// appendSun adds the entries with exactly these cells. Rights that mean
// nothing on properties are printed the way Sun's defaults have them: s, f and
// l on the whole calendar, e, i and c on the components.
func appendSun(l List, who Who, have cells, grant bool) List {
	c, p := have.split()
	if grant && c.Has(Read) && !p.Has(Read) {
		c &^= FreeBusy // goes with c^r
	}
	whole := c&p | c&(Schedule|FreeBusy|Lookup)
	for _, part := range [...]struct {
		what What
		how  Rights
	}{{Whole, whole}, {Components, c &^ whole}, {Properties, p &^ whole}} {
		if part.how != 0 {
			l = append(l, ACE{Who: who, What: part.what, How: part.how, Grant: grant})
		}
	}
	return l
}
