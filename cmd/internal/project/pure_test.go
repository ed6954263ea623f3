package project

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPureStartsNothing: what the Makefile tests only without the race
// detector, PURE, has nothing for it to find. No goroutine is started by it, by
// its tests, or by what these import of ours.
func TestPureStartsNothing(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root(t), "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	_, list, ok := strings.Cut(string(makefile), "\nPURE = ")
	if !ok {
		t.Fatal("the Makefile has no PURE")
	}
	list, _, _ = strings.Cut(strings.ReplaceAll(list, "\\\n", ""), "\n")
	group := regexp.MustCompile(`\$\(addprefix (\S+),([^)]*)\)`)
	packages := strings.Fields(group.ReplaceAllString(list, ""))
	for _, g := range group.FindAllStringSubmatch(list, -1) {
		for _, name := range strings.Fields(g[2]) {
			packages = append(packages, g[1]+name)
		}
	}
	if len(packages) < 25 {
		t.Fatalf("only %q", packages)
	}
	for _, pkg := range packages {
		list := exec.Command("go", "list", "-test", "-deps", "-f", "{{with .Module}}{{if .Main}}{{$.Dir}}{{range $.GoFiles}} {{.}}{{end}}{{end}}{{end}}", pkg)
		list.Dir = root(t)
		out, err := list.Output()
		if err != nil {
			t.Fatalf("%s: %v", pkg, err)
		}
		seen := 0
		for _, l := range strings.Split(string(out), "\n") {
			words := strings.Fields(l)
			for i := 1; i < len(words); i++ {
				path := words[i]
				if !filepath.IsAbs(path) {
					path = filepath.Join(words[0], path)
				}
				if !strings.HasPrefix(path, root(t)) {
					continue // the main function that go test writes
				}
				seen++
				for _, at := range starts(t, path) {
					t.Errorf("%s is not tested under the race detector, but %s starts a goroutine: take it from PURE in the Makefile", pkg, at)
				}
			}
		}
		if seen < 2 {
			t.Errorf("%s: only %d files", pkg, seen)
		}
	}
}

// starts are the places where a file starts a goroutine: by a go statement, or
// by what does so for it.
func starts(t *testing.T, path string) (at []string) {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			at = append(at, files.Position(n.Pos()).String())
		case *ast.SelectorExpr:
			switch n.Sel.Name {
			case "Go", "Parallel", "AfterFunc", "NewServer", "NewTLSServer", "RunParallel":
				at = append(at, files.Position(n.Pos()).String())
			}
		}
		return true
	})
	return at
}
