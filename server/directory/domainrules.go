package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"factotum/server/acl"
	"factotum/server/calendar"
)

// Values of icsExtendedDomainPrefs that are ours: Sun's server had no quotas. ldap.md §2, icsQuota.
const (
	prefQuota     = "quota"     // calendar.Domain.Quota
	prefHomeQuota = "userQuota" // calendar.Domain.HomeQuota
)

// domainPref is the value of a property of icsExtendedDomainPrefs, "" if there is
// none. Of several the first counts. ldap.md §7.2.
func domainPref(e *entry, name string) string {
	for _, v := range e.all("icsextendeddomainprefs") {
		if n, value, _ := strings.Cut(v, "="); equalFold(strings.TrimSpace(n), name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// read fills what the entry of a domain decides for its people. A value that
// cannot be read counts as none, but an access list grants nothing then.
func (d *domain) read(e *entry, names []string, log func(error)) {
	r := &calendar.Domain{Name: d.name, Names: names, Active: d.active}
	d.rules = r
	for _, n := range e.all("icsdomainnames") {
		r.Searches = append(r.Searches, fold(n))
	}
	if v := domainPref(e, "domainAccess"); v != "" {
		r.Guarded = true
		list, err := acl.Parse(v)
		if err != nil {
			log(fmt.Errorf("domainAccess: %w", err))
		} else {
			r.Access = list
		}
	}
	if v := e.one("icsallowrights"); v != "" {
		n, err := strconv.ParseUint(v, 10, 32)
		if err != nil {
			log(errors.New("icsAllowRights is no number"))
		} else {
			bits := uint32(n)
			r.Forbidden = &bits
		}
	}
	r.Anonymous = wordOf(e.one("icsanonymouslogin"))
	r.LowerCase, r.Overrides = wordOf(domainPref(e, "createLowerCase")), wordOf(domainPref(e, "calmasterAccessOverride"))
	if r.Admin = fold(domainPref(e, "calmasterUid")); strings.Contains(r.Admin, "@") && !slices.Contains(append([]string{d.name}, names...), r.Admin[strings.LastIndexByte(r.Admin, '@')+1:]) {
		log(errors.New("calmasterUid is nobody of this domain"))
		r.Admin = ""
	}
	r.ProxyLogin = wordOf(domainPref(e, "allowProxyLogin"))
	r.FilterPrivate = wordOf(domainPref(e, "filterPrivateEvents"))
	r.PublicRead = wordOf(domainPref(e, "setPublicRead"))
	r.CountDefault = wordOf(domainPref(e, "fbIncludeDefCal"))
	r.SubscribeDefault, r.UnsubscribeDefault = wordOf(domainPref(e, "subIncludeDefCal")), wordOf(domainPref(e, "subRemoveDefCal"))
	octets := func(name string) int64 {
		v := domainPref(e, name)
		n, err := strconv.ParseInt(v, 10, 64)
		if v != "" && (err != nil || n < 0) {
			log(fmt.Errorf("%s is no number of octets", name))
			return 0
		}
		return n
	}
	r.Quota, r.HomeQuota = octets(prefQuota), octets(prefHomeQuota)
	if n, err := strconv.Atoi(e.one("icssessiontimeout")); err == nil && n > 0 && n < 1<<31 {
		r.SessionTimeout = time.Duration(n) * time.Second
	}
	d.language = domainPref(e, "language")
	d.userACL, d.resourceACL = e.one("icsdefaultaccess"), domainPref(e, "resourceDefaultAcl")
}

// wordOf reads yes or no; nil is neither.
func wordOf(v string) *bool {
	if v == "" {
		return nil
	}
	b := truth(v)
	return &b
}

// HostedDomains implements calendar.Hosted. Where LDAP has not answered yet they
// are unknown; what was read more than a minute ago is read again meanwhile.
func (d *Directory) HostedDomains() *calendar.Domains {
	switch src := d.src.(type) {
	case *ldifSource:
		return src.snap.Load().ds.rules
	case *ldapSource:
		return src.hosted()
	}
	return nil
}

func (s *ldapSource) hosted() *calendar.Domains {
	if s.opt.DomainBase == "" {
		return nil
	}
	ds := s.ds.Load()
	if (ds == nil || !s.d.opt.Now().Before(ds.until)) && s.asking.CompareAndSwap(false, true) {
		go func() {
			defer s.asking.Store(false)
			ctx, cancel := context.WithTimeout(context.Background(), s.opt.Timeout)
			defer cancel()
			_, _ = s.domains(ctx) // who needs them says so
		}()
	}
	if ds == nil {
		return calendar.UnknownDomains()
	}
	return ds.rules
}

// Qualify gives a login name without a domain the one that a host is named by, as
// where each domain has a name of its own for the same server: one of the domain's
// names (sunPreferredDomain, associatedDomain). WCAP §2.7.
func (d *Directory) Qualify(ctx context.Context, login, host string) string {
	if host == "" || login == "" || strings.ContainsAny(login, d.opt.Separators) {
		return login
	}
	ds, err := d.src.domains(ctx)
	if err != nil {
		return login
	}
	if dom := ds.byName[fold(host)]; dom != nil && dom != ds.def {
		return login + "@" + dom.name
	}
	return login
}
