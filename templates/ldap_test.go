package templates

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what is made of other files anew")

// TestLDAPSchemas: ics.ldif, for cn=config, is made of ics.schema.
func TestLDAPSchemas(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Made of ics.schema by \"go test ./templates -update\".\ndn: cn=ics,cn=schema,cn=config\nobjectClass: olcSchemaConfig\ncn: ics\n")
	kinds := map[string]string{"attributetype": "olcAttributeTypes", "objectclass": "olcObjectClasses"}
	for _, line := range strings.Split(LDAPSchema, "\n") {
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case kinds[word] != "":
			b.WriteString(kinds[word] + ": " + rest + "\n")
		case strings.HasPrefix(line, " "):
			b.WriteString(" " + line + "\n") // folded: the first blank is not part of it
		default:
			t.Errorf("%q is neither an attribute nor a class", line)
		}
	}
	path := filepath.Join("ldap", "ics.ldif")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != b.String() {
		t.Error("ics.ldif is not what ics.schema says: go test ./templates -update")
	}
}
