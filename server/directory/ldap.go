package directory

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// ldapSource asks LDAP servers. Searches and log-ins have a pool each: a bind
// changes the identity of its connection.
type ldapSource struct {
	d           *Directory
	opt         LDAPOptions
	searches    *pool
	logins      *pool
	attrs       []string // of searches
	memberAttrs []string // of look-ups by name, where groups may come back

	ds      atomic.Pointer[timedDomains]
	reading chan struct{} // one at a time reads them again
	asking  atomic.Bool   // for hosted
}

type timedDomains struct {
	*domains
	until time.Time
}

// domainTTL is how long the list of hosted domains is kept.
const domainTTL = time.Minute

func openLDAP(d *Directory) (*ldapSource, error) {
	o := d.opt.LDAP
	switch {
	case len(o.Hosts) == 0:
		return nil, errors.New("open directory: there is neither an LDIF file nor an LDAP host (local.ugldaphost)")
	case strings.TrimSpace(o.BaseDN) == "":
		return nil, errors.New("open directory: local.ugldapbasedn must be set")
	case o.BindDN != "" && o.BindCred == "":
		return nil, errors.New("open directory: local.ugldapbinddn needs local.ugldapbindcred")
	}
	for _, dn := range []string{o.BaseDN, o.BindDN, o.DomainBase} {
		if _, err := ldap.ParseDN(dn); err != nil {
			return nil, fmt.Errorf("open directory: %q is not a distinguished name: %w", dn, err)
		}
	}
	var hosts []*ldapHost
	for _, s := range o.Hosts {
		h, err := parseHost(s)
		if err != nil {
			return nil, fmt.Errorf("open directory: %w", err)
		}
		if !h.tls && !o.StartTLS && !h.local() {
			d.opt.Log.Warn("passwords go to the LDAP server in plain text: use ldaps:// or StartTLS", "backend", h.address)
		}
		hosts = append(hosts, h)
	}
	s := &ldapSource{
		d: d, opt: o,
		searches: newPool(o, hosts, true, d.opt.Log, d.opt.Now),
		logins:   newPool(o, hosts, false, d.opt.Log, d.opt.Now),
		attrs:    d.opt.wanted(),
		reading:  make(chan struct{}, 1),
	}
	s.memberAttrs = append(append(s.memberAttrs, s.attrs...), d.at.UniqueName, "member", mailMember)
	if o.CacheTTL > 0 {
		d.cache = newLRU[string, cached](o.CacheSize)
		d.members = newLRU[string, cachedMembers](maxKeptGroups)
	}
	s.hosted() // so that they are known when somebody asks
	return s, nil
}

func (s *ldapSource) search(ctx context.Context, base string, f filter, limit int) ([]*entry, bool, error) {
	if base == "" {
		base = s.opt.BaseDN
	}
	return s.ask(ctx, base, ldap.ScopeWholeSubtree, f.String(), s.attrs, limit)
}

// ask searches in pages where the answer may be long. It stops at limit.
func (s *ldapSource) ask(ctx context.Context, base string, scope int, f string, attrs []string, limit int) (found []*entry, more bool, err error) {
	err = s.searches.do(ctx, func(c *ldap.Conn) error {
		found, more = nil, false
		req := ldap.NewSearchRequest(base, scope, ldap.NeverDerefAliases, 0, s.seconds(), false, f, attrs, nil)
		if limit < s.opt.PageSize {
			req.SizeLimit = limit + 1 // one answer will do
			res, err := c.Search(req)
			found, more, err = collect(found, res, limit, err)
			return err
		}
		paging := ldap.NewControlPaging(uint32(s.opt.PageSize))
		req.Controls = []ldap.Control{paging}
		for {
			res, err := c.Search(req)
			if found, more, err = collect(found, res, limit, err); err != nil || more {
				s.endPaging(c, req, paging, res, more)
				return err
			}
			next, _ := ldap.FindControl(res.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
			if next == nil || len(next.Cookie) == 0 {
				return nil
			}
			paging.SetCookie(next.Cookie)
		}
	})
	if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
		return nil, false, nil
	}
	return found, more, err
}

// endPaging frees what the server keeps for pages that nobody wants. RFC 2696 §3.
func (s *ldapSource) endPaging(c *ldap.Conn, req *ldap.SearchRequest, paging *ldap.ControlPaging, res *ldap.SearchResult, more bool) {
	if !more || res == nil {
		return
	}
	if next, _ := ldap.FindControl(res.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging); next != nil && len(next.Cookie) > 0 {
		paging.PagingSize = 0
		paging.SetCookie(next.Cookie)
		_, _ = c.Search(req) // its answer says nothing
	}
}

// collect adds the entries of an answer up to limit. A server's own size
// limit cuts the answer like ours does.
func collect(found []*entry, res *ldap.SearchResult, limit int, err error) ([]*entry, bool, error) {
	more := false
	if ldap.IsErrorAnyOf(err, ldap.LDAPResultSizeLimitExceeded, ldap.LDAPResultAdminLimitExceeded) {
		more, err = true, nil
	}
	if err != nil || res == nil {
		return found, more, err
	}
	for _, r := range res.Entries {
		if len(found) >= limit {
			return found, true, nil
		}
		found = append(found, fromLDAP(r))
	}
	return found, more, nil
}

func fromLDAP(r *ldap.Entry) *entry {
	e := &entry{dn: r.DN, key: dnKey(r.DN), attrs: make([]attribute, 0, len(r.Attributes))}
	for _, a := range r.Attributes {
		e.attrs = append(e.attrs, attribute{strings.ToLower(a.Name), a.Values})
	}
	return e
}

