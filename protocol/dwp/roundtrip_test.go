package dwp

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"google.golang.org/protobuf/proto"

	"factotum/protocol/dwp/internal/wire"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/ical"
)

// echo is a Backend that notes what it was asked and answers what the test
// chose. Requests and answers are anything the types allow.
type echo struct {
	calendartest.Stub
	mu     sync.Mutex
	method string
	asked  []any
	answer []any // values of the method's results but the error; emitted items last
	err    error
}

func newEcho() *echo {
	e := new(echo)
	e.Do = e.do
	return e
}

func (e *echo) do(method string, args []any, result any) error {
	e.mu.Lock()
	e.method, e.asked = method, args
	answer, err := e.answer, e.err
	e.mu.Unlock()
	var emit reflect.Value
	if n := len(args); n > 0 && reflect.TypeOf(args[n-1]).Kind() == reflect.Func {
		emit, e.asked = reflect.ValueOf(args[n-1]), args[:n-1]
	}
	if result != nil && len(answer) > 0 {
		if answer[0] != nil {
			reflect.ValueOf(result).Elem().Set(reflect.ValueOf(answer[0]))
		}
		answer = answer[1:]
	}
	if emit.IsValid() && len(answer) > 0 {
		items := reflect.ValueOf(answer[0])
		for i := range items.Len() {
			if err, _ := emit.Call([]reflect.Value{items.Index(i)})[0].Interface().(error); err != nil {
				return err
			}
		}
	}
	return err
}

var (
	contextType = reflect.TypeFor[context.Context]()
	errorType   = reflect.TypeFor[error]()
	timeType    = reflect.TypeFor[time.Time]()
)

// fill gives every exported field a value that is not zero, nested levels
// deep; text holds octets that are not UTF-8.
func fill(v reflect.Value, r *rand.Rand, depth int) {
	switch v.Type() {
	case timeType:
		v.Set(reflect.ValueOf(time.UnixMicro(1 + r.Int64N(4e15)).UTC()))
		return
	case errorType:
		if r.IntN(2) == 0 {
			kinds := calendar.Kinds()
			v.Set(reflect.ValueOf(&calendar.Error{Kind: kinds[r.IntN(len(kinds))], Reason: "reason", Op: "op", Ref: "ref\xff", Msg: "msg"}))
		}
		return
	}
	switch x := v.Addr().Interface().(type) {
	case *ical.DateTime:
		*x = ical.FromCivil(time.Unix(r.Int64N(4e9), 0).UTC(), ical.Kind(r.IntN(4)), fmt.Sprintf("%x\xff", r.Uint64()))
		if x.Kind == ical.Date {
			x.Hour, x.Min, x.Sec = 0, 0, 0
		}
		return
	case *ical.Duration:
		*x = ical.Duration{Neg: r.IntN(2) == 0, Days: 1 + r.IntN(9), Time: time.Duration(r.IntN(86400)) * time.Second}
		return
	case *calendar.Occurrence: // whole seconds, and an original start in UTC or of a day
		x.Start = time.Unix(r.Int64N(4e9), 0).UTC()
		x.End, x.Part = x.Start.Add(time.Duration(r.IntN(1e6))*time.Second), r.IntN(10)
		x.RID = ical.FromCivil(time.Unix(r.Int64N(4e9), 0).UTC(), ical.UTC, "")
		if r.IntN(2) == 0 {
			x.RID = ical.DateTime{Year: 2026, Month: 1, Day: 1 + r.IntN(28), Kind: ical.Date}
		}
		return
	case *calendar.Selection:
		v.SetUint(1 + r.Uint64N(5))
		return
	case *calendar.EditScope, *calendar.EditMode, *calendar.EditRole:
		v.SetUint(1 + r.Uint64N(3))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1 + r.Int64N(1<<40))
	case reflect.Uint8, reflect.Uint16:
		v.SetUint(1 + r.Uint64N(1<<v.Type().Bits()-1))
	case reflect.String:
		v.SetString(fmt.Sprintf("%x\xff\x00é", r.Uint64()))
	case reflect.Slice:
		n := 1 + r.IntN(3)
		if depth > 4 {
			n = 0
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fill(v.Index(i), r, depth+1)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 2 {
			key, val := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(key, r, depth)
			fill(val, r, depth)
			v.SetMapIndex(key, val)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), r, depth+1)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Tag.Get("dwp") != "-" { // the rest is the model's own
				fill(v.Field(i), r, depth)
			}
		}
	default:
		panic("no value for " + v.Type().String())
	}
}

