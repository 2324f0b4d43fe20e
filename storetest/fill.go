package storetest

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

// filler gives every exported field inside a value a value of its own that is
// not zero, so that a store that loses one is seen, one added later included.
// Booleans and outcomes, which have too few values, may repeat.
type filler struct{ n int }

var (
	timeType    = reflect.TypeFor[time.Time]()
	outcomeType = reflect.TypeFor[crm.Outcome]()
)

// fill fills v, which is called name. It refuses kinds that it does not know
// rather than leave them zero: then teach it the kind.
func (f *filler) fill(name string, v reflect.Value) error {
	f.n++
	switch {
	case v.Type() == timeType:
		days, part := time.Duration(f.n)*24*time.Hour, time.Duration(f.n)*time.Microsecond
		v.Set(reflect.ValueOf(time.Date(2021, 3, 4, 5, 6, 7, 0, time.UTC).Add(days + part)))
		return nil
	case v.Type() == outcomeType:
		v.SetUint(uint64(f.n%3 + 1))
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(f.text(name))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if v.OverflowInt(int64(f.n)) {
			return fmt.Errorf("storetest cannot fill %s: %s is too small to be distinct", name, v.Type())
		}
		v.SetInt(int64(f.n))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if v.OverflowUint(uint64(f.n)) {
			return fmt.Errorf("storetest cannot fill %s: %s is too small to be distinct", name, v.Type())
		}
		v.SetUint(uint64(f.n))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			if err := f.fill(name, v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Struct:
		return f.fillStruct(name, v)
	default:
		return fmt.Errorf("storetest cannot fill %s: teach it the kind %s", name, v.Type())
	}
	return nil
}

func (f *filler) fillStruct(name string, v reflect.Value) error {
	filled := 0
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !field.IsExported() {
			continue
		}
		if err := f.fill(name+"."+field.Name, v.Field(i)); err != nil {
			return err
		}
		filled++
	}
	if filled == 0 {
		return fmt.Errorf("storetest cannot fill %s: %s has no exported field", name, v.Type())
	}
	return nil
}

// text returns a text that is valid in the field, and sorts by number.
func (f *filler) text(name string) string {
	field := strings.ToLower(name[strings.LastIndexByte(name, '.')+1:])
	if field == "color" {
		return fmt.Sprintf("#%06X", 0xA0B000+f.n)
	}
	return fmt.Sprintf("%s-%04d", field, f.n)
}

// full returns a state in which every field is set: two of everything. Those
// with another seed share no value, but for booleans and outcomes.
func (t *test) full(seed int) statuslink.State {
	t.Helper()
	var state statuslink.State
	t.fill(seed, "State", &state)
	return state
}

// fill fills *p.
func (t *test) fill(seed int, name string, p any) {
	t.Helper()
	f := filler{n: 1000 * seed}
	if err := f.fill(name, reflect.ValueOf(p).Elem()); err != nil {
		t.Fatalf("%v", err)
	}
}

// creation returns the change that makes state out of nothing.
func creation(state statuslink.State) statuslink.Changes {
	return statuslink.Changes{
		Create: state.Statuses, Ignore: state.Ignored, Scopes: state.Scopes, Accounts: state.Accounts,
	}
}
