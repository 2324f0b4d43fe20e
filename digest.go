package statuslink

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
)

// computeDigest hashes what the plan does: policy, operations without names of
// statuses and reasons, and held and refused parts.
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
	add(p.policy)
	for _, op := range p.operations {
		op.Status.Name, op.Reason = "", ""
		op.Before, op.After = anonymous(op.Before), anonymous(op.After)
		add(op)
	}
	for _, f := range p.findings {
		switch f.Kind {
		case FindingHeld, FindingFailed, FindingOtherAccount:
			add(Finding{Kind: f.Kind, Scope: f.Scope})
		}
	}
	return hex.EncodeToString(hash.Sum(nil)[:16])
}
