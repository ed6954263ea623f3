package directory

import (
	"context"
	"encoding/hex"
	"slices"
	"strings"
	"unicode/utf8"

	"factotum/server/calendar"
)

// calendarGroup is the class of groups with calendar service, static and dynamic
// ones (ldap.md §2); local.lookupldapsearchattr.objectclass.group names another
// one beside it, and Sun's default for that is of static groups alone.
const calendarGroup = "icscalendargroup"

// kindOf says what an entry is; ok is false if it cannot have calendars.
func (d *Directory) kindOf(e *entry) (kind calendar.PersonKind, ok bool) {
	switch {
	case e.has("objectclass", d.at.ClassGroup), e.has("objectclass", calendarGroup):
		return calendar.Group, e.one(d.at.GroupID) != ""
	case e.has("objectclass", d.at.ClassRes):
		if e.one(capacityAttr) != "" || e.has("objectclass", "piTypeABConferenceRoom") {
			return calendar.Room, e.one(d.at.UID) != ""
		}
		return calendar.Resource, e.one(d.at.UID) != ""
	case e.has("objectclass", d.at.ClassUser), d.isPerson(e):
		return calendar.Individual, e.one(d.at.UID) != ""
	}
	return "", false
}

// isPerson tells whether an entry is a person; LDIF files seldom spell out the
// superior classes of inetOrgPerson.
func (d *Directory) isPerson(e *entry) bool {
	return e.has("objectclass", d.at.ClassPerson) ||
		d.at.ClassPerson == "person" && (e.has("objectclass", "inetOrgPerson") || e.has("objectclass", "organizationalPerson"))
}

// idOf returns the canonical id of an entry of that kind, or "" if its name
// cannot be one.
func (d *Directory) idOf(e *entry, kind calendar.PersonKind, ds *domains, dom *domain) string {
	user := e.one(d.at.UID)
	if kind == calendar.Group {
		user = e.one(d.at.GroupID)
	}
	user = fold(user)
	if at := strings.LastIndexByte(user, '@'); at >= 0 {
		// A uid that looks like one of another domain would take its owner's place.
		switch other := ds.byName[user[at+1:]]; other {
		case nil:
		case dom:
			user = user[:at]
		default:
			return ""
		}
	}
	id := ds.id(user, dom)
	if calendar.CheckOwner(calendar.Owner(id)) != nil {
		return ""
	}
	return id
}

// basic maps an entry to a Person without what other entries say: Groups are
// only those that the entry names itself.
func (d *Directory) basic(e *entry, ds *domains) (p calendar.Person, ok bool) {
	kind, ok := d.kindOf(e)
	if !ok {
		return p, false
	}
	dom := ds.of(e.key)
	id := d.idOf(e, kind, ds, dom)
	if id == "" {
		return p, false
	}
	p = calendar.Person{
		ID:       id,
		Entry:    d.identity(e),
		Kind:     kind,
		Domain:   dom.name,
		Name:     e.one(d.at.CN),
		Given:    e.one(d.at.GivenName),
		Surname:  e.one(d.at.SN),
		Mails:    d.mails(e),
		Active:   d.active(e, kind, dom),
		Gone:     !statusOK(e.one(d.at.UserStatus)) || !statusOK(e.one(d.at.Status)),
		Host:     fold(e.one(d.at.DWPHost)),
		TZID:     e.one(d.at.Timezone),
		Language: e.one(d.at.Language),
		IM:       e.one(d.at.IM),
		Admin:    kind == calendar.Individual && d.admins[id],
	}
	def(&p.Name, strings.TrimSpace(p.Given+" "+p.Surname))
	def(&p.Name, id)
	def(&p.Host, dom.host)
	def(&p.TZID, dom.tzid)
	def(&p.Language, dom.language)
	if kind == calendar.Individual {
		p.ACL = dom.userACL
		if id == dom.rules.Admin && calendar.Or(dom.rules.Overrides, d.opt.Overrides) {
			p.Administers = dom.name
		}
		p.NoDoubles = !dom.rules.Allows(calendar.DoubleBookUsers, !d.opt.Booking.UserNoDoubles)
	}
	if len(p.Mails) == 0 && dom.name != "" && !strings.Contains(id, "@") {
		p.Mails = []string{id + "@" + dom.name}
	}
	for _, g := range e.all(d.at.ACLGroup) {
		p.Groups = append(p.Groups, fold(g))
	}
	if kind == calendar.Group {
		p.Most = dom.most
	}
	if kind != calendar.Individual {
		d.booking(&p, e, dom)
	}
	return p, true
}

