// Package templates holds the texts that the server shows to people: the page
// at its address, and the mails it sends, by their languages. They are embedded.
// ldap has what an administrator loads into OpenLDAP, systemd what starts the server.
package templates

import (
	"embed"
	"fmt"
	"html/template"
	"io"
)

// Unit is what systemd starts the server by, with all roles of the host.
//
//go:embed systemd/factotum.service
var Unit string

//go:embed *.html
var files embed.FS

var front = template.Must(template.ParseFS(files, "front.html"))

//go:embed de en es fr ja
var letters embed.FS

// Letter is the .fmt file of that name in a language such as de; ok is false where
// there is none.
func Letter(language, name string) (data []byte, ok bool) {
	data, err := letters.ReadFile(language + "/" + name)
	return data, err == nil
}

// LDAPSchema is the schema for OpenLDAP, as slapd.conf includes it.
//
//go:embed ldap/ics.schema
var LDAPSchema string

// LDAPSample is a directory to begin with, below dc=example,dc=com; LDAPGroups
// are groups in it as Delegated Administrator wrote them.
var (
	//go:embed ldap/sample.ldif
	LDAPSample string
	//go:embed ldap/groups.ldif
	LDAPGroups string
)

// FrontPage is what the page at / tells.
type FrontPage struct {
	URL    string // as the visitor wrote it, with a slash at the end
	Host   string
	TLS    bool
	CalDAV bool
	WCAP   bool
}

// Front writes the page at /.
func Front(w io.Writer, p FrontPage) error {
	if err := front.Execute(w, p); err != nil {
		return fmt.Errorf("write front page: %w", err)
	}
	return nil
}
