package main

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"factotum/protocol/dwp/internal/wire"
	"factotum/server/calendar"
)

// text is a file in the making.
type text struct{ strings.Builder }

func (t *text) f(format string, args ...any) { fmt.Fprintf(&t.Builder, format+"\n", args...) }

func observeFile(methods []method) string {
	var t text
	t.f(`// Package observe tells of the calls of a calendar.Backend.
package observe

IMPORTS

// Operations are the names that Calls gives to them.
var Operations = []string{`)
	for _, m := range methods {
		t.f("%q,", m.op)
	}
	t.f(`}

// Calls tells seen of every call of be when it has returned, and before the
// caller has the answer: its name, how long it took, and its error.
func Calls(be calendar.Backend, seen func(op string, took time.Duration, err error)) calendar.Backend {
	return &observed{be, seen}
}

type observed struct {
	be   calendar.Backend
	seen func(op string, took time.Duration, err error)
}
`)
	for _, m := range methods {
		t.f("func (o *observed) %s {\nstart := time.Now()", m.signature())
		t.f("%s = o.be.%s\no.seen(%q, time.Since(start), err)\nreturn %s\n}\n", m.results(), m.call(), m.op, m.results())
	}
	return t.String()
}

func stubFile(methods []method) string {
	var t text
	t.f(`package calendartest

IMPORTS

// Stub is a calendar.Backend that hands each call to Do: the name of the
// method, its arguments without the context, and a pointer to its result if it
// has one beside the error.
type Stub struct {
	Do func(method string, args []any, result any) error
}
`)
	for _, m := range methods {
		result := "nil"
		if m.result != nil {
			result = "&res"
		}
		t.f("// %s implements calendar.Backend.\nfunc (s Stub) %s {", m.name, m.signature())
		t.f("err = s.Do(%q, []any{%s}, %s)\nreturn %s\n}\n", m.name, strings.Join(m.args(), ", "), result, m.results())
	}
	return t.String()
}

func routerFile(methods []method, hand map[string]bool) string {
	var t text
	t.f("package cld\n\nIMPORTS\n")
	for _, m := range methods {
		if hand["Router."+m.name] || m.owner == "" {
			continue
		}
		t.f("// %s implements calendar.Backend.\nfunc (r *Router) %s {", m.name, m.signature())
		ask, told, got := "ask", "nil, ", "err"
		if m.emits != nil {
			t.f("emit, told := noting(emit)")
			told = "told, "
		}
		if m.retry == "write" && m.emits == nil {
			ask, told = "askOnce", ""
		}
		if m.result != nil {
			got = "res, err"
		}
		t.f("err = r.%s(ctx, %s, %sfunc(ctx context.Context, be calendar.Backend) (err error) {\n", ask, m.owner, told)
		if p := m.tokenOf(); p != "" {
			t.f("if be != r.local && %[1]s.Token == \"\" {\n%[1]s.Token = rand.Text()\n}", p)
		}
		t.f("%s = be.%s\nreturn err\n})\nreturn %s\n}\n", got, m.call(), m.results())
	}
	return t.String()
}

// tokenOf is the parameter that has the request token, "" if the context has it.
func (m *method) tokenOf() string {
	for _, p := range m.params {
		if p.typ.Kind() == reflect.Struct {
			if f, ok := p.typ.FieldByName("Token"); ok && f.Type.Kind() == reflect.String && m.retry == "repeat" {
				return p.name
			}
		}
	}
	return ""
}

