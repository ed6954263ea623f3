package calendar

import (
	"context"
	"net/url"
	"strings"
)

// PersonKind is what an entry of the directory is (iCalendar CUTYPE, RFC 5545 §3.2.3).
type PersonKind string

// The kinds of entries that can own calendars.
const (
	Individual PersonKind = "INDIVIDUAL"
	Group      PersonKind = "GROUP"
	Resource   PersonKind = "RESOURCE"
	Room       PersonKind = "ROOM"
)

// Person is a user, group or resource of the directory: all that the model and
// the fronts need to know. Secrets are not part of it.
type Person struct {
	ID        UserID // canonical: the key of the home
	Entry     string // what the directory calls this very entry, another one after it was deleted and made anew; "" = it does not say
	Kind      PersonKind
	Domain    string
	Name      string   // full name (cn)
	Given     string   // givenName
	Surname   string   // sn
	Mails     []string // primary first, then alternates; lower case
	Active    bool     // icsStatus and inetUserStatus allow the service
	Gone      bool     // icsStatus or inetUserStatus is set, and not "active": he is not here any more
	Host      string   // icsDWPHost, "" = the default back end
	TZID      string   // icsTimezone
	Language  string   // preferredLanguage
	IM        string   // address for instant messaging, by the attribute of factotum.xmpp.users
	Groups    []string // as ACEs name them: group ids and mail addresses
	Owner     UserID   // of a group or resource: who administers it
	CoOwners  []UserID // icsSecondaryowners
	ACL       string   // icsDefaultacl, "" = ics.conf
	NoDoubles bool     // icsDoublebooking is 0
	AutoReply bool     // icsAutoaccept
	Booking   Booking  // of a group or resource: what it takes
	Most      int      // of a group: groupMaxSize of its domain, the most members invited with it; -1 none, 0 = ics.conf
	Admin     bool     // the calendar administrator (service.admin.calmaster.userid)
	// Administers is the first name of the domain whose access lists do not bind him: he is
	// its administrator, and calmasterAccessOverride says so.
	Administers string
}

// Mail returns the primary address, or "".
func (p Person) Mail() string {
	if len(p.Mails) == 0 {
		return ""
	}
	return p.Mails[0]
}

// SameEntry tells whether the entry that the directory has under a name now can
// be the one of which Person.Entry was noted. It can unless both are known, by
// the same attribute, and differ: what another attribute says, after a move to
// another directory, cannot be compared.
func SameEntry(noted, now string) bool {
	kind, _, _ := strings.Cut(noted, ":")
	other, _, _ := strings.Cut(now, ":")
	return noted == now || noted == "" || now == "" || kind != other
}

// PrincipalsPath is where people are: PrincipalsPath + user id + "/". It is the
// calendar user address of those who have no mail address.
const PrincipalsPath = "/dav/principals/"

// Address is the calendar user address that the person is invited by: his mail
// address, that of his principal where he has none, or "".
func (p Person) Address() string {
	switch {
	case len(p.Mails) > 0:
		return "mailto:" + p.Mails[0]
	case p.ID != "":
		return PrincipalsPath + url.PathEscape(p.ID) + "/"
	}
	return ""
}

// HasAddress reports whether a calendar user address (the value of an ORGANIZER
// or ATTENDEE) is one of the person's: any of his mail addresses or his user
// id, with "mailto:" or without, upper and lower case alike, or the address of
// his principal. RFC 5545 §3.3.3, RFC 6638 §2.4.1.
func (p Person) HasAddress(address string) bool {
	a, mailto := cutMailto(address)
	if a == "" {
		return false
	}
	if _, id, ok := strings.Cut(a, PrincipalsPath); ok && !mailto {
		id, ok := principal(id)
		return ok && strings.EqualFold(id, p.ID)
	}
	for _, m := range p.Mails {
		if strings.EqualFold(a, m) {
			return true
		}
	}
	return strings.EqualFold(a, p.ID)
}

