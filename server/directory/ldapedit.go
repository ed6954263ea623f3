package directory

import (
	"context"
	"errors"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"factotum/server/calendar"
)

// LDAPEditor changes what the calendar server itself keeps in the entries of
// an LDAP directory: whether somebody has calendar service, on which back
// end his calendars are, and groups. Accounts and
// passwords are made and removed with the directory's own tools.
type LDAPEditor struct {
	dir *Directory
	src *ldapSource
}

// NewLDAPEditor edits the directory of opt.LDAP, as opt.LDAP.BindDN, which
// must be set to somebody who may (local.enduseradmindn). Close ends it.
func NewLDAPEditor(opt Options) (*LDAPEditor, error) {
	if opt.LDIF != "" {
		return nil, errors.New("edit directory: people are kept in an LDIF file")
	}
	if opt.LDAP.BindDN == "" {
		return nil, errors.New("edit directory: local.enduseradmindn and local.enduseradmincred must name somebody who may change entries")
	}
	opt.LDAP.CacheTTL = -1
	d, err := Open(opt)
	if err != nil {
		return nil, err
	}
	return &LDAPEditor{d, d.src.(*ldapSource)}, nil
}

// Close ends the connections.
func (ed *LDAPEditor) Close() error { return ed.dir.Close() }

// find looks an entry up by user id.
func (ed *LDAPEditor) find(ctx context.Context, op, id string) (*entry, error) {
	if badName(id) {
		return nil, notFound("")
	}
	ds, err := ed.dir.src.domains(ctx)
	if err != nil {
		return nil, unavailable(op, err)
	}
	return ed.dir.byID(ctx, ds, fold(id))
}

// modify sends what f makes of an entry.
func (ed *LDAPEditor) modify(ctx context.Context, op, id string, f func(e *entry, m *ldap.ModifyRequest)) error {
	e, err := ed.find(ctx, op, id)
	if err != nil {
		return err
	}
	m := ldap.NewModifyRequest(e.dn, nil)
	if f(e, m); len(m.Changes) == 0 {
		return nil
	}
	return ed.failed(op, id, ed.src.searches.do(ctx, func(c *ldap.Conn) error { return c.Modify(m) }))
}

// failed says what an error of the directory's means.
func (ed *LDAPEditor) failed(op, id string, err error) error {
	switch {
	case ldap.IsErrorWithCode(err, ldap.LDAPResultInsufficientAccessRights):
		return &calendar.Error{Kind: calendar.Denied, Op: op, Ref: id, Msg: "the directory does not let local.enduseradmindn change this entry", Err: err}
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultObjectClassViolation, ldap.LDAPResultUndefinedAttributeType):
		return &calendar.Error{Kind: calendar.Invalid, Op: op, Ref: id, Msg: "the directory's schema does not allow it for this entry: " + err.Error(), Err: err}
	case err != nil:
		return unavailable(op, err)
	}
	return nil
}

// SetEnabled is Editor.SetEnabled.
func (ed *LDAPEditor) SetEnabled(ctx context.Context, id string, enabled bool) error {
	return ed.modify(ctx, "enable user", id, func(e *entry, m *ldap.ModifyRequest) {
		status, access := e.one(ed.dir.at.Status) != "", e.one(ed.dir.at.Access) != ""
		switch {
		case enabled && status:
			m.Replace("icsStatus", []string{"active"})
			fallthrough
		case enabled && access:
			m.Replace("icsAllowedServiceAccess", nil)
		case !enabled && status:
			m.Replace("icsStatus", []string{"inactive"})
		case !enabled:
			m.Replace("icsAllowedServiceAccess", []string{"http"})
		}
	})
}

// SetHost writes the back end that holds the calendars of a user into his
// entry, unless one is there. An entry without the class that the attribute
// needs gets it. ldap.md §9.
func (ed *LDAPEditor) SetHost(ctx context.Context, id, host string) error {
	at := &ed.dir.at
	return ed.modify(ctx, "write back end", id, func(e *entry, m *ldap.ModifyRequest) {
		if e.one(at.DWPHost) != "" {
			return
		}
		if kind, _ := ed.dir.kindOf(e); kind == calendar.Individual && !e.has("objectclass", at.ClassUser) {
			m.Add("objectClass", []string{at.ClassUser})
		}
		m.Add(at.DWPHost, []string{host}) // Add, not Replace: another front end may be first
	})
}

// Reset takes calendar service from a user as Editor.Reset does. With the
// class icsCalendarUser its other attributes have to go as well, since the
// directory keeps to its schema; icsAllowedServiceAccess stays. RFC 4511 §4.6:
// to replace by nothing is to delete what may be there.
func (ed *LDAPEditor) Reset(ctx context.Context, id string) error {
	const op = "reset user"
	e, err := ed.find(ctx, op, id)
	if err != nil {
		return err
	}
	all, _, err := ed.src.ask(ctx, e.dn, ldap.ScopeBaseObject, "(objectClass=*)", nil, 1)
	if err != nil {
		return unavailable(op, err)
	}
	return ed.modify(ctx, op, id, func(e *entry, m *ldap.ModifyRequest) {
		for _, class := range e.all("objectclass") {
			if equalFold(class, "icsCalendarUser") {
				m.Delete("objectClass", []string{class})
			}
		}
		for _, whole := range all {
			for _, a := range whole.attrs {
				if strings.HasPrefix(a.name, "ics") && a.name != "icsallowedserviceaccess" {
					m.Replace(a.name, nil)
				}
			}
		}
	})
}

// SwitchHost has the entry of somebody name another back end, if it names from, or
// none: then from is what follows from elsewhere. Stale: it names a third one. The server
// does both or nothing, and refuses where somebody else was first. RFC 4511 §4.6.
func (ed *LDAPEditor) SwitchHost(ctx context.Context, id, from, to string) error {
	const op = "write back end"
	at := &ed.dir.at
	var stale error
	err := ed.modify(ctx, op, id, func(e *entry, m *ldap.ModifyRequest) {
		is := e.one(at.DWPHost)
		switch {
		case equalFold(is, to):
			return
		case is != "" && !equalFold(is, from):
			stale = otherHost(op, id, is)
			return
		case is != "":
			m.Delete(at.DWPHost, []string{is})
		}
		if kind, _ := ed.dir.kindOf(e); kind == calendar.Individual && !e.has("objectclass", at.ClassUser) {
			m.Add("objectClass", []string{at.ClassUser})
		}
		m.Add(at.DWPHost, []string{to})
	})
	if err == nil {
		err = stale
	}
	return err
}

func otherHost(op, id, is string) error {
	return &calendar.Error{Kind: calendar.Stale, Op: op, Ref: id, Msg: "the entry names the back end " + is}
}

// People answers from the directory itself: nothing is remembered.
func (ed *LDAPEditor) People() *Directory { return ed.dir }