// TestEveryField sends filled requests and answers of every method through
// the wire and compares: a field that was forgotten shows.
func TestEveryField(t *testing.T) {
	e := newEcho()
	client := reflect.ValueOf(calendar.Backend(newLink().open(t, e)))
	iface := reflect.TypeFor[calendar.Backend]()
	opts := cmp.Options{cmpopts.IgnoreUnexported(calendar.Object{}), cmp.Comparer(func(a, b error) bool {
		x, _ := a.(*calendar.Error)
		y, _ := b.(*calendar.Error)
		return sameError(x, y)
	})}
	// differ compares with care only what is not the same to the octet: that costs fifty times as much.
	differ := func(sent, received []any) string {
		if len(sent) == len(received) {
			var a, b []any
			for i := range sent {
				if !reflect.DeepEqual(sent[i], received[i]) {
					a, b = append(a, sent[i]), append(b, received[i])
				}
			}
			sent, received = a, b
		}
		return cmp.Diff(sent, received, opts, cmpopts.EquateEmpty())
	}
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		for i := range iface.NumMethod() {
			m := iface.Method(i)
			var args []reflect.Value
			var asked []any
			var got []any // emitted
			var itemType reflect.Type
			for j := range m.Type.NumIn() {
				in := m.Type.In(j)
				switch {
				case in == contextType:
					args = append(args, reflect.ValueOf(t.Context()))
				case in.Kind() == reflect.Func:
					itemType = in.In(0)
					args = append(args, reflect.MakeFunc(in, func(a []reflect.Value) []reflect.Value {
						got = append(got, a[0].Interface())
						return []reflect.Value{reflect.Zero(errorType)}
					}))
				default:
					v := reflect.New(in).Elem()
					fill(v, r, 0)
					args = append(args, v)
					asked = append(asked, v.Interface())
				}
			}
			e.answer, e.err = nil, nil
			for j := range m.Type.NumOut() - 1 {
				v := reflect.New(m.Type.Out(j)).Elem()
				fill(v, r, 0)
				e.answer = append(e.answer, v.Interface())
			}
			var want []any // to be emitted
			if itemType != nil {
				items := reflect.MakeSlice(reflect.SliceOf(itemType), 0, 200)
				for range 150 {
					v := reflect.New(itemType).Elem()
					fill(v, r, 0)
					items = reflect.Append(items, v)
					want = append(want, v.Interface())
				}
				e.answer = append(e.answer, items.Interface())
			}
			fitCounts(asked, e, &want)

			out := client.MethodByName(m.Name).Call(reslice(args, asked))
			if err, _ := out[len(out)-1].Interface().(error); err != nil {
				t.Fatalf("%s: %v", m.Name, err)
			}
			if e.method != m.Name {
				t.Fatalf("%s became %s", m.Name, e.method)
			}
			if d := differ(asked, e.asked); d != "" {
				t.Errorf("%s, request (-sent +received):\n%s", m.Name, d)
			}
			for j := range len(out) - 1 {
				if d := cmp.Diff(e.answer[j], out[j].Interface(), opts, cmpopts.EquateEmpty()); d != "" {
					t.Errorf("%s, answer (-sent +received):\n%s", m.Name, d)
				}
			}
			if d := differ(want, got); d != "" {
				t.Errorf("%s, items (-sent +received):\n%s", m.Name, d)
			}
			if t.Failed() {
				return
			}
		}
	}
}

// fitCounts makes the requests of batches as long as their answers.
func fitCounts(asked []any, e *echo, want *[]any) {
	for i, a := range asked {
		switch req := a.(type) {
		case calendar.ObjectsRequest:
			req.UIDs = req.UIDs[:min(len(req.UIDs), len(*want))]
			req.Refs = make([]calendar.Ref, len(*want)-len(req.UIDs))
			asked[i] = req
		case calendar.PutObjectsRequest:
			results := e.answer[0].([]calendar.PutItemResult)
			for len(req.Items) < 150 {
				req.Items = append(req.Items, req.Items[0])
			}
			for len(results) < len(req.Items) {
				results = append(results, results[0])
			}
			e.answer[0], asked[i] = results, req
		case calendar.EditRequest:
			results := e.answer[0].(calendar.EditResult)
			req.Items = slices.Repeat(req.Items[:1], len(results.Items))
			asked[i] = req
		case calendar.CalendarsRequest:
			results := e.answer[0].([]calendar.CalendarResult)
			n := min(len(results), len(req.IDs))
			req.IDs = req.IDs[:n]
			e.answer[0], asked[i] = results[:n], req
		case calendar.FreeBusyRequest:
			results := e.answer[0].([]calendar.FreeBusyResult)
			n := min(len(results), len(req.Targets))
			req.Targets = req.Targets[:n]
			e.answer[0], asked[i] = results[:n], req
		case calendar.DeliverRequest:
			results := e.answer[0].([]calendar.DeliverResult)
			n := min(len(results), len(req.To))
			req.To = req.To[:n]
			e.answer[0], asked[i] = results[:n], req
		}
	}
}

// reslice puts the changed requests back among the arguments.
func reslice(args []reflect.Value, asked []any) []reflect.Value {
	n := 0
	for i, a := range args {
		if a.Type().Implements(contextType) || a.Kind() == reflect.Func {
			continue
		}
		args[i] = reflect.ValueOf(asked[n])
		n++
	}
	return args
}

func sameError(a, b *calendar.Error) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Kind == b.Kind && a.Reason == b.Reason && a.Op == b.Op && a.Ref == b.Ref && a.Msg == b.Msg
}