// identity is what the directory calls this very entry, with the name of the
// attribute in front: what another one says cannot be compared with it. A value
// that is no text (objectGUID) is spelled in hexadecimal.
func (d *Directory) identity(e *entry) string {
	for _, a := range d.opt.Identity {
		v := e.one(a)
		if v == "" || len(v) > 200 {
			continue
		}
		if !utf8.ValidString(v) || badText(v) {
			v = hex.EncodeToString([]byte(e.all(a)[0]))
		}
		if d.opt.LDIF != "" { // where an import into LDAP gives it another one
			a = "ldif-" + a
		}
		return a + ":" + strings.ToLower(v)
	}
	return ""
}

func truth(v string) bool { return v == "1" || equalFold(v, "yes") || equalFold(v, "true") }

// mails lists the addresses of an entry: mail first, lower case, each once.
func (d *Directory) mails(e *entry) (out []string) {
	for _, a := range []string{d.at.Mail, d.at.MailAlt, d.at.MailEquiv} {
		for _, v := range e.all(a) {
			if v = fold(v); strings.Contains(v, "@") && !badName(v) && !slices.Contains(out, v) {
				out = append(out, v)
			}
		}
	}
	return out
}

// active decides whether an entry may use the calendar. ldap.md §4.5.
func (d *Directory) active(e *entry, kind calendar.PersonKind, dom *domain) bool {
	if kind == calendar.Individual && d.opt.ServiceOnly && !e.has("objectclass", d.at.ClassUser) {
		return false
	}
	return dom.active && statusOK(e.one(d.at.UserStatus)) && serviceOK(e.one(d.at.Status), e.one(d.at.Access))
}

func statusOK(status string) bool { return status == "" || equalFold(status, "active") }

// statusGone: the account is to be removed. ldap.md §4.5.
func statusGone(status string) bool {
	return equalFold(status, "deleted") || equalFold(status, "removed")
}

// serviceOK: icsStatus decides where it is set, icsAllowedServiceAccess otherwise.
func serviceOK(status, access string) bool {
	if status != "" {
		return equalFold(status, "active")
	}
	return !equalFold(access, "http")
}

// full maps an entry to a Person with groups, owner and co-owners.
func (d *Directory) full(ctx context.Context, e *entry, ds *domains) (calendar.Person, error) {
	if p := e.person.Load(); p != nil {
		return *p, nil
	}
	p, ok := d.basic(e, ds)
	if !ok {
		return p, notFound(e.dn)
	}
	groups, err := d.groupsOf(ctx, e, ds)
	if err != nil {
		return p, err
	}
	for _, g := range groups {
		if !slices.Contains(p.Groups, g) {
			p.Groups = append(p.Groups, g)
		}
	}
	if p.Kind != calendar.Individual {
		owners, err := d.idsOf(ctx, ds, first(e.all(d.at.Owner)))
		if err != nil {
			return p, err
		}
		if len(owners) > 0 {
			p.Owner = owners[0]
		}
		if p.CoOwners, err = d.idsOf(ctx, ds, e.all(d.at.CoOwner)); err != nil {
			return p, err
		}
	}
	p.Mails, p.Groups, p.CoOwners = slices.Clip(p.Mails), slices.Clip(p.Groups), slices.Clip(p.CoOwners)
	e.person.Store(&p)
	return p, nil
}

func first(v []string) []string { return v[:min(1, len(v))] }

// maxCoOwners is the most co-owners read of one entry.
const maxCoOwners = 200

// idsOf turns names of entries into user ids, in order; names without a
// principal are left out.
func (d *Directory) idsOf(ctx context.Context, ds *domains, dns []string) ([]calendar.UserID, error) {
	if len(dns) == 0 {
		return nil, nil
	}
	dns = dns[:min(len(dns), maxCoOwners)]
	found, err := d.src.entries(ctx, dns, false)
	if err != nil {
		return nil, unavailable("look up owners", err)
	}
	byKey := make(map[string]*entry, len(found))
	for _, e := range found {
		byKey[e.key] = e
	}
	var ids []calendar.UserID
	for _, dn := range dns {
		if e := byKey[dnKey(dn)]; e != nil {
			if p, ok := d.basic(e, ds); ok && !slices.Contains(ids, p.ID) {
				ids = append(ids, p.ID)
			}
		}
	}
	return ids, nil
}
