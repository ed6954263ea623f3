package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"

	"factotum/protocol/dwp/internal/wire"
	"factotum/server/calendar"
)

// method is one of calendar.Backend.
type method struct {
	name  string
	op    string // put-object
	owner string // of //backend:owner
	items string // of //backend:items
	retry string // of the others: read, write, repeat

	params  []param // without the context
	emits   reflect.Type
	result  reflect.Type // nil: an error only
	request reflect.Type // the message, a struct
	answer  reflect.Type
	bidi    bool // streams in both directions: by hand
}

type param struct {
	name string
	typ  reflect.Type
}

var capitals = regexp.MustCompile("(.)([A-Z])")

// readBackend takes types from the program and names and comments from the text.
func readBackend(root string) ([]method, error) {
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "server/calendar/backend.go"), nil, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	iface, _ := file.Scope.Lookup("Backend").Decl.(*ast.TypeSpec).Type.(*ast.InterfaceType)
	if iface == nil {
		return nil, fmt.Errorf("server/calendar/backend.go: Backend is no interface")
	}
	var methods []method
	for _, f := range iface.Methods.List {
		m := method{name: f.Names[0].Name}
		m.op = strings.ToLower(capitals.ReplaceAllString(m.name, "$1-$2"))
		for _, line := range f.Doc.List {
			rule, ours := strings.CutPrefix(line.Text, "//backend:")
			switch word, arg, _ := strings.Cut(rule, " "); {
			case !ours:
			case word == "owner":
				m.owner = arg
			case word == "items":
				m.items = arg
			default:
				m.retry = word
			}
		}
		if m.retry != "read" && m.retry != "write" && m.retry != "repeat" {
			return nil, fmt.Errorf("%s has no //backend:read, write or repeat", m.name)
		}
		var names []string
		for _, p := range f.Type.(*ast.FuncType).Params.List {
			for _, n := range p.Names {
				names = append(names, n.Name)
			}
		}
		if err := m.types(names); err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		methods = append(methods, m)
	}
	return methods, nil
}

func (m *method) types(names []string) error {
	ours, _ := reflect.TypeFor[calendar.Backend]().MethodByName(m.name)
	for i := 1; i < ours.Type.NumIn(); i++ {
		t := ours.Type.In(i)
		if t.Kind() == reflect.Func {
			m.emits = t.In(0)
		}
		m.params = append(m.params, param{names[i], t})
	}
	if ours.Type.NumOut() == 2 {
		m.result = ours.Type.Out(0)
	}
	theirs, ok := reflect.TypeFor[wire.BackendClient]().MethodByName(m.name)
	if !ok {
		return fmt.Errorf("dwp.proto has no such rpc")
	}
	out := theirs.Type.Out(0)
	send, both := out.MethodByName("Send")
	recv, streams := out.MethodByName("Recv")
	switch {
	case both:
		m.bidi, m.request = true, send.Type.In(0).Elem()
	case m.emits != nil && !streams:
		return fmt.Errorf("it emits, and its rpc has no stream")
	default:
		m.request = theirs.Type.In(1).Elem()
	}
	if streams {
		out = recv.Type.Out(0)
	}
	m.answer = out.Elem()
	return nil
}

// signature is the method's, with results named res and err.
func (m *method) signature() string {
	in := []string{"ctx context.Context"}
	for _, p := range m.params {
		in = append(in, p.name+" "+p.typ.String())
	}
	out := "err error"
	if m.result != nil {
		out = "res " + m.result.String() + ", err error"
	}
	return fmt.Sprintf("%s(%s) (%s)", m.name, strings.Join(in, ", "), out)
}

// call passes the arguments on.
func (m *method) call() string { return m.name + "(" + strings.Join(m.args("ctx"), ", ") + ")" }

func (m *method) args(first ...string) []string {
	for _, p := range m.params {
		first = append(first, p.name)
	}
	return first
}

// results are the names of what it returns.
func (m *method) results() string {
	if m.result == nil {
		return "err"
	}
	return "res, err"
}

// byHand lists the functions of a package that are not generated; methods with
// their receiver: Router.Ping.
func byHand(dir string) (map[string]bool, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, name := range files {
		if strings.HasSuffix(name, "_gen.go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			receiver := ""
			if f.Recv != nil {
				receiver = strings.TrimPrefix(types.ExprString(f.Recv.List[0].Type), "*") + "."
			}
			names[receiver+f.Name.Name] = true
		}
	}
	return names, nil
}
