package directory

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"time"

	"factotum/server/calendar"
)

// A session that a password opened ends with that password. It notes a
// credential, which every process makes alike of what the directory stores and
// nobody can make a password of.

// ofApp begins a credential that is an app password's id.
const ofApp = "app:"

// pwdAttrs change with the password, as far as LDAP servers tell. The marks of
// the whole entry are no good here: we write to entries ourselves.
var pwdAttrs = []string{"userpassword", "pwdchangedtime", "pwdlastset", "passwordexpirationtime"}

// standing is what an account is now.
type standing struct {
	credential string // "": the directory does not tell when the password changes
	active     bool
}

// timedStanding is what LDAP said.
type timedStanding struct {
	standing
	until time.Time
}

// Credential is what a session of somebody who has logged in with the password
// notes.
func (l *Logins) Credential(ctx context.Context, id calendar.UserID, password string) string {
	if l.apps != nil {
		l.apps.look()
		if _, app, ok := l.apps.check(password); ok {
			return ofApp + app
		}
	}
	s, err := l.standing(ctx, id)
	if err != nil {
		return ""
	}
	return s.credential
}

// Stands tells whether a session with that credential still holds: the account
// is active, and the password or app password the same. With an LDIF file that
// is true at each use, with LDAP within factotum.login.recheck. While LDAP does
// not answer sessions go on.
func (l *Logins) Stands(ctx context.Context, id calendar.UserID, credential string) bool {
	s, err := l.standing(ctx, id)
	if err != nil {
		return !isNotFound(err)
	}
	if app, ok := strings.CutPrefix(credential, ofApp); ok {
		if l.apps == nil {
			return false
		}
		l.apps.glance(l.opt.Now())
		return s.active && l.apps.exists(app, id)
	}
	return s.active && (credential == "" || s.credential == "" || credential == s.credential)
}

func (l *Logins) standing(ctx context.Context, id calendar.UserID) (standing, error) {
	l.dir.src.glance(l.opt.Now(), id)
	if e := l.dir.src.principal(id); e != nil {
		return l.standingOf(ctx, e)
	}
	if l.dir.src.generation() != 0 {
		return standing{}, notFound(id)
	}
	now := l.opt.Now()
	old, known := l.standings.Get(id)
	if known && now.Before(old.until) {
		return old.standing, nil
	}
	s, err := l.askStanding(ctx, id)
	switch {
	case err == nil:
	case known && !isNotFound(err):
		s = old.standing // not each request waits for a server that does not answer
	default:
		return s, err
	}
	l.standings.Add(id, timedStanding{s, now.Add(l.opt.Recheck)})
	return s, nil
}

// askStanding asks LDAP.
func (l *Logins) askStanding(ctx context.Context, id calendar.UserID) (standing, error) {
	ds, err := l.dir.src.domains(ctx)
	if err != nil {
		return standing{}, unavailable("read domains", err)
	}
	e, err := l.dir.byID(ctx, ds, id)
	if err != nil {
		return standing{}, err
	}
	return l.standingOf(ctx, e)
}

func (l *Logins) standingOf(ctx context.Context, e *entry) (s standing, err error) {
	p, err := l.account(ctx, e)
	if err != nil {
		return s, err
	}
	s.active = p.Active
	h := sha256.New()
	said := false
	for _, a := range pwdAttrs {
		for _, v := range e.all(a) {
			said = true
			h.Write([]byte(v))
			h.Write([]byte{0})
		}
		h.Write([]byte{1})
	}
	if said {
		s.credential = base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:12])
	}
	return s, nil
}
