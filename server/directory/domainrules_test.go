package directory

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/directory/ldaptest"
)

// twoDomains are the entries of two domains with people of the same ids; their
// passwords are their id, domain and "-secret".
func twoDomains(password func(string) string) string {
	var b strings.Builder
	domain := func(name, more string) {
		b.WriteString("dn: o=" + name + ",o=usergroup\nobjectClass: top\nobjectClass: organization\nobjectClass: inetDomain\nobjectClass: icsCalendarDomain\n" +
			"o: " + name + "\nsunPreferredDomain: " + name + "\n" + more + "\n")
		b.WriteString("dn: ou=People,o=" + name + ",o=usergroup\nobjectClass: top\nobjectClass: organizationalUnit\nou: People\n\n")
		for _, id := range []string{"anna", "bob"} {
			b.WriteString("dn: uid=" + id + ",ou=People,o=" + name + ",o=usergroup\nobjectClass: top\nobjectClass: person\nobjectClass: organizationalPerson\n" +
				"objectClass: inetOrgPerson\nuid: " + id + "\ncn: " + id + " of " + name + "\nsn: " + id + "\nmail: " + id + ".post@" + name + "\nuserPassword: " + password(id+name+"-secret") + "\n\n")
		}
	}
	domain("sesta.com", "icsDomainNames: siroe.com\nicsExtendedDomainPrefs: calmasterUid=bob@sesta.com\n")
	domain("siroe.com", `associatedDomain: calendar.siroe.com
icsAllowRights: 3
icsDefaultAccess: @@o^a^rwd^g
icsSessionTimeout: 600
icsAnonymousLogin: no
icsExtendedDomainPrefs: domainAccess=@sesta.com^a^lsfr^g
icsExtendedDomainPrefs: quota=5000
icsExtendedDomainPrefs: calmasterUid=Bob
icsExtendedDomainPrefs: calmasterAccessOverride=yes
icsExtendedDomainPrefs: createLowerCase=yes
icsExtendedDomainPrefs: userQuota=1000
icsExtendedDomainPrefs: language=de
icsExtendedDomainPrefs: setPublicRead=yes
icsExtendedDomainPrefs: allowProxyLogin=no
icsExtendedDomainPrefs: filterPrivateEvents=perhaps
icsExtendedDomainPrefs: fbIncludeDefCal=no
icsExtendedDomainPrefs: subIncludeDefCal=no
icsExtendedDomainPrefs: subRemoveDefCal=yes
`)
	domain("broken.com", "icsAllowRights: many\nicsStatus: inactive\nicsExtendedDomainPrefs: calmasterUid=bob@sesta.com\nicsExtendedDomainPrefs: domainAccess=no list at all\nicsExtendedDomainPrefs: quota=-5\n")
	return b.String()
}

func bothDomains(t *testing.T, test func(t *testing.T, opt Options)) {
	t.Run("ldif", func(t *testing.T) { test(t, ldifOptions(t, twoDomains(cheapHash))) })
	t.Run("ldap", func(t *testing.T) {
		s := ldaptest.Start(t, twoDomains(func(p string) string { return p }))
		test(t, ldapOptions(s))
	})
}

