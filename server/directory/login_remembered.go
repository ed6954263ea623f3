package directory

import (
	"context"
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"factotum/server/calendar"
)

// stampAttrs are the attributes that change when a log-in may no longer hold:
// the password as the LDIF file has it, and what LDAP servers say of changes.
// Of these, the first row alone tells of every change. OpenLDAP's entryCSN is
// finer than the second of the others.
var stampAttrs = [2][]string{
	{"entrycsn", "modifytimestamp", "whenchanged"},
	{"userpassword", "pwdchangedtime", "pwdlastset", "pwdaccountlockedtime", "pwdreset", "lockouttime", "useraccountcontrol",
		"nsaccountlock", "passwordexpirationtime", "accountunlocktime"},
}

// stamp changes when what a log-in depends on changes: the password, the
// status, or (LDAP) anything in the entry.
func (l *Logins) stamp(e *entry) uint64 {
	var h maphash.Hash
	h.SetSeed(l.seed)
	h.WriteString(e.key)
	for _, attrs := range [][]string{stampAttrs[0], stampAttrs[1], {l.dir.at.Status, l.dir.at.Access, l.dir.at.UserStatus}} {
		for _, a := range attrs {
			for _, v := range e.all(a) {
				h.WriteByte(0)
				h.WriteString(v)
			}
			h.WriteByte(1)
		}
	}
	return h.Sum64()
}

// generations say which states of the directory and of the app passwords
// something was true in.
type generations struct{ dir, apps uint64 }

// seen is taken before anything is looked up: what changes while a password is
// checked is noticed when the log-in is used next.
func (l *Logins) seen() (g generations) {
	g.dir = l.dir.src.generation()
	if l.apps != nil {
		g.apps = l.apps.generation()
	}
	return g
}

// unstamped is the longest that a log-in is remembered where the LDAP server
// does not let us see when an entry changes: a new bind finds out.
const unstamped = 15 * time.Minute

// keep remembers a log-in, with the entry if a password of its own opened it.
// Not all of those who come at once are to be forgotten at once.
func (l *Logins) keep(key loginKey, p calendar.Person, e *entry, app string, at generations) {
	if l.opt.CacheTTL < 0 {
		return
	}
	now := l.opt.Now()
	r := rememberedLogin{key: key, id: strings.Clone(p.ID), entry: strings.Clone(p.Entry), app: app, seen: at, checked: now}
	r.octets = headOctets + int64(len(r.id)+len(r.entry))
	ttl := l.opt.CacheTTL
	if e != nil {
		r.stamp = l.stamp(e)
		if r.seen.dir == 0 && !slices.ContainsFunc(stampAttrs[0], func(a string) bool { return e.one(a) != "" }) {
			ttl = min(ttl, unstamped)
		}
	}
	if ttl > time.Hour {
		ttl -= rand.N(ttl / 8)
	}
	r.until = now.Add(ttl)
	if r.seen.dir == 0 { // else it is in memory anyway
		r.person = &p
		r.octets += personOctets(&p)
	}
	l.cache.put(r)
}

// remembered answers from memory. It looks again at the directory when that
// has changed (LDIF), or when the last look is Recheck ago (LDAP).
func (l *Logins) remembered(ctx context.Context, key loginKey, user string) (calendar.Person, bool) {
	r, checked := l.cache.get(key)
	if r == nil {
		return calendar.Person{}, false
	}
	now := l.opt.Now()
	if now.After(r.until) {
		l.cache.remove(key)
		return calendar.Person{}, false
	}
	if r.app != "" {
		l.apps.glance(now)
	}
	l.dir.src.glance(now, r.id)
	at := l.seen()
	if r.app != "" {
		if at.apps != r.seen.apps && !l.apps.exists(r.app, r.id) {
			l.cache.remove(key)
			return calendar.Person{}, false
		}
		l.apps.used(r.app, now)
	}
	switch {
	case at.dir != 0 && at == r.seen:
		if e := l.dir.src.principal(r.id); e != nil {
			if p := e.person.Load(); p != nil {
				return *p, p.Active
			}
		}
	case at.dir == 0 && at == r.seen && (now.Sub(checked) < l.opt.Recheck || !l.cache.looking(key, checked, now)):
		return *r.person, true // or another request is looking
	}
	next := rememberedLogin{key: r.key, id: r.id, entry: r.entry, person: r.person, stamp: r.stamp, app: r.app, until: r.until, seen: at, octets: r.octets}
	return l.again(ctx, next, user)
}

// again looks whether a remembered log-in still holds. While LDAP does not
// answer it does, to the end of its time.
func (l *Logins) again(ctx context.Context, r rememberedLogin, user string) (p calendar.Person, ok bool) {
	var stamp uint64
	var err error
	if r.app != "" {
		p, err = l.dir.Person(ctx, user)
	} else {
		var e *entry
		if e, err = l.dir.byLogin(ctx, fold(user)); err == nil {
			p, err = l.account(ctx, e)
			stamp = l.stamp(e)
		}
	}
	switch {
	case err != nil && !isNotFound(err) && r.person != nil:
		return *r.person, true
	case err != nil, p.ID != r.id, !calendar.SameEntry(r.entry, p.Entry), !p.Active, stamp != r.stamp:
		l.cache.remove(r.key)
		return calendar.Person{}, false
	}
	r.checked = l.opt.Now()
	if r.person != nil {
		r.octets += personOctets(&p) - personOctets(r.person)
		r.person = &p
	}
	l.cache.put(r)
	return p, true
}
