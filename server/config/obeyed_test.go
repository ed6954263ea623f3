package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

const self = "factotum/server/config"

// readHere are parameters whose fields only this package reads.
var readHere = []string{
	"factotum.data.dir",    // what relative paths are below
	"local.store.enable",   // the other spelling of service.store.enable
	"factotum.xmpp.enable", // Config.PopsUp, with the next
	"iim_agent.agent-calendar.enable",
	"service.admin.alarm",           // Config.AlertsMailed
	"local.autorestart",             // the other spelling of service.autorestart
	"caldb.berkeleydb.homedir.path", // what factotum.store.path is below
}

// TestObeyedParametersAreRead looks into every program for the fields of the
// parameters that are told to have an effect, and of those that are told to
// have none.
func TestObeyedParametersAreRead(t *testing.T) {
	if testing.Short() {
		t.Skip("needs the whole project compiled")
	}
	read := fieldsRead(t)
	c := Default()
	for _, p := range params {
		if p.field == nil || slices.Contains(readHere, p.Name) {
			continue
		}
		field := p.field(c)
		if e, ok := field.(entry); ok {
			field = e.m
		}
		path := fieldPath(reflect.ValueOf(c).Elem(), reflect.ValueOf(field))
		if len(path) == 0 {
			t.Errorf("%s: no field of Config", p.Name)
			continue
		}
		missing := slices.IndexFunc(path, func(f string) bool { return !read[f] })
		switch {
		case missing >= 0 && p.Used() && !p.stands:
			t.Errorf("%s is told to have an effect, but no program reads %s: obey it, or mark it as idle()", p.Name, path[missing])
		case missing < 0 && p.idle:
			t.Errorf("%s is marked as idle(), but it is read", p.Name)
		}
	}
}

// fieldPath finds the field that ptr points to: Type.Field for each step.
func fieldPath(v, ptr reflect.Value) []string {
	if ptr.Kind() != reflect.Pointer {
		return nil
	}
	if v.Kind() == reflect.Slice {
		for i := range v.Len() {
			if path := fieldPath(v.Index(i), ptr); path != nil {
				return path
			}
		}
		return nil
	}
	if v.Kind() != reflect.Struct {
		return nil
	}
	for i := range v.NumField() {
		f := v.Field(i)
		step := v.Type().Name() + "." + v.Type().Field(i).Name
		if f.Addr().UnsafePointer() == ptr.UnsafePointer() && f.Type() == ptr.Type().Elem() {
			return []string{step}
		}
		if path := fieldPath(f, ptr); path != nil {
			return append([]string{step}, path...)
		}
	}
	return nil
}

// fieldsRead collects Type.Field for every selector of this package's structs
// in the programs' sources, tests apart.
func fieldsRead(t *testing.T) map[string]bool {
	t.Helper()
	type listed struct {
		ImportPath, Dir, Export string
		GoFiles, Imports        []string
	}
	cmd := exec.Command("go", "list", "-deps", "-export", "-json=ImportPath,Dir,Export,GoFiles,Imports", "factotum/cmd/...")
	cmd.Dir = root(t)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	exports := map[string]string{}
	var users []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		exports[p.ImportPath] = p.Export
		if slices.Contains(p.Imports, self) {
			users = append(users, p)
		}
	}
	if len(users) == 0 {
		t.Fatal("nobody imports the configuration")
	}
	fset, read := token.NewFileSet(), map[string]bool{}
	lookup := func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }
	for _, p := range users {
		var files []*ast.File
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
		info := &types.Info{Selections: map[*ast.SelectorExpr]*types.Selection{}}
		conf := types.Config{Importer: importer.ForCompiler(fset, "gc", lookup)}
		if _, err := conf.Check(p.ImportPath, fset, files, info); err != nil {
			t.Fatal(err)
		}
		for _, s := range info.Selections {
			if s.Kind() == types.FieldVal && s.Obj().Pkg() != nil && s.Obj().Pkg().Path() == self {
				mark(read, s)
			}
		}
	}
	return read
}

// mark notes the steps of a selector, embedded structs included.
func mark(read map[string]bool, s *types.Selection) {
	typ := s.Recv()
	for _, i := range s.Index() {
		if p, ok := typ.Underlying().(*types.Pointer); ok {
			typ = p.Elem()
		}
		st, ok := typ.Underlying().(*types.Struct)
		if !ok {
			return
		}
		if named, ok := types.Unalias(typ).(*types.Named); ok {
			read[named.Obj().Name()+"."+st.Field(i).Name()] = true
		}
		typ = st.Field(i).Type()
	}
}

// TestFallbacksMeanTheSame: a path that is another parameter's where it is not set
// means the same file as there.
func TestFallbacksMeanTheSame(t *testing.T) {
	n := 0
	for _, p := range Params() {
		if p.Kind != Path || p.Fallback == "" {
			continue
		}
		n++
		if of := byName[strings.ToLower(p.Fallback)]; of.Dir != p.Dir {
			t.Errorf("%s is relative to another directory than %s", p.Name, p.Fallback)
		}
	}
	if n == 0 {
		t.Error("there are none")
	}
}