// What the entries of domains say has its effect. ldap.md §7.
func TestDomainRules(t *testing.T) {
	bothDomains(t, func(t *testing.T, opt Options) {
		d := open(t, opt)
		if _, err := d.Person(t.Context(), "anna"); err != nil { // the list of domains is read by now
			t.Fatal(err)
		}
		ds := d.HostedDomains()
		siroe := ds.Of("anna@siroe.com")
		switch {
		case siroe.Name != "siroe.com", ds.Named("Calendar.SIROE.com") != siroe, ds.Of("anna").Name != "sesta.com", ds.Of("x@nowhere.org").Name != "sesta.com":
			t.Errorf("domains %+v", ds.All())
		case siroe.Quota != 5000, siroe.HomeQuota != 1000, siroe.SessionTimeout != 10*time.Minute, siroe.Anonymous == nil || *siroe.Anonymous:
			t.Errorf("of siroe.com %+v", siroe)
		case siroe.Allows(calendar.CreateCalendars, true), siroe.Allows(calendar.DeleteCalendars, true), !siroe.Allows(calendar.PublicWritable, false):
			t.Errorf("rights of siroe.com %b", *siroe.Forbidden)
		case siroe.PublicRead == nil || !*siroe.PublicRead, siroe.ProxyLogin == nil || *siroe.ProxyLogin, siroe.FilterPrivate == nil || *siroe.FilterPrivate:
			t.Errorf("words of siroe.com %+v", siroe)
		case siroe.CountDefault == nil || *siroe.CountDefault, siroe.SubscribeDefault == nil || *siroe.SubscribeDefault, siroe.UnsubscribeDefault == nil || !*siroe.UnsubscribeDefault:
			t.Errorf("lists of siroe.com %+v", siroe)
		case ds.Of("anna").CountDefault != nil, ds.Of("anna").SubscribeDefault != nil, ds.Of("anna").UnsubscribeDefault != nil:
			t.Errorf("lists of sesta.com %+v", ds.Of("anna"))
		}
		if !*siroe.LowerCase || siroe.Admin != "bob@siroe.com" || ds.Of("anna").Admin != "bob" {
			t.Errorf("administrators %q, %q", siroe.Admin, ds.Of("anna").Admin)
		}
		for id, want := range map[string]string{"bob@siroe.com": "siroe.com", "anna@siroe.com": "", "bob": "", "bob@broken.com": ""} {
			p, err := d.Person(t.Context(), id)
			if err != nil || p.Administers != want || p.Actor().Administers != want || p.Admin {
				t.Errorf("%s administers %q, %v", id, p.Administers, err)
			}
		}
		broken := ds.Of("bob@broken.com")
		if broken.Active || !broken.Guarded || broken.Access != nil || broken.Forbidden != nil || broken.Admin != "" || broken.Quota != 0 {
			t.Errorf("of broken.com %+v", broken)
		}
		if p, err := d.Person(t.Context(), "anna@siroe.com"); err != nil || p.ACL != "@@o^a^rwd^g" || p.Language != "de" {
			t.Errorf("anna of siroe.com %+v, %v", p, err)
		}

		anna, other := calendar.Actor{User: "anna", Domain: "sesta.com"}, calendar.Actor{User: "anna@siroe.com", Domain: "siroe.com"}
		see := func(who calendar.Actor, want ...string) {
			t.Helper()
			people := calendar.SeenBy(d, who)
			found, _, err := people.Search(t.Context(), calendar.PeopleQuery{Text: "bob"})
			var ids []string
			for _, p := range found {
				ids = append(ids, p.ID)
			}
			if slices.Sort(ids); err != nil || !slices.Equal(ids, want) {
				t.Errorf("%s finds %q, %v; want %q", who.User, ids, err, want)
			}
			for id, mail := range map[string]string{"bob": "bob.post@sesta.com", "bob@siroe.com": "bob.post@siroe.com", "bob@broken.com": "bob.post@broken.com"} {
				_, byID := people.Person(t.Context(), id)
				_, byMail := people.ByMail(t.Context(), mail)
				seen := slices.Contains(want, id)
				if errors.Is(byID, calendar.NotFound) == seen || errors.Is(byMail, calendar.NotFound) == seen {
					t.Errorf("%s about %s: %v, %v", who.User, id, byID, byMail)
				}
			}
		}
		see(anna, "bob", "bob@siroe.com")
		see(other, "bob@siroe.com")
		if r, _ := ds.Ceiling(anna, "bob@siroe.com"); r != acl.Lookup|acl.Schedule|acl.FreeBusy|acl.Read {
			t.Errorf("anna may %v in siroe.com", r)
		}
		opt.Apart = true
		apart := calendar.SeenBy(open(t, opt), anna)
		if _, err := apart.ByMail(t.Context(), "bob.post@siroe.com"); err == nil {
			t.Error("service.virtualdomain.scope=primary: somebody of another domain is found")
		}
	})
}

// The same id in two domains: bare it is the default domain's, with a domain or by
// mail it is that one's, and by the name of the host that of its domain. WCAP §2.7.
func TestLoginByDomain(t *testing.T) {
	bothDomains(t, func(t *testing.T, opt Options) {
		logins, err := NewLogins(open(t, opt), LoginOptions{Delay: 1, AppPasswords: t.TempDir() + "/apps"})
		if err != nil {
			t.Fatal(err)
		}
		defer logins.Close()
		for _, c := range []struct{ login, host, password, want string }{
			{"anna", "", "annasesta.com-secret", "anna"},
			{"anna", "", "annasiroe.com-secret", ""},
			{"anna@sesta.com", "", "annasesta.com-secret", "anna"},
			{"anna@siroe.com", "", "annasiroe.com-secret", "anna@siroe.com"},
			{"anna+siroe.com", "", "annasiroe.com-secret", "anna@siroe.com"},
			{"anna@siroe.com", "", "annasesta.com-secret", ""},
			{"anna.post@siroe.com", "", "annasiroe.com-secret", "anna@siroe.com"},
			{"anna", "siroe.com", "annasiroe.com-secret", "anna@siroe.com"},
			{"anna", "Calendar.siroe.com", "annasiroe.com-secret", "anna@siroe.com"},
			{"anna", "calendar.siroe.com", "annasesta.com-secret", ""},
			{"anna@sesta.com", "calendar.siroe.com", "annasesta.com-secret", "anna"},
			{"anna", "calendar.example.com", "annasesta.com-secret", "anna"},
			{"anna", "sesta.com", "annasesta.com-secret", "anna"},
		} {
			for range 2 { // the second time it is remembered
				p, err := logins.Login(t.Context(), c.login, c.password, Client{Host: c.host, Addr: netip.MustParseAddr("127.0.0.1")})
				if p.ID != c.want || (err == nil) != (c.want != "") {
					t.Errorf("%s at %q: %q, %v; want %q", c.login, c.host, p.ID, err, c.want)
				}
			}
		}
		_, err = logins.Login(t.Context(), "anna@broken.com", "annabroken.com-secret", Client{})
		if got := calendar.MessageOf(err); calendar.KindOf(err) != calendar.LoginFailed || got != "the calendar service of the domain broken.com is switched off" {
			t.Errorf("a domain that is not active: %v, %q", err, got)
		}
		_, err = logins.Login(t.Context(), "anna@broken.com", "a guess", Client{})
		if got := calendar.MessageOf(err); calendar.KindOf(err) != calendar.LoginFailed || got != "" {
			t.Errorf("who guesses is told %q", got)
		}
	})
}