func (s *ldapSource) seconds() int { return max(1, int(s.opt.Timeout/time.Second)) }

func (s *ldapSource) principal(string) *entry { return nil }

// nameChunk is how many entries of one branch are looked up by one search.
const nameChunk = 100

func (s *ldapSource) entries(ctx context.Context, dns []string, members bool) (found []*entry, err error) {
	attrs := s.attrs
	if members {
		attrs = s.memberAttrs
	}
	type branch struct {
		wanted  map[string]bool
		filters []filter
	}
	branches := map[string]*branch{}
	order := []string{} // of branches, for answers that do not vary
	single := func(dn string) error {
		es, _, err := s.ask(ctx, dn, ldap.ScopeBaseObject, "(objectClass=*)", attrs, 1)
		if ldap.IsErrorWithCode(err, ldap.LDAPResultInvalidDNSyntax) {
			return nil
		}
		found = append(found, es...)
		return err
	}
	for _, dn := range dns {
		key := dnKey(dn)
		attr, value, ok := rdn(dn)
		if !ok || len(dns) == 1 {
			if err := single(dn); err != nil {
				return nil, err
			}
			continue
		}
		b := branches[parentKey(key)]
		if b == nil {
			b = &branch{wanted: map[string]bool{}}
			branches[parentKey(key)] = b
			order = append(order, parentKey(key))
		}
		if !b.wanted[key] {
			b.wanted[key] = true
			b.filters = append(b.filters, equal(attr, value))
		}
	}
	for _, base := range order {
		b := branches[base]
		for len(b.filters) > 0 {
			n := min(nameChunk, len(b.filters))
			es, _, err := s.ask(ctx, base, ldap.ScopeSingleLevel, or(b.filters[:n]...).String(), attrs, 4*nameChunk)
			if err != nil {
				return nil, err
			}
			b.filters = b.filters[n:]
			for _, e := range es {
				if b.wanted[e.key] { // others have the value, but not as their name
					delete(b.wanted, e.key)
					found = append(found, e)
				}
			}
		}
	}
	return found, nil
}

// domains returns the hosted domains as read within the last minute. What was
// true then will do while LDAP does not answer, or while another caller asks.
func (s *ldapSource) domains(ctx context.Context) (*domains, error) {
	old := s.ds.Load()
	if old != nil && s.d.opt.Now().Before(old.until) {
		return old.domains, nil
	}
	select {
	case s.reading <- struct{}{}:
		defer func() { <-s.reading }()
	default:
		if old != nil {
			return old.domains, nil
		}
		select {
		case s.reading <- struct{}{}:
			defer func() { <-s.reading }()
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the list of domains: %w", ctx.Err())
		}
	}
	if now := s.ds.Load(); now != old {
		return now.domains, nil
	}
	found, err := s.domainEntries(ctx)
	switch {
	case err != nil && old == nil:
		return nil, err
	case err != nil:
		s.ds.Store(&timedDomains{old.domains, s.d.opt.Now().Add(5 * time.Second)})
		return old.domains, nil
	}
	ds := newDomains(found, s.d.opt.DefaultDomain, false, s.d.opt.Apart, func(e *entry, err error) {
		s.d.opt.Log.Warn("a value of a domain's entry is not usable", "dn", e.dn, "err", err)
	})
	s.ds.Store(&timedDomains{ds, s.d.opt.Now().Add(domainTTL)})
	return ds, nil
}

func (s *ldapSource) domainEntries(ctx context.Context) ([]*entry, error) {
	if s.opt.DomainBase == "" {
		return nil, nil
	}
	found, _, err := s.ask(ctx, s.opt.DomainBase, ldap.ScopeWholeSubtree, domainFilter.String(), domainAttrs, maxSearch)
	return found, err
}

// verify binds. Nobody's password is tried on a name that is not there, so
// that the server is asked in any case.
func (s *ldapSource) verify(ctx context.Context, e *entry, password string) error {
	if password == "" {
		return wrongPassword // a bind without a password is anonymous and succeeds: RFC 4513 §5.1.2
	}
	dn := "cn=nobody-" + rand.Text() + "," + s.opt.BaseDN
	if e != nil {
		dn = e.dn
	}
	err := s.logins.do(ctx, func(c *ldap.Conn) error { return c.Bind(dn, password) })
	if ldap.IsErrorAnyOf(err, ldap.LDAPResultInvalidCredentials, ldap.LDAPResultInappropriateAuthentication,
		ldap.LDAPResultNoSuchObject, ldap.LDAPResultUnwillingToPerform, ldap.LDAPResultInsufficientAccessRights,
		ldap.LDAPResultConstraintViolation, ldap.LDAPResultInvalidDNSyntax, ldap.ErrorEmptyPassword) {
		return wrongPassword
	}
	if err != nil && !broken(err) {
		s.d.opt.Log.ErrorContext(ctx, "bind of a user", "dn", dn, "err", err)
	}
	return err
}

// generation is not known: the server does not tell when entries change.
func (s *ldapSource) generation() uint64 { return 0 }

func (s *ldapSource) look()                    {}
func (s *ldapSource) glance(time.Time, string) {}

func (s *ldapSource) ping(ctx context.Context) error {
	_, _, err := s.ask(ctx, s.opt.BaseDN, ldap.ScopeBaseObject, "(objectClass=*)", []string{"1.1"}, 1)
	if err != nil {
		return unavailable("ask LDAP server", err)
	}
	return nil
}

func (s *ldapSource) close() error {
	s.searches.close()
	s.logins.close()
	return nil
}