func callsFile(methods []method, hand map[string]bool, conv *converter) (string, error) {
	var t text
	t.f("package dwp\n\nIMPORTS\n")
	t.f("// reads are the calls that gRPC itself may send once more.\nvar reads = []string{")
	for _, m := range methods {
		if m.retry == "read" {
			t.f("%q,", m.name)
		}
	}
	t.f("}\n")
	for _, m := range methods {
		c := &call{method: m, hand: hand, conv: conv, text: &t}
		if err := c.write(); err != nil {
			return "", fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return t.String(), nil
}

// call writes both sides of one method.
type call struct {
	method
	*text
	hand map[string]bool
	conv *converter
}

func (c *call) write() error {
	if name := "check" + c.request.Name(); nests(c.request, nil) && !c.hand[name] {
		return fmt.Errorf("message %s nests without end: bound it by %s", c.request.Name(), name)
	}
	ask, args, err := c.arguments()
	if err != nil {
		return err
	}
	switch {
	case c.bidi:
		_, _, err = c.answers()
		return err
	case c.emits != nil:
		return c.stream(ask, args)
	}
	return c.unary(ask, args)
}

// nests tells whether a message can hold another of the same type.
func nests(m reflect.Type, above []reflect.Type) bool {
	for slices.Contains([]reflect.Kind{reflect.Pointer, reflect.Slice}, m.Kind()) {
		m = m.Elem()
	}
	if m.Kind() != reflect.Struct || slices.Contains(above, m) {
		return m.Kind() == reflect.Struct
	}
	return slices.ContainsFunc(exported(m), func(f reflect.StructField) bool { return nests(f.Type, append(above, m)) })
}

// arguments returns the statements that make message q of them, and the
// expressions that read them from message m.
func (c *call) arguments() (ask string, args []string, err error) {
	var fields []string
	whole, who := "", ""
	for _, p := range c.params {
		switch {
		case p.typ == reflect.TypeFor[calendar.Actor]():
			who = "toActor(&" + p.name + ")"
			args = append(args, "fromActor(m.Actor)")
			c.conv.add(p.typ, reflect.TypeFor[wire.Actor]())
		case p.typ.Kind() == reflect.Func:
		case strings.HasSuffix(p.typ.Name(), "Request"):
			whole = "to" + p.typ.Name() + "(&" + p.name + ")"
			args = append(args, "from"+p.typ.Name()+"(m)")
			c.conv.add(p.typ, c.request)
		default:
			f, ok := field(c.request, p.name)
			if !ok {
				return "", nil, fmt.Errorf("message %s has no %s", c.request.Name(), p.name)
			}
			to, from, err := c.conv.expr(p.name, "m."+f.Name, p.typ, f.Type)
			if err != nil {
				return "", nil, err
			}
			fields = append(fields, f.Name+": "+to)
			args = append(args, from)
		}
	}
	switch {
	case whole != "" && len(fields) == 0:
		return "q := " + whole + "\nq.Actor = " + who, args, nil
	case who != "":
		fields = append([]string{"Actor: " + who}, fields...)
	}
	return fmt.Sprintf("q := &wire.%s{%s}", c.request.Name(), strings.Join(fields, ", ")), args, nil
}

// wrapped returns the one field of the answer, items apart, that holds the
// whole result; without it the answer has a field for each of the result's.
func (c *call) wrapped(items ...string) (only reflect.StructField, ok bool) {
	for _, f := range exported(c.answer) {
		if slices.Contains(items, f.Name) {
			continue
		}
		if ok {
			return only, false
		}
		only, ok = f, true
	}
	if ok && c.result.Kind() == reflect.Struct {
		_, has := field(c.result, only.Name)
		return only, !has
	}
	return only, ok
}

// op is what the client's errors call it.
func (c *call) words() string { return strings.ReplaceAll(c.op, "-", " ") }

func (c *call) head() {
	c.f("// %s implements calendar.Backend.\nfunc (c *Client) %s {", c.name, c.signature())
}

// counted is the client's test of the number of items, if there is one.
func (c *call) counted(got string) string {
	if c.items == "" {
		return ""
	}
	want, when, conditional := strings.Cut(c.items, " if ")
	if conditional {
		when += " && "
	}
	return fmt.Sprintf("if err == nil && %s%s != %s {\nerr = errCut(%q)\n}\n", when, got, want, c.words())
}

// checked is the server's test of the request, if there is one.
func (c *call) checked(results string) string {
	if !c.hand["check"+c.request.Name()] {
		return ""
	}
	return fmt.Sprintf("if err := check%s(m); err != nil {\nreturn %serr\n}\n", c.request.Name(), results)
}

// answers returns what makes the answer of res, and reads res from message a.
func (c *call) answers() (write, read string, err error) {
	if c.result == nil {
		return "&wire." + c.answer.Name() + "{}", "", nil
	}
	if f, ok := c.wrapped(); ok {
		write, read, err = c.conv.expr("res", "a."+f.Name, c.result, f.Type)
		return fmt.Sprintf("&wire.%s{%s: %s}", c.answer.Name(), f.Name, write), read, err
	}
	name := c.result.Name()
	c.conv.add(c.result, c.answer)
	return "to" + name + "(&res)", "from" + name + "(a)", nil
}

func (c *call) unary(ask string, args []string) error {
	write, read, err := c.answers()
	if err != nil {
		return err
	}
	retry := map[string]string{"read": "never", "write": "withToken", "repeat": "always"}[c.retry]
	if !c.hand["Client."+c.name] {
		c.head()
		c.f("%s", ask)
		if c.result == nil {
			c.f("_, err = unary(ctx, c, %q, %s, c.api.%s, q)\nreturn err\n}\n", c.words(), retry, c.name)
		} else {
			c.f("a, err := unary(ctx, c, %q, %s, c.api.%s, q)", c.words(), retry, c.name)
			if f, ok := c.wrapped(); ok && c.result.Kind() == reflect.Pointer {
				c.f("if err == nil && a.%s == nil {\nerr = errCut(%q)\n}", f.Name, c.words())
			}
			c.f("%sif err != nil {\nreturn res, err\n}\nreturn %s, nil\n}\n", c.counted("len(a.GetItems())"), read)
		}
	}
	if !c.hand["service."+c.name] {
		m := "m"
		if len(args) == 0 {
			m = "_"
		}
		c.f("func (s *service) %s(ctx context.Context, %s *wire.%s) (*wire.%s, error) {", c.name, m, c.request.Name(), c.answer.Name())
		c.f("%s%s := s.backend.%s(%s)", c.checked("nil, "), c.results(), c.name, strings.Join(append([]string{"ctx"}, args...), ", "))
		c.f("if err != nil {\nreturn nil, err\n}\nreturn %s, nil\n}\n", write)
	}
	return nil
}

// stream: the answer has a list, which becomes the items, and in the last
// message the result if there is one. Where it has a page too, that is what the
// client asks for, and the list is for clients that do not.
func (c *call) stream(ask string, args []string) error {
	var items reflect.StructField
	for _, f := range exported(c.answer) {
		if f.Type.Kind() == reflect.Slice {
			items = f
		}
	}
	if items.Name == "" {
		return errors.New("its answer has no list")
	}
	item := items.Type.Elem().Elem().Name()
	take := fmt.Sprintf("emitEach(a.%s, from%s, emit)", items.Name, c.emits.Name())
	batch, emit := "b := batch[wire."+item+"]{}", fmt.Sprintf("func(v %s) error { return b.put(to%s(&v)) }", c.emits, c.emits.Name())
	takePage, pack := "takePageItems", "p.syncItem"
	if c.emits == reflect.TypeFor[*calendar.Object]() {
		take, batch, emit = "takeObjects(a."+items.Name+", emit)", "var b batch[wire.Object]",
			"func(o *calendar.Object) error { return b.add(toObject(o), len(o.Data)) }"
		takePage, pack = "takePageObjects", "p.object"
	} else {
		c.conv.add(c.emits, items.Type.Elem().Elem())
	}
	_, paged := field(c.answer, "Page")
	last, lastPage := "return b.flush()", "if p.rest() == nil {\nreturn nil\n}\nreturn st.Send(&wire."+c.answer.Name()+"{Page: p.rest()})"
	hold, keep, cut, read := "", "", "", "return err"
	if c.result != nil {
		f, ok := c.wrapped(items.Name, "Page")
		if !ok {
			return errors.New("its answer has no field for the result")
		}
		to, from, err := c.conv.expr("res", "last", c.result, f.Type)
		if err != nil {
			return err
		}
		last = fmt.Sprintf("return st.Send(&wire.%s{%s: b.items, %s: %s})", c.answer.Name(), items.Name, f.Name, to)
		lastPage = fmt.Sprintf("return st.Send(&wire.%s{Page: p.rest(), %s: %s})", c.answer.Name(), f.Name, to)
		hold, keep = "var last *wire."+f.Type.Elem().Name()+"\n", "last = a."+f.Name+"\n"
		cut = fmt.Sprintf("if err == nil && last == nil {\nerr = errCut(%q)\n}\n", c.words())
		read = "if err != nil {\nreturn res, err\n}\nreturn " + from + ", nil"
	}
	if counted := c.counted("got"); counted != "" {
		hold, keep, cut = hold+"got := 0\n", keep+"got += len(a."+items.Name+")\n", cut+counted
	}
	if paged {
		hold, keep = "q.Packed = true\n"+hold, keep+"if err := "+takePage+"(ctx, a.Page, emit); err != nil {\nreturn err\n}\n"
	}
	if !c.hand["Client."+c.name] {
		c.head()
		c.f("%s\n%serr = stream(ctx, c, %q, c.api.%s, q, func(a *wire.%s) error {", ask, hold, c.words(), c.name, c.answer.Name())
		c.f("%sreturn %s\n})\n%s%s\n}\n", keep, take, cut, read)
	}
	if !c.hand["service."+c.name] {
		run := func(emit, last string) {
			c.f("%s := s.backend.%s(%s)", c.results(), c.name, strings.Join(append(append([]string{"st.Context()"}, args...), emit), ", "))
			c.f("if err != nil {\nreturn err\n}\n%s\n}", last)
		}
		c.f("func (s *service) %s(m *wire.%s, st grpc.ServerStreamingServer[wire.%s]) error {", c.name, c.request.Name(), c.answer.Name())
		c.WriteString(c.checked(""))
		if paged {
			c.f("if m.Packed {\np := newPacker(func(page *wire.Page) error { return st.Send(&wire.%s{Page: page}) })\ndefer p.free()", c.answer.Name())
			run(pack, lastPage)
		}
		c.f("%s\nb.send = func(items []*wire.%s) error { return st.Send(&wire.%s{%s: items}) }", batch, item, c.answer.Name(), items.Name)
		run(emit, last)
		c.f("")
	}
	return nil
}
