package archive

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// fill gives every exported field a value of its own.
func fill(v reflect.Value, n *int64) {
	*n++
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(*n, 12345678).UTC()))
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() || v.Type().Field(i).Anonymous && v.Type().Field(i).Type.Kind() == reflect.Struct {
				fill(v.Field(i), n)
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte{0xff, byte(*n), 0})
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), n)
		fill(v.Index(1), n)
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), n)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
	case reflect.String:
		v.SetString("a \"\\\b\x1f\r\n\t<ä>\u2028 " + string(rune('A'+*n%26)))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uint:
		v.SetUint(uint64(*n) & 0x7f)
	default:
		v.SetInt(*n & 0x7f)
	}
}

// What is spelled by hand says the same as encoding/json, with every field and with none.
func TestSpelling(t *testing.T) {
	opts := cmp.Options{cmpopts.IgnoreUnexported(op{}), cmp.AllowUnexported(objectRow{}, fileRow{}, jobRow{}), cmpopts.EquateEmpty()}
	for name, fills := range map[string]bool{"full": true, "empty": false} {
		var is txn
		n := int64(0)
		if fills {
			fill(reflect.ValueOf(&is).Elem(), &n)
		} else {
			is.Ops = []op{{Kind: opHome, Home: &homeRow{}}, {Object: &objectRow{}}, {Version: &versionRow{}}, {}}
		}
		var line bytes.Buffer
		if err := appendLine(&line, &record{Txn: &is}); err != nil {
			t.Fatal(err)
		}
		var got, want record
		if err := newLines(&line).next(&got); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		text, err := json.Marshal(&record{Txn: &is})
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got, opts, cmp.AllowUnexported(record{}, txn{})); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if fills && want.Txn.Ops[1].Version.Object.Origin == "" {
			t.Error("not every field has a value")
		}
	}
	// What is no UTF-8 reads as encoding/json has it.
	s := speller{}
	s.quoted("a\xffb\xc0")
	var got string
	if err := json.Unmarshal(s.b, &got); err != nil || got != "a\ufffdb\ufffd" {
		t.Errorf("%q: %v", got, err)
	}
}
