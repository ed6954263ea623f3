package archive

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"factotum/server/calendar"
)

// Whatever a transaction can write is recorded: a method that calendar.Tx gets, and that
// recorder does not have, would write what no backup knows of.
func TestAllWritesAreRecorded(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "recorder.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	has := map[string]bool{"OnCommit": true}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil {
			has[f.Name.Name] = true
		}
	}
	reads := reflect.TypeFor[calendar.ReadTx]()
	for m := range reflect.TypeFor[calendar.Tx]().Methods() {
		if _, read := reads.MethodByName(m.Name); !read && !has[m.Name] {
			t.Errorf("%s is not recorded", m.Name)
		}
	}
}

// A place that hangs holds up one write for a while, and no other.
func TestAPlaceThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, never := &log{}, make(chan struct{})
		l.more = sync.NewCond(&l.mu)
		begun := time.Now()
		l.await(never)
		first := time.Since(begun)
		l.await(never)
		if all := time.Since(begun); first != mostPatience || all != first {
			t.Errorf("it waits for %v, and all for %v", first, all)
		}
	})
}