// TestAbsent keeps apart what is absent and what is empty.
func TestAbsent(t *testing.T) {
	e := newEcho()
	c := newLink().open(t, e)
	empty := ""
	for _, req := range []calendar.UpdateCalendarRequest{{}, {Color: &empty, Components: &[]string{}, CoOwners: &[]string{}}} {
		if _, err := c.UpdateCalendar(t.Context(), calendar.Actor{}, req); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(req, e.asked[1]); d != "" {
			t.Errorf("update (-sent +received):\n%s", d)
		}
	}
	for _, data := range [][]byte{nil, {}} {
		e.answer = []any{&calendar.Object{Data: data}}
		o, err := c.Object(t.Context(), calendar.Actor{}, calendar.Ref{})
		if err != nil {
			t.Fatal(err)
		}
		if (o.Data == nil) != (data == nil) || !o.Created.IsZero() {
			t.Errorf("sent %#v, got %#v, created %v", data, o.Data, o.Created)
		}
	}
	e.answer = nil
	if err := c.Query(t.Context(), calendar.Actor{}, calendar.QueryRequest{}, nil); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(calendar.QueryRequest{}, e.asked[1]); d != "" {
		t.Errorf("query (-sent +received):\n%s", d)
	}
}

// TestErrors sends every kind through, as the failure of a call, of a stream
// and of an item, and looks for the cause on the other side.
func TestErrors(t *testing.T) {
	e := newEcho()
	c := newLink().open(t, e)
	for _, k := range calendar.Kinds() {
		if _, ok := codeOf[k]; !ok {
			t.Errorf("%v has no code", k)
		}
		cause := &calendar.Error{Kind: k, Reason: "why", Op: "op", Ref: "anna/\xff", Msg: "said", Err: errors.New("SECRET dsn")}
		e.err = fmt.Errorf("around: %w", cause)
		_, unary := c.Object(t.Context(), calendar.Actor{}, calendar.Ref{})
		stream := c.Query(t.Context(), calendar.Actor{}, calendar.QueryRequest{}, func(*calendar.Object) error { return nil })
		e.err, e.answer = nil, []any{[]calendar.FreeBusyResult{{Err: cause}}}
		r, err := c.FreeBusy(t.Context(), calendar.Actor{}, calendar.FreeBusyRequest{Targets: make([]calendar.FreeBusyTarget, 1)})
		if err != nil {
			t.Fatal(err)
		}
		for where, err := range map[string]error{"call": unary, "stream": stream, "item": r[0].Err} {
			var got *calendar.Error
			if !errors.As(err, &got) || !sameError(got, cause) || !errors.Is(err, k) {
				t.Errorf("%v of a %s became %#v", k, where, err)
			} else if strings.Contains(err.Error(), "SECRET") {
				t.Errorf("the cause crossed: %v", err)
			}
		}
		e.err, e.answer = k, nil // bare
		if _, err := c.Ping(t.Context()); calendar.KindOf(err) != k {
			t.Errorf("bare %v became %v", k, err)
		}
	}
	e.err = errors.New("anything")
	if _, err := c.Ping(t.Context()); calendar.KindOf(err) != calendar.Internal || strings.Contains(err.Error(), "anything") {
		t.Errorf("an unknown error became %v", err)
	}
	e.err = &calendar.Error{Kind: calendar.Invalid, Ref: strings.Repeat("r", 1<<20), Msg: strings.Repeat("\xff", 1<<20)}
	if _, err := c.Ping(t.Context()); calendar.KindOf(err) != calendar.Invalid || len(err.Error()) > 3*maxErrorText {
		t.Errorf("a long error became %.200v", err)
	}
}

// TestOccurrences: what a list of occurrences may hold comes back, in few octets.
func TestOccurrences(t *testing.T) {
	day := time.Date(2026, 9, 1, 9, 0, 0, 0, time.UTC)
	utc := func(t time.Time) ical.DateTime { return ical.FromCivil(t, ical.UTC, "") }
	list := []calendar.Occurrence{
		{}, {Part: 3}, {Start: day, End: day}, {Start: day.Add(-time.Hour), End: day, RID: utc(day)},
		{Start: day, End: day.AddDate(0, 0, 1), RID: ical.FromCivil(day.AddDate(0, 0, -3), ical.Date, ""), Part: 70_000},
		{RID: utc(day)}, {Start: time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC), End: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)},
	}
	if diff := cmp.Diff(list, fromOccurrences(toOccurrences(list))); diff != "" {
		t.Error(diff)
	}
	if toOccurrences(nil) != nil || fromOccurrences([]int64{1, 2, 3}) != nil {
		t.Error("something out of nothing")
	}
	daily := make([]calendar.Occurrence, 1000)
	for i := range daily {
		daily[i] = calendar.Occurrence{Start: day.AddDate(0, 0, i), End: day.AddDate(0, 0, i).Add(time.Hour), RID: utc(day.AddDate(0, 0, i))}
	}
	if n := proto.Size(&wire.OccurrencesItem{Occurrences: toOccurrences(daily)}); n > 8*len(daily) {
		t.Errorf("%d octets for %d occurrences", n, len(daily))
	}
}
