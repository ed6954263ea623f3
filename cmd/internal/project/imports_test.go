package project

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mayImport says which of our packages a package may import: the arrows of
// docs/architecture.md. A name ending in /... stands for all below it. What is
// not named may import nothing of ours.
var mayImport = map[string][]string{
	"server/ical":                  {},
	"server/ical/icaltest":         {},
	"server/acl":                   {},
	"server/config":                {},
	"protocol/dav":                 {},
	"migrations":                   {},
	"templates":                    {},
	"server/recur":                 {"server/ical"},
	"server/zone":                  {"server/ical", "server/recur"},
	"server/itip":                  {"server/ical", "server/recur", "server/calendar", "server/edit", "server/zone"},
	"server/calendar":              {"server/ical", "server/acl"},
	"server/object":                {"server/ical", "server/recur", "server/calendar", "server/availability"},
	"server/availability":          {"server/ical", "server/recur", "server/calendar"},
	"server/object/objecttest":     {"server/ical", "server/recur"},
	"server/edit":                  {"server/ical", "server/recur", "server/calendar", "server/object"},
	"server/group":                 {"server/ical", "server/recur", "server/calendar"},
	"server/personal":              {"server/ical", "server/recur", "server/edit"},
	"server/alarm":                 {"server/ical", "server/recur"},
	"server/booking":               {"server/ical", "server/recur", "server/calendar", "server/object"},
	"server/admission":             {"server/ical", "server/calendar", "server/object", "server/itip", "server/zone"},
	"server/rezone":                {"server/ical", "server/object", "server/recur"},
	"server/rezone/rezonetest":     {"server/recur"},
	"server/rename":                {"server/ical", "server/acl", "server/calendar"},
	"server/changes":               {"server/ical", "server/zone"},
	"server/why":                   {"server/calendar", "server/itip", "server/booking", "server/admission"},
	"server/match":                 {"server/ical", "server/recur", "server/calendar", "server/object", "server/zone"},
	"server/cache":                 {"server/ical", "server/recur", "server/zone", "server/calendar", "server/object", "server/match", "server/availability"},
	"server/service":               {"server/ical", "server/recur", "server/acl", "server/calendar", "server/object", "server/edit", "server/group", "server/match", "server/itip", "server/cache", "server/zone", "server/availability", "server/booking", "server/personal", "server/admission", "server/alarm", "server/rezone"},
	"server/calendar/calendartest": {"server/...", "store/..."},
	"cmd/internal/place":           {},
	"server/directory":             {"server/acl", "server/calendar", "templates"},
	"server/directory/ldaptest":    {"server/...", "templates"},
	"server/cld":                   {"server/calendar", "server/match"},
	"server/observe":               {"server/calendar"},
	"server/observe/costtest":      {},
	"server/audit":                 {"server/acl", "server/calendar"},
	"server/worker":                {"server/calendar"},
	"server/delivery":              {"server/calendar", "server/worker"},
	"server/delivery/stories":      {},
	"server/session":               {"server/calendar"},
	"store/sqlstore":               {"server/calendar", "server/acl", "migrations"},
	"store/archive":                {"server/calendar", "server/acl", "server/rename"},
	"store/archive/s3":             {},
	"store/move":                   {"server/calendar", "store/archive"},
	"store/standby":                {"server/calendar", "store/archive"},
	"store/storetest":              {"server/calendar", "server/acl"},
	"store/storetest/pgtest":       {},
	"store/storetest/fresh":        {"store/sqlstore", "store/storetest/pgtest"},
	"store/storetest/smalldisk":    {},
	"protocol/caldav":              {"protocol/dav", "server/ical", "server/zone", "server/acl", "server/calendar", "server/changes", "server/why"},
	"protocol/caldav/caldavtest":   {"protocol/dav"},
	"protocol/wcap":                {"server/ical", "server/zone", "server/acl", "server/calendar", "server/object", "server/why", "server/session"},
	"protocol/sitetest":            {"protocol/dwp", "server/...", "store/..."},
	"protocol/interop":             {"protocol/...", "server/..."},
	"protocol/interop/meetings":    {"protocol/...", "server/..."},
	"protocol/wcap/wcaptest":       {"protocol/...", "server/..."},
	"protocol/dwp":                 {"server/calendar", "server/acl", "server/ical", "protocol/dwp/internal/wire"},
	"protocol/dwp/internal/wire":   {},
	"protocol/dwp/internal/gen":    {"protocol/dwp/internal/wire", "server/calendar"},
	"protocol/events":              {"server/calendar"},
	"protocol/front":               {"server/calendar", "templates"},
	"notify":                       {"server/...", "templates"},
	"notify/locale":                {"server/recur"},
	"notify/letter":                {"notify/locale", "server/ical", "server/recur", "server/calendar", "server/zone"},
	"notify/letterfile":            {"notify/letter", "notify/locale", "server/config", "templates"},
	"notify/relay":                 {},
	"notify/operator":              {"notify/letter"},
	"notify/relay/smtptest":        {},
	"notify/imip/imiptest":         {},
	"notify/mail":                  {"notify/letter", "notify/letterfile", "notify/relay", "server/admission", "server/ical", "server/itip", "server/recur", "server/calendar", "server/zone"},
	"notify/queue":                 {"notify/relay", "server/ical", "server/calendar", "server/worker"},
	"notify/xmpp":                  {},
	"notify/xmpp/xmpptest":         {},
	"notify/popup":                 {"notify/letter", "notify/locale", "notify/xmpp", "server/ical", "server/calendar"},
	"notify/spamd":                 {},
	"notify/outward":               {},
	"notify/webpush":               {},
	"notify/push":                  {"notify/outward", "notify/webpush", "server/calendar", "server/worker"},
	"notify/hook":                  {"notify/outward", "server/calendar", "server/worker"},
	"notify/lmtp":                  {"notify/imip", "server/admission", "server/calendar"},
	"notify/bus":                   {"server/calendar"},
	"notify/broker":                {"notify/bus"},
	"notify/ens":                   {"server/calendar", "server/ical"},
	"notify/...":                   {"server/...", "templates", "notify"},
	"cmd/internal/watcher":         {},
	"cmd/internal/certificates":    {},
	"cmd/internal/hosttest":        {},
	"cmd/internal/plain":           {"server/calendar"},
	"cmd/internal/zonedata":        {"server/recur"},
	"cmd/internal/davclient":       {},
	"cmd/internal/selftest":        {"cmd/internal/davclient"},
	"cmd/internal/simulate":        {},
	"cmd/internal/importer":        {"cmd/internal/plain", "server/calendar", "server/object", "server/ical", "server/zone", "protocol/wcap"},
	"cmd/internal/exporter":        {"cmd/internal/importer", "server/calendar", "server/ical", "server/zone", "protocol/wcap"},
	"cmd/internal/migrate":         {"cmd/internal/davclient", "cmd/internal/importer", "cmd/internal/plain", "server/calendar", "server/changes", "server/ical", "server/object"},
	"cmd/...":                      {"cmd/...", "notify/...", "protocol/...", "store/...", "server/...", "migrations", "templates", "notify"},
}

