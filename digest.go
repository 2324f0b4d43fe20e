package statuslink

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"github.com/statuslink/statuslink/crm"
)

// computeDigest hashes what the plan does: policy, operations without names of
// statuses and reasons, what the links that they touch hold as Base afterwards,
// and held and refused parts.
func (p *Plan) computeDigest() string {
	hash := sha256.New()
	encoder := json.NewEncoder(hash)
	add := func(part any) {
		if err := encoder.Encode(part); err != nil {
			panic("statuslink: a plan cannot be encoded: " + err.Error()) // only texts and numbers
		}
	}
	anonymous := func(refs []StatusRef) []StatusRef {
		refs = slices.Clone(refs)
		for i := range refs {
			refs[i].Name = ""
		}
		return refs
	}
	bases := p.bases()
	add(p.policy)
	for _, op := range p.operations {
		op.Status.Name, op.Follows.Name, op.Reason = "", "", ""
		op.Before, op.After = anonymous(op.Before), anonymous(op.After)
		add(op)
		if base, linked := bases[op.Ref]; linked {
			base.Order = 0 // the number is the CRM's affair, the sequence is in OpReorder
			add(base)
		}
	}
	for _, f := range p.findings {
		switch f.Kind {
		case FindingHeld, FindingFailed, FindingOtherAccount:
			add(Finding{Kind: f.Kind, Scope: f.Scope})
		}
	}
	return hex.EncodeToString(hash.Sum(nil)[:16])
}

// bases returns what the links of changed statuses hold as Base afterwards.
func (p *Plan) bases() map[crm.Ref]Base {
	bases := make(map[crm.Ref]Base, len(p.updates)+len(p.creates))
	keep := func(links []Link) {
		for _, link := range links {
			bases[link.Ref] = link.Base
		}
	}
	for i := range p.updates {
		keep(p.updates[i].status.Links)
	}
	for i := range p.creates {
		keep(p.creates[i].Links)
	}
	return bases
}
