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
	values []any
	places map[string]int // of the keys, as soon as there are many
	next   int            // the key of the next value that is put in without one; negative if there is none left
}

// few is up to how many keys are looked for one by one.
const few = 8

// array returns an array of keys and values in turn. The keys differ, and are no
// numbers.
func array(pairs ...any) *phpMap {
	m := &phpMap{keys: make([]string, 0, len(pairs)/2), values: make([]any, 0, len(pairs)/2)}
	for i := 0; i+1 < len(pairs); i += 2 {
		m.keys = append(m.keys, pairs[i].(string))
		m.values = append(m.values, pairs[i+1])
	}
	return m
}

// place returns where a key stands, or -1.
func (m *phpMap) place(key string) int {
	if len(m.keys) <= few {
		return slices.Index(m.keys, key)
	}
	if m.places == nil {
		m.places = make(map[string]int, len(m.keys))
		for i, key := range m.keys {
			m.places[key] = i
		}
	}
	if i, found := m.places[key]; found {
		return i
	}
	return -1
}

// has reports whether there is such a key.
func (m *phpMap) has(key string) bool { return m.place(key) >= 0 }

// get returns the value, or nil.
func (m *phpMap) get(key string) any {
	if i := m.place(key); i >= 0 {
		return m.values[i]
	}
	return nil
}

// set puts a value in; a key that is there keeps its place.
func (m *phpMap) set(key string, value any) {
	if i := m.place(key); i >= 0 {
		m.values[i] = value
		return
	}
	if m.places != nil {
		m.places[key] = len(m.keys)
	}
	m.keys, m.values = append(m.keys, key), append(m.values, value)
	// PHP takes "7" for the number 7, and "07" for a text.
	if key == "" || key[0] > '9' {
		return
	}
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
	if i := m.place(key); i >= 0 {
		m.keys, m.values, m.places = slices.Delete(m.keys, i, i+1), slices.Delete(m.values, i, i+1), nil
	}
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
	for i, key := range other.keys {
		m.set(key, other.values[i])
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
func (m *phpMap) all() iter.Seq[any] { return slices.Values(m.values) }
