// Package directory knows the people, groups and resources that can have
// calendars, and who may log in.
//
// Directory implements calendar.People over one of two sources: an LDAP server
// in Sun's schema, or an LDIF file (RFC 2849) held in memory and re-read when it
// changes. A source only finds entries; what an entry means (person, group or
// resource, active or not, which domain, which groups) is decided here, once,
// for both.
//
// Logins checks names and passwords against a Directory: by bind (LDAP) or by
// hash (LDIF), with app passwords, a memory of successful logins and limits on
// failed ones. Editor changes the LDIF file for the tools.
//
// User ids are canonical in lower case: "jdoe" in the default domain,
// "jdoe@sesta.com" in any other. Values of a Person are shared between callers
// and must not be written to.
package directory
