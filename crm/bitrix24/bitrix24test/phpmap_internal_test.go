package bitrix24test

import (
	"slices"
	"strconv"
	"testing"
)

func TestArraysOfManyKeys(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, few, few + 1, 40} {
		m := new(phpMap)
		for i := range n {
			m.set("k"+strconv.Itoa(i), i)
		}
		m.get("k0") // may make an index
		m.set("k0", -1)
		m.set("last", n)
		m.remove("k" + strconv.Itoa(n/2))
		m.remove("nothing")
		for i := range n {
			key, want := "k"+strconv.Itoa(i), any(i)
			if i == 0 {
				want = -1
			}
			if i == n/2 {
				want = nil
			}
			if got := m.get(key); got != want || m.has(key) != (want != nil) {
				t.Errorf("of %d keys %s = %v, want %v", n, key, got, want)
			}
		}
		if m.get("last") != n || len(m.keys) != n || !slices.Equal(slices.Collect(m.all()), m.values) || m.keys[n-1] != "last" {
			t.Errorf("of %d keys: %v", n, m.keys)
		}
	}
}
