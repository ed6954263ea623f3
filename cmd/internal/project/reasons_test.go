package project

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The page about reasons has every code that a journal can tell: constants named
// Reason… of the vocabulary, tables named "reasons", and what is written into a
// trace or a result of a delivery as it stands.
func TestWhyHasTheReasons(t *testing.T) {
	page, err := os.ReadFile("../../../docs/why.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllSubmatch(page, -1) {
		told[string(m[1])] = true
	}
	codes, files := map[string]token.Position{}, token.NewFileSet()
	note := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if code, err := strconv.Unquote(lit.Value); err == nil && code != "" {
				codes[code] = files.Position(lit.Pos())
			}
		}
	}
	err = filepath.WalkDir("../../../server", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				for i, name := range n.Names {
					if i >= len(n.Values) {
						break
					}
					if f.Name.Name == "calendar" && strings.HasPrefix(name.Name, "Reason") {
						note(n.Values[i])
					}
					if table, ok := n.Values[i].(*ast.CompositeLit); ok && name.Name == "reasons" {
						for _, row := range table.Elts {
							if row, ok := row.(*ast.CompositeLit); ok && len(row.Elts) > 0 {
								note(row.Elts[0])
							}
						}
					}
				}
			case *ast.CompositeLit:
				kind := ""
				switch x := n.Type.(type) {
				case *ast.SelectorExpr:
					kind = x.Sel.Name
				case *ast.Ident:
					kind = x.Name
				}
				for _, e := range n.Elts {
					if kv, ok := e.(*ast.KeyValueExpr); ok && (kind == "Trace" || kind == "DeliverResult") {
						if key, ok := kv.Key.(*ast.Ident); ok && key.Name == "Reason" {
							note(kv.Value)
						}
					}
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(codes) < 20 {
		t.Errorf("the test sees %d codes", len(codes))
	}
	for code, at := range codes {
		if !told[code] {
			t.Errorf("%s: docs/why.md does not tell what %q means: add a row", at, code)
		}
	}
	steps, err := os.ReadFile("../../../server/calendar/trace.go")
	if err != nil {
		t.Fatal(err)
	}
	table := regexp.MustCompile(`traceSteps = .*\{"", (.*)\}`).FindSubmatch(steps)
	if table == nil {
		t.Fatal("the steps are not found")
	}
	for _, step := range strings.Split(string(table[1]), ", ") {
		if step = strings.Trim(step, `"`); !told[step] {
			t.Errorf("docs/why.md does not tell what the step %q means", step)
		}
	}
}
