package statuslink

import "slices"

// nameIndex finds statuses by folded name.
type nameIndex struct {
	folded []string         // of each status's Name
	find   map[string][]int // of Names and Aliases, in order, each status once
	twins  [][]int          // statuses of one folded Name, where there are several
}

// nameIndex returns the index of names, which is built when first needed.
func (s *Snapshot) nameIndex() *nameIndex {
	if s.names == nil {
		return newNameIndex(nil)
	}
	return s.names()
}

func newNameIndex(statuses []Status) *nameIndex {
	n := &nameIndex{folded: make([]string, len(statuses)), find: make(map[string][]int, len(statuses))}
	fold := newFolder()
	for i := range statuses {
		n.folded[i] = fold(statuses[i].Name)
		n.add(n.folded[i], i)
		for _, alias := range statuses[i].Aliases {
			n.add(fold(alias), i)
		}
	}
	n.twins = twins(n.folded)
	return n
}

func (n *nameIndex) add(name string, i int) {
	if found := n.find[name]; len(found) == 0 || found[len(found)-1] != i {
		n.find[name] = append(found, i)
	}
}

// twins groups the places of equal names, in order of the first; only groups
// of several.
func twins(names []string) [][]int {
	first := make(map[string]int, len(names))
	group := make(map[string]int)
	var groups [][]int
	for i, name := range names {
		j, again := first[name]
		if !again {
			first[name] = i
			continue
		}
		g, known := group[name]
		if !known {
			g = len(groups)
			group[name] = g
			groups = append(groups, []int{j})
		}
		groups[g] = append(groups[g], i)
	}
	slices.SortFunc(groups, func(a, b []int) int { return a[0] - b[0] })
	return groups
}

// linkIndex numbers all links, and finds those of a scope.
type linkIndex struct {
	first   []int // number of each status's first link
	total   int
	byScope map[ScopeKey][]linkAt // in the order of the statuses
	scopes  []ScopeKey            // sorted
}

// linkIndex returns the index of links, which is built when first needed.
func (s *Snapshot) linkIndex() *linkIndex {
	if s.links == nil {
		return newLinkIndex(nil)
	}
	return s.links()
}

func newLinkIndex(statuses []Status) *linkIndex {
	x := &linkIndex{first: make([]int, len(statuses)), byScope: make(map[ScopeKey][]linkAt)}
	for i := range statuses {
		x.first[i] = x.total
		x.total += len(statuses[i].Links)
		for j, link := range statuses[i].Links {
			key := ScopeKey{link.Ref.Source, link.Ref.Scope}
			x.byScope[key] = append(x.byScope[key], linkAt{i, j})
		}
	}
	for key := range x.byScope {
		x.scopes = append(x.scopes, key)
	}
	slices.SortFunc(x.scopes, compareScopes)
	return x
}

// number returns the number of a link.
func (x *linkIndex) number(at linkAt) int { return x.first[at.status] + at.link }
