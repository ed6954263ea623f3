package project

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// looksAtRights: fronts may look at rights to show something, never to decide: what an actor
// may do the model says, which refuses him. These functions look at them all the
// same, each for a reason.
var looksAtRights = map[string]string{
	"protocol/caldav closed":          "shown: what a calendar is called and whose it is, and 403 for the rest of its properties, for who may not read",
	"protocol/caldav getACL":          "shown: the property is 403 beside the others for who may not see it; the model gives him no list",
	"protocol/caldav privileges":      "shown: DAV:current-user-privilege-set",
	"protocol/caldav aclPrincipals":   "a report on a list of rights, refused to whom the model shows none: RFC 3744 §9.2",
	"protocol/caldav getSharingModes": "shown: CS:can-be-shared for who may change the list of rights",
	"protocol/caldav getQuotaUsed":    "shown: what somebody has used is missing for others; the model does not tell them",
	"protocol/wcap calprops":          "shown: properties that the model gave nobody else than readers are left out",
	"protocol/wcap isAdmin":           "who the administrators are: service.admin.calmaster.userid",
	"protocol/wcap elevated":          "administrators act as such in createcalendar, deletecalendar and on preferences, by options of this front",
	"protocol/wcap whoLogsIn":         "an option of this front: administrators log in for others, allowadminproxy",
	"protocol/wcap ping":              "a command for administrators, about no calendar",
}

// TestFrontsDecideByNoRights: whatever in a front asks what somebody may do, or
// whether he is an administrator, is one of those above.
func TestFrontsDecideByNoRights(t *testing.T) {
	used := map[string]bool{}
	for _, front := range []string{"protocol/caldav", "protocol/wcap"} {
		files, err := filepath.Glob(filepath.Join(root(t), front, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s has %d files, %v", front, len(files), err)
		}
		set := token.NewFileSet()
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(set, name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, decl := range file.Decls {
				where := front + " " + nameOf(decl)
				ast.Inspect(decl, func(n ast.Node) bool {
					what := asksForRights(n)
					if what == "" {
						return true
					}
					if used[where] = true; looksAtRights[where] == "" {
						t.Errorf("%s: %s asks for %s: let the model refuse, or say here what it is for", set.Position(n.Pos()), where, what)
					}
					return true
				})
			}
		}
	}
	for _, where := range slices.Sorted(maps.Keys(looksAtRights)) {
		if !used[where] {
			t.Errorf("%s looks at no rights any more: take it out of the list", where)
		}
	}
}

func nameOf(decl ast.Decl) string {
	if f, ok := decl.(*ast.FuncDecl); ok {
		return f.Name.Name
	}
	return "a declaration"
}

// asksForRights names what a node asks about somebody's rights, or "".
func asksForRights(n ast.Node) string {
	switch n := n.(type) {
	case *ast.SelectorExpr:
		switch n.Sel.Name {
		case "Rights", "CanSee", "CanRead", "CanWrite", "CanDelete", "CanSeeBusy", "RightsOf", "Admin", "Administers", "isAdmin", "Manager":
			if pkg, ok := n.X.(*ast.Ident); ok && (pkg.Name == "acl" || pkg.Name == "calendar") {
				return "" // a type
			}
			return n.Sel.Name
		}
	case *ast.CallExpr:
		called, ok := n.Fun.(*ast.SelectorExpr)
		if !ok || called.Sel.Name != "Has" || len(n.Args) != 1 {
			return ""
		}
		if of, ok := n.Args[0].(*ast.SelectorExpr); ok {
			if pkg, ok := of.X.(*ast.Ident); ok && pkg.Name == "acl" {
				return "Has(acl." + of.Sel.Name + ")"
			}
		}
	}
	return ""
}