// principal is the user id in the address of a principal, after PrincipalsPath.
func principal(rest string) (UserID, bool) {
	id, err := url.PathUnescape(strings.TrimSuffix(rest, "/"))
	return id, err == nil && id != ""
}

// PersonKey is what a calendar user address names somebody by, in lower case:
// a mail address, or a user id where the address is one or that of a principal.
func PersonKey(address string) string {
	a, mailto := cutMailto(address)
	if _, id, ok := strings.Cut(a, PrincipalsPath); ok && !mailto {
		if id, ok := principal(id); ok {
			a = id
		}
	}
	return strings.ToLower(a)
}

// ByAddress finds whom a calendar user address names. NotFound if the directory
// has nobody of it.
func ByAddress(ctx context.Context, people People, address string) (Person, error) {
	key := PersonKey(address)
	if strings.Contains(key, "@") {
		return people.ByMail(ctx, key)
	}
	return people.Person(ctx, key)
}

// AddressKey is what makes two calendar user addresses the same.
func AddressKey(address string) string {
	a, _ := cutMailto(address)
	return strings.ToLower(a)
}

// MailboxOf is the mail address of a calendar user address, in its own letters: a
// mailto URI has some of them in percents (RFC 6068 §2), and perhaps header fields.
// "" if it is none.
func MailboxOf(address string) string {
	a, uri := cutMailto(address)
	if uri {
		a, _, _ = strings.Cut(a, "?")
		if plain, err := url.PathUnescape(a); err == nil {
			a = plain
		}
	}
	if at := strings.LastIndexByte(a, '@'); at <= 0 || at == len(a)-1 || strings.ContainsFunc(a, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune("<>", r) }) {
		return ""
	}
	return a
}

func cutMailto(address string) (rest string, mailto bool) {
	const scheme = "mailto:"
	a := strings.TrimSpace(address)
	if len(a) < len(scheme) || !strings.EqualFold(a[:len(scheme)], scheme) {
		return a, false
	}
	return a[len(scheme):], true
}

// Actor returns the person as one who asks.
func (p Person) Actor() Actor {
	return Actor{User: p.ID, Entry: p.Entry, Domain: p.Domain, Groups: p.Groups, Mail: p.Mail(), Admin: p.Admin, Administers: p.Administers}
}

// ActorVia returns the person as one who asks by a protocol or tool, with a
// client that names itself so.
func (p Person) ActorVia(via, client string) Actor {
	a := p.Actor()
	a.Via = via
	for i := range client { // a name is short, and whole characters
		if i > 200 {
			client = client[:i]
			break
		}
	}
	if !BadText(client) {
		a.Client = client
	}
	return a
}

// PeopleQuery searches the directory. Empty fields match everything; the
// non-empty ones must all match as case-insensitive substrings (Exact: whole).
type PeopleQuery struct {
	Text  string // in any of name, mail, id
	Name  string
	Mail  string
	ID    string
	Kinds []PersonKind // nil = all
	Exact bool
	All   bool // those too who may not use the calendar
	Limit int  // 0 = the directory's limit (calstore.userlookup.maxsize)
	// Domains are those whose people are wanted, by their first names; nil = all.
	Domains []string
}

// People is what the model and the fronts ask of the directory.
type People interface {
	// Person finds by canonical id (or a login name). NotFound if there is none.
	Person(ctx context.Context, id UserID) (Person, error)
	// ByMail finds by primary or alternate address, without "mailto:".
	ByMail(ctx context.Context, address string) (Person, error)
	// Search lists matches in the order of their names; more tells that the
	// limit cut the answer.
	Search(ctx context.Context, q PeopleQuery) (found []Person, more bool, err error)
	// Members lists the members of a group, groups among them, at most limit; deep,
	// the members of these groups too. Who is a member by an address alone, as
	// people elsewhere are, has no ID. more tells that there are others.
	Members(ctx context.Context, group UserID, deep bool, limit int) (members []Person, more bool, err error)
	// Groups lists the groups that somebody, or a group, is a member of; deep, the
	// groups that these are members of too.
	Groups(ctx context.Context, id UserID, deep bool) ([]Person, error)
}