// pure are the rooms of rules: values in, values and errors out. What they need
// of the world, the time and new names, their callers give them.
var pure = []string{"server/object", "server/availability", "server/edit", "server/match", "server/itip", "server/booking", "server/group", "server/personal", "server/alarm", "server/admission", "server/changes", "server/rezone", "server/rename", "notify/imip", "notify/locale", "notify/letter"}

// worldly are the packages of the standard library, with all below them, that
// reach beyond the values that one is given.
var worldly = []string{"net", "os", "database", "syscall", "log", "math/rand", "crypto/rand", "runtime", "plugin", "testing"}

// clocks is what of package time does so too.
var clocks = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer", "Local", "LoadLocation"}

// tables are libraries that are nothing but that.
var tables = []string{"golang.org/x/text/unicode/norm", "golang.org/x/text/encoding", "golang.org/x/text/encoding/htmlindex", "golang.org/x/text/encoding/unicode"}

// TestImportNothingOfTheWorld: pure packages ask neither the system nor the
// clock nor chance, and import no library but ours, Go's and tables.
func TestImportNothingOfTheWorld(t *testing.T) {
	for _, name := range pure {
		dir := filepath.Join(root(t), filepath.FromSlash(name))
		paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		if len(paths) == 0 && name != "server/itip" { // which is still to come
			t.Errorf("%s has no files", name)
		}
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, spec := range file.Imports {
				imp, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				first, _, _ := strings.Cut(imp, "/")
				switch {
				case slices.ContainsFunc(worldly, func(w string) bool { return imp == w || matches(w+"/...", imp) }) && imp != "net/url":
					t.Errorf("%s: %s is pure and imports %s", files.Position(spec.Pos()), name, imp)
				case strings.Contains(first, ".") && !slices.Contains(tables, imp):
					t.Errorf("%s: %s imports %s, which is neither ours nor Go's", files.Position(spec.Pos()), name, imp)
				}
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if sel, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clocks, sel.Sel.Name) {
						t.Errorf("%s: %s is pure and uses time.%s", files.Position(n.Pos()), name, sel.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

type listed struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

// TestImportDirections keeps the arrows pointing one way: cmd → notify,
// protocol, store → server → calendar → recur, itip, acl → ical. The fronts
// never meet, and the server never imports the store.
func TestImportDirections(t *testing.T) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", "factotum/...")
	cmd.Dir = root(t)
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	seen := 0
	for {
		var p listed
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		seen++
		name := strings.TrimPrefix(p.ImportPath, "factotum/")
		allowed, ok := rule(name)
		if !ok {
			t.Errorf("%s has no place in the import rules: give it one, here and in docs/architecture.md", name)
		}
		for _, imp := range p.Imports {
			ours, is := strings.CutPrefix(imp, "factotum/")
			if is && !slices.ContainsFunc(allowed, func(a string) bool { return matches(a, ours) }) {
				t.Errorf("%s imports %s, which the import rules do not allow", name, ours)
			}
		}
		// Tests of fronts open them on the site that sitetest builds.
		front := strings.HasPrefix(name, "protocol/") && name != "protocol/sitetest" && !matches("protocol/dwp/...", name) && name != "protocol/dwp"
		for _, imp := range slices.Concat(p.TestImports, p.XTestImports) {
			if front && matches("factotum/store/...", imp) {
				t.Errorf("tests of %s build a store of their own with %s; protocol/sitetest does it", name, imp)
			}
		}
	}
	if seen < 10 {
		t.Fatalf("go list found %d packages", seen)
	}
}

// rule is the package's own, or that of the nearest tree it is in.
func rule(name string) (allowed []string, ok bool) {
	if a, ok := mayImport[name]; ok {
		return a, true
	}
	best := ""
	for pattern := range mayImport {
		if strings.HasSuffix(pattern, "/...") && matches(pattern, name) && len(pattern) > len(best) {
			best = pattern
		}
	}
	return mayImport[best], best != ""
}

func matches(pattern, name string) bool {
	tree, isTree := strings.CutSuffix(pattern, "/...")
	return pattern == name || isTree && strings.HasPrefix(name, tree+"/")
}
