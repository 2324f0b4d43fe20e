package bitrix24test

import (
	"iter"
	"slices"
	"strconv"
)

// phpMap is a PHP array: values by keys, in the sequence in which the keys came.
// Its zero value is empty and usable.
type phpMap struct {
	keys   []string
	values map[string]any
	next   int // the key of the next value that is put in without one; negative if there is none left
}

// array returns an array of keys and values in turn.
func array(pairs ...any) *phpMap {
	m := new(phpMap)
	for i := 0; i+1 < len(pairs); i += 2 {
		m.set(pairs[i].(string), pairs[i+1])
	}
	return m
}

// get returns the value, or nil.
func (m *phpMap) get(key string) any { return m.values[key] }

// set puts a value in; a key that is there keeps its place.
func (m *phpMap) set(key string, value any) {
	if m.values == nil {
		m.values = map[string]any{}
	}
	if _, found := m.values[key]; !found {
		m.keys = append(m.keys, key)
	}
	m.values[key] = value
	// PHP takes "7" for the number 7, and "07" for a text.
	if n, err := strconv.Atoi(key); err == nil && strconv.Itoa(n) == key && m.next >= 0 && n >= m.next {
		m.next = n + 1
	}
}

// add puts a value in behind the greatest number among the keys.
func (m *phpMap) add(value any) {
	if m.next >= 0 { // otherwise the greatest possible number is in use
		m.set(strconv.Itoa(m.next), value)
	}
}

// remove takes a value out.
func (m *phpMap) remove(key string) {
	delete(m.values, key)
	m.keys = slices.DeleteFunc(m.keys, func(other string) bool { return other == key })
}

// child returns the array at the key, after it put an empty one there if
// anything else was.
func (m *phpMap) child(key string) *phpMap {
	child, found := m.get(key).(*phpMap)
	if !found {
		child = new(phpMap)
		m.set(key, child)
	}
	return child
}

// merge puts all values of the other array in; they win.
func (m *phpMap) merge(other *phpMap) {
	for _, key := range other.keys {
		m.set(key, other.get(key))
	}
}

// isList reports whether PHP writes the array as a JSON array: the keys are 0 to
// n-1 in this sequence. An empty one is written so, whatever it was meant to be.
func (m *phpMap) isList() bool {
	for i, key := range m.keys {
		if key != strconv.Itoa(i) {
			return false
		}
	}
	return true
}

// all yields the values in their sequence.
func (m *phpMap) all() iter.Seq[any] {
	return func(yield func(any) bool) {
		for _, key := range m.keys {
			if !yield(m.get(key)) {
				return
			}
		}
	}
}
