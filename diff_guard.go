package statuslink

import (
	"fmt"
	"slices"
)

// The guard holds a scope if more than guardFew of its links are absent and
// these are more than one in guardShare.
const (
	guardFew   = 2
	guardShare = 3
)

// guard is step 2. It sees one plan only: a list that loses a few statuses in
// each of many plans is not held.
func (m *merger) guard(src *source, sc *scope) {
	absent, listed := 0, 0
	for _, at := range sc.links {
		switch {
		case m.row(src, at) != nil:
			listed++
		case !m.at(at.status).Links[at.link].Missing():
			absent++
		}
	}
	n := absent + listed
	var message string
	switch {
	case len(sc.links) == 0:
		return
	case sc.gone:
		message = "the CRM no longer has this scope, or the right to see it was lost"
	case sc.rows == 0:
		message = "the CRM shows no status here although some are linked"
	case absent > guardFew && guardShare*absent > n, absent == n && n > 1:
		message = fmt.Sprintf("%d of %d linked statuses are absent", absent, n)
	default:
		return
	}
	if _, released := slices.BinarySearchFunc(m.released, sc.key, compareScopes); released {
		return
	}
	sc.held = true
	sc.find(Finding{Kind: FindingHeld, Message: message + "; nothing is concluded here until you release it after a look at the CRM"})
}
