package directory

import (
	"strings"
	"sync"

	"factotum/templates"
)

// attributeType is what the schema says of an attribute.
type attributeType struct {
	name   string // as it is spelled
	single bool   // it has one value
}

// schema are the attributes of templates/ldap/ics.schema, and those of other schemas
// that entries have, by their names in lower case.
var schema = sync.OnceValue(func() map[string]attributeType {
	types := map[string]attributeType{}
	for _, name := range strings.Fields("objectClass givenName preferredLanguage uniqueMember memberURL entryUUID modifyTimestamp telephoneNumber " +
		"associatedDomain displayName userPassword employeeNumber postalAddress") {
		types[strings.ToLower(name)] = attributeType{name, name == "preferredLanguage" || name == "displayName"}
	}
	for def := range strings.SplitSeq(templates.LDAPSchema, "\nattributetype ") {
		_, rest, ok := strings.Cut(def, "NAME '")
		if def, _, _ = strings.Cut(def, "\nobjectclass "); !ok {
			continue
		}
		name, _, _ := strings.Cut(rest, "'")
		types[strings.ToLower(name)] = attributeType{name, strings.Contains(def, "SINGLE-VALUE")}
	}
	return types
})

// spelled is how the schema writes the name of an attribute; another name is a site's
// own.
func spelled(attr string) string {
	if t, ok := schema()[strings.ToLower(attr)]; ok {
		return t.name
	}
	return attr
}
