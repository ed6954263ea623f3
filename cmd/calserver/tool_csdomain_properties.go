package main

import (
	"factotum/server/acl"
	"factotum/server/directory"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// domainProperty is a preference of domains: where it is kept. ldap.md §§7.2-7.4.
type domainProperty struct {
	name   string
	attr   string // of its own; "" is icsExtendedDomainPrefs
	bit    int    // of icsAllowRights, and not -1: set is "no"
	many   bool   // values with blanks between
	obeyed bool
	check  func(v string) error
}

func yesNo(v string) error {
	if v = strings.ToLower(v); v != "yes" && v != "no" {
		return fmt.Errorf("%q is neither yes nor no", v)
	}
	return nil
}

func octets(v string) error {
	if n, err := strconv.ParseInt(v, 10, 64); err != nil || n < 0 {
		return fmt.Errorf("%q is no number of octets: 0 is without limit", v)
	}
	return nil
}

func seconds(v string) error {
	if n, err := strconv.Atoi(v); err != nil || n < 1 || n >= 1<<31 {
		return fmt.Errorf("%q is no number of seconds", v)
	}
	return nil
}

func aclText(v string) error {
	_, err := acl.Parse(v)
	return err
}

var domainProperties = func() []domainProperty {
	pref := func(name string, check func(string) error) domainProperty {
		return domainProperty{name: name, bit: -1, check: check}
	}
	obeyed := func(name string, check func(string) error) domainProperty {
		return domainProperty{name: name, bit: -1, check: check, obeyed: true}
	}
	list := []domainProperty{
		{name: "groupMaxSize", bit: -1, obeyed: true, check: func(v string) error {
			if n, err := strconv.Atoi(v); err != nil || n < -1 {
				return fmt.Errorf("%q is no number: 0 is any, -1 none", v)
			}
			return nil
		}},
		obeyed("domainAccess", aclText), obeyed("resourceDefaultAcl", aclText), obeyed("language", nil), obeyed("calmasterUid", nil),
		obeyed("quota", octets), obeyed("userQuota", octets),
	}
	for _, name := range strings.Fields("allowProxyLogin calmasterAccessOverride createLowerCase filterPrivateEvents setPublicRead fbIncludeDefCal subIncludeDefCal subRemoveDefCal") {
		list = append(list, obeyed(name, yesNo))
	}
	list = append(list, pref("uiAllowAnyone", yesNo))
	for _, name := range strings.Fields("searchFilter ssoCookieDomain ssoUserDomain uiBaseUrl uiConfigFile uiProxyUrl") {
		list = append(list, pref(name, nil))
	}
	for bit, name := range strings.Fields("allowCalendarCreation allowCalendarDeletion allowPublicWritableCalendars - allowModifyUserPreferences allowModifyPassword - - " +
		"allowUserDoubleBook allowResourceDoubleBook allowSetCn allowSetGivenName allowSetMail allowSetPrefLang allowSetSn allowGroupDoubleBook") {
		if name != "-" {
			list = append(list, domainProperty{name: name, attr: "icsAllowRights", bit: bit, check: yesNo, obeyed: name != "allowModifyPassword"})
		}
	}
	status := func(v string) error {
		if !slices.Contains([]string{"active", "inactive", "deleted"}, strings.ToLower(v)) {
			return fmt.Errorf("%q is none of active, inactive, deleted", v)
		}
		return nil
	}
	return append(list,
		domainProperty{name: "allowedAccessProtocols", attr: "icsAllowedServiceAccess", bit: -1, obeyed: true},
		domainProperty{name: "userDefaultAcl", attr: "icsDefaultAccess", bit: -1, obeyed: true, check: aclText},
		domainProperty{name: "searchDomainNames", attr: "icsDomainNames", bit: -1, many: true, obeyed: true},
		domainProperty{name: "anonymousLogin", attr: "icsAnonymousLogin", bit: -1, obeyed: true, check: yesNo},
		domainProperty{name: "sessionTimeout", attr: "icsSessionTimeout", bit: -1, obeyed: true, check: seconds},
		domainProperty{name: "backEndHosts", attr: "icsDWPBackEndHosts", bit: -1, many: true, obeyed: true},
		domainProperty{name: "statusCalendarDomain", attr: "icsStatus", bit: -1, obeyed: true, check: status},
		domainProperty{name: "timezone", attr: "icsTimezone", bit: -1, obeyed: true, check: checkZone})
}()

// findProperty finds one by its name, in whatever case.
func findProperty(name string) (*domainProperty, error) {
	for i := range domainProperties {
		p := &domainProperties[i]
		if strings.EqualFold(p.name, name) {
			return p, nil
		}
		if strings.EqualFold(p.attr, name) && p.bit < 0 {
			return nil, misuse("-a takes the name of a property, not that of an attribute: %s is %s", name, p.name)
		}
	}
	if strings.EqualFold(name, "calmasterCred") {
		return nil, misuse("calmasterCred is a password, which has no place in the directory's preferences")
	}
	return nil, misuse("%q is no property of a domain; \"csdomain -?\" and docs/admin.md have them", name)
}

// change is what becomes of the attribute in which it is kept.
func (p *domainProperty) change(value string, remove bool, has func(attr string) []string) (directory.Change, error) {
	const prefs = "icsExtendedDomainPrefs"
	absent := fmt.Errorf("%s is not set", p.name)
	switch {
	case p.bit >= 0:
		old := has(p.attr)
		rights := 0
		if len(old) > 0 {
			n, err := strconv.Atoi(old[0])
			if err != nil {
				return directory.Change{}, fmt.Errorf("icsAllowRights of the entry is %q, which is no number", old[0])
			}
			rights = n
		} else if remove {
			return directory.Change{}, absent
		}
		if rights &^= 1 << p.bit; !remove && strings.EqualFold(value, "no") {
			rights |= 1 << p.bit
		}
		return directory.Change{Attr: p.attr, Values: []string{strconv.Itoa(rights)}}, nil
	case p.attr != "":
		old := has(p.attr)
		switch {
		case remove && len(old) == 0:
			return directory.Change{}, absent
		case remove && value == "":
			return directory.Change{Attr: p.attr}, nil
		case remove:
			next := slices.DeleteFunc(slices.Clone(old), func(v string) bool { return strings.EqualFold(v, value) })
			if len(next) == len(old) {
				return directory.Change{}, fmt.Errorf("%s has no value %s", p.name, value)
			}
			return directory.Change{Attr: p.attr, Values: next}, nil
		case p.many:
			return directory.Change{Attr: p.attr, Values: strings.Fields(value)}, nil
		}
		return directory.Change{Attr: p.attr, Values: []string{value}}, nil
	}
	found := false
	next := slices.DeleteFunc(slices.Clone(has(prefs)), func(v string) bool {
		name, is, _ := strings.Cut(v, "=")
		same := strings.EqualFold(strings.TrimSpace(name), p.name) && (!remove || value == "" || strings.EqualFold(strings.TrimSpace(is), value))
		found = found || same
		return same
	})
	if remove && !found {
		return directory.Change{}, absent
	}
	if !remove {
		next = append(next, p.name+"="+value)
	}
	return directory.Change{Attr: prefs, Values: next}, nil
}

// of is the value that a domain has, "" for none.
func (p *domainProperty) of(has func(attr string) []string) string {
	switch {
	case p.bit >= 0:
		if v := has(p.attr); len(v) > 0 {
			n, err := strconv.Atoi(v[0])
			if err != nil {
				return ""
			}
			return map[bool]string{true: "no", false: "yes"}[n>>p.bit&1 == 1]
		}
		return ""
	case p.attr != "":
		return strings.Join(has(p.attr), " ")
	}
	for _, v := range has("icsExtendedDomainPrefs") {
		if name, is, _ := strings.Cut(v, "="); strings.EqualFold(strings.TrimSpace(name), p.name) {
			return strings.TrimSpace(is)
		}
	}
	return ""
}
