package main

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"factotum/protocol/dwp/internal/wire"
)

// special are types whose conversions are by hand, and what comes after "to"
// and "from" in their names. Or is for what may be absent.
var special = map[string]string{
	"time.Time": "Time", "error": "Failure", "map[string]string": "Prefs", "*string": "Optional",
	"ical.DateTime": "Moment", "*ical.DateTime": "MomentOr", "*[]ical.DateTime": "Moments", "*ical.Duration": "Span",
	"[]calendar.Occurrence": "Occurrences", "acl.List": "ACL", "*acl.List": "ACLOr",
}

// converter gathers the pairs of structs that the calls need.
type converter struct {
	hand  map[string]bool
	pairs map[string]pair // by name of the Go type
	queue []string
	err   error
}

type pair struct{ value, message reflect.Type }

// add notes that a struct, or a pointer to one, and a message are needed.
func (c *converter) add(value, message reflect.Type) {
	if value.Kind() == reflect.Pointer {
		value = value.Elem()
	}
	name := value.Name()
	switch have, ok := c.pairs[name]; {
	case !ok:
		c.pairs[name] = pair{value, message}
		c.queue = append(c.queue, name)
	case have != pair{value, message}:
		c.err = fmt.Errorf("%v is both %v and %v %v", value, message, have.message, have.value)
	}
}

// file writes the conversions, and those that they need.
func (c *converter) file() (string, error) {
	texts := map[string]string{}
	for len(c.queue) > 0 {
		name := c.queue[0]
		c.queue = c.queue[1:]
		s, err := c.write(name, c.pairs[name])
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		texts[name] = s
	}
	var t text
	t.f("package dwp\n\nIMPORTS\n")
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		t.WriteString(texts[name])
	}
	return t.String(), c.err
}

func (c *converter) write(name string, p pair) (string, error) {
	to, from := "to"+name, "from"+name
	if c.hand[to] && c.hand[from] {
		return "", nil
	}
	var writes, reads text
	used := map[string]bool{"Actor": true, "Packed": true} // the caller's
	for _, f := range exported(p.value) {
		w, ok := field(p.message, f.Name)
		if !ok {
			return "", fmt.Errorf("message %s has no field for %s", p.message.Name(), f.Name)
		}
		used[w.Name] = true
		t, r, err := c.expr("v."+f.Name, "m."+w.Name, f.Type, w.Type)
		if err != nil {
			return "", fmt.Errorf("%s: %w", f.Name, err)
		}
		writes.f("%s: %s,", w.Name, t)
		reads.f("%s: %s,", f.Name, r)
	}
	older := c.hand["older"+name] && c.hand["fromOlder"+name]
	for _, f := range exported(p.message) {
		if !used[f.Name] && !older {
			return "", fmt.Errorf("it has no field for %s of message %s", f.Name, p.message.Name())
		}
	}
	write := "&wire." + p.message.Name() + "{\n" + writes.String() + "}"
	read := p.value.String() + "{\n" + reads.String() + "}"
	if older {
		write, read = "m := "+write+"\nolder"+name+"(m, v)\nreturn m", "v = "+read+"\nfromOlder"+name+"(&v, m)\nreturn v"
	} else {
		write, read = "return "+write, "return "+read
	}
	var t text
	if !c.hand[to] {
		t.f("func %s(v *%v) *wire.%s {\nif v == nil {\nreturn nil\n}\n%s\n}\n", to, p.value, p.message.Name(), write)
	}
	if !c.hand[from] {
		t.f("func %s(m *wire.%s) (v %v) {\nif m == nil {\nreturn v\n}\n%s\n}\n", from, p.message.Name(), p.value, read)
	}
	return t.String(), nil
}

// expr returns what makes value v the content of a message's field, and what
// makes field m a value.
func (c *converter) expr(v, m string, value, message reflect.Type) (to, from string, err error) {
	both := func(to, from string) (string, string, error) { return to + "(" + v + ")", from + "(" + m + ")", nil }
	each := func(name string) (string, string, error) {
		return "each(" + v + ", to" + name + ")", "eachOf(" + m + ", from" + name + ")", nil
	}
	texts, list := reflect.TypeFor[[][]byte](), reflect.TypeFor[*wire.Texts]()
	elem := value
	if k := value.Kind(); k == reflect.Pointer || k == reflect.Slice {
		elem = value.Elem()
	}
	switch name := special[value.String()]; {
	case name != "":
		return both("to"+name, "from"+name)
	case value == message:
		return v, m, nil
	case value.Kind() == reflect.String && message == reflect.TypeFor[[]byte]():
		return both("toText", value.String())
	case value.Kind() == reflect.Slice && elem.Kind() == reflect.String && message == texts:
		return both("toTexts", "fromTexts["+elem.String()+"]")
	case value.Kind() == reflect.Slice && elem.Kind() == reflect.String && message == list:
		return both("toList", "fromList["+elem.String()+"]")
	case value.Kind() == reflect.Pointer && elem.Kind() == reflect.Slice && elem.Elem().Kind() == reflect.String && message == list:
		return both("toListOr", "fromListOr["+elem.Elem().String()+"]")
	case value.ConvertibleTo(message) && value.Kind() < reflect.Float32:
		return both(message.String(), value.String())
	case elem.Kind() != reflect.Struct:
	case message.Kind() == reflect.Slice && value.Kind() == reflect.Slice:
		c.add(elem, message.Elem().Elem())
		return each(elem.Name())
	case message.Kind() == reflect.Pointer && value.Kind() == reflect.Pointer:
		c.add(elem, message.Elem())
		return "to" + elem.Name() + "(" + v + ")", "present(" + m + ", from" + elem.Name() + ")", nil
	case message.Kind() == reflect.Pointer && value.Kind() == reflect.Struct:
		c.add(value, message.Elem())
		return "to" + value.Name() + "(&" + v + ")", "from" + value.Name() + "(" + m + ")", nil
	}
	return "", "", fmt.Errorf("%v cannot be %v: write conversions by hand", value, message)
}

// field returns the field of a struct by its name in any case, with or without
// underscores. What failed is Err here and failure there.
func field(t reflect.Type, name string) (reflect.StructField, bool) {
	name = strings.ToLower(name)
	if name == "err" {
		name = "failure"
	}
	for _, f := range exported(t) {
		if strings.ToLower(f.Name) == name {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

func exported(t reflect.Type) (fields []reflect.StructField) {
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() {
			fields = append(fields, f)
		}
	}
	return fields
}
