package directory

import (
	"context"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// Gone tells that somebody is to have no calendars any more.
type Gone struct {
	Gone   bool
	Marked bool      // there is an entry, which says so: icsStatus, inetUserStatus, or that of his domain
	Since  time.Time // when the entry was last changed; zero if that is not known
}

// Left tells whether the directory has somebody no more, or marks him as deleted.
// ldap.md §4.5, admin.md §8.4.
func (d *Directory) Left(ctx context.Context, id string) (g Gone, err error) {
	if badName(id) {
		return Gone{Gone: true}, nil
	}
	ds, err := d.src.domains(ctx)
	if err != nil {
		return g, unavailable("read domains", err)
	}
	e, err := d.byID(ctx, ds, fold(id))
	switch {
	case isNotFound(err):
		return Gone{Gone: true}, nil
	case err != nil:
		return g, err
	case !statusGone(e.one(d.at.Status)) && !statusGone(e.one(d.at.UserStatus)) && !ds.of(e.key).gone:
		return g, nil
	}
	g = Gone{Gone: true, Marked: true}
	stamp := e.one("modifytimestamp")
	if src, ok := d.src.(*ldapSource); ok {
		found, _, err := src.ask(ctx, e.dn, ldap.ScopeBaseObject, "(objectClass=*)", []string{"modifyTimestamp"}, 1)
		if err != nil {
			return g, unavailable("read when an entry was changed", err)
		}
		if len(found) == 1 {
			stamp = found[0].one("modifytimestamp")
		}
	}
	if at, err := time.Parse("20060102150405Z0700", stamp); err == nil { // RFC 4517 §3.3.13
		g.Since = at.UTC()
	}
	return g, nil
}
